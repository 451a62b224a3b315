#include "ticket.h"

#include <stdio.h>
#include <string.h>

#include "chaos.h"
#include "check.h"
#include "server.h"
#include "table.h"

/* All tickets of a run, in the order in which they were given. Two transactions with one xid have two tickets: the
 * incarnations differ, or else the statement does not ask for what makes them differ. */

typedef struct ticket {
    uint32_t flight, xid;
    char text[SIM_TICKET_BYTES];
} ticket;

/* sim_portal.parts */
enum {
    OF_SYSTEM = 1,     /* an incarnation has the system's identifier */
    OF_TIMELINE = 2,   /* it has the timeline */
    OF_START = 4,      /* it has the postmaster's start time */
    OF_STATISTICS = 8, /* it has the time since when there are statistics: a crash drops them */
    KNOWS_STANDBY = 16,
    KNOWS_OTHER = 32
};

static ticket *tickets;
static size_t room;
static uint32_t n_tickets;

void sim_ticket_reset(void) {
    n_tickets = 0;
}

unsigned sim_ticket_kind(const char *sql) {
    if (strncmp(sql, "SELECT pg_current_xact_id()", 27) == 0)
        return SIM_TICKET_GIVES;
    if (strstr(sql, "pg_xact_status("))
        return SIM_TICKET_ASKS;
    return strstr(sql, "pg_is_in_recovery()") || strncmp(sql, "SHOW ", 5) == 0 ? SIM_ROLE_ASKS : 0;
}

uint32_t sim_ticket_find(const sim_bind *bind) {
    for (uint32_t i = n_tickets; i-- > 0;) {
        const char *incarnation = strchr(tickets[i].text, ' ');
        if (tickets[i].xid == bind->first && bind->text && incarnation &&
            strlen(incarnation + 1) == bind->text_bytes &&
            memcmp(incarnation + 1, bind->text, bind->text_bytes) == 0)
            return tickets[i].flight;
    }
    return 0;
}

const char *sim_ticket_of(uint32_t flight) {
    for (uint32_t i = n_tickets; i-- > 0;)
        if (tickets[i].flight == flight)
            return tickets[i].text;
    return NULL;
}

/* --- the server's half ------------------------------------------------------------------------------- */

void sim_ticket_bind(sim_portal *portal, const char *sql, const sim_bind *bind) {
    static const struct {
        const char *words;
        uint8_t part;
    } parts[] = { { "system_identifier", OF_SYSTEM },
                  { "pg_walfile_name(", OF_TIMELINE },
                  { "pg_postmaster_start_time()", OF_START },
                  { "epoch FROM stats_reset", OF_STATISTICS },
                  { "pg_is_in_recovery() THEN 'standby'", KNOWS_STANDBY },
                  { "<>$2 THEN 'other'", KNOWS_OTHER } };
    portal->kind = (uint8_t)sim_ticket_kind(sql);
    portal->parts = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strstr(sql, parts[i].words))
            portal->parts |= parts[i].part;
    portal->number = bind->first;
    snprintf(portal->text, sizeof portal->text, "%.*s", (int)bind->text_bytes,
             bind->text ? bind->text : "");
}

static void incarnation(const sim_backend *backend, char *text, size_t bytes) {
    const sim_node *node = &sim_nodes[backend->node];
    const unsigned parts = backend->portal.parts;
    char piece[32];
    text[0] = 0;
    for (unsigned part = OF_SYSTEM; part <= OF_STATISTICS; part *= 2) {
        if (!(parts & part))
            continue;
        if (part == OF_SYSTEM)
            snprintf(piece, sizeof piece, "700000000%u", backend->cluster);
        else if (part == OF_TIMELINE)
            snprintf(piece, sizeof piece, "%08X", sim_timeline);
        else
            snprintf(piece, sizeof piece, "1700%06u.5",
                     part == OF_START ? node->started : node->statistics);
        const size_t used = strlen(text);
        snprintf(text + used, bytes - used, "%s%s", used ? "/" : "", piece);
    }
}

/* Is the session's role asked for behind a 25006, and not at the login? */
static bool asks_again(const sim_backend *backend) {
    return strstr(backend->names.unnamed, "THEN 'standby' ELSE 'writable'");
}

const char *sim_role_fails(sim_backend *backend) {
    if (!asks_again(backend) || sim.healed || !sim_chance(&sim.rng, 200))
        return NULL;
    sim_hit(SIM_ASK_ROLE_FAILS);
    backend->told |= SIM_TOLD_NO_STANDBY;
    return "57014";
}

