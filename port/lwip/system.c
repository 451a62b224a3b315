#include "system.h"

#include <lwip/sys.h>

/* There is one lwIP in an image, and its hooks are given no port. */
static struct {
    const hf_lwip *port; /* the first: its random source serves lwIP */
    bool weak;           /* the source failed since hf_lwip_random_good() was asked */
    uint32_t fallback;
} source;

void hf_lwip_random_open(const hf_lwip *port) {
    if (source.port == NULL) {
        source.port = port;
    }
}

void hf_lwip_random_close(const hf_lwip *port) {
    if (source.port == port) {
        source.port = NULL;
    }
}

/* LWIP_RAND(): lwIP takes a number whatever happens. One that is not random is remembered, and the link or look-up
 * that asked for it then fails. */
uint32_t hf_lwip_rand(void) {
    uint32_t word = 0;
    const hf_lwip_setup *setup = source.port != NULL ? &source.port->setup : NULL;
    if (setup == NULL || setup->random(setup->user, (unsigned char *)&word, sizeof word) != 0) {
        source.weak = true;
        word = sys_now() + (source.fallback += 0x9e3779b9u);
    }
    return word;
}

bool hf_lwip_random_good(void) {
    bool good = !source.weak;
    source.weak = false;
    return good;
}

hf_ms hf_lwip_now(hf_lwip *port) {
    port->now += (uint32_t)(sys_now() - (uint32_t)port->now);
    return port->now;
}
