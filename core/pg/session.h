/* A PostgreSQL session: login, then requests answered strictly in order. Private to core/pg.
 *
 * What is expected next is one number: the set of answers that are still to come for the oldest request,
 * a bit each in the order of their arrival. A message is right if it belongs to the lowest bit that is set;
 * anything else ends the session, so that a row can never reach the wrong statement.
 *
 *     Close*  [BEGIN]  ( [Parse [Describe]]  Bind  [Describe]  Execute )…  [COMMIT]  Sync
 *
 * Parse is of the unnamed statement, always in the flight of its Bind (a pooler may give the next flight to another
 * server); or, of a statement that is to be kept prepared, with a name and once.
 *
 * A held request (HF_REPLAY_RESOLVE) takes two flights; when the answer to the second is lost, a session asks:
 *
 *     Close*  BEGIN  ( … )…  ticket  Sync        COMMIT  Sync        what became of it  Sync
 */
#ifndef HF_PG_SESSION_H
#define HF_PG_SESSION_H

#include "wire.h"

/* Answers that are still to come; PostgreSQL docs 55.2.3. */
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
    HF_PG_COMMIT_PARSE = 1 << 10, /* of COMMIT, or of what stands in its place: HF_PG_OWN */
    HF_PG_COMMIT_BIND = 1 << 11,
    HF_PG_COMMIT_DONE = 1 << 12,
    HF_PG_ROLLBACK = 1 << 13, /* CommandComplete of the session's own ROLLBACK */
    HF_PG_SYNC = 1 << 14,     /* ReadyForQuery */
    HF_PG_MAYBE = 1 << 15,    /* no answer: PARSE … DESCRIBE and PORTAL may be left out */

    HF_PG_BEGIN = HF_PG_BEGIN_PARSE | HF_PG_BEGIN_BIND | HF_PG_BEGIN_DONE,
    HF_PG_PREPARE = HF_PG_PARSE | HF_PG_PARAMS | HF_PG_DESCRIBE,
    HF_PG_RUN = HF_PG_BIND | HF_PG_ROWS,
    HF_PG_COMMIT = HF_PG_COMMIT_PARSE | HF_PG_COMMIT_BIND | HF_PG_COMMIT_DONE,
    /* The session's own statement: of a held request its ticket, then its COMMIT or ROLLBACK; the question what
     * became of it. The first and the last are answered by a row too, before COMMIT_DONE. */
    HF_PG_OWN = HF_PG_COMMIT,
    /* The next statement of a batch: parsed afresh; or one that may be kept, of which only its answers tell what was
     * prepared in this flight. */
    HF_PG_NEXT = HF_PG_PARSE | HF_PG_RUN | HF_PG_SYNC,
    HF_PG_NEXT_KEPT = HF_PG_MAYBE | HF_PG_PREPARE | HF_PG_RUN
};

/* How far the login is; session.mode. */
enum {
    HF_PG_RUNNING = 0, /* logged in */
    HF_PG_AUTH,        /* the server says how the client proves itself */
    HF_PG_SASL,        /* its first SCRAM message is awaited */
    HF_PG_HASHING,     /* keys are being derived, slice by slice */
    HF_PG_SASL_FINAL,  /* its proof is awaited */
    HF_PG_PROVEN,      /* both are; AuthenticationOk is awaited */
    HF_PG_SETUP        /* parameters, key, then the first ReadyForQuery */
};

/* io->degraded: what is sent of the start-up parameters by which an orphaned session is to be dropped (SEMANTICS 20),
 * and of others. Which of them an endpoint understands is found out by asking: it counts the refusals. (No
 * tcp_user_timeout: it would end a session whose reader pauses.) */
enum {
    HF_PG_DEGRADED_NONE,  /* all of them */
    HF_PG_DEGRADED_OLD,   /* a server before PostgreSQL 14: no client_connection_check_interval */
    HF_PG_DEGRADED_POOLER /* only what every pooler knows */
};

/* Is it to be kept prepared? */
static inline bool hf_pg_keeps(const hf_request *request) {
    return HF_WITH_PREPARED && request->prepare;
}

/* What submit() leaves for the answers in hf_request.driver_state, per attempt: the answers to come (of a batch,
 * those up to its first statement); the statement's columns, if their number is known already; and how many
 * Close messages come before it. The last is valid only if the first has HF_PG_CLOSE. */
enum { HF_PG_PLAN_TODO = 0, HF_PG_PLAN_COLUMNS = 2, HF_PG_PLAN_CLOSES = 4, HF_PG_PLAN_BYTES = 5 };

