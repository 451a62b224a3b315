/* The pool: what an application calls, and the tick that moves everything.
 *
 * A tick reads before it judges: first what the port has news of, then the deadlines, then the queue. A tick touches
 * only connections and requests that have news, are due, or get work; each connection has one timer in one heap.
 */
#include "holdfast/pool.h"

#include "base/parameters.h"
#include "base/text.h"

#include <string.h>

#include "cancel.h"
#include "conn.h"
#include "dispatch.h"
#include "machine/endpoint.h"
#include "queue.h"
#include "resolve.h"
#include "supervise.h"

#define HF_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* needed: of memory, 0 where there is none, or no port. */
static void say_what_it_takes(hf_error *error, size_t needed, size_t size) {
    hf_writer writer = hf_writer_on(error->message, sizeof error->message);
    if (needed == 0) {
        hf_write_text(&writer, "a pool takes memory and a port: one of them is NULL");
        return;
    }
    hf_write_text(&writer, "the pool takes ");
    hf_write_unsigned(&writer, needed);
    hf_write_text(&writer, " bytes (HF_POOL_BYTES), and memory has ");
    hf_write_unsigned(&writer, size);
}

hf_pool *hf_pool_init(void *memory, size_t size, const hf_config *config, hf_port *port,
                      hf_error *error) {
    const bool given = memory && port;
    if (given && !hf_config_check(config, error)) {
        return NULL;
    }
    size_t needed =
        given ? HF_POOL_BYTES(config->max_concurrent, config->rx_bytes, config->tx_bytes) : 0;
    if (!given || size < needed) {
        if (error) {
            hf_error_set(error, HF_ERR_ARGUMENT, HF_PHASE_NONE, NULL);
        }
        if (HF_WITH_MESSAGES && error) {
            say_what_it_takes(error, needed, size);
        }
        return NULL;
    }
    hf_pool *pool = memory;
    memset(pool, 0, sizeof *pool);
    pool->config = config;
    pool->port = port;
    pool->n_conns = pool->n_idle = (uint16_t)config->max_concurrent;
    pool->close_deadline = HF_NEVER;
    pool->promised = pool->left_since = HF_NEVER;
    pool->timer.kind = HF_TIMER_POOL;
    if (HF_MANY_CONNS) {
        pool->states[HF_IDLE] = pool->n_conns;
        pool->logging_in = HF_NOBODY;
    }
    pool->policy.connect_timeout_ms = config->connect_timeout_ms;
    pool->policy.reconnect_timeout_ms = config->reconnect_timeout_ms;
    pool->policy.probe_reconnect_timeout_ms = config->probe_reconnect_timeout_ms;
    pool->policy.probe_interval_ms = config->probe_interval_ms;
    pool->policy.probe_timeout_ms = config->probe_timeout_ms;
    hf_outage_init(&pool->outage);
    hf_endpoints_init(&pool->endpoints, config);
    uint8_t *at = (uint8_t *)memory + HF_ROUND(sizeof *pool);
    pool->conns = (hf_conn *)(void *)at;
    at += pool->n_conns * HF_ROUND(sizeof(hf_conn));
    size_t each =
        HF_ROUND(config->rx_bytes) + HF_ROUND(config->tx_bytes) + HF_ROUND(HF_STATEMENT_BYTES);
    for (uint16_t i = 0; i < hf_pool_size(pool); i++, at += each) {
        hf_conn_init(&pool->conns[i], pool, i, at);
        if (HF_MANY_CONNS) {
            hf_set_add(&pool->idle, i);
        }
    }
    return pool;
}

void hf_pool_open(hf_pool *pool, unsigned n) {
    pool->keep_open = n < pool->n_conns ? (uint16_t)n : pool->n_conns;
}

/* The request's time starts now. hf_submit() outside a tick does not know the time: the next tick calls this. */
static void start_clock(hf_pool *pool, hf_request *request) {
    bool timed = request->timeout_ms > 0 && request->timeout_ms != HF_FOREVER;
    request->submitted_at = pool->now;
    if (timed) {
        request->deadline = pool->now + request->timeout_ms;
        hf_request_arm(pool, request);
    }
}

