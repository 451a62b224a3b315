/* Sleeping, events, and the system calls that a statement costs. This file stands in front of the C
 * library for some calls, counts them, and makes them fail when a test says so. */
#include "loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
    unsigned send, recv, epoll_wait, epoll_ctl, other; /* how often they were called */
    unsigned slept;                                    /* of epoll_wait: with a time-out */
    int fails;                                         /* this errno, */
    unsigned when; /* in this call of those below, counted from 1; 0 never */
    unsigned calls;
} calls;

/* True when this call is the one to fail. */
static bool faulty(void) {
    calls.calls++;
    if (calls.when != calls.calls) {
        return false;
    }
    errno = calls.fails;
    return true;
}

/* The names that the linker sees are the C library's. */
#define STANDS_FOR(name) __asm__(#name)
ssize_t hf_test_libc_send(int fd, const void *from, size_t bytes, int flags) STANDS_FOR(send);
ssize_t hf_test_libc_recv(int fd, void *to, size_t bytes, int flags) STANDS_FOR(recv);
ssize_t hf_test_libc_recv_checked(int fd, void *to, size_t bytes, size_t room, int flags)
    STANDS_FOR(__recv_chk); /* a fortified call's */
int hf_test_libc_epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
    STANDS_FOR(epoll_wait);
int hf_test_libc_epoll_ctl(int fd, int what, int other, struct epoll_event *event)
    STANDS_FOR(epoll_ctl);
int hf_test_libc_socket(int family, int type, int protocol) STANDS_FOR(socket);
int hf_test_libc_connect(int fd, const void *to, socklen_t size) STANDS_FOR(connect);
int hf_test_libc_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
    STANDS_FOR(setsockopt);
int hf_test_libc_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
    STANDS_FOR(getsockopt);
int hf_test_libc_shutdown(int fd, int how) STANDS_FOR(shutdown);
ssize_t hf_test_libc_getrandom(void *out, size_t bytes, unsigned flags) STANDS_FOR(getrandom);

ssize_t hf_test_libc_send(int fd, const void *from, size_t bytes, int flags) {
    calls.send++;
    if (faulty()) {
        return -1;
    }
    return syscall(SYS_sendto, fd, from, bytes, flags, NULL, 0);
}

ssize_t hf_test_libc_recv(int fd, void *to, size_t bytes, int flags) {
    calls.recv++;
    if (faulty()) {
        return -1;
    }
    return syscall(SYS_recvfrom, fd, to, bytes, flags, NULL, NULL);
}

ssize_t hf_test_libc_recv_checked(int fd, void *to, size_t bytes, size_t room, int flags) {
    assert_true(bytes <= room);
    return hf_test_libc_recv(fd, to, bytes, flags);
}

int hf_test_libc_epoll_wait(int fd, struct epoll_event *events, int max, int timeout) {
    calls.epoll_wait++;
    calls.slept += timeout != 0;
    if (faulty()) {
        return -1;
    }
    return (int)syscall(SYS_epoll_pwait, fd, events, max, timeout, NULL, 8);
}

int hf_test_libc_epoll_ctl(int fd, int what, int other, struct epoll_event *event) {
    calls.epoll_ctl++;
    if (faulty()) {
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, fd, what, other, event);
}

int hf_test_libc_socket(int family, int type, int protocol) {
    calls.other++;
    return faulty() ? -1 : (int)syscall(SYS_socket, family, type, protocol);
}

int hf_test_libc_connect(int fd, const void *to, socklen_t size) {
    calls.other++;
    return faulty() ? -1 : (int)syscall(SYS_connect, fd, to, size);
}

int hf_test_libc_setsockopt(int fd, int level, int option, const void *value, socklen_t size) {
    calls.other++;
    return faulty() ? -1 : (int)syscall(SYS_setsockopt, fd, level, option, value, size);
}

int hf_test_libc_getsockopt(int fd, int level, int option, void *value, socklen_t *size) {
    calls.other++;
    return faulty() ? -1 : (int)syscall(SYS_getsockopt, fd, level, option, value, size);
}

int hf_test_libc_shutdown(int fd, int how) {
    calls.other++;
    return faulty() ? -1 : (int)syscall(SYS_shutdown, fd, how);
}

ssize_t hf_test_libc_getrandom(void *out, size_t bytes, unsigned flags) {
    calls.other++;
    return faulty() ? -1 : syscall(SYS_getrandom, out, bytes, flags);
}

static void count_afresh(void) {
    memset(&calls, 0, sizeof calls);
}

