/* Who works and who dials: requests to connections, connections to the server.
 *
 * While no connection is usable one alone dials, on the outage's schedule; the others ask again later. Once
 * one is up the others follow, spread by jitter. A dial that fails while others are usable goes by that
 * connection's own schedule.
 */
#include "engine.h"

#include <string.h>

#include "base/text.h"
#include "holdfast/backoff.h"

uint32_t hf_pool_random(hf_pool *pool) {
    uint32_t word = 0;
    if (pool->port->api->random(pool->port, &word, sizeof word) != HF_OK) {
        return 0; /* only jitter hangs on it: the schedule without */
    }
    return word;
}

static uint32_t spread(hf_pool *pool) {
    const hf_config *config = pool->config;
    uint64_t most = (uint64_t)config->retry_delay_ms * config->jitter_percent / 100;
    return most == 0 ? 0 : (uint32_t)(hf_pool_random(pool) % most);
}

static bool in_outage(const hf_pool *pool) {
    return pool->n_up == 0;
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
    if (HF_CONNS_MAX > 1 && left > 0) {
        return own_delay(pool, conn);
    }
    hf_outage_begin(outage, pool->now);
    if (HF_CONNS_MAX > 1 && outage->canary != HF_NOBODY && outage->canary != conn->index) {
        hf_ms again = hf_pool_ask_again(pool);
        return (uint32_t)(again - pool->now);
    }
    uint32_t delay = hf_outage_lost(outage, pool->config, hf_pool_random(pool));
    if (delay == 0 && outage->attempt > 1) {
        delay = 1; /* retry_delay 0: at once, but never within one tick for ever */
    }
    outage->next_dial = pool->now + delay;
    return delay;
}

/* No account is locked out by a refusal that names no reason. */
static bool passwords_spent(const hf_pool *pool) {
    return !pool->password_good && pool->passwords > pool->config->connect_retries;
}

bool hf_pool_may_dial(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    if (pool->refused || pool->closing) {
        return false;
    }
    if (HF_CONNS_MAX > 1 && !in_outage(pool)) {
        return !pool->extra_refused && !passwords_spent(pool);
    }
    hf_outage_begin(&pool->outage, pool->now);
    return HF_CONNS_MAX == 1 || hf_outage_may_dial(&pool->outage, conn->index);
}

bool hf_pool_may_log_in(const hf_pool *pool, const hf_conn *conn) {
    if (passwords_spent(pool)) {
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
            hf_pool_activate(&pool->conns[i]);
        }
    }
}

hf_ms hf_pool_ask_again(const hf_pool *pool) {
    hf_ms at = pool->now + pool->config->max_retry_delay_ms;
    if (HF_CONNS_MAX > 1 && pool->outage.canary != HF_NOBODY) {
        hf_ms canary = pool->conns[pool->outage.canary].fsm.deadline;
        if (!hf_is_never(canary) && canary >= pool->now) {
            at = canary;
        }
    }
    return at + 1;
}

void hf_pool_up(hf_pool *pool) {
    pool->password_good = true;
    hf_outage_up(&pool->outage);
    pool->outage.next_dial = HF_NEVER;
    if (HF_CONNS_MAX == 1) {
        return;
    }
    pool->extra_at = pool->now + spread(pool);
    if (pool->n_up > 1) {
        return;
    }
    for (unsigned i = 0; i < hf_pool_size(pool); i++) {
        hf_conn *other = &pool->conns[i];
        /* Sooner than it would have asked, or later: those that waited for this one ask all at once. */
        if (other->fsm.state == HF_BACKOFF && other->fsm.deadline > pool->now) {
            hf_fsm_defer(&other->fsm, pool->now + spread(pool));
            hf_conn_settle(other);
        }
    }
}

void hf_pool_proved(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    if (hf_is_never(conn->stable_at)) {
        return;
    }
    conn->stable_at = HF_NEVER;
    conn->attempt = 0;
    hf_outage_end(&pool->outage);
}

void hf_pool_suspect(hf_pool *pool, const hf_conn *except) {
    for (unsigned i = 0; i < hf_pool_size(pool); i++) {
        if (&pool->conns[i] != except) {
            hf_conn_suspect(&pool->conns[i]);
            hf_conn_settle(&pool->conns[i]);
        }
    }
}

