#include "driver.h"
#include "unit.h"

#include <string.h>

/* Both ways, at the ends of what 64 bits hold. */
static void integers_become_values_and_come_back(void **state) {
    (void)state;
    static const struct {
        int64_t number;
        const char *text;
    } cases[] = { { 0, "0" },
                  { -1, "-1" },
                  { 4711, "4711" },
                  { INT64_MAX, "9223372036854775807" },
                  { INT64_MIN, "-9223372036854775808" } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char room[HF_INTEGER_BYTES];
        int64_t back = 5;
        hf_value value = hf_integer(cases[i].number, room);
        assert_int_equal(value.bytes, strlen(cases[i].text));
        assert_string_equal(value.data, cases[i].text);
        assert_true(hf_value_integer(value, INT64_MIN, INT64_MAX, &back));
        assert_true(back == cases[i].number);
    }
}

static void what_is_no_integer_or_out_of_bounds_is_refused(void **state) {
    (void)state;
    static const char *const none[] = { "",
                                        "-",
                                        "+",
                                        "1.5",
                                        " 1",
                                        "1 ",
                                        "0x1",
                                        "--1",
                                        "1e3",
                                        ":",
                                        "/",
                                        "\xff",
                                        "NaN",
                                        "+-1",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "99999999999999999999" };
    int64_t number = 5;
    for (size_t i = 0; i < COUNT(none); i++) {
        if (hf_value_integer(hf_text(none[i]), INT64_MIN, INT64_MAX, &number)) {
            fail_msg("%s was taken", none[i]);
        }
    }
    assert_false(hf_value_integer(hf_text(NULL), INT64_MIN, INT64_MAX, &number));
    assert_false(hf_value_integer(hf_text("256"), 0, 255, &number));
    assert_false(hf_value_integer(hf_text("-1"), 0, 255, &number));
    assert_int_equal(number, 5);
    assert_true(hf_value_integer(hf_text("255"), 0, 255, &number) && number == 255);
    assert_true(hf_value_integer(hf_text("-0"), 0, 255, &number) && number == 0);
    assert_true(hf_value_integer(hf_text("+0007"), 0, 255, &number) && number == 7);
    assert_true(hf_value_integer((hf_value){ "12345", 2 }, 0, 255, &number) && number == 12);
}

static bool next_of_three(hf_columns *columns, hf_column *column) {
    static const char *const names[] = { "id", "name", "id" };
    if (columns->column == COUNT(names)) {
        return false;
    }
    column->name = hf_text(names[columns->column++]);
    return true;
}

static void a_column_is_found_by_its_name(void **state) {
    (void)state;
    static const hf_driver driver = { .columns_next = next_of_three };
    hf_columns columns = { .driver = &driver, .n_columns = 3 };
    hf_column column;
    assert_int_equal(hf_columns_find(&columns, "name"), 1);
    assert_int_equal(hf_columns_find(&columns, "id"), 0); /* the first of two */
    assert_int_equal(hf_columns_find(&columns, "nam"), -1);
    assert_int_equal(hf_columns_find(&columns, "names"), -1);
    assert_int_equal(columns.column, 0);
    assert_true(hf_columns_next(&columns, &column));
    assert_int_equal(hf_columns_find(&columns, "id"), 2); /* behind what was given */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_become_values_and_come_back),
        cmocka_unit_test(what_is_no_integer_or_out_of_bounds_is_refused),
        cmocka_unit_test(a_column_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
