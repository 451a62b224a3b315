/* SEMANTICS 48, 46: a write whose transaction first inserts its key. hf_testbed_end() holds each outcome against what
 * the server committed: nothing twice, OK only of what is there, FAILED and NOT_SENT only of what is not. */
#include "testbed.h"

#include "mbedtls/hf_mbedtls.h"

#include <stdio.h>
#include <string.h>

static const hf_peer_deed losses[] = { HF_PEER_EOF,     HF_PEER_RST,   HF_PEER_SILENCE,
                                       HF_PEER_WARNING, HF_PEER_FATAL, HF_PEER_LAST };
static const hf_value key[] = { { "a", 1 } };
static char told[32];

static hf_testbed *world_of(unsigned max_retries) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_retries = max_retries;
    world->script->hash = &hf_mbedtls_hash;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    told[0] = 0;
    return world;
}

static void on_kept(hf_request *request, hf_value kept) {
    (void)request;
    snprintf(told, sizeof told, "%.*s", kept.data ? (int)kept.bytes : 4,
             kept.data ? kept.data : "NULL");
}

static hf_job *job_of(hf_testbed *world, bool keeps, const char *sql) {
    hf_job *job = hf_testbed_job(world, HF_REPLAY_LEDGER, "%s", sql);
    job->request.ledger = keeps ? &hf_peer_ledger_keeps : &hf_peer_ledger;
    job->request.key = key;
    job->request.n_key = 1;
    job->request.kept = hf_text("kept");
    job->request.on_kept = on_kept;
    return job;
}

static hf_job *submit(hf_testbed *world, bool keeps, const char *sql) {
    hf_job *job = job_of(world, keeps, sql);
    hf_testbed_resubmit(job);
    return job;
}

static void r48_submitted_again_it_is_already_applied(void **state) {
    (void)state;
    for (unsigned keeps = 0; keeps < 2; keeps++) {
        hf_testbed *world = world_of(5);
        hf_job *job = submit(world, keeps, "write 1");
        hf_testbed_finish(world, 1000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_false(job->request.already_applied);
        assert_string_equal(told, "");
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 1000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_true(job->request.already_applied);
        assert_string_equal(told, keeps ? "kept" : "NULL");
        assert_int_equal(world->peer->committed[1], 1);
        hf_testbed_end(world);
    }
}

static void r48_the_same_key_with_another_statement_is_refused(void **state) {
    (void)state;
    hf_testbed *world = world_of(5);
    hf_job *job = submit(world, false, "write 1"), *other;
    hf_testbed_finish(world, 1000);
    other = submit(world, false, "write 2");
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_outcome(other, HF_OUTCOME_FAILED);
    assert_int_equal(world->peer->finds, 1);
    hf_testbed_end(world);
}

/* Other parameters are another request, too; and where one ends is part of them. */
static void r48_the_hash_has_parameters_and_where_they_end(void **state) {
    static const hf_value ab_c[] = { { "ab", 2 }, { "c", 1 } },
                          a_bc[] = { { "a", 1 }, { "bc", 2 } },
                          none[] = { { NULL, 0 }, { "c", 1 } }, empty[] = { { "", 0 }, { "c", 1 } };
    static const hf_value *const all[] = { ab_c, a_bc, none, empty };
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 4; k++) {
            hf_testbed *world = world_of(5);
            for (unsigned turn = 0; turn < 2; turn++) {
                hf_job *job = job_of(world, false, "nothing");
                job->request.params = all[turn ? k : i];
                job->request.n_params = 2;
                hf_testbed_resubmit(job);
                hf_testbed_finish(world, 1000);
                assert_outcome(job, turn && i != k ? HF_OUTCOME_FAILED : HF_OUTCOME_OK);
            }
            hf_testbed_end(world);
        }
    }
}

