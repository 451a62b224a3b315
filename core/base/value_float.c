#include "value.h"

/* Floating point (IEEE 754, binary32 and binary64), with exact integers of many digits and nothing clever: a number is
 * read by dividing one of them by another, and rounding to even as the server does; it is written by the digits that
 * tell it from its neighbours and no more (Steele and White, "How to print floating-point numbers accurately", 1990).
 * Some microseconds each; binary format costs nothing. */

_Static_assert(sizeof(double) == 8 && sizeof(float) == 4, "binary32 and binary64");

/* A kind of floating-point number: value = m * 2^e, m of `bits` bits. */
typedef struct float_kind {
    unsigned bits;   /* of m, the first one included, which is not stored */
    int least, most; /* of e */
    int plain_most;  /* decimal exponents from -4 to below this one are not written */
} float_kind;

static const float_kind binary64 = { .bits = 53, .least = -1074, .most = 971, .plain_most = 15 };
static const float_kind binary32 = { .bits = 24, .least = -149, .most = 104, .plain_most = 6 };

/* --- integers of many digits ------------------------------------------------------------------------- */

enum {
    DIGITS_MAX = 40,    /* significant decimal digits that are read */
    EXPONENT_MAX = 400, /* decimal exponents beyond are no number's */
    WORDS = 48          /* 10^(345 + 40) * 2^55 and all that is met takes 42 */
};

typedef struct big {
    unsigned n; /* words in use: the last one is not 0 */
    uint32_t word[WORDS];
} big;

static void big_set(big *number, uint64_t value) {
    number->word[0] = (uint32_t)value;
    number->word[1] = (uint32_t)(value >> 32);
    number->n = value >> 32 ? 2 : value != 0;
}

/* number = number * by + more */
static void big_multiply(big *number, uint32_t by, uint32_t more) {
    uint64_t carry = more;

    for (unsigned i = 0; i < number->n; i++) {
        carry += (uint64_t)number->word[i] * by;
        number->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        HF_ASSERT(number->n < WORDS);
        number->word[number->n++] = (uint32_t)carry;
    }
}

static void big_multiply_power_of_ten(big *number, unsigned power) {
    for (; power >= 9; power -= 9) {
        big_multiply(number, 1000000000, 0);
    }
    for (; power > 0; power--) {
        big_multiply(number, 10, 0);
    }
}

static void big_shift(big *number, unsigned bits) {
    const unsigned words = bits / 32, rest = bits % 32;

    if (number->n == 0) {
        return;
    }
    HF_ASSERT(number->n + words < WORDS);
    memmove(number->word + words, number->word, number->n * sizeof number->word[0]);
    memset(number->word, 0, words * sizeof number->word[0]);
    number->n += words;
    if (rest > 0) {
        big_multiply(number, 1u << rest, 0);
    }
}

/* Halves it; what does not divide is lost. */
static void big_halve(big *number) {
    for (unsigned i = 0; i < number->n; i++) {
        const uint32_t high = i + 1 < number->n ? number->word[i + 1] & 1 : 0;
        number->word[i] = number->word[i] >> 1 | high << 31;
    }
    number->n -= number->n > 0 && number->word[number->n - 1] == 0;
}

static int big_compare(const big *a, const big *b) {
    if (a->n != b->n) {
        return a->n < b->n ? -1 : 1;
    }
    for (unsigned i = a->n; i > 0; i--) {
        if (a->word[i - 1] != b->word[i - 1]) {
            return a->word[i - 1] < b->word[i - 1] ? -1 : 1;
        }
    }
    return 0;
}

/* a = a + b */
static void big_add(big *a, const big *b) {
    uint64_t carry = 0;

    for (; a->n < b->n; a->n++) {
        a->word[a->n] = 0;
    }
    for (unsigned i = 0; i < a->n; i++) {
        carry += (uint64_t)a->word[i] + (i < b->n ? b->word[i] : 0);
        a->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        HF_ASSERT(a->n < WORDS);
        a->word[a->n++] = (uint32_t)carry;
    }
}

