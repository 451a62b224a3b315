/* `report --dry-run`: what a run would do, and whether it could begin (REPORT.md 51). */
#ifndef HF_DRY_RUN_H
#define HF_DRY_RUN_H

#include "job_state.h"

/* Does the statement not write, or may it? A run finds that out by its first line. False: exit status 1. */
bool hf_dry_run_may_write(hf_job *job, hf_failure *failure);
/* Says it. found: what an earlier run left. */
void hf_dry_run_say(const hf_job *job, hf_outputs_found found);

#endif
