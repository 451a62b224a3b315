#include "check.h"

#include <string.h>

#include "engine/internal.h"
#include "ledger.h"

/* When may the machine dial? While nothing is usable: one attempt at a time, the next one after the schedule's
 * delay; n losses in a row without a connection that proved itself make the n-th delay (SEMANTICS 2 to 7).
 * Where a proof may or may not have been, [least, most] are the numbers of losses that can be meant. While others are
 * usable each goes by a schedule of its own, and counts its own losses. */

static uint32_t least, most;
static hf_ms earliest[SIM_CONNS]; /* it may dial again by itself */
static hf_ms up_since[SIM_CONNS];
static uint32_t own_least[SIM_CONNS], own_most[SIM_CONNS];
static uint32_t own_before[SIM_CONNS];
static hf_ms own_earliest[SIM_CONNS];
static hf_transition told[HF_JOURNAL_ENTRIES]; /* the last ones, in a ring */
static uint32_t n_told;
static uint8_t states[SIM_CONNS];
static bool alone[SIM_CONNS]; /* dials, and began to while nothing was usable */
static bool refused, told_refused;
static bool proven; /* the password is right, as far as the client knows */
static uint32_t n_proofs;
/* The outage under way began in [out_from, out_until]; HF_NEVER: there is none. */
static hf_ms out_from, out_until;
static hf_ms gave_up_from; /* the outage that was last given up began then */
static uint32_t gave_up_tries;
static bool gave_up_proven;
static uint32_t tries; /* dials that failed before it was ever up */
static bool ever_up;
static int failed_endpoint; /* the endpoint that was last dialled in vain; -1: none */
static hf_ms back_at;       /* when an outage ended in this tick; HF_NEVER */
static bool gave_up;
static bool was_ever_up[SIM_CONNS];
static hf_ms dialled_at[SIM_CONNS];
static unsigned dials_at_once[SIM_CONNS];
uint32_t sim_n_dials, sim_n_ups, sim_n_losses;
bool sim_left_unread[SIM_CONNS], sim_left_paused[SIM_CONNS], sim_left_doubt[SIM_CONNS];

void sim_check_reset(void) {
    least = most = 0;
    refused = told_refused = ever_up = proven = false;
    n_proofs = 0;
    out_from = out_until = HF_NEVER;
    failed_endpoint = -1;
    back_at = HF_NEVER;
    gave_up = false;
    gave_up_from = HF_NEVER;
    gave_up_tries = 0;
    tries = sim_n_dials = sim_n_ups = sim_n_losses = 0;
    for (unsigned i = 0; i < SIM_CONNS; i++) {
        up_since[i] = dialled_at[i] = HF_NEVER;
        sim_left_unread[i] = was_ever_up[i] = false;
        alone[i] = false;
        earliest[i] = own_earliest[i] = 0;
        own_least[i] = own_most[i] = own_before[i] = 0;
        sim_left_paused[i] = sim_left_doubt[i] = false;
    }
    n_told = 0;
    memset(told, 0, sizeof told);
    memset(states, HF_IDLE, sizeof states);
    sim_check_reset_ticks();
}

void sim_check_forgive(void) {
    refused = told_refused = proven = false;
    n_proofs = 0;
}

void sim_check_refused(void) {
    SIM_CHECK(!told_refused, "a permanent refusal is tried once", "the server refuses again", 0, 0,
              0);
    told_refused = true;
}

void sim_check_proven(void) {
    proven = true;
}

/* Or whoever has the wrong one locks an account. */
void sim_check_password(void) {
    const uint32_t sends = sim_config.connect_retries;
    SIM_CHECK(proven || sends == HF_FOREVER || n_proofs++ <= sends,
              "a password that was never right is sent connect_retries + 1 times", "# times",
              n_proofs, 0, 0);
}

