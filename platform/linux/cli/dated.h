/* An output that each day has its own of: `{date}` in its name is the local date, as `date +%F` writes it, which is
 * what cron, logrotate's dateext and people go by (TZ says where). */
#ifndef HF_DATED_H
#define HF_DATED_H

#include <stdbool.h>
#include <stdint.h>

#define HF_DAYS_BACK 31 /* so long a job that was begun may be gone on with */

bool hf_dated(const char *pattern);
/* The name on the day `days` before the one that unix_ms lies in, from the heap. */
char *hf_dated_name(const char *pattern, int64_t unix_ms, int days);

#endif
