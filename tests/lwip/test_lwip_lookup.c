/* Names by lwIP's DNS: afresh each time, and what was given up stays given up. */
#include "wire.h"

static hf_wire *const wire = &hf_wire_here;

#define ADDRESS(last) (0x0a000000u | (last))

static hf_port *port(void) {
    return hf_lwip_port(&wire->port);
}

static int resolve(unsigned slot, const char *host) {
    return port()->api->resolve(port(), slot, host, 5432);
}

static int resolved(unsigned slot, hf_address *out, size_t max) {
    return port()->api->resolved(port(), slot, out, max);
}

/* Asks and waits until the look-up has ended. */
static int ask(const char *host, hf_address *out, size_t max) {
    assert_int_equal(resolve(0, host), 0);
    assert_int_equal(resolved(0, out, max), 0);
    hf_wire_run(0);
    assert_true(hf_wire_event(HF_TAG_RESOLVE));
    return resolved(0, out, max);
}

static void a_name_is_answered(void **state) {
    (void)state;
    hf_address found;
    wire->names[0] = ADDRESS(7);
    assert_int_equal(ask("db.example", &found, 1), 1);
    assert_int_equal(found.kind, HF_ADDRESS_IP4);
    assert_int_equal(found.port, 5432);
    assert_memory_equal(found.ip, ((uint8_t[]){ 10, 0, 0, 7 }), 4);
    assert_int_equal(resolved(0, &found, 1), HF_ERR_STATE);
}

static void a_numeric_address_asks_nobody(void **state) {
    (void)state;
    hf_address found;
    assert_int_equal(resolve(1, "10.0.0.9"), 0);
    assert_true(hf_wire_event(HF_TAG_RESOLVE + 1));
    assert_int_equal(resolved(1, &found, 1), 1);
    assert_memory_equal(found.ip, ((uint8_t[]){ 10, 0, 0, 9 }), 4);
    hf_wire_run(1000);
    assert_int_equal(wire->questions, 0);
}

static void every_address_of_an_answer_is_told_in_its_order(void **state) {
    (void)state;
    hf_address found[8];
    for (unsigned i = 0; i < COUNT(wire->names); i++) {
        wire->names[i] = ADDRESS(20 - i);
    }
    assert_int_equal(ask("db.example", found, 8), HF_LWIP_FOUND);
    for (uint8_t i = 0; i < HF_LWIP_FOUND; i++) {
        assert_int_equal(found[i].ip[3], 20 - i);
        assert_int_equal(found[i].port, 5432);
    }
    assert_int_equal(ask("db.example", found, 2), 2);
    wire->names[1] = 0; /* the answer ends there */
    assert_int_equal(ask("db.example", found, 8), 1);
}

/* The answer promises an hour, but after an outage the name may lead elsewhere. */
static void each_look_up_asks_afresh(void **state) {
    (void)state;
    hf_address found;
    for (uint8_t i = 1; i < 6; i++) {
        wire->names[0] = ADDRESS(i);
        assert_int_equal(ask("db.example", &found, 1), 1);
        assert_int_equal(found.ip[3], i);
        assert_int_equal(wire->questions, i);
    }
}

static void a_name_that_does_not_exist_is_told(void **state) {
    (void)state;
    hf_address found;
    assert_int_equal(ask("nowhere.example", &found, 1), HF_ERR_RESOLVE);
    assert_int_equal(resolve(0, ""), HF_ERR_RESOLVE);
    char longest[400];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(resolve(0, longest), HF_ERR_RESOLVE);
}

static void a_name_server_that_says_nothing_is_asked_again_and_given_up(void **state) {
    (void)state;
    hf_address found;
    wire->mute = true;
    assert_int_equal(resolve(0, "db.example"), 0);
    hf_wire_run(1500);
    assert_false(hf_wire_event(HF_TAG_RESOLVE));
    hf_wire_run(60000);
    assert_true(wire->questions > 1);
    assert_true(hf_wire_event(HF_TAG_RESOLVE));
    assert_int_equal(resolved(0, &found, 1), HF_ERR_RESOLVE);
}

