#include "order.h"

#include <stdlib.h>

#define BUCKETS_MIN 4096 /* and four for each line of the window: seldom do two values share one */

uint64_t hf_order_hash(const hf_value *cells, size_t n_cells, size_t column) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    if (column >= n_cells || !cells[column].data) {
        return 0;
    }
    for (size_t i = 0; i < cells[column].bytes; i++) {
        hash = (hash ^ (unsigned char)cells[column].data[i]) * 1099511628211u;
    }
    hash ^= hash >> 32; /* the low bits are what it is taken by */
    hash *= 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

void hf_order_init(hf_order *order, size_t column, uint32_t size) {
    size_t buckets = BUCKETS_MIN;
    *order = (hf_order){ .column = column, .size = size };
    if (column == HF_NO_COLUMN) {
        return;
    }
    while (buckets / 4 < size) {
        buckets *= 2;
    }
    order->mask = buckets - 1;
    order->last = hf_must_alloc(buckets, sizeof *order->last);
    order->freed = hf_must_alloc(size, sizeof *order->freed);
}

void hf_order_free(hf_order *order) {
    free(order->last);
    free(order->freed);
    *order = (hf_order){ 0 };
}

static bool has_ended(const hf_line *line) {
    return line->state == HF_LINE_OK || line->state == HF_LINE_REJECTED ||
           line->state == HF_LINE_UNKNOWN;
}

void hf_order_take(hf_order *order, hf_window *window) {
    const uint64_t number = window->tail - 1;
    hf_line *line = hf_window_at(window, number);
    if (order->column == HF_NO_COLUMN) {
        return;
    }
    uint64_t *last =
        &order->last[hf_order_hash(line->cells, line->n_cells, order->column) & order->mask];
    if (*last > window->head) {
        hf_line *before = hf_window_at(window, *last - 1);
        line->waits = !has_ended(before);
        before->follower = number + 1;
    }
    *last = number + 1;
}

void hf_order_ended(hf_order *order, hf_window *window, const hf_line *line) {
    if (order->column == HF_NO_COLUMN || line->follower == 0 || !has_ended(line)) {
        return;
    }
    hf_line *follower = hf_window_at(window, line->follower - 1);
    if (follower->waits) {
        follower->waits = false;
        order->freed[order->freed_to++ % order->size] = line->follower - 1;
    }
}

hf_line *hf_order_next(hf_order *order, const hf_window *window) {
    return order->freed_from == order->freed_to
               ? NULL
               : hf_window_at(window, order->freed[order->freed_from++ % order->size]);
}
