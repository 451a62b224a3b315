/* Frames by hand: Ethernet, ARP, IPv4, UDP for DNS, TCP (RFC 826, 791, 768, 1035, 9293). */
#include "wire.h"

#include "pools.h"

#include <lwip/tcp.h>
#include <lwip/timeouts.h>

#define FRAMES 4096
#define CONNS  16

static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t client_ip[4] = { 10, 0, 0, 2 };
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

hf_wire hf_wire_here;

static struct {
    uint32_t clock;
    struct {
        uint16_t bytes;
        uint8_t frame[HF_LWIP_FRAME_BYTES];
    } queue[FRAMES];
    unsigned first, n;
    hf_wire_conn conns[CONNS];
    uint32_t random;
    unsigned baseline[32];
} self;

u32_t sys_now(void) {
    return self.clock;
}

/* ---- frames to the client ----------------------------------------------------------------------- */

static void put16(uint8_t *at, unsigned value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value) {
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static unsigned get16(const uint8_t *at) {
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at) {
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static uint32_t sum(const uint8_t *at, size_t bytes, uint32_t start) {
    for (size_t i = 0; i < bytes; i++) {
        start += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    }
    return start;
}

static unsigned folded(uint32_t total) {
    while (total >> 16) {
        total = (total & 0xffff) + (total >> 16);
    }
    return ~total & 0xffff;
}

static void queue(const uint8_t *frame, size_t bytes) {
    assert_true(self.n < FRAMES);
    unsigned at = (self.first + self.n++) % FRAMES;
    memcpy(self.queue[at].frame, frame, bytes);
    self.queue[at].bytes = (uint16_t)bytes;
}

/* An IPv4 packet around what lies at frame + 34. */
static void queue_ip(uint8_t *frame, uint8_t protocol, const uint8_t from[4], size_t payload) {
    memcpy(frame, hf_wire_here.nic.netif.hwaddr, 6);
    memcpy(frame + 6, our_mac, 6);
    put16(frame + 12, 0x0800);
    uint8_t *ip = frame + 14, *data = frame + 34;
    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)(20 + payload));
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, from, 4);
    memcpy(ip + 16, client_ip, 4);
    put16(ip + 10, folded(sum(ip, 20, 0)));
    unsigned place = protocol == 6 ? 16 : 6;
    put16(data + place, 0);
    put16(data + place, folded(sum(data, payload, sum(ip + 12, 8, protocol + (uint32_t)payload))));
    queue(frame, 34 + payload);
}

static void segment(hf_wire_conn *conn, unsigned flags, const void *bytes, size_t size) {
    uint8_t frame[HF_LWIP_FRAME_BYTES] = { 0 }, *tcp = frame + 34;
    size_t header = flags & SYN ? 24 : 20;
    put16(tcp, HF_WIRE_SERVER);
    put16(tcp + 2, conn->client_port);
    put32(tcp + 4, conn->sent);
    conn->told = hf_wire_here.silent && !(flags & (SYN | RST)) ? conn->told : conn->heard;
    put32(tcp + 8, conn->told);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = (uint8_t)flags;
    put16(tcp + 14, hf_wire_here.window);
    if (flags & SYN) {
        put32(tcp + 20, 0x020405b4); /* MSS 1460 */
    }
    if (size > 0) {
        memcpy(tcp + header, bytes, size);
    }
    conn->sent += (uint32_t)size + (flags & (SYN | FIN) ? 1 : 0);
    queue_ip(frame, 6, hf_wire_address().ip, header + size);
}

void hf_wire_send(hf_wire_conn *conn, const void *bytes, size_t size) {
    for (size_t at = 0; at < size; at += 1460) {
        segment(conn, ACK, (const char *)bytes + at, size - at < 1460 ? size - at : 1460);
    }
}

void hf_wire_fin(hf_wire_conn *conn) {
    segment(conn, FIN | ACK, NULL, 0);
    conn->ended = true;
    conn->open = conn->open && !conn->fin;
}

void hf_wire_rst(hf_wire_conn *conn) {
    segment(conn, RST | ACK, NULL, 0);
    conn->open = false;
}

void hf_wire_ack(hf_wire_conn *conn) {
    bool silent = hf_wire_here.silent;
    hf_wire_here.silent = false;
    segment(conn, ACK, NULL, 0);
    hf_wire_here.silent = silent;
}

/* ---- frames from the client --------------------------------------------------------------------- */

static void on_arp(const uint8_t *frame) {
    uint8_t out[60] = { 0 };
    if (get16(frame + 20) != 1 || memcmp(frame + 38, client_ip, 4) == 0) {
        return; /* an announcement of its own */
    }
    hf_wire_here.sought++;
    memcpy(out, frame + 6, 6);
    memcpy(out + 6, our_mac, 6);
    memcpy(out + 12, frame + 12, 8);
    put16(out + 20, 2);
    memcpy(out + 22, our_mac, 6);
    memcpy(out + 28, frame + 38, 4);
    memcpy(out + 32, frame + 22, 10);
    queue(out, sizeof out);
}

