#include "holdfast/config.h"

#include "driver.h"

#include "unit.h"

/* One expected reading; NULL: not looked at; "": must be NULL. */
typedef struct reading {
    const char *dsn;
    const char *hosts; /* "name:port name:port" */
    const char *user, *password, *database;
} reading;

static void hosts_of(const hf_config *config, char *out, size_t size) {
    size_t length = 0;
    out[0] = 0;
    for (size_t i = 0; i < config->n_hosts; i++) {
        length += (size_t)snprintf(out + length, size - length, "%s%s:%u", i ? " " : "",
                                   config->hosts[i].name, config->hosts[i].port);
    }
}

static void same(const char *dsn, const char *what, const char *is, const char *expected) {
    if (expected && strcmp(is ? is : "", expected) != 0) {
        fail_msg("%s: %s is '%s', not '%s'", dsn, what, is ? is : "", expected);
    }
}

static void read_all(const reading *readings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        hf_config config = HF_CONFIG_DEFAULT;
        hf_error error = { 0 };
        char hosts[200];
        if (!hf_config_dsn(&config, readings[i].dsn, &error)) {
            fail_msg("%s: %s", readings[i].dsn, error.message);
        }
        hosts_of(&config, hosts, sizeof hosts);
        same(readings[i].dsn, "host", hosts, readings[i].hosts);
        same(readings[i].dsn, "user", config.user, readings[i].user);
        same(readings[i].dsn, "password", config.password, readings[i].password);
        same(readings[i].dsn, "dbname", config.database, readings[i].database);
    }
}

static void urls_are_read_as_libpq_reads_them(void **state) {
    static const reading readings[] = {
        { "postgresql://", "", "", "", "" },
        { "postgresql://localhost", "localhost:0", "", "", "" },
        { "postgresql://localhost:5433", "localhost:5433", "", "", "" },
        { "postgresql://localhost/mydb", "localhost:0", "", "", "mydb" },
        { "postgresql://user@localhost", "localhost:0", "user", "", "" },
        { "postgresql://user:secret@localhost", "localhost:0", "user", "secret", "" },
        { "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
          "localhost:0", "other", "", "otherdb" },
        { "postgresql://host1:123,host2:456/somedb?target_session_attrs=any", "host1:123 host2:456",
          "", "", "somedb" },
        { "postgresql:///mydb?host=localhost&port=5433", "localhost:5433", "", "", "mydb" },
        { "postgresql://user@localhost:5433/mydb?options=-c%20geqo%3Doff", "localhost:5433", "user",
          "", "mydb" },
        { "postgresql://[2001:db8::1234]/database", "2001:db8::1234:0", "", "", "database" },
        { "postgresql:///dbname?host=/var/lib/postgresql", "/var/lib/postgresql:0", "", "",
          "dbname" },
        { "postgresql://%2Fvar%2Flib%2Fpostgresql/dbname", "/var/lib/postgresql:0", "", "",
          "dbname" },
        { "postgres://u:p%40ss%3A%2F%3f%25@h/d", "h:0", "u", "p@ss:/?%", "d" },
        { "postgres://u:a:b:c@h", "h:0", "u", "a:b:c", "" },
        { "postgres://u%20x@h/a%2Fb/c", "h:0", "u x", "", "a/b/c" },
        { "postgres://:pw@h", "h:0", "", "pw", "" },
        { "postgres://u:@h", "h:0", "u", "", "" },
        { "postgres://@h", "h:0", "", "", "" },
        { "postgres://h/?user=u&password=p", "h:0", "u", "p", "" },
        { "postgres://a@h/?user=b", "h:0", "b", "", "" },
        { "postgres://h:/d", "h:0", "", "", "d" },
        { "postgres://h?dbname=d", "h:0", "", "", "d" },
        { "postgres://h/d?", "h:0", "", "", "d" },
        { "postgres://h/d?user=u&", "h:0", "u", "", "d" },
        { "postgres://[::1]:1,[fe80::1%25eth0],h:3/d", "::1:1 fe80::1%eth0:0 h:3", "", "", "d" },
        { "postgres://a,b,c,d/x", "a:0 b:0 c:0 d:0", "", "", "x" },
        { "postgres://a,b:5/x", "a:0 b:5", "", "", "x" },
        { "postgres://a,b/x?port=7", "a:7 b:7", "", "", "x" },
        { "postgres://a:1,b:2/x?port=7,8", "a:7 b:8", "", "", "x" },
        { "postgres://h/d#fragment", "h:0", "", "", "d#fragment" },
        { "postgres://u:+%2B@h", "h:0", "u", "++", "" },
        { "postgres://u:gr%C3%BC%c3%9f@h", "h:0", "u", "gr\xc3\xbc\xc3\x9f", "" },
    };
    (void)state;
    read_all(readings, COUNT(readings));
}

