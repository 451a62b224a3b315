/* Hosts and addresses in turn, and what TLS does to a login (FAULTS 5, 6, 10, 11). */
#include "testbed.h"
#include <string.h>

/* --- hosts and addresses -------------------------------------------------------------------------- */

static hf_testbed *two_hosts(void) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.hosts[1] = (hf_host){ .name = "10.0.0.2", .port = 6000 };
    world->config.n_hosts = 2;
    return world;
}

static unsigned port_of(const hf_testbed *world) {
    return hf_script_link_last(world->script)->address.port;
}

/* A server's announcement that it ends is forgotten when another server is dialled. */
static void r17_what_a_server_announced_of_its_end_is_not_said_of_another(void **state) {
    (void)state;
    hf_testbed *world = two_hosts();
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    hf_peer_say(world->peer, 'W', "57P01");
    hf_peer_drop(world->peer, 0);
    hf_testbed_settle(world);
    assert_string_equal(hf_testbed_status(world).last_error.sqlstate, "57P01");
    hf_testbed_strike(world, HF_PEER_CONNECT, HF_PEER_RST, NULL)->times = 2;
    hf_testbed_wait(world, 6000);
    assert_int_equal(port_of(world), 6000);
    const hf_pool_status status = hf_testbed_status(world);
    assert_int_equal(status.last_error.code, HF_ERR_RESET);
    assert_string_equal(status.last_error.sqlstate, "");
    assert_string_equal(status.last_error.message, "10.0.0.2");
    hf_testbed_end(world);
}

static void f50_hosts_are_tried_in_turn_and_the_good_one_is_kept(void **state) {
    (void)state;
    hf_testbed *world = two_hosts();
    hf_testbed_open(world, 0);
    hf_peer_fault *down = hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_CONNECT,
                                                                    .deed = HF_PEER_ERROR,
                                                                    .times = HF_FOREVER,
                                                                    .port = 5432 });
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_finish(world, 60000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_at(job->ended_at, 2000);
    assert_int_equal(port_of(world), 6000);
    hf_peer_drop(world->peer, 0);
    hf_testbed_wait(world, 2000);
    assert_int_equal(port_of(world), 6000); /* the last good one first */
    down->over = true;
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_CONNECT,
                                              .deed = HF_PEER_ERROR,
                                              .times = HF_FOREVER,
                                              .port = 6000 });
    hf_peer_drop(world->peer, 0);
    hf_testbed_wait(world, 20000);
    assert_state(world, 0, HF_HEALTHY);
    assert_int_equal(port_of(world), 5432);
    hf_testbed_end(world);
}

static hf_testbed *many_addresses(unsigned n) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.hosts[0].name = "db.example";
    world->script->addresses = n;
    return world;
}

/* Shows fault 5. */
static void f5_a_dead_address_leaves_time_for_the_next(void **state) {
    (void)state;
    for (unsigned n = 2; n <= HF_ADDRESSES_MAX; n++) {
        hf_testbed *world = many_addresses(n);
        hf_testbed_open(world, 0);
        for (unsigned i = 1; i < n; i++)
            hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_CONNECT,
                                                      .deed = HF_PEER_SILENCE,
                                                      .times = HF_FOREVER,
                                                      .address = (uint8_t)i });
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        hf_testbed_finish(world, 15000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_at(job->ended_at, 15000 * (n - 1) / n);
        assert_int_equal(hf_testbed_dials(world), 1);
        hf_testbed_end(world);
    }
}

