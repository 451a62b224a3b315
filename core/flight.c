/* Requests in flight on a connection: sent, answered, lost. Here is decided what a request is told
 * (SEMANTICS 9-17).
 *
 * The rule behind every line: run again only what certainly had no effect, or what the caller called safe;
 * call FAILED only what certainly had none; say UNKNOWN otherwise.
 */
#include "engine.h"

#include <string.h>

#include "backoff.h"

static bool may_retry(const hf_pool *pool, const hf_request *request) {
    return request->retries < pool->config->max_retries; /* HF_FOREVER is never reached */
}

bool hf_flight_must_end(const hf_pool *pool, const hf_request *request) {
    return (request->flags & HF_REQUEST_CANCEL) || pool->closing;
}

/* The server's refusal may be why an attempt failed, but not why there is no other: it was cancelled, or is out of
 * time. */
static HF_RARE void cut_short(const hf_pool *pool, hf_request *request) {
    hf_error *why = &request->error;
    if (hf_flight_must_end(pool, request) && why->code == HF_ERR_SERVER) {
        why->code = HF_ERR_CANCELLED;
        if (request->deadline <= pool->now) {
            why->code = HF_ERR_TIMEOUT;
            why->limit = HF_LIMIT_TIMEOUT;
            why->limit_ms = request->timeout_ms;
        }
    }
}

void hf_flight_unknown(hf_pool *pool, hf_request *request, const hf_error *error) {
    hf_error *why = &request->error;
    if (error != why) {
        *why = *error;
    }
    cut_short(pool, request);
    if (hf_stage_of(request) == HF_STAGE_ASK && why->code == HF_ERR_SERVER) {
        /* The last question was lost, not refused. */
        why->code = HF_ERR_TIMEOUT;
        why->limit = HF_LIMIT_REQUEST;
        why->limit_ms = pool->config->request_timeout_ms;
    }
    hf_request_end(pool, request, HF_OUTCOME_UNKNOWN, NULL);
}

/* Ends a request because of error, which it could have got over. */
static void end_for(hf_pool *pool, hf_request *request, hf_outcome outcome, const hf_error *error) {
    hf_error *why = &request->error;
    if (error != why) {
        *why = *error;
    }
    cut_short(pool, request);
    if (!hf_flight_must_end(pool, request) && why->limit == HF_LIMIT_NONE) {
        why->limit = HF_LIMIT_MAX_RETRIES;
        why->limit_ms = pool->config->max_retries;
    }
    hf_request_end(pool, request, outcome, NULL);
}

/* What is told of an attempt that certainly had no effect: an earlier one may have had. */
static hf_outcome failed(const hf_request *request) {
    return request->flags & HF_REQUEST_MAYBE_RAN ? HF_OUTCOME_UNKNOWN : HF_OUTCOME_FAILED;
}

void hf_flight_clock(hf_conn *conn) {
    uint32_t ms = conn->pool->config->request_timeout_ms;
    bool none = conn->n_flight == 0 || ms == 0 || ms == HF_FOREVER;
    conn->attempt_deadline = none ? HF_NEVER : conn->pool->now + ms;
    conn->spared = false;
}

/* It can never be sent. */
static HF_RARE void unsendable(hf_conn *conn, hf_request *request, hf_err code) {
    hf_error *error = &conn->io.error;
    if (error->code == HF_OK) {
        hf_error_set(error, code, HF_PHASE_QUERY, NULL);
    }
    hf_request_end(conn->pool, request, hf_request_unsent(request), error);
    error->code = HF_OK;
}

int hf_flight_send(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    const hf_driver *driver = pool->config->driver;
    hf_request *request = pool->queue.head;
    if (HF_STATEMENTS > 0 &&
        (request->flags & HF_REQUEST_REPREPARED)) { /* what was prepared here may be gone too */
        driver->forget(&conn->session, &conn->io, request);
    }
    int r = driver->submit(&conn->session, &conn->io, request);
    if (r == 0) {
        return 0;
    }
    hf_queue_take(&pool->queue);
    pool->n_queued--;
    if (r < 0) {
        unsendable(conn, request, (hf_err)r);
        return -1;
    }
    request->conn = conn;
    if (hf_stage_of(request) == HF_STAGE_ASK) {
        hf_resolve_asking(pool, request);
    } else {
        if (request->on_send) { /* nothing of it has left tx yet */
            request->on_send(request);
        }
        request->attempts++;
        if (request->retries > 0) {
            pool->retries++;
        }
    }
    hf_queue_push(&conn->flight, request);
    pool->n_in_flight++;
    if (++conn->n_flight == 1) {
        hf_flight_clock(conn);
    }
    return 1;
}

