/* The works through libpq, as its documentation shows them: blocking calls where one connection has one
 * statement in flight, PQconsumeInput() behind poll() where there are several, pipeline mode for windows.
 */
#include <libpq-fe.h>
#include <poll.h>

#include "bench.h"

static _Noreturn void fail(const PGconn *conn, const char *what) {
    bench_fail(what, PQerrorMessage(conn));
}

static void no_notice(void *user, const char *message) {
    (void)user;
    (void)message;
}

static PGconn *dial(const bench *b) {
    PGconn *conn = PQconnectdb(b->dsn);
    if (PQstatus(conn) != CONNECTION_OK)
        fail(conn, "connect");
    PQsetNoticeProcessor(conn, no_notice, NULL);
    return conn;
}

static void expect(const PGconn *conn, const PGresult *result, ExecStatusType status) {
    if (PQresultStatus(result) != status)
        fail(conn, PQresStatus(PQresultStatus(result)));
}

/* Runs a statement that answers with one row and drops the answer. */
static void run(PGconn *conn, const char *sql) {
    PGresult *result = PQexec(conn, sql);
    expect(conn, result, PGRES_TUPLES_OK);
    PQclear(result);
}

static PGconn *dial_prepared(const bench *b, const char *sql) {
    PGconn *conn = dial(b);
    PGresult *result = PQprepare(conn, "s", sql, 0, NULL);
    expect(conn, result, PGRES_COMMAND_OK);
    PQclear(result);
    return conn;
}

static void take(bench *b, const PGconn *conn, PGresult *result, const bench_id *id) {
    expect(conn, result, PGRES_TUPLES_OK);
    if (PQntuples(result) != 1)
        bench_fail("row", "not one");
    bench_check_item(b, id, PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0),
                     PQgetvalue(result, 0, 1), (size_t)PQgetlength(result, 0, 1));
    PQclear(result);
}

static void ask(PGconn *conn, const bench_id *id) {
    const char *values[] = { id->text };
    if (!PQsendQueryPrepared(conn, "s", 1, values, NULL, NULL, 0))
        fail(conn, "send");
}

/* --- w1: sequential round trips ------------------------------------------------------------------ */

static void round_trips(bench *b, PGconn *conn, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        const char *values[] = { b->ids[i].text };
        PGresult *result = PQexecPrepared(conn, "s", 1, values, NULL, NULL, 0);
        take(b, conn, result, &b->ids[i]);
    }
}

static void w1(bench *b) {
    PGconn *conn = dial_prepared(b, BENCH_SQL);
    round_trips(b, conn, BENCH_WARM);
    bench_begin(b);
    round_trips(b, conn, b->count);
    bench_end(b);
    PQfinish(conn);
}

/* --- w1u: the same, parsed each time --------------------------------------------------------------- */

static void afresh(bench *b, PGconn *conn, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        const char *values[] = { b->ids[i].text };
        PGresult *result = PQexecParams(conn, BENCH_SQL, 1, NULL, values, NULL, NULL, 0);
        take(b, conn, result, &b->ids[i]);
    }
}

static void w1u(bench *b) {
    PGconn *conn = dial(b);
    afresh(b, conn, BENCH_WARM);
    bench_begin(b);
    afresh(b, conn, b->count);
    bench_end(b);
    PQfinish(conn);
}

/* --- w2: a window of statements in flight -------------------------------------------------------- */

static void expect_end(PGconn *conn) {
    if (PQgetResult(conn) != NULL)
        bench_fail("pipeline", "more than one result");
}

static void take_sync(PGconn *conn) {
    PGresult *result = PQgetResult(conn);
    expect(conn, result, PGRES_PIPELINE_SYNC);
    PQclear(result);
}

static void end_window(PGconn *conn) {
    if (!PQpipelineSync(conn))
        fail(conn, "sync");
}

