/* SEMANTICS 65 and 66: an endpoint that drops a newer protocol, and credentials that a callback gives. */
#include "testbed.h"

#include <stdio.h>
#include <string.h>

/* A row of a test program's table in every build: what a build has no code for passes at once. */
#if HF_WITH_VERSIONS

static hf_testbed *asking_for_3_2(uint32_t conns) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = conns;
    world->config.max_protocol_version = HF_PROTOCOL_3_2;
    world->config.connect_retries = 0;
    return world;
}

/* As pgbouncer 1.18 does, or with the end of the stream alone. */
static void drops(hf_testbed *world, hf_peer_deed deed) {
    world->peer->drops = deed;
    world->peer->drops_with = "08P01";
    world->peer->drops_message = "bad packet header: '0000002200030002'";
}

static void r65_who_drops_3_2_costs_one_link_once(void **state) {
    static const hf_peer_deed deeds[] = { HF_PEER_FATAL, HF_PEER_EOF };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        hf_testbed *world = asking_for_3_2(2);
        drops(world, deeds[i]);
        hf_testbed_open(world, 1000);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_at(job->ended_at, 1000); /* no wait either */
        assert_int_equal(world->peer->dropped, 1);
        assert_int_equal(hf_testbed_status(world).dials, 1);
        assert_int_equal(hf_testbed_status(world).losses, 0);
        assert_int_equal(hf_testbed_status(world).retries, 0);
        assert_int_equal(job->request.attempts, 1);
        /* remembered: for a further connection, and behind a loss */
        hf_pool_open(world->pool, 2);
        hf_testbed_go(world, 10000);
        assert_int_equal(hf_testbed_status(world).conns[HF_HEALTHY], 2);
        hf_peer_drop(world->peer, HF_ERR_RESET);
        hf_testbed_go(world, 60000);
        assert_int_equal(hf_testbed_status(world).conns[HF_HEALTHY], 2);
        assert_int_equal(world->peer->dropped, 1);
        hf_testbed_end(world);
    }
}

/* A link may end for other reasons: an endpoint that did not answer 3.0 either is asked for 3.2 again. */
static void r65_what_did_not_answer_3_0_either_is_not_remembered(void **state) {
    (void)state;
    hf_testbed *world = asking_for_3_2(1);
    world->config.connect_retries = 3;
    world->peer->newest = 2;
    world->peer->secret_bytes = 32;
    hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_EOF, NULL)->times = 2;
    hf_testbed_open(world, 1000);
    hf_pool_open(world->pool, 1);
    hf_testbed_go(world, 20000);
    assert_state(world, 0, HF_HEALTHY);
    assert_int_equal(world->peer->logins, 3); /* 3.2, 3.0, and the next attempt's 3.2 */
    assert_int_equal(hf_testbed_status(world).dials, 2);
    assert_int_equal(
        world->peer->links[0].minor | world->peer->links[1].minor | world->peer->links[2].minor, 2);
    hf_testbed_end(world);
}

static void r65_down_on_the_same_link(void **state) {
    (void)state;
    hf_testbed *world = asking_for_3_2(1);
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    assert_int_equal(world->peer->logins, 1);
    assert_int_equal(hf_testbed_status(world).dials, 1);
    hf_testbed_end(world);
}

static void r65_below_the_least_version_the_login_is_refused_by_name(void **state) {
    static const hf_peer_deed deeds[] = { HF_PEER_NOTHING, HF_PEER_FATAL };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        hf_testbed *world = asking_for_3_2(1);
        world->config.connect_retries = 3;
        world->config.min_protocol_version = HF_PROTOCOL_3_2;
        drops(world, deeds[i]);
        hf_testbed_open(world, 1000);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_NOT_SENT);
        assert_int_equal(job->request.error.code, HF_ERR_CONFIG);
        assert_non_null(strstr(job->request.error.message, "min_protocol_version"));
        assert_true(hf_testbed_status(world).refused);
        assert_int_equal(hf_testbed_status(world).dials, 1);
        hf_testbed_end(world);
    }
}

