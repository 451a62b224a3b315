/* SEMANTICS 31: what an application may do, and when; a pool that closes. */
#include "testbed.h"

#include <stdio.h>
#include <string.h>

/* --- submit, cancel, status ----------------------------------------------------------------------- */

static void r31_submit_refuses_what_is_not_a_request(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(0);
    hf_request none = { 0 };
    assert_int_equal(hf_submit(world->pool, &none), HF_ERR_ARGUMENT);
    hf_request params = { .sql = "rows 1", .n_params = 1 };
    assert_int_equal(hf_submit(world->pool, &params), HF_ERR_ARGUMENT);
    hf_request batch = { .n_batch = 2 };
    assert_int_equal(hf_submit(world->pool, &batch), HF_ERR_ARGUMENT);
    world->config.read_only = true;
    hf_request keyed = { .sql = "write 1", .replay = HF_REPLAY_LEDGER };
    assert_int_equal(hf_submit(world->pool, &keyed), HF_ERR_ARGUMENT);
    world->config.read_only = false;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    assert_int_equal(hf_submit(world->pool, &job->request), HF_ERR_STATE);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void again(hf_job *job) {
    if (job->world->n_done < 50)
        hf_testbed_resubmit(job);
}

static void r31_a_request_may_be_submitted_again_in_its_own_on_done(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(0);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 2");
    job->then = again;
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 1000);
    assert_int_equal(world->n_done, 50);
    assert_int_equal(hf_testbed_status(world).done[HF_OUTCOME_OK], 50);
    hf_testbed_end(world);
}

static void cancel_all(hf_job *job) {
    hf_testbed *world = job->world;
    for (unsigned i = 0; i < world->n_jobs; i++)
        if (&world->jobs[i] != job)
            hf_cancel(world->pool, &world->jobs[i].request);
}

static void cancel_in_row(hf_job *job, unsigned n) {
    if (n == 1)
        cancel_all(job);
    if (n == 2)
        hf_cancel(job->world->pool, &job->request);
}

static void r31_callbacks_may_cancel(void **state) {
    (void)state;
    for (unsigned how = 0; how < 2; how++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 1;
        world->config.max_pipelined = how ? 4 : 1;
        hf_testbed_open(world, 0);
        hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 5");
        job->then = cancel_all;
        job->each = how ? cancel_in_row : NULL;
        hf_testbed_resubmit(job);
        for (unsigned i = 0; i < 6; i++)
            hf_testbed_submit(world, HF_REPLAY_SAFE, "write %u", i);
        hf_testbed_finish(world, 10000);
        assert_outcome(job, HF_OUTCOME_OK); /* its answer was there already */
        for (unsigned i = 1; i < 7; i++)
            assert_true(world->jobs[i].request.outcome != HF_OUTCOME_FAILED);
        hf_testbed_end(world);
    }
}

static void submit_more(hf_job *job) {
    if (job->world->n_jobs < 20)
        hf_testbed_submit(job->world, HF_REPLAY_UNSENT, "write %u", job->world->n_jobs)->then =
            submit_more;
}

static void r31_callbacks_may_submit_also_when_all_is_given_up(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.connect_retries = 0;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_CONNECT, HF_PEER_ERROR, NULL)->times = 4;
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 0")->then = submit_more;
    hf_testbed_finish(world, 60000);
    for (unsigned i = 0; i < 20; i++)
        assert_outcome(&world->jobs[i], i < 4 ? HF_OUTCOME_NOT_SENT : HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* A parameter that cannot be sent. */
static void submit_unsendable(hf_job *job) {
    static const hf_value nul = { .data = "\0", .bytes = 1 };
    if (job->world->n_jobs < 20) {
        hf_job *next = hf_testbed_job(job->world, HF_REPLAY_SAFE, "rows 1");
        next->request.params = &nul;
        next->request.n_params = 1;
        next->then = submit_unsendable;
        hf_testbed_resubmit(next);
    }
}

static void r31_one_unsendable_request_after_the_other_is_not_waited_for(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(0);
    submit_unsendable(&(hf_job){ .world = world });
    hf_testbed_settle(world);
    assert_at(world->now, 0);
    assert_int_equal(world->n_jobs, 20);
    assert_outcome(&world->jobs[19], HF_OUTCOME_NOT_SENT);
    hf_testbed_end(world);
}

static void submit_in_vain(hf_job *job) {
    if (job->world->n_jobs < 20)
        hf_testbed_submit(job->world, HF_REPLAY_SAFE, "rows 1")->then = submit_in_vain;
}

static void r7_one_request_after_the_other_fails_at_once_when_refused(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_FATAL, "28P01")->times = 1;
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1")->then = submit_in_vain;
    hf_testbed_settle(world);
    assert_at(world->now, 0);
    assert_int_equal(world->n_done, 20);
    hf_testbed_end(world);
}

