#include "run.h"

#include <stdio.h>
#include <string.h>

#include "chaos.h"
#include "check.h"
#include "digest.h"
#include "ledger.h"
#include "port.h"
#include "server.h"
#include "table.h"
#include "ticket.h"

/* One run: settings, chaos, healing, closing, and what is left on its way. The loop is an application's: it ticks
 * when the pool asked for it or the port has an event, sometimes too late, sometimes for nothing. */

enum { GUARD = 64, MEMORY = 8 << 20 };

hf_pool *sim_pool;
hf_config sim_config;
static _Alignas(16) uint8_t memory[MEMORY + 2 * GUARD];
static size_t pool_bytes;
static hf_ms promise;
static uint64_t moves; /* sim.moves after the last tick: more since then is an event */

bool sim_guards_intact(void) {
    static uint8_t guard[GUARD];
    memset(guard, 0xa5, sizeof guard);
    return memcmp(memory, guard, GUARD) == 0 &&
           memcmp(memory + GUARD + pool_bytes, guard, GUARD) == 0;
}

/* --- settings ------------------------------------------------------------------------------------------ */

static void on_transition(void *user, const hf_transition *transition) {
    (void)user;
    sim_note_transition(transition);
    sim_digest("transition", transition->conn, transition->from * 256u + transition->to,
               transition->at - sim.began);
    sim_digest("because", transition->event, transition->attempt, transition->wait_ms);
    sim_digest_error(transition->error);
    sim_hit_edge(transition);
    sim_check_transition(transition);
}

static void on_notice(void *user, unsigned conn, const hf_error *notice, const hf_fields *fields) {
    (void)user, (void)fields;
    sim_digest("notice", conn, 0, 0);
    sim_digest_error(notice);
}

static void on_notify(void *user, unsigned conn, const char *channel, const char *payload) {
    (void)user;
    sim_digest("notify", conn, 0, 0);
    sim_digest_bytes(channel, strlen(channel));
    sim_digest_bytes(payload, strlen(payload));
}

static void on_commits(void *user) {
    (void)user;
    sim_check_on_commits();
}

static uint32_t some(uint32_t low, uint32_t high) {
    return sim_scaled(&sim.rng, low, high);
}

/* Zero, for ever, or something between. */
static uint32_t maybe(uint32_t low, uint32_t high, uint32_t per_mille_none) {
    if (sim_chance(&sim.rng, per_mille_none))
        return sim_chance(&sim.rng, 500) ? 0 : HF_FOREVER;
    return some(low, high);
}

static void choose_times(hf_config *config) {
    config->retry_delay_ms = sim_chance(&sim.rng, 100) ? 0 : some(10, 4000);
    config->max_retry_delay_ms = config->retry_delay_ms + some(0, 30000);
    config->retry_factor = sim_between(&sim.rng, 1, 4);
    config->first_delay_ms = sim_chance(&sim.rng, 300) ? some(0, 3000) : HF_UNSET;
    config->jitter_percent = sim_chance(&sim.rng, 300) ? 0 : sim_between(&sim.rng, 0, 100);
    config->connect_timeout_ms = some(800, 20000);
    config->reconnect_timeout_ms = some(800, 20000);
    config->probe_reconnect_timeout_ms = some(800, 20000);
    config->close_timeout_ms = sim_chance(&sim.rng, 100) ? 0 : some(10, 6000);
    config->probe_close_timeout_ms = sim_chance(&sim.rng, 100) ? 0 : some(10, 6000);
    config->probe_interval_ms = maybe(200, 60000, 100);
    config->probe_timeout_ms = some(100, 8000);
    config->request_timeout_ms = maybe(200, 120000, 100);
    config->stable_after_ms = sim_chance(&sim.rng, 100) ? 0 : some(1, 20000);
    config->max_outage_ms = sim_chance(&sim.rng, 300)   ? HF_FOREVER
                            : sim_chance(&sim.rng, 500) ? 0
                                                        : some(100, 300000);
}

