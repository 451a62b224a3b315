/* Messages that name the thing, the place and the way out. */
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool hf_fail(hf_failure *failure, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    failure->status = status;
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    return false;
}

void hf_fail_more(hf_failure *failure, const char *text) {
    size_t used = strlen(failure->text);
    snprintf(failure->text + used, sizeof failure->text - used, "%s", text);
}

const char *hf_way_out(int number) {
    switch (number) {
    case ENOSPC:
    case EDQUOT: return "make room, then run the same command again";
    case EFBIG:
        return "raise the limit on a file's size (ulimit -f), then run the same command again";
    case EIO: return "look after the disk, then run the same command again";
    case EMFILE:
    case ENFILE: return "raise the limit (ulimit -n), then run the same command again";
    case ENOMEM:
    case ENOBUFS: return "make memory free, then run the same command again";
    case EINTR:
    case EAGAIN:
    case ENOLCK:
    case ESTALE: return "run the same command again";
    default: return NULL;
    }
}

bool hf_fail_file(hf_failure *failure, int status, const char *path, const char *doing) {
    int number = errno;
    const char *out = hf_way_out(number);
    return hf_fail(failure, out ? HF_EXIT_INCOMPLETE : status, "cannot %s %s: %s%s%s", doing, path,
                   strerror(number), out ? "; " : "", out ? out : "");
}

int hf_exit_stronger(int one, int other) {
    static const int order[] = { HF_EXIT_USAGE,   HF_EXIT_REFUSED,  HF_EXIT_INCOMPLETE,
                                 HF_EXIT_UNKNOWN, HF_EXIT_REJECTED, HF_EXIT_DONE };
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (one == order[i] || other == order[i]) {
            return order[i];
        }
    }
    return one;
}

static void say_plainly(int status, const char *text) {
    char line[512];
    int length = snprintf(line, sizeof line, "holdfast: %s\n", text);
    (void)status;
    (void)!write(STDERR_FILENO, line,
                 (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

static void (*last_words_say)(int status, const char *text) = say_plainly;

void hf_last_words_by(void (*say)(int status, const char *text)) {
    last_words_say = say;
}

void hf_last_words(int status, const char *text) {
    last_words_say(status, text);
}
