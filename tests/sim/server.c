#include "backend.h"

#include <string.h>

#include "chaos.h"
#include "port.h"
#include "table.h"

/* Machines: who is up, who is the primary, what becomes of their sessions when they go. */

sim_node sim_nodes[SIM_NODES];
sim_access sim_access_now;
uint32_t sim_timeline;
static uint32_t began; /* counts what begins: no two of them at one time */
static uint8_t primary, known_primary;

void sim_server_reset(void) {
    memset(sim_nodes, 0, sizeof sim_nodes);
    sim_access_now = (sim_access){ 0 };
    primary = known_primary = 0;
    sim_timeline = 1;
    began = 0;
    for (unsigned i = 0; i < SIM_NODES; i++) {
        sim_nodes[i].slots = 1000;
        sim_nodes[i].started = ++began;
        sim_nodes[i].statistics = ++began;
    }
    sim_backend_reset();
}

uint8_t sim_known_primary(void) {
    return known_primary;
}

bool sim_node_is_primary(unsigned node) {
    return node == primary;
}

unsigned sim_server_latency(void) {
    return sim.healed ? sim_below(&sim.rng, 10) : sim_scaled(&sim.rng, 0, 150);
}

/* --- the network's calls --------------------------------------------------------------------------- */

static void reset_soon(void *who, uint32_t what) {
    sim_link *link = who;
    if (link->used && link->life == what && !link->server_gone)
        sim_link_rst(link);
}

void sim_server_syn(void *who, uint32_t life) {
    sim_link *link = who;
    if (!link->used || link->life != life)
        return;
    sim_node *node = &sim_nodes[link->node];
    const bool hole =
        node->hole_until[SIM_WAY_UP] > sim.now || node->hole_until[SIM_WAY_DOWN] > sim.now;
    if (link->client_gone) {
        link->server_gone = true;
        sim_link_over(link);
    } else if (node->state == SIM_NODE_GONE || hole) {
        sim_plan_in(1000, sim_server_syn, link, life); /* it is sent again */
    } else if (node->state == SIM_NODE_DOWN || sim_strikes(SIM_NET_REFUSED)) {
        sim_hit(SIM_NET_REFUSED);
        sim_link_refuse(link, HF_ERR_REFUSED);
    } else {
        sim_link_accept(link);
        if (sim_strikes(SIM_NET_ACCEPT_RST))
            sim_plan_in(sim_scaled(&sim.rng, 0, 500), reset_soon, link, life);
        else if (!sim_strikes(SIM_NET_ACCEPT_SILENT))
            sim_backend_start(link);
    }
}

void sim_server_heard(sim_link *link) {
    if (link->backend)
        sim_backend_work(link->backend);
    else if (link->pipe[SIM_WAY_UP].fin || link->pipe[SIM_WAY_UP].rst)
        sim_link_rst(link); /* accepted by nobody */
}

void sim_server_trouble(sim_link *link) {
    if (link->client_gone || !link->connected || link->fails)
        return;
    hf_ms until = sim.now + sim_scaled(&sim.rng, 500, 200000);
    if (sim_strikes(SIM_NET_RST)) {
        sim_note("link # is reset by the network", link->number, 0, 0);
        sim_link_cut(link, SIM_RST, sim_chance(&sim.rng, 500));
    } else if (sim_strikes(SIM_NET_FIN)) {
        sim_note("link # is ended by the network", link->number, 0, 0);
        sim_link_cut(link, SIM_FIN, sim_chance(&sim.rng, 500));
    } else if (sim_strikes(SIM_NET_HOLE_UP)) {
        sim_note("link # loses what goes up", link->number, 0, 0);
        sim_link_hole(link, true, false, until);
    } else if (sim_strikes(SIM_NET_HOLE_DOWN)) {
        sim_note("link # loses what comes down", link->number, 0, 0);
        sim_link_hole(link, false, true, until);
    } else if (sim_strikes(SIM_NET_HOLE_BOTH)) {
        sim_note("link # goes silent", link->number, 0, 0);
        sim_link_hole(link, true, true, until);
    } else if (link->backend && link->backend->phase == SIM_PHASE_RUN && !link->backend->busy &&
               sim_strikes(SIM_PG_ASIDE_IDLE)) {
        sim_say_async(link->backend);
        sim_backend_flush(link->backend);
    } else if (sim_strikes(SIM_PG_KILL_IDLE) && link->backend) {
        if (!link->backend->busy && link->backend->phase == SIM_PHASE_RUN)
            sim_backend_fatal(link->backend, sim_chance(&sim.rng, 500) ? "57P01" : "57P05");
    }
}

