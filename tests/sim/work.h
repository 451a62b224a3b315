/* The application: what it asks for, when it cancels, pauses and gives up waiting, and what it is told. A job
 * is one request from hf_submit() to on_done; its number (token) is in everything that it sends.
 */
#ifndef SIM_WORK_H
#define SIM_WORK_H

#include "net.h"

enum { SIM_SLOTS = 96, SIM_PADDING_MAX = 12000, SIM_PADDING_NULL = UINT16_MAX };

typedef struct sim_job {
    uint8_t replay; /* an hf_replay */
    uint8_t outcome;
    bool writes, self_commits, batch;
    bool waits;     /* it said so last, and was not resumed */
    bool paused;    /* on_row said HF_PAUSE at least once */
    bool cancelled; /* hf_cancel() was called */
    bool too_large; /* its row does not fit */
    bool prepares;  /* is described, not run */
    bool partly;    /* it commits by itself, and was told of a conflict */
    bool healed;    /* one of those that must succeed */
    uint8_t n_statements;
    uint16_t padding;     /* bytes of its second parameter, SIM_PADDING_NULL */
    bool waits_passing;   /* it asks for that */
    bool told_alone;      /* the server itself has said: committed, perhaps not on the standby */
    uint32_t applied;     /* how often its writes took effect */
    uint32_t tainted;     /* … through a link on which a bit was flipped */
    uint32_t first, last; /* flights; 0 none */
    uint32_t described;   /* the flight of which on_columns was told last */
    uint32_t committing;  /* the flight of which on_commit was told; 0 none */
    uint32_t unresolved;  /* the flight with whose ticket it was submitted again; 0 it was not */
    uint32_t n_rows;
    uint32_t forgotten; /* how often it was told to prepare anew … */
    uint32_t refusals;  /* how often it was told 25006 */
    uint32_t passing;   /* how often it was told 57014 or 55P03 */
    hf_ms short_at;     /* when it was first told of a shortage; 0 never */
    uint32_t unheard;   /* … and lost its link before that was all */
    uint64_t hash;
    hf_ms submitted, deadline;
    uint32_t timeout_ms;
    uint64_t cancelled_in; /* the tick in which it was; the next one acts on it */
    hf_ms late; /* the first tick at or after its deadline or its cancel; HF_NEVER not yet */
} sim_job;

/* Of each application slot one request is in use at a time. */
typedef struct sim_slot {
    hf_request request;
    hf_statement batch[4];
    hf_value values[4][2];
    char texts[4][2][12], sql[4][SIM_SQL_BYTES];
    char ticket[HF_TICKET_BYTES]; /* of an earlier run */
    char padding[SIM_PADDING_MAX];
    uint32_t token; /* of the job in it; 0 it is free */
} sim_slot;

extern sim_slot sim_slots[SIM_SLOTS];
extern sim_job *sim_jobs; /* from 1 on; 0 is nobody's */
extern uint32_t sim_n_jobs, sim_n_asked_first;

extern hf_ms sim_denied_at; /* when a shortage or a standby was first met since; 0 none was */
extern hf_ms sim_ok_at;     /* when one ended OK last; 0 none has */
/* Is it a shortage that passes? */
bool sim_is_short(const hf_error *error);

void sim_work_reset(void);
/* Submits now and then until `end`, about n requests. */
void sim_work_start(hf_ms end, unsigned n);
/* Nothing of its own any more. */
void sim_work_stop(void);
/* Submits reads that must succeed now. */
void sim_work_prove(unsigned n);
unsigned sim_work_pending(void);
/* How many of those have not succeeded yet. */
unsigned sim_work_unproved(void);
/* n more of any kind. */
void sim_work_more(unsigned n);

/* A flight of this job begins. */
void sim_job_flight(uint32_t token, uint32_t flight);
void sim_job_applied(uint32_t token, bool tainted);
/* The server has forgotten that: nobody's fault but its own. */
void sim_job_forgotten(uint32_t token);
/* A promotion has undone it once. */
void sim_job_lost(uint32_t token);
/* Its flight whose COMMIT is in the dark; 0 none. */
uint32_t sim_job_unresolved(const sim_job *job);
/* Was it answered while a cancel of ours was under way, which may have ended its wait for a standby? */
bool sim_job_maybe_alone(const sim_job *job);
/* Was one of its attempts on a link with a flipped bit, or with junk? */
bool sim_job_tainted(const sim_job *job);

/* What byte i of a request's long parameter is. */
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
