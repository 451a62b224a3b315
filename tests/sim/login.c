#include "backend.h"

#include <stdio.h>
#include <string.h>

#include "chaos.h"
#include "check.h"
#include "ledger.h"
#include "port.h"
#include "table.h"

/* From the first byte to ReadyForQuery (PostgreSQL docs 55.2.1, 55.2.9, 55.2.10, 55.3). */

enum { SSL_REQUEST = 80877103, CANCEL_REQUEST = 80877102, ROUNDS = 4096 };

/* --- a cancel --------------------------------------------------------------------------------------- */

/* The postmaster has passed it on; then the link ends. */
static void pass_on(void *who, uint32_t life) {
    sim_backend *self = who;
    if (!self->used || self->life != life)
        return;
    sim_link *link = self->link;
    for (unsigned i = 0; i < sim_backends_top; i++) {
        sim_backend *backend = &sim_backends[i];
        if (backend->used && backend->node == self->node && backend->pid == self->pid &&
            backend->key == self->key && backend != self)
            sim_backend_interrupt(backend, link->client_gone || link->pipe[SIM_WAY_DOWN].rst ||
                                               link->pipe[SIM_WAY_DOWN].fin);
    }
    self->used = false;
    self->life++;
    link->backend = NULL;
    sim_link_fin(link, true);
}

static void cancel(sim_backend *self, const uint8_t *at) {
    self->pid = sim_get32(at);
    self->key = sim_get32(at + 4);
    self->phase = SIM_PHASE_DEAF;
    uint32_t ms =
        sim_strikes(SIM_PG_LATE) ? sim_scaled(&sim.rng, 100, 20000) : sim_below(&sim.rng, 5);
    sim_plan_in(ms, pass_on, self, self->life);
}

/* --- in ---------------------------------------------------------------------------------------------- */

static void parameter(sim_backend *backend, const char *name, const char *value) {
    sim_out_begin(&backend->out, 'S');
    sim_out_text(&backend->out, name);
    sim_out_text(&backend->out, value);
    sim_out_end(&backend->out);
}

static void authentication(sim_backend *backend, uint32_t kind, const char *data, size_t n) {
    sim_out_begin(&backend->out, 'R');
    sim_out32(&backend->out, kind);
    sim_out_bytes(&backend->out, data, n);
    sim_out_end(&backend->out);
}

static void let_in(sim_backend *backend) {
    authentication(backend, 0, NULL, 0);
    parameter(backend, "server_version", sim_access_now.old ? "13.22" : "15.14");
    if (sim_access_now.tells_role) {
        backend->on_standby = !sim_node_is_primary(backend->node);
        parameter(backend, "in_hot_standby", backend->on_standby ? "on" : "off");
        parameter(backend, "default_transaction_read_only", backend->read_only ? "on" : "off");
    }
    parameter(backend, "client_encoding", "UTF8");
    sim_say_async(backend);
    sim_out_begin(&backend->out, 'K');
    sim_out32(&backend->out, backend->pid);
    sim_out32(&backend->out, backend->key);
    sim_out_end(&backend->out);
    sim_out_begin(&backend->out, 'Z');
    sim_out8(&backend->out, 'I');
    sim_out_end(&backend->out);
    if (sim_strikes(SIM_PG_FOREIGN) && !sim_has_ledger()) /* no ledger knows of another database */
        backend->cluster = SIM_FOREIGN;
    sim_tell(backend, SIM_TOLD_IN);
    sim_backend_flush(backend);
    backend->phase = SIM_PHASE_RUN;
    if (sim_strikes(SIM_PG_DIES_YOUNG))
        sim_backend_end(backend, sim_chance(&sim.rng, 500));
}

static void refuse_as(sim_backend *backend, const char *sqlstate, const char *text, bool for_good) {
    sim_say_error(backend, 'F', sqlstate, text);
    if (for_good)
        sim_tell(backend, SIM_TOLD_REFUSED);
    sim_backend_flush(backend);
    sim_link *link = backend->link;
    backend->used = false;
    backend->life++;
    link->backend = NULL;
    sim_link_fin(link, true);
}

static void refuse(sim_backend *backend, const char *sqlstate, const char *text) {
    refuse_as(backend, sqlstate, text, strcmp(sqlstate, "3D000") == 0);
}

