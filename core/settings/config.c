#include "holdfast/config.h"

#include "base/text.h"
#include "key.h"

#include <limits.h>
#include <string.h>

/* The settings' table as data, how a value of each unit is written, and whether the settings fit each other.
 * Invariant: what hf_config_check() let pass, no other part has to doubt. */

#define X(name, option, value, unit, bounds, zero, text) \
    { #name,                                             \
      (value),                                           \
      HF_LEAST bounds,                                   \
      HF_MOST bounds,                                    \
      offsetof(hf_config, HF_FIELD_##unit(name)),        \
      HF_UNIT_##unit },
const hf_setting hf_settings[] = { HF_SETTINGS(X) };
#undef X

const size_t hf_settings_count = sizeof hf_settings / sizeof hf_settings[0];

/* Relations between what is fixed when holdfast is compiled. */
_Static_assert(HF_HOSTS_MAX >= 1 && HF_HOSTS_MAX <= 255,
               "n_hosts is one byte: make HF_HOSTS_MAX 1 to 255");
_Static_assert(HF_DSN_BYTES >= 64 && HF_DSN_BYTES <= UINT16_MAX,
               "text_bytes has 16 bits: make HF_DSN_BYTES 64 to 65535");
_Static_assert(HF_MESSAGE_BYTES >= 128, "messages name a setting, its value and the way out: make "
                                        "HF_MESSAGE_BYTES 128 or more");
_Static_assert(sizeof hf_settings / sizeof hf_settings[0] <= 32,
               "hf_config.given has a bit for each setting: make it uint64_t");
#define X(name, option, value, unit, bounds, zero, text)                                   \
    _Static_assert((value) == HF_UNSET || ((int64_t)(value) >= (int64_t)HF_LEAST bounds && \
                                           (int64_t)(value) <= (int64_t)HF_MOST bounds),   \
                   "the default of " option " lies outside its bounds: change one of them");
HF_SETTINGS(X)
#undef X

/* ---- one setting ------------------------------------------------------------------------------- */

const hf_setting *hf_setting_named(const char *name) {
    for (size_t i = 0; i < hf_settings_count; i++) {
        if (hf_same_name(hf_settings[i].name, name)) {
            return &hf_settings[i];
        }
    }
    return NULL;
}

/* "15.0 s", "3", "50 %", "forever" */
static void write_value(hf_writer *writer, const hf_setting *setting, uint32_t value) {
    if (value == HF_FOREVER) {
        hf_write_text(writer, "forever");
        return;
    }
    if (value == HF_UNSET) {
        hf_write_text(writer, "unset");
        return;
    }
    switch ((hf_unit)setting->unit) {
    case HF_UNIT_MS: hf_write_seconds(writer, value); return;
    case HF_UNIT_COUNT: hf_write_unsigned(writer, value); return;
    case HF_UNIT_PERCENT:
        hf_write_unsigned(writer, value);
        hf_write_text(writer, " %");
        return;
    case HF_UNIT_BYTES:
        hf_write_unsigned(writer, value);
        hf_write_text(writer, " bytes");
        return;
    }
}

/* Starts "retry_delay is 2.0 s: " in the error's message. */
static hf_writer complain_of(hf_error *error, const hf_setting *setting, uint32_t value) {
    hf_writer writer;

    hf_error_set(error, HF_ERR_CONFIG, HF_PHASE_NONE, NULL);
    writer = hf_writer_on(error->message, sizeof error->message);
    hf_write_text(&writer, setting->name);
    hf_write_text(&writer, " is ");
    write_value(&writer, setting, value);
    hf_write_text(&writer, ": ");
    return writer;
}

bool hf_setting_check(const hf_setting *setting, uint32_t value, hf_error *error) {
    hf_error unwanted;
    hf_writer writer;
    bool low = value<setting->minimum, high = value> setting->maximum;

    if ((!low && !high) || (value == HF_UNSET && setting->value == HF_UNSET)) {
        return true;
    }
    error = error ? error : &unwanted;
    if (!HF_WITH_MESSAGES) {
        return hf_complain(error, setting->name, "");
    }
    writer = complain_of(error, setting, value);
    hf_write_text(&writer, low ? "at least " : "at most ");
    write_value(&writer, setting, low ? setting->minimum : setting->maximum);
    return false;
}

/* ---- how values are written ---------------------------------------------------------------------- */

/* Digits, at least one, up to `most`. */
static bool digits(const char **text, uint64_t most, uint64_t *value) {
    const char *at = *text;

    *value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        *value = *value * 10 + (uint64_t)(*at - '0');
        if (*value > most) {
            return false;
        }
    }
    if (at == *text) {
        return false;
    }
    *text = at;
    return true;
}

bool hf_duration_parse(const char *text, uint32_t *ms) {
    static const struct {
        const char *name;
        uint32_t ms;
    } units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    uint64_t whole, fraction = 0, scale = 1, total;

    if (strcmp(text, "forever") == 0) {
        *ms = HF_FOREVER;
        return true;
    }
    if (!digits(&text, HF_FOREVER, &whole)) {
        return false;
    }
    if (*text == '.') {
        const char *first = ++text;
        if (!digits(&text, 999999999, &fraction) || text - first > 9) {
            return false;
        }
        for (; first < text; first++) {
            scale *= 10;
        }
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text, units[i].name) == 0) {
            if (fraction * units[i].ms % scale != 0) {
                return false; /* finer than a millisecond: never silently 0, which means something else */
            }
            total = whole * units[i].ms + fraction * units[i].ms / scale;
            *ms = total <= HF_DURATION_MAX ? (uint32_t)total : 0;
            return total <= HF_DURATION_MAX;
        }
    }
    return false;
}

