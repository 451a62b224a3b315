/* One connection's turns: its news, its deadlines, the one way to move its machine.
 *
 * hf_conn_step() is where a state changes: it steps the machine, keeps the pool's counts, ends or starts
 * links as the step's actions say, and writes the journal. Requests in flight are looked at last, when the
 * connection is whole again, for their callbacks may call back.
 */
#include "engine.h"

#include <string.h>

#include "base/text.h"

void hf_conn_init(hf_conn *conn, hf_pool *pool, uint16_t index, uint8_t *memory) {
    const hf_config *config = pool->config;
    memset(conn, 0, sizeof *conn);
    conn->pool = pool;
    conn->index = index;
    conn->timer.kind = HF_TIMER_CONN;
    conn->fsm.deadline = HF_NEVER;
    conn->closing_deadline = conn->cancel_deadline = conn->attempt_deadline = HF_NEVER;
    conn->heard_at = HF_NEVER;
    conn->paused_at = conn->tcp_deadline = conn->stable_at = HF_NEVER;
    conn->io.config = config;
    conn->io.port = pool->port;
    conn->io.rx.data = memory;
    conn->io.rx.size = config->rx_bytes;
    memory += HF_ROUND(config->rx_bytes);
    conn->io.tx.data = memory;
    conn->io.tx.size = config->tx_bytes;
    memory += HF_ROUND(config->tx_bytes);
    conn->io.store = memory;
}

void hf_timeout_error(hf_error *error, hf_phase phase, hf_limit limit, uint32_t limit_ms) {
    hf_error_set(error, HF_ERR_TIMEOUT, phase, NULL);
    error->limit = (uint8_t)limit;
    error->limit_ms = limit_ms;
}

/* `db.example: connection reset`, or what the server had said of its end. */
static void link_error_words(const hf_conn *conn, hf_error *error, const char *why) {
    char words[HF_MESSAGE_BYTES];
    hf_writer out = hf_writer_on(words, sizeof words);
    hf_write_text(&out, conn->pool->config->hosts[hf_conn_endpoint(conn)].name);
    if (error->sqlstate[0]) {
        hf_write_text(&out, ": the server had announced ");
        hf_write_text(&out, error->sqlstate);
        hf_write_text(&out, memcmp(error->sqlstate, "57P01", 5) == 0 ? ", shutting down"
                                                                     : ", after a crash");
    } else if (why) {
        hf_write_text(&out, ": ");
        hf_write_text(&out, why);
    } else if (error->code == HF_ERR_TLS_REFUSED) {
        hf_write_text(&out, "; sslmode=disable goes without");
    }
    hf_error_message(error, words, strlen(words));
}

void hf_conn_link_error(const hf_conn *conn, hf_error *error, int code) {
    hf_link *link = conn->dial.link;
    int32_t system = 0;
    const char *why = link ? link->api->why(link, &system) : NULL;
    hf_error_set(error, (hf_err)code, (hf_phase)conn->dial.phase, HF_WITH_WORDS ? NULL : why);
    error->system = system;
    if (code == HF_ERR_EOF || code == HF_ERR_RESET || code == HF_ERR_TLS_TRUNCATED) {
        /* The server may have said why before it went. */
        memcpy(error->sqlstate, conn->warned, sizeof error->sqlstate);
    }
    if (HF_WITH_WORDS) {
        link_error_words(conn, error, why);
    }
}

HF_RARE void hf_conn_link_failed(hf_conn *conn, int code) {
    hf_error error;
    hf_conn_link_error(conn, &error, code);
    hf_conn_fail(conn, &error);
}

/* --- links that end ------------------------------------------------------------------------------ */

static void close_advance(hf_conn *conn) { /* there is one */
    if (conn->closing->api->close(conn->closing) != 0) {
        conn->closing = NULL;
        conn->closing_deadline = HF_NEVER;
    }
}

static void close_now(hf_conn *conn) {
    if (conn->closing) {
        conn->closing->api->abort(conn->closing);
    }
    conn->closing = NULL;
    conn->closing_deadline = HF_NEVER;
}

/* The session's link ends: politely within timeout_ms, or at once with 0. The next attempt does not wait. */
static void end_link(hf_conn *conn, uint32_t timeout_ms) {
    hf_port *port = conn->pool->port;
    hf_link *link = conn->dial.link;
    hf_cancel_leave(conn);
    if (conn->dial.phase == HF_PHASE_RESOLVE) {
        port->api->resolve_cancel(port, conn->index);
    }
    if (HF_CONNS_MAX > 1 && conn->dial.phase == HF_PHASE_LOGIN) {
        hf_pool_logged_in(conn->pool);
    }
    conn->dial = (hf_dial){ 0 };
    conn->tcp_deadline = conn->stable_at = conn->paused_at = HF_NEVER;
    if (!link) {
        return;
    }
    if (timeout_ms == 0) {
        link->api->abort(link);
        return;
    }
    close_now(conn);
    conn->closing = link;
    conn->closing_deadline = conn->pool->now + timeout_ms;
    close_advance(conn);
}

