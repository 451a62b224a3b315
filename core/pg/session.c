#include "session.h"
#include "sql.h"

/* The driver's table, and feed(): bytes into news.
 *
 * What most messages are (rows, and the answers to a statement that was prepared before) is dealt with
 * here in a few instructions, when the message is whole in rx; everything else goes through
 * hf_pg_receive() and hf_pg_answer(). A row is checked once, column by column, when it comes: whoever reads
 * its values then needs no checks. The bytes of a piece of news stay in rx until the next call.
 */

static int broken(hf_io *io, hf_phase phase, const char *format, uint8_t type, uint64_t number) {
    hf_pg_broken(io, phase, format, type, number);
    return -1;
}

int hf_pg_receive(hf_pg_session *session, hf_io *io, hf_phase phase, hf_pg_message *message) {
    hf_buffer *rx = &io->rx;
    const bool login = session->mode != HF_PG_RUNNING;

    rx->start += session->consume;
    session->consume = 0;
    uint32_t there = rx->end - rx->start;
    if (session->skip > 0) {
        uint32_t bytes = there < session->skip ? there : session->skip;
        rx->start += bytes;
        session->skip -= bytes;
        there -= bytes;
    }
    if (there < HF_PG_HEADER_BYTES) {
        return 0;
    }
    const uint8_t *at = rx->data + rx->start;
    const uint8_t type = at[0];
    const uint32_t length = hf_pg_get32(at + 1), max = hf_pg_length_max(type, login);
    if (max == 0) {
        return broken(io, phase, "a message of type %c, which nobody asked for", type, 0);
    }
    if (length < HF_PG_LENGTH_MIN || length > max) {
        return broken(io, phase, "a message of type %c cannot be %u bytes long", type, length);
    }
    uint32_t size = 1 + length, take = size;
    bool cut = false;
    if (size > there) {
        if (size <= rx->size) {
            return 0;
        }
        switch (type) {
        case 'E':
        case 'N':
        case 'T':
        case 't': /* their beginning is what matters */
            if (there < rx->size) {
                return 0;
            }
            break;
        case 'D':
        case 'S':
        case 'A': break;
        default:
            return broken(io, phase, "a message of type %c and %u bytes is larger than rx_bytes",
                          type, length);
        }
        take = there;
        cut = true;
    }
    session->consume = take;
    session->skip = size - take;
    *message = (hf_pg_message){ .body = at + HF_PG_HEADER_BYTES,
                                .bytes = take - HF_PG_HEADER_BYTES,
                                .size = length - 4,
                                .type = type,
                                .cut = cut };
    return 1;
}

