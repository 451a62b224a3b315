/* How chunks are made, sent and let go; what an answer does to a chunk is chunk_answers.c's. */
#include "chunks.h"

#include "chunk_answers.h"
#include "intake.h"
#include "release.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS      65536
#define BYTES_MAX    (1024u * 1024) /* of a chunk, however large the transmit buffer is */
#define BYTES_AROUND 4096u          /* of a flight that are not its lines' */
/* Bytes of a statement that are not its text or parameters: never another number, for the chunks of a run that an older
 * program began must stay what they are. */
#define BYTES_STATEMENT 64u

uint64_t hf_chunk_bytes_max(uint32_t tx_bytes) {
    const uint32_t room = tx_bytes > 2 * BYTES_AROUND ? tx_bytes - BYTES_AROUND : tx_bytes / 2;
    return room < BYTES_MAX ? room : BYTES_MAX;
}

/* The text is counted for each line, prepared or not: so a chunk is the same piece of the input either way. */
static uint64_t bytes_of(size_t sql_bytes, uint16_t n_params) {
    return BYTES_STATEMENT + sql_bytes + 4u * n_params;
}

uint64_t hf_chunk_lines_max(uint32_t tx_bytes, size_t sql_bytes, uint16_t n_params) {
    return hf_chunk_bytes_max(tx_bytes) / bytes_of(sql_bytes, n_params);
}

void hf_chunks_init(hf_job *job) {
    hf_chunks *chunks = &job->chunks;
    const hf_run *run = &job->record.run;
    *chunks = (hf_chunks){ .size = 2 * job->concurrent + 2 };
    chunks->items = hf_must_alloc(chunks->size, sizeof *chunks->items);
    chunks->head = chunks->tail = run->chunks + 1;
    hf_hex(run->id, HF_RUN_BYTES, chunks->run);
    if (job->scan.order_column != HF_NO_COLUMN) {
        chunks->last = hf_must_alloc(BUCKETS, sizeof *chunks->last);
        chunks->last_mask = BUCKETS - 1;
    }
    hf_window_init(&job->window, (uint32_t)(chunks->size * run->batch + 1));
}

void hf_chunks_free(hf_chunks *chunks) {
    for (uint32_t i = 0; i < chunks->size && chunks->items; i++) {
        hf_chunk *chunk = &chunks->items[i];
        free(chunk->statements);
        free(chunk->lines);
        free(chunk->before);
        hf_bytes_free(&chunk->kept);
    }
    free(chunks->items);
    free(chunks->last);
    *chunks = (hf_chunks){ 0 };
}

/* ---- forming -------------------------------------------------------------------------------------- */

static void begin(hf_job *job) {
    hf_chunks *chunks = &job->chunks;
    hf_chunk *chunk = hf_chunks_at(chunks, chunks->tail);
    const hf_chunk used = *chunk;
    const uint64_t first = job->window.tail - chunks->pending;
    *chunk = (hf_chunk){ .job = job,
                         .state = HF_CHUNK_FORMING,
                         .number = chunks->tail++,
                         .first = first,
                         .end = first,
                         .statements = used.statements,
                         .lines = used.lines,
                         .size = used.size,
                         .kept = used.kept,
                         .before = used.before };
    hf_bytes_reset(&chunk->kept, 65536);
    chunk->acknowledged = chunk->number <= job->record.run.seen;
}

/* --order-by: the chunk comes behind the last one with the line's value. */
static void order(hf_job *job, hf_chunk *chunk, const hf_line *line) {
    hf_chunks *chunks = &job->chunks;
    if (!chunks->last || line->state != HF_LINE_READY) {
        return;
    }
    uint64_t *last =
        &chunks->last[hf_order_hash(line->cells, line->n_cells, job->scan.order_column) &
                      chunks->last_mask];
    const uint64_t before = *last;
    *last = chunk->number;
    if (before < chunks->head || before == chunk->number) {
        return;
    }
    for (size_t i = 0; i < chunk->n_before; i++) {
        if (chunk->before[i] == before) {
            return;
        }
    }
    if (!chunk->before) {
        chunk->before = hf_must_alloc(chunks->size, sizeof *chunk->before);
    }
    chunk->before[chunk->n_before++] = before;
}

static uint64_t bytes_of_line(hf_job *job, hf_line *line) {
    uint64_t bytes = bytes_of(job->sql.used, job->n_params);
    if (line->state != HF_LINE_READY) {
        return bytes;
    }
    if (job->n_params > line->params_size) {
        free(line->params);
        line->params = hf_must_alloc(job->n_params, sizeof *line->params);
        line->params_size = job->n_params;
    }
    for (uint16_t i = 0; i < job->n_params; i++) {
        line->params[i] = line->cells[job->params[i]];
        bytes += line->params[i].bytes;
    }
    return bytes;
}

/* Takes lines on while they come and fit. True: the chunk is as large as may be, or the input is at its end. A line
 * that does not fit is the next chunk's first: which one that is depends on the input alone. */
static bool fill(hf_job *job, hf_chunk *chunk) {
    hf_chunks *chunks = &job->chunks;
    const hf_run *run = &job->record.run;
    while (chunk->end - chunk->first < run->batch) {
        if (!chunks->pending && !hf_intake_line(job, chunk->number == chunks->head)) {
            return job->input_ended && !job->stopping && chunk->end > chunk->first;
        }
        hf_line *line = hf_window_at(&job->window, chunk->end);
        const uint64_t bytes = bytes_of_line(job, line);
        chunks->pending = chunk->end > chunk->first && chunk->bytes + bytes > run->bytes;
        if (chunks->pending) {
            return true;
        }
        chunk->bytes += bytes;
        chunk->end++;
        order(job, chunk, line);
    }
    return true;
}

