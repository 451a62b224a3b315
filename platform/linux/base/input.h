/* The bytes of a report's input: a regular file, as it is or unpacked (gzip, RFC 1952), from any place on.
 *
 * What a file is, its first bytes say, not its name. Other formats in which a CSV file may be wrapped are refused by
 * name. Offsets are of the unpacked bytes. There is no way into the middle of a gzip file: going on from a place of one
 * reads it from its start.
 */
#ifndef HF_INPUT_H
#define HF_INPUT_H

#include "failure.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef struct hf_input hf_input;

/* Opens a regular file. NULL: exit status 1 and why. */
hf_input *hf_input_open(const char *path, hf_failure *failure);
/* Up to `bytes` bytes: how many there were, 0 the end, -1 why not: exit status 4 when the system could not read, 1 when
 * what it read is broken. All that lies before such a place is given first. */
ssize_t hf_input_read(hf_input *input, void *to, size_t bytes, hf_failure *failure);
/* The next byte is the one at `offset`. False: why not; exit status 4 when a signal came first. */
bool hf_input_seek(hf_input *input, uint64_t offset, hf_failure *failure);
bool hf_input_stat(const hf_input *input, struct stat *file);
void hf_input_close(hf_input *input);

/* Pure: what a file that begins like this is, and the way out ("it is Zstandard: unzstd … makes the file"); NULL: it
 * may be text, or gzip. */
const char *hf_input_other_format(const void *first, size_t bytes);

#endif
