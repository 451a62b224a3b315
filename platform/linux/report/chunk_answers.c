#include "chunk_answers.h"

#include "base/csv_out.h"
#include "base/failure.h"
#include "base/log.h"
#include "job_state.h"
#include "kept.h"
#include "refusal.h"

#include "holdfast/backoff.h"

#include <stdio.h>
#include <string.h>

#define KEEP_BYTES 65536
#define NO_LINE    UINT64_MAX /* of a statement that is none of the input's */

static hf_chunk *chunk_of(hf_request *request) {
    return request->user;
}

static hf_line *line_at(const hf_chunk *chunk, unsigned statement) {
    return chunk->lines[statement] == NO_LINE
               ? NULL
               : hf_window_at(&chunk->job->window, chunk->lines[statement]);
}

/* Does the output need something that the server alone knows: rows, or counts? */
static bool keeps_rows(const hf_job *job) {
    return job->n_columns > 0 || job->options->affected;
}

/* The number of its last line. */
static uint64_t last_line(const hf_chunk *chunk) {
    return hf_window_at(&chunk->job->window, chunk->end - 1)->line;
}

static void stop(hf_chunk *chunk, int status, const char *why, const char *way_out) {
    hf_job *job = chunk->job;
    hf_refusal_stop(job, hf_window_at(&job->window, chunk->first)->line, last_line(chunk), status,
                    why, way_out);
}

/* ---- what is sent --------------------------------------------------------------------------------- */

static void add_statement(hf_chunk *chunk, uint64_t line, hf_statement statement) {
    if (chunk->n_statements == chunk->size) {
        chunk->statements =
            hf_grown(chunk->statements, chunk->n_statements, sizeof *chunk->statements);
        chunk->lines = hf_grown(chunk->lines, chunk->n_statements, sizeof *chunk->lines);
        chunk->size = (uint16_t)(chunk->n_statements + 1);
    }
    chunk->statements[chunk->n_statements] = statement;
    chunk->lines[chunk->n_statements++] = line;
}

/* The statements of the lines that have not been refused. A chunk without any has its row in the ledger all the same:
 * an attempt of before must find it. */
static void make_statements(hf_chunk *chunk) {
    hf_job *job = chunk->job;
    chunk->n_statements = 0;
    if (chunk->immediate) {
        add_statement(chunk, NO_LINE, (hf_statement){ .sql = "SET CONSTRAINTS ALL IMMEDIATE" });
    }
    for (uint64_t i = chunk->first; i < chunk->end; i++) {
        hf_line *line = hf_window_at(&job->window, i);
        if (line->state == HF_LINE_READY) {
            add_statement(chunk, i,
                          (hf_statement){ .sql = job->sql.data,
                                          .params = line->params,
                                          .n_params = job->n_params });
        }
    }
    if (chunk->n_statements == 0) {
        add_statement(chunk, NO_LINE, (hf_statement){ .sql = "SELECT" });
    }
}

