/* The program's options as one table, and finding one in it. */
#include "option_table.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define ALL        (RUNS | HF_COMMAND_WATCH | HF_COMMAND_LEDGER)
#define REPORT     HF_COMMAND_REPORT
#define QUERY      HF_COMMAND_QUERY
#define MERGE      HF_COMMAND_MERGE
#define LEDGER     HF_COMMAND_LEDGER
#define TELLS      (ALL | MERGE)
#define RUNS       (HF_COMMAND_REPORT | HF_COMMAND_QUERY)
#define AT(member) offsetof(hf_options, member)

static const char *const formats[] = { "table", "csv", "json", NULL };
static const char *const progresses[] = { "auto", "always", "never", NULL };
static const char *const replays[] = { "safe", "unsent", "resolve", NULL };
static const char *const prepares[] = { "auto", "never", NULL };
static const char *const out_of_retries[] = { "stop", "reject", NULL };
static const char *const if_finished[] = { "skip", "restart", "fail", NULL };
static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };

// clang-format off
const hf_option hf_option_table[] = {
    { .name = "cost-file", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(cost_file),
      .value = "FILE", .fallback = "required",
      .text = "the input: a CSV file with a header; - is standard input, kept in OUTPUT.input until the report is "
              "finished" },
    { .name = "input", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(cost_file),
      .value = "FILE", .text = "the same as --cost-file" },
    { .name = "delimiter", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(delimiter_text),
      .value = "CHARACTER", .fallback = ",",
      .text = "what stands between the input's columns: one character, or tab; what is written has commas" },
    { .name = "limit", .kind = HF_OPTION_COUNT, .commands = REPORT, .offset = AT(limit),
      .maximum = 4000000000u, .value = "N", .fallback = "0", .zero = "all of them",
      .text = "the input's first N lines alone" },
    { .name = "query", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(query),
      .value = "FILE", .fallback = "required",
      .text = "the statement to run for each line, - for standard input" },
    { .name = "params", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(params),
      .value = "COLUMN,...", .fallback = "the first ones",
      .text = "the columns that are bound to $1 ... $n; :name in the query is the column of that name" },
    { .name = "output", .kind = HF_OPTION_TEXT, .commands = REPORT | MERGE, .offset = AT(output),
      .value = "FILE", .fallback = "required",
      .text = "the report: FILE.part until it is complete; {date} in it is the local date on which the job was begun, "
              "{shard} the number of --shard; - is standard output, when all is done",
      .other_text = "the report that is put together; {date} in it is the local date" },
    { .name = "position", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(position),
      .value = "FILE", .text = "with --output -: how far the job is; the report itself stays in FILE.output" },
    { .name = "order-by", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(order_by),
      .value = "COLUMN", .fallback = "none",
      .text = "lines with the same value in it run one after the other, in input order; without it they may not" },
    { .name = "shard", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(shard_text),
      .value = "K/N", .fallback = "the whole input",
      .text = "part K of N of the lines, with an output of its own (merge puts them together); auto: as Slurm's array "
              "variables say, auto/N: or Kubernetes' JOB_COMPLETION_INDEX" },
    { .name = "restart", .kind = HF_OPTION_FLAG, .commands = REPORT, .offset = AT(restart),
      .text = "forget what an earlier run did and start over; a job that writes applies all lines once more" },
    { .name = "if-finished", .kind = HF_OPTION_CHOICE, .commands = REPORT, .offset = AT(if_finished),
      .choices = if_finished, .value = "skip|restart|fail", .fallback = "skip",
      .text = "a finished report is left alone, with its exit status; made anew (an unfinished one is gone on with); "
              "or exit 1" },
    { .name = "param", .kind = HF_OPTION_LIST, .commands = QUERY, .offset = AT(param),
      .value = "VALUE", .fallback = "none", .text = "the value of $1; again for $2 and so on" },
    { .name = "file", .letter = 'f', .kind = HF_OPTION_TEXT, .commands = QUERY, .offset = AT(file),
      .value = "FILE", .fallback = "none",
      .text = "a script: statements with semicolons between them, - for standard input" },
    { .name = "variable", .letter = 'v', .kind = HF_OPTION_LIST, .commands = QUERY, .offset = AT(variable),
      .value = "NAME=VALUE", .fallback = "none", .text = "the value that is bound to :NAME; again for the next one" },
    { .name = "single-transaction", .letter = '1', .kind = HF_OPTION_FLAG, .commands = QUERY,
      .offset = AT(single_transaction),
      .text = "all statements in one transaction: all of them are done, or none" },
    { .name = "expanded", .letter = 'x', .kind = HF_OPTION_FLAG, .commands = QUERY, .offset = AT(expanded),
      .text = "a line for each value of a row" },
    { .name = "null", .kind = HF_OPTION_TEXT, .commands = QUERY, .offset = AT(null),
      .value = "TEXT", .fallback = "nothing", .text = "what NULL is printed as, in a table or CSV" },
    { .name = "format", .kind = HF_OPTION_CHOICE, .commands = QUERY | LEDGER, .offset = AT(format), .choices = formats,
      .value = "table|csv|json", .fallback = "table", .text = "how the result is printed",
      .other_text = "of list: how the jobs are printed" },
    { .name = "force", .kind = HF_OPTION_FLAG, .commands = LEDGER, .offset = AT(force),
      .text = "of forget: a job that is not finished, too" },
    { .name = "write", .kind = HF_OPTION_FLAG, .commands = RUNS, .offset = AT(write),
      .text = "the statement writes; without it the session is read-only" },
    { .name = "replay", .kind = HF_OPTION_CHOICE, .commands = RUNS, .offset = AT(replay), .choices = replays,
      .value = "safe|unsent|resolve", .fallback = "resolve",
      .text = "may a write run again after a loss: always; only if it had no effect; as the server says when asked" },
    { .name = "ledger", .kind = HF_OPTION_TEXT, .commands = REPORT | LEDGER, .offset = AT(ledger),
      .value = "[TABLE]", .bare = "holdfast_ledger", .fallback = "none; holdfast_ledger for ledger",
      .text = "exactly once, whatever happens: each transaction writes what it does into TABLE of the same "
              "database, too (holdfast_ledger, made by 'holdfast ledger create')",
      .other_text = "the table of the ledger: TABLE or SCHEMA.TABLE, as SQL writes them" },
    { .name = "batch", .kind = HF_OPTION_COUNT, .commands = REPORT, .offset = AT(batch),
      .minimum = 1, .maximum = 10000, .value = "N", .fallback = "100", .zero = "not allowed",
      .text = "with --ledger: lines of one transaction, which --request-timeout is for, and whose result rows fit into "
              "--max-row together; 2 x max-concurrent + 2 of these chunks are in memory at most" },
    { .name = "keep-ledger", .kind = HF_OPTION_FLAG, .commands = REPORT, .offset = AT(keep_ledger),
      .text = "the ledger's rows stay when the report is finished" },
    { .name = "resume-run", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(resume_run),
      .value = "ID", .fallback = "none",
      .text = "go on with a run that is open in the ledger, and whose files are gone" },
    { .name = "new-run", .kind = HF_OPTION_FLAG, .commands = REPORT, .offset = AT(new_run),
      .text = "begin a new run although one of the same job is open in the ledger: its lines are applied once more" },
    { .name = "out-of-retries", .kind = HF_OPTION_CHOICE, .commands = REPORT, .offset = AT(out_of_retries),
      .choices = out_of_retries, .value = "stop|reject", .fallback = "stop",
      .text = "a line that max-retries did not help: the job stops, to be resumed; or the line is rejected" },
    { .name = "max-rejects", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(max_rejects),
      .value = "N|P%", .fallback = "any number",
      .text = "with more lines rejected than that, or than that share of the lines (with --shard: of the shard's), "
              "the job stops: exit 3" },
    { .name = "dry-run", .kind = HF_OPTION_FLAG, .commands = REPORT | LEDGER, .offset = AT(dry_run),
      .text = "check input, query and columns, run no statement, write no file: exit 0 if the job could begin",
      .other_text = "of create: print the statement and connect to nothing" },
    { .name = "affected", .kind = HF_OPTION_FLAG, .commands = REPORT, .offset = AT(affected),
      .text = "a last column \"affected\": how many rows the line's statement touched" },
    { .name = "prepare", .kind = HF_OPTION_CHOICE, .commands = REPORT, .offset = AT(prepare),
      .choices = prepares, .value = "auto|never", .fallback = "auto",
      .text = "auto: the query is kept prepared, unless a literal in it says now, today, tomorrow or yesterday, "
              "which would stand still" },
    { .name = "dsn", .kind = HF_OPTION_TEXT, .commands = ALL, .offset = AT(dsn),
      .value = "URL", .fallback = "PG* variables",
      .text = "postgres://user:password@host:port/database?sslmode=..." },
    { .name = "config", .kind = HF_OPTION_TEXT, .commands = ALL, .offset = AT(config),
      .value = "FILE", .fallback = "none",
      .text = "a JSON object of options; the command line goes before it" },
    { .name = "deadline", .kind = HF_OPTION_MS, .commands = RUNS, .offset = AT(deadline_ms),
      .maximum = HF_DURATION_MAX,
      .value = "TIME", .fallback = "0", .zero = "no limit",
      .text = "the whole job: then it stops, to be resumed" },
    { .name = "window", .kind = HF_OPTION_COUNT, .commands = REPORT, .offset = AT(window),
      .minimum = 1, .maximum = 65536,
      .value = "N", .fallback = "1000", .zero = "not allowed",
      .text = "lines that may be under way or wait for their turn (with --ledger: the lines of 2 x max-concurrent + 2 "
              "chunks of --batch)" },
    { .name = "window-bytes", .kind = HF_OPTION_BYTES, .commands = REPORT, .offset = AT(window_bytes),
      .minimum = 1024, .maximum = 1u << 31,
      .value = "SIZE", .fallback = "64MiB", .zero = "not allowed",
      .text = "memory of the lines that wait for their turn" },
    { .name = "max-row", .kind = HF_OPTION_BYTES, .commands = ALL, .offset = AT(max_row),
      .minimum = 1024, .maximum = 1u << 30,
      .value = "SIZE", .fallback = "1MiB", .zero = "not allowed",
      .text = "the longest row and the longest statement (sets rx-bytes, tx-bytes)" },
    { .name = "progress", .kind = HF_OPTION_CHOICE, .commands = REPORT, .offset = AT(progress),
      .choices = progresses,
      .value = "auto|always|never", .fallback = "auto",
      .text = "auto: a bar on a terminal, else a line every 10 s; always: the bar" },
    { .name = "log-file", .kind = HF_OPTION_TEXT, .commands = TELLS, .offset = AT(log_file),
      .value = "FILE", .fallback = "stderr",
      .text = "where the log is appended" },
    { .name = "log-level", .kind = HF_OPTION_CHOICE, .commands = TELLS, .offset = AT(log_level),
      .choices = levels,
      .value = "error|warn|info|debug", .fallback = "info; warn for query and ledger", .text = "how much of it" },
    { .name = "log-format", .kind = HF_OPTION_CHOICE, .commands = TELLS, .offset = AT(log_format),
      .choices = log_formats,
      .value = "text|json", .fallback = "text", .text = "json: one object a line, on stderr too" },
    { .name = "summary", .kind = HF_OPTION_TEXT, .commands = REPORT, .offset = AT(summary),
      .value = "FILE", .fallback = "none",
      .text = "the run's summary as JSON; {date} in it and in --log-file is the local date of the run, "
              "{shard} the number of --shard" },
    { .name = "help", .kind = HF_OPTION_FLAG, .commands = TELLS, .offset = AT(help), .text = "this text" },
    { .name = "version", .kind = HF_OPTION_FLAG, .commands = TELLS, .offset = AT(version),
      .text = "the version" },
};
// clang-format on
const size_t hf_option_count = sizeof hf_option_table / sizeof hf_option_table[0];

