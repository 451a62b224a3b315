/* SEMANTICS 16: a COMMIT that waits for a synchronous standby, and what a cancel would make of it. */
#include "engine/internal.h"
#include "testbed.h"

#include <stdio.h>
#include <string.h>

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

/* Three connections. The first COMMIT waits at the server, and its link is reset before its deadline. */
static hf_testbed *lost(uint32_t request_timeout_ms, hf_job **job) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 3;
    world->config.request_timeout_ms = request_timeout_ms;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 3);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    hf_script_link_fail(hf_script_link_at(world->script, 0), HF_ERR_RESET);
    hf_testbed_settle(world);
    assert_int_equal(hf_testbed_status(world).left, 1);
    return world;
}

static void the_standby_is_back(hf_testbed *world) {
    world->peer->tx_status[1] = HF_PEER_COMMITTED;
    hf_peer_heal(world->peer); /* it commits */
}

static void r16_a_commit_whose_link_is_reset_holds_writes_until_it_is_known(void **state) {
    static const hf_replay writes[] = { HF_REPLAY_UNSENT, HF_REPLAY_RESOLVE };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        hf_job *left;
        hf_testbed *world = lost(120000, &left);
        hf_job *job = hf_testbed_submit(world, writes[i], "write 2");
        hf_testbed_wait(world, 100000); /* before its deadline, too */
        assert_true(left->request.asks > 1);
        assert_int_equal(job->request.attempts, 0);
        assert_int_equal(hf_testbed_status(world).left, 1);
        assert_int_equal(hf_testbed_status(world).hanging, 0);
        the_standby_is_back(world);
        hf_testbed_finish(world, 2000);
        assert_outcome(left, HF_OUTCOME_OK);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(hf_testbed_status(world).left, 0);
        hf_testbed_end(world);
    }
}

