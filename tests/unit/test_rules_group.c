/* SEMANTICS 45 and 12: reads that share a Sync, and how many statements are in flight on a connection. */
#include "testbed.h"

#include <stdio.h>
#include <string.h>

enum { READS = 8 };

/* Opens `conns` connections to sessions that are read-only, up at 1000. */
static hf_testbed *up(uint32_t conns, uint32_t pipelined, bool serializable) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = conns;
    world->config.max_pipelined = pipelined;
    world->config.read_only = true;
    world->peer->serializable = serializable;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, conns);
    return world;
}

/* Opens one connection, on which "SELECT rows 2" is prepared. */
static hf_testbed *reading(uint32_t pipelined) {
    hf_testbed *world = up(1, pipelined, false);
    hf_testbed_submit_kept(world, HF_REPLAY_SAFE, "rows 2");
    hf_testbed_settle(world);
    world->peer->syncs = 0;
    return world;
}

static unsigned in_flight(const hf_testbed *world, unsigned conn) {
    unsigned n = 0;
    for (unsigned i = 0; i < world->n_jobs; i++)
        n += world->jobs[i].request.conn == &world->pool->conns[conn];
    return n;
}

/* Submits so many reads; the job of the first one. */
static hf_job *submit_reads(hf_testbed *world, unsigned n) {
    hf_job *first = &world->jobs[world->n_jobs];
    for (unsigned i = 0; i < n; i++)
        hf_testbed_submit_kept(world, HF_REPLAY_SAFE, "rows 2");
    return first;
}

/* The nth read from here on meets this at its Execute. */
static hf_peer_fault *strike_nth(hf_testbed *world, unsigned n, hf_peer_deed deed,
                                 const char *sqlstate) {
    hf_peer_fault *fault = hf_testbed_strike(world, HF_PEER_EXECUTE, deed, sqlstate);
    fault->skip = n;
    return fault;
}

static void expect_all_ok(const hf_job *jobs, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        assert_outcome(&jobs[i], HF_OUTCOME_OK);
        assert_int_equal(jobs[i].rows, 2);
        assert_int_equal(jobs[i].request.retries, 0);
    }
}

static void r45_reads_share_a_sync(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    const hf_job *jobs = submit_reads(world, READS);
    hf_testbed_settle(world);
    expect_all_ok(jobs, READS);
    assert_int_equal(world->peer->syncs, 1);
    for (unsigned i = 0; i < READS; i++)
        assert_ptr_equal(world->ended[1 + i], &jobs[i]);
    hf_testbed_end(world);
}

static void r45_with_max_pipelined_1_each_has_its_own(void **state) {
    (void)state;
    hf_testbed *world = reading(1);
    expect_all_ok((submit_reads(world, READS)), 0);
    hf_testbed_settle(world);
    expect_all_ok(&world->jobs[1], READS);
    assert_int_equal(world->peer->syncs, READS);
    hf_testbed_end(world);
}

/* Submits a read, the statement, and a read. How many Syncs there were? */
static unsigned syncs_around(bool read_only, hf_replay replay, const char *sql, bool kept) {
    hf_testbed *world = reading(2 * READS);
    world->config.read_only = read_only;
    submit_reads(world, 1);
    hf_job *job = hf_testbed_job(world, replay, "%s", strstr(sql, "rows") ? "rows 2" : sql);
    snprintf(job->kept, sizeof job->kept, "%s", sql);
    job->request.sql = job->kept;
    job->request.prepare = kept;
    hf_testbed_resubmit(job);
    submit_reads(world, 1);
    hf_testbed_settle(world);
    assert_int_equal(world->n_done, 4);
    const unsigned syncs = world->peer->syncs;
    hf_testbed_end(world);
    return syncs;
}

static void r45_only_reads_that_change_nothing_share(void **state) {
    (void)state;
    assert_int_equal(syncs_around(true, HF_REPLAY_SAFE, "SELECT rows 2", true), 1);
    assert_int_equal(syncs_around(true, HF_REPLAY_UNSENT, "SELECT rows 2", true), 3);
    assert_int_equal(syncs_around(true, HF_REPLAY_SAFE, "SET a TO 1", true), 3);
    assert_int_equal(syncs_around(true, HF_REPLAY_SAFE, "SELECT rows 2 INTO a", true), 3);
    assert_int_equal(syncs_around(true, HF_REPLAY_SAFE, "SELECT rows 2", false), 3);
}

