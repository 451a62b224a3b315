/* Intents and what follows from them: a line that may have run is never run again. */
#include "base/files.h"
#include "report/intents.h"
#include "report/recovery.h"
#include "report/window.h"

#include "unit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/hf-test-XXXXXX";
static char *path;
static hf_failure failure;

static void add(hf_intents *intents, uint64_t line, hf_intent_kind kind, const char *code,
                const char *text) {
    hf_intent intent = { .line = line, .kind = kind, .text = text, .text_bytes = strlen(text) };
    snprintf(intent.code, sizeof intent.code, "%s", code);
    hf_intents_add(intents, &intent);
}

static void open_at(hf_intents *intents, hf_recovery *recovery, uint64_t from_line) {
    *recovery = (hf_recovery){ 0 };
    assert_true(hf_intents_open(intents, path, from_line, hf_recovery_add, recovery, &failure));
    hf_recovery_sort(recovery);
}

/* Closes the file; when it is opened again so many records of lines from `from_line` on are read. */
static void expect_records(hf_intents *intents, uint64_t from_line, unsigned count) {
    hf_recovery recovery;
    hf_intents_close(intents);
    open_at(intents, &recovery, from_line);
    assert_int_equal(recovery.count, count);
    hf_recovery_free(&recovery);
    hf_intents_close(intents);
}

/* What became of `line`: its state, or READY when it is to be run. */
static hf_line_state outcome_of(hf_recovery *recovery, uint64_t line, hf_line *out) {
    memset(out, 0, sizeof *out);
    out->line = line;
    out->state = HF_LINE_READY;
    bool ended = hf_recovery_take(recovery, out);
    assert_int_equal(ended, out->state != HF_LINE_READY);
    return out->state;
}

static void forget(hf_line *line) {
    hf_bytes_free(&line->out);
    hf_bytes_free(&line->message);
}

/* Shows rule 25. */
static void the_last_word_on_a_line_counts(void **state) {
    hf_intents intents;
    hf_recovery recovery;
    hf_line line;
    (void)state;
    open_at(&intents, &recovery, 1);
    add(&intents, 7, HF_INTENT_SENT, "", "");
    add(&intents, 5, HF_INTENT_SENT, "", "");
    add(&intents, 6, HF_INTENT_SENT, "", "");
    add(&intents, 8, HF_INTENT_SENT, "", "");
    add(&intents, 6, HF_INTENT_OK, "", "6,six\n");
    add(&intents, 8, HF_INTENT_NOT_RUN, "", "");
    add(&intents, 9, HF_INTENT_SENT, "", "");
    add(&intents, 9, HF_INTENT_REJECTED, "22012", "division by zero");
    add(&intents, 10, HF_INTENT_UNKNOWN, "HF_ERR_EOF", "gone");
    add(&intents, 11, HF_INTENT_NOT_RUN, "", "");
    add(&intents, 11, HF_INTENT_SENT, "", "");
    add(&intents, 3, HF_INTENT_SENT, "", "");
    assert_true(hf_intents_write(&intents, true));
    hf_intents_close(&intents);

    open_at(&intents, &recovery, 5); /* line 3 is behind the position */
    assert_int_equal(recovery.count, 7);
    assert_int_equal(outcome_of(&recovery, 4, &line), HF_LINE_READY);
    assert_int_equal(outcome_of(&recovery, 5, &line), HF_LINE_UNKNOWN);
    assert_string_equal(line.code, "HF_ERR_CLOSED");
    forget(&line);
    assert_int_equal(outcome_of(&recovery, 6, &line), HF_LINE_OK);
    assert_string_equal(hf_bytes_text(&line.out), "6,six\n");
    forget(&line);
    assert_int_equal(outcome_of(&recovery, 7, &line), HF_LINE_UNKNOWN);
    forget(&line);
    assert_int_equal(outcome_of(&recovery, 8, &line), HF_LINE_READY);
    assert_int_equal(outcome_of(&recovery, 9, &line), HF_LINE_REJECTED);
    assert_string_equal(line.code, "22012");
    assert_string_equal(hf_bytes_text(&line.message), "division by zero");
    forget(&line);
    assert_int_equal(outcome_of(&recovery, 10, &line), HF_LINE_UNKNOWN);
    assert_string_equal(line.code, "HF_ERR_EOF");
    forget(&line);
    assert_int_equal(outcome_of(&recovery, 11, &line), HF_LINE_UNKNOWN);
    forget(&line);
    assert_int_equal(outcome_of(&recovery, 12, &line), HF_LINE_READY);
    hf_recovery_free(&recovery);
    hf_intents_close(&intents);
    unlink(path);
}

/* The line's ticket and, behind a NUL, the output lines that count if it was committed are kept, whatever their bytes.
 */
