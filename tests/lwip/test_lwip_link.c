/* TCP connections of lwIP as links: what core/include/holdfast/port.h promises, and that lwIP gets everything back. */
#include "wire.h"

#include <lwip/mem.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>

#define LIMIT_MS HF_LWIP_USER_TIMEOUT_MS

static hf_wire *const wire = &hf_wire_here;
static uint8_t pattern[256 * 1024];

static int read_all(hf_link *link, uint8_t *to, size_t bytes) {
    size_t got = 0;
    int n = 1;
    while (got < bytes && n > 0) {
        n = link->api->read(link, to + got, bytes - got);
        got += n > 0 ? (size_t)n : 0;
        hf_wire_run(0);
    }
    return (int)got;
}

static const char *why(hf_link *link) {
    int32_t system;
    return link->api->why(link, &system);
}

static int ready(hf_link *link) {
    bool more;
    return link->api->ready(link, &more);
}

static void bytes_go_both_ways(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(7);
    char bytes[64] = "";
    assert_int_equal(link->api->read(link, bytes, sizeof bytes), 0);
    assert_int_equal(link->api->write(link, "question", 8), 8);
    hf_wire_run(0);
    assert_memory_equal(wire->conn->bytes, "question", 8);
    hf_wire_send(wire->conn, "answer", 6);
    hf_wire_run(0);
    assert_true(hf_wire_event(7));
    assert_int_equal(link->api->read(link, bytes, 2), 2);
    assert_int_equal(link->api->read(link, bytes + 2, sizeof bytes - 2), 4);
    assert_string_equal(bytes, "answer");
    uint8_t binding[HF_BINDING_BYTES];
    assert_int_equal(link->api->binding(link, binding), 0);
    link->api->abort(link);
}

static void a_refused_connection_is_told_by_ready(void **state) {
    (void)state;
    wire->answer = HF_WIRE_REFUSE;
    hf_link *link = hf_wire_link(3);
    hf_wire_run(0);
    assert_true(hf_wire_event(3));
    assert_int_equal(ready(link), HF_ERR_REFUSED);
    assert_null(why(link));
    char byte;
    assert_int_equal(link->api->read(link, &byte, 1), HF_ERR_REFUSED);
    assert_int_equal(link->api->write(link, "x", 1), HF_ERR_REFUSED);
    assert_int_equal(link->api->close(link), 1);
}

static void a_connection_that_nobody_answers_is_given_up_by_lwip(void **state) {
    (void)state;
    wire->answer = HF_WIRE_SILENT;
    hf_link *link = hf_wire_link(3);
    hf_wire_run(5000);
    assert_false(hf_wire_event(3));
    assert_int_equal(ready(link), 0);
    hf_wire_run(600000);
    assert_true(hf_wire_event(3));
    assert_int_equal(ready(link), HF_ERR_NET_TIMEOUT);
    link->api->abort(link);
}

static void without_a_cable_the_host_is_unreachable(void **state) {
    (void)state;
    hf_lwip_nic_link(&wire->nic, false);
    assert_false(hf_lwip_nic_ready(&wire->nic));
    hf_link *link = hf_wire_link(3);
    assert_true(hf_wire_event(3));
    assert_int_equal(ready(link), HF_ERR_UNREACHABLE);
    assert_non_null(strstr(why(link), "no network interface"));
    link->api->abort(link);
    hf_lwip_nic_link(&wire->nic, true);
    assert_true(hf_lwip_nic_ready(&wire->nic));
    link = hf_wire_up(4);
    link->api->abort(link);
}

static void the_window_closes_when_nobody_reads_and_opens_as_bytes_are_read(void **state) {
    (void)state;
    static uint8_t got[TCP_WND];
    hf_link *link = hf_wire_up(1);
    assert_int_equal(wire->conn->window, TCP_WND);
    hf_wire_send(wire->conn, pattern, TCP_WND);
    hf_wire_run(500);
    assert_int_equal(wire->conn->acknowledged, wire->conn->sent);
    assert_int_equal(wire->conn->window, 0);
    assert_int_equal(read_all(link, got, TCP_WND / 2), TCP_WND / 2);
    hf_wire_run(500);
    assert_in_range(wire->conn->window, TCP_WND / 2 - TCP_MSS, TCP_WND / 2);
    assert_int_equal(read_all(link, got + TCP_WND / 2, TCP_WND / 2), TCP_WND / 2);
    hf_wire_run(500);
    assert_int_equal(wire->conn->window, TCP_WND);
    assert_memory_equal(got, pattern, TCP_WND);
    assert_int_equal(hf_wire_used("PBUF_POOL"), 0);
    link->api->abort(link);
}

