#include "flight.h"

#include <string.h>

#include "base/text.h"
#include "cancel.h"
#include "ending.h"
#include "group.h"
#include "holdfast/backoff.h"
#include "ledger.h"
#include "machine/endpoint.h"
#include "machine/verdict.h"
#include "queue.h"
#include "resolve.h"
#include "send.h"

/* The request's 57014 came from our own cancel: the request ends because of what the cancel was for, its limit or
 * hf_cancel(). */
static HF_COLD void own_cancel(const hf_conn *conn, hf_request *request) {
    hf_error *error = &request->error;
    char sqlstate[sizeof error->sqlstate];
    memcpy(sqlstate, error->sqlstate, sizeof sqlstate);
    hf_cancel_error(conn, request, error);
    memcpy(error->sqlstate, sqlstate, sizeof sqlstate);
}

/* What is known of a request, however its attempt ended. */
static uint32_t facts_of(const hf_conn *conn, const hf_request *request) {
    const hf_pool *pool = conn->pool;
    const uint8_t role = conn->io.role;
    const bool since_login = (role & HF_ROLE_READ_ONLY) && (role & HF_ROLE_READ_ONLY_AT_LOGIN);
    /* A session that turned read-only without a SET may have its server's reload to thank: that can be asked. */
    const uint8_t own = HF_ROLE_CHANGED | (HF_WITH_RESOLVE ? 0 : HF_ROLE_READ_ONLY);
    uint32_t facts = hf_request_past(request);

    facts |= hf_commit_is_deferred(request) ? HF_FACT_COMMIT_DEFERRED : 0u;
    facts |= request->bound ? HF_FACT_BOUND : 0u;
    facts |= request->complete ? HF_FACT_COMPLETE : 0u;
    facts |= hf_stage_of(request) != HF_STAGE_RUN ? HF_FACT_RAN : 0u;
    facts |= hf_request_must_end(pool, request) ? HF_FACT_MUST_END : 0u;
    facts |= hf_request_may_retry(pool, request) ? 0u : HF_FACT_RETRIES_USED_UP;
    facts |=
        !request->prepare || (request->flags & HF_REQUEST_REPREPARED) ? HF_FACT_REPREPARED : 0u;
    facts |= request->flags & HF_REQUEST_ROLE_SEEN ? HF_FACT_ROLE_SEEN : 0u;
    facts |= request->flags & HF_REQUEST_CANCELLED_ONCE ? HF_FACT_CANCELLED_ONCE : 0u;
    facts |= hf_request_writes_nothing(pool, request) ? HF_FACT_READ_ONLY : 0u;
    facts |= hf_cancel_may_hit(conn) ? HF_FACT_CANCEL_OUT : 0u;
    facts |= (role & HF_ROLE_STANDBY) || since_login ? HF_FACT_WRONG_ROLE : 0u;
    facts |= (role & own) && !since_login ? HF_FACT_OWN_SETTING : 0u;
    facts |= pool->config->driver->self_commits(request) ? HF_FACT_SELF_COMMITS : 0u;
    return facts;
}

/* The server lacks something, or takes no writes: for how long has this request met that, and are others answered
 * OK? */
static uint32_t facts_of_denial(hf_pool *pool, hf_request *request, hf_class class) {
    const uint32_t ok = (uint32_t)pool->done[HF_OUTCOME_OK];
    const uint32_t most = hf_outage_longest(&pool->outage, pool->config);
    const bool others = (request->flags & HF_REQUEST_SHORT) && ok != request->denied_ok;

    if (hf_is_never(request->denied_at) || others) {
        request->denied_at = pool->now;
    }
    if (class == HF_CLASS_SHORTAGE) {
        request->flags |= HF_REQUEST_SHORT;
        request->denied_ok = ok;
    }
    const bool over = most != HF_FOREVER && pool->now - request->denied_at >= most;
    return (others ? (uint32_t)HF_FACT_OTHERS_OK : 0) | (over ? (uint32_t)HF_FACT_GIVEN_UP : 0);
}

