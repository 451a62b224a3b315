/* libpq's keywords: which are honoured, and how the others are refused (core/settings/key.h). */
#include "holdfast/config.h"

#include "settings/key.h"

#include "unit.h"

/* Shows found S3. */
static void existing_strings_of_libpq_work_unedited(void **state) {
    static const char dsn[] =
        "host=db.example,b hostaddr=10.0.0.1,fd00:9::2 port=5433 "
        "fallback_application_name=psql keepalives=1 keepalives_idle=60 keepalives_interval=5 "
        "keepalives_count=4 tcp_user_timeout=90000 requirepeer=postgres "
        "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=tlsv1.3 client_encoding=utf8 "
        "min_protocol_version=3.0 max_protocol_version=3.0 gssencmode=prefer krbsrvname=postgres "
        "gssdelegation=0 sslcompression=0 sslsni=1 sslcertmode=allow target_session_attrs=any "
        "load_balance_hosts=disable replication=off connect_timeout=-1";
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error = { 0 };
    (void)state;
    if (!hf_config_dsn(&config, dsn, &error)) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(config.n_hosts, 2);
    assert_string_equal(config.hosts[0].name, "db.example");
    assert_string_equal(config.hosts[0].address, "10.0.0.1");
    assert_string_equal(config.hosts[1].address, "fd00:9::2");
    assert_string_equal(config.application_name, "psql");
    assert_false(config.keepalives_off);
    assert_int_equal(config.keepalives_idle_s, 60);
    assert_int_equal(config.keepalives_interval_s, 5);
    assert_int_equal(config.keepalives_count, 4);
    assert_int_equal(config.tcp_user_timeout_ms, 90000);
    assert_string_equal(config.requirepeer, "postgres");
    assert_int_equal(config.ssl_min_version, HF_TLS_1_3);
    assert_int_equal(config.ssl_max_version, HF_TLS_1_3);
    assert_int_equal(config.connect_timeout_ms, HF_FOREVER);
    assert_true(hf_config_dsn(&config, "port='5432 , +5433\r' connect_timeout=' +7 '", &error));
    assert_int_equal(config.hosts[0].port, 5432);
    assert_int_equal(config.hosts[1].port, 5433);
    assert_int_equal(config.connect_timeout_ms, 7000);
    assert_true(hf_config_dsn(
        &config,
        "client_encoding='Unicode' keepalives=0 keepalives_idle=0 keepalives_count=' -3 ' "
        "tcp_user_timeout=-1 ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.2",
        NULL));
    assert_true(config.keepalives_off);
    assert_int_equal(config.keepalives_idle_s, HF_UNSET); /* the system's */
    assert_int_equal(config.keepalives_count, HF_UNSET);
    assert_int_equal(config.tcp_user_timeout_ms, 0);
    assert_int_equal(config.ssl_min_version, HF_TLS_DEFAULT);
    assert_int_equal(config.ssl_max_version, HF_TLS_1_2);
    assert_true(hf_config_dsn(&config, "client_encoding=UTF-8 requiressl=1", NULL));
    assert_int_equal(config.sslmode, HF_SSL_REQUIRE);
}

