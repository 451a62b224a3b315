/* libcsv does the quotes and cells; this file feeds it one physical line at a time, so that it always
 * knows which line and byte a record starts at.
 *
 *     | body of a line | CR LF |      the body goes to libcsv first, then the line end: a record that
 *                                     ends within a body was ended by a bare CR, which is refused,
 *                                     for it could shift columns
 *
 * A CR at the end of a chunk is held back until the next byte tells which of the two it belongs to.
 */
#include "csv_in.h"

#include "base/bytes.h"
#include "base/failure.h"
#include "base/input.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (128 * 1024)
#define GROWTH      (64 * 1024) /* libcsv's cell buffer grows by this */
#define KEEP_BYTES  (1024 * 1024)

struct hf_csv_in {
    hf_input *input;
    const char *path;
    char delimiter;
    struct csv_parser parser;
    char *chunk;
    size_t at, have;     /* chunk[at, have) is not parsed yet */
    uint64_t base;       /* offset of chunk[0] in the input */
    uint64_t line;       /* the physical line at chunk[at] */
    bool held_cr, ended; /* a CR is held back; the file is read to its end */
    bool blank;
    bool begun, row_done; /* of the record: a byte of it was parsed; libcsv says it is complete */
    uint64_t record_line; /* where it starts */
    hf_bytes text;        /* its cells' text, one after the other */
    hf_value *cells;      /* while it is parsed: data is an offset + 1, for text moves */
    size_t n_cells, cells_size;
    void (*tap)(void *user, const void *bytes, size_t count);
    void *tap_user;
};

static int no_space(unsigned char c) {
    (void)c;
    return 0; /* blanks belong to the cell */
}

static void on_cell(void *data, size_t bytes, void *user) {
    hf_csv_in *in = user;
    if (in->n_cells == in->cells_size) {
        in->cells_size = in->cells_size ? in->cells_size * 2 : 16;
        hf_value *cells = hf_must_alloc(in->cells_size, sizeof *cells);
        if (in->n_cells) {
            memcpy(cells, in->cells, in->n_cells * sizeof *cells);
        }
        free(in->cells);
        in->cells = cells;
    }
    hf_value *cell = &in->cells[in->n_cells++];
    *cell = (hf_value){ .data = NULL, .bytes = bytes };
    if (data) {
        cell->data = (const char *)(uintptr_t)(in->text.used + 1);
        hf_bytes_add(&in->text, data, bytes);
        hf_bytes_add_byte(&in->text, '\0');
    }
}

static void on_row(int end, void *user) {
    (void)end;
    ((hf_csv_in *)user)->row_done = true;
}

static bool parser_start(hf_csv_in *in, hf_failure *failure) {
    if (csv_init(&in->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL) != 0) {
        return hf_fail(failure, HF_EXIT_USAGE, "%s: libcsv cannot be started", in->path);
    }
    csv_set_space_func(&in->parser, no_space);
    csv_set_delim(&in->parser, (unsigned char)in->delimiter);
    csv_set_blk_size(&in->parser, GROWTH);
    return true;
}

hf_csv_in *hf_csv_in_open(const char *path, hf_failure *failure) {
    hf_input *input = hf_input_open(path, failure);
    if (!input) {
        return NULL;
    }
    hf_csv_in *in = hf_must_alloc(1, sizeof *in);
    *in = (hf_csv_in){ .input = input, .path = path, .delimiter = ',', .line = 1 };
    if (!parser_start(in, failure)) {
        hf_input_close(input);
        free(in);
        return NULL;
    }
    in->chunk = hf_must_alloc(CHUNK_BYTES, 1);
    return in;
}

void hf_csv_in_close(hf_csv_in *in) {
    if (in) {
        csv_free(&in->parser);
        hf_input_close(in->input);
        hf_bytes_free(&in->text);
        free(in->cells);
        free(in->chunk);
        free(in);
    }
}

void hf_csv_in_delimiter(hf_csv_in *in, char delimiter) {
    in->delimiter = delimiter;
    csv_set_delim(&in->parser, (unsigned char)delimiter);
}

void hf_csv_in_name(hf_csv_in *in, const char *name) {
    in->path = name;
}

void hf_csv_in_tap(hf_csv_in *in, void (*tap)(void *user, const void *bytes, size_t count),
                   void *user) {
    in->tap = tap;
    in->tap_user = user;
}

bool hf_csv_in_stat(const hf_csv_in *in, struct stat *file) {
    return hf_input_stat(in->input, file);
}

bool hf_csv_in_seek(hf_csv_in *in, uint64_t offset, uint64_t line, hf_failure *failure) {
    csv_free(&in->parser);
    if (!parser_start(in, failure)) {
        return false;
    }
    in->at = in->have = 0;
    in->base = offset;
    in->line = line;
    in->held_cr = in->ended = in->begun = false;
    return hf_input_seek(in->input, offset, failure);
}

/* ---- reading ------------------------------------------------------------------------------------ */

