/* `holdfast report`: what is checked before anything is written, and what is said at the end.
 *
 *     options, query, connection settings -> the input, read once -> what an earlier run left ->
 *     the query, prepared once -> files made or opened -> the job -> its name, the summary
 */
#include "program.h"

#include "base/files.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/statement.h"
#include "chunks.h"
#include "cli/connection.h"
#include "cli/dated.h"
#include "cli/report_values.h"
#include "database.h"
#include "dry_run.h"
#include "header.h"
#include "job.h"
#include "ledger_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define QUERY_BYTES_MAX (16 * 1024 * 1024)
#define ONCE_MORE       "applies all lines once more"

/* ---- the query ------------------------------------------------------------------------------------ */

static hf_value copy_value(hf_value value) {
    char *copy = hf_must_alloc(value.bytes + 1, 1);
    if (value.bytes) {
        memcpy(copy, value.data, value.bytes);
    }
    return (hf_value){ .data = copy, .bytes = value.bytes };
}

static void free_columns(hf_job *job) {
    for (uint16_t i = 0; i < job->n_columns; i++) {
        free((void *)(uintptr_t)job->columns[i].data);
    }
    free(job->columns);
    job->columns = NULL;
    job->n_columns = 0;
}

static void on_prepared(hf_request *request, hf_columns *columns) {
    hf_job *job = request->user;
    hf_column column;
    free_columns(job);
    job->columns = hf_must_alloc(columns->n_columns, sizeof *job->columns);
    while (job->n_columns < columns->n_columns && hf_columns_next(columns, &column)) {
        job->columns[job->n_columns++] = copy_value(column.name);
    }
    job->n_params = columns->n_params;
}

/* The server's opinion of the query before anything is written (REPORT.md 28). */
static bool prepare(hf_job *job, hf_failure *failure) {
    hf_request request = { .sql = job->sql.data,
                           .prepare_only = true,
                           .prepare = job->prepare,
                           .wait_passing = true,
                           .replay = HF_REPLAY_SAFE,
                           .on_columns = on_prepared,
                           .timeout_ms = job->options->deadline_ms,
                           .user = job };
    char what[300];
    bool over = hf_client_run(&job->client, &request);
    if (!over) {
        hf_client_close(&job->client); /* ends the request, which lies on this stack */
        return hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s",
                       strsignal(hf_signals_caught()));
    }
    if (request.outcome == HF_OUTCOME_OK) {
        return true;
    }
    snprintf(what, sizeof what, "preparing %.250s", job->options->query);
    hf_client_failure(&job->client, &request, what, failure);
    if (failure->status == HF_EXIT_USAGE && request.error.position > 0) {
        hf_bytes place = { 0 };
        hf_bytes_add_byte(&place, '\n');
        hf_statement_point(&place, job->text.data,
                           hf_statement_place(&job->names, job->sql.data, request.error.position));
        hf_fail_more(failure, hf_bytes_text(&place));
        hf_bytes_free(&place);
    }
    return false;
}

/* Which database this is, and whether it is the one that an earlier run was against. */
static bool know_database(hf_job *job, bool resume, hf_failure *failure) {
    char what[300];
    snprintf(what, sizeof what, "preparing %.250s", job->options->query);
    return hf_database_ask(&job->client, what, job->options->deadline_ms, &job->database,
                           failure) &&
           (!resume ||
            hf_database_same(&job->record.database, &job->database, job->outputs.part, failure));
}

/* And, if it writes, which incarnation of the server acknowledges that. */
static bool know_server(hf_job *job, hf_failure *failure) {
    char what[300];
    snprintf(what, sizeof what, "preparing %.250s", job->options->query);
    return !job->options->write || hf_inquiry_begin(&job->inquiry, &job->client, &job->database,
                                                    what, job->options->deadline_ms, failure);
}

static void hash_columns(const hf_job *job, uint8_t out[HF_HASH_BYTES]) {
    hf_bytes text = { 0 };
    for (uint16_t i = 0; i < job->n_columns; i++) {
        hf_bytes_format(&text, "%zu:", job->columns[i].bytes);
        hf_bytes_add(&text, job->columns[i].data, job->columns[i].bytes);
    }
    hf_sha256_of(text.data, text.used, out);
    hf_bytes_free(&text);
}

