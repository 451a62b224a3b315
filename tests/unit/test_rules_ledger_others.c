/* SEMANTICS 48, REPORT.md 46: the library's ledger against servers that answer as CockroachDB and YugabyteDB do. None
 * of the two was run: what they say is from their documentation, sources and issues, named at each line. Neither gives
 * a transaction's ticket (CockroachDB: 42883). hf_testbed_end() holds each outcome against what the server committed.
 */
#include "testbed.h"

#include "mbedtls/hf_mbedtls.h"

#include <string.h>

static const hf_value key[] = { { "a", 1 } };

/* CockroachDB: SQLSTATEs of pkg/sql/pgwire/pgcode/codes.go. 40001 in the words of a 24.1's client log, and of the docs'
 * "Transaction Retry Error Reference". */
#define TOO_OLD                                                                                \
    "restart transaction: TransactionRetryWithProtoRefreshError: WriteTooOldError: write for " \
    "key /Table/118/1 at timestamp 1786795457.660251937,1 too old"
#define NOT_REFRESHED                                                                     \
    "restart transaction: TransactionRetryWithProtoRefreshError: TransactionRetryError: " \
    "retry txn (RETRY_SERIALIZABLE - failed preemptive refresh)"
/* cockroachdb/cockroach issue 48168 */
#define AMBIGUOUS                                                                           \
    "result is ambiguous (error=rpc error: code = Unavailable desc = transport is closing " \
    "[propagate])"
/* cockroachdb/cockroach pull request 37791. The words are made up, as are those of XXUUU ("no code known yet"); 23505
 * has PostgreSQL's, and 57P01 is newAdminShutdownErr() of pkg/sql/pgwire, an ERROR and then the end of the stream. */
#define SCHEMA_FAILED "transaction committed but schema change aborted with error: (23505)"
#define DUPLICATE     "duplicate key value violates unique constraint \"t_pkey\""

/* YugabyteDB. Docs "Transaction error codes in YSQL"; yugabyte/yugabyte-db issue 31996, of a COMMIT. */
#define CONCURRENT                                                                           \
    "could not serialize access due to concurrent update (query layer retry isn't possible " \
    "because this is not the first command in the transaction.)"
#define RESTART_READ                                                                   \
    "Restart read required (query layer retry isn't possible because this is not the " \
    "first command in the transaction.)"
#define DEADLOCK                                                                   \
    "deadlock detected (query layer retry isn't possible because this is not the " \
    "first command in the transaction)"
#define EXPIRED                                                                            \
    "current transaction is expired or aborted (query layer retry isn't possible because " \
    "this is not the first command in the transaction.)"
/* FetchErrorCode() of src/yb/yql/pggate/util/ybc_util.cc: an error that says neither a SQLSTATE nor that of a
 * transaction is XX000, as is each call to another process that failed (AsyncRpc::Failed). Of a COMMIT: issues 6139
 * (these words), 23545 and 29573 (found by Jepsen: the transaction's state is ambiguous). */
#define RPC_LATE \
    "Timed out: UpdateTransaction RPC (request call id 321) to 127.0.0.1:9100 timed out after 0.001s"
/* Docs, "ysql_dump"; 72000 by FetchErrorCode(), and XX000 before that knew it. */
#define TOO_OLD_SNAPSHOT \
    "Snapshot too old: Snapshot too old. Read point: { physical: 1628678717824559 }"
/* issue 29573 */
#define DDL_OCCURRED \
    "Catalog Version Mismatch: A DDL occurred while processing this query. Try again."

#define OK        HF_OUTCOME_OK
#define FAILED    HF_OUTCOME_FAILED
#define COCKROACH HF_PEER_COCKROACH
#define YUGABYTE  HF_PEER_YUGABYTE

typedef struct saying {
    hf_peer_kind kind;
    hf_peer_point point;
    hf_peer_deed deed; /* ERROR: ReadyForQuery follows; LAST: the end of the stream does */
    const char *sqlstate, *message;
    hf_outcome outcome;
    unsigned attempts;
    bool applied; /* by an attempt before the last one */
} saying;

