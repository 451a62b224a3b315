/* TCP connections of lwIP's raw API as links.
 *
 * A pcb is lwIP's and goes when lwIP says so: after on_error(), and in TIME_WAIT, where lwIP may take it for another
 * connection without a word. So a link drops its pcb (NULL then) in the callback that tells of the one or leads to the
 * other; in all other places the pcb is there as long as the link is.
 *
 * Received pbufs stay as they came, in one chain from the first byte not read. read() copies out of them, frees those
 * that are done (pbuf_free_header) and opens the window by as much (tcp_recved): what core does not take, the server
 * does not send.
 */
#include "link.h"

#include "system.h"

#include <string.h>

#include <lwip/pbuf.h>
#include <lwip/tcp.h>

#if !LWIP_TCP_KEEPALIVE
#error "lwipopts.h should start with #include \"hf_lwipopts.h\""
#endif
/* A chain of pbufs counts its bytes in 16 bits, and holds a window at most. */
_Static_assert(TCP_WND <= 0xffff && !LWIP_WND_SCALE, "lwipopts.h: TCP_WND may be 65535 at most");

/* TCP keepalive, as in port/linux: after so many ms of silence a sign of life is asked for, again after so many, and
 * the connection given up after so many unanswered. */
#define HF_KEEPALIVE_IDLE_MS     30000
#define HF_KEEPALIVE_INTERVAL_MS 10000
#define HF_KEEPALIVE_COUNT       3

/* on_poll() is called at every tick of lwIP's slow timer: each 500 ms. */
#define HF_POLL_INTERVAL 1

/* pbufs that one link may hold. A server that sends byte by byte fills one of the pool's with each; beyond this lwIP
 * is asked to keep what comes, so that other links get theirs. */
#define HF_PBUFS_PER_LINK (PBUF_POOL_SIZE / 2)

enum { HF_LWIP_FREE, HF_LWIP_CONNECTING, HF_LWIP_UP, HF_LWIP_FAILED };

static hf_lwip_link *own(hf_link *link) {
    return (hf_lwip_link *)(void *)link;
}

static void note(hf_lwip_link *link) {
    (void)hf_notes_add(&link->port->notes, &link->note);
}

/* ---- errors ------------------------------------------------------------------------------------- */

static const struct {
    err_t error;
    int16_t err;
    const char *why; /* NULL: the hf_err's own text says it all */
} table[] = {
    { ERR_RST, HF_ERR_RESET, NULL },
    { ERR_CLSD, HF_ERR_EOF, NULL },
    { ERR_CONN, HF_ERR_RESET, NULL },
    { ERR_ABRT, HF_ERR_NET_TIMEOUT, NULL },
    { ERR_TIMEOUT, HF_ERR_NET_TIMEOUT, "what was sent was not acknowledged" },
    { ERR_RTE, HF_ERR_UNREACHABLE, "no network interface leads there" },
    { ERR_MEM, HF_ERR_RESOURCES, "lwIP's pools are empty" },
    { ERR_BUF, HF_ERR_RESOURCES, "lwIP has no local port left" },
    { ERR_USE, HF_ERR_RESOURCES, "lwIP has no local port left" },
};

static int fail(hf_lwip_link *link, err_t error) {
    bool connecting = link->step == HF_LWIP_CONNECTING;
    link->step = HF_LWIP_FAILED;
    link->error = error;
    link->failed = HF_ERR_NET;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].error == error) {
            link->failed = table[i].err;
        }
    }
    if (connecting && error == ERR_RST) {
        link->failed = HF_ERR_REFUSED;
    }
    return link->failed;
}

static const char *link_why(hf_link *base, int32_t *system) {
    hf_lwip_link *link = own(base);
    *system = (int32_t)link->error;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].error == link->error) {
            return table[i].why;
        }
    }
    return NULL;
}

/* ---- lwIP calls these; they only note ----------------------------------------------------------- */

static err_t on_connected(void *at, struct tcp_pcb *pcb, err_t error) {
    hf_lwip_link *link = at;
    (void)pcb;
    (void)error; /* always ERR_OK */
    link->step = HF_LWIP_UP;
    note(link);
    return ERR_OK;
}

static void detach(hf_lwip_link *link) {
    tcp_arg(link->pcb, NULL);
    tcp_recv(link->pcb, NULL);
    tcp_sent(link->pcb, NULL);
    tcp_err(link->pcb, NULL);
    tcp_poll(link->pcb, NULL, 0);
    link->pcb = NULL;
    link->waiting_since = HF_NEVER;
}

static err_t on_received(void *at, struct tcp_pcb *pcb, struct pbuf *data, err_t error) {
    hf_lwip_link *link = at;
    (void)pcb;
    (void)error;
    if (data == NULL) {
        link->ended = true;
        if (link->shut) {
            detach(link); /* both ends are shut: TIME_WAIT is lwIP's own */
        }
    } else if (link->rx == NULL) {
        link->rx = data;
    } else if (pbuf_clen(link->rx) >= HF_PBUFS_PER_LINK) {
        return ERR_MEM;
    } else {
        pbuf_cat(link->rx, data);
    }
    note(link);
    return ERR_OK;
}

