/* The certificates that servers are verified with: read once, handed to port/mbedtls as bytes. */
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#define HF_CA_FILE_BYTES_MAX (16u << 20)

/* Where systems keep theirs: Debian, Ubuntu, Arch, Alpine; Fedora, RHEL; openSUSE; then folders. */
static const char *const stores[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
};

static int complain(hf_error *error, hf_err code, const char *path, const char *what) {
    char text[HF_MESSAGE_BYTES];
    (void)snprintf(text, sizeof text, "sslrootcert %s: %s", path, what);
    hf_error_set(error, code, HF_PHASE_NONE, text);
    return code;
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
    } else if (about.st_size > (off_t)HF_CA_FILE_BYTES_MAX) {
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

/* How many certificates were found in a file, or an hf_err with errno. */
static int trust_file(hf_mbedtls *tls, const char *path) {
    size_t size;
    char *bytes = read_file(path, &size);
    if (bytes == NULL) {
        return errno == ENOMEM ? HF_ERR_RESOURCES : HF_ERR_CONFIG;
    }
    int added = hf_mbedtls_trust(tls, bytes, size);
    free(bytes);
    return added;
}

/* The same of all files of a folder. Files in it that are no certificates are passed over. */
static int trust_folder(hf_mbedtls *tls, const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return HF_ERR_CONFIG;
    }
    int added = 0;
    const struct dirent *entry;
    while (added >= 0 && (entry = readdir(folder)) != NULL) {
        char name[4096];
        int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || length < 0 || (size_t)length >= sizeof name) {
            continue;
        }
        int one = trust_file(tls, name);
        added = one == HF_ERR_RESOURCES ? one : added + (one > 0 ? one : 0);
    }
    (void)closedir(folder);
    return added;
}

static int trust_path(hf_mbedtls *tls, const char *path) {
    struct stat about;
    if (stat(path, &about) != 0) {
        return HF_ERR_CONFIG;
    }
    return S_ISDIR(about.st_mode) ? trust_folder(tls, path) : trust_file(tls, path);
}

/* The system's store; SSL_CERT_FILE and SSL_CERT_DIR name another, as for libpq (OpenSSL). */
static int trust_system(hf_mbedtls *tls, hf_error *error) {
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    int added = 0;
    if (file != NULL || folder != NULL) {
        added = file != NULL ? trust_path(tls, file) : 0;
        if (added >= 0 && folder != NULL) {
            int more = trust_path(tls, folder);
            added = more == HF_ERR_RESOURCES ? more : added + (more > 0 ? more : 0);
        }
    } else {
        for (size_t i = 0; added <= 0 && i < sizeof stores / sizeof stores[0]; i++) {
            added = trust_path(tls, stores[i]);
        }
    }
    if (added > 0) {
        return 0;
    }
    if (added == HF_ERR_RESOURCES) {
        return complain(error, HF_ERR_RESOURCES, "system", "out of memory");
    }
    return complain(error, HF_ERR_CONFIG, "system",
                    file != NULL || folder != NULL
                        ? "no certificates where SSL_CERT_FILE or SSL_CERT_DIR say"
                        : "this system has no certificate store; name a PEM file with sslrootcert");
}

int hf_linux_trust(hf_mbedtls *tls, const hf_config *config, hf_error *error) {
    const char *path = config->sslrootcert;
    bool system = path == NULL || path[0] == 0 || strcmp(path, "system") == 0;
    if (system && path != NULL && path[0] != 0 && config->sslmode != HF_SSL_VERIFY_FULL) {
        /* Anybody can get a certificate of a public CA: without the name it proves nothing. */
        return complain(error, HF_ERR_CONFIG, "system", "needs sslmode=verify-full");
    }
    if (system) {
        return config->sslmode == HF_SSL_REQUIRE ? 0 : trust_system(tls, error);
    }
    errno = 0;
    int added = trust_path(tls, path);
    if (added > 0) {
        return 0;
    }
    if (added == HF_ERR_RESOURCES) {
        return complain(error, HF_ERR_RESOURCES, path, "out of memory");
    }
    const int number = added == 0 ? 0 : errno;
    (void)complain(error, HF_ERR_CONFIG, path,
                   added == 0 ? "there is no certificate in it (PEM or DER)" : strerror(number));
    error->system = number == EFBIG ? 0 : number; /* of that the file is to blame */
    return HF_ERR_CONFIG;
}