static void r31_status_counts(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_EOF, NULL);
    hf_testbed_strike(world, HF_PEER_CONNECT, HF_PEER_ERROR, NULL)->skip = 1;
    hf_job *first = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    hf_pool_status status = hf_testbed_status(world);
    assert_int_equal(status.queued, 2);
    assert_int_equal(status.conns[HF_BACKOFF], 1);
    assert_at(status.outage_since, 0);
    assert_at(status.next_dial, 2000);
    hf_testbed_finish(world, 60000);
    status = hf_testbed_status(world);
    assert_int_equal(status.dials, 3);
    assert_int_equal(status.ups, 2);
    assert_int_equal(status.losses, 1);
    assert_int_equal(status.outages, 1);
    assert_int_equal(status.retries, 1);
    assert_int_equal(status.done[HF_OUTCOME_OK], 2);
    assert_at(status.next_dial, HF_NEVER);
    assert_at(status.outage_since, HF_NEVER);
    assert_int_equal(first->request.duration_ms, 6000);
    hf_testbed_end(world);
}

static void r31_a_pool_without_work_holds_nothing(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    assert_at(hf_tick(world->pool, 0), HF_NEVER);
    assert_int_equal(world->script->opened, 0);
    hf_testbed_end(world);
}

static void r31_memory_too_small_or_a_bad_config_is_refused(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    static _Alignas(16) uint8_t memory[1 << 17];
    const hf_config *config = &world->config;
    size_t bytes = HF_POOL_BYTES(config->max_concurrent, config->rx_bytes, config->tx_bytes);
    hf_port *port = hf_script_port(world->script);
    assert_true(bytes < sizeof memory);
    hf_error error;
    char expected[HF_MESSAGE_BYTES];
    assert_null(hf_pool_init(memory, bytes - 1, config, port, &error));
    (void)snprintf(expected, sizeof expected,
                   "the pool takes %zu bytes (HF_POOL_BYTES), and memory has %zu", bytes,
                   bytes - 1);
    assert_string_equal(error.message, expected);
    assert_null(hf_pool_init(memory, bytes - 1, config, port, NULL));
    assert_non_null(hf_pool_init(memory, bytes, config, port, NULL));
    assert_null(hf_pool_init(NULL, bytes, config, port, &error));
    assert_string_equal(error.message, "a pool takes memory and a port: one of them is NULL");
    assert_null(hf_pool_init(memory, bytes, config, NULL, &error));
    assert_int_equal(error.code, HF_ERR_ARGUMENT);
    world->config.max_concurrent = 0;
    assert_null(hf_pool_init(memory, sizeof memory, config, port, &error));
    assert_string_equal(error.message, "max_concurrent is 0: at least 1");
}

