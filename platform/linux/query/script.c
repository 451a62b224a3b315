#include "script.h"

#include "base/bytes.h"
#include "base/statement.h"
#include "pg/sql.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- where a statement ends ----------------------------------------------------------------------- */

/* Where the scanner is within a statement. A routine's body may be statements between BEGIN ATOMIC and END (docs,
 * CREATE FUNCTION), whose semicolons are the body's own; CASE has an END too. */
typedef struct hf_scan {
    unsigned parentheses, body;
    unsigned words; /* the first three are looked at: CREATE [OR REPLACE] FUNCTION */
    bool creates, routine;
} hf_scan;

static void take_word(hf_scan *scan, const char *word) {
    if (scan->words++ == 0) {
        scan->creates = strcmp(word, "CREATE") == 0;
    } else if (scan->creates && scan->words <= 4 &&
               (strcmp(word, "FUNCTION") == 0 || strcmp(word, "PROCEDURE") == 0)) {
        scan->routine = true;
    } else if (scan->routine && strcmp(word, "BEGIN") == 0) {
        scan->body++;
    } else if (scan->body > 0 && strcmp(word, "CASE") == 0) {
        scan->body++;
    } else if (scan->body > 0 && strcmp(word, "END") == 0) {
        scan->body--;
    }
}

/* Behind the comment at `at`; `at` itself: there is none. */
static const char *behind_comment(const char *at) {
    if (at[0] == '-' && at[1] == '-') {
        return at + strcspn(at, "\r\n");
    }
    if (at[0] != '/' || at[1] != '*') {
        return at;
    }
    unsigned depth = 0;
    do {
        const bool opens = at[0] == '/' && at[1] == '*', closes = at[0] == '*' && at[1] == '/';
        depth += opens;
        depth -= closes;
        at += opens || closes ? 2 : 1;
    } while (*at && depth > 0);
    return at;
}

/* The semicolon that ends the statement at `at`, or the text's end. *psql: a backslash outside of literals, which
 * begins a command of psql's; NULL there is none. */
static const char *statement_end(const char *at, const char **psql) {
    hf_scan scan = { 0 };
    *psql = NULL;
    while (*at) {
        const char *behind = behind_comment(at);
        if (behind != at) {
            at = behind;
            continue;
        }
        if (*at == ';' && scan.parentheses == 0 && scan.body == 0) {
            return at;
        }
        if (*at == '\\') {
            *psql = at;
            return at;
        }
        if (isspace((unsigned char)*at) || *at == ';') {
            at++;
            continue;
        }
        scan.parentheses += *at == '(';
        scan.parentheses -= *at == ')' && scan.parentheses > 0;
        behind = hf_statement_piece(at);
        if (isalpha((unsigned char)*at)) {
            char word[HF_SQL_WORD_BYTES];
            const char *letters = hf_sql_word(at, word);
            take_word(&scan, letters == behind ? word : "");
        }
        at = behind;
    }
    return at;
}

/* ---- parts ---------------------------------------------------------------------------------------- */

static unsigned line_of(const char *text, const char *at) {
    unsigned line = 1;
    for (; text < at; text++) {
        line += *text == '\n';
    }
    return line;
}

typedef enum hf_control { PLAIN, BEGINS, COMMITS, ROLLS_BACK } hf_control;

static bool is(const char *word, const char *other) {
    return strcmp(word, other) == 0;
}

/* What the statement does to a transaction. *modes: what follows BEGIN and its optional words. */
static hf_control control_of(const char *sql, const char **modes) {
    char word[HF_SQL_WORD_BYTES], next[HF_SQL_WORD_BYTES];
    const char *behind = hf_sql_word(sql, word);
    const char *further = hf_sql_word(behind, next);
    const bool filler = is(next, "WORK") || is(next, "TRANSACTION");
    *modes = filler ? further : behind;
    if (is(word, "BEGIN") || (is(word, "START") && is(next, "TRANSACTION"))) {
        return BEGINS;
    }
    if (is(word, "COMMIT") || is(word, "END")) {
        return COMMITS;
    }
    if (is(word, "ROLLBACK")) {
        hf_sql_word(*modes, word);
        return is(word, "TO") ? PLAIN : ROLLS_BACK;
    }
    return is(word, "ABORT") ? ROLLS_BACK : PLAIN;
}

