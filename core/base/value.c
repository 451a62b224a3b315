#include "value.h"

/* Values whose forms are simple: bool, integers, text, bytes, uuid, json. */

const char *hf_misfit_text(hf_misfit misfit) {
    switch (misfit) {
    case HF_FITS: return "the value fits";
    case HF_MISFIT_NULL: return "the value is NULL";
    case HF_MISFIT_TYPE: return "the column has another type";
    case HF_MISFIT_MALFORMED: return "the value is malformed";
    case HF_MISFIT_RANGE: return "the value is out of range";
    case HF_MISFIT_PRECISION: return "the value would lose digits";
    case HF_MISFIT_ROOM: return "there is too little room for the value";
    }
    return "?";
}

/* --- bool ------------------------------------------------------------------------------------------ */

hf_misfit hf_get_bool(hf_value value, uint32_t type, hf_format format, bool *out) {
    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    if (!hf_is_type(type, HF_TYPE_BOOL)) {
        return HF_MISFIT_TYPE;
    }
    const bool text = hf_comes_as_text(type, format);
    const bool yes = text ? hf_word_among("t true", value.data, value.bytes)
                          : value.bytes == 1 && value.data[0] == 1;
    const bool no = text ? hf_word_among("f false", value.data, value.bytes)
                         : value.bytes == 1 && value.data[0] == 0;

    if (!yes && !no) {
        return HF_MISFIT_MALFORMED;
    }
    *out = yes;
    return HF_FITS;
}

hf_misfit hf_put_bool(bool truth, hf_format format, char *room, size_t size, hf_value *value) {
    return hf_put_bytes(format == HF_FORMAT_BINARY ? truth
                        : truth                    ? 't'
                                                   : 'f',
                        1, room, size, value);
}

/* --- integers -------------------------------------------------------------------------------------- */

/* Digits behind a sign; behind a point nothing but zeros. */
static hf_misfit read_integer(hf_value value, int64_t *out) {
    const char *point = memchr(value.data, '.', value.bytes);
    const size_t whole = point ? (size_t)(point - value.data) : value.bytes;
    bool digits = false, fraction = false;

    for (size_t i = 0; i < value.bytes; i++) {
        const char letter = value.data[i];
        if (i == whole) {
            continue;
        }
        if (letter >= '0' && letter <= '9') {
            digits = digits || i < whole;
            fraction = fraction || (i > whole && letter != '0');
        } else if (i > 0 || (letter != '-' && letter != '+')) {
            return HF_MISFIT_MALFORMED;
        }
    }
    if (!digits || whole + 1 == value.bytes) {
        return HF_MISFIT_MALFORMED;
    }
    if (fraction) {
        return HF_MISFIT_PRECISION;
    }
    return hf_value_integer((hf_value){ value.data, whole }, INT64_MIN, INT64_MAX, out)
               ? HF_FITS
               : HF_MISFIT_RANGE;
}

/* How many bytes the type has in binary format; 0: it is no integer. */
static size_t integer_bytes(uint32_t type) {
    return type == HF_TYPE_INT2                          ? 2
           : type == HF_TYPE_INT4 || type == HF_TYPE_OID ? 4
           : type == HF_TYPE_INT8                        ? 8
                                                         : 0;
}

hf_misfit hf_get_integer(hf_value value, uint32_t type, hf_format format, int64_t minimum,
                         int64_t maximum, int64_t *out) {
    size_t bytes = integer_bytes(type);
    hf_misfit misfit = HF_FITS;
    int64_t number = 0;

    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    if (bytes == 0 && type != HF_TYPE_NUMERIC && type != 0 && !hf_is_text_type(type)) {
        return HF_MISFIT_TYPE;
    }
    if (hf_comes_as_text(type, format)) {
        if (type != HF_TYPE_NUMERIC && memchr(value.data, '.', value.bytes)) {
            return HF_MISFIT_MALFORMED;
        }
        misfit = read_integer(value, &number);
    } else if (type == HF_TYPE_NUMERIC) {
        misfit = hf_numeric_integer(value, &number);
    } else {
        if (type == 0 && (value.bytes == 2 || value.bytes == 4 || value.bytes == 8)) {
            bytes = value.bytes;
        }
        if (value.bytes != bytes) {
            return HF_MISFIT_MALFORMED;
        }
        const uint64_t read = hf_get_big_endian(value.data, bytes);
        number = type == HF_TYPE_OID ? (int64_t)read
                 : bytes == 2        ? (int16_t)read
                 : bytes == 4        ? (int32_t)read
                                     : (int64_t)read;
    }
    if (misfit == HF_FITS && (number < minimum || number > maximum)) {
        misfit = HF_MISFIT_RANGE;
    }
    if (misfit == HF_FITS) {
        *out = number;
    }
    return misfit;
}

hf_misfit hf_get_int2(hf_value value, uint32_t type, hf_format format, int16_t *out) {
    int64_t number;
    const hf_misfit misfit = hf_get_integer(value, type, format, INT16_MIN, INT16_MAX, &number);

    if (misfit == HF_FITS) {
        *out = (int16_t)number;
    }
    return misfit;
}

