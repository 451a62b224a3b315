#include "work.h"

#include <stdio.h>
#include <string.h>

#include "chaos.h"
#include "check.h"
#include "digest.h"
#include "ledger.h"

/* A slot holds what a request needs while it is in; its job goes on being known by its number. Statements carry
 * a number from a small range at their end, so that sessions see more texts than they can keep. */

sim_slot sim_slots[SIM_SLOTS];
sim_job *sim_jobs;
uint32_t sim_n_jobs, sim_n_asked_first;
static size_t jobs_room;
static hf_ms until;

bool sim_is_short(const hf_error *error) {
    static const char *const codes[] = { "53000", "53100", "53200", "58030" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(error->sqlstate, codes[i]) == 0)
            return true;
    return false;
}

static uint32_t every; /* ms between submissions, on average */
static unsigned pending, to_prove;
hf_ms sim_ok_at, sim_denied_at;
static bool stopped;

typedef enum kind {
    ROWS,
    SLOW,
    INSERT,
    RETURNING,
    UPDATE,
    CALL,
    BATCH,
    ERROR,
    BIG,
    BEGIN,
    NOTHING,
    PREPARE,
    KINDS
} kind;

void sim_work_reset(void) {
    memset(sim_slots, 0, sizeof sim_slots);
    sim_n_jobs = sim_n_asked_first = 0;
    sim_jobs = sim_grow(sim_jobs, &jobs_room, 1, sizeof *sim_jobs);
    sim_jobs[0] = (sim_job){ 0 };
    pending = to_prove = 0;
    stopped = false;
    sim_ok_at = sim_denied_at = 0;
}

unsigned sim_work_pending(void) {
    return pending;
}

void sim_job_flight(uint32_t token, uint32_t flight) {
    SIM_CHECK(token > 0 && token <= sim_n_jobs && sim_jobs[token].outcome == HF_OUTCOME_PENDING,
              "what is over is not sent again", "request # in flight #", token, flight, 0);
    sim_job *job = &sim_jobs[token];
    sim_note("request # goes out in flight # on link #", token, flight,
             sim_links[sim_flights[flight].link].number);
    sim_flights[flight].token = token;
    const sim_flight *last = &sim_flights[job->last];
    const sim_link *link = &sim_links[last->link];
    const bool alive = link->life == last->link_life && !link->client_gone && !link->closing;
    if (job->forgotten > 0 && !(last->is & SIM_TOLD_READY) && !alive)
        job->unheard++; /* it may not have been the last word */
    sim_check_flight(flight, job->last, &sim_links[sim_flights[flight].link]);
    if (job->last)
        sim_flights[job->last].next = flight;
    else
        job->first = flight;
    job->last = flight;
}

void sim_job_applied(uint32_t token, bool tainted) {
    if (token & SIM_KEY) {
        sim_ledger_committed(token & ~SIM_KEY);
        return;
    }
    if (token == 0 || token > sim_n_jobs)
        return; /* a flipped bit made it so */
    sim_note("the server applies request #", token, 0, 0);
    if (tainted)
        sim_jobs[token].tainted++;
    else
        sim_jobs[token].applied++;
}

/* A ledger's write is counted in the survivor, where its key is. */
static void undo(uint32_t token) {
    sim_job *job = &sim_jobs[token];
    job->applied -= job->applied > 0;
    job->forgot = true;
}

void sim_job_forgotten(uint32_t token) {
    if (token & SIM_KEY) {
        sim_ledger_undone(token & ~SIM_KEY);
        return;
    }
    if (token > 0 && token <= sim_n_jobs && sim_is_ledger(&sim_jobs[token]))
        undo(token);
    sim_note("the server forgets request #", token, 0, 0);
}

void sim_job_lost(uint32_t token) {
    if (token & SIM_KEY) {
        sim_ledger_undone(token & ~SIM_KEY);
        return;
    }
    sim_note("the promotion loses request #", token, 0, 0);
    if (token > 0 && token <= sim_n_jobs && sim_jobs[token].applied > 0)
        sim_jobs[token].applied--;
}

/* --- what requests call ------------------------------------------------------------------------------ */

static sim_slot *slot_of(hf_request *request) {
    return request->user;
}

static sim_job *job_of(hf_request *request) {
    return &sim_jobs[slot_of(request)->token];
}

