/* SEMANTICS 6 to 8, and the faults beside them: who dials, when it is given up, what is kept. */
#include "testbed.h"

#include <string.h>

#include "engine/internal.h"

/* Shows security 17. */
static void r6_one_dials_alone_the_others_follow(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    hf_peer_fault *hang = hf_peer_add(
        world->peer,
        (hf_peer_fault){ .point = HF_PEER_STARTUP, .deed = HF_PEER_HOLD, .times = HF_FOREVER });
    for (unsigned i = 0; i < 6; i++)
        hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_go(world, 5000);
    assert_int_equal(world->script->opened, 1);
    assert_state(world, 1, HF_IDLE);
    hang->over = true;
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL)->times = HF_FOREVER;
    hf_peer_release(world->peer);
    hf_testbed_go(world, 5000);
    for (unsigned i = 0; i < 3; i++)
        assert_state(world, i, HF_HEALTHY);
    hf_testbed_end(world);
}

/* 16 dial beside the one that is up, and none of them gets on; when that one is lost it dials beside them. */
static void r6_who_dials_alone_waits_for_no_other_dial(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = HF_DIALS_AT_ONCE + 4;
    world->config.rx_bytes = 4096;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_HOLD, NULL)->times = HF_FOREVER;
    hf_pool_open(world->pool, HF_DIALS_AT_ONCE + 4);
    hf_testbed_wait(world, 3000);
    assert_int_equal(hf_testbed_status(world).conns[HF_CONNECTING], HF_DIALS_AT_ONCE);
    hf_script_link_fail(hf_script_link_at(world->script, 0), HF_ERR_RESET);
    hf_testbed_wait(world, world->config.retry_delay_ms);
    assert_state(world, 0, HF_RECONNECTING);
    assert_int_equal(hf_testbed_status(world).conns[HF_CONNECTING], HF_DIALS_AT_ONCE);
    hf_testbed_end(world);
}

static void r6_followers_are_spread_by_jitter(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 8;
    world->config.jitter_percent = 50;
    hf_testbed_open(world, 0);
    hf_pool_open(world->pool, 8);
    hf_testbed_go(world, 0);
    assert_int_equal(world->script->opened, 1);
    hf_testbed_go(world, 3000);
    unsigned apart = 0;
    for (unsigned i = 0; i < 8; i++)
        assert_state(world, i, HF_HEALTHY);
    for (unsigned i = 1; i < 8; i++)
        apart += hf_testbed_dial(world, i) > hf_testbed_dial(world, i - 1);
    assert_true(apart >= 5);
    hf_testbed_end(world);
}

static void r6_followers_of_an_outage_are_spread_by_jitter(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 8;
    world->config.jitter_percent = 50;
    hf_testbed_open(world, 0);
    hf_pool_open(world->pool, 8);
    hf_testbed_wait(world, 20000);
    const unsigned before = hf_testbed_dials(world);
    hf_testbed_refuse(world, 3);
    hf_peer_drop(world->peer, 0);
    hf_testbed_wait(world, 60000);
    assert_int_equal(hf_testbed_dials(world), before + 3 + 8); /* the canary's, then each once */
    const hf_ms canary = hf_testbed_dial(world, before + 3);
    unsigned apart = 0;
    for (unsigned i = before + 4; i < before + 11; i++) {
        apart += hf_testbed_dial(world, i) > hf_testbed_dial(world, i - 1);
        assert_in_range(hf_testbed_dial(world, i) - canary, 0, 1000); /* retry_delay x jitter */
    }
    assert_true(apart >= 5);
    hf_testbed_end(world);
}

static void r6_after_an_outage_one_dials_alone_again(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 3);
    hf_testbed_wait(world, 20000);
    unsigned before = world->script->opened;
    hf_testbed_refuse(world, 3);
    hf_peer_drop(world->peer, 0);
    hf_ms lost = world->now;
    hf_testbed_go(world, lost + 29999); /* waits 2 4 8 16 of one canary */
    assert_int_equal(world->script->opened - before, 3);
    hf_testbed_go(world, lost + 30000);
    hf_testbed_wait(world, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_state(world, i, HF_HEALTHY);
    assert_int_equal(world->script->opened - before, 6);
    hf_testbed_end(world);
}

