/* The report's input: what is read is what an independent reader of the same dialect reads, to the byte; what one
 * refuses the other does, too; and reading on from any record gives the rest. A gzip file is read on from as well.
 *
 *     input = which record to go back to, then the file
 */
#include "fuzz.h"
#include "memory_file.h"

#include "base/input.h"
#include "report/csv_in.h"

enum { RECORDS = 512 };

/* --- the second opinion: one pass over the bytes, no state but the place ------------------------------- */

typedef struct hf_plain {
    const uint8_t *at, *end;
    uint64_t line;
    uint8_t *text; /* of the cell in hand */
    size_t bytes;
    bool null;
} hf_plain;

typedef enum hf_stop { CELL_ENDS, RECORD_ENDS, FILE_ENDS, REFUSED } hf_stop;

static bool is(const hf_plain *plain, uint8_t byte) {
    return plain->at < plain->end && *plain->at == byte;
}

/* Behind a cell. */
static hf_stop separator(hf_plain *plain) {
    if (plain->at == plain->end)
        return FILE_ENDS;
    if (is(plain, ',')) {
        plain->at++;
        return CELL_ENDS;
    }
    bool cr = is(plain, '\r');
    plain->at += cr;
    if (!is(plain, '\n') && !(cr && plain->at == plain->end))
        return REFUSED;
    plain->at += plain->at < plain->end;
    plain->line++;
    return RECORD_ENDS;
}

static hf_stop quoted(hf_plain *plain) {
    for (plain->at++; plain->at < plain->end; plain->at++) {
        if (is(plain, '"') && !(plain->at + 1 < plain->end && plain->at[1] == '"')) {
            plain->at++;
            return separator(plain);
        }
        plain->at += is(plain, '"');
        plain->line += is(plain, '\n');
        plain->text[plain->bytes++] = *plain->at;
    }
    return REFUSED;
}

static hf_stop cell(hf_plain *plain) {
    plain->bytes = 0;
    plain->null = false;
    if (is(plain, '"'))
        return quoted(plain);
    for (; plain->at < plain->end; plain->at++) {
        if (is(plain, ',') || is(plain, '\r') || is(plain, '\n'))
            break;
        if (is(plain, '"'))
            return REFUSED;
        plain->text[plain->bytes++] = *plain->at;
    }
    plain->null = plain->bytes == 0;
    return separator(plain);
}

/* The record's cells, one by one, against those that were read. False: this reader refuses it. */
static bool same_record(hf_plain *plain, const hf_csv_record *record, int got) {
    hf_stop stop = CELL_ENDS;
    for (size_t i = 0; stop == CELL_ENDS; i++) {
        stop = cell(plain);
        if (stop == REFUSED)
            return false;
        if (got <= 0) /* it refuses what comes further on */
            continue;
        HF_FUZZ_CHECK(i < record->n_cells);
        const hf_value *value = &record->cells[i];
        HF_FUZZ_CHECK(plain->null == (value->data == NULL) && plain->bytes == value->bytes);
        HF_FUZZ_CHECK(plain->bytes == 0 || !value->data ||
                      memcmp(plain->text, value->data, plain->bytes) == 0);
        HF_FUZZ_CHECK(stop == CELL_ENDS || i + 1 == record->n_cells);
    }
    plain->line += stop == FILE_ENDS;
    return true;
}

/* --- ours --------------------------------------------------------------------------------------------- */

typedef struct hf_place {
    uint64_t line, end;
    size_t n_cells;
} hf_place;

static bool begins_with(const uint8_t *data, size_t size, const char *mark) {
    return size >= strlen(mark) && memcmp(data, mark, strlen(mark)) == 0;
}

static void read_again(hf_csv_in *in, const hf_place *places, size_t n, size_t from) {
    hf_csv_record record;
    hf_failure failure;
    if (n == 0)
        return;
    from %= n;
    HF_FUZZ_CHECK(hf_csv_in_seek(in, places[from].end, places[from].line, &failure));
    for (size_t i = from + 1; i < n; i++) {
        HF_FUZZ_CHECK(hf_csv_in_next(in, &record, &failure) == 1);
        HF_FUZZ_CHECK(record.line == places[i - 1].line && record.end == places[i].end);
        HF_FUZZ_CHECK(record.n_cells == places[i].n_cells && record.next_line == places[i].line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static hf_place places[RECORDS];
    size_t n = 0;
    int got;
    hf_failure failure = { 0 };
    hf_csv_record record = { 0 };
    if (size < 1)
        return 0;
    const uint8_t *file = data + 1;
    const size_t bytes = size - 1;
    hf_csv_in *in = hf_csv_in_open(hf_memory_file(file, bytes, 0600), &failure);
    hf_plain plain = { .at = file, .end = file + bytes, .line = 1, .text = malloc(size) };
    HF_FUZZ_CHECK(plain.text && !in == !!hf_input_other_format(file, bytes));
    if (!in) {
        HF_FUZZ_CHECK(failure.status == 1 && failure.text[0]);
        free(plain.text);
        return 0;
    }
    plain.at += begins_with(file, bytes, "\xef\xbb\xbf") ? 3 : 0;
    const bool packed =
        begins_with(file, bytes, "\x1f\x8b"); /* of that there is no second opinion */
    do {
        got = hf_csv_in_next(in, &record, &failure);
        if (got > 0 && packed) {
            HF_FUZZ_CHECK(n == 0 || n == RECORDS || record.line == places[n - 1].line);
        } else if (got == 0) {
            HF_FUZZ_CHECK(packed || plain.at == plain.end);
            break;
        } else if (!packed) {
            HF_FUZZ_CHECK(plain.at < plain.end);
            HF_FUZZ_CHECK(got < 0 || record.line == plain.line);
            HF_FUZZ_CHECK(same_record(&plain, &record, got) == (got > 0));
            HF_FUZZ_CHECK(got < 0 || record.next_line == plain.line);
            HF_FUZZ_CHECK(got < 0 || record.end == (uint64_t)(plain.at - file));
        }
        if (got > 0 && n < RECORDS)
            places[n++] = (hf_place){ .line = record.next_line,
                                      .end = record.end,
                                      .n_cells = record.n_cells };
    } while (got > 0);
    HF_FUZZ_CHECK(got >= 0 || (failure.status == 1 && failure.text[0]));
    read_again(in, places, n, data[0]);
    hf_csv_in_close(in);
    free(plain.text);
    return 0;
}
