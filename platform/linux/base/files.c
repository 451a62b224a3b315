#include "files.h"

#include "failure.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAP_MS 250 /* a signal that came just before a sleep is noticed so late */

static int open_file(const char *path, int flags, unsigned mode) {
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

int hf_file_open(const char *path, int flags) {
    return open_file(path, flags, 0666);
}

int hf_file_reopen(const char *path, int flags) {
    return open_file(path, flags | O_NOFOLLOW, 0);
}

int hf_file_create(const char *path, int flags, unsigned mode) {
    return open_file(path, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
}

const char *hf_mode_kind(unsigned mode) {
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a named pipe"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISCHR(mode)  ? "a device"
           : S_ISBLK(mode)  ? "a disk"
           : S_ISLNK(mode)  ? "a symbolic link"
                            : NULL;
}

const char *hf_file_kind(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 ? hf_mode_kind(file.st_mode) : NULL;
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

hf_locked hf_file_lock(int fd, const char *path) {
    struct stat ours, there;
    int answer;
    do {
        answer = flock(fd, LOCK_EX | LOCK_NB);
    } while (answer != 0 && errno == EINTR);
    if (answer != 0) {
        return errno == EWOULDBLOCK ? HF_LOCK_TAKEN : HF_LOCK_FAILED;
    }
    if (fstat(fd, &ours) != 0) {
        return HF_LOCK_FAILED;
    }
    if (stat(path, &there) != 0) {
        return errno == ENOENT ? HF_LOCK_MOVED : HF_LOCK_FAILED;
    }
    return ours.st_ino == there.st_ino && ours.st_dev == there.st_dev ? HF_LOCK_OURS
                                                                      : HF_LOCK_MOVED;
}

static uint64_t now_ms(void) {
    struct timespec now = { 0 };
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t hf_file_until(uint32_t wait_ms) {
    return wait_ms ? now_ms() + wait_ms : 0;
}

bool hf_file_await(int fd, short events, const char *path, uint64_t until, hf_failure *failure) {
    struct pollfd file = { .fd = fd, .events = events };
    for (;;) {
        int ready = poll(&file, 1, NAP_MS);
        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            return true; /* what is wrong with it, reading will say */
        }
        if (hf_signals_caught()) {
            return hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s, waiting for %s",
                           strsignal(hf_signals_caught()), path);
        }
        if (until && now_ms() >= until) {
            return hf_fail(failure, HF_EXIT_INCOMPLETE,
                           "the job's time is over (--deadline), waiting for %s: nothing %s it",
                           path, events == POLLIN ? "writes to" : "reads from");
        }
    }
}

bool hf_file_read_within(const char *path, size_t max, uint32_t wait_ms, hf_bytes *to,
                         hf_failure *failure) {
    bool standard = strcmp(path, "-") == 0, waited = true;
    const char *name = standard ? "standard input" : path;
    int fd = standard ? STDIN_FILENO : hf_file_open(path, O_RDONLY);
    if (fd < 0) {
        return hf_fail_file(failure, HF_EXIT_USAGE, name, "read");
    }
    const uint64_t until = hf_file_until(wait_ms);
    ssize_t got = 0;
    do {
        hf_bytes_reserve(to, 16384);
        waited = hf_file_await(fd, POLLIN, name, until, failure);
        got = waited ? read(fd, to->data + to->used, to->size - to->used) : -1;
        to->used += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && to->used <= max) ||
             (waited && got < 0 && (errno == EINTR || errno == EAGAIN)));
    bool good = got == 0;
    if (waited && got < 0) {
        hf_fail_file(failure, HF_EXIT_USAGE, name, "read");
    } else if (got > 0) {
        hf_fail(failure, HF_EXIT_USAGE, "%s is larger than %zu bytes: is it the right file?", name,
                max);
    }
    if (!standard) {
        close(fd);
    }
    return good;
}

bool hf_file_read(const char *path, size_t max, hf_bytes *to, hf_failure *failure) {
    return hf_file_read_within(path, max, 0, to, failure);
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

/* The folder a path lies in, from the heap. */
static char *folder_of(const char *path) {
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
    char *folder = folder_of(a), *folder_too = folder_of(b);
    bool answer = stat(folder, &one) == 0 && stat(folder_too, &other) == 0 && same(&one, &other);
    free(folder);
    free(folder_too);
    return answer;
}

bool hf_file_special(const char *path) {
    struct stat file;
    return lstat(path, &file) == 0 && !S_ISREG(file.st_mode) && !S_ISDIR(file.st_mode);
}

bool hf_file_takes_text(const char *option, const char *path, hf_failure *failure) {
    struct stat file;
    if (stat(path, &file) != 0 || S_ISREG(file.st_mode) || S_ISFIFO(file.st_mode) ||
        S_ISCHR(file.st_mode)) {
        return true;
    }
    return hf_fail(failure, HF_EXIT_USAGE, "%s: %s is %s: name a file", option, path,
                   hf_mode_kind(file.st_mode));
}

bool hf_folder_sync(const char *path) {
    char *folder = folder_of(path);
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
    char *folder = folder_of(path);
    struct stat file;
    bool good = stat(folder, &file) == 0;
    if (good && !S_ISDIR(file.st_mode)) {
        good = hf_fail(failure, HF_EXIT_USAGE, "cannot write %s: %s is no folder", path, folder);
    } else if (!good || access(folder, W_OK | X_OK) != 0) {
        const int number = errno;
        const char *out = hf_way_out(number);
        good = hf_fail(failure, out ? HF_EXIT_INCOMPLETE : HF_EXIT_USAGE,
                       "cannot write %s: the folder %s: %s%s%s", path, folder, strerror(number),
                       out ? "; " : "", out ? out : "");
        if (!out) {
            hf_fail_more(failure, number == ENOENT ? "; make it (mkdir -p), or name another"
                                                   : "; name one that you may write to");
        }
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
