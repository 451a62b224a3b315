#include "backend.h"

#include <string.h>

#include "chaos.h"
#include "table.h"

/* A backend reads only while it is not busy, and learns only when it reads that its client has left: until
 * then it goes on. What it writes is kept in `out` until a Sync, or until there is a lot of it. */

enum { FLUSH_BYTES = 8192 };

sim_backend sim_backends[SIM_BACKENDS];
unsigned sim_backends_top;
static uint32_t last_pid;

void sim_backend_reset(void) {
    for (unsigned i = 0; i < sim_backends_top; i++)
        sim_backends[i].used = false;
    sim_backends_top = 0;
    last_pid = 1000;
}

void sim_backend_start(sim_link *link) {
    unsigned i = 0;
    while (i < SIM_BACKENDS && sim_backends[i].used)
        i++;
    if (i == SIM_BACKENDS) { /* keepalives find the sessions whose client has left */
        for (i = SIM_BACKENDS; i-- > 0;)
            if (sim_backends[i].link->client_gone)
                sim_backend_end(&sim_backends[i], true);
        for (i = 0; i < SIM_BACKENDS && sim_backends[i].used;)
            i++;
    }
    SIM_CHECK(i < SIM_BACKENDS, "sessions are let go", "# are there", SIM_BACKENDS, 0, 0);
    if (i >= sim_backends_top)
        sim_backends_top = i + 1;
    sim_backend *backend = &sim_backends[i];
    sim_out out = backend->out;
    const uint32_t life = backend->life + 1;
    sim_names_clear(&backend->names);
    sim_names_clear(&backend->elsewhere);
    memset(backend, 0, offsetof(sim_backend, names));
    memset(&backend->portal, 0, sizeof *backend - offsetof(sim_backend, portal));
    backend->out = out;
    backend->out.n = 0;
    backend->life = life;
    backend->used = true;
    backend->status = 'I';
    backend->link = link;
    backend->node = link->node;
    backend->pid = ++last_pid;
    if (sim_access_now.pooler) /* which makes them up */
        backend->pid = (uint32_t)sim_random(&sim.rng);
    backend->key = (uint32_t)sim_random(&sim.rng);
    link->backend = backend;
    sim_backend_work(backend); /* what came with the connection */
}

void sim_backend_flush(sim_backend *backend) {
    sim_link_send(backend->link, backend->out.data, backend->out.n);
    backend->out.n = 0;
}

/* Rolls the session's transaction back, and frees its place. */
static void gone(sim_backend *backend) {
    if (backend->waits) /* its commit is durable here */
        sim_statement_left_alone(backend);
    sim_table_abort(backend->cluster, backend->xid);
    backend->used = false;
    backend->link->backend = NULL;
    backend->life++;
}

void sim_backend_end(sim_backend *backend, bool reset) {
    sim_link *link = backend->link;
    gone(backend);
    if (reset)
        sim_link_rst(link);
    else
        sim_link_fin(link, false);
}

/* A socket that is closed before all was read from it is reset. */
static void polite_end(sim_backend *backend) {
    sim_link *link = backend->link;
    const sim_pipe *up = &link->pipe[SIM_WAY_UP];
    sim_backend_flush(backend);
    gone(backend);
    if (up->there > up->start && !sim.healed)
        sim_link_rst(link);
    else
        sim_link_fin(link, !sim_strikes(SIM_TLS_TRUNCATED));
}

void sim_backend_fatal(sim_backend *backend, const char *sqlstate) {
    sim_note("backend # ends: FATAL", backend->pid, 0, 0);
    if (backend->waits)
        sim_say_alone(backend);
    if (backend->phase != SIM_PHASE_HELLO)
        sim_say_error(backend, 'F', sqlstate, "terminating connection");
    if (backend->phase == SIM_PHASE_RUN)
        sim_tell(backend, SIM_TOLD_FATAL);
    polite_end(backend);
}

void sim_backend_warn(sim_backend *backend, const char *sqlstate) {
    if (backend->phase == SIM_PHASE_RUN)
        sim_say_error(backend, 'W', sqlstate, "terminating connection because of a crash");
    polite_end(backend);
}