/* A COMMIT that was under way when its link was lost costs the others little more than the questions. */
static void r16_a_commit_that_is_soon_known_holds_writes_for_a_moment(void **state) {
    (void)state;
    hf_job *left;
    hf_testbed *world = lost(120000, &left);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
    hf_testbed_wait(world, 9);
    assert_int_equal(left->request.asks, 1); /* by another connection, at once */
    the_standby_is_back(world);
    hf_testbed_wait(world, 1);
    assert_outcome(left, HF_OUTCOME_OK);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* The waits between questions grow, up to retry_delay and a second. */
static void r15_questions_are_close_at_first_and_a_second_apart_at_most(void **state) {
    static const hf_ms waits[] = { 10, 20, 40, 80, 160, 320, 640, 640, 640 };
    (void)state;
    hf_job *left;
    hf_testbed *world = lost(120000, &left);
    for (unsigned i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        hf_testbed_wait(world, waits[i] - 1);
        assert_int_equal(left->request.asks, i + 1);
        hf_testbed_wait(world, 1);
        assert_int_equal(left->request.asks, i + 2);
    }
    the_standby_is_back(world);
    hf_testbed_finish(world, 1000);
    hf_testbed_end(world);
}

/* The K of each `write K` that was sent, in order. */
static char sent[32];

static void note_send(hf_request *request) {
    const hf_job *job = request->user;
    const size_t length = strlen(sent);
    snprintf(sent + length, sizeof sent - length, "%s,", job->sql + sizeof "write");
}

static hf_job *submit_noted(hf_testbed *world, hf_replay replay, unsigned number) {
    hf_job *job = hf_testbed_submit(world, replay, "write %u", number);
    job->request.on_send = note_send;
    return job;
}

static void r16_held_writes_keep_their_order_and_reads_pass_in_theirs(void **state) {
    (void)state;
    hf_job *left, *writes[4], *reads[4];
    hf_testbed *world = lost(120000, &left);
    sent[0] = 0;
    for (unsigned i = 0; i < 4; i++) {
        writes[i] = submit_noted(world, i % 2 ? HF_REPLAY_RESOLVE : HF_REPLAY_UNSENT, i + 2);
        reads[i] = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows %u", i + 1);
        hf_testbed_wait(world, 300);
    }
    hf_job *described = hf_testbed_job(world, HF_REPLAY_UNSENT, "nothing");
    described->request.prepare_only = true;
    hf_testbed_resubmit(described);
    hf_cancel(world->pool, &writes[1]->request); /* from the midst of them */
    hf_testbed_wait(world, 300);
    assert_outcome(writes[1], HF_OUTCOME_NOT_SENT);
    assert_outcome(described, HF_OUTCOME_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_outcome(reads[i], HF_OUTCOME_OK);
        assert_ptr_equal(world->ended[i], reads[i]);
    }
    assert_string_equal(sent, "");
    the_standby_is_back(world);
    hf_testbed_finish(world, 2000);
    assert_string_equal(sent, "2,4,5,");
    assert_int_equal(hf_testbed_status(world).queued, 0);
    hf_testbed_end(world);
}

/* Requests that were sent before, and run again, were there before those that never were. */
static void r16_a_held_write_that_was_sent_before_goes_first(void **state) {
    (void)state;
    hf_job *left;
    hf_testbed *world = lost(120000, &left);
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
    hf_testbed_wait(world, 5000);
    the_standby_is_back(world);
    hf_testbed_finish(world, 1000); /* all are up, and idle */
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    sent[0] = 0;
    hf_job *early = submit_noted(world, HF_REPLAY_RESOLVE, 3);
    hf_testbed_settle(world);
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    hf_job *again = submit_noted(world, HF_REPLAY_RESOLVE, 4);
    hf_testbed_settle(world);
    assert_int_equal(early->request.attempts + again->request.attempts, 2);
    hf_script_link_fail(hf_script_link_at(world->script, 1), HF_ERR_RESET); /* of `again` */
    hf_testbed_settle(world);
    hf_job *late = submit_noted(world, HF_REPLAY_UNSENT, 5);
    hf_testbed_settle(world);
    hf_script_link_fail(hf_script_link_at(world->script, 3), HF_ERR_RESET); /* of `early` */
    hf_testbed_wait(world, 5000);
    assert_int_equal(hf_testbed_status(world).left, 1);
    assert_int_equal(early->request.attempts, 1);
    assert_int_equal(late->request.attempts, 0);
    world->peer->tx_status[again->request.ticket[0] - '0'] = HF_PEER_ABORTED;
    hf_testbed_finish(world, 2000);
    assert_string_equal(sent, "3,4,3,4,5,");
    hf_testbed_end(world);
}

/* Nothing but max_outage ends it where an attempt has no limit; the next write then starts afresh. */
static void r16_writes_are_held_for_max_outage_where_an_attempt_has_no_limit(void **state) {
    static const uint32_t none[] = { 0, HF_FOREVER };
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        hf_job *left, *writes[2];
        hf_testbed *world = lost(none[i % 2], &left);
        if (i / 2 == 1) /* nobody answers the question */
            hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_HOLD, NULL)->times = HF_FOREVER;
        world->peer->standby = i / 2 == 2; /* nobody can */
        const hf_ms asked_at = world->now;
        for (unsigned n = 0; n < 2; n++)
            writes[n] = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write %u", n + 2);
        hf_job *read = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 3");
        hf_testbed_go(world, asked_at + 299999);
        assert_int_equal(left->done + writes[0]->done + writes[1]->done, 0);
        assert_outcome(read, HF_OUTCOME_OK);
        hf_testbed_go(world, asked_at + 300000);
        for (unsigned n = 0; n < 2; n++) {
            assert_outcome(writes[n], HF_OUTCOME_NOT_SENT);
            assert_text(&writes[n]->request.error,
                        "given up after 300.0 s in queue (max_outage): what became of 1 commit is "
                        "not known");
        }
        assert_ptr_equal(world->ended[1], writes[0]);
        hf_testbed_wait(world, 1000);
        if (i / 2 != 1) {
            assert_outcome(left, HF_OUTCOME_UNKNOWN);
            assert_int_equal(left->request.error.limit, HF_LIMIT_MAX_OUTAGE);
            assert_int_equal(left->request.error.limit_ms, 300000);
            assert_true(hf_request_may_be_asked(&left->request));
            hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 4");
            hf_testbed_finish(world, 60000);
            assert_outcome(next, HF_OUTCOME_OK);
        }
        hf_peer_heal(world->peer);
        hf_testbed_end(world);
    }
}

