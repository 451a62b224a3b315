/* SEMANTICS 1 to 5: what is counted, and how long it waits. */
#include "testbed.h"
#include "unit.h"

static void r1_n_retries_are_n_waits_and_n_plus_1_tries(void **state) {
    (void)state;
    for (uint32_t n = 0; n < 4; n++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_retries = n;
        hf_testbed_open(world, 0);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_FATAL, "57P01")->times = HF_FOREVER;
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "write 1");
        hf_testbed_finish(world, 300000);
        assert_outcome(job, HF_OUTCOME_UNKNOWN);
        assert_int_equal(job->request.attempts, n + 1);
        assert_int_equal(hf_testbed_status(world).retries, n);
        assert_int_equal(job->request.error.limit, HF_LIMIT_MAX_RETRIES);
        assert_int_equal(job->request.error.limit_ms, n);
        hf_testbed_end(world);
    }
}

static void r1_forever_has_no_limit(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_retries = HF_FOREVER;
    world->config.retry_delay_ms = world->config.max_retry_delay_ms = 10;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_FATAL, "57P01")->times = 40;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "write 1");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 41);
    hf_testbed_end(world);
}

static void r2_before_it_was_ever_up_dials_are_counted_or_max_outage_is(void **state) {
    // clang-format off
    static const struct {
        const char *claim;
        uint32_t connect_retries, max_outage_ms;
        unsigned n_dials;
        hf_ms dials[7], ends_at;
        const char *error;
    } rows[] = {
        { "no retries", 0, 0, 1, { 0 }, 0, "given up after 0 retries in tcp (connect_retries)" },
        { "1 retry", 1, 0, 2, { 0, 2000 }, 2000, "given up after 1 retry in tcp (connect_retries)" },
        { "3 retries", 3, 0, 4, { 0, 2000, 6000, 14000 }, 14000, "given up after 3 retries in tcp (connect_retries)" },
        { "max_outage instead", 3, 100000, 7, { 0, 2000, 6000, 14000, 30000, 60000, 90000 }, 100000,
          "given up after 100.0 s in tcp (max_outage)" },
    };
    // clang-format on
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        hf_testbed *world = hf_testbed_new();
        hf_testbed_refuse(world, HF_FOREVER);
        world->config.connect_retries = rows[i].connect_retries;
        world->config.max_outage_ms = rows[i].max_outage_ms;
        hf_testbed_open(world, 0);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        hf_testbed_go(world, 1000000);
        for (unsigned n = 0; n <= rows[i].n_dials; n++) {
            const hf_ms expected = n < rows[i].n_dials ? rows[i].dials[n] : HF_NEVER;
            if (hf_testbed_dial(world, n) != expected)
                fail_msg("%s: dial %u at %llu", rows[i].claim, n,
                         (unsigned long long)hf_testbed_dial(world, n));
        }
        if (job->ended_at != rows[i].ends_at)
            fail_msg("%s: ended at %llu", rows[i].claim, (unsigned long long)job->ended_at);
        assert_outcome(job, HF_OUTCOME_NOT_SENT);
        assert_int_equal(job->request.attempts, 0);
        assert_text(&job->request.error, rows[i].error);
        assert_state(world, 0, HF_IDLE);
        hf_testbed_end(world);
    }
}

