#include "json_out.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* Types of pg_type whose text is a JSON number, and others that JSON has a form for (docs 8.1, 8.14). */
enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_JSON = 114,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700,
    OID_JSONB = 3802
};

bool hf_json_out_numeric(uint32_t type) {
    return type == OID_INT8 || type == OID_INT2 || type == OID_INT4 || type == OID_OID ||
           type == OID_FLOAT4 || type == OID_FLOAT8 || type == OID_NUMERIC;
}

/* ---- is it JSON? ---------------------------------------------------------------------------------- */

/* Each of these takes what it is named after from *at and moves it behind; false: it is not there. */

static bool take_digits(const char **at, const char *end) {
    const char *from = *at;
    while (*at < end && **at >= '0' && **at <= '9') {
        (*at)++;
    }
    return *at > from;
}

static bool take_byte(const char **at, const char *end, char byte) {
    const bool there = *at < end && **at == byte;
    *at += there;
    return there;
}

static bool take_number(const char **at, const char *end) {
    take_byte(at, end, '-');
    if (!take_byte(at, end, '0') && !take_digits(at, end)) {
        return false;
    }
    if (take_byte(at, end, '.') && !take_digits(at, end)) {
        return false;
    }
    if (take_byte(at, end, 'e') || take_byte(at, end, 'E')) {
        if (!take_byte(at, end, '+')) {
            take_byte(at, end, '-');
        }
        return take_digits(at, end);
    }
    return true;
}

static bool take_word(const char **at, const char *end, const char *word) {
    const size_t bytes = strlen(word);
    const bool there = (size_t)(end - *at) >= bytes && memcmp(*at, word, bytes) == 0;
    *at += there ? bytes : 0;
    return there;
}

/* Behind its backslash. */
static bool take_escape(const char **at, const char *end) {
    if (take_byte(at, end, 'u')) {
        for (int i = 0; i < 4; i++, (*at)++) {
            if (*at == end || **at == '\0' || !strchr("0123456789abcdefABCDEF", **at)) {
                return false;
            }
        }
        return true;
    }
    const bool there = *at < end && **at != '\0' && strchr("\"\\/bfnrt", **at);
    *at += there;
    return there;
}

static bool take_string(const char **at, const char *end) {
    if (!take_byte(at, end, '"')) {
        return false;
    }
    while (*at < end && **at != '"') {
        uint32_t code;
        const size_t length = hf_character(*at, (size_t)(end - *at), &code);
        if (length == 0 || code < 0x20) {
            return false;
        }
        *at += length;
        if (code == '\\' && !take_escape(at, end)) {
            return false;
        }
    }
    return take_byte(at, end, '"');
}

static void skip_blanks(const char **at, const char *end) {
    while (*at < end && (**at == ' ' || **at == '\n' || **at == '\r' || **at == '\t')) {
        (*at)++;
    }
}

/* What may stand at a place. The brackets that are open are kept in memory: a stack of calls could be made
 * to overflow. */
enum { VALUE, VALUE_OR_END, NAME, NAME_OR_END, COMMA_OR_END };

/* The next token; what may follow it, or -1: it is not JSON. */
static int take_token(const char **at, const char *end, int may, hf_bytes *open) {
    const bool in_object = open->used > 0 && open->data[open->used - 1] == '{';
    const bool may_end = may == VALUE_OR_END || may == NAME_OR_END || may == COMMA_OR_END;
    if (open->used > 0 && may_end && take_byte(at, end, in_object ? '}' : ']')) {
        open->used--;
        return COMMA_OR_END;
    }
    if (may == COMMA_OR_END) {
        return open->used == 0 || !take_byte(at, end, ',') ? -1 : in_object ? NAME : VALUE;
    }
    if (may == NAME || may == NAME_OR_END) {
        if (!take_string(at, end)) {
            return -1;
        }
        skip_blanks(at, end);
        return take_byte(at, end, ':') ? VALUE : -1;
    }
    if (take_byte(at, end, '{')) {
        hf_bytes_add_byte(open, '{');
        return NAME_OR_END;
    }
    if (take_byte(at, end, '[')) {
        hf_bytes_add_byte(open, '[');
        return VALUE_OR_END;
    }
    const bool text = *at < end && **at == '"';
    const bool there = text ? take_string(at, end)
                            : take_word(at, end, "true") || take_word(at, end, "false") ||
                                  take_word(at, end, "null") || take_number(at, end);
    return there ? COMMA_OR_END : -1;
}

bool hf_json_out_valid(const char *text, size_t bytes) {
    const char *at = text, *const end = text + bytes;
    hf_bytes open = { 0 };
    int may = VALUE;
    do {
        skip_blanks(&at, end);
        may = take_token(&at, end, may, &open);
    } while (may >= 0 && (open.used > 0 || may != COMMA_OR_END));
    skip_blanks(&at, end);
    hf_bytes_free(&open);
    return may >= 0 && at == end;
}

