/* Random numbers for lwIP itself, and the port behind core's. */
#ifndef HF_LWIP_SYSTEM_H
#define HF_LWIP_SYSTEM_H

#include "holdfast/lwip.h"

static inline hf_lwip *hf_lwip_of(hf_port *port) {
    return (hf_lwip *)(void *)port;
}

/* The port's random source is lwIP's too, unless another port's is. */
void hf_lwip_random_open(const hf_lwip *port);
void hf_lwip_random_close(const hf_lwip *port);
/* Was all that LWIP_RAND() gave since the last call random? lwIP has no way to be told that it was not. */
bool hf_lwip_random_good(void);

#endif
