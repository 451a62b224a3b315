/* `holdfast merge`: the finished shards of a report become the files that one run over the whole input would have
 * written. A merge that was cut short leaves a position that is no report's (its identity is nobody's), and the next
 * one starts over. The merged report is finished as any other: OUTPUT.done says whose it is. */
#include "program.h"

#include "base/files.h"
#include "base/log.h"
#include "base/signals.h"
#include "first_pass.h"
#include "outputs.h"
#include "shards.h"

#include <stdlib.h>
#include <string.h>

#define SIGNALS_EVERY 1024 /* lines */
#define PIECE_BYTES   ((size_t)64 * 1024)

typedef struct hf_merging {
    const hf_options *options;
    hf_shards shards;
    hf_outputs outputs;
    hf_position_record record;
    hf_identity whole; /* the identity of the report that comes of it */
    bool already;
} hf_merging;

/* ---- copying -------------------------------------------------------------------------------------- */

static bool copy(FILE *from, const char *path, uint64_t bytes, hf_outfile *to,
                 hf_failure *failure) {
    while (bytes > 0) {
        hf_bytes *buffer = hf_outfile_buffer(to);
        const size_t piece = bytes < PIECE_BYTES ? (size_t)bytes : PIECE_BYTES;
        hf_bytes_reserve(buffer, piece);
        if (fread(buffer->data + buffer->used, 1, piece, from) != piece) {
            return hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "read");
        }
        buffer->used += piece;
        bytes -= piece;
        if (!hf_outfile_added(to)) {
            return hf_outfile_fail(to, failure);
        }
    }
    return true;
}

/* Which of a part's files is merged; the same member of each part. */
typedef hf_shard_lines *hf_member(hf_shard_part *part);

static hf_shard_lines *output_of(hf_shard_part *part) {
    return &part->lines;
}
static hf_shard_lines *rejects_of(hf_shard_part *part) {
    return &part->rejects;
}
static hf_shard_lines *unknown_of(hf_shard_part *part) {
    return &part->unknown;
}

typedef struct hf_heap_place {
    hf_shard_part *part;
} hf_heap_place;

/* The parts as a heap by the line that each has at hand, the least on top. */
typedef struct hf_heap_of_parts {
    hf_heap_place *parts;
    size_t count;
    hf_member *member;
} hf_heap_of_parts;

static void sift(const hf_heap_of_parts *heap, size_t at) {
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap->count; child++) {
            least = heap->member(heap->parts[child].part)->line <
                            heap->member(heap->parts[least].part)->line
                        ? child
                        : least;
        }
        if (least == at) {
            return;
        }
        const hf_heap_place place = heap->parts[at];
        heap->parts[at] = heap->parts[least];
        heap->parts[least] = place;
        at = least;
    }
}

/* Copies the lines of all parts into one file, in the order of their numbers. Each file stands behind its header. */
static bool copy_lines(hf_heap_of_parts *heap, hf_outfile *to, hf_failure *failure) {
    for (size_t i = heap->count; i-- > 0;) {
        sift(heap, i);
    }
    for (uint64_t done = 1; heap->count > 0; done++) {
        hf_shard_part *part = heap->parts[0].part;
        hf_shard_lines *lines = heap->member(part);
        if (!copy(lines->file, part->output, lines->bytes, to, failure) ||
            !hf_shard_next(part, lines, failure)) {
            return false;
        }
        if (!lines->file) {
            heap->parts[0] = heap->parts[--heap->count];
        }
        sift(heap, 0);
        if (done % SIGNALS_EVERY == 0 && hf_signals_caught()) {
            return hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s; run the same command again",
                           strsignal(hf_signals_caught()));
        }
    }
    return true;
}

/* Merges one kind of file; the header is that of the first part that has one. */
static bool merge_files(hf_merging *merge, hf_member *member, hf_outfile *to, hf_failure *failure) {
    hf_heap_of_parts heap = { .parts = hf_must_alloc(merge->shards.count, sizeof *heap.parts),
                              .member = member };
    bool good = true;
    for (size_t i = 0; good && i < merge->shards.count; i++) {
        hf_shard_part *part = &merge->shards.parts[i];
        hf_shard_lines *lines = member(part);
        hf_bytes header = { 0 };
        if (!lines->file) {
            continue;
        }
        hf_bytes_reserve(&header, (size_t)lines->bytes);
        good = fread(header.data, 1, (size_t)lines->bytes, lines->file) == lines->bytes ||
               hf_fail_file(failure, HF_EXIT_INCOMPLETE, part->output, "read");
        header.used = (size_t)lines->bytes;
        good = good &&
               (hf_outfile_is_open(to) || hf_outputs_need(&merge->outputs, to, &header, failure)) &&
               hf_shard_next(part, lines, failure);
        hf_bytes_free(&header);
        if (good && lines->file) {
            heap.parts[heap.count++].part = part;
        }
    }
    good = good && copy_lines(&heap, to, failure);
    free(heap.parts);
    return good;
}

