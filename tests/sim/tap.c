#include "check.h"
#include "engine/cancel.h"
#include "ledger.h"
#include "net.h"
#include "server.h"
#include "ticket.h"
#include "work.h"

#include <string.h>

/* One message at a time: its head, then as much of its body as is of interest. */

enum { SSL_REQUEST = 80877103, CANCEL_REQUEST = 80877102 };

sim_flight *sim_flights;
uint32_t sim_n_flights;
static size_t flights_room;

void sim_flights_reset(void) {
    sim_flights = sim_grow(sim_flights, &flights_room, 1, sizeof *sim_flights);
    sim_flights[0] = (sim_flight){ 0 };
    sim_n_flights = 0;
}

void sim_tap_reset(sim_tap *tap) {
    uint32_t *flights = tap->flights;
    size_t room = tap->flight_room;
    memset(tap, 0, offsetof(sim_tap, flights));
    tap->flights = flights;
    tap->flight_room = room;
    tap->n_flights = tap->n_answered = tap->n_told = 0;
    sim_names_clear(&tap->names);
}

bool sim_flight_own(const sim_flight *flight) {
    return flight->token == SIM_NO_TOKEN && !(flight->is & (SIM_COMMITS | SIM_ASKS));
}

uint32_t sim_tap_oldest(const sim_tap *tap) {
    return tap->n_answered < tap->n_flights ? tap->flights[tap->n_answered] : 0;
}

bool sim_tap_in_doubt(const sim_tap *tap) {
    const unsigned doubt = SIM_COMMITS | SIM_TOLD_AMBIGUOUS;
    /* The answer to what is behind may have been read with it. */
    for (size_t i = tap->n_told; i > 0 && i + 2 > tap->n_told; i--)
        if ((sim_flights[tap->flights[i - 1]].is & doubt) == doubt && tap->n_flights > i)
            return true;
    return false;
}

/* A ReadyForQuery within a transaction says that nothing is committed, and holdfast goes by that. */
static void check_undone(uint32_t flight, const sim_link *link) {
    const unsigned is = sim_flights[flight].is;
    SIM_CHECK(link->tainted || !(is & SIM_APPLIED) || !(is & SIM_TOLD_OPEN),
              "what was left open is rolled back", "flight # of request # was committed", flight,
              sim_flights[flight].token, 0);
}

void sim_flight_applied(uint32_t flight, const sim_link *link) {
    sim_flights[flight].is |= SIM_APPLIED;
    check_undone(flight, link);
}

/* The client learns what became of a transaction. */
static void told_of(sim_flight *flight, unsigned told) {
    flight->is |= told & (SIM_TOLD_COMMITTED | SIM_TOLD_ABORTED | SIM_TOLD_NOTHING | SIM_TAINTED);
    if (told & SIM_TOLD_RUNNING)
        flight->running_at = sim.now;
}

