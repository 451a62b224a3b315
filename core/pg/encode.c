#include "session.h"
#include "sql.h"

/* Requests into messages (PostgreSQL docs 55.2.3, 55.7): a request is one flight with one Sync at its end; one
 * that is held (session.h) has its COMMIT in a second flight.
 *
 * Parameters travel beside the text, never in it. All of a request is measured before its first byte is
 * written, or taken back whole: tx never holds half a request.
 */

enum {
    NAME_BYTES_MAX = 12 + 8 + 1, /* how names begin, a 32-bit number, NUL */
    CLOSE_BYTES_MAX = 1 + 4 + 1 + NAME_BYTES_MAX,
    DESCRIBE_BYTES_MAX = 1 + 4 + 1 + NAME_BYTES_MAX,
    PREPARE_BYTES_MAX = 1 + 4 + NAME_BYTES_MAX + 2 + DESCRIBE_BYTES_MAX, /* and the text */
    RUN_BYTES_MAX = (1 + 4 + 1 + NAME_BYTES_MAX + 2 + 2 + 2) + 7 + 10,   /* and the values */
    SYNC_BYTES = 5
};

/* Of put_own(), beside its values. */
#define OWN_BYTES_MAX(sql) (uint32_t)((1 + 4 + 1 + sizeof(sql) + 2) + (1 + 4 + 2 + 2 + 2 + 2) + 10)

#define BIND_EXECUTE_UNNAMED "B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0"
static const char begin_any[] = "P\0\0\0\x0d\0"
                                "BEGIN\0\0\0" BIND_EXECUTE_UNNAMED;
static const char begin_read[] = "P\0\0\0\x17\0"
                                 "BEGIN READ ONLY\0\0\0" BIND_EXECUTE_UNNAMED;
static const char commit[] = "P\0\0\0\x0e\0"
                             "COMMIT\0\0\0" BIND_EXECUTE_UNNAMED;
static const char describe_portal[] = "D\0\0\0\x06P";
static const char sync[] = "S\0\0\0\x04";
static const char bind_end_execute_sync[] = "\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04";
static const char execute[] = "E\0\0\0\x09\0\0\0\0\0";

/* What is being written. at and limit lie in tx; nothing counts until submit() says so. */
typedef struct encoder {
    hf_pg_session *session;
    hf_io *io;
    const hf_request *request;
    uint8_t *at;
    const uint8_t *limit;
    uint64_t wanted;   /* when it does not fit: bytes that were asked for, at least */
    uint32_t sequence; /* of the statement being written */
    uint32_t todo;     /* its answers */
    const char *sql;   /* of the one before it, if that is in the cache: it stays there, in use */
    uint8_t slot;      /* where */
} encoder;

bool hf_pg_append(hf_io *io, const void *bytes, size_t size) {
    hf_buffer *tx = &io->tx;

    if (size > tx->size - tx->end) {
        return false;
    }
    memcpy(tx->data + tx->end, bytes, size);
    tx->end += (uint32_t)size;
    io->tx_total += size;
    return true;
}

static int refuse(hf_io *io, hf_err code, const char *why) {
    hf_error_set(&io->error, code, HF_PHASE_QUERY, why);
    return code;
}

/* 1: so many bytes more can be written. */
static int fits(encoder *out, uint64_t bytes) {
    if (bytes <= (uint64_t)(out->limit - out->at)) {
        return 1;
    }
    out->wanted = bytes + (uint64_t)(out->at - (out->io->tx.data + out->io->tx.end));
    return 0;
}

static uint8_t *put_name(uint8_t *at, const hf_pg_session *session, uint32_t number) {
    if (number != 0) {
        at = hf_pg_put(at, session->name, sizeof session->name);
        for (; number != 0; number >>= 4) {
            *at++ = (uint8_t) "0123456789abcdef"[number & 15];
        }
    }
    *at++ = 0;
    return at;
}

/* Starts a message; end_message() fills its length in. */
static uint8_t *begin_message(uint8_t *at, char type) {
    *at = (uint8_t)type;
    return at + 5;
}

static uint8_t *end_message(uint8_t *start, uint8_t *end) {
    hf_pg_put32(start + 1, (uint32_t)(end - start - 1));
    return end;
}

static uint8_t *put_named(uint8_t *at, char type, char kind, const hf_pg_session *session,
                          uint32_t number) {
    uint8_t *end = begin_message(at, type);

    *end++ = (uint8_t)kind;
    return end_message(at, put_name(end, session, number));
}

