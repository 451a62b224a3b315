/* The command line: commands, options and their values, each error naming the option and the way out. */
#include "options.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/log.h"
#include "dated.h"
#include "options_file.h"
#include "report_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool unknown(const char *name, hf_command command, hf_failure *failure) {
    const char *near = hf_option_nearest(name, command);
    hf_bytes shown = { 0 };
    if (*name == ' ' || *name == '\n') { /* SQL's comment, not an option */
        return hf_fail(failure, HF_EXIT_USAGE,
                       "a statement that begins with a comment comes last, behind a --: holdfast "
                       "query -- '-- what it is for ...'");
    }
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

/* dashed: argv[*at], or what it is spelt out. */
static bool read_word(hf_options *options, hf_word *word, char *dashed, char **argv, int argc,
                      int *at, hf_failure *failure) {
    const hf_command command = options->command;
    char *text = dashed + 2;
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    snprintf(word->name, sizeof word->name, "%.*s", (int)(length < 63 ? length : 63), text);
    word->option = strchr(word->name, '_') ? NULL : hf_option_find(word->name);
    word->setting = strchr(word->name, '_') ? NULL : hf_setting_named(word->name);
    if ((word->option && !(word->option->commands & (unsigned)command)) ||
        (word->setting && command == HF_COMMAND_MERGE)) { /* it connects to nothing */
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
        word->value = text + length + 1;
        return true;
    }
    char *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    if (word->option && word->option->bare && (!next || *next == '-')) {
        word->value = hf_options_keep(options, word->option->bare);
        return true;
    }
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

/* Another name of the option, by which a word before argv[at] has given it; NULL: none. An option that is given twice
 * under one name has the last value, as with psql and curl; who gives both names means two things. */
static const char *other_name_given(char **argv, int at, const hf_option *option) {
    const hf_option *other = option ? hf_option_alias(option) : NULL;
    for (int i = 2; other && i < at; i++) {
        const size_t bytes = strcspn(argv[i], "=");
        if (bytes == strlen(other->name) + 2 && strncmp(argv[i], "--", 2) == 0 &&
            strncmp(argv[i] + 2, other->name, bytes - 2) == 0) {
            return other->name;
        }
    }
    return NULL;
}

/* An option that is given by its letter, as the word that gives it by its name: -f FILE, -fFILE and -x. NULL: there is
 * no such letter. */
static char *spelt_out(hf_options *options, const char *word) {
    const hf_option *option = word[1] ? hf_option_lettered(word[1], options->command) : NULL;
    if (!option || (word[2] && option->kind == HF_OPTION_FLAG)) {
        return NULL;
    }
    hf_bytes text = { 0 };
    hf_bytes_format(&text, "--%s%s%s", option->name, word[2] ? "=" : "", word + 2);
    char *kept = hf_options_keep(options, hf_bytes_text(&text));
    hf_bytes_free(&text);
    return kept;
}

/* Two passes: what the first finds (--config) is needed before the second may override it. */
static bool read_options(hf_options *options, int argc, char **argv, bool config_only,
                         hf_failure *failure) {
    bool only_words = false;
    const hf_option *lists[2] = { NULL }; /* those that the command line has given */
    for (int at = 2; at < argc; at++) {
        hf_word word = { 0 };
        if (only_words || strncmp(argv[at], "-", 1) != 0 || strcmp(argv[at], "-") == 0) {
            if (config_only) {
                continue;
            }
            if (options->command == HF_COMMAND_QUERY && !options->sql) {
                options->sql = argv[at];
            } else if (options->command & (HF_COMMAND_MERGE | HF_COMMAND_LEDGER)) {
                hf_option_list *words = &options->words;
                words->items = hf_grown((void *)words->items, words->count, sizeof *words->items);
                words->items[words->count++] = argv[at];
            } else {
                return hf_fail(failure, HF_EXIT_USAGE, "'%s' is one word too many: %s", argv[at],
                               options->command == HF_COMMAND_QUERY
                                   ? "query takes one word of SQL; its values are --param"
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
        char *long_form = argv[at][1] == '-' ? argv[at] : spelt_out(options, argv[at]);
        if (!long_form) {
            return hf_fail(failure, HF_EXIT_USAGE, "'%.20s': options have two dashes: --name VALUE",
                           argv[at]);
        }
        const int from = at;
        if (!read_word(options, &word, long_form, argv, argc, &at, failure)) {
            return false;
        }
        const char *other = other_name_given(argv, from, word.option);
        if (other) {
            return hf_fail(failure, HF_EXIT_USAGE, "--%s and --%s are one option: give one of them",
                           other, word.name);
        }
        bool is_config = strcmp(word.name, "config") == 0;
        if (config_only != is_config) {
            continue;
        }
        if (word.option && word.option->kind == HF_OPTION_LIST && lists[0] != word.option &&
            lists[1] != word.option) {
            hf_option_list *list = (void *)((char *)options + word.option->offset);
            list->count = 0; /* the file's are overridden, not added to */
            lists[lists[0] != NULL] = word.option;
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

static bool is_dash(const char *path) {
    return path && strcmp(path, "-") == 0;
}

/* Standard input can be one thing alone. */
static bool one_standard_input(const hf_options *options, hf_failure *failure) {
    const char *statement = options->command != HF_COMMAND_QUERY ? options->query
                            : options->file                      ? options->file
                                                                 : options->sql;
    if (is_dash(options->config) && is_dash(statement)) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "--config - and the statement's - are one standard input: put one of them into "
            "a file");
    }
    if (options->command == HF_COMMAND_REPORT && is_dash(options->cost_file) &&
        (is_dash(options->config) || is_dash(statement))) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "--cost-file - and %s - are one standard input: put one of them into a file",
                       is_dash(options->config) ? "--config" : "--query");
    }
    return true;
}

/* "-" is a file's name nowhere: where standard input or output cannot do, that is said. */
static bool no_dashes(const hf_options *options, hf_failure *failure) {
    const bool report = options->command == HF_COMMAND_REPORT;
    const bool merge = options->command == HF_COMMAND_MERGE;
    const struct {
        const char *option, *path, *why;
    } files[] = {
        { "--output", merge ? options->output : NULL, "what is merged is a file: name one" },
        { "--position", report ? options->position : NULL,
          "the position is a file, and the report is kept beside it: name one" },
        { "--output", report ? options->output : NULL,
          "the report is a file, so that it can be resumed: name one (--output report.csv), or with "
          "--position FILE it is printed when it is complete; query prints to standard output at once" },
        { "--summary", report ? options->summary : NULL,
          "the summary is a file: name one, or say --summary /dev/stdout" },
        { "--log-file", options->log_file,
          "the log is on standard error when no --log-file is given; --log-file /dev/stdout is "
          "standard output" },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (is_dash(files[i].path)) {
            return hf_fail(failure, HF_EXIT_USAGE, "%s -: %s", files[i].option, files[i].why);
        }
    }
    return one_standard_input(options, failure);
}

static bool is_of_report(const char *path, const char *output) {
    static const char *const endings[] = {
        "",         ".part",        ".position",    ".done",
        ".intents", ".intents.new", ".rejects.csv", ".unknown.csv",
        ".shard",   ".input",       ".input.new"
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
        bool taken = files[i].path && !is_dash(files[i].path) &&
                     (is_of_report(files[i].path, options->output) ||
                      (options->position && hf_same_file(files[i].path, options->position)));
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

/* The log is written to, whatever is there, and the merged report's files are made anew. */
static bool merge_apart(const hf_options *options, hf_failure *failure) {
    bool log = options->log_file && is_of_report(options->log_file, options->output);
    for (size_t i = 0; i < options->words.count; i++) {
        const char *part = options->words.items[i];
        log = log || (options->log_file && is_of_report(options->log_file, part));
        if (is_of_report(part, options->output) || is_of_report(options->output, part)) {
            return hf_fail(
                failure, HF_EXIT_USAGE,
                "--output: %s is one of the shards' files, or %s would be one of its own: "
                "choose another name",
                options->output, part);
        }
    }
    return !log || hf_fail(failure, HF_EXIT_USAGE,
                           "--log-file: %s is a file of one of these reports: choose another name",
                           options->log_file);
}

/* An option that is about a ledger needs --ledger, and --ledger needs a write that nothing else repeats. */
static bool ledger_fits(const hf_options *options, hf_failure *failure) {
    const char *lone = options->batch         ? "--batch"
                       : options->keep_ledger ? "--keep-ledger"
                       : options->resume_run  ? "--resume-run"
                       : options->new_run     ? "--new-run"
                                              : NULL;
    if (options->command != HF_COMMAND_REPORT) {
        return true;
    }
    if (!options->ledger) {
        return !lone ||
               hf_fail(failure, HF_EXIT_USAGE, "%s is about a ledger: it needs --ledger", lone);
    }
    if (!options->write) {
        return hf_fail(failure, HF_EXIT_USAGE, "--ledger is about writes: it needs --write");
    }
    if (options->replay != HF_REPLAY_CHOICE_DEFAULT) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "--ledger and --replay are two ways to repeat a write: leave --replay out");
    }
    if (options->out_of_retries == HF_OUT_OF_RETRIES_REJECT) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "--ledger: a chunk that is out of retries may still be applied, so none of its lines is "
            "rejected for it: leave --out-of-retries out");
    }
    if (options->window_given) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "--window: with --ledger what is in memory is at most 2 x max-concurrent + 2 chunks: leave it "
            "out; a lower --batch or --window-bytes makes that less");
    }
    if (options->resume_run && (options->new_run || options->restart)) {
        return hf_fail(failure, HF_EXIT_USAGE, "--resume-run goes on with a run, and %s begins one",
                       options->new_run ? "--new-run" : "--restart");
    }
    return true;
}

