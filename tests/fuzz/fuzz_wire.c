/* The PostgreSQL driver as conn uses it: any bytes, cut anywhere, in any state, with any requests in flight.
 *
 *     input = settings, then steps: a step is a byte that says what, and what it needs
 */
#include "fuzz.h"

#include "driver.h"
#include "pg/session.h"

#include "../sim/port.h"

enum { FLIGHT = 8, REQUESTS = 32, STORE = HF_STATEMENT_BYTES };

static struct {
    hf_config config;
    hf_driver_session session;
    hf_io io;
    hf_port port;
    hf_port_api api;
    hf_link link;
    hf_link_api link_api;
    hf_keys keys;
    hf_parameters parameters;
    char tag[HF_TAG_BYTES];
    uint8_t random;
    hf_request requests[REQUESTS], *flight[FLIGHT];
    unsigned n_requests, n_flight;
    bool up, over;
} the;

static int random_bytes(hf_port *port, void *out, size_t bytes) {
    (void)port;
    memset(out, the.random, bytes);
    return 0;
}

static size_t binding(hf_link *link, uint8_t *out) {
    (void)link;
    memset(out, 'b', 32);
    return the.io.encrypted ? 32 : 0;
}

/* --- what came, looked at to the last byte ------------------------------------------------------------ */

static volatile uint8_t seen;

static void look_at(const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        seen = (uint8_t)(seen + at[i]);
}

static bool in_rx(const void *at, size_t bytes) {
    const uint8_t *from = at, *rx = the.io.rx.data;
    return from >= rx && from + bytes <= rx + the.io.rx.end;
}

static void look_at_row(void) {
    hf_value value;
    unsigned n = 0;
    HF_FUZZ_CHECK(the.n_flight > 0);
    while (hf_row_next(&the.io.row, &value)) {
        HF_FUZZ_CHECK(!value.data || in_rx(value.data, value.bytes));
        look_at(value.data, value.bytes);
        n++;
    }
    HF_FUZZ_CHECK(n == the.io.row.n_columns);
}

static void look_at_columns(void) {
    hf_column column;
    unsigned n = 0;
    HF_FUZZ_CHECK(the.n_flight > 0 && the.flight[0]->on_columns);
    while (hf_columns_next(&the.io.columns, &column)) {
        look_at(column.name.data, column.name.bytes);
        n++;
    }
    HF_FUZZ_CHECK(n == the.io.columns.n_columns);
}

static void look_at_params(void) {
    const hf_params *params = &the.io.params;
    HF_FUZZ_CHECK(the.n_flight > 0 && the.flight[0]->on_params);
    HF_FUZZ_CHECK(in_rx((const char *)params->at, (size_t)4 * params->n_params));
    HF_FUZZ_CHECK(hf_params_type(params, params->n_params + 1u) == 0);
}

/* A notice is no error: its code is HF_OK. */
static void look_at_error(bool notice, bool fields) {
    char text[400];
    hf_value value;
    HF_FUZZ_CHECK((the.io.error.code == HF_OK) == notice);
    size_t length = hf_error_text(&the.io.error, text, sizeof text);
    HF_FUZZ_CHECK(length < sizeof text && strlen(text) == length);
    HF_FUZZ_CHECK(strlen(the.io.error.sqlstate) <= 5);
    for (hf_field field = HF_FIELD_DETAIL; fields && field <= HF_FIELD_MESSAGE; field++)
        if (hf_fields_get(&the.io.fields, field, &value)) {
            HF_FUZZ_CHECK(in_rx(value.data, value.bytes));
            look_at(value.data, value.bytes);
        }
}

static void on_columns(hf_request *request, hf_columns *columns) {
    (void)request, (void)columns;
}

static void on_params(hf_request *request, const hf_params *params) {
    (void)request, (void)params;
}

/* All of the request is done but its COMMIT, which now goes out, or a ROLLBACK instead. */
static void held(void) {
    hf_request *request = the.n_flight > 0 ? the.flight[0] : NULL;
    HF_FUZZ_CHECK(request && request->deferred_commit && request->stage == HF_STAGE_RUN);
    HF_FUZZ_CHECK(memchr(request->ticket, 0, sizeof request->ticket));
    request->stage = request->n_params == 2 ? HF_STAGE_ROLLBACK : HF_STAGE_COMMIT;
    if (the.io.tx.start == the.io.tx.end)
        the.io.tx.start = the.io.tx.end = 0; /* as conn has it: what was sent makes room */
    /* RUN left room for it: whatever was sent of that, and whoever answers. */
    HF_FUZZ_CHECK(hf_driver_pg.submit(&the.session, &the.io, request) == 1);
}

