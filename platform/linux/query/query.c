/* `holdfast query`: one statement, or a script of them, the rows to standard output.
 *
 * Rows gather in memory first, so that a connection lost early costs nothing: the statement runs again and
 * the rows so far are forgotten. Once rows were printed they cannot be taken back: a loss then ends the
 * command, with exit status 4 for a read. JSON's array is then left open: half a result never parses as a whole one.
 *
 * A script's part, a statement or a transaction, is one request. The next one is sent when that is answered.
 */
#include "program.h"

#include "base/bytes.h"
#include "base/csv_out.h"
#include "base/files.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/statement.h"
#include "base/table.h"
#include "cli/connection.h"
#include "client.h"
#include "json_out.h"
#include "script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GATHER_BYTES        (1024 * 1024) /* of csv and json: then rows are printed as they come */
#define GATHER_BYTES_TABLE  (32 * 1024 * 1024) /* of a table: then the widths so far must do */
#define STATEMENT_BYTES_MAX (16 * 1024 * 1024)

#define OID_MONEY 790 /* of pg_type: text, but shown as numbers are */

typedef struct hf_query_run {
    const hf_options *options;
    hf_client client;
    const char *place; /* the script's name */
    hf_script script;
    const hf_script_part *part; /* the one that runs */
    size_t done;                /* statements of the parts before it */
    hf_request request;
    hf_table table;
    hf_bytes out;
    hf_value *names; /* copies */
    hf_bytes *keys;  /* of json: as an object has them */
    uint32_t *types;
    size_t n_columns;
    uint64_t rows;
    bool printed;     /* something went to standard output */
    bool late;        /* the connection was lost after that */
    int broken;       /* errno of standard output */
    hf_bytes details; /* the server's further words about an error */
} hf_query_run;

/* ---- rows ----------------------------------------------------------------------------------------- */

static void print(hf_query_run *run) {
    if (run->out.used > 0 && !run->broken) {
        run->printed = true;
        if (!hf_write_all(STDOUT_FILENO, run->out.data, run->out.used, -1)) {
            run->broken = errno;
            hf_cancel(run->client.pool, &run->request);
        }
    }
    hf_bytes_reset(&run->out, GATHER_BYTES * 2);
}

static void free_columns(hf_query_run *run) {
    for (size_t i = 0; i < run->n_columns; i++) {
        free((void *)(uintptr_t)run->names[i].data);
        hf_bytes_free(&run->keys[i]);
    }
    free(run->names);
    free(run->keys);
    free(run->types);
    run->names = NULL;
    run->keys = NULL;
    run->types = NULL;
    run->n_columns = 0;
}

static void finish_output(hf_query_run *run);

static void on_columns(hf_request *request, hf_columns *columns) {
    hf_query_run *run = request->user;
    hf_column column;
    if (run->late || run->broken) {
        return;
    }
    if (columns->statement == 0) { /* the first answer, of each attempt */
        hf_bytes_reset(&run->out, SIZE_MAX);
    } else { /* the statement before is answered */
        finish_output(run);
    }
    run->rows = 0;
    free_columns(run);
    hf_table_free(&run->table);
    run->table.expanded = run->options->expanded;
    run->table.null = run->options->null;
    run->names = hf_must_alloc(columns->n_columns, sizeof *run->names);
    run->keys = hf_must_alloc(columns->n_columns, sizeof *run->keys);
    run->types = hf_must_alloc(columns->n_columns, sizeof *run->types);
    while (run->n_columns < columns->n_columns && hf_columns_next(columns, &column)) {
        char *name = hf_must_alloc(column.name.bytes + 1, 1);
        memcpy(name, column.name.data, column.name.bytes);
        run->names[run->n_columns] = (hf_value){ .data = name, .bytes = column.name.bytes };
        run->types[run->n_columns++] = column.type;
        if (run->options->format == HF_FORMAT_TABLE) {
            hf_table_column_add(&run->table, run->names[run->n_columns - 1],
                                hf_json_out_numeric(column.type) || column.type == OID_MONEY);
        }
    }
    if (run->options->format == HF_FORMAT_JSON) {
        hf_json_out_names(run->keys, run->names, run->n_columns);
    } else if (run->options->format == HF_FORMAT_CSV && run->n_columns > 0) {
        hf_csv_add_cells(&run->out, run->names, run->n_columns);
        hf_bytes_add_byte(&run->out, '\n');
    }
}

