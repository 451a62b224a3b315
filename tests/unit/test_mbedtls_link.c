/* TLS as a link: handshake and stream through a relay that cuts, delays and changes what passes. The server
 * is openssl's, the relay is played here. */
#include "hf_mbedtls.h"
#include "loopback.h"
#include "port/linux/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENDLESS SIZE_MAX

typedef struct hf_relay {
    hf_linux port;
    hf_config config;
    hf_test_server server;
    int listener;
    uint16_t number;
    int client, upstream; /* -1: not connected */
    size_t down, up;      /* bytes that may still pass: to the client, to the server */
    size_t slice;         /* at most so many at a time */
    bool reset;           /* the cut is a reset, not an end */
    size_t change;        /* this byte to the client is changed, counted from 0 */
    size_t passed_down, passed_up;
    hf_ms patience;
} hf_relay;

static const char *const tls13[] = { "-rev", "-tls1_3", NULL };
static const char *const tls12[] = { "-rev", "-tls1_2", NULL };
static const char *const alpn[] = { "-rev", "-alpn", "postgresql", NULL };
static const char *const alpn_other[] = { "-rev", "-alpn", "h2", NULL };

static void relay_start(hf_relay *relay, const char *const *how) {
    memset(relay, 0, sizeof *relay);
    hf_test_server_start(&relay->server, "good.crt", "server.key", how);
    hf_test_port(&relay->port, &relay->config, HF_TLS_FIXTURES "ca.crt");
    relay->listener = hf_test_listen(&relay->number);
    relay->client = relay->upstream = -1;
    relay->patience = HF_TEST_PATIENCE_MS;
}

static void hang_up(hf_relay *relay) {
    if (relay->client >= 0 && relay->reset) {
        hf_test_reset(relay->client);
    } else if (relay->client >= 0) {
        close(relay->client);
    }
    if (relay->upstream >= 0) {
        close(relay->upstream);
    }
    relay->client = relay->upstream = -1;
}

static void relay_stop(hf_relay *relay) {
    hang_up(relay);
    close(relay->listener);
    hf_linux_close(&relay->port);
    hf_test_server_stop(&relay->server);
}

/* A connection through the relay, which then lets everything pass. */
static hf_link *relay_connect(hf_relay *relay) {
    hang_up(relay);
    hf_link *link = hf_test_open(&relay->port, relay->number, 9);
    assert_int_equal(hf_test_ready(&relay->port, link), 1);
    relay->client = hf_test_accept(relay->listener);
    relay->upstream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(relay->server.port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    assert_int_equal(connect(relay->upstream, (struct sockaddr *)&at, sizeof at), 0);
    const int ends[] = { relay->client, relay->upstream };
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
        setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    }
    relay->down = relay->up = ENDLESS;
    relay->slice = 4096;
    relay->change = ENDLESS;
    relay->reset = false;
    relay->passed_down = relay->passed_up = 0;
    return link;
}

/* Passes on what waits on `from`. False: that side has ended, or the cut is reached. */
static bool pass(hf_relay *relay, int from, int to, size_t *left, size_t *passed, bool down) {
    uint8_t bytes[4096];
    size_t most = relay->slice < *left ? relay->slice : *left;
    if (most == 0) {
        return false;
    }
    ssize_t n = recv(from, bytes, most, MSG_PEEK);
    if (n <= 0) {
        return n < 0 && errno == EAGAIN;
    }
    if (down && relay->change >= *passed && relay->change < *passed + (size_t)n) {
        bytes[relay->change - *passed] ^= 0x40;
    }
    ssize_t sent = send(to, bytes, (size_t)n, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN;
    }
    (void)!recv(from, bytes, (size_t)sent, 0);
    *passed += (size_t)sent;
    if (*left != ENDLESS) {
        *left -= (size_t)sent;
    }
    return *left > 0;
}

