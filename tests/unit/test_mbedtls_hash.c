/* SHA-256 by the vectors of FIPS 180-4 and NIST's, MD5 by those of RFC 1321. */
#include "hf_mbedtls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const hf_hash *hash = &hf_mbedtls_hash;

static void hex(char *out, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

static void expect_sha256(const char *text, const char *expected) {
    hf_sha256 running;
    uint8_t out[32];
    char got[65];
    assert_int_equal(hash->start(&running), 0);
    assert_int_equal(hash->update(&running, text, strlen(text)), 0);
    assert_int_equal(hash->finish(&running, out), 0);
    hex(got, out, sizeof out);
    assert_string_equal(got, expected);
}

static void sha256_vectors(void **state) {
    (void)state;
    expect_sha256("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_sha256("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect_sha256("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                  "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

static void sha256_of_a_million_in_pieces_of_every_size(void **state) {
    (void)state;
    char piece[200];
    memset(piece, 'a', sizeof piece);
    hf_sha256 running;
    uint8_t out[32];
    char got[65];
    assert_int_equal(hash->start(&running), 0);
    size_t left = 1000000;
    for (size_t n = 0; left > 0; n = (n + 1) % sizeof piece) {
        size_t part = n < left ? n : left;
        assert_int_equal(hash->update(&running, piece, part), 0);
        left -= part;
    }
    assert_int_equal(hash->finish(&running, out), 0);
    hex(got, out, sizeof out);
    assert_string_equal(got, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void a_clone_goes_on_by_itself(void **state) {
    (void)state;
    hf_sha256 one, two;
    uint8_t out_one[32], out_two[32];
    char got[65];
    assert_int_equal(hash->start(&one), 0);
    assert_int_equal(hash->update(&one, "ab", 2), 0);
    hash->clone(&two, &one);
    assert_int_equal(hash->update(&one, "c", 1), 0);
    assert_int_equal(hash->update(&two, "xyz", 3), 0);
    assert_int_equal(hash->finish(&two, out_two), 0);
    assert_int_equal(hash->finish(&one, out_one), 0);
    hex(got, out_one, sizeof out_one);
    assert_string_equal(got, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_memory_not_equal(out_one, out_two, sizeof out_one);
}

static void md5_vectors(void **state) {
    (void)state;
    uint8_t out[16];
    char got[33];
    assert_int_equal(hash->md5("", 0, out), 0);
    hex(got, out, sizeof out);
    assert_string_equal(got, "d41d8cd98f00b204e9800998ecf8427e");
    assert_int_equal(hash->md5("message digest", 14, out), 0);
    hex(got, out, sizeof out);
    assert_string_equal(got, "f96b697d7cb7938d525a2f31aaf161d0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(sha256_of_a_million_in_pieces_of_every_size),
        cmocka_unit_test(a_clone_goes_on_by_itself),
        cmocka_unit_test(md5_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
