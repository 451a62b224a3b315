/* The network under the program, which the board chooses: boards/linux has the system's sockets,
 * boards/linux-lwip has lwIP over a TAP device. */
#ifndef HF_NET_H
#define HF_NET_H

#include "holdfast/holdfast.h"

typedef struct hf_net hf_net;

/* NULL: *error says why. config must outlive it. */
hf_net *hf_net_open(const hf_config *config, hf_error *error);
hf_port *hf_net_port(hf_net *net);
hf_ms hf_net_now(hf_net *net);
/* Sleeps until an event or `until` has come; a signal ends the sleep early. 0, or anything else with errno: the
 * system cannot tell of events. */
int hf_net_wait(hf_net *net, hf_ms until);
/* After hf_pool_closed(), or at any time if the pool is not ticked again. */
void hf_net_close(hf_net *net);

#endif
