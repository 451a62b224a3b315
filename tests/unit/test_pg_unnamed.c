#include "unit.h"

#include "pg_peer.h"

/* A statement that is parsed afresh each time: nobody asked that it be kept prepared; or its text is larger than the
 * store; or the build has no prepared statements (a small one, HF_STATEMENTS 0). The claims are the same. */

static pg_peer peer;

/* Larger than the store by its comment. */
static char text[HF_STATEMENT_BYTES + 100];

static void submit(hf_request *request) {
    assert_int_equal(pg_peer_submit(&peer, request), 1);
}

static void up(void) {
    pg_peer_up(&peer);
    peer.io.tx.size = 32768;
}

/* Shows rule 34. */
static void each_time_it_is_sent_with_its_text_and_has_no_name(void **state) {
    (void)state;
    up();
    for (int i = 0; i < 8; i++) {
        const bool kept = i & 1, asks = i & 2;
        hf_request request = { .sql = kept ? text : "SELECT 1",
                               .prepare = kept,
                               .on_columns = asks ? pg_peer_columns : NULL };
        submit(&request);
        assert_true(pg_peer_sends(&peer, request.sql));
        assert_false(pg_peer_sends(&peer, "hf_"));
        assert_string_equal(pg_peer_sent(&peer), asks ? "PBDES" : "PBES");
        pg_peer_answer_afresh(&peer, asks ? "number" : NULL, "1");
        PG_EVENTS(&peer, asks ? "COLUMNS number:25\nROW '1'\nDONE 1\nREADY\n"
                              : "ROW '1'\nDONE 1\nREADY\n");
    }
}

static void in_flight_together_each_has_its_own(void **state) {
    hf_request requests[] = { { .sql = text, .on_columns = pg_peer_columns },
                              { .sql = text },
                              { .sql = text } };
    (void)state;
    up();
    for (size_t i = 0; i < COUNT(requests); i++)
        submit(&requests[i]);
    assert_string_equal(pg_peer_sent(&peer), "PBDESPBESPBES");
    pg_peer_answer_afresh(&peer, "n", "a");
    pg_peer_error(&peer, "ERROR", "26000", "gone"); /* the second's */
    PG_SAY(&peer, 'Z', "I");
    pg_peer_answer_afresh(&peer, NULL, "c");
    assert_non_null(strstr(peer.events, "ROW 'a'\nDONE 1\nREADY\nERROR "));
    assert_non_null(strstr(peer.events, "READY\nROW 'c'\nDONE 1\nREADY\n"));
    assert_int_equal(peer.n_flight, 0);
}

static void in_a_batch_each_has_its_own(void **state) {
    static const char *const name[] = { "n" };
    hf_statement statements[] = { { .sql = text }, { .sql = text } };
    hf_request batch = { .batch = statements, .n_batch = 2, .on_columns = pg_peer_columns };
    (void)state;
    up();
    submit(&batch);
    assert_string_equal(pg_peer_sent(&peer), "PBEPBDEPBDEPBES");
    for (int i = 0; i < 4; i++) { /* BEGIN, the two, COMMIT */
        const bool own = i == 0 || i == 3;
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, '2', "");
        if (!own) {
            pg_peer_describe(&peer, 1, name);
            pg_peer_row(&peer, 1, name);
        }
        if (i == 3)
            PG_SAY(&peer, 'C', "COMMIT\0");
        else
            PG_SAY(&peer, 'C', "SELECT 1\0");
    }
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(&peer, "COLUMNS n:25\nROW 'n'\nDONE 1\nCOLUMNS[1] n:25\nROW[1] 'n'\nDONE 1\nREADY\n");
}

static void prepare_only_describes_it_and_runs_nothing(void **state) {
    static const char *const name[] = { "n" };
    hf_request request = { .sql = text, .prepare_only = true, .on_columns = pg_peer_columns };
    (void)state;
    up();
    for (int i = 0; i < 2; i++) {
        submit(&request);
        assert_int_equal(request.sent_at, UINT64_MAX);
        assert_string_equal(pg_peer_sent(&peer), "PDS");
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, 't', "\0\2\0\0\0\x17\0\0\0\x19");
        pg_peer_describe(&peer, 1, name);
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, "COLUMNS $2 n:25\nREADY\n");
    }
}

static void forgetting_it_changes_nothing(void **state) {
    hf_request request = { .sql = text };
    (void)state;
    up();
    for (int i = 0; i < 3; i++) {
        submit(&request);
        hf_driver_pg.forget(&peer.session, &peer.io, &request);
        assert_string_equal(pg_peer_sent(&peer), "PBES"); /* and nothing is closed */
        pg_peer_answer_afresh(&peer, NULL, "x");
        PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\n");
    }
}

