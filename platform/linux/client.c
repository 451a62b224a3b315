/* Every transition is one line of the log; an outage is followed from the tick it shows in. */
#include "client.h"

#include "base/bytes.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/signals.h"
#include "cli/connection.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NOTICES_TOLD 1000
#define TICK_US_MAX  50000 /* a tick's budget of processor time (over_budget() of hf_port_api) */

/* ---- transitions ---------------------------------------------------------------------------------- */

static const char *state_text(uint8_t state, char out[16]) {
    snprintf(out, 16, "%s", hf_state_name((hf_state)state));
    for (char *at = out; *at; at++) {
        *at = (char)toupper((unsigned char)*at);
    }
    return out;
}

static int level_of(const hf_transition *t) {
    if (t->event == HF_EV_REFUSED || t->to == HF_BACKOFF) {
        return HF_LOG_WARN;
    }
    bool came_up = t->to == HF_HEALTHY && (t->from == HF_CONNECTING || t->from == HF_RECONNECTING);
    return came_up ? HF_LOG_INFO : HF_LOG_DEBUG;
}

static void write_why(hf_bytes *line, const hf_transition *t) {
    char why[HF_MESSAGE_BYTES + 128];
    if (t->code != HF_OK && t->error) {
        hf_error_text(t->error, why, sizeof why);
        hf_bytes_format(line, ": %s", why);
    } else if (t->code != HF_OK) {
        hf_bytes_format(line, ": %s", hf_err_text(t->code));
    }
    if (t->to == HF_BACKOFF) {
        hf_bytes_format(line, "; next try in %.*f s", t->wait_ms < 1000 ? 3 : 1,
                        t->wait_ms / 1000.0);
    }
}

/* The tick's time lets a reader hold one line of the log against another. */
static void write_tick(hf_bytes *line, const hf_transition *t) {
    if (hf_log_wants(HF_LOG_DEBUG)) {
        hf_bytes_format(line, " [tick %llu ms", (unsigned long long)t->at);
        if (t->to == HF_BACKOFF) {
            const hf_ms due = t->at + t->wait_ms;
            hf_bytes_format(line, ", due %llu ms", (unsigned long long)due);
        }
        hf_bytes_add_text(line, "]");
    }
}

static void log_transition(const hf_client *client, const hf_transition *t) {
    int level = level_of(t);
    if (!hf_log_wants(level)) {
        return;
    }
    char from[16], to[16];
    hf_bytes line = { 0 };
    hf_ms lost_at = client->lost_at[t->conn];
    if (t->from == HF_RECONNECTING && t->to == HF_HEALTHY) {
        hf_bytes_add_text(&line, "✓ Reconnected to database");
        if (lost_at != HF_NEVER) {
            hf_bytes_format(&line, " after %.1f s", (double)(t->at - lost_at) / 1000.0);
        }
        hf_bytes_add_text(&line, ": ");
    } else if (t->from == HF_CONNECTING && t->to == HF_HEALTHY) {
        hf_bytes_format(&line, "connected to %s: ", client->where);
    }
    hf_bytes_format(&line, "connection %u %s -> %s", (unsigned)t->conn, state_text(t->from, from),
                    state_text(t->to, to));
    write_why(&line, t);
    write_tick(&line, t);
    const hf_log_field fields[] = {
        { .name = "connection", .number = t->conn },
        { .name = "from", .text = from },
        { .name = "to", .text = to },
        { .name = "event", .text = hf_event_name((hf_event)t->event) },
        { .name = "phase", .text = hf_phase_name((hf_phase)t->phase) },
        { .name = "code", .text = t->code == HF_OK ? "" : hf_err_name(t->code) },
        { .name = "sqlstate", .text = t->sqlstate },
        { .name = "dial", .number = t->attempt },
        { .name = "wait_ms", .number = t->wait_ms },
        /* By the tick's clock, which delays count from: a line's own time is when it was written. */
        { .name = "at_ms", .number = t->at },
        { .name = "due_ms", .number = t->at + t->wait_ms },
    };
    const size_t count = sizeof fields / sizeof fields[0] - (t->to != HF_BACKOFF);
    hf_log_fields(level, fields, count, "%s", hf_bytes_text(&line));
    hf_bytes_free(&line);
}

/* ---- outages -------------------------------------------------------------------------------------- */

