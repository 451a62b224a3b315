#include "unit.h"

#include <math.h>

#include "values.h"

/* Floating point and numeric: each in both formats, to the ends of its range. */

/* --- floating point ---------------------------------------------------------------------------------------- */

static uint64_t bits_of(double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits) {
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static uint32_t float_bits(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* How many significant digits a number's text has. */
static int digits_in(hf_value value) {
    int n = 0, zeros = 0;
    for (size_t i = 0; i < value.bytes && value.data[i] != 'e'; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || (n == 0 && value.data[i] == '0'))
            continue;
        zeros = value.data[i] == '0' ? zeros + 1 : 0;
        n++;
    }
    return n - zeros;
}

/* Its text is read as the same bits by us and by the C library, and no shorter text is. */
static void check_float8(double number) {
    char library[64];
    hf_value value;
    double back = 7;
    assert_int_equal(hf_put_float8(number, TEXT, room, HF_VALUE_BYTES, &value), HF_FITS);
    assert_int_equal(hf_get_float8(value, HF_TYPE_FLOAT8, TEXT, &back), HF_FITS);
    if (bits_of(back) != bits_of(number) || bits_of(strtod(room, NULL)) != bits_of(number))
        fail_msg("%.17g was written as %s", number, room);
    const int digits = digits_in(value);
    for (int n = digits - 1; n > 0 && n >= digits - 2; n--) {
        snprintf(library, sizeof library, "%.*e", n - 1, number);
        if (bits_of(strtod(library, NULL)) == bits_of(number))
            fail_msg("%s was written as %s", library, room);
    }
    snprintf(library, sizeof library, "%.*e", digits > 0 ? digits - 1 : 0, number);
    if (bits_of(strtod(library, NULL)) == bits_of(number) &&
        strtod(library, NULL) != strtod(room, NULL))
        fail_msg("%s is nearer than %s", library, room);
    snprintf(library, sizeof library, "%.30e", number);
    assert_int_equal(hf_get_float8(hf_text(library), HF_TYPE_FLOAT8, TEXT, &back), HF_FITS);
    assert_true(bits_of(back) == bits_of(number));
    assert_int_equal(hf_put_float8(number, BINARY, room, 8, &value), HF_FITS);
    assert_int_equal(hf_get_float8(value, HF_TYPE_FLOAT8, BINARY, &back), HF_FITS);
    assert_true(bits_of(back) == bits_of(number));
}

static void check_float4(float number) {
    char library[64];
    hf_value value;
    float back = 7;
    assert_int_equal(hf_put_float4(number, TEXT, room, HF_VALUE_BYTES, &value), HF_FITS);
    assert_int_equal(hf_get_float4(value, HF_TYPE_FLOAT4, TEXT, &back), HF_FITS);
    if (float_bits(back) != float_bits(number) ||
        float_bits(strtof(room, NULL)) != float_bits(number))
        fail_msg("%.9g was written as %s", (double)number, room);
    for (int n = digits_in(value) - 1; n > 0 && n >= digits_in(value) - 2; n--) {
        snprintf(library, sizeof library, "%.*e", n - 1, (double)number);
        if (float_bits(strtof(library, NULL)) == float_bits(number))
            fail_msg("%s was written as %s", library, room);
    }
    assert_int_equal(hf_put_float4(number, BINARY, room, 4, &value), HF_FITS);
    assert_int_equal(hf_get_float4(value, HF_TYPE_FLOAT4, BINARY, &back), HF_FITS);
    assert_true(float_bits(back) == float_bits(number));
}

static void r64_floats_go_both_ways_with_the_fewest_digits(void **state) {
    static const uint64_t edges[] = { 0,
                                      UINT64_C(1) << 63, /* -0 */
                                      1,                 /* the smallest */
                                      2,
                                      UINT64_C(0x000fffffffffffff), /* the largest subnormal */
                                      UINT64_C(0x0010000000000000), /* the smallest normal one */
                                      UINT64_C(0x7fefffffffffffff), /* the largest */
                                      UINT64_C(0x7ff0000000000000),
                                      UINT64_C(0xfff0000000000000),
                                      UINT64_C(0x3ff0000000000001),
                                      UINT64_C(0x4340000000000000), /* 2^53 */
                                      UINT64_C(0x4340000000000001),
                                      UINT64_C(0x44b52d02c7e14af6), /* 1e23 and its neighbour */
                                      UINT64_C(0x44b52d02c7e14af7) };
    uint32_t seed = 4711;
    (void)state;
    for (size_t i = 0; i < COUNT(edges); i++)
        check_float8(double_of(edges[i]));
    for (unsigned e = 1; e < 2047; e++) /* powers of two: the neighbour below is nearer */
        check_float8(double_of((uint64_t)e << 52));
    for (int e = -323; e < 309; e++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", e);
        check_float8(strtod(text, NULL));
    }
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t bits = (uint64_t)unit_random(&seed) << 32 | unit_random(&seed);
        if ((bits >> 52 & 2047) != 2047)
            check_float8(double_of(bits));
        check_float8((double)(int32_t)bits / 1000);
    }
    for (uint32_t e = 0; e < 255; e++)
        for (uint32_t m = 0; m < 3; m++) {
            check_float4(float_of(e << 23 | m));
            check_float4(float_of(UINT32_C(1) << 31 | e << 23 | (0x7fffff - m)));
        }
    for (unsigned i = 0; i < 20000; i++) {
        const uint32_t bits = unit_random(&seed);
        if ((bits >> 23 & 255) != 255)
            check_float4(float_of(bits));
    }
}