static void a_close_that_nobody_asked_for_ends_the_session(void **state) {
    hf_request request = { .sql = text };
    (void)state;
    up();
    submit(&request);
    pg_peer_sent(&peer);
    PG_SAY(&peer, '3', "");
    assert_int_equal(peer.last, HF_DRIVER_BROKEN);
}

static void read_only_by_the_request_it_stands_in_a_transaction(void **state) {
    hf_request request = { .sql = text };
    (void)state;
    pg_peer_init(&peer);
    peer.io.tx.size = 32768;
    peer.config.read_only = true;
    peer.io.degraded = 2;
    pg_peer_start(&peer);
    PG_SAY(&peer, 'R', "\0\0\0\0");
    PG_SAY(&peer, 'Z', "I");
    const uint64_t before = peer.io.tx_total;
    submit(&request);
    const uint32_t commit = 14 + 1 + 12 + 1 + 9 + 1; /* Parse, Bind, Execute of COMMIT */
    assert_int_equal(request.sent_at, before + peer.io.tx.end - commit - 5);
    assert_true(pg_peer_sends(&peer, "BEGIN READ ONLY"));
    assert_string_equal(pg_peer_sent(&peer), "PBEPBEPBES");
}

static void values_go_out_behind_it_as_they_are(void **state) {
    static const char end[] = "\0\0"
                              "B\0\0\0\x1a\0\0\0\0\0\3"
                              "\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0\0\0"
                              "E\0\0\0\x09\0\0\0\0\0S\0\0\0\4";
    hf_value values[3] = { { "abc", 2 }, { NULL, 0 }, { "", 0 } };
    (void)state;
    for (int usual = 0; usual < 2; usual++) {
        hf_request request = { .sql = usual ? text : " SELECT", .params = values, .n_params = 3 };
        const size_t sql_bytes = strlen(request.sql) + 1;
        up();
        submit(&request);
        assert_int_equal(peer.io.tx.end, 1 + 4 + 1 + sql_bytes + sizeof end - 1);
        assert_memory_equal(peer.tx, "P\0\0", 3);
        assert_int_equal(peer.tx[3] << 8 | peer.tx[4], 4 + 1 + sql_bytes + 2);
        assert_memory_equal(peer.tx + 6, request.sql, sql_bytes);
        assert_memory_equal(peer.tx + 6 + sql_bytes, end, sizeof end - 1);
        assert_int_equal(request.sent_at, peer.io.tx_total - 5); /* where Execute ends */
    }
}

/* Every size of buffer. Shows security 8. */
static void it_is_sent_whole_or_not_at_all(void **state) {
    hf_value value = hf_text("0123456789");
    hf_request request = { .sql = text, .params = &value, .n_params = 1 }, next = request;
    const uint32_t need = sizeof text + 50 + 24; /* ROLLBACK, Sync and Terminate must still fit */
    (void)state;
    for (uint32_t size = 10; size < need + 10; size++) {
        pg_peer_up(&peer);
        peer.io.tx.size = size;
        memset(peer.tx + size, 0x5a, 600);
        const int r = pg_peer_submit(&peer, &request);
        assert_int_equal(r, size < need ? HF_ERR_TOO_LARGE : 1);
        assert_int_equal(peer.io.tx.end, size < need ? 0 : need - 24);
        assert_int_equal(peer.io.error.code, size < need ? HF_ERR_TOO_LARGE : 0);
        for (size_t i = 0; i < 600; i++)
            assert_int_equal(peer.tx[size + i], 0x5a);
        if (r == 1)
            assert_int_equal(pg_peer_submit(&peer, &next), 0); /* until the first is sent */
    }
}

int main(void) {
    memset(text, ' ', sizeof text - 1);
    memcpy(text, "SELECT 1 AS n --", 16);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_time_it_is_sent_with_its_text_and_has_no_name),
        cmocka_unit_test(in_flight_together_each_has_its_own),
        cmocka_unit_test(in_a_batch_each_has_its_own),
        cmocka_unit_test(prepare_only_describes_it_and_runs_nothing),
        cmocka_unit_test(forgetting_it_changes_nothing),
        cmocka_unit_test(a_close_that_nobody_asked_for_ends_the_session),
        cmocka_unit_test(read_only_by_the_request_it_stands_in_a_transaction),
        cmocka_unit_test(values_go_out_behind_it_as_they_are),
        cmocka_unit_test(it_is_sent_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
