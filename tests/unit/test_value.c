#include "unit.h"

#include "values.h"

/* Readers and writers of values: each type in both formats, the edges of each range, and what is refused. */

/* --- what all of them share ------------------------------------------------------------------------------ */

static void r64_each_misfit_has_words(void **state) {
    (void)state;
    for (hf_misfit a = HF_FITS; a <= HF_MISFIT_ROOM; a++) {
        assert_true(strlen(hf_misfit_text(a)) > 5);
        for (hf_misfit b = HF_FITS; b < a; b++)
            assert_string_not_equal(hf_misfit_text(a), hf_misfit_text(b));
    }
}

/* Every reader, on one value: how many took it, or the misfit of one. */
static hf_misfit read_as(unsigned reader, hf_value value, uint32_t type, hf_format format) {
    static double number;
    static float small;
    static int64_t integer;
    static int32_t days;
    static int16_t shorter;
    static bool truth;
    static uint8_t uuid[16];
    static hf_value out;
    switch (reader) {
    case 0: return hf_get_bool(value, type, format, &truth);
    case 1: return hf_get_int2(value, type, format, &shorter);
    case 2: return hf_get_int4(value, type, format, &days);
    case 3: return hf_get_int8(value, type, format, &integer);
    case 4: return hf_get_float4(value, type, format, &small);
    case 5: return hf_get_float8(value, type, format, &number);
    case 6: return hf_get_numeric(value, type, format, room, sizeof room, &out);
    case 7: return hf_get_text(value, type, format, &out);
    case 8: return hf_get_bytea(value, type, format, room, sizeof room, &out);
    case 9: return hf_get_uuid(value, type, format, uuid);
    case 10: return hf_get_json(value, type, format, &out);
    case 11: return hf_get_date(value, type, format, &days);
    case 12: return hf_get_timestamp(value, type, format, &integer);
    case 13: return hf_get_timestamptz(value, type, format, &integer);
    default: fail(); return HF_FITS;
    }
}
enum { READERS = 14 };

static void r64_null_and_another_type_are_refused_by_each_reader(void **state) {
    static const struct {
        uint32_t type;
        unsigned readers; /* bit i: reader i takes it */
    } taken[] = {
        { HF_TYPE_BOOL, 1 },       { HF_TYPE_INT2, 0x7e },        { HF_TYPE_INT4, 0x7e },
        { HF_TYPE_INT8, 0x7e },    { HF_TYPE_OID, 0x0e },         { HF_TYPE_NUMERIC, 0x4e },
        { HF_TYPE_FLOAT4, 0x30 },  { HF_TYPE_FLOAT8, 0x30 },      { HF_TYPE_BYTEA, 0x100 },
        { HF_TYPE_UUID, 0x200 },   { HF_TYPE_JSON, 0x480 },       { HF_TYPE_JSONB, 0x400 },
        { HF_TYPE_DATE, 0x800 },   { HF_TYPE_TIMESTAMP, 0x1000 }, { HF_TYPE_TIMESTAMPTZ, 0x2000 },
        { 600 /* point */, 0 },    { HF_TYPE_TEXT, 0x3fff },      { HF_TYPE_VARCHAR, 0x3fff },
        { HF_TYPE_BPCHAR, 0x3fff }
    };
    (void)state;
    for (size_t i = 0; i < COUNT(taken); i++)
        for (unsigned reader = 0; reader < READERS; reader++) {
            const hf_misfit misfit = read_as(reader, BYTES("?"), taken[i].type, BINARY);
            if ((misfit != HF_MISFIT_TYPE) != (taken[i].readers >> reader & 1))
                fail_msg("reader %u, type %u: %s", reader, taken[i].type, hf_misfit_text(misfit));
            assert_int_equal(read_as(reader, (hf_value){ 0 }, taken[i].type, TEXT), HF_MISFIT_NULL);
        }
}

