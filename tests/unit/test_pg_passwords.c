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

#if HF_WITH_CREDENTIALS

/* The proof that is sent with these credentials, and how many slices it took. */
static unsigned prove(const char *client_key, const char *server_key, const char *password,
                      const char *given, uint8_t proof[200]) {
    unsigned slices = 0;
    with_password(0);
    peer.config.password = password;
    peer.config.scram_client_key = client_key;
    peer.config.scram_server_key = server_key;
    peer.io.given.password = given;
    SASL(&peer);
    peer.io.tx.start = peer.io.tx.end = 0;
    FIRST(&peer);
    for (const char *at = peer.events; (at = strstr(at, "SLICE")) != NULL; at++)
        slices++;
    memset(proof, 0, 200);
    assert_in_range(peer.io.tx.end - peer.io.tx.start, 5, 200);
    memcpy(proof, peer.io.tx.data + peer.io.tx.start, peer.io.tx.end - peer.io.tx.start);
    return slices;
}

/* Shows rule 66. */
static void keys_stand_for_a_password_in_scram_and_nowhere_else(void **state) {
    char client[45] = "", server[45] = "";
    uint8_t by_password[200], by_keys[200], by_both[200], by_given[200];
    (void)state;
    assert_true(prove(NULL, NULL, "secret words", NULL, by_password) > 0);
    const hf_pg_scram *scram = (const hf_pg_scram *)(const void *)peer.store;
    hf_pg_base64(scram->keys.client_key, 32, client);
    hf_pg_base64(scram->keys.server_key, 32, server);
    hf_keys kept = scram->keys;
    kept.mark = 0; /* as if no password had made them */
    assert_int_equal(prove(client, server, NULL, NULL, by_keys), 0);
    assert_memory_equal(by_keys, by_password, sizeof by_keys);
    assert_int_equal(prove(client, server, "another one", NULL, by_both), 0); /* keys go first */
    assert_memory_equal(by_both, by_password, sizeof by_both);
    assert_true(prove(client, server, "another one", "a token", by_given) >
                0); /* but not before these */
    assert_memory_not_equal(by_given, by_password, sizeof by_given);

    static const char *const others[] = { "\0\0\0\3", "\0\0\0\5salt", "\0\0\0\0" };
    for (size_t i = 0; i < COUNT(others); i++) {
        with_password(i == 2 ? 0 : HF_AUTH_SCRAM | HF_AUTH_MD5 | HF_AUTH_PASSWORD);
        peer.io.encrypted = true;
        peer.config.password = NULL;
        peer.config.scram_client_key = client;
        peer.config.scram_server_key = server;
        pg_peer_say(&peer, 'R', others[i], i == 1 ? 8 : 4);
        refused(i == 2 ? HF_ERR_AUTH_METHOD : HF_ERR_AUTH_PASSWORD);
    }
    with_password(
        0); /* no keys of an earlier login are taken for these, nor these kept for a later one */
    peer.config.scram_client_key = peer.config.scram_server_key = client;
    peer.keys = kept;
    SASL(&peer);
    FIRST(&peer);
    char proof[4 + 2 + 44] = "\0\0\0\x0cv="; /* the server's own, which keeps keys of a password */
    hf_pg_base64(scram->signature, sizeof scram->signature, proof + 6);
    pg_peer_say(&peer, 'R', proof, sizeof proof);
    assert_int_equal(peer.io.proof, HF_PROOF_VERIFIED);
    assert_memory_equal(&peer.keys, &kept, sizeof kept);
    assert_memory_not_equal(scram->keys.server_key, kept.server_key, 32);
    with_password(0);
    peer.config.scram_client_key = client;
    peer.config.scram_server_key = "not a key"; /* put there behind hf_config_check()'s back */
    SASL(&peer);
    refused(HF_ERR_AUTH_PASSWORD);
}

/* Shows rule 66. */
static void keys_that_were_kept_follow_what_the_callback_gives(void **state) {
    hf_keys keys = { 0 };
    (void)state;
    for (int turn = 0; turn < 3; turn++) {
        unsigned slices = 0;
        with_password(0);
        peer.config.password = NULL;
        peer.io.given.password = turn < 2 ? "token 1" : "token 2";
        peer.keys = keys;
        SASL(&peer);
        peer.io.tx.start = peer.io.tx.end = 0;
        FIRST(&peer);
        for (const char *at = peer.events; (at = strstr(at, "SLICE")) != NULL; at++)
            slices++;
        assert_int_equal(slices > 0, turn != 1);
        memcpy(&keys, peer.store + offsetof(hf_pg_scram, keys), sizeof keys);
    }
}

/* The user of the callback is whom the start-up message names, and whose name MD5 hashes. */
static void the_user_of_the_callback_is_named(void **state) {
    uint8_t own[64], others[64];
    (void)state;
    for (int i = 0; i < 2; i++) {
        pg_peer_init(&peer);
        peer.config.require_auth = HF_AUTH_MD5;
        peer.config.password = "secret words";
        peer.io.given.user = i == 0 ? NULL : "somebody";
        assert_int_equal(hf_driver_pg.start(&peer.session, &peer.io), HF_OK);
        assert_memory_equal(peer.io.tx.data + 8, i == 0 ? "user\0app" : "user\0somebody", 8);
        peer.io.tx.start = peer.io.tx.end = 0;
        AUTH(&peer, "\x05", "salt");
        memcpy(i == 0 ? own : others, peer.io.tx.data, 41);
    }
    assert_memory_not_equal(own, others, 41);
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hosts_own_password_goes_to_it_and_to_no_other),
        cmocka_unit_test(a_password_is_prepared_for_scram_alone),
        cmocka_unit_test(keys_of_a_password_that_was_replaced_are_not_used),
#if HF_WITH_CREDENTIALS
        cmocka_unit_test(keys_stand_for_a_password_in_scram_and_nowhere_else),
        cmocka_unit_test(keys_that_were_kept_follow_what_the_callback_gives),
        cmocka_unit_test(the_user_of_the_callback_is_named),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
