#include "net.h"

#include <string.h>

#include "chaos.h"
#include "port.h"
#include "server.h"

/* Invariants: start <= there <= end; the bytes of the segments [first, last) are those of [there, end); their
 * moments never go back, FIN and RST are last. Each segment has one event planned; an event whose link's life
 * has changed, or which comes before its segment's (moved) moment, does nothing. */

sim_link sim_links[SIM_LINKS];
unsigned sim_links_top;
static hf_ms latest_at; /* what arrives last of all that was sent, and on which link */
static uint32_t latest_link;

static void arrive(void *who, uint32_t what);

static uint32_t event_of(const sim_link *link, sim_way way) {
    return link->life << 1 | (uint32_t)way;
}

static void reset_pipe(sim_pipe *pipe) {
    uint8_t *data = pipe->data;
    sim_segment *segments = pipe->segments;
    size_t room = pipe->room, segment_room = pipe->segment_room;
    *pipe = (sim_pipe){ .data = data,
                        .room = room,
                        .segments = segments,
                        .segment_room = segment_room,
                        .broken_at = UINT64_MAX };
}

/* A place for a new link, all of it fresh but its memory. */
sim_link *sim_link_new(void) {
    unsigned i = 0;
    while (i < SIM_LINKS && sim_links[i].used)
        i++;
    if (i == SIM_LINKS)
        sim_fail("links are let go", "# are open", SIM_LINKS, 0, 0);
    if (i >= sim_links_top)
        sim_links_top = i + 1;
    sim_link *link = &sim_links[i];
    sim_mark *marks = link->marks;
    const size_t mark_room = link->mark_room;
    const uint32_t life = link->life + 1;
    sim_pipe up = link->pipe[SIM_WAY_UP], down = link->pipe[SIM_WAY_DOWN];
    memset(link, 0, offsetof(sim_link, tap));
    sim_tap_reset(&link->tap);
    link->pipe[SIM_WAY_UP] = up;
    link->pipe[SIM_WAY_DOWN] = down;
    reset_pipe(&link->pipe[SIM_WAY_UP]);
    reset_pipe(&link->pipe[SIM_WAY_DOWN]);
    link->marks = marks;
    link->mark_room = mark_room;
    link->first_mark = link->last_mark = 0;
    link->next_noted = NULL;
    link->life = life & 0x7fffffff;
    link->used = true;
    return link;
}

void sim_net_reset(void) {
    for (unsigned i = 0; i < sim_links_top; i++)
        sim_links[i].used = false;
    sim_links_top = 0;
    latest_at = 0;
    latest_link = 0;
}

void sim_link_over(sim_link *link) {
    if (!link->client_gone || !link->server_gone)
        return;
    link->used = false;
    const unsigned is = (link->tainted ? SIM_TAINTED : 0u) | (link->paused ? SIM_PAUSED : 0u);
    for (size_t i = 0; is && i < link->tap.n_flights; i++) {
        sim_flight *flight = &sim_flights[link->tap.flights[i]];
        flight->is |= is;
        if (flight->is & SIM_ASKS)
            sim_flights[flight->about].is |= is & SIM_TAINTED;
    }
}

/* --- pipes ------------------------------------------------------------------------------------------ */

/* When something sent now on this pipe arrives. */
static hf_ms arrival(const sim_link *link, sim_way way) {
    const sim_pipe *pipe = &link->pipe[way];
    const sim_node *node = &sim_nodes[link->node];
    hf_ms at = sim.now + link->latency;
    if (link->latency > 0)
        at += sim_below(&sim.rng, link->latency);
    if (sim_strikes(SIM_NET_SLOW))
        at += sim_scaled(&sim.rng, 200, 20000);
    hf_ms hole =
        pipe->hole_until > node->hole_until[way] ? pipe->hole_until : node->hole_until[way];
    if (at < hole)
        at = hole + sim_below(&sim.rng, 500); /* sent again and again until it gets through */
    return at < pipe->last_at ? pipe->last_at : at;
}

static void add_segment(sim_link *link, sim_way way, hf_ms at, uint32_t bytes, sim_kind kind) {
    sim_pipe *pipe = &link->pipe[way];
    if (pipe->first == pipe->last)
        pipe->first = pipe->last = 0;
    pipe->segments =
        sim_grow(pipe->segments, &pipe->segment_room, pipe->last + 1, sizeof *pipe->segments);
    pipe->segments[pipe->last++] = (sim_segment){ .at = at, .bytes = bytes, .kind = (uint8_t)kind };
    pipe->last_at = at;
    sim_plan(at, arrive, link, event_of(link, way));
}

