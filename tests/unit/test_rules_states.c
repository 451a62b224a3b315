/* SEMANTICS 18 to 22, the numbers of DESIGN section 4 at t - 1 and t, and the example of its section 8. */
#include "testbed.h"

#include <stdio.h>
#include <string.h>

/* Clocks start at 0, just below the wrap of 32 bits, and far beyond. */
static const hf_ms starts[] = { 0, 0xffffffffu - 15000, 0xffffffffu - 1, 86400000000 };
enum { STARTS = sizeof starts / sizeof starts[0] };

static void fault(hf_testbed *world, hf_peer_point point, hf_peer_deed deed) {
    hf_testbed_strike(world, point, deed, NULL)->times = HF_FOREVER;
}

/* Nothing happens before `at`, and hf_tick() says so all the way; then what is asserted next does. */
static void until(hf_testbed *world, hf_ms at) {
    assert_at(world->next, at);
    hf_testbed_go(world, at - 1);
    assert_at(world->next, at);
}

/* Time passes up to `at`: the connection is in the one state a millisecond before, and in the other then, because of
 * this error (NULL: any). */
static void passes(hf_testbed *world, hf_ms at, hf_state before, hf_state after,
                   const char *error) {
    until(world, at);
    assert_state(world, 0, before);
    hf_testbed_go(world, at);
    assert_state(world, 0, after);
    hf_pool_status status = hf_testbed_status(world);
    if (error)
        assert_text(&status.last_error, error);
}

