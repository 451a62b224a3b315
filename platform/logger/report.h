/* What the logger says on the serial line, and what is in use of each pool. */
#ifndef HF_REPORT_H
#define HF_REPORT_H

#include "memory.h"
#include "store.h"

/* "what: text", or text alone. */
void hf_report_line(const char *what, const char *text);
/* So many were lost since there was room. */
void hf_report_dropped(uint32_t readings);
/* What became of the readings, and what the machine had to do for it. */
void hf_report_summary(const hf_pool *pool, const hf_store *store, uint32_t tick_ms_max,
                       uint32_t woken);

/* The pools that an image has: mbedTLS's and cJSON's heaps, lwIP's own. */
enum { HF_REPORT_POOLS = 24 };
typedef struct hf_report_pool {
    const char *name;
    uint32_t used, most, size, refused; /* in bytes of a heap, in pieces of a pool */
} hf_report_pool;
typedef struct hf_report_pools {
    hf_report_pool list[HF_REPORT_POOLS];
    unsigned count;
} hf_report_pools;

void hf_report_pools_get(hf_report_pools *pools, const hf_memory *tls, const hf_memory *json);
/* Is as much in use of each? */
bool hf_report_pools_same(const hf_report_pools *before, const hf_report_pools *after);
void hf_report_pools_print(const hf_report_pools *before, const hf_report_pools *after);

#endif
