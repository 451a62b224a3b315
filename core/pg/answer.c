#include "answer.h"

#include "columns.h"
#include "frame.h"
#include "ledger.h"
#include "sql.h"

#include "base/text.h"

/* A message may be one of several answers: the one that is due (session->answers_due) is meant. Its bit is taken away,
 * then the answer is dealt with. */

static hf_driver_event out_of_place(hf_io *io, uint8_t type) {
    return hf_pg_broken(io, HF_PHASE_QUERY, "a message of type %c out of place", type, 0);
}

/* Is the request's ticket, which comes before its COMMIT, asked for by a statement that is kept prepared? */
static bool keeps_ticket(const hf_request *request) {
    return hf_pg_keeps(request) && hf_resolves(request) && hf_commit_is_deferred(request) &&
           hf_stage_of(request) == HF_STAGE_RUN;
}

/* ParseComplete of that statement, which has the number of the request's last one. */
static void ticket_parsed(hf_pg_session *session, const hf_io *io, const hf_request *request) {
    static const hf_statement ticket = { .sql = HF_PG_SQL_TICKET };
    const uint32_t last = hf_pg_statements_of(request) - 1;
    const uint8_t slot =
        hf_pg_cache_find_sent(session, io->store, &ticket, session->answered + last);

    if (hf_pg_is_slot(slot)) {
        session->entries[slot].flags |= HF_PG_PARSED;
    }
}

/* The slot of the statement in hand in the cache, or HF_PG_NO_SLOT. */
static uint8_t slot_of(hf_pg_session *session, const hf_io *io, const hf_request *request) {
    if (!hf_pg_keeps(request)) {
        return HF_PG_NO_SLOT;
    }
    const hf_statement statement = hf_statement_of(request, request->statement);

    return hf_pg_cache_find_sent(session, io->store, &statement,
                                 session->answered + request->statement);
}

/* CloseComplete, one for each old statement that the flight closes, before any other answer. */
static hf_driver_event closed(hf_pg_session *session, const hf_request *request) {
    if (session->closes == 0) {
        session->closes = request->driver_state[HF_PG_PLAN_CLOSES];
    }
    if (--session->closes > 0) {
        session->answers_due |= HF_PG_CLOSE; /* another */
    }
    return HF_DRIVER_MORE;
}

/* --- prepared, described, bound -------------------------------------------------------------------- */

/* ParseComplete. */
static hf_driver_event parsed(hf_pg_session *session, const hf_io *io, const hf_request *request) {
    const uint8_t slot = slot_of(session, io, request);

    if (hf_pg_is_slot(slot)) {
        session->entries[slot].flags |= HF_PG_PARSED;
    }
    return HF_DRIVER_MORE;
}

/* The format that the rows of the statement in hand come in. */
static uint8_t asked_format(const hf_request *request) {
#if HF_WITH_VALUES
    return (uint8_t)hf_statement_of(request, request->statement).result_format;
#else
    (void)request;
    return HF_FORMAT_TEXT;
#endif
}

/* COLUMNS, once for each statement. at: squeezed columns. */
static hf_driver_event tell_columns(hf_pg_session *session, hf_io *io, const hf_request *request,
                                    const uint8_t *at) {
    if (!request->on_columns || (session->answered_with & HF_PG_HAD_COLUMNS)) {
        return HF_DRIVER_MORE;
    }
    session->answered_with |= HF_PG_HAD_COLUMNS;
    io->columns.driver = io->config->driver;
    io->columns.at = at;
    io->columns.n_columns = session->n_columns;
    io->columns.column = 0;
    io->columns.n_params = session->n_params;
    io->columns.statement = request->statement;
#if HF_WITH_VALUES
    io->columns.format = asked_format(request);
#endif
    return HF_DRIVER_COLUMNS;
}

