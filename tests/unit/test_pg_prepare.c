#include "unit.h"

#include "pg_peer.h"

/* What is kept prepared, and until when: only what was asked for and has a plan, and nothing that may be stale. */

static pg_peer peer;

static void submit(hf_request *request) {
    assert_int_equal(pg_peer_submit(&peer, request), 1);
}

/* The answer, one row, to what went out as these messages. */
static void answer(const char *types, const char *name) {
    for (; *types == 'C'; types++)
        PG_SAY(&peer, '3', "");
    if (strncmp(types, "PD", 2) == 0)
        pg_peer_answer_first(&peer, name, "x");
    else if (*types == 'P')
        pg_peer_answer_afresh(&peer, strchr(types, 'D') ? name : NULL, "x");
    else
        pg_peer_answer_again(&peer, "x");
}

/* Runs a statement that is to be kept and gives one row; these messages must go out for it. */
static void run(const char *sql, const char *messages) {
    hf_request request = { .sql = sql, .prepare = true };
    submit(&request);
    const char *types = pg_peer_sent(&peer);
    assert_string_equal(types, messages);
    answer(types, "n");
    PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\n");
}

/* Runs one that gives no rows. */
static void run_other(const char *sql, bool prepare) {
    hf_request request = { .sql = sql, .prepare = prepare };
    submit(&request);
    const char *types = pg_peer_sent(&peer);
    for (; *types == 'C'; types++)
        PG_SAY(&peer, '3', "");
    assert_string_equal(types, "PBES");
    PG_SAY(&peer, '1', "");
    PG_SAY(&peer, '2', "");
    PG_SAY(&peer, 'C', "DONE\0");
    PG_SAY(&peer, 'Z', "I");
    pg_peer_forget_events(&peer);
}

/* Shows found P1. */
static void what_nobody_asked_to_keep_is_parsed_each_time(void **state) {
    (void)state;
    pg_peer_up(&peer);
    for (int i = 0; i < 3; i++) {
        hf_request request = { .sql = "INSERT INTO t VALUES ('now')" };
        submit(&request);
        assert_true(pg_peer_sends(&peer, request.sql));
        assert_string_equal(pg_peer_sent(&peer), "PBES");
        pg_peer_answer_afresh(&peer, NULL, "x");
        PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\n");
    }
    run("SELECT 1", "PDBES"); /* and beside it the same text may be kept */
    hf_request afresh = { .sql = "SELECT 1", .on_columns = pg_peer_columns };
    submit(&afresh);
    assert_string_equal(pg_peer_sent(&peer), "PBDES");
    pg_peer_answer_afresh(&peer, "new", "x");
    PG_EVENTS(&peer, "COLUMNS new:25\nROW 'x'\nDONE 1\nREADY\n");
    run("SELECT 1", "BES");
}

/* Shows found P1. */
static void a_batch_keeps_what_it_was_asked_to(void **state) {
    hf_statement statements[] = { { .sql = "SELECT 1" },
                                  { .sql = "SHOW x" },
                                  { .sql = "SELECT 1" } };
    (void)state;
    pg_peer_up(&peer);
    for (int i = 0; i < 4; i++) {
        const bool keeps = i % 2;
        static const char *const sent[] = { "PBEPBEPBEPBEPBES", "PBEPDBEPBEBEPBES",
                                            "PBEPBEPBEPBEPBES", "PBEBEPBEBEPBES" };
        hf_request batch = { .batch = statements, .n_batch = 3, .prepare = keeps };
        submit(&batch);
        assert_string_equal(pg_peer_sent(&peer), sent[i]);
        for (int s = 0; s < 5; s++) {
            const bool own = s == 0 || s == 4, kept = keeps && (s == 1 || s == 3);
            static const char *const name[] = { "n" }, *const value[] = { "x" };
            if (!kept || (i == 1 && s == 1))
                PG_SAY(&peer, '1', "");
            if (kept && i == 1 && s == 1) {
                PG_SAY(&peer, 't', "\0\0");
                pg_peer_describe(&peer, 1, name);
            }
            PG_SAY(&peer, '2', "");
            if (!own)
                pg_peer_row(&peer, 1, value);
            if (s == 4)
                PG_SAY(&peer, 'C', "COMMIT\0");
            else
                PG_SAY(&peer, 'C', "SELECT 1\0");
        }
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nROW[1] 'x'\nDONE 1\nROW[2] 'x'\nDONE 1\nREADY\n");
    }
}

