/* How long to wait before the next try, as a pure function: (attempt, settings, random word) -> delay in ms.
 *
 * delay = d x (1 - jitter x u), d = min(retry_delay x factor^attempt, max_retry_delay), u in [0, 1) from
 * the random word: never later than the schedule, and with jitter 0 exactly 2, 4, 8, 16, 30, 30 s.
 */
#ifndef HF_BACKOFF_H
#define HF_BACKOFF_H

#include "config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The delay in ms after `attempt` tries more have failed in a row, from 0 for the first; never HF_FOREVER. random: any
 * 32 random bits. */
uint32_t hf_backoff(uint32_t attempt, const hf_config *config, uint32_t random);

/* A delay that is not of the schedule, in ms: delay_ms shortened by the config's jitter. */
uint32_t hf_backoff_jitter(uint32_t delay_ms, const hf_config *config, uint32_t random);

#ifdef __cplusplus
}
#endif

#endif
