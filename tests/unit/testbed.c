#include "testbed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hf_script hf_the_script;
static hf_peer hf_the_peer;
static hf_testbed hf_the_world;
static _Alignas(16) uint8_t hf_the_memory[HF_TESTBED_MEMORY];

/* The port's call that fails; 0 none. */
static struct {
    unsigned call, calls;
    bool forever;
} broken;

static const char *repeat;
static unsigned repeat_number;

bool hf_testbed_broken(void) {
    return broken.call > 0;
}

static void on_transition(void *user, const hf_transition *transition) {
    hf_testbed *world = user;
    if (world->n_steps < HF_TESTBED_STEPS)
        world->steps[world->n_steps++] = *transition;
}

static void on_notice(void *user, unsigned conn, const hf_error *notice, const hf_fields *fields) {
    hf_testbed *world = user;
    (void)conn, (void)notice, (void)fields;
    world->notices++;
}

hf_testbed *hf_testbed_new(void) {
    hf_testbed *world = &hf_the_world;
    memset(world, 0, sizeof *world);
    world->script = &hf_the_script;
    world->peer = &hf_the_peer;
    hf_script_init(world->script);
    hf_peer_init(world->peer, world->script);
    world->config = (hf_config)HF_CONFIG_DEFAULT;
    world->config.jitter_percent = 0;
    world->config.sslmode = HF_SSL_DISABLE;
    world->config.hosts[0] = (hf_host){ .name = "10.0.0.1", .port = 5432 };
    world->config.n_hosts = 1;
    world->config.user = "app";
    world->config.callback_user = world;
    world->config.on_transition = on_transition;
    world->config.on_notice = on_notice;
    return world;
}

void hf_testbed_open(hf_testbed *world, hf_ms now) {
    const hf_config *config = &world->config;
    world->size = HF_POOL_BYTES(config->max_concurrent, config->rx_bytes, config->tx_bytes);
    assert_true(world->size + 2 * HF_TESTBED_GUARD <= HF_TESTBED_MEMORY);
    memset(hf_the_memory, 0xa5, world->size + 2 * HF_TESTBED_GUARD);
    world->memory = hf_the_memory + HF_TESTBED_GUARD;
    world->now = now;
    world->next = now;
    world->script->fail_call = broken.call;
    world->script->fail_forever = broken.forever;
    world->pool =
        hf_pool_init(world->memory, world->size, config, hf_script_port(world->script), NULL);
    assert_non_null(world->pool);
    world->peer->pool = world->pool;
}

/* --- jobs ----------------------------------------------------------------------------------------- */

static hf_job *job_of(hf_request *request) {
    return request->user;
}

static int on_row(hf_request *request, hf_row *row) {
    hf_job *job = job_of(request);
    hf_value value = hf_row_get(row, 0);
    char expected[16];
    assert_int_equal(job->done, 0);
    assert_int_equal(row->n_columns, 1);
    if (strncmp(job->sql, "rows", 4) == 0) {
        int length = snprintf(expected, sizeof expected, "%u", job->rows);
        assert_int_equal(value.bytes, length);
        assert_memory_equal(value.data, expected, (size_t)length);
    }
    job->rows++;
    if (job->each)
        job->each(job, job->rows);
    return job->rows == job->pause_at ? HF_PAUSE : HF_CONTINUE;
}

static void on_restart(hf_request *request) {
    hf_job *job = job_of(request);
    assert_int_equal(job->done, 0);
    assert_true(job->rows > 0);
    job->rows = 0;
    job->restarts++;
}

static void on_error(hf_request *request, const hf_error *error, const hf_fields *fields) {
    hf_value message;
    assert_true(error->code != HF_OK);
    assert_true(hf_fields_get(fields, HF_FIELD_MESSAGE, &message));
    job_of(request)->errors++;
}

static void on_send(hf_request *request) {
    job_of(request)->sends++;
    assert_true(request->replay >= HF_REPLAY_RESOLVE || !hf_request_commits_later(request));
}

/* K of `write K`; < 0: it writes nothing. */
static int written(const char *sql) {
    return strncmp(sql, "write ", 6) == 0 ? atoi(sql + 6) : -1;
}