/* Shows found P2. */
static void whatever_can_make_it_stale_empties_the_cache(void **state) {
    static const char *const stale[] = {
        "SET DateStyle = 'ISO,DMY'",
        "  set local x = 1",
        "/* a */ RESET ALL",
        "DISCARD ALL",
        "CREATE TEMP TABLE t (a int)",
        "ALTER TABLE t ADD b int",
        "DROP TABLE t",
        "PREPARE p AS SELECT 1",
        "DEALLOCATE ALL",
        "EXECUTE p",
        "DO $$ BEGIN END $$",
        "CALL p()",
        "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
        "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
        "ROLLBACK",
        "SELECT 1 AS a INTO TEMP t",
        "SELECT '--' AS a INTO t",
        "(SELECT '/*' AS a INTO t)",
        "WITH a AS (SELECT 1) SELECT * INTO t FROM a",
        "SELECT pg_catalog.set_config('array_nulls', 'off', false)",
        "VALUES (set_config('xmloption', 'document', false))",
        "no_such_statement"
    };
    static const char *const fresh[] = { "SHOW DateStyle",
                                         "FETCH 1 FROM c",
                                         "LISTEN a",
                                         "NOTIFY a",
                                         "INSERT INTO t SELECT 1",
                                         "SELECT pinto, into_2 FROM t",
                                         "WITH a AS (INSERT INTO t VALUES (1)) SELECT 1",
                                         "UPDATE t SET a = 1",
                                         "TRUNCATE t",
                                         "SAVEPOINT s" };
    (void)state;
    for (int prepare = 0; prepare < 2; prepare++) {
        for (size_t i = 0; i < COUNT(stale); i++) {
            pg_peer_up(&peer);
            run("SELECT 1", "PDBES");
            run_other(stale[i], prepare);
            run("SELECT 1", "CPDBES");
            run("SELECT 1", "BES");
        }
    }
    for (size_t i = 0; i < COUNT(fresh); i++) {
        pg_peer_up(&peer);
        run("SELECT 1", "PDBES");
        run_other(fresh[i], false);
        run("SELECT 1", "BES");
    }
}

/* Shows found P2. */
static void a_changed_parameter_empties_it_too(void **state) {
    (void)state;
    pg_peer_up(&peer);
    run("SELECT 1", "PDBES");
    run("SELECT 2", "PDBES");
    PG_SAY(&peer, 'S', "search_path\0a\0");
    run("SELECT 1", "CCPDBES");
    run("SELECT 2", "PDBES");
}

/* What is sent behind it before it is answered is parsed anew. Shows found P2. */
static void a_change_counts_for_what_is_pipelined_behind_it(void **state) {
    static const char sql[] = "SELECT '01/02/2020'::date";
    hf_request r[] = { { .sql = sql, .prepare = true, .on_columns = pg_peer_columns },
                       { .sql = "SET DateStyle = 'ISO,DMY'" },
                       { .sql = sql, .prepare = true, .on_columns = pg_peer_columns },
                       { .sql = "SET DateStyle = 'ISO,MDY'" },
                       { .sql = sql, .prepare = true, .on_columns = pg_peer_columns } };
    (void)state;
    pg_peer_up(&peer);
    for (size_t i = 0; i < COUNT(r); i++)
        submit(&r[i]);
    assert_string_equal(pg_peer_sent(&peer), "PDBESPBESPDBESPBESPDBES");
    pg_peer_answer_first(&peer, "a", "1");
    pg_peer_answer_afresh(&peer, NULL, "set");
    pg_peer_answer_first(&peer, "b", "2");
    pg_peer_answer_afresh(&peer, NULL, "set");
    pg_peer_answer_first(&peer, "c", "3");
    PG_EVENTS(&peer, "COLUMNS a:25\nROW '1'\nDONE 1\nREADY\nROW 'set'\nDONE 1\nREADY\n"
                     "COLUMNS b:25\nROW '2'\nDONE 1\nREADY\nROW 'set'\nDONE 1\nREADY\n"
                     "COLUMNS c:25\nROW '3'\nDONE 1\nREADY\n");
    submit(&r[0]);
    assert_string_equal(pg_peer_sent(&peer), "BES");
    pg_peer_answer_again(&peer, "4");
    PG_EVENTS(&peer, "COLUMNS c:25\nROW '4'\nDONE 1\nREADY\n");
    run("SELECT 1", "CCPDBES"); /* the two that were stale are closed */
}

