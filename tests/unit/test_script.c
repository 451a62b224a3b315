#include "holdfast/test.h"

#include "unit.h"

/* A failed assertion comes back here when one is expected. */
static jmp_buf back;
static bool expecting;

_Noreturn void hf_assert_failed(const char *what, const char *file, int line) {
    if (expecting) {
        longjmp(back, 1);
    }
    print_error("%s:%d: assertion failed: %s\n", file, line, what);
    abort();
}

/* Did it assert? */
#define ASSERTS(statement)       \
    do {                         \
        expecting = true;        \
        if (setjmp(back) == 0) { \
            statement;           \
            expecting = false;   \
            fail();              \
        }                        \
        expecting = false;       \
    } while (0)

static hf_script net;
static const hf_address address = { .kind = HF_ADDRESS_IP4, .port = 5432, .ip = { 127, 0, 0, 1 } };

static int start(void **state) {
    (void)state;
    hf_script_init(&net);
    return 0;
}

static hf_port *port(void) {
    return hf_script_port(&net);
}

static hf_link *open_link(uint32_t tag) {
    int err = 0;
    return port()->api->open(port(), &address, NULL, tag, &err);
}

static hf_link *open_up(uint32_t tag) {
    hf_link *link = open_link(tag);
    hf_script_connect(&net);
    return link;
}

static int next_tag(void) {
    uint32_t tag = 0;
    return port()->api->next(port(), &tag) ? (int)tag : -1;
}

static int ready(hf_link *link) {
    bool more;
    return link->api->ready(link, &more);
}

static void a_link_is_up_when_the_test_says_so(void **state) {
    hf_link *link = open_link(7);
    (void)state;
    assert_int_equal(ready(link), 0);
    assert_int_equal(next_tag(), -1);
    hf_script_connect(&net);
    assert_int_equal(next_tag(), 7);
    assert_int_equal(next_tag(), -1);
    assert_int_equal(ready(link), 1);
    assert_int_equal(net.live, 1);
    assert_int_equal(hf_script_link_last(&net)->address.port, 5432);
}

static void or_at_once(void **state) {
    hf_link *link;
    (void)state;
    net.auto_connect = true;
    link = open_link(3);
    assert_int_equal(next_tag(), 3);
    assert_int_equal(ready(link), 1);
}

static void bytes_travel_both_ways_in_order(void **state) {
    hf_link *link = open_up(0);
    char out[32];
    (void)state;
    assert_int_equal(link->api->read(link, out, sizeof out), 0);
    hf_script_reply(&net, "hello", 5);
    hf_script_reply(&net, " you", 4);
    assert_int_equal(link->api->read(link, out, 6), 6);
    assert_memory_equal(out, "hello ", 6);
    assert_int_equal(link->api->read(link, out, sizeof out), 3);
    assert_memory_equal(out, "you", 3);
    assert_int_equal(link->api->read(link, out, sizeof out), 0);
    assert_int_equal(link->api->write(link, "abc", 3), 3);
    assert_int_equal(link->api->write(link, "def", 3), 3);
    assert_int_equal(hf_script_sent(hf_script_link_last(&net), out, 4), 4);
    assert_memory_equal(out, "abcd", 4);
    assert_int_equal(hf_script_sent(hf_script_link_last(&net), out, sizeof out), 2);
    assert_memory_equal(out, "ef", 2);
    assert_int_equal(hf_script_sent(hf_script_link_last(&net), out, sizeof out), 0);
}

