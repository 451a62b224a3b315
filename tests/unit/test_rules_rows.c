/* SEMANTICS 13 and 14: batches, and rows as they come. hf_testbed_end() holds each outcome against what the server
 * committed. */
#include "testbed.h"

/* Two statements. */
static hf_job *submit_batch(hf_testbed *world, const hf_statement *batch) {
    hf_job *job = hf_testbed_job(world, HF_REPLAY_UNSENT, "batch");
    job->request.sql = NULL;
    job->request.batch = batch;
    job->request.n_batch = 2;
    hf_testbed_resubmit(job);
    return job;
}

static void r13_a_batch_is_one_transaction_replayed_as_one(void **state) {
    (void)state;
    static const hf_statement batch[] = { { .sql = "write 1" }, { .sql = "write 2" } };
    for (unsigned when = 0; when < 4; when++) {
        /* before the first, between: undone, and said so; after the last, EOF before COMMIT was answered */
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_peer_fault fault = {
            .point = HF_PEER_EXECUTE, .deed = HF_PEER_ERROR, .sqlstate = "40001", .skip = when
        };
        if (when == 2)
            fault = (hf_peer_fault){ .point = HF_PEER_READY, .deed = HF_PEER_EOF };
        if (when < 3)
            hf_peer_add(world->peer, fault);
        hf_job *job = submit_batch(world, batch);
        hf_testbed_finish(world, 60000);
        assert_outcome(job, when == 2 ? HF_OUTCOME_UNKNOWN : HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, when < 2 ? 2 : 1);
        assert_int_equal(world->peer->committed[1], 1);
        assert_int_equal(world->peer->committed[2], 1);
        hf_testbed_end(world);
    }
}

/* Wherever the network stops in the middle of a batch: part of it may have run, and it was undone. */
static void r13_part_of_a_batch_is_no_not_sent(void **state) {
    (void)state;
    static const hf_statement batch[] = { { .sql = "rows 2" }, { .sql = "write 2" } };
    bool ran = false, sent = false;
    for (uint32_t taken = 0; taken < 400 && !sent; taken++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        world->peer->deaf_to_cancels = true;
        hf_script_link *link = hf_script_link_last(world->script);
        hf_script_link_room(link, taken);
        hf_job *job = submit_batch(world, batch);
        hf_testbed_settle(world);
        sent = job->done || world->pool->conns[0].tx_sent >= job->request.sent_at;
        const bool runs = job->rows > 0; /* the server answers an Execute as soon as it has it */
        hf_cancel(world->pool, &job->request);
        hf_testbed_finish(world, 60000);
        if (!sent)
            assert_outcome(job, runs ? HF_OUTCOME_FAILED : HF_OUTCOME_NOT_SENT);
        ran = ran || (runs && !sent);
        hf_testbed_end(world);
    }
    assert_true(ran && sent);
}

static uint32_t room_left;

static void network_narrows(hf_job *job, unsigned n) {
    if (n == 2)
        hf_script_link_room(hf_script_link_last(job->world->script), room_left);
}

/* The first ran, the second must be prepared anew: both are, but not handed over. */
static void r13_a_batch_that_is_prepared_anew_is_no_not_sent(void **state) {
    (void)state;
    static const hf_statement batch[] = { { .sql = "SELECT rows 2" }, { .sql = "SELECT write 2" } };
    bool again = false;
    for (room_left = 20 /* the first flight goes out whole */; room_left < 400 && !again;
         room_left++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        world->peer->deaf_to_cancels = true;
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "26000")->skip = 1;
        hf_job *job = hf_testbed_job(world, HF_REPLAY_UNSENT, "batch");
        job->request.sql = NULL;
        job->request.batch = batch;
        job->request.n_batch = 2;
        job->request.prepare = true;
        hf_testbed_resubmit(job);
        job->each = network_narrows;
        hf_testbed_settle(world);
        again = job->request.attempts == 2;
        assert_int_equal(job->restarts, again);
        hf_cancel(world->pool, &job->request);
        hf_testbed_finish(world, 60000);
        assert_outcome(job, HF_OUTCOME_FAILED);
        hf_testbed_end(world);
    }
    assert_true(again);
}

static void r13_an_error_in_a_batch_undoes_all_of_it(void **state) {
    (void)state;
    static const hf_statement batch[] = { { .sql = "write 1" }, { .sql = "write 2" } };
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "23505")->skip = 1;
    hf_job *job = submit_batch(world, batch);
    hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 3");
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(world->peer->committed[1], 0);
    assert_outcome(next, HF_OUTCOME_OK);
    assert_int_equal(world->peer->committed[3], 1);
    hf_testbed_end(world);
}

static void r13_an_open_transaction_is_rolled_back_and_failed(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "BEGIN");
    hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 3");
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.error.code, HF_ERR_OPEN_TRANSACTION);
    assert_text(&job->request.error, "the statement left a transaction open; use a batch");
    assert_int_equal(world->peer->rollbacks, 1);
    assert_outcome(next, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* Shows fault 18. */
static void r14_rows_stream_and_a_restart_voids_them(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_ROW, HF_PEER_RST, NULL)->rows = 5;
    world->script->read_limit = 11;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 9");
    /* The reset overtakes nothing that was read before it. */
    hf_testbed_finish(world, 10000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->rows, 9);
    assert_int_equal(job->request.n_rows, 9);
    hf_testbed_end(world);

    world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_ROW, HF_PEER_EOF, NULL)->rows = 5;
    job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 9");
    hf_testbed_finish(world, 10000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->restarts, 1);
    hf_testbed_end(world);
}