/* The last answer, in the very tick in which the time is over, lets no write out. */
static void r16_a_commit_that_ends_unknown_takes_the_writes_with_it(void **state) {
    (void)state;
    hf_job *left;
    hf_testbed *world = lost(0, &left);
    hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_HOLD, NULL);
    hf_testbed_wait(world, 5000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 2");
    hf_testbed_go(world, 300999);
    assert_int_equal(job->done, 0);
    for (unsigned i = 1; i < HF_SCRIPT_LINKS; i++) /* all but the COMMIT's */
        world->peer->links[i].held = false;
    hf_peer_pump(world->peer);
    hf_testbed_sleep(world, 301000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_outcome(left, HF_OUTCOME_UNKNOWN);
    assert_ptr_equal(world->ended[0], job);
    hf_testbed_end(world);
}

/* The loop sleeps while writes are held, till the next question or till the writes' time is over. */
static void r16_a_held_write_lets_the_loop_sleep(void **state) {
    (void)state;
    hf_job *left;
    hf_testbed *world = lost(0, &left);
    hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_HOLD, NULL);
    hf_testbed_wait(world, 20000);
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
    hf_testbed_settle(world);
    assert_true(hf_set_any(&world->pool->free));
    const hf_ms next = hf_pool_next(world->pool);
    assert_at(world->next, next);
    assert_true(next > world->now);
    while (world->next < 301000) { /* probes of idle connections, and no more */
        const hf_ms before = world->now;
        hf_testbed_go(world, world->next);
        assert_true(world->now >= before + 100);
    }
    assert_at(world->next, 301000);
    hf_peer_heal(world->peer);
    hf_testbed_end(world);
}

/* The ticket of an earlier run: its COMMIT may hang as well. */
static void r16_a_ticket_that_is_asked_about_holds_writes_too(void **state) {
    (void)state;
    hf_job *left;
    hf_testbed *world = lost(120000, &left);
    hf_cancel(world->pool, &left->request);
    hf_testbed_wait(world, 1000);
    assert_outcome(left, HF_OUTCOME_UNKNOWN);
    hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_HOLD, NULL);
    hf_job *resumed = hf_testbed_job(world, HF_REPLAY_RESOLVE, "write 1");
    resumed->request.resolve_ticket = left->request.ticket;
    hf_testbed_resubmit(resumed);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
    hf_testbed_wait(world, 1000);
    assert_int_equal(hf_testbed_status(world).left, 1);
    assert_int_equal(job->request.attempts, 0);
    the_standby_is_back(world);
    hf_testbed_finish(world, 2000);
    assert_outcome(resumed, HF_OUTCOME_OK);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* The ticket of an earlier run whose COMMIT was rolled back. */
static hf_job *submit_ticket(hf_testbed *world, unsigned number, const char *ticket) {
    hf_job *job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "write %u", number);
    job->request.on_send = note_send;
    job->request.resolve_ticket = ticket;
    world->peer->tx_status[number] = HF_PEER_ABORTED;
    hf_testbed_resubmit(job);
    return job;
}

/* What an application saved before a restart is done again in the order in which it was submitted. */
static void r16_tickets_that_were_rolled_back_run_again_in_their_order(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_job *jobs[4];
    sent[0] = 0;
    jobs[3] = submit_noted(world, HF_REPLAY_UNSENT, 5);
    jobs[0] = submit_ticket(world, 2, "2 life/0");
    jobs[1] = submit_ticket(world, 3, "3 life/0");
    jobs[2] = submit_ticket(world, 4, "4 life/0");
    hf_testbed_finish(world, 2000);
    for (unsigned i = 0; i < 4; i++)
        assert_outcome(jobs[i], HF_OUTCOME_OK);
    assert_string_equal(sent, "2,3,4,5,");
    hf_testbed_end(world);
}