int hf_submit(hf_pool *pool, hf_request *request) {
    bool batch = hf_is_batch(request);
    if (batch ? !request->batch : !request->sql) {
        return HF_ERR_ARGUMENT;
    }
    if ((!HF_WITH_RESOLVE && request->replay == HF_REPLAY_RESOLVE) ||
        (request->replay == HF_REPLAY_LEDGER && (!HF_WITH_LEDGER || pool->config->read_only))) {
        return HF_ERR_ARGUMENT;
    }
    if (!batch && request->n_params > 0 && !request->params) {
        return HF_ERR_ARGUMENT;
    }
    bool has_ticket = request->resolve_ticket && request->resolve_ticket[0];
    if (has_ticket &&
        (!hf_resolves(request) || strlen(request->resolve_ticket) >= HF_TICKET_BYTES)) {
        return HF_ERR_ARGUMENT;
    }
    if (request->flags & HF_REQUEST_IN) {
        return HF_ERR_STATE;
    }
    if (pool->closing) {
        return HF_ERR_CLOSED;
    }
    request->outcome = HF_OUTCOME_PENDING;
    if (request->error.code != HF_OK) {
        request->error = (hf_error){ 0 };
    }
    request->n_rows = request->affected = request->sent_at = 0;
    request->attempts = request->duration_ms = request->retries = request->asks = 0;
    request->statement = 0;
    request->stage = HF_STAGE_RUN;
    request->tx_status = HF_TX_NONE;
    request->deferred_commit = request->complete = request->bound = request->keyed = false;
    request->unconfirmed = request->already_applied = false;
    request->asked_at = request->denied_at = HF_NEVER;
    if (HF_WITH_RESOLVE) {
        request->commit_at = 0;
    }
    request->timer.kind = HF_TIMER_REQUEST;
    request->deadline = HF_NEVER;
    request->flags = HF_REQUEST_IN;
    if (!has_ticket) {
        request->ticket[0] = 0;
    } else { /* memmove: `resolve_ticket` may be this request's own ticket */
        memmove(request->ticket, request->resolve_ticket, strlen(request->resolve_ticket) + 1);
        request->commit_at = 0; /* the earlier run's COMMIT had its time */
        hf_request_untag(request);
        hf_resolve_begin(pool, request);
    }
    hf_queue_push(&pool->queue, request);
    pool->n_queued++;
    if (pool->in_tick) {
        start_clock(pool, request);
    } else if (!pool->fresh) {
        pool->fresh = request;
    }
    return HF_OK;
}

void hf_cancel(hf_pool *pool, hf_request *request) {
    if (!(request->flags & HF_REQUEST_IN)) {
        return;
    }
    request->flags |= HF_REQUEST_CANCEL;
    hf_request_arm(pool, request);
}

void hf_resume(hf_pool *pool, hf_request *request) {
    hf_conn *conn = request->conn;
    if (!conn || hf_conn_awaited(conn) != request || hf_is_never(conn->paused_at)) {
        return;
    }
    (void)pool;           /* a parameter like that of every pool call */
    conn->resumed = true; /* taken up in the connection's turn, when the time is known */
    hf_conn_activate(conn);
}

/* Serves the connections that the port has news of, and those that were left over. */
static void serve_news(hf_pool *pool) {
    const hf_port_api *api = pool->port->api;
    uint32_t tag;
    while (api->next(pool->port, &tag)) {
        uint32_t index = tag & ~HF_TAG_RESOLVE;
        if (index < hf_pool_size(pool)) {
            hf_conn_activate(&pool->conns[index]);
        }
    }
    hf_conn *conn = pool->active;
    pool->active = NULL; /* connections that are not done go on the new list, for the next tick */
    while (conn) {
        hf_conn *next = conn->next_active;
        conn->active = false;
        hf_conn_serve(conn);
        conn = next;
    }
}

/* The clock jumped (the machine slept, say): nobody looked, so no statement is to blame, and every link is suspect. An
 * idle connection is probed. An attempt whose time ran out meanwhile has as long as a probe to show that its link
 * lives, once. */
static void jumped(hf_pool *pool, hf_ms gap) {
    for (unsigned i = 0; i < hf_pool_size(pool); i++) {
        hf_conn *conn = &pool->conns[i];
        if (hf_is_never(conn->attempt_deadline) || !hf_is_never(conn->paused_at)) {
            continue;
        }
        /* An attempt that began in this very tick has lost no time. */
        const hf_ms most = pool->now + pool->config->request_timeout_ms;
        conn->attempt_deadline =
            conn->attempt_deadline + gap < most ? conn->attempt_deadline + gap : most;
        if (conn->attempt_deadline <= pool->now && !conn->deadline_extended) {
            conn->attempt_deadline = pool->now + pool->config->probe_timeout_ms;
            conn->deadline_extended = true;
        }
        hf_conn_settle(conn);
    }
    hf_pool_probe_idle(pool, NULL);
}

