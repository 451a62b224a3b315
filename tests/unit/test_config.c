#include "holdfast/config.h"

#include "unit.h"

static hf_config good(void) {
    hf_config config = HF_CONFIG_DEFAULT;
    config.hosts[0].name = "localhost";
    config.n_hosts = 1;
    config.user = "app";
    return config;
}

static uint32_t value_of(const hf_config *config, const hf_setting *setting) {
    uint32_t value;
    memcpy(&value, (const char *)config + setting->offset, sizeof value);
    return value;
}

static void put(hf_config *config, const hf_setting *setting, uint32_t value) {
    memcpy((char *)config + setting->offset, &value, sizeof value);
}

static void refused(const hf_config *config, const char *message) {
    hf_error error = { 0 };
    assert_false(hf_config_check(config, NULL));
    assert_false(hf_config_check(config, &error));
    assert_int_equal(error.code, HF_ERR_CONFIG);
    assert_string_equal(error.message, message);
}

static void the_defaults_are_the_documented_numbers(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    assert_int_equal(config.max_retries, 5);
    assert_int_equal(config.retry_delay_ms, 2000);
    assert_int_equal(config.retry_factor, 2);
    assert_int_equal(config.max_retry_delay_ms, 30000);
    assert_int_equal(config.connect_retries, 3);
    assert_int_equal(config.connect_timeout_ms, 15000);
    assert_int_equal(config.reconnect_timeout_ms, 15000);
    assert_int_equal(config.probe_reconnect_timeout_ms, 10000);
    assert_int_equal(config.probe_timeout_ms, 5000);
    assert_int_equal(config.close_timeout_ms, 5000);
    assert_int_equal(config.probe_close_timeout_ms, 3000);
    assert_int_equal(config.request_timeout_ms, 120000);
    assert_int_equal(config.max_concurrent, 3);
    assert_int_equal(config.probe_interval_ms, 30000);
    assert_int_equal(config.jitter_percent, 50);
    assert_int_equal(config.stable_after_ms, 10000);
    assert_int_equal(config.sslmode, HF_SSL_VERIFY_FULL);
    config = good();
    assert_true(hf_config_check(&config, NULL));
}

static void every_row_of_the_table_is_a_field_with_its_default(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    for (size_t i = 0; i < hf_settings_count; i++) {
        const hf_setting *setting = &hf_settings[i];
        char name[64];
        assert_int_equal(value_of(&config, setting), setting->value);
        assert_null(strchr(setting->name, '-'));
        assert_ptr_equal(hf_setting_named(setting->name), setting);
        assert_ptr_equal(hf_setting_named(hf_settings_words[i].option), setting);
        snprintf(name, sizeof name, "%s",
                 hf_settings_words[i].option); /* the option is the name with dashes */
        for (char *at = name; *at; at++) {
            *at = *at == '-' ? '_' : *at;
        }
        assert_string_equal(name, setting->name);
    }
    assert_null(hf_setting_named("nothing"));
    assert_null(hf_setting_named("retry_delay_ms"));
}

static void every_bound_is_checked_at_its_edge(void **state) {
    (void)state;
    for (size_t i = 0; i < hf_settings_count; i++) {
        const hf_setting *setting = &hf_settings[i];
        hf_config config = good();
        hf_error error;
        config.max_retry_delay_ms = HF_FOREVER; /* so that retry_delay may be anything */
        if (setting->minimum > 0) {
            put(&config, setting, setting->minimum - 1);
            assert_false(hf_config_check(&config, &error));
            assert_memory_equal(error.message, setting->name, strlen(setting->name));
            assert_non_null(strstr(error.message, ": at least "));
        }
        if (strcmp(setting->name, "max_retry_delay") != 0) {
            put(&config, setting, setting->minimum);
            assert_true(hf_config_check(&config, &error));
        }
        put(&config, setting, setting->maximum);
        assert_true(hf_config_check(&config, &error));
        if (setting->maximum < HF_DURATION_MAX) {
            put(&config, setting, setting->maximum + 1);
            assert_false(hf_config_check(&config, &error));
            assert_non_null(strstr(error.message, ": at most "));
        }
        if (setting->maximum < HF_FOREVER) {
            put(&config, setting, HF_FOREVER);
            assert_false(hf_config_check(&config, &error));
            assert_non_null(strstr(error.message, " is forever: at most "));
        }
    }
}

