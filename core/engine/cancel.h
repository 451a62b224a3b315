/* Cancelling what runs (SEMANTICS 16; PostgreSQL docs 55.2.9).
 *
 * The CancelRequest goes out alone on a second link, encrypted if the session is. The cancel and the grace for an
 * answer to it share close_timeout; nothing new is sent on the session meanwhile. The server closes the second link
 * when it has passed the cancel on: from then on the cancel can hit what was sent before, but no later statement.
 * Until the server has closed it, or close_timeout is over, neither link is closed from here: there are poolers that
 * do not survive it.
 *
 * A RESOLVE or LEDGER request's own COMMIT is never cancelled: the cancel would end its wait for a synchronous standby,
 * as OK.
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
/* May a CancelRequest that went out still hit what is in flight? */
static inline bool hf_cancel_may_hit(const hf_conn *conn) {
    return conn->cancel_out || conn->n_cancel_may_hit > 0;
}
/* One of those in flight is over: such a CancelRequest may not hit it any more. */
static inline void hf_cancel_passed(hf_conn *conn) {
    if (conn->n_cancel_may_hit > 0) {
        conn->n_cancel_may_hit--;
    }
}
/* A function that returns an hf_turn says FED, or LOST: the connection is to be given up because of conn->io.error. */

/* Cancels the oldest request in flight, because of limit or, with HF_LIMIT_NONE, because somebody asked. If its
 * attempt is being cancelled already, the whole request ends from then on, not that attempt alone. */
hf_turn hf_cancel_begin(hf_conn *conn, hf_limit limit);
/* The same of one that is answered with the oldest (hf_conn_leads()): the cancel may hit each of those. */
hf_turn hf_cancel_one(hf_conn *conn, hf_request *request, hf_limit limit);
/* A request in flight behind another one is to end. A CancelRequest names a backend, not a statement, so the request's
 * turn is waited for. LOST, without a reason in io.error: its turn did not come, and only the link's end ends it. */
hf_turn hf_cancel_behind(hf_conn *conn, hf_request *request);
/* Moves the cancel on when the port has an event of its link. */
hf_turn hf_cancel_advance(hf_conn *conn);
/* cancel_deadline has passed: cancel and grace are over. */
hf_turn hf_cancel_due(hf_conn *conn);
/* Ends the cancel and aborts its link, whatever the link is doing. */
void hf_cancel_stop(hf_conn *conn);
/* The session is gone. The link of a CancelRequest that was sent stays until the other side ends it, or
 * cancel_deadline. */
void hf_cancel_leave(hf_conn *conn);
/* The oldest in flight was answered: the next one is cancelled now if it was to be. */
void hf_cancel_next(hf_conn *conn);
/* The request that is being cancelled was answered. A CancelRequest that may still hit another one stays pending. */
void hf_cancel_answered(hf_conn *conn);
/* Fills error with why this request is being cancelled: a limit, or hf_cancel(). */
void hf_cancel_error(const hf_conn *conn, const hf_request *request, hf_error *error);

#endif
