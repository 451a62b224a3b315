/* What the user asked for: the command line over the --config file over the defaults.
 *
 * One table (option_table.c) and the library's settings (hf_settings) give the parser, the JSON file and
 * the help its rows. Values are checked when they are read, so that an error names the option.
 */
#ifndef HF_OPTIONS_H
#define HF_OPTIONS_H

#include "base/failure.h"

#include "holdfast/holdfast.h"

#include <stdio.h>

/* Bits, for the table's column "which commands know it". */
typedef enum hf_command {
    HF_COMMAND_NONE = 0,
    HF_COMMAND_REPORT = 1,
    HF_COMMAND_QUERY = 2,
    HF_COMMAND_WATCH = 4
} hf_command;

typedef enum hf_option_kind {
    HF_OPTION_FLAG,   /* bool */
    HF_OPTION_TEXT,   /* const char * */
    HF_OPTION_LIST,   /* hf_option_list: may be given more than once */
    HF_OPTION_CHOICE, /* int: index in choices */
    HF_OPTION_MS,     /* uint32_t */
    HF_OPTION_COUNT,  /* uint32_t */
    HF_OPTION_BYTES   /* uint32_t */
} hf_option_kind;

typedef struct hf_option {
    const char *name; /* without dashes in front */
    const char *value, *fallback, *zero, *text;
    const char *const *choices; /* NULL at the end */
    hf_option_kind kind;
    unsigned commands;
    uint32_t minimum, maximum;
    size_t offset; /* in hf_options */
} hf_option;

typedef struct hf_option_list {
    const char **items;
    size_t count;
} hf_option_list;

/* Indexes of the choices in the table. */
enum { HF_FORMAT_TABLE, HF_FORMAT_CSV, HF_FORMAT_JSON };
enum { HF_PROGRESS_AUTO, HF_PROGRESS_ALWAYS, HF_PROGRESS_NEVER };
enum {
    HF_REPLAY_CHOICE_DEFAULT = -1,
    HF_REPLAY_CHOICE_SAFE,
    HF_REPLAY_CHOICE_UNSENT,
    HF_REPLAY_CHOICE_RESOLVE
};
enum { HF_PREPARE_AUTO, HF_PREPARE_NEVER };
enum { HF_OUT_OF_RETRIES_STOP, HF_OUT_OF_RETRIES_REJECT };

#define HF_SETTING_ONE(field, option, value, unit, minimum, zero, text) +1
enum { HF_SETTINGS_COUNT = 0 HF_SETTINGS(HF_SETTING_ONE) };

typedef struct hf_options {
    hf_command command;
    bool help, version, write, restart, affected;
    const char *sql; /* of query */
    const char *config, *cost_file, *query, *params, *output, *log_file, *summary;
    char *dsn; /* may hold a password: hf_options_wipe() */
    hf_option_list param;
    int format, progress, replay, prepare, out_of_retries, log_level, log_format;
    uint32_t deadline_ms, window, window_bytes, max_row;
    char **kept; /* every text that a value points to */
    size_t n_kept;
    const char *settings[HF_SETTINGS_COUNT]; /* as text, checked; NULL: not given */
} hf_options;

#define HF_SUMMARY_NEW ".new" /* behind the name of --summary until that file is whole */

/* Reads the command line. A --dsn is copied and then overwritten in argv, where every user of the machine
 * could read it. False: exit status 1 and why. */
bool hf_options_parse(hf_options *options, int argc, char **argv, hf_failure *failure);
/* One option by name, as the command line or the JSON file gives it; for FLAG value is NULL or "true". */
bool hf_options_set(hf_options *options, const char *name, const char *value, const char *place,
                    hf_failure *failure);
/* Reads the --config file: a JSON object, each name an option's. */
bool hf_options_file(hf_options *options, const char *path, hf_failure *failure);
/* The defaults of every option. */
void hf_options_init(hf_options *options);
/* The settings that were given, into config. */
bool hf_options_apply(const hf_options *options, hf_config *config, hf_failure *failure);
/* Overwrites the DSN once it is not needed any more. */
void hf_options_wipe(hf_options *options);
/* Gives everything back. */
void hf_options_free(hf_options *options);
/* How a statement may be repeated: reads are safe, writes as --replay says. */
hf_replay hf_options_replay(const hf_options *options);

/* The program's own options; the settings are hf_settings[]. */
extern const hf_option hf_option_table[];
extern const size_t hf_option_count;
const hf_option *hf_option_find(const char *name);
/* The known option that is spelt most like `name`; NULL when none is near. */
const char *hf_option_nearest(const char *name, hf_command command);
/* The same among the words of a list that ends in NULL. */
const char *hf_word_nearest(const char *word, const char *const *words);
const char *hf_command_name(hf_command command);
/* The command of that name; HF_COMMAND_NONE when there is none. */
hf_command hf_command_find(const char *name);
extern const char *const hf_command_names[];
/* The name with dashes for underscores, cut at size. */
#define HF_NAME_BYTES 64
const char *hf_dashed(const char *name, char *out, size_t size);

/* A duration in its largest whole unit: "500ms", "2s", "15m", "forever". */
const char *hf_duration_text(uint32_t ms, char *out, size_t size);

/* Help for a command, HF_COMMAND_NONE for the program. */
void hf_help(FILE *to, hf_command command);

#endif
