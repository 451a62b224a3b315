/* A pool on the scripted port, and a network and a server that do anything at any time: each step of the input is
 * something that they, the clock or the application does. An obedient server stands beside them, so that an input
 * of a few bytes is past the login; what it says and what is forged come on the same link.
 *
 * Whatever happens: each request that was taken ends once, a tick that wants another did something, there are no
 * more links than there may be, and in the end the pool closes in time and leaves none.
 *
 *     input = settings, then steps: a step is a byte that says what, and what it needs
 */
#include "fuzz.h"

#include "../sim/port.h"
#include "../unit/peer.h"

enum { JOBS = 24, STEPS = 300, MEMORY = 1 << 17, GUARD = 64, CLOSE_MS = 10000 };

typedef struct hf_job {
    hf_request request;
    char sql[24];
    bool taken;
    uint8_t on_done; /* then: 1 submit it again, 2 submit the next, 3 cancel another */
    uint8_t pause_at;
    unsigned done, rows, ends;
} hf_job;

static hf_script script;
static hf_peer peer;
static hf_config config;
static hf_pool *pool;
static hf_job jobs[JOBS];
static unsigned n_jobs, transitions, ends, asked;
static hf_ms now, next;
static _Alignas(16) uint8_t memory[MEMORY + 2 * GUARD];
static size_t memory_bytes;

/* --- the application ---------------------------------------------------------------------------------- */

static void submit(hf_job *job) {
    if (!job->taken && hf_submit(pool, &job->request) == HF_OK) {
        job->taken = true;
        job->done = job->rows = 0;
    }
}

static int on_row(hf_request *request, hf_row *row) {
    hf_job *job = request->user;
    hf_value value;
    HF_FUZZ_CHECK(job->taken);
    while (hf_row_next(row, &value))
        HF_FUZZ_CHECK(value.data || value.bytes == 0);
    return ++job->rows == job->pause_at ? HF_PAUSE : HF_CONTINUE;
}

static void on_restart(hf_request *request) {
    hf_job *job = request->user;
    HF_FUZZ_CHECK(job->taken && job->rows > 0);
    job->rows = 0;
}

static void on_columns(hf_request *request, hf_columns *columns) {
    hf_column column;
    HF_FUZZ_CHECK(((hf_job *)request->user)->taken);
    while (hf_columns_next(columns, &column)) {
    }
}

static void on_error(hf_request *request, const hf_error *error, const hf_fields *fields) {
    hf_value value;
    HF_FUZZ_CHECK(((hf_job *)request->user)->taken && error->code != HF_OK);
    hf_fields_get(fields, HF_FIELD_MESSAGE, &value);
}

static void on_done(hf_request *request) {
    hf_job *job = request->user;
    HF_FUZZ_CHECK(job->taken); /* once for each time that it was taken */
    HF_FUZZ_CHECK(request->outcome != HF_OUTCOME_PENDING);
    HF_FUZZ_CHECK((request->outcome == HF_OUTCOME_OK) == (request->error.code == HF_OK));
    HF_FUZZ_CHECK(request->outcome != HF_OUTCOME_NOT_SENT || job->rows == 0);
    job->taken = false;
    ends++;
    if (++job->ends > 3) /* an application may go on for ever, an input may not */
        return;
    if (job->on_done == 1)
        submit(job);
    else if (job->on_done == 2)
        submit(&jobs[(unsigned)(job - jobs + 1) % n_jobs]);
    else if (job->on_done == 3)
        hf_cancel(pool, &jobs[(unsigned)(job - jobs + 1) % n_jobs].request);
}