typedef struct hf_fixture {
    hf_linux port;
    hf_config config;
    int descriptors;
} hf_fixture;

static int setup(void **state) {
    hf_fixture *fixture = calloc(1, sizeof *fixture);
    fixture->descriptors = hf_test_descriptors();
    count_afresh();
    hf_test_port(&fixture->port, &fixture->config, NULL);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    hf_fixture *fixture = *state;
    count_afresh();
    hf_linux_close(&fixture->port);
    int left = hf_test_descriptors() - fixture->descriptors;
    free(fixture);
    return left;
}

static hf_linux *port_of(void **state) {
    return &((hf_fixture *)*state)->port;
}

static void wait_ends_not_before_its_time(void **state) {
    hf_linux *port = port_of(state);
    for (int i = 0; i < 20; i++) {
        hf_ms until = hf_linux_now(port) + 3;
        assert_int_equal(hf_linux_wait(port, until), 0);
        assert_true(hf_linux_now(port) >= until);
    }
    assert_true(calls.epoll_wait <= 21); /* and sleeps: it does not ask again and again */
}

static void a_long_wait_ends_at_its_time_whatever_an_earlier_one_was_to_end_at(void **state) {
    const struct {
        hf_ms cut_short, until;
    } waits[] = { { 150, 300 },
                  { 86400000, 450 } }; /* the second ends later than the first, or earlier */
    hf_linux *port = port_of(state);
    int peer;
    uint32_t tag;
    hf_link *link = hf_test_pair(port, &peer, 7);
    const hf_ms start = hf_linux_now(port);
    for (unsigned i = 0; i < 2; i++) {
        hf_test_send(peer, "x");
        assert_int_equal(hf_linux_wait(port, start + waits[i].cut_short), 0);
        while (port->port.api->next(&port->port, &tag)) {
        }
        assert_int_equal(hf_linux_wait(port, start + waits[i].until), 0);
        assert_true(hf_linux_now(port) >= start + waits[i].until);
    }
    assert_true(calls.epoll_wait <= 8);
    close(peer);
    link->api->abort(link);
}

static void wait_in_the_past_returns_at_once(void **state) {
    hf_linux *port = port_of(state);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(hf_linux_wait(port, 0), 0);
    }
    assert_int_equal(calls.slept, 0);
}

static void wait_returns_at_once_when_there_is_an_event(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    hf_test_send(peer, "x");
    assert_int_equal(hf_linux_wait(port, HF_NEVER), 0);
    assert_int_equal(hf_linux_wait(port, HF_NEVER), 0); /* it was not fetched by next() yet */
    uint32_t tag;
    assert_int_equal(port->port.api->next(&port->port, &tag), 1);
    assert_int_equal(tag, 7);
    assert_int_equal(port->port.api->next(&port->port, &tag), 0);
    close(peer);
    link->api->abort(link);
}

static void on_alarm(int signal) {
    (void)signal;
}

