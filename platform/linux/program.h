/* What the program's files share: exit statuses, the reason of a failure, the three commands. */
#ifndef HF_PROGRAM_H
#define HF_PROGRAM_H

#include "options.h"

/* The contract with scripts (README, "Exit codes"). When several apply: 1, 3, 4, 5, 2, 0. */
typedef enum hf_exit {
    HF_EXIT_DONE = 0,       /* all done */
    HF_EXIT_USAGE = 1,      /* usage, configuration, or a query the server will not prepare */
    HF_EXIT_REJECTED = 2,   /* done, but some lines were refused */
    HF_EXIT_REFUSED = 3,    /* refused for good: nothing to retry */
    HF_EXIT_INCOMPLETE = 4, /* run it again to resume */
    HF_EXIT_UNKNOWN = 5     /* the outcome of a write is unknown */
} hf_exit;

/* A command: options in, exit status out. It has said all there is to say. */
int hf_report(const hf_options *options);
int hf_query(const hf_options *options);
int hf_watch(const hf_options *options);

#endif
