/* The state of a PostgreSQL session, which every file of core/pg behind this one reads: what the server has still to
 * answer, how far the login is, which statements are prepared. Private to core/pg.
 *
 * hf_driver_session.opaque holds it, in the connection; hf_pg_start() begins it anew for each session. Statements'
 * texts and columns lie outside, in io->store.
 *
 * The answers that are still to come to the oldest request are one number, session->answers_due: a bit for each, in
 * the order of their arrival. A message is right if it belongs to the lowest bit that is set; any other ends the
 * session, so that a row never reaches the wrong statement. (PostgreSQL docs 55.2.3, extended query.) A flight is:
 *
 *     Close*  [BEGIN]  ( [Parse [Describe]]  Bind  [Describe]  Execute )…  [COMMIT]  Sync
 *
 * Parse makes the unnamed statement, always in the flight of its Bind (a pooler may give the next flight to another
 * server). A statement that is to stay prepared is parsed once, with a name.
 *
 * A RESOLVE request (HF_REPLAY_RESOLVE) takes two flights; when the answer to the second is lost, a session asks:
 *
 *     Close*  BEGIN  ( … )…  ticket  Sync        COMMIT  Sync        what became of the transaction  Sync
 *
 * The ticket's statement is kept prepared where the request's own are, in the same cache.
 *
 * Reads may share a Sync (SEMANTICS 45); of all but the last the answers end with CommandComplete:
 *
 *     Bind  Execute  Bind  Execute …  Sync
 *
 * The first read that is to be kept prepared has the question before it at which isolation it runs, in place of BEGIN.
 *
 * A LEDGER request (HF_REPLAY_LEDGER) has a head behind its BEGIN (ledger.h), whose statements are answered as BEGIN
 * is; what is kept with its key is one more, before COMMIT, in a second flight:
 *
 *     Close*  BEGIN  quiet  key  restore  Flush  ( … )…  COMMIT  Sync            what the key stands for  Sync
 *     Close*  BEGIN  quiet  key  restore  Flush  ( … )…  Sync        keep  COMMIT  Sync
 */
#ifndef HF_PG_SESSION_H
#define HF_PG_SESSION_H

#include "wire.h"

/* The answers that a flight may have, and sets of them; session.answers_due. */
enum {
    HF_PG_CLOSE = 1 << 0,       /* CloseComplete, session.closes of them */
    HF_PG_BEGIN_PARSE = 1 << 1, /* BEGIN's ParseComplete, BindComplete, CommandComplete */
    HF_PG_BEGIN_BIND = 1 << 2,
    HF_PG_BEGIN_DONE = 1 << 3,
    HF_PG_PARSE = 1 << 4,         /* ParseComplete */
    HF_PG_PARAMS = 1 << 5,        /* ParameterDescription */
    HF_PG_DESCRIBE = 1 << 6,      /* RowDescription or NoData, of the statement */
    HF_PG_BIND = 1 << 7,          /* BindComplete */
    HF_PG_PORTAL = 1 << 8,        /* RowDescription or NoData, of the portal */
    HF_PG_ROWS = 1 << 9,          /* DataRow…, then CommandComplete or EmptyQueryResponse */
    HF_PG_COMMIT_PARSE = 1 << 10, /* COMMIT's, or those of what stands in its place: HF_PG_OWN */
    HF_PG_COMMIT_BIND = 1 << 11,
    HF_PG_COMMIT_DONE = 1 << 12,
    HF_PG_ROLLBACK = 1 << 13, /* CommandComplete of the driver's own ROLLBACK */
    HF_PG_SYNC = 1 << 14,     /* ReadyForQuery */
    HF_PG_MAYBE = 1 << 15,    /* a mark, no answer: PARSE … DESCRIBE and PORTAL may not come */

    HF_PG_BEGIN = HF_PG_BEGIN_PARSE | HF_PG_BEGIN_BIND | HF_PG_BEGIN_DONE,
    HF_PG_PREPARE = HF_PG_PARSE | HF_PG_PARAMS | HF_PG_DESCRIBE,
    HF_PG_RUN = HF_PG_BIND | HF_PG_ROWS,
    HF_PG_COMMIT = HF_PG_COMMIT_PARSE | HF_PG_COMMIT_BIND | HF_PG_COMMIT_DONE,
    /* The driver's own statement: a RESOLVE request's ticket, then its COMMIT or ROLLBACK; the question what became of
     * its transaction. Ticket and question are answered by a row too, before COMMIT_DONE. */
    HF_PG_OWN = HF_PG_COMMIT,
    /* A batch's next statement: one that is parsed afresh, or one that may be kept, when only the answers tell
     * whether it was parsed in this flight. */
    HF_PG_NEXT = HF_PG_PARSE | HF_PG_RUN | HF_PG_SYNC,
    HF_PG_NEXT_KEPT = HF_PG_MAYBE | HF_PG_PREPARE | HF_PG_RUN
};