/* Every beginning of every good value, and every byte of it changed: nothing but a misfit or a value. */
static void r64_no_bytes_break_a_reader(void **state) {
    static const char *const good[] = { "true",
                                        "-32768",
                                        "1.5e-300",
                                        "-12.50",
                                        "NaN",
                                        "\\x00ff",
                                        "00112233-4455-6677-8899-aabbccddeeff",
                                        "{\"a\":1}",
                                        "4714-11-24 BC",
                                        "1999-12-31 23:59:59.999999+05:30 BC",
                                        "\\\\a\\377",
                                        "infinity",
                                        "0\0012345678" };
    (void)state;
    for (size_t g = 0; g < COUNT(good); g++) {
        const size_t bytes = strlen(good[g]);
        for (size_t length = 0; length <= bytes; length++)
            for (size_t at = 0; at < length; at++)
                for (unsigned change = 0; change < 256; change += 5)
                    for (unsigned reader = 0; reader < READERS; reader++) {
                        char *copy = malloc(length); /* so that a step beyond its end is seen */
                        assert_non_null(copy);
                        memcpy(copy, good[g], length);
                        copy[at] = (char)((unsigned char)copy[at] ^ change);
                        read_as(reader, bytes_of(copy, length), 0, change % 2 ? BINARY : TEXT);
                        free(copy);
                    }
    }
}

/* --- bool, integers --------------------------------------------------------------------------------------- */

static void r64_bools(void **state) {
    hf_value value;
    bool truth = false;
    (void)state;
    for (int b = 0; b < 2; b++) {
        assert_int_equal(hf_put_bool(b, TEXT, room, 1, &value), HF_FITS);
        assert_value(value, b ? BYTES("t") : BYTES("f"));
        assert_int_equal(hf_get_bool(value, HF_TYPE_BOOL, TEXT, &truth), HF_FITS);
        assert_int_equal(truth, b);
        assert_int_equal(hf_put_bool(b, BINARY, room, 1, &value), HF_FITS);
        assert_value(value, b ? BYTES("\1") : BYTES("\0"));
        assert_int_equal(hf_get_bool(value, HF_TYPE_BOOL, BINARY, &truth), HF_FITS);
        assert_int_equal(truth, b);
    }
    assert_int_equal(hf_get_bool(hf_text("true"), HF_TYPE_TEXT, BINARY, &truth), HF_FITS);
    assert_int_equal(hf_get_bool(BYTES("\2"), HF_TYPE_BOOL, BINARY, &truth), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_get_bool(BYTES("\1\1"), HF_TYPE_BOOL, BINARY, &truth), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_get_bool(hf_text("1"), HF_TYPE_BOOL, TEXT, &truth), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_get_bool(hf_text(""), HF_TYPE_BOOL, TEXT, &truth), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_put_bool(true, TEXT, room, 0, &value), HF_MISFIT_ROOM);
}

static void r64_integers_are_read_where_they_fit(void **state) {
    static const struct {
        uint32_t type;
        const char *data;
        size_t bytes;
        hf_format format;
        int64_t number;
        hf_misfit as[3]; /* int2, int4, int8 */
    } cases[] = {
#define CASE(type, literal, ...) { type, literal, sizeof(literal) - 1, __VA_ARGS__ }
        CASE(HF_TYPE_INT2, "\x80\0", BINARY, INT16_MIN, { 0 }),
        CASE(HF_TYPE_INT2, "\x7f\xff", BINARY, INT16_MAX, { 0 }),
        CASE(HF_TYPE_INT4, "\0\0\x7f\xff", BINARY, INT16_MAX, { 0 }),
        CASE(HF_TYPE_INT4, "\0\0\x80\0", BINARY, 32768, { HF_MISFIT_RANGE }),
        CASE(HF_TYPE_INT4, "\x80\0\0\0", BINARY, INT32_MIN, { HF_MISFIT_RANGE }),
        CASE(HF_TYPE_INT8, "\xff\xff\xff\xff\xff\xff\xff\xff", BINARY, -1, { 0 }),
        CASE(HF_TYPE_INT8, "\x80\0\0\0\0\0\0\0", BINARY, INT64_MIN,
             { HF_MISFIT_RANGE, HF_MISFIT_RANGE }),
        CASE(HF_TYPE_INT8, "\0\0\0\0\x80\0\0\0", BINARY, 2147483648,
             { HF_MISFIT_RANGE, HF_MISFIT_RANGE }),
        CASE(HF_TYPE_OID, "\xff\xff\xff\xff", BINARY, 4294967295,
             { HF_MISFIT_RANGE, HF_MISFIT_RANGE }),
        CASE(0, "\0\1", BINARY, 1, { 0 }),
        CASE(0, "\0\0\0\0\0\0\0\1", BINARY, 1, { 0 }),
        CASE(HF_TYPE_INT8, "-9223372036854775808", TEXT, INT64_MIN,
             { HF_MISFIT_RANGE, HF_MISFIT_RANGE }),
        CASE(HF_TYPE_INT2, "32767", TEXT, INT16_MAX, { 0 }),
        CASE(HF_TYPE_TEXT, "42", BINARY, 42, { 0 }),
        CASE(HF_TYPE_NUMERIC, "42.000", TEXT, 42, { 0 }),
        CASE(HF_TYPE_NUMERIC, "\0\1\0\0\0\0\0\3\0\x2a", BINARY, 42, { 0 }),
        CASE(HF_TYPE_NUMERIC, "\0\1\0\1\x40\0\0\0\0\1", BINARY, -10000, { 0 }),
        CASE(HF_TYPE_NUMERIC, "\0\0\0\0\0\0\0\0", BINARY, 0, { 0 }),
        CASE(HF_TYPE_NUMERIC, "\0\5\0\4\x40\0\0\0\x03\x9a\x0d\x2c\x01\x70\x15\x65\x16\xb0", BINARY,
             INT64_MIN, { HF_MISFIT_RANGE, HF_MISFIT_RANGE }),
#undef CASE
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const hf_value value = bytes_of(cases[i].data, cases[i].bytes);
        int16_t two = 7;
        int32_t four = 7;
        int64_t eight = 7;
        assert_int_equal(hf_get_int2(value, cases[i].type, cases[i].format, &two), cases[i].as[0]);
        assert_int_equal(two, cases[i].as[0] ? 7 : cases[i].number);
        assert_int_equal(hf_get_int4(value, cases[i].type, cases[i].format, &four), cases[i].as[1]);
        assert_int_equal(four, cases[i].as[1] ? 7 : cases[i].number);
        assert_int_equal(hf_get_int8(value, cases[i].type, cases[i].format, &eight),
                         cases[i].as[2]);
        assert_true(eight == (cases[i].as[2] ? 7 : cases[i].number));
    }
}

