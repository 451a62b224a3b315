#include "release.h"

#include "base/csv_out.h"
#include "base/failure.h"
#include "base/log.h"

#include <string.h>

#define REFUSALS_TOLD 100

/* Writes a refused line: line number, the input's cells (as many as the header has), code, message. */
static bool add_refusal(hf_job *job, hf_outfile *file, const hf_bytes *header,
                        const hf_line *line) {
    hf_failure failure;
    if (!hf_outputs_need(&job->outputs, file, header, &failure)) {
        hf_job_stop(job, &failure);
        return false;
    }
    hf_bytes *to = hf_outfile_buffer(file);
    hf_bytes_format(to, "%llu", (unsigned long long)line->line);
    for (size_t i = 0; i < job->scan.n_header; i++) {
        hf_bytes_add_byte(to, ',');
        if (i < line->n_cells) {
            hf_csv_add_cell(to, line->cells[i], false);
        }
    }
    hf_bytes_add_byte(to, ',');
    hf_csv_add_cell(to, hf_text(line->code), false);
    hf_bytes_add_byte(to, ',');
    hf_csv_add_cell(to,
                    (hf_value){ .data = line->message.used ? line->message.data : "",
                                .bytes = line->message.used },
                    false);
    hf_bytes_add_byte(to, '\n');
    if (!hf_outfile_added(file)) {
        hf_job_output_failed(job, file);
        return false;
    }
    return true;
}

/* The first refusals are worth a warning each; a million of them are worth a file. */
static void log_refusal(hf_job *job, const hf_line *line, const char *what) {
    const hf_log_field fields[] = { { .name = "line", .number = line->line },
                                    { .name = "code", .text = line->code } };
    hf_log_fields(job->refusals < REFUSALS_TOLD ? HF_LOG_WARN : HF_LOG_DEBUG, fields, 2,
                  "line %llu %s: %s %.*s", (unsigned long long)line->line, what, line->code,
                  (int)(line->message.used < 500 ? line->message.used : 500),
                  line->message.used ? line->message.data : "");
    if (++job->refusals == REFUSALS_TOLD) {
        hf_log(HF_LOG_WARN,
               "further lines of that kind are told in the files only (and at --log-level debug)");
    }
}

/* A shard's index says which bytes of the output are the line's. */
static bool add_to_index(hf_job *job, const hf_line *line) {
    hf_outfile *shard = &job->outputs.shard;
    if (!hf_outfile_is_open(shard)) {
        return true;
    }
    hf_index_add(
        hf_outfile_buffer(shard),
        (hf_index_entry){ .line = line->line,
                          .bytes = hf_outfile_length(&job->outputs.out) - job->head_start });
    if (!hf_outfile_added(shard)) {
        hf_job_output_failed(job, shard);
        return false;
    }
    return true;
}

bool hf_release(hf_job *job, hf_line *line) {
    hf_outfile *out = &job->outputs.out;
    hf_failure failure;
    if (line->state == HF_LINE_OK) {
        hf_bytes_add(hf_outfile_buffer(out), line->out.data, line->out.used);
        if (!hf_outfile_added(out)) {
            hf_job_output_failed(job, out);
            return false;
        }
        job->record.lines_done++;
        job->record.lines_idle += strcmp(line->code, HF_LINE_IDLE) == 0;
    } else if (line->state == HF_LINE_REJECTED) {
        if (!add_refusal(job, &job->outputs.rejects, &job->rejects_header, line)) {
            return false;
        }
        log_refusal(job, line, "is rejected");
        job->record.lines_rejected++;
        if (!hf_job_may_reject(job, &failure)) {
            hf_job_stop(job, &failure);
        }
    } else {
        if (!add_refusal(job, &job->outputs.unknown, &job->unknown_header, line)) {
            return false;
        }
        log_refusal(job, line, "is unknown");
        job->record.lines_unknown++;
    }
    if (!add_to_index(job, line)) {
        return false;
    }
    job->head_start = hf_outfile_length(out);
    job->record.output_bytes = job->head_start;
    job->record.rejects_bytes = hf_outfile_length(&job->outputs.rejects);
    job->record.unknown_bytes = hf_outfile_length(&job->outputs.unknown);
    job->record.input_offset = line->end;
    job->record.next_line = line->next_line;
    hf_job_gained(job);
    return true;
}
