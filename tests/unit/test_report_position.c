/* The position never says more than is true: torn writes, kill -9, a power cut at any moment. */
#include "base/files.h"
#include "report/database.h"
#include "report/position.h"

#include "unit.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/hf-test-XXXXXX";
static char *path;
static hf_failure failure;

static const uint8_t boot_a[HF_BOOT_BYTES] = { 1, 2, 3 }, boot_b[HF_BOOT_BYTES] = { 9 };

static hf_position_record record_of(uint64_t line) {
    hf_position_record record = { .output_bytes = line * 10,
                                  .next_line = line,
                                  .lines_done = line };
    memset(&record.identity, 0x5a, sizeof record.identity);
    return record;
}

/* With a run and without one: the two are of two lengths. */
static void survives_its_bytes(bool run) {
    uint8_t bytes[HF_POSITION_RECORD], boot[HF_BOOT_BYTES];
    hf_position_record back, record;
    uint64_t sequence;
    memset(&record, 0, sizeof record); /* what lies between the fields is compared too */
    memset(&back, 0, sizeof back);
    memset(&record.identity, 7, sizeof record.identity);
    memset(record.columns, 8, sizeof record.columns);
    record.output_bytes = UINT64_MAX;
    record.rejects_bytes = 2;
    record.unknown_bytes = 3;
    record.input_offset = 1ull << 40;
    record.next_line = 5;
    record.lines_done = 6;
    record.lines_rejected = 7;
    record.lines_unknown = 8;
    record.runs = 9;
    record.elapsed_ms = 10;
    record.lines_idle = 11;
    record.finished_at = 12;
    record.database.system = UINT64_MAX;
    memset(record.database.name, 'n', sizeof record.database.name - 1);
    memset(record.database.user, 'u', sizeof record.database.user - 1);
    memset(record.database.place, 'p', sizeof record.database.place - 1);
    record.server = (hf_server){ .system = UINT64_MAX, .started = 13, .reset = 14 };
    record.server.timeline = UINT32_MAX;
    record.finished = 1;
    record.exit_status = 5;
    if (run) {
        record.run =
            (hf_run){ .chunks = 15, .seen = 16, .healed = 17, .uncounted = 18, .batch = 19 };
        memset(record.run.id, 'r', sizeof record.run.id);
        record.run.bytes = UINT64_MAX;
    }
    back.run.chunks = 1; /* it may have been another record's */
    hf_position_encode(&record, 77, boot_a, bytes);
    assert_true(hf_position_decode(bytes, &back, &sequence, boot));
    assert_memory_equal(&back, &record, sizeof back);
    assert_int_equal(sequence, 77);
    assert_memory_equal(boot, boot_a, sizeof boot);
    assert_int_equal(hf_run_keeps(&back.run), run);
}

static void a_record_survives_its_bytes(void **state) {
    (void)state;
    survives_its_bytes(false);
    survives_its_bytes(true);
}

/* As a program wrote it that knew of no later field. */
static void forget_from(uint8_t bytes[HF_POSITION_RECORD], size_t end) {
    enum { CRC_AT = 512 - 4 }; /* a record without a run ends there */
    uint64_t sequence;
    uint8_t boot[HF_BOOT_BYTES];
    hf_position_record back;
    memset(bytes + end, 0, CRC_AT - end);
    assert_false(hf_position_decode(bytes, &back, &sequence, boot));
    const uint32_t crc = hf_crc32(0, bytes, CRC_AT);
    for (int i = 0; i < 4; i++) {
        bytes[CRC_AT + i] = (uint8_t)(crc >> (8 * i));
    }
}

/* A record of the first version: the same bytes, and nothing behind the exit status. Shows found R1. */
static void a_record_from_before_databases_were_noted_is_read_without_one(void **state) {
    enum { OF_THE_FIRST_VERSION = 254 };
    uint8_t bytes[HF_POSITION_RECORD], boot[HF_BOOT_BYTES];
    hf_position_record back, record = record_of(3);
    uint64_t sequence;
    (void)state;
    record.lines_idle = record.finished_at = record.database.system = 1;
    strcpy(record.database.name, "shop");
    record.exit_status = 2;
    hf_position_encode(&record, 1, boot_a, bytes);
    forget_from(bytes, OF_THE_FIRST_VERSION);
    assert_true(hf_position_decode(bytes, &back, &sequence, boot));
    assert_int_equal(back.lines_done, 3);
    assert_int_equal(back.exit_status, 2);
    assert_int_equal(back.lines_idle + back.finished_at + back.database.system, 0);
    assert_string_equal(back.database.name, "");
}

