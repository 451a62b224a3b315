#include "machine/journal.h"

#include "unit.h"

static hf_transition entry(hf_ms at) {
    return (
        hf_transition){ .at = at, .from = HF_CONNECTING, .to = HF_BACKOFF, .event = HF_EV_LOST };
}

static void an_empty_journal_has_no_entries(void **state) {
    static hf_journal journal;
    (void)state;
    assert_null(hf_journal_get(&journal, 0));
    assert_null(hf_journal_get(&journal, UINT32_MAX));
}

static void the_newest_are_kept_and_the_older_forgotten(void **state) {
    static hf_journal journal;
    (void)state;
    for (hf_ms at = 0; at < 3 * HF_JOURNAL_ENTRIES; at++) {
        hf_transition transition = entry(at);
        hf_journal_add(&journal, &transition);
        for (uint32_t age = 0; age < 2 * HF_JOURNAL_ENTRIES; age++) {
            const hf_transition *found = hf_journal_get(&journal, age);
            if (age < HF_JOURNAL_ENTRIES && age <= at) {
                assert_non_null(found);
                assert_true(found->at == at - age);
            } else {
                assert_null(found);
            }
        }
    }
}

static void the_count_may_wrap(void **state) {
    static hf_journal journal;
    hf_transition transition;
    (void)state;
    journal.count = UINT32_MAX - 2;
    for (hf_ms at = 0; at < 2 * HF_JOURNAL_ENTRIES; at++) {
        transition = entry(at);
        hf_journal_add(&journal, &transition);
        assert_true(hf_journal_get(&journal, 0)->at == at);
        assert_true(at == 0 || hf_journal_get(&journal, 1)->at == at - 1);
        assert_non_null(hf_journal_get(&journal, HF_JOURNAL_ENTRIES - 1));
    }
}

static void a_kept_entry_has_no_pointer_to_a_passing_error(void **state) {
    static hf_journal journal;
    hf_error error = { 0 };
    hf_transition transition = entry(1);
    (void)state;
    transition.error = &error;
    hf_journal_add(&journal, &transition);
    assert_null(hf_journal_get(&journal, 0)->error);
}

static void an_entry_reads_as_a_line(void **state) {
    char out[200];
    size_t length;
    hf_transition transition = entry(12345);
    (void)state;
    transition.phase = HF_PHASE_TCP;
    transition.code = HF_ERR_REFUSED;
    transition.attempt = 1;
    transition.wait_ms = 2000;
    length = hf_transition_text(&transition, out, sizeof out);
    assert_int_equal(length, strlen(out));
    assert_string_equal(out, "12.345 s  conn 0  connecting -> backoff  "
                             "connection refused (tcp: HF_ERR_REFUSED), dial 1, next in 2.0 s");
    transition = (hf_transition){
        .at = 1000, .conn = 2, .from = HF_IDLE, .to = HF_CONNECTING, .event = HF_EV_WANT
    };
    hf_transition_text(&transition, out, sizeof out);
    assert_string_equal(out, "1.0 s  conn 2  idle -> connecting  want");
    transition = (hf_transition){ .at = 1000,
                                  .from = HF_RECONNECTING,
                                  .to = HF_IDLE,
                                  .event = HF_EV_REFUSED,
                                  .phase = HF_PHASE_LOGIN,
                                  .code = HF_ERR_SERVER,
                                  .sqlstate = "28P01" };
    hf_transition_text(&transition, out, sizeof out);
    assert_string_equal(out, "1.0 s  conn 0  reconnecting -> idle  the server refused (login: "
                             "HF_ERR_SERVER 28P01)");
}

static void a_line_is_cut_at_any_size(void **state) {
    hf_transition transition = entry(HF_NEVER);
    (void)state;
    for (size_t size = 0; size < 120; size++) {
        char out[128];
        memset(out, 1, sizeof out);
        assert_true(hf_transition_text(&transition, out, size) < (size > 0 ? size : 1));
        assert_int_equal(out[size], 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_journal_has_no_entries),
        cmocka_unit_test(the_newest_are_kept_and_the_older_forgotten),
        cmocka_unit_test(the_count_may_wrap),
        cmocka_unit_test(a_kept_entry_has_no_pointer_to_a_passing_error),
        cmocka_unit_test(an_entry_reads_as_a_line),
        cmocka_unit_test(a_line_is_cut_at_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
