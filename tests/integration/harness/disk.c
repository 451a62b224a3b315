/* Stands between the program and libc (LD_PRELOAD) and writes down, in order, what it does to the files below the
 * folder HF_DISK: HF_DISK_LOG gets a line "CALL PATH OFFSET BYTES" for each call, a write's bytes behind it. With
 * HF_DISK_BOOT the machine's boot id is read from that file: a machine that was switched off has another one.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void note(const char *call, const char *path, long long offset, const void *data,
                 size_t bytes) {
    static int log = -1;
    const char *folder = getenv("HF_DISK"), *name = getenv("HF_DISK_LOG");
    if (!folder || !name || strncmp(path, folder, strlen(folder)) != 0) {
        return;
    }
    if (log < 0) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0600);
        log = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 200); /* out of the program's way */
        syscall(SYS_close, fd);
    }
    char line[4200];
    int length = snprintf(line, sizeof line, "%s %s %lld %zu\n", call, path, offset, bytes);
    (void)!syscall(SYS_write, log, line, (size_t)length);
    if (data) {
        (void)!syscall(SYS_write, log, data, bytes);
    }
}

static void note_fd(const char *call, int fd, long long offset, const void *data, size_t bytes) {
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) {
        path[length] = '\0';
        note(call, path, offset, data, bytes);
    }
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;
    va_end(more);
    const char *boot = getenv("HF_DISK_BOOT");
    if (boot && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) {
        path = boot;
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && flags & O_CREAT) {
        note_fd("create", fd, 0, NULL, 0);
    }
    if (fd >= 0 && flags & O_TRUNC) {
        note_fd("truncate", fd, 0, NULL, 0);
    }
    return fd;
}

ssize_t write(int fd, const void *data, size_t bytes) {
    off_t at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    ssize_t done = syscall(SYS_write, fd, data, bytes);
    if (done > 0) {
        note_fd("write", fd, at, data, (size_t)done);
    }
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    ssize_t done = syscall(SYS_pwrite64, fd, data, bytes, offset);
    if (done > 0) {
        note_fd("write", fd, offset, data, (size_t)done);
    }
    return done;
}

int ftruncate(int fd, off_t length) {
    int result = (int)syscall(SYS_ftruncate, fd, length);
    if (result == 0) {
        note_fd("truncate", fd, length, NULL, 0);
    }
    return result;
}

int fdatasync(int fd) {
    int result = (int)syscall(SYS_fdatasync, fd);
    if (result == 0) {
        note_fd("sync", fd, 0, NULL, 0);
    }
    return result;
}

int fsync(int fd) {
    int result = (int)syscall(SYS_fsync, fd);
    if (result == 0) {
        note_fd("sync", fd, 0, NULL, 0);
    }
    return result;
}

static int renamed(int result, const char *from, const char *to) {
    if (result == 0) {
        note("rename-from", from, 0, NULL, 0);
        note("rename-to", to, 0, NULL, 0);
    }
    return result;
}

int rename(const char *from, const char *to) {
    return renamed((int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), from, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    return renamed((int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags), from, to);
}

int unlink(const char *path) {
    int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (result == 0) {
        note("unlink", path, 0, NULL, 0);
    }
    return result;
}