static void flip(sim_link *link, sim_way way, size_t from, size_t bytes) {
    sim_pipe *pipe = &link->pipe[way];
    const size_t place = sim_below(&sim.rng, (uint32_t)bytes);
    if (link->tls == SIM_TLS_OFF) {
        if (!sim_strikes(SIM_NET_FLIP))
            return;
        pipe->data[from + place] ^= (uint8_t)(1u << sim_below(&sim.rng, 8));
        link->tainted = sim.tainted = true;
        sim_note("link # has a bit flipped, way #", link->number, way, 0);
    } else if (pipe->broken_at == UINT64_MAX && sim_strikes(SIM_NET_FLIP_TLS)) {
        pipe->broken_at = pipe->n_written - bytes + place;
    }
}

static void put(sim_link *link, sim_way way, const void *bytes, size_t n) {
    sim_pipe *pipe = &link->pipe[way];
    if (n == 0 || pipe->cut)
        return;
    if (pipe->start == pipe->end)
        pipe->start = pipe->there = pipe->end = 0;
    if (pipe->start > 65536) {
        memmove(pipe->data, pipe->data + pipe->start, pipe->end - pipe->start);
        pipe->there -= pipe->start;
        pipe->end -= pipe->start;
        pipe->start = 0;
    }
    pipe->sent_from = pipe->n_written;
    pipe->data = sim_grow(pipe->data, &pipe->room, pipe->end + n, 1);
    memcpy(pipe->data + pipe->end, bytes, n);
    pipe->end += n;
    pipe->n_written += n;
    flip(link, way, pipe->end - n, n);

    hf_ms at = arrival(link, way);
    if (at < latest_at && link->number != latest_link && latest_at > sim.now)
        sim_hit(SIM_NET_OVERTAKES);
    if (at >= latest_at) {
        latest_at = at;
        latest_link = link->number;
    }
    if (link->drips) {
        for (unsigned i = 0; i < 40 && n > 3; i++) {
            uint32_t drop = sim_between(&sim.rng, 1, 3);
            add_segment(link, way, at, drop, SIM_DATA);
            n -= drop;
            at += sim_between(&sim.rng, 1, 40);
        }
        sim_hit(SIM_NET_DRIP);
    } else {
        while (n > 1 && sim_strikes(SIM_NET_SPLIT)) {
            uint32_t piece = 1 + sim_below(&sim.rng, (uint32_t)n - 1);
            add_segment(link, way, at, piece, SIM_DATA);
            n -= piece;
            at += sim_below(&sim.rng, 20);
        }
    }
    add_segment(link, way, at, (uint32_t)n, SIM_DATA);
}

static void end_pipe(sim_link *link, sim_way way, sim_kind kind) {
    sim_pipe *pipe = &link->pipe[way];
    if (kind == SIM_RST && sim_chance(&sim.rng, 300)) { /* what was to be sent is thrown away */
        pipe->end = pipe->there;
        pipe->first = pipe->last;
    }
    add_segment(link, way, arrival(link, way), 0, kind);
}

/* Something has arrived at the server's end. */
static void server_hears(sim_link *link) {
    sim_pipe *pipe = &link->pipe[SIM_WAY_UP];
    if (link->vanished)
        return;
    if (!link->server_gone) {
        sim_server_heard(link);
        return;
    }
    if (pipe->there > pipe->start && !link->client_gone) { /* nobody is there any more */
        pipe->start = pipe->there;
        end_pipe(link, SIM_WAY_DOWN, SIM_RST);
    }
}

static void arrive(void *who, uint32_t what) {
    sim_link *link = who;
    const sim_way way = (sim_way)(what & 1);
    sim_pipe *pipe = &link->pipe[way];
    bool arrived = false;
    if (!link->used || link->life != what >> 1)
        return;
    while (pipe->first < pipe->last && pipe->segments[pipe->first].at <= sim.now) {
        const sim_segment *segment = &pipe->segments[pipe->first++];
        pipe->there += segment->bytes;
        pipe->fin = pipe->fin || segment->kind == SIM_FIN;
        pipe->rst = pipe->rst || segment->kind == SIM_RST;
        if (segment->kind == SIM_RST && sim_chance(&sim.rng, 300))
            pipe->start = pipe->there;
        arrived = true;
    }
    if (!arrived)
        return;
    if (link->blocked && way == SIM_WAY_UP) {
        link->blocked = false;
        sim_port_note(link);
    }
    if (way == SIM_WAY_UP)
        server_hears(link);
    else if (!link->client_gone)
        sim_port_note(link);
}

/* --- the server's end ------------------------------------------------------------------------------ */

static void connected(void *who, uint32_t what) {
    sim_link *link = who;
    if (!link->used || link->life != what || link->client_gone)
        return;
    link->connected = true;
    sim_port_note(link);
}

void sim_link_accept(sim_link *link) {
    sim_plan_in(link->latency, connected, link, link->life);
}

static void refused(void *who, uint32_t what) {
    sim_link *link = who;
    if (!link->used || link->life != what)
        return;
    link->connected = true;
    sim_port_note(link);
}

void sim_link_refuse(sim_link *link, int err) {
    link->fails = err;
    link->server_gone = true;
    sim_plan_in(link->latency, refused, link, link->life);
    sim_link_over(link);
}