const char *const hf_command_names[] = { "report", "query", "watch", "merge", "ledger", NULL };

const char *hf_command_name(hf_command command) {
    for (size_t i = 0; hf_command_names[i]; i++) {
        if (command == (hf_command)(1u << i)) {
            return hf_command_names[i];
        }
    }
    return "";
}

hf_command hf_command_find(const char *name) {
    for (size_t i = 0; hf_command_names[i]; i++) {
        if (strcmp(name, hf_command_names[i]) == 0) {
            return (hf_command)(1u << i);
        }
    }
    return HF_COMMAND_NONE;
}

const hf_option *hf_option_find(const char *name) {
    for (size_t i = 0; i < hf_option_count; i++) {
        if (hf_same_name(name, hf_option_table[i].name)) {
            return &hf_option_table[i];
        }
    }
    return NULL;
}

const hf_option *hf_option_alias(const hf_option *option) {
    for (size_t i = 0; i < hf_option_count; i++) {
        const hf_option *other = &hf_option_table[i];
        if (other != option && other->offset == option->offset) {
            return other;
        }
    }
    return NULL;
}

const hf_option *hf_option_lettered(char letter, hf_command command) {
    for (size_t i = 0; i < hf_option_count; i++) {
        const hf_option *option = &hf_option_table[i];
        if (option->letter == letter && (option->commands & (unsigned)command)) {
            return option;
        }
    }
    return NULL;
}

