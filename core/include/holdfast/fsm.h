/* The connection state machine as a pure step: (state, event, now, policy) -> (state, deadline, actions).
 *
 * One table, here, gives the states, their legal edges and their deadlines; the diagram in the README
 * is printed from it. hf_fsm_step() is the one function that writes a state.
 */
#ifndef HF_FSM_H
#define HF_FSM_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(state, name, deadline, means) */
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

/* X(from, event, to): the legal edges, and what takes them. What is not here changes nothing. */
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

/* What the step asks of its caller. */
enum {
    HF_DO_DIAL = 1,  /* start an attempt: resolve, connect, log in */
    HF_DO_PROBE = 2, /* send a health check */
    HF_DO_DROP = 4,  /* the link is of no use any more: end it */
    HF_DO_CLOSE = 8, /* end it politely, within close_timeout */
    HF_DO_SERVE = 16 /* it is usable (again) */
};

/* The numbers a step needs. Durations of 0 mean what config.h says. */
typedef struct hf_policy {
    uint32_t connect_timeout_ms;
    uint32_t reconnect_timeout_ms;
    uint32_t probe_reconnect_timeout_ms; /* reconnecting after a failed probe */
    uint32_t probe_interval_ms;          /* 0: never probed */
    uint32_t probe_timeout_ms;
    uint32_t backoff_ms; /* the delay, should this step lead to BACKOFF: hf_backoff()'s answer */
} hf_policy;

/* One connection's machine. All zero is IDLE and never up. Read it freely; only hf_fsm_step() writes. */
typedef struct hf_fsm {
    uint8_t state;     /* an hf_state */
    uint8_t lost_from; /* the hf_state in which it was last lost: PROBING has other time-outs */
    uint32_t ups;      /* how often it came up: 0 never */
    hf_ms deadline; /* of this state; HF_NEVER in IDLE (and in HEALTHY with probe_interval_ms 0) */
    hf_ms since;    /* when this state began */
} hf_fsm;

typedef struct hf_step {
    hf_state from, to;
    uint8_t actions; /* HF_DO_* */
    bool legal;      /* false: the event means nothing in that state and changed nothing */
} hf_step;

/* One step. Never fails; an event that the state does not know changes nothing (legal is false). DUE
 * before the deadline is taken as said: a caller may make a silent connection suspect by it. */
hf_step hf_fsm_step(hf_fsm *fsm, hf_event event, hf_ms now, const hf_policy *policy);

/* In BACKOFF: wait until then instead (for the canary, say). In other states it changes nothing. */
void hf_fsm_defer(hf_fsm *fsm, hf_ms until);

/* "healthy"; never NULL. */
const char *hf_state_name(hf_state state);
const char *hf_event_name(hf_event event);

#ifdef __cplusplus
}
#endif

#endif
