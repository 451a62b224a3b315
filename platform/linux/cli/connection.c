#include "connection.h"

#include "base/bytes.h"
#include "base/failure.h"
#include "base/files.h"
#include "base/log.h"
#include "pgpass.h"
#include "settings/key.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_FOLDER  "/var/run/postgresql" /* Debian's; libpq's built-in host there */
#define SERVICE_FOLDER "/etc/postgresql-common"
#define DEFAULT_PORT   "5432"

#define PASSWORD_BYTES   1024
#define PARAMETERS_BYTES 512

/* Where hf_connection_config() puts its config, and what goes with it. In private memory. */
typedef struct hf_connection {
    hf_config config; /* first: the config that everybody knows stands for all of it */
    char parameters[PARAMETERS_BYTES];            /* config.parameters */
    char passwords[HF_HOSTS_MAX][PASSWORD_BYTES]; /* hosts[i].password, from the password file */
    char passfile[PATH_MAX];                      /* "": the password was given otherwise */
    bool passfile_used;
    struct stat passfile_seen; /* as it was when it was read; all zero: there was none */
    bool unnamed;              /* nobody has named a host */
} hf_connection;

/* libpq's keywords and the variables that stand for them (docs 34.1.2, 34.15), as key.h has them. */
static const struct {
    const char *key, *variable;
} rows[] = {
#define X(key, variable, how, detail, text) { key, variable },
    HF_LIBPQ(X)
#undef X
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* Which settings were given already. --dsn comes first, then the service file, then the variables: the first one that
 * gives a setting counts. */
typedef struct hf_sources {
    hf_connection *connection;
    hf_config *config;
    bool given[ROWS];                       /* each row of `rows` */
    char *service, *servicefile, *passfile; /* what the program does itself; NULL: not given */
} hf_sources;

void *hf_private_memory(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    madvise(memory, bytes, MADV_DONTDUMP); /* a key may lie in it (SECURITY 14) */
    return memory;
}

hf_config *hf_connection_config(void) {
    hf_connection *connection = hf_private_memory(sizeof *connection);
    if (!connection) {
        return NULL;
    }
    connection->config = (hf_config)HF_CONFIG_DEFAULT;
    return &connection->config;
}

static hf_connection *of(hf_config *config) {
    return (hf_connection *)(void *)config;
}

/* A home folder's file, from the heap; NULL: there is no home. */
static char *at_home(const char *name) {
    const char *home = getenv("HOME");
    if (!home || !*home) {
        const struct passwd *user = getpwuid(geteuid());
        home = user ? user->pw_dir : NULL;
    }
    return home ? hf_path_beside(home, name) : NULL;
}

/* ---- who gave what -------------------------------------------------------------------------------- */

static int row_of(const char *key) {
    for (int i = 0; i < ROWS; i++) {
        if (*key && strcmp(key, rows[i].key) == 0) {
            return i;
        }
    }
    return -1;
}

static bool is_given(const hf_sources *sources, const char *key) {
    int row = row_of(key);
    return row >= 0 && sources->given[row];
}

static void mark(hf_sources *sources, const char *key) {
    int row = row_of(key);
    if (row >= 0) {
        sources->given[row] = true;
    }
    if (strcmp(key, "requiressl") == 0) { /* an older name of it */
        mark(sources, "sslmode");
    }
}

/* Where the program keeps what it does itself; NULL: the library does it. */
static char **own(hf_sources *sources, const char *key) {
    return strcmp(key, "service") == 0       ? &sources->service
           : strcmp(key, "servicefile") == 0 ? &sources->servicefile
           : strcmp(key, "passfile") == 0    ? &sources->passfile
                                             : NULL;
}

static bool take(void *user, const char *key, const char *value, hf_error *error) {
    hf_sources *sources = user;
    hf_config *config = sources->config;
    char **kept = own(sources, key);
    if (kept) {
        free(*kept);
        *kept = *value ? hf_must_copy(value) : NULL;
    } else if (!hf_config_set(config, key, value, error)) {
        return false;
    }
    mark(sources, key);
    return true;
}

static bool from_dsn(hf_sources *sources, const char *dsn, hf_failure *failure) {
    hf_error error;
    if (dsn && !hf_dsn_read(dsn, NULL, take, sources, &error)) {
        return hf_fail(failure, HF_EXIT_USAGE, "--dsn: %s", error.message);
    }
    return true;
}

/* The first value of a key counts, as in libpq. */
static bool service_key(void *user, const char *key, const char *value, const char *place,
                        hf_failure *failure) {
    hf_sources *sources = user;
    const hf_setting *setting = hf_setting_named(key);
    hf_error error;
    if (strcmp(key, "service") == 0 || strcmp(key, "servicefile") == 0) {
        return hf_fail(failure, HF_EXIT_USAGE,
                       "%s: a service cannot name another %s: write its settings out", place, key);
    }
    if (is_given(sources, key) ||
        (setting && (sources->config->given & (1u << (setting - hf_settings))))) {
        return true;
    }
    return take(sources, key, value, &error) ||
           hf_fail(failure, HF_EXIT_USAGE, "%s: %s", place, error.message);
}

static bool from_service(hf_sources *sources, hf_failure *failure) {
    const char *name = sources->service ? sources->service : getenv("PGSERVICE");
    const char *named = sources->servicefile ? sources->servicefile : getenv("PGSERVICEFILE");
    const char *folder = getenv("PGSYSCONFDIR");
    if (!name || !*name) {
        return true;
    }
    if (named && !hf_file_exists(named)) {
        return hf_fail(failure, HF_EXIT_USAGE, "%s: there is no service file '%s'",
                       sources->servicefile ? "servicefile" : "PGSERVICEFILE", named);
    }
    char *files[2] = { named ? hf_must_copy(named) : at_home("/.pg_service.conf"),
                       hf_path_beside(folder && *folder ? folder : SERVICE_FOLDER,
                                      "/pg_service.conf") };
    hf_service_found found = HF_SERVICE_NONE;
    for (int i = 0; i < 2 && found == HF_SERVICE_NONE; i++) {
        found = files[i] ? hf_service_read(files[i], name, service_key, sources, failure) : found;
    }
    if (found == HF_SERVICE_NONE) {
        hf_fail(failure, HF_EXIT_USAGE, "%s: there is no service '%s' in %s%s%s",
                sources->service ? "service" : "PGSERVICE", name, files[0] ? files[0] : "",
                files[0] ? " or " : "", files[1]);
    }
    free(files[0]);
    free(files[1]);
    return found == HF_SERVICE_READ;
}

/* What PGTZ and its like set at login, as libpq does: "default" is the server's. */
static bool add_parameter(hf_connection *connection, const char *variable, const char *name,
                          const char *value, hf_failure *failure) {
    char *at = connection->parameters;
    while (*at) { /* name and value, each with its NUL */
        at += strlen(at) + 1;
        at += strlen(at) + 1;
    }
    size_t room = PARAMETERS_BYTES - (size_t)(at - connection->parameters), length = strlen(name);
    if (strcasecmp(value, "default") == 0) {
        return true;
    }
    if (value[strcspn(value, "\r\n")] || length + strlen(value) + 3 > room) {
        return hf_fail(failure, HF_EXIT_USAGE, "%s: too long, or it holds a line end", variable);
    }
    memcpy(at, name, length + 1);
    memcpy(at + length + 1, value, strlen(value) + 1);
    connection->config.parameters = connection->parameters;
    return true;
}

/* A variable that no keyword stands for. */
static bool from_variable(hf_sources *sources, const char *variable, const char *value,
                          hf_failure *failure) {
    static const char *const parameters[][2] = { { "PGDATESTYLE", "DateStyle" },
                                                 { "PGTZ", "TimeZone" },
                                                 { "PGGEQO", "geqo" } };
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        if (strcmp(variable, parameters[i][0]) == 0) {
            return add_parameter(sources->connection, variable, parameters[i][1], value, failure);
        }
    }
    if (strcmp(variable, "PGOAUTHDEBUG") == 0) {
        return hf_fail(failure, HF_EXIT_USAGE, "%s: there is no OAuth here; unset it", variable);
    }
    if (strcmp(variable, "PGLOCALEDIR") == 0) {
        hf_log(HF_LOG_INFO, "PGLOCALEDIR is not used: holdfast's messages are in English");
    }
    return true; /* PGSYSCONFDIR: from_service() */
}

