#include "internal.h"

void hf_conn_activate(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    if (conn->active) {
        return;
    }
    conn->active = true;
    conn->next_active = pool->active;
    pool->active = conn;
}

bool hf_conn_over_budget(hf_conn *conn) {
    hf_port *port = conn->pool->port;
    const bool over_budget = port->api->over_budget(port);
    if (over_budget) {
        hf_conn_activate(conn);
    }
    return over_budget;
}

void hf_conn_on_stable(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    if (hf_is_never(conn->stable_at)) {
        return;
    }
    conn->stable_at = HF_NEVER;
    conn->attempt = 0;
    hf_outage_end(&pool->outage);
}

uint32_t hf_pool_random(hf_pool *pool) {
    uint32_t word = 0;
    if (pool->port->api->random(pool->port, &word, sizeof word) != HF_OK) {
        return 0; /* random words are for jitter alone: the schedule holds without */
    }
    return word;
}

void hf_timeout_error(hf_error *error, hf_phase phase, hf_limit limit, uint32_t limit_ms) {
    hf_error_set(error, HF_ERR_TIMEOUT, phase, NULL);
    error->limit = (uint8_t)limit;
    error->limit_ms = limit_ms;
}
