/* The tap of a link: what the client puts on the wire, read at the moment when the link takes the bytes. That is what
 * SEMANTICS 10 means by "sent", found out without asking holdfast. A flight is what ends with one Sync: one attempt of
 * one request, a probe, or a ROLLBACK. Where reads share a Sync (SEMANTICS 45) each has a flight of its own, and all of
 * them end with that Sync.
 */
#ifndef SIM_TAP_H
#define SIM_TAP_H

#include "wire.h"

/* What became of a flight, bits of sim_flight.is. SIM_TOLD_*: the client has read that. */
enum {
    SIM_HANDED = 1 << 0,         /* the byte that can have an effect was handed to the link */
    SIM_TOLD_DONE = 1 << 1,      /* the (last) CommandComplete */
    SIM_TOLD_ERROR = 1 << 2,     /* an ErrorResponse, which says that there was no effect */
    SIM_TOLD_AMBIGUOUS = 1 << 3, /* an ErrorResponse that does not say so */
    SIM_TOLD_FATAL = 1 << 4,     /* a FATAL, when this flight was the oldest */
    SIM_TOLD_READY = 1 << 5,     /* the flight's ReadyForQuery */
    SIM_APPLIED = 1 << 6,        /* the server has committed the flight */
    SIM_CANCELLED = 1 << 7,      /* a CancelRequest was sent while the flight was the oldest */
    SIM_TAINTED = 1 << 8,        /* a bit was flipped on the link, or junk was sent */
    SIM_TOLD_OPEN = 1 << 9,      /* a ReadyForQuery within a transaction: not committed */
    SIM_PAUSED = 1 << 10, /* holdfast may not have looked at an answer, or not know whose it is */
    SIM_TOLD_REFUSED = 1 << 11, /* a login: it is refused for good */
    SIM_TOLD_IN = 1 << 12,      /* a login: it is complete */
    /* A transaction whose COMMIT is deferred: its COMMIT is a flight of its own, and so is each question about it. */
    SIM_TOLD_DEFERRED =
        1 << 13,           /* the ReadyForQuery behind the ticket: all is done but the COMMIT */
    SIM_COMMITS = 1 << 14, /* this flight is the COMMIT of `about` */
    SIM_ASKS = 1 << 15,    /* this flight asks what became of `about` */
    SIM_TOLD_COMMITTED = 1 << 16,  /* the question's answer: committed */
    SIM_TOLD_ABORTED = 1 << 17,    /* … aborted */
    SIM_TOLD_RUNNING = 1 << 18,    /* … still in progress */
    SIM_TOLD_NOTHING = 1 << 19,    /* … nobody can say any more */
    SIM_TOLD_STANDBY = 1 << 20,    /* … only the primary can say */
    SIM_HIT_BY_OTHER = 1 << 21,    /* a cancel that was sent for another flight hit this one */
    SIM_RUNS = 1 << 22,            /* an Execute of the request's own was handed to the link */
    SIM_TOLD_57014 = 1 << 23,      /* 57014, and it was not this client's cancel */
    SIM_TOLD_NO_STANDBY = 1 << 28, /* a question for the role: any answer but "standby" */
    SIM_WHOLE = 1 << 27,       /* the whole answer, and that of the ROLLBACK behind it, if any */
    SIM_TOLD_ROLE = 1 << 26,   /* 25006: the server takes no writes */
    SIM_TOLD_PROVEN = 1 << 25, /* a login: the client's proof is right */
    SIM_FINDS = 1 << 29,       /* the flight asks what stands at a key, or uses it up */
    SIM_EXPOSED = 1 << 24      /* a cancel of ours may hit the flight */
};

