/* SHA-256 and MD5 of mbedTLS, as core/port.h asks for them. A running SHA-256 is plain memory, so that a
 * clone is a copy: PBKDF2 clones two states for each of its rounds. */
#include "hf_mbedtls.h"

#include <string.h>

#include <mbedtls/md5.h>
#include <mbedtls/sha256.h>

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

#ifdef MBEDTLS_MD5_C
static int md5(const void *from, size_t bytes, uint8_t out[16]) {
    return mbedtls_md5(from, bytes, out) == 0 ? 0 : HF_ERR_STATE;
}

#else
#define md5 NULL /* a build without it refuses servers that ask for MD5 */
#endif

/* A round is two blocks: 4096 of them, PostgreSQL's default, are some 2 ms of a server's processor. */
const hf_hash hf_mbedtls_hash = { start, update, finish, clone, md5, 4096 };
