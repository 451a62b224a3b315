/* SEMANTICS 17 and 21: what each error of the server leads to. */
#include "testbed.h"
#include "unit.h"

/* One message of the server's at the Execute of a request, and what becomes of the request. */
// clang-format off
static const struct {
    const char *claim, *sql;
    hf_replay replay;
    hf_peer_deed deed;
    const char *sqlstates[4]; /* each in a world of its own */
    const char *expected;     /* the SQLSTATE follows an error */
} messages[] = {
    /* What a CALL committed before it failed stands: the CALL runs again only if the caller says that it is safe. */
    { "CALL, unsent", "CALL transfer()", HF_REPLAY_UNSENT, HF_PEER_ERROR, { "40001", "40P01", "53100" },
      "unknown, sent 1, asked 0, HF_ERR_SERVER" },
    { "CALL, safe", "CALL transfer()", HF_REPLAY_SAFE, HF_PEER_ERROR, { "40001", "40P01", "53100" },
      "ok, sent 2, asked 0" },
    /* Somebody else's cancel of what commits by itself. */
    { "CALL, cancelled, unsent", "CALL transfer()", HF_REPLAY_UNSENT, HF_PEER_ERROR, { "57014" },
      "unknown, sent 1, asked 0, HF_ERR_SERVER" },
    { "CALL, cancelled, resolve", "CALL transfer()", HF_REPLAY_RESOLVE, HF_PEER_ERROR, { "57014" },
      "unknown, sent 1, asked 0, HF_ERR_SERVER" },
    { "CALL, cancelled, safe", "CALL transfer()", HF_REPLAY_SAFE, HF_PEER_ERROR, { "57014" },
      "unknown, sent 1, asked 0, HF_ERR_SERVER" },
    /* Ambiguous. */
    { "ambiguous, unsent", "write 1", HF_REPLAY_UNSENT, HF_PEER_ERROR, { "08007", "40003" },
      "unknown, sent 1, asked 0, HF_ERR_SERVER" },
    { "ambiguous, safe", "write 1", HF_REPLAY_SAFE, HF_PEER_ERROR, { "08007", "40003" }, "ok, sent 2, asked 0" },
    /* Odyssey's way: an ERROR, and then no ReadyForQuery but the stream's end. Nobody knows what its server did. */
    { "a pooler's error, unsent", "write 1", HF_REPLAY_UNSENT, HF_PEER_LAST, { "08006", "08P01" },
      "unknown, sent 1, asked 0, HF_ERR_SERVER" },
    { "a pooler's error, safe", "write 1", HF_REPLAY_SAFE, HF_PEER_LAST, { "08006", "08P01" }, "ok, sent 2, asked 0" },
    /* A NOTICE decides nothing; a WARNING before the stream's end is the reason of that. */
    { "a notice", "write 1", HF_REPLAY_UNSENT, HF_PEER_NOTICE, { "57P01" }, "ok, sent 1, asked 0" },
    { "a warning", "write 1", HF_REPLAY_UNSENT, HF_PEER_WARNING, { "57P01", "57P02" },
      "unknown, sent 1, asked 0, HF_ERR_EOF" },
};
// clang-format on

static void r11_r17_what_a_message_at_the_execute_leads_to(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++) {
        for (size_t j = 0; messages[i].sqlstates[j]; j++) {
            const char *sqlstate = messages[i].sqlstates[j];
            const bool fails = strstr(messages[i].expected, "HF_ERR") != NULL;
            char claim[64], expected[80];
            snprintf(claim, sizeof claim, "%s, %s", messages[i].claim, sqlstate);
            snprintf(expected, sizeof expected, "%s%s%s", messages[i].expected, fails ? " " : "",
                     fails ? sqlstate : "");
            hf_testbed *world = hf_testbed_one_up(1000);
            hf_testbed_strike(world, HF_PEER_EXECUTE, messages[i].deed, sqlstate);
            hf_job *job = hf_testbed_submit(world, messages[i].replay, "%s", messages[i].sql);
            hf_testbed_finish(world, 60000);
            hf_testbed_expect(job, claim, expected);
            assert_false(hf_request_refused(&job->request));
            assert_int_equal(world->notices, messages[i].deed == HF_PEER_NOTICE ||
                                                 messages[i].deed == HF_PEER_WARNING);
            hf_testbed_end(world);
        }
    }
}

