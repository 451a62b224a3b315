/* SEMANTICS 16: a COMMIT that waits for a synchronous standby, and what a cancel would make of it. */
#include "testbed.h"

/* A COMMIT that is still in progress after request_timeout waits for a synchronous standby. */
static void r16_a_commit_that_hangs_is_asked_about_until_max_outage(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    hf_script_link_fail(hf_script_link_at(world->script, 0), HF_ERR_RESET);
    hf_testbed_wait(world, 119000);
    assert_int_equal(hf_testbed_status(world).hanging, 0);
    hf_testbed_wait(world, 3000); /* request_timeout is over */
    assert_int_equal(hf_testbed_status(world).hanging, 1);
    hf_testbed_finish(world, 600000);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    assert_true(hf_request_may_be_asked(&job->request));
    assert_int_equal(job->request.error.limit, HF_LIMIT_MAX_OUTAGE);
    assert_int_equal(hf_testbed_status(world).hanging, 0);
    hf_testbed_end(world);
}

/* A COMMIT that is held, and three more requests; request_timeout has passed, and the first question was answered. */
static hf_testbed *hanging(hf_job *jobs[4]) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    hf_testbed_open(world, 1000);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    jobs[0] = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    hf_testbed_go(world, 120999);
    assert_int_equal(jobs[0]->request.asks, 0);
    hf_testbed_go(world, 125000);
    assert_true(jobs[0]->request.asks > 0);
    assert_int_equal(hf_testbed_status(world).hanging, 1);
    jobs[1] = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 2");
    jobs[2] = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 3");
    jobs[3] = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 3");
    hf_testbed_wait(world, 5000);
    return world;
}

/* Shows found T3. */
static void r16_a_commit_is_never_cancelled_and_nothing_is_written_behind_it(void **state) {
    (void)state;
    hf_job *jobs[4];
    hf_testbed *world = hanging(jobs);
    assert_int_equal(world->peer->cancels, 0); /* the link was left instead */
    assert_int_equal(jobs[0]->done, 0);
    assert_outcome(jobs[3], HF_OUTCOME_OK); /* reads go on */
    assert_int_equal(jobs[1]->request.attempts + jobs[2]->request.attempts, 0);
    world->peer->committed[1]++; /* the standby is back */
    world->peer->tx_status[1] = HF_PEER_COMMITTED;
    hf_testbed_finish(world, 10000);
    for (unsigned i = 0; i < 4; i++)
        assert_outcome(jobs[i], HF_OUTCOME_OK);
    assert_int_equal(hf_testbed_status(world).hanging, 0);
    hf_testbed_end(world);
}

static void r16_a_commit_that_hangs_for_max_outage_is_unknown_and_what_waits_not_sent(
    void **state) {
    (void)state;
    hf_job *jobs[4];
    hf_testbed *world = hanging(jobs);
    hf_testbed_go(world, 420000); /* 300 s after it began to hang */
    assert_int_equal(jobs[0]->done, 0);
    hf_testbed_go(world, 430000);
    assert_outcome(jobs[0], HF_OUTCOME_UNKNOWN);
    assert_outcome(jobs[1], HF_OUTCOME_NOT_SENT);
    assert_outcome(jobs[2], HF_OUTCOME_NOT_SENT);
    assert_text(
        &jobs[1]->request.error,
        "given up after 300.0 s in queue (max_outage): 1 commit waits for a synchronous standby");
    hf_testbed_end(world);
}

/* A commit that must end has the grace for its answer, and no cancel either. */
static void r16_a_commit_that_must_end_has_the_grace(void **state) {
    (void)state;
    for (unsigned answered = 0; answered < 2; answered++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        world->peer->hangs = true;
        hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
        hf_testbed_settle(world);
        hf_cancel(world->pool, &job->request);
        hf_testbed_go(world, 5999);
        assert_int_equal(job->done, 0);
        if (answered)
            hf_peer_release(world->peer);
        hf_testbed_go(world, 6000);
        assert_int_equal(world->peer->cancels, 0);
        assert_outcome(job, answered ? HF_OUTCOME_OK : HF_OUTCOME_UNKNOWN);
        assert_int_equal(hf_request_may_be_asked(&job->request), !answered);
        hf_testbed_end(world);
    }
}

