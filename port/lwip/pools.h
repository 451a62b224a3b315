/* What is in use of lwIP's own memory: its heap and each of its pools. A lwipopts.h with LWIP_STATS, MEM_STATS and
 * MEMP_STATS keeps count. */
#ifndef HF_LWIP_POOLS_H
#define HF_LWIP_POOLS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_lwip_pool {
    const char *name;
    uint32_t used, most, size; /* bytes of the heap, pieces of a pool */
    uint32_t refused;          /* ever, for want of room */
} hf_lwip_pool;

/* The index-th; false: there are no more. */
bool hf_lwip_pool_get(unsigned index, hf_lwip_pool *pool);

#endif