static void limits_cut_reads_and_writes(void **state) {
    hf_link *link = open_up(0);
    char out[8];
    (void)state;
    net.read_limit = 1;
    net.write_limit = 2;
    hf_script_reply(&net, "xyz", 3);
    assert_int_equal(link->api->read(link, out, sizeof out), 1);
    assert_int_equal(out[0], 'x');
    assert_int_equal(link->api->write(link, "abc", 3), 2);
    net.write_limit = 0;
    hf_script_link_room(hf_script_link_last(&net), 1);
    assert_int_equal(link->api->write(link, "cd", 2), 1);
    assert_int_equal(link->api->write(link, "d", 1), 0);
    while (next_tag() >= 0) {
    }
    hf_script_link_room(hf_script_link_last(&net), UINT32_MAX);
    assert_int_equal(next_tag(), 0);
    assert_int_equal(link->api->write(link, "d", 1), 1);
    assert_int_equal(hf_script_sent(hf_script_link_last(&net), out, sizeof out), 4);
    assert_memory_equal(out, "abcd", 4);
}

static void megabytes_pass_through_the_fixed_buffers(void **state) {
    static uint8_t block[HF_SCRIPT_BYTES], out[HF_SCRIPT_BYTES];
    hf_link *link = open_up(0);
    uint32_t seed = 1;
    (void)state;
    for (int i = 0; i < 200; i++) {
        size_t size = 1 + unit_random(&seed) % sizeof block, taken;
        for (size_t at = 0; at < size; at++) {
            block[at] = (uint8_t)unit_random(&seed);
        }
        hf_script_reply(&net, block, size);
        assert_int_equal(link->api->read(link, out, sizeof out), size);
        assert_memory_equal(block, out, size);
        assert_int_equal(link->api->write(link, block, size), size);
        taken = hf_script_sent(hf_script_link_last(&net), out, sizeof out);
        assert_int_equal(taken, size);
        assert_memory_equal(block, out, size);
    }
    /* Full, and nobody takes it: it would block. */
    assert_int_equal(link->api->write(link, block, sizeof block), sizeof block);
    assert_int_equal(link->api->write(link, block, 1), 0);
}

static void the_end_of_the_stream_comes_after_the_bytes(void **state) {
    hf_link *link = open_up(0);
    char out[8];
    (void)state;
    hf_script_reply(&net, "end", 3);
    hf_script_eof(&net);
    assert_int_equal(link->api->read(link, out, sizeof out), 3);
    assert_int_equal(link->api->read(link, out, sizeof out), HF_ERR_EOF);
    assert_int_equal(link->api->read(link, out, sizeof out), HF_ERR_EOF);
}

static void a_broken_link_stays_broken(void **state) {
    hf_link *link = open_up(4);
    char out[8];
    (void)state;
    (void)next_tag();
    hf_script_reply(&net, "lost", 4);
    hf_script_fail(&net, HF_ERR_UNREACHABLE);
    assert_int_equal(next_tag(), 4);
    assert_int_equal(link->api->read(link, out, sizeof out), HF_ERR_UNREACHABLE);
    assert_int_equal(link->api->write(link, "x", 1), HF_ERR_UNREACHABLE);
    assert_int_equal(ready(link), HF_ERR_UNREACHABLE);
}

static void tls_is_a_flag_over_the_same_link(void **state) {
    hf_link *link = open_up(9), *tls;
    hf_script_link *self = hf_script_link_last(&net);
    uint8_t binding[HF_BINDING_BYTES];
    int err = 0;
    (void)state;
    assert_int_equal(link->api->binding(link, binding), 0);
    net.auto_tls = false;
    tls = port()->api->start_tls(port(), link, "db.example", "postgresql", &err);
    assert_non_null(tls);
    assert_int_equal(tls->tag, 9);
    assert_string_equal(self->host, "db.example");
    assert_string_equal(self->alpn, "postgresql");
    assert_int_equal(ready(tls), 0);
    hf_script_link_tls(self);
    assert_int_equal(ready(tls), 1);
    assert_int_equal(tls->api->binding(tls, binding), 32);
    tls->api->abort(tls);
    assert_int_equal(net.live, 0);
}

