/* The scripted server: an application's test says what a statement gives, and no byte of the protocol. */
#include "holdfast/test.h"
#include "unit.h"

HF_POOL_MEMORY(memory, 2, 16384, 4096);
static hf_script server;
static hf_pool *pool;
static hf_config config;
static char seen[512]; /* what a request's callbacks saw, in order */

static void note(const char *text, size_t bytes) {
    size_t used = strlen(seen);
    (void)snprintf(seen + used, sizeof seen - used, "%.*s;", (int)bytes, text);
}

static void on_columns(hf_request *request, hf_columns *columns) {
    hf_column column;
    (void)request;
    while (hf_columns_next(columns, &column)) {
        note(column.name.data, column.name.bytes);
    }
}

static int on_row(hf_request *request, hf_row *row) {
    hf_value value;
    (void)request;
    while (hf_row_next(row, &value)) {
        note(value.data ? value.data : "NULL", value.data ? value.bytes : 4);
    }
    return HF_CONTINUE;
}

static void start(const char *dsn) {
    config = (hf_config)HF_CONFIG_DEFAULT;
    config.max_concurrent = 2;
    config.jitter_percent = 0;
    assert_true(hf_config_dsn(&config, dsn, NULL));
    hf_script_init(&server);
    pool = hf_pool_init(memory, sizeof memory, &config, hf_script_port(&server), NULL);
    assert_non_null(pool);
    seen[0] = 0;
}

static void submit(hf_request *request) {
    request->on_columns = on_columns;
    request->on_row = on_row;
    assert_int_equal(hf_submit(pool, request), HF_OK);
    hf_script_tick(&server, pool, 0);
}

static void up(const char *dsn, hf_request *request) {
    start(dsn);
    submit(request);
    hf_script_login(&server);
    hf_script_tick(&server, pool, 0);
    assert_int_equal(hf_pool_state(pool, 0), HF_HEALTHY);
}

static const char plain[] = "postgres://me@/shop?host=/tmp", tls[] = "postgres://me@db/shop";

static void rows_are_what_the_test_says(void **state) {
    static const char *const columns[] = { "id", "name" };
    static const char *const values[] = { "1", "kelp", "2", NULL };
    static const char *const dsns[] = { plain, tls, "postgres://me@db/shop?sslmode=disable" };
    (void)state;
    for (unsigned prepare = 0; prepare < 2; prepare++) {
        for (size_t i = 0; i < COUNT(dsns); i++) {
            hf_value id = hf_text("1");
            hf_request request = {
                .sql = "SELECT id, name FROM item WHERE id >= $1",
                .params = &id,
                .n_params = 1,
                .prepare = prepare,
            };
            up(dsns[i], &request);
            for (unsigned run = 1; run <= 3; run++) { /* the second one is prepared */
                assert_string_equal(hf_script_sql(&server), request.sql);
                hf_script_rows(&server, 2, columns, 2, values);
                hf_script_tick(&server, pool, 0);
                assert_null(hf_script_sql(&server));
                assert_int_equal(request.outcome, HF_OUTCOME_OK);
                assert_int_equal(request.n_rows, 2);
                assert_string_equal(seen, "id;name;1;kelp;2;NULL;");
                seen[0] = 0;
                submit(&request);
            }
        }
    }
}

static void an_error_is_judged_by_its_sqlstate(void **state) {
    (void)state;
    hf_request request = { .sql = "UPDATE item SET price = 1" };
    up(plain, &request);
    assert_true(hf_request_in_flight(&request));
    hf_script_error(&server, "40001");
    hf_ms next = hf_script_tick(&server, pool, 0);
    assert_int_equal(request.outcome, HF_OUTCOME_PENDING); /* it waits, to be run again */
    assert_null(hf_script_sql(&server));
    assert_false(hf_request_in_flight(&request));
    hf_script_tick(&server, pool, next);
    assert_string_equal(hf_script_sql(&server), request.sql);
    hf_script_done(&server, "UPDATE 17");
    hf_script_tick(&server, pool, next);
    assert_int_equal(request.outcome, HF_OUTCOME_OK);
    assert_int_equal(request.affected, 17);
    assert_int_equal(request.attempts, 2);
    submit(&request);
    hf_script_error(&server, "42P01");
    hf_script_tick(&server, pool, next);
    assert_int_equal(request.outcome, HF_OUTCOME_FAILED);
    assert_string_equal(request.error.sqlstate, "42P01");
    assert_true(hf_request_refused(&request));
    assert_int_equal(hf_pool_state(pool, 0), HF_HEALTHY);
}

static void a_batch_is_one_transaction(void **state) {
    (void)state;
    static const hf_statement batch[] = { { .sql = "INSERT 1" }, { .sql = "INSERT 2" } };
    hf_request request = { .batch = batch, .n_batch = 2 };
    up(plain, &request);
    assert_string_equal(hf_script_sql(&server), "INSERT 1");
    hf_script_done(&server, "INSERT 0 1");
    hf_script_tick(&server, pool, 0);
    assert_int_equal(request.outcome, HF_OUTCOME_OK);
    submit(&request);
    hf_script_error(&server, "23505"); /* the driver rolls back by itself */
    hf_script_tick(&server, pool, 0);
    assert_int_equal(request.outcome, HF_OUTCOME_FAILED);
    submit(&request);
    hf_script_done(&server, "INSERT 0 1");
    hf_script_tick(&server, pool, 0);
    assert_int_equal(request.outcome, HF_OUTCOME_OK);
}

