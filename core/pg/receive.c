#include "session.h"

#include "base/text.h"

/* From bytes to news: first the usual answers, then the long way, on which every message can come, whole or not:
 * framing and its limits, what may come at any time, rows and ReadyForQuery; the other answers are answer.c's. The
 * bytes of a piece of news stay in rx until the next call: rx->start has passed them, and nobody touches them before.
 */

int hf_pg_receive(hf_pg_session *session, hf_io *io, hf_phase phase, hf_pg_message *message) {
    hf_buffer *rx = &io->rx;
    uint32_t there = rx->end - rx->start;

    if (session->skip > 0) {
        const uint32_t bytes = there < session->skip ? there : session->skip;
        rx->start += bytes;
        session->skip -= bytes;
        there -= bytes;
    }
    if (there < HF_PG_HEADER_BYTES) {
        return 0;
    }
    const uint8_t *at = rx->data + rx->start;
    const hf_pg_kind *kind = hf_pg_kind_of(at[0]);
    const uint32_t length = hf_pg_get32(at + 1);
    const uint32_t max = session->mode != HF_PG_RUNNING ? kind->login_max : kind->max;
    if (max == 0) {
        hf_pg_broken(io, phase, "a message of type %c, which nobody asked for", at[0], 0);
        return -1;
    }
    if (length < HF_PG_LENGTH_MIN || length > max) {
        hf_pg_broken(io, phase, "a message of type %c cannot be %u bytes long", at[0], length);
        return -1;
    }
    const uint32_t size = 1 + length, take = size < there ? size : there;
    if (take < size) {
        if (size <= rx->size || (kind->large == HF_PG_BEGUN && there < rx->size)) {
            return 0;
        }
        if (kind->large == HF_PG_REFUSED) {
            hf_pg_broken(io, phase, "a message of type %c and %u bytes is larger than rx_bytes",
                         at[0], length);
            return -1;
        }
    }
    rx->start += take;
    session->skip = size - take;
    message->body = at + HF_PG_HEADER_BYTES;
    message->bytes = take - HF_PG_HEADER_BYTES;
    message->size = length - HF_PG_LENGTH_MIN;
    message->type = at[0];
    message->cut = take < size;
    return 1;
}

/* Values go to and from the server as they are: they must be UTF-8 there too. */
static bool is_utf8(const char *encoding) {
    static const char names[] = "UTF8 utf8 UTF-8 utf-8 UNICODE";

    return hf_word_among(names, encoding, strlen(encoding));
}

static hf_news malformed(hf_io *io, hf_phase phase, const hf_pg_message *message) {
    return hf_pg_broken(io, phase, "a malformed message of type %c and %u bytes", message->type,
                        message->bytes);
}

/* What PostgreSQL 14 and later tell of themselves (docs 55.2.7). */
static void note_role(hf_io *io, hf_phase phase, const char *name, const char *value) {
    const bool standby = strcmp(name, "in_hot_standby") == 0;
    const bool on = strcmp(value, "on") == 0;

    if (standby) {
        io->role = (uint8_t)((io->role & ~HF_ROLE_STANDBY) | (on ? HF_ROLE_STANDBY : 0));
    } else if (strcmp(name, "default_transaction_read_only") == 0) {
        io->role &= (uint8_t) ~(HF_ROLE_READ_ONLY | HF_ROLE_READ_ONLY_AT_LOGIN);
        io->role |= on ? HF_ROLE_READ_ONLY : 0;
        io->role |= phase == HF_PHASE_LOGIN && on ? HF_ROLE_READ_ONLY_AT_LOGIN : 0;
    }
}

hf_news hf_pg_aside(hf_io *io, hf_phase phase, const hf_pg_message *message) {
    hf_pg_body body = { .at = message->body, .end = message->body + message->bytes, .good = true };

    if (message->type == 'N') {
        return hf_pg_read_error(io, message, HF_OK, phase) ? HF_NEWS_NOTICE
                                                           : malformed(io, phase, message);
    }
    if (message->cut) {
        return HF_NEWS_MORE; /* too large for anybody to have use of */
    }
    if (message->type == 'A') {
        hf_pg_read32(&body); /* the process that sent it */
    }
    const char *name = hf_pg_read_text(&body), *value = hf_pg_read_text(&body);
    if (!hf_pg_read_whole(&body)) {
        return malformed(io, phase, message);
    }
    if (message->type == 'A') {
        io->channel = name;
        io->payload = value;
        return HF_NEWS_NOTIFY;
    }
    note_role(io, phase, name, value);
    return strcmp(name, "client_encoding") != 0 || is_utf8(value)
               ? HF_NEWS_MORE
               : hf_pg_broken(io, phase, "client_encoding is not UTF8 any more", 0, 0);
}

/* --- rows ------------------------------------------------------------------------------------------ */

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

/* Is one row to come of the session's own statement? */
static bool awaits_own(const hf_request *request) {
    return hf_stage_of(request) == HF_STAGE_RUN
               ? hf_is_held(request) && request->ticket[0] == 0
               : hf_asks(request) && hf_fate_of(request) == HF_FATE_NONE;
}

