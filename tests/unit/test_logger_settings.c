/* The logger's flash block and its JSON: what is damaged, unknown or too long is refused by name. */
#include "settings.h"

#include "unit.h"

static hf_logger_settings settings;
static char refusal[128];

/* Fills from the text; false: `refusal` has why. */
static bool fill(const char *text) {
    hf_writer why = hf_writer_on(refusal, sizeof refusal);
    hf_json_error error;
    hf_json *json = hf_json_read(text, strlen(text), &error);
    assert_non_null(json);
    bool good = hf_settings_fill(&settings, json, &why);
    hf_json_free(json);
    return good;
}

static void members_become_the_configuration(void **state) {
    (void)state;
    assert_true(fill(
        "{\"host\":\"db.example\",\"port\":5433,\"user\":\"u\",\"password\":\"secret\",\"dbname\":\"d\","
        "\"ca\":\"\",\"device\":\"well-7\",\"interval_ms\":250,\"readings\":9,\"drain_ms\":5,"
        "\"address\":\"10.0.0.2\",\"settings\":{\"retry_delay\":100,\"jitter\":0}}"));
    const hf_config *config = &settings.config;
    assert_string_equal(config->hosts[0].name, "db.example");
    assert_int_equal(config->hosts[0].port, 5433);
    assert_string_equal(config->user, "u");
    assert_string_equal(config->password, "secret");
    assert_string_equal(config->database, "d");
    assert_string_equal(config->application_name, "well-7");
    assert_int_equal(config->retry_delay_ms, 100);
    assert_int_equal(config->jitter_percent, 0);
    assert_int_equal(config->max_outage_ms, HF_FOREVER); /* a device never gives up */
    assert_int_equal(config->sslmode, HF_SSL_VERIFY_FULL);
    assert_int_equal(settings.interval_ms, 250);
    assert_int_equal(settings.readings, 9);
    assert_string_equal(settings.address, "10.0.0.2");
    assert_string_equal(settings.gateway, "");
}

static void wrong_members_are_named_without_their_value(void **state) {
    static const struct {
        const char *text, *word;
    } cases[] = {
        { "[]", "not an object" },
        { "{\"hots\":\"secret\"}", "hots: unknown" },
        { "{\"host\":5}", "host: not a text" },
        { "{\"password\":[\"secret\"]}", "password: not a text" },
        { "{\"user\":\"secret-secret-secret-secret-secr\"}", "user: too long" },
        { "{\"port\":\"5432\"}", "port: not a whole number" },
        { "{\"port\":-1}", "port: not a whole number" },
        { "{\"interval_ms\":4294967296}", "interval_ms: not a whole number" },
        { "{\"settings\":{\"max_wait\":1}}", "max_wait: no setting has this name" },
        { "{\"settings\":{\"jitter\":0.5}}", "jitter: not a whole number" },
        { "{\"host\":\"h\",\"user\":\"u\",\"device\":\"d\",\"settings\":{\"jitter\":200}}",
          "jitter is 200 %" },
        { "{\"host\":\"h\",\"user\":\"u\",\"device\":\"d\",\"port\":65536}",
          "port: 65535 is the most" },
        { "{\"host\":\"h\",\"user\":\"u\",\"device\":\"d\",\"interval_ms\":0}",
          "interval_ms: none given" },
        { "{\"host\":\"h\",\"user\":\"u\"}", "device: none given" },
        { "{\"settings\":1}", "settings: not an object" },
        { "{\"settings\":[1]}", "settings: not an object" },
        { "{\"host\":\"h\",\"user\":\"u\",\"device\":\"d\",\"settings\":{\"max_concurrent\":2}}",
          "room for" },
        { "{\"host\":\"h\",\"user\":\"u\",\"device\":\"d\",\"settings\":{\"rx_bytes\":2049}}",
          "room for" },
        { "{\"user\":\"u\",\"device\":\"d\"}", "host" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (fill(cases[i].text) || !strstr(refusal, cases[i].word) || strstr(refusal, "secret")) {
            fail_msg("%s: %s", cases[i].text, refusal);
        }
    }
}

/* As platform/logger/flash_block.py makes it of {"a":1}. */
static const uint8_t good[] = "HFC1\x07\0\0\0\xaf\xac\x1b\x56{\"a\":1}";
enum { GOOD_BYTES = sizeof good - 1 };

static void block_is_read_and_every_flipped_bit_is_found(void **state) {
    (void)state;
    uint8_t block[GOOD_BYTES + 4];
    size_t bytes = 0;
    memset(block, 0xff, sizeof block);
    memcpy(block, good, GOOD_BYTES);
    assert_ptr_equal(hf_settings_block(block, sizeof block, &bytes), block + 12);
    assert_int_equal(bytes, 7);
    for (unsigned bit = 0; bit < 8 * GOOD_BYTES; bit++) {
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_null(hf_settings_block(block, sizeof block, &bytes));
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void block_never_reaches_past_its_room(void **state) {
    (void)state;
    size_t bytes;
    for (size_t room = 0; room < GOOD_BYTES; room++) {
        uint8_t *block = malloc(room ? room : 1); /* the sanitizer watches its end */
        memcpy(block, good, room);
        assert_null(hf_settings_block(block, room, &bytes));
        free(block);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_become_the_configuration),
        cmocka_unit_test(wrong_members_are_named_without_their_value),
        cmocka_unit_test(block_is_read_and_every_flipped_bit_is_found),
        cmocka_unit_test(block_never_reaches_past_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
