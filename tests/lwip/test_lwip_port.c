/* What is the port's own: time, sleep, what it refuses; and the card below it. */
#include "wire.h"

#include <lwip/pbuf.h>
#include <lwip/timeouts.h>

static hf_wire *const wire = &hf_wire_here;

static hf_port *port(void) {
    return hf_lwip_port(&wire->port);
}

static int no_numbers(void *unused, unsigned char *out, size_t bytes) {
    (void)unused;
    (void)out;
    (void)bytes;
    return -1;
}

static void the_clock_goes_on_where_lwips_32_bits_begin_anew(void **state) {
    hf_ms from = hf_wire_now();
    assert_int_equal(from, *(const uint32_t *)*state);
    hf_wire_run(5000);
    assert_int_equal(hf_wire_now(), from + 5000);
    assert_true(hf_wire_now() > UINT32_MAX);
    assert_int_equal(sys_now(), (uint32_t)(from + 5000));
}

static void it_sleeps_until_the_deadline_or_lwips_own_timer(void **state) {
    (void)state;
    hf_wire_run(0);
    hf_ms now = hf_wire_now();
    uint32_t own = sys_timeouts_sleeptime();
    assert_in_range(own, 2, 1000);
    assert_int_equal(hf_lwip_sleep_ms(&wire->port, HF_NEVER), own);
    assert_int_equal(hf_lwip_sleep_ms(&wire->port, now + own - 1), own - 1);
    assert_int_equal(hf_lwip_sleep_ms(&wire->port, now + own + 1), own);
    assert_int_equal(hf_lwip_sleep_ms(&wire->port, now + 1), 1);
    assert_int_equal(hf_lwip_sleep_ms(&wire->port, now), 0);
    assert_int_equal(hf_lwip_sleep_ms(&wire->port, 0), 0);
}

static void it_does_not_sleep_on_an_event(void **state) {
    (void)state;
    hf_link *link = hf_wire_link(1);
    hf_wire_run(0);
    assert_int_equal(hf_lwip_sleep_ms(&wire->port, HF_NEVER), 0);
    assert_true(hf_wire_event(1));
    assert_true(hf_lwip_sleep_ms(&wire->port, HF_NEVER) > 0);
    link->api->abort(link);
}

static void without_tls_none_can_be_started(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    int err = 0;
    assert_null(port()->api->start_tls(port(), link, "host", NULL, &err));
    assert_int_equal(err, HF_ERR_CONFIG);
    link->api->abort(link);
}

static void random_numbers_are_the_boards_or_none(void **state) {
    (void)state;
    uint8_t bytes[16];
    assert_int_equal(port()->api->random(port(), bytes, sizeof bytes), 0);
    wire->weak = true;
    assert_int_equal(port()->api->random(port(), bytes, sizeof bytes), HF_ERR_RESOURCES);
    assert_false(port()->api->over_budget(port()));
}

static void a_setup_without_places_or_numbers_is_refused(void **state) {
    (void)state;
    static hf_lwip other;
    static hf_lwip_link links[1];
    static hf_lwip_lookup lookups[1];
    const hf_lwip_setup good = {
        .links = links, .n_links = 1, .lookups = lookups, .n_lookups = 1, .random = no_numbers
    };
    hf_lwip_setup bad = good;
    hf_error error;
    bad.links = NULL;
    assert_false(hf_lwip_init(&other, &bad, &error));
    assert_string_equal(error.message, "links");
    bad = good;
    bad.n_lookups = 0;
    assert_false(hf_lwip_init(&other, &bad, &error));
    assert_string_equal(error.message, "lookups");
    bad = good;
    bad.random = NULL;
    assert_false(hf_lwip_init(&other, &bad, &error));
    assert_string_equal(error.message, "random");
    assert_true(hf_lwip_init(&other, &good, NULL)); /* lwIP itself is started once */
    hf_lwip_close(&other);
}

static void closing_the_port_ends_what_is_open(void **state) {
    (void)state;
    (void)hf_wire_up(1);
    (void)hf_wire_link(2);
    wire->mute = true;
    assert_int_equal(port()->api->resolve(port(), 0, "db.example", 1), 0);
    hf_lwip_close(&wire->port);
    assert_int_equal(hf_wire_used("TCP_PCB"), 0);
    hf_wire_run(60000); /* lwIP answers the look-up: nobody is there */
    assert_false(hf_wire_event(HF_TAG_RESOLVE));
}

