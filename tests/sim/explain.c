#include "check.h"

#include <string.h>

#include "engine/internal.h"

/* Why a request ended as it did: the error it is told, and whether it was given up too early. */

static bool is_one_of(const char *sqlstate, const char *list) {
    return sqlstate[0] && strstr(list, sqlstate);
}

/* The client, its time or its pool wanted its end. */
static bool was_to_end(const sim_job *job, const hf_request *request) {
    return job->cancelled || sim.now >= job->deadline || sim_pool->closing || sim_pool->refused ||
           request->error.code == HF_ERR_OUTAGE || request->error.code == HF_ERR_CLOSED;
}

/* What could be got over is no refusal, whatever there was no time for. */
static void check_refused(const sim_job *job, const hf_request *request, uint32_t token) {
    /* As a plain ERROR, answered whole, 57P01 is what the statement's own connection met (dblink). */
    const bool fatal = request->error.severity != 'E';
    SIM_CHECK(!hf_request_refused(request) ||
                  !is_one_of(request->error.sqlstate,
                             fatal ? "40001 40P01 53000 53100 53200 58030 57P01 57P02 57P05"
                                   : "40001 40P01 53000 53100 53200 58030"),
              "an error names what happened", "request # was not refused", token, job->last, 0);
}

static void check_error(const sim_job *job, const hf_request *request, uint32_t token) {
    const hf_error *error = &request->error;
    /* What was lost with a link is told why the link went, be it for another request's sake; so is what had no effect
     * when no re-sends are left. */
    const unsigned answered =
        SIM_TOLD_READY | SIM_TOLD_OPEN | SIM_TOLD_ERROR | SIM_TOLD_AMBIGUOUS | SIM_TOLD_DEFERRED;
    const bool own =
        (request->outcome == HF_OUTCOME_FAILED && request->retries < sim_config.max_retries &&
         (sim_flights[job->last].is & answered)) ||
        error->phase == HF_PHASE_QUEUE;
    const uint32_t attempt = sim_config.request_timeout_ms;
    SIM_CHECK((error->code == HF_OK) == (request->outcome == HF_OUTCOME_OK),
              "who does not end OK is told why", "request #, outcome #", token, request->outcome,
              0);
    SIM_CHECK(error->code != HF_ERR_CANCELLED || !own || job->cancelled || sim_pool->closing,
              "an error names what happened", "request # was not cancelled", token, 0, 0);
    SIM_CHECK(error->limit != HF_LIMIT_TIMEOUT || !own || job->cancelled ||
                  (sim.now >= job->deadline && error->limit_ms == job->timeout_ms),
              "an error names the deadline that fired", "request #, its own of # ms", token,
              error->limit_ms, 0);
    SIM_CHECK(error->limit != HF_LIMIT_REQUEST ||
                  (attempt != 0 && attempt != HF_FOREVER && error->limit_ms == attempt),
              "an error names the deadline that fired", "request #, request_timeout of # ms", token,
              error->limit_ms, 0);
    SIM_CHECK(error->limit != HF_LIMIT_MAX_RETRIES || request->retries >= sim_config.max_retries,
              "an error names the deadline that fired", "request #, max_retries after #", token,
              request->retries, 0);
    SIM_CHECK(request->outcome != HF_OUTCOME_FAILED || error->limit == HF_LIMIT_MAX_RETRIES ||
                  !is_one_of(error->sqlstate, "40001 40P01") || was_to_end(job, request),
              "an error names the limit that was spent", "request #, after # re-sends", token,
              request->retries, 0);
    /* A shortage, a standby or a commit without an answer is an outage though connections are up. */
    const hf_ms longest = sim_longest_outage();
    const bool met =
        (sim_denied_at > 0 && longest != HF_FOREVER && sim.now >= sim_denied_at + longest) ||
        sim_left_too_long();
    SIM_CHECK(error->code != HF_ERR_OUTAGE || sim_pool->n_up == 0 || met,
              "given up only when no connection is usable", "request #, # are up", token,
              sim_pool->n_up, 0);
    if (error->code == HF_ERR_OUTAGE && !met)
        sim_check_given_up(error);
    SIM_CHECK(error->code != HF_ERR_TOO_LARGE || job->too_large, "an error names what happened",
              "request # is not too large", token, 0, 0);
}

/* What certainly had no effect, or may run twice, is tried again while there are retries. */
static void check_retried(const sim_job *job, const hf_request *request, uint32_t token) {
    const hf_error *error = &request->error;
    const sim_flight *last = &sim_flights[job->last];
    if (was_to_end(job, request) || request->retries >= sim_config.max_retries || job->prepares)
        return;
    SIM_CHECK(request->outcome != HF_OUTCOME_NOT_SENT || !job->last || job->too_large,
              "what can be tried again is tried again", "request # was undone in flight #", token,
              job->last, 0);
    SIM_CHECK(!is_one_of(error->sqlstate,
                         error->severity == 'E' ? "40001 40P01" : "40001 40P01 57P01 57P05") ||
                  (last->is & SIM_TOLD_AMBIGUOUS) || request->outcome == HF_OUTCOME_UNKNOWN,
              "what can be tried again is tried again", "request # after # re-sends", token,
              request->retries, 0);
    SIM_CHECK(!is_one_of(error->sqlstate, "26000 0A000 42P05") || job->forgotten > 1 ||
                  request->outcome == HF_OUTCOME_UNKNOWN,
              "what the server forgot is prepared again", "request # after # times", token,
              job->forgotten, 0);
    SIM_CHECK(request->outcome != HF_OUTCOME_FAILED || error->code == HF_ERR_SERVER ||
                  error->code == HF_ERR_READ_ONLY || error->code == HF_ERR_OPEN_TRANSACTION ||
                  job->too_large || job->paused,
              "what can be tried again is tried again", "request # is FAILED, error #", token,
              (uint64_t)-error->code, 0);
    SIM_CHECK(request->outcome != HF_OUTCOME_UNKNOWN || job->replay != HF_REPLAY_SAFE ||
                  sim_job_maybe_alone(job) || error->code == HF_ERR_SERVER ||
                  error->code == HF_ERR_READ_ONLY || error->code == HF_ERR_OPEN_TRANSACTION ||
                  job->too_large || job->paused,
              "what may run twice is tried again", "request # is UNKNOWN, error #", token,
              (uint64_t)-error->code, 0);
}

