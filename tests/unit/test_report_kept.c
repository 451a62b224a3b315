/* What a chunk's row in the ledger keeps of its lines (platform/linux/report/kept.h). */
#include "report/kept.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static const char rows[] = "1,\"a:b\n\"\"x\"\"\"\n2,\n";

static hf_bytes made(void) {
    hf_bytes text = { 0 };
    hf_kept done = { .counted = true, .affected = 18, .text = rows, .bytes = sizeof rows - 1 };
    hf_kept uncounted = { .text = "", .bytes = 0 };
    hf_kept refused = { .refused = true, .code = "22012", .text = "o1:1:x", .bytes = 6 };
    hf_kept_add(&text, &done);
    hf_kept_add(&text, &uncounted);
    hf_kept_add(&text, &refused);
    return text;
}

/* How many entries there are up to the first that is none; *whole: nothing is left behind the last. */
static unsigned entries(const char *text, size_t bytes, bool *whole) {
    const char *at = text, *end = text + bytes;
    hf_kept entry;
    unsigned count = 0;
    while (hf_kept_next(&at, end, &entry)) {
        assert_true(entry.text >= text && entry.text + entry.bytes <= end && at <= end);
        count++;
        *whole = at == end;
    }
    return count;
}

static void test_entries_come_back_as_they_were_added(void **state) {
    (void)state;
    hf_bytes text = made();
    const char *at = text.data, *end = at + text.used;
    hf_kept entry;
    assert_true(hf_kept_next(&at, end, &entry));
    assert_true(!entry.refused && entry.counted && entry.affected == 18);
    assert_int_equal(entry.bytes, sizeof rows - 1);
    assert_memory_equal(entry.text, rows, entry.bytes);
    assert_true(hf_kept_next(&at, end, &entry));
    assert_true(!entry.refused && !entry.counted && entry.bytes == 0);
    assert_true(hf_kept_next(&at, end, &entry));
    assert_true(entry.refused && entry.bytes == 6);
    assert_string_equal(entry.code, "22012");
    assert_memory_equal(entry.text, "o1:1:x", 6);
    assert_true(at == end);
    assert_false(hf_kept_next(&at, end, &entry));
    hf_bytes_free(&text);
}

/* Each cut has its own room, so that a sanitizer sees a look behind it. */
static void test_cut_at_every_byte_is_seen(void **state) {
    (void)state;
    hf_bytes text = made();
    for (size_t cut = 0; cut < text.used; cut++) {
        char *room = malloc(cut ? cut : 1);
        bool whole = false;
        memcpy(room, text.data, cut);
        assert_in_range(entries(room, cut, &whole), 0, 2);
        free(room);
    }
    hf_bytes_free(&text);
}

static void test_hostile_text_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = { "",
                                         "o",
                                         "o:",
                                         "o1",
                                         "o1:",
                                         "o1:2",
                                         "o1:2:",
                                         "o1:2:a",
                                         "o-",
                                         "o-1:0:",
                                         "o--:0:",
                                         "o+1:0:",
                                         "o 1:0:",
                                         "o1:-1:",
                                         "o1: 1:a",
                                         "y1:0:",
                                         "x",
                                         "x22012",
                                         "x22012:",
                                         "x22012:5:abc",
                                         "x0123456789012345678901234567890:0:",
                                         "o1:18446744073709551615:a",
                                         "o1:99999999999999999999999:a",
                                         "o99999999999999999999999:0:" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bool whole = false;
        assert_int_equal(entries(texts[i], strlen(texts[i]), &whole), 0);
    }
}

static void test_row_ends_behind_the_line_feed_that_no_quotes_hold(void **state) {
    (void)state;
    const char *end = rows + sizeof rows - 1;
    const char *second = hf_kept_row_end(rows, end);
    assert_non_null(second);
    assert_string_equal(second, "2,\n");
    assert_ptr_equal(hf_kept_row_end(second, end), end);
    assert_null(hf_kept_row_end(end, end));
    assert_null(hf_kept_row_end(second, end - 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_come_back_as_they_were_added),
        cmocka_unit_test(test_cut_at_every_byte_is_seen),
        cmocka_unit_test(test_hostile_text_is_refused),
        cmocka_unit_test(test_row_ends_behind_the_line_feed_that_no_quotes_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