static void new_job(hf_fuzz *fuzz) {
    static const char *const sqls[] = { "SELECT rows 3", "rows 40",  "SELECT write 1", "write 2",
                                        "nothing",       "big 3000", "BEGIN",          "CALL f()" };
    static const hf_statement batch[] = { { .sql = "SELECT write 3" }, { .sql = "rows 2" } };
    static const hf_replay replays[] = { HF_REPLAY_UNSENT, HF_REPLAY_SAFE, HF_REPLAY_RESOLVE,
                                         HF_REPLAY_RESOLVE };
    uint8_t what = hf_fuzz_byte(fuzz), how = hf_fuzz_byte(fuzz);
    hf_job *job = &jobs[n_jobs];
    if (n_jobs == JOBS)
        return;
    n_jobs++;
    snprintf(job->sql, sizeof job->sql, "%s", sqls[what & 7]);
    job->pause_at = how & 1 ? how >> 4 : 0;
    job->on_done = (uint8_t)(what >> 6);
    job->request = (hf_request){ .sql = job->sql,
                                 .replay = replays[(what >> 3 & 1) | (how >> 2 & 2)],
                                 .n_batch = (what & 0x30) == 0x10 ? 2 : 0,
                                 .batch = batch,
                                 .prepare_only = (what & 0x30) == 0x20,
                                 .prepare = !(how & 8),
                                 .timeout_ms = how & 2 ? 100u * (how >> 4) : 0,
                                 .on_row = on_row,
                                 .on_restart = on_restart,
                                 .on_columns = how & 4 ? on_columns : NULL,
                                 .on_error = on_error,
                                 .on_done = on_done,
                                 .user = job };
    submit(job);
}

static void on_transition(void *user, const hf_transition *transition) {
    char text[256];
    (void)user;
    transitions++;
    HF_FUZZ_CHECK(hf_transition_text(transition, text, sizeof text) < sizeof text);
}

/* One in four times the callback has none yet; one in sixteen never. */
static hf_credentials_answer on_credentials(void *user, unsigned conn, const hf_host *host,
                                            bool refused, hf_credentials *credentials) {
    (void)user, (void)refused;
    HF_FUZZ_CHECK(conn < config.max_concurrent && host->name);
    credentials->password = "token";
    asked++;
    return asked % 4 == 0    ? HF_CREDENTIALS_LATER
           : asked % 16 == 5 ? HF_CREDENTIALS_NONE
                             : HF_CREDENTIALS_GIVEN;
}

/* --- the network and the server ----------------------------------------------------------------------- */

/* A link that can still be heard on; NULL: there is none. */
static hf_script_link *link_of(hf_fuzz *fuzz) {
    uint8_t which = hf_fuzz_byte(fuzz);
    hf_script_link *live[HF_SCRIPT_LINKS];
    unsigned n = 0;
    for (size_t i = 0; i < HF_SCRIPT_LINKS; i++)
        if (script.links[i].used && !script.links[i].released)
            live[n++] = &script.links[i];
    return n > 0 ? live[which % n] : NULL;
}

static void say(hf_script_link *link, const void *bytes, size_t size) {
    bool hears = link && link->up && !link->eof && !link->fails;
    if (hears && link->to_end - link->to_start + size + 4096 < HF_SCRIPT_BYTES)
        hf_script_link_reply(link, bytes, size);
}

static void message(hf_script_link *link, char type, const void *body, size_t size) {
    uint8_t bytes[600] = { (uint8_t)type, 0, 0, (uint8_t)((size + 4) >> 8), (uint8_t)(size + 4) };
    HF_FUZZ_CHECK(size + 5 <= sizeof bytes);
    memcpy(bytes + 5, body, size);
    say(link, bytes, size + 5);
}

static void error_message(hf_script_link *link, uint8_t which) {
    static const char codes[][6] = { "57P01", "57P03", "53300", "40001", "57014", "25006",
                                     "26000", "28P01", "08006", "23505", "0A000", "3D000",
                                     "40003", "25P03", "57P05", "XX000" };
    static const char *const severities[] = { "ERROR", "FATAL", "PANIC", "WARNING" };
    const char *severity = severities[which >> 4 & 3];
    char body[64];
    int n = snprintf(body, sizeof body, "S%s%cV%s%cC%s%cMwhy%c", severity, 0, severity, 0,
                     codes[which & 15], 0, 0);
    message(link, which & 0x40 ? 'N' : 'E', body, (size_t)n + 1);
}

