#include "system.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sys/random.h>

/* A tick's share ends here: an expensive step (a slice of PBKDF2, a step of a handshake) takes some ms and may follow
 * once more, and SEMANTICS 22 allows a tick 50 ms. */
#define HF_TICK_SHARE_NS 20000000u

/* The default of what core calls when an HF_ASSERT fails; a program may define its own. */
__attribute__((weak)) void hf_assert_failed(const char *what, const char *file, int line) {
    (void)fprintf(stderr, "holdfast: %s:%d: this must hold: %s\n", file, line, what);
    abort();
}

int hf_linux_entropy(void *unused, unsigned char *out, size_t bytes) {
    (void)unused;
    while (bytes > 0) {
        ssize_t got = getrandom(out, bytes, GRND_NONBLOCK);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return errno != 0 ? errno : EIO;
        }
        out += got;
        bytes -= (size_t)got;
    }
    return 0;
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) {
        return 0;
    }
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t hf_linux_clock_ns(void) {
    return clock_ns(CLOCK_BOOTTIME);
}

/* The share is counted from the first question: reading this clock is a system call, which a tick without expensive
 * steps does not make. */
bool hf_linux_over_budget(hf_linux_share *share) {
    uint64_t now = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (!share->known) {
        share->known = true;
        share->from_ns = now;
    }
    return now - share->from_ns > HF_TICK_SHARE_NS;
}

int hf_linux_timeout_until(hf_ms until) {
    if (until == HF_NEVER) {
        return -1;
    }
    /* Rounded down, so that the sleep is not too short. */
    const uint64_t now = hf_linux_clock_ns() / 1000000u;
    if (until <= now) {
        return 0;
    }
    return until - now > INT_MAX ? INT_MAX : (int)(until - now);
}
