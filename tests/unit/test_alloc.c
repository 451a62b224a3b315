/* Nothing in core allocates, from hf_pool_init() to a closed pool: a whole life with outages, cancels, pauses,
 * batches and errors, while the C library's allocator is watched. The scripted port and the peer do not
 * allocate either. */
#include "testbed.h"

#include <stdlib.h>

/* volatile: a compiler knows that malloc() looks at nothing of ours. */
static volatile bool watched;
static volatile unsigned allocations, releases;

#if defined(__SANITIZE_ADDRESS__)
#define HOOKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOOKS 1
#endif
#endif

#ifdef HOOKS
#include <sanitizer/allocator_interface.h>

static void on_malloc(const volatile void *at, size_t bytes) {
    (void)at, (void)bytes;
    allocations += watched;
}

static void on_free(const volatile void *at) {
    (void)at;
    releases += watched;
}

static void watch(void) {
    static bool hooked;
    if (!hooked)
        assert_true(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
    hooked = true;
}
#else
/* The program's own come before the C library's, which has them under a second name too. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *at, size_t bytes);
extern void __libc_free(void *at);

void *malloc(size_t bytes) {
    allocations += watched;
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes) {
    allocations += watched;
    return __libc_calloc(n, bytes);
}

void *realloc(void *at, size_t bytes) {
    allocations += watched;
    return __libc_realloc(at, bytes);
}

void free(void *at) {
    releases += watched;
    __libc_free(at);
}

static void watch(void) {
}
#endif

static void begin(void) {
    watch();
    allocations = releases = 0;
    watched = true;
}

static void the_watch_sees_an_allocation(void **state) {
    (void)state;
    begin();
    void *volatile at = malloc(10);
    free(at);
    watched = false;
    assert_true(allocations > 0);
    assert_true(releases > 0);
}

static void core_allocates_nothing_in_a_whole_life(void **state) {
    (void)state;
    static const char *const codes[] = { "40001", "26000", "57014", "23505", "40003" };
    static const hf_statement batch[] = { { .sql = "write 101" }, { .sql = "write 102" } };
    hf_testbed *world = hf_testbed_new();
    world->config.max_pipelined = 2;
    world->config.request_timeout_ms = 3000;
    world->config.hosts[0].name = "db.example";
    world->script->addresses = 2;
    begin();
    hf_testbed_open(world, 0);
    for (unsigned i = 0; i < 5; i++)
        hf_testbed_strike(world, HF_PEER_EXECUTE, HF_PEER_ERROR, codes[i])->skip = i;
    hf_peer_add(
        world->peer,
        (hf_peer_fault){ .point = HF_PEER_EXECUTE, .deed = HF_PEER_HOLD, .skip = 7, .times = 3 });
    for (unsigned i = 0; i < 20; i++) {
        hf_job *job = hf_testbed_job(world, i & 1 ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT,
                                     i % 3 ? "write %u" : "rows %u", i);
        job->pause_at = i == 9 ? 2 : 0;
        hf_testbed_resubmit(job);
    }
    hf_job *both = hf_testbed_job(world, HF_REPLAY_UNSENT, "batch");
    both->request.sql = NULL;
    both->request.batch = batch;
    both->request.n_batch = 2;
    hf_testbed_resubmit(both);
    hf_testbed_wait(world, 20000);
    for (unsigned i = 0; i < 20; i++)
        hf_resume(world->pool, &world->jobs[i].request);
    hf_testbed_wait(world, 60000);
    for (unsigned i = 0; i < 4; i++) {
        hf_peer_drop(world->peer, i & 1 ? HF_ERR_RESET : 0);
        hf_testbed_submit(world, HF_REPLAY_SAFE, "rows 100");
        hf_testbed_wait(world, 40000);
    }
    hf_testbed_finish(world, 600000);
    hf_testbed_end(world);
    watched = false;
    assert_int_equal(allocations, 0);
    assert_int_equal(releases, 0);
    assert_true(hf_testbed_status(world).retries > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        hf_test(the_watch_sees_an_allocation),
        hf_test(core_allocates_nothing_in_a_whole_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
