#include "ledger_job.h"

#include "base/csv_out.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/text.h"
#include "chunks.h"
#include "ledger_watch.h"
#include "pg/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_DEFAULT 100
#define BATCH_MAX     10000 /* as --batch has it */
#define OVER_MS       60000 /* for what is left to do when the report is finished */
#define COUNTS_MAX    20    /* servers that changed while they were being asked */

/* What --deadline leaves for a request; 0: there is no limit. */
static uint32_t time_left(hf_job *job) {
    const hf_ms now = hf_client_now(&job->client);
    if (job->options->deadline_ms == 0 || job->deadline == 0) {
        return job->options->deadline_ms; /* the job has not begun */
    }
    return now < job->deadline ? (uint32_t)(job->deadline - now) : 1;
}

/* ---- the job and its statement -------------------------------------------------------------------- */

void hf_ledger_job_name(hf_job *job, hf_config *config) {
    const hf_identity *identity = &job->scan.identity;
    uint8_t whole[3 * HF_HASH_BYTES], hash[HF_HASH_BYTES];
    memcpy(whole, identity->input, HF_HASH_BYTES);
    memcpy(whole + HF_HASH_BYTES, identity->query, HF_HASH_BYTES);
    memcpy(whole + 2 * HF_HASH_BYTES, identity->settings, HF_HASH_BYTES);
    hf_sha256_of(whole, sizeof whole, hash);
    hf_hex(hash, HF_HASH_BYTES, job->ledger_hash);
    hf_ledger_watch_name(job, config);
}

/* Rule 41. */
static bool statement_fits(const hf_job *job, hf_failure *failure) {
    const char *sql = job->sql.data, *why = hf_pg_sql_refused_in_batch(sql);
    char word[HF_SQL_WORD_BYTES];
    if (why) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "%s: %s: with --ledger each statement is part of a transaction",
                       job->options->query, why);
    }
    hf_sql_word(sql, word);
    if (hf_word_among("SET RESET DISCARD LOAD", word, strlen(word))) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "%s: %s…: such a statement is about the session or the transaction, which the "
            "lines of a chunk share with its key: with --ledger leave it out; ALTER ROLE … "
            "SET, or SET in a function's definition, sets what lines need",
            job->options->query, word);
    }
    if (!hf_pg_sql_commits(sql)) {
        return true;
    }
    return hf_fail(
        failure, HF_EXIT_USAGE,
        "%s: %s…: such a statement cannot run in a transaction, or may commit by itself: with --ledger each "
        "statement is part of a transaction%s",
        job->options->query, word,
        strcmp(word, "CALL") == 0 || strcmp(word, "DO") == 0 ? "; SELECT of a function can" : "");
}

static bool batch_fits(hf_job *job, hf_failure *failure) {
    const uint32_t tx_bytes = job->client.config->tx_bytes;
    const uint64_t most = hf_chunk_lines_max(tx_bytes, job->sql.used, job->n_params);
    job->run.batch = job->options->batch ? job->options->batch : BATCH_DEFAULT;
    job->run.bytes = hf_chunk_bytes_max(tx_bytes);
    return !job->options->batch || job->options->batch <= most ||
           hf_fail(
               failure, HF_EXIT_USAGE,
               "--batch %u: at most %llu lines of this query fit into the transmit buffer (tx-bytes %u): "
               "lower it, or raise --max-row",
               job->options->batch, (unsigned long long)most, tx_bytes);
}

/* A run's chunks are what they were when it was begun: does this transmit buffer hold them? */
static bool chunks_fit(const hf_job *job, hf_failure *failure) {
    return job->run.bytes <= hf_chunk_bytes_max(job->client.config->tx_bytes) ||
           hf_fail(
               failure, HF_EXIT_USAGE,
               "the run was begun with chunks of up to %llu bytes, and the transmit buffer (tx-bytes) has %u: "
               "give --max-row what it had then",
               (unsigned long long)job->run.bytes, job->client.config->tx_bytes);
}

/* ---- which run ------------------------------------------------------------------------------------- */

static bool take_id(hf_job *job, const char *id) {
    return hf_unhex(id, job->run.id, HF_RUN_BYTES);
}

/* The result's columns, in printable CSV. */
static hf_bytes columns_of(const hf_job *job) {
    hf_bytes names = { 0 }, shown = { 0 };
    hf_csv_add_cells(&names, job->columns, job->n_columns);
    hf_bytes_add_printable(&shown, hf_bytes_text(&names), names.used);
    hf_bytes_free(&names);
    return shown;
}

