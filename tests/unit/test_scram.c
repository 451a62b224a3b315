#include "unit.h"

#include "pg/scram.h"

#include "hf_mbedtls.h"

/* The client's side of SCRAM alone, against the vector of RFC 7677 section 3 and against servers that cheat. */

#define NONCE       "rOprNGfwEbeRWgbNEkqO"
#define BOTH_NONCES NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
static const char client_first[] = "n,,n=user,r=" NONCE;
static const char server_first[] = "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char client_final[] =
    "c=biws,r=" BOTH_NONCES ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char server_final[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

enum { ROUNDS_MAX = 1000000 };

static hf_hash counting;
static unsigned hashes;

static int counted_start(hf_sha256 *hash) {
    hashes++;
    return hf_mbedtls_hash.start(hash);
}

static int setup(void **state) {
    (void)state;
    counting = hf_mbedtls_hash;
    counting.start = counted_start;
    hashes = 0;
    return 0;
}

static hf_pg_scram begun(void) {
    hf_pg_scram scram;
    memset(&scram, 0, sizeof scram);
    assert_true(hf_pg_scram_start(&scram, HF_PG_GS2_NO, "user", NONCE));
    return scram;
}

static int first(hf_pg_scram *scram, const char *text, const hf_keys *keys, const char **why) {
    return hf_pg_scram_server_first(scram, &counting, text, strlen(text), "pencil", ROUNDS_MAX,
                                    keys, why);
}

static void derived(hf_pg_scram *scram, const hf_keys *keys) {
    const char *why;
    assert_int_equal(first(scram, server_first, keys, &why), HF_OK);
    while (hf_pg_scram_derive(scram, &counting) == 0) {
    }
}

static void the_vector_of_rfc_7677(void **state) {
    hf_pg_scram scram = begun();
    char out[HF_PG_CLIENT_FINAL];
    (void)state;
    size_t n = hf_pg_scram_client_first(&scram, out, sizeof out);
    assert_int_equal(n, strlen(client_first));
    assert_memory_equal(out, client_first, n);
    derived(&scram, NULL);
    int bytes = hf_pg_scram_client_final(&scram, &counting, NULL, 0, out);
    assert_int_equal(bytes, strlen(client_final));
    assert_memory_equal(out, client_final, (size_t)bytes);
    assert_int_equal(hf_pg_scram_server_final(&scram, server_final, strlen(server_final)), HF_OK);
}

/* Shows security 5. */
static void any_size_of_slice_gives_the_same_keys(void **state) {
    static const uint32_t sizes[] = { 1, 7, 1000, 4094, 4095, 4096, 0, 100000 };
    hf_pg_scram whole = begun();
    (void)state;
    derived(&whole, NULL);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        hf_pg_scram scram = begun();
        const char *why;
        unsigned slices = 1;
        counting.rounds_per_slice = sizes[i];
        assert_int_equal(first(&scram, server_first, NULL, &why), HF_OK);
        for (; hf_pg_scram_derive(&scram, &counting) == 0; slices++) {
        }
        uint32_t size = sizes[i] ? sizes[i] : 4096;
        assert_int_equal(slices, (4095 + size - 1) / size);
        assert_memory_equal(scram.client_key, whole.client_key, 32);
        assert_memory_equal(scram.server_key, whole.server_key, 32);
    }
}

