#include "scram.h"

#include "text.h"

#include <string.h>

/* HMAC(key, x) = H(outer pad | H(inner pad | x)): the states after both pads are computed once and cloned
 * for every use, which halves PBKDF2's cost. All intermediate secrets on the stack are wiped. */

enum { BLOCK_BYTES = 64, DIGEST_BYTES = 32, BINDING_TEXT = 24, ROUNDS_PER_SLICE = 4096 };

_Static_assert(sizeof(hf_pg_scram) <= HF_STATEMENT_BYTES,
               "a login needs a larger HF_STATEMENT_BYTES as its scratch");
_Static_assert(HF_PG_CLIENT_FINAL >= 2 + 4 * ((BINDING_TEXT + HF_BINDING_BYTES + 2) / 3) + 3 +
                                         HF_PG_SERVER_FIRST + 3 + 44,
               "client-final-message");

/* --- base64 (RFC 4648, strict) -------------------------------------------------------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t hf_pg_base64(const uint8_t *from, size_t bytes, char *out) {
    size_t length = 0;

    for (size_t i = 0; i < bytes; i += 3) {
        uint32_t three = (uint32_t)from[i] << 16;
        three |= i + 1 < bytes ? (uint32_t)from[i + 1] << 8 : 0;
        three |= i + 2 < bytes ? from[i + 2] : 0;
        out[length++] = alphabet[three >> 18];
        out[length++] = alphabet[three >> 12 & 63];
        out[length++] = i + 1 < bytes ? alphabet[three >> 6 & 63] : '=';
        out[length++] = i + 2 < bytes ? alphabet[three & 63] : '=';
    }
    return length;
}

/* Bytes written to out, -1 if it is not base64 or does not fit. */
static int decode(const char *from, size_t length, uint8_t *out, size_t size) {
    size_t bytes = 0;

    if (length % 4 != 0) {
        return -1;
    }
    for (size_t i = 0; i < length; i += 4) {
        uint32_t four = 0;
        unsigned padding = 0;
        for (size_t j = 0; j < 4; j++) {
            const char *place = from[i + j] ? strchr(alphabet, from[i + j]) : NULL;
            if (from[i + j] == '=' && i + 4 == length && j >= 2) {
                padding++;
            } else if (!place || padding > 0) {
                return -1;
            }
            four = four << 6 | (place ? (uint32_t)(place - alphabet) : 0);
        }
        if ((four & ((1u << 8 * padding) - 1)) != 0) {
            return -1; /* bits that say nothing must be zero */
        }
        for (unsigned j = 0; j < 3 - padding; j++) {
            if (bytes == size) {
                return -1;
            }
            out[bytes++] = (uint8_t)(four >> (16 - 8 * j));
        }
    }
    return (int)bytes;
}

/* --- HMAC ------------------------------------------------------------------------------------------ */

typedef struct hmac {
    hf_sha256 inner, outer;
} hmac;

static int hmac_start(const hf_hash *hash, const void *key, size_t key_bytes, hf_sha256 *inner,
                      hf_sha256 *outer) {
    uint8_t block[BLOCK_BYTES] = { 0 };
    int err = 0;

    if (key_bytes > BLOCK_BYTES) {
        err |= hash->start(inner);
        err |= hash->update(inner, key, key_bytes);
        err |= hash->finish(inner, block);
    } else {
        memcpy(block, key, key_bytes);
    }
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] ^= 0x36;
    }
    err |= hash->start(inner);
    err |= hash->update(inner, block, BLOCK_BYTES);
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] ^= 0x36 ^ 0x5c;
    }
    err |= hash->start(outer);
    err |= hash->update(outer, block, BLOCK_BYTES);
    hf_wipe(block, sizeof block);
    return err;
}

/* running has taken all of the text; what is left is the outer hash. */
static int hmac_finish(const hf_hash *hash, hf_sha256 *running, const hf_sha256 *outer,
                       uint8_t out[DIGEST_BYTES]) {
    int err = hash->finish(running, out);

    hash->clone(running, outer);
    err |= hash->update(running, out, DIGEST_BYTES);
    err |= hash->finish(running, out);
    return err;
}

