#include "value.h"

/* numeric: decimal text, and the binary form of numeric_send(): four 16-bit numbers (count of groups, weight, sign,
 * scale), then groups of four decimal digits, the first of which counts 10000^weight. The scale is how many digits are
 * shown behind the point. */

enum {
    HEAD_BYTES = 8,
    POSITIVE = 0,
    NEGATIVE = 0x4000,
    IS_NAN = 0xc000,
    IS_INFINITE = 0xd000,
    IS_BEFORE_ALL = 0xf000,
    WHOLE_MAX = 131072, /* digits before the point (PostgreSQL docs 8.1.2) */
    SCALE_MAX = 16383   /* … and behind it */
};

static const struct {
    const char *text;
    uint16_t sign;
} specials[] = { { "NaN", IS_NAN }, { "Infinity", IS_INFINITE }, { "-Infinity", IS_BEFORE_ALL } };
enum { N_SPECIALS = sizeof specials / sizeof specials[0] };

typedef struct numeric {
    uint32_t n; /* groups */
    int32_t weight;
    uint16_t sign, scale;
    const char *groups;
} numeric;

/* Group number i; those that are not there are 0. */
static uint32_t group(const numeric *number, int32_t i) {
    return i < 0 || (uint32_t)i >= number->n
               ? 0
               : (uint32_t)hf_get_big_endian(number->groups + 2 * (size_t)i, 2);
}

/* Reads the binary form. False: it is malformed. */
static bool read_binary(hf_value value, numeric *number) {
    const char *at = value.data;

    if (value.bytes < HEAD_BYTES) {
        return false;
    }
    *number = (numeric){ .n = (uint32_t)hf_get_big_endian(at, 2),
                         .weight = (int16_t)hf_get_big_endian(at + 2, 2),
                         .sign = (uint16_t)hf_get_big_endian(at + 4, 2),
                         .scale = (uint16_t)hf_get_big_endian(at + 6, 2),
                         .groups = at + HEAD_BYTES };
    if (value.bytes != HEAD_BYTES + 2 * (size_t)number->n) {
        return false;
    }
    for (size_t i = 0; i < N_SPECIALS; i++) {
        if (number->sign == specials[i].sign) {
            return number->n == 0;
        }
    }
    for (uint32_t i = 0; i < number->n; i++) {
        if (group(number, (int32_t)i) > 9999) {
            return false;
        }
    }
    return number->scale <= SCALE_MAX && (number->sign == POSITIVE || number->sign == NEGATIVE);
}

/* --- binary to text --------------------------------------------------------------------------------- */

static void write_digit(hf_writer *writer, uint32_t digit) {
    const char text[2] = { (char)('0' + digit), 0 };

    hf_write_text(writer, text);
}

/* The digit of a group that counts 1000, 100, 10 or 1: place 0 to 3. */
static uint32_t digit_in(uint32_t of, uint32_t place) {
    static const uint16_t powers[] = { 1000, 100, 10, 1 };

    return of / powers[place] % 10;
}

static hf_misfit write_number(const numeric *number, char *room, size_t size, hf_value *text) {
    hf_writer writer = hf_writer_on(room, size);
    bool any = false;

    if (number->sign == NEGATIVE) {
        hf_write_text(&writer, "-");
    }
    for (int32_t i = 0; i <= number->weight && !writer.cut; i++) {
        for (uint32_t place = 0; place < 4; place++) {
            const uint32_t digit = digit_in(group(number, i), place);
            any = any || digit > 0;
            if (any) {
                write_digit(&writer, digit);
            }
        }
    }
    hf_write_text(&writer, any ? "" : "0");
    hf_write_text(&writer, number->scale > 0 ? "." : "");
    const int32_t first =
        number->weight + 1; /* behind the point the group of that number is first */
    for (uint32_t i = 0; i < number->scale && !writer.cut; i++) {
        write_digit(&writer, digit_in(group(number, first + (int32_t)(i / 4)), i % 4));
    }
    /* Digits that are there, but beyond the scale. */
    for (int64_t i = (int64_t)number->n * 4 - 1; i >= 0 && i - 4 * (int64_t)first >= number->scale;
         i--) {
        if (digit_in(group(number, (int32_t)(i / 4)), (uint32_t)(i % 4)) != 0) {
            return HF_MISFIT_PRECISION;
        }
    }
    return hf_put_written(&writer, text);
}

