/* The certificate matrix (FAULTS 17, SECURITY 7) against a real server, in TLS 1.3 and 1.2. */
#include "loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

static const char *const tls13[] = { "-rev", "-tls1_3", NULL };
static const char *const tls12[] = { "-rev", "-tls1_2", NULL };
static const char *const weak13[] = { "-rev", "-tls1_3", "-cipher", "DEFAULT@SECLEVEL=0", NULL };
static const char *const weak12[] = { "-rev", "-tls1_2", "-cipher", "DEFAULT@SECLEVEL=0", NULL };

static char said[256]; /* why() of the last verdict */
static uint8_t binding[HF_BINDING_BYTES];
static size_t binding_bytes;

/* What becomes of a handshake with that server. */
static int verdict(const hf_test_server *server, const char *root, int mode, const char *host) {
    hf_linux port;
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error;
    config.hosts[0].name = host;
    config.n_hosts = 1;
    config.sslmode = (uint8_t)mode;
    char path[128];
    (void)snprintf(path, sizeof path, HF_TLS_FIXTURES "%s", root != NULL ? root : "");
    config.sslrootcert = root != NULL ? path : NULL;
    assert_int_equal(hf_linux_init_error(&port, &config, &error), 0);
    hf_link *link = hf_test_open(&port, server->port, 1);
    assert_int_equal(hf_test_ready(&port, link), 1);
    int err;
    hf_link *tls = port.port.api->start_tls(&port.port, link, host, NULL, &err);
    assert_non_null(tls);
    int answer = hf_test_ready(&port, tls);
    int32_t system;
    const char *why = answer < 0 ? tls->api->why(tls, &system) : NULL;
    (void)snprintf(said, sizeof said, "%s", why != NULL ? why : "");
    binding_bytes = tls->api->binding(tls, binding);
    if (answer == 1) {
        char bytes[16];
        size_t got;
        assert_int_equal(tls->api->write(tls, "drawer\n", 7), 7);
        assert_int_equal(hf_test_read(&port, tls, bytes, 7, &got), 0);
        assert_memory_equal(bytes, "reward\n", 7);
        assert_true(hf_test_close(&port, tls));
    } else {
        tls->api->abort(tls);
    }
    hf_linux_close(&port);
    return answer;
}

typedef struct hf_case {
    const char *certificate, *key, *host;
    int mode;         /* an hf_sslmode */
    const char *root; /* NULL: none given */
    const char *word; /* of why(); NULL: the handshake succeeds */
} hf_case;

enum { FULL = HF_SSL_VERIFY_FULL, CA = HF_SSL_VERIFY_CA, REQUIRE = HF_SSL_REQUIRE };

