/* `holdfast ledger`: the table of reports' ledgers made, shown, and rid of a job's rows (LEDGER.md). */
#include "program.h"

#include "base/bytes.h"
#include "base/csv_out.h"
#include "base/files.h"
#include "base/log.h"
#include "base/table.h"
#include "cli/connection.h"
#include "client.h"
#include "ledger_run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct hf_ledger_job {
    hf_client client;
    hf_options options; /* the DSN goes from it */
    hf_ledger_table table;
    const char *name, *deed;
    hf_bytes out; /* to standard output */
} hf_ledger_job;

static bool is(const hf_ledger_job *job, const char *deed) {
    return strcmp(job->deed, deed) == 0;
}

static bool open_table(hf_ledger_job *job, const char *rights, hf_failure *failure) {
    return hf_ledger_table_open(&job->table, &job->client, job->name, rights, 0, failure);
}

/* ---- create --------------------------------------------------------------------------------------- */

/* Did somebody else make the table just now, or this command's own first try? Its name is taken: 42P07, or 23505 in the
 * catalog when both do it at once. */
static bool made_already(const hf_request *request) {
    return strcmp(request->error.sqlstate, "42P07") == 0 ||
           strcmp(request->error.sqlstate, "23505") == 0;
}

static bool make_table(hf_ledger_job *job, hf_failure *failure) {
    hf_bytes ddl = { 0 };
    hf_ledger_table_ddl(job->name, &ddl);
    hf_request request = { .sql = hf_bytes_text(&ddl) };
    const bool made = hf_ledger_ask(&job->table, &job->client, &request, 0, failure);
    if (!made && strcmp(request.error.sqlstate, "42501") == 0) {
        hf_fail_more(failure,
                     "; GRANT CREATE ON SCHEMA lets a role make tables in it, or somebody who may "
                     "runs what 'holdfast ledger create --dry-run' prints");
    }
    hf_bytes_format(&job->out, "%s;\n", hf_bytes_text(&ddl));
    hf_bytes_free(&ddl);
    return made || made_already(&request);
}

static bool create(hf_ledger_job *job, hf_failure *failure) {
    bool good = open_table(job, HF_LEDGER_RIGHTS, failure);
    if (good) {
        hf_bytes_format(&job->out, "%s is there already, and is a ledger\n", job->table.name);
        return true;
    }
    if (!job->table.missing) {
        return false;
    }
    good = make_table(job, failure); /* the table's name is still wanted for its failure */
    hf_ledger_table_free(&job->table);
    good = good && open_table(job, HF_LEDGER_RIGHTS, failure);
    if (good) {
        hf_bytes_format(&job->out, "%s is there\n", job->table.name);
    }
    return good;
}

/* ---- list ----------------------------------------------------------------------------------------- */

enum {
    RUN,
    STATE,
    CHUNKS,
    ROWS,
    LINES,
    BEGUN,
    ENDED,
    WHO,
    INPUT,
    OUTPUT,
    SHOWN, /* of a table those before it */
    QUERY = SHOWN,
    HOST,
    BATCH,
    BATCH_BYTES,
    REJECTED,
    EXIT_STATUS,
    COLUMNS
};

static const struct {
    const char *name;
    bool number;
} columns[COLUMNS] = {
    [RUN] = { "run", false },          [STATE] = { "state", false },
    [CHUNKS] = { "chunks", true },     [ROWS] = { "rows", true },
    [LINES] = { "lines", true },       [BEGUN] = { "begun", false },
    [ENDED] = { "ended", false },      [WHO] = { "who", false },
    [INPUT] = { "input", false },      [OUTPUT] = { "output", false },
    [QUERY] = { "query", false },      [HOST] = { "host", false },
    [BATCH] = { "batch", true },       [BATCH_BYTES] = { "batch_bytes", true },
    [REJECTED] = { "rejected", true }, [EXIT_STATUS] = { "exit_status", true },
};

typedef struct hf_ledger_cells {
    hf_value at[COLUMNS]; /* without data: not known */
    char numbers[COLUMNS][24];
    char ended[HF_TIME_BYTES];
} hf_ledger_cells;

