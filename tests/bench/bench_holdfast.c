/* The works through holdfast, as its header shows them: requests whose on_done submits the next, and the
 * loop of two calls, hf_tick() and hf_linux_wait().
 */
#include "bench.h"
#include "holdfast/linux.h"

enum { RX_BYTES = 16384, TX_BYTES = 16384, LARGE_RX_BYTES = 131072, CONNS_MAX = 1 + BENCH_IDLE };
enum { MANY = 1000 };

/* A port and a pool; the pool's memory is the caller's, so none of it is heap. */
typedef struct client {
    hf_config config;
    hf_linux port;
    hf_pool *pool;
} client;

_Alignas(16) static unsigned char memory[HF_POOL_BYTES(MANY, RX_BYTES, TX_BYTES)];
_Static_assert(HF_POOL_BYTES(CONNS_MAX, LARGE_RX_BYTES, TX_BYTES) <= sizeof memory,
               "MANY are more");

/* Some requests that are submitted again and again until `left` statements are done. */
typedef struct job {
    bench *b;
    hf_pool *pool;
    unsigned next, left; /* id to ask for next; statements that are not done yet */
} job;

typedef struct lane {
    hf_request request;
    hf_value param;
    const bench_id *id;
    job *job;
} lane;

static _Noreturn void fail(const char *what, const hf_error *error) {
    char why[HF_MESSAGE_BYTES + 200];
    hf_error_text(error, why, sizeof why);
    bench_fail(what, why);
}

static void configure(client *c, const bench *b, uint32_t conns) {
    hf_error error;
    c->config = (hf_config)HF_CONFIG_DEFAULT;
    c->config.max_concurrent = conns;
    c->config.jitter_percent = 0; /* further connections follow the first at once */
    if (!hf_config_dsn(&c->config, b->dsn, &error))
        fail("DSN", &error);
}

static void start(client *c) {
    hf_error error;
    if (!hf_linux_init(&c->port, &c->config, &error))
        fail("port", &error);
    c->pool = hf_pool_init(memory, sizeof memory, &c->config, hf_linux_port(&c->port), &error);
    if (!c->pool)
        fail("pool", &error);
}

static hf_ms tick(client *c) {
    return hf_tick(c->pool, hf_linux_now(&c->port));
}

static void stop(client *c) {
    hf_pool_close(c->pool, hf_linux_now(&c->port) + 1000);
    for (;;) {
        hf_ms next = tick(c);
        if (hf_pool_closed(c->pool))
            break;
        hf_linux_wait(&c->port, next);
    }
    hf_linux_close(&c->port);
}

/* Turns until all connections are up. */
static void open_all(client *c, unsigned conns) {
    hf_pool_status status;
    hf_pool_open(c->pool, conns);
    for (;;) {
        hf_ms next = tick(c);
        hf_pool_status_get(c->pool, &status);
        if (status.conns[HF_HEALTHY] == conns)
            break;
        if (status.refused)
            fail("connect", &status.last_error);
        hf_linux_wait(&c->port, next);
    }
}

static void work_off(client *c, const unsigned *left) {
    for (;;) {
        hf_ms next = tick(c);
        if (*left == 0)
            break;
        hf_linux_wait(&c->port, next);
    }
}

static void expect_ok(const hf_request *request) {
    if (request->outcome != HF_OUTCOME_OK)
        fail(request->sql ? request->sql : "batch", &request->error);
}

/* --- one statement, and what becomes of it ------------------------------------------------------- */

static int touch_row(hf_request *request, hf_row *row) {
    job *j = request->user;
    hf_value value;
    while (hf_row_next(row, &value))
        bench_touch(j->b, value.data, value.bytes);
    return HF_CONTINUE;
}

static void count_done(hf_request *request) {
    job *j = request->user;
    expect_ok(request);
    j->left--;
}

/* Runs one statement to its end. */
static void run(client *c, bench *b, const char *sql) {
    job j = { .b = b, .pool = c->pool, .left = 1 };
    hf_request request = {
        .sql = sql, .replay = HF_REPLAY_SAFE, .on_row = touch_row, .on_done = count_done, .user = &j
    };
    hf_submit(c->pool, &request);
    work_off(c, &j.left);
}

/* --- w1, w1u, w2e, w3, m10 …: the statement, prepared or not, in as many lanes as there are in flight ----- */

static int item_row(hf_request *request, hf_row *row) {
    lane *at = request->user;
    hf_value name, price;
    if (!hf_row_next(row, &name) || !hf_row_next(row, &price))
        bench_fail("row", "too few columns");
    bench_check_item(at->job->b, at->id, name.data, name.bytes, price.data, price.bytes);
    return HF_CONTINUE;
}

