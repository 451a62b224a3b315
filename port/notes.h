/* The queue of news that a port keeps: what next() of core/include/holdfast/port.h hands out, each note once, in order.
 *
 * A thing that can have news holds an hf_note; being noted twice is being noted once. All inline: a port is a
 * folder of its own and there is nothing to link.
 */
#ifndef HF_NOTES_H
#define HF_NOTES_H

#include "holdfast/port.h"

typedef struct hf_note {
    struct hf_note *next, *previous; /* NULL: not noted */
    uint32_t tag;
} hf_note;

/* The queue is a ring through its own head. */
typedef struct hf_notes {
    hf_note ring;
} hf_notes;

static inline void hf_notes_init(hf_notes *notes) {
    notes->ring.next = notes->ring.previous = &notes->ring;
}

static inline bool hf_notes_any(const hf_notes *notes) {
    return notes->ring.next != &notes->ring;
}

/* False: it was noted already. */
static inline bool hf_notes_add(hf_notes *notes, hf_note *note) {
    if (note->next != NULL) {
        return false;
    }
    note->next = &notes->ring;
    note->previous = notes->ring.previous;
    note->previous->next = note;
    notes->ring.previous = note;
    return true;
}

static inline void hf_notes_remove(hf_note *note) {
    if (note->next != NULL) {
        note->next->previous = note->previous;
        note->previous->next = note->next;
        note->next = note->previous = NULL;
    }
}

/* As next() of hf_port_api. */
static inline int hf_notes_take(hf_notes *notes, uint32_t *tag) {
    hf_note *first = notes->ring.next;
    if (first == &notes->ring) {
        return 0;
    }
    *tag = first->tag;
    hf_notes_remove(first);
    return 1;
}

#endif