void sim_tap_told(sim_link *link, uint32_t flight, unsigned told) {
    sim_tap *tap = &link->tap;
    tap->in = tap->in || told == SIM_TOLD_IN;
    if (told & (SIM_TOLD_IN | SIM_TOLD_PROVEN))
        sim_check_proven();
    if (told == SIM_TOLD_IN || told == SIM_TOLD_PROVEN)
        return;
    if (told & SIM_TOLD_REFUSED) {
        if (!link->tainted)
            sim_check_refused();
        return;
    }
    link->told_end = link->told_end || (told & (SIM_TOLD_FATAL | SIM_TOLD_AMBIGUOUS)) != 0;
    if (told & SIM_TOLD_FATAL) {
        size_t oldest = tap->n_told; /* past probes and ROLLBACKs: nobody's */
        while (oldest < tap->n_flights && sim_flight_own(&sim_flights[tap->flights[oldest]]))
            oldest++;
        tap->ended = oldest == tap->n_flights;
        flight = tap->ended ? 0 : tap->flights[oldest];
        if (!tap->ended && oldest > tap->n_told) /* whose ROLLBACK it was may count as the oldest */
            told |= SIM_PAUSED;
    }
    if (link->told_role) /* it was given up before: nobody looks at this */
        told &= ~(unsigned)(SIM_TOLD_ROLE | SIM_TOLD_57014);
    /* A server that has not told its role is asked first. */
    const bool known = !HF_WITH_RESOLVE || sim_access_now.tells_role || sim_access_now.old;
    link->told_role =
        link->told_role || (told & SIM_TOLD_STANDBY) || (known && (told & SIM_TOLD_ROLE));
    sim_flights[flight].is |= told;
    if (sim_flights[flight].is & SIM_ASKS)
        told_of(&sim_flights[sim_flights[flight].about], link->tainted ? SIM_TAINTED : told);
    const bool role =
        sim_flights[flight].is & SIM_TOLD_ROLE; /* a standby's refusal proves nothing */
    if (((!sim_flight_own(&sim_flights[flight]) && !role) || (told & SIM_TOLD_NO_STANDBY)) &&
        (told & (SIM_TOLD_READY | SIM_TOLD_OPEN | SIM_TOLD_DEFERRED)))
        sim_check_answered(false);
    if (!role && (told & (SIM_TOLD_READY | SIM_TOLD_OPEN | SIM_TOLD_DEFERRED)))
        sim_check_proved(link, !link->tainted && !sim_flight_own(&sim_flights[flight]) &&
                                   (told & (SIM_TOLD_READY | SIM_HANDED)) == SIM_TOLD_READY &&
                                   !(sim_flights[flight].is & (SIM_ASKS | SIM_FINDS)) &&
                                   !(told & SIM_TOLD_STANDBY));
    check_undone(flight, link);
    tap->n_told += (told & (SIM_TOLD_READY | SIM_TOLD_OPEN | SIM_TOLD_DEFERRED)) != 0;
    if (tap->deferred == flight && (told & SIM_TOLD_READY)) /* something ended it */
        tap->deferred = 0;
    if (told & SIM_TOLD_READY) {
        sim_flights[flight].is |= SIM_WHOLE;
        if (tap->goes_on && sim_flight_own(&sim_flights[flight]) && tap->n_told > 1)
            sim_flights[tap->flights[tap->n_told - 2]].is |= SIM_WHOLE;
    }
    /* Until a ROLLBACK has ended it. What runs in one that an earlier request left open has its ROLLBACK behind it. */
    if (sim_flight_own(&sim_flights[flight]) && (told & (SIM_TOLD_OPEN | SIM_TOLD_READY)))
        link->in_transaction = !(told & SIM_TOLD_READY) && (link->in_transaction || !tap->goes_on);
    if (told & (SIM_TOLD_READY | SIM_TOLD_OPEN | SIM_TOLD_DEFERRED))
        tap->goes_on = !(told & SIM_TOLD_READY);
    if ((told & SIM_TOLD_READY) && !sim_flight_own(&sim_flights[flight]))
        tap->oldest_at = sim.now;
}

bool sim_flight_early(const sim_flight *flight) {
    const unsigned is = sim_flights[flight->behind].is;
    const bool doubt =
        (is & SIM_TOLD_AMBIGUOUS) && !sim_config.read_only; /* of what nothing could write: none */
    return flight->behind && (!(is & SIM_TOLD_READY) || doubt);
}

bool sim_flight_open(const sim_flight *flight) {
    const unsigned is = flight->commit ? sim_flights[flight->commit].is | SIM_HANDED : flight->is;
    if (flight->is & (SIM_TOLD_ABORTED | SIM_TOLD_COMMITTED)) /* it was asked about */
        return false;
    if (!(is & SIM_HANDED) ||
        sim_config.read_only) /* what is read-only has no effect: the server sees to it */
        return false;
    if (is & SIM_TOLD_AMBIGUOUS)
        return true;
    /* Whoever says FATAL, or ERROR and no more, need not be the database. */
    return !(is & (SIM_TOLD_READY | SIM_TOLD_OPEN));
}

static sim_flight *flight_of(sim_link *link) {
    sim_tap *tap = &link->tap;
    if (tap->flight == 0) {
        sim_flights = sim_grow(sim_flights, &flights_room, sim_n_flights + 2, sizeof *sim_flights);
        tap->flight = ++sim_n_flights;
        sim_flights[tap->flight] = (sim_flight){ .link = (uint16_t)(link - sim_links),
                                                 .link_life = link->life,
                                                 .asked_at = HF_NEVER };
        tap->flights =
            sim_grow(tap->flights, &tap->flight_room, tap->n_flights + 1, sizeof *tap->flights);
        tap->flights[tap->n_flights++] = tap->flight;
        if (tap->n_told + 1 == tap->n_flights && !tap->goes_on)
            tap->oldest_at = sim.now;
        if (hf_cancel_pending(&sim_pool->conns[link->link.tag]))
            sim_flights[tap->flight].is |= SIM_EXPOSED;
    }
    return &sim_flights[tap->flight];
}

/* Has the client read that one of the job's attempts was passed over, or is void? */
static bool was_passed_over(const sim_job *job) {
    for (uint32_t flight = job->first; flight; flight = sim_flights[flight].next)
        if (sim_flight_free(&sim_flights[flight]) && !sim_links[sim_flights[flight].link].paused)
            return true;
    return false;
}

