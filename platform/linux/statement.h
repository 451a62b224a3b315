/* A statement's text before the server sees it, and a place in it after the server refused it. */
#ifndef HF_STATEMENT_H
#define HF_STATEMENT_H

#include "bytes.h"
#include "failure.h"

#include <stdint.h>

/* Takes a statement's text from `from` (a file's content): no byte order mark, no NUL, not empty, not COPY
 * and no transaction control, which a connection that may be replaced at any time cannot have. False: exit
 * status 1 and why, naming `place`. */
bool hf_statement_take(hf_bytes *from, const char *place, hf_failure *failure);
/* The line of the text that character `position` (from 1) lies in, a caret below it:
 *   "LINE 2: SELECT nme FROM item\n               ^"
 * and nothing when there is no such character. */
void hf_statement_point(hf_bytes *to, const char *sql, uint32_t position);

#endif
