/* `holdfast query`: one statement, its rows to standard output.
 *
 * Rows gather in memory first, so that a connection lost early costs nothing: the statement runs again and
 * the rows so far are forgotten. Once rows were printed they cannot be taken back: a loss then ends the
 * command, with exit status 4 for a read. JSON's array is then left open: half a result never parses as a whole one.
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

static void on_columns(hf_request *request, hf_columns *columns) {
    hf_query_run *run = request->user;
    hf_column column;
    if (run->printed) {
        return; /* a late restart: on_restart has said so */
    }
    free_columns(run);
    hf_table_free(&run->table);
    hf_bytes_reset(&run->out, SIZE_MAX);
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
    print(run);
}

/* The server's further words behind the failure's own, and where in the SQL the mistake is. */
static void add_details(hf_query_run *run, const char *sql, hf_failure *failure) {
    const hf_request *request = &run->request;
    hf_bytes more = { 0 };
    if (strcmp(request->error.sqlstate, "08P01") == 0) {
        hf_bytes_format(&more,
                        "\n--param is given %zu time%s: give it once for each of $1, $2, ...",
                        run->options->param.count, run->options->param.count == 1 ? "" : "s");
    }
    hf_bytes_add(&more, run->details.data, run->details.used);
    if (request->error.position) {
        hf_bytes_add_byte(&more, '\n');
        hf_statement_point(&more, sql, request->error.position);
    }
    size_t used = strlen(failure->text);
    snprintf(failure->text + used, sizeof failure->text - used, "%s", hf_bytes_text(&more));
    hf_bytes_free(&more);
}

/* The failure of a statement that was answered, or of one that never was. */
static void explain(hf_query_run *run, const char *sql, hf_failure *failure) {
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
            add_details(run, sql, failure);
        }
    } else if (request->error.code == HF_ERR_TOO_LARGE) {
        hf_fail(failure, HF_EXIT_USAGE, "%s: a larger --max-row makes room",
                request->error.message);
    } else if (failure->status == HF_EXIT_USAGE || hf_request_refused(request)) {
        add_details(run, sql, failure);
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

static bool run_statement(hf_query_run *run, const char *sql, hf_failure *failure) {
    const hf_options *options = run->options;
    hf_value *params = hf_must_alloc(options->param.count, sizeof *params);
    for (size_t i = 0; i < options->param.count; i++) {
        params[i] = hf_text(options->param.items[i]);
    }
    run->request = (hf_request){ .sql = sql,
                                 .params = params,
                                 .n_params = (uint16_t)options->param.count,
                                 .replay = hf_options_replay(options),
                                 .wait_passing = true,
                                 .timeout_ms = options->deadline_ms,
                                 .on_columns = on_columns,
                                 .on_row = on_row,
                                 .on_restart = on_restart,
                                 .on_error = on_error,
                                 .user = run };
    const bool stopped = !hf_client_run(&run->client, &run->request);
    if (stopped) {
        hf_client_close(&run->client); /* an answer within the grace is taken */
    }
    if (!run->broken && run->request.outcome == HF_OUTCOME_OK) {
        finish_output(run);
    }
    hf_client_close(&run->client);
    free(params);
    if (run->broken) {
        return unprinted(run, failure);
    }
    if (run->request.outcome == HF_OUTCOME_OK) {
        return true;
    }
    explain(run, sql, failure);
    if (run->late && failure->status != HF_EXIT_UNKNOWN) {
        return hf_fail(
            failure, HF_EXIT_INCOMPLETE,
            "the connection was lost after rows had been printed: they are not the whole result");
    }
    /* A refusal of the server's within the grace says more than that it was to stop. */
    if (stopped && failure->status != HF_EXIT_UNKNOWN && failure->status != HF_EXIT_REFUSED &&
        !hf_request_refused(&run->request)) {
        return hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s",
                       strsignal(hf_signals_caught()));
    }
    return false;
}

int hf_query(const hf_options *given) {
    hf_failure failure = { 0 };
    hf_options options = *given;
    hf_query_run *run = hf_must_alloc(1, sizeof *run);
    hf_config *config = hf_connection_config();
    hf_bytes sql = { 0 };
    bool good = config != NULL;
    if (!config) {
        hf_fail_file(&failure, HF_EXIT_INCOMPLETE, "memory", "get");
    }
    run->options = &options;
    if (strcmp(options.sql, "-") == 0) {
        good = good && hf_file_read("-", STATEMENT_BYTES_MAX, &sql, &failure);
    } else {
        hf_bytes_add_text(&sql, options.sql);
    }
    if (options.param.count > UINT16_MAX) {
        good = hf_fail(&failure, HF_EXIT_USAGE, "more than 65535 --param");
    }
    good = good && hf_statement_take(&sql, "the statement", &failure) &&
           hf_connection_settings(config, &options, &failure) &&
           hf_client_open(&run->client, config, &failure) &&
           run_statement(run, hf_bytes_text(&sql), &failure);
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
    hf_bytes_free(&sql);
    free(run);
    return good ? HF_EXIT_DONE : failure.status;
}
