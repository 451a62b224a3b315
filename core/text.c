#include "text.h"

#include <string.h>

/* Invariant of a writer: length < size (or size == 0), out[length] == 0, and once something was cut
 * nothing more is written, so that a text never continues after a gap. */

hf_writer hf_writer_on(char *out, size_t size) {
    hf_writer writer = { .out = out, .size = size };

    if (size > 0) {
        out[0] = 0;
    }
    return writer;
}

/* One character of `bytes` bytes, whole or not at all. */
static void put(hf_writer *writer, const char *text, size_t bytes) {
    if (writer->cut || writer->size < 1 || bytes > writer->size - 1 - writer->length) {
        writer->cut = true;
        return;
    }
    memcpy(writer->out + writer->length, text, bytes);
    writer->length += bytes;
    writer->out[writer->length] = 0;
}

/* How many bytes the UTF-8 character at text has, 0 if it is not one (RFC 3629): no overlong form, no
 * surrogate, nothing above U+10FFFF. */
static size_t character(const char *text, size_t bytes, uint32_t *code) {
    const uint8_t *at = (const uint8_t *)text;
    size_t length;

    if (at[0] < 0x80) {
        *code = at[0];
        return 1;
    }
    if (at[0] < 0xc2 || at[0] > 0xf4) {
        return 0;
    }
    length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (length > bytes) {
        return 0;
    }
    *code = at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        *code = *code << 6 | (at[i] & 0x3fu);
    }
    /* Of two bytes 0xc2 is the least; three begin at 1 << 11, four at 1 << 16. */
    if (*code < 1u << (5 * length - 4) || *code > 0x10ffff ||
        (*code >= 0xd800 && *code <= 0xdfff)) {
        return 0;
    }
    return length;
}

/* Not a control character, and not one of those that turn, hide or end a line of text on a terminal. */
static bool printable(uint32_t code) {
    static const struct {
        uint16_t first, last;
    } hidden[] = { { 0x00, 0x1f },     { 0x7f, 0x9f },       /* C0, DEL, C1 */
                   { 0xad, 0xad },     { 0x061c, 0x061c },   /* soft hyphen, Arabic letter mark */
                   { 0x200b, 0x200f }, { 0x2028, 0x202e },   /* zero width, line ends, reordering */
                   { 0x2060, 0x206f }, { 0xfeff, 0xfeff },   /* invisible, reordering, BOM */
                   { 0xfff0, 0xfffb }, { 0xfffe, 0xffff } }; /* specials, not characters */

    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
        if (code >= hidden[i].first && code <= hidden[i].last) {
            return false;
        }
    }
    return code < 0xe0000; /* behind: tags, private use */
}

/* Character by character; only those that are printable, or all as they are. */
static void write(hf_writer *writer, const char *text, size_t bytes, bool all) {
    while (bytes > 0 && !writer->cut) {
        uint32_t code = 0;
        size_t used = character(text, bytes, &code);
        const bool good = all || (used > 0 && printable(code));
        const bool space = used > 0 && (code == '\n' || code == '\r' || code == '\t');
        used = used > 0 ? used : 1;
        put(writer, good ? text : space ? " " : "?", good ? used : 1);
        text += used;
        bytes -= used;
    }
}

void hf_write_text(hf_writer *writer, const char *text) {
    write(writer, text, strlen(text), true);
}

void hf_write_printable(hf_writer *writer, const char *text, size_t bytes) {
    write(writer, text, bytes, false);
}

void hf_write_unsigned(hf_writer *writer, uint64_t value) {
    char digits[21];
    size_t at = sizeof digits - 1;

    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(writer, digits + at, sizeof digits - 1 - at);
}

void hf_write_signed(hf_writer *writer, int64_t value) {
    if (value < 0) {
        put(writer, "-", 1);
    }
    hf_write_unsigned(writer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void hf_write_seconds(hf_writer *writer, uint64_t ms) {
    uint32_t rest = (uint32_t)(ms % 1000);

    hf_write_unsigned(writer, ms / 1000);
    hf_write_text(writer, ".");
    for (uint32_t unit = 100; unit == 100 || rest > 0; unit /= 10) {
        hf_write_unsigned(writer, rest / unit);
        rest %= unit;
    }
    hf_write_text(writer, " s");
}

const char *hf_nth_word(const char *words, size_t n) {
    for (const char *next; n > 0 && *(next = words + strlen(words) + 1); n--) {
        words = next;
    }
    return words;
}

bool hf_word_among(const char *words, const char *word, size_t bytes) {
    for (size_t length; (length = strlen(words)) > 0; words += length + 1) {
        if (length == bytes && memcmp(words, word, bytes) == 0) {
            return true;
        }
    }
    return false;
}

void hf_wipe(void *what, size_t bytes) {
    volatile uint8_t *at = what;

    while (bytes-- > 0) {
        *at++ = 0;
    }
}
