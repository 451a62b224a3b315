#include "files.h"

#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool hf_file_read(const char *path, size_t max, hf_bytes *to, hf_failure *failure) {
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return hf_fail_file(failure, HF_EXIT_USAGE, path, "read");
    }
    ssize_t got;
    do {
        hf_bytes_reserve(to, 16384);
        got = read(fd, to->data + to->used, to->size - to->used);
        to->used += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && to->used <= max) || (got < 0 && errno == EINTR));
    bool good = got == 0;
    if (got < 0) {
        hf_fail_file(failure, HF_EXIT_USAGE, path, "read");
    } else if (!good) {
        hf_fail(failure, HF_EXIT_USAGE, "%s is larger than %zu bytes: is it the right file?", path,
                max);
    }
    if (!standard) {
        close(fd);
    }
    return good;
}

bool hf_file_exists(const char *path) {
    struct stat file;
    return lstat(path, &file) == 0;
}

char *hf_path_beside(const char *path, const char *ending) {
    size_t length = strlen(path), more = strlen(ending) + 1;
    char *made = hf_must_alloc(length + more, 1);
    memcpy(made, path, length);
    memcpy(made + length, ending, more);
    return made;
}

char *hf_path_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = hf_must_copy(slash ? path : ".");
    if (slash) {
        folder[slash == path ? 1 : slash - path] = '\0';
    }
    return folder;
}

bool hf_folder_sync(const char *path) {
    char *folder = hf_path_folder(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0) {
        return false;
    }
    /* Some file systems cannot sync a folder and say so by EINVAL: then there is nothing to wait for. */
    bool good = fsync(fd) == 0 || errno == EINVAL;
    int number = errno;
    close(fd);
    errno = number;
    return good;
}

bool hf_folder_usable(const char *path, hf_failure *failure) {
    char *folder = hf_path_folder(path);
    struct stat file;
    bool good = stat(folder, &file) == 0;
    if (!good) {
        hf_fail(failure, HF_EXIT_USAGE, "cannot write %s: the folder %s: %s", path, folder,
                strerror(errno));
    } else if (!S_ISDIR(file.st_mode)) {
        good = hf_fail(failure, HF_EXIT_USAGE, "cannot write %s: %s is no folder", path, folder);
    } else if (access(folder, W_OK | X_OK) != 0) {
        good = hf_fail(failure, HF_EXIT_USAGE, "cannot write %s: the folder %s: %s", path, folder,
                       strerror(errno));
    }
    free(folder);
    return good;
}

bool hf_write_all(int fd, const void *from, size_t bytes, long long offset) {
    const char *at = from;
    while (bytes > 0) {
        ssize_t written = offset < 0 ? write(fd, at, bytes) : pwrite(fd, at, bytes, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? EIO : errno;
            return false;
        }
        at += written;
        bytes -= (size_t)written;
        offset = offset < 0 ? offset : offset + written;
    }
    return true;
}
