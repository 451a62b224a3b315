/* Settings of every TLS link of a port, and what is believed of a server's certificate.
 *
 *     sslmode       signed by a CA of ours, in its time    made for this host
 *     verify-full   yes                                     yes
 *     verify-ca     yes                                     not looked at
 *     require       only if certificates were given         not looked at
 *
 * mbedTLS checks chain and name; judge(), its callback for each certificate of the chain, forgives what
 * the mode does not ask. Numeric hosts are its own matter: their address must not travel as SNI
 * (RFC 6066), so mbedTLS is not told of it and the address is compared here.
 */
#include "insides.h"

#include <string.h>

#include <mbedtls/error.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform.h>

_Static_assert(sizeof(mbedtls_ssl_config) <= sizeof(((hf_mbedtls *)0)->config[0]),
               "enlarge hf_mbedtls.config");
_Static_assert(sizeof(mbedtls_x509_crt) <= sizeof(((hf_mbedtls *)0)->chain),
               "enlarge hf_mbedtls.chain");

/* AES-GCM first: most servers take their own choice anyway. Forward secrecy always. */
static const int suites[] = { MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                              MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                              MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                              MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                              MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                              MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                              MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                              MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                              MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                              0 };

/* A key share is sent for the first alone; PostgreSQL up to 17 takes only P-256 by default, and asks
 * again (a round trip) when it comes second. */
static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_NONE };

enum { PLAIN, ALPN, CONFIGS };

static mbedtls_ssl_config *settings(hf_mbedtls *tls, int which) {
    return (mbedtls_ssl_config *)(void *)tls->config[which];
}

static mbedtls_x509_crt *chain(hf_mbedtls *tls) {
    return (mbedtls_x509_crt *)(void *)tls->chain;
}

static int configure(mbedtls_ssl_config *config) {
    if (mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0) {
        return HF_ERR_RESOURCES;
    }
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_rng(config, hf_mbedtls_random, NULL);
    mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_groups(config, groups);
    return 0;
}

int hf_mbedtls_init(hf_mbedtls *tls, const hf_mbedtls_setup *setup) {
    memset(tls, 0, sizeof *tls);
    tls->setup = *setup;
    int err = hf_mbedtls_world_open(setup);
    if (err != 0) {
        return err;
    }
    mbedtls_x509_crt_init(chain(tls));
    for (int i = 0; i < CONFIGS; i++) {
        mbedtls_ssl_config_init(settings(tls, i));
        err = err != 0 ? err : configure(settings(tls, i));
        /* Until there are certificates, none is believed: VERIFY_FULL and _CA then end in an error. */
        mbedtls_ssl_conf_authmode(settings(tls, i), setup->sslmode == HF_SSL_REQUIRE
                                                        ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                                        : MBEDTLS_SSL_VERIFY_REQUIRED);
    }
    if (err != 0) {
        hf_mbedtls_free(tls);
    }
    return err;
}

/* Is the same certificate in the chain before that one? Folders of certificates hold each under several
 * names, and a bundle besides. */
static bool twice(const mbedtls_x509_crt *from, const mbedtls_x509_crt *one) {
    for (; from != one; from = from->next) {
        if (from->raw.len == one->raw.len && memcmp(from->raw.p, one->raw.p, one->raw.len) == 0) {
            return true;
        }
    }
    return false;
}

int hf_mbedtls_trust(hf_mbedtls *tls, const void *bytes, size_t size) {
    static const char begin[] = "-----BEGIN";
    unsigned failures = hf_mbedtls_failures();
    mbedtls_x509_crt *last = chain(tls);
    while (last->next != NULL) {
        last = last->next;
    }
    bool first = last->version == 0;
    bool pem = false;
    for (size_t i = 0; i + sizeof begin - 1 <= size && !pem; i++) {
        pem = memcmp((const char *)bytes + i, begin, sizeof begin - 1) == 0;
    }
    if (!pem) {
        (void)mbedtls_x509_crt_parse_der(chain(tls), bytes, size);
    } else {
        /* mbedTLS wants PEM with its NUL. */
        unsigned char *text = mbedtls_calloc(1, size + 1);
        if (text == NULL) {
            return HF_ERR_RESOURCES;
        }
        memcpy(text, bytes, size);
        (void)mbedtls_x509_crt_parse(chain(tls), text, size + 1);
        mbedtls_free(text);
    }
    if (hf_mbedtls_failures() != failures) {
        return HF_ERR_RESOURCES;
    }
    int read = first && last->version != 0;
    int added = read;
    while (last->next != NULL) {
        read++;
        if (twice(chain(tls), last->next)) {
            mbedtls_x509_crt *one = last->next;
            last->next = one->next;
            one->next = NULL;
            mbedtls_x509_crt_free(one);
            mbedtls_free(one);
        } else {
            added++;
            last = last->next;
        }
    }
    if (added > 0) {
        tls->trusted += (unsigned)added;
        for (int i = 0; i < CONFIGS; i++) {
            mbedtls_ssl_conf_ca_chain(settings(tls, i), chain(tls), NULL);
            mbedtls_ssl_conf_authmode(settings(tls, i), MBEDTLS_SSL_VERIFY_REQUIRED);
        }
    }
    return read;
}

