/* Between the files of this folder.
 *
 *     lwIP's callbacks --> note --> next() --> core     a callback notes what happened and returns; core asks,
 *                                                       and only then is lwIP called
 */
#ifndef HF_LWIP_INSIDES_H
#define HF_LWIP_INSIDES_H

#include "holdfast/lwip.h"

#include <lwip/ip_addr.h>

enum { HF_LWIP_FREE, HF_LWIP_CONNECTING, HF_LWIP_UP, HF_LWIP_FAILED };

static inline hf_lwip *hf_lwip_of(hf_port *port) {
    return (hf_lwip *)(void *)port;
}

/* lwip.c: was all that LWIP_RAND() gave since the last call random? lwIP has no way to be told that it was not. */
bool hf_lwip_random_good(void);

/* link.c */
void hf_lwip_links_init(hf_lwip *port);
void hf_lwip_links_close(hf_lwip *port);
hf_link *hf_lwip_open(hf_port *port, const hf_address *address, const char *path, uint32_t tag,
                      int *err);

/* lookup.c */
void hf_lwip_lookups_init(hf_lwip *port);
void hf_lwip_lookups_close(hf_lwip *port);
int hf_lwip_resolve(hf_port *port, unsigned slot, const char *host, uint16_t port_number);
int hf_lwip_resolved(hf_port *port, unsigned slot, hf_address *out, size_t max);
void hf_lwip_resolve_cancel(hf_port *port, unsigned slot);

/* An address of core's as one of lwIP's. False: a kind that this lwIP was built without. */
bool hf_lwip_ip_from(ip_addr_t *to, const hf_address *from);

#endif