/* Shows rule 65. */
static void versions_of_the_protocol_are_bounds(void **state) {
    static const struct {
        const char *least, *most; /* NULL: not given */
        int newest;               /* -1: refused */
    } cases[] = {
        { NULL, NULL, HF_PROTOCOL_3_0 },
        { NULL, "3.0", HF_PROTOCOL_3_0 },
        { NULL, "3.2", HF_PROTOCOL_3_2 },
        { NULL, "latest", HF_PROTOCOL_3_2 },
        { "3.0", NULL, HF_PROTOCOL_3_0 },
        { "3.2", NULL, HF_PROTOCOL_3_2 },
        { "latest", NULL, HF_PROTOCOL_3_2 },
        { "3.2", "latest", HF_PROTOCOL_3_2 },
        { "3.2", "3.0", -1 },
        { "latest", "3.0", -1 },
        { "3.0", "3.2", HF_PROTOCOL_3_2 },
        { "3.0", "", HF_PROTOCOL_3_0 },
    };
    static const char *const nonsense[] = { "3.1", "3", "2.0", "4.0", "Latest", "3.2 ", "3.20" };
    hf_error error = { 0 };
    (void)state;
    for (size_t i = 0; i < COUNT(nonsense); i++) {
        hf_config config = HF_CONFIG_DEFAULT;
        assert_false(hf_config_set(&config, "max_protocol_version", nonsense[i], &error));
        assert_string_equal(error.message, "max_protocol_version: not one of 3.0, 3.2, latest");
    }
#if HF_WITH_VERSIONS
    for (size_t i = 0; i < COUNT(cases); i++) {
        hf_config config = HF_CONFIG_DEFAULT;
        assert_true(hf_config_dsn(&config, "host=h user=u", NULL));
        assert_true(!cases[i].least ||
                    hf_config_set(&config, "min_protocol_version", cases[i].least, &error));
        assert_true(!cases[i].most ||
                    hf_config_set(&config, "max_protocol_version", cases[i].most, &error));
        assert_int_equal(hf_config_check(&config, &error), cases[i].newest >= 0);
        if (cases[i].newest >= 0) {
            assert_int_equal(hf_config_newest_protocol(&config), cases[i].newest);
        } else {
            assert_string_equal(error.message,
                                "min_protocol_version: newer than max_protocol_version");
        }
    }
    hf_config config = HF_CONFIG_DEFAULT;
    assert_true(hf_config_dsn(&config, "host=h user=u", NULL));
    config.max_protocol_version = HF_PROTOCOL_LATEST + 1;
    assert_false(hf_config_check(&config, &error));
#else
    hf_config config = HF_CONFIG_DEFAULT;
    (void)cases;
    assert_true(hf_config_set(&config, "max_protocol_version", "3.0", &error));
    assert_false(hf_config_set(&config, "max_protocol_version", "3.2", &error));
    assert_non_null(strstr(error.message, "HF_WITH_VERSIONS"));
#endif
}

#define KEY "0123456789abcdefghijklmnopqrstuvwxyzABCDEFE="

/* Shows rule 66. */
static void scram_keys_are_taken_together_and_whole(void **state) {
    static const char *const nonsense[] = {
        "secret",                                        /* too short */
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEF==",  /* 31 bytes */
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFEA",  /* 33 bytes */
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFE",   /* no = */
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFE==", /* too many */
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFF=",  /* bits behind the last */
        "0123456789abcdefghijklmnopqrstuvwxyzABCDE-E=",  /* base64 of URLs */
        " 123456789abcdefghijklmnopqrstuvwxyzABCDEFE=",
    };
    hf_error error = { 0 };
    (void)state;
    for (size_t i = 0; i < COUNT(nonsense); i++) {
        hf_config config = HF_CONFIG_DEFAULT;
        assert_false(hf_config_set(&config, "scram_client_key", nonsense[i], &error));
        assert_null(strstr(error.message, nonsense[i]));
        assert_non_null(strstr(error.message, "scram_client_key"));
#if HF_WITH_CREDENTIALS
        config.scram_client_key = KEY;
        config.scram_server_key = nonsense[i]; /* put there past hf_config_set() */
        assert_true(hf_config_dsn(&config, "host=h user=u", NULL));
        assert_false(hf_config_check(&config, &error));
        assert_string_equal(error.message,
                            "scram_server_key: not base64 of 32 bytes: 43 letters or digits and =");
#endif
    }
    hf_config config = HF_CONFIG_DEFAULT;
    assert_true(hf_config_dsn(&config, "host=h user=u", NULL));
    const bool has = hf_config_set(&config, "scram_client_key", KEY, &error);
    assert_int_equal(has, HF_WITH_CREDENTIALS);
#if HF_WITH_CREDENTIALS
    assert_false(hf_config_check(&config, &error));
    assert_non_null(strstr(error.message, "scram_server_key: none given"));
    assert_true(hf_config_set(&config, "scram_server_key", KEY, &error));
    assert_true(hf_config_check(&config, &error));
    assert_false(hf_config_has_password(&config));
    config.require_auth = HF_AUTH_SCRAM;
    assert_true(hf_config_check(&config, &error));
    config.channel_binding = HF_BINDING_REQUIRE;
    assert_true(hf_config_check(&config, &error));
    config.channel_binding = HF_BINDING_PREFER;
    config.require_auth = HF_AUTH_MD5 | HF_AUTH_PASSWORD; /* these want the password */
    assert_false(hf_config_check(&config, &error));
    assert_true(hf_config_set(&config, "scram_client_key", "", &error));
    assert_null(config.scram_client_key);
    for (size_t i = 0; i + sizeof KEY < sizeof config.text; i++) {
        assert_int_equal(memcmp(config.text + i, KEY, sizeof KEY) == 0,
                         config.text + i == config.scram_server_key);
    }
    hf_config_wipe(&config);
    assert_null(config.scram_server_key);
    for (size_t i = 0; i + sizeof KEY < sizeof config.text; i++) {
        assert_memory_not_equal(config.text + i, KEY, sizeof KEY);
    }
#else
    assert_non_null(strstr(error.message, "HF_WITH_CREDENTIALS"));
#endif
}

