/* OUTPUT.shard: what a shard's output is of, and which of its bytes are whose, so that `holdfast merge` can put shards
 * together to the file that one run would have written.
 *
 *     | head, 128 bytes: magic, shard, identity, CRC | entry | entry | … | seal, 128 bytes
 *
 * An entry is a line that has ended, in input order: its number and the bytes of its output, 16 bytes, little-endian.
 * Their count is that of the lines that the position calls ended, so the position says how long the file is. A finished
 * shard's has a seal: the SHA-256 of what stands before that and of each of the shard's files, in the order of
 * hf_index_sealed, zeros where there is no such file. What an older program finished has none.
 */
#ifndef HF_INDEX_H
#define HF_INDEX_H

#include "base/bytes.h"
#include "cli/shard.h"
#include "position.h"

#define HF_INDEX_HEAD  128
#define HF_INDEX_ENTRY 16

enum hf_index_sealed {
    HF_SEAL_INDEX,
    HF_SEAL_OUTPUT,
    HF_SEAL_REJECTS,
    HF_SEAL_UNKNOWN,
    HF_SEAL_FILES
};
#define HF_INDEX_SEAL (HF_SEAL_FILES * HF_HASH_BYTES)

typedef struct hf_index_head {
    uint32_t number, count;
    uint64_t input_lines;            /* of the whole input */
    uint64_t header_bytes;           /* of the output's first line */
    uint8_t settings[HF_HASH_BYTES]; /* hf_identity.settings of the same job without --shard */
} hf_index_head;

typedef struct hf_index_entry {
    uint64_t line, bytes;
} hf_index_entry;

/* How long the file is after so many lines, without a seal. */
uint64_t hf_index_length(uint64_t lines);

/* Pure. Decoding the head, false: it is none. */
void hf_index_add_head(hf_bytes *to, const hf_index_head *head);
bool hf_index_head_read(const uint8_t from[HF_INDEX_HEAD], hf_index_head *head);
void hf_index_add(hf_bytes *to, hf_index_entry entry);
hf_index_entry hf_index_entry_read(const uint8_t from[HF_INDEX_ENTRY]);

#endif
