/* A statement's life: from hf_submit() to one outcome.
 *
 * The caller owns the request, its SQL and its parameters, and leaves them alone from hf_submit() until
 * on_done was called; from then on (within on_done already) the request may be submitted again.
 */
#ifndef HF_REQUEST_H
#define HF_REQUEST_H

#include "layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A value: text that need not end in NUL. data == NULL is NULL. */
typedef struct hf_value {
    const char *data;
    size_t bytes;
} hf_value;

/* A value from a C string; NULL makes NULL. */
hf_value hf_text(const char *text);

/* Room for an integer as text, its NUL included. */
#define HF_INTEGER_BYTES 21
/* A value from an integer: its text is written to `room`, which must live as long as the value. */
hf_value hf_integer(int64_t number, char room[HF_INTEGER_BYTES]);
/* The integer that the value is: digits, and nothing before them but a sign. False: NULL, no integer, or outside of
 * minimum and maximum; *number is then as it was. */
bool hf_value_integer(hf_value value, int64_t minimum, int64_t maximum, int64_t *number);

/* May it run again when its answer is lost? */
typedef enum hf_replay {
    HF_REPLAY_UNSENT, /* only if it certainly had no effect: not sent, or rolled back by the server (of what
                         commits by itself a part may stand: UNKNOWN after 40001, say) */
    HF_REPLAY_SAFE, /* a read or an idempotent write: after any loss */
    HF_REPLAY_RESOLVE /* a write in a transaction whose ticket is taken before its COMMIT: when the COMMIT's
                         answer is lost, the server is asked what became of it (SEMANTICS 15). Where the server
                         gives no tickets, and for what commits by itself (CALL, VACUUM …): as UNSENT */
} hf_replay;

/* Room for a ticket: what the driver needs to ask for a transaction's fate later, as text. PostgreSQL's is the
 * transaction's number (xid8) and the incarnation of the server that gave it. */
#define HF_TICKET_BYTES 112

/* SEMANTICS 9. */
typedef enum hf_outcome {
    HF_OUTCOME_PENDING,  /* not over yet, or never submitted */
    HF_OUTCOME_OK,       /* done, and the server said so */
    HF_OUTCOME_FAILED,   /* certainly no effect */
    HF_OUTCOME_NOT_SENT, /* certainly never ran */
    HF_OUTCOME_UNKNOWN   /* it may have run; see hf_request_may_be_asked() */
} hf_outcome;

/* The next value, in order; false after the last. */
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
/* The value of column number `column`, from 0; cheap in rising order. A row has no such column: a NULL value (so for
 * the -1 of hf_columns_find(), too). */
hf_value hf_row_get(hf_row *row, unsigned column);

