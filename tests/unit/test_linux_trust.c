/* Which certificates a port trusts, and what it says when it cannot read them. */
#include "loopback.h"
#include "port/linux/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static hf_config config;
static hf_error error;

/* Opens and closes a port: how many certificates it trusts, or the hf_err. */
static int try_root(const char *sslrootcert, hf_sslmode mode) {
    hf_linux port;
    config = (hf_config)HF_CONFIG_DEFAULT;
    config.hosts[0].name = "db.example.com";
    config.n_hosts = 1;
    config.sslmode = (uint8_t)mode;
    config.sslrootcert = sslrootcert;
    int descriptors = hf_test_descriptors();
    int answer = hf_linux_init(&port, &config, &error) ? 0 : error.code;
    if (answer == 0) {
        answer = port.state->tls != NULL ? (int)port.state->tls->tls.trusted : 0;
        assert_int_equal(error.code, 0);
    }
    hf_linux_close(&port); /* after a failure too: no harm */
    assert_int_equal(hf_test_descriptors(), descriptors);
    hf_mbedtls_heap heap;
    hf_mbedtls_heap_get(&heap);
    assert_int_equal(heap.blocks, 0);
    return answer;
}

static void write_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void a_pem_file_is_read(void **state) {
    (void)state;
    assert_int_equal(try_root(HF_TLS_FIXTURES "ca.crt", HF_SSL_VERIFY_FULL), 1);
    assert_int_equal(try_root(HF_TLS_FIXTURES "chain.crt", HF_SSL_VERIFY_CA), 2);
    assert_int_equal(try_root(HF_TLS_FIXTURES "not-a-ca-chain.crt", HF_SSL_VERIFY_CA), 2);
}

static void a_der_file_is_read(void **state) {
    (void)state;
    char path[] = "/tmp/hf-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    char command[256];
    (void)snprintf(command, sizeof command, "openssl x509 -in %sca.crt -outform DER -out %s",
                   HF_TLS_FIXTURES, path);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): fixed words
    assert_int_equal(try_root(path, HF_SSL_VERIFY_FULL), 1);
    unlink(path);
}

static void a_folder_is_read_and_other_files_in_it_passed_over(void **state) {
    (void)state;
    assert_true(try_root("tests/fixtures/tls", HF_SSL_VERIFY_FULL) > 5);
}

static void expect_refused(const char *path, const char *word) {
    assert_int_equal(try_root(path, HF_SSL_VERIFY_FULL), HF_ERR_CONFIG);
    assert_int_equal(error.code, HF_ERR_CONFIG);
    assert_non_null(strstr(error.message, path));
    if (strstr(error.message, word) == NULL) {
        fail_msg("%s: no '%s' in it", error.message, word);
    }
}

static void what_cannot_be_read_is_named(void **state) {
    (void)state;
    expect_refused("/nowhere/ca.crt", "No such file");
    char path[] = "/tmp/hf-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    expect_refused(path, "no certificate");
    write_file(path, "not a certificate\n", 18);
    expect_refused(path, "no certificate");
    write_file(path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 59);
    expect_refused(path, "no certificate");
    assert_int_equal(truncate(path, 17 << 20), 0);
    expect_refused(path, "too large");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0); /* to open it must not hang */
    expect_refused(path, "not a regular file");
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refused(path, "no certificate");
    rmdir(path);
    if (geteuid() != 0) {
        fd = open(path, O_CREAT | O_WRONLY, 0);
        close(fd);
        expect_refused(path, "Permission denied");
        unlink(path);
    }
}

/* Shows found S5. */
static void a_ca_of_a_kind_that_there_is_not_is_named(void **state) {
    (void)state;
    expect_refused(HF_TLS_FIXTURES "ed25519-ca.crt", "Ed25519");
    expect_refused(HF_TLS_FIXTURES "pss.crt", "RSA-PSS");
}

static void the_systems_store_is_the_default(void **state) {
    (void)state;
    unsetenv("SSL_CERT_DIR"); /* whoever runs the test may have one */
    assert_int_equal(setenv("SSL_CERT_FILE", HF_TLS_FIXTURES "other.crt", 1), 0);
    assert_int_equal(try_root(NULL, HF_SSL_VERIFY_FULL), 1);
    assert_int_equal(try_root("system", HF_SSL_VERIFY_FULL), 1);
    assert_int_equal(setenv("SSL_CERT_FILE", "/nowhere", 1), 0);
    expect_refused("system", "SSL_CERT_FILE");
    unsetenv("SSL_CERT_FILE");
    assert_int_equal(setenv("SSL_CERT_DIR", "tests/fixtures/tls", 1), 0);
    assert_true(try_root(NULL, HF_SSL_VERIFY_FULL) > 5);
    /* Each certificate counts once, however often it is found. */
    int once = try_root(NULL, HF_SSL_VERIFY_FULL);
    assert_int_equal(setenv("SSL_CERT_FILE", HF_TLS_FIXTURES "ca.crt", 1), 0);
    assert_int_equal(try_root(NULL, HF_SSL_VERIFY_FULL), once);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0) {
        assert_true(try_root(NULL, HF_SSL_VERIFY_FULL) > 20);
    }
}