static bool count_parse(const char *text, uint32_t *value) {
    uint64_t count;

    if (strcmp(text, "forever") == 0) {
        *value = HF_FOREVER;
        return true;
    }
    if (!digits(&text, HF_DURATION_MAX, &count) || *text) {
        return false;
    }
    *value = (uint32_t)count;
    return true;
}

static bool percent_parse(const char *text, uint32_t *value) {
    uint64_t count;

    if (!digits(&text, HF_DURATION_MAX, &count) || (*text && strcmp(text, "%") != 0)) {
        return false;
    }
    *value = (uint32_t)count;
    return true;
}

static bool bytes_parse(const char *text, uint32_t *value) {
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        { "", 1 }, { "KiB", 1024 }, { "MiB", 1024 * 1024 }, { "GiB", 1024 * 1024 * 1024 }
    };
    uint64_t count;

    if (!digits(&text, HF_DURATION_MAX, &count)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text, units[i].name) == 0 && count <= HF_DURATION_MAX / units[i].bytes) {
            *value = (uint32_t)(count * units[i].bytes);
            return true;
        }
    }
    return false;
}

bool hf_setting_parse(const hf_setting *setting, const char *text, uint32_t *value,
                      hf_error *error) {
    const char *what = "";
    hf_error unwanted;
    uint32_t parsed = 0;
    bool good = false;

    error = error ? error : &unwanted;
    switch ((hf_unit)setting->unit) {
    case HF_UNIT_MS:
        good = hf_duration_parse(text, &parsed);
        what = "not a duration: 500ms, 2s, 15m, 1h, plain seconds or forever";
        break;
    case HF_UNIT_COUNT:
        good = count_parse(text, &parsed);
        what = "not a count: 3, or forever";
        break;
    case HF_UNIT_PERCENT:
        good = percent_parse(text, &parsed);
        what = "not a percentage: 0 to 100";
        break;
    case HF_UNIT_BYTES:
        good = bytes_parse(text, &parsed);
        what = "not a size: 16384, 16KiB or 4MiB";
        break;
    }
    if (!good) {
        return hf_complain(error, setting->name, what);
    }
    if (!hf_setting_check(setting, parsed, error)) {
        return false;
    }
    *value = parsed;
    return true;
}

