/* What the server's answers mean, one message at a time, rows but the driver's own excepted. (PostgreSQL docs 55.2.3
 * extended query, 55.7 message formats, 55.8 error fields.)
 *
 * session->answers_due says which answers may come; one that is not due ends the session (BROKEN, io->error says why).
 * What an answer says goes into io (columns, error, fields) and into the request (affected, complete, ticket,
 * tx_status), which the application owns; bytes that io points to stay in rx until the next call. The event returned
 * is what the application is to hear of: MORE, if nothing. Private to core/pg.
 */
#ifndef HF_PG_ANSWER_H
#define HF_PG_ANSWER_H

#include "cache.h"

/* Takes the oldest request in hand: its answers are due from here on. */
static inline void hf_pg_answer_begin(hf_pg_session *session, const hf_request *request) {
    uint16_t answers_due;

    memcpy(&answers_due, request->driver_state + HF_PG_PLAN_ANSWERS, sizeof answers_due);
    memcpy(&session->n_columns, request->driver_state + HF_PG_PLAN_COLUMNS,
           sizeof session->n_columns);
    session->answers_due = answers_due;
}

/* The number at the end of a CommandComplete's tag: 5 of "INSERT 0 5", 0 of "CREATE TABLE". */
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

/* The oldest request is over: it is not in hand any more, nor in flight. */
static inline void hf_pg_over(hf_pg_session *session, const hf_request *request) {
    session->answers_due = 0;
    session->answered_with = 0;
    if (HF_WITH_PREPARED) {
        session->answered += hf_pg_statements_of(request);
    }
    session->in_flight--;
}

/* COMPLETE: the request's answers are over, but for the ReadyForQuery that it shares with the next one. */
static inline hf_driver_event hf_pg_part_over(hf_pg_session *session, const hf_request *request) {
    hf_pg_over(session, request);
    if (session->rolling_back && session->before_rollback > 0) {
        session->before_rollback--;
    }
    return HF_DRIVER_COMPLETE;
}

/* The answers that are due to the next statement of a batch. */
static inline uint32_t hf_pg_next(const hf_request *request) {
    return (hf_pg_keeps(request) ? HF_PG_NEXT_KEPT : HF_PG_NEXT) |
           (request->on_columns ? HF_PG_PORTAL : 0);
}

/* Does the application want the command tag? */
static inline bool hf_pg_wants_tag(const hf_request *request) {
#if HF_WITH_VALUES
    return request->tag != NULL;
#else
    (void)request;
    return false;
#endif
}

/* The statement in hand is answered in full: the next one is due, or COMMIT, or ReadyForQuery. */
static inline void hf_pg_statement_done(hf_pg_session *session, hf_request *request,
                                        uint64_t affected) {
    request->affected = affected;
    if (!hf_is_batch(request)) {
        request->complete = true;
        session->answers_due &= ~(uint32_t)HF_PG_ROWS;
        return;
    }
    request->complete = ++request->statement == request->n_batch;
    session->n_columns = HF_PG_COLUMNS_UNKNOWN;
    session->answered_with &= (uint8_t)~HF_PG_HAD_COLUMNS;
    session->answers_due = !request->complete ? hf_pg_next(request)
                           : hf_is_ledger(request) && hf_commit_is_deferred(request)
                               ? HF_PG_SYNC
                               : HF_PG_COMMIT | HF_PG_SYNC;
}

/* May the next answers be left out? Those to the statements of a batch may that were prepared before. */
static inline bool hf_pg_may_skip(const hf_pg_session *session) {
    return HF_WITH_PREPARED && (session->answers_due & HF_PG_MAYBE);
}

/* A batch's statement is bound without what could have come before: it was parsed in an earlier flight, or is parsed
 * unnamed and not described. */
static inline void hf_pg_skip_prepare(hf_pg_session *session) {
    if (hf_pg_may_skip(session) &&
        (hf_pg_is_due(session, HF_PG_PARSE) || hf_pg_is_due(session, HF_PG_PARAMS))) {
        session->answers_due &= ~(uint32_t)HF_PG_PREPARE;
    }
}

/* A batch's statement is answered without a description of its portal. */
static inline void hf_pg_skip_maybe(hf_pg_session *session) {
    if (hf_pg_may_skip(session) && hf_pg_is_due(session, HF_PG_PORTAL)) {
        session->answers_due = HF_PG_ROWS | HF_PG_SYNC;
    }
}

/* ReadyForQuery, with its transaction status. If session->answers_due is not 0 afterwards the message was not taken
 * in: it is to be read once more, after the event. */
hf_driver_event hf_pg_answer_ready(hf_pg_session *session, hf_io *io, hf_request *request,
                                   uint8_t status);
/* Any other message but DataRow. */
hf_driver_event hf_pg_answer(hf_pg_session *session, hf_io *io, hf_request *request,
                             const hf_pg_message *message);
/* A DataRow of the driver's own statement: a ticket, what became of one, or what stands at a key. It goes into the
 * request. */
hf_driver_event hf_pg_driver_row(hf_io *io, hf_request *request, const hf_pg_message *message);

#endif
