/* AES-GCM of a message that is there as a whole: what mbedTLS's gcm.c calls (gcm-whole-messages.patch) where
 * mbedtls_config.h defines MBEDTLS_GCM_WHOLE_MESSAGES. */
#ifndef HF_MBEDTLS_GCM_WHOLE_H
#define HF_MBEDTLS_GCM_WHOLE_H

#include <stdbool.h>
#include <stddef.h>

#include <mbedtls/cipher.h>

/* Makes *whole of a key, or NULL where the processor, the cipher or the key's length is not served. Returns 0, or
 * mbedTLS's number for no memory. hf_mbedtls_gcm_forget() wipes and frees it; NULL is nothing to do. */
int hf_mbedtls_gcm_key(void **whole, mbedtls_cipher_id_t cipher, const unsigned char *key,
                       unsigned keybits);
void hf_mbedtls_gcm_forget(void *whole);

/* Does mbedtls_gcm_crypt_and_tag(), whose arguments these are, and returns true. False: nothing was done, and mbedTLS
 * is to do it. Whoever decrypts compares the tag. */
bool hf_mbedtls_gcm_crypt(const void *whole, int mode, size_t length, const unsigned char *iv,
                          size_t iv_len, const unsigned char *add, size_t add_len,
                          const unsigned char *input, unsigned char *output, size_t tag_len,
                          unsigned char *tag);

#endif
