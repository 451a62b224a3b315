/* Writing into a fixed buffer, what of a text may be shown, and wiping: what the core has instead of <stdio.h>.
 *
 * A writer never writes past its size, always leaves a NUL, and cuts what does not fit, never in the middle of a UTF-8
 * character. Every append may be called after the buffer is full: it then does nothing.
 */
#ifndef HF_TEXT_H
#define HF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hf_writer {
    char *out;
    size_t size; /* bytes in `out`, the NUL included */
    size_t length;
    bool cut; /* something did not fit */
} hf_writer;

/* A writer on `out`, which it does not own. Size 0 is allowed: nothing is ever written then, and out may be NULL. */
hf_writer hf_writer_on(char *out, size_t size);
void hf_write_text(hf_writer *writer, const char *text);
/* Writes a stranger's text (a server's, say) for a line that a person reads: printable characters as they are; line
 * ends and tabs become spaces; what is not printable, and each byte that is not UTF-8, becomes '?' (SECURITY 1, 3). */
void hf_write_printable(hf_writer *writer, const char *text, size_t bytes);
void hf_write_unsigned(hf_writer *writer, uint64_t value);
void hf_write_signed(hf_writer *writer, int64_t value);
/* "15.0 s", "0.25 s", "2.125 s": at least one decimal, no more than the value needs. */
void hf_write_seconds(hf_writer *writer, uint64_t ms);

/* The size in bytes of the character at text, and its code point in *code; 0 if there is none, and *code then means
 * nothing (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF). bytes > 0. */
size_t hf_character(const char *text, size_t bytes, uint32_t *code);
/* Is the character white space, as isspace() of the C locale has it? */
static inline bool hf_is_blank(char character) {
    return character == ' ' || (character >= '\t' && character <= '\r');
}
/* May this character be shown as it is? Everybody who shows text asks here. Not: control characters (C0, DEL, C1);
 * line and paragraph separators; what turns, joins or hides text (Unicode's Default_Ignorable_Code_Point and
 * format characters, private use beyond the first plane); what is no character (U+FFFE and its like). */
bool hf_printable(uint32_t code);

/* The n-th word, from 0, of a list in which each word ends with a NUL and the last one with two; past the end, the
 * last word. */
const char *hf_nth_word(const char *words, size_t n);

/* Is the word one of those in a text like "off no 0", with one blank between two? An empty word is none of them. */
bool hf_word_among(const char *words, const char *word, size_t bytes);

/* Is it the same name? Where the first has underscores (a setting) the second may have dashes (its option). */
bool hf_same_name(const char *name, const char *dashed);

/* Overwrites memory with zeros, which a compiler may not leave out although nothing reads them. */
void hf_wipe(void *what, size_t bytes);

#endif