/* Anybody can have a certificate of a public CA: without the name it proves nothing (as libpq). Shows found S5. */
static void the_systems_store_without_the_name_is_refused(void **state) {
    (void)state;
    assert_int_equal(try_root("system", HF_SSL_VERIFY_CA), HF_ERR_CONFIG);
    assert_int_equal(try_root("system", HF_SSL_REQUIRE), HF_ERR_CONFIG);
    assert_non_null(strstr(error.message, "verify-full"));
    assert_int_equal(try_root(NULL, HF_SSL_VERIFY_CA), HF_ERR_CONFIG);
    assert_non_null(strstr(error.message, "name the file of a CA"));
}

static void no_file_is_read_when_none_is_needed(void **state) {
    (void)state;
    assert_int_equal(try_root("/nowhere/ca.crt", HF_SSL_DISABLE), 0);
    assert_int_equal(try_root(NULL, HF_SSL_REQUIRE), 0);
    assert_int_equal(try_root(HF_TLS_FIXTURES "ca.crt", HF_SSL_REQUIRE), 1);
    hf_linux port;
    config = (hf_config)HF_CONFIG_DEFAULT;
    config.hosts[0].name = "/run/postgresql";
    config.n_hosts = 1;
    config.sslrootcert = "/nowhere/ca.crt";
    assert_true(hf_linux_init(&port, &config, &error));
    hf_linux_close(&port);
}

/* ---- what changes, and what lies at home ---------------------------------------------------------- */

/* A shell command around a path. */
static void run(const char *before, const char *path, const char *after) {
    char command[512];
    (void)snprintf(command, sizeof command, "%s%s%s", before, path, after);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): fixed words
}

static char last_why[HF_MESSAGE_BYTES]; /* why() of the last link */

/* A TLS link to the server, and what became of its handshake. */
static hf_link *connect_to(hf_linux *port, const hf_test_server *server, int *answer) {
    int err;
    hf_link *link = hf_test_open(port, server->port, 1);
    assert_int_equal(hf_test_ready(port, link), 1);
    hf_link *tls = port->port.api->start_tls(&port->port, link, "localhost", NULL, &err);
    assert_non_null(tls);
    *answer = hf_test_ready(port, tls);
    int32_t number;
    const char *why = *answer < 0 ? tls->api->why(tls, &number) : NULL;
    (void)snprintf(last_why, sizeof last_why, "%s", why != NULL ? why : "");
    return tls;
}

static int verdict(hf_linux *port, const hf_test_server *server) {
    int answer;
    hf_link *tls = connect_to(port, server, &answer);
    tls->api->abort(tls);
    return answer;
}

static void expect_alive(hf_linux *port, hf_link *tls) {
    char bytes[8];
    size_t got;
    assert_int_equal(tls->api->write(tls, "drawer\n", 7), 7);
    assert_int_equal(hf_test_read(port, tls, bytes, 7, &got), 0);
    assert_memory_equal(bytes, "reward\n", 7);
}