/* The server is to be asked what became of the request's COMMIT or of its key, or that key is to be used up. */
static void ask(hf_pool *pool, hf_request *request, hf_action action, const hf_error *error) {
    if (HF_WITH_RESOLVE && action == HF_ACTION_ASK) {
        hf_resolve_begin(pool, request);
    } else if (HF_WITH_LEDGER && action == HF_ACTION_FIND) {
        hf_ledger_begin(request);
    } else if (HF_WITH_LEDGER) {
        hf_ledger_seal(pool, request, error);
    }
}

/* Carries out the verdict on a request that was taken out of flight. error: why, the request's own or the
 * connection's. True: the caller, who keeps the order, puts the request at the queue's head. */
static bool carry_out(hf_conn *conn, hf_request *request, hf_verdict verdict,
                      const hf_error *error) {
    hf_pool *pool = conn->pool;
    if (verdict.maybe_ran) {
        request->flags |= HF_REQUEST_MAYBE_RAN;
    }
    switch ((hf_action)verdict.action) {
    case HF_ACTION_END:
        if (verdict.outcome == HF_OUTCOME_UNKNOWN) {
            hf_request_unknown(pool, request, error);
        } else {
            hf_request_end(pool, request, (hf_outcome)verdict.outcome, error);
        }
        return false;
    case HF_ACTION_GIVE_UP:
        hf_request_give_up(pool, request, (hf_outcome)verdict.outcome, error);
        return false;
    case HF_ACTION_AGAIN: request->retries++; return true;
    case HF_ACTION_WAIT:
    case HF_ACTION_WAIT_FREE: {
        const uint32_t delay =
            hf_backoff(request->attempts - 1, pool->config, hf_pool_random(pool));
        request->retries += verdict.action == HF_ACTION_WAIT;
        request->flags |= HF_REQUEST_UNDONE;
        hf_request_wait(pool, request, delay);
        return false;
    }
    case HF_ACTION_ASK:
    case HF_ACTION_FIND:
    case HF_ACTION_SEAL: ask(pool, request, (hf_action)verdict.action, error); return true;
    case HF_ACTION_FREE:
    case HF_ACTION_LEAVE:
    case HF_ACTION_ROLE:
    case HF_ACTION_ASK_LATER: return true; /* verdicts on questions (resolve.c) */
    }
    return false;
}

/* The server refused the request with an ErrorResponse and its ReadyForQuery. True: the connection must be given up. */
static bool refused(hf_conn *conn, hf_request *request, bool ours) {
    hf_pool *pool = conn->pool;
    const hf_config *config = pool->config;
    hf_error *error = &request->error;
    hf_class class = hf_classify(error, config->read_only);
    uint32_t facts = facts_of(conn, request) | HF_FACT_SENT | HF_FACT_RAN;

    if (class == HF_CLASS_SHORTAGE || class == HF_CLASS_ROLE) {
        facts |= facts_of_denial(pool, request, class);
    }
    if (class != HF_CLASS_ROLE) {
        request->flags &= (uint16_t)~HF_REQUEST_ROLE_SEEN; /* the answer held for one attempt */
    }
    if (class == HF_CLASS_CANCELLED && ours) {
        own_cancel(conn, request);
        facts |= HF_FACT_CANCELLED;
    }
    facts |= HF_WITH_LEDGER ? hf_ledger_facts(pool, request, error) : 0u;
    if (request->wait_passing && !config->driver->waits_not(request)) {
        facts |= HF_FACT_PATIENT;
    }
    const hf_verdict verdict =
        hf_verdict_of(HF_ENDING_ERROR, class, request->replay, hf_stage_of(request), facts);
    if (verdict.action == HF_ACTION_GIVE_UP && (facts & HF_FACT_GIVEN_UP) &&
        !(facts & HF_FACT_OTHERS_OK)) {
        error->limit = HF_LIMIT_MAX_OUTAGE;
        error->limit_ms = hf_outage_longest(&pool->outage, config);
    }
    if (config->read_only && hf_is_read_only_refusal(error)) {
        error->code = HF_ERR_READ_ONLY;
    }
    if (class == HF_CLASS_REPREPARE && verdict.action == HF_ACTION_FREE) {
        request->flags |= HF_REQUEST_REPREPARED;
        if (HF_WITH_PREPARED) {
            config->driver->forget(&conn->session, &conn->io, request);
        }
    }
    if (class == HF_CLASS_CANCELLED && verdict.action == HF_ACTION_AGAIN && !ours) {
        request->flags |= HF_REQUEST_CANCELLED_ONCE;
    }
    if (HF_WITH_RESOLVE && verdict.action == HF_ACTION_ASK && conn->n_flight > 0) {
        /* What was sent behind a COMMIT in doubt is not to commit before that is known: it goes with the link. */
        hf_resolve_in_doubt(conn, request);
        return true;
    }
    if (!carry_out(conn, request, verdict, error)) {
        return false;
    }
    if (verdict.action >= HF_ACTION_FREE) {
        request->flags |= HF_REQUEST_UNDONE;
    }
    hf_request_requeue(pool, request);
    if (verdict.action == HF_ACTION_ROLE) {
        hf_resolve_role(request);
        const hf_request *next = conn->flight.head; /* sent behind the COMMIT, its own is next */
        if (HF_WITH_RESOLVE && hf_conn_serving(conn) && !(next && hf_commit_is_deferred(next))) {
            hf_flight_send(conn); /* this very server is asked */
        }
    }
    return verdict.action == HF_ACTION_LEAVE;
}