static void r2_connect_retries_forever_go_on(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_refuse(world, HF_FOREVER);
    world->config.connect_retries = HF_FOREVER;
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_go(world, 3600000);
    assert_int_equal(job->done, 0);
    assert_at(hf_testbed_dial(world, 6) - hf_testbed_dial(world, 5), 30000);
    hf_peer_heal(world->peer);
    hf_testbed_finish(world, 30000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* Shows fault 1. */
static void r2_once_up_the_schedule_runs_until_max_outage(void **state) {
    (void)state;
    static const hf_ms waits[] = { 2000, 4000, 8000, 16000, 30000, 30000, 30000 };
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_wait(world, 20000); /* it has proved itself */
    hf_ms lost = world->now, at = lost;
    hf_testbed_refuse(world, HF_FOREVER);
    hf_peer_drop(world->peer, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_go(world, lost + 299999);
    for (unsigned i = 0; i < 7; i++) {
        at += waits[i];
        assert_at(hf_testbed_dial(world, 1 + i), at);
    }
    assert_int_equal(job->done, 0);
    assert_state(world, 0, HF_BACKOFF);
    hf_testbed_go(world, lost + 300000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_text(&job->request.error, "given up after 300.0 s in tcp (max_outage)");
    assert_state(world, 0, HF_IDLE);
    hf_testbed_end(world);
}

static void r2_max_outage_forever_never_gives_up(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_outage_ms = HF_FOREVER;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_CONNECT, HF_PEER_SILENCE, NULL)->times = HF_FOREVER;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_go(world, 86400000);
    assert_int_equal(job->done, 0);
    hf_peer_heal(world->peer);
    hf_testbed_finish(world, 45000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* Shows fault 1, fault 7, fault 8. */
static void r3_dials_57p03_53300_and_waiting_spend_no_retry(void **state) {
    (void)state;
    static const char *const codes[] = { "57P03", "53300" };
    for (unsigned i = 0; i < 2; i++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_retries = 0;
        world->config.max_outage_ms = 300000;
        hf_testbed_open(world, 0);
        hf_testbed_strike(world, HF_PEER_CONNECT, HF_PEER_ERROR, NULL)->times = 3;
        hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_FATAL, codes[i])->times = 4;
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_finish(world, 300000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, 1);
        assert_int_equal(hf_testbed_status(world).retries, 0);
        assert_int_equal(hf_testbed_dials(world), 8);
        hf_testbed_end(world);
    }
}

static void r3_what_was_not_sent_spends_no_retry(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_script_link_room(hf_script_link_last(world->script), 3);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    assert_int_equal(job->request.attempts, 1);
    hf_script_link_fail(hf_script_link_last(world->script), HF_ERR_RESET);
    hf_testbed_finish(world, 10000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 2);
    assert_int_equal(hf_testbed_status(world).retries, 0);
    hf_testbed_end(world);
}

static void r4_outage_clock_stops_at_the_first_answer(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_peer_drop(world->peer, 0);
    hf_testbed_settle(world);
    assert_at(hf_testbed_status(world).outage_since, 1000);
    hf_testbed_go(world, 3000);
    assert_state(world, 0, HF_HEALTHY);
    assert_at(hf_testbed_status(world).outage_since, 1000); /* up, but not yet proved */
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_at(hf_testbed_status(world).outage_since, HF_NEVER);
    hf_testbed_end(world);
}

static void r4_outage_clock_stops_after_stable_after(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_peer_drop(world->peer, 0);
    hf_testbed_go(world, 3000);
    hf_testbed_go(world, 12999);
    assert_at(hf_testbed_status(world).outage_since, 1000);
    assert_at(world->next, 13000);
    hf_testbed_go(world, 13000);
    assert_at(hf_testbed_status(world).outage_since, HF_NEVER);
    hf_testbed_end(world);
}

static void r4_a_refused_statement_is_an_answer_too(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "22012");
    hf_peer_drop(world->peer, 0);
    hf_testbed_go(world, 3000);
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_at(hf_testbed_status(world).outage_since, HF_NEVER);
    hf_testbed_end(world);
}

static void r4_dying_right_after_login_does_not_reset_the_backoff(void **state) {
    (void)state;
    static const hf_ms waits[] = { 2000, 4000, 8000, 16000, 30000 };
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_ms at = world->now;
    for (unsigned i = 0; i < 5; i++) {
        hf_peer_drop(world->peer, 0); /* up for less than stable_after */
        hf_testbed_settle(world);
        at += waits[i];
        hf_testbed_go(world, at - 1);
        assert_int_equal(hf_testbed_dials(world), i + 1);
        hf_testbed_go(world, at);
        assert_int_equal(hf_testbed_dials(world), i + 2);
        assert_state(world, 0, HF_HEALTHY);
    }
    hf_testbed_wait(world, 10000);
    hf_peer_drop(world->peer, 0);
    hf_testbed_settle(world);
    assert_int_equal(hf_testbed_step(world, 0)->wait_ms, 2000);
    hf_testbed_end(world);
}

static void r5_first_loss_waits_retry_delay(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_peer_drop(world->peer, HF_ERR_RESET);
    hf_testbed_settle(world);
    assert_state(world, 0, HF_BACKOFF);
    assert_at(world->next, 3000);
    hf_testbed_go(world, 2999);
    assert_state(world, 0, HF_BACKOFF);
    hf_testbed_go(world, 3000);
    assert_state(world, 0, HF_HEALTHY);
    hf_testbed_end(world);
}

static void r5_first_delay_stands_in_for_the_first_only(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.first_delay_ms = 300;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_testbed_refuse(world, 2);
    hf_peer_drop(world->peer, 0);
    hf_testbed_go(world, 20000);
    assert_at(hf_testbed_dial(world, 1), 1300);
    assert_at(hf_testbed_dial(world, 2), 5300);
    assert_at(hf_testbed_dial(world, 3), 13300);
    hf_testbed_end(world);
}

static void r5_first_delay_0_is_at_once_by_way_of_backoff(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.first_delay_ms = 0;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_peer_drop(world->peer, 0);
    hf_testbed_settle(world);
    assert_state(world, 0, HF_HEALTHY);
    assert_at(hf_testbed_dial(world, 1), 1000);
    assert_int_equal(world->steps[2].to, HF_BACKOFF);
    assert_int_equal(world->steps[3].to, HF_RECONNECTING);
    hf_testbed_end(world);
}

static void r5_retry_delay_0_does_not_spin(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_refuse(world, HF_FOREVER);
    world->config.retry_delay_ms = 0;
    world->config.max_outage_ms = 50;
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_finish(world, 50);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_in_range(hf_testbed_dials(world), 10, 52);
    hf_testbed_end(world);
}

/* Beside a usable connection another goes by its own schedule. */
static hf_testbed *one_up_and_one_refused(uint32_t retry_delay_ms, uint32_t times) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    world->config.retry_delay_ms = retry_delay_ms;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_testbed_refuse(world, times);
    hf_pool_open(world->pool, 2);
    return world;
}

static void r5_an_own_schedule_starts_anew_once_the_connection_proved_itself(void **state) {
    (void)state;
    hf_testbed *world = one_up_and_one_refused(2000, 3);
    hf_testbed_go(world, 1000 + 2000 + 4000 + 8000);
    assert_state(world, 1, HF_HEALTHY);
    hf_testbed_wait(world, 10000); /* stable_after */
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_RST, NULL)->skip = 1;
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 2");
    hf_testbed_settle(world);
    assert_state(world, 0, HF_HEALTHY);
    assert_state(world, 1, HF_BACKOFF);
    assert_int_equal(hf_testbed_step(world, 1)->wait_ms, 2000);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 10000);
    hf_testbed_end(world);
}