/* The first connection is not up yet: so far nothing says how long an outage may last. */
static void r16_a_write_that_is_held_before_the_first_connection_has_its_time_too(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.request_timeout_ms = 600000;
    hf_testbed_open(world, 1000);
    hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_ERROR, "53200")->times = HF_FOREVER;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 3");
    hf_job *resumed = submit_ticket(world, 2, "2 life/0");
    hf_testbed_go(world, 300999);
    assert_true(resumed->request.asks > 0);
    assert_int_equal(job->done + resumed->done, 0);
    hf_testbed_go(world, 301001);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_int_equal(resumed->done, 0);
    hf_testbed_finish(world, 600000);
    assert_outcome(resumed, HF_OUTCOME_UNKNOWN);
    hf_testbed_end(world);
}

static void r16_a_held_write_that_is_out_of_time_says_what_held_it(void **state) {
    (void)state;
    hf_job *left;
    hf_testbed *world = lost(120000, &left);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_UNSENT, "write 2");
    job->request.timeout_ms = 5000;
    hf_testbed_resubmit(job);
    hf_testbed_wait(world, 5000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_text(&job->request.error,
                "timed out after 5.0 s in queue (timeout): what became of 1 commit is not known");
    the_standby_is_back(world);
    hf_testbed_finish(world, 2000);
    hf_testbed_end(world);
}

/* A write met 25006, and its server says meanwhile that it takes writes: it is held like any other. */
static void r16_a_write_that_waited_for_its_role_is_held(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 2);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    hf_job *left = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "25006");
    hf_testbed_strike(world, HF_PEER_ROLE, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
    hf_testbed_settle(world);
    assert_int_equal(job->request.attempts, 1);
    hf_script_link_fail(hf_script_link_at(world->script, 0), HF_ERR_RESET);
    hf_testbed_settle(world);
    world->peer->links[1].held = false; /* the role is told; the COMMIT stays where it is */
    hf_testbed_wait(world, 3000);
    assert_int_equal(world->peer->role_asks, 1);
    assert_int_equal(hf_testbed_status(world).left, 1);
    assert_int_equal(job->request.attempts, 1);
    the_standby_is_back(world);
    hf_testbed_finish(world, 2000);
    assert_outcome(left, HF_OUTCOME_OK);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* A pool that closes, or gives up, ends what is held like what is queued. */
static void r16_held_writes_end_with_the_pool(void **state) {
    (void)state;
    for (unsigned closes = 0; closes < 2; closes++) {
        hf_job *left;
        hf_testbed *world = lost(120000, &left);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
        hf_testbed_wait(world, 5); /* between two questions */
        if (closes) {
            hf_pool_close(world->pool, world->now + 1000);
        } else {
            hf_testbed_refuse(world, HF_FOREVER);
            hf_peer_drop(world->peer, HF_ERR_RESET);
        }
        hf_testbed_finish(world, 301000);
        assert_outcome(left, HF_OUTCOME_UNKNOWN);
        assert_outcome(job, HF_OUTCOME_NOT_SENT);
        assert_int_equal(job->request.error.code, closes ? HF_ERR_CLOSED : HF_ERR_OUTAGE);
        assert_int_equal(hf_testbed_status(world).left, 0);
        hf_testbed_end(world);
    }
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
        hf_test(r16_a_commit_whose_link_is_reset_holds_writes_until_it_is_known),
        hf_test(r16_a_commit_that_is_soon_known_holds_writes_for_a_moment),
        hf_test(r15_questions_are_close_at_first_and_a_second_apart_at_most),
        hf_test(r16_held_writes_keep_their_order_and_reads_pass_in_theirs),
        hf_test(r16_a_held_write_that_was_sent_before_goes_first),
        hf_test(r16_writes_are_held_for_max_outage_where_an_attempt_has_no_limit),
        hf_test(r16_a_commit_that_ends_unknown_takes_the_writes_with_it),
        hf_test(r16_a_held_write_lets_the_loop_sleep),
        hf_test(r16_a_ticket_that_is_asked_about_holds_writes_too),
        hf_test(r16_tickets_that_were_rolled_back_run_again_in_their_order),
        hf_test(r16_a_write_that_is_held_before_the_first_connection_has_its_time_too),
        hf_test(r16_a_held_write_that_is_out_of_time_says_what_held_it),
        hf_test(r16_a_write_that_waited_for_its_role_is_held),
        hf_test(r16_held_writes_end_with_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
