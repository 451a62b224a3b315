#include "holdfast/config.h"

#include "base/text.h"
#include "driver.h"
#include "key.h"

#include <string.h>

/* A DSN -> keys and values, each handed on: to hf_config_set(), or to who wants to know which there are. As libpq's
 * conninfo_uri_parse() and conninfo_parse() read it (PostgreSQL docs 34.1.1).
 *
 *     postgres://user:password@host:port,[::1]:port2/dbname?key=value&key=value
 *     host=… password='with \' and blanks' key = value
 *
 * Invariants: no message holds a piece of the text but names of known keys, and of an unknown one where it
 * cannot be a piece of a password that was not encoded; everything decoded lies in `value`, which is wiped at
 * the end. Positions count characters from 1. */

typedef struct hf_dsn {
    hf_dsn_fn *each;
    void *user;
    hf_error *error;
    const char *start; /* of the whole text */
    const char *at;    /* the next character */
    bool suspicious;   /* an unknown key may be a piece of the password: do not show it */
    bool full;
    size_t length; /* of value */
    char value[HF_DSN_BYTES];
    char key[48];
} hf_dsn;

/* "at character 12: text" */
static bool fail_at(hf_dsn *dsn, const char *at, const char *text) {
    hf_writer writer;

    hf_error_set(dsn->error, HF_ERR_CONFIG, HF_PHASE_NONE, NULL);
    writer = hf_writer_on(dsn->error->message, sizeof dsn->error->message);
    hf_write_text(&writer, "DSN, at character ");
    hf_write_unsigned(&writer, (uint64_t)(at - dsn->start) + 1);
    hf_write_text(&writer, ": ");
    hf_write_text(&writer, text);
    return false;
}

static void begin(hf_dsn *dsn) {
    dsn->length = 0;
    dsn->full = false;
}

static void add(hf_dsn *dsn, char character) {
    if (dsn->length + 1 < sizeof dsn->value) {
        dsn->value[dsn->length++] = character;
    } else {
        dsn->full = true;
    }
}

/* Ends the value begun by begin(). */
static bool end(hf_dsn *dsn, const char *at) {
    dsn->value[dsn->length] = 0;
    return !dsn->full ||
           fail_at(dsn, at, "too long: HF_DSN_BYTES is the limit; shorten it or compile with more");
}

/* Hands key and value on; what is complained of gets its place. */
static bool set(hf_dsn *dsn, const char *key, const char *at) {
    char text[HF_MESSAGE_BYTES];

    if (dsn->each(dsn->user, key, dsn->value, dsn->error)) {
        return true;
    }
    memcpy(text, dsn->error->message, sizeof text);
    return fail_at(dsn, at, text);
}

/* The key that stands at [at, at + bytes) when it has been decoded to dsn->value. */
static bool take_key(hf_dsn *dsn, const char *at) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    bool plain = dsn->length > 0 && dsn->length < sizeof dsn->key &&
                 dsn->value[strspn(dsn->value, letters)] == 0;
    char text[96];
    hf_writer writer = hf_writer_on(text, sizeof text);

    if (plain && hf_key_known(dsn->value)) {
        memcpy(dsn->key, dsn->value, dsn->length + 1);
        return true;
    }
    if (plain && !dsn->suspicious) {
        hf_write_text(&writer, "no such setting: ");
        hf_write_text(&writer, dsn->value);
        return fail_at(dsn, at, text);
    }
    return fail_at(dsn, at,
                   "no such setting; a password with special characters is quoted in key=value "
                   "words, and %-encoded in a URL");
}

/* ---- URL ------------------------------------------------------------------------------------------ */

