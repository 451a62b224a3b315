/* SEMANTICS 22: a tick has its share, counted in bytes and steps. How long a step takes is the machine's. */
#include "driver.h"
#include "testbed.h"

/* Shows security 10, found G1. */
static void r22_a_tick_reads_no_more_of_a_link_than_its_share(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.rx_bytes = 1024;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "rows 1500");
    hf_testbed_settle(world);
    hf_peer_release(world->peer);
    hf_peer_pump(world->peer);
    assert_true(hf_tick(world->pool, world->now) <= world->now); /* there is more to do */
    assert_in_range(job->rows, 1, 16 * 1024 / 12);               /* 16 buffers full of rows */
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static hf_driver slicing; /* PostgreSQL's, whose login takes so many slices of hashing */
static unsigned slices;

static hf_driver_event feed_in_slices(hf_driver_session *session, hf_io *io, hf_request *oldest) {
    if (slices > 0) {
        slices--;
        return HF_DRIVER_SLICE;
    }
    return hf_driver_pg.feed(session, io, oldest);
}

/* Ticks until the first step was done; how many steps each further tick does. */
static void each_tick_does(hf_testbed *world, const uint32_t *left, uint32_t all, uint32_t each) {
    for (int i = 0; i < 100 && *left == all; i++) {
        hf_tick(world->pool, world->now);
        hf_peer_pump(world->peer);
    }
    assert_int_equal(all - *left, each);
    while (*left > 0) {
        const uint32_t before = *left;
        assert_true(hf_tick(world->pool, world->now) <= world->now); /* there is more to do */
        assert_int_equal(before - *left, each);
    }
}

/* A tick's 50 ms, counted: whatever a step costs, a tick whose share is used up does one of them and hands back.
 * Shows found G1. */
static void r22_a_tick_does_one_expensive_step_when_its_share_is_spent(void **state) {
    (void)state;
    for (unsigned over_budget = 0; over_budget < 2; over_budget++) {
        hf_testbed *world = hf_testbed_new();
        slicing = hf_driver_pg;
        slicing.feed = feed_in_slices;
        slices = 20;
        world->config.driver = &slicing;
        world->config.max_concurrent = 1;
        world->script->over_budget = over_budget;
        hf_testbed_open(world, 0);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        each_tick_does(world, &slices, 20, over_budget ? 1 : 20);
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_OK);
        hf_testbed_end(world);

        world = hf_testbed_new();
        world->config.sslmode = HF_SSL_VERIFY_FULL;
        world->config.max_concurrent = 1;
        world->script->over_budget = over_budget;
        world->script->tls_steps = 20;
        hf_testbed_open(world, 0);
        job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        each_tick_does(world, &world->script->tls_steps, 20, over_budget ? 1 : 20);
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_OK);
        hf_testbed_end(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r22_a_tick_reads_no_more_of_a_link_than_its_share),
        hf_test(r22_a_tick_does_one_expensive_step_when_its_share_is_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
