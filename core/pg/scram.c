#include "scram.h"

#include "base/text.h"
#include "wire.h"

#include <stddef.h>

/* HMAC(key, x) = H(outer pad | H(inner pad | x)): the states after both pads are computed once and cloned
 * for every use, which halves PBKDF2's cost. All intermediate secrets on the stack are wiped. */

enum { BLOCK_BYTES = 64, DIGEST_BYTES = 32, DIGEST_TEXT = 44, ROUNDS_PER_SLICE = 4096 };

#define BINDING_TEXT (sizeof HF_PG_GS2_BOUND - 1)

_Static_assert(sizeof(hf_pg_scram) <= HF_STATEMENT_BYTES,
               "a login needs a larger HF_STATEMENT_BYTES as its scratch");
_Static_assert(HF_PG_CLIENT_FIRST >= BINDING_TEXT + 5 + HF_PG_NONCE_BYTES * 4 / 3,
               "client-first-message");
_Static_assert(HF_PG_CLIENT_FINAL >= 3 + 4 * ((BINDING_TEXT + HF_BINDING_BYTES + 2) / 3) + 3 +
                                         HF_PG_SERVER_FIRST - 2 + 3 + DIGEST_TEXT,
               "client-final-message");
_Static_assert(BINDING_TEXT % 3 == 0 && (sizeof HF_PG_GS2_NO - 1) % 3 == 0,
               "what is behind the header must begin a group of base64");

/* --- base64 (RFC 4648, strict) -------------------------------------------------------------------- */

static char digit(uint32_t value) {
    return (char)(value < 26   ? 'A' + value
                  : value < 52 ? 'a' + (value - 26)
                  : value < 62 ? '0' + (value - 52)
                  : value < 63 ? '+'
                               : '/');
}

size_t hf_pg_base64(const void *from, size_t bytes, char *out) {
    const uint8_t *at = from, *const end = at + bytes;
    uint32_t bits = 0;
    unsigned n_bits = 0; /* of them still to be written */
    size_t length = 0;

    while (at < end) {
        bits = bits << 8 | *at++;
        for (n_bits += 8; n_bits >= 6;) {
            n_bits -= 6;
            out[length++] = digit(bits >> n_bits & 63);
        }
    }
    if (n_bits > 0) {
        out[length++] = digit(bits << (6 - n_bits) & 63);
    }
    while (length % 4 != 0) {
        out[length++] = '=';
    }
    return length;
}

/* Bytes written to out, 0 if it is not base64 or does not fit. */
static size_t decode(const char *from, size_t length, uint8_t *out, size_t size) {
    const char *const end = from + length;
    uint32_t bits = 0;
    unsigned n_bits = 0; /* of them not yet used */
    size_t bytes = 0;

    for (; from < end; from++) {
        uint32_t value = 0;
        while (value < 64 && digit(value) != *from) {
            value++;
        }
        if (value == 64) {
            break;
        }
        bits = bits << 6 | value;
        n_bits += 6;
        if (n_bits >= 8) {
            if (bytes == size) {
                return 0;
            }
            n_bits -= 8;
            out[bytes++] = (uint8_t)(bits >> n_bits);
        }
    }
    /* Of a last group 2 or 4 bits are left, which say nothing and must be zero, and a '=' for each two. */
    if (n_bits == 6 || (bits & ((1u << n_bits) - 1)) != 0) {
        return 0;
    }
    for (; n_bits > 0 && from < end && *from == '='; from++) {
        n_bits -= 2;
    }
    return n_bits == 0 && from == end ? bytes : 0;
}

/* --- HMAC ------------------------------------------------------------------------------------------ */

static int digest(const hf_hash *hash, const void *from, size_t bytes, uint8_t *out) {
    hf_sha256 running;
    int err = hash->start(&running);

    err |= hash->update(&running, from, bytes);
    err |= hash->finish(&running, out);
    hf_wipe(&running, sizeof running);
    return err;
}

/* The inner hash and the outer one, each after the pad that the key gives it. */
static int hmac_start(const hf_hash *hash, hf_sha256 states[2], const void *key, size_t key_bytes) {
    uint8_t block[BLOCK_BYTES] = { 0 };
    int err = 0;

    if (key_bytes > BLOCK_BYTES) {
        err = digest(hash, key, key_bytes, block);
    } else {
        memcpy(block, key, key_bytes);
    }
    for (hf_sha256 *state = states; state < states + 2; state++) {
        for (size_t i = 0; i < BLOCK_BYTES; i++) {
            block[i] ^= state == states ? 0x36 : 0x36 ^ 0x5c;
        }
        err |= hash->start(state);
        err |= hash->update(state, block, BLOCK_BYTES);
    }
    hf_wipe(block, sizeof block);
    return err;
}

