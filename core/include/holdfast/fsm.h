/* A connection's state machine, as a pure step: (state, event, now, policy) -> (state, deadline, actions).
 *
 * The tables here give the states, their legal edges and their deadlines, and the README's diagram is printed from
 * them. hf_fsm_step() is the one function that writes a state. A pool steps the machines of its connections by itself;
 * a test or a program with other connections to keep may step one by hand.
 */
#ifndef HF_FSM_H
#define HF_FSM_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(state, name, the setting that is its deadline, what it means) */
#define HF_STATES(X)                                                                             \
    X(IDLE, "idle", "none", "nothing held, nothing wanted")                                      \
    X(CONNECTING, "connecting", "connect_timeout", "first connection: resolve, TCP, TLS, login") \
    X(HEALTHY, "healthy", "probe_interval", "usable; statements run here")                       \
    X(PROBING, "probing", "probe_timeout", "a health check is in flight; new work waits")        \
    X(BACKOFF, "backoff", "the backoff delay",                                                   \
      "waiting to try again; the old link is being closed")                                      \
    X(RECONNECTING, "reconnecting", "reconnect_timeout", "getting a lost connection back")

typedef enum hf_state {
#define X(state, name, deadline, means) HF_##state,
    HF_STATES(X)
#undef X
        HF_STATE_COUNT
} hf_state;

/* X(event, name) */
#define HF_EVENTS(X)                                                                     \
    X(WANT, "want")       /* there is work, or a wish to be connected */                 \
    X(UP, "up")           /* logged in, or the probe was answered */                     \
    X(LOST, "lost")       /* the link or the attempt failed, and another try may help */ \
    X(REFUSED, "refused") /* refused for good */                                         \
    X(DUE, "due")         /* the deadline has passed */                                  \
    X(HEARD, "heard")     /* bytes came from the server */                               \
    X(CLOSE, "close")     /* no longer wanted, or given up */

typedef enum hf_event {
#define X(event, name) HF_EV_##event,
    HF_EVENTS(X)
#undef X
        HF_EVENT_COUNT
} hf_event;

/* X(from, event, to): the legal edges, and the event that takes each. An event without an edge changes nothing. */
#define HF_EDGES(X)                                                   \
    X(IDLE, WANT, CONNECTING)                                         \
    X(CONNECTING, UP, HEALTHY)                                        \
    X(CONNECTING, LOST, BACKOFF)                                      \
    X(CONNECTING, DUE, BACKOFF)                                       \
    X(CONNECTING, REFUSED, IDLE)                                      \
    X(CONNECTING, CLOSE, IDLE)                                        \
    X(HEALTHY, DUE, PROBING)                                          \
    X(HEALTHY, HEARD, HEALTHY)                                        \
    X(HEALTHY, LOST, BACKOFF)                                         \
    X(HEALTHY, CLOSE, IDLE)                                           \
    X(PROBING, UP, HEALTHY)                                           \
    X(PROBING, LOST, BACKOFF)                                         \
    X(PROBING, DUE, BACKOFF)                                          \
    X(PROBING, CLOSE, IDLE)                                           \
    X(BACKOFF, DUE, RECONNECTING) /* CONNECTING if it never was up */ \
    X(BACKOFF, CLOSE, IDLE)                                           \
    X(RECONNECTING, UP, HEALTHY)                                      \
    X(RECONNECTING, LOST, BACKOFF)                                    \
    X(RECONNECTING, DUE, BACKOFF)                                     \
    X(RECONNECTING, REFUSED, IDLE)                                    \
    X(RECONNECTING, CLOSE, IDLE)

/* What a step asks of its caller; bits of hf_step.actions. */
enum {
    HF_DO_DIAL = 1,  /* start an attempt: resolve, connect, log in */
    HF_DO_PROBE = 2, /* send a health check */
    HF_DO_DROP = 4,  /* end the link at once: it is of no use any more */
    HF_DO_CLOSE = 8, /* end the link politely, within close_timeout */
    HF_DO_SERVE = 16 /* run statements: the connection is usable (again) */
};

/* The settings that a step needs, in ms. What 0 means is what config.h says of the setting. */
typedef struct hf_policy {
    uint32_t connect_timeout_ms;
    uint32_t reconnect_timeout_ms;
    uint32_t probe_reconnect_timeout_ms; /* for the attempt after a failed probe */
    uint32_t probe_interval_ms;
    uint32_t probe_timeout_ms;
    uint32_t backoff_ms; /* the delay, should this step lead to BACKOFF: hf_backoff()'s answer */
} hf_policy;

/* One connection's machine. All zero: IDLE, and never up so far. Read the fields freely; hf_fsm_step() alone writes. */
typedef struct hf_fsm {
    uint8_t state;     /* an hf_state */
    uint8_t lost_from; /* the hf_state when the connection was last lost: PROBING differs */
    uint32_t ups;      /* how often the connection came up */
    hf_ms deadline; /* of this state; HF_NEVER in IDLE, and in HEALTHY with probe_interval_ms 0 */
    hf_ms since;    /* this state began then */
} hf_fsm;

typedef struct hf_step {
    hf_state from, to;
    uint8_t actions; /* HF_DO_* */
    bool legal;      /* false: the state has no edge for the event, and nothing was changed */
} hf_step;

/* Takes one step, and says what it was. It never fails: an event for which the state has no edge changes nothing. DUE
 * counts also before the deadline: by it a caller has a silent connection probed at once. */
hf_step hf_fsm_step(hf_fsm *fsm, hf_event event, hf_ms now, const hf_policy *policy);

/* Moves the deadline of a machine in BACKOFF, which waits for another connection's attempt, say. In other states
 * nothing changes. */
void hf_fsm_defer(hf_fsm *fsm, hf_ms until);

/* "healthy", "want"; never NULL. */
const char *hf_state_name(hf_state state);
const char *hf_event_name(hf_event event);

#ifdef __cplusplus
}
#endif

#endif