/* SET LOCAL ends with the transaction, and so does a SET that is rolled back. Shows found P2. */
static void what_was_parsed_in_a_changed_transaction_is_not_kept_behind_it(void **state) {
    static const char *const name[] = { "n" }, *const value[] = { "x" };
    hf_statement statements[] = { { .sql = "SELECT 1" },
                                  { .sql = "SET LOCAL a = 1" },
                                  { .sql = "SELECT 1" } };
    hf_request batch = { .batch = statements, .n_batch = 3, .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    submit(&batch);
    assert_string_equal(pg_peer_sent(&peer), "PBEPDBEPBEPDBEPBES");
    for (int s = 0; s < 5; s++) {
        PG_SAY(&peer, '1', "");
        if (s == 1 || s == 3) {
            PG_SAY(&peer, 't', "\0\0");
            pg_peer_describe(&peer, 1, name);
        }
        PG_SAY(&peer, '2', "");
        if (s == 1 || s == 3)
            pg_peer_row(&peer, 1, value);
        if (s == 4)
            PG_SAY(&peer, 'C', "COMMIT\0");
        else
            PG_SAY(&peer, 'C', "SET\0");
    }
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(&peer, "ROW 'x'\nDONE 0\nDONE 0\nROW[2] 'x'\nDONE 0\nREADY\n");
    run("SELECT 1", "CCPDBES");
}

/* Shows found P3. */
static void what_has_no_plan_is_described_each_time(void **state) {
    static const char *const sql[] = { "EXECUTE p", "FETCH ALL FROM c", "SHOW x", "CALL p(1)",
                                       "EXPLAIN SELECT 1" };
    (void)state;
    for (size_t i = 0; i < COUNT(sql); i++) {
        pg_peer_up(&peer);
        for (unsigned n = 1; n <= 2; n++) { /* as many columns */
            static const char *const names[] = { "a", "b" };
            hf_request request = { .sql = sql[i], .prepare = true, .on_columns = pg_peer_columns };
            submit(&request);
            assert_string_equal(pg_peer_sent(&peer), "PBDES");
            PG_SAY(&peer, '1', "");
            PG_SAY(&peer, '2', "");
            pg_peer_describe(&peer, n, names);
            pg_peer_row(&peer, n, names);
            PG_SAY(&peer, 'C', "SELECT 1\0");
            PG_SAY(&peer, 'Z', "I");
            PG_EVENTS(&peer, n == 1 ? "COLUMNS a:25\nROW 'a'\nDONE 1\nREADY\n"
                                    : "COLUMNS a:25 b:25\nROW 'a' 'b'\nDONE 1\nREADY\n");
        }
        for (unsigned n = 1; n <= 2; n++) { /* and nobody asks for them */
            static const char *const values[] = { "a", "b" };
            hf_request request = { .sql = sql[i], .prepare = n == 2 };
            submit(&request);
            PG_SAY(&peer, '1', "");
            PG_SAY(&peer, '2', "");
            pg_peer_row(&peer, n, values);
            PG_SAY(&peer, 'C', "SELECT 1\0");
            PG_SAY(&peer, 'Z', "I");
            PG_EVENTS(&peer, n == 1 ? "ROW 'a'\nDONE 1\nREADY\n" : "ROW 'a' 'b'\nDONE 1\nREADY\n");
            pg_peer_sent(&peer);
        }
    }
}

/* Shows found P3. */
static void rows_of_another_width_than_was_told_end_the_session(void **state) {
    static const char *const names[] = { "a", "b" };
    (void)state;
    for (int how = 0; how < 4; how++) {
        hf_request request = { .sql = "SELECT 1" };
        pg_peer_up(&peer);
        if (how == 3) /* one that is kept, prepared before */
            run("SELECT 1", "PDBES");
        request.prepare = how == 1 || how == 3;
        request.on_columns = how == 0 ? pg_peer_columns : NULL;
        submit(&request);
        if (how != 3)
            PG_SAY(&peer, '1', "");
        if (how == 1) {
            PG_SAY(&peer, 't', "\0\0");
            pg_peer_describe(&peer, 1, names);
        }
        PG_SAY(&peer, '2', "");
        if (how == 0)
            pg_peer_describe(&peer, 1, names);
        if (how == 2) /* not described: the first row tells */
            pg_peer_row(&peer, 1, names);
        assert_int_not_equal(peer.last, HF_DRIVER_BROKEN);
        pg_peer_row(&peer, 2, names);
        assert_int_equal(peer.last, HF_DRIVER_BROKEN);
    }
}

/* Shows found P2. */
static void a_changed_plan_is_known_in_any_language(void **state) {
    static const char german[] = "SFEHLER\0VERROR\0C0A000\0MErgebnistyp darf nicht anders werden\0"
                                 "RRevalidateCachedQuery\0";
    (void)state;
    for (int prepare = 0; prepare < 2; prepare++) {
        hf_request request = { .sql = "SELECT 1", .prepare = prepare };
        pg_peer_up(&peer);
        submit(&request);
        pg_peer_say(&peer, 'E', german, sizeof german);
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, prepare
                             ? "ERROR the server refused: 0A000 cached plan must not change result "
                               "type (in query)\nREADY\n"
                             : "ERROR the server refused: 0A000 Ergebnistyp darf nicht anders "
                               "werden (in query)\nREADY\n");
    }
}

