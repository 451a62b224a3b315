#include "first_pass.h"

#include "base/bytes.h"
#include "base/failure.h"
#include "base/files.h"
#include "base/input.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/statement.h"
#include "base/text.h"

#include "hf_mbedtls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIGNALS_EVERY 65536 /* lines */
#define READ_BYTES    ((size_t)256 * 1024)

static void add_to_hash(void *user, const void *bytes, size_t count) {
    hf_mbedtls_hash.update(user, bytes, count);
}

void hf_sha256_of(const void *from, size_t bytes, uint8_t out[HF_HASH_BYTES]) {
    hf_sha256 hash;
    hf_mbedtls_hash.start(&hash);
    hf_mbedtls_hash.update(&hash, from, bytes);
    hf_mbedtls_hash.finish(&hash, out);
}

bool hf_sha256_of_file(const char *path, uint64_t bytes, uint8_t out[HF_HASH_BYTES]) {
    hf_sha256 hash;
    int fd = hf_file_reopen(path, O_RDONLY);
    if (fd < 0) {
        return false;
    }
    char *chunk = hf_must_alloc(READ_BYTES, 1);
    ssize_t got = 1;
    hf_mbedtls_hash.start(&hash);
    while (bytes > 0 && (got > 0 || (got < 0 && errno == EINTR))) {
        got = read(fd, chunk, bytes < READ_BYTES ? (size_t)bytes : READ_BYTES);
        if (got > 0) {
            hf_mbedtls_hash.update(&hash, chunk, (size_t)got);
            bytes -= (uint64_t)got;
        }
    }
    const int error = got < 0 ? errno : 0;
    hf_mbedtls_hash.finish(&hash, out);
    free(chunk);
    close(fd);
    errno = error;
    return bytes == 0;
}

static void identify_settings(const hf_options *options, hf_first_pass *scan) {
    hf_bytes text = { 0 };
    hf_bytes_format(&text, "params=%s\nwrite=%d\nreplay=%d\n",
                    options->params ? options->params : "", options->write,
                    hf_options_replay(options) == HF_REPLAY_SAFE);
    if (options
            ->affected) { /* what came later is there only when it is given: old positions stay valid */
        hf_bytes_add_text(&text, "affected=1\n");
    }
    if (options->limit) {
        hf_bytes_format(&text, "limit=%u\n", options->limit);
    }
    if (options->delimiter != ',') {
        hf_bytes_format(&text, "delimiter=%c\n", options->delimiter);
    }
    if (options->order_by) {
        hf_bytes_format(&text, "order-by=%s\n", options->order_by);
    }
    if (options->ledger) {
        hf_bytes_format(&text, "ledger=%s\n", options->ledger);
    }
    hf_sha256_of(text.data, text.used, scan->whole_settings);
    if (options->shard.count) {
        hf_bytes_format(&text, "shard=%u/%u\n", options->shard.number, options->shard.count);
    }
    hf_sha256_of(text.data, text.used, scan->identity.settings);
    hf_bytes_free(&text);
}

static void keep_header(hf_first_pass *scan, const hf_csv_record *record) {
    scan->header = hf_must_alloc(record->n_cells, sizeof *scan->header);
    scan->n_header = record->n_cells;
    for (size_t i = 0; i < record->n_cells; i++) {
        hf_value name = record->cells[i];
        char *copy = hf_must_alloc(name.bytes + 1, 1);
        if (name.bytes) {
            memcpy(copy, name.data, name.bytes);
        }
        scan->header[i] = (hf_value){ .data = name.data ? copy : NULL, .bytes = name.bytes };
        if (!name.data) {
            free(copy);
        }
    }
    scan->first_line = record->next_line;
    scan->first_offset = scan->end = record->end;
}

static bool no_header(const hf_first_pass *scan, const char *path, hf_failure *failure) {
    bool blank = true;
    for (size_t i = 0; i < scan->n_header; i++) {
        blank = blank && scan->header[i].bytes == 0;
    }
    return blank &&
           !hf_fail(failure, HF_EXIT_USAGE,
                    "%s:1: there is no header: the first line must name the columns", path);
}