static void design_section_8_example(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    assert_at(hf_tick(world->pool, 0), 15000);
    assert_state(world, 0, HF_CONNECTING);
    assert_at(hf_tick(world->pool, 14999), 15000);
    assert_state(world, 0, HF_CONNECTING);
    hf_tick(world->pool, 15000);
    assert_state(world, 0, HF_BACKOFF);
    hf_pool_status status = hf_testbed_status(world);
    assert_text(&status.last_error, "timed out after 15.0 s in tcp (connect_timeout)");
    world->now = 15000;
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* Where an attempt can hang, and what its error calls that. */
static const struct {
    hf_peer_point point;
    hf_peer_deed deed;
    bool tls;
    const char *text;
} hangs[] = {
    { HF_PEER_CONNECT, HF_PEER_SILENCE, false, "tcp" },
    { HF_PEER_STARTUP, HF_PEER_SILENCE, false, "login" },
    { HF_PEER_STARTUP, HF_PEER_HOLD, false, "login" },
    { HF_PEER_TLS, HF_PEER_HOLD, true, "tls" },
};

/* Shows fault 2. */
static void n_connect_timeout(void **state) {
    (void)state;
    for (unsigned s = 0; s < STARTS; s++) {
        for (size_t i = 0; i < sizeof hangs / sizeof hangs[0]; i++) {
            char text[96];
            hf_testbed *world = hf_testbed_new();
            world->config.max_concurrent = 1;
            world->config.sslmode = hangs[i].tls ? HF_SSL_REQUIRE : HF_SSL_DISABLE;
            world->script->auto_tls = !hangs[i].tls;
            fault(world, hangs[i].tls ? HF_PEER_CANCEL : hangs[i].point, hangs[i].deed);
            hf_testbed_open(world, starts[s]);
            hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
            hf_testbed_settle(world);
            snprintf(text, sizeof text, "timed out after 15.0 s in %s (connect_timeout)",
                     hangs[i].text);
            passes(world, starts[s] + 15000, HF_CONNECTING, HF_BACKOFF, text);
            passes(world, starts[s] + 17000, HF_BACKOFF, HF_CONNECTING, NULL); /* retry_delay */
            hf_testbed_end(world);
        }
    }
}

static void n_connect_timeout_while_the_name_is_looked_up(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.hosts[0].name = "db.example";
    world->script->auto_resolve = false;
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    passes(world, 15000, HF_CONNECTING, HF_BACKOFF,
           "timed out after 15.0 s in resolve (connect_timeout)");
    hf_testbed_go(world, 17000);
    hf_script_resolved(world->script, 0, HF_ERR_RESOLVE); /* afresh each attempt; NXDOMAIN: again */
    hf_testbed_settle(world);
    assert_state(world, 0, HF_BACKOFF);
    hf_pool_status status = hf_testbed_status(world);
    assert_text(&status.last_error, "the host name does not resolve in resolve: db.example");
    hf_testbed_go(world, 21000);
    hf_script_resolved(world->script, 0, 1);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static void n_reconnect_timeout_after_a_failed_statement(void **state) {
    (void)state;
    for (unsigned s = 0; s < STARTS; s++) {
        hf_testbed *world = hf_testbed_one_up(starts[s]);
        fault(world, HF_PEER_CONNECT, HF_PEER_SILENCE);
        hf_peer_drop(world->peer, HF_ERR_RESET);
        hf_testbed_settle(world);
        passes(world, starts[s] + 2000, HF_BACKOFF, HF_RECONNECTING, NULL);
        passes(world, starts[s] + 17000, HF_RECONNECTING, HF_BACKOFF,
               "timed out after 15.0 s in tcp (reconnect_timeout)");
        hf_testbed_end(world);
    }
}

static void n_probe_interval_probe_timeout_and_probe_reconnect_timeout(void **state) {
    (void)state;
    for (unsigned s = 0; s < STARTS; s++) {
        hf_testbed *world = hf_testbed_one_up(starts[s]);
        hf_testbed_go(world, starts[s] + 10000); /* stable_after */
        hf_testbed_strike(world, HF_PEER_PROBE, HF_PEER_SILENCE, NULL);
        fault(world, HF_PEER_CONNECT, HF_PEER_SILENCE);
        passes(world, starts[s] + 30000, HF_HEALTHY, HF_PROBING, NULL);
        passes(world, starts[s] + 35000, HF_PROBING, HF_BACKOFF,
               "timed out after 5.0 s in probe (probe_timeout)");
        passes(world, starts[s] + 37000, HF_BACKOFF, HF_RECONNECTING, NULL);
        passes(world, starts[s] + 47000, HF_RECONNECTING, HF_BACKOFF,
               "timed out after 10.0 s in tcp (probe_reconnect_timeout)");
        hf_testbed_end(world);
    }
}

/* The server does not end its side: the old link stays until it is forced. */
static void n_close_timeout_after_a_statement_and_after_a_probe(void **state) {
    (void)state;
    for (unsigned probe = 0; probe < 2; probe++) {
        hf_testbed *world = hf_testbed_one_up(0);
        hf_ms lost = probe ? 35000 : 125000, forced = lost + (probe ? 3000 : 5000);
        world->script->auto_close = false;
        world->peer->deaf_to_cancels = true;
        fault(world, probe ? HF_PEER_PROBE : HF_PEER_EXECUTE, HF_PEER_SILENCE);
        if (!probe)
            hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_go(world, lost);
        assert_state(world, 0, HF_BACKOFF);
        hf_script_link *old = hf_script_link_at(world->script, 0);
        assert_true(old->closing);
        hf_testbed_go(world, lost + 2000); /* the next attempt does not wait for it */
        assert_state(world, 0, HF_HEALTHY);
        hf_testbed_go(world, forced - 1);
        assert_false(old->released);
        assert_at(world->next, forced);
        hf_testbed_go(world, forced);
        assert_true(old->released && old->aborted);
        world->script->auto_close = true;
        hf_testbed_end(world);
    }
}

static void n_request_timeout(void **state) {
    (void)state;
    for (unsigned s = 0; s < STARTS; s++) {
        hf_testbed *world = hf_testbed_one_up(starts[s]);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        hf_testbed_go(world, starts[s] + 10000);
        until(world, starts[s] + 120000); /* no probe on the way: rule 18 */
        assert_int_equal(world->peer->cancels, 0);
        hf_testbed_go(world, starts[s] + 120000);
        assert_int_equal(world->peer->cancels, 1);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(world->peer->probes, 0);
        hf_testbed_end(world);
    }
}

static void r18_no_probe_while_something_is_in_flight(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.request_timeout_ms = 0; /* no limit */
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_go(world, 3600000);
    assert_int_equal(world->peer->probes, 0);
    assert_int_equal(job->done, 0);
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_go(world, 3629999); /* heard just now: from then on */
    assert_int_equal(world->peer->probes, 0);
    hf_testbed_go(world, 3630000);
    assert_int_equal(world->peer->probes, 1);
    hf_testbed_end(world);
}

static void r18_work_waits_for_a_probe(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(0);
    hf_testbed_strike(world, HF_PEER_PROBE, HF_PEER_HOLD, NULL);
    hf_testbed_go(world, 31000);
    assert_state(world, 0, HF_PROBING);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    assert_int_equal(job->request.attempts, 0);
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    assert_state(world, 0, HF_HEALTHY);
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* Shows fault 27. */
static void r18_f27_a_fatal_while_idle_is_acted_on_in_that_tick(void **state) {
    (void)state;
    static const char *const codes[] = { "57P01", "57P05", "25P03" };
    for (unsigned i = 0; i < 3; i++) {
        hf_testbed *world = hf_testbed_one_up(0);
        hf_peer_say(world->peer, 'F', codes[i]);
        hf_tick(world->pool, 1);
        assert_state(world, 0, HF_BACKOFF);
        assert_string_equal(hf_testbed_status(world).last_error.sqlstate, codes[i]);
        world->now = 1;
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_finish(world, 10000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, 1);
        hf_testbed_end(world);
    }
}

static void r18_a_lost_probe_ends_in_backoff(void **state) {
    (void)state;
    static const hf_peer_deed deeds[] = { HF_PEER_EOF, HF_PEER_RST, HF_PEER_FATAL };
    for (unsigned i = 0; i < 3; i++) {
        hf_testbed *world = hf_testbed_one_up(0);
        fault(world, HF_PEER_PROBE, deeds[i]);
        hf_testbed_go(world, 30000);
        assert_state(world, 0, HF_BACKOFF);
        hf_peer_heal(world->peer);
        hf_testbed_go(world, 32000);
        assert_state(world, 0, HF_HEALTHY);
        hf_testbed_end(world);
    }
}

static void r18_idle_connections_are_probed_before_use_after_a_loss(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 3);
    hf_testbed_wait(world, 12000);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_EOF, NULL);
    fault(world, HF_PEER_PROBE, HF_PEER_HOLD);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_state(world, 0, HF_BACKOFF);
    assert_state(world, 1, HF_PROBING);
    assert_state(world, 2, HF_PROBING);
    assert_int_equal(job->request.attempts, 1);
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_at(job->ended_at, 12000);
    hf_testbed_end(world);
}

/* Idle is also who has nothing in flight but a ROLLBACK that the network does not take yet. */
static void r18_an_idle_connection_whose_link_takes_nothing_is_probed_too(void **state) {
    (void)state;
    if (!HF_MANY_CONNS) {
        skip();
    }
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 2;
    world->config.max_pipelined = 2;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 2);
    hf_conn *conn = &world->pool->conns[0];
    hf_script_link *link = (hf_script_link *)(void *)conn->dial.link,
                   *other = (hf_script_link *)(void *)world->pool->conns[1].dial.link;
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "22012");
    hf_testbed_submit(world, HF_REPLAY_SAFE, "BEGIN");
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_tick(world->pool, world->now);
    hf_script_link_room(link, 0);
    hf_testbed_settle(world);
    assert_int_equal(conn->n_flight, 0);
    assert_true(conn->tx_blocked);
    assert_state(world, 0, HF_HEALTHY);
    hf_script_link_eof(other);
    hf_testbed_settle(world);
    assert_state(world, 1, HF_BACKOFF);
    assert_state(world, 0, HF_PROBING);
    hf_script_link_room(link, UINT32_MAX);
    hf_testbed_settle(world);
    assert_state(world, 0, HF_HEALTHY);
    hf_testbed_end(world);
}

