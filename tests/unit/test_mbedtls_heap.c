/* Memory and entropy behind TLS: how much, and what happens when there is none. */
#include "hf_mbedtls.h"
#include "loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

/* PEERS.md, W6: heap of an idle TLS connection. */
#define IDLE_BYTES_MAX (48u << 10)
/* And at its highest, in the handshake, with a chain of small certificates. */
#define PEAK_BYTES_MAX (64u << 10)

static struct {
    size_t now, peak;
    unsigned calls, fail_from, fail_count; /* which calls fail, counted from 1 */
} heap;

static struct {
    bool broken;
    unsigned asked;
} entropy;

static void *take(size_t count, size_t size) {
    heap.calls++;
    if (heap.fail_from != 0 && heap.calls >= heap.fail_from &&
        heap.calls < heap.fail_from + heap.fail_count) {
        return NULL;
    }
    size_t *block = calloc(1, count * size + 2 * sizeof *block);
    if (block == NULL) {
        return NULL;
    }
    *block = count * size;
    heap.now += *block;
    heap.peak = heap.now > heap.peak ? heap.now : heap.peak;
    return block + 2;
}

static void give(void *memory) {
    if (memory != NULL) {
        size_t *block = (size_t *)memory - 2;
        heap.now -= *block;
        free(block);
    }
}

static int fill(void *user, unsigned char *out, size_t bytes) {
    assert_string_equal(user, "user");
    entropy.asked++;
    if (entropy.broken) {
        return -1;
    }
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (unsigned char)rand(); // NOLINT: a test's entropy
    }
    return 0;
}

static void ignore(void *user, hf_link *under) {
    (void)user;
    (void)under;
}

static const hf_mbedtls_setup setup = { .sslmode = HF_SSL_VERIFY_FULL,
                                        .entropy = fill,
                                        .note = ignore,
                                        .user = (void *)(uintptr_t) "user",
                                        .allocate = take,
                                        .release = give };

static void reset(void) {
    memset(&heap, 0, sizeof heap);
    memset(&entropy, 0, sizeof entropy);
}

static size_t read_ca(char *out, size_t size) {
    FILE *file = fopen(HF_TLS_FIXTURES "ca.crt", "r");
    assert_non_null(file);
    size_t n = fread(out, 1, size, file);
    (void)fclose(file);
    return n;
}

/* Sets up TLS and opens one link: 1, or the error. */
static int open_link(hf_linux *port, hf_mbedtls *tls, hf_mbedtls_link *slot,
                     const hf_test_server *server) {
    char ca[4096];
    size_t size = read_ca(ca, sizeof ca);
    hf_error error;
    if (!hf_mbedtls_init(tls, &setup, &error)) {
        return error.code;
    }
    int err = hf_mbedtls_trust(tls, ca, size);
    if (err < 0) {
        return err;
    }
    assert_int_equal(err, 1);
    hf_link *under = hf_test_open(port, server->port, 1);
    assert_int_equal(hf_test_ready(port, under), 1);
    memset(slot, 0, sizeof *slot);
    if (hf_mbedtls_open(tls, slot, under, "localhost", NULL, &err) == NULL) {
        under->api->abort(under);
        return err;
    }
    return hf_test_ready(port, &slot->link);
}

static void close_link(hf_mbedtls *tls, hf_mbedtls_link *slot) {
    if (slot->under != NULL) {
        slot->link.api->abort(&slot->link);
    }
    if (tls->setup.entropy != NULL) {
        hf_mbedtls_free(tls);
    }
}

static hf_linux port;
static hf_config config;
static hf_test_server server;
static hf_mbedtls tls;
static hf_mbedtls_link slot;

static void measure(const char *const *how, const char *name) {
    reset();
    hf_test_port(&port, &config, NULL);
    hf_test_server_start(&server, "chain.crt", "server.key", how);
    memset(&slot, 0, sizeof slot);
    assert_int_equal(open_link(&port, &tls, &slot, &server), 1);
    size_t shared = heap.now;
    char bytes[8];
    size_t got;
    assert_int_equal(slot.link.api->write(&slot.link, "drawer\n", 7), 7);
    assert_int_equal(hf_test_read(&port, &slot.link, bytes, 7, &got), 0);
    assert_true(heap.now <= shared);
    size_t with_link = heap.now;
    slot.link.api->abort(&slot.link);
    shared = heap.now;
    print_message("%s: %zu bytes idle, %zu at most, %zu shared by all links\n", name,
                  with_link - shared, heap.peak - shared, shared);
    assert_true(with_link - shared <= IDLE_BYTES_MAX);
    assert_true(heap.peak - shared <= PEAK_BYTES_MAX);
    close_link(&tls, &slot);
    assert_int_equal(heap.now, 0);
    hf_linux_close(&port);
    hf_test_server_stop(&server);
}

