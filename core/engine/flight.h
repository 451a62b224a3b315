/* Requests in flight on a connection: answered, refused, lost. Here the facts are gathered and the verdict
 * (machine/verdict.h, SEMANTICS 9-17) is carried out; nothing is decided. */
#ifndef HF_FLIGHT_H
#define HF_FLIGHT_H

#include "internal.h"

/* Has the driver anything to do? In a login also without bytes in rx: SCRAM's hashing comes in slices. */
static inline bool hf_flight_any(const hf_conn *conn) {
    return conn->io.rx.start < conn->io.rx.end || conn->dial.phase == HF_PHASE_LOGIN;
}
/* Feeds rx to the driver and acts on its events. FED: rx is used up, but for a message that is not whole. After UP and
 * PROBED the rest of rx is fed by the next call. */
hf_turn hf_flight_feed(hf_conn *conn);
/* The connection is lost because of error: each request in flight goes back to the queue's head, in order, or ends
 * (SEMANTICS 10-12). */
void hf_flight_lost(hf_conn *conn, const hf_error *error);

#endif
