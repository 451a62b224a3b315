/* Values of report's options that are more than a word or a number. */
#ifndef HF_REPORT_VALUES_H
#define HF_REPORT_VALUES_H

#include "base/failure.h"
#include "option_table.h"

/* Checks them all, and keeps what they mean in *options. False: exit status 1, naming option and value. */
bool hf_report_values(hf_options *options, hf_failure *failure);

/* Pure. --delimiter: one ASCII character that is no quote and no line end, or `tab` or `\t`. */
bool hf_delimiter_read(const char *text, char *delimiter);
/* Pure. --max-rejects: `N`, or `P%` of `lines` (rounded down, P with up to three decimals). NULL: no limit. */
bool hf_rejects_read(const char *text, uint64_t lines, uint64_t *most);

#endif