size_t sim_link_arrived(const sim_link *link, const uint8_t **bytes) {
    const sim_pipe *pipe = &link->pipe[SIM_WAY_UP];
    *bytes = pipe->data ? pipe->data + pipe->start : (const uint8_t *)"";
    return pipe->there - pipe->start;
}

void sim_link_take(sim_link *link, size_t bytes) {
    sim_pipe *pipe = &link->pipe[SIM_WAY_UP];
    pipe->start += bytes;
    pipe->n_read += bytes;
}

void sim_link_send(sim_link *link, const void *bytes, size_t n) {
    if (!link->server_gone)
        put(link, SIM_WAY_DOWN, bytes, n);
}

void sim_link_mark(sim_link *link, uint64_t at, uint32_t flight, unsigned told) {
    if (link->first_mark == link->last_mark)
        link->first_mark = link->last_mark = 0;
    link->marks = sim_grow(link->marks, &link->mark_room, link->last_mark + 1, sizeof *link->marks);
    link->marks[link->last_mark++] = (sim_mark){ .at = at, .flight = flight, .told = told };
}

static void server_leaves(sim_link *link, sim_kind kind) {
    if (link->server_gone)
        return;
    end_pipe(link, SIM_WAY_DOWN, kind);
    link->server_gone = true;
    link->backend = NULL;
    sim_link_over(link);
}

void sim_link_fin(sim_link *link, bool clean) {
    link->pipe[SIM_WAY_DOWN].clean = clean;
    server_leaves(link, SIM_FIN);
}

void sim_link_rst(sim_link *link) {
    server_leaves(link, SIM_RST);
}

/* --- the client's end ------------------------------------------------------------------------------ */

void sim_link_put_up(sim_link *link, const void *bytes, size_t n) {
    put(link, SIM_WAY_UP, bytes, n);
}

void sim_link_end_up(sim_link *link, bool reset) {
    end_pipe(link, SIM_WAY_UP, reset ? SIM_RST : SIM_FIN);
}

void sim_link_take_down(sim_link *link, size_t bytes) {
    sim_pipe *pipe = &link->pipe[SIM_WAY_DOWN];
    if (pipe->n_read < pipe->sent_from && pipe->n_read + bytes > pipe->sent_from)
        sim_hit(SIM_NET_COALESCE);
    pipe->start += bytes;
    pipe->n_read += bytes;
    link->heard_at = sim.now;
    sim.moves++;
    while (link->first_mark < link->last_mark && link->marks[link->first_mark].at <= pipe->n_read) {
        const sim_mark *mark = &link->marks[link->first_mark++];
        sim_tap_told(link, mark->flight, mark->told);
        sim_note("the client reads of flight #: told #", mark->flight, mark->told, 0);
    }
}

/* --- trouble --------------------------------------------------------------------------------------- */

void sim_link_cut(sim_link *link, sim_kind kind, bool server_too) {
    if (!link->used || link->client_gone || !link->connected)
        return;
    sim_pipe *down = &link->pipe[SIM_WAY_DOWN];
    down->end = down->there;
    down->first = down->last;
    down->last_at = sim.now;
    add_segment(link, SIM_WAY_DOWN, sim.now, 0, kind);
    down->cut = true;
    if (server_too && !link->server_gone)
        add_segment(link, SIM_WAY_UP, arrival(link, SIM_WAY_UP), 0, kind);
}

void sim_link_end_behind(sim_link *link, sim_kind kind) {
    end_pipe(link, SIM_WAY_DOWN, kind);
    link->pipe[SIM_WAY_DOWN].cut = true;
}

void sim_link_hole(sim_link *link, bool up, bool down, hf_ms until) {
    if (up)
        link->pipe[SIM_WAY_UP].hole_until = until;
    if (down)
        link->pipe[SIM_WAY_DOWN].hole_until = until;
}

void sim_net_heal(void) {
    for (unsigned i = 0; i < sim_links_top; i++) {
        sim_link *link = &sim_links[i];
        if (!link->used)
            continue;
        /* Either side may be waiting for what a flipped length has promised: without a time-out, for ever. */
        if (link->tainted && !sim_has_timeouts())
            sim_link_cut(link, SIM_RST, true);
        link->latency = (uint16_t)sim_between(&sim.rng, 0, 10);
        link->drips = false;
        link->window = 65536;
        for (int way = 0; way < SIM_WAYS; way++) {
            sim_pipe *pipe = &link->pipe[way];
            pipe->hole_until = pipe->last_at = 0;
            for (size_t s = pipe->first; s < pipe->last; s++) {
                hf_ms at = sim.now + sim_between(&sim.rng, 1, 50);
                at = at < pipe->last_at ? pipe->last_at : at;
                if (pipe->segments[s].at > at)
                    pipe->segments[s].at = at;
                pipe->last_at = pipe->segments[s].at;
                sim_plan(pipe->last_at, arrive, link, event_of(link, (sim_way)way));
            }
        }
    }
}
