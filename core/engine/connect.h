/* An attempt at a session: name, addresses, link, login.
 *
 * An attempt goes through the addresses of one endpoint's name, each with its share of the attempt's time, and starts
 * from a wiped session: nothing of an earlier one is kept but the endpoint's keys, its refused start-up parameters, and
 * that it drops protocol 3.2.
 */
#ifndef HF_CONNECT_H
#define HF_CONNECT_H

#include "internal.h"

typedef enum hf_connect {
    HF_CONNECT_IN_PROGRESS, /* the port will have an event of the attempt */
    HF_CONNECT_LINK_UP,     /* the login's bytes may go to and fro */
    HF_CONNECT_FAILED       /* conn->io.error */
} hf_connect;

/* Starts an attempt on the endpoint whose turn it is. */
hf_connect hf_connect_start(hf_conn *conn);
/* Goes on with the attempt as far as it goes now. */
hf_connect hf_connect_advance(hf_conn *conn);
/* The present address failed, or its share of the time is over: tries the next one. There must be one. */
hf_connect hf_connect_next(hf_conn *conn);
/* Dials the endpoint anew within the same attempt, without the start-up parameters or the version that it refused, or
 * with other credentials. */
hf_connect hf_connect_again(hf_conn *conn);

#endif
