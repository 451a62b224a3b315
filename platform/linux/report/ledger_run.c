/* What a run's row tells people, its particulars, is JSON in the column `kept`, in ASCII alone: a server of any
 * encoding takes it. */
#include "ledger_run.h"

#include "base/text.h"

#include "hf_json.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- particulars ---------------------------------------------------------------------------------- */

/* Text of JSON in ASCII: what is not stands within its strings alone (RFC 8259, 7). */
static void add_ascii(hf_bytes *to, const char *json) {
    for (size_t left = strlen(json), length; left > 0; json += length, left -= length) {
        uint32_t code = (unsigned char)*json;
        length = code < 0x80 ? 1 : hf_character(json, left, &code);
        if (length == 0) { /* not UTF-8, which printable text is */
            hf_bytes_add_byte(to, '?');
            length = 1;
        } else if (code < 0x80) {
            hf_bytes_add_byte(to, *json);
        } else if (code < 0x10000) {
            hf_bytes_format(to, "\\u%04x", (unsigned)code);
        } else {
            hf_bytes_format(to, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (code >> 10)),
                            (unsigned)(0xdc00 + (code & 0x3ff)));
        }
    }
}

static hf_bytes particulars(const hf_ledger_run *run, const hf_ledger_end *end) {
    hf_json *json = hf_json_object();
    hf_bytes text = { 0 };
    hf_json_add_count(json, "batch", run->batch);
    hf_json_add_count(json, "batch_bytes", run->batch_bytes);
    hf_json_add_text(json, "who", run->who);
    hf_json_add_text(json, "host", run->host);
    hf_json_add_text(json, "input", run->input);
    hf_json_add_text(json, "query", run->query);
    hf_json_add_text(json, "output", run->output);
    if (run->columns) {
        hf_json_add_text(json, "columns", run->columns);
    }
    if (end) {
        hf_json_add_count(json, "chunks", end->chunks);
        hf_json_add_count(json, "lines", end->lines);
        hf_json_add_count(json, "rejected", end->rejected);
        hf_json_add_count(json, "exit_status", (uint64_t)end->exit_status);
        hf_json_add_count(json, "ended", end->at);
    }
    char *printed = hf_json_print(json, false);
    add_ascii(&text, printed ? printed : "{}");
    free(printed);
    hf_json_free(json);
    return text;
}