/* The cancel of an attempt meets its last answer: the COMMIT is not sent while it may be hit. */
static void r16_no_commit_is_sent_while_a_cancel_is_out(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    world->peer->deaf_to_cancels = true;
    hf_testbed_strike(world, HF_PEER_TICKET, HF_PEER_HOLD, NULL);
    hf_testbed_strike(world, HF_PEER_CANCEL, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_go(world, 121000);
    assert_int_equal(world->peer->cancels, 1);
    world->peer->links[0].held = false;
    hf_testbed_settle(world);
    assert_int_equal(world->peer->rollbacks, 1);
    assert_int_equal(world->peer->committed[1], 0);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 10000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.retries, 1);
    hf_testbed_end(world);
}

/* Shows found T3. */
static void r16_a_cancelled_wait_for_the_standby_is_told(void **state) {
    (void)state;
    static const hf_replay replays[] = { HF_REPLAY_UNSENT, HF_REPLAY_SAFE, HF_REPLAY_RESOLVE };
    for (size_t i = 0; i < 3; i++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, i == 2 ? HF_PEER_COMMIT_DONE : HF_PEER_READY, HF_PEER_WARNS,
                          "01000");
        hf_job *job = hf_testbed_submit(world, replays[i], "write 1");
        hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
        hf_testbed_finish(world, 10000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_true(job->request.unconfirmed);
        assert_false(next->request.unconfirmed);
        assert_int_equal(hf_testbed_status(world).unconfirmed, 1);
        hf_testbed_end(world);
    }
}

/* Another warning says nothing about that wait; and a warning to an earlier attempt says nothing about this attempt. */
static void r16_only_the_last_attempts_own_wait_counts(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_READY, HF_PEER_WARNS, "01007");
    hf_job *other = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 10000);
    hf_testbed_strike(world, HF_PEER_COMPLETE, HF_PEER_WARNS, "01000");
    hf_testbed_strike(world, HF_PEER_READY, HF_PEER_EOF, NULL);
    hf_job *again = hf_testbed_submit(world, HF_REPLAY_SAFE, "write 2");
    hf_testbed_finish(world, 10000);
    assert_outcome(other, HF_OUTCOME_OK);
    assert_false(other->request.unconfirmed);
    assert_outcome(again, HF_OUTCOME_OK);
    assert_int_equal(again->request.attempts, 2);
    assert_false(again->request.unconfirmed);
    hf_testbed_end(world);
}

/* A COMMIT whose link was left may hang: until the first answer about it nothing else is written. */
static void r16_nothing_is_written_before_a_commit_that_was_left_is_asked_about(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 3;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 3);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_HOLD, NULL);
    hf_job *left = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_go(world,
                  world->now + 120000); /* request_timeout: the question is out, and not answered */
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
    hf_job *read = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_wait(world, 2000);
    assert_int_equal(left->done, 0);
    assert_outcome(read, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 0);
    world->peer->tx_status[1] = HF_PEER_COMMITTED;
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 30000);
    assert_outcome(left, HF_OUTCOME_OK);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r16_a_commit_that_hangs_is_asked_about_until_max_outage),
        hf_test(r16_a_commit_is_never_cancelled_and_nothing_is_written_behind_it),
        hf_test(r16_a_commit_that_hangs_for_max_outage_is_unknown_and_what_waits_not_sent),
        hf_test(r16_a_commit_that_must_end_has_the_grace),
        hf_test(r16_no_commit_is_sent_while_a_cancel_is_out),
        hf_test(r16_a_cancelled_wait_for_the_standby_is_told),
        hf_test(r16_only_the_last_attempts_own_wait_counts),
        hf_test(r16_nothing_is_written_before_a_commit_that_was_left_is_asked_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