/* While the application stands still it does nothing: then this is done when it goes on. */
static bool asleep(sim_action *action, void *who, uint32_t what) {
    if (sim_suspended_until <= sim.now)
        return false;
    sim_plan(sim_suspended_until, action, who, what);
    return true;
}

static void resume(void *who, uint32_t what) {
    sim_slot *slot = who;
    if (asleep(resume, who, what))
        return;
    sim.moves++;
    if (slot->token != what)
        return;
    sim_jobs[what].waits = false;
    hf_resume(sim_pool, &slot->request);
}

static void submit_one(void);
static void submit(sim_slot *slot);

/* What an application may do within any callback: cancel somebody (itself, too), submit another. */
static void meddle(void) {
    sim_slot *slot = &sim_slots[sim_below(&sim.rng, SIM_SLOTS)];
    if (stopped || sim.healed)
        return;
    if (sim_strikes(SIM_APP_CANCEL_WITHIN) && slot->token) {
        sim_note("request # is cancelled within a callback", slot->token, 0, 0);
        sim_jobs[slot->token].cancelled = true;
        sim_jobs[slot->token].cancelled_in = sim.ticks;
        hf_cancel(sim_pool, &slot->request);
    }
    if (sim_strikes(SIM_APP_RESUBMIT))
        submit_one();
}

static int on_row(hf_request *request, hf_row *row) {
    sim_job *job = job_of(request);
    hf_value value;
    SIM_CHECK(!job->waits, "no row comes before hf_resume()", "request #", slot_of(request)->token,
              0, 0);
    while (hf_row_next(row, &value))
        job->hash = sim_row_hash(job->hash, value.data, value.bytes);
    job->n_rows++;
    sim.moves++;
    sim_digest("row", slot_of(request)->token, job->n_rows, job->hash);
    SIM_CHECK(!request->on_columns || job->described == job->last || sim_job_tainted(job),
              "columns are told before rows", "request # in flight #", slot_of(request)->token,
              job->last, 0);
    if (job->n_rows == 1) {
        meddle();
        job = job_of(request); /* there may be more of them now */
    }
    if (sim.healed || job->cancelled || !sim_strikes(SIM_APP_PAUSE))
        return HF_CONTINUE;
    job->paused = job->waits = true;
    ((sim_link *)(void *)request->conn->dial.link)->paused = true;
    sim_plan_in(sim_scaled(&sim.rng, 0, 30000), resume, request->user, slot_of(request)->token);
    return HF_PAUSE;
}

static void on_send(hf_request *request) {
    sim_check_send(slot_of(request));
}

static void on_commit(hf_request *request) {
    sim_digest("commit", slot_of(request)->token, request->n_rows, request->affected);
    sim_digest_bytes(request->ticket, strlen(request->ticket));
    sim_check_on_commit(job_of(request), request);
    meddle();
}

static void on_restart(hf_request *request) {
    sim_job *job = job_of(request);
    sim_digest("restart", slot_of(request)->token, job->n_rows, job->hash);
    sim_check_restart(job);
    job->hash = 0;
    job->n_rows = 0;
    job->waits = false;
    meddle();
}

static void on_columns(hf_request *request, hf_columns *columns) {
    static const char *const names[] = { "token", "flight", "i", "filler" };
    sim_job *job = job_of(request);
    const char *sql = request->n_batch > 0 ? request->batch[columns->statement].sql : request->sql;
    const unsigned there = columns->n_columns;
    bool right = there == (sim_gives_rows(sql) ? 4 : 0);
    unsigned n = 0;
    hf_column column;
    for (; hf_columns_next(columns, &column); n++)
        right = right && n < 4 && column.type == 25 && column.name.bytes == strlen(names[n]) &&
                memcmp(column.name.data, names[n], column.name.bytes) == 0;
    job->described = job->last;
    sim.moves++;
    sim_digest("columns", slot_of(request)->token, n, columns->statement);
    const bool tainted = ((const sim_link *)(void *)request->conn->dial.link)->tainted;
    SIM_CHECK((right && n == there) || tainted || sim_job_tainted(job), "columns are the server's",
              "request #: # columns", slot_of(request)->token, n, 0);
}

