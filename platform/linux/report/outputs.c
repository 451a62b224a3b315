#include "outputs.h"

#include "base/failure.h"
#include "base/files.h"
#include "first_pass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is there -------------------------------------------------------------------------------- */

/* Is there something at path? 1 yes, 0 no, -1 that cannot be told: failure says why. */
static int there(const char *path, hf_failure *failure) {
    struct stat file;
    if (lstat(path, &file) == 0) {
        return 1;
    }
    if (errno == ENOENT || errno == ENOTDIR) {
        return 0;
    }
    hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "look at");
    return -1;
}

/* Is the file at path so many bytes long? 1 yes, 0 no, -1 that cannot be told: failure says why. */
static int size_is(const char *path, uint64_t bytes, hf_failure *failure) {
    struct stat file;
    int found = there(path, failure);
    if (found > 0 && stat(path, &file) != 0) {
        hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "look at");
        return -1;
    }
    return found > 0 ? S_ISREG(file.st_mode) && (uint64_t)file.st_size == bytes : found;
}

/* A pipe, a folder or a link under one of the names would make us wait, or write where nobody meant us to. */
static bool all_ordinary(const hf_outputs *outputs, hf_failure *failure) {
    char *fresh = hf_path_beside(outputs->intents_path, ".new");
    const char *const paths[] = {
        outputs->part,         outputs->position_path, outputs->done, outputs->rejects_path,
        outputs->unknown_path, outputs->intents_path,  fresh,         outputs->shard_path
    };
    const char *kind = hf_file_kind(outputs->output);
    bool good = true;
    if (kind) {
        good = hf_fail(failure, HF_EXIT_USAGE,
                       "--output: %s is %s, and the report is a file: name one, %s%sreport.csv say",
                       outputs->output, kind, strcmp(kind, "a folder") == 0 ? outputs->output : "",
                       strcmp(kind, "a folder") == 0 ? "/" : "");
    }
    for (size_t i = 0; good && i < sizeof paths / sizeof paths[0]; i++) {
        struct stat file;
        kind = lstat(paths[i], &file) == 0 ? hf_mode_kind(file.st_mode) : NULL;
        if (kind) {
            good =
                hf_fail(failure, HF_EXIT_USAGE,
                        "%s is %s, and the report needs that name for a file of its own: move it "
                        "away, or choose another --output",
                        paths[i], kind);
        }
    }
    free(fresh);
    return good;
}

/* Returns with a failure: why, and the way out. */
#define FAILED(...) (hf_fail(failure, __VA_ARGS__), HF_OUTPUTS_FAILED)

/* Finds a file of OUTPUT's family that no record of ours speaks of: 1 *path, 0 none, -1 failure. begun: the position is
 * there and empty, so that what is made before its first record may be, too. */
static int stray(const hf_outputs *outputs, bool begun, const char **path, hf_failure *failure) {
    const char *const paths[] = { outputs->rejects_path, outputs->unknown_path,
                                  outputs->intents_path, outputs->shard_path, outputs->part };
    int found = 0;
    for (size_t i = 0; found == 0 && i < (begun ? 3 : 5); i++) {
        *path = paths[i];
        found = there(paths[i], failure);
    }
    return found;
}

/* There is a record of a finished job: is OUTPUT its report, and does this run ask for the same one? */
static hf_outputs_found find_finished(hf_outputs *outputs, const hf_position_record *record,
                                      const hf_outputs_wish *wish, hf_failure *failure) {
    /* An empty position: a run that was told to start over was killed while it removed what the report had. */
    const bool anew = wish->restart || wish->renew || outputs->position.fd >= 0;
    int found = there(outputs->output, failure);
    if (found < 0) {
        return HF_OUTPUTS_FAILED;
    }
    if (found == 0) {
        if (wish->writes && !anew) {
            return FAILED(
                HF_EXIT_USAGE,
                "%s is gone, but %s says that its writes are done: --restart applies all lines once more",
                outputs->output, outputs->done);
        }
        return HF_OUTPUTS_FRESH;
    }
    int same = size_is(outputs->output, record->output_bytes, failure);
    if (same < 0) {
        return HF_OUTPUTS_FAILED;
    }
    if (same == 0) {
        return FAILED(
            HF_EXIT_USAGE,
            "%s is not the file that the finished job left (%s says how long it was): move it away, "
            "then run again",
            outputs->output, outputs->done);
    }
    outputs->replaces = true;
    if (anew) {
        return HF_OUTPUTS_FRESH;
    }
    const char *changed = hf_identity_difference(&record->identity, wish->identity);
    if (changed) {
        return FAILED(
            HF_EXIT_REFUSED,
            "%s has changed since %s was finished: --restart makes it anew, or choose another --output",
            changed, outputs->output);
    }
    return HF_OUTPUTS_FINISHED;
}