/* Takes the oldest out of flight. */
static hf_request *pop(hf_conn *conn) {
    hf_request *request = hf_queue_take(&conn->flight);
    conn->n_flight--;
    conn->pool->n_in_flight--;
    hf_flight_clock(conn);
    return request;
}

/* Was it lost at its COMMIT, so that its fate is asked for? */
static bool ask_then(const hf_pool *pool, hf_request *request) {
    return HF_WITH_RESOLVE && hf_resolve_begin(pool, request);
}

void hf_flight_again(hf_pool *pool, hf_request *request, const hf_error *error) {
    if (hf_flight_must_end(pool, request) || !may_retry(pool, request)) {
        end_for(pool, request, failed(request), error);
        return;
    }
    request->retries++;
    hf_request_requeue(pool, request);
}

/* The 57014 that it was told is our cancel's: so is what it ends of. */
static HF_RARE void own_cancel(const hf_conn *conn, hf_request *request) {
    hf_error *error = &request->error;
    char sqlstate[sizeof error->sqlstate];
    memcpy(sqlstate, error->sqlstate, sizeof sqlstate);
    hf_cancel_error(conn, request, error);
    memcpy(error->sqlstate, sqlstate, sizeof sqlstate);
}

/* 57014: ours if our cancel is pending or has only just ended, whichever statement it hit. */
static void cancelled(hf_conn *conn, hf_request *request, bool ours) {
    hf_pool *pool = conn->pool;
    if (ours) {
        own_cancel(conn, request);
        hf_flight_again(pool, request, &request->error);
    } else if ((hf_cancel_pending(conn) || conn->exposed > 0) &&
               !hf_flight_must_end(pool, request)) {
        /* Meant for one that was answered just before: no fault of this one. */
        request->flags |= HF_REQUEST_UNDONE;
        hf_request_requeue(pool, request);
    } else { /* somebody else's, or the server's own time-out */
        const bool part = pool->config->driver->self_commits(request);
        cut_short(pool, request);
        hf_request_end(pool, request, part ? HF_OUTCOME_UNKNOWN : failed(request), NULL);
    }
}

/* The server refused the request, and that is all it said of it: what becomes of it. alive: the connection
 * is still there. True if it must be given up. */
static bool refused(hf_conn *conn, hf_request *request, bool ours, bool alive) {
    hf_pool *pool = conn->pool;
    const hf_config *config = pool->config;
    bool again = !hf_flight_must_end(pool, request);
    hf_class class = hf_classify(&request->error, config->read_only);
    if (!alive && memcmp(request->error.sqlstate, "08", 2) == 0) {
        class = HF_CLASS_AMBIGUOUS; /* a pooler's last words: it lost the server, as by a FATAL */
    }
    const bool by_cancel = ours || hf_cancel_pending(conn) || conn->exposed > 0;
    if ((class == HF_CLASS_RETRY || class == HF_CLASS_RECONNECT ||
         (class == HF_CLASS_CANCELLED && by_cancel)) &&
        config->driver->self_commits(request)) {
        if (class == HF_CLASS_CANCELLED && ours) {
            own_cancel(conn, request);
        }
        class = HF_CLASS_AMBIGUOUS; /* what it had committed before stands: not again by itself */
    }
    switch (class) {
    case HF_CLASS_RETRY:
        if (again && may_retry(pool, request)) {
            uint32_t delay = hf_backoff(request->retries++, config, hf_pool_random(pool));
            hf_request_wait(pool, request, delay);
        } else {
            hf_flight_again(pool, request, &request->error);
        }
        return false;
    case HF_CLASS_RECONNECT:
    case HF_CLASS_ROLE:
        if (ask_then(pool, request)) {
            hf_request_requeue(pool, request);
        } else {
            hf_flight_again(pool, request, &request->error);
        }
        return alive;
    case HF_CLASS_REPREPARE:
        if (HF_STATEMENTS > 0 && again && !(request->flags & HF_REQUEST_REPREPARED)) {
            request->flags |= HF_REQUEST_REPREPARED | HF_REQUEST_UNDONE;
            if (alive) {
                config->driver->forget(&conn->session, &conn->io, request);
            }
            hf_request_requeue(pool, request);
            return false;
        }
        cut_short(pool, request);
        break;
    case HF_CLASS_AMBIGUOUS:
        if (hf_is_held(request) && hf_stage_of(request) != HF_STAGE_COMMIT) {
            hf_flight_again(pool, request, &request->error); /* it was not committed */
        } else if (ask_then(pool, request)) {
            hf_request_requeue(pool, request);
        } else if (request->replay == HF_REPLAY_SAFE) {
            request->flags |= HF_REQUEST_MAYBE_RAN;
            hf_flight_again(pool, request, &request->error);
        } else {
            hf_flight_unknown(pool, request, &request->error);
        }
        return false;
    case HF_CLASS_CANCELLED: cancelled(conn, request, ours); return false;
    case HF_CLASS_NONE:
    case HF_CLASS_NOT_READY:
    case HF_CLASS_STATEMENT:
    case HF_CLASS_PERMANENT: break;
    }
    if (config->read_only && memcmp(request->error.sqlstate, "25006", 5) == 0) {
        request->error.code = HF_ERR_READ_ONLY;
    }
    hf_request_end(pool, request, failed(request), NULL);
    return false;
}

