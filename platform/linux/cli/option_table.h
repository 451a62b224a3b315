/* The program's own options as a table, and the structure that its rows point into.
 *
 * One table and the library's settings (hf_settings) give the command line, the JSON file and the help their rows.
 */
#ifndef HF_OPTION_TABLE_H
#define HF_OPTION_TABLE_H

#include "shard.h"

#include "holdfast/holdfast.h"

/* Bits, for the table's column "which commands know it". */
typedef enum hf_command {
    HF_COMMAND_NONE = 0,
    HF_COMMAND_REPORT = 1,
    HF_COMMAND_QUERY = 2,
    HF_COMMAND_WATCH = 4,
    HF_COMMAND_MERGE = 8,
    HF_COMMAND_LEDGER = 16
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
    const char *other_text;     /* what it is to merge or ledger, if that is another thing */
    const char *bare;           /* the value where none is given; NULL: one must be */
    const char *const *choices; /* NULL at the end */
    hf_option_kind kind;
    char letter; /* behind one dash, as psql has it; 0 none */
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
enum { HF_IF_FINISHED_SKIP, HF_IF_FINISHED_RESTART, HF_IF_FINISHED_FAIL };

#define HF_SETTING_ONE(field, option, value, unit, minimum, zero, text) +1
enum { HF_SETTINGS_COUNT = 0 HF_SETTINGS(HF_SETTING_ONE) };

typedef struct hf_options {
    hf_command command;
    bool help, version, write, restart, affected, dry_run, new_run, keep_ledger, force;
    bool single_transaction, expanded; /* of query */
    bool tells_notices;                /* of query: no --log-level says what is worth telling */
    bool window_given;                 /* --window is not the default */
    bool to_stdout;                    /* --output -: `output` is then beside `position` */
    const char *sql, *file, *null;     /* of query */
    const char *config, *cost_file, *query, *params, *output, *log_file, *summary;
    const char *order_by, *position, *ledger, *resume_run;
    const char *delimiter_text, *max_rejects, *shard_text; /* as they were given: report_values.h */
    const char *output_pattern;                            /* --output, if it has {date} */
    char *dsn; /* may hold a password: hf_options_wipe() */
    hf_option_list param, variable;
    int format, progress, replay, prepare, out_of_retries, if_finished, log_level, log_format;
    uint32_t deadline_ms, window, window_bytes, max_row, limit, batch;
    char delimiter;
    hf_shard shard;
    hf_option_list words; /* of merge: the outputs of the shards; of ledger: what to do */
    char **kept;          /* every text that a value points to */
    size_t n_kept;
    const char *settings[HF_SETTINGS_COUNT]; /* as text, checked; NULL: not given */
} hf_options;

/* The program's own options; the settings are hf_settings[]. */
extern const hf_option hf_option_table[];
extern const size_t hf_option_count;
const hf_option *hf_option_find(const char *name);
/* Another name of the same option; NULL: there is none. */
const hf_option *hf_option_alias(const hf_option *option);
/* The option of the command that has this letter; NULL when none has. */
const hf_option *hf_option_lettered(char letter, hf_command command);
/* The known option that is spelt most like `name`; NULL when none is near. */
const char *hf_option_nearest(const char *name, hf_command command);
/* The same among the words of a list that ends in NULL. */
const char *hf_word_nearest(const char *word, const char *const *words);
const char *hf_command_name(hf_command command);
/* The command of that name; HF_COMMAND_NONE when there is none. */
hf_command hf_command_find(const char *name);
extern const char *const hf_command_names[];

#endif
