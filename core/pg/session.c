#include "session.h"
#include "sql.h"

/* The driver's table, and feed() for what most messages are, rows; everything else goes through
 * hf_pg_feed_any(). A row is checked once, column by column, when it comes: whoever reads its values then needs
 * no checks.
 */

/* --- feed ------------------------------------------------------------------------------------------ */

/* Most of all there is comes here: one more row, whole in rx. */
static hf_news feed(hf_session *opaque, hf_io *io, hf_request *oldest) {
    hf_pg_session *session = hf_pg_of(opaque);
    const uint8_t *at = io->rx.data + io->rx.start;
    const uint32_t there = io->rx.end - io->rx.start;

    if (session->todo == (HF_PG_ROWS | HF_PG_SYNC) && !session->unusual && oldest &&
        there >= HF_PG_HEADER_BYTES && *at == 'D') {
        const uint32_t length = hf_pg_get32(at + 1);
        if (length < there && hf_pg_row_is_good(session, at + HF_PG_HEADER_BYTES, length)) {
            io->rx.start += 1 + length;
            return hf_pg_row(session, io, oldest, at + HF_PG_HEADER_BYTES);
        }
    }
    return hf_pg_feed_any(session, io, oldest);
}

/* --- the rest of the table ------------------------------------------------------------------------- */

static size_t tls_request(uint8_t *out) {
    static const uint8_t ssl_request[8] = { 0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f };

    memcpy(out, ssl_request, sizeof ssl_request);
    return sizeof ssl_request;
}

/* 'E' begins an error in clear text: anybody's words, not read (CVE-2024-10977). */
static int tls_answer(uint8_t byte) {
    return byte == 'S' ? HF_OK : byte == 'N' ? HF_ERR_TLS_REFUSED : HF_ERR_PROTOCOL;
}

static int probe(hf_session *opaque, hf_io *io) {
    static const uint8_t sync[5] = { 'S', 0, 0, 0, 4 };
    hf_pg_session *session = hf_pg_of(opaque);

    if (session->in_flight > 0 || session->probing || !hf_pg_append(io, sync, sizeof sync)) {
        return 0;
    }
    session->probing = session->unusual = true;
    return 1;
}

/* CancelRequest, PostgreSQL docs 55.2.9. */
static size_t cancel(const hf_session *opaque, uint8_t *out) {
    const hf_pg_session *session = (const hf_pg_session *)(const void *)opaque->opaque;

    if (!session->has_key) {
        return 0;
    }
    out = hf_pg_put32(out, 16);
    out = hf_pg_put32(out, 1234u << 16 | 5678);
    out = hf_pg_put32(out, session->pid);
    hf_pg_put32(out, session->key);
    return 16;
}

static void bye(hf_session *opaque, hf_io *io) {
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
    .feed = feed,
    .submit = hf_pg_submit,
    .forget = hf_pg_forget,
    .self_commits = hf_pg_self_commits,
    .probe = probe,
    .cancel = cancel,
    .bye = bye,
    .columns_next = hf_pg_columns_next,
    .field = hf_pg_field,
};
