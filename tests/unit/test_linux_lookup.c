/* Names: by /etc/hosts, and by a DNS server that the test plays on loopback. */
#include "loopback.h"
#include "port/linux/lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the DNS server of the test answers: addresses of each family, or nothing, or "no such name". */
enum { DNS_ANSWERS, DNS_NO_NAME, DNS_SILENT };

typedef struct hf_fixture {
    hf_linux port;
    hf_config config;
    int descriptors;
    int dns;
    char resolv_conf[64];
    int mode;
    unsigned asked;        /* questions so far */
    unsigned n_ip4, n_ip6; /* addresses in an answer */
    unsigned first;        /* 127.0.0.<first> and on; ::<first> */
    bool doubled;          /* each address twice */
} hf_fixture;

static int setup(void **state) {
    hf_fixture *fixture = calloc(1, sizeof *fixture);
    fixture->descriptors = hf_test_descriptors();
    hf_test_port(&fixture->port, &fixture->config, NULL);
    fixture->dns = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    assert_int_equal(bind(fixture->dns, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(fixture->dns, (struct sockaddr *)&at, &size), 0);
    strcpy(fixture->resolv_conf, "/tmp/hf-test-XXXXXX");
    int file = mkstemp(fixture->resolv_conf);
    assert_true(dprintf(file, "nameserver 127.0.0.1\n") > 0);
    close(file);
    fixture->port.state->resolv_conf = fixture->resolv_conf;
    fixture->port.state->dns_port = ntohs(at.sin_port);
    fixture->n_ip4 = 1;
    fixture->first = 1;
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    hf_fixture *fixture = *state;
    unlink(fixture->resolv_conf);
    close(fixture->dns);
    hf_linux_close(&fixture->port);
    int left = hf_test_descriptors() - fixture->descriptors;
    free(fixture);
    return left;
}

static size_t put_answer(uint8_t *out, unsigned type, unsigned number) {
    size_t bytes = type == 28 ? 16 : 4;
    uint8_t head[] = { 0xc0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, 60, 0, (uint8_t)bytes };
    memcpy(out, head, sizeof head);
    memset(out + sizeof head, 0, bytes);
    if (type == 1) {
        out[sizeof head] = 127;
    }
    out[sizeof head + bytes - 1] = (uint8_t)number;
    return sizeof head + bytes;
}

/* Answers one question that waits (RFC 1035, 4.1). */
static void serve_dns(hf_fixture *fixture) {
    uint8_t packet[2048];
    struct sockaddr_in from;
    socklen_t from_size = sizeof from;
    ssize_t n = recvfrom(fixture->dns, packet, 512, 0, (struct sockaddr *)&from, &from_size);
    if (n < 12) {
        return;
    }
    fixture->asked++;
    size_t end = 12;
    while (packet[end] != 0) {
        end += packet[end] + 1u;
    }
    unsigned type = packet[end + 2];
    end += 5;
    unsigned count = type == 1 ? fixture->n_ip4 : type == 28 ? fixture->n_ip6 : 0;
    packet[2] = 0x81;
    packet[3] = fixture->mode == DNS_NO_NAME ? 0x83 : 0x80;
    count = fixture->mode == DNS_NO_NAME ? 0 : count;
    packet[6] = packet[8] = packet[9] = packet[10] = packet[11] = 0;
    packet[7] = (uint8_t)(fixture->doubled ? 2 * count : count);
    for (unsigned i = 0; i < count; i++) {
        end += put_answer(packet + end, type, fixture->first + i);
        end += fixture->doubled ? put_answer(packet + end, type, fixture->first + i) : 0;
    }
    if (fixture->mode != DNS_SILENT) {
        sendto(fixture->dns, packet, end, 0, (struct sockaddr *)&from, from_size);
    }
}

static int resolve(hf_fixture *fixture, unsigned slot, const char *host, hf_address *out,
                   size_t max) {
    hf_port *port = &fixture->port.port;
    int answer = port->api->resolve(port, slot, host, 5432);
    hf_ms end = hf_linux_now(&fixture->port) + HF_TEST_PATIENCE_MS;
    while (answer == 0 && hf_linux_now(&fixture->port) < end) {
        answer = port->api->resolved(port, slot, out, max);
        if (answer == 0) {
            serve_dns(fixture);
            hf_test_wait(&fixture->port, 1);
        }
    }
    return answer;
}

static void numeric_addresses_ask_nobody(void **state) {
    hf_fixture *fixture = *state;
    hf_address out[4];
    assert_int_equal(resolve(fixture, 0, "192.0.2.7", out, 4), 1);
    assert_int_equal(out[0].kind, HF_ADDRESS_IP4);
    assert_memory_equal(out[0].ip, "\xc0\x00\x02\x07", 4);
    assert_int_equal(out[0].port, 5432);
    assert_int_equal(resolve(fixture, 1, "2001:db8::7", out, 4), 1);
    assert_int_equal(out[0].kind, HF_ADDRESS_IP6);
    assert_int_equal(out[0].ip[15], 7);
    assert_int_equal(out[0].scope, 0);
    assert_int_equal(resolve(fixture, 2, "fe80::1%lo", out, 4), 1);
    assert_int_equal(out[0].kind, HF_ADDRESS_IP6);
    assert_true(out[0].scope > 0);
    assert_int_equal(resolve(fixture, 2, "fe80::1%17", out, 4), 1);
    assert_int_equal(out[0].scope, 17);
    assert_int_equal(fixture->asked, 0);
    assert_true(hf_test_event(&fixture->port, HF_TAG_RESOLVE + 0, 0) == false); /* taken already */
}

static void localhost_is_known_without_dns(void **state) {
    hf_fixture *fixture = *state;
    hf_address out[4];
    int n = resolve(fixture, 0, "localhost", out, 4);
    assert_true(n >= 1);
    bool loopback = false;
    for (int i = 0; i < n; i++) {
        loopback = loopback || (out[i].kind == HF_ADDRESS_IP4 && out[i].ip[0] == 127);
        assert_int_equal(out[i].port, 5432);
        for (int j = 0; j < i; j++) {
            assert_memory_not_equal(&out[i], &out[j], sizeof out[i]);
        }
    }
    assert_true(loopback);
    assert_int_equal(fixture->asked, 0);
}

static void a_name_is_asked_for_and_its_end_is_an_event(void **state) {
    hf_fixture *fixture = *state;
    hf_port *port = &fixture->port.port;
    hf_address out[4];
    assert_int_equal(port->api->resolve(port, 2, "db.test", 5433), 0);
    assert_int_equal(port->api->resolved(port, 2, out, 4), 0);
    bool ended = false;
    for (int i = 0; i < HF_TEST_PATIENCE_MS && !ended; i++) {
        serve_dns(fixture);
        ended = hf_test_event(&fixture->port, HF_TAG_RESOLVE + 2, 1);
    }
    assert_true(ended);
    assert_int_equal(port->api->resolved(port, 2, out, 4), 1);
    assert_int_equal(out[0].port, 5433);
    assert_memory_equal(out[0].ip, "\x7f\0\0\1", 4);
    assert_true(port->api->resolved(port, 2, out, 4) < 0); /* taken */
}

static void an_address_is_given_once(void **state) {
    hf_fixture *fixture = *state;
    fixture->n_ip4 = 3;
    fixture->doubled = true;
    hf_address out[8];
    assert_int_equal(resolve(fixture, 0, "db.test", out, 8), 3);
}

/* Eight IPv6 addresses must not hide the one that is reached by IPv4, nor the other way round. */
static void no_family_is_left_out(void **state) {
    hf_fixture *fixture = *state;
    hf_address out[4];
    fixture->n_ip4 = 1;
    fixture->n_ip6 = 8;
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(resolve(fixture, 0, "db.test", out, 4), 4);
        unsigned ip4 = 0;
        for (int i = 0; i < 4; i++) {
            ip4 += out[i].kind == HF_ADDRESS_IP4;
        }
        assert_true(ip4 > 0 && ip4 < 4);
        fixture->n_ip4 = 8;
        fixture->n_ip6 = 1;
    }
    assert_int_equal(resolve(fixture, 0, "db.test", out, 1), 1);
}