/* Wherever the connection ends, however: once, and nobody is in doubt. */
static void r48_a_loss_at_any_place_is_applied_once(void **state) {
    static const hf_peer_point points[] = { HF_PEER_KEY,        HF_PEER_KEYED,    HF_PEER_PARSE,
                                            HF_PEER_EXECUTE,    HF_PEER_COMPLETE, HF_PEER_COMMITS,
                                            HF_PEER_COMMIT_DONE };
    const unsigned n_losses = sizeof losses / sizeof losses[0];
    (void)state;
    for (unsigned i = 0; i < 2 * 7 * n_losses; i++) {
        hf_testbed *world = world_of(5);
        const hf_peer_point point = points[i / 2 % 7];
        hf_testbed_strike(world, point, losses[i / 14], "57P01");
        hf_job *job = submit(world, i % 2, "write 1");
        hf_testbed_finish(world, 400000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(world->peer->committed[1], 1);
        assert_int_equal(job->request.attempts, 2);
        if (point == HF_PEER_COMMIT_DONE)
            assert_true(job->request.already_applied);
        hf_testbed_end(world);
    }
}

static void r48_23505_of_the_statement_is_its_own(void **state) {
    static const hf_peer_point points[] = { HF_PEER_EXECUTE, HF_PEER_COMMITS };
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        hf_testbed *world = world_of(5);
        hf_testbed_strike(world, points[i / 2], HF_PEER_ERROR, "23505");
        hf_job *job = submit(world, i % 2, "write 1");
        hf_testbed_finish(world, 1000);
        assert_outcome(job, HF_OUTCOME_FAILED);
        assert_string_equal(job->request.error.sqlstate, "23505");
        assert_int_equal(world->peer->finds, 0);
        assert_int_equal(job->errors, 1);
        hf_testbed_end(world);
    }
}

static void r48_a_conflict_anywhere_runs_again(void **state) {
    static const hf_peer_point points[] = { HF_PEER_KEY, HF_PEER_EXECUTE, HF_PEER_COMMITS };
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        hf_testbed *world = world_of(5);
        hf_testbed_strike(world, points[i / 2], HF_PEER_ERROR, i % 2 ? "40001" : "40P01");
        hf_job *job = submit(world, i % 2, "write 1");
        hf_testbed_finish(world, 10000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, 2);
        hf_testbed_end(world);
    }
}

static void r48_what_a_commit_may_mean_is_sent_again(void **state) {
    static const char *const states[] = { "40003", "08007", "XXA00", "08006" };
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        hf_testbed *world = world_of(5);
        hf_testbed_strike(world, HF_PEER_COMMIT_DONE, HF_PEER_ERROR, states[i / 2]);
        hf_job *job = submit(world, i % 2, "write 1");
        hf_testbed_finish(world, 10000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_true(job->request.already_applied);
        hf_testbed_end(world);
    }
}

static void r48_a_batch_is_one_with_its_key(void **state) {
    static const hf_statement batch[] = { { .sql = "write 1" },
                                          { .sql = "rows 2" },
                                          { .sql = "write 2" } };
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        hf_testbed *world = world_of(5);
        hf_testbed_strike(world, i / 2 ? HF_PEER_COMMIT_DONE : HF_PEER_COMMITS, HF_PEER_RST, NULL);
        hf_job *job = job_of(world, i % 2, "rows 2");
        job->request.batch = batch;
        job->request.n_batch = 3;
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 100000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.already_applied, i / 2);
        assert_int_equal(world->peer->committed[1] + world->peer->committed[2], 2);
        hf_testbed_end(world);
    }
}

/* A standby's word is not taken: the other host is asked. */
static void r48_a_standby_cannot_say_what_stands_at_the_key(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.hosts[1] = (hf_host){ .name = "10.0.0.2", .port = 5433 };
    world->config.n_hosts = 2;
    world->script->hash = &hf_mbedtls_hash;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_job *job = submit(world, false, "write 1");
    hf_testbed_finish(world, 1000);
    world->peer->standby_port = 5432;
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 100000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_true(job->request.already_applied);
    assert_int_equal(world->peer->finds, 2);
    hf_testbed_end(world);
}

