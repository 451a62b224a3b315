/* What any port on Linux asks of the system, whatever its network: entropy and time. trust.h has the files of TLS. */
#ifndef HF_LINUX_SYSTEM_H
#define HF_LINUX_SYSTEM_H

#include "hf_mbedtls.h"

/* An hf_mbedtls_entropy_fn: 0 or an errno. Never blocks: just after boot the kernel may have no entropy yet
 * (EAGAIN). */
int hf_linux_entropy(void *unused, unsigned char *out, size_t bytes);

/* CLOCK_BOOTTIME in ns, which counts on while the machine sleeps. */
uint64_t hf_linux_clock_ns(void);

/* The processor time that a tick may take (SEMANTICS 22). To be zeroed when a tick begins. */
typedef struct hf_linux_share {
    bool known;
    uint64_t from_ns; /* this thread's processor time at the first question */
} hf_linux_share;
bool hf_linux_over_budget(hf_linux_share *share);

/* The time-out of epoll_wait() or poll() for a sleep until then, in ms: rounded up, so that a sleep neither ends early
 * nor turns into a busy loop. */
int hf_linux_timeout_until(hf_ms until);

#endif