static bool from_environment(hf_sources *sources, hf_failure *failure) {
    hf_error error;
    for (int i = 0; i < ROWS; i++) {
        const char *key = rows[i].key, *value = *rows[i].variable ? getenv(rows[i].variable) : NULL;
        bool old = strcmp(key, "requiressl") == 0; /* libpq looks at it last, and for a 1 */
        if (!value || !*value || sources->given[i] ||
            (old && (*value != '1' || is_given(sources, "sslmode")))) {
            continue;
        }
        if (!*key && !from_variable(sources, rows[i].variable, value, failure)) {
            return false;
        }
        if (*key && !take(sources, key, value, &error)) {
            return hf_fail(failure, HF_EXIT_USAGE, "%s: %s", rows[i].variable, error.message);
        }
    }
    return true;
}

static bool from_all(hf_sources *sources, const char *dsn, hf_failure *failure) {
    bool good = from_dsn(sources, dsn, failure) && from_service(sources, failure) &&
                from_environment(sources, failure);
    char *password = getenv("PGPASSWORD");
    if (password) { /* not to be found in a core dump, nor by what this process may start */
        explicit_bzero(password, strlen(password));
        unsetenv("PGPASSWORD");
    }
    return good;
}

/* ---- what nobody gave ----------------------------------------------------------------------------- */