static void words_are_read_as_libpq_reads_them(void **state) {
    static const reading readings[] = {
        { "", "", "", "", "" },
        { " \t\n ", "", "", "", "" },
        { "host=localhost port=5432 dbname=mydb connect_timeout=10", "localhost:5432", "", "",
          "mydb" },
        { "host = a  user\t=\tu\npassword =p", "a:0", "u", "p", "" },
        { "user='u' password='it\\'s a \\\\ secret' host=h", "h:0", "u", "it's a \\ secret", "" },
        { "password=a\\ b user=u", "", "u", "a b", "" },
        { "password='' user=u", "", "u", "", "" },
        { "user= host=h", "", "host=h", "", "" }, /* as libpq: blanks behind = are skipped */
        { "user=u password=", "", "u", "", "" },
        { "user='u'password='p'host=h", "h:0", "u", "p", "" },
        { "password=a=b=c", "", "", "a=b=c", "" },
        { "password='a=b user=x' user=u", "", "u", "a=b user=x", "" },
        { "password=p\\", "", "", "p", "" },
        { "password=p%40 host=h", "h:0", "", "p%40", "" },
        { "host=a,b,c port=1,2,3", "a:1 b:2 c:3", "", "", "" },
        { "port=1,2,3 host=a,b,c", "a:1 b:2 c:3", "", "", "" },
        { "port=9 host=a,b", "a:9 b:9", "", "", "" },
        { "port=1,,3 host=a,b,c", "a:1 b:0 c:3", "", "", "" },
        { "host=/tmp user=u", "/tmp:0", "u", "", "" },
        { "host=::1", "::1:0", "", "", "" },
        { "user=a user=b", "", "b", "", "" },
        { "dbname=postgres://x", "", "", "", "postgres://x" },
    };
    (void)state;
    read_all(readings, COUNT(readings));
}

static void the_other_keys_arrive_in_their_fields(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    assert_true(hf_config_dsn(
        &config,
        "postgres://u@h/d?sslmode=verify-ca&sslrootcert=/etc/ca.crt&sslnegotiation=direct"
        "&channel_binding=disable&require_auth=scram-sha-256%2Cmd5&application_name=a%20b"
        "&options=-c%20x%3D1&request_timeout=3s&max_retries=50&jitter=0&rx_bytes=64KiB"
        "&gssencmode=disable&client_encoding=UTF8&connect_timeout=4",
        NULL));
    assert_int_equal(config.sslmode, HF_SSL_VERIFY_CA);
    assert_string_equal(config.sslrootcert, "/etc/ca.crt");
    assert_int_equal(config.sslnegotiation, HF_SSLNEGOTIATION_DIRECT);
    assert_int_equal(config.channel_binding, HF_BINDING_DISABLE);
    assert_int_equal(config.require_auth, HF_AUTH_SCRAM | HF_AUTH_MD5);
    assert_string_equal(config.application_name, "a b");
    assert_string_equal(config.options, "-c x=1");
    assert_int_equal(config.request_timeout_ms, 3000);
    assert_int_equal(config.max_retries, 50);
    assert_int_equal(config.jitter_percent, 0);
    assert_int_equal(config.rx_bytes, 65536);
    assert_int_equal(config.connect_timeout_ms, 4000);
    assert_int_equal(config.reconnect_timeout_ms, 4000);
    assert_int_equal(config.probe_reconnect_timeout_ms, 4000);
    assert_true(hf_config_dsn(&config, "postgres://h/?ssl=true", NULL));
    assert_int_equal(config.sslmode, HF_SSL_REQUIRE);
    assert_true(hf_config_dsn(&config, "sslmode=disable", NULL));
    assert_int_equal(config.sslmode, HF_SSL_DISABLE);
}