/* The verdict on a request that the server answered without an error. */
static hf_verdict verdict_of_ok(const hf_conn *conn, const hf_request *request, uint32_t more) {
    return hf_verdict_of(HF_ENDING_OK, HF_CLASS_NONE, request->replay, hf_stage_of(request),
                         facts_of(conn, request) | HF_FACT_SENT | HF_FACT_RAN | more);
}

/* A ledger request's key is there already. */
static HF_COLD void key_there(hf_conn *conn, hf_request *request) {
    const hf_verdict verdict =
        hf_verdict_of(HF_ENDING_ERROR, HF_CLASS_NONE, request->replay, hf_stage_of(request),
                      facts_of(conn, request) | HF_FACT_SENT | HF_FACT_RAN | HF_FACT_KEY_THERE);
    if (verdict.action == HF_ACTION_FIND) {
        hf_ledger_find(conn, request);
        return;
    }
    hf_cancel_error(conn, request, &request->error);
    hf_request_end(conn->pool, request, (hf_outcome)verdict.outcome, NULL);
}

/* The server said OK while a CancelRequest of ours was out, which may have ended COMMIT's wait for a synchronous
 * standby. */
static HF_COLD void ok_despite_cancel(hf_conn *conn, hf_request *request, bool ours) {
    static const char why[] = "committed here, perhaps not on the standby";
    const hf_verdict verdict = verdict_of_ok(conn, request, 0);
    if (HF_WITH_LEDGER && verdict.action == HF_ACTION_FIND) { /* its end waits for the standby */
        hf_ledger_find(conn, request);
        return;
    }
    if (verdict.outcome == HF_OUTCOME_UNKNOWN) {
        if (ours) {
            hf_cancel_error(conn, request, &request->error);
        } else {
            hf_error_set(&request->error, HF_ERR_CANCELLED, HF_PHASE_QUERY, NULL);
        }
        if (HF_WITH_MESSAGES) {
            hf_error_message(&request->error, why, sizeof why - 1);
        }
    }
    hf_request_end(conn->pool, request, (hf_outcome)verdict.outcome, NULL);
}

/* The server said OK, but rows could not be taken: one was too large, or the request was cancelled while paused. */
static HF_COLD void rows_lost(hf_conn *conn, hf_request *request) {
    static const char done[] = "; the server said OK, and what it did stands";
    hf_pool *pool = conn->pool;
    hf_error *error = &request->error;
    const hf_verdict verdict = verdict_of_ok(conn, request, HF_FACT_ROWS_LOST);
    if (error->code == HF_OK) {
        hf_cancel_error(conn, request, error);
        hf_request_end(pool, request, (hf_outcome)verdict.outcome, NULL);
        return;
    }
    if (HF_WITH_MESSAGES && !pool->config->read_only) {
        char words[HF_MESSAGE_BYTES];
        hf_writer out = hf_writer_on(words, sizeof words);
        hf_write_text(&out, error->message);
        hf_write_text(&out, done);
        hf_error_message(error, words, strlen(words));
    }
    hf_request_end(pool, request, (hf_outcome)verdict.outcome, NULL);
}