/* What the ledger keeps of the chunk. False: nothing. */
static bool make_kept(hf_chunk *chunk) {
    hf_job *job = chunk->job;
    hf_bytes_reset(&chunk->kept, KEEP_BYTES);
    if (!keeps_rows(job) && !chunk->refusals) {
        return false;
    }
    for (uint64_t i = chunk->first; i < chunk->end; i++) {
        const hf_line *line = hf_window_at(&job->window, i);
        hf_kept entry = { .refused = line->state == HF_LINE_REJECTED };
        if (line->n_cells != job->scan.n_header) {
            continue; /* the input says so itself */
        }
        const hf_bytes *text = entry.refused ? &line->message : &line->out;
        entry.text = text->data;
        entry.bytes = text->used;
        entry.counted = line->counted;
        entry.affected = line->affected;
        memcpy(entry.code, line->code, sizeof entry.code);
        hf_kept_add(&chunk->kept, &entry);
    }
    return true;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static void void_rows(hf_chunk *chunk) {
    for (uint64_t i = chunk->first; i < chunk->end; i++) {
        hf_line *line = hf_window_at(&chunk->job->window, i);
        if (line->state == HF_LINE_READY) {
            hf_bytes_reset(&line->out, KEEP_BYTES);
            line->rows = line->affected = 0;
            line->counted = false;
        }
    }
    chunk->failed_at = UINT16_MAX;
    chunk->complete = false;
}

/* The statement before this one is complete. */
static void count(hf_chunk *chunk, unsigned statement) {
    hf_line *line = statement > 0 ? line_at(chunk, statement - 1) : NULL;
    if (line) {
        line->counted = true;
        line->affected = chunk->request.affected;
    }
    if (statement > 0 && chunk->request.error.code != HF_OK && chunk->failed_at == UINT16_MAX) {
        chunk->failed_at = (uint16_t)(statement - 1);
    }
}

static void on_columns(hf_request *request, hf_columns *columns) {
    hf_chunk *chunk = chunk_of(request);
    hf_job *job = chunk->job;
    count(chunk, columns->statement);
    if (line_at(chunk, columns->statement) && !hf_job_same_columns(job, columns)) {
        stop(chunk, HF_EXIT_REFUSED, HF_COLUMNS_CHANGED, HF_COLUMNS_WAY_OUT);
        hf_cancel(job->client.pool,
                  request); /* before its COMMIT, if that is a flight of its own */
    }
}

static int on_row(hf_request *request, hf_row *row) {
    hf_chunk *chunk = chunk_of(request);
    hf_line *line = line_at(chunk, row->statement);
    hf_value value;
    if (!line) {
        return HF_CONTINUE;
    }
    for (uint16_t i = 0; i < chunk->job->n_columns && hf_row_next(row, &value); i++) {
        hf_bytes_add_byte(&line->out, ',');
        hf_csv_add_cell(&line->out, value, false);
    }
    hf_bytes_add_byte(&line->out, '\n');
    line->rows++;
    hf_window_count(&chunk->job->window, line);
    return HF_CONTINUE;
}

static void on_restart(hf_request *request) {
    void_rows(chunk_of(request));
}

static void on_commit(hf_request *request) {
    hf_chunk *chunk = chunk_of(request);
    chunk->complete = true;
    count(chunk, chunk->n_statements);
    if (make_kept(chunk)) { /* it does: the ledger is one that keeps */
        request->kept =
            (hf_value){ .data = hf_bytes_text(&chunk->kept), .bytes = chunk->kept.used };
    }
}

static void on_kept(hf_request *request, hf_value kept) {
    hf_chunk *chunk = chunk_of(request);
    hf_bytes_reset(&chunk->kept, KEEP_BYTES);
    hf_bytes_add(&chunk->kept, kept.data, kept.bytes);
    chunk->is_kept = kept.data != NULL;
}

static void on_error(hf_request *request, const hf_error *error, const hf_fields *fields) {
    hf_chunk *chunk = chunk_of(request);
    const unsigned statement = hf_request_refused_at(request);
    (void)error;
    if (hf_request_keyed(request) && statement < chunk->n_statements && line_at(chunk, statement)) {
        hf_refusal_words(&line_at(chunk, statement)->message, fields);
    }
}

/* ---- done ----------------------------------------------------------------------------------------- */

/* Puts the input's cells before each of the line's rows, and the count behind. */
static void make_output(hf_job *job, hf_line *line) {
    hf_bytes whole = { 0 };
    char cell[32] = "";
    const char *from = hf_bytes_text(&line->out), *end = from + line->out.used;
    if (job->options->affected) {
        snprintf(cell, sizeof cell, line->counted && job->counts ? ",%llu" : ",",
                 (unsigned long long)line->affected);
    }
    if (line->out.used == 0) {
        hf_bytes_add(&whole, line->prefix.data, line->prefix.used);
        for (uint16_t i = 0; i < job->n_columns; i++) {
            hf_bytes_add_byte(&whole, ',');
        }
        hf_bytes_add_text(&whole, cell);
        hf_bytes_add_byte(&whole, '\n');
    }
    while (from < end) {
        const char *row = hf_kept_row_end(from, end);
        row = row ? row : end;
        hf_bytes_add(&whole, line->prefix.data, line->prefix.used);
        hf_bytes_add(&whole, from, (size_t)(row - from) - 1);
        hf_bytes_add_text(&whole, cell);
        hf_bytes_add_byte(&whole, '\n');
        from = row;
    }
    hf_bytes_free(&line->out);
    line->out = whole;
    hf_window_count(&job->window, line);
}

static void line_done(hf_job *job, hf_line *line) {
    line->state = HF_LINE_OK;
    line->code[0] = '\0';
    if (job->summary.counts && line->counted && line->affected == 0) {
        memcpy(line->code, HF_LINE_IDLE, sizeof HF_LINE_IDLE);
    }
    make_output(job, line);
}

/* An attempt before was committed: what it kept is what counts. False: it is nothing of ours. */
static bool take_kept(hf_chunk *chunk) {
    hf_job *job = chunk->job;
    const char *from = hf_bytes_text(&chunk->kept), *end = from + chunk->kept.used;
    hf_kept entry;
    for (uint64_t i = chunk->first; i < chunk->end; i++) {
        hf_line *line = hf_window_at(&job->window, i);
        if (line->n_cells != job->scan.n_header) {
            continue;
        }
        line->counted = false;
        line->affected = 0;
        hf_bytes_reset(&line->out, KEEP_BYTES);
        if (!chunk->is_kept) {
            line->state = HF_LINE_READY; /* whatever a try of ours was told: that one was not */
            continue;
        }
        if (!hf_kept_next(&from, end, &entry)) {
            return false;
        }
        line->counted = entry.counted;
        line->affected = entry.affected;
        if (entry.refused) {
            hf_line_end(line, HF_LINE_REJECTED, entry.code, entry.text, entry.bytes);
            chunk->refusals = true;
        } else {
            line->state = HF_LINE_READY;
            hf_bytes_add(&line->out, entry.text, entry.bytes);
        }
    }
    return !chunk->is_kept ? !keeps_rows(job) : from == end;
}

static uint64_t lines_sent(const hf_chunk *chunk) {
    uint64_t sent = 0;
    for (unsigned i = 0; i < chunk->n_statements; i++) {
        sent += chunk->lines[i] != NO_LINE;
    }
    return sent;
}

static void done(hf_chunk *chunk) {
    hf_job *job = chunk->job;
    hf_request *request = &chunk->request;
    if (request->already_applied && !take_kept(chunk)) {
        chunk->state = HF_CHUNK_UNDONE;
        stop(chunk, HF_EXIT_REFUSED, "the ledger's row of these lines is none that holdfast wrote",
             "; --restart begins a new run, and applies all lines once more");
        return;
    }
    if (!request->already_applied) {
        count(chunk, chunk->n_statements);
        if (chunk->acknowledged) {
            chunk->healed = lines_sent(chunk);
        }
    }
    for (uint64_t i = chunk->first; i < chunk->end; i++) {
        hf_line *line = hf_window_at(&job->window, i);
        if (line->state == HF_LINE_READY) {
            line_done(job, line);
        }
    }
    if (request->unconfirmed) {
        job->summary.unconfirmed += lines_sent(chunk);
    }
    chunk->state = HF_CHUNK_DONE;
    chunk->acknowledged = true;
    job->acknowledged = true;
}

void hf_chunk_reset(hf_chunk *chunk) {
    for (uint64_t i = chunk->first; i < chunk->end; i++) {
        hf_line *line = hf_window_at(&chunk->job->window, i);
        if (line->n_cells == chunk->job->scan.n_header && line->state == HF_LINE_OK) {
            line->state = HF_LINE_READY;
            line->code[0] = '\0';
        }
    }
    void_rows(chunk);
    chunk->state = HF_CHUNK_READY;
    chunk->not_before = 0;
}

/* ---- not done ------------------------------------------------------------------------------------- */

/* The line alone is refused, and the chunk runs again without it. */
static void refuse(hf_chunk *chunk, hf_line *line) {
    hf_refusal_end(line, &chunk->request.error);
    chunk->refusals = true;
    hf_bytes_reset(&line->out, KEEP_BYTES);
    chunk->state = HF_CHUNK_READY;
}

/* 40P01, 40001. Twice is a chance among our own chunks; alone it is somebody else's doing, and a retry. */
static void conflict(hf_chunk *chunk) {
    hf_job *job = chunk->job;
    const hf_config *config = job->client.config;
    char text[HF_MESSAGE_BYTES + 160];
    if (chunk->conflicts < HF_CONFLICTS_APART) {
        chunk->conflicts++;
    } else if (config->max_retries != HF_FOREVER && chunk->retries >= config->max_retries) {
        hf_error_text(&chunk->request.error, text, sizeof text);
        chunk->state = HF_CHUNK_UNDONE;
        stop(chunk, HF_EXIT_INCOMPLETE, text,
             "; run the same command again to go on from there, or raise --max-retries");
        return;
    } else {
        hf_port *port = hf_net_port(job->client.net);
        uint32_t random = 0; /* without a random word the wait is the longest */
        port->api->random(port, &random, sizeof random);
        const uint32_t wait = hf_backoff(chunk->retries++, config, random);
        chunk->not_before = hf_client_now(&job->client) + wait;
    }
    chunk->state = HF_CHUNK_READY;
}

static bool is_conflict(const hf_error *error) {
    return strcmp(error->sqlstate, "40P01") == 0 || strcmp(error->sqlstate, "40001") == 0;
}

/* Did the server, or the size of what it said, refuse it? What may have been committed all the same is found by its
 * key when the chunk runs again. */
static bool is_refusal(const hf_error *error) {
    return error->limit == HF_LIMIT_NONE && error->phase == HF_PHASE_QUERY &&
           (error->code == HF_ERR_SERVER || error->code == HF_ERR_TOO_LARGE ||
            error->code == HF_ERR_ARGUMENT || error->code == HF_ERR_OPEN_TRANSACTION);
}

/* The first statement with a parameter that can never be sent; n_statements: none has one. */
static unsigned unsendable(const hf_chunk *chunk) {
    for (unsigned i = 0; i < chunk->n_statements; i++) {
        for (uint16_t k = 0; k < chunk->statements[i].n_params; k++) {
            const hf_value *value = &chunk->statements[i].params[k];
            if (value->data && memchr(value->data, 0, value->bytes)) {
                return i;
            }
        }
    }
    return chunk->n_statements;
}

/* The statement whose fault it is; n_statements: it is not known. */
static unsigned statement_at_fault(const hf_chunk *chunk) {
    const hf_error *error = &chunk->request.error;
    const unsigned n = chunk->n_statements;
    unsigned at = hf_request_refused_at(&chunk->request);
    if (error->code == HF_ERR_ARGUMENT) {
        at = unsendable(chunk);
    } else if (error->code == HF_ERR_TOO_LARGE) {
        at = chunk->failed_at < n ? chunk->failed_at
             : hf_request_keyed(&chunk->request) && !chunk->complete
                 ? n - 1 /* the last one's row */
                 : n;
    }
    return at == n && n == 1 ? 0 : at;
}

static void refused(hf_chunk *chunk) {
    hf_job *job = chunk->job;
    const hf_error *error = &chunk->request.error;
    const bool keyed = hf_request_keyed(&chunk->request);
    const unsigned at = statement_at_fault(chunk);
    char text[HF_MESSAGE_BYTES + 160];
    hf_error_text(error, text, sizeof text);
    if (!keyed && strcmp(error->sqlstate, "23502") == 0) {
        job->chunks.verify = true; /* another incarnation, or the run is closed */
        chunk->state = HF_CHUNK_READY;
    } else if (is_conflict(error)) {
        conflict(chunk);
    } else if ((keyed || error->code != HF_ERR_SERVER) && at < chunk->n_statements &&
               line_at(chunk, at)) {
        refuse(chunk, line_at(chunk, at));
    } else if (keyed && at == chunk->n_statements && error->code == HF_ERR_SERVER &&
               !chunk->immediate) {
        chunk->immediate = true; /* a deferred constraint: which line's? */
        chunk->state = HF_CHUNK_READY;
    } else {
        chunk->state = HF_CHUNK_UNDONE;
        stop(chunk, HF_EXIT_REFUSED, text,
             error->code == HF_ERR_TOO_LARGE ? "; a higher --max-row allows more; " HF_LOWER_BATCH
             : keyed                         ? "; no single line is to blame"
                                             : "; it was the ledger's own statement");
    }
}

/* What SEMANTICS 46 says before the server's words is for a caller who has the key in hand; a report has a way out of
 * its own, behind them. */
static void without_way_out(hf_error *error) {
    static const char way_out[] = "submit the same key to find out";
    const char *words = error->message + sizeof way_out - 1;
    if (strncmp(error->message, way_out, sizeof way_out - 1) == 0) {
        words += strncmp(words, "; ", 2) == 0 ? 2 : 0;
        memmove(error->message, words, strlen(words) + 1);
    }
}

static void on_done(hf_request *request) {
    hf_chunk *chunk = chunk_of(request);
    hf_job *job = chunk->job;
    const hf_line *first = hf_window_at(&job->window, chunk->first);
    job->running--;
    without_way_out(&request->error);
    hf_summary_statement(&job->summary, first->line, last_line(chunk), request->duration_ms,
                         request->attempts);
    if (request->attempts > 1) {
        hf_log(HF_LOG_WARN, "lines %llu to %llu were sent %u times: %s after %.3f s",
               (unsigned long long)first->line, (unsigned long long)last_line(chunk),
               request->attempts,
               request->already_applied            ? "ok, an attempt before did it"
               : request->outcome == HF_OUTCOME_OK ? "ok"
                                                   : "not done yet",
               request->duration_ms / 1000.0);
    }
    if (request->outcome == HF_OUTCOME_OK) {
        done(chunk);
    } else {
        if (is_refusal(&request->error)) {
            refused(chunk);
        } else {
            chunk->state = HF_CHUNK_UNDONE;
            hf_refusal_undone(job, request, first->line, last_line(chunk));
        }
        void_rows(chunk);
    }
}

void hf_chunk_send(hf_chunk *chunk) {
    hf_job *job = chunk->job;
    const bool keeps = keeps_rows(job);
    make_statements(chunk);
    void_rows(chunk);
    chunk->is_kept = !keeps && make_kept(chunk);
    chunk->key[HF_LEDGER_RUN] = hf_text(job->chunks.run);
    chunk->key[HF_LEDGER_CHUNK] = hf_integer((int64_t)chunk->number, chunk->number_text);
    chunk->key[HF_LEDGER_INCARNATION] =
        job->ledger.incarnation[0] ? hf_text(job->ledger.incarnation) : (hf_value){ 0 };
    chunk->key[HF_LEDGER_KEPT] =
        chunk->is_kept ? (hf_value){ .data = chunk->kept.data, .bytes = chunk->kept.used }
                       : (hf_value){ 0 };
    chunk->request = (hf_request){ .batch = chunk->statements,
                                   .n_batch = chunk->n_statements,
                                   .replay = HF_REPLAY_LEDGER,
                                   .prepare = job->prepare,
                                   .wait_passing = true,
                                   .ledger = keeps ? &job->ledger.keeps : &job->ledger.ledger,
                                   .key = chunk->key,
                                   .n_key = HF_LEDGER_KEYS,
                                   .work = job->ledger_hash,
                                   .on_columns = on_columns,
                                   .on_row = on_row,
                                   .on_error = on_error,
                                   .on_restart = on_restart,
                                   .on_commit = on_commit,
                                   .on_kept = on_kept,
                                   .on_done = on_done,
                                   .user = chunk };
    chunk->request.submitted_before = true; /* an earlier run's, an earlier try's, may live */
    chunk->state = HF_CHUNK_RUNNING;
    chunk->sent_at = hf_client_now(&job->client);
    job->running++;
    int code = hf_submit(job->client.pool, &chunk->request);
    if (code != 0) {
        hf_error_set(&chunk->request.error, (hf_err)code, HF_PHASE_NONE, NULL);
        chunk->request.outcome = HF_OUTCOME_NOT_SENT;
        on_done(&chunk->request);
    }
}
