/* What people read: tables, carets, progress, summaries; and the files that passwords come from. */
#include "base/bytes.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/statement.h"
#include "base/table.h"
#include "base/text.h"
#include "cli/pgpass.h"
#include "hf_json.h"
#include "report/progress.h"
#include "report/summary.h"

#include "one_file.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static hf_failure failure;

/* ---- statements ----------------------------------------------------------------------------------- */

static bool take(const char *text, size_t bytes) {
    hf_bytes sql = { 0 };
    hf_bytes_add(&sql, text, bytes);
    bool good = hf_statement_take(&sql, "q.sql", &failure);
    hf_bytes_free(&sql);
    return good;
}

static void only_one_statement_of_its_own_is_taken(void **state) {
    static const char *const refused[] = { "",
                                           " \n-- only a comment\n",
                                           "/* open",
                                           ";",
                                           "; ;",
                                           "COPY item TO STDOUT",
                                           ";; copy item to stdout",
                                           "-- a line may end so\rCOPY item TO STDOUT",
                                           "\n/* a /* nested */ one */ copy(SELECT 1) to stdout",
                                           "begin",
                                           "COMMIT;",
                                           "Prepare transaction 'x'" };
    static const char *const good[] = { "SELECT 1",
                                        "copying",
                                        "copy2 (1)",
                                        "-- a line may end so\rSELECT 1",
                                        "WITH copy AS (SELECT 1) TABLE copy;",
                                        "-- COPY\nSELECT 1",
                                        "INSERT INTO copy VALUES (1)",
                                        "\xef\xbb\xbfSELECT 1",
                                        "begin_it" };
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        assert_false(take(refused[i], strlen(refused[i])));
        assert_int_equal(failure.status, 1);
        assert_ptr_equal(strstr(failure.text, "q.sql"), failure.text);
    }
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(take(good[i], strlen(good[i])));
    }
    assert_false(take("SELECT 1\0;", 10));
}

static const char *point(const char *sql, uint32_t position) {
    static hf_bytes out;
    hf_bytes_reset(&out, 0);
    hf_statement_point(&out, sql, position);
    return hf_bytes_text(&out);
}

static void the_caret_stands_below_the_place(void **state) {
    (void)state;
    assert_string_equal(point("SELECT nme", 8), "LINE 1: SELECT nme\n               ^");
    assert_string_equal(point("SELECT\n  é, nme\nFROM x", 13), "LINE 2:   é, nme\n             ^");
    assert_string_equal(point("SELECT", 0), "");
    assert_string_equal(point("SELECT", 99), "");
    assert_non_null(strstr(point("a\x1b[31mb", 2), "a?[31mb"));
}

static void a_long_line_is_shown_around_the_place(void **state) {
    char sql[2000];
    (void)state;
    memset(sql, 'x', sizeof sql);
    sql[sizeof sql - 1] = '\0';
    sql[1000] = 'Y';
    const char *shown = point(sql, 1001);
    const char *line = strchr(shown, 'Y'), *caret = strchr(shown, '^');
    assert_true(strlen(shown) < 300 && line && caret);
    assert_int_equal(line - shown, caret - strrchr(shown, '\n') - 1);
}

/* ---- tables --------------------------------------------------------------------------------------- */

static const char *draw(const char *const *names, const char *const *cells, size_t columns,
                        size_t rows) {
    static hf_bytes out;
    hf_table table = { 0 };
    hf_bytes_reset(&out, 0);
    for (size_t i = 0; i < columns; i++) {
        hf_table_column_add(&table, hf_text(names[i]), i == 0);
    }
    for (size_t i = 0; i < rows * columns; i++) {
        hf_table_cell(&table, i % columns, hf_text(cells[i]));
    }
    hf_table_write(&table, &out);
    hf_table_end(&table, &out);
    hf_table_free(&table);
    return hf_bytes_text(&out);
}

static void a_table_looks_as_psql_draws_it(void **state) {
    static const char *const names[] = { "id", "name", "n" };
    static const char *const cells[] = {
        "1", "one", NULL, "22", "kůň", "", "3", "two\nlines", "x"
    };
    (void)state;
    assert_string_equal(draw(names, cells, 3, 3), " id | name  | n \n"
                                                  "----+-------+---\n"
                                                  "  1 | one   | \n"
                                                  " 22 | kůň   | \n"
                                                  "  3 | two  +| x\n"
                                                  "    | lines | \n"
                                                  "(3 rows)\n\n");
    assert_string_equal(draw(names, cells, 1, 1), " id \n----\n  1\n(1 row)\n\n");
    assert_string_equal(draw(names, NULL, 2, 0), " id | name \n----+------\n(0 rows)\n\n");
}