/* RowDescription, or NoData. */
static hf_driver_event described(hf_pg_session *session, hf_io *io, const hf_request *request,
                                 const hf_pg_message *message, uint32_t due) {
    /* A statement has no format before it is bound: text is said then. */
    const uint8_t format = due == HF_PG_PORTAL ? asked_format(request) : HF_FORMAT_TEXT;
    const bool any = message->type == 'T';
    uint8_t *columns = io->rx.data + (message->body - io->rx.data);
    int32_t bytes = 0;

    if (any && message->bytes < 2) {
        return out_of_place(io, message->type);
    }
    session->n_columns = any ? hf_pg_get16(columns) : 0;
    if (message->cut) {
        bytes = -1;
    } else if (any) {
        bytes = hf_pg_squeeze(columns, message->bytes, format);
        if (bytes < 0) {
            return hf_pg_broken(io, HF_PHASE_QUERY, "a malformed RowDescription of %u bytes",
                                message->bytes, 0);
        }
    }
    const uint8_t slot = slot_of(session, io, request);
    if (hf_pg_is_slot(slot)) {
        session->entries[slot].n_columns = session->n_columns;
        if (request->on_columns && bytes >= 0) {
            hf_pg_cache_keep(session, io->store, slot, columns, (uint32_t)bytes);
        }
    }
    if (bytes >= 0) {
        return tell_columns(session, io, request, columns);
    }
    if (!request->on_columns || (session->answered_with & HF_PG_HAD_SKIPPED)) {
        return HF_DRIVER_MORE;
    }
    session->answered_with |= HF_PG_HAD_SKIPPED;
    hf_pg_say(io, HF_ERR_TOO_LARGE, HF_PHASE_QUERY,
              "the description of %u columns takes more than the receive buffer (rx_bytes): %u",
              session->n_columns, io->rx.size);
    return HF_DRIVER_SKIPPED;
}

#if HF_WITH_VALUES
/* SKIPPED: rx cannot hold the types of all parameters. */
static hf_driver_event skipped_params(hf_pg_session *session, hf_io *io) {
    session->answered_with |= HF_PG_HAD_SKIPPED;
    hf_pg_say(io, HF_ERR_TOO_LARGE, HF_PHASE_QUERY,
              "the types of %u parameters take more than the receive buffer (rx_bytes): %u",
              session->n_params, io->rx.size);
    return HF_DRIVER_SKIPPED;
}
#endif

/* ParameterDescription. PARAMS, if the types are asked for. */
static hf_driver_event params(hf_pg_session *session, hf_io *io, const hf_request *request,
                              const hf_pg_message *message) {
    if (message->bytes < 2 || message->size != 2 + 4 * (uint32_t)hf_pg_get16(message->body)) {
        return out_of_place(io, message->type);
    }
    session->n_params = hf_pg_get16(message->body);
#if HF_WITH_VALUES
    if (request->prepare_only && request->on_params) {
        if (message->cut) {
            return skipped_params(session, io);
        }
        io->params = (hf_params){ .at = message->body + 2, .n_params = session->n_params };
        return HF_DRIVER_PARAMS;
    }
#else
    (void)request;
#endif
    return HF_DRIVER_MORE;
}

/* BindComplete. */
static hf_driver_event bound(hf_pg_session *session, hf_io *io, const hf_request *request) {
    session->n_params = 0; /* the number is told with the columns that came with it, no others */
    if (HF_WITH_PREPARED &&
        session->answers_due == (HF_PG_MAYBE | HF_PG_ROWS)) { /* a batch's statement, sure by now */
        session->answers_due = HF_PG_ROWS | HF_PG_SYNC;
    }
    const uint8_t slot = slot_of(session, io, request);
    if (!hf_pg_is_slot(slot)) {
        return HF_DRIVER_MORE;
    }
    const hf_pg_entry *entry = &session->entries[slot];
    if (session->n_columns == HF_PG_COLUMNS_UNKNOWN) {
        session->n_columns = entry->n_columns;
    }
    return entry->flags & HF_PG_KEPT
               ? tell_columns(session, io, request, io->store + entry->at + entry->sql_bytes)
               : HF_DRIVER_MORE;
}

/* --- done, ready ----------------------------------------------------------------------------------- */

/* ERROR, although the server did not report one. The request's ReadyForQuery is still to come. */
static hf_driver_event own_error(hf_pg_session *session, hf_io *io, const char *sqlstate,
                                 const char *why) {
    session->answered_with |= HF_PG_HAD_ERROR;
    hf_error_set(&io->error, HF_ERR_SERVER, HF_PHASE_QUERY, why);
    memcpy(io->error.sqlstate, sqlstate, sizeof io->error.sqlstate);
    io->error.severity = 'E';
    io->fields = (hf_fields){ .driver = io->config->driver };
    return HF_DRIVER_ERROR;
}

