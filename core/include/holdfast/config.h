/* Settings: what a pool is told. One table gives each number its field, default, unit, bounds and what 0 means; the
 * README's table, the program's options and the keys of a connection string are made from the table.
 *
 * Sources: connection strings and their keys, PostgreSQL docs 34.1.1 and 34.1.2.
 */
#ifndef HF_CONFIG_H
#define HF_CONFIG_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, option, default, unit, (minimum, maximum), what 0 means, what the setting is)
 *
 * name: the key in a connection string and in the program's config file. The field of hf_config has the unit's suffix
 * behind the name: retry_delay -> retry_delay_ms, jitter -> jitter_percent.
 * option: the same with dashes, the program's option.
 * unit: MS for a duration in ms, COUNT, PERCENT, BYTES.
 * maximum: HF_FOREVER where there is none; HF_FOREVER as a value then means no limit. */
// clang-format off
#define HF_SETTINGS(X)                                                                              \
    X(max_concurrent, "max-concurrent", HF_CONNS_USUAL, COUNT, (1, HF_CONNS_MAX), "not allowed",    \
      "connections at most")                                                                        \
    X(max_retries, "max-retries", 5, COUNT, (0, HF_FOREVER), "never re-sent",                       \
      "re-sends of one statement")                                                                  \
    X(retry_delay, "retry-delay", 2000, MS, (0, HF_DURATION_MAX), "at once",                        \
      "first delay of the backoff schedule")                                                        \
    X(max_retry_delay, "max-retry-delay", 30000, MS, (0, HF_FOREVER), "at once",                    \
      "longest delay of the schedule")                                                              \
    X(retry_factor, "retry-factor", 2, COUNT, (1, 100), "not allowed",                              \
      "each delay is the last one times this")                                                      \
    X(first_delay, "first-delay", HF_UNSET, MS, (0, HF_DURATION_MAX), "at once",                    \
      "delay after the first loss (default: retry-delay)")                                          \
    X(jitter, "jitter", 50, PERCENT, (0, 100), "exactly the schedule",                              \
      "a delay is shortened by up to this much")                                                    \
    X(connect_retries, "connect-retries", 3, COUNT, (0, HF_FOREVER), "one try",                     \
      "dials after the first before it was ever up")                                                \
    X(connect_timeout, "connect-timeout", 15000, MS, (1, HF_FOREVER), "not allowed",                \
      "one attempt at the first connection")                                                        \
    X(reconnect_timeout, "reconnect-timeout", 15000, MS, (1, HF_FOREVER), "not allowed",            \
      "one attempt to get a lost connection back")                                                  \
    X(probe_reconnect_timeout, "probe-reconnect-timeout", 10000, MS, (1, HF_FOREVER), "not allowed",\
      "the same after a failed probe")                                                              \
    X(close_timeout, "close-timeout", 5000, MS, (0, HF_DURATION_MAX), "drop at once",               \
      "graceful close; also a cancel and its grace")                                                \
    X(probe_close_timeout, "probe-close-timeout", 3000, MS, (0, HF_DURATION_MAX), "drop at once",   \
      "the same after a failed probe")                                                              \
    X(probe_interval, "probe-interval", 30000, MS, (0, HF_FOREVER), "never probed",                 \
      "silence after which a connection is probed")                                                 \
    X(probe_timeout, "probe-timeout", 5000, MS, (1, HF_FOREVER), "not allowed",                     \
      "one health check")                                                                           \
    X(request_timeout, "request-timeout", 120000, MS, (0, HF_FOREVER), "no limit",                  \
      "one attempt of one statement")                                                               \
    X(stable_after, "stable-after", 10000, MS, (0, HF_FOREVER), "at once",                          \
      "healthy for so long, a connection has proved itself")                                        \
    X(max_outage, "max-outage", 0, MS, (0, HF_FOREVER),                                             \
      "connect-retries before it was ever up, 300 s after", "longest outage before giving up")      \
    X(max_pipelined, "max-pipelined", HF_PIPELINED_USUAL, COUNT, (0, 1000), "as the answers allow", \
      "replay-safe statements in flight per connection")                                            \
    X(scram_iterations_max, "scram-iterations-max", 1000000, COUNT, (4096, INT32_MAX),              \
      "not allowed", "SCRAM rounds a server may ask for")                                           \
    X(rx_bytes, "rx-bytes", 16384, BYTES, (1024, 1 << 30), "not allowed",                           \
      "receive buffer of a connection: the longest row")                                            \
    X(tx_bytes, "tx-bytes", 4096, BYTES, (512, 1 << 30), "not allowed",                             \
      "transmit buffer of a connection: the longest statement")
