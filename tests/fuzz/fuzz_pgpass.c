/* libpq's two files: a password file and a service file.
 *
 *     input = host, port, database, user and service with LF between, then the file
 */
#include "fuzz.h"
#include "memory_file.h"

#include "cli/pgpass.h"

static bool each(void *user, const char *key, const char *value, const char *place,
                 hf_failure *failure) {
    unsigned *pairs = user;
    (void)failure;
    HF_FUZZ_CHECK(!strchr(key, '\n') && !strchr(value, '\n') && place[0]);
    return ++*pairs < 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hf_fuzz fuzz = hf_fuzz_on(data, size);
    hf_bytes file = { 0 }, password = { 0 };
    hf_failure failure = { 0 };
    unsigned pairs = 0;
    char *names[5];
    hf_memory_quiet();
    for (size_t i = 0; i < 5; i++)
        names[i] = hf_fuzz_text(&fuzz, '\n');
    const char *path = hf_memory_file(fuzz.at, (size_t)(fuzz.end - fuzz.at), 0600);
    if (hf_pgpass_read(path, &file) &&
        hf_pgpass_find(&file, names[0], names[1], names[2], names[3], &password))
        HF_FUZZ_CHECK(password.used <= size);
    hf_service_found found = hf_service_read(path, names[4], each, &pairs, &failure);
    HF_FUZZ_CHECK(found != HF_SERVICE_NONE || pairs == 0);
    HF_FUZZ_CHECK(found != HF_SERVICE_FAILED || failure.text[0] || pairs >= 1000);
    for (size_t i = 0; i < 5; i++)
        free(names[i]);
    hf_bytes_free(&password);
    hf_bytes_free(&file);
    return 0;
}
