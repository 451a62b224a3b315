/* A request: one statement or one batch, from hf_submit() to one outcome.
 *
 * The caller owns the request, its SQL and its parameters, and must not change them from hf_submit() until on_done was
 * called. From then on (within on_done already) the request may be submitted again.
 */
#ifndef HF_REQUEST_H
#define HF_REQUEST_H

#include "layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A value: text of so many bytes, in the client's encoding (UTF-8), which need not end in NUL. data NULL: SQL's NULL.
 * The text belongs to whoever made the value; that of a row lies in the receive buffer, until on_row returns. In binary
 * format, where that was asked for, the bytes are the type's own (value.h reads and writes both). */
typedef struct hf_value {
    const char *data;
    size_t bytes;
} hf_value;

/* A value from a C string, which must live as long as the value; NULL makes SQL's NULL. */
hf_value hf_text(const char *text);

/* In which form a value travels (PostgreSQL docs 55.1.3). */
typedef enum hf_format {
    HF_FORMAT_TEXT,  /* as psql shows it */
    HF_FORMAT_BINARY /* as the type's send function writes it: numbers in network order, say */
} hf_format;

#if HF_WITH_VALUES
/* What a parameter is, where it is not text whose type the server finds by itself. */
typedef struct hf_param_kind {
    uint32_t type; /* an OID of pg_type (HF_TYPE_INT8 …, value.h); 0: the server finds it */
    hf_format format;
} hf_param_kind;

/* Room for a command tag, its NUL included: PostgreSQL's have no more (COMPLETION_TAG_BUFSIZE). */
#define HF_TAG_BYTES 64
#endif

/* Room for an integer as text, its NUL included. */
#define HF_INTEGER_BYTES 21
/* A value from an integer: its text is written to `room`, which must live as long as the value. */
hf_value hf_integer(int64_t number, char room[HF_INTEGER_BYTES]);
/* Reads a value that is an integer: digits, with nothing before them but a sign. False: the value is NULL, is no
 * integer, or is outside of minimum and maximum; *number is then as it was. */
bool hf_value_integer(hf_value value, int64_t minimum, int64_t maximum, int64_t *number);

/* May the request run again when its answer is lost? (SEMANTICS 10) */
typedef enum hf_replay {
    /* Only if the request certainly had no effect: it was not sent, or the server rolled it back. A part of what
     * commits by itself may stand even then: such a request ends UNKNOWN after 40001, say. */
    HF_REPLAY_UNSENT,
    /* After any loss: a read, or an idempotent write. */
    HF_REPLAY_SAFE,
    /* A write in a transaction whose ticket is taken before its COMMIT: when the COMMIT's answer is lost, the server is
     * asked what became of the transaction (SEMANTICS 15). Until that is known the pool sends no other write
     * (SEMANTICS 16). As UNSENT where the server gives no tickets, and for what commits by itself (CALL, VACUUM …). */
    HF_REPLAY_RESOLVE,
    /* A write in a transaction that first inserts the request's key into a table of the same database (hf_ledger):
     * after any loss, for a second try waits for the key of the first, and then fails on it (SEMANTICS 48). Nothing
     * that commits by itself, and no statement that controls transactions, is taken; nothing at all by a pool that is
     * read_only. */
    HF_REPLAY_LEDGER
} hf_replay;

/* The table of HF_REPLAY_LEDGER, by the statements that use it (SEMANTICS 48). $1 … $n are the values of
 * hf_request.key, in their order. The texts are the caller's and stay until on_done.
 *
 * The key must be a unique index of the table, not deferrable, and the table an ordinary one, without rules and
 * triggers: an UNLOGGED one is emptied by a crash, and everything would run once more. A row is the caller's to delete,
 * but not while an attempt may live that has not ended on the server: behind a lost connection one may still run as
 * long as the server does not notice (client_connection_check_interval, tcp_keepalives_*). */
typedef struct hf_ledger {
    /* One INSERT of one row: the key and, as $n+1, the hash of the request's texts and parameters (64 hexadecimal
     * digits). 23505 is the only sign that the key is there: ON CONFLICT is refused. */
    const char *insert;
    /* The key's row, or no row: its hash and what was kept with it (NULL, if nothing is). It must lock the row, FOR
     * SHARE say, and the role must have the right to UPDATE for that: no standby answers such a statement, and its own
     * end waits for a synchronous standby. */
    const char *find;
    /* Keeps hf_request.kept, its $n+1, with the key, before the COMMIT. NULL: nothing is kept; then the transaction is
     * one flight. */
    const char *keep;
} hf_ledger;

/* Key values of a ledger request, at most. */
#define HF_LEDGER_KEY_MAX 8

