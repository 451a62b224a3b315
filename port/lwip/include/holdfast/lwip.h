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
 * All of it runs in one thread; an interrupt only wakes the loop. There is one lwIP in an image: it asks the board for
 * the time (u32_t sys_now(void), milliseconds that wrap), and takes its sizes from the board's lwipopts.h, which starts
 * from hf_lwipopts.h. Memory is the caller's, and that of lwIP's own pools.
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

/* How long sent bytes may stay unacknowledged before their link has failed, in ms; 0: no limit. lwIP has none of its
 * own (RFC 5482). The core's deadlines are shorter: this limit ends links on which nobody waits. */
#ifndef HF_LWIP_USER_TIMEOUT_MS
#define HF_LWIP_USER_TIMEOUT_MS 60000
#endif

/* How many links so many connections need: each has its session's, a cancel's, and an old one that is being closed. */
#define HF_LWIP_LINKS(connections) (3 * (connections))

/* Look-ups that lwIP may still be working on for one connection: the present one, and others that were given up. */
#ifndef HF_LWIP_QUERIES
#define HF_LWIP_QUERIES 4
#endif

/* Addresses that a look-up gives, at most. */
#ifndef HF_LWIP_FOUND
#define HF_LWIP_FOUND 4
#endif

/* The insides of the next three are the port's own. */
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

/* What hf_lwip_init() is given. All pointers are the caller's, and must stay valid until hf_lwip_close(). */
typedef struct hf_lwip_setup {
    hf_lwip_link *links; /* HF_LWIP_LINKS(n) for a pool of n connections */
    unsigned n_links;
    hf_lwip_lookup *lookups; /* one for each of the pool's connections */
    unsigned n_lookups;
    /* Fills all of out with cryptographically random bytes. 0, or anything else, with which the attempt fails. lwIP's
     * ports, sequence numbers and DNS identifiers come from here, too. */
    hf_mbedtls_entropy_fn *random;
    /* As hf_port_api's; NULL: the budget is never used up. */
    bool (*over_budget)(void *user);
    void *user;          /* what the two functions are given */
    hf_mbedtls *tls;     /* NULL: no TLS. Its note is hf_lwip_note, its user this hf_lwip */
    const hf_hash *hash; /* NULL: hf_mbedtls_hash */
} hf_lwip_setup;

/* A port, one for each pool. The first port's source of random bytes is lwIP's own, too, so close the first one last.
 */
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

/* Makes a port, and starts lwIP itself if this is the first one. False: *error (may be NULL) says what setup lacks. */
bool hf_lwip_init(hf_lwip *port, const hf_lwip_setup *setup, hf_error *error);
/* The port as hf_pool_init() wants it; the same memory. */
hf_port *hf_lwip_port(hf_lwip *port);
/* The time that hf_tick() wants, in ms: sys_now(), widened to 64 bits. It must be asked for at least once in 49 days;
 * hf_lwip_poll() does. */
hf_ms hf_lwip_now(hf_lwip *port);
/* Runs those of lwIP's timers that are due. To be called before each hf_tick(). */
void hf_lwip_poll(hf_lwip *port);
/* How many ms the loop may sleep if no frame comes; until: what hf_tick() answered. 0: a link or a look-up has an
 * event.
 */
uint32_t hf_lwip_sleep_ms(hf_lwip *port, hf_ms until);
/* The function that hf_mbedtls_setup wants as `note`, with the hf_lwip as `user`. */
void hf_lwip_note(void *port, hf_link *under);
/* Aborts all links, those of TLS too, and forgets all look-ups: after hf_pool_closed(), or at any time if hf_tick() is
 * not called again. The hf_mbedtls is still the caller's to free. */
void hf_lwip_close(hf_lwip *port);

/* ---- a network card ----------------------------------------------------------------------------- */

/* The longest Ethernet frame, without its checksum. */
#define HF_LWIP_FRAME_BYTES 1514

/* A network card's driver. A frame starts at an address that is a multiple of 4, and may be read or written up to the
 * next multiple of 4 behind its end. */
typedef struct hf_lwip_driver {
    uint8_t mac[6];
    /* Puts a frame on the wire. False: there was no room, and the frame is lost (TCP will send its bytes again). */
    bool (*send)(void *user, const void *frame, size_t bytes);
    /* Takes the next frame that has come: its length, at most HF_LWIP_FRAME_BYTES; 0: none has. The driver skips frames
     * that are bad or longer. */
    size_t (*receive)(void *user, void *frame);
    void *user;
} hf_lwip_driver;

/* The card's IP addresses, as dotted texts, which are copied. address NULL: all comes by DHCP, if lwipopts.h has that.
 */
typedef struct hf_lwip_addresses {
    const char *address, *mask, *gateway; /* mask NULL: 255.255.255.0; gateway NULL: none */
    const char *dns[2];                   /* NULL: none */
} hf_lwip_addresses;

/* A network card, in the caller's memory, which must stay where it is until hf_lwip_nic_close(). Counts may be
 * read. */
typedef struct hf_lwip_nic {
    struct netif netif;
    hf_lwip_driver driver;
    uint32_t rx_frames, tx_frames;
    uint32_t rx_dropped; /* lwIP's pool was empty */
    uint32_t tx_dropped; /* the driver had no room */
    HF_ALIGN(4) uint8_t frame[(HF_LWIP_FRAME_BYTES + 3) / 4 * 4];
} hf_lwip_nic;

/* Adds the card to lwIP as the default one, and up. After hf_lwip_init(); driver is copied. False: *error (may be NULL)
 * says which address is none. */
bool hf_lwip_nic_open(hf_lwip_nic *nic, const hf_lwip_driver *driver,
                      const hf_lwip_addresses *addresses, hf_error *error);
/* Hands the frames that have come to lwIP, a bounded number. True: there may be more. */
bool hf_lwip_nic_poll(hf_lwip_nic *nic);
/* Says that the cable was plugged in (up) or out; at first it counts as in. While it is out no host can be reached;
 * when it is in again, lwIP asks anew for its neighbours' addresses, and for its own if that is by DHCP. */
void hf_lwip_nic_link(hf_lwip_nic *nic, bool up);
/* Has the card an address and a cable? */
bool hf_lwip_nic_ready(const hf_lwip_nic *nic);
/* Takes the card from lwIP, after hf_lwip_close(). */
void hf_lwip_nic_close(hf_lwip_nic *nic);

#ifdef __cplusplus
}
#endif

#endif
