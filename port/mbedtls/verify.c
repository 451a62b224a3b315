/* Which certificates of a server are believed.
 *
 *     sslmode       signed by a trusted CA, in its time    made for this host
 *     verify-full   yes                                     yes
 *     verify-ca     yes                                     not looked at
 *     require       only if CAs were given                  not looked at
 *
 * mbedTLS checks signatures, dates and the name; hf_mbedtls_verify(), its callback for each certificate of the chain
 * (the CA first), forgives what the mode does not ask, and adds what OpenSSL asks for libpq and mbedTLS does not: a
 * chain that ends at a root (an intermediate CA alone is none), name constraints, a purpose that all of the chain has,
 * and with revocation lists one for each CA of the chain. Numeric hosts are a matter of their own: their address must
 * not travel as SNI (RFC 6066), so mbedTLS is not told of it and the address is compared here.
 */
#include "internal.h"

#include <string.h>

#include <mbedtls/oid.h>
#include <psa/crypto.h>

/* A numeric host's address. Returns the address's size in bytes; 0: the host is a name. */
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

/* Is the certificate made for that address? Its iPAddress names say so (RFC 6125 allows only these); its common name
 * says so if it has no subjectAltName at all, as libpq has it. */
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
    psa_algorithm_t hash;
    size_t bytes = 0;
    switch (certificate->MBEDTLS_PRIVATE(sig_md)) {
    case MBEDTLS_MD_MD5:
    case MBEDTLS_MD_SHA1:
    case MBEDTLS_MD_SHA256: hash = PSA_ALG_SHA_256; break;
    case MBEDTLS_MD_SHA224: hash = PSA_ALG_SHA_224; break;
    case MBEDTLS_MD_SHA384: hash = PSA_ALG_SHA_384; break;
    case MBEDTLS_MD_SHA512: hash = PSA_ALG_SHA_512; break;
    default: hash = PSA_ALG_NONE;
    }
    if (hash == PSA_ALG_NONE ||
        psa_hash_compute(hash, certificate->raw.p, certificate->raw.len, link->binding,
                         sizeof link->binding, &bytes) != PSA_SUCCESS) {
        bytes = 0;
    }
    link->binding_bytes = (uint8_t)bytes;
}

/* Remembers a CA that has name constraints. A chain with more of those than fit is refused, not half looked at. */
static uint32_t remember_constraints(hf_mbedtls_link *link, const mbedtls_x509_crt *certificate) {
    const size_t most = sizeof link->constraining / sizeof link->constraining[0];
    if (!hf_mbedtls_constrains(certificate)) {
        return 0;
    }
    if (link->n_constraining == most) {
        return HF_MBEDTLS_NAMES_UNKNOWN;
    }
    link->constraining[link->n_constraining++] = certificate;
    return 0;
}

static bool self_issued(const mbedtls_x509_crt *certificate) {
    return certificate->issuer_raw.len == certificate->subject_raw.len &&
           memcmp(certificate->issuer_raw.p, certificate->subject_raw.p,
                  certificate->subject_raw.len) == 0;
}

/* Compares a certificate with the constraints of all CAs above, which came first. CAs that issued for themselves
 * change keys, not names (RFC 5280, 6.1.4). */
static uint32_t judge_names(hf_mbedtls_link *link, const mbedtls_x509_crt *certificate, int depth) {
    uint32_t found = 0;
    for (unsigned i = 0; i < link->n_constraining && (depth == 0 || !self_issued(certificate));
         i++) {
        found |= hf_mbedtls_names(link->constraining[i], certificate, depth == 0);
    }
    return found | remember_constraints(link, certificate);
}

/* May the certificate serve a server? If it has an extendedKeyUsage, serverAuth must be there: in a CA's too, and
 * "any" is not enough, as OpenSSL has it. */
static bool for_servers(const mbedtls_x509_crt *certificate) {
    if (!mbedtls_x509_crt_has_ext_type(certificate, MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE)) {
        return true;
    }
    for (const mbedtls_x509_sequence *one = &certificate->ext_key_usage; one != NULL;
         one = one->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_SERVER_AUTH, &one->buf) == 0) {
            return true;
        }
    }
    return false;
}

#if HF_WITH_CRL
/* Is there a revocation list of the certificate's issuer? Without one nobody knows (OpenSSL's
 * X509_V_FLAG_CRL_CHECK_ALL). */