/* The row was deleted between the key's 23505 and the question. */
static void r48_a_key_that_is_gone_runs_again(void **state) {
    (void)state;
    for (unsigned retries = 0; retries < 2; retries++) {
        hf_testbed *world = world_of(retries);
        hf_job *job = submit(world, false, "write 1"), *other;
        hf_testbed_finish(world, 1000);
        other = submit(world, false, "write 2");
        hf_testbed_strike(world, HF_PEER_FIND, HF_PEER_HOLD, NULL);
        hf_testbed_settle(world);
        world->peer->keys[0].used = false;
        hf_peer_release(world->peer);
        hf_testbed_finish(world, 100000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_outcome(other, retries ? HF_OUTCOME_OK : HF_OUTCOME_FAILED);
        assert_int_equal(world->peer->seals, !retries);
        hf_testbed_end(world);
    }
}

/* An attempt before hangs, and holds the key: its link is left at request_timeout and not cancelled, and the next
 * attempts wait for it, each for as long as all before it took. That is counted against nothing but max_outage. */
static hf_testbed *waiting(hf_job **job) {
    hf_testbed *world = world_of(1);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    *job = submit(world, false, "write 1");
    hf_testbed_go(world, 1000 + 119999);
    assert_int_equal((*job)->request.attempts, 1);
    hf_testbed_go(world, 1000 + 130000);
    assert_int_equal((*job)->request.attempts, 2);
    hf_testbed_go(world, 1000 + 240000);
    assert_int_equal((*job)->request.attempts, 2);
    hf_testbed_go(world, 1000 + 260000);
    assert_int_equal((*job)->request.attempts, 3);
    hf_testbed_go(world, 1000 + 299999);
    assert_int_equal((*job)->request.attempts, 3);
    assert_int_equal((*job)->done, 0);
    return world;
}

static void r48_attempts_wait_for_the_key_until_max_outage(void **state) {
    hf_job *job;
    (void)state;
    for (unsigned released = 0; released < 2; released++) {
        hf_testbed *world = waiting(&job);
        if (released)
            hf_peer_release(world->peer);
        hf_testbed_finish(world, released ? 1000 : 200000);
        assert_outcome(job, released ? HF_OUTCOME_OK : HF_OUTCOME_UNKNOWN);
        assert_int_equal(job->request.already_applied, released);
        assert_int_equal(job->request.retries, 1);
        if (!released) {
            assert_int_equal(job->request.error.limit, HF_LIMIT_MAX_OUTAGE);
            assert_string_equal(job->request.error.message, "submit the same key to find out");
        }
        assert_int_equal(world->peer->cancels, 0);
        hf_peer_release(world->peer);
        hf_testbed_end(world);
    }
}

/* Each attempt waits for as long as all before it took, so that few wait on the server at a time: 30 of request_timeout
 * would be over. */
static void r48_few_attempts_wait_for_a_key_that_is_held_for_long(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_outage_ms = HF_FOREVER;
    world->script->hash = &hf_mbedtls_hash;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
    hf_job *job = submit(world, false, "write 1");
    hf_testbed_wait(world, 3600000);
    assert_int_equal(job->request.attempts, 7);
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* A silent link is not taken for a key that is held, be max_outage for ever. */
static void r48_a_silent_link_is_left_and_tried_anew(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_retries = 0;
    world->config.max_outage_ms = HF_FOREVER;
    world->script->hash = &hf_mbedtls_hash;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_testbed_strike(world, HF_PEER_KEY, HF_PEER_SILENCE, NULL)->times = 3;
    hf_job *job = submit(world, false, "write 1");
    hf_testbed_finish(world, 1000000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 4);
    hf_testbed_end(world);
}

/* request_timeout begins when the key is in: behind that it is an attempt's, and counted. */
static void r48_the_clock_of_an_attempt_starts_at_its_key(void **state) {
    (void)state;
    for (unsigned retries = 0; retries < 2; retries++) {
        hf_testbed *world = world_of(retries);
        hf_testbed_strike(world, HF_PEER_KEY, HF_PEER_HOLD, NULL);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
        hf_job *job = submit(world, false, "write 1");
        hf_testbed_wait(world, 100000);
        hf_peer_release(world->peer); /* the key is in now */
        hf_testbed_settle(world);
        hf_testbed_wait(world, 119000);
        assert_int_equal(job->request.attempts, 1);
        assert_int_equal(job->done, 0);
        hf_testbed_wait(world, 2000);
        hf_testbed_finish(world, 100000);
        assert_int_equal(job->request.attempts, 1 + retries);
        assert_outcome(job, HF_OUTCOME_OK); /* the server ran it to the end: the key was there */
        assert_true(job->request.already_applied);
        hf_testbed_end(world);
    }
}

/* REPORT.md 46. However it must end after its COMMIT was handed over: UNKNOWN, and the way out; submitted again, it is
 * known. */
static void r46_what_must_end_is_unknown_and_the_same_key_tells(void **state) {
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        hf_testbed *world = world_of(5);
        world->peer->hangs = true;
        hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
        hf_job *job = job_of(world, i % 2, "write 1");
        job->request.timeout_ms = i / 2 == 0 ? 7000 : 0;
        hf_testbed_resubmit(job);
        hf_testbed_wait(world, 1000);
        if (i / 2 == 1)
            hf_cancel(world->pool, &job->request);
        if (i / 2 == 2)
            hf_pool_close(world->pool, world->now + 20000);
        if (i / 2 == 3) {
            hf_testbed_refuse(world, HF_FOREVER);
            for (unsigned n = 0; n < HF_SCRIPT_LINKS; n++)
                if (world->script->links[n].used && !world->script->links[n].released)
                    hf_script_link_fail(&world->script->links[n], HF_ERR_RESET);
        }
        hf_testbed_finish(world, 400000);
        assert_outcome(job, HF_OUTCOME_UNKNOWN);
        assert_non_null(strstr(job->request.error.message, "submit the same key to find out"));
        assert_int_equal(world->peer->cancels, 0);
        hf_peer_heal(world->peer);
        if (i / 2 != 2) {
            job->request.timeout_ms = 0;
            hf_testbed_resubmit(job);
            hf_testbed_finish(world, 400000);
            assert_outcome(job, HF_OUTCOME_OK);
            assert_true(job->request.already_applied);
        }
        hf_testbed_end(world);
    }
}

/* Before its COMMIT was handed over there is no doubt; and a cancel may go out, for none can hit the COMMIT. */
static void r46_what_keeps_something_can_be_cancelled_before_its_commit(void **state) {
    (void)state;
    hf_testbed *world = world_of(5);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_job *job = submit(world, true, "write 1");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &job->request);
    hf_testbed_finish(world, 10000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(world->peer->cancels, 1);
    hf_testbed_end(world);
}

/* An attempt lies at the server, not begun, when the next one is refused: FAILED is said when the key is used up, and
 * the late one finds it. */
static void r48_a_late_attempt_of_a_refused_request_has_no_effect(void **state) {
    (void)state;
    hf_testbed *world = world_of(5);
    world->peer->hangs = true;
    hf_testbed_strike(world, HF_PEER_KEY, HF_PEER_HOLD, NULL);
    hf_job *job = submit(world, false, "write 1");
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "23514");
    hf_testbed_finish(world, 200000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_string_equal(job->request.error.sqlstate, "23514");
    assert_int_equal(world->peer->seals, 1);
    hf_peer_release(world->peer);
    hf_peer_pump(world->peer);
    assert_int_equal(world->peer->committed[1], 0);
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_text(&job->request.error, "an argument is not valid in query: the key was used up");
    hf_testbed_end(world);
}

static void r48_without_re_sends_the_key_is_asked_and_used_up(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        hf_testbed *world = world_of(0);
        hf_testbed_strike(world, i / 2 ? HF_PEER_COMMIT_DONE : HF_PEER_COMMITS, HF_PEER_RST, NULL);
        hf_job *job = submit(world, i % 2, "write 1");
        hf_testbed_finish(world, 100000);
        assert_outcome(job, i / 2 ? HF_OUTCOME_OK : HF_OUTCOME_FAILED);
        assert_int_equal(job->request.attempts, 1);
        assert_int_equal(world->peer->seals, i / 2 ? 0 : 1);
        if (i / 2 == 0)
            assert_int_equal(job->request.error.limit, HF_LIMIT_MAX_RETRIES);
        hf_testbed_end(world);
    }
}