static void r14_pause_stops_the_clock_and_resume_goes_on(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 2000");
    job->pause_at = 7;
    hf_testbed_resubmit(job);
    hf_testbed_settle(world);
    assert_int_equal(job->rows, 7);
    hf_testbed_wait(world, 3600000);
    assert_int_equal(job->rows, 7);
    assert_int_equal(job->done, 0);
    assert_int_equal(world->peer->cancels, 0);
    assert_int_equal(world->peer->probes, 0);
    hf_resume(world->pool, &job->request);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->rows, 2000);
    hf_testbed_end(world);
}

static void r14_the_clock_goes_on_after_resume_where_it_stood(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_ROW, HF_PEER_HOLD, NULL)->rows = 3;
    hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 5");
    job->pause_at = 3;
    hf_testbed_resubmit(job);
    hf_testbed_settle(world);
    hf_testbed_go(world, 51000); /* 50 s of pause */
    job->pause_at = 0;
    hf_resume(world->pool, &job->request);
    hf_testbed_go(world, 170999);
    assert_int_equal(world->peer->cancels, 0);
    hf_testbed_go(world, 171000); /* 120 s of running */
    assert_int_equal(world->peer->cancels, 1);
    hf_peer_heal(world->peer);
    hf_testbed_finish(world, 10000);
    hf_testbed_end(world);
}

static void r14_other_deadlines_do_not_end_a_pause(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.request_timeout_ms = 5000; /* stable_after is later */
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 10");
    job->pause_at = 4;
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_EOF, NULL);
    hf_testbed_resubmit(job);
    hf_testbed_wait(world, 60000);
    assert_int_equal(world->peer->cancels, 0);
    assert_int_equal(job->rows, 4);
    hf_resume(world->pool, &job->request);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r14_a_jumped_clock_adds_nothing_to_a_pause(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 2); /* the other one's probes are what was promised */
    hf_testbed_strike(world, HF_PEER_ROW, HF_PEER_HOLD, NULL)->rows = 4;
    hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 10");
    job->pause_at = 4;
    hf_testbed_resubmit(job);
    hf_testbed_settle(world);
    hf_testbed_sleep(world, 500000);
    job->pause_at = 0;
    hf_resume(world->pool, &job->request);
    hf_testbed_go(world, 619999);
    assert_int_equal(world->peer->cancels, 0);
    hf_testbed_go(world, 620000);
    assert_int_equal(world->peer->cancels, 1);
    hf_testbed_end(world);
}

static void r14_a_loss_during_a_pause_is_seen_at_resume(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 2000");
    job->pause_at = 7;
    hf_testbed_resubmit(job);
    hf_testbed_settle(world);
    hf_peer_drop(world->peer, HF_ERR_RESET);
    hf_testbed_wait(world, 1000);
    job->pause_at = 0;
    hf_resume(world->pool, &job->request);
    hf_testbed_finish(world, 10000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->restarts, 1);
    hf_testbed_end(world);
}

static void r14_a_row_larger_than_the_buffer_fails_its_request_alone(void **state) {
    (void)state;
    for (int read_only = 0; read_only < 2; read_only++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 1;
        world->config.rx_bytes = 1024;
        world->config.read_only = read_only;
        hf_testbed_open(world, 0);
        hf_job *big = hf_testbed_submit(world, HF_REPLAY_SAFE, "big 5000");
        hf_job *fits = hf_testbed_submit(world, HF_REPLAY_SAFE, "big 900");
        hf_testbed_finish(world, 1000);
        /* The request ran. That it had no effect is certain only where it cannot have written. */
        assert_outcome(big, read_only ? HF_OUTCOME_FAILED : HF_OUTCOME_UNKNOWN);
        assert_int_equal(big->request.error.code, HF_ERR_TOO_LARGE);
        assert_outcome(fits, HF_OUTCOME_OK);
        assert_int_equal(hf_testbed_dials(world), 1);
        hf_testbed_end(world);
    }
}

/* Shows security 8. */
int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r13_a_batch_is_one_transaction_replayed_as_one),
        hf_test(r13_part_of_a_batch_is_no_not_sent),
        hf_test(r13_a_batch_that_is_prepared_anew_is_no_not_sent),
        hf_test(r13_an_error_in_a_batch_undoes_all_of_it),
        hf_test(r13_an_open_transaction_is_rolled_back_and_failed),
        hf_test(r14_rows_stream_and_a_restart_voids_them),
        hf_test(r14_pause_stops_the_clock_and_resume_goes_on),
        hf_test(r14_the_clock_goes_on_after_resume_where_it_stood),
        hf_test(r14_other_deadlines_do_not_end_a_pause),
        hf_test(r14_a_jumped_clock_adds_nothing_to_a_pause),
        hf_test(r14_a_loss_during_a_pause_is_seen_at_resume),
        hf_test(r14_a_row_larger_than_the_buffer_fails_its_request_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
