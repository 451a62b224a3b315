/* Requests into flight. */
#ifndef HF_SEND_H
#define HF_SEND_H

#include "internal.h"

/* Encodes the request at the head of the queue on this connection: 1 in flight, 0 no room now, -1 it ended (could
 * never be sent). */
int hf_flight_send(hf_conn *conn);
/* Takes the oldest out of flight; there is one. */
hf_request *hf_flight_take(hf_conn *conn);

#endif
