/* TLS by mbedTLS 3.6, as a link over any other link, and SHA-256.
 *
 * What surrounds it is given: entropy, heap, the certificates' bytes, and a way to say "this link has
 * more" (note). It knows no socket, file or clock but the C library's time() that mbedTLS judges
 * certificates' dates by (a port without one sets MBEDTLS_PLATFORM_TIME_ALT).
 *
 * mbedTLS has state of its own for the whole process (PSA, its random generator, its heap hooks): all
 * hf_mbedtls of a program must be used from one thread, and the first one's entropy and heap serve all.
 *
 * Sources: RFC 8446 (TLS 1.3), RFC 5246 (1.2), RFC 6125 (names), RFC 5929 (channel binding), RFC 7301
 * (ALPN); PostgreSQL docs 34.19 (what each sslmode promises), 55.2.10 (TLS in the protocol).
 */
#ifndef HF_MBEDTLS_H
#define HF_MBEDTLS_H

#include "holdfast/config.h"
#include "holdfast/port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes read from the link below at a time, so that a small record costs one read. On the heap, while
 * the TLS link lives. */
#ifndef HF_MBEDTLS_AHEAD_BYTES
#define HF_MBEDTLS_AHEAD_BYTES 8192
#endif

/* What one call may take from the link below: it bounds a tick whatever a peer sends. */
#ifndef HF_MBEDTLS_CALL_BYTES
#define HF_MBEDTLS_CALL_BYTES 65536
#endif

/* A host name's longest form, RFC 1035, and its NUL. */
#define HF_MBEDTLS_HOST_BYTES 256

/* Fills all of out with entropy of full strength. 0, or anything else: then nothing is encrypted. */
typedef int hf_mbedtls_entropy_fn(void *user, unsigned char *out, size_t bytes);
/* `under` is to have news although the network has none. */
typedef void hf_mbedtls_note_fn(void *user, hf_link *under);

typedef struct hf_mbedtls_link hf_mbedtls_link;

typedef struct hf_mbedtls_setup {
    uint8_t sslmode; /* HF_SSL_VERIFY_FULL, _VERIFY_CA, or _REQUIRE: encrypted, and verified as by
                        VERIFY_CA if certificates are given, as libpq does */
    uint8_t sslcertmode;              /* an hf_sslcertmode; REQUIRE: the server must ask for one */
    uint8_t version_min, version_max; /* an hf_tls_version each */
    hf_mbedtls_entropy_fn *entropy;
    hf_mbedtls_note_fn *note;
    void *user; /* for both */
    /* The port's, for hf_mbedtls_start(): as many as it has links below. NULL: hf_mbedtls_open() alone is used. */
    hf_mbedtls_link *links;
    unsigned n_links;
    /* The heap; both NULL: the C library's. Zeroed memory or NULL, as calloc(). */
    void *(*allocate)(size_t count, size_t size);
    void (*release)(void *memory);
} hf_mbedtls_setup;

/* One for each port: settings, trusted certificates. Its insides are mbedTLS's. */
typedef struct hf_mbedtls {
    hf_mbedtls_setup setup;
    unsigned trusted;                 /* certificates */
    unsigned users;                   /* links that are open */
    const char *unread;               /* what hf_mbedtls_trust() could not read, or NULL */
    struct hf_mbedtls_own *own;       /* the client's certificate and key, or NULL */
    struct mbedtls_x509_crl *revoked; /* lists, or NULL */
    char alpn[16]; /* the one protocol name that links of this port ask for; "" none yet */
    const char *protocols[2];
    uint64_t config[2][64]; /* mbedtls_ssl_config: without ALPN, with it */
    uint64_t chain[128];    /* mbedtls_x509_crt */
} hf_mbedtls;

