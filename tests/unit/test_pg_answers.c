#include "unit.h"

#include "pg_peer.h"

/* Answers: rows and errors, transactions and batches, and what a server says unasked. */

static pg_peer peer;

static void submit(hf_request *request) {
    assert_int_equal(pg_peer_submit(&peer, request), 1);
}

static void run_one(const char *sql) {
    hf_request request = { .sql = sql, .prepare = true };
    submit(&request);
    if (strchr(pg_peer_sent(&peer), 'P'))
        pg_peer_answer_first(&peer, "n", "x");
    else
        pg_peer_answer_again(&peer, "x");
    PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\n");
}

/* The answer to a statement's first use, in a transaction. */
static void answer_open(const char *status) {
    static const char *const name[] = { "n" }, *const value[] = { "x" };
    PG_SAY(&peer, '1', "");
    PG_SAY(&peer, 't', "\0\0");
    pg_peer_describe(&peer, 1, name);
    PG_SAY(&peer, '2', "");
    pg_peer_row(&peer, 1, value);
    PG_SAY(&peer, 'C', "SELECT 1\0");
    pg_peer_say(&peer, 'Z', status, 1);
}

/* BEGIN is parsed afresh each time. */
static void answer_begin(void) {
    PG_SAY(&peer, '1', "");
    PG_SAY(&peer, '2', "");
    PG_SAY(&peer, 'C', "BEGIN\0");
    PG_SAY(&peer, 'Z', "T");
}

/* --- rows and errors --------------------------------------------------------------------------------- */

static void a_row_larger_than_the_buffer_is_skipped_and_the_session_stays(void **state) {
    static char huge[40000];
    const char *name = "n";
    (void)state;
    memset(huge, 'x', sizeof huge - 1);
    for (uint32_t step = 0; step < 3; step++) {
        hf_request request = { .sql = "SELECT 1", .prepare = true };
        pg_peer_up(&peer);
        peer.step = step * 97;
        submit(&request);
        pg_peer_sent(&peer);
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, 't', "\0\0");
        pg_peer_describe(&peer, 1, &name);
        PG_SAY(&peer, '2', "");
        pg_peer_row(&peer, 1, &name);
        pg_peer_say(&peer, 'D', huge, sizeof huge);
        pg_peer_say(&peer, 'D', huge, sizeof huge);
        PG_SAY(&peer, 'C', "SELECT 3\0");
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(
            &peer,
            "ROW 'n'\nSKIPPED larger than the buffer that was given in query: a row of 40000 bytes; the "
            "receive buffer (rx_bytes) has 16384\nDONE 3\nREADY\n");
        run_one("SELECT 1");
    }
}

static void a_description_larger_than_the_buffer_fails_only_who_wants_it(void **state) {
    static uint8_t body[20000];
    hf_request request = { .sql = "SELECT 1", .prepare = true };
    (void)state;
    memset(body, 'x', sizeof body);
    body[0] = 0;
    body[1] = 1;
    for (int wants = 0; wants < 2; wants++) {
        pg_peer_up(&peer);
        request.on_columns = wants ? pg_peer_columns : NULL;
        submit(&request);
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, 't', "\0\0");
        pg_peer_say(&peer, 'T', body, sizeof body);
        pg_peer_answer_again(&peer, "x");
        PG_EVENTS(
            &peer,
            wants
                ? "SKIPPED larger than the buffer that was given in query: the description of 1 columns "
                  "takes more than the receive buffer (rx_bytes): 16384\nROW 'x'\nDONE 1\nREADY\n"
                : "ROW 'x'\nDONE 1\nREADY\n");
    }
}

