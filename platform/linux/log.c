/* A line is put together in memory and written by one write(), so that lines of two runs on one file
 * never mix. A log that cannot be written does not stop a job: stderr says so once. */
#include "log.h"

#include "bytes.h"
#include "files.h"
#include "hf_json.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    int fd, level, format;
    const char *path;
    bool broken;
    void (*make_way)(void);
    hf_bytes line, message;
} hf_the_log = { .fd = STDERR_FILENO, .level = HF_LOG_INFO };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

int64_t hf_time_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *hf_time_text(int64_t unix_ms, char *out) {
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = strftime(out, HF_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + length, HF_TIME_BYTES - length, ".%03dZ", (int)(unix_ms % 1000));
    return out;
}

bool hf_log_open(const hf_options *options, hf_failure *failure) {
    hf_the_log.level = options->log_level;
    hf_the_log.format = options->log_format;
    if (options->log_file) {
        int fd = hf_file_open(options->log_file, O_WRONLY | O_CREAT | O_APPEND);
        if (fd < 0) {
            return hf_fail_file(failure, HF_EXIT_USAGE, options->log_file, "write the log to");
        }
        hf_the_log.fd = fd;
        hf_the_log.path = options->log_file;
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

bool hf_log_on_stderr(void) {
    return hf_the_log.fd == STDERR_FILENO;
}

void hf_log_make_way(void (*make_way)(void)) {
    hf_the_log.make_way = make_way;
}

void hf_say(const char *text, size_t bytes) {
    if (hf_the_log.make_way) {
        hf_the_log.make_way();
    }
    hf_write_all(STDERR_FILENO, text, bytes, -1); /* a closed stderr is nobody's loss */
}

static void write_line(const hf_bytes *line) {
    if (hf_log_on_stderr()) {
        hf_say(line->data, line->used);
    } else if (!hf_write_all(hf_the_log.fd, line->data, line->used, -1) && !hf_the_log.broken) {
        hf_bytes said = { 0 };
        hf_the_log.broken = true;
        hf_bytes_format(&said, "holdfast: the log %s has gaps: %s\n", hf_the_log.path,
                        strerror(errno));
        hf_say(said.data, said.used);
        hf_bytes_free(&said);
    }
}

static void json_line(hf_bytes *line, const char *time, int level, const char *message,
                      const hf_log_field *fields, size_t count) {
    hf_json *json = hf_json_object();
    hf_json_add_text(json, "time", time);
    hf_json_add_text(json, "level", level_names[level]);
    hf_json_add_text(json, "message", message);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].text) {
            hf_json_add_text(json, fields[i].name, fields[i].text);
        } else {
            hf_json_add_count(json, fields[i].name, fields[i].number);
        }
    }
    char *text = hf_json_print(json, false);
    if (text) {
        hf_bytes_add_text(line, text);
    }
    free(text);
    hf_json_free(json);
}

static void emit(int level, const hf_log_field *fields, size_t count, const char *message,
                 size_t bytes) {
    char time[HF_TIME_BYTES];
    hf_time_text(hf_time_now(), time);
    hf_bytes *line = &hf_the_log.line;
    hf_bytes_reset(line, 65536);
    hf_bytes clean = { 0 };
    hf_bytes_add_printable(&clean, message, bytes);
    if (hf_the_log.format == HF_LOG_JSON) {
        json_line(line, time, level, hf_bytes_text(&clean), fields, count);
    } else {
        hf_bytes_format(line, "%s %-5s ", time, level_names[level]);
        hf_bytes_add(line, clean.data, clean.used);
    }
    hf_bytes_free(&clean);
    hf_bytes_add_byte(line, '\n');
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
        emit(level, NULL, 0, hf_the_log.message.data, hf_the_log.message.used);
    }
}

void hf_log_fields(int level, const hf_log_field *fields, size_t count, const char *format, ...) {
    if (hf_log_wants(level)) {
        va_list arguments;
        va_start(arguments, format);
        format_message(format, arguments);
        va_end(arguments);
        emit(level, fields, count, hf_the_log.message.data, hf_the_log.message.used);
    }
}

void hf_log_failure(const hf_failure *failure) {
    size_t bytes = strlen(failure->text);
    bool on_stderr = hf_log_on_stderr();
    if (!on_stderr || hf_the_log.format == HF_LOG_JSON) {
        hf_log_field status = { .name = "exit_status", .number = (uint64_t)failure->status };
        emit(HF_LOG_ERROR, &status, 1, failure->text, bytes);
    }
    if (!on_stderr || hf_the_log.format == HF_LOG_TEXT) {
        hf_bytes said = { 0 };
        hf_bytes_add_text(&said, "holdfast: ");
        /* The caret below a piece of SQL needs its line breaks: each line is made printable by itself. */
        for (const char *at = failure->text; *at;) {
            size_t length = strcspn(at, "\n");
            hf_bytes_add_printable(&said, at, length);
            hf_bytes_add_byte(&said, '\n');
            at += length + (at[length] == '\n');
        }
        hf_say(said.data, said.used);
        hf_bytes_free(&said);
    }
}
