/* A link on its way up: name, address, TCP, TLS in that order, for the session and for a cancel.
 *
 * An attempt goes through the addresses of one endpoint's name, each with its share of the attempt's time,
 * and starts from a wiped session: nothing of an earlier one is remembered but the endpoint's keys and its
 * refused start-up parameters. (PostgreSQL docs 55.2.10 for SSLRequest, 55.2.11 for direct TLS.)
 */
#include "engine.h"

#include <string.h>

static const hf_host *host_of(const hf_conn *conn) {
    return &conn->pool->config->hosts[hf_conn_endpoint(conn)];
}

bool hf_dial_wants_tls(const hf_conn *conn) {
    return conn->pool->config->sslmode != HF_SSL_DISABLE && !hf_host_is_local(host_of(conn));
}

void hf_dial_drop(hf_dial *dial) {
    if (dial->link) {
        dial->link->api->abort(dial->link);
    }
    *dial = (hf_dial){ 0 };
}

int hf_dial_open(hf_conn *conn, hf_dial *dial) {
    hf_port *port = conn->pool->port;
    int err = HF_ERR_RESOURCES;
    *dial = (hf_dial){ .phase = HF_PHASE_TCP };
    dial->link = port->api->open(port, &conn->addresses[conn->address], host_of(conn)->name,
                                 conn->index, &err);
    return dial->link ? HF_OK : err;
}

int hf_dial_send(hf_dial *dial, const uint8_t *bytes, size_t size) {
    while (dial->sent < size) {
        int n = dial->link->api->write(dial->link, bytes + dial->sent, size - dial->sent);
        if (n <= 0) {
            return n;
        }
        dial->sent = (uint8_t)(dial->sent + n);
    }
    dial->sent = 0;
    return 1;
}

/* SSLRequest and its one byte of answer. 1 the handshake may start, 0 not yet, < 0 an hf_err. */
static int ask_for_tls(hf_conn *conn, hf_dial *dial) {
    const hf_driver *driver = conn->pool->config->driver;
    uint8_t bytes[16];
    if (dial->step == HF_TLS_ASK) {
        bool direct = conn->pool->config->sslnegotiation == HF_SSLNEGOTIATION_DIRECT;
        size_t size = direct ? 0 : driver->tls_request(bytes);
        int n = size > 0 ? hf_dial_send(dial, bytes, size) : 1;
        if (n <= 0) {
            return n;
        }
        dial->step = size > 0 ? HF_TLS_ANSWER : HF_TLS_HANDSHAKE;
    }
    if (dial->step == HF_TLS_ANSWER) { /* one byte, no more: what lies behind it is an attack */
        int n = dial->link->api->read(dial->link, bytes, 1);
        if (n <= 0) {
            return n;
        }
        int answer = driver->tls_answer(bytes[0]);
        if (answer != HF_OK) {
            return answer;
        }
        dial->step = HF_TLS_HANDSHAKE;
    }
    int err = HF_ERR_TLS;
    bool direct = conn->pool->config->sslnegotiation == HF_SSLNEGOTIATION_DIRECT;
    hf_port *port = conn->pool->port;
    hf_link *tls = port->api->start_tls(port, dial->link, host_of(conn)->name,
                                        direct ? driver->alpn : NULL, &err);
    if (!tls) {
        return err;
    }
    dial->link = tls;
    dial->phase = HF_PHASE_TLS;
    dial->step = HF_TLS_HANDSHAKE + 1;
    return 1;
}

int hf_dial_link(hf_conn *conn, hf_dial *dial) {
    for (;;) {
        bool more = false;
        int r;
        if (dial->phase == HF_PHASE_TLS && dial->step <= HF_TLS_HANDSHAKE) {
            r = ask_for_tls(conn, dial);
            if (r > 0) {
                continue;
            }
        } else {
            r = dial->link->api->ready(dial->link, &more);
            if (r > 0 && dial->phase == HF_PHASE_TCP && hf_dial_wants_tls(conn)) {
                dial->phase = HF_PHASE_TLS;
                dial->step = HF_TLS_ASK;
                continue;
            }
            if (r > 0) {
                return 1;
            }
        }
        if (r < 0 || !more) {
            return r;
        }
        if (hf_conn_spent(conn)) {
            return 0;
        }
    }
}

/* The share of the attempt's time that the present address gets: an equal one of what is left. */
static void share_time(hf_conn *conn) {
    unsigned left = (unsigned)conn->n_addresses - conn->address;
    conn->tcp_deadline = HF_NEVER;
    if (left > 1 && !hf_is_never(conn->fsm.deadline) && conn->fsm.deadline > conn->pool->now) {
        const uint32_t ms = (uint32_t)(conn->fsm.deadline - conn->pool->now);
        conn->tcp_deadline = conn->pool->now + ms / left;
    }
}