/* ---- the files ------------------------------------------------------------------------------------ */

static void make_headers(hf_job *job, hf_bytes *output) {
    const hf_first_pass *scan = &job->scan;
    hf_header_output(output, scan->header, scan->n_header, job->columns, job->n_columns,
                     job->options->affected);
    hf_header_refusals(&job->rejects_header, scan->header, scan->n_header);
    hf_header_refusals(&job->unknown_header, scan->header, scan->n_header);
}

static bool open_files(hf_job *job, bool resume, hf_failure *failure) {
    uint8_t columns[HF_HASH_BYTES];
    hf_bytes header = { 0 };
    bool good = true;
    hash_columns(job, columns);
    make_headers(job, &header);
    if (resume && memcmp(columns, job->record.columns, sizeof columns) != 0) {
        good = hf_fail(
            failure, HF_EXIT_REFUSED,
            "the query's columns are not those %s was begun with: something in the database was "
            "changed; change it back, or start over with --restart",
            job->outputs.part);
    } else if (resume) {
        job->record.runs++;
        job->record.database = job->database;
        good = hf_outputs_resume(&job->outputs, &job->record, failure) &&
               hf_outputs_commit(&job->outputs, &job->record, failure) &&
               hf_spool_keep(&job->spool, job->options->output, failure);
    } else {
        job->record = (hf_position_record){ .identity = job->scan.identity,
                                            .input_offset = job->scan.first_offset,
                                            .next_line = job->scan.first_line,
                                            .runs = 1,
                                            .database = job->database,
                                            .server = job->inquiry.server,
                                            .run = job->run };
        memcpy(job->record.columns, columns, sizeof columns);
        good = hf_outputs_claim(&job->outputs, failure) &&
               hf_spool_keep(&job->spool, job->options->output, failure) &&
               hf_outputs_begin(&job->outputs, &header, &job->record, failure);
    }
    job->header_bytes = header.used;
    hf_bytes_free(&header);
    job->head_start = job->record.output_bytes;
    if (good && hf_job_notes_intents(job)) {
        good = hf_intents_open(&job->intents, job->outputs.intents_path, job->record.next_line,
                               hf_recovery_add, &job->recovery, failure);
        hf_recovery_sort(&job->recovery);
        job->outputs.new_names = true;
        good =
            good && hf_outputs_commit(&job->outputs, &job->record, failure); /* the folder, too */
    }
    return good && (job->replay != HF_REPLAY_LEDGER || hf_ledger_job_open(job, failure)) &&
           hf_csv_in_seek(job->in, job->record.input_offset, job->record.next_line, failure);
}

/* ---- running -------------------------------------------------------------------------------------- */

static void start_clocks(hf_job *job, bool resume) {
    hf_ms now = hf_client_now(&job->client);
    job->deadline =
        job->options->deadline_ms ? job->summary.from + job->options->deadline_ms : HF_NEVER;
    if (job->replay == HF_REPLAY_LEDGER) {
        hf_chunks_init(job);
        job->chunks.verify = resume; /* the server may be another one than that of the last run */
    } else {
        hf_window_init(&job->window, job->options->window);
    }
    hf_order_init(&job->order, job->scan.order_column, job->options->window);
    hf_progress_init(&job->progress, job->options, job->scan.lines, hf_job_ended(job), now);
    job->summary.lines_before = hf_job_ended(job);
    if (resume) {
        job->summary.resumed_from = job->record.next_line;
        hf_log(HF_LOG_INFO, "resuming at line %llu: %llu of %llu lines are done",
               (unsigned long long)job->record.next_line, (unsigned long long)hf_job_ended(job),
               (unsigned long long)job->scan.lines);
    }
}

static void take_time(hf_job *job) {
    job->summary.elapsed_ms =
        job->summary.from ? hf_client_now(&job->client) - job->summary.from : 0;
}