static void a_session_ends_with_its_last_words(void **state) {
    (void)state;
    hf_request request = { .sql = "INSERT INTO item VALUES (1)" };
    up(tls, &request);
    hf_script_fatal(&server, "57P01");
    hf_script_tick(&server, pool, 0);
    assert_int_equal(hf_pool_state(pool, 0), HF_BACKOFF);
    assert_int_equal(request.outcome, HF_OUTCOME_UNKNOWN);
    assert_string_equal(request.error.sqlstate, "57P01");
}

static void a_login_may_be_refused(void **state) {
    (void)state;
    hf_request request = { .sql = "SELECT 1" };
    start(plain);
    submit(&request);
    hf_script_connect(&server);
    hf_script_tick(&server, pool, 0);
    hf_script_fatal(&server, "3D000");
    hf_script_tick(&server, pool, 0);
    assert_int_equal(request.outcome, HF_OUTCOME_NOT_SENT);
    assert_string_equal(request.error.sqlstate, "3D000");
    assert_int_equal(hf_pool_state(pool, 0), HF_IDLE);
}

/* Health checks need no word of the test's, and neither does the end. */
static void what_is_nobodys_answer_comes_by_itself(void **state) {
    (void)state;
    hf_request request = { .sql = "SELECT 1" };
    up(plain, &request);
    hf_script_rows(&server, 0, NULL, 0, NULL);
    hf_script_tick(&server, pool, 0);
    for (hf_ms now = config.probe_interval_ms; now <= 5 * config.probe_interval_ms;
         now += config.probe_interval_ms) {
        hf_script_tick(&server, pool, now);
        assert_int_equal(hf_pool_state(pool, 0), HF_HEALTHY);
    }
    hf_pool_status status;
    hf_pool_status_get(pool, &status);
    assert_int_equal(status.losses, 0);
    hf_pool_close(pool, 1000000);
    hf_script_tick(&server, pool, 900000);
    assert_true(hf_pool_closed(pool));
}

/* A RESOLVE request that was sent, run to the end, and whose COMMIT now waits for its answer. */
static void up_to_commit(hf_request *request) {
    up(plain, request);
    assert_string_equal(hf_script_sql(&server), request->sql);
    assert_true(hf_request_commits_later(request));
    hf_script_done(&server, "INSERT 0 1");
    hf_script_tick(&server, pool, 0);
    assert_string_equal(hf_script_sql(&server), "COMMIT");
    assert_string_equal(request->ticket, "0000000001 scripted");
}

/* The COMMIT's answer is lost, and the server was asked what became of it. Returns when. */
static hf_ms asked_about_commit(hf_request *request) {
    up_to_commit(request);
    hf_script_fail(&server, HF_ERR_RESET);
    hf_ms now = hf_script_tick(&server, pool, 0);
    assert_int_equal(request->outcome, HF_OUTCOME_PENDING);
    hf_script_tick(&server, pool, now);
    hf_script_login(&server);
    hf_script_tick(&server, pool, now);
    assert_int_equal(request->asks, 1);
    return now;
}

static void resolve_ends_as_the_server_remembers(void **state) {
    static const struct {
        const char *status;
        hf_outcome outcome;
        uint32_t attempts;
        hf_state conn;
    } rows[] = { { "committed", HF_OUTCOME_OK, 1, HF_HEALTHY },
                 { "aborted", HF_OUTCOME_PENDING, 2, HF_HEALTHY },
                 { "in progress", HF_OUTCOME_PENDING, 1, HF_HEALTHY },
                 { NULL, HF_OUTCOME_UNKNOWN, 1, HF_HEALTHY },
                 { "other", HF_OUTCOME_UNKNOWN, 1, HF_HEALTHY },
                 { "standby", HF_OUTCOME_PENDING, 1, HF_BACKOFF } };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        hf_request request = { .sql = "INSERT 1", .replay = HF_REPLAY_RESOLVE };
        const hf_ms now = asked_about_commit(&request);
        hf_script_xact_status(&server, rows[i].status);
        hf_script_tick(&server, pool, now);
        if (request.outcome != rows[i].outcome || request.attempts != rows[i].attempts ||
            hf_pool_state(pool, 0) != rows[i].conn) {
            fail_msg("%s: %s after %u attempts, connection %s",
                     rows[i].status ? rows[i].status : "NULL", hf_outcome_name(request.outcome),
                     (unsigned)request.attempts, hf_state_name(hf_pool_state(pool, 0)));
        }
    }
}

