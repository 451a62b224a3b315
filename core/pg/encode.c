#include "encode.h"

#include "cache.h"
#include "ledger.h"
#include "sql.h"

#include "base/text.h"

/* A request is one flight with one Sync at its end; a RESOLVE request, and a LEDGER request that keeps something
 * (session.h), have their COMMIT in a second flight.
 * Parameters travel beside the statement's text, never in it.
 */

static const char sync[] = "S\0\0\0\x04", flush[] = "H\0\0\0\x04";
static const char execute[] = "E\0\0\0\x09\0\0\0\0";

/* A flight that is being written. Bytes that have no room any more are only counted. */
typedef struct encoder {
    hf_pg_session *session;
    hf_io *io;
    uint8_t *start;       /* where the flight begins in tx */
    uint32_t room;        /* bytes that may be written */
    uint32_t bytes;       /* bytes that the flight takes, so far; at most UINT32_MAX */
    uint32_t message;     /* where the message that is being written begins */
    uint32_t executed;    /* where the last byte ends that can have an effect */
    uint32_t answers_due; /* the answers that come first: HF_PG_* */
    const char *sql;      /* the statement before, if it is in the cache: it stays there, in use */
    uint8_t slot;         /* where it is */
    bool changes;         /* prepared statements may mean something else behind this flight */
} encoder;

HF_COLD static int refuse(hf_io *io, hf_err code, const char *why) {
    hf_error_set(&io->error, code, HF_PHASE_QUERY, HF_WITH_MESSAGES ? why : NULL);
    return code;
}

/* --- messages -------------------------------------------------------------------------------------- */

/* Begins a flight. reserve: bytes of tx that are left for other messages. */
static void encoder_start(encoder *out, hf_pg_session *session, hf_io *io, uint32_t reserve) {
    const hf_buffer *tx = &io->tx;
    const uint32_t room = tx->size - tx->end;

    out->session = session;
    out->io = io;
    out->start = tx->data + tx->end;
    out->room = room > reserve ? room - reserve : 0;
    out->bytes = 0;
    out->executed = 0;
    out->sql = NULL;
    out->changes = false;
}

static bool fits(const encoder *out, size_t more) {
    return out->bytes <= out->room && more <= out->room - out->bytes;
}

static inline void put(encoder *out, const void *from, size_t bytes) {
    const uint32_t at = out->bytes;

    out->bytes = bytes > UINT32_MAX - at ? UINT32_MAX : at + (uint32_t)bytes;
    if (out->bytes <= out->room) {
        memcpy(out->start + at, from, bytes);
    }
}

/* Starts a message with its first bytes, the last of which is the empty name of the unnamed statement. The name of
 * prepared statement `number`, unless 0, takes its place. end() fills the length in. */
static inline void begin(encoder *out, const char *first, size_t bytes, uint32_t number) {
    out->message = out->bytes;
    if (HF_WITH_PREPARED && number != 0) {
        uint8_t head[6 + HF_PG_NAME_BYTES_MAX];
        uint8_t *at = hf_pg_put(head, first, bytes - 1);
        put(out, head, (size_t)(hf_pg_write_name(at, out->session, number) - head));
    } else {
        put(out, first, bytes);
    }
}

static inline void end(encoder *out) {
    if (out->bytes <= out->room) {
        hf_pg_put32(out->start + out->message + 1, out->bytes - out->message - 1);
    }
}

/* Is a parameter of the statement binary? */
static inline bool is_binary(const hf_statement *statement, uint32_t param) {
#if HF_WITH_VALUES
    return statement && statement->param_kinds &&
           statement->param_kinds[param].format == HF_FORMAT_BINARY;
#else
    (void)statement, (void)param;
    return false;
#endif
}

/* The values of a Bind. formats: NULL if all are text. 0, or an hf_err: a value can never be sent. */
static inline int put_values(encoder *out, const hf_value *values, uint16_t n_values,
                             const hf_statement *formats) {
    for (uint32_t i = 0; i < n_values; i++) {
        const hf_value *value = &values[i];
        uint8_t length[4];
        hf_pg_put32(length, value->data ? (uint32_t)value->bytes : UINT32_MAX);
        put(out, length, sizeof length);
        if (!value->data) {
            continue;
        }
        if (value->bytes > INT32_MAX) {
            return refuse(out->io, HF_ERR_TOO_LARGE,
                          HF_MESSAGE("a parameter is larger than PostgreSQL takes"));
        }
        if (!is_binary(formats, i) && memchr(value->data, 0, value->bytes)) {
            return refuse(
                out->io, HF_ERR_ARGUMENT,
                HF_MESSAGE("a parameter has a NUL character in it: PostgreSQL has no such text"));
        }
        put(out, value->data, value->bytes);
    }
    return HF_OK;
}