static bool has_list(const hf_mbedtls *tls, const mbedtls_x509_crt *certificate) {
    const mbedtls_x509_crl *list = tls->revoked;
    for (; list != NULL; list = list->next) {
        if (list->issuer_raw.len == certificate->issuer_raw.len &&
            memcmp(list->issuer_raw.p, certificate->issuer_raw.p, list->issuer_raw.len) == 0) {
            return true;
        }
    }
    return tls->revoked == NULL;
}
#endif

static uint32_t judge_one(hf_mbedtls_link *link, const mbedtls_x509_crt *certificate, int depth) {
    uint32_t found = judge_names(link, certificate, depth);
    if (!for_servers(certificate)) {
        found |= MBEDTLS_X509_BADCERT_EXT_KEY_USAGE;
    }
#if HF_WITH_CRL
    if (!has_list(link->tls, certificate)) {
        found |= HF_MBEDTLS_NO_LIST;
    }
#endif
    return found;
}

/* Adds what was found of a certificate to the link's verdict and to mbedTLS's. */
static void add(hf_mbedtls_link *link, uint32_t found, int depth, uint32_t *flags) {
    if (found & HF_MBEDTLS_OWN_FLAGS) {
        *flags |= MBEDTLS_X509_BADCERT_OTHER;
    }
    *flags |= found & ~(uint32_t)HF_MBEDTLS_OWN_FLAGS;
    if ((*flags | found) != 0) {
        link->flags |= *flags | found;
        link->depth = depth;
    }
}

static uint32_t find_root(hf_mbedtls_link *link, mbedtls_x509_crt *top);

/* mbedTLS's callback for the chain above a trusted CA; hf_mbedtls_verify() judges that CA itself. */
static int judge_above(void *at, mbedtls_x509_crt *certificate, int depth, uint32_t *flags) {
    hf_mbedtls_link *link = at;
    bool top = !link->verifying;
    link->verifying = depth > 0;
    if (depth == 0) {
        return 0;
    }
    uint32_t found = 0;
    if (top && *flags == 0) {
        found = find_root(link, certificate);
    }
    add(link, found | judge_one(link, certificate, depth), depth, flags);
    return 0;
}

/* Have both the same name and key? So have a root and the certificate that another CA once signed for that root. */
static bool same_authority(const mbedtls_x509_crt *one, const mbedtls_x509_crt *other) {
    return one->subject_raw.len == other->subject_raw.len && one->pk_raw.len == other->pk_raw.len &&
           memcmp(one->subject_raw.p, other->subject_raw.p, one->subject_raw.len) == 0 &&
           memcmp(one->pk_raw.p, other->pk_raw.p, one->pk_raw.len) == 0;
}

/* A chain must end at a CA that issued for itself. mbedTLS ends the chain at any trusted certificate; from there
 * upwards only trusted ones are of use. */
static uint32_t find_root(hf_mbedtls_link *link, mbedtls_x509_crt *top) {
    if (self_issued(top)) {
        return 0;
    }
    hf_mbedtls *tls = link->tls;
    for (const mbedtls_x509_crt *one = hf_mbedtls_chain(tls); one != NULL; one = one->next) {
        if (same_authority(one, top) && self_issued(one) &&
            !mbedtls_x509_time_is_past(&one->valid_to)) {
            return remember_constraints(link, one);
        }
    }
    if (++link->climbed > HF_MBEDTLS_CLIMB_MAX) {
        return HF_MBEDTLS_NO_ROOT;
    }
    bool verifying = link->verifying;
    uint32_t flags = 0;
    link->verifying = false;
    int code = mbedtls_x509_crt_verify(top, hf_mbedtls_chain(tls), tls->revoked, NULL, &flags,
                                       judge_above, link);
    link->verifying = verifying;
    if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        return HF_MBEDTLS_NO_ROOT;
    }
    return code == 0 ? 0 : flags != 0 ? flags : MBEDTLS_X509_BADCERT_OTHER;
}

int hf_mbedtls_verify(void *at, mbedtls_x509_crt *certificate, int depth, uint32_t *flags) {
    hf_mbedtls_link *link = at;
    hf_mbedtls *tls = link->tls;
    uint32_t found = 0;
    if (certificate->version == 0) { /* mbedTLS does not know its signature algorithm */
        return MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG;
    }
    if (!link->verifying) { /* the chain's first certificate, a CA */
        link->n_constraining = link->climbed = 0;
        if (!(*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) && tls->trusted > 0 && depth > 0) {
            found = find_root(link, certificate);
        }
    }
    link->verifying = depth > 0;
    found |= judge_one(link, certificate, depth);
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
        return 0;
    }
    add(link, found, depth, flags);
    return 0;
}
