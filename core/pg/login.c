#include "scram.h"
#include "session.h"

#include "text.h"

/* From the start-up message to the first ReadyForQuery (PostgreSQL docs 55.2.1, 55.3).
 *
 * Who the server is counts before who we are: no secret leaves in a form that require_auth does not allow,
 * and AuthenticationOk is believed only when what require_auth demands has in fact been done (SECURITY 4).
 * io->store is the login's scratch, and is wiped at its end, good or bad.
 */

/* What an orphaned session is to be dropped by (SEMANTICS 20), and other start-up parameters. Which of them an
 * endpoint understands is found out by asking: io->degraded counts the refusals. */
enum {
    DEGRADED_NONE,     /* all of them */
    DEGRADED_OLD,      /* a server before PostgreSQL 14: no client_connection_check_interval */
    DEGRADED_POOLER,   /* only what every pooler knows */
    PROTOCOL = 3 << 16 /* 3.0: nothing of 3.2 is needed, and not all poolers know it */
};

static const struct {
    char name[36], value[8];
    uint8_t until; /* sent while io->degraded is below */
    bool read_only;
} parameters[] = {
    { "client_encoding", "UTF8", UINT8_MAX, false },
    { "default_transaction_read_only", "on", DEGRADED_POOLER, true },
    { "tcp_keepalives_idle", "30", DEGRADED_POOLER, false },     /* s */
    { "tcp_keepalives_interval", "10", DEGRADED_POOLER, false }, /* s */
    { "tcp_keepalives_count", "3", DEGRADED_POOLER, false },
    { "tcp_user_timeout", "60000", DEGRADED_POOLER, false },              /* ms */
    { "client_connection_check_interval", "10000", DEGRADED_OLD, false }, /* ms */
};

static const char *password_of(const hf_config *config) {
    return config->password && config->password[0] ? config->password : NULL;
}

static unsigned allowed(const hf_config *config) {
    if (config->require_auth != 0) {
        return config->require_auth;
    }
    return password_of(config) ? HF_AUTH_SCRAM : HF_AUTH_NONE;
}

static hf_news refuse(hf_io *io, hf_err code, const char *why) {
    hf_error_set(&io->error, code, HF_PHASE_LOGIN, HF_WITH_WORDS ? why : NULL);
    return HF_NEWS_BROKEN;
}

/* --- the start-up message -------------------------------------------------------------------------- */

/* Writes at *at if at is not NULL; returns the bytes of a parameter. */
static size_t put_parameter(uint8_t **at, const char *name, const char *value) {
    size_t name_bytes = strlen(name) + 1, value_bytes = strlen(value) + 1;

    if (at) {
        *at = hf_pg_put(hf_pg_put(*at, name, name_bytes), value, value_bytes);
    }
    return name_bytes + value_bytes;
}

static size_t put_parameters(uint8_t **at, const hf_io *io) {
    const hf_config *config = io->config;
    size_t bytes = put_parameter(at, "user", config->user ? config->user : "");

    if (config->database && config->database[0]) {
        bytes += put_parameter(at, "database", config->database);
    }
    if (config->application_name && config->application_name[0]) {
        bytes += put_parameter(at, "application_name", config->application_name);
    }
    if (config->options && config->options[0]) {
        bytes += put_parameter(at, "options", config->options);
    }
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        if (io->degraded < parameters[i].until && (!parameters[i].read_only || config->read_only)) {
            bytes += put_parameter(at, parameters[i].name, parameters[i].value);
        }
    }
    return bytes;
}

int hf_pg_start(hf_session *opaque, hf_io *io) {
    hf_pg_session *session = hf_pg_of(opaque);
    hf_buffer *tx = &io->tx;

    memset(session, 0, sizeof *session);
    memset(io->store, 0, sizeof(hf_pg_scram));
    io->backend = 0;
    session->mode = HF_PG_AUTH;
    session->unusual = true;
    session->wrap = io->config->read_only && io->degraded >= DEGRADED_POOLER;

    if (HF_STATEMENTS > 0 && !hf_pg_cache_start(session, io->port)) {
        hf_error_set(&io->error, HF_ERR_RESOURCES, HF_PHASE_LOGIN,
                     "the port has no random numbers");
        return HF_ERR_RESOURCES;
    }

    size_t bytes = 4 + 4 + put_parameters(NULL, io) + 1;
    if (bytes > tx->size - tx->end) {
        hf_pg_say(io, HF_ERR_TOO_LARGE, HF_PHASE_LOGIN,
                  "the start-up message takes %u bytes, the transmit buffer (tx_bytes) has %u",
                  bytes, tx->size);
        return HF_ERR_TOO_LARGE;
    }
    uint8_t *at = tx->data + tx->end;
    at = hf_pg_put32(at, (uint32_t)bytes);
    at = hf_pg_put32(at, PROTOCOL);
    put_parameters(&at, io);
    *at = 0;
    tx->end += (uint32_t)bytes;
    io->tx_total += bytes;
    return HF_OK;
}

