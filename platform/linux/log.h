/* The program's log: one line an event, as text or as a JSON object, on stderr or appended to a file.
 *
 * There is one log, as there is one stderr. Everything written is printable text (SECURITY 3), and no
 * caller hands it a secret.
 */
#ifndef HF_LOG_H
#define HF_LOG_H

#include "options.h"

#include <stdint.h>

/* A detail that the JSON form gives a name of its own; the text form has it in the message. */
typedef struct hf_log_field {
    const char *name;
    const char *text; /* NULL: number */
    uint64_t number;
} hf_log_field;

/* False: exit status 1 and why. Before it, lines go to stderr at level info. */
bool hf_log_open(const hf_options *options, hf_failure *failure);
void hf_log_close(void);
bool hf_log_wants(int level);
/* True when lines go to stderr. */
bool hf_log_on_stderr(void);

void hf_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void hf_log_fields(int level, const hf_log_field *fields, size_t count, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Why the program stops: always on stderr, and in the log file if there is one. */
void hf_log_failure(const hf_failure *failure);

/* Text for the person at the terminal, as it is: lines on stderr, below which a bar may be redrawn. */
void hf_say(const char *text, size_t bytes);
/* Called before anything is written to stderr, so that a progress bar can make way; NULL none. */
void hf_log_make_way(void (*make_way)(void));

/* "2024-05-01T12:00:00.123Z" */
#define HF_TIME_BYTES 32
const char *hf_time_text(int64_t unix_ms, char *out);
int64_t hf_time_now(void); /* the wall clock, for people only */

#endif
