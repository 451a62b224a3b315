#include "resolve.h"

#include <string.h>

#include "cancel.h"
#include "ending.h"
#include "machine/classify.h"
#include "machine/verdict.h"
#include "queue.h"
#include "send.h"

void hf_resolve_begin(hf_pool *pool, hf_request *request) {
    hf_commit_left(pool, request);
    request->stage = HF_STAGE_ASK;
    request->flags |= HF_REQUEST_MAYBE_RAN;
}

void hf_resolve_role(hf_request *request) {
    if (HF_WITH_RESOLVE) {
        request->stage = HF_STAGE_ROLE;
    } else {
        /* A build that cannot ask runs the request again, once. */
        request->flags |= HF_REQUEST_ROLE_SEEN;
    }
}

/* Has the time for asking passed since that moment? */
static bool has_passed(const hf_pool *pool, hf_ms since) {
    const uint32_t ms = hf_asking_time(pool);
    return ms != HF_FOREVER && pool->now - since >= ms;
}

uint32_t hf_question_facts(const hf_pool *pool, const hf_request *request) {
    const uint32_t most = hf_outage_longest(&pool->outage, pool->config);
    const bool enough =
        hf_is_ledger(request)
            ? most != HF_FOREVER && pool->now - request->asked_at >= most
            : has_passed(pool, request->asked_at) &&
                  (!(request->flags & HF_REQUEST_HANGS) || hf_pool_holds_too_long(pool));
    return hf_request_past(request) | (enough ? (uint32_t)HF_FACT_ASKED_ENOUGH : 0) |
           (request->attempts == 0 ? (uint32_t)HF_FACT_EARLIER_RUN : 0) |
           (hf_request_must_end(pool, request) ? (uint32_t)HF_FACT_MUST_END : 0) |
           (hf_request_may_retry(pool, request) ? 0 : (uint32_t)HF_FACT_RETRIES_USED_UP);
}

/* The server's answer settles that nobody will know what became of the COMMIT. */
static void unresolved(hf_pool *pool, hf_request *request, const char *why) {
    hf_error error;
    hf_error_set(&error, HF_ERR_UNRESOLVED, HF_PHASE_QUERY, why);
    hf_request_end(pool, request, HF_OUTCOME_UNKNOWN, &error);
}

void hf_question_out_of_time(hf_conn *conn, hf_request *request, const char *why) {
    const hf_pool *pool = conn->pool;
    hf_error error;
    if (request == conn->cancelled || hf_request_must_end(pool, request)) {
        hf_cancel_error(conn, request, &error);
    } else {
        hf_error_set(&error, HF_ERR_TIMEOUT, HF_PHASE_QUERY, NULL);
        hf_asked_enough(pool, request, &error);
    }
    hf_error_message(&error, why, strlen(why));
    hf_request_end(conn->pool, request, HF_OUTCOME_UNKNOWN, &error);
}

uint32_t hf_question_delay(const hf_pool *pool, uint32_t asks) {
    uint32_t delay = HF_ASK_MS_MIN;
    for (; asks > 1 && 2 * delay <= HF_ASK_MS_MAX && 2 * delay <= pool->config->retry_delay_ms;
         asks--) {
        delay *= 2;
    }
    return delay;
}

/* The transaction is still in progress. A COMMIT whose time is over waits for a synchronous standby. */
static void in_progress(hf_pool *pool, hf_request *request) {
    if (has_passed(pool, request->commit_at) && !(request->flags & HF_REQUEST_HANGS)) {
        request->flags |= HF_REQUEST_HANGS;
        pool->hanging++;
    }
}

/* The request goes behind those that were sent before and are held, and with them to the queue's head if its COMMIT was
 * the last one that was left. */
static void hold_again(hf_pool *pool, hf_request *request) {
    hf_request_requeue(pool, request);
    hf_queue_hold(pool); /* takes the head: this one */
    hf_commit_known(pool, request);
}

/* The transaction was not committed: its request runs again, or ends. */
static void aborted(hf_pool *pool, hf_request *request, hf_verdict verdict) {
    hf_error error;
    request->stage = HF_STAGE_RUN;
    request->asked_at = HF_NEVER; /* the next COMMIT may be asked about as long */
    request->flags &= (uint16_t)~HF_REQUEST_MAYBE_RAN;
    if (verdict.action == HF_ACTION_FREE) {
        /* The COMMIT was an earlier run's: this run has sent nothing yet. */
        request->flags |= HF_REQUEST_UNDONE;
        hold_again(pool, request);
    } else if (verdict.action == HF_ACTION_AGAIN) {
        request->retries++;
        hold_again(pool, request);
    } else {
        hf_commit_known(pool, request);
        hf_error_set(&error, HF_ERR_NET, HF_PHASE_QUERY,
                     "its COMMIT's answer was lost or left doubt, and it was rolled back");
        hf_request_give_up(pool, request, (hf_outcome)verdict.outcome, &error);
    }
}

