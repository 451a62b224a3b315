#include "base/text.h"
#include "key.h"
#include "table.h"

#include <string.h>

/* Whether the settings fit each other. Invariant: what hf_config_check() let pass, no other part has to doubt. */

static bool check_settings(const hf_config *config, hf_error *error) {
    for (size_t i = 0; i < hf_settings_count; i++) {
        uint32_t value;
        memcpy(&value, (const char *)config + hf_settings[i].offset, sizeof value);
        if (!hf_setting_check(&hf_settings[i], value, error)) {
            return false;
        }
    }
    if (config->retry_delay_ms > config->max_retry_delay_ms && !HF_WITH_MESSAGES) {
        return hf_complain(error, "retry_delay", "");
    }
    if (config->retry_delay_ms > config->max_retry_delay_ms) {
        const hf_setting *delay = hf_setting_named("retry_delay");
        hf_writer writer = hf_complain_value(error, delay, config->retry_delay_ms);
        hf_write_text(&writer, "longer than max_retry_delay (");
        hf_write_seconds(&writer, config->max_retry_delay_ms);
        hf_write_text(&writer, "); shorten it or raise max_retry_delay");
        return false;
    }
    return true;
}

/* CR and LF would end a line where such a text is logged or put into a header (SECURITY 15). */
static bool has_no_line_end(const char *text) {
    return !text || !text[strcspn(text, "\r\n")];
}

/* May the user be what the credentials callback gives? */
static bool may_be_given(const hf_config *config) {
#if HF_WITH_CREDENTIALS
    return config->credentials;
#else
    (void)config;
    return false;
#endif
}

static bool check_strings(const hf_config *config, hf_error *error) {
    static const struct {
        const char *key;
        size_t offset;
    } strings[] = {
        { "user", offsetof(hf_config, user) },
        { "password", offsetof(hf_config, password) },
        { "dbname", offsetof(hf_config, database) },
        { "application_name", offsetof(hf_config, application_name) },
        { "sslrootcert", offsetof(hf_config, sslrootcert) },
        { "options", offsetof(hf_config, options) },
#if HF_WITH_CLIENT_CERT
        { "sslcert", offsetof(hf_config, sslcert) },
        { "sslkey", offsetof(hf_config, sslkey) },
        { "sslpassword", offsetof(hf_config, sslpassword) },
#endif
#if HF_WITH_CRL
        { "sslcrl", offsetof(hf_config, sslcrl) },
        { "sslcrldir", offsetof(hf_config, sslcrldir) },
#endif
#if !HF_SMALL
        { "requirepeer", offsetof(hf_config, requirepeer) },
#endif
    };

    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        const char *text;
        memcpy(&text, (const char *)config + strings[i].offset, sizeof text);
        if (!has_no_line_end(text)) {
            return hf_complain(error, strings[i].key, HF_MESSAGE("holds a line end; remove it"));
        }
    }
    if ((!config->user || !config->user[0]) && !may_be_given(config)) {
        return hf_complain(error, "user", HF_MESSAGE("none given; say user=NAME"));
    }
    return true;
}

/* Is TLS spoken with whichever host is connected to? */
static bool always_tls(const hf_config *config) {
    for (size_t i = 0; i < config->n_hosts; i++) {
        if (!hf_host_wants_tls(config, &config->hosts[i])) {
            return false;
        }
    }
    return true;
}

/* What the two lists must be to each other, and what an address is. */
static bool check_lists(const hf_config *config, hf_error *error) {
    if (config->n_addresses > 0 && config->n_names > 0 && config->n_addresses != config->n_names) {
        return hf_complain(error, "hostaddr", HF_MESSAGE("give one for each host, or no host"));
    }
    for (size_t i = 0; i < config->n_hosts; i++) {
        const char *address = config->hosts[i].address;
        if (address && !hf_key_numeric(address, strlen(address))) {
            return hf_complain(error, "hostaddr",
                               HF_MESSAGE("not a numeric address; a name belongs to host"));
        }
    }
    if (config->n_ports > 1 && config->n_ports != config->n_hosts) {
        return hf_complain(error, "port",
                           HF_MESSAGE("give one for all hosts, or as many as there are hosts"));
    }
    return true;
}