/* Lets relay and port do what they can; waits until one of them has something to do. */
static void turn(hf_relay *relay) {
    struct pollfd fds[] = { { hf_linux_fd(&relay->port), POLLIN, 0 },
                            { relay->client, POLLIN, 0 },
                            { relay->upstream, POLLIN, 0 } };
    (void)poll(fds, 3, 20);
    if (relay->client >= 0 &&
        !(pass(relay, relay->client, relay->upstream, &relay->up, &relay->passed_up, false) &&
          pass(relay, relay->upstream, relay->client, &relay->down, &relay->passed_down, true))) {
        hang_up(relay);
    }
    assert_int_equal(hf_linux_wait(&relay->port, 0), 0);
    uint32_t tag;
    while (relay->port.port.api->next(&relay->port.port, &tag) != 0) {
    }
}

static hf_link *start_tls(hf_relay *relay, hf_link *link, const char *protocol) {
    int err;
    hf_link *tls =
        relay->port.port.api->start_tls(&relay->port.port, link, "localhost", protocol, &err);
    assert_non_null(tls);
    assert_int_equal(tls->tag, 9);
    return tls;
}

static int handshake(hf_relay *relay, hf_link *tls) {
    hf_ms end = hf_linux_now(&relay->port) + relay->patience;
    while (hf_linux_now(&relay->port) < end) {
        bool more;
        int answer = tls->api->ready(tls, &more);
        if (answer != 0) {
            return answer;
        }
        if (!more) {
            turn(relay);
        }
    }
    return HF_ERR_TIMEOUT;
}

static hf_link *open_tls(hf_relay *relay) {
    hf_link *tls = start_tls(relay, relay_connect(relay), NULL);
    assert_int_equal(handshake(relay, tls), 1);
    return tls;
}

/* Reads until the stream ends or `bytes` are there. */
static int read_all(hf_relay *relay, hf_link *tls, char *out, size_t bytes, size_t *got) {
    hf_ms end = hf_linux_now(&relay->port) + relay->patience;
    *got = 0;
    while (*got < bytes && hf_linux_now(&relay->port) < end) {
        size_t asked = bytes - *got;
        int n = tls->api->read(tls, out + *got, asked);
        if (n < 0) {
            return n;
        }
        *got += (size_t)n;
        if ((size_t)n < asked) {
            turn(relay);
        }
    }
    return *got < bytes ? HF_ERR_TIMEOUT : 0;
}

static void converse(hf_relay *relay, hf_link *tls) {
    char bytes[8];
    size_t got;
    assert_int_equal(tls->api->write(tls, "drawer\n", 7), 7);
    assert_int_equal(read_all(relay, tls, bytes, 7, &got), 0);
    assert_memory_equal(bytes, "reward\n", 7);
}

static void close_politely(hf_relay *relay, hf_link *tls) {
    hf_ms end = hf_linux_now(&relay->port) + HF_TEST_PATIENCE_MS;
    while (tls->api->close(tls) == 0) {
        assert_true(hf_linux_now(&relay->port) < end);
        turn(relay);
    }
}

static void expect_no_memory_held(void) {
    hf_mbedtls_heap heap;
    hf_mbedtls_heap_get(&heap);
    assert_int_equal(heap.blocks, 0);
}

/* FAULTS 12: an end or a reset after every single byte of the handshake, either way. */
static void cut_everywhere(const char *const *how) {
    hf_relay relay;
    relay_start(&relay, how);
    hf_link *tls = open_tls(&relay);
    converse(&relay, tls);
    size_t down = relay.passed_down, up = relay.passed_up;
    tls->api->abort(tls);
    assert_true(down > 500 && up > 200);
    size_t ups = 0, cuts = 0;
    for (int way = 0; way < 2; way++) {
        for (size_t n = 1; n < (way == 0 ? down : up); n++) {
            hf_link *plain = relay_connect(&relay);
            relay.reset = n % 2 == 0;
            *(way == 0 ? &relay.down : &relay.up) = n;
            tls = start_tls(&relay, plain, NULL);
            int answer = handshake(&relay, tls);
            ups += answer == 1;
            cuts++;
            if (answer != 1 && answer != HF_ERR_EOF && answer != HF_ERR_RESET) {
                fail_msg("cut after %zu bytes: %s", n, hf_err_name(answer));
            }
            if (answer != 1) {
                assert_int_equal(tls->api->ready(tls, &(bool){ false }), answer); /* it sticks */
            }
            tls->api->abort(tls);
        }
    }
    /* What comes after the handshake (tickets, the answer) may be cut too: then it was up. */
    assert_true(ups < cuts / 2);
    relay_stop(&relay);
    expect_no_memory_held();
}