static unsigned expected_rows(const char *sql) {
    return strncmp(sql, "rows ", 5) == 0 ? (unsigned)atoi(sql + 5) : strncmp(sql, "big ", 4) == 0;
}

static void on_done(hf_request *request) {
    hf_job *job = job_of(request);
    hf_testbed *world = job->world;
    job->done++;
    assert_int_equal(job->done, 1);
    assert_true(request->outcome != HF_OUTCOME_PENDING);
    assert_int_equal(request->outcome == HF_OUTCOME_OK, request->error.code == HF_OK);
    job->ended_at = world->now;
    world->ended[world->n_done++ % HF_TESTBED_JOBS] = job;
    if (job->then)
        job->then(job);
}

hf_job *hf_testbed_job(hf_testbed *world, hf_replay replay, const char *format, ...) {
    assert_true(world->n_jobs < HF_TESTBED_JOBS);
    hf_job *job = &world->jobs[world->n_jobs++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(job->sql, sizeof job->sql, format, arguments);
    va_end(arguments);
    job->world = world;
    job->request = (hf_request){ .sql = job->sql,
                                 .replay = replay,
                                 .on_row = on_row,
                                 .on_restart = on_restart,
                                 .on_error = on_error,
                                 .on_send = on_send,
                                 .on_done = on_done,
                                 .user = job };
    return job;
}

void hf_testbed_resubmit(hf_job *job) {
    job->submitted = true;
    job->done = job->rows = 0;
    assert_int_equal(hf_submit(job->world->pool, &job->request), HF_OK);
}

hf_job *hf_testbed_submit(hf_testbed *world, hf_replay replay, const char *format, ...) {
    char sql[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    hf_job *job = hf_testbed_job(world, replay, "%s", sql);
    hf_testbed_resubmit(job);
    return job;
}

hf_job *hf_testbed_submit_kept(hf_testbed *world, hf_replay replay, const char *sql) {
    hf_job *job = hf_testbed_job(world, replay, "%s", sql);
    snprintf(job->kept, sizeof job->kept, "SELECT %s", sql);
    job->request.sql = job->kept;
    job->request.prepare = true;
    hf_testbed_resubmit(job);
    return job;
}

/* --- time ----------------------------------------------------------------------------------------- */

static void check_links(hf_testbed *world) {
    unsigned sessions = 0;
    for (size_t i = 0; i < HF_SCRIPT_LINKS; i++) {
        const hf_script_link *link = &world->script->links[i];
        bool cancel = false;
        for (unsigned c = 0; c < world->pool->n_conns; c++)
            cancel = cancel || world->pool->conns[c].cancel.link == &link->link;
        sessions += link->used && !link->released && !link->closing && !cancel;
    }
    assert_true(sessions <= world->config.max_concurrent);
}

static void tick(hf_testbed *world) {
    world->next = hf_tick(world->pool, world->now);
    check_links(world);
}

static bool has_event(const hf_script *script) {
    for (size_t i = 0; i < HF_SCRIPT_LINKS; i++)
        if (script->links[i].noted)
            return true;
    return false;
}

void hf_testbed_settle(hf_testbed *world) {
    unsigned idle = 0;
    for (;;) {
        unsigned calls = world->script->calls, done = world->n_done, steps = world->n_steps;
        tick(world);
        bool moved = hf_peer_pump(world->peer);
        if (!moved && world->next > world->now && !has_event(world->script))
            return;
        /* A tick that wants another one must have done something. */
        bool worked = moved || calls != world->script->calls || done != world->n_done ||
                      steps != world->n_steps;
        idle = worked ? 0 : idle + 1;
        assert_true(idle < 3);
        assert_true(world->script->calls - calls < 100000);
    }
}

void hf_testbed_go(hf_testbed *world, hf_ms at) {
    assert_true(at >= world->now);
    hf_testbed_settle(world);
    for (unsigned turns = 0; world->next <= at; turns++) {
        assert_true(turns < 100000);
        world->now = world->next;
        hf_testbed_settle(world);
    }
    world->now = at;
    hf_testbed_settle(world);
}

void hf_testbed_wait(hf_testbed *world, hf_ms ms) {
    hf_testbed_go(world, world->now + ms);
}

void hf_testbed_sleep(hf_testbed *world, hf_ms at) {
    world->now = at;
    hf_testbed_settle(world);
}

static bool all_done(const hf_testbed *world) {
    for (unsigned i = 0; i < world->n_jobs; i++)
        if (world->jobs[i].submitted && !world->jobs[i].done)
            return false;
    return true;
}

void hf_testbed_finish(hf_testbed *world, hf_ms ms) {
    hf_ms limit = world->now + ms;
    hf_testbed_settle(world);
    while (!all_done(world) && world->next <= limit) {
        world->now = world->next;
        hf_testbed_settle(world);
    }
    if (!all_done(world))
        hf_testbed_print(world);
    assert_true(all_done(world));
}

void hf_testbed_up(hf_testbed *world, unsigned n) {
    hf_pool_open(world->pool, n);
    for (unsigned i = 0; i < n + 2; i++)
        hf_testbed_settle(world);
    if (!hf_testbed_broken())
        for (unsigned i = 0; i < n; i++)
            assert_state(world, i, HF_HEALTHY);
}

hf_testbed *hf_testbed_one_up(hf_ms now) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    hf_testbed_open(world, now);
    hf_testbed_up(world, 1);
    return world;
}

hf_peer_fault *hf_testbed_strike(hf_testbed *world, hf_peer_point point, hf_peer_deed deed,
                                 const char *sqlstate) {
    return hf_peer_add(world->peer,
                       (hf_peer_fault){ .point = point, .deed = deed, .sqlstate = sqlstate });
}

void hf_testbed_refuse(hf_testbed *world, uint32_t times) {
    hf_testbed_strike(world, HF_PEER_CONNECT, HF_PEER_ERROR, NULL)->times = times;
}

/* --- the end -------------------------------------------------------------------------------------- */

/* What a job was told against what the server did. Two jobs do not write the same K. */
static void check_truth(const hf_testbed *world, const hf_job *job) {
    const hf_request *request = &job->request;
    int k = written(job->sql);
    unsigned times = k >= 0 ? world->peer->committed[k] : 0;
    if (!job->submitted)
        return;
    assert_int_equal(job->done, 1);
    if (request->outcome == HF_OUTCOME_OK) {
        assert_int_equal(job->rows, request->already_applied ? 0 : expected_rows(job->sql));
        assert_true(k < 0 || times > 0);
    } else if (request->outcome != HF_OUTCOME_UNKNOWN) {
        assert_int_equal(times, 0);
    }
    if (request->replay != HF_REPLAY_SAFE)
        assert_true(times <= 1);
    if (request->outcome == HF_OUTCOME_NOT_SENT)
        assert_int_equal(job->rows, 0);
}

void hf_testbed_end(hf_testbed *world) {
    hf_ms deadline = world->now + 60000;
    hf_pool_close(world->pool, deadline);
    hf_testbed_settle(world);
    while (!hf_pool_closed(world->pool) && world->next <= deadline) {
        world->now = world->next;
        hf_testbed_settle(world);
    }
    assert_true(hf_pool_closed(world->pool));
    assert_at(hf_tick(world->pool, world->now), HF_NEVER);
    assert_at(hf_tick(world->pool, deadline + 1), HF_NEVER);
    hf_peer_pump(world->peer);
    assert_int_equal(world->script->live, 0);
    for (unsigned slot = 0; slot < 64; slot++)
        assert_false(world->script->lookups[slot].busy);
    for (unsigned i = 0; i < world->n_jobs; i++)
        check_truth(world, &world->jobs[i]);
    for (size_t i = 0; i < HF_TESTBED_GUARD; i++) {
        assert_int_equal(world->memory[-1 - (ptrdiff_t)i], 0xa5);
        assert_int_equal(world->memory[world->size + i], 0xa5);
    }
    broken.calls = world->script->calls;
}

/* --- questions ------------------------------------------------------------------------------------ */

hf_state hf_testbed_state(const hf_testbed *world, unsigned conn) {
    return hf_pool_state(world->pool, conn);
}

hf_pool_status hf_testbed_status(const hf_testbed *world) {
    hf_pool_status status;
    hf_pool_status_get(world->pool, &status);
    return status;
}

hf_ms hf_testbed_dial(const hf_testbed *world, unsigned n) {
    for (unsigned i = 0; i < world->n_steps; i++) {
        const hf_transition *step = &world->steps[i];
        bool dial = step->to == HF_CONNECTING || step->to == HF_RECONNECTING;
        if (dial && n-- == 0)
            return step->at;
    }
    return HF_NEVER;
}

unsigned hf_testbed_dials(const hf_testbed *world) {
    unsigned n = 0;
    while (hf_testbed_dial(world, n) != HF_NEVER)
        n++;
    return n;
}

const hf_transition *hf_testbed_step(const hf_testbed *world, unsigned conn) {
    for (unsigned i = world->n_steps; i-- > 0;)
        if (world->steps[i].conn == conn)
            return &world->steps[i];
    return NULL;
}

void hf_testbed_expect(const hf_job *job, const char *claim, const char *expected) {
    const hf_request *request = &job->request;
    const hf_error *error = &request->error;
    char is[160];
    int used = snprintf(is, sizeof is, "%s, sent %u, asked %u", hf_outcome_name(request->outcome),
                        (unsigned)request->attempts, (unsigned)request->asks);
    if (error->code != HF_OK)
        used += snprintf(is + used, sizeof is - (size_t)used, ", %s", hf_err_name(error->code));
    if (error->sqlstate[0])
        used += snprintf(is + used, sizeof is - (size_t)used, " %s", error->sqlstate);
    if (error->limit != HF_LIMIT_NONE)
        snprintf(is + used, sizeof is - (size_t)used, " %s", hf_limit_name(error->limit));
    if (strcmp(is, expected) != 0)
        fail_msg("%s: %s; expected: %s", claim, is, expected);
}

void hf_assert_text(const hf_error *error, const char *text, const char *file, int line) {
    char out[512];
    hf_error_text(error, out, sizeof out);
    if (strncmp(out, text, strlen(text)) == 0)
        return;
    print_error("\"%s\" does not begin with \"%s\"\n", out, text);
    _fail(file, line);
}

void hf_testbed_sweep(void (*scenario)(void)) {
    broken.call = 0;
    scenario();
    unsigned calls = broken.calls;
    assert_true(calls > 0 && calls < 5000);
    for (unsigned n = 1; n <= calls; n++) {
        for (unsigned forever = 0; forever < 2; forever++) {
            broken.call = n;
            broken.forever = forever;
            scenario();
        }
    }
    broken.call = 0;
}

void hf_testbed_repeat_with(const char *name, unsigned number) {
    repeat = name;
    repeat_number = number;
}

int hf_testbed_teardown(void **state) {
    (void)state;
    if (repeat)
        print_error("to repeat: %s=%u\n", repeat, repeat_number);
    repeat = NULL;
    if (broken.call > 0)
        print_error("with call %u of the port failing%s\n", broken.call,
                    broken.forever ? " for good" : "");
    broken.call = 0;
    return 0;
}

void hf_testbed_print(const hf_testbed *world) {
    char text[256];
    hf_pool_status status = hf_testbed_status(world);
    for (unsigned i = 0; i < world->n_steps; i++) {
        hf_transition_text(&world->steps[i], text, sizeof text);
        print_error("%s\n", text);
    }
    hf_error_text(&status.last_error, text, sizeof text);
    print_error("now %llu next %llu queued %u in flight %u last: %s\n",
                (unsigned long long)world->now, (unsigned long long)world->next, status.queued,
                status.in_flight, text);
    for (unsigned i = 0; i < world->n_jobs; i++)
        if (world->jobs[i].submitted && !world->jobs[i].done)
            print_error("pending: %s, %u attempts\n", world->jobs[i].sql,
                        world->jobs[i].request.attempts);
}