static void a_link_keeps_to_its_budget(void **state) {
    (void)state;
    static const char *const tls13[] = { "-rev", "-tls1_3", NULL };
    static const char *const tls12[] = { "-rev", "-tls1_2", NULL };
    measure(tls13, "TLS 1.3");
    measure(tls12, "TLS 1.2");
}

/* Every allocation fails once, and then from there on for good. It is a want of memory, never a certificate
 * that does not verify: that would be believed for good.
 * Shows fault 49.
 */
static void want_of_memory_is_never_a_bad_certificate(void **state) {
    (void)state;
    static const unsigned counts[] = { 1, 1000000 };
    hf_test_port(&port, &config, NULL);
    hf_test_server_start(&server, "chain.crt", "server.key", NULL);
    for (size_t i = 0; i < 2; i++) {
        unsigned failed = 0;
        for (unsigned n = 1;; n += n < 120 ? 1 : 1 + n / 8) {
            reset();
            heap.fail_from = n;
            heap.fail_count = counts[i];
            memset(&slot, 0, sizeof slot);
            int answer = open_link(&port, &tls, &slot, &server);
            bool reached = heap.calls >= n;
            close_link(&tls, &slot);
            assert_int_equal(heap.now, 0);
            if (!reached) {
                assert_int_equal(answer, 1);
                break;
            }
            if (answer != 1 && answer != HF_ERR_RESOURCES) {
                fail_msg("allocation %u failed: %s", n, hf_err_name(answer));
            }
            failed += answer != 1;
        }
        assert_true(failed > 20);
    }
    hf_linux_close(&port);
    hf_test_server_stop(&server);
}

static void without_entropy_nothing_is_encrypted(void **state) {
    (void)state;
    reset();
    entropy.broken = true;
    memset(&tls, 0, sizeof tls);
    assert_false(hf_mbedtls_init(&tls, &setup, NULL));
    assert_int_equal(heap.now, 0);
    assert_true(entropy.asked > 0);
}

/* A second port asks for entropy anew: a forked child that opens its own does not repeat its parent. */
static void each_port_brings_fresh_entropy(void **state) {
    (void)state;
    reset();
    hf_mbedtls second;
    assert_true(hf_mbedtls_init(&tls, &setup, NULL));
    unsigned asked = entropy.asked;
    assert_true(hf_mbedtls_init(&second, &setup, NULL));
    assert_true(entropy.asked > asked);
    hf_mbedtls_free(&tls);
    entropy.broken = true;
    assert_false(hf_mbedtls_init(&tls, &setup, NULL));
    hf_mbedtls_free(&second);
    assert_int_equal(heap.now, 0);
}

static void a_host_name_that_cannot_be_is_an_argument_error(void **state) {
    (void)state;
    reset();
    hf_test_port(&port, &config, NULL);
    int peer, err;
    hf_link *under = hf_test_pair(&port, &peer, 1);
    assert_true(hf_mbedtls_init(&tls, &setup, NULL));
    char longest[400];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = 0;
    memset(&slot, 0, sizeof slot);
    assert_null(hf_mbedtls_open(&tls, &slot, under, longest, NULL, &err));
    assert_int_equal(err, HF_ERR_ARGUMENT);
    assert_null(hf_mbedtls_open(&tls, &slot, under, "", NULL, &err));
    assert_int_equal(err, HF_ERR_ARGUMENT);
    assert_null(hf_mbedtls_open(&tls, &slot, under, NULL, NULL, &err));
    assert_int_equal(err, HF_ERR_ARGUMENT);
    assert_null(hf_mbedtls_open(&tls, &slot, under, "host", "a protocol name too long", &err));
    assert_int_equal(err, HF_ERR_ARGUMENT);
    close_link(&tls, &slot);
    assert_int_equal(heap.now, 0);
    under->api->abort(under);
    close(peer);
    hf_linux_close(&port);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_keeps_to_its_budget),
        cmocka_unit_test(want_of_memory_is_never_a_bad_certificate),
        cmocka_unit_test(without_entropy_nothing_is_encrypted),
        cmocka_unit_test(each_port_brings_fresh_entropy),
        cmocka_unit_test(a_host_name_that_cannot_be_is_an_argument_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