static void on_error(hf_request *request, const hf_error *error, const hf_fields *fields) {
    (void)fields;
    sim_digest("error", slot_of(request)->token, 0, 0);
    sim_digest_error(error);
    if (!(sim_flights[job_of(request)->last].is & SIM_TOLD_ROLE))
        sim_check_answered(false);
    if (strcmp(error->sqlstate, "26000") == 0 || strcmp(error->sqlstate, "0A000") == 0 ||
        strcmp(error->sqlstate, "42P05") == 0)
        SIM_CHECK(++job_of(request)->forgotten <= 2 + job_of(request)->unheard ||
                      sim_job_tainted(job_of(request)),
                  "what the server forgot is prepared again once", "request #",
                  slot_of(request)->token, 0, 0);
    if ((sim_is_short(error) || strcmp(error->sqlstate, "25006") == 0) && sim_denied_at == 0)
        sim_denied_at = sim.now;
    if (sim_is_short(error) && job_of(request)->short_at == 0)
        job_of(request)->short_at = sim.now;
    job_of(request)->refusals += strcmp(error->sqlstate, "25006") == 0;
    if (strcmp(error->sqlstate, "57014") == 0 || strcmp(error->sqlstate, "55P03") == 0)
        job_of(request)->passing++;
    if (strcmp(error->sqlstate, "40001") == 0 || strcmp(error->sqlstate, "40P01") == 0)
        job_of(request)->partly = job_of(request)->self_commits;
    meddle();
    if (strcmp(error->sqlstate, "25006") ==
        0) /* the link is given up, whatever else was read from it */
        ((sim_link *)(void *)request->conn->dial.link)->paused = true;
}

/* One whose outcome is UNKNOWN though it has a ticket is submitted again, as after a restart of the application: the
 * same request in the same place. */
static bool again(sim_slot *slot, uint32_t token) {
    sim_job *job = &sim_jobs[token];
    hf_request *request = &slot->request;
    const bool ledger = sim_is_ledger(job);
    const uint32_t open = ledger ? 0 : sim_job_unresolved(job);
    if (job->outcome != HF_OUTCOME_UNKNOWN || !(open || ledger) || slot->request.prepare_only ||
        sim_pool->closing || sim.healed || stopped || !sim_chance(&sim.rng, 700))
        return false;
    sim_n_asked_first++;
    job->outcome = HF_OUTCOME_PENDING;
    job->unresolved = open;
    if (ledger) {
        request->submitted_before = true;
        job->waits = false;
        sim_ledger_again();
    } else {
        sim_hit(SIM_APP_ASKS_FIRST);
        sim_flights[open].asked_at = HF_NEVER; /* it has its time anew */
        sim_flights[open].running_at = sim_flights[open].late_asks = 0;
        sim_flights[open].is &= ~(unsigned)SIM_TOLD_NOTHING;
    }
    job->cancelled = job->paused = false;
    job->forgotten = job->unheard = 0;
    job->late = job->deadline = HF_NEVER;
    job->n_rows = 0;
    job->hash = 0;
    slot->token = token;
    request->resolve_ticket = ledger ? NULL : request->ticket;
    if (!ledger && sim_chance(&sim.rng, 500))
        request->resolve_ticket = memcpy(slot->ticket, request->ticket, sizeof slot->ticket);
    submit(slot);
    return true;
}

static void on_done(hf_request *request) {
    sim_slot *slot = slot_of(request);
    sim_job *job = job_of(request);
    SIM_CHECK(slot->token, "every request ends once", "a slot that is free", 0, 0, 0);
    sim_note("request # ends: outcome #, attempts #", slot->token, request->outcome,
             request->attempts);
    sim_digest("done", slot->token, request->outcome, request->attempts);
    sim_digest("with", request->n_rows, request->affected, request->retries);
    sim_digest("after", request->duration_ms, request->unconfirmed, 0);
    sim_digest_error(&request->error);
    sim_digest_bytes(request->ticket, strlen(request->ticket));
    sim_check_done(job, request);
    sim_left_look();
    if (request->outcome == HF_OUTCOME_OK) {
        sim_ok_at = sim.now;
        sim_denied_at = 0;
    }
    sim_check_answered(request->outcome == HF_OUTCOME_OK && !sim_job_tainted(job));
    static const uint8_t ends[] = { [HF_OUTCOME_OK] = SIM_END_OK,
                                    [HF_OUTCOME_FAILED] = SIM_END_FAILED,
                                    [HF_OUTCOME_NOT_SENT] = SIM_END_NOT_SENT,
                                    [HF_OUTCOME_UNKNOWN] = SIM_END_UNKNOWN };
    sim_hit((sim_fault)ends[request->outcome]);
    if (request->outcome == HF_OUTCOME_OK && request->attempts > 1)
        sim_hit(SIM_END_OK_AGAIN);
    if (request->error.code == HF_ERR_OUTAGE)
        sim_hit(SIM_OUTAGE_GIVEN_UP);
    if (request->error.limit == HF_LIMIT_TIMEOUT)
        sim_hit(SIM_APP_DEADLINE);
    if (request->error.code == HF_ERR_TOO_LARGE && request->error.phase == HF_PHASE_QUERY)
        sim_hit(SIM_PG_TOO_LARGE);
    if (job->cancelled && job->paused)
        sim_hit(SIM_APP_CANCEL_PAUSED);
    if (job->healed && request->outcome == HF_OUTCOME_OK)
        to_prove--;
    const uint32_t token = slot->token;
    slot->token = 0;
    pending--;
    sim.moves++;
    if (!again(slot, token))
        meddle();
}

