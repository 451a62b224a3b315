#include "login.h"

#include "cache.h"
#include "frame.h"
#include "scram.h"
#include "version.h"

#include "base/parameters.h"
#include "base/text.h"

/* No secret leaves in a form that require_auth does not allow, and AuthenticationOk is believed only if what
 * require_auth demands has in fact been done (SECURITY 4).
 */

/* The start-up parameters, each sent while io->degraded is below `until`: the first, always. */
static const struct {
    const char *name, *value;
    uint8_t until;
    bool if_read_only; /* sent only if the pool is read_only */
} parameters[] = {
    { "client_encoding", "UTF8", HF_PG_DEGRADED_POOLER + 1, false },
    { "default_transaction_read_only", "on", HF_PG_DEGRADED_POOLER, true },
    { "tcp_keepalives_idle", "30", HF_PG_DEGRADED_POOLER, false },     /* s */
    { "tcp_keepalives_interval", "10", HF_PG_DEGRADED_POOLER, false }, /* s */
    { "tcp_keepalives_count", "3", HF_PG_DEGRADED_POOLER, false },
    { "client_connection_check_interval", "10000", HF_PG_DEGRADED_OLD, false }, /* ms */
};
enum { N_PARAMETERS = sizeof parameters / sizeof parameters[0] };

static const char *end_of(const char *list) {
    while (*list) {
        list = hf_pg_next_parameter(list);
    }
    return list;
}

/* The password for this host, and for no other; NULL: none. */
static const char *password_of(const hf_io *io) {
    const char *password = io->host->password ? io->host->password : io->config->password;
#if HF_WITH_CREDENTIALS
    password = io->given.password ? io->given.password : password;
#endif
    return password && password[0] ? password : NULL;
}

static const char *user_of(const hf_io *io) {
    const char *user = io->config->user;
#if HF_WITH_CREDENTIALS
    user = io->given.user ? io->given.user : user;
#endif
    return user ? user : "";
}

/* Are there keys for SCRAM in place of a password? What the credentials callback gives goes first. */
static bool has_keys(const hf_io *io) {
#if HF_WITH_CREDENTIALS
    return io->config->scram_client_key && !io->given.password;
#else
    (void)io;
    return false;
#endif
}

/* The methods of authentication that may be used: HF_AUTH_*. */
static unsigned allowed(const hf_io *io) {
    if (io->config->require_auth != 0) {
        return io->config->require_auth;
    }
    return has_keys(io) || password_of(io) ? HF_AUTH_SCRAM : HF_AUTH_NONE;
}

static hf_driver_event refuse(hf_io *io, hf_err code, const char *why) {
    hf_error_set(&io->error, code, HF_PHASE_LOGIN, HF_WITH_MESSAGES ? why : NULL);
    return HF_DRIVER_BROKEN;
}

/* --- messages --------------------------------------------------------------------------------------- */

/* A message on its way into tx: its bytes are counted whether they fit or not; tx gets it whole or not at all. */
typedef struct draft {
    hf_io *io;
    size_t bytes; /* counts from type and length on, which send() fills in */
} draft;

static void put(draft *out, const void *from, size_t bytes) {
    hf_buffer *tx = &out->io->tx;

    if (out->bytes + bytes <= tx->size - tx->end) {
        memcpy(tx->data + tx->end + out->bytes, from, bytes);
    }
    out->bytes += bytes;
}

static void put_text(draft *out, const char *text) {
    put(out, text, strlen(text) + 1);
}

static void put_setting(draft *out, const char *name, const char *value) {
    if (value && value[0]) {
        put_text(out, name);
        put_text(out, value);
    }
}

