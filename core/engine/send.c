#include "send.h"

#include "queue.h"

/* A request that can never be sent ends with the driver's reason, or with code if there is none. */
static HF_COLD void unsendable(hf_conn *conn, hf_request *request, hf_err code) {
    hf_error *error = &conn->io.error;
    if (error->code == HF_OK) {
        hf_error_set(error, code, HF_PHASE_QUERY, NULL);
    }
    hf_request_end(conn->pool, request, hf_request_unsent(request), error);
    error->code = HF_OK;
}

/* A question about a COMMIT is in flight. The time for asking runs from the first one, and so does the time for which
 * writes are held. */
static void asking(hf_pool *pool, hf_request *request) {
    if (request->stage == HF_STAGE_ROLE) {
        return;
    }
    request->asks++;
    if (hf_is_never(request->asked_at)) {
        request->asked_at = pool->now;
    }
    if (request->stage == HF_STAGE_ASK) {
        hf_commit_asked(pool);
    }
}

int hf_flight_send(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    const hf_driver *driver = pool->config->driver;
    hf_request *request = pool->queue.head;
    if (HF_WITH_PREPARED &&
        (request->flags & HF_REQUEST_REPREPARED)) { /* the one prepared here may be gone too */
        driver->forget(&conn->session, &conn->io, request);
    }
    int r = driver->submit(&conn->session, &conn->io, request);
    if (r == 0) {
        return 0;
    }
    hf_queue_take(&pool->queue);
    pool->n_queued--;
    if (r < 0) {
        unsendable(conn, request, (hf_err)r);
        return -1;
    }
    request->conn = conn;
    if (hf_asks(request)) {
        asking(pool, request);
    } else {
        if (request->on_send) { /* the request is in tx, and no byte of it with the server */
            request->on_send(request);
        }
        request->attempts++;
        if (request->retries > 0) {
            pool->retries++;
        }
    }
    hf_queue_push(&conn->flight, request);
    pool->n_in_flight++;
    if (++conn->n_flight == 1) {
        hf_flight_clock(conn);
    }
    return 1;
}
