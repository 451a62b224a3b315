/* A thousand connections cost each what three do: what a tick does is counted, in calls of the port and in memory that
 * is touched, never in time. */
#include "unit.h"

#include "engine/internal.h"
#include "many.h"

#include <sys/mman.h>
#include <unistd.h>

enum {
    MOST = HF_CONNS_MAX < 1000 ? HF_CONNS_MAX : 1000,
    FEW = HF_CONNS_MAX < 10 ? HF_CONNS_MAX : 10,
    AT_WORK = 3, /* statements under way, and so connections */
    LOW = 16     /* connections from here on are idle */
};

typedef struct world {
    many net;
    hf_config config;
    void *memory;
    size_t bytes;
    hf_pool *pool;
    hf_ms now;
    unsigned left;    /* statements that are not done … */
    unsigned at_work; /* … of which so many are under way at a time */
} world;

static world *new_world(unsigned conns) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_true(many_open(&w->net, conns));
    w->config = (hf_config)HF_CONFIG_DEFAULT;
    w->config.driver = &hf_driver_pg;
    w->config.n_hosts = 1;
    w->config.hosts[0] = (hf_host){ .name = "db" };
    w->config.user = w->config.database = "app";
    w->config.sslmode = HF_SSL_DISABLE;
    w->config.max_concurrent = conns;
    w->config.probe_interval_ms = 0;
    w->config.stable_after_ms = 0;
    w->config.jitter_percent = 0;
    w->config.max_outage_ms = HF_FOREVER;
    w->bytes = HF_POOL_BYTES(conns, w->config.rx_bytes, w->config.tx_bytes);
    w->memory = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(w->memory != MAP_FAILED);
    hf_error error;
    w->pool = hf_pool_init(w->memory, w->bytes, &w->config, &w->net.port, &error);
    assert_non_null(w->pool);
    return w;
}

/* One tick, and what a program asks behind each. */
static hf_pool_status tick(world *w) {
    hf_pool_status status;
    const hf_ms next = hf_tick(w->pool, w->now);
    hf_pool_status_get(w->pool, &status);
    if (next > w->now && !hf_notes_any(&w->net.notes) && !hf_is_never(next)) {
        w->now = next;
    }
    return status;
}

static void come_up(world *w) {
    const unsigned n = w->config.max_concurrent;
    hf_pool_open(w->pool, n);
    for (unsigned turns = 0; tick(w).conns[HF_HEALTHY] < n; turns++) {
        assert_true(turns < 100 * n);
        assert_in_range(w->pool->states[HF_CONNECTING] + w->pool->states[HF_RECONNECTING], 0,
                        HF_DIALS_AT_ONCE);
    }
    while (hf_notes_any(&w->net.notes) || w->pool->active) {
        tick(w);
    }
}

static void end_world(world *w) {
    hf_pool_close(w->pool, w->now + 1000);
    for (unsigned turns = 0; !hf_pool_closed(w->pool); turns++) {
        assert_true(turns < 10);
        tick(w);
    }
    assert_int_equal(w->net.n_open, 0);
    many_close_all(&w->net);
    munmap(w->memory, w->bytes);
    free(w);
}

static void again(hf_request *request) {
    world *w = request->user;
    assert_int_equal(request->outcome, HF_OUTCOME_OK);
    if (--w->left >= w->at_work) {
        assert_int_equal(hf_submit(w->pool, request), HF_OK);
    }
}

/* Logging in is not quadratic: who waits for the turn to log in costs nothing until it comes. */
static void r6_a_login_costs_the_same_among_ten_and_among_a_thousand(void **state) {
    (void)state;
    unsigned long each[2];
    const unsigned sizes[2] = { FEW, MOST };
    for (int i = 0; i < 2; i++) {
        world *w = new_world(sizes[i]);
        come_up(w);
        each[i] = w->net.calls / sizes[i];
        assert_int_equal(w->net.n_logins, sizes[i]);
        end_world(w);
    }
    assert_in_range(each[1], 1, each[0] + 2);
}

/* The memory of the connections from this one on, and of their buffers, is not there; or is again. */
static void take_away(const world *w, unsigned from, bool away) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    /* The first one's own may be away. */
    const uintptr_t rx = (uintptr_t)w->pool->conns[from - 1].io.rx.data,
                    before = (uintptr_t)w->pool->conns[from - 2].io.rx.data;
    const struct {
        uintptr_t begin, end;
    } parts[2] = { { (uintptr_t)&w->pool->conns[from], (uintptr_t)&w->pool->conns[MOST] },
                   { rx + (rx - before), (uintptr_t)w->memory + w->bytes } };
    for (int i = 0; i < 2; i++) {
        const uintptr_t begin = (parts[i].begin + page - 1) & ~(page - 1);
        const uintptr_t end = parts[i].end & ~(page - 1);
        assert_true(end > begin);
        assert_int_equal(
            mprotect((void *)begin, end - begin, away ? PROT_NONE : PROT_READ | PROT_WRITE), 0);
    }
}