static bool check_hosts(const hf_config *config, hf_error *error) {
    if (config->n_hosts == 0) {
        return hf_complain(error, "host", HF_MESSAGE("none given; say host=NAME"));
    }
    if (config->n_hosts > HF_HOSTS_MAX) {
        return hf_complain(error, "host", HF_MESSAGE("more hosts than HF_HOSTS_MAX; name fewer"));
    }
    for (size_t i = 0; i < config->n_hosts; i++) {
        const char *name = config->hosts[i].name;
        if (!name || !name[0]) {
            return hf_complain(error, "host", HF_MESSAGE("one of the list is empty; name it"));
        }
        for (; *name; name++) {
            if ((unsigned char)*name <= ' ' || *name == 0x7f) {
                return hf_complain(error, "host",
                                   HF_MESSAGE("holds a space or a control character; remove it"));
            }
        }
    }
    return !HF_MANY_HOSTS || check_lists(config, error);
}

/* Is there something to prove a login with, or somebody who may give it? */
static bool has_secret(const hf_config *config) {
    bool other = false;
#if HF_WITH_CREDENTIALS
    const bool scram = config->require_auth == 0 || (config->require_auth & HF_AUTH_SCRAM);
    other = config->credentials || (config->scram_client_key && scram);
#endif
    return other || hf_config_has_password(config);
}

/* Does require_auth let a SCRAM exchange happen? */
static bool scram(const hf_config *config) {
    return has_secret(config) &&
           (config->require_auth == 0 || (config->require_auth & HF_AUTH_SCRAM));
}

/* Certificates of the client, revocation lists and versions of TLS: is what was asked for in this build, and can it
 * be had? */
static bool check_tls(const hf_config *config, hf_error *error) {
    if (!HF_WITH_CLIENT_CERT && (config->sslcert || config->sslcertmode == HF_SSLCERT_REQUIRE)) {
        return hf_complain(error, "sslcert", HF_MESSAGE(HF_KEY_NO_CERT));
    }
    if (!HF_WITH_CRL && (config->sslcrl || config->sslcrldir)) {
        return hf_complain(error, "sslcrl", HF_MESSAGE(HF_KEY_NO_CRL));
    }
    if (HF_SMALL && config->parameters) {
        return hf_complain(error, "parameters", "");
    }
    if (HF_WITH_MESSAGES && config->ssl_max_version != HF_TLS_DEFAULT &&
        config->ssl_min_version > config->ssl_max_version) {
        return hf_complain(error, "ssl_min_protocol_version",
                           HF_MESSAGE("newer than ssl_max_protocol_version"));
    }
    if (!HF_WITH_CLIENT_CERT || config->sslcertmode == HF_SSLCERT_DISABLE) {
        return true;
    }
    if (config->sslcertmode == HF_SSLCERT_REQUIRE && !config->sslcert) {
        return hf_complain(error, "sslcertmode", HF_MESSAGE("require needs sslcert and sslkey"));
    }
    if (config->sslcertmode == HF_SSLCERT_REQUIRE && !always_tls(config)) {
        return hf_complain(
            error, "sslcertmode",
            HF_MESSAGE("require needs TLS; sslmode=disable and a Unix socket have none"));
    }
    if (config->sslcert && !config->sslkey && hf_config_wants_tls(config)) {
        return hf_complain(
            error, "sslkey",
            HF_MESSAGE("none given for the certificate of sslcert; say sslkey=FILE"));
    }
    return true;
}

/* Versions of the protocol: a build without them has no such settings. */
static bool check_versions(const hf_config *config, hf_error *error) {
#if HF_WITH_VERSIONS
    if (config->min_protocol_version > HF_PROTOCOL_LATEST ||
        config->max_protocol_version > HF_PROTOCOL_LATEST) {
        return hf_complain(error, "max_protocol_version",
                           HF_MESSAGE("or min_protocol_version: not an hf_protocol_version"));
    }
    if (config->min_protocol_version > hf_config_newest_protocol(config)) {
        return hf_complain(error, "min_protocol_version",
                           HF_MESSAGE("newer than max_protocol_version"));
    }
#endif
    (void)config, (void)error;
    return true;
}

