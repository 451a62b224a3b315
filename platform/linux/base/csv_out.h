/* Cells as PostgreSQL's COPY … CSV writes them (docs, COPY, "CSV Format"): NULL is nothing, the empty
 * string is "", and a cell is quoted when it holds a comma, a quote, CR or LF, or would read as `\.`. */
#ifndef HF_CSV_OUT_H
#define HF_CSV_OUT_H

#include "bytes.h"

#include "holdfast/request.h"

/* `alone`: the cell is its line's only one. */
void hf_csv_add_cell(hf_bytes *to, hf_value cell, bool alone);
/* Cells with commas between them, no line end. */
void hf_csv_add_cells(hf_bytes *to, const hf_value *cells, size_t count);

#endif