static int hmac_text(const hf_hash *hash, const uint8_t key[DIGEST_BYTES], const char *text,
                     uint8_t out[DIGEST_BYTES]) {
    hmac state;
    int err = hmac_start(hash, key, DIGEST_BYTES, &state.inner, &state.outer);

    err |= hash->update(&state.inner, text, strlen(text));
    err |= hmac_finish(hash, &state.inner, &state.outer, out);
    hf_wipe(&state, sizeof state);
    return err;
}

/* HMAC(key, AuthMessage), AuthMessage = client-first-bare "," server-first "," client-final-without-proof. */
static int hmac_auth(const hf_pg_scram *scram, const hf_hash *hash, const uint8_t key[DIGEST_BYTES],
                     const char *final, size_t final_bytes, uint8_t out[DIGEST_BYTES]) {
    hmac state;
    int err = hmac_start(hash, key, DIGEST_BYTES, &state.inner, &state.outer);

    err |= hash->update(&state.inner, scram->bare, scram->bare_bytes);
    err |= hash->update(&state.inner, ",", 1);
    err |= hash->update(&state.inner, scram->server_first, scram->server_first_bytes);
    err |= hash->update(&state.inner, ",", 1);
    err |= hash->update(&state.inner, final, final_bytes);
    err |= hmac_finish(hash, &state.inner, &state.outer, out);
    hf_wipe(&state, sizeof state);
    return err;
}

static int digest(const hf_hash *hash, const uint8_t *from, uint8_t out[DIGEST_BYTES]) {
    hf_sha256 running;
    int err = hash->start(&running);

    err |= hash->update(&running, from, DIGEST_BYTES);
    err |= hash->finish(&running, out);
    hf_wipe(&running, sizeof running);
    return err;
}

/* --- the exchange ---------------------------------------------------------------------------------- */

bool hf_pg_scram_start(hf_pg_scram *scram, hf_pg_gs2 gs2, const char *user, const char *nonce) {
    hf_writer out = hf_writer_on(scram->bare, sizeof scram->bare);

    hf_write_text(&out, "n=");
    hf_write_text(&out, user);
    hf_write_text(&out, ",r=");
    hf_write_text(&out, nonce);
    scram->bare_bytes = (uint8_t)out.length;
    scram->gs2 = (uint8_t)gs2;
    return !out.cut;
}

static const char *header(const hf_pg_scram *scram) {
    switch ((hf_pg_gs2)scram->gs2) {
    case HF_PG_GS2_BOUND: return "p=tls-server-end-point,,";
    case HF_PG_GS2_UNUSED: return "y,,";
    case HF_PG_GS2_NO: break;
    }
    return "n,,";
}

size_t hf_pg_scram_client_first(const hf_pg_scram *scram, char *out, size_t size) {
    hf_writer writer = hf_writer_on(out, size);

    hf_write_text(&writer, header(scram));
    hf_write_text(&writer, scram->bare);
    return writer.cut ? 0 : writer.length;
}

/* The value of attribute `name` at *at, up to the next comma; moves *at behind that. NULL: it is another one. */
static const char *attribute(const char **at, const char *end, char name, size_t *bytes) {
    if (end - *at < 2 || (*at)[0] != name || (*at)[1] != '=') {
        return NULL;
    }
    const char *value = *at + 2;
    const char *comma = memchr(value, ',', (size_t)(end - value));
    *bytes = (size_t)((comma ? comma : end) - value);
    *at = comma ? comma + 1 : end;
    return value;
}

/* Printable ASCII, as RFC 5802 has the nonce (a comma ends it). */
static bool is_printable(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < 0x21 || text[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static uint32_t read_rounds(const char *text, size_t bytes) {
    uint32_t rounds = 0;

    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9' || bytes > 9) {
            return 0;
        }
        rounds = rounds * 10 + (uint32_t)(text[i] - '0');
    }
    return rounds;
}

