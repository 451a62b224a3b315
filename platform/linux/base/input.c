/* zlib unpacks; this file alone knows it. A gzip file may have several members, one after the other, and zeros behind
 * the last (tape blocks; gzip(1) takes them, too). Anything else there is an error, as is an end within a member. */
#include "input.h"

#include "failure.h"
#include "files.h"
#include "signals.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK_BYTES (128 * 1024)
#define TAR_AT      257       /* where a tar archive says that it is one */
#define WINDOW_BITS (15 + 16) /* the largest window; + 16: with gzip's header and trailer */

struct hf_input {
    int fd;
    const char *path;
    bool packed, ended;
    bool within;    /* of a member: its trailer is still to come */
    bool damaged;   /* nothing behind this place can be had */
    bool cut;       /* the file ends within a member, of which zlib may still hold some bytes */
    uint64_t taken; /* bytes of the file that were read into the chunk, all in all */
    z_stream unpack;
    unsigned char *chunk; /* packed bytes */
};

/* ---- what it is ----------------------------------------------------------------------------------- */

#define MAGIC(bytes) bytes, sizeof(bytes) - 1
#define HTML         "it is HTML, the page of an error or a login perhaps: fetch the file again"
#define JSON         "it is JSON: write it as CSV"

typedef struct hf_format {
    const char *magic;
    size_t bytes;
    const char *what;
} hf_format;

/* What is text may have a byte order mark and blanks before it, and HTML's words any case. */
static const char *other_text(const char *at, size_t bytes) {
    static const hf_format formats[] = {
        { MAGIC("<?xml"), "it is XML: write it as CSV" },
        { MAGIC("<!doctype"), HTML },
        { MAGIC("<html"), HTML },
        { MAGIC("{\""), JSON },
        { MAGIC("{\n"), JSON },
        { MAGIC("{\r\n"), JSON },
        { MAGIC("[{"), JSON },
        { MAGIC("[\n"), JSON },
        { MAGIC("[\r\n"), JSON },
    };
    if (bytes >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
        at += 3;
        bytes -= 3;
    }
    while (bytes > 0 && isspace((unsigned char)*at)) {
        at++;
        bytes--;
    }
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (bytes >= formats[i].bytes && strncasecmp(at, formats[i].magic, formats[i].bytes) == 0) {
            return formats[i].what;
        }
    }
    return NULL;
}

const char *hf_input_other_format(const void *first, size_t bytes) {
    static const hf_format formats[] = {
        { MAGIC("\xff\xfe\0\0"), "it is UTF-32: iconv -f UTF-32 -t UTF-8 makes it UTF-8" },
        { MAGIC("\xff\xfe"), "it is UTF-16: iconv -f UTF-16 -t UTF-8 makes it UTF-8" },
        { MAGIC("\xfe\xff"), "it is UTF-16: iconv -f UTF-16 -t UTF-8 makes it UTF-8" },
        { MAGIC("\x28\xb5\x2f\xfd"),
          "it is packed by Zstandard: unzstd unpacks it, or pack it by gzip" },
        { MAGIC("\xfd"
                "7zXZ\0"),
          "it is packed by xz: unxz unpacks it, or pack it by gzip" },
        { MAGIC("\x04\x22\x4d\x18"), "it is packed by LZ4: unlz4 unpacks it, or pack it by gzip" },
        { MAGIC("LZIP\x01"), "it is packed by lzip: lzip -d unpacks it, or pack it by gzip" },
        { MAGIC("\x1f\x9d"),
          "it is packed by compress: uncompress unpacks it, or pack it by gzip" },
        { MAGIC("\x89LZO\0"), "it is packed by lzop: lzop -d unpacks it, or pack it by gzip" },
        { MAGIC("7z\xbc\xaf\x27\x1c"), "it is a 7z archive: unpack it first" },
        { MAGIC("Rar!\x1a\x07"), "it is a RAR archive: unpack it first" },
        { MAGIC("PK\x03\x04"),
          "it is a ZIP archive or a spreadsheet (.xlsx, .ods): unzip it, or save it as CSV (UTF-8)" },
        { MAGIC("PK\x05\x06"), "it is an empty ZIP archive" },
        { MAGIC("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
          "it is a spreadsheet (.xls): save it as CSV (UTF-8)" },
        { MAGIC("PGDMP"), "it is a dump: pg_restore puts it into a database" },
        { MAGIC("PGCOPY\n\377"), "it is COPY's binary format: COPY ... (FORMAT csv, HEADER)" },
        { MAGIC("PAR1\x15"), "it is Parquet: write it as CSV" },
        { MAGIC("SQLite format 3\0"), "it is an SQLite database: write its table as CSV" },
        { MAGIC("%PDF-"), "it is a PDF: the input is CSV" },
        { MAGIC("\x7f"
                "ELF"),
          "it is a program: the input is CSV" },
    };
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (bytes >= formats[i].bytes && memcmp(first, formats[i].magic, formats[i].bytes) == 0) {
            return formats[i].what;
        }
    }
    const char *at = first;
    if (bytes >= 10 && memcmp(at, "BZh", 3) == 0 && memcmp(at + 4, "1AY&SY", 6) == 0) {
        return "it is packed by bzip2: bunzip2 unpacks it, or pack it by gzip";
    }
    return bytes >= TAR_AT + 5 && memcmp(at + TAR_AT, "ustar", 5) == 0
               ? "it is a tar archive: unpack it first"
               : other_text(at, bytes);
}

