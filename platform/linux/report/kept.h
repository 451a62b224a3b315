/* What a chunk's row in the ledger keeps of its lines: one entry for each that was sent, in input order (REPORT.md 38).
 *
 *     o AFFECTED : BYTES : its rows, CSV without the input's cells      done; AFFECTED is - where it is not known
 *     x CODE : BYTES : the message                                     refused
 */
#ifndef HF_KEPT_H
#define HF_KEPT_H

#include "base/bytes.h"
#include "intents.h"

#include <stdbool.h>

typedef struct hf_kept {
    bool refused;
    bool counted; /* affected is known */
    uint64_t affected;
    char code[HF_INTENT_CODE_BYTES];
    const char *text; /* rows, or the message */
    size_t bytes;
} hf_kept;

void hf_kept_add(hf_bytes *to, const hf_kept *entry);
/* The next entry, from *at on, which moves behind it. False: there is none, or it is none of ours. */
bool hf_kept_next(const char **at, const char *end, hf_kept *entry);
/* Where the CSV row at `from` ends, behind its line feed; NULL: it does not. */
const char *hf_kept_row_end(const char *from, const char *end);

#endif
