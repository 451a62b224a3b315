#include "shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A decimal number, all of the text up to `end`. */
static bool number(const char *text, const char *end, uint32_t *value) {
    uint64_t read = 0;
    const char *at = text;
    for (; at < end && *at >= '0' && *at <= '9' && read <= UINT32_MAX; at++) {
        read = read * 10 + (uint64_t)(*at - '0');
    }
    *value = (uint32_t)read;
    return at > text && at == end && read <= UINT32_MAX;
}

/* A variable that holds a number: 1 it does, 0 it is not there, -1 it holds something else. */
static int variable(const char *name, uint32_t *value, hf_failure *failure) {
    const char *text = getenv(name);
    if (!text || !*text) {
        return 0;
    }
    if (number(text, text + strlen(text), value)) {
        return 1;
    }
    hf_fail(failure, HF_EXIT_USAGE, "--shard auto: %s is '%.40s', and no number", name, text);
    return -1;
}

/* A task that is run again by itself has another array than it had: N tells that, where it is given. */
static bool of_slurm(uint32_t task, uint32_t count, hf_shard *shard, hf_failure *failure) {
    uint32_t first = 0, tasks = 0, step = 1, last = 0;
    const int begun = variable("SLURM_ARRAY_TASK_MIN", &first, failure);
    if (begun < 0 || variable("SLURM_ARRAY_TASK_STEP", &step, failure) < 0) {
        return false;
    }
    int told = variable("SLURM_ARRAY_TASK_COUNT", &tasks, failure);
    int ended = told < 0 ? -1 : variable("SLURM_ARRAY_TASK_MAX", &last, failure);
    if (told < 0 || ended < 0) {
        return false;
    }
    if (begun == 0 || told == 0) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "--shard auto: SLURM_ARRAY_TASK_ID is %u, but there is no "
                       "SLURM_ARRAY_TASK_%s: say --shard K/N",
                       task, begun == 0 ? "MIN" : "COUNT");
    }
    if (step != 1 || (ended > 0 && (uint64_t)last - first + 1 != tasks)) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "--shard auto: the array has %u tasks from %u to %u with a step of %u: its shards "
            "are numbered without gaps (--array=1-%u), or say --shard K/N",
            tasks, first, last, step, tasks);
    }
    if (count != 0 && tasks != count) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "--shard auto/%u: this array has %u task%s (SLURM_ARRAY_TASK_COUNT): one that is "
            "run again by itself needs its number by hand, --shard K/%u",
            count, tasks, tasks == 1 ? "" : "s", count);
    }
    shard->number = task - first + 1;
    shard->count = tasks;
    snprintf(shard->from, sizeof shard->from, "SLURM_ARRAY_TASK_ID %u of %u to %u", task, first,
             first + tasks - 1);
    return true;
}

static bool automatic(uint32_t count, hf_shard *shard, hf_failure *failure) {
    uint32_t task;
    int found = variable("SLURM_ARRAY_TASK_ID", &task, failure);
    if (found != 0) {
        return found > 0 && of_slurm(task, count, shard, failure);
    }
    found = variable("JOB_COMPLETION_INDEX", &task, failure);
    if (found < 0) {
        return false;
    }
    if (found > 0 && count == 0) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "--shard auto: JOB_COMPLETION_INDEX is %u, but Kubernetes does not say of how many: "
            "--shard auto/N, with the Job's completions for N",
            task);
    }
    if (found > 0) {
        shard->number = task < count ? task + 1 : 0;
        shard->count = count;
        snprintf(shard->from, sizeof shard->from, "JOB_COMPLETION_INDEX %u, from 0", task);
        return true;
    }
    return hf_fail(failure, HF_EXIT_USAGE,
                   "--shard auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set: say "
                   "--shard K/N");
}

bool hf_shard_read(const char *text, hf_shard *shard, hf_failure *failure) {
    const char *slash = strchr(text, '/'), *end = text + strlen(text);
    const char *middle = slash ? slash : end;
    const bool is_auto = (size_t)(middle - text) == 4 && strncmp(text, "auto", 4) == 0;
    *shard = (hf_shard){ 0 };
    if ((slash && !number(slash + 1, end, &shard->count)) || (!slash && !is_auto) ||
        (!is_auto && !number(text, middle, &shard->number))) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "--shard: '%.40s': K/N is expected, or auto, or auto/N", text);
    }
    if (slash && (shard->count == 0 || shard->count > HF_SHARDS_MAX)) {
        return hf_fail(failure, HF_EXIT_USAGE, "--shard: '%.40s': there are 1 to %d shards", text,
                       HF_SHARDS_MAX);
    }
    if (is_auto && !automatic(shard->count, shard, failure)) {
        return false;
    }
    return (shard->number >= 1 && shard->number <= shard->count && shard->count <= HF_SHARDS_MAX) ||
           hf_fail(failure, HF_EXIT_USAGE,
                   "--shard: '%.40s'%s%s%s is out of range: the shards are 1 to %u", text,
                   shard->from[0] ? " (" : "", shard->from, shard->from[0] ? ")" : "",
                   shard->count);
}