/* What `holdfast ledger` is to do, and no option that is another deed's. */
static bool ledger_deed(const hf_options *options, hf_failure *failure) {
    const size_t n = options->words.count;
    const char *deed = n > 0 ? options->words.items[0] : "";
    const bool create = strcmp(deed, "create") == 0, list = strcmp(deed, "list") == 0;
    const bool forget = strcmp(deed, "forget") == 0;
    if ((!create && !list && !forget) || n != (forget ? 2 : 1)) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "ledger needs one of: holdfast ledger create, holdfast ledger list, holdfast "
            "ledger forget RUN; see 'holdfast ledger --help'");
    }
    const struct {
        bool given;
        const char *option, *deed;
    } others[] = { { options->dry_run && !create, "dry-run", "create" },
                   { options->force && !forget, "force", "forget" },
                   { options->format != HF_FORMAT_TABLE && !list, "format", "list" } };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (others[i].given) {
            return hf_fail(failure, HF_EXIT_USAGE, "--%s is for 'holdfast ledger %s' alone",
                           others[i].option, others[i].deed);
        }
    }
    return true;
}

static bool query_fits(const hf_options *options, hf_failure *failure) {
    if (!options->sql && !options->file) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "query needs a statement: holdfast query 'SELECT ...' or -f FILE (- reads it "
            "from standard input)");
    }
    if (options->sql && options->file) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "--file and a statement beside it: put both into one of them");
    }
    if (options->param.count > 0 && options->variable.count > 0) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "--param is for $1 and --variable for :NAME: use one of them");
    }
    if (options->expanded && options->format != HF_FORMAT_TABLE) {
        return hf_fail(failure, HF_EXIT_USAGE, "--expanded is about a table: leave out --format");
    }
    if (options->null && options->format == HF_FORMAT_JSON) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "--null is about a table or CSV: JSON has a null of its own");
    }
    return true;
}

