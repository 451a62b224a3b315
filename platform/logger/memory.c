#include "memory.h"

#include "holdfast/error.h"

#include <string.h>

/* Blocks lie end to end from base to base + size, each headed by its whole size and the size of the one before it,
 * in bytes, multiples of 8; bit 0 of `bytes` says that it is in use. No two free blocks are neighbours. */

typedef struct block {
    uint32_t bytes, before;
} block;

enum { HEAD = sizeof(block), USED = 1 };

static block *at(const hf_memory *memory, uint32_t offset) {
    return (block *)(void *)(memory->base + offset);
}

static uint32_t bytes_of(const block *it) {
    return it->bytes & ~(uint32_t)USED;
}

static uint32_t offset_of(const hf_memory *memory, const block *it) {
    return (uint32_t)((const uint8_t *)it - memory->base);
}

/* Writes a block's size, and into the one behind it what is before that. */
static void set(hf_memory *memory, uint32_t offset, uint32_t bytes, uint32_t used) {
    at(memory, offset)->bytes = bytes | used;
    if (offset + bytes < memory->size) {
        at(memory, offset + bytes)->before = bytes;
    }
}

void hf_memory_init(hf_memory *memory, void *base, size_t size) {
    HF_ASSERT(((uintptr_t)base | size) % 8 == 0 && size >= 2 * HEAD && size < INT32_MAX);
    *memory = (hf_memory){ .base = base, .size = (uint32_t)size };
    at(memory, 0)->before = 0;
    set(memory, 0, memory->size, 0);
}

void *hf_memory_take(hf_memory *memory, size_t count, size_t size) {
    size_t room = memory->size;
    if (count == 0 || size == 0 || size > room / count) {
        memory->failures += count != 0 && size != 0;
        return NULL;
    }
    uint32_t wanted = (uint32_t)(count * size + HEAD + 7) & ~7u;
    uint32_t offset = memory->rover;
    while (offset < memory->size) {
        const block *it = at(memory, offset);
        if (!(it->bytes & USED) && it->bytes >= wanted) {
            break;
        }
        offset += bytes_of(it);
    }
    if (offset >= memory->size) {
        memory->failures++;
        return NULL;
    }
    uint32_t whole = at(memory, offset)->bytes;
    if (whole - wanted >= 2 * HEAD) {
        set(memory, offset + wanted, whole - wanted, 0);
        at(memory, offset + wanted)->before = wanted;
    } else {
        wanted = whole;
    }
    set(memory, offset, wanted, USED);
    memory->used += wanted;
    memory->blocks++;
    memory->peak = memory->used > memory->peak ? memory->used : memory->peak;
    if (offset == memory->rover) {
        memory->rover += wanted;
    }
    return memset((uint8_t *)at(memory, offset) + HEAD, 0, wanted - HEAD);
}

void hf_memory_give(hf_memory *memory, void *given) {
    if (!given) {
        return;
    }
    block *it = (block *)(void *)((uint8_t *)given - HEAD);
    uint32_t offset = offset_of(memory, it);
    HF_ASSERT(offset < memory->size && offset % 8 == 0 && (it->bytes & USED));
    uint32_t bytes = bytes_of(it);
    memory->used -= bytes;
    memory->blocks--;
    if (offset + bytes < memory->size && !(at(memory, offset + bytes)->bytes & USED)) {
        bytes += at(memory, offset + bytes)->bytes;
    }
    if (offset > 0 && !(at(memory, offset - it->before)->bytes & USED)) {
        bytes += it->before;
        offset -= it->before;
    }
    set(memory, offset, bytes, 0);
    memory->rover = offset < memory->rover ? offset : memory->rover;
}

size_t hf_memory_largest(const hf_memory *memory) {
    uint32_t largest = HEAD;
    for (uint32_t offset = 0; offset < memory->size; offset += bytes_of(at(memory, offset))) {
        const block *it = at(memory, offset);
        largest = !(it->bytes & USED) && it->bytes > largest ? it->bytes : largest;
    }
    return largest - HEAD;
}
