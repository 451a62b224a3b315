#include "key.h"

#include "text.h"

#include <string.h>

/* What each key of a DSN means. Invariants: strings are copied to config->text, one behind the other, each
 * with its NUL; a password that is replaced is overwritten first; no message holds a value. */

/* Here, for their strings weigh on whoever links the file that they stand in. */
#define X(name, option, value, unit, bounds, zero, text) { option, zero, text },
const hf_setting_words hf_settings_words[] = { HF_SETTINGS(X) };
#undef X

bool hf_complain(hf_error *error, const char *key, const char *text) {
    hf_writer writer;

    hf_error_set(error, HF_ERR_CONFIG, HF_PHASE_NONE, NULL);
    writer = hf_writer_on(error->message, sizeof error->message);
    hf_write_printable(&writer, key, strlen(key));
    if (HF_WITH_WORDS) {
        hf_write_text(&writer, ": ");
        hf_write_text(&writer, text);
    }
    return false;
}

/* ---- strings -------------------------------------------------------------------------------------- */

/* A copy that lives as long as the config; NULL: no room. */
static const char *keep(hf_config *config, const char *value, size_t bytes) {
    char *to = config->text + config->text_bytes;

    if (bytes >= sizeof config->text - config->text_bytes) {
        return NULL;
    }
    memcpy(to, value, bytes);
    to[bytes] = 0;
    config->text_bytes = (uint16_t)(config->text_bytes + bytes + 1);
    return to;
}

static bool no_room(hf_error *error, const char *key) {
    return hf_complain(error, key,
                       "does not fit: all texts together are longer than HF_DSN_BYTES "
                       "allows; shorten them or compile with a larger one");
}

static bool set_string(hf_config *config, const char *key, const char **field, const char *value,
                       hf_error *error) {
    if (value[strcspn(value, "\r\n")]) {
        return hf_complain(error, key, "holds a line end; remove it");
    }
    *field = value[0] ? keep(config, value, strlen(value)) : NULL;
    return *field || !value[0] || no_room(error, key);
}

/* ---- lists ---------------------------------------------------------------------------------------- */

/* The next item of a list with commas: its length; *at moves behind it, to NULL after the last. */
static size_t item(const char **at, const char **first) {
    size_t bytes = strcspn(*at, ",");

    *first = *at;
    *at = (*at)[bytes] ? *at + bytes + 1 : NULL;
    return bytes;
}

static bool set_hosts(hf_config *config, const char *key, const char *value, hf_error *error) {
    uint8_t count = 0;

    for (const char *at = value[0] ? value : NULL, *name; at;) {
        size_t bytes = item(&at, &name);
        if (count == HF_HOSTS_MAX) {
            return hf_complain(error, key, "more hosts than HF_HOSTS_MAX allows; name fewer");
        }
        for (size_t i = 0; i < bytes; i++) {
            bool outside = (unsigned char)name[i] <= ' ' || name[i] == 0x7f;
            if (outside || (name[0] != '/' && strchr("@/?#[]", name[i]))) {
                return hf_complain(
                    error, key,
                    "holds a character that no host name has; in a URL, write @ : / ? of "
                    "a user or password as %40 %3A %2F %3F");
            }
        }
        config->hosts[count].name = bytes > 0 ? keep(config, name, bytes) : "";
        if (!config->hosts[count].name) {
            return no_room(error, key);
        }
        count++;
    }
    config->n_hosts = count;
    return true;
}

