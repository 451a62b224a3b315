/* What `holdfast query --format json` writes: JSON, whatever the server, or something in between, sends. */
#include "query/json_out.h"

#include "unit.h"

enum {
    BOOL = 16,
    INT8 = 20,
    INT4 = 23,
    TEXT = 25,
    JSON = 114,
    FLOAT8 = 701,
    NUMERIC = 1700,
    JSONB = 3802
};

static const char *value_of(const char *data, size_t bytes, uint32_t type) {
    static hf_bytes out;
    hf_bytes_reset(&out, SIZE_MAX);
    hf_json_out_value(&out, (hf_value){ .data = data, .bytes = bytes }, type);
    assert_true(hf_json_out_valid(hf_bytes_text(&out), out.used));
    return hf_bytes_text(&out);
}

/* Shows found L6. */
static void a_number_is_one_only_where_its_bytes_are(void **state) {
    static const struct {
        uint32_t type;
        const char *sent, *written;
    } cases[] = { { INT4, "-12", "-12" },
                  { INT8, "9223372036854775807", "9223372036854775807" },
                  { INT4, "0", "0" },
                  { FLOAT8, "1e+20", "1e+20" },
                  { FLOAT8, "-1.5e-07", "-1.5e-07" },
                  { NUMERIC, "0.10", "0.10" },
                  { FLOAT8, "NaN", "\"NaN\"" },
                  { NUMERIC, "Infinity", "\"Infinity\"" },
                  { NUMERIC, "-Infinity", "\"-Infinity\"" },
                  { INT4, "", "\"\"" },
                  { INT4, "-", "\"-\"" },
                  { INT4, "007", "\"007\"" },
                  { INT4, "+1", "\"+1\"" },
                  { INT4, "1,\"x\":2", "\"1,\\\"x\\\":2\"" },
                  { INT4, "1 ", "\"1 \"" },
                  { INT4, "0x10", "\"0x10\"" },
                  { FLOAT8, "1.", "\"1.\"" },
                  { FLOAT8, ".5", "\".5\"" },
                  { FLOAT8, "1e", "\"1e\"" },
                  { FLOAT8, "1e+", "\"1e+\"" },
                  { FLOAT8, "1e5e5", "\"1e5e5\"" },
                  { TEXT, "1", "\"1\"" },
                  { BOOL, "t", "true" },
                  { BOOL, "f", "false" },
                  { BOOL, "x", "\"x\"" },
                  { BOOL, "true", "\"true\"" },
                  { BOOL, "", "\"\"" } };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_string_equal(value_of(cases[i].sent, strlen(cases[i].sent), cases[i].type),
                            cases[i].written);
    }
    assert_string_equal(value_of(NULL, 0, INT4), "null");
    assert_string_equal(value_of("1\0", 2, INT4), "\"1\\u0000\"");
}

/* Shows found L6. */
static void a_column_of_json_is_json_or_a_string(void **state) {
    static const char *const good[] = { "{}",
                                        "[]",
                                        " [1, -2.5e3, \"x\", null, true, false]\n",
                                        "{\"a\" : {\"b\": [[], {}]}, \"\": 0}",
                                        "\"\\u00e9\\n\\/\"",
                                        "\"gr\xc3\xbc\xc3\x9f\"",
                                        "0" },
                             *const bad[] = { "",
                                              " ",
                                              "{",
                                              "[1,]",
                                              "{\"a\":1,}",
                                              "{\"a\"}",
                                              "{a:1}",
                                              "'a'",
                                              "[1 2]",
                                              "[1]]",
                                              "1, 2",
                                              "{\"a\":1}x",
                                              "nul",
                                              "truefalse",
                                              "01",
                                              "\"\\x\"",
                                              "\"\\u12g4\"",
                                              "\"\\u12\"",
                                              "\"a",
                                              "[}",
                                              "\"\x01\"",
                                              "\"a\nb\"",
                                              "NaN",
                                              "\"\xff\"",
                                              "\"\xc0\xaf\"",
                                              "\"\xed\xa0\x80\"",
                                              "]",
                                              ",",
                                              ":",
                                              "{\"a\":1 \"b\":2}" };
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_string_equal(value_of(good[i], strlen(good[i]), i % 2 ? JSON : JSONB), good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(hf_json_out_valid(bad[i], strlen(bad[i])));
        assert_int_equal(value_of(bad[i], strlen(bad[i]), i % 2 ? JSON : JSONB)[0], '"');
    }
}

