#include "certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

hf_config hf_test_beside;
char hf_test_why[256];
hf_error hf_test_refusal;
uint8_t hf_test_binding[HF_BINDING_BYTES];
size_t hf_test_binding_bytes;

int hf_test_verdict_set_up(void **state) {
    (void)state;
    hf_test_beside = (hf_config)HF_CONFIG_DEFAULT;
    return 0;
}

int hf_test_verdict(const hf_test_server *server, const char *root, int mode, const char *host) {
    hf_linux port;
    hf_config config = hf_test_beside;
    config.hosts[0].name = host;
    config.n_hosts = 1;
    config.sslmode = (uint8_t)mode;
    char path[128];
    (void)snprintf(path, sizeof path, HF_TLS_FIXTURES "%s", root != NULL ? root : "");
    config.sslrootcert = root != NULL ? path : NULL;
    if (!hf_linux_init(&port, &config, &hf_test_refusal)) {
        return hf_test_refusal.code;
    }
    hf_link *link = hf_test_open(&port, server->port, 1);
    assert_int_equal(hf_test_ready(&port, link), 1);
    int err;
    hf_link *tls = port.port.api->start_tls(&port.port, link, host, NULL, &err);
    assert_non_null(tls);
    int answer = hf_test_ready(&port, tls);
    int32_t system;
    const char *why = answer < 0 ? tls->api->why(tls, &system) : NULL;
    (void)snprintf(hf_test_why, sizeof hf_test_why, "%s", why != NULL ? why : "");
    hf_test_binding_bytes = tls->api->binding(tls, hf_test_binding);
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

void hf_test_rejected(const hf_test_server *server, const char *word) {
    assert_int_equal(hf_test_verdict(server, "ca.crt", HF_SSL_VERIFY_FULL, "localhost"),
                     HF_ERR_TLS_REJECTED);
    if (strstr(hf_test_why, word) == NULL) {
        fail_msg("%s: no '%s' in it", hf_test_why, word);
    }
}