static uint64_t count_of(const hf_json *json, const char *name) {
    char text[40];
    const hf_json *member = hf_json_member(json, name);
    return member && hf_json_number(member, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

static char *words_of(const hf_json *json, const char *name) {
    const hf_json *member = hf_json_member(json, name);
    return hf_must_copy(member ? hf_json_text(member) : "");
}

/* What cannot be read of it is 0 and "". */
static void take_particulars(hf_ledger_run *run, hf_value kept) {
    hf_json_error error;
    hf_json *read = kept.data ? hf_json_read(kept.data, kept.bytes, &error) : NULL;
    hf_json *json = read && hf_json_kind_of(read) == HF_JSON_OBJECT ? read : hf_json_object();
    run->batch = (uint32_t)count_of(json, "batch");
    run->batch_bytes = count_of(json, "batch_bytes");
    run->who = words_of(json, "who");
    run->host = words_of(json, "host");
    run->input = words_of(json, "input");
    run->query = words_of(json, "query");
    run->output = words_of(json, "output");
    run->columns = hf_json_member(json, "columns") ? words_of(json, "columns") : NULL;
    run->end = (hf_ledger_end){ .chunks = count_of(json, "chunks"),
                                .lines = count_of(json, "lines"),
                                .rejected = count_of(json, "rejected"),
                                .at = count_of(json, "ended"),
                                .exit_status = (int)count_of(json, "exit_status") };
    if (json != read) {
        hf_json_free(read);
    }
    hf_json_free(json);
}

/* ---- a run ---------------------------------------------------------------------------------------- */

static char *printable(const char *text) {
    hf_bytes shown = { 0 };
    hf_bytes_add_printable(&shown, text, strlen(text));
    char *copy = hf_must_copy(hf_bytes_text(&shown));
    hf_bytes_free(&shown);
    return copy;
}

bool hf_ledger_run_make(hf_ledger_run *run, hf_client *client, const char *identity,
                        const char *input, const char *query, const char *output,
                        const char *columns, hf_failure *failure) {
    uint8_t random[16];
    char host[256] = "";
    hf_port *port = hf_net_port(client->net);
    if (port->api->random(port, random, sizeof random) != 0) {
        return hf_fail(failure, HF_EXIT_INCOMPLETE,
                       "the system has no random bytes for the run's id; run the same command "
                       "again");
    }
    const struct passwd *user = getpwuid(geteuid());
    gethostname(host, sizeof host - 1);
    *run = (hf_ledger_run){ .open = true,
                            .who = printable(user ? user->pw_name : ""),
                            .host = printable(host),
                            .input = printable(input),
                            .query = printable(query),
                            .output = printable(output),
                            .columns = hf_must_copy(columns) };
    for (size_t i = 0; i < sizeof random; i++) {
        run->id[2 * i] = "0123456789abcdef"[random[i] >> 4];
        run->id[2 * i + 1] = "0123456789abcdef"[random[i] & 15];
    }
    snprintf(run->identity, sizeof run->identity, "%s", identity);
    return true;
}

void hf_ledger_run_free(hf_ledger_run *run) {
    free(run->who);
    free(run->host);
    free(run->input);
    free(run->query);
    free(run->output);
    free(run->columns);
    *run = (hf_ledger_run){ 0 };
}

void hf_ledger_runs_free(hf_ledger_runs *runs) {
    for (size_t i = 0; i < runs->count; i++) {
        hf_ledger_run_free(&runs->items[i]);
    }
    free(runs->items);
    *runs = (hf_ledger_runs){ 0 };
}

/* ---- reading -------------------------------------------------------------------------------------- */

static void take(char *to, size_t size, hf_value value) {
    snprintf(to, size, "%.*s", (int)value.bytes, value.data ? value.data : "");
}

static int on_run(hf_request *request, hf_row *row) {
    hf_ledger_runs *runs = request->user;
    char chunks[24];
    runs->items = hf_grown(runs->items, runs->count, sizeof *runs->items);
    hf_ledger_run *run = &runs->items[runs->count++];
    *run = (hf_ledger_run){ 0 };
    take(run->id, sizeof run->id, hf_row_get(row, 0));
    take(run->identity, sizeof run->identity, hf_row_get(row, 1));
    const hf_value state = hf_row_get(row, 2);
    hf_bytes shown = { 0 };
    hf_bytes_add_printable(&shown, state.data, state.bytes < 12 ? state.bytes : 12);
    snprintf(run->state, sizeof run->state, "%s", hf_bytes_text(&shown));
    hf_bytes_free(&shown);
    run->open = strcmp(run->state, "open") == 0;
    run->closed = strcmp(run->state, "closed") == 0;
    take(run->begun, sizeof run->begun, hf_row_get(row, 3));
    take(chunks, sizeof chunks, hf_row_get(row, 4));
    run->chunks = strtoull(chunks, NULL, 10);
    take_particulars(run, hf_row_get(row, 5));
    return HF_CONTINUE;
}

static void on_restart_runs(hf_request *request) {
    hf_ledger_runs_free(request->user);
}

/* `which`: the runs' condition, and what stands behind it; $1 is `value`, if there is one. */
static bool read_runs(const hf_ledger_table *table, hf_client *client, const char *which,
                      const char *value, uint32_t timeout_ms, hf_ledger_runs *runs,
                      hf_failure *failure) {
    const hf_value param = hf_text(value ? value : "");
    hf_bytes sql = { 0 };
    hf_bytes_format(&sql,
                    "SELECT r.run, r.hash, r.state, to_char(r.written AT TIME ZONE 'UTC', "
                    "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), (SELECT count(*) FROM %s c WHERE c.run = "
                    "r.run AND c.chunk > 0), r.kept FROM %s r WHERE r.chunk = 0 %s",
                    table->quoted, table->quoted, which);
    hf_request request = { .sql = hf_bytes_text(&sql),
                           .params = &param,
                           .n_params = value ? 1 : 0,
                           .on_row = on_run,
                           .on_restart = on_restart_runs,
                           .user = runs };
    const bool good = hf_ledger_ask(table, client, &request, timeout_ms, failure);
    hf_bytes_free(&sql);
    return good;
}

bool hf_ledger_run_read(const hf_ledger_table *table, hf_client *client, const char *id,
                        uint32_t timeout_ms, hf_ledger_runs *runs, hf_failure *failure) {
    return read_runs(table, client, "AND r.run = $1::text FOR SHARE OF r", id, timeout_ms, runs,
                     failure);
}

bool hf_ledger_run_find(const hf_ledger_table *table, hf_client *client, const char *identity,
                        uint32_t timeout_ms, hf_ledger_runs *runs, hf_failure *failure) {
    return read_runs(table, client,
                     "AND r.hash = $1::text AND r.state = 'open' ORDER BY r.written, r.run "
                     "FOR SHARE OF r",
                     identity, timeout_ms, runs, failure);
}

bool hf_ledger_run_list(const hf_ledger_table *table, hf_client *client, uint32_t timeout_ms,
                        hf_ledger_runs *runs, hf_failure *failure) {
    return read_runs(table, client, "ORDER BY r.written, r.run", NULL, timeout_ms, runs, failure);
}

static int on_count(hf_request *request, hf_row *row) {
    hf_ledger_count *count = request->user;
    char chunks[24];
    take(chunks, sizeof chunks, hf_row_get(row, 0));
    *count = (hf_ledger_count){ .open = true, .chunks = strtoull(chunks, NULL, 10) };
    take(count->incarnation, sizeof count->incarnation, hf_row_get(row, 1));
    return HF_CONTINUE;
}

static void on_restart_count(hf_request *request) {
    *(hf_ledger_count *)request->user = (hf_ledger_count){ 0 };
}

bool hf_ledger_run_count(const hf_ledger_table *table, hf_client *client, const char *id,
                         uint64_t last, uint32_t timeout_ms, hf_ledger_count *count,
                         hf_failure *failure) {
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, last);
    const hf_value params[] = { hf_text(id), hf_text(number) };
    hf_bytes sql = { 0 };
    hf_bytes_format(&sql,
                    "SELECT (SELECT count(*) FROM %s WHERE run = $1::text AND chunk BETWEEN 1 AND "
                    "$2::bigint), (%s) FROM %s WHERE run = $1::text AND chunk = 0 AND "
                    "state = 'open' FOR SHARE",
                    table->quoted, table->incarnation_sql ? table->incarnation_sql : "NULL",
                    table->quoted);
    *count = (hf_ledger_count){ 0 };
    hf_request request = { .sql = hf_bytes_text(&sql),
                           .params = params,
                           .n_params = 2,
                           .on_row = on_count,
                           .on_restart = on_restart_count,
                           .user = count };
    const bool good = hf_ledger_ask(table, client, &request, timeout_ms, failure);
    hf_bytes_free(&sql);
    return good;
}

/* ---- writing -------------------------------------------------------------------------------------- */

/* Runs a statement that gives no rows, and gives its text back. */
static bool write_rows(const hf_ledger_table *table, hf_client *client, hf_bytes *sql,
                       const hf_value *params, uint16_t n_params, uint32_t timeout_ms,
                       hf_request *request, hf_failure *failure) {
    *request = (hf_request){ .sql = hf_bytes_text(sql), .params = params, .n_params = n_params };
    const bool good = hf_ledger_ask(table, client, request, timeout_ms, failure);
    hf_bytes_free(sql);
    return good;
}

bool hf_ledger_run_open(const hf_ledger_table *table, hf_client *client, const hf_ledger_run *run,
                        uint32_t timeout_ms, hf_failure *failure) {
    hf_ledger_runs there = { 0 };
    hf_request request;
    hf_bytes sql = { 0 }, kept = particulars(run, NULL);
    const hf_value params[] = { hf_text(run->id), hf_text(run->identity),
                                hf_text(hf_bytes_text(&kept)) };
    hf_bytes_format(&sql,
                    "INSERT INTO %s (run, chunk, hash, state, kept) VALUES ($1::text, 0, $2::text, "
                    "'open', $3::text) ON CONFLICT DO NOTHING",
                    table->quoted);
    bool good = write_rows(table, client, &sql, params, 3, timeout_ms, &request, failure) &&
                hf_ledger_run_read(table, client, run->id, timeout_ms, &there, failure);
    hf_bytes_free(&kept);
    if (good && there.count == 0) {
        good = hf_fail(failure, HF_EXIT_INCOMPLETE,
                       "the ledger %s has lost run %s again; run the same command again",
                       table->name, run->id);
    } else if (good && strcmp(there.items[0].identity, run->identity) != 0) {
        good = hf_fail(failure, HF_EXIT_REFUSED,
                       "run %s in the ledger %s is another job's: start over with --restart",
                       run->id, table->name);
    } else if (good && !there.items[0].open) {
        good = hf_fail(failure, HF_EXIT_REFUSED,
                       "run %s in the ledger %s is closed: start over with --restart", run->id,
                       table->name);
    }
    hf_ledger_runs_free(&there);
    return good;
}

bool hf_ledger_run_close(const hf_ledger_table *table, hf_client *client, const hf_ledger_run *run,
                         const hf_ledger_end *end, uint32_t timeout_ms, bool *closed,
                         hf_failure *failure) {
    hf_request request;
    hf_bytes sql = { 0 }, kept = particulars(run, end);
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, end->chunks);
    const hf_value params[] = { hf_text(run->id), hf_text(number), hf_text(run->identity),
                                hf_text(hf_bytes_text(&kept)) };
    hf_bytes_format(
        &sql,
        "UPDATE %s SET state = 'closed', kept = $4::text WHERE run = $1::text AND "
        "chunk = 0 AND hash = $3::text AND (kept LIKE '%%\"ended\":%%' OR (SELECT count(*) FROM "
        "%s WHERE run = $1::text AND chunk BETWEEN 1 AND $2::bigint) = $2::bigint)",
        table->quoted, table->quoted);
    const bool good = write_rows(table, client, &sql, params, 4, timeout_ms, &request, failure);
    hf_bytes_free(&kept);
    *closed = good && request.affected == 1;
    if (*closed && request.unconfirmed) {
        return hf_fail(failure, HF_EXIT_INCOMPLETE,
                       "the ledger %s: no synchronous standby confirmed the closing of run %s; run "
                       "the same command again",
                       table->name, run->id);
    }
    return good;
}

