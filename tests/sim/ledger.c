#include "ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "table.h"

/* Invariant: `hash` is what the committed row has, `given` what the transaction at hand has inserted. */

typedef struct entry {
    bool committed, undone;
    char hash[80], given[80];
    uint32_t holder, life; /* the backend whose transaction inserts it, plus 1; 0 none */
} entry;

static entry *entries;
static size_t room;

/* What a ledger's seeds must meet, beside what all must. */
static struct {
    const char *words;
    uint64_t met;
} met[] = { { "a try waits for the key of another", 0 },
            { "a key is there", 0 },
            { "a key is used up", 0 },
            { "a ledger request is UNKNOWN", 0 },
            { "… and submitted again", 0 } };
enum { WAITS, THERE, SEALS, UNKNOWN, AGAIN };

static const hf_ledger texts = {
    .insert = "INSERT INTO keys VALUES ($1, $2)",
    .find = "SELECT hash, kept FROM keys WHERE key = $1 FOR SHARE",
};

static entry *at(uint32_t token) {
    entries = sim_grow(entries, &room, (size_t)token + 1, sizeof *entries);
    return &entries[token];
}

void sim_ledger_reset(void) {
    if (entries)
        memset(entries, 0, room * sizeof *entries);
}

void sim_ledger_again(void) {
    met[AGAIN].met++;
}

bool sim_ledger_print_cover(void) {
    bool all = true;
    for (size_t i = 0; i < sizeof met / sizeof met[0] && sim_has_ledger(); i++) {
        printf("%12" PRIu64 "  ledger  %s%s\n", met[i].met, met[i].words,
               met[i].met ? "" : "   NEVER HIT");
        all = all && met[i].met > 0;
    }
    return all;
}

unsigned sim_ledger_kind(const char *sql) {
    return !sim_has_ledger()                                      ? 0
           : strncmp(sql, "SELECT set_config(", 18) == 0          ? SIM_LEDGER_SETS
           : strcmp(sql, texts.insert) == 0                       ? SIM_LEDGER_INSERTS
           : strncmp(sql, "SELECT hash, kept FROM keys", 27) == 0 ? SIM_LEDGER_FINDS
                                                                  : 0;
}

void sim_ledger_committed(uint32_t token) {
    entry *self = at(token);
    sim_note("the key of request # is there", token, 0, 0);
    self->committed = true;
    memcpy(self->hash, self->given, sizeof self->hash);
    self->holder = 0;
}

void sim_ledger_undone(uint32_t token) {
    sim_note("the key of request # never was", token, 0, 0);
    at(token)->committed = false;
    at(token)->undone = true;
}

void sim_ledger_made_up(uint32_t token) {
    at(token)->undone = true;
}

/* --- the server ----------------------------------------------------------------------------------------- */

/* Does another transaction hold it, which has not ended? */
static bool is_held(const entry *self, const sim_backend *backend) {
    const sim_backend *other = self->holder ? &sim_backends[self->holder - 1] : backend;
    bool holds = false;
    if (other == backend || !other->used || other->life != self->life)
        return false;
    for (unsigned i = 0; i < other->n_writes; i++)
        holds = holds || (other->writes[i] & SIM_KEY);
    return holds;
}

/* Who holds the key, and whose client has left without a word that arrived, is found out some day: tcp_keepalives_*. */
static void keep_alive(const entry *self) {
    sim_backend *other = &sim_backends[self->holder - 1];
    if (other->link->client_gone && !other->busy && sim_chance(&sim.rng, 10))
        sim_backend_end(other, true);
}

static void insert(sim_backend *backend) {
    const uint32_t token = backend->portal.token;
    entry *self = at(token);
    if (is_held(self, backend)) {
        keep_alive(self);
        met[WAITS].met++;
        sim_backend_busy(backend, 40, SIM_THEN_EXECUTED);
        return;
    }
    if (self->committed) {
        met[THERE].met++;
        sim_statement_fail(backend, "23505");
        return;
    }
    if (!backend->xid)
        backend->xid = sim_table_begin(backend->cluster);
    snprintf(self->given, sizeof self->given, "%.79s", backend->portal.text);
    if (strncmp(self->given, "refused ", 8) == 0)
        met[SEALS].met++;
    self->holder = (uint32_t)(backend - sim_backends) + 1;
    self->life = backend->life;
    backend->write_flights[backend->n_writes] = sim_tap_oldest(&backend->link->tap);
    backend->writes[backend->n_writes++] = token | SIM_KEY;
    sim_statement_done(backend, "INSERT 0 1", false);
}

