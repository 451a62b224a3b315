/* The ledger of a job: its run's row, and holding what is done against what the server has (REPORT.md 36, 41 to 44). */
#ifndef HF_LEDGER_JOB_H
#define HF_LEDGER_JOB_H

#include "job_state.h"

/* Before the client is opened: what the job's rows and its sessions are called. */
void hf_ledger_job_name(hf_job *job, hf_config *config);
/* Before any file is made: the table, and the run that the job begins or goes on with (job->run). Nothing is written,
 * but that --restart closes and empties the run of the position that it forgets. False: why. */
bool hf_ledger_job_find(hf_job *job, bool resume, hf_failure *failure);
/* Behind the files, with the run durable in the position: its row in the ledger. False: why. */
bool hf_ledger_job_open(hf_job *job, hf_failure *failure);
/* Once a round: when the server became another one, and nothing is under way, what is done is held against its ledger,
 * and lost chunks run again. */
void hf_ledger_job_turn(hf_job *job);
/* Every line is done and durable: the run is closed. False: the server lost some, and the job goes on; or it stops. */
bool hf_ledger_job_close(hf_job *job);
/* The report has its name: the chunks' rows go, unless they are to stay. */
void hf_ledger_job_over(hf_job *job);
/* The finish was cut short, and is carried out without a connection: says whose rows stay. */
void hf_ledger_job_left(const hf_job *job);
void hf_ledger_job_free(hf_job *job);

#endif