/* Bytes of all values in a Bind, < 0 when one can never be sent. */
static int64_t values_bytes(hf_io *io, const hf_value *values, uint16_t n_values) {
    uint64_t sum = 4 * (uint64_t)n_values;

    for (uint32_t i = 0; i < n_values; i++) {
        const hf_value *value = &values[i];
        if (!value->data) {
            continue;
        }
        if (value->bytes > INT32_MAX) {
            return refuse(io, HF_ERR_TOO_LARGE, "a parameter is larger than PostgreSQL takes");
        }
        if (value->bytes > 0 && memchr(value->data, 0, value->bytes)) {
            return refuse(io, HF_ERR_ARGUMENT,
                          "a parameter has a NUL character in it: PostgreSQL has no such text");
        }
        sum += value->bytes;
    }
    return (int64_t)sum; /* at most 65535 values of 2 GB */
}

/* A statement of the session's own, unnamed, its parameters NUL-free texts: Parse, Bind, Execute. */
static uint8_t *put_own(uint8_t *start, const char *sql, size_t sql_bytes, const hf_value *values,
                        uint16_t n_values) {
    uint8_t *at = begin_message(start, 'P');

    *at++ = 0;
    at = hf_pg_put(at, sql, sql_bytes);
    at = start = end_message(start, hf_pg_put16(at, 0));
    at = begin_message(at, 'B');
    *at++ = 0; /* the unnamed portal */
    *at++ = 0; /* of the unnamed statement */
    at = hf_pg_put16(at, 0);
    at = hf_pg_put16(at, n_values);
    for (uint16_t i = 0; i < n_values; i++) {
        at = hf_pg_put32(at, (uint32_t)values[i].bytes);
        at = hf_pg_put(at, values[i].data, values[i].bytes);
    }
    at = end_message(start, hf_pg_put16(at, 0));
    return hf_pg_put(at, execute, sizeof execute - 1);
}

static void put_prepare(encoder *out, const char *sql, size_t sql_bytes, uint32_t number) {
    uint8_t *start = out->at;
    uint8_t *at = put_name(begin_message(start, 'P'), out->session, number);

    at = hf_pg_put(at, sql, sql_bytes);
    at = end_message(start, hf_pg_put16(at, 0)); /* the server finds the parameters' types */
    out->at = put_named(at, 'D', 'S', out->session, number);
}

/* Bind, up to its values. */
static inline uint8_t *begin_bind(uint8_t *start, const hf_pg_session *session, uint32_t number,
                                  uint16_t n_values) {
    uint8_t *at = begin_message(start, 'B');

    *at++ = 0; /* the unnamed portal */
    at = put_name(at, session, number);
    at = hf_pg_put16(at, 0); /* all parameters are text */
    return hf_pg_put16(at, n_values);
}

static void put_run(encoder *out, const hf_statement *statement, uint32_t number) {
    uint8_t *start = out->at;
    uint8_t *at = begin_bind(start, out->session, number, statement->n_params);

    for (uint32_t i = 0; i < statement->n_params; i++) {
        const hf_value *value = &statement->params[i];
        if (!value->data) {
            at = hf_pg_put32(at, UINT32_MAX);
            continue;
        }
        at = hf_pg_put32(at, (uint32_t)value->bytes);
        if (value->bytes > 0) {
            at = hf_pg_put(at, value->data, value->bytes);
        }
    }
    at = end_message(start, hf_pg_put16(at, 0)); /* results are text too */
    if (out->todo & HF_PG_PORTAL) {
        at = hf_pg_put(at, describe_portal, sizeof describe_portal);
    }
    out->at = hf_pg_put(at, execute, sizeof execute - 1);
}

/* Behind a pooler that mixes sessions, prepared statements are often gone: then each flight brings its own. */
static bool caching(const hf_pg_session *session) {
    return HF_STATEMENTS > 0 && session->forgotten < 4 + session->sent / 16;
}

