/* The program's log: one line an event, as text or as a JSON object, on stderr or appended to a file.
 *
 * There is one log, as there is one stderr. Everything written is printable text (SECURITY 3), and no
 * caller hands it a secret. With --log-format json all that is written to stderr is JSON, an object a line: the
 * log's lines, progress, the summary and why the program stops. Each has `time` (UTC), `level`, `message`.
 */
#ifndef HF_LOG_H
#define HF_LOG_H

#include "failure.h"
#include "hf_json.h"

#include <stdint.h>

enum { HF_LOG_ERROR, HF_LOG_WARN, HF_LOG_INFO, HF_LOG_DEBUG };
enum { HF_LOG_TEXT, HF_LOG_JSON };

/* A detail that the JSON form gives a name of its own; the text form has it in the message. */
typedef struct hf_log_field {
    const char *name;
    const char *text; /* NULL: number */
    uint64_t number;
} hf_log_field;

/* How lines are written from now on, HF_LOG_TEXT or HF_LOG_JSON: before there is a log to open. */
void hf_log_format(int format);
/* Opens the log at a level and in a format, in the file at path (NULL: stderr); path is kept. False: exit status 1 and
 * why. Before it, lines go to stderr at level info. */
bool hf_log_open(int level, int format, const char *path, hf_failure *failure);
void hf_log_close(void);
bool hf_log_wants(int level);
/* Is stderr for a reader of JSON? Then nothing is said there but by hf_say_json(). */
bool hf_log_is_json(void);

void hf_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void hf_log_fields(int level, const hf_log_field *fields, size_t count, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Why the program stops: always on stderr, and in the log file if there is one. */
void hf_log_failure(const hf_failure *failure);

/* Text for the person at the terminal: lines on stderr, each printable, below which a bar may be redrawn. */
void hf_say(const char *text);
/* The same for a reader of JSON: an object with time, level (info) and message, to which the caller adds before
 * hf_say_json() writes it as a line and gives it back. */
hf_json *hf_log_object(const char *message);
void hf_say_json(hf_json *object);
/* Called before anything is written to stderr, so that a progress bar can make way; NULL none. */
void hf_log_before_output(void (*before_output)(void *user), void *user);

/* "2024-05-01T12:00:00.123Z"; from 1970 on. */
#define HF_TIME_BYTES 48
const char *hf_time_text(int64_t unix_ms, char *out);
int64_t hf_time_now(void); /* the wall clock, for people only */

#endif
