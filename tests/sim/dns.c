#include "port.h"

#include <string.h>

#include "chaos.h"
#include "check.h"
#include "digest.h"
#include "server.h"

/* Names: "db" is the primary, wherever it is, as DNS last heard of it; "db0", "db1" … are the nodes. Addresses
 * are 10.0.0.1 for node 0 and so on; behind 10.0.9.x is nothing, behind 10.0.8.x something that is no database. */

typedef struct lookup {
    bool busy, noted;
    int answer; /* 0 not yet, > 0 addresses, < 0 an hf_err */
    uint32_t life;
    uint16_t port;
    uint8_t node, n;
    hf_address addresses[4];
} lookup;

static lookup lookups[SIM_CONNS];
static uint8_t last_answer;

void sim_dns_reset(void) {
    memset(lookups, 0, sizeof lookups);
    last_answer = UINT8_MAX;
}

static hf_address address_of(unsigned node, uint16_t port) {
    return (hf_address){ .kind = HF_ADDRESS_IP4,
                         .port = port,
                         .ip = { 10, 0, 0, (uint8_t)(node + 1) } };
}

static hf_address nowhere(uint16_t port) {
    return (hf_address){ .kind = HF_ADDRESS_IP4,
                         .port = port,
                         .ip = { 10, 0, 9, sim_chance(&sim.rng, 500) } };
}

int sim_node_at(const hf_address *address) {
    if (address->ip[2] == 9)
        return address->ip[3] ? -1 : -2;
    return address->ip[3] - 1;
}

static void answer_rightly(lookup *self) {
    self->addresses[0] = address_of(self->node, self->port);
    self->n = 1;
    self->answer = 1;
    if (!sim.healed && sim_strikes(SIM_DNS_SEVERAL)) {
        self->n = (uint8_t)sim_between(&sim.rng, 2, 4);
        for (unsigned i = 0; i < self->n; i++)
            self->addresses[i] = sim_chance(&sim.rng, 500) ? nowhere(self->port)
                                                           : address_of(self->node, self->port);
        self->answer = self->n;
    }
}

static void answered(void *who, uint32_t what) {
    lookup *self = who;
    if (!self->busy || self->life != what || self->answer != 0)
        return;
    self->noted = true;
    if (sim_strikes(SIM_DNS_FAILS)) {
        self->answer = HF_ERR_RESOLVE;
        return;
    }
    answer_rightly(self);
    if (sim_strikes(SIM_DNS_LIES))
        self->addresses[0] = sim_chance(&sim.rng, 500)
                                 ? nowhere(self->port)
                                 : address_of(sim_below(&sim.rng, SIM_NODES), self->port);
    const uint8_t now = self->addresses[0].ip[3];
    if (last_answer != UINT8_MAX && now != last_answer)
        sim_hit(SIM_DNS_MOVED);
    last_answer = now;
}

int sim_resolve(hf_port *port, unsigned slot, const char *host, uint16_t number) {
    lookup *self = &lookups[slot];
    (void)port;
    sim_digest("resolve", slot, number, 0);
    sim_digest_bytes(host, strlen(host));
    SIM_CHECK(!self->busy, "one look-up at a time", "slot # has one already", slot, 0, 0);
    const uint32_t life = self->life + 1;
    *self = (lookup){ .busy = true, .life = life, .port = number };
    self->node = host[2] ? (uint8_t)(host[2] - '0') : sim_known_primary();
    sim.moves++;
    sim_check_resolve(slot);
    if (sim_strikes(SIM_PORT_NO_LINK)) {
        self->busy = false;
        return HF_ERR_RESOURCES;
    }
    if (host[2] && sim_chance(&sim.rng, 300)) { /* in a cache: there at once */
        answered(self, life);
        return HF_OK;
    }
    if (sim_strikes(SIM_DNS_NEVER))
        return HF_OK;
    uint32_t ms = sim_below(&sim.rng, 30);
    if (sim_strikes(SIM_DNS_SLOW))
        ms += sim_scaled(&sim.rng, 1000, 30000);
    sim_plan_in(ms, answered, self, life);
    return HF_OK;
}

int sim_resolved(hf_port *port, unsigned slot, hf_address *out, size_t max) {
    lookup *self = &lookups[slot];
    (void)port;
    SIM_CHECK(self->busy, "a look-up is asked for its answer once", "slot #", slot, 0, 0);
    if (self->answer == 0)
        return 0;
    self->busy = self->noted = false;
    sim.moves++;
    for (size_t i = 0; i < self->n && i < max; i++)
        out[i] = self->addresses[i];
    return self->answer < (int)max ? self->answer : (int)max;
}

void sim_resolve_cancel(hf_port *port, unsigned slot) {
    (void)port;
    sim_digest("resolve-cancel", slot, 0, 0);
    lookups[slot].busy = lookups[slot].noted = false;
}

int sim_resolve_event(void) {
    for (int slot = 0; slot < SIM_CONNS; slot++)
        if (lookups[slot].noted) {
            lookups[slot].noted = false;
            return slot;
        }
    return -1;
}

bool sim_resolve_has_event(void) {
    for (int slot = 0; slot < SIM_CONNS; slot++)
        if (lookups[slot].noted)
            return true;
    return false;
}

void sim_dns_heal(void) {
    for (int slot = 0; slot < SIM_CONNS; slot++)
        if (lookups[slot].busy && lookups[slot].answer == 0)
            answered(&lookups[slot], lookups[slot].life);
}