// clang-format on

/* The default of max_concurrent. */
#define HF_CONNS_USUAL (HF_CONNS_MAX < 3 ? HF_CONNS_MAX : 3)

/* The default of max_pipelined. 0: as many as the answers allow. A connection has one statement in flight at first, and
 * twice as many with each that is answered within 25 ms more than its shortest round trip; at most
 * HF_PIPELINED_MOST, no more than its part of what is queued, and one again when an answer takes longer (SEMANTICS
 * 12). 1: no read shares its transaction, and so its now(), with another (SEMANTICS 45). A build without
 * HF_WITH_GROUPS takes 0 for 1. */
#define HF_PIPELINED_USUAL (HF_WITH_GROUPS ? 0 : 1)
#define HF_PIPELINED_MOST  64

/* One of a setting's bounds: HF_LEAST (1, 64) is 1. */
#define HF_LEAST(minimum, maximum) (minimum)
#define HF_MOST(minimum, maximum)  (maximum)

/* The name of a setting's field. */
#define HF_MEMBER_MS(name)      name##_ms
#define HF_MEMBER_COUNT(name)   name
#define HF_MEMBER_PERCENT(name) name##_percent
#define HF_MEMBER_BYTES(name)   name

#define HF_UNSET        0xfffffffeu /* not set: a first_delay_ms that is the same as retry_delay_ms */
#define HF_DURATION_MAX 0xfffffffdu /* the longest duration in ms: 49 days */

/* What TLS is asked for, as libpq's settings of the same names (PostgreSQL docs 34.1.2). */
typedef enum hf_sslmode {
    HF_SSL_VERIFY_FULL,
    HF_SSL_VERIFY_CA,
    HF_SSL_REQUIRE,
    HF_SSL_DISABLE
} hf_sslmode;
typedef enum hf_sslnegotiation {
    HF_SSLNEGOTIATION_POSTGRES,
    HF_SSLNEGOTIATION_DIRECT
} hf_sslnegotiation;
typedef enum hf_channel_binding {
    HF_BINDING_PREFER,
    HF_BINDING_REQUIRE,
    HF_BINDING_DISABLE
} hf_channel_binding;

/* Versions of PostgreSQL's protocol (docs 54, 55.7): what libpq 18's min_ and max_protocol_version may be. DEFAULT: no
 * bound below; above it 3.0, or the newest where the bound below is higher than that. */
typedef enum hf_protocol_version {
    HF_PROTOCOL_DEFAULT,
    HF_PROTOCOL_3_0,
    HF_PROTOCOL_3_2
} hf_protocol_version;
#define HF_PROTOCOL_LATEST HF_PROTOCOL_3_2

/* The authentication methods that a server may ask for: bits of require_auth. 0 is the default, which allows
 * scram-sha-256 when a password, SCRAM keys or a credentials callback is given, and none otherwise. */
enum { HF_AUTH_NONE = 1, HF_AUTH_PASSWORD = 2, HF_AUTH_MD5 = 4, HF_AUTH_SCRAM = 8 };

/* A database's protocol (core/driver.h). PostgreSQL's is the one there is. */
typedef struct hf_driver hf_driver;
extern const hf_driver hf_driver_pg;

/* TLS versions that a connection may use. */
typedef enum hf_tls_version { HF_TLS_DEFAULT, HF_TLS_1_2, HF_TLS_1_3 } hf_tls_version;
/* May, must or must not the client show a certificate (libpq's sslcertmode)? */
typedef enum hf_sslcertmode {
    HF_SSLCERT_ALLOW,
    HF_SSLCERT_REQUIRE,
    HF_SSLCERT_DISABLE
} hf_sslcertmode;

/* A server to connect to. */
typedef struct hf_host {
    const char *name;    /* a name, an address, or the folder of a Unix socket (beginning with /) */
    const char *address; /* numeric, to connect to (hostaddr); NULL: the name is looked up */
    const char *password; /* for this host; NULL: config->password. Never logged. */
    uint16_t port;        /* 0: the driver's default */
} hf_host;