/* Does COMMIT_DONE answer a COMMIT, and not another statement of the driver's own? */
static bool commits(const hf_request *request) {
    return hf_stage_of(request) == HF_STAGE_COMMIT || hf_stage_of(request) == HF_STAGE_SEAL ||
           (hf_stage_of(request) == HF_STAGE_RUN && !hf_commit_is_deferred(request));
}

/* A statement of a ledger request's head is complete: the next one is due, or the first of the request's own. */
static hf_driver_event head_done(hf_pg_session *session, hf_io *io, hf_request *request,
                                 uint64_t count) {
    if (session->head == HF_PG_HEAD_KEY && count != 1) {
        request->tx_status = HF_TX_NO_KEY;
        return hf_pg_broken(io, HF_PHASE_QUERY, "the ledger's insert added %u rows, and not one",
                            (uint32_t)count, 0);
    }
    if (++session->head < HF_PG_HEAD_OVER) {
        session->answers_due |= HF_PG_BEGIN;
    } else if (hf_is_batch(request) && hf_stage_of(request) == HF_STAGE_RUN) {
        session->answers_due = hf_pg_next(request);
    }
    if (session->head != HF_PG_HEAD_RESTORE) {
        return HF_DRIVER_MORE;
    }
    request->keyed = true;
    return HF_DRIVER_KEYED;
}

#if HF_WITH_VALUES
/* Writes a command tag to the application's room, as printable text. */
static void note_tag(char *room, const uint8_t *tag, uint32_t bytes) {
    hf_writer out = hf_writer_on(room, HF_TAG_BYTES);

    hf_write_printable(&out, (const char *)tag, bytes);
}
#endif

/* CommandComplete, a tag that ends in NUL; or EmptyQueryResponse, if the statement's text is empty. */
static hf_driver_event done(hf_pg_session *session, hf_io *io, hf_request *request,
                            const hf_pg_message *message, uint32_t due) {
    const uint8_t *tag = message->body;
    uint32_t bytes = message->bytes;

    if (message->type == 'C' && (bytes == 0 || tag[--bytes] != 0)) {
        return out_of_place(io, 'C');
    }
    if (due == HF_PG_ROWS && bytes > 0 && hf_word_among("SET RESET", (const char *)tag, bytes)) {
        io->role |= HF_ROLE_CHANGED;
    }
    if (due == HF_PG_ROWS) {
#if HF_WITH_VALUES
        if (request->tag) {
            note_tag(request->tag, tag, bytes);
        }
#endif
        hf_pg_statement_done(session, request, hf_pg_count_in(tag, bytes));
        if (HF_WITH_GROUPS && session->answers_due == 0) {
            return hf_pg_part_over(session, request);
        }
    } else if (due == HF_PG_COMMIT_DONE && commits(request) &&
               (bytes != strlen("COMMIT") || memcmp(tag, "COMMIT", bytes) != 0)) {
        return own_error(session, io, "25P02",
                         HF_MESSAGE("COMMIT was answered by ROLLBACK: nothing was done"));
    } else if (due == HF_PG_BEGIN_DONE && hf_is_ledger(request)) {
        return hf_inserts_key(request) ? head_done(session, io, request, hf_pg_count_in(tag, bytes))
                                       : HF_DRIVER_MORE; /* what is kept */
    } else if (due == HF_PG_BEGIN_DONE && hf_is_batch(request)) {
        session->answers_due = hf_pg_next(request);
    } else if (hf_stage_of(request) == HF_STAGE_FIND && request->tx_status == HF_TX_NONE) {
        request->tx_status = HF_TX_ABORTED; /* no row */
    }
    return HF_DRIVER_MORE;
}