void sim_check_login(const sim_link *link) {
    SIM_CHECK(!told_refused, "a permanent refusal is tried once", "link # logs in all the same",
              link->number, 0, 0);
    /* Or what is refused to one is tried by others too, and an account is locked. */
    for (unsigned i = 0; i < sim_links_top; i++) {
        const sim_link *other = &sim_links[i];
        SIM_CHECK(other == link || !other->used || other->client_gone || !other->tap.started ||
                      other->tap.in || other->tainted || other->closing,
                  "one connection logs in at a time", "link # beside link #", link->number,
                  other->number, 0);
    }
}

void sim_check_resolve(unsigned conn) {
    const int endpoint = sim_pool->conns[conn].endpoint;
    SIM_CHECK(!alone[conn] || sim_config.n_hosts < 2 || endpoint != failed_endpoint,
              "each endpoint has its turn", "connection # asks for endpoint # again", conn,
              endpoint, 0);
}

void sim_check_answered(bool sure) {
    least = 0;
    out_until = HF_NEVER;
    if (sure) {
        most = 0;
        out_from = HF_NEVER;
    }
}

void sim_check_proved(const sim_link *link, bool sure) {
    own_least[link->link.tag] = 0;
    if (sure && own_most[link->link.tag] >
                    0) { /* or else it was read, but a pause kept it from being looked at */
        own_before[link->link.tag] = own_most[link->link.tag];
        own_most[link->link.tag] = 0;
    }
}

/* --- how long an outage is borne (SEMANTICS 2, 4, 7) --------------------------------------------------- */

static void out(void) {
    if (sim_pool->n_up > 0)
        return;
    out_from = out_from == HF_NEVER ? sim.now : out_from;
    out_until = out_until == HF_NEVER ? sim.now : out_until;
}

uint32_t sim_longest_outage(void) {
    if (sim_config.max_outage_ms != 0)
        return sim_config.max_outage_ms;
    return ever_up ? 300000 : HF_FOREVER;
}

static bool dials(unsigned state) {
    return state == HF_CONNECTING || state == HF_RECONNECTING;
}

static unsigned n_dialling(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < sim_pool->n_conns; i++)
        n += dials(sim_pool->conns[i].fsm.state);
    return n;
}

/* Once a connection is up again, those that waited for it dial soon, unless as many dial as may. */
static void check_followers(void) {
    const hf_ms by = back_at + sim_config.retry_delay_ms;
    if (n_dialling() >= HF_DIALS_AT_ONCE)
        back_at = HF_NEVER;
    for (unsigned i = 0; back_at != HF_NEVER && sim_pool->n_up > 0 && i < sim_pool->n_conns; i++) {
        const hf_fsm *fsm = &sim_pool->conns[i].fsm;
        SIM_CHECK(fsm->state != HF_BACKOFF || fsm->since >= back_at || fsm->deadline <= by,
                  "the others follow", "connection # at #, not by #", i, fsm->deadline, by);
    }
    back_at = HF_NEVER;
}

/* Who waited for a connection that nobody will try for has been told. */
static void check_nothing_waits(void) {
    for (unsigned i = 0; gave_up && i < SIM_SLOTS; i++) {
        const uint32_t token = sim_slots[i].token;
        SIM_CHECK(token == 0 || sim_jobs[token].submitted == sim.now ||
                      sim_jobs[token].unresolved || sim_slots[i].request.submitted_before,
                  "when it is given up nothing waits", "request # does", token, 0, 0);
    }
    gave_up = false;
}

void sim_check_outage(void) {
    const uint32_t limit = sim_longest_outage();
    check_followers();
    check_nothing_waits();
    if (sim_pool->n_up > 0 || sim_pool->closing || sim_pool->n_idle == sim_pool->n_conns)
        return;
    SIM_CHECK(out_until == HF_NEVER || limit == HF_FOREVER || sim.now < out_until + limit,
              "an outage is given up after max_outage", "# ms after #", sim.now - out_until,
              out_until, 0);
    SIM_CHECK(sim_config.max_outage_ms != 0 || ever_up ||
                  sim_config.connect_retries == HF_FOREVER || tries <= sim_config.connect_retries,
              "given up after connect_retries", "# dials have failed", tries, 0, 0);
}