static void messages_name_the_setting_its_value_and_the_way_out(void **state) {
#define FIELD(name) offsetof(hf_config, name)
    static const struct {
        size_t field;
        uint32_t value;
        const char *message;
    } rows[] = {
        { FIELD(max_concurrent), 0, "max_concurrent is 0: at least 1" },
        { FIELD(max_concurrent), 1001, "max_concurrent is 1001: at most 1000" },
        { FIELD(jitter_percent), 101, "jitter is 101 %: at most 100 %" },
        { FIELD(rx_bytes), 1023, "rx_bytes is 1023 bytes: at least 1024 bytes" },
        { FIELD(connect_timeout_ms), 0, "connect_timeout is 0.0 s: at least 0.001 s" },
        { FIELD(retry_delay_ms), HF_UNSET, "retry_delay is unset: at most 4294967.293 s" },
        { FIELD(max_retry_delay_ms), 1999,
          "retry_delay is 2.0 s: longer than max_retry_delay (1.999 s); shorten it or raise "
          "max_retry_delay" },
    };
#undef FIELD
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        hf_config config = good();
        memcpy((char *)&config + rows[i].field, &rows[i].value, sizeof rows[i].value);
        refused(&config, rows[i].message);
    }
    hf_config config = good();
    config.max_retry_delay_ms = config.retry_delay_ms;
    assert_true(hf_config_check(&config, NULL));
}

static void what_is_missing_is_named(void **state) {
    hf_config config = good();
    (void)state;
    config.n_hosts = 0;
    refused(&config, "host: none given; say host=NAME");
    config.n_hosts = HF_HOSTS_MAX + 1;
    refused(&config, "host: more hosts than HF_HOSTS_MAX; name fewer");
    config.n_hosts = 2;
    refused(&config, "host: one of the list is empty; name it");
    config.hosts[1].name = "";
    refused(&config, "host: one of the list is empty; name it");
    config = good();
    config.user = NULL;
    refused(&config, "user: none given; say user=NAME");
    config.user = "";
    refused(&config, "user: none given; say user=NAME");
    config = good();
    config.driver = NULL;
    refused(&config, "driver: none; start from HF_CONFIG_DEFAULT");
    config = good();
    config.n_ports = 2;
    refused(&config, "port: give one for all hosts, or as many as there are hosts");
}

/* Shows security 15. */
static void no_string_may_hold_a_line_end(void **state) {
    static const size_t fields[] = {
        offsetof(hf_config, user),        offsetof(hf_config, password),
        offsetof(hf_config, database),    offsetof(hf_config, application_name),
        offsetof(hf_config, sslrootcert), offsetof(hf_config, options)
    };
    static const char *const bad[] = { "a\rb", "a\nb", "\n", "x\r\n" };
    (void)state;
    for (size_t i = 0; i < COUNT(fields); i++) {
        for (size_t j = 0; j < COUNT(bad); j++) {
            hf_config config = good();
            hf_error error;
            memcpy((char *)&config + fields[i], &bad[j], sizeof bad[j]);
            assert_false(hf_config_check(&config, &error));
            assert_non_null(strstr(error.message, ": holds a line end; remove it"));
        }
    }
    for (size_t j = 0; j < COUNT(bad); j++) {
        hf_config config = good();
        config.hosts[0].name = bad[j];
        refused(&config, "host: holds a space or a control character; remove it");
    }
}

static void security_settings_that_contradict_each_other_are_refused(void **state) {
    hf_config config = good();
    (void)state;
    config.channel_binding = HF_BINDING_REQUIRE;
    refused(&config, "channel_binding: require needs a password and require_auth=scram-sha-256");
    config.password = "p";
    assert_true(hf_config_check(&config, NULL));
    config.sslmode = HF_SSL_DISABLE;
    refused(&config, "channel_binding: require needs TLS; sslmode=disable forbids it");
    config.sslmode = HF_SSL_VERIFY_FULL;
    config.hosts[0].name = "/run/postgresql";
    refused(&config, "channel_binding: require needs TLS; a Unix socket has none");
    config.hosts[0].name = "h";
    config.require_auth = HF_AUTH_MD5;
    refused(&config, "channel_binding: require needs a password and require_auth=scram-sha-256");
    config = good();
    config.require_auth = HF_AUTH_SCRAM | HF_AUTH_MD5;
    refused(&config, "require_auth: needs a password and none is given; give one, or allow none");
    config.require_auth |= HF_AUTH_NONE;
    assert_true(hf_config_check(&config, NULL));
    config.require_auth = 16;
    refused(&config, "require_auth: holds a bit that is no HF_AUTH_*");
    config = good();
    config.sslnegotiation = HF_SSLNEGOTIATION_DIRECT;
    assert_true(hf_config_check(&config, NULL));
    config.sslmode = HF_SSL_DISABLE;
    refused(&config, "sslnegotiation: direct needs TLS; sslmode=disable forbids it");
    config = good();
    config.sslrootcert = "system";
    assert_true(hf_config_check(&config, NULL));
    config.sslmode = HF_SSL_VERIFY_CA;
    refused(&config, "sslrootcert: system vouches for any site; use it with sslmode=verify-full");
    config = good();
    config.sslmode = HF_SSL_DISABLE + 1;
    refused(&config, "sslmode: not an hf_sslmode; start from HF_CONFIG_DEFAULT");
}

