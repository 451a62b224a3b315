/* The Linux port: non-blocking sockets, epoll, c-ares, mbedTLS, CLOCK_BOOTTIME. */
#ifndef HOLDFAST_LINUX_H
#define HOLDFAST_LINUX_H

#include "holdfast.h"

/* The port's own, one for each pool. */
typedef struct hf_linux {
    hf_port port;
    struct hf_linux_state *state; /* on the heap; nothing is allocated per statement */
} hf_linux;

/* Opens epoll and the resolver, reads and parses the CA file once. 0 or an hf_err with *error (may be
 * NULL) naming what failed. config must outlive the port. */
int hf_linux_init(hf_linux *port, const hf_config *config);
/* The same, with the reason. */
int hf_linux_init_error(hf_linux *port, const hf_config *config, hf_error *error);
hf_port *hf_linux_port(hf_linux *port);
/* CLOCK_BOOTTIME in ms. */
hf_ms hf_linux_now(hf_linux *port);
/* Sleeps until there is news or `until` has come. 0, or HF_ERR_* (EINTR is news, not an error). */
int hf_linux_wait(hf_linux *port, hf_ms until);
/* One descriptor to poll for reading in somebody else's loop; then hf_linux_wait(port, 0) and hf_tick(). */
int hf_linux_fd(hf_linux *port);
/* Releases all. After hf_pool_closed(), or at any time if the pool is not ticked again. */
void hf_linux_close(hf_linux *port);

#endif