#if HF_WITH_CREDENTIALS
static hf_credentials_answer nobody(void *user, unsigned conn, const hf_host *host, bool refused,
                                    hf_credentials *credentials) {
    (void)user, (void)conn, (void)host, (void)refused, (void)credentials;
    return HF_CREDENTIALS_NONE;
}
#endif

/* Shows rule 66. */
static void a_callback_may_give_the_user_and_stands_for_a_password(void **state) {
    (void)state;
#if HF_WITH_CREDENTIALS
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error = { 0 };
    assert_true(hf_config_dsn(&config, "host=h", NULL));
    assert_false(hf_config_check(&config, &error));
    config.credentials = nobody;
    assert_true(hf_config_check(&config, &error));
    config.require_auth = HF_AUTH_MD5;
    config.channel_binding = HF_BINDING_REQUIRE;
    assert_false(hf_config_check(&config, &error));
    config.require_auth = 0;
    assert_true(hf_config_check(&config, &error));
#endif
}

/* Shows found S3. */
static void files_of_tls_are_taken_where_the_build_reads_them(void **state) {
    static const struct {
        const char *key;
        size_t offset;
        int built;
    } files[] = {
        { "sslcert", offsetof(hf_config, sslcert), HF_WITH_CLIENT_CERT },
        { "sslkey", offsetof(hf_config, sslkey), HF_WITH_CLIENT_CERT },
        { "sslpassword", offsetof(hf_config, sslpassword), HF_WITH_CLIENT_CERT },
        { "sslcrl", offsetof(hf_config, sslcrl), HF_WITH_CRL },
        { "sslcrldir", offsetof(hf_config, sslcrldir), HF_WITH_CRL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        hf_config config = HF_CONFIG_DEFAULT;
        hf_error error = { 0 };
        const char *set = NULL;
        assert_int_equal(hf_config_set(&config, files[i].key, "/a/file", &error), files[i].built);
        memcpy(&set, (char *)&config + files[i].offset, sizeof set);
        if (files[i].built) {
            assert_string_equal(set, "/a/file");
        } else {
            assert_non_null(strstr(error.message, files[i].key));
            assert_non_null(strstr(error.message, "HF_WITH_"));
        }
        assert_true(hf_config_set(&config, files[i].key, "", &error));
    }
}

static void an_address_alone_is_its_hosts_name(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error = { 0 };
    (void)state;
    assert_true(hf_config_dsn(&config, "user=u hostaddr=10.0.0.1,::1 host=a,b", NULL));
    assert_string_equal(config.hosts[0].name, "a");
    assert_true(hf_config_dsn(&config, "host='' hostaddr=10.0.0.1,::1", NULL));
    assert_int_equal(config.n_hosts, 2);
    assert_string_equal(config.hosts[0].name, "10.0.0.1");
    assert_string_equal(config.hosts[1].name, "::1");
    assert_true(hf_config_dsn(&config, "hostaddr=10.0.0.2", NULL)); /* and that name is not kept */
    assert_int_equal(config.n_hosts, 1);
    assert_string_equal(config.hosts[0].name, "10.0.0.2");
    assert_true(hf_config_dsn(&config, "host=a,,c hostaddr=,10.0.0.2,", NULL));
    assert_string_equal(config.hosts[0].name, "a");
    assert_null(config.hosts[0].address);
    assert_string_equal(config.hosts[1].name, "10.0.0.2");
    assert_true(hf_config_check(&config, &error));
    assert_true(hf_config_dsn(&config, "host=/tmp hostaddr=10.0.0.2", NULL)); /* as libpq: by TCP */
    assert_false(hf_host_is_local(&config.hosts[0]));
    assert_true(hf_config_dsn(&config, "host=a,b hostaddr=10.0.0.2", NULL));
    assert_false(hf_config_check(&config, &error));
    assert_string_equal(error.message, "hostaddr: give one for each host, or no host");
}

static void an_application_name_goes_before_its_fallback_in_any_order(void **state) {
    static const struct {
        const char *dsn, *name;
    } cases[] = { { "fallback_application_name=psql", "psql" },
                  { "fallback_application_name=psql application_name=mine", "mine" },
                  { "application_name=mine fallback_application_name=psql", "mine" },
                  { "application_name='' fallback_application_name=psql", NULL },
                  { "fallback_application_name=''", "holdfast" } };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        hf_config config = HF_CONFIG_DEFAULT;
        assert_true(hf_config_dsn(&config, cases[i].dsn, NULL));
        assert_true(cases[i].name || !config.application_name);
        if (cases[i].name) {
            assert_string_equal(config.application_name, cases[i].name);
        }
    }
}

