#include "unit.h"

#include "pg_peer.h"

/* Statements: what goes out for them, in which order, and what is remembered from one to the next. */

static pg_peer peer;

static void submit(hf_request *request) {
    assert_int_equal(pg_peer_submit(&peer, request), 1);
}

static const char *sent(void) {
    return pg_peer_sent(&peer);
}

/* The answer, one row, to what went out as these messages. */
static void answer(const char *types) {
    if (!strchr(types, 'P'))
        pg_peer_answer_again(&peer, "x");
    else if (strchr(types, 'D'))
        pg_peer_answer_first(&peer, "n", "x");
    else
        pg_peer_answer_afresh(&peer, NULL, "x");
}

/* Runs a statement that is to be kept and gives one row, prepared before or not. */
static void run(const char *sql, const char *messages) {
    hf_request request = { .sql = sql, .prepare = true };
    submit(&request);
    const char *types = sent();
    assert_string_equal(types, messages);
    for (const char *type = types; *type == 'C'; type++)
        PG_SAY(&peer, '3', "");
    answer(types);
    PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\n");
}

/* --- prepared statements ----------------------------------------------------------------------------- */

static void a_statement_is_prepared_once_and_then_only_bound(void **state) {
    (void)state;
    pg_peer_up(&peer);
    run("SELECT 1", "PDBES");
    run("SELECT 1", "BES");
    run("SELECT 2", "PDBES");
    run("SELECT 1", "BES");
    run("SELECT 1 ", "PDBES"); /* another text is another statement */
}

static void the_ninth_statement_closes_the_least_recently_used(void **state) {
    char sql[16];
    (void)state;
    pg_peer_up(&peer);
    for (int i = 0; i < 8; i++) {
        snprintf(sql, sizeof sql, "SELECT %d", i);
        run(sql, "PDBES");
    }
    run("SELECT 0", "BES"); /* used: now 1 is the oldest */
    run("SELECT 8", "PDBES");
    hf_request again = { .sql = "SELECT 8", .prepare = true };
    submit(&again);
    assert_true(pg_peer_sends(
        &peer, "Shf_aaaaaaaa_2")); /* what was number 2 is closed, in the next flight */
    assert_string_equal(sent(), "CBES");
    PG_SAY(&peer, '3', "");
    pg_peer_answer_again(&peer, "x");
    pg_peer_forget_events(&peer);
    run("SELECT 0", "BES");
    run("SELECT 1", "PDBES"); /* evicts 2 */
    run("SELECT 7", "CBES");
}

/* Eight of them, before a request that fits with them, or only without, or not at all. */
static void closes_stay_within_the_transmit_buffer(void **state) {
    static char large[HF_STATEMENT_BYTES - 8];
    bool closed = false, put_off = false;
    char sql[16];
    (void)state;
    memset(large, ' ', sizeof large - 1);
    memcpy(large, "SELECT 9", 8);
    for (uint32_t size = 16; size < 600; size++) {
        pg_peer_up(&peer);
        peer.io.tx.size = 8192;
        for (int i = 0; i < 8; i++) {
            snprintf(sql, sizeof sql, "SELECT %d", i);
            run(sql, "PDBES");
        }
        run(large, "PDBES"); /* takes the room of all others */
        peer.io.tx.size = size;
        memset(peer.tx + size, 0x5a, 600);
        hf_request again = { .sql = large, .prepare = true };
        if (pg_peer_submit(&peer, &again) == 1) {
            const char *types = sent();
            closed = closed || strcmp(types, "CCCCCCCCBES") == 0;
            put_off = put_off || strcmp(types, "BES") == 0;
        }
        for (size_t i = 0; i < 600; i++)
            assert_int_equal(peer.tx[size + i], 0x5a);
    }
    assert_true(closed && put_off);
}

static void many_texts_go_through_the_cache_and_nothing_leaks_on_the_server(void **state) {
    char sql[24];
    unsigned parses = 0, closes = 0;
    (void)state;
    pg_peer_up(&peer);
    for (int i = 0; i < 5000; i++) {
        hf_request request = { .sql = sql, .prepare = true };
        snprintf(sql, sizeof sql, "SELECT %d", i * 7 % 1000);
        submit(&request);
        const char *types = sent();
        bool prepared = strchr(types, 'P');
        parses += prepared;
        for (; *types == 'C'; types++, closes++)
            PG_SAY(&peer, '3', "");
        if (prepared)
            pg_peer_answer_first(&peer, "n", "x");
        else
            pg_peer_answer_again(&peer, "x");
        PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\n");
        assert_true(parses - closes <= 8 + 1);
    }
}

