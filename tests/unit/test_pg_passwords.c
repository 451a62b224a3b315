#include "pg/scram.h"
#include "unit.h"

#include "pg_peer.h"

/* Which password is proved to whom, and as what. */

static pg_peer peer;

static void with_password(unsigned require_auth) {
    pg_peer_init(&peer);
    peer.config.password = "secret words";
    peer.config.require_auth = (uint8_t)require_auth;
    pg_peer_start(&peer);
}

#define AUTH(peer, kind, rest) PG_SAY(peer, 'R', "\0\0\0" kind rest)
#define OK(peer)               AUTH(peer, "\0", "")
#define SASL(peer)             AUTH(peer, "\x0a", "SCRAM-SHA-256\0\0")
#define FIRST(peer)            AUTH(peer, "\x0b", "r=AAAAAAAAAAAAAAAAAAAAAAAAmore,s=c2FsdA==,i=4096")

/* Refused for good, and nothing was sent in answer. */
static void refused(int code) {
    assert_int_equal(peer.last, HF_DRIVER_BROKEN);
    assert_int_equal(peer.io.error.code, code);
    assert_int_equal(peer.io.tx.end, 0);
}

/* Shows found S2. */
static void a_hosts_own_password_goes_to_it_and_to_no_other(void **state) {
    static const char *const own[] = { "first's own", NULL, "" };
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        with_password(HF_AUTH_PASSWORD);
        peer.io.encrypted = true;
        peer.config.hosts[0].password = own[i];
        peer.config.hosts[1].password = "second's own";
        peer.config.n_hosts = 2;
        AUTH(&peer, "\x03", "");
        if (i == 2) {
            refused(HF_ERR_AUTH_PASSWORD);
            continue;
        }
        assert_true(pg_peer_sends(&peer, own[i] ? own[i] : "secret words"));
        assert_false(pg_peer_sends(&peer, "second's own"));
    }
    with_password(0); /* one has a password, another has none: it logs in without */
    peer.config.password = NULL;
    peer.config.hosts[1].password = "second's own";
    peer.config.n_hosts = 2;
    OK(&peer);
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(&peer, "UP\n");
    with_password(0);
    peer.config.password = NULL;
    peer.config.hosts[1].password = "second's own";
    peer.config.n_hosts = 2;
    peer.io.host = &peer.config.hosts[1];
    OK(&peer);
    refused(HF_ERR_AUTH_METHOD);
}

static int prepare(hf_port *port, const char *password, char *out, size_t size) {
    (void)port;
    assert_true(size > 2048);
    if (strcmp(password, "raw") != 0)
        return 0;
    (void)snprintf(out, size, "prepared");
    return 1;
}

/* The proof that is sent for a password, or the message that holds it. */
static void proof_of(const char *password, unsigned method, uint8_t out[200]) {
    with_password(method);
    peer.config.password = password;
    peer.api.saslprep = prepare;
    if (method == HF_AUTH_SCRAM) {
        SASL(&peer);
        peer.io.tx.start = peer.io.tx.end = 0;
        FIRST(&peer);
        for (size_t i = 0; i + 8 < sizeof peer.store; i++)
            assert_memory_not_equal(peer.store + i, "prepared", 8);
    } else {
        peer.io.encrypted = true;
        if (method == HF_AUTH_MD5)
            AUTH(&peer, "\x05", "salt");
        else
            AUTH(&peer, "\x03", "");
    }
    memset(out, 0, 200);
    assert_in_range(peer.io.tx.end - peer.io.tx.start, 5, 200);
    memcpy(out, peer.io.tx.data + peer.io.tx.start, peer.io.tx.end - peer.io.tx.start);
}

/* Shows found S6. */
static void a_password_is_prepared_for_scram_alone(void **state) {
    static const unsigned methods[] = { HF_AUTH_SCRAM, HF_AUTH_MD5, HF_AUTH_PASSWORD };
    (void)state;
    for (size_t i = 0; i < COUNT(methods); i++) {
        uint8_t raw[200], same[200], other[200];
        bool scram = HF_WITH_SASLPREP && methods[i] == HF_AUTH_SCRAM;
        proof_of("raw", methods[i], raw);
        proof_of("prepared", methods[i], same);
        proof_of("raw2", methods[i], other);
        assert_int_equal(memcmp(raw, same, sizeof raw) == 0, scram);
        assert_memory_not_equal(raw, other, sizeof raw);
    }
}

/* How many slices of hashing a login takes with these keys from an earlier one. */
static unsigned slices_with(const char *password, const hf_keys *keys) {
    unsigned slices = 0;
    with_password(HF_AUTH_SCRAM);
    peer.config.password = password;
    peer.keys = *keys;
    SASL(&peer);
    peer.io.tx.start = peer.io.tx.end = 0;
    FIRST(&peer);
    for (const char *at = peer.events; (at = strstr(at, "SLICE")) != NULL; at++)
        slices++;
    return slices;
}

/* Shows found S2. */
static void keys_of_a_password_that_was_replaced_are_not_used(void **state) {
    hf_keys keys = { 0 };
    (void)state;
    const unsigned all = slices_with("before", &keys);
    assert_in_range(all, 1, 100);
    memcpy(&keys, peer.store + offsetof(hf_pg_scram, keys), sizeof keys);
    assert_int_equal(slices_with("before", &keys), 0);
    assert_int_equal(slices_with("after", &keys), HF_SMALL ? 0 : all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hosts_own_password_goes_to_it_and_to_no_other),
        cmocka_unit_test(a_password_is_prepared_for_scram_alone),
        cmocka_unit_test(keys_of_a_password_that_was_replaced_are_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