/* Has the result, and so the rows that the ledger holds of the run, the columns that it had then? A run that an older
 * program began does not say. */
static bool columns_same(const hf_job *job, const hf_ledger_run *run, hf_failure *failure) {
    hf_bytes now = columns_of(job);
    const bool same =
        !run->columns || strcmp(run->columns, hf_bytes_text(&now)) == 0 ||
        hf_fail(
            failure, HF_EXIT_USAGE,
            "--resume-run %s: the query's columns are (%.200s), and that run was begun with (%.200s): "
            "something in the database was changed; change it back, or --new-run begins anew, and applies "
            "all lines once more",
            run->id, hf_bytes_text(&now), run->columns);
    hf_bytes_free(&now);
    return same;
}

/* --resume-run names a run that is closed: without the option all of its lines would be applied again. */
static bool is_closed(const hf_ledger_run *run, hf_failure *failure) {
    char at[HF_TIME_BYTES];
    return run->end.at
               ? hf_fail(
                     failure, HF_EXIT_USAGE,
                     "--resume-run %s: that run was finished at %s, and none of its lines is left to apply; "
                     "without --resume-run a new one is begun, and applies all lines once more",
                     run->id, hf_time_text((int64_t)run->end.at, at))
               : hf_fail(
                     failure, HF_EXIT_USAGE,
                     "--resume-run %s: that run was closed unfinished, and nobody can tell which of its lines "
                     "are applied; without --resume-run a new one is begun, and applies all lines once more",
                     run->id);
}

/* A run's chunks are what they were when it was begun, whatever --batch says. */
static void say_batch(const hf_job *job) {
    if (job->options->batch && job->options->batch != job->run.batch) {
        hf_log(HF_LOG_INFO, "--batch %u is for a new run: this one's chunks have %llu lines",
               job->options->batch, (unsigned long long)job->run.batch);
    }
}

/* --resume-run: the run's files are gone, and what it did is in the ledger. */
static bool resume_run(hf_job *job, hf_failure *failure) {
    const char *id = job->options->resume_run;
    hf_ledger_runs runs = { 0 };
    bool good = hf_ledger_run_read(&job->ledger, &job->client, id, time_left(job), &runs, failure);
    const hf_ledger_run *run = runs.count ? runs.items : NULL;
    if (good && !run) {
        good = hf_fail(failure, HF_EXIT_USAGE,
                       "--resume-run %s: %s has no such run: 'holdfast ledger list' shows them", id,
                       job->ledger.name);
    } else if (good && !run->open) {
        good = is_closed(run, failure);
    } else if (good && strcmp(run->identity, job->ledger_hash) != 0) {
        good = hf_fail(
            failure, HF_EXIT_USAGE,
            "--resume-run %s: that run is of another job (input %s, query %s): its input, its query "
            "or its options are not these",
            id, run->input, run->query);
    } else if (good && (run->batch < 1 || run->batch > BATCH_MAX || run->batch_bytes < 1 ||
                        !take_id(job, run->id))) {
        good = hf_fail(
            failure, HF_EXIT_USAGE,
            "--resume-run %s: its row in %s is none that a report wrote: --new-run begins anew, and "
            "applies all lines once more",
            id, job->ledger.name);
    } else if (good) {
        job->run.batch = run->batch;
        job->run.bytes = run->batch_bytes;
        good = columns_same(job, run, failure) && chunks_fit(job, failure);
        say_batch(job);
    }
    hf_ledger_runs_free(&runs);
    return good;
}

/* A run of this job is open, and its files are not here: another machine's, perhaps, that goes on with it. */
static bool no_other(hf_job *job, hf_failure *failure) {
    hf_ledger_runs runs = { 0 };
    bool good = hf_ledger_run_find(&job->ledger, &job->client, job->ledger_hash, time_left(job),
                                   &runs, failure);
    for (size_t i = 0; good && i < runs.count; i++) {
        const hf_ledger_run *run = &runs.items[i];
        if (job->options->new_run || job->options->restart) {
            hf_log(
                HF_LOG_WARN,
                "run %s of the same job, begun at %s by %s on %s, stays open in %s: what it did stands",
                run->id, run->begun, run->who, run->host, job->ledger.name);
            continue;
        }
        good = hf_fail(
            failure, HF_EXIT_USAGE,
            "run %s of the same job is open in %s, begun at %s by %s on %s for %s, and it has no position "
            "here: --resume-run %s goes on with it, --new-run applies all lines once more",
            run->id, job->ledger.name, run->begun, run->who, run->host, run->output, run->id);
    }
    hf_ledger_runs_free(&runs);
    return good;
}