/* Nothing but the transaction's end tells what became of its settings. Shows found P2. */
static void a_transaction_that_was_left_open_takes_the_cache_with_it(void **state) {
    hf_request r[] = { { .sql = "BEGIN" }, { .sql = "SELECT 1", .prepare = true } };
    (void)state;
    pg_peer_up(&peer);
    submit(&r[0]);
    submit(&r[1]);
    assert_string_equal(pg_peer_sent(&peer), "PBESPDBES");
    PG_SAY(&peer, '1', "");
    PG_SAY(&peer, '2', "");
    PG_SAY(&peer, 'C', "BEGIN\0");
    PG_SAY(&peer, 'Z', "T");
    assert_string_equal(pg_peer_sent(&peer), "Q");
    PG_SAY(&peer, '1', "");
    PG_SAY(&peer, 't', "\0\0");
    PG_SAY(&peer, 'n', "");
    PG_SAY(&peer, '2', "");
    PG_SAY(&peer, 'C', "SELECT 0\0");
    PG_SAY(&peer, 'Z', "T");
    PG_SAY(&peer, 'C', "ROLLBACK\0");
    PG_SAY(&peer, 'Z', "I");
    assert_int_equal(peer.n_flight, 0);
    pg_peer_forget_events(&peer);
    run("SELECT 1", "CPDBES");
}

/* Emptied again and again, with more of them than there is room for: nothing leaks on the server. */
static void what_is_stale_is_closed_in_the_end(void **state) {
    unsigned parses = 0, closes = 0;
    char sql[24];
    (void)state;
    pg_peer_up(&peer);
    for (int i = 0; i < 3000; i++) {
        const bool changes = i % 7 == 0;
        hf_request request = { .sql = sql, .prepare = true };
        snprintf(sql, sizeof sql, changes ? "SET a = %d" : "SELECT %d", i % 11);
        submit(&request);
        const char *types = pg_peer_sent(&peer);
        closes += (unsigned)strspn(types, "C");
        parses += strstr(types, "PD") != NULL;
        answer(types, "n");
        PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\n");
        assert_true(parses - closes <= 2 * 8);
    }
    assert_true(closes > 2000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_asked_to_keep_is_parsed_each_time),
        cmocka_unit_test(a_batch_keeps_what_it_was_asked_to),
        cmocka_unit_test(whatever_can_make_it_stale_empties_the_cache),
        cmocka_unit_test(a_changed_parameter_empties_it_too),
        cmocka_unit_test(a_change_counts_for_what_is_pipelined_behind_it),
        cmocka_unit_test(what_was_parsed_in_a_changed_transaction_is_not_kept_behind_it),
        cmocka_unit_test(what_has_no_plan_is_described_each_time),
        cmocka_unit_test(rows_of_another_width_than_was_told_end_the_session),
        cmocka_unit_test(a_changed_plan_is_known_in_any_language),
        cmocka_unit_test(a_transaction_that_was_left_open_takes_the_cache_with_it),
        cmocka_unit_test(what_is_stale_is_closed_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
