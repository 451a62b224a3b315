/* Which lines that are not safe may have run, and what became of them (REPORT.md 25).
 *
 * An append-only file beside the position. SENT: the line is about to be sent; COMMIT: all of the line was done but
 * its COMMIT. Either record is durable before the server can see what it speaks of. The other kinds say how a line
 * ended, when that is not in the output yet because lines before it are still under way. After a crash a line behind
 * the position whose last record is SENT may have run: it is UNKNOWN, and never run again. If that record is COMMIT,
 * the server is asked.
 */
#ifndef HF_INTENTS_H
#define HF_INTENTS_H

#include "base/bytes.h"
#include "base/failure.h"

#include <stdint.h>

typedef enum hf_intent_kind {
    HF_INTENT_SENT = 1, /* the line is about to be sent */
    HF_INTENT_OK,       /* the line was done; text: its output lines */
    HF_INTENT_REJECTED, /* the line was refused; code, text: the message */
    HF_INTENT_UNKNOWN,  /* the line may have run; code, text: the message */
    HF_INTENT_NOT_RUN,  /* the line certainly did not run, and may be sent again */
    HF_INTENT_COMMIT    /* the COMMIT is about to be sent; text: ticket, NUL, output lines */
} hf_intent_kind;

#define HF_INTENT_CODE_BYTES 24

typedef struct hf_intent {
    uint64_t line; /* the line's number in the input: its first physical line */
    hf_intent_kind kind;
    char code[HF_INTENT_CODE_BYTES];
    const char *text;
    size_t text_bytes;
} hf_intent;

typedef struct hf_intents {
    int fd;    /* -1 none */
    int error; /* the errno of a failed sync: nothing is noted any more */
    const char *path;
    uint64_t used;      /* bytes of whole records in the file */
    uint64_t room;      /* bytes allocated on the disk */
    uint64_t compacted; /* `used` after the last compaction */
    hf_bytes gathered;  /* records that are not written yet */
} hf_intents;

/* Opens or creates the file. Each whole record of a line >= from_line in the file is handed to `each`, in the order
 * written; a torn one behind them is cut off. */
bool hf_intents_open(hf_intents *intents, const char *path, uint64_t from_line,
                     void (*each)(void *user, const hf_intent *intent), void *user,
                     hf_failure *failure);
/* Allocates disk for what may come, so that no line is taken on that could not be noted. False: errno says why; what
 * is under way can still be noted. */
bool hf_intents_reserve(hf_intents *intents, size_t bytes);
/* Gathers a record in memory; *intent is copied. */
void hf_intents_add(hf_intents *intents, const hf_intent *intent);
/* Writes what was gathered; `durable`: and syncs the file. False: errno says why. A write may be tried again, a sync
 * may not. */
bool hf_intents_write(hf_intents *intents, bool durable);
/* Has the file grown so much that the records that still matter should be written afresh? */
bool hf_intents_worth_compacting(const hf_intents *intents);
/* Replaces the file by one that holds what was gathered with hf_intents_add() since `begin`, or leaves it as it is.
 * False: the file was replaced, but not durably. */
void hf_intents_compact_begin(hf_intents *intents);
bool hf_intents_compact_end(hf_intents *intents);
void hf_intents_close(hf_intents *intents);
/* Fills failure with why the call before failed. Always false. */
bool hf_intents_fail(const hf_intents *intents, hf_failure *failure);

/* Pure: reads one record from a file's image. Returns the record's length; 0: no whole one is there. */
size_t hf_intent_decode(const uint8_t *from, size_t bytes, hf_intent *intent);

#endif
