/* Names to addresses, by c-ares, because getaddrinfo() blocks.
 *
 * Each look-up has a channel of its own, made when the look-up starts and destroyed when its answer is taken or it is
 * cancelled. So each attempt reads /etc/resolv.conf and /etc/hosts as they are now (a DNS server that moved is found),
 * and no callback comes after a cancel. The channels' sockets are in epoll, their time-outs in one timerfd.
 */
#include "lookup.h"

#include "news.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ares.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* A DNS server that does not answer is asked again, or the next one, after this long (c-ares doubles it). */
#define HF_DNS_TIMEOUT_MS 1500
#define HF_DNS_TRIES      4

#define HF_FOUND_MAX 16

enum { HF_LOOKUP_IDLE, HF_LOOKUP_BUSY, HF_LOOKUP_DONE };

struct hf_linux_lookup {
    hf_note note;
    hf_linux_state *state;
    hf_linux_lookup *next_busy;
    ares_channel channel; /* NULL: none */
    int step;
    int failed; /* an hf_err; 0: found */
    uint16_t port;
    unsigned n_found;
    hf_address found[HF_FOUND_MAX];
};

/* ---- c-ares calls these ------------------------------------------------------------------------- */

static void on_socket(void *at, ares_socket_t fd, int readable, int writable) {
    hf_linux_lookup *lookup = at;
    hf_linux_state *state = lookup->state;
    uint32_t events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);
    uint64_t data =
        hf_linux_event(HF_LINUX_ON_LOOKUP, (uint32_t)(lookup - state->lookups), (uint32_t)fd);
    struct epoll_event event = { events, { .u64 = data } };
    if (events == 0) {
        (void)epoll_ctl(state->epoll, EPOLL_CTL_DEL, fd, &event);
    } else if (epoll_ctl(state->epoll, EPOLL_CTL_MOD, fd, &event) != 0) {
        /* Not there yet. If adding fails too, the look-up's own time-out ends it. */
        (void)epoll_ctl(state->epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static bool address_from(hf_address *to, const struct ares_addrinfo_node *node) {
    memset(to, 0, sizeof *to);
    if (node->ai_family == AF_INET) {
        const struct sockaddr_in *from = (const struct sockaddr_in *)(void *)node->ai_addr;
        to->kind = HF_ADDRESS_IP4;
        memcpy(to->ip, &from->sin_addr, 4);
        return true;
    }
    if (node->ai_family == AF_INET6) {
        const struct sockaddr_in6 *from = (const struct sockaddr_in6 *)(void *)node->ai_addr;
        to->kind = HF_ADDRESS_IP6;
        to->scope = from->sin6_scope_id;
        memcpy(to->ip, &from->sin6_addr, 16);
        return true;
    }
    return false;
}

static bool same(const hf_address *a, const hf_address *b) {
    return a->kind == b->kind && a->scope == b->scope && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static void add(hf_linux_lookup *lookup, const hf_address *address) {
    for (unsigned i = 0; i < lookup->n_found; i++) {
        if (same(&lookup->found[i], address)) {
            return;
        }
    }
    if (lookup->n_found < HF_FOUND_MAX) {
        lookup->found[lookup->n_found++] = *address;
    }
}

/* A look-up that was BUSY goes on to another step. */
static void leave_busy(hf_linux_lookup *lookup, int step) {
    hf_linux_lookup **at = &lookup->state->busy;
    while (*at != lookup) {
        at = &(*at)->next_busy;
    }
    *at = lookup->next_busy;
    lookup->step = step;
}

static void done(hf_linux_lookup *lookup, int failed) {
    leave_busy(lookup, HF_LOOKUP_DONE);
    lookup->failed = failed;
    hf_linux_note(lookup->state, &lookup->note);
}

static void on_answer(void *at, int status, int timeouts, struct ares_addrinfo *answer) {
    hf_linux_lookup *lookup = at;
    (void)timeouts;
    if (lookup->step == HF_LOOKUP_BUSY) { /* not if the look-up is being cancelled */
        for (const struct ares_addrinfo_node *node = answer != NULL ? answer->nodes : NULL;
             status == ARES_SUCCESS && node != NULL; node = node->ai_next) {
            hf_address address;
            if (address_from(&address, node)) {
                address.port = lookup->port;
                add(lookup, &address);
            }
        }
        done(lookup, lookup->n_found > 0     ? 0
                     : status == ARES_ENOMEM ? HF_ERR_RESOURCES
                                             : HF_ERR_RESOLVE);
    }
    if (answer != NULL) {
        ares_freeaddrinfo(answer);
    }
}

/* ---- time-outs ---------------------------------------------------------------------------------- */

static void arm(hf_linux_state *state) {
    struct timeval soonest = { 0, 0 };
    bool any = false;
    for (const hf_linux_lookup *lookup = state->busy; lookup != NULL; lookup = lookup->next_busy) {
        struct timeval one;
        if (ares_timeout(lookup->channel, NULL, &one) != NULL &&
            (!any || timercmp(&one, &soonest, <))) {
            soonest = one;
            any = true;
        }
    }
    struct itimerspec timer = { { 0, 0 }, { soonest.tv_sec, soonest.tv_usec * 1000 } };
    if (any && timer.it_value.tv_sec == 0 && timer.it_value.tv_nsec == 0) {
        timer.it_value.tv_nsec = 1; /* 0 would disarm the timer */
    }
    (void)timerfd_settime(state->timer, 0, &timer, NULL);
}

void hf_linux_lookup_event(hf_linux_state *state, uint32_t index, int fd, uint32_t events) {
    if (index >= state->n_lookups || state->lookups[index].step != HF_LOOKUP_BUSY) {
        return;
    }
    bool failed = (events & (EPOLLERR | EPOLLHUP)) != 0;
    ares_process_fd(state->lookups[index].channel,
                    failed || (events & EPOLLIN) ? fd : ARES_SOCKET_BAD,
                    failed || (events & EPOLLOUT) ? fd : ARES_SOCKET_BAD);
    arm(state);
}

void hf_linux_lookup_timer(hf_linux_state *state) {
    for (hf_linux_lookup *lookup = state->busy, *next; lookup != NULL; lookup = next) {
        next = lookup->next_busy; /* this one may be done now, and no other */
        ares_process_fd(lookup->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    arm(state);
}

/* ---- what core asks ----------------------------------------------------------------------------- */

static void end(hf_linux_lookup *lookup) {
    hf_notes_remove(&lookup->note);
    if (lookup->step == HF_LOOKUP_BUSY) {
        leave_busy(lookup, HF_LOOKUP_IDLE);
    }
    lookup->step = HF_LOOKUP_IDLE;
    if (lookup->channel != NULL) {
        ares_destroy(lookup->channel);
        lookup->channel = NULL;
    }
}

/* A numeric address, IPv6 also as fe80::1%eth0. */
static bool numeric(hf_address *to, const char *host) {
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    size_t length = strlen(host);
    memset(to, 0, sizeof *to);
    if (length >= sizeof text) {
        return false;
    }
    memcpy(text, host, length + 1);
    if (inet_pton(AF_INET, text, to->ip) == 1) {
        to->kind = HF_ADDRESS_IP4;
        return true;
    }
    char *scope = strchr(text, '%');
    if (scope != NULL) {
        *scope++ = 0;
        char *rest;
        unsigned long number = strtoul(scope, &rest, 10);
        to->scope = *scope != 0 && *rest == 0 ? (uint32_t)number : if_nametoindex(scope);
    }
    if (inet_pton(AF_INET6, text, to->ip) == 1 && (scope == NULL || to->scope != 0)) {
        to->kind = HF_ADDRESS_IP6;
        return true;
    }
    return false;
}

/* Asks the resolver. 0 or an hf_err. */
static int ask(hf_linux_lookup *lookup, const char *host) {
    hf_linux_state *state = lookup->state;
    char path[256] = "";
    struct ares_options options = { .timeout = HF_DNS_TIMEOUT_MS,
                                    .tries = HF_DNS_TRIES,
                                    .sock_state_cb = on_socket,
                                    .sock_state_cb_data = lookup };
    int which = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (state->resolv_conf != NULL) {
        (void)snprintf(path, sizeof path, "%s", state->resolv_conf);
        options.resolvconf_path = path;
        options.udp_port = options.tcp_port = state->dns_port;
        which |= ARES_OPT_RESOLVCONF | ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
    }
    int status = ares_init_options(&lookup->channel, &options, which);
    if (status != ARES_SUCCESS) {
        lookup->channel = NULL;
        return status == ARES_ENOMEM ? HF_ERR_RESOURCES : HF_ERR_RESOLVE;
    }
    /* ENVHOSTS: CARES_HOSTS names a hosts file in place of /etc/hosts, for tests of programs. */
    const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
                                               .ai_socktype = SOCK_STREAM,
                                               .ai_flags = ARES_AI_ENVHOSTS };
    ares_getaddrinfo(lookup->channel, host, NULL, &hints, on_answer, lookup);
    arm(state);
    return 0;
}

int hf_linux_resolve(hf_port *port, unsigned slot, const char *host, uint16_t port_number) {
    hf_linux_state *state = hf_linux_of(port);
    HF_ASSERT(slot < state->n_lookups);
    hf_linux_lookup *lookup = &state->lookups[slot];
    end(lookup);
    lookup->step = HF_LOOKUP_BUSY;
    lookup->port = port_number;
    lookup->n_found = 0;
    lookup->next_busy = state->busy;
    state->busy = lookup;
    if (numeric(&lookup->found[0], host)) {
        lookup->found[0].port = port_number;
        lookup->n_found = 1;
        done(lookup, 0);
        return 0;
    }
    int err = host[0] != 0 ? ask(lookup, host) : HF_ERR_RESOLVE;
    if (err != 0) {
        end(lookup);
    }
    return err;
}

/* The first addresses in the resolver's order (RFC 6724); but if that leaves out a whole family, the last one is of
 * that family: a name with many IPv6 addresses on a network where IPv6 is broken is reached by IPv4. */
static int pick(const hf_linux_lookup *lookup, hf_address *out, size_t max) {
    size_t n = lookup->n_found < max ? lookup->n_found : max;
    memcpy(out, lookup->found, n * sizeof *out);
    for (size_t i = n; i < lookup->n_found && n > 1; i++) {
        bool new_family = true;
        for (size_t j = 0; j < n; j++) {
            new_family = new_family && out[j].kind != lookup->found[i].kind;
        }
        if (new_family) {
            out[n - 1] = lookup->found[i];
        }
    }
    return (int)n;
}

int hf_linux_resolved(hf_port *port, unsigned slot, hf_address *out, size_t max) {
    hf_linux_state *state = hf_linux_of(port);
    HF_ASSERT(slot < state->n_lookups && max > 0);
    hf_linux_lookup *lookup = &state->lookups[slot];
    if (lookup->step != HF_LOOKUP_DONE) {
        return lookup->step == HF_LOOKUP_BUSY ? 0 : HF_ERR_STATE;
    }
    int answer = lookup->failed != 0 ? lookup->failed : pick(lookup, out, max);
    end(lookup);
    return answer;
}

void hf_linux_resolve_cancel(hf_port *port, unsigned slot) {
    hf_linux_state *state = hf_linux_of(port);
    HF_ASSERT(slot < state->n_lookups);
    end(&state->lookups[slot]);
}

/* ---- the folder asks ---------------------------------------------------------------------------- */

int hf_linux_lookups_init(hf_linux_state *state, unsigned n) {
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        return HF_ERR_RESOURCES;
    }
    state->lookups = calloc(n, sizeof *state->lookups);
    if (state->lookups == NULL) {
        ares_library_cleanup();
        return HF_ERR_RESOURCES;
    }
    state->n_lookups = n;
    for (unsigned i = 0; i < n; i++) {
        state->lookups[i].state = state;
        state->lookups[i].note.tag = HF_TAG_RESOLVE + i;
    }
    return 0;
}

void hf_linux_lookups_close(hf_linux_state *state) {
    if (state->lookups == NULL) {
        return;
    }
    for (unsigned i = 0; i < state->n_lookups; i++) {
        end(&state->lookups[i]);
    }
    free(state->lookups);
    state->lookups = NULL;
    ares_library_cleanup();
}