/* The answer to the sealing is lost, or it is refused: it is done again. */
static void r48_the_using_up_itself_may_be_lost(void **state) {
    static const hf_peer_point points[] = { HF_PEER_KEY, HF_PEER_COMMITS, HF_PEER_COMMIT_DONE };
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        hf_testbed *world = world_of(0);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_RST, NULL);
        hf_peer_fault *fault =
            hf_testbed_strike(world, points[i / 2], i % 2 ? HF_PEER_RST : HF_PEER_ERROR, "53100");
        fault->skip = points[i / 2] == HF_PEER_KEY;
        hf_job *job = submit(world, false, "write 1");
        hf_testbed_finish(world, 100000);
        assert_outcome(job, HF_OUTCOME_FAILED);
        assert_int_equal(world->peer->committed[1], 0);
        hf_testbed_end(world);
    }
}

/* Nothing guards what was sent: it is never sent again. */
static void r48_an_insert_that_adds_no_row_ends_the_request(void **state) {
    (void)state;
    for (unsigned keeps = 0; keeps < 2; keeps++) {
        hf_testbed *world = world_of(5);
        world->peer->unkeyed = true;
        hf_job *job = submit(world, keeps, "write 1");
        hf_testbed_finish(world, 1000);
        assert_outcome(job, keeps ? HF_OUTCOME_FAILED : HF_OUTCOME_UNKNOWN);
        assert_int_equal(job->request.attempts, 1);
        assert_int_equal(world->peer->committed[1], !keeps);
        assert_null(strstr(job->request.error.message, "submit the same key"));
        hf_testbed_end(world);
    }
}

