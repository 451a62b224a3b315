#include "digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool sim_trace;
static uint64_t state;

static void fold(uint64_t word) {
    state = (state ^ word) * 0x100000001b3u;
    state ^= state >> 32; /* a multiplication only carries upwards */
}

/* The same word on every machine; written out, compilers make one load of it. */
static uint64_t word_at(const uint8_t *at) {
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
           (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
           (uint64_t)at[7] << 56;
}

static void fold_bytes(const uint8_t *at, size_t n) {
    uint64_t rest = 0;
    fold(n);
    for (; n >= 8; at += 8, n -= 8)
        fold(word_at(at));
    for (size_t i = 0; i < n; i++)
        rest |= (uint64_t)at[i] << 8 * i;
    if (n > 0)
        fold(rest);
}

static void fold_text(const char *text) {
    fold_bytes((const uint8_t *)text, strlen(text));
}

void sim_digest_begin(uint64_t seed) {
    state = 0xcbf29ce484222325u;
    fold(seed);
}

void sim_digest(const char *what, uint64_t a, uint64_t b, uint64_t c) {
    fold_text(what);
    fold(sim.now - sim.began);
    fold(a);
    fold(b);
    fold(c);
    if (sim_trace)
        printf("%" PRIu64 " ms: %s %" PRId64 " %" PRId64 " %" PRId64 "\n", sim.now - sim.began,
               what, (int64_t)a, (int64_t)b, (int64_t)c);
}

static void print_bytes(const uint8_t *bytes, size_t n) {
    printf("  ");
    for (size_t i = 0; i < n; i++)
        printf(bytes[i] >= ' ' && bytes[i] <= '~' && bytes[i] != '\\' ? "%c" : "\\%02x", bytes[i]);
    printf("\n");
}

void sim_digest_bytes(const void *bytes, size_t n) {
    fold_bytes(bytes, n);
    if (sim_trace)
        print_bytes(bytes, n);
}

void sim_digest_error(const hf_error *error) {
    static const hf_error none = { 0 };
    if (!error)
        error = &none;
    fold((uint64_t)error->code);
    fold(error->phase);
    fold(error->limit);
    fold(error->limit_ms);
    fold((uint64_t)error->system);
    fold(error->position);
    fold((uint8_t)error->severity);
    fold(error->from_server);
    fold_text(error->sqlstate);
    fold_text(error->message);
    if (sim_trace)
        printf("  %s, phase %u, limit %u of %u, '%s' at %u, %u%u: %s\n", hf_err_name(error->code),
               error->phase, error->limit, error->limit_ms, error->sqlstate, error->position,
               error->severity, error->from_server, error->message);
}

uint64_t sim_digest_value(void) {
    return state;
}