static void an_error_keeps_all_its_fields(void **state) {
    static const char body[] =
        "SFEHLER\0VERROR\0C23505\0Mmessage\0Ddetail\0Hhint\0P17\0p3\0qinternal\0Wwhere\0sschema\0"
        "ttable\0ccolumn\0dtype\0nconstraint\0Ffile.c\0L42\0Rroutine\0Xunknown\0";
    static const struct {
        hf_field field;
        const char *text;
    } fields[] = { { HF_FIELD_DETAIL, "detail" },       { HF_FIELD_HINT, "hint" },
                   { HF_FIELD_WHERE, "where" },         { HF_FIELD_SCHEMA, "schema" },
                   { HF_FIELD_TABLE, "table" },         { HF_FIELD_COLUMN, "column" },
                   { HF_FIELD_DATATYPE, "type" },       { HF_FIELD_CONSTRAINT, "constraint" },
                   { HF_FIELD_INTERNAL_POSITION, "3" }, { HF_FIELD_INTERNAL_QUERY, "internal" },
                   { HF_FIELD_FILE, "file.c" },         { HF_FIELD_LINE, "42" },
                   { HF_FIELD_ROUTINE, "routine" },     { HF_FIELD_MESSAGE, "message" } };
    hf_request request = { .sql = "SELECT 1", .prepare = true };
    hf_value value;
    (void)state;
    pg_peer_up(&peer);
    submit(&request);
    hf_buffer *rx = &peer.io.rx;
    memcpy(rx->data, "E\0\0\0", 4);
    rx->start = 0;
    rx->data[4] = (uint8_t)(sizeof body + 4);
    memcpy(rx->data + 5, body, sizeof body);
    rx->end = 5 + sizeof body;
    assert_int_equal(hf_driver_pg.feed(&peer.session, &peer.io, &request), HF_DRIVER_ERROR);
    assert_int_equal(peer.io.error.severity, 'E');
    assert_int_equal(peer.io.error.position, 17);
    assert_string_equal(peer.io.error.sqlstate, "23505");
    assert_string_equal(peer.io.error.message, "message");
    for (size_t i = 0; i < COUNT(fields); i++) {
        assert_true(hf_fields_get(&peer.io.fields, fields[i].field, &value));
        assert_int_equal(value.bytes, strlen(fields[i].text));
        assert_memory_equal(value.data, fields[i].text, value.bytes);
    }
}