/* a = a - b; a is not less than b. */
static void big_subtract(big *a, const big *b) {
    uint64_t borrow = 0;

    for (unsigned i = 0; i < a->n; i++) {
        const uint64_t less = (i < b->n ? b->word[i] : 0) + borrow;
        borrow = a->word[i] < less;
        a->word[i] = (uint32_t)(a->word[i] - less);
    }
    while (a->n > 0 && a->word[a->n - 1] == 0) {
        a->n--;
    }
}

static int big_bits(const big *number) {
    int bits = 0;

    for (uint32_t top = number->n > 0 ? number->word[number->n - 1] : 0; top != 0; top >>= 1) {
        bits++;
    }
    return number->n == 0 ? 0 : bits + 32 * (int)(number->n - 1);
}

/* a + b compared with c. */
static int big_compare_sum(const big *a, const big *b, const big *c) {
    big sum = *a;

    big_add(&sum, b);
    return big_compare(&sum, c);
}

/* --- text to number ----------------------------------------------------------------------------------- */

/* A decimal number: digits * 10^exponent. */
typedef struct decimal {
    big digits;
    int exponent;
    bool negative;
} decimal;

/* The exponent behind an e, which ends the text; beyond EXPONENT_MAX it is cut. */
static hf_misfit read_exponent(const char *at, const char *end, int *exponent) {
    const bool negative = at < end && *at == '-';
    int read = 0;

    at += at < end && (*at == '-' || *at == '+');
    if (at == end) {
        return HF_MISFIT_MALFORMED;
    }
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') {
            return HF_MISFIT_MALFORMED;
        }
        read = read > 1000000 ? read : read * 10 + (*at - '0');
    }
    *exponent = negative ? -read : read;
    return HF_FITS;
}

/* Digits with a point in them, or not, and an exponent or none. */
static hf_misfit read_decimal(const char *at, const char *end, decimal *out) {
    unsigned significant = 0,
             zeros = 0; /* zeros: read, but not yet known to stand before another digit */
    int64_t exponent = 0;
    bool point = false, any = false;
    int more = 0;

    big_set(&out->digits, 0);
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.' && !point) {
            point = true;
            continue;
        }
        if (*at < '0' || *at > '9') {
            return HF_MISFIT_MALFORMED;
        }
        any = true;
        exponent -= point;
        if (*at == '0') {
            zeros += significant > 0;
            exponent += 1; /* taken back when the zero turns out to count */
            exponent -= significant == 0;
            continue;
        }
        if (significant + zeros >= DIGITS_MAX) {
            return HF_MISFIT_PRECISION;
        }
        exponent -= zeros;
        significant += zeros + 1;
        for (; zeros > 0; zeros--) {
            big_multiply(&out->digits, 10, 0);
        }
        big_multiply(&out->digits, 10, (uint32_t)(*at - '0'));
    }
    if (!any) {
        return HF_MISFIT_MALFORMED;
    }
    if (at < end) {
        const hf_misfit misfit = read_exponent(at + 1, end, &more);
        if (misfit != HF_FITS) {
            return misfit;
        }
    }
    exponent += more;
    if (out->digits.n > 0 && (exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX)) {
        return HF_MISFIT_RANGE;
    }
    out->exponent = out->digits.n > 0 ? (int)exponent : 0;
    return HF_FITS;
}

/* *rest / by, less than 2^56; what is left over stays in *rest. */
static uint64_t big_divide(big *rest, const big *by) {
    uint64_t quotient = 0;
    big part = *by;

    big_shift(&part, 56);
    for (unsigned i = 0; i <= 56; i++) {
        quotient <<= 1;
        if (big_compare(rest, &part) >= 0) {
            big_subtract(rest, &part);
            quotient |= 1;
        }
        big_halve(&part);
    }
    return quotient;
}