static void choose_settings(void) {
    static const uint32_t sizes[] = { 1, 1, 2, 3, 3, 4, 8, 64 };
    hf_config *config = &sim_config;
    *config = (hf_config)HF_CONFIG_DEFAULT;
    config->user = "app";
    config->database = "app";
    config->max_concurrent =
        sim_chance(&sim.rng, 50) ? sim_between(&sim.rng, 1, 64) : sizes[sim_below(&sim.rng, 8)];
    if (config->max_concurrent > SIM_CONNS)
        config->max_concurrent = SIM_CONNS;
    config->max_pipelined = sim_chance(&sim.rng, 500) ? 1 : sim_between(&sim.rng, 2, 16);
    if (HF_WITH_GROUPS && config->max_pipelined > 1 && config->max_pipelined < 5)
        config->max_pipelined = 0; /* as the answers allow */
    config->max_retries = sim_chance(&sim.rng, 100) ? 0 : sim_between(&sim.rng, 1, 8);
    config->connect_retries = sim_chance(&sim.rng, 200) ? HF_FOREVER : sim_between(&sim.rng, 0, 5);
    config->rx_bytes = some(1024, 16384);
    config->tx_bytes = some(1024, 8192) + (sim_has_ledger() ? 2048 : 0); /* room for its head */
    choose_times(config);
    if (config->retry_delay_ms == 0 && config->max_concurrent > 8)
        config->max_concurrent = 8; /* many that try without a pause: the seed would take minutes */
    sim_access_now.scram = sim_chance(&sim.rng, 400);
    config->password = sim_access_now.scram ? "secret" : NULL;
    sim_access_now.pooler = sim_chance(&sim.rng, 80);
    sim_access_now.moves =
        sim_access_now.pooler ? sim_chance(&sim.rng, 500) : sim_chance(&sim.rng, 60);
    sim_access_now.old = sim_chance(&sim.rng, 80);
    sim_access_now.tells_role =
        !sim_access_now.old && sim_chance(&sim.rng, sim_access_now.pooler ? 500 : 950);
    static const char *const whys[] = { "42883", "0A000", "42501" };
    sim_access_now.ticketless = sim_chance(&sim.rng, 60) ? whys[sim_below(&sim.rng, 3)] : NULL;
    sim_access_now.lazy = sim_chance(&sim.rng, 200);
    sim_access_now.synchronous = !sim_access_now.lazy && sim_chance(&sim.rng, 250);
    if (sim_access_now.synchronous && sim_chance(&sim.rng, 300)) /* a commit hangs for too long */
        config->max_outage_ms = some(100, 10000);
    sim_table_reset(sim_access_now.lazy);
    config->sslmode = sim_chance(&sim.rng, 350) ? HF_SSL_REQUIRE : HF_SSL_DISABLE;
    config->read_only = sim_chance(&sim.rng, 100);
    if (sim_chance(&sim.rng, 700)) {
        config->hosts[0].name = "db";
        config->n_hosts = 1;
    } else {
        static const char *const names[] = { "db0", "db1", "db2" };
        const uint32_t n = sim_between(&sim.rng, 1, 3);
        config->n_hosts = (uint8_t)(n < HF_HOSTS_MAX ? n : HF_HOSTS_MAX);
        for (unsigned i = 0; i < config->n_hosts && i < 3; i++)
            config->hosts[i].name = names[i];
    }
    if (sim_has_groups()) { /* without what keeps reads apart: fewer texts, a server that tells its role */
        config->read_only = true;
        config->max_pipelined = config->max_pipelined == 1 ? 8 : config->max_pipelined;
        config->max_concurrent = 1 + config->max_concurrent % 3;
        sim_access_now.pooler = sim_access_now.old = false;
        sim_access_now.tells_role = true;
    }
    config->on_transition = on_transition;
    config->on_notice = on_notice;
    config->on_commits = on_commits;
    config->on_notify = on_notify;
}

void sim_print_settings(void) {
    for (size_t i = 0; i < hf_settings_count; i++) {
        uint32_t value;
        memcpy(&value, (const char *)&sim_config + hf_settings[i].offset, sizeof value);
        if (value != hf_settings[i].value)
            printf("%s=%u ", hf_settings[i].name, value);
    }
    printf("hosts=%u tls=%d scram=%d read_only=%d\n", sim_config.n_hosts,
           sim_config.sslmode != HF_SSL_DISABLE, sim_config.password != NULL, sim_config.read_only);
    for (unsigned i = 0; sim_pool && i < sim_pool->n_conns; i++) {
        const hf_conn *conn = &sim_pool->conns[i];
        const sim_link *link = (const sim_link *)(const void *)conn->dial.link;
        if (conn->fsm.state != HF_IDLE)
            printf("  conn %u %s, link %u, %u in flight%s%s%s\n", i,
                   hf_state_name((hf_state)conn->fsm.state), link ? link->number : 0,
                   conn->n_flight, conn->paused_at != HF_NEVER ? ", paused" : "",
                   conn->cancel_deadline != HF_NEVER ? ", cancelling" : "",
                   conn->tx_blocked ? ", blocked" : "");
    }
}

bool sim_has_timeouts(void) {
    return sim_config.request_timeout_ms != 0 && sim_config.request_timeout_ms != HF_FOREVER;
}

