#include "cancel.h"

#include "link.h"
#include "queue.h"

enum { HF_CANCEL_SENT = 1, HF_CANCEL_READ_BYTES = 64 /* at a time */ };

/* The oldest in flight, or one that is answered with that, may be to end: its turn has come. */
static void arm_oldest(hf_conn *conn) {
    for (hf_request *at = conn->flight.head; at; at = hf_shares_next(at) ? at->next : NULL) {
        hf_request_arm(conn->pool, at);
    }
}

void hf_cancel_stop(hf_conn *conn) {
    bool was = hf_cancel_pending(conn);
    hf_link_drop(&conn->cancel);
    conn->cancel_deadline = HF_NEVER;
    conn->cancelled = NULL;
    conn->cancel_left = false;
    if (!was) {
        return;
    }
    if (conn->cancel_out) { /* the cancel's 57014 may still come, to any of these */
        conn->n_cancel_may_hit = conn->n_flight;
    }
    conn->cancel_out = false;
    arm_oldest(conn); /* it may have been cancelled meanwhile */
}

void hf_cancel_leave(hf_conn *conn) {
    const hf_dial *dial = &conn->cancel;
    if (!dial->link || dial->phase != HF_PHASE_CANCEL || dial->step != HF_CANCEL_SENT ||
        conn->cancel_deadline <= conn->pool->now) {
        hf_cancel_stop(conn);
        return;
    }
    conn->cancelled = NULL;
    conn->cancel_out = false;
    conn->cancel_left = true;
}

/* Opens the second link. If an earlier session's is still open, that one's end is waited for first. */
static hf_turn open_link(hf_conn *conn) {
    const hf_pool *pool = conn->pool;
    uint8_t bytes[HF_CANCEL_BYTES];
    const bool possible = pool->config->close_timeout_ms > 0 &&
                          pool->config->driver->cancel(&conn->session, bytes) > 0;
    if (conn->cancel_left && possible) {
        return HF_TURN_FED;
    }
    if (!possible || hf_link_open(conn, &conn->cancel) != HF_OK) {
        return hf_cancel_due(conn);
    }
    hf_conn_activate(conn);
    return HF_TURN_FED;
}

/* The second link has ended, its cancel passed on or not. An answer that comes within the grace is still taken. */
static hf_turn link_over(hf_conn *conn) {
    const bool left = conn->cancel_left;
    hf_link_drop(&conn->cancel);
    conn->cancel_left = false;
    if (!conn->cancelled) {
        hf_cancel_stop(conn);
    } else if (left) {
        return open_link(conn);
    }
    return HF_TURN_FED;
}

void hf_cancel_answered(hf_conn *conn) {
    conn->cancelled = NULL;
    if (conn->cancel_left) {
        arm_oldest(conn);
    } else if (!conn->cancel.link || !conn->cancel_out) {
        hf_cancel_stop(conn);
    }
}

/* Has what is in flight a COMMIT that no cancel may hit? Also where the COMMIT comes with its ledger's key: nobody can
 * tell when it begins. */
static bool commits(const hf_request *request) {
    const hf_stage stage = hf_stage_of(request);
    return stage == HF_STAGE_COMMIT ||
           (HF_WITH_LEDGER && (stage == HF_STAGE_FIND || stage == HF_STAGE_SEAL ||
                               (stage == HF_STAGE_RUN && hf_is_one_flight(request))));
}

/* A ledger request's time is over, and its key is not in: it waits for an attempt before, or its link is silent
 * (SEMANTICS 48). So each attempt has as long for its key as all before it took, and at least request_timeout: links
 * are tried anew, and few attempts wait on the server at a time. True: this one goes on. */
static bool waits_for_key(hf_conn *conn, hf_request *request) {
    if (!hf_inserts_key(request) || request->keyed) {
        return false;
    }
    const hf_pool *pool = conn->pool;
    const uint32_t spent = pool->config->request_timeout_ms,
                   most = hf_outage_longest(&pool->outage, pool->config);
    const hf_ms began = pool->now - spent;
    if (!(request->flags & HF_REQUEST_KEY_WAIT)) {
        request->flags |= HF_REQUEST_KEY_WAIT;
        request->commit_at = began;
    }
    if (conn->deadline_extended || began - request->commit_at <= spent) {
        return false;
    }
    hf_ms until = began + (began - request->commit_at);
    if (most != HF_FOREVER && until > request->commit_at + most) {
        until = request->commit_at + most;
    }
    conn->attempt_deadline = until;
    conn->deadline_extended = true;
    return until > pool->now;
}

/* A COMMIT is never cancelled: at request_timeout its link is left, and the server is asked. One that must end has the
 * grace first. */
static hf_turn leave_commit(hf_conn *conn, hf_request *request, hf_limit limit) {
    if (limit != HF_LIMIT_REQUEST && conn->pool->config->close_timeout_ms > 0) {
        return HF_TURN_FED;
    }
    hf_cancel_error(conn, request, &conn->io.error);
    if (limit == HF_LIMIT_REQUEST && hf_request_key_overdue(conn->pool, request)) {
        hf_timeout_error(&conn->io.error, HF_PHASE_QUERY, HF_LIMIT_MAX_OUTAGE,
                         hf_outage_longest(&conn->pool->outage, conn->pool->config));
    }
    return HF_TURN_LOST;
}

