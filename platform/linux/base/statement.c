#include "statement.h"

#include "failure.h"
#include "input.h"
#include "pg/sql.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_SHOWN 120 /* characters of a long line that are shown around the place */

/* The statement's first word, in capitals, and the place behind it; "" where that is a name with digits in it. */
static const char *first_word(const char *sql, char word[HF_SQL_WORD_BYTES]) {
    const char *behind = hf_sql_word(sql, word);
    word[0] = isdigit((unsigned char)*behind) ? '\0' : word[0];
    return behind;
}

static bool is_one_of(const char *word, const char *const *words) {
    while (*words && strcmp(word, *words) != 0) {
        words++;
    }
    return *words != NULL;
}

bool hf_statement_text(hf_bytes *from, const char *place, hf_failure *failure) {
    if (from->used >= 3 && memcmp(from->data, "\xef\xbb\xbf", 3) == 0) {
        from->used -= 3;
        memmove(from->data, from->data + 3, from->used);
    }
    const char *sql = hf_bytes_text(from);
    const char *foreign = from->used >= 2 && memcmp(sql, "\x1f\x8b", 2) == 0
                              ? "it is packed by gzip: gunzip unpacks it"
                              : hf_input_other_format(sql, from->used);
    if (foreign) {
        return hf_fail(failure, HF_EXIT_USAGE, "%s: %s", place, foreign);
    }
    if (strlen(sql) != from->used) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "%s: a NUL byte in the statement: it is text in UTF-8 (from UTF-16: iconv -f "
            "UTF-16LE -t UTF-8)",
            place);
    }
    if (*hf_sql_skip(sql) == '\0') {
        return hf_fail(failure, HF_EXIT_USAGE, "%s: there is no statement in it", place);
    }
    return true;
}

bool hf_statement_alone(const char *sql, const char *place, hf_failure *failure) {
    static const char *const control[] = { "BEGIN",    "START",      "COMMIT",    "END",
                                           "ROLLBACK", "ABORT",      "SAVEPOINT", "RELEASE",
                                           "PREPARE",  "DEALLOCATE", NULL };
    char word[HF_SQL_WORD_BYTES];
    first_word(sql, word);
    if (strcmp(word, "COPY") == 0) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "%s: COPY moves data outside a statement's rows, which holdfast does not do: use "
            "SELECT, or INSERT with --write",
            place);
    }
    if (is_one_of(word, control)) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "%s: %s does not fit one statement that may run on any connection: each "
                       "statement is a transaction of its own",
                       place, word);
    }
    return true;
}

bool hf_statement_take(hf_bytes *from, const char *place, hf_failure *failure) {
    return hf_statement_text(from, place, failure) &&
           hf_statement_alone(hf_bytes_text(from), place, failure);
}

bool hf_statement_begins(const char *text) {
    static const char *const words[] = { "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE",
                                         "WITH",   "VALUES", "CALL",   "DO",     NULL };
    char word[HF_SQL_WORD_BYTES];
    const char *behind = first_word(text, word);
    return is_one_of(word, words) && isspace((unsigned char)*behind);
}

bool hf_statement_counts(const char *sql) {
    static const char *const counted[] = { "INSERT", "UPDATE", "DELETE", "MERGE", "SELECT",
                                           "WITH",   "VALUES", "TABLE",  NULL };
    char word[HF_SQL_WORD_BYTES];
    while (*(sql = hf_sql_skip(sql)) == '(') {
        sql++;
    }
    first_word(sql, word);
    return is_one_of(word, counted);
}

bool hf_statement_writes(const char *sql) {
    static const char *const writing[] = { "INSERT", "UPDATE", "DELETE", "MERGE", NULL };
    char word[HF_SQL_WORD_BYTES];
    first_word(sql, word);
    return is_one_of(word, writing);
}

/* ---- literals that name a moment ------------------------------------------------------------------ */

/* The word at hand of a literal's text, as its escapes read. */
typedef struct hf_moment {
    char word[16];
    size_t used;
    bool began; /* the literal had a word before this one */
    bool found;
} hf_moment;

/* A literal that begins with such a word (`nowhere` does, too: it costs no more than some speed), or has it as a word
 * of its own behind others: '10:00 today', '[now,)', '{today,tomorrow}'. */
static void end_word(hf_moment *moment) {
    static const char *const words[] = { "now", "today", "tomorrow", "yesterday" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = strlen(words[i]);
        moment->found = moment->found ||
                        (moment->used >= length && memcmp(moment->word, words[i], length) == 0 &&
                         (moment->used == length || !moment->began));
    }
    moment->began = moment->began || moment->used > 0;
    moment->used = 0;
}