static void tls_succeeds_by_itself_or_breaks(void **state) {
    hf_link *link = open_up(0);
    int err = 0;
    (void)state;
    link = port()->api->start_tls(port(), link, "h", NULL, &err);
    assert_int_equal(ready(link), 1);
    link = open_up(0);
    link = port()->api->start_tls(port(), link, "h", NULL, &err);
    hf_script_fail(&net, HF_ERR_TLS_CERT);
    assert_int_equal(ready(link), HF_ERR_TLS_CERT);
    link = open_up(0);
    net.auto_tls = false;
    link = port()->api->start_tls(port(), link, "h", NULL, &err);
    hf_script_eof(&net);
    assert_int_equal(ready(link), HF_ERR_EOF);
}

static void closing_waits_for_the_servers_end(void **state) {
    hf_link *link = open_up(2);
    (void)state;
    net.auto_close = false;
    assert_int_equal(link->api->close(link), 0);
    assert_int_equal(link->api->close(link), 0);
    assert_int_equal(net.live, 1);
    (void)next_tag();
    hf_script_eof(&net);
    assert_int_equal(next_tag(), 2);
    assert_int_equal(link->api->close(link), 1);
    assert_int_equal(net.live, 0);
    net.auto_close = true;
    link = open_up(2);
    assert_int_equal(link->api->close(link), 1);
    assert_true(hf_script_link_last(&net)->released);
    assert_false(hf_script_link_last(&net)->aborted);
}

static void a_released_link_is_never_touched_again(void **state) {
    hf_link *link = open_up(0);
    char out[4];
    (void)state;
    link->api->abort(link);
    ASSERTS((void)ready(link));
    ASSERTS((void)link->api->read(link, out, 1));
    ASSERTS((void)link->api->write(link, out, 1));
    ASSERTS((void)link->api->close(link));
    ASSERTS(link->api->abort(link));
    hf_script_reply(&net, "late", 4); /* the server may still speak: nobody hears */
    hf_script_eof(&net);
    assert_int_equal(next_tag(), -1);
}

static void bytes_before_the_handshake_are_refused(void **state) {
    hf_link *link = open_up(0);
    char out[1];
    int err = 0;
    (void)state;
    hf_script_reply(&net, "S!", 2);
    assert_int_equal(link->api->read(link, out, 1), 1);
    assert_null(port()->api->start_tls(port(), link, "h", NULL, &err));
    assert_int_equal(err, HF_ERR_TLS_INJECTED);
    assert_int_equal(link->api->read(link, out, 1), 1);
    hf_script_eof(&net);
    assert_null(port()->api->start_tls(port(), link, "h", NULL, &err));
    assert_int_equal(err, HF_ERR_EOF);
    link->api->abort(link); /* still the client's */
}

static void misuse_of_a_link_is_an_assertion(void **state) {
    hf_link *link = open_link(0);
    char out[4];
    int err = 0;
    (void)state;
    ASSERTS((void)link->api->read(link, out, 1)); /* not up */
    ASSERTS((void)link->api->write(link, "x", 1));
    hf_script_connect(&net);
    ASSERTS((void)link->api->write(link, "x", 0));
    hf_script_reply(&net, "S!", 2);
    (void)link->api->read(link, out, 2);
    assert_non_null(port()->api->start_tls(port(), link, "h", NULL, &err));
    ASSERTS((void)port()->api->start_tls(port(), link, "h", NULL, &err)); /* twice */
    ASSERTS((void)link->api->read(link, out, 1));                         /* before the handshake */
    assert_int_equal(ready(link), 1);
    net.auto_close = false;
    assert_int_equal(link->api->close(link), 0);
    ASSERTS((void)link->api->write(link, "x", 1)); /* while closing */
}