static void r45_a_session_that_may_write_shares_nothing(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_pipelined = 2 * READS;
    hf_testbed_open(world, 0);
    submit_reads(world, READS);
    hf_testbed_finish(world, 1000);
    assert_int_equal(world->peer->syncs, READS);
    hf_testbed_end(world);
}

static void r45_ok_comes_at_the_groups_ready_for_query(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    hf_testbed_strike(world, HF_PEER_COMMIT, HF_PEER_HOLD, NULL);
    const hf_job *jobs = submit_reads(world, READS);
    hf_testbed_settle(world);
    for (unsigned i = 0; i < READS; i++) {
        assert_int_equal(jobs[i].rows, 2); /* they are delivered as they come */
        assert_int_equal(jobs[i].done, 0);
    }
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    expect_all_ok(jobs, READS);
    hf_testbed_end(world);
}

static void r45_an_error_is_one_statements_and_the_skipped_run_again(void **state) {
    (void)state;
    for (unsigned nth = 0; nth < READS; nth++) {
        hf_testbed *world = reading(2 * READS);
        strike_nth(world, nth, HF_PEER_ERROR, "22012");
        const hf_job *jobs = submit_reads(world, READS);
        hf_testbed_finish(world, 1000);
        for (unsigned i = 0; i < READS; i++) {
            assert_outcome(&jobs[i], i == nth ? HF_OUTCOME_FAILED : HF_OUTCOME_OK);
            assert_int_equal(jobs[i].restarts, 0);
            assert_int_equal(jobs[i].rows, i == nth ? 0 : 2);
            assert_int_equal(jobs[i].request.retries, 0);
            assert_int_equal(jobs[i].request.attempts, i > nth ? 2 : 1);
        }
        assert_string_equal(jobs[nth].request.error.sqlstate, "22012");
        assert_int_equal(world->peer->syncs, READS - nth); /* the skipped ones: each its own */
        assert_int_equal(hf_testbed_dials(world), 1);
        hf_testbed_end(world);
    }
}

static void r45_one_that_is_to_run_again_keeps_its_place(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    world->config.retry_delay_ms = 0;
    strike_nth(world, 2, HF_PEER_ERROR, "57014"); /* somebody else's */
    for (unsigned i = 0; i < READS; i++) {
        hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 2");
        strcpy(job->kept, "SELECT rows 2");
        job->request.sql = job->kept;
        job->request.prepare = job->request.wait_passing = true;
        hf_testbed_resubmit(job);
    }
    hf_testbed_finish(world, 1000);
    for (unsigned i = 0; i < READS; i++) {
        assert_outcome(&world->jobs[1 + i], HF_OUTCOME_OK);
        assert_ptr_equal(world->ended[1 + i], &world->jobs[1 + i]);
        assert_int_equal(world->jobs[1 + i].request.retries, i == 2);
    }
    hf_testbed_end(world);
}

static void r45_a_serializable_error_voids_the_group(void **state) {
    (void)state;
    hf_testbed *world = up(1, 2 * READS, true);
    hf_testbed_submit_kept(world, HF_REPLAY_SAFE, "rows 2");
    hf_testbed_settle(world);
    strike_nth(world, 3, HF_PEER_ERROR, "22012");
    const hf_job *jobs = submit_reads(world, READS);
    hf_testbed_finish(world, 1000);
    for (unsigned i = 0; i < READS; i++) {
        assert_outcome(&jobs[i], i == 3 ? HF_OUTCOME_FAILED : HF_OUTCOME_OK);
        assert_int_equal(jobs[i].restarts, i < 3);
        assert_int_equal(jobs[i].request.attempts, i == 3 ? 1 : 2);
        assert_int_equal(jobs[i].request.retries, 0);
    }
    hf_testbed_end(world);
}