/* A time-out's cancel of what commits by itself: a part of it may stand. */
static void r11_what_commits_by_itself_and_is_out_of_time_runs_again_only_if_safe(void **state) {
    (void)state;
    for (unsigned safe = 0; safe < 2; safe++) {
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
        hf_job *job =
            hf_testbed_submit(world, safe ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT, "CALL transfer()");
        hf_testbed_finish(world, 300000);
        hf_testbed_expect(job, safe ? "safe" : "unsent",
                          safe ? "ok, sent 2, asked 0"
                               : "unknown, sent 1, asked 0, HF_ERR_TIMEOUT 57014 request_timeout");
        hf_testbed_end(world);
    }
}

static void r17_ambiguous_and_out_of_retries_names_the_limit(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_retries = 1;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "40003")->times = 2;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "write 1");
    hf_testbed_finish(world, 10000);
    hf_testbed_expect(job, "40003", "unknown, sent 2, asked 0, HF_ERR_SERVER 40003 max_retries");
    hf_testbed_end(world);
}

static void r17_unlisted_errors_are_failed_and_keep_the_link(void **state) {
    (void)state;
    static const char *const codes[] = { "53400", "55P03", "54000", "P0001", "57014", "08006",
                                         "57P01", "23505", "42P01", "22012", "XX000", "25006" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 1;
        world->config.read_only = true;
        hf_testbed_open(world, 0);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, codes[i]);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        hf_job *next = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_FAILED);
        assert_int_equal(job->request.attempts, 1);
        assert_string_equal(job->request.error.sqlstate, codes[i]);
        assert_outcome(next, HF_OUTCOME_OK);
        assert_int_equal(hf_testbed_dials(world), 1);
        hf_testbed_end(world);
    }
}

/* What another attempt would have got over, but there is none: it is not for the server's refusal that it ends. */
static void r17_cut_short_is_no_refusal(void **state) {
    (void)state;
    static const struct {
        const char *sqlstate;
        hf_peer_deed deed;
        bool refused;
    } cases[] = { { "40001", HF_PEER_ERROR, false }, { "40P01", HF_PEER_ERROR, false },
                  { "26000", HF_PEER_ERROR, false }, { "57014", HF_PEER_ERROR, false },
                  { "53100", HF_PEER_ERROR, false }, { "57P01", HF_PEER_ERROR, true },
                  { "23505", HF_PEER_ERROR, true },  { "XX000", HF_PEER_ERROR, true } };
    enum { CANCEL, TIME_OUT, CLOSE, N_WAYS };
    for (unsigned i = 0; i < N_WAYS * sizeof cases / sizeof cases[0]; i++) {
        const unsigned which = i / N_WAYS, way = i % N_WAYS;
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_EXECUTE,
                                                  .deed = cases[which].deed,
                                                  .sqlstate = cases[which].sqlstate,
                                                  .message = "why" });
        world->peer->deaf_to_cancels = true;
        hf_job *job = hf_testbed_job(world, HF_REPLAY_UNSENT, "write 1");
        job->request.timeout_ms = way == TIME_OUT ? 300 : 0;
        hf_testbed_resubmit(job);
        hf_tick(world->pool, world->now); /* it goes out, and is not answered yet */
        if (way == CANCEL)
            hf_cancel(world->pool, &job->request);
        else if (way == CLOSE)
            hf_pool_close(world->pool, world->now + 60000);
        else
            world->now += 300;
        hf_tick(world->pool, world->now);
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_FAILED);
        const hf_error *error = &job->request.error;
        assert_int_equal(hf_request_refused(&job->request), cases[which].refused);
        assert_int_equal(error->code, cases[which].refused ? HF_ERR_SERVER
                                      : way == TIME_OUT    ? HF_ERR_TIMEOUT
                                                           : HF_ERR_CANCELLED);
        assert_string_equal(error->sqlstate, cases[which].sqlstate);
        hf_testbed_end(world);
    }
}

