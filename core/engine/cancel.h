/* Cancelling what runs (SEMANTICS 16; PostgreSQL docs 55.2.9).
 *
 * The driver's few bytes go out alone on a second link, encrypted if the session is. Cancel and grace share
 * close_timeout; nothing new is sent on the session meanwhile. The server closes the second link when it
 * has passed the cancel on: then it can hit what was sent before, but no later statement. Until it has, or
 * close_timeout is over, neither link is closed from here: there are poolers that do not survive it.
 *
 * A COMMIT of its own is never cancelled: the cancel would end its wait for a synchronous standby, as OK.
 */
#ifndef HF_CANCEL_H
#define HF_CANCEL_H

#include "internal.h"

static inline bool hf_cancel_pending(const hf_conn *conn) {
    return !hf_is_never(conn->cancel_deadline) && (conn->cancelled || !conn->cancel_left);
}
/* Is the connection HEALTHY with nothing in the way of new work? */
static inline bool hf_conn_serving(const hf_conn *conn) {
    return conn->fsm.state == HF_HEALTHY && !hf_cancel_pending(conn);
}
/* Has a CancelRequest gone out that may still hit what is in flight? */
static inline bool hf_cancel_may_hit(const hf_conn *conn) {
    return conn->cancel_out || conn->exposed > 0;
}
/* Those that return an hf_turn say FED, or LOST: the connection is to be given up. */

/* Cancels the oldest in flight because of limit, or of a wish (HF_LIMIT_NONE). Of one whose attempt is being cancelled
 * already, it is from then on the whole request that ends. */
hf_turn hf_cancel_begin(hf_conn *conn, hf_limit limit);
/* A request in flight behind another one is to end: nothing can be cancelled alone there, so its turn is waited for. */
hf_turn hf_cancel_behind(hf_conn *conn, hf_request *request);
/* The cancel's link has news. */
hf_turn hf_cancel_advance(hf_conn *conn);
/* Cancel and grace are over. */
hf_turn hf_cancel_due(hf_conn *conn);
/* Ends the cancel, whatever its link is doing. */
void hf_cancel_stop(hf_conn *conn);
/* The session is gone: a CancelRequest that was sent keeps its link until the other side ends it, or its deadline. */
void hf_cancel_leave(hf_conn *conn);
/* The oldest in flight was answered: the next one may be one that was to be cancelled behind it. */
void hf_cancel_next(hf_conn *conn);
/* Whom it was for was answered. What was sent of it may still hit another: then it stays pending. LOST never. */
void hf_cancel_answered(hf_conn *conn);
/* Fills error with why this request is being cancelled. */
void hf_cancel_error(const hf_conn *conn, const hf_request *request, hf_error *error);

#endif
