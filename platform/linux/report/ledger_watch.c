#include "ledger_watch.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_AFTER_MS 2000 /* a key that takes longer is held by somebody */
#define WATCH_EVERY_MS 2000

/* What the waiting session runs is the ledger's insert; of a long text pg_stat_activity has the beginning. One whose
 * COMMIT waits for a synchronous standby is left alone: ended, it would be committed without the standby. */
static const char look[] =
    "SELECT b.pid, coalesce(to_char(b.xact_start, 'HH24:MI:SS'), '?'), coalesce(b.wait_event, ''), "
    "CASE WHEN $3::boolean AND b.application_name = $1 AND b.usename = current_user "
    "AND b.wait_event IS DISTINCT FROM 'SyncRep' "
    "THEN pg_catalog.pg_terminate_backend(b.pid) END "
    "FROM pg_catalog.pg_stat_activity w "
    "CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(w.pid)) AS holder(pid) "
    "JOIN pg_catalog.pg_stat_activity b ON b.pid = holder.pid "
    "WHERE w.application_name = $1 AND w.usename = current_user AND w.datname = current_database() "
    "AND w.wait_event_type = 'Lock' AND left(w.query, 200) = left($2, 200)";

void hf_ledger_watch_name(hf_job *job, hf_config *config) {
    hf_ledger_watch *watch = &job->watch;
    watch->ours = !config->named;
    watch->at = HF_NEVER;
    snprintf(watch->job_name, sizeof watch->job_name, "holdfast %.32s", job->ledger_hash);
    if (watch->ours) {
        config->application_name = watch->job_name;
    }
    job->concurrent = config->max_concurrent;
    if (config->max_concurrent < HF_CONNS_MAX) {
        config->max_concurrent++;
    } else {
        job->concurrent--;
    }
}

static int on_row(hf_request *request, hf_row *row) {
    hf_job *job = request->user;
    hf_ledger_watch *watch = &job->watch;
    char pid[24], since[24], event[64];
    const hf_value values[] = { hf_row_get(row, 0), hf_row_get(row, 1), hf_row_get(row, 2),
                                hf_row_get(row, 3) };
    snprintf(pid, sizeof pid, "%.*s", (int)values[0].bytes, values[0].data ? values[0].data : "");
    snprintf(since, sizeof since, "%.*s", (int)values[1].bytes,
             values[1].data ? values[1].data : "");
    snprintf(event, sizeof event, "%.*s", (int)(values[2].bytes < 60 ? values[2].bytes : 60),
             values[2].data ? values[2].data : "");
    const bool ended = values[3].data && values[3].bytes == 1 && *values[3].data == 't';
    const long process = strtol(pid, NULL, 10);
    const hf_chunk *chunk = hf_chunks_at(&job->chunks, watch->chunk);
    if (chunk->number != watch->chunk || process == watch->told) {
        return HF_CONTINUE; /* told already */
    }
    watch->told = process;
    const uint64_t first = hf_window_at(&job->window, chunk->first)->line;
    const uint64_t last = hf_window_at(&job->window, chunk->end - 1)->line;
    hf_log(HF_LOG_WARN,
           "waits for an earlier run of lines %llu to %llu, server process %s, since %s: %s",
           (unsigned long long)first, (unsigned long long)last, pid, since,
           ended                           ? "it is told to end"
           : strcmp(event, "SyncRep") == 0 ? "its commit waits for a synchronous standby"
           : watch->ours
               ? "it is not ours to end, or cannot be ended"
               : "application_name is set, so it cannot be known for ours, and is left alone");
    return HF_CONTINUE;
}

static void on_done(hf_request *request) {
    hf_job *job = request->user;
    job->watch.under_way = false;
}

/* The oldest chunk that has waited for its key for so long that somebody must hold it; 0: none has. */
static uint64_t waiting(const hf_job *job, hf_ms now, hf_ms *next) {
    const hf_chunks *chunks = &job->chunks;
    *next = HF_NEVER;
    for (uint64_t i = chunks->head; i < chunks->tail; i++) {
        const hf_chunk *chunk = hf_chunks_at(chunks, i);
        if (chunk->state != HF_CHUNK_RUNNING || hf_request_keyed(&chunk->request)) {
            continue;
        }
        if (now - chunk->sent_at >= WATCH_AFTER_MS) {
            return hf_request_in_flight(&chunk->request) ? i : 0;
        }
        const hf_ms then = chunk->sent_at + WATCH_AFTER_MS;
        *next = then < *next ? then : *next;
    }
    return 0;
}

hf_ms hf_ledger_watch_turn(hf_job *job) {
    hf_ledger_watch *watch = &job->watch;
    const hf_ms now = hf_client_now(&job->client);
    hf_ms next;
    if (watch->under_way || job->stopping) {
        return HF_NEVER;
    }
    if (watch->at != HF_NEVER && now < watch->at) {
        return watch->at;
    }
    const uint64_t chunk = waiting(job, now, &next);
    watch->at = HF_NEVER;
    if (chunk == 0) {
        watch->told = 0;
        return next;
    }
    watch->chunk = chunk;
    watch->at = now + WATCH_EVERY_MS;
    watch->params[0] =
        hf_text(watch->ours ? watch->job_name : job->client.config->application_name);
    watch->params[1] = hf_text(job->ledger.insert);
    watch->params[2] = hf_text(watch->ours ? "t" : "f");
    watch->request = (hf_request){ .sql = look,
                                   .params = watch->params,
                                   .n_params = 3,
                                   .replay = HF_REPLAY_SAFE,
                                   .on_row = on_row,
                                   .on_done = on_done,
                                   .timeout_ms = 30000,
                                   .user = job };
    watch->under_way = hf_submit(job->client.pool, &watch->request) == 0;
    return watch->at;
}