static void r64_what_is_no_integer_is_refused(void **state) {
    static const char *const malformed[] = { "",  "-",   "+",   " 1",  "1 ",    "1.",  ".5",
                                             ".", "1e3", "--1", "0x1", "1.0.0", "NaN", "1,000" };
    int64_t number = 7;
    (void)state;
    for (size_t i = 0; i < COUNT(malformed); i++)
        if (hf_get_int8(hf_text(malformed[i]), HF_TYPE_NUMERIC, TEXT, &number) !=
            HF_MISFIT_MALFORMED)
            fail_msg("%s was taken", malformed[i]);
    const hf_value fraction = hf_text("1.50");
    assert_int_equal(hf_get_int8(fraction, HF_TYPE_NUMERIC, TEXT, &number), HF_MISFIT_PRECISION);
    assert_int_equal(hf_get_int8(fraction, HF_TYPE_INT8, TEXT, &number), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_get_int8(hf_text("9223372036854775808"), 0, TEXT, &number),
                     HF_MISFIT_RANGE);
    assert_int_equal(hf_get_int8(hf_text("-9223372036854775809"), 0, TEXT, &number),
                     HF_MISFIT_RANGE);
    static const char half[] = "\0\1\xff\xff\0\0\0\1\x13\x88", too_large[] = "\0\1\0\5\0\0\0\0\0\1",
                      nan[] = "\0\0\0\0\xc0\0\0\0",
                      just_too_large[] = "\0\5\0\4\0\0\0\0\x03\x9a\x0d\x2c"
                                         "\x01\x70\x15\x65\x16\xb0";
    const uint32_t numeric = HF_TYPE_NUMERIC;
    assert_int_equal(hf_get_int8(BYTES(half), numeric, BINARY, &number), HF_MISFIT_PRECISION);
    assert_int_equal(hf_get_int8(BYTES(too_large), numeric, BINARY, &number), HF_MISFIT_RANGE);
    assert_int_equal(hf_get_int8(BYTES(just_too_large), numeric, BINARY, &number), HF_MISFIT_RANGE);
    assert_int_equal(hf_get_int8(BYTES(nan), numeric, BINARY, &number), HF_MISFIT_RANGE);
    assert_int_equal(hf_get_int8(BYTES("\0\0\1"), 0, BINARY, &number), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_get_int8(BYTES("\0\0\0\1"), HF_TYPE_INT8, BINARY, &number),
                     HF_MISFIT_MALFORMED);
    assert_true(number == 7);
}