/* The character that may separate the columns of a header that is one column as it is read. */
static char likely_delimiter(const hf_first_pass *scan) {
    static const char candidates[] = ",;\t|";
    char best = '\0';
    size_t most = 0;
    for (const char *c = candidates; scan->n_header == 1 && *c; c++) {
        size_t count = 0;
        for (size_t i = 0; i < scan->header[0].bytes; i++) {
            count += scan->header[0].data[i] == *c;
        }
        if (count > most) {
            most = count;
            best = *c;
        }
    }
    return best;
}

/* "the columns seem to be separated by ';'…", for a message. */
static void add_delimiter(const hf_first_pass *scan, hf_bytes *to) {
    const bool tab = scan->delimiter == '\t';
    char shown[8];
    snprintf(shown, sizeof shown, tab ? "a tab" : "'%c'", scan->delimiter);
    if (scan->delimiter == ',') {
        hf_bytes_add_text(to, "the columns seem to be separated by ',': leave --delimiter out");
        return;
    }
    hf_bytes_format(
        to,
        "the columns seem to be separated by %s, and holdfast reads commas: --delimiter "
        "%s%c%s reads it as it is",
        shown, tab ? "ta" : "'", tab ? 'b' : scan->delimiter, tab ? "" : "'");
}

/* --delimiter was given, and the header has none. */
static bool no_delimiter(const hf_first_pass *scan, const hf_options *options,
                         hf_failure *failure) {
    if (!options->delimiter_text || scan->n_header != 1) {
        return false;
    }
    hf_bytes text = { 0 };
    if (scan->delimiter) {
        hf_bytes_add_text(&text, "; ");
        add_delimiter(scan, &text);
    }
    hf_fail(
        failure, HF_EXIT_USAGE,
        "%s:1: the header has no '%s', which --delimiter names: leave it out if there is but one "
        "column%s",
        options->cost_file, options->delimiter_text, hf_bytes_text(&text));
    hf_bytes_free(&text);
    return true;
}

/* Is there a control character in the text, other than a tab or a line break? */
static bool has_control(hf_value text) {
    for (size_t i = 0; i < text.bytes; i++) {
        if ((unsigned char)text.data[i] < ' ' && !strchr("\t\r\n", text.data[i])) {
            return true;
        }
    }
    return false;
}

static bool is_utf8(hf_value text) {
    uint32_t code;
    for (size_t at = 0, bytes; at < text.bytes; at += bytes) {
        bytes = (unsigned char)text.data[at] < 0x80
                    ? 1
                    : hf_character(text.data + at, text.bytes - at, &code);
        if (bytes == 0) {
            return false;
        }
    }
    return true;
}

static void note_encoding(hf_first_pass *scan, const hf_csv_record *record) {
    for (size_t i = 0; i < record->n_cells && !scan->not_utf8_line; i++) {
        scan->not_utf8_line = is_utf8(record->cells[i]) ? 0 : record->line;
    }
}

static bool no_text(const hf_first_pass *scan, const char *path, hf_failure *failure) {
    for (size_t i = 0; i < scan->n_header; i++) {
        if (scan->header[i].bytes && memchr(scan->header[i].data, '\0', scan->header[i].bytes)) {
            hf_fail(
                failure, HF_EXIT_USAGE,
                "%s:1: a NUL byte in the header: the input is text in UTF-8 (from UTF-16: iconv -f "
                "UTF-16LE -t UTF-8)",
                path);
            return true;
        }
        if (has_control(scan->header[i])) {
            hf_fail(failure, HF_EXIT_USAGE,
                    "%s:1: a control character in the header: it is no text; is it the right file?",
                    path);
            return true;
        }
    }
    return false;
}

