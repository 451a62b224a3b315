#include "unit.h"

#include "pg/scram.h"

#include "hf_mbedtls.h"

/* The client's side of SCRAM alone, against the vector of RFC 7677 section 3 and against servers that cheat. */

#define NONCE       "rOprNGfwEbeRWgbNEkqO"
#define BOTH_NONCES NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define BARE        "n=user,r=" NONCE
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

static hf_pg_scram begun_with(const char *gs2) {
    static const uint8_t random[HF_PG_NONCE_BYTES];
    hf_pg_scram scram;
    memset(&scram, 0, sizeof scram);
    hf_pg_scram_start(&scram, &counting, gs2, random);
    /* The vector's own: PostgreSQL needs no name here, and its nonce has another length. */
    memcpy(scram.text + scram.gs2_bytes, BARE, sizeof BARE - 1);
    scram.text_bytes = (uint16_t)(scram.gs2_bytes + sizeof BARE - 1);
    scram.nonce_bytes = sizeof NONCE - 1;
    scram.nonce_at = (uint16_t)(scram.text_bytes - scram.nonce_bytes);
    return scram;
}

static hf_pg_scram begun(void) {
    return begun_with(HF_PG_GS2_NO);
}

static const char *first(hf_pg_scram *scram, const char *text, const hf_keys *keys) {
    return hf_pg_scram_server_first(scram, text, strlen(text), ROUNDS_MAX, keys);
}

static int derive(hf_pg_scram *scram) {
    return hf_pg_scram_derive(scram, "pencil");
}

/* What is to be sent last. */
static const char *final_of(hf_pg_scram *scram, const void *binding, size_t bytes) {
    static char texts[2][HF_PG_CLIENT_FINAL];
    static unsigned turn;
    char *text = texts[turn++ % 2];
    assert_int_equal(hf_pg_scram_client_final(scram, binding, bytes), HF_OK);
    assert_int_equal(scram->final[0], ',');
    memcpy(text, scram->final + 1, scram->final_bytes - 1u);
    text[scram->final_bytes - 1] = 0;
    return text;
}

static void derived(hf_pg_scram *scram, const hf_keys *keys) {
    assert_null(first(scram, server_first, keys));
    while (derive(scram) == 0) {
    }
}

static void the_vector_of_rfc_7677(void **state) {
    hf_pg_scram scram = begun();
    (void)state;
    derived(&scram, NULL);
    assert_string_equal(final_of(&scram, NULL, 0), client_final);
    assert_true(hf_pg_scram_server_final(&scram, server_final, strlen(server_final)));
}

/* Shows security 5. */
static void any_size_of_slice_gives_the_same_keys(void **state) {
    static const uint32_t sizes[] = { 1, 7, 1000, 4095, 4096, 4097, 0, 100000 };
    hf_pg_scram whole = begun();
    (void)state;
    derived(&whole, NULL);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        hf_pg_scram scram = begun();
        unsigned slices = 1;
        counting.rounds_per_slice = sizes[i];
        assert_null(first(&scram, server_first, NULL));
        for (; derive(&scram) == 0; slices++) {
        }
        uint32_t size = sizes[i] ? sizes[i] : 4096;
        assert_int_equal(slices, (4096 + size - 1) / size);
        assert_memory_equal(scram.keys.client_key, whole.keys.client_key, 32);
        assert_memory_equal(scram.keys.server_key, whole.keys.server_key, 32);
    }
}

static void kept_keys_save_all_rounds_when_salt_and_rounds_are_the_same(void **state) {
    hf_pg_scram scram = begun();
    hf_keys keys = { 0 };
    (void)state;
    derived(&scram, &keys);
    keys = scram.keys;

    hf_pg_scram again = begun();
    hashes = 0;
    assert_null(first(&again, server_first, &keys));
    assert_int_equal(derive(&again), 1);
    assert_int_equal(hashes, 0);
    assert_string_equal(final_of(&again, NULL, 0), client_final);

    static const char *const others[] = { "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4097",
                                          "r=" BOTH_NONCES ",s=X22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                                          "r=" BOTH_NONCES ",s=W22ZaJ0SNY7soEsUEjb6,i=4096" };
    for (size_t i = 0; i < COUNT(others); i++) {
        hf_pg_scram other = begun();
        assert_null(first(&other, others[i], &keys));
        assert_int_equal(other.round, 0);
    }
}

/* Shows rule 66. */
static void keys_given_beforehand_prove_the_same_and_nothing_is_derived(void **state) {
    (void)state;
#if HF_WITH_CREDENTIALS
    char client[45] = "", server[45] = "";
    hf_pg_scram scram = begun();
    derived(&scram, NULL);
    assert_int_equal(hf_pg_base64(scram.keys.client_key, 32, client), 44);
    assert_int_equal(hf_pg_base64(scram.keys.server_key, 32, server), 44);
    hf_pg_scram given = begun();
    hashes = 0;
    assert_true(hf_pg_scram_take(&given, client, server));
    assert_null(first(&given, server_first, NULL));
    assert_int_equal(derive(&given), 1);
    assert_int_equal(hashes, 0);
    assert_string_equal(final_of(&given, NULL, 0), client_final);
    assert_true(hf_pg_scram_server_final(&given, server_final, strlen(server_final)));
    hf_pg_scram swapped = begun();
    assert_true(hf_pg_scram_take(&swapped, server, client));
    assert_null(first(&swapped, server_first, NULL));
    assert_string_not_equal(final_of(&swapped, NULL, 0), client_final);
    assert_false(hf_pg_scram_server_final(&swapped, server_final, strlen(server_final)));
    hf_pg_scram none = begun();
    assert_false(hf_pg_scram_take(&none, client, NULL));
    assert_false(hf_pg_scram_take(&none, client, "c2VjcmV0"));
    assert_false(hf_pg_scram_take(&none, "", server));
#endif
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
        assert_non_null(first(&scram, messages[i], NULL));
        assert_int_equal(hashes, 0);
    }
    char endless[1000] = "r=" NONCE;
    memset(endless + strlen(endless), 'x', 900);
    hf_pg_scram scram = begun();
    assert_non_null(first(&scram, endless, NULL));
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
        assert_null(first(&scram, messages[i], NULL));
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
    (void)state;
    derived(&scram, NULL);
    final_of(&scram, NULL, 0);
    for (size_t i = 0; i < COUNT(finals); i++)
        assert_false(hf_pg_scram_server_final(&scram, finals[i], strlen(finals[i])));
    /* Every character counts, and nothing ends it early. */
    for (size_t i = 0; i < sizeof server_final - 1; i++) {
        char other[sizeof server_final];
        memcpy(other, server_final, sizeof other);
        assert_false(hf_pg_scram_server_final(&scram, other, i));
        other[i] = 0;
        assert_false(hf_pg_scram_server_final(&scram, other, sizeof other - 1));
    }
    assert_false(hf_pg_scram_server_final(&scram, server_final, sizeof server_final));
    /* Every bit counts. */
    for (int bit = 0; bit < 256; bit++) {
        hf_pg_scram other = scram;
        other.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(hf_pg_scram_server_final(&other, server_final, strlen(server_final)));
    }
}