_Static_assert(HF_PG_PLAN_BYTES <= sizeof((hf_request *)0)->driver_state, "driver_state");

static inline void hf_pg_plan_put(hf_request *request, uint16_t todo, uint16_t n_columns) {
    memcpy(request->driver_state + HF_PG_PLAN_TODO, &todo, sizeof todo);
    memcpy(request->driver_state + HF_PG_PLAN_COLUMNS, &n_columns, sizeof n_columns);
}

enum { HF_PG_NO_SLOT = 0xff, HF_PG_COLUMNS_UNKNOWN = 0xffff };

/* Is it a place in the cache? */
static inline bool hf_pg_is_slot(uint8_t slot) {
    return HF_WITH_PREPARED && slot != HF_PG_NO_SLOT;
}

enum {
    HF_PG_PREFIX_BYTES = 12,
    HF_PG_NAME_BYTES_MAX = HF_PG_PREFIX_BYTES + 8 + 1 /* a 32-bit number, NUL */
};

/* An array has at least one element, used or not. */
enum { HF_PG_SLOTS = HF_WITH_PREPARED ? HF_STATEMENTS : 1 };

/* Room that submit() leaves in tx for the session's own words: ROLLBACK, Sync, Terminate. */
enum { HF_PG_ROLLBACK_BYTES = 14, HF_PG_TX_RESERVE = HF_PG_ROLLBACK_BYTES + 5 + 5 };

/* hf_pg_entry.flags */
enum {
    HF_PG_PARSED = 1, /* the server has it */
    HF_PG_KEPT = 2,   /* its columns lie in the store */
    HF_PG_DOOMED = 4  /* not to be used again; closed when nothing in flight uses it any more */
};

/* A prepared statement. Its text and then its columns lie at `at` in io->store. */
typedef struct hf_pg_entry {
    uint32_t number;    /* of its name; 0: this slot is free */
    uint32_t parsed_by; /* sequence number of the statement that prepared it */
    uint32_t used_by;   /* of the last that was submitted */
    uint16_t at, sql_bytes /* with its NUL */, columns_bytes;
    uint16_t n_columns; /* HF_PG_COLUMNS_UNKNOWN until described */
    uint8_t flags;
} hf_pg_entry;

/* session.said: what was reported of the answer in hand */
enum {
    HF_PG_SAID_ERROR = 1,
    HF_PG_SAID_SKIPPED = 2, /* one of its rows was too large */
    HF_PG_SAID_COLUMNS = 4  /* of the statement in hand */
};

typedef struct hf_pg_session {
    uint8_t mode;      /* HF_PG_RUNNING … HF_PG_SETUP */
    uint8_t said;      /* HF_PG_SAID_* */
    uint8_t closes;    /* CloseComplete still to come */
    uint8_t slot;      /* of the entry used last: looked at first */
    bool unusual;      /* not RUNNING, skipping, probing, rolling back: feed() goes the long way */
    bool probing;      /* a Sync of probe() is unanswered */
    bool has_key;      /* the key came: it can be cancelled */
    bool holds_ready;  /* READY waits for the answer to ROLLBACK */
    bool rolling_back; /* a ROLLBACK is unanswered … */
    uint8_t n_closing; /* statements to close with the next request */
    uint16_t before_rollback; /* … behind so many requests that are in flight */
    uint32_t todo;            /* HF_PG_*: what the answer in hand still lacks; 0: none is in hand */
    uint32_t skip;            /* bytes of a message that are still to be thrown away */
    uint16_t n_columns;       /* of the statement in hand */
    uint16_t n_params;        /* … that it was described with; 0: it was not */
    uint16_t in_flight;       /* requests */
    uint16_t stored;          /* bytes of io->store in use */
    uint32_t sent, answered;  /* statements ever: their sequence numbers */
    uint32_t numbers;         /* names given so far */
    uint32_t forgotten;       /* how often a prepared statement was gone */
    uint8_t key[8];           /* the server's process and its secret, as they came */
    char name[HF_PG_PREFIX_BYTES]; /* how names of its statements begin: no other session's do */
    uint32_t closing[HF_PG_SLOTS]; /* their numbers */
    hf_pg_entry entries[HF_PG_SLOTS];
} hf_pg_session;

_Static_assert(sizeof(hf_pg_session) <= HF_SESSION_BYTES,
               "a PostgreSQL session needs a larger HF_SESSION_BYTES, or fewer HF_STATEMENTS");