static void a_translated_severity_is_never_taken_for_fatal(void **state) {
    static const char german[] = "SFEHLER\0C22012\0MDivision durch Null\0";
    hf_request request = { .sql = "SELECT 1/0", .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    submit(&request);
    pg_peer_say(&peer, 'E', german, sizeof german);
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(&peer, "ERROR the server refused: 22012 Division durch Null (in query)\nREADY\n");
}

static void a_value_is_read_again_and_by_number(void **state) {
    static const char *const values[] = { "a", NULL, "", "dd" };
    hf_request request = { .sql = "SELECT 1", .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    submit(&request);
    pg_peer_answer_first(&peer, "n", "x");
    static const char row[] = "D\0\0\0\x19\0\4\0\0\0\1a\xff\xff\xff\xff\0\0\0\0\0\0\0\2dd";
    submit(&request);
    PG_SAY(&peer, '2', "");
    hf_row got = { .at = (const uint8_t *)row + 7,
                   .first = (const uint8_t *)row + 7,
                   .n_columns = 4 };
    static const unsigned order[] = { 3, 0, 1, 2, 2, 0, 3 };
    for (size_t i = 0; i < COUNT(order); i++) {
        hf_value value = hf_row_get(&got, order[i]);
        const char *text = values[order[i]];
        assert_int_equal(value.data != NULL, text != NULL);
        assert_int_equal(value.bytes, text ? strlen(text) : 0);
    }
    assert_null(hf_row_get(&got, 4).data);
    assert_null(
        hf_row_get(&got, (unsigned)-1).data); /* a name that hf_columns_find() did not find */
}

/* --- transactions ------------------------------------------------------------------------------------ */

static void a_transaction_left_open_is_rolled_back_before_the_request_is_over(void **state) {
    hf_request begin = { .sql = "BEGIN", .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    submit(&begin);
    pg_peer_sent(&peer);
    answer_begin();
    PG_EVENTS(&peer, "DONE 0\n");
    assert_true(pg_peer_sends(&peer, "ROLLBACK"));
    assert_string_equal(pg_peer_sent(&peer), "Q");
    PG_SAY(&peer, 'C', "ROLLBACK\0");
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(&peer, "READY open transaction\n");
    run_one("SELECT 1");
}

static void what_ran_inside_anothers_open_transaction_is_undone_and_says_so(void **state) {
    hf_request r[3] = { { .sql = "BEGIN", .prepare = true },
                        { .sql = "SELECT 1", .prepare = true },
                        { .sql = "SELECT 2", .prepare = true } };
    (void)state;
    pg_peer_up(&peer);
    for (int i = 0; i < 3; i++)
        submit(&r[i]);
    pg_peer_sent(&peer);
    answer_begin();
    PG_EVENTS(&peer, "DONE 0\nREADY open transaction\n"); /* the others are on their way already */
    assert_string_equal(pg_peer_sent(&peer), "Q");
    answer_open("T");
    PG_EVENTS(
        &peer,
        "ROW 'x'\nDONE 1\nERROR the server refused: 40001 rolled back with the transaction that an earlier "
        "statement left open (in query)\nREADY\n");
    pg_peer_error(&peer, "ERROR", "25P02", "current transaction is aborted");
    PG_SAY(&peer, 'Z', "E");
    PG_EVENTS(
        &peer,
        "ERROR the server refused: 40001 rolled back with the transaction that an earlier statement left "
        "open (in query)\nREADY\n");
    hf_request next = { .sql = "SELECT 1", .prepare = true };
    submit(&next); /* behind the ROLLBACK, and so prepared anew */
    assert_string_equal(pg_peer_sent(&peer), "CPDBES");
    PG_SAY(&peer, 'C', "ROLLBACK\0");
    PG_SAY(&peer, 'Z', "I");
    PG_SAY(&peer, '3', "");
    pg_peer_answer_first(&peer, "n", "y");
    PG_EVENTS(&peer, "ROW 'y'\nDONE 1\nREADY\n");
}

static void a_rollback_that_does_not_help_ends_the_session(void **state) {
    (void)state;
    for (int how = 0; how < 3; how++) {
        hf_request begin = { .sql = "BEGIN", .prepare = true };
        pg_peer_up(&peer);
        submit(&begin);
        answer_begin();
        if (how == 0) {
            PG_SAY(&peer, 'C', "ROLLBACK\0");
            PG_SAY(&peer, 'Z', "T");
        } else if (how == 1) {
            PG_SAY(&peer, 'Z', "I");
        } else {
            pg_peer_error(&peer, "ERROR", "XX000", "cannot");
        }
        assert_int_equal(peer.last, how == 2 ? HF_DRIVER_FATAL : HF_DRIVER_BROKEN);
    }
}

static void begin(void) {
    PG_SAY(&peer, '1', "");
    PG_SAY(&peer, '2', "");
    PG_SAY(&peer, 'C', "BEGIN\0");
}

static void commit(const char *tag, size_t size) {
    PG_SAY(&peer, '1', "");
    PG_SAY(&peer, '2', "");
    pg_peer_say(&peer, 'C', tag, size);
}

static void answer_in_batch(bool first, const char *value) {
    static const char *const name[] = { "n" };
    if (first) {
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, 't', "\0\0");
        pg_peer_describe(&peer, 1, name);
    }
    PG_SAY(&peer, '2', "");
    pg_peer_row(&peer, 1, &value);
    PG_SAY(&peer, 'C', "SELECT 1\0");
}

static void a_batch_prepares_each_text_once_and_says_which_statement_a_row_is_of(void **state) {
    hf_statement statements[] = { { .sql = "SELECT 1" },
                                  { .sql = "SELECT 2" },
                                  { .sql = "SELECT 1" } };
    hf_request batch = {
        .prepare = true, .batch = statements, .n_batch = 3, .on_columns = pg_peer_columns
    };
    (void)state;
    for (int again = 0; again < 2; again++) {
        if (!again)
            pg_peer_up(&peer);
        submit(&batch);
        assert_string_equal(pg_peer_sent(&peer), again ? "PBEBEBEBEPBES" : "PBEPDBEPDBEBDEPBES");
        begin();
        answer_in_batch(!again, "a");
        answer_in_batch(!again, "b");
        if (!again) { /* it asked before it knew that it would know */
            static const char *const name[] = { "n" }, *const value[] = { "c" };
            PG_SAY(&peer, '2', "");
            pg_peer_describe(&peer, 1, name);
            pg_peer_row(&peer, 1, value);
            PG_SAY(&peer, 'C', "SELECT 1\0");
        } else {
            answer_in_batch(false, "c");
        }
        commit("COMMIT", sizeof "COMMIT");
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, "COLUMNS n:25\nROW 'a'\nDONE 1\nCOLUMNS[1] n:25\nROW[1] 'b'\nDONE 1\n"
                         "COLUMNS[2] n:25\nROW[2] 'c'\nDONE 1\nREADY\n");
    }
}

static void a_commit_that_rolls_back_is_an_error(void **state) {
    hf_statement statement = { .sql = "SELECT 1" };
    hf_request batch = { .prepare = true, .batch = &statement, .n_batch = 1 };
    (void)state;
    pg_peer_up(&peer);
    submit(&batch);
    begin();
    answer_in_batch(true, "a");
    commit("ROLLBACK", sizeof "ROLLBACK");
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(
        &peer,
        "ROW 'a'\nDONE 1\nERROR the server refused: 25P02 COMMIT was answered by ROLLBACK: nothing was done "
        "(in query)\nREADY\n");
}

static void a_failed_batch_forgets_what_it_would_have_prepared(void **state) {
    hf_statement statements[] = { { .sql = "SELECT 1" },
                                  { .sql = "SELECT 2" },
                                  { .sql = "SELECT 3" } };
    hf_request batch = { .prepare = true, .batch = statements, .n_batch = 3 };
    (void)state;
    pg_peer_up(&peer);
    submit(&batch);
    assert_string_equal(pg_peer_sent(&peer), "PBEPDBEPDBEPDBEPBES");
    begin();
    answer_in_batch(true, "a");
    pg_peer_error(&peer, "ERROR", "22012", "division by zero");
    PG_SAY(&peer, 'Z', "E");
    assert_string_equal(pg_peer_sent(&peer), "Q");
    PG_SAY(&peer, 'C', "ROLLBACK\0");
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(
        &peer,
        "ROW 'a'\nDONE 1\nERROR the server refused: 22012 division by zero (in query)\nREADY\n");
    assert_int_equal(batch.statement, 1);
    submit(&batch); /* what was parsed in it is not trusted behind it */
    assert_string_equal(pg_peer_sent(&peer), "CPBEPDBEPDBEPDBEPBES");
}

/* Whole, and byte by byte: of what took effect nobody knows, so it is not over. */
static void a_held_transaction_that_ended_before_its_commit_ends_the_session(void **state) {
    static const char *const ticket[] = { "1 life" };
    (void)state;
    for (uint32_t step = 0; step < 2; step++) {
        hf_request request = { .sql = "INSERT", .prepare = true, .replay = HF_REPLAY_RESOLVE };
        pg_peer_up(&peer);
        peer.step = step;
        submit(&request);
        begin();
        answer_in_batch(true, "a");
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, '2', "");
        pg_peer_row(&peer, 1, ticket);
        PG_SAY(&peer, 'C', "SELECT 1\0");
        PG_SAY(&peer, 'Z', "I");
        assert_int_equal(peer.last, HF_DRIVER_BROKEN);
    }
}

