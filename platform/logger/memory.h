/* A heap in a fixed piece of memory: what mbedTLS and cJSON allocate from where there is no other.
 *
 * First fit, neighbours join when freed, 8 bytes for each block. It counts what is in use, the most that ever was,
 * and what it had to refuse, so that a leak and a heap that is too small are seen and not guessed.
 */
#ifndef HF_MEMORY_H
#define HF_MEMORY_H

#include <stddef.h>
#include <stdint.h>

typedef struct hf_memory {
    uint8_t *base;
    uint32_t size;     /* of it, in bytes */
    uint32_t used;     /* blocks and their heads */
    uint32_t peak;     /* the most that `used` ever was */
    uint32_t blocks;   /* in use */
    uint32_t failures; /* requests that were refused, ever */
    uint32_t rover;    /* no free block lies before it */
} hf_memory;

/* base is aligned to 8 and stays where it is; size is a multiple of 8. */
void hf_memory_init(hf_memory *memory, void *base, size_t size);
/* As calloc() and free(); NULL when it does not fit. A pointer that was not allocated here is our own fault and
 * asserted. */
void *hf_memory_take(hf_memory *memory, size_t count, size_t size);
void hf_memory_give(hf_memory *memory, void *block);
/* The largest block that could be had now. */
size_t hf_memory_largest(const hf_memory *memory);

#endif
