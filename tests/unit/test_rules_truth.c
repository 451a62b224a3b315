/* SEMANTICS 9 to 12: sent, done, and what a request is told. hf_testbed_end() holds each outcome against what the
 * server committed. */
#include "testbed.h"

#include <stdlib.h>
#include <string.h>

/* How a request is lost on a connection that is up and has proved itself, and what becomes of the request. */
typedef struct loss {
    hf_peer_point point;
    hf_peer_deed deed;
    const char *sqlstate;
    hf_outcome unsent, safe;  /* with no retries left */
    unsigned unsent_attempts; /* with retries */
} loss;

static const loss losses[] = {
    /* The server said that it rolled back: run again, or FAILED. */
    { HF_PEER_PARSE, HF_PEER_ERROR, "40001", HF_OUTCOME_FAILED, HF_OUTCOME_FAILED, 2 },
    { HF_PEER_EXECUTE, HF_PEER_ERROR, "40001", HF_OUTCOME_FAILED, HF_OUTCOME_FAILED, 2 },
    { HF_PEER_COMMIT, HF_PEER_ERROR, "40001", HF_OUTCOME_FAILED, HF_OUTCOME_FAILED, 2 },
    /* The request may have been committed, or a pooler said the error: it runs again only if that is safe. */
    { HF_PEER_PARSE, HF_PEER_FATAL, "57P01", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_FATAL, "57P01", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_FATAL, "25P03", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_FATAL, "XX000", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_ROW, HF_PEER_FATAL, "57P01", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_FATAL, "08006", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_LAST, "XX000", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_LAST, "23505", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_COMMIT, HF_PEER_LAST, "08006", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_READY, HF_PEER_LAST, "XX000", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_READY, HF_PEER_ERROR, "08006", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_COMMIT, HF_PEER_ERROR, "XX000", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_READY, HF_PEER_ERROR, "XX000", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_ERROR, "40003", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_ERROR, "08007", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_EOF, NULL, HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_RST, NULL, HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_EXECUTE, HF_PEER_WARNING, "57P01", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_COMPLETE, HF_PEER_FATAL, "57P01", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_COMPLETE, HF_PEER_EOF, NULL, HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_READY, HF_PEER_FATAL, "57P01", HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_READY, HF_PEER_RST, NULL, HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
    { HF_PEER_READY, HF_PEER_EOF, NULL, HF_OUTCOME_UNKNOWN, HF_OUTCOME_UNKNOWN, 1 },
};

static hf_job *meet(hf_testbed *world, const loss *its, hf_replay replay) {
    hf_testbed_strike(world, its->point, its->deed, its->sqlstate);
    hf_job *job = hf_testbed_submit(world, replay, "write 1");
    hf_testbed_finish(world, 60000);
    return job;
}

static void r10_r11_a_loss_without_retries(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        for (unsigned safe = 0; safe < 2; safe++) {
            hf_testbed *world = hf_testbed_new();
            world->config.max_concurrent = 1;
            world->config.max_retries = 0;
            hf_testbed_open(world, 1000);
            hf_job *job = meet(world, &losses[i], safe ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT);
            assert_outcome(job, safe ? losses[i].safe : losses[i].unsent);
            assert_int_equal(job->request.attempts, 1);
            hf_testbed_end(world);
        }
    }
}

static void r10_r11_a_loss_with_retries(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_job *job = meet(world, &losses[i], HF_REPLAY_SAFE);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, 2);
        hf_testbed_end(world);
        world = hf_testbed_one_up(1000);
        job = meet(world, &losses[i], HF_REPLAY_UNSENT);
        assert_outcome(job, losses[i].unsent_attempts > 1 ? HF_OUTCOME_OK : HF_OUTCOME_UNKNOWN);
        assert_int_equal(job->request.attempts, losses[i].unsent_attempts);
        hf_testbed_end(world);
    }
}

