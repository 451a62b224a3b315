/* What follows from what happened to a connection: the one place that acts on its events and deadlines.
 *
 * conn, connect, cancel and flight say what became of a connection; here its machine is stepped, its requests in
 * flight end after its links, and the pool hears of it: who dials next, whether it gives up.
 */
#ifndef HF_SUPERVISE_H
#define HF_SUPERVISE_H

#include "conn.h"

/* Serves a connection that the port has an event of, or that was over its budget in the last tick. */
void hf_conn_serve(hf_conn *conn);
/* The connection's timer is due. */
void hf_conn_due(hf_conn *conn);
/* The timer of a request in flight is due: it was cancelled, or its deadline has passed. */
void hf_flight_due(hf_conn *conn, hf_request *request);
/* Cancels the connection's oldest request in flight, because the pool closes. */
void hf_conn_cancel(hf_conn *conn);
/* Wakes an idle connection that may dial. */
void hf_conn_want(hf_conn *conn);
/* A write failed (code: an hf_err): reads the server's last words, then the connection is lost. Always false. */
HF_COLD bool hf_conn_write_failed(hf_conn *conn, int code);
/* Writes tx to the link. False: the link failed, and the connection was lost. */
static inline bool hf_conn_flush(hf_conn *conn) {
    const int err = hf_conn_write(conn);
    return err == HF_OK || hf_conn_write_failed(conn, err);
}
/* The connection is no longer wanted: closed politely. */
void hf_conn_close(hf_conn *conn);
/* Ends everything the connection holds, at once: the pool's close_deadline has passed. */
void hf_conn_abort(hf_conn *conn);
/* The server may be gone: idle connections, all but `except`, are probed before they are used. */
void hf_pool_probe_idle(hf_pool *pool, const hf_conn *except);
/* Gives the outage up if connect_retries, max_outage or a refusal says so: queued requests end with last_error. */
void hf_pool_check_give_up(hf_pool *pool);

#endif