_Static_assert(HF_STATEMENT_BYTES <= 65535, "HF_STATEMENT_BYTES: places in it are 16-bit numbers");
_Static_assert(HF_STATEMENTS <= 200, "HF_STATEMENTS: a slot is an 8-bit number");

static inline hf_pg_session *hf_pg_of(hf_session *session) {
    return (hf_pg_session *)(void *)session->opaque;
}

/* The lowest bit of todo, if it is one of bits; else 0. */
static inline uint32_t hf_pg_due(const hf_pg_session *session, uint32_t bits) {
    return session->todo & (0u - session->todo) & bits;
}

/* Is it the one that is due? */
static inline bool hf_pg_is_due(const hf_pg_session *session, uint32_t bit) {
    return (session->todo & (2 * bit - 1)) == bit;
}

/* Takes up the answer to the oldest request. */
static inline void hf_pg_answer_begin(hf_pg_session *session, const hf_request *request) {
    uint16_t todo;

    memcpy(&todo, request->driver_state + HF_PG_PLAN_TODO, sizeof todo);
    memcpy(&session->n_columns, request->driver_state + HF_PG_PLAN_COLUMNS,
           sizeof session->n_columns);
    session->todo = todo;
}

/* "INSERT 0 5": 5. "CREATE TABLE": 0. */
static inline uint64_t hf_pg_count_in(const uint8_t *tag, uint32_t bytes) {
    const uint8_t *const end = tag + bytes, *at = end;
    uint64_t count = 0;

    while (at > tag && (uint8_t)(at[-1] - '0') <= 9) {
        at--;
    }
    for (; at < end; at++) {
        count = count * 10 + (uint8_t)(*at - '0');
    }
    return count;
}

static inline uint32_t hf_pg_statements_of(const hf_request *request) {
    return hf_is_batch(request) ? request->n_batch : 1;
}

/* A reader's request has BEGIN READ ONLY and COMMIT around it, unless the server itself said that the session, which
 * asked for it, is read-only (SEMANTICS 21). */
static inline bool hf_pg_wraps(const hf_io *io) {
    return io->config->read_only &&
           (!(io->role & HF_ROLE_READ_ONLY) || io->degraded >= HF_PG_DEGRADED_POOLER);
}

/* What ends with the oldest request. */
static inline void hf_pg_over(hf_pg_session *session, const hf_request *request) {
    session->todo = 0;
    session->said = 0;
    if (HF_WITH_PREPARED) {
        session->answered += hf_pg_statements_of(request);
    }
    session->in_flight--;
}

/* The answers to the next statement of a batch. */
static inline uint32_t hf_pg_next(const hf_request *request) {
    return (hf_pg_keeps(request) ? HF_PG_NEXT_KEPT : HF_PG_NEXT) |
           (request->on_columns ? HF_PG_PORTAL : 0);
}

/* Of the statement in hand all is answered: on to the next, or to COMMIT, or to Sync. */
static inline void hf_pg_statement_done(hf_pg_session *session, hf_request *request,
                                        uint64_t affected) {
    request->affected = affected;
    if (!hf_is_batch(request)) {
        request->complete = true;
        session->todo &= ~(uint32_t)HF_PG_ROWS;
        return;
    }
    request->complete = ++request->statement == request->n_batch;
    session->n_columns = HF_PG_COLUMNS_UNKNOWN;
    session->said &= (uint8_t)~HF_PG_SAID_COLUMNS;
    session->todo = request->complete ? HF_PG_COMMIT | HF_PG_SYNC : hf_pg_next(request);
}

/* May the next answers be left out? Those to the statements of a batch may that were prepared before. */
static inline bool hf_pg_may_skip(const hf_pg_session *session) {
    return HF_WITH_PREPARED && (session->todo & HF_PG_MAYBE);
}

/* A batch's statement was prepared before, or is parsed unnamed: no answer to a Parse of its own comes. */
static inline void hf_pg_skip_prepare(hf_pg_session *session) {
    if (hf_pg_may_skip(session) &&
        (hf_pg_is_due(session, HF_PG_PARSE) || hf_pg_is_due(session, HF_PG_PARAMS))) {
        session->todo &= ~(uint32_t)HF_PG_PREPARE;
    }
}

/* Of a batch: a portal that was not described. */
static inline void hf_pg_skip_maybe(hf_pg_session *session) {
    if (hf_pg_may_skip(session) && hf_pg_is_due(session, HF_PG_PORTAL)) {
        session->todo = HF_PG_ROWS | HF_PG_SYNC;
    }
}