static void r10_ok_only_at_ready_for_query(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_COMMIT, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_wait(world, 1000);
    assert_int_equal(job->done, 0); /* CommandComplete was read */
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* A deferred constraint, or what its trigger raises; a cancel. */
static void r10_an_error_at_sync_is_failed(void **state) {
    static const char *const codes[] = { "23503", "23505", "P0001", "54000", "57014",
                                         "58000", "58P01", "55P03", "22012", "ABCDE" };
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        for (unsigned safe = 0; safe < 2; safe++) {
            hf_testbed *world = hf_testbed_one_up(1000);
            hf_testbed_strike(world, HF_PEER_COMMIT, HF_PEER_ERROR, codes[i]);
            hf_job *job =
                hf_testbed_submit(world, safe ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT, "write 1");
            hf_testbed_settle(world);
            assert_outcome(job, HF_OUTCOME_FAILED);
            assert_int_equal(job->request.attempts, 1);
            assert_string_equal(job->request.error.sqlstate, codes[i]);
            assert_state(world, 0, HF_HEALTHY);
            hf_testbed_end(world);
        }
    }
}

static void r10_an_error_without_its_ready_proves_nothing(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "23505");
    world->script->read_limit = 1;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_tick(world->pool, world->now);
    hf_peer_pump(world->peer);
    /* All but the last byte of ReadyForQuery arrives. */
    hf_script_link *link = hf_script_link_last(world->script);
    link->to_end -= 1;
    hf_script_link_eof(link);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    assert_string_equal(job->request.error.sqlstate, "23505");
    world->script->read_limit = 0;
    hf_testbed_end(world);
}

static void r10_sent_is_the_last_byte_of_its_execute(void **state) {
    (void)state;
    /* The network takes n bytes and breaks, for each n from 0 on: NOT_SENT, up to the n with which it may have run. */
    bool sent = false;
    for (uint32_t taken = 0; taken < 400 && !sent; taken++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_script_link *link = hf_script_link_last(world->script);
        hf_script_link_room(link, taken);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        uint64_t needed = job->request.sent_at - world->pool->conns[0].tx_sent + taken;
        sent = job->done || world->pool->conns[0].tx_sent >= job->request.sent_at;
        if (!job->done) {
            hf_script_link_fail(link, HF_ERR_RESET);
            hf_testbed_finish(world, 10000);
        }
        if (sent)
            assert_int_equal(taken, needed);
        assert_outcome(job, sent ? HF_OUTCOME_UNKNOWN : HF_OUTCOME_OK);
        hf_testbed_end(world);
    }
    assert_true(sent);
}

static void r10_statements_that_commit_themselves_are_unknown_after_fatal(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_FATAL, "57P01")->times = 2;
    hf_job *call = hf_testbed_submit(world, HF_REPLAY_UNSENT, "CALL transfer()");
    hf_testbed_finish(world, 60000);
    assert_outcome(call, HF_OUTCOME_UNKNOWN);
    hf_job *vacuum = hf_testbed_submit(world, HF_REPLAY_UNSENT, "VACUUM item");
    hf_testbed_finish(world, 60000);
    assert_outcome(vacuum, HF_OUTCOME_UNKNOWN);
    hf_testbed_end(world);
}

static void r11_unknown_is_never_run_again(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_testbed_strike(world, HF_PEER_READY, HF_PEER_EOF, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 7");
    hf_testbed_wait(world, 60000);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    assert_int_equal(world->peer->committed[7], 1);
    assert_int_equal(job->request.attempts, 1);
    hf_testbed_end(world);
}

static void r11_safe_that_may_have_run_is_never_failed_later(void **state) {
    (void)state;
    /* The first attempt was committed, its answer lost; the second is refused, given up, or cancelled. */
    for (unsigned how = 0; how < 3; how++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, HF_PEER_READY, HF_PEER_EOF, NULL);
        hf_peer_fault second = { .point = HF_PEER_EXECUTE, .deed = HF_PEER_ERROR, .skip = 1 };
        second.sqlstate = how == 0 ? "23505" : NULL;
        if (how == 1)
            second = (hf_peer_fault){ .point = HF_PEER_CONNECT,
                                      .deed = HF_PEER_ERROR,
                                      .times = HF_FOREVER };
        hf_peer_add(world->peer, second);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "write 3");
        hf_testbed_settle(world);
        if (how == 2)
            hf_cancel(world->pool, &job->request);
        hf_testbed_finish(world, 400000);
        assert_outcome(job, HF_OUTCOME_UNKNOWN);
        hf_testbed_end(world);
    }
}

