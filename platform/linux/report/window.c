#include "window.h"

#include "base/csv_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES (64 * 1024) /* a buffer that one large line made grow keeps this much */

void hf_window_init(hf_window *window, uint32_t size) {
    *window = (hf_window){ .size = size, .lines = hf_must_alloc(size, sizeof(hf_line)) };
}

void hf_window_free(hf_window *window) {
    for (uint32_t i = 0; i < window->size; i++) {
        hf_line *line = &window->lines[i];
        hf_bytes_free(&line->text);
        hf_bytes_free(&line->prefix);
        hf_bytes_free(&line->out);
        hf_bytes_free(&line->message);
        hf_bytes_free(&line->row_ends);
        free(line->cells);
        free(line->params);
    }
    free(window->lines);
    *window = (hf_window){ 0 };
}

bool hf_window_empty(const hf_window *window) {
    return window->head == window->tail;
}

bool hf_window_full(const hf_window *window) {
    return window->tail - window->head == window->size;
}

hf_line *hf_window_at(const hf_window *window, uint64_t number) {
    return &window->lines[number % window->size];
}

hf_line *hf_window_head(const hf_window *window) {
    return hf_window_at(window, window->head);
}

void hf_window_count(hf_window *window, hf_line *line) {
    size_t held = line->text.used + line->prefix.used + line->out.used;
    window->bytes = window->bytes - line->held + held;
    line->held = held;
}

/* Copies the cells, which lie in the reader's memory, into the line's own. */
static void copy_cells(hf_line *line, const hf_csv_record *record) {
    size_t bytes = 0;
    for (size_t i = 0; i < record->n_cells; i++) {
        bytes += record->cells[i].bytes;
    }
    if (record->n_cells > line->cells_size) {
        free(line->cells);
        line->cells = hf_must_alloc(record->n_cells, sizeof *line->cells);
        line->cells_size = record->n_cells;
    }
    hf_bytes_reset(&line->text, KEEP_BYTES);
    hf_bytes_reserve(&line->text, bytes + 1); /* reserved once: cells point into it */
    for (size_t i = 0; i < record->n_cells; i++) {
        hf_value cell = record->cells[i];
        line->cells[i] = (hf_value){ .data = cell.data ? line->text.data + line->text.used : NULL,
                                     .bytes = cell.bytes };
        hf_bytes_add(&line->text, cell.data, cell.bytes);
    }
    line->n_cells = record->n_cells;
}

hf_line *hf_window_add(hf_window *window, const hf_csv_record *record) {
    hf_line *line = hf_window_at(window, window->tail++);
    copy_cells(line, record);
    line->state = HF_LINE_READY;
    line->line = record->line;
    line->next_line = record->next_line;
    line->end = record->end;
    line->rows = 0;
    line->follower = 0;
    line->waits = line->paused = line->unbounded = line->again = line->intended = line->void_rows =
        line->streams = line->counted = false;
    line->code[0] = line->ticket[0] = '\0';
    hf_bytes_reset(&line->prefix, KEEP_BYTES);
    hf_bytes_reset(&line->out, KEEP_BYTES);
    hf_bytes_reset(&line->message, KEEP_BYTES);
    hf_bytes_reset(&line->row_ends, KEEP_BYTES);
    hf_window_count(window, line);
    return line;
}

void hf_window_remove(hf_window *window) {
    hf_line *line = hf_window_head(window);
    window->bytes -= line->held;
    line->held = 0;
    window->head++;
}

void hf_line_prefix(hf_line *line, bool alone) {
    hf_bytes_reset(&line->prefix, KEEP_BYTES);
    if (alone) {
        hf_csv_add_cells(&line->prefix, line->cells, line->n_cells);
        return;
    }
    for (size_t i = 0; i < line->n_cells; i++) {
        hf_bytes_add_text(&line->prefix, i ? "," : "");
        hf_csv_add_cell(&line->prefix, line->cells[i], false);
    }
}

void hf_line_end(hf_line *line, hf_line_state state, const char *code, const char *message,
                 size_t bytes) {
    line->state = state;
    snprintf(line->code, sizeof line->code, "%s", code);
    hf_bytes_reset(&line->message, KEEP_BYTES);
    hf_bytes_add(&line->message, message, bytes);
}
