/* SEMANTICS 17 and 21: what passes by itself, a shortage, a lock, somebody else's cancel, and the wrong role. */
#include "testbed.h"

#include <string.h>

static void strike(hf_testbed *world, const char *sqlstate, uint32_t times) {
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, sqlstate)->times = times;
}

static hf_job *patient(hf_testbed *world, hf_replay replay, const char *sql) {
    hf_job *job = hf_testbed_job(world, replay, "%s", sql);
    job->request.wait_passing = true;
    hf_testbed_resubmit(job);
    return job;
}

/* --- shortages ------------------------------------------------------------------------------------- */

static const char *const shortages[] = { "53000", "53100", "53200", "58030" };

/* Shows found T6. */
static void r17_a_shortage_that_all_meet_is_an_outage_and_spends_no_retry(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shortages / sizeof shortages[0]; i++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        strike(world, shortages[i], 9); /* waits 2, 4, 8, 16, 30 … */
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_finish(world, 300000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, 10);
        assert_int_equal(job->request.retries, 0);
        assert_int_equal(hf_testbed_dials(world), 1);
        hf_testbed_end(world);
    }
}

static void r17_a_shortage_that_lasts_for_max_outage_ends_the_request(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    strike(world, "53100", HF_FOREVER);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_go(world, 300000);
    assert_int_equal(job->done, 0);
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_string_equal(job->request.error.sqlstate, "53100");
    assert_int_equal(job->request.error.limit, HF_LIMIT_MAX_OUTAGE);
    assert_false(hf_request_refused(&job->request));
    hf_testbed_end(world);
}

/* A shortage that one request meets while others are answered OK counts as retries of that request. */
static void r17_a_shortage_of_one_alone_spends_its_retries(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_retries = 2;
    hf_testbed_open(world, 0);
    const hf_peer_fault full = {
        .point = HF_PEER_EXECUTE, .deed = HF_PEER_ERROR, .sqlstate = "53200", .times = HF_FOREVER
    };
    hf_peer_fault *fault = hf_peer_add(world->peer, full);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    for (unsigned i = 0; i < 8 && !job->done; i++) {
        hf_testbed_settle(world);
        fault->over = true;
        hf_job *other = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        hf_testbed_settle(world);
        assert_outcome(other, HF_OUTCOME_OK);
        fault = hf_peer_add(world->peer, full);
        hf_testbed_wait(world, 30000);
    }
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.retries, 2);
    assert_int_equal(job->request.error.limit, HF_LIMIT_MAX_RETRIES);
    hf_peer_heal(world->peer);
    hf_testbed_end(world);
}

/* --- locks, and somebody else's cancel --------------------------------------------------------------- */

/* Shows found T6. */
static void r17_a_lock_is_waited_for_where_that_is_asked_for(void **state) {
    (void)state;
    static const struct {
        const char *sql;
        bool asks, waits;
    } cases[] = { { "write 1", true, true },
                  { "write 1", false, false },
                  { "write 1 FOR UPDATE NOWAIT", true, false },
                  { "write 1 WHERE a = '--' FOR UPDATE NOWAIT", true, false },
                  { "write 1 WHERE a = E'\\'' FOR UPDATE NOWAIT", true, false },
                  { "write 1 WHERE a = '\\' FOR UPDATE NOWAIT -- '", true, false },
                  { "write 1 WHERE a = e'\\'nowait'", true, true },
                  { "write 1 WHERE a = 'nowait'", true, true } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        strike(world, "55P03", 2);
        hf_job *job = hf_testbed_job(world, HF_REPLAY_UNSENT, "%s", cases[i].sql);
        job->request.wait_passing = cases[i].asks;
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 60000);
        assert_outcome(job, cases[i].waits ? HF_OUTCOME_OK : HF_OUTCOME_FAILED);
        assert_int_equal(job->request.attempts, cases[i].waits ? 3 : 1);
        assert_int_equal(hf_request_refused(&job->request), !cases[i].waits);
        if (cases[i].waits)
            assert_at(job->ended_at, 7000); /* 2 s and 4 s */
        hf_peer_heal(world->peer);
        hf_testbed_end(world);
    }
}