/* Runs the job and gives the finished report its name. The exit status; failure says why if it is no end. */
static int run(hf_job *job, hf_failure *failure) {
    uint64_t before = job->record.elapsed_ms;
    hf_job_run(job);
    take_time(job);
    job->record.elapsed_ms = before + job->summary.elapsed_ms;
    if (job->stopping) {
        *failure = job->failure;
        /* Nothing stays, whatever reads were answered in the stop. Of writes something may have been done. */
        if (failure->status == HF_EXIT_USAGE && job->write_forgotten) {
            hf_outputs_discard(&job->outputs);
            hf_spool_drop(&job->spool, job->options->output);
        }
        return failure->status;
    }
    int status = hf_job_status(job);
    job->record.finished_at = (uint64_t)hf_time_now();
    if (job->replay == HF_REPLAY_LEDGER) {
        if (!hf_outputs_name(&job->outputs, &job->record, status, failure)) {
            return failure->status;
        }
        hf_ledger_job_over(job); /* a run that ends here leaves rows, and the next one says whose */
        hf_client_close(&job->client);
    }
    if (!hf_outputs_finish(&job->outputs, &job->record, status, failure)) {
        return failure->status;
    }
    hf_spool_drop(&job->spool, job->options->output);
    return status;
}

/* ---- what earlier runs left ------------------------------------------------------------------------ */

/* Is the report of that name finished, and this job's? */
static bool is_finished(const hf_job *job, const char *output) {
    hf_position_record record;
    hf_failure failure;
    char *done = hf_path_beside(output, ".done");
    const bool is = hf_position_read(done, &record, &failure) == HF_POSITION_VALID &&
                    !hf_identity_difference(&record.identity, &job->scan.identity);
    free(done);
    return is;
}

/* {date} in --output is the day on which the job was begun: the same command goes on with what an earlier day left
 * unfinished, and with nothing else, as it does without a date. What is not this job's any more stays, and is named; so
 * does what a --restart of a later day left behind: else no --restart would help against a job that cannot go on. */
static void find_begun(hf_job *job, hf_options *options) {
    const char *today = options->output;
    bool later = false;
    for (int days = 0; days <= HF_DAYS_BACK && options->output_pattern && !options->restart;
         days++) {
        hf_position_record record;
        hf_failure failure;
        char *output = hf_dated_name(options->output_pattern, job->summary.started, days);
        char *position = hf_path_beside(output, ".position");
        const bool begun = hf_position_read(position, &record, &failure) == HF_POSITION_VALID;
        const char *changed =
            begun ? hf_identity_difference(&record.identity, &job->scan.identity) : NULL;
        free(position);
        if (begun && days > 0 && (changed || later)) {
            hf_log(
                HF_LOG_WARN,
                "%s was begun on an earlier day and is not finished, and %s%s: it stays as it is, "
                "and this run is about %s",
                output, changed ? changed : "one of a later day is",
                changed ? " has changed since" : "", today);
        } else if (begun && days > 0) {
            hf_log(
                HF_LOG_WARN,
                "%s was begun on an earlier day and is not finished: this run goes on with it; the next "
                "one begins %s",
                output, today);
            options->output = job->begun = output;
            return;
        }
        later = later || is_finished(job, output);
        free(output);
        if (begun && days == 0) {
            return;
        }
    }
}

/* Is there a finished report, which this run is to leave as it is? */
static bool stays_finished(const hf_options *options, hf_position_record *record) {
    hf_failure failure;
    char *done = hf_path_beside(options->output, ".done");
    const bool stays = !options->restart && !options->dry_run &&
                       options->if_finished != HF_IF_FINISHED_RESTART &&
                       hf_position_read(done, record, &failure) == HF_POSITION_VALID;
    free(done);
    return stays;
}

/* Opens the input, a file or what standard input holds. With nothing in that, and the report finished, job->in stays
 * NULL, and *finished is the report's record. */
static bool open_input(hf_job *job, hf_options *options, hf_position_record *finished,
                       hf_failure *failure) {
    const bool standard = strcmp(options->cost_file, "-") == 0;
    char *begun = standard ? hf_spool_begun(options, job->summary.started) : NULL;
    const bool good = !standard || hf_spool_read(&job->spool, options->output, begun,
                                                 !begun && stays_finished(options, finished),
                                                 options->deadline_ms, failure);
    free(begun);
    if (good && standard && !job->spool.path) {
        options->cost_file = "standard input";
        return true;
    }
    job->in =
        good ? hf_csv_in_open(standard ? job->spool.path : options->cost_file, failure) : NULL;
    if (!job->in) {
        return false;
    }
    if (standard) {
        options->cost_file = "standard input";
        hf_csv_in_name(job->in, options->cost_file);
    }
    hf_csv_in_delimiter(job->in, options->delimiter);
    return true;
}

