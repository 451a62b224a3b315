/* What an earlier run's intents say became of the lines behind the position. */
#ifndef HF_FATES_H
#define HF_FATES_H

#include "intents.h"
#include "window.h"

typedef struct hf_line_fate {
    hf_intent intent; /* its text is owned */
    size_t order;     /* in the file */
} hf_line_fate;

typedef struct hf_fates {
    hf_line_fate *items; /* by line once hf_fates_sort() was called */
    size_t count, size;
    size_t next; /* lines are asked for in rising order */
} hf_fates;

/* hf_intents_open()'s callback; user is the hf_fates. */
void hf_fates_add(void *fates, const hf_intent *intent);
/* The last word on each line stays. */
void hf_fates_sort(hf_fates *fates);
/* Is there a line that was done? */
bool hf_fates_done(const hf_fates *fates);
/* Ends a line that an earlier run ended, or may have sent. False: it is to be run; one that was about to be
 * committed has got its ticket and its output. */
bool hf_fates_take(hf_fates *fates, hf_line *line);
void hf_fates_free(hf_fates *fates);

#endif