/* --- machines -------------------------------------------------------------------------------------- */

static void node_up(void *who, uint32_t what) {
    sim_node *node = who;
    if (node->generation != what)
        return;
    node->state = SIM_NODE_UP;
    node->generation++;
    sim_note("node # is up", (uint64_t)(node - sim_nodes), 0, 0);
    if (node == &sim_nodes[primary] && sim_chance(&sim.rng, 500)) /* others are quicker than we */
        sim_table_others(SIM_OURS, sim_between(&sim.rng, 1, 12));
}

static void node_starting(void *who, uint32_t what) {
    sim_node *node = who;
    if (node->generation != what)
        return;
    node->state = SIM_NODE_STARTING;
    sim_plan_in(sim_scaled(&sim.rng, 100, 20000), node_up, node, ++node->generation);
}

static sim_node *goes_down(unsigned number, sim_node_state state, uint32_t ms) {
    sim_node *node = &sim_nodes[number];
    node->state = (uint8_t)state;
    node->generation++;
    sim_plan_in(ms, node_starting, node, node->generation);
    return node;
}

#define FOR_BACKENDS_OF(number, backend)                                                 \
    for (sim_backend *backend = sim_backends; backend < sim_backends + sim_backends_top; \
         backend++)                                                                      \
        if (backend->used && sim_nodes + backend->node == sim_nodes + (number))

/* All its sessions are gone. in_order: it has written down what it did; else it recovers. */
static void stops(unsigned number, bool in_order, bool postmaster) {
    sim_node *node = &sim_nodes[number];
    if (postmaster)
        node->started = ++began;
    if (!in_order)
        node->statistics = ++began;
    if (number != primary)
        return;
    if (in_order)
        sim_table_flush(SIM_OURS);
    else
        sim_table_crash(SIM_OURS);
}

void sim_node_restart(unsigned number, bool immediate, uint32_t down_ms) {
    sim_note(immediate ? "node # stops, immediately" : "node # stops, fast", number, 0, 0);
    goes_down(number, SIM_NODE_DOWN, down_ms);
    sim_hit(immediate ? SIM_PG_RESTART_IMMEDIATE : SIM_PG_RESTART_FAST);
    FOR_BACKENDS_OF(number, backend) {
        if (immediate)
            sim_backend_warn(backend, "57P01");
        else
            sim_backend_fatal(backend, "57P01");
    }
    stops(number, !immediate, true);
}

void sim_node_crash(unsigned number, uint32_t down_ms) {
    const unsigned victim = sim_below(&sim.rng, 4);
    unsigned i = 0;
    sim_note("node # loses a backend to kill -9", number, 0, 0);
    sim_hit(SIM_PG_CRASH);
    sim_node *node = goes_down(number, SIM_NODE_STARTING, down_ms);
    node->state = SIM_NODE_STARTING;
    FOR_BACKENDS_OF(number, backend) {
        if (i++ == victim)
            sim_backend_end(backend, sim_chance(&sim.rng, 500));
        else
            sim_backend_warn(backend, "57P02");
    }
    stops(number, false, false);
}

void sim_node_vanish(unsigned number, uint32_t down_ms) {
    sim_note("node # vanishes", number, 0, 0);
    sim_hit(SIM_PG_VANISH);
    goes_down(number, SIM_NODE_GONE, down_ms);
    FOR_BACKENDS_OF(number, backend) {
        sim_link *link = backend->link;
        link->vanished = true;
        link->pipe[SIM_WAY_DOWN].hole_until = UINT64_MAX / 2;
        sim_backend_end(backend, false);
    }
    stops(number, false, true);
}

static void node_continues(void *who, uint32_t what) {
    sim_node *node = who;
    if (node->generation != what || node->state != SIM_NODE_STOPPED)
        return;
    node->state = SIM_NODE_UP;
    FOR_BACKENDS_OF(node - sim_nodes, backend) {
        sim_backend_work(backend);
    }
}

void sim_node_stop(unsigned number, uint32_t ms) {
    sim_node *node = &sim_nodes[number];
    if (node->state != SIM_NODE_UP)
        return;
    sim_note("node # stands still for # ms", number, ms, 0);
    sim_hit(SIM_PG_STOPPED);
    node->state = SIM_NODE_STOPPED;
    sim_plan_in(ms, node_continues, node, ++node->generation);
}

