#include "pg_peer.h"

#include "unit.h"

#include "hf_mbedtls.h"

static int zeros(hf_port *port, void *out, size_t bytes) {
    (void)port;
    memset(out, 0, bytes);
    return 0;
}

static size_t binding(hf_link *link, uint8_t *out) {
    const pg_peer *peer = (const pg_peer *)((const char *)link - offsetof(pg_peer, link));
    memset(out, 'b', 32);
    return peer->bound ? 32 : 0;
}

void pg_peer_init(pg_peer *peer) {
    memset(peer, 0, sizeof *peer);
    peer->config = (hf_config)HF_CONFIG_DEFAULT;
    peer->config.user = "app";
    peer->config.database = "db";
    peer->config.require_auth = HF_AUTH_NONE;
    peer->hash = hf_mbedtls_hash;
    peer->hash.rounds_per_slice = 1000;
    peer->api.random = zeros;
    peer->api.hash = &peer->hash;
    peer->port.api = &peer->api;
    peer->link_api.binding = binding;
    peer->link.api = &peer->link_api;
    peer->io.config = &peer->config;
    peer->io.host = &peer->config.hosts[0];
    peer->io.port = &peer->port;
    peer->io.link = &peer->link;
    peer->io.keys = &peer->keys;
    peer->io.store = peer->store;
    peer->io.rx = (hf_buffer){ .data = peer->rx, .size = 16384 };
    peer->io.tx = (hf_buffer){ .data = peer->tx, .size = 4096 };
    pg_peer_forget_events(peer);
}

void pg_peer_forget_events(pg_peer *peer) {
    peer->fed = peer->events;
    peer->events[0] = 0;
}

void pg_peer_start(pg_peer *peer) {
    memset(&peer->session, 0, sizeof peer->session);
    peer->n_flight = 0;
    peer->last = HF_DRIVER_MORE;
    peer->io.rx.start = peer->io.rx.end = peer->io.tx.start = peer->io.tx.end = 0;
    peer->io.tx_total = 0;
    assert_int_equal(hf_driver_pg.start(&peer->session, &peer->io), HF_OK);
    peer->io.tx.end = 0;
}

void pg_peer_up(pg_peer *peer) {
    pg_peer_init(peer);
    pg_peer_start(peer);
    PG_SAY(peer, 'R', "\0\0\0\0");
    PG_SAY(peer, 'S', "client_encoding\0UTF8\0");
    PG_SAY(peer, 'K', "\0\0\0\x07\x01\x02\x03\x04");
    PG_SAY(peer, 'Z', "I");
    PG_EVENTS(peer, "UP\n");
}

