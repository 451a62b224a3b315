/* `holdfast watch`: one connection held open, each step of its machine printed, until a signal. */
#include "program.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/log.h"
#include "base/signals.h"
#include "cli/connection.h"
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print(void *user, const hf_transition *t) {
    char time[HF_TIME_BYTES], text[HF_MESSAGE_BYTES + 128] = "";
    hf_bytes line = { 0 };
    int *broken = user; /* errno of standard output */
    hf_bytes_format(&line, "%s  %-12s -> %-12s", hf_time_text(hf_time_now(), time),
                    hf_state_name((hf_state)t->from), hf_state_name((hf_state)t->to));
    if (t->error) {
        hf_error_text(t->error, text, sizeof text);
        hf_bytes_format(&line, "  %s", text);
    }
    if (t->to == HF_BACKOFF) {
        hf_bytes_format(&line, "; next try in %.1f s", t->wait_ms / 1000.0);
    }
    hf_bytes_add_byte(&line, '\n');
    if (!*broken && !hf_write_all(STDOUT_FILENO, line.data, line.used, -1)) {
        *broken = errno;
    }
    hf_bytes_free(&line);
}

static bool watch(hf_client *client, hf_failure *failure) {
    int broken = 0;
    client->on_transition = print;
    client->user = &broken;
    hf_pool_open(client->pool, 1);
    hf_pool_status status = { 0 };
    while (!hf_signals_caught() && !broken) {
        hf_ms next = hf_client_tick(client);
        hf_pool_status_get(client->pool, &status);
        if (status.refused ||
            (status.conns[HF_IDLE] == client->config->max_concurrent && status.dials > 0)) {
            break; /* refused for good, or given up */
        }
        hf_client_wait(client, next);
    }
    hf_client_close(client);
    if (broken) {
        errno = broken;
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, "standard output", "write to");
    }
    if (!hf_signals_caught()) {
        char text[HF_MESSAGE_BYTES + 128];
        hf_error_text(&status.last_error, text, sizeof text);
        return hf_fail(failure, status.refused ? HF_EXIT_REFUSED : HF_EXIT_INCOMPLETE, "%s: %s",
                       client->where, text);
    }
    return true;
}

int hf_watch(const hf_options *given) {
    hf_failure failure = { 0 };
    hf_options options = *given;
    hf_config *config = hf_connection_config();
    hf_client *client = hf_must_alloc(1, sizeof *client);
    bool good = config && hf_connection_settings(config, &options, &failure);
    if (!config) {
        hf_fail_file(&failure, HF_EXIT_INCOMPLETE, "memory", "get");
    }
    if (good) {
        const hf_setting *max_outage = hf_setting_named("max-outage");
        config->max_concurrent = 1;
        if (!options.settings[max_outage - hf_settings] && config->max_outage_ms == 0) {
            config->max_outage_ms = HF_FOREVER; /* it is there to watch outages */
        }
        good = hf_client_open(client, config, &failure) && watch(client, &failure);
    }
    if (!good) {
        hf_log_failure(&failure);
    }
    if (client->config) {
        hf_client_free(client);
    }
    free(client);
    return good ? HF_EXIT_DONE : failure.status;
}
