/* A line of the input on its way into the window. */
#ifndef HF_INTAKE_H
#define HF_INTAKE_H

#include "job_state.h"

/* Reads the next line into the window: READY, or ended already (a wrong number of fields, what an earlier run knows).
 * False: the input is at its end, or the window is full; `anyway`: --window-bytes does not count. */
bool hf_intake_line(hf_job *job, bool anyway);

#endif