static void durations_are_read_as_they_are_written(void **state) {
    static const struct {
        const char *text;
        uint32_t ms;
    } cases[] = {
        { "500ms", 500 },
        { "0ms", 0 },
        { "2s", 2000 },
        { "15m", 900000 },
        { "1h", 3600000 },
        { "2", 2000 },
        { "0", 0 },
        { "0.5", 500 },
        { "0.001", 1 },
        { "1.5s", 1500 },
        { "0.25m", 15000 },
        { "0.5h", 1800000 },
        { "1.0ms", 1 },
        { "007s", 7000 },
        { "forever", HF_FOREVER },
        { "1193h", 4294800000u },
        { "4294967293ms", HF_DURATION_MAX },
    };
    static const char *const bad[] = { "",
                                       "s",
                                       "-1",
                                       "-1s",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "1 s",
                                       "1S",
                                       "1sec",
                                       "ms",
                                       ".5",
                                       "5.",
                                       "1.s",
                                       "1..2",
                                       "0x10",
                                       "1e3",
                                       "0.0005",
                                       "0.5ms",
                                       "1.0001",
                                       "1194h",
                                       "99999999999999999999s",
                                       "4294967294ms",
                                       "4294967295ms",
                                       "4294968",
                                       "Forever",
                                       "foreverx",
                                       "1d",
                                       "1us",
                                       "0.1234567890",
                                       "\xef\xbc\x91s" };
    uint32_t ms;
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ms = 12345;
        assert_true(hf_duration_parse(cases[i].text, &ms));
        assert_int_equal(ms, cases[i].ms);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (hf_duration_parse(bad[i], &ms)) {
            fail_msg("'%s' was taken for a duration", bad[i]);
        }
    }
}