static err_t on_sent(void *at, struct tcp_pcb *pcb, u16_t bytes) {
    hf_lwip_link *link = at;
    (void)bytes;
    link->waiting_since = tcp_sndqueuelen(pcb) > 0 ? hf_lwip_now(link->port) : HF_NEVER;
    if (link->waits) {
        link->waits = false;
        note(link);
    }
    return ERR_OK;
}

/* Twice a second lwIP asks: time and freed memory announce themselves by no packet. */
static err_t on_poll(void *at, struct tcp_pcb *pcb) {
    hf_lwip_link *link = at;
    (void)pcb;
    if (HF_LWIP_USER_TIMEOUT_MS > 0 && link->waiting_since != HF_NEVER &&
        hf_lwip_now(link->port) - link->waiting_since >= HF_LWIP_USER_TIMEOUT_MS) {
        link->overdue = true;
        note(link);
    }
    if (link->waits) { /* memory that another link held may be free: no on_sent() will tell */
        link->waits = false;
        note(link);
    }
    return ERR_OK;
}

static void on_error(void *at, err_t error) {
    hf_lwip_link *link = at;
    link->pcb = NULL; /* freed */
    link->waiting_since = HF_NEVER;
    (void)fail(link, error);
    note(link);
}

/* ---- core calls these --------------------------------------------------------------------------- */

/* Frees what the link still holds, its pcb with a reset: nothing sent can be executed any more, however late the
 * network heals, and no pcb is left behind to wait for a peer that is gone. */
static void drop(hf_lwip_link *link) {
    struct tcp_pcb *pcb = link->pcb;
    if (pcb != NULL) {
        detach(link);
        tcp_abort(pcb);
    }
    if (link->rx != NULL) {
        pbuf_free(link->rx);
        link->rx = NULL;
    }
}

static void release(hf_lwip_link *link) {
    drop(link);
    hf_notes_remove(&link->note);
    link->step = HF_LWIP_FREE;
}

/* Ends a link whose bytes nobody acknowledges: in the tick, not in the callback that saw that. */
static void judge(hf_lwip_link *link) {
    if (link->overdue && link->pcb != NULL && link->waiting_since != HF_NEVER) {
        struct tcp_pcb *pcb = link->pcb;
        detach(link);
        tcp_abort(pcb);
        (void)fail(link, ERR_TIMEOUT);
    }
    link->overdue = false;
}

static int link_ready(hf_link *base, bool *more) {
    hf_lwip_link *link = own(base);
    *more = false;
    return link->step == HF_LWIP_FAILED ? link->failed : link->step == HF_LWIP_UP ? 1 : 0;
}

/* Reads what was received before it reports an end or an error. */
static int link_read(hf_link *base, void *to, size_t bytes) {
    hf_lwip_link *link = own(base);
    judge(link);
    if (link->rx != NULL && bytes > 0) {
        u16_t part = bytes < link->rx->tot_len ? (u16_t)bytes : link->rx->tot_len;
        part = pbuf_copy_partial(link->rx, to, part, 0);
        link->rx = pbuf_free_header(link->rx, part);
        if (link->pcb != NULL) {
            tcp_recved(link->pcb, part);
        }
        if (part < bytes && (link->ended || link->step == HF_LWIP_FAILED)) {
            note(link);
        }
        return part;
    }
    if (link->ended) {
        return HF_ERR_EOF;
    }
    return link->step == HF_LWIP_FAILED ? link->failed : 0;
}

static int link_write(hf_link *base, const void *from, size_t bytes) {
    hf_lwip_link *link = own(base);
    judge(link);
    if (link->step != HF_LWIP_UP || link->pcb == NULL) {
        return link->step == HF_LWIP_FAILED ? link->failed : 0;
    }
    size_t room = tcp_sndbuf(link->pcb);
    size_t part = bytes < room ? bytes : room;
    err_t error = ERR_MEM;
    /* lwIP's memory may be too short for all of the bytes, and enough for some. */
    for (; part > 0; part /= 2) {
        u8_t flags = TCP_WRITE_FLAG_COPY | (part < bytes ? TCP_WRITE_FLAG_MORE : 0);
        error = tcp_write(link->pcb, from, (u16_t)part, flags);
        if (error != ERR_MEM) {
            break;
        }
    }
    if (error != ERR_OK && error != ERR_MEM) {
        link->error = error; /* reading goes on: the reason may have arrived */
        return HF_ERR_RESET;
    }
    link->waits = part < bytes;
    if (part > 0) {
        if (link->waiting_since == HF_NEVER) {
            link->waiting_since = hf_lwip_now(link->port);
        }
        (void)tcp_output(link->pcb); /* on failure lwIP's timers send, or it is overdue */
    }
    return (int)part;
}

