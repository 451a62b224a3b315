#include "conn.h"

#include <string.h>

#include "base/text.h"
#include "cancel.h"
#include "flight.h"
#include "link.h"
#include "machine/journal.h"
#include "schedule.h"

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
#if HF_WITH_VALUES
    conn->io.parameters = &pool->parameters;
#endif
}

/* Ends the session's link: politely within timeout_ms, or at once with 0. The next attempt does not wait for that. */
static void end_link(hf_conn *conn, uint32_t timeout_ms) {
    hf_port *port = conn->pool->port;
    hf_link *link = conn->dial.link;
    hf_cancel_leave(conn);
    if (conn->dial.phase == HF_PHASE_RESOLVE) {
        port->api->resolve_cancel(port, conn->index);
    }
    if (HF_MANY_CONNS) {
        hf_pool_log_in_over(conn);
    }
    conn->dial = (hf_dial){ 0 };
    if (HF_WITH_GROUPS) {
        conn->cancel_last = false;
    }
    conn->tcp_deadline = conn->stable_at = conn->paused_at = HF_NEVER;
    if (link) {
        hf_link_close(conn, link, timeout_ms);
    }
}

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
    uint32_t attempt =
        !HF_MANY_CONNS || !hf_is_never(pool->outage.since) ? pool->outage.attempt : conn->attempt;
    transition.attempt = attempt > UINT16_MAX ? UINT16_MAX : (uint16_t)attempt;
    hf_journal_add(&pool->journal, &transition);
    if (pool->config->on_transition) {
        pool->config->on_transition(pool->config->callback_user, &transition);
    }
}

/* How many ms the link of a connection that leaves the state `from` may take to close. 0: abort it, since a broken
 * link or a half-made one has nothing to say goodbye with. */
static uint32_t closing_time(const hf_config *config, hf_state from, const hf_error *error) {
    if (error && error->code != HF_ERR_TIMEOUT && error->code != HF_ERR_CANCELLED) {
        return 0;
    }
    if (from == HF_PROBING) {
        return config->probe_close_timeout_ms;
    }
    return from == HF_HEALTHY ? config->close_timeout_ms : 0;
}

unsigned hf_conn_step(hf_conn *conn, hf_event event, const hf_error *error) {
    hf_pool *pool = conn->pool;
    const hf_state from = (hf_state)conn->fsm.state;
    const bool was_up = hf_conn_up(conn);
    hf_phase phase = (hf_phase)(error ? error->phase : conn->dial.phase);
    const unsigned actions = hf_fsm_step(&conn->fsm, event, pool->now, &pool->policy).actions;
    const hf_state to = (hf_state)conn->fsm.state;
    if (from == to) {
        return 0;
    }
    pool->n_up = (uint16_t)(pool->n_up + hf_conn_up(conn) - was_up);
    pool->n_idle = (uint16_t)(pool->n_idle + (to == HF_IDLE) - (from == HF_IDLE));
    if (HF_MANY_CONNS) {
        hf_pool_moved(conn, from, to);
    }
    if (actions & (HF_DO_DROP | HF_DO_CLOSE)) {
        end_link(conn, closing_time(pool->config, from, error));
    }
    note(conn, from, event, phase, error);
    return actions;
}

void hf_conn_wipe(hf_conn *conn) {
    hf_wipe(&conn->session, sizeof conn->session);
    hf_wipe(conn->io.store, HF_STATEMENT_BYTES);
    /* What was never written on is not touched: of a thousand large buffers most of the memory is not there. */
    const hf_buffer *tx = &conn->io.tx;
    hf_wipe(tx->data, !HF_MANY_CONNS            ? tx->size
                      : tx->end > conn->tx_used ? tx->end
                                                : conn->tx_used);
}

int hf_conn_write(hf_conn *conn) {
    hf_buffer *tx = &conn->io.tx;
    while (tx->start < tx->end) {
        hf_link *link = conn->dial.link;
        int n = link->api->write(link, tx->data + tx->start, tx->end - tx->start);
        conn->tx_blocked = n == 0;
        if (n <= 0) {
            return n;
        }
        tx->start += (uint32_t)n;
        conn->tx_sent += (uint64_t)n;
    }
    hf_conn_tx_empty(conn);
    return HF_OK;
}

/* Makes room at the end of rx: how many bytes may be read there. The driver has had what is in rx. */
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

/* Bytes came, so the server is there, and the next probe may come later. Once in a millisecond is enough. */
static void heard(hf_conn *conn) {
    if (conn->heard_at != conn->pool->now) {
        conn->heard_at = conn->pool->now;
        hf_conn_step(conn, HF_EV_HEARD, NULL);
    }
}

