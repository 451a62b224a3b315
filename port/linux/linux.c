/* The port itself: what hf_linux_init() opens, and the table by which core calls. */
#include "link.h"
#include "lookup.h"
#include "news.h"
#include "saslprep.h"
#include "tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Links that a connection may hold at a time (session, cancel, closing), and some to spare. */
#define HF_LINKS_PER_CONNECTION 3
#define HF_LINKS_SPARE          2

/* Descriptors beside those of links: the port's own and standard input, output and error at the least; look-ups and
 * the application's files, as far as the hard limit goes. */
#define HF_DESCRIPTORS_LEAST 8
#define HF_DESCRIPTORS_SPARE 64

static int port_random(hf_port *port, void *out, size_t bytes) {
    (void)port;
    return hf_linux_entropy(NULL, out, bytes) == 0 ? 0 : HF_ERR_RESOURCES;
}

static bool port_over_budget(hf_port *port) {
    return hf_linux_over_budget(&hf_linux_of(port)->share);
}

static hf_link *port_start_tls(hf_port *port, hf_link *under, const char *host, const char *alpn,
                               int *err) {
    hf_linux_state *state = hf_linux_of(port);
    if (state->tls == NULL) {
        *err = HF_ERR_CONFIG;
        return NULL;
    }
    hf_error error;
    *err = hf_linux_tls_renew(state, &error);
    if (*err == 0) {
        return hf_mbedtls_start(&state->tls->tls, under, host, alpn, err);
    }
    /* A TLS file may be just being replaced: the next attempt may find it whole. */
    const int passing = *err == HF_ERR_RESOURCES ? HF_ERR_RESOURCES : HF_ERR_TLS;
    *err = HF_ERR_RESOURCES;
    return hf_mbedtls_refuse(&state->tls->tls, under, passing, error.message);
}

static const hf_port_api api = {
    .open = hf_linux_open,
    .start_tls = port_start_tls,
    .resolve = hf_linux_resolve,
    .resolved = hf_linux_resolved,
    .resolve_cancel = hf_linux_resolve_cancel,
    .next = hf_linux_next,
    .random = port_random,
    .over_budget = port_over_budget,
    .hash = &hf_mbedtls_hash,
    .saslprep = hf_linux_saslprep,
};

static int complain(hf_error *error, hf_err code, const char *what, int number) {
    char text[HF_MESSAGE_BYTES];
    (void)snprintf(text, sizeof text, "%s: %s", what, strerror(number));
    hf_error_set(error, code, HF_PHASE_NONE, text);
    error->system = number;
    return code;
}

/* A timer that never expires: the kernel cancels it when the clock is set or the machine wakes up, and then links are
 * suspect and deadlines may have passed. */
static int open_resume(void) {
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    struct itimerspec never = { { 0, 0 }, { INT32_MAX, 0 } };
    if (fd >= 0) {
        struct timespec now;
        if (clock_gettime(CLOCK_REALTIME, &now) == 0) {
            never.it_value.tv_sec += now.tv_sec;
        }
        (void)timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
    }
    return fd;
}

/* Each connection is to have its link, and those of its cancel and of an old session, though few have these at a time.
 * A soft limit that is lower than that is raised as far as the hard limit goes (getrlimit(2)). */
static int raise_limit(unsigned n, hf_error *error) {
    const rlim_t wanted = (rlim_t)n * HF_LINKS_PER_CONNECTION + HF_DESCRIPTORS_SPARE;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted) {
        return 0;
    }
    files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur >= n + HF_DESCRIPTORS_LEAST) {
        return 0;
    }
    char text[HF_MESSAGE_BYTES];
    (void)snprintf(text, sizeof text,
                   "max_concurrent %u takes %u open files, but their hard limit is %llu; lower "
                   "max_concurrent or raise the limit (ulimit -Hn)",
                   n, n + HF_DESCRIPTORS_LEAST, (unsigned long long)files.rlim_max);
    hf_error_set(error, HF_ERR_CONFIG, HF_PHASE_NONE, text);
    return HF_ERR_CONFIG;
}

static int open_descriptors(hf_linux_state *state, hf_error *error) {
    state->epoll = epoll_create1(EPOLL_CLOEXEC);
    state->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    state->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    state->resume = open_resume();
    state->alarm = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    state->alarm_at = HF_NEVER;
    if (state->epoll < 0 || state->wake < 0 || state->timer < 0 || state->resume < 0 ||
        state->alarm < 0 ||
        hf_linux_watch(state, state->alarm, EPOLLIN | EPOLLET,
                       hf_linux_event(HF_LINUX_ON_ALARM, 0, 0)) != 0 ||
        hf_linux_watch(state, state->wake, EPOLLIN | EPOLLET,
                       hf_linux_event(HF_LINUX_ON_WAKE, 0, 0)) != 0 ||
        hf_linux_watch(state, state->timer, EPOLLIN, hf_linux_event(HF_LINUX_ON_TIMER, 0, 0)) !=
            0 ||
        hf_linux_watch(state, state->resume, EPOLLIN, hf_linux_event(HF_LINUX_ON_RESUME, 0, 0)) !=
            0) {
        return complain(error, HF_ERR_RESOURCES, "epoll", errno);
    }
    return 0;
}

static int open_all(hf_linux_state *state, hf_error *error) {
    unsigned n = state->config->max_concurrent;
    int err = raise_limit(n, error);
    if (err == 0) {
        err = open_descriptors(state, error);
    }
    if (err == 0 &&
        (hf_linux_links_init(state, n * HF_LINKS_PER_CONNECTION + HF_LINKS_SPARE) != 0 ||
         hf_linux_lookups_init(state, n) != 0)) {
        err = complain(error, HF_ERR_RESOURCES, "links", ENOMEM);
    }
    return err != 0 ? err : hf_linux_tls_open(state, error);
}

bool hf_linux_init(hf_linux *port, const hf_config *config, hf_error *error) {
    hf_error unwanted;
    error = error != NULL ? error : &unwanted;
    memset(error, 0, sizeof *error);
    port->port.api = &api;
    port->state = calloc(1, sizeof *port->state);
    if (port->state == NULL) {
        (void)complain(error, HF_ERR_RESOURCES, "port", ENOMEM);
        return false;
    }
    hf_linux_state *state = port->state;
    state->config = config;
    state->epoll = state->wake = state->timer = state->resume = state->alarm = -1;
    hf_notes_init(&state->notes);
    if (open_all(state, error) != 0) {
        hf_linux_close(port);
        return false;
    }
    return true;
}

hf_port *hf_linux_port(hf_linux *port) {
    return &port->port;
}

void hf_linux_close(hf_linux *port) {
    hf_linux_state *state = port->state;
    if (state == NULL) {
        return;
    }
    hf_linux_tls_close(state);
    hf_linux_links_close(state);
    hf_linux_lookups_close(state);
    const int fds[] = { state->wake, state->timer, state->resume, state->alarm, state->epoll };
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    free(state);
    port->state = NULL;
}
