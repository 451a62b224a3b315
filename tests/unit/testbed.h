/* A world for tests of the engine: a pool, its scripted network, a server and a clock. A test says when something
 * happens and what breaks, and asks what became of each request.
 *
 * In every world the following holds, and hf_testbed_end() checks it: each request ends exactly once, with an outcome
 * that is true of what the server committed; rows come in order, none doubled, none missing; there are no more links
 * than max_concurrent; no tick loops; the pool closes and leaves no link behind; nothing outside the pool's memory is
 * written.
 */
#ifndef HF_TESTBED_H
#define HF_TESTBED_H

#include "peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    HF_TESTBED_JOBS = 64,
    HF_TESTBED_STEPS = 256,
    HF_TESTBED_GUARD = 64,
    HF_TESTBED_MEMORY = 1 << 19
};

typedef struct hf_testbed hf_testbed;

/* A request, and what its callbacks were told. */
typedef struct hf_job {
    hf_request request;
    hf_testbed *world;
    char sql[64];
    char kept[72]; /* the text that is sent in place of sql, if it is to be kept prepared */
    bool submitted;
    unsigned done, rows, restarts, errors, sends;
    unsigned pause_at; /* on_row says HF_PAUSE at this row, from 1; 0 never */
    hf_ms ended_at;
    void (*then)(struct hf_job *job);             /* called in on_done */
    void (*each)(struct hf_job *job, unsigned n); /* called in on_row */
} hf_job;

struct hf_testbed {
    hf_script *script;
    hf_peer *peer;
    hf_config config;
    hf_pool *pool;
    hf_ms now, next; /* the clock, and what the last tick returned */
    hf_job jobs[HF_TESTBED_JOBS];
    unsigned n_jobs;
    unsigned n_done;
    hf_job *ended[HF_TESTBED_JOBS]; /* in the order of their ends */
    hf_transition steps[HF_TESTBED_STEPS];
    unsigned n_steps;
    unsigned notices;
    uint8_t *memory; /* the pool's, behind a guard */
    size_t size;
};

/* The default settings with jitter 0, without TLS, one host by number. Change world->config, then open. */
hf_testbed *hf_testbed_new(void);
/* Makes the pool, with the clock at `now`. */
void hf_testbed_open(hf_testbed *world, hf_ms now);

/* A job of this SQL (see peer.h), not yet submitted. */
hf_job *hf_testbed_job(hf_testbed *world, hf_replay replay, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* hf_testbed_job(), and submits the job. */
hf_job *hf_testbed_submit(hf_testbed *world, hf_replay replay, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* hf_testbed_submit() of a statement that is to be kept prepared. */
hf_job *hf_testbed_submit_kept(hf_testbed *world, hf_replay replay, const char *sql);
void hf_testbed_resubmit(hf_job *job);

/* Ticks at the present moment until nothing more happens. */
void hf_testbed_settle(hf_testbed *world);
/* Moves the clock to `at`, and ticks at every deadline on the way. */
void hf_testbed_go(hf_testbed *world, hf_ms at);
void hf_testbed_wait(hf_testbed *world, hf_ms ms);
/* Moves the clock to `at` without a tick on the way, as a suspended machine does. */
void hf_testbed_sleep(hf_testbed *world, hf_ms at);
/* Runs until every job has ended; fails when that takes longer than ms. */
void hf_testbed_finish(hf_testbed *world, hf_ms ms);
/* Brings n connections up. */
void hf_testbed_up(hf_testbed *world, unsigned n);
/* A new world with one connection, which is up at now and has nothing to do. */
hf_testbed *hf_testbed_one_up(hf_ms now);
/* Adds what the server does the next time that it comes to that point (hf_peer_add()); sqlstate: of its message, or
 * NULL. More often, or later: hf_testbed_strike(…)->times = HF_FOREVER. */
hf_peer_fault *hf_testbed_strike(hf_testbed *world, hf_peer_point point, hf_peer_deed deed,
                                 const char *sqlstate);
/* The next so many attempts to connect are refused. */
void hf_testbed_refuse(hf_testbed *world, uint32_t times);
/* Closes the pool, checks the outcomes and all else that the head of this file says, and frees the world. */
void hf_testbed_end(hf_testbed *world);

hf_state hf_testbed_state(const hf_testbed *world, unsigned conn);
hf_pool_status hf_testbed_status(const hf_testbed *world);
/* When the nth attempt (from 0) to connect was begun, by any connection; HF_NEVER: not yet. */
hf_ms hf_testbed_dial(const hf_testbed *world, unsigned n);
/* How many attempts to connect were begun. */
unsigned hf_testbed_dials(const hf_testbed *world);
/* The last step of a connection. */
const hf_transition *hf_testbed_step(const hf_testbed *world, unsigned conn);

/* What happened so far, for whoever looks for the cause of a failure. */
void hf_testbed_print(const hf_testbed *world);

#define assert_outcome(job, expected) \
    assert_string_equal(hf_outcome_name((job)->request.outcome), hf_outcome_name(expected))
#define assert_state(world, conn, expected) \
    assert_string_equal(hf_state_name(hf_testbed_state(world, conn)), hf_state_name(expected))
/* Fails unless the job ended as expected: "ok, sent 2, asked 1", or, with why it is not OK, "failed, sent 1, asked 0,
 * HF_ERR_SERVER 23503", "unknown, sent 2, asked 0, HF_ERR_SERVER 40003 max_retries". claim: the table's row, which the
 * failure names. */
void hf_testbed_expect(const hf_job *job, const char *claim, const char *expected);
/* What hf_error_text() makes of an error begins with text. */
void hf_assert_text(const hf_error *error, const char *text, const char *file, int line);
#define assert_text(error, text) hf_assert_text(error, text, __FILE__, __LINE__)
#define assert_at(a, b)          assert_int_equal((uint64_t)(a), (uint64_t)(b))

/* Runs a scenario (which ends its world itself) again and again, with the Nth call of the port failing, for
 * every N, once and for good. While hf_testbed_broken() a scenario asserts no more than hf_testbed_end() does. */
void hf_testbed_sweep(void (*scenario)(void));
bool hf_testbed_broken(void);

/* A row of a test program's table; says which call failed when a sweep ends badly. */
#define hf_test(name) cmocka_unit_test_teardown(name, hf_testbed_teardown)
int hf_testbed_teardown(void **state);
/* From here on a failure says: to repeat, set the environment variable `name` to number. NULL: no more. */
void hf_testbed_repeat_with(const char *name, unsigned number);

#endif
