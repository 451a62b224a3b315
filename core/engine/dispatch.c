#include "dispatch.h"

#include "cancel.h"
#include "conn.h"
#include "queue.h"
#include "resolve.h"
#include "schedule.h"
#include "send.h"
#include "supervise.h"

static hf_conn *lowest(hf_pool *pool, const hf_set *set) {
    return &pool->conns[hf_set_lowest(set)];
}

/* May the request be sent behind others? A batch may not: if one of those leaves a transaction open, the batch's
 * COMMIT would commit what is taken for undone. */
static bool may_follow(const hf_request *request) {
    return request->replay == HF_REPLAY_SAFE && !hf_is_batch(request) &&
           !hf_request_is_apart(request);
}

/* May the request be sent behind another one's COMMIT? A transaction may whose own COMMIT waits until it is the oldest:
 * where the link is lost, or the COMMIT before leaves doubt, it has had no effect. */
static bool may_follow_commit(const hf_conn *conn, const hf_request *request) {
    return hf_resolves(request) && hf_stage_of(request) == HF_STAGE_RUN && !request->prepare_only &&
           !conn->io.ticketless && !conn->pool->config->driver->self_commits(request);
}

/* Is there no room for the request behind what is in flight on the connection? most: how many may be pipelined. */
static bool is_full(const hf_conn *conn, const hf_request *request, unsigned most) {
    if (hf_conn_runs_dry(conn)) {
        return true;
    }
    if (hf_stage_of(conn->flight.head) == HF_STAGE_COMMIT) {
        return conn->n_flight > 1 || !may_follow_commit(conn, request);
    }
    return conn->n_flight >= most || !may_follow(request);
}

/* One connection's part of what is queued: the others, be they still dialling, are to have theirs. */
static unsigned part_of(const hf_pool *pool) {
    return pool->n_queued / hf_pool_size(pool);
}

/* Sends this connection the requests at the queue's head: one, or as many as may be pipelined. */
static void fill(hf_pool *pool, hf_conn *conn) {
    const hf_request *request = pool->queue.head;
    unsigned most = hf_conn_depth(conn);
    if (HF_WITH_GROUPS && pool->config->max_pipelined == 0) {
        const unsigned part = part_of(pool);
        most = most < part ? most : part;
    }
    while (request && hf_conn_serving(conn)) {
        const bool last = request->replay != HF_REPLAY_SAFE || hf_request_is_apart(request);
        if (conn->n_flight > 0 && is_full(conn, request, most)) {
            break;
        }
        if (hf_flight_send(conn) <= 0 || last) {
            break;
        }
        request = pool->queue.head;
    }
    if (conn->io.tx.start < conn->io.tx.end && !conn->tx_blocked) {
        hf_conn_flush(conn);
    }
    hf_conn_settle(conn);
}

/* Is there work, or keep_open, for more connections than are awake, and may another one be woken now? */
static bool wanted(const hf_pool *pool) {
    if (!HF_MANY_CONNS) {
        return pool->queue.head || pool->keep_open > 0;
    }
    unsigned awake = pool->n_conns - (unsigned)pool->n_idle;
    unsigned dialling = awake - pool->n_up;
    if (dialling >= HF_DIALS_AT_ONCE ||
        (awake >= pool->keep_open && (!pool->queue.head || pool->n_queued <= dialling))) {
        return false;
    }
    return hf_pool_in_outage(pool) ? awake == 0
                                   : !pool->extra_refused && !hf_pool_passwords_used_up(pool) &&
                                         pool->now >= pool->extra_at;
}

/* Wakes idle connections while more are wanted. True: some were woken. */
static HF_COLD bool wake(hf_pool *pool) {
    bool woken = false;
    for (unsigned i = 0; i < hf_pool_size(pool) && pool->n_idle > 0 && wanted(pool); i++) {
        hf_conn *conn = HF_MANY_CONNS ? lowest(pool, &pool->idle) : pool->conns;
        if (!hf_pool_may_dial(conn)) {
            break;
        }
        if (HF_MANY_CONNS) {
            pool->extra_at = pool->now + hf_pool_spread(pool) / pool->n_conns;
        }
        hf_conn_want(conn);
        hf_conn_settle(conn);
        woken = true;
    }
    return woken;
}

/* Who takes the queue's head behind what it has in flight: of those with the least the first. NULL: nobody. */
static hf_conn *with_room(hf_pool *pool) {
    for (unsigned i = 0; i < HF_ROOMS; i++) {
        while (hf_set_any(&pool->room[i])) {
            hf_conn *conn = lowest(pool, &pool->room[i]);
            if (!HF_WITH_GROUPS || pool->config->max_pipelined > 0) {
                return conn;
            }
            if (conn->n_flight >= part_of(pool)) { /* and so have all others */
                return NULL;
            }
            if (!hf_flight_lags(conn)) {
                return conn;
            }
            /* Nothing but an answer ends that, and with the answer the connection is settled anew. */
            hf_set_remove(&pool->room[i], conn->index);
            conn->offered = NULL;
        }
    }
    return NULL;
}

/* Is the answer to the connection's COMMIT late? Whoever were sent behind it would wait as long. */
static bool commit_lags(const hf_conn *conn) {
    return conn->pool->now - conn->flight.head->commit_at > hf_flight_quick(conn);
}

/* Who takes the queue's head behind its COMMIT; NULL: nobody. */
static hf_conn *behind_commit(hf_pool *pool) {
    while (HF_WITH_RESOLVE && hf_set_any(&pool->behind)) {
        hf_conn *conn = lowest(pool, &pool->behind);
        if (!commit_lags(conn)) {
            return may_follow_commit(conn, pool->queue.head) ? conn : NULL;
        }
        /* As above: nothing but its answer makes the connection take more. */
        hf_set_remove(&pool->behind, conn->index);
        conn->offered = NULL;
    }
    return NULL;
}

static void hand_out(hf_pool *pool) {
    /* A request that can never be sent ends at once, and its on_done may bring the next one: bounded, so that a tick
     * ends. */
    for (uint32_t turns = pool->n_queued + hf_pool_size(pool); pool->queue.head && turns > 0;
         turns--) {
        if (hf_request_must_wait(pool, pool->queue.head)) {
            hf_queue_hold(pool);
            continue;
        }
        hf_conn *conn = hf_set_any(&pool->free)        ? lowest(pool, &pool->free)
                        : may_follow(pool->queue.head) ? with_room(pool)
                                                       : behind_commit(pool);
        if (!conn) {
            break;
        }
        fill(pool, conn);
    }
}

void hf_pool_commit(hf_pool *pool) {
    hf_resolve_commits(pool);
    for (hf_conn *conn = pool->commits; conn; conn = conn->next_commit) {
        hf_conn_settle(conn);
    }
}

void hf_pool_write_commits(hf_pool *pool) {
    while (HF_WITH_RESOLVE && pool->commits) {
        hf_conn *conn = pool->commits;
        pool->commits = conn->next_commit;
        conn->has_commit = false;
        if (conn->io.tx.start < conn->io.tx.end && !conn->tx_blocked && hf_conn_up(conn)) {
            hf_conn_flush(conn);
        }
        hf_conn_settle(conn);
    }
}

void hf_pool_dispatch(hf_pool *pool) {
    hand_out(pool);
    if (pool->queue.head && pool->refused) {
        hf_pool_drop_all(pool, &pool->last_error);
    }
    if (pool->n_idle > 0 && wake(pool)) {
        hand_out(pool); /* a connection may have come up at once */
    }
}