static void what_was_written_outlives_the_link(void **state) {
    hf_link *link = open_up(0);
    char out[8];
    (void)state;
    (void)link->api->write(link, "bye", 3);
    link->api->abort(link);
    assert_int_equal(hf_script_sent(hf_script_link_at(&net, 0), out, sizeof out), 3);
    for (unsigned i = 0; i < HF_SCRIPT_LINKS; i++) {
        link = open_link(0);
        link->api->abort(link);
    }
    assert_null(hf_script_link_at(&net, 0)); /* forgotten, the oldest first */
    assert_non_null(hf_script_link_at(&net, 1));
    assert_int_equal(net.opened, HF_SCRIPT_LINKS + 1);
}

static void more_live_links_than_places_is_an_assertion(void **state) {
    (void)state;
    for (unsigned i = 0; i < HF_SCRIPT_LINKS; i++) {
        (void)open_link(i);
    }
    ASSERTS((void)open_link(0));
}

static void news_come_in_the_order_of_the_links(void **state) {
    (void)state;
    for (uint32_t tag = 10; tag < 13; tag++) {
        (void)open_link(tag);
    }
    hf_script_link_connect(hf_script_link_at(&net, 2));
    hf_script_link_connect(hf_script_link_at(&net, 0));
    assert_int_equal(next_tag(), 10);
    assert_int_equal(next_tag(), 12);
    assert_int_equal(next_tag(), -1);
}

static void names_resolve_at_once_or_when_the_test_says(void **state) {
    hf_address found[4];
    const hf_port_api *api = port()->api;
    (void)state;
    net.addresses = 3;
    assert_int_equal(api->resolve(port(), 5, "db", 5433), 0);
    assert_int_equal(next_tag(), (int)(HF_TAG_RESOLVE + 5));
    assert_int_equal(api->resolved(port(), 5, found, 2), 2);
    assert_int_equal(found[1].port, 5433);
    assert_int_equal(found[1].ip[3], 2);
    net.auto_resolve = false;
    assert_int_equal(api->resolve(port(), 5, "db", 5433), 0);
    assert_int_equal(next_tag(), -1);
    assert_int_equal(api->resolved(port(), 5, found, 4), 0);
    hf_script_resolved(&net, 5, HF_ERR_RESOLVE);
    assert_int_equal(next_tag(), (int)(HF_TAG_RESOLVE + 5));
    assert_int_equal(api->resolved(port(), 5, found, 4), HF_ERR_RESOLVE);
    assert_int_equal(api->resolve(port(), 5, "10.0.0.1", 1), 0); /* numeric: nobody is asked */
    assert_int_equal(api->resolved(port(), 5, found, 4), 1);
    assert_int_equal(api->resolve(port(), 5, "fe80::1", 1), 0);
    assert_int_equal(api->resolved(port(), 5, found, 4), 1);
    assert_int_equal(api->resolve(port(), 5, "db", 1), 0);
    ASSERTS((void)api->resolve(port(), 5, "db", 1)); /* one at a time */
    api->resolve_cancel(port(), 5);
    ASSERTS((void)api->resolved(port(), 5, found, 4));
    ASSERTS((void)api->resolve(port(), 64, "db", 1));
}

/* The calls of a short life, in order; each can be the one that fails. */
static int live(char *log) {
    hf_address found;
    hf_link *link;
    uint8_t byte;
    int err = 0, got;
    bool more;
    const hf_port_api *api = port()->api;
    if ((err = api->random(port(), &byte, 1)) < 0 || (err = api->resolve(port(), 0, "h", 1)) < 0 ||
        (err = api->resolved(port(), 0, &found, 1)) < 0) {
        return err;
    }
    link = api->open(port(), &found, NULL, 0, &err);
    if (!link) {
        return err;
    }
    hf_script_connect(&net);
    hf_script_reply(&net, "abc", 3);
    got = link->api->ready(link, &more);
    got = got < 0 ? got : link->api->write(link, "x", 1);
    got = got < 0 ? got : link->api->read(link, log, 3);
    if (got < 0) {
        link->api->abort(link);
        return got;
    }
    if (!api->start_tls(port(), link, "h", NULL, &err)) {
        link->api->abort(link);
        return err;
    }
    got = link->api->ready(link, &more);
    got = got < 0 ? got : link->api->close(link) - 1;
    if (got < 0) {
        link->api->abort(link);
    }
    return got;
}

