/* What newlib asks of a system, and what an image does without: there is no heap, so its functions assert. */
#include "hw.h"

#include "holdfast/error.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void say(const char *text) {
    hf_hw_uart_write(text, strlen(text));
}

_Noreturn void hf_assert_failed(const char *what, const char *file, int line) {
    char digits[12];
    size_t at = sizeof digits;
    digits[--at] = 0;
    do {
        digits[--at] = (char)('0' + line % 10);
        line /= 10;
    } while (line > 0 && at > 0);
    say("\nholdfast: ");
    say(file);
    say(":");
    say(digits + at);
    say(": this must hold: ");
    say(what);
    say("\n");
    hf_hw_end(HF_HW_ASSERTED);
}

void *malloc(size_t bytes) {
    (void)bytes;
    hf_assert_failed("nobody asks for heap", __FILE__, __LINE__);
}

void *calloc(size_t count, size_t size) {
    return malloc(count * size);
}

void *realloc(void *block, size_t bytes) {
    (void)block;
    return malloc(bytes);
}

void free(void *block) {
    HF_ASSERT(!block);
}

/* What numbers of a configuration are: digits, a point, an exponent. newlib's own allocates. Whole numbers are
 * exact up to 2^53; the last bit of others may not be. */
double strtod(const char *text, char **end) {
    bool minus = *text == '-', point = false;
    int exponent = 0, given = 0;
    double value = 0;
    for (text += minus; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
        } else {
            value = value * 10 + (*text - '0');
            exponent -= point;
        }
    }
    if (*text == 'e' || *text == 'E') {
        bool less = *++text == '-';
        for (text += *text == '-' || *text == '+'; *text >= '0' && *text <= '9'; text++) {
            given = given < 1000 ? given * 10 + (*text - '0') : given;
        }
        exponent += less ? -given : given;
    }
    for (; exponent < 0 && value > 0; exponent++) {
        value /= 10;
    }
    for (; exponent > 0 && value < 1e300; exponent--) {
        value *= 10;
    }
    if (end) {
        *end = (char *)(uintptr_t)text;
    }
    return minus ? -value : value;
}

/* mbedTLS judges certificates by it. */
time_t time(time_t *out) {
    time_t now = (time_t)hf_hw_date();
    if (out) {
        *out = now;
    }
    return now;
}

_Noreturn void abort(void) {
    hf_assert_failed("not aborted", "C library", 0);
}
