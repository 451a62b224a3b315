/* The CSV that a report reads and writes: exact cells or an error with a line, never shifted columns. */
#include "base/csv_out.h"
#include "report/csv_in.h"

#include "one_file.h"

static hf_failure failure;

static hf_csv_in *open_text(const char *text, size_t bytes) {
    write_path(text, bytes);
    failure = (hf_failure){ 0 };
    hf_csv_in *in = hf_csv_in_open(path, &failure);
    assert_non_null(in);
    return in;
}

/* Every record as text: "line: a|b|-" with - for NULL; the error behind '!' at the end. */
static const char *read_all(const char *text, size_t bytes) {
    static char out[4096];
    size_t used = 0;
    hf_csv_record record;
    hf_csv_in *in = open_text(text, bytes);
    int got;
    out[0] = '\0';
    while ((got = hf_csv_in_next(in, &record, &failure)) > 0) {
        used += (size_t)snprintf(out + used, sizeof out - used, "%u:", (unsigned)record.line);
        for (size_t i = 0; i < record.n_cells; i++) {
            hf_value cell = record.cells[i];
            used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s", i ? "|" : "",
                                     cell.data ? (int)cell.bytes : 1, cell.data ? cell.data : "-");
        }
        used += (size_t)snprintf(out + used, sizeof out - used, " ");
        assert_int_equal(record.end <= bytes, 1);
    }
    if (got < 0) {
        const char *where = strchr(failure.text, ':');
        snprintf(out + used, sizeof out - used, "!%s", where ? where : failure.text);
    }
    hf_csv_in_close(in);
    return out;
}

static const char *read_text(const char *text) {
    return read_all(text, strlen(text));
}

/* Shows rule 27. */
static void empty_is_null_and_quotes_make_the_empty_string(void **state) {
    (void)state;
    assert_string_equal(read_text("a,b\n,\"\"\n\"\",\n"), "1:a|b 2:-| 3:|- ");
    assert_string_equal(read_text("a\n\n\"\"\nx"), "1:a 2:- 3: 4:x ");
}

/* Shows fault 48. */
static void line_ends_are_lf_or_crlf_and_the_last_may_be_missing(void **state) {
    (void)state;
    assert_string_equal(read_text("a,b\r\n1,2\r\n3,4"), "1:a|b 2:1|2 3:3|4 ");
    assert_string_equal(read_text("a\r\n\"x\"\r\n\r\n\"y\"\r"), "1:a 2:x 3:- 4:y ");
    assert_string_equal(read_text(""), "");
}

/* Shows fault 48. */
static void a_byte_order_mark_is_no_part_of_the_first_name(void **state) {
    (void)state;
    assert_string_equal(read_text("\xef\xbb\xbf"
                                  "a,b\n1,2\n"),
                        "1:a|b 2:1|2 ");
    assert_string_equal(read_text("\xef\xbb\xbf\"a\",b\n"), "1:a|b ");
}

static void blanks_belong_to_the_cell(void **state) {
    (void)state;
    assert_string_equal(read_text(" a ,\tb\n\" c \", d"), "1: a |\tb 2: c | d ");
}

static void a_record_has_the_line_it_starts_on(void **state) {
    (void)state;
    assert_string_equal(read_text("a,b\n\"x\ny\r\n\",2\n3,4\n"), "1:a|b 2:x\ny\r\n|2 5:3|4 ");
}

/* Shows fault 48. */
static void a_quote_in_the_wrong_place_is_an_error_with_its_line(void **state) {
    (void)state;
    assert_non_null(strstr(read_text("a\n1\nx\"y\n"), "!:3: a quote in the wrong place"));
    assert_non_null(strstr(read_text("a\n\"x\"y\n"), "!:2: a quote in the wrong place"));
    assert_non_null(strstr(read_text("a\n1\n\"x\n\"y\n"), "!:4: a quote in the wrong place"));
    assert_non_null(strstr(failure.text, "starts on line 3"));
    assert_non_null(strstr(read_text("a\n1\n\"x\n\ny"), "!:3: a quote is opened"));
}