/* --- the machine --------------------------------------------------------------------------------- */

static void note(hf_conn *conn, hf_state from, hf_event event, hf_phase phase,
                 const hf_error *error) {
    hf_pool *pool = conn->pool;
    hf_transition transition = {
        .at = pool->now,
        .conn = conn->index,
        .from = (uint8_t)from,
        .to = conn->fsm.state,
        .event = (uint8_t)event,
        .phase = (uint8_t)phase,
        .error = error,
    };
    if (error) {
        transition.code = error->code;
        memcpy(transition.sqlstate, error->sqlstate, sizeof transition.sqlstate);
    }
    if (transition.to == HF_BACKOFF) {
        transition.wait_ms = pool->policy.backoff_ms;
    }
    uint32_t attempt = HF_CONNS_MAX == 1 || !hf_is_never(pool->outage.since) ? pool->outage.attempt
                                                                             : conn->attempt;
    transition.attempt = attempt > UINT16_MAX ? UINT16_MAX : (uint16_t)attempt;
    hf_journal_add(&pool->journal, &transition);
    if (pool->config->on_transition) {
        pool->config->on_transition(pool->config->callback_user, &transition);
    }
}

/* How long the link of the state `from` may take to close; 0: it is of no use, drop it. */
static uint32_t closing_time(const hf_config *config, hf_state from, const hf_error *error) {
    if (error && error->code != HF_ERR_TIMEOUT && error->code != HF_ERR_CANCELLED) {
        return 0;
    }
    if (from == HF_PROBING) {
        return config->probe_close_timeout_ms;
    }
    return from == HF_HEALTHY ? config->close_timeout_ms : 0;
}

void hf_conn_step(hf_conn *conn, hf_event event, const hf_error *error) {
    hf_pool *pool = conn->pool;
    const hf_state from = (hf_state)conn->fsm.state;
    const bool was_up = hf_conn_up(conn);
    hf_phase phase = (hf_phase)(error ? error->phase : conn->dial.phase);
    const unsigned actions = hf_fsm_step(&conn->fsm, event, pool->now, &pool->policy).actions;
    const hf_state to = (hf_state)conn->fsm.state;
    if (from == to) {
        return;
    }
    pool->n_up = (uint16_t)(pool->n_up + hf_conn_up(conn) - was_up);
    pool->n_idle = (uint16_t)(pool->n_idle + (to == HF_IDLE) - (from == HF_IDLE));
    if (HF_CONNS_MAX > 1 && to == HF_IDLE) {
        hf_outage_leave(&pool->outage, conn->index);
    }
    if (actions & (HF_DO_DROP | HF_DO_CLOSE)) {
        end_link(conn, closing_time(pool->config, from, error));
    }
    note(conn, from, event, phase, error);
    if (actions & HF_DO_DIAL) {
        hf_dial_start(conn);
    }
    if (actions & HF_DO_PROBE) {
        pool->config->driver->probe(&conn->session, &conn->io);
        hf_conn_flush(conn);
    }
}

/* The one way to lose a connection or an attempt: event is LOST, or DUE when a deadline says so. */
static void lose(hf_conn *conn, hf_event event, const hf_error *error) {
    hf_pool *pool = conn->pool;
    bool was_up = hf_conn_up(conn);
    if (conn->dial.phase == HF_PHASE_LOGIN) { /* has anybody said that the password is right? */
        if (conn->io.proof == HF_PROOF_VERIFIED) {
            pool->password_good = true;
        } else if (conn->io.proof != HF_PROOF_NONE && pool->passwords < HF_FOREVER) {
            pool->passwords++;
        }
    }
    if (HF_CONNS_MAX == 1 || !pool->extra_refused) { /* a refusal is what a person has to hear of */
        pool->last_error = *error;
    }
    if (was_up) {
        pool->losses++;
    } else if (HF_HOSTS_MAX > 1) {
        hf_endpoints_bad(&pool->endpoints, conn->endpoint);
    }
    pool->policy.backoff_ms = hf_pool_lost(conn);
    hf_conn_step(conn, event, error);
    hf_flight_lost(conn, error);
    if (HF_CONNS_MAX > 1 && was_up) {
        hf_pool_suspect(pool, conn);
    }
    hf_pool_judge(pool);
}

