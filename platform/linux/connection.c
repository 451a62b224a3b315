#include "connection.h"

#include "bytes.h"
#include "files.h"
#include "log.h"
#include "pgpass.h"
#include "program.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SOCKET_FOLDER  "/var/run/postgresql" /* Debian's; libpq's built-in host there */
#define SERVICE_FOLDER "/etc/postgresql-common"
#define DEFAULT_PORT   "5432"

/* libpq's names and the variables that stand for them (docs 34.15). */
static const struct {
    const char *key, *variable;
} keys[] = {
    { "host", "PGHOST" },
    { "port", "PGPORT" },
    { "user", "PGUSER" },
    { "password", "PGPASSWORD" },
    { "dbname", "PGDATABASE" },
    { "sslmode", "PGSSLMODE" },
    { "sslrootcert", "PGSSLROOTCERT" },
    { "sslnegotiation", "PGSSLNEGOTIATION" },
    { "channel_binding", "PGCHANNELBINDING" },
    { "require_auth", "PGREQUIREAUTH" },
    { "connect_timeout", "PGCONNECT_TIMEOUT" },
    { "application_name", "PGAPPNAME" },
    { "options", "PGOPTIONS" },
    { "target_session_attrs", "PGTARGETSESSIONATTRS" },
    { "hostaddr", "PGHOSTADDR" },
};
enum { KEYS = sizeof keys / sizeof keys[0] };

/* What each key is, and from where. */
typedef struct hf_sources {
    char *values[KEYS]; /* NULL: not said */
    char *places[KEYS];
    bool by_dsn[KEYS];
    hf_config *config;
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
    hf_config *config = hf_private_memory(sizeof *config);
    if (config) {
        *config = (hf_config)HF_CONFIG_DEFAULT;
    }
    return config;
}

static int key_index(const char *key) {
    for (int i = 0; i < KEYS; i++) {
        if (strcmp(key, keys[i].key) == 0) {
            return i;
        }
    }
    return -1;
}

static void say(hf_sources *sources, int i, const char *value, const char *place) {
    free(sources->values[i]);
    free(sources->places[i]);
    sources->values[i] = hf_must_copy(value);
    sources->places[i] = hf_must_copy(place);
}

static void wipe(hf_sources *sources) {
    for (int i = 0; i < KEYS; i++) {
        if (sources->values[i]) {
            explicit_bzero(sources->values[i], strlen(sources->values[i]));
        }
        free(sources->values[i]);
        free(sources->places[i]);
    }
}

static void from_environment(hf_sources *sources) {
    for (int i = 0; i < KEYS; i++) {
        char *value = getenv(keys[i].variable);
        if (value && *value) {
            say(sources, i, value, keys[i].variable);
        }
    }
    char *password = getenv("PGPASSWORD");
    if (password) { /* not to be found in a core dump, nor by what this process may start */
        explicit_bzero(password, strlen(password));
        unsetenv("PGPASSWORD");
    }
}

static bool service_key(void *user, const char *key, const char *value, const char *place,
                        hf_failure *failure) {
    hf_sources *sources = user;
    hf_error error;
    int i = key_index(key);
    if (i >= 0) {
        say(sources, i, value, place);
        return true;
    }
    /* A setting of the table, or a key that is refused by name. */
    return hf_config_set(sources->config, key, value, &error) ||
           hf_fail(failure, HF_EXIT_USAGE, "%s: %s", place, error.message);
}

static bool from_service(hf_sources *sources, hf_failure *failure) {
    const char *name = getenv("PGSERVICE"), *own = getenv("PGSERVICEFILE"), *home = getenv("HOME");
    const char *folder = getenv("PGSYSCONFDIR");
    if (!name || !*name) {
        return true;
    }
    char *files[2] = { own ? hf_must_copy(own)
                           : hf_path_beside(home ? home : "", "/.pg_service.conf"),
                       hf_path_beside(folder ? folder : SERVICE_FOLDER, "/pg_service.conf") };
    hf_service_found found = HF_SERVICE_NONE;
    for (int i = 0; i < 2 && found == HF_SERVICE_NONE; i++) {
        found = hf_service_read(files[i], name, service_key, sources, failure);
    }
    if (found == HF_SERVICE_NONE) {
        hf_fail(failure, HF_EXIT_USAGE, "PGSERVICE: there is no service '%s' in %s or %s", name,
                files[0], files[1]);
    }
    free(files[0]);
    free(files[1]);
    return found == HF_SERVICE_READ;
}