static bool is_name(char c) {
    return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

static void put(hf_moment *moment, char c) {
    if (!is_name(c)) {
        end_word(moment);
    } else if (moment->used < sizeof moment->word) {
        moment->word[moment->used++] = (char)tolower((unsigned char)c);
    }
}

/* A character by its number may be of any word: that is not looked into. */
static bool is_number(char c) {
    return (c >= '0' && c <= '7') || c == 'x' || c == 'u' || c == 'U';
}

/* Behind a literal's closing quote: where it goes on, if only blanks with a line break in them lie between the
 * two (docs 4.1.2.1); NULL it does not. */
static const char *continuation(const char *at) {
    const char *next = at;
    bool broken = false;
    for (;;) {
        if (next[0] == '-' && next[1] == '-') {
            next += strcspn(next, "\n");
        } else if (isspace((unsigned char)*next)) {
            broken = broken || *next == '\n' || *next == '\r';
            next++;
        } else {
            return broken && *next == '\'' ? next + 1 : NULL;
        }
    }
}

/* Behind a literal in single quotes; at: behind its first. kind: 'E' or 'U' with escapes, which of the latter are
 * all numbers (docs 4.1.2.2, 4.1.2.3), or 0. */
static const char *quoted(hf_moment *moment, const char *at, char kind) {
    while (*at) {
        if (at[0] == '\'' && at[1] == '\'') {
            put(moment, '\'');
            at += 2;
        } else if (*at == '\'') {
            const char *next = continuation(at + 1);
            if (!next) {
                break;
            }
            at = next;
        } else if (kind && at[0] == '\\' && at[1]) {
            moment->found = moment->found || kind == 'U' || is_number(at[1]);
            put(moment, strchr("bfnrt", at[1]) ? ' ' : at[1]);
            at += 2;
        } else {
            put(moment, *at++);
        }
    }
    end_word(moment);
    return *at ? at + 1 : at;
}

/* Behind $$…$$ or $tag$…$tag$; NULL: it is none, but $1, say. */
static const char *dollar_quoted(hf_moment *moment, const char *at) {
    const char *tag = at + 1;
    if (isdigit((unsigned char)*tag)) {
        return NULL;
    }
    while (is_name(*tag)) {
        tag++;
    }
    if (*tag != '$') {
        return NULL;
    }
    size_t length = (size_t)(tag + 1 - at);
    const char *text = tag + 1;
    while (*text && strncmp(text, at, length) != 0) {
        put(moment, *text++);
    }
    end_word(moment);
    return *text ? text + length : text;
}

/* Behind the literal, name, word or character at `at`, which is no white space and no comment. */
static const char *piece(hf_moment *moment, const char *at) {
    const char *behind = NULL;
    moment->began = false;
    if (*at == '\'') {
        behind = quoted(moment, at + 1, 0);
    } else if (strncasecmp(at, "E'", 2) == 0) {
        behind = quoted(moment, at + 2, 'E');
    } else if (strncasecmp(at, "U&'", 3) == 0) {
        behind = quoted(moment, at + 3, 'U');
    } else if (*at == '"') { /* a name; "" in it begins another, which comes to the same */
        behind = at + 1 + strcspn(at + 1, "\"");
        behind += *behind == '"';
    } else if (*at == '$') {
        behind = dollar_quoted(moment, at);
    } else if (is_name(*at)) {
        for (behind = at; is_name(*behind) || *behind == '$';) {
            behind++;
        }
    }
    return behind ? behind : at + 1;
}

const char *hf_statement_piece(const char *at) {
    hf_moment ignored = { .used = 0 };
    return piece(&ignored, at);
}

bool hf_statement_keeps(const char *sql) {
    hf_moment moment = { .used = 0 };
    for (const char *at = hf_sql_skip(sql); *at && !moment.found; at = hf_sql_skip(at)) {
        const char *behind = piece(&moment, at);
        moment.found = moment.found || (behind - at == 7 && strncasecmp(at, "UESCAPE", 7) == 0);
        at = behind;
    }
    return !moment.found;
}

/* ---- parameters with names ------------------------------------------------------------------------ */

static unsigned line_at(const char *sql, const char *at) {
    unsigned line = 1;
    for (; sql < at; sql++) {
        line += *sql == '\n';
    }
    return line;
}

/* The highest $n of the text. */
static unsigned highest(const char *sql) {
    hf_moment ignored = { .used = 0 };
    unsigned most = 0;
    for (const char *at = hf_sql_skip(sql); *at; at = hf_sql_skip(at)) {
        if (*at == '$' && isdigit((unsigned char)at[1])) {
            char *end;
            const unsigned long n = strtoul(at + 1, &end, 10);
            most = n > most && n < 65536 ? (unsigned)n : most;
            at = end;
        } else {
            at = piece(&ignored, at);
        }
    }
    return most;
}

static unsigned number_of(hf_statement_names *names, const char *name, size_t bytes,
                          unsigned line) {
    for (size_t i = 0; i < names->count; i++) {
        if (strlen(names->items[i]) == bytes && memcmp(names->items[i], name, bytes) == 0) {
            return names->first + (unsigned)i;
        }
    }
    char *copy = hf_must_alloc(bytes + 1, 1);
    memcpy(copy, name, bytes);
    names->items = hf_grown(names->items, names->count, sizeof *names->items);
    names->lines = hf_grown(names->lines, names->count, sizeof *names->lines);
    names->lines[names->count] = line;
    names->items[names->count++] = copy;
    return names->first + (unsigned)names->count - 1;
}

static const char *behind_name(const char *at) {
    while (is_name(*at)) {
        at++;
    }
    return at;
}

/* psql's :'name' and :"name", which put a value into the text. */
static bool is_quoted_name(const char *colon) {
    if (colon[1] != '\'' && colon[1] != '"') {
        return false;
    }
    const char *end = behind_name(colon + 2);
    return end > colon + 2 && *end == colon[1];
}

static void shift(hf_statement_names *names, const hf_bytes *to, int more) {
    if (more != 0) {
        names->shifts = hf_grown(names->shifts, names->n_shifts, sizeof *names->shifts);
        names->shifts[names->n_shifts++] = (hf_statement_shift){ .at = to->used, .more = more };
    }
}

/* As many characters as the name had, if they are enough, so that a place that the server tells stays one of the text.
 * What stands before it, as in LIMIT:n, is not to become one word with it. */
static void put_number(hf_statement_names *names, hf_bytes *to, unsigned number, const char *name,
                       const char *end) {
    size_t characters = 1, before = to->used;
    int blank = 0;
    if (before > 0 && (is_name(to->data[before - 1]) || to->data[before - 1] == '$')) {
        hf_bytes_add_byte(to, ' ');
        blank = 1;
    }
    shift(names, to, blank);
    for (; name < end; name++) {
        characters += ((unsigned char)*name & 0xc0) != 0x80;
    }
    hf_bytes_format(to, "$%u", number);
    while (to->used - before < characters) {
        hf_bytes_add_byte(to, ' ');
    }
    shift(names, to, (int)(to->used - before) - (int)characters - blank);
}

bool hf_statement_name(const char *sql, const char *place, hf_bytes *to, hf_statement_names *names,
                       hf_failure *failure) {
    hf_moment ignored = { .used = 0 };
    *names = (hf_statement_names){ .first = highest(sql) + 1 };
    for (const char *at = sql, *behind; *at; at = behind) {
        behind = hf_sql_skip(at);
        if (behind == at && *at == ':' && is_quoted_name(at)) {
            const char *end = behind_name(at + 2);
            return hf_fail(failure, HF_EXIT_USAGE,
                           "%s:%u: %.*s: a value that is bound needs no quotes: write :%.*s", place,
                           line_at(sql, at), (int)(end + 1 - at < 70 ? end + 1 - at : 70), at,
                           (int)(end - at - 2 < 64 ? end - at - 2 : 64), at + 2);
        }
        if (behind == at && *at == ':' && is_name(at[1]) && !isdigit((unsigned char)at[1])) {
            behind = behind_name(at + 1);
            const unsigned number =
                number_of(names, at + 1, (size_t)(behind - at - 1), line_at(sql, at));
            put_number(names, to, number, at + 1, behind);
            continue;
        }
        if (behind == at) {
            behind = *at == ':' && (at[1] == ':' || at[1] == '=') ? at + 2 : piece(&ignored, at);
        }
        hf_bytes_add(to, at, (size_t)(behind - at));
    }
    return true;
}

static bool continues(const char *at) {
    return ((unsigned char)*at & 0xc0) == 0x80;
}

uint32_t hf_statement_place(const hf_statement_names *names, const char *to, uint32_t position) {
    const char *at = to;
    uint32_t place = position;
    for (uint32_t character = 1; *at && character < position; character++) {
        do {
            at++;
        } while (continues(at));
    }
    for (size_t i = 0; i < names->n_shifts && names->shifts[i].at <= (size_t)(at - to); i++) {
        place = (uint32_t)((int64_t)place - names->shifts[i].more);
    }
    return place;
}

void hf_statement_names_free(hf_statement_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i]);
    }
    free(names->items);
    free(names->lines);
    free(names->shifts);
    *names = (hf_statement_names){ 0 };
}

