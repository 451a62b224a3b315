/* Which certificates a port trusts, and what it says when it cannot read them. */
#include "loopback.h"
#include "port/linux/insides.h"

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
    int answer = hf_linux_init_error(&port, &config, &error);
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
    expect_refused(path, "Invalid");
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

/* Anybody can have a certificate of a public CA: without the name it proves nothing (as libpq). */
static void the_systems_store_without_the_name_is_refused(void **state) {
    (void)state;
    assert_int_equal(try_root("system", HF_SSL_VERIFY_CA), HF_ERR_CONFIG);
    assert_int_equal(try_root("system", HF_SSL_REQUIRE), HF_ERR_CONFIG);
    assert_non_null(strstr(error.message, "verify-full"));
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
    assert_int_equal(hf_linux_init_error(&port, &config, &error), 0);
    hf_linux_close(&port);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pem_file_is_read),
        cmocka_unit_test(a_der_file_is_read),
        cmocka_unit_test(a_folder_is_read_and_other_files_in_it_passed_over),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(the_systems_store_is_the_default),
        cmocka_unit_test(the_systems_store_without_the_name_is_refused),
        cmocka_unit_test(no_file_is_read_when_none_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