#define WORD_MAX 40

/* How many letters must be changed, added, removed or swapped to make one word of the other. */
static unsigned distance(const char *one, const char *other) {
    size_t n = strlen(one), m = strlen(other);
    if (n > WORD_MAX || m > WORD_MAX) {
        return WORD_MAX;
    }
    unsigned rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++) {
        last[j] = (unsigned)j;
        before[j] = 0;
    }
    for (size_t i = 1; i <= n; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = last[j - 1] + (one[i - 1] != other[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] &&
                before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            row[j] = best;
        }
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[m];
}

static void nearer(const char *word, const char *candidate, const char **best, unsigned *limit) {
    unsigned d = distance(word, candidate);
    if (d < *limit) {
        *limit = d;
        *best = candidate;
    }
}

/* A third of the word's letters may be wrong, and at least two. */
static unsigned patience(const char *word) {
    unsigned third = (unsigned)(strlen(word) / 3);
    return 1 + (third < 2 ? 2 : third);
}

const char *hf_word_nearest(const char *word, const char *const *words) {
    const char *best = NULL;
    unsigned limit = patience(word);
    for (size_t i = 0; words[i]; i++) {
        nearer(word, words[i], &best, &limit);
    }
    return best;
}

const char *hf_option_nearest(const char *name, hf_command command) {
    const char *best = NULL;
    unsigned limit = patience(name);
    for (size_t i = 0; i < hf_option_count; i++) {
        if (hf_option_table[i].commands & (unsigned)command) {
            nearer(name, hf_option_table[i].name, &best, &limit);
        }
    }
    for (size_t i = 0; i < hf_settings_count; i++) {
        nearer(name, hf_settings_words[i].option, &best, &limit);
    }
    return best;
}