/* A link that merely ends may be anybody's fault: it is a loss like any other. */
static void r65_an_end_below_the_least_version_is_an_ordinary_loss(void **state) {
    (void)state;
    hf_testbed *world = asking_for_3_2(1);
    world->config.connect_retries = 3;
    world->config.min_protocol_version = HF_PROTOCOL_3_2;
    world->peer->newest = 2;
    hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_EOF, NULL);
    hf_testbed_open(world, 1000);
    hf_pool_open(world->pool, 1);
    hf_testbed_go(world, 20000);
    assert_state(world, 0, HF_HEALTHY);
    assert_int_equal(world->peer->logins, 2);
    assert_int_equal(hf_testbed_status(world).dials, 2);
    hf_testbed_end(world);
}

/* Somebody who blames the version behind each password is sent no more of them than rule 17 allows. */
static void r65_dialling_again_sends_no_password_that_rule_17_does_not_allow(void **state) {
    (void)state;
    hf_testbed *world = asking_for_3_2(1);
    world->config.connect_retries = 4;
    world->config.max_outage_ms = HF_FOREVER;
    world->config.password = "secret";
    world->config.require_auth = HF_AUTH_PASSWORD;
    world->peer->wants_password = true;
    world->peer->newest = 2;
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_PASSWORD,
                                              .deed = HF_PEER_FATAL,
                                              .sqlstate = "XX000",
                                              .message = "kind 'v' when expecting 'R'",
                                              .times = HF_FOREVER });
    hf_testbed_open(world, 1000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 600000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_int_equal(job->request.error.limit, HF_LIMIT_CONNECT_RETRIES);
    assert_int_equal(world->peer->passwords, 5);
    hf_testbed_end(world);
}

/* The peer asserts that the key comes back whole. */
static void r65_a_long_key_cancels(void **state) {
    static const uint16_t secrets[] = { 4, 32, 256 };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        hf_testbed *world = asking_for_3_2(1);
        world->peer->newest = 2;
        world->peer->secret_bytes = secrets[i];
        hf_testbed_open(world, 1000);
        hf_testbed_up(world, 1);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        hf_cancel(world->pool, &job->request);
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_FAILED);
        assert_string_equal(job->request.error.sqlstate, "57014");
        assert_int_equal(world->peer->cancels, 1);
        assert_state(world, 0, HF_HEALTHY);
        hf_testbed_end(world);
    }
}

/* A cancel with a long key, whatever call of the port fails meanwhile. */
static void sweep_a_long_key(void) {
    hf_testbed *world = asking_for_3_2(1);
    world->peer->newest = 2;
    world->peer->secret_bytes = 256;
    hf_testbed_open(world, 1000);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_go(world, 30000);
    if (!job->done)
        hf_cancel(world->pool, &job->request);
    hf_testbed_go(world, 60000);
    hf_peer_heal(world->peer);
    hf_testbed_end(world);
}

static void r65_a_long_key_and_whatever_fails(void **state) {
    (void)state;
    hf_testbed_sweep(sweep_a_long_key);
}

#endif
#if HF_WITH_CREDENTIALS

/* What the callback was asked, and what it answers. */
static struct {
    unsigned asked,
        refused; /* refused: so many of these were told that the last ones were refused */
    hf_credentials_answer answer;
    const char *user, *password; /* NULL: the number of the question, t1, t2 … */
    char made[16];
} giver;

static hf_credentials_answer give(void *user, unsigned conn, const hf_host *host, bool refused,
                                  hf_credentials *credentials) {
    assert_non_null(user);
    assert_non_null(host->name);
    assert_true(conn < 4);
    assert_null(credentials->user);
    assert_null(credentials->password);
    giver.asked++;
    giver.refused += refused;
    (void)snprintf(giver.made, sizeof giver.made, "t%u", giver.asked);
    credentials->user = giver.user;
    credentials->password = giver.password ? giver.password : giver.made;
    return giver.answer;
}

/* A world, not open yet, whose server asks for the password in clear text. */
static hf_testbed *with_a_giver(uint32_t conns) {
    hf_testbed *world = hf_testbed_new();
    memset(&giver, 0, sizeof giver);
    world->config.max_concurrent = conns;
    world->config.credentials = give;
    world->config.require_auth = HF_AUTH_PASSWORD;
    world->peer->wants_password = true;
    return world;
}

/* The server refuses the next so many passwords. */
static void refuse(hf_testbed *world, const char *sqlstate, uint32_t times) {
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_PASSWORD,
                                              .deed = HF_PEER_FATAL,
                                              .sqlstate = sqlstate,
                                              .message = "password authentication failed",
                                              .times = times });
}

