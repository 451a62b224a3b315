#include "machine/endpoint.h"

#include "unit.h"

static hf_endpoints make(uint8_t hosts) {
    hf_config config = HF_CONFIG_DEFAULT;
    hf_endpoints endpoints;
    config.n_hosts = hosts;
    memset(&endpoints, 0xff, sizeof endpoints);
    hf_endpoints_init(&endpoints, &config);
    return endpoints;
}

static void the_first_host_is_tried_first(void **state) {
    hf_endpoints endpoints = make(3);
    (void)state;
    assert_int_equal(hf_endpoints_next(&endpoints), 0);
    assert_int_equal(endpoints.list[0].keys.used, 0);
    assert_int_equal(endpoints.list[0].degraded, 0);
}

static void a_failure_moves_to_the_next_and_round_again(void **state) {
    hf_endpoints endpoints = make(3);
    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(hf_endpoints_next(&endpoints), i % 3);
        hf_endpoints_bad(&endpoints, i % 3);
    }
}

static void the_last_good_one_is_stuck_to(void **state) {
    hf_endpoints endpoints = make(3);
    (void)state;
    hf_endpoints_bad(&endpoints, 0);
    hf_endpoints_good(&endpoints, 1, 1);
    assert_int_equal(hf_endpoints_next(&endpoints), 1);
    hf_endpoints_good(&endpoints, 1, 1);
    assert_int_equal(hf_endpoints_next(&endpoints), 1);
    hf_endpoints_good(&endpoints, 2, 1); /* another connection knows better */
    assert_int_equal(hf_endpoints_next(&endpoints), 2);
}

static void two_connections_losing_one_host_move_on_once(void **state) {
    hf_endpoints endpoints = make(3);
    (void)state;
    hf_endpoints_bad(&endpoints, 0);
    hf_endpoints_bad(&endpoints, 0);
    assert_int_equal(hf_endpoints_next(&endpoints), 1);
}

static void a_login_begun_before_it_took_no_writes_does_not_stick(void **state) {
    hf_endpoints endpoints = make(3);
    (void)state;
    hf_endpoints_standby(&endpoints, 0, 2);
    assert_int_equal(hf_endpoints_next(&endpoints), 1);
    hf_endpoints_good(&endpoints, 0, 2); /* it was on its way */
    assert_int_equal(hf_endpoints_next(&endpoints), 1);
    hf_endpoints_good(&endpoints, 0, 3); /* its turn came again */
    assert_int_equal(hf_endpoints_next(&endpoints), 0);
}

static void a_single_host_is_always_next(void **state) {
    hf_endpoints endpoints = make(1);
    (void)state;
    hf_endpoints_bad(&endpoints, 0);
    assert_int_equal(hf_endpoints_next(&endpoints), 0);
}

static void wiping_leaves_no_key(void **state) {
    hf_endpoints endpoints = make(2);
    hf_keys zero;
    (void)state;
    memset(&zero, 0, sizeof zero);
    for (size_t i = 0; i < HF_HOSTS_MAX; i++) {
        memset(&endpoints.list[i].keys, 0x5a, sizeof(hf_keys));
    }
    hf_endpoints_wipe(&endpoints);
    for (size_t i = 0; i < HF_HOSTS_MAX; i++) {
        assert_memory_equal(&endpoints.list[i].keys, &zero, sizeof zero);
    }
    assert_int_equal(endpoints.count, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_host_is_tried_first),
        cmocka_unit_test(a_failure_moves_to_the_next_and_round_again),
        cmocka_unit_test(the_last_good_one_is_stuck_to),
        cmocka_unit_test(two_connections_losing_one_host_move_on_once),
        cmocka_unit_test(a_login_begun_before_it_took_no_writes_does_not_stick),
        cmocka_unit_test(a_single_host_is_always_next),
        cmocka_unit_test(wiping_leaves_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
