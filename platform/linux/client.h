/* A pool with its port, its log and its numbers: what report, query and watch run on. */
#ifndef HF_CLIENT_H
#define HF_CLIENT_H

#include "base/log.h"
#include "cli/options.h"
#include "net.h"

/* The longest sleep, so that a signal that came just before it is noticed soon. */
#define HF_NAP_MS 250
/* How long an end may take: the program stops within 5 s (FAULTS 47). */
#define HF_LEAVE_MS 3000

typedef struct hf_outage_seen {
    int64_t start; /* wall clock, Unix ms */
    uint64_t ms;   /* so far, when it still lasts */
    char reason[HF_MESSAGE_BYTES];
} hf_outage_seen;

#define HF_OUTAGES_KEPT 100 /* later ones are only counted */

typedef struct hf_client {
    hf_config *config;
    hf_net *net;
    hf_pool *pool;
    void *memory;
    size_t memory_bytes;
    char *where;                 /* "host:port/database as user" */
    hf_ms lost_at[HF_CONNS_MAX]; /* when each connection was lost; HF_NEVER: it is not */
    /* An outage is the pool's (SEMANTICS 4): it begins when no connection is usable and ends when the pool's clock
     * stops, or when the client is closed. With a connection that is usable then it is over, and lasted until that
     * one came up; else it lasted to the end. */
    hf_ms clock;       /* the pool's, as last seen; HF_NEVER: it stands */
    hf_ms outage_from; /* of the outage going on: when nothing was usable any more */
    hf_ms usable_at;   /* since then a connection has been; HF_NEVER: none is */
    bool outage_real;  /* a try failed in it: more than the first connect on its way */
    bool closing;
    uint32_t hanging; /* commits that wait for a synchronous standby, as last told */
    uint32_t reconnects, outages;
    uint64_t outage_ms; /* all together */
    hf_outage_seen seen[HF_OUTAGES_KEPT];
    uint32_t notices[HF_LOG_DEBUG + 1]; /* the server's, by level */
    bool tells_notices; /* a NOTICE is as worth telling as a WARNING; set behind hf_client_open() */
    char reason[HF_MESSAGE_BYTES]; /* why the last loss; or the first try, before it was ever up */
    hf_transition_fn *on_transition; /* besides the log; NULL none */
    hf_commits_fn *on_commits;       /* the pool's; NULL none */
    void *user;                      /* what these two are given */
} hf_client;

/* Makes the pool; touches no network. False: exit status 1 and why. */
bool hf_client_open(hf_client *client, hf_config *config, hf_failure *failure);
hf_ms hf_client_now(hf_client *client);
/* One tick. Returns when the next is due. */
hf_ms hf_client_tick(hf_client *client);
/* Sleeps until `until`, an event, a signal, or the end of a nap. */
void hf_client_wait(hf_client *client, hf_ms until);
/* Runs one request to its end; false: a signal came first, and the request is still the pool's. */
bool hf_client_run(hf_client *client, hf_request *request);
/* Likewise, but waits until `until` at the latest. */
bool hf_client_run_until(hf_client *client, hf_request *request, hf_ms until);
/* The same of a request that was submitted before. */
bool hf_client_await(hf_client *client, const hf_request *request, hf_ms until);
/* Cancels what runs, says goodbye, ends within HF_LEAVE_MS. Callbacks still happen. */
void hf_client_close(hf_client *client);
void hf_client_free(hf_client *client);

/* A statement's error in words, and the exit status that it means for a run that it stops: 3 when the server
 * refused the program for good, 4 when it could not be reached, 1 for the rest. */
void hf_client_failure(hf_client *client, const hf_request *request, const char *what,
                       hf_failure *failure);

#endif
