#include "shards.h"

#include "base/files.h"
#include "first_pass.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define BUFFER_BYTES ((size_t)64 * 1024)

static FILE *open_file(const char *path, hf_failure *failure) {
    int fd = hf_file_reopen(path, O_RDONLY);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file) {
        hf_fail_file(failure, HF_EXIT_USAGE, path, "read");
        return NULL;
    }
    setvbuf(file, NULL, _IOFBF, BUFFER_BYTES);
    return file;
}

static uint64_t size_of(FILE *file) {
    struct stat stat;
    return fstat(fileno(file), &stat) == 0 ? (uint64_t)stat.st_size : UINT64_MAX;
}

static bool fail_changed(const hf_shard_part *part, const char *path, hf_failure *failure) {
    return hf_fail(failure, HF_EXIT_USAGE,
                   "%s is not the file that the finished shard left (%s.done and %s.shard say what "
                   "it was): bring it back, or run that shard again with --restart (writes are "
                   "applied once more)",
                   path, part->output, part->output);
}

/* Is the file what the seal says? Without a seal it is. */
static bool is_sealed(const hf_shard_part *part, const char *path, uint64_t bytes,
                      enum hf_index_sealed which, hf_failure *failure) {
    uint8_t hash[HF_HASH_BYTES];
    if (!part->sealed) {
        return true;
    }
    if (!hf_sha256_of_file(path, bytes, hash)) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "read");
    }
    return memcmp(hash, part->seal[which], sizeof hash) == 0 || fail_changed(part, path, failure);
}

/* A file of a part, which must be as long as the part's position says, and what the seal says. */
static bool open_part_file(const hf_shard_part *part, const char *path, uint64_t bytes,
                           enum hf_index_sealed which, FILE **file, hf_failure *failure) {
    *file = open_file(path, failure);
    return *file && (size_of(*file) == bytes || fail_changed(part, path, failure)) &&
           is_sealed(part, path, bytes, which, failure);
}

/* ---- lines ---------------------------------------------------------------------------------------- */

static bool next_of_output(hf_shard_part *part, hf_shard_lines *lines, hf_failure *failure) {
    uint8_t raw[HF_INDEX_ENTRY];
    if (part->entries == 0) {
        fclose(lines->file);
        lines->file = NULL;
        return true;
    }
    if (fread(raw, sizeof raw, 1, part->index) != 1) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, part->output, "read the index of");
    }
    const hf_index_entry entry = hf_index_entry_read(raw);
    lines->offset += lines->bytes;
    lines->line = entry.line;
    lines->bytes = entry.bytes;
    part->entries--;
    return true;
}

bool hf_shard_next(hf_shard_part *part, hf_shard_lines *lines, hf_failure *failure) {
    hf_csv_record record;
    if (!lines->records) {
        return next_of_output(part, lines, failure);
    }
    int got = hf_csv_in_next(lines->records, &record, failure);
    if (got <= 0) {
        fclose(lines->file);
        lines->file = NULL;
        return got == 0;
    }
    lines->offset += lines->bytes;
    lines->bytes = record.end - lines->offset;
    lines->line = record.cells[0].data ? strtoull(record.cells[0].data, NULL, 10) : 0;
    return true;
}

/* The file of rejects or of unknown lines is opened if the shard has one; its header is passed over. */
static bool open_refusals(hf_shard_part *part, hf_shard_lines *lines, const char *ending,
                          uint64_t bytes, enum hf_index_sealed which, hf_failure *failure) {
    if (bytes == 0) {
        return true;
    }
    lines->path = hf_path_beside(part->output, ending);
    if (!open_part_file(part, lines->path, bytes, which, &lines->file, failure)) {
        return false;
    }
    lines->records = hf_csv_in_open(lines->path, failure);
    return lines->records && hf_shard_next(part, lines, failure);
}

/* ---- opening -------------------------------------------------------------------------------------- */

/* Is the position of a run that makes the part, for the first time or anew, there? One that was printed has it under
 * the name that --position gave. */
static bool is_under_way(const char *output) {
    char *beside = hf_path_beside(output, ".position"), *given = hf_must_copy(output);
    char *ending = strrchr(given, '.');
    hf_position_record unfinished;
    hf_failure failure;
    bool is = hf_position_read(beside, &unfinished, &failure) == HF_POSITION_VALID;
    if (ending && strcmp(ending, ".output") == 0) {
        *ending = '\0';
        is = is || hf_position_read(given, &unfinished, &failure) == HF_POSITION_VALID;
    }
    free(beside);
    free(given);
    return is;
}

static bool read_record(hf_shard_part *part, hf_failure *failure) {
    char *done = hf_path_beside(part->output, ".done");
    bool good = hf_position_read(done, &part->record, failure) == HF_POSITION_VALID &&
                part->record.finished;
    if (is_under_way(part->output)) {
        good = hf_fail(failure, HF_EXIT_INCOMPLETE,
                       "%s is not finished: run the command of that shard again, then merge",
                       part->output);
    } else if (!good) {
        good = hf_fail(failure, HF_EXIT_USAGE,
                       "%s is no finished report (there is no %s): name the --output of each shard",
                       part->output, done);
    }
    free(done);
    return good;
}

/* The index is as long as the position says; behind that stands its seal, or (of an older program's shard) nothing. */
static bool read_seal(hf_shard_part *part, const char *path, hf_failure *failure) {
    const uint64_t bytes = hf_index_length(part->entries), size = size_of(part->index);
    part->sealed = size == bytes + HF_INDEX_SEAL;
    if (!part->sealed) {
        return size == bytes || fail_changed(part, path, failure);
    }
    if (fseeko(part->index, (off_t)bytes, SEEK_SET) != 0 ||
        fread(part->seal, sizeof part->seal, 1, part->index) != 1) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "read");
    }
    rewind(part->index);
    return is_sealed(part, path, bytes, HF_SEAL_INDEX, failure);
}

