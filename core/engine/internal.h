/* What every file of the engine knows: its limits, its marks, and small questions about the pool and its connections.
 *
 * The engine's files stand in one order, and each may include only those before it (tests/lint/arrows.py holds the
 * list): what happened to a connection is returned, from the bytes up to supervise.c, which alone acts on it.
 */
#ifndef HF_INTERNAL_H
#define HF_INTERNAL_H

#include "holdfast/pool.h"

/* Limits of one tick, so that its work is bounded whatever the peer does. */
enum {
    HF_READS_PER_TICK = 16, /* of one connection */
    HF_READ_BYTES = 65536,  /* asked of the link at a time, unless one message needs more */
    HF_JUMP_MS = 1000,      /* a tick later than promised by this much: the clock has jumped */
    HF_ASK_MS_MIN = 10,     /* between two questions about a COMMIT: retry_delay, within these */
    HF_ASK_MS_MAX = 1000
};

/* Marks of hf_timer.kind. */
enum { HF_TIMER_CONN, HF_TIMER_REQUEST, HF_TIMER_POOL };

/* hf_request.flags */
enum {
    HF_REQUEST_IN = 1,          /* ours, from hf_submit() to on_done */
    HF_REQUEST_WAITING = 2,     /* in pool->waiting, not in pool->queue */
    HF_REQUEST_CANCEL = 4,      /* hf_cancel() was called */
    HF_REQUEST_MAYBE_RAN = 8,   /* an attempt was lost that may have run */
    HF_REQUEST_REPREPARED = 16, /* the one re-prepare it is allowed was spent */
    HF_REQUEST_ROWS_LOST = 32,  /* a cancel in mid-pause: rows of this attempt were not told */
    HF_REQUEST_UNDONE = 64,     /* one was sent and had no effect; no re-send was counted for it */
    HF_REQUEST_ROLE_SEEN = 128, /* the server was asked whether it takes writes, and does */
    HF_REQUEST_FOREIGN = 256,   /* it ran again after a foreign cancel */
    HF_REQUEST_HANGS = 512,     /* its COMMIT waits for a synchronous standby: pool->hanging */
    HF_REQUEST_GRACE = 1024,    /* it is to be cancelled behind others: its turn is waited for */
    HF_REQUEST_LEFT = 2048,     /* its COMMIT was left at its deadline */
    HF_REQUEST_SHORT = 4096     /* it has met a shortage: denied_ok counts from then */
};

/* What became of a connection in a step of its work. The reason of LOST is in conn->io.error. */
typedef enum hf_turn {
    HF_TURN_FED,  /* nothing that concerns its machine: go on */
    HF_TURN_STOP, /* read no more now: on_row paused it, or its share of the processor is used up */
    HF_TURN_UP,   /* login and session set-up are complete */
    HF_TURN_PROBED, /* the probe was answered */
    HF_TURN_LOST,   /* the session, or the attempt at one, is over */
    HF_TURN_REDIAL  /* the server refused start-up parameters: dial it again with fewer */
} hf_turn;

/* Which endpoint the connection is on: the one there is, to code that was built for no more. */
static inline unsigned hf_conn_endpoint(const hf_conn *conn) {
    return HF_HOSTS_MAX > 1 ? conn->endpoint : 0;
}
static inline const hf_host *hf_conn_host(const hf_conn *conn) {
    return &conn->pool->config->hosts[hf_conn_endpoint(conn)];
}
static inline bool hf_conn_up(const hf_conn *conn) {
    return conn->fsm.state == HF_HEALTHY || conn->fsm.state == HF_PROBING;
}
/* Is no connection usable? */
static inline bool hf_pool_in_outage(const hf_pool *pool) {
    return pool->n_up == 0;
}
/* Must the request not run again, whatever happened: was it cancelled, is it out of time, or is the pool closing? */
static inline bool hf_request_must_end(const hf_pool *pool, const hf_request *request) {
    return (request->flags & HF_REQUEST_CANCEL) || pool->closing;
}

/* The connection has something to do in this tick or, from within its turn, in the next. */
void hf_conn_activate(hf_conn *conn);
/* Has this tick had its share of the processor? Then the connection goes on in the next. */
bool hf_conn_over_budget(hf_conn *conn);
/* The connection has lasted, or a statement was answered on it: an outage, if there is one, is over. */
void hf_conn_on_stable(hf_conn *conn);
uint32_t hf_pool_random(hf_pool *pool);
/* Fills error for a deadline. */
void hf_timeout_error(hf_error *error, hf_phase phase, hf_limit limit, uint32_t limit_ms);

#endif
