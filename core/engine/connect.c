#include "connect.h"

#include <string.h>

#include "link.h"
#include "machine/classify.h"
#include "machine/endpoint.h"
#include "schedule.h"

static hf_connect failed(hf_conn *conn, int code) {
    hf_link_lost(conn, code);
    return HF_CONNECT_FAILED;
}

/* Gives the present address an equal share of the time that the attempt has left. */
static void share_time(hf_conn *conn) {
    unsigned left = (unsigned)conn->n_addresses - conn->address;
    conn->tcp_deadline = HF_NEVER;
    if (left > 1 && !hf_is_never(conn->fsm.deadline) && conn->fsm.deadline > conn->pool->now) {
        const uint32_t ms = (uint32_t)(conn->fsm.deadline - conn->pool->now);
        conn->tcp_deadline = conn->pool->now + ms / left;
    }
}

/* Opens a link to the present address, or to the first after it to which one can be opened. */
static hf_connect open_address(hf_conn *conn) {
    int err = HF_OK;
    for (; conn->address < conn->n_addresses; conn->address++) {
        err = hf_link_open(conn, &conn->dial);
        if (err == HF_OK) {
            share_time(conn);
            return HF_CONNECT_IN_PROGRESS;
        }
    }
    return failed(conn, err);
}

hf_connect hf_connect_next(hf_conn *conn) {
    hf_link_drop(&conn->dial);
    if (HF_MANY_CONNS) {
        hf_pool_log_in_over(conn);
    }
    conn->address++;
    return open_address(conn);
}

hf_connect hf_connect_start(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    pool->dials++;
    if (HF_MANY_HOSTS) {
        conn->endpoint = (uint8_t)hf_endpoints_next(&pool->endpoints);
        conn->dial_number = pool->dials;
    }
    conn->dial = (hf_dial){ .phase = HF_PHASE_RESOLVE };
    conn->n_addresses = conn->address = 0;
    conn->tcp_deadline = HF_NEVER;
    memset(conn->shutdown_sqlstate, 0, sizeof conn->shutdown_sqlstate);
#if HF_WITH_CREDENTIALS
    conn->credentials = HF_CREDENTIALS_KNOWN;
#endif
#if HF_WITH_VERSIONS
    conn->io.old_protocol = pool->endpoints.list[hf_conn_endpoint(conn)].old_protocol;
#endif
    const hf_host *host = hf_conn_host(conn);
    uint16_t number = host->port ? host->port : pool->config->driver->default_port;
    if (hf_host_is_local(host)) {
        conn->addresses[0] = (hf_address){ .kind = HF_ADDRESS_LOCAL, .port = number };
        conn->n_addresses = 1;
        if (open_address(conn) == HF_CONNECT_FAILED) {
            return HF_CONNECT_FAILED;
        }
    } else {
        int err = pool->port->api->resolve(pool->port, conn->index,
                                           host->address ? host->address : host->name, number);
        if (err < 0) {
            return failed(conn, err);
        }
    }
    /* A numeric address needs no look-up, and loopback may connect at once. */
    return hf_connect_advance(conn);
}

static hf_connect resolved(hf_conn *conn) {
    hf_port *port = conn->pool->port;
    int n = port->api->resolved(port, conn->index, conn->addresses, HF_ADDRESSES_MAX);
    if (n < 0) {
        return failed(conn, n);
    }
    if (n > 0) {
        conn->n_addresses = (uint8_t)n;
        return open_address(conn);
    }
    return HF_CONNECT_IN_PROGRESS;
}

#if HF_WITH_CREDENTIALS
static bool has_line_end(const char *text) {
    return text && text[strcspn(text, "\r\n")];
}

