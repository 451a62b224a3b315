/* Sockets as links, against peers that the test plays itself. */
#include "loopback.h"
#include "port/linux/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct hf_fixture {
    hf_linux port;
    hf_config config;
    int descriptors;
} hf_fixture;

static int setup(void **state) {
    hf_fixture *fixture = calloc(1, sizeof *fixture);
    fixture->descriptors = hf_test_descriptors();
    hf_test_port(&fixture->port, &fixture->config, NULL);
    *state = fixture;
    return 0;
}

/* Every test ends with as many descriptors as it began with. */
static int teardown(void **state) {
    hf_fixture *fixture = *state;
    hf_linux_close(&fixture->port);
    int left = hf_test_descriptors() - fixture->descriptors;
    free(fixture);
    return left;
}

static hf_linux *port_of(void **state) {
    return &((hf_fixture *)*state)->port;
}

static int read_some(hf_link *link, char *out, size_t bytes) {
    memset(out, 0, bytes);
    return link->api->read(link, out, bytes);
}

static void bytes_go_both_ways(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    char bytes[64];
    assert_int_equal(read_some(link, bytes, sizeof bytes), 0);
    assert_int_equal(link->api->write(link, "question", 8), 8);
    hf_test_expect(peer, "question");
    hf_test_send(peer, "answer");
    assert_true(hf_test_event(port, 7, HF_TEST_PATIENCE_MS));
    assert_int_equal(read_some(link, bytes, sizeof bytes), 6);
    assert_string_equal(bytes, "answer");
    uint8_t binding[HF_BINDING_BYTES];
    assert_int_equal(link->api->binding(link, binding), 0);
    close(peer);
    assert_true(hf_test_close(port, link));
}

static int option(const hf_link *link, int level, int name) {
    const hf_linux_link *self = (const hf_linux_link *)(const void *)link;
    int value = -1;
    socklen_t size = sizeof value;
    assert_int_equal(getsockopt(self->fd, level, name, &value, &size), 0);
    return value;
}

static void the_kernel_sends_at_once_and_lets_go_of_dead_peers(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    assert_true(option(link, IPPROTO_TCP, TCP_NODELAY) != 0);
    assert_true(option(link, SOL_SOCKET, SO_KEEPALIVE) != 0);
    const int idle = option(link, IPPROTO_TCP, TCP_KEEPIDLE);
    const int interval = option(link, IPPROTO_TCP, TCP_KEEPINTVL);
    const int count = option(link, IPPROTO_TCP, TCP_KEEPCNT);
    assert_int_equal(idle, 30);
    assert_int_equal(interval, 10);
    assert_int_equal(count, 3);
    assert_int_equal(option(link, IPPROTO_TCP, TCP_USER_TIMEOUT), 0); /* the system's */
    close(peer);
    assert_true(hf_test_close(port, link));
}

