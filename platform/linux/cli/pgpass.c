#include "pgpass.h"

#include "base/failure.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (1024 * 1024)

/* Compares a field with what is wanted, as libpq does: a colon that is wanted need not be escaped, so that an IPv6
 * address may be written as it is. *line moves behind the field's colon. */
static bool field(const char **line, const char *wanted) {
    const char *at = *line;
    if (at[0] == '*' && at[1] == ':') {
        *line = at + 2;
        return true;
    }
    for (; *at; at++, wanted++) {
        if (*at == ':' && *wanted == '\0') {
            *line = at + 1;
            return true;
        }
        at += *at == '\\';
        if (*at == '\0' || *at != *wanted) {
            break;
        }
    }
    return false;
}

bool hf_pgpass_line(const char *line, const char *host, const char *port, const char *database,
                    const char *user, hf_bytes *password) {
    if (*line == '#' || !field(&line, host) || !field(&line, port) || !field(&line, database) ||
        !field(&line, user)) {
        return false;
    }
    hf_bytes_reserve(password, strlen(line) + 1); /* once: no copy is left behind when it grows */
    for (; *line && *line != ':'; line++) {       /* as libpq: an unescaped colon ends it */
        line += *line == '\\' && line[1];
        hf_bytes_add_byte(password, *line);
    }
    return true;
}

static bool trustworthy(const char *path) {
    struct stat file;
    if (stat(path, &file) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) { /* no such file: nothing to say */
            hf_log(HF_LOG_WARN, "password file %s: %s: ignored", path, strerror(errno));
        }
        return false;
    }
    if (!S_ISREG(file.st_mode)) {
        hf_log(HF_LOG_WARN, "password file %s is no plain file: ignored", path);
        return false;
    }
    if (file.st_mode & (S_IRWXG | S_IRWXO)) {
        hf_log(HF_LOG_WARN,
               "password file %s is open to group or others: ignored; chmod 600 %s makes it count",
               path, path);
        return false;
    }
    return true;
}

void hf_secret_free(hf_bytes *text) {
    if (text->data) {
        explicit_bzero(text->data, text->size);
    }
    hf_bytes_free(text);
}

bool hf_pgpass_read(const char *path, hf_bytes *file) {
    hf_failure failure = { 0 };
    if (!trustworthy(path)) {
        return false;
    }
    if (!hf_file_read(path, FILE_BYTES_MAX, file, &failure)) {
        hf_log(HF_LOG_WARN, "%s: ignored", failure.text);
        return false;
    }
    return true;
}

bool hf_pgpass_find(const hf_bytes *file, const char *host, const char *port, const char *database,
                    const char *user, hf_bytes *password) {
    const char *at = file->data ? file->data : "", *end = at + file->used;
    bool found = false;
    while (at < end && !found) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((next ? next : end) - at);
        hf_bytes line = { 0 };
        hf_bytes_reserve(&line, length + 1);
        while (length > 0 && at[length - 1] == '\r') { /* pg_strip_crlf() */
            length--;
        }
        hf_bytes_add(&line, at, length);
        found = hf_pgpass_line(hf_bytes_text(&line), host, port, database, user, password);
        hf_secret_free(&line);
        at = next ? next + 1 : end;
    }
    return found;
}

static char *trim(char *text) {
    static const char blanks[] = " \t\r\v\f";
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1])) {
        text[--length] = '\0';
    }
    return text;
}

/* A line of the wanted service. */
static bool service_line(char *line, const char *place, hf_service_fn *each, void *user,
                         hf_failure *failure) {
    char *equals = strchr(line, '=');
    if (strncmp(line, "ldap", 4) == 0) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "%s: a look-up in LDAP is not supported; write its settings out as key=value", place);
    }
    if (!equals || equals == line) {
        return hf_fail(failure, HF_EXIT_USAGE, "%s: key=value is expected", place);
    }
    if (equals > line && strchr(" \t", equals[-1])) {
        return hf_fail(failure, HF_EXIT_USAGE, "%s: no blank may stand before the =", place);
    }
    *equals = '\0';
    return each(user, line, equals + 1, place, failure);
}

hf_service_found hf_service_read(const char *path, const char *name, hf_service_fn *each,
                                 void *user, hf_failure *failure) {
    hf_bytes text = { 0 };
    hf_service_found found = HF_SERVICE_NONE;
    unsigned number = 0;
    bool inside = false;
    if (!hf_file_exists(path)) {
        return HF_SERVICE_NONE;
    }
    if (!hf_file_read(path, FILE_BYTES_MAX, &text, failure)) {
        return HF_SERVICE_FAILED;
    }
    hf_bytes_text(&text);
    for (char *line = text.data, *next; line && *line && found != HF_SERVICE_FAILED; line = next) {
        char place[400], *end = strchr(line, '\n');
        next = end ? end + 1 : NULL;
        if (end) {
            *end = '\0';
        }
        snprintf(place, sizeof place, "%.300s:%u", path, ++number);
        line = trim(line);
        size_t length = strlen(line);
        if (*line == '\0' || *line == '#') {
            continue;
        }
        if (*line == '[') {
            inside = found == HF_SERVICE_NONE && length >= strlen(name) + 2 &&
                     strncmp(line + 1, name, strlen(name)) == 0 && line[strlen(name) + 1] == ']';
            found = inside ? HF_SERVICE_READ : found;
        } else if (inside && !service_line(line, place, each, user, failure)) {
            found = HF_SERVICE_FAILED;
        }
    }
    hf_secret_free(&text); /* a service may have a password */
    return found;
}