static hf_outputs_found find_nothing(hf_outputs *outputs, const hf_outputs_wish *wish,
                                     hf_position_record *record, hf_failure *failure) {
    switch (hf_position_read(outputs->done, record, failure)) {
    case HF_POSITION_VALID: return find_finished(outputs, record, wish, failure);
    case HF_POSITION_FAILED: return HF_OUTPUTS_FAILED;
    case HF_POSITION_NONE: break;
    case HF_POSITION_BROKEN:
    case HF_POSITION_LOCKED:
        return FAILED(HF_EXIT_USAGE, "%s is not this program's: move it away", outputs->done);
    }
    const char *path;
    int found = there(outputs->output, failure);
    if (found > 0) {
        return FAILED(
            HF_EXIT_USAGE,
            "%s is there and was not made by this job: move it away, or choose another --output",
            outputs->output);
    }
    if (found == 0 && !wish->restart) {
        found = stray(outputs, outputs->position.fd >= 0, &path, failure);
    }
    if (found > 0) {
        return FAILED(
            HF_EXIT_USAGE,
            "%s is there, but no position that speaks of it (%s): move it away, or start over with "
            "--restart",
            path, outputs->position_path);
    }
    return found < 0 ? HF_OUTPUTS_FAILED : HF_OUTPUTS_FRESH;
}

/* The earlier run was done but for its last steps: they are taken now, if the report is there. */
static hf_outputs_found find_cut_short(hf_outputs *outputs, hf_position_record *record, bool look,
                                       hf_failure *failure) {
    int part = there(outputs->part, failure);
    const char *path = part > 0 ? outputs->part : outputs->output;
    int same = part < 0 ? part : size_is(path, record->output_bytes, failure);
    if (same == 0) {
        return FAILED(
            HF_EXIT_REFUSED,
            "the job is done, but %s is not the file that it left (%s says how long it was): bring it "
            "back, or start over with --restart",
            path, outputs->position_path);
    }
    outputs->cut_short = same > 0;
    return same > 0 && (look || hf_outputs_finish(outputs, record, record->exit_status, failure))
               ? HF_OUTPUTS_FINISHED
               : HF_OUTPUTS_FAILED;
}

/* A position is there: is OUTPUT this job's report, which had its name already when the finish was cut short, or
 * (under --restart) the finished one before? 1 yes, 0 no, -1 failure. */
static int output_is_ours(const hf_outputs *outputs, const hf_position_record *record,
                          hf_failure *failure) {
    hf_position_record finished;
    int part = record->finished ? there(outputs->part, failure) : 1;
    if (part <= 0) {
        return part < 0 ? part : size_is(outputs->output, record->output_bytes, failure);
    }
    switch (hf_position_read(outputs->done, &finished, failure)) {
    case HF_POSITION_VALID: return size_is(outputs->output, finished.output_bytes, failure);
    case HF_POSITION_FAILED: return -1;
    case HF_POSITION_NONE:
    case HF_POSITION_BROKEN:
    case HF_POSITION_LOCKED: break;
    }
    return 0;
}

/* There is a position of an unfinished job, or of one whose finish was cut short. */
static hf_outputs_found find_position(hf_outputs *outputs, const hf_outputs_wish *wish,
                                      hf_position_record *record, hf_failure *failure) {
    int found = there(outputs->output, failure);
    int ours = found > 0 ? output_is_ours(outputs, record, failure) : found;
    if (ours < 0) {
        return HF_OUTPUTS_FAILED;
    }
    if (found > 0) {
        if (ours == 0) {
            return FAILED(
                HF_EXIT_USAGE,
                "%s is there and was not made by this job: move it away, or choose another --output",
                outputs->output);
        }
        outputs->replaces = true;
    }
    const char *changed = hf_identity_difference(&record->identity, wish->identity);
    if (changed && !wish->restart) {
        return FAILED(
            HF_EXIT_REFUSED,
            "%s has changed since the run that left %s: --restart starts over, or bring back what was",
            changed, outputs->part);
    }
    if (wish->restart) {
        return HF_OUTPUTS_FRESH;
    }
    return record->finished ? find_cut_short(outputs, record, wish->look, failure)
                            : HF_OUTPUTS_RESUME;
}

