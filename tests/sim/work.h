/* The application: what it asks for, when it cancels, pauses and gives up waiting, and what it is told. A job is one
 * request from hf_submit() to on_done; the job's number (token) is in everything that the request sends.
 */
#ifndef SIM_WORK_H
#define SIM_WORK_H

#include "net.h"

enum { SIM_SLOTS = 96, SIM_PADDING_MAX = 12000, SIM_PADDING_NULL = UINT16_MAX };

typedef struct sim_job {
    uint8_t replay; /* an hf_replay */
    uint8_t outcome;
    bool writes, self_commits, batch;
    bool waits;     /* on_row has answered HF_PAUSE, and hf_resume() was not called yet */
    bool paused;    /* on_row has answered HF_PAUSE at least once */
    bool cancelled; /* hf_cancel() was called */
    bool too_large; /* the row does not fit */
    bool prepares;  /* the request is described, not run */
    bool partly;    /* the request commits by itself, and was told of a conflict */
    bool healed;    /* the request must succeed: no fault happens any more */
    uint8_t n_statements;
    uint16_t padding;   /* bytes of the second parameter, or SIM_PADDING_NULL */
    bool waits_passing; /* hf_request.wait_passing */
    bool forgot;        /* a ledger's: the server has forgotten a write of the job's, or lost it */
    bool told_alone;    /* the server itself has said: committed, perhaps not on the standby */
    uint32_t applied;   /* how often the writes took effect */
    uint32_t tainted;   /* how often so through a link on which a bit was flipped */
    uint32_t first, last; /* flights; 0: none */
    uint32_t described;   /* the flight that on_columns was last called for */
    uint32_t committing;  /* the flight that on_commit was called for; 0: none */
    bool announced;       /* and on_commits behind it */
    uint32_t unresolved;  /* the flight whose ticket the request was submitted with; 0: none */
    uint32_t n_rows;
    uint32_t forgotten; /* how often the server did not know the prepared statement */
    uint32_t refusals;  /* how often the server answered 25006 */
    uint32_t passing;   /* how often the server answered 57014 or 55P03 */
    hf_ms short_at;     /* when the server first told of a shortage; 0: never */
    uint32_t unheard;   /* how often the link was lost behind the first part of such an answer */
    uint64_t hash;
    hf_ms submitted, deadline;
    uint32_t timeout_ms;
    uint64_t cancelled_in; /* the tick in which hf_cancel() was called; the next tick acts on it */
    hf_ms late; /* the first tick at or after deadline or cancel; HF_NEVER: there was none yet */
} sim_job;

/* A place for one request of the application's at a time. */
typedef struct sim_slot {
    hf_request request;
    hf_statement batch[4];
    hf_value values[4][2];
    char texts[4][2][12], sql[4][SIM_SQL_BYTES];
    char ticket[HF_TICKET_BYTES]; /* of an earlier run */
    char padding[SIM_PADDING_MAX];
    char key_text[12]; /* a ledger's key */
    hf_value key;
    uint32_t token; /* of the job in the slot; 0: the slot is free */
} sim_slot;

extern sim_slot sim_slots[SIM_SLOTS];
extern sim_job *sim_jobs; /* by their tokens, from 1 on */
extern uint32_t sim_n_jobs, sim_n_asked_first;

extern hf_ms sim_ok_at; /* when a request last ended OK; 0: none has */
extern hf_ms
    sim_denied_at; /* when a request first met a shortage or a standby since; 0: none has */
/* Is the error a shortage that passes? */
bool sim_is_short(const hf_error *error);

void sim_work_reset(void);
/* Submits now and then until `end`, about n requests. */
void sim_work_start(hf_ms end, unsigned n);
/* Submits nothing more by itself. */
void sim_work_stop(void);
/* Submits n reads that must succeed now. */
void sim_work_prove(unsigned n);
unsigned sim_work_pending(void);
/* How many of the reads that must succeed have not done so yet. */
unsigned sim_work_unproved(void);
/* Submits n further requests of any kind. */
void sim_work_more(unsigned n);

/* A flight of this job begins. */
void sim_job_flight(uint32_t token, uint32_t flight);
void sim_job_applied(uint32_t token, bool tainted);
/* The server has forgotten a commit of the job's, which is the server's own fault. */
void sim_job_forgotten(uint32_t token);
/* A promotion has undone a commit of the job's. */
void sim_job_lost(uint32_t token);
/* The job's flight of whose COMMIT nobody knows what became; 0: there is none. */
uint32_t sim_job_unresolved(const sim_job *job);
/* Was the job answered while a cancel of ours was under way, which may have ended its wait for a standby? */
bool sim_job_maybe_alone(const sim_job *job);
/* Was an attempt of the job's on a link with a flipped bit, or with junk? */
bool sim_job_garbled(const sim_job *job);
/* The same; or is it a ledger's? Of those only what ledger.h says is asked for. */
bool sim_job_tainted(const sim_job *job);

/* Byte i of a request's long parameter. */
static inline char sim_padding(uint32_t token, size_t i) {
    return (char)(' ' + (token * 31 + i * 7) % 90);
}

static inline uint64_t sim_row_hash(uint64_t hash, const char *text, size_t n) {
    hash = (hash ^ n) * 0x100000001b3u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3u;
    return hash;
}

#endif