static void cancel(void *who, uint32_t what) {
    sim_slot *slot = who;
    if (slot->token != what || asleep(cancel, who, what))
        return;
    sim_hit(slot->request.conn ? SIM_APP_CANCEL_RUNNING : SIM_APP_CANCEL_QUEUED);
    sim_note("request # is cancelled by the application", what, 0, 0);
    sim_jobs[what].cancelled = true;
    sim.moves++;
    hf_cancel(sim_pool, &slot->request);
}

/* --- making one ---------------------------------------------------------------------------------------- */

static hf_statement statement(sim_slot *slot, unsigned i, const char *sql, uint32_t second) {
    const unsigned variant = sim_below(&sim.rng, 4);
    const unsigned n_params = strstr(sql, "$2") ? 2 : strstr(sql, "$1") ? 1 : 0;
    snprintf(slot->sql[i], SIM_SQL_BYTES, n_params ? "%s -- %u" : "%s", sql, variant);
    snprintf(slot->texts[i][0], sizeof slot->texts[i][0], "%u", slot->token);
    snprintf(slot->texts[i][1], sizeof slot->texts[i][1], "%u", second);
    slot->values[i][0] = hf_text(slot->texts[i][0]);
    slot->values[i][1] = hf_text(slot->texts[i][1]);
    return (hf_statement){ .sql = slot->sql[i],
                           .params = slot->values[i],
                           .n_params = (uint16_t)n_params };
}

/* How a write that must not run twice asks for that. */
static uint8_t careful(void) {
    if (sim_has_ledger() && !sim_config.read_only && sim_chance(&sim.rng, 600))
        return HF_REPLAY_LEDGER;
    return HF_WITH_RESOLVE && sim_chance(&sim.rng, 500) ? HF_REPLAY_RESOLVE : HF_REPLAY_UNSENT;
}

/* A long parameter: what has to fit the transmit buffer, or not. */
static hf_statement padded(sim_slot *slot, sim_job *job) {
    hf_statement one = statement(slot, 0, "INSERT INTO log VALUES ($1, $2)", 0);
    const uint32_t bytes = sim_scaled(&sim.rng, 0, sim_config.tx_bytes + 100);
    job->padding = (uint16_t)(bytes < SIM_PADDING_MAX ? bytes : SIM_PADDING_MAX);
    for (uint32_t i = 0; i < job->padding; i++)
        slot->padding[i] = sim_padding(slot->token, i);
    slot->values[0][1] = (hf_value){ .data = slot->padding, .bytes = job->padding };
    if (sim_chance(&sim.rng, 200)) {
        slot->values[0][1] = (hf_value){ 0 };
        job->padding = SIM_PADDING_NULL;
    } else if (job->padding + 900u > sim_config.tx_bytes) {
        job->too_large = true;
    }
    sim_hit(SIM_APP_PADDING);
    return one;
}

static void make_batch(sim_slot *slot, sim_job *job) {
    job->batch = job->writes = true;
    job->n_statements = (uint8_t)sim_between(&sim.rng, 1, 4);
    for (unsigned i = 0; i < job->n_statements; i++)
        slot->batch[i] =
            statement(slot, i,
                      sim_chance(&sim.rng, 700) ? "INSERT INTO log VALUES ($1)"
                                                : "INSERT INTO log VALUES ($1) RETURNING id",
                      0);
    slot->request.batch = slot->batch;
    slot->request.n_batch = job->n_statements;
    job->replay = sim_chance(&sim.rng, 300) ? HF_REPLAY_SAFE : careful();
}