/* Another request's statement before the Sync: the flight before it ends here, and shares that Sync. */
static void split(sim_link *link, uint32_t token) {
    sim_tap *tap = &link->tap;
    sim_flight *before = &sim_flights[tap->flight];
    const sim_job *one = &sim_jobs[before->token], *other = &sim_jobs[token];
    SIM_CHECK(sim_config.read_only && sim_config.max_pipelined != 1 && !tap->began &&
                  one->replay == HF_REPLAY_SAFE && other->replay == HF_REPLAY_SAFE && !one->batch &&
                  !other->batch && !one->prepares && !other->prepares,
              "only reads share a Sync", "link # mixes requests # and #", link->number,
              before->token, token);
    SIM_CHECK(sim.tainted || (!was_passed_over(one) && !was_passed_over(other)),
              "what was passed over has a Sync of its own", "link # mixes requests # and #",
              link->number, before->token, token);
    before->shares = true;
    tap->flight = 0;
    flight_of(link)->shared = true;
}

static void bound(sim_link *link) {
    sim_tap *tap = &link->tap;
    sim_bind bind = sim_read_bind(tap->body, tap->n_body);
    const char *sql = sim_names_get(&tap->names, bind.statement);
    SIM_CHECK(sql && (!bind.bad || tap->cut), "the client keeps to the protocol",
              "link # binds what it never prepared", link->number, 0, 0);
    SIM_CHECK(bind.statement[0] || tap->parsed || link->tainted,
              "an unnamed statement is parsed and bound before one Sync", "link #", link->number, 0,
              0);
    const unsigned kind = sim_ticket_kind(sql);
    SIM_CHECK(!bind.statement[0] || kind != SIM_TICKET_ASKS, "a question is not kept prepared",
              "link #", link->number, 0, 0);
    tap->commits = strcmp(sql, "COMMIT") == 0;
    tap->tickets = kind == SIM_TICKET_GIVES;
    tap->asks = 0;
    if (kind == SIM_TICKET_ASKS) {
        tap->asks = sim_ticket_find(&bind);
        SIM_CHECK(tap->asks || sim.tainted, "only about its own tickets a client asks", "link #",
                  link->number, 0, 0);
    }
    const bool begins = strncmp(sql, "BEGIN", 5) == 0 && !strstr(sql, "/* ");
    tap->began = tap->began || begins;
    tap->undoes = strcmp(sql, "ROLLBACK") == 0;
    const unsigned ledger = bind.statement[0] ? 0 : sim_ledger_kind(tap->names.unnamed);
    const bool keyed = ledger == SIM_LEDGER_INSERTS || ledger == SIM_LEDGER_FINDS;
    tap->executable = !tap->commits && !tap->undoes && !begins && !kind && !ledger;
    if (tap->executable || keyed) {
        sim_flight *flight = flight_of(link);
        const uint32_t token = sim_token_of(sql, &bind);
        if (!keyed && flight->token != SIM_NO_TOKEN && flight->token != token && token > 0 &&
            token <= sim_n_jobs) {
            split(link, token);
            flight = flight_of(link);
        }
        flight->is |= keyed ? SIM_FINDS : 0u; /* until a statement of the request's own follows */
        flight->is &= tap->executable ? ~(unsigned)SIM_FINDS : ~0u;
        if (flight->token == SIM_NO_TOKEN) {
            sim_job_flight(token, tap->flight);
            if (tap->ended)
                flight->is |= SIM_TOLD_FATAL;
            tap->ended = false;
        }
        SIM_CHECK(flight->token == token, "one request in one flight",
                  "link # mixes requests # and #", link->number, flight->token, token);
    }
}

/* A COMMIT in a flight of its own. */
static void commits_deferred(sim_link *link) {
    sim_tap *tap = &link->tap;
    SIM_CHECK(tap->deferred || link->tainted, "the client keeps to the protocol",
              "link # commits what it never began", link->number, 0, 0);
    if (!tap->deferred)
        return;
    sim_flight *flight = &sim_flights[tap->flight], *run = &sim_flights[tap->deferred];
    flight->about = tap->deferred;
    flight->is |= SIM_COMMITS;
    sim_check_commit(tap->deferred, link);
    sim_check_handed(tap->deferred, true);
    run->commit = tap->flight;
    run->committed_at = sim.now;
    run->is |= SIM_HANDED;
    tap->deferred = 0;
}

