/* A report from standard input and to standard output.
 *
 * What is read from standard input is kept beside the position, as OUTPUT.input, until the report is finished: a resume
 * reads it from there. A run that is given the input anew reads it into OUTPUT.input.new first, so that its hash says
 * whether it is the same job. What goes to standard output cannot be taken back: it goes when the report is complete.
 */
#ifndef HF_STANDARD_H
#define HF_STANDARD_H

#include "base/failure.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_spool {
    char *fresh; /* what this run read; NULL: nothing */
    char *kept;  /* where it is to stay */
    char *path;  /* what is read as the input */
} hf_spool;

/* Reads all of standard input. When there is nothing in it (or it is a terminal) and `begun`, an output that an earlier
 * run left unfinished (NULL: none), has its input beside it, that is the input. wait_ms: as hf_file_read_within(). */
bool hf_spool_read(hf_spool *spool, const char *output, const char *begun, uint32_t wait_ms,
                   hf_failure *failure);
/* A job begins: is there an OUTPUT.input that is nobody's? It is not replaced, and that is said. */
bool hf_spool_free_place(const hf_spool *spool, hf_failure *failure);
/* The job has begun, or goes on, and has a position: the input stays for the next run, durably. */
bool hf_spool_keep(hf_spool *spool, const char *output, hf_failure *failure);
/* The report is finished, or was never begun: the input is not needed any more. */
void hf_spool_drop(const hf_spool *spool);
/* Removes what this run read and did not keep. */
void hf_spool_free(hf_spool *spool);

/* Writes a file to standard output, and waits for who reads it. False: exit status 4. */
bool hf_standard_output(const char *path, hf_failure *failure);

#endif
