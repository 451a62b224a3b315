/* Between the files of this folder. */
#ifndef HF_MBEDTLS_INSIDES_H
#define HF_MBEDTLS_INSIDES_H

#include "hf_mbedtls.h"

#include <mbedtls/ssl.h>

/* world.c: what mbedTLS shares in a process. */
int hf_mbedtls_world_open(const hf_mbedtls_setup *setup); /* 0 or an hf_err */
void hf_mbedtls_world_close(void);
int hf_mbedtls_random(void *unused, unsigned char *out, size_t bytes); /* as mbedTLS wants it */
unsigned hf_mbedtls_failures(void); /* allocations that failed, ever */

/* trust.c: the settings, and the judgement of a certificate. */
mbedtls_ssl_config *hf_mbedtls_config(hf_mbedtls *tls, const char *alpn); /* NULL: a second name */
int hf_mbedtls_host(hf_mbedtls_link *link, const char *host);             /* 0 or an hf_err */
int hf_mbedtls_judge(void *link, mbedtls_x509_crt *certificate, int depth, uint32_t *flags);

/* What mbedTLS is told, and tells us, when the link below failed: none of its own numbers is that long. */
#define HF_MBEDTLS_LINK_FAILED (-0x10001)

/* why.c: mbedTLS's numbers as an hf_err and words. */
int hf_mbedtls_fail(hf_mbedtls_link *link, int code); /* sets failed, system, text */

static inline mbedtls_ssl_context *hf_mbedtls_ssl(hf_mbedtls_link *link) {
    return (mbedtls_ssl_context *)(void *)link->ssl;
}

#endif