/* Shows fault 12. */
static void a_cut_handshake_is_a_clean_error_in_tls_1_3(void **state) {
    (void)state;
    cut_everywhere(tls13);
}

/* Shows fault 12. */
static void a_cut_handshake_is_a_clean_error_in_tls_1_2(void **state) {
    (void)state;
    cut_everywhere(tls12);
}

static void slices_of_any_size_make_no_difference(void **state) {
    (void)state;
    hf_relay relay;
    for (int old = 0; old < 2; old++) {
        relay_start(&relay, old ? tls12 : tls13);
        for (size_t slice = 1; slice < 8; slice++) {
            hf_link *plain = relay_connect(&relay);
            relay.slice = slice;
            hf_link *tls = start_tls(&relay, plain, NULL);
            assert_int_equal(handshake(&relay, tls), 1);
            converse(&relay, tls);
            close_politely(&relay, tls);
        }
        relay_stop(&relay);
    }
}

/* Shows fault 39. */
static void a_changed_byte_is_noticed(void **state) {
    (void)state;
    hf_relay relay;
    relay_start(&relay, tls13);
    hf_link *tls = open_tls(&relay);
    converse(&relay, tls);
    size_t total = relay.passed_down;
    tls->api->abort(tls);
    relay.patience =
        150;     /* a length that grew waits for bytes that never come: the deadline's matter */
    total -= 16; /* a signature's length varies by some bytes */
    for (size_t n = 0; n < total; n += 7) {
        hf_link *plain = relay_connect(&relay);
        relay.change = n;
        tls = start_tls(&relay, plain, NULL);
        int answer = handshake(&relay, tls);
        if (answer == 1) {
            char bytes[8];
            size_t got;
            assert_int_equal(tls->api->write(tls, "drawer\n", 7), 7);
            answer = read_all(&relay, tls, bytes, 7, &got);
        }
        if (answer >= 0 || answer == HF_ERR_TLS_TRUNCATED) {
            fail_msg("byte %zu changed: %s", n, hf_err_name(answer));
        }
        tls->api->abort(tls);
    }
    relay_stop(&relay);
    expect_no_memory_held();
}

/* FAULTS 13. Shows fault 13. */
static void an_end_without_close_notify_is_truncation(void **state) {
    (void)state;
    hf_relay relay;
    relay_start(&relay, tls13);
    for (int reset = 0; reset < 2; reset++) {
        hf_link *tls = open_tls(&relay);
        converse(&relay, tls);
        relay.reset = reset != 0;
        hang_up(&relay);
        char bytes[8];
        size_t got;
        assert_int_equal(read_all(&relay, tls, bytes, sizeof bytes, &got),
                         reset ? HF_ERR_RESET : HF_ERR_TLS_TRUNCATED);
        assert_int_equal(tls->api->read(tls, bytes, sizeof bytes),
                         reset ? HF_ERR_RESET : HF_ERR_TLS_TRUNCATED);
        assert_int_equal(tls->api->write(tls, "x", 1), reset ? HF_ERR_RESET : HF_ERR_TLS_TRUNCATED);
        close_politely(&relay, tls);
    }
    relay_stop(&relay);
}

