#include "unit.h"

#include "pg_peer.h"

/* Sessions with a real PostgreSQL, recorded by tests/fixtures/pg/record.py. The driver must send the bytes that were
 * sent then, and make the same of the answers however they are cut. */

enum { MESSAGE_BYTES = 32768 };

static pg_peer peer;

/* Reads a line's bytes; returns how many. */
static size_t unescape(const char *line, uint8_t *out) {
    size_t n = 0;
    for (; *line && *line != '\n'; n++) {
        unsigned byte;
        assert_true(n < MESSAGE_BYTES);
        if (*line != '\\') {
            out[n] = (uint8_t)*line++;
        } else if (line[1] == '\\') {
            out[n] = '\\';
            line += 2;
        } else {
            assert_int_equal(sscanf(line, "\\x%2x", &byte), 1);
            out[n] = (uint8_t)byte;
            line += 4;
        }
    }
    return n;
}

/* The client's turn: sends until tx begins with what the record has. */
static void expect_sent(const uint8_t *bytes, size_t size, hf_request ***requests) {
    hf_buffer *tx = &peer.io.tx;
    if (bytes[0] == 0)
        assert_int_equal(hf_driver_pg.start(&peer.session, &peer.io), HF_OK);
    if (bytes[0] == 'X')
        hf_driver_pg.bye(&peer.session, &peer.io);
    if (bytes[0] == 'S' && tx->start == tx->end)
        assert_int_equal(hf_driver_pg.probe(&peer.session, &peer.io), 1);
    while (tx->end - tx->start < size && **requests) {
        assert_int_equal(pg_peer_submit(&peer, **requests), 1);
        ++*requests;
    }
    assert_true(tx->end - tx->start >= size);
    assert_memory_equal(tx->data + tx->start, bytes, size);
    tx->start += (uint32_t)size;
}

