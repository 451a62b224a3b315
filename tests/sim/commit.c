#include "backend.h"

#include <string.h>

#include "chaos.h"
#include "check.h"
#include "ledger.h"
#include "table.h"
#include "work.h"

/* The end of a flight: the commit, who it waits for, what becomes of its answer, and ReadyForQuery. */

/* Nothing of it is durable yet: what happens to its session or its client now? */
void sim_statement_commit(sim_backend *backend, bool by_portal) {
    uint32_t ms = sim_below(&sim.rng, 10);
    backend->commit_portal = by_portal;
    if (backend->n_writes == 0 && !backend->xid) {
        sim_statement_committed(backend);
        return;
    }
    if (sim_between_commits(backend))
        return;
    if (sim_strikes(SIM_PG_KILL_AFTER_DONE)) {
        sim_backend_fatal(backend, "57P01");
        return;
    }
    if (by_portal && sim_strikes(SIM_PG_ROLLS_BACK)) {
        sim_statement_undo(backend);
        backend->status = 'I';
        sim_statement_done(backend, "ROLLBACK", false);
        sim_tell(backend, SIM_TOLD_ERROR);
        return;
    }
    if (sim_node_is_primary(backend->node) && sim_strikes(SIM_PG_CRASH_AT_COMMIT)) {
        sim_node_crash(backend->node, sim_scaled(&sim.rng, 20, 2000));
        return;
    }
    if (sim_strikes(SIM_PG_COMMIT_SLOW))
        ms += sim_scaled(&sim.rng, 200, 60000);
    if (sim_strikes(SIM_PG_COMMIT_UNHEARD))
        sim_link_cut(backend->link, sim_chance(&sim.rng, 500) ? SIM_RST : SIM_FIN, false);
    sim_backend_busy(backend, ms, SIM_THEN_COMMITTED);
}

/* The transaction takes effect. */
static void apply(sim_backend *backend) {
    for (unsigned i = 0; i < backend->n_writes; i++)
        sim_flight_applied(backend->write_flights[i], backend->link);
    if (backend->n_writes > 0 || backend->xid)
        sim_table_commit(backend->cluster, backend->xid, backend->writes, backend->n_writes,
                         backend->link->tainted);
    backend->xid = 0;
    backend->n_writes = 0;
    backend->ticketed = false;
}

static void say_junk(sim_backend *backend) {
    static const char *const junk[] = { "\x16\x03\x01\x02",  "x\0\0\0\4",  "D\0\0\0\6\0\0",
                                        "D\x7f\xff\xff\xff", "Z\0\0\0\5I", "HTTP/1.1 400" };
    const unsigned which = sim_below(&sim.rng, sizeof junk / sizeof junk[0]);
    static const uint8_t bytes[] = { 4, 5, 7, 5, 6, 12 };
    sim_out_bytes(&backend->out, junk[which], bytes[which]);
    backend->link->tainted = sim.tainted = true;
}

/* All but the COMMIT is done, and something in between ends the transaction. It does not commit it: that could not be
 * known where this answer is lost; but the client cannot tell. */
static void end_early(sim_backend *backend) {
    backend->status = 'I';
    backend->told |= SIM_HANDED | SIM_TOLD_AMBIGUOUS;
    sim_statement_undo(backend);
}

/* A pooler in transaction mode has another session for what comes next: what was prepared is there no more, or there
 * again. */
static void move(sim_backend *backend) {
    if (sim_names_count(&backend->elsewhere) > SIM_NAMES / 2 || sim_chance(&sim.rng, 100))
        sim_names_clear(&backend->elsewhere); /* one that is new */
    sim_names names = backend->names;
    backend->names = backend->elsewhere;
    backend->elsewhere = names;
    sim_hit(SIM_PG_MOVED);
}

/* The ReadyForQuery is that of several reads: those before the one in hand were complete, those behind it were passed
 * over. What a serializable transaction has read before an error is void. */
static void end_group(sim_backend *backend, unsigned told) {
    sim_link *link = backend->link;
    sim_tap *tap = &link->tap;
    const uint64_t at = link->pipe[SIM_WAY_DOWN].n_written + backend->out.n;
    size_t first = tap->n_answered, n;
    while (first > 0 && sim_flights[tap->flights[first - 1]].shares)
        first--;
    for (n = first; n < tap->n_flights; n++) {
        sim_flight *flight = &sim_flights[tap->flights[n]];
        flight->skipped = n > tap->n_answered;
        flight->voided = n < tap->n_answered && backend->skipping && sim_serializable();
        if (flight->voided)
            sim_hit(SIM_PG_GROUP_VOID);
        sim_link_mark(link, at, tap->flights[n], n == tap->n_answered ? told : SIM_TOLD_READY);
        if (!flight->shares)
            break;
    }
    sim_hit(backend->skipping ? SIM_PG_GROUP_FAILS : SIM_PG_GROUP);
    tap->n_answered = n;
}

