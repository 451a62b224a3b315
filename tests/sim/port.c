#include "port.h"

#include <string.h>

#include "chaos.h"
#include "check.h"
#include "digest.h"
#include "server.h"
#include "work.h"

/* hf_port_api over the network's links. Events are kept in a list, in the order in which they happened. */

static sim_link *first_noted, *last_noted;
static uint32_t n_links;
static hf_ms cancel_over[SIM_CONNS]; /* a cancel link of this connection was let go then */

void sim_port_note(sim_link *link) {
    if (link->noted || link->client_gone)
        return;
    link->noted = true;
    link->next_noted = NULL;
    if (last_noted)
        last_noted->next_noted = link;
    else
        first_noted = link;
    last_noted = link;
}

static void unnote(sim_link *gone) {
    sim_link *before = NULL;
    if (!gone->noted)
        return;
    for (sim_link *link = first_noted; link != gone; link = link->next_noted)
        before = link;
    if (before)
        before->next_noted = gone->next_noted;
    else
        first_noted = gone->next_noted;
    if (last_noted == gone)
        last_noted = before;
    gone->noted = false;
}

void sim_port_reset(void) {
    first_noted = last_noted = NULL;
    n_links = 0;
    for (unsigned i = 0; i < SIM_CONNS; i++)
        cancel_over[i] = HF_NEVER;
}

bool sim_port_has_event(void) {
    return first_noted || sim_resolve_has_event();
}

/* --- links ------------------------------------------------------------------------------------------ */

static sim_link *of(hf_link *link) {
    sim_link *self = (sim_link *)(void *)link;
    SIM_CHECK(self->used && !self->client_gone, "a released link is not touched", "link # (life #)",
              self->number, self->life, 0);
    return self;
}

int sim_link_ending(const sim_link *self) {
    const sim_pipe *down = &self->pipe[SIM_WAY_DOWN];
    if (self->fails)
        return self->fails;
    if (down->rst)
        return HF_ERR_RESET;
    if (!down->fin)
        return 0;
    if (self->tls == SIM_TLS_ON && !down->clean) {
        sim_hit(SIM_TLS_TRUNCATED);
        return HF_ERR_TLS_TRUNCATED;
    }
    return HF_ERR_EOF;
}

/* The handshake is one byte there and three back. */
static int shake(sim_link *self, bool *more) {
    sim_pipe *down = &self->pipe[SIM_WAY_DOWN];
    if (down->there - down->start < 3) {
        int err = sim_link_ending(self);
        if (err)
            sim_hit(SIM_TLS_CUT);
        return err;
    }
    if (memcmp(down->data + down->start, "\x16\x03\x01", 3) != 0)
        return HF_ERR_TLS;
    if (sim_strikes(SIM_PORT_OVER_BUDGET)) {
        *more = true; /* a costly step is left */
        return 0;
    }
    sim_link_take_down(self, 3);
    if (sim_nodes[self->node].bad_certificate) {
        sim_hit(SIM_TLS_CERT);
        return HF_ERR_TLS_CERT;
    }
    self->tls = SIM_TLS_ON;
    return 1;
}

static int come_up(sim_link *self, bool *more) {
    *more = false;
    if (!self->connected)
        return 0;
    if (self->fails)
        return self->fails;
    if (self->tls == SIM_TLS_SHAKING)
        return shake(self, more);
    return 1;
}

/* What the client is told of a call is a part of what it does; a link that is not up yet is asked in vain. */
static int link_ready(hf_link *link, bool *more) {
    sim_link *self = of(link);
    const int is = come_up(self, more);
    if (is != 0)
        sim_digest("ready", self->number, (uint64_t)is, 0);
    return is;
}

static int take(sim_link *self, void *to, size_t bytes) {
    sim_pipe *down = &self->pipe[SIM_WAY_DOWN];
    const size_t there = down->there - down->start, asked = bytes;
    SIM_CHECK(self->connected && !self->closing && bytes > 0 && self->tls != SIM_TLS_SHAKING,
              "a link is read only while it is up", "link #", self->number, 0, 0);
    if (there == 0)
        return sim_link_ending(self);
    bytes = there < bytes ? there : bytes;
    if (self->tls == SIM_TLS_ON && down->n_read + bytes > down->broken_at)
        return HF_ERR_TLS;
    if (bytes > 1 && sim_strikes(SIM_NET_SPLIT))
        bytes = 1 + sim_below(&sim.rng, (uint32_t)bytes - 1);
    memcpy(to, down->data + down->start, bytes);
    sim_link_take_down(self, bytes);
    if (sim_pool->conns[self->link.tag].fsm.state == HF_HEALTHY)
        sim_hit_heard();
    self->cut_read = bytes < there;
    if (bytes < asked && (bytes < there || sim_link_ending(self) != 0))
        sim_port_note(self);
    return (int)bytes;
}

