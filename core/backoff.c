#include "backoff.h"

/* Pure arithmetic. A delay never exceeds the schedule's, and never wraps: the product of two 32-bit
 * numbers is taken in 64 bits and cut at the longest delay before it grows further. */

/* The longest that can be said: above it lie HF_UNSET and HF_FOREVER. */
#define HF_DELAY_MAX (HF_UNSET - 1)

uint32_t hf_backoff_jitter(uint32_t delay_ms, const hf_config *config, uint32_t random) {
    uint64_t percent = config->jitter_percent < 100 ? config->jitter_percent : 100;
    uint64_t span = delay_ms * percent / 100;

    /* u = random / 2^32 lies in [0, 1), so that a delay above 0 never becomes 0. */
    return delay_ms - (uint32_t)(span * random >> 32);
}

uint32_t hf_backoff(uint32_t attempt, const hf_config *config, uint32_t random) {
    uint64_t most =
        config->max_retry_delay_ms < HF_DELAY_MAX ? config->max_retry_delay_ms : HF_DELAY_MAX;
    uint64_t delay = config->retry_delay_ms;

    if (config->retry_factor > 1 && delay > 0) {
        while (attempt > 0 && delay < most) {
            delay *= config->retry_factor;
            attempt--;
        }
    }
    return hf_backoff_jitter((uint32_t)(delay < most ? delay : most), config, random);
}
