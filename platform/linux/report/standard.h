/* A report from standard input and to standard output.
 *
 * What is read from standard input is kept beside the position, as OUTPUT.input, until the report is finished: a resume
 * reads it from there. A run that is given the input anew reads it into OUTPUT.input.new first, so that its hash says
 * whether it is the same job. What goes to standard output cannot be taken back: it goes when the report is complete.
 */
#ifndef HF_STANDARD_H
#define HF_STANDARD_H

#include "base/failure.h"
#include "cli/options.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_spool {
    char *fresh; /* what this run read; NULL: nothing, or it is kept */
    int fd;      /* of `fresh`, locked, so that no other run takes it for a dead one's; -1 none */
    char *kept;  /* where it is to stay */
    char *path;  /* what is read as the input; NULL: no standard input is */
} hf_spool;

/* The output that an earlier run left unfinished, with the input that it had from standard input; NULL: there is none.
 * From the heap. started: this run, Unix ms, for {date}. */
char *hf_spool_begun(const hf_options *options, int64_t started);
/* Reads all of standard input. When there is nothing in it (or it is a terminal) and `begun`, an output that an earlier
 * run left unfinished (NULL: none), has its input beside it, that is the input; without one, and the report `finished`,
 * there is no input: spool->path is NULL. wait_ms: as hf_file_read_within(). */
bool hf_spool_read(hf_spool *spool, const char *output, const char *begun, bool finished,
                   uint32_t wait_ms, hf_failure *failure);
/* Fills *failure: there is no input, neither given nor kept. */
bool hf_spool_nothing(const hf_spool *spool, hf_failure *failure);
/* A job begins of which nothing is there: is there an OUTPUT.input all the same? Then false: it is not replaced. */
bool hf_spool_free_place(const hf_spool *spool, hf_failure *failure);
/* The job goes on, or is about to begin and its position's name is taken: the input stays for the next run, durably. It
 * must be there before a position speaks of the job. Without a standard input nothing is done. */
bool hf_spool_keep(hf_spool *spool, const char *output, hf_failure *failure);
/* The report is finished, or was never begun: the input is not needed any more. */
void hf_spool_drop(const hf_spool *spool, const char *output);
/* Removes what this run read and did not keep. */
void hf_spool_free(hf_spool *spool);

/* Writes a file to standard output, and waits for who reads it, but not past `until` (hf_file_until()). False: exit
 * status 4. */
bool hf_standard_output(const char *path, uint64_t until, hf_failure *failure);

#endif