/* It ran; only its rows could not be taken. Where nothing can be written that is a failure without effect. */
static hf_outcome ran(const hf_pool *pool) {
    return pool->config->read_only ? HF_OUTCOME_FAILED : HF_OUTCOME_UNKNOWN;
}

/* The answer is whole, and it is not a plain OK. False: the connection is gone. */
static HF_RARE bool ready_but(hf_conn *conn, hf_request *request, bool ours) {
    hf_pool *pool = conn->pool;
    hf_error *why = &conn->io.error; /* which lasts when the request runs again */
    bool give_up = false;
    if (request->error.code != HF_OK) {
        *why = request->error;
    } else if (why->code == HF_ERR_OPEN_TRANSACTION) {
        request->error = *why;
    } else {
        why->code = HF_OK;
    }
    if (hf_stage_of(request) == HF_STAGE_ROLLBACK) {
        hf_request_end(pool, request, HF_OUTCOME_FAILED, NULL);
    } else if (hf_stage_of(request) == HF_STAGE_ASK) {
        give_up = hf_resolve_asked(conn, request, why);
    } else if (hf_fate_of(request) ==
               HF_FATE_ABORTED) { /* no ticket was to be had: without one, then */
        pool->endpoints.list[hf_conn_endpoint(conn)].ticketless = conn->io.ticketless;
        if (hf_flight_must_end(pool, request)) {
            hf_cancel_error(conn, request, why);
            hf_request_end(pool, request, HF_OUTCOME_FAILED, why);
        } else {
            request->flags |= HF_REQUEST_UNDONE;
            hf_request_requeue(pool, request);
        }
    } else if (why->code == HF_OK && (request->flags & HF_REQUEST_ROWS_LOST)) {
        hf_cancel_error(conn, request, why);
        hf_request_end(pool, request, ran(pool), why);
    } else if (why->code == HF_OK) {
        hf_request_end(pool, request, HF_OUTCOME_OK, NULL);
    } else if (why->code == HF_ERR_TOO_LARGE) {
        hf_request_end(pool, request, ran(pool), NULL);
    } else {
        give_up = refused(conn, request, ours, true);
    }
    if (conn->exposed > 0) {
        conn->exposed--;
    }
    if (ours) {
        hf_cancel_answered(conn);
    }
    if (give_up) {
        if (HF_HOSTS_MAX > 1) {
            hf_endpoints_bad(&pool->endpoints, conn->endpoint);
        }
        hf_conn_fail(conn, why);
        return false;
    }
    why->code = HF_OK;
    return true;
}