hf_driver_event hf_pg_driver_row(hf_io *io, hf_request *request, const hf_pg_message *message) {
    if (HF_WITH_LEDGER && hf_stage_of(request) == HF_STAGE_FIND) {
        return hf_pg_ledger_row(io, request, message);
    }
    static const struct {
        const char *words;
        uint8_t tx_status;
    } statuses[] = { { "committed", HF_TX_COMMITTED }, { "aborted", HF_TX_ABORTED },
                     { "in progress", HF_TX_RUNNING }, { "standby", HF_TX_STANDBY },
                     { "writable", HF_TX_WRITABLE },   { "other", HF_TX_OTHER } };
    hf_pg_body body = { .at = message->body, .end = message->body + message->bytes, .good = true };
    const bool one = hf_pg_read16(&body) == 1;
    const uint32_t bytes = hf_pg_read32(&body);

    if (hf_stage_of(request) == HF_STAGE_ASK && one && bytes == UINT32_MAX &&
        hf_pg_read_whole(&body)) {
        request->tx_status = HF_TX_FORGOTTEN;
        return HF_DRIVER_MORE;
    }
    if (!one || message->cut || bytes != (uint64_t)(body.end - body.at) || bytes == 0 ||
        bytes >= HF_TICKET_BYTES || memchr(body.at, 0, bytes)) {
        return hf_pg_broken(io, HF_PHASE_QUERY, "a malformed ticket of %u bytes", message->bytes,
                            0);
    }
    if (hf_stage_of(request) == HF_STAGE_RUN) {
        memcpy(request->ticket, body.at, bytes);
        request->ticket[bytes] = 0;
        return HF_DRIVER_MORE;
    }
    request->tx_status = HF_TX_FORGOTTEN;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (strlen(statuses[i].words) == bytes && memcmp(statuses[i].words, body.at, bytes) == 0) {
            request->tx_status = statuses[i].tx_status;
        }
    }
    return HF_DRIVER_MORE;
}

/* READY: the oldest request is over. left_open: the request left a transaction open, which is rolled back. */
static hf_driver_event finish(hf_pg_session *session, hf_io *io, const hf_request *request,
                              bool left_open) {
    if (left_open && !(session->answered_with & HF_PG_HAD_ERROR)) {
        hf_error_set(&io->error, HF_ERR_OPEN_TRANSACTION, HF_PHASE_QUERY, NULL);
    }
    hf_pg_over(session, request);
    if (session->rolling_back && session->before_rollback > 0) {
        session->before_rollback--;
    }
    return HF_DRIVER_READY;
}

/* Sends a ROLLBACK, because the oldest request left a transaction open, before any other request is sent. Requests that
 * are in flight already come before it, and run inside the transaction. */
static hf_driver_event roll_back(hf_pg_session *session, hf_io *io, const hf_request *request) {
    static const char rollback[HF_PG_ROLLBACK_BYTES] = "Q\0\0\0\x0dROLLBACK";

    if (!hf_pg_append(io, rollback, sizeof rollback)) {
        return hf_pg_broken(io, HF_PHASE_QUERY, "no room in tx for a ROLLBACK", 0, 0);
    }
    session->rolling_back = true;
    if (HF_WITH_PREPARED) {
        hf_pg_cache_empty(session); /* what was parsed in the transaction may be undone with it */
    }
    if (session->in_flight > 1) {
        session->before_rollback = session->in_flight;
        return finish(session, io, request, true);
    }
    session->before_rollback = 0;
    session->holds_ready = true;
    session->answers_due = 0; /* the answer to ROLLBACK is due next */
    return HF_DRIVER_MORE;
}

/* ERROR 40001: the request ran inside a transaction that an earlier request left open, and is undone with it. */
static hf_driver_event undone(hf_pg_session *session, hf_io *io) {
    session->answers_due = HF_PG_SYNC;
    return own_error(
        session, io, "40001",
        HF_MESSAGE("rolled back with the transaction that an earlier statement left open"));
}

/* BEFORE_COMMIT: the request is done but for its COMMIT. If no transaction is open any more nobody knows what took
 * effect. */
static hf_driver_event before_commit(hf_pg_session *session, hf_io *io, hf_request *request,
                                     uint8_t status) {
    const bool told = hf_is_ledger(request) || request->ticket[0] != 0;
    if (status != 'T' || !told || session->rolling_back) {
        request->deferred_commit = status != 'I';
        return hf_pg_broken(io, HF_PHASE_QUERY, "a transaction that ended before its COMMIT", 0, 0);
    }
    memset(request->driver_state, 0,
           sizeof request->driver_state); /* no answer is due until the COMMIT is sent */
    return HF_DRIVER_BEFORE_COMMIT;
}

