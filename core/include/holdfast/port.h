/* What core asks of a port, and all of it: links, look-ups of names, random bytes, a hash, a budget of processor time.
 *
 * A link is a byte stream to one server: TCP, a Unix socket, or TLS over another link. No function here blocks, and
 * none calls up into core: a port notes an event when it happens, and hf_tick() asks for it by next(). hf_tick()
 * alone calls them, in the pool's thread. A link is valid until its close() answered non-zero or its abort() was
 * called.
 *
 * I/O answers a number of bytes (> 0), 0 where it would block, or an hf_err (< 0). The end of the peer's stream is
 * HF_ERR_EOF, never 0.
 */
#ifndef HF_PORT_H
#define HF_PORT_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An address to connect to. */
typedef enum hf_address_kind {
    HF_ADDRESS_NONE,
    HF_ADDRESS_IP4,
    HF_ADDRESS_IP6,
    HF_ADDRESS_LOCAL /* a Unix socket, whose path is given beside the address */
} hf_address_kind;
typedef struct hf_address {
    uint8_t kind;   /* an hf_address_kind */
    uint16_t port;  /* in host byte order */
    uint32_t scope; /* IPv6 scope id; 0: none */
    uint8_t ip[16]; /* in network byte order; IP4 uses the first 4 */
} hf_address;

typedef struct hf_link hf_link;
typedef struct hf_port hf_port;

/* Bytes of a tls-server-end-point channel binding (RFC 5929), at most: one hash, of SHA-512. */
#define HF_BINDING_BYTES 64

typedef struct hf_link_api {
    /* Goes on with connecting, or with the next slice of the TLS handshake. 1: the link is up. 0: not yet. < 0: an
     * hf_err says why it will not be. *more is set when work is left that needs no event from the network: ready() is
     * then called again, in this tick or the next. */
    int (*ready)(hf_link *link, bool *more);
    /* Reads up to `bytes` bytes. An answer below that means that no more are there, and core asks again only after the
     * link's next event (so TLS fills `to` from as many records as have come); an answer of `bytes` makes core ask
     * again at once. The end of the stream, or an error, behind bytes that were read is an event. */
    int (*read)(hf_link *link, void *to, size_t bytes);
    /* Writes up to `bytes` bytes. When fewer were taken, or none, core offers the rest again after the link's next
     * event: the same bytes first, which TLS may have encrypted already, and perhaps more behind them. After an error
     * the link may still be read, for the peer's last message may say why. */
    int (*write)(hf_link *link, const void *from, size_t bytes);
    /* Closes politely: sends what was written, ends the stream, and waits for the end of the peer's, of which nothing
     * is kept. 1: done, and the link is released. 0: to be called again after the link's next event. */
    int (*close)(hf_link *link);
    /* Ends the link at once, whatever its state, and releases it and every link under it. Never fails. */
    void (*abort)(hf_link *link);
    /* Writes the link's tls-server-end-point data to out, which has HF_BINDING_BYTES. Returns how many bytes; 0 without
     * TLS. */
    size_t (*binding)(hf_link *link, uint8_t *out);
    /* The detail of the last error that the link answered with: errno or the TLS library's number in *system, and a
     * phrase ("certificate has expired"), valid until the link's next call, or NULL. */
    const char *(*why)(hf_link *link, int32_t *system);
} hf_link_api;

/* What a port's own link structure begins with. */
struct hf_link {
    const hf_link_api *api;
    /* core's mark for the link: given to open(), handed back by next(). A TLS link has that of the link under it. */
    uint32_t tag;
};

/* A running SHA-256 (FIPS 180-4). The insides are the port's; core copies one by clone(), and wipes one by memset. */
typedef struct hf_sha256 {
    uint64_t state[16];
} hf_sha256;

/* The hashes that logins need (SCRAM-SHA-256: RFC 5802, RFC 7677). An int answers 0, or an hf_err, with which the login
 * fails. */
typedef struct hf_hash {
    int (*start)(hf_sha256 *hash);
    int (*update)(hf_sha256 *hash, const void *from, size_t bytes);
    int (*finish)(hf_sha256 *hash, uint8_t out[32]);
    void (*clone)(hf_sha256 *to, const hf_sha256 *from);
    /* One-shot MD5 (RFC 1321), for servers that still ask for it; NULL where there is none. */
    int (*md5)(const void *from, size_t bytes, uint8_t out[16]);
    /* Rounds of PBKDF2 in one slice, behind which a tick may stop; 0: 4096. */
    uint32_t rounds_per_slice;
} hf_hash;

typedef struct hf_port_api {
    /* Opens a link, and starts connecting it to address (HF_ADDRESS_LOCAL: to the socket at path). next() hands tag
     * back whenever the link has an event. NULL: *err, an hf_err, says why not. */
    hf_link *(*open)(hf_port *port, const hf_address *address, const char *path, uint32_t tag,
                     int *err);

    /* Puts TLS on a link that is up, and returns the TLS link, which owns `under` from then on; its handshake is done
     * by its ready(). host is verified as sslmode says, and sent as SNI; alpn is one protocol's name, or NULL. NULL:
     * *err says why not (HF_ERR_TLS_INJECTED: bytes wait on the link that came before TLS), and `under` is still
     * core's. */
    hf_link *(*start_tls)(hf_port *port, hf_link *under, const char *host, const char *alpn,
                          int *err);

    /* Starts the look-up of a name, anew each time. slot is below the pool's number of connections, and has one look-up
     * at a time. A numeric address needs nobody to be asked. 0, or an hf_err. */
    int (*resolve)(hf_port *port, unsigned slot, const char *host, uint16_t port_number);
    /* The look-up's result. > 0: so many addresses were written to out, which has room for max. 0: not known yet. < 0:
     * an hf_err. */
    int (*resolved)(hf_port *port, unsigned slot, hf_address *out, size_t max);
    /* Forgets the look-up: its result is not wanted any more. */
    void (*resolve_cancel)(hf_port *port, unsigned slot);

    /* The next event since the last call: 1, and in *tag whose it is; 0: there is none. A link has an event when it has
     * become readable or writable, was connected, or failed; a look-up has one when it has ended (its tag is
     * HF_TAG_RESOLVE + slot). An event too many does no harm. */
    int (*next)(hf_port *port, uint32_t *tag);

    /* Fills out with cryptographically random bytes, never with weak ones. 0, or an hf_err, with which the attempt
     * fails. */
    int (*random)(hf_port *port, void *out, size_t bytes);

    /* Has this tick used up its budget of processor time (50 ms; SEMANTICS 22)? Then it does no further expensive step.
     * Asked only after such steps. */
    bool (*over_budget)(hf_port *port);

    const hf_hash *hash;

    /* A password as SCRAM uses it, prepared by SASLprep (RFC 4013) as PostgreSQL's pg_saslprep() does it. 1: it is in
     * out, which has `size` bytes. 0: the password is used as it is. A NULL pointer here means 0 always. Called only
     * where HF_WITH_SASLPREP is 1. */
    int (*saslprep)(hf_port *port, const char *password, char *out, size_t size);
} hf_port_api;

/* What a port's own structure begins with. */
struct hf_port {
    const hf_port_api *api;
};

/* The tag of slot 0's look-up. Links' tags are below it. */
#define HF_TAG_RESOLVE 0x80000000u

#ifdef __cplusplus
}
#endif

#endif
