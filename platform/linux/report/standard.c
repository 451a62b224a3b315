#include "standard.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/log.h"
#include "cli/dated.h"

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

char *hf_spool_begun(const hf_options *options, int64_t started) {
    const int days = options->output_pattern ? HF_DAYS_BACK : 0;
    for (int day = 0; day <= days; day++) {
        char *output = options->output_pattern
                           ? hf_dated_name(options->output_pattern, started, day)
                           : hf_must_copy(options->output);
        char *position = options->position ? hf_must_copy(options->position)
                                           : hf_path_beside(output, ".position");
        char *input = hf_path_beside(output, ".input");
        const bool begun = hf_file_exists(position) && hf_file_exists(input);
        free(position);
        free(input);
        if (begun) {
            return output;
        }
        free(output);
    }
    return NULL;
}

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

/* Makes `fresh` for this run alone. One that a killed run left goes; one that a run still reads into stays: its lock
 * tells them apart. */
static bool make_fresh(hf_spool *spool, hf_failure *failure) {
    for (;;) {
        int fd = hf_file_reopen(spool->fresh, O_WRONLY);
        const bool made = fd < 0 && errno == ENOENT;
        fd = made ? hf_file_create(spool->fresh, O_WRONLY, 0600) : fd;
        if (made && fd < 0 && errno == EEXIST) {
            continue;
        }
        const hf_locked locked = fd < 0 ? HF_LOCK_FAILED : hf_file_lock(fd, spool->fresh);
        if (locked == HF_LOCK_OURS && made) {
            spool->fd = fd;
            return true;
        }
        bool good = locked != HF_LOCK_FAILED &&
                    (locked != HF_LOCK_OURS || unlink(spool->fresh) == 0 || errno == ENOENT);
        if (!good) {
            hf_fail_file(failure, HF_EXIT_USAGE, spool->fresh, "write standard input to");
        } else if (locked == HF_LOCK_TAKEN) {
            good = hf_fail(
                failure, HF_EXIT_USAGE,
                "another run reads its standard input into %s: wait for it, or choose another "
                "--output",
                spool->fresh);
        }
        if (fd >= 0) {
            close(fd);
        }
        if (!good) {
            return false;
        }
    }
}

bool hf_spool_read(hf_spool *spool, const char *output, const char *begun, bool finished,
                   uint32_t wait_ms, hf_failure *failure) {
    uint64_t bytes = 0;
    char *before = begun ? hf_path_beside(begun, ".input") : NULL;
    bool good = true;
    spool->fd = -1;
    spool->kept = hf_path_beside(output, ".input");
    if ((!before && !finished) || !isatty(STDIN_FILENO)) {
        spool->fresh = hf_path_beside(spool->kept, ".new");
        good = make_fresh(spool, failure) &&
               copy_input(spool->fd, spool->fresh, wait_ms, &bytes, failure);
    }
    if (good && bytes == 0 && !before) {
        good = finished || hf_spool_nothing(spool, failure);
    } else if (good && bytes > 0) {
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

bool hf_spool_nothing(const hf_spool *spool, hf_failure *failure) {
    return hf_fail(
        failure, HF_EXIT_USAGE,
        "--cost-file -: there is nothing in standard input, and no unfinished job that has "
        "kept its input (%s)",
        spool->kept);
}

/* This run read its input from standard input, and not what an earlier one kept. */
static bool is_fresh(const hf_spool *spool) {
    return spool->fresh && strcmp(spool->path, spool->fresh) == 0;
}

bool hf_spool_free_place(const hf_spool *spool, hf_failure *failure) {
    return !is_fresh(spool) || !hf_file_exists(spool->kept) ||
           hf_fail(
               failure, HF_EXIT_USAGE,
               "%s is there, but no position that speaks of it, and standard input is to be kept "
               "under that name: move it away, or start over with --restart",
               spool->kept);
}

/* The file at `fresh` is gone, or another run's. */
static void let_go(hf_spool *spool) {
    free(spool->fresh);
    spool->fresh = NULL;
    if (spool->fd >= 0) {
        close(spool->fd); /* and with it the lock */
        spool->fd = -1;
    }
}

bool hf_spool_keep(hf_spool *spool, const char *output, hf_failure *failure) {
    if (!spool->path) {
        return true;
    }
    free(spool->kept);
    spool->kept = hf_path_beside(output, ".input"); /* perhaps of an earlier day */
    if (!is_fresh(spool)) {
        return true;
    }
    if (rename(spool->fresh, spool->kept) != 0 || !hf_folder_sync(spool->kept)) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, spool->kept, "keep the input as");
    }
    free(spool->path);
    spool->path = hf_must_copy(spool->kept);
    let_go(spool);
    return true;
}

void hf_spool_drop(const hf_spool *spool, const char *output) {
    if (spool->path) {
        char *kept = hf_path_beside(output, ".input");
        unlink(kept);
        free(kept);
    }
}

void hf_spool_free(hf_spool *spool) {
    if (spool->fresh) {
        if (spool->fd >= 0) {
            unlink(spool->fresh);
        }
        let_go(spool);
    }
    free(spool->kept);
    free(spool->path);
    *spool = (hf_spool){ 0 };
}

/* ---- output --------------------------------------------------------------------------------------- */

/* Somebody may read slowly, or not at all: into a pipe that has room go PIPE_BUF bytes at once (POSIX, write), so a
 * signal is always heard. */
static bool write_out(const char *at, size_t bytes, bool file, uint64_t until,
                      hf_failure *failure) {
    while (bytes > 0) {
        const size_t piece = file || bytes < PIPE_BUF ? bytes : PIPE_BUF;
        if (!file && !hf_file_await(STDOUT_FILENO, POLLOUT, "standard output", until, failure)) {
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

bool hf_standard_output(const char *path, uint64_t until, hf_failure *failure) {
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
        good = got <= 0 || write_out(chunk, (size_t)got, file, until, failure);
    } while (good && (got > 0 || (got < 0 && errno == EINTR)));
    if (good && got < 0) {
        good = hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "read");
    }
    free(chunk);
    close(fd);
    return good;
}
