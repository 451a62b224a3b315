#include "check.h"

#include <string.h>

#include "engine/internal.h"
#include "ledger.h"
#include "port.h"
#include "server.h"
#include "ticket.h"

/* What requests are told (SEMANTICS 9 to 17), against what was put on the wire, what was read from it, and what
 * the server did. Where a bit was flipped in clear text nothing can be known but that every request ends. */

bool sim_job_tainted(const sim_job *job) {
    return sim_is_ledger(job) || sim_job_garbled(job);
}

bool sim_job_garbled(const sim_job *job) {
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

uint32_t sim_job_unresolved(const sim_job *job) {
    const uint32_t open = open_flight(job, 0);
    return open && sim_flights[open].commit && !sim_job_tainted(job) ? open : 0;
}

/* Is it on a connection that has not put it on the wire yet? */
static bool buffered(uint32_t token) {
    for (unsigned i = 0; i < SIM_SLOTS; i++)
        if (sim_slots[i].token == token)
            return sim_slots[i].request.conn != NULL;
    return false;
}

/* Requests that were in flight together and were lost together are sent again in their order. */
static void check_order(uint32_t token, uint32_t before) {
    const sim_flight *last = &sim_flights[before];
    for (uint32_t n = before; n-- > 1 && n + 40 > before;) {
        const sim_flight *flight = &sim_flights[n];
        const sim_job *job = &sim_jobs[flight->token];
        if (flight->link != last->link || flight->link_life != last->link_life)
            continue;
        const unsigned told = SIM_TOLD_READY | SIM_TOLD_ERROR | SIM_TOLD_OPEN | SIM_TOLD_DEFERRED |
                              SIM_TOLD_AMBIGUOUS;
        SIM_CHECK(flight->token == 0 || job->last != n || job->outcome != HF_OUTCOME_PENDING ||
                      (flight->is & told) || (last->is & told) || buffered(flight->token),
                  "what was lost goes out again in its order",
                  "request # overtakes request #, which was sent before it", token, flight->token,
                  0);
    }
}

/* The COMMIT in a flight of its own that the client has no answer to yet when the link's flight `number` begins; 0:
 * there is none. */
static uint32_t commit_in_front(const sim_tap *tap, uint32_t number) {
    for (size_t i = tap->n_told; i < tap->n_flights && tap->flights[i] != number; i++)
        if (sim_flights[tap->flights[i]].is & SIM_COMMITS)
            return tap->flights[i];
    return 0;
}

void sim_check_flight(uint32_t number, uint32_t before, const sim_link *link) {
    const uint32_t token = sim_flights[number].token;
    const sim_tap *tap = &link->tap;
    if (link->tainted || sim_job_tainted(&sim_jobs[token]))
        return;
    const uint32_t commit = commit_in_front(tap, number);
    SIM_CHECK(!commit || (sim_jobs[token].replay == HF_REPLAY_RESOLVE &&
                          !sim_jobs[token].self_commits && !sim_jobs[token].prepares),
              "behind a COMMIT comes what takes effect by its own", "request # behind flight #",
              token, commit, 0);
    sim_flights[number].behind = commit;
    SIM_CHECK(!tap->deferred, "nothing comes between a transaction and its COMMIT",
              "request # behind request #", token, sim_flights[tap->deferred].token, 0);
    unsigned n_others = 0;
    for (size_t i = tap->n_told; i < tap->n_flights; i++) {
        const sim_flight *other = &sim_flights[tap->flights[i]];
        n_others += tap->flights[i] != number && other->token != 0;
        SIM_CHECK(tap->flights[i] == number || other->token == 0 ||
                      (sim_jobs[token].replay == HF_REPLAY_SAFE &&
                       sim_jobs[other->token].replay == HF_REPLAY_SAFE),
                  "only replay-safe statements are pipelined", "request # behind request #", token,
                  other->token, 0);
    }
    const unsigned most = sim_config.max_pipelined ? sim_config.max_pipelined : HF_PIPELINED_MOST;
    SIM_CHECK(n_others < most, "no more in flight than max_pipelined", "request # behind # others",
              token, n_others, 0);
    SIM_CHECK(!link->in_transaction, "a transaction that nobody began is nobody's",
              "request # in flight # on link #", token, number, link->number);
    sim_check_store(link);
    if (before)
        sim_check_cancelled_by_other(&sim_jobs[token], before);
    const uint32_t open = open_flight(&sim_jobs[token], number);
    SIM_CHECK(!open || !sim_flights[open].commit, "what may have been committed is not run again",
              "request # goes out in flight #, flight # may have been", token, number, open);
    if (before)
        check_order(token, before);
}

void sim_check_handed(uint32_t flight, bool deferred) {
    const uint32_t token = sim_flights[flight].token;
    const sim_job *job = &sim_jobs[token];
    SIM_CHECK(deferred || job->replay != HF_REPLAY_RESOLVE || job->self_commits || job->prepares ||
                  sim_access_now.ticketless || sim.tainted,
              "a resolvable write takes effect by its COMMIT alone", "request # in flight #", token,
              flight, 0);
    if (job->replay == HF_REPLAY_SAFE || sim_job_tainted(job))
        return;
    SIM_CHECK(!job->partly || sim_config.read_only, "what may have run is not run again",
              "request # goes out in flight #, it may have committed a part", token, flight, 0);
    const uint32_t other = open_flight(job, flight);
    SIM_CHECK(!other, "what may have run is not run again",
              "request # goes out in flight #, flight # may have run", token, flight, other);
}

/* --- what takes effect by a deferred COMMIT (SEMANTICS 15) ----------------------------------------------------- */

void sim_check_on_commit(sim_job *job, const hf_request *request) {
    const uint32_t token = (uint32_t)(job - sim_jobs);
    const sim_flight *last = &sim_flights[job->last];
    const char *given = sim_ticket_of(job->last);
    const bool again = job->committing == job->last;
    job->committing = job->last;
    job->announced = false;
    if (sim_job_tainted(job))
        return;
    SIM_CHECK(job->last && (last->is & SIM_TOLD_DEFERRED) && !last->commit,
              "on_commit comes when all but the COMMIT is done", "request # in flight #", token,
              job->last, 0);
    SIM_CHECK(given && strcmp(given, request->ticket) == 0, "a ticket is the server's",
              "request # in flight #", token, job->last, 0);
    SIM_CHECK(job->n_rows == last->n_rows && job->hash == last->hash,
              "on_commit comes when all rows were told", "request # got # rows of #", token,
              job->n_rows, last->n_rows);
    SIM_CHECK(!again, "on_commit comes once for each attempt", "request # in flight #", token,
              job->last, 0);
}

void sim_check_on_commits(void) {
    for (unsigned i = 0; i < SIM_SLOTS; i++)
        if (sim_slots[i].token && sim_jobs[sim_slots[i].token].committing)
            sim_jobs[sim_slots[i].token].announced = true;
}

/* A COMMIT goes out on this link: is that before it the only one whose answer is missing, or which left doubt? */
static void check_alone(uint32_t flight, const sim_link *link) {
    const uint32_t before = sim_flights[flight].behind;
    const uint32_t of = sim_flights[sim_flights[before].about].token; /* the COMMIT's request */
    const bool told =
        before && (sim_jobs[of].outcome != HF_OUTCOME_PENDING || sim_jobs[of].unresolved);
    SIM_CHECK(!sim_flight_early(&sim_flights[flight]) ||
                  told, /* UNKNOWN, say: nobody asks any more */
              "one COMMIT at a time is without an answer", "flight # behind flight # on link #",
              flight, before, link->number);
}

void sim_check_commit(uint32_t flight, const sim_link *link) {
    const sim_job *job = &sim_jobs[sim_flights[flight].token];
    if (link->tainted)
        return;
    check_alone(flight, link);
    SIM_CHECK(job->announced, "no COMMIT before on_commits", "request # in flight #",
              sim_flights[flight].token, flight, 0);
    SIM_CHECK(job->committing == flight, "no COMMIT before on_commit", "request # in flight #",
              sim_flights[flight].token, flight, 0);
    SIM_CHECK(job->outcome == HF_OUTCOME_PENDING, "what is over is not committed",
              "request # in flight #", sim_flights[flight].token, flight, 0);
}

/* Were there questions for long enough at that moment, from `first` on? For request_timeout; of one that is in
 * progress, or where an attempt has no limit, for as long as an outage may last. */
static bool out_of_time(hf_ms first, hf_ms at, bool hangs) {
    hf_ms most = sim_config.request_timeout_ms, outage = sim_longest_outage();
    if (!sim_has_timeouts())
        most = outage;
    if (most == HF_FOREVER || (hangs && outage == HF_FOREVER))
        return false;
    if (hangs && most == outage)
        most *= 2; /* the clock of all that hang begins with the first question */
    else if (hangs)
        most = 2 * most + outage; /* the clock of a COMMIT that hangs begins at its deadline */
    return first != HF_NEVER && at >= first + most;
}

/* Does the job's commit wait for a synchronous standby, as far as the client can know? That of an earlier run does not
 * count. */
static bool hangs(const sim_job *job) {
    const sim_flight *last = &sim_flights[job->last];
    const hf_ms most = sim_config.request_timeout_ms;
    return job->outcome == HF_OUTCOME_PENDING && last->commit && last->running_at > 0 &&
           !(last->is & (SIM_TOLD_COMMITTED | SIM_TOLD_ABORTED | SIM_TOLD_NOTHING)) &&
           sim_has_timeouts() && !job->unresolved && last->running_at >= last->committed_at + most;
}

static unsigned n_hanging(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < SIM_SLOTS; i++)
        n += sim_slots[i].token && hangs(&sim_jobs[sim_slots[i].token]);
    return n;
}