void sim_check_given_up(const hf_error *error) {
    const uint32_t limit = sim_longest_outage();
    if (error->limit == HF_LIMIT_MAX_OUTAGE)
        SIM_CHECK(gave_up_from != HF_NEVER && limit != HF_FOREVER &&
                      sim.now >= gave_up_from + limit,
                  "an outage is given up after max_outage", "already after # ms",
                  sim.now - gave_up_from, 0, 0);
    if (error->limit == HF_LIMIT_CONNECT_RETRIES)
        SIM_CHECK((!ever_up && gave_up_tries > sim_config.connect_retries) ||
                      !gave_up_proven, /* rule 17: what was sent is counted, not what came */
                  "given up after connect_retries", "already after # dials", gave_up_tries, 0, 0);
}

/* The n-th delay of the schedule, without jitter. */
static uint32_t delay_of(uint32_t n) {
    uint64_t delay = sim_config.retry_delay_ms;
    if (n == 0 && sim_config.first_delay_ms != HF_UNSET)
        return sim_config.first_delay_ms;
    for (;
         n > 0 && delay < sim_config.max_retry_delay_ms && delay > 0 && sim_config.retry_factor > 1;
         n--)
        delay *= sim_config.retry_factor;
    return delay < sim_config.max_retry_delay_ms ? (uint32_t)delay : sim_config.max_retry_delay_ms;
}

static uint32_t longest_delay(uint32_t from, uint32_t to) {
    uint32_t longest = 0;
    for (uint32_t n = from; n <= to && n < from + 40; n++)
        longest = delay_of(n) > longest ? delay_of(n) : longest;
    return longest;
}

static uint32_t shortest_delay(uint32_t from, uint32_t to) {
    uint32_t shortest = UINT32_MAX;
    for (uint32_t n = from; n <= to && n < from + 40; n++)
        shortest = delay_of(n) < shortest ? delay_of(n) : shortest;
    return (uint32_t)((uint64_t)shortest * (100 - sim_config.jitter_percent) / 100);
}

/* From IDLE: is it wanted? Then so many are awake, this one among them. */
static void check_wanted(unsigned conn) {
    const unsigned awake = (unsigned)(sim_pool->n_conns - sim_pool->n_idle);
    SIM_CHECK(awake <= sim_pool->keep_open ||
                  sim_pool->n_queued > (uint32_t)(awake - 1 - sim_pool->n_up),
              "nobody dials without need", "connection #: # are awake for # requests", conn, awake,
              sim_pool->n_queued);
}

static void dial_begins(const hf_transition *transition) {
    const unsigned conn = transition->conn;
    sim_n_dials++;
    sim_left_unread[conn] = false;
    if (transition->from == HF_IDLE)
        check_wanted(conn);
    SIM_CHECK(transition->from == HF_IDLE ||
                  was_ever_up[conn] == (transition->to == HF_RECONNECTING),
              "CONNECTING until it was up", "connection #", conn, 0, 0);
    dials_at_once[conn] = dialled_at[conn] == sim.now ? dials_at_once[conn] + 1 : 1;
    dialled_at[conn] = sim.now;
    SIM_CHECK(dials_at_once[conn] <= 2, "attempts match the schedule",
              "connection # dials # times at one moment", conn, dials_at_once[conn], 0);
    out();
    SIM_CHECK(sim.now >= own_earliest[conn], "extra dials match their schedule",
              "connection # dials # ms too early", conn, own_earliest[conn] - sim.now, 0);
    SIM_CHECK(!refused, "a permanent refusal is tried once", "connection # dials again", conn, 0,
              0);
    alone[conn] = sim_pool->n_up == 0;
    if (!alone[conn]) {
        SIM_CHECK(n_dialling() <= HF_DIALS_AT_ONCE, "few dial at once", "connection # is one of #",
                  conn, n_dialling(), 0);
        return;
    }
    for (unsigned i = 0; i < sim_pool->n_conns; i++)
        SIM_CHECK(i == conn || !alone[i], "one connection dials in an outage",
                  "connection # dials beside connection #", conn, i, 0);
    SIM_CHECK(sim.now >= earliest[conn], "attempts match the schedule",
              "connection # dials # ms too early", conn, earliest[conn] - sim.now, 0);
}

