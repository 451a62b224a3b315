#include "text.h"

#include "holdfast/build.h"

#include <string.h>

/* Writers, UTF-8, word lists. Invariant of a writer: length < size (or size == 0), out[length] == 0, and once
 * something was cut nothing more is written, so that a text never continues after a gap. */

hf_writer hf_writer_on(char *out, size_t size) {
    hf_writer writer = { .out = out, .size = size };

    if (size > 0) {
        out[0] = 0;
    }
    return writer;
}

/* Appends one character of `bytes` bytes, whole or not at all. */
static void put(hf_writer *writer, const char *text, size_t bytes) {
    if (writer->cut || writer->size < 1 || bytes > writer->size - 1 - writer->length) {
        writer->cut = true;
        return;
    }
    memcpy(writer->out + writer->length, text, bytes);
    writer->length += bytes;
    writer->out[writer->length] = 0;
}

size_t hf_character(const char *text, size_t bytes, uint32_t *code) {
    const uint8_t *at = (const uint8_t *)text;
    size_t length;

    *code = at[0];
    if (at[0] < 0x80) {
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
    /* no overlong form: 0xc2 is the least first byte of two; three begin at 1 << 11, four at 1 << 16 */
    if (*code < 1u << (5 * length - 4) || *code > 0x10ffff ||
        (*code >= 0xd800 && *code <= 0xdfff)) {
        return 0;
    }
    return length;
}

/* Characters that are not to be shown: the first of each range, and how many follow it. */
static const struct {
    uint16_t first;
    uint8_t plane, more;
} hf_hidden[] = {
    { 0x0000, 0, 31 },
    { 0x007f, 0, 32 }, /* C0, DEL and C1 */
    { 0x00ad, 0, 0 },
    { 0x034f, 0, 0 }, /* soft hyphen, grapheme joiner */
    { 0x0600, 0, 5 },
    { 0x061c, 0, 0 }, /* Arabic number signs, letter mark */
    { 0x06dd, 0, 0 },
    { 0x070f, 0, 0 }, /* end of ayah, Syriac abbreviation */
    { 0x0890, 0, 1 },
    { 0x08e2, 0, 0 }, /* Arabic pound and piastre, disputed end of ayah */
    { 0x115f, 0, 1 },
    { 0x17b4, 0, 1 }, /* Hangul fillers, Khmer inherent vowels */
    { 0x180b, 0, 4 },
    { 0x200b, 0, 4 }, /* Mongolian selectors, zero width and marks of direction */
    { 0x2028, 0, 6 },
    { 0x2060, 0, 15 }, /* line ends and reordering, invisible and reordering */
    { 0x3164, 0, 0 },
    { 0xfdd0, 0, 31 }, /* Hangul filler, no characters */
    { 0xfe00, 0, 15 },
    { 0xfeff, 0, 0 }, /* variation selectors, byte order mark */
    { 0xffa0, 0, 0 },
    { 0xfff0, 0, 11 }, /* half-width filler, interlinear marks */
    { 0x10bd, 1, 0 },
    { 0x10cd, 1, 0 }, /* Kaithi number signs */
    { 0x3430, 1, 15 },
    { 0xbca0, 1, 3 }, /* Egyptian and shorthand format controls */
    { 0xd173, 1, 7 }  /* musical beams, slurs and phrases */
};

bool hf_printable(uint32_t code) {
    if (!HF_WITH_MESSAGES || (code >= 0x20 && code < 0x7f)) {
        return code >= 0x20 && code < 0x7f; /* a build without messages shows ASCII only */
    }
    for (size_t i = 0; i < sizeof hf_hidden / sizeof hf_hidden[0]; i++) {
        const uint32_t first = (uint32_t)hf_hidden[i].plane << 16 | hf_hidden[i].first;
        if (code >= first && code - first <= hf_hidden[i].more) {
            return false;
        }
    }
    /* The last two of each plane are no characters; from U+E0000 on are tags, selectors, private use. */
    return code < 0xe0000 && (code & 0xfffe) != 0xfffe;
}

/* Writes character by character: all of them as they are, or the printable ones and a stand-in for the others. */
static void write(hf_writer *writer, const char *text, size_t bytes, bool all) {
    while (bytes > 0 && !writer->cut) {
        uint32_t code = 0;
        size_t used = hf_character(text, bytes, &code);
        const bool good = all || (used > 0 && hf_printable(code));
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
    for (const char *end; *words; words = end) {
        words += *words == ' ';
        for (end = words; *end && *end != ' '; end++) {
        }
        if ((size_t)(end - words) == bytes && memcmp(words, word, bytes) == 0) {
            return true;
        }
    }
    return false;
}

bool hf_same_name(const char *name, const char *dashed) {
    while (*name && (*dashed == *name || (*dashed == '-' && *name == '_'))) {
        name++;
        dashed++;
    }
    return *name == *dashed;
}

void hf_wipe(void *what, size_t bytes) {
    volatile uint8_t *at = what;

    while (bytes-- > 0) {
        *at++ = 0;
    }
}