void sim_check_ask(uint32_t number, const sim_link *link) {
    sim_flight *flight = &sim_flights[number];
    const sim_job *job = &sim_jobs[flight->token];
    if (link->tainted || sim_job_tainted(job))
        return;
    SIM_CHECK(job->outcome == HF_OUTCOME_PENDING, "only what is not over is asked about",
              "request # in flight #", flight->token, number, 0);
    SIM_CHECK(sim_flight_open(flight) || (sim_flights[flight->commit].is & SIM_TOLD_FATAL),
              "only what may have been committed is asked about", "request # in flight #",
              flight->token, number, 0);
    SIM_CHECK(!out_of_time(flight->asked_at, flight->running_at, true),
              "a COMMIT is asked about for request_timeout and max_outage at most",
              "request # in flight #, first asked at #", flight->token, number, flight->asked_at);
    if (flight->running_at == 0 && out_of_time(flight->asked_at, sim.now, false))
        SIM_CHECK(++flight->late_asks < 2, "a COMMIT is asked about for request_timeout at most",
                  "request # in flight #, first asked at #", flight->token, number,
                  flight->asked_at);
    SIM_CHECK(!(flight->is & SIM_TOLD_NOTHING), "what nobody can say is not asked again",
              "request # in flight #", flight->token, number, 0);
    SIM_CHECK(flight->running_at == 0 || sim.now > flight->running_at,
              "a question is repeated after a wait", "request # in flight #", flight->token, number,
              0);
    if (flight->asked_at == HF_NEVER)
        flight->asked_at = sim.now;
    SIM_CHECK(n_hanging() <= sim_config.max_concurrent,
              "never more than max_concurrent commits hang", "# do", n_hanging(), 0, 0);
}

