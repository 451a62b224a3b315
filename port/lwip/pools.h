/* How much of lwIP's own memory is in use: its heap and each of its pools. A lwipopts.h with LWIP_STATS, MEM_STATS and
 * MEMP_STATS keeps count. */
#ifndef HF_LWIP_POOLS_H
#define HF_LWIP_POOLS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_lwip_pool {
    const char *name;
    uint32_t used, most, size; /* bytes of the heap, pieces of a pool */
    uint32_t refused;          /* requests ever refused because there was no room */
} hf_lwip_pool;

/* The pool of that index, the heap being 0; false: there are no more. */
bool hf_lwip_pool_get(unsigned index, hf_lwip_pool *pool);

#endif
