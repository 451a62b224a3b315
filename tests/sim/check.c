#include "check.h"

#include <string.h>

#include "engine/cancel.h"
#include "ledger.h"
#include "server.h"

/* What a tick leaves behind: connections, links, deadlines, the way back after healing. (What requests are told
 * is in truth.c, when the machine may dial in schedule.c.) */

static hf_ms back_by; /* a connection must be HEALTHY by then; HF_NEVER no */
static hf_ms healed_at;
static unsigned spins;
static uint64_t moves_before;
static hf_ms tick_before;
static uint32_t probes_before[SIM_CONNS];
static hf_ms promised;                        /* by the last tick */
static const hf_request *unblamed[SIM_CONNS]; /* the oldest, when the clock had jumped */
static hf_ms suspect[SIM_CONNS]; /* idle then, and to be probed before use; HF_NEVER: no */

void sim_check_reset_ticks(void) {
    back_by = healed_at = HF_NEVER;
    sim_check_reset_left();
    spins = 0;
    moves_before = 0;
    tick_before = HF_NEVER;
    memset(probes_before, 0, sizeof probes_before);
    promised = HF_NEVER;
    for (unsigned i = 0; i < SIM_CONNS; i++)
        suspect[i] = HF_NEVER;
    memset(unblamed, 0, sizeof unblamed);
}

/* --- links that are suspect ---------------------------------------------------------------------------- */

static bool is_idle(const hf_conn *conn) {
    return conn->fsm.state == HF_HEALTHY && conn->n_flight == 0 && !hf_cancel_pending(conn);
}

void sim_check_suspects(unsigned lost) {
    for (unsigned i = 0; i < sim_pool->n_conns; i++)
        if (i != lost && is_idle(&sim_pool->conns[i]))
            suspect[i] = sim.now;
}

/* A time-out of a statement while the machine was suspended is not the statement's fault. */
static void check_unblamed(const hf_conn *conn) {
    const hf_request *request = unblamed[conn->index];
    unblamed[conn->index] = NULL;
    SIM_CHECK(!request || conn->cancelled != request || conn->cancel_limit != HF_LIMIT_REQUEST,
              "a suspend is no statement's fault", "connection #", conn->index, 0, 0);
}

/* When the clock has jumped nobody knows which connections are still good. */
void sim_check_before(void) {
    const hf_ms at = sim_pool->promised;
    const bool jumped = at != HF_NEVER && sim.now >= at + HF_JUMP_MS;
    for (unsigned i = 0; jumped && i < sim_pool->n_conns; i++) {
        const hf_conn *conn = &sim_pool->conns[i];
        if (is_idle(conn))
            suspect[i] = sim.now;
        if (!hf_cancel_pending(conn) && conn->n_flight > 0 && conn->paused_at == HF_NEVER &&
            conn->attempt_deadline != HF_NEVER && conn->attempt_deadline > at &&
            !conn->deadline_extended)
            unblamed[i] = conn->flight.head;
    }
}

void sim_check_read(const sim_link *link) {
    const sim_pipe *down = &link->pipe[SIM_WAY_DOWN];
    const hf_conn *conn = &sim_pool->conns[link->link.tag];
    SIM_CHECK(down->there == down->start || link->cut_read || link->paused || conn->active ||
                  link->tls == SIM_TLS_SHAKING || link->tainted,
              "what has arrived is read before a deadline is judged", "connection #, link #",
              link->link.tag, link->number, 0);
}

static void check_suspect(const hf_conn *conn) {
    const hf_ms since = suspect[conn->index];
    suspect[conn->index] = HF_NEVER;
    SIM_CHECK(since == HF_NEVER || conn->fsm.state != HF_HEALTHY || conn->fsm.since >= since ||
                  sim_pool->closing,
              "a suspect connection is probed before use", "connection #, suspect since #",
              conn->index, since, 0);
}

