/* What a run finds beside its output, and that every way to be cut short leads to the same finished report. */
#include "base/files.h"
#include "report/outputs.h"

#include "unit.h"

#include <sys/syscall.h>
#include <unistd.h>

/* Stands in front of the C library: which descriptors were synced, in what order. */
static struct {
    int fds[32];
    unsigned n;
} synced;
int hf_test_libc_fdatasync(int fd) __asm__("fdatasync");

int hf_test_libc_fdatasync(int fd) {
    if (synced.n < COUNT(synced.fds)) {
        synced.fds[synced.n++] = fd;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static char folder[] = "/tmp/hf-test-XXXXXX";
static char *output;
static hf_failure failure;
static hf_identity identity, other;

static char *beside(const char *ending) {
    static char path[200];
    snprintf(path, sizeof path, "%s%s", output, ending);
    return path;
}

static void write_file(const char *ending, const char *text) {
    FILE *file = fopen(beside(ending), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_file(const char *ending, const char *text) {
    hf_bytes read = { 0 };
    assert_true(hf_file_read(beside(ending), 10000, &read, &failure));
    assert_string_equal(hf_bytes_text(&read), text);
    hf_bytes_free(&read);
}

static const char *const endings[] = { "",         ".part",        ".position",
                                       ".done",    ".rejects.csv", ".unknown.csv",
                                       ".intents", ".intents.new", ".shard" };

static void clear(void) {
    for (size_t i = 0; i < COUNT(endings); i++) {
        unlink(beside(endings[i]));
    }
}

static hf_outputs outputs;
static hf_position_record record;

static hf_outputs_found find(const hf_identity *job, bool restart, bool writes) {
    failure = (hf_failure){ 0 };
    record = (hf_position_record){ 0 };
    const hf_outputs_wish wish = {
        .output = output, .identity = job, .restart = restart, .writes = writes
    };
    return hf_outputs_find(&outputs, &wish, &record, &failure);
}

static void close_all(void) {
    hf_outputs_close(&outputs);
}

/* The answer and the exit status, then everything is closed. */
static void expect_find(const hf_identity *job, bool restart, bool writes, hf_outputs_found found,
                        int status) {
    assert_int_equal(find(job, restart, writes), found);
    assert_int_equal(failure.status, status);
    close_all();
}

static void begin(void) {
    hf_bytes header = { 0 };
    hf_bytes_add_text(&header, "a,b\n");
    record = (hf_position_record){ .identity = identity, .next_line = 2 };
    assert_true(hf_outputs_begin(&outputs, &header, &record, &failure));
    hf_bytes_free(&header);
}

static void append(hf_outfile *file, const char *text) {
    hf_bytes_add_text(hf_outfile_buffer(file), text);
    assert_true(hf_outfile_added(file));
}

static void count_lines(void) {
    record.output_bytes = hf_outfile_length(&outputs.out);
    record.rejects_bytes = hf_outfile_length(&outputs.rejects);
    record.unknown_bytes = hf_outfile_length(&outputs.unknown);
}

static void reject(const char *text) {
    hf_bytes header = { 0 };
    hf_bytes_add_text(&header, "line\n");
    assert_true(hf_outputs_need(&outputs, &outputs.rejects, &header, &failure));
    append(&outputs.rejects, text);
    hf_bytes_free(&header);
}

static void begin_afresh(bool writes) {
    clear();
    assert_int_equal(find(&identity, false, writes), HF_OUTPUTS_FRESH);
    begin();
}

/* Lines of the report, which the position is to speak of. */
static void add_lines(const char *text) {
    append(&outputs.out, text);
    count_lines();
}

static void finish(int status) {
    assert_true(hf_outputs_finish(&outputs, &record, status, &failure));
    close_all();
}

/* A finished report of two lines and a reject, status 2. */
static void finish_one(void) {
    begin_afresh(false);
    append(&outputs.out, "1,x\n2,y\n");
    reject("3\n");
    count_lines();
    finish(2);
}

/* Shows rule 23. */
static void a_finished_report_is_known_and_left_alone(void **state) {
    (void)state;
    finish_one();
    expect_file("", "a,b\n1,x\n2,y\n");
    expect_file(".rejects.csv", "line\n3\n");
    assert_false(hf_file_exists(beside(".part")) || hf_file_exists(beside(".position")));
    assert_int_equal(find(&identity, false, false), HF_OUTPUTS_FINISHED);
    assert_int_equal(record.exit_status, 2);
    close_all();
    expect_find(&other, false, false, HF_OUTPUTS_FAILED, 3);
    expect_find(&identity, true, false, HF_OUTPUTS_FRESH, 0);
    expect_file("", "a,b\n1,x\n2,y\n");
}

static void a_report_that_was_changed_since_is_not_ours(void **state) {
    (void)state;
    finish_one();
    write_file("", "a,b\n1,x\n");
    expect_find(&identity, false, false, HF_OUTPUTS_FAILED, 1);
    expect_find(&identity, true, false, HF_OUTPUTS_FAILED, 1);
    expect_file("", "a,b\n1,x\n");
}

static void a_report_that_was_removed_is_made_again_but_writes_are_not(void **state) {
    (void)state;
    finish_one();
    unlink(output);
    expect_find(&identity, false, true, HF_OUTPUTS_FAILED, 1);
    expect_find(&identity, true, true, HF_OUTPUTS_FRESH, 0);
    expect_find(&identity, false, false, HF_OUTPUTS_FRESH, 0);
}

/* Shows rule 23. */
static void what_is_not_ours_is_never_touched(void **state) {
    static const char *const strangers[] = { "",        ".part",        ".position",
                                             ".done",   ".rejects.csv", ".unknown.csv",
                                             ".intents" };
    (void)state;
    for (size_t i = 0; i < COUNT(strangers); i++) {
        bool position = strcmp(strangers[i], ".position") == 0;
        bool forgotten = i == 1 || i >= 4 || position; /* --restart may replace it */
        clear();
        write_file(strangers[i], "somebody's work\n");
        expect_find(&identity, false, false, HF_OUTPUTS_FAILED, position ? 3 : 1);
        expect_find(&identity, true, false, forgotten ? HF_OUTPUTS_FRESH : HF_OUTPUTS_FAILED,
                    forgotten ? 0 : 1);
        expect_file(strangers[i], "somebody's work\n");
    }
}

/* Shows fault 44, rule 24. */
static void a_resumed_run_cuts_back_to_what_is_known(void **state) {
    hf_position_record known;
    (void)state;
    begin_afresh(false);
    append(&outputs.out, "1,x\n");
    reject("2\n");
    count_lines();
    assert_true(hf_outputs_note(&outputs, &record, &failure));
    known = record;
    append(&outputs.out, "3,half of a li");
    append(&outputs.rejects, "4\n");
    assert_true(hf_outfile_flush(&outputs.out) && hf_outfile_flush(&outputs.rejects));
    close_all(); /* kill -9 */
    expect_find(&other, false, false, HF_OUTPUTS_FAILED, 3);
    assert_int_equal(find(&identity, false, false), HF_OUTPUTS_RESUME);
    assert_memory_equal(&record, &known, offsetof(hf_position_record, exit_status) + 1);
    assert_true(hf_outputs_resume(&outputs, &record, &failure));
    expect_file(".part", "a,b\n1,x\n");
    expect_file(".rejects.csv", "line\n2\n");
    add_lines("3,z\n");
    finish(2);
    expect_file("", "a,b\n1,x\n3,z\n");
}

/* Shows fault 44. */
/* Shows rule 24. */
static void a_commit_syncs_the_files_and_then_the_position_that_speaks_of_them(void **state) {
    (void)state;
    begin_afresh(false);
    for (int round = 0; round < 2; round++) {
        append(&outputs.out, "1,x\n");
        reject("2\n");
        count_lines();
        synced.n = 0;
        assert_true(hf_outputs_commit(&outputs, &record, &failure));
        assert_int_equal(synced.n, 3);
        assert_int_equal(synced.fds[0], outputs.out.fd);
        assert_int_equal(synced.fds[1], outputs.rejects.fd);
        assert_int_equal(synced.fds[2], outputs.position.fd);
    }
    close_all();
}

static void a_part_that_lost_bytes_is_refused(void **state) {
    (void)state;
    begin_afresh(false);
    add_lines("1,x\n");
    assert_true(hf_outputs_commit(&outputs, &record, &failure));
    close_all();
    assert_int_equal(truncate(beside(".part"), 5), 0);
    assert_int_equal(find(&identity, false, false), HF_OUTPUTS_RESUME);
    assert_false(hf_outputs_resume(&outputs, &record, &failure));
    assert_int_equal(failure.status, 3);
    assert_non_null(strstr(failure.text, "--restart"));
    close_all();
}

/* The finish is a commit, two renames and a removal: after a cut behind each of them the next run ends it. Shows
 * rule 23. */
static void a_finish_that_is_cut_short_is_carried_out(void **state) {
    (void)state;
    for (int cut = 0; cut < 4; cut++) {
        clear();
        assert_int_equal(find(&identity, false, true), HF_OUTPUTS_FRESH);
        begin();
        append(&outputs.out, "1,x\n");
        write_file(".intents", "");
        count_lines();
        record.finished = 1;
        record.exit_status = 5;
        assert_true(hf_outputs_commit(&outputs, &record, &failure));
        if (cut >= 1) {
            char *part = hf_path_beside(output, ".part");
            assert_int_equal(rename(part, output), 0);
            free(part);
        }
        if (cut >= 2) {
            assert_int_equal(unlink(beside(".intents")), 0);
        }
        close_all();
        if (cut >= 3) {
            char *position = hf_path_beside(output, ".position");
            assert_int_equal(rename(position, beside(".done")), 0);
            free(position);
        }
        assert_int_equal(find(&identity, false, true), HF_OUTPUTS_FINISHED);
        assert_int_equal(record.exit_status, 5);
        close_all();
        expect_file("", "a,b\n1,x\n");
        for (size_t i = 0; i < COUNT(endings); i++) {
            bool stays = i == 0 || strcmp(endings[i], ".done") == 0;
            assert_int_equal(hf_file_exists(beside(endings[i])), stays);
        }
    }
}

/* All done and committed, the last steps not taken. */
static void finish_all_but_the_name(void) {
    begin_afresh(false);
    add_lines("1,x\n");
    record.finished = 1;
    assert_true(hf_outputs_commit(&outputs, &record, &failure));
    close_all();
}

static void a_finish_is_not_carried_out_without_the_report(void **state) {
    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        finish_all_but_the_name();
        if (gone) {
            assert_int_equal(unlink(beside(".part")), 0);
        } else {
            write_file(".part", "a,b\n");
        }
        expect_find(&identity, false, false, HF_OUTPUTS_FAILED, 3);
        assert_non_null(strstr(failure.text, "--restart"));
        assert_false(hf_file_exists(beside(".done")));
        expect_find(&identity, true, false, HF_OUTPUTS_FRESH, 0);
    }
}

static void a_restart_of_a_finish_that_was_cut_short_replaces_its_report(void **state) {
    (void)state;
    finish_all_but_the_name();
    char *part = hf_path_beside(output, ".part");
    assert_int_equal(rename(part, output), 0);
    free(part);
    assert_int_equal(find(&identity, true, false), HF_OUTPUTS_FRESH);
    begin();
    add_lines("9,new\n");
    expect_file("", "a,b\n1,x\n");
    finish(0);
    expect_file("", "a,b\n9,new\n");
    expect_find(&identity, false, false, HF_OUTPUTS_FINISHED, 0);
}

static void an_interrupted_compaction_leaves_no_file_behind(void **state) {
    (void)state;
    begin_afresh(true);
    write_file(".intents", "");
    write_file(".intents.new", "half of it");
    add_lines("1,x\n");
    finish(0);
    assert_false(hf_file_exists(beside(".intents")) || hf_file_exists(beside(".intents.new")));
}

static void a_strangers_file_that_appears_meanwhile_is_not_overwritten(void **state) {
    (void)state;
    begin_afresh(false);
    add_lines("1,x\n");
    write_file("", "somebody's work\n");
    assert_false(hf_outputs_finish(&outputs, &record, 0, &failure));
    assert_int_equal(failure.status, 1);
    close_all();
    expect_file("", "somebody's work\n");
    expect_find(&identity, false, false, HF_OUTPUTS_FAILED, 1);
    unlink(output);
    expect_find(&identity, false, false, HF_OUTPUTS_FINISHED, 0);
    expect_file("", "a,b\n1,x\n");
}

static void a_restart_replaces_a_finished_report_and_its_rejects(void **state) {
    (void)state;
    finish_one();
    assert_int_equal(find(&identity, true, false), HF_OUTPUTS_FRESH);
    begin();
    add_lines("9,new\n");
    finish(0);
    expect_file("", "a,b\n9,new\n");
    assert_false(hf_file_exists(beside(".rejects.csv")));
    expect_find(&identity, false, false, HF_OUTPUTS_FINISHED, 0);
}

static void a_restart_keeps_the_old_report_until_the_new_one_is_complete(void **state) {
    (void)state;
    finish_one();
    assert_int_equal(find(&other, true, false), HF_OUTPUTS_FRESH);
    begin();
    record.identity = other;
    add_lines("9,new\n");
    assert_true(hf_outputs_commit(&outputs, &record, &failure));
    close_all();
    expect_file("", "a,b\n1,x\n2,y\n");
    assert_int_equal(find(&other, false, false), HF_OUTPUTS_RESUME);
    assert_true(hf_outputs_resume(&outputs, &record, &failure));
    finish(0);
    expect_file("", "a,b\n9,new\n");
    expect_find(&other, false, false, HF_OUTPUTS_FINISHED, 0);
}

/* Shows fault 49. */
static void after_a_failed_write_the_files_go_back_to_the_position(void **state) {
    (void)state;
    begin_afresh(false);
    add_lines("1,x\n");
    assert_true(hf_outputs_note(&outputs, &record, &failure));
    add_lines("2,y\n");
    outputs.out.error = 28; /* ENOSPC, as a full disk leaves it */
    assert_false(hf_outputs_note(&outputs, &record, &failure));
    assert_int_equal(failure.status, 4);
    assert_true(hf_outputs_retreat(&outputs, &record));
    assert_true(hf_outputs_commit(&outputs, &record, &failure));
    close_all();
    assert_int_equal(find(&identity, false, false), HF_OUTPUTS_RESUME);
    assert_int_equal(record.output_bytes, 8);
    close_all();
    expect_file(".part", "a,b\n1,x\n");
}

static int make_folder(void **state) {
    (void)state;
    memset(&identity, 1, sizeof identity);
    memset(&other, 2, sizeof other);
    assert_non_null(mkdtemp(folder));
    output = hf_path_beside(folder, "/report.csv");
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    clear();
    free(output);
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_report_is_known_and_left_alone),
        cmocka_unit_test(a_report_that_was_changed_since_is_not_ours),
        cmocka_unit_test(a_report_that_was_removed_is_made_again_but_writes_are_not),
        cmocka_unit_test(what_is_not_ours_is_never_touched),
        cmocka_unit_test(a_resumed_run_cuts_back_to_what_is_known),
        cmocka_unit_test(a_commit_syncs_the_files_and_then_the_position_that_speaks_of_them),
        cmocka_unit_test(a_part_that_lost_bytes_is_refused),
        cmocka_unit_test(a_finish_that_is_cut_short_is_carried_out),
        cmocka_unit_test(a_finish_is_not_carried_out_without_the_report),
        cmocka_unit_test(a_restart_of_a_finish_that_was_cut_short_replaces_its_report),
        cmocka_unit_test(an_interrupted_compaction_leaves_no_file_behind),
        cmocka_unit_test(a_strangers_file_that_appears_meanwhile_is_not_overwritten),
        cmocka_unit_test(a_restart_replaces_a_finished_report_and_its_rejects),
        cmocka_unit_test(a_restart_keeps_the_old_report_until_the_new_one_is_complete),
        cmocka_unit_test(after_a_failed_write_the_files_go_back_to_the_position),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