static void connect_timeout_spares_what_was_said_itself(void **state) {
    static const char *const orders[] = {
        "postgres://h/?connect_timeout=2&reconnect_timeout=9s&probe_reconnect_timeout=5s",
        "postgres://h/?probe_reconnect_timeout=5s&reconnect_timeout=9s&connect_timeout=2",
        "reconnect_timeout=9s connect_timeout=2 probe_reconnect_timeout=5s",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(orders); i++) {
        hf_config config = HF_CONFIG_DEFAULT;
        assert_true(hf_config_dsn(&config, orders[i], NULL));
        assert_int_equal(config.connect_timeout_ms, 2000);
        assert_int_equal(config.reconnect_timeout_ms, 9000);
        assert_int_equal(config.probe_reconnect_timeout_ms, 5000);
    }
}

static void what_the_text_does_not_say_stays(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    char hosts[100];
    (void)state;
    assert_true(hf_config_dsn(&config, "host=/tmp port=5433 user=env password=envpw", NULL));
    assert_true(hf_config_dsn(&config, "postgres:///db", NULL));
    hosts_of(&config, hosts, sizeof hosts);
    assert_string_equal(hosts, "/tmp:5433");
    assert_string_equal(config.user, "env");
    assert_string_equal(config.password, "envpw");
    assert_string_equal(config.database, "db");
    assert_string_equal(config.application_name, "holdfast");
    assert_true(hf_config_dsn(&config, "postgres://:6000", NULL)); /* a port, and no host */
    hosts_of(&config, hosts, sizeof hosts);
    assert_string_equal(hosts, "/tmp:6000");
}

