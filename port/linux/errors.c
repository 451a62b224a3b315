/* An errno as an hf_err, and in words. */
#include "errors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <pwd.h>

static const struct {
    int error;
    int err;
} table[] = {
    { ECONNREFUSED, HF_ERR_REFUSED },
    { ENOENT, HF_ERR_REFUSED }, /* a Unix socket that is not there (yet) */
    { ENOTSOCK, HF_ERR_REFUSED },
    { EAGAIN, HF_ERR_REFUSED }, /* connect() to a Unix socket whose backlog is full */
    { EACCES, HF_ERR_REFUSED },
    { EPERM, HF_ERR_REFUSED }, /* a firewall of this machine's own */
    { ECONNRESET, HF_ERR_RESET },
    { EPIPE, HF_ERR_RESET },
    { ECONNABORTED, HF_ERR_RESET },
    { EHOSTUNREACH, HF_ERR_UNREACHABLE },
    { ENETUNREACH, HF_ERR_UNREACHABLE },
    { EHOSTDOWN, HF_ERR_UNREACHABLE },
    { ENETDOWN, HF_ERR_UNREACHABLE },
    { EADDRNOTAVAIL, HF_ERR_UNREACHABLE },
    { EAFNOSUPPORT, HF_ERR_UNREACHABLE }, /* an IPv6 address on a machine without */
    { ETIMEDOUT, HF_ERR_NET_TIMEOUT },
    { EMFILE, HF_ERR_RESOURCES },
    { ENFILE, HF_ERR_RESOURCES },
    { ENOMEM, HF_ERR_RESOURCES },
    { ENOBUFS, HF_ERR_RESOURCES },
    { ENOSPC, HF_ERR_RESOURCES }, /* epoll's limit of watches */
    { ENAMETOOLONG, HF_ERR_ARGUMENT },
};

int hf_linux_err(int error) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].error == error) {
            return table[i].err;
        }
    }
    return HF_ERR_NET;
}

const char *hf_linux_why(hf_linux_link *link) {
    char *out = link->state->why;
    size_t size = sizeof link->state->why;
    bool said = link->error == ECONNREFUSED || link->error == ECONNRESET || link->error == EPIPE;
    if (link->stranger) {
        const struct passwd *user = getpwuid(link->peer);
        (void)snprintf(out, size, "requirepeer is %s, but the server runs as %s",
                       link->state->config->requirepeer,
                       user != NULL ? user->pw_name : "a user without a name");
        return out;
    }
    if (link->error == 0 || (said && !link->local)) {
        return NULL; /* the hf_err's own text says it all */
    }
    const char *text = link->error == EAGAIN ? "its queue of connections is full"
                                             : strerror(link->error); /* one thread: safe */
    if (link->local) {
        (void)snprintf(out, size, "%s: %s", link->path, text);
    } else {
        (void)snprintf(out, size, "%s", text);
    }
    return out;
}