/* Why was it lost, and could that be? */
static void check_reason(const hf_transition *transition, const hf_conn *conn, bool was_up) {
    const hf_error *error = transition->error;
    SIM_CHECK(transition->wait_ms == conn->fsm.deadline - sim.now, "the journal tells the truth",
              "connection # waits # ms, not #", conn->index, conn->fsm.deadline - sim.now,
              transition->wait_ms);
    SIM_CHECK(error, "who is lost is told why", "connection #", conn->index, 0, 0);
    SIM_CHECK(!was_up || sim.tainted || error->code != HF_ERR_SERVER || error->severity != 'E' ||
                  strcmp(error->sqlstate, "25006") == 0 || memcmp(error->sqlstate, "57P", 3) == 0 ||
                  sim_left_doubt[conn->index] ||
                  (sim_has_ledger() && memcmp(error->sqlstate, "08", 2) == 0), /* of a question */
              "an ERROR costs no connection", "connection #", conn->index, 0, 0);
    const bool unreachable = !was_up && transition->event == HF_EV_LOST &&
                             (error->phase == HF_PHASE_TCP || error->phase == HF_PHASE_TLS);
    SIM_CHECK(!unreachable || conn->address + 1 >= conn->n_addresses || conn->io.degraded > 0,
              "every address of a name is tried", "connection # leaves it at # of #", conn->index,
              conn->address + 1, conn->n_addresses);
}

/* A dial has failed, or a connection was lost, while others are usable. */
static void lost_beside_others(const hf_transition *transition) {
    const unsigned conn = transition->conn;
    const uint32_t longest = longest_delay(own_least[conn], own_most[conn]);
    const uint32_t shortest = shortest_delay(own_least[conn], own_most[conn]);
    SIM_CHECK(transition->wait_ms <= (longest > 0 ? longest : 1) && transition->wait_ms >= shortest,
              "extra dials match their schedule", "the delay is # ms, not # to # ms",
              transition->wait_ms, shortest, longest);
    own_earliest[conn] = sim.now + transition->wait_ms;
    own_least[conn]++;
    own_most[conn]++;
}

static void lost(const hf_transition *transition) {
    const unsigned conn = transition->conn;
    SIM_CHECK(transition->event != HF_EV_DUE || !sim_left_unread[conn] || sim.tainted,
              "what has arrived is read before a deadline is judged", "connection #", conn, 0, 0);
    const bool was_up = transition->from == HF_HEALTHY || transition->from == HF_PROBING;
    check_reason(transition, &sim_pool->conns[conn], was_up);
    sim_n_losses += was_up;
    tries += !ever_up && sim_pool->n_up == 0 && alone[conn];
    if (was_up)
        sim_check_suspects(conn);
    else /* another connection's failure may have moved on the turn */
        failed_endpoint = alone[conn] ? sim_pool->conns[conn].endpoint : -1;
    /* When several connections are lost together only the one that dials for all counts, and holdfast chooses which. */
    const bool counts = alone[conn] || (was_up && sim_pool->n_conns == 1);
    if (was_up && up_since[conn] != HF_NEVER &&
        sim.now - up_since[conn] >= sim_config.stable_after_ms) {
        least = own_least[conn] = 0;
        out_until = HF_NEVER;
    }
    out();
    if (sim_left_paused[conn])
        own_most[conn] += own_before[conn];
    own_before[conn] = 0;
    sim_left_paused[conn] = false;
    earliest[conn] = own_earliest[conn] = 0;
    if (sim_pool->n_up > 0) {
        lost_beside_others(transition);
        return;
    }
    if (counts) {
        const uint32_t longest = longest_delay(least, most);
        SIM_CHECK(!alone[conn] || transition->wait_ms <= (longest || most == 0 ? longest : 1),
                  "attempts match the schedule", "the delay is # ms, # ms at most",
                  transition->wait_ms, longest, 0);
        earliest[conn] = sim.now + shortest_delay(least, most);
        least++;
    }
    most++;
    alone[conn] = false;
}