static bool read_head(hf_shard_part *part, hf_failure *failure) {
    uint8_t raw[HF_INDEX_HEAD];
    const hf_position_record *record = &part->record;
    char *path = hf_path_beside(part->output, ".shard");
    part->entries = record->lines_done + record->lines_rejected + record->lines_unknown;
    bool good =
        hf_file_exists(path) ||
        hf_fail(failure, HF_EXIT_USAGE,
                "%s is the report of a whole input, no shard (there is no %s)", part->output, path);
    part->index = good ? open_file(path, failure) : NULL;
    good = part->index && read_seal(part, path, failure) &&
           ((fread(raw, sizeof raw, 1, part->index) == 1 && hf_index_head_read(raw, &part->head)) ||
            hf_fail(failure, HF_EXIT_USAGE, "%s is not this program's", path));
    free(path);
    return good;
}

static bool open_part(hf_shard_part *part, hf_failure *failure) {
    const hf_position_record *record = &part->record;
    if (!read_record(part, failure) || !read_head(part, failure) ||
        !open_part_file(part, part->output, record->output_bytes, HF_SEAL_OUTPUT, &part->lines.file,
                        failure)) {
        return false;
    }
    part->lines.bytes = part->head.header_bytes; /* the line before the first */
    return open_refusals(part, &part->rejects, ".rejects.csv", record->rejects_bytes,
                         HF_SEAL_REJECTS, failure) &&
           open_refusals(part, &part->unknown, ".unknown.csv", record->unknown_bytes,
                         HF_SEAL_UNKNOWN, failure);
}

/* ---- one job -------------------------------------------------------------------------------------- */

static bool same_job(const hf_shard_part *one, const hf_shard_part *other, hf_failure *failure) {
    hf_identity whole = one->record.identity, others = other->record.identity;
    memcpy(whole.settings, one->head.settings, HF_HASH_BYTES);
    memcpy(others.settings, other->head.settings, HF_HASH_BYTES);
    const hf_database *a = &one->record.database, *b = &other->record.database;
    const char *differs = hf_identity_difference(&whole, &others);
    if (!differs && one->head.count != other->head.count) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "%s is one of %u shards, %s one of %u: they do not fit", one->output,
                       one->head.count, other->output, other->head.count);
    }
    if (!differs &&
        (strcmp(a->name, b->name) != 0 || (a->system && b->system && a->system != b->system))) {
        differs = "the database";
    }
    if (!differs && memcmp(one->record.columns, other->record.columns, HF_HASH_BYTES) != 0) {
        differs = "the set of columns";
    }
    return !differs ||
           hf_fail(
               failure, HF_EXIT_USAGE,
               "%s and %s are not of one report: %s is another; run the one that is wrong again with "
               "--restart (writes are applied once more)",
               one->output, other->output, differs);
}

static int by_number(const void *one, const void *other) {
    const hf_shard_part *a = one, *b = other;
    return a->head.number < b->head.number ? -1 : a->head.number > b->head.number;
}

static bool all_there(const hf_shards *shards, hf_failure *failure) {
    const uint32_t wanted = shards->parts[0].head.count;
    uint64_t lines = 0;
    for (size_t i = 0; i < shards->count; i++) {
        const hf_shard_part *part = &shards->parts[i];
        lines += part->entries;
        if (i > 0 && part->head.number == part[-1].head.number) {
            return hf_fail(failure, HF_EXIT_USAGE,
                           "%s and %s are both shard %u of %u: name one of them", part[-1].output,
                           part->output, part->head.number, wanted);
        }
    }
    for (uint32_t number = 1; number <= wanted; number++) {
        if (number > shards->count || shards->parts[number - 1].head.number != number) {
            return hf_fail(failure, HF_EXIT_USAGE,
                           "shard %u of %u is missing: name its output, too", number, wanted);
        }
    }
    return lines == shards->parts[0].head.input_lines ||
           hf_fail(failure, HF_EXIT_USAGE,
                   "the shards have %llu lines together, and their input %llu: that is a fault of "
                   "holdfast's own",
                   (unsigned long long)lines,
                   (unsigned long long)shards->parts[0].head.input_lines);
}

bool hf_shards_open(hf_shards *shards, const char *const *outputs, size_t count,
                    hf_failure *failure) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) ==
        0) { /* four of each part, and there may be a thousand */
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    *shards = (hf_shards){ .parts = hf_must_alloc(count, sizeof(hf_shard_part)), .count = count };
    for (size_t i = 0; i < count; i++) {
        hf_shard_part *part = &shards->parts[i];
        part->output = outputs[i];
        if (!open_part(part, failure) || (i > 0 && !same_job(&shards->parts[0], part, failure))) {
            return false;
        }
    }
    qsort(shards->parts, count, sizeof *shards->parts, by_number);
    return all_there(shards, failure);
}

static void close_lines(hf_shard_lines *lines) {
    if (lines->file) {
        fclose(lines->file);
    }
    hf_csv_in_close(lines->records);
    free(lines->path);
}

void hf_shards_close(hf_shards *shards) {
    for (size_t i = 0; i < shards->count; i++) {
        hf_shard_part *part = &shards->parts[i];
        close_lines(&part->lines);
        close_lines(&part->rejects);
        close_lines(&part->unknown);
        if (part->index) {
            fclose(part->index);
        }
    }
    free(shards->parts);
    *shards = (hf_shards){ 0 };
}
