/* What follows from what happened: the one place that acts on a connection's news and deadlines.
 *
 * conn, connect, cancel and flight say what became of a connection; here its machine is stepped, its requests in flight
 * end after its links, and the pool hears of it: who dials next, whether it is given up.
 */
#ifndef HF_SUPERVISE_H
#define HF_SUPERVISE_H

#include "conn.h"

/* Does what the port has news of, or what was left over. */
void hf_conn_serve(hf_conn *conn);
/* The connection's timer is due. */
void hf_conn_due(hf_conn *conn);
/* The timer of a request is due that is in flight. */
void hf_flight_due(hf_conn *conn, hf_request *request);
/* Cancels the oldest in flight, because the pool closes. */
void hf_conn_cancel(hf_conn *conn);
/* The connection is wanted, and may dial. */
void hf_conn_want(hf_conn *conn);
/* Writing failed: the connection was lost. Always false. */
HF_RARE bool hf_conn_write_failed(hf_conn *conn, int code);
/* Sends what waits in tx. False: the link failed, and the connection was lost. */
static inline bool hf_conn_flush(hf_conn *conn) {
    const int err = hf_conn_write(conn);
    return err == HF_OK || hf_conn_write_failed(conn, err);
}
/* The connection is no longer wanted: closed politely. */
void hf_conn_close(hf_conn *conn);
/* Everything it holds ends now: the pool's close_deadline has passed. */
void hf_conn_abort(hf_conn *conn);
/* The server may be gone: idle connections are probed before use. */
void hf_pool_suspect(hf_pool *pool, const hf_conn *except);
/* Gives up if the policy says so. */
void hf_pool_check_give_up(hf_pool *pool);

#endif
