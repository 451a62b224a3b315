/* sim --seed S [--log LINES]       one run; --log prints the end of its log even if it succeeds
 * sim --from S --count N [--keep]  many; --keep goes on after a failure
 *     --digests M                  prints a digest of each M seeds: "FIRST COUNT DIGEST"
 *     --trace                      prints each event that the digest is made of
 *
 * Exit 0: all is well; 1: an invariant was broken; 2: a fault or an edge was never met (only asked of many runs).
 */
#include "run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cover.h"
#include "digest.h"
#include "ledger.h"

enum {
    ENOUGH = 1000,   /* runs after which every fault must have been met */
    SECONDS_MAX = 60 /* that one run may take; the usual one takes milliseconds */
};

static double seconds(void) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A run that does not end by itself (a tick that loops for ever, most likely), or ends the process. */
enum { ENDLESS, CRASH, WAYS };
static char last_words[WAYS][160];

static void die(const char *words) {
    if (write(STDOUT_FILENO, words, strlen(words)) < 0)
        _exit(3);
    _exit(1);
}

static void on_signal(int number) {
    die(last_words[number == SIGALRM ? ENDLESS : CRASH]);
}

/* Sanitizers report first and call this before they end the process; without them it is never called. */
__attribute__((weak)) void __sanitizer_set_death_callback(
    void (*callback)(void)); // NOLINT: its name

static void on_death(void) {
    die(last_words[CRASH]);
}

static void watch(uint64_t seed) {
    static const char *const names[WAYS] = { "a tick ends", "nothing crashes" };
    for (unsigned way = 0; way < WAYS; way++)
        snprintf(last_words[way], sizeof last_words[way],
                 "make %ssim SEED=%" PRIu64 "\nsim: seed %" PRIu64 " breaks the invariant '%s'\n",
                 SIM_BUILD, seed, seed, names[way]);
    fflush(stdout);
    alarm(SECONDS_MAX);
}

static void catch_signals(void) {
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    signal(SIGALRM, on_signal);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(on_death);
        return; /* they see to the others, and say more of them */
    }
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        signal(crashes[i], on_signal);
}

static int usage(void) {
    fprintf(stderr, "usage: sim --seed S [--log LINES] [--trace] | "
                    "--from S --count N [--keep] [--digests M]\n");
    return 3;
}

int main(int argc, char **argv) {
    uint64_t from = 1, count = 1000, failures = 0, block = 0;
    bool keep = false, show = false;
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(option, "--keep") == 0) {
            keep = true;
            continue;
        }
        if (strcmp(option, "--trace") == 0) {
            sim_trace = true;
            continue;
        }
        if (!value)
            return usage();
        i++;
        if (strcmp(option, "--seed") == 0) {
            from = strtoull(value, NULL, 10);
            count = 1;
        } else if (strcmp(option, "--from") == 0) {
            from = strtoull(value, NULL, 10);
        } else if (strcmp(option, "--digests") == 0) {
            block = strtoull(value, NULL, 10);
        } else if (strcmp(option, "--count") == 0) {
            count = strtoull(value, NULL, 10);
        } else if (strcmp(option, "--log") == 0) {
            sim_log_lines = (unsigned)strtoul(value, NULL, 10);
            show = true;
        } else {
            return usage();
        }
    }

    catch_signals();
    sim_totals totals = { 0 };
    const double began = seconds();
    uint64_t before = 0; /* the sum of the digests of the blocks that are over */
    for (uint64_t done = 0; done < count; done++) {
        const uint64_t seed = from + done, left = block ? done % block : 0;
        watch(seed);
        const bool good = sim_run(seed, &totals);
        if (block && (left + 1 == block || done + 1 == count)) {
            printf("%" PRIu64 " %" PRIu64 " %016" PRIx64 "\n", seed - left, left + 1,
                   totals.digest - before);
            before = totals.digest;
        }
        if (good) {
            if (show)
                sim_print_log(sim_log_lines);
            continue;
        }
        failures++;
        if (!keep)
            return 1;
    }
    const double took = seconds() - began;
    bool all = true;
    if (count >= 2) {
        all = sim_ledger_print_cover();
        all = sim_print_cover() && all;
    }
    printf("%" PRIu64 " seeds from %" PRIu64 ": %" PRIu64 " failed; %" PRIu64 " ticks, %" PRIu64
           " requests, %.0f simulated hours in %.1f s: %.0f hours a second; digest %016" PRIx64
           "\n",
           count, from, failures, totals.ticks, totals.requests, (double)totals.ms / 3.6e6, took,
           (double)totals.ms / 3.6e6 / took, totals.digest);
    if (failures > 0)
        return 1;
    const bool whole = HF_WITH_RESOLVE && HF_WITH_PREPARED; /* else what they meet is never met */
    if (count >= ENOUGH && !all && whole) {
        printf("sim: a fault or an edge was never met\n");
        return 2;
    }
    return 0;
}
