#include "group.h"

#include "cancel.h"
#include "machine/classify.h"
#include "queue.h"
#include "send.h"

void hf_group_apart(hf_conn *conn, hf_queue *again) {
    hf_pool *pool = conn->pool;
    while (again->tail) { /* last one first, so that the order stays */
        hf_request *request = again->tail;
        hf_queue_remove(again, request);
        request->flags |= HF_REQUEST_ALONE;
        request->flags |= request->complete ? HF_REQUEST_UNDONE : 0;
        if (!hf_request_must_end(pool, request)) {
            request->flags |= HF_REQUEST_UNDONE;
            hf_request_requeue(pool, request);
            continue;
        }
        hf_cancel_error(conn, request, &request->error);
        hf_request_end(pool, request, hf_request_unsent(request), NULL);
    }
}

/* Does the answer to a complete request stand? Not if a cancel that was for another one has cut its rows off. */
static bool stands(const hf_conn *conn, const hf_request *request) {
    return !(request->flags & HF_REQUEST_ROWS_LOST) || hf_request_must_end(conn->pool, request);
}

/* Does what was read before an error stand? Not if that error has undone a serializable transaction, which it may do at
 * the commit, too, behind the last answer. */
static bool reads_stand(const hf_conn *conn) {
    return (conn->io.role & (HF_ROLE_READS_STAND | HF_ROLE_CHANGED)) == HF_ROLE_READS_STAND;
}

hf_request *hf_group_take(hf_conn *conn, hf_queue *done, bool *hit, bool *ours) {
    hf_pool *pool = conn->pool;
    hf_request *last = conn->awaited, *refused = last->complete ? NULL : last;
    const bool error = refused || last->error.code != HF_OK || conn->io.error.code != HF_OK;
    const bool stand = !error || reads_stand(conn);
    hf_queue again = { 0 };
    bool more = true;

    *hit = conn->cancelled && hf_conn_leads(conn, conn->cancelled);
    const bool clock = *hit && refused && conn->cancel_limit == HF_LIMIT_REQUEST &&
                       hf_classify(&refused->error, true) == HF_CLASS_CANCELLED &&
                       !hf_request_must_end(pool, refused);
    if (!refused && last->error.code == HF_OK) {
        last->error = conn->io.error; /* a transaction was left open, or HF_OK */
    }
    conn->io.error.code = HF_OK;
    while (more) {
        hf_request *request = hf_flight_take(conn);
        more = hf_shares_next(request);
        if (request->complete && stand && stands(conn, request)) {
            hf_queue_push(done, request);
        } else if (request != refused || clock) {
            hf_queue_push(&again, request);
            hf_cancel_passed(conn);
        }
    }
    conn->awaited = conn->flight.head;
    hf_group_apart(conn, &again);
    if (clock || !refused) {
        return NULL;
    }
    *ours = *hit && (refused == conn->cancelled || hf_request_must_end(pool, refused));
    return refused;
}
