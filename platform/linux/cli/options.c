/* The command line: commands, options and their values, each error naming the option and the way out. */
#include "options.h"

#include "base/bytes.h"
#include "base/failure.h"
#include "base/files.h"
#include "base/log.h"

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
        .window = 64,
        .window_bytes = WINDOW_BYTES_DEFAULT,
        .max_row = MAX_ROW_DEFAULT,
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

/* A value of any unit, read as the library reads its settings'. */
static bool measure(const hf_setting *row, const char *option, const char *value, const char *place,
                    uint32_t *to, hf_failure *failure) {
    hf_error error;
    if (hf_setting_parse(row, value, to, &error)) {
        return true;
    }
    /* The library names the setting; the option is what was typed. */
    const char *why = strstr(error.message, ": ");
    return bad(failure, place, option, value, why ? why + 2 : error.message);
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

/* The array with room for one more. It grows at each power of two: ten thousand --param take no time. */
static void *one_more(void *items, size_t count, size_t size) {
    if ((count & (count - 1)) != 0) {
        return items;
    }
    void *grown = hf_must_alloc(2 * count + 1, size);
    if (count > 0) {
        memcpy(grown, items, count * size);
    }
    free(items);
    return grown;
}

/* A copy of the value that lives as long as the options. */
static char *keep(hf_options *options, const char *value) {
    options->kept = one_more(options->kept, options->n_kept, sizeof *options->kept);
    return options->kept[options->n_kept++] = hf_must_copy(value);
}

bool hf_options_set(hf_options *options, const char *name, const char *value, const char *place,
                    hf_failure *failure) {
    const hf_setting *setting = hf_setting_named(name);
    if (setting) {
        char dashed[HF_NAME_BYTES];
        uint32_t unused;
        hf_dashed(name, dashed, sizeof dashed);
        options->settings[setting - hf_settings] = keep(options, value);
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
        *(char **)to = keep(options, value);
        return true;
    case HF_OPTION_LIST: {
        hf_option_list *list = to;
        list->items = one_more((void *)list->items, list->count, sizeof *list->items);
        list->items[list->count++] = keep(options, value);
        return true;
    }
    case HF_OPTION_CHOICE: return set_choice(option, to, value, place, failure);
    case HF_OPTION_MS:
    case HF_OPTION_COUNT:
    case HF_OPTION_BYTES: return set_number(option, value, place, to, failure);
    }
    return false;
}

/* ---- the command line --------------------------------------------------------------------------- */

static bool unknown(const char *name, hf_command command, hf_failure *failure) {
    const char *near = hf_option_nearest(name, command);
    hf_bytes shown = { 0 };
    hf_bytes_add_printable(&shown, name, strnlen(name, 60));
    hf_fail(failure, HF_EXIT_USAGE, "there is no option --%s%s%s%s; see 'holdfast %s --help'",
            hf_bytes_text(&shown), near ? ": did you mean --" : "", near ? near : "",
            near ? "?" : "", hf_command_name(command));
    hf_bytes_free(&shown);
    return false;
}

/* What an option on the command line is: its row, its value and where the next word is. */
typedef struct hf_word {
    char name[64];
    char *value; /* NULL: none needed */
    const hf_option *option;
    const hf_setting *setting;
} hf_word;

static bool read_word(hf_word *word, hf_command command, char **argv, int argc, int *at,
                      hf_failure *failure) {
    const char *text = argv[*at] + 2, *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    snprintf(word->name, sizeof word->name, "%.*s", (int)(length < 63 ? length : 63), text);
    word->option = strchr(word->name, '_') ? NULL : hf_option_find(word->name);
    word->setting = strchr(word->name, '_') ? NULL : hf_setting_named(word->name);
    if (word->option && !(word->option->commands & (unsigned)command)) {
        return hf_fail(failure, HF_EXIT_USAGE, "'%s' has no option --%s; see 'holdfast %s --help'",
                       hf_command_name(command), word->name, hf_command_name(command));
    }
    if (!word->option && !word->setting) {
        return unknown(word->name, command, failure);
    }
    if (word->option && word->option->kind == HF_OPTION_FLAG) {
        if (equals) {
            return hf_fail(failure, HF_EXIT_USAGE, "--%s takes no value", word->name);
        }
        word->value = NULL;
        return true;
    }
    if (equals) {
        word->value = argv[*at] + 2 + length + 1;
        return true;
    }
    char *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    bool an_option = next && strncmp(next, "--", 2) == 0 &&
                     (hf_option_find(next + 2) || hf_setting_named(next + 2));
    if (!next || an_option) {
        return hf_fail(failure, HF_EXIT_USAGE, "--%s needs a value: --%s %s", word->name,
                       word->name, word->option ? word->option->value : "VALUE");
    }
    word->value = next;
    (*at)++;
    return true;
}

/* Two passes: what the first finds (--config) is needed before the second may override it. */
static bool read_options(hf_options *options, int argc, char **argv, bool config_only,
                         hf_failure *failure) {
    bool only_words = false, list_seen = false;
    for (int at = 2; at < argc; at++) {
        hf_word word = { 0 };
        if (only_words || strncmp(argv[at], "-", 1) != 0 || strcmp(argv[at], "-") == 0) {
            if (config_only) {
                continue;
            }
            if (options->command == HF_COMMAND_QUERY && !options->sql) {
                options->sql = argv[at];
            } else {
                return hf_fail(failure, HF_EXIT_USAGE, "'%s' is one word too many: %s", argv[at],
                               options->command == HF_COMMAND_QUERY
                                   ? "query takes one statement; its values are --param"
                                   : "every value belongs to an option (--cost-file FILE, say)");
            }
            continue;
        }
        if (strcmp(argv[at], "--") == 0) {
            only_words = true;
            continue;
        }
        if (strcmp(argv[at], "-h") == 0) {
            options->help = true;
            continue;
        }
        if (argv[at][1] != '-') {
            return hf_fail(failure, HF_EXIT_USAGE, "'%.20s': options have two dashes: --name VALUE",
                           argv[at]);
        }
        if (!read_word(&word, options->command, argv, argc, &at, failure)) {
            return false;
        }
        bool is_config = strcmp(word.name, "config") == 0;
        if (config_only != is_config) {
            continue;
        }
        if (word.option && word.option->kind == HF_OPTION_LIST && !list_seen) {
            options->param.count = 0; /* the file's are overridden, not added to */
            list_seen = true;
        }
        if (!hf_options_set(options, word.name, word.value ? word.value : "true", "--", failure)) {
            return false;
        }
    }
    return true;
}

/* `ps` shows argv to every user: a DSN may hold a password. */
static void wipe_dsns(int argc, char **argv) {
    for (int at = 1; at < argc && argv[at]; at++) {
        char *dsn = NULL;
        if (strncmp(argv[at], "--dsn=", 6) == 0) {
            dsn = argv[at] + 6;
        } else if (strcmp(argv[at], "--dsn") == 0) {
            dsn = argv[at + 1]; /* NULL behind the last */
        }
        if (dsn) {
            memset(dsn, '*', strlen(dsn));
        }
    }
}

/* "-" is a file's name nowhere: where standard input or output cannot do, that is said. */
static bool no_dashes(const hf_options *options, hf_failure *failure) {
    const struct {
        const char *option, *path, *why;
    } files[] = {
        { "--cost-file", options->cost_file,
          "the input is read again when the job is resumed, which standard input cannot be: put it "
          "into a file first (cat >cost.csv)" },
        { "--output", options->output,
          "the report is a file, so that it can be resumed: name one (--output report.csv); query "
          "prints to standard output" },
        { "--summary", options->summary,
          "the summary is a file: name one, or say --summary /dev/stdout" },
        { "--log-file", options->log_file,
          "the log is on standard error when no --log-file is given; --log-file /dev/stdout is "
          "standard output" },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i].path && strcmp(files[i].path, "-") == 0) {
            return hf_fail(failure, HF_EXIT_USAGE, "%s -: %s", files[i].option, files[i].why);
        }
    }
    const char *statement = options->command == HF_COMMAND_QUERY ? options->sql : options->query;
    if (options->config && statement && strcmp(options->config, "-") == 0 &&
        strcmp(statement, "-") == 0) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "--config - and the statement's - are one standard input: put one of them into "
            "a file");
    }
    return true;
}