/* Shows fault 4. */
static void a_name_that_is_not_there_is_an_error(void **state) {
    hf_fixture *fixture = *state;
    hf_address out[4];
    fixture->mode = DNS_NO_NAME;
    assert_int_equal(resolve(fixture, 0, "nobody.test", out, 4), HF_ERR_RESOLVE);
    fixture->mode = DNS_ANSWERS; /* fault 4: then an answer, asked for afresh */
    assert_int_equal(resolve(fixture, 0, "nobody.test", out, 4), 1);
    assert_int_equal(resolve(fixture, 0, "", out, 4), HF_ERR_RESOLVE);
    assert_int_equal(resolve(fixture, 0, "a..b", out, 4), HF_ERR_RESOLVE);
}

/* Shows fault 6. */
static void a_changed_address_is_seen_at_the_next_look_up(void **state) {
    hf_fixture *fixture = *state;
    hf_address out[4];
    assert_int_equal(resolve(fixture, 0, "db.test", out, 4), 1);
    assert_int_equal(out[0].ip[3], 1);
    fixture->first = 9;
    assert_int_equal(resolve(fixture, 0, "db.test", out, 4), 1);
    assert_int_equal(out[0].ip[3], 9);
}

static void a_name_server_that_moved_is_found(void **state) {
    hf_fixture *fixture = *state;
    hf_address out[4];
    FILE *file = fopen(fixture->resolv_conf, "w");
    assert_non_null(file);
    (void)fputs("nameserver 127.0.0.99\n", file); /* refuses: nobody listens */
    (void)fclose(file);
    assert_true(resolve(fixture, 0, "db.test", out, 4) <= 0);
    file = fopen(fixture->resolv_conf, "w");
    assert_non_null(file);
    (void)fputs("nameserver 127.0.0.1\n", file);
    (void)fclose(file);
    assert_int_equal(resolve(fixture, 0, "db.test", out, 4), 1);
}