/* ---- writing -------------------------------------------------------------------------------------- */

static void add_escaped(hf_bytes *to, uint32_t code) {
    if (code >= 0x10000) { /* as UTF-16 has it */
        code -= 0x10000;
        hf_bytes_format(to, "\\u%04x", (unsigned)(0xd800 + (code >> 10)));
        code = 0xdc00 + (code & 0x3ff);
    }
    hf_bytes_format(to, "\\u%04x", (unsigned)code);
}

/* Characters of UTF-8 as they are; those that may not be shown as escapes, from `least` on: below it stands what is
 * JSON's own. */
static void add_characters(hf_bytes *to, hf_value text, uint32_t least) {
    while (text.bytes > 0) {
        uint32_t code;
        size_t length = hf_character(text.data, text.bytes, &code);
        if (length == 0) {
            hf_bytes_add_text(to, "\xef\xbf\xbd");
            length = 1;
        } else if (code >= least && !hf_printable(code)) {
            add_escaped(to, code);
        } else {
            hf_bytes_add(to, text.data, length);
        }
        text.data += length;
        text.bytes -= length;
    }
}

static void add_text(hf_bytes *to, hf_value text) {
    hf_bytes_add_byte(to, '"');
    while (text.bytes > 0) {
        size_t plain = 0;
        while (plain < text.bytes &&
               !strchr("\"\\\n", text.data[plain])) { /* a NUL, too, stops here */
            plain++;
        }
        add_characters(to, (hf_value){ .data = text.data, .bytes = plain }, 0);
        if (plain < text.bytes) {
            const char special = text.data[plain++];
            hf_bytes_add_text(to, special == '"'    ? "\\\""
                                  : special == '\\' ? "\\\\"
                                  : special == '\n' ? "\\n"
                                                    : "\\u0000");
        }
        text.data += plain;
        text.bytes -= plain;
    }
    hf_bytes_add_byte(to, '"');
}

static bool is_number(hf_value value) {
    const char *at = value.data, *const end = at + value.bytes;
    return take_number(&at, end) && at == end;
}

void hf_json_out_value(hf_bytes *to, hf_value value, uint32_t type) {
    const bool truth = type == OID_BOOL && value.data && value.bytes == 1;
    if (!value.data) {
        hf_bytes_add_text(to, "null");
    } else if (truth && (value.data[0] == 't' || value.data[0] == 'f')) {
        hf_bytes_add_text(to, value.data[0] == 't' ? "true" : "false");
    } else if (hf_json_out_numeric(type) && is_number(value)) { /* NaN and Infinity are none */
        hf_bytes_add(to, value.data, value.bytes);
    } else if ((type == OID_JSON || type == OID_JSONB) &&
               hf_json_out_valid(value.data, value.bytes)) {
        add_characters(to, value, 0x7f);
    } else {
        add_text(to, value);
    }
}

/* ---- names ---------------------------------------------------------------------------------------- */

/* A set of names: twice as many places as there can be names, a power of two; the next free one is taken. */
typedef struct hf_name_place {
    const hf_bytes *key; /* NULL: free */
    unsigned next;       /* the number that its next namesake tries */
} hf_name_place;

static hf_name_place *find(hf_name_place *places, size_t mask, const hf_bytes *key) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < key->used; i++) {
        hash = (hash ^ (unsigned char)key->data[i]) * 1099511628211u;
    }
    size_t at = (size_t)hash & mask;
    while (places[at].key && (places[at].key->used != key->used ||
                              memcmp(places[at].key->data, key->data, key->used) != 0)) {
        at = (at + 1) & mask;
    }
    return &places[at];
}

void hf_json_out_names(hf_bytes *keys, const hf_value *names, size_t n) {
    size_t count = 4;
    while (count < 4 * n) { /* each column's own name, and a numbered one */
        count *= 2;
    }
    hf_name_place *places = hf_must_alloc(count, sizeof *places);
    for (size_t i = 0; i < n; i++) {
        add_text(&keys[i], names[i]);
        hf_name_place *own = find(places, count - 1, &keys[i]);
        if (!own->key) {
            *own = (hf_name_place){ .key = &keys[i], .next = 2 };
        }
    }
    for (size_t i = 0; i < n; i++) {
        hf_name_place *first = find(places, count - 1, &keys[i]);
        if (first->key == &keys[i]) {
            continue;
        }
        hf_bytes numbered = { 0 };
        do {
            hf_bytes_reset(&numbered, SIZE_MAX);
            hf_bytes_add(&numbered, keys[i].data, keys[i].used - 1); /* without its last quote */
            hf_bytes_format(&numbered, "_%u\"", first->next++);
        } while (find(places, count - 1, &numbered)->key);
        hf_bytes_free(&keys[i]);
        keys[i] = numbered;
        find(places, count - 1, &keys[i])->key = &keys[i];
    }
    free(places);
}