static void widths_are_those_of_a_terminal(void **state) {
    (void)state;
    assert_int_equal(hf_text_width("abc", 3), 3);
    assert_int_equal(hf_text_width("\xc5\xafx", 3), 2);
    assert_int_equal(hf_text_width("日本", 6), 4);
    assert_int_equal(hf_text_width("e\xcc\x81", 3), 1); /* a combining accent */
    assert_int_equal(hf_text_width("\x1b\xff", 2), 8);  /* \x1B\xFF */
}

/* Shows found L6. */
static void a_cell_spells_what_may_not_be_shown_and_stays_in_its_column(void **state) {
    static const char *const names[] = { "n", "na\xe2\x80\xaeme" };
    static const char *const cells[] = {
        "1", "a\xe2\x80\x8b\xc2\x9b",    "2", "\xf3\xa0\x81\x81",
        "3", "\x1b[2J \xef\xbb\xbf\xff", "4", "k\xc5\xaf\xc5\x88"
    };
    (void)state;
    assert_string_equal(draw(names, cells, 2, 4), " n |     na\\u202Eme     \n"
                                                  "---+--------------------\n"
                                                  " 1 | a\\u200B\\u009B\n"
                                                  " 2 | \\U000E0041\n"
                                                  " 3 | \\x1B[2J \\uFEFF\\xFF\n"
                                                  " 4 | k\xc5\xaf\xc5\x88\n"
                                                  "(4 rows)\n\n");
}

/* ---- progress and summaries ----------------------------------------------------------------------- */

static void progress_fits_the_width_and_tells_the_outage(void **state) {
    hf_progress_view view = { .done = 1234, .total = 5000000, .rate = 250, .healthy = 3 };
    char text[512];
    (void)state;
    for (unsigned width = 21; width < 200; width++) {
        hf_progress_text(&view, width, text, sizeof text);
        assert_true(strlen(text) <= width);
    }
    hf_progress_text(&view, 120, text, sizeof text);
    assert_non_null(strstr(text, "0%  1,234/5,000,000 lines  250/s  ETA 5:33:15  3 up"));
    view.outage_ms = 72000;
    view.next_try_ms = 2000;
    hf_progress_text(&view, 120, text, sizeof text);
    assert_non_null(strstr(text, "OUTAGE 1:12, next try in 2 s"));
    assert_null(strstr(text, "ETA"));
    hf_progress_text(&(hf_progress_view){ 0 }, 120, text, sizeof text);
    assert_non_null(strstr(text, "100%  0/0 lines"));
}

static void the_slowest_are_kept_in_order(void **state) {
    static const uint32_t times[] = { 5, 90, 3, 70, 70, 1, 100, 2, 60 };
    hf_summary summary = { 0 };
    (void)state;
    for (uint64_t i = 0; i < COUNT(times); i++) {
        hf_summary_statement(&summary, i + 2, i + 2, times[i], 2);
    }
    assert_int_equal(summary.statements, 2 * COUNT(times));
    static const uint32_t ms[] = { 100, 90, 70, 70, 60 };
    static const uint64_t lines[] = { 8, 3, 5, 6, 10 };
    for (size_t i = 0; i < HF_SLOWEST; i++) {
        assert_int_equal(summary.slowest[i].ms, ms[i]);
        assert_int_equal(summary.slowest[i].line, lines[i]);
    }
}

/* Chunks, of which some are tried again: each is there once, with its longest try and all its lines. */
static void the_slowest_name_what_runs_again_once(void **state) {
    static const struct {
        uint64_t line;
        uint32_t ms;
    } tries[] = { { 2, 50 }, { 12, 40 }, { 2, 60 }, { 22, 70 }, { 12, 10 },
                  { 32, 5 }, { 42, 6 },  { 52, 4 }, { 32, 80 }, { 52, 90 } },
      wanted[] = { { 52, 90 }, { 32, 80 }, { 22, 70 }, { 2, 60 }, { 12, 40 } };
    hf_summary summary = { 0 };
    (void)state;
    for (size_t i = 0; i < COUNT(tries); i++) {
        hf_summary_statement(&summary, tries[i].line, tries[i].line + 9, tries[i].ms, 1);
    }
    for (size_t i = 0; i < HF_SLOWEST; i++) {
        assert_int_equal(summary.slowest[i].ms, wanted[i].ms);
        assert_int_equal(summary.slowest[i].line, wanted[i].line);
        assert_int_equal(summary.slowest[i].last, wanted[i].line + 9);
    }
}

