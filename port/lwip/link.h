/* TCP connections as links. */
#ifndef HF_LWIP_LINK_H
#define HF_LWIP_LINK_H

#include "holdfast/lwip.h"

void hf_lwip_links_init(hf_lwip *port);
void hf_lwip_links_close(hf_lwip *port);
hf_link *hf_lwip_open(hf_port *port, const hf_address *address, const char *path, uint32_t tag,
                      int *err);

#endif
