#include "unit.h"

#include "values.h"

/* Dates, timestamps, and arrays: what is read, written, and refused. */

/* --- dates and times -------------------------------------------------------------------------------------------- */

static void r64_dates_go_both_ways(void **state) {
    static const struct {
        int32_t days;
        const char *text;
    } cases[] = { { 0, "2000-01-01" },
                  { -1, "1999-12-31" },
                  { 59, "2000-02-29" },
                  { -36466, "1900-02-28" },
                  { -36465, "1900-03-01" },
                  { -730119, "0001-01-01" },
                  { -730120, "0001-12-31 BC" },
                  { -2451545, "4714-11-24 BC" },
                  { 2145031948, "5874897-12-31" },
                  { HF_DATE_INFINITY, "infinity" },
                  { HF_DATE_BEFORE_ALL, "-infinity" } };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        hf_value value;
        int32_t days = 7;
        assert_int_equal(hf_put_date(cases[i].days, TEXT, room, HF_VALUE_BYTES, &value), HF_FITS);
        assert_value(value, hf_text(cases[i].text));
        assert_int_equal(hf_get_date(value, HF_TYPE_DATE, TEXT, &days), HF_FITS);
        assert_int_equal(days, cases[i].days);
        assert_int_equal(hf_put_date(cases[i].days, TEXT, room, strlen(cases[i].text), &value),
                         HF_MISFIT_ROOM);
        assert_int_equal(hf_put_date(cases[i].days, BINARY, room, 4, &value), HF_FITS);
        assert_int_equal(hf_get_date(value, HF_TYPE_DATE, BINARY, &days), HF_FITS);
        assert_int_equal(days, cases[i].days);
    }
    for (int32_t days = -2451545; days < 4000000; days += 1) { /* every day, to and fro */
        hf_civil civil;
        int32_t back = 7;
        if (hf_civil_of_date(days, &civil) != HF_FITS || hf_date_of(&civil, &back) != HF_FITS ||
            back != days)
            fail_msg("day %d", days);
    }
}

static void r64_what_is_no_date_is_refused(void **state) {
    static const struct {
        const char *text;
        hf_misfit misfit;
    } bad[] = { { "", HF_MISFIT_MALFORMED },
                { "2000-1-1", HF_MISFIT_MALFORMED },
                { "01/02/2000", HF_MISFIT_MALFORMED },
                { "2000-01-01x", HF_MISFIT_MALFORMED },
                { "2000-01-01 AD", HF_MISFIT_MALFORMED },
                { "0000-01-01", HF_MISFIT_MALFORMED },
                { "0000-01-01 BC", HF_MISFIT_MALFORMED },
                { "200-01-01", HF_MISFIT_MALFORMED },
                { "2000-01-01 00:00:00", HF_MISFIT_MALFORMED },
                { "2001-02-29", HF_MISFIT_RANGE },
                { "2000-13-01", HF_MISFIT_RANGE },
                { "2000-00-01", HF_MISFIT_RANGE },
                { "2000-01-00", HF_MISFIT_RANGE },
                { "2000-04-31", HF_MISFIT_RANGE },
                { "1900-02-29", HF_MISFIT_RANGE },
                { "4714-11-23 BC", HF_MISFIT_RANGE },
                { "5874898-01-01", HF_MISFIT_RANGE },
                { "9999999-01-01", HF_MISFIT_RANGE },
                { "99999999-01-01", HF_MISFIT_MALFORMED } };
    hf_value value;
    int32_t days = 7;
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (hf_get_date(hf_text(bad[i].text), HF_TYPE_DATE, TEXT, &days) != bad[i].misfit)
            fail_msg("%s", bad[i].text);
    assert_int_equal(hf_get_date(BYTES("\0\0\0"), 0, BINARY, &days), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_get_date(BYTES("\x80\0\0\1"), 0, BINARY, &days), HF_MISFIT_RANGE);
    assert_int_equal(hf_put_date(-2451546, TEXT, room, 99, &value), HF_MISFIT_RANGE);
    assert_int_equal(hf_put_date(2145031949, BINARY, room, 99, &value), HF_MISFIT_RANGE);
    assert_int_equal(days, 7);
}

