#include "report_values.h"

#include "base/bytes.h"

#include <ctype.h>
#include <string.h>

static bool bad(hf_failure *failure, const char *option, const char *value, const char *why) {
    hf_bytes shown = { 0 };
    hf_bytes_add_printable(&shown, value, strnlen(value, 80));
    hf_fail(failure, HF_EXIT_USAGE, "--%s: '%s': %s", option, hf_bytes_text(&shown), why);
    hf_bytes_free(&shown);
    return false;
}

/* Digits from *at on; false: there are none, or too many. */
static bool read_number(const char **at, uint64_t most, uint64_t *number) {
    const char *from = *at;
    for (*number = 0; isdigit((unsigned char)**at) && *number <= most; (*at)++) {
        *number = *number * 10 + (uint64_t)(**at - '0');
    }
    return *at > from && *number <= most;
}

bool hf_delimiter_read(const char *text, char *delimiter) {
    if (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0) {
        text = "\t";
    }
    *delimiter = text[0];
    return text[0] > 0 && text[1] == '\0' && !strchr("\"\r\n", text[0]);
}

bool hf_rejects_read(const char *text, uint64_t lines, uint64_t *most) {
    enum { THOUSANDTHS = 100 * 1000 };
    uint64_t number = 0, share = 0;
    *most = UINT64_MAX;
    if (!text) {
        return true;
    }
    const char *at = text;
    if (!read_number(&at, UINT64_MAX / 100, &number)) {
        return false;
    }
    if (*at == '\0') {
        *most = number;
        return true;
    }
    share = number * 1000;
    if (*at == '.') {
        at++;
        for (unsigned unit = 100; isdigit((unsigned char)*at) && unit > 0; unit /= 10) {
            share += unit * (unsigned)(*at++ - '0');
        }
    }
    *most = lines / THOUSANDTHS * share + lines % THOUSANDTHS * share / THOUSANDTHS;
    return strcmp(at, "%") == 0 && number <= 100 && share <= THOUSANDTHS;
}

bool hf_report_values(hf_options *options, hf_failure *failure) {
    uint64_t unused;
    if (options->command != HF_COMMAND_REPORT) { /* they stand in a --config file that serves all */
        return true;
    }
    if (options->delimiter_text &&
        !hf_delimiter_read(options->delimiter_text, &options->delimiter)) {
        return bad(
            failure, "delimiter", options->delimiter_text,
            "one character of ASCII, and no quote, stands between two columns: --delimiter ';', "
            "say, or tab");
    }
    if (options->shard_text && !hf_shard_read(options->shard_text, &options->shard, failure)) {
        return false;
    }
    return hf_rejects_read(options->max_rejects, 0, &unused) ||
           bad(failure, "max-rejects", options->max_rejects,
               "a number of lines, or a share of them: 100, say, or 0.5%");
}