static void outage_ends(hf_client *client, hf_ms now) {
    const bool over = client->usable_at != HF_NEVER;
    if (client->clock != HF_NEVER && client->outage_real) {
        const hf_ms end = over ? client->usable_at : now;
        const uint64_t ms = end > client->outage_from ? end - client->outage_from : 0;
        if (client->outages < HF_OUTAGES_KEPT) {
            hf_outage_seen *seen = &client->seen[client->outages];
            seen->start = hf_time_now() - (int64_t)(now - client->outage_from);
            seen->ms = ms;
            memcpy(seen->reason, client->reason, sizeof seen->reason);
        }
        client->outages++;
        client->outage_ms += ms;
        hf_log(HF_LOG_INFO, "the outage %s %.1f s",
               over ? "is over after" : "lasted to the end:", (double)ms / 1000.0);
    }
    client->clock = client->outage_from = HF_NEVER;
    client->outage_real = false;
    client->reason[0] = '\0';
}

/* Commits that wait for a synchronous standby hold up whatever else would write (SEMANTICS 16). */
static void follow_hanging(hf_client *client, uint32_t hanging) {
    if (hanging > client->hanging) {
        hf_log(HF_LOG_WARN,
               "%u commit%s for a synchronous standby; nothing new is written meanwhile", hanging,
               hanging == 1 ? " waits" : "s wait");
    } else if (hanging == 0 && client->hanging > 0) {
        hf_log(HF_LOG_INFO, "no commit waits for a synchronous standby any more");
    }
    client->hanging = hanging;
}

/* An outage may end and the next begin within one tick: whoever learns of a step looks at the pool first. */
static void follow_outage(hf_client *client, hf_ms now) {
    hf_pool_status status;
    hf_pool_status_get(client->pool, &status);
    follow_hanging(client, status.hanging);
    if (!client->closing && status.outage_since != client->clock) {
        outage_ends(client, now);
        client->clock = client->outage_from = status.outage_since;
    }
}

static bool usable(const hf_client *client) {
    hf_pool_status status;
    hf_pool_status_get(client->pool, &status);
    return status.conns[HF_HEALTHY] + status.conns[HF_PROBING] > 0;
}

static void on_transition(void *user, const hf_transition *t) {
    hf_client *client = user;
    log_transition(client, t);
    if (t->to == HF_CONNECTING || t->to == HF_RECONNECTING) {
        hf_connection_dial(client->config);
    }
    follow_outage(client, t->at);
    const bool lost = t->to == HF_BACKOFF && (t->from == HF_HEALTHY || t->from == HF_PROBING);
    if (!usable(client)) {
        if (client->usable_at != HF_NEVER && !client->outage_real) {
            client->outage_from =
                t->at; /* the clock may run from before, for nothing was answered yet */
        }
        client->usable_at = HF_NEVER;
    } else if (client->usable_at == HF_NEVER) {
        client->usable_at = t->at;
    }
    if (t->to == HF_BACKOFF) {
        client->outage_real = client->outage_real || client->usable_at == HF_NEVER;
        if (t->error && (lost || !client->reason[0])) { /* not each failed try behind it */
            hf_error_text(t->error, client->reason, sizeof client->reason);
        }
    }
    if (lost) {
        client->lost_at[t->conn] = t->at;
    } else if (t->to == HF_HEALTHY) {
        client->reconnects += t->from == HF_RECONNECTING;
        client->lost_at[t->conn] = t->from == HF_PROBING ? client->lost_at[t->conn] : HF_NEVER;
    }
    if (client->on_transition) {
        client->on_transition(client->user, t);
    }
}

/* ---- notices -------------------------------------------------------------------------------------- */

/* A NoticeResponse (docs 55.7): what a person should hear of, what may be of interest, what was asked for. */
static int notice_level(const hf_client *client, const hf_error *notice) {
    switch (notice->severity) {
    case 'N':
    case 'I':
    case 'L': return client->tells_notices ? HF_LOG_WARN : HF_LOG_INFO;
    case 'D': return HF_LOG_DEBUG;
    default: return HF_LOG_WARN;
    }
}

/* The first ones of each level are worth a line each; a function may raise one for each of a million rows. */
static void on_notice(void *user, unsigned conn, const hf_error *notice,
                      const hf_fields *more_fields) {
    hf_client *client = user;
    (void)more_fields;
    char text[HF_MESSAGE_BYTES + 64];
    const int level = notice_level(client, notice);
    uint32_t *told = &client->notices[level];
    const bool more = *told >= NOTICES_TOLD && level < HF_LOG_DEBUG;
    if (!hf_log_wants(more ? HF_LOG_DEBUG : level)) {
        return;
    }
    hf_error_text(notice, text, sizeof text);
    const hf_log_field fields[] = { { .name = "connection", .number = conn },
                                    { .name = "sqlstate", .text = notice->sqlstate } };
    hf_log_fields(more ? HF_LOG_DEBUG : level, fields, 2, "connection %u: %s", conn, text);
    if (++*told == NOTICES_TOLD && level < HF_LOG_DEBUG) {
        hf_log(level, "the server's further %s are told at --log-level debug only",
               level == HF_LOG_WARN ? "warnings" : "notices");
    }
}

