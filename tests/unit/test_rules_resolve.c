/* SEMANTICS 15: a COMMIT whose answer is lost is asked about. hf_testbed_end() holds each outcome against what the
 * server committed: nothing twice, OK only of what is there, FAILED and NOT_SENT only of what is not. */
#include "testbed.h"
#include "unit.h"

enum {
    ENDS = 1 << HF_PEER_EOF | 1 << HF_PEER_RST | 1 << HF_PEER_WARNING | 1 << HF_PEER_FATAL,
    LOSSES = ENDS | 1 << HF_PEER_SILENCE,
    RST = 1 << HF_PEER_RST,
    ERROR = 1 << HF_PEER_ERROR
};

/* A write whose connection is lost, or whose COMMIT is refused, and what becomes of it. */
// clang-format off
static const struct {
    const char *claim;
    hf_peer_point point;
    unsigned deeds; /* bits: each is done in a world of its own */
    const char *sqlstate;
    enum { USUAL, NO_RETRIES, FORGETFUL, FUTURE } variant;
    hf_peer_fault question; /* what strikes when the server is asked */
    const char *expected;
} losses[] = {
    /* Before the COMMIT there is no doubt, and no question. */
    { "at Parse", HF_PEER_PARSE, LOSSES, "57P01", USUAL, { 0 }, "ok, sent 2, asked 0" },
    { "at Execute", HF_PEER_EXECUTE, LOSSES, "57P01", USUAL, { 0 }, "ok, sent 2, asked 0" },
    { "behind its end", HF_PEER_COMPLETE, LOSSES, "57P01", USUAL, { 0 }, "ok, sent 2, asked 0" },
    { "at the ticket", HF_PEER_TICKET, LOSSES, "57P01", USUAL, { 0 }, "ok, sent 2, asked 0" },
    { "at the ticket, without retries", HF_PEER_TICKET, RST, NULL, NO_RETRIES, { 0 },
      "failed, sent 1, asked 0, HF_ERR_RESET max_retries" },
    /* When the COMMIT's answer is lost the server is asked what became of it. */
    { "committed", HF_PEER_COMMIT_DONE, LOSSES, "57P01", USUAL, { 0 }, "ok, sent 1, asked 1" },
    { "not committed", HF_PEER_COMMITS, ENDS, "57P01", USUAL, { 0 }, "ok, sent 2, asked 1" },
    { "not committed, without retries", HF_PEER_COMMITS, RST, NULL, NO_RETRIES, { 0 },
      "failed, sent 1, asked 1, HF_ERR_NET max_retries" },
    { "forgotten", HF_PEER_COMMIT_DONE, RST, NULL, FORGETFUL, { 0 }, "unknown, sent 1, asked 1, HF_ERR_UNRESOLVED" },
    { "number not given out", HF_PEER_COMMITS, RST, NULL, FUTURE, { 0 }, "ok, sent 2, asked 1" },
    /* When the COMMIT is refused the server is asked only where the SQLSTATE leaves doubt. */
    { "refused", HF_PEER_COMMITS, ERROR, "23503", USUAL, { 0 }, "failed, sent 1, asked 0, HF_ERR_SERVER 23503" },
    { "conflict", HF_PEER_COMMITS, ERROR, "40001", USUAL, { 0 }, "ok, sent 2, asked 0" },
    { "ambiguous 40003", HF_PEER_COMMITS, ERROR, "40003", USUAL, { 0 }, "ok, sent 2, asked 1" },
    { "ambiguous 08007", HF_PEER_COMMITS, ERROR, "08007", USUAL, { 0 }, "ok, sent 2, asked 1" },
    { "ambiguous 08006", HF_PEER_COMMITS, ERROR, "08006", USUAL, { 0 }, "ok, sent 2, asked 1" },
    { "ambiguous XX000", HF_PEER_COMMITS, ERROR, "XX000", USUAL, { 0 }, "ok, sent 2, asked 1" },
    { "ambiguous 08006, done", HF_PEER_COMMIT_DONE, ERROR, "08006", USUAL, { 0 }, "ok, sent 1, asked 1" },
    { "ambiguous XX000, done", HF_PEER_COMMIT_DONE, ERROR, "XX000", USUAL, { 0 }, "ok, sent 1, asked 1" },
    { "XX000 before the COMMIT", HF_PEER_EXECUTE, ERROR, "XX000", USUAL, { 0 },
      "failed, sent 1, asked 0, HF_ERR_SERVER XX000" },
    { "XX000 for ever", HF_PEER_COMMITS, ERROR, "XX000", NO_RETRIES, { 0 },
      "failed, sent 1, asked 1, HF_ERR_NET max_retries" },
    /* A question that is lost is asked again, which is no re-send (SEMANTICS 3). */
    { "question lost", HF_PEER_COMMIT_DONE, RST, NULL, NO_RETRIES,
      { .point = HF_PEER_ASK, .deed = HF_PEER_EOF, .times = 3 }, "ok, sent 1, asked 4" },
    { "question refused", HF_PEER_COMMIT_DONE, RST, NULL, USUAL,
      { .point = HF_PEER_ASK, .deed = HF_PEER_ERROR, .sqlstate = "42501" },
      "unknown, sent 1, asked 1, HF_ERR_SERVER 42501" },
};
// clang-format on

