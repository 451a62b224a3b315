/* mbedTLS's numbers as an hf_err and a phrase for a person. */
#include "base/text.h"
#include "internal.h"

#include <string.h>

#include <mbedtls/asn1.h>
#include <mbedtls/bignum.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/md.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/pkcs5.h>
#include <mbedtls/x509.h>

/* Alerts by their numbers (RFC 8446 section 6, RFC 5246 section 7.2). Those that say "not with you" come again at the
 * next try; the others tell of bytes that were changed or of trouble in the server. */
static const struct {
    uint8_t number;
    bool for_good;
    const char *name;
} alerts[] = {
    { 10, false, "unexpected_message" },
    { 20, false, "bad_record_mac" },
    { 22, false, "record_overflow" },
    { 40, true, "handshake_failure" },
    { 42, true, "bad_certificate" },
    { 43, true, "unsupported_certificate" },
    { 44, true, "certificate_revoked" },
    { 45, true, "certificate_expired" },
    { 46, true, "certificate_unknown" },
    { 47, false, "illegal_parameter" },
    { 48, true, "unknown_ca" },
    { 49, true, "access_denied" },
    { 50, false, "decode_error" },
    { 51, false, "decrypt_error" },
    { 70, true, "protocol_version" },
    { 71, true, "insufficient_security" },
    { 80, false, "internal_error" },
    { 86, true, "inappropriate_fallback" },
    { 90, false, "user_canceled" },
    { 109, true, "missing_extension" },
    { 110, true, "unsupported_extension" },
    { 112, true, "unrecognized_name" },
    { 116, true, "certificate_required" },
    { 120, true, "no_application_protocol" },
};