static void a_write_takes_what_fits_and_the_rest_after_an_acknowledgment(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    wire->silent = true;
    size_t sent = 0;
    int n;
    while ((n = link->api->write(link, pattern + sent, sizeof pattern - sent)) > 0) {
        sent += (size_t)n;
    }
    assert_int_equal(n, 0);
    assert_in_range(sent, TCP_SND_BUF / 2, TCP_SND_BUF);
    hf_wire_run(0);
    assert_false(hf_wire_event(1));
    wire->silent = false;
    while (sent < sizeof pattern) {
        hf_wire_ack(wire->conn);
        hf_wire_run(10);
        assert_true(hf_wire_event(1));
        n = link->api->write(link, pattern + sent, sizeof pattern - sent);
        assert_true(n > 0);
        sent += (size_t)n;
    }
    hf_wire_run(1000);
    assert_int_equal(wire->conn->got, sizeof pattern);
    assert_memory_equal(wire->conn->bytes, pattern, sizeof pattern);
    link->api->abort(link);
}

/* Another link may hold what a write would need: no acknowledgment of ours will ever announce it. */
static void a_write_that_found_no_memory_is_told_when_there_may_be_some(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    void *held[4096];
    unsigned n = 0;
    for (size_t size = 60000; size >= 16; size /= 2) {
        while (n < COUNT(held) && (held[n] = mem_malloc((mem_size_t)size)) != NULL) {
            n++;
        }
    }
    assert_int_equal(link->api->write(link, "question", 8), 0);
    while (n > 0) {
        mem_free(held[--n]);
    }
    hf_wire_run(1000);
    assert_true(hf_wire_event(1));
    assert_int_equal(link->api->write(link, "question", 8), 8);
    link->api->abort(link);
}

static void the_end_comes_after_the_last_bytes(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    char bytes[16] = "";
    hf_wire_send(wire->conn, "last", 4);
    hf_wire_fin(wire->conn);
    hf_wire_run(0);
    assert_true(hf_wire_event(1));
    assert_int_equal(link->api->read(link, bytes, sizeof bytes), 4);
    assert_string_equal(bytes, "last");
    assert_true(hf_wire_event(1)); /* a short read says that nothing is left; the end is an event */
    assert_int_equal(link->api->read(link, bytes, sizeof bytes), HF_ERR_EOF);
    assert_int_equal(link->api->close(link), 1);
}

static void after_the_peers_end_there_is_still_a_way_to_it(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    char byte;
    hf_wire_fin(wire->conn);
    hf_wire_run(0);
    assert_int_equal(link->api->read(link, &byte, 1), HF_ERR_EOF);
    assert_int_equal(link->api->write(link, "goodbye", 7), 7);
    hf_wire_run(0);
    assert_memory_equal(wire->conn->bytes, "goodbye", 7);
    assert_int_equal(link->api->close(link), 1);
    hf_wire_run(0);
    assert_true(wire->conn->fin);
    assert_int_equal(wire->resets, 0);
}

static void a_reset_is_told_after_what_was_received_before_it(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    char bytes[16] = "";
    hf_wire_send(wire->conn, "FATAL", 5);
    hf_wire_rst(wire->conn);
    hf_wire_run(0);
    assert_true(hf_wire_event(1));
    assert_int_equal(link->api->write(link, "more", 4), HF_ERR_RESET);
    assert_int_equal(link->api->read(link, bytes, sizeof bytes), 5);
    assert_string_equal(bytes, "FATAL");
    assert_true(hf_wire_event(1));
    assert_int_equal(link->api->read(link, bytes, sizeof bytes), HF_ERR_RESET);
    link->api->abort(link);
}

static void close_sends_all_ends_the_stream_and_waits_for_the_peers_end(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    assert_int_equal(link->api->write(link, "terminate", 9), 9);
    assert_int_equal(link->api->close(link), 0);
    hf_wire_run(0);
    assert_true(wire->conn->fin);
    assert_int_equal(wire->conn->got, 9);
    hf_wire_send(wire->conn, "nobody reads this", 17);
    hf_wire_run(0);
    assert_true(hf_wire_event(1));
    assert_int_equal(link->api->close(link), 0);
    hf_wire_fin(wire->conn);
    hf_wire_run(0);
    assert_true(hf_wire_event(1));
    assert_int_equal(link->api->close(link), 1);
    hf_wire_run(1000);
    assert_int_equal(wire->resets, 0);
}