hf_turn hf_conn_read(hf_conn *conn, hf_reading *reading) {
    hf_buffer *rx = &conn->io.rx;
    /* What is left in rx is fed first. A read that got less than it asked for has drained the link. */
    while (hf_is_never(conn->paused_at)) {
        if (hf_flight_any(conn)) {
            const hf_turn turn = hf_flight_feed(conn);
            if (turn != HF_TURN_FED) {
                return turn;
            }
        }
        if (reading->got != reading->room) {
            break;
        }
        if (++reading->reads > HF_READS_PER_TICK) {
            hf_conn_activate(conn);
            break;
        }
        reading->room = make_room(rx);
        HF_ASSERT(reading->room > 0); /* the driver skips what is larger than the buffer */
        const int n = reading->link->api->read(reading->link, rx->data + rx->end, reading->room);
        if (n < 0) {
            return hf_link_lost(conn, n);
        }
        if (n == 0) {
            break;
        }
        reading->got = (uint32_t)n;
        rx->end += (uint32_t)n;
        heard(conn);
    }
    return HF_TURN_FED;
}

/* Not inlined: five calls are shorter than five comparisons of 64 bits. Most connections need neither
 * (has_no_other_deadline()). */
static HF_COLD hf_ms earlier(hf_ms a, hf_ms b) {
    return a < b ? a : b;
}

/* The earliest of the connection's deadlines. */
static hf_ms due(const hf_conn *conn) {
    hf_ms at = conn->fsm.deadline;
    if (conn->fsm.state == HF_HEALTHY) {
        /* While a statement runs, attempt_deadline holds; while a cancel is pending, cancel_deadline does. */
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

/* Is the connection HEALTHY, with no time set but for what runs? HF_NEVER is all ones, so one comparison tells. Only
 * saves time. */
static inline bool has_no_other_deadline(const hf_conn *conn) {
    return HF_WITH_FAST_PATHS && conn->fsm.state == HF_HEALTHY &&
           (conn->stable_at & conn->paused_at & conn->cancel_deadline & conn->closing_deadline &
            conn->tcp_deadline) == HF_NEVER;
}

/* Among whom is the connection, if it takes work, or would if its link took bytes? */
static inline hf_set *place_for(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    const bool more = conn->n_flight <= hf_conn_depth(conn) / 2;
    if (conn->n_flight == 0) {
        return !conn->tx_blocked ? &pool->free : HF_MANY_CONNS ? &pool->stuck : NULL;
    }
    if (hf_conn_runs_dry(conn)) {
        return NULL;
    }
    const hf_request *oldest = conn->flight.head, *tail = conn->flight.tail;
    if (HF_WITH_RESOLVE && conn->n_flight == 1 && !conn->tx_blocked && hf_resolves(oldest) &&
        hf_stage_of(oldest) == HF_STAGE_COMMIT) {
        return &pool->behind;
    }
    return conn->tx_blocked || !more || tail->replay != HF_REPLAY_SAFE || hf_request_is_apart(tail)
               ? NULL
           : conn->n_flight < HF_ROOMS ? &pool->room[conn->n_flight - 1]
                                       : &pool->room[HF_ROOMS - 1];
}

/* The connection's timer is set to `at`. */
static inline void settle(hf_conn *conn, hf_ms at, bool takes_work) {
    hf_pool *pool = conn->pool;
    hf_set *to = takes_work ? place_for(conn) : NULL;

    if (!HF_MANY_CONNS || conn->offered != to) {
        if (!HF_MANY_CONNS) {
            pool->free = pool->room[0] = (hf_set){ 0 };
            if (HF_WITH_RESOLVE) {
                pool->behind = (hf_set){ 0 };
            }
        } else if (conn->offered) {
            hf_set_remove(conn->offered, conn->index);
        }
        if (to) {
            hf_set_add(to, conn->index);
        }
        conn->offered = to;
    }
    hf_heap_set(&pool->heap, &conn->timer, at);
}

static HF_COLD void settle_any(hf_conn *conn) {
    settle(conn, due(conn), hf_conn_serving(conn) && hf_is_never(conn->paused_at));
}

void hf_conn_settle(hf_conn *conn) {
    if (has_no_other_deadline(conn)) {
        settle(conn, conn->n_flight > 0 ? conn->attempt_deadline : conn->fsm.deadline, true);
    } else {
        settle_any(conn);
    }
}
