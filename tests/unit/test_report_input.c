/* The bytes of the report's input: as they are or unpacked, from any place on; what is neither is named. */
#include "base/input.h"

#include "one_file.h"

#include <zlib.h>

enum { ROOM = 1 << 20 };

static hf_failure failure;
static unsigned char plain[ROOM], packed[ROOM], back[ROOM];

/* One member of a gzip file into `to`; its length. */
static size_t pack(const void *bytes, size_t size, unsigned char *to) {
    z_stream stream = { .next_in = (unsigned char *)(uintptr_t)bytes,
                        .avail_in = (unsigned)size,
                        .next_out = to,
                        .avail_out = ROOM };
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t length = ROOM - stream.avail_out;
    deflateEnd(&stream);
    return length;
}

static size_t make_plain(void) {
    uint32_t seed = 5;
    size_t size = 700000;
    for (size_t i = 0; i < size; i++) {
        plain[i] = (unsigned char)("abc,\n"[unit_random(&seed) % 5]);
    }
    return size;
}

/* All that is left, in pieces of `piece` bytes; -1 and failure when it ends in one. */
static ssize_t read_rest(hf_input *input, size_t piece) {
    size_t have = 0;
    ssize_t got;
    while ((got = hf_input_read(input, back + have, piece, &failure)) > 0) {
        have += (size_t)got;
        piece = piece < ROOM - have ? piece : ROOM - have;
    }
    return got < 0 ? -1 : (ssize_t)have;
}

static hf_input *open_bytes(const void *bytes, size_t size) {
    write_path(bytes, size);
    failure = (hf_failure){ 0 };
    hf_input *input = hf_input_open(path, &failure);
    assert_non_null(input);
    return input;
}

/* Shows found R2. */
static void a_gzip_file_is_read_as_what_is_in_it(void **state) {
    size_t size = make_plain(), first = pack(plain, size / 3, packed);
    size_t length = first + pack(plain + size / 3, size - size / 3, packed + first);
    (void)state;
    memset(packed + length, 0, 1000); /* a tape's block */
    for (size_t piece = 1000; piece < ROOM; piece *= 7) {
        hf_input *input = open_bytes(packed, length + 1000);
        assert_int_equal(read_rest(input, piece), size);
        assert_memory_equal(back, plain, size);
        hf_input_close(input);
    }
    hf_input *input = open_bytes(packed, pack("", 0, packed));
    assert_int_equal(read_rest(input, 10), 0);
    hf_input_close(input);
}

/* Shows found R2. */
static void reading_goes_on_at_any_byte_of_either_kind(void **state) {
    size_t size = make_plain(), first = pack(plain, size / 3, packed);
    size_t length = first + pack(plain + size / 3, size - size / 3, packed + first);
    uint32_t seed = 3;
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        hf_input *input = open_bytes(kind ? packed : plain, kind ? length : size);
        for (int i = 0; i < 30; i++) {
            size_t at = i < 3 ? size - (size_t)i : unit_random(&seed) % size;
            assert_true(hf_input_seek(input, at, &failure));
            assert_int_equal(read_rest(input, 50000), size - at);
            assert_memory_equal(back, plain + at, size - at);
        }
        hf_input_close(input);
    }
}

/* Shows found R2. */
static void a_gzip_file_that_is_cut_is_an_error_wherever_it_is(void **state) {
    static const char text[] = "id,name\n1,a\n2,b\n";
    size_t first = pack(text, sizeof text - 1, packed);
    size_t length = first + pack(text, sizeof text - 1, packed + first);
    (void)state;
    for (size_t cut = 2; cut < length; cut++) {
        hf_input *input = open_bytes(packed, cut);
        ssize_t got = read_rest(input, 7);
        if (cut == first) { /* a whole one */
            assert_int_equal(got, sizeof text - 1);
        } else {
            char place[40];
            snprintf(place, sizeof place, "at byte %zu:", cut);
            assert_int_equal(got, -1);
            assert_int_equal(failure.status, 1);
            assert_non_null(strstr(failure.text, "ends too soon"));
            assert_non_null(strstr(failure.text, place));
            assert_non_null(strstr(failure.text, path));
        }
        hf_input_close(input);
    }
}

/* zlib may hold much that it has unpacked and that nobody has read. Shows found R2. */
static void all_that_was_packed_before_the_cut_is_read_first(void **state) {
    memset(plain, 'a', ROOM);
    size_t length = pack(plain, ROOM, packed) - 8; /* checksum and length are missing */
    (void)state;
    for (size_t piece = 10; piece < ROOM; piece *= 9) {
        hf_input *input = open_bytes(packed, length);
        memset(back, 0, ROOM);
        size_t have = 0;
        ssize_t got;
        while ((got = hf_input_read(input, back + have, piece < ROOM - have ? piece : ROOM - have,
                                    &failure)) > 0) {
            have += (size_t)got;
        }
        assert_int_equal(have, ROOM);
        assert_memory_equal(back, plain, ROOM);
        assert_int_equal(hf_input_read(input, back, 1, &failure), -1);
        assert_non_null(strstr(failure.text, "ends too soon"));
        hf_input_close(input);
    }
}