static void r64_floats_are_written_as_the_server_does(void **state) {
    static const struct {
        double number;
        const char *text;
    } cases[] = { { 0.0, "0" },
                  { -0.0, "-0" },
                  { 1, "1" },
                  { -1.5, "-1.5" },
                  { 0.1, "0.1" },
                  { 100, "100" },
                  { 0.0001, "0.0001" },
                  { 0.00001, "1e-05" },
                  { 1e14, "100000000000000" },
                  { 1e15, "1e+15" },
                  { 1.5e300, "1.5e+300" },
                  { 5e-324, "5e-324" },
                  { 123456.789, "123456.789" },
                  { 1.7976931348623157e308, "1.7976931348623157e+308" },
                  { 1e23, "1e+23" },
                  { 9007199254740992, "9.007199254740992e+15" },
                  { INFINITY, "Infinity" },
                  { -INFINITY, "-Infinity" } };
    hf_value value;
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(hf_put_float8(cases[i].number, TEXT, room, HF_VALUE_BYTES, &value),
                         HF_FITS);
        assert_string_equal(room, cases[i].text);
    }
    assert_int_equal(hf_put_float8(NAN, TEXT, room, 4, &value), HF_FITS);
    assert_string_equal(room, "NaN");
    assert_int_equal(hf_put_float4(16777216.0f, TEXT, room, 40, &value), HF_FITS);
    assert_string_equal(room, "1.6777216e+07");
    assert_int_equal(hf_put_float4(0.1f, TEXT, room, 40, &value), HF_FITS);
    assert_string_equal(room, "0.1");
    assert_int_equal(hf_put_float4(3.4028235e38f, TEXT, room, 40, &value), HF_FITS);
    assert_string_equal(room, "3.4028235e+38");
    assert_int_equal(hf_put_float8(0.125, TEXT, room, 5, &value), HF_MISFIT_ROOM);
    assert_int_equal(hf_put_float8(0.125, BINARY, room, 7, &value), HF_MISFIT_ROOM);
    assert_int_equal(hf_put_float8(0, TEXT, room, 0, &value), HF_MISFIT_ROOM);
}

