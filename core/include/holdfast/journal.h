/* The flight recorder: the last transitions of a pool's connections, in a fixed ring. */
#ifndef HF_JOURNAL_H
#define HF_JOURNAL_H

#include "fsm.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_transition {
    hf_ms at;
    uint16_t conn;
    uint8_t from, to; /* hf_states */
    uint8_t event;    /* the hf_event that did it */
    uint8_t phase;    /* an hf_phase: where it was when it failed */
    int16_t code;     /* an hf_err: why; 0 when nothing failed */
    char sqlstate[6];
    uint16_t attempt;      /* which dial of this outage, from 1; 0 when none */
    uint32_t wait_ms;      /* into BACKOFF: the delay */
    const hf_error *error; /* the whole reason, during on_transition only; NULL later */
} hf_transition;

typedef struct hf_journal {
    hf_transition entries[HF_JOURNAL_ENTRIES];
    uint32_t count; /* ever written */
} hf_journal;

/* The age-th newest, 0 the newest; NULL when it was overwritten or never was. */
const hf_transition *hf_journal_get(const hf_journal *journal, uint32_t age);
/* "12.345 s  conn 0  connecting -> backoff  connection refused (tcp: HF_ERR_REFUSED), dial 1, next in 2.0 s";
 * returns the length. Cut at size, with a NUL at the end; size 0 writes nothing. */
size_t hf_transition_text(const hf_transition *transition, char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
