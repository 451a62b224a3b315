/* The structures that are complete only so that their sizes are known: an application makes room for them and touches
 * nothing inside. The fields are holdfast's own, and may be others in the next version; the functions of the other
 * headers answer what an application may ask. The fields stand in the order of what it costs to reach them.
 */
#ifndef HF_LAYOUT_H
#define HF_LAYOUT_H

#include "config.h"
#include "fsm.h"
#include "journal.h"
#include "port.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_request hf_request;
typedef struct hf_conn hf_conn;

/* ---- what a callback is given ----------------------------------------------------------------------
 * n_columns, n_params and statement may be read; the rest is for the functions of request.h. */

/* One row, where it lies in the receive buffer: valid until on_row returns (with HF_PAUSE: until hf_resume()), read by
 * hf_row_next() or hf_row_get(). Each value is a length, 32 bits, big-endian, all ones for NULL, and so many bytes; the
 * driver has checked that they are there. */
typedef struct hf_row {
    const uint8_t *at;    /* the next value */
    const uint8_t *first; /* the first value */
    uint16_t n_columns;
    uint16_t column;    /* the next value's number, from 0 */
    uint16_t statement; /* the row's, within a batch, from 0; else 0 */
} hf_row;

/* The columns of a statement's rows, and its parameters: valid until on_columns returns. */
typedef struct hf_columns {
    const hf_driver *driver;
    const uint8_t *at;
    uint16_t n_columns; /* 0: the statement returns no rows */
    uint16_t column;    /* the next column's number, from 0 */
    uint16_t n_params;  /* of $1 … $n; known with prepare_only, else 0 */
    uint16_t statement; /* as in hf_row */
#if HF_WITH_VALUES
    uint8_t format; /* an hf_format: of the rows */
#endif
} hf_columns;

#if HF_WITH_VALUES
/* The types of a statement's parameters, 32 bits each, big-endian; the driver has checked that they are there. */
typedef struct hf_params {
    const uint8_t *at;
    uint16_t n_params;
    uint16_t statement; /* as in hf_row */
} hf_params;
#endif

/* The fields of a server's error, where they lie in the receive buffer (hf_fields_get()). */
typedef struct hf_fields {
    const hf_driver *driver;
    const uint8_t *at;
    size_t bytes;
} hf_fields;

/* ---- deadlines, queues, sets ------------------------------------------------------------------------ */

/* A deadline in the pool's heap, embedded in whatever has one. All zero: not in the heap. */
typedef struct hf_timer {
    hf_ms at;
    struct hf_timer *child, *next, *prev; /* prev: elder sibling, or the parent of a first child */
    uint8_t kind;                         /* the owner's mark, to find the struct around it */
    bool armed;
} hf_timer;

typedef struct hf_heap {
    hf_timer *root; /* the earliest; NULL when empty */
} hf_heap;

/* A set of connections: bit i is connection i. One of more than 64 has its bits in words, and knows which words are not
 * empty, so that whatever its size a member is found in a few steps. */
#if HF_CONNS_MAX > 64
#define HF_SET_WORDS ((HF_CONNS_MAX + 31) / 32)
typedef struct hf_set {
    uint32_t any; /* bit i: words[i] is not 0 */
    uint32_t words[HF_SET_WORDS];
} hf_set;
#elif HF_CONNS_MAX > 32
typedef uint64_t hf_set;
#else
typedef uint32_t hf_set;
#endif

/* Connections that take more behind what they have in flight stand apart by how much that is. */
#define HF_ROOMS (HF_WITH_GROUPS && HF_MANY_CONNS ? HF_PIPELINED_MOST / 2 : 1)

/* Requests in order. */
typedef struct hf_queue {
    hf_request *head, *tail;
} hf_queue;

/* ---- a request: what is holdfast's own of it ---------------------------------------------------- */

/* What is used most comes first, as in hf_conn: so far in the request that it is in reach, and the rest behind all. */
// clang-format off
#define HF_REQUEST_OWN \
    uint16_t flags; /* HF_REQUEST_*, engine/internal.h */ \
    uint8_t stage;  /* an hf_stage, driver.h */ \
    uint8_t tx_status;   /* an hf_tx_status, driver.h */ \
    bool deferred_commit;      /* the driver's: nothing of it takes effect before its COMMIT is sent */ \
    bool complete;  /* the driver's: its last command is complete, its commit not yet known */ \
    bool bound;     /* the driver's: its error came behind its BindComplete */ \
    bool keyed;     /* the driver's, of a ledger request: the key's own statement is complete */ \
    uint8_t driver_state[5]; /* the driver's own, per attempt */ \
    uint8_t share;           /* HF_SHARE_*, driver.h: with whom it has its Sync, in this attempt */ \
    uint16_t statement;      /* the batch's statement whose answer is awaited */ \
    hf_request *next, *prev; /* in the queue, waiting, or in flight on its connection */ \
    hf_conn *conn;           /* on which it is in flight; NULL: queued or not ours */

