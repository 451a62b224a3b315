/* The TLS files: CAs, revocation lists, the client's certificate and its key. port/mbedtls gets their bytes.
 *
 * Sources: PostgreSQL docs 34.19 and, for the key's permissions, libpq's fe-secure-openssl.c.
 */
#include "trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HF_FILE_BYTES_MAX (16u << 20)

/* Where systems keep their CAs: Debian, Ubuntu, Arch, Alpine; Fedora, RHEL; openSUSE; then folders. */
static const char *const stores[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
};

static int complain(hf_error *error, hf_err code, const char *setting, const char *path,
                    const char *what) {
    char text[2 * HF_MESSAGE_BYTES];
    (void)snprintf(text, sizeof text, "%s %s: %s", setting, path, what);
    hf_error_set(error, code, HF_PHASE_NONE, text);
    return code;
}

/* Complains of a file that cannot be read. number: an errno. */
static int cannot_read(hf_error *error, const char *setting, const char *path, int number) {
    if (number == ENOMEM) {
        return complain(error, HF_ERR_RESOURCES, setting, path, "out of memory");
    }
    if (number == EINVAL) { /* read_file()'s word for a pipe or a device */
        return complain(error, HF_ERR_CONFIG, setting, path, "is not a regular file");
    }
    (void)complain(error, HF_ERR_CONFIG, setting, path, strerror(number));
    error->system = number == EFBIG ? 0 : number; /* a file too large is no fault of the system's */
    return HF_ERR_CONFIG;
}

static bool said(const char *setting) {
    return setting != NULL && setting[0] != 0;
}

/* Reads a regular file whole. NULL: errno says why. */
static char *read_file(const char *path, size_t *size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return NULL;
    }
    struct stat about;
    char *bytes = NULL;
    size_t have = 0;
    ssize_t got = -1;
    if (fstat(fd, &about) != 0) {
        /* errno is set */
    } else if (!S_ISREG(about.st_mode)) {
        errno = S_ISDIR(about.st_mode) ? EISDIR : EINVAL;
    } else if (about.st_size > (off_t)HF_FILE_BYTES_MAX) {
        errno = EFBIG;
    } else if ((bytes = malloc((size_t)about.st_size + 1)) != NULL) {
        do {
            got = read(fd, bytes + have, (size_t)about.st_size - have);
            have += got > 0 ? (size_t)got : 0;
        } while (got > 0 || (got < 0 && errno == EINTR));
    }
    int error = errno;
    (void)close(fd);
    if (got < 0) {
        free(bytes);
        errno = error;
        return NULL;
    }
    *size = have;
    return bytes;
}

/* hf_mbedtls_trust() or hf_mbedtls_revoke(): returns how many certificates or lists were found. */
typedef int hf_take_fn(hf_mbedtls *tls, const void *bytes, size_t size);

/* How many certificates or lists a file has, or an hf_err with errno. */
static int read_one(hf_mbedtls *tls, const char *path, hf_take_fn *take) {
    size_t size;
    char *bytes = read_file(path, &size);
    if (bytes == NULL) {
        return errno == ENOMEM ? HF_ERR_RESOURCES : HF_ERR_CONFIG;
    }
    int found = take(tls, bytes, size);
    free(bytes);
    return found;
}

/* Calls visit() with the path of each file of a folder until one call answers less than 0. Returns the sum of the
 * answers, or that one; HF_ERR_CONFIG with errno when the folder cannot be read. File names do not matter, unlike with
 * OpenSSL, which takes only those of its `openssl rehash`. */
static int each_file(const char *path, int (*visit)(void *user, const char *name), void *user) {
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return HF_ERR_CONFIG;
    }
    int sum = 0;
    const struct dirent *entry;
    while (sum >= 0 && (entry = readdir(folder)) != NULL) {
        char name[4096];
        int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || length < 0 || (size_t)length >= sizeof name) {
            continue;
        }
        int one = visit(user, name);
        sum = one < 0 ? one : sum + one;
    }
    (void)closedir(folder);
    return sum;
}

typedef struct hf_taking {
    hf_mbedtls *tls;
    hf_take_fn *take;
} hf_taking;

/* A folder's files that are something else are passed over. */
static int take_of_folder(void *at, const char *name) {
    const hf_taking *taking = at;
    int found = read_one(taking->tls, name, taking->take);
    return found == HF_ERR_RESOURCES || found > 0 ? found : 0;
}

static int read_path(hf_mbedtls *tls, const char *path, hf_take_fn *take) {
    struct stat about;
    if (stat(path, &about) != 0) {
        return HF_ERR_CONFIG;
    }
    hf_taking taking = { tls, take };
    return S_ISDIR(about.st_mode) ? each_file(path, take_of_folder, &taking)
                                  : read_one(tls, path, take);
}

