#include "header.h"

#include "base/csv_out.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static bool is_among(const hf_value *names, size_t count, hf_value name) {
    for (size_t i = 0; i < count; i++) {
        if (names[i].bytes == name.bytes &&
            (name.bytes == 0 || memcmp(names[i].data, name.data, name.bytes) == 0)) {
            return true;
        }
    }
    return false;
}

static void say_renamed(hf_value name, const hf_bytes *fresh) {
    hf_bytes old = { 0 }, shown = { 0 };
    hf_bytes_add_printable(&old, name.data, name.bytes);
    hf_bytes_add_printable(&shown, fresh->data, fresh->used);
    hf_log(
        HF_LOG_INFO,
        "the result has a column '%s' already: this one is called '%s' (AS in the query names it)",
        hf_bytes_text(&old), hf_bytes_text(&shown));
    hf_bytes_free(&old);
    hf_bytes_free(&shown);
}

/* names[at], numbered until no column of the result before it, and none that is still to come, has that name. */
static void make_unique(hf_value *names, size_t count, size_t at, hf_bytes *fresh) {
    const hf_value name = names[at];
    unsigned number = 2;
    while (is_among(names, at, names[at]) ||
           (fresh->used > 0 && is_among(names + at + 1, count - at - 1, names[at]))) {
        hf_bytes_reset(fresh, SIZE_MAX);
        hf_bytes_add(fresh, name.data, name.bytes);
        hf_bytes_format(fresh, "_%u", number++);
        names[at] = (hf_value){ .data = fresh->data, .bytes = fresh->used };
    }
    if (fresh->used) {
        say_renamed(name, fresh);
    }
}

void hf_header_output(hf_bytes *to, const hf_value *input, size_t n_input, const hf_value *result,
                      size_t n_result, bool affected) {
    const size_t count = n_input + n_result + affected;
    hf_value *names = hf_must_alloc(count, sizeof *names);
    hf_bytes *fresh = hf_must_alloc(count, sizeof *fresh);
    memcpy(names, input, n_input * sizeof *names);
    if (n_result > 0) {
        memcpy(names + n_input, result, n_result * sizeof *names);
    }
    if (affected) {
        names[count - 1] = hf_text("affected");
    }
    for (size_t i = 0; i < count - n_input; i++) {
        make_unique(names + n_input, count - n_input, i, &fresh[i]);
    }
    hf_csv_add_cells(to, names, count);
    hf_bytes_add_byte(to, '\n');
    for (size_t i = 0; i < count - n_input; i++) {
        hf_bytes_free(&fresh[i]);
    }
    free(fresh);
    free(names);
}

void hf_header_refusals(hf_bytes *to, const hf_value *input, size_t n_input) {
    hf_bytes_add_text(to, "line");
    for (size_t i = 0; i < n_input; i++) {
        hf_bytes_add_byte(to, ',');
        hf_csv_add_cell(to, input[i], false);
    }
    hf_bytes_add_text(to, ",code,message\n");
}