/* Shows fault 49. */
static void a_signal_ends_the_sleep_and_is_no_error(void **state) {
    hf_linux *port = port_of(state);
    struct sigaction action = { .sa_handler = on_alarm }, old;
    sigaction(SIGALRM, &action, &old);
    const struct itimerval soon = { { 0, 10000 }, { 0, 10000 } }, never = { { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &soon, NULL); /* again and again: one may come before the sleep */
    assert_int_equal(hf_linux_wait(port, HF_NEVER), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
}

static bool readable(int fd, int ms) {
    struct pollfd one = { fd, POLLIN, 0 };
    return poll(&one, 1, ms) == 1;
}

/* In somebody else's loop: what was noted between two waits must show on the descriptor. */
static void the_descriptor_is_readable_whenever_there_is_an_event(void **state) {
    hf_linux *port = port_of(state);
    const hf_port_api *api = port->port.api;
    uint32_t tag;
    assert_false(readable(hf_linux_fd(port), 0));
    assert_int_equal(api->resolve(&port->port, 1, "127.0.0.1", 5432), 0);
    assert_true(readable(hf_linux_fd(port), HF_TEST_PATIENCE_MS));
    assert_int_equal(hf_linux_wait(port, 0), 0);
    assert_int_equal(api->next(&port->port, &tag), 1);
    assert_int_equal(tag, HF_TAG_RESOLVE + 1);
    assert_int_equal(hf_linux_wait(port, 0), 0);
    assert_false(readable(hf_linux_fd(port), 0));
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    assert_false(readable(hf_linux_fd(port), 0));
    hf_test_send(peer, "x");
    assert_true(readable(hf_linux_fd(port), HF_TEST_PATIENCE_MS));
    assert_int_equal(hf_linux_wait(port, 0), 0);
    /* An end behind the bytes is noted while reading, between two waits. */
    close(peer);
    assert_int_equal(hf_linux_wait(port, HF_NEVER), 0);
    assert_int_equal(api->next(&port->port, &tag), 1);
    char bytes[64];
    assert_int_equal(link->api->read(link, bytes, sizeof bytes), 1);
    assert_true(readable(hf_linux_fd(port), HF_TEST_PATIENCE_MS));
    link->api->abort(link);
}

/* Send, epoll_wait, recv: that is all. */
static void a_statement_costs_three_system_calls(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    char bytes[256];
    for (int i = 0; i < 100; i++) {
        count_afresh();
        assert_int_equal(link->api->write(link, "question", 8), 8);
        hf_test_expect(peer, "question");
        hf_test_send(peer, "answer");
        calls.send--, calls.recv--; /* the peer's */
        assert_int_equal(hf_linux_wait(port, HF_NEVER), 0);
        uint32_t tag;
        assert_int_equal(port->port.api->next(&port->port, &tag), 1);
        assert_int_equal(link->api->read(link, bytes, sizeof bytes), 6);
        assert_int_equal(calls.send, 1);
        assert_int_equal(calls.epoll_wait, 1);
        assert_int_equal(calls.recv, 1);
        assert_int_equal(calls.epoll_ctl + calls.other, 0);
    }
    close(peer);
    link->api->abort(link);
}

static void a_statement_costs_three_system_calls_in_tls_too(void **state) {
    (void)state;
    hf_test_server server;
    hf_linux port;
    hf_config config;
    hf_test_server_start(&server, "good.crt", "server.key", NULL);
    hf_test_port(&port, &config, HF_TLS_FIXTURES "ca.crt");
    hf_link *link = hf_test_open(&port, server.port, 7);
    assert_int_equal(hf_test_ready(&port, link), 1);
    int err;
    link = port.port.api->start_tls(&port.port, link, "localhost", NULL, &err);
    assert_non_null(link);
    assert_int_equal(hf_test_ready(&port, link), 1);
    char bytes[8];
    size_t got;
    assert_int_equal(link->api->write(link, "drawer\n", 7), 7);
    assert_int_equal(hf_test_read(&port, link, bytes, 7, &got), 0);
    for (int i = 0; i < 100; i++) {
        count_afresh();
        assert_int_equal(link->api->write(link, "drawer\n", 7), 7);
        uint32_t tag;
        assert_int_equal(hf_linux_wait(&port, HF_NEVER), 0);
        assert_int_equal(port.port.api->next(&port.port, &tag), 1);
        assert_int_equal(link->api->read(link, bytes, sizeof bytes), 7);
        assert_int_equal(calls.send, 1);
        assert_int_equal(calls.epoll_wait, 1);
        assert_int_equal(calls.recv, 1);
        assert_int_equal(calls.epoll_ctl + calls.other, 0);
    }
    link->api->abort(link);
    hf_linux_close(&port);
    hf_test_server_stop(&server);
}

/* Shows rule 22. */
static void the_processor_share_is_counted_from_the_first_question(void **state) {
    hf_linux *port = port_of(state);
    const hf_port_api *api = port->port.api;
    volatile uint64_t work = 0; /* written, never read: the optimizer keeps it */
    (void)work;
    for (int turn = 0; turn < 2; turn++) {
        hf_linux_wait(port, 0);
        assert_false(api->over_budget(&port->port));
        struct timespec start, now;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
        do {
            for (int i = 0; i < 100000; i++) {
                work += (uint64_t)i;
            }
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        } while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < 25000000);
        assert_true(api->over_budget(&port->port));
    }
}

static void random_bytes_are_there_or_an_error(void **state) {
    hf_linux *port = port_of(state);
    uint8_t a[32] = { 0 }, b[32] = { 0 };
    assert_int_equal(port->port.api->random(&port->port, a, sizeof a), 0);
    assert_int_equal(port->port.api->random(&port->port, b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
    count_afresh();
    calls.fails = EAGAIN; /* just after boot */
    calls.when = 1;
    assert_true(port->port.api->random(&port->port, a, sizeof a) < 0);
    count_afresh();
    calls.fails = EINTR;
    calls.when = 1;
    assert_int_equal(port->port.api->random(&port->port, a, sizeof a), 0);
}

/* One conversation; 0, or the error that ended it. Its peer is the test's own. */
static int converse(hf_linux *port, unsigned when, int error) {
    uint16_t number;
    count_afresh();
    int listener = hf_test_listen(&number);
    hf_address address = hf_test_address(number);
    calls.calls = 0;
    calls.when = when;
    calls.fails = error;
    int answer = 0;
    hf_link *link = port->port.api->open(&port->port, &address, NULL, 7, &answer);
    if (link == NULL) {
        close(listener);
        return answer;
    }
    answer = hf_test_ready(port, link);
    int peer = -1;
    char bytes[8];
    size_t got = 0;
    if (answer == 1) {
        peer = hf_test_accept(listener);
        answer = 0;
    }
    for (size_t sent = 0; answer == 0 && sent < 8;) {
        int n = link->api->write(link, &"question"[sent], 8 - sent);
        sent += n > 0 ? (size_t)n : 0;
        answer = n < 0 ? n : 0;
        if (n == 0) {
            hf_test_wait(port, 50);
        }
    }
    if (answer == 0) {
        (void)syscall(SYS_sendto, peer, "answered", 8, MSG_NOSIGNAL, NULL, 0);
        answer = hf_test_read(port, link, bytes, sizeof bytes, &got);
    }
    if (peer >= 0) {
        close(peer);
    }
    if (answer == 0) {
        assert_memory_equal(bytes, "answered", 8);
        assert_true(hf_test_close(port, link));
    } else {
        link->api->abort(link);
    }
    close(listener);
    return answer;
}

/* Shows fault 49. */
static void every_call_may_fail_once(void **state) {
    hf_linux *port = port_of(state);
    static const int errors[] = { EINTR, ENOMEM, ENOBUFS, ECONNRESET, EMFILE, ENOSPC, EAGAIN };
    assert_int_equal(converse(port, 0, 0), 0);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        unsigned failed = 0;
        for (unsigned n = 1; n < 40; n++) {
            int descriptors = hf_test_descriptors();
            int answer = converse(port, n, errors[i]);
            failed += answer != 0;
            assert_true(answer <= 0 && answer != HF_ERR_TIMEOUT);
            assert_int_equal(hf_test_descriptors(), descriptors); /* nothing leaks */
            assert_int_equal(converse(port, 0, 0), 0);            /* and the next one works */
        }
        assert_true(failed > 0 || errors[i] == EINTR);
    }
}

/* In a process of its own, since a hard limit that was lowered stays so: a port for so many connections, where the
 * limits of open files are these. 0: it is made, and the soft limit suffices; 1: it is, and does not; 2: it is refused
 * by name. */
static int port_within(unsigned conns, rlim_t soft, rlim_t hard) {
    const pid_t child = fork();
    if (child == 0) {
        struct rlimit files = { soft, hard };
        hf_config config = HF_CONFIG_DEFAULT;
        hf_linux made;
        hf_error error;
        config.max_concurrent = conns;
        config.sslmode = HF_SSL_DISABLE;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
            _exit(9);
        }
        if (!hf_linux_init(&made, &config, &error)) {
            _exit(error.code == HF_ERR_CONFIG &&
                          strstr(error.message, "max_concurrent 64 takes 72 open files") &&
                          strstr(error.message, "ulimit -Hn")
                      ? 2
                      : 8);
        }
        _exit(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur >= conns + 8 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Shows fault 49. */
static void a_limit_of_descriptors_too_low_is_raised_or_refused_by_name(void **state) {
    (void)state;
    assert_int_equal(port_within(64, 64, 512), 0);
    assert_int_equal(port_within(64, 32, 80), 0); /* not all it might use, but all it must have */
    assert_int_equal(port_within(64, 64, 64), 2);
    assert_int_equal(port_within(3, 32, 32), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(wait_ends_not_before_its_time),
        TEST(a_long_wait_ends_at_its_time_whatever_an_earlier_one_was_to_end_at),
        TEST(wait_in_the_past_returns_at_once),
        TEST(wait_returns_at_once_when_there_is_an_event),
        TEST(a_signal_ends_the_sleep_and_is_no_error),
        TEST(the_descriptor_is_readable_whenever_there_is_an_event),
        TEST(a_statement_costs_three_system_calls),
        TEST(a_statement_costs_three_system_calls_in_tls_too),
        TEST(the_processor_share_is_counted_from_the_first_question),
        TEST(random_bytes_are_there_or_an_error),
        TEST(every_call_may_fail_once),
        TEST(a_limit_of_descriptors_too_low_is_raised_or_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