#define HF_REQUEST_OWN_TOO \
    hf_timer timer; /* timeout_ms, or when its own wait (40001) is over */ \
    hf_ms submitted_at; \
    hf_ms not_before;   /* waits by itself until then, if it does */ \
    hf_ms deadline;     /* submitted_at + timeout_ms, or HF_NEVER */ \
    hf_ms asked_at;     /* the server was first asked then */ \
    hf_ms commit_at;    /* its COMMIT was handed over then; HF_NEVER: it was lost behind another one's */ \
    hf_ms denied_at;    /* it has met a shortage, or the wrong role, since then; HF_NEVER: no */ \
    uint32_t denied_ok; /* how many requests of the pool were OK when it met that last */ \
    uint64_t sent_at;   /* place in the connection's stream where the last Execute ends */ \
    uint64_t runs_at;   /* of a batch, where the first one ends: before that nothing of it ran */
// clang-format on

/* ---- a driver's session -------------------------------------------------------------------------- */

/* A linear buffer: bytes [start, end) are in use. Consumed from the front, filled at the end. */
typedef struct hf_buffer {
    uint8_t *data;
    uint32_t size, start, end;
} hf_buffer;

typedef struct hf_driver_session {
    uint64_t opaque[HF_SESSION_BYTES / 8];
} hf_driver_session;

/* Keys that a login derived, kept so that a reconnect pays no PBKDF2. Owned by the pool, one for each
 * endpoint, wiped at close and when credentials change. What is inside is the driver's. */
typedef struct hf_keys {
    uint8_t used;
    uint8_t salt_bytes;
    uint8_t salt[62];
    uint32_t rounds;
    uint32_t mark; /* of the password that they are from: another one's are not used */
    uint8_t client_key[32], server_key[32];
} hf_keys;

#if HF_WITH_VALUES
/* What the server said of its parameters, one behind the other: a mark, the name, NUL, the value, NUL. Marked '-': by
 * an earlier login than the present one. Owned by the pool; written by the driver. */
typedef struct hf_parameters {
    uint16_t used;
    char text[HF_PARAMETER_BYTES];
} hf_parameters;
#endif

/* What conn and its driver's session share. Pointers are set by conn; a driver keeps none of them. */
typedef struct hf_io {
    const hf_config *config;
    const hf_host *host; /* of the session: one of config->hosts */
    hf_port *port;
    hf_link *link;     /* of the session: only for channel binding */
    hf_keys *keys;     /* of this endpoint */
    hf_buffer rx;      /* from the server: feed() consumes */
    hf_buffer tx;      /* to the server: submit() and feed() append whole messages or nothing */
    uint8_t *store;    /* HF_STATEMENT_BYTES */
    uint64_t tx_total; /* bytes ever appended to tx; submit() notes request->sent_at in it */
    uint8_t degraded;  /* endpoint memory: start-up parameters it refused (SEMANTICS 21) */
    bool ticketless;   /* endpoint memory: it gives no tickets (RESOLVE) */
    bool encrypted;    /* the link is TLS */
    uint8_t proof;     /* an hf_proof, of the present login */
    uint8_t role;      /* HF_ROLE_* */
#if HF_WITH_VERSIONS
    bool old_protocol; /* endpoint memory: it drops what asks for more than protocol 3.0 */
#endif
#if HF_WITH_CREDENTIALS
    hf_credentials given; /* by the credentials callback, for the present login */
#endif
    /* Where feed() leaves what its event is about. */
    hf_row row;
    hf_columns columns;
    hf_fields fields;              /* of ERROR, NOTICE, FATAL; in rx until the next feed() */
    const char *channel, *payload; /* of NOTIFY */
    uint32_t backend; /* the server's name for this session (PID), for logs; 0 unknown */
    hf_error error;   /* of ERROR, NOTICE, FATAL, BROKEN */
#if HF_WITH_VALUES
    hf_params params;          /* of PARAMS */
    hf_parameters *parameters; /* the pool's; NULL: they are not kept */
#endif
} hf_io;

/* ---- one connection ------------------------------------------------------------------------------ */

/* A link on its way up: the session's, or a cancel's. */
typedef struct hf_dial {
    hf_link *link; /* NULL none */
    uint8_t phase; /* an hf_phase: RESOLVE, TCP, TLS, LOGIN; then QUERY (CANCEL on a cancel's) */
    uint8_t step;  /* within TLS: HF_STEP_TLS_*, engine/link.h */
#if HF_WITH_VERSIONS
    uint16_t sent; /* bytes of the small message in the clear that were handed to the link */
#else
    uint8_t sent; /* the same: all of them are short */
#endif
} hf_dial;

