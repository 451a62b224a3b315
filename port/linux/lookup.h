/* Names to addresses. */
#ifndef HF_LINUX_LOOKUP_H
#define HF_LINUX_LOOKUP_H

#include "internal.h"

int hf_linux_lookups_init(hf_linux_state *state, unsigned n);
void hf_linux_lookups_close(hf_linux_state *state);
int hf_linux_resolve(hf_port *port, unsigned slot, const char *host, uint16_t port_number);
int hf_linux_resolved(hf_port *port, unsigned slot, hf_address *out, size_t max);
void hf_linux_resolve_cancel(hf_port *port, unsigned slot);
void hf_linux_lookup_event(hf_linux_state *state, uint32_t index, int fd, uint32_t events);
void hf_linux_lookup_timer(hf_linux_state *state);

#endif