/* The request met a server that takes no writes, and must end before that server was asked. */
static void end_without_role(hf_conn *conn, hf_request *request, hf_verdict verdict) {
    hf_cancel_error(conn, request, &request->error);
    hf_request_end(conn->pool, request, (hf_outcome)verdict.outcome, NULL);
}

/* The question whether the server takes writes was answered, or refused. */
static void role_asked(hf_conn *conn, hf_request *request, hf_verdict verdict, hf_error *why) {
    hf_pool *pool = conn->pool;
    request->stage = HF_STAGE_RUN;
    if (verdict.action == HF_ACTION_END) {
        end_without_role(conn, request, verdict);
        return;
    }
    if (verdict.action == HF_ACTION_ASK_LATER) { /* the next 25006 brings the next question */
        hf_request_wait(pool, request, hf_question_delay(pool, UINT32_MAX));
        return;
    }
    hf_request_requeue(pool, request);
    if (verdict.leave) {
        hf_error_set(why, HF_ERR_SERVER, HF_PHASE_QUERY, "the server takes no writes");
        memcpy(why->sqlstate, "25006", sizeof why->sqlstate);
    } else if (!hf_request_must_wait(pool, request) && hf_conn_serving(conn) &&
               hf_flight_send(conn) > 0) {
        request->flags |= HF_REQUEST_ROLE_SEEN; /* only here: another server was not asked */
    }
}

/* The request ends as UNKNOWN: status or *why says why nobody can tell what became of its COMMIT. */
static void end_unknown(hf_conn *conn, hf_request *request, hf_tx_status status,
                        const hf_error *why) {
    hf_pool *pool = conn->pool;
    switch (status) {
    case HF_TX_NONE:
        if (hf_classify_question(why) == HF_CLASS_PERMANENT) {
            hf_request_end(pool, request, HF_OUTCOME_UNKNOWN, why);
        } else {
            hf_question_out_of_time(
                conn, request, why->code == HF_OK ? "the question was not answered" : why->message);
        }
        break;
    case HF_TX_RUNNING:
        hf_question_out_of_time(conn, request,
                                request->flags & HF_REQUEST_HANGS
                                    ? "its commit waits for a synchronous standby"
                                    : "it is still in progress");
        break;
    case HF_TX_STANDBY: hf_question_out_of_time(conn, request, "no primary was found"); break;
    case HF_TX_OTHER:
        unresolved(pool, request, "the server was restarted since, or is another one");
        break;
    case HF_TX_COMMITTED:
    case HF_TX_ABORTED:
    case HF_TX_FORGOTTEN:
    case HF_TX_KEY:
    case HF_TX_NO_KEY:
    case HF_TX_SEALED:
    case HF_TX_WRITABLE:
        unresolved(pool, request, "the server does not remember the transaction");
        break;
    }
}

/* The question about the COMMIT was answered, or refused. */
static void commit_asked(hf_conn *conn, hf_request *request, hf_verdict verdict, hf_error *why) {
    const hf_tx_status status = (hf_tx_status)request->tx_status;
    if (verdict.action == HF_ACTION_ASK_LATER) {
        hf_request_wait(conn->pool, request, hf_question_delay(conn->pool, request->asks));
    } else if (verdict.action != HF_ACTION_END) {
        aborted(conn->pool, request, verdict);
    } else if (verdict.outcome == HF_OUTCOME_OK) {
        hf_request_end(conn->pool, request, HF_OUTCOME_OK, NULL);
    } else {
        end_unknown(conn, request, status, why);
    }
    if (status == HF_TX_STANDBY) { /* also when the request ended: the connection goes */
        hf_error_set(why, HF_ERR_NET, HF_PHASE_QUERY, "a standby cannot say what was committed");
    }
}

bool hf_resolve_asked(hf_conn *conn, hf_request *request, hf_error *why) {
    hf_pool *pool = conn->pool;
    const hf_tx_status status = (hf_tx_status)request->tx_status;
    const bool role = request->stage == HF_STAGE_ROLE;
    if (status == HF_TX_RUNNING && !role) {
        in_progress(pool, request);
    }
    const hf_verdict verdict = hf_verdict_of_question(
        why->code == HF_OK ? HF_ENDING_OK : HF_ENDING_ERROR, hf_classify_question(why),
        (hf_stage)request->stage, status, hf_question_facts(pool, request));
    if (role) {
        role_asked(conn, request, verdict, why);
    } else {
        commit_asked(conn, request, verdict, why);
    }
    return verdict.leave;
}

bool hf_resolve_lost(hf_conn *conn, hf_request *request, const hf_error *error) {
    hf_pool *pool = conn->pool;
    const hf_verdict verdict =
        hf_verdict_of_question(HF_ENDING_LOST, HF_CLASS_NONE, (hf_stage)request->stage, HF_TX_NONE,
                               hf_question_facts(pool, request));
    if (verdict.action != HF_ACTION_END) {
        return true;
    }
    if (request->stage == HF_STAGE_ROLE) {
        end_without_role(conn, request, verdict);
    } else {
        hf_request_unknown(pool, request, error);
    }
    return false;
}

