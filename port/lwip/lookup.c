/* Names to addresses, by lwIP's own DNS.
 *
 * lwIP cannot be told to forget a question: its callback comes when its own tries are over. So each question keeps a
 * query of its own until then; a question that was given up is only marked, and its answer ignored. With DNS_MAX_TTL 0
 * lwIP keeps no answer after handing it over: each attempt asks afresh.
 *
 * lwIP hands over only the first address of an answer. So every packet from a name server is read on its way to lwIP;
 * when lwIP has judged the packet to be the answer that it waits for, it calls back, from within the same packet, and
 * the addresses beside the first are there.
 */
#include "lookup.h"

#include "system.h"

#include <string.h>

#include <lwip/dns.h>
#include <lwip/pbuf.h>

#if !defined DNS_MAX_TTL || DNS_MAX_TTL > 0
#error "lwipopts.h should start with #include \"hf_lwipopts.h\""
#endif

enum { HF_LOOKUP_IDLE, HF_LOOKUP_BUSY, HF_LOOKUP_DONE };

/* ---- a name server's answer --------------------------------------------------------------------- */

/* The addresses in the packet that lwIP is looking at: nothing of them has been verified. */
static struct {
    uint8_t n;
    uint8_t ip[HF_LWIP_FOUND][4];
} overheard;

static unsigned get16(const struct pbuf *p, size_t at) {
    return (unsigned)pbuf_get_at(p, (u16_t)at) << 8 | pbuf_get_at(p, (u16_t)(at + 1));
}

/* The offset behind a name (RFC 1035, 4.1.4); past the packet's end if the name does not end. */
static size_t skip_name(const struct pbuf *p, size_t at) {
    while (at < p->tot_len) {
        uint8_t length = pbuf_get_at(p, (u16_t)at);
        if (length == 0) {
            return at + 1;
        }
        if (length >= 0xc0) {
            return at + 2;
        }
        at += 1u + length;
    }
    return at;
}

/* Fragments and packets that are no DNS answers leave no addresses; bytes past a packet's end read as zeros. */
int hf_lwip_overhear(const struct pbuf *p) {
    enum { UDP = 17, DNS_HEADER = 12, QUESTION = 4, RECORD = 10, A = 1, IN = 1 };
    size_t at = (pbuf_get_at(p, 0) & 15u) * 4u;
    overheard.n = 0;
    if (pbuf_get_at(p, 9) != UDP || (get16(p, 6) & 0x3fff) != 0 || get16(p, at) != 53) {
        return 0;
    }
    at += 8;
    unsigned answers = get16(p, at + 6);
    at = skip_name(p, at + DNS_HEADER) + QUESTION;
    for (; answers > 0 && overheard.n < HF_LWIP_FOUND; answers--) {
        at = skip_name(p, at);
        if (at + RECORD + 4 > p->tot_len) {
            break;
        }
        unsigned length = get16(p, at + 8);
        if (get16(p, at) == A && get16(p, at + 2) == IN && length == 4) {
            (void)pbuf_copy_partial(p, overheard.ip[overheard.n++], 4, (u16_t)(at + RECORD));
        }
        at += RECORD + length;
    }
    return 0; /* lwIP goes on with the packet */
}

static void add(hf_lwip_lookup *lookup, uint8_t kind, const void *ip, size_t bytes) {
    hf_address *to = &lookup->found[lookup->n_found++];
    *to = (hf_address){ .kind = kind, .port = lookup->port_number };
    memcpy(to->ip, ip, bytes);
}

static void done(hf_lwip_lookup *lookup, const ip_addr_t *found) {
    lookup->step = HF_LOOKUP_DONE;
    lookup->failed = 0;
    lookup->n_found = 0;
    if (found == NULL) {
        lookup->failed = HF_ERR_RESOLVE;
#if LWIP_IPV6
    } else if (IP_IS_V6(found)) {
        add(lookup, HF_ADDRESS_IP6, ip_2_ip6(found)->addr, 16);
        lookup->found[0].scope = ip6_addr_zone(ip_2_ip6(found));
#endif
    } else {
        add(lookup, HF_ADDRESS_IP4, &ip_2_ip4(found)->addr, 4);
        bool same = overheard.n > 0 && memcmp(overheard.ip[0], lookup->found[0].ip, 4) == 0;
        for (uint8_t i = 1; same && i < overheard.n; i++) {
            add(lookup, HF_ADDRESS_IP4, overheard.ip[i], 4);
        }
    }
    (void)hf_notes_add(&lookup->port->notes, &lookup->note);
}

