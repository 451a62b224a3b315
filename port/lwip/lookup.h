/* Names to addresses. */
#ifndef HF_LWIP_LOOKUP_H
#define HF_LWIP_LOOKUP_H

#include "holdfast/lwip.h"

void hf_lwip_lookups_init(hf_lwip *port);
void hf_lwip_lookups_close(hf_lwip *port);
int hf_lwip_resolve(hf_port *port, unsigned slot, const char *host, uint16_t port_number);
int hf_lwip_resolved(hf_port *port, unsigned slot, hf_address *out, size_t max);
void hf_lwip_resolve_cancel(hf_port *port, unsigned slot);

#endif
