/* Why something failed, in words for a person, and which exit status follows from it. */
#ifndef HF_FAILURE_H
#define HF_FAILURE_H

#include <stdbool.h>

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

/* Which of two statuses a run ends with: 1, 3, 4, 5, 2, 0 in that order (SEMANTICS 29). */
int hf_exit_stronger(int one, int other);

#endif