static void channel_binding_is_in_the_header_and_in_what_is_signed(void **state) {
    const uint8_t data[HF_BINDING_BYTES] = { 1, 2, 3 };
    (void)state;
    hf_pg_scram bound = begun_with(HF_PG_GS2_BOUND), unused = begun_with(HF_PG_GS2_UNUSED);
    derived(&bound, NULL);
    derived(&unused, NULL);
    const char *with = final_of(&bound, data, sizeof data),
               *without = final_of(&unused, data, sizeof data);
    assert_memory_equal(with, "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAQID", 38);
    assert_memory_equal(without, "c=eSws,", 7);
    assert_string_not_equal(strstr(with, ",p="), strstr(without, ",p="));
}

static void passwords_longer_than_a_block_are_hashed_first(void **state) {
    /* hashlib.pbkdf2_hmac('sha256', b'x' * 100, b'\0', 4096), then HMAC of "Client Key" */
    static const uint8_t key[4] = { 0x78, 0xe7, 0xc4, 0xa8 };
    hf_pg_scram scram = begun();
    char password[101];
    const char *text = "r=" NONCE "x,s=AA==,i=4096";
    (void)state;
    memset(password, 'x', 100);
    password[100] = 0;
    assert_null(first(&scram, text, NULL));
    while (hf_pg_scram_derive(&scram, password) == 0) {
    }
    assert_memory_equal(scram.keys.client_key, key, sizeof key);
}

static void the_first_message_has_no_name_and_18_random_bytes(void **state) {
    const uint8_t random[HF_PG_NONCE_BYTES] = { 0xff, 0xff, 0xff, 0xfb, 0xf0 };
    hf_pg_scram scram;
    (void)state;
    memset(&scram, 0, sizeof scram);
    hf_pg_scram_start(&scram, &counting, HF_PG_GS2_NO, random);
    assert_int_equal(scram.text_bytes, strlen("n,,n=,r=////+/AAAAAAAAAAAAAAAAAA"));
    assert_memory_equal(scram.text, "n,,n=,r=////+/AAAAAAAAAAAAAAAAAA", scram.text_bytes);
}

static int broken_update(hf_sha256 *hash, const void *from, size_t bytes) {
    (void)hash, (void)from, (void)bytes;
    return HF_ERR_STATE;
}

static void a_hash_that_fails_fails_the_login(void **state) {
    hf_pg_scram scram = begun();
    (void)state;
    derived(&scram, NULL);
    counting.update = broken_update;
    assert_int_equal(hf_pg_scram_client_final(&scram, NULL, 0), HF_ERR_RESOURCES);
    hf_pg_scram other = begun();
    assert_null(first(&other, server_first, NULL));
    assert_int_equal(derive(&other), HF_ERR_RESOURCES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_vector_of_rfc_7677, setup),
        cmocka_unit_test_setup(any_size_of_slice_gives_the_same_keys, setup),
        cmocka_unit_test_setup(kept_keys_save_all_rounds_when_salt_and_rounds_are_the_same, setup),
        cmocka_unit_test_setup(keys_given_beforehand_prove_the_same_and_nothing_is_derived, setup),
        cmocka_unit_test_setup(what_a_server_may_not_ask_is_refused_before_any_hashing, setup),
        cmocka_unit_test_setup(the_limits_themselves_are_allowed, setup),
        cmocka_unit_test_setup(a_server_without_the_password_is_found_out, setup),
        cmocka_unit_test_setup(channel_binding_is_in_the_header_and_in_what_is_signed, setup),
        cmocka_unit_test_setup(passwords_longer_than_a_block_are_hashed_first, setup),
        cmocka_unit_test_setup(the_first_message_has_no_name_and_18_random_bytes, setup),
        cmocka_unit_test_setup(a_hash_that_fails_fails_the_login, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