/* Asks the credentials callback what to log in with. LINK_UP: it is known. */
static hf_connect ask_for_credentials(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    const hf_config *config = pool->config;
    hf_io *io = &conn->io;
    const bool refused = pool->refresh == HF_REFRESH_DUE;
    conn->credentials = HF_CREDENTIALS_KNOWN;
    io->given = (hf_credentials){ 0 };
    if (!config->credentials) {
        return HF_CONNECT_LINK_UP;
    }
    io->proof = HF_PROOF_NONE; /* the present login's, not an earlier one's */
    switch (
        config->credentials(config->callback_user, conn->index, io->host, refused, &io->given)) {
    case HF_CREDENTIALS_GIVEN: break;
    case HF_CREDENTIALS_LATER:
        conn->credentials = HF_CREDENTIALS_AWAITED;
        return HF_CONNECT_IN_PROGRESS;
    case HF_CREDENTIALS_NONE:
    default:
        hf_error_set(&io->error, HF_ERR_AUTH_PASSWORD, HF_PHASE_LOGIN,
                     HF_MESSAGE("the credentials callback has none"));
        return HF_CONNECT_FAILED;
    }
    if (refused) {
        pool->refresh = HF_REFRESH_DONE;
    }
    const char *user = io->given.user ? io->given.user : config->user;
    if (!user || !user[0] || has_line_end(user) || has_line_end(io->given.password)) {
        hf_error_set(
            &io->error, HF_ERR_AUTH_PASSWORD, HF_PHASE_LOGIN,
            HF_MESSAGE("the credentials callback gave no user, or a line end in what it gave"));
        return HF_CONNECT_FAILED;
    }
    return HF_CONNECT_LINK_UP;
}
#endif

/* The link is ready: starts the driver's login on a wiped session. */
static hf_connect login(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    hf_endpoint *endpoint = &pool->endpoints.list[hf_conn_endpoint(conn)];
    hf_io *io = &conn->io;
    memset(&conn->session, 0, sizeof conn->session);
    io->host = hf_conn_host(conn);
    io->link = conn->dial.link;
    io->keys = &endpoint->keys;
    io->degraded = endpoint->degraded;
    io->ticketless = endpoint->ticketless;
    io->encrypted = hf_link_wants_tls(conn);
    io->rx.start = io->rx.end = 0;
    hf_conn_tx_empty(conn);
    io->tx_total = conn->tx_sent = 0;
    io->backend = 0;
    io->error.code = HF_OK;
    conn->tx_blocked = false;
    conn->dial.phase = HF_PHASE_LOGIN;
    conn->tcp_deadline = HF_NEVER;
#if HF_WITH_CREDENTIALS
    const hf_connect come = ask_for_credentials(conn);
    if (come != HF_CONNECT_LINK_UP) {
        return come;
    }
#endif
    int err = pool->config->driver->start(&conn->session, io);
    if (err < 0) {
        if (io->error.code == HF_OK) {
            hf_error_set(&io->error, (hf_err)err, HF_PHASE_LOGIN, NULL);
        }
        return HF_CONNECT_FAILED;
    }
    return HF_CONNECT_LINK_UP;
}

hf_connect hf_connect_advance(hf_conn *conn) {
    if (conn->dial.phase == HF_PHASE_RESOLVE && resolved(conn) == HF_CONNECT_FAILED) {
        return HF_CONNECT_FAILED;
    }
    while (conn->dial.phase == HF_PHASE_TCP || conn->dial.phase == HF_PHASE_TLS) {
        int r = hf_link_advance(conn, &conn->dial);
        if (r == 0) {
            return HF_CONNECT_IN_PROGRESS;
        }
        if (HF_MANY_CONNS && r > 0 && !hf_pool_may_log_in(conn)) {
            /* The address works: waiting for the turn to log in does not count against it. */
            conn->tcp_deadline = HF_NEVER;
            return HF_CONNECT_IN_PROGRESS;
        }
        if (r > 0) {
            return login(conn);
        }
        /* Another address may do better, unless this one said no for good. */
        bool last = conn->address + 1 >= conn->n_addresses;
        hf_link_error(conn, &conn->io.error, r);
        if (last || hf_classify(&conn->io.error, false) == HF_CLASS_PERMANENT ||
            hf_connect_next(conn) == HF_CONNECT_FAILED) {
            return HF_CONNECT_FAILED;
        }
    }
#if HF_WITH_CREDENTIALS
    if (conn->credentials == HF_CREDENTIALS_AWAITED) {
        return HF_CONNECT_IN_PROGRESS;
    }
    if (conn->credentials == HF_CREDENTIALS_THERE) {
        return login(conn);
    }
#endif
    return conn->dial.phase == HF_PHASE_LOGIN ? HF_CONNECT_LINK_UP : HF_CONNECT_IN_PROGRESS;
}

hf_connect hf_connect_again(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    pool->endpoints.list[hf_conn_endpoint(conn)].degraded = conn->io.degraded;
    hf_link_drop(&conn->dial);
    if (HF_MANY_CONNS) {
        hf_pool_log_in_over(conn);
    }
    int err = hf_link_open(conn, &conn->dial);
    if (err != HF_OK) {
        return failed(conn, err);
    }
    hf_conn_activate(conn);
    return HF_CONNECT_IN_PROGRESS;
}