void hf_pool_drop_all(hf_pool *pool, const hf_error *error) {
    const hf_request *last = pool->queue.tail, *dropped = NULL;
    while (pool->waiting.head) {
        hf_request_drop(pool, pool->waiting.head, error);
    }
    while (last && dropped != last) { /* what a callback submits meanwhile is not among them */
        dropped = pool->queue.head;
        hf_request_drop(pool, pool->queue.head, error);
    }
}

static void all_idle(hf_pool *pool) {
    for (unsigned i = 0; i < hf_pool_size(pool); i++) {
        if (pool->conns[i].fsm.state != HF_IDLE) {
            hf_conn_close(&pool->conns[i]);
        }
    }
}

/* No connection is usable, and none will be tried for: everything that waits ends with last_error. */
static void give_up(hf_pool *pool) {
    all_idle(pool);
    hf_outage_reset(&pool->outage);
    pool->keep_open = 0;
    pool->passwords = 0;
    hf_pool_drop_all(pool, &pool->last_error);
}

void hf_pool_refused(hf_pool *pool, const hf_error *error) {
    pool->last_error = *error;
    pool->extra_refused = true;
    if (HF_CONNS_MAX == 1 || in_outage(pool)) {
        pool->refused = true;
        give_up(pool);
        return;
    }
    for (unsigned i = 0; i < hf_pool_size(pool); i++) { /* none of the others asks the same again */
        if (!hf_conn_up(&pool->conns[i]) && pool->conns[i].fsm.state != HF_IDLE) {
            hf_conn_close(&pool->conns[i]);
        }
    }
}

/* Its whole text becomes its message. */
static void reason_as_message(hf_error *error) {
    static const char trying[] = "the connection was still being made";
    char why[HF_MESSAGE_BYTES];
    size_t length = hf_error_text(error, why, sizeof why);
    bool failed = error->code != HF_OK; /* else the first try outlasted the outage's limit */
    hf_error_message(error, failed ? why : trying, failed ? length : sizeof trying - 1);
    error->from_server = false;
    error->system = 0;
}

void hf_pool_judge(hf_pool *pool) {
    if (!in_outage(pool) || hf_is_never(pool->outage.since) || pool->closing) {
        return;
    }
    if (HF_CONNS_MAX > 1 && pool->extra_refused) { /* the same credentials again? once is enough */
        pool->refused = true;
        give_up(pool);
        return;
    }
    hf_limit limit = hf_outage_given_up(&pool->outage, pool->config, pool->now);
    if (passwords_spent(pool)) {
        limit = HF_LIMIT_CONNECT_RETRIES;
    }
    if (limit == HF_LIMIT_NONE) {
        return;
    }
    /* What was last seen, and that it was the last try. */
    hf_error *error = &pool->last_error;
    if (HF_WITH_WORDS) {
        reason_as_message(error);
    }
    error->code = HF_ERR_OUTAGE;
    error->limit = (uint8_t)limit;
    error->limit_ms = limit == HF_LIMIT_CONNECT_RETRIES
                          ? pool->config->connect_retries
                          : hf_outage_longest(&pool->outage, pool->config);
    give_up(pool);
}

void hf_pool_arm(hf_pool *pool) {
    hf_ms at = HF_NEVER;
    if (pool->closing) {
        at = hf_pool_closed(pool) ? HF_NEVER : pool->close_deadline;
    } else if (in_outage(pool)) {
        at = hf_outage_deadline(&pool->outage, pool->config);
    } else if (HF_CONNS_MAX > 1 && pool->n_idle > 0 && pool->extra_at > pool->now &&
               (pool->queue.head || hf_pool_size(pool) - pool->n_idle < pool->keep_open)) {
        at = pool->extra_at;
    }
    hf_heap_set(&pool->heap, &pool->timer, at);
}

static hf_conn *lowest(hf_pool *pool, hf_set set) {
    unsigned index = 0;
    while (HF_CONNS_MAX > 1 && !(set & 1)) {
        set >>= 1;
        index++;
    }
    return &pool->conns[index];
}

/* May it be sent behind others? Not a batch: if one of them leaves a transaction open, the batch's COMMIT would
 * commit what is taken for undone. */
static bool may_follow(const hf_request *request) {
    return request->replay == HF_REPLAY_SAFE && !hf_is_batch(request);
}

