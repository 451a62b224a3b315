#include "holdfast/error.h"

#include "text.h"

#include <string.h>

/* The error tables, and the one line that a person reads. Whatever comes from a server passes
 * hf_write_printable() on its way in, and once more on its way out where somebody else may have put it in. */

static const int8_t hf_codes[] = {
#define X(name, number, text) number,
    HF_ERRORS(X)
#undef X
};

/* Names for hf_nth_word(), in the order of hf_codes; the last one is for an unknown code. */
static const char hf_names[] =
#define X(name, number, text) "HF_" #name "\0"
    HF_ERRORS(X) "HF_ERR_?\0";
#undef X

static const char hf_texts[] =
#define X(name, number, text) text "\0"
    HF_ERRORS(X) "unknown error\0";
#undef X

static const char hf_phases[] =
#define X(name, text) text "\0"
    HF_PHASES(X) "?\0";
#undef X

static const char *const hf_limits[] = {
#define X(name, text) text,
    HF_LIMITS(X)
#undef X
};

#define HF_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The place of a code in hf_codes; one past the end if it is unknown. */
static size_t place_of(int code) {
    size_t place = 0;

    while (place < HF_COUNT(hf_codes) && hf_codes[place] != code) {
        place++;
    }
    return place;
}

const char *hf_err_name(int code) {
    return hf_nth_word(hf_names, place_of(code));
}

const char *hf_err_text(int code) {
    return hf_nth_word(HF_WITH_MESSAGES ? hf_texts : hf_names, place_of(code));
}

const char *hf_phase_name(hf_phase phase) {
    return hf_nth_word(hf_phases, phase);
}

const char *hf_limit_name(hf_limit limit) {
    return (size_t)limit < HF_COUNT(hf_limits) ? hf_limits[limit] : "?";
}

void hf_error_set(hf_error *error, hf_err code, hf_phase phase, const char *message) {
    *error = (hf_error){ .code = (int16_t)code, .phase = (uint8_t)phase };
    if (message) {
        hf_error_message(error, message, strlen(message));
    }
}

void hf_error_message(hf_error *error, const char *text, size_t bytes) {
    hf_writer writer = hf_writer_on(error->message, sizeof error->message);
    hf_write_printable(&writer, text, bytes);
}

/* "57P01". The five characters come from a server, and may be anything. */
static void write_sqlstate(hf_writer *writer, const char *sqlstate) {
    const char *end = memchr(sqlstate, 0, 5);

    hf_write_printable(writer, sqlstate, end ? (size_t)(end - sqlstate) : 5);
}

static const char *severity_word(char severity) {
    /* ERROR, the usual case, goes without saying. */
    static const char words[][9] = {
        "FATAL ",
        "PANIC ",
        "WARNING ",
#if HF_WITH_MESSAGES
        "NOTICE ",
        "INFO ",
        "LOG ",
        "DEBUG ",
#endif
    };

    for (size_t i = 0; i < HF_COUNT(words); i++) {
        if (words[i][0] == severity) {
            return words[i];
        }
    }
    return "";
}

static bool counts(const hf_error *error) {
    return error->limit == HF_LIMIT_CONNECT_RETRIES || error->limit == HF_LIMIT_MAX_RETRIES;
}

/* "15.0 s", "5 retries". */
static void write_limit(hf_writer *writer, const hf_error *error) {
    if (counts(error)) {
        hf_write_unsigned(writer, error->limit_ms);
        hf_write_text(writer, error->limit_ms == 1 ? " retry" : " retries");
    } else {
        hf_write_seconds(writer, error->limit_ms);
    }
}

/* "timed out after 15.0 s in tls (connect_timeout)" */
static void write_failure(hf_writer *writer, const hf_error *error) {
    bool limited = error->limit != HF_LIMIT_NONE;

    hf_write_text(writer, HF_WITH_MESSAGES && limited && error->code == HF_ERR_OUTAGE
                              ? "given up"
                              : hf_err_text(error->code));
    if (limited) {
        hf_write_text(writer, " after ");
        write_limit(writer, error);
    }
    if (error->phase != HF_PHASE_NONE) {
        hf_write_text(writer, " in ");
        hf_write_text(writer, hf_phase_name((hf_phase)error->phase));
    }
    if (limited) {
        hf_write_text(writer, " (");
        hf_write_text(writer, hf_limit_name((hf_limit)error->limit));
        hf_write_text(writer, ")");
    }
}

static void write_message(hf_writer *writer, const hf_error *error) {
    const char *end = memchr(error->message, 0, sizeof error->message);

    hf_write_printable(writer, error->message,
                       end ? (size_t)(end - error->message) : sizeof error->message);
}

/* `FATAL 57P01 terminating connection due to administrator command` */
static void write_server(hf_writer *writer, const hf_error *error) {
    hf_write_text(writer, severity_word(error->severity));
    write_sqlstate(writer, error->sqlstate);
    if (error->message[0]) {
        hf_write_text(writer, error->sqlstate[0] ? " " : "");
        write_message(writer, error);
    }
}

/* " (in query, at character 15, after 5 retries: max_retries)" */
static void write_server_place(hf_writer *writer, const hf_error *error) {
    const char *before = " (";

    if (error->phase != HF_PHASE_NONE) {
        hf_write_text(writer, before);
        hf_write_text(writer, "in ");
        hf_write_text(writer, hf_phase_name((hf_phase)error->phase));
        before = ", ";
    }
    if (error->position > 0) {
        hf_write_text(writer, before);
        hf_write_text(writer, "at character ");
        hf_write_unsigned(writer, error->position);
        before = ", ";
    }
    if (error->limit != HF_LIMIT_NONE) {
        hf_write_text(writer, before);
        hf_write_text(writer, "after ");
        write_limit(writer, error);
        hf_write_text(writer, ": ");
        hf_write_text(writer, hf_limit_name((hf_limit)error->limit));
        before = ", ";
    }
    if (before[0] == ',') {
        hf_write_text(writer, ")");
    }
}

size_t hf_error_text(const hf_error *error, char *out, size_t size) {
    hf_writer writer = hf_writer_on(out, size);

    if (HF_WITH_MESSAGES &&
        (error->code == HF_ERR_SERVER || (error->code == HF_OK && error->from_server))) {
        hf_write_text(&writer, error->code == HF_OK ? "the server says: " : "the server refused: ");
        write_server(&writer, error);
        write_server_place(&writer, error);
        return writer.length;
    }
    write_failure(&writer, error);
    if (error->from_server) {
        hf_write_text(&writer, HF_WITH_MESSAGES ? "; the server says: " : ": ");
        write_server(&writer, error);
    } else if (error->message[0]) {
        hf_write_text(&writer, ": ");
        write_message(&writer, error);
    }
    if (error->system != 0) {
        hf_write_text(&writer, HF_WITH_MESSAGES ? " [system error " : " [");
        hf_write_signed(&writer, error->system);
        hf_write_text(&writer, "]");
    }
    return writer.length;
}