/* Shows found T6. */
static void r17_somebody_elses_cancel_of_a_read_is_waited_out_once(void **state) {
    (void)state;
    for (unsigned times = 1; times < 3; times++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 1;
        world->config.read_only = true;
        hf_testbed_open(world, 0);
        strike(world, "57014", times);
        hf_job *job = patient(world, HF_REPLAY_SAFE, "rows 1");
        hf_testbed_finish(world, 10000);
        assert_outcome(job, times == 1 ? HF_OUTCOME_OK : HF_OUTCOME_FAILED);
        assert_int_equal(job->request.attempts, 2);
        hf_testbed_end(world);
    }
    hf_testbed *world = hf_testbed_one_up(1000);
    strike(world, "57014", 1);
    hf_job *job = patient(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_FAILED); /* a write's may have been meant */
    hf_testbed_end(world);
}

/* --- what a statement's own connections met ----------------------------------------------------------- */

/* Shows found T10. */
static void r17_an_error_of_a_statements_own_connection_keeps_the_link(void **state) {
    (void)state;
    static const char *const codes[] = { "08000", "08001", "08003", "08004", "08006",
                                         "08P01", "57P01", "57P02", "57P05", "25P03" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        strike(world, codes[i], 1);
        hf_job *job =
            hf_testbed_submit(world, i & 1 ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_FAILED);
        assert_int_equal(job->request.attempts, 1);
        assert_true(hf_request_refused(&job->request));
        assert_int_equal(hf_testbed_dials(world), 1);
        hf_testbed_end(world);
    }
}

/* Shows found T9. */
static void r9_affected_is_0_unless_ok(void **state) {
    (void)state;
    static const hf_peer_deed deeds[] = { HF_PEER_EOF, HF_PEER_ERROR, HF_PEER_NOTHING };
    for (size_t i = 0; i < 3; i++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, HF_PEER_READY, deeds[i], "40003");
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_finish(world, 10000);
        const bool ok = deeds[i] == HF_PEER_NOTHING;
        assert_outcome(job, ok ? HF_OUTCOME_OK : HF_OUTCOME_UNKNOWN);
        assert_int_equal(job->request.affected, ok);
        hf_testbed_end(world);
    }
}

/* --- the wrong role ------------------------------------------------------------------------------------ */

/* Shows found T5. */
static void r21_a_standby_is_an_outage_and_spends_no_retry(void **state) {
    (void)state;
    for (unsigned told = 0; told < 3;
         told++) { /* in_hot_standby, read-only since login, asked for */
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 2;
        hf_testbed_open(world, 0);
        world->peer->hot = told == 0;
        world->peer->read_only = told == 1;
        world->peer->silent = told == 2;
        world->peer->standby_port = told == 2 ? 5432 : 0;
        strike(world, "25006", HF_FOREVER);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_go(world, 250000); /* max_retries would have been over after 62 s */
        assert_int_equal(job->done, 0);
        assert_int_equal(job->request.retries, 0);
        assert_true(job->request.attempts > 6);
        assert_int_equal(world->peer->role_asks > 0, told == 2);
        hf_peer_heal(world->peer);
        world->peer->hot = world->peer->read_only = false;
        world->peer->standby_port = 0;
        hf_testbed_finish(world, 60000);
        assert_outcome(job, HF_OUTCOME_OK);
        hf_testbed_end(world);
    }
}

static void r21_a_standby_for_max_outage_is_given_up(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    hf_testbed_open(world, 0);
    world->peer->hot = true;
    strike(world, "25006", HF_FOREVER);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_go(world, 299000);
    assert_int_equal(job->done, 0);
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_FAILED); /* it was refused each time */
    assert_int_equal(job->request.error.limit, HF_LIMIT_MAX_OUTAGE);
    assert_false(hf_request_refused(&job->request));
    hf_testbed_end(world);
}

/* Shows found T4. */
static void r21_a_session_that_made_itself_read_only_is_kept_and_its_statement_failed(
    void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_peer_tell(world->peer, "default_transaction_read_only", "on"); /* as behind set_config() */
    hf_testbed_settle(world);
    strike(world, "25006", HF_FOREVER);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.attempts, 2); /* the server takes writes: once more, there */
    assert_string_equal(job->request.error.sqlstate, "25006");
    assert_int_equal(world->peer->role_asks, 1);
    assert_int_equal(hf_testbed_dials(world), 1);
    hf_testbed_end(world);
}

