/* Cancelling what runs (SEMANTICS 16; PostgreSQL docs 55.2.9).
 *
 * The driver's few bytes go out alone on a second link, encrypted if the session is. Cancel and grace share
 * close_timeout; nothing new is sent on the session meanwhile. The server closes the second link when it
 * has passed the cancel on: then it can hit what was sent before, but no later statement. Until it has, or
 * close_timeout is over, neither link is closed from here: there are poolers that do not survive it.
 *
 * A COMMIT of its own is never cancelled: the cancel would end its wait for a synchronous standby, as OK.
 */
#include "engine.h"

enum { HF_CANCEL_SENT = 1 };

void hf_cancel_stop(hf_conn *conn) {
    bool was = hf_cancel_pending(conn);
    hf_dial_drop(&conn->cancel);
    conn->cancel_deadline = HF_NEVER;
    conn->cancelled = NULL;
    conn->cancel_left = false;
    if (!was) {
        return;
    }
    if (conn->cancel_out) {
        conn->exposed = conn->n_flight; /* its 57014 may come later */
    }
    conn->cancel_out = false;
    if (conn->flight.head) { /* whose own end may have been asked for meanwhile */
        hf_request_arm(conn->pool, conn->flight.head);
    }
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

/* Opens the second link. One of an earlier session is waited for first. */
static void open_link(hf_conn *conn) {
    const hf_pool *pool = conn->pool;
    uint8_t bytes[64];
    const bool possible = pool->config->close_timeout_ms > 0 &&
                          pool->config->driver->cancel(&conn->session, bytes) > 0;
    if (conn->cancel_left && possible) {
        return;
    }
    if (!possible || hf_dial_open(conn, &conn->cancel) != HF_OK) {
        hf_cancel_due(conn);
    } else {
        hf_pool_activate(conn);
    }
}

/* The second link has done its work, or cannot. An answer within the grace is still taken. */
static void link_over(hf_conn *conn) {
    const bool left = conn->cancel_left;
    hf_dial_drop(&conn->cancel);
    conn->cancel_left = false;
    if (!conn->cancelled) {
        hf_cancel_stop(conn);
    } else if (left) {
        open_link(conn);
    }
}

void hf_cancel_answered(hf_conn *conn) {
    conn->cancelled = NULL;
    if (conn->cancel_left) {
        if (conn->flight.head) {
            hf_request_arm(conn->pool, conn->flight.head);
        }
    } else if (!conn->cancel.link || !conn->cancel_out) {
        hf_cancel_stop(conn);
    }
}

/* A COMMIT: at its deadline its link is left, and the server is asked. One that must end has the grace. */
static void leave_commit(hf_conn *conn, hf_request *request, hf_limit limit) {
    hf_error error;
    if (limit != HF_LIMIT_REQUEST && conn->pool->config->close_timeout_ms > 0) {
        return;
    }
    hf_cancel_error(conn, request, &error);
    if (limit == HF_LIMIT_REQUEST && request->sent_at <= conn->tx_sent &&
        !conn->pool->config->read_only) { /* it will be asked about */
        request->flags |= HF_REQUEST_LEFT;
        conn->pool->left++;
    }
    hf_conn_fail(conn, &error);
}

void hf_cancel_begin(hf_conn *conn, hf_limit limit) {
    hf_pool *pool = conn->pool;
    hf_request *request = conn->flight.head;
    const bool pending = hf_cancel_pending(conn);
    if (!request || (pending && (conn->cancelled != request || limit == HF_LIMIT_REQUEST))) {
        return;
    }
    conn->cancel_limit = (uint8_t)limit;
    conn->cancelled = request;
    if (limit != HF_LIMIT_REQUEST) { /* the whole request is to end, not this attempt alone */
        request->flags |= HF_REQUEST_CANCEL;
    }
    if (pending) {
        return;
    }
    conn->cancel_out = false;
    conn->cancel_deadline = pool->now + pool->config->close_timeout_ms;
    if (!hf_is_never(conn->paused_at)) { /* its answer is read to the end, its rows are not told */
        conn->paused_at = HF_NEVER;
        request->flags |= HF_REQUEST_ROWS_LOST;
        hf_pool_activate(conn);
    }
    if (hf_stage_of(request) == HF_STAGE_COMMIT) {
        leave_commit(conn, request, limit);
        return;
    }
    open_link(conn);
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
    if (conn->flight.head) {
        hf_request_arm(conn->pool, conn->flight.head);
    }
}

void hf_cancel_advance(hf_conn *conn) {
    hf_dial *dial = &conn->cancel;
    uint8_t bytes[64];
    int r = 1;
    if (dial->phase != HF_PHASE_CANCEL) {
        r = hf_dial_link(conn, dial);
        if (r > 0) {
            dial->phase = HF_PHASE_CANCEL;
            dial->step = dial->sent = 0;
        }
    }
    if (r > 0 && dial->step != HF_CANCEL_SENT) {
        size_t size = conn->pool->config->driver->cancel(&conn->session, bytes);
        r = hf_dial_send(dial, bytes, size);
        conn->cancel_out = conn->cancel_out || r > 0 || dial->sent > 0;
        if (r > 0) {
            dial->step = HF_CANCEL_SENT;
        }
    }
    while (r > 0) { /* only its end says anything */
        r = dial->link->api->read(dial->link, bytes, sizeof bytes);
    }
    if (r < 0) {
        link_over(conn);
    }
}

void hf_cancel_error(const hf_conn *conn, const hf_request *request, hf_error *error) {
    const hf_config *config = conn->pool->config;
    const hf_limit limit = request == conn->cancelled ? (hf_limit)conn->cancel_limit
                           : conn->pool->now >= request->deadline
                               ? HF_LIMIT_TIMEOUT /* before its cancel has begun */
                               : HF_LIMIT_NONE;
    if (limit == HF_LIMIT_NONE) {
        hf_error_set(error, HF_ERR_CANCELLED, HF_PHASE_QUERY, NULL);
    } else {
        hf_timeout_error(error, HF_PHASE_QUERY, limit,
                         limit == HF_LIMIT_REQUEST ? config->request_timeout_ms
                                                   : request->timeout_ms);
    }
}

void hf_cancel_due(hf_conn *conn) {
    hf_error error;
    if (conn->cancel_left && !conn->cancelled) {
        hf_cancel_stop(conn);
        return;
    }
    if (conn->cancelled) {
        hf_cancel_error(conn, conn->cancelled, &error);
    } else { /* answered, but the cancel is still on its way: it might hit what comes next */
        hf_timeout_error(&error, HF_PHASE_CANCEL, HF_LIMIT_CLOSE,
                         conn->pool->config->close_timeout_ms);
    }
    hf_conn_fail(conn, &error);
}
