#include "feed.h"

#include "frame.h"
#include "login.h"

/* From bytes to events: feed_usual() recognises the usual answers by their bytes; feed_all(), the long way, takes every
 * message, whole or not. The bytes of an event stay in rx until the next call: rx->start has passed them, and
 * nothing touches them before.
 */

/* Says whether the next message may be a usual one. Called after every change of what that depends on. */
static void settle(hf_pg_session *session) {
    session->unusual = session->mode != HF_PG_RUNNING || session->skip > 0 || session->probing ||
                       session->rolling_back;
}

/* --- rows ------------------------------------------------------------------------------------------ */

/* Reports a row that rx cannot hold, the first of its request: the request fails, the connection stays. */
static hf_driver_event skip_row(hf_pg_session *session, hf_io *io, uint32_t size) {
    if (session->answered_with & HF_PG_HAD_SKIPPED) {
        return HF_DRIVER_MORE;
    }
    session->answered_with |= HF_PG_HAD_SKIPPED;
    hf_pg_say(io, HF_ERR_TOO_LARGE, HF_PHASE_QUERY,
              "a row of %u bytes; the receive buffer (rx_bytes) has %u", size, io->rx.size);
    return HF_DRIVER_SKIPPED;
}

/* Is one row to come from the driver's own statement? */
static bool awaits_own(const hf_request *request) {
    return hf_stage_of(request) == HF_STAGE_RUN
               ? hf_commit_is_deferred(request) && request->ticket[0] == 0
               : hf_asks(request) && hf_tx_status_of(request) == HF_TX_NONE;
}

/* Is the row the answer to the question at which isolation the session runs? */
static bool awaits_isolation(const hf_pg_session *session, const hf_io *io,
                             const hf_request *request) {
    return HF_WITH_GROUPS && request && hf_pg_is_due(session, HF_PG_BEGIN_DONE) &&
           io->config->read_only && request->replay == HF_REPLAY_SAFE && !hf_is_batch(request);
}

/* The answer to that question. What a transaction has read before an error counts only where none is serializable; a
 * session that says nothing of it may be. */
static hf_driver_event isolation(hf_pg_session *session, hf_io *io, const hf_pg_message *message) {
    static const char none[] = "\0\1\0\0\0\x0cserializable";
    const bool serializable =
        message->bytes == sizeof none - 1 && memcmp(message->body, none, sizeof none - 1) == 0;

    session->isolated = true;
    io->role |= serializable || message->bytes < 7 ? 0 : HF_ROLE_READS_STAND;
    return HF_DRIVER_MORE;
}