/* A reload of the server's settings makes the sessions read-only that there are. Shows found T5. */
static void r21_a_server_that_is_made_read_only_under_its_sessions_is_an_outage(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_peer_tell(world->peer, "default_transaction_read_only", "on");
    hf_testbed_settle(world);
    world->peer->read_only = true;
    world->peer->standby_port = 5432;
    strike(world, "25006", HF_FOREVER);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_go(world, 250000);
    assert_int_equal(job->done, 0);
    assert_int_equal(job->request.retries, 0);
    assert_int_equal(world->peer->role_asks,
                     1); /* from the next login on the server says so itself */
    hf_peer_heal(world->peer);
    world->peer->read_only = false;
    world->peer->standby_port = 0;
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* Shows found T4. */
static void r21_what_a_session_has_set_is_never_left_behind(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    hf_job *set = hf_testbed_submit(world, HF_REPLAY_UNSENT, "SET something");
    hf_testbed_settle(world);
    assert_outcome(set, HF_OUTCOME_OK);
    strike(world, "25006", 1);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.attempts, 1);
    assert_int_equal(world->peer->role_asks, 0);
    assert_int_equal(hf_testbed_dials(world), 1);
    hf_testbed_end(world);
}

static void r21_asked_and_writable_it_runs_again_once(void **state) {
    (void)state;
    for (unsigned times = 1; times < 3; times++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        strike(world, "25006", times);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        assert_outcome(job, times == 1 ? HF_OUTCOME_OK : HF_OUTCOME_FAILED);
        assert_int_equal(job->request.attempts, 2);
        assert_int_equal(job->request.retries, 0);
        assert_int_equal(job->request.asks, 0); /* that counts the questions about a COMMIT */
        assert_int_equal(world->peer->role_asks, 1);
        assert_int_equal(hf_testbed_dials(world), 1);
        hf_testbed_end(world);
    }
}

/* A question that is not answered says nothing: the next refusal brings the next one. */
static void r21_a_question_for_the_role_that_fails_is_asked_again(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(1000);
    strike(world, "25006", 2);
    hf_peer_add(
        world->peer,
        (hf_peer_fault){ .point = HF_PEER_ROLE, .deed = HF_PEER_ERROR, .sqlstate = "57014" });
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 3);
    assert_int_equal(job->request.retries, 0);
    assert_int_equal(world->peer->role_asks, 1); /* that was answered */
    hf_testbed_end(world);
}

/* The request runs again on the server that said that it takes writes, though another connection is free: that may lead
 * to another server. */
static void r21_asked_and_writable_it_runs_again_where_that_was_said(void **state) {
    (void)state;
    for (unsigned other = 0; other < 2; other++) { /* which connection the write is sent on */
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 2;
        hf_testbed_open(world, 1000);
        hf_testbed_up(world, 2);
        hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_EXECUTE, .deed = HF_PEER_HOLD });
        hf_job *busy[2] = { hf_testbed_submit(world, HF_REPLAY_UNSENT, "rows 1") };
        hf_testbed_settle(world);
        const unsigned first = busy[0]->request.conn->index;
        if (other) { /* the first is free again, the second is not */
            hf_peer_add(world->peer,
                        (hf_peer_fault){ .point = HF_PEER_EXECUTE, .deed = HF_PEER_HOLD });
            busy[1] = hf_testbed_submit(world, HF_REPLAY_UNSENT, "rows 1");
            hf_testbed_settle(world);
            world->peer->links[first].held = false;
            hf_testbed_settle(world);
            assert_outcome(busy[0], HF_OUTCOME_OK);
        }
        strike(world, "25006", 1);
        hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_ROLE, .deed = HF_PEER_HOLD });
        hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_EXECUTE, .deed = HF_PEER_HOLD });
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        const unsigned asked = job->request.conn->index;
        world->peer->links[!asked].held = false;
        hf_testbed_settle(world);
        assert_outcome(busy[other], HF_OUTCOME_OK);
        world->peer->links[asked].held = false; /* "writable" */
        hf_testbed_settle(world);
        assert_int_equal(job->request.attempts, 2);
        assert_int_equal(job->request.conn->index, asked);
        hf_peer_release(world->peer);
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_OK);
        hf_testbed_end(world);
    }
}

/* What the session was told last is what holds: it was a standby, or read-only since login, and is no more. */
static void r21_a_standby_that_was_promoted_under_a_session_is_none(void **state) {
    (void)state;
    for (unsigned hot = 0; hot < 2; hot++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 1;
        world->peer->hot = hot;
        world->peer->read_only = !hot;
        hf_testbed_open(world, 1000);
        hf_testbed_up(world, 1);
        hf_peer_tell(world->peer, hot ? "in_hot_standby" : "default_transaction_read_only", "off");
        hf_testbed_settle(world);
        strike(world, "25006", 1);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_settle(world);
        assert_int_equal(hf_testbed_dials(world), 1); /* the link is kept */
        assert_int_equal(job->request.attempts, 2);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(world->peer->role_asks, 1);
        hf_testbed_end(world);
    }
}

