/* What became of a COMMIT (SEMANTICS 15): a held request's COMMIT is a flight of its own, and when the answer to it is
 * lost, the server is asked on the next healthy connection.
 *
 *     RUN --HELD--> COMMIT --lost--> ASK --committed--> OK
 *                                     |---aborted---->  RUN again
 *                                     |---in progress, standby, lost--> ASK again, for request_timeout
 *                                     `---another incarnation, forgotten, refused--> UNKNOWN
 *
 * The rows that were delivered count if it was committed, so that asking does not void them. A question spends no
 * re-send of the statement.
 */
#include "engine.h"

#include <string.h>

bool hf_resolve_begin(const hf_pool *pool, hf_request *request) {
    if (hf_stage_of(request) != HF_STAGE_COMMIT || hf_flight_must_end(pool, request)) {
        return false;
    }
    request->stage = HF_STAGE_ASK;
    request->flags |= HF_REQUEST_MAYBE_RAN;
    return true;
}

void hf_resolve_asking(const hf_pool *pool, hf_request *request) {
    request->asks++;
    if (hf_is_never(request->asked_at)) {
        request->asked_at = pool->now;
    }
}

/* No verdict, and no time left for another question? */
static bool enough(const hf_pool *pool, const hf_request *request) {
    const uint32_t ms = pool->config->request_timeout_ms;
    return hf_flight_must_end(pool, request) ||
           (ms != 0 && ms != HF_FOREVER && pool->now - request->asked_at >= ms);
}

/* Nobody will ever know. */
static void unresolved(hf_pool *pool, hf_request *request, const char *why) {
    hf_error error;
    hf_error_set(&error, HF_ERR_UNRESOLVED, HF_PHASE_QUERY, why);
    hf_request_end(pool, request, HF_OUTCOME_UNKNOWN, &error);
}

/* No verdict, and no more questions: why not. */
static void out_of_time(hf_conn *conn, hf_request *request, const char *why) {
    const uint32_t ms = conn->pool->config->request_timeout_ms;
    hf_error error;
    if (request == conn->cancelled || hf_flight_must_end(conn->pool, request)) {
        hf_cancel_error(conn, request, &error);
    } else {
        hf_timeout_error(&error, HF_PHASE_QUERY, HF_LIMIT_REQUEST, ms);
    }
    hf_error_message(&error, why, strlen(why));
    hf_request_end(conn->pool, request, HF_OUTCOME_UNKNOWN, &error);
}

/* The answer may be another one in a while. */
static void again(hf_conn *conn, hf_request *request, const char *why) {
    hf_pool *pool = conn->pool;
    const uint32_t delay = pool->config->retry_delay_ms;
    if (enough(pool, request)) {
        out_of_time(conn, request, why);
    } else if (delay < HF_ASK_MS_MIN) {
        hf_request_wait(pool, request, HF_ASK_MS_MIN);
    } else {
        hf_request_wait(pool, request, delay < HF_ASK_MS_MAX ? delay : HF_ASK_MS_MAX);
    }
}

/* It was not committed. */
static void aborted(hf_pool *pool, hf_request *request) {
    hf_error error;
    request->stage = HF_STAGE_RUN;
    request->asked_at = HF_NEVER; /* the next COMMIT has its questions' time anew */
    request->flags &= (uint8_t)~HF_REQUEST_MAYBE_RAN;
    if (request->attempts == 0 && !hf_flight_must_end(pool, request)) {
        request->flags |= HF_REQUEST_UNDONE; /* an earlier run's: of this one it is no re-send */
        hf_request_requeue(pool, request);
        return;
    }
    hf_error_set(&error, HF_ERR_NET, HF_PHASE_QUERY,
                 "the connection was lost at its COMMIT, which was rolled back");
    hf_flight_again(pool, request, &error);
}

/* The question was refused. */
static bool refused(hf_conn *conn, hf_request *request, const hf_error *why) {
    switch (hf_classify(why, false)) {
    case HF_CLASS_STATEMENT:
    case HF_CLASS_PERMANENT:
        hf_request_end(conn->pool, request, HF_OUTCOME_UNKNOWN, why);
        return false;
    case HF_CLASS_ROLE:
    case HF_CLASS_RECONNECT: again(conn, request, why->message); return true;
    case HF_CLASS_NONE: again(conn, request, "the question was not answered"); return false;
    case HF_CLASS_RETRY:
    case HF_CLASS_NOT_READY:
    case HF_CLASS_AMBIGUOUS:
    case HF_CLASS_REPREPARE:
    case HF_CLASS_CANCELLED: again(conn, request, why->message); return false;
    }
    return false;
}

bool hf_resolve_asked(hf_conn *conn, hf_request *request, hf_error *why) {
    hf_pool *pool = conn->pool;
    switch ((hf_fate)request->fate) {
    case HF_FATE_NONE: return refused(conn, request, why);
    case HF_FATE_COMMITTED: hf_request_end(pool, request, HF_OUTCOME_OK, NULL); return false;
    case HF_FATE_ABORTED: aborted(pool, request); return false;
    case HF_FATE_RUNNING: again(conn, request, "it is still in progress"); return false;
    case HF_FATE_STANDBY: /* the wrong role */
        hf_error_set(why, HF_ERR_NET, HF_PHASE_QUERY, "a standby cannot say what was committed");
        again(conn, request, "no primary was found");
        return true;
    case HF_FATE_OTHER:
        unresolved(pool, request, "the server was restarted since, or is another one");
        return false;
    case HF_FATE_FORGOTTEN:
        unresolved(pool, request, "the server does not remember the transaction");
        return false;
    }
    return false;
}

bool hf_resolve_lost(hf_pool *pool, hf_request *request, const hf_error *error) {
    if (!enough(pool, request)) {
        return true;
    }
    hf_flight_unknown(pool, request, error);
    return false;
}

void hf_resolve_held(hf_conn *conn, hf_request *request) {
    hf_pool *pool = conn->pool;
    const bool fine = request->error.code == HF_OK && !(request->flags & HF_REQUEST_ROWS_LOST) &&
                      !hf_flight_must_end(pool, request);
    request->stage = fine ? HF_STAGE_COMMIT : HF_STAGE_ROLLBACK;
    if (fine && request->on_commit) {
        request->on_commit(request);
    }
    if (!fine && request->error.code == HF_OK) {
        hf_cancel_error(conn, request, &request->error);
    }
    int r = pool->config->driver->submit(&conn->session, &conn->io, request);
    HF_ASSERT(r == 1); /* it is alone in flight, and all of it was sent */
}