/* Shows fault 49. */
static void any_one_call_can_fail_and_none_leaks(void **state) {
    static const int expected[] = { HF_ERR_RESOURCES, HF_ERR_RESOURCES,
                                    HF_ERR_RESOLVE,   HF_ERR_RESOURCES,
                                    HF_ERR_RESET,     HF_ERR_RESET,
                                    HF_ERR_RESET,     HF_ERR_RESOURCES,
                                    HF_ERR_RESET,     0 /* a close that fails has closed */ };
    char log[8];
    (void)state;
    assert_int_equal(live(log), 0);
    assert_int_equal(net.calls, COUNT(expected));
    for (unsigned call = 1; call <= COUNT(expected); call++) {
        for (int forever = 0; forever < 2; forever++) {
            hf_script_init(&net);
            net.fail_call = call;
            net.fail_forever = forever;
            assert_int_equal(live(log), expected[call - 1]);
            assert_int_equal(net.live, 0);
            if (forever) {
                assert_int_equal(live(log), HF_ERR_RESOURCES);
            } else {
                hf_script_init(&net);
                assert_int_equal(live(log), 0);
            }
        }
    }
}

static void random_bytes_follow_from_the_seed(void **state) {
    uint8_t first[64], second[64];
    (void)state;
    (void)port()->api->random(port(), first, sizeof first);
    hf_script_init(&net);
    (void)port()->api->random(port(), second, sizeof second);
    assert_memory_equal(first, second, sizeof first);
    net.random = 2;
    (void)port()->api->random(port(), second, sizeof second);
    assert_memory_not_equal(first, second, sizeof first);
    net.random = 0;
    assert_int_equal(port()->api->random(port(), second, sizeof second), 0);
}

static void hashing_fails_until_a_hash_is_given(void **state) {
    static const hf_hash other = { .rounds_per_slice = 5 };
    hf_sha256 hash;
    (void)state;
    assert_true(port()->api->hash->start(&hash) < 0);
    assert_true(port()->api->hash->update(&hash, "", 0) < 0);
    assert_null(port()->api->hash->md5);
    net.hash = &other;
    (void)open_link(0); /* any call takes it over */
    assert_ptr_equal(port()->api->hash, &other);
}

static void a_tick_is_spent_when_the_test_says(void **state) {
    (void)state;
    assert_false(port()->api->over_budget(port()));
    net.over_budget = true;
    assert_true(port()->api->over_budget(port()));
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup(test, start)
    const struct CMUnitTest tests[] = {
        TEST(a_link_is_up_when_the_test_says_so),
        TEST(or_at_once),
        TEST(bytes_travel_both_ways_in_order),
        TEST(limits_cut_reads_and_writes),
        TEST(megabytes_pass_through_the_fixed_buffers),
        TEST(the_end_of_the_stream_comes_after_the_bytes),
        TEST(a_broken_link_stays_broken),
        TEST(tls_is_a_flag_over_the_same_link),
        TEST(tls_succeeds_by_itself_or_breaks),
        TEST(bytes_before_the_handshake_are_refused),
        TEST(closing_waits_for_the_servers_end),
        TEST(a_released_link_is_never_touched_again),
        TEST(misuse_of_a_link_is_an_assertion),
        TEST(what_was_written_outlives_the_link),
        TEST(more_live_links_than_places_is_an_assertion),
        TEST(news_come_in_the_order_of_the_links),
        TEST(names_resolve_at_once_or_when_the_test_says),
        TEST(any_one_call_can_fail_and_none_leaks),
        TEST(random_bytes_follow_from_the_seed),
        TEST(hashing_fails_until_a_hash_is_given),
        TEST(a_tick_is_spent_when_the_test_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