static void r15_a_commit_in_doubt_is_asked_about_and_no_other(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(losses); i++) {
        for (unsigned deed = 0; deed <= HF_PEER_LAST; deed++) {
            if (!(losses[i].deeds & 1u << deed))
                continue;
            hf_testbed *world = hf_testbed_new();
            world->config.max_concurrent = 1;
            if (losses[i].variant == NO_RETRIES)
                world->config.max_retries = 0;
            hf_testbed_open(world, 1000);
            hf_testbed_up(world, 1);
            world->peer->forgetful = losses[i].variant == FORGETFUL;
            world->peer->future = losses[i].variant == FUTURE;
            hf_testbed_strike(world, losses[i].point, (hf_peer_deed)deed, losses[i].sqlstate);
            if (losses[i].question.deed != HF_PEER_NOTHING)
                hf_peer_add(world->peer, losses[i].question);
            hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
            hf_testbed_finish(world, 300000);
            hf_testbed_expect(job, losses[i].claim, losses[i].expected);
            if (losses[i].deeds == ERROR && job->request.asks == 0)
                assert_int_equal(hf_testbed_dials(world), 1); /* the connection is kept */
            hf_testbed_end(world);
        }
    }
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

/* A server that answers before it was asked, while tx may be too full for the COMMIT. */
static void r15_an_answer_to_what_was_not_sent_whole_costs_the_link(void **state) {
    static const uint8_t answers[] = "1\0\0\0\x04"
                                     "2\0\0\0\x04"
                                     "C\0\0\0\x0a"
                                     "BEGIN\0"
                                     "1\0\0\0\x04"
                                     "2\0\0\0\x04"
                                     "C\0\0\0\x0f"
                                     "INSERT 0 1\0"
                                     "1\0\0\0\x04"
                                     "2\0\0\0\x04"
                                     "D\0\0\0\x0b\0\1\0\0\0\1"
                                     "7"
                                     "C\0\0\0\x0d"
                                     "SELECT 1\0"
                                     "Z\0\0\0\x05T";
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_script_link_room(hf_script_link_last(world->script), 4);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    hf_script_reply(world->script, answers, sizeof answers - 1);
    hf_testbed_settle(world);
    assert_state(world, 0, HF_BACKOFF);
    assert_int_equal(hf_testbed_step(world, 0)->code, HF_ERR_PROTOCOL);
    hf_testbed_finish(world, 60000);
    hf_testbed_expect(job, "not sent whole", "ok, sent 2, asked 0");
    hf_testbed_end(world);
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

/* The ticket's statement on the server, under the name that it was kept by; NULL: none. *n: how many there are. */
static hf_peer_statement *kept_ticket(hf_testbed *world, unsigned *n) {
    hf_peer_link *link = &world->peer->links[0];
    hf_peer_statement *found = NULL;
    *n = 0;
    for (unsigned i = 0; i < link->n_statements; i++) {
        hf_peer_statement *statement = &link->statements[i];
        if (statement->name[0] && strstr(statement->sql, "pg_current_xact_id()")) {
            found = statement;
            (*n)++;
        }
    }
    return found;
}

static void r17_the_ticket_is_kept_prepared_as_its_statement_is(void **state) {
    (void)state;
    unsigned n;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_settle(world);
    assert_null(kept_ticket(world, &n));
    hf_testbed_submit_kept(world, HF_REPLAY_RESOLVE, "write 2");
    hf_testbed_settle(world);
    hf_testbed_submit_kept(world, HF_REPLAY_RESOLVE, "write 3");
    hf_testbed_settle(world);
    assert_int_equal(world->peer->n_tickets, 3);
    hf_peer_statement *statement = kept_ticket(world, &n);
    assert_int_equal(n, 1);
    /* A pooler has another server for the next transaction, without the ticket's statement. */
    statement->name[0] = '?';
    hf_job *job = hf_testbed_submit_kept(world, HF_REPLAY_RESOLVE, "write 4");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 2);
    assert_true(job->request.ticket[0] != 0);
    assert_int_equal(hf_testbed_status(world).retries, 0);
    hf_testbed_submit_kept(world, HF_REPLAY_RESOLVE, "write 5");
    hf_testbed_settle(world);
    kept_ticket(world, &n);
    assert_int_equal(n, 2); /* the one that is lost, and the new one */
    hf_testbed_end(world);
}

