
#include "resolve.h"

#include <string.h>

#include "cancel.h"
#include "ending.h"
#include "holdfast/classify.h"
#include "queue.h"
#include "send.h"

bool hf_pool_hangs_too_long(const hf_pool *pool) {
    const uint32_t most = hf_outage_longest(&pool->outage, pool->config);
    return pool->hanging > 0 && most != HF_FOREVER && pool->now - pool->hanging_since >= most;
}

void hf_resolve_begin(hf_request *request) {
    request->stage = HF_STAGE_ASK;
    request->flags |= HF_REQUEST_MAYBE_RAN;
}

void hf_resolve_role(hf_request *request) {
    if (HF_WITH_RESOLVE) {
        request->stage = HF_STAGE_ROLE;
    } else {
        request->flags |= HF_REQUEST_ROLE_SEEN; /* unasked: it runs again, once */
    }
}

/* Has a request_timeout passed since then? */
static bool has_passed(const hf_pool *pool, hf_ms since) {
    const uint32_t ms = pool->config->request_timeout_ms;
    return ms != 0 && ms != HF_FOREVER && pool->now - since >= ms;
}

/* No verdict, and no time left for another question? */
static bool enough(const hf_pool *pool, const hf_request *request) {
    if (hf_request_must_end(pool, request)) {
        return true;
    }
    return has_passed(pool, request->asked_at) &&
           (!(request->flags & HF_REQUEST_HANGS) || hf_pool_hangs_too_long(pool));
}

/* Nobody will ever know. */
static void unresolved(hf_pool *pool, hf_request *request, const char *why) {
    hf_error error;
    hf_error_set(&error, HF_ERR_UNRESOLVED, HF_PHASE_QUERY, why);
    hf_request_end(pool, request, HF_OUTCOME_UNKNOWN, &error);
}

/* No verdict, and no more questions: why not. */
static void out_of_time(hf_conn *conn, hf_request *request, const char *why) {
    const hf_pool *pool = conn->pool;
    hf_error error;
    if (request == conn->cancelled || hf_request_must_end(pool, request)) {
        hf_cancel_error(conn, request, &error);
    } else if (request->flags & HF_REQUEST_HANGS) {
        hf_timeout_error(&error, HF_PHASE_QUERY, HF_LIMIT_MAX_OUTAGE,
                         hf_outage_longest(&pool->outage, pool->config));
    } else {
        hf_timeout_error(&error, HF_PHASE_QUERY, HF_LIMIT_REQUEST,
                         pool->config->request_timeout_ms);
    }
    hf_error_message(&error, why, strlen(why));
    hf_request_end(conn->pool, request, HF_OUTCOME_UNKNOWN, &error);
}

/* Between two questions. */
static uint32_t delay_of(const hf_pool *pool) {
    const uint32_t delay = pool->config->retry_delay_ms;
    return delay < HF_ASK_MS_MIN ? HF_ASK_MS_MIN : delay < HF_ASK_MS_MAX ? delay : HF_ASK_MS_MAX;
}

/* The answer may be another one in a while. */
static void again(hf_conn *conn, hf_request *request, const char *why) {
    if (enough(conn->pool, request)) {
        out_of_time(conn, request, why);
    } else {
        hf_request_wait(conn->pool, request, delay_of(conn->pool));
    }
}

/* The transaction is still in progress. Once its COMMIT had its time, it waits for a synchronous standby. */
static void in_progress(hf_conn *conn, hf_request *request) {
    hf_pool *pool = conn->pool;
    const bool late = has_passed(pool, request->commit_at);
    if (late && !(request->flags & HF_REQUEST_HANGS)) {
        hf_request_hangs_no_more(pool, request); /* it is not only thought to any more */
        request->flags |= HF_REQUEST_HANGS;
        if (pool->hanging++ == 0) {
            pool->hanging_since = request->asked_at;
        }
    }
    again(conn, request,
          late ? "its commit waits for a synchronous standby" : "it is still in progress");
}

/* It was not committed. */
static void aborted(hf_pool *pool, hf_request *request) {
    hf_error error;
    request->stage = HF_STAGE_RUN;
    request->asked_at = HF_NEVER; /* the next COMMIT has its questions' time anew */
    request->flags &= (uint16_t)~HF_REQUEST_MAYBE_RAN;
    hf_request_hangs_no_more(pool, request);
    if (request->attempts == 0 && !hf_request_must_end(pool, request)) {
        request->flags |= HF_REQUEST_UNDONE; /* an earlier run's: of this one it is no re-send */
        hf_request_requeue(pool, request);
        return;
    }
    hf_error_set(&error, HF_ERR_NET, HF_PHASE_QUERY,
                 "the connection was lost at its COMMIT, which was rolled back");
    hf_request_again(pool, request, &error);
}

/* What the server cannot answer, or not to this role, it never will; anything else may pass. */
static bool is_never_answered(const hf_error *why) {
    return why->code == HF_ERR_SERVER &&
           (memcmp(why->sqlstate, "42", 2) == 0 || memcmp(why->sqlstate, "0A", 2) == 0 ||
            memcmp(why->sqlstate, "22", 2) == 0);
}