// clang-format off
static const hf_case cases[] = {
    { "good.crt", "server.key", "localhost", FULL, "ca.crt", NULL },
    { "good.crt", "server.key", "LOCALHOST", FULL, "ca.crt", NULL },
    { "good.crt", "server.key", "localhost.", FULL, "ca.crt", NULL },
    { "good.crt", "server.key", "db.example.com", FULL, "ca.crt", NULL },
    { "good.crt", "server.key", "other.example.com", FULL, "ca.crt", "not made for other.example.com" },
    { "good.crt", "server.key", "server", FULL, "ca.crt", "not made for server" }, /* its CN: names rule */
    { "good.crt", "server.key", "127.0.0.1", FULL, "ca.crt", "not made for 127.0.0.1" },
    { "good.crt", "server.key", "other.example.com", CA, "ca.crt", NULL },
    { "good.crt", "server.key", "127.0.0.1", CA, "ca.crt", NULL },
    { "good.crt", "server.key", "localhost", CA, "other.crt", "not signed by a trusted CA" },
    { "good.crt", "server.key", "localhost", REQUIRE, NULL, NULL },
    { "good.crt", "server.key", "anything", REQUIRE, "ca.crt", NULL },
    { "good.crt", "server.key", "localhost", REQUIRE, "other.crt", "not signed by a trusted CA" },
    { "rsa.crt", "rsa.key", "localhost", FULL, "ca.crt", NULL },
    { "common-name.crt", "server.key", "localhost", FULL, "ca.crt", NULL },
    { "common-name.crt", "server.key", "db.example.com", FULL, "ca.crt", "not made for" },
    { "address.crt", "server.key", "127.0.0.1", FULL, "ca.crt", NULL },
    { "address.crt", "server.key", "::1", FULL, "ca.crt", NULL },
    { "address.crt", "server.key", "0:0:0:0:0:0:0:1", FULL, "ca.crt", NULL },
    { "address.crt", "server.key", "127.0.0.2", FULL, "ca.crt", "not made for 127.0.0.2" },
    { "address.crt", "server.key", "::2", FULL, "ca.crt", "not made for ::2" },
    { "address.crt", "server.key", "localhost", FULL, "ca.crt", "not made for localhost" },
    { "address-as-name.crt", "server.key", "127.0.0.1", FULL, "ca.crt", "not made for 127.0.0.1" },
    { "address-common-name.crt", "server.key", "127.0.0.1", FULL, "ca.crt", NULL }, /* as libpq */
    { "address-common-name.crt", "server.key", "127.0.0.10", FULL, "ca.crt", "not made for" },
    { "wildcard.crt", "server.key", "db.example.com", FULL, "ca.crt", NULL },
    { "wildcard.crt", "server.key", "example.com", FULL, "ca.crt", "not made for" },
    { "wildcard.crt", "server.key", "a.db.example.com", FULL, "ca.crt", "not made for" },
    { "wildcard.crt", "server.key", "db.example.com.evil.org", FULL, "ca.crt", "not made for" },
    { "wildcard.crt", "server.key", "127.0.0.1", FULL, "ca.crt", "not made for" },
    { "wildcard-top.crt", "server.key", "localhost", FULL, "ca.crt", "not made for" },
    { "wildcard-top.crt", "server.key", "db.example.com", FULL, "ca.crt", "not made for" },
    { "wildcard-part.crt", "server.key", "db.example.com", FULL, "ca.crt", "not made for" },
    { "nul.crt", "server.key", "localhost", FULL, "ca.crt", "not made for localhost" },
    { "nul.crt", "server.key", "evil", FULL, "ca.crt", NULL },
    { "unknown.crt", "server.key", "localhost", FULL, "ca.crt", "not signed by a trusted CA" },
    { "unknown.crt", "server.key", "localhost", FULL, "other.crt", NULL },
    { "unknown.crt", "server.key", "wrong", FULL, "ca.crt", "not made for wrong, nor by a trusted CA" },
    { "own.crt", "server.key", "localhost", FULL, "ca.crt", "not signed by a trusted CA" },
    { "own.crt", "server.key", "localhost", FULL, "own.crt", NULL },
    { "own.crt", "server.key", "wrong", FULL, "own.crt", "not made for wrong" },
    { "expired.crt", "server.key", "localhost", FULL, "ca.crt", "the certificate has expired" },
    { "expired.crt", "server.key", "localhost", CA, "ca.crt", "the certificate has expired" },
    { "expired.crt", "server.key", "localhost", REQUIRE, NULL, NULL },
    { "future.crt", "server.key", "localhost", FULL, "ca.crt", "not valid yet" },
    { "for-clients.crt", "server.key", "localhost", FULL, "ca.crt", "xtended" },
    { "chain.crt", "server.key", "localhost", FULL, "ca.crt", NULL },
    { "through-middle.crt", "server.key", "localhost", FULL, "ca.crt", "not signed by a trusted CA" },
    { "through-middle.crt", "server.key", "localhost", FULL, "middle.crt", NULL },
    { "not-a-ca-chain.crt", "server.key", "localhost", FULL, "ca.crt", "not signed by a trusted CA" },
    { "weak.crt", "weak.key", "localhost", FULL, "ca.crt", "key" },
    { "weak.crt", "weak.key", "localhost", REQUIRE, NULL, NULL },
    { "sha1.crt", "server.key", "localhost", FULL, "ca.crt", "hash" },
    { "sha1.crt", "server.key", "localhost", REQUIRE, NULL, NULL },
};
// clang-format on

static bool is_weak(const hf_case *one) {
    return strncmp(one->certificate, "weak", 4) == 0 || strncmp(one->certificate, "sha1", 4) == 0;
}

