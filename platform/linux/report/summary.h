/* What a run did, for people (stderr) and for scripts (--summary FILE.json). */
#ifndef HF_SUMMARY_H
#define HF_SUMMARY_H

#include "client.h"
#include "position.h"

#define HF_SLOWEST      5
#define HF_CHANGES_KEPT 5

/* Durations by length: to the millisecond up to 32, then in steps of a 32nd of a power of two. */
#define HF_DURATIONS (32 + 27 * 32)

typedef struct hf_slow {
    uint64_t line, last; /* the same but for a chunk, whose lines are one statement here */
    uint32_t ms;
} hf_slow;

/* The server is not the one that acknowledged lines before (REPORT.md 35). */
typedef struct hf_server_change {
    int64_t at;      /* seen then; wall clock, Unix ms */
    int64_t started; /* of one that was started anew: when, by its own clock; else 0 */
    bool compared;   /* with a ledger: what was lost is known, and applied again */
    char how[64];
} hf_server_change;

typedef struct hf_summary {
    int64_t started; /* wall clock, Unix ms */
    hf_ms from;      /* the client's clock; 0 before there is one */
    uint64_t elapsed_ms;
    uint64_t lines_total;             /* of the input, without the header */
    uint64_t blank_lines;             /* at the input's end, passed over */
    uint64_t lines_before;            /* ended in earlier runs */
    uint64_t resumed_from;            /* physical line; 0: it is no resumed run */
    uint64_t statements;              /* sent, repetitions included */
    hf_slow slowest[HF_SLOWEST];      /* in falling order; ms 0: none */
    uint64_t durations[HF_DURATIONS]; /* of the statements, how many of each length */
    uint64_t input_bytes;             /* up to the end of the last line */
    uint64_t unconfirmed;             /* lines done without the synchronous standby's word */
    uint32_t changes;                 /* how often the server was another one than before … */
    hf_server_change changed[HF_CHANGES_KEPT]; /* … the first of them */
    char unasked[HF_MESSAGE_BYTES]; /* why nobody could ask at the end which one it is; else "" */
    hf_position_record record;      /* how far the job is */
    bool already;                   /* it was finished before */
    bool counts;                    /* lines that touched no row are counted: it is a write */
} hf_summary;

/* A statement of `line` was answered after ms; of a chunk all its lines, up to `last`. */
void hf_summary_statement(hf_summary *summary, uint64_t line, uint64_t last, uint32_t ms,
                          uint32_t attempts);
/* How long the fastest `percent` of the statements took at most, in ms, at most a 32nd too much; -1: there was none. */
int64_t hf_summary_percentile(const hf_summary *summary, unsigned percent);
/* The server changed under acknowledged writes: keeps it, and logs it unless it is `compared`. */
void hf_summary_server(hf_summary *summary, const char *how, int64_t started, bool compared);
/* The server could not be asked at the end whether it had changed. */
void hf_summary_unasked(hf_summary *summary, const char *why);
/* The text for stderr. client may be NULL: the server was never asked. */
void hf_summary_say(const hf_summary *summary, const hf_client *client, const hf_options *options,
                    int status, const char *reason);
/* The file, replaced whole. False: why it could not be written. */
bool hf_summary_write(const hf_summary *summary, const hf_client *client, const hf_options *options,
                      int status, const char *reason, hf_failure *failure);

/* "1:02:03", "4:05", "12.3 s". */
const char *hf_elapsed_text(uint64_t ms, char out[32]);

#endif
