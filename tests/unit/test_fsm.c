#include "holdfast/fsm.h"

#include "unit.h"

/* The numbers of the settings, and a backoff that is none of them. */
static const hf_policy policy = {
    .connect_timeout_ms = 15000,
    .reconnect_timeout_ms = 15001,
    .probe_reconnect_timeout_ms = 10000,
    .probe_interval_ms = 30000,
    .probe_timeout_ms = 5000,
    .backoff_ms = 2000,
};

/* Where a clock may stand: its start, below and at the 32-bit wrap, late in the life of the universe. */
static const hf_ms starts[] = { 0, UINT32_MAX - 1, (hf_ms)UINT32_MAX + 1, HF_NEVER / 2 };

/* Written by hand, not from the header's table: I C H P B R, '.' for no edge. B, DUE is told apart below. */
static const char expected[HF_STATE_COUNT][HF_EVENT_COUNT + 1] = {
    /*                    WUlrDhX: want, up, lost, refused, due, heard, close */
    [HF_IDLE] = "C......",    [HF_CONNECTING] = ".HBIB.I", [HF_HEALTHY] = "..B.PHI",
    [HF_PROBING] = ".HB.B.I", [HF_BACKOFF] = "....R.I",    [HF_RECONNECTING] = ".HBIB.I",
};

static hf_state letter(char name) {
    static const char letters[] = "ICHPBR";
    return (hf_state)(strchr(letters, name) - letters);
}

/* Brings a machine into a state by events alone. was_up: it has been up before. */
static hf_fsm reach(hf_state state, bool was_up, hf_ms now) {
    hf_fsm fsm = { .deadline = HF_NEVER };
    if (state != HF_IDLE || was_up) {
        hf_fsm_step(&fsm, HF_EV_WANT, now, &policy);
    }
    if (was_up || state == HF_HEALTHY || state == HF_PROBING) {
        hf_fsm_step(&fsm, HF_EV_UP, now, &policy);
    }
    switch (state) {
    case HF_IDLE: hf_fsm_step(&fsm, HF_EV_CLOSE, now, &policy); break;
    case HF_CONNECTING:
        if (was_up) {
            hf_fsm_step(&fsm, HF_EV_CLOSE, now, &policy);
            hf_fsm_step(&fsm, HF_EV_WANT, now, &policy);
        }
        break;
    case HF_HEALTHY: break;
    case HF_PROBING: hf_fsm_step(&fsm, HF_EV_DUE, now, &policy); break;
    case HF_BACKOFF: hf_fsm_step(&fsm, HF_EV_LOST, now, &policy); break;
    case HF_RECONNECTING:
        hf_fsm_step(&fsm, HF_EV_LOST, now, &policy);
        hf_fsm_step(&fsm, HF_EV_DUE, now, &policy);
        break;
    case HF_STATE_COUNT: break;
    }
    assert_int_equal(fsm.state, state);
    return fsm;
}

static bool has_link(hf_state state) {
    return state != HF_IDLE && state != HF_BACKOFF;
}

static unsigned expected_actions(hf_state from, hf_event event, hf_state to) {
    if (to == HF_CONNECTING || to == HF_RECONNECTING) {
        return HF_DO_DIAL;
    }
    if (to == HF_PROBING) {
        return HF_DO_PROBE;
    }
    if (to == HF_HEALTHY) {
        return from == HF_HEALTHY ? 0 : HF_DO_SERVE;
    }
    if (!has_link(from)) {
        return 0;
    }
    return event == HF_EV_CLOSE && (from == HF_HEALTHY || from == HF_PROBING) ? HF_DO_CLOSE
                                                                              : HF_DO_DROP;
}

static hf_ms expected_deadline(hf_state state, hf_ms now) {
    switch (state) {
    case HF_IDLE: return HF_NEVER;
    case HF_CONNECTING: return now + 15000;
    case HF_HEALTHY: return now + 30000;
    case HF_PROBING: return now + 5000;
    case HF_BACKOFF: return now + 2000;
    case HF_RECONNECTING: return now + 15001;
    case HF_STATE_COUNT: break;
    }
    return 0;
}