static void r7_after_an_exhausted_outage_the_next_submit_starts_afresh(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_refuse(world, HF_FOREVER);
    hf_testbed_open(world, 0);
    hf_job *first = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_finish(world, 100000);
    assert_outcome(first, HF_OUTCOME_NOT_SENT);
    hf_testbed_wait(world, 60000);
    assert_int_equal(hf_testbed_dials(world), 4);
    hf_job *second = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_int_equal(hf_testbed_dials(world), 5);
    assert_int_equal(second->done, 0);
    hf_peer_heal(world->peer);
    hf_testbed_finish(world, 2000);
    assert_outcome(second, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r7_giving_up_ends_what_waits_for_itself_but_not_what_callbacks_submit(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "40001")->times = HF_FOREVER;
    world->config.retry_delay_ms = 200000; /* its wait is longer than the outage */
    world->config.max_retry_delay_ms = 1000000;
    hf_job *waits = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    world->config.max_outage_ms = 50000;
    hf_testbed_refuse(world, HF_FOREVER);
    hf_peer_drop(world->peer, 0);
    hf_job *queued = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
    hf_testbed_go(world, 51000);
    assert_outcome(queued, HF_OUTCOME_NOT_SENT);
    assert_outcome(waits, HF_OUTCOME_FAILED); /* it ran, and was undone */
    hf_testbed_end(world);
}

static void permanent(const char *sqlstate) {
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_FATAL, sqlstate)->times = HF_FOREVER;
    hf_job *first = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_job *other = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_outcome(first, HF_OUTCOME_NOT_SENT);
    assert_outcome(other, HF_OUTCOME_NOT_SENT);
    assert_string_equal(first->request.error.sqlstate, sqlstate);
    assert_true(hf_testbed_status(world).refused);
    hf_job *later = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_outcome(later, HF_OUTCOME_NOT_SENT);
    assert_string_equal(later->request.error.sqlstate, sqlstate);
    hf_testbed_wait(world, 1000000);
    assert_int_equal(world->peer->logins, 1);
    hf_peer_heal(world->peer);
    hf_pool_reset(world->pool);
    hf_job *after = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_outcome(after, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* Shows security 17. */
static void r7_a_permanent_refusal_fails_submits_until_reset(void **state) {
    (void)state;
    permanent("28P01");
    permanent("28000");
    permanent("3D000");
    permanent("42501");
}

static void r7_a_refused_extra_dial_is_not_repeated(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_STARTUP,
                                              .deed = HF_PEER_FATAL,
                                              .sqlstate = "28P01",
                                              .skip = 1,
                                              .times = HF_FOREVER });
    hf_job *jobs[20];
    for (unsigned i = 0; i < 20; i++)
        jobs[i] = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_finish(world, 1000);
    for (unsigned i = 0; i < 20; i++)
        assert_outcome(jobs[i], HF_OUTCOME_OK);
    hf_testbed_wait(world, 1000000);
    assert_int_equal(world->peer->logins, 2);
    assert_state(world, 0, HF_HEALTHY);
    assert_false(hf_testbed_status(world).refused);
    /* The last good connection lost, nobody logs in again with what was refused. */
    hf_peer_drop(world->peer, 0);
    hf_job *late = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_outcome(late, HF_OUTCOME_NOT_SENT);
    assert_string_equal(late->request.error.sqlstate, "28P01");
    assert_int_equal(world->peer->logins, 2);
    hf_testbed_end(world);
}

/* The canary is refused and goes idle while the outage is not over: another connection dials in its place. */
static void r6_a_canary_that_was_refused_holds_nobody_up(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 2);
    hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_FATAL, "28P01");
    hf_script_link_fail(hf_script_link_at(world->script, 0), HF_ERR_RESET);
    hf_testbed_wait(world, 3000);
    assert_state(world, 0, HF_IDLE);
    assert_state(world, 1, HF_HEALTHY);
    hf_pool_reset(world->pool); /* the password was put right */
    hf_pool_open(world->pool, 1);
    hf_peer_drop(world->peer, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_finish(world, 10000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* Shows fault 14, security 17. */
static void f14_one_failed_login_when_the_password_changes_and_all_are_killed(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 3);
    hf_testbed_wait(world, 20000);
    unsigned before = world->peer->logins;
    hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_FATAL, "28P01")->times = HF_FOREVER;
    hf_peer_say(world->peer, 'F', "57P01");
    hf_testbed_wait(world, 1000000);
    assert_int_equal(world->peer->logins - before, 1);
    assert_true(hf_testbed_status(world).refused);
    hf_testbed_end(world);
}

/* Shows fault 14. */
static void f14_logging_in_is_left_to_the_next_when_one_fails(void **state) {
    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        hf_testbed *world = hf_testbed_new();
        hf_testbed_open(world, 0);
        hf_testbed_up(world, 1);
        hf_peer_fault fault = { .point = HF_PEER_STARTUP, .deed = HF_PEER_RST };
        if (how > 0) { /* asked for less, it is dialled again, and that hangs or is refused */
            fault.deed = HF_PEER_FATAL;
            fault.sqlstate = "08P01";
            fault.message = "unsupported startup parameter: tcp_keepalives_idle";
            hf_testbed_strike(world, HF_PEER_CONNECT, how > 1 ? HF_PEER_ERROR : HF_PEER_SILENCE,
                              NULL)
                ->skip = 2;
        }
        hf_peer_add(world->peer, fault);
        hf_pool_open(world->pool, 3);
        hf_testbed_settle(world);
        hf_pool_status status = hf_testbed_status(world);
        assert_int_equal(status.conns[how == 1 ? HF_CONNECTING : HF_BACKOFF], 1);
        assert_int_equal(status.conns[HF_HEALTHY], 2); /* the third at once */
        hf_testbed_end(world);
    }
}