/* The bits of the number nearest to a decimal one, a tie going to the even one. */
static hf_misfit nearest(const decimal *from, const float_kind *kind, uint64_t *bits) {
    const uint64_t first = UINT64_C(1) << (kind->bits - 1);
    big over = from->digits, under;

    if (over.n == 0) {
        *bits = 0;
        return HF_FITS;
    }
    big_set(&under, 1);
    big_multiply_power_of_ten(from->exponent < 0 ? &under : &over,
                              (unsigned)(from->exponent < 0 ? -from->exponent : from->exponent));
    /* over / under has e0 + 1 or e0 bits before its point. */
    const int e0 = big_bits(&over) - big_bits(&under);
    int e = e0 - (int)kind->bits;
    if (e < kind->least) {
        e = kind->least;
    } else if (e > kind->most) {
        return HF_MISFIT_RANGE;
    }
    if (e0 - e < -1) {
        return HF_MISFIT_RANGE; /* less than a quarter of the smallest one */
    }
    big_shift(e < 0 ? &over : &under, (unsigned)(e < 0 ? -e : e));
    big rest = over;
    uint64_t m = big_divide(&rest, &under);
    if (m >= 2 * first) { /* one bit too many */
        e++;
        big_shift(&under, 1);
        rest = over;
        m = big_divide(&rest, &under);
    }
    big_shift(&rest, 1);
    const int half = big_compare(&rest, &under);
    m += half > 0 || (half == 0 && (m & 1));
    if (m == 2 * first) {
        m = first;
        e++;
    }
    if (m == 0 || e > kind->most) {
        return HF_MISFIT_RANGE;
    }
    *bits = m < first ? m : (uint64_t)(e - kind->least + 1) << (kind->bits - 1) | (m & (first - 1));
    return HF_FITS;
}

/* The bits of a number's exponent where it is infinite or none. */
static uint64_t beyond(const float_kind *kind) {
    return (uint64_t)(kind->most - kind->least + 2) << (kind->bits - 1);
}

/* The bits, without the sign's, and whether it is negative. */
static hf_misfit read_text(hf_value value, const float_kind *kind, uint64_t *bits, bool *negative) {
    const char *at = value.data, *const end = at + value.bytes;
    decimal number;

    *negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    const size_t left = (size_t)(end - at);
    if (hf_is_word(at, left, "nan")) {
        *negative = false;
        *bits = beyond(kind) | UINT64_C(1) << (kind->bits - 2);
        return HF_FITS;
    }
    if (hf_is_word(at, left, "infinity") || hf_is_word(at, left, "inf")) {
        *bits = beyond(kind);
        return HF_FITS;
    }
    const hf_misfit misfit = read_decimal(at, end, &number);
    return misfit == HF_FITS ? nearest(&number, kind, bits) : misfit;
}

/* --- number to text ----------------------------------------------------------------------------------- */

enum { SHORTEST_MAX = 17 }; /* digits that any binary64 needs */

/* The fewest digits that tell m * 2^e from its neighbours, the nearest of those; *point: where the point goes among
 * them. Returns how many. */
