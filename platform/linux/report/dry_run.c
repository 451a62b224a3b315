#include "dry_run.h"

#include "base/failure.h"
#include "base/log.h"
#include "base/statement.h"
#include "header.h"

bool hf_dry_run_may_write(hf_job *job, hf_failure *failure) {
    return job->options->write || !hf_statement_writes(hf_bytes_text(&job->text)) ||
           hf_fail(failure, HF_EXIT_USAGE,
                   "%s: this statement writes, and without --write the session is read-only: use "
                   "--write",
                   job->options->query);
}

void hf_dry_run_say(const hf_job *job, hf_outputs_found found) {
    const hf_first_pass *scan = &job->scan;
    hf_bytes text = { 0 };
    hf_bytes_format(&text, "%s: a dry run: no statement was run and nothing was written\n",
                    job->options->output);
    hf_bytes_format(&text, "  input       %s: %llu lines\n", job->options->cost_file,
                    (unsigned long long)scan->lines);
    for (uint16_t i = 0; i < job->n_params; i++) {
        const hf_value name = scan->header[job->params[i]];
        hf_bytes_format(&text, "%s$%u = ", i ? ", " : "  parameters  ", i + 1u);
        hf_bytes_add_printable(&text, name.data, name.bytes);
    }
    hf_bytes_add_text(&text, job->n_params ? "\n  columns     " : "  columns     ");
    hf_bytes header = { 0 };
    hf_header_output(&header, scan->header, scan->n_header, job->columns, job->n_columns,
                     job->options->affected);
    hf_bytes_add_printable(&text, header.data, header.used - 1);
    hf_bytes_free(&header);
    if (found == HF_OUTPUTS_RESUME) {
        hf_bytes_format(&text, "\n  a run would go on at line %llu: %llu lines are done\n",
                        (unsigned long long)job->record.next_line,
                        (unsigned long long)hf_job_ended(job));
    } else {
        hf_bytes_add_text(&text, found == HF_OUTPUTS_FINISHED
                                     ? "\n  a run would do nothing: the report is finished\n"
                                     : "\n  a run would begin with the first line\n");
    }
    if (hf_log_is_json()) {
        hf_json *json = hf_log_object(hf_bytes_text(&text));
        hf_json_add_text(json, "kind", "dry-run");
        hf_json_add_count(json, "lines_total", scan->lines);
        hf_say_json(json);
    } else {
        hf_say(hf_bytes_text(&text));
    }
    hf_bytes_free(&text);
}