/* ---- the job -------------------------------------------------------------------------------------- */

/* Which finished shards they are: another run of one of them ended at another time. (Not a later one: machines' clocks
 * differ.) */
static uint64_t stamp_of(const hf_shards *shards) {
    hf_bytes text = { 0 };
    uint8_t hash[HF_HASH_BYTES];
    uint64_t stamp;
    for (size_t i = 0; i < shards->count; i++) {
        const hf_position_record *part = &shards->parts[i].record;
        hf_bytes_format(&text, "%llu %llu %llu %llu\n", (unsigned long long)part->finished_at,
                        (unsigned long long)part->output_bytes,
                        (unsigned long long)part->rejects_bytes,
                        (unsigned long long)part->unknown_bytes);
    }
    hf_sha256_of(text.data, text.used, hash);
    hf_bytes_free(&text);
    memcpy(&stamp, hash, sizeof stamp);
    return stamp;
}

/* What the merged report's position says: the parts' together. */
static void add_up(hf_merging *merge) {
    const hf_shards *shards = &merge->shards;
    hf_position_record *record = &merge->record;
    *record = shards->parts[shards->count - 1].record; /* which ends where the input does */
    record->identity = merge->whole;
    record->output_bytes = record->rejects_bytes = record->unknown_bytes = 0;
    record->lines_done = record->lines_rejected = record->lines_unknown = record->lines_idle = 0;
    record->elapsed_ms = 0;
    record->finished = 0;
    record->runs = 0;
    record->input_offset = stamp_of(shards);
    for (size_t i = 0; i < shards->count; i++) {
        const hf_position_record *part = &shards->parts[i].record;
        record->lines_done += part->lines_done;
        record->lines_rejected += part->lines_rejected;
        record->lines_unknown += part->lines_unknown;
        record->lines_idle += part->lines_idle;
        record->elapsed_ms += part->elapsed_ms;
    }
}

/* The first line of the first part. */
static bool read_header(hf_merging *merge, hf_bytes *header, hf_failure *failure) {
    const hf_shard_part *part = &merge->shards.parts[0];
    const size_t bytes = (size_t)part->head.header_bytes;
    hf_bytes_reserve(header, bytes);
    header->used = bytes;
    if (fread(header->data, 1, bytes, part->lines.file) != bytes) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, part->output, "read");
    }
    rewind(part->lines.file);
    return true;
}

static bool put_together(hf_merging *merge, int *status, hf_failure *failure) {
    hf_outputs *outputs = &merge->outputs;
    hf_position_record *record = &merge->record;
    hf_bytes header = { 0 };
    add_up(merge);
    record->identity.settings[0] ^= 0xff; /* until it is finished: of no report */
    bool good =
        read_header(merge, &header, failure) && hf_outputs_begin(outputs, &header, record, failure);
    hf_bytes_free(&header);
    if (!good) {
        return false;
    }
    good = merge_files(merge, output_of, &outputs->out, failure) &&
           merge_files(merge, rejects_of, &outputs->rejects, failure) &&
           merge_files(merge, unknown_of, &outputs->unknown, failure);
    if (!good) {
        hf_outputs_discard(outputs);
        return false;
    }
    record->identity = merge->whole;
    record->output_bytes = hf_outfile_length(&outputs->out);
    record->rejects_bytes = hf_outfile_length(&outputs->rejects);
    record->unknown_bytes = hf_outfile_length(&outputs->unknown);
    record->finished_at = (uint64_t)hf_time_now();
    *status = record->lines_unknown    ? HF_EXIT_UNKNOWN
              : record->lines_rejected ? HF_EXIT_REJECTED
                                       : HF_EXIT_DONE;
    return hf_outputs_finish(outputs, record, *status, failure);
}