hf_driver_event hf_pg_answer_ready(hf_pg_session *session, hf_io *io, hf_request *request,
                                   uint8_t status) {
    const bool idle = status == 'I';
    const bool ours = session->rolling_back && session->before_rollback == 0; /* ROLLBACK's own */

    if (!hf_pg_is_due(session, HF_PG_SYNC) ||
        (!idle && (ours || (status != 'T' && status != 'E')))) {
        return out_of_place(io, 'Z');
    }
    session->answers_due = 0;
    if (ours) {
        session->rolling_back = false;
        if (!session->holds_ready || !request) {
            return HF_DRIVER_MORE;
        }
        session->holds_ready = false;
        return finish(session, io, request, true);
    }
    if (!request) {
        return out_of_place(io, 'Z');
    }
    if (hf_commit_is_deferred(request) && hf_stage_of(request) == HF_STAGE_RUN &&
        !(session->answered_with & HF_PG_HAD_ERROR)) {
        return before_commit(session, io, request, status);
    }
    if (idle) {
        return finish(session, io, request, false);
    }
    if (!session->rolling_back) {
        return roll_back(session, io, request);
    }
    return session->answered_with & HF_PG_HAD_ERROR ? finish(session, io, request, false)
                                                    : undone(session, io);
}

/* --- errors ---------------------------------------------------------------------------------------- */

/* Does the error say that this server gives no tickets? A function of the ticket's is not there or not allowed:
 * CockroachDB, a server before PostgreSQL 13, a role without the right. 42P05 only says that the name of the ticket's
 * statement is another one's. */
static bool gives_no_tickets(const hf_error *error) {
    return (memcmp(error->sqlstate, "42", 2) == 0 && strcmp(error->sqlstate, "42P05") != 0) ||
           memcmp(error->sqlstate, "0A", 2) == 0;
}

/* Puts the error "cached plan must not change result type" into English, in which hf_classify() knows it: the server
 * says so in any language. */
static void name_changed_plan(hf_io *io) {
    static const char raised_by[] = "RevalidateCachedQuery";
    static const char words[] = "cached plan must not change result type";
    hf_value routine;

    if (strcmp(io->error.sqlstate, "0A000") == 0 &&
        hf_pg_field(&io->fields, HF_FIELD_ROUTINE, &routine) &&
        routine.bytes == sizeof raised_by - 1 &&
        memcmp(routine.data, raised_by, sizeof raised_by - 1) == 0) {
        hf_error_message(&io->error, words, sizeof words - 1);
    }
}

/* An error that tells something of a ledger request: its key is there already (by its place, SEMANTICS 48), or the
 * server that was asked about it takes no writes, and so cannot say. */
static void read_ledger_error(hf_pg_session *session, const hf_io *io, hf_request *request) {
    const char *sqlstate = io->error.sqlstate;
    const bool had = session->answered_with & HF_PG_HAD_ERROR;

    if (hf_inserts_key(request) && session->head == HF_PG_HEAD_KEY && !had &&
        strcmp(sqlstate, "23505") == 0) {
        request->tx_status = HF_TX_KEY;
    } else if (hf_stage_of(request) == HF_STAGE_FIND && strcmp(sqlstate, "25006") == 0) {
        request->tx_status = HF_TX_STANDBY;
    } else {
        return;
    }
    session->answered_with |= HF_PG_HAD_ERROR;
}

/* The server passes over the requests whose Sync is that of the refused one. They are parsed already. */
static void pass_over(hf_pg_session *session, const hf_request *request) {
    for (; hf_shares_next(request); request = request->next) {
        session->answered++;
        session->in_flight--;
        session->before_rollback -= session->rolling_back;
    }
}

/* ErrorResponse. */
static hf_driver_event error(hf_pg_session *session, hf_io *io, hf_request *request,
                             const hf_pg_message *message, hf_phase phase) {
    if (!hf_pg_read_error(io, message, HF_ERR_SERVER, phase)) {
        return hf_pg_broken(io, phase, "a malformed ErrorResponse of %u bytes", message->bytes, 0);
    }
    const bool ours =
        session->answers_due & HF_PG_ROLLBACK; /* it answers the driver's own ROLLBACK */
    if (io->error.severity == 'F' || io->error.severity == 'P' || session->answers_due == 0 ||
        ours || !request) {
        return HF_DRIVER_FATAL;
    }
    if (hf_commit_is_deferred(request) && hf_stage_of(request) == HF_STAGE_RUN &&
        hf_pg_due(session, HF_PG_OWN) && !(session->answered_with & HF_PG_HAD_ERROR) &&
        gives_no_tickets(&io->error)) {
        io->ticketless = true;
        request->tx_status =
            HF_TX_ABORTED; /* rolled back; the request runs again, without a ticket */
        session->answered_with |= HF_PG_HAD_ERROR;
    }
    if (HF_WITH_LEDGER) {
        read_ledger_error(session, io, request);
    }
    if (hf_stage_of(request) == HF_STAGE_ASK && strcmp(io->error.sqlstate, "22023") == 0) {
        request->tx_status = HF_TX_ABORTED; /* "in the future": the number was never given out */
        session->answered_with |= HF_PG_HAD_ERROR;
    }
    request->bound = !request->prepare_only && !(session->answers_due & HF_PG_BIND);
    /* The server passes over what follows in the flight, up to its Sync. */
    if (HF_WITH_PREPARED) {
        const uint32_t left = hf_pg_statements_of(request) - request->statement;
        hf_pg_cache_undo(session, io->store, session->answered + request->statement, left);
    }
    session->answers_due = HF_PG_SYNC;
    if (session->answered_with & HF_PG_HAD_ERROR) {
        return HF_DRIVER_MORE; /* the first one is the reason */
    }
    if (HF_WITH_GROUPS) {
        pass_over(session, request);
    }
    if (session->rolling_back && strcmp(io->error.sqlstate, "25P02") == 0) {
        return undone(session, io); /* an earlier request's transaction has failed */
    }
    if (hf_pg_keeps(request)) {
        name_changed_plan(io);
    }
    session->answered_with |= HF_PG_HAD_ERROR;
    return HF_DRIVER_ERROR;
}

