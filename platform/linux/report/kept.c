#include "kept.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void hf_kept_add(hf_bytes *to, const hf_kept *entry) {
    if (entry->refused) {
        hf_bytes_format(to, "x%s:", entry->code);
    } else if (entry->counted) {
        hf_bytes_format(to, "o%llu:", (unsigned long long)entry->affected);
    } else {
        hf_bytes_add_text(to, "o-:");
    }
    hf_bytes_format(to, "%zu:", entry->bytes);
    hf_bytes_add(to, entry->text, entry->bytes);
}

/* Digits up to a colon, which *at is then behind. */
static bool number(const char **at, const char *end, uint64_t *value) {
    const char *from = *at;
    for (*value = 0; *at < end && isdigit((unsigned char)**at) && *value < UINT64_MAX / 16;
         (*at)++) {
        *value = *value * 10 + (uint64_t)(**at - '0');
    }
    return *at > from && *at < end && *(*at)++ == ':';
}

bool hf_kept_next(const char **at, const char *end, hf_kept *entry) {
    uint64_t bytes = 0;
    *entry = (hf_kept){ 0 };
    if (end - *at < 2 || (**at != 'o' && **at != 'x')) {
        return false;
    }
    entry->refused = *(*at)++ == 'x';
    if (entry->refused) {
        const char *colon = memchr(*at, ':', (size_t)(end - *at));
        if (!colon || (size_t)(colon - *at) >= sizeof entry->code) {
            return false;
        }
        memcpy(entry->code, *at, (size_t)(colon - *at));
        *at = colon + 1;
    } else if (**at == '-') {
        *at += 1;
        if (*at == end || *(*at)++ != ':') {
            return false;
        }
    } else if (number(at, end, &entry->affected)) {
        entry->counted = true;
    } else {
        return false;
    }
    if (!number(at, end, &bytes) || bytes > (uint64_t)(end - *at)) {
        return false;
    }
    entry->text = *at;
    entry->bytes = (size_t)bytes;
    *at += bytes;
    return true;
}

const char *hf_kept_row_end(const char *from, const char *end) {
    bool quoted = false;
    for (; from < end; from++) {
        quoted = quoted != (*from == '"');
        if (*from == '\n' && !quoted) {
            return from + 1;
        }
    }
    return NULL;
}
