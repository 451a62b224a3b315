/* The lwIP port: lwIP 2.2's raw API with NO_SYS=1, the same on bare metal and on Linux.
 *
 *     static hf_lwip port;
 *     static hf_lwip_nic nic;
 *     static hf_lwip_link links[HF_LWIP_LINKS(1)];
 *     static hf_lwip_lookup lookups[1];
 *     static hf_mbedtls tls;
 *     static hf_mbedtls_link tls_links[HF_LWIP_LINKS(1)];
 *
 *     hf_lwip_init(&port, &(hf_lwip_setup){ … }, &error);
 *     hf_mbedtls_init(&tls, &(hf_mbedtls_setup){ .note = hf_lwip_note, .user = &port, … }, &error);
 *     hf_mbedtls_trust(&tls, ca, sizeof ca);
 *     hf_lwip_nic_open(&nic, &driver, &addresses, &error);
 *     hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, hf_lwip_port(&port), &error);
 *     for (;;) {
 *         hf_lwip_nic_poll(&nic);                            frames that have come
 *         hf_lwip_poll(&port);                               lwIP's timers
 *         hf_ms until = hf_tick(pool, hf_lwip_now(&port));
 *         sleep_until_interrupt(hf_lwip_sleep_ms(&port, until));
 *     }
 *
 * All of it runs in one thread; an interrupt only wakes the loop. lwIP is one for the whole image: it asks the
 * board for the time (u32_t sys_now(void), milliseconds that wrap) and takes its sizes from the board's
 * lwipopts.h, which starts from hf_lwipopts.h. Nothing here allocates but from lwIP's own pools.
 */
#ifndef HF_LWIP_H
#define HF_LWIP_H

#include "hf_mbedtls.h"
#include "holdfast/holdfast.h"
#include "notes.h"

#include <lwip/netif.h>
#include <lwip/sys.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How long sent bytes may stay unacknowledged before their link has failed. lwIP has no such limit (RFC 5482); the
 * core's deadlines are shorter, this ends what nobody waits for. 0: none. */
#ifndef HF_LWIP_USER_TIMEOUT_MS
#define HF_LWIP_USER_TIMEOUT_MS 60000
#endif

/* Links for so many connections: session, cancel and closing of each. */
#define HF_LWIP_LINKS(connections) (3 * (connections))

/* Look-ups that lwIP may still be working on for one connection; all but the last were given up. */
#ifndef HF_LWIP_QUERIES
#define HF_LWIP_QUERIES 4
#endif

/* Addresses of a name that are told. */
#ifndef HF_LWIP_FOUND
#define HF_LWIP_FOUND 4
#endif

typedef struct hf_lwip_link {
    hf_link link;
    hf_note note;
    struct hf_lwip *port;
    struct tcp_pcb *pcb; /* NULL: lwIP has let go of it */
    struct pbuf *rx;     /* received, from the first byte that was not read */
    hf_ms waiting_since; /* bytes are unacknowledged, all of them since then; HF_NEVER: none */
    uint8_t step;
    int8_t error;   /* lwIP's err_t of the last failure */
    int16_t failed; /* this hf_err */
    bool ended;     /* the peer's end was received */
    bool shut;      /* our end was sent */
    bool waits;     /* a write could not take all */
    bool overdue;   /* what was sent is unacknowledged for too long */
} hf_lwip_link;

typedef struct hf_lwip_query {
    struct hf_lwip_lookup *lookup;
    bool busy;   /* lwIP will call back */
    bool wanted; /* and somebody waits for it */
} hf_lwip_query;

typedef struct hf_lwip_lookup {
    hf_note note;
    struct hf_lwip *port;
    uint8_t step;
    int16_t failed;
    uint16_t port_number;
    uint8_t n_found;
    hf_address found[HF_LWIP_FOUND];
    hf_lwip_query queries[HF_LWIP_QUERIES];
} hf_lwip_lookup;

typedef struct hf_lwip_setup {
    hf_lwip_link *links; /* the caller's, for as long as the port lives, as all below */
    unsigned n_links;
    hf_lwip_lookup *lookups; /* one for each of the pool's connections */
    unsigned n_lookups;
    /* Fills all of out with cryptographically random bytes: 0, or anything else; then the attempt fails.
     * Ports, sequence numbers and DNS identifiers come from it too. */
    hf_mbedtls_entropy_fn *random;
    bool (*over_budget)(
        void *user);     /* as hf_port_api; NULL: never, where one handshake step is the unit */
    void *user;          /* for both */
    hf_mbedtls *tls;     /* NULL: without TLS. Its note is hf_lwip_note, its user this hf_lwip */
    const hf_hash *hash; /* NULL: hf_mbedtls_hash */
} hf_lwip_setup;