/* Reads the input once, or knows it from the finished report. */
static bool know_input(hf_job *job, hf_options *options, hf_failure *failure) {
    hf_position_record finished;
    if (!open_input(job, options, &finished, failure)) {
        return false;
    }
    if (!job->in) {
        hf_log(HF_LOG_INFO, "there is nothing in standard input, and %s is finished",
               options->output);
        hf_first_pass_finished(&job->scan, options, &job->text, &finished);
        return true;
    }
    return hf_first_pass_input(&job->scan, job->in, options, &job->text, failure) &&
           hf_first_pass_names(&job->scan, options, &job->names, failure) &&
           hf_first_pass_order(&job->scan, options, failure) &&
           (!options->shard.count || hf_first_pass_shard(&job->scan, job->in, options, failure));
}

/* Of a job that an earlier run finished: when, against what, and how to have it made anew. */
static void say_finished(const hf_job *job, hf_bytes *to) {
    const hf_position_record *record = &job->record;
    char time[HF_TIME_BYTES];
    struct stat done;
    int64_t at = (int64_t)record->finished_at;
    if (at == 0 && stat(job->outputs.done, &done) == 0) { /* an older program's */
        at = (int64_t)done.st_mtim.tv_sec * 1000;
    }
    hf_bytes_add_text(to, "finished by an earlier run");
    if (at) {
        hf_bytes_format(to, " at %s", hf_time_text(at, time));
    }
    hf_bytes_add_text(to, record->database.name[0] ? ", against " : "");
    hf_database_text(&record->database, to);
    hf_bytes_format(
        to, ": %s; %s (each time: --if-finished restart), or choose another %s",
        job->options->if_finished == HF_IF_FINISHED_FAIL ? "that is a failure by --if-finished fail"
        : job->options->to_stdout                        ? "it is printed again"
                                                         : "nothing to do",
        job->replay == HF_REPLAY_SAFE && !job->options->write
            ? "to run it anew, add --restart"
            : "--restart runs it anew, and " ONCE_MORE,
        job->options->to_stdout ? "--position" : "--output ({date} in it: one for each day)");
}

