/* The first lines of a report's files: the names of their columns. */
#ifndef HF_HEADER_H
#define HF_HEADER_H

#include "base/bytes.h"

#include "holdfast/request.h"

#include <stdbool.h>

/* The input's columns, the result's, and `affected` if it is asked for, as one CSV line. A name that the result
 * has already gets a number, as `query --format json` has it: the second `a` is `a_2`. The log says which ones got
 * another. A column of the result that is called as one of the input's keeps its name. */
void hf_header_output(hf_bytes *to, const hf_value *input, size_t n_input, const hf_value *result,
                      size_t n_result, bool affected);
/* `line`, the input's columns, `code` and `message`: of the refused and of the unknown lines. */
void hf_header_refusals(hf_bytes *to, const hf_value *input, size_t n_input);

#endif
