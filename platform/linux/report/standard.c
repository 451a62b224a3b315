#include "standard.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)256 * 1024)

/* ---- input ---------------------------------------------------------------------------------------- */

static bool copy_input(int to, const char *path, uint32_t wait_ms, uint64_t *bytes,
                       hf_failure *failure) {
    const uint64_t until = hf_file_until(wait_ms);
    char *chunk = hf_must_alloc(CHUNK_BYTES, 1);
    ssize_t got = 0;
    bool good = true;
    do {
        good = hf_file_await(STDIN_FILENO, POLLIN, "standard input", until, failure);
        got = good ? read(STDIN_FILENO, chunk, CHUNK_BYTES) : 0;
        if (got > 0 && !hf_write_all(to, chunk, (size_t)got, -1)) {
            good = hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "write standard input to");
        }
        *bytes += got > 0 ? (uint64_t)got : 0;
    } while (good && (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN))));
    free(chunk);
    if (good && got < 0) {
        good = hf_fail_file(failure, HF_EXIT_USAGE, "standard input", "read");
    }
    return good && (hf_file_sync(to) || hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "sync"));
}

static bool read_fresh(hf_spool *spool, uint32_t wait_ms, uint64_t *bytes, hf_failure *failure) {
    unlink(spool->fresh); /* what a run that was killed left */
    int fd = hf_file_create(spool->fresh, O_WRONLY, 0600);
    if (fd < 0) {
        return hf_fail_file(failure, HF_EXIT_USAGE, spool->fresh, "write standard input to");
    }
    bool good = copy_input(fd, spool->fresh, wait_ms, bytes, failure);
    close(fd);
    return good;
}

bool hf_spool_read(hf_spool *spool, const char *output, const char *begun, uint32_t wait_ms,
                   hf_failure *failure) {
    uint64_t bytes = 0;
    char *before = begun ? hf_path_beside(begun, ".input") : NULL;
    bool good = true;
    spool->kept = hf_path_beside(output, ".input");
    if (!before || !isatty(STDIN_FILENO)) {
        spool->fresh = hf_path_beside(spool->kept, ".new");
        good = read_fresh(spool, wait_ms, &bytes, failure);
    }
    if (good && bytes == 0 && !before) {
        good = hf_fail(
            failure, HF_EXIT_USAGE,
            "--cost-file -: there is nothing in standard input, and no unfinished job that has "
            "kept its input (%s)",
            spool->kept);
    }
    if (good && bytes > 0) {
        spool->path = hf_must_copy(spool->fresh);
        hf_log(HF_LOG_INFO, "standard input: %llu bytes, kept in %s until the report is finished",
               (unsigned long long)bytes, spool->kept);
    } else if (good) {
        hf_log(HF_LOG_INFO,
               "standard input is not read: going on with %s, which an earlier run kept", before);
        spool->path = hf_must_copy(before);
    }
    free(before);
    return good;
}

bool hf_spool_free_place(const hf_spool *spool, hf_failure *failure) {
    return !spool->fresh || !hf_file_exists(spool->kept) ||
           hf_fail(
               failure, HF_EXIT_USAGE,
               "%s is there, but no position that speaks of it, and standard input is to be kept "
               "under that name: move it away, or start over with --restart",
               spool->kept);
}

bool hf_spool_keep(hf_spool *spool, const char *output, hf_failure *failure) {
    char *kept = hf_path_beside(output, ".input"); /* perhaps of an earlier day */
    free(spool->kept);
    spool->kept = kept;
    if (!spool->fresh || strcmp(spool->path, spool->fresh) != 0) {
        return true;
    }
    if (rename(spool->fresh, kept) != 0 || !hf_folder_sync(kept)) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, kept, "keep the input as");
    }
    free(spool->path);
    spool->path = hf_must_copy(kept);
    return true;
}

void hf_spool_drop(const hf_spool *spool) {
    if (spool->kept) {
        unlink(spool->kept);
    }
}

void hf_spool_free(hf_spool *spool) {
    if (spool->fresh) {
        unlink(spool->fresh);
    }
    free(spool->fresh);
    free(spool->kept);
    free(spool->path);
    *spool = (hf_spool){ 0 };
}

/* ---- output --------------------------------------------------------------------------------------- */

/* Somebody may read slowly, or not at all: into a pipe that has room go PIPE_BUF bytes at once (POSIX, write), so a
 * signal is always heard. */
static bool write_out(const char *at, size_t bytes, bool file, hf_failure *failure) {
    while (bytes > 0) {
        const size_t piece = file || bytes < PIPE_BUF ? bytes : PIPE_BUF;
        if (!file && !hf_file_await(STDOUT_FILENO, POLLOUT, "standard output", 0, failure)) {
            return false;
        }
        ssize_t put = write(STDOUT_FILENO, at, piece);
        if (put < 0 && errno != EINTR && errno != EAGAIN) {
            hf_fail_file(failure, HF_EXIT_INCOMPLETE, "standard output", "write the report to");
            hf_fail_more(failure,
                         "; the report is finished: the same command writes it again, from its "
                         "first line");
            return false;
        }
        at += put > 0 ? put : 0;
        bytes -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

bool hf_standard_output(const char *path, hf_failure *failure) {
    struct stat out;
    const bool file = fstat(STDOUT_FILENO, &out) == 0 && S_ISREG(out.st_mode);
    int fd = hf_file_reopen(path, O_RDONLY);
    if (fd < 0) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "read");
    }
    char *chunk = hf_must_alloc(CHUNK_BYTES, 1);
    ssize_t got = 0;
    bool good = true;
    do {
        got = read(fd, chunk, CHUNK_BYTES);
        good = got <= 0 || write_out(chunk, (size_t)got, file, failure);
    } while (good && (got > 0 || (got < 0 && errno == EINTR)));
    if (good && got < 0) {
        good = hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "read");
    }
    free(chunk);
    close(fd);
    return good;
}