static void put_parse(encoder *out, uint32_t number, const char *sql, size_t sql_bytes) {
    begin(out, "P\0\0\0\0", 6, number);
    put(out, sql, sql_bytes);
    put(out, "\0", 2); /* the server finds the parameters' types */
    end(out);
}

#if HF_WITH_VALUES
static void put16(encoder *out, uint16_t number) {
    uint8_t bytes[2];

    hf_pg_put16(bytes, number);
    put(out, bytes, sizeof bytes);
}

/* Parse with the types that the statement gives its parameters. */
static void put_parse_typed(encoder *out, uint32_t number, const hf_statement *statement,
                            size_t sql_bytes) {
    begin(out, "P\0\0\0\0", 6, number);
    put(out, statement->sql, sql_bytes);
    put16(out, statement->n_params);
    for (uint32_t i = 0; i < statement->n_params; i++) {
        put16(out, (uint16_t)(statement->param_kinds[i].type >> 16));
        put16(out, (uint16_t)statement->param_kinds[i].type);
    }
    end(out);
}

/* Bind of a statement that is not all text. 0, or an hf_err: a value can never be sent. */
static int put_bind_formatted(encoder *out, uint32_t number, const hf_statement *statement) {
    const uint16_t n_kinds = statement->param_kinds ? statement->n_params : 0;
    const bool binary = statement->result_format == HF_FORMAT_BINARY;
    bool known = binary || statement->result_format == HF_FORMAT_TEXT;

    begin(out, "B\0\0\0\0\0", 7, number); /* the unnamed portal's name comes first */
    put16(out, n_kinds);
    for (uint32_t i = 0; i < n_kinds; i++) {
        known = known && (unsigned)statement->param_kinds[i].format <= HF_FORMAT_BINARY;
        put16(out, is_binary(statement, i));
    }
    if (!known) {
        return refuse(out->io, HF_ERR_ARGUMENT,
                      HF_MESSAGE("a format that is neither HF_FORMAT_TEXT nor HF_FORMAT_BINARY"));
    }
    put16(out, statement->n_params);
    int err = put_values(out, statement->params, statement->n_params, statement);
    put(out, binary ? "\0\1\0\1" : "\0", binary ? 4 : 2);
    end(out);
    return err;
}
#endif

/* Close or Describe of a statement. first: the message's first 7 bytes. */
static void put_named(encoder *out, const char *first, uint32_t number) {
    begin(out, first, 7, number);
    end(out);
}

/* Bind of the unnamed portal. 0, or an hf_err: a value can never be sent. */
static int put_bind(encoder *out, uint32_t number, const hf_value *values, uint16_t n_values) {
    uint8_t counts[4] = { 0 }; /* all parameters are text */

    if (HF_WITH_FAST_PATHS && number != 0 && fits(out, HF_PG_BIND_BYTES_MAX)) {
        uint8_t *start = out->start + out->bytes;
        uint8_t *at = hf_pg_write_name(hf_pg_begin_bind(start), out->session, number);
        at = hf_pg_write_values(start, at, out->room - out->bytes - HF_PG_BIND_BYTES_MAX, values,
                                n_values);
        if (at) {
            out->bytes = (uint32_t)(hf_pg_put16(at, 0) - out->start);
            return HF_OK;
        }
    }
    begin(out, "B\0\0\0\0\0", 7, number); /* the unnamed portal's name comes first */
    hf_pg_put16(counts + 2, n_values);
    put(out, counts, sizeof counts);
    int err = put_values(out, values, n_values, NULL);
    if (err) {
        return err;
    }
    put(out, "\0", 2); /* results are text too */
    end(out);
    return HF_OK;
}

static void put_execute(encoder *out) {
    put(out, execute, sizeof execute);
    out->executed = out->bytes;
}

/* The driver's own statement, or one of a ledger's, unnamed. 0, or an hf_err: a value can never be sent. */
static int put_own(encoder *out, const char *sql, const hf_value *values, uint16_t n_values) {
    put_parse(out, 0, sql, strlen(sql) + 1);
    int err = put_bind(out, 0, values, n_values);
    put_execute(out);
    return err;
}