static bool describe(hf_job *job, hf_failure *failure) {
    const hf_options *options = job->options;
    hf_bytes columns = columns_of(job);
    const bool made =
        hf_ledger_run_make(&job->row, &job->client, job->ledger_hash, options->cost_file,
                           options->query, options->output, hf_bytes_text(&columns), failure);
    hf_bytes_free(&columns);
    if (!made) {
        return false;
    }
    if (hf_run_keeps(&job->run)) {
        hf_hex(job->run.id, HF_RUN_BYTES, job->row.id);
    } else {
        take_id(job, job->row.id);
    }
    job->row.batch = (uint32_t)job->run.batch;
    job->row.batch_bytes = job->run.bytes;
    return true;
}

/* The run of a position that is forgotten: a late attempt of its chunks finds the run closed. */
static bool forget_begun(hf_job *job, hf_failure *failure) {
    char id[HF_LEDGER_ID_BYTES];
    uint64_t rows;
    if (!job->options->restart || job->options->dry_run || !hf_run_keeps(&job->record.run)) {
        return true;
    }
    hf_hex(job->record.run.id, HF_RUN_BYTES, id);
    return hf_ledger_run_forget(&job->ledger, &job->client, id, true, time_left(job), &rows,
                                failure);
}

bool hf_ledger_job_find(hf_job *job, bool resume, hf_failure *failure) {
    const hf_options *options = job->options;
    if (!statement_fits(job, failure) ||
        !hf_ledger_table_open(&job->ledger, &job->client, options->ledger, HF_LEDGER_RIGHTS,
                              time_left(job), failure)) {
        return false;
    }
    if (resume) {
        char id[HF_LEDGER_ID_BYTES];
        job->run = job->record.run;
        hf_hex(job->run.id, HF_RUN_BYTES, id);
        if (options->new_run || (options->resume_run && strcmp(options->resume_run, id) != 0)) {
            return hf_fail(
                failure, HF_EXIT_USAGE,
                "%s is there, of run %s: without %s this command goes on with that; --restart begins "
                "a new run, and applies all lines once more",
                job->outputs.position_path, id, options->new_run ? "--new-run" : "--resume-run");
        }
        if (!chunks_fit(job, failure)) {
            return false;
        }
        say_batch(job);
        return describe(job, failure);
    }
    return batch_fits(job, failure) && forget_begun(job, failure) &&
           (options->resume_run ? resume_run(job, failure) : no_other(job, failure)) &&
           describe(job, failure);
}

/* ---- the run's row --------------------------------------------------------------------------------- */

static bool gone(const hf_job *job, const char *what, hf_failure *failure) {
    return hf_fail(
        failure, HF_EXIT_REFUSED,
        "run %s of %s %s in %s: it cannot be gone on with, for nobody knows what of it was done; "
        "--restart begins a new run, and applies all lines once more",
        job->row.id, job->outputs.part, what, job->ledger.name);
}

/* Another machine has gone on with the run, and was done first: nothing is lost but this report. */
static bool finished(const hf_job *job, const hf_ledger_run *run, hf_failure *failure) {
    char at[HF_TIME_BYTES];
    return hf_fail(
        failure, HF_EXIT_REFUSED,
        "run %s of %s was finished at %s by another command that went on with it (%s@%s began it for %s): "
        "none of its %llu lines is left to apply, and what they returned is in that command's report; --restart "
        "begins a new run, and applies all lines once more",
        run->id, job->outputs.part, hf_time_text((int64_t)run->end.at, at), run->who, run->host,
        run->output, (unsigned long long)run->end.lines);
}

/* Is the server another one than that which acknowledged the run's chunks? Such a one may have lost the run's row. */
static bool may_have_lost(const hf_job *job) {
    char how[HF_SERVER_HOW_BYTES];
    return !hf_server_known(&job->begun_on) || !hf_server_known(&job->inquiry.server) ||
           hf_server_changed(&job->begun_on, &job->inquiry.server, how);
}

