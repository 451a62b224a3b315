#include "table.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Terminal columns of a character that is shown. */
static size_t width_of(uint32_t c) {
    /* East Asian wide (Unicode annex 11) and emoji, in pairs. */
    static const uint32_t wide[] = { 0x1100,  0x115f,  0x2e80,  0x303e, 0x3041,  0xa4cf,
                                     0xac00,  0xd7a3,  0xf900,  0xfaff, 0xfe30,  0xfe6f,
                                     0xff00,  0xff60,  0xffe0,  0xffe6, 0x1f300, 0x1f64f,
                                     0x1f900, 0x1f9ff, 0x20000, 0x3fffd };
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i += 2) {
        if (c >= wide[i] && c <= wide[i + 1]) {
            return 2;
        }
    }
    return c >= 0x300 && c < 0x370 ? 0 : 1; /* combining accents */
}

/* What a cell shows for the character at text: itself, or in `escaped` the spelling of one that is not printable
 * (`\x1B`, `\u202E`, `\U000E0041`) or of a byte that is not UTF-8 (`\xFF`). */
#define ESCAPED_BYTES 12
static size_t character(const char *text, size_t bytes, size_t *width,
                        char escaped[ESCAPED_BYTES]) {
    uint32_t c;
    size_t length = hf_character(text, bytes, &c);
    escaped[0] = '\0';
    if (length > 0 && hf_printable(c)) {
        *width = width_of(c);
        return length;
    }
    int columns = length < 2 ? snprintf(escaped, ESCAPED_BYTES, "\\x%02X", (unsigned char)text[0])
                  : c < 0x10000 ? snprintf(escaped, ESCAPED_BYTES, "\\u%04X", (unsigned)c)
                                : snprintf(escaped, ESCAPED_BYTES, "\\U%08X", (unsigned)c);
    *width = (size_t)columns;
    return length > 0 ? length : 1;
}

size_t hf_text_width(const char *text, size_t bytes) {
    char escaped[ESCAPED_BYTES];
    size_t total = 0;
    while (bytes > 0) {
        size_t width, length = character(text, bytes, &width, escaped);
        total += width;
        text += length;
        bytes -= length;
    }
    return total;
}

static void add_text(hf_bytes *to, const char *text, size_t bytes) {
    char escaped[ESCAPED_BYTES];
    while (bytes > 0) {
        size_t width, length = character(text, bytes, &width, escaped);
        if (escaped[0]) {
            hf_bytes_add_text(to, escaped);
        } else {
            hf_bytes_add(to, text, length);
        }
        text += length;
        bytes -= length;
    }
}

static void add_blanks(hf_bytes *to, size_t count, char blank) {
    while (count-- > 0) {
        hf_bytes_add_byte(to, blank);
    }
}

/* ---- keeping -------------------------------------------------------------------------------------- */

static void keep(hf_bytes *to, hf_value cell) {
    uint64_t length = cell.data ? cell.bytes : UINT64_MAX;
    hf_bytes_add(to, &length, sizeof length);
    hf_bytes_add(to, cell.data, cell.data ? cell.bytes : 0);
}

static hf_value kept(const hf_bytes *from, size_t *at) {
    uint64_t length;
    memcpy(&length, from->data + *at, sizeof length);
    *at += sizeof length;
    if (length == UINT64_MAX) {
        return (hf_value){ 0 };
    }
    hf_value cell = { .data = from->data + *at, .bytes = (size_t)length };
    *at += cell.bytes;
    return cell;
}

/* The part of a cell up to its next line end; *left becomes what follows. */
static hf_value first_line(hf_value *left) {
    const char *end = left->data ? memchr(left->data, '\n', left->bytes) : NULL;
    hf_value line = { .data = left->data, .bytes = end ? (size_t)(end - left->data) : left->bytes };
    size_t used = line.bytes + (end != NULL);
    *left = (hf_value){ .data = end ? end + 1 : NULL, .bytes = left->bytes - used };
    return line;
}

static void widen(size_t *widest, hf_value cell) {
    do {
        hf_value line = first_line(&cell);
        size_t width = hf_text_width(line.data, line.bytes);
        *widest = width > *widest ? width : *widest;
    } while (cell.data);
}

void hf_table_column_add(hf_table *table, hf_value name, bool right) {
    hf_table_column *columns = hf_must_alloc(table->n_columns + 1, sizeof *columns);
    if (table->n_columns) {
        memcpy(columns, table->columns, table->n_columns * sizeof *columns);
    }
    free(table->columns);
    table->columns = columns;
    hf_table_column *column = &columns[table->n_columns++];
    column->right = right;
    widen(&column->width, name);
    widen(&table->name_width, name);
    keep(&table->names, name);
}

void hf_table_cell(hf_table *table, size_t column, hf_value cell) {
    if (!cell.data && table->null) {
        cell = hf_text(table->null);
    }
    if (!table->begun) {
        widen(&table->columns[column].width, cell);
        widen(&table->cell_width, cell);
    }
    keep(&table->cells, cell);
    table->rows += column + 1 == table->n_columns;
}