static void close_notify_is_an_ordinary_end(void **state) {
    (void)state;
    hf_relay relay;
    for (int old = 0; old < 2; old++) {
        relay_start(&relay, old ? tls12 : tls13);
        hf_link *tls = open_tls(&relay);
        assert_int_equal(tls->api->write(tls, "CLOSE\n", 6), 6);
        char bytes[8];
        size_t got;
        assert_int_equal(read_all(&relay, tls, bytes, sizeof bytes, &got), HF_ERR_EOF);
        close_politely(&relay, tls);
        relay_stop(&relay);
    }
}

/* The last answer and what ends the stream arrive together: the answer is read short, and then the end
 * must still be an event. */
static void an_end_behind_the_last_record_is_an_event(void **state) {
    (void)state;
    hf_relay relay;
    relay_start(&relay, tls13);
    hf_link *tls = open_tls(&relay);
    converse(&relay, tls); /* and the tickets have passed */
    assert_int_equal(tls->api->write(tls, "drawer\nCLOSE\n", 13), 13);
    size_t before = relay.passed_down;
    for (int i = 0; i < 50 && relay.client >= 0; i++) {
        turn(&relay);
    }
    assert_true(relay.passed_down > before);
    char bytes[64];
    assert_int_equal(tls->api->read(tls, bytes, sizeof bytes), 7);
    assert_true(hf_test_event(&relay.port, 9, HF_TEST_PATIENCE_MS));
    assert_int_equal(tls->api->read(tls, bytes, sizeof bytes), HF_ERR_EOF);
    tls->api->abort(tls);
    relay_stop(&relay);
}

/* CVE-2021-23222: bytes in clear before the handshake are nobody's. Shows security 1. */
static void bytes_before_the_handshake_are_refused(void **state) {
    (void)state;
    hf_relay relay;
    relay_start(&relay, tls13);
    hf_link *plain = relay_connect(&relay);
    hf_test_send(relay.client, "SELECT");
    char byte;
    assert_true(hf_test_event(&relay.port, 9, HF_TEST_PATIENCE_MS));
    assert_int_equal(plain->api->read(plain, &byte, 1), 1); /* 'S', as from a server */
    int err;
    hf_port *port = &relay.port.port;
    assert_null(port->api->start_tls(port, plain, "localhost", NULL, &err));
    assert_int_equal(err, HF_ERR_TLS_INJECTED);
    plain->api->abort(plain); /* still ours */
    plain = relay_connect(&relay);
    hang_up(&relay);
    assert_true(hf_test_event(&relay.port, 9, HF_TEST_PATIENCE_MS));
    assert_null(port->api->start_tls(port, plain, "localhost", NULL, &err));
    assert_int_equal(err, HF_ERR_EOF);
    plain->api->abort(plain);
    relay_stop(&relay);
}

static int alpn_verdict(const char *const *how, const char *protocol) {
    hf_relay relay;
    relay_start(&relay, how);
    hf_link *tls = start_tls(&relay, relay_connect(&relay), protocol);
    int answer = handshake(&relay, tls);
    if (answer == 1) {
        converse(&relay, tls);
    }
    tls->api->abort(tls);
    relay_stop(&relay);
    return answer;
}

static void alpn_must_be_agreed_to(void **state) {
    (void)state;
    assert_int_equal(alpn_verdict(alpn, "postgresql"), 1);
    assert_int_equal(alpn_verdict(alpn, NULL), 1);
    assert_int_equal(alpn_verdict(tls13, "postgresql"), HF_ERR_TLS_REJECTED);
    assert_int_equal(alpn_verdict(tls12, "postgresql"), HF_ERR_TLS_REJECTED);
    assert_int_equal(alpn_verdict(alpn_other, "postgresql"), HF_ERR_TLS_REJECTED);
}

