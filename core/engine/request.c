#include "holdfast/request.h"

#include "base/text.h"
#include "driver.h"

#include <string.h>

_Static_assert(HF_OUTCOME_COUNT == HF_OUTCOME_UNKNOWN + 1, "layout.h counts the outcomes");

/* How an application reads what a request gives. Rows, columns and fields lie encoded in the receive buffer; the
 * driver that put them there decodes them. Invariant of a row: `at` is where value number `column` begins;
 * hf_row_next() moves both, and answers false after the last value. */

hf_value hf_text(const char *text) {
    return (hf_value){ .data = text, .bytes = text ? strlen(text) : 0 };
}

hf_value hf_integer(int64_t number, char room[HF_INTEGER_BYTES]) {
    hf_writer writer = hf_writer_on(room, HF_INTEGER_BYTES);
    hf_write_signed(&writer, number);
    return (hf_value){ .data = room, .bytes = writer.length };
}

bool hf_value_integer(hf_value value, int64_t minimum, int64_t maximum, int64_t *number) {
    if (!value.data) {
        return false;
    }
    const char *at = value.data, *end = at + value.bytes;
    bool negative = at < end && *at == '-';
    uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, size = 0;

    at += at < end && (*at == '-' || *at == '+');
    if (at == end) {
        return false;
    }
    for (; at < end; at++) {
        uint64_t digit = (uint64_t)*at - '0';
        if (digit > 9 || size > (most - digit) / 10) {
            return false;
        }
        size = size * 10 + digit;
    }
    int64_t found = negative && size > 0 ? -(int64_t)(size - 1) - 1 : (int64_t)size;
    if (found < minimum || found > maximum) {
        return false;
    }
    *number = found;
    return true;
}

hf_value hf_row_get(hf_row *row, unsigned column) {
    hf_value value = { 0 };

    if (column >= row->n_columns) {
        return value;
    }
    if (column < row->column) {
        row->at = row->first;
        row->column = 0;
    }
    while (row->column <= column) {
        if (!hf_row_next(row, &value)) {
            return (hf_value){ 0 };
        }
    }
    return value;
}

bool hf_columns_next(hf_columns *columns, hf_column *column) {
    return columns->driver->columns_next(columns, column);
}

int hf_columns_find(const hf_columns *columns, const char *name) {
    hf_columns left = *columns;
    const size_t bytes = strlen(name);

    for (hf_column column; hf_columns_next(&left, &column);) {
        if (column.name.bytes == bytes && memcmp(column.name.data, name, bytes) == 0) {
            return left.column - 1;
        }
    }
    return -1;
}

bool hf_request_in_flight(const hf_request *request) {
    return request->conn != NULL;
}

bool hf_request_commits_later(const hf_request *request) {
    return hf_commit_is_deferred(request);
}

bool hf_fields_get(const hf_fields *fields, hf_field field, hf_value *value) {
    return fields->bytes > 0 && fields->driver->field(fields, field, value);
}

const char *hf_outcome_name(hf_outcome outcome) {
    switch (outcome) {
    case HF_OUTCOME_PENDING: return "pending";
    case HF_OUTCOME_OK: return "ok";
    case HF_OUTCOME_FAILED: return "failed";
    case HF_OUTCOME_NOT_SENT: return "not sent";
    case HF_OUTCOME_UNKNOWN: return "unknown";
    }
    return "?";
}