static bool set(hf_config *config, const char *key, const char *value, hf_failure *failure) {
    hf_error error;
    return hf_config_set(config, key, value, &error) ||
           hf_fail(failure, HF_EXIT_USAGE, "%s", error.message);
}

/* libpq's file in ~/.postgresql, where none was given and the file is there. */
static bool default_file(hf_config *config, const char *key, const char *given, const char *name,
                         hf_failure *failure) {
    char *path = given ? NULL : at_home(name);
    bool good = !path || access(path, F_OK) != 0 || set(config, key, path, failure);
    free(path);
    return good;
}

static bool default_files(hf_config *config, hf_failure *failure) {
    if (!hf_config_wants_tls(config)) {
        return true;
    }
    if (HF_WITH_CLIENT_CERT && config->sslcertmode != HF_SSLCERT_DISABLE &&
        (!default_file(config, "sslcert", config->sslcert, "/.postgresql/postgresql.crt",
                       failure) ||
         (config->sslcert && !default_file(config, "sslkey", config->sslkey,
                                           "/.postgresql/postgresql.key", failure)))) {
        return false;
    }
    /* As in libpq the list goes with a CA file of one's own, not with the system's store. */
    bool own_root = config->sslrootcert && strcmp(config->sslrootcert, "system") != 0;
    return !HF_WITH_CRL || config->sslcrldir || !own_root ||
           default_file(config, "sslcrl", config->sslcrl, "/.postgresql/root.crl", failure);
}

static bool defaults(hf_config *config, hf_failure *failure) {
    const struct passwd *user = config->user ? NULL : getpwuid(geteuid());
    if (!config->user && !user) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "who is to log in? This system has no name for user %u: say user in --dsn, or "
            "PGUSER",
            (unsigned)geteuid());
    }
    if (user && !set(config, "user", user->pw_name, failure)) {
        return false;
    }
    of(config)->unnamed = config->n_hosts == 0;
    if (config->n_hosts == 0 && !set(config, "host", SOCKET_FOLDER, failure)) {
        return false;
    }
    for (unsigned i = 0; i < config->n_hosts; i++) { /* an empty one in a list */
        hf_host *host = &config->hosts[i];
        host->name = *host->name ? host->name : SOCKET_FOLDER;
    }
    return default_files(config, failure);
}

/* ---- the password file ---------------------------------------------------------------------------- */

/* What libpq looks a host up by (docs 34.16). */
static bool find(const hf_config *config, const hf_host *host, const hf_bytes *file,
                 hf_bytes *password) {
    char port[8] = DEFAULT_PORT;
    if (host->port) {
        snprintf(port, sizeof port, "%u", (unsigned)host->port);
    }
    return hf_pgpass_find(file, strcmp(host->name, SOCKET_FOLDER) == 0 ? "localhost" : host->name,
                          port, config->database ? config->database : config->user, config->user,
                          password);
}

/* Each host's own password. One that is not found (again) stays what it was: while the file is being replaced it may
 * hold nothing, and a login without the password would be the last. */