static void addresses_that_are_none_are_refused(void **state) {
    (void)state;
    static hf_lwip_nic nic;
    const hf_lwip_driver driver = { .mac = { 2 } };
    static const hf_lwip_addresses bad[] = {
        { .address = "10.0.0.x" },
        { .address = "10.0.0.9", .mask = "wide" },
        { .address = "10.0.0.9", .gateway = "home" },
        { .address = "10.0.0.9", .dns = { "10.0.0.53", "names" } },
        { .address = NULL }, /* by DHCP, which this lwIP has not */
    };
    static const char *const named[COUNT(bad)] = { "address", "mask", "gateway", "dns", "address" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        hf_error error;
        assert_false(hf_lwip_nic_open(&nic, &driver, &bad[i], &error));
        assert_int_equal(error.code, HF_ERR_CONFIG);
        assert_string_equal(error.message, named[i]);
    }
}

/* A frame that finds no memory is lost, counted, and not left in the card, where it would announce itself for ever. */
static void frames_that_find_no_memory_are_dropped_and_counted(void **state) {
    (void)state;
    static struct pbuf *held[PBUF_POOL_SIZE];
    char bytes[16];
    hf_link *link = hf_wire_up(1);
    for (unsigned i = 0; i < PBUF_POOL_SIZE; i++) {
        held[i] = pbuf_alloc(PBUF_RAW, 1, PBUF_POOL);
        assert_non_null(held[i]);
    }
    hf_wire_send(wire->conn, "lost", 4);
    hf_wire_run(0);
    assert_int_equal(wire->nic.rx_dropped, 1);
    assert_int_equal(link->api->read(link, bytes, sizeof bytes), 0);
    for (unsigned i = 0; i < PBUF_POOL_SIZE; i++) {
        (void)pbuf_free(held[i]);
    }
    wire->conn->sent -= 4;
    hf_wire_send(wire->conn, "sent", 4);
    hf_wire_run(0);
    assert_int_equal(link->api->read(link, bytes, sizeof bytes), 4);
    link->api->abort(link);
}

static void a_flood_does_not_keep_the_loop(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    for (unsigned i = 0; i < 100; i++) {
        hf_wire_send(wire->conn, "x", 1);
    }
    uint32_t before = wire->nic.rx_frames;
    assert_true(hf_lwip_nic_poll(&wire->nic));
    assert_in_range(wire->nic.rx_frames - before, 1, 32);
    hf_wire_run(0);
    assert_false(hf_lwip_nic_poll(&wire->nic));
    link->api->abort(link);
}

/* Another router, say; what is up stays up. */
static void behind_a_cable_that_was_out_neighbours_are_sought_anew(void **state) {
    (void)state;
    hf_link *link = hf_wire_up(1);
    unsigned sought = wire->sought;
    assert_int_equal(link->api->write(link, "before", 6), 6);
    hf_wire_run(0);
    assert_int_equal(wire->sought, sought);
    hf_lwip_nic_link(&wire->nic, false);
    hf_lwip_nic_link(&wire->nic, true);
    assert_int_equal(link->api->write(link, "after", 5), 5);
    hf_wire_run(0);
    assert_int_equal(wire->sought, sought + 1);
    assert_int_equal(wire->conn->got, 11);
    assert_memory_equal(wire->conn->bytes, "beforeafter", 11);
    link->api->abort(link);
}

static uint32_t soon_over = UINT32_MAX - 2000;

#define TEST(name) cmocka_unit_test_setup_teardown(name, hf_wire_open, hf_wire_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        { "the_clock_goes_on_where_lwips_32_bits_begin_anew",
          the_clock_goes_on_where_lwips_32_bits_begin_anew, hf_wire_open, hf_wire_close,
          &soon_over },
        HF_WIRE_TEST(it_sleeps_until_the_deadline_or_lwips_own_timer, soon_over),
        TEST(it_does_not_sleep_on_an_event),
        TEST(without_tls_none_can_be_started),
        TEST(random_numbers_are_the_boards_or_none),
        TEST(a_setup_without_places_or_numbers_is_refused),
        TEST(closing_the_port_ends_what_is_open),
        TEST(addresses_that_are_none_are_refused),
        TEST(frames_that_find_no_memory_are_dropped_and_counted),
        TEST(a_flood_does_not_keep_the_loop),
        TEST(behind_a_cable_that_was_out_neighbours_are_sought_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
