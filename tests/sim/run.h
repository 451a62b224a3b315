/* One run from its seed to its end. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "world.h"

typedef struct sim_totals {
    uint64_t ms, ticks, requests;
    uint64_t digest; /* the sum of the digests */
} sim_totals;

/* False: an invariant was broken, and it was printed which. */
bool sim_run(uint64_t seed, sim_totals *totals);

#endif
