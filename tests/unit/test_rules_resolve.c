/* SEMANTICS 15: a COMMIT whose answer is lost is asked about. hf_testbed_end() holds each outcome against what the
 * server committed: nothing twice, OK only of what is there, FAILED and NOT_SENT only of what is not. */
#include "testbed.h"

#include <string.h>

static const hf_peer_deed losses[] = { HF_PEER_EOF, HF_PEER_RST, HF_PEER_SILENCE, HF_PEER_WARNING,
                                       HF_PEER_FATAL };

static void r15_a_commit_whose_answer_is_lost_is_asked_about(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, HF_PEER_COMMIT_DONE, losses[i], "57P01");
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
        hf_testbed_finish(world, 300000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, 1);
        assert_int_equal(job->request.asks, 1);
        assert_int_equal(job->request.error.code, HF_OK);
        assert_int_equal(world->peer->committed[1], 1);
        hf_testbed_end(world);
    }
}

static void r15_what_was_not_committed_runs_again(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        if (losses[i] == HF_PEER_SILENCE)
            continue; /* the server goes on, deaf: that is "in progress" below */
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, HF_PEER_COMMITS, losses[i], "57P01");
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
        hf_testbed_finish(world, 300000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, 2);
        assert_int_equal(job->request.asks, 1);
        assert_int_equal(world->peer->committed[1], 1);
        hf_testbed_end(world);
    }
}

static void r15_rolled_back_without_retries_is_failed(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_retries = 0;
    hf_testbed_open(world, 1000);
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.asks, 1);
    assert_int_equal(job->request.error.limit, HF_LIMIT_MAX_RETRIES);
    hf_testbed_end(world);
}

/* Wherever the connection ends before its COMMIT is sent: no question, no doubt, once more. */
static void r15_a_loss_before_the_commit_leaves_no_doubt(void **state) {
    static const hf_peer_point points[] = { HF_PEER_PARSE, HF_PEER_EXECUTE, HF_PEER_COMPLETE,
                                            HF_PEER_TICKET };
    (void)state;
    for (size_t i = 0; i < 4 * sizeof losses / sizeof losses[0]; i++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, points[i % 4], losses[i / 4], "57P01");
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
        hf_testbed_finish(world, 300000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, 2);
        assert_int_equal(job->request.asks, 0);
        hf_testbed_end(world);
    }
}

static void r15_without_retries_a_loss_before_the_commit_is_failed(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_retries = 0;
    hf_testbed_open(world, 1000);
    hf_testbed_strike(world, HF_PEER_TICKET, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    hf_testbed_end(world);
}

static void r15_asking_voids_no_rows_and_running_again_does(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_COMMIT_DONE, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "rows 3");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->restarts, 0);
    assert_int_equal(job->rows, 3);
    assert_int_equal(job->request.n_rows, 3);
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_RST, NULL);
    job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "rows 4");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->restarts, 1);
    assert_int_equal(job->request.n_rows, 4);
    hf_testbed_end(world);
}

static void r13_r15_a_batch_is_resolved_as_one(void **state) {
    static const hf_statement batch[] = { { .sql = "write 1" }, { .sql = "write 2" } };
    (void)state;
    for (unsigned committed = 0; committed < 2; committed++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, committed ? HF_PEER_COMMIT_DONE : HF_PEER_COMMITS, HF_PEER_RST,
                          NULL);
        hf_job *job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "batch");
        job->request.batch = batch;
        job->request.n_batch = 2;
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 300000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, committed ? 1 : 2);
        assert_int_equal(world->peer->committed[1], 1);
        assert_int_equal(world->peer->committed[2], 1);
        hf_testbed_end(world);
    }
}