/* Shows found S1. */
static void each_keyword_of_libpq_18_is_honoured_or_refused_by_name(void **state) {
    static const char *const values[] = { "1", "0", "x", "/a/b", "3.0", "10.0.0.1" };
    FILE *list = fopen("tests/fixtures/libpq18.txt", "r");
    char line[200], key[40], variable[40];
    unsigned keywords = 0;
    (void)state;
    assert_non_null(list);
    while (fgets(line, sizeof line, list)) {
        if (line[0] == '#' || sscanf(line, "%39s %39s", key, variable) != 2 || key[0] == '-') {
            continue;
        }
        keywords++;
        if (!hf_key_known(key)) {
            fail_msg("%s is not known", key);
        }
        for (size_t i = 0; i < COUNT(values); i++) {
            hf_config config = HF_CONFIG_DEFAULT;
            hf_error error = { 0 };
            if (!hf_config_set(&config, key, values[i], &error)) {
                assert_memory_equal(error.message, key, strlen(key));
                assert_null(strstr(error.message, "no such setting"));
                assert_true(strlen(error.message) > strlen(key) + 12); /* a reason */
            }
        }
    }
    fclose(list);
    assert_int_equal(keywords, 50);
}

/* Shows found S1. */
static void the_table_is_libpq_18s_list(void **state) {
    static const char *const rows[][2] = {
#define X(key, variable, how, detail, text) { key, variable },
        HF_LIBPQ(X)
#undef X
    };
    bool listed[COUNT(rows)] = { false };
    FILE *list = fopen("tests/fixtures/libpq18.txt", "r");
    char line[200], key[40], variable[40];
    (void)state;
    assert_non_null(list);
    while (fgets(line, sizeof line, list)) {
        size_t at = 0;
        if (line[0] == '#' || sscanf(line, "%39s %39s", key, variable) != 2) {
            continue;
        }
        while (at < COUNT(rows) && (key[0] != '-' ? strcmp(rows[at][0], key) != 0
                                                  : strcmp(rows[at][1], variable) != 0)) {
            at++;
        }
        if (at == COUNT(rows)) {
            fail_msg("%s %s is not in the table", key, variable);
        }
        assert_string_equal(rows[at][1], variable[0] == '-' ? "" : variable);
        listed[at] = true;
    }
    fclose(list);
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!listed[i]) {
            fail_msg("%s %s is not libpq's", rows[i][0], rows[i][1]);
        }
    }
}