/* After every change of what it depends on. */
static inline void hf_pg_settle(hf_pg_session *session) {
    session->unusual = session->mode != HF_PG_RUNNING || session->skip > 0 || session->probing ||
                       session->rolling_back;
}

/* Writes the name of a prepared statement, and its NUL. */
static inline uint8_t *hf_pg_write_name(uint8_t *at, const hf_pg_session *session,
                                        uint32_t number) {
    at = hf_pg_put(at, session->name, sizeof session->name);
    for (; number != 0; number >>= 4) {
        *at++ = (uint8_t) "0123456789abcdef"[number & 15];
    }
    *at++ = 0;
    return at;
}

enum {
    HF_PG_BIND_BYTES_MAX = 1 + 4 + 1 + HF_PG_NAME_BYTES_MAX + 2 + 2 + 2
}; /* but for its values */

/* Copies a value. False: it has a NUL in it. Most are too short for a call. */
static inline bool hf_pg_put_text(uint8_t *at, const char *from, size_t bytes) {
    if (bytes > 16) {
        memcpy(at, from, bytes);
        return !memchr(from, 0, bytes);
    }
    for (size_t i = 0; i < bytes; i++) {
        if (from[i] == 0) {
            return false;
        }
        at[i] = (uint8_t)from[i];
    }
    return true;
}

/* Called twice, each time where statements are many: a compiler would make one function of it. */
#ifdef __GNUC__
#define HF_PG_INLINE static inline __attribute__((always_inline))
#else
#define HF_PG_INLINE static inline
#endif

/* How Bind begins, of the unnamed portal: the statement's name comes next. */
static inline uint8_t *hf_pg_begin_bind(uint8_t *at) {
    at[0] = 'B';
    at[5] = 0;
    return at + 6;
}

/* The rest of the Bind that begins at `start`, from behind the name on. There is room for HF_PG_BIND_BYTES_MAX and
 * `left` bytes of values. Its last two bytes, zeros, for results are text too, are what comes next. NULL: a value
 * does not fit, or has a NUL in it. */
HF_PG_INLINE uint8_t *hf_pg_write_values(uint8_t *start, uint8_t *at, size_t left,
                                         const hf_value *values, uint16_t n_values) {
    at = hf_pg_put16(at, 0); /* all parameters are text */
    at = hf_pg_put16(at, n_values);
    for (uint32_t i = 0; i < n_values; i++) {
        const hf_value *value = &values[i];
        if (left < 4) {
            return NULL;
        }
        left -= 4;
        if (!value->data) {
            at = hf_pg_put32(at, UINT32_MAX);
            continue;
        }
        if (value->bytes > left || !hf_pg_put_text(at + 4, value->data, value->bytes)) {
            return NULL;
        }
        left -= value->bytes;
        at = hf_pg_put32(at, (uint32_t)value->bytes) + value->bytes;
    }
    hf_pg_put32(start + 1, (uint32_t)(at + 2 - start - 1));
    return at;
}

static inline void hf_pg_begin_request(hf_pg_session *session, hf_request *request) {
    request->statement = 0;
    request->complete = false;
    session->in_flight++;
}

/* So many bytes behind what is in tx are a flight: from here on it counts. executed: up to where the byte ends that
 * can have an effect. */
static inline void hf_pg_append_flight(hf_io *io, hf_request *request, uint32_t bytes,
                                       uint32_t executed, uint32_t todo, uint16_t n_columns) {
    request->sent_at = io->tx_total + executed;
    hf_pg_plan_put(request, (uint16_t)todo, n_columns);
    io->tx_total += bytes;
    io->tx.end += bytes;
}

/* The next message, its length checked against its type's bound before it is waited for. 1 it is in *message
 * until the next call; 0 more bytes are needed; < 0 BROKEN, said in io->error. */
int hf_pg_receive(hf_pg_session *session, hf_io *io, hf_phase phase, hf_pg_message *message);

/* Messages that may come at any time: NoticeResponse, NotificationResponse, ParameterStatus. MORE: it has been
 * dealt with and is no news. */
hf_news hf_pg_aside(hf_io *io, hf_phase phase, const hf_pg_message *message);

/* A DataRow's body: a count, then for each column a length (-1 NULL) and so many bytes. One that is too long fails at
 * the next column, or at the end; the sum cannot wrap, for a message has 1 GB at most and a value 2 GB. */
