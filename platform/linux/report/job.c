/* The report's loop. Everything that changes the window's order happens here, between ticks. */
#include "job.h"

#include "answers.h"
#include "base/csv_out.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/signals.h"
#include "chunks.h"
#include "intake.h"
#include "ledger_job.h"
#include "ledger_watch.h"
#include "release.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_EVERY_MS    20 /* at the latest; otherwise before every sleep */
#define STARVED_AFTER_MS 5000
#define INTENT_ROOM      (256 * 1024)
#define ASK_MS_MAX       60000 /* for the last question, where probe_timeout is longer */

/* ---- taking lines on ------------------------------------------------------------------------------ */

static hf_line *next_ready(hf_job *job) {
    hf_line *freed = hf_order_next(&job->order, &job->window);
    if (freed) {
        return freed;
    }
    if (job->n_again > 0) {
        for (uint64_t i = job->window.head; i < job->window.tail; i++) {
            hf_line *line = hf_window_at(&job->window, i);
            if (line->state == HF_LINE_READY && !line->waits) {
                job->n_again--;
                return line;
            }
        }
    }
    while (hf_intake_line(job, false)) {
        hf_line *line = hf_window_at(&job->window, job->window.tail - 1);
        if (line->state == HF_LINE_READY && !line->waits) {
            return line;
        }
    }
    return NULL;
}

/* Submits lines until as many statements are under way as may be. */
static void submit(hf_job *job) {
    if (job->replay == HF_REPLAY_LEDGER) {
        hf_chunks_submit(job);
        return;
    }
    const hf_config *config = job->client.config;
    /* Under resolve the next line's statement travels behind a COMMIT, and one more is at hand for the next COMMIT. */
    const unsigned deep = config->max_pipelined ? config->max_pipelined : 2 * HF_PIPELINED_MOST;
    const unsigned each = job->replay == HF_REPLAY_SAFE      ? deep
                          : job->replay == HF_REPLAY_RESOLVE ? 3
                                                             : 1;
    unsigned most = config->max_concurrent * each;
    if (job->replay != HF_REPLAY_SAFE && !hf_intents_reserve(&job->intents, INTENT_ROOM)) {
        hf_failure failure;
        hf_intents_fail(&job->intents, &failure);
        hf_job_stop(job, &failure);
    }
    job->passing = false;
    while (!job->stopping && job->running < most) {
        hf_line *line = next_ready(job);
        if (!line) {
            break;
        }
        hf_answers_submit(job, line);
    }
}

/* ---- the server that acknowledges ----------------------------------------------------------------- */

/* At the start: is this the server that acknowledged the lines of earlier runs? */
static void meet_server(hf_job *job) {
    if (job->replay == HF_REPLAY_LEDGER) {
        return; /* the ledger says more than that */
    }
    const hf_server *server = &job->inquiry.server;
    job->acknowledged =
        job->options->write && (job->record.lines_done > 0 || hf_recovery_done(&job->recovery));
    if (job->acknowledged && hf_server_known(server) && !hf_server_known(&job->record.server)) {
        hf_log(HF_LOG_INFO,
               "the position of %s does not say which server acknowledged its lines (an older "
               "holdfast wrote it, or the server did not tell): whether it changed since is not "
               "known",
               job->outputs.part);
    }
    hf_job_server(job, server, job->acknowledged);
}

/* What the server has answered meanwhile to the question which incarnation it is. */
static void hear_server(hf_job *job) {
    if (hf_inquiry_turn(&job->inquiry, job->acknowledged)) {
        hf_job_server(job, &job->inquiry.server, job->inquiry.acknowledged);
    }
}

/* At the end, when all lines are done, the server is asked once more, for as long as a health check may take. An
 * outage is then no failure of the job. */
static void ask_server_at_end(hf_job *job) {
    char why[HF_MESSAGE_BYTES];
    const uint32_t longest = job->client.config->probe_timeout_ms;
    hf_ms until = hf_client_now(&job->client) + (longest < ASK_MS_MAX ? longest : ASK_MS_MAX);
    if (job->stopping || !job->acknowledged || !job->inquiry.sql) {
        return;
    }
    until = until < job->deadline ? until : job->deadline;
    if (job->inquiry.under_way) { /* it may be about the time before the first acknowledged line */
        hf_client_await(&job->client, &job->inquiry.request, until);
        hear_server(job);
    }
    if (hf_inquiry_end(&job->inquiry, until, why, sizeof why)) {
        hf_job_server(job, &job->inquiry.server, true);
    } else {
        hf_summary_unasked(&job->summary, why);
    }
}

/* ---- letting lines go ----------------------------------------------------------------------------- */

/* The line became the head while its statement is under way: its rows stream, and no longer wait for room. */
static void promote(hf_job *job, hf_line *line) {
    if (!line->streams) {
        hf_job_stream(job, line);
    }
    if (line->paused) {
        line->paused = false;
        hf_resume(job->client.pool, &line->request);
    }
}

