#include "check.h"

#include "engine/internal.h"
#include "ledger.h"

/* When a statement is cancelled, over which link, and whom that may hit (SEMANTICS 16). */

static const sim_link *session_of(const hf_conn *conn) {
    return (const sim_link *)(const void *)conn->dial.link;
}

/* A second link is about to be opened: the oldest on this connection is to be cancelled. */
void sim_check_cancel_begins(const hf_conn *conn) {
    const sim_link *session = session_of(conn);
    const uint32_t ms = sim_config.request_timeout_ms;
    sim_check_read(session);
    SIM_CHECK(!conn->cancelled || conn->cancel_limit != HF_LIMIT_REQUEST || session->tainted ||
                  session->was_blocked || sim.now >= session->tap.oldest_at + ms,
              "no attempt is cut off early", "connection #: # ms, request_timeout is # ms",
              conn->index, sim.now - session->tap.oldest_at, ms);
    const sim_tap *tap = &session->tap;
    for (size_t i = tap->n_told - (tap->goes_on && tap->n_told > 0); i < tap->n_flights; i++)
        sim_flights[tap->flights[i]].is |= SIM_EXPOSED;
}

/* What a cancel of ours cannot have hit was ended by somebody else: that is its end, and it does not run again. */
void sim_check_cancelled_by_other(const sim_job *job, uint32_t before) {
    const sim_flight *last = &sim_flights[before];
    const sim_link *link = &sim_links[last->link];
    /* Or its ROLLBACK was lost with the link. */
    const bool whole = (last->is & SIM_TOLD_READY) || !(link->client_gone || link->closing);
    const bool sure = whole && link->life == last->link_life && !link->was_blocked &&
                      !link->tainted && !link->paused;
    SIM_CHECK(!sure || !(last->is & SIM_TOLD_57014) || (last->is & SIM_EXPOSED) || job->prepares ||
                  job->waits_passing,
              "somebody else's cancel is not taken for ours", "request # in flight # on link #",
              last->token, before, link->number);
}

void sim_check_cancel(const sim_link *link, uint32_t pid) {
    for (unsigned i = 0; i < sim_pool->n_conns; i++) {
        const hf_conn *conn = &sim_pool->conns[i];
        if (conn->cancel.link != &link->link)
            continue;
        const sim_link *session = (const sim_link *)(const void *)conn->dial.link;
        SIM_CHECK(session && (conn->io.backend == pid || session->tainted),
                  "a cancel is for its own session", "connection # cancels process #", i, pid, 0);
        if (!conn->cancelled) /* answered since, but a part of the cancel was sent already */
            return;
        for (size_t n = 0; n < session->tap.n_flights; n++) {
            sim_flight *flight = &sim_flights[session->tap.flights[n]];
            if (flight->is & (SIM_TOLD_READY | SIM_TOLD_ERROR | SIM_TOLD_OPEN | SIM_TOLD_DEFERRED))
                continue;
            SIM_CHECK(!(flight->is & SIM_COMMITS) || session->tainted,
                      "a COMMIT of its own is never cancelled", "connection # cancels flight #", i,
                      session->tap.flights[n], 0);
            SIM_CHECK(!flight->token || !sim_is_ledger(&sim_jobs[flight->token]) ||
                          sim_jobs[flight->token].prepares || session->tainted,
                      "a flight with its ledger's COMMIT is never cancelled",
                      "connection # cancels request #", i, flight->token, 0);
            SIM_CHECK(!(flight->is & SIM_CANCELLED), "a cancel is sent once",
                      "connection # cancels request # again", i, flight->token, 0);
            flight->is |= SIM_CANCELLED;
            if (!flight->shares) /* else it may hit each of those that share its Sync */
                break;
        }
        return;
    }
    sim_fail("a cancel is for its own session", "link # is no connection's", link->number, 0, 0);
}

/* Has the other side not ended this cancel, and is there time left? */
static bool is_under_way(const sim_link *link) {
    const bool over = sim.now >= link->opened_at + sim_config.close_timeout_ms ||
                      (sim_pool->closing && sim.now >= sim_pool->close_deadline);
    return link->used && link->cancels && !link->cancels_late && link->tap.cancels &&
           !link->client_gone && !link->closing && !sim_link_ending(link) && !over;
}

/* A pooler that hears of an end while it passes a cancel on may come to grief. */
void sim_check_leaves(const sim_link *link) {
    SIM_CHECK(!is_under_way(link), "a cancel link is ended by the other side", "link #, for link #",
              link->number, link->cancels, 0);
    const bool garbled = link->tainted || link->pipe[SIM_WAY_DOWN].broken_at != UINT64_MAX;
    if (!link->tap.started || link->closing || sim_link_ending(link) || link->told_end || garbled)
        return;
    for (unsigned i = 0; i < sim_links_top; i++)
        SIM_CHECK(sim_links[i].cancels != link->number || !is_under_way(&sim_links[i]),
                  "who is being cancelled stays until the cancel has ended", "link #, by link #",
                  link->number, sim_links[i].number, 0);
}
