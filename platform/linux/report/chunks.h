/* Chunks of a job that keeps a ledger: pieces of the input that are one transaction each (SEMANTICS 37 to 40).
 *
 *     FORMING -> READY -> RUNNING -> DONE -> let go, in order
 *                  ^---------|         |
 *                  |    a line refused, a conflict, another incarnation
 *                  `-------------------' the server is another one: what it has is found by its key
 *
 * A chunk's lines lie one behind the other in the window, and end together. A ring of reused chunks, numbered from 1
 * within the run, as the ledger's keys are.
 */
#ifndef HF_CHUNKS_H
#define HF_CHUNKS_H

#include "window.h"

struct hf_job;

typedef enum hf_chunk_state {
    HF_CHUNK_FORMING, /* takes lines on */
    HF_CHUNK_READY,   /* to be submitted, or again */
    HF_CHUNK_RUNNING,
    HF_CHUNK_DONE,  /* committed, and each of its lines has ended */
    HF_CHUNK_UNDONE /* the job ends before the chunk; the next run goes on with it */
} hf_chunk_state;

typedef struct hf_chunk {
    hf_request request;
    struct hf_job *job;
    hf_chunk_state state;
    uint64_t number;     /* in the run */
    uint64_t first, end; /* its lines: numbers in the window, `end` is behind the last */
    uint64_t bytes;      /* of what is sent for its lines */
    hf_statement *statements;
    uint64_t *lines; /* the line of each statement */
    uint16_t n_statements, size;
    uint16_t failed_at; /* the statement whose row was too large; n_statements: none was */
    hf_value key[4];
    char number_text[HF_INTEGER_BYTES];
    hf_bytes kept;      /* what is, or is to be, with the key */
    bool is_kept;       /* `kept` is something */
    bool acknowledged;  /* was done once, though the server may have lost it */
    uint64_t healed;    /* lines that were applied again after that */
    bool immediate;     /* its COMMIT was refused: each statement is to show it by itself */
    unsigned conflicts; /* 40P01, 40001 */
    unsigned retries;   /* of these, while it ran alone */
    hf_ms not_before;   /* READY, and waits till then */
    uint64_t *before;   /* --order-by: chunks that must have ended before */
    size_t n_before;
} hf_chunk;

typedef struct hf_chunks {
    hf_chunk *items;
    uint32_t size;
    uint64_t head, tail;       /* numbers: the oldest; one behind the newest */
    uint64_t *last, last_mask; /* --order-by: by hash, the last chunk with that value; 0 none */
    char run[2 * 16 + 1];      /* the run's id */
    bool pending;              /* the window's last line is in no chunk yet */
    bool verify; /* what is done must be compared with the ledger before anything is sent */
} hf_chunks;

/* Chunks for the run in job->record, whose next line is the input's next; the window is theirs. */
void hf_chunks_init(struct hf_job *job);
void hf_chunks_free(hf_chunks *chunks);
/* Submits what may run now. */
void hf_chunks_submit(struct hf_job *job);
/* Lets the lines of finished chunks go, chunk by chunk. */
void hf_chunks_let_go(struct hf_job *job);
/* Finished chunks that were not let go run again, and find their keys if the server has them. None is RUNNING. */
void hf_chunks_again(struct hf_job *job);
/* The number of the last chunk, counted from the run's first, that was acknowledged with all before it. */
uint64_t hf_chunks_acknowledged(const struct hf_job *job);
/* When a chunk may run that waits by itself; HF_NEVER: none does. */
hf_ms hf_chunks_next(const struct hf_job *job);

/* Pure. How many lines fit into a transmit buffer of tx_bytes at least, if nothing is in their cells. */
uint64_t hf_chunk_lines_max(uint32_t tx_bytes, size_t sql_bytes, uint16_t n_params);
/* Bytes that the chunks of a new run may send. */
uint64_t hf_chunk_bytes_max(uint32_t tx_bytes);

#endif