const char *sim_role_answer(sim_backend *backend, const char **text) {
    const char *sql = backend->names.unnamed;
    if (asks_again(backend) && !sim.healed && !sim_node_is_primary(backend->node) &&
        sim_chance(&sim.rng, 350)) {
        sim_hit(SIM_ASK_PROMOTED);
        sim_failover((int)backend->node);
    }
    const bool standby = !sim_node_is_primary(backend->node);
    const bool refuses = standby || backend->read_only;
    if (asks_again(backend))
        backend->told |= refuses ? SIM_TOLD_STANDBY : SIM_TOLD_NO_STANDBY;
    if (asks_again(backend))
        *text = refuses ? "standby" : "writable";
    else if (strcmp(sql, "SHOW transaction_isolation") == 0)
        *text = sim_serializable() ? "serializable" : "read committed";
    else if (strncmp(sql, "SHOW ", 5) != 0)
        *text = standby ? "t" : "f";
    else if (strstr(sql, "in_hot_standby"))
        *text = standby ? "on" : "off";
    else
        *text = refuses ? "on" : "off";
    return NULL;
}

const char *sim_ticket_give(sim_backend *backend, const char **text) {
    const uint32_t flight = sim_tap_oldest(&backend->link->tap);
    char of[80];
    if (sim_access_now.ticketless) {
        sim_hit(SIM_PG_NO_TICKETS);
        return sim_access_now.ticketless;
    }
    if (!sim_node_is_primary(backend->node))
        return "XX000"; /* cannot assign TransactionIds during recovery */
    if (!backend->xid)
        backend->xid = sim_table_begin(backend->cluster);
    tickets = sim_grow(tickets, &room, n_tickets + 1, sizeof *tickets);
    ticket *self = &tickets[n_tickets];
    n_tickets += sim_flights[flight].token != SIM_NO_TOKEN; /* else a flipped bit made it so */
    incarnation(backend, of, sizeof of);
    self->flight = flight;
    self->xid = backend->xid;
    snprintf(self->text, sizeof self->text, "%u %s", backend->xid, of);
    backend->ticketed = true;
    *text = self->text;
    return NULL;
}

const char *sim_ticket_answer(sim_backend *backend, const char **text) {
    static const char *const states[] = { "in progress", "committed", "aborted" };
    static const sim_fault faults[] = { SIM_ASK_RUNNING, SIM_ASK_COMMITTED, SIM_ASK_ABORTED };
    static const unsigned told[] = { SIM_TOLD_RUNNING, SIM_TOLD_COMMITTED, SIM_TOLD_ABORTED };
    const sim_portal *portal = &backend->portal;
    const bool standby = !sim_node_is_primary(backend->node);
    char now[80];
    if (standby && (portal->parts & KNOWS_STANDBY)) {
        sim_hit(SIM_ASK_STANDBY);
        backend->told = SIM_TOLD_STANDBY;
        *text = "standby";
        return NULL;
    }
    if (standby && (portal->parts & OF_TIMELINE))
        return "55000"; /* pg_current_wal_insert_lsn() during recovery */
    incarnation(backend, now, sizeof now);
    if ((portal->parts & KNOWS_OTHER) && strcmp(now, portal->text) != 0) {
        sim_hit(SIM_ASK_OTHER);
        if (sim_table_given_again(backend->cluster, portal->number))
            sim_hit(SIM_PG_XID_AGAIN);
        backend->told = SIM_TOLD_NOTHING;
        *text = "other";
        return NULL;
    }
    const sim_xact is = sim_table_status(backend->cluster, portal->number);
    if (is == SIM_XACT_FUTURE) {
        backend->told = SIM_TOLD_ABORTED;
        return "22023";
    }
    if (sim_strikes(SIM_ASK_STRANGE)) {
        backend->told = SIM_TOLD_NOTHING;
        *text = "prepared";
        return NULL;
    }
    if (sim_strikes(SIM_ASK_REFUSED)) {
        /* What is not to be had will never be; XX000 may pass. */
        static const char *const codes[] = { "42501", "42883", "22P02", "XX000" };
        const unsigned which = sim_below(&sim.rng, sizeof codes / sizeof codes[0]);
        backend->told = which < 3 ? SIM_TOLD_NOTHING : 0;
        return codes[which];
    }
    if (is != SIM_XACT_RUNNING && sim_strikes(SIM_ASK_FORGOTTEN)) {
        backend->told = SIM_TOLD_NOTHING;
        *text = NULL;
        return NULL;
    }
    sim_hit(faults[is]);
    backend->told = told[is];
    *text = states[is];
    return NULL;
}