static void pool_due(hf_pool *pool) {
    hf_heap_remove(&pool->heap, &pool->timer);
    if (pool->closing && pool->now >= pool->close_deadline) {
        for (unsigned i = 0; i < hf_pool_size(pool); i++) {
            hf_conn_abort(&pool->conns[i]);
        }
        return;
    }
    hf_pool_check_give_up(pool);
}

static void request_due(hf_pool *pool, hf_request *request) {
    if (request->conn) {
        hf_flight_due(request->conn, request);
    } else {
        hf_request_due(pool, request);
    }
}

static void serve_deadlines(hf_pool *pool) {
    /* Each timer once or twice: what a callback arms for now waits for the next tick in the worst case. */
    uint32_t turns = 4u * hf_pool_size(pool) + 2u * (pool->n_queued + pool->n_in_flight) + 4u;
    while (hf_heap_next(&pool->heap) <= pool->now && turns-- > 0) {
        hf_timer *timer = pool->heap.root;
        switch (timer->kind) {
        case HF_TIMER_CONN: hf_conn_due(HF_OF(hf_conn, timer, timer)); break;
        case HF_TIMER_REQUEST: request_due(pool, HF_OF(hf_request, timer, timer)); break;
        default: pool_due(pool); break;
        }
    }
}

/* The first tick after hf_pool_close() ends what is queued: callbacks run in a tick only. */
static HF_COLD void begin_close(hf_pool *pool) {
    hf_error error;
    hf_error_set(&error, HF_ERR_CLOSED, HF_PHASE_QUEUE, NULL);
    hf_pool_drop_all(pool, &error);
}

/* The pool closes: what runs is cancelled, the oldest on each connection first; connections without work are closed. */
static void close_free(hf_pool *pool) {
    const bool all_idle = HF_MANY_CONNS && pool->n_idle == pool->n_conns;
    for (unsigned i = 0; i < hf_pool_size(pool) && !all_idle; i++) {
        hf_conn *conn = &pool->conns[i];
        if (conn->n_flight > 0) {
            hf_conn_cancel(conn);
        }
        if (conn->fsm.state != HF_IDLE && conn->n_flight == 0 && !hf_cancel_pending(conn)) {
            hf_conn_close(conn);
        }
    }
    if (!hf_pool_closed(pool)) {
        return;
    }
    hf_endpoints_wipe(&pool->endpoints);
    for (unsigned i = 0; i < hf_pool_size(pool); i++) { /* an unfinished login left secrets too */
        hf_conn_wipe(&pool->conns[i]);
    }
}

/* Arms the pool's own timer. */
static void arm(hf_pool *pool) {
    hf_ms at = HF_NEVER;
    if (pool->closing) {
        at = hf_pool_closed(pool) ? HF_NEVER : pool->close_deadline;
    } else if (hf_pool_in_outage(pool)) {
        at = hf_outage_deadline(&pool->outage, pool->config);
    } else if (HF_MANY_CONNS && pool->n_idle > 0 && pool->extra_at > pool->now &&
               (pool->queue.head || hf_pool_size(pool) - pool->n_idle < pool->keep_open)) {
        at = pool->extra_at;
    }
    hf_heap_set(&pool->heap, &pool->timer, at);
}

static inline hf_ms next_tick(const hf_pool *pool) {
    /* Work may be left by a tick's limits, or have been brought by a callback, or asked for since the tick. */
    const bool left =
        pool->active || pool->close_begins ||
        (pool->queue.head && (pool->fresh || hf_set_any(&pool->free) || pool->refused));
    return left ? pool->now : hf_heap_next(&pool->heap);
}

