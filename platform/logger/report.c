#include "report.h"

#include "base/text.h"
#include "holdfast/lwip.h"
#include "hw.h"
#include "pools.h"

#include <string.h>

typedef struct line {
    hf_writer to;
    char text[160];
} line;

static void begin(line *it, const char *what) {
    it->to = hf_writer_on(it->text, sizeof it->text);
    hf_write_text(&it->to, what);
}

static void count(line *it, const char *name, uint64_t value) {
    hf_write_text(&it->to, " ");
    hf_write_text(&it->to, name);
    hf_write_text(&it->to, "=");
    hf_write_unsigned(&it->to, value);
}

static void end(line *it) {
    hf_report_line(NULL, it->text);
}

void hf_report_line(const char *what, const char *text) {
    if (what) {
        hf_hw_uart_write(what, strlen(what));
        hf_hw_uart_write(": ", 2);
    }
    hf_hw_uart_write(text, strlen(text));
    hf_hw_uart_write("\r\n", 2);
}

void hf_report_dropped(uint32_t readings) {
    line it;
    begin(&it, "queue: room again,");
    count(&it, "dropped", readings);
    end(&it);
}

void hf_report_summary(const hf_pool *pool, const hf_store *store, uint32_t tick_ms_max,
                       uint32_t woken) {
    hf_pool_status status;
    line it;
    hf_pool_status_get(pool, &status);
    begin(&it, "readings:");
    count(&it, "taken", store->taken);
    count(&it, "stored", store->stored);
    count(&it, "dropped", store->readings.dropped);
    count(&it, "refused", store->refused);
    count(&it, "left", hf_store_left(store));
    count(&it, "known", store->known);
    count(&it, "waited", store->readings.most);
    end(&it);
    begin(&it, "machine:");
    count(&it, "dials", status.dials);
    count(&it, "ups", status.ups);
    count(&it, "losses", status.losses);
    count(&it, "outages", status.outages);
    count(&it, "retries", status.retries);
    count(&it, "tick_ms", tick_ms_max);
    count(&it, "woken", woken);
    end(&it);
    begin(&it, "sizes:");
    count(&it, "conn", sizeof(hf_conn));
    count(&it, "pool", sizeof(hf_pool));
    end(&it);
    begin(&it, "stack:");
    count(&it, "most", hf_hw_stack_used());
    count(&it, "size", hf_hw_stack_size());
    end(&it);
}

static void add(hf_report_pools *pools, const hf_report_pool *pool) {
    HF_ASSERT(pools->count < HF_REPORT_POOLS);
    pools->list[pools->count++] = *pool;
}

static void add_heap(hf_report_pools *pools, const char *name, const hf_memory *heap) {
    const hf_report_pool pool = { name, heap->used, heap->peak, heap->size, heap->failures };
    add(pools, &pool);
}

void hf_report_pools_get(hf_report_pools *pools, const hf_memory *tls, const hf_memory *json) {
    hf_lwip_pool pool;
    pools->count = 0;
    add_heap(pools, "mbedtls", tls);
    add_heap(pools, "json", json);
    for (unsigned i = 0; hf_lwip_pool_get(i, &pool); i++) {
        const hf_report_pool one = { pool.name, pool.used, pool.most, pool.size, pool.refused };
        add(pools, &one);
    }
}

bool hf_report_pools_same(const hf_report_pools *before, const hf_report_pools *after) {
    bool same = before->count == after->count;
    for (unsigned i = 0; same && i < before->count; i++) {
        same = before->list[i].used == after->list[i].used;
    }
    return same;
}

void hf_report_pools_print(const hf_report_pools *before, const hf_report_pools *after) {
    for (unsigned i = 0; i < after->count; i++) {
        const hf_report_pool *pool = &after->list[i];
        line it;
        begin(&it, "pool ");
        hf_write_text(&it.to, pool->name);
        hf_write_text(&it.to, ":");
        count(&it, "before", before->list[i].used);
        count(&it, "after", pool->used);
        count(&it, "most", pool->most);
        count(&it, "size", pool->size);
        count(&it, "refused", pool->refused);
        end(&it);
    }
}