/* SCRAM keys and the credentials callback, likewise. */
static bool check_credentials(const hf_config *config, hf_error *error) {
#if HF_WITH_CREDENTIALS
    const char *client = config->scram_client_key, *server = config->scram_server_key;

    if (!client != !server) {
        return hf_complain(error, client ? "scram_server_key" : "scram_client_key",
                           HF_MESSAGE("none given beside the other one: say both, or neither"));
    }
    if ((client && !hf_is_scram_key(client)) || (server && !hf_is_scram_key(server))) {
        return hf_complain(error, hf_is_scram_key(client) ? "scram_server_key" : "scram_client_key",
                           HF_MESSAGE(HF_KEY_BAD_SCRAM));
    }
#endif
    (void)config, (void)error;
    return true;
}

static bool check_security(const hf_config *config, hf_error *error) {
    bool disabled = config->sslmode == HF_SSL_DISABLE;

    if (config->sslmode > HF_SSL_DISABLE) {
        return hf_complain(error, "sslmode",
                           HF_MESSAGE("not an hf_sslmode; start from HF_CONFIG_DEFAULT"));
    }
    if (config->sslnegotiation > HF_SSLNEGOTIATION_DIRECT) {
        return hf_complain(error, "sslnegotiation", HF_MESSAGE("not an hf_sslnegotiation"));
    }
    if (config->channel_binding > HF_BINDING_DISABLE) {
        return hf_complain(error, "channel_binding", HF_MESSAGE("not an hf_channel_binding"));
    }
    if (config->require_auth > (HF_AUTH_NONE | HF_AUTH_PASSWORD | HF_AUTH_MD5 | HF_AUTH_SCRAM)) {
        return hf_complain(error, "require_auth", HF_MESSAGE("holds a bit that is no HF_AUTH_*"));
    }
    if (config->require_auth != 0 && !(config->require_auth & HF_AUTH_NONE) &&
        !has_secret(config)) {
        return hf_complain(
            error, "require_auth",
            HF_MESSAGE("needs a password and none is given; give one, or allow none"));
    }
    if (config->sslnegotiation == HF_SSLNEGOTIATION_DIRECT && disabled) {
        return hf_complain(error, "sslnegotiation",
                           HF_MESSAGE("direct needs TLS; sslmode=disable forbids it"));
    }
    if (config->sslrootcert && strcmp(config->sslrootcert, "system") == 0 && !disabled &&
        config->sslmode != HF_SSL_VERIFY_FULL) {
        return hf_complain(
            error, "sslrootcert",
            HF_MESSAGE("system vouches for any site; use it with sslmode=verify-full"));
    }
    if (config->channel_binding != HF_BINDING_REQUIRE) {
        return true;
    }
    if (!always_tls(config)) {
        return hf_complain(error, "channel_binding",
                           disabled ? HF_MESSAGE("require needs TLS; sslmode=disable forbids it")
                                    : HF_MESSAGE("require needs TLS; a Unix socket has none"));
    }
    if (!scram(config)) {
        return hf_complain(error, "channel_binding",
                           HF_MESSAGE("require needs a password and require_auth=scram-sha-256"));
    }
    return true;
}

bool hf_config_check(const hf_config *config, hf_error *error) {
    hf_error unwanted;

    error = error ? error : &unwanted;
    if (!config->driver) {
        return hf_complain(error, "driver", HF_MESSAGE("none; start from HF_CONFIG_DEFAULT"));
    }
    return hf_config_whole(config, error) && check_settings(config, error) &&
           check_hosts(config, error) && check_strings(config, error) && check_tls(config, error) &&
           check_versions(config, error) && check_credentials(config, error) &&
           check_security(config, error);
}
