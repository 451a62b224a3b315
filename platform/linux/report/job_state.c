#include "job_state.h"

#include "base/failure.h"

#include <string.h>

#define COMMIT_EVERY_MS 1000
#define NOTED_BYTES     (1024 * 1024)

bool hf_job_notes_intents(const hf_job *job) {
    return job->replay == HF_REPLAY_UNSENT || job->replay == HF_REPLAY_RESOLVE;
}

uint64_t hf_job_ended(const hf_job *job) {
    return job->record.lines_done + job->record.lines_rejected + job->record.lines_unknown;
}

int hf_job_status(const hf_job *job) {
    return job->record.lines_unknown    ? HF_EXIT_UNKNOWN
           : job->record.lines_rejected ? HF_EXIT_REJECTED
                                        : HF_EXIT_DONE;
}

bool hf_job_may_reject(const hf_job *job, hf_failure *failure) {
    const uint64_t rejected = job->record.lines_rejected;
    return rejected <= job->rejects_max ||
           hf_fail(
               failure, HF_EXIT_REFUSED,
               "%llu of %llu lines are rejected, and --max-rejects %s allows %llu: %s says why; with "
               "a higher one, or without, the same command goes on; --restart starts over",
               (unsigned long long)rejected, (unsigned long long)job->scan.lines,
               job->options->max_rejects, (unsigned long long)job->rejects_max,
               job->outputs.rejects_path);
}

void hf_job_stop(hf_job *job, const hf_failure *failure) {
    if (!job->stopping ||
        (hf_exit_stronger(failure->status, job->failure.status) == failure->status &&
         failure->status != job->failure.status)) {
        job->failure = *failure;
    }
    job->stopping = true;
}

bool hf_job_same_columns(const hf_job *job, hf_columns *columns) {
    hf_column column;
    if (columns->n_columns != job->n_columns) {
        return false;
    }
    for (uint16_t i = 0; i < job->n_columns && hf_columns_next(columns, &column); i++) {
        if (column.name.bytes != job->columns[i].bytes ||
            (column.name.bytes &&
             memcmp(column.name.data, job->columns[i].data, column.name.bytes) != 0)) {
            return false;
        }
    }
    return true;
}

bool hf_job_is_head(const hf_job *job, const hf_line *line) {
    return line == hf_window_head(&job->window);
}

hf_bytes *hf_job_sink(hf_job *job, hf_line *line) {
    return line->streams ? hf_outfile_buffer(&job->outputs.out) : &line->out;
}

void hf_job_output_failed(hf_job *job, const hf_outfile *file) {
    hf_failure failure;
    hf_outfile_fail(file, &failure);
    hf_job_stop(job, &failure);
}

/* May the head's rows go straight to the file? A line that is not safe is kept in memory up to a size, so that its end
 * can be noted with its output; a line whose COMMIT can be asked about is kept whole, because its output is noted
 * before that. */
static bool may_stream(const hf_job *job, const hf_line *line) {
    if (job->options->affected) {
        return false; /* --affected: the count behind each row is known after the last */
    }
    return job->replay == HF_REPLAY_SAFE ||
           (job->replay == HF_REPLAY_UNSENT && line->out.used > NOTED_BYTES);
}

void hf_job_stream(hf_job *job, hf_line *line) {
    if (!may_stream(job, line)) {
        return;
    }
    line->streams = true;
    hf_bytes_add(hf_outfile_buffer(&job->outputs.out), line->out.data, line->out.used);
    hf_bytes_reset(&line->out, 65536);
    hf_window_count(&job->window, line);
    if (!hf_outfile_added(&job->outputs.out)) {
        hf_job_output_failed(job, &job->outputs.out);
    }
}

void hf_job_added(hf_job *job, hf_line *line) {
    if (!line->streams) {
        hf_window_count(&job->window, line);
        if (hf_job_is_head(job, line)) {
            hf_job_stream(job, line);
        }
    } else if (!hf_outfile_added(&job->outputs.out)) {
        hf_job_output_failed(job, &job->outputs.out);
    }
}

void hf_job_gained(hf_job *job) {
    job->noted = false;
    if (!job->dirty) {
        job->dirty = true;
        job->commit_at = hf_client_now(&job->client) + COMMIT_EVERY_MS;
    }
}

bool hf_job_server(hf_job *job, const hf_server *server, bool acknowledged) {
    hf_server *known = &job->record.server;
    char how[HF_SERVER_HOW_BYTES];
    const bool changed = hf_server_known(known) && hf_server_changed(known, server, how);
    if (!hf_server_known(server) || (hf_server_known(known) && !changed)) {
        return false;
    }
    if (changed && acknowledged) {
        const bool anew = known->system == server->system && known->timeline == server->timeline &&
                          known->started != server->started;
        hf_summary_server(&job->summary, how, anew ? (int64_t)(server->started / 1000) : 0,
                          job->replay == HF_REPLAY_LEDGER);
    }
    *known = *server;
    hf_job_gained(job);
    return true;
}