void sim_check_restart(const sim_job *job) {
    const sim_flight *last = &sim_flights[job->last];
    if (sim_job_tainted(job) || !last->commit)
        return;
    SIM_CHECK(!sim_flight_open(last), "asking voids no rows", "request # in flight #",
              (uint64_t)(job - sim_jobs), job->last, 0);
}

/* Was a commit left in the dark for want of an answer that there could have been? */
static void check_given_up(const sim_job *job, const hf_request *request, uint32_t token,
                           uint32_t open) {
    const sim_flight *flight = &sim_flights[open];
    if (!open || !flight->commit)
        return; /* it ran as if it was UNSENT */
    /* A question may be on its way that the link has not taken yet. */
    const bool running = flight->running_at == sim.now; /* it ends because of this answer */
    const bool late = running ? out_of_time(flight->committed_at, sim.now, false)
                              : request->asked_at >= flight->committed_at &&
                                    out_of_time(request->asked_at, sim.now, false);
    SIM_CHECK(job->cancelled || sim.now >= job->deadline || sim_pool->closing || late ||
                  (flight->is & SIM_TOLD_NOTHING) || request->error.code == HF_ERR_OUTAGE ||
                  sim_pool->refused,
              "a lost COMMIT is asked about", "request # in flight # is UNKNOWN, error #", token,
              open, (uint64_t)-request->error.code);
    SIM_CHECK(hf_request_may_be_asked(request) || (flight->is & SIM_TOLD_NOTHING),
              "what nobody was asked can be asked yet", "request # in flight # is UNKNOWN, error #",
              token, open, (uint64_t)-request->error.code);
}