static bool consistent(const hf_options *options, hf_failure *failure) {
    if (options->replay != HF_REPLAY_CHOICE_DEFAULT && !options->write) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "--replay says how a write is repeated: it needs --write");
    }
    if (!ledger_fits(options, failure) || !no_dashes(options, failure)) {
        return false;
    }
    if (options->command == HF_COMMAND_QUERY) {
        return query_fits(options, failure);
    }
    if (options->command == HF_COMMAND_MERGE && (!options->output || options->words.count == 0)) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "merge needs %s: holdfast merge --output report.csv report-1.csv report-2.csv ...",
            options->output ? "the outputs of the shards" : "--output FILE");
    }
    if (options->command == HF_COMMAND_LEDGER) {
        return ledger_deed(options, failure);
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
    return options->command != HF_COMMAND_MERGE || merge_apart(options, failure);
}

/* --output - and --position: the report is a file beside the position until it is complete. */
static bool to_standard_output(hf_options *options, hf_failure *failure) {
    const char *const others[] = { options->summary, options->log_file };
    if (!options->position || options->command != HF_COMMAND_REPORT) {
        return true;
    }
    if (!is_dash(options->output)) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "--position is for --output -: beside a report that is a file stands its position, "
            "%s.position",
            options->output ? options->output : "FILE");
    }
    if (hf_dated(options->position) || strstr(options->position, "{shard}")) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "--position %s: {date} and {shard} are for --output: name one file",
                       options->position);
    }
    for (size_t i = 0; i < 2; i++) {
        if (others[i] && strcmp(others[i], "/dev/stdout") == 0) {
            return hf_fail(failure, HF_EXIT_USAGE,
                           "--%s /dev/stdout: with --output - the report alone goes there",
                           i == 0 ? "summary" : "log-file");
        }
    }
    char *output = hf_path_beside(options->position, ".output");
    options->output = hf_options_keep(options, output);
    options->to_stdout = true;
    free(output);
    return true;
}

