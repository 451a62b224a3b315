/* SEMANTICS 48: hf_request.work, of a caller that runs a ledger request again itself. hf_testbed_end() holds each
 * outcome against what the server committed. */
#include "testbed.h"

#include "mbedtls/hf_mbedtls.h"

#include <stdio.h>

static const hf_value key[] = { { "a", 1 } };

static hf_testbed *world_of(void) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->script->hash = &hf_mbedtls_hash;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    return world;
}

static hf_job *job_of(hf_testbed *world, bool keeps, const char *sql) {
    hf_job *job = hf_testbed_job(world, HF_REPLAY_LEDGER, "%s", sql);
    job->request.ledger = keeps ? &hf_peer_ledger_keeps : &hf_peer_ledger;
    job->request.key = key;
    job->request.n_key = 1;
    job->request.kept = hf_text("kept");
    return job;
}

/* `work` is what tells two requests of the same key apart, whatever their statements are. */
static void r48_the_caller_s_own_mark_stands_in_the_place_of_the_hash(void **state) {
    static const char *const works[] = { "job 7", "job 7", "job 8", NULL };
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        hf_testbed *world = world_of();
        hf_job *job = job_of(world, i % 2, "write 1"), *other;
        job->request.work = works[0];
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 1000);
        assert_outcome(job, HF_OUTCOME_OK);
        other = job_of(world, i % 2, "nothing");
        other->request.work = works[i];
        hf_testbed_resubmit(other);
        hf_testbed_finish(world, 1000);
        assert_outcome(other, i < 2 ? HF_OUTCOME_OK : HF_OUTCOME_FAILED);
        assert_int_equal(other->request.already_applied, i < 2);
        hf_testbed_end(world);
    }
}

/* Its caller submits it again: a refusal leaves the key free, a conflict is a refusal, and where an attempt before may
 * come late the outcome is UNKNOWN until the key was submitted again. */
static void r48_a_request_that_its_caller_runs_again_uses_no_key_up(void **state) {
    static const char *const refusals[] = { "23514", "40P01", "40001" };
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        hf_testbed *world = world_of();
        const bool lost = i % 2;
        world->peer->hangs = true;
        if (lost)
            hf_testbed_strike(world, HF_PEER_KEY, HF_PEER_HOLD, NULL);
        hf_job *job = job_of(world, false, "write 1");
        job->request.work = "job 7";
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, refusals[i / 2]);
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 200000);
        assert_outcome(job, lost ? HF_OUTCOME_UNKNOWN : HF_OUTCOME_FAILED);
        assert_string_equal(job->request.error.sqlstate, refusals[i / 2]);
        assert_true(hf_request_keyed(&job->request));
        assert_int_equal(hf_request_refused_at(&job->request), 0);
        assert_int_equal(world->peer->seals, 0);
        hf_peer_release(world->peer);
        hf_peer_pump(world->peer);
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 1000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.already_applied, lost);
        assert_int_equal(world->peer->committed[1], 1);
        hf_testbed_end(world);
    }
}

static void r48_a_mark_that_does_not_fit_is_refused(void **state) {
    static const char sixty_four[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char longer[sizeof sixty_four + 1];
    (void)state;
    snprintf(longer, sizeof longer, "%sx", sixty_four);
    for (unsigned i = 0; i < 2; i++) {
        hf_testbed *world = world_of();
        hf_job *job = job_of(world, false, "write 1");
        job->request.work = i ? longer : sixty_four;
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 1000);
        assert_outcome(job, i ? HF_OUTCOME_NOT_SENT : HF_OUTCOME_OK);
        assert_int_equal(world->peer->committed[1], !i);
        hf_testbed_end(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r48_the_caller_s_own_mark_stands_in_the_place_of_the_hash),
        hf_test(r48_a_request_that_its_caller_runs_again_uses_no_key_up),
        hf_test(r48_a_mark_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