static void make(sim_slot *slot, sim_job *job, kind what) {
    static const char *const states[] = { "23505", "42P01", "22012", "40001", "55P03", "57014" };
    hf_request *request = &slot->request;
    hf_statement one = { 0 };
    char text[40];
    const bool safe = sim_chance(&sim.rng, 850);
    job->replay = careful();
    switch (what) {
    case ROWS:
        one = statement(slot, 0, "SELECT gen($1, $2)", sim_scaled(&sim.rng, 0, 200));
        job->replay = safe ? HF_REPLAY_SAFE : careful();
        break;
    case SLOW:
        one = statement(slot, 0, "SELECT slow($1, $2)", sim_scaled(&sim.rng, 10, 30000));
        job->replay = safe ? HF_REPLAY_SAFE : careful();
        break;
    case INSERT:
        one = sim_chance(&sim.rng, 700) ? statement(slot, 0, "INSERT INTO log VALUES ($1)", 0)
                                        : padded(slot, job);
        break;
    case RETURNING: one = statement(slot, 0, "INSERT INTO log VALUES ($1) RETURNING id", 0); break;
    case UPDATE:
        one = statement(slot, 0, "UPDATE log SET seen = true WHERE id = $1", 0);
        job->replay = safe ? HF_REPLAY_SAFE : careful();
        break;
    case CALL:
        one = statement(slot, 0, "CALL append($1)", 0);
        job->self_commits = true;
        job->replay = sim_is_ledger(job) ? HF_REPLAY_UNSENT : job->replay;
        break;
    case BATCH: make_batch(slot, job); break;
    case ERROR:
        one = statement(slot, 0, "SELECT error($1, $2)", 0);
        snprintf(slot->texts[0][1], sizeof slot->texts[0][1], "%s",
                 states[sim_below(&sim.rng, sizeof states / sizeof states[0])]);
        slot->values[0][1] = hf_text(slot->texts[0][1]);
        break;
    case BIG:
        one = statement(slot, 0, "SELECT big($1, $2)", sim_between(&sim.rng, 500, 30000));
        job->too_large = true;
        job->replay = safe ? HF_REPLAY_SAFE : careful();
        break;
    case BEGIN:
        snprintf(text, sizeof text, "BEGIN /* %u */", slot->token);
        one = statement(slot, 0, text, 0);
        job->replay = safe ? HF_REPLAY_SAFE : HF_REPLAY_UNSENT;
        break;
    case NOTHING:
        snprintf(text, sizeof text, "/* %u */", slot->token);
        one = statement(slot, 0, text, 0);
        job->replay = safe ? HF_REPLAY_SAFE : careful();
        break;
    case PREPARE:
    case KINDS: one = statement(slot, 0, "SELECT gen($1, $2)", 1); break;
    }
    job->writes =
        job->batch || what == INSERT || what == RETURNING || what == UPDATE || what == CALL;
    request->sql = one.sql;
    request->params = one.params;
    request->n_params = one.n_params;
    request->replay = (hf_replay)job->replay;
    if (sim_is_ledger(job))
        sim_ledger_asked_for(request, slot);
}

static sim_slot *new_job(kind what) {
    unsigned i = 0;
    while (i < SIM_SLOTS && sim_slots[i].token)
        i++;
    if (i == SIM_SLOTS)
        return NULL;
    sim_slot *slot = &sim_slots[i];
    slot->token = ++sim_n_jobs;
    sim_jobs = sim_grow(sim_jobs, &jobs_room, sim_n_jobs + 1, sizeof *sim_jobs);
    sim_job *job = &sim_jobs[sim_n_jobs];
    *job = (sim_job){ .n_statements = 1, .late = HF_NEVER, .deadline = HF_NEVER };
    slot->request = (hf_request){ .on_row = on_row,
                                  .on_restart = on_restart,
                                  .on_send = on_send,
                                  .on_commit = on_commit,
                                  .on_done = on_done,
                                  .on_error = on_error,
                                  .user = slot };
    make(slot, job, what);
    slot->request.wait_passing = sim_chance(&sim.rng, 300);
    slot->request.prepare = sim_chance(&sim.rng, 700);
    if (sim_chance(&sim.rng, 200))
        slot->request.on_columns = on_columns;
    slot->request.prepare = slot->token % 3 > 0;
    job->submitted = sim.now;
    job->waits_passing = slot->request.wait_passing;
    return slot;
}

