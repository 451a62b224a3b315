#include "database.h"

#include "base/failure.h"
#include "base/log.h"
#include "base/signals.h"
#include "pg/sql.h"

#include <stdio.h>
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

static int on_database(hf_request *request, hf_row *row) {
    hf_database *database = request->user;
    char number[32];
    take(number, sizeof number, hf_row_get(row, 0));
    take(database->name, sizeof database->name, hf_row_get(row, 1));
    take(database->user, sizeof database->user, hf_row_get(row, 2));
    database->system = strtoull(number, NULL, 10);
    return HF_CONTINUE;
}

static hf_request question(const char *sql, int (*on_row)(hf_request *, hf_row *), void *user) {
    return (hf_request){
        .sql = sql, .replay = HF_REPLAY_SAFE, .wait_passing = true, .on_row = on_row, .user = user
    };
}

/* True: it was answered, or refused. */
static bool ask(hf_client *client, hf_request *request, const char *what, uint32_t timeout_ms,
                hf_failure *failure) {
    request->timeout_ms = timeout_ms;
    if (!hf_client_run(client, request)) {
        hf_client_close(client); /* ends the request, whose memory is the caller's */
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
    *database = (hf_database){ 0 };
    place_of(client, database->place, sizeof database->place);
    hf_request request = question(whole, on_database, database);
    if (!ask(client, &request, what, timeout_ms, failure)) {
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
    request = question(name, on_database, database);
    if (!ask(client, &request, what, timeout_ms, failure)) {
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

/* ---- which incarnation of the server -------------------------------------------------------------- */

/* Seconds with a fraction as microseconds; *end is what follows. */
static uint64_t microseconds(const char *text, char **end) {
    uint64_t value = strtoull(text, end, 10) * 1000000;
    if (**end == '.') {
        uint64_t unit = 100000;
        for (++*end; **end >= '0' && **end <= '9'; ++*end, unit /= 10) {
            value += (uint64_t)(**end - '0') * unit;
        }
    }
    return value;
}

bool hf_server_read(const char *text, hf_server *server) {
    char *end;
    *server = (hf_server){ .system = strtoull(text, &end, 10) };
    if (*end == '/') {
        server->timeline = (uint32_t)strtoul(end + 1, &end, 16);
    }
    if (*end == '/') {
        server->started = microseconds(end + 1, &end);
    }
    if (*end == '/') {
        server->reset = microseconds(end + 1, &end);
    }
    return hf_server_known(server);
}

static bool differ(uint64_t was, uint64_t is) {
    return was != 0 && is != 0 && was != is;
}

bool hf_server_changed(const hf_server *was, const hf_server *is, char how[HF_SERVER_HOW_BYTES]) {
    if (differ(was->system, is->system)) {
        snprintf(how, HF_SERVER_HOW_BYTES, "another system");
    } else if (differ(was->timeline, is->timeline)) {
        snprintf(how, HF_SERVER_HOW_BYTES, "timeline %lu -> %lu", (unsigned long)was->timeline,
                 (unsigned long)is->timeline);
    } else if (differ(was->started, is->started)) {
        snprintf(how, HF_SERVER_HOW_BYTES, "it was started anew");
    } else if (differ(was->reset, is->reset)) {
        snprintf(how, HF_SERVER_HOW_BYTES, "it crashed, or its statistics were reset");
    } else {
        return false;
    }
    return true;
}

static int on_server(hf_request *request, hf_row *row) {
    char text[HF_TICKET_BYTES];
    take(text, sizeof text, hf_row_get(row, 0));
    hf_server_read(text, request->user);
    return HF_CONTINUE;
}

/* What is behind a ticket's number. A standby acknowledges nothing, and its timeline is its primary's: it is asked
 * again when it is one itself. */
#define OF_PRIMARY(incarnation)                                  \
    "SELECT CASE WHEN NOT pg_is_in_recovery() THEN " incarnation \
    "END FROM pg_catalog.pg_stat_bgwriter"

static hf_request server_question(hf_inquiry *inquiry, hf_server *answer) {
    *answer = (hf_server){ 0 };
    inquiry->reconnects = inquiry->client->reconnects;
    return question(inquiry->sql, on_server, answer);
}

/* No right to ask, no such function (CockroachDB): it will not be otherwise in a while. */
static void take_refusal(hf_inquiry *inquiry, const hf_request *request) {
    char why[HF_MESSAGE_BYTES + 160];
    const char *code = request->error.sqlstate;
    if (!hf_request_refused(request)) {
        return;
    }
    hf_error_text(&request->error, why, sizeof why);
    if (strncmp(code, "42", 2) == 0 || strncmp(code, "0A", 2) == 0) {
        hf_log(HF_LOG_INFO,
               "the server does not tell since when it runs: %s: nobody will be told when it is "
               "restarted or replaced under what this job writes",
               why);
        inquiry->sql = NULL;
    } else {
        hf_log(HF_LOG_INFO, "the server did not tell since when it runs: %s", why);
    }
}

bool hf_inquiry_begin(hf_inquiry *inquiry, hf_client *client, const hf_database *database,
                      const char *what, uint32_t timeout_ms, hf_failure *failure) {
    inquiry->client = client;
    inquiry->sql =
        database->system ? OF_PRIMARY(HF_PG_INCARNATION) : OF_PRIMARY(HF_PG_INCARNATION_OF("''"));
    inquiry->last = server_question(inquiry, &inquiry->server);
    if (!ask(client, &inquiry->last, what, timeout_ms, failure)) {
        return false;
    }
    take_refusal(inquiry, &inquiry->last);
    return true;
}

bool hf_inquiry_turn(hf_inquiry *inquiry, bool acknowledged) {
    bool answered = false;
    if (inquiry->under_way && inquiry->request.outcome != HF_OUTCOME_PENDING) {
        inquiry->under_way = false;
        /* A second attempt may have met the server's next life, and not the one that its question was about. */
        inquiry->acknowledged =
            inquiry->acknowledged || (acknowledged && inquiry->request.attempts > 1);
        inquiry->server = inquiry->answer;
        answered = inquiry->request.outcome == HF_OUTCOME_OK && hf_server_known(&inquiry->server) &&
                   !inquiry->overtaken;
        take_refusal(inquiry, &inquiry->request);
    }
    if (!answered && inquiry->sql && !inquiry->under_way &&
        (inquiry->overtaken || inquiry->reconnects != inquiry->client->reconnects)) {
        inquiry->request = server_question(inquiry, &inquiry->answer);
        inquiry->overtaken = false;
        inquiry->acknowledged = acknowledged;
        inquiry->under_way = hf_submit(inquiry->client->pool, &inquiry->request) == HF_OK;
    }
    return answered;
}

void hf_inquiry_overtake(hf_inquiry *inquiry) {
    inquiry->overtaken = inquiry->under_way;
}

bool hf_inquiry_end(hf_inquiry *inquiry, hf_ms until, char *why, size_t size) {
    inquiry->last = server_question(inquiry, &inquiry->server);
    const bool over = hf_client_run_until(inquiry->client, &inquiry->last, until);
    if (over && inquiry->last.outcome == HF_OUTCOME_OK) {
        snprintf(why, size, "a standby answered");
        return hf_server_known(&inquiry->server);
    }
    if (over) {
        hf_error_text(&inquiry->last.error, why, size);
    } else {
        const int signal = hf_signals_caught();
        snprintf(why, size, "%s%s", signal ? "stopped by " : "it gave no answer in time",
                 signal ? strsignal(signal) : "");
    }
    return false;
}
