#include "cover.h"

#include "ledger.h"

#include <inttypes.h>
#include <stdio.h>

/* Edges are counted by (from, event, to) in the order of HF_EDGES; the one that BACKOFF takes to CONNECTING,
 * when it never was up, has a line of its own behind them. */

static uint64_t faults[SIM_FAULT_COUNT];

static const struct {
    uint8_t from, event, to;
} edges[] = {
#define X(from, event, to) { HF_##from, HF_EV_##event, HF_##to },
    HF_EDGES(X)
#undef X
        { HF_BACKOFF, HF_EV_DUE, HF_CONNECTING },
};

enum { EDGES = sizeof edges / sizeof edges[0] };

static uint64_t taken[EDGES];

void sim_hit(sim_fault fault) {
    faults[fault]++;
}

void sim_hit_edge(const hf_transition *transition) {
    for (size_t i = 0; i < EDGES; i++)
        if (edges[i].from == transition->from && edges[i].event == transition->event &&
            edges[i].to == transition->to)
            taken[i]++;
}

void sim_hit_heard(void) {
    const hf_transition heard = { .from = HF_HEALTHY, .event = HF_EV_HEARD, .to = HF_HEALTHY };
    sim_hit_edge(&heard);
}

bool sim_print_cover(void) {
    static const char *const names[] = {
#define X(name, words) #name,
        SIM_FAULTS(X)
#undef X
    };
    static const char *const texts[] = {
#define X(name, words) words,
        SIM_FAULTS(X)
#undef X
    };
    bool all = true;

    for (size_t i = 0; i < EDGES; i++) {
        printf("%12" PRIu64 "  edge  %s, %s -> %s%s\n", taken[i],
               hf_state_name((hf_state)edges[i].from), hf_event_name((hf_event)edges[i].event),
               hf_state_name((hf_state)edges[i].to), taken[i] ? "" : "   NEVER TAKEN");
        all = all && taken[i] > 0;
    }
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
        /* Runs of reads that share a Sync, which alone meet them often enough, are not among a ledger's seeds. */
        const bool spared = (i == SIM_PG_GROUP_VOID || i == SIM_PG_GROUP_FAILS) && sim_has_ledger();
        const bool met = faults[i] > 0 || spared;
        printf("%12" PRIu64 "  %-20s %s%s\n", faults[i], names[i], texts[i],
               met ? "" : "   NEVER HIT");
        all = all && met;
    }
    return all;
}