/* A ledger in a table of this name, a string literal: its DDL, and the hf_ledger without and with something kept. */
#define HF_LEDGER_TABLE(table)                                                      \
    "CREATE TABLE " table " (key text PRIMARY KEY, hash text NOT NULL, kept text, " \
    "written timestamptz NOT NULL DEFAULT now())"
#define HF_LEDGER(table)                                                   \
    {                                                                      \
        "INSERT INTO " table " (key, hash) VALUES ($1, $2)",               \
            "SELECT hash, kept FROM " table " WHERE key = $1 FOR SHARE", 0 \
    }
#define HF_LEDGER_KEEPS(table)                                           \
    {                                                                    \
        "INSERT INTO " table " (key, hash) VALUES ($1, $2)",             \
            "SELECT hash, kept FROM " table " WHERE key = $1 FOR SHARE", \
            "UPDATE " table " SET kept = $2 WHERE key = $1"              \
    }

/* Room for a ticket, its NUL included. A ticket is text by which the server can be asked later what became of a
 * transaction. PostgreSQL's is the transaction's number (xid8) and the incarnation of the server that gave it. */
#define HF_TICKET_BYTES 112

/* What became of a request (SEMANTICS 9). */
typedef enum hf_outcome {
    HF_OUTCOME_PENDING,  /* not over yet, or never submitted */
    HF_OUTCOME_OK,       /* done, and the server said so */
    HF_OUTCOME_FAILED,   /* certainly no effect */
    HF_OUTCOME_NOT_SENT, /* certainly never ran */
    HF_OUTCOME_UNKNOWN   /* it may have run; see hf_request_may_be_asked() */
} hf_outcome;

/* The next value of the row, in the order of the columns; false after the last. */
static inline bool hf_row_next(hf_row *row, hf_value *value) {
    const uint8_t *at = row->at;
    if (row->column >= row->n_columns) {
        return false;
    }
    uint32_t bytes = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    bool null = bytes == UINT32_MAX;
    value->data = null ? NULL : (const char *)at + 4;
    value->bytes = null ? 0 : bytes;
    row->column++;
    row->at = at + 4 + value->bytes;
    return true;
}
/* The value of column number `column`, from 0; cheap in rising order. NULL where the row has no such column, so for the
 * -1 of hf_columns_find(), too. */
hf_value hf_row_get(hf_row *row, unsigned column);

typedef struct hf_column {
    hf_value name; /* the server's bytes */
    uint32_t type; /* the driver's number for it: an OID of pg_type */
#if HF_WITH_VALUES
    hf_format format;  /* of the column's values: what the request asked for */
    uint32_t table;    /* the table whose column it is, an OID of pg_class; 0: it is no table's */
    int16_t attribute; /* … and its number there (attnum) */
    int16_t size;      /* bytes of the type (typlen); negative: they vary */
    int32_t modifier;  /* the type's (atttypmod): 4 + n of varchar(n), say; -1: none */
#endif
} hf_column;

/* The next column, in order; false after the last. */
bool hf_columns_next(hf_columns *columns, hf_column *column);
/* The number, for hf_row_get(), of the first column of that name among those that hf_columns_next() has not given yet;
 * -1: there is none. Names are compared byte by byte, as the server gives them: `SELECT Price` is named "price".
 *
 * PostgreSQL describes the columns once, before the first row (RowDescription), and a row has values alone; holdfast
 * has no memory to keep the names in until the rows come. So on_columns finds the numbers, and on_row reads by them:
 *
 *     static void on_columns(hf_request *request, hf_columns *columns) {
 *         struct item *item = request->user;
 *         item->price_column = hf_columns_find(columns, "price");
 *     }
 *     static int on_row(hf_request *request, hf_row *row) {
 *         struct item *item = request->user;
 *         hf_value price = hf_row_get(row, item->price_column);
 *         …
 */
int hf_columns_find(const hf_columns *columns, const char *name);

#if HF_WITH_VALUES
/* The type of parameter $n, n from 1 to params->n_params: an OID of pg_type. 0: there is no such parameter. */
static inline uint32_t hf_params_type(const hf_params *params, unsigned n) {
    if (n == 0 || n > params->n_params) {
        return 0;
    }
    const uint8_t *at = params->at + (size_t)4 * (n - 1);
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}
#endif

/* The further fields of a server's error or notice (PostgreSQL docs 55.8). They are the server's raw bytes, where they
 * lie in the receive buffer: not fit for a terminal as they are. */
typedef enum hf_field {
    HF_FIELD_DETAIL,
    HF_FIELD_HINT,
    HF_FIELD_WHERE,
    HF_FIELD_SCHEMA,
    HF_FIELD_TABLE,
    HF_FIELD_COLUMN,
    HF_FIELD_DATATYPE,
    HF_FIELD_CONSTRAINT,
    HF_FIELD_INTERNAL_POSITION,
    HF_FIELD_INTERNAL_QUERY,
    HF_FIELD_FILE,
    HF_FIELD_LINE,
    HF_FIELD_ROUTINE,
    HF_FIELD_MESSAGE, /* whole, where hf_error.message is cut */
} hf_field;

