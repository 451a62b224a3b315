/* Deadlines in order: an intrusive pairing heap. No memory of its own and no limit on its size; the
 * earliest is at hand at once, add is O(1), remove O(log n) on average.
 */
#ifndef HF_HEAP_H
#define HF_HEAP_H

#include "error.h"

/* Inside whatever has a deadline. All zero: not in a heap. */
typedef struct hf_timer {
    hf_ms at;
    struct hf_timer *child, *next, *prev; /* prev: elder sibling, or the parent of a first child */
    uint8_t kind;                         /* the owner's mark, to find the struct around it */
    bool armed;
} hf_timer;

typedef struct hf_heap {
    hf_timer *root; /* the earliest; NULL when empty */
} hf_heap;

/* (Re)arms timer for `at`; HF_NEVER takes it out. */
void hf_heap_set(hf_heap *heap, hf_timer *timer, hf_ms at);
/* Takes it out; no harm if it is not in. */
void hf_heap_remove(hf_heap *heap, hf_timer *timer);
/* When the earliest is due; HF_NEVER when empty. */
static inline hf_ms hf_heap_next(const hf_heap *heap) {
    return heap->root ? heap->root->at : HF_NEVER;
}

#endif
