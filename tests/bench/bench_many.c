/* Ten connections, a hundred, a thousand: instructions of one login and of one statement, over the port of
 * tests/unit/many.h, whose cost for each call is the same however many there are.
 *
 *     bench_many logins CONNS          all connections log in
 *     bench_many statements CONNS      so many statements on each, all connections at work at once
 *     bench_many queued CONNS          as many in all, four times as many under way as there are connections,
 *                                      and one answer a tick
 *     bench_many few CONNS             as many statements in all, three at a time, the other connections idle
 *
 * Under callgrind with --collect-atstart=no --toggle-collect=hf_tick: what is counted is what ticks do, in these works
 * alone. Prints how many units of work that was.
 */
#include "bench.h"
#include "driver.h"
#include "many.h"

enum { STATEMENTS = 20000, AT_WORK = 3, QUEUED = 4, RX_BYTES = 1024, TX_BYTES = 512 };

typedef struct world {
    many net;
    hf_config config;
    hf_pool *pool;
    hf_ms now;
    unsigned left, under_way;
    bool one_a_tick;
} world;

static void done(hf_request *request) {
    world *w = request->user;
    if (request->outcome != HF_OUTCOME_OK)
        bench_fail(request->sql, "not OK");
    w->left--;
    w->under_way--;
    if (w->left > w->under_way && hf_submit(w->pool, request) == HF_OK)
        w->under_way++;
}

static hf_pool_status tick(world *w) {
    hf_pool_status status;
    if (w->one_a_tick)
        w->net.events = 1;
    const hf_ms next = hf_tick(w->pool, w->now);
    hf_pool_status_get(w->pool, &status);
    if (next > w->now && !hf_is_never(next) && !hf_notes_any(&w->net.notes))
        w->now = next;
    return status;
}

static void open_pool(world *w, unsigned conns) {
    hf_error error;
    w->config = (hf_config)HF_CONFIG_DEFAULT;
    w->config.driver = &hf_driver_pg;
    w->config.n_hosts = 1;
    w->config.hosts[0] = (hf_host){ .name = "db" };
    w->config.user = w->config.database = "app";
    w->config.sslmode = HF_SSL_DISABLE;
    w->config.max_concurrent = conns;
    w->config.rx_bytes = RX_BYTES;
    w->config.tx_bytes = TX_BYTES;
    w->config.jitter_percent = 0;
    const size_t bytes = HF_POOL_BYTES(conns, RX_BYTES, TX_BYTES);
    void *memory = calloc(1, bytes);
    if (!memory || !many_open(&w->net, conns))
        bench_fail("pool", "no memory");
    w->pool = hf_pool_init(memory, bytes, &w->config, &w->net.port, &error);
    if (!w->pool)
        bench_fail("pool", error.message);
    hf_pool_open(w->pool, conns);
}

static void log_in(world *w, unsigned conns) {
    while (tick(w).conns[HF_HEALTHY] < conns) {
    }
}

static void work_off(world *w, hf_request *requests, unsigned lanes, unsigned count) {
    w->left = count;
    w->under_way = lanes;
    for (unsigned i = 0; i < lanes; i++) {
        requests[i] = (hf_request){
            .sql = "SELECT 1", .replay = HF_REPLAY_SAFE, .prepare = true, .on_done = done, .user = w
        };
        if (hf_submit(w->pool, &requests[i]) != HF_OK)
            bench_fail("submit", "refused");
    }
    while (w->left > 0)
        tick(w);
}

int main(int argc, char **argv) {
    static world w;
    const unsigned conns = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (conns < AT_WORK || conns > HF_CONNS_MAX)
        bench_fail(argv[0], "logins|statements|queued|few CONNS");
    const bool logins = strcmp(argv[1], "logins") == 0;
    const unsigned lanes = strcmp(argv[1], "few") == 0      ? AT_WORK
                           : strcmp(argv[1], "queued") == 0 ? QUEUED * conns
                                                            : conns;
    hf_request *requests = calloc(lanes, sizeof *requests);
    if (!requests)
        bench_fail("requests", "no memory");
    open_pool(&w, conns);
    if (logins)
        CALLGRIND_ZERO_STATS;
    log_in(&w, conns);
    if (!logins) {
        work_off(&w, requests, lanes, 3 * lanes); /* prepared everywhere */
        w.one_a_tick = lanes > conns;
        CALLGRIND_ZERO_STATS;
        work_off(&w, requests, lanes, STATEMENTS);
    }
    printf("units=%u\n", logins ? conns : STATEMENTS);
    fflush(stdout);
    CALLGRIND_DUMP_STATS;
    _exit(0);
}
