/* Readings on their way to the database: each is stored, refused by the server, dropped and counted, or left. */
#include "store.h"

#include "testbed.h"

#include <string.h>

static hf_store store;
static unsigned told;

static void on_refused(void *user, const hf_reading *reading, const hf_error *error) {
    assert_ptr_equal(user, &store);
    assert_string_equal(error->sqlstate, "23514");
    told += reading->number;
}

static hf_testbed *begin(void) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_pipelined = HF_STORE_SLOTS;
    world->config.max_retries = 0;
    world->config.max_outage_ms = HF_FOREVER;
    hf_testbed_open(world, 0);
    told = 0;
    hf_store_init(&store, world->pool, "device", "boot");
    store.on_refused = on_refused;
    store.user = &store;
    return world;
}

/* Takes n readings and lets ms pass, a second at a time. */
static void live(hf_testbed *world, unsigned n, hf_ms ms) {
    for (unsigned i = 0; i < n; i++)
        (void)hf_store_add(&store, world->now, -1500 + (int32_t)i);
    for (hf_ms end = world->now + ms; world->now < end; hf_testbed_wait(world, 1000))
        hf_store_submit(&store);
}

static void check(unsigned taken, unsigned stored, unsigned refused, unsigned dropped) {
    assert_int_equal(store.taken, taken);
    assert_int_equal(store.stored, stored);
    assert_int_equal(store.refused, refused);
    assert_int_equal(store.readings.dropped, dropped);
    assert_int_equal(hf_store_left(&store), taken - stored - refused - dropped);
}

static void readings_of_an_outage_are_stored_after_it(void **state) {
    (void)state;
    hf_testbed *world = begin();
    live(world, 3, 5000);
    check(3, 3, 0, 0);
    hf_testbed_refuse(world, 3);
    hf_peer_drop(world->peer, 0);
    live(world, HF_READINGS, 10000);
    check(3 + HF_READINGS, 3, 0, 0);
    live(world, 0, 120000);
    check(3 + HF_READINGS, 3 + HF_READINGS, 0, 0);
    hf_testbed_end(world);
}

static void the_oldest_that_waits_is_dropped_and_what_is_with_the_pool_is_not(void **state) {
    (void)state;
    hf_testbed *world = begin();
    hf_testbed_refuse(world, HF_FOREVER);
    live(world, HF_STORE_SLOTS, 1000);
    live(world, HF_READINGS + 5, 1000);
    check(HF_STORE_SLOTS + HF_READINGS + 5, 0, 0, 5);
    for (unsigned i = 0; i < HF_STORE_SLOTS; i++)
        assert_int_equal(store.slots[i].reading.number, i + 1);
    hf_reading oldest;
    assert_true(hf_readings_take(&store.readings, &oldest));
    assert_int_equal(oldest.number, HF_STORE_SLOTS + 5 + 1);
    hf_testbed_end(world);
}

static void a_refused_reading_is_told_once_and_lost(void **state) {
    (void)state;
    hf_testbed *world = begin();
    hf_peer_add(world->peer, (hf_peer_fault){ .point = HF_PEER_EXECUTE,
                                              .deed = HF_PEER_ERROR,
                                              .sqlstate = "23514",
                                              .message = "refused",
                                              .skip = 1 });
    live(world, 4, 60000);
    check(4, 3, 1, 0);
    assert_int_equal(told, 2);
    hf_testbed_end(world);
}

/* Out of re-sends is no refusal. */
static void a_reading_in_a_passing_conflict_is_stored(void **state) {
    (void)state;
    hf_testbed *world = begin();
    hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, "40001")->times = 3;
    live(world, 4, 60000);
    check(4, 4, 0, 0);
    assert_true(world->pool->done[HF_OUTCOME_FAILED] >= 3);
    hf_testbed_end(world);
}

/* The pool is told to re-send nothing: each loss ends the requests, and the store hands them over again. */
static void a_reading_whose_outcome_is_unknown_is_sent_again(void **state) {
    (void)state;
    hf_testbed *world = begin();
    hf_testbed_strike(world, HF_PEER_READY, HF_PEER_EOF, NULL)->times = 3;
    live(world, 4, 120000);
    check(4, 4, 0, 0);
    assert_true(world->pool->done[HF_OUTCOME_UNKNOWN] >= 3);
    hf_testbed_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(readings_of_an_outage_are_stored_after_it),
        hf_test(the_oldest_that_waits_is_dropped_and_what_is_with_the_pool_is_not),
        hf_test(a_refused_reading_is_told_once_and_lost),
        hf_test(a_reading_in_a_passing_conflict_is_stored),
        hf_test(a_reading_whose_outcome_is_unknown_is_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