/* Ends a message. type: 0 none, as the start-up message has. False: the message does not fit. */
static bool send(draft *out, uint8_t type) {
    hf_io *io = out->io;
    hf_buffer *tx = &io->tx;
    uint8_t *at = tx->data + tx->end;

    if (out->bytes > tx->size - tx->end) {
        return false;
    }
    tx->end += (uint32_t)out->bytes;
    io->tx_total += out->bytes;
    if (type != 0) {
        *at++ = type;
        out->bytes--;
    }
    hf_pg_put32(at, (uint32_t)out->bytes);
    return true;
}

int hf_pg_start(hf_driver_session *opaque, hf_io *io) {
    static const char head[] = "\0\3\0\0user";
    hf_pg_session *session = hf_pg_of(opaque);
    const hf_config *config = io->config;
    draft out = { .io = io, .bytes = 4 };

    memset(session, 0, sizeof *session);
    memset(io->store, 0, sizeof(hf_pg_scram));
    io->backend = 0;
    session->mode = HF_PG_AUTH;
    session->unusual = true;
    io->role = 0;
    io->proof = HF_PROOF_NONE;
    if (HF_WITH_PREPARED && !hf_pg_cache_start(session, io->port)) {
        refuse(io, HF_ERR_RESOURCES, "the port has no random numbers");
        return HF_ERR_RESOURCES;
    }
#if HF_WITH_VERSIONS
    char versioned[sizeof head];
    memcpy(versioned, head, sizeof head);
    versioned[3] = (char)(session->minor = hf_pg_asks_minor(io));
    put(&out, versioned, sizeof versioned);
#else
    put(&out, head, sizeof head); /* protocol 3.0 */
#endif
    put_text(&out, user_of(io));
    put_setting(&out, "database", config->database);
    put_setting(&out, "application_name", config->application_name);
    put_setting(&out, "options", config->options);
    if (!HF_SMALL && config->parameters) {
        put(&out, config->parameters, (size_t)(end_of(config->parameters) - config->parameters));
    }
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        if (io->degraded < parameters[i].until &&
            (!parameters[i].if_read_only || config->read_only)) {
            put_setting(&out, parameters[i].name, parameters[i].value);
        }
    }
    put(&out, "", 1);
    if (!send(&out, 0)) {
        hf_pg_say(io, HF_ERR_TOO_LARGE, HF_PHASE_LOGIN,
                  "the start-up message takes %u bytes, the transmit buffer (tx_bytes) has %u",
                  out.bytes, io->tx.size);
        return HF_ERR_TOO_LARGE;
    }
    return HF_OK;
}

/* --- a refused parameter ---------------------------------------------------------------------------- */

/* Does the message name a start-up parameter of the user's? Results may depend on that: it is not left out. */
static bool wanted(const hf_io *io, const hf_value *message) {
    const char *at = io->config->parameters;

    for (; at && *at; at = hf_pg_next_parameter(at)) {
        if (hf_pg_names(message, at)) {
            return true;
        }
    }
    return io->config->options && hf_pg_names(message, "startup parameter: options");
}

/* Did the endpoint refuse the login because of a start-up parameter that the login can do without? Then io->degraded
 * rises, and the next attempt sends fewer. */
static bool degrade(hf_io *io) {
    static const char codes[] = "42704 22023 55P02 0A000 08P01";
    const char *sqlstate = io->error.sqlstate;
    hf_value message;
    bool ours = false;

    if (!hf_word_among(codes, sqlstate, strlen(sqlstate)) ||
        io->degraded >= HF_PG_DEGRADED_POOLER ||
        !hf_pg_field(&io->fields, HF_FIELD_MESSAGE, &message)) {
        return false;
    }
    if (HF_WITH_MESSAGES && wanted(io, &message)) {
        io->error.code = HF_ERR_CONFIG; /* for good */
        return false;
    }
    for (size_t i = 1; i < N_PARAMETERS; i++) {
        if (hf_pg_names(&message, parameters[i].name)) {
            if (io->degraded < parameters[i].until) {
                io->degraded = parameters[i].until;
                return true;
            }
            ours = true;
        }
    }
    if (!ours && hf_pg_names(&message, "startup parameter")) {
        io->degraded++; /* pgbouncer names its own first */
        return true;
    }
    return false;
}