static void every_state_meets_every_event(void **unused) {
    (void)unused;
    for (size_t clock = 0; clock < COUNT(starts); clock++) {
        for (int was_up = 0; was_up < 2; was_up++) {
            for (hf_state state = HF_IDLE; state < HF_STATE_COUNT; state++) {
                for (hf_event event = HF_EV_WANT; event < HF_EVENT_COUNT; event++) {
                    hf_ms now = starts[clock];
                    hf_fsm before, after;
                    hf_step step;
                    hf_state to;
                    char edge = expected[state][event];
                    if (state == HF_RECONNECTING && !was_up) {
                        continue; /* never was up: it is CONNECTING */
                    }
                    before = after = reach(state, was_up, now);
                    now += 77;
                    step = hf_fsm_step(&after, event, now, &policy);
                    assert_int_equal(step.from, state);
                    if (edge == '.') {
                        assert_false(step.legal);
                        assert_int_equal(step.to, state);
                        assert_int_equal(step.actions, 0);
                        assert_memory_equal(&before, &after, sizeof before);
                        continue;
                    }
                    to = letter(edge);
                    if (to == HF_RECONNECTING && before.ups == 0) {
                        to = HF_CONNECTING;
                    }
                    assert_true(step.legal);
                    assert_int_equal(step.to, to);
                    assert_int_equal(after.state, to);
                    assert_int_equal(step.actions, expected_actions(state, event, to));
                    assert_true(after.deadline == expected_deadline(to, now));
                    assert_true(after.since == (to == state ? before.since : now));
                    assert_int_equal(after.ups - before.ups,
                                     to == HF_HEALTHY &&
                                         (state == HF_CONNECTING || state == HF_RECONNECTING));
                }
            }
        }
    }
}

static void zero_is_an_idle_machine_that_never_was_up(void **unused) {
    hf_fsm fsm = { 0 };
    hf_step step = hf_fsm_step(&fsm, HF_EV_WANT, 5, &policy);
    (void)unused;
    assert_int_equal(step.from, HF_IDLE);
    assert_int_equal(fsm.state, HF_CONNECTING);
    assert_int_equal(fsm.ups, 0);
}

/* What a caller does: DUE when the deadline has come, and not before. */
static hf_state at(hf_fsm *fsm, hf_ms now) {
    if (now >= fsm->deadline) {
        hf_fsm_step(fsm, HF_EV_DUE, now, &policy);
    }
    return (hf_state)fsm->state;
}

/* Shows fault 2. */
static void each_deadline_fires_at_t_and_not_at_t_minus_1(void **unused) {
    static const struct {
        hf_state state, next;
        bool was_up;
        uint32_t after;
    } cases[] = {
        { HF_CONNECTING, HF_BACKOFF, false, 15000 }, { HF_HEALTHY, HF_PROBING, false, 30000 },
        { HF_PROBING, HF_BACKOFF, false, 5000 },     { HF_BACKOFF, HF_CONNECTING, false, 2000 },
        { HF_BACKOFF, HF_RECONNECTING, true, 2000 }, { HF_RECONNECTING, HF_BACKOFF, true, 15001 },
    };
    (void)unused;
    for (size_t clock = 0; clock < COUNT(starts); clock++) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            hf_fsm fsm = reach(cases[i].state, cases[i].was_up, starts[clock]);
            assert_int_equal(at(&fsm, starts[clock] + cases[i].after - 1), cases[i].state);
            assert_int_equal(at(&fsm, starts[clock] + cases[i].after), cases[i].next);
        }
    }
}

static void hearing_pushes_the_probe_away_but_ends_no_probe(void **unused) {
    hf_fsm fsm = reach(HF_HEALTHY, false, 0);
    (void)unused;
    hf_fsm_step(&fsm, HF_EV_HEARD, 29999, &policy);
    assert_int_equal(at(&fsm, 59998), HF_HEALTHY);
    assert_int_equal(fsm.since, 0);
    assert_int_equal(at(&fsm, 59999), HF_PROBING);
    hf_fsm_step(&fsm, HF_EV_HEARD, 60000, &policy);
    assert_int_equal(fsm.state, HF_PROBING);
    assert_true(fsm.deadline == 64999);
    hf_fsm_step(&fsm, HF_EV_UP, 60001, &policy);
    assert_int_equal(fsm.state, HF_HEALTHY);
    assert_int_equal(fsm.ups, 1);
}

static void after_a_failed_probe_every_try_has_the_probes_timeout(void **unused) {
    hf_fsm fsm = reach(HF_PROBING, false, 0);
    (void)unused;
    hf_fsm_step(&fsm, HF_EV_DUE, 5000, &policy);
    assert_int_equal(fsm.lost_from, HF_PROBING);
    for (hf_ms now = 7000; now < 70000; now += 12000) { /* 10 s of trying, 2 s of waiting */
        assert_int_equal(at(&fsm, now), HF_RECONNECTING);
        assert_int_equal(at(&fsm, now + 9999), HF_RECONNECTING);
        assert_int_equal(at(&fsm, now + 10000), HF_BACKOFF);
    }
    hf_fsm_step(&fsm, HF_EV_DUE, 80000, &policy);
    hf_fsm_step(&fsm, HF_EV_UP, 80000, &policy);
    hf_fsm_step(&fsm, HF_EV_LOST, 80000, &policy);
    assert_int_equal(fsm.lost_from, HF_HEALTHY);
    hf_fsm_step(&fsm, HF_EV_DUE, 82000, &policy);
    assert_true(fsm.deadline == 82000 + 15001);
}

