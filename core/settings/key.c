#include "key.h"

#include "base/text.h"

#include <string.h>

/* What each key of a DSN means. Invariants: strings are copied to config->text, one behind the other, each
 * with its NUL; a password that is replaced is overwritten first; no message holds a value. */

/* Here, for their strings weigh on whoever links the file that they stand in. */
#define X(name, option, value, unit, bounds, zero, text) { option, zero, text },
const hf_setting_words hf_settings_words[] = { HF_SETTINGS(X) };
#undef X

/* ---- strings -------------------------------------------------------------------------------------- */

/* A copy that lives as long as the config; NULL: no room. */
static const char *keep(hf_config *config, const char *value, size_t bytes) {
    char *to = config->text + config->text_bytes;

    if (bytes >= sizeof config->text - config->text_bytes) {
        return NULL;
    }
    memcpy(to, value, bytes);
    to[bytes] = 0;
    config->text_of = config;
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

/* Writes down how many hosts there are, and under which name one is known that has an address alone. */
static void settle(hf_config *config) {
    config->n_hosts = config->n_names > config->n_addresses ? config->n_names : config->n_addresses;
    for (size_t i = 0; i < config->n_hosts; i++) {
        hf_host *host = &config->hosts[i];
        if (!host->name || !host->name[0]) {
            host->name = host->address ? host->address : "";
        }
    }
}

/* One host's name, checked. NULL: *error says why not. */
static const char *host_name(hf_config *config, const char *key, const char *name, size_t bytes,
                             hf_error *error) {
    const char *kept;

    for (size_t i = 0; i < bytes; i++) {
        bool outside = (unsigned char)name[i] <= ' ' || name[i] == 0x7f;
        if (outside || (name[0] != '/' && strchr("@/?#[]", name[i]))) {
            hf_complain(error, key,
                        "holds a character that no host name has; in a URL, write @ : / ? of "
                        "a user or password as %40 %3A %2F %3F");
            return NULL;
        }
    }
    kept = bytes > 0 ? keep(config, name, bytes) : "";
    if (!kept) {
        no_room(error, key);
    }
    return kept;
}

static bool set_hosts(hf_config *config, const char *key, const char *value, hf_error *error) {
    uint8_t count = 0;

    for (const char *at = value[0] ? value : NULL, *name; at;) {
        size_t bytes = item(&at, &name);
        if (count == HF_HOSTS_MAX) {
            return hf_complain(error, key, "more hosts than HF_HOSTS_MAX allows; name fewer");
        }
        config->hosts[count].name = host_name(config, key, name, bytes, error);
        if (!config->hosts[count].name) {
            return false;
        }
        count++;
    }
    config->n_names = count;
    for (; count < HF_HOSTS_MAX; count++) {
        config->hosts[count].name = NULL;
    }
    settle(config);
    return true;
}

bool hf_key_numeric(const char *text, size_t bytes) {
    bool colon = memchr(text, ':', bytes) != NULL;
    unsigned dots = 0, number = 0, digits = 0;

    for (size_t i = 0; i < bytes && text[i] != '%'; i++) { /* a scope may follow: fe80::1%eth0 */
        bool digit = text[i] >= '0' && text[i] <= '9';
        bool letter = (text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'f';
        if (!digit && text[i] != '.' && !(colon && (letter || text[i] == ':'))) {
            return false;
        }
        digits = digit ? digits + 1 : 0;
        number = digit ? number * 10 + (unsigned)(text[i] - '0') : 0;
        dots += text[i] == '.';
        if (!colon &&
            (digits > 3 || number > 255 || (text[i] == '.' && (i == 0 || i + 1 == bytes)))) {
            return false;
        }
    }
    return colon || (dots == 3 && !memchr(text, '%', bytes));
}

static bool set_addresses(hf_config *config, const char *key, const char *value, hf_error *error) {
    uint8_t count = 0;

    for (size_t i = 0; i < HF_HOSTS_MAX; i++) {
        hf_host *host = &config->hosts[i];
        host->name =
            host->name == host->address ? NULL : host->name; /* an old one's name goes too */
        host->address = NULL;
    }
    for (const char *at = value[0] ? value : NULL, *address; at;) {
        size_t bytes = item(&at, &address);
        if (count == HF_HOSTS_MAX) {
            return hf_complain(error, key, "more addresses than HF_HOSTS_MAX allows; name fewer");
        }
        if (bytes > 0 && !hf_key_numeric(address, bytes)) {
            return hf_complain(error, key, "not a numeric address; a name belongs to host");
        }
        config->hosts[count].address = bytes > 0 ? keep(config, address, bytes) : NULL;
        if (bytes > 0 && !config->hosts[count].address) {
            return no_room(error, key);
        }
        count++;
    }
    config->n_addresses = count;
    settle(config);
    return true;
}

/* A whole number as libpq reads one: blanks around it are nothing. */
static bool read_integer(const char *text, size_t bytes, int64_t *number) {
    const char *end = text + bytes;
    bool negative;

    while (text < end && hf_is_blank(*text)) {
        text++;
    }
    while (text < end && hf_is_blank(end[-1])) {
        end--;
    }
    negative = text < end && *text == '-';
    text += negative || (text < end && *text == '+');
    if (text == end) {
        return false;
    }
    for (*number = 0; text < end; text++) {
        if (*text < '0' || *text > '9' || *number > INT32_MAX / 10) {
            return false;
        }
        *number = *number * 10 + (*text - '0');
    }
    *number = negative ? -*number : *number;
    return *number <= INT32_MAX;
}

static bool set_ports(hf_config *config, const char *key, const char *value, hf_error *error) {
    uint16_t ports[HF_HOSTS_MAX] = { 0 };
    uint8_t count = 0;

    for (const char *at = value[0] ? value : NULL, *digit; at;) {
        size_t bytes = item(&at, &digit);
        int64_t port = 0;
        if (count == HF_HOSTS_MAX) {
            return hf_complain(error, key, "more ports than HF_HOSTS_MAX allows; name fewer");
        }
        if (bytes > 0 && (!read_integer(digit, bytes, &port) || port < 1 || port > UINT16_MAX)) {
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

/* As libpq translates the keyword that sslmode replaced. */
static bool set_requiressl(hf_config *config, const char *key, const char *value, hf_error *error) {
    return value[0] == 0 || set_sslmode(config, value[0] == '1' ? "sslmode" : key,
                                        value[0] == '1' ? "require" : "prefer", error);
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

static bool set_connect_timeout(hf_config *config, const char *key, const char *value,
                                hf_error *error) {
    int64_t seconds;
    char digits[12];
    hf_writer writer = hf_writer_on(digits, sizeof digits);

    if (read_integer(value, strlen(value), &seconds)) { /* libpq's: 0 or less is no limit */
        hf_write_unsigned(&writer, (uint64_t)seconds);
        value = seconds <= 0 ? "forever" : digits;
    }
    return hf_setting_set(config, hf_setting_named(key), value, error);
}

/* ---- the client's socket -------------------------------------------------------------------------- */

static bool set_keepalives(hf_config *config, const char *key, const char *value, hf_error *error) {
    int64_t number = 1;

    if (value[0] && !read_integer(value, strlen(value), &number)) {
        return hf_complain(error, key, "not a number: 1, or 0 for none");
    }
    config->keepalives_off = number == 0;
    return true;
}

/* 0 and less is the system's, as for libpq. */
static bool set_count(uint32_t *field, const char *key, const char *value, uint32_t otherwise,
                      int64_t most, hf_error *error) {
    int64_t number = 0;

    if (value[0] && (!read_integer(value, strlen(value), &number) || number > most)) {
        return hf_complain(error, key,
                           most == 127     ? "not a number up to 127"
                           : most == 32767 ? "not a number of seconds up to 32767"
                                           : "not a number of ms");
    }
    *field = !value[0] ? 0 : number <= 0 ? otherwise : (uint32_t)number;
    return true;
}

static bool set_keepalives_idle(hf_config *config, const char *key, const char *value,
                                hf_error *error) {
    return set_count(&config->keepalives_idle_s, key, value, HF_UNSET, 32767, error);
}

static bool set_keepalives_interval(hf_config *config, const char *key, const char *value,
                                    hf_error *error) {
    return set_count(&config->keepalives_interval_s, key, value, HF_UNSET, 32767, error);
}

static bool set_keepalives_count(hf_config *config, const char *key, const char *value,
                                 hf_error *error) {
    return set_count(&config->keepalives_count, key, value, HF_UNSET, 127, error);
}

static bool set_user_timeout(hf_config *config, const char *key, const char *value,
                             hf_error *error) {
    return set_count(&config->tcp_user_timeout_ms, key, value, 0, INT32_MAX, error);
}

/* ---- TLS and the session -------------------------------------------------------------------------- */

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

static bool set_certmode(hf_config *config, const char *key, const char *value, hf_error *error) {
    static const char *const words[] = { "allow", "require", "disable", NULL };
    if (!HF_WITH_CLIENT_CERT && strcmp(value, "require") == 0) {
        return hf_complain(error, key, HF_KEY_NO_CERT);
    }
    return set_word(&config->sslcertmode, key, words, value, "not one of allow, require, disable",
                    error);
}

/* The n of TLSv1.n, caseless as libpq has it; 0 for TLSv1, -1 none of them. */
static int tls_minor(const char *value) {
    static const char name[] = "tlsv1";

    for (size_t i = 0; name[i]; i++, value++) {
        if (*value != name[i] && (*value | 0x20) != name[i]) {
            return -1;
        }
    }
    if (*value == 0) {
        return 0;
    }
    return value[0] == '.' && value[1] >= '1' && value[1] <= '3' && !value[2] ? value[1] - '0' : -1;
}

static bool set_tls_min(hf_config *config, const char *key, const char *value, hf_error *error) {
    int minor = value[0] ? tls_minor(value) : 0;

    if (minor < 0) {
        return hf_complain(error, key, "not one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3");
    }
    config->ssl_min_version = minor == 3 ? HF_TLS_1_3 : minor == 2 ? HF_TLS_1_2 : HF_TLS_DEFAULT;
    return true;
}

static bool set_tls_max(hf_config *config, const char *key, const char *value, hf_error *error) {
    int minor = value[0] ? tls_minor(value) : 3;

    if (minor < 0) {
        return hf_complain(error, key, "not one of TLSv1.2, TLSv1.3");
    }
    if (minor < 2) {
        return hf_complain(error, key, "holdfast speaks nothing older than TLSv1.2; say that");
    }
    config->ssl_max_version = !value[0] ? HF_TLS_DEFAULT : minor == 3 ? HF_TLS_1_3 : HF_TLS_1_2;
    return true;
}

/* UTF8 in every spelling that PostgreSQL takes: it looks at letters and digits alone, whatever their case. */
static bool set_encoding(hf_config *config, const char *key, const char *value, hf_error *error) {
    char clean[16];
    size_t length = 0;

    (void)config;
    for (const char *at = value; *at && length + 1 < sizeof clean; at++) {
        char small = *at >= 'A' && *at <= 'Z' ? (char)(*at | 0x20) : *at;
        if ((small >= 'a' && small <= 'z') || (small >= '0' && small <= '9')) {
            clean[length++] = small;
        }
    }
    clean[length] = 0;
    if (!value[0] || strcmp(clean, "utf8") == 0 || strcmp(clean, "unicode") == 0) {
        return true;
    }
    return hf_complain(error, key,
                       strcmp(clean, "auto") == 0
                           ? "auto asks the locale, holdfast speaks UTF8; say UTF8 or leave it out"
                           : "holdfast speaks UTF8; say that or leave it out");
}

static bool set_application(hf_config *config, const char *key, const char *value,
                            hf_error *error) {
    config->named = true;
    return set_string(config, key, &config->application_name, value, error);
}

static bool set_fallback(hf_config *config, const char *key, const char *value, hf_error *error) {
    return config->named || !value[0] ||
           set_string(config, key, &config->application_name, value, error);
}

/* ---- the protocol's version ------------------------------------------------------------------------ */

_Static_assert(HF_PROTOCOL_3_0 == 1 && HF_PROTOCOL_3_2 == 2,
               "set_version() takes a word's place for its version");

static bool set_version(hf_config *config, const char *key, const char *value, hf_error *error) {
    static const char *const words[] = { "", "3.0", "3.2", "latest", NULL };
    uint8_t version = 0;

    if (!set_word(&version, key, words, value, "not one of 3.0, 3.2, latest", error)) {
        return false;
    }
    version = version > HF_PROTOCOL_LATEST ? HF_PROTOCOL_LATEST : version;
#if HF_WITH_VERSIONS
    const bool least = strcmp(key, "min_protocol_version") == 0;
    *(least ? &config->min_protocol_version : &config->max_protocol_version) = version;
#endif
    (void)config;
    return HF_WITH_VERSIONS || version <= HF_PROTOCOL_3_0 ||
           hf_complain(error, key, HF_KEY_NO_VERSIONS);
}

/* ---- libpq's keywords ----------------------------------------------------------------------------- */

typedef bool hf_key_set(hf_config *config, const char *key, const char *value, hf_error *error);

enum { TEXT, CERT, CRL, SCRAM, SPECIAL, ONLY, NEVER, PROGRAM, VARIABLE };

/* A row of HF_LIBPQ. */
typedef struct hf_keyword {
    const char *key;
    uint16_t offset;      /* of the const char * in hf_config */
    uint8_t how;          /* one of the above */
    hf_key_set *special;  /* of SPECIAL */
    const char *accepted; /* of ONLY: values, one blank between two */
    const char *why;      /* of ONLY and NEVER */
} hf_keyword;

#define HF_ROW_TEXT(field, text) .offset = offsetof(hf_config, field)
#define HF_ROW_CERT(field, text) .offset = offsetof(hf_config, field)
#define HF_ROW_CRL(field, text)  .offset = offsetof(hf_config, field)
#if HF_WITH_CREDENTIALS
#define HF_ROW_SCRAM(field, text) .offset = offsetof(hf_config, field)
#else
#define HF_ROW_SCRAM(field, text) .offset = 0
#endif
#define HF_ROW_SPECIAL(name, text)  .special = set_##name
#define HF_ROW_ONLY(values, text)   .accepted = (values), .why = (text)
#define HF_ROW_NEVER(none, text)    .why = (text)
#define HF_ROW_PROGRAM(name, text)  .why = PROGRAMS
#define HF_ROW_VARIABLE(none, text) .why = NULL
#define PROGRAMS                    "the library reads no files: set what stands there by itself"
#define X(keyword, variable, kind, detail, text) \
    { keyword, .how = (kind), HF_ROW_##kind(detail, text) },
static const hf_keyword hf_keywords[] = { HF_LIBPQ(X) };
#undef X

enum { HF_KEYWORDS = sizeof hf_keywords / sizeof hf_keywords[0] };

static bool set_field(hf_config *config, const hf_keyword *row, const char *value,
                      hf_error *error) {
    const char **field = (const char **)(void *)((char *)config + row->offset);

    if (value[0] && row->how == CERT && !HF_WITH_CLIENT_CERT) {
        return hf_complain(error, row->key, HF_KEY_NO_CERT);
    }
    if (value[0] && row->how == CRL && !HF_WITH_CRL) {
        return hf_complain(error, row->key, HF_KEY_NO_CRL);
    }
    if (row->how == SCRAM && !HF_WITH_CREDENTIALS) {
        return !value[0] || hf_complain(error, row->key, HF_KEY_NO_CREDENTIALS);
    }
    if (row->how == SCRAM && value[0] && !hf_is_scram_key(value)) {
        return hf_complain(error, row->key, HF_KEY_BAD_SCRAM);
    }
    hf_config_wipe_text(config, field); /* it may have been a password */
    return set_string(config, row->key, field, value, error);
}

/* "key: only A or B: why" */
static bool refuse(const hf_keyword *row, hf_error *error) {
    char text[HF_MESSAGE_BYTES];
    hf_writer writer = hf_writer_on(text, sizeof text);

    if (!row->accepted) {
        return hf_complain(error, row->key, row->why);
    }
    for (const char *word = row->accepted, *end; *word; word = *end ? end + 1 : end) {
        end = word + strcspn(word, " ");
        hf_write_text(&writer, word == row->accepted ? "only " : *end ? ", " : " or ");
        hf_write_printable(&writer, word, (size_t)(end - word));
    }
    hf_write_text(&writer, ": ");
    hf_write_text(&writer, row->why);
    return hf_complain(error, row->key, text);
}

static bool set_keyword(hf_config *config, const hf_keyword *row, const char *value,
                        hf_error *error) {
    if (row->special) {
        return row->special(config, row->key, value, error);
    }
    if (row->how <= SCRAM) {
        return set_field(config, row, value, error);
    }
    return !value[0] || (row->accepted && hf_word_among(row->accepted, value, strlen(value))) ||
           refuse(row, error);
}

/* A setting by its name alone: the option's dashes are not for a DSN. */
static const hf_setting *setting_of(const char *key) {
    const hf_setting *setting = hf_setting_named(key);
    return setting && strcmp(setting->name, key) == 0 ? setting : NULL;
}

static const hf_keyword *keyword_of(const char *key) {
    for (size_t i = 0; i < HF_KEYWORDS; i++) {
        if (hf_keywords[i].key[0] && strcmp(key, hf_keywords[i].key) == 0) {
            return &hf_keywords[i];
        }
    }
    return NULL;
}

bool hf_key_known(const char *key) {
    return keyword_of(key) || setting_of(key);
}

bool hf_config_set(hf_config *config, const char *key, const char *value, hf_error *error) {
    const hf_keyword *keyword = keyword_of(key);
    const hf_setting *setting = setting_of(key);
    hf_error unwanted;

    error = error ? error : &unwanted;
    if (!hf_config_whole(config, error)) {
        return false;
    }
    if (keyword) {
        return set_keyword(config, keyword, value, error);
    }
    if (setting) {
        return hf_setting_set(config, setting, value, error);
    }
    return hf_complain(error, key, "no such setting");
}