static unsigned sessions_on(unsigned node) {
    unsigned n = 0;
    for (unsigned i = 0; i < sim_backends_top; i++)
        n += sim_backends[i].used && sim_backends[i].node == node && sim_backends[i].taken;
    return n;
}

static void start_up(sim_backend *backend, const uint8_t *at, size_t n) {
    const sim_node *node = &sim_nodes[backend->node];
    sim_body body = { .at = at, .end = at + n };
    bool plain = true, modern = false, encoding = false;

    while (!body.bad && body.at < body.end && *body.at) {
        const char *name = sim_read_text(&body), *value = sim_read_text(&body);
        plain = plain && strncmp(name, "tcp_", 4) != 0;
        modern = modern || strncmp(name, "client_connection", 17) == 0;
        encoding = encoding || (strcmp(name, "client_encoding") == 0 && strcmp(value, "UTF8") == 0);
        if (strcmp(name, "default_transaction_read_only") == 0 && strcmp(value, "on") == 0)
            backend->read_only = true;
    }
    SIM_CHECK(encoding || backend->link->tainted, "a session speaks UTF-8", "link #",
              backend->link->number, 0, 0);
    if (body.bad) {
        refuse(backend, "08P01", "invalid startup packet layout");
    } else if (node->state == SIM_NODE_STARTING || sim_strikes(SIM_PG_STARTING)) {
        sim_hit(SIM_PG_STARTING);
        refuse(backend, "57P03", "the database system is starting up");
    } else if (sim_access_now.pooler && (!plain || backend->read_only)) {
        sim_hit(SIM_PG_POOLER);
        refuse(backend, "08P01",
               plain ? "unsupported startup parameter: default_transaction_read_only"
                     : "unsupported startup parameter: tcp_keepalives_idle");
    } else if (sim_access_now.old && modern) {
        refuse(backend, "42704",
               "unrecognized configuration parameter \"client_connection_check_interval\"");
    } else if (sessions_on(backend->node) >= node->slots || sim_strikes(SIM_PG_SLOTS)) {
        sim_hit(SIM_PG_SLOTS);
        refuse(backend, "53300", "sorry, too many clients already");
    } else if (sim_access_now.wrong_database) {
        sim_hit(SIM_PG_DATABASE);
        refuse(backend, "3D000", "database \"app\" does not exist");
    } else if (sim_access_now.scram) {
        backend->taken = true;
        backend->phase = SIM_PHASE_SASL;
        backend->liar = true;
        if (sim_strikes(SIM_PG_EARLY_OK)) {
            let_in(backend);
            return;
        }
        if (sim_strikes(SIM_PG_CLEARTEXT)) {
            authentication(backend, 3, NULL, 0);
            sim_backend_flush(backend);
            return;
        }
        const bool plus = backend->tls;
        static const char both[] = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";
        const size_t skip = plus ? 0 : sizeof "SCRAM-SHA-256-PLUS";
        authentication(backend, 10, both + skip, sizeof both - skip);
        sim_backend_flush(backend);
    } else {
        backend->taken = true;
        let_in(backend);
    }
}

/* --- SCRAM (RFC 5802) with the stand-in hash ----------------------------------------------------------- */

static const char salt64[] = "c2FsdHNhbHRzYWx0c2FsdA=="; /* "saltsaltsaltsalt" */
static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void hmac(const void *key, size_t key_bytes, const void *text, size_t bytes,
                 uint8_t out[32]) {
    uint8_t pad[64], inner[32];
    hf_sha256 hash;
    memset(pad, 0x36, sizeof pad);
    for (size_t i = 0; i < key_bytes && i < sizeof pad; i++)
        pad[i] ^= ((const uint8_t *)key)[i];
    sim_hash.start(&hash);
    sim_hash.update(&hash, pad, sizeof pad);
    sim_hash.update(&hash, text, bytes);
    sim_hash.finish(&hash, inner);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    sim_hash.start(&hash);
    sim_hash.update(&hash, pad, sizeof pad);
    sim_hash.update(&hash, inner, sizeof inner);
    sim_hash.finish(&hash, out);
}

/* SaltedPassword (RFC 5802) of the only password, the same for every seed. */
static const uint8_t *salted_password(void) {
    static uint8_t sum[32];
    static bool done;
    if (done)
        return sum;
    uint8_t u[32];
    hmac("secret", 6, "saltsaltsaltsalt\0\0\0\1", 20, u);
    memcpy(sum, u, sizeof sum);
    for (unsigned i = 1; i < ROUNDS; i++) {
        hmac("secret", 6, u, sizeof u, u);
        for (unsigned j = 0; j < sizeof sum; j++)
            sum[j] ^= u[j];
    }
    done = true;
    return sum;
}

