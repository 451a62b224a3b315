#include "schedule.h"

#include "holdfast/backoff.h"

uint32_t hf_pool_spread(hf_pool *pool) {
    const hf_config *config = pool->config;
    uint64_t most = (uint64_t)config->retry_delay_ms * config->jitter_percent / 100;
    return most == 0 ? 0 : (uint32_t)(hf_pool_random(pool) % most);
}

static uint32_t own_delay(hf_pool *pool, hf_conn *conn) {
    const hf_config *config = pool->config;
    uint32_t attempt = conn->attempt;
    if (conn->attempt < UINT32_MAX) {
        conn->attempt++;
    }
    if (attempt == 0 && config->first_delay_ms != HF_UNSET) {
        return hf_backoff_jitter(config->first_delay_ms, config, hf_pool_random(pool));
    }
    uint32_t delay = hf_backoff(attempt, config, hf_pool_random(pool));
    return delay > 0 ? delay : 1;
}

uint32_t hf_pool_lost(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    hf_outage *outage = &pool->outage;
    unsigned left = pool->n_up - (hf_conn_up(conn) ? 1u : 0u);
    if (HF_MANY_CONNS && left > 0) {
        return own_delay(pool, conn);
    }
    hf_outage_begin(outage, pool->now);
    if (HF_MANY_CONNS && outage->canary != HF_NOBODY && outage->canary != conn->index) {
        hf_ms again = hf_pool_retry_at(pool);
        return (uint32_t)(again - pool->now);
    }
    uint32_t delay = hf_outage_lost(outage, pool->config, hf_pool_random(pool));
    if (delay == 0 && outage->attempt > 1) {
        /* With retry_delay 0 a dial follows at once, but in the next tick: one tick must end. */
        delay = 1;
    }
    outage->next_dial = pool->now + delay;
    return delay;
}

bool hf_pool_passwords_used_up(const hf_pool *pool) {
    return !pool->password_good && pool->passwords > pool->config->connect_retries;
}

bool hf_pool_may_dial(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    if (pool->refused || pool->closing) {
        return false;
    }
    if (HF_MANY_CONNS && !hf_pool_in_outage(pool)) {
        return !pool->extra_refused && !hf_pool_passwords_used_up(pool);
    }
    hf_outage_begin(&pool->outage, pool->now);
    return !HF_MANY_CONNS || hf_outage_may_dial(&pool->outage, conn->index);
}

bool hf_pool_may_log_in(const hf_pool *pool, const hf_conn *conn) {
    if (hf_pool_passwords_used_up(pool)) {
        return false;
    }
    for (unsigned i = 0; i < hf_pool_size(pool); i++) {
        if (&pool->conns[i] != conn && pool->conns[i].dial.phase == HF_PHASE_LOGIN) {
            return false;
        }
    }
    return true;
}

void hf_pool_logged_in(hf_pool *pool) {
    for (unsigned i = 0; i < hf_pool_size(pool); i++) {
        if (pool->conns[i].dial.phase == HF_PHASE_TCP ||
            pool->conns[i].dial.phase == HF_PHASE_TLS) {
            hf_conn_activate(&pool->conns[i]);
        }
    }
}

hf_ms hf_pool_retry_at(const hf_pool *pool) {
    hf_ms at = pool->now + pool->config->max_retry_delay_ms;
    if (HF_MANY_CONNS && pool->outage.canary != HF_NOBODY) {
        hf_ms canary = pool->conns[pool->outage.canary].fsm.deadline;
        if (!hf_is_never(canary) && canary >= pool->now) {
            at = canary;
        }
    }
    return at + 1;
}
