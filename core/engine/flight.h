/* Requests in flight on a connection: answered, refused, lost. The verdict says what becomes of each (SEMANTICS 9-17);
 * here its facts are gathered, and it is carried out.
 */
#ifndef HF_FLIGHT_H
#define HF_FLIGHT_H

#include "internal.h"

/* Has the driver anything to do? Of a login also without bytes: it may be hashing. */
static inline bool hf_flight_any(const hf_conn *conn) {
    return conn->io.rx.start < conn->io.rx.end || conn->dial.phase == HF_PHASE_LOGIN;
}
/* Gives the driver what is in rx, and acts on its news. FED: all of it. UP and PROBED: what is left in rx comes when
 * it is called again. */
hf_turn hf_flight_feed(hf_conn *conn);
/* The connection is lost: each request in flight is requeued or ends, by SEMANTICS 10-12. */
void hf_flight_lost(hf_conn *conn, const hf_error *error);

#endif
