#include "database.h"

#include "base/failure.h"
#include "base/log.h"
#include "base/signals.h"

#include <stdlib.h>
#include <string.h>

/* A value as text that is fit for a message; what is too long is cut. */
static void take(char *to, size_t size, hf_value value) {
    hf_bytes text = { 0 };
    hf_bytes_add_printable(&text, value.data, value.bytes);
    snprintf(to, size, "%s", hf_bytes_text(&text));
    hf_bytes_free(&text);
}

/* The hosts of "host:port,host:port/database as user". */
static void place_of(const hf_client *client, char *to, size_t size) {
    const hf_config *config = client->config;
    const char *name = config->database ? config->database : config->user;
    size_t rest = strlen(name) + strlen(config->user) + sizeof "/ as " - 1;
    snprintf(to, size, "%.*s", (int)(strlen(client->where) - rest), client->where);
}

static int on_row(hf_request *request, hf_row *row) {
    hf_database *database = request->user;
    char number[32];
    take(number, sizeof number, hf_row_get(row, 0));
    take(database->name, sizeof database->name, hf_row_get(row, 1));
    take(database->user, sizeof database->user, hf_row_get(row, 2));
    database->system = strtoull(number, NULL, 10);
    return HF_CONTINUE;
}

static bool ask(hf_client *client, const char *sql, const char *what, uint32_t timeout_ms,
                hf_request *request, hf_database *database, hf_failure *failure) {
    *request = (hf_request){ .sql = sql,
                             .replay = HF_REPLAY_SAFE,
                             .wait_passing = true,
                             .timeout_ms = timeout_ms,
                             .on_row = on_row,
                             .user = database };
    if (!hf_client_run(client, request)) {
        hf_client_close(client); /* ends the request, which lies on the stack */
        return hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s",
                       strsignal(hf_signals_caught()));
    }
    if (request->outcome == HF_OUTCOME_OK || hf_request_refused(request)) {
        return true;
    }
    hf_client_failure(client, request, what, failure);
    return false;
}

bool hf_database_ask(hf_client *client, const char *what, uint32_t timeout_ms,
                     hf_database *database, hf_failure *failure) {
    static const char whole[] = "SELECT system_identifier, current_database(), session_user "
                                "FROM pg_catalog.pg_control_system()",
                      name[] = "SELECT NULL, current_database(), session_user";
    char why[HF_MESSAGE_BYTES + 160];
    hf_request request;
    *database = (hf_database){ 0 };
    place_of(client, database->place, sizeof database->place);
    if (!ask(client, whole, what, timeout_ms, &request, database, failure)) {
        return false;
    }
    if (request.outcome == HF_OUTCOME_OK && database->system != 0) {
        return true;
    }
    hf_error_text(&request.error, why, sizeof why);
    hf_log(HF_LOG_INFO,
           "the server does not tell its system identifier%s%s: this job knows its database by the "
           "name alone (GRANT EXECUTE ON FUNCTION pg_control_system() lets a role ask)",
           request.outcome == HF_OUTCOME_OK ? "" : ": ",
           request.outcome == HF_OUTCOME_OK ? "" : why);
    if (!ask(client, name, what, timeout_ms, &request, database, failure)) {
        return false;
    }
    if (request.outcome != HF_OUTCOME_OK) {
        hf_client_failure(client, &request, what, failure);
        return false;
    }
    return true;
}

void hf_database_text(const hf_database *database, hf_bytes *to) {
    if (!database->name[0]) {
        return;
    }
    hf_bytes_format(to, "database \"%s\"", database->name);
    if (database->system) {
        hf_bytes_format(to, " (system %llu)", (unsigned long long)database->system);
    }
    hf_bytes_format(to, " at %s as %s", database->place, database->user);
}

bool hf_database_same(const hf_database *begun, const hf_database *now, const char *part,
                      hf_failure *failure) {
    if (!begun->name[0]) {
        hf_log(HF_LOG_WARN,
               "the position of %s does not say which database it was begun against (an older "
               "holdfast wrote it): it is taken for this one, database \"%s\" at %s",
               part, now->name, now->place);
        return true;
    }
    const bool systems = begun->system != 0 && now->system != 0;
    if (strcmp(begun->name, now->name) != 0 || (systems && begun->system != now->system)) {
        hf_bytes text = { 0 };
        hf_database_text(begun, &text);
        hf_bytes_add_text(&text, ", and this is ");
        hf_database_text(now, &text);
        hf_fail(failure, HF_EXIT_REFUSED,
                "%s was begun against %s: go on against that one, or start over with --restart",
                part, hf_bytes_text(&text));
        hf_bytes_free(&text);
        return false;
    }
    if (!systems && begun->system != now->system) {
        hf_log(HF_LOG_WARN,
               "%s was begun against a server that %s its system identifier, and this one %s: both "
               "databases are \"%s\", and are taken for the same",
               part, begun->system ? "told" : "did not tell", now->system ? "does" : "does not",
               now->name);
    }
    if (strcmp(begun->user, now->user) != 0) {
        hf_log(HF_LOG_WARN, "%s was begun as user \"%s\" and goes on as \"%s\"", part, begun->user,
               now->user);
    }
    return true;
}