/* A transaction of which all but the COMMIT was done, and which was rolled back, costs a re-send, be its ROLLBACK
 * answered or lost. */
static void check_rolled_back(const sim_job *job, const hf_request *request, uint32_t token) {
    uint32_t undone = 0;
    for (uint32_t flight = job->first; flight && flight != job->last;
         flight = sim_flights[flight].next)
        undone += (sim_flights[flight].is & SIM_TOLD_DEFERRED) && !sim_flights[flight].commit &&
                  !sim_flight_early(&sim_flights[flight]);
    SIM_CHECK(request->retries >= undone || job->unresolved, "what was rolled back costs a re-send",
              "request # has # of #", token, request->retries, undone);
}

/* A standby is the wrong server, which is an outage: it spends no retry, and is nobody's refusal. */
static void check_role(const sim_job *job, const hf_request *request, uint32_t token) {
    const unsigned role = SIM_TOLD_ROLE | SIM_WHOLE;
    uint32_t others = 0;
    for (uint32_t flight = job->first; flight; flight = sim_flights[flight].next)
        others += (sim_flights[flight].is & role) != role;
    const bool unasked = !HF_WITH_RESOLVE && job->refusals > 1; /* it goes by being told so twice */
    SIM_CHECK(request->retries <= others, "a wrong role spends no retry", "request # has # of #",
              token, request->retries, others);
    SIM_CHECK((sim_flights[job->last].is & role) != role || request->outcome != HF_OUTCOME_FAILED ||
                  was_to_end(job, request) || request->error.limit == HF_LIMIT_MAX_OUTAGE ||
                  strcmp(request->error.sqlstate, "25006") != 0 || unasked,
              "a standby refuses nothing", "request # in flight #", token, job->last, 0);
}

/* What passes is waited out (SEMANTICS 17): a shortage for max_retries while others are answered OK, else it is an
 * outage; a lock and somebody else's cancel of a read where the request asks for it. */
static void check_passing(const sim_job *job, const hf_request *request, uint32_t token) {
    const char *sqlstate = request->error.sqlstate;
    const bool read = job->replay == HF_REPLAY_SAFE && !job->writes;
    const hf_ms longest = sim_longest_outage();
    const bool over = longest != HF_FOREVER && sim.now >= job->submitted + longest;
    if (request->outcome != HF_OUTCOME_FAILED || was_to_end(job, request) || job->prepares ||
        over || request->error.phase != HF_PHASE_QUERY)
        return;
    SIM_CHECK(!sim_is_short(&request->error) || request->retries >= sim_config.max_retries,
              "a shortage is waited out", "request # after # re-sends", token, request->retries, 0);
    SIM_CHECK(!sim_is_short(&request->error) || sim_config.max_retries == 0 ||
                  !(sim_flights[job->last].is & SIM_WHOLE) || sim_ok_at >= job->short_at,
              "a shortage that all meet is an outage", "request # after # re-sends", token,
              request->retries, 0);
    const bool again = strcmp(sqlstate, "55P03") == 0 || (read && strcmp(sqlstate, "57014") == 0);
    SIM_CHECK(!again || !request->wait_passing || request->retries >= sim_config.max_retries ||
                  job->passing > 1,
              "what passes is waited for where that is asked for", "request # after # times", token,
              job->passing, 0);
}

void sim_check_why(const sim_job *job, const hf_request *request) {
    const uint32_t token = (uint32_t)(job - sim_jobs);
    const sim_flight *last = &sim_flights[job->last];
    uint32_t handed = 0;
    for (uint32_t flight = job->first; flight; flight = sim_flights[flight].next)
        if ((sim_flights[flight].is & SIM_RUNS) && !sim_flights[flight].skipped)
            handed = flight;
    check_error(job, request, token);
    check_rolled_back(job, request, token);
    check_role(job, request, token);
    check_passing(job, request, token);
    check_refused(job, request, token);
    if (request->outcome == HF_OUTCOME_OK)
        return;
    SIM_CHECK(request->outcome != HF_OUTCOME_NOT_SENT || !handed || job->prepares || job->too_large,
              "NOT_SENT only of what never ran", "request # in flight #", token, handed, 0);
    SIM_CHECK(request->outcome != HF_OUTCOME_NOT_SENT || job->n_rows == 0,
              "NOT_SENT only of what never ran", "request # had # rows", token, job->n_rows, 0);
    SIM_CHECK(request->outcome != HF_OUTCOME_FAILED || job->last || job->prepares,
              "what never ran is NOT_SENT", "request #", token, 0, 0);
    SIM_CHECK(strcmp(request->error.sqlstate, "57014") != 0 || !(last->is & SIM_HIT_BY_OTHER) ||
                  was_to_end(job, request) || request->retries >= sim_config.max_retries,
              "a cancel fails nobody else", "request # in flight #", token, job->last, 0);
    check_retried(job, request, token);
}
