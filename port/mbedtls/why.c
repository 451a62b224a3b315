/* mbedTLS's numbers as an hf_err and a phrase for a person. */
#include "insides.h"
#include "text.h"

#include <string.h>

#include <mbedtls/asn1.h>
#include <mbedtls/bignum.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509.h>

/* RFC 8446 section 6, RFC 5246 section 7.2: alerts by their numbers. */
static const struct {
    uint8_t number;
    const char *name;
} alerts[] = {
    { 10, "unexpected_message" },
    { 20, "bad_record_mac" },
    { 22, "record_overflow" },
    { 40, "handshake_failure" },
    { 42, "bad_certificate" },
    { 43, "unsupported_certificate" },
    { 44, "certificate_revoked" },
    { 45, "certificate_expired" },
    { 46, "certificate_unknown" },
    { 47, "illegal_parameter" },
    { 48, "unknown_ca" },
    { 49, "access_denied" },
    { 50, "decode_error" },
    { 51, "decrypt_error" },
    { 70, "protocol_version" },
    { 71, "insufficient_security" },
    { 80, "internal_error" },
    { 86, "inappropriate_fallback" },
    { 90, "user_canceled" },
    { 109, "missing_extension" },
    { 110, "unsupported_extension" },
    { 112, "unrecognized_name" },
    { 116, "certificate_required" },
    { 120, "no_application_protocol" },
};

static const struct {
    int code;
    const char *text;
} phrases[] = {
    { MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, "the server speaks neither TLS 1.2 nor TLS 1.3" },
    { MBEDTLS_ERR_SSL_INVALID_RECORD, "what the server sent is not TLS" },
    { MBEDTLS_ERR_SSL_INVALID_MAC, "a record was changed on its way" },
    { MBEDTLS_ERR_SSL_UNEXPECTED_RECORD, "the server sent an unexpected record" },
    { MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, "the server sent an unexpected message" },
    { MBEDTLS_ERR_SSL_DECODE_ERROR, "a handshake message does not decode" },
    { MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER, "a handshake message has an illegal parameter" },
    { MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION,
      "the server sent an extension that was not asked for" },
    { MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE, "no version, suite or group in common with the server" },
    { MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL,
      "the server did not agree to the protocol asked for by ALPN" },
};

static bool is_alloc(int high, int low) {
    return high == MBEDTLS_ERR_SSL_ALLOC_FAILED || high == MBEDTLS_ERR_X509_ALLOC_FAILED ||
           high == MBEDTLS_ERR_ECP_ALLOC_FAILED || high == MBEDTLS_ERR_PK_ALLOC_FAILED ||
           high == MBEDTLS_ERR_MD_ALLOC_FAILED || low == MBEDTLS_ERR_MPI_ALLOC_FAILED ||
           low == MBEDTLS_ERR_ASN1_ALLOC_FAILED;
}

/* The rest of what can be wrong with a certificate; the worst first. */
static const struct {
    uint32_t flag;
    const char *text;
} faults[] = {
    { MBEDTLS_X509_BADCERT_MISSING, "the server sent no certificate" },
    { MBEDTLS_X509_BADCERT_KEY_USAGE, "its keyUsage does not allow this use" },
    { MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "its extendedKeyUsage does not allow this use" },
    { MBEDTLS_X509_BADCERT_NS_CERT_TYPE, "its nsCertType does not allow this use" },
    { MBEDTLS_X509_BADCERT_BAD_MD, "it is signed with a hash that is too weak" },
    { MBEDTLS_X509_BADCERT_BAD_PK, "it is signed with an algorithm that is not accepted" },
    { MBEDTLS_X509_BADCERT_BAD_KEY, "it is signed with a key that is too weak" },
};

