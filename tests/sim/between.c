#include "backend.h"

#include <string.h>

#include "chaos.h"
#include "ledger.h"
#include "ticket.h"

/* A pooler or a proxy that loses its server (SEMANTICS 10). It makes up an error of its own, which no database stands
 * for: FATAL with any SQLSTATE, with a ReadyForQuery or without, or ERROR with any SQLSTATE without one. An ERROR with
 * a ReadyForQuery comes only where the server has not committed, or, with class 08 or XX, behind the statement's
 * CommandComplete (SEMANTICS 47 has the limit of what is promised). The server may go on by itself, and commit. */

static const char *any_code(void) {
    static const char *const codes[] = { "08006", "08P01", "08003", "XX000", "57P01", "57P02",
                                         "57P03", "57P05", "58000", "53300", "40001", "40003",
                                         "23505", "22012", "57014", "25P02", "28000", "P0001" };
    return codes[sim_below(&sim.rng, sizeof codes / sizeof codes[0])];
}

static void say(sim_backend *backend, char severity, const char *sqlstate) {
    sim_note("what is between backend # and its client has lost it", backend->pid, 0, 0);
    sim_say_error(backend, severity, sqlstate, "server closed the connection unexpectedly");
}

/* The pooler says an error and ends the stream. goes_on: the server does not hear of that. */
static void last_words(sim_backend *backend, bool goes_on) {
    const bool fatal = sim_chance(&sim.rng, 500);
    const sim_kind kind = sim_chance(&sim.rng, 500) ? SIM_RST : SIM_FIN;
    say(backend, fatal ? 'F' : 'E', any_code());
    sim_tell(backend, SIM_TOLD_AMBIGUOUS);
    if (fatal && sim_chance(&sim.rng, 400)) {
        sim_out_begin(&backend->out, 'Z');
        sim_out8(&backend->out, 'I');
        sim_out_end(&backend->out);
    }
    sim_hit(fatal ? SIM_BETWEEN_FATAL : SIM_BETWEEN_ERROR);
    sim_backend_flush(backend);
    if (goes_on)
        sim_link_end_behind(backend->link, kind);
    else
        sim_backend_end(backend, kind == SIM_RST);
}

static bool commits_itself(const sim_backend *backend) {
    return strncmp(backend->portal.sql, "CALL", 4) == 0;
}

/* The pooler says an error and keeps the session, with another server for what comes next. */
static void stays(sim_backend *backend, const char *sqlstate, bool committing) {
    say(backend, 'E', sqlstate);
    const bool unsure =
        strcmp(sqlstate, "40003") == 0 || commits_itself(backend) ||
        (committing && (memcmp(sqlstate, "08", 2) == 0 || memcmp(sqlstate, "XX", 2) == 0));
    if (sim_has_ledger() && strcmp(sqlstate, "23505") == 0)
        sim_ledger_made_up(backend->portal.token);
    sim_tell(backend, unsure ? SIM_TOLD_AMBIGUOUS : SIM_TOLD_ERROR);
    sim_statement_undo(backend);
    sim_names_clear(&backend->names);
    backend->status = 'I';
    backend->skipping = true;
    sim_hit(SIM_BETWEEN_STAYS);
}

/* What a COMMIT that was rolled back, or a question, is refused with: not what says that the server goes. */
static const char *plain_code(void) {
    static const char *const codes[] = { "XX000", "58000", "P0001", "22012" };
    return codes[sim_below(&sim.rng, sizeof codes / sizeof codes[0])];
}

bool sim_between_runs(sim_backend *backend) {
    const uint32_t life = backend->life;
    if (!sim_strikes(SIM_BETWEEN_BEFORE))
        return false;
    if (sim_chance(&sim.rng, 300)) {
        const bool asks = backend->portal.kind == SIM_TICKET_ASKS;
        const char *code = asks || commits_itself(backend) ? plain_code() : any_code();
        stays(backend, code, false);
        /* What cannot be answered is never asked again; anything else may pass. */
        backend->told = asks && memcmp(code, "22", 2) == 0 ? SIM_TOLD_NOTHING : 0;
        return true;
    }
    last_words(backend, sim_chance(&sim.rng, 500));
    return !backend->used || backend->life != life;
}

bool sim_between_commits(sim_backend *backend) {
    if (!sim_strikes(SIM_BETWEEN_DURING))
        return false;
    if (sim_chance(&sim.rng, 500)) {
        last_words(backend, true);
        return false;
    }
    if (sim_chance(&sim.rng, 500)) {
        last_words(backend, false);
        return true;
    }
    const bool by_portal = backend->commit_portal;
    stays(backend, sim_chance(&sim.rng, 500) ? plain_code() : "08003", true);
    if (!by_portal)
        sim_statement_ready(backend);
    return true;
}

bool sim_between_committed(sim_backend *backend) {
    if (!sim_strikes(SIM_BETWEEN_AFTER))
        return false;
    if (sim_chance(&sim.rng, 700)) {
        last_words(backend, false);
        return true;
    }
    const bool by_portal = backend->commit_portal;
    stays(backend,
          sim_chance(&sim.rng, 500)   ? "08006"
          : sim_chance(&sim.rng, 500) ? "08P01"
                                      : "XX000",
          true);
    if (!by_portal)
        sim_statement_ready(backend);
    return true;
}