/* Trusts the system's store; SSL_CERT_FILE and SSL_CERT_DIR name another, as for libpq (OpenSSL). */
static int trust_system(hf_mbedtls *tls, hf_error *error) {
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    int added = 0;
    if (file != NULL || folder != NULL) {
        added = file != NULL ? read_path(tls, file, hf_mbedtls_trust) : 0;
        if (added >= 0 && folder != NULL) {
            int more = read_path(tls, folder, hf_mbedtls_trust);
            added = more == HF_ERR_RESOURCES ? more : added + (more > 0 ? more : 0);
        }
    } else {
        for (size_t i = 0; added <= 0 && i < sizeof stores / sizeof stores[0]; i++) {
            added = read_path(tls, stores[i], hf_mbedtls_trust);
        }
    }
    if (added > 0) {
        return 0;
    }
    if (added == HF_ERR_RESOURCES) {
        return complain(error, HF_ERR_RESOURCES, "sslrootcert", "system", "out of memory");
    }
    return complain(error, HF_ERR_CONFIG, "sslrootcert", "system",
                    file != NULL || folder != NULL
                        ? "no certificates where SSL_CERT_FILE or SSL_CERT_DIR say"
                        : "this system has no certificate store; name a PEM file with sslrootcert");
}

/* Reads sslrootcert. Without that setting the system's store is used with verify-full, and none with
 * require; verify-ca needs the setting, as libpq needs its root.crt. */
static int read_roots(hf_mbedtls *tls, const hf_config *config, hf_error *error) {
    const char *path = config->sslrootcert;
    bool system = !said(path) || strcmp(path, "system") == 0;
    if (system && config->sslmode != HF_SSL_VERIFY_FULL &&
        (said(path) || config->sslmode == HF_SSL_VERIFY_CA)) {
        /* Anybody can get a certificate from a public CA: unless the name is checked, one proves nothing. */
        return complain(
            error, HF_ERR_CONFIG, "sslrootcert", "system",
            "needs sslmode=verify-full; for verify-ca name the file of a CA of your own");
    }
    if (system) {
        return config->sslmode == HF_SSL_REQUIRE ? 0 : trust_system(tls, error);
    }
    errno = 0;
    int found = read_path(tls, path, hf_mbedtls_trust);
    if (found > 0) {
        return 0;
    }
    if (found == 0) {
        return complain(error, HF_ERR_CONFIG, "sslrootcert", path,
                        tls->unread != NULL ? tls->unread
                                            : "there is no certificate in it (PEM or DER)");
    }
    return cannot_read(error, "sslrootcert", path, found == HF_ERR_RESOURCES ? ENOMEM : errno);
}

#if HF_WITH_CRL
static int read_lists(hf_mbedtls *tls, const char *setting, const char *path, hf_error *error) {
    if (!said(path)) {
        return 0;
    }
    if (tls->trusted == 0) {
        return complain(error, HF_ERR_CONFIG, setting, path,
                        "has no effect where certificates are not verified: name sslrootcert, or "
                        "say sslmode=verify-full");
    }
    errno = 0;
    int found = read_path(tls, path, hf_mbedtls_revoke);
    if (found > 0) {
        return 0;
    }
    return found == 0
               ? complain(
                     error, HF_ERR_CONFIG, setting, path,
                     "there is no revocation list in it (PEM or DER), or one that cannot be read")
               : cannot_read(error, setting, path, found == HF_ERR_RESOURCES ? ENOMEM : errno);
}
#else
static int read_lists(hf_mbedtls *tls, const char *setting, const char *path, hf_error *error) {
    (void)tls;
    return path == NULL ? 0 : complain(error, HF_ERR_CONFIG, setting, path, "not in this build");
}
#endif

#if HF_WITH_CLIENT_CERT
/* As libpq has it: only its owner may read a private key, or the group too if the owner is root. */
static int check_key(const char *path, hf_error *error) {
    struct stat about;
    if (stat(path, &about) != 0) {
        return cannot_read(error, "sslkey", path, errno);
    }
    if (!S_ISREG(about.st_mode)) {
        return complain(error, HF_ERR_CONFIG, "sslkey", path, "is not a regular file");
    }
    const mode_t forbidden = about.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    if ((about.st_mode & forbidden) != 0) {
        return complain(error, HF_ERR_CONFIG, "sslkey", path,
                        "others may read it: chmod 600 (0640 or less if it is root's)");
    }
    return 0;
}