/* One statement: what it takes is measured first. 1 written, 0 does not fit, < 0 an hf_err. */
static int put_statement(encoder *out, const hf_statement *statement) {
    hf_pg_session *session = out->session;
    const char *sql = statement->sql;
    size_t sql_bytes = 0;
    uint64_t need = RUN_BYTES_MAX;

    if (!sql || (statement->n_params > 0 && !statement->params)) {
        return refuse(out->io, HF_ERR_ARGUMENT,
                      "a statement without text, or without its parameters");
    }
    out->todo = 0;
    uint8_t slot = HF_STATEMENTS == 0 ? HF_PG_NO_SLOT
                   : sql == out->sql  ? out->slot
                                      : hf_pg_cache_find(session, out->io->store, sql);
    if (slot == HF_PG_NO_SLOT) {
        const char *why =
            hf_pg_sql_refused(sql, hf_is_batch(out->request) || hf_resolves(out->request));
        if (why) {
            return refuse(out->io, HF_ERR_ARGUMENT, why);
        }
        out->todo = HF_PG_PREPARE;
        sql_bytes = strlen(sql) + 1;
        need += PREPARE_BYTES_MAX + (uint64_t)sql_bytes;
    } else if (out->request->prepare_only) {
        out->todo = HF_PG_PARAMS | HF_PG_DESCRIBE;
    }
    int64_t values = values_bytes(out->io, statement->params, statement->n_params);
    if (values < 0) {
        return (int)values;
    }
    if (!fits(out, need + (uint64_t)values)) {
        return 0;
    }

    if (out->todo & HF_PG_PARSE && caching(session)) {
        slot = hf_pg_cache_add(session, out->io->store, sql, sql_bytes, out->sequence);
    }
    uint32_t number = 0;
    bool kept = false;
    if (slot != HF_PG_NO_SLOT) {
        hf_pg_entry *entry = &session->entries[slot];
        entry->used_by = out->sequence;
        number = entry->number;
        kept = entry->flags & HF_PG_KEPT;
        out->sql = sql;
        out->slot = slot;
    }
    if (out->todo & HF_PG_PARSE) {
        put_prepare(out, sql, sql_bytes, number);
    } else if (out->todo & HF_PG_DESCRIBE) {
        out->at = put_named(out->at, 'D', 'S', session, number);
    }
    if (!out->request->prepare_only) {
        if (out->request->on_columns && !kept && !(out->todo & HF_PG_DESCRIBE)) {
            out->todo |= HF_PG_PORTAL;
        }
        out->todo |= HF_PG_RUN;
        put_run(out, statement, number);
    }
    return 1;
}

/* A flight in full but its Sync. *first: the answers that come first; *executed: where the byte ends that
 * can have an effect. */
static int put_flight(encoder *out, uint8_t closes, uint32_t *first, const uint8_t **executed) {
    const hf_request *request = out->request;
    hf_pg_session *session = out->session;
    const bool batch = hf_is_batch(request), held = hf_is_held(request);
    const bool around = batch || held || (session->wrap && !request->prepare_only);
    const uint32_t end_bytes = held ? OWN_BYTES_MAX(HF_PG_SQL_TICKET) : sizeof commit;
    int done;

    for (uint8_t i = 0; i < closes; i++) {
        out->at = put_named(out->at, 'C', 'S', session, session->closing[i]);
    }
    *first = HF_PG_SYNC | (closes > 0 ? HF_PG_CLOSE : 0);
    if (around) {
        const bool read = session->wrap;
        if (!fits(out, sizeof begin_read + end_bytes)) {
            return 0;
        }
        out->at = read ? hf_pg_put(out->at, begin_read, sizeof begin_read - 1)
                       : hf_pg_put(out->at, begin_any, sizeof begin_any - 1);
        out->limit -= end_bytes;
        *first |= HF_PG_BEGIN | HF_PG_COMMIT;
    }
    if (batch) {
        for (uint16_t i = 0; i < request->n_batch; i++, out->sequence++) {
            done = put_statement(out, &request->batch[i]);
            if (done <= 0) {
                return done;
            }
        }
    } else {
        const hf_statement only = { .sql = request->sql,
                                    .params = request->params,
                                    .n_params = request->n_params };
        done = put_statement(out, &only);
        if (done <= 0) {
            return done;
        }
        out->sequence++;
        *first |= out->todo;
    }
    *executed = out->at;
    if (held) { /* its effect waits for another flight */
        out->at = put_own(out->at, HF_PG_SQL_TICKET, sizeof HF_PG_SQL_TICKET, NULL, 0);
        return 1;
    }
    if (around) {
        out->at = hf_pg_put(out->at, commit, sizeof commit - 1);
    }
    /* A batch takes effect by its COMMIT's Execute; what was executed before is undone when that does not
     * arrive. A single statement may take effect by its own (VACUUM, CALL). */
    if (batch) {
        *executed = out->at;
    }
    return 1;
}

/* A flight is written: from here on it counts. executed: bytes up to the end of what can have an effect. */
static inline void commit_flight(hf_pg_session *session, hf_io *io, hf_request *request,
                                 size_t bytes, size_t executed, uint32_t todo, uint16_t n_columns) {
    request->sent_at = io->tx_total + executed;
    request->statement = 0;
    request->complete = false;
    hf_pg_plan_put(request, (uint16_t)todo, n_columns);
    io->tx_total += bytes;
    io->tx.end += (uint32_t)bytes;
    session->in_flight++;
}