/* A session whose transactions are serializable: the last answer of the group is there, and its commit is refused. */
static void r45_a_serializable_error_at_the_groups_commit_voids_it(void **state) {
    (void)state;
    hf_testbed *world = up(1, 2 * READS, true);
    hf_testbed_submit_kept(world, HF_REPLAY_SAFE, "rows 2");
    hf_testbed_settle(world);
    hf_testbed_strike(world, HF_PEER_COMMIT, HF_PEER_ERROR, "40001");
    const hf_job *jobs = submit_reads(world, READS);
    hf_testbed_finish(world, 10000);
    expect_all_ok(jobs, READS);
    for (unsigned i = 0; i < READS; i++)
        assert_int_equal(jobs[i].request.attempts, 2);
    hf_testbed_end(world);
}

/* The group runs inside a transaction that is rolled back, because a request before it left that open. */
static void r45_a_transaction_that_was_left_open_voids_the_groups_in_it(void **state) {
    (void)state;
    hf_testbed *world = reading(4 * READS);
    hf_peer_tell(world->peer, "TimeZone", "UTC"); /* nothing is kept any more */
    hf_testbed_settle(world);
    hf_testbed_submit(world, HF_REPLAY_SAFE, "BEGIN");
    hf_job *jobs = submit_reads(world, READS);
    for (unsigned i = 0; i < READS; i++)
        jobs[i].request.on_error = NULL; /* the driver's own error has no fields */
    hf_testbed_finish(world, 10000);
    for (unsigned i = 0; i < READS; i++) {
        assert_outcome(&jobs[i], HF_OUTCOME_OK);
        assert_int_equal(jobs[i].request.attempts, 2);
    }
    hf_testbed_end(world);
}

/* Nothing is kept any more, because a setting has changed, when a statement that is not kept changes the isolation. */
static void r45_the_isolation_is_asked_anew_when_it_may_have_changed(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    hf_peer_tell(world->peer, "TimeZone", "UTC");
    hf_testbed_settle(world);
    hf_testbed_submit(world, HF_REPLAY_SAFE, "SELECT 1, set_config('a', 'b', false)");
    hf_testbed_settle(world);
    world->peer->serializable = true; /* as it would be now */
    submit_reads(world, 1);
    hf_testbed_settle(world);
    strike_nth(world, 3, HF_PEER_ERROR, "22012");
    const hf_job *jobs = submit_reads(world, READS);
    hf_testbed_finish(world, 1000);
    for (unsigned i = 0; i < READS; i++) {
        assert_outcome(&jobs[i], i == 3 ? HF_OUTCOME_FAILED : HF_OUTCOME_OK);
        assert_int_equal(jobs[i].request.attempts, i == 3 ? 1 : 2);
    }
    hf_testbed_end(world);
}

/* A statement that was prepared by itself (prepare_only) is no read: the isolation is asked with the first that is. */
static void r45_the_isolation_is_asked_though_the_statement_was_prepared_before(void **state) {
    (void)state;
    hf_testbed *world = up(1, 2 * READS, false);
    hf_request only = { .sql = "SELECT rows 2", .prepare = true, .prepare_only = true };
    assert_int_equal(hf_submit(world->pool, &only), HF_OK);
    hf_testbed_settle(world);
    assert_int_equal(only.outcome, HF_OUTCOME_OK);
    submit_reads(world, 1);
    hf_testbed_settle(world);
    strike_nth(world, 3, HF_PEER_ERROR, "22012");
    const hf_job *jobs = submit_reads(world, READS);
    hf_testbed_finish(world, 1000);
    for (unsigned i = 0; i < READS; i++) {
        assert_outcome(&jobs[i], i == 3 ? HF_OUTCOME_FAILED : HF_OUTCOME_OK);
        assert_int_equal(jobs[i].request.attempts, i > 3 ? 2 : 1);
    }
    hf_testbed_end(world);
}

static void r45_a_group_has_one_clock_and_its_time_out_is_nobodys(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    strike_nth(world, 3, HF_PEER_HOLD, NULL);
    const hf_job *jobs = submit_reads(world, READS);
    hf_testbed_go(world, 120999);
    assert_int_equal(world->peer->cancels, 0);
    hf_testbed_go(world, 121000);
    assert_int_equal(world->peer->cancels, 1);
    hf_testbed_settle(world);
    expect_all_ok(jobs, READS);
    for (unsigned i = 0; i < READS; i++) {
        assert_int_equal(jobs[i].request.attempts, i < 3 ? 1 : 2);
        assert_int_equal(jobs[i].restarts, 0);
    }
    assert_int_equal(world->peer->syncs, 1 + (READS - 3));
    hf_testbed_end(world);
}