/* A hundred thousand open brackets are no hundred thousand calls. */
static void depth_of_json_has_no_stack_to_overflow(void **state) {
    enum { DEPTH = 100000 };
    hf_bytes deep = { 0 };
    (void)state;
    for (int i = 0; i < DEPTH; i++) {
        hf_bytes_add_text(&deep, i % 2 ? "[" : "{\"a\":");
    }
    assert_false(hf_json_out_valid(deep.data, deep.used));
    hf_bytes_add_text(&deep, "1");
    for (int i = DEPTH; i-- > 0;) {
        hf_bytes_add_byte(&deep, i % 2 ? ']' : '}');
    }
    assert_true(hf_json_out_valid(deep.data, deep.used));
    hf_bytes_free(&deep);
}

/* Shows found L6. */
static void text_in_json_keeps_its_characters_and_commands_no_terminal(void **state) {
    (void)state;
    assert_string_equal(value_of("q\" \\ \n\t", 7, TEXT), "\"q\\\" \\\\ \\n\\u0009\"");
    assert_string_equal(value_of("\xe2\x80\xae\xc2\x9b\x7f\x1b", 7, TEXT),
                        "\"\\u202e\\u009b\\u007f\\u001b\"");
    assert_string_equal(value_of("\xf3\xa0\x81\x81", 4, TEXT), "\"\\udb40\\udc41\"");
    assert_string_equal(value_of("[\"\xe2\x80\x8b\"]", 7, JSON), "[\"\\u200b\"]");
    assert_string_equal(value_of("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", 11, TEXT),
                        "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
    assert_string_equal(value_of("\xff \xed\xa0\x80 \xc3", 7, TEXT),
                        "\"\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\"");
}

static void random_bytes_of_any_type_are_written_as_json(void **state) {
    static const char alphabet[] = "{}[]\",:\\u0019-+.eEtrufalsn \n\x01\xc3\xbc\xe2\x80\xae\xff";
    static const uint32_t types[] = { BOOL, INT8, INT4, TEXT, JSON, FLOAT8, NUMERIC, JSONB, 0 };
    uint32_t seed = 11;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char bytes[24];
        size_t size = unit_random(&seed) % sizeof bytes;
        for (size_t i = 0; i < size; i++) {
            bytes[i] = alphabet[unit_random(&seed) % (sizeof alphabet - 1)];
        }
        value_of(bytes, size,
                 types[unit_random(&seed) % COUNT(types)]); /* holds that it is valid */
    }
}

static const char *names_of(const char *const *names, size_t n) {
    static hf_bytes out;
    hf_bytes *keys = hf_must_alloc(n, sizeof *keys);
    hf_value *values = hf_must_alloc(n, sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = hf_text(names[i]);
    }
    hf_json_out_names(keys, values, n);
    hf_bytes_reset(&out, SIZE_MAX);
    for (size_t i = 0; i < n; i++) {
        hf_bytes_add_text(&out, i ? " " : "");
        hf_bytes_add(&out, keys[i].data, keys[i].used);
        hf_bytes_free(&keys[i]);
    }
    free(keys);
    free(values);
    return hf_bytes_text(&out);
}

/* Shows found R3. */
static void a_name_that_comes_again_is_told_apart_and_is_no_other_columns(void **state) {
    static const char *const twice[] = { "a", "a" }, *const taken[] = { "a", "a", "a_2", "a" },
                             *const numbered[] = { "a_2", "a", "a", "a_2" },
                             *const bytes[] = { "\xff", "\xfe", "", "" };
    (void)state;
    assert_string_equal(names_of(twice, 2), "\"a\" \"a_2\"");
    assert_string_equal(names_of(taken, 4), "\"a\" \"a_3\" \"a_2\" \"a_4\"");
    assert_string_equal(names_of(numbered, 4), "\"a_2\" \"a\" \"a_3\" \"a_2_2\"");
    assert_string_equal(names_of(bytes, 4), "\"\xef\xbf\xbd\" \"\xef\xbf\xbd_2\" \"\" \"_2\"");
    assert_string_equal(names_of(NULL, 0), "");
}

static void fifty_thousand_columns_of_one_name_take_no_time(void **state) {
    enum { COLUMNS = 50000 };
    const char **names = hf_must_alloc(COLUMNS, sizeof *names);
    (void)state;
    for (size_t i = 0; i < COLUMNS; i++) {
        names[i] = "?column?";
    }
    assert_non_null(strstr(names_of(names, COLUMNS), "\"?column?_50000\""));
    free(names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_one_only_where_its_bytes_are),
        cmocka_unit_test(a_column_of_json_is_json_or_a_string),
        cmocka_unit_test(depth_of_json_has_no_stack_to_overflow),
        cmocka_unit_test(text_in_json_keeps_its_characters_and_commands_no_terminal),
        cmocka_unit_test(random_bytes_of_any_type_are_written_as_json),
        cmocka_unit_test(a_name_that_comes_again_is_told_apart_and_is_no_other_columns),
        cmocka_unit_test(fifty_thousand_columns_of_one_name_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