static void r64_integers_are_written(void **state) {
    hf_value value;
    (void)state;
    assert_int_equal(hf_put_int2(-2, BINARY, room, 2, &value), HF_FITS);
    assert_value(value, BYTES("\xff\xfe"));
    assert_int_equal(hf_put_int4(INT32_MIN, BINARY, room, 4, &value), HF_FITS);
    assert_value(value, BYTES("\x80\0\0\0"));
    assert_int_equal(hf_put_int8(1, BINARY, room, 8, &value), HF_FITS);
    assert_value(value, BYTES("\0\0\0\0\0\0\0\1"));
    assert_int_equal(hf_put_int8(INT64_MIN, TEXT, room, 21, &value), HF_FITS);
    assert_value(value, BYTES("-9223372036854775808"));
    assert_int_equal(hf_put_int8(INT64_MIN, TEXT, room, 20, &value), HF_MISFIT_ROOM);
    assert_int_equal(hf_put_int8(1, BINARY, room, 7, &value), HF_MISFIT_ROOM);
    assert_int_equal(hf_put_int2(1, TEXT, room, 0, &value), HF_MISFIT_ROOM);
    assert_int_equal(hf_put_int4(1, BINARY, room, 3, &value), HF_MISFIT_ROOM);
}

/* --- text, bytes -------------------------------------------------------------------------------------------- */

static void r64_text_is_utf_8(void **state) {
    hf_value value;
    (void)state;
    assert_int_equal(hf_put_text("žluťoučký", 13, &value), HF_FITS);
    assert_int_equal(hf_put_text("", 0, &value), HF_FITS);
    assert_int_equal(value.bytes, 0);
    assert_int_equal(hf_put_text("a\0b", 3, &value), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_put_text("\xff", 1, &value), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_put_text("\xc3", 1, &value), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_put_text(NULL, 0, &value), HF_MISFIT_NULL);
    assert_int_equal(hf_get_text(BYTES("a"), HF_TYPE_VARCHAR, BINARY, &value), HF_FITS);
    assert_int_equal(hf_get_text(BYTES("12:00"), 1083 /* time */, TEXT, &value), HF_FITS);
    assert_int_equal(hf_get_text(BYTES("12345678"), 1083, BINARY, &value), HF_MISFIT_TYPE);
}

static void r64_bytes_go_both_ways(void **state) {
    char all[256], out[600], back[256];
    hf_value value, bytes;
    (void)state;
    for (unsigned i = 0; i < 256; i++)
        all[i] = (char)(unsigned char)i;
    for (size_t n = 0; n <= 256; n += 64) {
        assert_int_equal(hf_put_bytea(all, n, TEXT, out, 2 * n + 3, &value), HF_FITS);
        assert_int_equal(hf_put_bytea(all, n, TEXT, back, 0, &bytes), HF_MISFIT_ROOM);
        assert_int_equal(hf_get_bytea(value, HF_TYPE_BYTEA, TEXT, back, n, &bytes), HF_FITS);
        assert_value(bytes, bytes_of(all, n));
        if (n > 0)
            assert_int_equal(hf_get_bytea(value, HF_TYPE_BYTEA, TEXT, back, n - 1, &bytes),
                             HF_MISFIT_ROOM);
        assert_int_equal(hf_put_bytea(all, n, TEXT, out, 2 * n + 2, &value), HF_MISFIT_ROOM);
        assert_int_equal(hf_put_bytea(all, n, BINARY, NULL, 0, &value), HF_FITS);
        assert_int_equal(hf_get_bytea(value, HF_TYPE_BYTEA, BINARY, NULL, 0, &bytes), HF_FITS);
        assert_value(bytes, bytes_of(all, n));
    }
    assert_int_equal(hf_get_bytea(hf_text("\\x00FFab"), HF_TYPE_BYTEA, TEXT, back, 4, &bytes),
                     HF_FITS);
    assert_value(bytes, BYTES("\0\xff\xab"));
    assert_int_equal(
        hf_get_bytea(hf_text("a\\\\b\\000\\377"), HF_TYPE_BYTEA, TEXT, back, 6, &bytes), HF_FITS);
    assert_value(bytes, BYTES("a\\b\0\xff"));
    static const char *const malformed[] = { "\\x0", "\\x0g", "\\xg0", "\\",   "a\\",  "\\1",
                                             "\\12", "\\400", "\\018", "\\08", "\\a00" };
    for (size_t i = 0; i < COUNT(malformed); i++)
        if (hf_get_bytea(hf_text(malformed[i]), 0, TEXT, back, 99, &bytes) != HF_MISFIT_MALFORMED)
            fail_msg("%s", malformed[i]);
    assert_int_equal(hf_get_bytea(hf_text("abc"), 0, TEXT, back, 2, &bytes), HF_MISFIT_ROOM);
    assert_int_equal(hf_put_bytea(NULL, 0, TEXT, back, 2, &bytes), HF_MISFIT_NULL);
}