static void base64(const uint8_t *in, size_t n, char *out) {
    for (; n > 0; in += 3, n = n > 3 ? n - 3 : 0) {
        uint32_t bits = (uint32_t)in[0] << 16 | (n > 1 ? (uint32_t)in[1] << 8 : 0) |
                        (n > 2 ? (uint32_t)in[2] : 0);
        *out++ = letters[bits >> 18];
        *out++ = letters[bits >> 12 & 63];
        *out++ = n > 1 ? letters[bits >> 6 & 63] : '=';
        *out++ = n > 2 ? letters[bits & 63] : '=';
    }
    *out = 0;
}

static void server_first(sim_backend *backend, char *out, size_t size) {
    snprintf(out, size, "r=%s,s=%s,i=%d", backend->nonce, salt64, ROUNDS);
}

static void first_message(sim_backend *backend, const uint8_t *at, size_t n) {
    char text[256], message[192];
    sim_body body = { .at = at, .end = at + n };
    sim_read_text(&body);
    sim_read32(&body);
    snprintf(text, sizeof text, "%.*s", (int)(body.end - body.at), (const char *)body.at);
    const char *bare = strstr(text, "n=,r=");
    if (body.bad || !bare || strlen(bare) > 80) {
        refuse(backend, "08P01", "malformed SCRAM message");
        return;
    }
    snprintf(backend->first_bare, sizeof backend->first_bare, "%s", bare);
    snprintf(backend->nonce, sizeof backend->nonce, "%.40sSERVER%u", bare + 5, backend->pid);
    server_first(backend, message, sizeof message);
    authentication(backend, 11, message, strlen(message));
    sim_backend_flush(backend);
    backend->phase = SIM_PHASE_PROOF;
}

/* Is the proof bound to this very TLS link? */
static void check_binding(const sim_backend *backend, const char *text) {
    uint8_t bound[24 + 32];
    char expected[80] = "c=biws,"; /* "n,," */
    if (backend->tls) {
        memcpy(bound, "p=tls-server-end-point,,", 24);
        memset(bound + 24, 0x5a, 32);
        base64(bound, sizeof bound, expected + 2);
    }
    SIM_CHECK(backend->link->tainted || strncmp(text, expected, strlen(expected)) == 0,
              "a login is bound to its link", "link #", backend->link->number, 0, 0);
}

typedef struct words {
    char sqlstate[6];
    const char *text;
} words;

/* The proof is wrong. A pooler has its own words for that, whichever. */
static void refuse_password(sim_backend *backend) {
    static const words told[] = { { "28P01", "password authentication failed for user \"app\"" },
                                  { "08P01", "SASL authentication failed" },
                                  { "XX000", "SCRAM authentication failed" },
                                  { "08P01", "server rejected the client" },
                                  { "XX000", "unable to read message" } };
    const words *is = &told[sim_chance(&sim.rng, 400) ? 0 : sim_between(&sim.rng, 1, 4)];
    sim_hit(is == told ? SIM_PG_PASSWORD : SIM_PG_PASSWORD_POOLER);
    refuse_as(backend, is->sqlstate, is->text, true);
}

/* The proof is not the reason: there is no server behind the pooler, or no room. judged: it was found right. */
static void refuse_busy(sim_backend *backend, bool judged) {
    static const words unjudged[] = { { "53300", "too many connections" },
                                      { "57P03", "the database system is starting up" },
                                      { "58000", "failed to create a backend connection" } };
    static const words right[] = { { "08P01", "query_wait_timeout" },
                                   { "08P01", "server login has been failing" },
                                   { "XX000", "unable to connect to a backend" },
                                   { "58000", "all backend nodes are down" } };
    const words *is = judged ? &right[sim_below(&sim.rng, 4)] : &unjudged[sim_below(&sim.rng, 3)];
    refuse(backend, is->sqlstate, is->text);
}