static void r45_only_behind_that_a_time_out_is_a_statements_own(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    world->config.max_retries = 0;
    strike_nth(world, 3, HF_PEER_HOLD, NULL);
    hf_job *jobs = submit_reads(world, READS);
    hf_testbed_settle(world);
    strike_nth(world, 0, HF_PEER_HOLD, NULL); /* the same statement again, alone */
    hf_testbed_go(world, 240999);
    assert_int_equal(jobs[3].done, 0);
    hf_testbed_go(world, 241000);
    assert_outcome(&jobs[3], HF_OUTCOME_FAILED);
    assert_text(&jobs[3].request.error, "timed out after 120.0 s in query (request_timeout)");
    hf_testbed_settle(world);
    for (unsigned i = 0; i < READS; i++)
        assert_outcome(&jobs[i], i == 3 ? HF_OUTCOME_FAILED : HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r45_a_cancel_without_an_answer_makes_them_run_again(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    world->peer->deaf_to_cancels = true;
    strike_nth(world, 3, HF_PEER_HOLD, NULL);
    const hf_job *jobs = submit_reads(world, READS);
    hf_testbed_finish(world, 200000);
    for (unsigned i = 0; i < READS; i++) {
        assert_outcome(&jobs[i], HF_OUTCOME_OK);
        assert_int_equal(jobs[i].request.retries, 0);
        assert_int_equal(jobs[i].restarts, i < 3); /* no ReadyForQuery came for them */
    }
    hf_testbed_end(world);
}

static void r45_one_that_is_cancelled_ends_alone(void **state) {
    (void)state;
    for (unsigned nth = 0; nth < READS; nth++) {
        hf_testbed *world = reading(2 * READS);
        strike_nth(world, 3, HF_PEER_HOLD, NULL);
        hf_job *jobs = submit_reads(world, READS);
        hf_testbed_settle(world);
        hf_cancel(world->pool, &jobs[nth].request);
        hf_testbed_settle(world);
        assert_int_equal(world->peer->cancels, 1);
        for (unsigned i = 0; i < READS; i++) {
            if (i != nth || i < 3) {
                assert_outcome(&jobs[i], HF_OUTCOME_OK); /* those before were answered in time */
                assert_int_equal(jobs[i].request.retries, 0);
            } else {
                assert_outcome(&jobs[i], i == 3 ? HF_OUTCOME_FAILED : HF_OUTCOME_NOT_SENT);
                assert_text(&jobs[i].request.error, "cancelled in query");
            }
        }
        hf_testbed_end(world);
    }
}

static void r45_a_cancel_of_one_that_costs_the_link_costs_the_others_no_retry(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    world->config.max_retries = 0;
    world->peer->deaf_to_cancels = true;
    strike_nth(world, 3, HF_PEER_HOLD, NULL);
    hf_job *jobs = submit_reads(world, READS);
    hf_testbed_settle(world);
    hf_cancel(world->pool, &jobs[5].request);
    hf_testbed_finish(world, 200000);
    for (unsigned i = 0; i < READS; i++) {
        assert_outcome(&jobs[i], i == 5 ? HF_OUTCOME_FAILED : HF_OUTCOME_OK);
        assert_int_equal(jobs[i].request.retries, 0);
    }
    hf_testbed_end(world);
}

static void r45_a_lost_link_counts_as_ever(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    strike_nth(world, 3, HF_PEER_EOF, NULL);
    const hf_job *jobs = submit_reads(world, READS);
    hf_testbed_finish(world, 10000);
    for (unsigned i = 0; i < READS; i++) {
        assert_outcome(&jobs[i], HF_OUTCOME_OK);
        assert_int_equal(jobs[i].restarts, i < 3);
        assert_int_equal(jobs[i].request.retries, 1);
        assert_ptr_equal(world->ended[1 + i], &jobs[i]);
    }
    hf_testbed_end(world);
}

/* The fourth ends its session twice. What was behind it is lost with it once. */
static void r12_one_that_ends_its_sessions_costs_the_others_one_resend(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    const hf_job *jobs = submit_reads(world, READS);
    for (unsigned i = 0; i < 2; i++) {
        strike_nth(world, 3, HF_PEER_EOF, NULL);
        hf_testbed_settle(world);
    }
    hf_testbed_finish(world, 20000);
    for (unsigned i = 0; i < READS; i++) {
        assert_outcome(&jobs[i], HF_OUTCOME_OK);
        assert_int_equal(jobs[i].request.retries, i == 3 ? 2 : 1);
        assert_ptr_equal(world->ended[1 + i], &jobs[i]);
    }
    hf_testbed_end(world);
}

static void r45_rows_may_pause_within_a_group(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    hf_job *jobs = submit_reads(world, READS);
    jobs[2].pause_at = 1;
    hf_testbed_settle(world);
    assert_int_equal(jobs[2].rows, 1);
    assert_int_equal(jobs[3].rows, 0);
    hf_resume(world->pool, &jobs[2].request);
    hf_testbed_settle(world);
    expect_all_ok(jobs, READS);
    hf_testbed_end(world);
}

static void r45_a_cancel_that_meets_anothers_pause_voids_those_rows(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    hf_job *jobs = submit_reads(world, READS);
    jobs[2].pause_at = 1;
    hf_testbed_settle(world);
    jobs[2].pause_at = 0;
    hf_cancel(world->pool, &jobs[5].request);
    hf_testbed_finish(world, 10000);
    expect_all_ok(jobs, READS); /* the answers were there before the cancel */
    for (unsigned i = 0; i < READS; i++)
        assert_int_equal(jobs[i].restarts,
                         i == 2); /* its rows were read to their end, and not told */
    hf_testbed_end(world);
}

static void r12_a_pause_is_nobodys_slowness(void **state) {
    (void)state;
    hf_testbed *world = reading(0);
    submit_reads(world, 2);
    hf_testbed_settle(world);
    hf_job *job = submit_reads(world, 1);
    job->pause_at = 1;
    hf_testbed_wait(world, 1000);
    hf_resume(world->pool, &job->request);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    submit_reads(world, 4);
    hf_testbed_settle(world);
    assert_int_equal(in_flight(world, 0), 4);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 100);
    hf_testbed_end(world);
}

/* --- how many are in flight (12) --- */

static void r12_the_depth_doubles_while_answers_are_quick(void **state) {
    (void)state;
    hf_testbed *world = reading(0); /* one was answered at once: 2 */
    for (unsigned depth = 2; depth <= 16; depth *= 2) {
        hf_peer_fault *hold = hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
        const unsigned before = world->n_jobs;
        submit_reads(world, depth);
        hf_testbed_settle(world);
        assert_int_equal(in_flight(world, 0), depth);
        hold->over = true;
        hf_peer_release(world->peer);
        hf_testbed_settle(world);
        expect_all_ok(&world->jobs[before], depth);
    }
    hf_testbed_end(world);
}

static void r12_behind_a_slow_one_nothing_is_sent_and_the_depth_is_1_again(void **state) {
    (void)state;
    hf_testbed *world = reading(0);
    submit_reads(world, 8);
    hf_testbed_settle(world);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    submit_reads(world, 1);
    hf_testbed_settle(world);
    hf_testbed_wait(world, 26); /* longer than a round trip, which took no time, and 25 ms */
    submit_reads(world, 4);
    hf_testbed_settle(world);
    assert_int_equal(in_flight(world, 0), 1);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    assert_int_equal(in_flight(world, 0), 1);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 100);
    hf_testbed_end(world);
}

