#include "machine/outage.h"

#include "unit.h"

static const hf_ms starts[] = { 0, UINT32_MAX - 1 };

static hf_config plain(void) {
    hf_config config = HF_CONFIG_DEFAULT;
    config.jitter_percent = 0;
    return config;
}

static hf_outage fresh(hf_ms now) {
    hf_outage outage;
    memset(&outage, 0xff, sizeof outage);
    hf_outage_init(&outage);
    hf_outage_begin(&outage, now);
    return outage;
}

/* One that was up, proved itself, and is lost at `now`. */
static hf_outage lost_after_up(hf_ms now) {
    hf_outage outage = fresh(now);
    hf_outage_up(&outage);
    hf_outage_end(&outage);
    hf_outage_begin(&outage, now);
    return outage;
}

static void before_it_was_up_3_retries_are_waits_of_2_4_8_and_4_tries(void **state) {
    static const uint32_t waits[] = { 2000, 4000, 8000 };
    hf_config config = plain();
    hf_outage outage = fresh(0);
    hf_ms now = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(waits); i++) {
        assert_int_equal(hf_outage_lost(&outage, &config, 0), waits[i]);
        assert_int_equal(hf_outage_given_up(&outage, &config, now), HF_LIMIT_NONE);
        now += 15000 + waits[i];
    }
    hf_outage_lost(&outage, &config, 0); /* the fourth try */
    assert_int_equal(hf_outage_given_up(&outage, &config, now), HF_LIMIT_CONNECT_RETRIES);
    assert_true(hf_outage_deadline(&outage, &config) == HF_NEVER);
}

static void connect_retries_0_is_one_try_and_forever_never_ends(void **state) {
    hf_config config = plain();
    hf_outage outage = fresh(0);
    (void)state;
    config.connect_retries = 0;
    assert_int_equal(hf_outage_given_up(&outage, &config, 0), HF_LIMIT_NONE);
    hf_outage_lost(&outage, &config, 0);
    assert_int_equal(hf_outage_given_up(&outage, &config, 0), HF_LIMIT_CONNECT_RETRIES);
    config.connect_retries = HF_FOREVER;
    outage.attempt = UINT32_MAX;
    assert_int_equal(hf_outage_given_up(&outage, &config, HF_NEVER - 1), HF_LIMIT_NONE);
    assert_int_equal(hf_outage_lost(&outage, &config, 0), 30000);
    assert_int_equal(outage.attempt, UINT32_MAX);
}

static void once_up_the_schedule_is_2_4_8_16_30_30_until_300_seconds(void **state) {
    static const uint32_t waits[] = { 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000 };
    hf_config config = plain();
    (void)state;
    for (size_t clock = 0; clock < COUNT(starts); clock++) {
        hf_outage outage = lost_after_up(starts[clock]);
        for (size_t i = 0; i < COUNT(waits); i++) {
            assert_int_equal(hf_outage_lost(&outage, &config, 0), waits[i]);
        }
        assert_true(hf_outage_deadline(&outage, &config) == starts[clock] + 300000);
        assert_int_equal(hf_outage_given_up(&outage, &config, starts[clock] + 299999),
                         HF_LIMIT_NONE);
        assert_int_equal(hf_outage_given_up(&outage, &config, starts[clock] + 300000),
                         HF_LIMIT_MAX_OUTAGE);
    }
}

static void up_without_proof_stops_counting_dials_but_not_the_schedule(void **state) {
    hf_config config = plain();
    hf_outage outage = fresh(0);
    (void)state;
    assert_int_equal(hf_outage_lost(&outage, &config, 0), 2000);
    hf_outage_up(&outage); /* and it dies right after the login, again and again */
    assert_int_equal(hf_outage_lost(&outage, &config, 0), 4000);
    for (int i = 0; i < 20; i++) {
        hf_outage_up(&outage);
        hf_outage_lost(&outage, &config, 0);
    }
    assert_int_equal(hf_outage_lost(&outage, &config, 0), 30000);
    assert_int_equal(hf_outage_given_up(&outage, &config, 299999), HF_LIMIT_NONE);
    assert_int_equal(hf_outage_given_up(&outage, &config, 300000), HF_LIMIT_MAX_OUTAGE);
    assert_int_equal(outage.count, 1);
}

static void a_max_outage_that_was_set_replaces_connect_retries(void **state) {
    hf_config config = plain();
    hf_outage outage = fresh(0);
    (void)state;
    config.max_outage_ms = 60000;
    for (int i = 0; i < 50; i++) {
        hf_outage_lost(&outage, &config, 0);
    }
    assert_int_equal(hf_outage_given_up(&outage, &config, 59999), HF_LIMIT_NONE);
    assert_int_equal(hf_outage_given_up(&outage, &config, 60000), HF_LIMIT_MAX_OUTAGE);
    config.max_outage_ms = HF_FOREVER;
    assert_int_equal(hf_outage_given_up(&outage, &config, HF_NEVER - 1), HF_LIMIT_NONE);
    assert_true(hf_outage_deadline(&outage, &config) == HF_NEVER);
    hf_outage_end(&outage);
    hf_outage_begin(&outage, 2);
    hf_outage_lost(&outage, &config, 0);
    assert_int_equal(hf_outage_given_up(&outage, &config, HF_NEVER - 1), HF_LIMIT_NONE);
}