/* ---- questions ---------------------------------------------------------------------------------- */

static void on_found(const char *name, const ip_addr_t *found, void *at) {
    hf_lwip_query *query = at;
    (void)name;
    query->busy = false;
    if (query->wanted) {
        query->wanted = false;
        done(query->lookup, found);
    }
}

static void forget(hf_lwip_lookup *lookup) {
    hf_notes_remove(&lookup->note);
    lookup->step = HF_LOOKUP_IDLE;
    for (unsigned i = 0; i < HF_LWIP_QUERIES; i++) {
        lookup->queries[i].wanted = false;
    }
}

static hf_lwip_query *free_query(hf_lwip_lookup *lookup) {
    for (unsigned i = 0; i < HF_LWIP_QUERIES; i++) {
        if (!lookup->queries[i].busy) {
            return &lookup->queries[i];
        }
    }
    return NULL;
}

static hf_lwip_lookup *lookup_of(hf_port *port, unsigned slot) {
    hf_lwip_setup *setup = &hf_lwip_of(port)->setup;
    HF_ASSERT(slot < setup->n_lookups);
    return &setup->lookups[slot];
}

int hf_lwip_resolve(hf_port *port, unsigned slot, const char *host, uint16_t port_number) {
    hf_lwip_lookup *lookup = lookup_of(port, slot);
    forget(lookup);
    hf_lwip_query *query = free_query(lookup);
    if (query == NULL) {
        return HF_ERR_RESOURCES;
    }
    ip_addr_t found;
    lookup->port_number = port_number;
    (void)hf_lwip_random_good();
    err_t error = dns_gethostbyname(host, &found, on_found, query);
    query->busy = query->wanted = error == ERR_INPROGRESS;
    if (!hf_lwip_random_good()) { /* anybody can answer a question that can be guessed */
        query->wanted = false;
        return HF_ERR_RESOURCES;
    }
    if (error == ERR_INPROGRESS) {
        lookup->step = HF_LOOKUP_BUSY;
    } else if (error == ERR_OK) { /* a numeric host, or one in lwIP's local list */
        overheard.n = 0;
        done(lookup, &found);
    } else {
        return error == ERR_MEM ? HF_ERR_RESOURCES : HF_ERR_RESOLVE;
    }
    return 0;
}

int hf_lwip_resolved(hf_port *port, unsigned slot, hf_address *out, size_t max) {
    hf_lwip_lookup *lookup = lookup_of(port, slot);
    HF_ASSERT(max > 0);
    if (lookup->step != HF_LOOKUP_DONE) {
        return lookup->step == HF_LOOKUP_BUSY ? 0 : HF_ERR_STATE;
    }
    forget(lookup);
    if (lookup->failed != 0) {
        return lookup->failed;
    }
    size_t n = lookup->n_found < max ? lookup->n_found : max;
    memcpy(out, lookup->found, n * sizeof *out);
    return (int)n;
}

void hf_lwip_resolve_cancel(hf_port *port, unsigned slot) {
    forget(lookup_of(port, slot));
}

void hf_lwip_lookups_init(hf_lwip *port) {
    for (unsigned i = 0; i < port->setup.n_lookups; i++) {
        hf_lwip_lookup *lookup = &port->setup.lookups[i];
        *lookup = (hf_lwip_lookup){ .note = { .tag = HF_TAG_RESOLVE + i }, .port = port };
        for (unsigned j = 0; j < HF_LWIP_QUERIES; j++) {
            lookup->queries[j].lookup = lookup;
        }
    }
}

void hf_lwip_lookups_close(hf_lwip *port) {
    for (unsigned i = 0; i < port->setup.n_lookups; i++) {
        forget(&port->setup.lookups[i]);
    }
}
