#include "error.h"

#include "text.h"

#include <string.h>

/* The error tables, and the one line that a person reads. Whatever comes from a server passes
 * hf_write_printable() on its way in, and once more on its way out where somebody else may have put it in. */

static const struct {
    int code;
    const char *name, *text;
} hf_errs[] = {
#define X(name, number, text) { number, "HF_" #name, text },
    HF_ERRORS(X)
#undef X
};

static const char *const hf_phases[] = {
#define X(name, text) text,
    HF_PHASES(X)
#undef X
};

static const char *const hf_limits[] = {
#define X(name, text) text,
    HF_LIMITS(X)
#undef X
};

#define HF_COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *hf_err_name(int code) {
    for (size_t i = 0; i < HF_COUNT(hf_errs); i++) {
        if (hf_errs[i].code == code) {
            return hf_errs[i].name;
        }
    }
    return "HF_ERR_?";
}

const char *hf_err_text(int code) {
    for (size_t i = 0; i < HF_COUNT(hf_errs); i++) {
        if (hf_errs[i].code == code) {
            return hf_errs[i].text;
        }
    }
    return "unknown error";
}

const char *hf_phase_name(hf_phase phase) {
    return (size_t)phase < HF_COUNT(hf_phases) ? hf_phases[phase] : "?";
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

/* "57P01", from what should be five letters and digits but may be anything. */
static void write_sqlstate(hf_writer *writer, const char *sqlstate) {
    for (size_t i = 0; i < 5 && sqlstate[i]; i++) {
        char letter[2] = { sqlstate[i], 0 };
        bool good =
            (letter[0] >= '0' && letter[0] <= '9') || (letter[0] >= 'A' && letter[0] <= 'Z');
        hf_write_text(writer, good ? letter : "?");
    }
}

static const char *severity_word(char severity) {
    switch (severity) {
    case 'W': return "WARNING ";
    case 'F': return "FATAL ";
    case 'P': return "PANIC ";
    default: return ""; /* ERROR is the usual case, and goes without saying */
    }
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

    hf_write_text(writer,
                  limited && error->code == HF_ERR_OUTAGE ? "given up" : hf_err_text(error->code));
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

    if (error->code == HF_ERR_SERVER || (error->code == HF_OK && error->from_server)) {
        hf_write_text(&writer, error->code == HF_OK ? "the server says: " : "the server refused: ");
        write_server(&writer, error);
        write_server_place(&writer, error);
        return writer.length;
    }
    write_failure(&writer, error);
    if (error->from_server) {
        hf_write_text(&writer, "; the server says: ");
        write_server(&writer, error);
    } else if (error->message[0]) {
        hf_write_text(&writer, ": ");
        write_message(&writer, error);
    }
    if (error->system != 0) {
        hf_write_text(&writer, " [system error ");
        hf_write_signed(&writer, error->system);
        hf_write_text(&writer, "]");
    }
    return writer.length;
}