/* One TLS link. */
struct hf_mbedtls_link {
    hf_link link;
    hf_link *under; /* NULL: this one is free */
    hf_mbedtls *tls;
    uint8_t *ahead; /* HF_MBEDTLS_AHEAD_BYTES, of which [start, end) wait */
    uint32_t start, end;
    uint32_t room;    /* bytes this call may still take from below */
    uint32_t pending; /* bytes that mbedTLS took but must be offered once more */
    int failed;       /* the hf_err it ended with: the first one sticks */
    int write_failed; /* the same of writing alone: what the peer sent before can still be read */
    int under_failed; /* the link below ended with this */
    int32_t system;   /* mbedTLS's number */
    bool drained;     /* below there is nothing left, in this call */
    bool blocked;     /* mbedTLS was told to wait */
    bool up, asked_alpn, close_notify_sent, closing;
    bool certificate_requested; /* the server asked for the client's certificate */
    bool data_received;         /* data came: the server takes us */
    bool verifying;             /* a chain is being looked at, from its CA down */
    uint8_t climbed, n_constraining;
    uint8_t binding_bytes;
    uint8_t binding[HF_BINDING_BYTES];
    uint32_t flags; /* MBEDTLS_X509_BADCERT_* found, and how far from the server's own */
    int depth;
    /* CAs of the chain with name constraints, while it is judged. */
    const struct mbedtls_x509_crt *constraining[4];
    char host[HF_MBEDTLS_HOST_BYTES];
    char text[HF_MESSAGE_BYTES];
    uint64_t ssl[96]; /* mbedtls_ssl_context */
};

/* What the heap behind mbedTLS does, for tests and for boards with an arena. */
typedef struct hf_mbedtls_heap {
    unsigned blocks;   /* in use */
    unsigned failures; /* ever */
} hf_mbedtls_heap;

/* False: *error (may be NULL) is HF_ERR_RESOURCES: no entropy, or no memory. */
bool hf_mbedtls_init(hf_mbedtls *tls, const hf_mbedtls_setup *setup, hf_error *error);
/* Trusts the certificates in `bytes`: PEM, any number of them, or one DER. Returns how many were read, known
 * ones included; HF_ERR_RESOURCES; or 0 for none, and tls->unread is why, if that is known, or NULL. Before the first
 * link. */
int hf_mbedtls_trust(hf_mbedtls *tls, const void *bytes, size_t size);
#if HF_WITH_CRL
/* Takes revocation lists, PEM or one DER: how many, or 0 (none, or one that cannot be read), or HF_ERR_RESOURCES. With
 * any list given, each CA of a server's chain needs one. */
int hf_mbedtls_revoke(hf_mbedtls *tls, const void *bytes, size_t size);
#endif
#if HF_WITH_CLIENT_CERT
/* The client's certificate, which its chain may follow (PEM, or one DER), and then its key (PEM or DER; password NULL:
 * not encrypted). Once each. 0, HF_ERR_RESOURCES, or HF_ERR_CONFIG and *why, which is not to be freed. */
int hf_mbedtls_own_certificate(hf_mbedtls *tls, const void *bytes, size_t size, const char **why);
int hf_mbedtls_own_key(hf_mbedtls *tls, const void *bytes, size_t size, const char *password,
                       const char **why);
#endif
void hf_mbedtls_free(hf_mbedtls *tls); /* after all its links: users is 0 */

/* What start_tls of holdfast/port.h asks, in a free one of setup.links. NULL: *err; HF_ERR_RESOURCES: none is free. */
hf_link *hf_mbedtls_start(hf_mbedtls *tls, hf_link *under, const char *host, const char *alpn,
                          int *err);
/* Aborts those of setup.links that are open, with what is under them: a port that closes does it first. */
void hf_mbedtls_abort_all(hf_mbedtls *tls);
/* The same in a link of the caller's, free and zeroed. NULL: *err, and `under` is as it was; HF_ERR_TLS_INJECTED when
 * bytes wait on it. */
hf_link *hf_mbedtls_open(hf_mbedtls *tls, hf_mbedtls_link *link, hf_link *under, const char *host,
                         const char *alpn, int *err);

/* A link in a free one of setup.links that never comes up: ready() answers err, and why() the text. For a port that
 * cannot start TLS and has something to say. NULL: none is free. */
hf_link *hf_mbedtls_refuse(hf_mbedtls *tls, hf_link *under, int err, const char *text);

void hf_mbedtls_heap_get(hf_mbedtls_heap *heap);

extern const hf_hash hf_mbedtls_hash;

#ifdef __cplusplus
}
#endif

#endif
