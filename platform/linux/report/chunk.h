/* Chunks of a job that keeps a ledger: pieces of the input that are one transaction each (REPORT.md 37 to 40).
 *
 *     FORMING -> READY -> RUNNING -> DONE -> let go, in order
 *                  ^---------|         |
 *                  |    a line refused, a conflict, another incarnation
 *                  `-------------------' the server is another one: what it has is found by its key
 *
 * A chunk's lines lie one behind the other in the window, and end together. A ring of reused chunks, numbered from 1
 * within the run, as the ledger's keys are.
 */
#ifndef HF_CHUNK_H
#define HF_CHUNK_H

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
    uint16_t failed_at; /* the statement whose row was too large; UINT16_MAX: none is known */
    bool complete;      /* all rows came, and the COMMIT of what is kept is next */
    hf_value key[4];
    char number_text[HF_INTEGER_BYTES];
    hf_bytes kept;      /* what is, or is to be, with the key */
    bool is_kept;       /* `kept` is something */
    bool acknowledged;  /* was done once, though the server may have lost it */
    uint64_t healed;    /* lines that were applied again after that */
    bool refusals;      /* some of its lines were refused */
    bool immediate;     /* its COMMIT was refused: each statement is to show it by itself */
    unsigned conflicts; /* 40P01, 40001 */
    unsigned retries;   /* of these, while it ran alone */
    hf_ms not_before;   /* READY, and waits till then */
    hf_ms sent_at;      /* RUNNING since then */
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

/* Chunk `number` of those from head to tail. */
static inline hf_chunk *hf_chunks_at(const hf_chunks *chunks, uint64_t number) {
    return &chunks->items[number % chunks->size];
}

#endif
