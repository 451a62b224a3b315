/* Chunks that wait for their key, which an earlier attempt holds (REPORT.md 39): shown, and that attempt ended where it
 * can do no harm.
 *
 * Only an attempt of the same chunk can hold the key that another one waits for. Ours are known by application_name,
 * which names the job.
 */
#ifndef HF_LEDGER_WATCH_H
#define HF_LEDGER_WATCH_H

#include "job_state.h"

/* Before the client is opened: the sessions get the job's name, and there is room for one that looks. */
void hf_ledger_watch_name(hf_job *job, hf_config *config);
/* Once a round. Returns when it is time to look; HF_NEVER: nothing waits. */
hf_ms hf_ledger_watch_turn(hf_job *job);

#endif
