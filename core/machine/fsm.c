#include "holdfast/fsm.h"

/* The machine: three tables and one step. The edges are fsm.h's; here stand what each state's deadline is
 * and what each step asks for:
 *
 *     entering                   from                      by                    asks for
 *     CONNECTING, RECONNECTING   any                       any                   DIAL
 *     PROBING                    HEALTHY                   DUE                   PROBE
 *     HEALTHY                    any but itself            UP                    SERVE
 *     BACKOFF, IDLE              a state with a link       LOST, DUE, REFUSED    DROP
 *     IDLE                       HEALTHY, PROBING          CLOSE                 CLOSE
 *     IDLE                       CONNECTING, RECONNECTING  CLOSE                 DROP: nobody to leave
 *
 * Invariants: only hf_fsm_step() writes an hf_fsm; only along HF_EDGES; each entry sets the state's own
 * deadline; ups counts entries from CONNECTING and RECONNECTING; lost_from is the state in which a working
 * connection was lost, HEALTHY or PROBING, and stays that through every failed try to get it back. */

/* hf_edges[from][event] is 1 + to; 0: no edge. */
static const uint8_t hf_edges[HF_STATE_COUNT][HF_EVENT_COUNT] = {
#define X(from, event, to) [HF_##from][HF_EV_##event] = 1 + HF_##to,
    HF_EDGES(X)
#undef X
};

static const char *const hf_states[HF_STATE_COUNT] = {
#define X(state, name, deadline, means) name,
    HF_STATES(X)
#undef X
};

static const char *const hf_events[HF_EVENT_COUNT] = {
#define X(event, name) name,
    HF_EVENTS(X)
#undef X
};

const char *hf_state_name(hf_state state) {
    return (size_t)state < HF_STATE_COUNT ? hf_states[state] : "?";
}

const char *hf_event_name(hf_event event) {
    return (size_t)event < HF_EVENT_COUNT ? hf_events[event] : "?";
}

static bool dialling(hf_state state) {
    return state == HF_CONNECTING || state == HF_RECONNECTING;
}

static bool up(hf_state state) {
    return state == HF_HEALTHY || state == HF_PROBING;
}

/* How many ms a state may last; HF_FOREVER: the state has no deadline. */
static uint32_t longest(hf_state state, hf_state lost_from, const hf_policy *policy) {
    switch (state) {
    case HF_CONNECTING: return policy->connect_timeout_ms;
    case HF_HEALTHY: return policy->probe_interval_ms == 0 ? HF_FOREVER : policy->probe_interval_ms;
    case HF_PROBING: return policy->probe_timeout_ms;
    case HF_BACKOFF: return policy->backoff_ms;
    case HF_RECONNECTING:
        return lost_from == HF_PROBING ? policy->probe_reconnect_timeout_ms
                                       : policy->reconnect_timeout_ms;
    case HF_IDLE:
    case HF_STATE_COUNT: break;
    }
    return HF_FOREVER;
}

static uint8_t actions(hf_state from, hf_event event, hf_state to) {
    if (dialling(to)) {
        return HF_DO_DIAL;
    }
    if (to == HF_PROBING) {
        return HF_DO_PROBE;
    }
    if (to == HF_HEALTHY) {
        return from == HF_HEALTHY ? 0 : HF_DO_SERVE;
    }
    if (up(from) && event == HF_EV_CLOSE) {
        return HF_DO_CLOSE;
    }
    return up(from) || dialling(from) ? HF_DO_DROP : 0;
}

hf_step hf_fsm_step(hf_fsm *fsm, hf_event event, hf_ms now, const hf_policy *policy) {
    hf_state from = (hf_state)fsm->state, to;
    hf_step step = { .from = from, .to = from };

    HF_ASSERT((size_t)from < HF_STATE_COUNT && (size_t)event < HF_EVENT_COUNT);
    if (hf_edges[from][event] == 0) {
        return step;
    }
    to = (hf_state)(hf_edges[from][event] - 1);
    if (to == HF_RECONNECTING && fsm->ups == 0) {
        to = HF_CONNECTING;
    }
    if (to == HF_HEALTHY && dialling(from) && fsm->ups < UINT32_MAX) {
        fsm->ups++;
    }
    if (to == HF_BACKOFF && up(from)) {
        fsm->lost_from = (uint8_t)from;
    } else if (to == HF_IDLE) {
        fsm->lost_from = HF_IDLE;
    }
    uint32_t ms = longest(to, (hf_state)fsm->lost_from, policy);
    fsm->deadline = ms == HF_FOREVER || now > HF_NEVER - ms ? HF_NEVER : now + ms;
    if (to != from) {
        fsm->state = (uint8_t)to;
        fsm->since = now;
    }
    step.to = to;
    step.actions = actions(from, event, to);
    step.legal = true;
    return step;
}

void hf_fsm_defer(hf_fsm *fsm, hf_ms until) {
    if (fsm->state == HF_BACKOFF) {
        fsm->deadline = until;
    }
}