typedef struct hf_column {
    hf_value name; /* the server's bytes */
    uint32_t type; /* the driver's number for it: an OID of pg_type */
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

/* The further fields of a server's error (PostgreSQL docs 55.8), where they lie in the receive buffer.
 * The server's raw bytes: not fit for a terminal as they are. */
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

/* False when the server did not send it. */
bool hf_fields_get(const hf_fields *fields, hf_field field, hf_value *value);

/* One statement of a batch. */
typedef struct hf_statement {
    const char *sql;
    const hf_value *params;
    uint16_t n_params;
} hf_statement;

/* What on_row answers. */
enum { HF_CONTINUE = 0, HF_PAUSE = 1 };

/* Three own a part of a request, and this is their order: holdfast (layout.h has the fields), the caller, and holdfast
 * again, for the answer. Set what is the caller's by name: zero is a good default for all but sql (or batch). */
struct hf_request {
    HF_REQUEST_OWN

    /* ---- the caller's --------------------------------------------------------------------------- */

    hf_replay replay;  /* first for the sake of the smallest boards; sql is what must be set */
    bool prepare_only; /* check and describe it (on_columns), do not run it */
    /* Keep it prepared on its connection: the next run of the same text costs less, and a literal like 'now' is read
     * when it is prepared. Else it is parsed afresh each time, as by libpq's PQexecParams. Of a batch: each of its
     * statements. Only what has a plan is kept (SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE, WITH), and none
     * longer than what may make it stale: SET, RESET, DDL, DISCARD, PREPARE, DEALLOCATE, EXECUTE, DO, CALL, a change
     * that the server reports of itself (ParameterStatus), a transaction that is rolled back. What a function changes
     * without a report is not seen. A build without HF_STATEMENTS keeps none. */
    bool prepare;
    /* Wait out what passes: 55P03, and somebody else's cancel of a read (SEMANTICS 17). */
    bool wait_passing;
    const char *sql;           /* one statement; $1 … $n for parameters */
    const hf_value *params;    /* text format */
    uint16_t n_params;         /* at most 65535 */
    uint16_t n_batch;          /* > 0: run batch[0..n_batch-1] in one transaction instead of sql */
    const hf_statement *batch; /* … of these */
    uint32_t timeout_ms;       /* the whole request, queue included; 0 none */
    /* RESOLVE: the ticket of an earlier run of this very request, one that may have been committed (before the
     * process was killed, say); NULL: there was none. It is asked about first: if it was committed the
     * request ends OK without rows, if it was not the request runs. */
    const char *resolve_ticket;
    /* Before the first row of each attempt: what the columns are. */
    void (*on_columns)(hf_request *request, hf_columns *columns);
    /* A row. HF_PAUSE: no more until hf_resume(); the attempt's clock stands still meanwhile. */
    int (*on_row)(hf_request *request, hf_row *row);
    /* The server refused the attempt; error is what on_done will see if it is not tried again, fields is
     * valid until on_error returns. */
    void (*on_error)(hf_request *request, const hf_error *error, const hf_fields *fields);
    /* The rows so far are void: the statement runs again. */
    void (*on_restart)(hf_request *request);
    /* An attempt is about to be put into the transmit buffer: what must be durable before the server can
     * see the statement is made durable here. Not for hf_submit() or hf_cancel(). */
    void (*on_send)(hf_request *request);
    /* RESOLVE: all but the COMMIT is done, and every row was delivered; the COMMIT is about to be put into the
     * transmit buffer. What must be durable before the server can commit (ticket) is made durable here. Not
     * called when there is no ticket. Not for hf_submit() or hf_cancel(). */
    void (*on_commit)(hf_request *request);
    /* It is over: outcome, error and the counts are final. */
    void (*on_done)(hf_request *request);
    void *user;

    /* ---- the answer: final when on_done is called ------------------------------------------------ */

    hf_outcome outcome;
    uint32_t attempts;    /* how often it was sent */
    uint32_t retries;     /* re-sends among them, as max_retries counts */
    uint32_t asks;        /* how often the server was asked what became of it */
    uint32_t duration_ms; /* from hf_submit() to on_done */
    uint64_t n_rows;      /* delivered in the last attempt */
    uint64_t affected;    /* rows that the last command says it touched; 0 unless OK */
    bool unconfirmed;     /* OK, but somebody's cancel ended the wait for the synchronous standby */
    hf_error error;       /* why, unless OK; of an OK after retries: zero */
    char ticket[HF_TICKET_BYTES]; /* RESOLVE: of the last attempt; "" none */

    HF_REQUEST_OWN_TOO
};

/* Did the server refuse the statement itself, so that it would again? FAILED is also what was cancelled, what is out
 * of time or of re-sends, and what was undone before no connection was to be had any more. */
static inline bool hf_request_refused(const hf_request *request) {
    const hf_error *error = &request->error;
    return request->outcome == HF_OUTCOME_FAILED && error->phase == HF_PHASE_QUERY &&
           error->limit == HF_LIMIT_NONE &&
           (error->code == HF_ERR_SERVER || error->code == HF_ERR_READ_ONLY);
}

/* Is it on a connection: sent, or being sent, and not answered yet? Else it waits, or it is over. */
bool hf_request_in_flight(const hf_request *request);
/* In on_send, and until on_done: does nothing of this attempt take effect before the COMMIT that on_commit announces
 * (RESOLVE, where the server gives tickets)? */
bool hf_request_commits_later(const hf_request *request);

/* Of an UNKNOWN: was there only no time, or no connection, to ask what became of it? Then whoever has its ticket can
 * (`resolve_ticket`). */
static inline bool hf_request_may_be_asked(const hf_request *request) {
    const hf_error *error = &request->error;
    return request->outcome == HF_OUTCOME_UNKNOWN && request->ticket[0] &&
           error->code != HF_ERR_UNRESOLVED &&
           (error->code != HF_ERR_SERVER || error->phase != HF_PHASE_QUERY);
}

const char *hf_outcome_name(hf_outcome outcome);

#ifdef __cplusplus
}
#endif

#endif