/* A statement of the ledger's whose first parameters are the key, and whose last one is `last`. */
static int put_keyed(encoder *out, const char *sql, const hf_request *request, hf_value last) {
    hf_value values[HF_LEDGER_KEY_MAX + 1];

    memcpy(values, request->key, request->n_key * sizeof values[0]);
    values[request->n_key] = last;
    return put_own(out, sql, values, (uint16_t)(request->n_key + 1));
}

/* What a ledger request's transaction begins with, behind its BEGIN. The server sends its answers at once: the
 * attempt's clock starts when the key is in. */
static int put_head(encoder *out, hf_request *request) {
    const uint32_t most = out->io->config->request_timeout_ms;
    const size_t seal = hf_stage_of(request) == HF_STAGE_SEAL ? sizeof HF_PG_LEDGER_SEAL - 1 : 0;
    char hash[sizeof HF_PG_LEDGER_SEAL - 1 + HF_PG_LEDGER_HASH_BYTES] = HF_PG_LEDGER_SEAL;
    char room[HF_INTEGER_BYTES];
    const bool bounded = most != 0 && most != HF_FOREVER;
    const hf_value idle = bounded ? hf_integer(most, room) : (hf_value){ 0 };
    int err = hf_pg_ledger_hash(out->io, request, hash + seal);

    if (err) {
        return refuse(out->io, (hf_err)err, HF_MESSAGE("the port cannot hash"));
    }
    put_own(out, HF_PG_SQL_QUIET, &idle, 1);
    err = put_keyed(out, request->ledger->insert, request, hf_text(hash));
    put_own(out, HF_PG_SQL_RESTORE, NULL, 0);
    put(out, flush, sizeof flush - 1);
    out->session->head = HF_PG_HEAD_BEGIN;
    request->keyed = false;
    return err;
}

/* --- flights --------------------------------------------------------------------------------------- */

/* Is it worth while to keep statements prepared? Behind a pooler that mixes sessions they are often gone on the server:
 * then every flight parses afresh. */
static bool caching(const hf_pg_session *session) {
    return session->forgotten < 4 + session->sent / 16;
}

/* The slot into which a statement that is not in the cache is put; HF_PG_NO_SLOT: it is parsed afresh each time. The
 * cache is emptied before a statement that makes it stale. */
static uint8_t keep(encoder *out, const hf_request *request, const hf_statement *statement,
                    size_t sql_bytes, uint32_t sequence) {
    hf_pg_session *session = out->session;
    const char *sql = statement->sql;
    const bool wanted = hf_pg_keeps(request);
    const hf_pg_effect effect =
        wanted || session->stored > 0 || session->isolated ? hf_pg_effect_of(sql) : HF_PG_NEUTRAL;

    if (effect == HF_PG_CHANGES && !request->prepare_only) {
        hf_pg_cache_empty(session);
        session->isolated =
            false; /* it may change that too: what is not known is taken for the worst */
        out->io->role &= (uint8_t)~HF_ROLE_READS_STAND;
        out->sql = NULL;
        out->changes = true;
    }
    return wanted && effect == HF_PG_PLANNED && caching(session) && fits(out, sql_bytes)
               ? hf_pg_cache_add(session, out->io->store, statement, sql_bytes, sequence)
               : HF_PG_NO_SLOT;
}

/* Parse of a statement that is not in the cache, and Describe if it is to be kept or only prepared. 0 or an hf_err. */
static int put_new(encoder *out, const hf_request *request, const hf_statement *statement,
                   uint32_t sequence, uint8_t *slot, uint32_t *asked) {
    const char *sql = statement->sql;
    const size_t sql_bytes = strlen(sql) + 1;
    const char *why = hf_pg_sql_refused(sql);

    if (!why && (hf_is_batch(request) || hf_is_transaction(request))) {
        why = hf_pg_sql_refused_in_batch(sql);
    }
    if (why) {
        return refuse(out->io, HF_ERR_ARGUMENT, why);
    }
    if (HF_WITH_PREPARED) {
        *slot = keep(out, request, statement, sql_bytes, sequence);
    }
    const uint32_t number = hf_pg_is_slot(*slot) ? out->session->entries[*slot].number : 0;
    *asked = number != 0 || request->prepare_only ? HF_PG_PREPARE : HF_PG_PARSE;
#if HF_WITH_VALUES
    if (hf_pg_types_of(statement) > 0) {
        put_parse_typed(out, number, statement, sql_bytes);
    } else
#endif
        put_parse(out, number, sql, sql_bytes);
    if (*asked & HF_PG_DESCRIBE) {
        put_named(out, "D\0\0\0\0S", number);
    }
    return HF_OK;
}

