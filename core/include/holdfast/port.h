/* What core asks of a port, and all of it: links, names, randomness, a hash, a budget.
 *
 * A link is a byte stream to one server: TCP, a Unix socket, or TLS over another link. Nothing here
 * blocks, and nothing here calls up into core: a port's callbacks only note what happened, and
 * hf_tick() asks. Every pointer is valid until close() returned non-zero or abort() was called.
 *
 * I/O answers are > 0 bytes, 0 would block, < 0 an hf_err. A closed peer is HF_ERR_EOF, never 0.
 */
#ifndef HF_PORT_H
#define HF_PORT_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where to connect to. The port number is in host byte order. */
typedef enum hf_address_kind {
    HF_ADDRESS_NONE,
    HF_ADDRESS_IP4,
    HF_ADDRESS_IP6,
    HF_ADDRESS_LOCAL
} hf_address_kind;
typedef struct hf_address {
    uint8_t kind; /* an hf_address_kind; of LOCAL the path is given beside it */
    uint16_t port;
    uint32_t scope; /* IPv6 scope id, 0 none */
    uint8_t ip[16]; /* network byte order; the first 4 for IP4 */
} hf_address;

typedef struct hf_link hf_link;
typedef struct hf_port hf_port;

/* Room for the data of a tls-server-end-point channel binding (RFC 5929): one hash, SHA-512 at most. */
#define HF_BINDING_BYTES 64

typedef struct hf_link_api {
    /* Goes on with connecting, or with the TLS handshake by one slice: 1 up, 0 not yet, < 0 why not.
     * *more is set when work is left that needs no news from the network: call again, in this tick or
     * the next. */
    int (*ready)(hf_link *link, bool *more);
    /* Fewer bytes than asked for mean that nothing is left: no need to ask again before next() has
     * news. (TLS therefore fills `to` from as many records as are there.) As many as asked for: ask again.
     * An end or an error behind what was read is news. */
    int (*read)(hf_link *link, void *to, size_t bytes);
    /* May take fewer bytes than offered; then the rest, as after 0 all, must be offered again when there is
     * news, the same bytes first, and more may follow them: TLS has encrypted them already. After an error
     * reading may go on: the peer's last words may say why. */
    int (*write)(hf_link *link, const void *from, size_t bytes);
    /* Says goodbye: what was written is sent, then the stream is ended, then the peer's end is waited
     * for; what it still sends is thrown away. 1: done, the link is released. 0: call again on news. */
    int (*close)(hf_link *link);
    /* Ends it now, at any moment, and releases it, with every link under it. Never fails. */
    void (*abort)(hf_link *link);
    /* tls-server-end-point data: bytes written to out (at most HF_BINDING_BYTES), 0 without TLS. */
    size_t (*binding)(hf_link *link, uint8_t *out);
    /* Detail of the last error this link answered with: errno or the TLS library's number into
     * *system, and a phrase ("certificate has expired") or NULL. Valid until the next call. */
    const char *(*why)(hf_link *link, int32_t *system);
} hf_link_api;

/* A port's link starts with this. */
struct hf_link {
    const hf_link_api *api;
    /* core's mark, given to open() and handed back by next(). A TLS link has that of the link below. */
    uint32_t tag;
};

/* A running SHA-256 (FIPS 180-4): what is inside is the port's. Cloned by its clone(), wiped by memset. */
typedef struct hf_sha256 {
    uint64_t state[16];
} hf_sha256;

/* Those that return an int answer 0, or an hf_err: then the login that needs the hash fails. */
typedef struct hf_hash {
    int (*start)(hf_sha256 *hash);
    int (*update)(hf_sha256 *hash, const void *from, size_t bytes);
    int (*finish)(hf_sha256 *hash, uint8_t out[32]);
    void (*clone)(hf_sha256 *to, const hf_sha256 *from);
    /* One-shot MD5 (RFC 1321), for servers that still ask for it; NULL where there is none. */
    int (*md5)(const void *from, size_t bytes, uint8_t out[16]);
    /* PBKDF2 rounds that one slice of one tick may cost; 0 means 4096. */
    uint32_t rounds_per_slice;
} hf_hash;

typedef struct hf_port_api {
    /* Starts connecting to address (for LOCAL: to the socket at path). NULL: *err says why. tag comes
     * back from next() whenever the link has news. */
    hf_link *(*open)(hf_port *port, const hf_address *address, const char *path, uint32_t tag,
                     int *err);

    /* Puts TLS on a link that is up. The new link owns the old one; drive its ready(). host is verified (as
     * sslmode says) and sent as SNI; alpn is NULL or one protocol name. NULL: *err says why, and `under`
     * is still the caller's. HF_ERR_TLS_INJECTED: bytes wait on it that came before TLS. */
    hf_link *(*start_tls)(hf_port *port, hf_link *under, const char *host, const char *alpn,
                          int *err);

    /* Starts looking up a name, afresh each time; slot < the pool's connections, one look-up per slot.
     * A numeric address is answered without asking anybody. 0 or an hf_err. */
    int (*resolve)(hf_port *port, unsigned slot, const char *host, uint16_t port_number);
    /* 0 still looking, > 0 how many addresses were written (at most max), < 0 an hf_err. */
    int (*resolved)(hf_port *port, unsigned slot, hf_address *out, size_t max);
    void (*resolve_cancel)(hf_port *port, unsigned slot);

    /* The next thing that has news since the last call: its tag, and 1; 0 when there is none left.
     * News are: a link became readable or writable, connected or failed; a look-up ended (the tag is
     * then HF_TAG_RESOLVE + slot). News that nobody asked for do no harm. */
    int (*next)(hf_port *port, uint32_t *tag);

    /* Cryptographically random bytes. 0, or an error: then the attempt fails. Never weak bytes. */
    int (*random)(hf_port *port, void *out, size_t bytes);

    /* True when this tick has used its share of the processor (50 ms; SEMANTICS 22) and should hand
     * back. Asked only after expensive steps. */
    bool (*over_budget)(hf_port *port);

    const hf_hash *hash;

    /* A password as SCRAM has it: by SASLprep (RFC 4013) as PostgreSQL's pg_saslprep() does it. 1: it is in out, which
     * has room for `size` bytes; 0: the password is used as it is. NULL: always as it is. Called only where
     * HF_WITH_SASLPREP is 1. */
    int (*saslprep)(hf_port *port, const char *password, char *out, size_t size);
} hf_port_api;

struct hf_port {
    const hf_port_api *api;
};

#define HF_TAG_RESOLVE 0x80000000u

#ifdef __cplusplus
}
#endif

#endif