/* A batch's statement is complete when the ticket's turn comes, and an error then leaves the ticket unprepared. */
static void r17_a_batch_prepares_its_ticket_anew_behind_an_error(void **state) {
    (void)state;
    static const hf_statement statement = { .sql = "SELECT write 1" };
    unsigned n;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_COMPLETE, HF_PEER_ERROR, "40001");
    hf_job *job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "write 1");
    job->request.batch = &statement;
    job->request.n_batch = 1;
    job->request.prepare = true;
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 2);
    kept_ticket(world, &n);
    assert_int_equal(n, 1);
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
        hf_test(r15_a_commit_in_doubt_is_asked_about_and_no_other),
        hf_test(r15_asking_voids_no_rows_and_running_again_does),
        hf_test(r13_r15_a_batch_is_resolved_as_one),
        hf_test(r15_a_row_too_large_is_failed_and_not_committed),
        hf_test(r15_another_incarnation_is_not_believed),
        hf_test(r15_in_progress_becomes_committed),
        hf_test(r15_each_commit_has_its_own_time_for_questions),
        hf_test(r15_a_standby_is_left_for_a_primary),
        hf_test(r15_without_tickets_it_runs_as_unsent),
        hf_test(r15_undone_for_want_of_a_ticket_is_no_not_sent),
        hf_test(r15_an_answer_to_what_was_not_sent_whole_costs_the_link),
        hf_test(r15_r16_what_is_cancelled_before_its_commit_is_rolled_back),
        hf_test(r15_a_cancel_in_on_commit_meets_the_commit),
        hf_test(r15_out_of_time_while_asking_is_unknown),
        hf_test(r15_a_question_without_an_answer_is_asked_again),
        hf_test(r15_an_earlier_runs_ticket_is_asked_about_first),
        hf_test(r15_a_ticket_needs_room_and_its_replay),
        hf_test(r25_on_commit_comes_before_each_commit),
        hf_test(r12_resolved_ones_run_alone),
        hf_test(r17_the_ticket_is_kept_prepared_as_its_statement_is),
        hf_test(r17_a_batch_prepares_its_ticket_anew_behind_an_error),
        hf_test(r15_holds_whichever_call_of_the_port_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