typedef struct sim_flight {
    uint32_t token;  /* of the request; SIM_NO_TOKEN: a probe or a ROLLBACK */
    uint32_t next;   /* the request's next flight; 0: none */
    uint32_t about;  /* SIM_COMMITS, SIM_ASKS: the flight of the transaction */
    uint32_t commit; /* a transaction's: the flight of its COMMIT; 0: none was sent */
    uint32_t behind; /* the COMMIT that was without an answer when the flight began; 0: none */
    uint32_t is;     /* SIM_HANDED … */
    bool shares;     /* its Sync is the next flight's */
    bool shared;     /* it ends with the Sync of the flight before it too */
    bool skipped;    /* the server passed over it, behind an error of one that has the same Sync */
    bool voided;     /* complete, but the server has undone its transaction, a serializable one */
    uint16_t link;
    uint32_t link_life;
    uint32_t affected;  /* rows, by the last CommandComplete */
    uint32_t n_rows;    /* rows that the server sent */
    uint64_t hash;      /* of those rows */
    hf_ms committed_at; /* when the flight's COMMIT was handed over */
    hf_ms asked_at;     /* when the server was first asked about the flight; HF_NEVER: it was not */
    hf_ms running_at;   /* when the client last read that the flight is in progress; 0: never */
    unsigned late_asks; /* questions about the flight when the time for them was over */
} sim_flight;

extern sim_flight *sim_flights; /* from 1 on */
extern uint32_t sim_n_flights;

typedef struct sim_tap {
    uint8_t head[8];
    uint8_t body[1024];
    uint32_t n_head, n_body, body_size;
    char type;
    bool started;      /* the start-up message was sent: a session */
    bool proves;       /* the first message of SCRAM was sent: the next is the proof */
    bool in;           /* the session's first ReadyForQuery was read */
    bool cancels;      /* a CancelRequest was sent */
    bool bye;          /* Terminate was sent */
    bool parsed;       /* the flight that is being sent has parsed the unnamed statement */
    bool cut;          /* the message at hand is longer than body */
    bool executable;   /* the portal bound last runs a statement of the request's own */
    bool commits;      /* the portal bound last runs COMMIT */
    bool undoes;       /* the portal bound last runs ROLLBACK */
    bool tickets;      /* the portal bound last asks for a ticket */
    bool began;        /* the flight that is being sent has a BEGIN before */
    uint32_t asks;     /* the portal bound last asks what became of this flight; 0: of none */
    uint32_t deferred; /* the transaction that waits for its COMMIT; 0: none */
    bool ended;        /* a FATAL was read with nothing in flight: what is sent now never runs */
    uint32_t flight;   /* the flight that is being sent; 0: none has begun */
    bool goes_on;      /* the request answered last is not over: its COMMIT or a ROLLBACK follows */
    hf_ms oldest_at;   /* since then, at the latest, the client's oldest is its oldest */
    uint32_t probes;   /* Syncs without anything before them */
    uint32_t *flights; /* of this link, in the order in which they were sent */
    size_t flight_room, n_flights, n_answered, n_told;
    sim_names names;
} sim_tap;

struct sim_link;
void sim_flights_reset(void);
void sim_tap_reset(sim_tap *tap);
void sim_tap_heard(struct sim_link *link, const uint8_t *bytes, size_t n);
/* The oldest flight that the server has not ended by a ReadyForQuery; 0: there is none. */
uint32_t sim_tap_oldest(const sim_tap *tap);
/* Did the answer that was read last, or the one before, leave a COMMIT in doubt, with another flight behind it? */
bool sim_tap_in_doubt(const sim_tap *tap);
/* The client has read `told`, SIM_TOLD_*, about a flight; a FATAL is about the client's oldest. */
void sim_tap_told(struct sim_link *link, uint32_t flight, unsigned told);
/* The server commits what this flight wrote. */
void sim_flight_applied(uint32_t flight, const struct sim_link *link);
/* Is the flight the session's own, a probe or a ROLLBACK? */
bool sim_flight_own(const sim_flight *flight);
/* Has the client read that the flight was passed over, or is void? Then it spends no re-send. */
static inline bool sim_flight_free(const sim_flight *flight) {
    return (flight->skipped || flight->voided) && (flight->is & SIM_TOLD_READY);
}
/* Has the flight its Sync together with others? */
static inline bool sim_flight_in_group(const sim_flight *flight) {
    return flight->shares || flight->shared;
}
/* Did the flight never have its turn, because the COMMIT that it travelled behind has no answer, or one that leaves
 * doubt? */
bool sim_flight_early(const sim_flight *flight);
/* May this flight have had an effect, as far as the client can know? */
bool sim_flight_open(const sim_flight *flight);

#endif
