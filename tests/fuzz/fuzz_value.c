/* The readers of values, on any bytes; the writers, on what was read.
 *
 *     input = reader, type, format, size of the room, the value
 *
 * What is read is written in both formats and read again: it must be the same.
 */
#include "fuzz.h"

#include "holdfast/value.h"

static const uint32_t types[] = { 0,
                                  HF_TYPE_BOOL,
                                  HF_TYPE_INT2,
                                  HF_TYPE_INT4,
                                  HF_TYPE_INT8,
                                  HF_TYPE_OID,
                                  HF_TYPE_FLOAT4,
                                  HF_TYPE_FLOAT8,
                                  HF_TYPE_NUMERIC,
                                  HF_TYPE_TEXT,
                                  HF_TYPE_BYTEA,
                                  HF_TYPE_UUID,
                                  HF_TYPE_JSON,
                                  HF_TYPE_JSONB,
                                  HF_TYPE_DATE,
                                  HF_TYPE_TIMESTAMP,
                                  HF_TYPE_TIMESTAMPTZ };

static char place[1 << 18], other[1 << 18]; /* a numeric has up to 147,457 characters */

/* A value of its own on the heap, so that a step beyond its end is seen. */
static hf_value copy_of(const uint8_t *at, size_t bytes) {
    char *copy = malloc(bytes > 0 ? bytes : 1);
    if (!copy)
        abort();
    if (bytes > 0)
        memcpy(copy, at, bytes);
    return (hf_value){ .data = copy, .bytes = bytes };
}

/* Bytes, for -0 is not 0 here. */
static bool same_bytes(const void *a, const void *b, size_t bytes) {
    return bytes == 0 || (a && b && memcmp(a, b, bytes) == 0);
}

