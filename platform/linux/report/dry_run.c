#include "dry_run.h"

#include "base/failure.h"
#include "base/log.h"
#include "base/statement.h"
#include "header.h"

#include <stdio.h>

bool hf_dry_run_may_write(hf_job *job, hf_failure *failure) {
    return job->options->write || !hf_statement_writes(hf_bytes_text(&job->text)) ||
           hf_fail(failure, HF_EXIT_USAGE,
                   "%s: this statement writes, and without --write the session is read-only: use "
                   "--write",
                   job->options->query);
}

static void add_text(hf_json *json, const char *name, const char *text) {
    hf_json_add_text(json, name, text && text[0] ? text : NULL);
}

/* The same names as in the summary of a run. */
static hf_json *fields(const hf_job *job, hf_outputs_found found, const char *message,
                       const char *columns) {
    const hf_options *options = job->options;
    hf_json *json = hf_log_object(message);
    char shard[32] = "", run[2 * HF_RUN_BYTES + 1] = "";
    if (options->shard.count) {
        snprintf(shard, sizeof shard, "%u/%u", options->shard.number, options->shard.count);
    }
    if (found == HF_OUTPUTS_RESUME && hf_run_keeps(&job->record.run)) {
        hf_hex(job->record.run.id, HF_RUN_BYTES, run);
    } else if (options->resume_run) {
        snprintf(run, sizeof run, "%s", options->resume_run);
    }
    hf_json_add_text(json, "kind", "dry-run");
    hf_json_add_count(json, "exit_status", HF_EXIT_DONE);
    hf_json_add_text(json, "output", options->output);
    hf_json_add_text(json, "input", options->cost_file);
    hf_json_add_text(json, "query", options->query);
    hf_json_add_text(json, "columns", columns);
    add_text(json, "shard", shard);
    add_text(json, "ledger", options->ledger);
    add_text(json, "ledger_run", run);
    hf_json_add_count(json, "input_bytes", job->scan.bytes);
    hf_json_add_count(json, "lines_total", job->scan.lines);
    hf_json_add_count(json, "lines_blank_at_end", job->scan.blank_at_end);
    const bool left = found != HF_OUTPUTS_FRESH;
    hf_json_add_count(json, "lines_done", left ? job->record.lines_done : 0);
    hf_json_add_count(json, "lines_rejected", left ? job->record.lines_rejected : 0);
    hf_json_add_count(json, "lines_unknown", left ? job->record.lines_unknown : 0);
    add_text(json, "database", job->database.name);
    add_text(json, "place", job->database.place);
    add_text(json, "user", job->database.user);
    return json;
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
    header.data[header.used - 1] = '\0'; /* the line's end */
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
        hf_say_json(fields(job, found, hf_bytes_text(&text), header.data));
    } else {
        hf_say(hf_bytes_text(&text));
    }
    hf_bytes_free(&header);
    hf_bytes_free(&text);
}