static void add_cell(hf_query_run *run, size_t i, hf_value value) {
    switch (run->options->format) {
    case HF_FORMAT_TABLE: hf_table_cell(&run->table, i, value); break;
    case HF_FORMAT_CSV:
        hf_bytes_add_text(&run->out, i ? "," : "");
        if (!value.data && run->options->null) {
            value = hf_text(run->options->null);
        }
        hf_csv_add_cell(&run->out, value, run->n_columns == 1);
        break;
    case HF_FORMAT_JSON:
        hf_bytes_add_text(&run->out, i ? ", " : "");
        hf_bytes_add(&run->out, run->keys[i].data, run->keys[i].used);
        hf_bytes_add_text(&run->out, ": ");
        hf_json_out_value(&run->out, value, run->types[i]);
        break;
    default: break;
    }
}

static int on_row(hf_request *request, hf_row *row) {
    hf_query_run *run = request->user;
    hf_value value;
    int format = run->options->format;
    if (run->late || run->broken) {
        return HF_CONTINUE;
    }
    if (format == HF_FORMAT_JSON) {
        hf_bytes_add_text(&run->out, run->rows ? ",\n  {" : "[\n  {");
    }
    for (size_t i = 0; i < run->n_columns && hf_row_next(row, &value); i++) {
        add_cell(run, i, value);
    }
    hf_bytes_add_text(&run->out, format == HF_FORMAT_JSON  ? "}"
                                 : format == HF_FORMAT_CSV ? "\n"
                                                           : "");
    run->rows++;
    if (format == HF_FORMAT_TABLE && (run->table.cells.used > GATHER_BYTES_TABLE ||
                                      (run->printed && run->table.cells.used > GATHER_BYTES))) {
        hf_table_write(&run->table, &run->out);
        print(run);
    }
    if (run->out.used > GATHER_BYTES) {
        print(run);
    }
    return HF_CONTINUE;
}

static void on_restart(hf_request *request) {
    hf_query_run *run = request->user;
    if (run->printed) {
        run->late = true;
        hf_cancel(run->client.pool, request);
        return;
    }
    run->rows = 0;
    hf_table_void(&run->table);
    hf_bytes_reset(&run->out, SIZE_MAX);
}

static void on_error(hf_request *request, const hf_error *error, const hf_fields *fields) {
    static const struct {
        hf_field field;
        const char *name;
    } shown[] = { { HF_FIELD_DETAIL, "DETAIL" },
                  { HF_FIELD_HINT, "HINT" },
                  { HF_FIELD_WHERE, "WHERE" } };
    hf_query_run *run = request->user;
    (void)error;
    hf_bytes_reset(&run->details, SIZE_MAX);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        hf_value value;
        if (hf_fields_get(fields, shown[i].field, &value) && value.bytes > 0) {
            hf_bytes_format(&run->details, "\n%s: ", shown[i].name);
            hf_bytes_add_printable(&run->details, value.data,
                                   value.bytes < 600 ? value.bytes : 600);
        }
    }
}

/* ---- the end -------------------------------------------------------------------------------------- */

static void finish_output(hf_query_run *run) {
    switch (run->options->format) {
    case HF_FORMAT_TABLE:
        if (run->n_columns == 0) {
            hf_bytes_format(&run->out, "done, %llu row%s affected\n",
                            (unsigned long long)run->request.affected,
                            run->request.affected == 1 ? "" : "s");
            break;
        }
        hf_table_write(&run->table, &run->out);
        hf_table_end(&run->table, &run->out);
        break;
    case HF_FORMAT_JSON: hf_bytes_add_text(&run->out, run->rows ? "\n]\n" : "[]\n"); break;
    default: break;
    }
    if (run->out.used > GATHER_BYTES) { /* the rest when the part is answered */
        print(run);
    }
}

/* Which statement of the part the server refused, as far as is known. NULL: its COMMIT. */
static const hf_script_item *refused_item(const hf_query_run *run) {
    const size_t at = run->part->transaction ? hf_request_refused_at(&run->request) : 0;
    return at < run->part->count ? &run->script.items[run->part->first + at] : NULL;
}

/* The server's further words behind the failure's own, and where in the SQL the mistake is. */
static void add_details(hf_query_run *run, hf_failure *failure) {
    const hf_request *request = &run->request;
    const hf_script_item *item = refused_item(run);
    hf_bytes more = { 0 };
    if (strcmp(request->error.sqlstate, "08P01") == 0) {
        hf_bytes_format(&more,
                        "\n--param is given %zu time%s: give it once for each of $1, $2, ...",
                        run->options->param.count, run->options->param.count == 1 ? "" : "s");
    }
    hf_bytes_add(&more, run->details.data, run->details.used);
    if (request->error.position && item) {
        hf_bytes_add_byte(&more, '\n');
        hf_statement_point(&more, item->sql, request->error.position);
    }
    hf_fail_more(failure, hf_bytes_text(&more));
    hf_bytes_free(&more);
}