static void check_ok(const sim_job *job, const hf_request *request, uint32_t token) {
    const sim_flight *last = &sim_flights[job->last];
    /* A request whose COMMIT was deferred is known by that, or by an answer to the question what became of it. */
    const sim_flight *end = last->commit ? &sim_flights[last->commit] : last;
    SIM_CHECK(job->last && ((end->is & SIM_TOLD_READY) || (last->is & SIM_TOLD_COMMITTED)),
              "OK only at ReadyForQuery", "request #", token, 0, 0);
    const unsigned refused =
        last->is & SIM_TOLD_COMMITTED ? SIM_TOLD_ERROR : SIM_TOLD_ERROR | SIM_TOLD_AMBIGUOUS;
    SIM_CHECK(!((last->is | end->is) & refused), "what failed is not OK", "request #", token, 0, 0);
    SIM_CHECK(!last->skipped && !last->voided, "what was passed over, or is void, is not OK",
              "request # in flight #", token, job->last, 0);
    SIM_CHECK(!job->writes || last->commit || !(last->is & SIM_CANCELLED),
              "an OK behind our cancel is not believed of a write", "request # in flight #", token,
              job->last, 0);
    SIM_CHECK(!job->writes || job->applied > 0 || job->told_alone,
              "an acknowledged write is not missing", "request #", token, 0, 0);
    if (job->unresolved == job->last) /* it had its rows when it ran */
        return;
    SIM_CHECK(request->n_rows == last->n_rows && job->n_rows == last->n_rows,
              "OK means the server's rows", "request # got # rows of #", token, job->n_rows,
              last->n_rows);
    SIM_CHECK(request->affected == last->affected, "OK means the server's count",
              "request # was told # of #", token, request->affected, last->affected);
    SIM_CHECK(job->hash == last->hash, "OK means the server's rows",
              "request # got other values than the server sent in flight #", token, job->last, 0);
}

bool sim_job_maybe_alone(const sim_job *job) {
    const unsigned is = sim_flights[job->last].is;
    const sim_link *link = &sim_links[sim_flights[job->last].link];
    const bool late =
        link->life == sim_flights[job->last].link_life && (link->was_blocked || link->paused);
    return !sim_config.read_only && (late || (is & (SIM_EXPOSED | SIM_CANCELLED))) &&
           (is & (SIM_TOLD_READY | SIM_TOLD_ERROR)) == SIM_TOLD_READY;
}

/* In how many of its flights was it the request's turn? */
static uint32_t n_turns(const sim_job *job) {
    uint32_t n = 0;
    for (uint32_t i = job->first; i; i = sim_flights[i].next)
        n += !sim_flight_early(&sim_flights[i]);
    return n;
}

/* Who shares a Sync spends no re-send when the server passes over it, and its time-out is the group's. */
static void check_group(const sim_job *job, const hf_request *request, uint32_t token) {
    const sim_flight *last = &sim_flights[job->last];
    uint32_t sent = 0;
    if (sim_job_tainted(job) || !job->last || paused(job))
        return;
    for (uint32_t flight = job->first; flight; flight = sim_flights[flight].next)
        sent += !sim_flight_free(&sim_flights[flight]);
    SIM_CHECK(request->retries < sent || !sim_config.read_only || request->outcome != HF_OUTCOME_OK,
              "what was passed over spends no re-send", "request # has # of #", token,
              request->retries, sent);
    SIM_CHECK(!sim_flight_in_group(last) || !(last->is & SIM_TOLD_ERROR) ||
                  request->error.limit != HF_LIMIT_REQUEST,
              "a group's time-out is nobody's", "request # in flight #", token, job->last, 0);
}