/* Does text name word? */
static bool names(const hf_value *text, const char *word) {
    size_t bytes = strlen(word);

    for (size_t i = 0; i + bytes <= text->bytes; i++) {
        if (memcmp(text->data + i, word, bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* The endpoint refused the login: because of a start-up parameter that it can do without? Then the next
 * attempt sends fewer. */
static bool degrade(hf_io *io) {
    static const char codes[][6] = { "42704", "22023", "0A000", "08P01" };
    hf_value message = { 0 };
    bool listed = false, ours = false;

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        listed = listed || strcmp(io->error.sqlstate, codes[i]) == 0;
    }
    if (!listed || io->degraded >= DEGRADED_POOLER) {
        return false;
    }
    hf_pg_field(&io->fields, HF_FIELD_MESSAGE, &message);
    for (size_t i = 1; i < sizeof parameters / sizeof parameters[0]; i++) {
        if (names(&message, parameters[i].name) && io->degraded < parameters[i].until) {
            io->degraded = parameters[i].until;
            return true;
        }
        ours = ours || names(&message, parameters[i].name);
    }
    if (!ours && names(&message, "startup parameter")) { /* pgbouncer names its own first */
        io->degraded++;
        return true;
    }
    return false;
}

/* --- proving who we are ---------------------------------------------------------------------------- */

static bool append_password(hf_pg_session *session, hf_io *io, const char *text, size_t bytes) {
    uint8_t header[5] = { 'p' };

    hf_pg_put32(header + 1, (uint32_t)(4 + bytes));
    session->mode = HF_PG_PROVEN;
    return bytes < io->tx.size && hf_pg_append(io, header, sizeof header) &&
           hf_pg_append(io, text, bytes);
}

static hf_news no_room(hf_io *io) {
    return refuse(io, HF_ERR_TOO_LARGE,
                  "a login message does not fit the transmit buffer (tx_bytes)");
}

static hf_news unbound(hf_io *io) {
    return refuse(io, HF_ERR_AUTH_METHOD,
                  "channel_binding=require, and the server asks for something that has none");
}

/* A Unix socket cannot be listened in on. */
static bool is_local(const hf_config *config) {
    for (unsigned i = 0; i < config->n_hosts; i++) {
        if (!config->hosts[i].name || config->hosts[i].name[0] != '/') {
            return false;
        }
    }
    return config->n_hosts > 0;
}

static hf_news answer_cleartext(hf_pg_session *session, hf_io *io) {
    const hf_config *config = io->config;
    const char *password = password_of(config);

    if (config->channel_binding == HF_BINDING_REQUIRE) {
        return unbound(io);
    }
    if (!(allowed(config) & HF_AUTH_PASSWORD)) {
        return refuse(io, HF_ERR_AUTH_METHOD,
                      "it wants the password in clear text; require_auth does not list password");
    }
    if (!io->encrypted && !is_local(config) && config->require_auth != HF_AUTH_PASSWORD) {
        return refuse(io, HF_ERR_AUTH_METHOD,
                      "it wants the password in clear text on a link without TLS; that takes "
                      "require_auth=password and nothing else");
    }
    if (!password) {
        return refuse(io, HF_ERR_AUTH_PASSWORD, NULL);
    }
    return append_password(session, io, password, strlen(password) + 1) ? HF_NEWS_MORE
                                                                        : no_room(io);
}

static size_t put_hex(uint8_t *out, const uint8_t *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        out[2 * i] = (uint8_t) "0123456789abcdef"[from[i] >> 4];
        out[2 * i + 1] = (uint8_t) "0123456789abcdef"[from[i] & 15];
    }
    return 2 * bytes;
}

/* "md5" and md5(hex(md5(password user)) salt) in hex. */
static hf_news answer_md5(hf_pg_session *session, hf_io *io, const uint8_t salt[4]) {
    const hf_config *config = io->config;
    const hf_hash *hash = io->port->api->hash;
    const char *password = password_of(config), *user = config->user ? config->user : "";
    uint8_t *scratch = io->store, digest[16], text[36] = "md5";

    if (config->channel_binding == HF_BINDING_REQUIRE) {
        return unbound(io);
    }
    if (!(allowed(config) & HF_AUTH_MD5)) {
        return refuse(io, HF_ERR_AUTH_METHOD,
                      "it wants an MD5 password; require_auth does not list md5");
    }
    if (!password) {
        return refuse(io, HF_ERR_AUTH_PASSWORD, NULL);
    }
    if (!hash || !hash->md5) {
        return refuse(io, HF_ERR_AUTH_METHOD, "it wants an MD5 password; this port has no MD5");
    }
    size_t password_bytes = strlen(password), user_bytes = strlen(user);
    if (password_bytes > HF_STATEMENT_BYTES || user_bytes > HF_STATEMENT_BYTES - password_bytes) {
        return refuse(io, HF_ERR_TOO_LARGE, "user and password are too long for MD5");
    }
    memcpy(scratch, password, password_bytes);
    memcpy(scratch + password_bytes, user, user_bytes);
    int err = hash->md5(scratch, password_bytes + user_bytes, digest);
    hf_wipe(scratch, password_bytes + user_bytes);
    memcpy(scratch + put_hex(scratch, digest, sizeof digest), salt, 4);
    err |= hash->md5(scratch, 32 + 4, digest);
    put_hex(text + 3, digest, sizeof digest);
    hf_wipe(scratch, 32 + 4);
    if (err) {
        return refuse(io, HF_ERR_RESOURCES, "the port's MD5 failed");
    }
    bool done = append_password(session, io, (const char *)text, 35 + 1);
    hf_wipe(text, sizeof text);
    hf_wipe(digest, sizeof digest);
    return done ? HF_NEWS_MORE : no_room(io);
}

/* --- SCRAM ----------------------------------------------------------------------------------------- */

static hf_pg_scram *scram_of(hf_io *io) {
    return (hf_pg_scram *)(void *)io->store; /* aligned as the pool's memory is */
}

static size_t binding_of(const hf_io *io, uint8_t out[HF_BINDING_BYTES]) {
    return io->encrypted && io->link && io->link->api->binding
               ? io->link->api->binding(io->link, out)
               : 0;
}

/* Which mechanism? 0 none that will do. */
static hf_pg_gs2 choose(hf_io *io, bool offers_plain, bool offers_plus) {
    uint8_t binding[HF_BINDING_BYTES];
    const uint8_t wanted = io->config->channel_binding;
    const bool able = wanted != HF_BINDING_DISABLE && binding_of(io, binding) > 0;

    if (able && offers_plus) {
        return HF_PG_GS2_BOUND;
    }
    if (wanted == HF_BINDING_REQUIRE || !offers_plain) {
        return (hf_pg_gs2)0;
    }
    return able ? HF_PG_GS2_UNUSED : HF_PG_GS2_NO;
}

static hf_news answer_sasl(hf_pg_session *session, hf_io *io, hf_pg_body *body) {
    const hf_config *config = io->config;
    hf_pg_scram *scram = scram_of(io);
    uint8_t random[HF_PG_NONCE_BYTES];
    char nonce[HF_PG_NONCE_BYTES * 4 / 3 + 1];
    bool plain = false, plus = false;

    for (const char *name = hf_pg_read_text(body); name && name[0]; name = hf_pg_read_text(body)) {
        plain = plain || strcmp(name, "SCRAM-SHA-256") == 0;
        plus = plus || strcmp(name, "SCRAM-SHA-256-PLUS") == 0;
    }
    if (!hf_pg_read_whole(body)) {
        return hf_pg_broken(io, HF_PHASE_LOGIN, "a malformed list of SASL mechanisms", 0, 0);
    }
    if (!(allowed(config) & HF_AUTH_SCRAM)) {
        return refuse(io, HF_ERR_AUTH_METHOD,
                      "it wants SASL; require_auth does not list scram-sha-256");
    }
    hf_pg_gs2 gs2 = choose(io, plain, plus);
    if (!gs2) {
        return refuse(
            io, HF_ERR_AUTH_METHOD,
            plain ? "channel_binding=require, but it cannot be had: it takes TLS and a server "
                    "that offers SCRAM-SHA-256-PLUS"
                  : "it offers no SASL mechanism that holdfast knows (SCRAM-SHA-256)");
    }
    if (!password_of(config)) {
        return refuse(io, HF_ERR_AUTH_PASSWORD, NULL);
    }
    if (!io->port->api->hash || io->port->api->random(io->port, random, sizeof random) != 0) {
        return refuse(io, HF_ERR_RESOURCES, "the port has no hash or no random numbers");
    }
    nonce[hf_pg_base64(random, sizeof random, nonce)] = 0;

    /* The user's name is the start-up message's, PostgreSQL ignores this one. */
    char first[HF_PG_BARE_BYTES + 32];
    const bool fits = hf_pg_scram_start(scram, gs2, "", nonce);
    const size_t bytes = fits ? hf_pg_scram_client_first(scram, first, sizeof first) : 0;
    const char *name = gs2 == HF_PG_GS2_BOUND ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256";
    const size_t name_bytes = strlen(name) + 1;
    uint8_t header[5] = { 'p' }, length[4];
    hf_pg_put32(header + 1, (uint32_t)(4 + name_bytes + sizeof length + bytes));
    hf_pg_put32(length, (uint32_t)bytes);
    session->mode = HF_PG_SASL;
    return bytes > 0 && hf_pg_append(io, header, sizeof header) &&
                   hf_pg_append(io, name, name_bytes) && hf_pg_append(io, length, sizeof length) &&
                   hf_pg_append(io, first, bytes)
               ? HF_NEWS_MORE
               : no_room(io);
}

static hf_news answer_sasl_first(hf_pg_session *session, hf_io *io, const hf_pg_body *body) {
    const char *why = NULL;
    int err = hf_pg_scram_server_first(scram_of(io), io->port->api->hash, (const char *)body->at,
                                       (size_t)(body->end - body->at), password_of(io->config),
                                       io->config->scram_iterations_max, io->keys, &why);

    session->mode = HF_PG_HASHING;
    return err ? refuse(io, (hf_err)err, why) : HF_NEWS_MORE;
}

/* One slice of PBKDF2; after the last our proof. */
static hf_news derive(hf_pg_session *session, hf_io *io) {
    hf_pg_scram *scram = scram_of(io);
    const hf_hash *hash = io->port->api->hash;
    uint8_t binding[HF_BINDING_BYTES];
    char text[HF_PG_CLIENT_FINAL];
    int done = hf_pg_scram_derive(scram, hash);

    if (done == 0) {
        return HF_NEWS_SLICE;
    }
    int bytes = done < 0
                    ? done
                    : hf_pg_scram_client_final(scram, hash, binding, binding_of(io, binding), text);
    if (bytes < 0) {
        return refuse(io, (hf_err)bytes, "the port's SHA-256 failed");
    }
    bool sent = append_password(session, io, text, (size_t)bytes);
    session->mode = HF_PG_SASL_FINAL;
    return sent ? HF_NEWS_MORE : no_room(io);
}

static hf_news read_sasl_final(hf_pg_session *session, hf_io *io, const hf_pg_body *body) {
    hf_pg_scram *scram = scram_of(io);

    if (hf_pg_scram_server_final(scram, (const char *)body->at, (size_t)(body->end - body->at)) !=
        0) {
        return refuse(io, HF_ERR_AUTH_SERVER, "its SCRAM signature is wrong");
    }
    if (io->keys) {
        hf_pg_scram_keep(scram, io->keys);
    }
    session->mode = HF_PG_PROVEN;
    return HF_NEWS_MORE;
}

/* --- what the server says -------------------------------------------------------------------------- */

static hf_news accept_ok(hf_pg_session *session, hf_io *io) {
    const hf_config *config = io->config;
    const bool bound = scram_of(io)->gs2 == HF_PG_GS2_BOUND;

    if (session->mode == HF_PG_AUTH && !(allowed(config) & HF_AUTH_NONE)) {
        return refuse(io, HF_ERR_AUTH_METHOD,
                      "it lets anybody in without a password; require_auth does not list none");
    }
    if (session->mode != HF_PG_AUTH && session->mode != HF_PG_PROVEN) {
        return refuse(io, HF_ERR_AUTH_SERVER,
                      "it says OK before it has proved that it knows the password");
    }
    if (config->channel_binding == HF_BINDING_REQUIRE && !bound) {
        return unbound(io);
    }
    session->mode = HF_PG_SETUP;
    return HF_NEWS_MORE;
}

static hf_news read_authentication(hf_pg_session *session, hf_io *io,
                                   const hf_pg_message *message) {
    enum { OK = 0, CLEARTEXT = 3, MD5 = 5, SASL = 10, SASL_FIRST = 11, SASL_FINAL = 12 };
    hf_pg_body body = { .at = message->body, .end = message->body + message->bytes, .good = true };
    const uint32_t kind = hf_pg_read32(&body);
    const size_t left = (size_t)(body.end - body.at);
    const uint8_t mode = session->mode;

    if (body.good && kind == OK && left == 0) {
        return accept_ok(session, io);
    }
    if (body.good && kind == CLEARTEXT && left == 0 && mode == HF_PG_AUTH) {
        return answer_cleartext(session, io);
    }
    if (body.good && kind == MD5 && left == 4 && mode == HF_PG_AUTH) {
        return answer_md5(session, io, body.at);
    }
    if (kind == SASL && mode == HF_PG_AUTH) {
        return answer_sasl(session, io, &body);
    }
    if (kind == SASL_FIRST && mode == HF_PG_SASL) {
        return answer_sasl_first(session, io, &body);
    }
    if (kind == SASL_FINAL && mode == HF_PG_SASL_FINAL) {
        return read_sasl_final(session, io, &body);
    }
    if (kind != OK && kind != CLEARTEXT && kind != MD5 &&
        kind < SASL) { /* Kerberos, GSSAPI, SSPI */
        hf_pg_say(io, HF_ERR_AUTH_METHOD, HF_PHASE_LOGIN, "it wants authentication of kind %u",
                  kind, 0);
        return HF_NEWS_BROKEN;
    }
    return hf_pg_broken(io, HF_PHASE_LOGIN, "an authentication message of kind %u out of place",
                        kind, 0);
}

static hf_news read_key(hf_pg_session *session, hf_io *io, const hf_pg_message *message) {
    if (message->bytes != 8 || session->has_key) {
        return hf_pg_broken(io, HF_PHASE_LOGIN, "a malformed BackendKeyData of %u bytes",
                            message->bytes, 0);
    }
    session->pid = hf_pg_get32(message->body);
    session->key = hf_pg_get32(message->body + 4);
    session->has_key = true;
    io->backend = session->pid;
    return HF_NEWS_MORE;
}

static hf_news read_message(hf_pg_session *session, hf_io *io, const hf_pg_message *message) {
    const bool setup = session->mode == HF_PG_SETUP;

    switch (message->type) {
    case 'R':
        if (!setup) {
            return read_authentication(session, io, message);
        }
        break;
    case 'E':
        if (!hf_pg_read_error(io, message->body, message->bytes, message->cut, HF_ERR_SERVER,
                              HF_PHASE_LOGIN)) {
            return hf_pg_broken(io, HF_PHASE_LOGIN, "a malformed ErrorResponse", 0, 0);
        }
        if (strcmp(io->error.sqlstate, "28P01") == 0 && io->keys) {
            hf_wipe(io->keys, sizeof *io->keys); /* they opened nothing */
        }
        return degrade(io) ? HF_NEWS_AGAIN : HF_NEWS_FATAL;
    case 'v': return HF_NEWS_MORE; /* the server knows less than it was not even asked for */
    case 'N': return hf_pg_aside(io, HF_PHASE_LOGIN, message);
    case 'S':
        if (setup) {
            return hf_pg_aside(io, HF_PHASE_LOGIN, message);
        }
        break;
    case 'K':
        if (setup) {
            return read_key(session, io, message);
        }
        break;
    case 'Z':
        if (setup && message->bytes == 1 && message->body[0] == 'I') {
            session->mode = HF_PG_RUNNING;
            return HF_NEWS_UP;
        }
        break;
    }
    return hf_pg_broken(io, HF_PHASE_LOGIN, "a message of type %c out of place", message->type, 0);
}

/* Nothing of the login stays: neither scratch nor, in tx, a password that was sent. */
static void wipe(hf_io *io) {
    hf_wipe(io->store, sizeof(hf_pg_scram));
    if (io->tx.start == io->tx.end) {
        hf_wipe(io->tx.data, io->tx_total < io->tx.size ? (size_t)io->tx_total : io->tx.size);
    }
}

hf_news hf_pg_login(hf_pg_session *session, hf_io *io) {
    hf_pg_message message;
    hf_news news = HF_NEWS_MORE;

    while (news == HF_NEWS_MORE) {
        if (session->mode == HF_PG_HASHING) {
            news = derive(session, io);
            continue;
        }
        int got = hf_pg_receive(session, io, HF_PHASE_LOGIN, &message);
        if (got == 0) {
            return HF_NEWS_MORE;
        }
        news = got < 0 ? HF_NEWS_BROKEN : read_message(session, io, &message);
    }
    if (news != HF_NEWS_SLICE && news != HF_NEWS_NOTICE) {
        wipe(io);
    }
    return news;
}
