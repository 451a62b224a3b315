/* The columns of a RowDescription (PostgreSQL docs 55.7), as they are told and kept: [name NUL, what is told]….
 *
 * A description is squeezed in place, in rx, and is copied to the store where its statement is kept prepared; both are
 * read by hf_pg_columns_next(). Private to core/pg.
 */
#ifndef HF_PG_COLUMNS_H
#define HF_PG_COLUMNS_H

#include "wire.h"

/* Squeezes a RowDescription's body of so many bytes. Returns the bytes of what is left, or -1: the message is malformed
 * or its columns are not in this format. */
HF_COLD int32_t hf_pg_squeeze(uint8_t *body, uint32_t bytes, uint8_t format);
/* hf_driver.columns_next. */
bool hf_pg_columns_next(hf_columns *columns, hf_column *column);

#endif