static char much[HF_PEER_IN];

static void keep_too_much(hf_request *request) {
    request->kept = (hf_value){ much, sizeof much - 1 };
}

static void r48_what_is_too_large_to_be_kept_is_not_committed(void **state) {
    (void)state;
    memset(much, 'x', sizeof much - 1);
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.tx_bytes = 4096;
    world->script->hash = &hf_mbedtls_hash;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_job *job = job_of(world, true, "write 1");
    job->request.on_commit = keep_too_much;
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.error.code, HF_ERR_TOO_LARGE);
    hf_testbed_end(world);
}

static void r48_what_cannot_be_is_refused_by_name(void **state) {
    static const hf_ledger conflict = { "INSERT … ON CONFLICT DO NOTHING", "SELECT … FOR SHARE",
                                        0 },
                           unlocked = { "INSERT", "SELECT", 0 }, none = { 0 };
    static const struct {
        const hf_ledger *ledger;
        uint16_t n_key;
        const char *sql, *why;
    } cases[] = {
        { &conflict, 1, "write 1",
          "an argument is not valid in query: the ledger's insert says ON CONFLICT" },
        { &unlocked, 1, "write 1",
          "an argument is not valid in query: the ledger's find does not lock" },
        { &none, 1, "write 1",
          "an argument is not valid in query: a ledger request without its ledger" },
        { &hf_peer_ledger, 0, "write 1",
          "an argument is not valid in query: a ledger request without" },
        { &hf_peer_ledger, 9, "write 1",
          "an argument is not valid in query: a ledger request without" },
        { &hf_peer_ledger, 1, "VACUUM t",
          "an argument is not valid in query: it commits by itself" },
        { &hf_peer_ledger, 1, "COMMIT", "an argument is not valid in query: a transaction is put" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hf_testbed *world = world_of(5);
        hf_job *job = job_of(world, false, cases[i].sql);
        job->request.ledger = cases[i].ledger;
        job->request.n_key = cases[i].n_key;
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 1000);
        assert_outcome(job, HF_OUTCOME_NOT_SENT);
        assert_text(&job->request.error, cases[i].why);
        hf_testbed_end(world);
    }
}

