#include "signals.h"

#include "failure.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SAME_MS \
    100 /* timeout(1) sends its signal to the program and to its group, which is one wish */

static volatile sig_atomic_t caught;
static struct timespec caught_at;

static int64_t ms_since(const struct timespec *then) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)(now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000;
}

static void on_signal(int number) {
    if (caught == number && ms_since(&caught_at) < SAME_MS) {
        return;
    }
    if (caught) {
        hf_last_words(HF_EXIT_INCOMPLETE, "ended at once by a second signal");
        _exit(HF_EXIT_INCOMPLETE); /* what is written is what counts, as after kill -9 */
    }
    clock_gettime(CLOCK_MONOTONIC, &caught_at);
    caught = number;
}

void hf_signals_init(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask); /* one at a time, for they share what was caught */
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGHUP);
    action.sa_handler = on_signal; /* without SA_RESTART: a sleep ends */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction hang_up;
    if (sigaction(SIGHUP, NULL, &hang_up) == 0 &&
        hang_up.sa_handler != SIG_IGN) { /* nohup means it */
        sigaction(SIGHUP, &action, NULL);
    }
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* EFBIG instead of the end (ulimit -f) */
}

int hf_signals_caught(void) {
    return caught;
}
