/* Small files read whole, paths beside a path, making a rename durable; and the calls that a signal may interrupt,
 * asked again when one did. */
#ifndef HF_FILES_H
#define HF_FILES_H

#include "bytes.h"
#include "failure.h"

#include <stdint.h>

/* Reads a file ("-": standard input) of at most `max` bytes. A pipe is waited for, until a signal comes or wait_ms are
 * over (0: no limit). False: why, with exit status 1, or 4 when the wait was ended. */
bool hf_file_read(const char *path, size_t max, hf_bytes *to, hf_failure *failure);
bool hf_file_read_within(const char *path, size_t max, uint32_t wait_ms, hf_bytes *to,
                         hf_failure *failure);
/* Waits until fd can be read or written (poll()'s events), or what is wrong with it is to be had. False: a signal came,
 * or it is `until`, which hf_file_until() makes of a wait (0: no limit); `path` says what was waited for. */
bool hf_file_await(int fd, short events, const char *path, uint64_t until, hf_failure *failure);
uint64_t hf_file_until(uint32_t wait_ms);
/* open(), the descriptor not for children; -1: errno says why. It never waits for the other side of a pipe. */
int hf_file_open(const char *path, int flags);
/* The same for a file of ours that is there: a link is not followed, and a new one that must not be: EEXIST. */
int hf_file_reopen(const char *path, int flags);
int hf_file_create(const char *path, int flags, unsigned mode);
/* "a folder", "a named pipe", "a socket", "a device", "a symbolic link"; NULL: a regular file, or it cannot be told.
 * hf_file_kind() follows links, and NULL is nothing there, too. */
const char *hf_mode_kind(unsigned mode);
const char *hf_file_kind(const char *path);
/* ftruncate(), fdatasync() and posix_fallocate(). False: errno says why. */
bool hf_file_cut(int fd, uint64_t bytes);
bool hf_file_sync(int fd);
bool hf_file_reserve(int fd, uint64_t from, uint64_t bytes);
/* Takes the lock of a file that was opened under `path`, without a wait; it goes when the descriptor is closed. */
typedef enum hf_locked {
    HF_LOCK_OURS,
    HF_LOCK_TAKEN,  /* somebody else has it */
    HF_LOCK_MOVED,  /* the file was renamed or replaced meanwhile: look again */
    HF_LOCK_FAILED, /* errno says why */
} hf_locked;
hf_locked hf_file_lock(int fd, const char *path);
/* Is there something at path, of whatever kind? Yes, too, when it cannot be told. */
bool hf_file_exists(const char *path);
/* Do both paths name one regular file, be it there or still to be made? */
bool hf_same_file(const char *a, const char *b);
/* Is it there and neither file nor folder: a device, a pipe, a link to whatever? */
bool hf_file_special(const char *path);
/* Can a log or a summary be written there: a file, one to be made, a pipe, a terminal? False: exit status 1, and
 * `option` names what is wrong. */
bool hf_file_takes_text(const char *option, const char *path, hf_failure *failure);
/* path + ending, from the heap. */
char *hf_path_beside(const char *path, const char *ending);
/* fsync of the folder a path lies in: makes a creation, rename or removal in it durable. */
bool hf_folder_sync(const char *path);
/* Can files be made in the folder of path? False: exit status 1 and why. */
bool hf_folder_usable(const char *path, hf_failure *failure);
/* Writes all bytes, at `offset` or (-1) where the descriptor stands. False: errno says why. */
bool hf_write_all(int fd, const void *from, size_t bytes, long long offset);

#endif
