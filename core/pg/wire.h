/* Messages of PostgreSQL's protocol 3.0, one layer below their meaning: numbers in network order, how long a
 * message may be, the fields of an error. (PostgreSQL docs 55.7 message formats, 55.8 error fields.)
 *
 * A message is a type byte, a length that counts itself but not the type, and a body.
 */
#ifndef HF_PG_WIRE_H
#define HF_PG_WIRE_H

#include "driver.h"

#include <string.h>

enum {
    HF_PG_HEADER_BYTES = 5,
    HF_PG_LENGTH_MIN = 4,       /* a message without a body */
    HF_PG_TAG_LENGTH_MAX = 260, /* CommandComplete: PostgreSQL's have 64 bytes at most */
};

static inline uint16_t hf_pg_get16(const uint8_t *at) {
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t hf_pg_get32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint8_t *hf_pg_put16(uint8_t *at, uint16_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static inline uint8_t *hf_pg_put32(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
    return at + 4;
}

static inline uint8_t *hf_pg_put(uint8_t *at, const void *from, size_t bytes) {
    memcpy(at, from, bytes);
    return at + bytes;
}

/* What is left of a body. Every read is bounded by end; a failed one leaves `good` false for ever. */
typedef struct hf_pg_body {
    const uint8_t *at, *end;
    bool good;
} hf_pg_body;

uint16_t hf_pg_read16(hf_pg_body *body);
uint32_t hf_pg_read32(hf_pg_body *body);
/* A string that ends in NUL; NULL when it does not. */
const char *hf_pg_read_text(hf_pg_body *body);
/* Nothing is left, and nothing was missing. */
static inline bool hf_pg_read_whole(const hf_pg_body *body) {
    return body->good && body->at == body->end;
}

/* The longest length that a message of this type may say it has, before it is waited for: 0 for a type
 * that is unknown or is never sent unasked (COPY, function calls). Of rows it is what a server can make. */
uint32_t hf_pg_length_max(uint8_t type, bool login);

/* Reads an ErrorResponse or NoticeResponse into io->error and io->fields. cut: its end is missing.
 * False: it is malformed. */
bool hf_pg_read_error(hf_io *io, const uint8_t *body, uint32_t bytes, bool cut, hf_err code,
                      hf_phase phase);

/* A further field of an error, for hf_driver.field. */
bool hf_pg_field(const hf_fields *fields, hf_field field, hf_value *value);

/* Fills io->error; each %u in format is replaced by the next number, each %c by a byte that came over the
 * wire, printable or as its number. Without HF_WITH_WORDS neither is looked at, and neither costs anything. */
void hf_pg_say_in_words(hf_io *io, hf_err code, hf_phase phase, const char *format, uint64_t first,
                        uint64_t second);
static inline void hf_pg_say(hf_io *io, hf_err code, hf_phase phase, const char *format,
                             uint64_t first, uint64_t second) {
    if (HF_WITH_WORDS) {
        hf_pg_say_in_words(io, code, phase, format, first, second);
    } else {
        hf_error_set(&io->error, code, phase, NULL);
    }
}
/* The same with HF_ERR_PROTOCOL. */
hf_news hf_pg_broken_in_words(hf_io *io, hf_phase phase, const char *format, uint32_t first,
                              uint32_t second);
hf_news hf_pg_broken_in_silence(hf_io *io, hf_phase phase);
static inline hf_news hf_pg_broken(hf_io *io, hf_phase phase, const char *format, uint32_t first,
                                   uint32_t second) {
    return HF_WITH_WORDS ? hf_pg_broken_in_words(io, phase, format, first, second)
                         : hf_pg_broken_in_silence(io, phase);
}

#endif