/* A row that does not fit: what it wrote is rolled back, also when the answer to that is lost. */
static void r15_a_row_too_large_is_failed_and_not_committed(void **state) {
    (void)state;
    for (unsigned lost = 0; lost < 2; lost++) {
        hf_testbed *world = hf_testbed_new();
        world->config.rx_bytes = 1024;
        hf_testbed_open(world, 1000);
        hf_testbed_up(world, 1);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "big 4000");
        if (lost)
            hf_testbed_strike(world, HF_PEER_TICKET, HF_PEER_HOLD, NULL);
        hf_testbed_settle(world);
        if (lost) {
            hf_peer_release(world->peer);
            hf_peer_pump(world->peer);
            hf_tick(world->pool, world->now); /* reads HELD, writes ROLLBACK */
            hf_peer_drop(world->peer, HF_ERR_RESET);
            hf_testbed_finish(world, 300000);
        }
        assert_outcome(job, HF_OUTCOME_FAILED);
        assert_int_equal(job->request.error.code, HF_ERR_TOO_LARGE);
        assert_int_equal(job->request.attempts, 1);
        hf_testbed_end(world);
    }
}

static void r15_another_incarnation_is_not_believed(void **state) {
    (void)state;
    for (unsigned committed = 0; committed < 2; committed++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, committed ? HF_PEER_COMMIT_DONE : HF_PEER_COMMITS, HF_PEER_RST,
                          NULL);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
        hf_testbed_settle(world);
        world->peer->life++;
        world->peer->tx_status[1] = HF_PEER_COMMITTED; /* the number, given to somebody else */
        hf_testbed_finish(world, 300000);
        assert_outcome(job, HF_OUTCOME_UNKNOWN);
        assert_int_equal(job->request.error.code, HF_ERR_UNRESOLVED);
        assert_int_equal(job->request.asks, 1);
        assert_int_equal(world->peer->committed[1], committed);
        hf_testbed_end(world);
    }
}

static void r15_what_the_server_has_forgotten_is_unknown(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    world->peer->forgetful = true;
    hf_testbed_strike(world, HF_PEER_COMMIT_DONE, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    assert_int_equal(job->request.error.code, HF_ERR_UNRESOLVED);
    hf_testbed_end(world);
}

static void r15_a_number_in_the_future_was_not_committed(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    world->peer->future = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 2);
    hf_testbed_end(world);
}

/* The old session hangs on: asked each retry_delay (1 s at most), for request_timeout from the first question. */
static void r15_in_progress_becomes_committed(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    hf_script_link_fail(hf_script_link_at(world->script, 0), HF_ERR_RESET);
    hf_testbed_wait(world, 10000);
    assert_int_equal(job->done, 0);
    assert_true(job->request.asks > 2);
    world->peer->committed[1]++; /* as the old session ends */
    world->peer->tx_status[1] = HF_PEER_COMMITTED;
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* The time for questions about the second COMMIT does not begin with the questions about the first. */
static void r15_each_commit_has_its_own_time_for_questions(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.request_timeout_ms = 5000;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    hf_testbed_wait(world, 6000); /* it is asked about after 2 s, and runs again for 4 */
    assert_int_equal(job->request.asks, 1);
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    hf_script_link_fail(hf_script_link_at(world->script, 1), HF_ERR_RESET);
    hf_testbed_wait(world, 4000);
    assert_int_equal(job->done, 0);
    assert_true(job->request.asks > 2);
    world->peer->committed[1]++; /* as the old session ends */
    world->peer->tx_status[2] = HF_PEER_COMMITTED;
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r15_a_standby_is_left_for_a_primary(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    world->peer->standby = true;
    hf_testbed_strike(world, HF_PEER_COMMIT_DONE, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_wait(world, 30000);
    assert_int_equal(job->done, 0);
    assert_true(hf_testbed_status(world).losses >= 3); /* each standby's connection was given up */
    world->peer->standby = false;
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r15_without_tickets_it_runs_as_unsent(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    world->peer->ticketless = true;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.retries, 0);
    assert_string_equal(job->request.ticket, "");
    const unsigned begins = world->peer->begins;
    hf_testbed_strike(world, HF_PEER_READY, HF_PEER_RST, NULL);
    job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 2");
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    assert_int_equal(world->peer->asks, 0);
    assert_int_equal(world->peer->begins, begins); /* it is not asked for one again */
    hf_testbed_end(world);
}

static uint32_t room_left;

static void network_narrows(hf_job *job, unsigned n) {
    (void)n;
    hf_script_link_room(hf_script_link_last(job->world->script), room_left);
}

/* The request ran, and was rolled back because there was no ticket; the attempt without a ticket is never handed over.
 */
static void r15_undone_for_want_of_a_ticket_is_no_not_sent(void **state) {
    (void)state;
    bool again = false;
    for (room_left = 0; room_left < 100 && !again; room_left++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        world->peer->ticketless = world->peer->deaf_to_cancels = true;
        hf_job *job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "rows 1");
        job->each = network_narrows;
        hf_testbed_resubmit(job);
        hf_testbed_settle(world);
        again = job->request.attempts == 2;
        hf_cancel(world->pool, &job->request);
        hf_testbed_finish(world, 60000);
        assert_outcome(job, HF_OUTCOME_FAILED);
        hf_testbed_end(world);
    }
    assert_true(again);
}

static void r15_an_error_at_the_commit_is_failed_and_asks_nothing(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_ERROR, "23503");
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_string_equal(job->request.error.sqlstate, "23503");
    assert_state(world, 0, HF_HEALTHY);
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_ERROR, "40001");
    job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 2");
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 2);
    assert_int_equal(world->peer->asks, 0);
    hf_testbed_end(world);
}

