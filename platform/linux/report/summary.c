#include "summary.h"

#include "base/bytes.h"
#include "base/failure.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTAGES_SAID 5
#define UNASKED                                                                                 \
    "could not be asked at the end whether it is the one it was: %s; if it changed meanwhile, " \
    "lines acknowledged before may be missing"

static unsigned length_of(uint32_t ms) {
    unsigned shift = 0;
    while (ms >> shift >= 64) {
        shift++;
    }
    return ms < 32 ? ms : 32 + 32 * shift + (ms >> shift) % 32;
}

/* The longest duration that is counted there. */
static int64_t longest_of(unsigned length) {
    const unsigned shift = length < 32 ? 0 : (length - 32) / 32;
    return length < 32 ? length : ((int64_t)(32 + length % 32 + 1) << shift) - 1;
}

int64_t hf_summary_percentile(const hf_summary *summary, unsigned percent) {
    uint64_t all = 0, so_far = 0;
    for (unsigned i = 0; i < HF_DURATIONS; i++) {
        all += summary->durations[i];
    }
    const uint64_t wanted = all / 100 * percent + (all % 100 * percent + 99) / 100;
    for (unsigned i = 0; i < HF_DURATIONS && all > 0; i++) {
        so_far += summary->durations[i];
        if (so_far >= wanted) {
            return longest_of(i);
        }
    }
    return -1;
}

void hf_summary_statement(hf_summary *summary, uint64_t line, uint64_t last, uint32_t ms,
                          uint32_t attempts) {
    summary->statements += attempts;
    summary->durations[length_of(ms)]++;
    int from =
        HF_SLOWEST - 1; /* the place that is given up: that of the same lines, or the last one */
    for (int i = 0; i < HF_SLOWEST; i++) {
        if (summary->slowest[i].ms && summary->slowest[i].line == line) {
            from = i;
            if (ms <= summary->slowest[i].ms) {
                return;
            }
        }
    }
    int at = from + 1;
    while (at > 0 && ms > summary->slowest[at - 1].ms) {
        at--;
    }
    if (at <= from) {
        memmove(&summary->slowest[at + 1], &summary->slowest[at],
                (size_t)(from - at) * sizeof summary->slowest[0]);
        summary->slowest[at] = (hf_slow){ .line = line, .last = last, .ms = ms };
    }
}

/* "changed at 2024-… (timeline 4 -> 5): …". */
static void add_change(hf_bytes *to, const hf_server_change *change) {
    char time[HF_TIME_BYTES];
    hf_bytes_format(to, "changed at %s (%s): %s", hf_time_text(change->at, time), change->how,
                    change->compared ? "what was acknowledged before was compared with the ledger"
                                     : "lines acknowledged shortly before may be missing");
    if (change->started) {
        hf_bytes_format(to, "; it runs since %s by its own clock",
                        hf_time_text(change->started, time));
    }
}

void hf_summary_server(hf_summary *summary, const char *how, int64_t started, bool compared) {
    hf_server_change change = { .at = hf_time_now(), .started = started, .compared = compared };
    snprintf(change.how, sizeof change.how, "%s", how);
    if (summary->changes < HF_CHANGES_KEPT) {
        summary->changed[summary->changes] = change;
    }
    summary->changes++;
    if (compared) {
        return; /* who compared says what came of it */
    }
    hf_bytes text = { 0 };
    add_change(&text, &change);
    const hf_log_field fields[] = { { .name = "how", .text = change.how } };
    hf_log_fields(HF_LOG_WARN, fields, 1, "the server %s", hf_bytes_text(&text));
    hf_bytes_free(&text);
}

void hf_summary_unasked(hf_summary *summary, const char *why) {
    snprintf(summary->unasked, sizeof summary->unasked, "%s", why);
    hf_log(HF_LOG_WARN, "the server " UNASKED, summary->unasked);
}