/* The machine, a driver's session, its link, its buffers, its deadlines.
 *
 *     link -> rx -> driver feed() -> on_row / on_done          one way up
 *     request -> driver submit() -> tx -> link                 one way down
 *
 * A connection owns up to three links: the session's, a second one that carries a cancel, and an old one that is
 * being closed. The pool decides who dials and what runs where; conn does the rest.
 *
 * The fields are in the order of what it costs to reach them: on a Cortex-M an instruction is short for bytes within
 * 32 of the beginning, halfwords within 64 and words within 128. */
struct hf_conn {
    hf_pool *pool;
    hf_dial dial; /* the session's link */
    uint16_t index;
    uint16_t n_flight;
    uint8_t n_addresses, address; /* how many, and which is being tried or in use */
    uint8_t endpoint;
    bool active;            /* on the pool's list of those with something to do */
    bool resumed;           /* hf_resume() was called */
    bool deadline_extended; /* the clock jumped over the end of this attempt: it was given more */
    bool tx_blocked;        /* the link took less than was offered: wait for an event */
    bool cancel_out;        /* bytes of the pending CancelRequest were handed to its link */
    bool cancel_next;       /* one in flight behind the oldest is to be cancelled */
    bool cancel_last;       /* … and its turn has not come in time: no other cancel begins */
    bool cancel_left;       /* the cancel's session is gone: only its link is waited for */
    uint8_t cancel_limit;   /* the hf_limit that fired; HF_LIMIT_NONE: it was asked for */
    hf_fsm fsm;
    char shutdown_sqlstate[6]; /* SQLSTATE of a WARNING that announces the end: 57P01, 57P02 */
    uint16_t n_cancel_may_hit; /* so many of the oldest may a cancel still hit that is over */
    hf_queue flight;           /* in the order of their answers */
    hf_request *cancelled;     /* whom the cancel is for; NULL when that one is over already */
    hf_link *closing;          /* an old link being closed */
    hf_dial cancel;            /* the cancel's link */
    hf_conn *next_active;
    uint32_t attempt;     /* own failed dials in a row while others are usable */
    uint32_t dial_number; /* its last dial was the pool's nth */
    hf_io io;
    hf_timer timer; /* the next moment anything of this connection is due */
    hf_ms closing_deadline;
    hf_ms cancel_deadline;  /* cancel and grace; HF_NEVER: no cancel is pending */
    hf_ms attempt_deadline; /* of the oldest in flight; HF_NEVER none */
    hf_ms paused_at;        /* on_row said HF_PAUSE then; HF_NEVER: not paused */
    hf_ms tcp_deadline;     /* of the address being tried; HF_NEVER: the state's rules */
    hf_ms stable_at;        /* it proves itself then by lasting; HF_NEVER: it has, or is not up */
    hf_ms heard_at;         /* bytes last came then */
    uint64_t tx_sent;       /* bytes of tx ever handed to the link, this session */
    hf_address addresses[HF_ADDRESSES_MAX];
    hf_driver_session session;
    /* Where there can be several connections: */
    /* pool->free, ->stuck, ->behind or of ->room, of which it is a member; NULL: of none */
    hf_set *offered;
    uint32_t tx_used; /* so many bytes of tx were ever written on */
    /* With HF_WITH_GROUPS alone. */
    hf_request *awaited; /* in flight: its answers come next; those before it end with it */
    hf_request *timed;   /* in flight: how long its answer takes is measured; NULL: none is */
    hf_ms timed_at;      /* it was sent then */
    hf_ms oldest_at;     /* the oldest in flight became that */
    uint32_t trip_ms;    /* the shortest round trip of late */
    uint16_t more;       /* so many may be in flight behind one, if max_pipelined is 0 */
    uint16_t n_group;    /* how many share the Sync that was sent last */
    bool timed_alone;    /* the timed one was sent when nothing was in flight */
    /* With HF_WITH_GROUPS or HF_WITH_RESOLVE. */
    uint16_t streak; /* what was sent behind others since nothing was in flight last */
    /* With HF_WITH_RESOLVE alone. */
    bool has_commit;      /* on the pool's list of connections whose COMMIT is next, or in tx */
    hf_conn *next_commit; /* on that list */
    hf_request *commits;  /* in flight, done but for its COMMIT, which is next; NULL: none is */
#if HF_WITH_CREDENTIALS
    uint8_t credentials; /* HF_CREDENTIALS_*, engine/internal.h */
#endif
};

