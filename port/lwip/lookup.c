/* Names to addresses, by lwIP's own DNS.
 *
 * lwIP cannot be told to forget a question: it calls back when its own tries are over. So each question has a place
 * of its own until then; one that was given up is only marked, and its answer falls on the floor. lwIP keeps
 * one address of an answer, and (DNS_MAX_TTL 0) no answer after it was given: each attempt asks afresh.
 */
#include "insides.h"

#include <string.h>

#include <lwip/dns.h>

#if !defined DNS_MAX_TTL || DNS_MAX_TTL > 0
#error "lwipopts.h should start with #include \"hf_lwipopts.h\""
#endif

enum { HF_LOOKUP_IDLE, HF_LOOKUP_BUSY, HF_LOOKUP_DONE };

bool hf_lwip_ip_from(ip_addr_t *to, const hf_address *from) {
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

bool hf_lwip_ip_to(hf_address *to, const ip_addr_t *from, uint16_t port_number) {
    *to = (hf_address){ .port = port_number };
#if LWIP_IPV4
    if (IP_IS_V4(from)) {
        to->kind = HF_ADDRESS_IP4;
        memcpy(to->ip, &ip_2_ip4(from)->addr, 4);
        return true;
    }
#endif
#if LWIP_IPV6
    if (IP_IS_V6(from)) {
        to->kind = HF_ADDRESS_IP6;
        memcpy(to->ip, ip_2_ip6(from)->addr, 16);
        to->scope = ip6_addr_zone(ip_2_ip6(from));
        return true;
    }
#endif
    return false;
}

static void done(hf_lwip_lookup *lookup, const ip_addr_t *found) {
    lookup->step = HF_LOOKUP_DONE;
    lookup->failed = HF_ERR_RESOLVE;
    if (found != NULL && hf_lwip_ip_to(&lookup->found, found, lookup->port_number)) {
        lookup->failed = 0;
    }
    (void)hf_notes_add(&lookup->port->notes, &lookup->note);
}

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
    if (!hf_lwip_random_good()) { /* an answer to a question that can be guessed is anybody's */
        query->wanted = false;
        return HF_ERR_RESOURCES;
    }
    if (error == ERR_INPROGRESS) {
        lookup->step = HF_LOOKUP_BUSY;
    } else if (error == ERR_OK) { /* numeric, or in lwIP's list of local hosts */
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
    *out = lookup->found;
    return 1;
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