static void where_the_session_cannot_be_read_only_each_request_is(void **state) {
    hf_request request = { .sql = "SELECT 1", .prepare = true };
    (void)state;
    pg_peer_init(&peer);
    peer.config.read_only = true;
    peer.io.degraded = 2;
    pg_peer_start(&peer);
    PG_SAY(&peer, 'R', "\0\0\0\0");
    PG_SAY(&peer, 'Z', "I");
    pg_peer_forget_events(&peer);
    for (int again = 0; again < 2; again++) {
        submit(&request);
        assert_true(pg_peer_sends(&peer, "BEGIN READ ONLY"));
        assert_string_equal(pg_peer_sent(&peer), again ? "PBEBEPBES" : "PBEPDBEPBES");
        begin();
        answer_in_batch(!again, "a");
        commit("COMMIT", sizeof "COMMIT");
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, "ROW 'a'\nDONE 1\nREADY\n");
    }
    hf_request prepare = { .sql = "SELECT 9", .prepare = true, .prepare_only = true };
    submit(&prepare);
    assert_string_equal(pg_peer_sent(&peer), "PDS");
}

/* --- while idle --------------------------------------------------------------------------------------- */

static void a_probe_is_a_lone_sync(void **state) {
    hf_request request = { .sql = "SELECT 1", .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    assert_int_equal(hf_driver_pg.probe(&peer.session, &peer.io), 1);
    assert_int_equal(hf_driver_pg.probe(&peer.session, &peer.io), 0); /* one at a time */
    assert_string_equal(pg_peer_sent(&peer), "S");
    submit(&request); /* what comes behind it is answered behind it */
    PG_SAY(&peer, 'Z', "I");
    pg_peer_answer_first(&peer, "n", "x");
    PG_EVENTS(&peer, "PROBED\nROW 'x'\nDONE 1\nREADY\n");
    submit(&request);
    assert_int_equal(hf_driver_pg.probe(&peer.session, &peer.io), 0); /* nor with work in flight */
}

static void an_error_while_idle_is_the_sessions_end(void **state) {
    (void)state;
    pg_peer_up(&peer);
    pg_peer_error(&peer, "FATAL", "57P05", "terminating connection due to idle-session timeout");
    PG_EVENTS(
        &peer,
        "FATAL the server refused: FATAL 57P05 terminating connection due to idle-session timeout\n");
    pg_peer_up(&peer);
    assert_int_equal(hf_driver_pg.probe(&peer.session, &peer.io), 1);
    pg_peer_error(&peer, "ERROR", "08006", "server gone");
    PG_EVENTS(&peer, "FATAL the server refused: 08006 server gone (in probe)\n");
}

/* Shows fault 26. */
static void whatever_comes_in_between_is_dealt_with(void **state) {
    static const char notice[] = "SNOTICE\0VNOTICE\0C00000\0Mhm\0";
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        hf_request request = { .sql = "SELECT 1", .prepare = true };
        pg_peer_up(&peer);
        submit(&request);
        for (size_t i = 0; i < PG_PEER_ANSWER; i++) {
            if (kind == 0)
                pg_peer_say(&peer, 'N', notice, sizeof notice);
            else if (kind == 1)
                PG_SAY(&peer, 'S', "TimeZone\0UTC\0");
            else
                PG_SAY(&peer, 'A', "\0\0\0\1c\0p\0");
            pg_peer_say(&peer, pg_peer_answer[i].type, pg_peer_answer[i].body,
                        pg_peer_answer[i].size);
        }
        assert_int_equal(peer.n_flight, 0);
        assert_int_not_equal(peer.last, HF_DRIVER_BROKEN);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_larger_than_the_buffer_is_skipped_and_the_session_stays),
        cmocka_unit_test(a_description_larger_than_the_buffer_fails_only_who_wants_it),
        cmocka_unit_test(an_error_keeps_all_its_fields),
        cmocka_unit_test(a_translated_severity_is_never_taken_for_fatal),
        cmocka_unit_test(a_value_is_read_again_and_by_number),
        cmocka_unit_test(a_transaction_left_open_is_rolled_back_before_the_request_is_over),
        cmocka_unit_test(what_ran_inside_anothers_open_transaction_is_undone_and_says_so),
        cmocka_unit_test(a_rollback_that_does_not_help_ends_the_session),
        cmocka_unit_test(a_batch_prepares_each_text_once_and_says_which_statement_a_row_is_of),
        cmocka_unit_test(a_commit_that_rolls_back_is_an_error),
        cmocka_unit_test(a_failed_batch_forgets_what_it_would_have_prepared),
        cmocka_unit_test(a_held_transaction_that_ended_before_its_commit_ends_the_session),
        cmocka_unit_test(where_the_session_cannot_be_read_only_each_request_is),
        cmocka_unit_test(a_probe_is_a_lone_sync),
        cmocka_unit_test(an_error_while_idle_is_the_sessions_end),
        cmocka_unit_test(whatever_comes_in_between_is_dealt_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
