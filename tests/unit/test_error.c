#include "holdfast/error.h"

#include "base/text.h"

#include "unit.h"

static const int codes[] = {
#define X(name, number, text) HF_##name,
    HF_ERRORS(X)
#undef X
};

static const char *text_of(const hf_error *error) {
    static char out[512];
    size_t length = hf_error_text(error, out, sizeof out);
    assert_int_equal(length, strlen(out));
    return out;
}

static void every_code_has_its_own_number_name_and_text(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        assert_non_null(strstr(hf_err_name(codes[i]), codes[i] ? "HF_ERR_" : "HF_OK"));
        assert_true(strlen(hf_err_text(codes[i])) > 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(codes[i], codes[j]);
            assert_string_not_equal(hf_err_name(codes[i]), hf_err_name(codes[j]));
            assert_string_not_equal(hf_err_text(codes[i]), hf_err_text(codes[j]));
        }
    }
    assert_string_equal(hf_err_name(HF_ERR_TIMEOUT), "HF_ERR_TIMEOUT");
}

static void unknown_numbers_have_names_too(void **state) {
    (void)state;
    assert_string_equal(hf_err_name(-12345), "HF_ERR_?");
    assert_string_equal(hf_err_text(12345), "unknown error");
    assert_string_equal(hf_phase_name((hf_phase)99), "?");
    assert_string_equal(hf_limit_name((hf_limit)99), "?");
}

static void a_timeout_names_how_long_the_phase_and_the_setting(void **state) {
    hf_error error = {
        .code = HF_ERR_TIMEOUT, .phase = HF_PHASE_TLS, .limit = HF_LIMIT_CONNECT, .limit_ms = 15000
    };
    (void)state;
    assert_string_equal(text_of(&error), "timed out after 15.0 s in tls (connect_timeout)");
    hf_error_message(&error, "db.example:5432", 15);
    assert_string_equal(text_of(&error),
                        "timed out after 15.0 s in tls (connect_timeout): db.example:5432");
    error.message[0] = 0;
    for (hf_phase phase = HF_PHASE_QUEUE; phase <= HF_PHASE_CLOSE; phase++) {
        char expected[128];
        error.phase = (uint8_t)phase;
        snprintf(expected, sizeof expected, "timed out after 15.0 s in %s (connect_timeout)",
                 hf_phase_name(phase));
        assert_string_equal(text_of(&error), expected);
    }
}

static void durations_keep_their_milliseconds(void **state) {
    static const struct {
        uint32_t ms;
        const char *text;
    } cases[] = { { 0, "0.0 s" },        { 1, "0.001 s" },
                  { 10, "0.01 s" },      { 100, "0.1 s" },
                  { 999, "0.999 s" },    { 1000, "1.0 s" },
                  { 1250, "1.25 s" },    { 120000, "120.0 s" },
                  { 15001, "15.001 s" }, { UINT32_MAX, "4294967.295 s" } };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[32];
        hf_writer writer = hf_writer_on(out, sizeof out);
        hf_write_seconds(&writer, cases[i].ms);
        assert_string_equal(out, cases[i].text);
    }
}

static void giving_up_names_the_limit(void **state) {
    hf_error error = { .code = HF_ERR_OUTAGE,
                       .phase = HF_PHASE_TCP,
                       .limit = HF_LIMIT_CONNECT_RETRIES,
                       .limit_ms = 3 };
    (void)state;
    assert_string_equal(text_of(&error), "given up after 3 retries in tcp (connect_retries)");
    error.limit_ms = 1;
    assert_string_equal(text_of(&error), "given up after 1 retry in tcp (connect_retries)");
    error.limit = HF_LIMIT_MAX_OUTAGE;
    error.limit_ms = 300000;
    error.phase = HF_PHASE_NONE;
    hf_error_message(&error, "connection refused", 18);
    assert_string_equal(text_of(&error), "given up after 300.0 s (max_outage): connection refused");
    error = (hf_error){ .code = HF_ERR_RESET, .limit = HF_LIMIT_MAX_RETRIES, .limit_ms = 5 };
    assert_string_equal(text_of(&error),
                        "connection reset by the peer after 5 retries (max_retries)");
}