/* One field, valid as long as `fields`. False: the server did not send it. */
bool hf_fields_get(const hf_fields *fields, hf_field field, hf_value *value);

/* One statement of a batch, with parameters as in hf_request. */
typedef struct hf_statement {
    const char *sql;
    const hf_value *params;
    uint16_t n_params;
#if HF_WITH_VALUES
    hf_format result_format;
    const hf_param_kind *param_kinds;
#endif
} hf_statement;

/* What on_row answers. */
enum { HF_CONTINUE = 0, HF_PAUSE = 1 };

/* A request has three parts, in this order: holdfast's own fields (layout.h), the caller's, and the answer, which
 * holdfast fills in. Set the caller's fields by their names, and let all else be zero: a good default for all but sql
 * (or batch).
 */
struct hf_request {
    HF_REQUEST_OWN

    /* ---- the caller's --------------------------------------------------------------------------- */

    hf_replay replay;  /* (the first field, where the smallest boards reach it best) */
    bool prepare_only; /* check and describe the statement (on_columns), do not run it */
    /* Keep the statement prepared on its connection: the next run of the same text costs less, and a literal like 'now'
     * is read when the statement is prepared. Without this the text is parsed each time, as by libpq's PQexecParams. In
     * a batch it goes for each statement. Only what has a plan is kept (SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES,
     * TABLE, WITH), and only until something that may make it stale: SET, RESET, DDL, DISCARD, PREPARE, DEALLOCATE,
     * EXECUTE, DO, CALL, a change that the server reports of itself (ParameterStatus), a transaction that is rolled
     * back. What a function changes without a report is not seen. A build with HF_STATEMENTS 0 keeps none. */
    bool prepare;
    /* Run again what passes by itself: a lock that was not to be had (55P03), and somebody else's cancel of a read
     * (SEMANTICS 17). */
    bool wait_passing;
    const char *sql;        /* one statement; $1 … $n stand for its parameters */
    const hf_value *params; /* n_params values, in text format unless param_kinds says otherwise */
    uint16_t n_params;      /* at most 65535 */
    uint16_t n_batch;       /* > 0: a batch in one transaction runs, in place of sql */
    const hf_statement *batch; /* its n_batch statements */
    uint32_t timeout_ms;       /* for the whole request, from hf_submit() on; 0: no limit */
#if HF_WITH_VALUES
    hf_format result_format; /* of all values of the rows; a batch's statements have their own */
    /* n_params of them; NULL: all parameters are text, of the types that the server finds. */
    const hf_param_kind *param_kinds;
    /* Room of HF_TAG_BYTES for the last command's tag ("INSERT 0 5"), or NULL. After OK it is there, NUL-terminated and
     * printable; "" if not OK, or if only the ledger or pg_xact_status() says that it is OK. */
    char *tag;
#endif
    /* RESOLVE: the ticket of an earlier run of this very request that may have been committed (before the process was
     * killed, say); NULL: there was none. The server is asked about the ticket first: if that transaction was committed
     * the request ends OK without rows, if it was not the request runs. */
    const char *resolve_ticket;
    /* LEDGER: where the key goes, and the key's values, 1 to HF_LEDGER_KEY_MAX. The same key with other statements or
     * other parameters is refused, as FAILED; submitted again the same request is OK without running, and
     * `already_applied`. FAILED leaves the key free; only where an attempt before was lost, and might come late, is it
     * used up (SEMANTICS 48). */
    const hf_ledger *ledger;
    const hf_value *key;
    uint16_t n_key;
    /* LEDGER: this key may have been submitted before, and an attempt of that time may live: after UNKNOWN, or after a
     * restart of the application. Then no submission counts as the first: a refusal uses the key up. */
    bool submitted_before;
    /* LEDGER: what stands in the ledger in the place of the hash, at most 64 characters; NULL: the hash. Whoever gives
     * it runs the work again himself, perhaps with other statements: the same key with the same `work` is the same
     * request, whatever its statements are. So a refusal uses no key up, 40001 and 40P01 are refusals too, and such a
     * request is UNKNOWN where an attempt before may still take effect: submit the key again to find out. */
    const char *work;
    hf_value kept; /* LEDGER that keeps: what is to be kept, set in on_commit at the latest */

    /* Callbacks, each may be NULL. */

