#include "check.h"

#include "engine.h"

/* What requests are told (SEMANTICS 9 to 17), against what was put on the wire, what was read from it, and what
 * the server did. Where a bit was flipped in clear text nothing can be known but that every request ends. */

bool sim_job_tainted(const sim_job *job) {
    for (uint32_t flight = job->first; flight; flight = sim_flights[flight].next) {
        const sim_link *link = &sim_links[sim_flights[flight].link];
        if (sim_flights[flight].is & SIM_TAINTED)
            return true;
        if (link->life == sim_flights[flight].link_life && link->tainted)
            return true;
    }
    return job->tainted > 0;
}

/* Was one of its attempts on a link whose answers were not all looked at? */
static bool paused(const sim_job *job) {
    for (uint32_t flight = job->first; flight; flight = sim_flights[flight].next) {
        const sim_link *link = &sim_links[sim_flights[flight].link];
        if ((sim_flights[flight].is & SIM_PAUSED) ||
            (link->life == sim_flights[flight].link_life && link->paused))
            return true;
    }
    return false;
}

/* Did it leave a transaction open? Until the ROLLBACK is answered holdfast takes it for unfinished. */
static bool left_open(const sim_job *job) {
    for (uint32_t flight = job->first; flight; flight = sim_flights[flight].next)
        if (sim_flights[flight].is & SIM_TOLD_OPEN)
            return true;
    return false;
}

/* Has the request a flight, but `but`, that may have had an effect as far as the client can know? */
static uint32_t open_flight(const sim_job *job, uint32_t but) {
    for (uint32_t flight = job->first; flight; flight = sim_flights[flight].next)
        if (flight != but && sim_flight_open(&sim_flights[flight]))
            return flight;
    return 0;
}

/* Is it on a connection that has not put it on the wire yet? */
static bool buffered(uint32_t token) {
    for (unsigned i = 0; i < SIM_SLOTS; i++)
        if (sim_slots[i].token == token)
            return sim_slots[i].request.conn != NULL;
    return false;
}

/* Of those that were in flight together and were lost together none is sent again before one that was sent
 * before it. */
static void check_order(uint32_t token, uint32_t before) {
    const sim_flight *last = &sim_flights[before];
    for (uint32_t n = before; n-- > 1 && n + 40 > before;) {
        const sim_flight *flight = &sim_flights[n];
        const sim_job *job = &sim_jobs[flight->token];
        if (flight->link != last->link || flight->link_life != last->link_life)
            continue;
        const unsigned told = SIM_TOLD_READY | SIM_TOLD_ERROR | SIM_TOLD_OPEN | SIM_TOLD_AMBIGUOUS;
        SIM_CHECK(flight->token == 0 || job->last != n || job->outcome != HF_OUTCOME_PENDING ||
                      (flight->is & told) || (last->is & told) || buffered(flight->token),
                  "what was lost goes out again in its order",
                  "request # overtakes request #, which was sent before it", token, flight->token,
                  0);
    }
}

void sim_check_flight(uint32_t number, uint32_t before, const sim_link *link) {
    const uint32_t token = sim_flights[number].token;
    const sim_tap *tap = &link->tap;
    if (link->tainted || sim_job_tainted(&sim_jobs[token]))
        return;
    for (size_t i = tap->n_told; i < tap->n_flights; i++) {
        const sim_flight *other = &sim_flights[tap->flights[i]];
        SIM_CHECK(tap->flights[i] == number || other->token == 0 ||
                      (sim_jobs[token].replay == HF_REPLAY_SAFE &&
                       sim_jobs[other->token].replay == HF_REPLAY_SAFE),
                  "only replay-safe statements are pipelined", "request # behind request #", token,
                  other->token, 0);
    }
    if (before)
        check_order(token, before);
}

void sim_check_handed(uint32_t flight) {
    const uint32_t token = sim_flights[flight].token;
    const sim_job *job = &sim_jobs[token];
    if (job->replay != HF_REPLAY_UNSENT || sim_job_tainted(job))
        return;
    const uint32_t other = open_flight(job, flight);
    SIM_CHECK(!other, "what may have run is not run again",
              "request # goes out in flight #, flight # may have run", token, flight, other);
}