/* The failure of a statement that was answered, or of one that never was. */
static void explain(hf_query_run *run, hf_failure *failure) {
    hf_request *request = &run->request;
    hf_client_failure(&run->client, request, "the statement failed", failure);
    if (request->error.code == HF_ERR_READ_ONLY && !run->options->write) {
        hf_fail(failure, HF_EXIT_USAGE, "this statement writes: use --write");
    } else if (request->outcome == HF_OUTCOME_UNKNOWN) {
        char text[HF_MESSAGE_BYTES + 128];
        bool safe = request->replay == HF_REPLAY_SAFE;
        hf_error_text(&request->error, text, sizeof text);
        hf_fail(
            failure, safe ? HF_EXIT_INCOMPLETE : HF_EXIT_UNKNOWN,
            safe ? "the statement was not answered: %s"
                 : "the statement may or may not have been done: %s; look before you run it again",
            text);
        if (request->error.from_server) {
            add_details(run, failure);
        }
    } else if (request->error.code == HF_ERR_TOO_LARGE) {
        hf_fail(failure, HF_EXIT_USAGE, "%s: a larger --max-row makes room",
                request->error.message);
    } else if (failure->status == HF_EXIT_USAGE || hf_request_refused(request)) {
        add_details(run, failure);
    }
}

/* A script's failure says where it stopped, and what of it stands. */
static void say_where(const hf_query_run *run, hf_failure *failure) {
    const hf_script_item *item = run->request.error.from_server ? refused_item(run) : NULL;
    const unsigned line = item ? item->line : run->part->line;
    hf_failure said = { 0 };
    if (run->script.n_items == 1) {
        return;
    }
    hf_fail(&said, failure->status, "%s:%u: %s", run->place, line, failure->text);
    *failure = said;
    if (run->part->transaction && failure->status != HF_EXIT_UNKNOWN) {
        hf_fail_more(failure, "\nnothing of its transaction stands");
    }
    if (run->done > 0) {
        hf_bytes more = { 0 };
        hf_bytes_format(&more, "\n%zu statement%s before %s done", run->done,
                        run->done == 1 ? "" : "s", run->done == 1 ? "it was" : "it were");
        hf_fail_more(failure, hf_bytes_text(&more));
        hf_bytes_free(&more);
    }
}

/* Standard output is full, or closed. */
static bool unprinted(const hf_query_run *run, hf_failure *failure) {
    const hf_request *request = &run->request;
    const bool maybe = request->outcome == HF_OUTCOME_OK || request->outcome == HF_OUTCOME_UNKNOWN;
    if (maybe && request->replay != HF_REPLAY_SAFE) {
        return hf_fail(failure, HF_EXIT_UNKNOWN,
                       "cannot write to standard output: %s; the statement %s: look before you run "
                       "it again",
                       strerror(run->broken),
                       request->outcome == HF_OUTCOME_OK ? "was done all the same"
                                                         : "may or may not have been done");
    }
    errno = run->broken;
    return hf_fail_file(failure, HF_EXIT_INCOMPLETE, "standard output", "write to");
}

/* ---- running -------------------------------------------------------------------------------------- */

/* A statement's values: those of --param, or of the variables that it names. */
static hf_value *values_of(const hf_query_run *run, const hf_script_item *item, uint16_t *count) {
    const hf_option_list *given = &run->options->param;
    const size_t n = given->count > 0 ? given->count : item->n_params;
    hf_value *values = hf_must_alloc(n, sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = hf_text(given->count > 0 ? given->items[i] : item->params[i]);
    }
    *count = (uint16_t)n;
    return values;
}

/* Runs the part that is in hand to its end. False: a signal came first. */
static bool run_part(hf_query_run *run, hf_ms deadline) {
    const hf_options *options = run->options;
    const hf_script_item *items = &run->script.items[run->part->first];
    const size_t count = run->part->count;
    const hf_ms now = hf_client_now(&run->client);
    hf_statement *statements = hf_must_alloc(count, sizeof *statements);
    for (size_t i = 0; i < count; i++) {
        statements[i].sql = items[i].sql;
        statements[i].params = values_of(run, &items[i], &statements[i].n_params);
    }
    run->printed = false;
    run->request = (hf_request){ .replay = hf_options_replay(options),
                                 .wait_passing = true,
                                 .on_columns = on_columns,
                                 .on_row = on_row,
                                 .on_restart = on_restart,
                                 .on_error = on_error,
                                 .user = run };
    if (options->deadline_ms > 0) {
        run->request.timeout_ms = deadline > now ? (uint32_t)(deadline - now) : 1;
    }
    if (run->part->transaction) {
        run->request.batch = statements;
        run->request.n_batch = (uint16_t)count;
    } else {
        run->request.sql = statements[0].sql;
        run->request.params = statements[0].params;
        run->request.n_params = statements[0].n_params;
    }
    const bool answered = hf_client_run(&run->client, &run->request);
    if (!answered) {
        hf_client_close(&run->client); /* an answer within the grace is taken */
    }
    if (!run->broken && run->request.outcome == HF_OUTCOME_OK) {
        finish_output(run);
        print(run);
    }
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)statements[i].params);
    }
    free(statements);
    return answered;
}

