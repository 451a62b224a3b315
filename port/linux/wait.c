/* Sleeping until there is news, and the queue of news. */
#include "insides.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define HF_EVENTS_AT_A_TIME 64

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) {
        return 0;
    }
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

hf_ms hf_linux_now(hf_linux *port) {
    (void)port;
    return clock_ns(CLOCK_BOOTTIME) / 1000000u;
}

/* ---- notes -------------------------------------------------------------------------------------- */

void hf_linux_note(hf_linux_state *state, hf_linux_noted *noted) {
    if (noted->next != NULL) {
        return;
    }
    hf_linux_noted *end = &state->notes;
    noted->next = end;
    noted->previous = end->previous;
    end->previous->next = noted;
    end->previous = noted;
    if (!state->waiting) {
        /* In somebody else's loop only the descriptor tells that there is something to do. */
        (void)eventfd_write(state->wake, 1);
    }
}

void hf_linux_unnote(hf_linux_noted *noted) {
    if (noted->next != NULL) {
        noted->next->previous = noted->previous;
        noted->previous->next = noted->next;
        noted->next = noted->previous = NULL;
    }
}

int hf_linux_next(hf_port *port, uint32_t *tag) {
    hf_linux_state *state = hf_linux_of(port);
    hf_linux_noted *first = state->notes.next;
    if (first == &state->notes) {
        return 0;
    }
    *tag = first->tag;
    hf_linux_unnote(first);
    return 1;
}

/* ---- sleeping ----------------------------------------------------------------------------------- */

int hf_linux_watch(hf_linux_state *state, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = { events, { .u64 = data } };
    return epoll_ctl(state->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

/* Epoll's timeout: rounded up, so that the sleep neither ends early nor turns into a busy loop. */
static int timeout_until(hf_ms until) {
    if (until == HF_NEVER) {
        return -1;
    }
    uint64_t now = clock_ns(CLOCK_BOOTTIME);
    if (until > (now + (uint64_t)INT_MAX * 1000000u) / 1000000u) {
        return INT_MAX;
    }
    uint64_t then = until * 1000000u;
    return then <= now ? 0 : (int)((then - now + 999999u) / 1000000u);
}

/* True when core or the caller should look. */
static bool dispatch(hf_linux_state *state, const struct epoll_event *event) {
    uint32_t low = (uint32_t)event->data.u64, detail = (uint32_t)(event->data.u64 >> 32);
    uint32_t index = low & 0x0fffffffu;
    uint64_t count;
    switch (low >> 28) {
    case HF_LINUX_ON_LINK: return hf_linux_link_event(state, index, detail, event->events);
    case HF_LINUX_ON_LOOKUP:
        hf_linux_lookup_event(state, index, (int)detail, event->events);
        return false; /* what ended was noted */
    case HF_LINUX_ON_TIMER:
        (void)!read(state->timer, &count, sizeof count);
        hf_linux_lookup_timer(state);
        return false;
    case HF_LINUX_ON_RESUME:
        /* ECANCELED, and it goes on watching: what the clock says may have jumped. */
        (void)!read(state->resume, &count, sizeof count);
        return true;
    default: return false; /* wake: edge-triggered, so its count need not be read */
    }
}

static bool noted(const hf_linux_state *state) {
    return state->notes.next != &state->notes;
}

int hf_linux_wait(hf_linux *port, hf_ms until) {
    hf_linux_state *state = port->state;
    struct epoll_event events[HF_EVENTS_AT_A_TIME];
    bool look = false;
    int n;
    state->waiting = true;
    do {
        n = epoll_wait(state->epoll, events, HF_EVENTS_AT_A_TIME,
                       noted(state) ? 0 : timeout_until(until));
        for (int i = 0; i < n; i++) {
            look = dispatch(state, &events[i]) || look;
        }
    } while (n > 0 && !look && !noted(state));
    state->waiting = false;
    state->cpu_known = false;
    return n < 0 && errno != EINTR ? HF_ERR_STATE : 0;
}

int hf_linux_fd(hf_linux *port) {
    return port->state->epoll;
}

/* ---- the share of the processor ----------------------------------------------------------------- */

/* SEMANTICS 22 allows a tick 50 ms; expensive steps (a slice of PBKDF2, a step of a handshake) take some
 * ms each, and one more may follow. */
#define HF_TICK_SHARE_NS 20000000u

/* Counted from the first question after hf_linux_wait(): reading this clock is a system call, which a tick
 * without expensive steps does not make. */
bool hf_linux_spent(hf_port *port) {
    hf_linux_state *state = hf_linux_of(port);
    uint64_t now = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (!state->cpu_known) {
        state->cpu_known = true;
        state->cpu_ns = now;
    }
    return now - state->cpu_ns > HF_TICK_SHARE_NS;
}
