#include "chaos.h"

#include "check.h"
#include "server.h"

/* How often a fault may strike at most, per mille of its opportunities. 0: it is planned, or counted where it is
 * seen. */
static const uint16_t most[SIM_FAULT_COUNT] = {
    [SIM_NET_SLOW] = 20,
    [SIM_NET_SPLIT] = 300,
    [SIM_NET_DRIP] = 100,
    [SIM_NET_RST] = 500,
    [SIM_NET_FIN] = 500,
    [SIM_NET_CUT_SHORT] = 300,
    [SIM_NET_HOLE_UP] = 300,
    [SIM_NET_HOLE_DOWN] = 300,
    [SIM_NET_HOLE_BOTH] = 500,
    [SIM_NET_REFUSED] = 400,
    [SIM_NET_SYN_LOST] = 300,
    [SIM_NET_ACCEPT_SILENT] = 300,
    [SIM_NET_ACCEPT_RST] = 300,
    [SIM_NET_FLIP] = 10,
    [SIM_NET_FLIP_TLS] = 20,
    [SIM_PORT_NO_LINK] = 100,
    [SIM_PORT_NO_RANDOM] = 50,
    [SIM_PORT_OVER_BUDGET] = 500,
    [SIM_DNS_FAILS] = 300,
    [SIM_DNS_SLOW] = 300,
    [SIM_DNS_NEVER] = 200,
    [SIM_DNS_LIES] = 300,
    [SIM_DNS_SEVERAL] = 500,
    [SIM_TLS_REFUSED] = 50,
    [SIM_TLS_INJECTED] = 100,
    [SIM_TLS_CUT] = 200,
    [SIM_TLS_TRUNCATED] = 500,
    [SIM_PG_STARTING] = 300,
    [SIM_PG_SLOTS] = 300,
    [SIM_PG_DIES_YOUNG] = 300,
    [SIM_PG_LOGIN_BUSY] = 600,
    [SIM_PG_LOGIN_DOWN] = 600,
    [SIM_PG_EARLY_OK] = 100,
    [SIM_PG_CLEARTEXT] = 100,
    [SIM_PG_SIGNATURE] = 100,
    [SIM_PG_KILL_BUSY] = 150,
    [SIM_PG_KILL_AGAIN] = 500,
    [SIM_PG_KILL_IDLE] = 500,
    [SIM_PG_KILL_AFTER_DONE] = 100,
    [SIM_PG_COMMIT_LOST] = 100,
    [SIM_PG_SYNCREP] = 60,
    [SIM_PG_CALL_RAISES] = 300,
    [SIM_BETWEEN_BEFORE] = 200,
    [SIM_BETWEEN_DURING] = 300,
    [SIM_BETWEEN_AFTER] = 300,
    [SIM_PG_COMMIT_SLOW] = 100,
    [SIM_PG_COMMIT_UNHEARD] = 100,
    [SIM_PG_CRASH_AT_COMMIT] = 400,
    [SIM_PG_FOREIGN] = 300,
    [SIM_ASK_FORGOTTEN] = 600,
    [SIM_ASK_FAILS] = 600,
    [SIM_ASK_STRANGE] = 600,
    [SIM_ASK_REFUSED] = 600,
    [SIM_PG_PROBE_OPEN] = 300,
    [SIM_PG_HELD_ENDED] = 100,
    [SIM_PG_LATE] = 60,
    [SIM_PG_40001] = 100,
    [SIM_PG_40P01] = 60,
    [SIM_PG_40003] = 30,
    [SIM_PG_23505] = 60,
    [SIM_PG_57014] = 60,
    [SIM_PG_55P03] = 60,
    [SIM_PG_SHORT_ONE] = 100,
    [SIM_PG_57014_AGAIN] = 300,
    [SIM_PG_COMMIT_FAILS] = 400,
    [SIM_PG_ROLLS_BACK] = 60,
    [SIM_PG_FORGETS] = 500,
    [SIM_PG_PLAN] = 300,
    [SIM_PG_TAKEN] = 300,
    [SIM_PG_NOTICE] = 100,
    [SIM_PG_PARAMETER] = 100,
    [SIM_PG_NOTIFY] = 100,
    [SIM_PG_ASIDE_IDLE] = 500,
    [SIM_PG_JUNK] = 20,
    [SIM_TIME_LATE] = 100,
    [SIM_TIME_JUMP] = 500,
    [SIM_TIME_EARLY] = 200,
    [SIM_APP_PAUSE] = 40,
    [SIM_APP_RESUBMIT] = 300,
    [SIM_APP_CANCEL_WITHIN] = 60,
};

static uint16_t chance[SIM_FAULT_COUNT];
static uint16_t great; /* ms / 100 between great faults, about */
static hf_ms end;
hf_ms sim_suspended_until;

