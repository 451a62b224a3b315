/* A line on its way out of the window. */
#ifndef HF_RELEASE_H
#define HF_RELEASE_H

#include "job_state.h"

/* Writes how the line ended, the one behind all that were let go, into the files and into job->record. False: a file
 * failed, and the line stays. */
bool hf_release(hf_job *job, hf_line *line);

#endif