static void let_lines_go(hf_job *job) {
    if (job->replay == HF_REPLAY_LEDGER) {
        hf_chunks_let_go(job);
        return;
    }
    while (!hf_window_empty(&job->window)) {
        hf_line *line = hf_window_head(&job->window);
        if (line->state == HF_LINE_RUNNING) {
            promote(job, line);
            return;
        }
        if (line->state == HF_LINE_READY || line->state == HF_LINE_UNDONE ||
            !hf_release(job, line)) {
            return;
        }
        hf_window_remove(&job->window);
    }
}

/* ---- room ----------------------------------------------------------------------------------------- */

/* Paused lines hold connections. If the head has none and cannot get one, head and paused lines would wait for each
 * other for ever: a paused read gives its connection up, a paused write goes beyond its room. */
static void feed_the_head(hf_job *job, hf_ms now) {
    const hf_line *head = hf_window_empty(&job->window) ? NULL : hf_window_head(&job->window);
    hf_line *paused = NULL;
    for (uint64_t i = job->window.head;
         head && !hf_request_in_flight(&head->request) && i < job->window.tail; i++) {
        hf_line *line = hf_window_at(&job->window, i);
        paused = line->state == HF_LINE_RUNNING && line->paused ? line : paused;
    }
    if (!paused || head->state != HF_LINE_RUNNING) {
        job->starved = HF_NEVER;
        return;
    }
    if (job->starved == HF_NEVER) {
        job->starved = now;
    } else if (now - job->starved >= STARVED_AFTER_MS) {
        job->starved = HF_NEVER;
        paused->paused = false;
        if (job->replay == HF_REPLAY_SAFE) {
            paused->again = true;
            hf_cancel(job->client.pool, &paused->request);
        } else {
            paused->unbounded = true;
            hf_resume(job->client.pool, &paused->request);
        }
    }
}

static void resume_paused(hf_job *job, hf_ms now) {
    for (uint64_t i = job->window.head;
         i < job->window.tail && job->window.bytes <= job->options->window_bytes; i++) {
        hf_line *line = hf_window_at(&job->window, i);
        if (line->state == HF_LINE_RUNNING && line->paused) {
            line->paused = false;
            hf_resume(job->client.pool, &line->request);
        }
    }
    if (job->window.bytes > job->options->window_bytes) {
        feed_the_head(job, now);
    }
}

/* ---- durability ----------------------------------------------------------------------------------- */

/* Writes the intents file afresh with what still matters: lines in the window, and lines that only an earlier run
 * reached. */
static void compact_intents(hf_job *job) {
    hf_intents_compact_begin(&job->intents);
    for (uint64_t i = job->window.head; i < job->window.tail; i++) {
        const hf_line *line = hf_window_at(&job->window, i);
        if (!line->intended) {
            continue;
        }
        if (line->ticket[0] && line->state != HF_LINE_OK && line->state != HF_LINE_REJECTED &&
            line->state != HF_LINE_UNKNOWN) {
            hf_answers_note_commit(job, line);
            continue;
        }
        hf_intent intent = { .line = line->line, .kind = HF_INTENT_SENT };
        memcpy(intent.code, line->code, sizeof intent.code);
        if (line->state == HF_LINE_OK) {
            intent.kind = HF_INTENT_OK;
            intent.text = line->out.data;
            intent.text_bytes = line->out.used;
        } else if (line->state == HF_LINE_REJECTED || line->state == HF_LINE_UNKNOWN) {
            intent.kind = line->state == HF_LINE_REJECTED ? HF_INTENT_REJECTED : HF_INTENT_UNKNOWN;
            intent.text = line->message.data;
            intent.text_bytes = line->message.used;
        } else if (line->state != HF_LINE_RUNNING) {
            intent.kind = HF_INTENT_NOT_RUN;
        }
        hf_intents_add(&job->intents, &intent);
    }
    for (size_t i = 0; i < job->recovery.count; i++) {
        if (job->recovery.items[i].intent.line > job->taken) {
            hf_intents_add(&job->intents, &job->recovery.items[i].intent);
        }
    }
    if (!hf_intents_compact_end(&job->intents)) {
        hf_failure failure;
        hf_intents_fail(&job->intents, &failure);
        hf_job_stop(job, &failure);
    }
}

static bool uses_intents(const hf_job *job) {
    return hf_job_notes_intents(job);
}

