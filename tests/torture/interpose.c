/* Stands between the program and libc (LD_PRELOAD), counts calls, and makes the Nth of a family fail.
 *
 *     HF_TORTURE=FAMILY:N:WHICH:once|ever    the Nth call (from 1) of `alloc`, `map`, `socket` or `file` fails, and
 *                                            with `ever` all of that family behind it; WHICH chooses among the errors
 *                                            that this call can really have; N 0 counts only
 *     HF_TORTURE_LOG=FILE                    what failed, and at the end how many calls there were, how many
 *                                            blocks of memory and descriptors are left
 *
 * Messages for people (descriptors 0 to 2) and this file's own log never fail. In a program with a sanitizer the
 * allocations are the sanitizer's: there only the other two families are counted.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE /* its inline versions of what is defined here */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { ALLOC, MAPS, SOCKET, FILES, FAMILIES };
enum { SHORT = -1 }; /* no error: half of it */

static const char *const family_names[FAMILIES] = { "alloc", "map", "socket", "file" };
static long calls[FAMILIES], live;
static int family = -1, which;
static long nth;
static bool ever, failed_once;
static int log_fd = -1;

/* glibc's own allocator under its other names: nothing to look up, so nothing to allocate for it. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *memory);

static void say(const char *text) {
    if (log_fd >= 0)
        (void)!syscall(SYS_write, log_fd, text, strlen(text));
}

__attribute__((constructor)) static void begin(void) {
    char name[16], how[16];
    const char *path = getenv("HF_TORTURE_LOG"), *what = getenv("HF_TORTURE");
    if (path) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0666);
        log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 200); /* out of the program's way */
        syscall(SYS_close, fd);
    }
    if (what && sscanf(what, "%15[^:]:%ld:%d:%15s", name, &nth, &which, how) == 4) {
        for (int i = 0; i < FAMILIES; i++)
            family = strcmp(name, family_names[i]) == 0 ? i : family;
        ever = strcmp(how, "ever") == 0;
        memset(calls, 0, sizeof calls);
    }
}

__attribute__((destructor)) static void end(void) {
    char text[200];
    int open_fds = 0;
    for (int fd = 3; fd < 200; fd++)
        open_fds += syscall(SYS_fcntl, fd, F_GETFD) >= 0;
    snprintf(text, sizeof text, "end alloc=%ld map=%ld socket=%ld file=%ld live=%ld fds=%d\n",
             calls[ALLOC], calls[MAPS], calls[SOCKET], calls[FILES], live, open_fds);
    say(text);
}

/* What this call fails with, 0: not at all. errors ends in 0; EINTR and SHORT happen once, never for good. */
static int fails(int kind, const char *call, const int *errors) {
    char text[80];
    int n = 0;
    calls[kind]++;
    if (kind != family || nth == 0 || calls[kind] < nth || (failed_once && !ever))
        return 0;
    while (errors[n] != 0)
        n++;
    int error = errors[which % n];
    while (ever && (error == EINTR || error == SHORT))
        error = errors[++which % n];
    if (!failed_once) {
        snprintf(text, sizeof text, "failed %s %s\n", call,
                 error == SHORT ? "short" : strerrorname_np(error));
        say(text);
    }
    failed_once = true;
    return error;
}

#define FAILS(kind, call, ...) fails(kind, call, (const int[]){ __VA_ARGS__, 0 })