/* As conn acts on it; false: read no more now. */
static bool act(hf_driver_event event) {
    switch (event) {
    case HF_DRIVER_MORE: return false;
    case HF_DRIVER_SLICE: HF_FUZZ_CHECK(!the.up); return true;
    case HF_DRIVER_UP:
        HF_FUZZ_CHECK(!the.up);
        the.up = true;
        return true;
    case HF_DRIVER_AGAIN:
        HF_FUZZ_CHECK(!the.up && (the.io.degraded || the.io.old_protocol));
        the.over = true;
        return false;
    case HF_DRIVER_COLUMNS: look_at_columns(); return true;
    case HF_DRIVER_PARAMS: look_at_params(); return true;
    case HF_DRIVER_ROW: look_at_row(); return true;
    case HF_DRIVER_ERROR:
        HF_FUZZ_CHECK(the.n_flight > 0);
        look_at_error(false, true);
        return true;
    case HF_DRIVER_KEYED:
    case HF_DRIVER_KEPT: return true;
    case HF_DRIVER_BEFORE_COMMIT: held(); return true;
    case HF_DRIVER_SKIPPED:
        HF_FUZZ_CHECK(the.n_flight > 0 && the.io.error.code == HF_ERR_TOO_LARGE);
        return true;
    case HF_DRIVER_COMPLETE: HF_FUZZ_CHECK(false); return false; /* nothing shares a Sync here */
    case HF_DRIVER_READY:
        HF_FUZZ_CHECK(the.n_flight > 0 && memchr(the.tag, 0, sizeof the.tag));
        for (unsigned i = 1; i < the.n_flight; i++)
            the.flight[i - 1] = the.flight[i];
        the.n_flight--;
        return true;
    case HF_DRIVER_PROBED: HF_FUZZ_CHECK(the.up && the.n_flight == 0); return true;
    case HF_DRIVER_NOTICE: look_at_error(true, true); return true;
    case HF_DRIVER_NOTIFY:
        look_at(the.io.channel, strlen(the.io.channel));
        look_at(the.io.payload, strlen(the.io.payload));
        return true;
    case HF_DRIVER_FATAL:
        look_at_error(false, true);
        the.over = true;
        return false;
    case HF_DRIVER_BROKEN:
        look_at_error(false, false);
        the.over = true;
        return false;
    }
    abort();
}

static void check_buffers(void) {
    const hf_buffer *rx = &the.io.rx, *tx = &the.io.tx;
    HF_FUZZ_CHECK(rx->start <= rx->end && rx->end <= rx->size);
    HF_FUZZ_CHECK(tx->start <= tx->end && tx->end <= tx->size);
}

static void digest(void) {
    hf_driver_event event;
    unsigned turns = 0;
    do {
        the.io.error.code = HF_OK;
        event = hf_driver_pg.feed(&the.session, &the.io, the.n_flight ? the.flight[0] : NULL);
        check_buffers();
        /* A message gives a few events at most, a derivation has no more slices than rounds. */
        HF_FUZZ_CHECK(++turns < 3 * the.io.rx.size + 1000);
    } while (act(event));
    the.io.error.code = HF_OK;
}

static void feed(const uint8_t *at, size_t size) {
    hf_buffer *rx = &the.io.rx;
    while (size > 0 && !the.over) {
        memmove(rx->data, rx->data + rx->start, rx->end - rx->start);
        rx->end -= rx->start;
        rx->start = 0;
        size_t n = rx->size - rx->end;
        HF_FUZZ_CHECK(n > 0); /* what is larger than the buffer is thrown away in pieces */
        n = n < size ? n : size;
        memcpy(rx->data + rx->end, at, n);
        rx->end += (uint32_t)n;
        at += n;
        size -= n;
        digest();
    }
}

static void message(uint8_t type, const uint8_t *body, size_t size) {
    const size_t length = size + 4;
    const uint8_t head[5] = { type, (uint8_t)(length >> 24), (uint8_t)(length >> 16),
                              (uint8_t)(length >> 8), (uint8_t)length };
    feed(head, sizeof head);
    feed(body, size);
}

/* --- the client's side -------------------------------------------------------------------------------- */