static void on_question(const uint8_t *ip, const uint8_t *udp, size_t bytes) {
    static const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4 }; /* for an hour */
    uint8_t frame[HF_LWIP_FRAME_BYTES] = { 0 }, *out = frame + 34;
    hf_wire_here.questions++;
    if (hf_wire_here.mute) {
        return;
    }
    put16(out, 53);
    put16(out + 2, get16(udp));
    memcpy(out + 8, udp + 8, bytes - 8);
    unsigned n = 0;
    size_t size = bytes;
    for (; n < COUNT(hf_wire_here.names) && hf_wire_here.names[n]; n++) {
        memcpy(out + size, record, sizeof record);
        put32(out + size + sizeof record, hf_wire_here.names[n]);
        size += sizeof record + 4;
    }
    out[10] = 0x81;
    out[11] = n > 0 ? 0x80 : 0x83; /* 3: there is no such name */
    put16(out + 14, n);
    put16(out + 4, (unsigned)size);
    queue_ip(frame, 17, ip + 16, size);
}

static hf_wire_conn *conn_of(unsigned client_port) {
    for (unsigned i = 0; i < CONNS; i++) {
        if (self.conns[i].open && self.conns[i].client_port == client_port) {
            return &self.conns[i];
        }
    }
    return NULL;
}

static void on_syn(const uint8_t *tcp) {
    /* A closed one, or the oldest: an end may have been lost. */
    hf_wire_conn *conn = &self.conns[0];
    for (unsigned i = 1; i < CONNS && conn->open; i++) {
        bool better = !self.conns[i].open || self.conns[i].number < conn->number;
        conn = better ? &self.conns[i] : conn;
    }
    conn->client_port = (uint16_t)get16(tcp);
    conn->heard = get32(tcp + 4) + 1;
    conn->number = ++hf_wire_here.accepted;
    conn->sent = 1000 * conn->number;
    conn->fin = conn->rst = conn->ended = false;
    conn->got = conn->parsed = 0;
    if (hf_wire_here.answer == HF_WIRE_REFUSE) {
        conn->sent = 0;
        segment(conn, RST | ACK, NULL, 0);
        return;
    }
    conn->open = true;
    hf_wire_here.conn = conn;
    segment(conn, SYN | ACK, NULL, 0);
}

static void on_tcp(const uint8_t *tcp, size_t bytes) {
    size_t header = (size_t)(tcp[12] >> 4) * 4, size = bytes - header;
    unsigned flags = tcp[13];
    hf_wire_conn *conn = conn_of(get16(tcp));
    hf_wire_here.resets += (flags & RST) != 0;
    if (flags & SYN) {
        if (hf_wire_here.answer != HF_WIRE_SILENT && conn == NULL) {
            on_syn(tcp);
        }
        return;
    }
    if (conn == NULL) {
        return;
    }
    conn->acknowledged = get32(tcp + 8);
    conn->window = get16(tcp + 14);
    if (flags & RST) {
        conn->rst = true;
        conn->open = false;
        return;
    }
    bool new = get32(tcp + 4) == conn->heard;
    if (new &&size > 0) {
        assert_true(conn->got + size <= sizeof conn->bytes);
        memcpy(conn->bytes + conn->got, tcp + header, size);
        conn->got += size;
        conn->heard += (uint32_t)size;
    }
    if (new &&flags & FIN) {
        conn->fin = true;
        conn->heard++;
    }
    if ((size > 0 || flags & FIN || !new) &&
        !hf_wire_here.silent) { /* not new: heard before, or keepalive */
        segment(conn, ACK, NULL, 0);
    }
    conn->open = conn->open && !(conn->fin && conn->ended);
    if (new &&size > 0 && hf_wire_here.on_bytes) {
        hf_wire_here.on_bytes(conn);
    }
}

static bool on_frame(void *unused, const void *at, size_t bytes) {
    const uint8_t *frame = at, *ip = frame + 14;
    (void)unused;
    if (hf_wire_here.cut) {
        return true;
    }
    if (get16(frame + 12) == 0x0806) {
        on_arp(frame);
    } else if (get16(frame + 12) == 0x0800 && bytes > 34) {
        size_t payload = get16(ip + 2) - 20u;
        if (ip[9] == 6) {
            on_tcp(ip + 20, payload);
        } else if (ip[9] == 17 && get16(ip + 22) == 53) {
            on_question(ip, ip + 20, payload);
        }
    }
    return true;
}

static size_t next_frame(void *unused, void *frame) {
    (void)unused;
    if (self.n == 0) {
        return 0;
    }
    size_t bytes = self.queue[self.first].bytes;
    memcpy(frame, self.queue[self.first].frame, bytes);
    self.first = (self.first + 1) % FRAMES;
    self.n--;
    if (hf_wire_here.cut) {
        return next_frame(unused, frame);
    }
    return bytes;
}

