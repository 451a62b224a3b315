/* Bytes that grow: the program's one container. */
#ifndef HF_BYTES_H
#define HF_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is empty. `data` may move with every addition. */
typedef struct hf_bytes {
    char *data;
    size_t used, size;
} hf_bytes;

/* Room for `more` bytes behind those in use. */
void hf_bytes_reserve(hf_bytes *bytes, size_t more);
void hf_bytes_add(hf_bytes *bytes, const void *from, size_t count);
void hf_bytes_add_byte(hf_bytes *bytes, char byte);
void hf_bytes_add_text(hf_bytes *bytes, const char *text);
void hf_bytes_format(hf_bytes *bytes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* As a C string; valid until the next addition. */
const char *hf_bytes_text(hf_bytes *bytes);
/* Empties it and keeps the memory, but not more than `keep` bytes of it. */
void hf_bytes_reset(hf_bytes *bytes, size_t keep);
void hf_bytes_free(hf_bytes *bytes);

/* Appends text for a terminal or a log, as hf_write_printable() does (SECURITY 3). */
void hf_bytes_add_printable(hf_bytes *bytes, const char *text, size_t count);

/* A number of a file's, the low byte first, in `bytes` bytes. */
void hf_little_put(uint8_t *to, uint64_t value, unsigned bytes);
uint64_t hf_little_get(const uint8_t *from, unsigned bytes);

/* Bytes as hexadecimal digits and a NUL; and back, false: the text is not just so many. */
void hf_hex(const uint8_t *from, size_t count, char *to);
bool hf_unhex(const char *text, uint8_t *to, size_t count);

/* Ends the program as if kill -9 had: status 4, and the reason. */
_Noreturn void hf_out_of_memory(void);
/* Memory, zeroed, or the end of the program: a job's files are then as after kill -9, and it can be resumed. */
void *hf_must_alloc(size_t count, size_t size);
char *hf_must_copy(const char *text);
/* The array with room for one more than `count`, perhaps moved. It grows at each power of two. */
void *hf_grown(void *items, size_t count, size_t size);

#endif
