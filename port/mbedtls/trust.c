/* The settings of a port's TLS links: certificates, revocation lists and the client's own certificate. */
#include "internal.h"

#include <string.h>

#include <mbedtls/error.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/psa_util.h>

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

/* A key share is sent for the first group alone. PostgreSQL up to 17 takes only P-256 by default, and asks again (a
 * round trip) when another one comes first. */
static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
#if HF_WITH_P521
                                   MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
#endif
                                   MBEDTLS_SSL_IANA_TLS_GROUP_NONE };

enum { PLAIN, ALPN, CONFIGS };

static mbedtls_ssl_config *settings(hf_mbedtls *tls, int which) {
    return (mbedtls_ssl_config *)(void *)tls->config[which];
}

mbedtls_x509_crt *hf_mbedtls_chain(hf_mbedtls *tls) {
    return (mbedtls_x509_crt *)(void *)tls->chain;
}

static int configure(mbedtls_ssl_config *config, const hf_mbedtls_setup *setup) {
    if (mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0) {
        return HF_ERR_RESOURCES;
    }
    mbedtls_ssl_conf_min_tls_version(config, setup->version_min == HF_TLS_1_3
                                                 ? MBEDTLS_SSL_VERSION_TLS1_3
                                                 : MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(config, setup->version_max == HF_TLS_1_2
                                                 ? MBEDTLS_SSL_VERSION_TLS1_2
                                                 : MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_rng(config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_groups(config, groups);
    return 0;
}

/* No memory, or no random bytes, to begin with. */
static bool fail(hf_error *error, int err) {
    if (error != NULL) {
        hf_error_set(error, (hf_err)err, HF_PHASE_NONE, "TLS: no random numbers or no memory");
    }
    return false;
}

bool hf_mbedtls_init(hf_mbedtls *tls, const hf_mbedtls_setup *setup, hf_error *error) {
    memset(tls, 0, sizeof *tls);
    tls->setup = *setup;
    int err = hf_mbedtls_global_open(setup);
    if (err != 0) {
        return fail(error, err);
    }
    mbedtls_x509_crt_init(hf_mbedtls_chain(tls));
    for (int i = 0; i < CONFIGS; i++) {
        mbedtls_ssl_config_init(settings(tls, i));
        err = err != 0 ? err : configure(settings(tls, i), setup);
        /* Until CAs are given no certificate is believed: VERIFY_FULL and _CA then end in an error. */
        mbedtls_ssl_conf_authmode(settings(tls, i), setup->sslmode == HF_SSL_REQUIRE
                                                        ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                                        : MBEDTLS_SSL_VERIFY_REQUIRED);
    }
    if (err != 0) {
        hf_mbedtls_free(tls);
        return fail(error, err);
    }
    return true;
}

/* Is the same certificate in the chain before that one? Folders hold each certificate under several names, and a
 * bundle besides. */
static bool twice(const mbedtls_x509_crt *from, const mbedtls_x509_crt *one) {
    for (; from != one; from = from->next) {
        if (from->raw.len == one->raw.len && memcmp(from->raw.p, one->raw.p, one->raw.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_pem(const char *bytes, size_t size) {
    static const char begin[] = "-----BEGIN";
    const size_t length = sizeof begin - 1;
    for (size_t i = 0; i + length <= size; i++) {
        if (memcmp(bytes + i, begin, length) == 0) {
            return true;
        }
    }
    return false;
}

/* A copy with a NUL at its end, as mbedTLS wants PEM, for the caller to free. NULL: no memory. */
static unsigned char *with_nul(const void *bytes, size_t size) {
    unsigned char *text = mbedtls_calloc(1, size + 1);
    if (text != NULL) {
        memcpy(text, bytes, size);
    }
    return text;
}

int hf_mbedtls_trust(hf_mbedtls *tls, const void *bytes, size_t size) {
    unsigned failures = hf_mbedtls_failures();
    mbedtls_x509_crt *last = hf_mbedtls_chain(tls);
    while (last->next != NULL) {
        last = last->next;
    }
    bool first = last->version == 0;
    int code;
    if (!is_pem(bytes, size)) {
        code = mbedtls_x509_crt_parse_der(hf_mbedtls_chain(tls), bytes, size);
    } else {
        unsigned char *text = with_nul(bytes, size);
        if (text == NULL) {
            return HF_ERR_RESOURCES;
        }
        code = mbedtls_x509_crt_parse(hf_mbedtls_chain(tls), text, size + 1);
        mbedtls_free(text);
    }
    tls->unread = code < 0 ? hf_mbedtls_unsupported(code) : NULL;
    if (hf_mbedtls_failures() != failures) {
        return HF_ERR_RESOURCES;
    }
    int read = first && last->version != 0;
    int added = read;
    while (last->next != NULL) {
        read++;
        if (twice(hf_mbedtls_chain(tls), last->next)) {
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
            mbedtls_ssl_conf_ca_chain(settings(tls, i), hf_mbedtls_chain(tls), tls->revoked);
            mbedtls_ssl_conf_authmode(settings(tls, i), MBEDTLS_SSL_VERIFY_REQUIRED);
        }
    }
    return read;
}

#if HF_WITH_CRL
/* Is one revocation list older than the other, of the same issuer? Folders keep lists that have been replaced. */
static bool older(const mbedtls_x509_crl *one, const mbedtls_x509_crl *other) {
    if (one->issuer_raw.len != other->issuer_raw.len ||
        memcmp(one->issuer_raw.p, other->issuer_raw.p, one->issuer_raw.len) != 0) {
        return false;
    }
    int order = mbedtls_x509_time_cmp(&one->this_update, &other->this_update);
    return order != 0 ? order < 0
                      : mbedtls_x509_time_cmp(&one->next_update, &other->next_update) < 0;
}

static bool replaced(const mbedtls_x509_crl *all, const mbedtls_x509_crl *one) {
    for (const mbedtls_x509_crl *other = all; other != NULL; other = other->next) {
        if (older(one, other)) {
            return true;
        }
    }
    return false;
}

/* Keeps each issuer's newest list alone: mbedTLS refuses a chain because of an expired list although another is
 * there. */
static void drop_replaced(hf_mbedtls *tls) {
    mbedtls_x509_crl *first = tls->revoked, *last = first;
    while (last != NULL && last->next != NULL) {
        mbedtls_x509_crl *one = last->next;
        if (replaced(first, one)) {
            last->next = one->next;
            one->next = NULL;
            mbedtls_x509_crl_free(one);
            mbedtls_free(one);
        } else {
            last = one;
        }
    }
    if (first != NULL && first->next != NULL && replaced(first, first)) {
        tls->revoked = first->next;
        first->next = NULL;
        mbedtls_x509_crl_free(first);
        mbedtls_free(first);
    }
}

int hf_mbedtls_revoke(hf_mbedtls *tls, const void *bytes, size_t size) {
    unsigned failures = hf_mbedtls_failures();
    if (tls->revoked == NULL) {
        tls->revoked = mbedtls_calloc(1, sizeof *tls->revoked);
        if (tls->revoked == NULL) {
            return HF_ERR_RESOURCES;
        }
        mbedtls_x509_crl_init(tls->revoked);
    }
    unsigned before = 0, after = 0;
    for (const mbedtls_x509_crl *one = tls->revoked; one != NULL; one = one->next) {
        before += one->version != 0;
    }
    int code;
    if (is_pem(bytes, size)) {
        unsigned char *text = with_nul(bytes, size);
        if (text == NULL) {
            return HF_ERR_RESOURCES;
        }
        code = mbedtls_x509_crl_parse(tls->revoked, text, size + 1);
        mbedtls_free(text);
    } else {
        code = mbedtls_x509_crl_parse_der(tls->revoked, bytes, size);
    }
    for (const mbedtls_x509_crl *one = tls->revoked; one != NULL; one = one->next) {
        after += one->version != 0;
    }
    drop_replaced(tls);
    for (int i = 0; i < CONFIGS && tls->trusted > 0; i++) {
        mbedtls_ssl_conf_ca_chain(settings(tls, i), hf_mbedtls_chain(tls), tls->revoked);
    }
    if (hf_mbedtls_failures() != failures) {
        return HF_ERR_RESOURCES;
    }
    /* A file with an unreadable list is not taken: the certificates revoked there would be believed. */
    return code != 0 ? 0 : (int)(after - before);
}

static void free_lists(hf_mbedtls *tls) {
    if (tls->revoked != NULL) {
        mbedtls_x509_crl_free(tls->revoked);
        mbedtls_free(tls->revoked);
    }
}
#else
static void free_lists(hf_mbedtls *tls) {
    (void)tls;
}
#endif

#if HF_WITH_CLIENT_CERT
/* The client's own certificate and key. */
struct hf_mbedtls_own {
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
};

static void free_own(hf_mbedtls *tls) {
    if (tls->own != NULL) {
        mbedtls_x509_crt_free(&tls->own->chain);
        mbedtls_pk_free(&tls->own->key);
        mbedtls_free(tls->own);
    }
}

static int read_chain(mbedtls_x509_crt *out, const void *bytes, size_t size, const char **why) {
    int code;
    if (is_pem(bytes, size)) {
        unsigned char *text = with_nul(bytes, size);
        if (text == NULL) {
            return HF_ERR_RESOURCES;
        }
        code = mbedtls_x509_crt_parse(out, text, size + 1);
        mbedtls_free(text);
    } else {
        code = mbedtls_x509_crt_parse_der(out, bytes, size);
    }
    size_t sum = 0;
    for (const mbedtls_x509_crt *one = out; one != NULL; one = one->next) {
        sum += one->raw.len + 5; /* RFC 8446, 4.4.2: a length of 3, and of the extensions' 2 */
    }
    *why = code != 0 ? hf_mbedtls_unreadable(code)
           : sum + 32 > MBEDTLS_SSL_OUT_CONTENT_LEN
               ? "its certificates are longer than 4,000 bytes together: leave out the root"
               : NULL;
    return *why == NULL ? 0 : HF_ERR_CONFIG;
}

static int read_key(mbedtls_pk_context *out, const void *bytes, size_t size, const char *password,
                    const char **why) {
    const bool pem = is_pem(bytes, size);
    unsigned char *text = with_nul(bytes, size);
    if (text == NULL) {
        return HF_ERR_RESOURCES;
    }
    const bool encrypted = pem && password != NULL && strstr((const char *)text, "ENCRYPTED");
    int code = mbedtls_pk_parse_key(
        out, text, pem ? size + 1 : size, (const unsigned char *)password,
        password != NULL ? strlen(password) : 0, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_platform_zeroize(text, size);
    mbedtls_free(text);
    *why = code != 0 ? hf_mbedtls_unreadable(code) : NULL;
    if (code != 0 && encrypted && hf_mbedtls_unsupported(code) == NULL) {
        /* What a wrong password makes of a key ends, once in 256 times, as a right one would. */
        *why = "sslpassword is not its password, or it is damaged";
    }
    return code == 0 ? 0 : HF_ERR_CONFIG;
}

int hf_mbedtls_own_certificate(hf_mbedtls *tls, const void *bytes, size_t size, const char **why) {
    unsigned failures = hf_mbedtls_failures();
    tls->own = mbedtls_calloc(1, sizeof *tls->own);
    if (tls->own == NULL) {
        return HF_ERR_RESOURCES;
    }
    mbedtls_x509_crt_init(&tls->own->chain);
    mbedtls_pk_init(&tls->own->key);
    int err = read_chain(&tls->own->chain, bytes, size, why);
    return hf_mbedtls_failures() != failures ? HF_ERR_RESOURCES : err;
}

int hf_mbedtls_own_key(hf_mbedtls *tls, const void *bytes, size_t size, const char *password,
                       const char **why) {
    unsigned failures = hf_mbedtls_failures();
    struct hf_mbedtls_own *own = tls->own;
    int err = read_key(&own->key, bytes, size, password, why);
    if (err == 0 && mbedtls_pk_check_pair(&own->chain.pk, &own->key, mbedtls_psa_get_random,
                                          MBEDTLS_PSA_RANDOM_STATE) != 0) {
        *why = "it is not the key of the certificate in sslcert";
        err = HF_ERR_CONFIG;
    }
    for (int i = 0; i < CONFIGS && err == 0; i++) {
        if (mbedtls_ssl_conf_own_cert(settings(tls, i), &own->chain, &own->key) != 0) {
            err = HF_ERR_RESOURCES;
        }
    }
    return hf_mbedtls_failures() != failures ? HF_ERR_RESOURCES : err;
}
#else
static void free_own(hf_mbedtls *tls) {
    (void)tls;
}
#endif

void hf_mbedtls_free(hf_mbedtls *tls) {
    for (int i = 0; i < CONFIGS; i++) {
        mbedtls_ssl_config_free(settings(tls, i));
    }
    mbedtls_x509_crt_free(hf_mbedtls_chain(tls));
    free_lists(tls);
    free_own(tls);
    hf_mbedtls_global_close();
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
