/* One session of the server: a process of its own, one statement at a time. */
#ifndef SIM_BACKEND_H
#define SIM_BACKEND_H

#include "server.h"

enum { SIM_BACKENDS = 1024, SIM_WRITES = 8, SIM_TICKET_BYTES = 112 };

typedef enum sim_phase {
    SIM_PHASE_FIRST, /* the start-up message, or SSLRequest, or CancelRequest */
    SIM_PHASE_HELLO, /* the client's handshake */
    SIM_PHASE_SASL,  /* the client's first SCRAM message */
    SIM_PHASE_PROOF, /* its proof */
    SIM_PHASE_RUN,
    SIM_PHASE_DEAF /* reads nothing any more */
} sim_phase;

/* What it does when it is no longer busy. */
typedef enum sim_then {
    SIM_THEN_WORK,
    SIM_THEN_EXECUTED, /* the statement has run */
    SIM_THEN_RELEASED, /* the standby has it */
    SIM_THEN_COMMITTED /* the commit is durable */
} sim_then;

/* A portal: what Execute will run. */
typedef struct sim_portal {
    char sql[SIM_SQL_BYTES];
    char word[8];
    char text[SIM_TICKET_BYTES]; /* of a question: the incarnation */
    uint32_t token, number;
    uint8_t kind, parts; /* ticket.h, ticket.c */
    bool bound;
} sim_portal;

struct sim_backend {
    bool used, busy, taken; /* taken: it counts as a session */
    bool tls;
    bool skipping;      /* after an error, up to Sync */
    bool commit_portal; /* the commit under way is COMMIT's Execute, else Sync's */
    bool read_only;     /* the session */
    bool on_standby;    /* as its client was told, if it was */
    bool only_reads;    /* the transaction: BEGIN READ ONLY */
    bool applies_now;   /* the statement under way takes effect by itself */
    bool liar;          /* it has not proved that it knows the password */
    bool ticketed;      /* its transaction has given its ticket */
    bool waits;         /* its commit, for the synchronous standby */
    bool was_cancelled; /* a cancel has come for it, ever */
    bool interrupted;   /* the statement under way ends by its client's cancel */
    bool spoken;        /* there was a message since the last Sync */
    uint8_t cluster;    /* whose data it works on */
    unsigned told;      /* what the answer at hand tells, once it is whole */
    char status;        /* 'I', 'T', 'E' */
    uint8_t phase, then, node;
    uint32_t life, pid, key;
    sim_link *link;
    sim_out out;
    sim_names names,
        elsewhere; /* of the session that it works on, and of another that a pooler has */
    sim_portal portal;
    const char *fails_with;      /* SQLSTATE of the statement under way; NULL it succeeds */
    uint32_t writes[SIM_WRITES]; /* whom the transaction writes for; in which flights: */
    uint32_t write_flights[SIM_WRITES];
    unsigned n_writes;
    unsigned n_done; /* CommandCompletes of the flight at hand */
    uint32_t xid;    /* of the transaction; 0 it has written nothing */
    char nonce[64];
    char first_bare[96];
};

extern sim_backend sim_backends[SIM_BACKENDS];
extern unsigned sim_backends_top;

void sim_backend_reset(void);
void sim_backend_start(sim_link *link);
/* Reads and acts until it is busy or has nothing to read. */
void sim_backend_work(sim_backend *backend);
/* Will be busy for so long. */
void sim_backend_busy(sim_backend *backend, uint32_t ms, sim_then then);
/* Writes what is in out to the link. */
void sim_backend_flush(sim_backend *backend);
/* Ends without a word; reset: by RST. What it had not flushed is lost. */
void sim_backend_end(sim_backend *backend, bool reset);
/* FATAL, then the end. */
void sim_backend_fatal(sim_backend *backend, const char *sqlstate);
/* WARNING, then the end. */
void sim_backend_warn(sim_backend *backend, const char *sqlstate);
/* Is it in the middle of a statement? */
static inline bool sim_backend_running(const sim_backend *backend) {
    return backend->busy && backend->then == SIM_THEN_EXECUTED;
}
/* SIGINT: what runs ends with 57014. late: the client has given up the cancel. */
void sim_backend_interrupt(sim_backend *backend, bool late);

/* --- login.c --- */
/* Acts on one message of the opening: bytes taken, 0 more are needed. */
size_t sim_login(sim_backend *backend, const uint8_t *at, size_t n);

/* --- statement.c --- */
void sim_statement_message(sim_backend *backend, char type, const uint8_t *at, size_t n);
void sim_statement_executed(sim_backend *backend);
void sim_statement_committed(sim_backend *backend);
/* Its commit waits no more. alone: for another reason than that the standby has it. */
void sim_statement_released(sim_backend *backend, bool alone);
/* … because it ends. */
void sim_statement_left_alone(sim_backend *backend);
/* WARNING: committed here, perhaps not on the standby. */
void sim_say_alone(sim_backend *backend);
/* CommandComplete; counts: of a statement of the request's own. ErrorResponse. Sync. */
void sim_statement_done(sim_backend *backend, const char *tag, bool counts);
void sim_statement_fail(sim_backend *backend, const char *sqlstate);
void sim_statement_sync(sim_backend *backend);
/* The commit begins: by COMMIT's Execute, or by Sync. */
void sim_statement_commit(sim_backend *backend, bool by_portal);
/* Its transaction is undone. */
void sim_statement_undo(sim_backend *backend);
/* ReadyForQuery. */
void sim_statement_ready(sim_backend *backend);
void sim_say_error(sim_backend *backend, char severity, const char *sqlstate, const char *text);
/* Tells whoever is the oldest in flight, once the client has read what is in out so far. */
void sim_tell(sim_backend *backend, unsigned told);
/* Asides: a notice, a parameter, a notification, now and then. */
void sim_say_asides(sim_backend *backend);

/* --- between.c: does what is between the server and its client lose it now? true: that is the end of it --- */
/* … while a statement runs. */
bool sim_between_runs(sim_backend *backend);
/* … before the commit is durable. */
bool sim_between_commits(sim_backend *backend);
/* … behind it. */
bool sim_between_committed(sim_backend *backend);

#endif
