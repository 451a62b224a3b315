/* SEMANTICS 16: cancelling, by time-out or by wish. */
#include "testbed.h"

#include <string.h>

static hf_testbed *holding_any(uint32_t pipelined, bool read_only) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_pipelined = pipelined;
    world->config.read_only = read_only;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    return world;
}

/* One connection, up at 1000; the next statement is held at its Execute. */
static hf_testbed *holding(uint32_t pipelined) {
    return holding_any(pipelined, false);
}

/* The same of a session that the server keeps read-only: an OK behind a cancel is believed. */
static hf_testbed *reading(uint32_t pipelined) {
    return holding_any(pipelined, true);
}

static void cancel_path(hf_testbed *world, hf_peer_deed deed) {
    hf_testbed_strike(world, HF_PEER_CANCEL_CONNECT, deed, NULL)->times = HF_FOREVER;
}

static void r16_queued_is_not_sent(void **state) {
    (void)state;
    hf_testbed *world = holding(1);
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &job->request);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_int_equal(job->request.error.code, HF_ERR_CANCELLED);
    assert_int_equal(world->peer->cancels, 0);
    hf_peer_heal(world->peer);
    hf_testbed_end(world);
}

static void r16_queued_too_long_is_not_sent(void **state) {
    (void)state;
    hf_testbed *world = holding(1);
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_job *job = hf_testbed_job(world, HF_REPLAY_UNSENT, "write 1");
    job->request.timeout_ms = 5000;
    hf_testbed_resubmit(job);
    hf_testbed_go(world, 5999);
    assert_int_equal(job->done, 0);
    hf_testbed_go(world, 6000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_text(&job->request.error, "timed out after 5.0 s in queue (timeout)");
    hf_peer_heal(world->peer);
    hf_testbed_end(world);
}

static void r16_in_flight_is_cancelled_on_the_server(void **state) {
    (void)state;
    hf_testbed *world = holding(1);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &job->request);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_text(&job->request.error, "cancelled in query");
    assert_string_equal(job->request.error.sqlstate, "57014");
    assert_int_equal(world->peer->cancels, 1);
    assert_state(world, 0, HF_HEALTHY);
    assert_int_equal(hf_testbed_dials(world), 1);
    hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
    hf_testbed_settle(world);
    assert_outcome(next, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r16_request_timeout_is_one_attempt(void **state) {
    (void)state;
    hf_testbed *world = holding(1);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_go(world, 120999);
    assert_int_equal(world->peer->cancels, 0);
    assert_int_equal(job->done, 0);
    hf_testbed_go(world, 121000);
    assert_int_equal(world->peer->cancels, 1);
    assert_outcome(job, HF_OUTCOME_OK); /* rolled back by 57014, run again */
    assert_int_equal(job->request.attempts, 2);
    assert_int_equal(hf_testbed_status(world).retries, 1);
    hf_testbed_end(world);
}

static void r16_out_of_retries_it_is_failed_timed_out(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_retries = 2;
    world->config.request_timeout_ms = 3000;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL)->times = HF_FOREVER;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 100000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_at(job->ended_at, 9000);
    assert_int_equal(job->request.attempts, 3);
    assert_text(&job->request.error, "timed out after 3.0 s in query (request_timeout)");
    hf_testbed_end(world);
}

static void r16_timeout_ms_ends_the_whole_request(void **state) {
    (void)state;
    hf_testbed *world = holding(1);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_UNSENT, "write 1");
    job->request.timeout_ms = 7000;
    hf_testbed_resubmit(job);
    hf_testbed_go(world, 7999);
    assert_int_equal(world->peer->cancels, 0);
    hf_testbed_go(world, 8000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.attempts, 1);
    assert_text(&job->request.error, "timed out after 7.0 s in query (timeout)");
    hf_testbed_end(world);
}

static void r16_an_answer_within_the_grace_is_taken_with_all_its_rows(void **state) {
    (void)state;
    hf_testbed *world = reading(1);
    world->peer->deaf_to_cancels = true;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 50");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &job->request);
    hf_testbed_go(world, 5999);
    assert_int_equal(job->done, 0);
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->rows, 50);
    assert_state(world, 0, HF_HEALTHY);
    hf_testbed_end(world);
}

