/* The finished shards that are to be put together: opened, checked against each other, read line by line. */
#ifndef HF_SHARDS_H
#define HF_SHARDS_H

#include "base/failure.h"
#include "csv_in.h"
#include "index.h"

#include <stdio.h>

/* One of the three files of a shard in which lines are. */
typedef struct hf_shard_lines {
    FILE *file;         /* NULL: none, or at its end */
    hf_csv_in *records; /* NULL: the output, whose lines the index tells */
    char *path;
    uint64_t line, bytes, offset; /* the line at hand, its bytes, and where these begin */
} hf_shard_lines;

typedef struct hf_shard_part {
    const char *output;
    hf_position_record record;
    hf_index_head head;
    FILE *index;
    uint64_t entries; /* that are left in the index */
    bool sealed;      /* what an older program finished is not */
    uint8_t seal[HF_SEAL_FILES][HF_HASH_BYTES];
    hf_shard_lines lines, rejects, unknown;
} hf_shard_part;

typedef struct hf_shards {
    hf_shard_part *parts; /* shard 1 first, once they are opened */
    size_t count;
} hf_shards;

/* Opens them all: each finished, each of the same job, none missing, none there twice. False: which one, and the way
 * out; exit status 4 for one that is not finished yet, else 1. */
bool hf_shards_open(hf_shards *shards, const char *const *outputs, size_t count,
                    hf_failure *failure);
/* The next line of the file at hand of one part. False: failure; at the end `file` is NULL. */
bool hf_shard_next(hf_shard_part *part, hf_shard_lines *lines, hf_failure *failure);
void hf_shards_close(hf_shards *shards);

#endif