    /* LEDGER: the key was found, and this was kept with it: valid until on_kept returns. It counts if the request ends
     * `already_applied`; it may be told more than once. */
    void (*on_kept)(hf_request *request, hf_value kept);
#if HF_WITH_VALUES
    /* prepare_only: the types of the statement's parameters, before on_columns; valid until on_params returns. */
    void (*on_params)(hf_request *request, const hf_params *params);
#endif
    /* The columns, before the first row of each attempt; valid until on_columns returns. */
    void (*on_columns)(hf_request *request, hf_columns *columns);
    /* A row. HF_CONTINUE, or HF_PAUSE: no further row comes until hf_resume(), the row stays valid until then, and the
     * attempt's time-out does not run meanwhile. */
    int (*on_row)(hf_request *request, hf_row *row);
    /* The server refused the attempt. error is what on_done will see unless the request is tried again; fields is valid
     * until on_error returns. */
    void (*on_error)(hf_request *request, const hf_error *error, const hf_fields *fields);
    /* The rows so far are void: the statement runs again. */
    void (*on_restart)(hf_request *request);
    /* An attempt is about to be put into the transmit buffer: the place to make durable what must be so before the
     * server can see the statement. It must not call hf_submit() or hf_cancel(). */
    void (*on_send)(hf_request *request);
    /* RESOLVE, and LEDGER that keeps: every row was delivered, and the COMMIT is about to be put into the transmit
     * buffer: the place to make durable what must be so before the server can commit (the ticket), and to set `kept`.
     * Where making durable is dear, it is noted here, and done once for several in hf_config.on_commits. Not called for
     * RESOLVE when there is no ticket. It must not call hf_submit() or hf_cancel(). */
    void (*on_commit)(hf_request *request);
    /* The request is over: outcome, error and counts are final. */
    void (*on_done)(hf_request *request);
    void *user; /* for the caller alone */

    /* ---- the answer: final when on_done is called ------------------------------------------------ */

    hf_outcome outcome;
    uint32_t attempts;    /* how often the request was sent */
    uint32_t retries;     /* re-sends among the attempts, as max_retries counts them */
    uint32_t asks;        /* how often the server was asked what became of the request's COMMIT */
    uint32_t duration_ms; /* from hf_submit() to on_done */
    uint64_t n_rows;      /* rows delivered in the last attempt */
    /* Rows that the last command's tag counts; 0 unless OK. While on_columns is called of a batch's statement, and in
     * on_commit, the count of the command before. */
    uint64_t affected;
    bool unconfirmed;     /* OK, but somebody's cancel ended the wait for the synchronous standby */
    bool already_applied; /* LEDGER, OK: an attempt before did it, and on_kept told what was kept */
    hf_error error;       /* why the request is not OK; all zero when it is, even after retries */
    char ticket[HF_TICKET_BYTES]; /* RESOLVE: the last attempt's; "" none */

    HF_REQUEST_OWN_TOO
};

/* Did the server refuse the statement itself, so that it would again? A request is FAILED also when it was cancelled,
 * ran out of time or of re-sends, or was rolled back and no connection was to be had any more. */
static inline bool hf_request_refused(const hf_request *request) {
    const hf_error *error = &request->error;
    return request->outcome == HF_OUTCOME_FAILED && error->phase == HF_PHASE_QUERY &&
           error->limit == HF_LIMIT_NONE &&
           (error->code == HF_ERR_SERVER || error->code == HF_ERR_READ_ONLY);
}

/* After an ErrorResponse, in on_error and in on_done: which statement of the batch was refused, from 0; n_batch: the
 * COMMIT, or what was kept. */
static inline unsigned hf_request_refused_at(const hf_request *request) {
    return request->statement;
}
/* LEDGER, as above: was the key in? If not, the ledger's own insert was refused. */
static inline bool hf_request_keyed(const hf_request *request) {
    return request->keyed;
}

/* Is the request on a connection: sent, or being sent, and not answered yet? If not, it waits or is over. */
bool hf_request_in_flight(const hf_request *request);
/* May be asked from on_send until on_done: does nothing of this attempt take effect before the COMMIT that on_commit
 * announces? True for RESOLVE where the server gives tickets, and for
 * LEDGER that keeps. */
bool hf_request_commits_later(const hf_request *request);

/* May the server still be asked what became of an UNKNOWN request? True where only time or a connection was missing:
 * whoever has the request's ticket can ask (resolve_ticket). */
static inline bool hf_request_may_be_asked(const hf_request *request) {
    const hf_error *error = &request->error;
    return request->outcome == HF_OUTCOME_UNKNOWN && request->ticket[0] &&
           error->code != HF_ERR_UNRESOLVED &&
           (error->code != HF_ERR_SERVER || error->phase != HF_PHASE_QUERY);
}

/* "ok", "not sent" …; never NULL. */
const char *hf_outcome_name(hf_outcome outcome);

#ifdef __cplusplus
}
#endif

#endif
