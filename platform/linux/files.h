/* Small files read whole, paths beside a path, making a rename durable; and the calls that a signal may interrupt,
 * asked again when one did. */
#ifndef HF_FILES_H
#define HF_FILES_H

#include "bytes.h"
#include "failure.h"

#include <stdint.h>

/* Reads a file ("-": standard input) of at most `max` bytes. False: exit status 1 and why. */
bool hf_file_read(const char *path, size_t max, hf_bytes *to, hf_failure *failure);
/* open(), the descriptor not for children; -1: errno says why. */
int hf_file_open(const char *path, int flags);
/* ftruncate(), fdatasync() and posix_fallocate(). False: errno says why. */
bool hf_file_cut(int fd, uint64_t bytes);
bool hf_file_sync(int fd);
bool hf_file_reserve(int fd, uint64_t from, uint64_t bytes);
/* Is there something at path, of whatever kind? Yes, too, when it cannot be told. */
bool hf_file_exists(const char *path);
/* Do both paths name one regular file, be it there or still to be made? */
bool hf_same_file(const char *a, const char *b);
/* Is it there and neither file nor folder: a device, a pipe? */
bool hf_file_special(const char *path);
/* path + ending, from the heap. */
char *hf_path_beside(const char *path, const char *ending);
/* The folder a path lies in, from the heap. */
char *hf_path_folder(const char *path);
/* fsync of the folder a path lies in: makes a creation, rename or removal in it durable. */
bool hf_folder_sync(const char *path);
/* Can files be made in the folder of path? False: exit status 1 and why. */
bool hf_folder_usable(const char *path, hf_failure *failure);
/* Writes all bytes, at `offset` or (-1) where the descriptor stands. False: errno says why. */
bool hf_write_all(int fd, const void *from, size_t bytes, long long offset);

#endif
