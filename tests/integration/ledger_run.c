/* The report's ledger on one connection, in the hands of test_ledger_table.py: opens the table, then reads words from
 * its standard input, does what they say, and says what came of it in one line each.
 *
 *     ledger_run DSN TABLE
 *
 * In, tabs between words: make IDENTITY | adopt ID IDENTITY | open | read | find | count LAST | close CHUNKS | empty |
 * check | chunk N INCARNATION KEEP SQL. Out: `ok` or `fail STATUS`, and behind a tab what was found, or why. A chunk's
 * INCARNATION is `now` (as of the last check), `none` (NULL) or a text.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/signals.h"
#include "cli/connection.h"
#include "report/ledger_run.h"

enum { WORDS_MAX = 8 };

static hf_client client;
static hf_ledger_table table;
static hf_ledger_run run;
static hf_failure failure;
static char line[1 << 16], said[1 << 12], kept[256];
static char *words[WORDS_MAX];

static bool is(const char *word) {
    return strcmp(words[0], word) == 0;
}

static bool tell_runs(bool good, hf_ledger_runs *runs) {
    for (size_t i = 0; i < runs->count; i++) {
        const hf_ledger_run *each = &runs->items[i];
        const size_t used = strlen(said);
        snprintf(said + used, sizeof said - used, "%s%s %s %s %" PRIu64 " %u %" PRIu64 " %s %s %s",
                 i ? ";" : "", each->id, each->identity, each->open ? "open" : "closed",
                 each->chunks, each->batch, each->batch_bytes, each->input, each->output,
                 each->begun);
    }
    hf_ledger_runs_free(runs);
    return good;
}

static int on_row(hf_request *request, hf_row *row) {
    hf_value value = hf_row_get(row, 0);
    (void)request;
    snprintf(said, sizeof said, "%.*s", (int)value.bytes, value.data ? value.data : "");
    return HF_CONTINUE;
}

static void on_kept(hf_request *request, hf_value value) {
    (void)request;
    snprintf(kept, sizeof kept, "%.*s", (int)value.bytes, value.data ? value.data : "");
}

/* A chunk is one statement. KEEP is kept at once if it begins with +, else before the COMMIT; - is nothing. */
static bool chunk(void) {
    const char *incarnation = strcmp(words[2], "now") == 0 ? table.incarnation : words[2];
    const bool none = strcmp(words[2], "none") == 0 || !incarnation[0],
               at_once = words[3][0] == '+';
    const hf_value keys[HF_LEDGER_KEYS] = {
        [HF_LEDGER_RUN] = hf_text(run.id),
        [HF_LEDGER_CHUNK] = hf_text(words[1]),
        [HF_LEDGER_INCARNATION] = none ? (hf_value){ 0 } : hf_text(incarnation),
        [HF_LEDGER_KEPT] = at_once ? hf_text(words[3] + 1) : (hf_value){ 0 },
    };
    hf_request request = { .replay = HF_REPLAY_LEDGER,
                           .ledger = at_once || words[3][0] == '-' ? &table.ledger : &table.keeps,
                           .key = keys,
                           .n_key = HF_LEDGER_KEYS,
                           .work = run.identity,
                           .sql = words[4],
                           .kept = hf_text(words[3]),
                           .on_row = on_row,
                           .on_kept = on_kept };
    kept[0] = 0;
    if (!hf_client_run(&client, &request) || request.outcome != HF_OUTCOME_OK) {
        hf_error_text(&request.error, said, sizeof said);
        return hf_fail(&failure, HF_EXIT_REJECTED, "%s %s", hf_outcome_name(request.outcome), said);
    }
    if (request.already_applied) {
        snprintf(said, sizeof said, "already %s", kept);
    }
    return true;
}

static bool count(void) {
    hf_ledger_count found;
    const bool good = hf_ledger_run_count(&table, &client, run.id, strtoull(words[1], NULL, 10), 0,
                                          &found, &failure);
    snprintf(said, sizeof said, "%s %" PRIu64 " %s", found.open ? "open" : "closed", found.chunks,
             strcmp(found.incarnation, table.incarnation) == 0 ? "same" : found.incarnation);
    return good;
}

static bool close_run(void) {
    const hf_ledger_end end = { .chunks = strtoull(words[1], NULL, 10),
                                .lines = 100,
                                .rejected = 2,
                                .at = 1700000000123,
                                .exit_status = 2 };
    bool closed;
    const bool good = hf_ledger_run_close(&table, &client, &run, &end, 0, &closed, &failure);
    snprintf(said, sizeof said, "%s", closed ? "closed" : "not closed");
    return good;
}

static bool act(void) {
    hf_ledger_runs runs = { 0 };
    if (is("make")) {
        hf_ledger_run_free(&run);
        const bool made = hf_ledger_run_make(&run, &client, words[1], "in \"put\" ž😀.csv",
                                             "q\\.sql", "o\xfft.csv", "id,twice", &failure);
        run.batch = 100;
        run.batch_bytes = 5000000000;
        snprintf(said, sizeof said, "%s", run.id);
        return made;
    }
    if (is("adopt")) {
        snprintf(run.id, sizeof run.id, "%s", words[1]);
        snprintf(run.identity, sizeof run.identity, "%s", words[2]);
        return true;
    }
    return is("open") ? hf_ledger_run_open(&table, &client, &run, 0, &failure)
           : is("read")
               ? tell_runs(hf_ledger_run_read(&table, &client, run.id, 0, &runs, &failure), &runs)
           : is("find")
               ? tell_runs(hf_ledger_run_find(&table, &client, run.identity, 0, &runs, &failure),
                           &runs)
           : is("count") ? count()
           : is("close") ? close_run()
           : is("empty") ? hf_ledger_run_empty(&table, &client, run.id, 0, &failure)
           : is("check") ? hf_ledger_table_check(&table, &client, 0, &failure)
                         : chunk();
}

static void answer(bool good) {
    for (char *at = failure.text; *at; at++) {
        *at = *at == '\n' ? ' ' : *at;
    }
    if (good) {
        printf("ok\t%s\n", said);
    } else {
        printf("fail %d\t%s\n", failure.status, failure.text);
    }
    fflush(stdout);
    failure = (hf_failure){ 0 };
    said[0] = 0;
}

static bool open_all(char **argv) {
    hf_options options;
    hf_config *config = hf_connection_config();
    hf_options_init(&options);
    options.write = true;
    options.dsn = argv[1];
    config->max_concurrent = 1;
    return hf_connection_settings(config, &options, &failure) &&
           hf_client_open(&client, config, &failure) &&
           hf_ledger_table_open(&table, &client, argv[2], HF_LEDGER_RIGHTS, 0, &failure);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        return 1;
    }
    hf_signals_init();
    const bool good = open_all(argv);
    snprintf(said, sizeof said, "%s %s", table.name ? table.name : "", table.incarnation);
    answer(good);
    while (good && fgets(line, sizeof line, stdin)) {
        size_t n = 0;
        line[strcspn(line, "\n")] = 0;
        for (char *at = strtok(line, "\t"); at && n < WORDS_MAX; at = strtok(NULL, "\t")) {
            words[n++] = at;
        }
        answer(act());
    }
    hf_client_close(&client);
    hf_ledger_run_free(&run);
    hf_ledger_table_free(&table);
    hf_client_free(&client);
    return 0;
}