static void ask(lane *at) {
    job *j = at->job;
    at->id = &j->b->ids[j->next++];
    at->param = (hf_value){ .data = at->id->text, .bytes = at->id->bytes };
    hf_submit(j->pool, &at->request);
}

static void item_done(hf_request *request) {
    lane *at = request->user;
    job *j = at->job;
    if (request->outcome != HF_OUTCOME_OK || request->n_rows != 1)
        fail("row", &request->error);
    j->left--;
    if (j->next < j->b->count)
        ask(at);
}

static void lanes(client *c, bench *b, lane *all, unsigned n, unsigned count, bool prepare) {
    unsigned whole = b->count;
    b->count = count;
    job j = { .b = b, .pool = c->pool, .left = count };
    for (unsigned i = 0; i < n; i++) {
        all[i] = (lane){ .job = &j };
        all[i].request = (hf_request){
            .sql = BENCH_SQL,
            .params = &all[i].param,
            .n_params = 1,
            .replay = HF_REPLAY_SAFE,
            .prepare = prepare,
            .on_row = item_row,
            .on_done = item_done,
            .user = &all[i],
        };
        if (j.next < count)
            ask(&all[i]);
    }
    work_off(c, &j.left);
    b->count = whole;
}

static void statements(bench *b, unsigned conns, unsigned in_flight, bool prepare) {
    static client c;
    static lane all[MANY];
    configure(&c, b, conns);
    c.config.max_pipelined = in_flight / conns;
    c.config.tx_bytes = in_flight > conns ? TX_BYTES : c.config.tx_bytes;
    start(&c);
    open_all(&c, conns);
    lanes(&c, b, all, in_flight, BENCH_WARM, prepare);
    bench_begin(b);
    lanes(&c, b, all, in_flight, b->count, prepare);
    bench_end(b);
    stop(&c);
}

static void w1(bench *b) {
    statements(b, 1, 1, true);
}

static void w1u(bench *b) {
    statements(b, 1, 1, false);
}

static void w2e(bench *b) {
    statements(b, 1, BENCH_WINDOW, true);
}

static void w3(bench *b) {
    statements(b, BENCH_LANES, BENCH_LANES, true);
}

/* Not prepared, since an older pgbouncer knows no prepared statements. */
static void m10(bench *b) {
    statements(b, 10, 10, false);
}

static void m100(bench *b) {
    statements(b, 100, 100, false);
}

static void m1000(bench *b) {
    statements(b, MANY, MANY, false);
}

/* --- w2b: batches, a transaction each ------------------------------------------------------------- */

typedef struct batch {
    hf_request request;
    hf_statement statements[BENCH_WINDOW];
    hf_value params[BENCH_WINDOW];
    const bench_id *ids;
    job *job;
} batch;

static int batch_row(hf_request *request, hf_row *row) {
    batch *at = request->user;
    hf_value name, price;
    if (!hf_row_next(row, &name) || !hf_row_next(row, &price))
        bench_fail("row", "too few columns");
    bench_check_item(at->job->b, &at->ids[row->statement], name.data, name.bytes, price.data,
                     price.bytes);
    return HF_CONTINUE;
}

static void ask_batch(batch *at) {
    job *j = at->job;
    unsigned n = j->b->count - j->next < BENCH_WINDOW ? j->b->count - j->next : BENCH_WINDOW;
    at->ids = &j->b->ids[j->next];
    for (unsigned i = 0; i < n; i++)
        at->params[i] = (hf_value){ .data = at->ids[i].text, .bytes = at->ids[i].bytes };
    at->request.n_batch = (uint16_t)n;
    j->next += n;
    hf_submit(j->pool, &at->request);
}

static void batch_done(hf_request *request) {
    batch *at = request->user;
    job *j = at->job;
    expect_ok(request);
    if (request->n_rows != request->n_batch)
        bench_fail("batch", "not one row for each statement");
    j->left -= request->n_batch;
    if (j->left > 0)
        ask_batch(at);
}

static void batches(client *c, bench *b, unsigned count) {
    static batch at;
    unsigned whole = b->count;
    b->count = count;
    job j = { .b = b, .pool = c->pool, .left = count };
    at.job = &j;
    at.request = (hf_request){ .batch = at.statements,
                               .prepare = true,
                               .on_row = batch_row,
                               .on_done = batch_done,
                               .user = &at };
    for (unsigned i = 0; i < BENCH_WINDOW; i++)
        at.statements[i] =
            (hf_statement){ .sql = BENCH_SQL, .params = &at.params[i], .n_params = 1 };
    ask_batch(&at);
    work_off(c, &j.left);
    b->count = whole;
}

