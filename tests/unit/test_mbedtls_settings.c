/* What a configuration asks of TLS against a real server: versions, revocation lists, the client's certificate. */
#include "certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

enum { FULL = HF_SSL_VERIFY_FULL, CA = HF_SSL_VERIFY_CA };

static const char *const tls13[] = { "-rev", "-tls1_3", NULL };
static const char *const tls12[] = { "-rev", "-tls1_2", NULL };

/* Shows found S3. */
static void the_versions_that_are_allowed_are_kept_to(void **state) {
    (void)state;
    hf_test_server server;
    hf_test_server_start(&server, "good.crt", "server.key", tls12);
    hf_test_beside.ssl_min_version = HF_TLS_1_3;
    hf_test_rejected(&server, "version");
    hf_test_beside.ssl_min_version = HF_TLS_1_2;
    hf_test_beside.ssl_max_version = HF_TLS_1_2;
    assert_int_equal(hf_test_verdict(&server, "ca.crt", FULL, "localhost"), 1);
    hf_test_server_stop(&server);
    hf_test_server_start(&server, "good.crt", "server.key", tls13);
    hf_test_rejected(&server, "version");
    hf_test_beside.ssl_min_version = hf_test_beside.ssl_max_version = HF_TLS_1_3;
    assert_int_equal(hf_test_verdict(&server, "ca.crt", FULL, "localhost"), 1);
    hf_test_server_stop(&server);
}

#if HF_WITH_CRL
/* As libpq: with any list, each CA of the chain needs one (X509_V_FLAG_CRL_CHECK_ALL).
 * Shows found S3. */
static void what_was_revoked_is_refused_and_a_missing_list_too(void **state) {
    (void)state;
    static const struct {
        const char *certificate, *list;
        const char *word; /* NULL: the handshake succeeds */
    } tries[] = {
        { "good.crt", "ca.crl", NULL },
        { "revoked.crt", "ca.crl", "the certificate was revoked" },
        { "revoked.crt", "ca-empty.crl", NULL },
        { "good.crt", "ca-old.crl", "the revocation list has expired" },
        { "good.crt", "false.crl", "not signed by its CA" },
        { "good.crt", "middle.crl", "no list of its issuer" },
        { "chain.crt", "ca.crl", "no list of its issuer" },
        { "chain.crt", "middle.crl", "no list of its issuer" },
        { "chain.crt", "both.crl", NULL },
        { "chain.crt", "middle-revoking.crl", "the certificate was revoked" },
    };
    hf_test_server server;
    char path[128];
    hf_test_beside.sslcrl = path;
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        (void)snprintf(path, sizeof path, HF_TLS_FIXTURES "%s", tries[i].list);
        hf_test_server_start(&server, tries[i].certificate, "server.key", i % 2 ? tls12 : tls13);
        int answer = hf_test_verdict(&server, "ca.crt", CA, "localhost");
        if (answer != (tries[i].word == NULL ? 1 : HF_ERR_TLS_CERT) ||
            (tries[i].word != NULL && strstr(hf_test_why, tries[i].word) == NULL)) {
            fail_msg("%s by %s: %s \"%s\"", tries[i].certificate, tries[i].list,
                     hf_err_name(answer), hf_test_why);
        }
        hf_test_server_stop(&server);
    }
}

/* Whatever its files are called; of each issuer the newest list counts.
 * Shows found S3. */
static void a_folder_of_lists_is_read_and_what_was_replaced_is_not_asked(void **state) {
    (void)state;
    static const char *const lists[][2] = {
        { "ca-old.crl", "1" }, { "ca.crl", "2.pem" }, { "middle.crl", "3" }, { "ca-old.crl", "4" }
    };
    char folder[] = "/tmp/hf-test-XXXXXX", command[256];
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        (void)snprintf(command, sizeof command, "cp " HF_TLS_FIXTURES "%s %s/%s", lists[i][0],
                       folder, lists[i][1]);
        assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): fixed words
    }
    hf_test_beside.sslcrldir = folder;
    hf_test_server server;
    hf_test_server_start(&server, "chain.crt", "server.key", tls13);
    assert_int_equal(hf_test_verdict(&server, "ca.crt", CA, "localhost"), 1);
    hf_test_server_stop(&server);
    hf_test_server_start(&server, "revoked.crt", "server.key", tls13);
    assert_int_equal(hf_test_verdict(&server, "ca.crt", CA, "localhost"), HF_ERR_TLS_CERT);
    assert_non_null(strstr(hf_test_why, "was revoked"));
    hf_test_server_stop(&server);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): fixed words
}
#endif

#if HF_WITH_CLIENT_CERT
/* A private copy of a key in `path`: those of the fixtures may be read by all. */
static void copy_key(const char *key, mode_t mode, char *path) {
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    char command[512];
    (void)snprintf(command, sizeof command, "cat %s%s > %s", HF_TLS_FIXTURES, key, path);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): fixed words
    assert_int_equal(chmod(path, mode), 0);
}