/* How far the login is (PostgreSQL docs 55.2.1, 55.3); session.mode. */
enum {
    HF_PG_RUNNING = 0, /* logged in */
    HF_PG_AUTH,        /* the server's choice of a method is awaited */
    HF_PG_SASL,        /* AuthenticationSASLContinue is awaited */
    HF_PG_HASHING,     /* keys are being derived, slice by slice */
    HF_PG_SASL_FINAL,  /* AuthenticationSASLFinal is awaited */
    HF_PG_PROVEN,      /* AuthenticationOk is awaited */
    HF_PG_SETUP        /* ParameterStatus, BackendKeyData, the first ReadyForQuery */
};

/* io->degraded: how many of the start-up parameters are sent, those by which the server drops an orphaned session
 * (SEMANTICS 20) and others. Only a login shows which parameters an endpoint understands: io->degraded counts its
 * refusals. (tcp_user_timeout is not among them: it would end a session whose reader pauses.) */
enum {
    HF_PG_DEGRADED_NONE,  /* all of them */
    HF_PG_DEGRADED_OLD,   /* a server before PostgreSQL 14: no client_connection_check_interval */
    HF_PG_DEGRADED_POOLER /* only those that every pooler knows */
};

/* Places in hf_request.driver_state, where encode leaves for answer, at each attempt: the answers to come (a batch's
 * up to its first statement); the number of the statement's columns, if it is known already; the number of Close
 * messages in the flight, valid only if the answers have HF_PG_CLOSE. Bytes. */
enum {
    HF_PG_PLAN_ANSWERS = 0,
    HF_PG_PLAN_COLUMNS = 2,
    HF_PG_PLAN_CLOSES = 4,
    HF_PG_PLAN_BYTES = 5
};

_Static_assert(HF_PG_PLAN_BYTES <= sizeof((hf_request *)0)->driver_state, "driver_state");

enum { HF_PG_COLUMNS_UNKNOWN = 0xffff }; /* n_columns: not described yet */

enum {
    HF_PG_PREFIX_BYTES = 12,
    HF_PG_NAME_BYTES_MAX = HF_PG_PREFIX_BYTES + 8 + 1 /* a 32-bit number, NUL */
};

/* A cancel key: the process's number, and a secret of 4 bytes in protocol 3.0, of 4 to 256 in 3.2. */
enum { HF_PG_KEY_BYTES = 4 + (HF_WITH_VERSIONS ? 256 : 4) };

/* Arrays have at least one element, used or not. */
enum { HF_PG_SLOTS = HF_WITH_PREPARED ? HF_STATEMENTS : 1 };

/* hf_pg_entry.flags */
enum {
    HF_PG_PARSED = 1, /* ParseComplete came: the server has the statement */
    HF_PG_KEPT = 2,   /* the statement's columns lie in the store */
    HF_PG_DOOMED = 4, /* it may be stale: closed as soon as nothing in flight uses it */
    HF_PG_TYPED = 8   /* types of its parameters were given, and lie behind its text */
};

/* A prepared statement of the cache. Its text, with its NUL, its types, if some were given, and behind that its columns
 * lie at `at` in io->store. */
typedef struct hf_pg_entry {
    uint32_t number;    /* part of its name; 0: this slot is free */
    uint32_t parsed_by; /* sequence number of the statement that prepared it */
    uint32_t used_by;   /* sequence number of the last statement that was sent with it */
    uint16_t at, sql_bytes /* with its NUL and types */, columns_bytes;
    uint16_t n_columns; /* HF_PG_COLUMNS_UNKNOWN until described */
    uint8_t flags;
} hf_pg_entry;

/* session.answered_with: what has been reported already of the answer in hand */
enum {
    HF_PG_HAD_ERROR = 1,
    HF_PG_HAD_SKIPPED = 2, /* a row, or the columns, too large for rx */
    HF_PG_HAD_COLUMNS = 4  /* the columns of the statement in hand */
};

