/* Chunks on their way: formed, sent, let go (REPORT.md 37, 40). */
#ifndef HF_CHUNKS_H
#define HF_CHUNKS_H

#include "job_state.h"

/* Chunks for the run in job->record, whose next line is the input's next; the window is theirs. */
void hf_chunks_init(hf_job *job);
void hf_chunks_free(hf_chunks *chunks);
/* Submits what may run now. */
void hf_chunks_submit(hf_job *job);
/* Lets the lines of finished chunks go, chunk by chunk. */
void hf_chunks_let_go(hf_job *job);
/* Finished chunks that were not let go run again, and find their keys if the server has them. None is RUNNING. */
void hf_chunks_again(hf_job *job);
/* The number of the last chunk, counted from the run's first, that was acknowledged with all before it. */
uint64_t hf_chunks_acknowledged(const hf_job *job);
/* When a chunk may run that waits by itself; HF_NEVER: none does. */
hf_ms hf_chunks_next(hf_job *job);

/* Pure. How many lines fit into a transmit buffer of tx_bytes at least, if nothing is in their cells. */
uint64_t hf_chunk_lines_max(uint32_t tx_bytes, size_t sql_bytes, uint16_t n_params);
/* Bytes that the chunks of a new run may send. */
uint64_t hf_chunk_bytes_max(uint32_t tx_bytes);

#endif