bool hf_ledger_run_empty(const hf_ledger_table *table, hf_client *client, const char *id,
                         uint32_t timeout_ms, hf_failure *failure) {
    const hf_value param = hf_text(id);
    hf_request request;
    hf_bytes sql = { 0 };
    hf_bytes_format(
        &sql,
        "DELETE FROM %s WHERE run = $1::text AND chunk > 0 AND EXISTS (SELECT 1 FROM %s "
        "WHERE run = $1::text AND chunk = 0 AND state = 'closed')",
        table->quoted, table->quoted);
    return write_rows(table, client, &sql, &param, 1, timeout_ms, &request, failure);
}

/* With `force` the run is closed first: that waits for its chunks in flight, and lets no further one come. */
bool hf_ledger_run_forget(const hf_ledger_table *table, hf_client *client, const char *id,
                          bool force, uint32_t timeout_ms, uint64_t *rows, hf_failure *failure) {
    const hf_value param = hf_text(id);
    hf_request request;
    hf_bytes close = { 0 }, sql = { 0 };
    hf_bytes_format(&close,
                    "UPDATE %s SET state = 'closed' WHERE run = $1::text AND chunk = 0 AND "
                    "state IS DISTINCT FROM 'closed'",
                    table->quoted);
    hf_bytes_format(
        &sql,
        "DELETE FROM %s WHERE run = $1::text AND chunk >= %d AND EXISTS (SELECT 1 FROM %s "
        "WHERE run = $1::text AND chunk = 0 AND state = 'closed')",
        table->quoted, force ? 1 : 0, table->quoted);
    const bool good =
        (!force || write_rows(table, client, &close, &param, 1, timeout_ms, &request, failure)) &&
        write_rows(table, client, &sql, &param, 1, timeout_ms, &request, failure);
    hf_bytes_free(&close);
    hf_bytes_free(&sql);
    *rows = good ? request.affected : 0;
    return good;
}