static void add_item(hf_script *script, char *sql, unsigned line) {
    script->items = hf_grown(script->items, script->n_items, sizeof *script->items);
    script->items[script->n_items++] = (hf_script_item){ .sql = sql, .line = line };
}

static hf_script_part *add_part(hf_script *script, bool transaction, unsigned line) {
    script->parts = hf_grown(script->parts, script->n_parts, sizeof *script->parts);
    hf_script_part *part = &script->parts[script->n_parts++];
    *part = (hf_script_part){ .first = script->n_items, .transaction = transaction, .line = line };
    return part;
}

/* Where a script is read: the transaction that is open in it, if one is. */
typedef struct hf_script_reader {
    hf_script *script;
    const char *place;
    bool single, open;
    hf_failure *failure;
} hf_script_reader;

static bool wrong(hf_script_reader *reader, unsigned line, const char *what) {
    return hf_fail(reader->failure, HF_EXIT_USAGE, "%s:%u: %s", reader->place, line, what);
}

static bool take_control(hf_script_reader *reader, hf_control kind, const char *modes,
                         unsigned line) {
    hf_script *script = reader->script;
    if (kind == ROLLS_BACK) {
        return wrong(reader, line,
                     "ROLLBACK: a script's transaction is undone by an error alone: leave out what "
                     "is not to be done");
    }
    if (reader->single) {
        return wrong(reader, line,
                     "--single-transaction puts BEGIN and COMMIT around the script: leave out its "
                     "own");
    }
    if (kind == COMMITS) {
        if (!reader->open) {
            return wrong(reader, line, "COMMIT without a BEGIN before it");
        }
        if (*hf_sql_skip(modes)) {
            return wrong(reader, line,
                         "COMMIT with further words: say COMMIT alone, and BEGIN anew");
        }
        reader->open = false;
        return true;
    }
    if (reader->open) {
        return wrong(reader, line, "BEGIN within a transaction: SAVEPOINT begins a part of one");
    }
    reader->open = true;
    add_part(script, true, line);
    if (*hf_sql_skip(
            modes)) { /* ISOLATION LEVEL SERIALIZABLE, say (docs, BEGIN and SET TRANSACTION) */
        hf_bytes sql = { 0 };
        hf_bytes_format(&sql, "SET TRANSACTION %s", hf_sql_skip(modes));
        add_item(script, hf_must_copy(hf_bytes_text(&sql)), line);
        script->parts[script->n_parts - 1].count++;
        hf_bytes_free(&sql);
    }
    return true;
}

/* Takes one statement's text, which is the script's from here on. */
static bool take_statement(hf_script_reader *reader, char *sql, unsigned line) {
    hf_script *script = reader->script;
    const char *modes;
    const hf_control kind = control_of(sql, &modes);
    if (kind != PLAIN) {
        const bool good = take_control(reader, kind, modes, line);
        free(sql);
        return good;
    }
    if (!reader->open && !(reader->single && script->n_parts > 0)) {
        add_part(script, reader->single, line);
    }
    script->parts[script->n_parts - 1].count++;
    add_item(script, sql, line);
    return true;
}

