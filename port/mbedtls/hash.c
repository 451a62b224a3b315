/* SHA-256 and MD5 of mbedTLS, as core/include/holdfast/port.h asks for them.
 *
 * SHA-256 alone of all that this folder uses is not PSA's: here a running hash is plain memory, so that a clone is a
 * copy. PBKDF2 clones two of them for each of its rounds, in slices of a tick, and psa_hash_clone() would cost as much
 * again as the hash itself (PSA has PBKDF2 too, but all rounds at once, which is no slice). With mbedTLS 4, whose
 * mbedtls_sha256_* are private, this file is what has to change.
 */
#include "hf_mbedtls.h"

#include <string.h>

#include <mbedtls/sha256.h>
#include <psa/crypto.h>

_Static_assert(sizeof(mbedtls_sha256_context) <= sizeof(hf_sha256), "enlarge hf_sha256");

static mbedtls_sha256_context *inside(hf_sha256 *hash) {
    return (mbedtls_sha256_context *)(void *)hash;
}

static int start(hf_sha256 *hash) {
    mbedtls_sha256_init(inside(hash));
    return mbedtls_sha256_starts(inside(hash), 0) == 0 ? 0 : HF_ERR_STATE;
}

static int update(hf_sha256 *hash, const void *from, size_t bytes) {
    return mbedtls_sha256_update(inside(hash), from, bytes) == 0 ? 0 : HF_ERR_STATE;
}

static int finish(hf_sha256 *hash, uint8_t out[32]) {
    return mbedtls_sha256_finish(inside(hash), out) == 0 ? 0 : HF_ERR_STATE;
}

static void clone(hf_sha256 *to, const hf_sha256 *from) {
    memcpy(to, from, sizeof(mbedtls_sha256_context));
}

#ifdef PSA_WANT_ALG_MD5
static int md5(const void *from, size_t bytes, uint8_t out[16]) {
    size_t length;
    return psa_hash_compute(PSA_ALG_MD5, from, bytes, out, 16, &length) == PSA_SUCCESS
               ? 0
               : HF_ERR_STATE;
}

#else
#define md5 NULL /* a build without it refuses servers that ask for MD5 */
#endif

/* A round of PBKDF2 is two blocks: 4096 rounds, PostgreSQL's default, are some 2 ms of a server's processor. */
const hf_hash hf_mbedtls_hash = { start, update, finish, clone, md5, 4096 };