hf_misfit hf_get_int4(hf_value value, uint32_t type, hf_format format, int32_t *out) {
    int64_t number;
    const hf_misfit misfit = hf_get_integer(value, type, format, INT32_MIN, INT32_MAX, &number);

    if (misfit == HF_FITS) {
        *out = (int32_t)number;
    }
    return misfit;
}

hf_misfit hf_get_int8(hf_value value, uint32_t type, hf_format format, int64_t *out) {
    return hf_get_integer(value, type, format, INT64_MIN, INT64_MAX, out);
}

/* bytes: of the binary form. */
static hf_misfit put_integer(int64_t number, size_t bytes, hf_format format, char *room,
                             size_t size, hf_value *value) {
    if (format == HF_FORMAT_BINARY) {
        return hf_put_bytes((uint64_t)number, bytes, room, size, value);
    }
    hf_writer writer = hf_writer_on(room, size);
    hf_write_signed(&writer, number);
    return hf_put_written(&writer, value);
}

hf_misfit hf_put_int2(int16_t number, hf_format format, char *room, size_t size, hf_value *value) {
    return put_integer(number, 2, format, room, size, value);
}

hf_misfit hf_put_int4(int32_t number, hf_format format, char *room, size_t size, hf_value *value) {
    return put_integer(number, 4, format, room, size, value);
}

hf_misfit hf_put_int8(int64_t number, hf_format format, char *room, size_t size, hf_value *value) {
    return put_integer(number, 8, format, room, size, value);
}

/* --- text ------------------------------------------------------------------------------------------ */

/* Is it UTF-8 without NUL, as PostgreSQL's text is? */
static bool is_text(const char *text, size_t bytes) {
    uint32_t code;

    for (size_t i = 0, length; i < bytes; i += length) {
        length = text[i] != 0 ? hf_character(text + i, bytes - i, &code) : 0;
        if (length == 0) {
            return false;
        }
    }
    return true;
}

hf_misfit hf_get_text(hf_value value, uint32_t type, hf_format format, hf_value *text) {
    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    if (!hf_comes_as_text(type, format) && type != 0 && type != HF_TYPE_JSON) {
        return HF_MISFIT_TYPE;
    }
    if (!is_text(value.data, value.bytes)) {
        return HF_MISFIT_MALFORMED;
    }
    *text = value;
    return HF_FITS;
}

hf_misfit hf_put_text(const char *text, size_t bytes, hf_value *value) {
    if (!text) {
        return HF_MISFIT_NULL;
    }
    return hf_get_text((hf_value){ .data = text, .bytes = bytes }, HF_TYPE_TEXT, HF_FORMAT_TEXT,
                       value);
}

hf_misfit hf_get_json(hf_value value, uint32_t type, hf_format format, hf_value *text) {
    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    if (type != HF_TYPE_JSONB && !hf_is_type(type, HF_TYPE_JSON)) {
        return HF_MISFIT_TYPE;
    }
    if (type == HF_TYPE_JSONB && format == HF_FORMAT_BINARY) { /* its version, 1, comes first */
        if (value.bytes < 1 || value.data[0] != 1) {
            return HF_MISFIT_MALFORMED;
        }
        value.data++;
        value.bytes--;
    }
    return hf_put_text(value.data, value.bytes, text);
}

hf_misfit hf_put_json(hf_value text, uint32_t type, hf_format format, char *room, size_t size,
                      hf_value *value) {
    hf_value checked;
    const hf_misfit misfit = hf_get_json(text, HF_TYPE_JSON, HF_FORMAT_TEXT, &checked);

    if (misfit != HF_FITS) {
        return misfit;
    }
    if (type != HF_TYPE_JSON && type != HF_TYPE_JSONB) {
        return HF_MISFIT_TYPE;
    }
    if (type == HF_TYPE_JSONB && format == HF_FORMAT_BINARY) {
        if (size < 1 || size - 1 < text.bytes) {
            return HF_MISFIT_ROOM;
        }
        memmove(room + 1, text.data, text.bytes);
        room[0] = 1;
        checked = (hf_value){ .data = room, .bytes = text.bytes + 1 };
    }
    *value = checked;
    return HF_FITS;
}

/* --- bytes ----------------------------------------------------------------------------------------- */

/* What a hexadecimal digit stands for; -1: it is none. */
static int digit_of(char letter) {
    return letter >= '0' && letter <= '9'   ? letter - '0'
           : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
           : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10
                                            : -1;
}

