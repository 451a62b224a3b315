/* A script's statements, as psql's scanner finds them (PostgreSQL docs, psql; 4.1 lexical structure). */
#ifndef HF_SCRIPT_H
#define HF_SCRIPT_H

#include "base/failure.h"

#include <stdbool.h>
#include <stddef.h>

/* One statement, as a text of its own without its semicolon. */
typedef struct hf_script_item {
    char *sql;
    unsigned line; /* of the script, from 1: where the statement begins */
    /* The statement's values: $n is params[n - 1] of the -v values that it names. */
    const char **params;
    size_t n_params;
} hf_script_item;

/* What runs together: statements first to first + count - 1. */
typedef struct hf_script_part {
    size_t first, count;
    bool transaction; /* written as BEGIN … COMMIT, or the whole script */
    unsigned line;    /* where it begins */
} hf_script_part;

typedef struct hf_script {
    hf_script_item *items;
    size_t n_items;
    hf_script_part *parts;
    size_t n_parts;
} hf_script;

/* Cuts `text` at its semicolons, those in literals, quoted names, comments, parentheses and BEGIN ATOMIC … END
 * excepted. BEGIN and COMMIT become parts; with `single` all of the script is one. False: exit status 1, and the line
 * in `place` of what has no place in a script: a command of psql's, BEGIN without COMMIT, ROLLBACK. */
bool hf_script_read(hf_script *script, const char *text, const char *place, bool single,
                    hf_failure *failure);
/* Puts $n for each :name, which `variables` gives as "name=value". False: exit status 1; no variable gives a name, or
 * no statement names a variable. */
bool hf_script_bind(hf_script *script, const char **variables, size_t count, const char *place,
                    hf_failure *failure);
void hf_script_free(hf_script *script);

#endif
