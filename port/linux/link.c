/* Sockets as links.
 *
 * A socket is registered with epoll once, edge-triggered, and not touched again: a statement costs send, epoll_wait,
 * recv. An edge says "look", and looking ends at a short read or write. Two events would be lost that way and are not:
 * an end of the stream that arrived with the last bytes (hung_up: a short read then notes the link again), and an
 * event of a socket that was in this slot before (generation). Unix sockets report writability at every byte their
 * peer takes, so EPOLLOUT is asked of them only while a write waits.
 */
#include "link.h"

#include "errors.h"
#include "news.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* TCP keepalive, the kernel's own detection of dead peers, where the settings do not say otherwise: after so many
 * seconds of silence a sign of life is asked for, again after so many, and the connection given up after so many
 * unanswered. holdfast's probes are quicker where they are on; keepalive keeps NAT and firewall entries alive, and
 * ends what probe_interval 0 would keep. How long sent bytes may stay unacknowledged is left to the system unless
 * tcp_user_timeout says it: a server that is at work on a long statement need not read, and the core's deadlines are
 * shorter. */
#define HF_KEEPALIVE_IDLE_S     30
#define HF_KEEPALIVE_INTERVAL_S 10
#define HF_KEEPALIVE_COUNT      3

/* close() throws away what still comes: at most so many reads in one call. */
#define HF_DISCARD_READS 16

static hf_linux_link *own(hf_link *link) {
    return (hf_linux_link *)(void *)link;
}

static int fail(hf_linux_link *link, int error) {
    link->error = error;
    link->failed = hf_linux_err(error);
    link->step = HF_LINUX_FAILED;
    return link->failed;
}

static uint64_t event_of(const hf_linux_link *link) {
    return hf_linux_event(HF_LINUX_ON_LINK, (uint32_t)(link - link->state->links),
                          link->generation);
}

static int link_ready(hf_link *base, bool *more) {
    hf_linux_link *link = own(base);
    *more = false;
    if (link->step == HF_LINUX_UP) {
        return 1;
    }
    if (link->step == HF_LINUX_FAILED) {
        return link->failed;
    }
    if (!link->news) {
        return 0;
    }
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        return fail(link, error);
    }
    link->step = HF_LINUX_UP;
    return 1;
}

