/* Values of PostgreSQL's types, as C has them: readers of what a row gives, writers of what a parameter takes.
 *
 * A reader takes a value with its column's type and format (hf_column; 0 as the type: the one that the reader is named
 * after), in either format. Of text, varchar, char(n), name and unknown the text is read, whatever the format.
 * A writer makes a value in `room`, which has `size` bytes and must live as long as the value, in the format that is
 * asked for; its parameter has that format, and in binary format the writer's type, in hf_param_kind.
 *
 *     int64_t id;
 *     if (hf_get_int8(hf_row_get(row, 0), HF_TYPE_INT8, HF_FORMAT_BINARY, &id) != HF_FITS) …
 *
 * All of them answer HF_FITS or why not, and then leave what they were to fill as it was, but for `room`. Nothing is
 * cut, rounded or guessed; what is not told apart by its bytes cannot be seen: text of another DateStyle than ISO is
 * MALFORMED. Nothing is allocated, and a function that nobody calls costs a program nothing.
 * (PostgreSQL docs 8, data types; the binary forms are those of its sources' send functions.)
 */
#ifndef HF_VALUE_H
#define HF_VALUE_H

#include "request.h"

#ifdef __cplusplus
extern "C" {
#endif

/* OIDs of pg_type, which are the same on every server. */
enum {
    HF_TYPE_BOOL = 16,
    HF_TYPE_BYTEA = 17,
    HF_TYPE_NAME = 19,
    HF_TYPE_INT8 = 20,
    HF_TYPE_INT2 = 21,
    HF_TYPE_INT4 = 23,
    HF_TYPE_TEXT = 25,
    HF_TYPE_OID = 26,
    HF_TYPE_JSON = 114,
    HF_TYPE_FLOAT4 = 700,
    HF_TYPE_FLOAT8 = 701,
    HF_TYPE_UNKNOWN = 705,
    HF_TYPE_BPCHAR = 1042, /* char(n) */
    HF_TYPE_VARCHAR = 1043,
    HF_TYPE_DATE = 1082,
    HF_TYPE_TIMESTAMP = 1114,
    HF_TYPE_TIMESTAMPTZ = 1184,
    HF_TYPE_NUMERIC = 1700,
    HF_TYPE_UUID = 2950,
    HF_TYPE_JSONB = 3802
};

/* Why a value is not read or written. */
typedef enum hf_misfit {
    HF_FITS,
    HF_MISFIT_NULL,      /* the value is NULL */
    HF_MISFIT_TYPE,      /* the column's type is none that this function reads */
    HF_MISFIT_MALFORMED, /* the bytes are no value of the type, in that format */
    HF_MISFIT_RANGE,     /* a value of the type, but beyond what is to hold it */
    HF_MISFIT_PRECISION, /* digits would be lost */
    HF_MISFIT_ROOM       /* `size` is too small */
} hf_misfit;

/* "the value is out of range" …; never NULL. */
const char *hf_misfit_text(hf_misfit misfit);

/* Room for a value of any type of a fixed size, in either format, the NUL behind its text included. */
#define HF_VALUE_BYTES 48

/* ---- bool, integers ------------------------------------------------------------------------------ */

hf_misfit hf_get_bool(hf_value value, uint32_t type, hf_format format, bool *out);
hf_misfit hf_put_bool(bool truth, hf_format format, char *room, size_t size, hf_value *value);

/* Read int2, int4, int8, oid and numeric; a number that the C type does not hold is out of RANGE, one with a fraction
 * loses PRECISION. */
hf_misfit hf_get_int2(hf_value value, uint32_t type, hf_format format, int16_t *out);
hf_misfit hf_get_int4(hf_value value, uint32_t type, hf_format format, int32_t *out);
hf_misfit hf_get_int8(hf_value value, uint32_t type, hf_format format, int64_t *out);
hf_misfit hf_put_int2(int16_t number, hf_format format, char *room, size_t size, hf_value *value);
hf_misfit hf_put_int4(int32_t number, hf_format format, char *room, size_t size, hf_value *value);
hf_misfit hf_put_int8(int64_t number, hf_format format, char *room, size_t size, hf_value *value);

/* ---- floating point ------------------------------------------------------------------------------ */

/* Read float4, float8, int2, int4 and int8, where the C type holds the number exactly; from text the nearest float of
 * the column's type, as the server reads it. NaN, infinities and -0 are values like others. Text of more than 40
 * significant digits loses PRECISION; one that is too large, or so small that 0 is nearest, is out of RANGE. numeric is
 * no such TYPE: let the server cast it. */
hf_misfit hf_get_float4(hf_value value, uint32_t type, hf_format format, float *out);
hf_misfit hf_get_float8(hf_value value, uint32_t type, hf_format format, double *out);
/* As text the fewest digits that are read as the same number again. */
hf_misfit hf_put_float4(float number, hf_format format, char *room, size_t size, hf_value *value);
hf_misfit hf_put_float8(double number, hf_format format, char *room, size_t size, hf_value *value);

/* ---- numeric ------------------------------------------------------------------------------------- */

/* The number as text: "-12.50", "NaN", "Infinity". It lies in `room`, NUL-terminated, where the value was binary or an
 * integer; else it is the value itself. Reads numeric, int2, int4 and int8. */
hf_misfit hf_get_numeric(hf_value value, uint32_t type, hf_format format, char *room, size_t size,
                         hf_value *text);
/* Text of that form (a sign, digits, a point, digits; no exponent); at most 131072 digits before the point and 16383
 * behind it, as PostgreSQL has it. As text it is copied. */
hf_misfit hf_put_numeric(hf_value text, hf_format format, char *room, size_t size, hf_value *value);

/* ---- text, bytes --------------------------------------------------------------------------------- */

/* Text, checked to be UTF-8 without NUL: of the text types and json, and in text format of any type. */
hf_misfit hf_get_text(hf_value value, uint32_t type, hf_format format, hf_value *text);
/* Text is the same in both formats, and lies where it lay. */
hf_misfit hf_put_text(const char *text, size_t bytes, hf_value *value);

/* Any bytes. They lie in `room` where the value was text (either bytea_output), else in the value itself. */
hf_misfit hf_get_bytea(hf_value value, uint32_t type, hf_format format, char *room, size_t size,
                       hf_value *bytes);
/* As text 2 * bytes + 2 and a NUL are written, in binary format nothing: the value is `from`. */
hf_misfit hf_put_bytea(const void *from, size_t bytes, hf_format format, char *room, size_t size,
                       hf_value *value);

hf_misfit hf_get_uuid(hf_value value, uint32_t type, hf_format format, uint8_t out[16]);
hf_misfit hf_put_uuid(const uint8_t uuid[16], hf_format format, char *room, size_t size,
                      hf_value *value);

/* The text of json and jsonb, checked as text is; whether it is JSON is the server's to say. */
hf_misfit hf_get_json(hf_value value, uint32_t type, hf_format format, hf_value *text);
/* type: HF_TYPE_JSON, or HF_TYPE_JSONB, whose binary form has one byte more and is copied to `room`. */
hf_misfit hf_put_json(hf_value text, uint32_t type, hf_format format, char *room, size_t size,
                      hf_value *value);

/* ---- dates and times ----------------------------------------------------------------------------- */

/* Days and microseconds since 2000-01-01 (of a timestamptz in UTC), as PostgreSQL keeps them. */
#define HF_DATE_INFINITY        INT32_MAX
#define HF_DATE_BEFORE_ALL      INT32_MIN /* -infinity */
#define HF_TIMESTAMP_INFINITY   INT64_MAX
#define HF_TIMESTAMP_BEFORE_ALL INT64_MIN
#define HF_DAY_US               INT64_C(86400000000)

/* Dates from 4714-11-24 BC to 5874897-12-31; timestamps from that day to 294276-12-31. Text is read in DateStyle ISO;
 * that of a timestamptz has an offset, and is written with +00. */
hf_misfit hf_get_date(hf_value value, uint32_t type, hf_format format, int32_t *days);
hf_misfit hf_put_date(int32_t days, hf_format format, char *room, size_t size, hf_value *value);
hf_misfit hf_get_timestamp(hf_value value, uint32_t type, hf_format format, int64_t *us);
hf_misfit hf_put_timestamp(int64_t us, hf_format format, char *room, size_t size, hf_value *value);
hf_misfit hf_get_timestamptz(hf_value value, uint32_t type, hf_format format, int64_t *us);
hf_misfit hf_put_timestamptz(int64_t us, hf_format format, char *room, size_t size,
                             hf_value *value);

/* A moment by the calendar (Gregorian at all times, as PostgreSQL's). */
typedef struct hf_civil {
    int32_t year;       /* 0 is 1 BC, -1 is 2 BC */
    uint8_t month, day; /* from 1 */
    uint8_t hour, minute, second;
    uint32_t microsecond;
} hf_civil;

/* RANGE also where there is no such day, or time of day. The time is not looked at for a date. */
hf_misfit hf_date_of(const hf_civil *civil, int32_t *days);
hf_misfit hf_timestamp_of(const hf_civil *civil, int64_t *us);
/* RANGE: infinity, or no date of PostgreSQL's. */
hf_misfit hf_civil_of_date(int32_t days, hf_civil *civil);
hf_misfit hf_civil_of_timestamp(int64_t us, hf_civil *civil);

/* ---- arrays, as text ----------------------------------------------------------------------------- */

/* Dimensions of an array, at most (PostgreSQL's MAXDIM). */
#define HF_ARRAY_DIMENSIONS 6

/* An array that is being read: "{1,NULL,\"a b\"}", "{{1,2},{3,4}}", "[0:1]={5,6}". */
typedef struct hf_array {
    unsigned n_dimensions;               /* 0: the array is empty */
    uint32_t sizes[HF_ARRAY_DIMENSIONS]; /* elements of each dimension, the outermost first */
    int32_t from[HF_ARRAY_DIMENSIONS];   /* subscript of the first one, mostly 1 */
    size_t count;                        /* elements in all */
    const char *at, *end;                /* holdfast's own: the rest of the text */
} hf_array;

/* Begins to read an array in text format; the whole text is checked, and must stay. Elements that the server divides by
 * something else than a comma (those of type box) are MALFORMED. */
hf_misfit hf_array_open(hf_array *array, hf_value value);
/* The next element, row by row; value->data is NULL for a NULL. Elements are text: hf_get_int8(element, HF_TYPE_INT8,
 * HF_FORMAT_TEXT, …) reads one. One with escapes in it is written to `room` without them (ROOM: the element is too
 * large, and may be asked for again); another lies where it lay. After `count` elements: NULL as the misfit. */
hf_misfit hf_array_next(hf_array *array, char *room, size_t size, hf_value *element);

/* An array that is being written: hf_array_begin(), the elements, within hf_array_nest() and hf_array_up() where there
 * are several dimensions, hf_array_end(). What does not fit is told at the end. */
typedef struct hf_array_writer {
    char *out;
    size_t size, length;
    hf_misfit misfit; /* the first */
    unsigned depth, deepest;
    uint32_t counts[HF_ARRAY_DIMENSIONS], sizes[HF_ARRAY_DIMENSIONS];
} hf_array_writer;

hf_array_writer hf_array_begin(char *room, size_t size);
/* Adds an element in text format, quoted where it must be; data NULL: NULL. */
void hf_array_put(hf_array_writer *writer, hf_value element);
/* Begins an array within the array, and ends it. All of one dimension must have the same sizes. */
void hf_array_nest(hf_array_writer *writer);
void hf_array_up(hf_array_writer *writer);
/* Ends the array: *value is its text. ROOM, MALFORMED (sizes that differ, elements beside arrays, an array that was not
 * ended), RANGE (more than HF_ARRAY_DIMENSIONS), or what an element was not. */
hf_misfit hf_array_end(hf_array_writer *writer, hf_value *value);

#ifdef __cplusplus
}
#endif

#endif