static void judge_all(bool old) {
    hf_test_server server = { 0 };
    const char *running = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const hf_case *one = &cases[i];
        if (running == NULL || strcmp(running, one->certificate) != 0) {
            if (running != NULL) {
                hf_test_server_stop(&server);
            }
            running = one->certificate;
            hf_test_server_start(&server, running, one->key,
                                 is_weak(one) ? (old ? weak12 : weak13) : (old ? tls12 : tls13));
        }
        int answer = verdict(&server, one->root, one->mode, one->host);
        if (answer != (one->word == NULL ? 1 : HF_ERR_TLS_CERT) ||
            (one->word != NULL && strstr(said, one->word) == NULL)) {
            fail_msg("%s as %s, mode %d, root %s: %s \"%s\"", one->certificate, one->host,
                     one->mode, one->root != NULL ? one->root : "-", hf_err_name(answer), said);
        }
    }
    hf_test_server_stop(&server);
}

/* Shows fault 17, security 7. */
static void every_certificate_gets_its_verdict_in_tls_1_3(void **state) {
    (void)state;
    judge_all(false);
}

/* Shows fault 17, security 7. */
static void every_certificate_gets_its_verdict_in_tls_1_2(void **state) {
    (void)state;
    judge_all(true);
}

/* RFC 5929, 4.1: the hash of the certificate's signature, but never less than SHA-256. */
static void expect_binding(const char *certificate, const char *hash, size_t bytes,
                           const char *const *how) {
    hf_test_server server;
    hf_test_server_start(&server, certificate, "server.key", how);
    assert_int_equal(verdict(&server, NULL, HF_SSL_REQUIRE, "localhost"), 1);
    hf_test_server_stop(&server);
    char command[256], got[2 * HF_BINDING_BYTES + 1], expected[256] = "";
    (void)snprintf(command, sizeof command,
                   "openssl x509 -in %s%s -outform DER | openssl dgst -%s -r", HF_TLS_FIXTURES,
                   certificate, hash);
    FILE *output = popen(command, "r"); // NOLINT(cert-env33-c): fixed words
    assert_non_null(output);
    assert_non_null(fgets(expected, sizeof expected, output));
    assert_int_equal(pclose(output), 0);
    assert_int_equal(binding_bytes, bytes);
    for (size_t i = 0; i < bytes; i++) {
        (void)snprintf(got + 2 * i, 3, "%02x", binding[i]);
    }
    assert_memory_equal(got, expected, 2 * bytes);
}

static void the_channel_binding_is_the_certificates_hash(void **state) {
    (void)state;
    expect_binding("good.crt", "sha256", 32, tls13);
    expect_binding("good.crt", "sha256", 32, tls12);
    expect_binding("sha384.crt", "sha384", 48, tls13);
    expect_binding("sha1.crt", "sha256", 32, weak13);
}

/* What the server saw: a name that is an address must not be sent (RFC 6066, 3). */
static void expect_name(const char *host, bool sent) {
    static const char *const more[] = { "-rev",        "-tls1_3",
                                        "-servername", "db.example.com",
                                        "-cert2",      HF_TLS_FIXTURES "own.crt",
                                        "-key2",       HF_TLS_FIXTURES "server.key",
                                        NULL };
    hf_test_server server;
    hf_test_server_start(&server, "address.crt", "server.key", more);
    /* With SNI db.example.com it shows the second certificate, without the first. */
    assert_int_equal(verdict(&server, NULL, HF_SSL_REQUIRE, host), 1);
    hf_test_server_stop(&server);
    uint8_t with_first[HF_BINDING_BYTES];
    memcpy(with_first, binding, binding_bytes);
    hf_test_server_start(&server, "address.crt", "server.key", tls13);
    assert_int_equal(verdict(&server, NULL, HF_SSL_REQUIRE, host), 1);
    hf_test_server_stop(&server);
    assert_int_equal(memcmp(with_first, binding, binding_bytes) != 0, sent);
}

static void the_name_is_sent_and_an_address_is_not(void **state) {
    (void)state;
    expect_name("db.example.com", true);
    expect_name("db.example.com.", true);
    expect_name("127.0.0.1", false);
}