static const struct {
    int code;
    const char *text;
} phrases[] = {
    { MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION,
      "the server speaks no TLS version that is allowed here: 1.2 and 1.3, as ssl_min_protocol_version and "
      "ssl_max_protocol_version say" },
    { HF_MBEDTLS_NOT_ASKED,
      "the server did not ask for a certificate, and sslcertmode=require wants it to" },
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

/* What can be wrong with a certificate; the worst first. */
static const struct {
    uint32_t flag;
    const char *text;
} faults[] = {
    { MBEDTLS_X509_BADCERT_MISSING, ": the server sent none" },
    { MBEDTLS_X509_BADCERT_REVOKED, " was revoked" },
    { MBEDTLS_X509_BADCERT_EXPIRED, " has expired" },
    { MBEDTLS_X509_BADCERT_FUTURE, " is not valid yet" },
    { MBEDTLS_X509_BADCERT_CN_MISMATCH, " is not made for " }, /* the host follows */
    { MBEDTLS_X509_BADCERT_NOT_TRUSTED, " is not signed by a trusted CA" },
    { HF_MBEDTLS_NO_ROOT, " leads to an intermediate CA alone: its root must be trusted too" },
    { HF_MBEDTLS_NAMES_VIOLATED,
      " has a name that a CA above may not sign for (name constraints)" },
    { HF_MBEDTLS_NAMES_UNKNOWN,
      " has a name of a kind that the name constraints of a CA above limit and that is not compared here" },
    { MBEDTLS_X509_BADCERT_KEY_USAGE, " is refused: its keyUsage does not allow this use" },
    { MBEDTLS_X509_BADCERT_EXT_KEY_USAGE,
      " is refused: its extendedKeyUsage does not allow this use" },
    { MBEDTLS_X509_BADCERT_NS_CERT_TYPE, " is refused: its nsCertType does not allow this use" },
    { MBEDTLS_X509_BADCERT_BAD_MD, " is signed with a hash that is too weak" },
    { MBEDTLS_X509_BADCERT_BAD_PK, " is signed with an algorithm that is not accepted" },
    { MBEDTLS_X509_BADCERT_BAD_KEY, " is signed with a key that is too weak" },
#if HF_WITH_CRL
    { HF_MBEDTLS_NO_LIST, " cannot be checked: sslcrl and sslcrldir have no list of its issuer" },
    { MBEDTLS_X509_BADCRL_NOT_TRUSTED,
      " cannot be checked: the revocation list is not signed by its CA" },
    { MBEDTLS_X509_BADCRL_EXPIRED, " cannot be checked: the revocation list has expired" },
    { MBEDTLS_X509_BADCRL_FUTURE, " cannot be checked: the revocation list is not valid yet" },
    { MBEDTLS_X509_BADCRL_BAD_MD | MBEDTLS_X509_BADCRL_BAD_PK | MBEDTLS_X509_BADCRL_BAD_KEY,
      " cannot be checked: the revocation list is signed too weakly" },
#endif
};

/* Why a certificate or a key cannot be read. mbedTLS adds a lower number to some of these codes. */
static const struct {
    int code;
    const char *text;
} unreadable[] = {
    { MBEDTLS_ERR_X509_INVALID_EXTENSIONS + MBEDTLS_ERR_ASN1_UNEXPECTED_TAG,
      "it has a critical extension that is not understood" },
    { MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG,
      "it is signed with an algorithm that is not supported (Ed25519 for one)" },
    { MBEDTLS_ERR_PK_UNKNOWN_PK_ALG,
      "its key is of a kind that is not supported (Ed25519 or RSA-PSS for one)" },
    { MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE, "its key is on a curve that is not supported" },
#if HF_WITH_CLIENT_CERT
    { MBEDTLS_ERR_PK_PASSWORD_REQUIRED, "it is encrypted, and there is no sslpassword" },
    { MBEDTLS_ERR_PK_PASSWORD_MISMATCH, "sslpassword is not its password" },
    { MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE,
      "it is encrypted or written in a way that is not supported" },
    { MBEDTLS_ERR_PKCS5_FEATURE_UNAVAILABLE, "it is encrypted in a way that is not supported" },
    { MBEDTLS_ERR_PEM_UNKNOWN_ENC_ALG, "it is encrypted in a way that is not supported" },
#endif
};

const char *hf_mbedtls_unsupported(int code) {
    for (size_t i = 0; i < sizeof unreadable / sizeof unreadable[0]; i++) {
        if (unreadable[i].code == code || unreadable[i].code == -(-code & 0xff80)) {
            return unreadable[i].text;
        }
    }
    return NULL;
}

const char *hf_mbedtls_unreadable(int code) {
    const char *text = hf_mbedtls_unsupported(code);
    return text != NULL ? text : "it is neither PEM nor DER of the kind that is wanted, or damaged";
}

/* Says the worst thing found, and whose certificate has it. */
static void certificate_text(hf_mbedtls_link *link, int code) {
    hf_writer out = hf_writer_on(link->text, sizeof link->text);
    uint32_t flags =
        link->flags != 0 ? link->flags : mbedtls_ssl_get_verify_result(hf_mbedtls_ssl(link));
    if (code == MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED) {
        hf_write_text(&out, "there is no CA to verify it with");
        return;
    }
    if (link->flags == 0 && code != MBEDTLS_ERR_SSL_BAD_CERTIFICATE) {
        const char *text = hf_mbedtls_unsupported(code);
        hf_write_text(&out, "the certificate could not be read");
        hf_write_text(&out, text != NULL ? ": " : "");
        hf_write_text(&out, text != NULL ? text : "");
        return;
    }
    const uint32_t of_host = MBEDTLS_X509_BADCERT_CN_MISMATCH | MBEDTLS_X509_BADCERT_NOT_TRUSTED;
    size_t i = 0, n = sizeof faults / sizeof faults[0];
    while (i < n && !(flags & faults[i].flag)) {
        i++;
    }
    const bool its_own = link->depth == 0 || (i < n && (faults[i].flag & of_host));
    hf_write_text(&out, its_own ? "the certificate" : "a certificate in the server's chain");
    hf_write_text(&out, i < n ? faults[i].text : " is refused");
    if (i < n && faults[i].flag == MBEDTLS_X509_BADCERT_CN_MISMATCH) {
        hf_write_printable(&out, link->host, strlen(link->host));
        hf_write_text(&out,
                      flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED ? ", nor by a trusted CA" : "");
    }
}

/* What an alert may be about, where the server itself says little. */
static const char *hint(const hf_mbedtls_link *link, unsigned number) {
    if (link->certificate_requested) {
        return link->tls->own != NULL
                   ? HF_MESSAGE(": it asked for a certificate, and was shown that of sslcert")
                   : HF_MESSAGE(": it asked for a certificate, and there is no sslcert");
    }
    return number == MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE
               ? HF_MESSAGE(": no suite, group or kind of key in common (Ed25519 and RSA-PSS keys "
                            "are not supported)")
               : "";
}

/* An alert ended the link. Once the server has sent data, it accepts us: an alert is then about its own end. */
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
    if (i == n || !alerts[i].for_good || link->data_received) {
        return HF_ERR_TLS;
    }
    hf_write_text(&out, hint(link, number));
    return HF_ERR_TLS_REJECTED;
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
        (high <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE && high >= MBEDTLS_ERR_X509_FATAL_ERROR) ||
        hf_mbedtls_unsupported(code) != NULL) {
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
    switch (high) {
    case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
    case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
    case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
    case -(-HF_MBEDTLS_NOT_ASKED & 0xff80): return HF_ERR_TLS_REJECTED;
    default: return HF_ERR_TLS;
    }
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
