/* Which signals are one wish to end. This file stands in front of the C library's clock: how late
 * the machine is with the second signal is none of these tests' business. */
#include "base/failure.h"
#include "base/signals.h"
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms = 1000;

int clock_gettime(clockid_t clock, struct timespec *at) {
    (void)clock;
    *at = (struct timespec){ .tv_sec = (time_t)(now_ms / 1000),
                             .tv_nsec = (long)(now_ms % 1000) * 1000000 };
    return 0;
}

#define GOES_ON 77

/* The exit status of a process that gets the second signal so long after the first. */
static int end_of(int first, int second, int64_t after_ms) {
    pid_t pid = fork();
    if (pid == 0) {
        hf_signals_init();
        raise(first);
        now_ms += after_ms;
        raise(second);
        _exit(hf_signals_caught() == first ? GOES_ON : 0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* timeout(1) signals the program and its group. Shows found L1. */
static void the_same_signal_within_a_tenth_of_a_second_is_the_same_wish(void **state) {
    (void)state;
    assert_int_equal(end_of(SIGINT, SIGINT, 0), GOES_ON);
    assert_int_equal(end_of(SIGTERM, SIGTERM, 99), GOES_ON);
}

static void a_second_signal_ends_at_once(void **state) {
    (void)state;
    assert_int_equal(end_of(SIGINT, SIGINT, 100), HF_EXIT_INCOMPLETE);
    assert_int_equal(end_of(SIGINT, SIGTERM, 0), HF_EXIT_INCOMPLETE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_signal_within_a_tenth_of_a_second_is_the_same_wish),
        cmocka_unit_test(a_second_signal_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