static void r64_floats_are_read_where_they_fit(void **state) {
    double number = 7;
    float small = 7;
    (void)state;
    static const struct {
        const char *text;
        uint32_t type;
        hf_misfit as8, as4;
    } cases[] = { { "NaN", HF_TYPE_FLOAT8, 0, 0 },
                  { "-Infinity", HF_TYPE_FLOAT8, 0, 0 },
                  { "inf", HF_TYPE_FLOAT4, 0, 0 },
                  { "0.1", HF_TYPE_FLOAT4, 0, 0 },
                  { "0.1", HF_TYPE_FLOAT8, 0, HF_MISFIT_PRECISION },
                  { "0.5", HF_TYPE_FLOAT8, 0, 0 },
                  { "1e39", HF_TYPE_FLOAT4, HF_MISFIT_RANGE, HF_MISFIT_RANGE },
                  { "1e39", HF_TYPE_FLOAT8, 0, HF_MISFIT_RANGE },
                  { "1e-50", HF_TYPE_FLOAT8, 0, HF_MISFIT_PRECISION },
                  { "1.7976931348623157e308", HF_TYPE_FLOAT8, 0, HF_MISFIT_RANGE },
                  { "1.797693134862315807e308", HF_TYPE_FLOAT8, 0, HF_MISFIT_RANGE },
                  { "1.7976931348623159e308", HF_TYPE_FLOAT8, HF_MISFIT_RANGE, HF_MISFIT_RANGE },
                  { "1e309", HF_TYPE_FLOAT8, HF_MISFIT_RANGE, HF_MISFIT_RANGE },
                  { "1e999999999999", HF_TYPE_FLOAT8, HF_MISFIT_RANGE, HF_MISFIT_RANGE },
                  { "1e-324", HF_TYPE_FLOAT8, HF_MISFIT_RANGE, HF_MISFIT_RANGE },
                  { "2e-324", HF_TYPE_FLOAT8, HF_MISFIT_RANGE, HF_MISFIT_RANGE },
                  { "3e-324", HF_TYPE_FLOAT8, 0, HF_MISFIT_PRECISION },
                  { "1e-999999999", HF_TYPE_FLOAT8, HF_MISFIT_RANGE, HF_MISFIT_RANGE },
                  { "0e-999999999", HF_TYPE_FLOAT8, 0, 0 },
                  { "1234567890123456789012345678901234567890", HF_TYPE_FLOAT8, 0,
                    HF_MISFIT_RANGE },
                  { "12345678901234567890123456789012345678901", HF_TYPE_FLOAT8,
                    HF_MISFIT_PRECISION, HF_MISFIT_PRECISION },
                  { "16777217", HF_TYPE_INT4, 0, HF_MISFIT_PRECISION },
                  { "-16777216", HF_TYPE_INT4, 0, 0 },
                  { "2147483456", HF_TYPE_INT4, 0, HF_MISFIT_PRECISION },
                  { "2147483520", HF_TYPE_INT4, 0, 0 },
                  { "9007199254740993", HF_TYPE_INT8, HF_MISFIT_PRECISION, HF_MISFIT_PRECISION },
                  { "-9223372036854775808", HF_TYPE_INT8, 0, 0 },
                  { "9223372036854775807", HF_TYPE_INT8, HF_MISFIT_PRECISION, HF_MISFIT_PRECISION },
                  { "1.5", HF_TYPE_NUMERIC, HF_MISFIT_TYPE, HF_MISFIT_TYPE } };
    static const char *const malformed[] = { "",      "-",    ".",     "e5",      "1e",
                                             "1e+",   "1e5x", "0x1p3", " 1",      "1 ",
                                             "1.2.3", "--1",  "nano",  "infinit", "1e5.5" };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const hf_value value = hf_text(cases[i].text);
        if (hf_get_float8(value, cases[i].type, TEXT, &number) != cases[i].as8 ||
            hf_get_float4(value, cases[i].type, TEXT, &small) != cases[i].as4)
            fail_msg("%s of type %u", cases[i].text, cases[i].type);
    }
    for (size_t i = 0; i < COUNT(malformed); i++)
        if (hf_get_float8(hf_text(malformed[i]), 0, TEXT, &number) != HF_MISFIT_MALFORMED)
            fail_msg("%s", malformed[i]);
    assert_int_equal(hf_get_float8(BYTES("\x3f\x80\0\0"), HF_TYPE_FLOAT4, BINARY, &number),
                     HF_FITS);
    assert_true(number == 1);
    assert_int_equal(
        hf_get_float4(BYTES("\x3f\xb9\x99\x99\x99\x99\x99\x9a"), HF_TYPE_FLOAT8, BINARY, &small),
        HF_MISFIT_PRECISION);
    assert_int_equal(hf_get_float8(BYTES("\x3f\x80\0"), HF_TYPE_FLOAT4, BINARY, &number),
                     HF_MISFIT_MALFORMED);
    assert_int_equal(hf_get_float8(BYTES("\x7f\xf0\0\0\0\0\0\1"), HF_TYPE_FLOAT8, BINARY, &number),
                     HF_FITS);
    assert_true(isnan(number));
}

