/* AES-GCM of a whole message by intel-ipsec-mb (Debian: libipsec-mb-dev), if the build found its archive; else this
 * file is empty. mbedTLS encrypts block after block and waits for each; that library has eight under way.
 *
 * Its functions for SSE are called directly: they ask no more of a processor than AES, carry-less multiplication and
 * SSE4.2, and like mbedTLS's own they have no table and no branch that depends on a secret. Those for AVX are hardly
 * faster, those for VAES four times as large (tests/bench/PEERS.md). The library's manager, which chooses by itself,
 * would bring all 12 MB of it. */
#include "gcm_whole.h"

#if defined(HF_WITH_IPSEC_MB) && HF_WITH_IPSEC_MB

#include <cpuid.h>
#include <intel-ipsec-mb.h>
#include <stdalign.h>

#include <mbedtls/gcm.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>

#define IV_BYTES  12
#define TAG_BYTES 16
#define KEY_ALIGN 64 /* as the library's own type has it */

/* Far more than a record; what is longer has mbedTLS's own limits to pass. */
#define LENGTH_MAX ((size_t)1 << 30)

typedef struct whole_key {
    alignas(KEY_ALIGN) struct gcm_key_data data;
    aes_gcm_enc_dec_t encrypt, decrypt;
    void *block; /* what was allocated: this, with room to align it */
} whole_key;

/* Asked once: in a virtual machine the question is for the host. */
static bool processor_serves(void) {
    enum { UNKNOWN, NO, YES };
    static int answer = UNKNOWN;
    if (answer == UNKNOWN) {
        const unsigned needed = bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_AES | bit_PCLMUL;
        unsigned a = 0, b = 0, c = 0, d = 0;
        const bool told = __get_cpuid(1, &a, &b, &c, &d) != 0;
        answer = told && (c & needed) == needed ? YES : NO;
    }
    return answer == YES;
}

int hf_mbedtls_gcm_key(void **whole, mbedtls_cipher_id_t cipher, const unsigned char *key,
                       unsigned keybits) {
    *whole = NULL;
    if (cipher != MBEDTLS_CIPHER_ID_AES || (keybits != 128 && keybits != 256) ||
        !processor_serves()) {
        return 0;
    }
    unsigned char *block = mbedtls_calloc(1, sizeof(whole_key) + KEY_ALIGN);
    if (block == NULL) {
        return MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
    }
    whole_key *made = (whole_key *)(void *)(block + KEY_ALIGN - (uintptr_t)block % KEY_ALIGN);
    made->block = block;
    if (keybits == 128) {
        aes_keyexp_128_enc_sse(key, made->data.expanded_keys);
        aes_gcm_precomp_128_sse(&made->data);
        made->encrypt = aes_gcm_enc_128_sse;
        made->decrypt = aes_gcm_dec_128_sse;
    } else {
        aes_keyexp_256_enc_sse(key, made->data.expanded_keys);
        aes_gcm_precomp_256_sse(&made->data);
        made->encrypt = aes_gcm_enc_256_sse;
        made->decrypt = aes_gcm_dec_256_sse;
    }
    *whole = made;
    return 0;
}

void hf_mbedtls_gcm_forget(void *whole) {
    if (whole != NULL) {
        void *block = ((whole_key *)whole)->block;
        mbedtls_platform_zeroize(whole, sizeof(whole_key));
        mbedtls_free(block);
    }
}

/* In place or apart: what overlaps otherwise is left to mbedTLS. */
static bool may_write(const unsigned char *output, const unsigned char *input, size_t length) {
    const uintptr_t to = (uintptr_t)output, from = (uintptr_t)input;
    return to == from || to + length <= from || from + length <= to;
}

bool hf_mbedtls_gcm_crypt(const void *whole, int mode, size_t length, const unsigned char *iv,
                          size_t iv_len, const unsigned char *add, size_t add_len,
                          const unsigned char *input, unsigned char *output, size_t tag_len,
                          unsigned char *tag) {
    const whole_key *key = whole;
    if (key == NULL || iv_len != IV_BYTES || tag_len != TAG_BYTES || length > LENGTH_MAX ||
        add_len > LENGTH_MAX || !may_write(output, input, length)) {
        return false;
    }
    struct gcm_context_data state;
    (mode == MBEDTLS_GCM_ENCRYPT ? key->encrypt : key->decrypt)(
        &key->data, &state, output, input, length, iv, add, add_len, tag, TAG_BYTES);
    mbedtls_platform_zeroize(&state, sizeof state);
    return true;
}

#endif
