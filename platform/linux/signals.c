#include "signals.h"

#include "log.h"
#include "program.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void on_signal(int number) {
    if (caught) {
        hf_log_last_words(HF_EXIT_INCOMPLETE, "ended at once by a second signal");
        _exit(HF_EXIT_INCOMPLETE); /* what is written is what counts, as after kill -9 */
    }
    caught = number;
}

void hf_signals_init(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
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