static void applied_and_found(void) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->script->hash = &hf_mbedtls_hash;
    hf_testbed_open(world, 1000);
    hf_testbed_strike(world, HF_PEER_COMMIT_DONE, HF_PEER_RST, NULL);
    hf_job *job = submit(world, true, "write 1");
    hf_testbed_finish(world, 2000000);
    if (!hf_testbed_broken())
        assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void r48_whatever_call_fails_nothing_untrue_is_said(void **state) {
    (void)state;
    hf_testbed_sweep(applied_and_found);
}

/* What is only prepared has no key, and no effect that a cancel could leave in doubt: nobody asks for it. */
static void r48_what_is_only_prepared_asks_for_no_key(void **state) {
    (void)state;
    for (unsigned replay = HF_REPLAY_SAFE; replay <= HF_REPLAY_LEDGER; replay++) {
        hf_testbed *world = world_of(0);
        world->peer->deaf_to_cancels = true;
        hf_testbed_strike(world, HF_PEER_PARSE, HF_PEER_HOLD, NULL);
        hf_job *job = job_of(world, false, "nothing");
        job->request.replay = (hf_replay)replay;
        job->request.prepare_only = true;
        hf_testbed_resubmit(job);
        hf_testbed_settle(world);
        hf_testbed_wait(world, world->config.request_timeout_ms + 1);
        hf_peer_release(world->peer);
        hf_testbed_finish(world, 1000);
        hf_testbed_expect(job, "prepared", "ok, sent 1, asked 0");
        assert_int_equal(world->peer->finds + world->peer->seals, 0);
        hf_testbed_end(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r48_submitted_again_it_is_already_applied),
        hf_test(r48_the_same_key_with_another_statement_is_refused),
        hf_test(r48_the_hash_has_parameters_and_where_they_end),
        hf_test(r48_a_loss_at_any_place_is_applied_once),
        hf_test(r48_23505_of_the_statement_is_its_own),
        hf_test(r48_a_conflict_anywhere_runs_again),
        hf_test(r48_what_a_commit_may_mean_is_sent_again),
        hf_test(r48_a_batch_is_one_with_its_key),
        hf_test(r48_a_standby_cannot_say_what_stands_at_the_key),
        hf_test(r48_a_key_that_is_gone_runs_again),
        hf_test(r48_attempts_wait_for_the_key_until_max_outage),
        hf_test(r48_few_attempts_wait_for_a_key_that_is_held_for_long),
        hf_test(r48_a_silent_link_is_left_and_tried_anew),
        hf_test(r48_the_clock_of_an_attempt_starts_at_its_key),
        hf_test(r46_what_must_end_is_unknown_and_the_same_key_tells),
        hf_test(r46_what_keeps_something_can_be_cancelled_before_its_commit),
        hf_test(r48_a_late_attempt_of_a_refused_request_has_no_effect),
        hf_test(r48_without_re_sends_the_key_is_asked_and_used_up),
        hf_test(r48_the_using_up_itself_may_be_lost),
        hf_test(r48_an_insert_that_adds_no_row_ends_the_request),
        hf_test(r48_what_is_too_large_to_be_kept_is_not_committed),
        hf_test(r48_what_cannot_be_is_refused_by_name),
        hf_test(r48_what_is_only_prepared_asks_for_no_key),
        hf_test(r48_whatever_call_fails_nothing_untrue_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
