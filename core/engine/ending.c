#include "ending.h"

#include "queue.h"

/* A request that was cancelled or is out of time ends because of that: the server's refusal is why its last attempt
 * failed, but not why there is no other. */
static HF_COLD void say_why_it_ended(const hf_pool *pool, hf_request *request) {
    hf_error *why = &request->error;
    if (hf_request_must_end(pool, request) && why->code == HF_ERR_SERVER) {
        why->code = HF_ERR_CANCELLED;
        if (request->deadline <= pool->now) {
            why->code = HF_ERR_TIMEOUT;
            why->limit = HF_LIMIT_TIMEOUT;
            why->limit_ms = request->timeout_ms;
        }
    }
}

uint32_t hf_asking_time(const hf_pool *pool) {
    const uint32_t ms = pool->config->request_timeout_ms;
    return ms == 0 || ms == HF_FOREVER ? hf_outage_longest(&pool->outage, pool->config) : ms;
}

void hf_asked_enough(const hf_pool *pool, const hf_request *request, hf_error *error) {
    const uint32_t attempt = pool->config->request_timeout_ms;
    const bool hangs = (request->flags & HF_REQUEST_HANGS) || hf_is_ledger(request);
    error->code = HF_ERR_TIMEOUT;
    error->limit = HF_LIMIT_REQUEST;
    error->limit_ms = attempt;
    if (hangs || hf_asking_time(pool) != attempt) {
        error->limit = HF_LIMIT_MAX_OUTAGE;
        error->limit_ms = hf_outage_longest(&pool->outage, pool->config);
    }
}

void hf_request_unknown(hf_pool *pool, hf_request *request, const hf_error *error) {
    hf_error *why = &request->error;
    if (error != why) {
        *why = *error;
    }
    say_why_it_ended(pool, request);
    const bool ledger = hf_is_ledger(request) && !hf_request_must_end(pool, request);
    if (hf_asks(request) && (ledger || why->code == HF_ERR_SERVER)) {
        /* The last question was lost with its connection, not refused: the time for asking is over. */
        hf_asked_enough(pool, request, why);
    }
    hf_request_end(pool, request, HF_OUTCOME_UNKNOWN, NULL);
}

void hf_request_give_up(hf_pool *pool, hf_request *request, hf_outcome outcome,
                        const hf_error *error) {
    hf_error *why = &request->error;
    if (error != why) {
        *why = *error;
    }
    say_why_it_ended(pool, request);
    if (!hf_request_must_end(pool, request) && why->limit == HF_LIMIT_NONE) {
        why->limit = HF_LIMIT_MAX_RETRIES;
        why->limit_ms = pool->config->max_retries;
    }
    hf_request_end(pool, request, outcome, NULL);
}