const char *hf_elapsed_text(uint64_t ms, char out[32]) {
    uint64_t s = ms / 1000;
    if (s < 60) {
        snprintf(out, 32, "%.1f s", (double)ms / 1000.0);
    } else if (s < 3600) {
        snprintf(out, 32, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
    } else {
        snprintf(out, 32, "%u:%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
                 (unsigned)(s % 60));
    }
    return out;
}

static uint64_t ended(const hf_position_record *record) {
    return record->lines_done + record->lines_rejected + record->lines_unknown;
}

static double rate(const hf_summary *summary) {
    uint64_t lines = ended(&summary->record) - summary->lines_before;
    return summary->elapsed_ms ? (double)lines * 1000.0 / (double)summary->elapsed_ms : 0;
}

static void say_run(hf_bytes *to, const hf_run *run) {
    char id[2 * HF_RUN_BYTES + 1];
    hf_hex(run->id, HF_RUN_BYTES, id);
    hf_bytes_format(to, "  ledger      run %s, %llu chunks\n", id, (unsigned long long)run->chunks);
    if (run->healed) {
        hf_bytes_format(to, "              %llu lines were lost by the server and applied again\n",
                        (unsigned long long)run->healed);
    }
    if (run->uncounted) {
        hf_bytes_format(to,
                        "              of %llu lines it is not known how many rows they touched "
                        "(--affected keeps that)\n",
                        (unsigned long long)run->uncounted);
    }
}

static void say_lines(hf_bytes *to, const hf_summary *summary, const hf_options *options) {
    const hf_position_record *record = &summary->record;
    if (options->shard.count) {
        const char *from = options->shard.from;
        hf_bytes_format(to, "  shard       %u of %u%s%s%s\n", options->shard.number,
                        options->shard.count, *from ? " (" : "", from, *from ? ")" : "");
    }
    hf_bytes_format(to, "  lines       %llu of %llu done", (unsigned long long)record->lines_done,
                    (unsigned long long)summary->lines_total);
    if (record->lines_idle) {
        hf_bytes_format(to, ", %llu of these without effect (0 rows affected)",
                        (unsigned long long)record->lines_idle);
    }
    if (record->lines_rejected) {
        hf_bytes_format(to, ", %llu rejected (%s.rejects.csv)",
                        (unsigned long long)record->lines_rejected, options->output);
    }
    if (record->lines_unknown) {
        hf_bytes_format(to, ", %llu unknown (%s.unknown.csv)",
                        (unsigned long long)record->lines_unknown, options->output);
    }
    if (summary->blank_lines) {
        hf_bytes_format(to, "; %llu blank at the end passed over",
                        (unsigned long long)summary->blank_lines);
    }
    if (summary->resumed_from) {
        hf_bytes_format(to, "; resumed at line %llu", (unsigned long long)summary->resumed_from);
    }
    hf_bytes_add_byte(to, '\n');
    if (summary->unconfirmed) {
        hf_bytes_format(to,
                        "  unconfirmed %llu of these: done on the server, but its wait for the "
                        "synchronous standby was ended\n",
                        (unsigned long long)summary->unconfirmed);
    }
    if (hf_run_keeps(&record->run)) {
        say_run(to, &record->run);
    }
    for (uint32_t i = 0; i < summary->changes && i < HF_CHANGES_KEPT; i++) {
        hf_bytes_add_text(to, "  server      ");
        add_change(to, &summary->changed[i]);
        hf_bytes_add_byte(to, '\n');
    }
    if (summary->changes > HF_CHANGES_KEPT) {
        hf_bytes_format(to, "              and %u times more: the log has them\n",
                        summary->changes - HF_CHANGES_KEPT);
    }
    if (summary->unasked[0]) {
        hf_bytes_format(to, "  server      " UNASKED "\n", summary->unasked);
    }
}

static void say_connections(hf_bytes *to, const hf_summary *summary, const hf_client *client) {
    char text[32], time[HF_TIME_BYTES];
    hf_pool_status status;
    hf_pool_status_get(client->pool, &status);
    hf_bytes_format(to, "  statements  %llu sent, %u of them again\n",
                    (unsigned long long)summary->statements, status.retries);
    hf_bytes_format(to, "  connections %u dialled, %u lost, %u reconnected\n", status.dials,
                    status.losses, client->reconnects);
    if (client->outages) {
        hf_bytes_format(to, "  outages     %u, %s together\n", client->outages,
                        hf_elapsed_text(client->outage_ms, text));
    }
    for (uint32_t i = 0; i < client->outages && i < OUTAGES_SAID; i++) {
        hf_bytes_format(to, "              %s  %s  %s\n", hf_time_text(client->seen[i].start, time),
                        hf_elapsed_text(client->seen[i].ms, text), client->seen[i].reason);
    }
    for (int i = 0; i < HF_SLOWEST && summary->slowest[i].ms; i++) {
        const hf_slow *slow = &summary->slowest[i];
        hf_bytes_format(to, "%s line%s %llu", i ? "," : "  slowest    ",
                        slow->last > slow->line ? "s" : "", (unsigned long long)slow->line);
        if (slow->last > slow->line) {
            hf_bytes_format(to, " to %llu", (unsigned long long)slow->last);
        }
        hf_bytes_format(to, ": %.3f s", slow->ms / 1000.0);
    }
    hf_bytes_add_text(to, summary->slowest[0].ms ? "\n" : "");
    if (hf_summary_percentile(summary, 50) >= 0) {
        hf_bytes_format(to, "  durations   p50 %lld ms, p95 %lld ms, p99 %lld ms\n",
                        (long long)hf_summary_percentile(summary, 50),
                        (long long)hf_summary_percentile(summary, 95),
                        (long long)hf_summary_percentile(summary, 99));
    }
}

/* ---- as JSON -------------------------------------------------------------------------------------- */

static void add_connections(hf_json *json, const hf_client *client) {
    char time[HF_TIME_BYTES];
    hf_pool_status status;
    hf_pool_status_get(client->pool, &status);
    hf_json_add_count(json, "retries", status.retries);
    hf_json_add_count(json, "dials", status.dials);
    hf_json_add_count(json, "losses", status.losses);
    hf_json_add_count(json, "reconnects", client->reconnects);
    hf_json_add_count(json, "outages_count", client->outages);
    hf_json_add_count(json, "outages_ms", client->outage_ms);
    hf_json *outages = hf_json_array();
    for (uint32_t i = 0; i < client->outages && i < HF_OUTAGES_KEPT; i++) {
        hf_json *one = hf_json_object();
        hf_json_add_text(one, "start", hf_time_text(client->seen[i].start, time));
        hf_json_add_count(one, "duration_ms", client->seen[i].ms);
        hf_json_add_text(one, "reason", client->seen[i].reason);
        hf_json_add(outages, NULL, one);
    }
    hf_json_add(json, "outages", outages);
}

/* null: not noted, or not yet. */
static void add_noted(hf_json *json, const char *name, const char *text) {
    if (text[0]) {
        hf_json_add_text(json, name, text);
    } else {
        hf_json_add_null(json, name);
    }
}

static void add_database(hf_json *json, const hf_position_record *record, char *time) {
    const hf_database *database = &record->database;
    char system[32] = ""; /* as text: it is larger than a JSON number may be */
    if (database->system) {
        snprintf(system, sizeof system, "%llu", (unsigned long long)database->system);
    }
    add_noted(json, "finished",
              record->finished_at ? hf_time_text((int64_t)record->finished_at, time) : "");
    add_noted(json, "database", database->name);
    add_noted(json, "system_identifier", system);
    add_noted(json, "place", database->place);
    add_noted(json, "user", database->user);
}

static void add_summary(hf_json *json, const hf_summary *summary, const hf_client *client,
                        const hf_options *options, int status, const char *reason) {
    char time[HF_TIME_BYTES];
    hf_json_add_text(json, "program", "holdfast " HF_VERSION);
    hf_json_add_text(json, "output", options->output);
    if (options->shard.count) {
        char shard[32];
        snprintf(shard, sizeof shard, "%u/%u", options->shard.number, options->shard.count);
        hf_json_add_text(json, "shard", shard);
    } else {
        hf_json_add_null(json, "shard");
    }
    hf_json_add_count(json, "exit_status", (uint64_t)status);
    hf_json_add_text(json, "reason", reason);
    hf_json_add_text(json, "started", hf_time_text(summary->started, time));
    hf_json_add_count(json, "elapsed_ms", summary->elapsed_ms);
    hf_json_add_real(json, "lines_per_s", rate(summary), 1);
    static const char *const percentiles[] = { "p50_ms", "p95_ms", "p99_ms" };
    static const unsigned percents[] = { 50, 95, 99 };
    for (int i = 0; i < 3; i++) {
        const int64_t ms = hf_summary_percentile(summary, percents[i]);
        if (ms >= 0) {
            hf_json_add_count(json, percentiles[i], (uint64_t)ms);
        } else {
            hf_json_add_null(json, percentiles[i]);
        }
    }
    hf_json_add_count(json, "input_bytes", summary->input_bytes);
    hf_json_add_count(json, "output_bytes", summary->record.output_bytes);
    hf_json_add_count(json, "rejects_bytes", summary->record.rejects_bytes);
    hf_json_add_count(json, "unknown_bytes", summary->record.unknown_bytes);
    hf_json_add_count(json, "lines_total", summary->lines_total);
    hf_json_add_count(json, "lines_blank_at_end", summary->blank_lines);
    hf_json_add_count(json, "lines_done", summary->record.lines_done);
    hf_json_add_count(json, "lines_rejected", summary->record.lines_rejected);
    hf_json_add_count(json, "lines_unknown", summary->record.lines_unknown);
    if (summary->counts) {
        hf_json_add_count(json, "lines_without_effect", summary->record.lines_idle);
    } else {
        hf_json_add_null(json, "lines_without_effect");
    }
    hf_json_add_count(json, "lines_unconfirmed", summary->unconfirmed);
    const hf_run *run = &summary->record.run;
    char id[2 * HF_RUN_BYTES + 1] = "";
    if (hf_run_keeps(run)) {
        hf_hex(run->id, HF_RUN_BYTES, id);
    }
    add_noted(json, "ledger_run", id);
    hf_json_add_count(json, "lines_healed", run->healed);
    hf_json_add_count(json, "lines_uncounted", run->uncounted);
    hf_json_add_count(json, "server_changes_count", summary->changes);
    hf_json *changes = hf_json_array();
    for (uint32_t i = 0; i < summary->changes && i < HF_CHANGES_KEPT; i++) {
        hf_json *one = hf_json_object();
        hf_json_add_text(one, "at", hf_time_text(summary->changed[i].at, time));
        hf_json_add_text(one, "how", summary->changed[i].how);
        add_noted(one, "server_started",
                  summary->changed[i].started ? hf_time_text(summary->changed[i].started, time)
                                              : "");
        hf_json_add(changes, NULL, one);
    }
    hf_json_add(json, "server_changes", changes);
    add_noted(json, "server_unasked", summary->unasked);
    hf_json_add_count(json, "lines_this_run", ended(&summary->record) - summary->lines_before);
    if (summary->resumed_from) {
        hf_json_add_count(json, "resumed_from_line", summary->resumed_from);
    } else {
        hf_json_add_null(json, "resumed_from_line");
    }
    add_database(json, &summary->record, time);
    hf_json_add_count(json, "runs", summary->record.runs);
    hf_json_add_count(json, "elapsed_ms_all_runs", summary->record.elapsed_ms);
    hf_json_add_count(json, "statements", summary->statements);
    if (client && client->pool) {
        add_connections(json, client);
    }
    hf_json *slowest = hf_json_array();
    for (int i = 0; i < HF_SLOWEST && summary->slowest[i].ms; i++) {
        hf_json *one = hf_json_object();
        hf_json_add_count(one, "line", summary->slowest[i].line);
        hf_json_add_count(one, "last_line", summary->slowest[i].last);
        hf_json_add_count(one, "ms", summary->slowest[i].ms);
        hf_json_add(slowest, NULL, one);
    }
    hf_json_add(json, "slowest", slowest);
}

/* ---- told and written ----------------------------------------------------------------------------- */

static void say_text(const hf_summary *summary, const hf_client *client, const hf_options *options,
                     int status, const char *reason) {
    hf_bytes text = { 0 };
    char elapsed[32];
    hf_bytes_format(&text, "%s: exit %d, %s\n", options->output, status, reason);
    if (!summary->already) {
        say_lines(&text, summary, options);
        if (client && client->pool) {
            say_connections(&text, summary, client);
        }
        hf_bytes_format(&text, "  bytes       %llu of input, %llu of output\n",
                        (unsigned long long)summary->input_bytes,
                        (unsigned long long)summary->record.output_bytes);
        hf_bytes_format(&text, "  elapsed     %s, %.0f lines/s",
                        hf_elapsed_text(summary->elapsed_ms, elapsed), rate(summary));
        if (client && client->outage_ms) {
            hf_bytes_format(&text, "; %s of that lost to outages",
                            hf_elapsed_text(client->outage_ms, elapsed));
        }
        hf_bytes_add_byte(&text, '\n');
    }
    hf_say(hf_bytes_text(&text));
    hf_bytes_free(&text);
}

void hf_summary_say(const hf_summary *summary, const hf_client *client, const hf_options *options,
                    int status, const char *reason) {
    if (!hf_log_is_json()) {
        say_text(summary, client, options, status, reason);
        return;
    }
    hf_bytes message = { 0 };
    hf_bytes_format(&message, "%s: exit %d, %s", options->output, status, reason);
    hf_json *json = hf_log_object(hf_bytes_text(&message));
    hf_json_add_text(json, "kind", "summary");
    add_summary(json, summary, client, options, status, reason);
    hf_say_json(json);
    hf_bytes_free(&message);
}

bool hf_summary_write(const hf_summary *summary, const hf_client *client, const hf_options *options,
                      int status, const char *reason, hf_failure *failure) {
    hf_json *json = hf_json_object();
    add_summary(json, summary, client, options, status, reason);
    char *text = hf_json_print(json, true);
    const bool special = hf_file_special(options->summary); /* written to, never replaced */
    char *fresh = hf_path_beside(options->summary, special ? "" : HF_SUMMARY_NEW);
    if (!special) {
        unlink(fresh); /* what a run that was killed left */
    }
    int fd = !text     ? -1
             : special ? hf_file_open(fresh, O_WRONLY | O_CREAT | O_TRUNC)
                       : hf_file_create(fresh, O_WRONLY, 0666);
    bool good =
        fd >= 0 && hf_write_all(fd, text, strlen(text), -1) && hf_write_all(fd, "\n", 1, -1);
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (good && !special && rename(fresh, options->summary) != 0) {
        error = errno;
        good = false;
    }
    if (!good && !special) {
        unlink(fresh);
    }
    if (!good) {
        errno = error;
        if (special && error == ENXIO) {
            hf_fail(
                failure, HF_EXIT_USAGE,
                "cannot write the summary to %s: nobody reads that pipe; start its reader first, "
                "or name a file",
                options->summary);
        } else {
            hf_fail_file(failure, HF_EXIT_USAGE, options->summary, "write the summary to");
        }
    }
    free(fresh);
    free(text);
    hf_json_free(json);
    return good;
}