/* The server gives no tickets, so the driver rolled the transaction back: the request runs again without a ticket. */
static HF_COLD void run_without_ticket(hf_conn *conn, hf_request *request) {
    hf_pool *pool = conn->pool;
    const hf_verdict verdict = verdict_of_ok(conn, request, HF_FACT_NO_TICKET);
    pool->endpoints.list[hf_conn_endpoint(conn)].ticketless = conn->io.ticketless;
    if (verdict.action == HF_ACTION_END) {
        hf_cancel_error(conn, request, &request->error);
        hf_request_end(pool, request, (hf_outcome)verdict.outcome, NULL);
    } else {
        request->flags |= HF_REQUEST_UNDONE;
        hf_request_requeue(pool, request);
    }
}

/* The answer is whole (ReadyForQuery), and is not a plain OK. ours: a cancel of ours was meant for this request. */
static HF_COLD hf_turn ready_slow(hf_conn *conn, hf_request *request, bool ours) {
    hf_pool *pool = conn->pool;
    /* The connection's error: the request's own is gone once the request runs again. */
    hf_error *why = &conn->io.error;
    bool give_up = false;
    if (request->error.code != HF_OK) {
        *why = request->error;
    } else if (why->code == HF_ERR_OPEN_TRANSACTION) {
        request->error = *why;
    } else {
        why->code = HF_OK;
    }
    if (hf_stage_of(request) == HF_STAGE_ROLLBACK) {
        hf_resolve_rolled_back(pool, request);
    } else if (HF_WITH_LEDGER && hf_stage_of(request) == HF_STAGE_FIND) {
        give_up = hf_ledger_asked(conn, request, why);
    } else if (HF_WITH_LEDGER && hf_stage_of(request) == HF_STAGE_SEAL) {
        give_up = hf_ledger_sealed(conn, request, why);
    } else if (hf_asks(request)) {
        give_up = hf_resolve_asked(conn, request, why);
    } else if (HF_WITH_LEDGER && hf_tx_status_of(request) == HF_TX_KEY) {
        key_there(conn, request);
    } else if (hf_tx_status_of(request) == HF_TX_ABORTED) {
        run_without_ticket(conn, request);
    } else if (why->code == HF_ERR_TOO_LARGE ||
               (why->code == HF_OK && (request->flags & HF_REQUEST_ROWS_LOST))) {
        rows_lost(conn, request);
    } else if (why->code == HF_OK) {
        ok_despite_cancel(conn, request, ours);
    } else {
        give_up = refused(conn, request, ours);
        if (conn->flight.head == request && hf_stage_of(request) == HF_STAGE_COMMIT) {
            return HF_TURN_LOST; /* put back: a COMMIT in doubt */
        }
    }
    hf_cancel_passed(conn);
    if (ours) {
        hf_cancel_answered(conn);
    }
    if (give_up) {
        if (HF_MANY_HOSTS) {
            hf_endpoints_standby(&pool->endpoints, conn->endpoint, pool->dials);
        }
        if (!hf_cancel_pending(conn)) { /* else the cancel's link has to end first */
            return HF_TURN_LOST;        /* conn->io.error is why */
        }
    }
    /* An answered statement ends an outage; a standby's 25006 does not. */
    const bool role =
        why->code != HF_OK && !pool->config->read_only && hf_is_read_only_refusal(why);
    if (!hf_is_never(conn->stable_at) && !role) {
        hf_conn_on_stable(conn);
    }
    why->code = HF_OK;
    hf_cancel_next(conn);
    return HF_TURN_FED;
}