/* The record has a database and no server, which then counts as a server that does not tell. */
static void a_record_from_before_servers_were_noted_is_read_without_one(void **state) {
    enum { OF_THE_SECOND_VERSION = 486 };
    uint8_t bytes[HF_POSITION_RECORD], boot[HF_BOOT_BYTES];
    hf_position_record back, record = record_of(3);
    uint64_t sequence;
    (void)state;
    strcpy(record.database.name, "shop");
    memset(record.database.place, 'p', sizeof record.database.place - 1);
    record.server = (hf_server){ .started = UINT64_MAX, .reset = UINT64_MAX, .timeline = 4 };
    hf_position_encode(&record, 1, boot_a, bytes);
    forget_from(bytes, OF_THE_SECOND_VERSION);
    assert_true(hf_position_decode(bytes, &back, &sequence, boot));
    assert_int_equal(back.lines_done, 3);
    assert_string_equal(back.database.name, "shop");
    assert_string_equal(back.database.place, record.database.place);
    assert_int_equal(back.server.timeline + back.server.started + back.server.reset, 0);
}

static void a_ticket_names_the_server_that_gave_it(void **state) {
    hf_server server;
    (void)state;
    assert_true(hf_server_read("7301/0000000A/1732915139.5/1732915100.000001", &server));
    assert_int_equal(server.system, 7301);
    assert_int_equal(server.timeline, 10);
    assert_int_equal(server.started, 1732915139500000);
    assert_int_equal(server.reset, 1732915100000001);
    assert_true(hf_server_read("/00000001/1732915139.1234567",
                               &server)); /* what it may not tell is not there */
    assert_int_equal(server.system + server.reset, 0);
    assert_int_equal(server.started, 1732915139123456);
    static const char *const none[] = { "",        "7301",      "7301/0000000A", "7301/0000000A/",
                                        "a/b/c/d", "7301 1/2/3" };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_false(hf_server_read(none[i], &server));
    }
}

/* Shows rule 35. */
static void a_server_is_another_by_the_first_of_its_parts_that_differs(void **state) {
    const hf_server was = { .system = 1, .timeline = 4, .started = 100, .reset = 90 };
    const struct {
        hf_server is;
        const char *how;
    } cases[] = {
        { was, "" },
        { { 2, 500, 500, 9 }, "another system" },
        { { 1, 500, 500, 5 }, "timeline 4 -> 5" },
        { { 1, 500, 500, 4 }, "it was started anew" },
        { { 1, 100, 91, 4 }, "it crashed, or its statistics were reset" },
        { { 0, 100, 90, 4 }, "" }, /* what one of them does not tell is no difference */
        { { 0, 500, 90, 4 }, "it was started anew" },
        { { 1, 100, 0, 4 }, "" },
        { { 0, 0, 0, 0 }, "" },
    };
    char how[HF_SERVER_HOW_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        how[0] = '\0';
        assert_int_equal(hf_server_changed(&was, &cases[i].is, how), cases[i].how[0] != '\0');
        assert_string_equal(how, cases[i].how);
    }
}

