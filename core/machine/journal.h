/* What writes the flight recorder; what reads it is public. */
#ifndef HF_MACHINE_JOURNAL_H
#define HF_MACHINE_JOURNAL_H

#include "holdfast/journal.h"

/* Over the oldest, if the ring is full. The transition's error is not kept. */
void hf_journal_add(hf_journal *journal, const hf_transition *transition);

#endif