static bool set_ports(hf_config *config, const char *key, const char *value, hf_error *error) {
    uint16_t ports[HF_HOSTS_MAX] = { 0 };
    uint8_t count = 0;

    for (const char *at = value[0] ? value : NULL, *digit; at;) {
        size_t bytes = item(&at, &digit);
        uint32_t port = 0;
        if (count == HF_HOSTS_MAX) {
            return hf_complain(error, key, "more ports than HF_HOSTS_MAX allows; name fewer");
        }
        for (size_t i = 0; i < bytes && port <= UINT16_MAX; i++) {
            bool good = digit[i] >= '0' && digit[i] <= '9';
            port = good ? port * 10 + (uint32_t)(digit[i] - '0') : UINT32_MAX;
        }
        if (port > UINT16_MAX || (bytes > 0 && port == 0)) {
            return hf_complain(error, key,
                               "not a number from 1 to 65535; in a URL, write @ : / ? of a user or "
                               "password as %40 %3A %2F %3F");
        }
        ports[count++] = (uint16_t)port; /* 0: the driver's default */
    }
    for (size_t i = 0; i < HF_HOSTS_MAX; i++) {
        config->hosts[i].port = ports[count > 1 ? i : 0];
    }
    config->n_ports = count;
    return true;
}

/* ---- words ---------------------------------------------------------------------------------------- */

/* The place of value in a list of words that NULL ends, or -1. */
static int word(const char *const *words, const char *value, size_t bytes) {
    for (int i = 0; words[i]; i++) {
        if (strlen(words[i]) == bytes && memcmp(words[i], value, bytes) == 0) {
            return i;
        }
    }
    return -1;
}

static bool set_word(uint8_t *field, const char *key, const char *const *words, const char *value,
                     const char *otherwise, hf_error *error) {
    int at = word(words, value, strlen(value));

    if (value[0] == 0) {
        at = 0; /* unset: the default comes first */
    }
    if (at < 0) {
        return hf_complain(error, key, otherwise);
    }
    *field = (uint8_t)at;
    return true;
}

static bool set_sslmode(hf_config *config, const char *key, const char *value, hf_error *error) {
    static const char *const words[] = { "verify-full", "verify-ca", "require", "disable", NULL };

    if (strcmp(value, "prefer") == 0 || strcmp(value, "allow") == 0) {
        return hf_complain(
            error, key,
            "prefer and allow are refused: an attacker can strip the TLS from them; say "
            "verify-full, or verify-ca, require or disable");
    }
    return set_word(&config->sslmode, key, words, value,
                    "not one of verify-full, verify-ca, require, disable", error);
}

/* "scram-sha-256,md5", or "!password,!md5": all but those. */
static bool set_require_auth(hf_config *config, const char *key, const char *value,
                             hf_error *error) {
    static const char *const words[] = { "none", "password", "md5", "scram-sha-256", NULL };
    static const char *const others[] = { "gss", "sspi", "oauth", NULL };
    const unsigned all = HF_AUTH_NONE | HF_AUTH_PASSWORD | HF_AUTH_MD5 | HF_AUTH_SCRAM;
    bool negative = value[0] == '!';
    unsigned bits = 0;

    for (const char *at = value[0] ? value : NULL, *method; at;) {
        size_t bytes = item(&at, &method);
        bool negated = bytes > 0 && method[0] == '!';
        int known = word(words, method + negated, bytes - negated);
        if (negated != negative) {
            return hf_complain(error, key, "name what is allowed, or with ! what is not: not both");
        }
        if (known < 0 && !(negated && word(others, method + 1, bytes - 1) >= 0)) {
            return hf_complain(error, key, "not one of scram-sha-256, md5, password, none");
        }
        bits |= known < 0 ? 0 : 1u << known;
    }
    bits = negative ? all & ~bits : bits;
    if (value[0] && bits == 0) {
        return hf_complain(error, key, "forbids every method; allow one");
    }
    config->require_auth = (uint8_t)bits;
    return true;
}

_Static_assert(HF_AUTH_NONE == 1 << 0 && HF_AUTH_PASSWORD == 1 << 1 && HF_AUTH_MD5 == 1 << 2 &&
                   HF_AUTH_SCRAM == 1 << 3,
               "set_require_auth() takes a word's place for its bit: order its words as HF_AUTH_*");