static void a_text_that_does_not_fit_the_store_is_prepared_each_time(void **state) {
    static char sql[HF_STATEMENT_BYTES + 100] = "SELECT '";
    (void)state;
    pg_peer_up(&peer);
    peer.io.tx.size = 16384;
    memset(sql + 8, 'x', sizeof sql - 10);
    run("SELECT 1", "PDBES");
    run(sql, "PBES");
    run(sql, "PBES");
    run("SELECT 1", "BES"); /* and it has thrown nothing out */
    for (size_t i = 0; i + 3 < sizeof peer.tx; i++)
        sql[i % (sizeof sql - 1)] = sql[i % (sizeof sql - 1)];
}

static void columns_are_told_before_the_rows_of_every_attempt(void **state) {
    hf_request request = { .sql = "SELECT 1", .prepare = true, .on_columns = pg_peer_columns };
    (void)state;
    pg_peer_up(&peer);
    for (int i = 0; i < 3; i++) {
        submit(&request);
        assert_string_equal(sent(), i == 0 ? "PDBES" : "BES");
        if (i == 0)
            pg_peer_answer_first(&peer, "number", "1");
        else
            pg_peer_answer_again(&peer, "1");
        PG_EVENTS(&peer, "COLUMNS number:25\nROW '1'\nDONE 1\nREADY\n");
    }
}

static void columns_that_were_not_kept_are_asked_for_again(void **state) {
    const char *name = "n";
    hf_request request = { .sql = "SELECT 1", .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    run("SELECT 1", "PDBES"); /* nobody wanted them */
    request.on_columns = pg_peer_columns;
    submit(&request);
    assert_string_equal(sent(), "BDES");
    PG_SAY(&peer, '2', "");
    pg_peer_describe(&peer, 1, &name);
    pg_peer_row(&peer, 1, &name);
    PG_SAY(&peer, 'C', "SELECT 1\0");
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(&peer, "COLUMNS n:25\nROW 'n'\nDONE 1\nREADY\n");
    submit(&request);
    assert_string_equal(sent(), "BES"); /* now they are */
    pg_peer_answer_again(&peer, "1");
    PG_EVENTS(&peer, "COLUMNS n:25\nROW '1'\nDONE 1\nREADY\n");
}

static void columns_larger_than_the_store_are_asked_for_each_time(void **state) {
    static char name[63 + 1];
    const char *names[80];
    hf_request request = { .sql = "SELECT wide", .prepare = true, .on_columns = pg_peer_columns };
    (void)state;
    memset(name, 'c', sizeof name - 1);
    for (size_t i = 0; i < COUNT(names); i++)
        names[i] = name;
    pg_peer_up(&peer);
    run("SELECT 1", "PDBES");
    for (int i = 0; i < 2; i++) {
        submit(&request);
        assert_string_equal(sent(), i == 0 ? "PDBES" : "BDES");
        if (i == 0)
            PG_SAY(&peer, '1', ""), PG_SAY(&peer, 't', "\0\0");
        else
            PG_SAY(&peer, '2', "");
        static uint8_t body[8192];
        body[1] = 80;
        uint8_t *at = body + 2;
        for (size_t n = 0; n < COUNT(names); n++) {
            memcpy(at, name, sizeof name);
            memset(at + sizeof name, 0, 18);
            at += sizeof name + 18;
        }
        pg_peer_say(&peer, 'T', body, (size_t)(at - body));
        assert_memory_equal(peer.events, "COLUMNS cccc", 12);
        if (i == 0)
            PG_SAY(&peer, '2', "");
        PG_SAY(&peer, 'C', "SELECT 0\0");
        PG_SAY(&peer, 'Z', "I");
        pg_peer_forget_events(&peer);
    }
    run("SELECT 1", "BES"); /* and nothing was thrown out for them */
}

static void prepare_only_checks_and_describes_and_the_statement_is_then_known(void **state) {
    static const char *const name[] = { "n" };
    hf_request request = {
        .sql = "SELECT 1", .prepare = true, .prepare_only = true, .on_columns = pg_peer_columns
    };
    (void)state;
    pg_peer_up(&peer);
    for (int i = 0; i < 2; i++) {
        submit(&request);
        assert_int_equal(request.sent_at, UINT64_MAX); /* nothing of it can have an effect */
        assert_string_equal(sent(), i == 0 ? "PDS" : "DS");
        if (i == 0)
            PG_SAY(&peer, '1', "");
        PG_SAY(&peer, 't', "\0\3\0\0\0\1\0\0\0\1\0\0\0\1");
        pg_peer_describe(&peer, 1, name);
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, "COLUMNS $3 n:25\nREADY\n");
    }
    run("SELECT 1", "BES");
}