static hf_ms choose_start(sim_rng *rng) {
    const uint32_t kind = sim_below(rng, 100);
    if (kind < 25)
        return 0;
    if (kind < 60)
        return ((hf_ms)1 << 32) - sim_scaled(rng, 1, 400000);
    if (kind < 70)
        return ((hf_ms)1 << 31) - sim_scaled(rng, 1, 400000);
    return sim_random(rng) >> 22;
}

/* What was left out of the build is refused, and so is a pool of more connections than it was built for. */
static void ask_for_what_is_left_out(void) {
    hf_request resolve = { .sql = "SELECT 1", .replay = HF_REPLAY_RESOLVE };
    SIM_CHECK(HF_WITH_RESOLVE || hf_submit(sim_pool, &resolve) == HF_ERR_ARGUMENT,
              "a build without RESOLVE takes none", "", 0, 0, 0);
    const uint32_t usual = sim_config.max_concurrent;
    sim_config.max_concurrent = HF_CONNS_MAX + 1;
    SIM_CHECK(!hf_pool_init(memory, MEMORY, &sim_config, sim_net_port(), NULL),
              "no pool has more connections than HF_CONNS_MAX", "", 0, 0, 0);
    sim_config.max_concurrent = usual;
}

static void make_pool(void) {
    hf_error error;
    choose_settings();
    if (!hf_config_check(&sim_config, &error))
        sim_fail("settings are valid", "the simulator chose others", 0, 0, 0);
    pool_bytes = HF_POOL_BYTES(sim_config.max_concurrent, sim_config.rx_bytes, sim_config.tx_bytes);
    SIM_CHECK(pool_bytes <= MEMORY, "settings fit the simulator", "# bytes", pool_bytes, 0, 0);
    memset(memory, 0xa5, pool_bytes + 2 * GUARD);
    sim_pool = hf_pool_init(memory + GUARD, pool_bytes, &sim_config, sim_net_port(), &error);
    SIM_CHECK(sim_pool == (void *)(memory + GUARD), "a pool lies where it was put", "", 0, 0, 0);
    ask_for_what_is_left_out();
    if (sim_chance(&sim.rng, 300))
        hf_pool_open(sim_pool, sim_between(&sim.rng, 1, sim_config.max_concurrent));
}

/* --- the loop --------------------------------------------------------------------------------------------- */

static void tick(void) {
    sim.ticks++;
    sim_check_before();
    promise = hf_tick(sim_pool, sim.now);
    moves = sim.moves;
    sim_check_tick(promise);
}

/* To the next moment at which somebody would call hf_tick(), at most to `until`; then calls it. */
static void step(hf_ms until) {
    for (;;) {
        if (sim_suspended_until > sim.now) {
            const hf_ms at = sim_suspended_until;
            sim_run_events(at < until ? at : until);
            break;
        }
        if (sim_port_has_event() || promise <= sim.now || sim.moves != moves)
            break;
        hf_ms next = sim_next_event();
        next = next < promise ? next : promise;
        next = next < until ? next : until;
        const bool wrapped = sim.now >> 32 != next >> 32;
        if (wrapped)
            sim_hit(SIM_TIME_WRAP);
        sim_run_events(next);
        if (next >= until || next == promise || sim_strikes(SIM_TIME_EARLY))
            break;
    }
    if (sim_strikes(SIM_TIME_LATE)) { /* the application is busy elsewhere */
        sim_suspended_until = sim.now + sim_scaled(&sim.rng, 1, 3000);
        sim_run_events(sim_suspended_until);
    }
    tick();
}

static void heal(void) {
    sim_chaos_heal();
    sim_net_heal();
    sim_dns_heal();
    sim_work_stop();
    sim_check_heal();
    if (sim_chance(&sim.rng, 300))
        hf_pool_open(sim_pool, sim_between(&sim.rng, 1, sim_config.max_concurrent));
}

/* All that was asked for must end, and what is asked for now must succeed. */
static void converge(void) {
    const hf_ms limit = sim_check_limit();
    unsigned refused = 0;
    sim_work_prove(2 * sim_config.max_concurrent < 20 ? 2 * sim_config.max_concurrent : 20);
    while (sim_work_pending() > 0 || sim_work_unproved() > 0 ||
           sim_pool->n_up < sim_pool->keep_open) {
        SIM_CHECK(sim.now < limit || sim_work_pending() + sim_work_unproved() == 0,
                  "after healing every request ends", "# are left at #, # must succeed",
                  sim_work_pending(), sim.now, sim_work_unproved());
        SIM_CHECK(sim.now < limit, "after healing every connection comes back",
                  "# of # are HEALTHY at #", sim_pool->n_up, sim_pool->keep_open, sim.now);
        if ((sim_pool->refused || sim_pool->extra_refused || sim_passwords_used_up()) &&
            ++refused <= 3) /* one that was still on its way */
            sim_chaos_reset_pool();
        SIM_CHECK(refused <= 3, "after healing nothing is refused", "# times", refused, 0, 0);
        if (sim_work_pending() == 0 && sim_work_unproved() > 0)
            sim_work_prove(sim_work_unproved());
        step(limit);
    }
}