/* What ended is given up, and who has waited for another's login goes on. */
static void check_link_events(const hf_conn *conn) {
    const sim_link *link = (const sim_link *)(const void *)conn->dial.link;
    if (!link || link->noted || link->blocked || conn->active || conn->paused_at != HF_NEVER)
        return;
    const sim_pipe *down = &link->pipe[SIM_WAY_DOWN];
    const bool early = conn->dial.phase == HF_PHASE_TCP || conn->dial.phase == HF_PHASE_TLS;
    const bool open = link->connected && !link->fails && early &&
                      (conn->dial.phase == HF_PHASE_TCP || link->tls == SIM_TLS_ON);
    const bool ended = link->connected &&
                       (link->fails || ((down->rst || down->fin) && down->there == down->start));
    SIM_CHECK(!ended || open, "a link that has ended is given up", "connection #, link #",
              conn->index, link->number, 0);
    bool other = false;
    for (unsigned i = 0; i < sim_pool->n_conns; i++)
        other = other || sim_pool->conns[i].dial.phase == HF_PHASE_LOGIN ||
                (sim_pool->logging_in == i && sim_pool->conns[i].active); /* it is given the turn */
    SIM_CHECK(!open || other || sim_passwords_used_up(), "who may log in does",
              "connection #, link #", conn->index, link->number, 0);
}

/* Each of several addresses has an equal share of what is left of the attempt's time. */
static void check_share(const hf_conn *conn) {
    const sim_link *link = (const sim_link *)(const void *)conn->dial.link;
    const unsigned left = (unsigned)conn->n_addresses - conn->address;
    if (!link || link->connected || conn->dial.phase != HF_PHASE_TCP || left < 2 ||
        conn->io.degraded > 0)
        return;
    SIM_CHECK(sim.now < link->opened_at + (conn->fsm.deadline - link->opened_at) / left + 1,
              "each address has its share of the time", "connection #, address # since #",
              conn->index, conn->address, link->opened_at);
}

static bool none(uint32_t ms) {
    return ms == 0 || ms == HF_FOREVER;
}