static void kept_keys_save_all_rounds_when_salt_and_rounds_are_the_same(void **state) {
    hf_pg_scram scram = begun();
    char out[HF_PG_CLIENT_FINAL];
    hf_keys keys = { 0 };
    (void)state;
    derived(&scram, &keys);
    hf_pg_scram_client_final(&scram, &counting, NULL, 0, out);
    hf_pg_scram_keep(&scram, &keys);

    hf_pg_scram again = begun();
    const char *why;
    hashes = 0;
    assert_int_equal(first(&again, server_first, &keys, &why), HF_OK);
    assert_int_equal(hf_pg_scram_derive(&again, &counting), 1);
    assert_int_equal(hashes, 0);
    assert_int_equal(hf_pg_scram_client_final(&again, &counting, NULL, 0, out),
                     strlen(client_final));
    assert_memory_equal(out, client_final, strlen(client_final));

    static const char *const others[] = { "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4097",
                                          "r=" BOTH_NONCES ",s=X22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                                          "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6,i=4096" };
    for (size_t i = 0; i < COUNT(others); i++) {
        hf_pg_scram other = begun();
        assert_int_equal(first(&other, others[i], &keys, &why), HF_OK);
        assert_false(other.derived);
    }
}

/* Shows fault 16, security 5. */
static void what_a_server_may_not_ask_is_refused_before_any_hashing(void **state) {
    static const char *const messages[] = {
        "",
        "r=",
        "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", /* does not extend ours */
        "r=rOprNGfwEbeRWgbNEkq"
        ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",                          /* shorter */
        "r=sOprNGfwEbeRWgbNEkqOxyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", /* another one */
        "r=" NONCE "a b,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",            /* not printable */
        "r=" NONCE "\x01,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "m=ext,r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", /* mandatory extension */
        "r=" BOTH_NONCES,
        "r=" BOTH_NONCES ",i=4096",
        "r=" BOTH_NONCES ",s=,i=4096",
        "r=" BOTH_NONCES ",s=W22Z=J0S,i=4096",
        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ=,i=4096",
        "r=" BOTH_NONCES ",s=!!!!,i=4096",
        "r=" BOTH_NONCES
        ",s=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        ",i=4096", /* 63 bytes */
        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==",
        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",
        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001",
        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=10000000",
        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294971392", /* 4096 in 32 bits */
        "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0x1000",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++) {
        hf_pg_scram scram = begun();
        const char *why = NULL;
        assert_int_equal(first(&scram, messages[i], NULL, &why), HF_ERR_AUTH_SERVER);
        assert_non_null(why);
        assert_int_equal(hashes, 0);
    }
    char endless[1000] = "r=" NONCE;
    memset(endless + strlen(endless), 'x', 900);
    hf_pg_scram scram = begun();
    const char *why = NULL;
    assert_int_equal(first(&scram, endless, NULL, &why), HF_ERR_AUTH_SERVER);
}

/* Shows rule 32. */
static void the_limits_themselves_are_allowed(void **state) {
    static const char *const messages[] = {
        "r=" NONCE "x,s=AA==,i=4096", "r=" NONCE "x,s=AA==,i=1000000",
        "r=" BOTH_NONCES ",s=AA==,i=4096,x=later",
        "r=" NONCE
        "x,s=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,i=4096"
    };
    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++) {
        hf_pg_scram scram = begun();
        const char *why = NULL;
        assert_int_equal(first(&scram, messages[i], NULL, &why), HF_OK);
    }
}

/* Shows fault 15, security 4. */
static void a_server_without_the_password_is_found_out(void **state) {
    static const char *const finals[] = { "",
                                          "v=",
                                          "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=",
                                          "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
                                          "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95A==",
                                          "e=other-error",
                                          "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
                                          "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=AAAA" };
    hf_pg_scram scram = begun();
    char out[HF_PG_CLIENT_FINAL];
    (void)state;
    derived(&scram, NULL);
    hf_pg_scram_client_final(&scram, &counting, NULL, 0, out);
    for (size_t i = 0; i < COUNT(finals); i++)
        assert_int_equal(hf_pg_scram_server_final(&scram, finals[i], strlen(finals[i])),
                         HF_ERR_AUTH_SERVER);
    /* Every bit counts. */
    for (int bit = 0; bit < 256; bit++) {
        hf_pg_scram other = scram;
        other.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(hf_pg_scram_server_final(&other, server_final, strlen(server_final)),
                         HF_ERR_AUTH_SERVER);
    }
}