/* Plays a record, the server's bytes `step` at a time, and returns the events. */
static const char *play(const char *name, hf_request **requests, uint32_t step) {
    static char line[4 * MESSAGE_BYTES];
    static uint8_t message[MESSAGE_BYTES], received[4 * MESSAGE_BYTES];
    size_t n_received = 0;
    char path[200];
    snprintf(path, sizeof path, "tests/fixtures/pg/%s.txt", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    peer.step = step;
    while (fgets(line, sizeof line, file)) {
        size_t size = line[0] == '#' ? 0 : unescape(line + 2, message);
        if (line[0] == 'S') {
            memcpy(received + n_received, message, size);
            n_received += size;
        } else if (line[0] == 'C') {
            pg_peer_feed(&peer, received,
                         n_received); /* what the server said in between, in one piece */
            n_received = 0;
            expect_sent(message, size, &requests);
        }
    }
    pg_peer_feed(&peer, received, n_received);
    fclose(file);
    assert_null(*requests);
    assert_int_equal(peer.io.tx.start, peer.io.tx.end);
    return peer.events;
}

static const char *const user_of[][2] = { { "scram", "scram" },
                                          { "wrong_password", "scram" },
                                          { "md5", "hashed" },
                                          { "password", "clear" },
                                          { "no_database", "app" } };

static void prepare(const char *name) {
    pg_peer_init(&peer);
    peer.config.user = "app";
    peer.config.database = strcmp(name, "no_database") == 0 ? "nowhere" : "postgres";
    peer.config.require_auth = HF_AUTH_NONE | HF_AUTH_MD5 | HF_AUTH_PASSWORD | HF_AUTH_SCRAM;
    peer.config.password = strcmp(name, "wrong_password") == 0 ? "wrong" : "correct horse";
    peer.io.encrypted = strcmp(name, "password") == 0; /* in the clear it would not be sent */
    for (size_t i = 0; i < COUNT(user_of); i++)
        if (strcmp(name, user_of[i][0]) == 0)
            peer.config.user = user_of[i][1];
}

/* However the bytes are cut, the events are these. */
static void check(const char *name, hf_request **requests, const char *events) {
    static const uint32_t steps[] = { 0, 1, 2, 3, 7, 100 };
    for (size_t i = 0; i < COUNT(steps); i++) {
        prepare(name);
        assert_string_equal(play(name, requests, steps[i]), events);
    }
}

#define REQUESTS(...) ((hf_request *[]){ __VA_ARGS__, NULL })
#define NO_REQUESTS   ((hf_request *[]){ NULL })

static void scram_login_then_a_statement_twice_and_a_probe(void **state) {
    hf_value two = hf_text("2"), three = hf_text("3");
    hf_request first = { .sql = "SELECT id, name, price FROM item WHERE id = $1",
                         .params = &two,
                         .n_params = 1,
                         .prepare = true,
                         .on_columns = pg_peer_columns };
    hf_request again = first;
    (void)state;
    again.params = &three;
    check("scram", REQUESTS(&first, &again),
          "SLICE\nSLICE\nSLICE\nSLICE\nUP\n"
          "COLUMNS $1 id:23 name:25 price:1700\nROW '2' 'item 2' '2.50'\nDONE 1\nREADY\n"
          "COLUMNS id:23 name:25 price:1700\nROW '3' NULL '3.75'\nDONE 1\nREADY\n"
          "PROBED\n");
    assert_true(peer.keys.used);
    /* The keys are good for the next login: no PBKDF2 any more. */
    hf_keys keys = peer.keys;
    prepare("scram");
    peer.keys = keys;
    assert_memory_equal(play("scram", REQUESTS(&first, &again), 0), "UP\n", 3);
}

static void md5_and_cleartext_logins(void **state) {
    (void)state;
    check("md5", NO_REQUESTS, "UP\n");
    check("password", NO_REQUESTS, "UP\n");
}

static void refused_logins_end_with_the_servers_reason(void **state) {
    (void)state;
    check(
        "wrong_password", NO_REQUESTS,
        "SLICE\nSLICE\nSLICE\nSLICE\nFATAL the server refused: FATAL 28P01 password authentication failed for user "
        "\"scram\" (in login)\n");
    assert_false(peer.keys.used);
    check("no_database", NO_REQUESTS,
          "FATAL the server refused: FATAL 3D000 database \"nowhere\" does not exist (in login)\n");
}

static void all_kinds_of_answers_to_single_statements(void **state) {
    hf_value two[2] = { hf_text("41"), hf_text("\xc5\xbelu\xc5\xa5ou\xc4\x8dk\xc3\xbd") };
    hf_request r[] = { { .sql = "SELECT $1::int + 1 AS n, $2::text, NULL AS nothing",
                         .params = two,
                         .n_params = 2 },
                       { .sql = "SELECT 1 / (3 - i) FROM generate_series(1, 5) i" },
                       { .sql = "SELEC 1" },
                       { .sql = "UPDATE item SET name = 'x' WHERE id > 100" },
                       { .sql = "" },
                       { .sql = "DO $$ BEGIN RAISE WARNING 'mind the gap'; END $$" },
                       { .sql = "INSERT INTO item VALUES (1)" },
                       { .sql = "SELECT a, $1::int FROM late WHERE a = $2", .prepare_only = true },
                       { .sql = "SELECT repeat('x', 20000), 1 UNION ALL SELECT 'y', 2" },
                       { .sql = "SET application_name = 'other'" } };
    hf_request *all[COUNT(r) + 1] = { NULL };
    (void)state;
    for (size_t i = 0; i < COUNT(r); i++) {
        r[i].on_columns = pg_peer_columns;
        all[i] = &r[i];
    }
    check(
        "statements", all,
        "UP\n"
        "COLUMNS n:23 text:25 nothing:25\nROW '42' '\xc5\xbelu\xc5\xa5ou\xc4\x8dk\xc3\xbd' NULL\nDONE 1\nREADY\n"
        "COLUMNS ?column?:23\nROW '0'\nROW '1'\nERROR the server refused: 22012 division by zero (in query)\nREADY\n"
        "ERROR the server refused: 42601 syntax error at or near \"SELEC\" (in query, at character 1)\nREADY\n"
        "COLUMNS\nDONE 0\nREADY\n"
        "COLUMNS\nDONE 0\nREADY\n"
        "COLUMNS\nNOTICE the server says: WARNING 01000 mind the gap (in query)\nDONE 0\nREADY\n"
        "COLUMNS\nERROR the server refused: 23505 duplicate key value violates unique constraint \"item_pkey\" "
        "(in query)\nREADY\n"
        "COLUMNS $2 a:23 int4:23\nREADY\n"
        "COLUMNS repeat:25 ?column?:23\nSKIPPED larger than the buffer that was given in query: a row of 20011 bytes; "
        "the receive buffer (rx_bytes) has 16384\nROW 'y' '2'\nDONE 2\nREADY\n"
        "COLUMNS\nDONE 0\nREADY\n");
}

static void batches_and_open_transactions(void **state) {
    static const char add[] = "INSERT INTO late VALUES ($1)", count[] = "SELECT count(*) FROM late";
    hf_value one = hf_text("1"), two = hf_text("2"), three = hf_text("3"), four = hf_text("4");
    hf_statement good[] = { { .sql = add, .params = &one, .n_params = 1 },
                            { .sql = add, .params = &two, .n_params = 1 },
                            { .sql = count } };
    hf_statement late[] = { { .sql = add, .params = &two, .n_params = 1 }, { .sql = count } };
    hf_statement bad[] = { { .sql = add, .params = &three, .n_params = 1 },
                           { .sql = "SELECT 1 / 0" },
                           { .sql = add, .params = &four, .n_params = 1 } };
    hf_request begin = { .sql = "BEGIN" };
    hf_request batch = { .batch = good, .n_batch = 3, .prepare = true };
    hf_request single = { .sql = add, .params = &one, .n_params = 1, .prepare = true };
    hf_request fails_at_commit = { .batch = late, .n_batch = 2, .prepare = true };
    hf_request fails = { .batch = bad, .n_batch = 3, .prepare = true };
    hf_request last = { .sql = count, .prepare = true };
    (void)state;
    check(
        "transactions", REQUESTS(&begin, &batch, &single, &fails_at_commit, &fails, &last),
        "UP\nPROBED\n"
        "DONE 0\nREADY open transaction\n"
        "DONE 1\nDONE 1\nROW[2] '2'\nDONE 1\nREADY\n"
        "DONE 1\nERROR the server refused: 23505 duplicate key value violates unique constraint \"late_a_key\" "
        "(in query)\nREADY\n"
        "DONE 1\nROW[1] '3'\nDONE 1\nERROR the server refused: 23505 duplicate key value violates unique constraint "
        "\"late_a_key\" (in query)\nREADY\n"
        "DONE 1\nERROR the server refused: 22012 division by zero (in query)\nREADY\n"
        "ROW '2'\nDONE 1\nREADY\n");
    assert_int_equal(fails.statement, 1);
    assert_int_equal(fails_at_commit.statement, 2); /* past its last: at COMMIT */
}

static void pipelined_statements_share_one_preparation(void **state) {
    hf_value values[] = { hf_text("1"), hf_text("3"), hf_text("2") };
    hf_request r[3];
    (void)state;
    for (size_t i = 0; i < 3; i++)
        r[i] = (hf_request){
            .sql = "SELECT 10 / (3 - $1::int)", .params = &values[i], .n_params = 1, .prepare = true
        };
    check("pipelined", REQUESTS(&r[0], &r[1], &r[2]),
          "UP\nROW '5'\nDONE 1\nREADY\n"
          "ERROR the server refused: 22012 division by zero (in query)\nREADY\n"
          "ROW '10'\nDONE 1\nREADY\n");
}

static void notifications(void **state) {
    hf_request listen = { .sql = "LISTEN news" };
    hf_request notify = { .sql = "SELECT pg_notify('news', 'it''s here')" };
    (void)state;
    check("notified", REQUESTS(&listen, &notify),
          "UP\nDONE 0\nREADY\nROW ''\nDONE 1\nNOTIFY news 'it's here'\nREADY\n");
}

static void terminated_while_running_and_while_idle(void **state) {
    hf_request request = { .sql = "SELECT pg_terminate_backend(pg_backend_pid())" };
    (void)state;
    check(
        "terminated", REQUESTS(&request),
        "UP\nROW 't'\nFATAL the server refused: FATAL 57P01 terminating connection due to administrator command "
        "(in query)\n");
    check(
        "terminated_idle", NO_REQUESTS,
        "UP\nFATAL the server refused: FATAL 57P01 terminating connection due to administrator command\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scram_login_then_a_statement_twice_and_a_probe),
        cmocka_unit_test(md5_and_cleartext_logins),
        cmocka_unit_test(refused_logins_end_with_the_servers_reason),
        cmocka_unit_test(all_kinds_of_answers_to_single_statements),
        cmocka_unit_test(batches_and_open_transactions),
        cmocka_unit_test(pipelined_statements_share_one_preparation),
        cmocka_unit_test(notifications),
        cmocka_unit_test(terminated_while_running_and_while_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
