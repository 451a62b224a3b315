#include "value.h"

/* Dates and timestamps: days and microseconds since 2000-01-01, by the Gregorian calendar at all times. Years are
 * astronomical: 0 is 1 BC. A year that begins in March has its leap day last: a day's number is linear in it. */

enum {
    DATE_LEAST = -2451545, /* 4714-11-24 BC: Julian day 0 */
    DATE_END = 2145031949, /* 5874898-01-01 */
    DAYS_TO_2000 = 730425, /* from 0000-03-01 */
    DAYS_OF_400_YEARS = 146097
};

#define TIMESTAMP_LEAST (DATE_LEAST * HF_DAY_US)
#define TIMESTAMP_END   (INT64_C(106751983) * HF_DAY_US) /* 294277-01-01 */

/* --- the calendar ---------------------------------------------------------------------------------- */

static int64_t floor_divide(int64_t number, int64_t by) {
    return number / by - (number % by < 0);
}

static bool is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned days_of_month(int64_t year, unsigned month) {
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month - 1] + (unsigned)(month == 2 && is_leap(year));
}

static bool is_date(int64_t days) {
    return days >= DATE_LEAST && days < DATE_END;
}

/* RANGE: there is no such day. */
static hf_misfit day_of(int64_t year, unsigned month, unsigned day, int64_t *out) {
    if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month)) {
        return HF_MISFIT_RANGE;
    }
    const int64_t from_march = month > 2 ? year : year - 1;
    const int64_t era = floor_divide(from_march, 400), of_era = from_march - era * 400;
    const int64_t day_of_year =
        (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    *out = era * DAYS_OF_400_YEARS + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year -
           DAYS_TO_2000;
    return HF_FITS;
}

static void split_day(int64_t days, hf_civil *civil) {
    const int64_t since = days + DAYS_TO_2000;
    const int64_t era = floor_divide(since, DAYS_OF_400_YEARS);
    const int64_t day = since - era * DAYS_OF_400_YEARS;
    const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const int64_t of_year = day - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * of_year + 2) / 153; /* from March */

    civil->day = (uint8_t)(of_year - (153 * month + 2) / 5 + 1);
    civil->month = (uint8_t)(month < 10 ? month + 3 : month - 9);
    civil->year = (int32_t)(year + era * 400 + (civil->month <= 2));
}

hf_misfit hf_date_of(const hf_civil *civil, int32_t *days) {
    int64_t day;
    const hf_misfit misfit = day_of(civil->year, civil->month, civil->day, &day);

    if (misfit != HF_FITS || !is_date(day)) {
        return HF_MISFIT_RANGE;
    }
    *days = (int32_t)day;
    return HF_FITS;
}

hf_misfit hf_timestamp_of(const hf_civil *civil, int64_t *us) {
    int64_t day;
    const hf_misfit misfit = day_of(civil->year, civil->month, civil->day, &day);

    if (misfit != HF_FITS || !is_date(day)) {
        return HF_MISFIT_RANGE;
    }
    if (civil->hour > 23 || civil->minute > 59 || civil->second > 59 ||
        civil->microsecond > 999999 || day >= TIMESTAMP_END / HF_DAY_US) {
        return HF_MISFIT_RANGE;
    }
    const int64_t seconds = (civil->hour * 60 + civil->minute) * 60 + civil->second;
    *us = day * HF_DAY_US + seconds * 1000000 + civil->microsecond;
    return HF_FITS;
}

static bool is_timestamp(int64_t us) {
    return us >= TIMESTAMP_LEAST && us < TIMESTAMP_END;
}

hf_misfit hf_civil_of_date(int32_t days, hf_civil *civil) {
    if (!is_date(days)) {
        return HF_MISFIT_RANGE;
    }
    *civil = (hf_civil){ 0 };
    split_day(days, civil);
    return HF_FITS;
}