/* Shows found S3. */
static void the_users_keepalives_and_time_out_are_set_on_our_socket(void **state) {
    hf_linux *port = port_of(state);
    hf_config *config = &((hf_fixture *)*state)->config;
    int peer, interval = 0;
    socklen_t size = sizeof interval;
    config->keepalives_idle_s = 61;
    config->keepalives_interval_s = HF_UNSET;
    config->keepalives_count = 5;
    config->tcp_user_timeout_ms = 12345;
    hf_link *link = hf_test_pair(port, &peer, 7);
    const int systems = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(getsockopt(systems, IPPROTO_TCP, TCP_KEEPINTVL, &interval, &size), 0);
    close(systems);
    assert_int_equal(option(link, IPPROTO_TCP, TCP_KEEPIDLE), 61);
    assert_int_equal(option(link, IPPROTO_TCP, TCP_KEEPINTVL), interval);
    assert_int_equal(option(link, IPPROTO_TCP, TCP_KEEPCNT), 5);
    assert_int_equal(option(link, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
    close(peer);
    assert_true(hf_test_close(port, link));
    config->keepalives_off = true;
    link = hf_test_pair(port, &peer, 7);
    assert_int_equal(option(link, SOL_SOCKET, SO_KEEPALIVE), 0);
    close(peer);
    assert_true(hf_test_close(port, link));
}

static void a_refused_connection_is_told_by_ready(void **state) {
    hf_linux *port = port_of(state);
    uint16_t number;
    close(hf_test_listen(&number));
    hf_link *link = hf_test_open(port, number, 1);
    assert_int_equal(hf_test_ready(port, link), HF_ERR_REFUSED);
    int32_t system;
    (void)link->api->why(link, &system);
    assert_int_equal(system, ECONNREFUSED);
    link->api->abort(link);
}

static void a_network_without_route_is_unreachable(void **state) {
    hf_linux *port = port_of(state);
    /* The broadcast address: the kernel refuses to connect to it and sends nothing. */
    hf_address address = { .kind = HF_ADDRESS_IP4, .port = 5432, .ip = { 255, 255, 255, 255 } };
    int err;
    hf_link *link = port->port.api->open(&port->port, &address, NULL, 1, &err);
    assert_non_null(link);
    assert_true(hf_test_event(port, 1, HF_TEST_PATIENCE_MS));
    bool more;
    int answer = link->api->ready(link, &more);
    assert_true(answer == HF_ERR_UNREACHABLE || answer == HF_ERR_REFUSED);
    int32_t system;
    assert_non_null(link->api->why(link, &system));
    link->api->abort(link);
}

static void a_reset_is_an_error_of_its_own(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    hf_test_reset(peer);
    assert_true(hf_test_event(port, 7, HF_TEST_PATIENCE_MS));
    char bytes[8];
    assert_int_equal(read_some(link, bytes, sizeof bytes), HF_ERR_RESET);
    link->api->abort(link);
}

/* Edge-triggered: the end came with the bytes, and one event told both. */
static void an_end_behind_the_last_bytes_is_an_event(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    hf_test_send(peer, "last words");
    close(peer);
    assert_true(hf_test_event(port, 7, HF_TEST_PATIENCE_MS));
    char bytes[64];
    assert_int_equal(read_some(link, bytes, sizeof bytes),
                     10); /* short: drained, says the contract */
    assert_true(hf_test_event(port, 7, HF_TEST_PATIENCE_MS));
    assert_int_equal(read_some(link, bytes, sizeof bytes), HF_ERR_EOF);
    assert_int_equal(read_some(link, bytes, sizeof bytes), HF_ERR_EOF);
    assert_int_equal(link->api->write(link, "x", 1), HF_ERR_EOF);
    link->api->abort(link);
}

static void the_last_words_are_read_after_a_failed_write(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    hf_test_send(peer, "FATAL");
    close(peer);
    (void)link->api->write(link, "first", 5); /* draws the reset */
    int answer = 0;
    for (int i = 0; i < HF_TEST_PATIENCE_MS && answer >= 0; i++) {
        usleep(1000);
        answer = link->api->write(link, "more", 4);
    }
    assert_int_equal(answer, HF_ERR_RESET);
    char bytes[64];
    assert_int_equal(read_some(link, bytes, sizeof bytes), 5);
    assert_string_equal(bytes, "FATAL");
    assert_int_equal(read_some(link, bytes, sizeof bytes), HF_ERR_EOF);
    link->api->abort(link);
}

static void close_sends_all_and_waits_for_the_peers_end(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    assert_int_equal(link->api->write(link, "bye", 3), 3);
    assert_int_equal(link->api->close(link), 0);
    hf_test_expect(peer, "bye");
    char byte;
    assert_int_equal(recv(peer, &byte, 1, 0), 0); /* our end is there */
    hf_test_send(peer, "what nobody reads");
    hf_test_wait(port, 100);
    assert_int_equal(link->api->close(link), 0);
    close(peer);
    assert_true(hf_test_close(port, link));
}

static void close_of_a_broken_link_is_done_at_once(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    hf_test_reset(peer);
    hf_test_wait(port, HF_TEST_PATIENCE_MS);
    assert_true(hf_test_close(port, link));
}

/* Bytes that were only queued are taken back: the peer sees a reset, not a statement and an end. */
static void abort_takes_back_what_the_peer_did_not_take(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    static char bytes[65536];
    while (link->api->write(link, bytes, sizeof bytes) > 0) {
    }
    link->api->abort(link);
    ssize_t n;
    do {
        n = recv(peer, bytes, sizeof bytes, 0);
    } while (n > 0);
    assert_int_equal(n, -1);
    assert_int_equal(errno, ECONNRESET);
    close(peer);
}

static void abort_of_an_idle_link_is_an_ordinary_end(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    assert_int_equal(link->api->write(link, "x", 1), 1);
    hf_test_expect(peer, "x");
    link->api->abort(link);
    char byte;
    assert_int_equal(recv(peer, &byte, 1, 0), 0);
    close(peer);
}

static void room_to_write_is_an_event_for_who_waits_for_it(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    static char bytes[65536];
    size_t sent = 0, taken = 0;
    int n;
    while ((n = link->api->write(link, bytes, sizeof bytes)) > 0) {
        sent += (size_t)n;
    }
    assert_int_equal(n, 0);
    assert_false(hf_test_event(port, 7, 20));
    while (taken < sent) {
        ssize_t got = recv(peer, bytes, sizeof bytes, 0);
        assert_true(got > 0);
        taken += (size_t)got;
    }
    assert_true(hf_test_event(port, 7, HF_TEST_PATIENCE_MS));
    assert_int_equal(link->api->write(link, "x", 1), 1);
    close(peer);
    link->api->abort(link);
}

static void events_of_an_earlier_link_in_the_slot_are_not_told(void **state) {
    hf_linux *port = port_of(state);
    int first_peer, second_peer;
    hf_link *first = hf_test_pair(port, &first_peer, 7);
    /* A forked child would keep the descriptor, and with it epoll's registration, alive. */
    int copy = -1;
    for (int fd = 3; fd < 1024 && copy < 0; fd++) {
        struct sockaddr_storage a, b;
        socklen_t a_size = sizeof a, b_size = sizeof b;
        if (fd != first_peer && getsockname(fd, (struct sockaddr *)&a, &a_size) == 0 &&
            getpeername(first_peer, (struct sockaddr *)&b, &b_size) == 0 && a_size == b_size &&
            memcmp(&a, &b, a_size) == 0) {
            copy = dup(fd);
        }
    }
    assert_true(copy >= 0);
    first->api->abort(first);
    hf_link *second = hf_test_pair(port, &second_peer, 8);
    assert_ptr_equal(first, second); /* the same slot */
    assert_false(hf_test_event(port, 8, 10));
    hf_test_send(first_peer, "for the first");
    assert_false(hf_test_event(port, 8, 20));
    hf_test_send(second_peer, "for the second");
    assert_true(hf_test_event(port, 8, HF_TEST_PATIENCE_MS));
    close(copy);
    close(first_peer);
    close(second_peer);
    second->api->abort(second);
}

static void each_note_is_told_once(void **state) {
    hf_linux *port = port_of(state);
    int peer;
    hf_link *link = hf_test_pair(port, &peer, 7);
    hf_test_send(peer, "a");
    assert_true(hf_test_event(port, 7, HF_TEST_PATIENCE_MS));
    assert_false(hf_test_event(port, 7, 10));
    close(peer);
    link->api->abort(link);
    assert_false(hf_test_event(port, 7, 10));
}

static void a_thousand_links_come_and_go_in_one_slot(void **state) {
    hf_linux *port = port_of(state);
    uint16_t number;
    int listener = hf_test_listen(&number);
    hf_link *first = NULL;
    for (int i = 0; i < 1000; i++) {
        hf_link *link = hf_test_open(port, number, 3);
        first = first != NULL ? first : link;
        assert_ptr_equal(link, first);
        if (i % 2 == 0) {
            assert_int_equal(hf_test_ready(port, link), 1);
        }
        link->api->abort(link);
        close(hf_test_accept(listener));
    }
    close(listener);
}

static void more_links_than_slots_are_refused(void **state) {
    hf_linux *port = port_of(state);
    uint16_t number;
    int listener = hf_test_listen(&number);
    hf_address address = hf_test_address(number);
    hf_link *links[64];
    int n = 0, err = 0;
    while (n < 64 &&
           (links[n] = port->port.api->open(&port->port, &address, NULL, 1, &err)) != NULL) {
        n++;
    }
    assert_int_equal(err, HF_ERR_RESOURCES);
    assert_true(n >= 9); /* three connections with three links each */
    while (n > 0) {
        n--;
        links[n]->api->abort(links[n]);
    }
    close(listener);
}

/* Shows fault 49. */
static void without_descriptors_open_says_so(void **state) {
    hf_linux *port = port_of(state);
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    hf_address address = hf_test_address(1);
    int err = 0;
    hf_link *link = port->port.api->open(&port->port, &address, NULL, 1, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_null(link);
    assert_int_equal(err, HF_ERR_RESOURCES);
}

/* ---- Unix sockets ------------------------------------------------------------------------------- */

static int listen_local(const char *folder, uint16_t number, int backlog) {
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/.s.PGSQL.%u", folder, number);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void remove_local(const char *folder, uint16_t number) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/.s.PGSQL.%u", folder, number);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static hf_link *open_local(hf_linux *port, const char *folder, uint16_t number) {
    hf_address address = { .kind = HF_ADDRESS_LOCAL, .port = number };
    int err;
    hf_link *link = port->port.api->open(&port->port, &address, folder, 5, &err);
    assert_non_null(link);
    return link;
}

static void a_unix_socket_is_found_by_folder_and_port(void **state) {
    hf_linux *port = port_of(state);
    char folder[] = "/tmp/hf-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    int listener = listen_local(folder, 5433, 4);
    hf_link *link = open_local(port, folder, 5433);
    assert_int_equal(hf_test_ready(port, link), 1);
    int peer = hf_test_accept(listener);
    assert_int_equal(link->api->write(link, "hello", 5), 5);
    hf_test_expect(peer, "hello");
    assert_true(hf_test_event(port, 5, HF_TEST_PATIENCE_MS)); /* that it connected */
    assert_false(hf_test_event(port, 5, 10));                 /* not that the peer took the bytes */
    hf_test_send(peer, "hi");
    close(peer);
    char bytes[16];
    size_t got;
    assert_int_equal(hf_test_read(port, link, bytes, sizeof bytes, &got), HF_ERR_EOF);
    assert_int_equal(got, 2);
    assert_true(hf_test_close(port, link));
    close(listener);
    remove_local(folder, 5433);
}

static void room_in_a_unix_socket_is_an_event_for_who_waits_for_it(void **state) {
    hf_linux *port = port_of(state);
    char folder[] = "/tmp/hf-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    int listener = listen_local(folder, 5433, 4);
    hf_link *link = open_local(port, folder, 5433);
    int peer = hf_test_accept(listener);
    static char bytes[65536];
    size_t sent = 0;
    int n;
    while ((n = link->api->write(link, bytes, sizeof bytes)) > 0) {
        sent += (size_t)n;
    }
    assert_int_equal(n, 0);
    while (hf_test_event(port, 5, 20)) { /* of the connecting */
    }
    while (sent > 0) {
        ssize_t got = recv(peer, bytes, sizeof bytes, 0);
        assert_true(got > 0);
        sent -= (size_t)got;
    }
    assert_true(hf_test_event(port, 5, HF_TEST_PATIENCE_MS));
    assert_int_equal(link->api->write(link, "x", 1), 1);
    hf_test_expect(peer, "x");
    assert_false(hf_test_event(port, 5, 20));
    close(peer);
    close(listener);
    link->api->abort(link);
    remove_local(folder, 5433);
}

static void a_missing_unix_socket_is_named(void **state) {
    hf_linux *port = port_of(state);
    hf_link *link = open_local(port, "/nowhere/at all", 5432);
    bool more;
    assert_true(hf_test_event(port, 5, HF_TEST_PATIENCE_MS));
    assert_int_equal(link->api->ready(link, &more), HF_ERR_REFUSED);
    int32_t system;
    const char *why = link->api->why(link, &system);
    assert_non_null(strstr(why, "/nowhere/at all/.s.PGSQL.5432"));
    assert_int_equal(system, ENOENT);
    assert_int_equal(link->api->close(link), 1);
}

static void a_unix_socket_that_nobody_serves_is_refused(void **state) {
    hf_linux *port = port_of(state);
    char folder[] = "/tmp/hf-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    close(listen_local(folder, 5432, 1));
    hf_link *link = open_local(port, folder, 5432);
    assert_int_equal(hf_test_ready(port, link), HF_ERR_REFUSED);
    link->api->abort(link);
    remove_local(folder, 5432);
}

static void a_full_unix_socket_is_refused_not_waited_for(void **state) {
    hf_linux *port = port_of(state);
    char folder[] = "/tmp/hf-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    int listener = listen_local(folder, 5432, 0);
    hf_link *links[4];
    int answers[4];
    for (int i = 0; i < 4; i++) {
        links[i] = open_local(port, folder, 5432);
        answers[i] = hf_test_ready(port, links[i]);
    }
    assert_int_equal(answers[0], 1);
    assert_int_equal(answers[3], HF_ERR_REFUSED);
    for (int i = 0; i < 4; i++) {
        links[i]->api->abort(links[i]);
    }
    close(listener);
    remove_local(folder, 5432);
}

static void a_unix_socket_path_that_is_too_long_is_an_argument_error(void **state) {
    hf_linux *port = port_of(state);
    char folder[200];
    memset(folder, 'x', sizeof folder - 1);
    folder[0] = '/';
    folder[sizeof folder - 1] = 0;
    hf_link *link = open_local(port, folder, 5432);
    assert_int_equal(hf_test_ready(port, link), HF_ERR_ARGUMENT);
    link->api->abort(link);
}

/* Shows found S3. */
static void a_unix_socket_of_another_user_is_refused_by_requirepeer(void **state) {
    hf_linux *port = port_of(state);
    hf_config *config = &((hf_fixture *)*state)->config;
    const struct passwd *self = getpwuid(geteuid());
    char folder[] = "/tmp/hf-test-XXXXXX", name[64];
    int32_t system;
    assert_non_null(mkdtemp(folder));
    assert_non_null(self);
    (void)snprintf(name, sizeof name, "%s", self->pw_name);
    int listener = listen_local(folder, 5433, 4);
    config->requirepeer = "nobody at all";
    hf_link *link = open_local(port, folder, 5433);
    assert_int_equal(hf_test_ready(port, link), HF_ERR_CONFIG);
    const char *why = link->api->why(link, &system);
    assert_non_null(strstr(why, "requirepeer is nobody at all"));
    assert_non_null(strstr(why, name));
    assert_int_equal(link->api->write(link, "secret", 6),
                     HF_ERR_CONFIG); /* nothing is said to it */
    link->api->abort(link);
    config->requirepeer = name;
    link = open_local(port, folder, 5433);
    assert_int_equal(hf_test_ready(port, link), 1);
    link->api->abort(link);
    close(listener);
    remove_local(folder, 5433);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways),
        TEST(the_kernel_sends_at_once_and_lets_go_of_dead_peers),
        TEST(the_users_keepalives_and_time_out_are_set_on_our_socket),
        TEST(a_unix_socket_of_another_user_is_refused_by_requirepeer),
        TEST(a_refused_connection_is_told_by_ready),
        TEST(a_network_without_route_is_unreachable),
        TEST(a_reset_is_an_error_of_its_own),
        TEST(an_end_behind_the_last_bytes_is_an_event),
        TEST(the_last_words_are_read_after_a_failed_write),
        TEST(close_sends_all_and_waits_for_the_peers_end),
        TEST(close_of_a_broken_link_is_done_at_once),
        TEST(abort_takes_back_what_the_peer_did_not_take),
        TEST(abort_of_an_idle_link_is_an_ordinary_end),
        TEST(room_to_write_is_an_event_for_who_waits_for_it),
        TEST(events_of_an_earlier_link_in_the_slot_are_not_told),
        TEST(each_note_is_told_once),
        TEST(a_thousand_links_come_and_go_in_one_slot),
        TEST(more_links_than_slots_are_refused),
        TEST(without_descriptors_open_says_so),
        TEST(a_unix_socket_is_found_by_folder_and_port),
        TEST(room_in_a_unix_socket_is_an_event_for_who_waits_for_it),
        TEST(a_missing_unix_socket_is_named),
        TEST(a_unix_socket_that_nobody_serves_is_refused),
        TEST(a_full_unix_socket_is_refused_not_waited_for),
        TEST(a_unix_socket_path_that_is_too_long_is_an_argument_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
