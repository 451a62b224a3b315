/* The command line and the JSON file: what is said counts, what is wrong is named, secrets vanish. */
#include "base/log.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/report_values.h"

#include "one_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static hf_options options;
static hf_failure failure;

#define WORDS_MAX 32

/* Parses words separated by blanks; argv is writable, as a program's is. */
static char text[1024], *words[WORDS_MAX];
static int n_words;

static bool parse(const char *line) {
    hf_options_free(&options);
    failure = (hf_failure){ 0 };
    snprintf(text, sizeof text, "%s", line);
    n_words = 0;
    for (char *at = strtok(text, " "); at && n_words + 1 < WORDS_MAX; at = strtok(NULL, " ")) {
        words[n_words++] = at;
    }
    words[n_words] = NULL;
    return hf_options_parse(&options, n_words, words, &failure);
}

#define REPORT "holdfast report --cost-file c --query q --output o "

static void refused(const char *line, const char *why) {
    assert_false(parse(line));
    assert_int_equal(failure.status, 1);
    if (!strstr(failure.text, why)) {
        fail_msg("'%s' is not in '%s'", why, failure.text);
    }
}

static uint32_t setting(const char *option) {
    hf_config config = HF_CONFIG_DEFAULT;
    assert_true(hf_options_apply(&options, &config, &failure));
    uint32_t value;
    memcpy(&value, (char *)&config + hf_setting_named(option)->offset, sizeof value);
    return value;
}

static void every_setting_is_an_option_with_either_spelling(void **state) {
    (void)state;
    for (size_t i = 0; i < hf_settings_count; i++) {
        const hf_setting *row = &hf_settings[i];
        unsigned value = row->minimum + 7 <= row->maximum ? row->minimum + 7 : row->minimum;
        char line[200];
        snprintf(line, sizeof line, REPORT "--%s %u%s", hf_settings_words[i].option, value,
                 row->unit == HF_UNIT_MS ? "ms" : "");
        assert_true(parse(line));
        assert_int_equal(setting(hf_settings_words[i].option), value);
        snprintf(line, sizeof line, REPORT "--%s=%u%s", hf_settings_words[i].option, value,
                 row->unit == HF_UNIT_MS ? "ms" : "");
        assert_true(parse(line));
        assert_int_equal(setting(hf_settings_words[i].option), value);
    }
}

/* Shows rule 19. */
static void reconnect_and_close_timeout_set_both_in_any_order(void **state) {
    (void)state;
    assert_true(parse(REPORT "--reconnect-timeout 2s --close-timeout 500ms"));
    assert_int_equal(setting("reconnect-timeout"), 2000);
    assert_int_equal(setting("probe-reconnect-timeout"), 2000);
    assert_int_equal(setting("close-timeout"), 500);
    assert_int_equal(setting("probe-close-timeout"), 500);
    assert_true(parse(REPORT "--probe-reconnect-timeout 7s --reconnect-timeout 2s"));
    assert_int_equal(setting("reconnect-timeout"), 2000);
    assert_int_equal(setting("probe-reconnect-timeout"), 7000);
    assert_true(parse(REPORT "--probe-close-timeout 7s"));
    assert_int_equal(setting("close-timeout"), 5000);
    assert_int_equal(setting("probe-close-timeout"), 7000);
}

static void durations_and_sizes_have_units(void **state) {
    (void)state;
    assert_true(
        parse(REPORT "--deadline 15m --window-bytes 3MiB --max-row 64KiB --retry-delay 0.5"));
    assert_int_equal(options.deadline_ms, 900000);
    assert_int_equal(options.window_bytes, 3 * 1024 * 1024);
    assert_int_equal(options.max_row, 65536);
    assert_int_equal(setting("retry-delay"), 500);
    refused(REPORT "--deadline 5x", "--deadline: '5x'");
    refused(REPORT "--window-bytes 10", "--window-bytes: '10': at least");
    refused(REPORT "--window 0", "--window: '0': at least 1");
    refused(REPORT "--window -1", "--window");
    refused(REPORT "--max-row 9GiB", "--max-row");
    refused(REPORT "--jitter 101", "at most 100");
}