/* --- conn's side ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void note(pg_peer *peer, const char *format, ...) {
    va_list list;
    size_t room = sizeof peer->events - (size_t)(peer->fed - peer->events);
    va_start(list, format);
    int n = vsnprintf(peer->fed, room, format, list);
    va_end(list);
    assert_true(n >= 0 && (size_t)n < room);
    peer->fed += n;
}

static void note_values(pg_peer *peer) {
    hf_value value;
    note(peer, "ROW");
    if (peer->io.row.statement > 0)
        note(peer, "[%u]", peer->io.row.statement);
    while (hf_row_next(&peer->io.row, &value)) {
        if (!value.data)
            note(peer, " NULL");
        else if (value.bytes > 100)
            note(peer, " (%zu bytes)", value.bytes);
        else
            note(peer, " '%.*s'", (int)value.bytes, value.data);
    }
    note(peer, "\n");
}

static void note_columns(pg_peer *peer) {
    hf_column column;
    note(peer, "COLUMNS");
    if (peer->io.columns.statement > 0)
        note(peer, "[%u]", peer->io.columns.statement);
    if (peer->io.columns.n_params > 0)
        note(peer, " $%u", peer->io.columns.n_params);
    while (hf_columns_next(&peer->io.columns, &column))
        note(peer, " %.*s:%u", (int)column.name.bytes, column.name.data, column.type);
    note(peer, "\n");
}

#if HF_WITH_VALUES
static void note_params(pg_peer *peer) {
    const hf_params *params = &peer->io.params;
    note(peer, "PARAMS");
    for (unsigned n = 1; n <= params->n_params; n++)
        note(peer, " $%u:%u", n, hf_params_type(params, n));
    note(peer, "\n");
}
#endif

static void note_error(pg_peer *peer, const char *what) {
    char text[400];
    hf_error_text(&peer->io.error, text, sizeof text);
    note(peer, "%s %s\n", what, text);
}

/* Acts on the event as a connection does. False: feed() is not to be called any more. */
static bool act(pg_peer *peer, hf_driver_event event, hf_request *oldest) {
    hf_io *io = &peer->io;
    peer->last = event;
    switch (event) {
    case HF_DRIVER_MORE: return false;
    case HF_DRIVER_SLICE: note(peer, "SLICE\n"); break;
    case HF_DRIVER_UP: note(peer, "UP\n"); break;
    case HF_DRIVER_AGAIN: note(peer, "AGAIN %u\n", io->degraded); return false;
    case HF_DRIVER_COLUMNS: note_columns(peer); break;
#if HF_WITH_VALUES
    case HF_DRIVER_PARAMS: note_params(peer); break;
#endif
    case HF_DRIVER_ROW: note_values(peer); break;
    case HF_DRIVER_SKIPPED: note_error(peer, "SKIPPED"); break;
    case HF_DRIVER_ERROR: note_error(peer, "ERROR"); break;
    case HF_DRIVER_KEYED: note(peer, "KEYED\n"); break;
    case HF_DRIVER_KEPT: note_values(peer); break;
    case HF_DRIVER_BEFORE_COMMIT: note(peer, "BEFORE_COMMIT %s\n", oldest->ticket); break;
    case HF_DRIVER_COMPLETE:
    case HF_DRIVER_READY:
        assert_true(peer->n_flight > 0);
        peer->n_flight--;
        for (unsigned i = 0; i < peer->n_flight; i++)
            peer->flight[i] = peer->flight[i + 1];
        note(peer, event == HF_DRIVER_COMPLETE                 ? "COMPLETE\n"
                   : io->error.code == HF_ERR_OPEN_TRANSACTION ? "READY open transaction\n"
                                                               : "READY\n");
        break;
    case HF_DRIVER_PROBED: note(peer, "PROBED\n"); break;
    case HF_DRIVER_NOTICE: note_error(peer, "NOTICE"); break;
    case HF_DRIVER_NOTIFY: note(peer, "NOTIFY %s '%s'\n", io->channel, io->payload); break;
    case HF_DRIVER_FATAL: note_error(peer, "FATAL"); return false;
    case HF_DRIVER_BROKEN: note_error(peer, "BROKEN"); return false;
    }
    io->error.code = HF_OK;
    return true;
}

/* How many of its statements are complete. */
static unsigned complete(const hf_request *request) {
    return !request ? 0 : request->n_batch > 0 ? request->statement : request->complete;
}

static void digest(pg_peer *peer) {
    for (;;) {
        hf_request *oldest = peer->n_flight > 0 ? peer->flight[0] : NULL;
        unsigned were = complete(oldest);
        hf_driver_event event = hf_driver_pg.feed(&peer->session, &peer->io, oldest);
        for (; were < complete(oldest); were++)
            note(peer, "DONE %u\n", (unsigned)oldest->affected);
        if (!act(peer, event, oldest))
            return;
    }
}

void pg_peer_feed(pg_peer *peer, const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    hf_buffer *rx = &peer->io.rx;
    while (size > 0 && peer->last != HF_DRIVER_BROKEN && peer->last != HF_DRIVER_FATAL) {
        memmove(rx->data, rx->data + rx->start, rx->end - rx->start);
        rx->end -= rx->start;
        rx->start = 0;
        size_t n = rx->size - rx->end;
        assert_true(n > 0); /* the driver skips what is larger than the buffer */
        n = peer->step > 0 && n > peer->step ? peer->step : n;
        n = n > size ? size : n;
        memcpy(rx->data + rx->end, at, n);
        rx->end += (uint32_t)n;
        at += n;
        size -= n;
        digest(peer);
    }
}

int pg_peer_submit(pg_peer *peer, hf_request *request) {
    int r = hf_driver_pg.submit(&peer->session, &peer->io, request);
    if (r == 1) {
        assert_true(peer->n_flight < PG_PEER_FLIGHT);
        peer->flight[peer->n_flight++] = request;
    }
    return r;
}

const char *pg_peer_sent(pg_peer *peer) {
    static char types[4096];
    hf_buffer *tx = &peer->io.tx;
    size_t n = 0;
    while (tx->start < tx->end) {
        const uint8_t *at = tx->data + tx->start;
        types[n++] = (char)at[0];
        tx->start +=
            1 + ((uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4]);
    }
    assert_int_equal(tx->start, tx->end);
    tx->start = tx->end = 0;
    types[n] = 0;
    return types;
}