/* Finds the run's row open, or makes it where none can have been lost but by the server. */
static bool row_stands(hf_job *job, bool resume, hf_failure *failure) {
    const bool all_done = job->record.input_offset == job->scan.end;
    hf_ledger_runs runs = { 0 };
    bool good =
        hf_ledger_run_read(&job->ledger, &job->client, job->row.id, time_left(job), &runs, failure);
    if (good && runs.count == 0) {
        /* A run that is all done may have been closed, and then forgotten, which is no loss. */
        good =
            job->record.run.seen == 0 || (may_have_lost(job) && !(resume && all_done))
                ? hf_ledger_run_open(&job->ledger, &job->client, &job->row, time_left(job), failure)
                : gone(job, "is not there any more", failure);
    } else if (good && !runs.items[0].open && (!all_done || runs.items[0].end.at == 0)) {
        good = runs.items[0].end.at ? finished(job, &runs.items[0], failure)
                                    : gone(job, "was closed", failure);
    }
    hf_ledger_runs_free(&runs);
    return good;
}

/* Two machines that begin the same job at once each find no run, and then see each other's: neither goes on. */
static bool alone(hf_job *job, hf_failure *failure) {
    const hf_options *options = job->options;
    hf_ledger_runs runs = { 0 };
    uint64_t rows;
    if (job->record.runs > 1 || options->new_run || options->restart || options->resume_run) {
        return true;
    }
    bool good = hf_ledger_run_find(&job->ledger, &job->client, job->ledger_hash, time_left(job),
                                   &runs, failure);
    for (size_t i = 0; good && i < runs.count; i++) {
        if (strcmp(runs.items[i].id, job->row.id) != 0) {
            good =
                hf_ledger_run_forget(&job->ledger, &job->client, job->row.id, true, time_left(job),
                                     &rows, failure) &&
                hf_fail(
                    failure, HF_EXIT_USAGE,
                    "%s@%s began the same job at the same time (run %s in %s): run one of the two again",
                    runs.items[i].who, runs.items[i].host, runs.items[i].id, job->ledger.name);
            hf_outputs_discard(&job->outputs);
        }
    }
    hf_ledger_runs_free(&runs);
    return good;
}

bool hf_ledger_job_open(hf_job *job, hf_failure *failure) {
    job->begun_on = job->record.server;
    return row_stands(job, job->record.runs > 1, failure) && alone(job, failure);
}

/* ---- another incarnation --------------------------------------------------------------------------- */

/* From the first line on: chunks that the server has are found by their keys, the others run. */
static bool begin_anew(hf_job *job, hf_failure *failure) {
    hf_position_record *record = &job->record;
    hf_run *run = &record->run;
    run->seen = hf_chunks_acknowledged(job);
    run->chunks = run->uncounted = 0;
    record->output_bytes = job->header_bytes;
    record->rejects_bytes = record->unknown_bytes = 0;
    record->lines_done = record->lines_rejected = record->lines_unknown = record->lines_idle = 0;
    record->input_offset = job->scan.first_offset;
    record->next_line = job->scan.first_line;
    if (!hf_outputs_restart(&job->outputs, record, failure) ||
        !hf_csv_in_seek(job->in, record->input_offset, record->next_line, failure)) {
        return false;
    }
    job->head_start = record->output_bytes;
    job->summary.lines_before = job->read_end = 0;
    job->input_ended = false;
    hf_window_free(&job->window);
    hf_chunks_free(&job->chunks);
    hf_chunks_init(job);
    return true;
}

/* A run that has no open row has no answer that names the server either: is it the one of the last check? */
static bool same_still(hf_job *job, bool *good, hf_failure *failure) {
    char before[HF_TICKET_BYTES];
    memcpy(before, job->ledger.incarnation, sizeof before);
    *good = hf_ledger_table_check(&job->ledger, &job->client, time_left(job), failure);
    return *good && strcmp(before, job->ledger.incarnation) == 0;
}

/* Counts until two answers one behind the other are of the same server. */
static bool count(hf_job *job, hf_ledger_count *count, hf_failure *failure) {
    bool good = true;
    for (int i = 0; i < COUNTS_MAX; i++) {
        if (!hf_ledger_table_check(&job->ledger, &job->client, time_left(job), failure) ||
            !hf_ledger_run_count(&job->ledger, &job->client, job->row.id, job->record.run.chunks,
                                 time_left(job), count, failure)) {
            return false;
        }
        if (count->open && strcmp(count->incarnation, job->ledger.incarnation) == 0) {
            return true;
        }
        if (!count->open && same_still(job, &good, failure)) {
            return true;
        }
        if (!good) {
            return false;
        }
    }
    return hf_fail(failure, HF_EXIT_INCOMPLETE,
                   "%s: the server changed each time that it was asked; run the same command again",
                   job->ledger.name);
}

