/* What the answer to a line's statement does to the line. hf_tick() calls the callbacks back: rows are rendered where
 * they lie in the receive buffer, straight into the output's buffer for the line at the head. */
#include "answers.h"

#include "base/csv_out.h"
#include "base/failure.h"
#include "base/log.h"
#include "refusal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static hf_line *line_of(hf_request *request) {
    return request->user;
}

static hf_job *job_of(hf_request *request) {
    return line_of(request)->job;
}

static void stop(hf_job *job, hf_line *line, int status, const char *why, const char *way_out) {
    hf_refusal_stop(job, line->line, line->line, status, why, way_out);
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static void on_columns(hf_request *request, hf_columns *columns) {
    hf_job *job = job_of(request);
    hf_line *line = line_of(request);
    if (!hf_job_same_columns(job, columns)) {
        line->void_rows = true;
        stop(job, line, HF_EXIT_REFUSED, HF_COLUMNS_CHANGED, HF_COLUMNS_WAY_OUT);
    }
}

/* A row's output line is complete, but for the count that --affected puts behind it. */
static void end_row(const hf_job *job, hf_line *line, hf_bytes *to) {
    if (job->options->affected) {
        hf_bytes_add(&line->row_ends, &to->used, sizeof to->used);
    } else {
        hf_bytes_add_byte(to, '\n');
    }
}

static void empty_result(hf_job *job, hf_line *line) {
    hf_bytes *to = hf_job_sink(job, line);
    hf_bytes_add(to, line->prefix.data, line->prefix.used);
    for (uint16_t i = 0; i < job->n_columns; i++) {
        hf_bytes_add_byte(to, ',');
    }
    end_row(job, line, to);
    hf_job_added(job, line);
}

/* Puts the count behind each row that waits for it; an empty cell if the server gives no count for the statement. */
static void add_affected(hf_job *job, hf_line *line) {
    hf_bytes whole = { 0 };
    char cell[32];
    size_t from = 0, end;
    snprintf(cell, sizeof cell, ",%llu\n", (unsigned long long)line->affected);
    for (size_t at = 0; at < line->row_ends.used; at += sizeof end) {
        memcpy(&end, line->row_ends.data + at, sizeof end);
        hf_bytes_add(&whole, line->out.data + from, end - from);
        hf_bytes_add_text(&whole, job->counts ? cell : ",\n");
        from = end;
    }
    hf_bytes_free(&line->out);
    line->out = whole;
    hf_bytes_reset(&line->row_ends, 65536);
    hf_window_count(&job->window, line);
}

/* The line's command is complete: how many rows it touched is known, before its COMMIT is sent if it has one. */
static void count_affected(hf_job *job, hf_line *line) {
    if (line->counted) {
        return;
    }
    line->counted = true;
    line->affected = line->request.affected;
    snprintf(line->code, sizeof line->code, "%s",
             job->summary.counts && line->affected == 0 ? HF_LINE_IDLE : "");
    if (job->options->affected) {
        if (line->rows == 0) {
            empty_result(job, line);
        }
        add_affected(job, line);
    }
}

static int on_row(hf_request *request, hf_row *row) {
    hf_job *job = job_of(request);
    hf_line *line = line_of(request);
    hf_value value;
    if (line->void_rows) {
        return HF_CONTINUE;
    }
    hf_bytes *to = hf_job_sink(job, line);
    hf_bytes_add(to, line->prefix.data, line->prefix.used);
    for (uint16_t i = 0; i < job->n_columns && hf_row_next(row, &value); i++) {
        hf_bytes_add_byte(to, ',');
        hf_csv_add_cell(to, value, false);
    }
    end_row(job, line, to);
    line->rows++;
    hf_job_added(job, line);
    if (!hf_job_is_head(job, line) && job->window.bytes > job->options->window_bytes &&
        !line->unbounded) {
        line->paused = true;
        return HF_PAUSE;
    }
    return HF_CONTINUE;
}

static void void_rows(hf_job *job, hf_line *line) {
    line->rows = 0;
    line->counted = false;
    line->row_ends.used = 0;
    if (line->streams) {
        hf_outfile_cut(&job->outputs.out, job->head_start);
    }
    hf_bytes_reset(&line->out, 65536);
    hf_window_count(&job->window, line);
    line->paused = false;
}

static void on_restart(hf_request *request) {
    void_rows(job_of(request), line_of(request));
}

static void on_error(hf_request *request, const hf_error *error, const hf_fields *fields) {
    hf_line *line = line_of(request);
    (void)error;
    hf_refusal_words(&line->message, fields);
}

/* ---- intents -------------------------------------------------------------------------------------- */

static void make_durable(hf_job *job) {
    if (!hf_intents_write(&job->intents, true)) {
        /* The statement must not be sent, and from here nothing but the process's end prevents that. The files are as
         * after kill -9; statements under way have their intents and become unknown, or are asked about. */
        hf_failure failure;
        hf_intents_fail(&job->intents, &failure);
        hf_log_failure(&failure);
        _exit(HF_EXIT_INCOMPLETE);
    }
}

/* A line that is not safe is about to be sent: its intent, and those of all lines that may be sent with it, are made
 * durable first. A line that takes effect by its COMMIT has time until then; if that COMMIT was asked about, and the
 * line is sent again, it was not committed. */
static void on_send(hf_request *request) {
    hf_job *job = job_of(request);
    hf_line *sent = line_of(request);
    if (sent->ticket[0]) {
        const hf_intent intent = { .line = sent->line, .kind = HF_INTENT_NOT_RUN };
        hf_intents_add(&job->intents, &intent); /* the next run's server may have forgotten */
        sent->ticket[0] = '\0';
        sent->intended = false;
        void_rows(job, sent);
    }
    if (hf_request_commits_later(request) || sent->intended) {
        return;
    }
    for (uint64_t i = job->window.head; i < job->window.tail; i++) {
        hf_line *line = hf_window_at(&job->window, i);
        if (line->state == HF_LINE_RUNNING && !line->intended &&
            (line == sent || job->replay == HF_REPLAY_UNSENT)) {
            hf_intent intent = { .line = line->line, .kind = HF_INTENT_SENT };
            hf_intents_add(&job->intents, &intent);
            line->intended = true;
        }
    }
    make_durable(job);
}

void hf_answers_note_commit(hf_job *job, const hf_line *line) {
    hf_bytes text = { 0 };
    hf_bytes_add(&text, line->ticket, strlen(line->ticket) + 1);
    hf_bytes_add(&text, line->out.data, line->out.used);
    hf_intent intent = {
        .line = line->line, .kind = HF_INTENT_COMMIT, .text = text.data, .text_bytes = text.used
    };
    memcpy(intent.code, line->code, sizeof intent.code);
    hf_intents_add(&job->intents, &intent);
    hf_bytes_free(&text);
}

/* The line's rows are complete and its COMMIT is next: notes what to ask by if the answer to that is lost. The notes
 * of all lines whose COMMITs are next are made durable by one sync, in hf_answers_on_commits(). */
static void on_commit(hf_request *request) {
    hf_job *job = job_of(request);
    hf_line *line = line_of(request);
    memcpy(line->ticket, request->ticket, sizeof line->ticket);
    line->intended = true;
    count_affected(job, line);
    hf_answers_note_commit(job, line);
}

void hf_answers_on_commits(void *job) {
    make_durable(job);
}

/* Notes at once how a line that is not safe ended: it may have to wait for lines before it, or the disk may be full.
 * The next line's intent takes the note to the disk with it. */
static void note_end(hf_job *job, hf_line *line) {
    static const hf_intent_kind kinds[] = { [HF_LINE_OK] = HF_INTENT_OK,
                                            [HF_LINE_REJECTED] = HF_INTENT_REJECTED,
                                            [HF_LINE_UNKNOWN] = HF_INTENT_UNKNOWN,
                                            [HF_LINE_UNDONE] = HF_INTENT_NOT_RUN };
    if (!line->intended || (line->state == HF_LINE_OK && line->streams) ||
        (line->state == HF_LINE_UNDONE && line->ticket[0])) {
        return;
    }
    const hf_bytes *text = line->state == HF_LINE_OK ? &line->out : &line->message;
    hf_intent intent = { .line = line->line,
                         .kind = kinds[line->state],
                         .text = text->data,
                         .text_bytes = line->state == HF_LINE_UNDONE ? 0 : text->used };
    memcpy(intent.code, line->code, sizeof intent.code);
    hf_intents_add(&job->intents, &intent);
}

/* ---- the end of a statement ----------------------------------------------------------------------- */

static void unknown_line(hf_line *line, const hf_error *error) {
    char text[HF_MESSAGE_BYTES + 160];
    hf_error_text(error, text, sizeof text);
    hf_line_end(line, HF_LINE_UNKNOWN,
                error->sqlstate[0] ? error->sqlstate : hf_err_name(error->code), text,
                strlen(text));
}

static void undone_line(hf_job *job, hf_line *line, const hf_request *request) {
    line->state = HF_LINE_UNDONE;
    hf_refusal_undone(job, request, line->line, line->line);
}

/* Is the line refused? A write that may have been done is not, even if its row was too large. */
static bool is_refusal(const hf_request *request) {
    const hf_error *error = &request->error;
    if (request->outcome == HF_OUTCOME_UNKNOWN && request->replay != HF_REPLAY_SAFE) {
        return false;
    }
    if (error->code == HF_ERR_TOO_LARGE || error->code == HF_ERR_ARGUMENT ||
        error->code == HF_ERR_OPEN_TRANSACTION) {
        return true;
    }
    return hf_request_refused(request);
}

/* --out-of-retries reject: the job goes on without the line. */
static bool is_given_up(const hf_job *job, const hf_request *request) {
    return job->options->out_of_retries == HF_OUT_OF_RETRIES_REJECT && !job->stopping &&
           request->error.limit == HF_LIMIT_MAX_RETRIES;
}

static void read_only(hf_job *job, hf_line *line) {
    bool nothing = hf_job_ended(job) == 0;
    stop(job, line, nothing ? HF_EXIT_USAGE : HF_EXIT_REFUSED,
         "this statement writes, and without --write the session is read-only",
         nothing ? ": use --write" : ": use --write, with --restart");
    line->state = HF_LINE_UNDONE;
    job->write_forgotten = job->write_forgotten || nothing;
}

/* The job was stopped because the result's columns changed. A write that was done all the same is never run again. */
static void columns_changed(const hf_job *job, hf_line *line, const hf_request *request) {
    static const char text[] =
        "it was done, or may have been, but with other columns than the report's";
    bool maybe = request->outcome == HF_OUTCOME_OK || request->outcome == HF_OUTCOME_UNKNOWN;
    line->state = HF_LINE_UNDONE;
    if (maybe && job->replay != HF_REPLAY_SAFE) {
        hf_line_end(line, HF_LINE_UNKNOWN, hf_err_name(HF_ERR_STATE), text, sizeof text - 1);
    }
}

void hf_answers_acknowledged(hf_job *job, const char *ticket) {
    const char *server = strchr(ticket, ' ');
    hf_server read;
    if (server && hf_server_read(server + 1, &read) &&
        hf_job_server(job, &read, job->acknowledged)) {
        hf_inquiry_overtake(&job->inquiry);
    }
    job->acknowledged = true;
}

static void on_done(hf_request *request) {
    hf_job *job = job_of(request);
    hf_line *line = line_of(request);
    job->running--;
    line->paused = false;
    hf_summary_statement(&job->summary, line->line, line->line, request->duration_ms,
                         request->attempts);
    if (request->attempts > 1) {
        /* Without a re-send another read's error, or time-out, cut it off. */
        const bool cut_off = request->retries == 0 && !job->options->write;
        hf_log(cut_off ? HF_LOG_DEBUG : HF_LOG_WARN, "line %llu was sent %u times: %s after %.3f s",
               (unsigned long long)line->line, request->attempts, hf_outcome_name(request->outcome),
               request->duration_ms / 1000.0);
    }
    if (request->asks > 0) {
        hf_log(HF_LOG_WARN,
               "line %llu: asked the server what became of its commit: %s after %.3f s",
               (unsigned long long)line->line, hf_outcome_name(request->outcome),
               request->duration_ms / 1000.0);
    }
    if (line->void_rows) {
        columns_changed(job, line, request);
    } else if (request->outcome == HF_OUTCOME_OK) {
        line->state = HF_LINE_OK;
        count_affected(job, line);
        hf_answers_acknowledged(job, request->ticket);
        if (request->unconfirmed) {
            job->summary.unconfirmed++;
            hf_log(HF_LOG_WARN,
                   "line %llu was done, but its wait for the synchronous standby was ended: a "
                   "failover may lose it",
                   (unsigned long long)line->line);
        }
        if (line->rows == 0 && line->out.used == 0) {
            empty_result(job, line);
        }
    } else if (line->again) {
        line->again = false;
        line->state = HF_LINE_READY;
        job->n_again++;
    } else if (request->error.code == HF_ERR_READ_ONLY) {
        read_only(job, line);
    } else if (is_refusal(request) ||
               (is_given_up(job, request) &&
                !(request->outcome == HF_OUTCOME_UNKNOWN && job->options->write))) {
        hf_refusal_end(line, &request->error);
    } else if (request->outcome == HF_OUTCOME_UNKNOWN &&
               (job->replay != HF_REPLAY_SAFE || is_given_up(job, request)) &&
               !hf_request_may_be_asked(request)) {
        unknown_line(line, &request->error);
    } else { /* or the next run asks what became of the COMMIT */
        undone_line(job, line, request);
    }
    if (line->state != HF_LINE_OK && !(line->state == HF_LINE_UNDONE && line->ticket[0])) {
        void_rows(job, line);
    }
    note_end(job, line);
    hf_order_ended(&job->order, &job->window, line);
}

void hf_answers_submit(hf_job *job, hf_line *line) {
    line->job = job;
    if (job->n_params > line->params_size) {
        line->params = hf_must_alloc(job->n_params, sizeof *line->params);
        line->params_size = job->n_params;
    }
    for (uint16_t i = 0; i < job->n_params; i++) {
        line->params[i] = line->cells[job->params[i]];
    }
    line->request = (hf_request){ .sql = job->sql.data,
                                  .params = line->params,
                                  .n_params = job->n_params,
                                  .replay = job->replay,
                                  .prepare = job->prepare,
                                  .wait_passing = true,
                                  .on_columns = on_columns,
                                  .on_row = on_row,
                                  .on_error = on_error,
                                  .on_restart = on_restart,
                                  .on_send = job->replay == HF_REPLAY_SAFE ? NULL : on_send,
                                  .on_commit = on_commit,
                                  .resolve_ticket = line->ticket,
                                  .on_done = on_done,
                                  .user = line };
    line->state = HF_LINE_RUNNING;
    job->running++;
    int code = hf_submit(job->client.pool, &line->request);
    if (code != 0) {
        hf_error_set(&line->request.error, (hf_err)code, HF_PHASE_NONE, NULL);
        line->request.outcome = HF_OUTCOME_NOT_SENT;
        on_done(&line->request);
    }
}