void hf_conn_fail(hf_conn *conn, const hf_error *error) {
    hf_pool *pool = conn->pool;
    if (hf_conn_up(conn) ||
        hf_classify_login(error, (hf_proof)conn->io.proof) != HF_CLASS_PERMANENT) {
        lose(conn, HF_EV_LOST, error);
        return;
    }
    hf_conn_step(conn, HF_EV_REFUSED, error);
    hf_pool_refused(pool, error);
}

/* Everything it holds ends: its links within their time, or at once. */
static void leave(hf_conn *conn, bool at_once) {
    hf_error error;
    hf_conn_step(conn, HF_EV_CLOSE, NULL);
    if (at_once) {
        hf_cancel_stop(conn);
        close_now(conn);
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

void hf_conn_wipe(hf_conn *conn) {
    hf_wipe(&conn->session, sizeof conn->session);
    hf_wipe(conn->io.store, HF_STATEMENT_BYTES);
    hf_wipe(conn->io.tx.data, conn->io.tx.size);
}

bool hf_conn_spent(hf_conn *conn) {
    hf_port *port = conn->pool->port;
    const bool spent = port->api->spent(port);
    if (spent) {
        hf_pool_activate(conn);
    }
    return spent;
}

/* --- bytes --------------------------------------------------------------------------------------- */

/* What the server said last may lie unread: that is the better reason. */
static HF_RARE bool write_failed(hf_conn *conn, int code) {
    hf_link *link = conn->dial.link;
    hf_error error;
    hf_conn_link_error(conn, &error, code);
    conn->io.tx.start = conn->io.tx.end;
    hf_conn_read(conn);
    if (conn->dial.link == link) {
        hf_conn_fail(conn, &error);
    }
    return false;
}

bool hf_conn_flush(hf_conn *conn) {
    hf_buffer *tx = &conn->io.tx;
    while (tx->start < tx->end) {
        hf_link *link = conn->dial.link;
        int n = link->api->write(link, tx->data + tx->start, tx->end - tx->start);
        conn->tx_blocked = n == 0;
        if (n <= 0) {
            return n == 0 || write_failed(conn, n);
        }
        tx->start += (uint32_t)n;
        conn->tx_sent += (uint64_t)n;
    }
    tx->start = tx->end = 0;
    return true;
}

/* How many bytes may be read to the end of rx, which was fed. */
static uint32_t make_room(hf_buffer *rx) {
    if (rx->start == rx->end) {
        rx->start = rx->end = 0;
    } else if (rx->start > 0 && rx->size - rx->end < rx->size / 2) {
        memmove(rx->data, rx->data + rx->start, rx->end - rx->start);
        rx->end -= rx->start;
        rx->start = 0;
    }
    uint32_t room = rx->size - rx->end;
    return room < HF_READ_BYTES ? room : HF_READ_BYTES;
}

/* Once for each millisecond is enough: it only moves the deadline. */
static void heard(hf_conn *conn) {
    if (conn->heard_at != conn->pool->now) {
        conn->heard_at = conn->pool->now;
        hf_conn_step(conn, HF_EV_HEARD, NULL);
    }
}

void hf_conn_read(hf_conn *conn) {
    hf_link *link = conn->dial.link;
    hf_buffer *rx = &conn->io.rx;
    unsigned reads = 0;
    uint32_t room = 0;
    int n = 0;
    /* What is left in rx first; and less than was asked for is all there is. */
    while (conn->dial.link == link && hf_is_never(conn->paused_at) &&
           (!hf_flight_any(conn) || hf_flight_feed(conn)) && (uint32_t)n == room) {
        if (++reads > HF_READS_PER_TICK) {
            hf_pool_activate(conn);
            break;
        }
        room = make_room(rx);
        HF_ASSERT(room > 0); /* the driver skips what is larger than the buffer */
        n = link->api->read(link, rx->data + rx->end, room);
        if (n <= 0) {
            break;
        }
        rx->end += (uint32_t)n;
        heard(conn);
    }
    if (conn->dial.link != link) {
        return;
    }
    if (n < 0) {
        hf_conn_link_failed(conn, n);
    } else if (conn->io.tx.start < conn->io.tx.end && !conn->tx_blocked) {
        hf_conn_flush(conn);
    }
}

/* --- turns --------------------------------------------------------------------------------------- */

static void resume(hf_conn *conn) {
    conn->resumed = false;
    if (!hf_is_never(conn->paused_at) && !hf_is_never(conn->attempt_deadline)) {
        conn->attempt_deadline += conn->pool->now - conn->paused_at;
    }
    conn->paused_at = HF_NEVER;
}

static void serve_links(hf_conn *conn) {
    if (conn->resumed) {
        resume(conn);
    }
    if (conn->closing) {
        close_advance(conn);
    }
    if (conn->cancel.link) {
        hf_cancel_advance(conn);
    }
    switch ((hf_state)conn->fsm.state) {
    case HF_CONNECTING:
    case HF_RECONNECTING: hf_dial_advance(conn); break;
    case HF_HEALTHY:
    case HF_PROBING:
        if (!conn->tx_blocked || hf_conn_flush(conn)) {
            hf_conn_read(conn);
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

void hf_conn_suspect(hf_conn *conn) {
    if (hf_conn_serving(conn) && conn->n_flight == 0) {
        hf_conn_step(conn, HF_EV_DUE, NULL);
    }
}

/* The state's own deadline has passed. */
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
    case HF_HEALTHY: hf_conn_suspect(conn); return;
    case HF_BACKOFF:
        if (hf_pool_may_dial(conn)) {
            hf_conn_step(conn, HF_EV_DUE, NULL);
        } else {
            hf_fsm_defer(&conn->fsm, hf_pool_ask_again(pool));
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
    serve_links(conn); /* what has arrived is read before a deadline is judged */
    if (conn->closing_deadline <= pool->now) {
        close_now(conn);
    }
    if (conn->cancel_deadline <= pool->now) {
        hf_cancel_due(conn);
    }
    if (conn->tcp_deadline <= pool->now) {
        hf_dial_next(conn);
    }
    if (conn->stable_at <= pool->now && conn->fsm.state == HF_HEALTHY) {
        hf_pool_proved(conn);
    }
    if (conn->attempt_deadline <= pool->now && hf_is_never(conn->paused_at) &&
        !hf_cancel_pending(conn)) {
        hf_cancel_begin(conn, HF_LIMIT_REQUEST);
    }
    if (conn->fsm.deadline <= pool->now) {
        state_due(conn);
    }
    hf_conn_settle(conn);
}

/* Not inlined: five calls are shorter than five comparisons of 64 bits, and quiet() spares most connections both. */
static HF_RARE hf_ms earlier(hf_ms a, hf_ms b) {
    return a < b ? a : b;
}

/* When anything of it is due. */
static hf_ms due(const hf_conn *conn) {
    hf_ms at = conn->fsm.deadline;
    if (conn->fsm.state == HF_HEALTHY) {
        /* A running statement has its own clock; a pending cancel has another. */
        if (!hf_conn_serving(conn) || (!hf_is_never(conn->paused_at) && conn->n_flight > 0)) {
            at = HF_NEVER;
        } else if (conn->n_flight > 0) {
            at = conn->attempt_deadline;
        }
        at = earlier(at, conn->stable_at);
    }
    at = earlier(at, conn->cancel_deadline);
    at = earlier(at, conn->closing_deadline);
    return earlier(at, conn->tcp_deadline);
}

/* HEALTHY, and nothing but what runs has a time: HF_NEVER is all ones. Saves time only. */
static inline bool quiet(const hf_conn *conn) {
    return HF_WITH_SHORTCUTS && conn->fsm.state == HF_HEALTHY &&
           (conn->stable_at & conn->paused_at & conn->cancel_deadline & conn->closing_deadline &
            conn->tcp_deadline) == HF_NEVER;
}

/* The connection is due at that time, and is given work, if it takes any, while its link takes bytes. */
static inline void settle(hf_conn *conn, hf_ms at, bool takes_work) {
    hf_pool *pool = conn->pool;
    const hf_set bit = (hf_set)1 << (HF_CONNS_MAX > 1 ? conn->index : 0);

    pool->free &= ~bit;
    pool->room &= ~bit;
    if (takes_work && !conn->tx_blocked) {
        if (conn->n_flight == 0) {
            pool->free |= bit;
        } else if (conn->n_flight <= pool->config->max_pipelined / 2 &&
                   conn->flight.tail->replay == HF_REPLAY_SAFE) {
            pool->room |= bit;
        }
    }
    hf_heap_set(&pool->heap, &conn->timer, at);
}

static HF_RARE void settle_any(hf_conn *conn) {
    settle(conn, due(conn), hf_conn_serving(conn) && hf_is_never(conn->paused_at));
}

void hf_conn_settle(hf_conn *conn) {
    if (quiet(conn)) {
        settle(conn, conn->n_flight > 0 ? conn->attempt_deadline : conn->fsm.deadline, true);
    } else {
        settle_any(conn);
    }
}