static void r15_an_ambiguous_commit_is_asked_about(void **state) {
    (void)state;
    static const char *const codes[] = { "40003", "08007", "08006" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_ERROR, codes[i]);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
        hf_testbed_finish(world, 60000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.asks, 1);
        hf_testbed_end(world);
    }
}

static void cancel_it(hf_request *request) {
    const hf_job *job = request->user;
    hf_cancel(job->world->pool, request);
}

/* What is cancelled before its COMMIT was sent is rolled back: FAILED, never UNKNOWN. */
static void r15_r16_what_is_cancelled_before_its_commit_is_rolled_back(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    world->peer->deaf_to_cancels = true;
    hf_testbed_strike(world, HF_PEER_TICKET, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &job->request);
    hf_testbed_wait(world, 100);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.error.code, HF_ERR_CANCELLED);
    assert_int_equal(world->peer->rollbacks, 1);
    assert_state(world, 0, HF_HEALTHY);
    hf_testbed_end(world);
}

/* A cancel in on_commit is too late for that: the COMMIT is under way, and its answer is taken. */
static void r15_a_cancel_in_on_commit_meets_the_commit(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "write 1");
    job->request.on_commit = cancel_it;
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r15_out_of_time_while_asking_is_unknown(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_COMMIT_DONE, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "write 1");
    job->request.timeout_ms = 1500; /* the reconnect takes 2 s */
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 1500);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    assert_int_equal(job->request.error.code, HF_ERR_TIMEOUT);
    assert_string_equal(job->request.ticket, "1 life/0");
    hf_testbed_end(world);
}

static void r15_a_lost_question_is_asked_again(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_COMMIT_DONE, HF_PEER_RST, NULL);
    hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_EOF, NULL)->times = 3;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.asks, 4);
    assert_int_equal(job->request.retries, 0); /* a question is no re-send (SEMANTICS 3) */
    hf_testbed_end(world);
}

/* What the server says beside the question is not taken for the answer. */
static void r15_a_question_without_an_answer_is_asked_again(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    world->config.request_timeout_ms = 5000;
    world->peer->mute = true;
    hf_testbed_strike(world, HF_PEER_COMMIT_DONE, HF_PEER_RST, NULL);
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_ASK,
                                              .deed = HF_PEER_NOTICE,
                                              .message = "something else",
                                              .times = HF_FOREVER });
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    assert_true(job->request.asks > 2);
    assert_int_equal(job->request.error.limit, HF_LIMIT_REQUEST);
    assert_string_equal(job->request.error.message, "the question was not answered");
    hf_testbed_end(world);
}

static void r15_a_refused_question_is_unknown(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_COMMIT_DONE, HF_PEER_RST, NULL);
    hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_ERROR, "42501");
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    assert_string_equal(job->request.error.sqlstate, "42501");
    hf_testbed_end(world);
}

static void r15_an_earlier_runs_ticket_is_asked_about_first(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_COMMIT_DONE, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "write 1");
    job->request.timeout_ms = 100;
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 100);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    job->request.timeout_ms = 0;
    job->request.resolve_ticket = job->request.ticket; /* its own memory is as good as any */
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 0);
    assert_int_equal(job->request.asks, 1);

    world->peer->tx_status[2] = HF_PEER_ABORTED;
    job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "write 2");
    job->request.resolve_ticket = "2 life/0";
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 1);
    assert_int_equal(world->peer->committed[2], 1);
    hf_testbed_end(world);
}