/* ---- whether they fit each other ----------------------------------------------------------------- */

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
        hf_writer writer = complain_of(error, delay, config->retry_delay_ms);
        hf_write_text(&writer, "longer than max_retry_delay (");
        hf_write_seconds(&writer, config->max_retry_delay_ms);
        hf_write_text(&writer, "); shorten it or raise max_retry_delay");
        return false;
    }
    return true;
}

/* CR and LF would end a line where such a text is logged or put into a header (SECURITY 15). */
static bool clean(const char *text) {
    return !text || !text[strcspn(text, "\r\n")];
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
        if (!clean(text)) {
            return hf_complain(error, strings[i].key, HF_MESSAGE("holds a line end; remove it"));
        }
    }
    if (!config->user || !config->user[0]) {
        return hf_complain(error, "user", HF_MESSAGE("none given; say user=NAME"));
    }
    return true;
}

bool hf_config_wants_tls(const hf_config *config) {
    for (size_t i = 0; i < config->n_hosts; i++) {
        if (hf_host_wants_tls(config, &config->hosts[i])) {
            return true;
        }
    }
    return config->n_hosts == 0 && config->sslmode != HF_SSL_DISABLE;
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
    return HF_HOSTS_MAX == 1 || check_lists(config, error);
}

bool hf_config_has_password(const hf_config *config) {
    bool any = config->password != NULL;

    for (size_t i = 0; i < HF_HOSTS_MAX; i++) { /* those beyond n_hosts have none */
        any = any || config->hosts[i].password;
    }
    return any;
}

/* Does require_auth let a SCRAM exchange happen? */
static bool scram(const hf_config *config) {
    return hf_config_has_password(config) &&
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
        !hf_config_has_password(config)) {
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

bool hf_config_whole(const hf_config *config, hf_error *error) {
    return !HF_WITH_MESSAGES || !config->text_of || config->text_of == config ||
           hf_complain(
               error, "config",
               HF_MESSAGE("a copy by =, whose strings lie in another; use hf_config_copy()"));
}

bool hf_config_check(const hf_config *config, hf_error *error) {
    hf_error unwanted;

    error = error ? error : &unwanted;
    if (!config->driver) {
        return hf_complain(error, "driver", HF_MESSAGE("none; start from HF_CONFIG_DEFAULT"));
    }
    return hf_config_whole(config, error) && check_settings(config, error) &&
           check_hosts(config, error) && check_strings(config, error) && check_tls(config, error) &&
           check_security(config, error);
}

/* The same place of its own text, if it was one of the other's. */
static void move(const char **text, hf_config *to, const hf_config *from) {
    if (*text >= from->text && *text < from->text + sizeof from->text) {
        *text = to->text + (*text - from->text);
    }
}

void hf_config_copy(hf_config *to, const hf_config *from) {
    static const uint16_t strings[] = {
        offsetof(hf_config, user),        offsetof(hf_config, password),
        offsetof(hf_config, database),    offsetof(hf_config, application_name),
        offsetof(hf_config, sslrootcert), offsetof(hf_config, sslcert),
        offsetof(hf_config, sslkey),      offsetof(hf_config, sslpassword),
        offsetof(hf_config, sslcrl),      offsetof(hf_config, sslcrldir),
        offsetof(hf_config, requirepeer), offsetof(hf_config, options),
        offsetof(hf_config, parameters),
    };
    if (to == from) {
        return;
    }
    *to = *from;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        move((const char **)(void *)((char *)to + strings[i]), to, from);
    }
    for (size_t i = 0; i < HF_HOSTS_MAX; i++) {
        move(&to->hosts[i].name, to, from);
        move(&to->hosts[i].address, to, from);
        move(&to->hosts[i].password, to, from);
    }
    to->text_of = from->text_of ? to : NULL;
}

void hf_config_wipe_text(hf_config *config, const char **field) {
    const char *text = *field;

    if (text && text >= config->text && text < config->text + sizeof config->text) {
        hf_wipe(config->text + (text - config->text), strlen(text));
        *field = NULL;
    }
}

void hf_config_wipe(hf_config *config) {
    hf_config_wipe_text(config, &config->password);
    hf_config_wipe_text(config, &config->sslpassword);
}
