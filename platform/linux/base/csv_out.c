#include "csv_out.h"

#include <string.h>

static bool needs_quotes(hf_value cell, bool alone) {
    if (cell.bytes == 0 || (alone && cell.bytes == 2 && memcmp(cell.data, "\\.", 2) == 0)) {
        return true;
    }
    for (size_t i = 0; i < cell.bytes; i++) {
        char c = cell.data[i];
        if (c == ',' || c == '"' || c == '\n' || c == '\r') {
            return true;
        }
    }
    return false;
}

void hf_csv_add_cell(hf_bytes *to, hf_value cell, bool alone) {
    if (!cell.data) {
        return;
    }
    if (!needs_quotes(cell, alone)) {
        hf_bytes_add(to, cell.data, cell.bytes);
        return;
    }
    hf_bytes_add_byte(to, '"');
    for (const char *at = cell.data, *end = at + cell.bytes; at < end;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        size_t plain = (size_t)((quote ? quote + 1 : end) - at);
        hf_bytes_add(to, at, plain);
        at += plain;
        if (quote) {
            hf_bytes_add_byte(to, '"');
        }
    }
    hf_bytes_add_byte(to, '"');
}

void hf_csv_add_cells(hf_bytes *to, const hf_value *cells, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            hf_bytes_add_byte(to, ',');
        }
        hf_csv_add_cell(to, cells[i], count == 1);
    }
}