/* Is the host reached by a Unix socket? */
static inline bool hf_host_is_local(const hf_host *host) {
    return host->name && host->name[0] == '/' && !host->address;
}

typedef struct hf_transition hf_transition; /* journal.h */
typedef struct hf_pool hf_pool;
typedef struct hf_fields hf_fields; /* layout.h */

/* The callbacks of a pool. `user` is config->callback_user, `conn` the connection's number, from 0. They run within
 * hf_tick(), and may call hf_submit(), hf_cancel() and hf_resume(). */

/* A server's NOTICE or WARNING: printable text; its further fields, for hf_fields_get(). Both valid during the call. */
typedef void hf_notice_fn(void *user, unsigned conn, const hf_error *notice,
                          const hf_fields *fields);
/* A NOTIFY (PostgreSQL docs, NOTIFY): the server's raw bytes, NUL-terminated, valid during the call. */
typedef void hf_notify_fn(void *user, unsigned conn, const char *channel, const char *payload);
/* The COMMITs that are next, each announced by its request's on_commit, are about to be put into the transmit buffers:
 * the place to make durable at once what the on_commits have noted. It must not call hf_submit() or hf_cancel(). */
typedef void hf_commits_fn(void *user);
/* A step of a connection's machine, as the journal keeps it, told in the tick that made the step. */
typedef void hf_transition_fn(void *user, const hf_transition *transition);

/* What one login is made with, as the credentials callback gives it. NULL, which both are before the call: what the
 * config has. Never logged. The strings stay the application's: they must be there, unchanged, until the callback
 * is called again or the pool is closed; who wipes them is the application. */
typedef struct hf_credentials {
    const char *user;
    const char *password;
} hf_credentials;

/* The answer of a credentials callback. */
typedef enum hf_credentials_answer {
    HF_CREDENTIALS_GIVEN, /* *credentials is what to log in with */
    HF_CREDENTIALS_LATER, /* not there yet: the link waits for hf_pool_credentials() */
    HF_CREDENTIALS_NONE   /* there are none: the login is refused for good, until hf_pool_reset() */
} hf_credentials_answer;

/* Asked at each connect for what to log in with (SEMANTICS 66), tokens that expire above all. refused: the server has
 * refused what the callback gave the last time (28xxx), so that others are to be made; that is asked once, and a second
 * refusal is for good. It runs within hf_tick(), and must neither block nor call any function of the pool. A link that
 * waits (LATER) does so within connect_timeout or reconnect_timeout. */
typedef hf_credentials_answer hf_credentials_fn(void *user, unsigned conn, const hf_host *host,
                                                bool refused, hf_credentials *credentials);

/* Everything that a pool is told. Zero is no default: start from HF_CONFIG_DEFAULT.
 *
 * The pool keeps a pointer to the config, and uses its strings: all of it must outlive the pool, unchanged. Passwords
 * alone may be replaced at any time: a login reads the password when it is needed.
 *
 * Copy a config with hf_config_copy(). The strings that hf_config_dsn() stores lie inside the config, so that a copy by
 * = would point into the old one: hf_config_check() refuses such a copy (but not in a build without messages). */