/* The COMMIT may have arrived, and what ended the request was no answer of the server's about it. */
static void r15_what_nobody_was_asked_can_be_asked_yet(void **state) {
    (void)state;
    static const struct {
        hf_peer_deed deed;
        const char *sqlstate;
    } ends[] = { { HF_PEER_FATAL, "57P01" }, { HF_PEER_ERROR, "40003" }, { HF_PEER_RST, NULL } };
    enum { CANCEL, CLOSE, REFUSED, N_WAYS };
    for (unsigned i = 0; i < N_WAYS * sizeof ends / sizeof ends[0]; i++) {
        const unsigned way = i % N_WAYS;
        hf_testbed *world = hf_testbed_one_up(1000);
        hf_testbed_strike(world, HF_PEER_COMMITS, ends[i / N_WAYS].deed, ends[i / N_WAYS].sqlstate);
        if (way == REFUSED) {
            hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_RST, NULL);
            hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_FATAL, "28P01")->times = HF_FOREVER;
        }
        world->peer->deaf_to_cancels = true;
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
        hf_tick(world->pool, world->now);
        hf_peer_pump(world->peer);
        hf_tick(world->pool, world->now); /* its COMMIT is out, and is not answered yet */
        assert_int_equal(job->request.stage, 1);
        if (way == CANCEL)
            hf_cancel(world->pool, &job->request);
        else if (way == CLOSE)
            hf_pool_close(world->pool, world->now + 60000);
        hf_tick(world->pool, world->now);
        hf_testbed_finish(world, 60000);
        assert_outcome(job, HF_OUTCOME_UNKNOWN);
        assert_true(hf_request_may_be_asked(&job->request));
        hf_testbed_end(world);
    }
}

/* And so if the question itself is lost, again and again. */
static void r15_a_question_that_is_lost_can_be_asked_yet(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.request_timeout_ms = 5000;
    hf_testbed_open(world, 1000);
    hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_RST, NULL);
    hf_testbed_strike(world, HF_PEER_ASK, HF_PEER_FATAL, "57P01")->times = HF_FOREVER;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 1");
    hf_testbed_finish(world, 300000);
    assert_outcome(job, HF_OUTCOME_UNKNOWN);
    assert_true(hf_request_may_be_asked(&job->request));
    assert_int_equal(job->request.error.code, HF_ERR_TIMEOUT);
    assert_int_equal(job->request.error.limit, HF_LIMIT_REQUEST);
    hf_testbed_end(world);
}

static void r3_what_an_earlier_run_sent_is_no_resend(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_retries = 0;
    hf_testbed_open(world, 1000);
    world->peer->tx_status[2] = HF_PEER_ABORTED;
    hf_job *job = hf_testbed_job(world, HF_REPLAY_RESOLVE, "write 2");
    job->request.resolve_ticket = "2 life/0";
    hf_testbed_resubmit(job);
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 1);
    assert_int_equal(hf_testbed_status(world).retries, 0);
    hf_testbed_end(world);
}

/* An earlier request's time-out is no reason for the end of this one. */
static void r16_cancelled_names_no_other_requests_limit(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_retries = 0;
    world->config.request_timeout_ms = 1000;
    hf_testbed_open(world, 1000);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_job *late = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 10000);
    assert_outcome(late, HF_OUTCOME_FAILED);
    assert_int_equal(late->request.error.limit, HF_LIMIT_REQUEST);
    world->peer->ticketless = true;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_RESOLVE, "write 2");
    for (unsigned i = 0; i < 2; i++) { /* its own ROLLBACK is the last to be answered */
        hf_tick(world->pool, world->now);
        hf_peer_pump(world->peer);
    }
    hf_cancel(world->pool, &job->request);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.error.code, HF_ERR_CANCELLED);
    assert_int_equal(job->request.error.limit, HF_LIMIT_NONE);
    hf_testbed_end(world);
}