void sim_statement_ready(sim_backend *backend) {
    sim_tap *tap = &backend->link->tap;
    sim_say_async(backend);
    if (backend->status == 'T' && backend->ticketed && sim_strikes(SIM_PG_HELD_ENDED))
        end_early(backend);
    sim_out_begin(&backend->out, 'Z');
    sim_out8(&backend->out, (unsigned char)backend->status);
    sim_out_end(&backend->out);
    const unsigned told =
        backend->told | (backend->status == 'I'                        ? SIM_TOLD_READY
                         : backend->status == 'T' && backend->ticketed ? SIM_TOLD_DEFERRED
                                                                       : SIM_TOLD_OPEN);
    if (tap->n_answered < tap->n_flights && sim_flight_in_group(&sim_flights[sim_tap_oldest(tap)]))
        end_group(backend, told);
    else
        sim_tell(backend, told);
    backend->told = 0;
    tap->n_answered++;
    backend->only_reads = backend->only_reads && backend->status != 'I';
    backend->n_done = 0;
    backend->skipping = false;
    backend->portal.bound = false;
    if (backend->status == 'I' && sim_access_now.moves && sim_chance(&sim.rng, 500))
        move(backend);
    if (sim_strikes(SIM_PG_JUNK))
        say_junk(backend);
    sim_backend_flush(backend);
}

/* The commit is durable: answers, unless a fault keeps the answer back. */
static void acknowledge(sim_backend *backend, bool wrote) {
    if (wrote && sim_strikes(SIM_PG_COMMIT_LOST)) {
        if (sim_chance(&sim.rng, 500))
            sim_backend_flush(backend);
        sim_backend_end(backend, sim_chance(&sim.rng, 500));
        return;
    }
    if (wrote && sim_between_committed(backend))
        return;
    if (wrote && sim_strikes(SIM_PG_SYNCREP)) {
        sim_backend_warn(backend, "57P01");
        return;
    }
    if (backend->commit_portal) {
        backend->status = 'I';
        sim_statement_done(backend, "COMMIT", false);
        if (sim_flights[sim_tap_oldest(&backend->link->tap)].is & SIM_COMMITS)
            sim_tell(backend, SIM_TOLD_DONE);
    } else {
        sim_statement_ready(backend);
    }
}

void sim_statement_left_alone(sim_backend *backend) {
    if (!backend->link->tainted)
        sim_table_behind(backend->writes, backend->n_writes);
    apply(backend);
    backend->waits = false;
}

void sim_statement_released(sim_backend *backend, bool alone) {
    if (alone)
        sim_statement_left_alone(backend);
    else
        apply(backend);
    backend->busy = backend->waits = false;
    backend->then = SIM_THEN_WORK;
    acknowledge(backend, true);
}

/* pg_cancel_backend() of an administrator who wants it to go on without the standby. */
static void cancelled_by_other(void *who, uint32_t life) {
    sim_backend *backend = who;
    if (!backend->used || backend->life != life || !backend->waits || sim.healed)
        return;
    for (unsigned i = 0; i < backend->n_writes; i++)
        sim_jobs[backend->writes[i] & ~SIM_KEY].told_alone = true;
    if (sim_has_ledger()) /* a question about a key waits too, and writes nothing */
        sim_jobs[sim_flights[sim_tap_oldest(&backend->link->tap)].token].told_alone = true;
    sim_backend_interrupt(backend, false);
}

void sim_statement_committed(sim_backend *backend) {
    const bool wrote = backend->n_writes > 0 || backend->xid;
    if (wrote && sim_strikes(SIM_PG_COMMIT_FAILS)) {
        const bool by_portal = backend->commit_portal;
        backend->status = 'I';
        sim_statement_fail(backend, sim_chance(&sim.rng, 700) ? "40001" : "23505");
        if (!by_portal)
            sim_statement_ready(backend);
        return;
    }
    if (wrote && sim_access_now.standby_gone && backend->cluster == SIM_OURS) {
        sim_hit(SIM_SYNC_WAITS);
        sim_note("a commit of backend # waits for the standby", backend->pid, 0, 0);
        backend->waits = backend->busy = true;
        backend->then = SIM_THEN_RELEASED;
        if (!sim.healed && sim_chance(&sim.rng, 150)) { /* somebody else does not */
            sim_hit(SIM_SYNC_CANCELLED);
            sim_plan_in(sim_scaled(&sim.rng, 10, 20000), cancelled_by_other, backend,
                        backend->life);
        }
        return;
    }
    apply(backend);
    acknowledge(backend, wrote);
}

void sim_statement_sync(sim_backend *backend) {
    if (!backend->spoken && backend->status == 'I' && sim_strikes(SIM_PG_PROBE_OPEN))
        backend->status = 'T'; /* a pooler gave it the server of somebody who has not finished */
    backend->spoken = false;
    if (backend->status == 'I')
        sim_statement_commit(backend, false);
    else
        sim_statement_ready(backend);
}
