#include "ledger.h"

#include <string.h>

#include "cancel.h"
#include "ending.h"
#include "holdfast/backoff.h"
#include "machine/classify.h"
#include "machine/verdict.h"
#include "queue.h"
#include "resolve.h"
#include "send.h"

static const char takes_no_writes[] = "a standby cannot say what was committed";

void hf_ledger_begin(hf_request *request) {
    request->stage = HF_STAGE_FIND;
    request->flags |= HF_REQUEST_MAYBE_RAN;
}

void hf_ledger_find(hf_conn *conn, hf_request *request) {
    hf_ledger_begin(request);
    hf_request_requeue(conn->pool, request);
    if (hf_conn_serving(conn)) {
        hf_flight_send(conn);
    }
}

uint32_t hf_ledger_facts(const hf_pool *pool, const hf_request *request, const hf_error *error) {
    const bool ours = error->limit == HF_LIMIT_REQUEST || error->limit == HF_LIMIT_MAX_OUTAGE;
    if (!(request->flags & HF_REQUEST_KEY_WAIT) || !ours) {
        return 0;
    }
    return HF_FACT_KEY_AWAITED |
           (hf_request_key_overdue(pool, request) ? (uint32_t)HF_FACT_GIVEN_UP : 0);
}

void hf_ledger_seal(const hf_pool *pool, hf_request *request, const hf_error *error) {
    hf_error *why = &request->error;
    if (error != why) {
        *why = *error;
    }
    if (!why->from_server && why->limit == HF_LIMIT_NONE) {
        why->limit = HF_LIMIT_MAX_RETRIES;
        why->limit_ms = pool->config->max_retries;
    }
    request->stage = HF_STAGE_SEAL;
    request->flags |= HF_REQUEST_MAYBE_RAN;
}

/* Nothing stands at the key any more: somebody has deleted its row. The request runs again, after a wait. */
static void not_there(hf_pool *pool, hf_request *request, hf_verdict verdict) {
    hf_error error;
    request->stage = HF_STAGE_RUN;
    request->asked_at = HF_NEVER;
    if (verdict.action == HF_ACTION_WAIT) {
        request->retries++;
        hf_request_wait(pool, request,
                        hf_backoff(request->attempts - 1, pool->config, hf_pool_random(pool)));
        return;
    }
    hf_error_set(&error, HF_ERR_STATE, HF_PHASE_QUERY,
                 "the key was there, and then was not: its row was deleted");
    if (verdict.action == HF_ACTION_SEAL) {
        hf_ledger_seal(pool, request, &error);
        hf_request_requeue(pool, request);
    } else {
        hf_request_give_up(pool, request, (hf_outcome)verdict.outcome, &error);
    }
}

/* Why FIND was refused. Its parameters are the INSERT's, which took them: class 22 is no word of theirs. */
static hf_class refusal(const hf_error *why) {
    const hf_class class = hf_classify_question(why);
    return class == HF_CLASS_PERMANENT && memcmp(why->sqlstate, "22", 2) == 0 ? HF_CLASS_NONE
                                                                              : class;
}

/* The answer settles what became of the request, or the time for asking is over. */
static void settled(hf_conn *conn, hf_request *request, hf_verdict verdict, const hf_error *why) {
    static const char other[] =
        "the ledger has this key for another statement, or other parameters",
                      sealed[] =
                          "the key was used up when this request was refused: take a new one";
    hf_pool *pool = conn->pool;
    hf_error error;
    if (verdict.outcome == HF_OUTCOME_OK) {
        request->already_applied = !request->complete;
        if (request->already_applied) {
            hf_request_untag(request);
        }
        hf_request_end(pool, request, HF_OUTCOME_OK, NULL);
    } else if (verdict.outcome == HF_OUTCOME_FAILED) {
        hf_error_set(&error, HF_ERR_ARGUMENT, HF_PHASE_QUERY,
                     request->tx_status == HF_TX_SEALED ? sealed : other);
        hf_request_end(pool, request, HF_OUTCOME_FAILED, &error);
    } else if (why->code == HF_ERR_TOO_LARGE || refusal(why) == HF_CLASS_PERMANENT) {
        hf_request_end(pool, request, HF_OUTCOME_UNKNOWN, why);
    } else {
        hf_question_out_of_time(conn, request,
                                request->tx_status == HF_TX_STANDBY ? "no primary was found"
                                : why->code == HF_OK ? "the question was not answered"
                                                     : why->message);
    }
}

bool hf_ledger_asked(hf_conn *conn, hf_request *request, hf_error *why) {
    hf_pool *pool = conn->pool;
    const bool standby = request->tx_status == HF_TX_STANDBY;
    const hf_class class = refusal(why);
    const hf_verdict verdict = hf_verdict_of_question(
        why->code == HF_OK ? HF_ENDING_OK : HF_ENDING_ERROR, class, HF_STAGE_FIND,
        hf_tx_status_of(request),
        hf_question_facts(pool, request) |
            (why->code == HF_ERR_TOO_LARGE ? (uint32_t)HF_FACT_ROWS_LOST : 0));
    if (verdict.action == HF_ACTION_END) {
        settled(conn, request, verdict, why);
    } else if (verdict.action == HF_ACTION_ASK_LATER) {
        hf_request_wait(pool, request, hf_question_delay(pool, request->asks));
    } else {
        not_there(pool, request, verdict);
    }
    if (standby) { /* also when the request ended: the connection goes */
        hf_error_set(why, HF_ERR_NET, HF_PHASE_QUERY, takes_no_writes);
    }
    return verdict.leave;
}

bool hf_ledger_sealed(hf_conn *conn, hf_request *request, hf_error *why) {
    hf_pool *pool = conn->pool;
    const bool standby = request->tx_status == HF_TX_STANDBY;
    const hf_verdict verdict =
        hf_verdict_of_question(HF_ENDING_OK, HF_CLASS_NONE, HF_STAGE_SEAL, hf_tx_status_of(request),
                               hf_question_facts(pool, request) |
                                   (hf_cancel_may_hit(conn) ? (uint32_t)HF_FACT_CANCEL_OUT : 0));
    if (verdict.action == HF_ACTION_FIND) {
        hf_ledger_begin(request);
        hf_request_requeue(pool, request);
    } else if (verdict.action == HF_ACTION_ASK_LATER) {
        hf_request_wait(pool, request, hf_question_delay(pool, request->asks));
    } else if (verdict.outcome == HF_OUTCOME_FAILED) {
        hf_request_end(pool, request, HF_OUTCOME_FAILED, NULL);
    } else {
        hf_question_out_of_time(conn, request,
                                standby ? "no primary was found" : "its key could not be used up");
    }
    why->code = HF_OK;
    if (standby) {
        hf_error_set(why, HF_ERR_NET, HF_PHASE_QUERY, takes_no_writes);
    }
    return verdict.leave;
}
