/* What mbedTLS is built with on a small machine: mbedtls_config.h, less what a device that trusts its own CA alone can
 * spare, and flash before speed. */
#ifndef HF_MBEDTLS_BOARD_CONFIG_H
#define HF_MBEDTLS_BOARD_CONFIG_H

#include "mbedtls_config.h"

/* The board's time() is the only clock: global.c makes milliseconds and a calendar from it. */
#define MBEDTLS_PLATFORM_MS_TIME_ALT
#define MBEDTLS_PLATFORM_GMTIME_R_ALT

/* AES-GCM alone, with one of its four tables, in flash. No MD5 passwords, no SHA-1 roots, no X25519: PostgreSQL takes
 * P-256 first. */
#undef MBEDTLS_AESNI_C
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_AES_FEWER_TABLES
#undef MBEDTLS_CHACHA20_C
#undef MBEDTLS_POLY1305_C
#undef MBEDTLS_CHACHAPOLY_C
#undef MBEDTLS_MD5_C
#undef MBEDTLS_SHA1_C
#undef MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_SHA256_SMALLER
#define MBEDTLS_SHA512_SMALLER
#define MBEDTLS_X509_REMOVE_INFO

/* TLS 1.3 holds a few keys at a time; from a fixed table, so that the heap is as it was when a link has gone. */
#undef MBEDTLS_PSA_KEY_STORE_DYNAMIC
#define MBEDTLS_PSA_KEY_SLOT_COUNT 8

/* A record that we send holds a statement of usual length; a longer one takes several. */
#undef MBEDTLS_SSL_OUT_CONTENT_LEN
#define MBEDTLS_SSL_OUT_CONTENT_LEN 1024

#endif