/* ---- a place in it -------------------------------------------------------------------------------- */

void hf_statement_point(hf_bytes *to, const char *sql, uint32_t position) {
    const char *line = sql, *at = sql;
    unsigned number = 1;
    for (uint32_t character = 1; *at && character < position; character++) {
        number += *at == '\n';
        line = *at == '\n' ? at + 1 : line;
        do {
            at++;
        } while (continues(at));
    }
    if (position == 0 || *at == '\0') {
        return;
    }
    /* Of a very long line, what is around the place. */
    size_t length = strcspn(line, "\r\n");
    const char *from = at - line > LINE_SHOWN / 2 ? at - LINE_SHOWN / 2 : line;
    while (from < at && continues(from)) {
        from++;
    }
    size_t shown = length - (size_t)(from - line);
    shown = shown > LINE_SHOWN ? LINE_SHOWN : shown;
    while (shown > 0 && continues(from + shown)) {
        shown--;
    }
    size_t before = to->used;
    hf_bytes_format(to, "LINE %u: %s", number, from > line ? "..." : "");
    size_t indent = to->used - before;
    hf_bytes_add_printable(to, from, shown);
    hf_bytes_add_byte(to, '\n');
    for (const char *c = from; c < at; c++) {
        indent += !continues(c);
    }
    while (indent-- > 0) {
        hf_bytes_add_byte(to, ' ');
    }
    hf_bytes_add_byte(to, '^');
}