static void r31_a_full_network_gets_no_more_work(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_pipelined = 10;
    world->config.tx_bytes = 512;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    hf_script_link *link = hf_script_link_last(world->script);
    hf_script_link_room(link, 0);
    unsigned sends = 0, attempts = 0;
    for (unsigned i = 0; i < 10; i++)
        hf_testbed_submit(world, HF_REPLAY_SAFE, "write %u and forty more letters to fill a buffer",
                          i);
    for (unsigned i = 0; i < 20; i++)
        hf_testbed_wait(world, 100);
    for (unsigned i = 0; i < 10; i++) {
        sends += world->jobs[i].sends;
        attempts += world->jobs[i].request.attempts;
    }
    assert_true(attempts > 0 && attempts < 10);
    assert_true(sends <= attempts + 1); /* the first that did not fit was tried, and no more */
    hf_script_link_room(link, UINT32_MAX);
    hf_testbed_settle(world);
    for (unsigned i = 0; i < 10; i++)
        assert_outcome(&world->jobs[i], HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* --- closing -------------------------------------------------------------------------------------- */

static void r31_close_ends_all_that_is_queued_and_cancels_what_runs(void **state) {
    (void)state;
    for (uint32_t pipelined = 1; pipelined <= 4; pipelined += 3) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 2;
        world->config.max_pipelined = pipelined;
        hf_testbed_open(world, 0);
        hf_testbed_up(world, 2);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL)->times = HF_FOREVER;
        for (unsigned i = 0; i < 10; i++)
            hf_testbed_submit(world, HF_REPLAY_SAFE, "write %u", i);
        hf_testbed_settle(world);
        unsigned running = hf_testbed_status(world).in_flight;
        assert_true(running >= 2 && running < 10);
        hf_pool_close(world->pool, 60000);
        hf_request late = { .sql = "rows 1" };
        assert_int_equal(hf_submit(world->pool, &late), HF_ERR_CLOSED);
        hf_testbed_go(world, 1);
        assert_true(hf_pool_closed(world->pool)); /* politely, and at once */
        assert_int_equal(world->peer->cancels, running);
        assert_int_equal(world->peer->terminates, 2);
        assert_int_equal(hf_testbed_status(world).done[HF_OUTCOME_NOT_SENT], 10 - running);
        assert_int_equal(hf_testbed_status(world).done[HF_OUTCOME_FAILED], running);
        hf_testbed_end(world);
    }
}

static void r31_close_is_over_at_its_deadline(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 3);
    world->script->auto_close = false;
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_SILENCE, NULL)->times = HF_FOREVER;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    world->peer->deaf_to_cancels = true;
    hf_pool_close(world->pool, 2000);
    hf_testbed_go(world, 1999);
    assert_false(hf_pool_closed(world->pool));
    assert_at(world->next, 2000);
    hf_testbed_go(world, 2000);
    assert_true(hf_pool_closed(world->pool));
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    hf_testbed_end(world);
}

/* `while (!hf_pool_closed(pool)) wait(hf_tick(…))`: the tick that closes the last link says that it looks again
 * at once. Shows found L2. */
static void r31_the_tick_that_closes_says_now(void **state) {
    (void)state;
    for (unsigned ups = 0; ups <= 2; ups++) {
        hf_testbed *world = hf_testbed_new();
        hf_testbed_open(world, 0);
        if (ups > 0)
            hf_testbed_up(world, ups);
        hf_pool_close(world->pool, world->now + 60000);
        const hf_ms at = hf_tick(world->pool, world->now);
        assert_true(hf_pool_closed(world->pool));
        assert_at(at, world->now);
        assert_at(hf_tick(world->pool, world->now),
                  HF_NEVER); /* said once: nobody spins after that */
        hf_testbed_end(world);
    }
}

/* What was asked for since the last tick wakes a loop of the application's own.
 * Shows found L3. */
static void r31_next_says_now_after_submit_cancel_resume_and_close(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    hf_testbed_open(world, 0);
    hf_testbed_settle(world);
    assert_at(hf_pool_next(world->pool), HF_NEVER);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 5");
    job->pause_at = 2;
    hf_testbed_resubmit(job);
    assert_true(hf_pool_next(world->pool) <= world->now);
    hf_testbed_wait(world, 100);
    assert_int_equal(job->rows, 2);
    assert_true(hf_pool_next(world->pool) > world->now);
    hf_resume(world->pool, &job->request);
    assert_true(hf_pool_next(world->pool) <= world->now);
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_OK);

    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_SILENCE, NULL)->times = HF_FOREVER;
    hf_job *running = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_job *queued = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(hf_pool_next(world->pool) > world->now);
        hf_cancel(world->pool, i == 0 ? &queued->request : &running->request);
        assert_true(hf_pool_next(world->pool) <= world->now);
        hf_testbed_settle(world);
    }
    hf_testbed_finish(world, 10000);
    hf_testbed_settle(world);
    assert_true(hf_pool_next(world->pool) > world->now);
    hf_pool_close(world->pool, world->now + 1000);
    assert_true(hf_pool_next(world->pool) <= world->now);
    hf_testbed_end(world);
}

