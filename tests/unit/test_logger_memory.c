/* The heap in a fixed piece of memory: blocks apart, zeroed, aligned; all joined again when all are given back. */
#include "memory.h"

#include "holdfast/error.h"
#include "unit.h"

enum { SIZE = 4096, BLOCKS = 64 };

static jmp_buf back;
static bool expecting;

_Noreturn void hf_assert_failed(const char *what, const char *file, int line) {
    if (expecting) {
        longjmp(back, 1);
    }
    print_error("%s:%d: assertion failed: %s\n", file, line, what);
    abort();
}

static _Alignas(8) uint8_t bytes[SIZE];
static hf_memory memory;

static int start(void **state) {
    (void)state;
    memset(bytes, 0xa5, sizeof bytes);
    hf_memory_init(&memory, bytes, sizeof bytes);
    return 0;
}

static void all_of_it_can_be_had_but_a_head(void **state) {
    (void)state;
    assert_null(hf_memory_take(&memory, 1, SIZE - 7));
    assert_int_equal(memory.failures, 1);
    void *all = hf_memory_take(&memory, 1, SIZE - 8);
    assert_ptr_equal(all, bytes + 8);
    assert_int_equal(hf_memory_largest(&memory), 0);
    assert_null(hf_memory_take(&memory, 1, 1));
    hf_memory_give(&memory, all);
    assert_int_equal(hf_memory_largest(&memory), SIZE - 8);
    assert_int_equal(memory.used, 0);
    assert_int_equal(memory.peak, SIZE);
}

static void product_that_wraps_is_refused(void **state) {
    (void)state;
    assert_null(hf_memory_take(&memory, SIZE_MAX / 2 + 1, 2));
    assert_null(hf_memory_take(&memory, 2, SIZE_MAX / 2 + 1));
    assert_null(hf_memory_take(&memory, 1, SIZE_MAX));
    assert_int_equal(memory.failures, 3);
    assert_null(hf_memory_take(&memory, 0, 8));
    assert_int_equal(memory.failures, 3); /* nothing was asked for */
    hf_memory_give(&memory, NULL);
    assert_int_equal(memory.blocks, 0);
}

/* A block of the test's: where, how large, and the byte it is filled with. */
typedef struct held {
    uint8_t *at;
    size_t size;
    uint8_t mark;
} held;

static void check(const held *one) {
    for (size_t i = 0; i < one->size; i++) {
        assert_int_equal(one->at[i], one->mark);
    }
}

static void take(held *one, size_t size, uint8_t mark) {
    one->at = hf_memory_take(&memory, 1, size);
    if (one->at) {
        one->size = size;
        one->mark = 0;
        assert_int_equal((uintptr_t)one->at % 8, 0);
        check(one); /* zeroed */
        memset(one->at, mark, size);
        one->mark = mark;
    }
}

static void random_life_mixes_no_blocks_and_loses_none(void **state) {
    (void)state;
    for (uint32_t seed = 1; seed <= 50; seed++) {
        held blocks[BLOCKS] = { { 0 } };
        uint32_t random = seed;
        unsigned refused = 0;
        (void)start(NULL);
        for (unsigned step = 0; step < 2000; step++) {
            held *one = &blocks[unit_random(&random) % BLOCKS];
            if (one->at) {
                check(one);
                hf_memory_give(&memory, one->at);
                one->at = NULL;
            } else {
                take(one, 1 + unit_random(&random) % 200, (uint8_t)unit_random(&random));
                refused += !one->at;
            }
        }
        assert_int_equal(memory.failures, refused);
        for (unsigned i = 0; i < BLOCKS; i++) {
            hf_memory_give(&memory, blocks[i].at);
        }
        assert_int_equal(memory.used, 0);
        assert_int_equal(memory.blocks, 0);
        assert_int_equal(hf_memory_largest(&memory), SIZE - 8);
    }
}

static void what_was_given_back_is_found_first(void **state) {
    (void)state;
    void *first = hf_memory_take(&memory, 1, 100), *second = hf_memory_take(&memory, 1, 100);
    hf_memory_give(&memory, first);
    assert_ptr_equal(hf_memory_take(&memory, 1, 100), first);
    hf_memory_give(&memory, second);
    assert_ptr_equal(hf_memory_take(&memory, 1, 50), second);
}

static void block_given_back_twice_is_asserted(void **state) {
    (void)state;
    void *block = hf_memory_take(&memory, 1, 8), *other = hf_memory_take(&memory, 1, 8);
    assert_non_null(other);
    hf_memory_give(&memory, block);
    expecting = true;
    if (setjmp(back) == 0) {
        hf_memory_give(&memory, block);
        expecting = false;
        fail();
    }
    expecting = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_of_it_can_be_had_but_a_head, start),
        cmocka_unit_test_setup(product_that_wraps_is_refused, start),
        cmocka_unit_test_setup(random_life_mixes_no_blocks_and_loses_none, start),
        cmocka_unit_test_setup(what_was_given_back_is_found_first, start),
        cmocka_unit_test_setup(block_given_back_twice_is_asserted, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