static void what_failed_to_parse_is_not_remembered(void **state) {
    hf_request request = { .sql = "SELECT 1 +", .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    for (int i = 0; i < 2; i++) {
        submit(&request);
        assert_string_equal(sent(), "PDBES");
        pg_peer_error(&peer, "ERROR", "42601", "syntax error");
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, "ERROR the server refused: 42601 syntax error (in query)\nREADY\n");
    }
}

/* Shows fault 34. */
static void a_forgotten_statement_gets_a_new_name(void **state) {
    hf_request request = { .sql = "SELECT 1", .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    run("SELECT 1", "PDBES");
    submit(&request);
    assert_true(pg_peer_sends(&peer, "hf_aaaaaaaa_1"));
    sent();
    pg_peer_error(&peer, "ERROR", "26000", "prepared statement does not exist");
    PG_SAY(&peer, 'Z', "I");
    hf_driver_pg.forget(&peer.session, &peer.io, &request);
    submit(&request);
    assert_true(pg_peer_sends(&peer, "hf_aaaaaaaa_2"));
    assert_string_equal(sent(), "CPDBES");
    PG_SAY(&peer, '3', "");
    pg_peer_forget_events(&peer);
    pg_peer_answer_first(&peer, "n", "x");
    PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\n");
}

static void a_forgotten_statement_that_is_still_in_flight_is_not_used_again(void **state) {
    hf_request r[2] = { { .sql = "SELECT 1", .prepare = true },
                        { .sql = "SELECT 1", .prepare = true } };
    (void)state;
    pg_peer_up(&peer);
    run("SELECT 1", "PDBES");
    submit(&r[0]);
    submit(&r[1]);
    assert_string_equal(sent(), "BESBES");
    for (int i = 0; i < 2; i++) {
        pg_peer_error(&peer, "ERROR", "26000", "prepared statement does not exist");
        PG_SAY(&peer, 'Z', "I");
        hf_driver_pg.forget(&peer.session, &peer.io, &r[i]);
        if (i == 0) {
            submit(&r[0]);
            assert_true(pg_peer_sends(&peer, "hf_aaaaaaaa_2"));
            assert_string_equal(sent(), "PDBES");
        }
    }
    submit(&r[1]);
    assert_string_equal(sent(), "CBES"); /* with the one that is on its way */
    pg_peer_forget_events(&peer);
    pg_peer_answer_first(&peer, "n", "x");
    PG_SAY(&peer, '3', "");
    pg_peer_answer_again(&peer, "y");
    PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\nROW 'y'\nDONE 1\nREADY\n");
}

static void where_statements_are_always_gone_each_flight_brings_its_own(void **state) {
    hf_request request = { .sql = "SELECT 1", .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    unsigned unnamed = 0;
    for (int i = 0; i < 200; i++) {
        submit(&request);
        bool named = pg_peer_sends(&peer, "hf_");
        const char *types = sent();
        for (; *types == 'C'; types++)
            PG_SAY(&peer, '3', "");
        if (strchr(types, 'P')) {
            answer(types);
            unnamed += !named;
        } else {
            pg_peer_error(&peer, "ERROR", "26000", "prepared statement does not exist");
            PG_SAY(&peer, 'Z', "I");
            hf_driver_pg.forget(&peer.session, &peer.io, &request);
        }
    }
    assert_true(unnamed >= 150);
}

/* --- in flight ----------------------------------------------------------------------------------------- */

static void pipelined_statements_share_a_preparation_that_is_not_answered_yet(void **state) {
    hf_request r[3] = { { .sql = "SELECT 1", .prepare = true },
                        { .sql = "SELECT 1", .prepare = true },
                        { .sql = "SELECT 2", .prepare = true } };
    (void)state;
    pg_peer_up(&peer);
    submit(&r[0]);
    submit(&r[1]);
    submit(&r[2]);
    assert_string_equal(sent(), "PDBESBESPDBES");
    assert_true(r[0].sent_at < r[1].sent_at && r[1].sent_at < r[2].sent_at);
    pg_peer_answer_first(&peer, "n", "a");
    pg_peer_answer_again(&peer, "b");
    pg_peer_answer_first(&peer, "n", "c");
    PG_EVENTS(&peer, "ROW 'a'\nDONE 1\nREADY\nROW 'b'\nDONE 1\nREADY\nROW 'c'\nDONE 1\nREADY\n");
}

static void when_a_shared_preparation_fails_each_statement_hears_of_it(void **state) {
    hf_request r[2] = { { .sql = "SELECT 1 +", .prepare = true },
                        { .sql = "SELECT 1 +", .prepare = true } };
    (void)state;
    pg_peer_up(&peer);
    submit(&r[0]);
    submit(&r[1]);
    sent();
    pg_peer_error(&peer, "ERROR", "42601", "syntax error");
    PG_SAY(&peer, 'Z', "I");
    pg_peer_error(&peer, "ERROR", "26000", "prepared statement does not exist");
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(
        &peer,
        "ERROR the server refused: 42601 syntax error (in query)\nREADY\n"
        "ERROR the server refused: 26000 prepared statement does not exist (in query)\nREADY\n");
    hf_driver_pg.forget(&peer.session, &peer.io, &r[1]); /* as conn does on 26000 */
    submit(&r[1]);
    assert_string_equal(sent(), "PDBES");
}

static void what_is_in_flight_is_not_evicted(void **state) {
    hf_request r[10];
    char sql[10][16];
    (void)state;
    pg_peer_up(&peer);
    for (int i = 0; i < 10; i++) {
        snprintf(sql[i], sizeof sql[i], "SELECT %d", i);
        r[i] = (hf_request){ .sql = sql[i], .prepare = true };
        submit(&r[i]);
        assert_int_equal(pg_peer_sends(&peer, "hf_"), i < 8); /* the others go without a name */
        assert_string_equal(sent(), i < 8 ? "PDBES" : "PBES");
    }
    for (int i = 0; i < 10; i++)
        answer(i < 8 ? "PDBES" : "PBES");
    assert_int_equal(peer.n_flight, 0);
    pg_peer_forget_events(&peer);
    run("SELECT 0", "BES");
    run("SELECT 9", "PDBES");
}

static void sent_at_is_where_the_execute_ends(void **state) {
    hf_request request = { .sql = "SELECT 1", .prepare = true };
    hf_statement statements[] = { { .sql = "SELECT 1" }, { .sql = "SELECT 2" } };
    hf_request batch = { .prepare = true, .batch = statements, .n_batch = 2 };
    (void)state;
    pg_peer_up(&peer);
    uint64_t before = peer.io.tx_total;
    submit(&request);
    assert_int_equal(request.sent_at, peer.io.tx_total - 5); /* without its Sync */
    assert_int_equal(peer.io.tx_total - before, peer.io.tx.end);
    submit(&batch); /* COMMIT's, without the Sync */
    assert_int_equal(batch.sent_at, peer.io.tx_total - 5);
}

/* --- what cannot be sent --------------------------------------------------------------------------------- */

static void copy_and_transaction_control_in_a_batch_are_refused(void **state) {
    static const char *const refused[] = { "COPY t FROM stdin", "  copy t TO stdout",
                                           "/* a /* b */ */ -- c\n COPY t", ";;copy t" };
    static const char *const in_batch[] = { "BEGIN",         "commit",
                                            " /**/ END",     "ABORT",
                                            "ROLLBACK",      "START TRANSACTION",
                                            "rollback work", "PREPARE TRANSACTION 'x'" };
    static const char *const allowed[] = { "COPYRIGHT",
                                           "SELECT 'COPY'",
                                           "-- COPY\nSELECT 1",
                                           "ROLLBACK TO s",
                                           "ROLLBACK WORK TO SAVEPOINT s",
                                           "SAVEPOINT s",
                                           "PREPARE p AS SELECT 1" };
    hf_statement statement = { .sql = NULL };
    hf_request single = { .sql = NULL, .prepare = true },
               batch = { .prepare = true, .batch = &statement, .n_batch = 1 };
    (void)state;
    pg_peer_up(&peer);
    for (size_t i = 0; i < COUNT(refused); i++) {
        single.sql = statement.sql = refused[i];
        assert_int_equal(pg_peer_submit(&peer, &single), HF_ERR_ARGUMENT);
        assert_int_equal(pg_peer_submit(&peer, &batch), HF_ERR_ARGUMENT);
        assert_string_equal(peer.io.error.message, "COPY is not supported");
    }
    for (size_t i = 0; i < COUNT(in_batch); i++) {
        statement.sql = in_batch[i];
        assert_int_equal(pg_peer_submit(&peer, &batch), HF_ERR_ARGUMENT);
    }
    assert_int_equal(peer.io.tx.end, 0);
    for (size_t i = 0; i < COUNT(allowed); i++) {
        single.sql = statement.sql = allowed[i];
        submit(&single);
        submit(&batch);
        sent();
        peer.n_flight = 0;
    }
}

/* Shows found T7. */
static void what_commits_by_itself_is_known(void **state) {
    static const struct {
        const char *sql;
        bool commits;
    } cases[] = { { "SELECT 1", false },
                  { "INSERT INTO t VALUES (1)", false },
                  { "CREATE TABLE concurrently_t (a int)", false },
                  { "CREATE TABLE t (a int)", false },
                  { "SELECT 'CONCURRENTLY'", false },
                  { "call p()", true },
                  { "DO $$ BEGIN END $$", true },
                  { " -- x\n VACUUM t", true },
                  { "REINDEX TABLE t", true },
                  { "CREATE UNIQUE INDEX concurrently i ON t (a)", true },
                  { "DROP INDEX CONCURRENTLY i", true },
                  { "ALTER TABLE a.t DETACH PARTITION p CONCURRENTLY", true },
                  { "ALTER TABLE \"a--t\" DETACH PARTITION \"/*p\" CONCURRENTLY", true },
                  { "ALTER TABLE \"concurrently\" ADD a text DEFAULT 'concurrently'", false },
                  { "CREATE TABLE t (a text DEFAULT '--''') -- concurrently", false },
                  { "CREATE DATABASE d", true },
                  { "ALTER SYSTEM SET x = 1", true },
                  { "COMMIT PREPARED 'x'", true } };
    hf_request request = { .sql = NULL, .prepare = true };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        request.sql = cases[i].sql;
        assert_int_equal(hf_driver_pg.self_commits(&request), cases[i].commits);
    }
    hf_statement statement = { .sql = "CALL p()" };
    hf_request batch = { .prepare = true, .batch = &statement, .n_batch = 1 };
    assert_false(hf_driver_pg.self_commits(&batch)); /* in a transaction it cannot */
}

/* Shows security 8. */
static void parameters_that_cannot_be_text_are_refused_before_the_first_byte(void **state) {
    hf_value values[2] = { { "a\0b", 3 }, { "x", 1 } };
    hf_request request = { .sql = "SELECT $1", .prepare = true, .params = values, .n_params = 1 };
    (void)state;
    pg_peer_up(&peer);
    for (int prepared = 0; prepared < 2; prepared++) {
        values[0] = (hf_value){ "a\0b", 3 };
        assert_int_equal(pg_peer_submit(&peer, &request), HF_ERR_ARGUMENT);
        values[0] = (hf_value){ "a", (size_t)INT32_MAX + 1 };
        assert_int_equal(pg_peer_submit(&peer, &request), HF_ERR_TOO_LARGE);
        values[0] = (hf_value){ "a", 1 };
        assert_int_equal(peer.io.tx.end, 0);
        submit(&request);
        sent();
        if (!prepared)
            pg_peer_answer_first(&peer, "n", "x");
    }
    hf_request nothing = { .sql = NULL, .prepare = true },
               missing = { .sql = "SELECT $1", .prepare = true, .n_params = 1 };
    assert_int_equal(pg_peer_submit(&peer, &nothing), HF_ERR_ARGUMENT);
    assert_int_equal(pg_peer_submit(&peer, &missing), HF_ERR_ARGUMENT);
}

static void values_go_out_as_they_are(void **state) {
    static const char expected[] = "B\0\0\0\x27\0hf_aaaaaaaa_1\0\0\0\0\3"
                                   "\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0\0\0"
                                   "E\0\0\0\x09\0\0\0\0\0S\0\0\0\4";
    hf_value values[3] = { { "abc", 2 }, { NULL, 0 }, { "", 0 } };
    hf_request request = {
        .sql = "SELECT $1, $2, $3", .prepare = true, .params = values, .n_params = 3
    };
    (void)state;
    pg_peer_up(&peer);
    submit(&request);
    assert_true(pg_peer_sends(&peer, "SELECT $1, $2, $3"));
    sent();
    pg_peer_answer_first(&peer, "n", "x");
    submit(&request);
    assert_int_equal(peer.io.tx.end, sizeof expected - 1);
    assert_memory_equal(peer.tx, expected, sizeof expected - 1);
    sent();
}

/* Every size of buffer, around what is needed: all of a request or nothing. Shows security 8. */
static void a_request_is_sent_whole_or_not_at_all(void **state) {
    hf_value value = hf_text("0123456789");
    hf_statement statements[] = { { .sql = "SELECT $1", .params = &value, .n_params = 1 },
                                  { .sql = "SELECT $1 + 1", .params = &value, .n_params = 1 } };
    hf_request single = { .sql = "SELECT $1", .prepare = true, .params = &value, .n_params = 1 };
    hf_request batch = { .prepare = true, .batch = statements, .n_batch = 2 };
    hf_request *both[] = { &single, &batch };
    uint32_t least[2] = { 0, 0 };
    (void)state;
    for (size_t i = 0; i < COUNT(both); i++) {
        for (uint32_t size = 10; size < 700; size++) {
            pg_peer_up(&peer);
            peer.io.tx.size = size;
            int r = pg_peer_submit(&peer, both[i]);
            if (r == 1) {
                least[i] = least[i] ? least[i] : size;
                assert_true(peer.io.tx.end + 24 <=
                            size); /* ROLLBACK, Sync and Terminate still fit */
                assert_string_equal(sent(), i == 0 ? "PDBES" : "PBEPDBEPDBEPBES");
                continue;
            }
            assert_int_equal(least[i], 0);
            assert_int_equal(r, HF_ERR_TOO_LARGE);
            assert_int_equal(peer.io.tx.end, 0);
            assert_int_equal(peer.io.error.code, HF_ERR_TOO_LARGE);
            peer.io.tx.size = 4096; /* and nothing was remembered of it */
            submit(both[i]);
            assert_string_equal(sent(), i == 0 ? "PDBES" : "PBEPDBEPDBEPBES");
        }
        assert_int_not_equal(least[i], 0);
    }
    for (size_t i = 0; i < COUNT(both); i++) { /* behind something in the buffer it waits */
        pg_peer_up(&peer);
        peer.io.tx.size = least[1] + 30;
        submit(both[i]);
        assert_int_equal(pg_peer_submit(&peer, &batch), 0);
        sent();
        submit(&batch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_is_prepared_once_and_then_only_bound),
        cmocka_unit_test(the_ninth_statement_closes_the_least_recently_used),
        cmocka_unit_test(closes_stay_within_the_transmit_buffer),
        cmocka_unit_test(many_texts_go_through_the_cache_and_nothing_leaks_on_the_server),
        cmocka_unit_test(a_text_that_does_not_fit_the_store_is_prepared_each_time),
        cmocka_unit_test(columns_are_told_before_the_rows_of_every_attempt),
        cmocka_unit_test(columns_that_were_not_kept_are_asked_for_again),
        cmocka_unit_test(columns_larger_than_the_store_are_asked_for_each_time),
        cmocka_unit_test(prepare_only_checks_and_describes_and_the_statement_is_then_known),
        cmocka_unit_test(what_failed_to_parse_is_not_remembered),
        cmocka_unit_test(a_forgotten_statement_gets_a_new_name),
        cmocka_unit_test(a_forgotten_statement_that_is_still_in_flight_is_not_used_again),
        cmocka_unit_test(where_statements_are_always_gone_each_flight_brings_its_own),
        cmocka_unit_test(pipelined_statements_share_a_preparation_that_is_not_answered_yet),
        cmocka_unit_test(when_a_shared_preparation_fails_each_statement_hears_of_it),
        cmocka_unit_test(what_is_in_flight_is_not_evicted),
        cmocka_unit_test(sent_at_is_where_the_execute_ends),
        cmocka_unit_test(copy_and_transaction_control_in_a_batch_are_refused),
        cmocka_unit_test(what_commits_by_itself_is_known),
        cmocka_unit_test(parameters_that_cannot_be_text_are_refused_before_the_first_byte),
        cmocka_unit_test(values_go_out_as_they_are),
        cmocka_unit_test(a_request_is_sent_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