static unsigned shortest(uint64_t m, int e, const float_kind *kind, char digits[SHORTEST_MAX + 1],
                         int *point) {
    /* number = over / under; its neighbours are above and below it by more / under and less / under, halved: what is
     * read as this number lies between. Below a power of two the neighbour is nearer. */
    const int odd = m & 1; /* an odd number does not get what lies halfway to its neighbour */
    const bool nearer = m == UINT64_C(1) << (kind->bits - 1) && e > kind->least;
    big over, under, above, below;
    unsigned n = 0;

    big_set(&over, m);
    big_set(&under, 1);
    big_set(&above, 1);
    big_shift(&over, 1u + nearer + (unsigned)(e > 0 ? e : 0));
    big_shift(&under, 1u + nearer + (unsigned)(e < 0 ? -e : 0));
    big_shift(&above, (unsigned)(e > 0 ? e : 0));
    below = above;
    if (nearer) {
        big_shift(&above, 1);
    }
    /* 10^(*point - 1) <= number < 10^*point. First a guess, which is not too large: 1233 / 4096 is a little less than
     * log10(2). */
    int bits = big_bits(&over) - big_bits(&under);
    *point = bits > 0 ? (bits - 1) * 1233 / 4096 : -((1 - bits) * 1234 / 4096) - 1;
    if (*point > 0) {
        big_multiply_power_of_ten(&under, (unsigned)*point);
    } else {
        big_multiply_power_of_ten(&over, (unsigned)-*point);
        big_multiply_power_of_ten(&above, (unsigned)-*point);
        big_multiply_power_of_ten(&below, (unsigned)-*point);
    }
    while (big_compare_sum(&over, &above, &under) >= odd) {
        big_multiply(&under, 10, 0);
        ++*point;
    }
    for (;;) {
        unsigned digit = 0;
        big_multiply(&over, 10, 0);
        big_multiply(&above, 10, 0);
        big_multiply(&below, 10, 0);
        for (; big_compare(&over, &under) >= 0; digit++) {
            big_subtract(&over, &under);
        }
        const bool low = big_compare(&over, &below) < 1 - odd;
        const bool high = big_compare_sum(&over, &above, &under) >= odd;
        if (low || high) {
            const bool up = !low || (high && big_compare_sum(&over, &over, &under) > 0);
            digits[n++] = (char)('0' + digit + up);
            return n;
        }
        digits[n++] = (char)('0' + digit);
        HF_ASSERT(n <= SHORTEST_MAX);
    }
}

/* Writes digits as the server does: 0.0001, 100000000000000, 1e+15, 1.5e-07. */
static void write_digits(hf_writer *writer, const char *digits, unsigned n, int point,
                         const float_kind *kind) {
    const int exponent = point - 1;
    const bool plain = exponent >= -4 && exponent < kind->plain_most;
    const int before = plain ? point : 1; /* digits before the point */
    char letter[2] = { 0 };

    if (before <= 0) {
        hf_write_text(writer, "0.");
    }
    for (int i = before; i < 0; i++) {
        hf_write_text(writer, "0");
    }
    for (int i = 0; i < (int)n || i < before; i++) {
        if (i == before && i > 0) {
            hf_write_text(writer, ".");
        }
        letter[0] = i < (int)n ? digits[i] : '0';
        hf_write_text(writer, letter);
    }
    if (!plain) {
        const unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
        hf_write_text(writer, exponent < 0 ? "e-" : "e+");
        hf_write_text(writer, size < 10 ? "0" : "");
        hf_write_unsigned(writer, size);
    }
}

/* bits: without the sign's. */
static hf_misfit write_number(uint64_t bits, bool negative, const float_kind *kind, char *room,
                              size_t size, hf_value *value) {
    const uint64_t first = UINT64_C(1) << (kind->bits - 1);
    hf_writer writer = hf_writer_on(room, size);
    char digits[SHORTEST_MAX + 1];
    int point;

    if (bits > beyond(kind)) {
        hf_write_text(&writer, "NaN");
        return hf_put_written(&writer, value);
    }
    hf_write_text(&writer, negative ? "-" : "");
    if (bits == beyond(kind)) {
        hf_write_text(&writer, "Infinity");
    } else if (bits == 0) {
        hf_write_text(&writer, "0");
    } else {
        const uint64_t stored = bits >> (kind->bits - 1);
        const uint64_t m = (bits & (first - 1)) | (stored > 0 ? first : 0);
        const int e = kind->least + (stored > 0 ? (int)stored - 1 : 0);
        const unsigned n = shortest(m, e, kind, digits, &point);
        write_digits(&writer, digits, n, point, kind);
    }
    return hf_put_written(&writer, value);
}

