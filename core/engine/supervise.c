#include "supervise.h"

#include <string.h>

#include "base/text.h"
#include "cancel.h"
#include "conn.h"
#include "connect.h"
#include "flight.h"
#include "link.h"
#include "machine/classify.h"
#include "machine/endpoint.h"
#include "queue.h"
#include "schedule.h"

static void lose(hf_conn *conn, hf_event event, const hf_error *error);
static void fail(hf_conn *conn, const hf_error *error);
static void exchange(hf_conn *conn);

/* --- giving up --- */

static void all_idle(hf_pool *pool) {
    for (unsigned i = 0; i < hf_pool_size(pool); i++) {
        if (pool->conns[i].fsm.state != HF_IDLE) {
            hf_conn_close(&pool->conns[i]);
        }
    }
}

/* Gives up: no connection is usable, none will be dialled, and every queued request ends with last_error. */
static void give_up(hf_pool *pool) {
    all_idle(pool);
    hf_outage_reset(&pool->outage);
    pool->keep_open = 0;
    pool->passwords = 0;
    hf_pool_drop_all(pool, &pool->last_error);
}

/* A dial was refused for good: no other one is made with the same credentials. */
static void refused(hf_pool *pool, const hf_error *error) {
    pool->last_error = *error;
    pool->extra_refused = true;
    if (!HF_MANY_CONNS || hf_pool_in_outage(pool)) {
        pool->refused = true;
        give_up(pool);
        return;
    }
    for (unsigned i = 0; i < hf_pool_size(pool); i++) { /* the others would meet the same refusal */
        if (!hf_conn_up(&pool->conns[i]) && pool->conns[i].fsm.state != HF_IDLE) {
            hf_conn_close(&pool->conns[i]);
        }
    }
}

/* The error's whole text becomes its message, so that its code and limit can say that the pool gave up. */
static void reason_as_message(hf_error *error) {
    static const char trying[] = "the connection was still being made";
    char why[HF_MESSAGE_BYTES];
    size_t length = hf_error_text(error, why, sizeof why);
    bool failed = error->code != HF_OK; /* HF_OK: the first dial outlasted the outage's limit */
    hf_error_message(error, failed ? why : trying, failed ? length : sizeof trying - 1);
    error->from_server = false;
    error->system = 0;
}

void hf_pool_check_give_up(hf_pool *pool) {
    if (!hf_pool_in_outage(pool) || hf_is_never(pool->outage.since) || pool->closing) {
        return;
    }
    if (HF_MANY_CONNS && pool->extra_refused) { /* the next dial would be refused too */
        pool->refused = true;
        give_up(pool);
        return;
    }
    hf_limit limit = hf_outage_given_up(&pool->outage, pool->config, pool->now);
    if (hf_pool_passwords_used_up(pool)) {
        limit = HF_LIMIT_CONNECT_RETRIES;
    }
    if (limit == HF_LIMIT_NONE) {
        return;
    }
    /* last_error stays the reason; the code and the limit say that there is no further try. */
    hf_error *error = &pool->last_error;
    if (HF_WITH_MESSAGES) {
        reason_as_message(error);
    }
    error->code = HF_ERR_OUTAGE;
    error->limit = (uint8_t)limit;
    error->limit_ms = limit == HF_LIMIT_CONNECT_RETRIES
                          ? pool->config->connect_retries
                          : hf_outage_longest(&pool->outage, pool->config);
    give_up(pool);
}

/* --- the machine --- */

/* Goes on with an attempt that has come as far as `come`. */
static void connected(hf_conn *conn, hf_connect come) {
    if (come == HF_CONNECT_FAILED) {
        fail(conn, &conn->io.error);
    } else if (come == HF_CONNECT_LINK_UP && hf_conn_flush(conn)) {
        exchange(conn);
    }
}

/* A connection that dialled is done with it: one that waited for that has its backoff over, and dials. */
static void next_dials(hf_pool *pool) {
    hf_conn *next = hf_pool_next_to_dial(pool);
    if (next) {
        hf_fsm_defer(&next->fsm, pool->now);
        hf_conn_settle(next);
    }
}

static void step(hf_conn *conn, hf_event event, const hf_error *error) {
    const unsigned actions = hf_conn_step(conn, event, error);
    if (HF_MANY_CONNS) {
        next_dials(conn->pool);
    }
    if (actions & HF_DO_DIAL) {
        connected(conn, hf_connect_start(conn));
    }
    if (actions & HF_DO_PROBE) {
        conn->pool->config->driver->probe(&conn->session, &conn->io);
        hf_conn_flush(conn);
    }
}

void hf_conn_want(hf_conn *conn) {
    step(conn, HF_EV_WANT, NULL);
}