/* The server has said all it has to say of the oldest request. False: the connection is gone. */
static inline bool ready(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    const hf_request *cancelled = conn->cancelled;
    hf_request *request = pop(conn);
    /* Most are; nothing hangs on it but time. */
    bool plain = HF_WITH_SHORTCUTS && request != cancelled && request->error.code == HF_OK &&
                 conn->io.error.code == HF_OK && !(request->flags & HF_REQUEST_ROWS_LOST) &&
                 hf_stage_of(request) != HF_STAGE_ASK && hf_fate_of(request) == HF_FATE_NONE;
    if (!hf_is_never(conn->stable_at)) {
        hf_pool_proved(conn);
    }
    if (!plain) {
        return ready_but(conn, request, request == cancelled);
    }
    if (conn->exposed > 0) {
        conn->exposed--;
    }
    hf_request_end(pool, request, HF_OUTCOME_OK, NULL);
    return true;
}

static inline bool row(hf_conn *conn, hf_request *request) {
    if (request->error.code != HF_OK || (request->flags & HF_REQUEST_ROWS_LOST)) {
        return true;
    }
    request->n_rows++;
    if (!request->on_row || request->on_row(request, &conn->io.row) != HF_PAUSE) {
        return true;
    }
    if (request == conn->cancelled) { /* the end of its answer cannot wait any more */
        request->flags |= HF_REQUEST_ROWS_LOST;
        return true;
    }
    conn->paused_at = conn->pool->now;
    return false;
}

/* Logged in: the session may serve. */
static void up(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    conn->dial.phase = HF_PHASE_QUERY;
    if (HF_CONNS_MAX > 1) {
        hf_pool_logged_in(pool);
    }
    conn->stable_at = pool->now + pool->config->stable_after_ms;
    pool->ups++;
    if (HF_HOSTS_MAX > 1) {
        hf_endpoints_good(&pool->endpoints, conn->endpoint);
    }
    hf_conn_step(conn, HF_EV_UP, NULL);
    hf_pool_up(pool);
    if (pool->config->stable_after_ms == 0) {
        hf_pool_proved(conn);
    }
}

static void notice(hf_conn *conn) {
    const hf_config *config = conn->pool->config;
    hf_error *error = &conn->io.error;
    if (memcmp(error->sqlstate, "57P0", 4) == 0 &&
        (error->sqlstate[4] == '1' || error->sqlstate[4] == '2')) {
        memcpy(conn->warned, error->sqlstate, sizeof conn->warned);
    }
    if (config->on_notice) {
        config->on_notice(config->callback_user, conn->index, error);
    }
    error->code = HF_OK;
}

/* What goes wrong first with a request is what is said of it. */
static void request_error(hf_conn *conn, hf_request *request, bool refused) {
    hf_error *error = &conn->io.error;
    if (request->error.code == HF_OK) {
        request->error = *error;
    }
    if (refused && request->on_error) {
        request->on_error(request, error, &conn->io.fields);
    }
    error->code = HF_OK;
}

/* The endpoint refused start-up parameters: dialled again with fewer, within the same attempt. */
static void dial_again(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    pool->endpoints.list[hf_conn_endpoint(conn)].degraded = conn->io.degraded;
    hf_dial_drop(&conn->dial);
    if (HF_CONNS_MAX > 1) {
        hf_pool_logged_in(pool);
    }
    int err = hf_dial_open(conn, &conn->dial);
    if (err != HF_OK) {
        hf_conn_link_failed(conn, err);
        return;
    }
    hf_pool_activate(conn);
}

/* Acts on one piece of news. False: feed no more now. */
static HF_RARE bool other_news(hf_conn *conn, hf_news news) {
    const hf_config *config = conn->pool->config;
    hf_io *io = &conn->io;
    hf_request *request = conn->flight.head;
    if (!request && news >= HF_NEWS_COLUMNS && news <= HF_NEWS_READY) {
        hf_error_set(&io->error, HF_ERR_PROTOCOL, HF_PHASE_QUERY,
                     HF_WORDS("an answer that nobody asked for"));
        news = HF_NEWS_BROKEN;
    }
    switch (news) {
    case HF_NEWS_HELD:
        if (HF_WITH_RESOLVE) {
            hf_resolve_held(conn, request);
        }
        return true;
    case HF_NEWS_COLUMNS:
        if (request->on_columns) {
            request->on_columns(request, &io->columns);
        }
        return true;
    case HF_NEWS_SKIPPED:
    case HF_NEWS_ERROR: request_error(conn, request, news == HF_NEWS_ERROR); return true;
    case HF_NEWS_PROBED: hf_conn_step(conn, HF_EV_UP, NULL); return true;
    case HF_NEWS_NOTICE: notice(conn); return true;
    case HF_NEWS_NOTIFY:
        if (config->on_notify) {
            config->on_notify(config->callback_user, conn->index, io->channel, io->payload);
        }
        return true;
    case HF_NEWS_UP: up(conn); return true;
    case HF_NEWS_AGAIN: dial_again(conn); return false;
    case HF_NEWS_FATAL:
    case HF_NEWS_BROKEN: hf_conn_fail(conn, &io->error); return false;
    case HF_NEWS_SLICE: return !hf_conn_spent(conn);
    case HF_NEWS_ROW: /* hf_flight_feed() did it */
    case HF_NEWS_READY:
    case HF_NEWS_MORE: break;
    }
    return true;
}