static void set_number(hf_ledger_cells *cells, unsigned column, uint64_t number) {
    snprintf(cells->numbers[column], sizeof cells->numbers[column], "%" PRIu64, number);
    cells->at[column] = hf_text(cells->numbers[column]);
}

static void fill(hf_ledger_cells *cells, const hf_ledger_run *run) {
    const hf_ledger_end *end = &run->end;
    const bool ended = end->at != 0; /* a run that was closed by force has no end */
    *cells = (hf_ledger_cells){ 0 };
    cells->at[RUN] = hf_text(run->id);
    cells->at[STATE] = run->state[0] ? hf_text(run->state) : (hf_value){ 0 };
    cells->at[BEGUN] = hf_text(run->begun);
    cells->at[WHO] = hf_text(run->who);
    cells->at[HOST] = hf_text(run->host);
    cells->at[INPUT] = hf_text(run->input);
    cells->at[QUERY] = hf_text(run->query);
    cells->at[OUTPUT] = hf_text(run->output);
    set_number(cells, CHUNKS, ended ? end->chunks : run->chunks);
    set_number(cells, ROWS, run->chunks);
    set_number(cells, BATCH, run->batch);
    set_number(cells, BATCH_BYTES, run->batch_bytes);
    if (ended) {
        cells->at[ENDED] = hf_text(hf_time_text((int64_t)end->at, cells->ended));
        set_number(cells, LINES, end->lines);
        set_number(cells, REJECTED, end->rejected);
        set_number(cells, EXIT_STATUS, (uint64_t)end->exit_status);
    }
}

static void add_json(hf_bytes *to, const hf_ledger_cells *cells) {
    hf_json *json = hf_json_object();
    for (size_t i = 0; i < COLUMNS; i++) {
        if (!cells->at[i].data) {
            hf_json_add_null(json, columns[i].name);
        } else if (columns[i].number) {
            hf_json_add_count(json, columns[i].name, strtoull(cells->at[i].data, NULL, 10));
        } else {
            hf_json_add_text(json, columns[i].name, cells->at[i].data);
        }
    }
    char *text = hf_json_print(json, false);
    hf_bytes_add_text(to, text ? text : "{}");
    free(text);
    hf_json_free(json);
}

static void list_table(const hf_ledger_runs *runs, hf_bytes *to) {
    hf_table table = { 0 };
    hf_ledger_cells cells;
    for (size_t i = 0; i < SHOWN; i++) {
        hf_table_column_add(&table, hf_text(columns[i].name), columns[i].number);
    }
    for (size_t i = 0; i < runs->count; i++) {
        fill(&cells, &runs->items[i]);
        for (size_t j = 0; j < SHOWN; j++) {
            hf_table_cell(&table, j, cells.at[j]);
        }
    }
    hf_table_write(&table, to);
    hf_table_end(&table, to);
    hf_table_free(&table);
}

static void list_lines(const hf_ledger_runs *runs, bool json, hf_bytes *to) {
    hf_ledger_cells cells;
    for (size_t i = 0; i < COLUMNS && !json; i++) {
        hf_bytes_format(to, "%s%s", i ? "," : "", columns[i].name);
    }
    hf_bytes_add_text(to, json ? "[" : "\n");
    for (size_t i = 0; i < runs->count; i++) {
        fill(&cells, &runs->items[i]);
        if (json) {
            hf_bytes_add_text(to, i ? ",\n  " : "\n  ");
            add_json(to, &cells);
        } else {
            hf_csv_add_cells(to, cells.at, COLUMNS);
            hf_bytes_add_byte(to, '\n');
        }
    }
    hf_bytes_add_text(to, json ? runs->count ? "\n]\n" : "]\n" : "");
}

static bool list(hf_ledger_job *job, hf_failure *failure) {
    hf_ledger_runs runs = { 0 };
    const bool good = open_table(job, "SELECT", failure) &&
                      hf_ledger_run_list(&job->table, &job->client, 0, &runs, failure);
    if (good && job->options.format == HF_FORMAT_TABLE) {
        list_table(&runs, &job->out);
    } else if (good) {
        list_lines(&runs, job->options.format == HF_FORMAT_JSON, &job->out);
    }
    hf_ledger_runs_free(&runs);
    return good;
}