/* --- numeric -------------------------------------------------------------------------------------------------- */

static void r64_numerics_go_both_ways(void **state) {
    static const struct {
        const char *text, *binary;
        size_t bytes;
        const char *back; /* NULL: the text */
    } cases[] = {
#define CASE(text, literal, back) { text, literal, sizeof(literal) - 1, back }
        CASE("0", "\0\0\0\0\0\0\0\0", NULL),
        CASE("-0", "\0\0\0\0\0\0\0\0", "0"),
        CASE("0.00", "\0\0\0\0\0\0\0\2", NULL),
        CASE("1", "\0\1\0\0\0\0\0\0\0\1", NULL),
        CASE("-12.50", "\0\2\0\0\x40\0\0\2\0\x0c\x13\x88", NULL),
        CASE("+0012.5", "\0\2\0\0\0\0\0\1\0\x0c\x13\x88", "12.5"),
        CASE("10000", "\0\1\0\1\0\0\0\0\0\1", NULL),
        CASE("100000001", "\0\3\0\2\0\0\0\0\0\1\0\0\0\1", NULL),
        CASE("0.0001", "\0\1\xff\xff\0\0\0\4\0\1", NULL),
        CASE("0.00000001", "\0\1\xff\xfe\0\0\0\x08\0\1", NULL),
        CASE(".5", "\0\1\xff\xff\0\0\0\1\x13\x88", "0.5"),
        CASE("5.", "\0\1\0\0\0\0\0\0\0\5", "5"),
        CASE("1.10000", "\0\2\0\0\0\0\0\5\0\1\x03\xe8", NULL),
        CASE("99999.9999", "\0\3\0\1\0\0\0\4\0\x09\x27\x0f\x27\x0f", NULL),
        CASE("NaN", "\0\0\0\0\xc0\0\0\0", NULL),
        CASE("Infinity", "\0\0\0\0\xd0\0\0\0", NULL),
        CASE("-Infinity", "\0\0\0\0\xf0\0\0\0", NULL),
#undef CASE
    };
    hf_value value, text;
    char other[100];
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *back = cases[i].back ? cases[i].back : cases[i].text;
        const hf_value binary = bytes_of(cases[i].binary, cases[i].bytes);
        assert_int_equal(hf_put_numeric(hf_text(cases[i].text), BINARY, room, sizeof room, &value),
                         HF_FITS);
        assert_value(value, binary);
        for (size_t size = 0; size < cases[i].bytes; size++)
            assert_int_equal(hf_put_numeric(hf_text(cases[i].text), BINARY, room, size, &value),
                             HF_MISFIT_ROOM);
        assert_int_equal(
            hf_get_numeric(binary, HF_TYPE_NUMERIC, BINARY, other, sizeof other, &text), HF_FITS);
        assert_value(text, hf_text(back));
        for (size_t size = 0; size <= strlen(back); size++)
            assert_int_equal(hf_get_numeric(binary, HF_TYPE_NUMERIC, BINARY, other, size, &text),
                             HF_MISFIT_ROOM);
        assert_int_equal(hf_get_numeric(hf_text(back), HF_TYPE_NUMERIC, TEXT, NULL, 0, &text),
                         HF_FITS);
        assert_value(text, hf_text(back));
        assert_int_equal(hf_put_numeric(hf_text(back), TEXT, room, sizeof room, &value), HF_FITS);
        assert_value(value, hf_text(back));
    }
    assert_int_equal(hf_get_numeric(BYTES("\xff\xfe"), HF_TYPE_INT2, BINARY, room, 9, &text),
                     HF_FITS);
    assert_value(text, BYTES("-2"));
}

