/* The Linux port: non-blocking sockets, epoll, c-ares, mbedTLS, CLOCK_BOOTTIME. hf_linux_run() is the short way, for
 * one statement at a time; many run side by side in a loop of your own:
 *
 *     hf_linux port;
 *     if (!hf_linux_init(&port, &config, &error)) …
 *     hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, hf_linux_port(&port), &error);
 *     while (!job.done) hf_linux_wait(&port, hf_tick(pool, hf_linux_now(&port)));
 *     … hf_pool_close() … hf_linux_close(&port);
 *
 * In somebody else's event loop: poll hf_linux_fd() for reading, until the time that hf_tick() answered at most; then
 * call hf_linux_wait(&port, 0), then hf_tick(). A port belongs to one thread, as its pool does; all ports of a program
 * that use TLS belong to the same one.
 */
#ifndef HF_LINUX_H
#define HF_LINUX_H

#include "holdfast/holdfast.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A port, one for each pool. The caller's memory, which must stay where it is until hf_linux_close(). */
typedef struct hf_linux {
    hf_port port;
    struct hf_linux_state *state; /* on the heap, allocated once: none for a statement */
} hf_linux;

#define hf_linux_run HF_BUILT(hf_linux_run)

/* Runs one request to its end, in a loop and on a connection of its own, which are gone on return. Returns the outcome,
 * which is request->outcome, too; request->error says why it is not OK. Callbacks are called as in any loop, but on_row
 * must not answer HF_PAUSE, since nobody could resume. A request that cannot even begin (the config is not valid, there
 * is no memory) is NOT_SENT, and its on_done is not called. How long this may take is for the config's max_outage and
 * request->timeout_ms to say. */
hf_outcome hf_linux_run(const hf_config *config, hf_request *request);

#define hf_linux_init HF_BUILT(hf_linux_init)

/* Makes a port: opens epoll and the resolver, and reads the files that the config names for TLS (again before a
 * connect, if they changed). config must outlive the port. A soft limit of open files (RLIMIT_NOFILE) that is too low
 * for the config's max_concurrent is raised. False: *error (may be NULL) names the file that cannot be read, what the
 * system has no more of, or that the hard limit of open files is lower than max_concurrent. */
bool hf_linux_init(hf_linux *port, const hf_config *config, hf_error *error);
/* The port as hf_pool_init() wants it; the same memory. */
hf_port *hf_linux_port(hf_linux *port);
/* The time that hf_tick() wants: CLOCK_BOOTTIME in ms, which counts on while the machine sleeps. */
hf_ms hf_linux_now(hf_linux *port);
/* Sleeps until a link or a look-up has an event, or `until` has come: not before it, and a ms after at most. 0, or an
 * hf_err. A signal ends the sleep early, which is no error. */
int hf_linux_wait(hf_linux *port, hf_ms until);
/* The one descriptor that somebody else's loop polls for reading; then hf_linux_wait(port, 0) and hf_tick(). */
int hf_linux_fd(hf_linux *port);
/* Releases all that the port has: after hf_pool_closed(), or at any time if hf_tick() is not called again. */
void hf_linux_close(hf_linux *port);

#ifdef __cplusplus
}
#endif

#endif