static void r15_a_ticket_needs_room_and_its_replay(void **state) {
    (void)state;
    char long_one[HF_TICKET_BYTES + 1];
    hf_testbed *world = hf_testbed_one_up(1000);
    memset(long_one, '1', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = 0;
    hf_request request = { .sql = "write 1",
                           .replay = HF_REPLAY_RESOLVE,
                           .resolve_ticket = long_one };
    assert_int_equal(hf_submit(world->pool, &request), HF_ERR_ARGUMENT);
    request.resolve_ticket = "1 life/0";
    request.replay = HF_REPLAY_UNSENT;
    assert_int_equal(hf_submit(world->pool, &request), HF_ERR_ARGUMENT);
    hf_testbed_end(world);
}

static unsigned told;

static void before_commit(hf_request *request) {
    const hf_job *job = request->user;
    told++;
    assert_int_equal(job->world->peer->committed[1], 0);
    assert_int_equal(job->world->peer->tx_status[told], HF_PEER_RUNNING);
    assert_true(request->ticket[0] != 0);
    assert_true(hf_request_commits_later(request) && hf_request_in_flight(request));
}

static void r25_on_commit_comes_before_each_commit(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    told = 0;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_RST, NULL);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "write 1");
    job->request.on_commit = before_commit;
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(told, 2);
    hf_testbed_end(world);
}

static void r12_resolved_ones_run_alone(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_pipelined = 8;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_submit(world, HF_REPLAY_SAFE, "write 2");
    hf_testbed_settle(world);
    assert_int_equal(world->peer->executed, 1);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 60000);
    hf_testbed_end(world);
}

static void a_resolved_write(void) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_outage_ms = 60000;
    hf_testbed_open(world, 1000);
    hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 2");
    hf_testbed_finish(world, 3600000);
    hf_testbed_end(world);
}

static void r15_holds_whichever_call_of_the_port_fails(void **state) {
    (void)state;
    hf_testbed_sweep(a_resolved_write);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r15_a_commit_whose_answer_is_lost_is_asked_about),
        hf_test(r15_what_was_not_committed_runs_again),
        hf_test(r15_rolled_back_without_retries_is_failed),
        hf_test(r15_a_loss_before_the_commit_leaves_no_doubt),
        hf_test(r15_without_retries_a_loss_before_the_commit_is_failed),
        hf_test(r15_asking_voids_no_rows_and_running_again_does),
        hf_test(r13_r15_a_batch_is_resolved_as_one),
        hf_test(r15_a_row_too_large_is_failed_and_not_committed),
        hf_test(r15_another_incarnation_is_not_believed),
        hf_test(r15_what_the_server_has_forgotten_is_unknown),
        hf_test(r15_a_number_in_the_future_was_not_committed),
        hf_test(r15_in_progress_becomes_committed),
        hf_test(r15_each_commit_has_its_own_time_for_questions),
        hf_test(r15_a_standby_is_left_for_a_primary),
        hf_test(r15_without_tickets_it_runs_as_unsent),
        hf_test(r15_undone_for_want_of_a_ticket_is_no_not_sent),
        hf_test(r15_an_error_at_the_commit_is_failed_and_asks_nothing),
        hf_test(r15_an_ambiguous_commit_is_asked_about),
        hf_test(r15_r16_what_is_cancelled_before_its_commit_is_rolled_back),
        hf_test(r15_a_cancel_in_on_commit_meets_the_commit),
        hf_test(r15_out_of_time_while_asking_is_unknown),
        hf_test(r15_a_lost_question_is_asked_again),
        hf_test(r15_a_question_without_an_answer_is_asked_again),
        hf_test(r15_a_refused_question_is_unknown),
        hf_test(r15_an_earlier_runs_ticket_is_asked_about_first),
        hf_test(r15_a_ticket_needs_room_and_its_replay),
        hf_test(r25_on_commit_comes_before_each_commit),
        hf_test(r12_resolved_ones_run_alone),
        hf_test(r15_holds_whichever_call_of_the_port_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