/* What a server says, at any time. */
static void forge(hf_fuzz *fuzz, hf_script_link *link) {
    static const struct {
        char type;
        uint8_t size;
        const char *body;
    } known[] = { { 'Z', 1, "I" },
                  { 'Z', 1, "T" },
                  { 'Z', 1, "E" },
                  { '1', 0, "" },
                  { '2', 0, "" },
                  { '3', 0, "" },
                  { 'n', 0, "" },
                  { 'I', 0, "" },
                  { 't', 2, "\0\0" },
                  { 'C', 9, "SELECT 1" },
                  { 'T', 21, "\0\1a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff" },
                  { 'D', 7, "\0\1\0\0\0\1x" },
                  { 'R', 4, "\0\0\0\0" },
                  { 'K', 8, "\0\0\0\1\0\0\0\2" },
                  { 'S', 21, "client_encoding\0UTF8" },
                  { 'A', 10, "\0\0\0\1news\0" },
                  { 'R', 19, "\0\0\0\x0aSCRAM-SHA-256\0" },
                  { 's', 0, "" } };
    uint8_t which = hf_fuzz_byte(fuzz);
    const uint8_t *bytes;
    if (which < 0x80) {
        which %= sizeof known / sizeof known[0];
        message(link, known[which].type, known[which].body, known[which].size);
    } else if (which < 0xc0) {
        error_message(link, hf_fuzz_byte(fuzz));
    } else {
        size_t size = hf_fuzz_take(fuzz, hf_fuzz_byte(fuzz), &bytes);
        say(link, bytes, size);
    }
}

static void trouble(hf_fuzz *fuzz) {
    static const int errors[] = { HF_ERR_RESET, HF_ERR_REFUSED, HF_ERR_UNREACHABLE, HF_ERR_EOF,
                                  HF_ERR_RESOURCES };
    hf_script_link *link = link_of(fuzz);
    uint8_t what = hf_fuzz_byte(fuzz);
    if (!link)
        return;
    switch (what % 6) {
    case 0: hf_script_link_connect(link); break;
    case 1: hf_script_link_eof(link); break;
    case 2: hf_script_link_fail(link, errors[what / 6 % 5]); break;
    case 3: hf_script_link_room(link, what / 6 < 40 ? what : UINT32_MAX); break;
    case 4:
        if (link->tls)
            hf_script_link_tls(link);
        break;
    default: link->noted = true; break; /* an event too many does no harm */
    }
}

static void fault(hf_fuzz *fuzz) {
    static const char *const codes[] = { "57P01", "40001", "26000", "57014",
                                         "23505", "57P03", "25006", "53300" };
    uint8_t what = hf_fuzz_byte(fuzz), how = hf_fuzz_byte(fuzz);
    if (peer.n_faults == HF_PEER_FAULTS)
        return;
    hf_peer_add(&peer, (hf_peer_fault){ .point = (hf_peer_point)(what % (HF_PEER_CANCEL + 1)),
                                        .deed = (hf_peer_deed)(how % (HF_PEER_HOLD + 1)),
                                        .sqlstate = codes[what >> 5],
                                        .message = "why",
                                        .skip = how >> 6,
                                        .rows = what >> 6 });
}

static void lookups(hf_fuzz *fuzz) {
    uint8_t how = hf_fuzz_byte(fuzz);
    unsigned slot = how % config.max_concurrent;
    if (script.lookups[slot].busy && script.lookups[slot].answer == 0)
        hf_script_resolved(&script, slot, how & 0x80 ? HF_ERR_RESOLVE : 1 + (how >> 5 & 3));
}

/* --- time --------------------------------------------------------------------------------------------- */