/* The commonest slip of all: the input is the statement, and the statement none. */
static bool swapped(const hf_first_pass *scan, const hf_options *options, const hf_bytes *query,
                    hf_failure *failure) {
    hf_bytes first = { 0 }, text = { 0 };
    hf_bytes_add(&first, scan->header[0].data, scan->header[0].bytes);
    hf_bytes_add(&text, query->data, query->used);
    bool is =
        hf_statement_begins(hf_bytes_text(&first)) && !hf_statement_begins(hf_bytes_text(&text));
    hf_bytes_free(&first);
    hf_bytes_free(&text);
    if (is) {
        hf_fail(
            failure, HF_EXIT_USAGE,
            "--cost-file %s begins like a statement, and --query %s does not: are they the wrong way "
            "round?",
            options->cost_file, options->query);
    }
    return is;
}

/* A blank line in the middle is a line, at the end it is how somebody's editor ends a file. */
static void count_line(hf_first_pass *scan, const hf_csv_record *record, uint64_t *first_blank) {
    const bool full = scan->lines + scan->blank_at_end >= scan->limit;
    if (record->blank && !full) {
        *first_blank = scan->blank_at_end++ ? *first_blank : record->line;
        scan->blank_end = record->end;
    }
    if (record->blank) {
        return;
    }
    if (scan->blank_at_end) {
        scan->blank_inside_line = scan->blank_inside ? scan->blank_inside_line : *first_blank;
        scan->blank_inside += scan->blank_at_end;
        scan->lines += scan->blank_at_end;
        scan->blank_at_end = 0;
        scan->end = scan->blank_end;
    }
    if (!full) {
        scan->lines++;
        scan->end = record->end;
    }
}

static void say_what_is_odd(const hf_first_pass *scan, const char *path) {
    if (scan->delimiter) {
        hf_bytes text = { 0 };
        add_delimiter(scan, &text);
        hf_log(HF_LOG_WARN, "%s:1: the header is one column, '%.*s': %s", path,
               (int)(scan->header[0].bytes < 200 ? scan->header[0].bytes : 200),
               scan->header[0].data, hf_bytes_text(&text));
        hf_bytes_free(&text);
    }
    if (scan->not_utf8_line) {
        hf_log(
            HF_LOG_WARN,
            "%s:%llu: a cell that is no UTF-8: as a parameter it is refused; iconv -f WINDOWS-1252 "
            "-t UTF-8, say, makes it UTF-8",
            path, (unsigned long long)scan->not_utf8_line);
    }
    if (scan->blank_inside && scan->n_header == 1) {
        hf_log(
            HF_LOG_WARN,
            "%s:%llu: a blank line, and %llu more of them before the end: each is a line whose cell "
            "is NULL",
            path, (unsigned long long)scan->blank_inside_line,
            (unsigned long long)scan->blank_inside - 1);
    }
    if (scan->blank_at_end) {
        hf_log(HF_LOG_INFO, "%s: %llu blank line%s at its end: passed over", path,
               (unsigned long long)scan->blank_at_end, scan->blank_at_end == 1 ? "" : "s");
    }
}

bool hf_first_pass_input(hf_first_pass *scan, hf_csv_in *in, const hf_options *options,
                         const hf_bytes *query, hf_failure *failure) {
    hf_sha256 hash;
    hf_csv_record record;
    uint64_t read = 0, first_blank = 0;
    *scan = (hf_first_pass){ .limit = options->limit ? options->limit : UINT64_MAX };
    if (!hf_csv_in_stat(in, &scan->file)) {
        return hf_fail_file(failure, HF_EXIT_USAGE, options->cost_file, "read");
    }
    hf_mbedtls_hash.start(&hash);
    hf_csv_in_tap(in, add_to_hash, &hash);
    int more = hf_csv_in_next(in, &record, failure);
    if (more > 0) {
        keep_header(scan, &record);
        note_encoding(scan, &record);
        scan->delimiter = likely_delimiter(scan);
    }
    if (more >= 0 &&
        (no_header(scan, options->cost_file, failure) ||
         no_text(scan, options->cost_file, failure) || swapped(scan, options, query, failure) ||
         no_delimiter(scan, options, failure))) {
        return false;
    }
    while (more > 0 && (more = hf_csv_in_next(in, &record, failure)) > 0) {
        count_line(scan, &record, &first_blank);
        note_encoding(scan, &record);
        if (++read % SIGNALS_EVERY == 0 && hf_signals_caught()) {
            return hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s",
                           strsignal(hf_signals_caught()));
        }
    }
    hf_csv_in_tap(in, NULL, NULL);
    if (more < 0) {
        return false;
    }
    say_what_is_odd(scan, options->cost_file);
    hf_mbedtls_hash.finish(&hash, scan->identity.input);
    hf_sha256_of(query->data, query->used, scan->identity.query);
    identify_settings(options, scan);
    scan->input_lines = scan->lines;
    scan->bytes = scan->end;
    return true;
}