/* ---- settings of the table ------------------------------------------------------------------------ */

/* The general settings, and the special ones that go with them when they were not said themselves. */
static const char *const hf_followers[][2] = {
    { "connect_timeout", "reconnect_timeout" },
    { "connect_timeout", "probe_reconnect_timeout" },
    { "reconnect_timeout", "probe_reconnect_timeout" },
    { "close_timeout", "probe_close_timeout" },
};

static uint32_t bit(const hf_setting *setting) {
    return 1u << (setting - hf_settings);
}

static void put(hf_config *config, const hf_setting *setting, uint32_t value) {
    memcpy((char *)config + setting->offset, &value, sizeof value);
}

static bool set_setting(hf_config *config, const hf_setting *setting, const char *value,
                        hf_error *error) {
    const hf_setting *reconnect = hf_setting_named("reconnect_timeout");
    bool connect = strcmp(setting->name, "connect_timeout") == 0;
    uint32_t parsed = HF_FOREVER;

    /* libpq: a connect_timeout of 0 is no limit. */
    if (!(connect && strcmp(value, "0") == 0) &&
        !hf_setting_parse(setting, value, &parsed, error)) {
        return false;
    }
    put(config, setting, parsed);
    config->said |= bit(setting);
    for (size_t i = 0; i < sizeof hf_followers / sizeof hf_followers[0]; i++) {
        const hf_setting *follower = hf_setting_named(hf_followers[i][1]);
        bool nearer = connect && follower != reconnect && (config->said & bit(reconnect));
        if (strcmp(hf_followers[i][0], setting->name) == 0 && !(config->said & bit(follower)) &&
            !nearer) {
            put(config, follower, parsed);
        }
    }
    return true;
}

/* ---- keys ----------------------------------------------------------------------------------------- */

/* Keys that libpq knows and holdfast has nothing for; the value, if any, that asks for no more than what
 * holdfast does anyway. */
static const struct {
    const char *key, *accepted;
} hf_foreign[] = {
    { "target_session_attrs", "any" },
    { "load_balance_hosts", "disable" },
    { "gssencmode", "disable" },
    { "client_encoding", "UTF8" },
    { "sslcompression", "0" },
    { "sslsni", "1" },
    { "ssl_min_protocol_version", "TLSv1.2" },
    { "keepalives", "1" },
    { "replication", "false" },
    { "hostaddr", NULL },
    { "passfile", NULL },
    { "service", NULL },
    { "servicefile", NULL },
    { "fallback_application_name", NULL },
    { "keepalives_idle", NULL },
    { "keepalives_interval", NULL },
    { "keepalives_count", NULL },
    { "tcp_user_timeout", NULL },
    { "sslcert", NULL },
    { "sslkey", NULL },
    { "sslpassword", NULL },
    { "sslcertmode", NULL },
    { "sslcrl", NULL },
    { "sslcrldir", NULL },
    { "sslkeylogfile", NULL },
    { "ssl_max_protocol_version", NULL },
    { "requirepeer", NULL },
    { "requiressl", NULL },
    { "krbsrvname", NULL },
    { "gsslib", NULL },
    { "gssdelegation", NULL },
    { "scram_client_key", NULL },
    { "scram_server_key", NULL },
    { "min_protocol_version", NULL },
    { "max_protocol_version", NULL },
    { "oauth_issuer", NULL },
    { "oauth_client_id", NULL },
    { "oauth_client_secret", NULL },
    { "oauth_scope", NULL },
};

#define HF_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool set_foreign(size_t index, const char *value, hf_error *error) {
    const char *key = hf_foreign[index].key, *accepted = hf_foreign[index].accepted;
    hf_writer writer;

    if (!value[0] || (accepted && strcmp(value, accepted) == 0)) {
        return true;
    }
    if (!accepted) {
        return hf_complain(error, key,
                           "holdfast does not support this libpq setting; leave it out");
    }
    hf_error_set(error, HF_ERR_CONFIG, HF_PHASE_NONE, NULL);
    writer = hf_writer_on(error->message, sizeof error->message);
    hf_write_text(&writer, key);
    hf_write_text(&writer, ": only ");
    hf_write_text(&writer, accepted);
    hf_write_text(&writer, " is supported; say that or leave it out");
    return false;
}

