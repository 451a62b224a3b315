#include "cache.h"
#include "columns.h"
#include "encode.h"
#include "feed.h"
#include "frame.h"
#include "login.h"
#include "sql.h"
#include "version.h"

/* The driver's table, submit() for the usual request, a single statement, and feed() for the usual message, a row;
 * hf_pg_submit_any() and hf_pg_feed_any() take all others. (PostgreSQL docs 55.2.)
 */

/* --- feed ------------------------------------------------------------------------------------------ */

/* The usual message is one more row, whole in rx. */
static hf_driver_event feed(hf_driver_session *opaque, hf_io *io, hf_request *oldest) {
    hf_pg_session *session = hf_pg_of(opaque);
    const uint8_t *at = io->rx.data + io->rx.start;
    const uint32_t there = io->rx.end - io->rx.start;

    if (HF_WITH_FAST_PATHS && hf_pg_awaits_rows(session->answers_due) && !session->unusual &&
        oldest && there >= HF_PG_HEADER_BYTES && *at == 'D') {
        const uint32_t length = hf_pg_get32(at + 1);
        if (length < there && hf_pg_row_is_good(session, at + HF_PG_HEADER_BYTES, length)) {
            io->rx.start += 1 + length;
            return hf_pg_row(session, io, oldest, at + HF_PG_HEADER_BYTES);
        }
    }
    return hf_pg_feed_any(session, io, oldest);
}

/* --- submit ---------------------------------------------------------------------------------------- */

enum {
    SYNC_BYTES = 5,
    PARSE_BYTES = 1 + 4 + 1 + 2 /* an unnamed statement's Parse without its text and NUL */
};
static const char bind_end_execute_sync[] = "\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04";

/* A usual flight without Parse and values, and what it leaves free. */
enum { USUAL_BYTES_MAX = HF_PG_BIND_BYTES_MAX + sizeof bind_end_execute_sync + HF_PG_TX_RESERVE };

/* 0: all values are text, and the parameters have the types that the server finds. */
static inline uintptr_t not_text(const hf_request *request) {
#if HF_WITH_VALUES
    return (uintptr_t)request->param_kinds | (uintptr_t)request->result_format;
#else
    (void)request;
    return 0;
#endif
}

/* Is the request a single statement and nothing more? False also if something is wrong with it: hf_pg_submit_any()
 * knows what. */
static inline bool is_usual(const hf_pg_session *session, const hf_io *io,
                            const hf_request *request) {
    return (not_text(request) | request->n_batch | request->prepare_only |
            (uintptr_t)hf_stage_of(request) | session->n_closing) == 0 &&
           !hf_pg_wraps(io) && !hf_is_transaction(request) && request->sql &&
           (request->n_params == 0 || request->params);
}

/* Writes the rest of a flight whose Bind ends at `at`, but for the Bind's last two bytes. True. */
static inline bool append_usual(hf_pg_session *session, hf_io *io, hf_request *request, uint8_t *at,
                                uint32_t answers_due, uint16_t n_columns) {
    at = hf_pg_put(at, bind_end_execute_sync, sizeof bind_end_execute_sync - 1);

    const uint32_t bytes = (uint32_t)(at - (io->tx.data + io->tx.end));
    session->sent += HF_WITH_PREPARED;
    hf_pg_begin_request(session, request);
    hf_pg_append_flight(io, request, bytes, bytes - SYNC_BYTES, answers_due, n_columns);
    return true;
}

/* Submits a statement that was prepared before. False: it is not that one, or there is no room. */
static inline bool submit_kept(hf_pg_session *session, hf_io *io, hf_request *request) {
    const hf_buffer *tx = &io->tx;
    hf_pg_entry *entry = &session->entries[session->slot];
    const uint32_t room = tx->size - tx->end;

    if (room < USUAL_BYTES_MAX ||
        (entry->flags & (HF_PG_PARSED | HF_PG_DOOMED | HF_PG_TYPED)) != HF_PG_PARSED ||
        (request->on_columns && !(entry->flags & HF_PG_KEPT)) ||
        strcmp((const char *)io->store + entry->at, request->sql) != 0) {
        return false;
    }
    uint8_t *start = tx->data + tx->end;
    uint8_t *at = hf_pg_write_name(hf_pg_begin_bind(start), session, entry->number);
    at = hf_pg_write_values(start, at, room - USUAL_BYTES_MAX, request->params, request->n_params);
    if (!at) {
        return false;
    }
    entry->used_by = session->sent;
    return append_usual(session, io, request, at, HF_PG_RUN | HF_PG_SYNC, entry->n_columns);
}

/* Submits a statement that is parsed afresh, while nothing is kept prepared, or known of the isolation, that it could
 * make stale. False: it may be COPY, to judge by its first letter, or there is no room. */