/* Everything in the server's first message is judged here, before a single hash. */
static const char *read_server_first(hf_pg_scram *scram, const char *text, size_t bytes,
                                     uint32_t rounds_max) {
    const char *at = scram->server_first, *end = at + bytes;
    const char *ours = strchr(scram->bare + 2, ',') + 3; /* behind "n=…,r=" */
    const size_t ours_bytes = (size_t)(scram->bare + scram->bare_bytes - ours);
    size_t length = 0;

    if (bytes > sizeof scram->server_first) {
        return "the server's SCRAM message is absurdly long";
    }
    memcpy(scram->server_first, text, bytes);
    scram->server_first_bytes = (uint16_t)bytes;
    const char *value = attribute(&at, end, 'r', &length);
    if (!value || length <= ours_bytes || memcmp(value, ours, ours_bytes) != 0 ||
        !is_printable(value, length)) {
        return "the server's SCRAM nonce does not extend ours";
    }
    scram->nonce_bytes = (uint16_t)length;
    value = attribute(&at, end, 's', &length);
    int salt_bytes = value ? decode(value, length, scram->salt, sizeof scram->salt) : -1;
    if (salt_bytes < 1) {
        return "the server's SCRAM salt is missing, too long or not base64";
    }
    scram->salt_bytes = (uint8_t)salt_bytes;
    value = attribute(&at, end, 'i', &length);
    scram->rounds = value ? read_rounds(value, length) : 0;
    if (scram->rounds < HF_PG_ROUNDS_MIN) {
        return "the server asks for fewer than 4096 SCRAM iterations (RFC 7677)";
    }
    if (scram->rounds > rounds_max) {
        return "the server asks for more SCRAM iterations than scram_iterations_max allows";
    }
    return NULL;
}

static bool known(const hf_pg_scram *scram, const hf_keys *keys) {
    return keys && keys->used && keys->rounds == scram->rounds &&
           keys->salt_bytes == scram->salt_bytes &&
           memcmp(keys->salt, scram->salt, scram->salt_bytes) == 0;
}

int hf_pg_scram_server_first(hf_pg_scram *scram, const hf_hash *hash, const char *text,
                             size_t bytes, const char *password, uint32_t rounds_max,
                             const hf_keys *keys, const char **why) {
    static const uint8_t first_block[4] = { 0, 0, 0, 1 };
    hf_sha256 running;

    *why = read_server_first(scram, text, bytes, rounds_max);
    if (*why) {
        return HF_ERR_AUTH_SERVER;
    }
    if (known(scram, keys)) {
        memcpy(scram->client_key, keys->client_key, sizeof scram->client_key);
        memcpy(scram->server_key, keys->server_key, sizeof scram->server_key);
        scram->derived = true;
        return HF_OK;
    }
    int err = hmac_start(hash, password, strlen(password), &scram->inner, &scram->outer);
    hash->clone(&running, &scram->inner);
    err |= hash->update(&running, scram->salt, scram->salt_bytes);
    err |= hash->update(&running, first_block, sizeof first_block);
    err |= hmac_finish(hash, &running, &scram->outer, scram->u);
    hf_wipe(&running, sizeof running);
    memcpy(scram->sum, scram->u, sizeof scram->sum);
    scram->round = 1;
    *why = err ? "the port's SHA-256 failed" : NULL;
    return err ? HF_ERR_RESOURCES : HF_OK;
}

/* SaltedPassword is in sum: the keys take its place. */
static int derive_keys(hf_pg_scram *scram, const hf_hash *hash) {
    uint8_t salted[DIGEST_BYTES];

    memcpy(salted, scram->sum, sizeof salted);
    hf_wipe(&scram->inner, sizeof scram->inner);
    hf_wipe(&scram->outer, sizeof scram->outer);
    int err = hmac_text(hash, salted, "Client Key", scram->client_key);
    err |= hmac_text(hash, salted, "Server Key", scram->server_key);
    hf_wipe(salted, sizeof salted);
    hf_wipe(scram->u, sizeof scram->u);
    hf_wipe(scram->sum, sizeof scram->sum);
    scram->derived = true;
    return err;
}