/* Probes a connection whose server may be gone, unless the answer to what runs on it will tell. */
static void probe_if_idle(hf_conn *conn) {
    if (hf_conn_serving(conn) && conn->n_flight == 0) {
        step(conn, HF_EV_DUE, NULL);
    }
}

/* Probes those of this set that are idle. */
static void probe_all(hf_pool *pool, hf_set left, const hf_conn *except) {
    while (hf_set_any(&left)) {
        hf_conn *conn = &pool->conns[hf_set_lowest(&left)];
        hf_set_remove(&left, conn->index);
        if (conn != except) {
            probe_if_idle(conn);
            hf_conn_settle(conn);
        }
    }
}

void hf_pool_probe_idle(hf_pool *pool, const hf_conn *except) {
    if (!HF_MANY_CONNS) {
        probe_if_idle(pool->conns);
        hf_conn_settle(pool->conns);
        return;
    }
    if (pool->probing) {
        return;
    }
    /* A probe may find its connection lost, and that loss asks for this again: once is enough, and no deeper. */
    pool->probing = true;
    probe_all(pool, pool->free, except);
    probe_all(pool, pool->stuck, except);
    pool->probing = false;
}

/* A login has failed: has the server shown that the password is right? */
static void count_password(hf_pool *pool, const hf_conn *conn) {
    if (conn->io.proof == HF_PROOF_VERIFIED) {
        pool->password_good = true;
    } else if (conn->io.proof != HF_PROOF_NONE && pool->passwords < HF_FOREVER) {
        pool->passwords++;
    }
}

/* The one way to lose a connection or an attempt: event is LOST, or DUE when a deadline has passed. Order: the backoff
 * before the transition is noted, requests in flight after the link, giving up last. */
static void lose(hf_conn *conn, hf_event event, const hf_error *error) {
    hf_pool *pool = conn->pool;
    bool was_up = hf_conn_up(conn);
    if (conn->dial.phase == HF_PHASE_LOGIN) {
        count_password(pool, conn);
    }
    if (!HF_MANY_CONNS || !pool->extra_refused) { /* a refusal is what a person must hear of */
        pool->last_error = *error;
    }
    if (was_up) {
        pool->losses++;
    } else if (HF_MANY_HOSTS) {
        hf_endpoints_bad(&pool->endpoints, conn->endpoint);
    }
    pool->policy.backoff_ms = hf_pool_lost(conn);
    step(conn, event, error);
    hf_flight_lost(conn, error);
    if (HF_MANY_CONNS && was_up) {
        hf_pool_probe_idle(pool, conn);
    }
    hf_pool_check_give_up(pool);
}

/* A login was refused for good. Is the credentials callback to be asked for others, and the server dialled again? Once,
 * and no password goes out that rule 17 does not allow. */
static bool has_others(hf_conn *conn, const hf_error *error) {
#if HF_WITH_CREDENTIALS
    hf_pool *pool = conn->pool;
    if (pool->config->credentials && pool->refresh == HF_REFRESH_NONE &&
        hf_is_credentials_refusal(error, (hf_proof)conn->io.proof)) {
        count_password(pool, conn);
        pool->refresh = hf_pool_passwords_used_up(pool) ? HF_REFRESH_DONE : HF_REFRESH_DUE;
        return pool->refresh == HF_REFRESH_DUE;
    }
#else
    (void)conn, (void)error;
#endif
    return false;
}

/* The attempt or the connection failed: its error's class makes that LOST or REFUSED. error may be conn->io.error. */
static void fail(hf_conn *conn, const hf_error *error) {
    hf_pool *pool = conn->pool;
    if (hf_conn_up(conn) ||
        hf_classify_login(error, (hf_proof)conn->io.proof) != HF_CLASS_PERMANENT) {
        lose(conn, HF_EV_LOST, error);
        return;
    }
    if (has_others(conn, error)) {
        connected(conn, hf_connect_again(conn));
        return;
    }
    step(conn, HF_EV_REFUSED, error);
    refused(pool, error);
}

/* Ends everything that the connection holds: links within their time to close, or at once. */
static void leave(hf_conn *conn, bool at_once) {
    hf_error error;
    step(conn, HF_EV_CLOSE, NULL);
    if (at_once) {
        hf_cancel_stop(conn);
        hf_link_close_now(conn);
    }
    hf_error_set(&error, HF_ERR_CLOSED, HF_PHASE_CLOSE, NULL);
    hf_flight_lost(conn, &error);
    hf_conn_settle(conn);
}

void hf_conn_close(hf_conn *conn) {
    if (hf_conn_up(conn) && conn->n_flight == 0) {
        conn->pool->config->driver->bye(&conn->session, &conn->io);
        hf_conn_flush(conn);
    }
    leave(conn, false);
}