/* Reads the file's first bytes. False: it is none of ours. */
static bool look(hf_input *input, hf_failure *failure) {
    unsigned char first[512];
    ssize_t got;
    do {
        got = pread(input->fd, first, sizeof first, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return hf_fail_file(failure, HF_EXIT_USAGE, input->path, "read the cost file");
    }
    const char *other = hf_input_other_format(first, (size_t)got);
    if (other) {
        return hf_fail(failure, HF_EXIT_USAGE, "%s:1: %s", input->path, other);
    }
    input->packed = got >= 2 && first[0] == 0x1f && first[1] == 0x8b;
    return true;
}

static bool start_unpacking(hf_input *input, hf_failure *failure) {
    inflateEnd(&input->unpack);
    input->unpack = (z_stream){ .next_in = Z_NULL };
    input->taken = 0;
    input->ended = input->within = input->damaged = input->cut = false;
    return inflateInit2(&input->unpack, WINDOW_BITS) == Z_OK ||
           hf_fail(failure, HF_EXIT_INCOMPLETE, "%s: no memory to unpack it; %s", input->path,
                   hf_way_out(ENOMEM));
}

hf_input *hf_input_open(const char *path, hf_failure *failure) {
    struct stat file;
    int fd = hf_file_open(path, O_RDONLY); /* a pipe does not hold us up */
    if (fd < 0 || fstat(fd, &file) != 0) {
        bool missing = errno == ENOENT;
        hf_fail_file(failure, HF_EXIT_USAGE, path, "read the cost file");
        hf_fail_more(failure, missing ? "; --cost-file names the CSV file" : "");
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    const char *kind = hf_mode_kind(file.st_mode);
    if (kind) {
        close(fd);
        hf_fail(
            failure, HF_EXIT_USAGE,
            "%s is %s, and no regular file: the input is read again when the job is resumed; put it "
            "into a file first",
            path, kind);
        return NULL;
    }
    hf_input *input = hf_must_alloc(1, sizeof *input);
    *input = (hf_input){ .fd = fd, .path = path };
    if (!look(input, failure) || (input->packed && !start_unpacking(input, failure))) {
        hf_input_close(input);
        return NULL;
    }
    if (input->packed) {
        input->chunk = hf_must_alloc(CHUNK_BYTES, 1);
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return input;
}

void hf_input_close(hf_input *input) {
    if (input) {
        inflateEnd(&input->unpack);
        close(input->fd);
        free(input->chunk);
        free(input);
    }
}

bool hf_input_stat(const hf_input *input, struct stat *file) {
    return fstat(input->fd, file) == 0;
}

/* ---- reading -------------------------------------------------------------------------------------- */

static ssize_t read_file(hf_input *input, void *to, size_t bytes, hf_failure *failure) {
    ssize_t got;
    do {
        got = read(input->fd, to, bytes);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        hf_fail_file(failure, HF_EXIT_INCOMPLETE, input->path, "read");
    }
    return got;
}

static bool broken(const hf_input *input, const char *what, hf_failure *failure) {
    unsigned long long at = input->taken - input->unpack.avail_in;
    return hf_fail(
        failure, HF_EXIT_USAGE,
        "%s: the gzip file %s at byte %llu: gzip -t says whether it is whole; fetch or make "
        "it again",
        input->path, what, at);
}

/* Behind a member: is there another, or the end? Zeros are passed over. */
static bool next_member(hf_input *input, hf_failure *failure) {
    z_stream *unpack = &input->unpack;
    while (unpack->avail_in > 0 && *unpack->next_in == 0) {
        unpack->next_in++;
        unpack->avail_in--;
    }
    if (unpack->avail_in > 0 && *unpack->next_in != 0x1f) {
        return broken(input, "has something else behind its end", failure);
    }
    return unpack->avail_in == 0 || inflateReset(unpack) == Z_OK;
}

/* More packed bytes, when none are left. False: failure; at the end of the file `ended` or `cut` is set. */
static bool refill(hf_input *input, hf_failure *failure) {
    ssize_t got = read_file(input, input->chunk, CHUNK_BYTES, failure);
    if (got < 0) {
        return false;
    }
    input->taken += (size_t)got;
    input->unpack.next_in = input->chunk;
    input->unpack.avail_in = (unsigned)got;
    input->ended = got == 0 && !input->within;
    input->cut = got == 0 && input->within;
    return true;
}

/* One step of it. False: failure. */
static bool inflate_some(hf_input *input, hf_failure *failure) {
    z_stream *stream = &input->unpack;
    if (!input->damaged && stream->avail_in == 0 && !refill(input, failure)) {
        return false;
    }
    if (input->ended || (!input->within && !next_member(input, failure))) {
        return input->ended;
    }
    if (stream->avail_in == 0 && !input->damaged && !input->cut) {
        return true;
    }
    input->within = true;
    int answer = input->damaged ? Z_DATA_ERROR : inflate(stream, Z_NO_FLUSH);
    if (answer == Z_MEM_ERROR) {
        return hf_fail(failure, HF_EXIT_INCOMPLETE, "%s: no memory to unpack it; %s", input->path,
                       hf_way_out(ENOMEM));
    }
    if (input->cut && answer == Z_BUF_ERROR) { /* nothing is left in zlib either */
        return broken(input, "ends too soon,", failure);
    }
    if (answer != Z_OK && answer != Z_STREAM_END && answer != Z_BUF_ERROR) {
        input->damaged = true;
        return broken(input, "is damaged", failure);
    }
    input->within = answer != Z_STREAM_END;
    return true;
}

static ssize_t unpack(hf_input *input, void *to, size_t bytes, hf_failure *failure) {
    z_stream *stream = &input->unpack;
    bool good = true;
    stream->next_out = to;
    stream->avail_out = (unsigned)bytes;
    while (good && stream->avail_out > 0 && !input->ended) {
        good = inflate_some(input, failure);
    }
    size_t made = bytes - stream->avail_out;
    return good || made > 0 ? (ssize_t)made : -1; /* what failed fails again when it is reached */
}

ssize_t hf_input_read(hf_input *input, void *to, size_t bytes, hf_failure *failure) {
    return input->packed ? unpack(input, to, bytes, failure) : read_file(input, to, bytes, failure);
}

bool hf_input_seek(hf_input *input, uint64_t offset, hf_failure *failure) {
    if (lseek(input->fd, input->packed ? 0 : (off_t)offset, SEEK_SET) < 0) {
        return hf_fail_file(failure, HF_EXIT_USAGE, input->path, "read");
    }
    if (!input->packed) {
        return true;
    }
    if (!start_unpacking(input, failure)) {
        return false;
    }
    char *passed = hf_must_alloc(CHUNK_BYTES, 1);
    ssize_t got = 1;
    while (offset > 0 && got > 0 && !hf_signals_caught()) {
        got = unpack(input, passed, offset < CHUNK_BYTES ? (size_t)offset : CHUNK_BYTES, failure);
        offset -= got > 0 ? (size_t)got : 0;
    }
    free(passed);
    if (hf_signals_caught() && offset > 0) {
        return hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s",
                       strsignal(hf_signals_caught()));
    }
    return got >= 0;
}
