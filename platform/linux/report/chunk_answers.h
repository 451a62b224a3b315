/* What the answer to a chunk's transaction does to its lines (REPORT.md 38 to 40, 46). */
#ifndef HF_CHUNK_ANSWERS_H
#define HF_CHUNK_ANSWERS_H

#include "chunk.h"

/* Conflicts with others after which a chunk runs alone. */
#define HF_CONFLICTS_APART 2

/* Submits the chunk, which is READY: the lines that were not refused. */
void hf_chunk_send(hf_chunk *chunk);
/* The chunk is READY again, as if no answer had come: but for what it lost to refusals of ours. */
void hf_chunk_reset(hf_chunk *chunk);

#endif