/* ReadyForQuery of reads that share it (group.h). */
static hf_turn ready_group(hf_conn *conn) {
    hf_queue done = { 0 };
    bool ours = false, hit = false;
    hf_turn turn = HF_TURN_FED;
    hf_request *refused = hf_group_take(conn, &done, &hit, &ours);

    while (done.head) {
        hf_request *request = hf_queue_take(&done);
        if (request->error.code != HF_OK || (request->flags & HF_REQUEST_ROWS_LOST)) {
            ready_slow(conn, request, false);
        } else {
            hf_cancel_passed(conn);
            hf_request_end(conn->pool, request, HF_OUTCOME_OK, NULL);
        }
    }
    if (refused) {
        turn = ready_slow(conn, refused, ours);
    } else if (!hf_is_never(conn->stable_at)) {
        hf_conn_on_stable(conn);
    }
    if (hit && conn->cancelled) {
        hf_cancel_answered(conn);
    }
    hf_cancel_next(conn);
    return turn;
}

/* ReadyForQuery: the answer to the oldest request is whole. */
static inline hf_turn ready(hf_conn *conn) {
    if (HF_WITH_GROUPS) {
        if (conn->awaited != conn->flight.head || hf_shares_next(conn->awaited)) {
            return ready_group(conn);
        }
        conn->awaited = conn->awaited->next;
    }
    const hf_request *cancelled = conn->cancelled;
    hf_request *request = hf_flight_take(conn);
    /* Nearly every answer is plain, and this is the short way. ready_slow() would do the same with it. */
    bool plain = HF_WITH_FAST_PATHS && request != cancelled && request->error.code == HF_OK &&
                 conn->io.error.code == HF_OK && !(request->flags & HF_REQUEST_ROWS_LOST) &&
                 !hf_asks(request) && hf_tx_status_of(request) == HF_TX_NONE &&
                 !hf_cancel_may_hit(conn) && !conn->cancel_next;
    if (!plain) {
        return ready_slow(conn, request, request == cancelled);
    }
    if (!hf_is_never(conn->stable_at)) {
        hf_conn_on_stable(conn);
    }
    hf_request_end(conn->pool, request, HF_OUTCOME_OK, NULL);
    return HF_TURN_FED;
}

static inline hf_turn row(hf_conn *conn, hf_request *request) {
    if (request->error.code != HF_OK || (request->flags & HF_REQUEST_ROWS_LOST)) {
        return HF_TURN_FED;
    }
    request->n_rows++;
    if (!request->on_row || request->on_row(request, &conn->io.row) != HF_PAUSE) {
        return HF_TURN_FED;
    }
    if (conn->cancelled) { /* a cancel is pending: no pause any more */
        request->flags |= HF_REQUEST_ROWS_LOST;
        return HF_TURN_FED;
    }
    conn->paused_at = conn->pool->now;
    return HF_TURN_STOP;
}

static void notice(hf_conn *conn) {
    const hf_config *config = conn->pool->config;
    hf_error *error = &conn->io.error;
    if (hf_is_farewell(error)) {
        memcpy(conn->shutdown_sqlstate, error->sqlstate, sizeof conn->shutdown_sqlstate);
    }
    /* This warning says that a cancel, ours or another's, ended COMMIT's wait for a synchronous standby. */
    hf_value routine;
    static const char wait[] = "SyncRepWaitForLSN";
    if (conn->flight.head && error->severity == 'W' &&
        hf_fields_get(&conn->io.fields, HF_FIELD_ROUTINE, &routine) &&
        routine.bytes == sizeof wait - 1 && memcmp(routine.data, wait, sizeof wait - 1) == 0) {
        conn->flight.head->unconfirmed = true;
    }
    if (config->on_notice) {
        config->on_notice(config->callback_user, conn->index, error, &conn->io.fields);
    }
    error->code = HF_OK;
}

/* An error of the oldest request: the first one stays, because later ones follow from it. refused: the server sent
 * it. */
static void request_error(hf_conn *conn, hf_request *request, bool refused) {
    hf_error *error = &conn->io.error;
    if (HF_WITH_LEDGER && hf_stage_of(request) == HF_STAGE_SEAL) {
        /* The key is not used up; the error that is there stays. */
        request->tx_status = hf_is_read_only_refusal(error) ? HF_TX_STANDBY : HF_TX_RUNNING;
        error->code = HF_OK;
        return;
    }
    if (request->error.code == HF_OK) {
        request->error = *error;
    }
    if (refused && request->on_error) {
        request->on_error(request, error, &conn->io.fields);
    }
    error->code = HF_OK;
}

