#include "files.h"

#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int hf_file_open(const char *path, int flags) {
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

bool hf_file_cut(int fd, uint64_t bytes) {
    int answer;
    do {
        answer = ftruncate(fd, (off_t)bytes);
    } while (answer != 0 && errno == EINTR);
    return answer == 0;
}

bool hf_file_sync(int fd) {
    int answer;
    do {
        answer = fdatasync(fd);
    } while (answer != 0 && errno == EINTR);
    return answer == 0;
}

bool hf_file_reserve(int fd, uint64_t from, uint64_t bytes) {
    int error;
    do {
        error = posix_fallocate(fd, (off_t)from, (off_t)bytes);
    } while (error == EINTR);
    errno = error ? error : errno;
    return error == 0;
}

bool hf_file_read(const char *path, size_t max, hf_bytes *to, hf_failure *failure) {
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : hf_file_open(path, O_RDONLY);
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
    return lstat(path, &file) == 0 || (errno != ENOENT && errno != ENOTDIR);
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

static bool same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool hf_same_file(const char *a, const char *b) {
    struct stat one, other;
    bool there = stat(a, &one) == 0, there_too = stat(b, &other) == 0;
    if (there || there_too) {
        return there && there_too && S_ISREG(one.st_mode) && same(&one, &other);
    }
    const char *name = strrchr(a, '/'), *name_too = strrchr(b, '/');
    if (strcmp(name ? name + 1 : a, name_too ? name_too + 1 : b) != 0) {
        return false;
    }
    char *folder = hf_path_folder(a), *folder_too = hf_path_folder(b);
    bool answer = stat(folder, &one) == 0 && stat(folder_too, &other) == 0 && same(&one, &other);
    free(folder);
    free(folder_too);
    return answer;
}

bool hf_file_special(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 && !S_ISREG(file.st_mode) && !S_ISDIR(file.st_mode);
}

bool hf_folder_sync(const char *path) {
    char *folder = hf_path_folder(path);
    int fd = hf_file_open(folder, O_RDONLY | O_DIRECTORY);
    free(folder);
    if (fd < 0) {
        return false;
    }
    /* Some file systems cannot sync a folder and say so by EINVAL: then there is nothing to wait for. */
    int answer;
    do {
        answer = fsync(fd);
    } while (answer != 0 && errno == EINTR);
    bool good = answer == 0 || errno == EINVAL;
    int number = errno;
    close(fd);
    errno = number;
    return good;
}

bool hf_folder_usable(const char *path, hf_failure *failure) {
    char *folder = hf_path_folder(path);
    struct stat file;
    bool good = stat(folder, &file) == 0;
    if (good && !S_ISDIR(file.st_mode)) {
        good = hf_fail(failure, HF_EXIT_USAGE, "cannot write %s: %s is no folder", path, folder);
    } else if (!good || access(folder, W_OK | X_OK) != 0) {
        const char *out = hf_way_out(errno);
        good = hf_fail(failure, out ? HF_EXIT_INCOMPLETE : HF_EXIT_USAGE,
                       "cannot write %s: the folder %s: %s%s%s", path, folder, strerror(errno),
                       out ? "; " : "", out ? out : "");
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