/* --- the functions ------------------------------------------------------------------------------------ */

static double double_of(uint64_t bits) {
    double number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

static float float_of(uint64_t bits) {
    const uint32_t low = (uint32_t)bits;
    float number;

    memcpy(&number, &low, sizeof number);
    return number;
}

/* Reads a number of any of the types, all of which a double holds but int8. */
static hf_misfit get_number(hf_value value, uint32_t type, hf_format format, const float_kind *own,
                            double *out) {
    const bool is_text = hf_comes_as_text(type, format);
    const float_kind *kind = type == HF_TYPE_FLOAT4   ? &binary32
                             : type == HF_TYPE_FLOAT8 ? &binary64
                                                      : own;
    uint64_t bits;
    int64_t integer;
    bool negative;

    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    if (type == HF_TYPE_INT2 || type == HF_TYPE_INT4 || type == HF_TYPE_INT8) {
        const int64_t most = INT64_C(1) << own->bits; /* all integers up to there are exact */
        hf_misfit misfit = hf_get_integer(value, type, format, INT64_MIN, INT64_MAX, &integer);
        if (misfit == HF_FITS && (integer > most || integer < -most)) {
            /* Larger ones are exact if they end in zeros enough. */
            uint64_t m = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
            for (; m % 2 == 0; m /= 2) {
            }
            misfit = m > (uint64_t)most ? HF_MISFIT_PRECISION : HF_FITS;
        }
        *out = misfit == HF_FITS ? (double)integer : 0;
        return misfit;
    }
    if (!hf_is_type(type, HF_TYPE_FLOAT4) && type != HF_TYPE_FLOAT8) {
        return HF_MISFIT_TYPE;
    }
    const unsigned bytes = kind == &binary64 ? 8 : 4;
    if (is_text) {
        const hf_misfit misfit = read_text(value, kind, &bits, &negative);
        if (misfit != HF_FITS) {
            return misfit;
        }
        bits |= (uint64_t)negative << (8 * bytes - 1);
    } else if (value.bytes == bytes) {
        bits = hf_get_big_endian(value.data, bytes);
    } else {
        return HF_MISFIT_MALFORMED;
    }
    *out = kind == &binary64 ? double_of(bits) : (double)float_of(bits);
    return HF_FITS;
}

hf_misfit hf_get_float8(hf_value value, uint32_t type, hf_format format, double *out) {
    double number;
    const hf_misfit misfit = get_number(value, type, format, &binary64, &number);

    if (misfit == HF_FITS) {
        *out = number;
    }
    return misfit;
}

hf_misfit hf_get_float4(hf_value value, uint32_t type, hf_format format, float *out) {
    const double most = 340282346638528859811704183484516925440.0; /* the largest binary32 */
    double number;
    const hf_misfit misfit = get_number(value, type, format, &binary32, &number);

    if (misfit != HF_FITS) {
        return misfit;
    }
    const bool finite = number - number == 0;
    if (finite && (number > most || number < -most)) {
        return HF_MISFIT_RANGE;
    }
    if (finite && (double)(float)number != number) {
        return HF_MISFIT_PRECISION;
    }
    *out = (float)number;
    return HF_FITS;
}

hf_misfit hf_put_float8(double number, hf_format format, char *room, size_t size, hf_value *value) {
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    return format == HF_FORMAT_BINARY ? hf_put_bytes(bits, 8, room, size, value)
                                      : write_number(bits & ~(UINT64_C(1) << 63), bits >> 63,
                                                     &binary64, room, size, value);
}

hf_misfit hf_put_float4(float number, hf_format format, char *room, size_t size, hf_value *value) {
    uint32_t bits;

    memcpy(&bits, &number, sizeof bits);
    return format == HF_FORMAT_BINARY ? hf_put_bytes(bits, 4, room, size, value)
                                      : write_number(bits & ~(UINT32_C(1) << 31), bits >> 31,
                                                     &binary32, room, size, value);
}