static int link_read(hf_link *link, void *to, size_t bytes) {
    sim_link *self = of(link);
    const int n = take(self, to, bytes);
    sim_digest("read", self->number, bytes, (uint64_t)n);
    if (n > 0)
        sim_digest_bytes(to, (size_t)n);
    return n;
}

static int give(sim_link *self, const void *from, size_t bytes) {
    const sim_pipe *up = &self->pipe[SIM_WAY_UP], *down = &self->pipe[SIM_WAY_DOWN];
    const size_t used = up->end - up->there; /* what has arrived has room at the server */
    SIM_CHECK(self->connected && !self->closing && bytes > 0 && self->tls != SIM_TLS_SHAKING,
              "a link is written only while it is up", "link #", self->number, 0, 0);
    if (self->fails || down->rst) {
        self->write_failed = true;
        return self->fails ? self->fails : HF_ERR_RESET;
    }
    if (used >= self->window) {
        sim_hit(SIM_NET_FULL);
        self->blocked = self->was_blocked = true;
        return 0;
    }
    bytes = bytes < self->window - used ? bytes : self->window - used;
    const bool short_cut = bytes > 1 && sim_strikes(SIM_NET_CUT_SHORT);
    if (short_cut)
        bytes = 1 + sim_below(&sim.rng, (uint32_t)bytes - 1);
    sim.moves++;
    sim_tap_heard(self, from, bytes);
    sim_link_put_up(self, from, bytes);
    if (short_cut) {
        const bool server_too = sim_chance(&sim.rng, 500); /* arguments have no order */
        self->window = 0;                                  /* and no more */
        sim_link_cut(self, sim_chance(&sim.rng, 500) ? SIM_RST : SIM_FIN, server_too);
    }
    return (int)bytes;
}

static int link_write(hf_link *link, const void *from, size_t bytes) {
    sim_link *self = of(link);
    const int n = give(self, from, bytes);
    sim_digest("write", self->number, bytes, (uint64_t)n);
    if (n > 0)
        sim_digest_bytes(from, (size_t)n);
    return n;
}

/* What did the client leave unread of its session? */
static void note_unread(const sim_link *self) {
    const sim_pipe *down = &self->pipe[SIM_WAY_DOWN];
    const hf_conn *conn = &sim_pool->conns[self->link.tag];
    const bool unread =
        down->there > down->start && !self->cut_read && !self->paused && !conn->active;
    if (self->tap.started) {
        sim_left_paused[self->link.tag] = self->paused;
        sim_left_unread[self->link.tag] = unread;
        sim_left_doubt[self->link.tag] = sim_tap_in_doubt(&self->tap);
    }
    SIM_CHECK(!self->write_failed || !self->tap.started || !unread || self->tainted ||
                  down->broken_at != UINT64_MAX,
              "whoever cannot write reads what the server said last", "link #", self->number, 0, 0);
}

static void release(sim_link *self) {
    sim_note("link # is let go", self->number, 0, 0);
    unnote(self);
    if (self->cancels)
        cancel_over[self->link.tag] = sim.now;
    self->client_gone = true;
    sim.moves++;
    sim_link_over(self);
}

static int link_close(hf_link *link) {
    sim_link *self = of(link);
    sim_digest("close", self->number, self->closing, (uint64_t)sim_link_ending(self));
    if (!self->closing)
        sim_check_leaves(self);
    if (!self->closing)
        note_unread(self);
    sim_pipe *down = &self->pipe[SIM_WAY_DOWN];
    if (!self->closing) {
        const sim_tap *tap = &self->tap;
        const bool in_order = sim_pool->closing && sim.now < sim_pool->close_deadline &&
                              sim_pool->conns[self->link.tag].fsm.state == HF_IDLE;
        SIM_CHECK(!in_order || !tap->in || tap->bye || tap->n_told < tap->n_flights ||
                      self->blocked || sim_link_ending(self) != 0 || self->tainted,
                  "who leaves in order says so", "link #", self->number, 0, 0);
        self->closing = true;
        self->left_at = sim.now;
        sim_link_end_up(self, false);
    }
    down->start = down->there;
    if (!sim_link_ending(self))
        return 0;
    release(self);
    return 1;
}

static void link_abort(hf_link *link) {
    sim_link *self = of(link);
    sim_digest("abort", self->number, 0, 0);
    sim_check_leaves(self);
    if (!self->closing)
        note_unread(self);
    sim_pipe *up = &self->pipe[SIM_WAY_UP];
    if (self->connected && !self->fails && !self->pipe[SIM_WAY_DOWN].rst)
        sim_link_end_up(self, true);
    if (!self->connected && !self->server_gone) {
        up->hole_until = 0;
        sim_link_end_up(self, true);
    }
    release(self);
}

static size_t link_binding(hf_link *link, uint8_t *out) {
    sim_link *self = of(link);
    if (self->tls != SIM_TLS_ON)
        return 0;
    memset(out, 0x5a, 32);
    return 32;
}

static const char *link_why(hf_link *link, int32_t *system) {
    (void)of(link);
    *system = 0;
    return NULL;
}