/* Writes the flight behind what is in tx, closing so many old statements on the way. */
static int encode(hf_pg_session *session, hf_io *io, hf_request *request, uint8_t closes,
                  uint64_t *wanted) {
    hf_buffer *tx = &io->tx;
    uint8_t *start = tx->data + tx->end;
    const uint32_t fixed = HF_PG_TX_RESERVE + SYNC_BYTES + (uint32_t)closes * CLOSE_BYTES_MAX;
    const uint8_t *executed = NULL;
    uint32_t first = 0;

    *wanted = fixed;
    if (tx->size - tx->end < fixed) {
        return 0;
    }
    encoder out = { .session = session,
                    .io = io,
                    .request = request,
                    .at = start,
                    .limit = tx->data + tx->size - HF_PG_TX_RESERVE - SYNC_BYTES,
                    .sequence = session->sent };
    int done = put_flight(&out, closes, &first, &executed);
    if (done <= 0) {
        if (HF_STATEMENTS > 0) {
            hf_pg_cache_undo(session, io->store, session->sent, hf_pg_statements_of(request));
        }
        *wanted = out.wanted + HF_PG_TX_RESERVE + SYNC_BYTES;
        return done;
    }
    out.at = hf_pg_put(out.at, sync, SYNC_BYTES);
    commit_flight(session, io, request, (size_t)(out.at - start), (size_t)(executed - start), first,
                  HF_PG_COLUMNS_UNKNOWN);
    request->driver_state[HF_PG_PLAN_CLOSES] = closes;
    if (request->prepare_only) {
        request->sent_at = UINT64_MAX; /* nothing of it has an effect */
    }
    session->sent = out.sequence;
    if (closes > 0) { /* others may have been added behind them */
        session->n_closing = (uint8_t)(session->n_closing - closes);
        memmove(session->closing, session->closing + closes,
                session->n_closing * sizeof session->closing[0]);
    }
    return 1;
}

/* A flight that is one statement of the session's own: its COMMIT or ROLLBACK (of a request that is in flight
 * already), or the question what became of it. */
static int submit_own(hf_pg_session *session, hf_io *io, hf_request *request) {
    static const char rollback[] = "ROLLBACK", asking[] = HF_PG_SQL_ASK;
    enum { ASK_BYTES_MAX = OWN_BYTES_MAX(asking) + 2 * 4 + HF_TICKET_BYTES };
    hf_buffer *tx = &io->tx;
    const bool ask = hf_stage_of(request) == HF_STAGE_ASK;
    const uint32_t need = (ask ? ASK_BYTES_MAX : OWN_BYTES_MAX(rollback)) + SYNC_BYTES;
    uint8_t *start = tx->data + tx->end, *at = start;

    if (tx->size - tx->end < need + (ask ? HF_PG_TX_RESERVE : 0)) {
        if (tx->end > 0) {
            return 0;
        }
        hf_pg_say(io, HF_ERR_TOO_LARGE, HF_PHASE_QUERY,
                  "the question takes %u bytes, the transmit buffer (tx_bytes) has %u", need,
                  tx->size);
        return HF_ERR_TOO_LARGE;
    }
    if (ask) {
        const char *space = strchr(request->ticket, ' '), *rest = space ? space + 1 : "";
        const hf_value values[] = {
            { .data = request->ticket, .bytes = space ? (size_t)(space - request->ticket) : 0 },
            { .data = rest, .bytes = strlen(rest) },
        };
        at = put_own(at, asking, sizeof asking, values, 2);
        session->sent += hf_pg_statements_of(request);
        session->in_flight++;
    } else if (hf_stage_of(request) == HF_STAGE_COMMIT) {
        at = hf_pg_put(at, commit, sizeof commit - 1);
    } else {
        at = put_own(at, rollback, sizeof rollback, NULL, 0);
    }
    session->said = 0;
    request->fate = HF_FATE_NONE;
    request->sent_at = io->tx_total + (uint64_t)(at - start);
    at = hf_pg_put(at, sync, SYNC_BYTES);
    hf_pg_plan_put(request, HF_PG_OWN | HF_PG_SYNC, HF_PG_COLUMNS_UNKNOWN);
    io->tx_total += (uint64_t)(at - start);
    tx->end += (uint32_t)(at - start);
    return 1;
}

