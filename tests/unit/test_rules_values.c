/* SEMANTICS 64 in the pool: what the server says of itself, tags, notices, and a ledger's hash. */
#include "testbed.h"

#include "mbedtls/hf_mbedtls.h"

#include <stdio.h>
#include <string.h>

static void r64_parameters_are_the_pools_and_the_last_word_counts(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    hf_testbed_open(world, 0);
    assert_null(hf_pool_parameter(world->pool, "in_hot_standby"));
    hf_testbed_up(world, 2);
    assert_string_equal(hf_pool_parameter(world->pool, "in_hot_standby"), "off");
    assert_string_equal(hf_pool_parameter(world->pool, "server_version"), "15.4");
    assert_null(hf_pool_parameter(world->pool, "TimeZone")); /* this peer does not tell */
    hf_peer_tell(world->peer, "TimeZone", "UTC");
    hf_peer_tell(world->peer, "in_hot_standby", "on");
    hf_testbed_settle(world);
    assert_string_equal(hf_pool_parameter(world->pool, "TimeZone"), "UTC");
    assert_string_equal(hf_pool_parameter(world->pool, "in_hot_standby"), "on");
    hf_peer_drop(world->peer, 0); /* the next login says nothing of it */
    hf_testbed_wait(world, 60000);
    hf_testbed_up(world, 2);
    assert_null(hf_pool_parameter(world->pool, "TimeZone"));
    assert_string_equal(hf_pool_parameter(world->pool, "in_hot_standby"), "off");
    hf_testbed_end(world);
}

static void r64_the_backends_pid_is_told_while_the_connection_is_up(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    hf_testbed_open(world, 0);
    assert_int_equal(hf_pool_backend(world->pool, 0), 0);
    hf_testbed_up(world, 2);
    const uint32_t first = hf_pool_backend(world->pool, 0);
    assert_true(first != 0 && hf_pool_backend(world->pool, 1) != 0);
    assert_true(first != hf_pool_backend(world->pool, 1));
    hf_testbed_refuse(world, 1);
    hf_peer_drop(world->peer, 0);
    hf_testbed_settle(world);
    assert_int_equal(hf_pool_backend(world->pool, 0), 0);
    hf_testbed_wait(world, 60000);
    hf_testbed_up(world, 2);
    assert_true(hf_pool_backend(world->pool, 0) != 0);
    hf_testbed_end(world);
}

static char noticed[32];

static void on_notice(void *user, unsigned conn, const hf_error *notice, const hf_fields *fields) {
    hf_value message;
    (void)user, (void)conn;
    assert_true(hf_fields_get(fields, HF_FIELD_MESSAGE, &message));
    snprintf(noticed, sizeof noticed, "%.*s", (int)message.bytes, message.data);
    assert_string_equal(notice->message, noticed);
    assert_false(hf_fields_get(fields, HF_FIELD_TABLE, &message));
}

static void r64_a_notice_comes_with_its_fields(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.on_notice = on_notice;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    noticed[0] = 0;
    hf_peer_say(world->peer, 'N', "00000");
    hf_testbed_settle(world);
    assert_true(noticed[0] != 0);
    hf_testbed_end(world);
}

static void r64_the_tag_is_there_after_ok_alone(void **state) {
    char tag[HF_TAG_BYTES] = "of a run before";
    (void)state;
    for (int replay = HF_REPLAY_UNSENT; replay <= HF_REPLAY_RESOLVE; replay++) {
        hf_testbed *world = hf_testbed_one_up(0);
        hf_job *job = hf_testbed_job(world, (hf_replay)replay, "write 1");
        job->request.tag = tag;
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 1000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_true(strlen(tag) > 2 && strcmp(tag, "COMMIT") != 0);
        static const hf_statement both[] = { { .sql = "write 2" }, { .sql = "nothing" } };
        job = hf_testbed_job(world, (hf_replay)replay, "write 2");
        job->request.tag = tag;
        job->request.batch = both;
        job->request.n_batch = 2;
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "23505")->skip =
            1; /* the second one */
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 1000);
        assert_outcome(job, HF_OUTCOME_FAILED);
        assert_string_equal(tag, "");
        hf_testbed_end(world);
    }
}

/* A request's hash as it stands in the ledger. */
static const char *hash_of(const hf_param_kind *kinds, hf_format result_format) {
    static char hash[80];
    static const hf_value key[] = { { "a", 1 } }, params[] = { { "ab", 2 }, { "c", 1 } };
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->script->hash = &hf_mbedtls_hash;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_job *job = hf_testbed_job(world, HF_REPLAY_LEDGER, "nothing");
    job->request.ledger = &hf_peer_ledger;
    job->request.key = key;
    job->request.n_key = 1;
    job->request.params = params;
    job->request.n_params = 2;
    job->request.param_kinds = kinds;
    job->request.result_format = result_format;
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_resubmit(job); /* and it is found to be the same again */
    hf_testbed_finish(world, 1000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_true(job->request.already_applied);
    snprintf(hash, sizeof hash, "%s", world->peer->keys[0].hash);
    hf_testbed_end(world);
    return hash;
}

static void r64_a_ledgers_hash_has_types_and_formats_that_are_not_the_default(void **state) {
    /* SHA-256 of 0002, 00 and eight bytes of length before each of "nothing", "ab", "c": what a ledger has in it from
     * before there were types. */
    static const char before[] = "4972e10b28fed797c06ca97dc5fc63f0a2754dcf198fe67dd0bf7ab593704c79";
    static const hf_param_kind kinds[][2] = {
        { { 0, HF_FORMAT_TEXT }, { 0, HF_FORMAT_TEXT } },
        { { 25, HF_FORMAT_TEXT }, { 0, HF_FORMAT_TEXT } },
        { { 0, HF_FORMAT_TEXT }, { 25, HF_FORMAT_TEXT } },
        { { 25, HF_FORMAT_BINARY }, { 0, HF_FORMAT_TEXT } },
        { { 0, HF_FORMAT_BINARY }, { 0, HF_FORMAT_TEXT } },
        { { 0, HF_FORMAT_TEXT }, { 0, HF_FORMAT_BINARY } },
        { { 1043, HF_FORMAT_TEXT }, { 0, HF_FORMAT_TEXT } },
    };
    enum { N = sizeof kinds / sizeof kinds[0] };
    char hashes[N][80];
    (void)state;
    assert_string_equal(hash_of(NULL, HF_FORMAT_TEXT), before);
    assert_string_equal(hash_of(NULL, HF_FORMAT_BINARY), before); /* what is done is the same */
    for (unsigned i = 0; i < N; i++)
        snprintf(hashes[i], sizeof hashes[i], "%s", hash_of(kinds[i], HF_FORMAT_TEXT));
    assert_string_equal(hashes[0], before);
    for (unsigned i = 0; i < N; i++)
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(hashes[i], hashes[k]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r64_parameters_are_the_pools_and_the_last_word_counts),
        hf_test(r64_the_backends_pid_is_told_while_the_connection_is_up),
        hf_test(r64_a_notice_comes_with_its_fields),
        hf_test(r64_the_tag_is_there_after_ok_alone),
        hf_test(r64_a_ledgers_hash_has_types_and_formats_that_are_not_the_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