static void r64_what_is_no_numeric_is_refused(void **state) {
    static const char *const malformed[] = { "",      "-",   ".",   "1e5", " 1", "1 ",
                                             "1.2.3", "nan", "--1", "Inf", "0x1" };
    static const struct {
        const char *binary;
        size_t bytes;
        hf_misfit misfit;
    } bad[] = {
#define CASE(literal, misfit) { literal, sizeof(literal) - 1, misfit }
        CASE("", HF_MISFIT_MALFORMED),
        CASE("\0\0\0\0\0\0\0", HF_MISFIT_MALFORMED),
        CASE("\0\1\0\0\0\0\0\0", HF_MISFIT_MALFORMED),             /* a group is missing */
        CASE("\0\0\0\0\0\0\0\0\0", HF_MISFIT_MALFORMED),           /* a byte too many */
        CASE("\0\1\0\0\0\0\0\0\x27\x10", HF_MISFIT_MALFORMED),     /* 10000 */
        CASE("\0\0\0\0\x80\0\0\0", HF_MISFIT_MALFORMED),           /* no sign */
        CASE("\0\1\0\0\xc0\0\0\0\0\1", HF_MISFIT_MALFORMED),       /* NaN, and digits */
        CASE("\0\0\0\0\0\0\x40\0", HF_MISFIT_MALFORMED),           /* a scale of 16384 */
        CASE("\0\2\0\0\0\0\0\1\0\1\x04\xd2", HF_MISFIT_PRECISION), /* 1.1234 with a scale of 1 */
#undef CASE
    };
    static char large[140000], out[80000];
    hf_value value;
    (void)state;
    for (size_t i = 0; i < COUNT(malformed); i++)
        if (hf_put_numeric(hf_text(malformed[i]), BINARY, room, sizeof room, &value) !=
                HF_MISFIT_MALFORMED ||
            hf_get_numeric(hf_text(malformed[i]), 0, TEXT, NULL, 0, &value) != HF_MISFIT_MALFORMED)
            fail_msg("%s", malformed[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(hf_get_numeric(bytes_of(bad[i].binary, bad[i].bytes), HF_TYPE_NUMERIC,
                                        BINARY, room, sizeof room, &value),
                         bad[i].misfit);
    memset(large, '9', sizeof large);
    assert_int_equal(hf_put_numeric(bytes_of(large, 131072), BINARY, out, sizeof out, &value),
                     HF_FITS);
    assert_int_equal(value.bytes, 8 + 131072 / 2);
    assert_int_equal(hf_put_numeric(bytes_of(large, 131073), BINARY, out, sizeof out, &value),
                     HF_MISFIT_RANGE);
    large[0] = '.';
    assert_int_equal(hf_put_numeric(bytes_of(large, 16384), BINARY, out, sizeof out, &value),
                     HF_FITS);
    assert_int_equal(hf_put_numeric(bytes_of(large, 16385), BINARY, out, sizeof out, &value),
                     HF_MISFIT_RANGE);
    assert_int_equal(hf_put_numeric((hf_value){ 0 }, TEXT, out, sizeof out, &value),
                     HF_MISFIT_NULL);
    assert_int_equal(hf_put_numeric(hf_text("12"), TEXT, out, 2, &value), HF_MISFIT_ROOM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r64_floats_go_both_ways_with_the_fewest_digits),
        cmocka_unit_test(r64_floats_are_written_as_the_server_does),
        cmocka_unit_test(r64_floats_are_read_where_they_fit),
        cmocka_unit_test(r64_numerics_go_both_ways),
        cmocka_unit_test(r64_what_is_no_numeric_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