static void r12_what_is_not_sent_goes_to_another_connection(void **state) {
    (void)state;
    hf_testbed *world = up(2, 0, false);
    for (unsigned i = 0; i < 6; i++) {
        submit_reads(world, 2);
        hf_testbed_settle(world);
    }
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    submit_reads(world, 8);
    hf_testbed_settle(world);
    /* Its part of the queue is stuck behind the slow one, no more. */
    assert_int_equal(world->n_done, 12 + 8 - in_flight(world, 0) - in_flight(world, 1));
    assert_true(in_flight(world, 0) + in_flight(world, 1) <= 5);
    hf_testbed_wait(world, 26);
    const unsigned stuck = in_flight(world, 0) + in_flight(world, 1);
    submit_reads(world, 16);
    hf_testbed_settle(world);
    assert_int_equal(in_flight(world, 0) + in_flight(world, 1), stuck);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 100);
    hf_testbed_end(world);
}

static void r12_two_that_are_queued_go_to_two_connections(void **state) {
    (void)state;
    hf_testbed *world = up(2, 0, false);
    for (unsigned i = 0; i < 4; i++) {
        submit_reads(world, 8);
        hf_testbed_settle(world);
    }
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL)->times = HF_FOREVER;
    submit_reads(world, 2);
    hf_testbed_settle(world);
    assert_int_equal(in_flight(world, 0), 1);
    assert_int_equal(in_flight(world, 1), 1);
    hf_peer_heal(world->peer);
    hf_testbed_finish(world, 100);
    hf_testbed_end(world);
}

