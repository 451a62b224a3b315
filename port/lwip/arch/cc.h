/* What lwIP wants to know of the compiler and the system; the rest it guesses rightly for gcc and clang. */
#ifndef HF_LWIP_CC_H
#define HF_LWIP_CC_H

#include "holdfast/error.h"

struct pbuf;
uint32_t hf_lwip_rand(void); /* system.c: from the port's random source */
int hf_lwip_overhear(
    const struct pbuf *); /* lookup.c: the other addresses of a name server's answer */

/* The place says which: lwIP's texts for it are 5 KB of flash. */
#define LWIP_PLATFORM_ASSERT(what) hf_assert_failed("lwIP", __FILE__, __LINE__)
/* Debug output is off; nothing prints. */
#define LWIP_PLATFORM_DIAG(what) \
    do {                         \
    } while (0)
#define LWIP_RAND() hf_lwip_rand()
/* lwIP's own initial sequence numbers can be guessed (RFC 6528). */
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) hf_lwip_rand()
#define LWIP_HOOK_IP4_INPUT(p, netif)                                   hf_lwip_overhear(p)

#endif
