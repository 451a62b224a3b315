#include "refusal.h"

#include "base/failure.h"

#include "cli/options.h"

#include <stdio.h>
#include <string.h>

void hf_refusal_stop(hf_job *job, uint64_t first, uint64_t last, int status, const char *why,
                     const char *way_out) {
    hf_failure failure = { 0 };
    char lines[64];
    if (first == last) {
        snprintf(lines, sizeof lines, "line %llu", (unsigned long long)first);
    } else {
        snprintf(lines, sizeof lines, "lines %llu to %llu", (unsigned long long)first,
                 (unsigned long long)last);
    }
    hf_fail(&failure, status, "%s of %s: %s%s", lines, job->options->cost_file, why, way_out);
    hf_job_stop(job, &failure);
}

void hf_refusal_words(hf_bytes *to, const hf_fields *fields) {
    hf_value value;
    hf_bytes_reset(to, 65536);
    if (hf_fields_get(fields, HF_FIELD_MESSAGE, &value) && value.bytes > 0) {
        hf_bytes_add_printable(to, value.data, value.bytes < 4000 ? value.bytes : 4000);
        if (hf_fields_get(fields, HF_FIELD_DETAIL, &value) && value.bytes > 0) {
            hf_bytes_add_text(to, " DETAIL: ");
            hf_bytes_add_printable(to, value.data, value.bytes < 4000 ? value.bytes : 4000);
        }
    }
}

void hf_refusal_end(hf_line *line, const hf_error *error) {
    char text[HF_MESSAGE_BYTES + 160];
    if (error->sqlstate[0] && error->code == HF_ERR_SERVER) {
        hf_bytes message = line->message; /* the whole message, from on_error */
        line->message = (hf_bytes){ 0 };
        const char *words = message.used ? message.data : error->message;
        hf_line_end(line, HF_LINE_REJECTED, error->sqlstate, words,
                    message.used ? message.used : strlen(words));
        if (error->limit == HF_LIMIT_MAX_RETRIES) {
            hf_bytes_add_text(&line->message, " (out of retries: max_retries)");
        }
        hf_bytes_free(&message);
    } else {
        size_t used = hf_error_text(error, text, sizeof text);
        if (error->code == HF_ERR_TOO_LARGE) {
            snprintf(text + used, sizeof text - used, "; --max-row allows more");
        }
        hf_line_end(line, HF_LINE_REJECTED, hf_err_name(error->code), text, strlen(text));
    }
}

void hf_refusal_undone(hf_job *job, const hf_request *request, uint64_t first, uint64_t last) {
    const hf_error *error = &request->error;
    char text[HF_MESSAGE_BYTES + 160], way_out[200];
    hf_pool_status status;
    if (job->stopping || error->code == HF_ERR_CANCELLED || error->code == HF_ERR_CLOSED) {
        return;
    }
    hf_pool_status_get(job->client.pool, &status);
    hf_error_text(status.refused ? &status.last_error : error, text, sizeof text);
    if (status.refused) {
        hf_refusal_stop(
            job, first, last, HF_EXIT_REFUSED, text,
            "; the server refuses for good: put that right, then run the same command again");
        return;
    }
    snprintf(way_out, sizeof way_out, "; run the same command again to go on from there");
    if (error->limit == HF_LIMIT_REQUEST && job->replay == HF_REPLAY_LEDGER) {
        snprintf(way_out, sizeof way_out,
                 "; run the same command again with a higher --request-timeout, which is for all "
                 "lines of a chunk together; " HF_LOWER_BATCH);
    } else if (error->limit != HF_LIMIT_NONE) {
        char option[40];
        snprintf(way_out, sizeof way_out,
                 "; run the same command again to go on from there, or raise --%s%s",
                 hf_dashed(hf_limit_name((hf_limit)error->limit), option, sizeof option),
                 error->limit == HF_LIMIT_MAX_RETRIES && job->replay != HF_REPLAY_LEDGER
                     ? ", or let such lines be rejected (--out-of-retries reject)"
                     : "");
    }
    hf_refusal_stop(job, first, last, HF_EXIT_INCOMPLETE, text, way_out);
}