hf_misfit hf_civil_of_timestamp(int64_t us, hf_civil *civil) {
    if (!is_timestamp(us)) {
        return HF_MISFIT_RANGE;
    }
    const int64_t day = floor_divide(us, HF_DAY_US);
    const int64_t of_day = us - day * HF_DAY_US;
    const uint32_t seconds = (uint32_t)(of_day / 1000000);
    split_day(day, civil);
    civil->hour = (uint8_t)(seconds / 3600);
    civil->minute = (uint8_t)(seconds / 60 % 60);
    civil->second = (uint8_t)(seconds % 60);
    civil->microsecond = (uint32_t)(of_day % 1000000);
    return HF_FITS;
}

/* --- text ------------------------------------------------------------------------------------------- */

/* Text that is being read; the first thing that is not as it should be leaves `misfit`. */
typedef struct reader {
    const char *at, *end;
    hf_misfit misfit;
} reader;

static bool take(reader *in, char letter) {
    const bool there = in->at < in->end && *in->at == letter;

    in->at += there;
    return there;
}

static void expect(reader *in, char letter) {
    if (!take(in, letter)) {
        in->misfit = HF_MISFIT_MALFORMED;
    }
}

/* A number of so many digits. */
static unsigned take_number(reader *in, unsigned least, unsigned most) {
    unsigned number = 0, n = 0;

    for (; n < most && in->at < in->end && *in->at >= '0' && *in->at <= '9'; n++, in->at++) {
        number = number * 10 + (unsigned)(*in->at - '0');
    }
    if (n < least) {
        in->misfit = HF_MISFIT_MALFORMED;
    }
    return number;
}

/* "1999-12-31" */
static void take_date(reader *in, hf_civil *civil) {
    civil->year = (int32_t)take_number(in, 4, 7);
    expect(in, '-');
    civil->month = (uint8_t)take_number(in, 2, 2);
    expect(in, '-');
    civil->day = (uint8_t)take_number(in, 2, 2);
}

/* "23:59:59.999999" */
static void take_time(reader *in, hf_civil *civil) {
    uint32_t unit = 100000;

    civil->hour = (uint8_t)take_number(in, 2, 2);
    expect(in, ':');
    civil->minute = (uint8_t)take_number(in, 2, 2);
    expect(in, ':');
    civil->second = (uint8_t)take_number(in, 2, 2);
    if (!take(in, '.')) {
        return;
    }
    for (bool any = false;; any = true, unit /= 10) {
        const bool digit = in->at < in->end && *in->at >= '0' && *in->at <= '9';
        if (!digit) {
            in->misfit = any ? in->misfit : HF_MISFIT_MALFORMED;
            return;
        }
        if (unit == 0 && *in->at != '0' && in->misfit == HF_FITS) {
            in->misfit = HF_MISFIT_PRECISION;
        }
        civil->microsecond += (uint32_t)(*in->at++ - '0') * unit;
    }
}

/* "+02", "-03:30", "+00:19:32": seconds east of UTC. */
static int64_t take_offset(reader *in) {
    const bool west = take(in, '-');
    unsigned minutes = 0, seconds = 0;

    if (!west) {
        if (take(in, 'Z')) {
            return 0;
        }
        expect(in, '+');
    }
    const unsigned hours = take_number(in, 2, 2);
    if (take(in, ':')) {
        minutes = take_number(in, 2, 2);
        seconds = take(in, ':') ? take_number(in, 2, 2) : 0;
    }
    if (hours > 15 || minutes > 59 || seconds > 59) {
        in->misfit = HF_MISFIT_MALFORMED;
    }
    const int64_t offset = ((int64_t)hours * 60 + minutes) * 60 + seconds;
    return west ? -offset : offset;
}

/* " BC", or nothing; then the text ends. Years count from 1 in both directions. */
static hf_misfit take_end(reader *in, hf_civil *civil) {
    if (in->end - in->at == 3 && memcmp(in->at, " BC", 3) == 0) {
        in->at += 3;
        civil->year = 1 - civil->year;
        if (civil->year > 0) {
            in->misfit = HF_MISFIT_MALFORMED;
        }
    } else if (civil->year == 0) {
        in->misfit = HF_MISFIT_MALFORMED;
    }
    return in->at == in->end ? in->misfit : HF_MISFIT_MALFORMED;
}