hf_outputs_found hf_outputs_find(hf_outputs *outputs, const hf_outputs_wish *wish,
                                 hf_position_record *record, hf_failure *failure) {
    const char *path = wish->output;
    *outputs = (hf_outputs){ .output = path,
                             .part = hf_path_beside(path, ".part"),
                             .position_path = wish->position ? hf_must_copy(wish->position)
                                                             : hf_path_beside(path, ".position"),
                             .done = hf_path_beside(path, ".done"),
                             .rejects_path = hf_path_beside(path, ".rejects.csv"),
                             .unknown_path = hf_path_beside(path, ".unknown.csv"),
                             .intents_path = hf_path_beside(path, ".intents"),
                             .shard_path = hf_path_beside(path, ".shard"),
                             .position = { .fd = -1 },
                             .out = { .fd = -1 },
                             .rejects = { .fd = -1 },
                             .unknown = { .fd = -1 },
                             .shard = { .fd = -1 } };
    if (!hf_folder_usable(path, failure) || !all_ordinary(outputs, failure)) {
        return HF_OUTPUTS_FAILED;
    }
    switch (hf_position_open(&outputs->position, outputs->position_path, record, failure)) {
    case HF_POSITION_FAILED: return HF_OUTPUTS_FAILED;
    case HF_POSITION_LOCKED:
        return FAILED(
            HF_EXIT_USAGE,
            "another run is writing %s (it holds %s): wait for it, or choose another --output",
            path, outputs->position_path);
    case HF_POSITION_BROKEN:
        if (!wish->restart) {
            return FAILED(
                HF_EXIT_REFUSED,
                "%s holds no position that can be believed, so %s cannot be continued: %s--restart "
                "starts over",
                outputs->position_path, outputs->part,
                wish->ledger ? "move away what this report has written, and --resume-run goes on "
                               "with its run ('holdfast ledger list' shows it); "
                             : "");
        }
        return HF_OUTPUTS_FRESH;
    case HF_POSITION_VALID: return find_position(outputs, wish, record, failure);
    case HF_POSITION_NONE: break;
    }
    return find_nothing(outputs, wish, record, failure);
}

/* ---- making and opening them ---------------------------------------------------------------------- */

static bool remove_file(const char *path, hf_failure *failure) {
    return unlink(path) == 0 || errno == ENOENT ||
           hf_fail_file(failure, HF_EXIT_USAGE, path, "remove");
}

/* Removes the intents, and what an interrupted compaction of them left. */
static bool remove_intents(const hf_outputs *outputs, hf_failure *failure) {
    char *fresh = hf_path_beside(outputs->intents_path, ".new");
    bool good = remove_file(outputs->intents_path, failure) && remove_file(fresh, failure);
    free(fresh);
    return good;
}

bool hf_outputs_claim(hf_outputs *outputs, hf_failure *failure) {
    return outputs->position.fd >= 0 ||
           hf_position_create(&outputs->position, outputs->position_path, failure);
}

bool hf_outputs_begin(hf_outputs *outputs, const hf_bytes *header, hf_position_record *record,
                      hf_failure *failure) {
    bool good = outputs->position.fd < 0
                    ? hf_position_create(&outputs->position, outputs->position_path, failure)
                    : hf_position_clear(&outputs->position, failure);
    good = good && remove_file(outputs->part, failure) &&
           remove_file(outputs->rejects_path, failure) &&
           remove_file(outputs->unknown_path, failure) && remove_intents(outputs, failure) &&
           remove_file(outputs->shard_path, failure) &&
           hf_outfile_open(&outputs->out, outputs->part, true, 0, HF_EXIT_USAGE, failure) &&
           (outputs->head.count == 0 ||
            hf_outfile_open(&outputs->shard, outputs->shard_path, true, 0, HF_EXIT_USAGE, failure));
    if (!good) {
        return false;
    }
    hf_bytes_add(hf_outfile_buffer(&outputs->out), header->data, header->used);
    outputs->new_names = true;
    record->output_bytes = hf_outfile_length(&outputs->out);
    if (outputs->head.count) {
        outputs->head.header_bytes = record->output_bytes;
        hf_index_add_head(hf_outfile_buffer(&outputs->shard), &outputs->head);
    }
    return hf_outputs_commit(outputs, record, failure);
}

static uint64_t shard_bytes(const hf_position_record *record) {
    return hf_index_length(record->lines_done + record->lines_rejected + record->lines_unknown);
}