/* More statements are under way at a time, so many of them, until none of `left` is left. */
static void begin_work(world *w, hf_request *requests, unsigned at_work, unsigned left) {
    w->at_work += at_work;
    w->left = left;
    for (unsigned i = 0; i < at_work; i++) {
        requests[i] = (hf_request){ .sql = "SELECT 1",
                                    .replay = HF_REPLAY_SAFE,
                                    .prepare = HF_WITH_PREPARED,
                                    .on_done = again,
                                    .user = w };
        assert_int_equal(hf_submit(w->pool, &requests[i]), HF_OK);
    }
}

/* One answer a tick, until so many statements are left. */
static void work_down_to(world *w, unsigned left) {
    for (unsigned turns = 0; w->left > left; turns++) {
        assert_true(turns < 100000);
        w->net.events = 1;
        tick(w);
    }
    w->net.events = UINT_MAX;
}

/* What is idle costs a tick nothing: its memory is not even there. */
static void a_tick_touches_nothing_of_an_idle_connection(void **state) {
    (void)state;
    if (MOST <= 2 * LOW) {
        skip();
    }
    world *w = new_world(MOST);
    come_up(w);
    take_away(w, LOW, true);
    hf_request requests[AT_WORK];
    begin_work(w, requests, AT_WORK, 1000);
    work_down_to(w, 0);
    take_away(w, LOW, false);
    end_world(w);
}

/* Nor does one cost anything that is at work and has no news, while statements are queued: be it that it has its part
 * of them, or that its answer is late. */
static void r12_who_takes_the_next_statement_is_found_without_asking_all(void **state) {
    (void)state;
    if (MOST <= 2 * LOW) {
        skip();
    }
    enum { HALF = MOST / 2, QUEUED = 4 * MOST, PHASE = 10 * MOST };
    world *w = new_world(MOST);
    w->config.request_timeout_ms = 0; /* their timers lie in one heap, which is not to be touched */
    hf_request *requests = calloc(2 * (size_t)QUEUED, sizeof *requests);
    assert_non_null(requests);
    come_up(w);
    begin_work(w, requests, QUEUED, 2 * PHASE);
    work_down_to(w, PHASE);
    for (unsigned i = HALF; i < MOST; i++) { /* they are silent from now on */
        hf_notes_remove(&((many_link *)(void *)w->pool->conns[i].dial.link)->note);
        assert_true(w->pool->conns[i].n_flight > 0);
    }
    for (int late = 0; late < 2; late++) {
        if (late) {
            w->now += 1000;
            begin_work(w, requests + QUEUED, QUEUED, 2 * PHASE);
        }
        w->net.events = 0;
        tick(w);
        take_away(w, HALF, true);
        work_down_to(w, PHASE / 2);
        assert_true(w->pool->n_queued > MOST);
        take_away(w, HALF, false);
    }
    for (unsigned i = HALF; i < MOST; i++) {
        hf_notes_add(&w->net.notes, &((many_link *)(void *)w->pool->conns[i].dial.link)->note);
    }
    work_down_to(w, 0);
    free(requests);
    end_world(w);
}

/* All are lost at one moment and come back, a few at a time: each costs what one of ten does. Probing what is left, of
 * which each probe finds its connection lost too, goes no deeper with each. */
static void r6_a_thousand_that_are_lost_come_back_for_the_price_of_ten(void **state) {
    (void)state;
    unsigned long each[2];
    const unsigned sizes[2] = { FEW, MOST };
    for (int i = 0; i < 2; i++) {
        world *w = new_world(sizes[i]);
        come_up(w);
        for (unsigned link = 0; link < w->net.n_links; link++) {
            w->net.links[link].broken = true;
        }
        hf_notes_add(&w->net.notes, &((many_link *)(void *)w->pool->conns[0].dial.link)->note);
        w->net.calls = 0;
        assert_int_equal(tick(w).conns[HF_HEALTHY], 0);
        come_up(w);
        hf_pool_status status = tick(w);
        assert_int_equal(status.losses, sizes[i]);
        assert_int_equal(status.outages, 1);
        each[i] = w->net.calls / sizes[i];
        end_world(w);
    }
    assert_in_range(each[1], 1, each[0] + 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r6_a_login_costs_the_same_among_ten_and_among_a_thousand),
        cmocka_unit_test(a_tick_touches_nothing_of_an_idle_connection),
        cmocka_unit_test(r12_who_takes_the_next_statement_is_found_without_asking_all),
        cmocka_unit_test(r6_a_thousand_that_are_lost_come_back_for_the_price_of_ten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