static void proof(sim_backend *backend, const uint8_t *at, size_t n) {
    char text[400], first[192], whole[700], expected[64], final[64];
    uint8_t key[32], stored[32], signature[32];
    hf_sha256 hash;
    snprintf(text, sizeof text, "%.*s", (int)n, (const char *)at);
    char *claim = strstr(text, ",p=");
    check_binding(backend, text);
    server_first(backend, first, sizeof first);
    if (!claim || !strstr(text, backend->nonce)) {
        refuse(backend, "08P01", "malformed SCRAM message");
        return;
    }
    *claim = 0;
    snprintf(whole, sizeof whole, "%s,%s,%s", backend->first_bare, first, text);
    hmac(salted_password(), 32, "Client Key", 10, key);
    sim_hash.start(&hash);
    sim_hash.update(&hash, key, sizeof key);
    sim_hash.finish(&hash, stored);
    hmac(stored, sizeof stored, whole, strlen(whole), signature);
    for (unsigned i = 0; i < sizeof key; i++)
        key[i] ^= signature[i];
    base64(key, sizeof key, expected);
    if (strcmp(claim + 3, expected) != 0 || sim_access_now.wrong_password) {
        refuse_password(backend);
        return;
    }
    if (sim_strikes(SIM_PG_LOGIN_BUSY)) {
        refuse_busy(backend, false);
        return;
    }
    hmac(salted_password(), 32, "Server Key", 10, key);
    hmac(key, sizeof key, whole, strlen(whole), signature);
    if (sim_strikes(SIM_PG_EARLY_OK)) { /* and no signature at all */
        let_in(backend);
        return;
    }
    if (sim_strikes(SIM_PG_SIGNATURE))
        signature[sim_below(&sim.rng, sizeof signature)] ^= 1;
    else
        backend->liar = false;
    memcpy(final, "v=", 2);
    base64(signature, sizeof signature, final + 2);
    authentication(backend, 12, final, strlen(final));
    if (!backend->liar)
        sim_tell(backend, SIM_TOLD_PROVEN);
    if (sim_strikes(SIM_PG_LOGIN_DOWN))
        refuse_busy(backend, true);
    else
        let_in(backend);
}

/* --- messages ---------------------------------------------------------------------------------------- */

static void answer_tls(sim_backend *backend) {
    sim_link *link = backend->link;
    if (sim_strikes(SIM_TLS_REFUSED)) {
        sim_out8(&backend->out, 'N');
    } else {
        sim_out8(&backend->out, 'S');
        if (sim_strikes(SIM_TLS_INJECTED))
            sim_out_text(&backend->out, "injected");
        backend->phase = SIM_PHASE_HELLO;
    }
    sim_backend_flush(backend);
    if (sim_strikes(SIM_TLS_CUT)) {
        backend->used = false;
        backend->life++;
        link->backend = NULL;
        sim_link_rst(link);
    }
}

static size_t typeless(sim_backend *backend, const uint8_t *at, size_t n) {
    if (n < 4)
        return 0;
    const uint32_t length = sim_get32(at);
    if (length < 8 || length > 10000) {
        refuse(backend, "08P01", "invalid length of startup packet");
        return 0;
    }
    if (n < length)
        return 0;
    const uint32_t code = sim_get32(at + 4);
    if (code == SSL_REQUEST && !backend->tls)
        answer_tls(backend);
    else if (code == CANCEL_REQUEST && length == 16)
        cancel(backend, at + 8);
    else if (code == 3 << 16)
        start_up(backend, at + 8, length - 8);
    else
        refuse(backend, "0A000", "unsupported frontend protocol");
    return length;
}

size_t sim_login(sim_backend *backend, const uint8_t *at, size_t n) {
    if (backend->phase == SIM_PHASE_FIRST)
        return typeless(backend, at, n);
    if (backend->phase == SIM_PHASE_HELLO) {
        if (*at != 0x16) {
            sim_backend_end(backend, true);
            return 0;
        }
        backend->tls = true;
        backend->phase = SIM_PHASE_FIRST;
        sim_out_bytes(&backend->out, "\x16\x03\x01", 3);
        sim_backend_flush(backend);
        return 1;
    }
    if (n < 5 || n < 1 + (size_t)sim_get32(at + 1))
        return 0;
    const uint32_t length = sim_get32(at + 1);
    if (at[0] != 'p' || length < 4)
        refuse(backend, "08P01", "expected SASL response");
    else if (backend->phase == SIM_PHASE_SASL)
        first_message(backend, at + 5, length - 4);
    else
        proof(backend, at + 5, length - 4);
    return 1 + (size_t)length;
}