static void r4_stable_after_runs_out_in_healthy_only(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.probe_interval_ms = 8000;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    hf_peer_drop(world->peer, 0);
    hf_testbed_go(world, 3000);
    fault(world, HF_PEER_PROBE, HF_PEER_SILENCE);
    hf_testbed_go(world, 13000); /* PROBING since 11000 */
    assert_state(world, 0, HF_PROBING);
    assert_at(hf_testbed_status(world).outage_since, 1000);
    hf_testbed_go(world, 16000);
    assert_state(world, 0, HF_BACKOFF);
    assert_int_equal(hf_testbed_step(world, 0)->wait_ms, 4000);
    hf_testbed_end(world);
}

static void r20_links_never_exceed_max_concurrent(void **state) {
    (void)state;
    /* check_links() looks after every tick; here there is more work than room, and trouble. */
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 4;
    world->config.jitter_percent = 50;
    hf_testbed_open(world, 0);
    for (unsigned i = 0; i < 40; i++)
        hf_testbed_submit(world, HF_REPLAY_SAFE, "rows %u", i);
    hf_peer_fault *hold = hf_peer_add(
        world->peer,
        (hf_peer_fault){ .point = HF_PEER_EXECUTE, .deed = HF_PEER_HOLD, .times = HF_FOREVER });
    for (unsigned i = 0; i < 3; i++) {
        hf_testbed_wait(world, 20000);
        assert_int_equal(hf_testbed_status(world).in_flight, 4);
        hf_peer_drop(world->peer, i & 1 ? 0 : HF_ERR_RESET);
        hf_testbed_wait(world, 5000);
        hf_pool_open(world->pool, 4);
    }
    hold->over = true;
    hf_peer_release(world->peer);
    hf_testbed_finish(world, 60000);
    for (unsigned i = 0; i < 40; i++)
        assert_outcome(&world->jobs[i], HF_OUTCOME_OK);
    hf_testbed_end(world);
}