static void a_cancelled_look_up_says_nothing_more(void **state) {
    hf_fixture *fixture = *state;
    hf_port *port = &fixture->port.port;
    hf_address out[4];
    int before = hf_test_descriptors();
    fixture->mode = DNS_SILENT;
    assert_int_equal(port->api->resolve(port, 0, "db.test", 1), 0);
    assert_int_equal(port->api->resolve(port, 1, "db.test", 1), 0);
    hf_test_wait(&fixture->port, 10);
    port->api->resolve_cancel(port, 0);
    port->api->resolve_cancel(port, 0); /* no harm */
    fixture->mode = DNS_ANSWERS;
    for (int i = 0; i < 20; i++) {
        serve_dns(fixture); /* answers the cancelled one too */
        hf_test_wait(&fixture->port, 1);
    }
    assert_false(hf_test_event(&fixture->port, HF_TAG_RESOLVE + 0, 5));
    assert_int_equal(port->api->resolved(port, 1, out, 4), 1);
    assert_int_equal(hf_test_descriptors(), before);
    /* One that is over but was not fetched. */
    assert_int_equal(port->api->resolve(port, 0, "127.0.0.1", 1), 0);
    port->api->resolve_cancel(port, 0);
    assert_false(hf_test_event(&fixture->port, HF_TAG_RESOLVE + 0, 5));
}

/* A first answer that never comes is asked for again, in a sleep that nothing else ends. */
static void a_lost_packet_is_asked_for_again(void **state) {
    hf_fixture *fixture = *state;
    hf_port *port = &fixture->port.port;
    fixture->mode = DNS_SILENT;
    assert_int_equal(port->api->resolve(port, 0, "db.test", 1), 0);
    while (fixture->asked < 2) { /* A and AAAA */
        serve_dns(fixture);
    }
    fixture->mode = DNS_ANSWERS;
    hf_address out[4];
    int answer = 0;
    while (answer == 0) {
        hf_test_wait(&fixture->port, fixture->asked < 4 ? 3000 : HF_TEST_PATIENCE_MS);
        serve_dns(fixture);
        answer = port->api->resolved(port, 0, out, 4);
    }
    assert_int_equal(answer, 1);
    assert_true(fixture->asked >= 4);
}

static void closing_the_port_ends_look_ups(void **state) {
    hf_fixture *fixture = *state;
    hf_port *port = &fixture->port.port;
    fixture->mode = DNS_SILENT;
    for (unsigned slot = 0; slot < 3; slot++) {
        assert_int_equal(port->api->resolve(port, slot, "db.test", 1), 0);
    }
    hf_test_wait(&fixture->port, 1);
    /* The teardown closes the port with three look-ups under way, and counts descriptors. */
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(numeric_addresses_ask_nobody),
        TEST(localhost_is_known_without_dns),
        TEST(a_name_is_asked_for_and_its_end_is_an_event),
        TEST(an_address_is_given_once),
        TEST(no_family_is_left_out),
        TEST(a_name_that_is_not_there_is_an_error),
        TEST(a_changed_address_is_seen_at_the_next_look_up),
        TEST(a_name_server_that_moved_is_found),
        TEST(a_cancelled_look_up_says_nothing_more),
        TEST(a_lost_packet_is_asked_for_again),
        TEST(closing_the_port_ends_look_ups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