/* What was kept with the key of an attempt before. Rows that were delivered already need no other word. */
static HF_COLD void kept(hf_request *request, hf_row *row) {
    hf_value value;
    if (request->on_kept && !request->complete && hf_row_next(row, &value)) {
        request->on_kept(request, value);
    }
}

/* Acts on an event other than the ROW and READY of a request. */
static HF_COLD hf_turn other_event(hf_conn *conn, hf_driver_event event) {
    const hf_config *config = conn->pool->config;
    hf_io *io = &conn->io;
    hf_request *request = hf_conn_awaited(conn);
    if (!request && event >= HF_DRIVER_COLUMNS && event <= HF_DRIVER_READY) {
        hf_error_set(&io->error, HF_ERR_PROTOCOL, HF_PHASE_QUERY,
                     HF_MESSAGE("an answer that nobody asked for"));
        event = HF_DRIVER_BROKEN;
    }
    switch (event) {
    case HF_DRIVER_BEFORE_COMMIT:
        return HF_WITH_RESOLVE ? hf_resolve_before_commit(conn, request) : HF_TURN_FED;
    case HF_DRIVER_KEYED: /* what waited for the key was no attempt yet */
        if (HF_WITH_LEDGER) {
            request->flags &= (uint16_t)~HF_REQUEST_KEY_WAIT;
            hf_flight_clock(conn);
        }
        return HF_TURN_FED;
    case HF_DRIVER_KEPT:
        if (HF_WITH_LEDGER) {
            kept(request, &io->row);
        }
        return HF_TURN_FED;
    case HF_DRIVER_COLUMNS: request->on_columns(request, &io->columns); return HF_TURN_FED;
#if HF_WITH_VALUES
    case HF_DRIVER_PARAMS: request->on_params(request, &io->params); return HF_TURN_FED;
#endif
    case HF_DRIVER_SKIPPED:
    case HF_DRIVER_ERROR:
        request_error(conn, request, event == HF_DRIVER_ERROR);
        return HF_TURN_FED;
    case HF_DRIVER_PROBED: return HF_TURN_PROBED;
    case HF_DRIVER_NOTICE: notice(conn); return HF_TURN_FED;
    case HF_DRIVER_NOTIFY:
        if (config->on_notify) {
            config->on_notify(config->callback_user, conn->index, io->channel, io->payload);
        }
        return HF_TURN_FED;
    case HF_DRIVER_UP: return HF_TURN_UP;
    case HF_DRIVER_AGAIN: return HF_TURN_REDIAL;
    case HF_DRIVER_FATAL:
    case HF_DRIVER_BROKEN: return HF_TURN_LOST;
    case HF_DRIVER_SLICE: return hf_conn_over_budget(conn) ? HF_TURN_STOP : HF_TURN_FED;
    case HF_DRIVER_ROW: /* taken by hf_flight_feed() */
    case HF_DRIVER_READY:
    case HF_DRIVER_COMPLETE:
    case HF_DRIVER_MORE: break;
    }
    return HF_TURN_FED;
}

/* The request in hand is complete, and has its ReadyForQuery together with the next one. */
static inline hf_turn complete(hf_conn *conn) {
    conn->awaited = conn->awaited->next;
    return HF_TURN_FED;
}

hf_turn hf_flight_feed(hf_conn *conn) {
    const hf_driver *driver = conn->pool->config->driver;
    do {
        hf_request *request = hf_conn_awaited(conn);
        hf_driver_event event = driver->feed(&conn->session, &conn->io, request);
        if (event == HF_DRIVER_MORE) {
            return HF_TURN_FED;
        }
        const hf_turn turn = !request                   ? other_event(conn, event)
                             : event == HF_DRIVER_ROW   ? row(conn, request)
                             : event == HF_DRIVER_READY ? ready(conn)
                             : HF_WITH_GROUPS && event == HF_DRIVER_COMPLETE
                                 ? complete(conn)
                                 : other_event(conn, event);
        if (turn != HF_TURN_FED) {
            return turn;
        }
    } while (hf_flight_any(conn));
    return HF_TURN_FED;
}