void hf_first_pass_finished(hf_first_pass *scan, const hf_options *options, const hf_bytes *query,
                            const hf_position_record *finished) {
    *scan = (hf_first_pass){ .identity = finished->identity,
                             .lines = finished->lines_done + finished->lines_rejected +
                                      finished->lines_unknown };
    hf_sha256_of(query->data, query->used, scan->identity.query);
    identify_settings(options, scan);
}

bool hf_first_pass_mine(const hf_first_pass *scan, const hf_options *options,
                        const hf_csv_record *record) {
    const hf_shard *shard = &options->shard;
    return shard->count == 0 || scan->order_column == HF_NO_COLUMN ||
           hf_order_hash(record->cells, record->n_cells, scan->order_column) % shard->count + 1 ==
               shard->number;
}

/* Lines that are to run in order are of one shard, wherever they lie. Else it is the K-th of N parts as equal as may
 * be, one behind the other, so that a shard is read from its own place on. */
bool hf_first_pass_shard(hf_first_pass *scan, hf_csv_in *in, const hf_options *options,
                         hf_failure *failure) {
    const hf_shard *shard = &options->shard;
    const bool by_hash = scan->order_column != HF_NO_COLUMN;
    const uint64_t lines = scan->input_lines;
    const uint64_t from = by_hash ? 0 : lines * (shard->number - 1) / shard->count;
    const uint64_t to = by_hash ? lines : lines * shard->number / shard->count;
    uint64_t offset = scan->first_offset, line = scan->first_line, mine = 0, bytes = 0;
    hf_csv_record record;
    if (!hf_csv_in_seek(in, offset, line, failure)) {
        return false;
    }
    scan->end = offset;
    for (uint64_t i = 0; i < to; i++) {
        if (hf_csv_in_next(in, &record, failure) <= 0) {
            return hf_fail(failure, HF_EXIT_REFUSED,
                           "%s was changed while it was read: run it again", options->cost_file);
        }
        if (i >= from && hf_first_pass_mine(scan, options, &record)) {
            scan->first_offset = mine == 0 ? offset : scan->first_offset;
            scan->first_line = mine == 0 ? line : scan->first_line;
            scan->last_line = record.line;
            scan->end = record.end;
            bytes += record.end - offset;
            mine++;
        }
        offset = record.end;
        line = record.next_line;
        if (i % SIGNALS_EVERY == 0 && hf_signals_caught()) {
            return hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s",
                           strsignal(hf_signals_caught()));
        }
    }
    scan->lines = mine;
    scan->bytes = bytes;
    return true;
}

static bool same_content(const hf_first_pass *scan, const char *path) {
    uint8_t now[HF_HASH_BYTES];
    hf_sha256 hash;
    hf_failure failure;
    hf_input *input = hf_input_open(path, &failure);
    if (!input) {
        return false;
    }
    char *chunk = hf_must_alloc(READ_BYTES, 1);
    ssize_t got;
    hf_mbedtls_hash.start(&hash);
    while ((got = hf_input_read(input, chunk, READ_BYTES, &failure)) > 0) {
        hf_mbedtls_hash.update(&hash, chunk, (size_t)got);
    }
    hf_mbedtls_hash.finish(&hash, now);
    free(chunk);
    hf_input_close(input);
    return got == 0 && memcmp(now, scan->identity.input, sizeof now) == 0;
}