/* A request is in hand from the first message of its answer to its ReadyForQuery: it is the oldest of those in flight.
 * The statement in hand is that request's, of a batch the one that is being answered. */
typedef struct hf_pg_session {
    uint8_t mode;          /* HF_PG_RUNNING … HF_PG_SETUP */
    uint8_t answered_with; /* HF_PG_HAD_* */
    uint8_t closes;        /* CloseComplete messages still to come */
    uint8_t slot;          /* the entry that was used last: looked at first */
    bool unusual; /* feed() goes the long way: not RUNNING, skipping, probing, or rolling back */
    bool probing; /* a Sync of probe() is unanswered */
    bool has_key; /* BackendKeyData came: statements can be cancelled */
    bool holds_ready;              /* READY waits for the answer to ROLLBACK */
    bool rolling_back;             /* the driver's own ROLLBACK is unanswered … */
    bool isolated;                 /* the server has said at which isolation the session runs */
    uint8_t n_closing;             /* statements in closing */
    uint8_t head;                  /* HF_PG_HEAD_*: of a ledger request */
    uint16_t before_rollback;      /* … and comes behind so many requests in flight */
    uint32_t answers_due;          /* HF_PG_*: answers still to come; 0: no request is in hand */
    uint32_t skip;                 /* bytes of a message that are still to be thrown away */
    uint16_t n_columns;            /* columns of the statement in hand */
    uint16_t n_params;             /* its parameters, from ParameterDescription; 0: none came */
    uint16_t in_flight;            /* requests in flight */
    uint16_t stored;               /* bytes of io->store in use */
    uint32_t sent, answered;       /* statements so far, modulo 2^32: their sequence numbers */
    uint32_t numbers;              /* names given so far */
    uint32_t forgotten;            /* times that a prepared statement was gone on the server */
    char name[HF_PG_PREFIX_BYTES]; /* begins the names of this session's statements alone */
    uint32_t closing[HF_PG_SLOTS]; /* numbers of statements to close in the next flight */
    hf_pg_entry entries[HF_PG_SLOTS];
    uint8_t key[HF_PG_KEY_BYTES]; /* process and secret key, as BackendKeyData brought them */
#if HF_WITH_VERSIONS
    uint16_t key_bytes; /* of key */
    uint8_t minor;      /* of protocol 3: asked for, then what is spoken */
    bool negotiated;    /* NegotiateProtocolVersion came */
#endif
} hf_pg_session;

/* The length of what BackendKeyData brought, if it came (has_key). */
static inline size_t hf_pg_key_bytes(const hf_pg_session *session) {
#if HF_WITH_VERSIONS
    return session->key_bytes;
#else
    return sizeof session->key;
#endif
}

_Static_assert(sizeof(hf_pg_session) <= HF_SESSION_BYTES,
               "a PostgreSQL session needs a larger HF_SESSION_BYTES, or fewer HF_STATEMENTS");
_Static_assert(HF_STATEMENT_BYTES <= 65535, "HF_STATEMENT_BYTES: places in it are 16-bit numbers");
_Static_assert(HF_STATEMENTS <= 200, "HF_STATEMENTS: a slot is an 8-bit number");

/* The state in a connection's hf_driver_session, whose memory is large enough and aligned. */
static inline hf_pg_session *hf_pg_of(hf_driver_session *session) {
    return (hf_pg_session *)(void *)session->opaque;
}

/* The answer that is due next, if it is one of `bits`; else 0. */
static inline uint32_t hf_pg_due(const hf_pg_session *session, uint32_t bits) {
    return session->answers_due & (0u - session->answers_due) & bits;
}

/* Is the answer `bit` due next? */
static inline bool hf_pg_is_due(const hf_pg_session *session, uint32_t bit) {
    return (session->answers_due & (2 * bit - 1)) == bit;
}

/* Are rows of the statement in hand due, or its CommandComplete, and then at most ReadyForQuery? Without that the Sync
 * is another request's. */
static inline bool hf_pg_awaits_rows(uint32_t answers_due) {
    return (HF_WITH_GROUPS ? answers_due | HF_PG_SYNC : answers_due) == (HF_PG_ROWS | HF_PG_SYNC);
}

/* How many sequence numbers a request takes: one for each statement. */
static inline uint32_t hf_pg_statements_of(const hf_request *request) {
    return hf_is_batch(request) ? request->n_batch : 1;
}

#endif
