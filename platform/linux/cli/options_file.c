/* The --config file: a JSON object whose names are options, with dashes or underscores. */
#include "options_file.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/text.h"
#include "hf_json.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_BYTES_MAX (1024 * 1024)

static unsigned line_of(const hf_bytes *text, size_t at) {
    unsigned line = 1;
    for (size_t i = 0; i < at && i < text->used; i++) {
        line += text->data[i] == '\n';
    }
    return line;
}

static bool set_value(hf_options *options, const char *name, bool flag, const hf_json *value,
                      const char *place, hf_failure *failure) {
    char digits[64];
    hf_json_kind kind = hf_json_kind_of(value);
    if (flag && kind == HF_JSON_BOOL) {
        return hf_options_set(options, name, hf_json_true(value) ? "true" : "false", place,
                              failure);
    }
    if (!flag && kind == HF_JSON_TEXT) {
        if (strpbrk(hf_json_text(value), "\r\n")) { /* SECURITY 15 */
            return hf_fail(failure, HF_EXIT_USAGE, "%s%s: a line break in a value", place, name);
        }
        return hf_options_set(options, name, hf_json_text(value), place, failure);
    }
    if (!flag && kind == HF_JSON_NUMBER) {
        if (!hf_json_number(value, digits, sizeof digits)) {
            return hf_fail(failure, HF_EXIT_USAGE,
                           "%s%s: a number that cannot be kept exactly: write it as a text", place,
                           name);
        }
        return hf_options_set(options, name, digits, place, failure);
    }
    return hf_fail(failure, HF_EXIT_USAGE, "%s%s: %s is expected here", place, name,
                   flag ? "true or false" : "a text or a number");
}

static bool set_member(hf_options *options, const hf_json *member, const char *path,
                       hf_failure *failure) {
    const char *name = hf_json_name(member);
    const hf_option *option = hf_option_find(name);
    char place[300];
    snprintf(place, sizeof place, "%.250s: ", path);
    bool known = option || hf_setting_named(name);
    if (!known || (option && (strcmp(option->name, "config") == 0 ||
                              option->offset == offsetof(hf_options, help) ||
                              option->offset == offsetof(hf_options, version)))) {
        const char *near = known ? NULL : hf_option_nearest(name, options->command);
        hf_bytes shown = { 0 };
        hf_bytes_add_printable(&shown, name, strnlen(name, 60));
        hf_fail(failure, HF_EXIT_USAGE, "%sthere is no option '%s'%s%s%s", place,
                hf_bytes_text(&shown), near ? ": did you mean '" : "", near ? near : "",
                near ? "'?" : "");
        hf_bytes_free(&shown);
        return false;
    }
    /* Options of other commands may stand there, so that one file serves them all. */
    if (option && option->kind == HF_OPTION_LIST && hf_json_kind_of(member) == HF_JSON_ARRAY) {
        for (const hf_json *item = hf_json_first(member); item; item = hf_json_next(item)) {
            if (!set_value(options, name, false, item, place, failure)) {
                return false;
            }
        }
        return true;
    }
    if (option && option->bare && hf_json_kind_of(member) == HF_JSON_BOOL) {
        return !hf_json_true(member) || hf_options_set(options, name, option->bare, place, failure);
    }
    return set_value(options, name, option && option->kind == HF_OPTION_FLAG, member, place,
                     failure);
}

/* A DSN in a file may hold a password: then the file is its owner's alone, as ~/.pgpass must be. */
static bool private(const hf_options *options, const char *path, hf_failure *failure) {
    struct stat file;
    if (options->dsn && stat(path, &file) == 0 && (file.st_mode & (S_IRWXG | S_IRWXO))) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "%s holds a dsn and others may read it: chmod 600 %s, or give --dsn", path,
                       path);
    }
    return true;
}

/* Are they one option? --input and --cost-file are. */
static bool same_option(const char *name, const char *other) {
    const hf_option *one = hf_option_find(name), *two = hf_option_find(other);
    return (one && two && one->offset == two->offset) || hf_same_name(name, other) ||
           hf_same_name(other, name);
}

/* hf_json_read() refuses the same name twice, but an option's has several spellings. */
static bool is_first(const hf_json *json, const hf_json *member) {
    const hf_json *before = hf_json_first(json);
    while (before != member && !same_option(hf_json_name(before), hf_json_name(member))) {
        before = hf_json_next(before);
    }
    return before == member;
}

bool hf_options_file(hf_options *options, const char *path, hf_failure *failure) {
    hf_bytes text = { 0 };
    if (!hf_file_read(path, CONFIG_BYTES_MAX, &text, failure)) {
        return false;
    }
    hf_json_error error;
    hf_json *json = hf_json_read(text.data, text.used, &error);
    bool read = json != NULL;
    if (!json) {
        hf_fail(failure, HF_EXIT_USAGE, "%s:%u: %s", path, line_of(&text, error.at), error.text);
    } else if (hf_json_kind_of(json) != HF_JSON_OBJECT) {
        read = hf_fail(failure, HF_EXIT_USAGE, "%s: an object is expected: { \"option\": value }",
                       path);
    }
    for (const hf_json *member = read ? hf_json_first(json) : NULL; member && read;
         member = hf_json_next(member)) {
        read = is_first(json, member) ? set_member(options, member, path, failure)
                                      : hf_fail(failure, HF_EXIT_USAGE, "%s: '%s' is given twice",
                                                path, hf_json_name(member));
    }
    hf_json_free(json);
    explicit_bzero(text.data, text.used);
    hf_bytes_free(&text);
    return read && private(options, path, failure);
}
