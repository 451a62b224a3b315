/* The file of a test program that needs one: cmocka_run_group_tests(tests, make_path, remove_path). */
#ifndef ONE_FILE_H
#define ONE_FILE_H

#include "unit.h"

#include <unistd.h>

static char path[] = "/tmp/hf-test-XXXXXX";

static int make_path(void **state) {
    (void)state;
    return close(mkstemp(path));
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

/* Makes it hold these bytes alone. */
static void write_path(const void *bytes, size_t size) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

#endif
