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
/* Does the text read like a statement that a report runs? */
bool hf_statement_begins(const char *text);
/* May it be kept prepared and mean the same each time? Not when a literal of it says now, today, tomorrow or
 * yesterday: such a word becomes a date or a time when the statement is parsed (PostgreSQL docs 8.5.1.4). */
bool hf_statement_keeps(const char *sql);
/* Does the server say how many rows it touched? It does of INSERT, UPDATE, DELETE, MERGE and of what gives rows. */
bool hf_statement_counts(const char *sql);
/* The line of the text that character `position` (from 1) lies in, a caret below it:
 *   "LINE 2: SELECT nme FROM item\n               ^"
 * and nothing when there is no such character. */
void hf_statement_point(hf_bytes *to, const char *sql, uint32_t position);

#endif