static void each_unit_is_set_from_text(void **state) {
    static const struct {
        const char *key, *value;
        uint32_t result;
    } cases[] = {
        { "max_retries", "7", 7 },
        { "max_retries", "forever", HF_FOREVER },
        { "retry_delay", "250ms", 250 },
        { "first_delay", "0", 0 },
        { "jitter", "20", 20 },
        { "jitter", "20%", 20 },
        { "rx_bytes", "65536", 65536 },
        { "rx_bytes", "64KiB", 65536 },
        { "tx_bytes", "1MiB", 1048576 },
        { "tx_bytes", "1GiB", 1u << 30 },
        { "max_outage", "forever", HF_FOREVER },
    };
    static const struct {
        const char *key, *value, *message;
    } bad[] = {
        { "max_retries", "2s", "max_retries: not a count: 3, or forever" },
        { "max_retries", "-1", "max_retries: not a count: 3, or forever" },
        { "max_retries", "", "max_retries: not a count: 3, or forever" },
        { "max_retries", "4294967296", "max_retries: not a count: 3, or forever" },
        { "max_concurrent", "0", "max_concurrent is 0: at least 1" },
        { "max_concurrent", "forever", "max_concurrent is forever: at most 1000" },
        { "jitter", "101", "jitter is 101 %: at most 100 %" },
        { "jitter", "5%%", "jitter: not a percentage: 0 to 100" },
        { "rx_bytes", "1KB", "rx_bytes: not a size: 16384, 16KiB or 4MiB" },
        { "rx_bytes", "9999999MiB", "rx_bytes: not a size: 16384, 16KiB or 4MiB" },
        { "retry_delay", "soon",
          "retry_delay: not a duration: 500ms, 2s, 15m, 1h, plain seconds or forever" },
        { "close_timeout", "forever", "close_timeout is forever: at most 4294967.293 s" },
        { "no\033such", "1", "no?such: no such setting" },
        { "retry-delay", "1", "retry-delay: no such setting" },
        { "retry_delay_ms", "1", "retry_delay_ms: no such setting" },
        { "", "1", ": no such setting" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        hf_config config = HF_CONFIG_DEFAULT;
        assert_true(hf_config_set(&config, cases[i].key, cases[i].value, NULL));
        assert_int_equal(value_of(&config, hf_setting_named(cases[i].key)), cases[i].result);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        static const hf_config untouched = HF_CONFIG_DEFAULT;
        hf_config config = HF_CONFIG_DEFAULT;
        hf_error error = { 0 };
        assert_false(hf_config_set(&config, bad[i].key, bad[i].value, &error));
        assert_string_equal(error.message, bad[i].message);
        assert_memory_equal(&config, &untouched, sizeof config);
    }
}

/* Shows rule 19. */
static void a_general_timeout_is_taken_for_the_special_ones_in_any_order(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    assert_true(hf_config_set(&config, "connect_timeout", "7", NULL));
    assert_int_equal(config.connect_timeout_ms, 7000);
    assert_int_equal(config.reconnect_timeout_ms, 7000);
    assert_int_equal(config.probe_reconnect_timeout_ms, 7000);
    assert_true(hf_config_set(&config, "reconnect_timeout", "8s", NULL));
    assert_int_equal(config.probe_reconnect_timeout_ms, 8000);
    assert_true(hf_config_set(&config, "connect_timeout", "9", NULL)); /* reconnect's is nearer */
    assert_int_equal(config.reconnect_timeout_ms, 8000);
    assert_int_equal(config.probe_reconnect_timeout_ms, 8000);
    assert_true(hf_config_set(&config, "probe_reconnect_timeout", "1s", NULL));
    assert_true(hf_config_set(&config, "reconnect_timeout", "2s", NULL));
    assert_int_equal(config.probe_reconnect_timeout_ms, 1000);
    assert_true(hf_config_set(&config, "probe_close_timeout", "1s", NULL));
    assert_true(hf_config_set(&config, "close_timeout", "2s", NULL));
    assert_int_equal(config.probe_close_timeout_ms, 1000);
    config = (hf_config)HF_CONFIG_DEFAULT;
    assert_true(hf_config_set(&config, "close_timeout", "2s", NULL));
    assert_int_equal(config.probe_close_timeout_ms, 2000);
    assert_true(hf_config_set(&config, "connect_timeout", "0", NULL)); /* libpq: no limit */
    assert_int_equal(config.connect_timeout_ms, HF_FOREVER);
}

static void strings_are_copied_and_an_empty_one_unsets(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    char text[] = "somebody";
    (void)state;
    assert_true(hf_config_set(&config, "user", text, NULL));
    memset(text, 'x', sizeof text - 1);
    assert_string_equal(config.user, "somebody");
    assert_true(hf_config_set(&config, "user", "", NULL));
    assert_null(config.user);
    assert_true(hf_config_set(&config, "host", "a,b", NULL));
    assert_true(hf_config_set(&config, "host", "", NULL));
    assert_int_equal(config.n_hosts, 0);
}

static void text_that_does_not_fit_is_refused_with_the_way_out(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    char longest[HF_DSN_BYTES + 1];
    hf_error error;
    (void)state;
    memset(longest, 'p', sizeof longest);
    longest[HF_DSN_BYTES] = 0;
    assert_false(hf_config_set(&config, "password", longest, &error));
    assert_non_null(strstr(error.message, "HF_DSN_BYTES"));
    longest[HF_DSN_BYTES - 1] = 0;
    assert_true(hf_config_set(&config, "password", longest, &error));
    assert_false(hf_config_set(&config, "user", "a", &error));
    assert_false(hf_config_set(&config, "host", "a", &error));
    assert_int_equal(config.text_bytes, HF_DSN_BYTES);
}

static bool holds(const hf_config *config, const char *secret) {
    size_t length = strlen(secret);
    for (size_t i = 0; i + length <= sizeof *config; i++) {
        if (memcmp((const char *)config + i, secret, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Shows security 14. */
static void wiping_and_replacing_leave_no_password(void **state) {
    static char callers[] = "callers-own";
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    assert_true(hf_config_set(&config, "password", "first-secret", NULL));
    assert_true(hf_config_set(&config, "user", "app", NULL));
    assert_true(hf_config_set(&config, "password", "second-secret", NULL));
    assert_false(holds(&config, "first-secret"));
    assert_true(holds(&config, "second-secret"));
    hf_config_wipe(&config);
    assert_false(holds(&config, "second-secret"));
    assert_null(config.password);
    assert_string_equal(config.user, "app");
    hf_config_wipe(&config);
    config.password = callers;
    hf_config_wipe(&config);
    assert_string_equal(callers, "callers-own"); /* not ours to touch */
}

/* Shows rule 32. */
static void require_auth_is_a_list_of_what_is_or_what_is_not_allowed(void **state) {
    static const struct {
        const char *text;
        int bits;
    } cases[] = {
        { "scram-sha-256", HF_AUTH_SCRAM },
        { "none", HF_AUTH_NONE },
        { "md5,password,scram-sha-256", HF_AUTH_MD5 | HF_AUTH_PASSWORD | HF_AUTH_SCRAM },
        { "!password,!md5", HF_AUTH_NONE | HF_AUTH_SCRAM },
        { "!gss,!none", HF_AUTH_PASSWORD | HF_AUTH_MD5 | HF_AUTH_SCRAM },
        { "", 0 },
    };
    static const char *const bad[] = {
        "scram", "gss", "none,!md5", "!md5,none", ",",
        "none,", "!",   "MD5",       "sspi",      "!none,!md5,!password,!scram-sha-256"
    };
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(hf_config_set(&config, "require_auth", cases[i].text, NULL));
        assert_int_equal(config.require_auth, cases[i].bits);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (hf_config_set(&config, "require_auth", bad[i], NULL)) {
            fail_msg("require_auth=%s was taken", bad[i]);
        }
    }
}

/* Every key that is kept as text: a field that hf_config_copy() forgets would point into the original. */
static void a_copy_has_its_own_strings(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        { "host", "db.example,/run/pg" },
        { "hostaddr", "192.0.2.1," },
        { "user", "me" },
        { "password", "secret" },
        { "dbname", "shop" },
        { "application_name", "till" },
        { "options", "-c a=b" },
        { "sslrootcert", "ca.pem" },
        { "requirepeer", "postgres" },
        { "sslcert", "me.pem" },
        { "sslkey", "me.key" },
        { "sslpassword", "hidden" },
        { "sslcrl", "crl.pem" },
        { "sslcrldir", "crls" },
        { "scram_client_key", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFE=" },
        { "scram_server_key", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFI=" },
    };
    static char given[] = "TimeZone\0UTC\0";
    hf_config from = HF_CONFIG_DEFAULT, copy, plain;
    from.parameters = given;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        (void)hf_config_set(&from, pairs[i][0], pairs[i][1], NULL); /* some builds refuse some */
    }
    hf_config_copy(&copy, &from);
    for (size_t i = 0; i + sizeof(char *) <= sizeof copy; i += sizeof(char *)) {
        const char *at;
        memcpy(&at, (const char *)&copy + i, sizeof at);
        assert_false(at >= from.text && at < from.text + sizeof from.text);
    }
    plain = from;
    memset(&from, 'x', sizeof from);
    assert_string_equal(copy.hosts[0].name, "db.example");
    assert_string_equal(copy.hosts[0].address, "192.0.2.1");
    assert_string_equal(copy.user, "me");
    assert_string_equal(copy.password, "secret");
    assert_string_equal(copy.options, "-c a=b");
    assert_ptr_equal(copy.parameters, given);
    assert_true(hf_config_set(&copy, "user", "you", NULL)); /* it goes on by itself */
    assert_string_equal(copy.user, "you");
    hf_config again;
    hf_config_copy(&again, &copy);
    hf_config_copy(&again, &again);
    assert_string_equal(again.user, "you");
    refused(&plain, "config: a copy by =, whose strings lie in another; use hf_config_copy()");
    assert_false(hf_config_set(&plain, "user", "you", NULL));
    assert_false(hf_config_dsn(&plain, "user=you", NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_the_documented_numbers),
        cmocka_unit_test(every_row_of_the_table_is_a_field_with_its_default),
        cmocka_unit_test(every_bound_is_checked_at_its_edge),
        cmocka_unit_test(messages_name_the_setting_its_value_and_the_way_out),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(no_string_may_hold_a_line_end),
        cmocka_unit_test(security_settings_that_contradict_each_other_are_refused),
        cmocka_unit_test(durations_are_read_as_they_are_written),
        cmocka_unit_test(each_unit_is_set_from_text),
        cmocka_unit_test(a_general_timeout_is_taken_for_the_special_ones_in_any_order),
        cmocka_unit_test(strings_are_copied_and_an_empty_one_unsets),
        cmocka_unit_test(text_that_does_not_fit_is_refused_with_the_way_out),
        cmocka_unit_test(a_copy_has_its_own_strings),
        cmocka_unit_test(wiping_and_replacing_leave_no_password),
        cmocka_unit_test(require_auth_is_a_list_of_what_is_or_what_is_not_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
