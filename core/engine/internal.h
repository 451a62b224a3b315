/* What every file of the engine knows: limits, flags, and small questions about pool, connection and request.
 *
 * The engine's files stand in one order, and each may include only those before it (tests/lint/arrows.py holds the
 * list): what happened to a connection is returned, from the bytes up to supervise.c, which alone acts on it.
 */
#ifndef HF_INTERNAL_H
#define HF_INTERNAL_H

#include "base/heap.h"
#include "driver.h"
#include "holdfast/pool.h"
#include "machine/outage.h"

/* Limits of one tick's work, whatever a server sends, and two fixed times. */
enum {
    HF_QUICK_MS = 25,       /* so much longer than a round trip an answer may take, and is quick */
    HF_SLOW_MS_MAX = 5000,  /* of what slow answers took is remembered */
    HF_STREAK_MAX = 1024,   /* requests sent behind others: then the connection runs dry once … */
    HF_STREAK_COMMIT = 64,  /* … and one behind a COMMIT counts as so many */
    HF_READS_PER_TICK = 16, /* of one connection's link */
    HF_READ_BYTES = 65536,  /* asked of the link at a time, unless one message needs more */
    HF_DIALS_AT_ONCE = 16,  /* connections that dial while one is up (SEMANTICS 6) */
    HF_JUMP_MS = 1000,      /* a tick later than promised by this much: the clock has jumped */
    HF_ASK_MS_MIN = 10,     /* wait between two questions about a COMMIT: it doubles within these */
    HF_ASK_MS_MAX = 1000
};

/* hf_timer.kind: whose timer is due. */
enum { HF_TIMER_CONN, HF_TIMER_REQUEST, HF_TIMER_POOL };

/* Bits of hf_request.flags. */
enum {
    HF_REQUEST_IN = 1,          /* the pool's, from hf_submit() to on_done */
    HF_REQUEST_WAITING = 2,     /* in pool->waiting, not in pool->queue */
    HF_REQUEST_CANCEL = 4,      /* the request is to end: hf_cancel(), or its deadline */
    HF_REQUEST_MAYBE_RAN = 8,   /* an attempt that may have run was lost */
    HF_REQUEST_REPREPARED = 16, /* the request was prepared anew once, and may not be again */
    HF_REQUEST_ROWS_LOST = 32,  /* cancelled while paused: on_row was not given all rows */
    HF_REQUEST_UNDONE = 64,     /* an attempt was sent without effect; no re-send was counted */
    HF_REQUEST_ROLE_SEEN = 128, /* this connection's server said that it takes writes */
    HF_REQUEST_CANCELLED_ONCE = 256, /* ran again after a 57014 that was not our cancel's */
    HF_REQUEST_HANGS = 512,          /* LEFT, and waits for a synchronous standby: pool->hanging */
    HF_REQUEST_GRACE = 1024,         /* to be cancelled when the ones before it are answered */
    HF_REQUEST_LEFT = 2048,          /* COMMIT without an answer, asked about: pool->left */
    HF_REQUEST_SHORT = 4096,         /* has met a shortage: denied_ok counts from then */
    HF_REQUEST_HELD = 8192,          /* WAITING, because a COMMIT is LEFT */
    HF_REQUEST_KEY_WAIT = 16384,     /* waits for its key, since commit_at */
    HF_REQUEST_ALONE = 32768         /* has a Sync of its own from now on */
};

/* hf_pool.refresh: whether the credentials callback is asked for others (SEMANTICS 66). */
enum {
    HF_REFRESH_NONE, /* the server has not refused what the callback gave */
    HF_REFRESH_DUE,  /* the server has: the next login's question says so */
    HF_REFRESH_DONE  /* it did: the next refusal is for good */
};

/* hf_conn.credentials: what the credentials callback has answered at the end of the present link's set-up. */
enum {
    HF_CREDENTIALS_KNOWN, /* it has given some, or was not asked yet, or there is none */
    HF_CREDENTIALS_AWAITED,
    HF_CREDENTIALS_THERE /* hf_pool_credentials() was called: to be asked again */
};

/* What became of a connection in a step of its work. The reason of LOST is in conn->io.error. */
typedef enum hf_turn {
    HF_TURN_FED,    /* nothing that moves the connection's machine: go on */
    HF_TURN_STOP,   /* read no more now: on_row paused, or the processor's share is used up */
    HF_TURN_UP,     /* login and session set-up are complete */
    HF_TURN_PROBED, /* the probe was answered */
    HF_TURN_LOST,   /* the session, or the attempt at one, is over */
    HF_TURN_REDIAL  /* start-up parameters, or the version, were refused: dial again with less */
} hf_turn;

/* ---- sets of connections --------------------------------------------------------------------------
 * In a build for one connection its bit is a constant, and the compiler drops the rest. */

#if HF_CONNS_MAX > 64
_Static_assert(HF_SET_WORDS <= 32,
               "hf_set.any holds one bit per word: HF_CONNS_MAX is at most 1024");