static void r16_no_answer_drops_the_link_at_close_timeout(void **state) {
    (void)state;
    for (unsigned safe = 0; safe < 2; safe++) {
        hf_testbed *world = holding(1);
        world->peer->deaf_to_cancels = true;
        hf_job *job = hf_testbed_submit(world, safe ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT, "write 1");
        hf_testbed_go(world, 121000);
        hf_testbed_go(world, 125999);
        assert_int_equal(job->done, 0);
        assert_state(world, 0, HF_HEALTHY);
        hf_testbed_go(world, 126000);
        assert_state(world, 0, HF_BACKOFF);
        if (!safe)
            assert_outcome(job, HF_OUTCOME_UNKNOWN);
        hf_testbed_finish(world, 10000);
        assert_outcome(job, safe ? HF_OUTCOME_OK : HF_OUTCOME_UNKNOWN);
        hf_testbed_end(world);
    }
}

static void r16_close_timeout_0_drops_at_once(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.close_timeout_ms = 0;
    world->config.max_concurrent = 1;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &job->request);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    assert_int_equal(world->peer->cancels, 0);
    hf_testbed_end(world);
}

/* Shows fault 28. */
static void f28_the_cancel_path_is_a_black_hole(void **state) {
    (void)state;
    static const hf_peer_deed deeds[] = { HF_PEER_SILENCE, HF_PEER_ERROR, HF_PEER_RST,
                                          HF_PEER_EOF };
    for (unsigned i = 0; i < 4; i++) {
        hf_testbed *world = holding(1);
        cancel_path(world, deeds[i]);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        hf_cancel(world->pool, &job->request);
        hf_testbed_go(world, 5999);
        assert_int_equal(job->done, 0); /* the grace is kept all the same */
        hf_testbed_go(world, 6000);
        assert_outcome(job, HF_OUTCOME_UNKNOWN);
        hf_testbed_go(world, 10000);
        assert_state(world, 0, HF_HEALTHY);
        hf_testbed_end(world);
    }
}

static void r16_nothing_new_is_sent_while_a_cancel_is_pending(void **state) {
    (void)state;
    hf_testbed *world = reading(1);
    hf_testbed_strike(world, HF_PEER_CANCEL, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "rows 1");
    hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "rows 2");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &job->request);
    hf_testbed_settle(world);
    assert_int_equal(world->peer->cancels, 1);
    world->peer->links[0].held = false; /* the session goes on, the cancel does not yet */
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_wait(world, 1000);
    assert_int_equal(next->request.attempts, 0);
    hf_peer_release(world->peer); /* passed on: it hits nobody */
    hf_testbed_settle(world);
    assert_outcome(next, HF_OUTCOME_OK);
    assert_int_equal(hf_testbed_dials(world), 1);
    hf_testbed_end(world);
}

static void r16_a_cancel_on_its_way_for_ever_costs_the_link(void **state) {
    (void)state;
    hf_testbed *world = reading(1);
    hf_testbed_strike(world, HF_PEER_CANCEL, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "rows 1");
    hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "rows 2");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &job->request);
    hf_testbed_settle(world);
    world->peer->links[0].held = false;
    hf_testbed_go(world, 5999);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(next->request.attempts, 0);
    hf_testbed_go(world, 6000);
    assert_state(world, 0, HF_BACKOFF);
    hf_testbed_finish(world, 10000);
    assert_outcome(next, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r16_a_cancel_that_was_never_sent_does_not_hold_the_connection(void **state) {
    (void)state;
    for (unsigned refused = 0; refused < 2; refused++) {
        hf_testbed *world = holding(1);
        cancel_path(world, HF_PEER_SILENCE);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
        hf_testbed_settle(world);
        hf_cancel(world->pool, &job->request);
        hf_testbed_wait(world, 1000);
        if (refused) /* while the answer is awaited */
            hf_script_fail(world->script, HF_ERR_REFUSED);
        hf_peer_release(world->peer);
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_outcome(next, HF_OUTCOME_OK);
        assert_int_equal(hf_testbed_dials(world), 1);
        hf_testbed_end(world);
    }
}

/* The first of two is cancelled, ends well, and the second begins while the cancel is still on its way. */
static hf_job *behind_a_cancelled_one(hf_testbed *world, unsigned n, uint32_t timeout_ms) {
    hf_testbed_strike(world, HF_PEER_CANCEL, HF_PEER_HOLD, NULL);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_job *first = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_job *second = hf_testbed_job(world, HF_REPLAY_SAFE, "rows 2");
    second->request.timeout_ms = timeout_ms;
    hf_testbed_resubmit(second);
    while (n-- > 2)
        hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &first->request);
    hf_testbed_settle(world);
    world->peer->links[0].held = false;
    hf_testbed_settle(world);
    assert_outcome(first, HF_OUTCOME_OK);
    return second;
}

