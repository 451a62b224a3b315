/* Whole scenarios with the Nth call of the port failing, for every N, once and for good; and a thousand worlds in
 * which anything fails at any time. What is asserted is what every world ends with: hf_testbed_end(). */
#include "testbed.h"

#include <stdlib.h>

static hf_testbed *open_world(uint32_t conns, uint32_t pipelined) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = conns;
    world->config.max_pipelined = pipelined;
    world->config.max_outage_ms = 40000;
    hf_testbed_open(world, 0);
    return world;
}

static void finish(hf_testbed *world) {
    hf_testbed_finish(world, 3600000);
    hf_testbed_end(world);
}

static void plain(void) {
    hf_testbed *world = open_world(1, 1);
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 3");
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
    finish(world);
}

static void three_connections(void) {
    hf_testbed *world = open_world(3, 1);
    hf_pool_open(world->pool, 3);
    for (unsigned i = 0; i < 6; i++)
        hf_testbed_submit(world, i & 1 ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT, "write %u", i);
    hf_testbed_wait(world, 70000); /* probes */
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 9");
    finish(world);
}

static void pipeline(void) {
    hf_testbed *world = open_world(1, 4);
    for (unsigned i = 0; i < 9; i++)
        hf_testbed_submit(world, i == 5 ? HF_REPLAY_UNSENT : HF_REPLAY_SAFE, "write %u", i);
    finish(world);
}

static void slow_links(void) {
    hf_testbed *world = open_world(1, 2);
    world->script->read_limit = 7;
    world->script->write_limit = 9;
    for (unsigned i = 0; i < 3; i++)
        hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 2");
    finish(world);
}

static void encrypted(void) {
    hf_testbed *world = hf_testbed_new();
    world->config.sslmode = HF_SSL_REQUIRE;
    world->config.max_outage_ms = 40000;
    world->script->addresses = 2;
    world->config.hosts[0].name = "db.example";
    hf_testbed_open(world, 0);
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    finish(world);
}

static void cancelled(void) {
    hf_testbed *world = open_world(2, 2);
    world->config.request_timeout_ms = 3000;
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL)->times = 4;
    for (unsigned i = 0; i < 5; i++)
        hf_testbed_submit(world, i & 1 ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT, "write %u", i);
    hf_testbed_wait(world, 1000);
    hf_cancel(world->pool, &world->jobs[0].request);
    hf_cancel(world->pool, &world->jobs[1].request);
    finish(world);
}

static void errors(void) {
    static const char *const codes[] = { "40001", "26000", "57014", "23505", "40003", "25006" };
    hf_testbed *world = open_world(2, 2);
    for (unsigned i = 0; i < 6; i++)
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, codes[i])->skip = i & 1;
    for (unsigned i = 0; i < 8; i++)
        hf_testbed_submit(world, i & 1 ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT, "write %u", i);
    finish(world);
}

static void outage(void) {
    hf_testbed *world = open_world(3, 1);
    hf_testbed_up(world, 3);
    hf_testbed_wait(world, 15000);
    hf_testbed_strike(world, HF_PEER_CONNECT, HF_PEER_ERROR, NULL)->times = 2;
    hf_peer_say(world->peer, 'F', "57P01");
    for (unsigned i = 0; i < 5; i++)
        hf_testbed_submit(world, HF_REPLAY_UNSENT, "write %u", i);
    finish(world);
}

static void paused(void) {
    hf_testbed *world = open_world(1, 1);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 40");
    job->pause_at = 3;
    hf_testbed_resubmit(job);
    hf_testbed_wait(world, 5000);
    job->pause_at = 0;
    hf_resume(world->pool, &job->request);
    finish(world);
}

static void batches(void) {
    static const hf_statement batch[] = { { .sql = "write 1" }, { .sql = "write 2" } };
    hf_testbed *world = open_world(1, 1);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_UNSENT, "batch");
    job->request.sql = NULL;
    job->request.batch = batch;
    job->request.n_batch = 2;
    hf_testbed_resubmit(job);
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "BEGIN");
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 3");
    finish(world);
    if (job->request.outcome == HF_OUTCOME_OK)
        assert_true(world->peer->committed[1] == 1 && world->peer->committed[2] == 1);
    else if (job->request.outcome != HF_OUTCOME_UNKNOWN)
        assert_true(world->peer->committed[1] == 0 && world->peer->committed[2] == 0);
    assert_int_equal(world->peer->committed[1], world->peer->committed[2]);
}

#define SCENARIOS(X)     \
    X(plain)             \
    X(three_connections) \
    X(pipeline) X(slow_links) X(encrypted) X(cancelled) X(errors) X(outage) X(paused) X(batches)

#define X(scenario)                                            \
    static void every_call_fails_in_##scenario(void **state) { \
        (void)state;                                           \
        hf_testbed_sweep(scenario);                            \
    }
SCENARIOS(X)
#undef X

/* --- anything, at any time ------------------------------------------------------------------------ */

static uint32_t seed;

static uint32_t pick(uint32_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return (seed >> 5) % n;
}