static inline bool submit_afresh(hf_pg_session *session, hf_io *io, hf_request *request) {
    const hf_buffer *tx = &io->tx;
    const size_t sql_bytes = strlen(request->sql) + 1, room = tx->size - tx->end,
                 least = PARSE_BYTES + USUAL_BYTES_MAX;
    const char letter = (char)(request->sql[0] | 0x20);

    if (session->stored > 0 || session->isolated || request->on_columns || letter < 'd' ||
        letter > 'z' || room < least || room - least < sql_bytes) {
        return false;
    }
    uint8_t *at = tx->data + tx->end;
    *at = 'P';
    at = hf_pg_put32(at + 1, (uint32_t)(PARSE_BYTES - 1 + sql_bytes));
    *at++ = 0;
    at = hf_pg_put(at, request->sql, sql_bytes);
    at = hf_pg_put16(at, 0); /* the server finds the parameters' types */
    uint8_t *bind = at;
    at = hf_pg_begin_bind(bind);
    *at++ = 0;
    at = hf_pg_write_values(bind, at, room - least - sql_bytes, request->params, request->n_params);
    return at && append_usual(session, io, request, at, HF_PG_NEXT, HF_PG_COLUMNS_UNKNOWN);
}

static int submit(hf_driver_session *opaque, hf_io *io, hf_request *request) {
    hf_pg_session *session = hf_pg_of(opaque);
    hf_buffer *tx = &io->tx;

    if (tx->start == tx->end) {
        tx->start = tx->end = 0;
    }
    if (HF_WITH_FAST_PATHS && is_usual(session, io, request) &&
        !hf_pg_asks_isolation(session, io, request) &&
        (hf_pg_keeps(request) ? submit_kept(session, io, request)
                              : submit_afresh(session, io, request))) {
        return 1;
    }
    return hf_pg_submit_any(session, io, request);
}

#if HF_WITH_GROUPS
/* A flight that may share a Sync begins with the Bind of a statement that is kept: no transaction is put around it, it
 * is none that changes a setting (hf_pg_effect_of()), and closes none. */
static bool join(hf_io *io, hf_request *before, hf_request *request, uint32_t bytes) {
    hf_buffer *tx = &io->tx;
    uint8_t *start = tx->data + tx->end - bytes;

    if (*start != 'B') {
        return false;
    }
    request->share = HF_SHARE_MAY;
    if (!before || !(before->share & HF_SHARE_MAY) || tx->end - bytes - tx->start < SYNC_BYTES ||
        before->sent_at + SYNC_BYTES + bytes != io->tx_total) {
        return false;
    }
    memmove(start - SYNC_BYTES, start, bytes);
    tx->end -= SYNC_BYTES;
    io->tx_total -= SYNC_BYTES;
    request->sent_at -= SYNC_BYTES;
    before->share |= HF_SHARE_NEXT;
    hf_pg_plan_share(before);
    return true;
}
#endif

/* --- the rest of the table ------------------------------------------------------------------------- */

static size_t tls_request(uint8_t *out) {
    static const uint8_t ssl_request[8] = { 0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f };

    memcpy(out, ssl_request, sizeof ssl_request);
    return sizeof ssl_request;
}

/* The server answers SSLRequest (PostgreSQL docs 55.2.10). 'E' begins an error in clear text, which anybody may have
 * written: it is not read (CVE-2024-10977). */
static int tls_answer(uint8_t byte) {
    return byte == 'S' ? HF_OK : byte == 'N' ? HF_ERR_TLS_REFUSED : HF_ERR_PROTOCOL;
}

/* A Sync alone costs the server nothing, and is answered by ReadyForQuery. */
static int probe(hf_driver_session *opaque, hf_io *io) {
    static const uint8_t sync[5] = { 'S', 0, 0, 0, 4 };
    hf_pg_session *session = hf_pg_of(opaque);

    if (session->in_flight > 0 || session->probing || !hf_pg_append(io, sync, sizeof sync)) {
        return 0;
    }
    session->probing = session->unusual = true;
    return 1;
}

/* CancelRequest, sent on a link of its own (PostgreSQL docs 55.2.8). */
static size_t cancel(const hf_driver_session *opaque, uint8_t *out) {
    static const uint8_t request[8] = { 0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e };
    const hf_pg_session *session = (const hf_pg_session *)(const void *)opaque->opaque;
    const size_t key_bytes = hf_pg_key_bytes(session);

    if (!session->has_key) {
        return 0;
    }
    memcpy(out, request, sizeof request);
    if (HF_WITH_VERSIONS) {
        hf_pg_put32(out, (uint32_t)(sizeof request + key_bytes));
    }
    memcpy(out + sizeof request, session->key, key_bytes);
    return sizeof request + key_bytes;
}

/* Terminate (PostgreSQL docs 55.2.9). */
static void bye(hf_driver_session *opaque, hf_io *io) {
    static const uint8_t terminate[5] = { 'X', 0, 0, 0, 4 };

    (void)opaque;
    hf_pg_append(io, terminate, sizeof terminate);
}

static const char *const schemes[] = { "postgres", "postgresql", NULL };

const hf_driver hf_driver_pg = {
    .name = "pg",
    .schemes = schemes,
    .alpn = "postgresql",
    .default_port = 5432,
    .tls_request = tls_request,
    .tls_answer = tls_answer,
    .start = hf_pg_start,
#if HF_WITH_VERSIONS
    .hung_up = hf_pg_hung_up,
#endif
    .feed = feed,
    .submit = submit,
#if HF_WITH_GROUPS
    .join = join,
#endif
    .forget = hf_pg_forget,
    .self_commits = hf_pg_self_commits,
    .waits_not = hf_pg_waits_not,
    .probe = probe,
    .cancel = cancel,
    .bye = bye,
    .columns_next = hf_pg_columns_next,
    .field = hf_pg_field,
};
