/* The certificate matrix (FAULTS 17, SECURITY 7) against a real server, in TLS 1.3 and 1.2. */
#include "certificate.h"

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
    { "through-middle.crt", "server.key", "localhost", FULL, "middle.crt", "its root must be trusted" },
    { "through-middle.crt", "server.key", "localhost", CA, "middle.crt", "its root must be trusted" },
    { "through-middle.crt", "server.key", "localhost", FULL, "middle-and-ca.crt", NULL },
    { "chain.crt", "server.key", "localhost", FULL, "middle.crt", "its root must be trusted" },
    { "chain.crt", "server.key", "localhost", FULL, "middle-and-ca.crt", NULL },
    { "good.crt", "server.key", "localhost", FULL, "good.crt", "not signed by a trusted CA" },
    { "for-anything.crt", "server.key", "localhost", FULL, "ca.crt", "extendedKeyUsage" },
    { "for-both.crt", "server.key", "localhost", FULL, "ca.crt", NULL },
    { "through-client-ca.crt", "server.key", "localhost", FULL, "ca.crt", "chain is refused: its extendedKeyUsage" },
    { "names-kept.crt", "server.key", "localhost", FULL, "ca.crt", NULL },
    { "names-kept-soft.crt", "server.key", "localhost", FULL, "ca.crt", NULL },
    { "names-broken.crt", "server.key", "localhost", FULL, "ca.crt", "name constraints" },
    { "names-broken.crt", "server.key", "localhost", CA, "ca.crt", "name constraints" },
    { "names-broken.crt", "server.key", "localhost", REQUIRE, NULL, NULL },
    { "names-broken-soft.crt", "server.key", "localhost", FULL, "ca.crt", "may not sign for" },
    { "names-address.crt", "server.key", "localhost", FULL, "ca.crt", "may not sign for" },
    { "names-address-6.crt", "server.key", "localhost", FULL, "ca.crt", "may not sign for" },
    { "names-excluded.crt", "server.key", "localhost", FULL, "ca.crt", "may not sign for" },
    { "names-not-excluded.crt", "server.key", "localhost", FULL, "ca.crt", NULL },
    { "names-below.crt", "server.key", "localhost", FULL, "ca.crt", "may not sign for" },
    { "names-common.crt", "server.key", "db.example.com", FULL, "ca.crt", "may not sign for" },
    { "names-common-word.crt", "server.key", "localhost", FULL, "ca.crt", NULL }, /* no host name to OpenSSL */
    { "names-mail.crt", "server.key", "localhost", FULL, "ca.crt", NULL },
    { "names-folder.crt", "server.key", "localhost", FULL, "ca.crt", NULL },
    { "names-folder-broken.crt", "server.key", "localhost", FULL, "ca.crt", "may not sign for" },
    { "by-names-root.crt", "server.key", "db.example.com", FULL, "names-root.crt", NULL },
    { "by-names-root-broken.crt", "server.key", "localhost", FULL, "names-root.crt", "may not sign for" },
    { "pss-signed.crt", "server.key", "localhost", FULL, "rsa-ca.crt", NULL },
    { "p521.crt", "p521.key", "localhost", FULL, "ca.crt", NULL },
    { "ed25519-signed.crt", "server.key", "localhost", FULL, "ca.crt", "Ed25519" },
    { "ed25519-signed.crt", "server.key", "localhost", REQUIRE, NULL, "Ed25519" },
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
        int answer = hf_test_verdict(&server, one->root, one->mode, one->host);
        if (answer != (one->word == NULL ? 1 : HF_ERR_TLS_CERT) ||
            (one->word != NULL && strstr(hf_test_why, one->word) == NULL)) {
            fail_msg("%s as %s, mode %d, root %s: %s \"%s\"", one->certificate, one->host,
                     one->mode, one->root != NULL ? one->root : "-", hf_err_name(answer),
                     hf_test_why);
        }
    }
    hf_test_server_stop(&server);
}

/* Shows fault 17, security 7, found S5. */
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
    assert_int_equal(hf_test_verdict(&server, NULL, HF_SSL_REQUIRE, "localhost"), 1);
    hf_test_server_stop(&server);
    char command[256], got[2 * HF_BINDING_BYTES + 1], expected[256] = "";
    (void)snprintf(command, sizeof command,
                   "openssl x509 -in %s%s -outform DER | openssl dgst -%s -r", HF_TLS_FIXTURES,
                   certificate, hash);
    FILE *output = popen(command, "r"); // NOLINT(cert-env33-c): fixed words
    assert_non_null(output);
    assert_non_null(fgets(expected, sizeof expected, output));
    assert_int_equal(pclose(output), 0);
    assert_int_equal(hf_test_binding_bytes, bytes);
    for (size_t i = 0; i < bytes; i++) {
        (void)snprintf(got + 2 * i, 3, "%02x", hf_test_binding[i]);
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
    assert_int_equal(hf_test_verdict(&server, NULL, HF_SSL_REQUIRE, host), 1);
    hf_test_server_stop(&server);
    uint8_t with_first[HF_BINDING_BYTES];
    memcpy(with_first, hf_test_binding, hf_test_binding_bytes);
    hf_test_server_start(&server, "address.crt", "server.key", tls13);
    assert_int_equal(hf_test_verdict(&server, NULL, HF_SSL_REQUIRE, host), 1);
    hf_test_server_stop(&server);
    assert_int_equal(memcmp(with_first, hf_test_binding, hf_test_binding_bytes) != 0, sent);
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
    hf_test_rejected(&server, "protocol_version");
    hf_test_server_stop(&server);
}