/* --- text ------------------------------------------------------------------------------------------- */

/* A number as text: a sign, digits, and behind a point others. */
typedef struct digits {
    bool negative;
    const char *whole, *fraction;
    size_t n_whole, n_fraction;
} digits;

static size_t count_digits(const char *at, const char *end) {
    size_t n = 0;

    while (at + n < end && at[n] >= '0' && at[n] <= '9') {
        n++;
    }
    return n;
}

/* False: the text is no number. Zeros at its beginning are left out. */
static bool read_digits(hf_value text, digits *out) {
    const char *at = text.data, *const end = at + text.bytes;

    *out = (digits){ .negative = at < end && *at == '-' };
    at += at < end && (*at == '-' || *at == '+');
    out->whole = at;
    out->n_whole = count_digits(at, end);
    at += out->n_whole;
    if (at < end && *at == '.') {
        out->fraction = at + 1;
        out->n_fraction = count_digits(at + 1, end);
        at += 1 + out->n_fraction;
    }
    if (at != end || out->n_whole + out->n_fraction == 0) {
        return false;
    }
    for (; out->n_whole > 0 && out->whole[0] == '0'; out->n_whole--) {
        out->whole++;
    }
    return true;
}

/* The special's number among `specials`; N_SPECIALS: it is none. */
static size_t special_of(hf_value text) {
    size_t i = 0;

    while (i < N_SPECIALS && (strlen(specials[i].text) != text.bytes ||
                              memcmp(specials[i].text, text.data, text.bytes) != 0)) {
        i++;
    }
    return i;
}

static hf_misfit check_text(hf_value text, digits *out) {
    if (!read_digits(text, out)) {
        return HF_MISFIT_MALFORMED;
    }
    return out->n_whole > WHOLE_MAX || out->n_fraction > SCALE_MAX ? HF_MISFIT_RANGE : HF_FITS;
}

/* --- text to binary --------------------------------------------------------------------------------- */

/* The digit at this place, from the first one before the point on; beyond the last one 0. */
static uint32_t digit_at(const digits *from, size_t place) {
    if (place < from->n_whole) {
        return (uint32_t)(from->whole[place] - '0');
    }
    place -= from->n_whole;
    return place < from->n_fraction ? (uint32_t)(from->fraction[place] - '0') : 0;
}

static hf_misfit write_binary(const digits *from, char *room, size_t size, hf_value *value) {
    const size_t lead = (4 - from->n_whole % 4) % 4; /* digits that the first group lacks */
    const size_t groups = (from->n_whole + 3) / 4 + (from->n_fraction + 3) / 4;
    int32_t weight = (int32_t)((from->n_whole + 3) / 4) - 1;
    size_t n = 0, last = 0; /* groups written; those of them up to the last that is not 0 */

    for (size_t g = 0; g < groups; g++) {
        uint32_t read = 0;
        for (size_t i = 0; i < 4; i++) {
            const size_t place = 4 * g + i;
            read = read * 10 + (place < lead ? 0 : digit_at(from, place - lead));
        }
        if (n == 0 && read == 0) {
            weight--;
            continue;
        }
        n++;
        if (read == 0) {
            continue; /* written if another follows */
        }
        if (size < HEAD_BYTES || (size - HEAD_BYTES) / 2 < n) {
            return HF_MISFIT_ROOM;
        }
        memset(room + HEAD_BYTES + 2 * last, 0, 2 * (n - last));
        hf_put_big_endian(room + HEAD_BYTES + 2 * (n - 1), 2, read);
        last = n;
    }
    if (size < HEAD_BYTES) {
        return HF_MISFIT_ROOM;
    }
    hf_put_big_endian(room, 2, last);
    hf_put_big_endian(room + 2, 2, (uint64_t)(last == 0 ? 0 : weight));
    hf_put_big_endian(room + 4, 2, from->negative && last > 0 ? NEGATIVE : POSITIVE);
    hf_put_big_endian(room + 6, 2, from->n_fraction);
    *value = (hf_value){ .data = room, .bytes = HEAD_BYTES + 2 * last };
    return HF_FITS;
}