static void resolve_runs_again_what_was_aborted(void **state) {
    (void)state;
    hf_request request = { .sql = "INSERT 1", .replay = HF_REPLAY_RESOLVE };
    const hf_ms now = asked_about_commit(&request);
    hf_script_xact_status(&server, "aborted");
    hf_script_tick(&server, pool, now);
    assert_string_equal(hf_script_sql(&server), request.sql);
    hf_script_done(&server, "INSERT 0 1");
    hf_script_tick(&server, pool, now);
    assert_string_equal(request.ticket, "0000000002 scripted");
    hf_script_done(&server, "COMMIT");
    hf_script_tick(&server, pool, now);
    assert_int_equal(request.outcome, HF_OUTCOME_OK);
    assert_int_equal(request.affected, 1);
}

static void resolve_asks_again_while_in_progress(void **state) {
    (void)state;
    hf_request request = { .sql = "INSERT 1", .replay = HF_REPLAY_RESOLVE };
    hf_ms now = asked_about_commit(&request);
    for (unsigned i = 0; i < 3; i++) {
        hf_script_xact_status(&server, "in progress");
        now = hf_script_tick(&server, pool, now);
        assert_null(hf_script_sql(&server));
        hf_script_tick(&server, pool, now);
    }
    hf_script_xact_status(&server, "committed");
    hf_script_tick(&server, pool, now);
    assert_int_equal(request.outcome, HF_OUTCOME_OK);
    assert_int_equal(request.asks, 4);
}

static void a_commit_is_answered_by_the_test(void **state) {
    static const struct {
        const char *tag, *sqlstate;
        hf_outcome outcome;
    } rows[] = { { "COMMIT", NULL, HF_OUTCOME_OK },
                 { "ROLLBACK", NULL, HF_OUTCOME_FAILED },
                 { NULL, "23503", HF_OUTCOME_FAILED },    /* a deferred constraint */
                 { NULL, "40001", HF_OUTCOME_PENDING } }; /* it waits, to be run again */
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        hf_request request = { .sql = "INSERT 1", .replay = HF_REPLAY_RESOLVE }, next = { 0 };
        up_to_commit(&request);
        if (rows[i].tag) {
            hf_script_done(&server, rows[i].tag);
        } else {
            hf_script_error(&server, rows[i].sqlstate);
        }
        hf_script_tick(&server, pool, 0);
        if (request.outcome != rows[i].outcome) {
            fail_msg("%s: %s", rows[i].tag ? rows[i].tag : rows[i].sqlstate,
                     hf_outcome_name(request.outcome));
        }
        next.sql = "SELECT 1"; /* no transaction is left open */
        submit(&next);
        hf_script_rows(&server, 0, NULL, 0, NULL);
        hf_script_tick(&server, pool, 0);
        assert_int_equal(next.outcome, HF_OUTCOME_OK);
        assert_int_equal(hf_pool_state(pool, 0), HF_HEALTHY);
    }
}

/* A row that has no room in the receive buffer: the client sends a ROLLBACK in place of the COMMIT. */
static void a_rollback_in_place_of_the_commit_comes_by_itself(void **state) {
    static char large[17000];
    static const char *const column = "body", *const value = large;
    (void)state;
    hf_request request = { .sql = "INSERT 1", .replay = HF_REPLAY_RESOLVE }, next = { 0 };
    up(plain, &request);
    memset(large, 'x', sizeof large - 1);
    hf_script_rows(&server, 1, &column, 1, &value);
    hf_script_tick(&server, pool, 0);
    assert_int_equal(request.outcome, HF_OUTCOME_FAILED);
    assert_int_equal(request.error.code, HF_ERR_TOO_LARGE);
    next.sql = "SELECT 1";
    submit(&next);
    assert_string_equal(hf_script_sql(&server), next.sql);
}

static void a_read_only_server_is_asked_whether_it_takes_writes(void **state) {
    (void)state;
    for (unsigned yes = 0; yes < 2; yes++) {
        hf_request request = { .sql = "INSERT 1" };
        up(plain, &request);
        hf_script_error(&server, "25006");
        hf_ms now = hf_script_tick(&server, pool, 0);
        hf_script_tick(&server, pool, now);
        hf_script_takes_writes(&server, yes);
        hf_script_tick(&server, pool, now);
        assert_int_equal(request.outcome, HF_OUTCOME_PENDING);
        assert_int_equal(hf_pool_state(pool, 0), yes ? HF_HEALTHY : HF_BACKOFF);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_what_the_test_says),
        cmocka_unit_test(an_error_is_judged_by_its_sqlstate),
        cmocka_unit_test(a_batch_is_one_transaction),
        cmocka_unit_test(resolve_ends_as_the_server_remembers),
        cmocka_unit_test(resolve_runs_again_what_was_aborted),
        cmocka_unit_test(resolve_asks_again_while_in_progress),
        cmocka_unit_test(a_commit_is_answered_by_the_test),
        cmocka_unit_test(a_rollback_in_place_of_the_commit_comes_by_itself),
        cmocka_unit_test(a_read_only_server_is_asked_whether_it_takes_writes),
        cmocka_unit_test(a_session_ends_with_its_last_words),
        cmocka_unit_test(a_login_may_be_refused),
        cmocka_unit_test(what_is_nobodys_answer_comes_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