/* The connection was lost with this request in flight. behind: another one was the oldest. True: the request runs
 * again, or the server is asked; false: it ended. */
static bool runs_again(hf_conn *conn, hf_request *request, const hf_error *error, bool behind) {
    hf_pool *pool = conn->pool;
    if (hf_asks(request)) {
        return hf_resolve_lost(conn, request, error);
    }
    if (hf_stage_of(request) == HF_STAGE_ROLLBACK) { /* nothing was committed */
        return hf_resolve_roll_back_lost(pool, request);
    }
    const bool whole = request->sent_at <= conn->tx_sent;
    if (!whole && hf_stage_of(request) == HF_STAGE_RUN &&
        (request->n_rows > 0 ||
         ((hf_is_batch(request) || hf_is_ledger(request)) && request->runs_at <= conn->tx_sent))) {
        request->flags |= HF_REQUEST_UNDONE; /* part of a batch ran, but its COMMIT was not sent */
    }
    /* Behind a COMMIT it was not its turn, and it has had no effect: that is no re-send that counts. */
    const bool early = behind && hf_commit_is_deferred(request);
    if (early) {
        request->flags |= whole ? HF_REQUEST_UNDONE : 0;
        request->commit_at = HF_NEVER;
    }
    const hf_verdict verdict = hf_verdict_of(
        HF_ENDING_LOST, HF_CLASS_NONE, request->replay, hf_stage_of(request),
        facts_of(conn, request) | (whole && !early ? (uint32_t)(HF_FACT_SENT | HF_FACT_RAN) : 0) |
            (HF_WITH_LEDGER ? hf_ledger_facts(pool, request, error) : 0u) |
            (HF_WITH_LEDGER && hf_tx_status_of(request) == HF_TX_NO_KEY
                 ? (uint32_t)HF_FACT_UNGUARDED
                 : 0));
    return carry_out(conn, request, verdict, error);
}

void hf_flight_lost(hf_conn *conn, const hf_error *error) {
    hf_pool *pool = conn->pool;
    hf_queue again = { 0 }, first = { 0 };
    const uint16_t n_flight = conn->n_flight;
    /* The oldest group's clock has ended, and its time-out is nobody's yet; or one's cancel has cost all the link. */
    bool clock = conn->n_flight > 0 && hf_shares_next(conn->flight.head) &&
                 (error->code == HF_ERR_CANCELLED ||
                  (error->code == HF_ERR_TIMEOUT &&
                   (error->limit == HF_LIMIT_REQUEST || error->limit == HF_LIMIT_TIMEOUT)));
    if (HF_WITH_GROUPS) {
        conn->awaited = conn->timed = NULL;
        conn->more = 0;
    }
    if (HF_WITH_RESOLVE) {
        conn->commits = NULL;
    }
    while (conn->n_flight > 0) {
        hf_request *request = hf_flight_take(conn);
        if (clock) {
            clock = hf_shares_next(request);
            request->flags |= HF_REQUEST_UNDONE; /* it may have run */
            hf_queue_push(&first, request);
            continue;
        }
        /* What the server said of its role held for the lost connection. */
        request->flags &= (uint16_t)~HF_REQUEST_ROLE_SEEN;
        /* An ErrorResponse without its ReadyForQuery proves nothing, but says more than the end of the stream. */
        bool told = request->error.severity == 'E';
        if (HF_WITH_GROUPS && !told && (request->flags & HF_REQUEST_CANCEL) &&
            (error->code == HF_ERR_CANCELLED || error->code == HF_ERR_TIMEOUT)) {
            hf_cancel_error(conn, request, &request->error); /* its own, and not another one's */
            told = true;
        }
        const bool behind = conn->n_flight + 1u < n_flight;
        if (runs_again(conn, request, told ? &request->error : error, behind)) {
            hf_queue_push(&again, request);
        }
    }
    conn->n_cancel_may_hit = 0;
    while (again.tail) { /* last one first, so that the order stays */
        hf_request *request = again.tail;
        hf_queue_remove(&again, request);
        hf_request_requeue(pool, request);
    }
    if (HF_WITH_GROUPS) {
        hf_group_apart(conn, &first);
    }
}