// clang-format off
static const saying lines[] = {
    { COCKROACH, HF_PEER_KEY,         HF_PEER_ERROR, "40001", TOO_OLD,       OK,     2, false },
    { COCKROACH, HF_PEER_EXECUTE,     HF_PEER_ERROR, "40001", TOO_OLD,       OK,     2, false },
    { COCKROACH, HF_PEER_COMMITS,     HF_PEER_ERROR, "40001", NOT_REFRESHED, OK,     2, false },
    { COCKROACH, HF_PEER_COMMITS,     HF_PEER_ERROR, "40003", AMBIGUOUS,     OK,     2, false },
    { COCKROACH, HF_PEER_COMMIT_DONE, HF_PEER_ERROR, "40003", AMBIGUOUS,     OK,     2, true },
    { COCKROACH, HF_PEER_COMMITS,     HF_PEER_LAST,  "40003", AMBIGUOUS,     OK,     2, false },
    { COCKROACH, HF_PEER_COMMIT_DONE, HF_PEER_LAST,  "40003", AMBIGUOUS,     OK,     2, true },
    { COCKROACH, HF_PEER_COMMIT_DONE, HF_PEER_ERROR, "XXA00", SCHEMA_FAILED, OK,     2, true },
    { COCKROACH, HF_PEER_EXECUTE,     HF_PEER_ERROR, "23505", DUPLICATE,     FAILED, 1, false },
    { COCKROACH, HF_PEER_COMMITS,     HF_PEER_ERROR, "23505", DUPLICATE,     FAILED, 1, false },
    { COCKROACH, HF_PEER_EXECUTE,     HF_PEER_ERROR, "XXUUU", "no code",     FAILED, 1, false },
    { COCKROACH, HF_PEER_EXECUTE,     HF_PEER_LAST,  "57P01", "server is shutting down",
                                                                             OK,     2, false },
    { COCKROACH, HF_PEER_COMMIT_DONE, HF_PEER_LAST,  "57P01", "server is shutting down",
                                                                             OK,     2, true },
    { YUGABYTE,  HF_PEER_KEY,         HF_PEER_ERROR, "40001", CONCURRENT,    OK,     2, false },
    { YUGABYTE,  HF_PEER_EXECUTE,     HF_PEER_ERROR, "40001", RESTART_READ,  OK,     2, false },
    { YUGABYTE,  HF_PEER_EXECUTE,     HF_PEER_ERROR, "40P01", DEADLOCK,      OK,     2, false },
    { YUGABYTE,  HF_PEER_COMMITS,     HF_PEER_ERROR, "40001", EXPIRED,       OK,     2, false },
    { YUGABYTE,  HF_PEER_COMMIT_DONE, HF_PEER_ERROR, "40001", EXPIRED,       OK,     2, true },
    { YUGABYTE,  HF_PEER_COMMITS,     HF_PEER_ERROR, "XX000", RPC_LATE,      OK,     2, false },
    { YUGABYTE,  HF_PEER_COMMIT_DONE, HF_PEER_ERROR, "XX000", RPC_LATE,      OK,     2, true },
    { YUGABYTE,  HF_PEER_COMMIT_DONE, HF_PEER_ERROR, "08006", RPC_LATE,      OK,     2, true },
    { YUGABYTE,  HF_PEER_COMMIT_DONE, HF_PEER_LAST,  "XX000", RPC_LATE,      OK,     2, true },
    { YUGABYTE,  HF_PEER_EXECUTE,     HF_PEER_ERROR, "XX000", RPC_LATE,      FAILED, 1, false },
    { YUGABYTE,  HF_PEER_EXECUTE,     HF_PEER_ERROR, "XX000", DDL_OCCURRED,  FAILED, 1, false },
    { YUGABYTE,  HF_PEER_EXECUTE,     HF_PEER_ERROR, "72000", TOO_OLD_SNAPSHOT,
                                                                             FAILED, 1, false },
    { YUGABYTE,  HF_PEER_EXECUTE,     HF_PEER_ERROR, "XX000", TOO_OLD_SNAPSHOT,
                                                                             FAILED, 1, false },
    { YUGABYTE,  HF_PEER_EXECUTE,     HF_PEER_ERROR, "08006", RPC_LATE,      FAILED, 1, false },
    { YUGABYTE,  HF_PEER_EXECUTE,     HF_PEER_ERROR, "23505", DUPLICATE,     FAILED, 1, false },
    { YUGABYTE,  HF_PEER_COMMIT_DONE, HF_PEER_FATAL, "57P01",
      "terminating connection due to administrator command",                 OK,     2, true },
};
// clang-format on
enum { N_LINES = sizeof lines / sizeof lines[0] };

static hf_testbed *world_of(hf_peer_kind kind, unsigned max_retries) {
    hf_testbed *world = hf_testbed_new();
    world->config.max_concurrent = 1;
    world->config.max_retries = max_retries;
    world->script->hash = &hf_mbedtls_hash;
    world->peer->kind = kind;
    world->peer->ticketless = true;
    hf_testbed_open(world, 1000);
    hf_testbed_up(world, 1);
    return world;
}