static void commit(hf_job *job) {
    hf_failure failure;
    if (uses_intents(job) && !hf_intents_write(&job->intents, job->stopping)) {
        hf_intents_fail(&job->intents, &failure);
        hf_job_stop(job, &failure);
    }
    if (!hf_outputs_commit(&job->outputs, &job->record, &failure)) {
        hf_job_stop(job, &failure);
        return;
    }
    job->dirty = false;
    job->noted = true;
    if (uses_intents(job) && hf_intents_worth_compacting(&job->intents)) {
        compact_intents(job);
    }
    if (hf_first_pass_changed(&job->scan, job->in,
                              job->spool.path ? job->spool.path : job->options->cost_file)) {
        hf_fail(
            &failure, HF_EXIT_REFUSED,
            "%s was changed while the report ran: bring it back as it was, or start over with --restart",
            job->options->cost_file);
        hf_job_stop(job, &failure);
    }
}

/* Before every sleep what is done is written to the files, where kill -9 cannot reach it; once a second to the disk. */
static void keep(hf_job *job, hf_ms now) {
    hf_failure failure;
    if (job->dirty && now >= job->commit_at) {
        commit(job);
        return;
    }
    if (uses_intents(job) && job->intents.gathered.used > 0 &&
        !hf_intents_write(&job->intents, false)) {
        hf_intents_fail(&job->intents, &failure);
        hf_job_stop(job, &failure);
    }
    if (!job->noted) {
        if (!hf_outputs_note(&job->outputs, &job->record, &failure)) {
            hf_job_stop(job, &failure);
        }
        job->noted = true;
    }
}

/* ---- the loop ------------------------------------------------------------------------------------- */

static void look_for_an_end(hf_job *job, hf_ms now) {
    hf_failure failure;
    if (hf_signals_caught()) {
        hf_fail(&failure, HF_EXIT_INCOMPLETE, "stopped by %s; run the same command again to go on",
                strsignal(hf_signals_caught()));
        hf_job_stop(job, &failure);
    } else if (now >= job->deadline) {
        char text[32];
        hf_fail(&failure, HF_EXIT_INCOMPLETE,
                "the job's time is over (--deadline %s); run the same command again to go on",
                hf_duration_text(job->options->deadline_ms, text, sizeof text));
        hf_job_stop(job, &failure);
    }
}

static hf_ms earliest(hf_ms a, hf_ms b, hf_ms c, hf_ms d) {
    a = a < b ? a : b;
    c = c < d ? c : d;
    return a < c ? a : c;
}

/* A job that keeps a ledger is over when its run is closed, and that when all of it is on the disk. */
static bool close_run(hf_job *job) {
    if (job->replay != HF_REPLAY_LEDGER) {
        return true;
    }
    if (job->dirty) {
        commit(job);
    }
    return hf_ledger_job_close(job);
}

/* One round: submit, tick, put in order. False: the job is over, finished or stopped. */
static bool turn(hf_job *job) {
    if (job->replay != HF_REPLAY_LEDGER) {
        hear_server(job);
    }
    submit(job);
    uint64_t statements = job->summary.statements, ended = hf_job_ended(job);
    hf_ms next = hf_client_tick(&job->client), now = hf_client_now(&job->client);
    let_lines_go(job);
    if (job->replay == HF_REPLAY_LEDGER) {
        hf_ledger_job_turn(job);
        const hf_ms again = hf_chunks_next(job), look = hf_ledger_watch_turn(job);
        next = earliest(next, again, look, HF_NEVER);
    } else {
        resume_paused(job, now);
    }
    look_for_an_end(job, now);
    if (job->stopping || (job->input_ended && hf_window_empty(&job->window) && close_run(job))) {
        return false;
    }
    hf_ms redraw = hf_progress_tick(&job->progress, &job->client, hf_job_ended(job), now);
    bool moved =
        job->passing || job->summary.statements != statements || hf_job_ended(job) != ended;
    if (moved && now < job->keep_at && !uses_intents(job)) {
        return true; /* the connections come first: they have nothing to do */
    }
    keep(job, now);
    job->keep_at = now + KEEP_EVERY_MS;
    if (!moved && next > now) {
        hf_client_wait(&job->client, earliest(next, redraw, job->dirty ? job->commit_at : HF_NEVER,
                                              job->deadline));
    }
    return true;
}

void hf_job_run(hf_job *job) {
    job->starved = job->commit_at = HF_NEVER;
    job->noted = true;
    job->client.on_commits = job->replay == HF_REPLAY_RESOLVE ? hf_answers_on_commits : NULL;
    job->client.user = job;
    meet_server(job);
    while (turn(job)) {
    }
    keep(job, hf_client_now(&job->client)); /* closing the connections may take its time */
    hf_progress_end(&job->progress);
    if (job->replay != HF_REPLAY_LEDGER || job->stopping) {
        ask_server_at_end(job);
        hf_client_close(&job->client); /* else it is needed when the report has its name */
    }
    let_lines_go(job);
    if (hf_outputs_retreat(&job->outputs, &job->record)) {
        commit(job);
    }
}