static void only_a_suite_without_forward_secrecy_is_refused(void **state) {
    (void)state;
    static const char *const old[] = { "-rev", "-tls1_2", "-cipher", "AES128-GCM-SHA256", NULL };
    hf_test_server server;
    hf_test_server_start(&server, "rsa.crt", "rsa.key", old);
    hf_test_rejected(&server, "alert handshake_failure from the server: no suite");
    hf_test_server_stop(&server);
}

/* Shows found S5. */
static void keys_that_mbedtls_has_not_are_refused_for_good_and_named(void **state) {
    (void)state;
    static const char *const kinds[][2] = { { "ed25519.crt", "ed25519.key" },
                                            { "pss.crt", "pss.key" } };
    hf_test_server server;
    for (int i = 0; i < 4; i++) {
        hf_test_server_start(&server, kinds[i / 2][0], kinds[i / 2][1], i % 2 ? tls12 : tls13);
        hf_test_rejected(&server, "Ed25519 and RSA-PSS keys are not supported");
        hf_test_server_stop(&server);
    }
}

/* A constraint on names of a kind that nobody here compares: refused only where there is such a name.
 * Shows found S5. */
static void a_constraint_that_cannot_be_judged_is_a_refusal(void **state) {
    (void)state;
    hf_test_server server;
    hf_test_server_start(&server, "names-mail-used.crt", "server.key", tls13);
    assert_int_equal(hf_test_verdict(&server, "ca.crt", CA, "localhost"), HF_ERR_TLS_CERT);
    assert_non_null(strstr(hf_test_why, "not compared here"));
    hf_test_server_stop(&server);
}

/* What OpenSSL makes of each chain, as libpq would ask it. Names are libpq's own matter, and left out.
 * Shows found S5. */
static void chains_are_judged_as_openssl_judges_them(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const hf_case *one = &cases[i];
        const bool of_name = one->word != NULL && strstr(one->word, "not made for") != NULL;
        if (one->root == NULL || of_name || strcmp(one->certificate, "ed25519-signed.crt") == 0) {
            continue;
        }
        char command[512];
        (void)snprintf(command, sizeof command,
                       "openssl verify -purpose sslserver -auth_level 2 -no-CApath -no-CAstore "
                       "-CAfile %s%s -untrusted %s%s %s%s >/dev/null 2>&1",
                       HF_TLS_FIXTURES, one->root, HF_TLS_FIXTURES, one->certificate,
                       HF_TLS_FIXTURES, one->certificate);
        const int status = system(command); // NOLINT(cert-env33-c): fixed words
        if ((status == 0) != (one->word == NULL)) {
            fail_msg("%s, root %s: OpenSSL %s it", one->certificate, one->root,
                     status == 0 ? "takes" : "refuses");
        }
    }
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
            assert_int_equal(hf_test_verdict(&server, "ca.crt", HF_SSL_VERIFY_FULL, "localhost"),
                             1);
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
        assert_int_equal(hf_test_verdict(&server, "ca.crt", HF_SSL_VERIFY_FULL, "localhost"), 1);
        hf_test_server_stop(&server);
    }
}

static void a_demand_for_our_certificate_is_told_as_such(void **state) {
    (void)state;
    static const char *const demands[] = { "-rev", "-tls1_2", "-Verify", "1", NULL };
    hf_test_server server;
    hf_test_server_start(&server, "good.crt", "server.key", demands);
    hf_test_rejected(&server, "it asked for a certificate, and there is no sslcert");
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
        cmocka_unit_test(keys_that_mbedtls_has_not_are_refused_for_good_and_named),
        cmocka_unit_test(a_constraint_that_cannot_be_judged_is_a_refusal),
        cmocka_unit_test(chains_are_judged_as_openssl_judges_them),
        cmocka_unit_test(every_group_and_suite_offered_works),
        cmocka_unit_test(a_request_for_our_certificate_is_answered_with_none),
        cmocka_unit_test(a_demand_for_our_certificate_is_told_as_such),
    };
    return cmocka_run_group_tests(tests, hf_test_verdict_set_up, NULL);
}