static void r31_a_failed_goodbye_does_not_delay_the_end(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(0);
    world->script->fail_call = world->script->calls + 1; /* Terminate */
    hf_pool_close(world->pool, 60000);
    hf_tick(world->pool, 0);
    assert_true(hf_pool_closed(world->pool));
    assert_int_equal(world->peer->terminates, 0);
    hf_testbed_end(world);
}

static void r31_close_in_every_state(void **state) {
    (void)state;
    static const hf_peer_point points[] = { HF_PEER_CONNECT, HF_PEER_STARTUP, HF_PEER_PROBE,
                                            HF_PEER_EXECUTE };
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned when = 0; when < 3; when++) {
            hf_testbed *world = hf_testbed_new();
            hf_testbed_open(world, 0);
            hf_testbed_strike(world, points[i], when == 1 ? HF_PEER_RST : HF_PEER_SILENCE, NULL)
                ->times = HF_FOREVER;
            hf_pool_open(world->pool, 2);
            hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
            hf_testbed_go(world, when == 2 ? 31000 : 500);
            hf_testbed_end(world);
        }
    }
}

/* Shows security 14. */
static void r31_a_closed_pool_keeps_no_secret(void **state) {
    (void)state;
    static const char secret[] = "xyzzyplugh";
    hf_testbed *world = hf_testbed_new();
    world->config.password = secret;
    world->config.require_auth = HF_AUTH_PASSWORD;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_HOLD, NULL);
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    static const uint8_t cleartext[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 3 };
    hf_script_link_room(hf_script_link_last(world->script), 4);
    hf_script_reply(world->script, cleartext, sizeof cleartext);
    hf_testbed_settle(world);
    assert_state(world, 0, HF_CONNECTING); /* the password waits in the transmit buffer */
    hf_testbed_end(world);
    for (size_t i = 0; i + sizeof secret <= world->size; i++)
        assert_memory_not_equal(world->memory + i, secret, sizeof secret - 1);
}

/* A request was begun in the transmit buffer, and never became part of what is sent. */
static void r31_a_closed_pool_keeps_nothing_of_what_was_too_large(void **state) {
    static const char secret[] = "secret-parameter";
    static char large[65536];
    (void)state;
    hf_testbed *world = hf_testbed_one_up(0);
    memset(large, 'x', sizeof large - 1);
    const hf_value params[] = { { large, world->config.tx_bytes / 2 },
                                hf_text(secret),
                                hf_text(large) };
    hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 1");
    job->request.params = params;
    job->request.n_params = 3;
    hf_testbed_resubmit(job);
    hf_testbed_settle(world);
    assert_int_equal(job->request.error.code, HF_ERR_TOO_LARGE);
    hf_testbed_end(world);
    for (size_t i = 0; i + sizeof secret <= world->size; i++)
        assert_memory_not_equal(world->memory + i, secret, sizeof secret - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r31_submit_refuses_what_is_not_a_request),
        hf_test(r31_a_request_may_be_submitted_again_in_its_own_on_done),
        hf_test(r31_callbacks_may_cancel),
        hf_test(r31_callbacks_may_submit_also_when_all_is_given_up),
        hf_test(r31_one_unsendable_request_after_the_other_is_not_waited_for),
        hf_test(r7_one_request_after_the_other_fails_at_once_when_refused),
        hf_test(r31_status_counts),
        hf_test(r31_a_full_network_gets_no_more_work),
        hf_test(r31_a_pool_without_work_holds_nothing),
        hf_test(r31_memory_too_small_or_a_bad_config_is_refused),
        hf_test(r31_close_ends_all_that_is_queued_and_cancels_what_runs),
        hf_test(r31_close_is_over_at_its_deadline),
        hf_test(r31_the_tick_that_closes_says_now),
        hf_test(r31_next_says_now_after_submit_cancel_resume_and_close),
        hf_test(r31_a_failed_goodbye_does_not_delay_the_end),
        hf_test(r31_close_in_every_state),
        hf_test(r31_a_closed_pool_keeps_no_secret),
        hf_test(r31_a_closed_pool_keeps_nothing_of_what_was_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