static void a_line_at_its_commit_is_run_with_its_ticket_and_its_output(void **state) {
    static const char text[] = "7 life/1\0"
                               "7,a\n7,b\n",
                      none[] = "8 life/1";
    hf_intent intent = {
        .line = 7, .kind = HF_INTENT_COMMIT, .text = text, .text_bytes = sizeof text - 1
    };
    hf_intents intents;
    hf_recovery recovery;
    hf_line line;
    (void)state;
    open_at(&intents, &recovery, 1);
    hf_intents_add(&intents, &intent);
    intent =
        (hf_intent){ .line = 8, .kind = HF_INTENT_COMMIT, .text = none, .text_bytes = sizeof none };
    hf_intents_add(&intents, &intent);
    add(&intents, 9, HF_INTENT_COMMIT, "", "9 life/1");
    add(&intents, 9, HF_INTENT_SENT, "", ""); /* run again, where no tickets were given */
    assert_true(hf_intents_write(&intents, true));
    hf_intents_close(&intents);

    open_at(&intents, &recovery, 1);
    assert_int_equal(outcome_of(&recovery, 7, &line), HF_LINE_READY);
    assert_string_equal(line.ticket, "7 life/1");
    assert_string_equal(hf_bytes_text(&line.out), "7,a\n7,b\n");
    assert_true(line.intended);
    forget(&line);
    assert_int_equal(outcome_of(&recovery, 8, &line), HF_LINE_READY);
    assert_string_equal(line.ticket, "8 life/1");
    assert_int_equal(line.out.used, 0);
    forget(&line);
    assert_int_equal(outcome_of(&recovery, 9, &line), HF_LINE_UNKNOWN);
    assert_string_equal(line.ticket, "");
    forget(&line);
    hf_recovery_free(&recovery);
    hf_intents_close(&intents);
    unlink(path);
}

/* Cut anywhere, what is whole before the cut is read and new records follow it.
 * Shows fault 44.
 */
static void a_torn_record_is_cut_off(void **state) {
    hf_intents intents;
    hf_recovery recovery;
    hf_bytes image = { 0 };
    (void)state;
    open_at(&intents, &recovery, 1);
    add(&intents, 1, HF_INTENT_SENT, "", "");
    add(&intents, 2, HF_INTENT_OK, "", "two\n");
    add(&intents, 3, HF_INTENT_SENT, "", "");
    assert_true(hf_intents_write(&intents, true));
    size_t whole = (size_t)intents.used, small = (whole - 4) / 3, second = 2 * small + 4;
    hf_intents_close(&intents);
    assert_true(hf_file_read(path, 4 << 20, &image, &failure));
    for (size_t cut = 0; cut <= whole; cut++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(image.data, 1, cut, file), cut);
        if (cut % 2) { /* room that was reserved reads as zeros */
            assert_int_equal(fwrite("\0\0\0\0\0\0\0\0", 1, 8, file), 8);
        }
        assert_int_equal(fclose(file), 0);
        open_at(&intents, &recovery, 1);
        assert_int_equal(recovery.count, (cut >= small) + (cut >= second) + (cut >= whole));
        hf_recovery_free(&recovery);
        add(&intents, 9, HF_INTENT_SENT, "", "");
        assert_true(hf_intents_write(&intents, false));
        expect_records(&intents, 9, 1);
    }
    hf_bytes_free(&image);
    unlink(path);
}

/* No file may grow beyond that many bytes; 0 lifts it. */
static void limit(uint64_t bytes) {
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &now), 0);
    now.rlim_cur = bytes ? bytes : now.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
}

/* A full disk: no further lines, but how those under way end is known to the next run. */
static void want_of_room_does_not_stop_what_is_under_way_from_being_noted(void **state) {
    hf_intents intents;
    hf_recovery recovery;
    (void)state;
    open_at(&intents, &recovery, 1);
    add(&intents, 1, HF_INTENT_SENT, "", "");
    assert_true(hf_intents_write(&intents, true));
    limit(2 << 20);
    assert_false(hf_intents_reserve(&intents, 4 << 20));
    assert_true(hf_intents_fail(&intents, &failure) == false && failure.status == 4);
    add(&intents, 1, HF_INTENT_OK, "", "one\n");
    assert_true(hf_intents_write(&intents, true));
    limit(0);
    hf_intents_close(&intents);
    open_at(&intents, &recovery, 1);
    assert_int_equal(recovery.count, 1);
    assert_int_equal(recovery.items[0].intent.kind, HF_INTENT_OK);
    hf_recovery_free(&recovery);
    hf_intents_close(&intents);
    unlink(path);
}

static void a_write_that_failed_may_be_tried_again(void **state) {
    hf_intents intents;
    hf_recovery recovery;
    (void)state;
    open_at(&intents, &recovery, 1);
    limit(20); /* less than a record */
    add(&intents, 1, HF_INTENT_SENT, "", "");
    assert_false(hf_intents_write(&intents, false));
    limit(0);
    add(&intents, 2, HF_INTENT_SENT, "", "");
    assert_true(hf_intents_write(&intents, true));
    expect_records(&intents, 1, 2);
    unlink(path);
}