static void put_row(sim_out *out, const char *first, unsigned n) {
    sim_out_begin(out, 'D');
    sim_out16(out, n);
    sim_out32(out, (uint32_t)strlen(first));
    sim_out_bytes(out, first, strlen(first));
    if (n > 1)
        sim_out32(out, UINT32_MAX);
    sim_out_end(out);
}

/* The lock that it takes is a write: its commit waits for the standby. */
static void find(sim_backend *backend) {
    const entry *self = at(backend->portal.token);
    if (!self->committed) {
        sim_statement_done(backend, "SELECT 0", false);
        return;
    }
    if (!backend->xid)
        backend->xid = sim_table_begin(backend->cluster);
    put_row(&backend->out, self->hash, 2);
    sim_statement_done(backend, "SELECT 1", false);
}

void sim_ledger_executed(sim_backend *backend) {
    if (backend->portal.kind == SIM_LEDGER_INSERTS) {
        insert(backend);
    } else if (backend->portal.kind == SIM_LEDGER_FINDS) {
        find(backend);
    } else {
        put_row(&backend->out, "0", 1);
        sim_statement_done(backend, "SELECT 1", false);
    }
}

/* --- the application ------------------------------------------------------------------------------------ */

void sim_ledger_asked_for(hf_request *request, sim_slot *slot) {
    snprintf(slot->key_text, sizeof slot->key_text, "%u", slot->token);
    slot->key = hf_text(slot->key_text);
    request->ledger = &texts;
    request->key = &slot->key;
    request->n_key = 1;
}

/* --- what it is told ------------------------------------------------------------------------------------ */

static unsigned expected(const sim_job *job) {
    return job->batch ? job->n_statements : 1;
}

void sim_ledger_check_done(const sim_job *job, const hf_request *request) {
    const uint32_t token = (uint32_t)(job - sim_jobs);
    const hf_error *error = &request->error;
    if (request->outcome == HF_OUTCOME_UNKNOWN) {
        met[UNKNOWN].met++;
        SIM_CHECK(job->cancelled || sim.now >= job->deadline || sim_pool->closing ||
                      sim_pool->refused || error->code == HF_ERR_OUTAGE ||
                      error->code == HF_ERR_CLOSED || error->limit == HF_LIMIT_MAX_OUTAGE ||
                      job->too_large,
                  "a ledger request is UNKNOWN only where it must end", "request #, error #", token,
                  (uint64_t)-error->code, 0);
        SIM_CHECK(strstr(error->message, "submit the same key") || !HF_WITH_MESSAGES,
                  "UNKNOWN says the way out", "request #", token, 0, 0);
    }
    SIM_CHECK(error->code != HF_ERR_STATE || at(token)->undone,
              "a key that is there is not missing", "request #, outcome #", token, request->outcome,
              0);
    if (request->outcome == HF_OUTCOME_OK)
        SIM_CHECK(!job->writes || job->applied >= expected(job) || job->forgot || job->told_alone,
                  "an acknowledged ledger write is not missing", "request # was applied # times",
                  token, job->applied, 0);
}

void sim_ledger_check_end(uint32_t token) {
    const sim_job *job = &sim_jobs[token];
    if (!job->writes)
        return;
    SIM_CHECK(job->applied <= expected(job), "a ledger write is applied once",
              "request # was applied # times", token, job->applied, 0);
    SIM_CHECK(job->applied % expected(job) == 0, "a batch is applied whole or not at all",
              "request # was applied # times", token, job->applied, 0);
    if (job->outcome == HF_OUTCOME_FAILED || job->outcome == HF_OUTCOME_NOT_SENT)
        SIM_CHECK(job->applied == 0, "FAILED and NOT_SENT are never applied",
                  "request # was applied # times (outcome #)", token, job->applied, job->outcome);
    if (job->outcome == HF_OUTCOME_OK)
        SIM_CHECK(job->applied == expected(job) || job->forgot || job->told_alone,
                  "an acknowledged ledger write is not missing", "request # was applied # times",
                  token, job->applied, 0);
}