/* --- the journal --------------------------------------------------------------------------------------- */

static bool same(const hf_transition *a, const hf_transition *b) {
    return a->at == b->at && a->conn == b->conn && a->from == b->from && a->to == b->to &&
           a->event == b->event && a->phase == b->phase && a->code == b->code &&
           memcmp(a->sqlstate, b->sqlstate, sizeof a->sqlstate) == 0 && a->attempt == b->attempt &&
           a->wait_ms == b->wait_ms;
}

/* What is told is what happened, and what is kept is what was told. */
static void check_journal(const hf_transition *transition) {
    const hf_error *error = transition->error;
    const uint32_t n = ++n_told;
    const unsigned conn = transition->conn;
    SIM_CHECK(transition->at == sim.now && transition->to == sim_pool->conns[conn].fsm.state &&
                  transition->from == states[conn],
              "the journal tells the truth", "connection #: from # to #", conn, transition->from,
              transition->to);
    SIM_CHECK(!error || (transition->code == error->code && transition->phase == error->phase &&
                         memcmp(transition->sqlstate, error->sqlstate, 6) == 0),
              "the journal tells the truth", "connection #: error #, phase #", conn,
              (uint64_t)-transition->code, transition->phase);
    states[conn] = transition->to;
    told[n % HF_JOURNAL_ENTRIES] = *transition;
    for (uint32_t age = 0; age < n && age < HF_JOURNAL_ENTRIES; age++) {
        const hf_transition *kept = hf_journal_get(hf_pool_journal(sim_pool), age);
        SIM_CHECK(kept && !kept->error && same(kept, &told[(n - age) % HF_JOURNAL_ENTRIES]),
                  "the journal keeps what was told", "# transitions ago, connection #", age, conn,
                  0);
    }
    SIM_CHECK(
        !hf_journal_get(hf_pool_journal(sim_pool), n < HF_JOURNAL_ENTRIES ? n : HF_JOURNAL_ENTRIES),
        "the journal keeps what was told", "more than # of #", HF_JOURNAL_ENTRIES, n, 0);
}

void sim_check_transition(const hf_transition *transition) {
    const unsigned conn = transition->conn;
    check_journal(transition);
    switch ((hf_state)transition->to) {
    case HF_CONNECTING:
    case HF_RECONNECTING: dial_begins(transition); break;
    case HF_BACKOFF: lost(transition); break;
    case HF_HEALTHY:
        if (dials(transition->from)) {
            up_since[conn] = sim.now;
            dials_at_once[conn] = 0;
            failed_endpoint = -1;
            if (sim_pool->n_up == 1)
                back_at = sim.now;
            ever_up = was_ever_up[conn] = true;
            sim_n_ups++;
        }
        for (unsigned i = 0; i < SIM_CONNS; i++) {
            alone[i] = false;
            earliest[i] = 0; /* they follow */
            own_earliest[i] = sim_pool->n_up == 1 ? 0 : own_earliest[i];
        }
        if (sim_config.stable_after_ms == 0)
            sim_check_answered(true);
        break;
    case HF_IDLE:
        alone[conn] = false;
        own_earliest[conn] = 0;
        if (transition->event == HF_EV_REFUSED)
            refused = true;
        if (sim_pool->n_up == 0 && sim_pool->n_idle == sim_pool->n_conns) { /* given up */
            gave_up = !sim_pool->closing;
            failed_endpoint = -1;
            gave_up_from = out_from;
            gave_up_tries = tries;
            gave_up_proven = proven;
            least = most = tries = n_proofs = 0;
            out_from = out_until = HF_NEVER;
            memset(earliest, 0, sizeof earliest);
        }
        break;
    case HF_PROBING:
    case HF_STATE_COUNT: break;
    }
}
