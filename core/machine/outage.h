/* What a pool's connections share about an outage: since when, who dials, when next, when it is given up.
 *
 * While no connection is usable one of them, the canary, dials on the schedule; the others wait for it, so
 * that three workers never triple an outage (SEMANTICS 2, 4, 5, 6, 7). Pure, as fsm is.
 */
#ifndef HF_OUTAGE_H
#define HF_OUTAGE_H

#include "holdfast/layout.h"

#define HF_NOBODY UINT16_MAX

void hf_outage_init(hf_outage *outage);
/* No connection is usable, and one is wanted: the clock starts, unless it runs already. */
void hf_outage_begin(hf_outage *outage, hf_ms now);
/* A connection came up. From then on max_outage limits an outage, and connect_retries no longer (SEMANTICS
 * 2); its clock and the schedule go on until the connection proves itself. */
void hf_outage_up(hf_outage *outage);
/* A statement was answered, or a connection stayed healthy for stable_after: the clock stops and the
 * backoff starts anew. */
void hf_outage_end(hf_outage *outage);
/* Given up, or nobody wants a connection any more: no outage, no canary, the schedule starts anew; what is
 * known of the past stays. */
void hf_outage_reset(hf_outage *outage);
/* A dial, or the last usable connection, was lost: counts it and returns the delay before the next. The
 * first delay is first_delay's, if that is set; the second is the schedule's second all the same. */
uint32_t hf_outage_lost(hf_outage *outage, const hf_config *config, uint32_t random);
/* May this connection dial now? The first to ask in an outage becomes the canary. Not for asking while a
 * connection is usable: the others then follow freely, though the clock may still run. */
bool hf_outage_may_dial(hf_outage *outage, uint16_t conn);
/* This connection dials no more: somebody else may be the canary. */
void hf_outage_leave(hf_outage *outage, uint16_t conn);
/* Is it time to give up (HF_LIMIT_MAX_OUTAGE or _CONNECT_RETRIES), or HF_LIMIT_NONE? */
hf_limit hf_outage_given_up(const hf_outage *outage, const hf_config *config, hf_ms now);
/* The limit of its length; HF_FOREVER: none, or connect_retries counts instead. */
uint32_t hf_outage_longest(const hf_outage *outage, const hf_config *config);
/* When max_outage will have passed; HF_NEVER when that does not apply. */
hf_ms hf_outage_deadline(const hf_outage *outage, const hf_config *config);

#endif