/* The ticket's statement, kept prepared like those of its request: parsed afresh it costs the server more than a small
 * write does. `sequence` is the number of the request's last statement. */
static void put_ticket(encoder *out, const hf_request *request, uint32_t sequence) {
    static const char sql[] = HF_PG_SQL_TICKET;
    static const hf_statement ticket = { .sql = sql };
    hf_pg_session *session = out->session;
    uint8_t slot =
        hf_pg_keeps(request) ? hf_pg_cache_find(session, out->io->store, &ticket) : HF_PG_NO_SLOT;
    const bool known = hf_pg_is_slot(slot);
    uint32_t number = 0;

    if (!known && hf_pg_keeps(request) && caching(session) && fits(out, sizeof sql)) {
        slot = hf_pg_cache_add(session, out->io->store, &ticket, sizeof sql, sequence);
    }
    if (hf_pg_is_slot(slot)) {
        session->entries[slot].used_by = sequence;
        number = session->entries[slot].number;
    }
    if (!known) {
        put_parse(out, number, sql, sizeof sql);
    }
    put_bind(out, number, NULL, 0);
    put_execute(out);
}

/* One statement, whose answers are added to *answers_due. sequence: its number. text: hf_is_text(), which is nearly
 * always so, and then costs nothing more. 0 or an hf_err. */
HF_PG_INLINE int put_any_statement(encoder *out, const hf_request *request,
                                   const hf_statement *statement, uint32_t sequence,
                                   uint32_t *answers_due, bool text) {
    hf_pg_session *session = out->session;
    const char *sql = statement->sql;
    uint32_t number = 0, asked = 0;
    bool kept = false;

    if (!sql || (statement->n_params > 0 && !statement->params)) {
        return refuse(out->io, HF_ERR_ARGUMENT,
                      HF_MESSAGE("a statement without text, or without its parameters"));
    }
    uint8_t slot = HF_WITH_PREPARED && sql == out->sql && text ? out->slot
                   : !hf_pg_keeps(request)                     ? HF_PG_NO_SLOT
                                           : hf_pg_cache_find(session, out->io->store, statement);
    const bool known = hf_pg_is_slot(slot);
    if (!known) {
        int err = put_new(out, request, statement, sequence, &slot, &asked);
        if (err) {
            return err;
        }
    }
    if (hf_pg_is_slot(slot)) {
        hf_pg_entry *entry = &session->entries[slot];
        entry->used_by = sequence;
        number = entry->number;
        kept = entry->flags & HF_PG_KEPT;
        out->sql = text ? sql : NULL; /* the text alone tells that it is the same */
        out->slot = slot;
    }
    if (request->prepare_only) {
        if (known) {
            asked = HF_PG_PARAMS | HF_PG_DESCRIBE;
            put_named(out, "D\0\0\0\0S", number);
        }
        *answers_due |= asked;
        return HF_OK;
    }
    int err;
#if HF_WITH_VALUES
    if (!text) {
        err = put_bind_formatted(out, number, statement);
    } else
#endif
        err = put_bind(out, number, statement->params, statement->n_params);
    if (request->on_columns && !kept && !(asked & HF_PG_DESCRIBE)) {
        asked |= HF_PG_PORTAL;
        put(out, "D\0\0\0\x06P", 7);
    }
    *answers_due |= asked | HF_PG_RUN;
    put_execute(out);
    return err;
}

#if HF_WITH_VALUES
HF_COLD static int put_other_statement(encoder *out, const hf_request *request,
                                       const hf_statement *statement, uint32_t sequence,
                                       uint32_t *answers_due) {
    return put_any_statement(out, request, statement, sequence, answers_due, false);
}
#endif

static inline int put_statement(encoder *out, const hf_request *request,
                                const hf_statement *statement, uint32_t sequence,
                                uint32_t *answers_due) {
#if HF_WITH_VALUES
    if (!hf_is_text(statement)) {
        return put_other_statement(out, request, statement, sequence, answers_due);
    }
#endif
    return put_any_statement(out, request, statement, sequence, answers_due, true);
}

