/* One pass over a job's input before anything is done: its syntax, its header, its lines, its identity.
 *
 * So a job never stops in its middle at a quote in the wrong place, and a changed input is known before a
 * connection is made. The pass needs a second for some hundred megabytes.
 */
#ifndef HF_FIRST_PASS_H
#define HF_FIRST_PASS_H

#include "base/bytes.h"
#include "base/statement.h"
#include "cli/options.h"
#include "csv_in.h"
#include "order.h"
#include "position.h"

#include <sys/stat.h>

typedef struct hf_first_pass {
    hf_value *header; /* copies */
    size_t n_header;
    uint64_t lines;      /* records behind the header, but for blank lines at the end */
    uint64_t first_line; /* physical line and byte offset of the first of them */
    uint64_t first_offset;
    uint64_t end;          /* byte offset behind the last of them */
    uint64_t bytes;        /* of the lines; with the header, but for a shard's */
    uint64_t blank_at_end; /* blank lines that are passed over */
    uint64_t blank_end;    /* byte offset behind these */
    uint64_t blank_inside,
        blank_inside_line;  /* those that are lines like others, and where the first is */
    uint64_t not_utf8_line; /* the first with a cell that is no UTF-8; 0 none */
    char delimiter;         /* the header is one column, and has this in it; NUL: it is not so */
    uint64_t limit;         /* lines at most */
    size_t order_column;    /* --order-by's; HF_NO_COLUMN: it is not given */
    uint64_t input_lines;   /* as `lines`, of all shards together */
    uint64_t last_line;     /* physical: where the last of `lines` begins */
    uint8_t whole_settings[HF_HASH_BYTES]; /* identity.settings of the job without --shard */
    hf_identity identity;
    struct stat file; /* as it was: hf_first_pass_changed() */
} hf_first_pass;

/* Reads all of `in`. False: exit status 1 and why, or 4 when a signal came. */
bool hf_first_pass_input(hf_first_pass *scan, hf_csv_in *in, const hf_options *options,
                         const hf_bytes *query, hf_failure *failure);
/* The input of a finished job is not at hand: its identity is that of the record, and so is the count of lines. */
void hf_first_pass_finished(hf_first_pass *scan, const hf_options *options, const hf_bytes *query,
                            const hf_position_record *finished);
/* Which column is --order-by's? False: exit status 1 and why. */
bool hf_first_pass_order(hf_first_pass *scan, const hf_options *options, hf_failure *failure);
/* Narrows it all down to the lines of --shard: another pass, to the end of the last of them. False: as above. */
bool hf_first_pass_shard(hf_first_pass *scan, hf_csv_in *in, const hf_options *options,
                         hf_failure *failure);
/* Is it a line of this shard? */
bool hf_first_pass_mine(const hf_first_pass *scan, const hf_options *options,
                        const hf_csv_record *record);
/* Was the content of the file at `path` changed since it was scanned? Looks at its time first, at its bytes only if
 * need be. */
bool hf_first_pass_changed(hf_first_pass *scan, const hf_csv_in *in, const char *path);
/* Which columns are bound to the n_wanted parameters: --params, or (NULL) the first ones, to those that stand as
 * $n; to the ones behind these the columns of their names. *columns is from the heap. False: exit status 1 and why. */
bool hf_first_pass_params(const hf_first_pass *scan, const hf_options *options,
                          const hf_statement_names *names, unsigned n_wanted, size_t **columns,
                          hf_failure *failure);
/* Has the input each column that the query names? False: exit status 1, and the place in the query. */
bool hf_first_pass_names(const hf_first_pass *scan, const hf_options *options,
                         const hf_statement_names *names, hf_failure *failure);
/* What differs: "the input FILE", "the query", …; NULL when it is the same job. */
const char *hf_identity_difference(const hf_identity *one, const hf_identity *other);
void hf_first_pass_free(hf_first_pass *scan);

/* SHA-256 of bytes. */
void hf_sha256_of(const void *from, size_t bytes, uint8_t out[HF_HASH_BYTES]);
/* SHA-256 of a file's first `bytes`. False: errno; 0 where it is shorter. */
bool hf_sha256_of_file(const char *path, uint64_t bytes, uint8_t out[HF_HASH_BYTES]);

#endif