/* Values go to and from the server as they are: they must be UTF-8 there too. */
static bool is_utf8(const char *encoding) {
    static const char *const names[] = { "UTF8", "utf8", "UTF-8", "utf-8", "UNICODE" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(encoding, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

hf_news hf_pg_aside(hf_io *io, hf_phase phase, const hf_pg_message *message) {
    hf_pg_body body = { .at = message->body, .end = message->body + message->bytes, .good = true };

    if (message->type == 'N') {
        if (hf_pg_read_error(io, message->body, message->bytes, message->cut, HF_OK, phase)) {
            return HF_NEWS_NOTICE;
        }
    } else if (message->cut) {
        return HF_NEWS_MORE; /* too large for anybody to have use of */
    } else if (message->type == 'A') {
        hf_pg_read32(&body); /* the process that sent it */
        io->channel = hf_pg_read_text(&body);
        io->payload = hf_pg_read_text(&body);
        if (hf_pg_read_whole(&body)) {
            return HF_NEWS_NOTIFY;
        }
    } else {
        const char *name = hf_pg_read_text(&body), *value = hf_pg_read_text(&body);
        if (hf_pg_read_whole(&body)) {
            return strcmp(name, "client_encoding") != 0 || is_utf8(value)
                       ? HF_NEWS_MORE
                       : hf_pg_broken(io, phase, "client_encoding is not UTF8 any more", 0, 0);
        }
    }
    return hf_pg_broken(io, phase, "a malformed message of type %c and %u bytes", message->type,
                        message->bytes);
}

/* --- rows ------------------------------------------------------------------------------------------ */

/* A DataRow's body: a count, then for each column a length (-1 NULL) and so many bytes. Lengths are summed up in
 * 64 bits, where they cannot wrap; one that is too long fails at the next column, or at the end. */
static inline bool row_is_good(hf_pg_session *session, const uint8_t *body, uint32_t bytes) {
    uint64_t place = 2;

    if (bytes < 2) {
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
        const uint32_t length = hf_pg_get32(body + place);
        place += 4;
        if (length != UINT32_MAX) {
            place += length;
        }
    }
    return place == bytes;
}

static bool row_next(hf_row *row, hf_value *value) {
    if (row->column >= row->n_columns) {
        return false;
    }
    const uint32_t length = hf_pg_get32(row->at);
    row->column++;
    row->at += 4;
    if (length == UINT32_MAX) {
        *value = (hf_value){ 0 };
        return true;
    }
    *value = (hf_value){ .data = (const char *)row->at, .bytes = length };
    row->at += length;
    return true;
}

static inline hf_news row(hf_pg_session *session, hf_io *io, const hf_request *request,
                          const uint8_t *body) {
    io->row.driver = &hf_driver_pg;
    io->row.at = io->row.first = body + 2;
    io->row.n_columns = session->n_columns;
    io->row.column = 0;
    io->row.statement = request->statement;
    return HF_NEWS_ROW;
}

/* A row that rx cannot hold: the request fails, the connection stays. */
static hf_news skip_row(hf_pg_session *session, hf_io *io, uint32_t size) {
    if (session->said & HF_PG_SAID_SKIPPED) {
        return HF_NEWS_MORE;
    }
    session->said |= HF_PG_SAID_SKIPPED;
    hf_pg_say(io, HF_ERR_TOO_LARGE, HF_PHASE_QUERY,
              "a row of %u bytes; the receive buffer (rx_bytes) has %u", size, io->rx.size);
    return HF_NEWS_SKIPPED;
}

static hf_news any_row(hf_pg_session *session, hf_io *io, const hf_request *request,
                       const hf_pg_message *message) {
    if ((session->todo & HF_PG_MAYBE) && hf_pg_is_due(session, HF_PG_PORTAL)) {
        session->todo &= ~(uint32_t)HF_PG_PORTAL; /* of a batch: it was not described */
    }
    if (!hf_pg_is_due(session, HF_PG_ROWS)) {
        return hf_pg_broken(io, HF_PHASE_QUERY, "a row out of place", 0, 0);
    }
    if (message->cut) {
        return skip_row(session, io, message->size);
    }
    if (!row_is_good(session, message->body, message->bytes)) {
        return hf_pg_broken(io, HF_PHASE_QUERY, "a malformed row of %u bytes", message->bytes, 0);
    }
    return row(session, io, request, message->body);
}

/* --- feed ------------------------------------------------------------------------------------------ */

static hf_news any_ready(hf_pg_session *session, hf_io *io, hf_request *oldest, uint8_t status) {
    if (session->probing && session->todo == 0) {
        session->probing = false;
        return status == 'I' ? HF_NEWS_PROBED
                             : hf_pg_broken(io, HF_PHASE_PROBE,
                                            "a transaction is open that nobody began", 0, 0);
    }
    hf_news news = hf_pg_answer_ready(session, io, oldest, status);
    if (session->todo != 0) {
        session->consume = 0; /* once more, for its READY */
    }
    return news;
}

/* Whatever comes, whole or not, usual or not. */
static hf_news feed_any(hf_pg_session *session, hf_io *io, hf_request *oldest) {
    const hf_phase phase = oldest             ? HF_PHASE_QUERY
                           : session->probing ? HF_PHASE_PROBE
                                              : HF_PHASE_NONE;
    hf_news news = HF_NEWS_MORE;
    hf_pg_message message;

    if (session->mode != HF_PG_RUNNING) {
        return hf_pg_login(session, io);
    }
    while (news == HF_NEWS_MORE) {
        int got = hf_pg_receive(session, io, phase, &message);
        if (got <= 0) {
            return got == 0 ? HF_NEWS_MORE : HF_NEWS_BROKEN;
        }
        if (session->todo == 0) {
            hf_pg_take_up(session, oldest);
        }
        if (message.type == 'D') {
            news = any_row(session, io, oldest, &message);
        } else if (message.type == 'Z' && message.bytes == 1) {
            news = any_ready(session, io, oldest, message.body[0]);
        } else {
            news = hf_pg_answer(session, io, oldest, &message);
        }
    }
    return news;
}

/* The usual answers to a single statement that was prepared before, whole in rx, are recognised here without
 * a call; the first thing that is not usual, or not right, is left to feed_any(). */
static hf_news feed(hf_session *opaque, hf_io *io, hf_request *oldest) {
    hf_pg_session *session = hf_pg_of(opaque);
    hf_buffer *rx = &io->rx;

    if (session->mode != HF_PG_RUNNING || session->skip > 0) {
        return feed_any(session, io, oldest);
    }
    rx->start += session->consume;
    session->consume = 0;
    for (;;) {
        const uint32_t there = rx->end - rx->start;
        if (there < HF_PG_HEADER_BYTES) {
            return HF_NEWS_MORE;
        }
        const uint8_t *at = rx->data + rx->start;
        const uint32_t length = hf_pg_get32(at + 1);
        if (length < HF_PG_LENGTH_MIN || length >= there || !oldest) {
            break;
        }
        if (session->todo == 0) {
            hf_pg_take_up(session, oldest);
        }
        const uint8_t *body = at + HF_PG_HEADER_BYTES;
        if (*at == 'D' && hf_pg_is_due(session, HF_PG_ROWS)) {
            if (!row_is_good(session, body, length - 4)) {
                break;
            }
            session->consume = 1 + length;
            return row(session, io, oldest, body);
        }
        if (*at == '2' && hf_pg_is_due(session, HF_PG_BIND) && length == HF_PG_LENGTH_MIN &&
            !oldest->on_columns && session->n_columns != HF_PG_COLUMNS_UNKNOWN) {
            session->todo -= HF_PG_BIND;
            rx->start += 1 + HF_PG_LENGTH_MIN;
            continue;
        }
        if (*at == 'C' && hf_pg_is_due(session, HF_PG_ROWS) && oldest->n_batch == 0 &&
            length > HF_PG_LENGTH_MIN && length <= HF_PG_TAG_LENGTH_MAX && at[length] == 0) {
            oldest->affected = hf_pg_count_in(body, length - 5);
            session->todo -= HF_PG_ROWS;
            session->consume = 1 + length;
            return HF_NEWS_DONE;
        }
        if (*at == 'Z' && hf_pg_is_due(session, HF_PG_SYNC) && oldest->n_batch == 0 &&
            length == 5 && *body == 'I' && !session->rolling_back && io->error.code == HF_OK) {
            hf_pg_over(session, 1);
            session->consume = 1 + length;
            return HF_NEWS_READY;
        }
        break;
    }
    return feed_any(session, io, oldest);
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
    session->probing = true;
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
    .row_next = row_next,
    .columns_next = hf_pg_columns_next,
    .field = hf_pg_field,
};