/* Did something in between end the transaction before its COMMIT was sent, while its rows were paused? holdfast has
 * not looked at that. */
static bool unseen(const sim_job *job, const sim_flight *flight) {
    const unsigned is = SIM_TOLD_AMBIGUOUS | SIM_TOLD_READY | SIM_TOLD_DEFERRED;
    return paused(job) && !flight->commit &&
           (flight->is & is) == (SIM_TOLD_AMBIGUOUS | SIM_TOLD_READY);
}

void sim_check_done(sim_job *job, const hf_request *request) {
    const uint32_t token = (uint32_t)(job - sim_jobs);
    const hf_outcome outcome = request->outcome;
    SIM_CHECK(job->outcome == HF_OUTCOME_PENDING && outcome != HF_OUTCOME_PENDING,
              "every request ends once", "request # ends again, as #", token, outcome, 0);
    job->outcome = (uint8_t)outcome;
    SIM_CHECK(sim_job_tainted(job) || request->retries <= n_turns(job),
              "what waited behind a COMMIT spends no re-send",
              "request # was sent again # times, of #", token, request->retries, n_turns(job));
    if (sim_is_ledger(job) && !job->prepares && !sim_job_garbled(job))
        sim_ledger_check_done(job, request);
    SIM_CHECK(request->retries <= sim_config.max_retries, "no more re-sends than max_retries",
              "request # was sent again # times", token, request->retries, 0);
    check_group(job, request, token);
    SIM_CHECK(outcome == HF_OUTCOME_OK || request->affected == 0,
              "what was not OK affected nothing", "request # was told # (outcome #)", token,
              request->affected, outcome);
    if (sim_job_tainted(job))
        return;
    sim_check_why(job, request);
    if (job->prepares)
        return;
    const uint32_t open = open_flight(job, 0);
    switch (outcome) {
    case HF_OUTCOME_OK: check_ok(job, request, token); break;
    case HF_OUTCOME_FAILED:
    case HF_OUTCOME_NOT_SENT:
        SIM_CHECK(!open || unseen(job, &sim_flights[open]) ||
                      ((job->paused || job->too_large || sim_config.read_only) && !job->writes),
                  "FAILED and NOT_SENT only of what certainly had no effect",
                  "request # in flight # may have run (outcome #)", token, open, outcome);
        break;
    case HF_OUTCOME_UNKNOWN: {
        /* A COMMIT that a FATAL ended is asked about all the same. */
        const sim_flight *end = &sim_flights[sim_flights[job->last].commit];
        SIM_CHECK(open || paused(job) || left_open(job) || job->too_large ||
                      sim_job_maybe_alone(job) || (end->is & SIM_TOLD_FATAL) ||
                      (job->self_commits && (sim_flights[job->last].is & SIM_TOLD_ERROR)),
                  "UNKNOWN only of what may have run", "request #, last flight #", token, job->last,
                  0);
        check_given_up(job, request, token, open);
        break;
    }
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
        if (sim_is_ledger(job) && !sim_job_garbled(job))
            sim_ledger_check_end(token);
        if (sim_job_tainted(job) || !job->writes)
            continue;
        SIM_CHECK(job->replay == HF_REPLAY_SAFE || job->applied <= expected,
                  "a write is never applied twice", "request # was applied # times", token,
                  job->applied, 0);
        SIM_CHECK(job->applied % expected == 0, "a batch is applied whole or not at all",
                  "request # was applied # times", token, job->applied, 0);
        if (job->outcome == HF_OUTCOME_OK)
            /* "committed" says nothing of the standby, nor does an OK with that WARNING. */
            SIM_CHECK(job->applied >= expected || job->told_alone ||
                          (sim_access_now.synchronous &&
                           (sim_flights[job->last].is & SIM_TOLD_COMMITTED)),
                      "an acknowledged write is not missing", "request # was applied # times",
                      token, job->applied, 0);
        else if (job->outcome != HF_OUTCOME_UNKNOWN)
            SIM_CHECK(job->applied == 0, "FAILED and NOT_SENT are never applied",
                      "request # was applied # times (outcome #)", token, job->applied,
                      job->outcome);
    }
}
