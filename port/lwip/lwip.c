/* The port itself: starting lwIP, its timers, sleeping, and the table by which core calls.
 *
 *     lwIP's callbacks --> note --> next() --> core     a callback notes what happened and returns; core asks,
 *                                                       and only then is lwIP called
 */
#include "link.h"
#include "lookup.h"
#include "system.h"

#include <string.h>

#include <lwip/init.h>
#include <lwip/opt.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>

#if !NO_SYS
#error "one thread: lwipopts.h should start with #include \"hf_lwipopts.h\""
#endif

static bool started; /* there is one lwIP in an image */

void hf_lwip_poll(hf_lwip *port) {
    (void)hf_lwip_now(port);
    sys_check_timeouts();
}

uint32_t hf_lwip_sleep_ms(hf_lwip *port, hf_ms until) {
    hf_ms now = hf_lwip_now(port);
    if (hf_notes_any(&port->notes) || until <= now) {
        return 0;
    }
    uint32_t ms = sys_timeouts_sleeptime();
    return until - now < ms ? (uint32_t)(until - now) : ms;
}

/* ---- what core calls ---------------------------------------------------------------------------- */

static int port_next(hf_port *base, uint32_t *tag) {
    return hf_notes_take(&hf_lwip_of(base)->notes, tag);
}

static int port_random(hf_port *base, void *out, size_t bytes) {
    const hf_lwip_setup *setup = &hf_lwip_of(base)->setup;
    return setup->random(setup->user, out, bytes) == 0 ? 0 : HF_ERR_RESOURCES;
}

static bool port_over_budget(hf_port *base) {
    const hf_lwip_setup *setup = &hf_lwip_of(base)->setup;
    return setup->over_budget != NULL && setup->over_budget(setup->user);
}

static hf_link *port_start_tls(hf_port *base, hf_link *under, const char *host, const char *alpn,
                               int *err) {
    hf_mbedtls *tls = hf_lwip_of(base)->setup.tls;
    *err = HF_ERR_CONFIG;
    return tls != NULL ? hf_mbedtls_start(tls, under, host, alpn, err) : NULL;
}

void hf_lwip_note(void *port, hf_link *under) {
    (void)hf_notes_add(&((hf_lwip *)port)->notes, &((hf_lwip_link *)(void *)under)->note);
}

static const char *missing(const hf_lwip_setup *setup) {
    return setup->links == NULL || setup->n_links == 0       ? "links"
           : setup->lookups == NULL || setup->n_lookups == 0 ? "lookups"
           : setup->random == NULL                           ? "random"
                                                             : NULL;
}

bool hf_lwip_init(hf_lwip *port, const hf_lwip_setup *setup, hf_error *error) {
    const char *lacks = missing(setup);
    if (lacks != NULL) {
        if (error != NULL) {
            hf_error_set(error, HF_ERR_ARGUMENT, HF_PHASE_NONE, lacks);
        }
        return false;
    }
    memset(port, 0, sizeof *port);
    port->setup = *setup;
    port->api = (hf_port_api){
        .open = hf_lwip_open,
        .start_tls = port_start_tls,
        .resolve = hf_lwip_resolve,
        .resolved = hf_lwip_resolved,
        .resolve_cancel = hf_lwip_resolve_cancel,
        .next = port_next,
        .random = port_random,
        .over_budget = port_over_budget,
        .hash = setup->hash != NULL ? setup->hash : &hf_mbedtls_hash,
    };
    port->port.api = &port->api;
    hf_notes_init(&port->notes);
    hf_lwip_random_open(port);
    if (!started) {
        started = true;
        lwip_init();
    }
    port->now = sys_now();
    hf_lwip_links_init(port);
    hf_lwip_lookups_init(port);
    return true;
}

hf_port *hf_lwip_port(hf_lwip *port) {
    return &port->port;
}

void hf_lwip_close(hf_lwip *port) {
    if (port->setup.tls != NULL) {
        hf_mbedtls_abort_all(port->setup.tls);
    }
    hf_lwip_links_close(port);
    hf_lwip_lookups_close(port);
    hf_lwip_random_close(port);
}
