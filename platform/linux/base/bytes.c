/* Growth is by half, so that appending stays linear; running out of memory ends the program at once. */
#include "bytes.h"

#include "base/text.h"
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void hf_hex(const uint8_t *from, size_t count, char *to) {
    for (size_t i = 0; i < count; i++) {
        to[2 * i] = "0123456789abcdef"[from[i] >> 4];
        to[2 * i + 1] = "0123456789abcdef"[from[i] & 15];
    }
    to[2 * count] = '\0';
}

bool hf_unhex(const char *text, uint8_t *to, size_t count) {
    size_t i = 0;
    for (; i < 2 * count; i++) {
        const char c = text[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) {
            return false;
        }
        to[i / 2] = (uint8_t)(i % 2 ? to[i / 2] | digit : digit << 4);
    }
    return text[i] == '\0';
}

void hf_out_of_memory(void) {
    hf_last_words(HF_EXIT_INCOMPLETE,
                  "out of memory; a report goes on when the same command is run again (a smaller "
                  "--window-bytes helps)");
    _exit(HF_EXIT_INCOMPLETE);
}

void *hf_must_alloc(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory) {
        hf_out_of_memory();
    }
    return memory;
}

char *hf_must_copy(const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(hf_must_alloc(size, 1), text, size);
}

void hf_bytes_reserve(hf_bytes *bytes, size_t more) {
    if (more <= bytes->size - bytes->used) {
        return;
    }
    if (more > SIZE_MAX / 4 - bytes->used) {
        hf_out_of_memory();
    }
    size_t needed = bytes->used + more, size = bytes->size + bytes->size / 2;
    size = size < needed ? needed : size;
    size = size < 64 ? 64 : size;
    char *data = realloc(bytes->data, size);
    if (!data) {
        hf_out_of_memory();
    }
    bytes->data = data;
    bytes->size = size;
}

void hf_bytes_add(hf_bytes *bytes, const void *from, size_t count) {
    if (count > 0) {
        hf_bytes_reserve(bytes, count);
        memcpy(bytes->data + bytes->used, from, count);
        bytes->used += count;
    }
}

void hf_bytes_add_byte(hf_bytes *bytes, char byte) {
    hf_bytes_reserve(bytes, 1);
    bytes->data[bytes->used++] = byte;
}

void hf_bytes_add_text(hf_bytes *bytes, const char *text) {
    hf_bytes_add(bytes, text, strlen(text));
}

void hf_bytes_format(hf_bytes *bytes, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length > 0) {
        hf_bytes_reserve(bytes, (size_t)length + 1);
        vsnprintf(bytes->data + bytes->used, (size_t)length + 1, format, again);
        bytes->used += (size_t)length;
    }
    va_end(again);
}

const char *hf_bytes_text(hf_bytes *bytes) {
    hf_bytes_reserve(bytes, 1);
    bytes->data[bytes->used] = '\0';
    return bytes->data;
}

void hf_bytes_reset(hf_bytes *bytes, size_t keep) {
    bytes->used = 0;
    if (bytes->size > keep) {
        hf_bytes_free(bytes);
    }
}

void hf_bytes_free(hf_bytes *bytes) {
    free(bytes->data);
    *bytes = (hf_bytes){ 0 };
}

/* A character that is shown is as long as it was, any other becomes one byte: count bytes are room enough. */
void hf_bytes_add_printable(hf_bytes *bytes, const char *text, size_t count) {
    if (count > 0) {
        hf_bytes_reserve(bytes, count + 1);
        hf_writer writer = hf_writer_on(bytes->data + bytes->used, count + 1);
        hf_write_printable(&writer, text, count);
        bytes->used += writer.length;
    }
}

void *hf_grown(void *items, size_t count, size_t size) {
    if ((count & (count - 1)) != 0) {
        return items;
    }
    void *grown = hf_must_alloc(2 * count + 1, size);
    if (count > 0) {
        memcpy(grown, items, count * size);
    }
    free(items);
    return grown;
}

void hf_little_put(uint8_t *to, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

uint64_t hf_little_get(const uint8_t *from, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}