/* A cancel ends the wait for the standby: the commit stands, and is answered as if nothing was. */
static void interrupt_wait(sim_backend *backend) {
    const uint32_t life = backend->life;
    sim_hit(SIM_SYNC_INTERRUPTED);
    sim_say_alone(backend);
    sim_statement_released(backend, true);
    if (backend->used && backend->life == life)
        sim_backend_work(backend);
}

void sim_backend_interrupt(sim_backend *backend, bool late) {
    if (backend->waits) {
        interrupt_wait(backend);
        return;
    }
    backend->was_cancelled = true;
    if (!sim_backend_running(backend) || backend->applies_now) {
        sim_hit(SIM_PG_CANCEL_LATE);
        return;
    }
    const uint32_t flight = sim_tap_oldest(&backend->link->tap);
    const bool other = !(sim_flights[flight].is & SIM_CANCELLED);
    sim_hit(other ? SIM_PG_CANCEL_OTHER : SIM_PG_CANCELLED);
    if (other && !late)
        sim_flights[flight].is |= SIM_HIT_BY_OTHER;
    backend->fails_with = "57014";
    backend->interrupted = true;
    backend->life++; /* what it was busy with is over */
    backend->busy = false;
    backend->then = SIM_THEN_WORK;
    sim_statement_executed(backend);
    sim_backend_work(backend);
}

static void wakes(void *who, uint32_t what) {
    sim_backend *backend = who;
    if (!backend->used || backend->life != what)
        return;
    if (sim_nodes[backend->node].state == SIM_NODE_STOPPED) {
        sim_plan_in(500, wakes, backend, what);
        return;
    }
    const sim_then then = (sim_then)backend->then;
    backend->busy = false;
    backend->then = SIM_THEN_WORK;
    if (then == SIM_THEN_EXECUTED)
        sim_statement_executed(backend);
    else if (then == SIM_THEN_COMMITTED)
        sim_statement_committed(backend);
    else if (then == SIM_THEN_RELEASED && backend->waits)
        sim_statement_released(backend, false);
    if (backend->used && backend->life == what)
        sim_backend_work(backend);
}

void sim_backend_busy(sim_backend *backend, uint32_t ms, sim_then then) {
    backend->busy = true;
    backend->then = (uint8_t)then;
    sim_plan_in(ms, wakes, backend, backend->life);
}

/* One message of those that have a type; bytes taken, 0 more are needed. */
static size_t one_message(sim_backend *backend, const uint8_t *at, size_t n) {
    if (n < 5)
        return 0;
    const uint32_t length = sim_get32(at + 1);
    if (length < 4 || length > 100000) { /* a flipped bit */
        sim_backend_fatal(backend, "08P01");
        return 0;
    }
    if (n < 1 + (size_t)length)
        return 0;
    sim_statement_message(backend, (char)at[0], at + 5, length - 4);
    return 1 + (size_t)length;
}

static bool hears_nothing(const sim_backend *backend) {
    return !backend->used || backend->busy || backend->phase == SIM_PHASE_DEAF ||
           sim_nodes[backend->node].state == SIM_NODE_STOPPED;
}

void sim_backend_work(sim_backend *backend) {
    const uint32_t life = backend->life;
    while (backend->life == life && !hears_nothing(backend)) {
        sim_link *link = backend->link;
        sim_pipe *up = &link->pipe[SIM_WAY_UP];
        const uint8_t *at;
        const size_t n = sim_link_arrived(link, &at);
        if (link->tls != SIM_TLS_OFF && up->n_read + n > up->broken_at) {
            sim_backend_end(backend, true);
            return;
        }
        const size_t taken = n == 0                            ? 0
                             : backend->phase == SIM_PHASE_RUN ? one_message(backend, at, n)
                                                               : sim_login(backend, at, n);
        if (taken > 0) {
            sim_link_take(link, taken);
            continue;
        }
        if (backend->used && backend->life == life && (up->fin || up->rst))
            sim_backend_end(backend, up->rst);
        break;
    }
    if (backend->used && backend->life == life && backend->out.n > FLUSH_BYTES)
        sim_backend_flush(backend);
}
