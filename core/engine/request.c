#include "holdfast/request.h"

#include "driver.h"

#include <string.h>

_Static_assert(HF_OUTCOME_COUNT == HF_OUTCOME_UNKNOWN + 1, "layout.h counts the outcomes");

/* How an application reads what a request gives. Rows, columns and fields lie encoded in the receive buffer; the
 * driver that put them there decodes them. Invariant of a row: `at` is where value number `column` begins;
 * hf_row_next() moves both, and answers false after the last value. */

hf_value hf_text(const char *text) {
    return (hf_value){ .data = text, .bytes = text ? strlen(text) : 0 };
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
