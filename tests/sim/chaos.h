/* What goes wrong: for each fault how often it strikes when it could, drawn anew for each seed, most of them
 * zero, so that some runs meet a few faults often. The great ones (a node's death, a hole in the network, a
 * jump of the clock) are planned.
 */
#ifndef SIM_CHAOS_H
#define SIM_CHAOS_H

#include "cover.h"
#include "world.h"

void sim_chaos_reset(void);
/* Plans the first of the great faults, up to `end`. */
void sim_chaos_start(hf_ms end);
/* Does it strike now? Then it is counted. */
bool sim_strikes(sim_fault fault);
/* All is well from now on. */
void sim_chaos_heal(void);
/* An application that was refused for good and has learnt why. */
void sim_chaos_reset_pool(void);
/* When the client is not ticked before, whatever happens (suspend); 0 it is. */
extern hf_ms sim_suspended_until;

#endif