static const char *const sqls[] = {
    "SELECT 1",
    "SELECT $1",
    "INSERT INTO t VALUES ($1)",
    "",
    "BEGIN",
    "CALL f()",
    "SELECT 2",
    "SELECT 3",
    "SELECT 4",
    "SELECT 5",
    "SELECT 6",
    "SELECT 7",
    "VACUUM",
    "CREATE INDEX CONCURRENTLY i ON t(a)",
};

/* what: 5 bits choose the SQL and the replay, the rest is how. */
static void submit(uint8_t what, uint8_t how) {
    static const hf_value params[] = { { .data = "1", .bytes = 1 }, { .data = NULL } };
    static const hf_param_kind kinds[] = { { 23, HF_FORMAT_BINARY }, { 0, HF_FORMAT_TEXT } };
    static const hf_statement batch[] = { { .sql = "SELECT 1" },
                                          { .sql = "SELECT $1",
                                            .params = params,
                                            .n_params = 1,
                                            .param_kinds = kinds,
                                            .result_format = HF_FORMAT_BINARY },
                                          { .sql = "SELECT 3" } };
    static const hf_replay replays[] = { HF_REPLAY_UNSENT, HF_REPLAY_SAFE, HF_REPLAY_RESOLVE,
                                         HF_REPLAY_RESOLVE };
    /* New work waits for the answer to a probe. */
    if (!the.up || the.n_flight == FLIGHT || the.n_requests == REQUESTS ||
        hf_pg_of(&the.session)->probing)
        return;
    hf_request *request = &the.requests[the.n_requests++];
    *request = (hf_request){ .sql = sqls[what % (sizeof sqls / sizeof sqls[0])],
                             .params = params,
                             .n_params = how & 3,
                             .n_batch = how & 4 ? 1 + (how >> 6) % 3 : 0,
                             .batch = batch,
                             .prepare_only = (how & 12) == 8,
                             .prepare = !(what & 128),
                             .replay = replays[(how >> 4 & 1) | (what >> 3 & 2)],
                             .result_format = how & 64 ? HF_FORMAT_BINARY : HF_FORMAT_TEXT,
                             .param_kinds = how & 128 ? kinds : NULL,
                             .tag = the.tag,
                             .on_params = how & 32 ? on_params : NULL,
                             .on_columns = how & 32 ? on_columns : NULL };
    request->n_params = request->n_params > 2 ? 2 : request->n_params;
    if (request->n_batch)
        request->sql = NULL;
    /* A RESOLVE request runs alone on its connection; the request of a question ran before. */
    if (request->replay == HF_REPLAY_RESOLVE && (the.n_flight > 0 || request->prepare_only))
        return;
    if (request->replay == HF_REPLAY_RESOLVE && (how & 16)) {
        request->stage = HF_STAGE_ASK;
        request->deferred_commit = true;
        snprintf(request->ticket, sizeof request->ticket, "%s",
                 "7 7123456789012345678 1 2026-01-01 00:00:00+00 -");
    }
    uint32_t before = the.io.tx.end - the.io.tx.start;
    int answer = hf_driver_pg.submit(&the.session, &the.io, request);
    check_buffers();
    if (answer == 1)
        the.flight[the.n_flight++] = request;
    else
        HF_FUZZ_CHECK(the.io.tx.end - the.io.tx.start == before);
}

