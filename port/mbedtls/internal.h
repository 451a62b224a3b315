/* Between the files of this folder. */
#ifndef HF_MBEDTLS_INTERNAL_H
#define HF_MBEDTLS_INTERNAL_H

#include "hf_mbedtls.h"

#include <mbedtls/ssl.h>

/* global.c: what mbedTLS shares in a process. */
int hf_mbedtls_global_open(const hf_mbedtls_setup *setup); /* 0 or an hf_err */
void hf_mbedtls_global_close(void);
unsigned hf_mbedtls_failures(void); /* allocations that failed, ever */

/* trust.c: the settings. */
/* The settings of links that ask for this ALPN name, or with NULL for none. NULL: another name than the first one. */
mbedtls_ssl_config *hf_mbedtls_config(hf_mbedtls *tls, const char *alpn);
/* The trusted certificates. */
mbedtls_x509_crt *hf_mbedtls_chain(hf_mbedtls *tls);

/* verify.c: which certificates are believed. Bits of hf_mbedtls_link.flags beside mbedTLS's own: */
#define HF_MBEDTLS_NO_ROOT        0x01000000u /* the chain ends at an intermediate CA */
#define HF_MBEDTLS_NAMES_VIOLATED 0x02000000u /* a CA above may not sign for such a name */
#define HF_MBEDTLS_NAMES_UNKNOWN  0x04000000u /* whether a CA above may is not known */
#define HF_MBEDTLS_NO_LIST        0x08000000u /* no revocation list of its issuer */
#define HF_MBEDTLS_OWN_FLAGS      0xff000000u
/* How many CAs at most may stand between a trusted certificate and its root. */
#define HF_MBEDTLS_CLIMB_MAX 8
int hf_mbedtls_host(hf_mbedtls_link *link, const char *host); /* 0 or an hf_err */
int hf_mbedtls_verify(void *link, mbedtls_x509_crt *certificate, int depth, uint32_t *flags);

/* names.c: name constraints. Has a CA's certificate any, and what do they say of a certificate below: 0,
 * NAMES_VIOLATED, NAMES_UNKNOWN? server: that one is the server's own, whose common name may be its host name. */
bool hf_mbedtls_constrains(const mbedtls_x509_crt *certificate);
uint32_t hf_mbedtls_names(const mbedtls_x509_crt *by, const mbedtls_x509_crt *of, bool server);

/* What mbedTLS is told, and passes on, when the link below failed: none of its own numbers is that long. */
#define HF_MBEDTLS_LINK_FAILED (-0x10001)
/* sslcertmode=require: the server did not ask for the client's certificate. */
#define HF_MBEDTLS_NOT_ASKED (-0x10002)

/* reason.c: mbedTLS's numbers as an hf_err and words. */
int hf_mbedtls_fail(hf_mbedtls_link *link, int code); /* sets failed, system, text */
/* Why a certificate or a key cannot be read; NULL if it is damaged, or something else altogether. */
const char *hf_mbedtls_unsupported(int code);
const char *hf_mbedtls_unreadable(int code); /* as hf_mbedtls_unsupported(), never NULL */

static inline mbedtls_ssl_context *hf_mbedtls_ssl(hf_mbedtls_link *link) {
    return (mbedtls_ssl_context *)(void *)link->ssl;
}

#endif