static int link_close(hf_link *base) {
    hf_lwip_link *link = own(base);
    judge(link);
    if (link->rx != NULL) {
        u16_t bytes = link->rx->tot_len;
        pbuf_free(link->rx);
        link->rx = NULL;
        if (link->pcb != NULL) {
            tcp_recved(link->pcb, bytes);
        }
    }
    if (link->pcb != NULL && link->step == HF_LWIP_UP && !link->ended) {
        if (!link->shut) {
            link->shut = true;
            if (tcp_shutdown(link->pcb, 0, 1) != ERR_OK) {
                release(link);
                return 1;
            }
        }
        return 0;
    }
    if (link->pcb != NULL && link->step == HF_LWIP_UP) {
        struct tcp_pcb *pcb = link->pcb;
        detach(link);
        if (tcp_close(pcb) != ERR_OK) {
            tcp_abort(pcb);
        }
    }
    release(link);
    return 1;
}

static void link_abort(hf_link *base) {
    release(own(base));
}

static size_t link_binding(hf_link *base, uint8_t *out) {
    (void)base;
    (void)out;
    return 0;
}

static const hf_link_api api = { link_ready, link_read,    link_write, link_close,
                                 link_abort, link_binding, link_why };

/* An address of core's as one of lwIP's. False: a kind that this lwIP was built without. */
static bool ip_from(ip_addr_t *to, const hf_address *from) {
    memset(to, 0, sizeof *to);
#if LWIP_IPV4
    if (from->kind == HF_ADDRESS_IP4) {
        IP_SET_TYPE(to, IPADDR_TYPE_V4);
        memcpy(&ip_2_ip4(to)->addr, from->ip, 4);
        return true;
    }
#endif
#if LWIP_IPV6
    if (from->kind == HF_ADDRESS_IP6) {
        IP_SET_TYPE(to, IPADDR_TYPE_V6);
        memcpy(ip_2_ip6(to)->addr, from->ip, 16);
        ip6_addr_set_zone(ip_2_ip6(to), (u8_t)from->scope);
        return true;
    }
#endif
    return false;
}

static void tune(struct tcp_pcb *pcb) {
    tcp_nagle_disable(pcb); /* a message is sent whole: nothing to wait for */
    ip_set_option(pcb, SOF_KEEPALIVE);
    pcb->keep_idle = HF_KEEPALIVE_IDLE_MS;
    pcb->keep_intvl = HF_KEEPALIVE_INTERVAL_MS;
    pcb->keep_cnt = HF_KEEPALIVE_COUNT;
}

static hf_lwip_link *free_link(hf_lwip *port) {
    for (unsigned i = 0; i < port->setup.n_links; i++) {
        if (port->setup.links[i].step == HF_LWIP_FREE) {
            return &port->setup.links[i];
        }
    }
    return NULL;
}

/* A failure of connecting is told by the link's ready() and why(); told here are a want of slots or memory, and a Unix
 * socket, which lwIP does not have. */
hf_link *hf_lwip_open(hf_port *base, const hf_address *address, const char *path, uint32_t tag,
                      int *err) {
    hf_lwip *port = hf_lwip_of(base);
    hf_lwip_link *link = free_link(port);
    ip_addr_t to;
    (void)path;
    if (address->kind == HF_ADDRESS_LOCAL) {
        *err = HF_ERR_CONFIG;
        return NULL;
    }
    bool known = ip_from(&to, address);
    struct tcp_pcb *pcb =
        link != NULL ? tcp_new_ip_type(known ? IP_GET_TYPE(&to) : IPADDR_TYPE_ANY) : NULL;
    *err = HF_ERR_RESOURCES;
    if (pcb == NULL) {
        return NULL;
    }
    *link = (hf_lwip_link){ .link = { .api = &api, .tag = tag },
                            .note = { .tag = tag },
                            .port = port,
                            .pcb = pcb,
                            .waiting_since = HF_NEVER,
                            .step = HF_LWIP_CONNECTING };
    tcp_arg(pcb, link);
    tcp_recv(pcb, on_received);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_poll(pcb, on_poll, HF_POLL_INTERVAL);
    tune(pcb);
    (void)hf_lwip_random_good();
    err_t error = known ? tcp_connect(pcb, &to, address->port, on_connected) : ERR_RTE;
    if (!hf_lwip_random_good()) {
        release(link);
        return NULL;
    }
    if (error != ERR_OK) {
        drop(link);
        (void)fail(link, error);
        note(link);
    }
    *err = 0;
    return &link->link;
}

void hf_lwip_links_init(hf_lwip *port) {
    for (unsigned i = 0; i < port->setup.n_links; i++) {
        port->setup.links[i] = (hf_lwip_link){ .port = port, .step = HF_LWIP_FREE };
    }
}

void hf_lwip_links_close(hf_lwip *port) {
    for (unsigned i = 0; i < port->setup.n_links; i++) {
        if (port->setup.links[i].step != HF_LWIP_FREE) {
            release(&port->setup.links[i]);
        }
    }
}