static void on_commits(void *user) {
    const hf_client *client = user;
    if (client->on_commits) {
        client->on_commits(client->user);
    }
}

/* ---- life ----------------------------------------------------------------------------------------- */

bool hf_client_open(hf_client *client, hf_config *config, hf_failure *failure) {
    hf_error error;
    *client = (hf_client){
        .config = config, .clock = HF_NEVER, .outage_from = HF_NEVER, .usable_at = HF_NEVER
    };
    for (unsigned i = 0; i < HF_CONNS_MAX; i++) {
        client->lost_at[i] = HF_NEVER;
    }
    config->callback_user = client;
    config->on_transition = on_transition;
    config->on_notice = on_notice;
    config->on_commits = on_commits;
    client->where = hf_connection_text(config);
    client->net = hf_net_open(config, &error);
    if (client->net == NULL) {
        char text[HF_MESSAGE_BYTES + 64];
        const char *out = hf_way_out(error.system);
        bool passes = error.code == HF_ERR_RESOURCES || out;
        hf_error_text(&error, text, sizeof text);
        return hf_fail(failure, passes ? HF_EXIT_INCOMPLETE : HF_EXIT_USAGE, "%s%s%s", text,
                       out ? "; " : "", out ? out : "");
    }
    client->memory_bytes =
        HF_POOL_BYTES(config->max_concurrent, config->rx_bytes, config->tx_bytes);
    client->memory = hf_private_memory(client->memory_bytes);
    if (client->memory) { /* the settings were checked before they came here */
        client->pool = hf_pool_init(client->memory, client->memory_bytes, config,
                                    hf_net_port(client->net), &error);
    }
    if (!client->pool) {
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "no memory for %u connections of %zu bytes: lower --max-concurrent or --max-row",
            config->max_concurrent, client->memory_bytes / config->max_concurrent);
    }
    return true;
}

hf_ms hf_client_now(hf_client *client) {
    return hf_net_now(client->net);
}