/* A peer that has much left to say must be let to say it, or its end never comes. */
static void a_closing_link_takes_more_than_a_window_and_throws_it_away(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    assert_int_equal(link->api->close(link), 0);
    for (int i = 0; i < 3; i++) {
        hf_wire_send(wire->conn, pattern, TCP_WND);
        hf_wire_run(500);
        assert_true(hf_wire_event(1));
        assert_int_equal(link->api->close(link), 0);
        hf_wire_run(500);
        assert_int_equal(wire->conn->window, TCP_WND);
    }
    hf_wire_fin(wire->conn);
    hf_wire_run(0);
    assert_int_equal(link->api->close(link), 1);
    assert_int_equal(wire->resets, 0);
}

/* lwIP may take a pcb in TIME_WAIT for a new connection, without a word. */
static void a_pcb_in_time_wait_is_not_touched(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    assert_int_equal(link->api->close(link), 0);
    hf_wire_run(0);
    hf_wire_fin(wire->conn);
    hf_wire_run(0);
    hf_lwip_link *inside = (hf_lwip_link *)(void *)link;
    assert_null(inside->pcb);
    assert_int_equal(link->api->close(link), 1);
}

static void close_is_over_when_the_peer_resets(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    assert_int_equal(link->api->close(link), 0);
    hf_wire_run(0);
    hf_wire_rst(wire->conn);
    hf_wire_run(0);
    assert_true(hf_wire_event(1));
    assert_int_equal(link->api->close(link), 1);
}

static void abort_takes_back_what_was_not_received(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    wire->cut = true;
    assert_int_equal(link->api->write(link, "DROP TABLE", 10), 10);
    hf_wire_run(3000);
    link->api->abort(link);
    wire->cut = false;
    hf_wire_run(600000);
    assert_int_equal(wire->conn->got, 0);
    assert_int_equal(hf_wire_used("TCP_PCB"), 0);
    assert_int_equal(hf_wire_used("TCP_SEG"), 0);
}

static void abort_is_a_reset(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    hf_wire_send(wire->conn, "unread", 6);
    hf_wire_run(0);
    link->api->abort(link);
    hf_wire_run(0);
    assert_true(wire->conn->rst);
    assert_false(hf_wire_event(1));
    assert_int_equal(hf_wire_used("TCP_PCB"), 0);
    assert_int_equal(hf_wire_used("PBUF_POOL"), 0);
}

/* The peer lives and talks, so that keepalive has no word in it; but what it is sent does not arrive. */
static void bytes_unacknowledged_beyond_the_limit_end_the_link(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    char byte;
    hf_wire_run(90000); /* however long it was idle */
    wire->silent = true;
    assert_int_equal(link->api->write(link, "question", 8), 8);
    for (uint32_t ms = 0; ms < LIMIT_MS - 1000; ms += (LIMIT_MS - 1000) / 4) {
        hf_wire_send(wire->conn, "?", 1);
        hf_wire_run((LIMIT_MS - 1000) / 4);
        assert_int_equal(link->api->read(link, &byte, 1), 1);
        assert_int_equal(link->api->read(link, &byte, 1), 0);
    }
    assert_true(hf_wire_event(1));
    hf_wire_run(2000);
    assert_true(hf_wire_event(1));
    assert_int_equal(link->api->read(link, &byte, 1), HF_ERR_NET_TIMEOUT);
    assert_non_null(strstr(why(link), "not acknowledged"));
    assert_int_equal(link->api->write(link, "x", 1), HF_ERR_NET_TIMEOUT);
    assert_int_equal(hf_wire_used("TCP_PCB"), 0);
    link->api->abort(link);
}

static void each_acknowledgment_starts_the_limit_anew(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    char byte;
    wire->silent = true;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(link->api->write(link, "question", 8), 8);
        hf_wire_run(LIMIT_MS - 5000);
        hf_wire_ack(wire->conn);
        hf_wire_run(0);
        assert_int_equal(link->api->read(link, &byte, 1), 0);
    }
    link->api->abort(link);
}

static void a_peer_that_went_silent_is_found_by_keepalive(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    wire->cut = true;
    hf_wire_run(55000);
    assert_false(hf_wire_event(1));
    hf_wire_run(10000); /* 30 s idle, then 3 times 10 s */
    assert_true(hf_wire_event(1));
    char byte;
    assert_int_equal(link->api->read(link, &byte, 1), HF_ERR_NET_TIMEOUT);
    link->api->abort(link);
}

