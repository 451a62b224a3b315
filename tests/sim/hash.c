#include "port.h"

/* A stand-in for SHA-256: as deterministic, far cheaper, and no secret. It mixes byte by byte (FNV-1a, then
 * splitmix64's finish), so that whoever hashes the same bytes in any pieces gets the same answer. */

static int start(hf_sha256 *hash) {
    hash->state[0] = 0xcbf29ce484222325u;
    return HF_OK;
}

static int update(hf_sha256 *hash, const void *from, size_t bytes) {
    const uint8_t *at = from;
    uint64_t state = hash->state[0];
    for (size_t i = 0; i < bytes; i++)
        state = (state ^ at[i]) * 0x100000001b3u;
    hash->state[0] = state;
    return HF_OK;
}

static int finish(hf_sha256 *hash, uint8_t out[32]) {
    sim_rng rng = { .state = hash->state[0] };
    for (unsigned i = 0; i < 32; i += 8) {
        uint64_t word = sim_random(&rng);
        for (unsigned j = 0; j < 8; j++)
            out[i + j] = (uint8_t)(word >> 8 * j);
    }
    return HF_OK;
}

static void clone(hf_sha256 *to, const hf_sha256 *from) {
    *to = *from;
}

const hf_hash sim_hash = {
    .start = start, .update = update, .finish = finish, .clone = clone, .rounds_per_slice = 1500
};