/* ---- time --------------------------------------------------------------------------------------- */

hf_ms hf_wire_now(void) {
    return hf_lwip_now(&hf_wire_here.port);
}

static void settle(void) {
    do {
        (void)hf_lwip_nic_poll(&hf_wire_here.nic);
        hf_lwip_poll(&hf_wire_here.port);
    } while (self.n > 0);
}

void hf_wire_run(uint32_t ms) {
    settle();
    while (ms > 0) {
        uint32_t step = sys_timeouts_sleeptime();
        step = step == 0 ? 1 : step < ms ? step : ms;
        self.clock += step;
        ms -= step;
        settle();
    }
}

void hf_wire_wait(hf_ms until) {
    settle();
    for (uint32_t ms; (ms = hf_lwip_sleep_ms(&hf_wire_here.port, until)) > 0;) {
        self.clock += ms;
        settle();
    }
}

/* ---- a test's beginning and end ----------------------------------------------------------------- */

static int numbers(void *unused, unsigned char *out, size_t bytes) {
    (void)unused;
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (unsigned char)(unit_random(&self.random) >> 8);
    }
    return hf_wire_here.weak ? -1 : 0;
}

unsigned hf_wire_used(const char *name) {
    hf_lwip_pool pool;
    for (unsigned i = 0; hf_lwip_pool_get(i, &pool); i++) {
        if (strcmp(pool.name, name) == 0) {
            return pool.used;
        }
    }
    fail_msg("lwIP has no pool %s", name);
    return 0;
}

int hf_wire_open(void **state) {
    hf_wire *wire = &hf_wire_here;
    memset(wire, 0, sizeof *wire);
    memset(self.conns, 0, sizeof self.conns);
    self.n = 0;
    self.random = 1;
    self.clock = *state != NULL ? *(const uint32_t *)*state : 0;
    const hf_lwip_setup setup = { .links = wire->links,
                                  .n_links = HF_WIRE_LINKS,
                                  .lookups = wire->lookups,
                                  .n_lookups = HF_WIRE_LOOKUPS,
                                  .random = numbers };
    const hf_lwip_driver driver = { .mac = { 2, 0, 0, 0, 0, 2 },
                                    .send = on_frame,
                                    .receive = next_frame };
    const hf_lwip_addresses addresses = { .address = "10.0.0.2", .dns = { "10.0.0.53" } };
    assert_true(hf_lwip_init(&wire->port, &setup, NULL));
    sys_restart_timeouts(); /* the clock may have been set */
    assert_true(hf_lwip_nic_open(&wire->nic, &driver, &addresses, NULL));
    wire->window = 0xffff;
    hf_lwip_pool pool;
    for (unsigned i = 0; hf_lwip_pool_get(i, &pool); i++) {
        self.baseline[i] = pool.used;
    }
    return 0;
}

/* What lwIP finishes by itself (TIME_WAIT, FIN_WAIT) has an hour; then all its pools are as they were. */
int hf_wire_close(void **state) {
    hf_wire *wire = &hf_wire_here;
    (void)state;
    hf_lwip_close(&wire->port);
    wire->cut = true;
    hf_wire_run(3600000);
    unsigned lost = 0;
    hf_lwip_pool pool;
    for (unsigned i = 0; hf_lwip_pool_get(i, &pool); i++) {
        if (pool.used != self.baseline[i]) {
            print_error("%s: %u in use, %u at first\n", pool.name, (unsigned)pool.used,
                        self.baseline[i]);
            lost++;
        }
    }
    hf_lwip_nic_close(&wire->nic);
    return lost > 0 ? -1 : 0;
}

/* ---- links -------------------------------------------------------------------------------------- */

hf_address hf_wire_address(void) {
    return (hf_address){ .kind = HF_ADDRESS_IP4, .port = HF_WIRE_SERVER, .ip = { 10, 0, 0, 1 } };
}

hf_link *hf_wire_link(uint32_t tag) {
    hf_port *port = hf_lwip_port(&hf_wire_here.port);
    hf_address address = hf_wire_address();
    int err = 1;
    hf_link *link = port->api->open(port, &address, NULL, tag, &err);
    assert_int_equal(err, 0);
    assert_non_null(link);
    return link;
}

hf_link *hf_wire_up(uint32_t tag) {
    hf_link *link = hf_wire_link(tag);
    bool more = true;
    assert_int_equal(link->api->ready(link, &more), 0);
    hf_wire_run(0);
    assert_true(hf_wire_event(tag));
    assert_int_equal(link->api->ready(link, &more), 1);
    assert_false(more);
    return link;
}

bool hf_wire_event(uint32_t tag) {
    hf_port *port = hf_lwip_port(&hf_wire_here.port);
    bool seen = false;
    for (uint32_t one; port->api->next(port, &one);) {
        seen = seen || one == tag;
    }
    return seen;
}