static inline bool hf_pg_row_is_good(hf_pg_session *session, const uint8_t *body, uint32_t length) {
    const uint32_t bytes = length - HF_PG_LENGTH_MIN;
    uint32_t place = 2;

    if (length < HF_PG_LENGTH_MIN + 2) {
        return false;
    }
    uint32_t left = hf_pg_get16(body);
    if (left != session->n_columns) {
        if (session->n_columns != HF_PG_COLUMNS_UNKNOWN) {
            return false;
        }
        session->n_columns = (uint16_t)left;
    }
    for (; left > 0; left--) {
        if (place + 4 > bytes) {
            return false;
        }
        const uint32_t value_bytes = hf_pg_get32(body + place);
        place += 4;
        if (value_bytes <= INT32_MAX) {
            place += value_bytes;
        } else if (value_bytes != UINT32_MAX) {
            return false;
        }
    }
    return place == bytes;
}

/* ROW, in io->row. */
static inline hf_news hf_pg_row(hf_pg_session *session, hf_io *io, const hf_request *request,
                                const uint8_t *body) {
    io->row.at = io->row.first = body + 2;
    io->row.n_columns = session->n_columns;
    io->row.column = 0;
    io->row.statement = request->statement;
    return HF_NEWS_ROW;
}

/* --- receive.c ------------------------------------------------------------------------------------ */

/* feed() for any message, usual or not. */
hf_news hf_pg_feed_any(hf_pg_session *session, hf_io *io, hf_request *oldest);

/* --- cache.c: prepared statements; called where HF_WITH_PREPARED alone ------------------------------ */

/* Gives the session's statements a name of their own. False: the port has no random numbers. */
bool hf_pg_cache_start(hf_pg_session *session, hf_port *port);
/* The slot whose statement has this text, HF_PG_NO_SLOT if there is none. */
uint8_t hf_pg_cache_find(hf_pg_session *session, const uint8_t *store, const char *sql);
/* The same for a statement in flight: it may be doomed since. */
uint8_t hf_pg_cache_find_sent(hf_pg_session *session, const uint8_t *store, const char *sql,
                              uint32_t sequence);
/* Remembers a text that is to be prepared by statement number `sequence`, at others' expense. HF_PG_NO_SLOT: no
 * room. */
uint8_t hf_pg_cache_add(hf_pg_session *session, uint8_t *store, const char *sql, size_t bytes,
                        uint32_t sequence);
/* Keeps the columns of a statement, if there is room. */
void hf_pg_cache_keep(hf_pg_session *session, uint8_t *store, uint8_t slot, const uint8_t *columns,
                      uint32_t bytes);
/* Forgets what the `count` statements from number `from` on would have prepared: they never did. */
void hf_pg_cache_undo(hf_pg_session *session, uint8_t *store, uint32_t from, uint32_t count);
/* Not to be used again. */
void hf_pg_cache_doom(hf_pg_session *session, uint8_t slot);
/* So all of them: something that they depend on may have changed. */
void hf_pg_cache_empty(hf_pg_session *session);
/* Takes out what is not to be used again and not in use: the request at hand closes it on the server. */
void hf_pg_cache_sweep(hf_pg_session *session, uint8_t *store);

/* --- login.c -------------------------------------------------------------------------------------- */

int hf_pg_start(hf_session *session, hf_io *io);
hf_news hf_pg_login(hf_pg_session *session, hf_io *io);

/* --- encode.c ------------------------------------------------------------------------------------- */

/* submit() for any request. */
int hf_pg_submit_any(hf_pg_session *session, hf_io *io, hf_request *request);
void hf_pg_forget(hf_session *session, hf_io *io, hf_request *request);
/* Appends to tx what fits there for certain (HF_PG_TX_RESERVE). False: it did not. */
bool hf_pg_append(hf_io *io, const void *bytes, size_t size);

/* --- answer.c: answers but rows ------------------------------------------------------------------- */

/* ReadyForQuery. It has been taken in if todo is 0 then; else it is to be read once more. */
hf_news hf_pg_answer_ready(hf_pg_session *session, hf_io *io, hf_request *request, uint8_t status);
/* All other messages. */
hf_news hf_pg_answer(hf_pg_session *session, hf_io *io, hf_request *request,
                     const hf_pg_message *message);
/* A DataRow of the session's own: a ticket, or what became of one. */
hf_news hf_pg_own_row(hf_io *io, hf_request *request, const hf_pg_message *message);
bool hf_pg_columns_next(hf_columns *columns, hf_column *column);

#endif
