#include "heap.h"

/* A pairing heap (Fredman et al., 1986). Invariants: a timer is due no earlier than its parent; the
 * root has neither next nor prev; a first child's prev is its parent, a further one's its elder
 * sibling; a timer that is not armed has no links. No recursion, whatever the shape.
 */

/* Merges two heaps into one; either may be NULL. */
static hf_timer *meld(hf_timer *a, hf_timer *b) {
    if (!a || !b) {
        return a ? a : b;
    }
    if (b->at < a->at) {
        hf_timer *later = a;
        a = b;
        b = later;
    }
    b->next = a->child;
    if (b->next) {
        b->next->prev = b;
    }
    b->prev = a;
    a->child = b;
    return a;
}

/* Merges a list of siblings into one heap: in pairs from the left, then all of those from the right. */
static hf_timer *meld_siblings(hf_timer *first) {
    hf_timer *pairs = NULL, *root = NULL;

    while (first) {
        hf_timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b) {
            b->next = b->prev = NULL;
        }
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        hf_timer *next = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void hf_heap_remove(hf_heap *heap, hf_timer *timer) {
    hf_timer *below;

    if (!timer->armed) {
        return;
    }
    below = meld_siblings(timer->child);
    if (timer == heap->root) {
        heap->root = below;
    } else {
        HF_ASSERT(timer->prev != NULL);
        if (timer->prev->child == timer) {
            timer->prev->child = timer->next;
        } else {
            timer->prev->next = timer->next;
        }
        if (timer->next) {
            timer->next->prev = timer->prev;
        }
        heap->root = meld(heap->root, below);
    }
    timer->child = timer->next = timer->prev = NULL;
    timer->armed = false;
}

void hf_heap_move(hf_heap *heap, hf_timer *timer, hf_ms at) {
    hf_heap_remove(heap, timer);
    timer->at = at;
    if (!hf_is_never(at)) {
        timer->armed = true;
        heap->root = meld(heap->root, timer);
    }
}
