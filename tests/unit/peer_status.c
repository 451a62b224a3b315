/* The peer's transactions that can be asked about: tickets, and what became of them. */
#include "peer_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ticket[] = "SELECT pg_current_xact_id()",
                  question[] = "SELECT CASE WHEN pg_is_in_recovery() THEN",
                  role[] = "SELECT CASE WHEN pg_is_in_recovery() OR",
                  isolation[] = "SHOW transaction_isolation";

static bool is_role(const char *sql) {
    return strncmp(sql, role, sizeof role - 1) == 0;
}

static bool is_isolation(const char *sql) {
    return strcmp(sql, isolation) == 0;
}

bool hf_peer_is_own(const char *sql) {
    return strncmp(sql, ticket, sizeof ticket - 1) == 0 ||
           strncmp(sql, question, sizeof question - 1) == 0 || is_role(sql) || is_isolation(sql);
}

hf_peer_point hf_peer_own_point(const hf_peer_link *self) {
    return is_role(self->sql)        ? HF_PEER_ROLE
           : is_isolation(self->sql) ? HF_PEER_ISOLATION
           : self->asked[0]          ? HF_PEER_ASK
                                     : HF_PEER_TICKET;
}

void hf_peer_own_bind(hf_peer_link *self, const uint8_t *body) {
    self->asked[0] = 0;
    body += 1 + strlen((const char *)body + 1) + 1 + 2; /* unnamed portal, statement, all text */
    if (body[1] == 0)
        return;
    body += 2;
    for (unsigned i = 0; i < 2; i++) {
        const uint32_t bytes = get32(body);
        const size_t used = strlen(self->asked);
        snprintf(self->asked + used, sizeof self->asked - used, "%s%.*s", i ? " " : "", (int)bytes,
                 (const char *)body + 4);
        body += 4 + bytes;
    }
}

void hf_peer_tx_end(hf_peer_link *self, hf_peer_tx_status status) {
    if (self->tx)
        *self->tx = (uint8_t)status;
    self->tx = NULL;
}

static const char *give(hf_peer *peer, hf_peer_link *self, const char **sqlstate) {
    if (peer->ticketless) {
        *sqlstate = "42883";
        return NULL;
    }
    HF_ASSERT(self->in_transaction && peer->n_tickets + 1 < HF_PEER_WRITES);
    self->tx = &peer->tx_status[++peer->n_tickets];
    *self->tx = HF_PEER_RUNNING;
    snprintf(self->answer, sizeof self->answer, "%u life/%u", peer->n_tickets, peer->life);
    return self->answer;
}

const char *hf_peer_own_answer(hf_peer *peer, hf_peer_link *self, const char **sqlstate) {
    static const char *const words[] = { [HF_PEER_RUNNING] = "in progress",
                                         [HF_PEER_COMMITTED] = "committed",
                                         [HF_PEER_ABORTED] = "aborted" };
    if (is_role(self->sql)) {
        peer->role_asks++;
        const hf_script_link *link = link_of(peer, self);
        return link->address.port == peer->standby_port ? "standby" : "writable";
    }
    if (is_isolation(self->sql))
        return peer->serializable ? "serializable" : "read committed";
    if (!self->asked[0])
        return give(peer, self, sqlstate);
    peer->asks++;
    char now[32];
    const unsigned number = (unsigned)strtoul(self->asked, NULL, 10);
    snprintf(now, sizeof now, "%u life/%u", number, peer->life);
    if (peer->standby)
        return "standby";
    if (strcmp(now, self->asked) != 0)
        return "other";
    if (peer->future) {
        *sqlstate = "22023";
        return NULL;
    }
    HF_ASSERT(number < HF_PEER_WRITES && peer->tx_status[number] != HF_PEER_NO_TX);
    return peer->forgetful ? "?" : words[peer->tx_status[number]];
}