static void what_is_unknown_is_named_with_its_nearest(void **state) {
    (void)state;
    refused(REPORT "--otput x", "did you mean --output");
    refused(REPORT "--max-retry 4", "did you mean --max-retries");
    refused(REPORT "--conect-timeout=1", "did you mean --connect-timeout");
    refused(REPORT "--zzzzzzzzzzzz", "there is no option --zzzzzzzzzzzz; see");
    refused("holdfast reprot", "did you mean 'report'");
    refused("holdfast", "report, query, watch, merge or ledger");
    refused("holdfast report --cost_file c", "--cost-file");
    refused("holdfast query --\nSELECT\n1", "a statement that begins with a comment comes last");
    refused(REPORT "--write --ledger --window 64", "--window: with --ledger");
    assert_true(parse(REPORT "--write --ledger"));
    refused("holdfast query --window 3 x", "'query' has no option --window");
    refused(REPORT "--log-level loud", "not one of error|warn|info|debug");
    refused(REPORT "extra", "one word too many");
    refused(REPORT "--write=yes", "takes no value");
}

static void no_file_is_named_twice_where_it_would_be_written_over(void **state) {
    (void)state;
    refused(REPORT "--summary ./o", "--summary: ./o is another file of this report");
    refused(REPORT "--summary o.rejects.csv", "another file of this report");
    refused(REPORT "--log-file c", "--log-file: c is another file of this report");
    refused(REPORT "--log-file x --summary x", "--summary: x is another file of this report");
    assert_true(parse(REPORT "--log-file l --summary s"));
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    refused("holdfast report", "--cost-file FILE");
    refused("holdfast report --cost-file c", "--query FILE");
    refused("holdfast report --cost-file c --query q", "--output FILE");
    refused("holdfast report --cost-file c --query q --output", "--output needs a value");
    refused("holdfast report --cost-file c --query --output o", "--query needs a value");
    refused("holdfast query", "needs a statement");
    refused(REPORT "--replay safe", "--write");
}

static void reads_are_safe_and_writes_are_resolved_unless_told_otherwise(void **state) {
    (void)state;
    assert_true(parse(REPORT));
    assert_int_equal(hf_options_replay(&options), HF_REPLAY_SAFE);
    assert_true(parse(REPORT "--write"));
    assert_int_equal(hf_options_replay(&options), HF_REPLAY_RESOLVE);
    assert_true(parse(REPORT "--write --replay resolve"));
    assert_int_equal(hf_options_replay(&options), HF_REPLAY_RESOLVE);
    assert_true(parse(REPORT "--write --replay unsent"));
    assert_int_equal(hf_options_replay(&options), HF_REPLAY_UNSENT);
    assert_true(parse(REPORT "--write --replay safe"));
    assert_int_equal(hf_options_replay(&options), HF_REPLAY_SAFE);
}

static void a_statement_and_its_values_are_taken(void **state) {
    (void)state;
    assert_true(parse("holdfast query --param 1 SELECT --param=--x --param -5 --format json"));
    assert_string_equal(options.sql, "SELECT");
    assert_int_equal(options.param.count, 3);
    assert_string_equal(options.param.items[1], "--x");
    assert_string_equal(options.param.items[2], "-5");
    assert_int_equal(options.format, HF_FORMAT_JSON);
    assert_true(parse("holdfast query -- --looks-like-an-option"));
    assert_string_equal(options.sql, "--looks-like-an-option");
}

/* O6: not in argv once it was read, right or wrong, in either spelling. Shows security 14. */
static void a_dsn_is_wiped_from_argv(void **state) {
    static const char *const lines[] = { REPORT "--dsn postgres://u:hunter2@h/d",
                                         REPORT "--dsn=postgres://u:hunter2@h/d",
                                         REPORT "--dsn postgres://u:hunter2@h/d --nonsense",
                                         "holdfast reprot --dsn postgres://u:hunter2@h/d",
                                         REPORT "--nonsense --dsn postgres://u:hunter2@h/d" };
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        bool good = parse(lines[i]);
        assert_int_equal(good, i < 2);
        for (int at = 0; at < n_words; at++) {
            assert_null(strstr(words[at], "hunter2"));
        }
        assert_null(strstr(failure.text, "hunter2"));
        if (good) {
            assert_string_equal(options.dsn, "postgres://u:hunter2@h/d");
        }
    }
}

static void write_json(const char *json) {
    write_path(json, strlen(json));
}

static bool with_file(const char *json, const char *line) {
    char all[600];
    write_json(json);
    snprintf(all, sizeof all, "%s --config %s", line, path);
    return parse(all);
}