bool pg_peer_sends(const pg_peer *peer, const char *text) {
    const hf_buffer *tx = &peer->io.tx;
    size_t bytes = strlen(text);
    for (uint32_t at = tx->start; at + bytes <= tx->end; at++)
        if (memcmp(tx->data + at, text, bytes) == 0)
            return true;
    return false;
}

void pg_peer_columns(hf_request *request, hf_columns *columns) {
    (void)request, (void)columns;
}

/* --- the server's side ----------------------------------------------------------------------------- */

void pg_peer_say(pg_peer *peer, char type, const void *body, size_t size) {
    static uint8_t message[PG_PEER_RX + 4096];
    const size_t length = size + 4;
    assert_true(size + 5 <= sizeof message);
    message[0] = (uint8_t)type;
    for (int i = 0; i < 4; i++)
        message[1 + i] = (uint8_t)(length >> (24 - 8 * i));
    memcpy(message + 5, body, size);
    pg_peer_feed(peer, message, size + 5);
}

void pg_peer_row(pg_peer *peer, unsigned n, const char *const *values) {
    uint8_t body[4096] = { (uint8_t)(n >> 8), (uint8_t)n }, *at = body + 2;
    for (unsigned i = 0; i < n; i++) {
        size_t bytes = values[i] ? strlen(values[i]) : 0;
        *at++ = values[i] ? 0 : 0xff;
        *at++ = values[i] ? 0 : 0xff;
        *at++ = values[i] ? (uint8_t)(bytes >> 8) : 0xff;
        *at++ = values[i] ? (uint8_t)bytes : 0xff;
        if (bytes > 0)
            memcpy(at, values[i], bytes);
        at += bytes;
    }
    pg_peer_say(peer, 'D', body, (size_t)(at - body));
}

void pg_peer_describe(pg_peer *peer, unsigned n, const char *const *names) {
    static const char rest[18] = "\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"; /* text */
    uint8_t body[4096] = { (uint8_t)(n >> 8), (uint8_t)n }, *at = body + 2;
    for (unsigned i = 0; i < n; i++) {
        memcpy(at, names[i], strlen(names[i]) + 1);
        at += strlen(names[i]) + 1;
        memcpy(at, rest, sizeof rest);
        at += sizeof rest;
    }
    pg_peer_say(peer, 'T', body, (size_t)(at - body));
}

void pg_peer_error(pg_peer *peer, const char *severity, const char *sqlstate, const char *message) {
    char body[600];
    int n = snprintf(body, sizeof body, "S%s%cV%s%cC%s%cM%s%c", severity, 0, severity, 0, sqlstate,
                     0, message, 0);
    body[n] = 0;
    pg_peer_say(peer, 'E', body, (size_t)n + 1);
}

const pg_peer_message pg_peer_answer[PG_PEER_ANSWER] = {
    { '1', "", 0 },
    { 't', "\0\0", 2 },
    { 'T', "\0\1n\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0", 22 },
    { '2', "", 0 },
    { 'D', "\0\1\0\0\0\1x", 7 },
    { 'C', "SELECT 1", 9 },
    { 'Z', "I", 1 },
};

void pg_peer_answer_first(pg_peer *peer, const char *name, const char *value) {
    PG_SAY(peer, '1', "");
    PG_SAY(peer, 't', "\0\0");
    pg_peer_describe(peer, 1, &name);
    pg_peer_answer_again(peer, value);
}

void pg_peer_answer_again(pg_peer *peer, const char *value) {
    PG_SAY(peer, '2', "");
    pg_peer_row(peer, 1, &value);
    PG_SAY(peer, 'C', "SELECT 1\0");
    PG_SAY(peer, 'Z', "I");
}

void pg_peer_answer_afresh(pg_peer *peer, const char *name, const char *value) {
    PG_SAY(peer, '1', "");
    if (!name) {
        pg_peer_answer_again(peer, value);
        return;
    }
    PG_SAY(peer, '2', "");
    pg_peer_describe(peer, 1, &name);
    pg_peer_row(peer, 1, &value);
    PG_SAY(peer, 'C', "SELECT 1\0");
    PG_SAY(peer, 'Z', "I");
}