/* Shows security 3. */
static void a_servers_words_are_marked_as_the_servers(void **state) {
    hf_error error = { .code = HF_ERR_SERVER,
                       .phase = HF_PHASE_QUERY,
                       .severity = 'E',
                       .from_server = true,
                       .sqlstate = "42P01" };
    (void)state;
    hf_error_message(&error, "relation \"x\" does not exist", 27);
    assert_string_equal(text_of(&error),
                        "the server refused: 42P01 relation \"x\" does not exist (in query)");
    error.position = 15;
    assert_string_equal(
        text_of(&error),
        "the server refused: 42P01 relation \"x\" does not exist (in query, at character 15)");
    error.position = 0;
    error.severity = 'F';
    error.limit = HF_LIMIT_MAX_RETRIES;
    error.limit_ms = 5;
    assert_string_equal(text_of(&error), "the server refused: FATAL 42P01 relation \"x\" does not "
                                         "exist (in query, after 5 retries: max_retries)");
    error = (hf_error){ .code = HF_OK, .severity = 'W', .from_server = true, .sqlstate = "57P01" };
    assert_string_equal(text_of(&error), "the server says: WARNING 57P01");
    error.severity = 'N';
    assert_string_equal(text_of(&error), "the server says: NOTICE 57P01");
    error = (hf_error){
        .code = HF_ERR_READ_ONLY, .phase = HF_PHASE_QUERY, .from_server = true, .sqlstate = "25006"
    };
    hf_error_message(&error, "cannot execute INSERT", 21);
    assert_string_equal(text_of(&error), "this statement writes, and the session is read-only in "
                                         "query; the server says: 25006 cannot execute INSERT");
}

static void a_system_error_keeps_its_number(void **state) {
    hf_error error = { .code = HF_ERR_REFUSED, .phase = HF_PHASE_TCP, .system = 111 };
    (void)state;
    assert_string_equal(text_of(&error), "connection refused in tcp [system error 111]");
    error.system = -9984;
    assert_string_equal(text_of(&error), "connection refused in tcp [system error -9984]");
    error.system = INT32_MIN;
    assert_string_equal(text_of(&error), "connection refused in tcp [system error -2147483648]");
}

/* Shows security 3. */
static void nothing_from_a_server_can_command_a_terminal(void **state) {
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "\033[2Jgone", "?[2Jgone" },
        { "bell\a del\177", "bell? del?" },
        { "two\nlines\r\n\tand a tab", "two lines   and a tab" },
        { "C1 \xc2\x9b", "C1 ?" },
        { "turned \xe2\x80\xae text", "turned ? text" },
        { "hidden \xe2\x80\x8b\xef\xbb\xbf", "hidden ??" },
        { "tag \xf3\xa0\x81\x81", "tag ?" },
        { "not UTF-8 \xff\xc3 \xc0\xaf", "not UTF-8 ?? ??" },
        { "surrogate \xed\xa0\x80", "surrogate ???" },
        { "beyond \xf4\x90\x80\x80", "beyond ????" },
        { "Latin-1 \xe9t\xe9, \xc9t\xc9, \xea, \xed, \xc3", "Latin-1 ?t?, ?t?, ?, ?, ?" },
        { "overlong \xe0\x80\x8a\xf0\x80\x80\x89", "overlong ???????" },
        { "gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x98\x80",
          "gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x98\x80" },
    };
    hf_error error;
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        hf_error_set(&error, HF_ERR_SERVER, HF_PHASE_LOGIN, cases[i].in);
        assert_string_equal(error.message, cases[i].out);
    }
    hf_error_message(&error, "nul\0inside", 10);
    assert_string_equal(error.message, "nul?inside");
}

