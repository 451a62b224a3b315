/* The holdfast program: reads the command line, opens the log, runs the command. */
#include "base/bytes.h"
#include "base/log.h"
#include "base/signals.h"
#include "cli/help.h"
#include "cli/options.h"
#include "hf_json.h"
#include "program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A descriptor 0, 1 or 2 that the caller closed must not become a file or socket of ours. Who reads the first or writes
 * to the second is told so: rows that go nowhere are no success. */
static void fill_standard_descriptors(void) {
    static const int modes[] = { O_WRONLY, O_RDONLY, O_RDWR };
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            (void)open("/dev/null", modes[fd]);
        }
    }
}

static int run(const hf_options *options) {
    switch (options->command) {
    case HF_COMMAND_REPORT: return hf_report(options);
    case HF_COMMAND_QUERY: return hf_query(options);
    case HF_COMMAND_WATCH: return hf_watch(options);
    case HF_COMMAND_MERGE: return hf_merge(options);
    case HF_COMMAND_LEDGER: return hf_ledger_command(options);
    case HF_COMMAND_NONE: break;
    }
    return HF_EXIT_USAGE;
}

static int show(const hf_options *options, hf_failure *failure) {
    if (options->version) {
        puts("holdfast " HF_VERSION);
    } else {
        hf_help(stdout, options->command);
    }
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return HF_EXIT_DONE;
    }
    hf_fail_file(failure, HF_EXIT_INCOMPLETE, "standard output", "write to");
    hf_log_failure(failure);
    return failure->status;
}

/* Of cJSON, which does not say that it had none. */
static void *json_memory(size_t bytes) {
    return hf_must_alloc(1, bytes);
}

static int start(hf_options *options, int argc, char **argv) {
    hf_failure failure = { 0 };
    if (!hf_options_parse(options, argc, argv, &failure)) {
        hf_log_format(options->log_format);
        hf_log_failure(&failure);
        return failure.status;
    }
    if (options->help || options->version) {
        hf_log_format(options->log_format);
        return show(options, &failure);
    }
    if (!hf_log_open(options->log_level, options->log_format, options->log_file, &failure)) {
        hf_log_failure(&failure);
        return failure.status;
    }
    hf_signals_init();
    return run(options);
}

int main(int argc, char **argv) {
    static hf_options options;
    fill_standard_descriptors();
    hf_json_memory(json_memory, free);
    int status = start(&options, argc, argv);
    hf_log_close();
    hf_options_free(&options);
    return status;
}
