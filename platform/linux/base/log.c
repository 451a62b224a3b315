/* A line is put together in memory and written by one write(), so that lines of two runs on one file
 * never mix. A log that cannot be written does not stop a job: stderr says so once. */
#include "log.h"

#include "bytes.h"
#include "files.h"
#include "holdfast/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROOM_MS 1000

static struct {
    int fd, level, format;
    const char *path;
    bool broken, special; /* no regular file */
    void (*before_output)(void *user);
    void *before_output_user;
    hf_bytes line, message;
} hf_the_log = { .fd = STDERR_FILENO, .level = HF_LOG_INFO };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

int64_t hf_time_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* By arithmetic (the Gregorian calendar from 1 March 0000, in eras of 400 years): gmtime() takes a lock, which a signal
 * may have interrupted. */
const char *hf_time_text(int64_t unix_ms, char *out) {
    const int64_t ms_of_day = 86400000, shifted = unix_ms + 719468 * ms_of_day;
    const unsigned ms = (unsigned)(shifted % ms_of_day);
    const unsigned era = (unsigned)(shifted / ms_of_day / 146097);
    const unsigned day = (unsigned)(shifted / ms_of_day % 146097);
    const unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const unsigned of_year = day - (365 * year + year / 4 - year / 100);
    const unsigned month = (5 * of_year + 2) / 153; /* 0 is March */
    snprintf(out, HF_TIME_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (era * 400 + year + (month >= 10)) % 10000, month < 10 ? month + 3 : month - 9,
             of_year - (153 * month + 2) / 5 + 1, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
             ms % 1000);
    return out;
}

static void last_words(int status, const char *text);

void hf_log_format(int format) {
    hf_the_log.format = format;
    hf_last_words_by(last_words);
}

bool hf_log_open(int level, int format, const char *path, hf_failure *failure) {
    hf_the_log.level = level;
    hf_log_format(format);
    if (path) {
        if (!hf_file_takes_text("--log-file", path, failure)) {
            return false;
        }
        int fd = hf_file_open(path, O_WRONLY | O_CREAT | O_APPEND);
        if (fd < 0 && errno == ENXIO) {
            return hf_fail(
                failure, HF_EXIT_USAGE,
                "--log-file: nobody reads the pipe %s: start its reader first, or name a "
                "file",
                path);
        }
        if (fd < 0) {
            return hf_fail_file(failure, HF_EXIT_USAGE, path, "write the log to");
        }
        hf_the_log.fd = fd;
        hf_the_log.path = path;
        hf_the_log.special = hf_file_kind(path) != NULL;
    }
    return true;
}

void hf_log_close(void) {
    if (hf_the_log.fd != STDERR_FILENO) {
        close(hf_the_log.fd);
        hf_the_log.fd = STDERR_FILENO;
    }
    hf_bytes_free(&hf_the_log.line);
    hf_bytes_free(&hf_the_log.message);
}

bool hf_log_wants(int level) {
    return level <= hf_the_log.level;
}

static bool on_stderr(void) {
    return hf_the_log.fd == STDERR_FILENO;
}

bool hf_log_is_json(void) {
    return hf_the_log.format == HF_LOG_JSON;
}

void hf_log_before_output(void (*before_output)(void *user), void *user) {
    hf_the_log.before_output = before_output;
    hf_the_log.before_output_user = user;
}

/* As it is. */
static void put(const char *text, size_t bytes) {
    if (hf_the_log.before_output) {
        hf_the_log.before_output(hf_the_log.before_output_user);
    }
    hf_write_all(STDERR_FILENO, text, bytes, -1); /* a closed stderr is nobody's loss */
}

void hf_say(const char *text) {
    hf_bytes lines = { 0 };
    while (*text) {
        size_t length = strcspn(text, "\n");
        hf_bytes_add_printable(&lines, text, length);
        hf_bytes_add_byte(&lines, '\n');
        text += length + (text[length] == '\n');
    }
    put(lines.data, lines.used);
    hf_bytes_free(&lines);
}

/* ---- JSON ----------------------------------------------------------------------------------------- */

static void add_printable(hf_json *json, const char *name, const char *text) {
    hf_bytes clean = { 0 };
    hf_bytes_add_printable(&clean, text, strlen(text));
    hf_json_add_text(json, name, hf_bytes_text(&clean));
    hf_bytes_free(&clean);
}

static hf_json *object_at(int level, const char *message) {
    char time[HF_TIME_BYTES];
    hf_json *json = hf_json_object();
    hf_json_add_text(json, "time", hf_time_text(hf_time_now(), time));
    hf_json_add_text(json, "level", level_names[level]);
    add_printable(json, "message", message);
    return json;
}

hf_json *hf_log_object(const char *message) {
    return object_at(HF_LOG_INFO, message);
}

/* As a line, which ends the object. */
static void add_json_line(hf_bytes *line, hf_json *json) {
    char *text = hf_json_print(json, false);
    if (!text) {
        hf_out_of_memory();
    }
    hf_bytes_add_text(line, text);
    hf_bytes_add_byte(line, '\n');
    free(text);
    hf_json_free(json);
}