/* --- the functions ---------------------------------------------------------------------------------- */

hf_misfit hf_get_numeric(hf_value value, uint32_t type, hf_format format, char *room, size_t size,
                         hf_value *text) {
    numeric number;
    digits read;
    int64_t integer;

    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    if (type == HF_TYPE_INT2 || type == HF_TYPE_INT4 || type == HF_TYPE_INT8) {
        const hf_misfit misfit = hf_get_int8(value, type, format, &integer);
        return misfit != HF_FITS ? misfit : hf_put_int8(integer, HF_FORMAT_TEXT, room, size, text);
    }
    if (!hf_is_type(type, HF_TYPE_NUMERIC)) {
        return HF_MISFIT_TYPE;
    }
    if (hf_comes_as_text(type, format)) {
        const hf_misfit misfit =
            special_of(value) < N_SPECIALS ? HF_FITS : check_text(value, &read);
        if (misfit == HF_FITS) {
            *text = value;
        }
        return misfit;
    }
    if (!read_binary(value, &number)) {
        return HF_MISFIT_MALFORMED;
    }
    for (size_t i = 0; i < N_SPECIALS; i++) {
        if (number.sign == specials[i].sign) {
            hf_writer writer = hf_writer_on(room, size);
            hf_write_text(&writer, specials[i].text);
            return hf_put_written(&writer, text);
        }
    }
    return write_number(&number, room, size, text);
}

hf_misfit hf_put_numeric(hf_value text, hf_format format, char *room, size_t size,
                         hf_value *value) {
    const size_t special = text.data ? special_of(text) : N_SPECIALS;
    digits read = { 0 };

    if (!text.data) {
        return HF_MISFIT_NULL;
    }
    const hf_misfit misfit = special < N_SPECIALS ? HF_FITS : check_text(text, &read);
    if (misfit != HF_FITS) {
        return misfit;
    }
    if (format != HF_FORMAT_BINARY) {
        if (size <= text.bytes) {
            return HF_MISFIT_ROOM;
        }
        memmove(room, text.data, text.bytes);
        room[text.bytes] = 0;
        *value = (hf_value){ .data = room, .bytes = text.bytes };
        return HF_FITS;
    }
    if (special == N_SPECIALS) {
        return write_binary(&read, room, size, value);
    }
    return hf_put_bytes((uint64_t)specials[special].sign << 16, HEAD_BYTES, room, size, value);
}

hf_misfit hf_numeric_integer(hf_value value, int64_t *out) {
    uint64_t size = 0;
    numeric number;

    if (!read_binary(value, &number)) {
        return HF_MISFIT_MALFORMED;
    }
    if (number.sign != POSITIVE && number.sign != NEGATIVE) {
        return HF_MISFIT_RANGE; /* NaN, infinity */
    }
    const bool negative = number.sign == NEGATIVE;
    const uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    for (uint32_t i = 0; i < number.n; i++) {
        if ((int32_t)i > number.weight && group(&number, (int32_t)i) != 0) {
            return HF_MISFIT_PRECISION;
        }
    }
    for (int32_t i = 0; i <= number.weight; i++) {
        const uint32_t next = group(&number, i);
        if (size > (most - next) / 10000) {
            return HF_MISFIT_RANGE;
        }
        size = size * 10000 + next;
    }
    *out = negative && size > 0 ? -(int64_t)(size - 1) - 1 : (int64_t)size;
    return HF_FITS;
}