static uint32_t longer(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static sim_link *link_of(hf_link *link) {
    return (sim_link *)(void *)link;
}

/* --- links ------------------------------------------------------------------------------------------- */

static unsigned count_link(hf_link *link, unsigned conn) {
    if (!link)
        return 0;
    const sim_link *self = link_of(link);
    SIM_CHECK(self->used && !self->client_gone, "no released link is kept",
              "connection # keeps link #", conn, self->number, 0);
    return 1;
}

static void check_links(void) {
    unsigned kept = 0, open = 0, sessions = 0;
    const uint32_t close_ms =
        longer(sim_config.close_timeout_ms, sim_config.probe_close_timeout_ms);
    for (unsigned i = 0; i < sim_pool->n_conns; i++) {
        const hf_conn *conn = &sim_pool->conns[i];
        kept += count_link(conn->dial.link, i) + count_link(conn->cancel.link, i) +
                count_link(conn->closing, i);
    }
    for (unsigned i = 0; i < sim_links_top; i++) {
        const sim_link *link = &sim_links[i];
        if (!link->used || link->client_gone)
            continue;
        open++;
        sessions += link->tap.started && !link->closing;
        SIM_CHECK(!link->closing || sim.now < link->left_at + close_ms,
                  "a closing link is gone after close_timeout", "link #, closed at #", link->number,
                  link->left_at, 0);
    }
    SIM_CHECK(open == kept, "no link leaks", "# are open, # are kept", open, kept, 0);
    SIM_CHECK(sessions <= sim_pool->n_conns, "never more sessions than max_concurrent", "# of #",
              sessions, sim_pool->n_conns, 0);
}

/* --- connections --------------------------------------------------------------------------------------- */

static void check_timer(const hf_conn *conn, hf_ms at, const char *invariant) {
    SIM_CHECK(conn->timer.armed && conn->timer.at <= at, invariant,
              "connection # in state #, to be looked at by #", conn->index, conn->fsm.state, at);
    SIM_CHECK(promised <= at, "hf_tick() says when it must be called", "not by #, connection #", at,
              conn->index, 0);
}

static void check_healthy(const hf_conn *conn) {
    const sim_link *link = link_of(conn->dial.link);
    const hf_ms heard = link->heard_at > conn->fsm.since ? link->heard_at : conn->fsm.since;
    if (hf_cancel_pending(conn)) {
        SIM_CHECK(sim.now < conn->cancel_deadline &&
                      conn->cancel_deadline <= sim.now + sim_config.close_timeout_ms,
                  "a cancel ends within close_timeout", "connection #, until #", conn->index,
                  conn->cancel_deadline, 0);
        check_timer(conn, conn->cancel_deadline, "every state has a deadline");
    } else if (conn->n_flight > 0) {
        const sim_job *job = &sim_jobs[((const sim_slot *)conn->flight.head->user)->token];
        SIM_CHECK(sim.now < job->deadline && (!job->cancelled || job->cancelled_in == sim.ticks),
                  "who is to end is cancelled when its turn has come", "connection #, request #",
                  conn->index, job - sim_jobs, 0);
        SIM_CHECK(!sim_pool->closing || sim_pool->close_begins, "closing cancels what runs",
                  "connection # has # in flight", conn->index, conn->n_flight, 0);
        if (sim_is_ledger(job)) /* waits for its key, perhaps */
            return;
        if (conn->paused_at == HF_NEVER && !none(sim_config.request_timeout_ms)) {
            SIM_CHECK(conn->attempt_deadline > sim.now &&
                          conn->attempt_deadline <= sim.now + longer(sim_config.request_timeout_ms,
                                                                     sim_config.probe_timeout_ms),
                      "an attempt has a deadline", "connection #, at #", conn->index,
                      conn->attempt_deadline, 0);
            check_timer(conn, conn->attempt_deadline, "every state has a deadline");
        }
    } else if (!none(sim_config.probe_interval_ms)) {
        SIM_CHECK(sim.now < heard + sim_config.probe_interval_ms || sim_pool->closing,
                  "a silent connection is probed after probe_interval",
                  "connection # heard nothing since #", conn->index, heard, 0);
        check_timer(conn, heard + sim_config.probe_interval_ms, "every state has a deadline");
    }
}

static void check_conn(hf_conn *conn) {
    const hf_fsm *fsm = &conn->fsm;
    const hf_ms age = sim.now - fsm->since;
    const uint32_t again = fsm->lost_from == HF_PROBING ? sim_config.probe_reconnect_timeout_ms
                                                        : sim_config.reconnect_timeout_ms;
    check_suspect(conn);
    check_unblamed(conn);
    check_link_events(conn);
    switch ((hf_state)fsm->state) {
    case HF_CONNECTING:
        check_share(conn);
        SIM_CHECK(age < sim_config.connect_timeout_ms, "connect_timeout holds",
                  "connection # has been CONNECTING for # ms", conn->index, age, 0);
        check_timer(conn, fsm->since + sim_config.connect_timeout_ms, "every state has a deadline");
        break;
    case HF_RECONNECTING:
        check_share(conn);
        SIM_CHECK(age < again, "reconnect_timeout holds",
                  "connection # has been RECONNECTING for # ms", conn->index, age, 0);
        check_timer(conn, fsm->since + again, "every state has a deadline");
        break;
    case HF_PROBING:
        SIM_CHECK(age < sim_config.probe_timeout_ms, "probe_timeout holds",
                  "connection # has been PROBING for # ms", conn->index, age, 0);
        check_timer(conn, fsm->since + sim_config.probe_timeout_ms, "every state has a deadline");
        SIM_CHECK(conn->tx_blocked ||
                      link_of(conn->dial.link)->tap.probes > probes_before[conn->index],
                  "a probe is sent", "connection # is PROBING and sent no Sync", conn->index, 0, 0);
        break;
    case HF_BACKOFF:
        if (sim_pool->extra_refused) /* it only waits for the others to be lost, too */
            break;
        check_timer(conn,
                    sim.now + sim_config.max_retry_delay_ms +
                        longer(sim_config.connect_timeout_ms,
                               longer(sim_config.reconnect_timeout_ms,
                                      sim_config.probe_reconnect_timeout_ms)) +
                        (sim_config.first_delay_ms == HF_UNSET ? 0 : sim_config.first_delay_ms) + 2,
                    "every state has a deadline");
        break;
    case HF_HEALTHY: check_healthy(conn); break;
    case HF_IDLE:
        SIM_CHECK(!conn->dial.link && conn->n_flight == 0, "IDLE holds nothing", "connection #",
                  conn->index, 0, 0);
        break;
    case HF_STATE_COUNT: break;
    }
    if (fsm->state != HF_PROBING)
        probes_before[conn->index] = conn->dial.link ? link_of(conn->dial.link)->tap.probes : 0;
    if (conn->n_flight > 1)
        sim_hit(SIM_APP_PIPELINE);
}

/* --- requests' deadlines --------------------------------------------------------------------------------- */

/* A request that is behind others waits for its turn, for what is cancelled before it, and for its own cancel. The time
 * that the machine is suspended is added, since nobody acts then. */
static void check_requests(void) {
    static hf_ms before, due;
    const hf_ms wake = due > before ? due : before;
    const hf_ms asleep = before <= sim.now && wake < sim.now ? sim.now - wake : 0;
    for (unsigned i = 0; i < SIM_SLOTS; i++) {
        const uint32_t token = sim_slots[i].token;
        if (token == 0)
            continue;
        sim_job *job = &sim_jobs[token];
        if (job->deadline == HF_NEVER && job->timeout_ms > 0) /* its first tick */
            job->deadline = sim.now + job->timeout_ms;
        if (job->late != HF_NEVER && asleep <= sim.now - job->late)
            job->late += asleep;
        if (job->late == HF_NEVER && (job->cancelled || sim.now >= job->deadline))
            job->late = sim.now;
        const bool follows = sim_config.max_pipelined != 1 || job->replay == HF_REPLAY_RESOLVE;
        const uint64_t most = (uint64_t)sim_config.close_timeout_ms * (follows ? 3 : 1);
        SIM_CHECK(job->late == HF_NEVER || job->cancelled_in == sim.ticks ||
                      sim.now < job->late + most,
                  "every request ends by its deadline and close_timeout",
                  "request # is not over, due at #, seen at #", token, job->deadline, job->late);
        SIM_CHECK(promised <= job->deadline || job->late != HF_NEVER,
                  "hf_tick() says when it must be called", "not by #, request #", job->deadline,
                  token, 0);
    }
    before = sim.now;
    due = promised;
}

/* --- progress ---------------------------------------------------------------------------------------------- */

static void check_progress(hf_ms promise) {
    if (promise > sim.now || sim.moves != moves_before || sim.now != tick_before)
        spins = 0;
    else
        spins++;
    moves_before = sim.moves;
    tick_before = sim.now;
    SIM_CHECK(spins < 8, "a tick makes progress or the next one is later",
              "# ticks in a row at the same moment did nothing", spins, 0, 0);
}

/* --- the way back -------------------------------------------------------------------------------------------- */

void sim_check_heal(void) {
    healed_at = sim.now;
    back_by = HF_NEVER;
}

hf_ms sim_check_limit(void) {
    uint32_t own = longer(longer(sim_config.connect_timeout_ms, sim_config.reconnect_timeout_ms),
                          sim_config.probe_reconnect_timeout_ms);
    if (!none(sim_config.request_timeout_ms))
        own = longer(own, sim_config.request_timeout_ms + sim_config.close_timeout_ms);
    if (!none(sim_config.probe_interval_ms))
        own = longer(own, sim_config.probe_interval_ms + sim_config.probe_timeout_ms);
    return healed_at + 2 * (hf_ms)own +
           4 * ((hf_ms)sim_config.max_retry_delay_ms + sim_config.connect_timeout_ms) + 120000;
}

static void check_back(void) {
    if (healed_at == HF_NEVER || sim_pool->closing)
        return;
    if (sim_pool->n_up > 0 || sim_pool->refused || sim_work_pending() == 0) {
        back_by = HF_NEVER;
        return;
    }
    if (back_by != HF_NEVER) {
        SIM_CHECK(sim.now <= back_by,
                  "after healing HEALTHY within the longest delay and connect_timeout", "not by #",
                  back_by, 0, 0);
        return;
    }
    /* Attempts begun before come to their own end first. */
    hf_ms from = sim.now;
    for (unsigned i = 0; i < sim_pool->n_conns; i++) {
        const hf_fsm *fsm = &sim_pool->conns[i].fsm;
        if ((fsm->state == HF_CONNECTING || fsm->state == HF_RECONNECTING) && fsm->deadline > from)
            from = fsm->deadline;
    }
    uint32_t delay = sim_config.max_retry_delay_ms;
    if (sim_config.first_delay_ms != HF_UNSET)
        delay = longer(delay, sim_config.first_delay_ms);
    /* One endpoint may be a standby or nothing at all: then the next one's turn comes, by the same delay. */
    back_by = from + (hf_ms)(delay + sim_config.connect_timeout_ms) + 2;
}

void sim_check_tick(hf_ms promise) {
    promised = promise;
    SIM_CHECK(sim_guards_intact(), "the pool stays within its memory", "a guard byte changed", 0, 0,
              0);
    for (unsigned i = 0; i < sim_pool->n_conns; i++)
        check_conn(&sim_pool->conns[i]);
    check_links();
    check_requests();
    check_progress(promise);
    check_back();
    sim_check_outage();
    sim_check_left();
}