static void what_is_not_tls_is_an_error(void **state) {
    (void)state;
    static const char *const rubbish[] = { "HTTP/1.1 400 Bad Request\r\n\r\n", "EFATAL",
                                           "\x15\x03\x03\x00\x02\x02\x28", /* alert 40 */
                                           "\x16\x03\x03\xff\xff", "\x17\x03\x03\x00\x01x" };
    hf_relay relay;
    relay_start(&relay, tls13);
    for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
        hf_link *tls = start_tls(&relay, relay_connect(&relay), NULL);
        close(relay.upstream);
        relay.upstream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* goes nowhere */
        relay.down = relay.up = 0;
        size_t size = i == 2 ? 7 : i == 3 ? 5 : i == 4 ? 6 : strlen(rubbish[i]);
        assert_int_equal(send(relay.client, rubbish[i], size, 0), size);
        shutdown(relay.client, SHUT_WR);
        int answer = handshake(&relay, tls);
        if (answer != (i == 2 ? HF_ERR_TLS_REJECTED : HF_ERR_TLS)) {
            fail_msg("rubbish %zu: %s", i, hf_err_name(answer));
        }
        int32_t system;
        if (tls->api->why(tls, &system) == NULL || system == 0) {
            fail_msg("rubbish %zu: %d has no words", i, (int)system);
        }
        tls->api->abort(tls);
    }
    relay_stop(&relay);
}

/* A megabyte each way while the server takes nothing until it is read from: writes block and go on with the
 * same bytes, and reads cross records. */
static void a_stream_survives_blocked_writes(void **state) {
    (void)state;
    enum { LINE = 1000, LINES = 6000 };
    hf_relay relay;
    relay_start(&relay, tls13);
    hf_link *tls = open_tls(&relay);
    char *out = malloc(LINE * LINES), *in = malloc(LINE * LINES);
    assert_true(out && in);
    for (size_t i = 0; i < LINE * LINES; i++)
        out[i] = i % LINE == LINE - 1 ? '\n' : (char)('a' + i * i % 23);
    size_t sent = 0, got = 0, blocked = 0;
    hf_ms end = hf_linux_now(&relay.port) + HF_TEST_PATIENCE_MS;
    while (got < LINE * LINES && hf_linux_now(&relay.port) < end) {
        int n = sent < LINE * LINES ? tls->api->write(tls, out + sent, LINE * LINES - sent) : 0;
        assert_true(n >= 0);
        sent += (size_t)n;
        blocked += n == 0 && sent < LINE * LINES;
        if (n == 0) {
            size_t asked = LINE * LINES - got;
            asked = asked < 50000 ? asked : 50000;
            n = tls->api->read(tls, in + got, asked);
            assert_true(n >= 0);
            got += (size_t)n;
            if (n == 0)
                turn(&relay);
        }
    }
    assert_int_equal(got, LINE * LINES);
    assert_true(blocked > 0);
    for (size_t line = 0; line < LINES; line++)
        for (size_t i = 0; i < LINE - 1; i += 37)
            assert_int_equal(in[line * LINE + i], out[line * LINE + LINE - 2 - i]);
    free(out);
    free(in);
    close_politely(&relay, tls);
    relay_stop(&relay);
    expect_no_memory_held();
}

/* Reading stops in the middle (a paused request), its event is consumed, and reading goes on. */
static void what_was_left_unread_is_there_later(void **state) {
    (void)state;
    hf_relay relay;
    relay_start(&relay, tls13);
    hf_link *tls = open_tls(&relay);
    converse(&relay, tls);
    assert_int_equal(tls->api->write(tls, "abc\ndefg\n", 9), 9);
    char bytes[16];
    size_t got;
    assert_int_equal(read_all(&relay, tls, bytes, 2, &got), 0);
    for (int i = 0; i < 5; i++)
        turn(&relay); /* the rest arrives, and its event is thrown away */
    assert_int_equal(tls->api->read(tls, bytes + 2, 14), 7);
    assert_memory_equal(bytes, "cba\ngfed\n", 9);
    tls->api->abort(tls);
    relay_stop(&relay);
}