static void random_bytes_become_printable_and_bounded(void **state) {
    uint32_t seed = 7;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[300];
        hf_error error;
        size_t size = unit_random(&seed) % sizeof bytes;
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)unit_random(&seed);
        }
        memset(&error, 0x55, sizeof error);
        hf_error_message(&error, (const char *)bytes, size);
        assert_non_null(memchr(error.message, 0, sizeof error.message));
        for (const char *at = error.message; *at; at++) {
            assert_true((uint8_t)*at >= 0x20 && *at != 0x7f);
        }
    }
}

static void text_is_cut_at_a_whole_character_for_every_size(void **state) {
    hf_error error = { .code = HF_ERR_SERVER, .from_server = true, .sqlstate = "42P01" };
    char whole[512];
    (void)state;
    hf_error_message(&error, "\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x98\x80 \xc3\xa4\xc3\xa4", 15);
    hf_error_text(&error, whole, sizeof whole);
    for (size_t size = 0; size <= strlen(whole) + 1; size++) {
        char out[512];
        size_t length;
        memset(out, 0x7e, sizeof out);
        length = hf_error_text(&error, out, size);
        assert_true(length == 0 || length < size);
        assert_memory_equal(out, whole, length);
        assert_true(size == 0 || out[length] == 0);
        assert_int_not_equal((uint8_t)whole[length] & 0xc0, 0x80);
        for (size_t i = size; i < sizeof out; i++) {
            assert_int_equal(out[i], 0x7e);
        }
    }
}

static void a_long_message_is_cut_and_ends(void **state) {
    char longest[1000];
    hf_error error;
    (void)state;
    memset(longest, 'x', sizeof longest);
    hf_error_message(&error, longest, sizeof longest);
    assert_int_equal(strlen(error.message), HF_MESSAGE_BYTES - 1);
}

static void a_message_without_an_end_and_a_strange_sqlstate_do_no_harm(void **state) {
    hf_error error = { .code = HF_ERR_SERVER, .from_server = true };
    (void)state;
    memset(error.message, 'm', sizeof error.message);
    memcpy(error.sqlstate, "\033[0m;", 5);
    assert_memory_equal(text_of(&error), "the server refused: ?[0m; mmm", 29);
}

static void set_forgets_what_was_there(void **state) {
    hf_error error;
    (void)state;
    memset(&error, 0xff, sizeof error);
    hf_error_set(&error, HF_ERR_EOF, HF_PHASE_LOGIN, NULL);
    assert_int_equal(error.code, HF_ERR_EOF);
    assert_int_equal(error.phase, HF_PHASE_LOGIN);
    assert_int_equal(error.limit, 0);
    assert_int_equal(error.system, 0);
    assert_false(error.from_server);
    assert_string_equal(error.message, "");
    assert_string_equal(error.sqlstate, "");
}

static void wiped_is_zero(void **state) {
    char secret[40];
    (void)state;
    memset(secret, 's', sizeof secret);
    hf_wipe(secret + 1, sizeof secret - 2);
    assert_int_equal(secret[0], 's');
    assert_int_equal(secret[39], 's');
    for (size_t i = 1; i < 39; i++) {
        assert_int_equal(secret[i], 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_number_name_and_text),
        cmocka_unit_test(unknown_numbers_have_names_too),
        cmocka_unit_test(a_timeout_names_how_long_the_phase_and_the_setting),
        cmocka_unit_test(durations_keep_their_milliseconds),
        cmocka_unit_test(giving_up_names_the_limit),
        cmocka_unit_test(a_servers_words_are_marked_as_the_servers),
        cmocka_unit_test(a_system_error_keeps_its_number),
        cmocka_unit_test(nothing_from_a_server_can_command_a_terminal),
        cmocka_unit_test(random_bytes_become_printable_and_bounded),
        cmocka_unit_test(text_is_cut_at_a_whole_character_for_every_size),
        cmocka_unit_test(a_long_message_is_cut_and_ends),
        cmocka_unit_test(a_message_without_an_end_and_a_strange_sqlstate_do_no_harm),
        cmocka_unit_test(set_forgets_what_was_there),
        cmocka_unit_test(wiped_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