static hf_driver_event any_row(hf_pg_session *session, hf_io *io, hf_request *request,
                               const hf_pg_message *message) {
    hf_pg_skip_maybe(session);
    if (request && hf_is_ledger(request) && hf_pg_is_due(session, HF_PG_BEGIN_DONE)) {
        return HF_DRIVER_MORE; /* the head's statements give rows that nobody needs */
    }
    if (awaits_isolation(session, io, request)) {
        return isolation(session, io, message);
    }
    if (request && hf_pg_is_due(session, HF_PG_COMMIT_DONE) && awaits_own(request)) {
        return hf_pg_driver_row(io, request, message);
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

static hf_driver_event any_ready(hf_pg_session *session, hf_io *io, hf_request *oldest,
                                 uint8_t status) {
    if (session->probing && session->answers_due == 0) {
        session->probing = false;
        return status == 'I' ? HF_DRIVER_PROBED
                             : hf_pg_broken(io, HF_PHASE_PROBE,
                                            "a transaction is open that nobody began", 0, 0);
    }
    hf_driver_event event = hf_pg_answer_ready(session, io, oldest, status);
    if (session->answers_due != 0) {
        io->rx.start -= HF_PG_HEADER_BYTES + 1; /* ReadyForQuery is read once more, for READY */
    }
    return event;
}

/* Makes due what comes next: the answer to the driver's own ROLLBACK, or to the oldest request. */
static void begin_answer(hf_pg_session *session, const hf_request *oldest) {
    if (session->rolling_back && session->before_rollback == 0) {
        session->answers_due = HF_PG_ROLLBACK | HF_PG_SYNC;
    } else if (oldest && !session->probing) {
        hf_pg_answer_begin(session, oldest);
    }
}

/* Takes messages of any kind, whole or not, up to the first event. */
static hf_driver_event any_message(hf_pg_session *session, hf_io *io, hf_request *oldest) {
    const hf_phase phase = oldest             ? HF_PHASE_QUERY
                           : session->probing ? HF_PHASE_PROBE
                                              : HF_PHASE_NONE;
    hf_driver_event event = HF_DRIVER_MORE;
    hf_pg_message message;

    if (session->mode != HF_PG_RUNNING) {
        return hf_pg_login(session, io);
    }
    while (event == HF_DRIVER_MORE) {
        int got = hf_pg_receive(session, io, phase, &message);
        if (got <= 0) {
            return got == 0 ? HF_DRIVER_MORE : HF_DRIVER_BROKEN;
        }
        if (session->answers_due == 0) {
            begin_answer(session, oldest);
        }
        if (message.type == 'D') {
            event = any_row(session, io, oldest, &message);
        } else if (message.type == 'Z' && message.bytes == 1) {
            event = any_ready(session, io, oldest, message.body[0]);
        } else {
            event = hf_pg_answer(session, io, oldest, &message);
        }
    }
    return event;
}

static hf_driver_event feed_all(hf_pg_session *session, hf_io *io, hf_request *oldest) {
    hf_driver_event event = any_message(session, io, oldest);

    settle(session);
    return event;
}

/* The messages before `at` have been dealt with. */
static inline hf_driver_event passed(hf_buffer *rx, const uint8_t *at, hf_driver_event event) {
    rx->start = (uint32_t)(at - rx->data);
    return event;
}

/* Are the answers to a statement that was prepared before due, and then at most ReadyForQuery? */
static inline bool is_run(uint32_t answers_due) {
    return (HF_WITH_GROUPS ? answers_due | HF_PG_SYNC : answers_due) == (HF_PG_RUN | HF_PG_SYNC);
}

/* Recognises the usual answers one behind the other, those to statements that were prepared before or are parsed
 * afresh. From the first message on that is not usual, not whole or not right, feed_all() judges. */
static hf_driver_event feed_usual(hf_pg_session *session, hf_io *io, hf_request *oldest) {
    static const uint8_t bound[5] = { '2', 0, 0, 0, 4 };
    static const uint8_t parsed_bound[10] = { '1', 0, 0, 0, 4, '2', 0, 0, 0, 4 };
    static const uint8_t idle[6] = { 'Z', 0, 0, 0, 5, 'I' };
    hf_buffer *rx = &io->rx;
    const uint8_t *at = rx->data + rx->start, *const end = rx->data + rx->end;

    if (session->answers_due == 0 && end - at >= HF_PG_HEADER_BYTES) {
        hf_pg_answer_begin(session, oldest);
    }
    for (uint32_t answers_due = session->answers_due;;) {
        const uint32_t there = (uint32_t)(end - at);
        if (there < HF_PG_HEADER_BYTES) {
            return passed(rx, at, HF_DRIVER_MORE);
        }
        if (answers_due == HF_PG_SYNC) {
            if (hf_commit_is_deferred(oldest) || there < sizeof idle ||
                memcmp(at, idle, sizeof idle) != 0) {
                break;
            }
            hf_pg_over(session, oldest);
            return passed(rx, at + sizeof idle, HF_DRIVER_READY);
        }
        if (answers_due == HF_PG_NEXT_KEPT || (is_run(answers_due) && !oldest->on_columns &&
                                               session->n_columns != HF_PG_COLUMNS_UNKNOWN)) {
            if (memcmp(at, bound, sizeof bound) != 0) {
                break;
            }
            session->answers_due = answers_due =
                answers_due == HF_PG_RUN ? HF_PG_ROWS : HF_PG_ROWS | HF_PG_SYNC;
            at += sizeof bound;
            continue;
        }
        if (!hf_pg_awaits_rows(answers_due)) {
            if (answers_due != HF_PG_NEXT || there < sizeof parsed_bound ||
                memcmp(at, parsed_bound, sizeof parsed_bound) != 0) {
                break;
            }
            session->answers_due = answers_due = HF_PG_ROWS | HF_PG_SYNC;
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
            return passed(rx, at + 1 + length, HF_DRIVER_ROW);
        }
        /* A short tag may be SET or RESET. */
        if (*at != 'C' || length <= HF_PG_LENGTH_MIN + sizeof "RESET" ||
            length > HF_PG_TAG_LENGTH_MAX || at[length] != 0 || hf_pg_wants_tag(oldest)) {
            break;
        }
        hf_pg_statement_done(session, oldest, hf_pg_count_in(body, length - 5));
        answers_due = session->answers_due;
        at += 1 + length;
        if (HF_WITH_GROUPS && answers_due == 0) {
            return passed(rx, at, hf_pg_part_over(session, oldest));
        }
    }
    passed(rx, at, HF_DRIVER_MORE);
    return feed_all(session, io, oldest);
}

hf_driver_event hf_pg_feed_any(hf_pg_session *session, hf_io *io, hf_request *oldest) {
    return !HF_WITH_FAST_PATHS || session->unusual || !oldest ? feed_all(session, io, oldest)
                                                              : feed_usual(session, io, oldest);
}