static void slots_back(void *who, uint32_t what) {
    sim_node *node = who;
    (void)what;
    node->slots = 1000;
}

void sim_node_slots(unsigned number, uint32_t ms) {
    sim_nodes[number].slots = sim_below(&sim.rng, 3);
    sim_plan_in(ms, slots_back, &sim_nodes[number], 0);
}

static void enough_again(void *who, uint32_t what) {
    sim_node *node = who;
    (void)what;
    node->shortage = NULL;
}

void sim_node_short(unsigned number, const char *sqlstate, uint32_t ms) {
    sim_note("node # is short of something for # ms", number, ms, 0);
    sim_nodes[number].shortage = sqlstate;
    sim_plan_in(ms, enough_again, &sim_nodes[number], 0);
}

void sim_kill_sessions(uint32_t per_mille) {
    for (unsigned number = 0; number < SIM_NODES; number++)
        FOR_BACKENDS_OF(number, backend) {
            if (backend->phase == SIM_PHASE_RUN && sim_chance(&sim.rng, per_mille))
                sim_backend_fatal(backend, "57P01");
        }
}

static void standby_back(void *who, uint32_t what) {
    (void)who, (void)what;
    if (!sim_access_now.standby_gone)
        return;
    sim_note("the synchronous standby is back", 0, 0, 0);
    sim_access_now.standby_gone = false;
    sim_table_replicated();
    for (unsigned i = 0; i < sim_backends_top; i++)
        if (sim_backends[i].used && sim_backends[i].waits)
            sim_backend_busy(&sim_backends[i], 1, SIM_THEN_RELEASED);
}

void sim_standby_goes(uint32_t ms) {
    if (!sim_access_now.synchronous || sim_access_now.standby_gone)
        return;
    sim_note("the synchronous standby is gone for # ms", ms, 0, 0);
    sim_access_now.standby_gone = true;
    sim_plan_in(ms, standby_back, NULL, 0);
}

static void dns_learns(void *who, uint32_t what) {
    (void)who;
    if (!sim.healed)
        known_primary = (uint8_t)what;
}

void sim_failover(int to) {
    const unsigned old = primary;
    const bool immediate = sim_chance(&sim.rng, 500);
    if (sim_chance(&sim.rng, 500))
        sim_node_vanish(old, sim_scaled(&sim.rng, 1000, 120000));
    else
        sim_node_restart(old, immediate, sim_scaled(&sim.rng, 10, 60000));
    primary = to >= 0 ? (uint8_t)to
                      : (uint8_t)((old + 1 + sim_below(&sim.rng, SIM_NODES - 1)) % SIM_NODES);
    sim_note("node # takes over from node #", primary, old, 0);
    sim_hit(SIM_PG_FAILOVER);
    sim_timeline++;
    sim_table_promoted();
    sim_table_crash(SIM_OURS); /* what the old one has not flushed was not sent on either */
    sim_plan_in(sim_scaled(&sim.rng, 1, 20000), dns_learns, NULL, primary);
}

void sim_server_heal(unsigned known) {
    if (primary >= known) {
        primary = 0;
        sim_timeline++;
    }
    known_primary = primary;
    for (unsigned i = 0; i < SIM_NODES; i++) {
        sim_node *node = &sim_nodes[i];
        node->generation++;
        node->state = SIM_NODE_UP;
        node->slots = 1000;
        node->bad_certificate = false;
        node->shortage = NULL;
        node->hole_until[0] = node->hole_until[1] = 0;
    }
    standby_back(NULL, 0);
    sim_access_now.wrong_password = sim_access_now.wrong_database = false;
    for (unsigned i = 0; i < sim_links_top; i++) {
        sim_link *link = &sim_links[i];
        if (!link->used)
            continue;
        link->vanished = false;
        if (link->server_gone && !link->client_gone && link->connected && !link->fails &&
            !link->pipe[SIM_WAY_DOWN].fin && !link->pipe[SIM_WAY_DOWN].rst &&
            link->pipe[SIM_WAY_DOWN].first == link->pipe[SIM_WAY_DOWN].last)
            sim_link_cut(link, SIM_RST, false); /* the machine is back and knows nothing of it */
        if (!link->server_gone && !link->backend && link->connected)
            sim_link_rst(link); /* accepted by nobody */
    }
    for (sim_backend *backend = sim_backends; backend < sim_backends + sim_backends_top; backend++)
        if (backend->used)
            sim_backend_work(backend);
}