static bool set_password(hf_config *config, const char *key, const char *value, hf_error *error) {
    hf_config_wipe(config);
    return set_string(config, key, &config->password, value, error);
}

static bool set_user(hf_config *config, const char *key, const char *value, hf_error *error) {
    return set_string(config, key, &config->user, value, error);
}

static bool set_dbname(hf_config *config, const char *key, const char *value, hf_error *error) {
    return set_string(config, key, &config->database, value, error);
}

static bool set_application(hf_config *config, const char *key, const char *value,
                            hf_error *error) {
    return set_string(config, key, &config->application_name, value, error);
}

static bool set_rootcert(hf_config *config, const char *key, const char *value, hf_error *error) {
    return set_string(config, key, &config->sslrootcert, value, error);
}

static bool set_options(hf_config *config, const char *key, const char *value, hf_error *error) {
    return set_string(config, key, &config->options, value, error);
}

static bool set_negotiation(hf_config *config, const char *key, const char *value,
                            hf_error *error) {
    static const char *const words[] = { "postgres", "direct", NULL };
    return set_word(&config->sslnegotiation, key, words, value, "not one of postgres, direct",
                    error);
}

static bool set_binding(hf_config *config, const char *key, const char *value, hf_error *error) {
    static const char *const words[] = { "prefer", "require", "disable", NULL };
    return set_word(&config->channel_binding, key, words, value,
                    "not one of prefer, require, disable", error);
}

static const struct {
    const char *key;
    bool (*set)(hf_config *config, const char *key, const char *value, hf_error *error);
} hf_keys_own[] = {
    { "host", set_hosts },
    { "port", set_ports },
    { "user", set_user },
    { "password", set_password },
    { "dbname", set_dbname },
    { "sslmode", set_sslmode },
    { "sslrootcert", set_rootcert },
    { "sslnegotiation", set_negotiation },
    { "channel_binding", set_binding },
    { "require_auth", set_require_auth },
    { "application_name", set_application },
    { "options", set_options },
};

/* A setting by its name alone: the option's dashes are not for a DSN. */
static const hf_setting *setting_of(const char *key) {
    const hf_setting *setting = hf_setting_named(key);
    return setting && strcmp(setting->name, key) == 0 ? setting : NULL;
}

static size_t foreign_of(const char *key) {
    size_t i = 0;
    while (i < HF_COUNT(hf_foreign) && strcmp(key, hf_foreign[i].key) != 0) {
        i++;
    }
    return i;
}

static size_t own_of(const char *key) {
    size_t i = 0;
    while (i < HF_COUNT(hf_keys_own) && strcmp(key, hf_keys_own[i].key) != 0) {
        i++;
    }
    return i;
}

bool hf_key_known(const char *key) {
    return own_of(key) < HF_COUNT(hf_keys_own) || foreign_of(key) < HF_COUNT(hf_foreign) ||
           setting_of(key);
}

bool hf_config_set(hf_config *config, const char *key, const char *value, hf_error *error) {
    size_t own = own_of(key), foreign = foreign_of(key);
    const hf_setting *setting = setting_of(key);
    hf_error unwanted;

    error = error ? error : &unwanted;
    if (own < HF_COUNT(hf_keys_own)) {
        return hf_keys_own[own].set(config, hf_keys_own[own].key, value, error);
    }
    if (setting) {
        return set_setting(config, setting, value, error);
    }
    if (foreign < HF_COUNT(hf_foreign)) {
        return set_foreign(foreign, value, error);
    }
    return hf_complain(error, key, "no such setting");
}