static int read_own(hf_mbedtls *tls, const hf_config *config, hf_error *error) {
    if (!said(config->sslcert) || config->sslcertmode == HF_SSLCERT_DISABLE) {
        return config->sslcertmode != HF_SSLCERT_REQUIRE
                   ? 0
                   : complain(error, HF_ERR_CONFIG, "sslcertmode", "require",
                              "there is no client certificate: name it with sslcert");
    }
    if (!said(config->sslkey)) {
        return complain(error, HF_ERR_CONFIG, "sslcert", config->sslcert,
                        "its key is missing: name it with sslkey");
    }
    size_t size;
    char *bytes = read_file(config->sslcert, &size);
    if (bytes == NULL) {
        return cannot_read(error, "sslcert", config->sslcert, errno);
    }
    const char *why = "out of memory";
    int err = hf_mbedtls_own_certificate(tls, bytes, size, &why);
    free(bytes);
    if (err != 0) {
        return complain(error, err, "sslcert", config->sslcert, why);
    }
    err = check_key(config->sslkey, error);
    if (err != 0) {
        return err;
    }
    bytes = read_file(config->sslkey, &size);
    if (bytes == NULL) {
        return cannot_read(error, "sslkey", config->sslkey, errno);
    }
    err = hf_mbedtls_own_key(tls, bytes, size,
                             said(config->sslpassword) ? config->sslpassword : NULL, &why);
    explicit_bzero(bytes, size);
    free(bytes);
    return err == 0 ? 0 : complain(error, err, "sslkey", config->sslkey, why);
}
#else
static int read_own(hf_mbedtls *tls, const hf_config *config, hf_error *error) {
    (void)tls;
    return !said(config->sslcert) && config->sslcertmode != HF_SSLCERT_REQUIRE
               ? 0
               : complain(error, HF_ERR_CONFIG, "sslcert", "", "not in this build");
}
#endif

int hf_linux_trust(hf_mbedtls *tls, const hf_config *config, hf_error *error) {
    int err = read_roots(tls, config, error);
    err = err != 0 ? err : read_lists(tls, "sslcrl", config->sslcrl, error);
    err = err != 0 ? err : read_lists(tls, "sslcrldir", config->sslcrldir, error);
    return err != 0 ? err : read_own(tls, config, error);
}

/* ---- changes ------------------------------------------------------------------------------------ */

/* A sum over the state of the files: FNV-1a. */
typedef struct hf_seen {
    uint64_t sum;
    bool fresh; /* a file changed just now: its next change may have the same time */
} hf_seen;

#define HF_FRESH_MS 50

static void mix(hf_seen *seen, uint64_t value) {
    seen->sum = (seen->sum ^ value) * 0x100000001b3u;
}

static int64_t ms_of(const struct timespec *time) {
    return (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

static void mix_stat(hf_seen *seen, const char *path, struct stat *about) {
    if (stat(path, about) != 0) {
        *about = (struct stat){ 0 };
        mix(seen, (uint64_t)errno);
        return;
    }
    mix(seen, about->st_dev);
    mix(seen, about->st_ino);
    mix(seen, (uint64_t)about->st_size);
    mix(seen, about->st_mode);
    mix(seen, (uint64_t)about->st_mtim.tv_sec);
    mix(seen, (uint64_t)about->st_mtim.tv_nsec);
    mix(seen, (uint64_t)about->st_ctim.tv_sec);
    mix(seen, (uint64_t)about->st_ctim.tv_nsec);
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0 &&
        llabs(ms_of(&now) - ms_of(&about->st_ctim)) < HF_FRESH_MS) {
        seen->fresh = true;
    }
}

static int mix_file(void *seen, const char *path) {
    struct stat about;
    mix_stat(seen, path, &about);
    return 0;
}

/* True: the path is set, and there is a file or folder. */
static bool mix_path(hf_seen *seen, const char *path) {
    if (!said(path)) {
        mix(seen, 0);
        return false;
    }
    struct stat about;
    mix_stat(seen, path, &about);
    if (S_ISDIR(about.st_mode)) {
        (void)each_file(path, mix_file, seen);
    }
    return about.st_mode != 0;
}

uint64_t hf_linux_trust_seen(const hf_config *config) {
    hf_seen seen = { 0xcbf29ce484222325u, false };
    const char *root = config->sslrootcert;
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    if (said(root) && strcmp(root, "system") != 0) {
        (void)mix_path(&seen, root);
    } else if (config->sslmode == HF_SSL_REQUIRE) {
        /* no certificate is verified */
    } else if (file != NULL || folder != NULL) {
        (void)mix_path(&seen, file);
        (void)mix_path(&seen, folder);
    } else {
        for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
            if (mix_path(&seen, stores[i])) {
                break;
            }
        }
    }
    (void)mix_path(&seen, config->sslcrl);
    (void)mix_path(&seen, config->sslcrldir);
    (void)mix_path(&seen, config->sslcert);
    (void)mix_path(&seen, config->sslkey);
    return seen.fresh ? 0 : seen.sum;
}