void hf_conn_abort(hf_conn *conn) {
    leave(conn, true);
}

/* A connection came up: the outage's schedule is over for the others, which follow spread by jitter. */
static void others_follow(hf_pool *pool) {
    pool->password_good = true;
    hf_outage_up(&pool->outage);
    pool->outage.next_dial = HF_NEVER;
    if (!HF_MANY_CONNS) {
        return;
    }
    pool->extra_at = pool->now + hf_pool_spread(pool);
    if (pool->n_up > 1) {
        return;
    }
    for (unsigned i = 0; i < hf_pool_size(pool); i++) {
        hf_conn *other = &pool->conns[i];
        /* The other one may be due sooner than this, or later: all that waited for the canary ask at one moment. */
        if (other->fsm.state == HF_BACKOFF && other->fsm.deadline > pool->now) {
            hf_fsm_defer(&other->fsm, pool->now + hf_pool_spread(pool));
            hf_conn_settle(other);
        }
    }
}

/* Login and session set-up are complete: the connection is HEALTHY. */
static void up(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    conn->dial.phase = HF_PHASE_QUERY;
    if (HF_MANY_CONNS) {
        hf_pool_log_in_over(conn);
    }
    conn->stable_at = pool->now + pool->config->stable_after_ms;
    pool->ups++;
#if HF_WITH_CREDENTIALS
    pool->refresh = HF_REFRESH_NONE;
#endif
#if HF_WITH_VERSIONS
    pool->endpoints.list[hf_conn_endpoint(conn)].old_protocol = conn->io.old_protocol;
#endif
    if (HF_MANY_HOSTS) {
        hf_endpoints_good(&pool->endpoints, conn->endpoint, conn->dial_number);
    }
    step(conn, HF_EV_UP, NULL);
    others_follow(pool);
    if (pool->config->stable_after_ms == 0) {
        hf_conn_on_stable(conn);
    }
}

/* Dials again within the attempt. A password that went out before counts, as rule 17 has it: who blames the version
 * behind each would else be sent twice as many. */
static void redial(hf_conn *conn) {
    if (HF_WITH_VERSIONS && conn->io.proof != HF_PROOF_NONE) {
        count_password(conn->pool, conn);
        conn->io.proof = HF_PROOF_NONE;
        if (hf_pool_passwords_used_up(conn->pool)) {
            fail(conn, &conn->io.error);
            return;
        }
    }
    connected(conn, hf_connect_again(conn));
}

/* Acts on what became of the connection in a step of its work. */
static HF_COLD void apply(hf_conn *conn, hf_turn turn) {
    switch (turn) {
    case HF_TURN_UP: up(conn); break;
    case HF_TURN_PROBED: step(conn, HF_EV_UP, NULL); break;
    case HF_TURN_LOST: fail(conn, &conn->io.error); break;
    case HF_TURN_REDIAL: redial(conn); break;
    case HF_TURN_FED:
    case HF_TURN_STOP: break;
    }
}

/* --- bytes --- */

/* Reads what the link has, and acts on it. False: the connection no longer has that link. */
static inline bool read_and_act(hf_conn *conn) {
    hf_reading reading = { .link = conn->dial.link };
    hf_turn turn = hf_conn_read(conn, &reading);
    while (turn > HF_TURN_STOP) {
        apply(conn, turn);
        /* By its turn, too: the link of a new dial may lie where the old one lay. */
        if (turn >= HF_TURN_LOST || conn->dial.link != reading.link) {
            return false;
        }
        turn = hf_conn_read(conn, &reading);
    }
    return true;
}

/* Reads what the link has, and writes what the answers to it left in tx. */
static void exchange(hf_conn *conn) {
    if (read_and_act(conn) && conn->io.tx.start < conn->io.tx.end && !conn->tx_blocked) {
        hf_conn_flush(conn);
    }
}

/* A write failed. The server's last words may lie unread in the link, and are the better reason. */
HF_COLD bool hf_conn_write_failed(hf_conn *conn, int code) {
    hf_error error;
    hf_link_error(conn, &error, code);
    conn->io.tx.start = conn->io.tx.end;
    if (read_and_act(conn)) {
        fail(conn, &error);
    }
    return false;
}

/* --- turns --- */

static void resume(hf_conn *conn) {
    conn->resumed = false;
    if (!hf_is_never(conn->paused_at) && !hf_is_never(conn->attempt_deadline)) {
        conn->attempt_deadline += conn->pool->now - conn->paused_at;
    }
    conn->paused_at = HF_NEVER;
    if (HF_WITH_GROUPS) { /* the server was not slow */
        conn->timed = NULL;
        conn->oldest_at = conn->pool->now;
    }
}