hf_ms hf_tick(hf_pool *pool, hf_ms now) {
    HF_ASSERT(!pool->in_tick);
    pool->in_tick = true;
    const uint32_t before = pool->n_queued + pool->n_in_flight;
    const bool was_closed = pool->closing && hf_pool_closed(pool);
    if (now > pool->now) {
        pool->now = now;
    }
    for (; pool->fresh; pool->fresh = pool->fresh->next) {
        start_clock(pool, pool->fresh);
    }
    if (pool->close_begins) {
        pool->close_begins = false;
        begin_close(pool);
    }
    serve_news(pool);
    if (HF_WITH_RESOLVE) {
        hf_pool_commit(pool);
    }
    if (pool->now > pool->promised && pool->now - pool->promised >= HF_JUMP_MS) {
        jumped(pool, pool->now - pool->promised);
    }
    serve_deadlines(pool);
    if (HF_WITH_RESOLVE) { /* of what came in while deadlines were judged */
        hf_pool_commit(pool);
    }
    if (pool->closing) {
        close_free(pool);
    } else {
        hf_pool_dispatch(pool);
    }
    if (HF_WITH_RESOLVE) {
        hf_pool_write_commits(pool);
    }
    arm(pool);
    pool->in_tick = false;
    pool->promised = next_tick(pool);
    /* A request ended and no other took its place, or the pool is closed: the answer is "now", so that a loop that
     * waits for that looks before it sleeps again. */
    const bool ended = pool->n_queued + pool->n_in_flight < before;
    const bool closes = pool->closing && !was_closed && hf_pool_closed(pool);
    return ended || closes ? pool->now : pool->promised;
}

hf_ms hf_pool_next(const hf_pool *pool) {
    return next_tick(pool);
}

void hf_pool_close(hf_pool *pool, hf_ms deadline) {
    if (pool->closing) {
        return;
    }
    pool->closing = pool->close_begins = true;
    pool->close_deadline = deadline;
}

bool hf_pool_closed(const hf_pool *pool) {
    if (!pool->closing || pool->close_begins || pool->n_queued > 0 || pool->n_in_flight > 0 ||
        (HF_MANY_CONNS && pool->n_idle < pool->n_conns)) {
        return false;
    }
    for (unsigned i = 0; i < hf_pool_size(pool); i++) {
        const hf_conn *conn = &pool->conns[i];
        if (conn->fsm.state != HF_IDLE || conn->closing || conn->cancel.link) {
            return false;
        }
    }
    return true;
}

void hf_pool_reset(hf_pool *pool) {
    hf_endpoints_wipe(&pool->endpoints);
    pool->refused = pool->extra_refused = pool->password_good = false;
    pool->passwords = 0;
#if HF_WITH_CREDENTIALS
    pool->refresh = HF_REFRESH_NONE;
#endif
}

#if HF_WITH_CREDENTIALS
void hf_pool_credentials(hf_pool *pool) {
    for (unsigned i = 0; i < hf_pool_size(pool); i++) {
        if (pool->conns[i].credentials == HF_CREDENTIALS_AWAITED) {
            pool->conns[i].credentials = HF_CREDENTIALS_THERE;
            hf_conn_activate(&pool->conns[i]);
        }
    }
}
#endif

void hf_pool_status_get(const hf_pool *pool, hf_pool_status *status) {
    memset(status, 0, sizeof *status);
    status->queued = pool->n_queued;
    status->in_flight = pool->n_in_flight;
    status->outage_since = pool->outage.since;
    status->next_dial = pool->outage.next_dial;
    status->dials = pool->dials;
    status->ups = pool->ups;
    status->losses = pool->losses;
    status->outages = pool->outage.count;
    status->retries = pool->retries;
    status->left = pool->left;
    status->hanging = pool->hanging;
    status->unconfirmed = pool->unconfirmed;
    status->refused = pool->refused;
    status->last_error = pool->last_error;
    memcpy(status->done, pool->done, sizeof status->done);
    if (HF_MANY_CONNS) {
        memcpy(status->conns, pool->states, sizeof status->conns);
    } else {
        status->conns[pool->conns[0].fsm.state]++;
    }
}

hf_state hf_pool_state(const hf_pool *pool, unsigned conn) {
    HF_ASSERT(conn < pool->n_conns);
    return (hf_state)pool->conns[conn].fsm.state;
}

#if HF_WITH_VALUES
const char *hf_pool_parameter(const hf_pool *pool, const char *name) {
    return hf_parameters_get(&pool->parameters, name);
}
#endif

uint32_t hf_pool_backend(const hf_pool *pool, unsigned conn) {
    HF_ASSERT(conn < pool->n_conns);
    const hf_state state = (hf_state)pool->conns[conn].fsm.state;
    return state == HF_HEALTHY || state == HF_PROBING ? pool->conns[conn].io.backend : 0;
}

const hf_journal *hf_pool_journal(const hf_pool *pool) {
    return &pool->journal;
}
