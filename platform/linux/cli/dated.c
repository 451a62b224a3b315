#include "dated.h"

#include "base/bytes.h"

#include <string.h>
#include <time.h>

#define MARK "{date}"

bool hf_dated(const char *pattern) {
    return strstr(pattern, MARK) != NULL;
}

char *hf_dated_name(const char *pattern, int64_t unix_ms, int days) {
    time_t at = (time_t)(unix_ms / 1000);
    struct tm day = { 0 };
    char text[32] = "";
    hf_bytes name = { 0 };
    localtime_r(&at, &day);
    day.tm_mday -= days;
    day.tm_hour = 12; /* no clock is put forward or back at noon */
    day.tm_isdst = -1;
    mktime(&day);
    strftime(text, sizeof text, "%Y-%m-%d", &day);
    for (const char *mark; (mark = strstr(pattern, MARK)); pattern = mark + sizeof MARK - 1) {
        hf_bytes_add(&name, pattern, (size_t)(mark - pattern));
        hf_bytes_add_text(&name, text);
    }
    hf_bytes_add_text(&name, pattern);
    char *copy = hf_must_copy(hf_bytes_text(&name));
    hf_bytes_free(&name);
    return copy;
}