/* Shows rule 29. */
static void of_two_exits_the_stronger_counts(void **state) {
    static const int order[] = { 1, 3, 4, 5, 2, 0 };
    (void)state;
    for (size_t i = 0; i < COUNT(order); i++) {
        for (size_t j = i; j < COUNT(order); j++) {
            assert_int_equal(hf_exit_stronger(order[i], order[j]), order[i]);
            assert_int_equal(hf_exit_stronger(order[j], order[i]), order[i]);
        }
    }
}

/* ---- passwords and services ----------------------------------------------------------------------- */

static const char *password(const char *line) {
    static hf_bytes out;
    hf_bytes_reset(&out, 0);
    return hf_pgpass_line(line, "h", "5432", "d:b", "us\\er", &out) ? hf_bytes_text(&out) : NULL;
}

static void a_line_of_pgpass_matches_as_in_libpq(void **state) {
    (void)state;
    assert_string_equal(password("h:5432:d\\:b:us\\\\er:secret"), "secret");
    assert_string_equal(password("*:*:*:*:secret"), "secret");
    assert_string_equal(password("*:*:*:*:a\\:b\\\\c"), "a:b\\c");
    assert_string_equal(password("*:*:*:*:cut:here"), "cut");
    assert_string_equal(password("*:*:*:*:"), "");
    assert_null(password("#*:*:*:*:secret"));
    assert_null(password("H:*:*:*:secret"));
    assert_null(password("h*:*:*:*:secret"));
    assert_null(password("\\*:*:*:*:secret"));
    assert_null(password("*:5433:*:*:secret"));
    assert_null(password("*:*:*:us"));
    assert_null(password(""));
    assert_string_equal(password("h:5432:d:b:us\\\\er:x"), "x"); /* no need to escape it */
    hf_bytes out = { 0 };
    assert_true(hf_pgpass_line("fe80::1:5432:*:*:six", "fe80::1", "5432", "d", "u", &out));
    assert_string_equal(hf_bytes_text(&out), "six");
    hf_bytes_free(&out);
}

static void write_file(const char *content) {
    write_path(content, strlen(content));
}

static void the_first_match_counts_and_an_open_file_is_ignored(void **state) {
    hf_bytes found = { 0 }, file = { 0 };
    (void)state;
    write_file("# comment\r\nother:*:*:*:no\r\n*:*:*:u:first\r\r\n*:*:*:*:second\r");
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(hf_pgpass_read(path, &file));
    assert_true(hf_pgpass_find(&file, "h", "1", "d", "u", &found));
    assert_string_equal(hf_bytes_text(&found), "first");
    hf_bytes_reset(&found, 0);
    assert_true(hf_pgpass_find(&file, "h", "1", "d", "v", &found));
    assert_string_equal(hf_bytes_text(&found), "second");
    hf_secret_free(&file);
    assert_false(hf_pgpass_find(&file, "h", "1", "d", "v", &found));
    assert_int_equal(chmod(path, 0640), 0);
    assert_false(hf_pgpass_read(path, &file));
    assert_false(hf_pgpass_read("/tmp/hf-test-there-is-none", &file));
    hf_secret_free(&found);
}

static bool add_key(void *user, const char *key, const char *value, const char *place,
                    hf_failure *why) {
    (void)place;
    (void)why;
    hf_bytes_format(user, "%s=%s;", key, value);
    return true;
}