/* --- authentication -------------------------------------------------------------------------------- */

/* Sends a PasswordMessage, SASLInitialResponse or SASLResponse (PostgreSQL docs 55.7), then awaits `mode`. */
static hf_driver_event send_password(hf_pg_session *session, draft *out, uint8_t mode) {
    if (!send(out, 'p')) {
        return refuse(out->io, HF_ERR_TOO_LARGE,
                      "a login message does not fit the transmit buffer (tx_bytes)");
    }
    session->mode = mode;
    if (mode != HF_PG_SASL) {
        out->io->proof = mode == HF_PG_SASL_FINAL ? HF_PROOF_SENT : HF_PROOF_CLAIMED;
    }
    return HF_DRIVER_MORE;
}

/* BROKEN: channel binding is required, and this method has none. */
static hf_driver_event refuse_unbound(hf_io *io) {
    return refuse(io, HF_ERR_AUTH_METHOD,
                  "channel_binding=require, and the server asks for something that has none");
}

static hf_driver_event answer_cleartext(hf_pg_session *session, hf_io *io) {
    const hf_config *config = io->config;
    const char *password = password_of(io);

    if (config->channel_binding == HF_BINDING_REQUIRE) {
        return refuse_unbound(io);
    }
    if (!(allowed(io) & HF_AUTH_PASSWORD)) {
        return refuse(io, HF_ERR_AUTH_METHOD,
                      "it wants the password in clear text; require_auth does not list password");
    }
    /* Nobody can listen in on a Unix socket. */
    if (!io->encrypted && !hf_host_is_local(io->host) && config->require_auth != HF_AUTH_PASSWORD) {
        return refuse(io, HF_ERR_AUTH_METHOD,
                      "it wants the password in clear text on a link without TLS; that takes "
                      "require_auth=password and nothing else");
    }
    if (!password) {
        return refuse(io, HF_ERR_AUTH_PASSWORD, NULL);
    }
    draft out = { .io = io, .bytes = HF_PG_HEADER_BYTES };
    put_text(&out, password);
    return send_password(session, &out, HF_PG_PROVEN);
}

static size_t put_hex(uint8_t *out, const uint8_t *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        out[2 * i] = (uint8_t) "0123456789abcdef"[from[i] >> 4];
        out[2 * i + 1] = (uint8_t) "0123456789abcdef"[from[i] & 15];
    }
    return 2 * bytes;
}

