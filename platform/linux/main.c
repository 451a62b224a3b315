/* The holdfast program: reads the command line, opens the log, runs the command. */
#include "log.h"
#include "options.h"
#include "program.h"
#include "signals.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* A descriptor 0, 1 or 2 that the caller closed must not become a file or socket of ours. */
static void fill_standard_descriptors(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

static int run(const hf_options *options) {
    switch (options->command) {
    case HF_COMMAND_REPORT: return hf_report(options);
    case HF_COMMAND_QUERY: return hf_query(options);
    case HF_COMMAND_WATCH: return hf_watch(options);
    case HF_COMMAND_NONE: break;
    }
    return HF_EXIT_USAGE;
}

int main(int argc, char **argv) {
    static hf_options options;
    hf_failure failure = { 0 };
    fill_standard_descriptors();
    if (!hf_options_parse(&options, argc, argv, &failure)) {
        hf_log_failure(&failure);
        return failure.status;
    }
    if (options.help || options.version) {
        if (options.version) {
            puts("holdfast " HF_VERSION);
        } else {
            hf_help(stdout, options.command);
        }
        return fflush(stdout) == 0 ? HF_EXIT_DONE : HF_EXIT_INCOMPLETE;
    }
    if (!hf_log_open(&options, &failure)) {
        hf_log_failure(&failure);
        return failure.status;
    }
    hf_signals_init();
    int status = run(&options);
    hf_log_close();
    hf_options_free(&options);
    return status;
}