static void a_service_gives_its_own_lines_only(void **state) {
    hf_bytes seen = { 0 };
    (void)state;
    write_file("host=before\n[one]\nhost=a\n# x\n\n port=1\n[two]\nhost=b\r\n[one]\nhost=again\n");
    assert_int_equal(hf_service_read(path, "one", add_key, &seen, &failure), HF_SERVICE_READ);
    assert_string_equal(hf_bytes_text(&seen), "host=a;port=1;");
    hf_bytes_reset(&seen, 0);
    assert_int_equal(hf_service_read(path, "two", add_key, &seen, &failure), HF_SERVICE_READ);
    assert_string_equal(hf_bytes_text(&seen), "host=b;");
    assert_int_equal(hf_service_read(path, "on", add_key, &seen, &failure), HF_SERVICE_NONE);
    assert_int_equal(hf_service_read("/tmp/hf-test-none", "one", add_key, &seen, &failure),
                     HF_SERVICE_NONE);
    static const char *const wrong[] = { "[one]\nhost\n", "[one]\nhost =a\n",
                                         "[one]\nldap://ldap.example/dc=x\n" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        write_file(wrong[i]);
        assert_int_equal(hf_service_read(path, "one", add_key, &seen, &failure), HF_SERVICE_FAILED);
    }
    write_file("[one]\nhost\n");
    assert_int_equal(hf_service_read(path, "one", add_key, &seen, &failure), HF_SERVICE_FAILED);
    assert_non_null(strstr(failure.text, ":2:"));
    hf_bytes_free(&seen);
}

/* ---- bytes and JSON ------------------------------------------------------------------------------- */

static void a_terminal_gets_printable_text_only(void **state) {
    static const char text[] = "a\x1b[2J\x07 \xc5\xaf \xc2\x9b \xff \xed\xa0\x80 \xf0\x9f\x98\x80";
    hf_bytes out = { 0 };
    (void)state;
    hf_bytes_add_printable(&out, text, sizeof text - 1);
    assert_string_equal(hf_bytes_text(&out), "a?[2J? \xc5\xaf ? ? ??? \xf0\x9f\x98\x80");
    hf_bytes_free(&out);
}

/* The UTF-8 of a code. */
static size_t encode(uint32_t code, char out[5]) {
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t heads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = length; i-- > 1; code >>= 6) {
        out[i] = (char)(0x80 | (code & 0x3f));
    }
    out[0] = (char)(heads[length] | code);
    out[length] = '\0';
    return length;
}

/* Shows found L6. */
static void one_filter_decides_for_messages_logs_and_tables(void **state) {
    static const struct {
        uint32_t first, last;
    } hidden[] = { { 0, 0x1f },          { 0x7f, 0x9f },       { 0xad, 0xad },
                   { 0x61c, 0x61c },     { 0x200b, 0x200f },   { 0x2028, 0x202e },
                   { 0x2060, 0x206f },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },
                   { 0xfff9, 0xfffb },   { 0xfffe, 0xffff },   { 0x1d173, 0x1d17a },
                   { 0x1fffe, 0x1ffff }, { 0xe0000, 0x10ffff } };
    hf_bytes added = { 0 };
    uint32_t shown = 0;
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        char text[5], written[8];
        if (code >= 0xd800 && code < 0xe000) {
            continue;
        }
        size_t length = encode(code, text);
        hf_writer writer = hf_writer_on(written, sizeof written);
        hf_write_printable(&writer, text, length);
        hf_bytes_reset(&added, SIZE_MAX);
        hf_bytes_add_printable(&added, text, length);
        assert_string_equal(hf_bytes_text(&added), written);
        bool blank = code == '\t' || code == '\n' || code == '\r';
        assert_string_equal(written, hf_printable(code) ? text : blank ? " " : "?");
        size_t width = hf_text_width(text, length);
        assert_true(hf_printable(code) ? width <= 2 : width >= 4);
        shown += hf_printable(code);
    }
    assert_true(shown > 900000);
    for (size_t i = 0; i < COUNT(hidden); i++) {
        for (uint32_t code = hidden[i].first; code <= hidden[i].last; code++) {
            assert_false(hf_printable(code));
        }
    }
    hf_bytes_free(&added);
}

static void json_is_written_as_valid_utf_8(void **state) {
    (void)state;
    hf_json *json = hf_json_object();
    hf_json_add_text(json, "text", "q\" \n \xc5\xaf \xff \xed\xa0\x80");
    hf_json_add_count(json, "count", UINT64_MAX);
    hf_json_add_null(json, "none");
    char *printed = hf_json_print(json, false);
    assert_string_equal(printed,
                        "{\"text\":\"q\\\" \\n \xc5\xaf \xef\xbf\xbd "
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"count\":18446744073709551615,"
                        "\"none\":null}");
    free(printed);
    hf_json_free(json);
}