/* Is what is there to be made anew: a merge that was cut short, or one that other runs of the shards were merged by? */
static bool is_stale(const hf_merging *merge, const char *output) {
    hf_position_record record;
    hf_failure failure;
    hf_identity marked = merge->whole;
    char *position = hf_path_beside(output, ".position"), *done = hf_path_beside(output, ".done");
    bool stale = hf_position_read(position, &record, &failure) == HF_POSITION_VALID;
    marked.settings[0] ^= 0xff;
    stale = stale && !record.finished && !hf_identity_difference(&record.identity, &marked);
    if (hf_position_read(done, &record, &failure) == HF_POSITION_VALID && record.runs == 0 &&
        !hf_identity_difference(&record.identity, &merge->whole)) {
        stale = stale || record.input_offset != stamp_of(&merge->shards);
    }
    free(position);
    free(done);
    return stale;
}

static bool run(hf_merging *merge, int *status, hf_failure *failure) {
    const hf_options *options = merge->options;
    if (!hf_folder_usable(options->output, failure) ||
        !hf_shards_open(&merge->shards, options->words.items, options->words.count, failure)) {
        return false;
    }
    merge->whole = merge->shards.parts[0].record.identity;
    memcpy(merge->whole.settings, merge->shards.parts[0].head.settings, HF_HASH_BYTES);
    switch (hf_outputs_find(&merge->outputs,
                            &(hf_outputs_wish){ .output = options->output,
                                                .identity = &merge->whole,
                                                .restart = is_stale(merge, options->output) },
                            &merge->record, failure)) {
    case HF_OUTPUTS_FRESH: return put_together(merge, status, failure);
    case HF_OUTPUTS_FINISHED:
        if (merge->record.runs > 0) {
            return hf_fail(
                failure, HF_EXIT_USAGE,
                "%s is the report of a run over the whole input: move it away, or choose "
                "another --output",
                options->output);
        }
        merge->already = true;
        *status = merge->record.exit_status;
        return true;
    case HF_OUTPUTS_RESUME:
        return hf_fail(failure, HF_EXIT_USAGE,
                       "%s is being made by a report over the whole input: choose another --output",
                       options->output);
    case HF_OUTPUTS_FAILED: break;
    }
    return false;
}

static void say(const hf_merging *merge, int status) {
    const hf_position_record *record = &merge->record;
    hf_bytes text = { 0 };
    hf_bytes_format(&text, "%s: exit %d, %zu shards %s: %llu lines done", merge->options->output,
                    status, merge->shards.count,
                    merge->already ? "were put together by an earlier run: nothing to do"
                                   : "put together",
                    (unsigned long long)record->lines_done);
    if (record->lines_rejected) {
        hf_bytes_format(&text, ", %llu rejected (%s.rejects.csv)",
                        (unsigned long long)record->lines_rejected, merge->options->output);
    }
    if (record->lines_unknown) {
        hf_bytes_format(&text, ", %llu unknown (%s.unknown.csv)",
                        (unsigned long long)record->lines_unknown, merge->options->output);
    }
    if (hf_log_is_json()) {
        hf_json *json = hf_log_object(hf_bytes_text(&text));
        hf_json_add_text(json, "kind", "summary");
        hf_json_add_text(json, "output", merge->options->output);
        hf_json_add_count(json, "exit_status", (uint64_t)status);
        hf_json_add_count(json, "shards", merge->shards.count);
        hf_json_add_count(json, "lines_done", record->lines_done);
        hf_json_add_count(json, "lines_rejected", record->lines_rejected);
        hf_json_add_count(json, "lines_unknown", record->lines_unknown);
        hf_say_json(json);
    } else {
        hf_bytes_add_byte(&text, '\n');
        hf_say(hf_bytes_text(&text));
    }
    hf_bytes_free(&text);
}

int hf_merge(const hf_options *options) {
    hf_failure failure = { 0 };
    hf_merging merge = { .options = options };
    int status = HF_EXIT_DONE;
    merge.outputs.position.fd = merge.outputs.out.fd = merge.outputs.rejects.fd =
        merge.outputs.unknown.fd = merge.outputs.shard.fd = -1;
    if (run(&merge, &status, &failure)) {
        say(&merge, status);
    } else {
        status = failure.status;
        hf_log_failure(&failure);
    }
    hf_outputs_close(&merge.outputs);
    hf_shards_close(&merge.shards);
    return status;
}