static void r64_timestamps_go_both_ways(void **state) {
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = { { 0, "2000-01-01 00:00:00" },
                  { -1, "1999-12-31 23:59:59.999999" },
                  { 1, "2000-01-01 00:00:00.000001" },
                  { 100000, "2000-01-01 00:00:00.1" },
                  { 5178645120000, "2000-02-29 22:30:45.12" },
                  { INT64_C(-211813488000000000), "4714-11-24 00:00:00 BC" },
                  { INT64_C(9223371331199999999), "294276-12-31 23:59:59.999999" },
                  { HF_TIMESTAMP_INFINITY, "infinity" },
                  { HF_TIMESTAMP_BEFORE_ALL, "-infinity" } };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        hf_value value;
        int64_t us = 7;
        assert_int_equal(hf_put_timestamp(cases[i].us, TEXT, room, HF_VALUE_BYTES, &value),
                         HF_FITS);
        assert_value(value, hf_text(cases[i].text));
        assert_int_equal(hf_get_timestamp(value, HF_TYPE_TIMESTAMP, TEXT, &us), HF_FITS);
        assert_true(us == cases[i].us);
        us = 7;
        assert_int_equal(hf_put_timestamptz(cases[i].us, TEXT, room, HF_VALUE_BYTES, &value),
                         HF_FITS);
        assert_int_equal(hf_get_timestamptz(value, HF_TYPE_TIMESTAMPTZ, TEXT, &us), HF_FITS);
        assert_true(us == cases[i].us);
        assert_int_equal(hf_put_timestamp(cases[i].us, BINARY, room, 8, &value), HF_FITS);
        assert_int_equal(hf_get_timestamptz(value, HF_TYPE_TIMESTAMPTZ, BINARY, &us), HF_FITS);
        assert_true(us == cases[i].us);
        assert_int_equal(hf_put_timestamptz(cases[i].us, TEXT, room, 8, &value), HF_MISFIT_ROOM);
    }
    static const struct {
        const char *text;
        int64_t us;
    } zoned[] = { { "2000-01-01 02:00:00+02", 0 },
                  { "1999-12-31 20:30:00-03:30", 0 },
                  { "2000-01-01 00:19:32+00:19:32", 0 },
                  { "2000-01-01T00:00:00Z", 0 },
                  { "4714-11-23 23:00:00-01 BC", INT64_C(-211813488000000000) },
                  { "294277-01-01 13:59:59.999999+14", INT64_C(9223371331199999999) } };
    for (size_t i = 0; i < COUNT(zoned); i++) {
        int64_t us = 7;
        if (hf_get_timestamptz(hf_text(zoned[i].text), HF_TYPE_TIMESTAMPTZ, TEXT, &us) != HF_FITS ||
            us != zoned[i].us)
            fail_msg("%s", zoned[i].text);
    }
    hf_civil civil;
    assert_int_equal(hf_civil_of_timestamp(INT64_C(5178645120001), &civil), HF_FITS);
    assert_int_equal(civil.year, 2000);
    assert_int_equal(civil.month, 2);
    assert_int_equal(civil.day, 29);
    assert_int_equal(civil.hour * 10000 + civil.minute * 100 + civil.second, 223045);
    assert_int_equal(civil.microsecond, 120001);
    int64_t us = 7;
    assert_int_equal(hf_timestamp_of(&civil, &us), HF_FITS);
    assert_true(us == INT64_C(5178645120001));
}