/* What the transmit buffer holds are whole messages; the very first has no type. */
static void drain(void) {
    hf_buffer *tx = &the.io.tx;
    while (tx->start < tx->end) {
        const uint8_t *at = tx->data + tx->start;
        uint32_t head = at[0] == 0 ? 0 : 1;
        HF_FUZZ_CHECK(tx->end - tx->start >= 5);
        at += head;
        uint32_t length =
            (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        HF_FUZZ_CHECK(length >= 4 && length <= tx->end - tx->start - head);
        tx->start += head + length;
    }
    tx->start = tx->end = 0;
}

static void log_in(void) {
    message('R', (const uint8_t *)"\0\0\0\0", 4);
    message('S', (const uint8_t *)"client_encoding\0UTF8", 21);
    message('K', (const uint8_t *)"\0\0\0\x07\x01\x02\x03\x04", 8);
    message('Z', (const uint8_t *)"I", 1);
}

static void step(hf_fuzz *fuzz) {
    uint8_t cancel[HF_CANCEL_BYTES], what = hf_fuzz_byte(fuzz), type;
    const uint8_t *bytes;
    size_t size;
    switch (what % 8) {
    case 0:
        size = hf_fuzz_take(fuzz, hf_fuzz_byte(fuzz), &bytes);
        feed(bytes, size);
        break;
    case 1:
        type = hf_fuzz_byte(fuzz);
        size = hf_fuzz_take(fuzz, hf_fuzz_word(fuzz), &bytes);
        message(type, bytes, size);
        break;
    case 2: submit(what >> 3, hf_fuzz_byte(fuzz)); break;
    case 3:
        if (the.up && the.n_flight == 0 && !hf_pg_of(&the.session)->probing)
            hf_driver_pg.probe(&the.session, &the.io);
        break;
    case 4:
        if (the.up)
            HF_FUZZ_CHECK(hf_driver_pg.cancel(&the.session, cancel) <= sizeof cancel);
        break;
    case 5: drain(); break;
    case 6:
        if (the.up && the.n_requests > 0)
            hf_driver_pg.forget(&the.session, &the.io, &the.requests[the.n_requests - 1]);
        break;
    case 7: /* a row of a size that no input has */
        size = (size_t)hf_fuzz_word(fuzz) * 2;
        static const uint8_t zeros[131072];
        message('D', zeros, size);
        break;
    default: break;
    }
    check_buffers();
}

static uint8_t *begin(hf_fuzz *fuzz) {
    uint8_t how = hf_fuzz_byte(fuzz), auth = hf_fuzz_byte(fuzz);
    memset(&the, 0, sizeof the);
    the.config = (hf_config)HF_CONFIG_DEFAULT;
    the.config.user = "app";
    the.config.database = "db";
    the.config.password = auth & 128 ? NULL : "secret";
    the.config.require_auth = auth & 15;
    the.config.channel_binding = (auth >> 4) % 3;
    if ((auth & 0x60) == 0x60) { /* 3.2; without a password, keys */
        the.config.max_protocol_version = HF_PROTOCOL_3_2;
        the.config.min_protocol_version = auth & 16 ? HF_PROTOCOL_3_2 : HF_PROTOCOL_DEFAULT;
        the.config.parameters = "_pq_.mine\0on\0";
        the.config.scram_client_key = the.config.scram_server_key =
            auth & 128 ? "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" : NULL;
    }
    the.config.scram_iterations_max = 5000;
    the.config.read_only = how & 1;
    the.random = (uint8_t)(how >> 6);
    the.api = (hf_port_api){ .random = random_bytes, .hash = &sim_hash };
    the.port.api = &the.api;
    the.link_api.binding = binding;
    the.link.api = &the.link_api;
    the.io = (hf_io){ .config = &the.config,
                      .host = &the.config.hosts[0],
                      .port = &the.port,
                      .link = &the.link,
                      .keys = &the.keys,
                      .parameters = &the.parameters,
                      .encrypted = how & 2,
                      .degraded = how & 4 ? 1 : 0,
                      .rx = { .size = how & 8 ? 1024 : 16384 },
                      .tx = { .size = how & 16 ? 512 : 4096 } };
    /* Each buffer by itself on the heap, so that a step beyond its end is seen. */
    the.io.rx.data = malloc(the.io.rx.size);
    the.io.tx.data = malloc(the.io.tx.size);
    the.io.store = malloc(STORE);
    HF_FUZZ_CHECK(the.io.rx.data && the.io.tx.data && the.io.store);
    if (hf_driver_pg.start(&the.session, &the.io) != HF_OK)
        the.over = true;
    drain();
    if ((how & 32) && !the.over)
        log_in();
    return the.io.store;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hf_fuzz fuzz = hf_fuzz_on(data, size);
    uint8_t *store = begin(&fuzz);
    for (unsigned steps = 0; !hf_fuzz_over(&fuzz) && !the.over && steps < 400; steps++)
        step(&fuzz);
    if (!the.over && !the.up) { /* the link ends: down from 3.2, and never further */
        const bool old = the.io.old_protocol, hung_up = hf_driver_pg.hung_up(&the.session, &the.io);
        HF_FUZZ_CHECK(!hung_up || (!old && the.io.old_protocol && the.config.max_protocol_version));
    }
    if (!the.over)
        hf_driver_pg.bye(&the.session, &the.io);
    check_buffers();
    free(the.io.rx.data);
    free(the.io.tx.data);
    free(store);
    return 0;
}