static void any_changed_bit_makes_it_no_record(void **state) {
    uint8_t bytes[HF_POSITION_RECORD], boot[HF_BOOT_BYTES];
    hf_position_record back, record = record_of(3);
    uint64_t sequence;
    (void)state;
    for (unsigned run = 0; run < 2; run++) {
        record.run.id[3] = (uint8_t)run;
        hf_position_encode(&record, 1, boot_a, bytes);
        for (size_t bit = 0; bit < (run ? sizeof bytes : 512) * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(hf_position_decode(bytes, &back, &sequence, boot));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void put(uint8_t *image, int slot, uint64_t sequence, const uint8_t *boot) {
    hf_position_record record = record_of(sequence);
    hf_position_encode(&record, sequence, boot, image + (size_t)slot * HF_POSITION_BLOCK);
}

static void a_volatile_record_counts_only_under_its_own_boot(void **state) {
    static const uint8_t no_boot[HF_BOOT_BYTES];
    static uint8_t image[HF_POSITION_BYTES];
    uint8_t turn[2];
    (void)state;
    assert_int_equal(hf_position_choose(image, boot_a, turn), -1);
    put(image, 0, 1, boot_a);
    put(image, 1, 4, boot_a);
    put(image, 2, 5, boot_a);
    put(image, 3, 6, boot_a);
    assert_int_equal(hf_position_choose(image, boot_a, turn), 3);
    assert_int_equal(turn[0], 0); /* the newest of each kind is never overwritten */
    assert_int_equal(turn[1], 0);
    assert_int_equal(hf_position_choose(image, boot_b, turn), 1);
    image[3 * HF_POSITION_BLOCK + 100] ^= 1; /* torn: the one before it */
    assert_int_equal(hf_position_choose(image, boot_a, turn), 2);
    put(image, 3, 6, no_boot); /* a machine that has no boot id believes none */
    assert_int_equal(hf_position_choose(image, no_boot, turn), 1);
}

/* A file image as the disk may have it after a power cut: of the writes since the last sync any subset.
 * Shows fault 44, rule 24.
 */
static void a_power_cut_leaves_the_last_commit_whatever_was_dropped(void **state) {
    static uint8_t synced[HF_POSITION_BYTES], kernel[HF_POSITION_BYTES], disk[HF_POSITION_BYTES];
    uint32_t seed = 3;
    uint64_t committed = 0;
    hf_position position;
    hf_position_record back;
    (void)state;
    assert_true(hf_position_create(&position, path, &failure));
    for (uint64_t line = 1; line < 400; line++) {
        bool durable = line == 1 || unit_random(&seed) % 5 == 0;
        hf_position_record record = record_of(line);
        assert_true(hf_position_write(&position, &record, durable, &failure));
        assert_int_equal(pread(position.fd, kernel, sizeof kernel, 0), sizeof kernel);
        int slot = hf_position_choose(kernel, position.boot, NULL); /* kill -9: nothing is lost */
        uint64_t sequence;
        uint8_t boot[HF_BOOT_BYTES];
        assert_true(slot >= 0);
        assert_true(hf_position_decode(kernel + slot * HF_POSITION_BLOCK, &back, &sequence, boot));
        assert_int_equal(back.next_line, line);
        if (durable) {
            memcpy(synced, kernel, sizeof synced);
            committed = line;
        }
        for (unsigned subset = 0; subset < 16; subset++) {
            memcpy(disk, synced, sizeof disk);
            for (unsigned i = 0; i < 4; i++) {
                if (subset & 1u << i) {
                    memcpy(disk + i * HF_POSITION_BLOCK, kernel + i * HF_POSITION_BLOCK,
                           HF_POSITION_BLOCK);
                }
            }
            slot = hf_position_choose(disk, boot_b, NULL);
            assert_true(slot >= 0);
            assert_true(
                hf_position_decode(disk + slot * HF_POSITION_BLOCK, &back, &sequence, boot));
            assert_int_equal(back.next_line, committed);
        }
    }
    hf_position_close(&position);
    unlink(path);
}

static void what_was_written_is_found_again_and_goes_on(void **state) {
    hf_position position;
    hf_position_record record = record_of(1), back;
    (void)state;
    assert_int_equal(hf_position_open(&position, path, &back, &failure), HF_POSITION_NONE);
    assert_true(hf_position_create(&position, path, &failure));
    assert_true(hf_position_write(&position, &record, true, &failure));
    for (uint64_t line = 2; line < 9; line++) {
        record = record_of(line);
        assert_true(hf_position_write(&position, &record, false, &failure));
        hf_position_close(&position);
        assert_int_equal(hf_position_open(&position, path, &back, &failure), HF_POSITION_VALID);
        assert_int_equal(back.next_line, line);
    }
    hf_position_distrust(&position); /* a sync failed */
    hf_position_close(&position);
    assert_int_equal(hf_position_open(&position, path, &back, &failure), HF_POSITION_VALID);
    assert_int_equal(back.next_line, 1);
    assert_true(hf_position_clear(&position, &failure));
    hf_position_close(&position);
    assert_int_equal(hf_position_open(&position, path, &back, &failure), HF_POSITION_NONE);
    assert_true(position.fd >= 0); /* there, and locked */
    hf_position_close(&position);
    unlink(path);
}

/* Two torn writes in a row must not cost both durable slots. */
static void a_write_that_fails_does_not_cost_the_last_good_record(void **state) {
    hf_position position;
    hf_position_record record = record_of(1), back;
    (void)state;
    assert_true(hf_position_create(&position, path, &failure));
    assert_true(hf_position_write(&position, &record, true, &failure));
    const int good = position.fd, bad = open(path, O_RDONLY);
    const uint8_t turn = position.turn[0];
    for (int i = 0; i < 3; i++) {
        position.fd = bad;
        assert_false(hf_position_write(&position, &record, true, &failure));
        assert_int_equal(failure.status, 4);
        assert_int_equal(position.turn[0], turn);
    }
    position.fd = good;
    record = record_of(2);
    assert_true(hf_position_write(&position, &record, true, &failure));
    assert_int_not_equal(position.turn[0], turn);
    close(bad);
    hf_position_close(&position);
    assert_int_equal(hf_position_open(&position, path, &back, &failure), HF_POSITION_VALID);
    assert_int_equal(back.next_line, 2);
    hf_position_close(&position);
    unlink(path);
}

/* Such records are about bytes that the resume cuts off; a later run, on a boot that it knows, would believe them. */
static void records_that_could_not_be_judged_go_before_a_resume(void **state) {
    hf_position position;
    hf_position_record record = record_of(1), back;
    (void)state;
    assert_true(hf_position_create(&position, path, &failure));
    assert_true(hf_position_write(&position, &record, true, &failure));
    record = record_of(2);
    assert_true(hf_position_write(&position, &record, false, &failure));
    assert_true(hf_position_resume(&position, &failure)); /* the boot is known: it stays */
    hf_position_close(&position);
    assert_int_equal(hf_position_open(&position, path, &back, &failure), HF_POSITION_VALID);
    assert_int_equal(back.next_line, 2);
    memset(position.boot, 0, sizeof position.boot);
    assert_true(hf_position_resume(&position, &failure));
    hf_position_close(&position);
    assert_int_equal(hf_position_open(&position, path, &back, &failure), HF_POSITION_VALID);
    assert_int_equal(back.next_line, 1);
    hf_position_close(&position);
    unlink(path);
}

/* Shows fault 45. */
static void a_second_run_finds_it_locked(void **state) {
    hf_position position, other;
    hf_position_record back;
    (void)state;
    assert_true(hf_position_create(&position, path, &failure));
    assert_int_equal(hf_position_open(&other, path, &back, &failure), HF_POSITION_LOCKED);
    assert_false(hf_position_create(&other, path, &failure));
    assert_int_equal(failure.status, 1);
    hf_position_close(&position);
    assert_int_equal(hf_position_open(&other, path, &back, &failure), HF_POSITION_NONE);
    hf_position_close(&other);
    unlink(path);
}

static void rubbish_is_no_position(void **state) {
    hf_position position;
    hf_position_record back;
    (void)state;
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "somebody's work\n", 16), 16);
    close(fd);
    assert_int_equal(hf_position_open(&position, path, &back, &failure), HF_POSITION_BROKEN);
    hf_position_close(&position);
    assert_int_equal(hf_position_read(path, &back, &failure), HF_POSITION_BROKEN);
    unlink(path);
}

static void the_crc_is_the_one_of_zlib(void **state) {
    (void)state;
    assert_int_equal(hf_crc32(0, "123456789", 9), 0xcbf43926u);
    assert_int_equal(hf_crc32(hf_crc32(0, "1234", 4), "56789", 5), 0xcbf43926u);
}

static int make_folder(void **state) {
    (void)state;
    assert_non_null(mkdtemp(folder));
    path = hf_path_beside(folder, "/report.csv.position");
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    free(path);
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_survives_its_bytes),
        cmocka_unit_test(a_record_from_before_databases_were_noted_is_read_without_one),
        cmocka_unit_test(a_record_from_before_servers_were_noted_is_read_without_one),
        cmocka_unit_test(a_ticket_names_the_server_that_gave_it),
        cmocka_unit_test(a_server_is_another_by_the_first_of_its_parts_that_differs),
        cmocka_unit_test(any_changed_bit_makes_it_no_record),
        cmocka_unit_test(a_volatile_record_counts_only_under_its_own_boot),
        cmocka_unit_test(a_power_cut_leaves_the_last_commit_whatever_was_dropped),
        cmocka_unit_test(what_was_written_is_found_again_and_goes_on),
        cmocka_unit_test(a_write_that_fails_does_not_cost_the_last_good_record),
        cmocka_unit_test(records_that_could_not_be_judged_go_before_a_resume),
        cmocka_unit_test(a_second_run_finds_it_locked),
        cmocka_unit_test(rubbish_is_no_position),
        cmocka_unit_test(the_crc_is_the_one_of_zlib),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
