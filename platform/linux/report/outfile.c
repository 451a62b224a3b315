#include "outfile.h"

#include "base/failure.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define GATHER_BYTES (256 * 1024)

static bool stuck(hf_outfile *file) {
    if (file->error == 0) {
        file->error = errno ? errno : EIO;
    }
    return false;
}

bool hf_outfile_open(hf_outfile *file, const char *path, bool create, uint64_t length, int status,
                     hf_failure *failure) {
    struct stat found;
    *file = (hf_outfile){ .path = path, .fd = -1 };
    int fd = create ? hf_file_create(path, O_WRONLY, 0666) : hf_file_reopen(path, O_WRONLY);
    if (fd < 0 && create && errno == EEXIST) {
        return hf_fail(
            failure, status,
            "%s appeared meanwhile and is not this job's: move it away, then run the same "
            "command again",
            path);
    }
    if (fd < 0 || fstat(fd, &found) != 0) {
        hf_fail_file(failure, status, path, "write");
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    if (!S_ISREG(found.st_mode) || (uint64_t)found.st_size < length) {
        close(fd);
        return hf_fail(
            failure, status,
            "%s is not as this job left it: it has %llu bytes and should have at least %llu; "
            "bring it back, or start over with --restart",
            path, (unsigned long long)found.st_size, (unsigned long long)length);
    }
    if (!hf_file_cut(fd, length) || lseek(fd, (off_t)length, SEEK_SET) < 0) {
        hf_fail_file(failure, status, path, "write");
        close(fd);
        return false;
    }
    file->fd = fd;
    file->written = length;
    file->dirty = true;
    return true;
}

bool hf_outfile_is_open(const hf_outfile *file) {
    return file->path != NULL && file->fd >= 0;
}

uint64_t hf_outfile_length(const hf_outfile *file) {
    return file->written + file->buffer.used;
}

hf_bytes *hf_outfile_buffer(hf_outfile *file) {
    return &file->buffer;
}

bool hf_outfile_added(hf_outfile *file) {
    return file->buffer.used < GATHER_BYTES ? file->error == 0 : hf_outfile_flush(file);
}

bool hf_outfile_flush(hf_outfile *file) {
    if (file->error) {
        return false;
    }
    if (file->buffer.used == 0) {
        return true;
    }
    file->dirty = true;
    if (!hf_write_all(file->fd, file->buffer.data, file->buffer.used, (long long)file->written)) {
        return stuck(file);
    }
    file->written += file->buffer.used;
    hf_bytes_reset(&file->buffer, (size_t)4 * GATHER_BYTES);
    return true;
}

bool hf_outfile_cut(hf_outfile *file, uint64_t length) {
    if (file->error) {
        return false;
    }
    if (length >= file->written) {
        file->buffer.used = (size_t)(length - file->written);
        return true;
    }
    file->buffer.used = 0;
    file->dirty = true;
    if (!hf_file_cut(file->fd, length)) {
        return stuck(file);
    }
    file->written = length;
    return true;
}

bool hf_outfile_retreat(hf_outfile *file, uint64_t length) {
    if (file->sync_failed) {
        return false;
    }
    file->error = 0;
    return hf_outfile_cut(file, length);
}

bool hf_outfile_sync(hf_outfile *file) {
    if (!hf_outfile_flush(file)) {
        return false;
    }
    if (file->dirty && !hf_file_sync(file->fd)) {
        file->sync_failed = true; /* what was written may be gone, whatever a second sync says */
        return stuck(file);
    }
    file->dirty = false;
    return true;
}

void hf_outfile_close(hf_outfile *file) {
    if (hf_outfile_is_open(file)) {
        close(file->fd);
    }
    hf_bytes_free(&file->buffer);
    *file = (hf_outfile){ .fd = -1 };
}

bool hf_outfile_fail(const hf_outfile *file, hf_failure *failure) {
    errno = file->error;
    hf_fail_file(failure, HF_EXIT_INCOMPLETE, file->path, "write");
    return false;
}