static void submit(sim_slot *slot) {
    sim_job *job = &sim_jobs[slot->token];
    int err = hf_submit(sim_pool, &slot->request);
    SIM_CHECK(err == HF_OK, "a good request is taken", "request #", slot->token, 0, 0);
    job->timeout_ms = slot->request.timeout_ms;
    pending++;
    sim.moves++;
}

static void submit_one(void) {
    static const uint16_t shares[KINDS] = {
        [ROWS] = 240, [SLOW] = 160, [INSERT] = 160, [RETURNING] = 60, [UPDATE] = 80,  [CALL] = 80,
        [BATCH] = 90, [ERROR] = 30, [BIG] = 20,     [BEGIN] = 30,     [NOTHING] = 20, [PREPARE] = 30
    };
    unsigned share = sim_below(&sim.rng, 1000), what = 0;
    while (share >= shares[what])
        share -= shares[what++];
    if (sim_has_groups() && what >= INSERT && what <= BATCH)
        what = what == CALL ? ERROR : ROWS;
    sim_slot *slot = new_job((kind)what);
    if (!slot)
        return;
    if (sim_has_groups() && (what == ROWS || what == SLOW || what == ERROR)) {
        slot->request.replay = HF_REPLAY_SAFE;
        sim_jobs[slot->token].replay = HF_REPLAY_SAFE;
    }
    if (what == PREPARE) {
        slot->request.prepare_only = true;
        sim_jobs[slot->token].prepares = true;
        slot->request.on_columns = on_columns;
    }
    if (sim_chance(&sim.rng, 400))
        slot->request.timeout_ms = sim_scaled(&sim.rng, 1, 60000);
    if (sim_chance(&sim.rng, 100))
        sim_plan_in(sim_scaled(&sim.rng, 0, 20000), cancel, slot, slot->token);
    sim_note("request # of kind #, replay #", slot->token, what, slot->request.replay);
    submit(slot);
}

static void suspend(void *who, uint32_t ms) {
    (void)who;
    if (!sim.healed && sim_suspended_until < sim.now + ms)
        sim_suspended_until = sim.now + ms;
}

static void next(void *who, uint32_t what) {
    if (stopped || sim.now >= until || asleep(next, who, what))
        return;
    /* In bursts, so that connections are both busy and idle. */
    unsigned n = sim_chance(&sim.rng, 300) ? sim_between(&sim.rng, 2, 12) : 1;
    for (n += sim_has_groups() ? 8 : 0; n > 0; n--)
        submit_one();
    if (sim_strikes(SIM_TIME_JUMP)) { /* with all this under way */
        const uint32_t ms = sim_scaled(&sim.rng, 1000, 100000);
        sim_plan_in(sim_below(&sim.rng, 100), suspend, NULL, ms);
    }
    sim_plan_in(sim_below(&sim.rng, 2 * every), next, NULL, 0);
}

void sim_work_start(hf_ms end, unsigned n) {
    until = end;
    every = (uint32_t)((end - sim.now) * 2 / n) + 1;
    next(NULL, 0);
}

void sim_work_stop(void) {
    stopped = true;
    for (unsigned i = 0; i < SIM_SLOTS; i++)
        if (sim_slots[i].token) {
            sim_jobs[sim_slots[i].token].waits = false;
            hf_resume(sim_pool, &sim_slots[i].request);
        }
}

unsigned sim_work_unproved(void) {
    return to_prove;
}

void sim_work_more(unsigned n) {
    for (; n > 0; n--)
        submit_one();
}

void sim_work_prove(unsigned n) {
    to_prove = n;
    for (; n > 0; n--) {
        sim_slot *slot = new_job(ROWS);
        if (!slot)
            return;
        sim_jobs[slot->token].healed = true;
        slot->request.replay = HF_REPLAY_SAFE;
        sim_jobs[slot->token].replay = HF_REPLAY_SAFE;
        submit(slot);
    }
}