static const hf_link_api link_api = {
    .ready = link_ready,
    .read = link_read,
    .write = link_write,
    .close = link_close,
    .abort = link_abort,
    .binding = link_binding,
    .why = link_why,
};

/* --- the port --------------------------------------------------------------------------------------- */

static void drip_or_hole(void *who, uint32_t what) {
    sim_link *link = who;
    if (link->used && link->life == what && !sim.healed)
        sim_server_trouble(link);
}

static hf_link *port_open(hf_port *port, const hf_address *address, const char *path, uint32_t tag,
                          int *err) {
    (void)port;
    *err = HF_ERR_RESOURCES;
    sim_digest("open", tag, n_links + 1, address->port);
    sim_digest_bytes(address->ip, sizeof address->ip);
    sim_digest_bytes(path, path ? strlen(path) : 0);
    sim.moves++;
    if (sim_strikes(SIM_PORT_NO_LINK))
        return NULL;
    const int node = sim_node_at(address);
    const hf_conn *conn = &sim_pool->conns[tag];
    uint32_t cancels = 0;
    if (conn->fsm.state == HF_HEALTHY && conn->n_flight > 0) {
        sim_check_cancel_begins(conn);
        cancels = ((const sim_link *)(const void *)conn->dial.link)->number;
    }
    if (node == -1 && sim_chance(&sim.rng, 300)) {
        *err = HF_ERR_UNREACHABLE;
        sim_hit(SIM_NET_UNREACHABLE);
        return NULL;
    }
    sim_link *link = sim_link_new();
    link->link = (hf_link){ .api = &link_api, .tag = tag };
    link->number = ++n_links;
    link->cancels = cancels;
    link->cancels_late = cancels && cancel_over[tag] == sim.now;
    link->node = (uint8_t)(node < 0 ? 0 : node);
    link->latency = (uint16_t)sim_server_latency();
    link->window = sim.healed                  ? 65536
                   : sim_chance(&sim.rng, 150) ? sim_between(&sim.rng, 64, 2000)
                   : sim_chance(&sim.rng, 30)  ? sim_scaled(&sim.rng, 1, 64)
                                               : 65536;
    link->drips = sim_strikes(SIM_NET_DRIP);
    link->heard_at = link->opened_at = sim.now;
    sim_note("conn # opens link # to node #", tag, n_links, (uint64_t)node);
    if (node == -1) {
        sim_hit(SIM_NET_UNREACHABLE);
        sim_link_refuse(link, HF_ERR_UNREACHABLE);
    } else if (node == -2 || sim_strikes(SIM_NET_SYN_LOST)) {
        sim_hit(SIM_NET_SYN_LOST);
        link->server_gone = true;
        link->vanished = true;
    } else {
        sim_plan_in(link->latency, sim_server_syn, link, link->life);
        if (!sim.healed)
            sim_plan_in(sim_scaled(&sim.rng, 1, 120000), drip_or_hole, link, link->life);
    }
    return &link->link;
}

static hf_link *port_start_tls(hf_port *port, hf_link *under, const char *host, const char *alpn,
                               int *err) {
    sim_link *self = of(under);
    const sim_pipe *down = &self->pipe[SIM_WAY_DOWN];
    (void)port;
    sim_digest("tls", self->number, 0, 0);
    sim_digest_bytes(host, strlen(host));
    sim_digest_bytes(alpn, alpn ? strlen(alpn) : 0);
    if (down->there > down->start) {
        *err = HF_ERR_TLS_INJECTED;
        return NULL;
    }
    self->tls = SIM_TLS_SHAKING;
    sim_link_put_up(self, "\x16", 1);
    return under;
}

static int port_next(hf_port *port, uint32_t *tag) {
    (void)port;
    int slot = sim_resolve_event();
    if (slot >= 0) {
        *tag = HF_TAG_RESOLVE + (uint32_t)slot;
        return 1;
    }
    sim_link *link = first_noted;
    if (!link)
        return 0;
    *tag = link->link.tag;
    unnote(link);
    sim.moves++;
    return 1;
}

static int port_random(hf_port *port, void *out, size_t bytes) {
    (void)port;
    if (sim_strikes(SIM_PORT_NO_RANDOM))
        return HF_ERR_RESOURCES;
    uint8_t *at = out;
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(sim_random(&sim.port_rng) >> 56);
    return HF_OK;
}

static bool port_over_budget(hf_port *port) {
    (void)port;
    sim.moves++;
    return sim_strikes(SIM_PORT_OVER_BUDGET);
}

static const hf_port_api port_api = {
    .open = port_open,
    .start_tls = port_start_tls,
    .resolve = sim_resolve,
    .resolved = sim_resolved,
    .resolve_cancel = sim_resolve_cancel,
    .next = port_next,
    .random = port_random,
    .over_budget = port_over_budget,
    .hash = &sim_hash,
};

hf_port *sim_net_port(void) {
    static hf_port port = { .api = &port_api };
    return &port;
}
