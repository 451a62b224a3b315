/* The program's exit statuses; why something failed, in words for a person, and which status follows from it. */
#ifndef HF_FAILURE_H
#define HF_FAILURE_H

#include <stdbool.h>

/* The contract with scripts (README, "Exit codes"). When several apply: 1, 3, 4, 5, 2, 0. */
typedef enum hf_exit {
    HF_EXIT_DONE = 0,       /* all done */
    HF_EXIT_USAGE = 1,      /* usage, configuration, or a query the server will not prepare */
    HF_EXIT_REJECTED = 2,   /* done, but some lines were refused */
    HF_EXIT_REFUSED = 3,    /* refused for good: nothing to retry */
    HF_EXIT_INCOMPLETE = 4, /* run it again to resume */
    HF_EXIT_UNKNOWN = 5     /* the outcome of a write is unknown */
} hf_exit;

#define HF_FAILURE_BYTES 1536

/* All zero: nothing failed. `text` names the thing, the place and the way out. */
typedef struct hf_failure {
    int status; /* an hf_exit */
    char text[HF_FAILURE_BYTES];
} hf_failure;

/* Fills *failure and returns false, so that a function can end with it. Text that does not fit is cut. */
bool hf_fail(hf_failure *failure, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds to the text. */
void hf_fail_more(hf_failure *failure, const char *text);

/* The same for a file: "PATH: what errno means". What passes (a full disk, no memory) is status 4, with a way out
 * of its own, whatever `status` says. */
bool hf_fail_file(hf_failure *failure, int status, const char *path, const char *doing);

/* The way out of an errno that passes by itself or by an administrator's hand, so that the same command goes on
 * then; NULL when it is no such errno. */
const char *hf_way_out(int number);

/* Which of two statuses a run ends with: 1, 3, 4, 5, 2, 0 in that order (REPORT.md 29). */
int hf_exit_stronger(int one, int other);

/* Why the program ends at once, said where no memory is to be had, or from a signal's handler: `text` is the
 * program's own, a line of plain letters. It goes to stderr, in the way that the log has set. */
void hf_last_words(int status, const char *text);
void hf_last_words_by(void (*say)(int status, const char *text));

#endif
