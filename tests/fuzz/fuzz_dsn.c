/* A DSN, then keys and values: what is kept fits and ends, and what is complained of names no password. */
#include "fuzz.h"

#include "holdfast/config.h"
#include "holdfast/holdfast.h"

#define SECRET "TopSecret"

static void check_text(const char *text) {
    HF_FUZZ_CHECK(!text || strlen(text) < HF_DSN_BYTES);
}

static void check(const hf_config *config, const hf_error *error, bool good) {
    HF_FUZZ_CHECK(config->n_hosts <= HF_HOSTS_MAX && config->text_bytes <= HF_DSN_BYTES);
    HF_FUZZ_CHECK(good ||
                  (error->code != HF_OK && memchr(error->message, 0, sizeof error->message)));
    for (unsigned i = 0; i < config->n_hosts; i++) {
        check_text(config->hosts[i].name);
        check_text(config->hosts[i].address);
    }
    check_text(config->user);
    check_text(config->password);
    check_text(config->database);
    check_text(config->application_name);
    check_text(config->requirepeer);
    check_text(config->sslkey);
    check_text(config->sslrootcert);
    check_text(config->options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hf_fuzz fuzz = hf_fuzz_on(data, size);
    hf_config *config = malloc(sizeof *config);
    hf_error error = { 0 };
    HF_FUZZ_CHECK(config != NULL);
    *config = (hf_config)HF_CONFIG_DEFAULT;
    char *dsn = hf_fuzz_text(&fuzz, '\n');
    /* With a known password in its place no message may hold it. */
    static const char with[] = "postgres://app:" SECRET "@host/db?";
    char *secret = malloc(sizeof with + strlen(dsn));
    HF_FUZZ_CHECK(secret != NULL);
    memcpy(secret, with, sizeof with - 1);
    memcpy(secret + sizeof with - 1, dsn, strlen(dsn) + 1);

    check(config, &error, hf_config_dsn(config, dsn, &error));
    *config = (hf_config)HF_CONFIG_DEFAULT;
    bool good = hf_config_dsn(config, secret, &error);
    check(config, &error, good);
    HF_FUZZ_CHECK(good || !strstr(error.message, SECRET) || strstr(dsn, SECRET));
    while (!hf_fuzz_over(&fuzz)) {
        char *key = hf_fuzz_text(&fuzz, '='), *value = hf_fuzz_text(&fuzz, '\n');
        error = (hf_error){ 0 };
        check(config, &error, hf_config_set(config, key, value, &error));
        free(key);
        free(value);
    }
    error = (hf_error){ 0 };
    check(config, &error, hf_config_check(config, &error));
    hf_config_wipe(config);
    HF_FUZZ_CHECK(!config->password || config->password[0] == '\0');
    free(config);
    free(dsn);
    free(secret);
    return 0;
}
