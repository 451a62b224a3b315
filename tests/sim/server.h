/* The model of PostgreSQL: up to SIM_NODES machines, one of them the primary, that share one table (failover
 * loses nothing), and on each of them backends, one for each session. It speaks protocol 3.0 as PostgreSQL 15
 * was seen to speak it.
 */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "net.h"

enum { SIM_NODES = 3 };

typedef enum sim_node_state {
    SIM_NODE_UP,
    SIM_NODE_STARTING, /* 57P03 */
    SIM_NODE_DOWN,     /* refuses connections */
    SIM_NODE_GONE,     /* nobody answers */
    SIM_NODE_STOPPED   /* the kernel accepts, no process runs */
} sim_node_state;

typedef struct sim_node {
    uint8_t state;
    hf_ms hole_until[SIM_WAYS];   /* nothing gets through to it, or from it */
    unsigned slots;               /* sessions at most */
    const char *shortage;         /* SQLSTATE; NULL there is enough */
    bool bad_certificate;         /* its certificate does not verify */
    uint32_t started, statistics; /* when its postmaster and its statistics began */
    uint32_t generation; /* counts its lives: what was planned for an earlier one is void */
} sim_node;

extern sim_node sim_nodes[SIM_NODES];
extern uint32_t sim_timeline;

/* Who clients are, and how they are let in. */
typedef struct sim_access {
    bool wrong_password; /* what the client has is not the password (any more) */
    bool wrong_database; /* its database is gone */
    bool scram;          /* else anybody is let in */
    bool pooler;         /* knows no start-up parameters */
    bool moves;          /* it moves clients to another of its sessions behind each transaction */
    bool old;            /* knows no client_connection_check_interval */
    bool tells_role;     /* in_hot_standby: 14 and later, and nothing in between drops it */
    bool synchronous;    /* a COMMIT waits for a standby */
    bool standby_gone;   /* which is not there */
    bool lazy;           /* synchronous_commit is off */
    const char *ticketless; /* why it gives no tickets; NULL it does */
    uint32_t refusals;      /* logins refused for good, since the last hf_pool_reset() */
} sim_access;

extern sim_access sim_access_now;

/* Do sessions run at isolation serializable? */
static inline bool sim_serializable(void) {
    return sim.seed % 3 == 0;
}

void sim_server_reset(void);
/* The node that DNS thinks is the primary. */
uint8_t sim_known_primary(void);
bool sim_node_is_primary(unsigned node);
unsigned sim_server_latency(void);

/* --- the network's calls --- */
/* A connection request arrives (an action: who is the link). */
void sim_server_syn(void *link, uint32_t life);
/* Something has arrived on this link: bytes, FIN, or RST. */
void sim_server_heard(sim_link *link);
/* Some trouble befalls this link now, or not. */
void sim_server_trouble(sim_link *link);

/* --- the great faults --- */
void sim_node_restart(unsigned node, bool immediate, uint32_t down_ms);
void sim_node_crash(unsigned node, uint32_t down_ms);
void sim_node_vanish(unsigned node, uint32_t down_ms);
void sim_node_stop(unsigned node, uint32_t ms);
void sim_node_slots(unsigned node, uint32_t ms);
/* A shortage, of this SQLSTATE, which every statement meets that needs what is short. */
void sim_node_short(unsigned node, const char *sqlstate, uint32_t ms);
/* This node becomes the primary; -1: one of the others. */
void sim_failover(int to);
/* The synchronous standby goes, for so long. */
void sim_standby_goes(uint32_t ms);
/* pg_terminate_backend() for so many of all sessions. */
void sim_kill_sessions(uint32_t per_mille);
/* Everything is up, and the primary is one of the first `known` nodes. */
void sim_server_heal(unsigned known);

#endif
