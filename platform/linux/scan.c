#include "scan.h"

#include "bytes.h"
#include "files.h"
#include "program.h"
#include "signals.h"

#include "hf_mbedtls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIGNALS_EVERY 65536 /* lines */

static void add_to_hash(void *user, const void *bytes, size_t count) {
    hf_mbedtls_hash.update(user, bytes, count);
}

void hf_sha256_of(const void *from, size_t bytes, uint8_t out[HF_HASH_BYTES]) {
    hf_sha256 hash;
    hf_mbedtls_hash.start(&hash);
    hf_mbedtls_hash.update(&hash, from, bytes);
    hf_mbedtls_hash.finish(&hash, out);
}

static void identify_manner(const hf_options *options, uint8_t out[HF_HASH_BYTES]) {
    hf_bytes text = { 0 };
    hf_bytes_format(&text, "params=%s\nwrite=%d\nreplay=%d\n",
                    options->params ? options->params : "", options->write,
                    hf_options_replay(options) == HF_REPLAY_SAFE);
    if (options
            ->affected) { /* what came later is there only when it is given: old positions stay valid */
        hf_bytes_add_text(&text, "affected=1\n");
    }
    hf_sha256_of(text.data, text.used, out);
    hf_bytes_free(&text);
}

static void keep_header(hf_scan *scan, const hf_csv_record *record) {
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
    scan->first_offset = record->end;
}

static bool no_header(const hf_scan *scan, const char *path, hf_failure *failure) {
    bool blank = true;
    for (size_t i = 0; i < scan->n_header; i++) {
        blank = blank && scan->header[i].bytes == 0;
    }
    return blank &&
           !hf_fail(failure, HF_EXIT_USAGE,
                    "%s:1: there is no header: the first line must name the columns", path);
}

bool hf_scan_input(hf_scan *scan, hf_csv_in *in, const hf_options *options, const hf_bytes *query,
                   hf_failure *failure) {
    hf_sha256 hash;
    hf_csv_record record;
    *scan = (hf_scan){ 0 };
    if (!hf_csv_in_stat(in, &scan->file)) {
        return hf_fail_file(failure, HF_EXIT_USAGE, options->cost_file, "read");
    }
    hf_mbedtls_hash.start(&hash);
    hf_csv_in_tap(in, add_to_hash, &hash);
    int more = hf_csv_in_next(in, &record, failure);
    if (more > 0) {
        keep_header(scan, &record);
    }
    if (more >= 0 && no_header(scan, options->cost_file, failure)) {
        return false;
    }
    while (more > 0 && (more = hf_csv_in_next(in, &record, failure)) > 0) {
        if (++scan->lines % SIGNALS_EVERY == 0 && hf_signals_caught()) {
            return hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s",
                           strsignal(hf_signals_caught()));
        }
    }
    hf_csv_in_tap(in, NULL, NULL);
    if (more < 0) {
        return false;
    }
    hf_mbedtls_hash.finish(&hash, scan->identity.input);
    hf_sha256_of(query->data, query->used, scan->identity.query);
    identify_manner(options, scan->identity.manner);
    return true;
}

static bool same_content(const hf_scan *scan, const char *path) {
    uint8_t now[HF_HASH_BYTES];
    hf_sha256 hash;
    size_t size = 256 * 1024;
    int fd = hf_file_open(path, O_RDONLY);
    if (fd < 0) {
        return false;
    }
    char *chunk = hf_must_alloc(size, 1);
    ssize_t got;
    hf_mbedtls_hash.start(&hash);
    while ((got = read(fd, chunk, size)) != 0) {
        if (got < 0 && errno != EINTR) {
            break;
        }
        hf_mbedtls_hash.update(&hash, chunk, got > 0 ? (size_t)got : 0);
    }
    hf_mbedtls_hash.finish(&hash, now);
    free(chunk);
    close(fd);
    return got == 0 && memcmp(now, scan->identity.input, sizeof now) == 0;
}

bool hf_scan_changed(hf_scan *scan, const hf_csv_in *in, const char *path) {
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
    return memcmp(one->manner, other->manner, HF_HASH_BYTES) != 0
               ? "--params, --write, --replay or --affected"
               : NULL;
}

void hf_scan_free(hf_scan *scan) {
    for (size_t i = 0; i < scan->n_header; i++) {
        free((void *)(uintptr_t)scan->header[i].data);
    }
    free(scan->header);
    *scan = (hf_scan){ 0 };
}

/* ---- parameters ----------------------------------------------------------------------------------- */

static bool named(hf_value name, const char *text, size_t bytes) {
    return name.bytes == bytes && (bytes == 0 || memcmp(name.data, text, bytes) == 0);
}

static void add_names(const hf_scan *scan, hf_bytes *to) {
    for (size_t i = 0; i < scan->n_header && to->used < 400; i++) {
        hf_bytes_add_text(to, i ? ", " : "");
        hf_bytes_add_printable(to, scan->header[i].data, scan->header[i].bytes);
    }
}

static bool no_column(const hf_scan *scan, const char *path, const char *text, size_t bytes,
                      hf_failure *failure) {
    hf_bytes names = { 0 }, wanted = { 0 };
    add_names(scan, &names);
    hf_bytes_add_printable(&wanted, text, bytes);
    hf_fail(failure, HF_EXIT_USAGE, "--params: %s has no column '%s'; its columns are: %s", path,
            hf_bytes_text(&wanted), hf_bytes_text(&names));
    hf_bytes_free(&names);
    hf_bytes_free(&wanted);
    return false;
}

static bool find_column(const hf_scan *scan, const char *path, const char *text, size_t bytes,
                        size_t *column, hf_failure *failure) {
    size_t found = 0;
    for (size_t i = 0; i < scan->n_header; i++) {
        if (named(scan->header[i], text, bytes)) {
            *column = i;
            found++;
        }
    }
    if (found == 0) {
        return no_column(scan, path, text, bytes, failure);
    }
    return found == 1 ||
           hf_fail(failure, HF_EXIT_USAGE, "--params: %s has %zu columns named '%.*s'", path, found,
                   (int)(bytes < 100 ? bytes : 100), text);
}

bool hf_scan_params(const hf_scan *scan, const char *params, const char *path, unsigned n_wanted,
                    size_t **columns, hf_failure *failure) {
    unsigned count = 0;
    *columns = hf_must_alloc(n_wanted, sizeof **columns);
    if (!params) {
        for (; count < n_wanted && count < scan->n_header; count++) {
            (*columns)[count] = count;
        }
        return count == n_wanted ||
               hf_fail(failure, HF_EXIT_USAGE,
                       "the query has parameters up to $%u, but %s has only %zu column%s", n_wanted,
                       path, scan->n_header, scan->n_header == 1 ? "" : "s");
    }
    for (const char *at = params; at;) {
        size_t bytes = strcspn(at, ","), column = 0;
        if (!find_column(scan, path, at, bytes, &column, failure)) {
            return false;
        }
        if (count < n_wanted) {
            (*columns)[count] = column;
        }
        count++;
        at = at[bytes] ? at + bytes + 1 : NULL;
    }
    return count == n_wanted ||
           hf_fail(failure, HF_EXIT_USAGE,
                   "--params names %u column%s, but the query has %u parameter%s", count,
                   count == 1 ? "" : "s", n_wanted, n_wanted == 1 ? "" : "s");
}