static bool started_as(const hf_testbed *world, const char *user) {
    return strcmp(world->peer->startup, "user") == 0 &&
           strcmp(world->peer->startup + sizeof "user", user) == 0;
}

static void r66_the_callback_is_asked_at_each_connect(void **state) {
    (void)state;
    hf_testbed *world = with_a_giver(2);
    world->config.password = "of the config";
    giver.user = "its own";
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    assert_int_equal(giver.asked, 1);
    assert_string_equal(world->peer->password, "t1");
    assert_true(started_as(world, "its own"));
    giver.user = NULL;
    hf_pool_open(world->pool, 2);
    hf_testbed_go(world, 10000);
    assert_int_equal(giver.asked, 2);
    assert_string_equal(world->peer->password, "t2");
    assert_true(started_as(world, world->config.user));
    hf_peer_drop(world->peer, HF_ERR_RESET);
    hf_testbed_go(world, 60000);
    assert_int_equal(giver.asked, 4);
    assert_int_equal(giver.refused, 0);
    hf_testbed_end(world);
}

static void r66_what_the_callback_leaves_out_is_the_configs(void **state) {
    (void)state;
    hf_testbed *world = with_a_giver(1);
    world->config.password = "of the config";
    giver.password = ""; /* none: no default of the config's either */
    hf_testbed_open(world, 1000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    assert_int_equal(job->request.error.code, HF_ERR_AUTH_PASSWORD);
    assert_int_equal(world->peer->passwords, 0);
    hf_testbed_end(world);
}

/* One refresh on 28xxx, told and on a link of the same attempt. */
static void r66_what_was_refused_is_made_anew_once(void **state) {
    static const char *const codes[] = { "28P01", "28000", "08P01" };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        hf_testbed *world = with_a_giver(1);
        refuse(world, codes[i], 1);
        hf_testbed_open(world, 1000);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_at(job->ended_at, 1000);
        assert_int_equal(giver.asked, 2);
        assert_int_equal(giver.refused, 1);
        assert_string_equal(world->peer->password, "t2");
        assert_int_equal(hf_testbed_status(world).dials, 1);
        /* A login has succeeded since: the next refusal may be met so again. */
        refuse(world, codes[i], 1);
        hf_peer_drop(world->peer, HF_ERR_RESET);
        hf_pool_open(world->pool, 1);
        hf_testbed_go(world, 20000);
        assert_state(world, 0, HF_HEALTHY);
        assert_int_equal(giver.asked, 4);
        assert_int_equal(giver.refused, 2);
        hf_testbed_end(world);
    }
}