static void r12_only_safe_ones_are_pipelined(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_pipelined = 8;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    hf_peer_fault *hold = hf_peer_add(
        world->peer,
        (hf_peer_fault){ .point = HF_PEER_EXECUTE, .deed = HF_PEER_HOLD, .times = HF_FOREVER });
    for (unsigned i = 0; i < 3; i++)
        hf_testbed_submit(world, HF_REPLAY_SAFE, "write %u", i);
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 3");
    hf_testbed_submit(world, HF_REPLAY_SAFE, "write 4");
    hf_testbed_settle(world);
    assert_int_equal(hf_testbed_status(world).in_flight, 3);
    hold->over = true;
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_EXECUTE,
                                              .deed = HF_PEER_HOLD,
                                              .skip = 2,
                                              .times = HF_FOREVER });
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    assert_int_equal(hf_testbed_status(world).in_flight, 1); /* write 3, alone */
    assert_int_equal(world->jobs[3].request.attempts, 1);
    hf_peer_heal(world->peer);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 1000);
    assert_string_equal(world->peer->order, "0,1,2,3,4,");
    hf_testbed_end(world);
}

static void r12_an_error_in_the_pipeline_hits_one_alone(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_pipelined = 8;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "22012")->skip = 2;
    for (unsigned i = 0; i < 6; i++)
        hf_testbed_submit(world, HF_REPLAY_SAFE, "rows %u", i + 1);
    hf_testbed_finish(world, 1000);
    for (unsigned i = 0; i < 6; i++)
        assert_outcome(&world->jobs[i], i == 2 ? HF_OUTCOME_FAILED : HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r12_the_attempts_clock_starts_when_it_is_the_oldest(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_pipelined = 4;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL)->times = HF_FOREVER;
    hf_job *first = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_job *second = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_go(world, 100000);
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    assert_outcome(first, HF_OUTCOME_OK);
    assert_int_equal(second->request.attempts, 1);
    hf_testbed_go(world, 219999);
    assert_int_equal(world->peer->cancels, 0);
    hf_testbed_go(world, 220000);
    assert_int_equal(world->peer->cancels, 1);
    hf_peer_heal(world->peer);
    hf_testbed_finish(world, 10000);
    hf_testbed_end(world);
}

static void r12_on_loss_they_go_back_to_the_head_in_their_order(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_pipelined = 4;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_EOF, NULL)->skip = 1;
    for (unsigned i = 0; i < 8; i++)
        hf_testbed_submit(world, HF_REPLAY_SAFE, "write %u", i);
    hf_testbed_finish(world, 10000);
    assert_string_equal(world->peer->order, "0,1,2,3,4,5,6,7,");
    for (unsigned i = 0; i < 8; i++) {
        assert_outcome(&world->jobs[i], HF_OUTCOME_OK);
        assert_ptr_equal(world->ended[i], &world->jobs[i]);
    }
    hf_testbed_end(world);
}

static void r9_what_never_fits_is_not_sent(void **state) {
    (void)state;
    static char sql[6000];
    hf_testbed *world = hf_testbed_one_up(1000);
    memset(sql, 'x', sizeof sql - 1);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_UNSENT, "long");
    job->request.sql = sql;
    hf_testbed_resubmit(job);
    hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_int_equal(job->request.error.code, HF_ERR_TOO_LARGE);
    assert_outcome(next, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r9_what_never_fits_is_not_sent),
        hf_test(r10_r11_a_loss_without_retries),
        hf_test(r10_r11_a_loss_with_retries),
        hf_test(r10_ok_only_at_ready_for_query),
        hf_test(r10_an_error_at_sync_is_failed),
        hf_test(r10_an_error_without_its_ready_proves_nothing),
        hf_test(r10_sent_is_the_last_byte_of_its_execute),
        hf_test(r10_statements_that_commit_themselves_are_unknown_after_fatal),
        hf_test(r11_unknown_is_never_run_again),
        hf_test(r11_safe_that_may_have_run_is_never_failed_later),
        hf_test(r12_only_safe_ones_are_pipelined),
        hf_test(r12_an_error_in_the_pipeline_hits_one_alone),
        hf_test(r12_the_attempts_clock_starts_when_it_is_the_oldest),
        hf_test(r12_on_loss_they_go_back_to_the_head_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
