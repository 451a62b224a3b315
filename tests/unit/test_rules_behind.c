/* SEMANTICS 12, 16, 25: what travels behind a COMMIT, what becomes of it when that COMMIT is lost or left in doubt, and
 * how COMMITs are announced together. hf_testbed_end() holds each outcome against what the server committed. */
#include <string.h>

#include "engine/internal.h"
#include "testbed.h"
#include "unit.h"

/* One connection, whose server does that at the first COMMIT, and two writes: the second one travels behind the COMMIT
 * of the first. */
static hf_testbed *behind(hf_peer_deed deed, const char *sqlstate, hf_job **first,
                          hf_job **second) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_testbed_strike(world, HF_PEER_COMMITS, deed, sqlstate);
    *first = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    *second = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 2");
    return world;
}

static void r12_one_resolved_statement_travels_behind_a_commit(void **state) {
    (void)state;
    hf_job *first, *second;
    hf_testbed *world = behind(HF_PEER_HOLD, NULL, &first, &second);
    hf_job *third = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 3");
    hf_testbed_settle(world);
    assert_int_equal(first->request.attempts, 1);
    assert_int_equal(second->request.attempts, 1); /* no answer to the COMMIT was waited for */
    assert_int_equal(third->request.attempts, 0);
    assert_int_equal(hf_testbed_status(world).in_flight, 2);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 1000);
    assert_string_equal(world->peer->order, "1,2,3,");
    for (unsigned i = 0; i < 3; i++)
        assert_outcome(&world->jobs[i], HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r12_nothing_else_travels_behind_a_commit(void **state) {
    static const hf_statement batch[] = { { .sql = "write 2" }, { .sql = "write 3" } };
    (void)state;
    for (unsigned kind = 0; kind < 6; kind++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 1;
        world->config.max_pipelined = 8;
        hf_testbed_open(world, 1000);
        hf_testbed_up(world, 1);
        hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
        hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
        hf_testbed_settle(world);
        hf_job *job = hf_testbed_job(world,
                                     kind < 3   ? HF_REPLAY_SAFE
                                     : kind < 5 ? HF_REPLAY_UNSENT
                                                : HF_REPLAY_RESOLVE,
                                     kind == 1 || kind == 5 ? "nothing" : "rows 0");
        job->request.prepare_only = kind == 1 || kind == 5;
        if (kind == 2 || kind == 4) {
            job->request.batch = batch;
            job->request.n_batch = 2;
        }
        hf_testbed_resubmit(job);
        hf_testbed_settle(world);
        assert_int_equal(hf_testbed_status(world).in_flight, 1);
        hf_peer_release(world->peer);
        hf_testbed_finish(world, 1000);
        assert_outcome(job, HF_OUTCOME_OK);
        hf_testbed_end(world);
    }
}

/* The link is lost at the COMMIT. What was behind it has had no effect, and it was not its turn: it runs again, and
 * spends no re-send. */
static void r3_r15_what_was_behind_a_lost_commit_simply_runs_again(void **state) {
    static const hf_peer_point points[] = { HF_PEER_COMMITS, HF_PEER_COMMIT_DONE };
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned retries = 0; retries < 2; retries++) {
            hf_testbed *world = hf_testbed_new();
            world->config.max_concurrent = 1;
            world->config.max_retries = retries;
            hf_testbed_open(world, 1000);
            hf_testbed_up(world, 1);
            hf_testbed_strike(world, points[i], HF_PEER_RST, NULL);
            hf_job *first = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
            hf_job *second = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 2");
            hf_testbed_finish(world, 60000);
            hf_testbed_expect(first, "the COMMIT",
                              i == 1    ? "ok, sent 1, asked 1"
                              : retries ? "ok, sent 2, asked 1"
                                        : "failed, sent 1, asked 1, HF_ERR_NET max_retries");
            hf_testbed_expect(second, "behind it", "ok, sent 2, asked 0");
            assert_int_equal(second->request.retries, 0);
            hf_testbed_end(world);
        }
    }
}

/* A COMMIT that was refused leaves no doubt, and what is behind it goes on. */
static void r12_a_refused_commit_is_no_matter_to_the_next(void **state) {
    (void)state;
    hf_job *first, *second;
    hf_testbed *world = behind(HF_PEER_ERROR, "23503", &first, &second);
    hf_testbed_finish(world, 1000);
    hf_testbed_expect(first, "refused", "failed, sent 1, asked 0, HF_ERR_SERVER 23503");
    hf_testbed_expect(second, "behind it", "ok, sent 1, asked 0");
    assert_int_equal(hf_testbed_dials(world), 1);
    hf_testbed_end(world);
}

/* A COMMIT was answered, and may have been done all the same: what is behind it must not commit before that is known.
 * So it goes with the link, and both keep their order. */