static hf_peer_fault *say(hf_testbed *world, const saying *line) {
    hf_peer_fault *fault = hf_testbed_strike(world, line->point, line->deed, line->sqlstate);
    fault->message = line->message;
    return fault;
}

static hf_job *job_of(hf_testbed *world, bool keeps) {
    hf_job *job = hf_testbed_job(world, HF_REPLAY_LEDGER, "write 1");
    job->request.ledger = keeps ? &hf_peer_ledger_keeps : &hf_peer_ledger;
    job->request.key = key;
    job->request.n_key = 1;
    job->request.kept = hf_text("kept");
    return job;
}

static void r48_what_others_say_is_applied_once_or_refused(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2 * N_LINES; i++) {
        const saying *line = &lines[i / 2];
        hf_testbed *world = world_of(line->kind, 5);
        hf_testbed_repeat_with("line", i / 2);
        say(world, line);
        hf_job *job = job_of(world, i % 2);
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 100000);
        assert_outcome(job, line->outcome);
        assert_int_equal(job->request.attempts, line->attempts);
        assert_int_equal(world->peer->committed[1], line->outcome == OK);
        assert_int_equal(job->request.already_applied, line->applied);
        assert_int_equal(world->peer->finds, line->applied);
        if (line->outcome == FAILED)
            assert_string_equal(job->request.error.sqlstate, line->sqlstate);
        hf_testbed_end(world);
    }
    hf_testbed_repeat_with(NULL, 0);
}

/* A caller that runs it again itself, as the report does: a conflict is a refusal, an answer that leaves doubt is none.
 * What is refused leaves the key free; where it was applied all the same, the next one finds the key. */
static void r48_so_it_is_for_a_caller_that_runs_it_again(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2 * N_LINES; i++) {
        const saying *line = &lines[i / 2];
        const bool conflict =
            strncmp(line->sqlstate, "40001", 5) == 0 || strncmp(line->sqlstate, "40P01", 5) == 0;
        hf_testbed *world = world_of(line->kind, 5);
        hf_testbed_repeat_with("line", i / 2);
        say(world, line);
        hf_job *job = job_of(world, i % 2);
        job->request.work = "job 7";
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 100000);
        if (conflict) {
            assert_outcome(job, HF_OUTCOME_FAILED);
            assert_string_equal(job->request.error.sqlstate, line->sqlstate);
            hf_testbed_resubmit(job);
            hf_testbed_finish(world, 100000);
            assert_outcome(job, HF_OUTCOME_OK);
        } else {
            assert_outcome(job, line->outcome);
        }
        assert_int_equal(world->peer->committed[1], job->request.outcome == HF_OUTCOME_OK);
        assert_int_equal(world->peer->seals, 0);
        hf_testbed_end(world);
    }
    hf_testbed_repeat_with(NULL, 0);
}

/* The key is there, of a submission before: its 23505 is the ledger's. */
static void r48_others_find_the_key_of_a_submission_before(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        hf_testbed *world = world_of(i / 2 ? HF_PEER_COCKROACH : HF_PEER_YUGABYTE, 5);
        hf_job *job = job_of(world, i % 2);
        for (unsigned turn = 0; turn < 2; turn++) {
            hf_testbed_resubmit(job);
            hf_testbed_finish(world, 1000);
            assert_outcome(job, HF_OUTCOME_OK);
            assert_int_equal(job->request.already_applied, turn);
        }
        assert_int_equal(world->peer->committed[1], 1);
        hf_testbed_end(world);
    }
}

/* Said at each attempt: a conflict ends with its own SQLSTATE, and a doubt with a key that is used up. */
static void r48_what_others_say_for_ever_is_no_doubt(void **state) {
    static const saying always[] = {
        { COCKROACH, HF_PEER_COMMITS, HF_PEER_ERROR, "40001", NOT_REFRESHED, FAILED, 6, false },
        { COCKROACH, HF_PEER_COMMITS, HF_PEER_ERROR, "40003", AMBIGUOUS, FAILED, 6, false },
        { COCKROACH, HF_PEER_COMMITS, HF_PEER_LAST, "40003", AMBIGUOUS, FAILED, 6, false },
        { YUGABYTE, HF_PEER_EXECUTE, HF_PEER_ERROR, "40001", CONCURRENT, FAILED, 6, false },
        { YUGABYTE, HF_PEER_COMMITS, HF_PEER_ERROR, "XX000", RPC_LATE, FAILED, 6, false },
    };
    (void)state;
    for (unsigned i = 0; i < 2 * sizeof always / sizeof always[0]; i++) {
        const saying *line = &always[i / 2];
        hf_testbed *world = world_of(line->kind, 5);
        say(world, line)->times = line->attempts;
        hf_job *job = job_of(world, i % 2);
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 400000);
        assert_outcome(job, HF_OUTCOME_FAILED);
        assert_string_equal(job->request.error.sqlstate, line->sqlstate);
        assert_int_equal(job->request.attempts, line->attempts);
        assert_int_equal(world->peer->committed[1], 0);
        assert_int_equal(world->peer->seals, strncmp(line->sqlstate, "40001", 5) != 0);
        hf_testbed_end(world);
    }
}

