/* What a run does, folded into one number: two builds that do the same have the same number for every seed.
 *
 * Folded is what an application, a server and an operating system can see of holdfast: transitions, callbacks, reads
 * and writes of each link with their bytes, look-ups, each with its time. Folded are values only, so that neither the
 * compiler nor the machine shows in the number. FNV-1a, 64 bits (Fowler, Noll, Vo 1991), over words of eight bytes
 * instead of single ones, which would cost the simulator a tenth of its time.
 */
#ifndef SIM_DIGEST_H
#define SIM_DIGEST_H

#include "world.h"

extern bool sim_trace; /* each event is a line on stdout as well */

/* A run begins. */
void sim_digest_begin(uint64_t seed);
/* An event happens now; `what` is one word, the numbers are what belongs to the event. */
void sim_digest(const char *what, uint64_t a, uint64_t b, uint64_t c);
/* Bytes that belong to the event before. */
void sim_digest_bytes(const void *bytes, size_t n);
/* The error that belongs to the event before; NULL: none. */
void sim_digest_error(const hf_error *error);
/* The number of the run so far. Those of several runs are added up, in any order. */
uint64_t sim_digest_value(void);

#endif