static void check(void) {
    unsigned sessions = 0;
    for (size_t i = 0; i < HF_SCRIPT_LINKS; i++) {
        const hf_script_link *link = &script.links[i];
        bool cancel = false;
        for (unsigned c = 0; c < pool->n_conns; c++)
            cancel = cancel || pool->conns[c].cancel.link == &link->link;
        sessions += link->used && !link->released && !link->closing && !cancel;
    }
    HF_FUZZ_CHECK(sessions <= config.max_concurrent);
}

static bool has_event(void) {
    for (size_t i = 0; i < HF_SCRIPT_LINKS; i++)
        if (script.links[i].noted)
            return true;
    for (unsigned slot = 0; slot < config.max_concurrent; slot++)
        if (script.lookups[slot].noted)
            return true;
    return false;
}

/* Ticks at this moment until nothing more happens; `served`: the obedient server answers meanwhile. */
static void settle(bool served) {
    unsigned idle = 0, before = script.calls;
    for (;;) {
        unsigned calls = script.calls, did = transitions + ends;
        next = hf_tick(pool, now);
        check();
        bool moved = served && hf_peer_pump(&peer);
        if (!moved && next > now && !has_event())
            return;
        idle = moved || calls != script.calls || did != transitions + ends ? 0 : idle + 1;
        HF_FUZZ_CHECK(idle < 4); /* a tick that wants another did something */
        HF_FUZZ_CHECK(script.calls - before < 200000);
    }
}

/* On to `at` as a loop goes that sleeps as long as it was told. */
static void go(hf_ms at, bool served) {
    settle(served);
    for (unsigned turns = 0; next <= at; turns++) {
        HF_FUZZ_CHECK(turns < 5000);
        now = next;
        settle(served);
    }
    now = at > now ? at : now;
}

static void step(hf_fuzz *fuzz) {
    uint8_t what = hf_fuzz_byte(fuzz);
    switch (what % 16) {
    case 0: settle(true); break;
    case 1: settle(false); break;
    case 2: go(next == HF_NEVER ? now : next > now ? next : now, what & 16); break;
    case 3: go(now + 10u * (what >> 4), true); break;
    case 4: go(now + hf_fuzz_word(fuzz), what & 16); break;
    case 5: now += hf_fuzz_word(fuzz); break; /* a suspended machine */
    case 6:
    case 7: new_job(fuzz); break;
    case 8: forge(fuzz, link_of(fuzz)); break;
    case 9: trouble(fuzz); break;
    case 10: fault(fuzz); break;
    case 11:
        if (n_jobs > 0) {
            hf_job *job = &jobs[hf_fuzz_byte(fuzz) % n_jobs];
            if (what & 16)
                hf_cancel(pool, &job->request);
            else if (what & 32)
                hf_resume(pool, &job->request);
            else
                submit(job);
        }
        break;
    case 12: hf_pool_open(pool, (what >> 4) % 5); break;
    case 13: lookups(fuzz); break;
    case 14:
        script.fail_call = script.calls + 1 + (what >> 4);
        script.fail_forever = false;
        break;
    default:
        if (what & 16)
            hf_pool_reset(pool);
        else if (what & 64)
            hf_pool_credentials(pool);
        else if (what & 32)
            hf_peer_heal(&peer);
        else
            script.over_budget = !script.over_budget;
        break;
    }
}

/* --- from the beginning to the end -------------------------------------------------------------------- */

/* What a login asks for, and what the server makes of that. */
static void logins(unsigned how) {
    static const hf_peer_deed drops[] = { HF_PEER_NOTHING, HF_PEER_NOTHING, HF_PEER_FATAL,
                                          HF_PEER_EOF };
    if (how & 2)
        config.max_protocol_version = HF_PROTOCOL_3_2;
    if (how & 4)
        config.min_protocol_version = config.max_protocol_version;
    peer.newest = how & 8 ? 2 : 0;
    peer.secret_bytes = how & 16 ? 256 : 32;
    peer.drops = drops[how >> 5 & 3];
    peer.drops_with = "08P01";
    peer.drops_message = "bad packet header";
    config.credentials = how & 128 ? on_credentials : NULL;
}