static void write_padded(hf_writer *writer, uint32_t number, uint32_t unit) {
    for (; unit > 1 && number < unit; unit /= 10) {
        hf_write_text(writer, "0");
    }
    hf_write_unsigned(writer, number);
}

static void write_date(hf_writer *writer, const hf_civil *civil) {
    write_padded(writer, (uint32_t)(civil->year > 0 ? civil->year : 1 - civil->year), 1000);
    hf_write_text(writer, "-");
    write_padded(writer, civil->month, 10);
    hf_write_text(writer, "-");
    write_padded(writer, civil->day, 10);
}

static void write_time(hf_writer *writer, const hf_civil *civil) {
    uint32_t fraction = civil->microsecond, unit = 100000;

    write_padded(writer, civil->hour, 10);
    hf_write_text(writer, ":");
    write_padded(writer, civil->minute, 10);
    hf_write_text(writer, ":");
    write_padded(writer, civil->second, 10);
    if (fraction > 0) {
        hf_write_text(writer, ".");
        for (; fraction % 10 == 0; fraction /= 10) {
            unit /= 10;
        }
        write_padded(writer, fraction, unit);
    }
}

/* "infinity": 1, "-infinity": -1, else 0. */
static int infinity_of(hf_value text) {
    return hf_is_word(text.data, text.bytes, "infinity")    ? 1
           : hf_is_word(text.data, text.bytes, "-infinity") ? -1
                                                            : 0;
}

static hf_misfit put_infinity(bool before, char *room, size_t size, hf_value *value) {
    hf_writer writer = hf_writer_on(room, size);

    hf_write_text(&writer, before ? "-infinity" : "infinity");
    return hf_put_written(&writer, value);
}

/* --- date ------------------------------------------------------------------------------------------- */

hf_misfit hf_get_date(hf_value value, uint32_t type, hf_format format, int32_t *days) {
    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    if (!hf_is_type(type, HF_TYPE_DATE)) {
        return HF_MISFIT_TYPE;
    }
    if (!hf_comes_as_text(type, format)) {
        if (value.bytes != 4) {
            return HF_MISFIT_MALFORMED;
        }
        const int32_t read = (int32_t)(uint32_t)hf_get_big_endian(value.data, 4);
        if (!is_date(read) && read != HF_DATE_INFINITY && read != HF_DATE_BEFORE_ALL) {
            return HF_MISFIT_RANGE;
        }
        *days = read;
        return HF_FITS;
    }
    const int infinity = infinity_of(value);
    if (infinity != 0) {
        *days = infinity > 0 ? HF_DATE_INFINITY : HF_DATE_BEFORE_ALL;
        return HF_FITS;
    }
    reader in = { .at = value.data, .end = value.data + value.bytes };
    hf_civil civil = { 0 };
    take_date(&in, &civil);
    const hf_misfit misfit = take_end(&in, &civil);
    return misfit == HF_FITS ? hf_date_of(&civil, days) : misfit;
}

hf_misfit hf_put_date(int32_t days, hf_format format, char *room, size_t size, hf_value *value) {
    const bool infinite = days == HF_DATE_INFINITY || days == HF_DATE_BEFORE_ALL;
    hf_civil civil;

    if (!infinite && hf_civil_of_date(days, &civil) != HF_FITS) {
        return HF_MISFIT_RANGE;
    }
    if (format == HF_FORMAT_BINARY) {
        return hf_put_bytes((uint32_t)days, 4, room, size, value);
    }
    if (infinite) {
        return put_infinity(days < 0, room, size, value);
    }
    hf_writer writer = hf_writer_on(room, size);
    write_date(&writer, &civil);
    hf_write_text(&writer, civil.year <= 0 ? " BC" : "");
    return hf_put_written(&writer, value);
}

/* --- timestamps ------------------------------------------------------------------------------------- */

