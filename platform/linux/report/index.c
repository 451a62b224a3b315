#include "index.h"

#include <string.h>

#define MAGIC "HOLDFAST shard 1\n"

enum { MAGIC_BYTES = sizeof MAGIC - 1, CRC_AT = HF_INDEX_HEAD - 4 };
_Static_assert(MAGIC_BYTES + 3 * 8 + HF_HASH_BYTES <= CRC_AT, "a head must fit its place");

uint64_t hf_index_length(uint64_t lines) {
    return HF_INDEX_HEAD + lines * HF_INDEX_ENTRY;
}

void hf_index_add_head(hf_bytes *to, const hf_index_head *head) {
    uint8_t raw[HF_INDEX_HEAD] = { 0 }, *at = raw + MAGIC_BYTES;
    memcpy(raw, MAGIC, MAGIC_BYTES);
    hf_little_put(at, head->number, 4);
    hf_little_put(at + 4, head->count, 4);
    hf_little_put(at + 8, head->input_lines, 8);
    hf_little_put(at + 16, head->header_bytes, 8);
    memcpy(at + 24, head->settings, HF_HASH_BYTES);
    hf_little_put(raw + CRC_AT, hf_crc32(0, raw, CRC_AT), 4);
    hf_bytes_add(to, raw, sizeof raw);
}

bool hf_index_head_read(const uint8_t from[HF_INDEX_HEAD], hf_index_head *head) {
    const uint8_t *at = from + MAGIC_BYTES;
    head->number = (uint32_t)hf_little_get(at, 4);
    head->count = (uint32_t)hf_little_get(at + 4, 4);
    head->input_lines = hf_little_get(at + 8, 8);
    head->header_bytes = hf_little_get(at + 16, 8);
    memcpy(head->settings, at + 24, HF_HASH_BYTES);
    return memcmp(from, MAGIC, MAGIC_BYTES) == 0 &&
           hf_little_get(from + CRC_AT, 4) == hf_crc32(0, from, CRC_AT) && head->number >= 1 &&
           head->number <= head->count && head->count <= HF_SHARDS_MAX;
}

void hf_index_add(hf_bytes *to, hf_index_entry entry) {
    uint8_t raw[HF_INDEX_ENTRY];
    hf_little_put(raw, entry.line, 8);
    hf_little_put(raw + 8, entry.bytes, 8);
    hf_bytes_add(to, raw, sizeof raw);
}

hf_index_entry hf_index_entry_read(const uint8_t from[HF_INDEX_ENTRY]) {
    return (hf_index_entry){ .line = hf_little_get(from, 8), .bytes = hf_little_get(from + 8, 8) };
}