/* The question was refused. True: the connection goes. */
static bool refused(hf_conn *conn, hf_request *request, const hf_error *why) {
    if (is_never_answered(why)) {
        hf_request_end(conn->pool, request, HF_OUTCOME_UNKNOWN, why);
        return false;
    }
    again(conn, request, why->code == HF_OK ? "the question was not answered" : why->message);
    return why->code == HF_ERR_SERVER &&
           (memcmp(why->sqlstate, "57P", 3) == 0 || hf_classify(why, false) == HF_CLASS_CONNECTION);
}

/* The request met a server that takes no writes, and has no time to be run again. */
static void end_without_role(hf_conn *conn, hf_request *request) {
    hf_cancel_error(conn, request, &request->error);
    hf_request_end(conn->pool, request, hf_request_unsent(request), NULL);
}

/* Whether the server takes writes is known now. */
static bool role_asked(hf_conn *conn, hf_request *request, hf_error *why) {
    hf_pool *pool = conn->pool;
    const bool standby = request->fate == HF_FATE_STANDBY;
    request->stage = HF_STAGE_RUN;
    if (hf_request_must_end(pool, request)) {
        end_without_role(conn, request);
        return false;
    }
    const bool known = request->fate == HF_FATE_WRITABLE || is_never_answered(why);
    if (!standby && !known) { /* the next 25006 brings the next question */
        hf_request_wait(pool, request, delay_of(pool));
        return false;
    }
    hf_request_requeue(pool, request);
    if (known && hf_conn_serving(conn) && hf_flight_send(conn) > 0) {
        request->flags |= HF_REQUEST_ROLE_SEEN; /* here, and not where nobody was asked */
    }
    if (standby) {
        hf_error_set(why, HF_ERR_SERVER, HF_PHASE_QUERY, "the server takes no writes");
        memcpy(why->sqlstate, "25006", sizeof why->sqlstate);
    }
    return standby;
}

bool hf_resolve_asked(hf_conn *conn, hf_request *request, hf_error *why) {
    hf_pool *pool = conn->pool;
    if (request->stage == HF_STAGE_ROLE) {
        return role_asked(conn, request, why);
    }
    switch ((hf_fate)request->fate) {
    case HF_FATE_NONE: return refused(conn, request, why);
    case HF_FATE_COMMITTED: hf_request_end(pool, request, HF_OUTCOME_OK, NULL); return false;
    case HF_FATE_ABORTED: aborted(pool, request); return false;
    case HF_FATE_RUNNING: in_progress(conn, request); return false;
    case HF_FATE_STANDBY: /* the wrong role */
        hf_error_set(why, HF_ERR_NET, HF_PHASE_QUERY, "a standby cannot say what was committed");
        again(conn, request, "no primary was found");
        return true;
    case HF_FATE_OTHER:
        unresolved(pool, request, "the server was restarted since, or is another one");
        return false;
    case HF_FATE_FORGOTTEN:
    case HF_FATE_WRITABLE:
        unresolved(pool, request, "the server does not remember the transaction");
        return false;
    }
    return false;
}

bool hf_resolve_lost(hf_conn *conn, hf_request *request, const hf_error *error) {
    hf_pool *pool = conn->pool;
    if (request->stage == HF_STAGE_ROLE) {
        if (!hf_request_must_end(pool, request)) {
            return true;
        }
        end_without_role(conn, request);
        return false;
    }
    if (!enough(pool, request)) {
        return true;
    }
    hf_request_unknown(pool, request, error);
    return false;
}

void hf_resolve_held(hf_conn *conn, hf_request *request) {
    hf_pool *pool = conn->pool;
    /* A CancelRequest that is out might hit the COMMIT, and end its wait for a synchronous standby. */
    const bool fine = request->error.code == HF_OK && !(request->flags & HF_REQUEST_ROWS_LOST) &&
                      !hf_request_must_end(pool, request) && !hf_cancel_pending(conn) &&
                      conn->exposed == 0;
    request->stage = fine ? HF_STAGE_COMMIT : HF_STAGE_ROLLBACK;
    request->commit_at = pool->now;
    if (fine && request->on_commit) {
        request->on_commit(request);
    }
    if (!fine && request->error.code == HF_OK) {
        hf_cancel_error(conn, request, &request->error);
    }
    int r = pool->config->driver->submit(&conn->session, &conn->io, request);
    HF_ASSERT(r == 1); /* it is alone in flight, and all of it was sent */
}

/* Was its attempt cut short by a cancel that leaves it another? */
static bool rolled_back_for_time(const hf_pool *pool, const hf_request *request) {
    const int code = request->error.code;
    return !hf_request_must_end(pool, request) &&
           (code == HF_ERR_TIMEOUT || code == HF_ERR_CANCELLED);
}

void hf_resolve_rolled_back(hf_pool *pool, hf_request *request) {
    if (rolled_back_for_time(pool, request)) {
        hf_request_again(pool, request, &request->error);
    } else {
        hf_request_end(pool, request, HF_OUTCOME_FAILED, NULL);
    }
}

bool hf_resolve_roll_back_lost(hf_pool *pool, hf_request *request) {
    if (rolled_back_for_time(pool, request) && request->retries < pool->config->max_retries) {
        request->retries++;
        return true;
    }
    hf_request_end(pool, request, HF_OUTCOME_FAILED, NULL);
    return false;
}
