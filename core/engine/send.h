/* A connection's flight: the requests that were encoded on it, oldest first. */
#ifndef HF_SEND_H
#define HF_SEND_H

#include "queue.h"

/* An answer is quick if it is awaited for so long at most: that is a round trip on this connection, and hardly more. */
static inline hf_ms hf_flight_quick(const hf_conn *conn) {
    return (hf_ms)conn->trip_ms + HF_QUICK_MS;
}
/* Does the oldest in flight, or the timed one, take longer than that? Then nothing is sent behind it. */
static inline bool hf_flight_lags(const hf_conn *conn) {
    const hf_ms since =
        conn->timed && conn->timed_at < conn->oldest_at ? conn->timed_at : conn->oldest_at;
    return conn->pool->now - since > hf_flight_quick(conn);
}
/* The request that was timed is answered: how many may be in flight follows from how long that took. */
void hf_flight_learn(hf_conn *conn);

/* Encodes the queue's head into this connection's tx. 1: it is in flight; 0: no room in tx now; -1: it ended, because
 * it can never be sent. The queue must not be empty. */
int hf_flight_send(hf_conn *conn);
/* The oldest request in flight is the one the server works at: request_timeout runs for it from now. */
static inline void hf_flight_clock(hf_conn *conn) {
    uint32_t ms = conn->pool->config->request_timeout_ms;
    bool none = conn->n_flight == 0 || ms == 0 || ms == HF_FOREVER;
    conn->attempt_deadline = none ? HF_NEVER : conn->pool->now + ms;
    conn->deadline_extended = false;
    if (HF_WITH_GROUPS) {
        conn->oldest_at = conn->pool->now;
    }
}
/* Takes the oldest request out of flight. The flight must not be empty. */
static inline hf_request *hf_flight_take(hf_conn *conn) {
    hf_request *request = hf_queue_take(&conn->flight);
    if (HF_WITH_GROUPS && request == conn->timed) {
        hf_flight_learn(conn);
    }
    conn->n_flight--;
    conn->pool->n_in_flight--;
    hf_flight_clock(conn);
    return request;
}

#endif
