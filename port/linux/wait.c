/* Sleeping until there is news. */
#include "link.h"
#include "lookup.h"
#include "news.h"

#include <errno.h>

#include <sys/timerfd.h>
#include <unistd.h>

#define HF_EVENTS_AT_A_TIME 64
/* A sleep of at least this many ms may be ended by the alarm. */
#define HF_LONG_SLEEP_MS 100

hf_ms hf_linux_now(hf_linux *port) {
    (void)port;
    return hf_linux_clock_ns() / 1000000u;
}

/* Acts on an epoll event. True: core or the caller should look. */
static bool dispatch(hf_linux_state *state, const struct epoll_event *event) {
    uint32_t low = (uint32_t)event->data.u64, detail = (uint32_t)(event->data.u64 >> 32);
    uint32_t index = low & 0x0fffffffu;
    uint64_t count;
    switch (low >> 28) {
    case HF_LINUX_ON_LINK: return hf_linux_link_event(state, index, detail, event->events);
    case HF_LINUX_ON_LOOKUP:
        hf_linux_lookup_event(state, index, (int)detail, event->events);
        return false; /* a look-up that ended was noted */
    case HF_LINUX_ON_TIMER:
        (void)!read(state->timer, &count, sizeof count);
        hf_linux_lookup_timer(state);
        return false;
    case HF_LINUX_ON_RESUME:
        /* read() fails with ECANCELED, and the timer goes on watching: the clock may have jumped. */
        (void)!read(state->resume, &count, sizeof count);
        return true;
    case HF_LINUX_ON_ALARM: state->alarm_at = HF_NEVER; return false; /* edge-triggered too */
    default: return false; /* wake: edge-triggered, so its count need not be read */
    }
}

/* epoll's time-out for a sleep that the alarm, as it is set, does not end in time. */
static HF_COLD int set_alarm(hf_linux_state *state, hf_ms until) {
    const int ms = hf_linux_timeout_until(until);
    const struct itimerspec at = { .it_value = { .tv_sec = (time_t)(until / 1000),
                                                 .tv_nsec = (long)(until % 1000) * 1000000 } };
    if (ms < HF_LONG_SLEEP_MS || timerfd_settime(state->alarm, TFD_TIMER_ABSTIME, &at, NULL) != 0) {
        return ms;
    }
    state->alarm_at = until;
    return -1;
}

/* Deadlines that are far away mostly move on before they come: an alarm that is early enough is left as it is, and
 * costs the next statement neither a look at the clock nor the kernel another timer. */
static inline int timeout(hf_linux_state *state, hf_ms until) {
    return hf_notes_any(&state->notes) ? 0
           : until >= state->alarm_at  ? -1
                                       : set_alarm(state, until);
}

int hf_linux_wait(hf_linux *port, hf_ms until) {
    hf_linux_state *state = port->state;
    struct epoll_event events[HF_EVENTS_AT_A_TIME];
    bool look = false;
    int n;
    state->waiting = true;
    do {
        n = epoll_wait(state->epoll, events, HF_EVENTS_AT_A_TIME, timeout(state, until));
        for (int i = 0; i < n; i++) {
            look = dispatch(state, &events[i]) || look;
        }
    } while (n > 0 && !look && !hf_notes_any(&state->notes));
    state->waiting = false;
    state->share.known = false;
    return n < 0 && errno != EINTR ? HF_ERR_STATE : 0;
}

int hf_linux_fd(hf_linux *port) {
    return port->state->epoll;
}