bool hf_flight_feed(hf_conn *conn) {
    const hf_driver *driver = conn->pool->config->driver;
    do {
        hf_request *request = conn->flight.head;
        hf_news news = driver->feed(&conn->session, &conn->io, request);
        if (news == HF_NEWS_MORE) {
            return true;
        }
        bool on = news == HF_NEWS_ROW && request     ? row(conn, request)
                  : news == HF_NEWS_READY && request ? ready(conn)
                                                     : other_news(conn, news);
        if (!on) {
            return false;
        }
    } while (hf_flight_any(conn));
    return true;
}

/* The connection was lost under this request: does it run again (true), or did it end (false)? */
static bool survives(hf_conn *conn, hf_request *request, bool oldest, const hf_error *error) {
    hf_pool *pool = conn->pool;
    const hf_driver *driver = pool->config->driver;
    if (hf_stage_of(request) == HF_STAGE_ASK) {
        return hf_resolve_lost(pool, request, error);
    }
    const bool whole = request->sent_at <= conn->tx_sent;
    if (whole && ask_then(pool, request)) {
        return true;
    }
    if (hf_stage_of(request) ==
        HF_STAGE_ROLLBACK) { /* its end was decided already: request->error */
        hf_request_end(pool, request, HF_OUTCOME_FAILED, NULL);
        return false;
    }
    /* A COMMIT that was not handed over whole has no effect, but what it was to commit did run. */
    const bool uncommitted =
        hf_is_held(request) && (hf_stage_of(request) != HF_STAGE_COMMIT || !whole);
    const bool sent = whole || hf_stage_of(request) != HF_STAGE_RUN;
    /* FATAL before the command was complete: the server rolled it back. (08xxx is a pooler's, which does
     * not know what its server did.) */
    const bool fatal =
        (error->severity == 'F' || error->severity == 'P') && memcmp(error->sqlstate, "08", 2) != 0;
    const bool undone = uncommitted || (oldest && fatal && hf_stage_of(request) == HF_STAGE_RUN &&
                                        !request->complete && !driver->self_commits(request));

    if (sent && !undone) {
        if (hf_flight_must_end(pool, request) || request->replay != HF_REPLAY_SAFE) {
            hf_flight_unknown(pool, request, error);
            return false;
        }
        request->flags |= HF_REQUEST_MAYBE_RAN;
    } else if (!sent && (request->n_rows > 0 ||
                         (hf_is_batch(request) && request->runs_at <= conn->tx_sent))) {
        request->flags |= HF_REQUEST_UNDONE; /* the first of a batch ran, its COMMIT was not sent */
    }
    const hf_outcome outcome = sent ? failed(request) : hf_request_unsent(request);
    if (hf_flight_must_end(pool, request) || (sent && !may_retry(pool, request))) {
        end_for(pool, request, outcome, error);
        return false;
    }
    if (sent) {
        request->retries++;
    }
    return true;
}

void hf_flight_lost(hf_conn *conn, const hf_error *error) {
    hf_pool *pool = conn->pool;
    hf_queue again = { 0 };
    for (bool oldest = true; conn->n_flight > 0; oldest = false) {
        hf_request *request = pop(conn);
        if (oldest && request->error.severity == 'E' && hf_stage_of(request) != HF_STAGE_ASK) {
            refused(conn, request, false, false); /* only its ReadyForQuery is missing */
        } else if (survives(conn, request, oldest, error)) {
            hf_queue_push(&again, request);
        }
    }
    conn->exposed = 0;
    while (again.tail) { /* to the head of the queue, in their order */
        hf_request *request = again.tail;
        hf_queue_remove(&again, request);
        hf_request_requeue(pool, request);
    }
}