static int link_read(hf_link *base, void *to, size_t bytes) {
    hf_linux_link *link = own(base);
    if (link->step != HF_LINUX_UP) {
        return link->step == HF_LINUX_FAILED ? link->failed : 0;
    }
    if (bytes > INT32_MAX) {
        bytes = INT32_MAX;
    }
    ssize_t got;
    do {
        got = recv(link->fd, to, bytes, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        if ((size_t)got < bytes && link->hung_up) {
            hf_linux_note(link->state, &link->note);
        }
        return (int)got;
    }
    if (got == 0) {
        link->error = 0;
        link->failed = HF_ERR_EOF;
        link->step = HF_LINUX_FAILED;
        return HF_ERR_EOF;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : fail(link, errno);
}

static void want_writable(hf_linux_link *link, bool wanted) {
    link->waits = wanted;
    if (link->local) {
        struct epoll_event event = { EPOLLIN | EPOLLRDHUP | EPOLLET, { .u64 = event_of(link) } };
        event.events |= wanted ? (uint32_t)EPOLLOUT : 0;
        (void)epoll_ctl(link->state->epoll, EPOLL_CTL_MOD, link->fd, &event);
    }
}

static int link_write(hf_link *base, const void *from, size_t bytes) {
    hf_linux_link *link = own(base);
    if (link->step != HF_LINUX_UP) {
        return link->step == HF_LINUX_FAILED ? link->failed : 0;
    }
    if (bytes > INT32_MAX) {
        bytes = INT32_MAX;
    }
    ssize_t sent;
    do {
        sent = send(link->fd, from, bytes, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        /* Reading goes on: the reason may have arrived, a FATAL before the reset. */
        link->error = errno;
        return hf_linux_err(errno);
    }
    if (sent < 0 || (size_t)sent < bytes) {
        want_writable(link, true);
    } else if (link->waits) {
        want_writable(link, false);
    }
    return sent < 0 ? 0 : (int)sent;
}

static void release(hf_linux_link *link) {
    hf_linux_state *state = link->state;
    hf_notes_remove(&link->note);
    if (link->fd >= 0) {
        (void)close(link->fd);
    }
    link->fd = -1;
    link->step = HF_LINUX_FREE;
    link->generation++;
    link->next_free = state->free_link;
    state->free_link = link;
}

static int link_close(hf_link *base) {
    hf_linux_link *link = own(base);
    char rubbish[4096];
    if (link->step == HF_LINUX_UP && !link->ended) {
        link->ended = true;
        if (shutdown(link->fd, SHUT_WR) != 0) {
            link->step = HF_LINUX_FAILED;
        }
    }
    for (int i = 0; i < HF_DISCARD_READS && link->step == HF_LINUX_UP; i++) {
        int got = link_read(base, rubbish, sizeof rubbish);
        if (got == 0) {
            return 0;
        }
    }
    if (link->step == HF_LINUX_UP) {
        hf_linux_note(link->state, &link->note);
        return 0;
    }
    release(link);
    return 1;
}

/* Unsent or unacknowledged bytes are dropped with a reset: nothing of them can be executed any more, however late the
 * network heals. Without such bytes the link ends in the ordinary way. */
static void link_abort(hf_link *base) {
    hf_linux_link *link = own(base);
    int unsent = 0;
    if (link->fd >= 0 && !link->local && ioctl(link->fd, SIOCOUTQ, &unsent) == 0 && unsent > 0) {
        struct linger at_once = { 1, 0 };
        (void)setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    release(link);
}

static size_t link_binding(hf_link *base, uint8_t *out) {
    (void)base;
    (void)out;
    return 0;
}

static const char *link_why(hf_link *base, int32_t *system) {
    hf_linux_link *link = own(base);
    *system = link->error;
    return hf_linux_why(link);
}

static const hf_link_api api = { link_ready, link_read,    link_write, link_close,
                                 link_abort, link_binding, link_why };

static void set(int fd, int level, int option, int value) {
    /* A kernel without one of these works too, with the core's deadlines alone. */
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static void set_unless_the_systems(int fd, int option, uint32_t value, int otherwise) {
    if (value != HF_UNSET) {
        set(fd, IPPROTO_TCP, option, value != 0 ? (int)value : otherwise);
    }
}

static void tune(int fd, const hf_config *config) {
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* a message is sent whole: nothing to wait for */
    if (config->tcp_user_timeout_ms != 0) {
        set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)config->tcp_user_timeout_ms);
    }
    if (config->keepalives_off) {
        return;
    }
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_unless_the_systems(fd, TCP_KEEPIDLE, config->keepalives_idle_s, HF_KEEPALIVE_IDLE_S);
    set_unless_the_systems(fd, TCP_KEEPINTVL, config->keepalives_interval_s,
                           HF_KEEPALIVE_INTERVAL_S);
    set_unless_the_systems(fd, TCP_KEEPCNT, config->keepalives_count, HF_KEEPALIVE_COUNT);
}

/* A Unix socket is up, and nothing was sent: does its server run as the user that requirepeer names? */
static void check_peer(hf_linux_link *link) {
    const char *wanted = link->state->config->requirepeer;
    struct ucred peer = { 0 };
    socklen_t size = sizeof peer;
    if (wanted == NULL || !link->local || link->step != HF_LINUX_UP) {
        return;
    }
    if (getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        (void)fail(link, errno);
        return;
    }
    const struct passwd *user = getpwuid(peer.uid);
    if (user == NULL || strcmp(user->pw_name, wanted) != 0) {
        link->step = HF_LINUX_FAILED;
        link->failed = HF_ERR_CONFIG;
        link->error = 0;
        link->stranger = true;
        link->peer = peer.uid;
    }
}

typedef union hf_linux_socket {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    struct sockaddr_un local;
} hf_linux_socket;

/* <folder>/.s.PGSQL.<port>, as PostgreSQL names its Unix sockets (docs 19.3.1). False: too long. */
static bool socket_path(hf_linux_link *link, const char *folder, uint16_t port) {
    int length = snprintf(link->path, sizeof link->path, "%s/.s.PGSQL.%u", folder, (unsigned)port);
    return length > 0 && (size_t)length < sizeof link->path;
}

/* Fills *to, and returns its length; 0: the folder's name is too long for a Unix socket. */
static socklen_t address_of(hf_linux_link *link, hf_linux_socket *to, const hf_address *from,
                            const char *folder) {
    memset(to, 0, sizeof *to);
    if (from->kind == HF_ADDRESS_IP4) {
        to->ip4.sin_family = AF_INET;
        to->ip4.sin_port = htons(from->port);
        memcpy(&to->ip4.sin_addr, from->ip, 4);
        return sizeof to->ip4;
    }
    if (from->kind == HF_ADDRESS_IP6) {
        to->ip6.sin6_family = AF_INET6;
        to->ip6.sin6_port = htons(from->port);
        to->ip6.sin6_scope_id = from->scope;
        memcpy(&to->ip6.sin6_addr, from->ip, 16);
        return sizeof to->ip6;
    }
    to->local.sun_family = AF_UNIX;
    if (!socket_path(link, folder, from->port)) {
        return 0;
    }
    memcpy(to->local.sun_path, link->path, strlen(link->path) + 1);
    return sizeof to->local;
}

/* A failure of connecting is told by the link's ready() and why(); a want of slots or descriptors is told here. */
hf_link *hf_linux_open(hf_port *port, const hf_address *address, const char *path, uint32_t tag,
                       int *err) {
    hf_linux_state *state = hf_linux_of(port);
    hf_linux_link *link = state->free_link;
    *err = link == NULL ? HF_ERR_RESOURCES : 0;
    if (link == NULL) {
        return NULL;
    }
    hf_linux_socket to;
    link->local = address->kind == HF_ADDRESS_LOCAL;
    socklen_t size = address_of(link, &to, address, path);
    int fd = -1;
    if (size > 0) {
        fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 && hf_linux_err(errno) == HF_ERR_RESOURCES) {
            *err = HF_ERR_RESOURCES;
            return NULL;
        }
    }
    state->free_link = link->next_free;
    link->link.api = &api;
    link->link.tag = tag;
    link->note.tag = tag;
    link->fd = fd;
    link->error = link->failed = 0;
    link->step = HF_LINUX_CONNECTING;
    link->news = link->hung_up = link->waits = link->ended = link->stranger = false;
    if (fd < 0) {
        (void)fail(link, size > 0 ? errno : ENAMETOOLONG);
        hf_linux_note(state, &link->note);
        return &link->link;
    }
    if (!link->local) {
        tune(fd, state->config);
    }
    int done;
    do {
        done = connect(fd, &to.any, size);
    } while (done != 0 && errno == EINTR);
    if (done == 0 || errno == EISCONN) {
        link->step = HF_LINUX_UP;
    } else if (errno != EINPROGRESS && errno != EALREADY) { /* EALREADY: asked anew after EINTR */
        (void)fail(link, errno);
    }
    check_peer(link);
    if (link->step != HF_LINUX_CONNECTING) {
        hf_linux_note(state, &link->note);
    }
    /* After connect(): a fresh socket counts as hung up. */
    uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET | (link->local ? 0 : (uint32_t)EPOLLOUT);
    if (link->step != HF_LINUX_FAILED && hf_linux_watch(state, fd, events, event_of(link)) != 0) {
        release(link);
        *err = HF_ERR_RESOURCES;
        return NULL;
    }
    return &link->link;
}

bool hf_linux_link_event(hf_linux_state *state, uint32_t index, uint32_t generation,
                         uint32_t events) {
    if (index >= state->n_links) {
        return false;
    }
    hf_linux_link *link = &state->links[index];
    if (link->generation != generation || link->step == HF_LINUX_FREE) {
        return false;
    }
    link->news = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        link->hung_up = true;
    } else if (!(events & EPOLLIN) && link->step == HF_LINUX_UP && !link->waits) {
        return false; /* writable, and no write waits */
    }
    hf_linux_note(state, &link->note);
    return true;
}

int hf_linux_links_init(hf_linux_state *state, unsigned n) {
    state->links = calloc(n, sizeof *state->links);
    if (state->links == NULL) {
        return HF_ERR_RESOURCES;
    }
    state->n_links = n;
    for (unsigned i = n; i-- > 0;) {
        state->links[i].state = state;
        state->links[i].fd = -1;
        state->links[i].next_free = state->free_link;
        state->free_link = &state->links[i];
    }
    return 0;
}

void hf_linux_links_close(hf_linux_state *state) {
    for (unsigned i = 0; i < state->n_links; i++) {
        if (state->links[i].step != HF_LINUX_FREE) {
            link_abort(&state->links[i].link);
        }
    }
    free(state->links);
    state->links = NULL;
    state->n_links = 0;
}