static bool reopen(hf_outfile *file, const char *path, uint64_t bytes, hf_failure *failure) {
    if (bytes == 0) { /* the file was made after the last position, if at all */
        return remove_file(path, failure);
    }
    return hf_outfile_open(file, path, false, bytes, HF_EXIT_REFUSED, failure);
}

bool hf_outputs_resume(hf_outputs *outputs, const hf_position_record *record, hf_failure *failure) {
    return hf_position_resume(&outputs->position, failure) &&
           hf_outfile_open(&outputs->out, outputs->part, false, record->output_bytes,
                           HF_EXIT_REFUSED, failure) &&
           reopen(&outputs->rejects, outputs->rejects_path, record->rejects_bytes, failure) &&
           reopen(&outputs->unknown, outputs->unknown_path, record->unknown_bytes, failure) &&
           (outputs->head.count == 0 ||
            hf_outfile_open(&outputs->shard, outputs->shard_path, false, shard_bytes(record),
                            HF_EXIT_REFUSED, failure));
}

bool hf_outputs_need(hf_outputs *outputs, hf_outfile *file, const hf_bytes *header,
                     hf_failure *failure) {
    if (hf_outfile_is_open(file)) {
        return true;
    }
    const char *path = file == &outputs->rejects ? outputs->rejects_path : outputs->unknown_path;
    if (!hf_outfile_open(file, path, true, 0, HF_EXIT_INCOMPLETE, failure)) {
        return false;
    }
    hf_bytes_add(hf_outfile_buffer(file), header->data, header->used);
    outputs->new_names = true;
    return true;
}

/* ---- durability ----------------------------------------------------------------------------------- */

static bool each(hf_outputs *outputs, bool (*act)(hf_outfile *file), hf_failure *failure) {
    hf_outfile *const files[] = { &outputs->out, &outputs->rejects, &outputs->unknown,
                                  &outputs->shard };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (hf_outfile_is_open(files[i]) && !act(files[i])) {
            if (files[i]->sync_failed) { /* what the kernel holds may be lost silently */
                hf_position_distrust(&outputs->position);
            }
            return hf_outfile_fail(files[i], failure);
        }
    }
    return true;
}

bool hf_outputs_note(hf_outputs *outputs, const hf_position_record *record, hf_failure *failure) {
    if (!each(outputs, hf_outfile_flush, failure) ||
        !hf_position_write(&outputs->position, record, false, failure)) {
        return false;
    }
    outputs->last = *record;
    return true;
}

bool hf_outputs_retreat(hf_outputs *outputs, hf_position_record *record) {
    const hf_position_record *last = &outputs->last;
    struct {
        hf_outfile *file;
        uint64_t bytes;
    } files[] = { { &outputs->out, last->output_bytes },
                  { &outputs->rejects, last->rejects_bytes },
                  { &outputs->unknown, last->unknown_bytes },
                  { &outputs->shard, shard_bytes(last) } };
    bool failed = false, good = true;
    for (size_t i = 0; i < 4; i++) {
        failed = failed || files[i].file->error != 0;
    }
    for (size_t i = 0; failed && i < 4; i++) {
        good = good && (!hf_outfile_is_open(files[i].file) ||
                        hf_outfile_retreat(files[i].file, files[i].bytes));
    }
    if (failed && good) {
        *record = *last;
    }
    return good;
}

bool hf_outputs_commit(hf_outputs *outputs, const hf_position_record *record, hf_failure *failure) {
    if (!each(outputs, hf_outfile_sync, failure)) {
        return false;
    }
    if (outputs->new_names && !hf_folder_sync(outputs->output)) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, outputs->output, "sync the folder of");
    }
    outputs->new_names = false;
    outputs->last = *record;
    return hf_position_write(&outputs->position, record, true, failure);
}

bool hf_outputs_restart(hf_outputs *outputs, const hf_position_record *record,
                        hf_failure *failure) {
    if (!hf_outputs_commit(outputs, record, failure)) {
        return false;
    }
    hf_outfile_close(&outputs->rejects);
    hf_outfile_close(&outputs->unknown);
    if (!hf_outfile_cut(&outputs->out, record->output_bytes)) {
        return hf_outfile_fail(&outputs->out, failure);
    }
    if (hf_outfile_is_open(&outputs->shard) &&
        !hf_outfile_cut(&outputs->shard, hf_index_length(0))) {
        return hf_outfile_fail(&outputs->shard, failure);
    }
    return remove_file(outputs->rejects_path, failure) &&
           remove_file(outputs->unknown_path, failure);
}

