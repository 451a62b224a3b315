/* AES-GCM by whole messages (port/mbedtls/gcm.c, where the build found intel-ipsec-mb and the processor serves it)
 * gives what mbedTLS itself gives in pieces, and what is published: the vectors of "The Galois/Counter Mode of
 * Operation" (McGrew and Viega, as submitted to NIST), test cases 1 to 4 and 13 to 16. Without that library the same is
 * asked of mbedTLS. The last test prints which of them encrypts: test_shipped.py reads that. */
#include "port/mbedtls/gcm_whole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mbedtls/gcm.h>
#include <mbedtls/platform.h>

#define IV_BYTES  12
#define TAG_BYTES 16
#define MOST      20000

static const struct vector {
    const char *key, *iv, *add, *plain, *cipher, *tag;
} vectors[] = {
#define ZERO_KEY "00000000000000000000000000000000"
#define ZERO_IV  "000000000000000000000000"
#define KEY      "feffe9928665731c6d6a8f9467308308"
#define IV       "cafebabefacedbaddecaf888"
#define ADD      "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define PLAIN                                                          \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" \
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define CIPHER_128                                                     \
    "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e" \
    "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
#define CIPHER_256                                                     \
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" \
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    { ZERO_KEY, ZERO_IV, "", "", "", "58e2fccefa7e3061367f1d57a4e7455a" },
    { ZERO_KEY, ZERO_IV, "", ZERO_KEY, "0388dace60b6a392f328c2b971b2fe78",
      "ab6e47d42cec13bdf53a67b21257bddf" },
    { KEY, IV, "", PLAIN "1aafd255", CIPHER_128 "473f5985", "4d5c2af327cd64a62cf35abd2ba6fab4" },
    { KEY, IV, ADD, PLAIN, CIPHER_128, "5bc94fbc3221a5db94fae95ae7121a47" },
    { ZERO_KEY ZERO_KEY, ZERO_IV, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
    { ZERO_KEY ZERO_KEY, ZERO_IV, "", ZERO_KEY, "cea7403d4d606b6e074ec5d3baf39d18",
      "d0d1c8a799996bf0265b98b5d48ab919" },
    { KEY KEY, IV, "", PLAIN "1aafd255", CIPHER_256 "898015ad",
      "b094dac5d93471bdec1a502270e3cc6c" },
    { KEY KEY, IV, ADD, PLAIN, CIPHER_256, "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static size_t unhex(unsigned char *out, const char *text) {
    size_t bytes = strlen(text) / 2;
    for (size_t i = 0; i < bytes; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        out[i] = (unsigned char)byte;
    }
    return bytes;
}

/* Bytes without a pattern, the same in every run. */
static void fill(unsigned char *out, size_t bytes) {
    static uint32_t last = 1;
    for (size_t i = 0; i < bytes; i++) {
        last = last * 1664525u + 1013904223u;
        out[i] = (unsigned char)(last >> 24);
    }
}

static void set_key(mbedtls_gcm_context *gcm, const unsigned char *key, size_t bytes) {
    mbedtls_gcm_init(gcm);
    assert_int_equal(mbedtls_gcm_setkey(gcm, MBEDTLS_CIPHER_ID_AES, key, (unsigned)(8 * bytes)), 0);
}

static void published_vectors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const struct vector *v = &vectors[i];
        unsigned char key[32], iv[IV_BYTES], add[32], plain[64], cipher[64], tag[TAG_BYTES];
        unsigned char got[64], got_tag[TAG_BYTES];
        mbedtls_gcm_context gcm;
        set_key(&gcm, key, unhex(key, v->key));
        const size_t adds = unhex(add, v->add), bytes = unhex(plain, v->plain);
        assert_int_equal(unhex(iv, v->iv), IV_BYTES);
        assert_int_equal(unhex(cipher, v->cipher), bytes);
        assert_int_equal(unhex(tag, v->tag), TAG_BYTES);
        assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, bytes, iv, IV_BYTES,
                                                   add, adds, plain, got, TAG_BYTES, got_tag),
                         0);
        assert_memory_equal(got, cipher, bytes);
        assert_memory_equal(got_tag, tag, TAG_BYTES);
        assert_int_equal(mbedtls_gcm_auth_decrypt(&gcm, bytes, iv, IV_BYTES, add, adds, tag,
                                                  TAG_BYTES, cipher, got),
                         0);
        assert_memory_equal(got, plain, bytes);
        mbedtls_gcm_free(&gcm);
    }
}

static struct {
    unsigned char iv[16], add[400], plain[MOST], cipher[MOST], got[MOST + 1], tag[16], got_tag[16];
} m;