static void a_server_that_only_speaks_tls_1_1_is_refused(void **state) {
    (void)state;
    static const char *const old[] = { "-rev", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", NULL };
    hf_test_server server;
    hf_test_server_start(&server, "good.crt", "server.key", old);
    assert_int_equal(verdict(&server, "ca.crt", HF_SSL_VERIFY_FULL, "localhost"), HF_ERR_TLS);
    assert_true(said[0] != 0);
    hf_test_server_stop(&server);
}

static void only_a_suite_without_forward_secrecy_is_refused(void **state) {
    (void)state;
    static const char *const old[] = { "-rev", "-tls1_2", "-cipher", "AES128-GCM-SHA256", NULL };
    hf_test_server server;
    hf_test_server_start(&server, "rsa.crt", "rsa.key", old);
    assert_int_equal(verdict(&server, "ca.crt", HF_SSL_VERIFY_FULL, "localhost"), HF_ERR_TLS);
    assert_string_equal(said, "alert handshake_failure from the server");
    hf_test_server_stop(&server);
}

static void every_group_and_suite_offered_works(void **state) {
    (void)state;
    static const char *const groups[] = { "P-256", "X25519", "P-384" };
    static const char *const suites13[] = { "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                            "TLS_CHACHA20_POLY1305_SHA256" };
    static const char *const suites12[] = { "ECDHE-ECDSA-AES128-GCM-SHA256",
                                            "ECDHE-ECDSA-AES256-GCM-SHA384",
                                            "ECDHE-ECDSA-CHACHA20-POLY1305" };
    hf_test_server server;
    for (int i = 0; i < 3; i++) {
        for (int old = 0; old < 2; old++) {
            const char *more[] = {
                "-rev",    old ? "-tls1_2" : "-tls1_3",       "-groups",
                groups[i], old ? "-cipher" : "-ciphersuites", old ? suites12[i] : suites13[i],
                NULL
            };
            if (old && i == 2) {
                more[3] = "P-384:P-256"; /* the certificate's own curve too */
            }
            if (old && i == 1) {
                more[3] = "X25519:P-256";
            }
            hf_test_server_start(&server, "good.crt", "server.key", more);
            assert_int_equal(verdict(&server, "ca.crt", HF_SSL_VERIFY_FULL, "localhost"), 1);
            hf_test_server_stop(&server);
        }
    }
}

/* PostgreSQL with an ssl_ca_file asks every client for a certificate; only some demand one. */
static void a_request_for_our_certificate_is_answered_with_none(void **state) {
    (void)state;
    static const char *const versions[] = { "-tls1_3", "-tls1_2" };
    for (int i = 0; i < 2; i++) {
        const char *ca = HF_TLS_FIXTURES "ca.crt";
        const char *asks[] = { "-rev", versions[i], "-verify", "1", "-CAfile", ca, NULL };
        hf_test_server server;
        hf_test_server_start(&server, "good.crt", "server.key", asks);
        assert_int_equal(verdict(&server, "ca.crt", HF_SSL_VERIFY_FULL, "localhost"), 1);
        hf_test_server_stop(&server);
    }
}

static void a_demand_for_our_certificate_is_told_as_such(void **state) {
    (void)state;
    static const char *const demands[] = { "-rev", "-tls1_2", "-Verify", "1", NULL };
    hf_test_server server;
    hf_test_server_start(&server, "good.crt", "server.key", demands);
    assert_int_equal(verdict(&server, "ca.crt", HF_SSL_VERIFY_FULL, "localhost"), HF_ERR_TLS);
    assert_string_equal(said, "alert handshake_failure from the server");
    hf_test_server_stop(&server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_certificate_gets_its_verdict_in_tls_1_3),
        cmocka_unit_test(every_certificate_gets_its_verdict_in_tls_1_2),
        cmocka_unit_test(the_channel_binding_is_the_certificates_hash),
        cmocka_unit_test(the_name_is_sent_and_an_address_is_not),
        cmocka_unit_test(a_server_that_only_speaks_tls_1_1_is_refused),
        cmocka_unit_test(only_a_suite_without_forward_secrecy_is_refused),
        cmocka_unit_test(every_group_and_suite_offered_works),
        cmocka_unit_test(a_request_for_our_certificate_is_answered_with_none),
        cmocka_unit_test(a_demand_for_our_certificate_is_told_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
