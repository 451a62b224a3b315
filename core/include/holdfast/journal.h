/* The journal: the last transitions of a pool's connections, in a ring of fixed size, for a look after the fact. A pool
 * keeps one (hf_pool_journal()) and tells each transition to on_transition as it happens. */
#ifndef HF_JOURNAL_H
#define HF_JOURNAL_H

#include "fsm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One step of a connection's machine (fsm.h). */
typedef struct hf_transition {
    hf_ms at;
    uint16_t conn;         /* the connection's number, from 0 */
    uint8_t from, to;      /* hf_states */
    uint8_t event;         /* the hf_event that led to the step */
    uint8_t phase;         /* an hf_phase: where the connection was when it failed */
    int16_t code;          /* an hf_err: why it failed; 0: nothing failed */
    char sqlstate[6];      /* the server's; "": it gave none */
    uint16_t attempt;      /* the number of the dial within this outage, from 1; 0: no dial */
    uint32_t wait_ms;      /* the delay of a step into BACKOFF */
    const hf_error *error; /* the whole reason, during on_transition alone; NULL later */
} hf_transition;

typedef struct hf_journal {
    hf_transition entries[HF_JOURNAL_ENTRIES];
    uint32_t count; /* transitions ever written */
} hf_journal;

/* The newest transition for age 0, the one before for 1 …; NULL: it was overwritten, or never was. */
const hf_transition *hf_journal_get(const hf_journal *journal, uint32_t age);
/* Writes a transition as one line for a person to read:
 * "12.345 s  conn 0  connecting -> backoff  connection refused (tcp: HF_ERR_REFUSED), dial 1, next in 2.0 s".
 * Returns the line's length. The line ends in NUL and is cut at `size`; size 0 writes nothing. */
size_t hf_transition_text(const hf_transition *transition, char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