static void a_bare_carriage_return_is_an_error_never_a_new_line(void **state) {
    (void)state;
    assert_non_null(strstr(read_text("a,b\n1\r2,3\n"), "!:2: a carriage return"));
    assert_non_null(strstr(read_text("a\r1\r2\r"), "!:1: a carriage return"));
    assert_string_equal(read_text("a\n\"1\r2\"\n"), "1:a 2:1\r2 ");
}

/* libcsv passes over one there, and the cell would have lost its first byte. */
static void a_bare_carriage_return_before_a_record_is_an_error(void **state) {
    (void)state;
    assert_non_null(strstr(read_text("a\n\r1\n"), "!:2: a carriage return"));
    assert_non_null(strstr(read_text("\ra\n"), "!:1: a carriage return"));
    assert_non_null(strstr(read_text("a\n\r\r\n"), "!:2: a carriage return"));
    assert_string_equal(read_text("a\n\r\n1\n"), "1:a 2:- 3:1 ");
}

/* Shows fault 48. */
static void a_nul_byte_is_kept_for_the_line_to_be_refused(void **state) {
    hf_csv_record record;
    (void)state;
    hf_csv_in *in = open_text("a\nx\0y\n", 6);
    assert_int_equal(hf_csv_in_next(in, &record, &failure), 1);
    assert_int_equal(hf_csv_in_next(in, &record, &failure), 1);
    assert_int_equal(record.cells[0].bytes, 3);
    assert_memory_equal(record.cells[0].data, "x\0y", 3);
    hf_csv_in_close(in);
}

/* Shows found R5. */
static void a_blank_line_is_told_apart_from_an_empty_cell(void **state) {
    hf_csv_record record;
    (void)state;
    hf_csv_in *in = open_text("a\n\n\"\"\n\r\nx\n \n\r", 13);
    const bool blank[] = { false, true, false, true, false, false, true };
    for (size_t i = 0; i < COUNT(blank); i++) {
        assert_int_equal(hf_csv_in_next(in, &record, &failure), 1);
        assert_int_equal(record.blank, blank[i]);
    }
    assert_int_equal(hf_csv_in_next(in, &record, &failure), 0);
    hf_csv_in_close(in);
}

/* Every way to cut a text at the chunk's end: the same records. */
static void chunks_end_anywhere(void **state) {
    static const char tail[] = "\n1,\"x\r\ny\"\"z\"\r\n\r\n\"\",é\r\n2,\n";
    enum { CHUNK = 128 * 1024 };
    char *text = malloc(CHUNK + 64);
    (void)state;
    for (size_t cut = 0; cut <= sizeof tail; cut++) {
        size_t before = CHUNK - cut;
        hf_csv_record record;
        memset(text, 'h', before);
        memcpy(text + before, tail, sizeof tail - 1);
        hf_csv_in *in = open_text(text, before + sizeof tail - 1);
        assert_int_equal(hf_csv_in_next(in, &record, &failure), 1);
        assert_int_equal(record.cells[0].bytes, before);
        assert_int_equal(hf_csv_in_next(in, &record, &failure), 1);
        assert_int_equal(record.n_cells, 2);
        assert_int_equal(record.cells[1].bytes, 6);
        assert_memory_equal(record.cells[1].data, "x\r\ny\"z", 6);
        assert_int_equal(hf_csv_in_next(in, &record, &failure), 1);
        assert_true(record.n_cells == 1 && !record.cells[0].data && record.line == 4);
        assert_int_equal(hf_csv_in_next(in, &record, &failure), 1);
        assert_true(record.n_cells == 2 && record.cells[0].data && record.cells[1].bytes == 2);
        assert_int_equal(hf_csv_in_next(in, &record, &failure), 1);
        assert_true(record.n_cells == 2 && !record.cells[1].data && record.line == 6);
        assert_int_equal(record.end, before + sizeof tail - 1);
        assert_int_equal(hf_csv_in_next(in, &record, &failure), 0);
        hf_csv_in_close(in);
    }
    free(text);
}

