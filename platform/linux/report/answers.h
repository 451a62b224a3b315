/* What the answer to a line's statement does to the line: the request's callbacks. */
#ifndef HF_ANSWERS_H
#define HF_ANSWERS_H

#include "job_state.h"

/* Makes the line's request and submits it. A request that is not taken ends at once. */
void hf_answers_submit(hf_job *job, hf_line *line);
/* Gathers the COMMIT intent of a line: its ticket, its output lines. */
void hf_answers_note_commit(hf_job *job, const hf_line *line);
/* The pool's on_commits: makes what was gathered durable. */
void hf_answers_on_commits(void *job);
/* A write was acknowledged. Its ticket ("": none) names the server that did it, before the inquiry has asked which
 * server this is. */
void hf_answers_acknowledged(hf_job *job, const char *ticket);

#endif