static void r16_57014_on_another_is_requeued(void **state) {
    (void)state;
    hf_testbed *world = reading(4);
    hf_job *second = behind_a_cancelled_one(world, 2, 0);
    world->peer->links[1].held = false; /* the second goes on, and the cancel hits it */
    hf_testbed_settle(world);
    assert_outcome(second, HF_OUTCOME_OK);
    assert_int_equal(second->request.attempts, 2);
    assert_int_equal(second->request.retries, 0); /* no fault of its own */
    hf_testbed_end(world);
}

/* The cancel of a request that is answered may still hit requests behind it, whatever becomes of the cancel of another.
 */
static void r16_what_a_cancel_may_hit_outlasts_a_cancel_that_was_never_sent(void **state) {
    (void)state;
    hf_testbed *world = reading(4);
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_EXECUTE, .deed = HF_PEER_HOLD });
    hf_peer_add(
        world->peer,
        (hf_peer_fault){ .point = HF_PEER_EXECUTE, .deed = HF_PEER_ERROR, .sqlstate = "57014" });
    hf_job *jobs[3];
    for (unsigned i = 0; i < 3; i++)
        jobs[i] = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows %u", i + 1);
    hf_testbed_settle(world);
    assert_int_equal(hf_testbed_status(world).in_flight, 3);
    hf_cancel(world->pool, &jobs[0]->request);
    hf_testbed_settle(world);
    assert_outcome(jobs[0], HF_OUTCOME_FAILED);
    assert_int_equal(world->peer->cancels, 1);
    cancel_path(world, HF_PEER_SILENCE);
    hf_cancel(world->pool, &jobs[1]->request);
    hf_testbed_settle(world);
    world->peer->links[0].held = false; /* it is answered, then the first cancel's signal comes */
    hf_testbed_settle(world);
    assert_int_equal(world->peer->cancels, 1);
    assert_outcome(jobs[1], HF_OUTCOME_OK);
    assert_outcome(jobs[2], HF_OUTCOME_OK);
    assert_int_equal(jobs[2]->request.attempts, 2);
    assert_int_equal(jobs[2]->request.retries, 0);
    hf_testbed_end(world);
}

static void r16_57014_on_another_is_no_not_sent(void **state) {
    (void)state;
    hf_testbed *world = reading(8);
    hf_job *second = behind_a_cancelled_one(world, 7, 0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    world->peer->links[1].held = false;
    hf_testbed_settle(world); /* the third runs, with too many behind it for one more */
    hf_cancel(world->pool, &second->request);
    hf_testbed_settle(world);
    assert_outcome(second, HF_OUTCOME_FAILED);
    hf_peer_heal(world->peer);
    hf_testbed_end(world);
}

static void r16_57014_on_another_while_closing_ends_it(void **state) {
    (void)state;
    hf_testbed *world = reading(4);
    hf_job *second = behind_a_cancelled_one(world, 2, 0);
    hf_pool_close(world->pool, 60000);
    hf_testbed_settle(world);
    world->peer->links[1].held = false;
    for (unsigned i = 0; i < 2; i++)
        hf_peer_pump(world->peer); /* 57014 and ReadyForQuery in one tick */
    hf_testbed_settle(world);
    assert_outcome(second, HF_OUTCOME_FAILED);
    assert_int_equal(second->request.error.code, HF_ERR_CANCELLED);
    hf_testbed_end(world);
}

static void r16_a_time_out_during_anothers_cancel_is_not_forgotten(void **state) {
    (void)state;
    hf_testbed *world = reading(4);
    hf_job *second = behind_a_cancelled_one(world, 2, 2000);
    world->peer->deaf_to_cancels = true;
    hf_testbed_go(world, 4000); /* its time is over, but another's cancel is on its way */
    assert_int_equal(second->done, 0);
    world->peer->links[1].held = false;
    hf_testbed_settle(world);
    world->peer->deaf_to_cancels = false;
    assert_int_equal(world->peer->cancels, 2);
    hf_testbed_go(world, 10000);
    assert_int_equal(second->done, 1);
    hf_peer_heal(world->peer);
    hf_testbed_end(world);
}

static void r16_hf_cancel_during_a_time_outs_cancel_ends_the_request(void **state) {
    (void)state;
    hf_testbed *world = holding(1);
    hf_testbed_strike(world, HF_PEER_CANCEL, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_go(world, 121000);
    hf_cancel(world->pool, &job->request);
    hf_testbed_settle(world);
    world->peer->links[1].held = false;
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.error.code, HF_ERR_CANCELLED);
    assert_int_equal(job->request.attempts, 1);
    hf_testbed_end(world);
}

/* Shows found P6. */
static void r16_one_in_the_middle_of_a_pipeline_is_cancelled_in_its_turn(void **state) {
    (void)state;
    for (unsigned way = 0; way < 2; way++) { /* hf_cancel(), timeout_ms */
        hf_testbed *world = reading(6);
        for (unsigned i = 0; i < 3; i++) {
            hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, "rows %u", i + 1);
            job->request.timeout_ms = way && i == 1 ? 2000 : 0;
            hf_testbed_resubmit(job);
        }
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
        hf_testbed_settle(world);
        assert_int_equal(hf_testbed_status(world).in_flight, 3);
        if (way)
            hf_testbed_wait(world, 2000);
        else
            hf_cancel(world->pool, &world->jobs[1].request);
        hf_testbed_wait(world, 1000);
        assert_int_equal(world->peer->cancels, 0); /* a cancel would hit the request before */
        world->peer->links[0].held = false;        /* the first is answered, the second held */
        hf_testbed_settle(world);
        assert_int_equal(world->peer->cancels, 1);
        hf_testbed_finish(world, 10000);
        assert_outcome(&world->jobs[0], HF_OUTCOME_OK);
        assert_outcome(&world->jobs[1], HF_OUTCOME_FAILED);
        assert_int_equal(world->jobs[1].request.error.code,
                         way ? HF_ERR_TIMEOUT : HF_ERR_CANCELLED);
        assert_outcome(&world->jobs[2], HF_OUTCOME_OK);
        assert_int_equal(hf_testbed_dials(world), 1); /* the link is kept */
        hf_testbed_end(world);
    }
}