static bool verify(hf_job *job, hf_failure *failure) {
    const uint64_t done = job->record.run.chunks;
    hf_ledger_count there = { 0 };
    hf_server server;
    char how[HF_SERVER_HOW_BYTES] = "";
    bool changed = false;
    if (!count(job, &there, failure)) {
        return false;
    }
    if (hf_server_read(job->ledger.incarnation, &server)) {
        changed = hf_server_known(&job->record.server) &&
                  hf_server_changed(&job->record.server, &server, how);
        hf_job_server(job, &server, done > 0);
        job->inquiry.server = server;
    }
    if (!there.open) {
        if (!row_stands(job, false, failure) || !count(job, &there, failure)) {
            return false;
        }
        if (!there.open && job->record.input_offset != job->scan.end) {
            return gone(job, "was closed", failure);
        }
    }
    job->begun_on = job->inquiry.server;
    job->chunks.verify = false;
    if (there.open && there.chunks < done) {
        hf_log(
            HF_LOG_WARN,
            "the server has lost %llu of the %llu chunks that it had acknowledged: the report is written anew "
            "from the ledger, and what is missing is applied again",
            (unsigned long long)(done - there.chunks), (unsigned long long)done);
        return begin_anew(job, failure);
    }
    if (changed) {
        hf_log(HF_LOG_INFO,
               "the server changed (%s): it has all %llu chunks that were acknowledged", how,
               (unsigned long long)done);
    }
    hf_chunks_again(job);
    return true;
}

void hf_ledger_job_turn(hf_job *job) {
    hf_failure failure;
    if (!job->ledger.incarnation[0] && job->reconnects != job->client.reconnects) {
        job->chunks.verify = true; /* nobody can tell what stands behind a new connection */
    }
    if (!job->chunks.verify || job->running > 0 || job->stopping) {
        return;
    }
    job->reconnects = job->client.reconnects;
    if (!verify(job, &failure)) {
        hf_job_stop(job, &failure);
    }
}

/* ---- the end --------------------------------------------------------------------------------------- */

bool hf_ledger_job_close(hf_job *job) {
    const hf_position_record *record = &job->record;
    const hf_ledger_end end = { .chunks = record->run.chunks,
                                .lines = record->lines_done + record->lines_rejected,
                                .rejected = record->lines_rejected,
                                .at = (uint64_t)hf_time_now(),
                                .exit_status = hf_job_status(job) };
    hf_failure failure;
    bool closed = false;
    if (job->chunks.verify || job->stopping) {
        return false;
    }
    if (!hf_ledger_run_close(&job->ledger, &job->client, &job->row, &end, time_left(job), &closed,
                             &failure)) {
        hf_job_stop(job, &failure);
        return false;
    }
    job->chunks.verify = !closed;
    if (closed && record->run.healed) {
        hf_log(HF_LOG_WARN, "%llu lines were lost by the server and applied again",
               (unsigned long long)record->run.healed);
    }
    return closed;
}

void hf_ledger_job_over(hf_job *job) {
    hf_failure failure;
    if (job->options->keep_ledger) {
        hf_log(HF_LOG_INFO,
               "run %s stays in %s (--keep-ledger): 'holdfast ledger forget %s' removes it",
               job->row.id, job->ledger.name, job->row.id);
        return;
    }
    if (!hf_ledger_run_empty(&job->ledger, &job->client, job->row.id, OVER_MS, &failure)) {
        hf_log(
            HF_LOG_WARN,
            "the report is finished, but the rows of run %s stay in %s: %s; 'holdfast ledger forget %s' removes "
            "them",
            job->row.id, job->ledger.name, failure.text, job->row.id);
    }
}

void hf_ledger_job_left(const hf_job *job) {
    char id[HF_LEDGER_ID_BYTES];
    if (hf_run_keeps(&job->record.run)) {
        hf_hex(job->record.run.id, HF_RUN_BYTES, id);
        hf_log(HF_LOG_WARN,
               "the rows of run %s may still be in %s: 'holdfast ledger forget %s' removes them",
               id, job->options->ledger, id);
    }
}

void hf_ledger_job_free(hf_job *job) {
    hf_ledger_run_free(&job->row);
    hf_ledger_table_free(&job->ledger);
}