static void first_delay_replaces_the_first_wait_only(void **state) {
    hf_config config = plain();
    hf_outage outage = lost_after_up(0);
    (void)state;
    config.first_delay_ms = 0;
    assert_int_equal(hf_outage_lost(&outage, &config, 1), 0);
    assert_int_equal(hf_outage_lost(&outage, &config, 1), 4000);
    assert_int_equal(hf_outage_lost(&outage, &config, 1), 8000);
    hf_outage_end(&outage);
    hf_outage_begin(&outage, 200);
    config.first_delay_ms = 500;
    assert_int_equal(hf_outage_lost(&outage, &config, 1), 500);
    config.jitter_percent = 50;
    hf_outage_end(&outage);
    assert_int_equal(hf_outage_lost(&outage, &config, 1u << 31), 375);
}

static void the_clock_starts_once_and_stops_at_the_proof(void **state) {
    hf_config config = plain();
    hf_outage outage = lost_after_up(1000);
    (void)state;
    hf_outage_lost(&outage, &config, 0);
    hf_outage_begin(&outage, 5000);
    assert_true(outage.since == 1000);
    hf_outage_up(&outage);
    assert_true(outage.since == 1000); /* up is not proved */
    hf_outage_end(&outage);
    assert_true(outage.since == HF_NEVER);
    assert_int_equal(hf_outage_lost(&outage, &config, 0), 2000); /* the schedule anew */
}

static void a_first_connection_at_the_first_try_is_no_outage(void **state) {
    hf_outage outage = fresh(1000);
    (void)state;
    hf_outage_up(&outage);
    hf_outage_end(&outage);
    assert_int_equal(outage.count, 0);
    assert_true(outage.since == HF_NEVER);
}

static void outages_are_counted_once_each(void **state) {
    hf_config config = plain();
    hf_outage outage = lost_after_up(0);
    (void)state;
    for (uint32_t i = 1; i <= 5; i++) {
        hf_outage_begin(&outage, i * 1000);
        hf_outage_lost(&outage, &config, 0);
        hf_outage_lost(&outage, &config, 0);
        assert_int_equal(outage.count, i);
        hf_outage_end(&outage);
    }
}

static void one_dials_and_the_others_wait(void **state) {
    hf_outage outage = fresh(0);
    (void)state;
    assert_true(hf_outage_may_dial(&outage, 2));
    assert_false(hf_outage_may_dial(&outage, 0));
    assert_false(hf_outage_may_dial(&outage, 1));
    assert_true(hf_outage_may_dial(&outage, 2));
    hf_outage_end(&outage);
    assert_true(hf_outage_may_dial(&outage, 0)); /* no outage: all may */
    assert_true(hf_outage_may_dial(&outage, 1));
    hf_outage_begin(&outage, 20);
    assert_true(hf_outage_may_dial(&outage, 1)); /* a new canary */
    assert_false(hf_outage_may_dial(&outage, 2));
}

static void given_up_starts_afresh_and_remembers_that_it_was_up(void **state) {
    hf_config config = plain();
    hf_outage outage = lost_after_up(0);
    (void)state;
    hf_outage_may_dial(&outage, 3);
    for (int i = 0; i < 9; i++) {
        hf_outage_lost(&outage, &config, 0);
    }
    outage.next_dial = 99;
    hf_outage_reset(&outage);
    assert_true(outage.since == HF_NEVER && outage.next_dial == HF_NEVER);
    assert_int_equal(hf_outage_given_up(&outage, &config, HF_NEVER - 1), HF_LIMIT_NONE);
    hf_outage_begin(&outage, 400000);
    assert_true(hf_outage_may_dial(&outage, 0));
    assert_int_equal(hf_outage_lost(&outage, &config, 0), 2000);
    assert_true(hf_outage_deadline(&outage, &config) == 700000);
    assert_int_equal(outage.count, 2);
}

static void at_the_end_of_time_there_is_no_deadline(void **state) {
    hf_config config = plain();
    hf_outage outage = lost_after_up(HF_NEVER - 1000);
    (void)state;
    assert_true(hf_outage_deadline(&outage, &config) == HF_NEVER);
    assert_int_equal(hf_outage_given_up(&outage, &config, HF_NEVER), HF_LIMIT_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_it_was_up_3_retries_are_waits_of_2_4_8_and_4_tries),
        cmocka_unit_test(connect_retries_0_is_one_try_and_forever_never_ends),
        cmocka_unit_test(once_up_the_schedule_is_2_4_8_16_30_30_until_300_seconds),
        cmocka_unit_test(up_without_proof_stops_counting_dials_but_not_the_schedule),
        cmocka_unit_test(a_max_outage_that_was_set_replaces_connect_retries),
        cmocka_unit_test(first_delay_replaces_the_first_wait_only),
        cmocka_unit_test(the_clock_starts_once_and_stops_at_the_proof),
        cmocka_unit_test(a_first_connection_at_the_first_try_is_no_outage),
        cmocka_unit_test(outages_are_counted_once_each),
        cmocka_unit_test(one_dials_and_the_others_wait),
        cmocka_unit_test(given_up_starts_afresh_and_remembers_that_it_was_up),
        cmocka_unit_test(at_the_end_of_time_there_is_no_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