static void an_answer_lost_once_is_asked_for_again(void **state) {
    (void)state;
    hf_address found;
    wire->names[0] = ADDRESS(7);
    wire->cut = true;
    assert_int_equal(resolve(0, "db.example"), 0);
    hf_wire_run(500);
    wire->cut = false;
    hf_wire_run(5000);
    assert_true(hf_wire_event(HF_TAG_RESOLVE));
    assert_int_equal(resolved(0, &found, 1), 1);
}

static void a_question_given_up_does_not_answer_the_next(void **state) {
    (void)state;
    hf_address found;
    wire->mute = true;
    assert_int_equal(resolve(0, "old.example"), 0);
    hf_wire_run(100);
    port()->api->resolve_cancel(port(), 0);
    assert_int_equal(resolved(0, &found, 1), HF_ERR_STATE);
    wire->mute = false;
    wire->names[0] = ADDRESS(8);
    assert_int_equal(ask("new.example", &found, 1), 1);
    assert_int_equal(found.ip[3], 8);
    wire->names[0] = ADDRESS(9);
    assert_int_equal(resolve(0, "10.0.0.1"), 0);
    hf_wire_run(60000); /* lwIP gets its answer to the first one now */
    assert_int_equal(resolved(0, &found, 1), 1);
    assert_int_equal(found.ip[3], 1);
}

static void more_questions_given_up_than_places_is_an_error_that_passes(void **state) {
    (void)state;
    hf_address found;
    wire->mute = true;
    for (unsigned i = 0; i < HF_LWIP_QUERIES; i++) {
        assert_int_equal(resolve(0, "db.example"), 0);
    }
    assert_int_equal(resolve(0, "db.example"), HF_ERR_RESOURCES);
    assert_int_equal(resolve(1, "db.example"), 0); /* another connection's places are its own */
    hf_wire_run(60000);
    wire->mute = false;
    wire->names[0] = ADDRESS(7);
    assert_int_equal(ask("db.example", &found, 1), 1);
}

static void several_hosts_are_looked_up_at_a_time(void **state) {
    (void)state;
    static const char *const hosts[HF_WIRE_LOOKUPS] = { "a.example", "b.example", "a.example" };
    hf_address found;
    wire->names[0] = ADDRESS(7);
    for (unsigned i = 0; i < HF_WIRE_LOOKUPS; i++) {
        assert_int_equal(resolve(i, hosts[i]), 0);
    }
    hf_wire_run(0);
    for (unsigned i = 0; i < HF_WIRE_LOOKUPS; i++) {
        assert_int_equal(resolved(i, &found, 1), 1);
        assert_int_equal(found.ip[3], 7);
    }
}

static void without_random_numbers_nothing_is_asked_for(void **state) {
    (void)state;
    hf_address found;
    wire->weak = true;
    assert_int_equal(resolve(0, "db.example"), HF_ERR_RESOURCES);
    wire->weak = false;
    hf_wire_run(60000);
    assert_int_equal(resolved(0, &found, 1), HF_ERR_STATE);
}

static uint32_t soon_over = UINT32_MAX - 300;

#define TEST(name) HF_WIRE_TEST(name, soon_over)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_answered),
        TEST(a_numeric_address_asks_nobody),
        TEST(every_address_of_an_answer_is_told_in_its_order),
        TEST(each_look_up_asks_afresh),
        TEST(a_name_that_does_not_exist_is_told),
        TEST(a_name_server_that_says_nothing_is_asked_again_and_given_up),
        TEST(an_answer_lost_once_is_asked_for_again),
        TEST(a_question_given_up_does_not_answer_the_next),
        TEST(more_questions_given_up_than_places_is_an_error_that_passes),
        TEST(several_hosts_are_looked_up_at_a_time),
        TEST(without_random_numbers_nothing_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
