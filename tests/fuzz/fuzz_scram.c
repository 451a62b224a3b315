/* SCRAM's two messages from the server, against a client with or without keys of an earlier login.
 *
 *     input = how, then server-first and server-final with a LF between; a leading 'r=' gets our nonce behind it
 */
#include "fuzz.h"

#include "pg/scram.h"

#include "../sim/port.h"

#define NONCE "rOprNGfwEbeRWgbNEkqO"

enum { ROUNDS_MAX = 5000 };

static unsigned hashes;

static int counted_start(hf_sha256 *hash) {
    hashes++;
    return sim_hash.start(hash);
}

/* Half of the inputs begin as an honest server would. */
static char *server_first(hf_fuzz *fuzz, bool honest) {
    char *text = hf_fuzz_text(fuzz, '\n');
    size_t size = strlen(text) + sizeof NONCE + 3;
    char *with = honest ? malloc(size) : NULL;
    if (!with)
        return text;
    snprintf(with, size, "r=" NONCE "%s", text);
    free(text);
    return with;
}

/* The client's last message, and whether the server's is the one that proves it. */
static void finish(hf_pg_scram *scram, const hf_hash *hash, uint8_t how, const char *last) {
    static const uint8_t binding[HF_BINDING_BYTES] = { 'b' };
    char out[HF_PG_CLIENT_FINAL], proof[80] = "v=";
    unsigned slices = 0;
    while (hf_pg_scram_derive(scram, hash) == 0)
        HF_FUZZ_CHECK(++slices <= ROUNDS_MAX);
    int bytes = hf_pg_scram_client_final(scram, hash, binding, how & 2 ? 64 : 32, out);
    HF_FUZZ_CHECK(bytes < 0 || (size_t)bytes < sizeof out);
    if (bytes < 0)
        return;
    size_t n = 2 + hf_pg_base64(scram->signature, sizeof scram->signature, proof + 2);
    bool right = strlen(last) == n && memcmp(last, proof, n) == 0;
    int answer = hf_pg_scram_server_final(scram, last, strlen(last));
    HF_FUZZ_CHECK(answer == HF_OK || answer == HF_ERR_AUTH_SERVER);
    HF_FUZZ_CHECK(!right || answer == HF_OK);
    if (answer == HF_OK)
        HF_FUZZ_CHECK(strncmp(last, proof, n) == 0);
    HF_FUZZ_CHECK(hf_pg_scram_server_final(scram, proof, n) == HF_OK);
    hf_keys keys = { 0 };
    hf_pg_scram_keep(scram, &keys);
    HF_FUZZ_CHECK(keys.salt_bytes <= sizeof keys.salt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const hf_pg_gs2 kinds[] = { HF_PG_GS2_NO, HF_PG_GS2_UNUSED, HF_PG_GS2_BOUND };
    hf_fuzz fuzz = hf_fuzz_on(data, size);
    hf_hash hash = sim_hash;
    hf_pg_scram *scram = calloc(1, sizeof *scram); /* so that a step beyond it is seen */
    const char *why = NULL;
    uint8_t how = hf_fuzz_byte(&fuzz);
    char *first = server_first(&fuzz, how & 1), *last = hf_fuzz_text(&fuzz, '\n');
    HF_FUZZ_CHECK(scram != NULL);
    hash.start = counted_start;
    hash.rounds_per_slice = how & 4 ? 1000 : 0;
    HF_FUZZ_CHECK(hf_pg_scram_start(scram, kinds[(how >> 3) % 3], "", NONCE));
    hashes = 0;
    int answer = hf_pg_scram_server_first(scram, &hash, first, strlen(first), "pencil", ROUNDS_MAX,
                                          NULL, &why);
    HF_FUZZ_CHECK(answer <= 0);
    if (answer == HF_OK) {
        HF_FUZZ_CHECK(strncmp(first, "r=" NONCE, 2 + strlen(NONCE)) == 0);
        HF_FUZZ_CHECK(scram->rounds >= HF_PG_ROUNDS_MIN && scram->rounds <= ROUNDS_MAX);
        finish(scram, &hash, how, last);
    } else {
        HF_FUZZ_CHECK(hashes == 0 && why); /* refused before any hashing */
    }
    free(scram);
    free(first);
    free(last);
    return 0;
}