static void r16_a_commit_in_doubt_takes_what_is_behind_it_along(void **state) {
    static const char *const codes[] = { "08006", "40003", "08007", "XX000" };
    (void)state;
    for (unsigned i = 0; i < COUNT(codes); i++) {
        hf_job *first, *second;
        hf_testbed *world = behind(HF_PEER_ERROR, codes[i], &first, &second);
        hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_HOLD, NULL);
        hf_testbed_wait(world, 3000);
        assert_int_equal(hf_testbed_dials(world), 2);
        assert_int_equal(hf_testbed_status(world).left, 1);
        assert_int_equal(world->peer->committed[2], 0);
        assert_int_equal(second->request.attempts, 1); /* held */
        hf_peer_release(world->peer);
        hf_testbed_finish(world, 60000);
        hf_testbed_expect(first, codes[i], "ok, sent 2, asked 1");
        hf_testbed_expect(second, codes[i], "ok, sent 2, asked 0");
        assert_ptr_equal(world->ended[0], first);
        hf_testbed_end(world);
    }
}

/* What was behind a lost COMMIT is held like any other write, also where another connection is free. */
static void r16_what_was_behind_a_lost_commit_is_held(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 2);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL)->times = 2;
    for (unsigned i = 1; i <= 4; i++) /* two COMMITs, and one write behind each */
        hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write %u", i);
    hf_testbed_settle(world);
    assert_int_equal(hf_testbed_status(world).in_flight, 4);
    hf_script_link_fail(hf_script_link_at(world->script, 0), HF_ERR_RESET);
    hf_testbed_wait(world, 3000);
    assert_int_equal(hf_testbed_status(world).left, 1);
    const hf_job *read = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_outcome(read, HF_OUTCOME_OK); /* reads pass */
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(world->jobs[i].request.attempts, 1);
        assert_int_equal(world->jobs[i].done, 0);
    }
    world->peer->tx_status[1] = HF_PEER_COMMITTED;
    hf_peer_heal(world->peer); /* it commits */
    hf_testbed_finish(world, 60000);
    for (unsigned i = 0; i < 4; i++)
        assert_outcome(&world->jobs[i], HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* Whoever is cancelled behind a COMMIT waits for its turn for close_timeout; then the link goes, and the COMMIT is
 * asked about. */
static void r16_one_behind_a_commit_is_cancelled_within_close_timeout(void **state) {
    (void)state;
    hf_job *first, *second;
    hf_testbed *world = behind(HF_PEER_HOLD, NULL, &first, &second);
    hf_testbed_settle(world);
    hf_cancel(world->pool, &second->request);
    hf_testbed_wait(world, world->config.close_timeout_ms - 1);
    assert_int_equal(second->done, 0);
    hf_testbed_wait(world, 1);
    hf_testbed_expect(second, "behind it", "failed, sent 1, asked 0, HF_ERR_CANCELLED");
    assert_int_equal(world->peer->cancels, 0); /* it would have hit the COMMIT */
    hf_testbed_finish(world, 60000);
    hf_testbed_expect(first, "the COMMIT", "ok, sent 1, asked 1");
    hf_testbed_end(world);
}

/* The COMMIT is answered within that time: the one behind is cancelled in its turn. */
static void r16_one_behind_a_commit_is_cancelled_in_its_turn(void **state) {
    (void)state;
    hf_job *first, *second;
    hf_testbed *world = behind(HF_PEER_HOLD, NULL, &first, &second);
    hf_testbed_settle(world);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_cancel(world->pool, &second->request);
    hf_testbed_wait(world, 1000);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 10000);
    hf_testbed_expect(first, "the COMMIT", "ok, sent 1, asked 0");
    assert_outcome(second, HF_OUTCOME_FAILED);
    assert_int_equal(world->peer->cancels, 1);
    assert_int_equal(hf_testbed_dials(world), 1);
    hf_testbed_end(world);
}

/* What was sent on the one connection: how often with nothing in flight, and how many in a row with something. */
static struct { unsigned to_send, dry, row, longest; } sent;

static void count_sent(hf_request *request) {
    const hf_job *job = request->user;
    const bool dry = hf_testbed_status(job->world).in_flight == 0;
    sent.dry += dry;
    sent.row = dry ? 0 : sent.row + 1;
    sent.longest = sent.row > sent.longest ? sent.row : sent.longest;
}

static void send_next(hf_job *job) {
    if (sent.to_send > 0) {
        sent.to_send--;
        hf_testbed_resubmit(job);
    }
}

/* One connection, and so many to send altogether, 32 of them at a time. Its answers are read in small parts, so that
 * there is always one that is not answered yet. */
