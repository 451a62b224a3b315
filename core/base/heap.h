/* Deadlines in order: an intrusive pairing heap. No memory of its own and no limit on its size; the
 * earliest is at hand at once, add is O(1), remove O(log n) on average.
 */
#ifndef HF_BASE_HEAP_H
#define HF_BASE_HEAP_H

#include "holdfast/layout.h"

/* May a timer take another time where it is? It has nobody below it that would be due earlier, or nobody above; or it
 * is out and stays out. */
static inline bool hf_heap_stays(const hf_heap *heap, const hf_timer *timer, hf_ms at) {
    if (!timer->armed || hf_is_never(at)) {
        return !timer->armed && hf_is_never(at);
    }
    return at == timer->at || (at > timer->at ? !timer->child : timer == heap->root);
}
/* Puts a timer where it belongs at that time; HF_NEVER takes it out. Whoever sets one asks hf_heap_set(). */
void hf_heap_move(hf_heap *heap, hf_timer *timer, hf_ms at);
/* (Re)arms timer for `at`; HF_NEVER takes it out. */
static inline void hf_heap_set(hf_heap *heap, hf_timer *timer, hf_ms at) {
    if (HF_WITH_FAST_PATHS && hf_heap_stays(heap, timer, at)) {
        timer->at = at;
    } else {
        hf_heap_move(heap, timer, at);
    }
}
/* Takes it out; no harm if it is not in. */
void hf_heap_remove(hf_heap *heap, hf_timer *timer);
/* When the earliest is due; HF_NEVER when empty. */
static inline hf_ms hf_heap_next(const hf_heap *heap) {
    return heap->root ? heap->root->at : HF_NEVER;
}

#endif
