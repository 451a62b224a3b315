/* --shard: which part of the input is this machine's. What distributes the parts is somebody else's: a hand, GNU
 * parallel, Slurm's job arrays (man sbatch, "Job Array Support"), Kubernetes' indexed Jobs. */
#ifndef HF_SHARD_H
#define HF_SHARD_H

#include "base/failure.h"

#include <stdint.h>

#define HF_SHARDS_MAX 65536

typedef struct hf_shard {
    uint32_t number, count; /* 1 to count; count 0: the whole input */
    char from[80]; /* what said so: "SLURM_ARRAY_TASK_ID 3 of 1 to 8"; "" the option itself */
} hf_shard;

/* Reads `K/N`, `auto` (Slurm's variables) or `auto/N` (Slurm's, which must then be of N tasks, or
 * JOB_COMPLETION_INDEX). False: exit status 1, and the way out. */
bool hf_shard_read(const char *text, hf_shard *shard, hf_failure *failure);

#endif