static inline hf_turn begin(hf_conn *conn, hf_request *request, hf_limit limit) {
    hf_pool *pool = conn->pool;
    const bool pending = hf_cancel_pending(conn);
    if (!request || (pending && (conn->cancelled != request || limit == HF_LIMIT_REQUEST))) {
        return HF_TURN_FED;
    }
    if (limit == HF_LIMIT_REQUEST && waits_for_key(conn, request)) {
        return HF_TURN_FED;
    }
    conn->cancel_limit = (uint8_t)limit;
    conn->cancelled = request;
    if (limit != HF_LIMIT_REQUEST) { /* the request is to end, not this attempt alone */
        request->flags |= HF_REQUEST_CANCEL;
    }
    if (pending) {
        return HF_TURN_FED;
    }
    if (HF_WITH_GROUPS && conn->cancel_last) { /* one has waited for its turn as long as it may */
        hf_cancel_error(conn, request, &conn->io.error);
        return HF_TURN_LOST;
    }
    conn->cancel_out = false;
    conn->cancel_deadline = pool->now + pool->config->close_timeout_ms;
    if (!hf_is_never(conn->paused_at)) { /* the answer is read to its end, without on_row */
        conn->paused_at = HF_NEVER;
        hf_conn_awaited(conn)->flags |= HF_REQUEST_ROWS_LOST;
        hf_conn_activate(conn);
    }
    if (commits(request)) {
        return leave_commit(conn, request, limit);
    }
    return open_link(conn);
}

hf_turn hf_cancel_begin(hf_conn *conn, hf_limit limit) {
    return begin(conn, conn->flight.head, limit);
}

#if HF_WITH_GROUPS /* else nobody calls it, and begin() has one caller */
hf_turn hf_cancel_one(hf_conn *conn, hf_request *request, hf_limit limit) {
    return begin(conn, request, limit);
}
#endif

HF_COLD hf_turn hf_cancel_behind(hf_conn *conn, hf_request *request) {
    hf_pool *pool = conn->pool;
    if (!(request->flags & HF_REQUEST_GRACE) && pool->config->close_timeout_ms > 0) {
        /* The request's turn is waited for: until then a cancel would hit another one. */
        request->flags |= HF_REQUEST_CANCEL | HF_REQUEST_GRACE;
        conn->cancel_next = true;
        hf_heap_set(&pool->heap, &request->timer, pool->now + pool->config->close_timeout_ms);
        return HF_TURN_FED;
    }
    if (hf_cancel_pending(conn) && conn->cancel_deadline > pool->now) {
        /* Another request's cancel is pending, and keeps the link until it is over. */
        if (HF_WITH_GROUPS) {
            conn->cancel_last = true;
        }
        hf_heap_set(&pool->heap, &request->timer, conn->cancel_deadline);
        return HF_TURN_FED;
    }
    /* The request's turn did not come, and the link goes. The requests around it are replay-safe and run again, or one
     * is a COMMIT, and is asked about. */
    request->flags |= HF_REQUEST_CANCEL;
    return HF_TURN_LOST;
}

void hf_cancel_next(hf_conn *conn) {
    hf_request *request = conn->flight.head;
    if (!conn->cancel_next) {
        return;
    }
    conn->cancel_next = false;
    for (; request; request = request->next) {
        conn->cancel_next = conn->cancel_next || (request->flags & HF_REQUEST_GRACE);
    }
    if (HF_WITH_GROUPS) {
        conn->cancel_last = conn->cancel_last && conn->cancel_next;
    }
    arm_oldest(conn);
}

hf_turn hf_cancel_advance(hf_conn *conn) {
    hf_dial *dial = &conn->cancel;
    uint8_t bytes[HF_CANCEL_BYTES];
    int r = 1;
    if (dial->phase != HF_PHASE_CANCEL) {
        r = hf_link_advance(conn, dial);
        if (r > 0) {
            dial->phase = HF_PHASE_CANCEL;
            dial->step = 0;
            dial->sent = 0;
        }
    }
    if (r > 0 && dial->step != HF_CANCEL_SENT) {
        size_t size = conn->pool->config->driver->cancel(&conn->session, bytes);
        r = hf_link_send(dial, bytes, size);
        conn->cancel_out = conn->cancel_out || r > 0 || dial->sent > 0;
        if (r > 0) {
            dial->step = HF_CANCEL_SENT;
        }
    }
    while (r > 0) { /* the server sends nothing here but the end of the stream */
        r = dial->link->api->read(dial->link, bytes, HF_CANCEL_READ_BYTES);
    }
    return r < 0 ? link_over(conn) : HF_TURN_FED;
}

void hf_cancel_error(const hf_conn *conn, const hf_request *request, hf_error *error) {
    const hf_config *config = conn->pool->config;
    const hf_limit limit = request == conn->cancelled ? (hf_limit)conn->cancel_limit
                           : conn->pool->now >= request->deadline
                               ? HF_LIMIT_TIMEOUT /* late, not being cancelled yet */
                               : HF_LIMIT_NONE;
    if (limit == HF_LIMIT_NONE) {
        hf_error_set(error, HF_ERR_CANCELLED, HF_PHASE_QUERY, NULL);
    } else {
        hf_timeout_error(error, HF_PHASE_QUERY, limit,
                         limit == HF_LIMIT_REQUEST ? config->request_timeout_ms
                                                   : request->timeout_ms);
    }
}

hf_turn hf_cancel_due(hf_conn *conn) {
    hf_error *error = &conn->io.error;
    if (conn->cancel_left && !conn->cancelled) {
        hf_cancel_stop(conn);
        return HF_TURN_FED;
    }
    if (conn->cancelled) {
        hf_cancel_error(conn, conn->cancelled, error);
    } else { /* an answered request's cancel is still on its way: it might hit the next one */
        hf_timeout_error(error, HF_PHASE_CANCEL, HF_LIMIT_CLOSE,
                         conn->pool->config->close_timeout_ms);
    }
    return HF_TURN_LOST;
}
