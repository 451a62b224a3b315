/*
 * What mbedTLS 3.6 is built with on systems that have a heap and a clock: a TLS 1.2 and 1.3 client
 * and what it needs, no more. mbedTLS's own check_config.h refuses a combination that cannot work.
 *
 * Left out on purpose: the server side, DTLS, CBC and static-RSA suites, session tickets (PostgreSQL
 * issues none; one sent by a proxy is ignored), renegotiation, files, DEBUG_C (its calls cost even when
 * silent), ERROR_C (20 KB of text; reason.c has the few phrases a person needs), threads (holdfast runs on
 * one).
 */
#ifndef HF_MBEDTLS_CONFIG_H
#define HF_MBEDTLS_CONFIG_H

/* The system: seconds and a calendar for certificate dates, a heap that global.c counts. */
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY

/* Random: the port's entropy behind one DRBG, PSA's too; global.c joins them. */
#define MBEDTLS_CTR_DRBG_C
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG

/* Ciphers. AESNI_C is used where the CPU has it and costs nothing elsewhere. */
#define MBEDTLS_CIPHER_C
#define MBEDTLS_AES_C
#define MBEDTLS_AESNI_C
#if defined(__aarch64__)
#define MBEDTLS_AESCE_C /* the same of 64-bit Arm */
#endif
#define MBEDTLS_GCM_C
#define MBEDTLS_BLOCK_CIPHER_C /* GCM straight over AES, not through the cipher layer */
#if defined(HF_WITH_IPSEC_MB) && HF_WITH_IPSEC_MB
#define MBEDTLS_GCM_WHOLE_MESSAGES /* gcm.c, by gcm-whole-messages.patch */
#endif
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C

/* Hashes: certificates, key schedules, SCRAM. MD5 is for PostgreSQL's old passwords; SHA-1 because some
 * roots of the system's store are signed by themselves with it, and would not be read without. Neither is
 * believed in a chain (mbedtls_x509_crt_profile_default). */
#define MBEDTLS_MD_C
#define MBEDTLS_MD5_C
#define MBEDTLS_SHA1_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#define MBEDTLS_HKDF_C

/* Public keys. The order in which groups are offered is set in code: PostgreSQL up to 17 answers
 * anything but secp256r1 with a HelloRetryRequest. */
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#if defined(HF_WITH_P521) && HF_WITH_P521
#define MBEDTLS_ECP_DP_SECP521R1_ENABLED
#endif
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PK_PARSE_EC_EXTENDED

/* Certificates, as PEM or DER. RSASSA_PSS because TLS 1.3 signs so with an RSA key. */
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_OID_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT

/* Revocation lists. */
#if defined(HF_WITH_CRL) && HF_WITH_CRL
#define MBEDTLS_X509_CRL_PARSE_C
#endif

/* The client's own key may be encrypted: PKCS#8 as `openssl genpkey -aes256` writes it, and the older forms. CBC is for
 * that alone; trust.c offers no suite with it. */
#if defined(HF_WITH_CLIENT_CERT) && HF_WITH_CLIENT_CERT
#define MBEDTLS_CIPHER_MODE_CBC
#define MBEDTLS_CIPHER_PADDING_PKCS7
#define MBEDTLS_DES_C
#define MBEDTLS_PKCS5_C
#define MBEDTLS_PKCS12_C
#endif

/* TLS 1.3 does its key schedule through PSA. The rest goes to the primitives directly: shorter. */
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_KEY_STORE_DYNAMIC
#define MBEDTLS_PSA_ASSUME_EXCLUSIVE_BUFFERS /* nobody changes our buffers behind PSA's back */

/* TLS. TLS 1.3 wants the peer's certificate kept; link.c frees it when the handshake is over (what
 * SCRAM's channel binding needs of it was taken while it was verified). */
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_SSL_ALL_ALERT_MESSAGES

/* A server may send records of 16 KB and in TLS 1.3 cannot be asked for less. What we send in one
 * record may be smaller. */
#define MBEDTLS_SSL_IN_CONTENT_LEN  16384
#define MBEDTLS_SSL_OUT_CONTENT_LEN 4096

#endif