/* ---- forget --------------------------------------------------------------------------------------- */

static bool may_go(const hf_ledger_job *job, const hf_ledger_runs *runs, const char *id,
                   hf_failure *failure) {
    if (runs->count == 0) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "there is no run %s in %s: 'holdfast ledger list' shows them", id,
                       job->table.name);
    }
    const hf_ledger_run *run = &runs->items[0];
    if (!run->open && !run->closed && !job->options.force) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "run %s is neither open nor closed: its row in %s says '%s', which holdfast "
                       "never writes. With --force its rows go all the same, and then nobody can "
                       "tell which of its lines are applied: to run them again applies those twice",
                       id, job->table.name, run->state[0] ? run->state : "NULL");
    }
    return run->closed || job->options.force ||
           hf_fail(failure, HF_EXIT_USAGE,
                   "run %s is not finished: %s@%s began %s at %s. Run its command again to finish "
                   "it; with --force its rows go all the same, and then nobody can tell which of "
                   "its lines are applied: to run them again applies those twice",
                   id, run->who, run->host, run->output, run->begun);
}

static bool forget(hf_ledger_job *job, hf_failure *failure) {
    const char *id = job->options.words.items[1];
    hf_ledger_runs runs = { 0 };
    uint64_t rows = 0;
    bool forced = false;
    bool good = open_table(job, HF_LEDGER_RIGHTS, failure) &&
                hf_ledger_run_read(&job->table, &job->client, id, 0, &runs, failure) &&
                may_go(job, &runs, id, failure);
    if (good) {
        forced = !runs.items[0].closed;
        good = hf_ledger_run_forget(&job->table, &job->client, id, forced, 0, &rows, failure);
    }
    if (good) {
        hf_bytes_format(
            &job->out, "run %s is forgotten: %" PRIu64 " row%s removed from %s%s\n", id, rows,
            rows == 1 ? "" : "s", job->table.name,
            forced ? "; its own row stays, closed, so that its job cannot go on: forget it "
                     "again when that is gone"
                   : "");
    }
    hf_ledger_runs_free(&runs);
    return good;
}

/* ---- the command ---------------------------------------------------------------------------------- */

static bool connect_and_do(hf_ledger_job *job, hf_failure *failure) {
    hf_config *config = hf_connection_config();
    if (!config) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, "memory", "get");
    }
    config->max_concurrent = 1;
    job->options.write = !is(job, "list");
    bool good = hf_connection_settings(config, &job->options, failure) &&
                hf_client_open(&job->client, config, failure);
    good = good && (is(job, "create") ? create(job, failure)
                    : is(job, "list") ? list(job, failure)
                                      : forget(job, failure));
    hf_client_close(&job->client);
    return good;
}

int hf_ledger_command(const hf_options *given) {
    hf_failure failure = { 0 };
    hf_ledger_job *job = hf_must_alloc(1, sizeof *job);
    job->options = *given;
    job->deed = given->words.items[0];
    job->name = given->ledger ? given->ledger : HF_LEDGER_NAME;
    bool good = hf_ledger_table_named(job->name, &failure);
    if (good && given->dry_run) {
        hf_ledger_table_ddl(job->name, &job->out);
        hf_bytes_add_text(&job->out, ";\n");
    } else if (good) {
        good = connect_and_do(job, &failure);
    }
    if (job->out.used > 0 && !hf_write_all(STDOUT_FILENO, job->out.data, job->out.used, -1) &&
        good) {
        good = hf_fail_file(&failure, HF_EXIT_INCOMPLETE, "standard output", "write to");
    }
    if (!good) {
        hf_log_failure(&failure);
    }
    hf_ledger_table_free(&job->table);
    if (job->client.config) {
        hf_client_free(&job->client);
    }
    hf_bytes_free(&job->out);
    free(job);
    return good ? HF_EXIT_DONE : failure.status;
}