/* Reads a number, and if that is one: written in either format it is read again. */
#define BOTH_WAYS(name, ctype, own)                                                            \
    static void both_##name(hf_value value, uint32_t type, hf_format format, size_t size) {    \
        ctype read, again;                                                                     \
        hf_value written;                                                                      \
        if (hf_get_##name(value, type, format, &read) != HF_FITS)                              \
            return;                                                                            \
        for (int f = 0; f < 2; f++) {                                                          \
            const hf_misfit misfit = hf_put_##name(read, (hf_format)f, place, size, &written); \
            HF_FUZZ_CHECK(misfit == HF_FITS ||                                                 \
                          (misfit == HF_MISFIT_ROOM && size < HF_VALUE_BYTES));                \
            if (misfit != HF_FITS)                                                             \
                continue;                                                                      \
            HF_FUZZ_CHECK(written.bytes <= size);                                              \
            HF_FUZZ_CHECK(hf_get_##name(written, own, (hf_format)f, &again) == HF_FITS);       \
            HF_FUZZ_CHECK(same_bytes(&read, &again, sizeof read) || read != read);             \
        }                                                                                      \
    }
BOTH_WAYS(bool, bool, HF_TYPE_BOOL)
BOTH_WAYS(int2, int16_t, HF_TYPE_INT2)
BOTH_WAYS(int4, int32_t, HF_TYPE_INT4)
BOTH_WAYS(int8, int64_t, HF_TYPE_INT8)
BOTH_WAYS(float4, float, HF_TYPE_FLOAT4)
BOTH_WAYS(float8, double, HF_TYPE_FLOAT8)
BOTH_WAYS(date, int32_t, HF_TYPE_DATE)
BOTH_WAYS(timestamp, int64_t, HF_TYPE_TIMESTAMP)
BOTH_WAYS(timestamptz, int64_t, HF_TYPE_TIMESTAMPTZ)

static void same(hf_value a, hf_value b) {
    HF_FUZZ_CHECK(a.bytes == b.bytes && same_bytes(a.data, b.data, a.bytes));
}

/* Its text, written as binary and read, is one that stays the same from then on. */
static void numeric(hf_value value, uint32_t type, hf_format format, size_t size) {
    static char third[1 << 18], fourth[1 << 18];
    hf_value text, binary, again, twice;
    const hf_misfit misfit = hf_get_numeric(value, type, format, place, size, &text);
    if (misfit == HF_MISFIT_ROOM)
        HF_FUZZ_CHECK(size < sizeof place);
    if (misfit != HF_FITS)
        return;
    HF_FUZZ_CHECK(hf_put_numeric(text, HF_FORMAT_BINARY, other, sizeof other, &binary) == HF_FITS);
    HF_FUZZ_CHECK(hf_get_numeric(binary, HF_TYPE_NUMERIC, HF_FORMAT_BINARY, third, sizeof third,
                                 &again) == HF_FITS);
    HF_FUZZ_CHECK(hf_put_numeric(again, HF_FORMAT_BINARY, other, sizeof other, &binary) == HF_FITS);
    HF_FUZZ_CHECK(hf_get_numeric(binary, HF_TYPE_NUMERIC, HF_FORMAT_BINARY, fourth, sizeof fourth,
                                 &twice) == HF_FITS);
    same(again, twice);
}

static void bytea(hf_value value, uint32_t type, hf_format format, size_t size) {
    hf_value bytes, text, again;
    static char back[1 << 18];
    if (hf_get_bytea(value, type, format, place, size, &bytes) != HF_FITS)
        return;
    HF_FUZZ_CHECK(bytes.bytes <= value.bytes);
    HF_FUZZ_CHECK(hf_put_bytea(bytes.data, bytes.bytes, HF_FORMAT_TEXT, other, sizeof other,
                               &text) == HF_FITS);
    HF_FUZZ_CHECK(hf_get_bytea(text, HF_TYPE_BYTEA, HF_FORMAT_TEXT, back, sizeof back, &again) ==
                  HF_FITS);
    same(bytes, again);
}

static void uuid(hf_value value, uint32_t type, hf_format format, size_t size) {
    uint8_t read[16], again[16];
    hf_value written;
    (void)size;
    if (hf_get_uuid(value, type, format, read) != HF_FITS)
        return;
    HF_FUZZ_CHECK(hf_put_uuid(read, HF_FORMAT_TEXT, other, sizeof other, &written) == HF_FITS);
    HF_FUZZ_CHECK(hf_get_uuid(written, HF_TYPE_UUID, HF_FORMAT_TEXT, again) == HF_FITS);
    HF_FUZZ_CHECK(memcmp(read, again, sizeof read) == 0);
}

static void json(hf_value value, uint32_t type, hf_format format, size_t size) {
    hf_value text, written, again;
    if (hf_get_text(value, type, format, &text) == HF_FITS)
        HF_FUZZ_CHECK(text.data == value.data && text.bytes == value.bytes);
    if (hf_get_json(value, type, format, &text) != HF_FITS)
        return;
    HF_FUZZ_CHECK(text.bytes <= value.bytes);
    if (hf_put_json(text, HF_TYPE_JSONB, HF_FORMAT_BINARY, place, size, &written) != HF_FITS) {
        HF_FUZZ_CHECK(size <= text.bytes);
        return;
    }
    HF_FUZZ_CHECK(hf_get_json(written, HF_TYPE_JSONB, HF_FORMAT_BINARY, &again) == HF_FITS);
    same(text, again);
}

/* Element by element into another array, whose text is then read as the same, and written as the same once more. */
static void array(hf_value value, uint32_t type, hf_format format, size_t size) {
    hf_array read, again;
    hf_value element, whole, back;
    (void)type, (void)format, (void)size;
    if (hf_array_open(&read, value) != HF_FITS)
        return;
    size_t product = read.n_dimensions > 0;
    for (unsigned d = 0; d < read.n_dimensions; d++)
        product *= read.sizes[d];
    HF_FUZZ_CHECK(product == read.count && read.count <= value.bytes);
    hf_array_writer writer = hf_array_begin(other, sizeof other);
    bool text = true;
    for (size_t i = 0; i < read.count; i++) {
        HF_FUZZ_CHECK(hf_array_next(&read, place, sizeof place, &element) == HF_FITS);
        if (element.data && hf_put_text(element.data, element.bytes, &back) != HF_FITS)
            text = false;
        hf_array_put(&writer, element);
    }
    HF_FUZZ_CHECK(hf_array_next(&read, place, sizeof place, &element) == HF_MISFIT_NULL);
    HF_FUZZ_CHECK((hf_array_end(&writer, &whole) == HF_FITS) == text);
    if (!text)
        return;
    HF_FUZZ_CHECK(hf_array_open(&again, whole) == HF_FITS && again.count == read.count);
    HF_FUZZ_CHECK(hf_array_open(&read, value) == HF_FITS);
    for (size_t i = 0; i < read.count; i++) {
        HF_FUZZ_CHECK(hf_array_next(&read, place, sizeof place, &element) == HF_FITS);
        HF_FUZZ_CHECK(hf_array_next(&again, place + sizeof place / 2, sizeof place / 2, &back) ==
                      HF_FITS);
        HF_FUZZ_CHECK((element.data == NULL) == (back.data == NULL));
        same(element, back);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    typedef void reader(hf_value value, uint32_t type, hf_format format, size_t size);
    static reader *const readers[] = {
        both_bool, both_int2, both_int4, both_int8, both_float4, both_float8,    numeric,
        bytea,     uuid,      json,      array,     both_date,   both_timestamp, both_timestamptz
    };
    hf_fuzz fuzz = hf_fuzz_on(data, size);
    const uint8_t *at;
    reader *const read = readers[hf_fuzz_byte(&fuzz) % (sizeof readers / sizeof readers[0])];
    const uint32_t type = types[hf_fuzz_byte(&fuzz) % (sizeof types / sizeof types[0])];
    const uint8_t how = hf_fuzz_byte(&fuzz);
    const size_t bytes = hf_fuzz_take(&fuzz, sizeof place / 8, &at);
    const hf_value value = copy_of(at, bytes);
    read(value, type, how & 1 ? HF_FORMAT_BINARY : HF_FORMAT_TEXT,
         how & 2 ? how >> 2 : sizeof place);
    free((char *)value.data);
    return 0;
}