/* A request's flight in full. closes: how many statements of session->closing it closes. 0 or an hf_err. */
static int put_flight(encoder *out, hf_request *request, uint8_t closes) {
    const hf_statement only = hf_only_statement(request);
    const bool batch = hf_is_batch(request), deferred = hf_commit_is_deferred(request),
               wrap = hf_pg_wraps(out->io);
    const bool ledger = hf_is_ledger(request);
    const bool around = batch || deferred || ledger || (wrap && !request->prepare_only);
    const bool ends = around && !(ledger && deferred);
    uint32_t answers_due = 0;
    const bool isolation = hf_pg_asks_isolation(out->session, out->io, request);

    for (uint8_t i = 0; i < closes; i++) {
        put_named(out, "C\0\0\0\0S", out->session->closing[i]);
    }
    if (around) {
        put_own(out, wrap ? "BEGIN READ ONLY" : "BEGIN", NULL, 0);
    } else if (isolation) {
        put_own(out, HF_PG_SQL_ISOLATION, NULL, 0);
    }
    if (ledger) {
        int err = put_head(out, request);
        if (err) {
            return err;
        }
    }
    const bool seal = HF_WITH_LEDGER && hf_stage_of(request) == HF_STAGE_SEAL;
    const uint32_t count = seal ? 0 : hf_pg_statements_of(request);
    for (uint32_t i = 0; i < count; i++) {
        int err = put_statement(out, request, batch ? &request->batch[i] : &only,
                                out->session->sent + i, &answers_due);
        if (err) {
            return err;
        }
        if (i == 0) {
            request->runs_at = out->io->tx_total + out->executed;
        }
    }
    if (HF_WITH_PREPARED && out->changes) {
        hf_pg_cache_empty(out->session); /* the end of the transaction may undo the change */
    }
    const uint32_t executed = out->executed;
    if (ends && deferred) {
        put_ticket(out, request, out->session->sent + count - 1);
    } else if (ends) {
        put_own(out, "COMMIT", NULL, 0);
    }
    put(out, sync, sizeof sync - 1);
    /* A batch, or a ledger request, takes effect by its COMMIT's Execute: its statements are undone if that does not
     * arrive. A single statement may take effect by its own Execute (VACUUM, CALL), one whose COMMIT is deferred only
     * in its second flight. */
    if (!(batch || ledger) || deferred) {
        out->executed = executed;
    }
    out->answers_due = (batch ? 0 : answers_due) | (closes > 0 ? HF_PG_CLOSE : 0) |
                       (around || isolation ? HF_PG_BEGIN : 0) | (ends ? HF_PG_COMMIT : 0) |
                       HF_PG_SYNC;
    return HF_OK;
}

/* A flight had no room. 0: it has when tx has been sent; else an hf_err. */
static int no_room(const encoder *out) {
    hf_io *io = out->io;

    if (out->bytes <= out->room + io->tx.end) {
        return 0;
    }
    hf_pg_say(io, HF_ERR_TOO_LARGE, HF_PHASE_QUERY,
              "the request takes at least %u bytes, the transmit buffer (tx_bytes) has %u",
              (uint64_t)out->bytes + HF_PG_TX_RESERVE, io->tx.size);
    return HF_ERR_TOO_LARGE;
}

/* A flight that is the driver's own statement: a deferred COMMIT, behind what is to be kept, or a ROLLBACK, when the
 * request is in flight already; the question what became of its transaction, or what stands at its key; or the question
 * whether the server takes writes. */