/* Only what must end before the server could be asked. */
static void r46_of_others_too_unknown_is_what_must_end(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        hf_testbed *world = world_of(i / 2 ? HF_PEER_COCKROACH : HF_PEER_YUGABYTE, 5);
        world->peer->hangs = true;
        hf_testbed_strike(world, HF_PEER_COMMITS, HF_PEER_HOLD, NULL);
        hf_job *job = job_of(world, i % 2);
        job->request.timeout_ms = 7000;
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 400000);
        assert_outcome(job, HF_OUTCOME_UNKNOWN);
        assert_non_null(strstr(job->request.error.message, "submit the same key to find out"));
        hf_peer_heal(world->peer);
        job->request.timeout_ms = 0;
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 400000);
        assert_outcome(job, HF_OUTCOME_OK);
        assert_true(job->request.already_applied);
        hf_testbed_end(world);
    }
}

static bool sent(const hf_peer *peer, const char *parameter) {
    const size_t bytes = strlen(parameter) + 1;
    for (size_t i = 0; i + bytes <= peer->startup_bytes; i++)
        if (memcmp(peer->startup + i, parameter, bytes) == 0)
            return true;
    return false;
}

/* A start-up parameter that is not known is left out, and the ledger works as ever. CockroachDB ignores those that it
 * does not know, and refuses what cannot be changed (loadParameter() of its pkg/sql/pgwire/pre_serve_options.go). */
static void r17_r48_others_refuse_parameters_at_login(void **state) {
    static const struct {
        hf_peer_kind kind;
        const char *sqlstate, *message;
        bool keepalives; /* are still sent */
    } logins[] = {
        { HF_PEER_COCKROACH, NULL, NULL, true },
        { HF_PEER_COCKROACH, "55P02",
          "parameter \"client_connection_check_interval\" cannot be changed", true },
        { HF_PEER_COCKROACH, "55P02", "parameter \"tcp_keepalives_idle\" cannot be changed",
          false },
        /* PostgreSQL 11.2 */
        { HF_PEER_YUGABYTE, "42704",
          "unrecognized configuration parameter \"client_connection_check_interval\"", true },
    };
    (void)state;
    for (unsigned i = 0; i < sizeof logins / sizeof logins[0]; i++) {
        hf_testbed *world = hf_testbed_new();
        world->config.max_concurrent = 1;
        world->script->hash = &hf_mbedtls_hash;
        world->peer->kind = logins[i].kind;
        world->peer->ticketless = true;
        hf_testbed_open(world, 1000);
        if (logins[i].sqlstate)
            hf_testbed_strike(world, HF_PEER_STARTUP, HF_PEER_FATAL, logins[i].sqlstate)->message =
                logins[i].message;
        hf_job *job = job_of(world, i % 2);
        hf_testbed_resubmit(job);
        hf_testbed_finish(world, 0); /* no wait for that: the same attempt dials again */
        assert_outcome(job, HF_OUTCOME_OK);
        assert_int_equal(sent(world->peer, "client_connection_check_interval"),
                         logins[i].sqlstate == NULL);
        assert_int_equal(sent(world->peer, "tcp_keepalives_idle"), logins[i].keepalives);
        assert_true(sent(world->peer, "client_encoding"));
        hf_testbed_end(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(r48_what_others_say_is_applied_once_or_refused),
        hf_test(r48_so_it_is_for_a_caller_that_runs_it_again),
        hf_test(r48_others_find_the_key_of_a_submission_before),
        hf_test(r48_what_others_say_for_ever_is_no_doubt),
        hf_test(r46_of_others_too_unknown_is_what_must_end),
        hf_test(r17_r48_others_refuse_parameters_at_login),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
