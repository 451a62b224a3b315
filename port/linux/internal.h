/* What the files of this folder share: the port's state.
 *
 *     epoll --> wait.c --> link.c, lookup.c --> note --> next() --> core     a link with news is noted once; core asks
 *
 * Whatever can have news (a link, a look-up) has an hf_note. Each file has its header, and may include only those
 * before it in the order that tests/lint/arrows.py holds.
 */
#ifndef HF_LINUX_INTERNAL_H
#define HF_LINUX_INTERNAL_H

#include "hf_mbedtls.h"
#include "holdfast/linux.h"
#include "notes.h"
#include "system.h"

#include <sys/epoll.h>
#include <sys/un.h>

typedef struct hf_linux_state hf_linux_state;
typedef struct hf_linux_tls hf_linux_tls;       /* tls.h */
typedef struct hf_linux_lookup hf_linux_lookup; /* lookup.c */

enum { HF_LINUX_FREE, HF_LINUX_CONNECTING, HF_LINUX_UP, HF_LINUX_FAILED };

typedef struct hf_linux_link {
    hf_link link;
    hf_note note;
    hf_linux_state *state;
    struct hf_linux_link *next_free;
    uint32_t generation; /* counts the slot's links: an event of an earlier one is stale */
    int fd;
    int error;  /* errno of the last failure */
    int failed; /* the hf_err of FAILED */
    uint8_t step;
    bool local;    /* a Unix socket: waits for writability only when it has to */
    bool news;     /* while CONNECTING: the kernel reported an event */
    bool hung_up;  /* the kernel reported an end or an error, behind what can be read */
    bool waits;    /* a write was cut short: writability is waited for */
    bool ended;    /* close() has shut our end of the stream */
    bool stranger; /* requirepeer names another than … */
    uid_t peer;    /* … this user */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
} hf_linux_link;

struct hf_linux_state {
    const hf_config *config;
    int epoll;
    int wake;       /* eventfd: a note was made outside hf_linux_wait() */
    int timer;      /* timerfd: the resolver wants to be called */
    int resume;     /* timerfd: the machine slept, or its clock was set */
    int alarm;      /* timerfd: ends a long sleep, at … */
    hf_ms alarm_at; /* … this moment; HF_NEVER: it is not set */
    bool waiting;
    hf_notes notes;
    hf_linux_link *links, *free_link;
    hf_mbedtls_link *tls_links;
    unsigned n_links;
    hf_linux_lookup *lookups;
    unsigned n_lookups;
    hf_linux_lookup *busy;   /* those of them that are at work: few, as core dials */
    const char *resolv_conf; /* for tests: in place of /etc/resolv.conf */
    uint16_t dns_port;       /* for tests: in place of 53 */
    hf_linux_tls *tls;       /* the newest; NULL: no host wants TLS */
    hf_linux_share share;    /* processor time since hf_linux_wait() returned */
    char why[192];           /* what why() answers */
};

/* The hf_linux around an hf_port, which is what the port's api table hands over. */
static inline hf_linux_state *hf_linux_of(hf_port *port) {
    return ((hf_linux *)(void *)port)->state;
}

#endif
