#include "pools.h"

#include <lwip/memp.h>
#include <lwip/stats.h>

#if MEM_STATS && MEMP_STATS

static const char *const names[] = {
#define LWIP_MEMPOOL(name, count, size, description) #name,
#include <lwip/priv/memp_std.h>
};

bool hf_lwip_pool_get(unsigned index, hf_lwip_pool *pool) {
    const struct stats_mem *stats = &lwip_stats.mem;
    if (index > MEMP_MAX) {
        return false;
    }
    pool->name = "heap";
    if (index > 0) {
        stats = memp_pools[index - 1]->stats;
        pool->name = names[index - 1];
    }
    pool->used = (uint32_t)stats->used;
    pool->most = (uint32_t)stats->max;
    pool->size = (uint32_t)stats->avail;
    pool->refused = (uint32_t)stats->err;
    return true;
}

#endif