/* Which keys a DSN has: those that change a config in which nothing is set. */
static bool look_into_dsn(hf_sources *sources, const char *dsn, hf_failure *failure) {
    hf_error error;
    hf_config *seen = hf_private_memory(sizeof *seen);
    if (!seen) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, "memory", "get");
    }
    *seen = (hf_config)HF_CONFIG_DEFAULT;
    seen->sslmode = seen->sslnegotiation = seen->channel_binding = seen->require_auth = UINT8_MAX;
    seen->application_name = NULL;
    seen->connect_timeout_ms = HF_UNSET;
    bool good = hf_config_dsn(seen, dsn, &error);
    if (good) {
        const bool given[] = { seen->n_hosts > 0,
                               seen->n_ports > 0,
                               seen->user != NULL,
                               seen->password != NULL,
                               seen->database != NULL,
                               seen->sslmode != UINT8_MAX,
                               seen->sslrootcert != NULL,
                               seen->sslnegotiation != UINT8_MAX,
                               seen->channel_binding != UINT8_MAX,
                               seen->require_auth != UINT8_MAX,
                               seen->connect_timeout_ms != HF_UNSET,
                               seen->application_name != NULL,
                               seen->options != NULL,
                               false,
                               false };
        _Static_assert(sizeof given / sizeof given[0] == KEYS,
                       "one for each of `keys`, in their order");
        memcpy(sources->by_dsn, given, sizeof given);
    } else {
        hf_fail(failure, HF_EXIT_USAGE, "--dsn: %s", error.message);
    }
    explicit_bzero(seen, sizeof *seen);
    munmap(seen, sizeof *seen);
    return good;
}

static bool from_all(hf_sources *sources, const char *dsn, hf_failure *failure) {
    hf_error error;
    if ((dsn && !look_into_dsn(sources, dsn, failure))) {
        return false;
    }
    from_environment(sources);
    if (!from_service(sources, failure)) {
        return false;
    }
    for (int i = 0; i < KEYS; i++) {
        if (sources->values[i] && !sources->by_dsn[i] &&
            !hf_config_set(sources->config, keys[i].key, sources->values[i], &error)) {
            return hf_fail(failure, HF_EXIT_USAGE, "%s: %s", sources->places[i], error.message);
        }
    }
    return !dsn || hf_config_dsn(sources->config, dsn, &error) ||
           hf_fail(failure, HF_EXIT_USAGE, "--dsn: %s", error.message);
}

/* ---- what nobody said ----------------------------------------------------------------------------- */

static bool defaults(hf_config *config, hf_failure *failure) {
    hf_error error = { 0 };
    bool good = true;
    if (!config->user) {
        const struct passwd *user = getpwuid(geteuid());
        if (!user) {
            return hf_fail(
                failure, HF_EXIT_USAGE,
                "who is to log in? This system has no name for user %u: say user in --dsn, or "
                "PGUSER",
                (unsigned)geteuid());
        }
        good = hf_config_set(config, "user", user->pw_name, &error);
    }
    if (good && config->n_hosts == 0) {
        good = hf_config_set(config, "host", SOCKET_FOLDER, &error);
    }
    return good || hf_fail(failure, HF_EXIT_USAGE, "%s", error.message);
}

static bool password_from_file(hf_config *config, hf_failure *failure) {
    const char *own = getenv("PGPASSFILE"), *home = getenv("HOME");
    hf_error error;
    hf_bytes password = { 0 };
    bool found = false, good = true;
    if (config->password || (!own && !home)) {
        return true;
    }
    char *path = own ? hf_must_copy(own) : hf_path_beside(home, "/.pgpass");
    for (unsigned i = 0; i < config->n_hosts && !found; i++) {
        const hf_host *host = &config->hosts[i];
        char port[8] = DEFAULT_PORT;
        if (host->port) {
            snprintf(port, sizeof port, "%u", (unsigned)host->port);
        }
        found = hf_pgpass_find(
            path, strcmp(host->name, SOCKET_FOLDER) == 0 ? "localhost" : host->name, port,
            config->database ? config->database : config->user, config->user, &password);
    }
    if (found && !hf_config_set(config, "password", hf_bytes_text(&password), &error)) {
        good = hf_fail(failure, HF_EXIT_USAGE, "%s: %s", path, error.message);
    }
    if (password.data) {
        explicit_bzero(password.data, password.size);
    }
    hf_bytes_free(&password);
    free(path);
    return good;
}

bool hf_connection_settings(hf_config *config, hf_options *options, hf_failure *failure) {
    hf_sources sources = { .config = config };
    hf_error error;
    config->rx_bytes = config->tx_bytes = options->max_row;
    config->read_only = !options->write;
    bool good = from_all(&sources, options->dsn, failure);
    wipe(&sources);
    hf_options_wipe(options);
    return good && hf_options_apply(options, config, failure) && defaults(config, failure) &&
           password_from_file(config, failure) &&
           (hf_config_check(config, &error) ||
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
