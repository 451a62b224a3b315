#include "holdfast/test.h"

#include <stdio.h>
#include <stdlib.h>

/* A failed assertion ends the test program and says where. In a file of its own, so that a program which
 * defines hf_assert_failed() itself, to look at assertions, links without this one. */

_Noreturn void hf_assert_failed(const char *what, const char *file, int line) {
    fflush(stdout);
    fprintf(stderr, "holdfast: %s:%d: assertion failed: %s\n", file, line, what);
    abort();
}
