#include "base/heap.h"

#include "unit.h"

enum { MANY = 300, DEEP = 200000 };

static void empty_is_never(void **state) {
    hf_heap heap = { 0 };
    hf_timer timer = { 0 };
    (void)state;
    assert_true(hf_heap_next(&heap) == HF_NEVER);
    hf_heap_remove(&heap, &timer); /* not in: no harm */
    assert_false(timer.armed);
}

static void never_takes_a_timer_out(void **state) {
    hf_heap heap = { 0 };
    hf_timer one = { 0 }, two = { 0 };
    (void)state;
    hf_heap_set(&heap, &one, 10);
    hf_heap_set(&heap, &two, 20);
    hf_heap_set(&heap, &one, HF_NEVER);
    assert_false(one.armed);
    assert_true(hf_heap_next(&heap) == 20);
    hf_heap_set(&heap, &one, HF_NEVER);
    hf_heap_set(&heap, &two, HF_NEVER);
    assert_true(hf_heap_next(&heap) == HF_NEVER);
}

static void rearming_moves_both_ways(void **state) {
    hf_heap heap = { 0 };
    hf_timer one = { 0 }, two = { 0 };
    (void)state;
    hf_heap_set(&heap, &one, 100);
    hf_heap_set(&heap, &two, 200);
    hf_heap_set(&heap, &two, 50);
    assert_ptr_equal(heap.root, &two);
    hf_heap_set(&heap, &two, 300);
    assert_ptr_equal(heap.root, &one);
    hf_heap_set(&heap, &one, 100); /* the same again changes nothing */
    assert_true(hf_heap_next(&heap) == 100);
}

/* Every parent is due no later than its children, and every link has its counterpart. */
static size_t check(const hf_timer *root) {
    static const hf_timer *stack[MANY + 1];
    size_t depth = 0, count = 0;
    stack[depth++] = root;
    while (depth > 0) {
        const hf_timer *timer = stack[--depth], *elder = timer;
        count++;
        assert_true(timer->armed);
        for (const hf_timer *child = timer->child; child; child = child->next) {
            assert_true(child->at >= timer->at);
            assert_ptr_equal(child->prev, elder);
            elder = child;
            stack[depth++] = child;
        }
    }
    return count;
}

static void a_thousand_random_steps_agree_with_a_plain_list(void **state) {
    static hf_timer timers[MANY];
    (void)state;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        hf_heap heap = { 0 };
        uint32_t random = seed;
        memset(timers, 0, sizeof timers);
        for (int step = 0; step < 5000; step++) {
            hf_timer *timer = &timers[unit_random(&random) % MANY];
            uint32_t what = unit_random(&random) % 4;
            hf_ms least = HF_NEVER;
            size_t armed = 0;
            if (what == 0) {
                hf_heap_remove(&heap, timer);
                assert_null(timer->child);
                assert_null(timer->next);
                assert_null(timer->prev);
            } else {
                hf_heap_set(&heap, timer, unit_random(&random) % 500);
            }
            for (size_t i = 0; i < MANY; i++) {
                armed += timers[i].armed;
                if (timers[i].armed && timers[i].at < least) {
                    least = timers[i].at;
                }
            }
            assert_true(hf_heap_next(&heap) == least);
            if (step % 100 == 0 && heap.root) {
                assert_null(heap.root->prev);
                assert_null(heap.root->next);
                assert_int_equal(check(heap.root), armed);
            }
        }
    }
}

/* Shows fault 41. */
static void draining_gives_the_order_of_time_around_the_wrap(void **state) {
    static hf_timer timers[MANY];
    hf_heap heap = { 0 };
    hf_ms last = 0;
    uint32_t random = 3;
    (void)state;
    memset(timers, 0, sizeof timers);
    for (size_t i = 0; i < MANY; i++) {
        hf_heap_set(&heap, &timers[i], UINT32_MAX - 1000 + unit_random(&random) % 2000);
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_true(hf_heap_next(&heap) >= last);
        last = hf_heap_next(&heap);
        hf_heap_remove(&heap, heap.root);
    }
    assert_true(hf_heap_next(&heap) == HF_NEVER);
}

static void the_worst_shapes_need_no_stack(void **state) {
    static hf_timer timers[DEEP];
    hf_heap heap = { 0 };
    (void)state;
    memset(timers, 0, sizeof timers);
    for (size_t i = DEEP; i-- > 0;) { /* falling: one long chain */
        hf_heap_set(&heap, &timers[i], i);
    }
    for (size_t i = 0; i < DEEP; i++) {
        assert_true(hf_heap_next(&heap) == i);
        hf_heap_remove(&heap, heap.root);
    }
    for (size_t i = 0; i < DEEP; i++) { /* rising: one broad fan */
        hf_heap_set(&heap, &timers[i], i);
    }
    for (size_t i = 0; i < DEEP; i++) {
        assert_true(hf_heap_next(&heap) == i);
        hf_heap_remove(&heap, heap.root);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_is_never),
        cmocka_unit_test(never_takes_a_timer_out),
        cmocka_unit_test(rearming_moves_both_ways),
        cmocka_unit_test(a_thousand_random_steps_agree_with_a_plain_list),
        cmocka_unit_test(draining_gives_the_order_of_time_around_the_wrap),
        cmocka_unit_test(the_worst_shapes_need_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