/* One for each pool. The first one's random source is lwIP's own too: it is closed last. */
typedef struct hf_lwip {
    hf_port port;
    hf_port_api api;
    hf_lwip_setup setup;
    hf_notes notes;
    hf_ms now;
} hf_lwip;

#define hf_lwip_init                  HF_LWIP_BUILT(HF_LWIP_QUERIES, HF_LWIP_FOUND)
#define HF_LWIP_BUILT(queries, found) HF_LWIP_BUILT_(queries, found)
#define HF_LWIP_BUILT_(queries, found) \
    HF_BUILT(hf_lwip_init_LWIP_QUERIES_##queries##_LWIP_FOUND_##found)

/* Starts lwIP itself, if this is the first. False: *error (may be NULL) says what setup lacks. */
bool hf_lwip_init(hf_lwip *port, const hf_lwip_setup *setup, hf_error *error);
hf_port *hf_lwip_port(hf_lwip *port);
/* sys_now(), widened: to be asked at least every 49 days, as hf_lwip_poll() does. */
hf_ms hf_lwip_now(hf_lwip *port);
/* Runs what is due of lwIP's timers. Before each tick. */
void hf_lwip_poll(hf_lwip *port);
/* How long the loop may sleep if no frame comes, `until` being what hf_tick() answered: 0 when there is news. */
uint32_t hf_lwip_sleep_ms(hf_lwip *port, hf_ms until);
/* What hf_mbedtls_setup wants as note, with the hf_lwip as user. */
void hf_lwip_note(void *port, hf_link *under);
/* Aborts all links, TLS's too, and forgets all look-ups. After hf_pool_closed(), or at any time if the pool is
 * not ticked again. The hf_mbedtls is still the caller's to free. */
void hf_lwip_close(hf_lwip *port);

/* ---- a network card ----------------------------------------------------------------------------- */

/* The longest Ethernet frame without its checksum. */
#define HF_LWIP_FRAME_BYTES 1514

/* What a driver is. A frame starts at an address that is a multiple of 4 and may be read or written up to the next
 * multiple of 4 behind its end. */
typedef struct hf_lwip_driver {
    uint8_t mac[6];
    /* Puts a frame on the wire. False: there was no room, it is lost (TCP sends it again). */
    bool (*send)(void *user, const void *frame, size_t bytes);
    /* Takes the next frame that has come: its length, at most HF_LWIP_FRAME_BYTES, or 0 for none. A bad or longer
     * one is skipped by the driver. */
    size_t (*receive)(void *user, void *frame);
    void *user;
} hf_lwip_driver;

/* Dotted addresses; copied. Address NULL: by DHCP, if lwipopts.h has it, and the rest with it. */
typedef struct hf_lwip_addresses {
    const char *address, *mask, *gateway; /* mask NULL: 255.255.255.0; gateway NULL: none */
    const char *dns[2];                   /* NULL: none */
} hf_lwip_addresses;

typedef struct hf_lwip_nic {
    struct netif netif;
    hf_lwip_driver driver;
    uint32_t rx_frames, tx_frames;
    uint32_t rx_dropped; /* lwIP's pool was empty */
    uint32_t tx_dropped; /* the driver had no room */
    HF_ALIGN(4) uint8_t frame[(HF_LWIP_FRAME_BYTES + 3) / 4 * 4];
} hf_lwip_nic;

/* Adds it to lwIP as the default card, up. After hf_lwip_init(). False: *error (may be NULL) says which
 * address is none. */
bool hf_lwip_nic_open(hf_lwip_nic *nic, const hf_lwip_driver *driver,
                      const hf_lwip_addresses *addresses, hf_error *error);
/* Hands lwIP frames that have come, a bounded number. True: there may be more. */
bool hf_lwip_nic_poll(hf_lwip_nic *nic);
/* The cable was plugged in or out; it starts plugged in. Out, no host can be reached; in again, lwIP asks anew for its
 * neighbours' addresses, and for its own if that is by DHCP. */
void hf_lwip_nic_link(hf_lwip_nic *nic, bool up);
/* It has an address and a cable. */
bool hf_lwip_nic_ready(const hf_lwip_nic *nic);
void hf_lwip_nic_close(hf_lwip_nic *nic);

#ifdef __cplusplus
}
#endif

#endif
