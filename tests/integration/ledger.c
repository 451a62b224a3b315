/* A client on one connection that writes through a ledger, in the hands of test_ledger.py: reads requests from its
 * standard input, runs one after the other, and says what came of each.
 *
 *     ledger DSN [KEY=VALUE…]
 *
 * The settings are those of the library (hf_config_set). The table is holdfast_ledger; `ledger --table` prints its DDL.
 * In: KEY, a tab, what is to be kept (empty: the ledger keeps nothing), and behind a tab each a batch's statements, one
 * of them a single statement; a newline ends it. Out: `row VALUE`, `restart`, and at the end
 * `done `, and behind it, tabs between them: outcome, attempts, SQLSTATE, applied or already, what was kept, the error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holdfast/linux.h"

enum { STATEMENTS_MAX = 128, RX_BYTES = 1 << 16, TX_BYTES = 1 << 16, LINE_MAX = 1 << 16 };

_Alignas(16) static unsigned char memory[HF_POOL_BYTES(1, RX_BYTES, TX_BYTES)];
static char line[LINE_MAX], kept[256];

static const hf_ledger plain = HF_LEDGER("holdfast_ledger"),
                       keeps = HF_LEDGER_KEEPS("holdfast_ledger");

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "ledger: %s\n", what);
    exit(1);
}

static int on_row(hf_request *request, hf_row *row) {
    hf_value value = hf_row_get(row, 0);
    (void)request;
    printf("row %.*s\n", (int)value.bytes, value.data ? value.data : "");
    return HF_CONTINUE;
}

static void on_restart(hf_request *request) {
    (void)request;
    puts("restart");
}

static void on_kept(hf_request *request, hf_value value) {
    (void)request;
    snprintf(kept, sizeof kept, "%.*s", value.data ? (int)value.bytes : 4,
             value.data ? value.data : "NULL");
}

static void on_done(hf_request *request) {
    bool *over = request->user;
    char why[400] = "";
    if (request->outcome != HF_OUTCOME_OK)
        hf_error_text(&request->error, why, sizeof why);
    printf("done %s\t%u\t%s\t%s\t%s\t%s\n", hf_outcome_name(request->outcome), request->attempts,
           request->error.sqlstate[0] ? request->error.sqlstate : "-",
           request->already_applied ? "already" : "applied", kept[0] ? kept : "-", why);
    *over = true;
}

/* The next field of the line, and the rest behind it in *rest. */
static char *field(char **rest) {
    char *at = *rest, *tab = strchr(at, '\t');
    *rest = tab ? tab + 1 : NULL;
    if (tab)
        *tab = 0;
    return at;
}

static void run(hf_pool *pool, hf_linux *port) {
    static hf_statement batch[STATEMENTS_MAX];
    char *rest = line;
    const char *key = field(&rest), *keep = rest ? field(&rest) : "";
    const hf_value keys[] = { hf_text(key) };
    uint16_t n = 0;
    bool over = false;
    line[strcspn(line, "\n")] = 0;
    while (rest && n < STATEMENTS_MAX)
        batch[n++] = (hf_statement){ .sql = field(&rest) };
    kept[0] = 0;
    hf_request request = { .replay = HF_REPLAY_LEDGER,
                           .ledger = keep[0] ? &keeps : &plain,
                           .key = keys,
                           .n_key = 1,
                           .kept = hf_text(keep),
                           .sql = batch[0].sql,
                           .n_batch = n > 1 ? n : 0,
                           .batch = batch,
                           .on_row = on_row,
                           .on_restart = on_restart,
                           .on_kept = on_kept,
                           .on_done = on_done,
                           .user = &over };
    if (hf_submit(pool, &request) != HF_OK)
        fail("the request was not taken");
    while (!over) {
        const hf_ms next = hf_tick(pool, hf_linux_now(port));
        if (!over)
            hf_linux_wait(port, next);
    }
    fflush(stdout);
}

int main(int argc, char **argv) {
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error;
    hf_linux port;
    if (argc < 2)
        fail("ledger DSN [KEY=VALUE…]");
    if (strcmp(argv[1], "--table") == 0) {
        puts(HF_LEDGER_TABLE("holdfast_ledger"));
        return 0;
    }
    config.max_concurrent = 1;
    config.rx_bytes = RX_BYTES;
    config.tx_bytes = TX_BYTES;
    if (!hf_config_dsn(&config, argv[1], &error))
        fail(error.message);
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            fail("KEY=VALUE is how a setting is said");
        *value++ = 0;
        if (!hf_config_set(&config, argv[i], value, &error))
            fail(error.message);
    }
    if (!hf_linux_init(&port, &config, &error))
        fail(error.message);
    hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, hf_linux_port(&port), &error);
    if (!pool)
        fail(error.message);
    while (fgets(line, sizeof line, stdin))
        run(pool, &port);
    hf_pool_close(pool, hf_linux_now(&port) + 1000);
    while (!hf_pool_closed(pool)) {
        const hf_ms next = hf_tick(pool, hf_linux_now(&port));
        if (!hf_pool_closed(pool))
            hf_linux_wait(&port, next);
    }
    hf_linux_close(&port);
    return 0;
}
