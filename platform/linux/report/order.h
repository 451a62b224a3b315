/* --order-by: lines with the same value in a column run one after the other, in input order.
 *
 * A line that is taken on waits for the last one before it that has not ended and may have its value; that one knows it
 * as its follower. Values are told apart by a hash: two that share one are kept in order, too, which costs time alone.
 */
#ifndef HF_ORDER_H
#define HF_ORDER_H

#include "window.h"

typedef struct hf_order {
    size_t column;  /* HF_NO_COLUMN: lines run as they come */
    uint64_t *last; /* by hash: 1 + the window's number of the last line with it; 0 none */
    uint64_t mask;
    uint64_t *freed; /* a ring: numbers of lines that wait no longer */
    uint64_t freed_from, freed_to;
    uint32_t size;
} hf_order;

#define HF_NO_COLUMN SIZE_MAX

/* Pure. The hash of a cell, the same on each machine; a cell that is not there is as one that is NULL. */
uint64_t hf_order_hash(const hf_value *cells, size_t n_cells, size_t column);

/* An order for a window of `size` lines. */
void hf_order_init(hf_order *order, size_t column, uint32_t size);
void hf_order_free(hf_order *order);
/* The window's last line was taken on and is READY: must it wait? */
void hf_order_take(hf_order *order, hf_window *window);
/* The line has ended for good, whatever became of it: its follower may run. */
void hf_order_ended(hf_order *order, hf_window *window, const hf_line *line);
/* A line that waited and may run now; NULL: there is none. */
hf_line *hf_order_next(hf_order *order, const hf_window *window);

#endif
