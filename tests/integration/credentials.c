/* A client on one connection whose credentials are asked for at each connect, in the hands of test_credentials.py:
 * reads statements from its standard input, one a line, and says what came of each.
 *
 *     credentials DSN FILE
 *
 * FILE has a user and a password, a line each; FILE.new has those that are made when the server has refused the first.
 * While the file is not there the answer is "later". Out: `asked` or `refused` for each question, and of a statement
 * `done `, and behind it, tabs between them: outcome, attempts, SQLSTATE, its first value, the error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holdfast/linux.h"

enum { RX_BYTES = 1 << 14, TX_BYTES = 1 << 12, LOOK_MS = 20 };

_Alignas(16) static unsigned char memory[HF_POOL_BYTES(1, RX_BYTES, TX_BYTES)];
static char line[1024], value[64], user[128], password[1024];
static const char *path;
static bool waits; /* the callback has said "later" */

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "credentials: %s\n", what);
    exit(1);
}

static bool read_line(FILE *file, char *text, int size) {
    const bool good = fgets(text, size, file) != NULL;
    text[strcspn(text, "\n")] = 0;
    return good;
}

static hf_credentials_answer on_credentials(void *unused, unsigned conn, const hf_host *host,
                                            bool refused, hf_credentials *credentials) {
    char name[1024];
    (void)unused, (void)conn, (void)host;
    snprintf(name, sizeof name, "%s%s", path, refused ? ".new" : "");
    FILE *file = fopen(name, "r");
    waits = !file;
    if (!file)
        return HF_CREDENTIALS_LATER;
    puts(refused ? "refused" : "asked");
    if (!read_line(file, user, sizeof user) || !read_line(file, password, sizeof password))
        fail("the file has no user and password");
    fclose(file);
    credentials->user = user;
    credentials->password = password;
    return HF_CREDENTIALS_GIVEN;
}

static int on_row(hf_request *request, hf_row *row) {
    const hf_value first = hf_row_get(row, 0);
    (void)request;
    snprintf(value, sizeof value, "%.*s", (int)first.bytes, first.data ? first.data : "");
    return HF_CONTINUE;
}

static void on_done(hf_request *request) {
    bool *over = request->user;
    char why[400] = "";
    if (request->outcome != HF_OUTCOME_OK)
        hf_error_text(&request->error, why, sizeof why);
    printf("done %s\t%u\t%s\t%s\t%s\n", hf_outcome_name(request->outcome), request->attempts,
           request->error.sqlstate[0] ? request->error.sqlstate : "-", value, why);
    *over = true;
}

/* One turn of the loop. Who waits for credentials looks again now and then. */
static void turn(hf_pool *pool, hf_linux *port) {
    hf_ms next = hf_tick(pool, hf_linux_now(port));
    fflush(stdout);
    if (waits) {
        const hf_ms look = hf_linux_now(port) + LOOK_MS;
        hf_linux_wait(port, next < look ? next : look);
        hf_pool_credentials(pool);
    } else if (next > hf_linux_now(port)) {
        hf_linux_wait(port, next);
    }
}

static void run(hf_pool *pool, hf_linux *port) {
    bool over = false;
    value[0] = 0;
    hf_request request = {
        .replay = HF_REPLAY_SAFE, .sql = line, .on_row = on_row, .on_done = on_done, .user = &over
    };
    if (hf_submit(pool, &request) != HF_OK)
        fail("the request was not taken");
    while (!over)
        turn(pool, port);
    fflush(stdout);
}

int main(int argc, char **argv) {
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error;
    hf_linux port;
    if (argc != 3)
        fail("credentials DSN FILE");
    path = argv[2];
    config.max_concurrent = 1;
    config.rx_bytes = RX_BYTES;
    config.tx_bytes = TX_BYTES;
    config.credentials = on_credentials;
    if (!hf_config_dsn(&config, argv[1], &error))
        fail(error.message);
    if (!hf_linux_init(&port, &config, &error))
        fail(error.message);
    hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, hf_linux_port(&port), &error);
    if (!pool)
        fail(error.message);
    while (read_line(stdin, line, sizeof line))
        run(pool, &port);
    hf_pool_close(pool, hf_linux_now(&port) + 1000);
    while (!hf_pool_closed(pool))
        turn(pool, &port);
    hf_linux_close(&port);
    return 0;
}