static void channel_binding_is_in_the_header_and_in_what_is_signed(void **state) {
    const uint8_t data[HF_BINDING_BYTES] = { 1, 2, 3 };
    char with[HF_PG_CLIENT_FINAL], without[HF_PG_CLIENT_FINAL];
    (void)state;
    hf_pg_scram bound = begun(), unused = begun();
    bound.gs2 = HF_PG_GS2_BOUND;
    unused.gs2 = HF_PG_GS2_UNUSED;
    size_t n = hf_pg_scram_client_first(&bound, with, sizeof with);
    assert_memory_equal(with, "p=tls-server-end-point,,n=user,r=" NONCE, n);
    n = hf_pg_scram_client_first(&unused, with, sizeof with);
    assert_memory_equal(with, "y,,n=user,r=" NONCE, n);
    assert_int_equal(hf_pg_scram_client_first(&bound, with, 20), 0);

    derived(&bound, NULL);
    derived(&unused, NULL);
    int n_with = hf_pg_scram_client_final(&bound, &counting, data, sizeof data, with);
    int n_without = hf_pg_scram_client_final(&unused, &counting, data, sizeof data, without);
    assert_memory_equal(with, "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAQID", 38);
    assert_memory_equal(without, "c=eSws,", 7);
    assert_memory_not_equal(with + n_with - 44, without + n_without - 44, 44); /* the proofs */
    assert_true(n_with <= HF_PG_CLIENT_FINAL);
}

static void passwords_longer_than_a_block_are_hashed_first(void **state) {
    /* hashlib.pbkdf2_hmac('sha256', b'x' * 100, b'\0', 4096), then HMAC of "Client Key" */
    static const uint8_t key[4] = { 0x78, 0xe7, 0xc4, 0xa8 };
    hf_pg_scram scram = begun();
    char password[101];
    const char *why, *text = "r=" NONCE "x,s=AA==,i=4096";
    (void)state;
    memset(password, 'x', 100);
    password[100] = 0;
    assert_int_equal(hf_pg_scram_server_first(&scram, &counting, text, strlen(text), password,
                                              ROUNDS_MAX, NULL, &why),
                     HF_OK);
    while (hf_pg_scram_derive(&scram, &counting) == 0) {
    }
    assert_memory_equal(scram.client_key, key, sizeof key);
}

static void a_name_or_nonce_that_does_not_fit_is_refused(void **state) {
    hf_pg_scram scram;
    (void)state;
    assert_false(
        hf_pg_scram_start(&scram, HF_PG_GS2_NO, "a user with quite a long name for it", NONCE));
}

static int broken_update(hf_sha256 *hash, const void *from, size_t bytes) {
    (void)hash, (void)from, (void)bytes;
    return HF_ERR_STATE;
}

static void a_hash_that_fails_fails_the_login(void **state) {
    hf_pg_scram scram = begun();
    char out[HF_PG_CLIENT_FINAL];
    const char *why;
    (void)state;
    derived(&scram, NULL);
    counting.update = broken_update;
    assert_true(hf_pg_scram_client_final(&scram, &counting, NULL, 0, out) < 0);
    hf_pg_scram other = begun();
    assert_int_equal(first(&other, server_first, NULL, &why), HF_ERR_RESOURCES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_vector_of_rfc_7677, setup),
        cmocka_unit_test_setup(any_size_of_slice_gives_the_same_keys, setup),
        cmocka_unit_test_setup(kept_keys_save_all_rounds_when_salt_and_rounds_are_the_same, setup),
        cmocka_unit_test_setup(what_a_server_may_not_ask_is_refused_before_any_hashing, setup),
        cmocka_unit_test_setup(the_limits_themselves_are_allowed, setup),
        cmocka_unit_test_setup(a_server_without_the_password_is_found_out, setup),
        cmocka_unit_test_setup(channel_binding_is_in_the_header_and_in_what_is_signed, setup),
        cmocka_unit_test_setup(passwords_longer_than_a_block_are_hashed_first, setup),
        cmocka_unit_test_setup(a_name_or_nonce_that_does_not_fit_is_refused, setup),
        cmocka_unit_test_setup(a_hash_that_fails_fails_the_login, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