bool hf_script_read(hf_script *script, const char *text, const char *place, bool single,
                    hf_failure *failure) {
    hf_script_reader reader = {
        .script = script, .place = place, .single = single, .failure = failure
    };
    const char *at = hf_sql_skip(text), *psql;
    while (*at) {
        const char *end = statement_end(at, &psql);
        const unsigned line = line_of(text, at);
        if (psql) {
            hf_bytes shown = { 0 };
            hf_bytes_add_printable(&shown, psql,
                                   strcspn(psql, " \t\r\n") < 20 ? strcspn(psql, " \t\r\n") : 20);
            hf_fail(failure, HF_EXIT_USAGE,
                    "%s:%u: %s is a command of psql's: a script has SQL alone", place,
                    line_of(text, psql), hf_bytes_text(&shown));
            hf_bytes_free(&shown);
            return false;
        }
        const size_t bytes = (size_t)(end - at);
        char *sql = hf_must_alloc(bytes + 1, 1);
        memcpy(sql, at, bytes);
        if (!take_statement(&reader, sql, line)) {
            return false;
        }
        at = hf_sql_skip(end);
    }
    return !reader.open || wrong(&reader, script->parts[script->n_parts - 1].line,
                                 "BEGIN without a COMMIT behind it");
}

/* ---- values by name ------------------------------------------------------------------------------- */

/* Which variable is called so, in a list of "name=value": of two the later one, as in psql. -1: none. */
static long find(const char **variables, size_t count, const char *name) {
    const size_t bytes = strlen(name);
    for (size_t i = count; i > 0; i--) {
        if (strncmp(variables[i - 1], name, bytes) == 0 && variables[i - 1][bytes] == '=') {
            return (long)(i - 1);
        }
    }
    return -1;
}

static bool bind_item(hf_script_item *item, const char **variables, size_t count, bool *used,
                      const char *place, hf_failure *failure) {
    hf_bytes to = { 0 };
    hf_statement_names names = { 0 };
    bool good = hf_statement_name(item->sql, place, &to, &names, failure);
    if (good && names.count > 0 && names.first > 1) {
        good = hf_fail(failure, HF_EXIT_USAGE,
                       "%s:%u: $%u and :%s: the values of a statement have either numbers or names",
                       place, item->line, names.first - 1, names.items[0]);
    }
    item->params = hf_must_alloc(names.count + 1, sizeof *item->params);
    for (size_t i = 0; good && i < names.count; i++) {
        const long at = find(variables, count, names.items[i]);
        if (at < 0) {
            good = hf_fail(failure, HF_EXIT_USAGE,
                           "%s:%u: :%.64s has no value: give it by -v %.64s=VALUE", place,
                           item->line + names.lines[i] - 1, names.items[i], names.items[i]);
            break;
        }
        used[at] = true;
        item->params[item->n_params++] = variables[at] + strlen(names.items[i]) + 1;
    }
    if (good && names.count > 0) {
        free(item->sql);
        item->sql = hf_must_copy(hf_bytes_text(&to));
    }
    hf_statement_names_free(&names);
    hf_bytes_free(&to);
    return good;
}

bool hf_script_bind(hf_script *script, const char **variables, size_t count, const char *place,
                    hf_failure *failure) {
    bool *used = hf_must_alloc(count, sizeof *used), good = true;
    for (size_t i = 0; good && i < count; i++) {
        const char *end = variables[i];
        while (isalnum((unsigned char)*end) || *end == '_' || (*end & 0x80)) {
            end++;
        }
        good =
            (end > variables[i] && *end == '=') ||
            hf_fail(failure, HF_EXIT_USAGE,
                    "-v %.60s: say -v NAME=VALUE, a name of letters, digits and _", variables[i]);
    }
    for (size_t i = 0; good && i < script->n_items; i++) {
        good = bind_item(&script->items[i], variables, count, used, place, failure);
    }
    for (size_t i = 0; good && i < count; i++) {
        const int bytes = (int)strcspn(variables[i], "=");
        good = used[i] || hf_fail(failure, HF_EXIT_USAGE,
                                  "-v %.*s: no statement says :%.*s, or a later -v gives it",
                                  bytes < 60 ? bytes : 60, variables[i], bytes < 60 ? bytes : 60,
                                  variables[i]);
    }
    free(used);
    return good;
}

void hf_script_free(hf_script *script) {
    for (size_t i = 0; i < script->n_items; i++) {
        free(script->items[i].sql);
        free((void *)(uintptr_t)script->items[i].params);
    }
    free(script->items);
    free(script->parts);
    *script = (hf_script){ 0 };
}
