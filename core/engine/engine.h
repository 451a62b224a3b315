/* What the parts of the engine tell each other: pool.c, conn.c and what conn.c is made of (dial.c, cancel.c,
 * flight.c). Not for applications.
 */
#ifndef HF_ENGINE_H
#define HF_ENGINE_H

#include "holdfast/pool.h"
#include "machine/verdict.h"

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
    HF_REQUEST_GRACE = 1024,    /* it is to be cancelled behind others: its turn is waited for */
    HF_REQUEST_LEFT = 2048,     /* its COMMIT was left at its deadline */
    HF_REQUEST_HANGS = 512,     /* its COMMIT waits for a synchronous standby: pool->hanging */
    HF_REQUEST_SHORT = 4096     /* it has met a shortage: denied_ok counts from then */
};

/* hf_dial.step within TLS. */
enum { HF_TLS_ASK, HF_TLS_ANSWER, HF_TLS_HANDSHAKE };

/* --- queues (queue.c) --- */
void hf_queue_push_front(hf_queue *queue, hf_request *request);
void hf_queue_remove(hf_queue *queue, hf_request *request);
/* Behind all others. */
static inline void hf_queue_push(hf_queue *queue, hf_request *request) {
    request->next = NULL;
    request->prev = queue->tail;
    if (queue->tail) {
        queue->tail->next = request;
    } else {
        queue->head = request;
    }
    queue->tail = request;
}
/* Takes the head out; there is one. */
static inline hf_request *hf_queue_take(hf_queue *queue) {
    hf_request *request = queue->head;
    queue->head = request->next;
    if (queue->head) {
        queue->head->prev = NULL;
    } else {
        queue->tail = NULL;
    }
    request->next = NULL;
    return request;
}

/* --- requests (queue.c) --- */
/* Back to the head of the queue; tells on_restart if rows were delivered. */
void hf_request_requeue(hf_pool *pool, hf_request *request);
/* Waits by itself for delay_ms, then goes to the head of the queue. */
void hf_request_wait(hf_pool *pool, hf_request *request, uint32_t delay_ms);
/* It is over, in no queue any more: on_done. error may be request->error itself or NULL. */
void hf_request_end(hf_pool *pool, hf_request *request, hf_outcome outcome, const hf_error *error);
/* What a request is told that ends while no attempt of it is under way: NOT_SENT, FAILED if one was undone by
 * the server, UNKNOWN if one may have run. */
hf_outcome hf_request_unsent(const hf_request *request);
/* The same as facts of a verdict: HF_FACT_MAYBE_RAN, HF_FACT_RAN_BEFORE. */
uint32_t hf_request_past(const hf_request *request);
/* Ends a request that is queued or waiting, with that. */
void hf_request_drop(hf_pool *pool, hf_request *request, const hf_error *error);
/* Its timer is due: cancelled, timed out, or its wait is over. */
void hf_request_due(hf_pool *pool, hf_request *request);
/* Arms its timer for the next of these. */
void hf_request_arm(hf_pool *pool, hf_request *request);

/* --- the pool (pool.c) --- */
/* It has something to do in this tick or, from within its turn, in the next. */
void hf_pool_activate(hf_conn *conn);

/* --- who works, who dials (dispatch.c) --- */
uint32_t hf_pool_random(hf_pool *pool);
/* A usable connection was lost, or a dial failed: how long this connection waits. */
uint32_t hf_pool_lost(hf_conn *conn);
/* May it dial now? */
bool hf_pool_may_dial(hf_conn *conn);
/* May it log in now? One at a time, so that what was refused to one is never tried by another too. */
bool hf_pool_may_log_in(const hf_pool *pool, const hf_conn *conn);
/* Nobody logs in any more: those that wait for it ask again. */
void hf_pool_logged_in(hf_pool *pool);
/* When a connection that may not dial yet asks again. */
hf_ms hf_pool_ask_again(const hf_pool *pool);
/* A connection came up. */
void hf_pool_up(hf_pool *pool);
/* This connection has proved itself: the outage, if there is one, is over. */
void hf_pool_proved(hf_conn *conn);
/* A dial was refused for good: no other is tried with the same credentials. */
void hf_pool_refused(hf_pool *pool, const hf_error *error);
/* Gives up if the policy says so. */
void hf_pool_judge(hf_pool *pool);
/* Hands queued requests to connections, and wakes further connections for what is left. */
void hf_pool_dispatch(hf_pool *pool);
/* Have COMMITs waited for a synchronous standby for longer than max_outage? */
bool hf_pool_hangs_too_long(const hf_pool *pool);
/* Arms the pool's own timer. */
void hf_pool_arm(hf_pool *pool);
/* Every request that is queued or waiting ends. */
void hf_pool_drop_all(hf_pool *pool, const hf_error *error);
/* The server may be gone: idle connections are probed before use. */
void hf_pool_suspect(hf_pool *pool, const hf_conn *except);