static bool is_of_report(const char *path, const char *output) {
    static const char *const endings[] = {
        "",         ".part",        ".position",    ".done",
        ".intents", ".intents.new", ".rejects.csv", ".unknown.csv"
    };
    bool is = false;
    for (size_t i = 0; !is && i < sizeof endings / sizeof endings[0]; i++) {
        char *own = hf_path_beside(output, endings[i]);
        is = hf_same_file(path, own);
        free(own);
    }
    return is;
}

/* What is written, whatever is there, is nobody else's file: the log and the summary not another of the report's, and
 * what the report reads none that it writes. */
static bool apart(const hf_options *options, hf_failure *failure) {
    char *fresh = options->summary ? hf_path_beside(options->summary, HF_SUMMARY_NEW) : NULL;
    const struct {
        const char *option, *path;
    } files[] = { { "--cost-file", options->cost_file }, { "--query", options->query },
                  { "--config", options->config },       { "--log-file", options->log_file },
                  { "--summary", options->summary },     { "--summary", fresh } };
    enum { READ = 3, ALL = 6 }; /* the first ones are only read */
    bool good = true;
    for (size_t i = 0; good && i < ALL; i++) {
        bool taken = files[i].path && is_of_report(files[i].path, options->output);
        for (size_t j = 0; files[i].path && i >= READ && j < i; j++) {
            taken = taken || (files[j].path && hf_same_file(files[i].path, files[j].path));
        }
        good = !taken ||
               hf_fail(failure, HF_EXIT_USAGE, "%s: %s is another file of this report: %s",
                       files[i].option, files[i].path,
                       i < READ ? "copy it, or choose another --output" : "choose another name");
    }
    if (good && hf_same_file(options->cost_file, options->query)) {
        good =
            hf_fail(failure, HF_EXIT_USAGE,
                    "--cost-file and --query are the same file, %s: the one is the CSV file, the "
                    "other holds the statement",
                    options->query);
    }
    free(fresh);
    return good;
}