static void begin(hf_fuzz *fuzz) {
    uint8_t how = hf_fuzz_byte(fuzz), more = hf_fuzz_byte(fuzz);
    hf_script_init(&script);
    hf_peer_init(&peer, &script);
    memset(jobs, 0, sizeof jobs);
    memset(memory, 0xa5, sizeof memory);
    n_jobs = transitions = ends = asked = 0;
    script.auto_resolve = !(how & 1);
    script.auto_connect = how & 2;
    script.auto_tls = !(how & 4);
    script.auto_close = !(how & 8);
    script.read_limit = how & 16 ? 3 : 0;
    script.write_limit = how & 32 ? 5 : 0;
    script.addresses = 1 + (how >> 6);
    script.hash = &sim_hash;
    config = (hf_config)HF_CONFIG_DEFAULT;
    config.max_concurrent = 1 + (more & 3);
    config.max_pipelined = more & 4 ? 3 : 1;
    config.sslmode = more & 8 ? HF_SSL_REQUIRE : HF_SSL_DISABLE;
    config.read_only = more & 16;
    config.max_retries = 2;
    config.rx_bytes = 1024;
    config.tx_bytes = 512;
    config.max_outage_ms = more & 32 ? 20000 : 0;
    config.hosts[0] = (hf_host){ .name = more & 64 ? "first" : "10.0.0.1", .port = 5432 };
    config.hosts[1] = (hf_host){ .name = "second", .port = 5433 };
    config.n_hosts = more & 128 ? 2 : 1;
    config.user = "app";
    config.password = "secret";
    config.require_auth = HF_AUTH_NONE | HF_AUTH_SCRAM;
    config.on_transition = on_transition;
    const unsigned word = hf_fuzz_word(fuzz);
    logins(word);
    memory_bytes = HF_POOL_BYTES(config.max_concurrent, config.rx_bytes, config.tx_bytes);
    HF_FUZZ_CHECK(memory_bytes <= MEMORY);
    pool = hf_pool_init(memory + GUARD, memory_bytes, &config, hf_script_port(&script), NULL);
    HF_FUZZ_CHECK(pool != NULL);
    peer.pool = pool;
    now = word & 1 ? 0xffff0000u : 0; /* just below the wrap of 32 bits */
    next = now;
}

/* Closed in time, whatever the network does: nothing left. */
static void end(bool served) {
    hf_ms deadline = now + CLOSE_MS;
    script.fail_call = 0;
    script.over_budget = false;
    hf_pool_close(pool, deadline);
    settle(served);
    while (!hf_pool_closed(pool)) {
        HF_FUZZ_CHECK(next <= deadline);
        now = next > now ? next : now;
        settle(served);
    }
    HF_FUZZ_CHECK(hf_tick(pool, deadline + 1) == HF_NEVER);
    HF_FUZZ_CHECK(script.live == 0);
    for (unsigned slot = 0; slot < config.max_concurrent; slot++)
        HF_FUZZ_CHECK(!script.lookups[slot].busy);
    for (unsigned i = 0; i < n_jobs; i++)
        HF_FUZZ_CHECK(!jobs[i].taken);
    for (size_t i = 0; i < GUARD; i++)
        HF_FUZZ_CHECK(memory[i] == 0xa5 && memory[GUARD + memory_bytes + i] == 0xa5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hf_fuzz fuzz = hf_fuzz_on(data, size);
    begin(&fuzz);
    for (unsigned steps = 0; !hf_fuzz_over(&fuzz) && steps < STEPS; steps++)
        step(&fuzz);
    end(size % 2);
    return 0;
}