static void before_it_was_up_every_try_is_connecting(void **unused) {
    hf_fsm fsm = reach(HF_CONNECTING, false, 0);
    (void)unused;
    for (int i = 0; i < 5; i++) {
        hf_fsm_step(&fsm, HF_EV_LOST, 0, &policy);
        hf_fsm_step(&fsm, HF_EV_DUE, 0, &policy);
        assert_int_equal(fsm.state, HF_CONNECTING);
    }
    hf_fsm_step(&fsm, HF_EV_UP, 0, &policy);
    hf_fsm_step(&fsm, HF_EV_LOST, 0, &policy);
    hf_fsm_step(&fsm, HF_EV_DUE, 0, &policy);
    assert_int_equal(fsm.state, HF_RECONNECTING);
}

static void never_probed_and_no_limit_have_no_deadline(void **unused) {
    hf_policy none = policy;
    hf_fsm fsm = { 0 };
    (void)unused;
    none.probe_interval_ms = 0;
    none.connect_timeout_ms = HF_FOREVER;
    hf_fsm_step(&fsm, HF_EV_WANT, 9, &none);
    assert_true(fsm.deadline == HF_NEVER);
    hf_fsm_step(&fsm, HF_EV_UP, 9, &none);
    assert_true(fsm.deadline == HF_NEVER);
    hf_fsm_step(&fsm, HF_EV_HEARD, 9, &none);
    assert_true(fsm.deadline == HF_NEVER);
}

static void at_the_end_of_time_deadlines_stop_growing(void **unused) {
    (void)unused;
    for (hf_ms left = 0; left < 20000; left += 100) {
        hf_fsm fsm = { 0 };
        hf_fsm_step(&fsm, HF_EV_WANT, HF_NEVER - left, &policy);
        assert_true(fsm.deadline >= HF_NEVER - left);
        assert_true(left < 15000 ? fsm.deadline == HF_NEVER
                                 : fsm.deadline == HF_NEVER - left + 15000);
    }
}

static void only_a_waiting_machine_can_be_deferred(void **unused) {
    (void)unused;
    for (hf_state state = HF_IDLE; state < HF_STATE_COUNT; state++) {
        hf_fsm fsm = reach(state, true, 0);
        hf_ms before = fsm.deadline;
        hf_fsm_defer(&fsm, 123456);
        assert_true(fsm.deadline == (state == HF_BACKOFF ? 123456 : before));
    }
}

static void a_due_said_early_is_taken(void **unused) {
    hf_fsm fsm = reach(HF_HEALTHY, false, 0);
    (void)unused;
    assert_true(hf_fsm_step(&fsm, HF_EV_DUE, 1, &policy).actions == HF_DO_PROBE);
}

static void names_are_known_and_never_null(void **unused) {
    (void)unused;
    assert_string_equal(hf_state_name(HF_HEALTHY), "healthy");
    assert_string_equal(hf_state_name(HF_STATE_COUNT), "?");
    assert_string_equal(hf_event_name(HF_EV_REFUSED), "refused");
    assert_string_equal(hf_event_name((hf_event)200), "?");
}

/* Any sequence of events, at any time, leaves a machine in a state that the table knows. */
static void random_walks_stay_within_the_table(void **unused) {
    uint32_t seed = 5;
    hf_fsm fsm = { 0 };
    hf_ms now = UINT32_MAX - 100000;
    (void)unused;
    for (int i = 0; i < 200000; i++) {
        hf_event event = (hf_event)(unit_random(&seed) % HF_EVENT_COUNT);
        hf_state from = (hf_state)fsm.state;
        hf_step step = hf_fsm_step(&fsm, event, now, &policy);
        assert_true(fsm.state < HF_STATE_COUNT);
        assert_int_equal(step.legal, expected[from][event] != '.');
        assert_true(fsm.state == HF_IDLE ? fsm.deadline == HF_NEVER || fsm.since == 0
                                         : fsm.deadline > fsm.since);
        assert_true(fsm.state != HF_RECONNECTING || fsm.ups > 0);
        now += unit_random(&seed) % 1000;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_meets_every_event),
        cmocka_unit_test(zero_is_an_idle_machine_that_never_was_up),
        cmocka_unit_test(each_deadline_fires_at_t_and_not_at_t_minus_1),
        cmocka_unit_test(hearing_pushes_the_probe_away_but_ends_no_probe),
        cmocka_unit_test(after_a_failed_probe_every_try_has_the_probes_timeout),
        cmocka_unit_test(before_it_was_up_every_try_is_connecting),
        cmocka_unit_test(never_probed_and_no_limit_have_no_deadline),
        cmocka_unit_test(at_the_end_of_time_deadlines_stop_growing),
        cmocka_unit_test(only_a_waiting_machine_can_be_deferred),
        cmocka_unit_test(a_due_said_early_is_taken),
        cmocka_unit_test(names_are_known_and_never_null),
        cmocka_unit_test(random_walks_stay_within_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