static void r64_uuids_go_both_ways(void **state) {
    static const uint8_t uuid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                      0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
    static const char text[] = "00112233-4455-6677-8899-aabbccddeeff";
    uint8_t back[16];
    hf_value value;
    (void)state;
    assert_int_equal(hf_put_uuid(uuid, TEXT, room, 37, &value), HF_FITS);
    assert_value(value, hf_text(text));
    assert_int_equal(hf_put_uuid(uuid, TEXT, room, 36, &value), HF_MISFIT_ROOM);
    assert_int_equal(hf_get_uuid(hf_text(text), HF_TYPE_UUID, TEXT, back), HF_FITS);
    assert_memory_equal(back, uuid, 16);
    assert_int_equal(hf_put_uuid(uuid, BINARY, room, 16, &value), HF_FITS);
    assert_int_equal(hf_get_uuid(value, HF_TYPE_UUID, BINARY, back), HF_FITS);
    assert_memory_equal(back, uuid, 16);
    assert_int_equal(hf_put_uuid(uuid, BINARY, room, 15, &value), HF_MISFIT_ROOM);
    static const char *const malformed[] = { "",
                                             "00112233445566778899aabbccddeeff",
                                             "00112233-4455-6677-8899-aabbccddeefg",
                                             "00112233-4455-6677-8899aabbccddeeff0",
                                             "{0112233-4455-6677-8899-aabbccddeef}",
                                             "00112233-4455-6677-8899-aabbccddeeff0" };
    for (size_t i = 0; i < COUNT(malformed); i++)
        assert_int_equal(hf_get_uuid(hf_text(malformed[i]), 0, TEXT, back), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_get_uuid(BYTES("0123456789"), 0, BINARY, back), HF_MISFIT_MALFORMED);
}

static void r64_json_and_jsonb_differ_by_a_byte(void **state) {
    const hf_value text = hf_text("{\"a\": 1}");
    hf_value value, back;
    (void)state;
    static const uint32_t types[] = { HF_TYPE_JSON, HF_TYPE_JSONB };
    for (size_t i = 0; i < COUNT(types); i++)
        for (int f = 0; f < 2; f++) {
            const hf_format format = f ? BINARY : TEXT;
            const bool versioned = f && types[i] == HF_TYPE_JSONB;
            assert_int_equal(hf_put_json(text, types[i], format, room, 9, &value), HF_FITS);
            assert_int_equal(value.bytes, text.bytes + versioned);
            assert_int_equal(hf_get_json(value, types[i], format, &back), HF_FITS);
            assert_value(back, text);
            assert_int_equal(hf_put_json(text, types[i], format, room, 8, &value),
                             versioned ? HF_MISFIT_ROOM : HF_FITS);
        }
    assert_int_equal(hf_get_json(BYTES("\2{}"), HF_TYPE_JSONB, BINARY, &back), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_get_json(BYTES(""), HF_TYPE_JSONB, BINARY, &back), HF_MISFIT_MALFORMED);
    assert_int_equal(hf_get_json(BYTES("\"\xff\""), HF_TYPE_JSON, TEXT, &back),
                     HF_MISFIT_MALFORMED);
    assert_int_equal(hf_put_json(text, HF_TYPE_TEXT, TEXT, room, 9, &value), HF_MISFIT_TYPE);
    assert_int_equal(hf_put_json(BYTES("a\0"), HF_TYPE_JSON, TEXT, room, 9, &value),
                     HF_MISFIT_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r64_each_misfit_has_words),
        cmocka_unit_test(r64_null_and_another_type_are_refused_by_each_reader),
        cmocka_unit_test(r64_no_bytes_break_a_reader),
        cmocka_unit_test(r64_bools),
        cmocka_unit_test(r64_integers_are_read_where_they_fit),
        cmocka_unit_test(r64_what_is_no_integer_is_refused),
        cmocka_unit_test(r64_integers_are_written),
        cmocka_unit_test(r64_text_is_utf_8),
        cmocka_unit_test(r64_bytes_go_both_ways),
        cmocka_unit_test(r64_uuids_go_both_ways),
        cmocka_unit_test(r64_json_and_jsonb_differ_by_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