static int hex(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Appends [from, to), decoded, to the value. */
static bool decode(hf_dsn *dsn, const char *from, const char *to) {
    for (; from < to; from++) {
        int high, low;
        if (*from != '%') {
            add(dsn, *from);
            continue;
        }
        high = to - from > 2 ? hex(from[1]) : -1;
        low = to - from > 2 ? hex(from[2]) : -1;
        if (high < 0 || low < 0) {
            return fail_at(dsn, from,
                           "a % without two hexadecimal digits; a % itself is written %25");
        }
        if (high == 0 && low == 0) {
            return fail_at(dsn, from, "%00 is not allowed");
        }
        add(dsn, (char)(high << 4 | low));
        from += 2;
    }
    return true;
}

/* One part of the URL, if there is anything in it. */
static bool set_part(hf_dsn *dsn, const char *key, const char *from, const char *to) {
    begin(dsn);
    return from == to || (decode(dsn, from, to) && end(dsn, from) && set(dsn, key, from));
}

/* user:password@, when there is an @ before the first slash. */
static bool url_user(hf_dsn *dsn) {
    const char *stop = dsn->at + strcspn(dsn->at, "@/"), *colon;

    if (*stop != '@') {
        return true;
    }
    colon = memchr(dsn->at, ':', (size_t)(stop - dsn->at));
    if (!set_part(dsn, "user", dsn->at, colon ? colon : stop) ||
        (colon && !set_part(dsn, "password", colon + 1, stop))) {
        return false;
    }
    dsn->at = stop + 1;
    return true;
}

/* The end of the host that begins at `at`: [::1] or up to a delimiter. */
static const char *host_end(const char *at) {
    const char *bracket = *at == '[' ? strchr(at, ']') : NULL;
    return bracket ? bracket + 1 : at + strcspn(at, ":/?,");
}

/* Reads host:port,host:port. Its hosts, or its ports when `ports` is true, go as a list to dsn->value. *any: at least
 * one of them is not empty. */
static bool url_list(hf_dsn *dsn, bool ports, bool *any) {
    const char *at = dsn->at;

    *any = false;
    begin(dsn);
    for (;;) {
        const char *host = at, *stop = host_end(at), *port = stop;
        bool bracket = *host == '[';
        if (bracket && stop[-1] != ']') {
            return fail_at(dsn, host, "an IPv6 address without its closing bracket");
        }
        if (bracket && stop - host < 4) {
            return fail_at(dsn, host, "no IPv6 address in the brackets");
        }
        if (!strchr(":/?,", *stop)) { /* the end of the text is among them */
            return fail_at(dsn, stop, "after an IPv6 address comes :port, a comma, / or ?");
        }
        if (*stop == ':') {
            port = stop + 1;
            at = port + strcspn(port, "/?,");
        } else {
            at = stop;
        }
        if (ports ? !decode(dsn, port, at) : !decode(dsn, host + bracket, stop - bracket)) {
            return false;
        }
        *any = *any || (ports ? at > port : stop > host);
        if (*at != ',') {
            break;
        }
        add(dsn, ',');
        at++;
    }
    if (ports) {
        dsn->at = at;
    }
    return end(dsn, dsn->at);
}

static bool url_hosts(hf_dsn *dsn) {
    const char *at = dsn->at;
    bool any;

    return url_list(dsn, false, &any) && (!any || set(dsn, "host", at)) &&
           url_list(dsn, true, &any) && (!any || set(dsn, "port", at));
}

/* key=value&key=value */
static bool url_settings(hf_dsn *dsn) {
    while (*dsn->at) {
        const char *key = dsn->at, *stop = key + strcspn(key, "&");
        const char *equals = memchr(key, '=', (size_t)(stop - key)), *value;
        if (!equals) {
            return fail_at(dsn, key, "a setting without its =value");
        }
        value = equals + 1;
        if (memchr(value, '=', (size_t)(stop - value))) {
            return fail_at(dsn, value, "a second = in one setting; in a value it is written %3D");
        }
        begin(dsn);
        if (!decode(dsn, key, equals) || !end(dsn, key)) {
            return false;
        }
        if (strcmp(dsn->value, "ssl") == 0 && stop - value == 4 && memcmp(value, "true", 4) == 0) {
            if (!dsn->each(dsn->user, "sslmode", "require", dsn->error)) { /* as libpq */
                return false;
            }
        } else {
            if (!take_key(dsn, key)) {
                return false;
            }
            begin(dsn);
            if (!decode(dsn, value, stop) || !end(dsn, value) || !set(dsn, dsn->key, value)) {
                return false;
            }
        }
        dsn->at = *stop ? stop + 1 : stop;
    }
    return true;
}

static bool url(hf_dsn *dsn) {
    const char *name;

    if (!url_user(dsn)) {
        return false;
    }
    /* An @ further on may belong to a password with a slash in it, and what looks like keys may too. */
    dsn->suspicious = strchr(dsn->at, '@') != NULL;
    if (!url_hosts(dsn)) {
        return false;
    }
    if (*dsn->at == '/') {
        name = ++dsn->at;
        dsn->at += strcspn(name, "?");
        if (!set_part(dsn, "dbname", name, dsn->at)) {
            return false;
        }
    }
    if (*dsn->at == '?') {
        dsn->at++;
        return url_settings(dsn);
    }
    return true;
}

/* ---- key=value words ------------------------------------------------------------------------------ */

static void skip_blanks(hf_dsn *dsn) {
    while (hf_is_blank(*dsn->at)) {
        dsn->at++;
    }
}

/* A value: up to a blank, or in quotes; a backslash takes the next character as it is. */
static bool word_value(hf_dsn *dsn) {
    const char *from = dsn->at;
    bool quoted = *dsn->at == '\'';

    begin(dsn);
    dsn->at += quoted;
    while (*dsn->at && (quoted ? *dsn->at != '\'' : !hf_is_blank(*dsn->at))) {
        if (*dsn->at == '\\' && dsn->at[1]) {
            dsn->at++;
        } else if (*dsn->at == '\\' && !quoted) {
            dsn->at++; /* libpq drops a last backslash */
            break;
        }
        add(dsn, *dsn->at++);
    }
    if (quoted && *dsn->at != '\'') {
        return fail_at(dsn, from, "a quote that is not closed");
    }
    dsn->at += quoted;
    return end(dsn, from);
}

static bool words(hf_dsn *dsn) {
    for (skip_blanks(dsn); *dsn->at; skip_blanks(dsn)) {
        const char *key = dsn->at, *value;
        bool quoted;
        begin(dsn);
        while (*dsn->at && *dsn->at != '=' && !hf_is_blank(*dsn->at)) {
            add(dsn, *dsn->at++);
        }
        if (!end(dsn, key)) {
            return false;
        }
        skip_blanks(dsn);
        if (*dsn->at != '=') {
            return fail_at(dsn, key,
                           "a word without its =value; a value with blanks is quoted: 'a b'");
        }
        if (!take_key(dsn, key)) {
            return false;
        }
        dsn->at++;
        skip_blanks(dsn);
        value = dsn->at;
        quoted = *value == '\'';
        if (!word_value(dsn) || !set(dsn, dsn->key, value)) {
            return false;
        }
        /* A password with a blank and no quotes, or with a quote in it, goes on in what seems a key. */
        dsn->suspicious = strcmp(dsn->key, "password") == 0 && !(quoted && hf_is_blank(*dsn->at));
    }
    return true;
}

/* ---- which of them -------------------------------------------------------------------------------- */

/* Does the text begin with one of these schemes? *length: of "scheme://". */
static bool scheme(const char *const *names, const char *dsn, size_t *length) {
    for (; *names; names++) {
        *length = strlen(*names);
        if (strncmp(dsn, *names, *length) == 0 && strncmp(dsn + *length, "://", 3) == 0) {
            *length += 3;
            return true;
        }
    }
    return false;
}

bool hf_dsn_read(const char *text, const char *const *schemes, hf_dsn_fn *each, void *user,
                 hf_error *error) {
    static const char *const otherwise[] = { "postgres", "postgresql", NULL };
    hf_error unwanted;
    hf_dsn dsn;
    size_t length, first = strcspn(text, "=: \t\r\n'");
    bool good;

    memset(&dsn, 0, sizeof dsn);
    dsn.each = each;
    dsn.user = user;
    dsn.error = error ? error : &unwanted;
    dsn.start = dsn.at = text;
    if (scheme(schemes ? schemes : otherwise, text, &length)) {
        dsn.at += length;
        good = url(&dsn);
    } else if (strncmp(text + first, "://", 3) == 0) {
        good = fail_at(&dsn, text, "not a scheme of this driver; postgres:// or postgresql:// is");
    } else {
        good = words(&dsn);
    }
    hf_wipe(&dsn, sizeof dsn);
    return good;
}

static bool set_in_config(void *user, const char *key, const char *value, hf_error *error) {
    return hf_config_set(user, key, value, error);
}

bool hf_config_dsn(hf_config *config, const char *text, hf_error *error) {
    return hf_dsn_read(text, config->driver ? config->driver->schemes : NULL, set_in_config, config,
                       error);
}