/* --- one connection (conn.c) --- */
void hf_conn_init(hf_conn *conn, hf_pool *pool, uint16_t index, uint8_t *memory);
/* Does what the port has news of, or what was left over. */
void hf_conn_serve(hf_conn *conn);
/* Its timer is due. */
void hf_conn_due(hf_conn *conn);
/* The one way to move its machine: journal, links and requests follow. error: why, or NULL. */
void hf_conn_step(hf_conn *conn, hf_event event, const hf_error *error);
/* No longer wanted: closed politely. */
void hf_conn_close(hf_conn *conn);
/* Everything it holds ends now: the pool's close_deadline has passed. */
void hf_conn_abort(hf_conn *conn);
/* Overwrites what a session may have left of its secrets. */
void hf_conn_wipe(hf_conn *conn);
/* The attempt or the connection failed: classified, then LOST or REFUSED. error may be conn->io.error. */
void hf_conn_fail(hf_conn *conn, const hf_error *error);
/* Arms the timer anew and says whether it can take work; after every change. */
void hf_conn_settle(hf_conn *conn);
/* Sends what waits in tx. False: the link failed, and the connection was lost. */
bool hf_conn_flush(hf_conn *conn);
/* Nobody knows whether it still is there: probed, unless what runs on it will show it. */
void hf_conn_suspect(hf_conn *conn);
/* Has this tick had its share of the processor? Then the connection goes on in the next. */
bool hf_conn_spent(hf_conn *conn);
/* Reads the link until it is drained, paused or out of its share. */
void hf_conn_read(hf_conn *conn);
/* Fills error with what the session's link, if there is one, says of its failure `code`. */
void hf_conn_link_error(const hf_conn *conn, hf_error *error, int code);
/* The same, and hf_conn_fail(). */
HF_RARE void hf_conn_link_failed(hf_conn *conn, int code);
/* Fills error for a deadline. */
void hf_timeout_error(hf_error *error, hf_phase phase, hf_limit limit, uint32_t limit_ms);
/* Which endpoint it is on: the one there is, to code that was built for no more. */
static inline unsigned hf_conn_endpoint(const hf_conn *conn) {
    return HF_HOSTS_MAX > 1 ? conn->endpoint : 0;
}
static inline bool hf_conn_up(const hf_conn *conn) {
    return conn->fsm.state == HF_HEALTHY || conn->fsm.state == HF_PROBING;
}

/* --- a link on its way up (dial.c) --- */
/* Starts an attempt on the endpoint whose turn it is. */
void hf_dial_start(hf_conn *conn);
/* Goes on with it as far as it goes. */
void hf_dial_advance(hf_conn *conn);
/* The present address failed, or its share of the time is over: the next one, for there is one. */
void hf_dial_next(hf_conn *conn);
/* From TCP to the end of the TLS handshake, for a session or a cancel: 1 ready for the driver's bytes, 0 not
 * yet, < 0 an hf_err. */
int hf_dial_link(hf_conn *conn, hf_dial *dial);
/* Opens the link of a dial to the connection's present address. 0 or an hf_err. */
int hf_dial_open(hf_conn *conn, hf_dial *dial);
/* Hands a small message to the link, which may take it in pieces: 1 all of it, 0 not yet, < 0 an hf_err. */
int hf_dial_send(hf_dial *dial, const uint8_t *bytes, size_t size);
/* Is the connection to be encrypted? */
bool hf_dial_wants_tls(const hf_conn *conn);
void hf_dial_drop(hf_dial *dial);