static void serve_links(hf_conn *conn) {
    if (conn->resumed) {
        resume(conn);
    }
    if (conn->closing) {
        hf_link_close_advance(conn);
    }
    if (conn->cancel.link) {
        apply(conn, hf_cancel_advance(conn));
    }
    switch ((hf_state)conn->fsm.state) {
    case HF_CONNECTING:
    case HF_RECONNECTING: connected(conn, hf_connect_advance(conn)); break;
    case HF_HEALTHY:
    case HF_PROBING:
        if (!conn->tx_blocked || hf_conn_flush(conn)) {
            exchange(conn);
        }
        break;
    case HF_IDLE:
    case HF_BACKOFF:
    case HF_STATE_COUNT: break;
    }
}

void hf_conn_serve(hf_conn *conn) {
    serve_links(conn);
    hf_conn_settle(conn);
}

/* The deadline of the connection's state has passed. */
static void state_due(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    const hf_config *config = pool->config;
    hf_phase phase = (hf_phase)conn->dial.phase;
    hf_limit limit = HF_LIMIT_CONNECT;
    uint32_t ms = config->connect_timeout_ms;
    hf_error error;
    switch ((hf_state)conn->fsm.state) {
    case HF_CONNECTING: break;
    case HF_RECONNECTING:
        if (conn->fsm.lost_from == HF_PROBING) {
            limit = HF_LIMIT_PROBE_RECONNECT;
            ms = config->probe_reconnect_timeout_ms;
        } else {
            limit = HF_LIMIT_RECONNECT;
            ms = config->reconnect_timeout_ms;
        }
        break;
    case HF_PROBING:
        phase = HF_PHASE_PROBE;
        limit = HF_LIMIT_PROBE;
        ms = config->probe_timeout_ms;
        break;
    case HF_HEALTHY: probe_if_idle(conn); return;
    case HF_BACKOFF:
        if (hf_pool_may_dial(conn)) {
            step(conn, HF_EV_DUE, NULL);
        } else {
            if (HF_MANY_CONNS) {
                hf_pool_wait_to_dial(conn);
            }
            hf_fsm_defer(&conn->fsm, hf_pool_retry_at(pool));
        }
        return;
    case HF_IDLE:
    case HF_STATE_COUNT: return;
    }
    hf_timeout_error(&error, phase, limit, ms);
    lose(conn, HF_EV_DUE, &error);
}

void hf_conn_due(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    serve_links(conn); /* what has arrived is read before a deadline is judged (SEMANTICS 22) */
    if (conn->closing_deadline <= pool->now) {
        hf_link_close_now(conn);
    }
    if (conn->cancel_deadline <= pool->now) {
        apply(conn, hf_cancel_due(conn));
    }
    if (conn->tcp_deadline <= pool->now) {
        connected(conn, hf_connect_next(conn));
    }
    if (conn->stable_at <= pool->now && conn->fsm.state == HF_HEALTHY) {
        hf_conn_on_stable(conn);
    }
    if (conn->attempt_deadline <= pool->now && hf_is_never(conn->paused_at) &&
        !hf_cancel_pending(conn)) {
        apply(conn, hf_cancel_begin(conn, HF_LIMIT_REQUEST));
    }
    if (conn->fsm.deadline <= pool->now) {
        state_due(conn);
    }
    hf_conn_settle(conn);
}

void hf_flight_due(hf_conn *conn, hf_request *request) {
    hf_pool *pool = conn->pool;
    const bool late = pool->now >= request->deadline;
    hf_heap_remove(&pool->heap, &request->timer);
    if (hf_conn_leads(conn, request)) {
        const hf_limit limit = late ? HF_LIMIT_TIMEOUT : HF_LIMIT_NONE;
        apply(conn,
              HF_WITH_GROUPS ? hf_cancel_one(conn, request, limit) : hf_cancel_begin(conn, limit));
        hf_conn_settle(conn);
    } else if (hf_cancel_behind(conn, request) == HF_TURN_LOST) {
        hf_error error;
        if (!late) {
            hf_error_set(&error, HF_ERR_CANCELLED, HF_PHASE_QUERY, NULL);
        } else {
            hf_timeout_error(&error, HF_PHASE_QUERY, HF_LIMIT_TIMEOUT, request->timeout_ms);
        }
        fail(conn, &error);
        hf_conn_settle(conn);
    }
}

void hf_conn_cancel(hf_conn *conn) {
    apply(conn, hf_cancel_begin(conn, HF_LIMIT_NONE));
    hf_conn_settle(conn);
}