/* Any request at all. */
static int submit_any(hf_pg_session *session, hf_io *io, hf_request *request) {
    const uint8_t closes = HF_STATEMENTS > 0 ? session->n_closing : 0;
    uint64_t wanted = 0;

    if (hf_stage_of(request) != HF_STAGE_RUN) {
        return submit_own(session, io, request);
    }
    request->held = hf_resolves(request) && !request->prepare_only && !io->ticketless &&
                    !hf_pg_self_commits(request);
    request->ticket[0] = 0;

    if (hf_is_batch(request) && (request->prepare_only || !request->batch)) {
        return refuse(io, HF_ERR_ARGUMENT, "a batch cannot be prepared only");
    }
    int done = encode(session, io, request, closes, &wanted);
    if (done == 0 && closes > 0) {
        done = encode(session, io, request, 0, &wanted); /* they can wait, it cannot */
    }
    if (done == 0 && (io->tx.end == 0 || wanted > io->tx.size)) {
        hf_pg_say(io, HF_ERR_TOO_LARGE, HF_PHASE_QUERY,
                  "the request takes at least %u bytes, the transmit buffer (tx_bytes) has %u",
                  wanted, io->tx.size);
        return HF_ERR_TOO_LARGE;
    }
    return done;
}

/* Copies a value. False: it has a NUL in it. Most are too short for a call. */
static inline bool put_text(uint8_t *at, const char *from, size_t bytes) {
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

/* A single statement that was prepared before is the usual case: without the detours of the others, and without
 * their judgement, for whatever is not as it should be is left to submit_any(). */
int hf_pg_submit(hf_session *opaque, hf_io *io, hf_request *request) {
    hf_pg_session *session = hf_pg_of(opaque);
    hf_buffer *tx = &io->tx;
    hf_pg_entry *entry = &session->entries[session->slot];

    if (tx->start == tx->end) {
        tx->start = tx->end = 0;
    }
    const uint32_t room = tx->size - tx->end, least = RUN_BYTES_MAX + SYNC_BYTES + HF_PG_TX_RESERVE;
    if (HF_STATEMENTS == 0 || room < least || hf_is_batch(request) || request->prepare_only ||
        session->wrap || hf_resolves(request) || session->n_closing > 0 || !request->sql ||
        (request->n_params > 0 && !request->params) ||
        (entry->flags & (HF_PG_PARSED | HF_PG_DOOMED)) != HF_PG_PARSED ||
        (request->on_columns && !(entry->flags & HF_PG_KEPT)) ||
        strcmp((const char *)io->store + entry->at, request->sql) != 0) {
        return submit_any(session, io, request);
    }

    uint8_t *start = tx->data + tx->end,
            *at = begin_bind(start, session, entry->number, request->n_params);
    size_t left = room - least; /* for values */
    for (uint32_t i = 0; i < request->n_params; i++) {
        const hf_value *value = &request->params[i];
        if (left < 4) {
            return submit_any(session, io, request);
        }
        left -= 4;
        if (!value->data) {
            at = hf_pg_put32(at, UINT32_MAX);
            continue;
        }
        if (value->bytes > left || !put_text(at + 4, value->data, value->bytes)) {
            return submit_any(session, io, request);
        }
        left -= value->bytes;
        at = hf_pg_put32(at, (uint32_t)value->bytes) + value->bytes;
    }
    hf_pg_put32(start + 1, (uint32_t)(at + 2 - start - 1));
    at = hf_pg_put(at, bind_end_execute_sync, sizeof bind_end_execute_sync - 1);

    entry->used_by = session->sent++;
    const size_t bytes = (size_t)(at - start);
    commit_flight(session, io, request, bytes, bytes - SYNC_BYTES, HF_PG_RUN | HF_PG_SYNC,
                  entry->n_columns);
    return 1;
}

void hf_pg_forget(hf_session *opaque, hf_io *io, hf_request *request) {
    hf_pg_session *session = hf_pg_of(opaque);
    bool known = false;

    for (uint32_t i = 0; HF_STATEMENTS > 0 && i < hf_pg_statements_of(request); i++) {
        const char *sql = hf_is_batch(request) ? request->batch[i].sql : request->sql;
        uint8_t slot = hf_pg_cache_find(session, io->store, sql);
        /* One that is being prepared anew already is not the one that was gone. */
        if (slot != HF_PG_NO_SLOT && (session->entries[slot].flags & HF_PG_PARSED)) {
            hf_pg_cache_doom(session, io->store, slot);
            known = true;
        }
    }
    session->forgotten += known;
}