/* Forms the next chunk, as far as there are lines. NULL: none is ready. */
static hf_chunk *form(hf_job *job) {
    hf_chunks *chunks = &job->chunks;
    hf_chunk *chunk = chunks->tail > chunks->head ? hf_chunks_at(chunks, chunks->tail - 1) : NULL;
    if (!chunk || chunk->state != HF_CHUNK_FORMING) {
        if ((job->input_ended && !chunks->pending) || chunks->tail - chunks->head == chunks->size) {
            return NULL;
        }
        begin(job);
        chunk = hf_chunks_at(chunks, chunks->tail - 1);
    }
    if (fill(job, chunk)) {
        chunk->state = HF_CHUNK_READY;
        return chunk;
    }
    if (job->input_ended) {
        chunks->tail--; /* it has no line */
    }
    return NULL;
}

/* ---- sending -------------------------------------------------------------------------------------- */

static bool may_run(const hf_chunks *chunks, const hf_chunk *chunk, hf_ms now) {
    if (chunk->state != HF_CHUNK_READY || now < chunk->not_before) {
        return false;
    }
    for (size_t i = 0; i < chunk->n_before; i++) {
        if (chunk->before[i] >= chunks->head &&
            hf_chunks_at(chunks, chunk->before[i])->state != HF_CHUNK_DONE) {
            return false;
        }
    }
    return true;
}

/* The chunk that is to run next. One that met its second conflict runs alone: *alone. NULL: none may. */
static hf_chunk *next(hf_job *job, bool *alone) {
    hf_chunks *chunks = &job->chunks;
    const hf_ms now = hf_client_now(&job->client);
    hf_chunk *first = NULL;
    *alone = false;
    for (uint64_t i = chunks->head; i < chunks->tail; i++) {
        hf_chunk *chunk = hf_chunks_at(chunks, i);
        const bool runs = chunk->state == HF_CHUNK_READY || chunk->state == HF_CHUNK_RUNNING;
        if (runs && chunk->conflicts >= HF_CONFLICTS_APART) {
            const bool waits = chunk->state == HF_CHUNK_READY && now >= chunk->not_before &&
                               !may_run(chunks, chunk, now);
            if (waits && job->running == 0 && first) {
                return first; /* it waits for one before it, which comes first */
            }
            *alone = true;
            return job->running == 0 && may_run(chunks, chunk, now) ? chunk : NULL;
        }
        first = !first && may_run(chunks, chunk, now) ? chunk : first;
    }
    while (!first && (first = form(job)) && !may_run(chunks, first, now)) {
        first = NULL; /* it comes behind another of its values */
    }
    return first;
}

void hf_chunks_submit(hf_job *job) {
    bool alone = false;
    job->passing = false;
    while (!job->stopping && !job->chunks.verify && !alone && job->running < job->concurrent) {
        hf_chunk *chunk = next(job, &alone);
        if (!chunk || job->stopping) {
            return;
        }
        hf_chunk_send(chunk);
    }
}

hf_ms hf_chunks_next(hf_job *job) {
    const hf_chunks *chunks = &job->chunks;
    const hf_ms now = hf_client_now(&job->client);
    hf_ms when = HF_NEVER;
    for (uint64_t i = chunks->head; i < chunks->tail; i++) {
        const hf_chunk *chunk = hf_chunks_at(chunks, i);
        if (chunk->state == HF_CHUNK_READY && chunk->not_before > now && chunk->not_before < when) {
            when = chunk->not_before;
        }
    }
    return when;
}

/* ---- letting go ----------------------------------------------------------------------------------- */

/* Writes what became of the chunk's lines into the files. False: a file failed, and none of them counts. */
static bool let_go(hf_job *job, hf_chunk *chunk) {
    const hf_position_record before = job->record;
    const uint64_t head_start = job->head_start;
    for (uint64_t i = chunk->first; i < chunk->end; i++) {
        const hf_line *line = hf_window_at(&job->window, i);
        if (!hf_release(job, hf_window_at(&job->window, i))) {
            job->record = before; /* what the files have beyond it is cut by the next run */
            job->head_start = head_start;
            chunk->state = HF_CHUNK_UNDONE; /* else it would be written behind that */
            return false;
        }
        job->record.run.uncounted += line->state == HF_LINE_OK && !line->counted && job->counts;
    }
    job->record.run.healed += chunk->healed;
    while (job->window.head < chunk->end) {
        hf_window_remove(&job->window);
    }
    job->record.run.chunks = chunk->number;
    if (job->record.run.seen < chunk->number) {
        job->record.run.seen = chunk->number;
    }
    return true;
}

void hf_chunks_let_go(hf_job *job) {
    hf_chunks *chunks = &job->chunks;
    while (chunks->head < chunks->tail &&
           hf_chunks_at(chunks, chunks->head)->state == HF_CHUNK_DONE &&
           let_go(job, hf_chunks_at(chunks, chunks->head))) {
        chunks->head++;
    }
}

uint64_t hf_chunks_acknowledged(const hf_job *job) {
    const hf_chunks *chunks = &job->chunks;
    uint64_t number = job->record.run.seen;
    for (uint64_t i = chunks->head; i < chunks->tail && hf_chunks_at(chunks, i)->acknowledged;
         i++) {
        number = i > number ? i : number;
    }
    return number;
}

void hf_chunks_again(hf_job *job) {
    hf_chunks *chunks = &job->chunks;
    for (uint64_t i = chunks->head; i < chunks->tail; i++) {
        hf_chunk *chunk = hf_chunks_at(chunks, i);
        if (chunk->state == HF_CHUNK_DONE) {
            hf_chunk_reset(chunk);
        }
    }
}