/* "md5" and md5(hex(md5(password user)) salt) in hex. */
static hf_driver_event answer_md5(hf_pg_session *session, hf_io *io, const uint8_t salt[4]) {
    const hf_config *config = io->config;
    const hf_hash *hash = io->port->api->hash;
    const char *password = password_of(io), *user = user_of(io);
    uint8_t *scratch = io->store, digest[16], text[36] = "md5";

    if (config->channel_binding == HF_BINDING_REQUIRE) {
        return refuse_unbound(io);
    }
    if (!(allowed(io) & HF_AUTH_MD5)) {
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
    draft out = { .io = io, .bytes = HF_PG_HEADER_BYTES };
    put(&out, text, 35 + 1);
    hf_wipe(text, sizeof text);
    hf_wipe(digest, sizeof digest);
    return send_password(session, &out, HF_PG_PROVEN);
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

/* The GS2 header for the SASL mechanisms that the server offers; NULL: no mechanism will do. */
static const char *choose(hf_io *io, bool offers_plain, bool offers_plus) {
    uint8_t binding[HF_BINDING_BYTES];
    const uint8_t wanted = io->config->channel_binding;
    const bool able = wanted != HF_BINDING_DISABLE && binding_of(io, binding) > 0;

    if (able && offers_plus) {
        return HF_PG_GS2_BOUND;
    }
    if (wanted == HF_BINDING_REQUIRE || !offers_plain) {
        return NULL;
    }
    return able ? HF_PG_GS2_UNUSED : HF_PG_GS2_NO;
}

/* A hash of the password (FNV-1a), which tells a password that was replaced from the one before. */
static uint32_t mark_of(const char *password) {
    uint32_t mark = 2166136261u;

    for (; *password; password++) {
        mark = (mark ^ (uint8_t)*password) * 16777619u;
    }
    return mark;
}

static hf_driver_event answer_sasl(hf_pg_session *session, hf_io *io, hf_pg_body *body) {
    hf_pg_scram *scram = scram_of(io);
    uint8_t random[HF_PG_NONCE_BYTES], length[4];
    bool plain = false, plus = false;
    draft out = { .io = io, .bytes = HF_PG_HEADER_BYTES };
    const char *name;

    while ((name = hf_pg_read_text(body)) && name[0]) {
        if (strcmp(name, "SCRAM-SHA-256") == 0) {
            plain = true;
        } else if (strcmp(name, "SCRAM-SHA-256-PLUS") == 0) {
            plus = true;
        }
    }
    if (!hf_pg_read_whole(body)) {
        return hf_pg_broken(io, HF_PHASE_LOGIN, "a malformed list of SASL mechanisms", 0, 0);
    }
    if (!(allowed(io) & HF_AUTH_SCRAM)) {
        return refuse(io, HF_ERR_AUTH_METHOD,
                      "it wants SASL; require_auth does not list scram-sha-256");
    }
    const char *gs2 = choose(io, plain, plus);
    if (!gs2) {
        return refuse(
            io, HF_ERR_AUTH_METHOD,
            plain ? "channel_binding=require, but it cannot be had: it takes TLS and a server "
                    "that offers SCRAM-SHA-256-PLUS"
                  : "it offers no SASL mechanism that holdfast knows (SCRAM-SHA-256)");
    }
    if (!has_keys(io) && !password_of(io)) {
        return refuse(io, HF_ERR_AUTH_PASSWORD, NULL);
    }
    if (!io->port->api->hash || io->port->api->random(io->port, random, sizeof random) != 0) {
        return refuse(io, HF_ERR_RESOURCES, "the port has no hash or no random numbers");
    }
    hf_pg_scram_start(scram, io->port->api->hash, gs2, random);
#if HF_WITH_CREDENTIALS
    if (has_keys(io) &&
        !hf_pg_scram_take(scram, io->config->scram_client_key, io->config->scram_server_key)) {
        return refuse(io, HF_ERR_AUTH_PASSWORD,
                      "scram_client_key or scram_server_key is not base64 of 32 bytes");
    }
#endif
    if (!(HF_SMALL && !HF_WITH_CREDENTIALS)) { /* where a password may be replaced */
        scram->keys.mark = has_keys(io) ? 0 : mark_of(password_of(io));
    }
    put_text(&out, scram->bound ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256");
    hf_pg_put32(length, scram->text_bytes);
    put(&out, length, sizeof length);
    put(&out, scram->text, scram->text_bytes);
    return send_password(session, &out, HF_PG_SASL);
}

static hf_driver_event answer_sasl_first(hf_pg_session *session, hf_io *io,
                                         const hf_pg_body *body) {
    const char *why = hf_pg_scram_server_first(
        scram_of(io), (const char *)body->at, (size_t)(body->end - body->at),
        io->config->scram_iterations_max, has_keys(io) ? NULL : io->keys);

    session->mode = HF_PG_HASHING;
    return why ? refuse(io, HF_ERR_AUTH_SERVER, why) : HF_DRIVER_MORE;
}

/* One slice of PBKDF2. Only the first one reads the password: SASLprep prepares it in the part of the store behind
 * *scram. */
static int derive_slice(hf_io *io, hf_pg_scram *scram) {
    const hf_port_api *api = io->port->api;
    const char *password = password_of(io);
    char *prepared = (char *)(scram + 1);
    const size_t size = HF_STATEMENT_BYTES - sizeof *scram;
    int done;

    if (HF_WITH_SASLPREP && api->saslprep && scram->round == 0 && password &&
        api->saslprep(io->port, password, prepared, size)) {
        done = hf_pg_scram_derive(scram, prepared);
        hf_wipe(prepared, strlen(prepared));
        return done;
    }
    return hf_pg_scram_derive(scram, password ? password : "");
}

/* One slice of PBKDF2 (SLICE); after the last the client's proof is sent. */
static hf_driver_event derive(hf_pg_session *session, hf_io *io) {
    hf_pg_scram *scram = scram_of(io);
    uint8_t binding[HF_BINDING_BYTES];
    draft out = { .io = io, .bytes = HF_PG_HEADER_BYTES };
    int done = derive_slice(io, scram);

    if (done == 0) {
        return HF_DRIVER_SLICE;
    }
    if (done > 0) {
        done = hf_pg_scram_client_final(scram, binding, binding_of(io, binding));
    }
    if (done < 0) {
        return refuse(io, HF_ERR_RESOURCES, "the port's SHA-256 failed");
    }
    put(&out, scram->final + 1, scram->final_bytes - 1u);
    return send_password(session, &out, HF_PG_SASL_FINAL);
}

static hf_driver_event read_sasl_final(hf_pg_session *session, hf_io *io, const hf_pg_body *body) {
    const hf_pg_scram *scram = scram_of(io);

    if (!hf_pg_scram_server_final(scram, (const char *)body->at, (size_t)(body->end - body->at))) {
        return refuse(io, HF_ERR_AUTH_SERVER, "its SCRAM signature is wrong");
    }
    if (io->keys && !has_keys(io)) {
        *io->keys = scram->keys;
    }
    session->mode = HF_PG_PROVEN;
    io->proof = HF_PROOF_VERIFIED;
    return HF_DRIVER_MORE;
}

/* --- the server's messages ------------------------------------------------------------------------- */

static hf_driver_event accept_ok(hf_pg_session *session, hf_io *io) {
    const hf_config *config = io->config;

    if (session->mode == HF_PG_AUTH && !(allowed(io) & HF_AUTH_NONE)) {
        return refuse(io, HF_ERR_AUTH_METHOD,
                      "it lets anybody in without a password; require_auth does not list none");
    }
    if (session->mode != HF_PG_AUTH && session->mode != HF_PG_PROVEN) {
        return refuse(io, HF_ERR_AUTH_SERVER,
                      "it says OK before it has proved that it knows the password");
    }
    if (config->channel_binding == HF_BINDING_REQUIRE && !scram_of(io)->bound) {
        return refuse_unbound(io);
    }
    session->mode = HF_PG_SETUP;
    hf_parameters_login(io, false);
    return HF_DRIVER_MORE;
}

static hf_driver_event read_authentication(hf_pg_session *session, hf_io *io,
                                           const hf_pg_message *message) {
    enum { OK = 0, CLEARTEXT = 3, MD5 = 5, SASL = 10, SASL_FIRST = 11, SASL_FINAL = 12 };
    hf_pg_body body = { .at = message->body, .end = message->body + message->bytes, .good = true };
    const uint32_t kind = hf_pg_read32(&body);
    const size_t left = (size_t)(body.end - body.at);
    const uint8_t mode = session->mode;

    if (body.good && kind == OK && left == 0) {
        return accept_ok(session, io);
    }
    if (kind == CLEARTEXT && left == 0 && mode == HF_PG_AUTH) {
        return answer_cleartext(session, io);
    }
    if (kind == MD5 && left == 4 && mode == HF_PG_AUTH) {
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
    const bool known = kind == OK || kind == CLEARTEXT || kind == MD5;
    if (!known && kind < SASL) { /* Kerberos, GSSAPI, SSPI */
        hf_pg_say(io, HF_ERR_AUTH_METHOD, HF_PHASE_LOGIN, "it wants authentication of kind %u",
                  kind, 0);
        return HF_DRIVER_BROKEN;
    }
    return hf_pg_broken(io, HF_PHASE_LOGIN, "an authentication message of kind %u out of place",
                        kind, 0);
}

static hf_driver_event read_key(hf_pg_session *session, hf_io *io, const hf_pg_message *message) {
    if (!hf_pg_key_fits(session, message->bytes) || session->has_key) {
        return hf_pg_broken(io, HF_PHASE_LOGIN, "a malformed BackendKeyData of %u bytes",
                            message->bytes, 0);
    }
#if HF_WITH_VERSIONS
    session->key_bytes = (uint16_t)message->bytes;
#endif
    memcpy(session->key, message->body, hf_pg_key_bytes(session));
    session->has_key = true;
    io->backend = hf_pg_get32(message->body);
    return HF_DRIVER_MORE;
}

static hf_driver_event read_message(hf_pg_session *session, hf_io *io,
                                    const hf_pg_message *message) {
    switch (message->type) {
    case 'E':
        if (!hf_pg_read_error(io, message, HF_ERR_SERVER, HF_PHASE_LOGIN)) {
            return hf_pg_broken(io, HF_PHASE_LOGIN, "a malformed ErrorResponse", 0, 0);
        }
        if ((strcmp(io->error.sqlstate, "28P01") == 0 || io->proof == HF_PROOF_SENT) && io->keys) {
            hf_wipe(io->keys, sizeof *io->keys); /* the server did not take what they proved */
        }
        return degrade(io) || hf_pg_dropped_version(session, io) ? HF_DRIVER_AGAIN
                                                                 : HF_DRIVER_FATAL;
    case 'v': return hf_pg_negotiate(session, io, message);
    case 'N': return hf_pg_async_message(io, HF_PHASE_LOGIN, message);
    }
    if (session->mode != HF_PG_SETUP) {
        if (message->type == 'R') {
            return read_authentication(session, io, message);
        }
    } else if (message->type == 'S') {
        return hf_pg_async_message(io, HF_PHASE_LOGIN, message);
    } else if (message->type == 'K') {
        return read_key(session, io, message);
    } else if (message->type == 'Z' && message->bytes == 1 && message->body[0] == 'I') {
        session->mode = HF_PG_RUNNING;
        hf_parameters_login(io, true);
        return HF_DRIVER_UP;
    }
    return hf_pg_broken(io, HF_PHASE_LOGIN, "a message of type %c out of place", message->type, 0);
}

/* Wipes what the login leaves: its scratch and, in tx, a password that was sent. */
static void wipe(hf_io *io) {
    hf_wipe(io->store, sizeof(hf_pg_scram));
#if HF_WITH_CREDENTIALS
    io->given = (hf_credentials){ 0 };
#endif
    if (io->tx.start == io->tx.end) {
        hf_wipe(io->tx.data, io->tx_total < io->tx.size ? (size_t)io->tx_total : io->tx.size);
    }
}

hf_driver_event hf_pg_login(hf_pg_session *session, hf_io *io) {
    hf_pg_message message;
    hf_driver_event event = HF_DRIVER_MORE;

    while (event == HF_DRIVER_MORE) {
        if (session->mode == HF_PG_HASHING) {
            event = derive(session, io);
            continue;
        }
        int got = hf_pg_receive(session, io, HF_PHASE_LOGIN, &message);
        if (got == 0) {
            return HF_DRIVER_MORE;
        }
        event = got < 0 ? HF_DRIVER_BROKEN : read_message(session, io, &message);
    }
    if (event != HF_DRIVER_SLICE && event != HF_DRIVER_NOTICE) {
        wipe(io);
    }
    return event;
}