/* --- cancelling (cancel.c; SEMANTICS 16) --- */
static inline bool hf_cancel_pending(const hf_conn *conn) {
    return !hf_is_never(conn->cancel_deadline) && (conn->cancelled || !conn->cancel_left);
}
/* Cancels the oldest in flight because of limit, or of a wish (HF_LIMIT_NONE). Of one whose attempt is being cancelled
 * already, it is from then on the whole request that ends. */
void hf_cancel_begin(hf_conn *conn, hf_limit limit);
void hf_cancel_advance(hf_conn *conn);
/* Has a CancelRequest gone out that may still hit what is in flight? */
static inline bool hf_cancel_may_hit(const hf_conn *conn) {
    return conn->cancel_out || conn->exposed > 0;
}
/* Cancel and grace are over: the link is dropped. */
void hf_cancel_due(hf_conn *conn);
/* Ends the cancel, whatever its link is doing. */
void hf_cancel_stop(hf_conn *conn);
/* The session is gone: a CancelRequest that was sent keeps its link until the other side ends it, or its deadline. */
void hf_cancel_leave(hf_conn *conn);
/* The oldest in flight was answered: the next one may be one that was to be cancelled behind it. */
void hf_cancel_next(hf_conn *conn);
/* Whom it was for was answered. What was sent of it may still hit another: then it stays pending. */
void hf_cancel_answered(hf_conn *conn);
/* Fills error with why this request is being cancelled. */
void hf_cancel_error(const hf_conn *conn, const hf_request *request, hf_error *error);

/* Is it HEALTHY with nothing in the way of new work? */
static inline bool hf_conn_serving(const hf_conn *conn) {
    return conn->fsm.state == HF_HEALTHY && !hf_cancel_pending(conn);
}

/* --- requests in flight (flight.c) --- */
/* Encodes the request at the head of the queue on this connection: 1 in flight, 0 no room now, -1 it ended (could
 * never be sent). */
int hf_flight_send(hf_conn *conn);
/* Not again, whatever happened: cancelled, out of time, or the pool is closing. */
bool hf_flight_must_end(const hf_pool *pool, const hf_request *request);
/* Certainly without effect, and another try may help: again, if it may, else FAILED. */
void hf_flight_again(hf_pool *pool, hf_request *request, const hf_error *error);
/* It may have run, and there is no time (left) to find out: UNKNOWN. */
HF_RARE void hf_flight_unknown(hf_pool *pool, hf_request *request, const hf_error *error);
/* Has the driver anything to do? Of a login also without bytes: it may be hashing. */
static inline bool hf_flight_any(const hf_conn *conn) {
    return conn->io.rx.start < conn->io.rx.end || conn->dial.phase == HF_PHASE_LOGIN;
}
/* Gives the driver what is in rx, and acts on its news. False: feed and read no more now. */
bool hf_flight_feed(hf_conn *conn);
/* The connection is lost: each request in flight is requeued or ends, by SEMANTICS 10-12. */
void hf_flight_lost(hf_conn *conn, const hf_error *error);
/* Starts the clock of the oldest in flight. */
void hf_flight_clock(hf_conn *conn);

/* --- what became of a COMMIT (resolve.c; SEMANTICS 15) --- */
/* All but its COMMIT is done. */
void hf_resolve_held(hf_conn *conn, hf_request *request);
/* The ROLLBACK in its place was answered, or lost: its end, or another try. True: to the head of the queue. */
void hf_resolve_rolled_back(hf_pool *pool, hf_request *request);
bool hf_resolve_roll_back_lost(hf_pool *pool, hf_request *request);
/* The answer to its COMMIT was lost: from now on its fate is asked for. */
void hf_resolve_begin(hf_request *request);
/* The request met a read-only server, and is in the queue again: before it runs the server is asked whether it takes
 * writes (SEMANTICS 21). */
void hf_resolve_role(hf_request *request);
/* Its COMMIT does not wait for a synchronous standby, or not any more. */
void hf_resolve_hangs_no_more(hf_pool *pool, hf_request *request);
/* The question is in flight. */
void hf_resolve_asking(const hf_pool *pool, hf_request *request);
/* It was answered, or refused (*why). True: not by a primary, the connection must be given up because of *why. */
bool hf_resolve_asked(hf_conn *conn, hf_request *request, hf_error *why);
/* The connection was lost under it: true, it is asked again; false, it ended. */
bool hf_resolve_lost(hf_conn *conn, hf_request *request, const hf_error *error);

#endif
