/* Messages of PostgreSQL's protocol 3.0, one layer below their meaning: numbers in network order, how long a
 * message may be, the fields of an error. (PostgreSQL docs 55.7 message formats, 55.8 error fields.)
 *
 * A message is a type byte, a length that counts itself but not the type, and a body. Lengths are in bytes. Nothing is
 * copied: what was read points into rx, which the connection owns, until the next call of feed. Private to core/pg.
 */
#ifndef HF_PG_WIRE_H
#define HF_PG_WIRE_H

#include "driver.h"

#include <string.h>

enum {
    HF_PG_HEADER_BYTES = 5,
    HF_PG_LENGTH_MIN = 4,       /* the length of a message without a body */
    HF_PG_TAG_LENGTH_MAX = 260, /* CommandComplete: PostgreSQL's have 64 bytes at most */
};

static inline uint16_t hf_pg_get16(const uint8_t *at) {
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t hf_pg_get32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Numbers are written by way of an array, which a compiler makes one store of, whatever the alignment. */
static inline uint8_t *hf_pg_put16(uint8_t *at, uint16_t value) {
    const uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };
    memcpy(at, bytes, sizeof bytes);
    return at + sizeof bytes;
}

static inline uint8_t *hf_pg_put32(uint8_t *at, uint32_t value) {
    const uint8_t bytes[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
                               (uint8_t)(value >> 8), (uint8_t)value };
    memcpy(at, bytes, sizeof bytes);
    return at + sizeof bytes;
}

static inline uint8_t *hf_pg_put(uint8_t *at, const void *from, size_t bytes) {
    memcpy(at, from, bytes);
    return at + bytes;
}

/* A message in rx, whole unless cut. */
typedef struct hf_pg_message {
    const uint8_t *body;
    uint32_t bytes; /* bytes of body that are in rx */
    uint32_t size;  /* bytes of the whole body */
    uint8_t type;
    bool cut; /* the message is larger than rx: its end is thrown away */
} hf_pg_message;

/* The unread rest of a body. Every read is bounded by end; the first that fails leaves `good` false for ever. */
typedef struct hf_pg_body {
    const uint8_t *at, *end;
    bool good;
} hf_pg_body;

uint16_t hf_pg_read16(hf_pg_body *body);
uint32_t hf_pg_read32(hf_pg_body *body);
/* A string that ends in NUL, or NULL: no NUL is left. */
const char *hf_pg_read_text(hf_pg_body *body);
/* Was the body read to its end, and nothing missing? */
static inline bool hf_pg_read_whole(const hf_pg_body *body) {
    return body->good && body->at == body->end;
}

/* The number that 1 to 9 digits and nothing else make; 0: the text is no such number. */
uint32_t hf_pg_decimal(const char *text, size_t bytes);

/* What a message of some type may be. */
typedef struct hf_pg_kind {
    uint8_t type;
    uint8_t large; /* what becomes of one that rx cannot hold: HF_PG_REFUSED … */
    /* The longest length that a message of this type may give, during the login and after it; 0: none comes then. It is
     * compared before the body is waited for. A row's is what a server can make. */
    uint16_t login_max;
    uint32_t max;
} hf_pg_kind;

enum {
    HF_PG_REFUSED,
    HF_PG_BEGUN,  /* its beginning is read, its end thrown away */
    HF_PG_SKIPPED /* it is thrown away whole */
};

/* The kind of a message by its type. Both lengths are 0 if the type is unknown, or is never sent unasked (COPY,
 * function calls). */
const hf_pg_kind *hf_pg_kind_of(uint8_t type);

/* Reads an ErrorResponse or NoticeResponse into io->error, with this code and phase, and io->fields. False: the message
 * is malformed. */
bool hf_pg_read_error(hf_io *io, const hf_pg_message *message, hf_err code, hf_phase phase);

/* hf_driver.field: one more field of an error or notice. */
bool hf_pg_field(const hf_fields *fields, hf_field field, hf_value *value);

/* Does the word stand in the text? */
static inline bool hf_pg_names(const hf_value *text, const char *word) {
    const size_t bytes = strlen(word);
    size_t left = text->bytes;

    for (const char *at = text->data; left >= bytes; at++, left--) {
        if (memcmp(at, word, bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* The next name of config->parameters. */
static inline const char *hf_pg_next_parameter(const char *at) {
    at += strlen(at) + 1;
    return at + strlen(at) + 1;
}

/* Fills io->error with the driver's own words. Each %u in format is replaced by the next number, each %c by a byte that
 * came over the wire, printable or as its number. Without HF_WITH_MESSAGES format and numbers cost nothing. */
void hf_pg_say_in_words(hf_io *io, hf_err code, hf_phase phase, const char *format, uint64_t first,
                        uint64_t second);
static inline void hf_pg_say(hf_io *io, hf_err code, hf_phase phase, const char *format,
                             uint64_t first, uint64_t second) {
    if (HF_WITH_MESSAGES) {
        hf_pg_say_in_words(io, code, phase, format, first, second);
    } else {
        hf_error_set(&io->error, code, phase, NULL);
    }
}
/* The same with HF_ERR_PROTOCOL: the session is BROKEN. */
hf_driver_event hf_pg_broken_in_words(hf_io *io, hf_phase phase, const char *format, uint32_t first,
                                      uint32_t second);
hf_driver_event hf_pg_broken_in_silence(hf_io *io, hf_phase phase);
static inline hf_driver_event hf_pg_broken(hf_io *io, hf_phase phase, const char *format,
                                           uint32_t first, uint32_t second) {
    return HF_WITH_MESSAGES ? hf_pg_broken_in_words(io, phase, format, first, second)
                            : hf_pg_broken_in_silence(io, phase);
}

#endif