/* zoned: the text has an offset from UTC. */
static hf_misfit get_timestamp(hf_value value, uint32_t type, hf_format format, bool zoned,
                               int64_t *us) {
    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    if (!hf_is_type(type, zoned ? HF_TYPE_TIMESTAMPTZ : HF_TYPE_TIMESTAMP)) {
        return HF_MISFIT_TYPE;
    }
    int64_t read;
    if (!hf_comes_as_text(type, format)) {
        if (value.bytes != 8) {
            return HF_MISFIT_MALFORMED;
        }
        read = (int64_t)hf_get_big_endian(value.data, 8);
        if (!is_timestamp(read) && read != HF_TIMESTAMP_INFINITY &&
            read != HF_TIMESTAMP_BEFORE_ALL) {
            return HF_MISFIT_RANGE;
        }
        *us = read;
        return HF_FITS;
    }
    const int infinity = infinity_of(value);
    if (infinity != 0) {
        *us = infinity > 0 ? HF_TIMESTAMP_INFINITY : HF_TIMESTAMP_BEFORE_ALL;
        return HF_FITS;
    }
    reader in = { .at = value.data, .end = value.data + value.bytes };
    hf_civil civil = { 0 };
    int64_t day;
    take_date(&in, &civil);
    if (!take(&in, 'T')) {
        expect(&in, ' ');
    }
    take_time(&in, &civil);
    const int64_t east = zoned ? take_offset(&in) : 0;
    const hf_misfit misfit = take_end(&in, &civil);
    if (misfit != HF_FITS) {
        return misfit;
    }
    if (civil.hour > 23 || civil.minute > 59 || civil.second > 59 ||
        day_of(civil.year, civil.month, civil.day, &day) != HF_FITS ||
        day > TIMESTAMP_END / HF_DAY_US) {
        return HF_MISFIT_RANGE;
    }
    /* The last moments of all are beyond 64 bits at an offset, so seconds come first. */
    const int64_t seconds =
        day * 86400 + (civil.hour * 60 + civil.minute) * 60 + civil.second - east;
    if (seconds < TIMESTAMP_LEAST / 1000000 || seconds >= TIMESTAMP_END / 1000000) {
        return HF_MISFIT_RANGE;
    }
    *us = seconds * 1000000 + civil.microsecond;
    return HF_FITS;
}

static hf_misfit put_timestamp(int64_t us, hf_format format, bool zoned, char *room, size_t size,
                               hf_value *value) {
    const bool infinite = us == HF_TIMESTAMP_INFINITY || us == HF_TIMESTAMP_BEFORE_ALL;
    hf_civil civil;

    if (!infinite && hf_civil_of_timestamp(us, &civil) != HF_FITS) {
        return HF_MISFIT_RANGE;
    }
    if (format == HF_FORMAT_BINARY) {
        return hf_put_bytes((uint64_t)us, 8, room, size, value);
    }
    if (infinite) {
        return put_infinity(us < 0, room, size, value);
    }
    hf_writer writer = hf_writer_on(room, size);
    write_date(&writer, &civil);
    hf_write_text(&writer, " ");
    write_time(&writer, &civil);
    hf_write_text(&writer, zoned ? "+00" : "");
    hf_write_text(&writer, civil.year <= 0 ? " BC" : "");
    return hf_put_written(&writer, value);
}

hf_misfit hf_get_timestamp(hf_value value, uint32_t type, hf_format format, int64_t *us) {
    return get_timestamp(value, type, format, false, us);
}

hf_misfit hf_get_timestamptz(hf_value value, uint32_t type, hf_format format, int64_t *us) {
    return get_timestamp(value, type, format, true, us);
}

hf_misfit hf_put_timestamp(int64_t us, hf_format format, char *room, size_t size, hf_value *value) {
    return put_timestamp(us, format, false, room, size, value);
}

hf_misfit hf_put_timestamptz(int64_t us, hf_format format, char *room, size_t size,
                             hf_value *value) {
    return put_timestamp(us, format, true, room, size, value);
}
