/* The scripted port: links, names and a clock that a test moves by hand. No socket, no sleep.
 *
 * A test plays the server: it looks at what the pool wrote (hf_script_sent), says what the network does
 * (hf_script_connect, _reply, _eof, _fail …), and ticks. Links are numbered in the order in which they
 * were opened; the functions without a number mean the newest one.
 *
 * It is strict where a real port is forgiving: a link used after it was released, a link that is read
 * before it is up, and news that are not acted upon, are failed assertions or tests that hang, not luck.
 *
 * An hf_script takes about 5 MB; let it be static where stacks are small.
 */
#ifndef HF_TEST_H
#define HF_TEST_H

#include "holdfast/holdfast.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HF_SCRIPT_LINKS
#define HF_SCRIPT_LINKS 96 /* links kept at a time: closed ones are forgotten, oldest first */
#endif
#ifndef HF_SCRIPT_BYTES
#define HF_SCRIPT_BYTES 24576 /* kept in each direction of a link */
#endif

typedef struct hf_script_link {
    hf_link link;
    struct hf_script *script;
    unsigned number; /* 0 is the first ever opened */
    hf_address address;
    bool used, up, tls, tls_up, noted, closing, released, aborted;
    int fails;        /* an hf_err the next I/O, and all after it, answer with; 0 none */
    bool eof;         /* after the bytes that wait */
    uint32_t tx_room; /* bytes write() takes before it would block; UINT32_MAX no limit */
    uint8_t to_client[HF_SCRIPT_BYTES], from_client[HF_SCRIPT_BYTES];
    uint32_t to_start, to_end, from_start, from_end;
    char alpn[16], host[64]; /* what TLS was started with; host: a Unix socket's path before that */
} hf_script_link;

typedef struct hf_script_lookup {
    bool busy, noted;
    int answer; /* 0 pending, > 0 addresses, < 0 hf_err */
    char host[64];
    uint16_t port;
} hf_script_lookup;

typedef struct hf_script {
    hf_port port;
    hf_port_api api;
    unsigned opened;      /* links ever opened */
    unsigned live;        /* links not yet released */
    bool auto_resolve;    /* default true: names resolve at once to one address */
    bool auto_connect;    /* default false: hf_script_connect() */
    bool auto_tls;        /* default true: handshakes succeed at once; else hf_script_link_tls() */
    bool auto_close;      /* default true: the server answers the end of a stream with its own */
    uint32_t read_limit;  /* bytes one read gives at most; 0 no limit: 1 feeds byte by byte */
    uint32_t write_limit; /* bytes one write takes at most; 0 no limit */
    uint32_t random;      /* seed of the port's random bytes */
    unsigned calls;       /* link and port calls that can fail, so far */
    unsigned fail_call;   /* the call with this number (from 1) fails; 0 none */
    bool fail_forever;    /* and all after it */
    unsigned addresses;   /* how many addresses a name has; default 1 */
    bool spent;           /* what spent() answers */
    uint32_t tls_steps;   /* so many steps more of a handshake can be done at once */
    const hf_hash *hash;  /* a real port's, as &hf_mbedtls_hash; NULL: hashing fails */
    hf_script_lookup lookups[64];
    hf_script_link links[HF_SCRIPT_LINKS];
} hf_script;

#define hf_script_init                HF_SCRIPT_BUILT(HF_SCRIPT_LINKS, HF_SCRIPT_BYTES)
#define HF_SCRIPT_BUILT(links, bytes) HF_SCRIPT_BUILT_(links, bytes)
#define HF_SCRIPT_BUILT_(links, bytes) \
    HF_BUILT(hf_script_init_SCRIPT_LINKS_##links##_SCRIPT_BYTES_##bytes)

void hf_script_init(hf_script *script);
hf_port *hf_script_port(hf_script *script);

/* The newest link, or the one with that number, released or not; NULL when it is forgotten. */
hf_script_link *hf_script_link_last(hf_script *script);
hf_script_link *hf_script_link_at(hf_script *script, unsigned number);

/* The network accepts the newest link. */
void hf_script_connect(hf_script *script);
/* The server sends bytes on the newest link. */
void hf_script_reply(hf_script *script, const void *bytes, size_t size);
/* The server ends the stream after what it sent. */
void hf_script_eof(hf_script *script);
/* The newest link breaks: err is what the next call answers (HF_ERR_RESET …). */
void hf_script_fail(hf_script *script, int err);
/* The same on a given link. */
void hf_script_link_connect(hf_script_link *link);
void hf_script_link_reply(hf_script_link *link, const void *bytes, size_t size);
void hf_script_link_eof(hf_script_link *link);
void hf_script_link_fail(hf_script_link *link, int err);
/* The TLS handshake is done. With auto_tls false. */
void hf_script_link_tls(hf_script_link *link);
/* The network takes that many bytes more, then would block. */
void hf_script_link_room(hf_script_link *link, uint32_t bytes);
/* What the client wrote since the last call: copied to out, at most size; returns how much. */
size_t hf_script_sent(hf_script_link *link, void *out, size_t size);
/* A look-up ends: answer > 0 addresses, or an hf_err. With auto_resolve false. */
void hf_script_resolved(hf_script *script, unsigned slot, int answer);

#ifdef __cplusplus
}
#endif

#endif
