/* Tickets (HF_REPLAY_RESOLVE): a transaction's xid and the incarnation of the server that gave it, and the
 * question what became of it. The model does what the statement's text says, part by part, so that a part which
 * is missing there is missing here.
 */
#ifndef SIM_TICKET_H
#define SIM_TICKET_H

#include "backend.h"

enum {
    SIM_TICKET_GIVES = 1,
    SIM_TICKET_ASKS = 2,
    SIM_ROLE_ASKS = 3 /* a standby, or read-only? */
};

void sim_ticket_reset(void);
/* Does this text ask for a ticket, or about one? 0 neither. */
unsigned sim_ticket_kind(const char *sql);
/* The flight whose ticket these parameters are; 0 none ever was. */
uint32_t sim_ticket_find(const sim_bind *bind);
/* What was given to this flight; NULL nothing. */
const char *sim_ticket_of(uint32_t flight);

/* --- the server's half --- */
/* A portal of one of the two kinds. */
void sim_ticket_bind(sim_portal *portal, const char *sql, const sim_bind *bind);
/* The SQLSTATE with which a question for the session's role fails; NULL: it does not. */
const char *sim_role_fails(sim_backend *backend);
/* What a question for the session's role is answered by; NULL. */
const char *sim_role_answer(sim_backend *backend, const char **text);
/* The ticket of the transaction at hand, in *text; or the SQLSTATE of why there is none. */
const char *sim_ticket_give(sim_backend *backend, const char **text);
/* What became of the portal's transaction, in *text (NULL: nobody knows any more); or an SQLSTATE. */
const char *sim_ticket_answer(sim_backend *backend, const char **text);

#endif
