#include "statement.h"

#include "program.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LINE_SHOWN 120 /* characters of a long line that are shown around the place */

/* Behind blanks and comments; block comments nest (PostgreSQL docs 4.1.5). */
static const char *skip(const char *at) {
    for (;;) {
        if (isspace((unsigned char)*at)) {
            at++;
        } else if (at[0] == '-' && at[1] == '-') {
            at += strcspn(at, "\n");
        } else if (at[0] == '/' && at[1] == '*') {
            unsigned depth = 0;
            do {
                if (at[0] == '/' && at[1] == '*') {
                    depth++;
                    at += 2;
                } else if (at[0] == '*' && at[1] == '/') {
                    depth--;
                    at += 2;
                } else if (*at) {
                    at++;
                }
            } while (depth > 0 && *at);
        } else {
            return at;
        }
    }
}

static bool starts_with(const char *at, const char *word) {
    size_t length = strlen(word);
    return strncasecmp(at, word, length) == 0 && !isalnum((unsigned char)at[length]) &&
           at[length] != '_';
}

bool hf_statement_take(hf_bytes *from, const char *place, hf_failure *failure) {
    static const char *const control[] = {
        "BEGIN", "START",     "COMMIT",  "END",     "ROLLBACK",
        "ABORT", "SAVEPOINT", "RELEASE", "PREPARE", "DEALLOCATE"
    };
    if (from->used >= 3 && memcmp(from->data, "\xef\xbb\xbf", 3) == 0) {
        from->used -= 3;
        memmove(from->data, from->data + 3, from->used);
    }
    const char *sql = hf_bytes_text(from);
    if (strlen(sql) != from->used) {
        return hf_fail(failure, HF_EXIT_USAGE, "%s: a NUL byte in the statement", place);
    }
    const char *first = skip(sql);
    if (*skip(*first == ';' ? first + 1 : first) == '\0') {
        return hf_fail(failure, HF_EXIT_USAGE, "%s: there is no statement in it", place);
    }
    if (starts_with(first, "COPY")) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "%s: COPY moves data outside a statement's rows, which holdfast does not do: use "
            "SELECT, or INSERT with --write",
            place);
    }
    for (size_t i = 0; i < sizeof control / sizeof control[0]; i++) {
        if (starts_with(first, control[i])) {
            return hf_fail(failure, HF_EXIT_USAGE,
                           "%s: %s does not fit one statement that may run on any connection: each "
                           "statement is a transaction of its own",
                           place, control[i]);
        }
    }
    return true;
}

static bool continues(const char *at) {
    return ((unsigned char)*at & 0xc0) == 0x80;
}

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