static bool consistent(const hf_options *options, hf_failure *failure) {
    if (options->replay != HF_REPLAY_CHOICE_DEFAULT && !options->write) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "--replay says how a write is repeated: it needs --write");
    }
    if (!no_dashes(options, failure)) {
        return false;
    }
    if (options->command == HF_COMMAND_QUERY && !options->sql) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "query needs a statement: holdfast query 'SELECT ...' (- reads it from "
                       "standard input)");
    }
    if (options->command == HF_COMMAND_REPORT) {
        const char *missing = !options->cost_file ? "--cost-file FILE"
                              : !options->query   ? "--query FILE"
                              : !options->output  ? "--output FILE"
                                                  : NULL;
        if (missing) {
            return hf_fail(failure, HF_EXIT_USAGE, "report needs %s; see 'holdfast report --help'",
                           missing);
        }
        return apart(options, failure);
    }
    return true;
}

/* Will the one who reads stderr read JSON? Known before anything can be wrong, so that they can read that too. */
static bool asks_for_json(int argc, char **argv) {
    bool json = false;
    for (int at = 2; at < argc && strcmp(argv[at], "--") != 0; at++) {
        json = json || strcmp(argv[at], "--log-format=json") == 0 ||
               (strcmp(argv[at], "json") == 0 && strcmp(argv[at - 1], "--log-format") == 0);
    }
    return json;
}

bool hf_options_parse(hf_options *options, int argc, char **argv, hf_failure *failure) {
    hf_options_init(options);
    options->log_format = asks_for_json(argc, argv) ? HF_LOG_JSON : HF_LOG_TEXT;
    hf_log_format(options->log_format);
    if (argc < 2) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "what is to be done? holdfast report, query or watch; see 'holdfast --help'");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        options->help = true;
        options->command = argc > 2 ? hf_command_find(argv[2]) : HF_COMMAND_NONE;
        return true;
    }
    if (strcmp(argv[1], "--version") == 0) {
        options->version = true;
        return true;
    }
    options->command = hf_command_find(argv[1]);
    if (options->command == HF_COMMAND_NONE) {
        const char *near = hf_word_nearest(argv[1], hf_command_names);
        wipe_dsns(argc, argv);
        return hf_fail(failure, HF_EXIT_USAGE,
                       "there is no command '%.40s'%s%s%s; see 'holdfast --help'", argv[1],
                       near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    if (options->command == HF_COMMAND_QUERY) {
        options->log_level = HF_LOG_WARN; /* people look at its rows */
    }
    bool read = read_options(options, argc, argv, true, failure) &&
                (!options->config || hf_options_file(options, options->config, failure)) &&
                read_options(options, argc, argv, false, failure);
    wipe_dsns(argc, argv);
    return read && (options->help || options->version || consistent(options, failure));
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
    *options = (hf_options){ 0 };
}

hf_replay hf_options_replay(const hf_options *options) {
    if (!options->write || options->replay == HF_REPLAY_CHOICE_SAFE) {
        return HF_REPLAY_SAFE;
    }
    return options->replay == HF_REPLAY_CHOICE_UNSENT ? HF_REPLAY_UNSENT : HF_REPLAY_RESOLVE;
}