static void take_passwords(hf_connection *connection, const hf_bytes *file) {
    hf_config *config = &connection->config;
    for (unsigned i = 0; i < config->n_hosts; i++) {
        hf_host *host = &config->hosts[i];
        char *kept = connection->passwords[i];
        hf_bytes password = { 0 };
        if (!find(config, host, file, &password)) {
            if (host->password) {
                hf_log(HF_LOG_WARN,
                       "password file %s has no line for %s any more: its old password "
                       "is used",
                       connection->passfile, host->name);
            }
        } else if (password.used >= PASSWORD_BYTES) {
            hf_log(HF_LOG_WARN,
                   "password file %s: the password for %s is longer than %d bytes: "
                   "ignored",
                   connection->passfile, host->name, PASSWORD_BYTES - 1);
        } else {
            explicit_bzero(kept, PASSWORD_BYTES);
            memcpy(kept, hf_bytes_text(&password), password.used);
            host->password = kept;
            connection->passfile_used = true;
        }
        hf_secret_free(&password);
    }
}

static void read_passfile(hf_connection *connection) {
    hf_bytes file = { 0 };
    if (stat(connection->passfile, &connection->passfile_seen) != 0) {
        memset(&connection->passfile_seen, 0, sizeof connection->passfile_seen);
    }
    if (hf_pgpass_read(connection->passfile, &file)) {
        take_passwords(connection, &file);
    }
    hf_secret_free(&file);
}

void hf_connection_dial(hf_config *config) {
    hf_connection *connection = of(config);
    const struct stat *old = &connection->passfile_seen;
    struct stat now = { 0 };
    if (!connection->passfile[0]) {
        return;
    }
    if (stat(connection->passfile, &now) != 0) {
        memset(&now, 0, sizeof now);
    }
    if (now.st_dev != old->st_dev || now.st_ino != old->st_ino || now.st_size != old->st_size ||
        now.st_mode != old->st_mode ||
        memcmp(&now.st_mtim, &old->st_mtim, sizeof now.st_mtim) != 0 ||
        memcmp(&now.st_ctim, &old->st_ctim, sizeof now.st_ctim) != 0) {
        hf_log(HF_LOG_INFO, "password file %s has changed: it is read again", connection->passfile);
        read_passfile(connection);
    }
}

const char *hf_connection_passfile(hf_config *config) {
    const hf_connection *connection = of(config);
    return connection->passfile_used ? connection->passfile : NULL;
}

bool hf_connection_unnamed(hf_config *config) {
    return of(config)->unnamed;
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static bool password_file(hf_connection *connection, hf_sources *sources, hf_failure *failure) {
    char *path = sources->passfile ? sources->passfile : at_home("/.pgpass");
    sources->passfile = NULL;
    bool fits = !path || strlen(path) < sizeof connection->passfile;
    if (path && fits) {
        memcpy(connection->passfile, path, strlen(path) + 1);
        read_passfile(connection);
    }
    free(path);
    return fits || hf_fail(failure, HF_EXIT_USAGE, "passfile: the path is too long");
}

bool hf_connection_settings(hf_config *config, hf_options *options, hf_failure *failure) {
    hf_connection *connection = of(config);
    hf_sources sources = { .connection = connection, .config = config };
    hf_error error;
    config->rx_bytes = config->tx_bytes = options->max_row;
    config->read_only = !options->write;
    bool good = from_all(&sources, options->dsn, failure);
    hf_options_wipe(options);
    good = good && hf_options_apply(options, config, failure) && defaults(config, failure);
    if (good && !config->password) {
        good = password_file(connection, &sources, failure);
    }
    free(sources.service);
    free(sources.servicefile);
    free(sources.passfile);
    return good && (hf_config_check(config, &error) ||
                    hf_fail(failure, HF_EXIT_USAGE, "%s", error.message));
}

char *hf_connection_text(const hf_config *config) {
    hf_bytes text = { 0 };
    for (unsigned i = 0; i < config->n_hosts; i++) {
        const hf_host *host = &config->hosts[i];
        hf_bytes_format(&text, "%s%s:%u", i ? "," : "", host->name,
                        host->port ? host->port : 5432u);
    }
    hf_bytes_format(&text, "/%s as %s", config->database ? config->database : config->user,
                    config->user);
    char *copy = hf_must_copy(hf_bytes_text(&text));
    hf_bytes_free(&text);
    return copy;
}