static void refused(const char *dsn, const char *message) {
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error = { 0 };
    if (!hf_config_dsn(&config, dsn, &error)) {
        fail_msg("%s: %s", dsn, error.message);
    }
    config.user = "u";
    assert_int_equal(hf_config_check(&config, &error), message == NULL);
    if (message) {
        assert_string_equal(error.message, message);
    }
}

static void what_a_build_or_a_host_cannot_have_is_refused(void **state) {
    (void)state;
    refused("host=h ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
            "ssl_min_protocol_version: newer than ssl_max_protocol_version");
    refused("host=h ssl_min_protocol_version=TLSv1.2 ssl_max_protocol_version=TLSv1.2", NULL);
    if (HF_WITH_CLIENT_CERT) {
        refused("host=h sslcert=/c", "sslkey: none given for the certificate of sslcert; say "
                                     "sslkey=FILE");
        refused("host=h sslcert=/c sslkey=/k", NULL);
        refused("host=h sslcert=/c sslcertmode=disable", NULL);
        refused("host=/tmp sslcert=/c", NULL); /* it is not used there */
        refused("host=h sslcertmode=require", "sslcertmode: require needs sslcert and sslkey");
        refused("host=/tmp sslcert=/c sslkey=/k sslcertmode=require",
                "sslcertmode: require needs TLS; sslmode=disable and a Unix socket have none");
    } else {
        hf_config config = HF_CONFIG_DEFAULT;
        hf_error error;
        config.hosts[0].name = "h";
        config.n_hosts = 1;
        config.user = "u";
        config.sslcert = "/c"; /* by a program of its own */
        assert_false(hf_config_check(&config, &error));
        assert_non_null(strstr(error.message, "HF_WITH_CLIENT_CERT"));
    }
}

/* Shows found S2. */
static void a_password_of_one_host_is_a_password(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    assert_true(hf_config_dsn(&config, "host=a,b user=u require_auth=scram-sha-256", NULL));
    assert_false(hf_config_has_password(&config));
    assert_false(hf_config_check(&config, NULL));
    config.hosts[1].password = "p";
    assert_true(hf_config_has_password(&config));
    assert_true(hf_config_check(&config, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(existing_strings_of_libpq_work_unedited),
        cmocka_unit_test(versions_of_the_protocol_are_bounds),
        cmocka_unit_test(scram_keys_are_taken_together_and_whole),
        cmocka_unit_test(a_callback_may_give_the_user_and_stands_for_a_password),
        cmocka_unit_test(files_of_tls_are_taken_where_the_build_reads_them),
        cmocka_unit_test(an_address_alone_is_its_hosts_name),
        cmocka_unit_test(an_application_name_goes_before_its_fallback_in_any_order),
        cmocka_unit_test(each_keyword_of_libpq_18_is_honoured_or_refused_by_name),
        cmocka_unit_test(the_table_is_libpq_18s_list),
        cmocka_unit_test(what_a_build_or_a_host_cannot_have_is_refused),
        cmocka_unit_test(a_password_of_one_host_is_a_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