/* The file as it was holds all that matters, only at greater length. */
static void a_compaction_that_fails_loses_nothing(void **state) {
    hf_intents intents;
    hf_recovery recovery;
    (void)state;
    open_at(&intents, &recovery, 1);
    add(&intents, 1, HF_INTENT_SENT, "", "");
    assert_true(hf_intents_write(&intents, true));
    limit(20);
    hf_intents_compact_begin(&intents);
    add(&intents, 1, HF_INTENT_SENT, "", "");
    assert_true(hf_intents_compact_end(&intents));
    limit(0);
    add(&intents, 2, HF_INTENT_SENT, "", "");
    assert_true(hf_intents_write(&intents, true));
    char *fresh = hf_path_beside(path, ".new");
    assert_false(hf_file_exists(fresh));
    free(fresh);
    expect_records(&intents, 1, 2);
    unlink(path);
}

static void a_changed_byte_ends_the_reading(void **state) {
    hf_intents intents = { .fd = -1 };
    hf_intent back;
    (void)state;
    add(&intents, 42, HF_INTENT_OK, "", "text");
    uint8_t *bytes = (uint8_t *)intents.gathered.data;
    size_t length = intents.gathered.used;
    assert_int_equal(hf_intent_decode(bytes, length, &back), length);
    assert_true(back.line == 42 && back.kind == HF_INTENT_OK && back.text_bytes == 4);
    for (size_t bit = 0; bit < length * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(hf_intent_decode(bytes, length, &back), 0);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    hf_bytes_free(&intents.gathered);
}

static void compaction_keeps_what_is_given_and_nothing_else(void **state) {
    hf_intents intents;
    hf_recovery recovery;
    struct stat file;
    (void)state;
    open_at(&intents, &recovery, 1);
    for (uint64_t line = 1; !hf_intents_worth_compacting(&intents); line++) {
        add(&intents, line, HF_INTENT_SENT, "",
            "a text of some length, so that this does not take long ...");
        assert_true(hf_intents_write(&intents, false));
    }
    hf_intents_compact_begin(&intents);
    add(&intents, 70000, HF_INTENT_OK, "", "kept\n");
    assert_true(hf_intents_compact_end(&intents));
    assert_false(hf_intents_worth_compacting(&intents));
    add(&intents, 70001, HF_INTENT_SENT, "", "");
    assert_true(hf_intents_write(&intents, true));
    expect_records(&intents, 1, 2);
    assert_int_equal(stat(path, &file), 0);
    assert_true(file.st_size <= 1024 * 1024);
    unlink(path);
}

/* Shows rule 26. */
static void a_window_gives_lines_back_in_order_and_counts_what_they_hold(void **state) {
    hf_window window;
    char letters[] = "some cells";
    hf_value cells[2] = { { .data = letters, .bytes = 4 }, { .data = NULL, .bytes = 0 } };
    hf_csv_record record = { .cells = cells, .n_cells = 2, .line = 2, .next_line = 3, .end = 20 };
    (void)state;
    hf_window_init(&window, 3);
    for (int round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 3; i++) {
            record.line = i;
            hf_line *line = hf_window_add(&window, &record);
            assert_int_equal(line->state, HF_LINE_READY);
            assert_memory_equal(line->cells[0].data, "some", 4);
            assert_true(line->cells[0].data != letters && !line->cells[1].data);
            hf_line_prefix(line, false);
            assert_string_equal(hf_bytes_text(&line->prefix), "some,");
            hf_window_count(&window, line);
        }
        assert_true(hf_window_full(&window));
        assert_int_equal(window.bytes, 3 * (4 + 5));
        for (uint64_t i = 0; i < 3; i++) {
            assert_int_equal(hf_window_head(&window)->line, i);
            hf_window_remove(&window);
        }
        assert_true(hf_window_empty(&window) && window.bytes == 0);
    }
    hf_window_free(&window);
}

static int make_folder(void **state) {
    (void)state;
    assert_non_null(mkdtemp(folder));
    path = hf_path_beside(folder, "/report.csv.intents");
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    free(path);
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_word_on_a_line_counts),
        cmocka_unit_test(a_line_at_its_commit_is_run_with_its_ticket_and_its_output),
        cmocka_unit_test(a_torn_record_is_cut_off),
        cmocka_unit_test(want_of_room_does_not_stop_what_is_under_way_from_being_noted),
        cmocka_unit_test(a_write_that_failed_may_be_tried_again),
        cmocka_unit_test(a_compaction_that_fails_loses_nothing),
        cmocka_unit_test(a_changed_byte_ends_the_reading),
        cmocka_unit_test(compaction_keeps_what_is_given_and_nothing_else),
        cmocka_unit_test(a_window_gives_lines_back_in_order_and_counts_what_they_hold),
    };
    signal(SIGXFSZ, SIG_IGN); /* as the program does: a file that is too large is an error */
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
