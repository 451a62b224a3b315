/* What a server's refusal, or no answer at all, means for a line and for the job. */
#ifndef HF_REFUSAL_H
#define HF_REFUSAL_H

#include "job_state.h"

/* A chunk has another way out, too. */
#define HF_LOWER_BATCH \
    "a lower --batch is for a new run (--restart, which applies all lines once more)"

/* Stops the job at these lines, by their numbers in the input; of a statement that is one line's, last is first. */
void hf_refusal_stop(hf_job *job, uint64_t first, uint64_t last, int status, const char *why,
                     const char *way_out);
/* From on_error: the server's message in full, and its detail; fit for a file. */
void hf_refusal_words(hf_bytes *to, const hf_fields *fields);
/* The line is REJECTED because of error; line->message may have the server's words. */
void hf_refusal_end(hf_line *line, const hf_error *error);
/* The statement was not answered, and its lines are not to blame: the job ends here, to be resumed. */
void hf_refusal_undone(hf_job *job, const hf_request *request, uint64_t first, uint64_t last);

#endif