void hf_table_void(hf_table *table) {
    hf_bytes_reset(&table->cells, SIZE_MAX);
    table->rows = 0;
}

/* ---- writing -------------------------------------------------------------------------------------- */

static void write_header(hf_table *table, hf_bytes *to) {
    size_t at = 0;
    for (size_t i = 0; i < table->n_columns; i++) {
        hf_value name = kept(&table->names, &at);
        size_t own = hf_text_width(name.data, name.bytes);
        size_t blanks = table->columns[i].width > own ? table->columns[i].width - own : 0;
        hf_bytes_add_text(to, i ? "| " : " ");
        add_blanks(to, blanks / 2, ' ');
        add_text(to, name.data, name.bytes);
        add_blanks(to, blanks - blanks / 2 + 1, ' ');
    }
    hf_bytes_add_byte(to, '\n');
    for (size_t i = 0; i < table->n_columns; i++) {
        hf_bytes_add_text(to, i ? "+" : "");
        add_blanks(to, table->columns[i].width + 2, '-');
    }
    hf_bytes_add_byte(to, '\n');
}

/* One line of a row on the terminal: the next line of each cell. True while a cell has more. */
static bool write_line(const hf_table *table, hf_value *cells, hf_bytes *to) {
    bool more = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        bool last = i + 1 == table->n_columns;
        hf_value line = first_line(&cells[i]);
        size_t own = hf_text_width(line.data, line.bytes);
        size_t blanks = table->columns[i].width > own ? table->columns[i].width - own : 0;
        bool continued = cells[i].data != NULL;
        hf_bytes_add_text(to, i ? "| " : " ");
        add_blanks(to, table->columns[i].right ? blanks : 0, ' ');
        add_text(to, line.data, line.bytes);
        /* As psql: the last column is not filled up. */
        add_blanks(to, table->columns[i].right || (last && !continued) ? 0 : blanks, ' ');
        hf_bytes_add_text(to, continued ? "+" : last ? "" : " ");
        more = more || continued;
    }
    hf_bytes_add_byte(to, '\n');
    return more;
}

/* "-[ RECORD 2 ]-+----": the bar stands in the lines' own column, where there is room. */
static void write_record(const hf_table *table, uint64_t number, hf_bytes *to) {
    char name[40];
    const size_t bar = table->name_width + 1;
    size_t used =
        (size_t)snprintf(name, sizeof name, "-[ RECORD %llu ]", (unsigned long long)number);
    hf_bytes_add_text(to, name);
    for (; used < bar + 2 + table->cell_width; used++) {
        hf_bytes_add_byte(to, used == bar ? '+' : '-');
    }
    hf_bytes_add_byte(to, '\n');
}

/* The rows that are kept, a line for each cell and more for one of several lines (psql's \x). */
static void write_expanded(hf_table *table, hf_bytes *to) {
    for (size_t at = 0; at < table->cells.used;) {
        size_t names = 0;
        write_record(table, ++table->written, to);
        for (size_t i = 0; i < table->n_columns; i++) {
            hf_value name = kept(&table->names, &names), cell = kept(&table->cells, &at);
            do {
                const size_t own = hf_text_width(name.data, name.bytes);
                const hf_value line = first_line(&cell);
                const size_t shown = hf_text_width(line.data, line.bytes);
                add_text(to, name.data, name.bytes);
                add_blanks(to, table->name_width - own, ' ');
                hf_bytes_add_text(to, " | ");
                add_text(to, line.data, line.bytes);
                if (cell.data) {
                    add_blanks(to, table->cell_width > shown ? table->cell_width - shown : 0, ' ');
                    hf_bytes_add_byte(to, '+');
                }
                hf_bytes_add_byte(to, '\n');
                name.bytes = 0;
            } while (cell.data);
        }
    }
    hf_bytes_reset(&table->cells, SIZE_MAX);
}

void hf_table_write(hf_table *table, hf_bytes *to) {
    if (table->expanded) {
        table->begun = true;
        write_expanded(table, to);
        return;
    }
    if (!table->begun) {
        write_header(table, to);
        table->begun = true;
    }
    hf_value *cells = hf_must_alloc(table->n_columns, sizeof *cells);
    for (size_t at = 0; at < table->cells.used;) {
        for (size_t i = 0; i < table->n_columns; i++) {
            cells[i] = kept(&table->cells, &at);
        }
        while (write_line(table, cells, to)) {
        }
    }
    free(cells);
    hf_bytes_reset(&table->cells, SIZE_MAX);
}

void hf_table_end(hf_table *table, hf_bytes *to) {
    if (table->expanded && table->rows > 0) {
        hf_bytes_add_byte(to, '\n');
        return;
    }
    hf_bytes_format(to, "(%llu row%s)\n\n", (unsigned long long)table->rows,
                    table->rows == 1 ? "" : "s");
}

void hf_table_free(hf_table *table) {
    free(table->columns);
    hf_bytes_free(&table->names);
    hf_bytes_free(&table->cells);
    *table = (hf_table){ 0 };
}
