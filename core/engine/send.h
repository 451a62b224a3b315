/* Requests into flight. */
#ifndef HF_SEND_H
#define HF_SEND_H

#include "queue.h"

/* Encodes the request at the head of the queue on this connection: 1 in flight, 0 no room now, -1 it ended (could
 * never be sent). */
int hf_flight_send(hf_conn *conn);
/* Starts the clock of the oldest in flight. */
static inline void hf_flight_clock(hf_conn *conn) {
    uint32_t ms = conn->pool->config->request_timeout_ms;
    bool none = conn->n_flight == 0 || ms == 0 || ms == HF_FOREVER;
    conn->attempt_deadline = none ? HF_NEVER : conn->pool->now + ms;
    conn->spared = false;
}
/* Takes the oldest out of flight; there is one. */
static inline hf_request *hf_flight_take(hf_conn *conn) {
    hf_request *request = hf_queue_take(&conn->flight);
    conn->n_flight--;
    conn->pool->n_in_flight--;
    hf_flight_clock(conn);
    return request;
}

#endif
