/* The runs of a ledger: their own rows, chunk 0 of each (REPORT.md 36, 42, 44). A run is open from before its first
 * chunk until all of its chunks are there and confirmed, then closed, which is for good: no chunk of it can come.
 *
 * Each function is one request or two, of which each may be run again (ledger_table.h). False: why. All but
 * hf_ledger_run_list() lock the rows that they read, so that no standby answers, and their own end waits for a
 * synchronous one.
 */
#ifndef HF_LEDGER_RUN_H
#define HF_LEDGER_RUN_H

#include "ledger_table.h"

#define HF_LEDGER_ID_BYTES       33 /* 32 hexadecimal digits */
#define HF_LEDGER_IDENTITY_BYTES 65 /* 64 */

/* How a closed run ended. */
typedef struct hf_ledger_end {
    uint64_t chunks, lines, rejected;
    uint64_t at;     /* wall clock, Unix ms */
    int exit_status; /* that the report ends with */
} hf_ledger_end;

typedef struct hf_ledger_run {
    char id[HF_LEDGER_ID_BYTES];
    char identity[HF_LEDGER_IDENTITY_BYTES]; /* of the job */
    bool open, closed;                       /* neither: somebody else wrote the row */
    char state[24];               /* as the row has it, in printable text, cut; "": NULL */
    uint32_t batch;               /* lines of a chunk, at most */
    uint64_t batch_bytes;         /* bytes of a chunk, at most */
    uint64_t chunks;              /* that have a row just now */
    char begun[HF_TIME_BYTES];    /* by the server's clock, UTC */
    char *who, *host;             /* of the program that began it */
    char *input, *query, *output; /* as they were named; never NULL */
    char *columns;                /* of the result, in printable CSV; NULL: the row does not say */
    hf_ledger_end end;            /* of a closed one */
} hf_ledger_run;

/* All zero: none. */
typedef struct hf_ledger_runs {
    hf_ledger_run *items;
    size_t count;
} hf_ledger_runs;

/* A run of a random id, begun by this user on this machine; no row of it is written yet. What is named is copied;
 * columns: as hf_ledger_run has them. False: the system has no random bytes. */
bool hf_ledger_run_make(hf_ledger_run *run, hf_client *client, const char *identity,
                        const char *input, const char *query, const char *output,
                        const char *columns, hf_failure *failure);
void hf_ledger_run_free(hf_ledger_run *run);
void hf_ledger_runs_free(hf_ledger_runs *runs);

/* Writes the run's row, or finds it there, open and of the same identity: anything else there is exit status 3. */
bool hf_ledger_run_open(const hf_ledger_table *table, hf_client *client, const hf_ledger_run *run,
                        uint32_t timeout_ms, hf_failure *failure);
/* The run of that id, or none; the open runs of an identity, the oldest first; all runs. runs: all zero before. */
bool hf_ledger_run_read(const hf_ledger_table *table, hf_client *client, const char *id,
                        uint32_t timeout_ms, hf_ledger_runs *runs, hf_failure *failure);
bool hf_ledger_run_find(const hf_ledger_table *table, hf_client *client, const char *identity,
                        uint32_t timeout_ms, hf_ledger_runs *runs, hf_failure *failure);
bool hf_ledger_run_list(const hf_ledger_table *table, hf_client *client, uint32_t timeout_ms,
                        hf_ledger_runs *runs, hf_failure *failure);

/* What a primary has of a run. */
typedef struct hf_ledger_count {
    bool open; /* its row is there, and open; else the rest says nothing */
    uint64_t chunks;
    char incarnation[HF_TICKET_BYTES]; /* of the server that counted; "": it does not tell */
} hf_ledger_count;

/* How many of the chunks 1 to `last` are there? */
bool hf_ledger_run_count(const hf_ledger_table *table, hf_client *client, const char *id,
                         uint64_t last, uint32_t timeout_ms, hf_ledger_count *count,
                         hf_failure *failure);
/* Closes the run if its chunks 1 to end->chunks are all there, or if it was closed so already. *closed false: they
 * are not, or the run has no row: nothing was written, hf_ledger_run_count() says more. A closing that a synchronous
 * standby did not confirm is exit status 4. */
bool hf_ledger_run_close(const hf_ledger_table *table, hf_client *client, const hf_ledger_run *run,
                         const hf_ledger_end *end, uint32_t timeout_ms, bool *closed,
                         hf_failure *failure);
/* Removes the chunks of a closed run, and nothing of an open one. */
bool hf_ledger_run_empty(const hf_ledger_table *table, hf_client *client, const char *id,
                         uint32_t timeout_ms, hf_failure *failure);
/* Removes all rows of a closed run. `force`: the run may be in any state; it is closed, and its own row stays, so that
 * its job finds it closed, and not lost by a server that is another one since. *rows: how many were removed. */
bool hf_ledger_run_forget(const hf_ledger_table *table, hf_client *client, const char *id,
                          bool force, uint32_t timeout_ms, uint64_t *rows, hf_failure *failure);

#endif