/* The worst thing found, and whose certificate it is. */
static void certificate_text(hf_mbedtls_link *link, int code) {
    hf_writer out = hf_writer_on(link->text, sizeof link->text);
    uint32_t flags =
        link->flags != 0 ? link->flags : mbedtls_ssl_get_verify_result(hf_mbedtls_ssl(link));
    const char *whose = link->depth > 0 ? "a certificate in the server's chain" : "the certificate";
    if (code == MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED) {
        hf_write_text(&out, "there is no CA to verify it with");
    } else if (link->flags == 0 && code != MBEDTLS_ERR_SSL_BAD_CERTIFICATE) {
        hf_write_text(&out, "the certificate could not be read");
    } else if (link->flags & MBEDTLS_X509_BADCERT_EXPIRED) {
        hf_write_text(&out, whose);
        hf_write_text(&out, " has expired");
    } else if (link->flags & MBEDTLS_X509_BADCERT_FUTURE) {
        hf_write_text(&out, whose);
        hf_write_text(&out, " is not valid yet");
    } else if (link->flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
        hf_write_text(&out, "the certificate is not made for ");
        hf_write_printable(&out, link->host, strlen(link->host));
        hf_write_text(&out, link->flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED ? ", nor by a trusted CA"
                                                                           : "");
    } else if (link->flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        hf_write_text(&out, "the certificate is not signed by a trusted CA");
    } else {
        size_t i = 0, n = sizeof faults / sizeof faults[0];
        while (i < n && !(flags & faults[i].flag)) {
            i++;
        }
        hf_write_text(&out, whose);
        hf_write_text(&out, " is refused");
        hf_write_text(&out, i < n ? ": " : "");
        hf_write_text(&out, i < n ? faults[i].text : "");
    }
}

static int alert_error(hf_mbedtls_link *link) {
    const mbedtls_ssl_context *ssl = hf_mbedtls_ssl(link);
    hf_writer out = hf_writer_on(link->text, sizeof link->text);
    unsigned number = ssl->MBEDTLS_PRIVATE(in_msg)[1];
    size_t i = 0, n = sizeof alerts / sizeof alerts[0];
    while (i < n && alerts[i].number != number) {
        i++;
    }
    hf_write_text(&out, "alert ");
    if (i < n) {
        hf_write_text(&out, alerts[i].name);
    } else {
        hf_write_unsigned(&out, number);
    }
    hf_write_text(&out, " from the server");
    return number == MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL ? HF_ERR_PROTOCOL : HF_ERR_TLS;
}

/* "mbedTLS error -0x7780" */
static void write_number(hf_writer *out, int code) {
    char digits[5] = "0000";
    for (unsigned i = 0; i < 4; i++) {
        digits[i] = "0123456789abcdef"[(unsigned)-code >> (12 - 4 * i) & 15];
    }
    hf_write_text(out, "mbedTLS error -0x");
    hf_write_text(out, digits);
}

static int describe(hf_mbedtls_link *link, int code) {
    int high = -(-code & 0xff80), low = -(-code & 0x7f);
    if (is_alloc(high, low)) {
        return HF_ERR_RESOURCES;
    }
    if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        return HF_ERR_EOF;
    }
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        return alert_error(link);
    }
    if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || code == MBEDTLS_ERR_SSL_BAD_CERTIFICATE ||
        code == MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED ||
        (high <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE && high >= MBEDTLS_ERR_X509_FATAL_ERROR)) {
        certificate_text(link, code);
        return HF_ERR_TLS_CERT;
    }
    hf_writer out = hf_writer_on(link->text, sizeof link->text);
    size_t i = 0, n = sizeof phrases / sizeof phrases[0];
    while (i < n && phrases[i].code != code && phrases[i].code != high) {
        i++;
    }
    if (i < n) {
        hf_write_text(&out, phrases[i].text);
    } else {
        write_number(&out, code);
    }
    return high == MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL ? HF_ERR_PROTOCOL : HF_ERR_TLS;
}

int hf_mbedtls_fail(hf_mbedtls_link *link, int code) {
    link->text[0] = 0;
    if (code != HF_MBEDTLS_LINK_FAILED) {
        link->system = code;
        link->failed = describe(link, code);
    } else if (link->under_failed == HF_ERR_EOF && link->up) {
        link->failed = HF_ERR_TLS_TRUNCATED;
    } else {
        link->failed = link->under_failed != 0 ? link->under_failed : link->write_failed;
    }
    return link->failed;
}