bool hf_first_pass_changed(hf_first_pass *scan, const hf_csv_in *in, const char *path) {
    struct stat now;
    if (!hf_csv_in_stat(in, &now) ||
        (now.st_size == scan->file.st_size && now.st_mtim.tv_sec == scan->file.st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == scan->file.st_mtim.tv_nsec)) {
        return false;
    }
    scan->file = now; /* touched, perhaps no more than that */
    return !same_content(scan, path);
}

const char *hf_identity_difference(const hf_identity *one, const hf_identity *other) {
    if (memcmp(one->input, other->input, HF_HASH_BYTES) != 0) {
        return "the input";
    }
    if (memcmp(one->query, other->query, HF_HASH_BYTES) != 0) {
        return "the query";
    }
    return memcmp(one->settings, other->settings, HF_HASH_BYTES) != 0
               ? "--params, --write, --replay, --affected, --limit, --delimiter, --order-by, --ledger or --shard"
               : NULL;
}

void hf_first_pass_free(hf_first_pass *scan) {
    for (size_t i = 0; i < scan->n_header; i++) {
        free((void *)(uintptr_t)scan->header[i].data);
    }
    free(scan->header);
    *scan = (hf_first_pass){ 0 };
}

/* ---- parameters ----------------------------------------------------------------------------------- */

static bool named(hf_value name, const char *text, size_t bytes) {
    return name.bytes == bytes && (bytes == 0 || memcmp(name.data, text, bytes) == 0);
}

static void add_names(const hf_first_pass *scan, hf_bytes *to) {
    for (size_t i = 0; i < scan->n_header && to->used < 400; i++) {
        hf_bytes_add_text(to, i ? ", " : "");
        hf_bytes_add_printable(to, scan->header[i].data, scan->header[i].bytes);
    }
}

/* Behind a message about columns that are not there: why, if it shows. */
static bool hint(const hf_first_pass *scan, hf_failure *failure) {
    if (scan->delimiter) {
        hf_bytes text = { 0 };
        hf_bytes_add_text(&text, "; ");
        add_delimiter(scan, &text);
        hf_fail_more(failure, hf_bytes_text(&text));
        hf_bytes_free(&text);
    }
    return false;
}

static bool no_column(const hf_first_pass *scan, const char *place, const char *path,
                      const char *text, size_t bytes, hf_failure *failure) {
    hf_bytes names = { 0 }, wanted = { 0 };
    add_names(scan, &names);
    hf_bytes_add_printable(&wanted, text, bytes);
    hf_fail(failure, HF_EXIT_USAGE, "%s: %s has no column '%s'; its columns are: %s%s", place, path,
            hf_bytes_text(&wanted), hf_bytes_text(&names),
            bytes > 0 && (text[0] == ' ' || text[bytes - 1] == ' ')
                ? "; a blank beside a comma belongs to the name"
                : "");
    hf_bytes_free(&names);
    hf_bytes_free(&wanted);
    return hint(scan, failure);
}

static bool find_column(const hf_first_pass *scan, const char *place, const char *path,
                        const char *text, size_t bytes, size_t *column, hf_failure *failure) {
    size_t found = 0;
    for (size_t i = 0; i < scan->n_header; i++) {
        if (named(scan->header[i], text, bytes)) {
            *column = i;
            found++;
        }
    }
    if (found == 0) {
        return no_column(scan, place, path, text, bytes, failure);
    }
    return found == 1 || hf_fail(failure, HF_EXIT_USAGE, "%s: %s has %zu columns named '%.*s'",
                                 place, path, found, (int)(bytes < 100 ? bytes : 100), text);
}