static void links_leave_nothing_behind(void **state) {
    (void)state;
    hf_relay relay;
    relay_start(&relay, tls13);
    hf_mbedtls_heap before, after;
    hf_link *first = open_tls(&relay); /* PSA's table of keys stays */
    first->api->abort(first);
    hang_up(&relay);
    hf_mbedtls_heap_get(&before);
    int descriptors = hf_test_descriptors();
    for (int i = 0; i < 100; i++) {
        hf_link *tls = open_tls(&relay);
        if (i % 3 == 0) {
            close_politely(&relay, tls);
        } else {
            tls->api->abort(tls);
        }
        hang_up(&relay);
        hf_mbedtls_heap_get(&after);
        assert_int_equal(after.blocks, before.blocks);
    }
    assert_int_equal(hf_test_descriptors(), descriptors);
    relay_stop(&relay);
}

/* A peer that says something, or nothing, and is gone before it was written to. */
typedef struct hf_gone {
    hf_link link;
    const char *words;
    size_t left;
} hf_gone;

static int gone_read(hf_link *base, void *to, size_t bytes) {
    hf_gone *gone = (hf_gone *)(void *)base;
    size_t give = bytes < gone->left ? bytes : gone->left;
    memcpy(to, gone->words, give);
    gone->words += give;
    gone->left -= give;
    return (int)give;
}

static int gone_write(hf_link *base, const void *from, size_t bytes) {
    (void)base, (void)from, (void)bytes;
    return HF_ERR_RESET;
}

static void gone_abort(hf_link *base) {
    (void)base;
}

static const char *gone_why(hf_link *base, int32_t *system) {
    (void)base;
    *system = ECONNRESET;
    return NULL;
}

static int refused_by(const char *words, size_t bytes) {
    static const hf_link_api api = {
        .read = gone_read, .write = gone_write, .abort = gone_abort, .why = gone_why
    };
    hf_gone gone = { { &api, 1 }, words, 0 }; /* nothing before TLS begins */
    hf_linux port;
    hf_config config;
    hf_test_port(&port, &config, HF_TLS_FIXTURES "ca.crt");
    int err;
    hf_link *tls = hf_mbedtls_start(&port.state->tls->tls, &gone.link, "localhost", NULL, &err);
    assert_non_null(tls);
    gone.left = bytes;
    bool more = true;
    int answer = 0;
    while (answer == 0 && more)
        answer = tls->api->ready(tls, &more);
    tls->api->abort(tls);
    hf_linux_close(&port);
    return answer;
}

/* A server that refuses a client's certificate is often gone before our part of the handshake was sent. */
static void an_alert_is_heard_although_writing_fails(void **state) {
    (void)state;
    assert_int_equal(refused_by("\x15\x03\x03\x00\x02\x02\x30", 7), HF_ERR_TLS_REJECTED);
    assert_int_equal(refused_by("", 0), HF_ERR_RESET);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_handshake_is_a_clean_error_in_tls_1_3),
        cmocka_unit_test(a_cut_handshake_is_a_clean_error_in_tls_1_2),
        cmocka_unit_test(slices_of_any_size_make_no_difference),
        cmocka_unit_test(a_changed_byte_is_noticed),
        cmocka_unit_test(an_end_without_close_notify_is_truncation),
        cmocka_unit_test(close_notify_is_an_ordinary_end),
        cmocka_unit_test(an_end_behind_the_last_record_is_an_event),
        cmocka_unit_test(bytes_before_the_handshake_are_refused),
        cmocka_unit_test(alpn_must_be_agreed_to),
        cmocka_unit_test(what_is_not_tls_is_an_error),
        cmocka_unit_test(an_alert_is_heard_although_writing_fails),
        cmocka_unit_test(a_stream_survives_blocked_writes),
        cmocka_unit_test(what_was_left_unread_is_there_later),
        cmocka_unit_test(links_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