/* The requests at the head of the queue to this connection: one, or as many as may be pipelined. */
static void fill(hf_pool *pool, hf_conn *conn) {
    const hf_request *request = pool->queue.head;
    while (request && hf_conn_serving(conn)) {
        bool safe = request->replay == HF_REPLAY_SAFE;
        if (conn->n_flight > 0 &&
            (conn->n_flight >= pool->config->max_pipelined || !may_follow(request))) {
            break;
        }
        if (hf_flight_send(conn) <= 0 || !safe) {
            break;
        }
        request = pool->queue.head;
    }
    if (conn->io.tx.start < conn->io.tx.end && !conn->tx_blocked) {
        hf_conn_flush(conn);
    }
    hf_conn_settle(conn);
}

/* Is there work, or a wish, for more connections than are awake, and may one more be woken now? */
static bool wanted(const hf_pool *pool) {
    if (HF_CONNS_MAX == 1) {
        return pool->queue.head || pool->keep_open > 0;
    }
    unsigned awake = pool->n_conns - (unsigned)pool->n_idle;
    unsigned dialling = awake - pool->n_up;
    if (awake >= pool->keep_open && (!pool->queue.head || pool->n_queued <= dialling)) {
        return false;
    }
    return in_outage(pool)
               ? awake == 0
               : !pool->extra_refused && !passwords_spent(pool) && pool->now >= pool->extra_at;
}

/* Wakes them. True: some were. */
static HF_RARE bool wake(hf_pool *pool) {
    bool woken = false;
    for (unsigned i = 0; i < hf_pool_size(pool) && wanted(pool); i++) {
        hf_conn *conn = &pool->conns[i];
        if (conn->fsm.state == HF_IDLE && hf_pool_may_dial(conn)) {
            if (HF_CONNS_MAX > 1) {
                pool->extra_at = pool->now + spread(pool) / pool->n_conns;
            }
            hf_conn_step(conn, HF_EV_WANT, NULL);
            hf_conn_settle(conn);
            woken = true;
        }
    }
    return woken;
}

bool hf_pool_hangs_too_long(const hf_pool *pool) {
    const uint32_t most = hf_outage_longest(&pool->outage, pool->config);
    return pool->hanging > 0 && most != HF_FOREVER && pool->now - pool->hanging_since >= most;
}

/* The head of the queue is a write, and COMMITs wait for a synchronous standby: it would be one more. True: it waits
 * too, or it ended. */
static bool hold_back(hf_pool *pool) {
    hf_request *request = pool->queue.head;
    if (request->replay == HF_REPLAY_SAFE || request->prepare_only || hf_asks(request)) {
        return false;
    }
    if (!hf_pool_hangs_too_long(pool)) {
        hf_queue_take(&pool->queue);
        pool->n_queued--;
        hf_request_wait(pool, request, HF_ASK_MS_MAX);
        return true;
    }
    hf_error error;
    hf_timeout_error(&error, HF_PHASE_QUEUE, HF_LIMIT_MAX_OUTAGE,
                     hf_outage_longest(&pool->outage, pool->config));
    error.code = HF_ERR_OUTAGE;
    if (HF_WITH_WORDS) {
        char words[HF_MESSAGE_BYTES];
        hf_writer out = hf_writer_on(words, sizeof words);
        hf_write_unsigned(&out, pool->hanging);
        hf_write_text(&out, pool->hanging == 1 ? " commit waits" : " commits wait");
        hf_write_text(&out, " for a synchronous standby");
        hf_error_message(&error, words, strlen(words));
    }
    hf_request_drop(pool, request, &error);
    return true;
}

static void hand_out(hf_pool *pool) {
    /* A request that can never be sent ends at once and may bring the next one: not for ever in one tick. */
    for (uint32_t turns = pool->n_queued + hf_pool_size(pool); pool->queue.head && turns > 0;
         turns--) {
        if (HF_WITH_RESOLVE && pool->hanging + pool->left > 0 && hold_back(pool)) {
            continue;
        }
        if (pool->free) {
            fill(pool, lowest(pool, pool->free));
        } else if (pool->room && may_follow(pool->queue.head)) {
            fill(pool, lowest(pool, pool->room));
        } else {
            break;
        }
    }
}

void hf_pool_dispatch(hf_pool *pool) {
    hand_out(pool);
    if (pool->queue.head && pool->refused) {
        hf_pool_drop_all(pool, &pool->last_error);
    }
    if (pool->n_idle > 0 && wake(pool)) {
        hand_out(pool); /* to what came up at once */
    }
}