void sim_check_cancel(const sim_link *link, uint32_t pid) {
    for (unsigned i = 0; i < sim_pool->n_conns; i++) {
        const hf_conn *conn = &sim_pool->conns[i];
        if (conn->cancel.link != &link->link)
            continue;
        const sim_link *session = (const sim_link *)(const void *)conn->dial.link;
        SIM_CHECK(session && (conn->io.backend == pid || session->tainted),
                  "a cancel is for its own session", "connection # cancels process #", i, pid, 0);
        for (size_t n = 0; n < session->tap.n_flights; n++) {
            sim_flight *flight = &sim_flights[session->tap.flights[n]];
            if (flight->is & (SIM_TOLD_READY | SIM_TOLD_ERROR | SIM_TOLD_OPEN))
                continue;
            SIM_CHECK(!(flight->is & SIM_CANCELLED), "a cancel is sent once",
                      "connection # cancels request # again", i, flight->token, 0);
            flight->is |= SIM_CANCELLED;
            break;
        }
        return;
    }
    sim_fail("a cancel is for its own session", "link # is no connection's", link->number, 0, 0);
}

static void check_ok(const sim_job *job, const hf_request *request, uint32_t token) {
    const sim_flight *last = &sim_flights[job->last];
    SIM_CHECK(job->last && (last->is & SIM_TOLD_READY), "OK only at ReadyForQuery", "request #",
              token, 0, 0);
    SIM_CHECK(!(last->is & (SIM_TOLD_ERROR | SIM_TOLD_AMBIGUOUS)), "what failed is not OK",
              "request #", token, 0, 0);
    SIM_CHECK(request->n_rows == last->n_rows && job->n_rows == last->n_rows,
              "OK means the server's rows", "request # got # rows of #", token, job->n_rows,
              last->n_rows);
    SIM_CHECK(job->hash == last->hash, "OK means the server's rows",
              "request # got other values than the server sent in flight #", token, job->last, 0);
    SIM_CHECK(!job->writes || job->applied > 0, "an acknowledged write is not missing", "request #",
              token, 0, 0);
}

void sim_check_done(sim_job *job, const hf_request *request) {
    const uint32_t token = (uint32_t)(job - sim_jobs);
    const hf_outcome outcome = request->outcome;
    SIM_CHECK(job->outcome == HF_OUTCOME_PENDING && outcome != HF_OUTCOME_PENDING,
              "every request ends once", "request # ends again, as #", token, outcome, 0);
    job->outcome = (uint8_t)outcome;
    SIM_CHECK(request->retries <= sim_config.max_retries, "no more re-sends than max_retries",
              "request # was sent again # times", token, request->retries, 0);
    if (sim_job_tainted(job) || job->prepares)
        return;
    const uint32_t open = open_flight(job, 0);
    switch (outcome) {
    case HF_OUTCOME_OK: check_ok(job, request, token); break;
    case HF_OUTCOME_FAILED:
    case HF_OUTCOME_NOT_SENT:
        SIM_CHECK(!open || ((job->paused || job->too_large) && !job->writes),
                  "FAILED and NOT_SENT only of what certainly had no effect",
                  "request # in flight # may have run (outcome #)", token, open, outcome);
        break;
    case HF_OUTCOME_UNKNOWN:
        SIM_CHECK(open || paused(job) || left_open(job) || job->too_large,
                  "UNKNOWN only of what may have run", "request #, last flight #", token, job->last,
                  0);
        break;
    case HF_OUTCOME_PENDING: break;
    }
}

void sim_check_end(void) {
    for (uint32_t token = 1; token <= sim_n_jobs; token++) {
        const sim_job *job = &sim_jobs[token];
        const unsigned expected = job->batch ? job->n_statements : 1;
        SIM_CHECK(job->outcome != HF_OUTCOME_PENDING, "every request ends", "request #", token, 0,
                  0);
        if (job->outcome == HF_OUTCOME_UNKNOWN && job->writes)
            sim_hit(job->applied ? SIM_END_UNKNOWN_APPLIED : SIM_END_UNKNOWN_NOT);
        if (sim_job_tainted(job) || !job->writes)
            continue;
        SIM_CHECK(job->replay == HF_REPLAY_SAFE || job->applied <= expected,
                  "a write is never applied twice", "request # was applied # times", token,
                  job->applied, 0);
        SIM_CHECK(job->applied % expected == 0, "a batch is applied whole or not at all",
                  "request # was applied # times", token, job->applied, 0);
        if (job->outcome == HF_OUTCOME_OK)
            SIM_CHECK(job->applied >= expected, "an acknowledged write is not missing",
                      "request # was applied # times", token, job->applied, 0);
        else if (job->outcome != HF_OUTCOME_UNKNOWN)
            SIM_CHECK(job->applied == 0, "FAILED and NOT_SENT are never applied",
                      "request # was applied # times (outcome #)", token, job->applied,
                      job->outcome);
    }
}
