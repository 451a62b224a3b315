/* SCRAM's two messages from the server, against a client with or without keys of an earlier login.
 *
 *     input = how, then server-first and server-final with a LF between; a leading 'r=' gets our nonce behind it
 */
#include "fuzz.h"

#include "pg/scram.h"

#include "../sim/port.h"

#define NONCE "AAAAAAAAAAAAAAAAAAAAAAAA"

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
static void finish(hf_pg_scram *scram, uint8_t how, const char *last) {
    static const uint8_t binding[HF_BINDING_BYTES] = { 'b' };
    char proof[80] = "v=";
    unsigned slices = 0;
    while (hf_pg_scram_derive(scram, "pencil") == 0)
        HF_FUZZ_CHECK(++slices <= ROUNDS_MAX);
    HF_FUZZ_CHECK(hf_pg_scram_client_final(scram, binding, how & 2 ? 64 : 32) == HF_OK);
    HF_FUZZ_CHECK(scram->final_bytes <= sizeof scram->final);
    size_t n = 2 + hf_pg_base64(scram->signature, sizeof scram->signature, proof + 2);
    bool right = strlen(last) == n && memcmp(last, proof, n) == 0;
    bool proven = hf_pg_scram_server_final(scram, last, strlen(last));
    HF_FUZZ_CHECK(!right || proven);
    if (proven)
        HF_FUZZ_CHECK(strncmp(last, proof, n) == 0);
    HF_FUZZ_CHECK(hf_pg_scram_server_final(scram, proof, n));
    HF_FUZZ_CHECK(scram->keys.salt_bytes <= sizeof scram->keys.salt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const kinds[] = { HF_PG_GS2_NO, HF_PG_GS2_UNUSED, HF_PG_GS2_BOUND };
    static const uint8_t random[HF_PG_NONCE_BYTES]; /* NONCE in base64 */
    hf_fuzz fuzz = hf_fuzz_on(data, size);
    hf_hash hash = sim_hash;
    hf_pg_scram *scram = calloc(1, sizeof *scram); /* so that a step beyond it is seen */
    uint8_t how = hf_fuzz_byte(&fuzz);
    char *first = server_first(&fuzz, how & 1), *last = hf_fuzz_text(&fuzz, '\n');
    HF_FUZZ_CHECK(scram != NULL);
    hash.start = counted_start;
    hash.rounds_per_slice = how & 4 ? 1000 : 0;
    hf_pg_scram_start(scram, &hash, kinds[(how >> 3) % 3], random);
    hashes = 0;
    const char *why = hf_pg_scram_server_first(scram, first, strlen(first), ROUNDS_MAX, NULL);
    HF_FUZZ_CHECK(hashes == 0); /* none before all was judged */
    if (!why) {
        HF_FUZZ_CHECK(strncmp(first, "r=" NONCE, 2 + strlen(NONCE)) == 0);
        HF_FUZZ_CHECK(scram->keys.rounds >= HF_PG_ROUNDS_MIN && scram->keys.rounds <= ROUNDS_MAX);
        finish(scram, how, last);
    }
    free(scram);
    free(first);
    free(last);
    return 0;
}