static inline void hf_set_add(hf_set *set, unsigned conn) {
    set->words[conn / 32] |= (uint32_t)1 << conn % 32;
    set->any |= (uint32_t)1 << conn / 32;
}
static inline void hf_set_remove(hf_set *set, unsigned conn) {
    set->words[conn / 32] &= ~((uint32_t)1 << conn % 32);
    if (set->words[conn / 32] == 0) {
        set->any &= ~((uint32_t)1 << conn / 32);
    }
}
static inline bool hf_set_any(const hf_set *set) {
    return set->any != 0;
}
static inline unsigned hf_lowest_bit(uint32_t bits) {
#ifdef __GNUC__
    return (unsigned)__builtin_ctz(bits);
#else
    unsigned index = 0;
    for (unsigned half = 16; half > 0; half /= 2) {
        if (!(bits & (((uint32_t)1 << half) - 1))) {
            bits >>= half;
            index += half;
        }
    }
    return index;
#endif
}
/* The lowest member of a set that has any. */
static inline unsigned hf_set_lowest(const hf_set *set) {
    const unsigned word = hf_lowest_bit(set->any);
    return 32 * word + hf_lowest_bit(set->words[word]);
}
#else
static inline hf_set hf_set_bit(unsigned conn) {
    return (hf_set)1 << (HF_MANY_CONNS ? conn : 0);
}
static inline void hf_set_add(hf_set *set, unsigned conn) {
    *set |= hf_set_bit(conn);
}
static inline void hf_set_remove(hf_set *set, unsigned conn) {
    *set &= ~hf_set_bit(conn);
}
static inline bool hf_set_any(const hf_set *set) {
    return *set != 0;
}
/* The lowest member of a set that has any. */
static inline unsigned hf_set_lowest(const hf_set *set) {
    unsigned index = 0;
    for (hf_set left = *set; HF_MANY_CONNS && !(left & 1); left >>= 1) {
        index++;
    }
    return index;
}
#endif

/* The connection's endpoint: always 0 in a build for one, so that the compiler drops the rest. */
static inline unsigned hf_conn_endpoint(const hf_conn *conn) {
    return HF_MANY_HOSTS ? conn->endpoint : 0;
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
/* Must the request not run again, whatever happened: was it cancelled, has its deadline passed, or is the pool
 * closing? */
static inline bool hf_request_must_end(const hf_pool *pool, const hf_request *request) {
    return (request->flags & HF_REQUEST_CANCEL) || pool->closing;
}

/* Can the request have no effect, whatever becomes of it: does the database keep the session read-only, or is the
 * statement only prepared? (A build without ledgers takes the latter for one that runs: UNKNOWN too often.) */
static inline bool hf_request_writes_nothing(const hf_pool *pool, const hf_request *request) {
    return pool->config->read_only || (HF_WITH_LEDGER && request->prepare_only);
}

/* Has the request its connection to itself? So it has once it was re-sent: were it what ends sessions, those that
 * are in flight with it would be lost with it again and again. */
static inline bool hf_request_is_apart(const hf_request *request) {
    return HF_WITH_GROUPS && request->retries > 0;
}

/* May an attempt before this one have had an effect, or have one yet? */
static inline bool hf_request_maybe_ran(const hf_request *request) {
    return (request->flags & HF_REQUEST_MAYBE_RAN) ||
           (hf_is_ledger(request) && request->submitted_before);
}

/* Has the ledger request waited for its key for as long as it may (max_outage)? */
static inline bool hf_request_key_overdue(const hf_pool *pool, const hf_request *request) {
    if (!HF_WITH_LEDGER || !(request->flags & HF_REQUEST_KEY_WAIT)) {
        return false;
    }
    const uint32_t most = hf_outage_longest(&pool->outage, pool->config);
    return most != HF_FOREVER && pool->now - request->commit_at >= most;
}

/* tx is empty again, or what is in it is dropped: so many of its bytes were used. */
static inline void hf_conn_tx_empty(hf_conn *conn) {
    hf_buffer *tx = &conn->io.tx;
    if (HF_MANY_CONNS && tx->end > conn->tx_used) {
        conn->tx_used = tx->end;
    }
    tx->start = tx->end = 0;
}

/* What could not be appended whole may have been begun, behind the end of tx. */
static inline void hf_conn_tx_begun(hf_conn *conn) {
    if (HF_MANY_CONNS) {
        conn->tx_used = conn->io.tx.size;
    }
}

/* The request in flight whose answers come next; NULL: none is in flight. */
static inline hf_request *hf_conn_awaited(const hf_conn *conn) {
    return HF_WITH_GROUPS ? conn->awaited : conn->flight.head;
}
/* Is the request the oldest in flight, or one that has its ReadyForQuery together with that? */
static inline bool hf_conn_leads(const hf_conn *conn, const hf_request *request) {
    const hf_request *at = conn->flight.head;
    while (at && at != request && hf_shares_next(at)) {
        at = at->next;
    }
    return at == request;
}
/* Is the connection to run dry, before more is sent behind what is in flight? A pooler in transaction mode gives a
 * server's session to whoever waits for one only when nothing more was sent on it: without that some of the pool's own
 * connections, and everybody else behind that pooler, might wait for as long as the work lasts. */
static inline bool hf_conn_runs_dry(const hf_conn *conn) {
    return (HF_WITH_GROUPS || HF_WITH_RESOLVE) && conn->streak >= HF_STREAK_MAX;
}
/* How many requests may be in flight on the connection. */
static inline unsigned hf_conn_depth(const hf_conn *conn) {
    const unsigned most = conn->pool->config->max_pipelined;
    return HF_WITH_GROUPS && most == 0 ? 1u + conn->more : most;
}

/* Puts the connection on the list of those to be served: in this tick or, called while they are being served, in the
 * next. */
void hf_conn_activate(hf_conn *conn);
/* Has this tick had its share of the processor? If so, the connection is on the list for the next tick. */
bool hf_conn_over_budget(hf_conn *conn);
/* The connection has lasted for stable_after, or a statement was answered on it: backoff and outage are over. */
void hf_conn_on_stable(hf_conn *conn);
uint32_t hf_pool_random(hf_pool *pool);
/* Fills error with a time-out: which limit, of how many ms, in which phase. */
void hf_timeout_error(hf_error *error, hf_phase phase, hf_limit limit, uint32_t limit_ms);

#endif