static void w2b(bench *b) {
    static client c;
    configure(&c, b, 1);
    c.config.tx_bytes = TX_BYTES;
    start(&c);
    open_all(&c, 1);
    batches(&c, b, BENCH_WARM);
    bench_begin(b);
    batches(&c, b, b->count);
    bench_end(b);
    stop(&c);
}

/* --- w4: many rows, streamed ---------------------------------------------------------------------- */

static void w4(bench *b) {
    static client c;
    job j = { .b = b, .left = 1 };
    hf_request request = { .sql = bench_bulk_sql(b, "", ""),
                           .replay = HF_REPLAY_SAFE,
                           .prepare = true,
                           .on_row = touch_row,
                           .on_done = count_done,
                           .user = &j };
    configure(&c, b, 1);
    start(&c);
    j.pool = c.pool;
    run(&c, b, "SELECT count(*) FROM item");
    bench_begin(b);
    hf_submit(c.pool, &request);
    work_off(&c, &j.left);
    bench_end(b);
    if (request.n_rows != b->count)
        bench_fail("rows", "not as many as were asked for");
    stop(&c);
}

/* --- w5: connecting ------------------------------------------------------------------------------- */

static void connect_once(client *c, bench *b) {
    configure(c, b, 1);
    start(c);
    run(c, b, "SELECT 1");
    stop(c);
}

static void w5first(bench *b) {
    static client c;
    connect_once(&c, b); /* mbedTLS sets itself up once */
    bench_begin(b);
    for (unsigned i = 0; i < b->count; i++)
        connect_once(&c, b);
    bench_end(b);
}

/* The session ends under its statement: how it ends is not of interest, only that it does. */
static void count_end(hf_request *request) {
    job *j = request->user;
    if (request->outcome == HF_OUTCOME_OK)
        bench_fail(BENCH_END_SQL, "the session lives on");
    j->left--;
}

static void w5again(bench *b) {
    static client c;
    configure(&c, b, 1);
    c.config.max_retries = 0;
    c.config.first_delay_ms = 0;
    start(&c);
    run(&c, b, "SELECT 1");
    bench_begin(b);
    for (unsigned i = 0; i < b->count; i++) {
        job j = { .b = b, .pool = c.pool, .left = 1 };
        hf_request request = { .sql = BENCH_END_SQL, .on_done = count_end, .user = &j };
        hf_submit(c.pool, &request);
        work_off(&c, &j.left);
        run(&c, b, "SELECT 1");
    }
    bench_end(b);
    stop(&c);
}

/* --- w6: heap ------------------------------------------------------------------------------------- */

static bench_heaps heaps(bench *b, unsigned conns) {
    static client c;
    static lane all[CONNS_MAX];
    bench_heaps used;
    job j = { .b = b, .left = conns };
    configure(&c, b, conns);
    c.config.rx_bytes = LARGE_RX_BYTES;
    start(&c);
    open_all(&c, conns);
    run(&c, b, "SELECT 1");
    used.idle = bench_heap();
    j.pool = c.pool;
    for (unsigned i = 0; i < conns; i++) { /* it sleeps long enough to be on each of them */
        all[i].request = (hf_request){ .sql = BENCH_FIELD_SQL ", pg_sleep(0.1)",
                                       .replay = HF_REPLAY_SAFE,
                                       .on_row = touch_row,
                                       .on_done = count_done,
                                       .user = &j };
        hf_submit(c.pool, &all[i].request);
    }
    work_off(&c, &j.left);
    used.after_field = bench_heap();
    stop(&c);
    return used;
}

static void w6(bench *b) {
    bench_print_heaps(heaps, b);
    printf("buffer=%zu\n", HF_POOL_BYTES(2, 16384, 4096) - HF_POOL_BYTES(1, 16384, 4096));
}

int main(int argc, char **argv) {
    static const bench_work works[] = {
        { "w1", w1 },   { "w1u", w1u }, { "w2b", w2b },         { "w2e", w2e },
        { "w3", w3 },   { "w4", w4 },   { "w5first", w5first }, { "w5again", w5again },
        { "w6", w6 },   { "m10", m10 }, { "m100", m100 },       { "m1000", m1000 },
        { NULL, NULL },
    };
    return bench_main(argc, argv, works);
}
