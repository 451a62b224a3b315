/* The Linux port: non-blocking sockets, epoll, c-ares, mbedTLS, CLOCK_BOOTTIME. hf_linux_run() is the short way, for
 * one statement at a time; the long one is a loop of your own, where statements run side by side:
 *
 *     hf_linux port;
 *     if (!hf_linux_init(&port, &config, &error)) …
 *     hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, hf_linux_port(&port), &error);
 *     while (!job.done) hf_linux_wait(&port, hf_tick(pool, hf_linux_now(&port)));
 *     … hf_pool_close() … hf_linux_close(&port);
 *
 * In somebody else's event loop: poll hf_linux_fd() for reading until what hf_tick() answered, then
 * hf_linux_wait(&port, 0), then hf_tick(). All ports of a program that use TLS belong to one thread.
 */
#ifndef HF_LINUX_H
#define HF_LINUX_H

#include "holdfast/holdfast.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The port's own, one for each pool. It must stay where it is. */
typedef struct hf_linux {
    hf_port port;
    struct hf_linux_state *state; /* on the heap; nothing is allocated per statement */
} hf_linux;

#define hf_linux_run HF_BUILT(hf_linux_run)

/* Runs one request to its end, on a connection and in a loop of its own, which are gone when it returns: its outcome,
 * as in request->outcome, and request->error says why. Callbacks are called as in any loop, but on_row must not pause,
 * for nobody could resume. What cannot even begin (the config is not valid, there is no memory) is NOT_SENT, without
 * on_done. It waits as the config says: max_outage, request->timeout_ms. */
hf_outcome hf_linux_run(const hf_config *config, hf_request *request);

#define hf_linux_init HF_BUILT(hf_linux_init)

/* Opens epoll and the resolver, reads the files of TLS (again at a connect, if they changed). config must outlive the
 * port. False: *error (may be NULL) names the file that cannot be read, or what the system has no more of. */
bool hf_linux_init(hf_linux *port, const hf_config *config, hf_error *error);
hf_port *hf_linux_port(hf_linux *port);
/* CLOCK_BOOTTIME in ms: it counts on while the machine sleeps. */
hf_ms hf_linux_now(hf_linux *port);
/* Sleeps until there is news or `until` has come, not before it and at most a ms after. 0, or an hf_err.
 * A signal ends the sleep early: that is news, not an error. */
int hf_linux_wait(hf_linux *port, hf_ms until);
/* One descriptor to poll for reading in somebody else's loop; then hf_linux_wait(port, 0) and hf_tick(). */
int hf_linux_fd(hf_linux *port);
/* Releases all. After hf_pool_closed(), or at any time if the pool is not ticked again. */
void hf_linux_close(hf_linux *port);

#ifdef __cplusplus
}
#endif

#endif