/* The answers that a message of this type may be. */
static uint32_t answers_of(uint8_t type) {
    static const struct {
        uint8_t type;
        uint16_t answers;
    } known[] = { { '1', HF_PG_BEGIN_PARSE | HF_PG_PARSE | HF_PG_COMMIT_PARSE },
                  { '2', HF_PG_BEGIN_BIND | HF_PG_BIND | HF_PG_COMMIT_BIND },
                  { '3', HF_WITH_PREPARED ? HF_PG_CLOSE : 0 },
                  { 't', HF_PG_PARAMS },
                  { 'T', HF_PG_DESCRIBE | HF_PG_PORTAL },
                  { 'n', HF_PG_DESCRIBE | HF_PG_PORTAL },
                  { 'I', HF_PG_ROWS },
                  { 'C', HF_PG_BEGIN_DONE | HF_PG_ROWS | HF_PG_COMMIT_DONE | HF_PG_ROLLBACK } };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].type == type) {
            return known[i].answers;
        }
    }
    return 0;
}

hf_driver_event hf_pg_answer(hf_pg_session *session, hf_io *io, hf_request *request,
                             const hf_pg_message *message) {
    const hf_phase phase = request            ? HF_PHASE_QUERY
                           : session->probing ? HF_PHASE_PROBE
                                              : HF_PHASE_NONE;
    const uint8_t type = message->type;

    if (type == 'E') {
        return error(session, io, request, message, phase);
    }
    if (type == 'N' || type == 'A' || type == 'S') {
        if (HF_WITH_PREPARED && type == 'S') {
            hf_pg_cache_empty(session); /* a setting has changed: DateStyle, the role … */
        }
        return hf_pg_async_message(io, phase, message);
    }
    if (type == '2') {
        hf_pg_skip_prepare(session);
        if (request && hf_pg_is_due(session, HF_PG_COMMIT_PARSE) && keeps_ticket(request)) {
            session->answers_due &= ~(uint32_t)HF_PG_COMMIT_PARSE; /* parsed in an earlier flight */
        }
    } else if (type == 'C' || type == 'I') {
        hf_pg_skip_maybe(session);
    }
    const uint32_t due = hf_pg_due(session, answers_of(type));
    if (due == 0 || (!request && due != HF_PG_ROLLBACK)) { /* only ROLLBACK is no request's */
        return out_of_place(io, type);
    }
    session->answers_due &= ~due;
    switch (due) {
    case HF_PG_CLOSE: return closed(session, request);
    case HF_PG_PARSE: return parsed(session, io, request);
    case HF_PG_PARAMS: return params(session, io, request, message);
    case HF_PG_DESCRIBE:
    case HF_PG_PORTAL: return described(session, io, request, message, due);
    case HF_PG_BIND: return bound(session, io, request);
    case HF_PG_COMMIT_PARSE:
        if (keeps_ticket(request)) {
            ticket_parsed(session, io, request);
        }
        return HF_DRIVER_MORE;
    case HF_PG_BEGIN_DONE:
    case HF_PG_ROWS:
    case HF_PG_COMMIT_DONE: return done(session, io, request, message, due);
    default: return HF_DRIVER_MORE;
    }
}
