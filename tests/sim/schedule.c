#include "check.h"

#include <string.h>

#include "engine.h"

/* When may the machine dial? While nothing is usable: one attempt at a time, the next one after the schedule's
 * delay; n losses in a row without a connection that proved itself make the n-th delay (SEMANTICS 2 to 7).
 * Where a proof may or may not have been, [least, most] are the numbers of losses that can be meant. */

static uint32_t least, most;
static hf_ms earliest[HF_CONNS_MAX]; /* it may dial again by itself */
static hf_ms up_since[HF_CONNS_MAX];
static bool alone[HF_CONNS_MAX]; /* dials, and began to while nothing was usable */
static bool refused, told_refused;

void sim_check_reset(void) {
    least = most = 0;
    refused = told_refused = false;
    for (unsigned i = 0; i < HF_CONNS_MAX; i++) {
        up_since[i] = HF_NEVER;
        alone[i] = false;
        earliest[i] = 0;
    }
    sim_check_reset_ticks();
}

void sim_check_forgive(void) {
    refused = told_refused = false;
}

void sim_check_refused(void) {
    SIM_CHECK(!told_refused, "a permanent refusal is tried once", "the server refuses again", 0, 0,
              0);
    told_refused = true;
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

void sim_check_answered(bool sure) {
    least = 0;
    if (sure)
        most = 0;
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

static uint32_t shortest_delay(uint32_t from, uint32_t to) {
    uint32_t shortest = UINT32_MAX;
    for (uint32_t n = from; n <= to && n < from + 40; n++)
        shortest = delay_of(n) < shortest ? delay_of(n) : shortest;
    return (uint32_t)((uint64_t)shortest * (100 - sim_config.jitter_percent) / 100);
}

static bool dials(unsigned state) {
    return state == HF_CONNECTING || state == HF_RECONNECTING;
}

static void dial_begins(const hf_transition *transition) {
    const unsigned conn = transition->conn;
    SIM_CHECK(!refused, "a permanent refusal is tried once", "connection # dials again", conn, 0,
              0);
    alone[conn] = sim_pool->n_up == 0;
    if (!alone[conn])
        return;
    for (unsigned i = 0; i < sim_pool->n_conns; i++)
        SIM_CHECK(i == conn || !alone[i], "one connection dials in an outage",
                  "connection # dials beside connection #", conn, i, 0);
    SIM_CHECK(sim.now >= earliest[conn], "attempts match the schedule",
              "connection # dials # ms too early", conn, earliest[conn] - sim.now, 0);
}

static void lost(const hf_transition *transition) {
    const unsigned conn = transition->conn;
    const bool was_up = transition->from == HF_HEALTHY || transition->from == HF_PROBING;
    /* Of several that are lost together only the one that dials for all counts: which one that will be is
     * holdfast's choice. */
    const bool counts = alone[conn] || (was_up && sim_pool->n_conns == 1);
    if (was_up && up_since[conn] != HF_NEVER &&
        sim.now - up_since[conn] >= sim_config.stable_after_ms)
        least = 0;
    earliest[conn] = 0;
    if (sim_pool->n_up > 0)
        return;
    if (counts) {
        uint32_t longest = 0;
        for (uint32_t n = least; n <= most && n < least + 40; n++)
            longest = delay_of(n) > longest ? delay_of(n) : longest;
        SIM_CHECK(!alone[conn] || transition->wait_ms <= (longest ? longest : 1),
                  "attempts match the schedule", "the delay is # ms, # ms at most",
                  transition->wait_ms, longest, 0);
        earliest[conn] = sim.now + shortest_delay(least, most);
        least++;
    }
    most++;
    alone[conn] = false;
}

void sim_check_transition(const hf_transition *transition) {
    const unsigned conn = transition->conn;
    switch ((hf_state)transition->to) {
    case HF_CONNECTING:
    case HF_RECONNECTING: dial_begins(transition); break;
    case HF_BACKOFF: lost(transition); break;
    case HF_HEALTHY:
        if (dials(transition->from))
            up_since[conn] = sim.now;
        for (unsigned i = 0; i < HF_CONNS_MAX; i++) {
            alone[i] = false;
            earliest[i] = 0; /* they follow */
        }
        if (sim_config.stable_after_ms == 0)
            sim_check_answered(true);
        break;
    case HF_IDLE:
        alone[conn] = false;
        if (transition->event == HF_EV_REFUSED)
            refused = true;
        if (sim_pool->n_up == 0 && sim_pool->n_idle == sim_pool->n_conns) { /* given up */
            least = most = 0;
            memset(earliest, 0, sizeof earliest);
        }
        break;
    case HF_PROBING:
    case HF_STATE_COUNT: break;
    }
}