/* Shows fault 34. */
static void r17_prepared_again_once_under_a_new_name(void **state) {
    (void)state;
    static const char *const codes[] = { "26000", "42P05", "0A000" };
    for (size_t i = 0; i < 3; i++) {
        for (uint32_t times = 1; times <= 2; times++) {
            hf_testbed *world = hf_testbed_new();
            world->config.max_concurrent = 1;
            hf_testbed_open(world, 0);
            hf_testbed_submit_kept(world, HF_REPLAY_UNSENT, "write 1");
            hf_testbed_settle(world);
            unsigned parses = world->peer->parses;
            hf_peer_add(world->peer,
                        (hf_peer_fault){ .point = HF_PEER_EXECUTE,
                                         .deed = HF_PEER_ERROR,
                                         .sqlstate = codes[i],
                                         .message = "cached plan must not change result type",
                                         .times = times });
            hf_job *job = hf_testbed_submit_kept(world, HF_REPLAY_UNSENT, "write 1");
            hf_testbed_settle(world);
            if (times == 1) {
                assert_outcome(job, HF_OUTCOME_OK);
            } else {
                assert_int_equal(job->request.outcome, HF_OUTCOME_FAILED);
                world->n_jobs = 0; /* the first one wrote the same */
            }
            assert_int_equal(job->request.attempts, 2);
            assert_int_equal(world->peer->parses, parses + 1);
            assert_int_equal(hf_testbed_status(world).retries, 0);
            if (world->n_jobs)
                world->n_jobs = 0;
            hf_testbed_end(world);
        }
    }
}

/* Shows fault 34. */
static void r17_the_server_forgot_its_statements(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_submit_kept(world, HF_REPLAY_SAFE, "rows 2");
    hf_testbed_settle(world);
    world->peer->links[0].n_statements = 0; /* a pooler changed servers */
    hf_testbed_resubmit(job);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 2);
    hf_testbed_end(world);
}

/* Behind a pooler, which hands out whatever session it has. Shows fault 34. */
static void r17_prepared_again_on_another_connection_too(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 2);
    hf_testbed_submit_kept(world, HF_REPLAY_SAFE, "rows 2");
    hf_testbed_submit_kept(world, HF_REPLAY_SAFE, "rows 2");
    hf_testbed_settle(world);
    assert_int_equal(world->peer->parses, 2);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "26000");
    hf_testbed_submit_kept(world, HF_REPLAY_SAFE, "rows 7");
    hf_testbed_settle(world);
    world->peer->links[0].n_statements = 0; /* of the connection whose request is held */
    hf_job *job = hf_testbed_submit_kept(world, HF_REPLAY_SAFE, "rows 2");
    hf_tick(world->pool, world->now);
    hf_peer_pump(world->peer); /* refused on one, and the other is free again in the same tick */
    hf_peer_release(world->peer);
    hf_peer_pump(world->peer);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 2);
    hf_testbed_end(world);
}

static void r21_25006_in_another_session_is_the_wrong_server(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.hosts[1] = (hf_host){ .name = "10.0.0.2", .port = 6000 };
    world->config.n_hosts = 2;
    hf_testbed_open(world, 0);
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_EXECUTE,
                                              .deed = HF_PEER_ERROR,
                                              .sqlstate = "25006",
                                              .times = HF_FOREVER,
                                              .port = 5432 });
    world->peer->standby_port = 5432;
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_finish(world, 10000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(job->request.attempts, 2);
    assert_int_equal(job->request.retries, 0);
    assert_int_equal(hf_script_link_last(world->script)->address.port, 6000);
    hf_testbed_end(world);
}

static void r21_25006_in_our_own_is_final(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.read_only = true;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "25006");
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "write 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(job->request.error.code, HF_ERR_READ_ONLY);
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r11_r17_what_a_message_at_the_execute_leads_to),
        hf_test(r11_what_commits_by_itself_and_is_out_of_time_runs_again_only_if_safe),
        hf_test(r17_ambiguous_and_out_of_retries_names_the_limit),
        hf_test(r17_unlisted_errors_are_failed_and_keep_the_link),
        hf_test(r17_cut_short_is_no_refusal),
        hf_test(r15_what_nobody_was_asked_can_be_asked_yet),
        hf_test(r15_a_question_that_is_lost_can_be_asked_yet),
        hf_test(r3_what_an_earlier_run_sent_is_no_resend),
        hf_test(r16_cancelled_names_no_other_requests_limit),
        hf_test(r17_prepared_again_once_under_a_new_name),
        hf_test(r17_the_server_forgot_its_statements),
        hf_test(r17_prepared_again_on_another_connection_too),
        hf_test(r21_25006_in_another_session_is_the_wrong_server),
        hf_test(r21_25006_in_our_own_is_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
