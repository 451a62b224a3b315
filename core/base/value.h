/* What the readers and writers of values share (holdfast/value.h): numbers in network order, which types are text, a
 * value that was written to the caller's room. Private to core/base.
 */
#ifndef HF_BASE_VALUE_H
#define HF_BASE_VALUE_H

#include "holdfast/value.h"

#include "text.h"

#include <string.h>

/* Is a value of the type its own text in binary format too? */
static inline bool hf_is_text_type(uint32_t type) {
    return type == HF_TYPE_TEXT || type == HF_TYPE_VARCHAR || type == HF_TYPE_BPCHAR ||
           type == HF_TYPE_NAME || type == HF_TYPE_UNKNOWN;
}

/* Does the value come as text? */
static inline bool hf_comes_as_text(uint32_t type, hf_format format) {
    return format == HF_FORMAT_TEXT || hf_is_text_type(type);
}

/* Is the type one of those that are read as `own`: itself, text, or not said? */
static inline bool hf_is_type(uint32_t type, uint32_t own) {
    return type == own || type == 0 || hf_is_text_type(type);
}

/* The number that so many bytes are, 8 at most, in network order. */
static inline uint64_t hf_get_big_endian(const char *at, size_t bytes) {
    uint64_t number = 0;

    for (size_t i = 0; i < bytes; i++) {
        number = number << 8 | (uint8_t)at[i];
    }
    return number;
}

static inline void hf_put_big_endian(char *at, size_t bytes, uint64_t number) {
    for (size_t i = bytes; i > 0; i--, number >>= 8) {
        at[i - 1] = (char)(uint8_t)number;
    }
}

/* FITS: *value is the so many bytes of a number. */
static inline hf_misfit hf_put_bytes(uint64_t number, size_t bytes, char *room, size_t size,
                                     hf_value *value) {
    if (size < bytes) {
        return HF_MISFIT_ROOM;
    }
    hf_put_big_endian(room, bytes, number);
    *value = (hf_value){ .data = room, .bytes = bytes };
    return HF_FITS;
}

/* FITS: *value is what was written. */
static inline hf_misfit hf_put_written(const hf_writer *writer, hf_value *value) {
    if (writer->cut || writer->size == 0) {
        return HF_MISFIT_ROOM;
    }
    *value = (hf_value){ .data = writer->out, .bytes = writer->length };
    return HF_FITS;
}

/* Is the text this word, given in small letters, in any case? */
static inline bool hf_is_word(const char *at, size_t bytes, const char *word) {
    if (strlen(word) != bytes) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        const char letter = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] + 32) : at[i];
        if (letter != word[i]) {
            return false;
        }
    }
    return true;
}

/* Reads an integer of a type that has one. PRECISION: it is a numeric with a fraction. */
hf_misfit hf_get_integer(hf_value value, uint32_t type, hf_format format, int64_t minimum,
                         int64_t maximum, int64_t *out);
/* Reads an integer out of the binary form of a numeric. */
hf_misfit hf_numeric_integer(hf_value value, int64_t *out);

#endif
