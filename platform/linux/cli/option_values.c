#include "option_values.h"

#include "base/bytes.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names of the JSON file may have underscores. */
const char *hf_dashed(const char *name, char *out, size_t size) {
    snprintf(out, size, "%s", name);
    for (char *at = out; *at; at++) {
        *at = *at == '_' ? '-' : *at;
    }
    return out;
}

#define MAX_ROW_DEFAULT      (1024u * 1024)
#define WINDOW_BYTES_DEFAULT (64u * 1024 * 1024)

void hf_options_init(hf_options *options) {
    *options = (hf_options){
        .progress = HF_PROGRESS_AUTO,
        .replay = HF_REPLAY_CHOICE_DEFAULT,
        .log_level = HF_LOG_INFO,
        .window = 1000,
        .window_bytes = WINDOW_BYTES_DEFAULT,
        .max_row = MAX_ROW_DEFAULT,
        .delimiter = ',',
    };
}

const char *hf_duration_text(uint32_t ms, char *out, size_t size) {
    if (ms == HF_FOREVER) {
        snprintf(out, size, "forever");
    } else if (ms == 0) {
        snprintf(out, size, "0");
    } else if (ms % 60000 == 0 && ms >= 600000) {
        snprintf(out, size, "%um", ms / 60000);
    } else if (ms % 1000 == 0) {
        snprintf(out, size, "%us", ms / 1000);
    } else {
        snprintf(out, size, "%ums", ms);
    }
    return out;
}

/* ---- one value ---------------------------------------------------------------------------------- */

static bool bad(hf_failure *failure, const char *place, const char *name, const char *value,
                const char *why) {
    hf_bytes shown = { 0 };
    hf_bytes_add_printable(&shown, value, strnlen(value, 80));
    hf_fail(failure, HF_EXIT_USAGE, "%s%s: '%s': %s", place, name, hf_bytes_text(&shown), why);
    hf_bytes_free(&shown);
    return false;
}

static void leave_out(char *text, const char *words) {
    char *at = strstr(text, words);
    if (at) {
        memmove(at, at + strlen(words), strlen(at + strlen(words)) + 1);
    }
}

/* A value of any unit, read as the library reads its settings'. */
static bool measure(const hf_setting *row, const char *option, const char *value, const char *place,
                    uint32_t *to, hf_failure *failure) {
    hf_error error;
    if (hf_setting_parse(row, value, to, &error)) {
        return true;
    }
    /* The library names the setting; the option is what was typed. Its examples are those of any of the unit. */
    char *why = strstr(error.message, ": ");
    why = why ? why + 2 : error.message;
    if (row->maximum < HF_FOREVER) {
        leave_out(why, ", or forever");
        leave_out(why, " or forever");
    }
    return bad(failure, place, option, value, why);
}

static bool set_number(const hf_option *option, const char *value, const char *place, uint32_t *to,
                       hf_failure *failure) {
    hf_setting row = { .name = option->name,
                       .minimum = option->minimum,
                       .maximum = option->maximum,
                       .unit = option->kind == HF_OPTION_MS      ? HF_UNIT_MS
                               : option->kind == HF_OPTION_COUNT ? HF_UNIT_COUNT
                                                                 : HF_UNIT_BYTES };
    return measure(&row, option->name, value, place, to, failure);
}

static bool set_choice(const hf_option *option, int *to, const char *value, const char *place,
                       hf_failure *failure) {
    for (int i = 0; option->choices[i]; i++) {
        if (strcmp(value, option->choices[i]) == 0) {
            *to = i;
            return true;
        }
    }
    char expected[80];
    snprintf(expected, sizeof expected, "not one of %s", option->value);
    return bad(failure, place, option->name, value, expected);
}

char *hf_options_keep(hf_options *options, const char *value) {
    options->kept = hf_grown(options->kept, options->n_kept, sizeof *options->kept);
    return options->kept[options->n_kept++] = hf_must_copy(value);
}

bool hf_options_set(hf_options *options, const char *name, const char *value, const char *place,
                    hf_failure *failure) {
    const hf_setting *setting = hf_setting_named(name);
    if (setting) {
        char dashed[HF_NAME_BYTES];
        uint32_t unused;
        hf_dashed(name, dashed, sizeof dashed);
        options->settings[setting - hf_settings] = hf_options_keep(options, value);
        return measure(setting, dashed, value, place, &unused, failure);
    }
    const hf_option *option = hf_option_find(name);
    void *to = (char *)options + option->offset;
    switch (option->kind) {
    case HF_OPTION_FLAG: *(bool *)to = strcmp(value, "true") == 0; return true;
    case HF_OPTION_TEXT:
        if (*value == '\0') {
            return hf_fail(failure, HF_EXIT_USAGE, "%s%s: the value is empty", place, option->name);
        }
        if (to == &options->dsn) {
            hf_options_wipe(options); /* one that this one overrides */
        }
        *(char **)to = hf_options_keep(options, value);
        return true;
    case HF_OPTION_LIST: {
        hf_option_list *list = to;
        list->items = hf_grown((void *)list->items, list->count, sizeof *list->items);
        list->items[list->count++] = hf_options_keep(options, value);
        return true;
    }
    case HF_OPTION_CHOICE:
        options->tells_notices = options->tells_notices && to != &options->log_level;
        return set_choice(option, to, value, place, failure);
    case HF_OPTION_MS:
    case HF_OPTION_COUNT:
    case HF_OPTION_BYTES:
        options->window_given = options->window_given || to == &options->window;
        return set_number(option, value, place, to, failure);
    }
    return false;
}

/* ---- what follows from them ----------------------------------------------------------------------- */

bool hf_options_apply(const hf_options *options, hf_config *config, hf_failure *failure) {
    hf_error error;
    for (size_t i = 0; i < hf_settings_count; i++) {
        const char *value = options->settings[i];
        if (value && !hf_config_set(config, hf_settings[i].name, value, &error)) {
            return hf_fail(failure, HF_EXIT_USAGE, "--%s", error.message);
        }
    }
    return true;
}

void hf_options_wipe(hf_options *options) {
    if (options->dsn) {
        explicit_bzero(options->dsn, strlen(options->dsn));
        options->dsn = NULL;
    }
}

void hf_options_free(hf_options *options) {
    hf_options_wipe(options);
    for (size_t i = 0; i < options->n_kept; i++) {
        free(options->kept[i]);
    }
    free(options->kept);
    free(options->param.items);
    free(options->variable.items);
    free(options->words.items);
    *options = (hf_options){ 0 };
}

hf_replay hf_options_replay(const hf_options *options) {
    if (!options->write || options->replay == HF_REPLAY_CHOICE_SAFE) {
        return HF_REPLAY_SAFE;
    }
    if (options->ledger) {
        return HF_REPLAY_LEDGER;
    }
    return options->replay == HF_REPLAY_CHOICE_UNSENT ? HF_REPLAY_UNSENT : HF_REPLAY_RESOLVE;
}