/* --- passwords ------------------------------------------------------------------------------------------ */

/* A world, not open yet, whose server asks for the password in clear text. */
static hf_testbed *with_a_password(uint32_t conns) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = conns;
    world->config.password = "secret";
    world->config.require_auth = HF_AUTH_PASSWORD;
    world->peer->wants_password = true;
    return world;
}

/* As a pooler does, which has one SQLSTATE for all that it refuses. */
static void refuse_passwords(hf_testbed *world, const char *message) {
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_PASSWORD,
                                              .deed = HF_PEER_FATAL,
                                              .sqlstate = "08P01",
                                              .message = message,
                                              .times = HF_FOREVER });
}

/* A refusal that names no reason: the password is sent connect_retries + 1 times, whatever max_outage is. */
static void r17_a_password_is_sent_a_few_times_only(void **state) {
    (void)state;
    hf_testbed *world = with_a_password(1);
    world->config.max_outage_ms = HF_FOREVER;
    refuse_passwords(world, "no more connections allowed");
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 600000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_int_equal(world->peer->passwords, 4);
    assert_int_equal(job->request.error.code, HF_ERR_OUTAGE);
    assert_int_equal(job->request.error.limit, HF_LIMIT_CONNECT_RETRIES);
    assert_false(hf_testbed_status(world).refused);
    hf_peer_heal(world->peer);
    hf_job *next = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 2"); /* afresh */
    hf_testbed_finish(world, 600000);
    assert_outcome(next, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* The same beside a connection that is up since before hf_pool_reset(), which told that the password is another. */
static void r17_a_password_is_sent_a_few_times_only_beside_a_connection_that_is_up(void **state) {
    (void)state;
    hf_testbed *world = with_a_password(3);
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    hf_pool_reset(world->pool);
    world->peer->passwords = 0;
    refuse_passwords(world, "no more connections allowed");
    hf_pool_open(world->pool, 3);
    hf_testbed_go(world, 600000);
    assert_int_equal(world->peer->passwords, 4);
    assert_int_equal(hf_testbed_status(world).conns[HF_HEALTHY], 1);
    hf_testbed_end(world);
}

/* Shows found T8. */
static void r17_a_poolers_wrong_password_is_one_login(void **state) {
    (void)state;
    hf_testbed *world = with_a_password(3);
    refuse_passwords(world, "password authentication failed");
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 600000);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_int_equal(world->peer->passwords, 1);
    assert_true(hf_testbed_status(world).refused);
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r17_a_shortage_that_all_meet_is_an_outage_and_spends_no_retry),
        hf_test(r17_a_shortage_that_lasts_for_max_outage_ends_the_request),
        hf_test(r17_a_shortage_of_one_alone_spends_its_retries),
        hf_test(r17_a_lock_is_waited_for_where_that_is_asked_for),
        hf_test(r17_somebody_elses_cancel_of_a_read_is_waited_out_once),
        hf_test(r17_an_error_of_a_statements_own_connection_keeps_the_link),
        hf_test(r9_affected_is_0_unless_ok),
        hf_test(r21_a_standby_is_an_outage_and_spends_no_retry),
        hf_test(r21_a_standby_for_max_outage_is_given_up),
        hf_test(r21_a_session_that_made_itself_read_only_is_kept_and_its_statement_failed),
        hf_test(r21_a_server_that_is_made_read_only_under_its_sessions_is_an_outage),
        hf_test(r21_what_a_session_has_set_is_never_left_behind),
        hf_test(r21_asked_and_writable_it_runs_again_once),
        hf_test(r21_a_question_for_the_role_that_fails_is_asked_again),
        hf_test(r21_asked_and_writable_it_runs_again_where_that_was_said),
        hf_test(r21_a_standby_that_was_promoted_under_a_session_is_none),
        hf_test(r17_a_password_is_sent_a_few_times_only),
        hf_test(r17_a_password_is_sent_a_few_times_only_beside_a_connection_that_is_up),
        hf_test(r17_a_poolers_wrong_password_is_one_login),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