static void a_peer_that_sends_byte_by_byte_leaves_buffers_for_others(void **state) {
    (void)state;
    static uint8_t got[PBUF_POOL_SIZE];
    hf_link *greedy = hf_wire_up(1);
    hf_wire_conn *drip = wire->conn;
    for (unsigned i = 0; i < PBUF_POOL_SIZE; i++) {
        hf_wire_send(drip, pattern + i, 1);
        hf_wire_run(0);
    }
    assert_in_range(hf_wire_used("PBUF_POOL"), PBUF_POOL_SIZE / 4, PBUF_POOL_SIZE / 2 + 2);
    hf_link *other = hf_wire_up(2);
    hf_wire_send(wire->conn, "for me", 6);
    hf_wire_run(0);
    assert_int_equal(read_all(other, got, 6), 6);
    int first = read_all(greedy, got, sizeof got);
    hf_wire_run(1000); /* lwIP offers again what was not taken */
    int second = greedy->api->read(greedy, got + first, sizeof got - (size_t)first);
    assert_int_equal(first, PBUF_POOL_SIZE / 2);
    assert_true(second > 0);
    assert_memory_equal(got, pattern, (size_t)(first + second));
    assert_int_equal(wire->nic.rx_dropped, 0);
    greedy->api->abort(greedy);
    other->api->abort(other);
}

static void more_links_than_places_are_an_error_and_places_come_back(void **state) {
    (void)state;
    hf_port *port = hf_lwip_port(&wire->port);
    hf_address address = hf_wire_address();
    hf_link *links[HF_WIRE_LINKS];
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < HF_WIRE_LINKS; i++) {
            links[i] = hf_wire_up(i);
        }
        int err = 0;
        assert_null(port->api->open(port, &address, NULL, 99, &err));
        assert_int_equal(err, HF_ERR_RESOURCES);
        for (unsigned i = 0; i < HF_WIRE_LINKS; i++) {
            links[i]->api->abort(links[i]);
        }
        hf_wire_run(0);
    }
}

static void a_weak_random_source_opens_nothing(void **state) {
    (void)state;
    hf_port *port = hf_lwip_port(&wire->port);
    hf_address address = hf_wire_address();
    int err = 0;
    wire->weak = true;
    assert_null(port->api->open(port, &address, NULL, 1, &err));
    assert_int_equal(err, HF_ERR_RESOURCES);
    assert_int_equal(hf_wire_used("TCP_PCB"), 0);
    hf_wire_run(1000);
    assert_int_equal(wire->accepted, 0);
    wire->weak = false;
    hf_link *link = hf_wire_up(1);
    link->api->abort(link);
}

static void what_lwip_cannot_reach_at_all_is_told(void **state) {
    (void)state;
    hf_port *port = hf_lwip_port(&wire->port);
    hf_address local = { .kind = HF_ADDRESS_LOCAL }, six = { .kind = HF_ADDRESS_IP6, .port = 1 };
    int err = 0;
    assert_null(port->api->open(port, &local, "/run/postgresql", 1, &err));
    assert_int_equal(err, HF_ERR_CONFIG);
    hf_link *link = port->api->open(port, &six, NULL, 2, &err);
    assert_non_null(link);
    assert_true(hf_wire_event(2));
    assert_int_equal(ready(link), HF_ERR_UNREACHABLE);
    link->api->abort(link);
}

static uint32_t soon_over = UINT32_MAX - 2000;

#define TEST(name) HF_WIRE_TEST(name, soon_over)

int main(void) {
    uint32_t seed = 5;
    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = (uint8_t)unit_random(&seed);
    }
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways),
        TEST(a_refused_connection_is_told_by_ready),
        TEST(a_connection_that_nobody_answers_is_given_up_by_lwip),
        TEST(without_a_cable_the_host_is_unreachable),
        TEST(the_window_closes_when_nobody_reads_and_opens_as_bytes_are_read),
        TEST(a_write_takes_what_fits_and_the_rest_after_an_acknowledgment),
        TEST(a_write_that_found_no_memory_is_told_when_there_may_be_some),
        TEST(the_end_comes_after_the_last_bytes),
        TEST(after_the_peers_end_there_is_still_a_way_to_it),
        TEST(a_reset_is_told_after_what_was_received_before_it),
        TEST(close_sends_all_ends_the_stream_and_waits_for_the_peers_end),
        TEST(a_closing_link_takes_more_than_a_window_and_throws_it_away),
        TEST(a_pcb_in_time_wait_is_not_touched),
        TEST(close_is_over_when_the_peer_resets),
        TEST(abort_takes_back_what_was_not_received),
        TEST(abort_is_a_reset),
        TEST(bytes_unacknowledged_beyond_the_limit_end_the_link),
        TEST(each_acknowledgment_starts_the_limit_anew),
        TEST(a_peer_that_went_silent_is_found_by_keepalive),
        TEST(a_peer_that_sends_byte_by_byte_leaves_buffers_for_others),
        TEST(more_links_than_places_are_an_error_and_places_come_back),
        TEST(a_weak_random_source_opens_nothing),
        TEST(what_lwip_cannot_reach_at_all_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
