/* Rows for people: aligned as psql aligns them. Rows are kept until the widths are known, up to a limit. */
#ifndef HF_TABLE_H
#define HF_TABLE_H

#include "base/bytes.h"

#include "holdfast/request.h"

typedef struct hf_table_column {
    size_t width; /* terminal columns */
    bool right;   /* numbers */
} hf_table_column;

typedef struct hf_table {
    /* Set before the first column is added: */
    bool expanded;    /* a line for each cell, as psql's \x */
    const char *null; /* what NULL is shown as; NULL: as nothing */
    hf_table_column *columns;
    size_t n_columns;
    size_t name_width, cell_width; /* the widest, when expanded */
    uint64_t written;              /* rows, when expanded */
    hf_bytes names, cells; /* length (8 bytes, all ones: NULL) and text, one after the other */
    uint64_t rows;
    bool begun; /* the header is written: widths are fixed */
} hf_table;

void hf_table_column_add(hf_table *table, hf_value name, bool right);
/* Keeps a cell of the next row, in order. */
void hf_table_cell(hf_table *table, size_t column, hf_value cell);
/* Writes what is kept: the header first, if it was not yet. Later rows have the widths of the earlier. */
void hf_table_write(hf_table *table, hf_bytes *to);
/* "(3 rows)"; the end of what is expanded, as psql has it. */
void hf_table_end(hf_table *table, hf_bytes *to);
/* Forgets the rows that are kept. */
void hf_table_void(hf_table *table);
void hf_table_free(hf_table *table);

/* Terminal columns of a piece of UTF-8 text; what may not be shown counts as it is written, `\x1B`, `\u202E`.
 * Pure. */
size_t hf_text_width(const char *text, size_t bytes);

#endif