/* Connects to the present address, or to the first after it that can be tried at all. */
static void open_address(hf_conn *conn) {
    int err = HF_OK;
    for (; conn->address < conn->n_addresses; conn->address++) {
        err = hf_dial_open(conn, &conn->dial);
        if (err == HF_OK) {
            share_time(conn);
            return;
        }
    }
    hf_conn_link_failed(conn, err);
}

void hf_dial_next(hf_conn *conn) {
    hf_dial_drop(&conn->dial);
    conn->address++;
    open_address(conn);
}

void hf_dial_start(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    pool->dials++;
    if (HF_HOSTS_MAX > 1) {
        conn->endpoint = (uint8_t)hf_endpoints_next(&pool->endpoints);
        conn->dial_number = pool->dials;
    }
    conn->dial = (hf_dial){ .phase = HF_PHASE_RESOLVE };
    conn->n_addresses = conn->address = 0;
    conn->tcp_deadline = HF_NEVER;
    memset(conn->warned, 0, sizeof conn->warned);
    const hf_host *host = host_of(conn);
    uint16_t number = host->port ? host->port : pool->config->driver->default_port;
    if (hf_host_is_local(host)) {
        conn->addresses[0] = (hf_address){ .kind = HF_ADDRESS_LOCAL, .port = number };
        conn->n_addresses = 1;
        open_address(conn);
    } else {
        int err = pool->port->api->resolve(pool->port, conn->index,
                                           host->address ? host->address : host->name, number);
        if (err < 0) {
            hf_conn_link_failed(conn, err);
        }
    }
    hf_dial_advance(conn); /* a numeric address, or loopback, is often there at once */
}

static void resolved(hf_conn *conn) {
    hf_port *port = conn->pool->port;
    int n = port->api->resolved(port, conn->index, conn->addresses, HF_ADDRESSES_MAX);
    if (n < 0) {
        hf_conn_link_failed(conn, n);
    } else if (n > 0) {
        conn->n_addresses = (uint8_t)n;
        open_address(conn);
    }
}

/* The driver's login on a fresh session. */
static void login(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    hf_endpoint *endpoint = &pool->endpoints.list[hf_conn_endpoint(conn)];
    hf_io *io = &conn->io;
    memset(&conn->session, 0, sizeof conn->session);
    io->host = host_of(conn);
    io->link = conn->dial.link;
    io->keys = &endpoint->keys;
    io->degraded = endpoint->degraded;
    io->ticketless = endpoint->ticketless;
    io->encrypted = hf_dial_wants_tls(conn);
    io->rx.start = io->rx.end = io->tx.start = io->tx.end = 0;
    io->tx_total = conn->tx_sent = 0;
    io->backend = 0;
    io->error.code = HF_OK;
    conn->tx_blocked = false;
    conn->dial.phase = HF_PHASE_LOGIN;
    conn->tcp_deadline = HF_NEVER;
    int err = pool->config->driver->start(&conn->session, io);
    if (err < 0) {
        if (io->error.code == HF_OK) {
            hf_error_set(&io->error, (hf_err)err, HF_PHASE_LOGIN, NULL);
        }
        hf_conn_fail(conn, &io->error);
    }
}

void hf_dial_advance(hf_conn *conn) {
    hf_error error;
    if (conn->dial.phase == HF_PHASE_RESOLVE) {
        resolved(conn);
    }
    while (conn->dial.phase == HF_PHASE_TCP || conn->dial.phase == HF_PHASE_TLS) {
        int r = hf_dial_link(conn, &conn->dial);
        if (r == 0) {
            return;
        }
        if (HF_CONNS_MAX > 1 && r > 0 && !hf_pool_may_log_in(conn->pool, conn)) {
            conn->tcp_deadline = HF_NEVER; /* this address is good */
            return;
        }
        if (r > 0) {
            login(conn);
            break;
        }
        /* Another address may do better, unless this one said no for good. */
        bool last = conn->address + 1 >= conn->n_addresses;
        hf_conn_link_error(conn, &error, r);
        if (last || hf_classify(&error, false) == HF_CLASS_PERMANENT) {
            hf_conn_fail(conn, &error);
            return;
        }
        hf_dial_next(conn);
    }
    if (conn->dial.phase == HF_PHASE_LOGIN && hf_conn_flush(conn)) {
        hf_conn_read(conn);
    }
}