static void json_integers_are_exact_or_refused(void **state) {
    static const struct {
        const char *text, *number;
    } numbers[] = { { "1", "1" },      { "9007199254740992", "9007199254740992" },
                    { "0.5", "0.5" },  { "9007199254740994", NULL },
                    { "-3", "-3" },    { "1e99", NULL },
                    { "1e3", "1000" }, { "0.1", "0.1" } };
    hf_json_error error;
    char out[64];
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        hf_json *json = hf_json_read(numbers[i].text, strlen(numbers[i].text), &error);
        assert_non_null(json);
        bool exact = hf_json_number(json, out, sizeof out);
        assert_int_equal(exact, numbers[i].number != NULL);
        if (exact) {
            assert_string_equal(out, numbers[i].number);
        }
        hf_json_free(json);
    }
}

static void json_depth_is_bounded(void **state) {
    char text[200];
    hf_json_error error;
    (void)state;
    for (size_t depth = 1; depth < 90; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        hf_json *json = hf_json_read(text, 2 * depth, &error);
        assert_int_equal(json != NULL, depth <= HF_JSON_DEPTH_MAX);
        hf_json_free(json);
    }
}

static void times_are_those_of_the_calendar(void **state) {
    char ours[HF_TIME_BYTES], theirs[64];
    (void)state;
    assert_string_equal(hf_time_text(951827696789, ours), "2000-02-29T12:34:56.789Z");
    for (int64_t day = 0; day < 366 * 200; day++) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        struct tm parts;
        gmtime_r(&seconds, &parts);
        strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%S.007Z", &parts);
        assert_string_equal(hf_time_text((int64_t)seconds * 1000 + 7, ours), theirs);
    }
}

/* At most a 32nd too much, never too little; to the millisecond below 64. */
static void percentiles_are_of_all_the_statements(void **state) {
    static const uint32_t extreme[] = { 64, 1000, 65535, 65536, 1u << 31, UINT32_MAX };
    static hf_summary summary, one;
    (void)state;
    assert_true(hf_summary_percentile(&summary, 50) == -1);
    for (uint32_t i = 0; i < 50; i++) {
        hf_summary_statement(&summary, i, i, i + 1, 1);
    }
    assert_true(hf_summary_percentile(&summary, 50) == 25);
    assert_true(hf_summary_percentile(&summary, 95) == 48);
    assert_true(hf_summary_percentile(&summary, 99) == 50);
    for (size_t i = 0; i < COUNT(extreme); i++) {
        one = (hf_summary){ 0 };
        hf_summary_statement(&one, 1, 1, extreme[i], 1);
        const int64_t said = hf_summary_percentile(&one, 1);
        assert_true(said >= extreme[i] && said - extreme[i] <= extreme[i] / 32);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_of_all_the_statements),
        cmocka_unit_test(only_one_statement_of_its_own_is_taken),
        cmocka_unit_test(the_caret_stands_below_the_place),
        cmocka_unit_test(a_long_line_is_shown_around_the_place),
        cmocka_unit_test(a_table_looks_as_psql_draws_it),
        cmocka_unit_test(widths_are_those_of_a_terminal),
        cmocka_unit_test(a_cell_spells_what_may_not_be_shown_and_stays_in_its_column),
        cmocka_unit_test(progress_fits_the_width_and_tells_the_outage),
        cmocka_unit_test(the_slowest_are_kept_in_order),
        cmocka_unit_test(the_slowest_name_what_runs_again_once),
        cmocka_unit_test(of_two_exits_the_stronger_counts),
        cmocka_unit_test(a_line_of_pgpass_matches_as_in_libpq),
        cmocka_unit_test(the_first_match_counts_and_an_open_file_is_ignored),
        cmocka_unit_test(a_service_gives_its_own_lines_only),
        cmocka_unit_test(a_terminal_gets_printable_text_only),
        cmocka_unit_test(one_filter_decides_for_messages_logs_and_tables),
        cmocka_unit_test(json_is_written_as_valid_utf_8),
        cmocka_unit_test(json_integers_are_exact_or_refused),
        cmocka_unit_test(json_depth_is_bounded),
        cmocka_unit_test(times_are_those_of_the_calendar),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