static void r64_what_is_no_timestamp_is_refused(void **state) {
    static const struct {
        const char *text;
        hf_misfit misfit;
    } bad[] = { { "2000-01-01", HF_MISFIT_MALFORMED },
                { "2000-01-01 00:00", HF_MISFIT_MALFORMED },
                { "2000-01-01 00:00:00.", HF_MISFIT_MALFORMED },
                { "2000-01-01 00:00:00+00", HF_MISFIT_MALFORMED },
                { "2000-01-01_00:00:00", HF_MISFIT_MALFORMED },
                { "Sat Jan 01 00:00:00 2000", HF_MISFIT_MALFORMED },
                { "2000-01-01 00:00:00 B", HF_MISFIT_MALFORMED },
                { "2000-01-01 00:00:00.0000001", HF_MISFIT_PRECISION },
                { "2000-01-01 24:00:00", HF_MISFIT_RANGE },
                { "2000-01-01 00:60:00", HF_MISFIT_RANGE },
                { "2000-01-01 00:00:60", HF_MISFIT_RANGE },
                { "2000-02-30 00:00:00", HF_MISFIT_RANGE },
                { "294277-01-01 00:00:00", HF_MISFIT_RANGE },
                { "5874897-12-31 00:00:00", HF_MISFIT_RANGE },
                { "4714-11-23 23:59:59 BC", HF_MISFIT_RANGE } };
    static const char *const zoned[] = { "2000-01-01 00:00:00", "2000-01-01 00:00:00+1",
                                         "2000-01-01 00:00:00+16", "2000-01-01 00:00:00+01:60",
                                         "2000-01-01 00:00:00 UTC" };
    hf_value value;
    int64_t us = 7;
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (hf_get_timestamp(hf_text(bad[i].text), 0, TEXT, &us) != bad[i].misfit)
            fail_msg("%s", bad[i].text);
    for (size_t i = 0; i < COUNT(zoned); i++)
        if (hf_get_timestamptz(hf_text(zoned[i]), 0, TEXT, &us) != HF_MISFIT_MALFORMED)
            fail_msg("%s", zoned[i]);
    assert_int_equal(hf_get_timestamp(hf_text("2000-01-01 00:00:00.100000000"), 0, TEXT, &us),
                     HF_FITS);
    us = 7;
    assert_int_equal(hf_get_timestamp(BYTES("\x80\0\0\0\0\0\0\1"), 0, BINARY, &us),
                     HF_MISFIT_RANGE);
    assert_int_equal(hf_get_timestamp(BYTES("\0\0\0\1"), 0, BINARY, &us), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_put_timestamp(INT64_C(9223371331200000000), TEXT, room, 99, &value),
                     HF_MISFIT_RANGE);
    assert_int_equal(hf_put_timestamptz(INT64_C(-211813488000000001), BINARY, room, 99, &value),
                     HF_MISFIT_RANGE);
    assert_true(us == 7);
    static const hf_civil wrong[] = {
        { 2000, 2, 30, 0, 0, 0, 0 },      { 2000, 1, 1, 24, 0, 0, 0 },
        { 2000, 1, 1, 0, 60, 0, 0 },      { 2000, 1, 1, 0, 0, 60, 0 },
        { 2000, 1, 1, 0, 0, 0, 1000000 }, { 294277, 1, 1, 0, 0, 0, 0 },
        { -4713, 11, 23, 0, 0, 0, 0 },    { INT32_MAX, 1, 1, 0, 0, 0, 0 },
        { INT32_MIN, 1, 1, 0, 0, 0, 0 }
    };
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(hf_timestamp_of(&wrong[i], &us), HF_MISFIT_RANGE);
    hf_civil civil;
    assert_int_equal(hf_civil_of_timestamp(HF_TIMESTAMP_INFINITY, &civil), HF_MISFIT_RANGE);
    assert_int_equal(hf_civil_of_date(HF_DATE_BEFORE_ALL, &civil), HF_MISFIT_RANGE);
}

/* --- arrays ------------------------------------------------------------------------------------- */