static void random_fault(hf_testbed *world) {
    static const char *const fatal[] = { "57P01", "57P02", "57P03", "53300",
                                         "57P05", "25P03", "08006" };
    static const char *const plain_error[] = { "40001", "40P01", "26000", "42P05", "57014",
                                               "23505", "40003", "08007", "53100", "25006" };
    hf_peer_fault fault = { .point = (hf_peer_point)pick(HF_PEER_CANCEL + 1),
                            .deed = (hf_peer_deed)(1 + pick(HF_PEER_HOLD)),
                            .skip = pick(4),
                            .times = pick(3),
                            .rows = pick(4) };
    fault.sqlstate = fault.deed == HF_PEER_ERROR ? plain_error[pick(10)] : fatal[pick(7)];
    if (fault.deed == HF_PEER_ERROR && fault.point == HF_PEER_STARTUP)
        fault.sqlstate = "57P03";
    if (fault.point == HF_PEER_READY && fault.deed == HF_PEER_ERROR)
        fault.deed = HF_PEER_EOF; /* no server errs when it has committed */
    if (fault.point == HF_PEER_TLS)
        fault.point = HF_PEER_CONNECT;
    if (world->peer->n_faults == HF_PEER_FAULTS)
        world->peer->n_faults = 0;
    hf_peer_add(world->peer, fault);
}

static void random_job(hf_testbed *world, unsigned n) {
    hf_replay replay = pick(2) ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT;
    hf_job *job = pick(3) ? hf_testbed_job(world, replay, "write %u", n)
                          : hf_testbed_job(world, replay, "rows %u", pick(30));
    job->request.timeout_ms = pick(4) ? 0 : pick(60000);
    job->pause_at = pick(4) ? 0 : 1 + pick(10);
    hf_testbed_resubmit(job);
}

static void random_event(hf_testbed *world) {
    switch (pick(12)) {
    case 0: hf_peer_drop(world->peer, pick(2) ? HF_ERR_RESET : 0); break;
    case 1: hf_peer_say(world->peer, pick(2) ? 'F' : 'W', "57P01"); break;
    case 2: hf_peer_release(world->peer); break;
    case 3: hf_testbed_sleep(world, world->now + pick(200000)); break;
    case 4:
    case 5: random_fault(world); break;
    case 6:
        if (world->n_jobs > 0)
            hf_cancel(world->pool, &world->jobs[pick(world->n_jobs)].request);
        break;
    case 7: world->peer->deaf_to_cancels = pick(4) == 0; break;
    case 8: hf_peer_heal(world->peer); break;
    default: hf_testbed_wait(world, pick(pick(3) ? 500 : 20000)); break;
    }
    for (unsigned i = 0; i < world->n_jobs; i++)
        if (pick(3) == 0)
            hf_resume(world->pool, &world->jobs[i].request);
}

/* Paused ones must not be forgotten. */
static void resume_all(hf_testbed *world) {
    for (unsigned turns = 0; turns < 200; turns++) {
        bool all = true;
        for (unsigned i = 0; i < world->n_jobs; i++) {
            world->jobs[i].pause_at = 0;
            hf_resume(world->pool, &world->jobs[i].request);
            all = all && world->jobs[i].done > 0;
        }
        if (all)
            return;
        hf_testbed_wait(world, 30000);
    }
}

static void random_world(uint32_t number) {
    seed = number * 2654435761u + 1;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1 + pick(4);
    world->config.max_pipelined = 1 + pick(2) * pick(6);
    world->config.jitter_percent = pick(2) * 50;
    world->config.max_retries = pick(6);
    world->config.request_timeout_ms = pick(3) ? 5000 + pick(20000) : 120000;
    world->config.close_timeout_ms = pick(4) ? 5000 : pick(3000);
    world->config.first_delay_ms = pick(3) ? HF_UNSET : pick(500);
    world->config.max_outage_ms = pick(3) ? 0 : 1000 + pick(100000);
    world->config.stable_after_ms = pick(3) ? 10000 : pick(2000);
    world->config.read_only = pick(8) == 0;
    world->config.n_hosts = (uint8_t)(1 + pick(2));
    world->config.hosts[1] = (hf_host){ .name = "db.example", .port = 6000 };
    world->script->addresses = 1 + pick(3);
    world->script->auto_close = pick(3) > 0;
    world->script->read_limit = pick(4) ? 0 : 1 + pick(40);
    world->script->write_limit = pick(4) ? 0 : 1 + pick(40);
    world->script->random = seed;
    hf_testbed_open(world, pick(2) ? 0 : 0xffffffffu - pick(100000));
    if (pick(2))
        hf_pool_open(world->pool, 1 + pick(4));
    for (unsigned i = 0; i < 40; i++) {
        if (world->n_jobs < 40 && pick(2))
            random_job(world, i);
        random_event(world);
    }
    if (pick(4) > 0) {
        hf_peer_heal(world->peer);
        world->peer->deaf_to_cancels = false;
        resume_all(world);
        hf_testbed_finish(world, 3600000);
    }
    hf_testbed_end(world);
}

/* Shows fault 49. */
static void a_thousand_worlds_in_which_anything_fails_at_any_time(void **state) {
    (void)state;
    const char *one = getenv("WORLD"), *many = getenv("WORLDS");
    uint32_t first = one ? (uint32_t)atoi(one) : 1;
    uint32_t count = one ? 1 : many ? (uint32_t)atoi(many) : 1000;
    for (uint32_t number = first; number < first + count; number++) {
        hf_testbed_repeat_with("WORLD", number);
        random_world(number);
    }
    hf_testbed_repeat_with(NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define X(scenario) hf_test(every_call_fails_in_##scenario),
        SCENARIOS(X)
#undef X
            hf_test(a_thousand_worlds_in_which_anything_fails_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