static void send_many(hf_replay replay, const char *sql, unsigned n) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_pipelined = 8;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    world->script->read_limit = 16;
    memset(&sent, 0, sizeof sent);
    sent.to_send = n - 32;
    for (unsigned i = 0; i < 32; i++) {
        hf_job *job = hf_testbed_job(world, replay, "%s", sql);
        job->request.on_send = count_sent;
        job->then = send_next;
        hf_testbed_resubmit(job);
    }
    hf_testbed_finish(world, 1000);
    assert_int_equal(sent.to_send, 0);
    for (unsigned i = 0; i < 32; i++)
        assert_outcome(&world->jobs[i], HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* However much there is to send: a pooler in transaction mode gives the session back only then. */
static void r12_a_connection_runs_dry_now_and_then(void **state) {
    (void)state;
    send_many(HF_REPLAY_SAFE, "rows 0", 3 * HF_STREAK_MAX);
    assert_int_equal(sent.longest, HF_STREAK_MAX);
    assert_int_equal(sent.dry, 3);
    send_many(HF_REPLAY_RESOLVE, "rows 0", 3 * HF_STREAK_MAX / HF_STREAK_COMMIT);
    assert_int_equal(sent.longest, HF_STREAK_MAX / HF_STREAK_COMMIT);
    assert_int_equal(sent.dry, 3);
}

static unsigned n_commit, n_commits;

static void on_commit(hf_request *request) {
    (void)request;
    n_commit++;
}

static void on_commits(void *user) {
    const hf_testbed *world = user;
    n_commits++;
    assert_int_equal(n_commit, 3);
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(world->peer->committed[i], 0);
}

static void r25_the_commits_of_a_tick_are_announced_together(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.on_commits = on_commits;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 3);
    n_commit = n_commits = 0;
    hf_testbed_strike(world, HF_PEER_TICKET, HF_PEER_HOLD, NULL)->times = 3;
    for (unsigned i = 1; i <= 3; i++) {
        hf_job *job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "write %u", i);
        job->request.on_commit = on_commit;
        hf_testbed_resubmit(job);
    }
    hf_testbed_settle(world);
    assert_int_equal(n_commit, 0);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 1000);
    assert_int_equal(n_commit, 3);
    assert_int_equal(n_commits, 1);
    hf_testbed_end(world);
}

/* Between the ticket and its COMMIT, in one and the same read, the server tells something, or ends the session. */
static void r15_words_of_the_servers_before_a_commit(void **state) {
    (void)state;
    for (unsigned fatal = 0; fatal < 2; fatal++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, HF_PEER_TICKET, HF_PEER_HOLD, NULL);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
        hf_testbed_settle(world);
        hf_peer_release(world->peer);
        hf_peer_pump(world->peer);
        if (fatal)
            hf_peer_say(world->peer, 'F', "57P01");
        else
            hf_peer_tell(world->peer, "TimeZone", "UTC");
        hf_testbed_finish(world, 60000);
        hf_testbed_expect(job, fatal ? "FATAL" : "ParameterStatus",
                          fatal ? "ok, sent 2, asked 0" : "ok, sent 1, asked 0");
        hf_testbed_end(world);
    }
}

/* A COMMIT that is late is no place to wait: what is submitted then goes to whichever connection is free first. */
static void r12_nothing_is_sent_behind_a_late_commit(void **state) {
    (void)state;
    for (hf_ms late = 0; late < 2; late++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 2;
        hf_testbed_open(world, 1000);
        hf_testbed_up(world, 2);
        hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
        hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
        hf_testbed_settle(world);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
        hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 2");
        hf_testbed_settle(world);
        hf_testbed_wait(world, 25 + late);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 3");
        hf_testbed_settle(world);
        assert_int_equal(job->request.attempts, 1 - late);
        hf_peer_release(world->peer);
        hf_testbed_finish(world, 1000);
        hf_testbed_end(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r12_one_resolved_statement_travels_behind_a_commit),
        hf_test(r12_nothing_else_travels_behind_a_commit),
        hf_test(r12_nothing_is_sent_behind_a_late_commit),
        hf_test(r3_r15_what_was_behind_a_lost_commit_simply_runs_again),
        hf_test(r12_a_refused_commit_is_no_matter_to_the_next),
        hf_test(r16_a_commit_in_doubt_takes_what_is_behind_it_along),
        hf_test(r16_what_was_behind_a_lost_commit_is_held),
        hf_test(r16_one_behind_a_commit_is_cancelled_within_close_timeout),
        hf_test(r16_one_behind_a_commit_is_cancelled_in_its_turn),
        hf_test(r12_a_connection_runs_dry_now_and_then),
        hf_test(r25_the_commits_of_a_tick_are_announced_together),
        hf_test(r15_words_of_the_servers_before_a_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