/* running has taken all of the text; what is left is the outer hash. */
static int hmac_finish(const hf_hash *hash, hf_sha256 *running, const hf_sha256 *outer,
                       uint8_t *out) {
    int err = hash->finish(running, out);

    hash->clone(running, outer);
    err |= hash->update(running, out, DIGEST_BYTES);
    return err | hash->finish(running, out);
}

/* HMAC(key, label), or without a label HMAC(key, AuthMessage); out may be where the key was. AuthMessage =
 * client-first-message-bare "," server-first-message "," client-final-message-without-proof. */
static int hmac(const hf_pg_scram *scram, const uint8_t *key, const char *label, uint8_t *out) {
    const hf_hash *hash = scram->hash;
    hf_sha256 states[2];
    int err = hmac_start(hash, states, key, DIGEST_BYTES);

    if (label) {
        err |= hash->update(states, label, strlen(label));
    } else {
        err |= hash->update(states, scram->text + scram->gs2_bytes,
                            (size_t)(scram->text_bytes - scram->gs2_bytes));
        err |= hash->update(states, scram->final, scram->final_bytes);
    }
    err |= hmac_finish(hash, states, states + 1, out);
    hf_wipe(states, sizeof states);
    return err;
}

/* --- the exchange ---------------------------------------------------------------------------------- */

void hf_pg_scram_start(hf_pg_scram *scram, const hf_hash *hash, const char *gs2,
                       const uint8_t *random) {
    static const char name[] =
        "n=,r="; /* nobody: PostgreSQL takes who the start-up message named */
    const size_t bytes = strlen(gs2);
    char *at = scram->text;

    memcpy(at, gs2, bytes);
    at += bytes;
    memcpy(at, name, sizeof name - 1);
    at += sizeof name - 1;
    scram->hash = hash;
    scram->bound = gs2[0] == HF_PG_GS2_BOUND[0];
    scram->gs2_bytes = (uint8_t)bytes;
    scram->nonce_at = (uint16_t)(at - scram->text);
    scram->nonce_bytes = (uint16_t)hf_pg_base64(random, HF_PG_NONCE_BYTES, at);
    scram->text_bytes = (uint16_t)(scram->nonce_at + scram->nonce_bytes);
}

#if HF_WITH_CREDENTIALS
bool hf_pg_scram_take(hf_pg_scram *scram, const char *client_key, const char *server_key) {
    hf_keys *keys = &scram->keys;

    scram->taken = client_key && server_key &&
                   decode(client_key, strlen(client_key), keys->client_key,
                          sizeof keys->client_key) == sizeof keys->client_key &&
                   decode(server_key, strlen(server_key), keys->server_key,
                          sizeof keys->server_key) == sizeof keys->server_key;
    return scram->taken;
}
#endif

/* What is left of a message, and the bytes of the value that was read last. */
typedef struct reader {
    const char *at, *end;
    size_t bytes;
} reader;

