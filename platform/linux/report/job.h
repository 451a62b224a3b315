/* The report's run: lines in, statements under way, answers put into order, files kept in step.
 *
 *     job          the loop: takes lines on, lets finished ones go, keeps the files durable
 *     answers      what a statement's answer does to its line
 *     job_state    what both know and do
 */
#ifndef HF_JOB_H
#define HF_JOB_H

#include "job_state.h"

/* Runs until all lines are done, or something stops the job (job->failure). The files are then in step. */
void hf_job_run(hf_job *job);

#endif
