/* Help, made from the same tables as the parser: one row per option with its default and what 0 means. */
#include "help.h"

#include "option_values.h"

#include <string.h>

#define TEXT_AT 34 /* column of the text */
#define WIDTH   100

static void usage(FILE *to, hf_command command) {
    switch (command) {
    case HF_COMMAND_REPORT:
        fputs(
            "holdfast report: run a statement for each line of a CSV file, and survive outages\n\n"
            "  holdfast report --cost-file cost.csv --query report.sql [--params a,b] --output report.csv\n\n"
            "Writes the input's columns followed by the result's, in input order, one line per result\n"
            "row. Run the same command again after any stop: it goes on where it was. Refused lines go\n"
            "to report.csv.rejects.csv, writes whose outcome is unknown to report.csv.unknown.csv;\n"
            "report.csv.done remembers that the report is finished, and how.\n",
            to);
        return;
    case HF_COMMAND_QUERY:
        fputs(
            "holdfast query: run one statement, or a script of them\n\n"
            "  holdfast query 'SELECT ... $1' [--param VALUE]... [--format table|csv|json]\n"
            "  holdfast query -f script.sql [-v NAME=VALUE]... [--single-transaction]\n\n"
            "The session is read-only unless --write is given. A script's statements run one after the\n"
            "other, what stands between BEGIN and COMMIT as one; the first that fails ends it.\n",
            to);
        return;
    case HF_COMMAND_WATCH:
        fputs(
            "holdfast watch: hold one connection and print each step of its machine, until stopped\n\n"
            "  holdfast watch [--dsn URL]\n",
            to);
        return;
    case HF_COMMAND_MERGE:
        fputs(
            "holdfast merge: put the finished shards of a report together\n\n"
            "  holdfast merge --output report.csv report-1.csv report-2.csv ...\n\n"
            "Names all the outputs of `report --shard K/N`, in any order. Writes what one run over the\n"
            "whole input would have written, rejects and unknown lines too; the shards stay.\n",
            to);
        return;
    case HF_COMMAND_LEDGER:
        fputs("holdfast ledger: the table that says which lines of a report's writes are done\n\n"
              "  holdfast ledger create [--dry-run]    makes the table, and shows the statement\n"
              "  holdfast ledger list [--format ...]   shows the jobs in it\n"
              "  holdfast ledger forget RUN [--force]  removes what it holds of a job\n\n"
              "platform/linux/report/LEDGER.md says what a ledger promises.\n",
              to);
        return;
    case HF_COMMAND_NONE: break;
    }
    fputs(
        "holdfast " HF_VERSION ": keeps its grip on a database connection\n\n"
        "  holdfast report --cost-file cost.csv --query report.sql [--params a,b] --output report.csv\n"
        "  holdfast query 'SELECT ...' [--param VALUE]... [--format table|csv|json]\n"
        "  holdfast watch\n"
        "  holdfast merge --output report.csv report-1.csv report-2.csv ...\n"
        "  holdfast ledger create|list|forget RUN\n"
        "  holdfast --version\n"
        "  holdfast COMMAND --help\n\n"
        "Where the server is: --dsn URL, else the service file, the PG* variables and ~/.pgpass, as\n"
        "libpq has them. Durations: 500ms, 2s, 15m, 1h, forever; plain numbers are seconds.\n",
        to);
}

/* Writes text from column `at` on, broken between words. */
static void wrap(FILE *to, const char *text, int at) {
    int column = at;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (column > at && column + 1 + length > WIDTH) {
            fprintf(to, "\n%*s", at, "");
            column = at;
        } else if (column > at) {
            fputc(' ', to);
            column++;
        }
        fprintf(to, "%.*s", length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

static void row(FILE *to, char letter, const char *name, const char *value, const char *fallback,
                const char *zero, const char *text) {
    char shown[400];
    const char dash[] = { '-', letter, ',', ' ', '\0' };
    int used = fprintf(to, "  %s--%s%s%s", letter ? dash : "", name, *value ? " " : "", value);
    if (used > TEXT_AT - 2) {
        fprintf(to, "\n%*s", TEXT_AT, "");
    } else {
        fprintf(to, "%*s", TEXT_AT - used, "");
    }
    snprintf(shown, sizeof shown, "%s%s%s%s%s%s%s", text, fallback ? " [" : "",
             fallback ? fallback : "", zero ? "; 0: " : "", zero ? zero : "", fallback ? "]" : "",
             "");
    wrap(to, shown, TEXT_AT);
}

static void setting_row(FILE *to, const hf_setting *setting) {
    static const char *const values[] = { [HF_UNIT_MS] = "TIME",
                                          [HF_UNIT_COUNT] = "N",
                                          [HF_UNIT_PERCENT] = "PERCENT",
                                          [HF_UNIT_BYTES] = "SIZE" };
    char fallback[40];
    if (setting->unit == HF_UNIT_BYTES) {
        snprintf(fallback, sizeof fallback, "max-row");
    } else if (setting->value == HF_UNSET) {
        snprintf(fallback, sizeof fallback, "retry-delay");
    } else if (setting->unit == HF_UNIT_MS) {
        hf_duration_text(setting->value, fallback, sizeof fallback);
    } else if (setting->unit == HF_UNIT_PERCENT) {
        snprintf(fallback, sizeof fallback, "%u %%", setting->value);
    } else {
        snprintf(fallback, sizeof fallback, "%u", setting->value);
    }
    const hf_setting_words *words = &hf_settings_words[setting - hf_settings];
    row(to, 0, words->option, values[setting->unit], fallback, words->zero, words->text);
}

void hf_help(FILE *to, hf_command command) {
    usage(to, command);
    if (command != HF_COMMAND_NONE) {
        fputs("\nOptions, with [the default; what 0 means]:\n", to);
        for (size_t i = 0; i < hf_option_count; i++) {
            const hf_option *option = &hf_option_table[i];
            if (option->commands & (unsigned)command) {
                const bool other =
                    (command & (HF_COMMAND_MERGE | HF_COMMAND_LEDGER)) != 0 && option->other_text;
                row(to, option->letter, option->name, option->value ? option->value : "",
                    option->fallback, option->zero, other ? option->other_text : option->text);
            }
        }
    }
    if (command != HF_COMMAND_NONE && command != HF_COMMAND_MERGE) {
        fputs("\nSettings of the connection:\n", to);
        for (size_t i = 0; i < hf_settings_count; i++) {
            setting_row(to, &hf_settings[i]);
        }
        fputs(
            "\n--reconnect-timeout and --close-timeout set the probe-... one too, unless it is given.\n",
            to);
    }
    fputs(
        "\nTLS: sslmode=verify-full unless --dsn, PGSSLMODE or the service file say verify-ca, require or\n"
        "disable; libpq's prefer and allow are refused. sslrootcert=FILE names the CA.\n",
        to);
    fputs(
        "\nExit status: 0 all done; 1 usage or configuration; 2 done, but some lines were refused;\n"
        "3 refused for good; 4 incomplete, run it again to resume; 5 a write's outcome is unknown.\n",
        to);
}