/* Random cells written, read, and read again from every record's offset. */
static void what_is_written_is_read_back_and_can_be_resumed_anywhere(void **state) {
    static const char letters[] = "ab,\"\n\r\\. \0é";
    enum { ROWS = 300 };
    uint32_t seed = 7;
    hf_bytes text = { 0 };
    uint64_t ends[ROWS], lines[ROWS];
    hf_csv_record record;
    (void)state;
    for (int row = 0; row < ROWS; row++) {
        hf_value cells[3];
        char store[3][8];
        for (int i = 0; i < 3; i++) {
            size_t bytes = unit_random(&seed) % 8;
            for (size_t at = 0; at < bytes; at++) {
                store[i][at] = letters[unit_random(&seed) % (sizeof letters - 1)];
            }
            cells[i] =
                (hf_value){ .data = unit_random(&seed) % 5 ? store[i] : NULL, .bytes = bytes };
        }
        hf_csv_add_cells(&text, cells, 3);
        hf_bytes_add_byte(&text, '\n');
    }
    hf_csv_in *in = open_text(text.data, text.used);
    hf_bytes again = { 0 };
    for (int row = 0; row < ROWS; row++) {
        assert_int_equal(hf_csv_in_next(in, &record, &failure), 1);
        hf_csv_add_cells(&again, record.cells, record.n_cells);
        hf_bytes_add_byte(&again, '\n');
        ends[row] = record.end;
        lines[row] = record.next_line;
    }
    assert_int_equal(again.used, text.used);
    assert_memory_equal(again.data, text.data, text.used);
    for (int row = 0; row + 1 < ROWS; row++) {
        assert_true(hf_csv_in_seek(in, ends[row], lines[row], &failure));
        assert_int_equal(hf_csv_in_next(in, &record, &failure), 1);
        assert_int_equal(record.end, ends[row + 1]);
        assert_int_equal(record.line, lines[row]);
    }
    hf_csv_in_close(in);
    hf_bytes_free(&text);
    hf_bytes_free(&again);
}

static void what_is_no_regular_file_is_refused(void **state) {
    (void)state;
    assert_null(hf_csv_in_open("/tmp", &failure));
    assert_int_equal(failure.status, 1);
    assert_null(hf_csv_in_open("/tmp/hf-test-there-is-none", &failure));
    assert_non_null(strstr(failure.text, "hf-test-there-is-none"));
}

static const char *cell(const char *text, bool alone) {
    static hf_bytes out;
    hf_bytes_reset(&out, 0);
    hf_csv_add_cell(&out, hf_text(text), alone);
    return hf_bytes_text(&out);
}

static void cells_are_quoted_as_copy_quotes_them(void **state) {
    (void)state;
    assert_string_equal(cell(NULL, false), "");
    assert_string_equal(cell("", false), "\"\"");
    assert_string_equal(cell("a b", false), "a b");
    assert_string_equal(cell("a,b", false), "\"a,b\"");
    assert_string_equal(cell("say \"hi\"", false), "\"say \"\"hi\"\"\"");
    assert_string_equal(cell("two\nlines", false), "\"two\nlines\"");
    assert_string_equal(cell("cr\r", false), "\"cr\r\"");
    assert_string_equal(cell("\\.", false), "\\.");
    assert_string_equal(cell("\\.", true), "\"\\.\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_is_null_and_quotes_make_the_empty_string),
        cmocka_unit_test(line_ends_are_lf_or_crlf_and_the_last_may_be_missing),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_first_name),
        cmocka_unit_test(blanks_belong_to_the_cell),
        cmocka_unit_test(a_record_has_the_line_it_starts_on),
        cmocka_unit_test(a_quote_in_the_wrong_place_is_an_error_with_its_line),
        cmocka_unit_test(a_bare_carriage_return_is_an_error_never_a_new_line),
        cmocka_unit_test(a_bare_carriage_return_before_a_record_is_an_error),
        cmocka_unit_test(a_nul_byte_is_kept_for_the_line_to_be_refused),
        cmocka_unit_test(a_blank_line_is_told_apart_from_an_empty_cell),
        cmocka_unit_test(chunks_end_anywhere),
        cmocka_unit_test(what_is_written_is_read_back_and_can_be_resumed_anywhere),
        cmocka_unit_test(what_is_no_regular_file_is_refused),
        cmocka_unit_test(cells_are_quoted_as_copy_quotes_them),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