/* Shows found P6. */
static void r16_one_in_a_pipeline_whose_turn_never_comes_costs_the_link(void **state) {
    (void)state;
    for (unsigned reads = 0; reads < 2; reads++) {
        hf_testbed *world = holding_any(6, reads);
        for (unsigned i = 0; i < 3; i++)
            hf_testbed_submit(world, HF_REPLAY_SAFE, reads ? "rows %u" : "write %u", i + 1);
        hf_testbed_settle(world);
        hf_cancel(world->pool, &world->jobs[1].request);
        hf_testbed_go(world, 5999);
        assert_int_equal(world->jobs[1].done, 0); /* its answer may come within the grace */
        hf_testbed_go(world, 6000);
        assert_int_equal(world->jobs[1].request.error.code, HF_ERR_CANCELLED);
        assert_outcome(&world->jobs[1], reads ? HF_OUTCOME_FAILED : HF_OUTCOME_UNKNOWN);
        hf_testbed_finish(world, 20000);
        assert_outcome(&world->jobs[0], HF_OUTCOME_OK);
        assert_outcome(&world->jobs[2], HF_OUTCOME_OK);
        hf_testbed_end(world);
    }
}

/* Shows found T3. */
static void r16_an_ok_behind_our_cancel_is_not_believed_of_a_write(void **state) {
    (void)state;
    for (unsigned safe = 0; safe < 2; safe++) {
        hf_testbed *world = holding(1);
        world->peer->deaf_to_cancels =
            true; /* it ends the wait for the standby, not the statement */
        hf_job *job = hf_testbed_submit(world, safe ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT, "write 1");
        hf_testbed_go(world, 121000);
        assert_int_equal(world->peer->cancels, 1);
        hf_peer_release(world->peer);
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_UNKNOWN);
        assert_int_equal(job->request.attempts, 1);
        assert_int_equal(world->peer->committed[1], 1);
        assert_text(&job->request.error, "timed out after 120.0 s in query (request_timeout): "
                                         "committed here, perhaps not on the standby");
        assert_state(world, 0, HF_HEALTHY);
        hf_testbed_end(world);
    }
}

/* Shows found L1. */
static void r16_neither_link_is_closed_before_the_other_side_has_ended_the_cancels(void **state) {
    (void)state;
    for (unsigned closing = 0; closing < 2; closing++) {
        hf_testbed *world = reading(1);
        hf_testbed_strike(world, HF_PEER_CANCEL, HF_PEER_HOLD, NULL);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        hf_testbed_settle(world);
        if (closing)
            hf_pool_close(world->pool, world->now + 60000);
        else
            hf_cancel(world->pool, &job->request);
        hf_testbed_settle(world);
        world->peer->links[0].held = false; /* the session answers, the cancel is on its way */
        hf_testbed_settle(world);
        assert_int_equal(job->done, 1);
        hf_pool_close(world->pool, world->now + 60000);
        hf_testbed_wait(world, 3000);
        assert_int_equal(world->script->live, 2);
        assert_int_equal(world->peer->terminates, 0);
        assert_false(hf_pool_closed(world->pool));
        hf_peer_release(world->peer);
        hf_testbed_settle(world);
        assert_int_equal(world->script->live, 0);
        assert_true(hf_pool_closed(world->pool));
        hf_testbed_end(world);
    }
}