/* Shows fault 43. */
static void f43_connections_that_are_lost_at_once_come_back_spread(void **state) {
    (void)state;
    for (unsigned set = 0; set < 2; set++) {
        unsigned apart = 0;
        uint32_t last = 0;
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 8;
        world->config.jitter_percent = 50;
        world->config.first_delay_ms = set ? 5000 : HF_UNSET;
        hf_testbed_open(world, 0);
        hf_pool_open(world->pool, 8);
        hf_testbed_wait(world, 20000);
        hf_peer_drop(world->peer, 0);
        hf_tick(world->pool, world->now);
        for (unsigned i = 0; i < 8; i++) {
            uint32_t wait = hf_testbed_step(world, i)->wait_ms, most = set ? 5000 : 2000;
            assert_in_range(wait, most / 2, most);
            apart += wait != last;
            last = wait;
        }
        assert_true(apart >= 6);
        hf_testbed_wait(world, 20000);
        assert_int_equal(hf_testbed_status(world).conns[HF_HEALTHY], 8);
        hf_testbed_end(world);
    }
}

/* Shows fault 7. */
static void f7_53300_shrinks_and_grows_back(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    hf_peer_fault *full = hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_STARTUP,
                                                                    .deed = HF_PEER_FATAL,
                                                                    .sqlstate = "53300",
                                                                    .skip = 1,
                                                                    .times = HF_FOREVER });
    hf_pool_open(world->pool, 3);
    hf_testbed_go(world, 30000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(hf_testbed_status(world).conns[HF_HEALTHY], 1);
    assert_in_range(world->peer->logins, 5, 11); /* by their own backoff, no storm */
    full->over = true;
    hf_testbed_wait(world, 30000);
    assert_int_equal(hf_testbed_status(world).conns[HF_HEALTHY], 3);
    hf_testbed_end(world);
}

static void r16_queued_too_long_in_an_outage_says_why_it_had_to_wait(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_outage_ms = HF_FOREVER;
    hf_testbed_refuse(world, HF_FOREVER);
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_UNSENT, "write 1");
    job->request.timeout_ms = 5000;
    hf_testbed_resubmit(job);
    hf_testbed_go(world, 5000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_text(&job->request.error,
                "timed out after 5.0 s in queue (timeout): connection refused in tcp");
    hf_testbed_end(world);
}

static void r8_an_idle_connection_is_kept_and_probed(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_wait(world, 3600000);
    assert_state(world, 0, HF_HEALTHY);
    assert_int_equal(world->peer->probes, 120);
    assert_int_equal(hf_testbed_dials(world), 1);
    hf_testbed_end(world);
}

static void r7_a_first_try_that_outlasts_the_limit_says_so(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_outage_ms = 700;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_CONNECT, HF_PEER_SILENCE, NULL)->times = HF_FOREVER;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_go(world, 700);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_text(&job->request.error,
                "given up after 0.7 s (max_outage): the connection was still being made");
    hf_testbed_end(world);
}

static void r8_a_lost_idle_connection_comes_back(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_peer_say(world->peer, 'F', "57P05");
    hf_testbed_go(world, 3000);
    assert_state(world, 0, HF_HEALTHY);
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r6_one_dials_alone_the_others_follow),
        hf_test(r6_who_dials_alone_waits_for_no_other_dial),
        hf_test(r6_followers_are_spread_by_jitter),
        hf_test(r6_followers_of_an_outage_are_spread_by_jitter),
        hf_test(r6_after_an_outage_one_dials_alone_again),
        hf_test(r7_after_an_exhausted_outage_the_next_submit_starts_afresh),
        hf_test(r7_giving_up_ends_what_waits_for_itself_but_not_what_callbacks_submit),
        hf_test(r7_a_permanent_refusal_fails_submits_until_reset),
        hf_test(r7_a_refused_extra_dial_is_not_repeated),
        hf_test(r6_a_canary_that_was_refused_holds_nobody_up),
        hf_test(f14_one_failed_login_when_the_password_changes_and_all_are_killed),
        hf_test(f14_logging_in_is_left_to_the_next_when_one_fails),
        hf_test(f43_connections_that_are_lost_at_once_come_back_spread),
        hf_test(f7_53300_shrinks_and_grows_back),
        hf_test(r7_a_first_try_that_outlasts_the_limit_says_so),
        hf_test(r16_queued_too_long_in_an_outage_says_why_it_had_to_wait),
        hf_test(r8_an_idle_connection_is_kept_and_probed),
        hf_test(r8_a_lost_idle_connection_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