/* What mbedTLS itself makes of m.plain: a message in pieces is always its own work. */
static void in_pieces(mbedtls_gcm_context *gcm, size_t bytes, size_t ivs, size_t adds) {
    size_t done = 0, rest = 0;
    assert_int_equal(mbedtls_gcm_starts(gcm, MBEDTLS_GCM_ENCRYPT, m.iv, ivs), 0);
    assert_int_equal(mbedtls_gcm_update_ad(gcm, m.add, adds), 0);
    assert_int_equal(mbedtls_gcm_update(gcm, m.plain, bytes, m.cipher, bytes, &done), 0);
    assert_int_equal(done, bytes);
    assert_int_equal(mbedtls_gcm_finish(gcm, NULL, 0, &rest, m.tag, TAG_BYTES), 0);
}

/* The whole message, apart and in place, encrypted and decrypted, and the byte behind it untouched. */
static void as_in_pieces(mbedtls_gcm_context *gcm, size_t bytes, size_t ivs, size_t adds) {
    in_pieces(gcm, bytes, ivs, adds);
    for (int in_place = 0; in_place < 2; in_place++) {
        memset(m.got, 0xa5, bytes + 1);
        memcpy(m.got, m.plain, in_place ? bytes : 0);
        assert_int_equal(mbedtls_gcm_crypt_and_tag(gcm, MBEDTLS_GCM_ENCRYPT, bytes, m.iv, ivs,
                                                   m.add, adds, in_place ? m.got : m.plain, m.got,
                                                   TAG_BYTES, m.got_tag),
                         0);
        assert_memory_equal(m.got, m.cipher, bytes);
        assert_memory_equal(m.got_tag, m.tag, TAG_BYTES);
        assert_int_equal(mbedtls_gcm_auth_decrypt(gcm, bytes, m.iv, ivs, m.add, adds, m.tag,
                                                  TAG_BYTES, in_place ? m.got : m.cipher, m.got),
                         0);
        assert_memory_equal(m.got, m.plain, bytes);
        assert_int_equal(m.got[bytes], 0xa5);
    }
}

static void every_length_is_as_mbedtls_has_it(void **state) {
    (void)state;
    static const size_t adds[] = { 0, 1, 5, 13, 15, 16, 17, 48, 129, 400 };
    static const size_t long_ones[] = { 1023, 1024, 4096, 8191, 8192, 16384, 16401, MOST };
    for (size_t keys = 16; keys <= 32; keys += 8) {
        unsigned char key[32];
        mbedtls_gcm_context gcm;
        fill(key, keys);
        set_key(&gcm, key, keys);
        for (size_t bytes = 0; bytes <= 320; bytes++) {
            fill(m.plain, bytes);
            fill(m.iv, sizeof m.iv);
            fill(m.add, sizeof m.add);
            as_in_pieces(&gcm, bytes, IV_BYTES, bytes % 401);
            as_in_pieces(&gcm, bytes, IV_BYTES, adds[bytes % (sizeof adds / sizeof *adds)]);
        }
        for (size_t i = 0; i < sizeof long_ones / sizeof *long_ones; i++) {
            fill(m.plain, long_ones[i]);
            as_in_pieces(&gcm, long_ones[i], IV_BYTES, 13);
        }
        mbedtls_gcm_free(&gcm);
    }
}

/* Another length of the IV, a shorter tag, buffers that overlap: mbedTLS does these. */
static void what_is_not_served_is_as_before(void **state) {
    (void)state;
    unsigned char key[16], tag[TAG_BYTES];
    mbedtls_gcm_context gcm;
    fill(key, sizeof key);
    set_key(&gcm, key, sizeof key);
    fill(m.iv, sizeof m.iv);
    fill(m.plain, 1000);
    as_in_pieces(&gcm, 1000, 16, 20);
    as_in_pieces(&gcm, 1000, 8, 20);

    in_pieces(&gcm, 1000, IV_BYTES, 20);
    memset(tag, 0, sizeof tag);
    assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, 1000, m.iv, IV_BYTES,
                                               m.add, 20, m.plain, m.got, 12, tag),
                     0);
    assert_memory_equal(tag, m.tag, 12);
    assert_int_equal(tag[12] | tag[13] | tag[14] | tag[15], 0);

    memcpy(m.got + 16, m.plain, 1000);
    assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, 1000, m.iv, IV_BYTES,
                                               m.add, 20, m.got + 16, m.got, TAG_BYTES, tag),
                     0);
    assert_memory_equal(m.got, m.cipher, 1000);
    assert_memory_equal(tag, m.tag, TAG_BYTES);
    assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, 1000, m.iv, IV_BYTES,
                                               m.add, 20, m.got, m.got + 16, TAG_BYTES, tag),
                     MBEDTLS_ERR_GCM_BAD_INPUT);
    mbedtls_gcm_free(&gcm);
}

