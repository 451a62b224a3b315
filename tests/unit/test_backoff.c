#include "holdfast/backoff.h"

#include "unit.h"

static hf_config plain(void) {
    hf_config config = HF_CONFIG_DEFAULT;
    config.jitter_percent = 0;
    return config;
}

static void without_jitter_the_defaults_are_exactly_2_4_8_16_30_30(void **state) {
    static const uint32_t delays[] = { 2000, 4000, 8000, 16000, 30000, 30000, 30000 };
    hf_config config = plain();
    (void)state;
    for (uint32_t i = 0; i < COUNT(delays); i++) {
        assert_int_equal(hf_backoff(i, &config, 0), delays[i]);
        assert_int_equal(hf_backoff(i, &config, UINT32_MAX), delays[i]);
    }
    assert_int_equal(hf_backoff(UINT32_MAX, &config, 1), 30000);
}

static void jitter_only_shortens_and_by_no_more_than_it_says(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    uint32_t seed = 11;
    (void)state;
    for (uint32_t percent = 0; percent <= 100; percent++) {
        config.jitter_percent = percent;
        for (int i = 0; i < 200; i++) {
            uint32_t attempt = unit_random(&seed) % 8, random = unit_random(&seed);
            hf_config exact = config;
            uint32_t most, delay = hf_backoff(attempt, &config, random);
            exact.jitter_percent = 0;
            most = hf_backoff(attempt, &exact, 0);
            assert_true(delay <= most);
            assert_true((uint64_t)delay * 100 >= (uint64_t)most * (100 - percent));
        }
    }
}

static void the_random_word_spans_the_whole_width(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    assert_int_equal(hf_backoff(0, &config, 0), 2000);
    assert_int_equal(hf_backoff(0, &config, 1u << 31), 1500);
    assert_in_range(hf_backoff(0, &config, UINT32_MAX), 1000, 1001);
}

static void full_jitter_never_reaches_zero(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    config.jitter_percent = 100;
    for (uint32_t delay = 1; delay < 2000; delay++) {
        config.retry_delay_ms = delay;
        assert_true(hf_backoff(0, &config, UINT32_MAX) >= 1);
    }
}

static void a_delay_of_zero_stays_zero(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    config.retry_delay_ms = 0;
    assert_int_equal(hf_backoff(0, &config, 5), 0);
    assert_int_equal(hf_backoff(UINT32_MAX, &config, 5), 0);
    config = plain();
    config.max_retry_delay_ms = 0;
    assert_int_equal(hf_backoff(3, &config, 5), 0);
}

static void a_factor_of_one_repeats_the_delay(void **state) {
    hf_config config = plain();
    (void)state;
    config.retry_factor = 1;
    assert_int_equal(hf_backoff(0, &config, 0), 2000);
    assert_int_equal(hf_backoff(UINT32_MAX, &config, 0), 2000);
}

static void nothing_wraps_however_large(void **state) {
    hf_config config = plain();
    uint32_t last = 0;
    (void)state;
    config.max_retry_delay_ms = HF_FOREVER;
    config.retry_factor = 100;
    config.retry_delay_ms = HF_DURATION_MAX;
    for (uint32_t attempt = 0; attempt < 100; attempt++) {
        assert_int_equal(hf_backoff(attempt, &config, 0), HF_DURATION_MAX);
    }
    config.retry_delay_ms = 1;
    config.retry_factor = 3;
    for (uint32_t attempt = 0; attempt < 100; attempt++) {
        uint32_t delay = hf_backoff(attempt, &config, 0);
        assert_true(delay >= last && delay <= HF_DURATION_MAX);
        last = delay;
    }
    config.jitter_percent = 5000; /* not valid, and yet no more than all of it */
    assert_true(hf_backoff(99, &config, UINT32_MAX) >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_jitter_the_defaults_are_exactly_2_4_8_16_30_30),
        cmocka_unit_test(jitter_only_shortens_and_by_no_more_than_it_says),
        cmocka_unit_test(the_random_word_spans_the_whole_width),
        cmocka_unit_test(full_jitter_never_reaches_zero),
        cmocka_unit_test(a_delay_of_zero_stays_zero),
        cmocka_unit_test(a_factor_of_one_repeats_the_delay),
        cmocka_unit_test(nothing_wraps_however_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