static void r5_retry_delay_0_does_not_spin_beside_a_usable_connection(void **state) {
    (void)state;
    hf_testbed *world = one_up_and_one_refused(0, HF_FOREVER);
    hf_testbed_wait(world, 20);
    assert_in_range(hf_testbed_dials(world), 10, 24);
    hf_testbed_end(world);
}

static void r5_requeued_statement_takes_the_next_healthy_connection_at_once(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 2);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 3");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_at(job->ended_at, 1000);
    assert_state(world, 0, HF_BACKOFF);
    hf_testbed_end(world);
}

static void r5_40001_and_40p01_wait_by_themselves(void **state) {
    (void)state;
    static const char *const codes[] = { "40001", "40P01" };
    for (unsigned i = 0; i < 2; i++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, codes[i])->times = 2;
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_job *other = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
        hf_testbed_go(world, 2999);
        assert_int_equal(job->request.attempts, 1);
        assert_int_equal(other->request.attempts, 1); /* its own 40001 */
        hf_testbed_go(world, 3000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_outcome(other, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, 2);
        assert_int_equal(hf_testbed_dials(world), 1);
        hf_testbed_end(world);
    }
}

static void r5_40001_out_of_retries_is_failed(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "40001")->times = HF_FOREVER;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 100000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.attempts, 6);
    assert_at(job->ended_at, 1000 + 2000 + 4000 + 8000 + 16000 + 30000);
    assert_int_equal(job->errors, 6);
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r1_n_retries_are_n_waits_and_n_plus_1_tries),
        hf_test(r1_forever_has_no_limit),
        hf_test(r2_before_it_was_ever_up_dials_are_counted_or_max_outage_is),
        hf_test(r2_connect_retries_forever_go_on),
        hf_test(r2_once_up_the_schedule_runs_until_max_outage),
        hf_test(r2_max_outage_forever_never_gives_up),
        hf_test(r3_dials_57p03_53300_and_waiting_spend_no_retry),
        hf_test(r3_what_was_not_sent_spends_no_retry),
        hf_test(r4_outage_clock_stops_at_the_first_answer),
        hf_test(r4_outage_clock_stops_after_stable_after),
        hf_test(r4_a_refused_statement_is_an_answer_too),
        hf_test(r4_dying_right_after_login_does_not_reset_the_backoff),
        hf_test(r5_first_loss_waits_retry_delay),
        hf_test(r5_first_delay_stands_in_for_the_first_only),
        hf_test(r5_first_delay_0_is_at_once_by_way_of_backoff),
        hf_test(r5_retry_delay_0_does_not_spin),
        hf_test(r5_an_own_schedule_starts_anew_once_the_connection_proved_itself),
        hf_test(r5_retry_delay_0_does_not_spin_beside_a_usable_connection),
        hf_test(r5_requeued_statement_takes_the_next_healthy_connection_at_once),
        hf_test(r5_40001_and_40p01_wait_by_themselves),
        hf_test(r5_40001_out_of_retries_is_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
