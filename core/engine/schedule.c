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

/* Do as many connections dial as may at once? */
static bool all_places_taken(const hf_pool *pool) {
    return pool->states[HF_CONNECTING] + pool->states[HF_RECONNECTING] >= HF_DIALS_AT_ONCE;
}

void hf_pool_wait_to_dial(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    if (!hf_pool_in_outage(pool) && all_places_taken(pool)) {
        hf_set_add(&pool->to_dial, conn->index);
    }
}

hf_conn *hf_pool_next_to_dial(hf_pool *pool) {
    if (!hf_set_any(&pool->to_dial) || all_places_taken(pool)) {
        return NULL;
    }
    const unsigned next = hf_set_lowest(&pool->to_dial);
    hf_set_remove(&pool->to_dial, next);
    return &pool->conns[next];
}

void hf_pool_moved(hf_conn *conn, hf_state from, hf_state to) {
    hf_pool *pool = conn->pool;
    pool->states[from]--;
    pool->states[to]++;
    if (from == HF_BACKOFF) {
        hf_set_remove(&pool->to_dial, conn->index);
    }
    if (from == HF_IDLE) {
        hf_set_remove(&pool->idle, conn->index);
    }
    if (to == HF_IDLE) {
        hf_set_add(&pool->idle, conn->index);
        hf_outage_leave(&pool->outage, conn->index);
    }
}

bool hf_pool_may_dial(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    if (pool->refused || pool->closing) {
        return false;
    }
    if (HF_MANY_CONNS && !hf_pool_in_outage(pool)) {
        return !pool->extra_refused && !hf_pool_passwords_used_up(pool) && !all_places_taken(pool);
    }
    hf_outage_begin(&pool->outage, pool->now);
    return !HF_MANY_CONNS || hf_outage_may_dial(&pool->outage, conn->index);
}

bool hf_pool_may_log_in(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    const bool mine = pool->logging_in == HF_NOBODY || pool->logging_in == conn->index;
    if (!mine || hf_pool_passwords_used_up(pool)) {
        hf_set_add(&pool->to_log_in, conn->index);
        return false;
    }
    hf_set_remove(&pool->to_log_in, conn->index);
    pool->logging_in = conn->index;
    return true;
}

void hf_pool_log_in_over(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    hf_set_remove(&pool->to_log_in, conn->index);
    if (pool->logging_in != conn->index) {
        return;
    }
    pool->logging_in = HF_NOBODY;
    if (hf_set_any(&pool->to_log_in)) {
        const unsigned next = hf_set_lowest(&pool->to_log_in);
        pool->logging_in = (uint16_t)next; /* nobody comes between */
        hf_conn_activate(&pool->conns[next]);
    }
}

hf_ms hf_pool_retry_at(const hf_pool *pool) {
    hf_ms at = pool->now + pool->config->max_retry_delay_ms;
    if (HF_MANY_CONNS && hf_pool_in_outage(pool) && pool->outage.canary != HF_NOBODY) {
        hf_ms canary = pool->conns[pool->outage.canary].fsm.deadline;
        if (!hf_is_never(canary) && canary >= pool->now) {
            at = canary;
        }
    }
    return at + 1;
}