typedef struct hf_config {
#define X(name, option, value, unit, bounds, zero, text) uint32_t HF_MEMBER_##unit(name);
    HF_SETTINGS(X)
#undef X
    const hf_driver *driver;
    hf_host hosts[HF_HOSTS_MAX]; /* tried in this order, from the last good one on */
    uint8_t n_hosts;
    uint8_t sslmode;         /* an hf_sslmode; a Unix socket has no TLS */
    uint8_t sslnegotiation;  /* an hf_sslnegotiation */
    uint8_t channel_binding; /* an hf_channel_binding */
    uint8_t require_auth;    /* HF_AUTH_* bits */
    bool read_only;          /* the session refuses writes (SEMANTICS 21) */
    uint8_t sslcertmode;     /* an hf_sslcertmode */
    uint8_t ssl_min_version; /* an hf_tls_version; DEFAULT: TLS 1.2 */
    uint8_t ssl_max_version; /* an hf_tls_version; DEFAULT: the newest */
    bool keepalives_off;     /* no TCP keepalives of the client's */
    /* Keepalives of the client's sockets, two in seconds and a count, on Linux (lwIP's links have their own). 0:
     * holdfast's default, HF_UNSET: the system's. */
    uint32_t keepalives_idle_s, keepalives_interval_s, keepalives_count;
    uint32_t tcp_user_timeout_ms; /* of the client's sockets, on Linux; 0: the system's */
    const char *user;             /* NULL: the credentials callback gives it */
    const char *password;         /* NULL: none. Never logged. */
    const char *database;         /* NULL: the same as user */
    const char *application_name;
    const char *sslrootcert; /* a PEM file of CAs; NULL or "system": the system's store */
    const char *sslcert;     /* a PEM file: the client's certificate and its chain; NULL none */
    const char *sslkey;      /* a PEM file: that certificate's key; NULL none */
    const char *sslpassword; /* of the key; NULL: the key is not encrypted. Never logged. */
    const char *sslcrl;      /* a PEM file of revocation lists; NULL none */
    const char *sslcrldir;   /* a folder of revocation lists; NULL none */
    const char *requirepeer; /* the system user that a Unix socket's server must run as; NULL any */
    const char *options;     /* PostgreSQL's `options` start-up parameter, or NULL */
    /* Further start-up parameters, "TimeZone\0UTC\0DateStyle\0ISO\0": names and values, each with its NUL, and an
     * empty name at the end; NULL none. When a server or pooler refuses one of them, no other try is made. In a small
     * build there is no room for them, and hf_config_check() refuses them. */
    const char *parameters;
#if HF_WITH_VERSIONS
    uint8_t min_protocol_version; /* an hf_protocol_version */
    uint8_t max_protocol_version; /* an hf_protocol_version */
#endif
#if HF_WITH_CREDENTIALS
    /* The keys that SCRAM derives from a password, in place of that password (libpq's settings of these names): base64,
     * both or none, NULL none. They are the same secret as the password, to this server. Never logged. */
    const char *scram_client_key, *scram_server_key;
    hf_credentials_fn *credentials; /* NULL: user and password are those above */
#endif
    void *callback_user; /* what the callbacks are given as `user`; each may be NULL */
    hf_notice_fn *on_notice;
    hf_notify_fn *on_notify;
    hf_transition_fn *on_transition;
    hf_commits_fn *on_commits;
    /* From here on holdfast's own: what hf_config_set() was given, and its text. */
    uint8_t n_ports;              /* of a list of ports; 0, 1: for all hosts */
    uint8_t n_names, n_addresses; /* of lists of hosts and addresses */
    bool named;                   /* an application_name */
    uint32_t given;               /* settings, one bit each */
    char text[HF_DSN_BYTES];      /* what hf_config_dsn() decoded */
    uint16_t text_bytes;
    const struct hf_config *text_of; /* the config with that text: itself; NULL: none */
} hf_config;

#ifndef __cplusplus
#define HF_CONFIG_X(name, option, value, unit, bounds, zero, text) \
    .HF_MEMBER_##unit(name) = (value),
#define HF_CONFIG_DEFAULT \
    { HF_SETTINGS(HF_CONFIG_X).driver = &hf_driver_pg, .application_name = "holdfast", }
#else
/* The same where a field cannot be initialised by its name. */
#define HF_CONFIG_X(name, option, value, unit, bounds, zero, text) \
    config.HF_MEMBER_##unit(name) = (value);
#define HF_CONFIG_DEFAULT hf_config_default()
static inline hf_config hf_config_default() {
    hf_config config = {};
    HF_SETTINGS(HF_CONFIG_X)
    config.driver = &hf_driver_pg;
    config.application_name = "holdfast";
    return config;
}
#endif

#define hf_config_dsn   HF_BUILT(hf_config_dsn)
#define hf_config_set   HF_BUILT(hf_config_set)
#define hf_config_check HF_BUILT(hf_config_check)

/* Reads a connection string into the config: a URL
 * (postgres://user:password@host:port,host2:port2/database?sslmode=…) or key=value words, both as libpq reads them
 * (PostgreSQL docs 34.1.1), and the settings of the table above under their names (request_timeout=3s). A key that
 * holdfast does not know, or knows from libpq and does not have, is refused by name. Settings of which the string says
 * nothing stay as they were; a URL without a host leaves n_hosts alone. The string is copied.
 * False: *error (may be NULL) names the place, and never shows the password nor what may be a piece of one; the config
 * may be half filled then. */