static void the_file_gives_what_the_command_line_does_not(void **state) {
    (void)state;
    assert_true(
        with_file("{\"window\": 9, \"max_retries\": 2, \"retry-delay\": 0.25, \"write\": true, "
                  "\"param\": [\"1\", 2], \"log_level\": \"debug\", \"format\": \"csv\"}",
                  REPORT "--max-retries 4"));
    assert_int_equal(options.window, 9);
    assert_int_equal(setting("max-retries"), 4);
    assert_int_equal(setting("retry-delay"), 250);
    assert_true(options.write);
    assert_int_equal(options.param.count, 2);
    assert_int_equal(options.log_level, HF_LOG_DEBUG);
    assert_true(with_file("{\"param\": [\"1\", \"2\"]}", "holdfast query x --param 7"));
    assert_int_equal(options.param.count, 1); /* instead of the file's, not behind them */
    assert_string_equal(options.param.items[0], "7");
}

/* What only report can mean is not held against the other commands. */
static void one_file_serves_every_command(void **state) {
    static const char *const files[] = {
        "{\"shard\": \"auto\", \"output\": \"part-{shard}.csv\", \"max_rejects\": \"x\", \"delimiter\": \"ab\"}",
        "{\"cost_file\": \"-\", \"output\": \"-\", \"position\": \"-\", \"summary\": \"-\"}"
    };
    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        assert_true(with_file(files[i], "holdfast query x"));
        assert_true(with_file(files[i], "holdfast query -"));
        assert_true(with_file(files[i], "holdfast watch"));
        assert_false(with_file(files[i], "holdfast report --query q"));
    }
}

/* Shows rule 50, rule 52, rule 54. */
static void names_of_outputs_are_read_whole(void **state) {
    (void)state;
    assert_true(parse(REPORT "--shard 2/3 --summary s-{shard}.json --log-file l-{shard}.log"));
    assert_string_equal(options.summary, "s-2.json");
    assert_string_equal(options.log_file, "l-2.log");
    assert_true(parse(REPORT "--summary s-{date}.json --log-file {date}{date}"));
    assert_int_equal(strlen(options.summary), strlen("s-2026-01-31.json"));
    assert_int_equal(strlen(options.log_file), 2 * strlen("2026-01-31"));
    assert_true(parse("holdfast query x --log-file q-{date}.log"));
    assert_int_equal(strlen(options.log_file), strlen("q-2026-01-31.log"));
    refused(REPORT "--summary s-{shard}.json", "--summary s-{shard}.json: {shard} is the number");
    refused("holdfast watch --log-file {shard}", "--log-file {shard}: {shard} is the number");
    assert_true(
        parse("holdfast report --cost-file c --query q --shard 2/3 --output {shard}/{shard}.csv"));
    assert_string_equal(options.output, "2/2.csv");
    refused("holdfast report --cost-file c --query q --output - --position -",
            "the position is a file");
    refused("holdfast merge --output - a b", "what is merged is a file: name one");
    refused(REPORT "--limit forever", "at most 4000000000");
}

#define EIGHT "[[[[[[[["