static bool asked_for(const hf_testbed *world, const char *name) {
    const char *at = world->peer->startup, *end = at + world->peer->startup_bytes;
    for (; at < end; at += strlen(at) + 1)
        if (strcmp(at, name) == 0)
            return true;
    return false;
}

/* Shows found P5. */
static void r20_r21_what_a_login_asks_of_the_server(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.read_only = true;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    assert_true(asked_for(world, "tcp_keepalives_idle"));
    assert_false(asked_for(world, "tcp_user_timeout"));
    assert_true(asked_for(world, "client_connection_check_interval"));
    assert_true(asked_for(world, "default_transaction_read_only"));
    hf_testbed_end(world);
}

static void r20_r21_a_pooler_that_refuses_them_is_asked_for_less(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.read_only = true;
    hf_testbed_open(world, 0);
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_STARTUP,
                                              .deed = HF_PEER_FATAL,
                                              .sqlstate = "08P01",
                                              .message = "unsupported startup parameter: "
                                                         "default_transaction_read_only" });
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 2");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK); /* within one attempt, BEGIN READ ONLY around it */
    assert_false(asked_for(world, "default_transaction_read_only"));
    assert_int_equal(hf_testbed_dials(world), 1);
    hf_testbed_end(world);
}

static void r22_what_has_arrived_is_read_before_deadlines_are_judged(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_testbed_settle(world);
    hf_peer_release(world->peer);
    hf_peer_pump(world->peer); /* the answer lies there while nobody looks */
    hf_testbed_sleep(world, 3600000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(world->peer->cancels, 0);
    assert_int_equal(hf_testbed_dials(world), 1);
    hf_testbed_end(world);
}

static void r22_a_login_that_was_answered_during_a_gap_is_up(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
    hf_tick(world->pool, 0);
    hf_peer_pump(world->peer);
    hf_tick(world->pool, 0);
    hf_peer_pump(world->peer);
    hf_testbed_sleep(world, 20000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(hf_testbed_dials(world), 1);
    hf_testbed_end(world);
}

static void r22_also_when_it_takes_many_reads(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.rx_bytes = 1024;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "rows 1500");
    hf_testbed_wait(world, 60000);
    hf_peer_release(world->peer);
    hf_peer_pump(world->peer);
    hf_testbed_sleep(world, 120500);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_int_equal(world->peer->cancels, 0);
    hf_testbed_end(world);
}

static void r22_a_jumped_clock_makes_idle_links_suspect(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(0);
    hf_testbed_wait(world, 8000); /* stable_after is promised for 10000 */
    hf_testbed_sleep(world, 10999);
    assert_int_equal(world->peer->probes, 0); /* late, but no jump */
    hf_testbed_wait(world, 29001);
    assert_int_equal(world->peer->probes, 1);
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    hf_peer_drop(world->peer, 0);
    hf_testbed_wait(world, 2000); /* up at 42000, stable_after at 52000, a probe at 72000 */
    hf_testbed_sleep(world, 60000);
    assert_int_equal(world->peer->probes, 2);
    assert_state(world, 0, HF_HEALTHY);
    hf_testbed_end(world);
}

static void r22_a_jumped_clock_spares_an_attempt_once(void **state) {
    (void)state;
    for (unsigned answered = 0; answered < 2; answered++) {
        hf_testbed *world = hf_testbed_one_up(0);
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write 1");
        hf_testbed_wait(world, 15000);
        hf_testbed_sleep(world, 3600000);
        assert_int_equal(job->done, 0);
        assert_int_equal(world->peer->cancels, 0);
        assert_at(world->next, 3605000); /* as long as a probe */
        if (answered) {
            hf_testbed_wait(world, 4000);
            hf_peer_release(world->peer);
            hf_testbed_settle(world);
            assert_int_equal(world->peer->cancels, 0);
        } else {
            hf_testbed_sleep(world, 3700000); /* again: not once more */
            assert_int_equal(world->peer->cancels, 1);
        }
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(job->request.attempts, answered ? 1 : 2);
        hf_testbed_end(world);
    }
}

/* Shows fault 42. */
static void f42_a_clock_that_stands_still_or_is_set_back_does_no_harm(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(100000);
    hf_ms next = hf_tick(world->pool, 100000);
    assert_at(hf_tick(world->pool, 50), next);
    assert_at(hf_tick(world->pool, 0), next);
    assert_state(world, 0, HF_HEALTHY);
    hf_testbed_end(world);
}

/* Shows fault 41. */
static void f41_a_day_of_life_across_the_wrap(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_one_up(0xffffffffu - 43200000);
    for (unsigned i = 0; i < 20; i++) {
        hf_testbed_wait(world, 3600000);
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_UNSENT, "write %u", i);
        hf_testbed_settle(world);
        assert_outcome(job, HF_OUTCOME_OK);
        if (i % 3 == 0) {
            hf_peer_drop(world->peer, 0);
            hf_testbed_wait(world, 2000);
            assert_state(world, 0, HF_HEALTHY);
        }
    }
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(design_section_8_example),
        hf_test(n_connect_timeout),
        hf_test(n_connect_timeout_while_the_name_is_looked_up),
        hf_test(n_reconnect_timeout_after_a_failed_statement),
        hf_test(n_probe_interval_probe_timeout_and_probe_reconnect_timeout),
        hf_test(n_close_timeout_after_a_statement_and_after_a_probe),
        hf_test(n_request_timeout),
        hf_test(r18_no_probe_while_something_is_in_flight),
        hf_test(r18_work_waits_for_a_probe),
        hf_test(r18_f27_a_fatal_while_idle_is_acted_on_in_that_tick),
        hf_test(r18_a_lost_probe_ends_in_backoff),
        hf_test(r18_idle_connections_are_probed_before_use_after_a_loss),
        hf_test(r18_an_idle_connection_whose_link_takes_nothing_is_probed_too),
        hf_test(r4_stable_after_runs_out_in_healthy_only),
        hf_test(r20_links_never_exceed_max_concurrent),
        hf_test(r20_r21_what_a_login_asks_of_the_server),
        hf_test(r20_r21_a_pooler_that_refuses_them_is_asked_for_less),
        hf_test(r22_what_has_arrived_is_read_before_deadlines_are_judged),
        hf_test(r22_a_login_that_was_answered_during_a_gap_is_up),
        hf_test(r22_also_when_it_takes_many_reads),
        hf_test(r22_a_jumped_clock_makes_idle_links_suspect),
        hf_test(r22_a_jumped_clock_spares_an_attempt_once),
        hf_test(f42_a_clock_that_stands_still_or_is_set_back_does_no_harm),
        hf_test(f41_a_day_of_life_across_the_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
