#include "holdfast/backoff.h"

/* Backoff: pure arithmetic. A delay never exceeds the schedule's, and never wraps, because a product of two 32-bit
 * numbers is never taken beyond the longest delay. */

/* The longest delay that can be set: above it lie HF_UNSET and HF_FOREVER. */
#define HF_DELAY_MAX (HF_UNSET - 1)

uint32_t hf_backoff_jitter(uint32_t delay_ms, const hf_config *config, uint32_t random) {
    uint32_t percent = config->jitter_percent < 100 ? config->jitter_percent : 100;
    uint64_t span = delay_ms / 100 * percent + delay_ms % 100 * percent / 100;

    /* u = random / 2^32 lies in [0, 1), so that a delay above 0 never becomes 0. */
    return delay_ms - (uint32_t)(span * random >> 32);
}

uint32_t hf_backoff(uint32_t attempt, const hf_config *config, uint32_t random) {
    uint32_t most =
        config->max_retry_delay_ms < HF_DELAY_MAX ? config->max_retry_delay_ms : HF_DELAY_MAX;
    uint32_t delay = config->retry_delay_ms;

    if (config->retry_factor > 1 && delay > 0) {
        for (; attempt > 0 && delay < most; attempt--) {
            delay = delay > most / config->retry_factor ? most : delay * config->retry_factor;
        }
    }
    return hf_backoff_jitter(delay < most ? delay : most, config, random);
}