/* Shows found S3. */
static void the_clients_certificate_is_shown_with_a_key_of_any_form(void **state) {
    (void)state;
    static const struct {
        const char *certificate, *key, *password;
        mode_t mode;
        const char *refusal; /* NULL: it is taken */
    } tries[] = {
        { "client.crt", "client.key", NULL, 0600, NULL },
        { "client.crt", "client.key", "", 0400, NULL },
        { "client.crt", "client-der.key", NULL, 0600, NULL },
        { "client.crt", "client-pkcs8.key", "correct horse", 0600, NULL },
        { "client.crt", "client-pkcs1.key", "correct horse", 0600, NULL },
        { "client.crt", "client-des.key", "correct horse", 0600, NULL },
        { "client-ec.crt", "client-ec.key", NULL, 0600, NULL },
        { "client-ec.crt", "client-ec-old.key", "correct horse", 0600, NULL },
        { "client.crt", "client-pkcs8.key", NULL, 0600, "there is no sslpassword" },
        { "client.crt", "client-pkcs1.key", NULL, 0600, "there is no sslpassword" },
        { "client.crt", "client-pkcs8.key", "wrong", 0600, "sslpassword is not its password" },
        { "client.crt", "client-pkcs1.key", "wrong", 0600, "sslpassword is not its password" },
        { "client.crt", "client-scrypt.key", "correct horse", 0600, "not supported" },
        { "client.crt", "ed25519.key", NULL, 0600, "Ed25519" },
        { "client.crt", "client-ec.key", NULL, 0600, "not the key of the certificate" },
        { "client.crt", "client.crt", NULL, 0600, "neither PEM nor DER" },
        { "client.key", "client.key", NULL, 0600, "neither PEM nor DER" },
        { "ed25519.crt", "ed25519.key", NULL, 0600, "Ed25519" },
        { "client.crt", "client.key", NULL, 0644, "chmod 600" },
        { "client.crt", "client.key", NULL, 0620, "chmod 600" },
    };
    const char *ca = HF_TLS_FIXTURES "ca.crt";
    const char *demands[] = { "-rev",    "-tls1_3", "-Verify", "1", "-verify_return_error",
                              "-CAfile", ca,        NULL };
    hf_test_server servers[2];
    hf_test_server_start(&servers[0], "good.crt", "server.key", demands);
    demands[1] = "-tls1_2";
    hf_test_server_start(&servers[1], "good.crt", "server.key", demands);
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        char certificate[128], key[] = "/tmp/hf-test-XXXXXX";
        (void)snprintf(certificate, sizeof certificate, HF_TLS_FIXTURES "%s", tries[i].certificate);
        copy_key(tries[i].key, tries[i].mode, key);
        (void)hf_test_verdict_set_up(NULL);
        hf_test_beside.sslcert = certificate;
        hf_test_beside.sslkey = key;
        hf_test_beside.sslpassword = tries[i].password;
        for (int version = 0; version < 2; version++) {
            int answer = hf_test_verdict(&servers[version], "ca.crt", FULL, "localhost");
            if (answer != (tries[i].refusal == NULL ? 1 : HF_ERR_CONFIG) ||
                (tries[i].refusal != NULL &&
                 strstr(hf_test_refusal.message, tries[i].refusal) == NULL)) {
                fail_msg("%s with %s: %s \"%s\" \"%s\"", tries[i].certificate, tries[i].key,
                         hf_err_name(answer), hf_test_why, hf_test_refusal.message);
            }
        }
        unlink(key);
    }
    hf_test_server_stop(&servers[0]);
    hf_test_server_stop(&servers[1]);
}

/* Shows found S3. */
static void sslcertmode_is_kept_to(void **state) {
    (void)state;
    static const char *const demands[] = { "-rev", "-tls1_2", "-Verify", "1", NULL };
    char key[] = "/tmp/hf-test-XXXXXX";
    copy_key("client.key", 0600, key);
    hf_test_server server;
    hf_test_server_start(&server, "good.crt", "server.key", demands);
    hf_test_beside.sslcert = HF_TLS_FIXTURES "client.crt";
    hf_test_beside.sslkey = key;
    hf_test_beside.sslcertmode = HF_SSLCERT_DISABLE;
    hf_test_rejected(&server, "there is no sslcert");
    hf_test_beside.sslcertmode = HF_SSLCERT_REQUIRE;
    assert_int_equal(hf_test_verdict(&server, "ca.crt", FULL, "localhost"), 1);
    hf_test_server_stop(&server);
    for (int i = 0; i < 2; i++) { /* servers that do not ask */
        hf_test_server_start(&server, "good.crt", "server.key", i ? tls12 : tls13);
        hf_test_rejected(&server, "sslcertmode=require");
        hf_test_beside.sslcertmode = HF_SSLCERT_ALLOW;
        assert_int_equal(hf_test_verdict(&server, "ca.crt", FULL, "localhost"), 1);
        hf_test_beside.sslcertmode = HF_SSLCERT_REQUIRE;
        hf_test_server_stop(&server);
    }
    hf_test_beside.sslcert = NULL;
    assert_int_equal(hf_test_verdict(&server, "ca.crt", FULL, "localhost"), HF_ERR_CONFIG);
    assert_non_null(strstr(hf_test_refusal.message, "name it with sslcert"));
    unlink(key);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_versions_that_are_allowed_are_kept_to, hf_test_verdict_set_up),
#if HF_WITH_CRL
        cmocka_unit_test_setup(what_was_revoked_is_refused_and_a_missing_list_too,
                               hf_test_verdict_set_up),
        cmocka_unit_test_setup(a_folder_of_lists_is_read_and_what_was_replaced_is_not_asked,
                               hf_test_verdict_set_up),
#endif
#if HF_WITH_CLIENT_CERT
        cmocka_unit_test_setup(the_clients_certificate_is_shown_with_a_key_of_any_form,
                               hf_test_verdict_set_up),
        cmocka_unit_test_setup(sslcertmode_is_kept_to, hf_test_verdict_set_up),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