/* What an array's text is read as: its sizes, and its elements between bars, NULL as a bare word. */
static const char *read_array(const char *text) {
    static char out[400];
    char place[100];
    hf_array array;
    hf_value element;
    const hf_misfit misfit = hf_array_open(&array, hf_text(text));
    if (misfit != HF_FITS)
        return hf_misfit_text(misfit);
    int length = 0;
    for (unsigned i = 0; i < array.n_dimensions; i++)
        length += snprintf(out + length, sizeof out - (size_t)length, "%s%u@%d", i ? "x" : "",
                           array.sizes[i], array.from[i]);
    length += snprintf(out + length, sizeof out - (size_t)length, "|");
    for (size_t i = 0; i < array.count; i++) {
        assert_int_equal(hf_array_next(&array, place, sizeof place, &element), HF_FITS);
        length +=
            snprintf(out + length, sizeof out - (size_t)length, "%.*s|",
                     element.data ? (int)element.bytes : 6, element.data ? element.data : "<NULL>");
    }
    assert_int_equal(hf_array_next(&array, place, sizeof place, &element), HF_MISFIT_NULL);
    return out;
}

static void r64_arrays_are_read(void **state) {
    static const struct {
        const char *text, *read;
    } cases[] = {
        { "{}", "|" },
        { " { } ", "|" },
        { "{1}", "1@1|1|" },
        { "{1,NULL,3}", "3@1|1|<NULL>|3|" },
        { "{null,\"NULL\",\"\"}", "3@1|<NULL>|NULL||" },
        { "{\"a b\",\"c\\\"d\",\"e\\\\f\",\"{,}\"}", "4@1|a b|c\"d|e\\f|{,}|" },
        { "{ a b , c }", "2@1|a b|c|" },
        { "{a\\ , b}", "2@1|a |b|" },
        { "{a\\,b}", "1@1|a,b|" },
        { "{\\N\\U\\L\\L}", "1@1|NULL|" },
        { "{{1,2},{3,4}}", "2@1x2@1|1|2|3|4|" },
        { "{{{1},{2}},{{3},{4}},{{5},{6}}}", "3@1x2@1x1@1|1|2|3|4|5|6|" },
        { "{{{{{{1}}}}}}", "1@1x1@1x1@1x1@1x1@1x1@1|1|" },
        { "[2:3]={a,b}", "2@2|a|b|" },
        { "[-1:0][5:5]={{1},{2}}", "2@-1x1@5|1|2|" },
        { "[2]={a,b}", "2@1|a|b|" },
    };
    static const char *const malformed[] = {
        "",          "1",         "{",           "}",
        "{1",        "{1,}",      "{,1}",        "{,}",
        "{1,,2}",    "{{1},2}",   "{1,{2}}",     "{{1,2},{3}}",
        "{{}}",      "{{},{}}",   "{\"a}",       "{\"a\"b}",
        "{a\"b\"}",  "{1}}",      "{1} x",       "{a\\",
        "{\"a\\",    "[1:2]={1}", "[1:1]={{1}}", "[1:1]",
        "[a:b]={1}", "[1:]={1}",  "[1:1={1}",    "[2147483648:2147483648]={1}",
        "{1}{2}",    "{{1}{2}}",  "[1:0]={}"
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(read_array(cases[i].text), cases[i].read);
    for (size_t i = 0; i < COUNT(malformed); i++)
        if (strcmp(read_array(malformed[i]), "the value is malformed") != 0)
            fail_msg("%s: %s", malformed[i], read_array(malformed[i]));
    assert_string_equal(read_array("{{{{{{{1}}}}}}}"), "the value is out of range");
    hf_array array;
    hf_value element;
    assert_int_equal(hf_array_open(&array, (hf_value){ 0 }), HF_MISFIT_NULL);
    assert_int_equal(hf_array_open(&array, hf_text("{\"a\\\"b\",2}")), HF_FITS);
    assert_int_equal(hf_array_next(&array, room, 2, &element), HF_MISFIT_ROOM);
    assert_int_equal(hf_array_next(&array, room, 3, &element), HF_FITS); /* asked for again */
    assert_value(element, BYTES("a\"b"));
    int32_t number = 7;
    assert_int_equal(hf_array_next(&array, NULL, 0, &element), HF_FITS);
    assert_int_equal(hf_get_int4(element, HF_TYPE_INT4, TEXT, &number), HF_FITS);
    assert_int_equal(number, 2);
}

/* Writes an array by a row of steps: { and } nest, a letter is an element, 0 NULL. */
static const char *write_array(const char *steps, size_t size) {
    static char out[200];
    static const char *const elements[] = { "a",    "",  "NULL", "b c",  "d\"e",
                                            "f\\g", "{", ",",    "nUll", "\t" };
    hf_array_writer writer = hf_array_begin(out, size);
    hf_value value;
    for (; *steps; steps++) {
        if (*steps == '{')
            hf_array_nest(&writer);
        else if (*steps == '}')
            hf_array_up(&writer);
        else
            hf_array_put(&writer,
                         *steps == '0' ? (hf_value){ 0 } : hf_text(elements[*steps - 'a']));
    }
    const hf_misfit misfit = hf_array_end(&writer, &value);
    if (misfit != HF_FITS)
        return hf_misfit_text(misfit);
    assert_true(value.bytes < sizeof out);
    out[value.bytes] = 0;
    return out;
}

static void r64_arrays_are_written(void **state) {
    (void)state;
    assert_string_equal(write_array("", 99), "{}");
    assert_string_equal(write_array("a0b", 99), "{a,NULL,\"\"}");
    assert_string_equal(
        write_array("abcdefghij", 99),
        "{a,\"\",\"NULL\",\"b c\",\"d\\\"e\",\"f\\\\g\",\"{\",\",\",\"nUll\",\"\t\"}");
    assert_string_equal(write_array("{aa}{a0}", 99), "{{a,a},{a,NULL}}");
    assert_string_equal(write_array("{{a}{a}}{{a}{a}}", 99), "{{{a},{a}},{{a},{a}}}");
    assert_string_equal(write_array("{{{{{a}}}}}", 99), "{{{{{{a}}}}}}");
    assert_string_equal(write_array("{{{{{{a}}}}}}", 99), "the value is out of range");
    static const char *const malformed[] = { "{a}{aa}", "a{a}", "{a}a",          "{a",    "}", "a}",
                                             "{}",      "{a}}", "{{a}{a}}{{a}}", "{{a}a}" };
    for (size_t i = 0; i < COUNT(malformed); i++)
        if (strcmp(write_array(malformed[i], 99), "the value is malformed") != 0)
            fail_msg("%s: %s", malformed[i], write_array(malformed[i], 99));
    for (size_t size = 0; size < 7; size++)
        assert_string_equal(write_array("a0", size),
                            size < 8 ? "there is too little room for the value" : "");
    assert_string_equal(write_array("a0", 8), "{a,NULL}");
    hf_array_writer writer = hf_array_begin(room, 9);
    hf_value value;
    hf_array_put(&writer, BYTES("\xff"));
    assert_int_equal(hf_array_end(&writer, &value), HF_MISFIT_MALFORMED);
    writer = hf_array_begin(room, 9);
    assert_int_equal(hf_array_end(&writer, &value), HF_FITS);
    hf_array_up(&writer); /* after the end: refused, and nothing is touched */
    hf_array_nest(&writer);
    hf_array_put(&writer, hf_text("a"));
    assert_int_equal(hf_array_end(&writer, &value), HF_MISFIT_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r64_dates_go_both_ways),
        cmocka_unit_test(r64_what_is_no_date_is_refused),
        cmocka_unit_test(r64_timestamps_go_both_ways),
        cmocka_unit_test(r64_what_is_no_timestamp_is_refused),
        cmocka_unit_test(r64_arrays_are_read),
        cmocka_unit_test(r64_arrays_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