static void refused(mbedtls_gcm_context *gcm, size_t bytes, size_t adds) {
    memset(m.got, 0xa5, bytes);
    assert_int_equal(mbedtls_gcm_auth_decrypt(gcm, bytes, m.iv, IV_BYTES, m.add, adds, m.tag,
                                              TAG_BYTES, m.cipher, m.got),
                     MBEDTLS_ERR_GCM_AUTH_FAILED);
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(m.got[i], 0);
    }
}

static void a_changed_bit_is_refused_and_nothing_given(void **state) {
    (void)state;
    static const size_t lengths[] = { 0, 1, 16, 100, 300 };
    for (size_t keys = 16; keys <= 32; keys += 16) {
        unsigned char key[32];
        mbedtls_gcm_context gcm;
        fill(key, keys);
        set_key(&gcm, key, keys);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            const size_t bytes = lengths[i];
            fill(m.plain, bytes);
            in_pieces(&gcm, bytes, IV_BYTES, 13);
            unsigned char *const parts[] = { m.tag, m.cipher, m.add, m.iv };
            const size_t sizes[] = { TAG_BYTES, bytes, 13, IV_BYTES };
            for (size_t part = 0; part < 4; part++) {
                for (size_t bit = 0; bit < 8 * sizes[part]; bit++) {
                    parts[part][bit / 8] ^= (unsigned char)(1u << bit % 8);
                    refused(&gcm, bytes, 13);
                    parts[part][bit / 8] ^= (unsigned char)(1u << bit % 8);
                }
            }
            refused(&gcm, bytes, 12);
            assert_int_equal(mbedtls_gcm_auth_decrypt(&gcm, bytes, m.iv, IV_BYTES, m.add, 13, m.tag,
                                                      TAG_BYTES, m.cipher, m.got),
                             0);
        }
        mbedtls_gcm_free(&gcm);
    }
}

static void *last_block;
static size_t last_bytes, blocks;
static bool broken;

static void *take(size_t count, size_t size) {
    if (broken) {
        return NULL;
    }
    blocks++;
    last_bytes = count * size;
    last_block = calloc(count, size);
    return last_block;
}

static void give(void *memory) {
    if (memory == NULL) {
        return;
    }
    for (size_t i = 0; memory == last_block && i < last_bytes; i++) {
        assert_int_equal(((unsigned char *)memory)[i], 0);
    }
    blocks--;
    free(memory);
}

/* Also the first of two that a context has one after the other, and where there is no memory for the second. */
static void a_key_is_wiped_and_given_back(void **state) {
    (void)state;
    unsigned char key[32];
    mbedtls_gcm_context gcm;
    fill(key, sizeof key);
    assert_int_equal(mbedtls_platform_set_calloc_free(take, give), 0);
    set_key(&gcm, key, 16);
    assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 256), 0);
    as_in_pieces(&gcm, 100, IV_BYTES, 13);
    const bool served = blocks > 0;
    broken = true;
    assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 128),
                     served ? MBEDTLS_ERR_CIPHER_ALLOC_FAILED : 0);
    mbedtls_gcm_free(&gcm);
    assert_int_equal(blocks, 0);
    broken = false;
    (void)mbedtls_platform_set_calloc_free(calloc, free);
}

static void who_encrypts(void **state) {
    (void)state;
    const char *who = "mbedTLS";
#if defined(MBEDTLS_GCM_WHOLE_MESSAGES)
    unsigned char key[16] = { 0 }, out[TAG_BYTES], tag[TAG_BYTES];
    void *whole = NULL;
    assert_int_equal(hf_mbedtls_gcm_key(&whole, MBEDTLS_CIPHER_ID_AES, key, 192), 0);
    assert_null(whole);
    assert_int_equal(hf_mbedtls_gcm_key(&whole, MBEDTLS_CIPHER_ID_AES, key, 128), 0);
    const bool did = hf_mbedtls_gcm_crypt(whole, MBEDTLS_GCM_ENCRYPT, sizeof key, m.iv, IV_BYTES,
                                          NULL, 0, key, out, TAG_BYTES, tag);
    assert_int_equal(did, whole != NULL);
    who = did ? "intel-ipsec-mb" : who;
    hf_mbedtls_gcm_forget(whole);
#endif
    printf("whole messages: %s\n", who);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(every_length_is_as_mbedtls_has_it),
        cmocka_unit_test(what_is_not_served_is_as_before),
        cmocka_unit_test(a_changed_bit_is_refused_and_nothing_given),
        cmocka_unit_test(a_key_is_wiped_and_given_back),
        cmocka_unit_test(who_encrypts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
