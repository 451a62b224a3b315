/* What a report's run knows, and what both its loop (job.c) and a statement's answer (answers.c) do to it. */
#ifndef HF_JOB_STATE_H
#define HF_JOB_STATE_H

#include "chunk.h"
#include "client.h"
#include "database.h"
#include "first_pass.h"
#include "intents.h"
#include "ledger_run.h"
#include "outputs.h"
#include "progress.h"
#include "recovery.h"
#include "standard.h"
#include "summary.h"
#include "window.h"

#define HF_JOB_NAME_BYTES sizeof "holdfast 0123456789abcdef0123456789abcdef"

/* Looking who holds a key that a chunk waits for (ledger_watch.h). */
typedef struct hf_ledger_watch {
    hf_request request;
    hf_value params[3];
    char job_name[HF_JOB_NAME_BYTES];
    bool ours; /* application_name is the job's: nobody set another one */
    bool under_way;
    hf_ms at;       /* when it is time to look again */
    long told;      /* the server process that was told of last */
    uint64_t chunk; /* that waits */
} hf_ledger_watch;

typedef struct hf_job {
    const hf_options *options;
    hf_client client;
    hf_csv_in *in;
    hf_spool spool; /* of standard input */
    hf_first_pass scan;
    hf_bytes text; /* the query as it was given, */
    hf_bytes sql;  /* and with a $n for each name in it */
    hf_statement_names names;
    uint64_t rejects_max; /* --max-rejects */
    hf_replay replay;
    char *begun;    /* the dated output of an earlier day, if this run goes on with it */
    size_t *params; /* the input column of each $n */
    uint16_t n_params;
    hf_value *columns; /* the result's column names, as prepared */
    uint16_t n_columns;
    bool prepare;         /* each connection keeps the query prepared */
    bool counts;          /* the server counts the rows that the query touches */
    hf_database database; /* the database that this run is against */
    hf_inquiry inquiry;   /* a job that writes asks which incarnation of the server this is */
    bool acknowledged;    /* a write was acknowledged, in this run or an earlier one */

    hf_outputs outputs;
    hf_position_record record; /* what the position is to say: all lines that were let go */
    uint64_t head_start;       /* output bytes before the head line's */
    hf_bytes rejects_header, unknown_header;
    hf_window window;
    hf_order order;
    unsigned refusals;         /* logged in this run */
    unsigned running, n_again; /* lines RUNNING; lines READY for the second time */
    bool input_ended;
    uint64_t read_end; /* byte offset behind the last record that was read */
    bool passing;      /* the next of our lines lies far ahead: no sleep before it is found */
    uint64_t taken;    /* the last line that was taken on */

    hf_ledger_table ledger;                  /* of a job that keeps one (replay LEDGER) */
    char ledger_hash[2 * HF_HASH_BYTES + 1]; /* the job's identity, as its rows have it */
    hf_run run;                              /* that the job begins, or goes on with */
    hf_ledger_run row;                       /* the run's row */
    hf_server begun_on;    /* the server on which what is done was compared with the ledger last */
    uint32_t reconnects;   /* the client's, at that time */
    uint64_t header_bytes; /* of the output's first line */
    hf_chunks chunks;
    hf_ledger_watch watch;
    uint32_t concurrent; /* chunks under way, at most: max_concurrent, as it was given */

    hf_intents intents;   /* the intents of lines that are not safe; fd -1: not needed */
    hf_recovery recovery; /* what an earlier run's intents say */

    bool stopping; /* no more lines are taken on: failure says why */
    hf_failure failure;
    bool write_forgotten; /* the statement writes without --write, and no line was done yet */
    bool noted;           /* the position in the file is up to date */
    bool dirty;           /* something is not on the disk yet */
    hf_ms commit_at;      /* while dirty: when all shall be on the disk */
    hf_ms keep_at;        /* when what is done shall be in the files, however busy the loop is */
    hf_ms deadline;       /* --deadline */
    /* Since when the head waits for a paused line's connection; HF_NEVER: it does not. */
    hf_ms starved;
    hf_progress progress;
    hf_summary summary;
} hf_job;

/* Is a line's intent noted before it is sent (REPORT.md 25)? */
bool hf_job_notes_intents(const hf_job *job);

/* How many lines have ended, in all runs. */
uint64_t hf_job_ended(const hf_job *job);

/* The exit status that the job ends with when all lines have ended as they have by now. */
int hf_job_status(const hf_job *job);

/* Are no more lines rejected than --max-rejects allows? False: exit status 3 and the way out. */
bool hf_job_may_reject(const hf_job *job, hf_failure *failure);

/* Stops taking lines on. The first failure stays, unless a later one has a stronger exit status. */
void hf_job_stop(hf_job *job, const hf_failure *failure);

/* The server is this one now. If it is another than before, and `acknowledged` lines may be lost with the old one, the
 * summary says so. False: that was known. */
bool hf_job_server(hf_job *job, const hf_server *server, bool acknowledged);

/* Are they the columns that the query was prepared with? */
bool hf_job_same_columns(const hf_job *job, hf_columns *columns);
#define HF_COLUMNS_CHANGED                                                            \
    "the query's columns are not those it began with: something in the database was " \
    "changed"
#define HF_COLUMNS_WAY_OUT "; change it back, or start over with --restart"

/* Is the line the window's head, whose rows go straight to the file? */
bool hf_job_is_head(const hf_job *job, const hf_line *line);
/* The buffer that the line's output goes to now. */
hf_bytes *hf_job_sink(hf_job *job, hf_line *line);
/* The head's output goes straight to the file from now on, if it may: what was gathered now, further rows as they
 * come. */
void hf_job_stream(hf_job *job, hf_line *line);
/* Writing to a file failed: the job stops. */
void hf_job_output_failed(hf_job *job, const hf_outfile *file);
/* Output was added to hf_job_sink(): counts and streams it. */
void hf_job_added(hf_job *job, hf_line *line);
/* The record went further than the files: they are to be written, and made durable within a second. */
void hf_job_gained(hf_job *job);

#endif
