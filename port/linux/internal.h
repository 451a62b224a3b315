/* Between the files of this folder.
 *
 *     epoll --> wait.c --> note --> next() --> core          a link with news is noted, once; core asks
 *                 |
 *                 +--> lookup.c (the resolver's own sockets and its timer)
 *
 * Whatever can have news (a link, a look-up) has an hf_note.
 */
#ifndef HF_LINUX_INSIDES_H
#define HF_LINUX_INSIDES_H

#include "hf_mbedtls.h"
#include "holdfast/linux.h"
#include "notes.h"
#include "system.h"

#include <sys/epoll.h>
#include <sys/un.h>

typedef struct hf_linux_state hf_linux_state;

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

typedef struct hf_linux_lookup hf_linux_lookup; /* saslprep.c */
int hf_linux_saslprep(hf_port *port, const char *password, char *out, size_t size);

/* lookup.c */

/* TLS settings from the state that the files had at one time. */
typedef struct hf_linux_tls {
    hf_mbedtls tls;
    uint64_t seen;              /* hf_linux_trust_seen() */
    struct hf_linux_tls *older; /* settings that links may still use */
} hf_linux_tls;

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
    unsigned n_lookups, n_looking; /* … and how many of them are at work */
    const char *resolv_conf;       /* for tests: in place of /etc/resolv.conf */
    uint16_t dns_port;             /* for tests: in place of 53 */
    hf_linux_tls *tls;             /* the newest; NULL: no host wants TLS */
    hf_linux_share share;          /* processor time since hf_linux_wait() returned */
    char why[192];                 /* what why() answers */
};

/* An epoll event's data: one of these, an index, and a generation or descriptor. */
enum {
    HF_LINUX_ON_LINK,
    HF_LINUX_ON_LOOKUP,
    HF_LINUX_ON_WAKE,
    HF_LINUX_ON_TIMER,
    HF_LINUX_ON_RESUME,
    HF_LINUX_ON_ALARM
};

static inline uint64_t hf_linux_event(unsigned on, uint32_t index, uint32_t detail) {
    return (uint64_t)detail << 32 | (uint64_t)on << 28 | index;
}

/* The hf_linux around an hf_port, which is what the port's api table hands over. */
static inline hf_linux_state *hf_linux_of(hf_port *port) {
    return ((hf_linux *)(void *)port)->state;
}

/* wait.c */
void hf_linux_note(hf_linux_state *state, hf_note *note);
int hf_linux_next(hf_port *port, uint32_t *tag);
bool hf_linux_spent(hf_port *port);
/* Adds fd to epoll: 0 or an errno. */
int hf_linux_watch(hf_linux_state *state, int fd, uint32_t events, uint64_t data);

/* link.c */
int hf_linux_links_init(hf_linux_state *state, unsigned n); /* 0 or an hf_err */
void hf_linux_links_close(hf_linux_state *state);
hf_link *hf_linux_open(hf_port *port, const hf_address *address, const char *path, uint32_t tag,
                       int *err);
/* Takes an epoll event of a link. True: news for core. */
bool hf_linux_link_event(hf_linux_state *state, uint32_t index, uint32_t generation,
                         uint32_t events);

/* errors.c */
int hf_linux_err(int error); /* errno as an hf_err */
const char *hf_linux_why(hf_linux_link *link);

/* trust.c. A sum over the state of the TLS files, which changes with them; 0: a file changed just now, so that another
 * change may have the same time: look again. */
uint64_t hf_linux_trust_seen(const hf_config *config);

/* tls.c: 0, or an hf_err and *error. */
/* Reads the TLS files, if a host wants TLS. */
int hf_linux_tls_open(hf_linux_state *state, hf_error *error);
/* Before each new TLS link: reads the files again if one of them changed. After an error the old settings are still
 * there, and are not to be used. */
int hf_linux_tls_renew(hf_linux_state *state, hf_error *error);
void hf_linux_tls_close(hf_linux_state *state); /* aborts the TLS links too */

/* lookup.c */
int hf_linux_lookups_init(hf_linux_state *state, unsigned n);
void hf_linux_lookups_close(hf_linux_state *state);
int hf_linux_resolve(hf_port *port, unsigned slot, const char *host, uint16_t port_number);
int hf_linux_resolved(hf_port *port, unsigned slot, hf_address *out, size_t max);
void hf_linux_resolve_cancel(hf_port *port, unsigned slot);
void hf_linux_lookup_event(hf_linux_state *state, uint32_t index, int fd, uint32_t events);
void hf_linux_lookup_timer(hf_linux_state *state);

#endif