static bool run_script(hf_query_run *run, hf_failure *failure) {
    const hf_ms deadline = hf_client_now(&run->client) + run->options->deadline_ms;
    run->client.tells_notices = run->options->tells_notices;
    bool stopped = false;
    for (size_t i = 0; i < run->script.n_parts && !stopped; i++) {
        run->part = &run->script.parts[i];
        stopped = !run_part(run, deadline) || hf_signals_caught();
        if (run->broken || run->request.outcome != HF_OUTCOME_OK) {
            break;
        }
        run->done += run->part->count;
    }
    hf_client_close(&run->client);
    if (run->broken) {
        return unprinted(run, failure);
    }
    if (run->done == run->script.n_items) {
        return true;
    }
    if (run->request.outcome == HF_OUTCOME_OK) { /* a signal between two parts */
        run->part++;
        hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s", strsignal(hf_signals_caught()));
        say_where(run, failure);
        return false;
    }
    explain(run, failure);
    if (run->late && failure->status != HF_EXIT_UNKNOWN) {
        hf_fail(
            failure, HF_EXIT_INCOMPLETE,
            "the connection was lost after rows had been printed: they are not the whole result");
    } else if (stopped && failure->status != HF_EXIT_UNKNOWN &&
               failure->status != HF_EXIT_REFUSED && !hf_request_refused(&run->request)) {
        /* A refusal of the server's within the grace says more than that it was to stop. */
        hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s", strsignal(hf_signals_caught()));
    }
    say_where(run, failure);
    return false;
}

/* ---- the command ---------------------------------------------------------------------------------- */

/* Reads the script, and puts the variables' values into it. */
static bool read_script(hf_query_run *run, hf_failure *failure) {
    const hf_options *options = run->options;
    const char *file = options->file ? options->file : options->sql;
    hf_script *script = &run->script;
    hf_bytes sql = { 0 };
    bool good = true;
    run->place = options->file && strcmp(file, "-") != 0 ? file : "the statement";
    if (options->file || strcmp(file, "-") == 0) {
        good = hf_file_read(file, STATEMENT_BYTES_MAX, &sql, failure);
    } else {
        hf_bytes_add_text(&sql, options->sql);
    }
    good = good && hf_statement_text(&sql, run->place, failure) &&
           hf_script_read(script, hf_bytes_text(&sql), run->place, options->single_transaction,
                          failure) &&
           (options->variable.count == 0 ||
            hf_script_bind(script, options->variable.items, options->variable.count, run->place,
                           failure));
    hf_bytes_free(&sql);
    if (good && options->param.count > 0 && script->n_items > 1) {
        good =
            hf_fail(failure, HF_EXIT_USAGE,
                    "--param is for one statement, and there are %zu: write :NAME for a value, and "
                    "give it by -v NAME=VALUE",
                    script->n_items);
    }
    if (good && options->param.count > UINT16_MAX) {
        good = hf_fail(failure, HF_EXIT_USAGE, "more than 65535 --param");
    }
    for (size_t i = 0; good && i < script->n_parts; i++) {
        const hf_script_part *part = &script->parts[i];
        if (part->count > UINT16_MAX) {
            good = hf_fail(failure, HF_EXIT_USAGE,
                           "%s:%u: a transaction of %zu statements: 65535 is the most", run->place,
                           part->line, part->count);
        } else if (!part->transaction) {
            good = hf_statement_alone(script->items[part->first].sql, run->place, failure);
        }
    }
    return good;
}

int hf_query(const hf_options *given) {
    hf_failure failure = { 0 };
    hf_options options = *given;
    hf_query_run *run = hf_must_alloc(1, sizeof *run);
    hf_config *config = hf_connection_config();
    bool good = config != NULL;
    if (!config) {
        hf_fail_file(&failure, HF_EXIT_INCOMPLETE, "memory", "get");
    }
    run->options = &options;
    good = good && read_script(run, &failure) &&
           hf_connection_settings(config, &options, &failure) &&
           hf_client_open(&run->client, config, &failure) && run_script(run, &failure);
    if (!good) {
        hf_log_failure(&failure);
    }
    if (run->client.config) {
        hf_client_free(&run->client);
    }
    free_columns(run);
    hf_table_free(&run->table);
    hf_bytes_free(&run->out);
    hf_bytes_free(&run->details);
    hf_script_free(&run->script);
    free(run);
    return good ? HF_EXIT_DONE : failure.status;
}