int hf_pg_scram_derive(hf_pg_scram *scram, const hf_hash *hash) {
    uint32_t slice = hash->rounds_per_slice ? hash->rounds_per_slice : ROUNDS_PER_SLICE;
    hf_sha256 running;
    int err = 0;

    if (scram->derived) {
        return 1;
    }
    for (; slice > 0 && scram->round < scram->rounds; slice--, scram->round++) {
        hash->clone(&running, &scram->inner);
        err |= hash->update(&running, scram->u, DIGEST_BYTES);
        err |= hmac_finish(hash, &running, &scram->outer, scram->u);
        for (size_t i = 0; i < DIGEST_BYTES; i++) {
            scram->sum[i] ^= scram->u[i];
        }
    }
    hf_wipe(&running, sizeof running);
    if (!err && scram->round == scram->rounds) {
        err = derive_keys(scram, hash);
    }
    return err ? HF_ERR_RESOURCES : scram->derived;
}

int hf_pg_scram_client_final(hf_pg_scram *scram, const hf_hash *hash, const uint8_t *binding,
                             size_t binding_bytes, char *out) {
    uint8_t bound[BINDING_TEXT + HF_BINDING_BYTES], key[DIGEST_BYTES], proof[DIGEST_BYTES];
    const char *gs2 = header(scram);
    const size_t bytes = strlen(gs2);
    char *at = out;

    if (scram->gs2 != HF_PG_GS2_BOUND) {
        binding_bytes = 0;
    }
    if (bytes > BINDING_TEXT || binding_bytes > HF_BINDING_BYTES) {
        return HF_ERR_ARGUMENT;
    }
    memcpy(bound, gs2, bytes);
    if (binding_bytes > 0) {
        memcpy(bound + bytes, binding, binding_bytes);
    }
    memcpy(at, "c=", 2);
    at += 2 + hf_pg_base64(bound, bytes + binding_bytes, at + 2);
    memcpy(at, ",r=", 3);
    memcpy(at + 3, scram->server_first + 2, scram->nonce_bytes);
    at += 3 + scram->nonce_bytes;

    const size_t without_proof = (size_t)(at - out);
    int err = digest(hash, scram->client_key, key); /* StoredKey */
    err |= hmac_auth(scram, hash, key, out, without_proof, proof);
    err |= hmac_auth(scram, hash, scram->server_key, out, without_proof, scram->signature);
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        proof[i] ^= scram->client_key[i];
    }
    memcpy(at, ",p=", 3);
    at += 3 + hf_pg_base64(proof, sizeof proof, at + 3);
    hf_wipe(key, sizeof key);
    hf_wipe(proof, sizeof proof);
    return err ? HF_ERR_RESOURCES : (int)(at - out);
}

int hf_pg_scram_server_final(const hf_pg_scram *scram, const char *text, size_t bytes) {
    uint8_t shown[DIGEST_BYTES + 1], difference = 0;
    const char *at = text;
    size_t length = 0;
    const char *value = attribute(&at, text + bytes, 'v', &length);

    if (!value || decode(value, length, shown, sizeof shown) != DIGEST_BYTES) {
        return HF_ERR_AUTH_SERVER;
    }
    for (size_t i = 0; i < DIGEST_BYTES; i++) { /* in constant time */
        difference = (uint8_t)(difference | (shown[i] ^ scram->signature[i]));
    }
    return difference == 0 ? HF_OK : HF_ERR_AUTH_SERVER;
}

void hf_pg_scram_keep(const hf_pg_scram *scram, hf_keys *keys) {
    hf_wipe(keys, sizeof *keys);
    keys->salt_bytes = scram->salt_bytes;
    memcpy(keys->salt, scram->salt, scram->salt_bytes);
    keys->rounds = scram->rounds;
    memcpy(keys->client_key, scram->client_key, sizeof keys->client_key);
    memcpy(keys->server_key, scram->server_key, sizeof keys->server_key);
    keys->used = 1;
}