static bool give_name(const hf_outputs *outputs, hf_failure *failure) {
    int part = there(outputs->part, failure);
    if (part <= 0) {
        return part == 0; /* renamed before the last finish was cut short */
    }
    int error = 0;
    if (outputs->replaces) {
        error = rename(outputs->part, outputs->output) == 0 ? 0 : errno;
    } else if (renameat2(AT_FDCWD, outputs->part, AT_FDCWD, outputs->output, RENAME_NOREPLACE) !=
               0) {
        error = errno;
        if ((error == EINVAL || error == ENOSYS) && !hf_file_exists(outputs->output)) {
            error =
                rename(outputs->part, outputs->output) == 0 ? 0 : errno; /* an old file system */
        }
    }
    if (error == EEXIST) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "the report is complete in %s, but somebody else's %s appeared meanwhile: move that away, "
            "then run again",
            outputs->part, outputs->output);
    }
    errno = error;
    return error == 0 ||
           hf_fail_file(failure, HF_EXIT_INCOMPLETE, outputs->output, "rename the report to");
}

/* A finished shard's files are sealed, so that `holdfast merge` takes them as they were left. */
static bool seal(hf_outputs *outputs, const hf_position_record *record, hf_failure *failure) {
    const uint64_t index_bytes = shard_bytes(record);
    uint8_t hashes[HF_SEAL_FILES][HF_HASH_BYTES] = { { 0 } };
    const struct {
        const char *path;
        uint64_t bytes;
    } files[HF_SEAL_FILES] = { [HF_SEAL_INDEX] = { outputs->shard_path, index_bytes },
                               [HF_SEAL_OUTPUT] = { outputs->part, record->output_bytes },
                               [HF_SEAL_REJECTS] = { outputs->rejects_path, record->rejects_bytes },
                               [HF_SEAL_UNKNOWN] = { outputs->unknown_path,
                                                     record->unknown_bytes } };
    if (!hf_outfile_is_open(&outputs->shard) ||
        hf_outfile_length(&outputs->shard) != index_bytes) { /* no shard, or sealed already */
        return true;
    }
    if (!each(outputs, hf_outfile_flush, failure)) {
        return false;
    }
    for (size_t i = 0; i < HF_SEAL_FILES; i++) {
        if (files[i].bytes > 0 && !hf_sha256_of_file(files[i].path, files[i].bytes, hashes[i])) {
            return hf_fail_file(failure, HF_EXIT_INCOMPLETE, files[i].path, "read");
        }
    }
    hf_bytes_add(hf_outfile_buffer(&outputs->shard), hashes, sizeof hashes);
    return true; /* the commit writes it */
}

bool hf_outputs_name(hf_outputs *outputs, hf_position_record *record, int status,
                     hf_failure *failure) {
    record->finished = 1;
    record->exit_status = (uint8_t)status;
    if (!seal(outputs, record, failure) || !hf_outputs_commit(outputs, record, failure) ||
        !give_name(outputs, failure)) {
        return false;
    }
    return hf_folder_sync(outputs->output) ||
           hf_fail_file(failure, HF_EXIT_INCOMPLETE, outputs->output, "sync the folder of");
}

bool hf_outputs_finish(hf_outputs *outputs, hf_position_record *record, int status,
                       hf_failure *failure) {
    if (!hf_outputs_name(outputs, record, status, failure) || !remove_intents(outputs, failure)) {
        return false;
    }
    if (rename(outputs->position_path, outputs->done) != 0 || !hf_folder_sync(outputs->output)) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, outputs->output, "finish");
    }
    return true;
}

void hf_outputs_discard(hf_outputs *outputs) {
    unlink(outputs->part);
    unlink(outputs->rejects_path);
    unlink(outputs->unknown_path);
    unlink(outputs->shard_path);
    unlink(outputs->position_path);
}

void hf_outputs_close(hf_outputs *outputs) {
    hf_outfile_close(&outputs->out);
    hf_outfile_close(&outputs->rejects);
    hf_outfile_close(&outputs->unknown);
    hf_outfile_close(&outputs->shard);
    hf_position_close(&outputs->position);
    free(outputs->part);
    free(outputs->position_path);
    free(outputs->done);
    free(outputs->rejects_path);
    free(outputs->unknown_path);
    free(outputs->intents_path);
    free(outputs->shard_path);
    *outputs = (hf_outputs){ .position = { .fd = -1 } };
}