/* Shows found S3. */
static void a_file_that_changed_is_read_again_at_the_next_connect(void **state) {
    (void)state;
    char folder[] = "/tmp/hf-test-XXXXXX", path[64], fresh[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/ca.crt", folder);
    (void)snprintf(fresh, sizeof fresh, "%s/fresh.crt", folder);
    run("cp " HF_TLS_FIXTURES "other.crt ", path, "");
    hf_test_server server, other; /* each answers one link at a time */
    hf_test_server_start(&server, "good.crt", "server.key", NULL);
    hf_test_server_start(&other, "good.crt", "server.key", NULL);
    hf_linux port;
    hf_test_port(&port, &config, path);
    assert_int_equal(verdict(&port, &server), HF_ERR_TLS_CERT);
    run("cp " HF_TLS_FIXTURES "ca.crt ", fresh, "");
    assert_int_equal(rename(fresh, path), 0);
    int answer;
    hf_link *kept = connect_to(&port, &other, &answer);
    assert_int_equal(answer, 1);
    assert_null(port.state->tls->older);
    expect_alive(&port, kept);

    /* While the file is being written a try fails, and the next does not. The link that is up goes on. */
    run("echo rubbish >", path, "");
    assert_int_equal(verdict(&port, &server), HF_ERR_TLS);
    run("rm ", path, "");
    hf_link *failed = connect_to(&port, &server, &answer);
    assert_int_equal(answer, HF_ERR_TLS);
    assert_non_null(strstr(last_why, path));
    assert_non_null(strstr(last_why, "No such file"));
    failed->api->abort(failed);
    run("cp " HF_TLS_FIXTURES "ca.crt ", path, "");
    assert_int_equal(verdict(&port, &server), 1);
    assert_non_null(port.state->tls->older); /* for the link that is up */
    expect_alive(&port, kept);
    kept->api->abort(kept);
    run("touch -d @1000000000 ", path, "");
    assert_int_equal(verdict(&port, &server), 1);
    assert_null(port.state->tls->older);
    hf_linux_close(&port);
    hf_test_server_stop(&server);
    hf_test_server_stop(&other);
    run("rm -r ", folder, "");
    hf_mbedtls_heap heap;
    hf_mbedtls_heap_get(&heap);
    assert_int_equal(heap.blocks, 0);
}

static void a_file_that_did_not_change_is_read_once(void **state) {
    (void)state;
    hf_test_server server;
    hf_test_server_start(&server, "good.crt", "server.key", NULL);
    hf_linux port;
    hf_test_port(&port, &config, HF_TLS_FIXTURES "ca.crt");
    const hf_linux_tls *first = port.state->tls;
    assert_int_equal(verdict(&port, &server), 1);
    assert_int_equal(verdict(&port, &server), 1);
    assert_ptr_equal(port.state->tls, first);
    hf_linux_close(&port);
    hf_test_server_stop(&server);
}

#if HF_WITH_CRL && HF_WITH_CLIENT_CERT
static hf_config named; /* verify-ca by the tests' CA, and files */

static int try_named(void) {
    hf_linux port;
    int answer = hf_linux_init(&port, &named, &error) ? 0 : error.code;
    hf_linux_close(&port);
    return answer;
}

/* What is named is used, or it is refused by its name: a guard is never skipped in silence.
 * Shows found S3. */
static void what_is_named_and_cannot_be_read_is_refused(void **state) {
    (void)state;
    named = (hf_config)HF_CONFIG_DEFAULT;
    named.hosts[0].name = "localhost";
    named.n_hosts = 1;
    named.sslmode = HF_SSL_VERIFY_CA;
    named.sslrootcert = HF_TLS_FIXTURES "ca.crt";
    named.sslcrl = "/nowhere/root.crl";
    assert_int_equal(try_named(), HF_ERR_CONFIG);
    assert_string_equal(error.message, "sslcrl /nowhere/root.crl: No such file or directory");
    named.sslcrl = "/dev/null";
    assert_int_equal(try_named(), HF_ERR_CONFIG);
    assert_string_equal(error.message, "sslcrl /dev/null: is not a regular file");
    named.sslcrl = HF_TLS_FIXTURES "ca.crt";
    assert_int_equal(try_named(), HF_ERR_CONFIG);
    assert_non_null(strstr(error.message, "there is no revocation list in it"));
    named.sslcrl = NULL;
    named.sslcrldir = "/nowhere";
    assert_int_equal(try_named(), HF_ERR_CONFIG);
    assert_string_equal(error.message, "sslcrldir /nowhere: No such file or directory");
    named.sslcrldir = "tests/unit";
    assert_int_equal(try_named(), HF_ERR_CONFIG);
    assert_non_null(strstr(error.message, "there is no revocation list in it"));
    named.sslcrldir = NULL;
    named.sslcrl = HF_TLS_FIXTURES "ca.crl";
    named.sslrootcert = NULL;
    named.sslmode = HF_SSL_REQUIRE;
    assert_int_equal(try_named(), HF_ERR_CONFIG);
    assert_non_null(strstr(error.message, "certificates are not verified"));
    named.sslcrl = NULL;
    named.sslcert = "/nowhere/postgresql.crt";
    named.sslkey = "/nowhere/postgresql.key";
    assert_int_equal(try_named(), HF_ERR_CONFIG);
    assert_string_equal(error.message,
                        "sslcert /nowhere/postgresql.crt: No such file or directory");
    named.sslcert = HF_TLS_FIXTURES "client.crt";
    assert_int_equal(try_named(), HF_ERR_CONFIG);
    assert_string_equal(error.message, "sslkey /nowhere/postgresql.key: No such file or directory");
    named.sslkey = NULL;
    assert_int_equal(try_named(), HF_ERR_CONFIG);
    assert_non_null(strstr(error.message, "name it with sslkey"));
    named.sslkey = "/dev/null";
    assert_int_equal(try_named(), HF_ERR_CONFIG);
    assert_non_null(strstr(error.message, "is not a regular file"));
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pem_file_is_read),
        cmocka_unit_test(a_der_file_is_read),
        cmocka_unit_test(a_folder_is_read_and_other_files_in_it_passed_over),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(a_ca_of_a_kind_that_there_is_not_is_named),
        cmocka_unit_test(the_systems_store_is_the_default),
        cmocka_unit_test(the_systems_store_without_the_name_is_refused),
        cmocka_unit_test(no_file_is_read_when_none_is_needed),
        cmocka_unit_test(a_file_that_did_not_change_is_read_once),
        cmocka_unit_test(a_file_that_changed_is_read_again_at_the_next_connect),
#if HF_WITH_CRL && HF_WITH_CLIENT_CERT
        cmocka_unit_test(what_is_named_and_cannot_be_read_is_refused),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
