/* One session of the server: a process of its own, one statement at a time. */
#ifndef SIM_BACKEND_H
#define SIM_BACKEND_H

#include "server.h"

enum { SIM_BACKENDS = 1024, SIM_WRITES = 8, SIM_TICKET_BYTES = 112 };

typedef enum sim_phase {
    SIM_PHASE_FIRST, /* the start-up message, or SSLRequest, or CancelRequest */
    SIM_PHASE_HELLO, /* the client's handshake */
    SIM_PHASE_SASL,  /* the client's first SCRAM message */
    SIM_PHASE_PROOF, /* the client's proof */
    SIM_PHASE_RUN,
    SIM_PHASE_DEAF /* reads nothing any more */
} sim_phase;

/* What a backend does when it is no longer busy. */
typedef enum sim_then {
    SIM_THEN_WORK,
    SIM_THEN_EXECUTED, /* the statement has run */
    SIM_THEN_RELEASED, /* the standby has the commit */
    SIM_THEN_COMMITTED /* the commit is durable */
} sim_then;

/* A portal: what Execute will run. */
typedef struct sim_portal {
    char sql[SIM_SQL_BYTES];
    char word[8];
    char text[SIM_TICKET_BYTES]; /* the incarnation that a question is about */
    uint32_t token, number;
    uint8_t kind, parts; /* ticket.h, ticket.c */
    bool bound;
} sim_portal;

struct sim_backend {
    bool used, busy, taken; /* taken: the backend counts as a session */
    bool tls;
    bool skipping;      /* after an error, up to Sync */
    bool commit_portal; /* the commit under way is COMMIT's Execute, else Sync's */
    bool read_only;     /* the session is read-only */
    bool on_standby;    /* the client was told that this is a standby */
    bool only_reads;    /* the transaction began with BEGIN READ ONLY */
    bool applies_now;   /* the statement under way takes effect by itself */
    bool liar;          /* the server has not proved that it knows the password */
    bool ticketed;      /* the transaction's ticket was given */
    bool waits;         /* the commit waits for the synchronous standby */
    bool was_cancelled; /* a cancel has come for this session, ever */
    bool interrupted;   /* the statement under way ends by its client's cancel */
    bool spoken;        /* there was a message since the last Sync */
    uint8_t cluster;    /* whose data the session works on */
    unsigned told;      /* what the answer at hand tells, once it is whole: SIM_TOLD_* */
    char status;        /* 'I', 'T', 'E' */
    uint8_t phase, then, node;
    uint32_t life, pid, key;
    sim_link *link;
    sim_out out;
    sim_names names;     /* of the session that the backend works on */
    sim_names elsewhere; /* of another session that a pooler has */
    sim_portal portal;
    const char *fails_with;             /* SQLSTATE of the statement under way; NULL: it succeeds */
    uint32_t writes[SIM_WRITES];        /* the requests whose writes the transaction has */
    uint32_t write_flights[SIM_WRITES]; /* the flights that they came in */
    unsigned n_writes;
    unsigned n_done; /* CommandCompletes of the flight at hand */
    uint32_t xid;    /* of the transaction; 0: it has written nothing */
    char nonce[64];
    char first_bare[96];
};

extern sim_backend sim_backends[SIM_BACKENDS];
extern unsigned sim_backends_top;

void sim_backend_reset(void);
void sim_backend_start(sim_link *link);
/* Reads and acts until the backend is busy, or has nothing to read. */
void sim_backend_work(sim_backend *backend);
/* Is busy for so long, and then does `then`. */
void sim_backend_busy(sim_backend *backend, uint32_t ms, sim_then then);
/* Writes what is in out to the link. */
void sim_backend_flush(sim_backend *backend);
/* Ends the stream without a word; reset: by RST. What was not flushed is lost. */
void sim_backend_end(sim_backend *backend, bool reset);
/* Sends FATAL, and ends the stream. */
void sim_backend_fatal(sim_backend *backend, const char *sqlstate);
/* Sends WARNING, and ends the stream. */
void sim_backend_warn(sim_backend *backend, const char *sqlstate);
/* Is the backend in the middle of a statement? */
static inline bool sim_backend_running(const sim_backend *backend) {
    return backend->busy && backend->then == SIM_THEN_EXECUTED;
}
/* The session is interrupted (SIGINT): what runs ends with 57014. late: the client has given up the cancel. */
void sim_backend_interrupt(sim_backend *backend, bool late);

/* --- login.c --- */
/* Acts on one message of the start-up or login. Returns how many bytes it had; 0: more are needed. */
size_t sim_login(sim_backend *backend, const uint8_t *at, size_t n);

/* --- statement.c --- */
void sim_statement_message(sim_backend *backend, char type, const uint8_t *at, size_t n);
void sim_statement_executed(sim_backend *backend);
void sim_statement_committed(sim_backend *backend);
/* The session's commit waits no more. alone: the standby does not have it. */
void sim_statement_released(sim_backend *backend, bool alone);
/* The session ends while its commit waits for the standby. */
void sim_statement_left_alone(sim_backend *backend);
/* Says by a WARNING that the commit is done here, perhaps not on the standby. */
void sim_say_alone(sim_backend *backend);
/* Answers CommandComplete. counts: the statement is the request's own. */
void sim_statement_done(sim_backend *backend, const char *tag, bool counts);
/* Answers ErrorResponse. */
void sim_statement_fail(sim_backend *backend, const char *sqlstate);
/* A Sync was read. */
void sim_statement_sync(sim_backend *backend);
/* The commit begins, by COMMIT's Execute (by_portal) or by Sync. */
void sim_statement_commit(sim_backend *backend, bool by_portal);
/* Rolls the transaction back. */
void sim_statement_undo(sim_backend *backend);
/* Answers ReadyForQuery. */
void sim_statement_ready(sim_backend *backend);
void sim_say_error(sim_backend *backend, char severity, const char *sqlstate, const char *text);
/* Notes that the client is told `told` about its oldest flight, once it has read what is in `out` so far. */
void sim_tell(sim_backend *backend, unsigned told);
/* Sends asynchronous messages now and then: a notice, a parameter, a notification. */
void sim_say_async(sim_backend *backend);

/* --- between.c: is the session lost between server and client now? True: it is, and has ended --- */
/* While a statement runs. */
bool sim_between_runs(sim_backend *backend);
/* Before the commit is durable. */
bool sim_between_commits(sim_backend *backend);
/* After the commit is durable. */
bool sim_between_committed(sim_backend *backend);

#endif