/* The value of attribute `name`, which ends at a comma. Another attribute is next: it has no bytes. */
static const char *attribute(reader *from, char name) {
    const char *value = from->at;

    from->bytes = 0;
    if (from->end - value >= 2 && value[0] == name && value[1] == '=') {
        value += 2;
        const char *comma = memchr(value, ',', (size_t)(from->end - value));
        from->bytes = (size_t)((comma ? comma : from->end) - value);
        from->at = comma ? comma + 1 : from->end;
    }
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

const char *hf_pg_scram_server_first(hf_pg_scram *scram, const char *message, size_t bytes,
                                     uint32_t rounds_max, const hf_keys *keys) {
    const char *ours = scram->text + scram->nonce_at;
    char *first = scram->text + scram->text_bytes;
    hf_keys *wanted = &scram->keys;

    if (bytes > HF_PG_SERVER_FIRST) {
        return HF_MESSAGE("the server's SCRAM message is absurdly long");
    }
    *first++ = ',';
    memcpy(first, message, bytes);
    scram->text_bytes = (uint16_t)(scram->text_bytes + 1 + bytes);

    reader from = { .at = first, .end = first + bytes };
    const char *value = attribute(&from, 'r');
    if (from.bytes <= scram->nonce_bytes || memcmp(value, ours, scram->nonce_bytes) != 0 ||
        !is_printable(value, from.bytes)) {
        return HF_MESSAGE("the server's SCRAM nonce does not extend ours");
    }
    scram->nonce_at = (uint16_t)(value - scram->text);
    scram->nonce_bytes = (uint16_t)from.bytes;
    value = attribute(&from, 's');
    wanted->salt_bytes = (uint8_t)decode(value, from.bytes, wanted->salt, sizeof wanted->salt);
    if (wanted->salt_bytes == 0) {
        return HF_MESSAGE("the server's SCRAM salt is missing, too long or not base64");
    }
    value = attribute(&from, 'i');
    wanted->rounds = hf_pg_decimal(value, from.bytes);
    if (wanted->rounds < HF_PG_ROUNDS_MIN) {
        return HF_MESSAGE("the server asks for fewer than 4096 SCRAM iterations (RFC 7677)");
    }
    if (wanted->rounds > rounds_max) {
        return HF_MESSAGE(
            "the server asks for more SCRAM iterations than scram_iterations_max allows");
    }
    wanted->used = 1;
    if (keys && memcmp(keys, wanted, offsetof(hf_keys, client_key)) == 0) {
        *wanted = *keys;
        scram->round = wanted->rounds;
    }
    if (HF_WITH_CREDENTIALS && scram->taken) {
        scram->round = wanted->rounds;
    }
    return NULL;
}

int hf_pg_scram_derive(hf_pg_scram *scram, const char *password) {
    const hf_hash *hash = scram->hash;
    hf_keys *keys = &scram->keys;
    hf_sha256 *running = &scram->deriving.running;
    uint8_t *sum = scram->deriving.sum, *last = scram->deriving.last;
    uint32_t slice = hash->rounds_per_slice ? hash->rounds_per_slice : ROUNDS_PER_SLICE;
    uint32_t round = scram->round;
    int err = 0;

    if (round == keys->rounds) {
        return 1;
    }
    if (round == 0) {
        err = hmac_start(hash, scram->deriving.password, password, strlen(password));
        hf_pg_put32(hf_pg_put(last, keys->salt, keys->salt_bytes), 1);
        scram->deriving.last_bytes = (uint8_t)(keys->salt_bytes + 4);
    }
    for (; slice > 0 && round < keys->rounds; slice--, round++) {
        hash->clone(running, scram->deriving.password);
        err |= hash->update(running, last, scram->deriving.last_bytes);
        err |= hmac_finish(hash, running, scram->deriving.password + 1, last);
        scram->deriving.last_bytes = DIGEST_BYTES;
        for (size_t i = 0; i < DIGEST_BYTES; i++) {
            sum[i] ^= last[i];
        }
    }
    scram->round = round;
    if (round == keys->rounds) { /* the sum is SaltedPassword */
        err |= hmac(scram, sum, "Client Key", keys->client_key);
        err |= hmac(scram, sum, "Server Key", keys->server_key);
        hf_wipe(&scram->deriving, sizeof scram->deriving);
    }
    return err ? HF_ERR_RESOURCES : round == keys->rounds;
}

/* What begins attribute `name` of the last message. */
static char *begin(char *at, char name) {
    at[0] = ',';
    at[1] = name;
    at[2] = '=';
    return at + 3;
}

int hf_pg_scram_client_final(hf_pg_scram *scram, const uint8_t *binding, size_t binding_bytes) {
    const hf_keys *keys = &scram->keys;
    uint8_t proof[DIGEST_BYTES];
    char *at = begin(scram->final, 'c');

    at += hf_pg_base64(scram->text, scram->gs2_bytes, at);
    if (scram->bound) {
        at += hf_pg_base64(binding, binding_bytes, at);
    }
    at = begin(at, 'r');
    memcpy(at, scram->text + scram->nonce_at, scram->nonce_bytes);
    at += scram->nonce_bytes;
    scram->final_bytes = (uint16_t)(at - scram->final);

    int err = digest(scram->hash, keys->client_key, DIGEST_BYTES, proof); /* StoredKey */
    err |= hmac(scram, proof, NULL, proof);                               /* its signature */
    err |= hmac(scram, keys->server_key, NULL, scram->signature);
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        proof[i] ^= keys->client_key[i];
    }
    at = begin(at, 'p');
    at += hf_pg_base64(proof, sizeof proof, at);
    scram->final_bytes = (uint16_t)(at - scram->final);
    hf_wipe(proof, sizeof proof);
    return err ? HF_ERR_RESOURCES : HF_OK;
}

bool hf_pg_scram_server_final(const hf_pg_scram *scram, const char *message, size_t bytes) {
    char expected[DIGEST_TEXT], difference = 0;
    reader from = { .at = message, .end = message + bytes };
    const char *shown = attribute(&from, 'v');

    if (from.bytes != hf_pg_base64(scram->signature, sizeof scram->signature, expected)) {
        return false;
    }
    for (size_t i = 0; i < DIGEST_TEXT; i++) { /* in constant time */
        difference = (char)(difference | (shown[i] ^ expected[i]));
    }
    return difference == 0;
}