void hf_mbedtls_free(hf_mbedtls *tls) {
    for (int i = 0; i < CONFIGS; i++) {
        mbedtls_ssl_config_free(settings(tls, i));
    }
    mbedtls_x509_crt_free(chain(tls));
    hf_mbedtls_world_close();
    memset(tls, 0, sizeof *tls);
}

mbedtls_ssl_config *hf_mbedtls_config(hf_mbedtls *tls, const char *alpn) {
    if (alpn == NULL) {
        return settings(tls, PLAIN);
    }
    if (tls->alpn[0] == 0) {
        size_t length = strlen(alpn);
        if (length == 0 || length >= sizeof tls->alpn) {
            return NULL;
        }
        memcpy(tls->alpn, alpn, length + 1);
        tls->protocols[0] = tls->alpn;
        if (mbedtls_ssl_conf_alpn_protocols(settings(tls, ALPN), tls->protocols) != 0) {
            return NULL;
        }
    }
    return strcmp(alpn, tls->alpn) == 0 ? settings(tls, ALPN) : NULL;
}

/* A numeric host's address: its size in bytes, 0 when it is a name. */
static size_t numeric(const char *host, uint8_t address[16]) {
    return mbedtls_x509_crt_parse_cn_inet_pton(host, address);
}

int hf_mbedtls_host(hf_mbedtls_link *link, const char *host) {
    size_t length = host != NULL ? strlen(host) : 0;
    if (length == 0 || length >= sizeof link->host) {
        return HF_ERR_ARGUMENT;
    }
    memcpy(link->host, host, length + 1);
    uint8_t address[16];
    char *scope = strchr(link->host, '%'); /* fe80::1%eth0: the certificate knows no scope */
    if (scope != NULL && strchr(link->host, ':') != NULL) {
        *scope = 0;
    } else if (length > 1 && link->host[length - 1] == '.') {
        link->host[length - 1] = 0; /* a name's dot at the end is neither SNI nor in certificates */
    }
    bool name = numeric(link->host, address) == 0;
    return mbedtls_ssl_set_hostname(hf_mbedtls_ssl(link), name ? link->host : NULL) == 0
               ? 0
               : HF_ERR_RESOURCES;
}

/* Is the certificate made for that address? By its iPAddress names (RFC 6125 says only these); one
 * without any subjectAltName by its common name, as libpq has it. */
static bool for_address(const mbedtls_x509_crt *certificate, const char *host,
                        const uint8_t *address, size_t bytes) {
    bool any = false;
    for (const mbedtls_x509_sequence *name = &certificate->subject_alt_names;
         name != NULL && name->buf.p != NULL; name = name->next) {
        any = true;
        if ((name->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == MBEDTLS_X509_SAN_IP_ADDRESS &&
            name->buf.len == bytes && memcmp(name->buf.p, address, bytes) == 0) {
            return true;
        }
    }
    if (any) {
        return false;
    }
    for (const mbedtls_x509_name *name = &certificate->subject; name != NULL; name = name->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0 && name->val.len == strlen(host) &&
            memcmp(name->val.p, host, name->val.len) == 0) {
            return true;
        }
    }
    return false;
}

/* tls-server-end-point (RFC 5929, 4.1): the certificate's hash, by the hash of its own signature, but
 * SHA-256 for MD5 and SHA-1. */
static void bind_channel(hf_mbedtls_link *link, const mbedtls_x509_crt *certificate) {
    mbedtls_md_type_t type = certificate->MBEDTLS_PRIVATE(sig_md);
    if (type == MBEDTLS_MD_MD5 || type == MBEDTLS_MD_SHA1) {
        type = MBEDTLS_MD_SHA256;
    }
    const mbedtls_md_info_t *md = mbedtls_md_info_from_type(type);
    link->binding_bytes = 0;
    if (md != NULL && mbedtls_md_get_size(md) <= sizeof link->binding &&
        mbedtls_md(md, certificate->raw.p, certificate->raw.len, link->binding) == 0) {
        link->binding_bytes = mbedtls_md_get_size(md);
    }
}

int hf_mbedtls_judge(void *at, mbedtls_x509_crt *certificate, int depth, uint32_t *flags) {
    hf_mbedtls_link *link = at;
    const hf_mbedtls *tls = link->tls;
    if (depth == 0) {
        bind_channel(link, certificate);
        uint8_t address[16];
        size_t bytes = numeric(link->host, address);
        if (bytes > 0 && !for_address(certificate, link->host, address, bytes)) {
            *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
        }
        if (tls->setup.sslmode != HF_SSL_VERIFY_FULL) {
            *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH;
        }
    }
    if (tls->setup.sslmode == HF_SSL_REQUIRE && tls->trusted == 0) {
        *flags = 0;
    }
    if (*flags != 0) {
        link->flags |= *flags;
        link->depth = depth;
    }
    return 0;
}
