/* A fuzzer's bytes as a file with a name, for readers that want one. */
#ifndef HF_MEMORY_FILE_H
#define HF_MEMORY_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* Replaces the one file's content; its path. `mode` as for chmod(). */
const char *hf_memory_file(const void *bytes, size_t size, mode_t mode);
/* Says nothing from here on: the program's own messages are not what is tested. */
void hf_memory_quiet(void);

#endif