static hf_news any_row(hf_pg_session *session, hf_io *io, hf_request *request,
                       const hf_pg_message *message) {
    hf_pg_skip_maybe(session);
    if (request && hf_pg_is_due(session, HF_PG_COMMIT_DONE) && awaits_own(request)) {
        return hf_pg_own_row(io, request, message);
    }
    if (!request || !hf_pg_is_due(session, HF_PG_ROWS)) {
        return hf_pg_broken(io, HF_PHASE_QUERY, "a row out of place", 0, 0);
    }
    if (message->cut) {
        return skip_row(session, io, message->size);
    }
    if (!hf_pg_row_is_good(session, message->body, message->size + HF_PG_LENGTH_MIN)) {
        return hf_pg_broken(io, HF_PHASE_QUERY, "a malformed row of %u bytes", message->bytes, 0);
    }
    return hf_pg_row(session, io, request, message->body);
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
        io->rx.start -= HF_PG_HEADER_BYTES + 1; /* once more, for its READY */
    }
    return news;
}

/* Takes up what comes next: the answer to our own ROLLBACK, or to the oldest request. */
static void take_up(hf_pg_session *session, const hf_request *oldest) {
    if (session->rolling_back && session->before_rollback == 0) {
        session->todo = HF_PG_ROLLBACK | HF_PG_SYNC;
    } else if (oldest && !session->probing) {
        hf_pg_answer_begin(session, oldest);
    }
}

/* Whatever comes, whole or not, usual or not. */
static hf_news any_message(hf_pg_session *session, hf_io *io, hf_request *oldest) {
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
            take_up(session, oldest);
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

static hf_news feed_all(hf_pg_session *session, hf_io *io, hf_request *oldest) {
    hf_news news = any_message(session, io, oldest);

    hf_pg_settle(session);
    return news;
}

/* What lies before `at` has been dealt with. */
static inline hf_news passed(hf_buffer *rx, const uint8_t *at, hf_news news) {
    rx->start = (uint32_t)(at - rx->data);
    return news;
}

/* The usual answers, to statements that were prepared before or are parsed afresh, are recognised one behind the
 * other; from the first that is not usual, not whole or not right, on, it is feed_all() that judges. */
static hf_news feed_usual(hf_pg_session *session, hf_io *io, hf_request *oldest) {
    static const uint8_t bound[5] = { '2', 0, 0, 0, 4 };
    static const uint8_t parsed_bound[10] = { '1', 0, 0, 0, 4, '2', 0, 0, 0, 4 };
    static const uint8_t idle[6] = { 'Z', 0, 0, 0, 5, 'I' };
    hf_buffer *rx = &io->rx;
    const uint8_t *at = rx->data + rx->start, *const end = rx->data + rx->end;

    if (session->todo == 0 && end - at >= HF_PG_HEADER_BYTES) {
        hf_pg_answer_begin(session, oldest);
    }
    for (uint32_t todo = session->todo;;) {
        const uint32_t there = (uint32_t)(end - at);
        if (there < HF_PG_HEADER_BYTES) {
            return passed(rx, at, HF_NEWS_MORE);
        }
        if (todo == HF_PG_SYNC) {
            if (hf_is_held(oldest) || there < sizeof idle || memcmp(at, idle, sizeof idle) != 0) {
                break;
            }
            hf_pg_over(session, oldest);
            return passed(rx, at + sizeof idle, HF_NEWS_READY);
        }
        if (todo == HF_PG_NEXT_KEPT || (todo == (HF_PG_RUN | HF_PG_SYNC) && !oldest->on_columns &&
                                        session->n_columns != HF_PG_COLUMNS_UNKNOWN)) {
            if (memcmp(at, bound, sizeof bound) != 0) {
                break;
            }
            session->todo = todo = HF_PG_ROWS | HF_PG_SYNC;
            at += sizeof bound;
            continue;
        }
        if (todo != (HF_PG_ROWS | HF_PG_SYNC)) {
            if (todo != HF_PG_NEXT || there < sizeof parsed_bound ||
                memcmp(at, parsed_bound, sizeof parsed_bound) != 0) {
                break;
            }
            session->todo = todo = HF_PG_ROWS | HF_PG_SYNC;
            at += sizeof parsed_bound;
            continue;
        }
        const uint32_t length = hf_pg_get32(at + 1);
        const uint8_t *body = at + HF_PG_HEADER_BYTES;
        if (length >= there) {
            break;
        }
        if (*at == 'D' && hf_pg_row_is_good(session, body, length)) {
            hf_pg_row(session, io, oldest, body);
            return passed(rx, at + 1 + length, HF_NEWS_ROW);
        }
        /* A short tag may be SET or RESET. */
        if (*at != 'C' || length <= HF_PG_LENGTH_MIN + sizeof "RESET" ||
            length > HF_PG_TAG_LENGTH_MAX || at[length] != 0) {
            break;
        }
        hf_pg_statement_done(session, oldest, hf_pg_count_in(body, length - 5));
        todo = session->todo;
        at += 1 + length;
    }
    passed(rx, at, HF_NEWS_MORE);
    return feed_all(session, io, oldest);
}

hf_news hf_pg_feed_any(hf_pg_session *session, hf_io *io, hf_request *oldest) {
    return !HF_WITH_SHORTCUTS || session->unusual || !oldest ? feed_all(session, io, oldest)
                                                             : feed_usual(session, io, oldest);
}
