/* A statement's text before the server sees it, and a place in it after the server refused it. */
#ifndef HF_STATEMENT_H
#define HF_STATEMENT_H

#include "bytes.h"
#include "failure.h"

#include <stdint.h>

/* Takes SQL from `from` (a file's content): no byte order mark, no NUL, not empty. False: exit status 1 and why, naming
 * `place`. */
bool hf_statement_text(hf_bytes *from, const char *place, hf_failure *failure);
/* Does the statement run by itself? Not COPY, and no transaction control, which a connection that may be replaced at
 * any time cannot have. False: as above. */
bool hf_statement_alone(const char *sql, const char *place, hf_failure *failure);
/* Both, of a text that is one statement. */
bool hf_statement_take(hf_bytes *from, const char *place, hf_failure *failure);
/* Behind the literal, quoted name, word or single character at `at`, which is no white space and no comment. */
const char *hf_statement_piece(const char *at);
/* From byte `at` of a text with numbers on, it has `more` characters than the text with names has up to there. */
typedef struct hf_statement_shift {
    size_t at;
    int more;
} hf_statement_shift;

/* The parameters of a statement that have names. `first`: the number of the first, behind all that stand as $n. */
typedef struct hf_statement_names {
    char **items;
    unsigned *lines; /* in the text, from 1: where each is said first */
    size_t count;
    unsigned first;
    hf_statement_shift *shifts; /* each adds to those before it */
    size_t n_shifts;
} hf_statement_names;

/* Puts $n for each :name of the text, the same one wherever a name comes again. As in psql (docs, psql, "SQL
 * Interpolation") a name is letters, digits and underscores, not within literals, quoted names and comments, and `::`
 * and `:=` are what they are; what begins with a digit is a slice's bound. What :name leaves over is blank, so that
 * places in `to` are places in the text, but behind a $n that is longer. False: exit status 1, and a place at
 * `place`. */
bool hf_statement_name(const char *sql, const char *place, hf_bytes *to, hf_statement_names *names,
                       hf_failure *failure);
/* Which character of the text (from 1) is that of `to` which a server's position names? */
uint32_t hf_statement_place(const hf_statement_names *names, const char *to, uint32_t position);
void hf_statement_names_free(hf_statement_names *names);
/* Does the text read like a statement that a report runs? */
bool hf_statement_begins(const char *text);
/* May it be kept prepared and mean the same each time? Not when a literal of it says now, today, tomorrow or
 * yesterday: such a word becomes a date or a time when the statement is parsed (PostgreSQL docs 8.5.1.4). */
bool hf_statement_keeps(const char *sql);
/* Does the server say how many rows it touched? It does of INSERT, UPDATE, DELETE, MERGE and of what gives rows. */
bool hf_statement_counts(const char *sql);
/* Does it write, by its first word? There are others that write. */
bool hf_statement_writes(const char *sql);
/* The line of the text that character `position` (from 1) lies in, a caret below it:
 *   "LINE 2: SELECT nme FROM item\n               ^"
 * and nothing when there is no such character. */
void hf_statement_point(hf_bytes *to, const char *sql, uint32_t position);

#endif