/* {shard} and {date} in a file's name; *pattern (may be NULL): the name, if it has {date}. */
static bool name_file(hf_options *options, const char *option, const char **name,
                      const char **pattern, hf_failure *failure) {
    const char *mark;
    while (*name && (mark = strstr(*name, "{shard}"))) {
        hf_bytes named = { 0 };
        if (options->shard.count == 0) {
            return hf_fail(failure, HF_EXIT_USAGE,
                           "--%s %s: {shard} is the number of --shard K/N, and there is none",
                           option, *name);
        }
        hf_bytes_add(&named, *name, (size_t)(mark - *name));
        hf_bytes_format(&named, "%u%s", options->shard.number, mark + strlen("{shard}"));
        *name = hf_options_keep(options, hf_bytes_text(&named));
        hf_bytes_free(&named);
    }
    if (*name && hf_dated(*name)) {
        char *today = hf_dated_name(*name, hf_time_now(), 0);
        if (pattern) {
            *pattern = *name;
        }
        *name = hf_options_keep(options, today);
        free(today);
    }
    return true;
}

/* In --output {date} is the day on which the job was begun; a run has its own log and summary of its own day. */
static bool name_files(hf_options *options, hf_failure *failure) {
    const bool output = options->command & (HF_COMMAND_REPORT | HF_COMMAND_MERGE);
    return (!output ||
            (name_file(options, "output", &options->output, &options->output_pattern, failure) &&
             name_file(options, "summary", &options->summary, NULL, failure))) &&
           name_file(options, "log-file", &options->log_file, NULL, failure);
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
            "what is to be done? holdfast report, query, watch, merge or ledger; see 'holdfast "
            "--help'");
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
    if (options->command & (HF_COMMAND_QUERY | HF_COMMAND_LEDGER)) {
        options->log_level = HF_LOG_WARN; /* people look at its rows */
        options->tells_notices = options->command == HF_COMMAND_QUERY;
    }
    bool read = read_options(options, argc, argv, true, failure) &&
                (!options->config || hf_options_file(options, options->config, failure)) &&
                read_options(options, argc, argv, false, failure);
    wipe_dsns(argc, argv);
    return read && (options->help || options->version ||
                    (hf_report_values(options, failure) && to_standard_output(options, failure) &&
                     name_files(options, failure) && consistent(options, failure)));
}