/* The first of four is cancelled, and answered; then the second; the last one's time was over before. */
static void r16_cancels_one_after_another_put_off_nobodys_end(void **state) {
    (void)state;
    hf_testbed *world = reading(2 * READS);
    hf_job *jobs = &world->jobs[world->n_jobs];
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL)->times = HF_FOREVER;
    for (unsigned i = 0; i < 4; i++) { /* not kept: each has its own Sync */
        hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows %u", i + 1);
        job->request.timeout_ms = i == 3 ? 2000 : 0;
        hf_testbed_resubmit(job);
    }
    hf_testbed_settle(world);
    assert_int_equal(hf_testbed_status(world).in_flight, 4);
    world->peer->deaf_to_cancels = true;
    for (unsigned i = 0; i < 2; i++) {
        hf_testbed_go(world, 4000 + 3000 * i); /* close_timeout is 5 s */
        hf_cancel(world->pool, &jobs[i].request);
        hf_testbed_settle(world);
        hf_testbed_go(world, 7000 + 3000 * i);
        world->peer->links[0].held = false;
        hf_testbed_settle(world);
        assert_outcome(&jobs[i], HF_OUTCOME_OK);
    }
    assert_int_equal(jobs[3].done, 0); /* at 8000 a cancel was pending, and keeps the link */
    hf_cancel(world->pool, &jobs[2].request);
    hf_testbed_settle(world);
    assert_at(jobs[2].ended_at, 10000);
    assert_at(jobs[3].ended_at, 10000);
    assert_int_equal(jobs[3].request.error.code, HF_ERR_TIMEOUT);
    hf_peer_heal(world->peer);
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r45_reads_share_a_sync),
        hf_test(r45_with_max_pipelined_1_each_has_its_own),
        hf_test(r45_only_reads_that_change_nothing_share),
        hf_test(r45_a_session_that_may_write_shares_nothing),
        hf_test(r45_ok_comes_at_the_groups_ready_for_query),
        hf_test(r45_an_error_is_one_statements_and_the_skipped_run_again),
        hf_test(r45_one_that_is_to_run_again_keeps_its_place),
        hf_test(r45_a_serializable_error_voids_the_group),
        hf_test(r45_a_serializable_error_at_the_groups_commit_voids_it),
        hf_test(r45_a_transaction_that_was_left_open_voids_the_groups_in_it),
        hf_test(r45_the_isolation_is_asked_anew_when_it_may_have_changed),
        hf_test(r45_the_isolation_is_asked_though_the_statement_was_prepared_before),
        hf_test(r45_a_group_has_one_clock_and_its_time_out_is_nobodys),
        hf_test(r45_only_behind_that_a_time_out_is_a_statements_own),
        hf_test(r45_a_cancel_without_an_answer_makes_them_run_again),
        hf_test(r45_one_that_is_cancelled_ends_alone),
        hf_test(r45_a_cancel_of_one_that_costs_the_link_costs_the_others_no_retry),
        hf_test(r45_a_lost_link_counts_as_ever),
        hf_test(r12_one_that_ends_its_sessions_costs_the_others_one_resend),
        hf_test(r45_rows_may_pause_within_a_group),
        hf_test(r45_a_cancel_that_meets_anothers_pause_voids_those_rows),
        hf_test(r16_cancels_one_after_another_put_off_nobodys_end),
        hf_test(r12_a_pause_is_nobodys_slowness),
        hf_test(r12_the_depth_doubles_while_answers_are_quick),
        hf_test(r12_behind_a_slow_one_nothing_is_sent_and_the_depth_is_1_again),
        hf_test(r12_two_that_are_queued_go_to_two_connections),
        hf_test(r12_what_is_not_sent_goes_to_another_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
