/* Small files read whole, paths beside a path, and making a rename durable. */
#ifndef HF_FILES_H
#define HF_FILES_H

#include "bytes.h"
#include "failure.h"

/* Reads a file ("-": standard input) of at most `max` bytes. False: exit status 1 and why. */
bool hf_file_read(const char *path, size_t max, hf_bytes *to, hf_failure *failure);
/* Is there something at path, of whatever kind? */
bool hf_file_exists(const char *path);
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