/* The byte that two hexadecimal digits are; -1: they are none. */
static int byte_of(const char *at) {
    const int high = digit_of(at[0]), low = digit_of(at[1]);

    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* "\x00ff…" */
static hf_misfit read_hex(hf_value value, char *room, size_t size, hf_value *bytes) {
    const size_t count = (value.bytes - 2) / 2;

    if (value.bytes % 2 != 0) {
        return HF_MISFIT_MALFORMED;
    }
    if (count > size) {
        return HF_MISFIT_ROOM;
    }
    for (size_t i = 0; i < count; i++) {
        const int byte = byte_of(value.data + 2 + 2 * i);
        if (byte < 0) {
            return HF_MISFIT_MALFORMED;
        }
        room[i] = (char)(uint8_t)byte;
    }
    *bytes = (hf_value){ .data = room, .bytes = count };
    return HF_FITS;
}

/* bytea_output = escape: a byte as it is, "\\" a backslash, "\ooo" any byte. */
static hf_misfit read_escapes(hf_value value, char *room, size_t size, hf_value *bytes) {
    const char *at = value.data, *const end = at + value.bytes;
    size_t count = 0;

    for (; at < end; at++, count++) {
        char byte = *at;
        if (*at == '\\' && end - at >= 2 && at[1] == '\\') {
            at++;
        } else if (*at == '\\') {
            if (end - at < 4 || at[1] < '0' || at[1] > '3' || at[2] < '0' || at[2] > '7' ||
                at[3] < '0' || at[3] > '7') {
                return HF_MISFIT_MALFORMED;
            }
            byte = (char)(uint8_t)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 3;
        }
        if (count >= size) {
            return HF_MISFIT_ROOM;
        }
        room[count] = byte;
    }
    *bytes = (hf_value){ .data = room, .bytes = count };
    return HF_FITS;
}

hf_misfit hf_get_bytea(hf_value value, uint32_t type, hf_format format, char *room, size_t size,
                       hf_value *bytes) {
    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    if (!hf_is_type(type, HF_TYPE_BYTEA)) {
        return HF_MISFIT_TYPE;
    }
    if (!hf_comes_as_text(type, format)) {
        *bytes = value;
        return HF_FITS;
    }
    const bool hex = value.bytes >= 2 && value.data[0] == '\\' && value.data[1] == 'x';
    hf_misfit misfit =
        hex ? read_hex(value, room, size, bytes) : read_escapes(value, room, size, bytes);
    if (misfit == HF_FITS && bytes->bytes == 0) {
        *bytes = (hf_value){ .data = value.data, .bytes = 0 }; /* no bytes are no NULL */
    }
    return misfit;
}

hf_misfit hf_put_bytea(const void *from, size_t bytes, hf_format format, char *room, size_t size,
                       hf_value *value) {
    const uint8_t *at = from;

    if (!from) {
        return HF_MISFIT_NULL;
    }
    if (format == HF_FORMAT_BINARY) {
        *value = (hf_value){ .data = from, .bytes = bytes };
        return HF_FITS;
    }
    if (size < 3 || (size - 3) / 2 < bytes) {
        return HF_MISFIT_ROOM;
    }
    room[0] = '\\';
    room[1] = 'x';
    for (size_t i = 0; i < bytes; i++) {
        room[2 + 2 * i] = "0123456789abcdef"[at[i] >> 4];
        room[3 + 2 * i] = "0123456789abcdef"[at[i] & 15];
    }
    room[2 + 2 * bytes] = 0;
    *value = (hf_value){ .data = room, .bytes = 2 + 2 * bytes };
    return HF_FITS;
}

/* Does a dash stand before this byte of a uuid, as text? */
static bool has_dash(size_t byte) {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

hf_misfit hf_get_uuid(hf_value value, uint32_t type, hf_format format, uint8_t out[16]) {
    const char *at = value.data;
    uint8_t read[16];

    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    if (!hf_is_type(type, HF_TYPE_UUID)) {
        return HF_MISFIT_TYPE;
    }
    const bool text = hf_comes_as_text(type, format);
    if (value.bytes != (text ? 36u : 16u)) {
        return HF_MISFIT_MALFORMED;
    }
    for (size_t i = 0; text && i < sizeof read; i++, at += 2) {
        if (has_dash(i) && *at++ != '-') {
            return HF_MISFIT_MALFORMED;
        }
        const int byte = byte_of(at);
        if (byte < 0) {
            return HF_MISFIT_MALFORMED;
        }
        read[i] = (uint8_t)byte;
    }
    memcpy(out, text ? (const void *)read : value.data, sizeof read);
    return HF_FITS;
}

hf_misfit hf_put_uuid(const uint8_t uuid[16], hf_format format, char *room, size_t size,
                      hf_value *value) {
    const size_t bytes = format == HF_FORMAT_BINARY ? 16 : 36;

    if (size < bytes + (format != HF_FORMAT_BINARY)) {
        return HF_MISFIT_ROOM;
    }
    if (format == HF_FORMAT_BINARY) {
        memcpy(room, uuid, 16);
    } else {
        char *at = room;
        for (size_t i = 0; i < 16; i++) {
            if (has_dash(i)) {
                *at++ = '-';
            }
            *at++ = "0123456789abcdef"[uuid[i] >> 4];
            *at++ = "0123456789abcdef"[uuid[i] & 15];
        }
        *at = 0;
    }
    *value = (hf_value){ .data = room, .bytes = bytes };
    return HF_FITS;
}