/* ---- the pool ------------------------------------------------------------------------------------ */

typedef struct hf_endpoint {
    hf_keys keys;     /* login keys kept for a reconnect */
    uint8_t degraded; /* start-up parameters it refused (hf_io.degraded) */
    bool ticketless;  /* it gives no tickets (hf_io.ticketless) */
#if HF_WITH_VERSIONS
    bool old_protocol; /* it is one of protocol 3.0 (hf_io.old_protocol) */
#endif
    uint32_t dials; /* the pool's, when it was found to take no writes */
} hf_endpoint;

typedef struct hf_endpoints {
    hf_endpoint list[HF_HOSTS_MAX];
    uint8_t count;
    uint8_t current; /* the last good one, or the one to try next */
} hf_endpoints;

typedef struct hf_outage {
    hf_ms since;      /* no connection has been usable since then; HF_NEVER: no outage */
    hf_ms next_dial;  /* the canary's next attempt; HF_NEVER: none is planned */
    uint32_t attempt; /* tries that failed in a row since a connection last proved itself */
    uint32_t count;   /* outages ever: those in which a try failed */
    uint16_t canary;  /* who dials; HF_NOBODY */
    bool up;          /* a connection came up at least once: dials are no longer counted */
} hf_outage;

/* How many hf_outcomes there are. */
#define HF_OUTCOME_COUNT 5

/* What is used most comes first, as in hf_conn. */
struct hf_pool {
    const hf_config *config;
    hf_port *port;
    hf_conn *conns;
    hf_heap heap; /* a timer per connection, per request with a deadline, and the pool's own */
    bool refused; /* for good: last_error */
    bool extra_refused; /* a dial beside healthy connections was: no more of them */
    bool closing, close_begins, in_tick;
    bool password_good; /* a login has succeeded, or SCRAM has said so */
#if HF_WITH_CREDENTIALS
    uint8_t refresh; /* HF_REFRESH_*, engine/internal.h */
#endif
    uint16_t n_conns;
    uint16_t n_up;      /* HEALTHY or PROBING */
    uint16_t n_idle;    /* IDLE */
    uint16_t keep_open; /* hf_pool_open()'s n */
    uint32_t n_queued, n_in_flight;
    uint32_t left;       /* requests whose COMMIT is without an answer: the server is asked */
    uint32_t hanging;    /* those of them that wait for a synchronous standby */
    hf_ms now, promised; /* of the last tick: its time, and the deadline it returned */
    hf_ms left_since;    /* first question about one of those that are left; HF_NEVER: none yet */
    hf_queue queue;      /* for the next free connection */
    hf_queue waiting;    /* requests with a wait of their own (40001), and held writes, in order */
    hf_request *fresh;   /* the first in the queue whose clock has not started */
    hf_conn *active;     /* connections with something to do */
    uint64_t unconfirmed;
    uint32_t passwords; /* sent in logins that failed, while nobody has said that it is right */
    uint32_t dials, ups, losses, retries;
    hf_set free; /* connections that are HEALTHY and have nothing in flight */
    /* … that take more behind their i + 1 replay-safe requests in flight; the last: behind more */
    hf_set room[HF_ROOMS];
    hf_ms close_deadline; /* HF_NEVER: not closing */
    hf_ms extra_at;       /* no further connection is dialled before then: they follow one by one */
    hf_timer timer;       /* the outage's end, or the next extra dial */
    hf_outage outage;
    hf_policy policy; /* the settings, for fsm */
    uint64_t done[HF_OUTCOME_COUNT];
    hf_error last_error;
    hf_endpoints endpoints;
    hf_journal journal;
    /* Where there can be several connections: */
    uint16_t states[HF_STATE_COUNT]; /* connections in each hf_state */
    uint16_t logging_in;             /* who has the turn to log in; HF_NOBODY */
    bool probing;     /* idle connections are being probed: a loss meanwhile probes no others */
    hf_set stuck;     /* like those in free, but their link takes no bytes for now */
    hf_set idle;      /* connections that are IDLE */
    hf_set to_dial;   /* … whose backoff is over while as many dial as may at once */
    hf_set to_log_in; /* … whose link is up, and that wait for their turn to log in */
    uint32_t slow_ms; /* with HF_WITH_GROUPS: what slow answers took, less what quick ones saved */
    /* With HF_WITH_RESOLVE alone. */
    hf_set behind; /* connections that have a COMMIT in flight, and nothing else: one may follow */
    hf_conn *commits; /* within a tick: connections whose COMMIT is next, or is in tx */
#if HF_WITH_VALUES
    hf_parameters parameters;
#endif
};

#ifdef __cplusplus
}
#endif

#endif