bool hf_config_dsn(hf_config *config, const char *dsn, hf_error *error);

/* Sets one connection setting under libpq's name ("host", "port", "user", "password", "sslmode" …: the README has them
 * all), or one of the table above under its name. The value is copied; an empty string unsets the setting. host,
 * hostaddr and port are lists with commas. False: *error (may be NULL) names the setting, as by hf_config_dsn().
 *
 * A duration that is set for the general case is also taken for those special cases that were not set themselves, in
 * whatever order: connect_timeout (libpq's, where 0 is no limit) for reconnect_timeout and probe_reconnect_timeout,
 * reconnect_timeout for probe_reconnect_timeout, close_timeout for probe_close_timeout. */
bool hf_config_set(hf_config *config, const char *key, const char *value, hf_error *error);

/* Are the settings valid, and do they fit each other? hf_pool_init() asks this, too. False: *error (may be NULL) names
 * the setting, its value and the way out. */
bool hf_config_check(const hf_config *config, hf_error *error);

/* Reads a duration into ms: "500ms", "2s", "15m", "1h", plain seconds ("2", "0.5"), "forever". False: the text is no
 * duration, no whole number of ms, or more than 49 days. */
bool hf_duration_parse(const char *text, uint32_t *ms);

/* Makes *to a copy of *from: strings that hf_config_dsn() and hf_config_set() stored are copied, strings that the
 * caller has put into *from are shared. */
void hf_config_copy(hf_config *to, const hf_config *from);

/* Is TLS spoken with this host? A Unix socket has none. */
static inline bool hf_host_wants_tls(const hf_config *config, const hf_host *host) {
    return config->sslmode != HF_SSL_DISABLE && !hf_host_is_local(host);
}
#if HF_WITH_VERSIONS
/* The newest version of the protocol that a login asks for. */
static inline hf_protocol_version hf_config_newest_protocol(const hf_config *config) {
    return config->max_protocol_version != HF_PROTOCOL_DEFAULT
               ? (hf_protocol_version)config->max_protocol_version
           : config->min_protocol_version > HF_PROTOCOL_3_0 ? HF_PROTOCOL_LATEST
                                                            : HF_PROTOCOL_3_0;
}
#endif
/* Is TLS spoken with any of the hosts, or, while the config has none, may it be? */
bool hf_config_wants_tls(const hf_config *config);

/* Is there a password for any of the hosts? SCRAM keys and the credentials callback are none. */
bool hf_config_has_password(const hf_config *config);

/* Overwrites the passwords that hf_config_dsn() or hf_config_set() stored in the config, sslpassword and the SCRAM keys
 * too. Passwords that the caller has put there are the caller's to wipe. */
void hf_config_wipe(hf_config *config);

/* One row of the table of settings. */
typedef enum hf_unit { HF_UNIT_MS, HF_UNIT_COUNT, HF_UNIT_PERCENT, HF_UNIT_BYTES } hf_unit;
typedef struct hf_setting {
    const char *name;
    uint32_t value, minimum, maximum; /* value: the default */
    uint16_t offset;                  /* of the uint32_t in hf_config */
    uint8_t unit;                     /* an hf_unit */
} hf_setting;
extern const hf_setting hf_settings[];
extern const size_t hf_settings_count;

/* The words of the same row, for options and documentation. They stand apart so that an image that does not use them
 * does not have them. */
typedef struct hf_setting_words {
    const char *option, *zero, *text;
} hf_setting_words;
extern const hf_setting_words hf_settings_words[];

/* Is the value within the setting's bounds? False: *error (may be NULL) says which bounds. */
bool hf_setting_check(const hf_setting *setting, uint32_t value, hf_error *error);
/* Reads a value as the setting's unit is written: a duration ("2s"), a count ("3", "forever"), a percentage ("50",
 * "50%"), a size ("16384", "16KiB", "4MiB"). False: *error (may be NULL) says what is wrong, the bounds included. */
bool hf_setting_parse(const hf_setting *setting, const char *text, uint32_t *value,
                      hf_error *error);
/* The setting of that name (request_timeout) or option (request-timeout); NULL: there is none. */
const hf_setting *hf_setting_named(const char *name);

#ifdef __cplusplus
}
#endif

#endif
