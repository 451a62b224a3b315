#include "intake.h"

#include "base/failure.h"

#include <stdio.h>
#include <string.h>

#define PASSED_MAX 4096 /* lines of other shards, between two looks at the connections */

static void wrong_width(hf_job *job, hf_line *line) {
    char text[80];
    snprintf(text, sizeof text, "%zu field%s instead of %zu", line->n_cells,
             line->n_cells == 1 ? "" : "s", job->scan.n_header);
    hf_line_end(line, HF_LINE_REJECTED, hf_err_name(HF_ERR_ARGUMENT), text, strlen(text));
}

bool hf_intake_line(hf_job *job, bool anyway) {
    hf_csv_record record;
    hf_failure failure;
    if (job->input_ended || hf_window_full(&job->window) ||
        (!anyway && !hf_window_empty(&job->window) &&
         job->window.bytes > job->options->window_bytes)) {
        return false;
    }
    unsigned passed = 0;
    int got;
    do {
        got = hf_csv_in_next(job->in, &record, &failure);
        job->read_end = got > 0 ? record.end : job->read_end;
    } while (got > 0 && record.end <= job->scan.end &&
             !hf_first_pass_mine(&job->scan, job->options, &record) && ++passed < PASSED_MAX);
    job->passing = passed == PASSED_MAX;
    if (job->passing) {
        return false;
    }
    if (got < 0) {
        hf_fail_more(&failure, "; when the job began it was whole");
        hf_job_stop(job, &failure);
    }
    if (got == 0 && job->read_end < job->scan.end && job->record.input_offset < job->scan.end) {
        hf_fail(
            &failure, HF_EXIT_REFUSED,
            "%s was changed while the report ran: it ends before its last line; bring it back as it was, or "
            "start over with --restart",
            job->options->cost_file);
        hf_job_stop(job, &failure);
    }
    if (got <= 0 || record.end > job->scan.end) { /* blank lines at the end do not count */
        job->input_ended = true;
        return false;
    }
    hf_line *line = hf_window_add(&job->window, &record);
    job->taken = record.line;
    if (line->n_cells != job->scan.n_header) {
        wrong_width(job, line);
    } else if (!hf_recovery_take(&job->recovery, line)) {
        hf_line_prefix(line, job->n_columns == 0 && !job->options->affected);
    }
    hf_window_count(&job->window, line);
    if (line->state == HF_LINE_READY && job->replay != HF_REPLAY_LEDGER) {
        hf_order_take(&job->order, &job->window);
    }
    return true;
}