static void executed(sim_link *link) {
    sim_tap *tap = &link->tap;
    sim_flight *flight = flight_of(link);
    const sim_job *job = &sim_jobs[flight->token];
    /* The statement takes effect by a COMMIT, in this flight or in a later one. */
    const bool waits = job->batch || sim_is_ledger(job) ||
                       (job->replay == HF_REPLAY_RESOLVE && tap->began && !job->self_commits);
    if (flight->token && tap->executable)
        flight->is |= SIM_RUNS;
    if (tap->tickets && flight->token) {
        tap->deferred = tap->flight;
    } else if (tap->undoes) {
        tap->deferred = 0;
    } else if (tap->asks) {
        flight->about = tap->asks;
        flight->is |= SIM_ASKS;
        sim_check_ask(tap->asks, link);
    } else if (tap->commits && !flight->token) {
        commits_deferred(link);
    } else if (flight->token && (waits ? tap->commits : tap->executable) &&
               !(flight->is & SIM_HANDED)) {
        sim_check_handed(tap->flight, false);
        flight->is |= SIM_HANDED;
    }
}

/* What was to be prepared by a flight that failed, and never was, is not closed. */
static void forget_failed(sim_link *link) {
    const unsigned failed = SIM_TOLD_ERROR | SIM_TOLD_AMBIGUOUS;
    sim_names *names = &link->tap.names;
    for (unsigned i = 0; i < SIM_NAMES; i++)
        if (names->list[i].used && (sim_flights[names->list[i].flight].is & failed) &&
            !(link->backend && sim_names_get(&link->backend->names, names->list[i].name)))
            names->list[i].used = false;
}

static void parsed(sim_link *link, sim_body *body) {
    sim_tap *tap = &link->tap;
    const char *name = sim_read_text(body);
    flight_of(link);
    tap->parsed = tap->parsed || !name[0];
    if (sim_names_count(&tap->names) == SIM_NAMES)
        forget_failed(link);
    const unsigned place = sim_names_put(&tap->names, name, sim_read_text(body));
    tap->names.list[place].flight = tap->flight;
}

static void message(sim_link *link) {
    sim_tap *tap = &link->tap;
    sim_body body = { .at = tap->body, .end = tap->body + tap->n_body };
    switch (tap->type) {
    case 'P': parsed(link, &body); break;
    case 'B':
        flight_of(link);
        bound(link);
        break;
    case 'D': flight_of(link); break;
    case 'C':
        flight_of(link);
        body.at++;
        sim_names_drop(&tap->names, sim_read_text(&body));
        break;
    case 'E': executed(link); break;
    case 'Q':
        flight_of(link);
        tap->flight = 0;
        tap->deferred = 0;
        break;
    case 'S':
        if (tap->flight == 0)
            tap->probes++;
        flight_of(link);
        tap->flight = 0;
        tap->began = tap->parsed = false;
        break;
    case 'X': tap->bye = true; break;
    case 'p':
        if (tap->proves && !link->tainted)
            sim_check_password();
        tap->proves = true;
        for (uint32_t i = 0; i + 6 <= tap->n_body; i++)
            SIM_CHECK(memcmp(tap->body + i, "secret", 6) != 0, "no password is sent in clear",
                      "link #", link->number, 0, 0);
        break;
    default: break;
    }
}

/* The messages without a type, before there is a session. */
static void opening(sim_link *link) {
    sim_tap *tap = &link->tap;
    const uint32_t code = sim_get32(tap->body);
    if (code == CANCEL_REQUEST) {
        tap->cancels = true;
        SIM_CHECK(sim_config.sslmode == HF_SSL_DISABLE || link->tls == SIM_TLS_ON,
                  "a cancel is as secret as its session", "link # in clear text", link->number, 0,
                  0);
        sim_check_cancel(link, sim_get32(tap->body + 4));
    } else if (code != SSL_REQUEST) {
        tap->started = true;
        sim_check_login(link);
    }
}

void sim_tap_heard(sim_link *link, const uint8_t *bytes, size_t n) {
    sim_tap *tap = &link->tap;
    while (n > 0) {
        const uint32_t head = tap->started ? 5 : 4;
        if (tap->n_head < head) {
            tap->head[tap->n_head++] = *bytes++;
            n--;
            if (tap->n_head < head)
                continue;
            tap->type = tap->started ? (char)tap->head[0] : 0;
            tap->body_size = sim_get32(tap->head + head - 4) - 4;
            tap->n_body = 0;
            tap->cut = tap->body_size > sizeof tap->body;
        }
        size_t take = tap->body_size < n ? tap->body_size : n;
        for (size_t i = 0; i < take && tap->n_body < sizeof tap->body; i++)
            tap->body[tap->n_body++] = bytes[i];
        tap->body_size -= (uint32_t)take;
        bytes += take;
        n -= take;
        if (tap->body_size == 0) {
            tap->n_head = 0;
            if (tap->started)
                message(link);
            else
                opening(link);
        }
    }
}