/* What the pool says of itself at the end. */
static void check_status(void) {
    hf_pool_status status;
    uint32_t done[HF_OUTCOME_UNKNOWN + 1] = { 0 };
    hf_pool_status_get(sim_pool, &status);
    for (uint32_t token = 1; token <= sim_n_jobs; token++)
        done[sim_jobs[token].outcome]++;
    for (unsigned i = HF_OUTCOME_OK; i <= HF_OUTCOME_UNKNOWN; i++)
        SIM_CHECK(status.done[i] == done[i] + (i == HF_OUTCOME_UNKNOWN ? sim_n_asked_first : 0),
                  "hf_pool_status() tells the truth", "# of outcome #, not #", done[i], i,
                  status.done[i]);
    SIM_CHECK(status.queued == 0 && status.in_flight == 0, "hf_pool_status() tells the truth",
              "# queued, # in flight", status.queued, status.in_flight, 0);
    SIM_CHECK(status.dials == sim_n_dials && status.ups == sim_n_ups &&
                  status.losses == sim_n_losses,
              "hf_pool_status() tells the truth", "# dials, # ups, # losses", sim_n_dials,
              sim_n_ups, sim_n_losses);
}

/* Nothing of the login is left in the memory of a pool that is closed. */
static void check_wiped(void) {
    static const hf_keys none;
    for (size_t i = 0; i + 6 <= pool_bytes; i++)
        SIM_CHECK(memcmp(memory + GUARD + i, "secret", 6) != 0, "secrets are wiped",
                  "the password is left at #", i, 0, 0);
    for (unsigned i = 0; i < sim_config.n_hosts; i++)
        SIM_CHECK(memcmp(&sim_pool->endpoints.list[i].keys, &none, sizeof none) == 0,
                  "secrets are wiped", "keys of endpoint #", i, 0, 0);
}

static void close_pool(void) {
    const hf_ms deadline = sim.now + some(0, 10000);
    if (sim_chance(&sim.rng, 400)) {
        sim_work_more(sim_between(&sim.rng, 1, 10));
        tick();
        sim_hit(SIM_APP_CLOSE_BUSY);
    }
    sim_note("the pool is to close within # ms", deadline - sim.now, 0, 0);
    hf_pool_close(sim_pool, deadline);
    promise = sim.now;
    while (!hf_pool_closed(sim_pool)) {
        step(deadline + 1);
        SIM_CHECK(sim.now <= deadline || hf_pool_closed(sim_pool), "the pool closes in time", "", 0,
                  0, 0);
    }
    SIM_CHECK(sim_work_pending() == 0, "every request ends", "# are left in a closed pool",
              sim_work_pending(), 0, 0);
    check_status();
    if (sim_access_now.scram)
        check_wiped();
    for (unsigned i = 0; i < sim_links_top; i++)
        SIM_CHECK(!sim_links[i].used || sim_links[i].client_gone, "no link leaks",
                  "link # outlives the pool", sim_links[i].number, 0, 0);
}

bool sim_run(uint64_t seed, sim_totals *totals) {
    sim_rng rng = { .state = seed ^ 0x5eed };
    sim_world_reset(seed, choose_start(&rng));
    sim_digest_begin(seed);
    if (setjmp(sim.failure) == 0) {
        sim_net_reset();
        sim_port_reset();
        sim_dns_reset();
        sim_server_reset();
        sim_table_reset(false);
        sim_ticket_reset();
        sim_ledger_reset();
        sim_work_reset();
        sim_chaos_reset();
        sim_flights_reset();
        sim_check_reset();
        make_pool();
        promise = sim.now;
        moves = 0;
        const hf_ms end = sim.now + some(2000, 1200000);
        sim_chaos_start(end);
        sim_work_start(end, sim_between(&sim.rng, 20, 200));
        while (sim.now < end)
            step(end);
        heal();
        converge();
        close_pool();
        /* What is on its way still arrives, and what the server still runs takes effect. */
        for (hf_ms until = sim.now + 1000000; sim_next_event() < until;)
            sim_run_events(sim_next_event());
        sim_check_end();
    }
    totals->ms += sim.now - sim.began;
    totals->ticks += sim.ticks;
    totals->requests += sim_n_jobs;
    totals->digest += sim_digest_value();
    return !sim.failed;
}