/* The column of the query's name i. */
static bool find_named(const hf_first_pass *scan, const hf_options *options,
                       const hf_statement_names *names, size_t i, size_t *column,
                       hf_failure *failure) {
    char place[300];
    const char *name = names->items[i];
    snprintf(place, sizeof place, "%.150s:%u: :%.80s", options->query, names->lines[i], name);
    if (find_column(scan, place, options->cost_file, name, strlen(name), column, failure)) {
        return true;
    }
    hf_fail_more(failure,
                 "; a colon that begins no parameter has a blank behind it, as in a[1: n]");
    return false;
}

bool hf_first_pass_order(hf_first_pass *scan, const hf_options *options, hf_failure *failure) {
    scan->order_column = HF_NO_COLUMN;
    return !options->order_by ||
           find_column(scan, "--order-by", options->cost_file, options->order_by,
                       strlen(options->order_by), &scan->order_column, failure);
}

bool hf_first_pass_names(const hf_first_pass *scan, const hf_options *options,
                         const hf_statement_names *names, hf_failure *failure) {
    size_t unused;
    bool good = true;
    for (size_t i = 0; good && i < names->count; i++) {
        good = find_named(scan, options, names, i, &unused, failure);
    }
    return good;
}

/* Without --params: the first columns, in their order. */
static bool first_columns(const hf_first_pass *scan, const char *path, unsigned n_wanted,
                          size_t *columns, hf_failure *failure) {
    for (unsigned i = 0; i < n_wanted && i < scan->n_header; i++) {
        columns[i] = i;
    }
    if (n_wanted <= scan->n_header) {
        return true;
    }
    hf_fail(failure, HF_EXIT_USAGE,
            "the query has parameters up to $%u, but %s has only %zu column%s", n_wanted, path,
            scan->n_header, scan->n_header == 1 ? "" : "s");
    return hint(scan, failure);
}

/* The columns of --params, for as many parameters as stand as $n. */
static bool columns_said(const hf_first_pass *scan, const hf_options *options,
                         const hf_statement_names *names, unsigned n_wanted, size_t *columns,
                         hf_failure *failure) {
    unsigned count = 0;
    for (const char *at = options->params; at;) {
        size_t bytes = strcspn(at, ","), column = 0;
        if (!find_column(scan, "--params", options->cost_file, at, bytes, &column, failure)) {
            return false;
        }
        if (count < n_wanted) {
            columns[count] = column;
        }
        count++;
        at = at[bytes] ? at + bytes + 1 : NULL;
    }
    if (n_wanted == 0 && names->count) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "--params %s is given, but the parameters of the query are names alone (:%s), and each "
            "is the column of its name: leave --params out, or write $1 where the value of the "
            "first of these columns goes",
            options->params, names->items[0]);
    }
    if (n_wanted == 0) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "--params %s is given, but the query has no parameter: write $1 where the value "
            "of the first of these columns goes, or leave --params out",
            options->params);
    }
    return count == n_wanted ||
           hf_fail(
               failure, HF_EXIT_USAGE,
               "--params names %u column%s, but the query has %u parameter%s: name one column for "
               "each of $1 to $%u, in that order",
               count, count == 1 ? "" : "s", n_wanted, n_wanted == 1 ? "" : "s", n_wanted);
}

bool hf_first_pass_params(const hf_first_pass *scan, const hf_options *options,
                          const hf_statement_names *names, unsigned n_wanted, size_t **columns,
                          hf_failure *failure) {
    const unsigned numbered =
        names->count && names->first <= n_wanted ? names->first - 1 : n_wanted;
    *columns = hf_must_alloc(n_wanted, sizeof **columns);
    bool good = options->params
                    ? columns_said(scan, options, names, numbered, *columns, failure)
                    : first_columns(scan, options->cost_file, numbered, *columns, failure);
    for (unsigned i = numbered; good && i < n_wanted && i - numbered < names->count; i++) {
        good = find_named(scan, options, names, i - numbered, &(*columns)[i], failure);
    }
    return good;
}
