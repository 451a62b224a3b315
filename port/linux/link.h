/* Sockets as links. */
#ifndef HF_LINUX_LINK_H
#define HF_LINUX_LINK_H

#include "internal.h"

int hf_linux_links_init(hf_linux_state *state, unsigned n); /* 0 or an hf_err */
void hf_linux_links_close(hf_linux_state *state);
hf_link *hf_linux_open(hf_port *port, const hf_address *address, const char *path, uint32_t tag,
                       int *err);
/* Takes an epoll event of a link. True: news for core. */
bool hf_linux_link_event(hf_linux_state *state, uint32_t index, uint32_t generation,
                         uint32_t events);

#endif
