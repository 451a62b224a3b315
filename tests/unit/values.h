/* What the tests of readers and writers of values share. */
#ifndef VALUES_H
#define VALUES_H

#include "unit.h"

#include "holdfast/value.h"

#define TEXT   HF_FORMAT_TEXT
#define BINARY HF_FORMAT_BINARY

static inline hf_value bytes_of(const char *data, size_t bytes) {
    return (hf_value){ .data = data, .bytes = bytes };
}
/* The bytes of a string literal, NULs among them. */
#define BYTES(literal) bytes_of(literal, sizeof(literal) - 1)

static inline void assert_value(hf_value value, hf_value expected) {
    assert_non_null(value.data);
    assert_int_equal(value.bytes, expected.bytes);
    assert_memory_equal(value.data, expected.data, expected.bytes);
}

static char room[400];

#endif