/* Shows fault 5. */
static void f5_a_refused_address_is_passed_at_once(void **state) {
    (void)state;
    static const hf_peer_deed deeds[] = { HF_PEER_ERROR, HF_PEER_RST };
    for (unsigned i = 0; i < 2; i++) {
        hf_testbed *world = many_addresses(3);
        hf_testbed_open(world, 0);
        hf_testbed_strike(world, HF_PEER_CONNECT, deeds[i], NULL)->times = 2;
        hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
        hf_testbed_finish(world, 15000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_at(job->ended_at, 0);
        assert_int_equal(hf_script_link_last(world->script)->address.ip[3], 3);
        hf_testbed_end(world);
    }
}

/* The connection waits for another connection's login to end, not for the network. */
static void f5_a_good_address_is_kept_while_it_waits_to_log_in(void **state) {
    (void)state;
    hf_testbed *world = many_addresses(2);
    world->config.max_concurrent = 3;
    hf_testbed_open(world, 0);
    hf_testbed_up(world, 1);
    hf_peer_fault *slow = hf_peer_add(
        world->peer,
        (hf_peer_fault){ .point = HF_PEER_STARTUP, .deed = HF_PEER_HOLD, .times = HF_FOREVER });
    hf_pool_open(world->pool, 3);
    hf_testbed_settle(world);
    assert_int_equal(world->script->opened, 3);
    hf_testbed_wait(world, 14000); /* half of connect_timeout is an address's share of it */
    assert_int_equal(world->script->opened, 3);
    slow->over = true;
    hf_peer_release(world->peer);
    hf_testbed_settle(world);
    assert_int_equal(hf_testbed_status(world).conns[HF_HEALTHY], 3);
    hf_testbed_end(world);
}

/* Shows fault 5. */
static void f5_all_addresses_dead_is_one_failed_attempt(void **state) {
    (void)state;
    hf_testbed *world = many_addresses(3);
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_CONNECT, HF_PEER_SILENCE, NULL)->times = HF_FOREVER;
    hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_go(world, 14999);
    assert_state(world, 0, HF_CONNECTING);
    assert_int_equal(world->script->opened, 3);
    hf_testbed_go(world, 15000);
    assert_state(world, 0, HF_BACKOFF);
    hf_pool_status status = hf_testbed_status(world);
    assert_text(&status.last_error, "timed out after 15.0 s in tcp (connect_timeout)");
    hf_testbed_end(world);
}

/* Shows fault 4, fault 6. */
static void f6_the_name_is_resolved_afresh_each_attempt(void **state) {
    (void)state;
    hf_testbed *world = many_addresses(1);
    hf_testbed_open(world, 0);
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_CONNECT,
                                              .deed = HF_PEER_ERROR,
                                              .times = HF_FOREVER,
                                              .address = 1 });
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_go(world, 1000);
    world->script->addresses = 2;
    hf_testbed_finish(world, 10000);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_at(job->ended_at, 2000);
    hf_testbed_end(world);
}

/* --- TLS ------------------------------------------------------------------------------------------ */

/* Shows fault 10, fault 11. */
static void f10_f11_tls(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.sslmode = HF_SSL_REQUIRE;
    hf_testbed_open(world, 0);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_OK);
    assert_true(hf_script_link_last(world->script)->tls);
    hf_testbed_end(world);

    world = hf_testbed_new(); /* 'N': for good, at once, no byte of StartupMessage in clear */
    world->config.sslmode = HF_SSL_REQUIRE;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_TLS, HF_PEER_ERROR, NULL);
    job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_NOT_SENT);
    assert_int_equal(job->request.error.code, HF_ERR_TLS_REFUSED);
    assert_int_equal(world->peer->logins, 0);
    assert_true(hf_testbed_status(world).refused);
    hf_testbed_end(world);
}

/* Shows security 1. */
static void bytes_behind_the_answer_to_sslrequest_end_the_attempt(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.sslmode = HF_SSL_REQUIRE;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_TLS, HF_PEER_NOTICE, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    assert_state(world, 0, HF_BACKOFF);
    assert_int_equal(hf_testbed_step(world, 0)->code, HF_ERR_TLS_INJECTED);
    assert_int_equal(world->peer->logins, 0);
    hf_testbed_finish(world, 3000); /* the next attempt starts afresh */
    assert_outcome(job, HF_OUTCOME_OK);
    hf_testbed_end(world);
}

/* Shows security 13. */
static void r16_the_cancel_is_encrypted_if_the_session_is(void **state) {
    (void)state;
    hf_testbed *world = hf_testbed_new();
    world->config.sslmode = HF_SSL_REQUIRE;
    hf_testbed_open(world, 0);
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_HOLD, NULL);
    hf_job *job = hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 1");
    hf_testbed_settle(world);
    hf_cancel(world->pool, &job->request);
    hf_testbed_settle(world);
    assert_outcome(job, HF_OUTCOME_FAILED);
    assert_int_equal(world->peer->cancels, 1);
    assert_true(hf_script_link_last(world->script)->tls);
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r17_what_a_server_announced_of_its_end_is_not_said_of_another),
        hf_test(f50_hosts_are_tried_in_turn_and_the_good_one_is_kept),
        hf_test(f5_a_dead_address_leaves_time_for_the_next),
        hf_test(f5_a_refused_address_is_passed_at_once),
        hf_test(f5_a_good_address_is_kept_while_it_waits_to_log_in),
        hf_test(f5_all_addresses_dead_is_one_failed_attempt),
        hf_test(f6_the_name_is_resolved_afresh_each_attempt),
        hf_test(f10_f11_tls),
        hf_test(bytes_behind_the_answer_to_sslrequest_end_the_attempt),
        hf_test(r16_the_cancel_is_encrypted_if_the_session_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