static void r66_a_second_refusal_is_for_good_until_a_reset(void **state) {
    (void)state;
    hf_testbed *world = with_a_giver(3);
    world->config.max_outage_ms = HF_FOREVER;
    refuse(world, "28P01", 2);
    hf_testbed_open(world, 1000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_string_equal(job->request.error.sqlstate, "28P01");
    assert_true(hf_testbed_status(world).refused);
    assert_int_equal(giver.asked, 2);
    assert_int_equal(world->peer->passwords, 2);
    hf_testbed_go(world, 600000);
    assert_int_equal(giver.asked, 2);
    hf_pool_reset(world->pool);
    hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2");
    hf_testbed_finish(world, 60000);
    assert_outcome(next, HF_OUTCOME_OK);
    assert_int_equal(giver.asked, 3);
    assert_int_equal(giver.refused, 1);
    hf_testbed_end(world);
}

/* Rule 17's bound: with connect_retries 0 a password goes out once, and so does not a second one. */
static void r66_no_password_goes_out_that_rule_17_does_not_allow(void **state) {
    (void)state;
    hf_testbed *world = with_a_giver(1);
    world->config.connect_retries = 0;
    refuse(world, "28P01", HF_FOREVER);
    hf_testbed_open(world, 1000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 600000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_int_equal(world->peer->passwords, 1);
    assert_int_equal(giver.asked, 1);
    assert_true(hf_testbed_status(world).refused);
    hf_testbed_end(world);
}

/* Refused, and then the network fails: the one question was asked. */
static void r66_a_loss_behind_the_question_allows_no_other(void **state) {
    (void)state;
    hf_testbed *world = with_a_giver(1);
    refuse(world, "28P01", 1);
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_PASSWORD, .deed = HF_PEER_EOF });
    refuse(world, "28P01", HF_FOREVER);
    hf_testbed_open(world, 1000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 600000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_string_equal(job->request.error.sqlstate, "28P01");
    assert_int_equal(giver.asked, 3);
    assert_int_equal(giver.refused, 1);
    hf_testbed_end(world);
}

static void r66_later_the_link_waits_for_what_is_handed_in(void **state) {
    (void)state;
    hf_testbed *world = with_a_giver(2);
    giver.answer = HF_CREDENTIALS_LATER;
    hf_testbed_open(world, 1000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_go(world, 5000);
    assert_int_equal(giver.asked, 1); /* no more while there is no news */
    assert_int_equal(world->peer->logins, 0);
    hf_pool_credentials(world->pool);
    assert_true(hf_pool_next(world->pool) <= world->now);
    hf_testbed_settle(world);
    assert_int_equal(giver.asked, 2); /* not yet, again */
    giver.answer = HF_CREDENTIALS_GIVEN;
    hf_testbed_go(world, 6000);
    assert_int_equal(giver.asked, 2);
    hf_pool_credentials(world->pool);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(hf_testbed_status(world).dials, 1);
    hf_pool_credentials(world->pool); /* nobody waits */
    hf_testbed_settle(world);
    assert_int_equal(giver.asked, 3);
    hf_testbed_end(world);
}

/* What was refused is made anew, later: the callback is told each time that it is asked. */
static void r66_what_is_made_anew_may_come_later(void **state) {
    (void)state;
    hf_testbed *world = with_a_giver(1);
    refuse(world, "28P01", 1);
    hf_testbed_open(world, 1000);
    giver.answer = HF_CREDENTIALS_GIVEN;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_peer_fault *hold = hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_HOLD, NULL);
    hf_testbed_settle(world);
    giver.answer = HF_CREDENTIALS_LATER;
    hold->over = true;
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    assert_int_equal(giver.asked, 2);
    assert_int_equal(giver.refused, 1);
    giver.answer = HF_CREDENTIALS_GIVEN;
    hf_pool_credentials(world->pool);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(giver.refused, 2);
    hf_testbed_end(world);
}

/* Never handed in: the attempt's time-out, and the next attempt asks anew. Nobody blames a password for it. */
static void r66_later_for_ever_is_the_attempts_time_out(void **state) {
    (void)state;
    hf_testbed *world = with_a_giver(1);
    world->config.connect_retries = 1;
    giver.answer = HF_CREDENTIALS_LATER;
    hf_testbed_open(world, 1000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 600000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_int_equal(giver.asked, 2);
    assert_int_equal(job->request.error.code, HF_ERR_OUTAGE);
    assert_non_null(strstr(job->request.error.message, "in login (connect_timeout)"));
    assert_false(hf_testbed_status(world).refused);
    hf_testbed_end(world);
}

/* A wait sends no password, whatever the attempt before it sent: rule 17's bound does not come nearer. */
static void r66_a_wait_counts_no_password(void **state) {
    (void)state;
    hf_testbed *world = with_a_giver(1);
    world->config.max_outage_ms = HF_FOREVER;
    hf_testbed_strike(world, HF_PEER_PASSWORD, HF_PEER_EOF, NULL);
    hf_testbed_open(world, 1000);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    assert_int_equal(world->peer->passwords, 1);
    giver.answer = HF_CREDENTIALS_LATER;
    hf_testbed_go(world, 600000);
    assert_in_range(giver.asked, 8, 100);
    assert_int_equal(job->done, 0);
    giver.answer = HF_CREDENTIALS_GIVEN;
    hf_testbed_finish(world, 600000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* A pool that is closed, or reset, while a link waits. */
static void r66_a_pool_closes_while_a_link_waits(void **state) {
    (void)state;
    hf_testbed *world = with_a_giver(1);
    giver.answer = HF_CREDENTIALS_LATER;
    hf_testbed_open(world, 1000);
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    hf_pool_reset(world->pool);
    hf_testbed_settle(world);
    assert_int_equal(giver.asked, 1);
    hf_testbed_end(world);
}

static void r66_none_and_nonsense_are_refused_for_good(void **state) {
    static const struct {
        hf_credentials_answer answer;
        const char *user, *password, *of_config;
    } cases[] = {
        { HF_CREDENTIALS_NONE, NULL, NULL, "app" },
        { (hf_credentials_answer)77, NULL, NULL, "app" },
        { HF_CREDENTIALS_GIVEN, NULL, NULL, NULL },
        { HF_CREDENTIALS_GIVEN, "", NULL, "app" },
        { HF_CREDENTIALS_GIVEN, "a\nb", NULL, "app" },
        { HF_CREDENTIALS_GIVEN, NULL, "a\rb", "app" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hf_testbed *world = with_a_giver(1);
        world->config.user = cases[i].of_config;
        giver.answer = cases[i].answer;
        giver.user = cases[i].user;
        giver.password = cases[i].password;
        hf_testbed_open(world, 1000);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_NOT_SENT);
        assert_int_equal(job->request.error.code, HF_ERR_AUTH_PASSWORD);
        assert_true(hf_testbed_status(world).refused);
        assert_int_equal(world->peer->logins, 0);
        assert_int_equal(giver.asked, 1);
        hf_testbed_end(world);
    }
}

/* No pointer to what the callback gave outlives the login, and no copy of it. */
static void r66_what_was_given_does_not_stay(void **state) {
    static char secret[] = "a token that nobody must find";
    (void)state;
    hf_testbed *world = with_a_giver(1);
    giver.password = secret;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    assert_null(world->pool->conns[0].io.given.password);
    for (size_t i = 0; i + sizeof secret < world->size; i++)
        assert_memory_not_equal(world->memory + i, secret, sizeof secret - 1);
    hf_testbed_end(world);
}

/* A refusal, a wait and an answer, whatever call of the port fails meanwhile. */
static void sweep_credentials(void) {
    hf_testbed *world = with_a_giver(2);
    refuse(world, "28P01", 1);
    giver.answer = HF_CREDENTIALS_LATER;
    hf_testbed_open(world, 1000);
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 3");
    hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_go(world, 3000);
    giver.answer = HF_CREDENTIALS_GIVEN;
    hf_pool_credentials(world->pool);
    hf_testbed_go(world, 200000);
    hf_peer_heal(world->peer);
    hf_testbed_end(world);
}

static void r66_credentials_and_whatever_fails(void **state) {
    (void)state;
    hf_testbed_sweep(sweep_credentials);
}

#endif

/* A build without both has nothing to test, and cmocka wants a test. */
static void r65_r66_are_in_this_build_or_not(void **state) {
    (void)state;
    assert_in_range(HF_LOGIN_PARTS, 0, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r65_r66_are_in_this_build_or_not),
#if HF_WITH_VERSIONS
        hf_test(r65_who_drops_3_2_costs_one_link_once),
        hf_test(r65_what_did_not_answer_3_0_either_is_not_remembered),
        hf_test(r65_down_on_the_same_link),
        hf_test(r65_below_the_least_version_the_login_is_refused_by_name),
        hf_test(r65_an_end_below_the_least_version_is_an_ordinary_loss),
        hf_test(r65_dialling_again_sends_no_password_that_rule_17_does_not_allow),
        hf_test(r65_a_long_key_cancels),
        hf_test(r65_a_long_key_and_whatever_fails),
#endif
#if HF_WITH_CREDENTIALS
        hf_test(r66_the_callback_is_asked_at_each_connect),
        hf_test(r66_what_the_callback_leaves_out_is_the_configs),
        hf_test(r66_what_was_refused_is_made_anew_once),
        hf_test(r66_a_second_refusal_is_for_good_until_a_reset),
        hf_test(r66_no_password_goes_out_that_rule_17_does_not_allow),
        hf_test(r66_a_loss_behind_the_question_allows_no_other),
        hf_test(r66_later_the_link_waits_for_what_is_handed_in),
        hf_test(r66_what_is_made_anew_may_come_later),
        hf_test(r66_later_for_ever_is_the_attempts_time_out),
        hf_test(r66_a_wait_counts_no_password),
        hf_test(r66_a_pool_closes_while_a_link_waits),
        hf_test(r66_none_and_nonsense_are_refused_for_good),
        hf_test(r66_what_was_given_does_not_stay),
        hf_test(r66_credentials_and_whatever_fails),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
