#include "outage.h"

#include "holdfast/backoff.h"

/* The arithmetic of an outage. With the defaults and no jitter:
 *
 *     never up     dial  2  dial  4  dial  8  dial  given up: connect_retries (3)
 *     was up       lost  2  dial  4  dial  8  dial  16  dial  30  dial  30 …  given up 300 s after the loss
 *
 * Invariants: attempt counts the calls of hf_outage_lost() since hf_outage_end(); the delay it answers with
 * is the schedule's for the attempt it found; first_delay stands in for the first one only, and the
 * schedule goes on behind it as if retry_delay had been waited. A max_outage that the caller set replaces
 * connect_retries and the 300 s alike. */

#define HF_MAX_OUTAGE_DEFAULT_MS 300000

void hf_outage_init(hf_outage *outage) {
    *outage = (hf_outage){ 0 };
    hf_outage_reset(outage);
}

void hf_outage_begin(hf_outage *outage, hf_ms now) {
    if (hf_is_never(outage->since)) {
        outage->since = now;
    }
}

void hf_outage_reset(hf_outage *outage) {
    outage->since = HF_NEVER;
    outage->next_dial = HF_NEVER;
    outage->canary = HF_NOBODY;
    outage->attempt = 0;
}

void hf_outage_up(hf_outage *outage) {
    outage->up = true;
}

void hf_outage_end(hf_outage *outage) {
    hf_outage_reset(outage);
    outage->up = true;
}

uint32_t hf_outage_lost(hf_outage *outage, const hf_config *config, uint32_t random) {
    uint32_t attempt = outage->attempt;

    if (attempt == 0) {
        outage->count++;
    }
    if (attempt < UINT32_MAX) {
        outage->attempt++;
    }
    if (attempt == 0 && config->first_delay_ms != HF_UNSET) {
        return hf_backoff_jitter(config->first_delay_ms, config, random);
    }
    return hf_backoff(attempt, config, random);
}

bool hf_outage_may_dial(hf_outage *outage, uint16_t conn) {
    if (hf_is_never(outage->since)) {
        return true;
    }
    if (outage->canary == HF_NOBODY) {
        outage->canary = conn;
    }
    return outage->canary == conn;
}

void hf_outage_leave(hf_outage *outage, uint16_t conn) {
    if (outage->canary == conn) {
        outage->canary = HF_NOBODY;
    }
}

uint32_t hf_outage_longest(const hf_outage *outage, const hf_config *config) {
    if (config->max_outage_ms != 0) {
        return config->max_outage_ms;
    }
    return outage->up ? HF_MAX_OUTAGE_DEFAULT_MS : HF_FOREVER;
}

hf_ms hf_outage_deadline(const hf_outage *outage, const hf_config *config) {
    uint32_t ms = hf_outage_longest(outage, config);

    if (hf_is_never(outage->since) || ms == HF_FOREVER || outage->since > HF_NEVER - ms) {
        return HF_NEVER;
    }
    return outage->since + ms;
}

hf_limit hf_outage_given_up(const hf_outage *outage, const hf_config *config, hf_ms now) {
    hf_ms deadline = hf_outage_deadline(outage, config);

    if (!hf_is_never(deadline) && now >= deadline) {
        return HF_LIMIT_MAX_OUTAGE;
    }
    if (config->max_outage_ms == 0 && !outage->up &&
        outage->attempt > config->connect_retries) { /* never true when that is HF_FOREVER */
        return HF_LIMIT_CONNECT_RETRIES;
    }
    return HF_LIMIT_NONE;
}
