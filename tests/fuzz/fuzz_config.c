/* What people write: a JSON file of options, single options, a command line, then what they make of a config.
 *
 *     input = which, then texts with LF between, or the file
 */
#include "fuzz.h"
#include "memory_file.h"

#include "cli/options.h"
#include "cli/options_file.h"

enum { WORDS = 16 };

static void check(const hf_options *options, const hf_failure *failure, bool good) {
    char duration[40];
    HF_FUZZ_CHECK(good || (failure->status == 1 && failure->text[0]));
    HF_FUZZ_CHECK(memchr(failure->text, 0, sizeof failure->text));
    for (size_t i = 0; i < options->n_kept; i++)
        HF_FUZZ_CHECK(options->kept[i] != NULL);
    hf_duration_text(options->deadline_ms, duration, sizeof duration);
    HF_FUZZ_CHECK(strlen(duration) < sizeof duration);
}

/* What was accepted piece by piece is accepted as a whole. */
static void apply(const hf_options *options) {
    hf_failure failure = { 0 };
    hf_config *config = malloc(sizeof *config);
    HF_FUZZ_CHECK(config != NULL);
    *config = (hf_config)HF_CONFIG_DEFAULT;
    HF_FUZZ_CHECK(hf_options_apply(options, config, &failure));
    free(config);
}

static void read_file(hf_options *options, const uint8_t *data, size_t size) {
    hf_failure failure = { 0 };
    hf_options_init(options);
    options->command = HF_COMMAND_REPORT;
    bool good = hf_options_file(options, hf_memory_file(data, size, 0600), &failure);
    check(options, &failure, good);
    if (good)
        apply(options);
}

static void read_line(hf_options *options, hf_fuzz *fuzz) {
    static const char *const commands[] = { "report", "query", "watch" };
    char *words[WORDS + 3] = { NULL };
    char program[] = "holdfast", command[16];
    int n = 2;
    hf_failure failure = { 0 };
    snprintf(command, sizeof command, "%s", commands[hf_fuzz_byte(fuzz) % 3]);
    words[0] = program;
    words[1] = command;
    while (!hf_fuzz_over(fuzz) && n < WORDS) {
        words[n++] = hf_fuzz_text(fuzz, '\n');
        /* Only this test's own file is read. */
        if (strncmp(words[n - 1], "--config", 8) == 0)
            words[n - 1][2] = 'C';
    }
    bool good = hf_options_parse(options, n, words, &failure);
    check(options, &failure, good);
    if (good)
        apply(options);
    for (int i = 2; i < n; i++)
        free(words[i]);
}

static void set_one(hf_options *options, hf_fuzz *fuzz) {
    hf_failure failure = { 0 };
    char *name = hf_fuzz_text(fuzz, '\n'), *value = hf_fuzz_text(fuzz, '\n');
    hf_options_init(options);
    if (hf_option_find(name) || hf_setting_named(name))
        check(options, &failure, hf_options_set(options, name, value, "--", &failure));
    else
        hf_option_nearest(name, HF_COMMAND_REPORT);
    free(name);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static hf_options options;
    hf_fuzz fuzz = hf_fuzz_on(data, size);
    hf_memory_quiet();
    switch (hf_fuzz_byte(&fuzz) % 3) {
    case 0: read_file(&options, fuzz.at, (size_t)(fuzz.end - fuzz.at)); break;
    case 1: read_line(&options, &fuzz); break;
    default: set_one(&options, &fuzz); break;
    }
    hf_options_free(&options);
    return 0;
}