/* All before it is read first, and then it fails each time. Shows found R2. */
static void a_damaged_gzip_file_is_an_error_with_its_place(void **state) {
    size_t size = make_plain(), length = pack(plain, size, packed);
    (void)state;
    for (size_t at = 20; at < length; at += length / 9) {
        packed[at] ^= 0x55;
        hf_input *input = open_bytes(packed, length);
        assert_int_equal(read_rest(input, 1000), -1);
        assert_non_null(strstr(failure.text, "is damaged at byte"));
        assert_int_equal(hf_input_read(input, back, 1, &failure), -1);
        hf_input_close(input);
        packed[at] ^= 0x55;
    }
    memset(packed + length - 4, 'x', 4); /* the length at the end is another */
    hf_input *input = open_bytes(packed, length);
    assert_int_equal(read_rest(input, 1000), -1);
    assert_non_null(strstr(failure.text, "is damaged at byte"));
    hf_input_close(input);
    packed[pack(plain, size, packed)] = 'x';
    input = open_bytes(packed, length + 1);
    assert_int_equal(read_rest(input, 1000), -1);
    assert_non_null(strstr(failure.text, "something else behind its end"));
    hf_input_close(input);
}

/* Shows found R2. */
static void other_formats_are_named_with_the_way_out(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *says[2];
    } formats[] = {
        { "\x28\xb5\x2f\xfd\x04", 5, { "Zstandard", "unzstd" } },
        { "\xfd"
          "7zXZ\0\0",
          7,
          { "xz", "unxz" } },
        { "BZh11AY&SY", 10, { "bzip2", "bunzip2" } },
        { "BZh91AY&SY", 10, { "bzip2", "bunzip2" } },
        { "PK\x03\x04", 4, { "ZIP", "xlsx" } },
        { "\xff\xfei\0d\0", 6, { "UTF-16", "iconv" } },
        { "\xfe\xff\0i", 4, { "UTF-16", "iconv" } },
        { "\xff\xfe\0\0i\0\0\0", 8, { "UTF-32", "iconv" } },
        { "\x1f\x9d\x90", 3, { "compress", "uncompress" } },
        { "7z\xbc\xaf\x27\x1c", 6, { "7z", "unpack" } },
        { "<!DOCTYPE html>\n", 16, { "HTML", "fetch" } },
        { "<html>\n", 7, { "HTML", "fetch" } },
        { "\xef\xbb\xbf\r\n  <HtMl lang=en>\n", 21, { "HTML", "fetch" } },
        { "\xef\xbb\xbf{\"a\": 1}\n", 12, { "JSON", "CSV" } },
        { "<?xml version=\"1.0\"?>\n", 22, { "XML", "CSV" } },
        { "{\"a\": 1}\n", 9, { "JSON", "CSV" } },
        { "[\n {}\n]\n", 8, { "JSON", "CSV" } },
        { "PGDMP\x01\x0e", 7, { "dump", "pg_restore" } },
        { "PGCOPY\n\377\r\n", 10, { "COPY", "csv" } },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        write_path(formats[i].bytes, formats[i].size);
        failure = (hf_failure){ 0 };
        assert_null(hf_input_open(path, &failure));
        assert_int_equal(failure.status, 1);
        for (size_t j = 0; j < 2; j++) {
            assert_non_null(strstr(failure.text, formats[i].says[j]));
        }
    }
    /* What a header may begin with is none of them. */
    static const char *const texts[] = { "",      "PK,name", "BZh9,x", "PAR1,PAR2",
                                         "LZIP",  "Rar!,x",  "7z,x",   "\x1f",
                                         "<x>,y", "[a],b",   "{a},b",  "PGDM,P" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_null(hf_input_other_format(texts[i], strlen(texts[i])));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gzip_file_is_read_as_what_is_in_it),
        cmocka_unit_test(reading_goes_on_at_any_byte_of_either_kind),
        cmocka_unit_test(a_gzip_file_that_is_cut_is_an_error_wherever_it_is),
        cmocka_unit_test(all_that_was_packed_before_the_cut_is_read_first),
        cmocka_unit_test(a_damaged_gzip_file_is_an_error_with_its_place),
        cmocka_unit_test(other_formats_are_named_with_the_way_out),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
