/* SSLRequest: PostgreSQL docs 55.2.10. Direct TLS: 55.2.11. */
#include "link.h"

#include <string.h>

#include "base/text.h"

bool hf_link_wants_tls(const hf_conn *conn) {
    return hf_host_wants_tls(conn->pool->config, hf_conn_host(conn));
}

void hf_link_drop(hf_dial *dial) {
    if (dial->link) {
        dial->link->api->abort(dial->link);
    }
    *dial = (hf_dial){ 0 };
}

int hf_link_open(hf_conn *conn, hf_dial *dial) {
    hf_port *port = conn->pool->port;
    int err = HF_ERR_RESOURCES;
    *dial = (hf_dial){ .phase = HF_PHASE_TCP };
    dial->link = port->api->open(port, &conn->addresses[conn->address], hf_conn_host(conn)->name,
                                 conn->index, &err);
    return dial->link ? HF_OK : err;
}

int hf_link_send(hf_dial *dial, const uint8_t *bytes, size_t size) {
    while (dial->sent < size) {
        int n = dial->link->api->write(dial->link, bytes + dial->sent, size - dial->sent);
        if (n <= 0) {
            return n;
        }
#if HF_WITH_VERSIONS
        dial->sent = (uint16_t)(dial->sent + n);
#else
        dial->sent = (uint8_t)(dial->sent + n);
#endif
    }
    dial->sent = 0;
    return 1;
}

/* Sends SSLRequest, reads its one byte of answer, starts TLS on the link. 1: the handshake may go on; 0: not yet; < 0:
 * an hf_err. */
static int ask_for_tls(hf_conn *conn, hf_dial *dial) {
    const hf_driver *driver = conn->pool->config->driver;
    uint8_t bytes[16];
    if (dial->step == HF_STEP_TLS_REQUEST) {
        bool direct = conn->pool->config->sslnegotiation == HF_SSLNEGOTIATION_DIRECT;
        size_t size = direct ? 0 : driver->tls_request(bytes);
        int n = size > 0 ? hf_link_send(dial, bytes, size) : 1;
        if (n <= 0) {
            return n;
        }
        dial->step = size > 0 ? HF_STEP_TLS_ANSWER : HF_STEP_TLS_HANDSHAKE;
    }
    if (dial->step == HF_STEP_TLS_ANSWER) { /* no more than one byte: what follows is an attack */
        int n = dial->link->api->read(dial->link, bytes, 1);
        if (n <= 0) {
            return n;
        }
        int answer = driver->tls_answer(bytes[0]);
        if (answer != HF_OK) {
            return answer;
        }
        dial->step = HF_STEP_TLS_HANDSHAKE;
    }
    int err = HF_ERR_TLS;
    bool direct = conn->pool->config->sslnegotiation == HF_SSLNEGOTIATION_DIRECT;
    hf_port *port = conn->pool->port;
    hf_link *tls = port->api->start_tls(port, dial->link, hf_conn_host(conn)->name,
                                        direct ? driver->alpn : NULL, &err);
    if (!tls) {
        return err;
    }
    dial->link = tls;
    dial->phase = HF_PHASE_TLS;
    dial->step = HF_STEP_TLS_HANDSHAKE + 1;
    return 1;
}

int hf_link_advance(hf_conn *conn, hf_dial *dial) {
    for (;;) {
        bool more = false;
        int r;
        if (dial->phase == HF_PHASE_TLS && dial->step <= HF_STEP_TLS_HANDSHAKE) {
            r = ask_for_tls(conn, dial);
            if (r > 0) {
                continue;
            }
        } else {
            r = dial->link->api->ready(dial->link, &more);
            if (r > 0 && dial->phase == HF_PHASE_TCP && hf_link_wants_tls(conn)) {
                dial->phase = HF_PHASE_TLS;
                dial->step = HF_STEP_TLS_REQUEST;
                continue;
            }
            if (r > 0) {
                return 1;
            }
        }
        if (r < 0 || !more) {
            return r;
        }
        if (hf_conn_over_budget(conn)) {
            return 0;
        }
    }
}

void hf_link_close_advance(hf_conn *conn) {
    if (conn->closing->api->close(conn->closing) != 0) {
        conn->closing = NULL;
        conn->closing_deadline = HF_NEVER;
    }
}

void hf_link_close_now(hf_conn *conn) {
    if (conn->closing) {
        conn->closing->api->abort(conn->closing);
    }
    conn->closing = NULL;
    conn->closing_deadline = HF_NEVER;
}

void hf_link_close(hf_conn *conn, hf_link *link, uint32_t timeout_ms) {
    if (timeout_ms == 0) {
        link->api->abort(link);
        return;
    }
    hf_link_close_now(conn);
    conn->closing = link;
    conn->closing_deadline = conn->pool->now + timeout_ms;
    hf_link_close_advance(conn);
}

/* Message: `db.example: connection reset`, or what the server had announced before it went. */
static void link_error_words(const hf_conn *conn, hf_error *error, const char *why) {
    char words[HF_MESSAGE_BYTES];
    hf_writer out = hf_writer_on(words, sizeof words);
    hf_write_text(&out, hf_conn_host(conn)->name);
    if (error->sqlstate[0]) {
        hf_write_text(&out, ": the server had announced ");
        hf_write_text(&out, error->sqlstate);
        hf_write_text(&out, memcmp(error->sqlstate, "57P01", 5) == 0 ? ", shutting down"
                                                                     : ", after a crash");
    } else if (why) {
        hf_write_text(&out, ": ");
        hf_write_text(&out, why);
    } else if (error->code == HF_ERR_TLS_REFUSED) {
        hf_write_text(&out, "; sslmode=disable goes without");
    }
    hf_error_message(error, words, strlen(words));
}

void hf_link_error(const hf_conn *conn, hf_error *error, int code) {
    hf_link *link = conn->dial.link;
    int32_t system = 0;
    const char *why = link ? link->api->why(link, &system) : NULL;
    hf_error_set(error, (hf_err)code, (hf_phase)conn->dial.phase, HF_WITH_MESSAGES ? NULL : why);
    error->system = system;
    if (code == HF_ERR_EOF || code == HF_ERR_RESET || code == HF_ERR_TLS_TRUNCATED) {
        /* The server may have said why before the stream ended. */
        memcpy(error->sqlstate, conn->shutdown_sqlstate, sizeof error->sqlstate);
    }
    if (HF_WITH_MESSAGES) {
        link_error_words(conn, error, why);
    }
}

HF_COLD hf_turn hf_link_lost(hf_conn *conn, int code) {
    hf_link_error(conn, &conn->io.error, code);
#if HF_WITH_VERSIONS
    const hf_driver *driver = conn->pool->config->driver;
    const bool ended = code == HF_ERR_EOF || code == HF_ERR_RESET || code == HF_ERR_TLS_TRUNCATED;
    if (ended && conn->dial.phase == HF_PHASE_LOGIN && driver->hung_up &&
        driver->hung_up(&conn->session, &conn->io)) {
        return HF_TURN_REDIAL;
    }
#endif
    return HF_TURN_LOST;
}