hf_turn hf_resolve_before_commit(hf_conn *conn, hf_request *request) {
    hf_pool *pool = conn->pool;
    if (conn->io.tx.start != conn->io.tx.end) { /* so there may be no room for the COMMIT either */
        hf_error_set(&conn->io.error, HF_ERR_PROTOCOL, HF_PHASE_QUERY,
                     HF_MESSAGE("an answer to a statement that was not sent whole"));
        return HF_TURN_LOST;
    }
    conn->commits = request;
    if (!conn->has_commit) {
        conn->has_commit = true;
        conn->next_commit = pool->commits;
        pool->commits = conn;
    }
    return HF_TURN_FED;
}

/* Decides between COMMIT and ROLLBACK. True: on_commit was told of the COMMIT. */
static bool choose(hf_conn *conn, hf_request *request) {
    hf_pool *pool = conn->pool;
    /* A CancelRequest that is out might hit the COMMIT, and end its wait for a synchronous standby. */
    const bool fine = request->error.code == HF_OK && !(request->flags & HF_REQUEST_ROWS_LOST) &&
                      !hf_request_must_end(pool, request) && !hf_cancel_pending(conn) &&
                      conn->n_cancel_may_hit == 0;
    request->stage = fine ? HF_STAGE_COMMIT : HF_STAGE_ROLLBACK;
    request->commit_at = pool->now;
    if (!fine && request->error.code == HF_OK) {
        hf_cancel_error(conn, request, &request->error);
    }
    if (!fine || !request->on_commit) {
        return false;
    }
    request->on_commit(request);
    return true;
}

static void put_commit(hf_conn *conn, hf_request *request) {
    const hf_driver *driver = conn->pool->config->driver;
    conn->commits = NULL;
    int r = driver->submit(&conn->session, &conn->io, request);
    if (HF_WITH_LEDGER && r < 0 && request->stage == HF_STAGE_COMMIT) {
        hf_conn_tx_begun(conn); /* what is to be kept with the key can never be sent */
        request->error = conn->io.error;
        conn->io.error.code = HF_OK;
        request->stage = HF_STAGE_ROLLBACK;
        r = driver->submit(&conn->session, &conn->io, request);
    }
    HF_ASSERT(r == 1); /* the request is alone in flight, and tx is empty */
}

void hf_resolve_commits(hf_pool *pool) {
    bool told = false;
    for (hf_conn *conn = pool->commits; conn; conn = conn->next_commit) {
        told = (conn->commits && choose(conn, conn->commits)) || told;
    }
    if (told && pool->config->on_commits) {
        pool->config->on_commits(pool->config->callback_user);
    }
    for (hf_conn *conn = pool->commits; conn; conn = conn->next_commit) {
        if (conn->commits) { /* else it was lost since, or is in tx */
            put_commit(conn, conn->commits);
        }
    }
}

void hf_resolve_in_doubt(hf_conn *conn, hf_request *request) {
    hf_queue_push_front(&conn->flight, request);
    conn->n_flight++;
    conn->pool->n_in_flight++;
    if (!hf_is_never(
            conn->stable_at)) { /* an answer all the same: the connection had proved itself */
        hf_conn_on_stable(conn);
    }
}

/* The verdict on a request whose ROLLBACK was answered or lost. One that a time-out or a cancel cut short may have
 * another try. */
static hf_verdict rolled_back(hf_pool *pool, const hf_request *request, hf_ending ending) {
    const int code = request->error.code;
    return hf_verdict_of_rollback(ending, code == HF_ERR_TIMEOUT || code == HF_ERR_CANCELLED,
                                  hf_question_facts(pool, request));
}

void hf_resolve_rolled_back(hf_pool *pool, hf_request *request) {
    const hf_verdict verdict = rolled_back(pool, request, HF_ENDING_OK);
    if (verdict.action == HF_ACTION_AGAIN) {
        request->retries++;
        hf_request_requeue(pool, request);
    } else if (verdict.action == HF_ACTION_GIVE_UP) {
        hf_request_give_up(pool, request, (hf_outcome)verdict.outcome, &request->error);
    } else {
        hf_request_end(pool, request, (hf_outcome)verdict.outcome, NULL);
    }
}

bool hf_resolve_roll_back_lost(hf_pool *pool, hf_request *request) {
    const hf_verdict verdict = rolled_back(pool, request, HF_ENDING_LOST);
    if (verdict.action == HF_ACTION_AGAIN) {
        request->retries++;
        return true;
    }
    hf_request_end(pool, request, (hf_outcome)verdict.outcome, NULL);
    return false;
}