static uint64_t processor_us(void) {
    struct timespec time = { 0 };
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

hf_ms hf_client_tick(hf_client *client) {
    const bool measure = hf_log_wants(HF_LOG_DEBUG); /* it costs two system calls */
    const uint64_t before = measure ? processor_us() : 0;
    hf_ms now = hf_client_now(client);
    hf_ms next = hf_tick(client->pool, now);
    const uint64_t spent = measure ? processor_us() - before : 0;
    if (spent > TICK_US_MAX) {
        hf_log(HF_LOG_DEBUG, "a tick took %u ms of processor time", (unsigned)(spent / 1000));
    }
    follow_outage(client, now);
    return next;
}

/* Without a wait no connection has an event: no deadline would help, and the loop would spin. What is
 * written is what counts, as after kill -9. */
static void wait_until(hf_client *client, hf_ms until) {
    hf_failure failure;
    if (hf_net_wait(client->net, until) != 0) {
        hf_fail(&failure, HF_EXIT_INCOMPLETE,
                "cannot wait for the network: %s; run the same command again", strerror(errno));
        hf_log_failure(&failure);
        _exit(HF_EXIT_INCOMPLETE);
    }
}

void hf_client_wait(hf_client *client, hf_ms until) {
    hf_ms nap = hf_client_now(client) + HF_NAP_MS;
    if (!hf_signals_caught()) {
        wait_until(client, until < nap ? until : nap);
    }
}

bool hf_client_run(hf_client *client, hf_request *request) {
    return hf_client_run_until(client, request, HF_NEVER);
}

bool hf_client_run_until(hf_client *client, hf_request *request, hf_ms until) {
    request->outcome = HF_OUTCOME_PENDING;
    int code = hf_submit(client->pool, request);
    if (code != 0) { /* never ours: it ends as one that was never sent */
        hf_error_set(&request->error, (hf_err)code, HF_PHASE_NONE, NULL);
        request->outcome = HF_OUTCOME_NOT_SENT;
        return true;
    }
    return hf_client_await(client, request, until);
}

bool hf_client_await(hf_client *client, const hf_request *request, hf_ms until) {
    while (request->outcome == HF_OUTCOME_PENDING && !hf_signals_caught() &&
           hf_client_now(client) < until) {
        const hf_ms next = hf_client_tick(client);
        hf_client_wait(client, next < until ? next : until);
    }
    return request->outcome != HF_OUTCOME_PENDING;
}

void hf_client_close(hf_client *client) {
    if (!client->pool || hf_pool_closed(client->pool)) {
        return;
    }
    hf_ms deadline = hf_client_now(client) + HF_LEAVE_MS;
    outage_ends(client, hf_client_now(client));
    client->closing = true; /* goodbyes are no outage */
    hf_pool_close(client->pool, deadline);
    while (!hf_pool_closed(client->pool)) {
        hf_ms next = hf_client_tick(client), now = hf_client_now(client);
        if (now > deadline + HF_NAP_MS) {
            break; /* never seen; the process ends anyway */
        }
        if (!hf_pool_closed(client->pool)) {
            wait_until(client, next < now + HF_NAP_MS ? next : now + HF_NAP_MS);
        }
    }
}

void hf_client_free(hf_client *client) {
    if (client->net) {
        hf_net_close(client->net);
    }
    if (client->memory) {
        munmap(client->memory, client->memory_bytes);
    }
    hf_config_wipe(client->config);
    free(client->where);
    *client = (hf_client){ .config = client->config };
}

/* Is there a host that is given no password? */
static bool lacks_password(const hf_config *config) {
    bool lacks = false;
    for (unsigned i = 0; i < config->n_hosts && !config->password; i++) {
        lacks = lacks || !config->hosts[i].password;
    }
    return lacks;
}

/* Of a refusal for good: what to do about it, where that is known. */
static const char *way_out(const hf_client *client, const hf_error *error) {
    bool login = error->code == HF_ERR_AUTH_METHOD || error->code == HF_ERR_AUTH_PASSWORD;
    if (login && lacks_password(client->config)) {
        return hf_config_has_password(client->config)
                   ? "; no password was given for some of the hosts: put it into ~/.pgpass"
                   : "; no password was given: put one into --dsn, PGPASSWORD or ~/.pgpass";
    }
    if (error->code == HF_ERR_TLS_CERT && strstr(error->message, "trusted CA")) {
        return "; sslrootcert=FILE names the CA that signed it";
    }
    return "";
}

/* Did the server refuse what it may take later? A foreign cancel or its own time-out, a lock, a shortage; not
 * 53400, which is a setting's (SEMANTICS 17). */
static bool passes(const hf_error *error) {
    const char *code = error->sqlstate;
    return strcmp(code, "57014") == 0 || strcmp(code, "55P03") == 0 || strcmp(code, "58030") == 0 ||
           (strncmp(code, "53", 2) == 0 && strcmp(code, "53400") != 0);
}

void hf_client_failure(hf_client *client, const hf_request *request, const char *what,
                       hf_failure *failure) {
    char text[HF_MESSAGE_BYTES + 160], why[HF_MESSAGE_BYTES + 160];
    hf_pool_status status;
    hf_pool_status_get(client->pool, &status);
    const hf_error *error = &request->error;
    hf_error_text(error, text, sizeof text);
    if (status.refused) {
        hf_error_text(&status.last_error, why, sizeof why);
        bool wrong = strcmp(status.last_error.sqlstate, "28P01") == 0;
        const char *file = wrong ? hf_connection_passfile(client->config) : NULL;
        hf_fail(failure, HF_EXIT_REFUSED, "%s: %s refuses the connection for good: %s%s%s%s", what,
                client->where, why, way_out(client, &status.last_error),
                file ? "; the password is from " : "", file ? file : "");
    } else if (error->code == HF_ERR_TOO_LARGE) {
        hf_fail(failure, HF_EXIT_USAGE, "%s: %s; a higher --max-row allows more", what, text);
    } else if (request->outcome == HF_OUTCOME_NOT_SENT || request->outcome == HF_OUTCOME_UNKNOWN ||
               error->code == HF_ERR_TIMEOUT || error->code == HF_ERR_OUTAGE ||
               error->limit == HF_LIMIT_MAX_RETRIES) {
        const bool unnamed = status.ups == 0 && hf_connection_unnamed(client->config);
        hf_fail(failure, HF_EXIT_INCOMPLETE, "%s: %s: %s%s%s", what, client->where, text,
                error->limit == HF_LIMIT_TIMEOUT ? "; --deadline is over" : "",
                unnamed ? "; no server was named: say which in --dsn or PGHOST" : "");
    } else if (passes(error)) {
        hf_fail(failure, HF_EXIT_INCOMPLETE, "%s: %s; run the same command again", what, text);
    } else {
        bool several = strcmp(error->sqlstate, "42601") == 0 && strstr(text, "multiple commands");
        hf_fail(failure, HF_EXIT_USAGE, "%s: %s%s", what, text,
                several ? "; only one statement can be run: remove what stands behind its ;" : "");
    }
}