static int submit_own(hf_pg_session *session, hf_io *io, hf_request *request) {
    const bool ask = hf_asks(request);
    const bool keeps = hf_is_ledger(request) && hf_stage_of(request) == HF_STAGE_COMMIT;
    int err = HF_OK;
    encoder out;

    encoder_start(&out, session, io, ask ? HF_PG_TX_RESERVE : 0);
    if (hf_stage_of(request) == HF_STAGE_ROLE) {
        put_own(&out, HF_PG_SQL_ROLE, NULL, 0);
    } else if (HF_WITH_LEDGER && hf_stage_of(request) == HF_STAGE_FIND) {
        put_own(&out, request->ledger->find, request->key, request->n_key);
    } else if (ask) {
        const char *space = strchr(request->ticket, ' '), *rest = space ? space + 1 : "";
        const hf_value values[] = {
            { .data = request->ticket, .bytes = space ? (size_t)(space - request->ticket) : 0 },
            { .data = rest, .bytes = strlen(rest) },
        };
        put_own(&out, HF_PG_SQL_ASK, values, 2);
    } else {
        if (keeps) {
            err = put_keyed(&out, request->ledger->keep, request, request->kept);
        }
        put_own(&out, hf_stage_of(request) == HF_STAGE_COMMIT ? "COMMIT" : "ROLLBACK", NULL, 0);
    }
    put(&out, sync, sizeof sync - 1);
    if (err || !fits(&out, 0)) {
        return err ? err : no_room(&out);
    }
    if (ask) {
        session->sent += hf_pg_statements_of(request);
        session->in_flight++;
    }
    session->answered_with = 0;
    request->tx_status = HF_TX_NONE;
    hf_pg_append_flight(io, request, out.bytes, out.executed,
                        (keeps ? HF_PG_BEGIN : 0) | HF_PG_OWN | HF_PG_SYNC, HF_PG_COLUMNS_UNKNOWN);
    return 1;
}

int hf_pg_submit_any(hf_pg_session *session, hf_io *io, hf_request *request) {
    uint8_t closes = 0;
    encoder out;

    if (hf_stage_of(request) != HF_STAGE_RUN && !hf_inserts_key(request)) {
        return submit_own(session, io, request);
    }
    if (HF_WITH_PREPARED) {
        hf_pg_cache_sweep(session, io->store);
        closes = session->n_closing;
    }
    if (HF_WITH_RESOLVE) {
        request->deferred_commit = hf_resolves(request) && !request->prepare_only &&
                                   !io->ticketless && !hf_pg_self_commits(request);
        request->ticket[0] = 0;
    }
    if (hf_is_ledger(request)) {
        const char *why = hf_pg_ledger_refused(request);
        if (why) {
            return refuse(io, HF_ERR_ARGUMENT, why);
        }
        request->deferred_commit =
            request->ledger->keep != NULL && hf_stage_of(request) == HF_STAGE_RUN;
    }
    if (hf_is_batch(request) && (request->prepare_only || !request->batch)) {
        return refuse(io, HF_ERR_ARGUMENT, HF_MESSAGE("a batch cannot be prepared only"));
    }
    for (;; closes = 0) {
        encoder_start(&out, session, io, HF_PG_TX_RESERVE);
        int err = put_flight(&out, request, closes);
        if (!err && fits(&out, 0)) {
            break;
        }
        if (HF_WITH_PREPARED) {
            hf_pg_cache_undo(session, io->store, session->sent, hf_pg_statements_of(request));
        }
        if (err || closes == 0) { /* old statements can wait to be closed, the request cannot */
            return err ? err : no_room(&out);
        }
    }
    hf_pg_begin_request(session, request);
    hf_pg_append_flight(io, request, out.bytes, out.executed, out.answers_due,
                        HF_PG_COLUMNS_UNKNOWN);
    if (request->prepare_only) {
        request->sent_at = UINT64_MAX; /* no byte of the flight has an effect */
    }
    if (HF_WITH_PREPARED) {
        session->sent += hf_pg_statements_of(request);
    }
    if (closes > 0) { /* more may have been added behind those that are closed now */
        request->driver_state[HF_PG_PLAN_CLOSES] = closes;
        session->n_closing = (uint8_t)(session->n_closing - closes);
        memmove(session->closing, session->closing + closes,
                session->n_closing * sizeof session->closing[0]);
    }
    return 1;
}

void hf_pg_forget(hf_driver_session *opaque, hf_io *io, hf_request *request) {
    hf_pg_session *session = hf_pg_of(opaque);
    const uint32_t count = hf_pg_statements_of(request);
    bool known = false;

    for (uint32_t i = 0; hf_pg_keeps(request) && i < count + hf_resolves(request); i++) {
        const hf_statement statement =
            i == count ? (hf_statement){ .sql = HF_PG_SQL_TICKET } : hf_statement_of(request, i);
        uint8_t slot = hf_pg_cache_find(session, io->store, &statement);
        /* An entry that is being prepared anew already is not the one that was gone. */
        if (hf_pg_is_slot(slot) && (session->entries[slot].flags & HF_PG_PARSED)) {
            hf_pg_cache_doom(session, slot);
            known = true;
        }
    }
    session->forgotten += known;
}