static void batches(bench *b, PGconn *conn, unsigned count) {
    for (unsigned done = 0; done < count;) {
        unsigned n = count - done < BENCH_WINDOW ? count - done : BENCH_WINDOW;
        for (unsigned i = 0; i < n; i++)
            ask(conn, &b->ids[done + i]);
        end_window(conn);
        for (unsigned i = 0; i < n; i++) {
            take(b, conn, PQgetResult(conn), &b->ids[done + i]);
            expect_end(conn);
        }
        take_sync(conn);
        done += n;
    }
}

static void window(bench *b, PGconn *conn, unsigned count) {
    unsigned sent = 0;
    for (unsigned done = 0; done < count; done++) {
        for (; sent < count && sent - done < BENCH_WINDOW; sent++) {
            ask(conn, &b->ids[sent]);
            end_window(conn);
        }
        take(b, conn, PQgetResult(conn), &b->ids[done]);
        expect_end(conn);
        take_sync(conn);
    }
}

static void pipelined(bench *b, void (*work)(bench *b, PGconn *conn, unsigned count)) {
    PGconn *conn = dial_prepared(b, BENCH_SQL);
    if (!PQenterPipelineMode(conn))
        fail(conn, "pipeline mode");
    work(b, conn, BENCH_WARM);
    bench_begin(b);
    work(b, conn, b->count);
    bench_end(b);
    PQfinish(conn);
}

static void w2b(bench *b) {
    pipelined(b, batches);
}

static void w2e(bench *b) {
    pipelined(b, window);
}

/* --- w3: several connections, one statement in flight on each ------------------------------------ */

typedef struct lane {
    PGconn *conn;
    const bench_id *id; /* in flight; NULL none */
} lane;

/* Everything that is there; true if the answer is complete. */
static bool lane_done(bench *b, lane *at) {
    if (!PQconsumeInput(at->conn))
        fail(at->conn, "read");
    while (!PQisBusy(at->conn)) {
        PGresult *result = PQgetResult(at->conn);
        if (!result)
            return true;
        take(b, at->conn, result, at->id);
    }
    return false;
}

static void lanes(bench *b, lane *all, unsigned count) {
    unsigned sent = 0, done = 0;
    struct pollfd fds[BENCH_LANES];
    for (unsigned i = 0; i < BENCH_LANES; i++, sent++) {
        fds[i] = (struct pollfd){ .fd = PQsocket(all[i].conn), .events = POLLIN };
        all[i].id = &b->ids[sent];
        ask(all[i].conn, all[i].id);
    }
    while (done < count) {
        if (poll(fds, BENCH_LANES, -1) < 0)
            bench_fail("poll", "failed");
        for (unsigned i = 0; i < BENCH_LANES; i++) {
            if (!(fds[i].revents & POLLIN) || !lane_done(b, &all[i]))
                continue;
            done++;
            if (sent < count) {
                all[i].id = &b->ids[sent++];
                ask(all[i].conn, all[i].id);
            }
        }
    }
}

static void w3(bench *b) {
    lane all[BENCH_LANES];
    for (unsigned i = 0; i < BENCH_LANES; i++)
        all[i].conn = dial_prepared(b, BENCH_SQL);
    lanes(b, all, BENCH_WARM);
    bench_begin(b);
    lanes(b, all, b->count);
    bench_end(b);
    for (unsigned i = 0; i < BENCH_LANES; i++)
        PQfinish(all[i].conn);
}

/* --- w4: many rows ------------------------------------------------------------------------------- */

static unsigned touch_rows(bench *b, const PGresult *result) {
    int rows = PQntuples(result), columns = PQnfields(result);
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++)
            bench_touch(b, PQgetvalue(result, row, column),
                        (size_t)PQgetlength(result, row, column));
    return (unsigned)rows;
}

static unsigned whole(bench *b, PGconn *conn) {
    PGresult *result = PQexecPrepared(conn, "s", 0, NULL, NULL, NULL, 0);
    expect(conn, result, PGRES_TUPLES_OK);
    unsigned rows = touch_rows(b, result);
    PQclear(result);
    return rows;
}

