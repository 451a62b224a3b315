/* What an earlier run's intents say became of the lines behind the position. */
#ifndef HF_RECOVERY_H
#define HF_RECOVERY_H

#include "intents.h"
#include "window.h"

typedef struct hf_line_recovery {
    hf_intent intent; /* its text is owned */
    size_t order;     /* in the file */
} hf_line_recovery;

typedef struct hf_recovery {
    hf_line_recovery *items; /* by line once hf_recovery_sort() was called */
    size_t count, size;
    size_t next; /* lines are asked for in rising order */
} hf_recovery;

/* hf_intents_open()'s callback; user is the hf_recovery. */
void hf_recovery_add(void *recovery, const hf_intent *intent);
/* The last word on each line stays. */
void hf_recovery_sort(hf_recovery *recovery);
/* Is there a line that was done? */
bool hf_recovery_done(const hf_recovery *recovery);
/* Ends a line that an earlier run ended, or may have sent. False: it is to be run; one that was about to be
 * committed has got its ticket and its output. */
bool hf_recovery_take(hf_recovery *recovery, hf_line *line);
void hf_recovery_free(hf_recovery *recovery);

#endif