/* Shows found L1. */
static void r16_a_session_that_is_lost_leaves_its_cancels_link_open(void **state) {
    (void)state;
    for (unsigned another = 0; another < 2; another++) {
        hf_testbed *world = holding(1);
        hf_testbed_strike(world, HF_PEER_CANCEL, HF_PEER_HOLD, NULL);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "write 1");
        hf_testbed_settle(world);
        hf_cancel(world->pool, &job->request);
        hf_testbed_settle(world);
        hf_script_link_eof(hf_script_link_at(world->script, 0));
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_UNKNOWN);
        assert_int_equal(world->script->live, 1);
        hf_testbed_go(world, 4000); /* another session serves meanwhile */
        if (another)
            hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
        hf_job *next = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        hf_testbed_settle(world);
        assert_int_equal(world->script->live, 2);
        if (another) { /* its own cancel waits for that link to end */
            hf_cancel(world->pool, &next->request);
            hf_testbed_settle(world);
            assert_int_equal(world->peer->cancels, 1);
            world->peer->links[1].held = false;
            hf_testbed_settle(world);
            assert_int_equal(world->peer->cancels, 2);
        }
        assert_outcome(next, another ? HF_OUTCOME_FAILED : HF_OUTCOME_OK);
        hf_testbed_go(world, 6000); /* close_timeout is over */
        assert_int_equal(world->script->live, 1);
        hf_testbed_end(world);
    }
}

static void r16_a_paused_request_can_be_cancelled(void **state) {
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 1;
        world->config.read_only = true;
        hf_testbed_open(world, 0);
        hf_job *job = hf_testbed_job(world, HF_REPLAY_SAFE, how & 1 ? "rows 4000" : "rows 20");
        job->pause_at = 7;
        job->request.timeout_ms = how & 2 ? 9000 : 0;
        hf_testbed_resubmit(job);
        hf_testbed_settle(world);
        if (!(how & 2))
            hf_cancel(world->pool, &job->request);
        hf_testbed_go(world, 20000);
        assert_outcome(job, HF_OUTCOME_FAILED); /* never OK: rows were not told */
        assert_int_equal(job->rows, 7);
        assert_int_equal(job->request.error.code, how & 2 ? HF_ERR_TIMEOUT : HF_ERR_CANCELLED);
        assert_state(world, 0, HF_HEALTHY);
        hf_testbed_end(world);
    }
}

static void r16_no_harm_in_cancelling_what_is_over(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &job->request);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r16_queued_is_not_sent),
        hf_test(r16_queued_too_long_is_not_sent),
        hf_test(r16_in_flight_is_cancelled_on_the_server),
        hf_test(r16_request_timeout_is_one_attempt),
        hf_test(r16_out_of_retries_it_is_failed_timed_out),
        hf_test(r16_timeout_ms_ends_the_whole_request),
        hf_test(r16_an_answer_within_the_grace_is_taken_with_all_its_rows),
        hf_test(r16_no_answer_drops_the_link_at_close_timeout),
        hf_test(r16_close_timeout_0_drops_at_once),
        hf_test(f28_the_cancel_path_is_a_black_hole),
        hf_test(r16_nothing_new_is_sent_while_a_cancel_is_pending),
        hf_test(r16_a_cancel_on_its_way_for_ever_costs_the_link),
        hf_test(r16_a_cancel_that_was_never_sent_does_not_hold_the_connection),
        hf_test(r16_57014_on_another_is_requeued),
        hf_test(r16_what_a_cancel_may_hit_outlasts_a_cancel_that_was_never_sent),
        hf_test(r16_57014_on_another_is_no_not_sent),
        hf_test(r16_57014_on_another_while_closing_ends_it),
        hf_test(r16_a_time_out_during_anothers_cancel_is_not_forgotten),
        hf_test(r16_hf_cancel_during_a_time_outs_cancel_ends_the_request),
        hf_test(r16_one_in_the_middle_of_a_pipeline_is_cancelled_in_its_turn),
        hf_test(r16_one_in_a_pipeline_whose_turn_never_comes_costs_the_link),
        hf_test(r16_an_ok_behind_our_cancel_is_not_believed_of_a_write),
        hf_test(r16_neither_link_is_closed_before_the_other_side_has_ended_the_cancels),
        hf_test(r16_a_session_that_is_lost_leaves_its_cancels_link_open),
        hf_test(r16_a_paused_request_can_be_cancelled),
        hf_test(r16_no_harm_in_cancelling_what_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
