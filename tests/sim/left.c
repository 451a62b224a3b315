#include "check.h"
#include "engine/internal.h"
#include "ledger.h"
#include "port.h"

/* What a COMMIT without an answer holds up (SEMANTICS 16): no other request is written until it is known what became
 * of it, reads go on, all keep their order, and no write waits for longer than max_outage. */

/* When the first question was asked since which a COMMIT was always without an answer; HF_NEVER: none is. */
static hf_ms since;

void sim_check_reset_left(void) {
    since = HF_NEVER;
}

/* May the job's COMMIT have been done, with no answer to tell? The job of an earlier run's ticket counts too. */
static bool is_left(const sim_job *job) {
    const unsigned doubtful = SIM_TOLD_AMBIGUOUS | SIM_TOLD_READY;
    const uint32_t open = job->outcome == HF_OUTCOME_PENDING ? sim_job_unresolved(job) : 0;
    const sim_flight *commit = &sim_flights[sim_flights[open].commit];
    const sim_link *link = &sim_links[commit->link];
    const bool gone = link->life != commit->link_life || link->client_gone || link->closing;
    return open && (gone || (commit->is & doubtful) == doubtful);
}

static bool is_write(const sim_job *job) {
    return job->replay != HF_REPLAY_SAFE && !job->prepares;
}

/* Was the slot's request never sent, nor asked about? */
static bool is_new(const sim_slot *slot) {
    return slot->token && !sim_jobs[slot->token].unresolved && !slot->request.submitted_before &&
           slot->request.attempts == 0 && !slot->request.conn &&
           sim_jobs[slot->token].outcome == HF_OUTCOME_PENDING;
}

void sim_check_send(const sim_slot *slot) {
    const sim_job *job = &sim_jobs[slot->token];
    for (unsigned i = 0; i < SIM_SLOTS; i++) {
        const sim_slot *other = &sim_slots[i];
        if (other == slot || !other->token)
            continue;
        SIM_CHECK(!is_write(job) || !is_left(&sim_jobs[other->token]),
                  "nothing is written while a COMMIT is without an answer",
                  "request # is sent, request # may have been committed", slot->token, other->token,
                  0);
        SIM_CHECK(job->unresolved || slot->request.attempts > 0 || !is_new(other) ||
                      other->token > slot->token ||
                      is_write(job) != is_write(&sim_jobs[other->token]),
                  "requests go out in their order", "request # before request #", slot->token,
                  other->token, 0);
    }
}

bool sim_left_too_long(void) {
    const hf_ms longest = sim_longest_outage();
    return since != HF_NEVER && longest != HF_FOREVER && sim.now >= since + longest;
}

unsigned sim_left_look(void) {
    hf_ms asked_at = HF_NEVER;
    unsigned n = 0;
    for (unsigned i = 0; i < SIM_SLOTS; i++) {
        const sim_slot *slot = &sim_slots[i];
        if (!slot->token || sim_jobs[slot->token].outcome != HF_OUTCOME_PENDING ||
            sim_is_ledger(&sim_jobs[slot->token])) /* a question about a key holds nobody up */
            continue;
        n += slot->request.asked_at != HF_NEVER || is_left(&sim_jobs[slot->token]);
        if (slot->request.asked_at < asked_at)
            asked_at = slot->request.asked_at;
    }
    since = n == 0 ? HF_NEVER : since == HF_NEVER ? asked_at : since;
    return n;
}

/* Was the COMMIT of the slot's request in progress though its time was over? */
static bool may_hang(const sim_slot *slot) {
    const hf_ms most = sim_has_timeouts() ? sim_config.request_timeout_ms : sim_longest_outage();
    return slot->token && sim_flights[sim_jobs[slot->token].last].running_at > 0 &&
           sim.now >= slot->request.commit_at + most;
}

void sim_check_left(void) {
    const hf_ms longest = sim_longest_outage();
    const unsigned n = sim_left_look();
    unsigned n_hanging = 0;
    for (unsigned i = 0; i < SIM_SLOTS; i++)
        n_hanging += may_hang(&sim_slots[i]);
    hf_pool_status status;
    hf_pool_status_get(sim_pool, &status);
    SIM_CHECK(sim.tainted || (status.left <= n && status.hanging <= n_hanging),
              "the status counts COMMITs without an answer", "# of #, # hang", status.left, n,
              status.hanging);
    for (unsigned i = 0; i < SIM_SLOTS; i++)
        SIM_CHECK(!sim_slots[i].token || !(sim_slots[i].request.flags & HF_REQUEST_HELD) ||
                      is_write(&sim_jobs[sim_slots[i].token]),
                  "a COMMIT without an answer holds up no read", "request #", sim_slots[i].token, 0,
                  0);
    if (since == HF_NEVER || longest == HF_FOREVER || !hf_set_any(&sim_pool->free))
        return;
    for (unsigned i = 0; i < SIM_SLOTS; i++)
        SIM_CHECK(!is_new(&sim_slots[i]) || !is_write(&sim_jobs[sim_slots[i].token]) ||
                      sim.now == sim_jobs[sim_slots[i].token].submitted ||
                      sim_slots[i].request.timer.at <= sim.now || /* held just now: ends at once */
                      sim.now <= since + 2 * longest,
                  "no write is held for longer than max_outage", "request #, since #",
                  sim_slots[i].token, since, 0);
}