/* Shows security 15, security 16. */
static void a_wrong_file_is_refused_by_name(void **state) {
    static const char *const wrong[][2] = {
        { "{\"windwo\": 9}", "did you mean 'window'" },
        { "{\"window\": \"many\"}", "window: 'many'" },
        { "{\"write\": 1}", "true or false" },
        { "{\"output\": true}", "a text or a number" },
        { "[]", "an object is expected" },
        { "{\n\"a\n", ":2: not JSON" },
        { "{} x", "something follows" },
        { "{\"window\":1,\"window\":2}", "given twice" },
        { "{\"max_retries\":1,\"max-retries\":2}", "'max-retries' is given twice" },
        { "{\"log-level\":\"info\",\"x\":1,\"log_level\":\"warn\"}", "no option 'x'" },
        { "{\"log-level\":\"info\",\"log_level\":\"warn\"}", "'log_level' is given twice" },
        { "{\"cost_file\":\"a\",\"input\":\"b\"}", "'input' is given twice" },
        { "{\"dsn\": \"a\\nb\"}", "a line break" },
        { "{\"dsn\": \"a\\u0000b\"}", "an escaped NUL" },
        { "{\"window\": 1e99}", "exactly" },
        { EIGHT EIGHT EIGHT EIGHT "[1", "nested too deep" },
        { "{\"config\": \"x\"}", "no option 'config'" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_false(with_file(wrong[i][0], REPORT));
        if (!strstr(failure.text, wrong[i][1]) || !strstr(failure.text, path)) {
            fail_msg("%s: '%s'", wrong[i][0], failure.text);
        }
    }
}

/* Shows found R6. */
static void standard_input_is_not_the_settings_and_the_statement_too(void **state) {
    static const char *const lines[] = {
        "holdfast report --cost-file a --query - --output c --config -",
        "holdfast query - --config -"
    };
    (void)state;
    write_json("{\"window\": 9}");
    int kept = dup(STDIN_FILENO);
    for (size_t i = 0; i < COUNT(lines); i++) {
        int file = open(path, O_RDONLY);
        assert_int_equal(dup2(file, STDIN_FILENO), STDIN_FILENO);
        close(file);
        assert_false(parse(lines[i]));
        assert_non_null(strstr(failure.text, "one standard input"));
    }
    dup2(kept, STDIN_FILENO);
    close(kept);
}

/* Shows security 14. */
static void a_file_with_a_dsn_is_its_owners_alone(void **state) {
    static const char json[] = "{\"dsn\": \"postgres://u:hunter2@h/d\"}";
    (void)state;
    assert_int_equal(chmod(path, 0640), 0);
    assert_false(with_file(json, REPORT));
    assert_non_null(strstr(failure.text, "chmod 600"));
    assert_null(strstr(failure.text, "hunter2"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(with_file(json, REPORT));
    assert_string_equal(options.dsn, "postgres://u:hunter2@h/d");
}

static void help_has_every_option(void **state) {
    char *help = NULL;
    size_t size = 0;
    (void)state;
    FILE *to = open_memstream(&help, &size);
    hf_help(to, HF_COMMAND_REPORT);
    fclose(to);
    for (size_t i = 0; i < hf_settings_count; i++) {
        assert_non_null(strstr(help, hf_settings_words[i].option));
    }
    for (size_t i = 0; i < hf_option_count; i++) {
        if (hf_option_table[i].commands & HF_COMMAND_REPORT) {
            assert_non_null(strstr(help, hf_option_table[i].name));
        }
    }
    for (char *line = strtok(help, "\n"); line; line = strtok(NULL, "\n")) {
        assert_true(strlen(line) <= 100);
    }
    free(help);
}

static void help_of_merge_tells_of_no_shard_and_no_standard_output(void **state) {
    char *help = NULL;
    size_t size = 0;
    (void)state;
    FILE *to = open_memstream(&help, &size);
    hf_help(to, HF_COMMAND_MERGE);
    fclose(to);
    assert_non_null(strstr(help, "--output FILE"));
    assert_null(strstr(help, "{shard}"));
    assert_null(strstr(help, "standard output"));
    free(help);
}

/* Shows rule 51. */
static void rejects_are_a_number_or_a_share_of_the_lines(void **state) {
    static const struct {
        const char *text;
        uint64_t lines, most;
    } good[] = { { NULL, 9, UINT64_MAX }, { "0", 9, 0 },
                 { "12", 9, 12 },         { "0%", 9, 0 },
                 { "100%", 9, 9 },        { "50%", 9, 4 },
                 { "0.5%", 1000, 5 },     { "0.001%", 99999, 0 },
                 { "0.001%", 100000, 1 }, { "33.333%", 1u << 31, 715820724 } };
    static const char *const wrong[] = { "",        "x",    "-1",  "%",
                                         "1.5",     "101%", "5%%", "100.1%",
                                         "1.2345%", "5 %",  "1e3", "99999999999999999999" };
    uint64_t most;
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(hf_rejects_read(good[i].text, good[i].lines, &most));
        assert_true(most == good[i].most);
    }
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_false(hf_rejects_read(wrong[i], 9, &most));
    }
}

static int clean_up(void **state) {
    hf_options_free(&options);
    return remove_path(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_is_an_option_with_either_spelling),
        cmocka_unit_test(reconnect_and_close_timeout_set_both_in_any_order),
        cmocka_unit_test(durations_and_sizes_have_units),
        cmocka_unit_test(what_is_unknown_is_named_with_its_nearest),
        cmocka_unit_test(no_file_is_named_twice_where_it_would_be_written_over),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(reads_are_safe_and_writes_are_resolved_unless_told_otherwise),
        cmocka_unit_test(a_statement_and_its_values_are_taken),
        cmocka_unit_test(a_dsn_is_wiped_from_argv),
        cmocka_unit_test(the_file_gives_what_the_command_line_does_not),
        cmocka_unit_test(one_file_serves_every_command),
        cmocka_unit_test(names_of_outputs_are_read_whole),
        cmocka_unit_test(a_wrong_file_is_refused_by_name),
        cmocka_unit_test(standard_input_is_not_the_settings_and_the_statement_too),
        cmocka_unit_test(a_file_with_a_dsn_is_its_owners_alone),
        cmocka_unit_test(help_has_every_option),
        cmocka_unit_test(help_of_merge_tells_of_no_shard_and_no_standard_output),
        cmocka_unit_test(rejects_are_a_number_or_a_share_of_the_lines),
    };
    return cmocka_run_group_tests(tests, make_path, clean_up);
}
