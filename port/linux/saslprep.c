/* Passwords by SASLprep (RFC 4013), the way PostgreSQL prepares them (its src/common/saslprep.c): what the server
 * hashed when the password was set is what the client must hash now. libidn has the tables of RFC 3454 and the
 * normalisation; the order of the steps is PostgreSQL's, which looks for what is not allowed before it normalises.
 */
#include "saslprep.h"

#include <stdlib.h>
#include <string.h>

#include <stringprep.h>

static bool in_table(uint32_t code, const Stringprep_table_element *table) {
    for (; table->start != 0 || table->end != 0; table++) {
        if (code == table->start || (code > table->start && code <= table->end)) {
            return true;
        }
    }
    return false;
}

/* May a password hold this character (RFC 4013, 2.3 and 2.5)? */
static bool allowed(uint32_t code) {
    static const Stringprep_table_element *const refused[] = {
        stringprep_rfc3454_C_1_2, stringprep_rfc3454_C_2_1, stringprep_rfc3454_C_2_2,
        stringprep_rfc3454_C_3,   stringprep_rfc3454_C_4,   stringprep_rfc3454_C_5,
        stringprep_rfc3454_C_6,   stringprep_rfc3454_C_7,   stringprep_rfc3454_C_8,
        stringprep_rfc3454_C_9,   stringprep_rfc3454_A_1, /* not assigned in Unicode 3.2 */
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (in_table(code, refused[i])) {
            return false;
        }
    }
    return true;
}

/* Mapping (2.1): other spaces become a space, what is commonly mapped to nothing goes. Returns how many characters are
 * left. */
static size_t map(uint32_t *codes, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (in_table(codes[i], stringprep_rfc3454_C_1_2)) {
            codes[kept++] = ' ';
        } else if (!in_table(codes[i], stringprep_rfc3454_B_1)) {
            codes[kept++] = codes[i];
        }
    }
    return kept;
}

/* Right-to-left text must be so from its first character to its last, and hold no left-to-right one (2.4). */
static bool direction_good(const uint32_t *codes, size_t n) {
    bool right = false, left = false;
    for (size_t i = 0; i < n; i++) {
        right = right || in_table(codes[i], stringprep_rfc3454_D_1);
        left = left || in_table(codes[i], stringprep_rfc3454_D_2);
    }
    return !right || (!left && in_table(codes[0], stringprep_rfc3454_D_1) &&
                      in_table(codes[n - 1], stringprep_rfc3454_D_1));
}

/* The mapped and normalised text, for the caller to free; NULL: there is none. *n becomes how many of codes are in
 * use. */
static char *prepare(uint32_t *codes, size_t *n) {
    *n = map(codes, *n);
    for (size_t i = 0; i < *n; i++) {
        if (!allowed(codes[i])) {
            return NULL;
        }
    }
    if (*n == 0 || !direction_good(codes, *n)) {
        return NULL;
    }
    uint32_t *normal = stringprep_ucs4_nfkc_normalize(codes, (ssize_t)*n);
    if (normal == NULL) {
        return NULL;
    }
    size_t length = 0;
    while (normal[length] != 0) {
        length++;
    }
    char *text = stringprep_ucs4_to_utf8(normal, (ssize_t)length, NULL, NULL);
    explicit_bzero(normal, length * sizeof *normal);
    free(normal);
    return text;
}

int hf_linux_saslprep(hf_port *port, const char *password, char *out, size_t size) {
    const size_t bytes = strlen(password);
    bool ascii = true;
    (void)port;
    for (size_t i = 0; i < bytes; i++) {
        ascii = ascii && (unsigned char)password[i] < 0x80;
    }
    size_t n = 0;
    uint32_t *codes = ascii ? NULL : stringprep_utf8_to_ucs4(password, (ssize_t)bytes, &n);
    if (codes == NULL) {
        return 0; /* ASCII, or not UTF-8 */
    }
    size_t all = n;
    char *text = prepare(codes, &n);
    explicit_bzero(codes, all * sizeof *codes);
    free(codes);
    if (text == NULL) {
        return 0;
    }
    size_t length = strlen(text);
    bool fits = length > 0 && length < size;
    if (fits) {
        memcpy(out, text, length + 1);
    }
    explicit_bzero(text, length);
    free(text);
    return fits;
}