static unsigned row_by_row(bench *b, PGconn *conn) {
    unsigned rows = 0;
    PGresult *result;
    if (!PQsendQueryPrepared(conn, "s", 0, NULL, NULL, NULL, 0) || !PQsetSingleRowMode(conn))
        fail(conn, "send");
    while ((result = PQgetResult(conn)) != NULL) {
        if (PQresultStatus(result) != PGRES_SINGLE_TUPLE)
            expect(conn, result, PGRES_TUPLES_OK);
        rows += touch_rows(b, result);
        PQclear(result);
    }
    return rows;
}

static unsigned copy_out(bench *b, PGconn *conn) {
    unsigned rows = 0;
    char *line;
    PGresult *result = PQexec(conn, bench_bulk_sql(b, "COPY (", ") TO STDOUT"));
    expect(conn, result, PGRES_COPY_OUT);
    PQclear(result);
    for (int bytes; (bytes = PQgetCopyData(conn, &line, 0)) > 0; rows++) {
        bench_touch(b, line, (size_t)bytes);
        PQfreemem(line);
    }
    result = PQgetResult(conn);
    expect(conn, result, PGRES_COMMAND_OK);
    PQclear(result);
    expect_end(conn);
    return rows;
}

static void bulk(bench *b, unsigned (*work)(bench *b, PGconn *conn)) {
    PGconn *conn = dial_prepared(b, bench_bulk_sql(b, "", ""));
    run(conn, "SELECT count(*) FROM item");
    bench_begin(b);
    unsigned rows = work(b, conn);
    bench_end(b);
    if (rows != b->count)
        bench_fail("rows", "not as many as were asked for");
    PQfinish(conn);
}

static void w4n(bench *b) {
    bulk(b, whole);
}

static void w4s(bench *b) {
    bulk(b, row_by_row);
}

static void w4c(bench *b) {
    bulk(b, copy_out);
}

/* --- w5: connecting ------------------------------------------------------------------------------ */

static void connect_once(const bench *b) {
    PGconn *conn = dial(b);
    run(conn, "SELECT 1");
    PQfinish(conn);
}

static void w5first(bench *b) {
    connect_once(b); /* OpenSSL sets itself up once */
    bench_begin(b);
    for (unsigned i = 0; i < b->count; i++)
        connect_once(b);
    bench_end(b);
}

static void w5again(bench *b) {
    PGconn *conn = dial(b);
    bench_begin(b);
    for (unsigned i = 0; i < b->count; i++) {
        PGresult *result = PQexec(conn, BENCH_END_SQL);
        expect(conn, result, PGRES_FATAL_ERROR);
        PQclear(result);
        PQreset(conn);
        if (PQstatus(conn) != CONNECTION_OK)
            fail(conn, "reset");
        run(conn, "SELECT 1");
    }
    bench_end(b);
    PQfinish(conn);
}

/* --- w6: heap ------------------------------------------------------------------------------------ */

static bench_heaps heaps(bench *b, unsigned conns) {
    PGconn *all[1 + BENCH_IDLE];
    bench_heaps used;
    for (unsigned i = 0; i < conns; i++) {
        all[i] = dial(b);
        run(all[i], "SELECT 1");
    }
    used.idle = bench_heap();
    for (unsigned i = 0; i < conns; i++)
        run(all[i], BENCH_FIELD_SQL);
    used.after_field = bench_heap();
    for (unsigned i = 0; i < conns; i++)
        PQfinish(all[i]);
    return used;
}

static void w6(bench *b) {
    bench_print_heaps(heaps, b);
}

int main(int argc, char **argv) {
    static const bench_work works[] = {
        { "w1", w1 },           { "w1u", w1u },         { "w2b", w2b }, { "w2e", w2e },
        { "w3", w3 },           { "w4n", w4n },         { "w4s", w4s }, { "w4c", w4c },
        { "w5first", w5first }, { "w5again", w5again }, { "w6", w6 },   { NULL, NULL },
    };
    return bench_main(argc, argv, works);
}