/* One whose finish was only cut short is this run's own: it went on where that one was. */
static bool may_be_finished(const hf_job *job, hf_failure *failure) {
    hf_bytes finished = { 0 };
    if (job->options->if_finished != HF_IF_FINISHED_FAIL || job->outputs.cut_short) {
        return true;
    }
    say_finished(job, &finished);
    hf_fail(failure, HF_EXIT_USAGE, "%s: %s", job->options->output, hf_bytes_text(&finished));
    hf_bytes_free(&finished);
    return false;
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static const char *reason_of(int status) {
    return status == HF_EXIT_UNKNOWN    ? "done, but the outcome of some writes is unknown"
           : status == HF_EXIT_REJECTED ? "done, but some lines were rejected"
                                        : "all done";
}

/* What cannot be written is said once: it is not tried again at the end. */
static bool summary_usable(hf_options *options, hf_failure *failure) {
    const char *path = options->summary;
    if (!path || (hf_file_takes_text("--summary", path, failure) &&
                  (hf_file_special(path) || hf_folder_usable(path, failure)))) {
        return true;
    }
    options->summary = NULL;
    return false;
}

static bool read_query(hf_job *job, const hf_options *options, hf_failure *failure) {
    if (hf_file_read_within(options->query, QUERY_BYTES_MAX, options->deadline_ms, &job->text,
                            failure)) {
        return hf_statement_take(&job->text, options->query, failure) &&
               hf_statement_name(hf_bytes_text(&job->text), options->query, &job->sql, &job->names,
                                 failure);
    }
    if (hf_statement_begins(options->query)) {
        hf_fail_more(failure, "; --query names the file that the statement is in");
    }
    return false;
}

static void say_begin(const hf_job *job) {
    const hf_first_pass *scan = &job->scan;
    char which[100] = "";
    if (job->options->shard.count) {
        snprintf(which, sizeof which, " of %llu (lines %llu to %llu of the file)",
                 (unsigned long long)scan->input_lines, (unsigned long long)scan->first_line,
                 (unsigned long long)scan->last_line);
    }
    hf_log(HF_LOG_INFO, "%s: %llu lines%s, at most %u connections to %s", job->options->cost_file,
           (unsigned long long)scan->lines, scan->lines ? which : "", job->concurrent,
           job->client.where);
}

/* Everything up to the job; false: failure. *found says what an earlier run left. */
static bool get_ready(hf_job *job, hf_config *config, hf_options *options, hf_outputs_found *found,
                      hf_failure *failure) {
    *found = HF_OUTPUTS_FAILED;
    if (!read_query(job, options, failure) || !hf_connection_settings(config, options, failure) ||
        !summary_usable(options, failure) || !hf_folder_usable(options->output, failure)) {
        return false;
    }
    job->prepare =
        options->prepare == HF_PREPARE_AUTO && hf_statement_keeps(hf_bytes_text(&job->sql));
    job->counts = hf_statement_counts(hf_bytes_text(&job->sql));
    job->summary.counts = options->write && job->counts;
    if (!know_input(job, options, failure)) {
        return false;
    }
    hf_rejects_read(options->max_rejects, job->scan.lines, &job->rejects_max);
    job->summary.lines_total = job->scan.lines;
    job->summary.input_bytes = job->scan.bytes;
    job->summary.blank_lines = job->scan.blank_at_end;
    find_begun(job, options);
    *found =
        hf_outputs_find(&job->outputs,
                        &(hf_outputs_wish){ .output = options->output,
                                            .position = options->position,
                                            .identity = &job->scan.identity,
                                            .writes = job->replay != HF_REPLAY_SAFE,
                                            .ledger = options->ledger != NULL,
                                            .restart = options->restart,
                                            .renew = options->if_finished == HF_IF_FINISHED_RESTART,
                                            .look = options->dry_run },
                        &job->record, failure);
    if (!job->in && *found != HF_OUTPUTS_FINISHED) { /* a position is in the way, and no input */
        return *found != HF_OUTPUTS_FAILED && hf_spool_nothing(&job->spool, failure);
    }
    /* An empty position: a begin was cut short. A finished report: its end was, behind the last rename. */
    const bool known = job->outputs.position.fd >= 0 || job->outputs.replaces;
    if (*found == HF_OUTPUTS_FAILED ||
        (*found == HF_OUTPUTS_FINISHED && !may_be_finished(job, failure)) ||
        (*found == HF_OUTPUTS_RESUME && !hf_job_may_reject(job, failure)) ||
        (*found == HF_OUTPUTS_FRESH && !options->restart && !known &&
         !hf_spool_free_place(&job->spool, failure))) {
        return false;
    }
    if (*found == HF_OUTPUTS_FINISHED && !options->dry_run) {
        if (job->outputs.cut_short) {
            hf_spool_drop(&job->spool, job->options->output);
            hf_ledger_job_left(job);
        }
        return true;
    }
    job->outputs.head = (hf_index_head){ .number = options->shard.number,
                                         .count = options->shard.count,
                                         .input_lines = job->scan.input_lines };
    memcpy(job->outputs.head.settings, job->scan.whole_settings, HF_HASH_BYTES);
    job->concurrent = config->max_concurrent;
    if (job->replay == HF_REPLAY_LEDGER) {
        hf_ledger_job_name(job, config);
    }
    if (!hf_client_open(&job->client, config, failure)) {
        return false;
    }
    job->summary.from = hf_client_now(&job->client);
    say_begin(job);
    return know_database(job, *found == HF_OUTPUTS_RESUME, failure) && know_server(job, failure) &&
           prepare(job, failure) &&
           hf_first_pass_params(&job->scan, options, &job->names, job->n_params, &job->params,
                                failure) &&
           (job->replay != HF_REPLAY_LEDGER ||
            hf_ledger_job_find(job, *found == HF_OUTPUTS_RESUME, failure)) &&
           (options->dry_run ? hf_dry_run_may_write(job, failure)
                             : open_files(job, *found == HF_OUTPUTS_RESUME, failure));
}

static void free_job(hf_job *job) {
    if (job->client.config) {
        hf_client_close(&job->client);
        hf_client_free(&job->client);
    }
    hf_outputs_close(&job->outputs);
    hf_intents_close(&job->intents);
    hf_recovery_free(&job->recovery);
    hf_window_free(&job->window);
    hf_chunks_free(&job->chunks);
    hf_ledger_job_free(job);
    hf_order_free(&job->order);
    hf_csv_in_close(job->in);
    hf_spool_free(&job->spool);
    hf_first_pass_free(&job->scan);
    free_columns(job);
    free(job->params);
    free(job->begun);
    hf_bytes_free(&job->text);
    hf_bytes_free(&job->sql);
    hf_statement_names_free(&job->names);
    hf_bytes_free(&job->rejects_header);
    hf_bytes_free(&job->unknown_header);
    free(job);
}

/* A message that points to --restart says what that does to a job that writes, whoever made the message. */
static void warn_of_restart(hf_failure *failure, const hf_options *options) {
    if (options->write && strstr(failure->text, "--restart") && !strstr(failure->text, ONCE_MORE)) {
        hf_fail_more(failure, " (--restart " ONCE_MORE ")");
    }
}

int hf_report(const hf_options *given) {
    hf_failure failure = { 0 }, unwritten;
    hf_options options = *given;
    hf_outputs_found found;
    hf_config *config = hf_connection_config();
    hf_job *job = hf_must_alloc(1, sizeof *job);
    job->options = &options;
    job->replay = hf_options_replay(&options);
    job->intents.fd = -1;
    job->outputs.position.fd = job->outputs.out.fd = job->outputs.rejects.fd =
        job->outputs.unknown.fd = job->outputs.shard.fd = -1;
    job->summary.started = hf_time_now();
    const uint64_t until = hf_file_until(options.deadline_ms);
    int status = HF_EXIT_INCOMPLETE;
    if (options.shard.count) {
        hf_log(HF_LOG_INFO, "shard %u/%u%s%s%s", options.shard.number, options.shard.count,
               options.shard.from[0] ? " (" : "", options.shard.from,
               options.shard.from[0] ? ")" : "");
    }
    bool ready = config && get_ready(job, config, &options, &found, &failure);
    if (!config) {
        hf_fail_file(&failure, HF_EXIT_INCOMPLETE, "memory", "get");
    }
    if (!ready) {
        status = failure.status;
    } else if (options.dry_run) {
        status = HF_EXIT_DONE;
    } else if (found == HF_OUTPUTS_FINISHED) {
        status = job->record.exit_status;
        job->summary.already = true;
    } else {
        start_clocks(job, found == HF_OUTPUTS_RESUME);
        status = run(job, &failure);
    }
    if (ready && options.to_stdout && !options.dry_run && !failure.status &&
        !hf_standard_output(options.output, until, &failure)) {
        status = failure.status;
    }
    warn_of_restart(&failure, &options);
    job->summary.record = job->record;
    hf_bytes finished = { 0 };
    if (job->summary.already) {
        say_finished(job, &finished);
    }
    const char *reason = failure.status         ? failure.text
                         : job->summary.already ? hf_bytes_text(&finished)
                                                : reason_of(status);
    hf_client *client = job->client.pool ? &job->client : NULL;
    if (failure.status) {
        hf_log_failure(&failure);
    }
    if (ready && options.dry_run) {
        hf_dry_run_say(job, found);
    } else if (ready) {
        hf_summary_say(&job->summary, client, &options, status,
                       failure.status && !hf_log_is_json() ? "see above" : reason);
    }
    if (options.summary && !options.dry_run &&
        !hf_summary_write(&job->summary, client, &options, status, reason, &unwritten)) {
        hf_log_failure(&unwritten); /* the report itself is as its status says */
    }
    hf_bytes_free(&finished);
    free_job(job);
    return status;
}
