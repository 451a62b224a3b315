/* What the fuzz targets share: a fuzzer's bytes as a row of choices, and an assertion.
 *
 * Behind the last byte every choice is 0, so that a short input is a run that ends early, not an error.
 */
#ifndef HF_FUZZ_H
#define HF_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer's: one input. (https://llvm.org/docs/LibFuzzer.html) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct hf_fuzz {
    const uint8_t *at, *end;
} hf_fuzz;

static inline hf_fuzz hf_fuzz_on(const uint8_t *data, size_t size) {
    return (hf_fuzz){ .at = data, .end = data ? data + size : data };
}

static inline bool hf_fuzz_over(const hf_fuzz *fuzz) {
    return fuzz->at == fuzz->end;
}

static inline uint8_t hf_fuzz_byte(hf_fuzz *fuzz) {
    return hf_fuzz_over(fuzz) ? 0 : *fuzz->at++;
}

static inline uint16_t hf_fuzz_word(hf_fuzz *fuzz) {
    uint8_t high = hf_fuzz_byte(fuzz);
    return (uint16_t)(high << 8 | hf_fuzz_byte(fuzz));
}

/* Up to `most` bytes, where they lie; how many. */
static inline size_t hf_fuzz_take(hf_fuzz *fuzz, size_t most, const uint8_t **at) {
    size_t left = (size_t)(fuzz->end - fuzz->at);
    most = most < left ? most : left;
    *at = fuzz->at;
    fuzz->at += most;
    return most;
}

/* All up to the next byte `end` (which is passed over) as text of its own, to be freed. */
static inline char *hf_fuzz_text(hf_fuzz *fuzz, uint8_t end) {
    size_t bytes = 0, left = (size_t)(fuzz->end - fuzz->at);
    while (bytes < left && fuzz->at[bytes] != end)
        bytes++;
    char *text = malloc(bytes + 1);
    if (!text)
        abort();
    if (bytes > 0)
        memcpy(text, fuzz->at, bytes);
    text[bytes] = '\0';
    fuzz->at += bytes < left ? bytes + 1 : bytes;
    return text;
}

#define HF_FUZZ_CHECK(condition)                                                      \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                  \
        }                                                                             \
    } while (0)

#endif