void hf_say_json(hf_json *object) {
    hf_bytes line = { 0 };
    add_json_line(&line, object);
    put(line.data, line.used);
    hf_bytes_free(&line);
}

/* ---- lines ---------------------------------------------------------------------------------------- */

static void say_as_holdfast(const char *text) {
    hf_bytes line = { 0 };
    hf_bytes_format(&line, "holdfast: %s", text);
    hf_say(hf_bytes_text(&line));
    hf_bytes_free(&line);
}

static void say_gaps(int error) {
    hf_bytes line = { 0 };
    hf_bytes_format(&line, "the log %s has gaps: %s", hf_the_log.path, strerror(error));
    if (hf_log_is_json()) {
        hf_say_json(object_at(HF_LOG_WARN, hf_bytes_text(&line)));
    } else {
        say_as_holdfast(hf_bytes_text(&line));
    }
    hf_bytes_free(&line);
}

/* A reader of a pipe may be slow. One that does not read costs a wait, and then the lines: not the job. */
static bool has_room(void) {
    struct pollfd log = { .fd = hf_the_log.fd, .events = POLLOUT };
    errno = EAGAIN;
    return !hf_the_log.special || poll(&log, 1, hf_the_log.broken ? 0 : ROOM_MS) != 0;
}

static void write_line(const hf_bytes *line) {
    if (on_stderr()) {
        put(line->data, line->used);
    } else if (!(has_room() && hf_write_all(hf_the_log.fd, line->data, line->used, -1)) &&
               !hf_the_log.broken) {
        hf_the_log.broken = true;
        say_gaps(errno);
    }
}

static void json_line(hf_bytes *line, int level, const char *message, const hf_log_field *fields,
                      size_t count) {
    hf_json *json = object_at(level, message);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].text) {
            add_printable(json, fields[i].name, fields[i].text);
        } else {
            hf_json_add_count(json, fields[i].name, fields[i].number);
        }
    }
    add_json_line(line, json);
}

static void text_line(hf_bytes *line, int level, const char *message) {
    char time[HF_TIME_BYTES];
    hf_bytes_format(line, "%s %-5s ", hf_time_text(hf_time_now(), time), level_names[level]);
    hf_bytes_add_printable(line, message, strlen(message));
    hf_bytes_add_byte(line, '\n');
}

static void emit(int level, const hf_log_field *fields, size_t count, const char *message) {
    hf_bytes *line = &hf_the_log.line;
    hf_bytes_reset(line, 65536);
    if (hf_log_is_json()) {
        json_line(line, level, message, fields, count);
    } else {
        text_line(line, level, message);
    }
    write_line(line);
}

static void format_message(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0)));
static void format_message(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    hf_bytes *message = &hf_the_log.message;
    hf_bytes_reset(message, 65536);
    if (length > 0) {
        hf_bytes_reserve(message, (size_t)length + 1);
        vsnprintf(message->data, message->size, format, again);
        message->used = (size_t)length;
    }
    va_end(again);
}

void hf_log(int level, const char *format, ...) {
    if (hf_log_wants(level)) {
        va_list arguments;
        va_start(arguments, format);
        format_message(format, arguments);
        va_end(arguments);
        emit(level, NULL, 0, hf_bytes_text(&hf_the_log.message));
    }
}

void hf_log_fields(int level, const hf_log_field *fields, size_t count, const char *format, ...) {
    if (hf_log_wants(level)) {
        va_list arguments;
        va_start(arguments, format);
        format_message(format, arguments);
        va_end(arguments);
        emit(level, fields, count, hf_bytes_text(&hf_the_log.message));
    }
}

/* ---- the end -------------------------------------------------------------------------------------- */

void hf_log_failure(const hf_failure *failure) {
    const hf_log_field status = { .name = "exit_status", .number = (uint64_t)failure->status };
    HF_ASSERT(failure->status != HF_EXIT_DONE && failure->text[0]); /* whoever fails says why */
    if (!on_stderr()) {
        emit(HF_LOG_ERROR, &status, 1, failure->text);
    }
    if (hf_log_is_json()) {
        hf_json *json = object_at(HF_LOG_ERROR, failure->text);
        hf_json_add_count(json, status.name, status.number);
        hf_say_json(json);
    } else {
        say_as_holdfast(
            failure->text); /* its line breaks stay, for the caret below a piece of SQL */
    }
}

/* From a signal's handler, and without memory (hf_last_words()). */
static void last_words(int status, const char *text) {
    char line[512], time[HF_TIME_BYTES];
    if (hf_log_is_json()) {
        snprintf(line, sizeof line,
                 "{\"time\":\"%s\",\"level\":\"error\",\"message\":\"%s\",\"exit_status\":%d}\n",
                 hf_time_text(hf_time_now(), time), text, status);
    } else {
        snprintf(line, sizeof line, "holdfast: %s\n", text);
    }
    put(line, strlen(line));
}
