/* A client on one connection, in the hands of test_replay.py: reads requests from its standard input, runs one after
 * the other, and says what came of each.
 *
 *     replay DSN
 *
 * In: `PREPARE BATCH\n`, whether to keep it prepared and how many statements a batch has, 0 no batch; then for each
 * statement `BYTES PARAMS\n` and its text, for each parameter `BYTES\n` and its text, -1 bytes for NULL.
 * Out, a word and its values on a line, what the server said as hexadecimal digits: `columns STATEMENT NAME:TYPE…`,
 * `row STATEMENT VALUE…` (`-` NULL), `restart`, `notify CHANNEL PAYLOAD`, and at the end
 * `done OUTCOME AFFECTED SQLSTATE`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holdfast/linux.h"

enum { STATEMENTS_MAX = 64, PARAMS_MAX = 16, RX_BYTES = 1 << 18, TX_BYTES = 1 << 16 };

_Alignas(16) static unsigned char memory[HF_POOL_BYTES(1, RX_BYTES, TX_BYTES)];
static hf_statement batch[STATEMENTS_MAX];
static hf_value params[STATEMENTS_MAX][PARAMS_MAX];

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "replay: %s\n", what);
    exit(1);
}

/* --- out --- */

static void put_hex(const char *data, size_t bytes) {
    putchar(' ');
    for (size_t i = 0; i < bytes; i++)
        printf("%02x", (unsigned char)data[i]);
}

static void on_columns(hf_request *request, hf_columns *columns) {
    hf_column column;
    (void)request;
    printf("columns %u", columns->statement);
    while (hf_columns_next(columns, &column)) {
        put_hex(column.name.data, column.name.bytes);
        printf(":%u", column.type);
    }
    putchar('\n');
}

static int on_row(hf_request *request, hf_row *row) {
    hf_value value;
    (void)request;
    printf("row %u", row->statement);
    while (hf_row_next(row, &value)) {
        if (value.data)
            put_hex(value.data, value.bytes);
        else
            fputs(" -", stdout);
    }
    putchar('\n');
    return HF_CONTINUE;
}

static void on_restart(hf_request *request) {
    (void)request;
    puts("restart");
}

static void on_notify(void *user, unsigned conn, const char *channel, const char *payload) {
    (void)user, (void)conn;
    fputs("notify", stdout);
    put_hex(channel, strlen(channel));
    put_hex(payload, strlen(payload));
    putchar('\n');
}

static void on_done(hf_request *request) {
    bool *over = request->user;
    const char *sqlstate = request->error.sqlstate;
    printf("done %s %llu %s\n", hf_outcome_name(request->outcome),
           (unsigned long long)request->affected, sqlstate[0] ? sqlstate : "-");
    if (request->outcome != HF_OUTCOME_OK && !sqlstate[0]) {
        char why[400];
        hf_error_text(&request->error, why, sizeof why);
        fprintf(stderr, "replay: %s\n", why);
    }
    *over = true;
}

/* --- in --- */

/* A number, and the space or newline behind it. False: the input ends. */
static bool get_number(long *number) {
    char text[16], *at = text;
    int c = getchar();
    if (c == EOF)
        return false;
    for (; c != ' ' && c != '\n'; c = getchar()) {
        if (c == EOF || at == text + sizeof text - 1)
            fail("a number was expected");
        *at++ = (char)c;
    }
    *at = 0;
    *number = strtol(text, NULL, 10);
    return true;
}

static long number(long most) {
    long n = 0;
    if (!get_number(&n) || n > most)
        fail("the input is not as it should be");
    return n;
}

/* So many bytes, and a NUL behind them. */
static char *get_text(long bytes) {
    char *text = calloc(1, (size_t)bytes + 1);
    if (!text || fread(text, 1, (size_t)bytes, stdin) != (size_t)bytes)
        fail("the input ends too soon");
    return text;
}

static void get_statement(unsigned place) {
    const long bytes = number(TX_BYTES), n = number(PARAMS_MAX);
    batch[place] =
        (hf_statement){ .sql = get_text(bytes), .params = params[place], .n_params = (uint16_t)n };
    for (long i = 0; i < n; i++) {
        const long size = number(TX_BYTES);
        params[place][i] = size < 0 ? (hf_value){ 0 }
                                    : (hf_value){ .data = get_text(size), .bytes = (size_t)size };
    }
}

static void forget_statement(unsigned place) {
    free((char *)batch[place].sql);
    for (unsigned i = 0; i < batch[place].n_params; i++)
        free((char *)params[place][i].data);
}

/* --- the client --- */

static void run(hf_pool *pool, hf_linux *port, bool prepare, unsigned n_batch) {
    bool over = false;
    hf_request request = { .sql = batch[0].sql,
                           .params = batch[0].params,
                           .n_params = batch[0].n_params,
                           .n_batch = (uint16_t)n_batch,
                           .batch = batch,
                           .prepare = prepare,
                           .on_columns = on_columns,
                           .on_row = on_row,
                           .on_restart = on_restart,
                           .on_done = on_done,
                           .user = &over };
    if (hf_submit(pool, &request) != HF_OK)
        fail("the request was not taken");
    while (!over) {
        const hf_ms next = hf_tick(pool, hf_linux_now(port));
        if (!over)
            hf_linux_wait(port, next);
    }
}

int main(int argc, char **argv) {
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error;
    hf_linux port;
    long prepare = 0;
    if (argc != 2)
        fail("replay DSN");
    config.max_concurrent = 1;
    config.rx_bytes = RX_BYTES;
    config.tx_bytes = TX_BYTES;
    config.on_notify = on_notify;
    if (!hf_config_dsn(&config, argv[1], &error) || !hf_linux_init(&port, &config, &error))
        fail(error.message);
    hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, hf_linux_port(&port), &error);
    if (!pool)
        fail(error.message);
    while (get_number(&prepare)) {
        const unsigned n_batch = (unsigned)number(STATEMENTS_MAX), n = n_batch > 0 ? n_batch : 1;
        for (unsigned i = 0; i < n; i++)
            get_statement(i);
        run(pool, &port, prepare != 0, n_batch);
        for (unsigned i = 0; i < n; i++)
            forget_statement(i);
        fflush(stdout);
    }
    hf_pool_close(pool, hf_linux_now(&port) + 1000);
    while (!hf_pool_closed(pool)) {
        const hf_ms next = hf_tick(pool, hf_linux_now(&port));
        if (!hf_pool_closed(pool))
            hf_linux_wait(&port, next);
    }
    hf_linux_close(&port);
    return 0;
}