static bool refill(hf_csv_in *in, hf_failure *failure) {
    in->base += in->have;
    in->at = in->have = 0;
    ssize_t got = 1;
    while (got > 0 && in->have < CHUNK_BYTES) { /* whole chunks: a mark is never cut */
        got = hf_input_read(in->input, in->chunk + in->have, CHUNK_BYTES - in->have, failure);
        in->have += got > 0 ? (size_t)got : 0;
    }
    in->ended = got == 0;
    if (got < 0 && in->have == 0) {
        return false; /* else what is before it first */
    }
    if (in->tap && in->have) {
        in->tap(in->tap_user, in->chunk, in->have);
    }
    if (in->base > 0) {
        return true;
    }
    in->at = in->have >= 3 && memcmp(in->chunk, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    /* In a gzip file. */
    const char *other = in->have >= 2 && memcmp(in->chunk, "\x1f\x8b", 2) == 0
                            ? "it is packed by gzip twice: gunzip unpacks it once"
                            : hf_input_other_format(in->chunk, in->have);
    return !other || hf_fail(failure, HF_EXIT_USAGE, "%s:1: %s", in->path, other);
}

static bool fail_here(const hf_csv_in *in, hf_failure *failure, const char *what) {
    if (in->record_line != in->line) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "%s:%llu: %s (in the record that starts on line %llu)", in->path,
                       (unsigned long long)in->line, what, (unsigned long long)in->record_line);
    }
    return hf_fail(failure, HF_EXIT_USAGE, "%s:%llu: %s", in->path, (unsigned long long)in->line,
                   what);
}

static bool feed(hf_csv_in *in, const char *from, size_t bytes, hf_failure *failure) {
    in->begun = true;
    if (csv_parse(&in->parser, from, bytes, on_cell, on_row, in) != bytes) {
        if (csv_error(&in->parser) == CSV_ENOMEM) {
            return hf_fail(failure, HF_EXIT_INCOMPLETE, "%s: out of memory in a cell of line %llu",
                           in->path, (unsigned long long)in->record_line);
        }
        return fail_here(
            in, failure,
            "a quote in the wrong place: a cell with quotes in it is put in quotes and each "
            "of them doubled");
    }
    if (in->text.used + in->parser.entry_pos > HF_CSV_RECORD_MAX) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "%s:%llu: the record is longer than %u MiB: is a quote not closed?",
                       in->path, (unsigned long long)in->record_line, HF_CSV_RECORD_MAX >> 20);
    }
    return true;
}

/* The part of a line that no line end belongs to. libcsv passes over a CR before a record. */
static bool feed_body(hf_csv_in *in, const char *from, size_t bytes, hf_failure *failure) {
    bool passed_over = bytes > 0 && !in->begun && *from == '\r';
    if (bytes > 0 && !passed_over && !feed(in, from, bytes, failure)) {
        return false;
    }
    return !(in->row_done || passed_over) ||
           fail_here(
               in, failure,
               "a carriage return outside quotes that no line feed follows: lines end in LF or CRLF "
               "(tr '\\r' '\\n' makes them so)");
}

static bool feed_end(hf_csv_in *in, bool cr, hf_failure *failure) {
    if (!in->begun) { /* libcsv passes over blank lines */
        on_cell(NULL, 0, in);
        in->row_done = in->blank = true;
        return true;
    }
    return feed(in, cr ? "\r\n" : "\n", cr ? 2 : 1, failure);
}

/* Parses up to the end of this line or chunk. */
static bool step(hf_csv_in *in, hf_failure *failure) {
    const char *from = in->chunk + in->at;
    size_t left = in->have - in->at;
    if (in->held_cr && *from != '\n') {
        in->held_cr = false;
        return feed_body(in, "\r", 1, failure);
    }
    const char *lf = memchr(from, '\n', left);
    size_t body = lf ? (size_t)(lf - from) : left;
    bool cr = body > 0 ? from[body - 1] == '\r' : in->held_cr;
    in->held_cr = false;
    if (!feed_body(in, from, body - (body > 0 && cr), failure)) {
        return false;
    }
    in->at += body;
    if (!lf) {
        in->held_cr = cr;
        return true;
    }
    if (!feed_end(in, cr, failure)) {
        return false;
    }
    in->at++;
    in->line++;
    return true;
}

/* The last line may have no line end. */
static bool finish(hf_csv_in *in, hf_failure *failure) {
    if (in->held_cr) {
        in->held_cr = false;
        if (!feed_end(in, true, failure)) {
            return false;
        }
        in->line++;
    }
    if (!in->row_done && in->begun) {
        if (csv_fini(&in->parser, on_cell, on_row, in) != 0) {
            return hf_fail(
                failure, HF_EXIT_USAGE,
                "%s:%llu: a quote is opened in this record and not closed before the end of the "
                "file",
                in->path, (unsigned long long)in->record_line);
        }
        in->line++;
    }
    return true;
}

int hf_csv_in_next(hf_csv_in *in, hf_csv_record *record, hf_failure *failure) {
    hf_bytes_reset(&in->text, KEEP_BYTES);
    in->n_cells = 0;
    in->row_done = in->begun = in->blank = false;
    in->record_line = in->line;
    while (!in->row_done) {
        if (in->at < in->have) {
            if (!step(in, failure)) {
                return -1;
            }
        } else if (!in->ended) {
            if (!refill(in, failure)) {
                return -1;
            }
        } else if (!finish(in, failure)) {
            return -1;
        } else if (!in->row_done) {
            return 0;
        }
    }
    for (size_t i = 0; i < in->n_cells; i++) {
        if (in->cells[i].data) {
            in->cells[i].data = in->text.data + ((uintptr_t)in->cells[i].data - 1);
        }
    }
    *record = (hf_csv_record){ .cells = in->cells,
                               .n_cells = in->n_cells,
                               .line = in->record_line,
                               .next_line = in->line,
                               .end = in->base + in->at,
                               .blank = in->blank };
    return 1;
}