static void bad_input_is_refused_with_its_place(void **state) {
    static const struct {
        const char *dsn, *message;
    } cases[] = {
        { "postgres://u@h?sslmode=prefer",
          "DSN, at character 24: sslmode: prefer and allow are refused: an attacker can strip the "
          "TLS from them; say verify-full, or verify-ca, require or disable" },
        { "sslmode=allow", "DSN, at character 9: sslmode: prefer and allow are refused: an "
                           "attacker can strip the TLS from them; say verify-full, or verify-ca, "
                           "require or disable" },
        { "sslmode=on", "DSN, at character 9: sslmode: not one of verify-full, verify-ca, require, "
                        "disable" },
        { "postgres://h/?frobnicate=1", "DSN, at character 15: no such setting: frobnicate" },
        { "frobnicate=1", "DSN, at character 1: no such setting: frobnicate" },
        { "Host=h", "DSN, at character 1: no such setting: Host" },
        { "retry-delay=1", "DSN, at character 1: no such setting; a password with special "
                           "characters is quoted in key=value words, and %-encoded in a URL" },
        { "=x", "DSN, at character 1: no such setting; a password with special characters is "
                "quoted in key=value words, and %-encoded in a URL" },
        { "postgres://h/?gssencmode=require",
          "DSN, at character 26: gssencmode: only disable or prefer: there is no GSSAPI here; "
          "sslmode says how TLS encrypts" },
        { "postgres://h/?target_session_attrs=read-write",
          "DSN, at character 36: target_session_attrs: only any: holdfast does not choose by a "
          "server's role yet; name that server alone in host" },
        { "passfile=/x", "DSN, at character 10: passfile: the library reads no files: set what "
                         "stands there by itself" },
        { "keepalives_idle=x", "DSN, at character 17: keepalives_idle: not a number of seconds up "
                               "to 32767" },
        { "keepalives_count=128",
          "DSN, at character 18: keepalives_count: not a number up to 127" },
        { "tcp_user_timeout=1s", "DSN, at character 18: tcp_user_timeout: not a number of ms" },
        { "hostaddr=h", "DSN, at character 10: hostaddr: not a numeric address; a name belongs to "
                        "host" },
        { "hostaddr=1.2.3", NULL },
        { "hostaddr=1.2.3.256", NULL },
        { "hostaddr=1.2.3.4.", NULL },
        { "hostaddr=1.2.3.4,::g", NULL },
        { "client_encoding=LATIN1", "DSN, at character 17: client_encoding: holdfast speaks UTF8; "
                                    "say that or leave it out" },
        { "client_encoding=auto", "DSN, at character 17: client_encoding: auto asks the locale, "
                                  "holdfast speaks UTF8; say UTF8 or leave it out" },
        { "client_encoding=utf8x", NULL },
        { "max_protocol_version=3.1", "DSN, at character 22: max_protocol_version: not one of 3.0, "
                                      "3.2, latest" },
        { "min_protocol_version=newest", NULL },
        { "scram_client_key=c2VjcmV0", NULL },
        { "scram_server_key=secret", NULL },
        { "ssl_max_protocol_version=TLSv1.1",
          "DSN, at character 26: ssl_max_protocol_version: holdfast speaks nothing older than "
          "TLSv1.2; say that" },
        { "ssl_min_protocol_version=TLSv1.4", NULL },
        { "ssl_min_protocol_version=SSLv3", NULL },
        { "sslsni=0", "DSN, at character 8: sslsni: only 1: TLS tells the server which host is "
                      "meant; leave it out" },
        { "oauth_issuer=x", "DSN, at character 14: oauth_issuer: there is no OAuth here; use a "
                            "password and leave it out" },
        { "replication=database", NULL },
        { "replication='off no'", NULL },
        { "requiressl=0", NULL },
        { "sslcertmode=never", NULL },
        { "postgres://h:0/", "DSN, at character 12: port: not a number from 1 to 65535; in a URL, "
                             "write @ : / ? of a user or password as %40 %3A %2F %3F" },
        { "port=65536", "DSN, at character 6: port: not a number from 1 to 65535; in a URL, write "
                        "@ : / ? of a user or password as %40 %3A %2F %3F" },
        { "port=99999999999999999999", NULL },
        { "port=5432x", NULL },
        { "port=-1", NULL },
        { "port=1,2,3,4,5", "DSN, at character 6: port: more ports than HF_HOSTS_MAX allows; name "
                            "fewer" },
        { "postgres://a,b,c,d,e/x", "DSN, at character 12: host: more hosts than HF_HOSTS_MAX "
                                    "allows; name fewer" },
        { "postgres://u%4@h", "DSN, at character 13: a % without two hexadecimal digits; a % "
                              "itself is written %25" },
        { "postgres://u:%zz@h", "DSN, at character 14: a % without two hexadecimal digits; a % "
                                "itself is written %25" },
        { "postgres://h/d%", NULL },
        { "postgres://h/d%0", NULL },
        { "postgres://u%00@h", "DSN, at character 13: %00 is not allowed" },
        { "postgres://u:p%0Aq@h", "DSN, at character 14: password: holds a line end; remove it" },
        { "postgres://u%0d@h", "DSN, at character 12: user: holds a line end; remove it" },
        { "postgres://h/d\n", "DSN, at character 14: dbname: holds a line end; remove it" },
        { "postgres://h%20x/", NULL },
        { "host='/tmp/with space'", NULL },
        { "postgres://[::1/d",
          "DSN, at character 12: an IPv6 address without its closing bracket" },
        { "postgres://[]/d", "DSN, at character 12: no IPv6 address in the brackets" },
        { "postgres://[::1]x/d", "DSN, at character 17: after an IPv6 address comes :port, a "
                                 "comma, / or ?" },
        { "postgres://h/d?user", "DSN, at character 16: a setting without its =value" },
        { "postgres://h/d?user=a&&", "DSN, at character 23: a setting without its =value" },
        { "postgres://h/d?user=a=b", "DSN, at character 21: a second = in one setting; in a value "
                                     "it is written %3D" },
        { "postgres://h/d??user=a", NULL },
        { "mysql://h/d", "DSN, at character 1: not a scheme of this driver; postgres:// or "
                         "postgresql:// is" },
        { "Postgres://h/d", NULL },
        { "://h", NULL },
        { "postgres:/h", NULL },
        { "mydb", "DSN, at character 1: a word without its =value; a value with blanks is quoted: "
                  "'a b'" },
        { "user=u mydb", "DSN, at character 8: a word without its =value; a value with blanks is "
                         "quoted: 'a b'" },
        { "user='u", "DSN, at character 6: a quote that is not closed" },
        { "user='u\\", NULL },
        { "postgres://u:a@b@h/d", "DSN, at character 16: host: holds a character that no host name "
                                  "has; in a URL, write @ : / ? of a user or password as %40 %3A "
                                  "%2F %3F" },
        { "retry_delay=1x", NULL },
        { "max_concurrent=1001", "DSN, at character 16: max_concurrent is 1001: at most 1000" },
        { "connect_timeout=-", NULL },
        { "channel_binding=yes", NULL },
        { "sslnegotiation=tls", NULL },
        { "require_auth=gss", NULL },
        { "postgres://h/?ssl=false", "DSN, at character 15: no such setting: ssl" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        hf_config config = HF_CONFIG_DEFAULT;
        hf_error error = { 0 };
        if (hf_config_dsn(&config, cases[i].dsn, &error)) {
            fail_msg("%s was taken", cases[i].dsn);
        }
        assert_int_equal(error.code, HF_ERR_CONFIG);
        assert_memory_equal(error.message, "DSN, at character ", 18);
        if (cases[i].message) {
            assert_string_equal(error.message, cases[i].message);
        }
    }
}

static void the_counts_of_hosts_and_ports_must_agree(void **state) {
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error;
    (void)state;
    assert_true(hf_config_dsn(&config, "user=u host=a,b,c port=1,2", NULL));
    assert_false(hf_config_check(&config, &error));
    assert_string_equal(error.message,
                        "port: give one for all hosts, or as many as there are hosts");
}

static void a_text_too_long_is_refused(void **state) {
    static char dsn[HF_DSN_BYTES * 3];
    hf_error error;
    (void)state;
    for (size_t length = HF_DSN_BYTES - 3; length < HF_DSN_BYTES + 3; length++) {
        hf_config config = HF_CONFIG_DEFAULT;
        snprintf(dsn, sizeof dsn, "password=%0*d", (int)length, 7);
        assert_int_equal(hf_config_dsn(&config, dsn, &error), length < HF_DSN_BYTES);
        assert_true(length < HF_DSN_BYTES || strstr(error.message, "HF_DSN_BYTES"));
        config = (hf_config)HF_CONFIG_DEFAULT;
        snprintf(dsn, sizeof dsn, "postgres://u:%0*d@h", (int)length - 4, 7);
        assert_int_equal(hf_config_dsn(&config, dsn, &error), length < HF_DSN_BYTES);
    }
}

/* ---- secrets ------------------------------------------------------------------------------------ */

static const char secret[] = "QZXJWVKYQQ";

/* Does the text hold any three characters in a row of the secret? */
static bool leaks(const char *text) {
    for (size_t i = 0; i + 3 < sizeof secret; i++) {
        char piece[4] = { secret[i], secret[i + 1], secret[i + 2], 0 };
        if (strstr(text, piece)) {
            return true;
        }
    }
    return false;
}

static void read_and_look(const char *dsn) {
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error = { 0 };
    char line[400];
    if (hf_config_dsn(&config, dsn, &error) && hf_config_check(&config, &error)) {
        return;
    }
    hf_error_text(&error, line, sizeof line);
    if (leaks(line)) {
        fail_msg("%s: leaks: %s", dsn, line);
    }
}

static const char *const secretive[] = {
    "postgres://user:QZXJWVKYQQ@host:5432/db?sslmode=require&application_name=x",
    "postgresql://user:QZXJWVKYQQ@[::1]:1,b:2/db?connect_timeout=3&max_retries=4",
    "postgres://host/db?user=me&password=QZXJWVKYQQ&port=3",
    "host=h user=me password=QZXJWVKYQQ dbname=d sslmode=verify-full",
    "password='QZXJ WVKYQQ' host=h user=me retry_delay=2s",
};

/* Shows security 14. */
static void no_error_shows_a_piece_of_the_password(void **state) {
    static const char *const raw[] = {
        "postgres://u:QZXJ/WVKYQQ@h/db",
        "postgres://u:QZXJ@WVKYQQ@h/db",
        "postgres://u:QZXJ?WVKYQQ@h/db",
        "postgres://u:QZXJ#WVKYQQ@h/db",
        "postgres://u:QZXJ/?WVKYQQ=1@h/db",
        "postgres://u:QZXJ/x?a&WVKYQQ=1@h/db",
        "postgres://u:QZXJ%WVKYQQ@h/db",
        "postgres://u:QZXJ:WVKYQQ@h:QZXJ/db",
        "postgres://u:/QZXJWVKYQQ@h",
        "postgres://u:QZXJ[WVKYQQ/@h",
        "host=h password=QZXJ WVKYQQ",
        "host=h password=QZXJ WVKYQQ=1",
        "host=h password=QZXJ WVKYQQ user=",
        "password='QZXJ'WVKYQQ'",
        "password='QZXJ'WVKYQQ=1",
        "password='QZXJWVKYQQ",
        "password=QZXJ'WVKYQQ x",
        "password = QZXJWVKYQQ QZXJ host=h",
        "password=x port=QZXJWVKYQQ",
        "postgres://h/?sslmode=QZXJWVKYQQ",
        "postgres://h/?port=QZXJWVKYQQ",
        "postgres://QZXJWVKYQQ",
        "QZXJWVKYQQ",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(raw); i++) {
        read_and_look(raw[i]);
    }
}

/* Every single change of a character, to every character that means something.
 * Shows security 14.
 */
static void no_typing_mistake_makes_an_error_show_it(void **state) {
    static const char meaning[] = ":/?#[]@!&'=%,\\ \tx0";
    (void)state;
    for (size_t i = 0; i < COUNT(secretive); i++) {
        size_t length = strlen(secretive[i]);
        for (size_t at = 0; at < length; at++) {
            char dsn[200];
            for (size_t with = 0; with < sizeof meaning - 1; with++) {
                memcpy(dsn, secretive[i], length + 1); /* another character */
                dsn[at] = meaning[with];
                read_and_look(dsn);
                memmove(dsn + at + 1, secretive[i] + at, length - at + 1); /* one more */
                read_and_look(dsn);
            }
            memcpy(dsn, secretive[i], length + 1); /* one less */
            memmove(dsn + at, dsn + at + 1, length - at);
            read_and_look(dsn);
            memcpy(dsn, secretive[i], length + 1); /* the rest is missing */
            dsn[at] = 0;
            read_and_look(dsn);
        }
    }
}

static void random_texts_are_read_or_refused_and_show_nothing(void **state) {
    static const char letters[] = "QZXJWVKYQQ:/?#[]@!&'=%,\\ \tab0%41";
    uint32_t seed = 99;
    (void)state;
    for (int round = 0; round < 100000; round++) {
        char dsn[80] = "postgres://u:";
        size_t at = round % 2 ? 13 : 0, length = at + unit_random(&seed) % 60;
        if (round % 4 == 0) {
            at = (size_t)snprintf(dsn, sizeof dsn, "password=%s ", secret);
        }
        for (; at < length; at++) {
            dsn[at] = letters[unit_random(&seed) % (sizeof letters - 1)];
        }
        dsn[at] = 0;
        if (strchr(dsn, '@') || round % 4 == 0) {
            hf_config config = HF_CONFIG_DEFAULT;
            hf_error error = { 0 };
            bool good = hf_config_dsn(&config, dsn, &error);
            assert_true(config.text_bytes <= HF_DSN_BYTES && config.n_hosts <= HF_HOSTS_MAX);
            if (!good && strstr(error.message, "no such setting: ") == NULL) {
                assert_false(leaks(error.message));
            }
        }
    }
}

static void the_driver_names_its_schemes(void **state) {
    static const char *const schemes[] = { "rqlite", NULL };
    static const hf_driver other = { .name = "other", .schemes = schemes };
    hf_config config = HF_CONFIG_DEFAULT;
    (void)state;
    config.driver = &other;
    assert_true(hf_config_dsn(&config, "rqlite://h:4001/", NULL));
    assert_int_equal(config.hosts[0].port, 4001);
    assert_false(hf_config_dsn(&config, "postgres://h", NULL));
    config.driver = NULL;
    assert_true(hf_config_dsn(&config, "postgres://h", NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_read_as_libpq_reads_them),
        cmocka_unit_test(words_are_read_as_libpq_reads_them),
        cmocka_unit_test(the_other_keys_arrive_in_their_fields),
        cmocka_unit_test(connect_timeout_spares_what_was_said_itself),
        cmocka_unit_test(what_the_text_does_not_say_stays),
        cmocka_unit_test(bad_input_is_refused_with_its_place),
        cmocka_unit_test(the_counts_of_hosts_and_ports_must_agree),
        cmocka_unit_test(a_text_too_long_is_refused),
        cmocka_unit_test(no_error_shows_a_piece_of_the_password),
        cmocka_unit_test(no_typing_mistake_makes_an_error_show_it),
        cmocka_unit_test(random_texts_are_read_or_refused_and_show_nothing),
        cmocka_unit_test(the_driver_names_its_schemes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