/* The function that this one stands before. */
#define NEXT(name)                 \
    static __typeof__(name) *next; \
    if (!next)                     \
    *(void **)(&next) = dlsym(RTLD_NEXT, #name)

/* --- memory ------------------------------------------------------------------------------------------- */

void *malloc(size_t size) {
    void *memory = FAILS(ALLOC, "malloc", ENOMEM) ? NULL : __libc_malloc(size);
    live += memory != NULL;
    errno = memory ? errno : ENOMEM;
    return memory;
}

void *calloc(size_t count, size_t size) {
    void *memory = FAILS(ALLOC, "calloc", ENOMEM) ? NULL : __libc_calloc(count, size);
    live += memory != NULL;
    errno = memory ? errno : ENOMEM;
    return memory;
}

void *realloc(void *old, size_t size) {
    void *memory = FAILS(ALLOC, "realloc", ENOMEM) ? NULL : __libc_realloc(old, size);
    live += memory != NULL && old == NULL;
    errno = memory ? errno : ENOMEM;
    return memory;
}

void free(void *memory) {
    live -= memory != NULL;
    __libc_free(memory);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t from) {
    NEXT(mmap);
    if (FAILS(MAPS, "mmap", ENOMEM)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return next(at, bytes, protection, flags, fd, from);
}

/* --- sockets ------------------------------------------------------------------------------------------ */

/* A call that is passed on unless it is to fail. */
#define CALL(kind, type, name, parameters, arguments, ...) \
    type name parameters {                                 \
        NEXT(name);                                        \
        int error = FAILS(kind, #name, __VA_ARGS__);       \
        if (error) {                                       \
            errno = error;                                 \
            return (type)-1;                               \
        }                                                  \
        return next arguments;                             \
    }

CALL(SOCKET, int, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE,
     ENOBUFS, ENOMEM)
CALL(SOCKET, int, connect, (int fd, __CONST_SOCKADDR_ARG to, socklen_t size), (fd, to, size),
     ECONNREFUSED, ENETUNREACH, EINTR, ETIMEDOUT)
CALL(SOCKET, ssize_t, send, (int fd, const void *from, size_t bytes, int flags),
     (fd, from, bytes, flags), ECONNRESET, EPIPE, EINTR, ENOBUFS)
CALL(SOCKET, ssize_t, recv, (int fd, void *to, size_t bytes, int flags), (fd, to, bytes, flags),
     ECONNRESET, ETIMEDOUT, EINTR, EHOSTUNREACH)
CALL(SOCKET, int, epoll_create1, (int flags), (flags), EMFILE, ENOMEM)
CALL(SOCKET, int, epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event),
     (epoll, what, fd, event), ENOSPC, ENOMEM)
CALL(SOCKET, int, epoll_wait, (int epoll, struct epoll_event *events, int most, int ms),
     (epoll, events, most, ms), EINTR, EINVAL)
CALL(SOCKET, int, eventfd, (unsigned count, int flags), (count, flags), EMFILE, ENOMEM)
CALL(SOCKET, int, timerfd_create, (__clockid_t clock, int flags), (clock, flags), EMFILE, ENOMEM)
CALL(SOCKET, int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size), ENOBUFS)
CALL(SOCKET, int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
     (fd, level, name, value, size), ENOPROTOOPT, ENOBUFS)
CALL(SOCKET, int, shutdown, (int fd, int how), (fd, how), ENOTCONN)

/* --- files -------------------------------------------------------------------------------------------- */

int open(const char *path, int flags, ...) {
    NEXT(open);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    int error = FAILS(FILES, "open", EMFILE, EIO, EINTR, ENOMEM);
    if (error) {
        errno = error;
        return -1;
    }
    return next(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
    NEXT(fopen);
    int error = FAILS(FILES, "fopen", EMFILE, EIO);
    if (error) {
        errno = error;
        return NULL;
    }
    return next(path, mode);
}

DIR *opendir(const char *path) {
    NEXT(opendir);
    int error = FAILS(FILES, "opendir", EMFILE, EIO);
    if (error) {
        errno = error;
        return NULL;
    }
    return next(path);
}

ssize_t write(int fd, const void *from, size_t bytes) {
    NEXT(write);
    int error = fd > STDERR_FILENO ? FAILS(FILES, "write", ENOSPC, EIO, EINTR, SHORT) : 0;
    if (error > 0) {
        errno = error;
        return -1;
    }
    return next(fd, from, error && bytes > 1 ? bytes / 2 : bytes);
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) {
    NEXT(pwrite);
    int error = FAILS(FILES, "pwrite", ENOSPC, EIO, EINTR, SHORT);
    if (error > 0) {
        errno = error;
        return -1;
    }
    return next(fd, from, error && bytes > 1 ? bytes / 2 : bytes, at);
}

ssize_t read(int fd, void *to, size_t bytes) {
    NEXT(read);
    int error = FAILS(FILES, "read", EIO, EINTR, SHORT);
    if (error > 0) {
        errno = error;
        return -1;
    }
    return next(fd, to, error && bytes > 1 ? bytes / 2 : bytes);
}

ssize_t pread(int fd, void *to, size_t bytes, off_t at) {
    NEXT(pread);
    int error = FAILS(FILES, "pread", EIO, EINTR, SHORT);
    if (error > 0) {
        errno = error;
        return -1;
    }
    return next(fd, to, error && bytes > 1 ? bytes / 2 : bytes, at);
}

/* What a fortified program calls instead where the compiler knows the room; libc checks it and goes on to these. */
ssize_t __read_chk(int fd, void *to, size_t bytes, size_t room);
ssize_t __read_chk(int fd, void *to, size_t bytes, size_t room) {
    return bytes <= room ? read(fd, to, bytes) : (abort(), -1);
}

ssize_t __pread_chk(int fd, void *to, size_t bytes, off_t at, size_t room);
ssize_t __pread_chk(int fd, void *to, size_t bytes, off_t at, size_t room) {
    return bytes <= room ? pread(fd, to, bytes, at) : (abort(), -1);
}

int posix_fallocate(int fd, off_t at, off_t bytes) { /* answers the error itself */
    NEXT(posix_fallocate);
    int error = FAILS(FILES, "posix_fallocate", ENOSPC, EIO, EINTR);
    return error ? error : next(fd, at, bytes);
}

CALL(FILES, int, fsync, (int fd), (fd), EIO, ENOSPC, EINTR)
CALL(FILES, int, fdatasync, (int fd), (fd), EIO, ENOSPC, EINTR)
CALL(FILES, int, ftruncate, (int fd, off_t bytes), (fd, bytes), EIO, EINTR)
CALL(FILES, off_t, lseek, (int fd, off_t at, int from), (fd, at, from), EIO)
CALL(FILES, int, flock, (int fd, int what), (fd, what), ENOLCK, EINTR)
CALL(FILES, int, rename, (const char *from, const char *to), (from, to), EIO, ENOSPC)
CALL(FILES, int, renameat2,
     (int from_at, const char *from, int to_at, const char *to, unsigned flags),
     (from_at, from, to_at, to, flags), EIO, ENOSPC, EINVAL)
CALL(FILES, int, unlink, (const char *path), (path), EIO, ENOMEM)
CALL(FILES, int, access, (const char *path, int mode), (path, mode), EIO, ENOMEM)
CALL(FILES, int, stat, (const char *path, struct stat *file), (path, file), EIO, ENOMEM)
CALL(FILES, int, lstat, (const char *path, struct stat *file), (path, file), EIO, ENOMEM)
CALL(FILES, int, fstat, (int fd, struct stat *file), (fd, file), EIO, ENOMEM)
