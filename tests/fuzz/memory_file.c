#include "memory_file.h"

#include "fuzz.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static char path[256];
static int fd = -1;

static void forget(void) {
    unlink(path);
}

/* A real file: who opens it may refuse to follow a link. run.sh has TMPDIR in memory where there is one. */
static void make(void) {
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%.200s/holdfast-fuzz.XXXXXX", folder ? folder : "/tmp");
    fd = mkostemp(path, O_CLOEXEC);
    HF_FUZZ_CHECK(fd >= 0);
    atexit(forget);
}

const char *hf_memory_file(const void *bytes, size_t size, mode_t mode) {
    if (fd < 0)
        make();
    HF_FUZZ_CHECK(ftruncate(fd, 0) == 0 && fchmod(fd, mode) == 0);
    HF_FUZZ_CHECK(size == 0 || pwrite(fd, bytes, size, 0) == (ssize_t)size);
    return path;
}

void hf_memory_quiet(void) {
    static bool quiet;
    hf_failure failure;
    HF_FUZZ_CHECK(quiet || hf_log_open(HF_LOG_ERROR, HF_LOG_TEXT, "/dev/null", &failure));
    quiet = true;
}