void sim_chaos_reset(void) {
    const bool calm = sim_chance(&sim.rng, 60);
    for (unsigned i = 0; i < SIM_FAULT_COUNT; i++) {
        const bool on = most[i] > 0 && !calm && sim_chance(&sim.rng, 250);
        chance[i] = on ? (uint16_t)sim_scaled(&sim.rng, 1, most[i]) : 0;
    }
    if (sim_chance(&sim.rng, 850)) /* it hides so much */
        chance[SIM_NET_FLIP] = chance[SIM_PG_JUNK] = 0;
    if (chance[SIM_PG_COMMIT_FAILS] > 0 && sim_chance(&sim.rng, 500)) /* what belongs together */
        chance[SIM_PG_KILL_AGAIN] = 600;
    if (!calm && sim_chance(&sim.rng, 250))
        chance[SIM_NET_CUT_SHORT] = 100;
    if (!calm && sim_chance(&sim.rng, 300))
        chance[SIM_TIME_JUMP] = 400;
    if (!calm && sim_chance(&sim.rng, 400))
        chance[SIM_PG_57014_AGAIN] = 300;
    if (!calm && sim_chance(&sim.rng, 60))
        chance[SIM_PG_LOGIN_BUSY] = 950;
    great = calm ? 0 : (uint16_t)sim_scaled(&sim.rng, 20, 3000);
    sim_suspended_until = 0;
}

bool sim_strikes(sim_fault fault) {
    if (chance[fault] == 0 || sim.healed || !sim_chance(&sim.rng, chance[fault]))
        return false;
    sim_hit(fault);
    return true;
}

static void password_back(void *who, uint32_t what) {
    (void)who, (void)what;
    sim_access_now.wrong_password = sim_access_now.wrong_database = false;
}

static void hole(unsigned node, uint32_t ms) {
    const unsigned ways = sim_between(&sim.rng, 1, 3);
    static const sim_fault faults[] = { SIM_NET_HOLE_BOTH, SIM_NET_HOLE_UP, SIM_NET_HOLE_DOWN,
                                        SIM_NET_HOLE_BOTH };
    sim_hit(faults[ways]);
    sim_note("nothing gets through to node # for # ms (ways #)", node, ms, ways);
    for (unsigned way = 0; way < SIM_WAYS; way++)
        if (ways >> way & 1)
            sim_nodes[node].hole_until[way] = sim.now + ms;
}

void sim_chaos_reset_pool(void) {
    if (!sim_pool->refused && !sim_pool->extra_refused && !sim_passwords_used_up())
        return;
    sim_note("the application resets the pool", 0, 0, 0);
    sim_hit(SIM_APP_RESET);
    hf_pool_reset(sim_pool);
    sim_check_forgive();
}

static void strike(void *who, uint32_t what) {
    const unsigned node =
        sim_chance(&sim.rng, 600) ? sim_known_primary() : sim_below(&sim.rng, SIM_NODES);
    const uint32_t ms = sim_scaled(&sim.rng, 20, 200000);
    (void)who, (void)what;
    if (sim.healed || sim.now >= end)
        return;
    switch (sim_below(&sim.rng, sim_access_now.synchronous ? 21 : 15)) {
    case 0: sim_node_restart(node, false, ms); break;
    case 1: sim_node_restart(node, true, ms); break;
    case 2: sim_node_crash(node, ms); break;
    case 3: sim_node_vanish(node, ms); break;
    case 4: sim_node_stop(node, ms); break;
    case 5: sim_node_slots(node, ms); break;
    case 6: sim_failover(-1); break;
    case 7:
    case 8: hole(node, ms); break;
    case 9:
        if (sim_access_now.scram) {
            sim_note("the password is another from now on", 0, 0, 0);
            sim_access_now.wrong_password = true;
            sim_kill_sessions(sim_below(&sim.rng, 1000));
            sim_plan_in(ms, password_back, NULL, 0);
        }
        break;
    case 10:
        if (sim_chance(&sim.rng, 150)) {
            sim_access_now.wrong_database = true;
            sim_plan_in(ms, password_back, NULL, 0);
        }
        break;
    case 11:
        if (sim_chance(&sim.rng, 150))
            sim_nodes[node].bad_certificate = !sim_nodes[node].bad_certificate;
        break;
    case 12: sim_chaos_reset_pool(); break;
    case 14: sim_node_short(node, sim_chance(&sim.rng, 500) ? "53100" : "53200", ms); break;
    case 20:
    case 15:
    case 16:
    case 17:
    case 18: sim_standby_goes(ms); break;
    case 19: sim_failover(-1); break;
    default:
        sim_hit(SIM_TIME_JUMP);
        sim_note("the clock jumps by # ms", 10 * (uint64_t)ms, 0, 0);
        if (sim_suspended_until < sim.now + 10 * (hf_ms)ms)
            sim_suspended_until = sim.now + 10 * (hf_ms)ms;
        break;
    }
    sim_plan_in(200 * sim_below(&sim.rng, great), strike, NULL, 0);
}

void sim_chaos_start(hf_ms until) {
    end = until;
    if (great > 0)
        sim_plan_in(200 * sim_below(&sim.rng, great), strike, NULL, 0);
}

void sim_chaos_heal(void) {
    sim.healed = true;
    sim_suspended_until = 0;
    sim_note("everything heals", 0, 0, 0);
    const bool by_name = sim_config.hosts[0].name[2] == 0; /* wherever the primary is */
    sim_server_heal(by_name ? SIM_NODES : sim_config.n_hosts);
    sim_chaos_reset_pool();
}
