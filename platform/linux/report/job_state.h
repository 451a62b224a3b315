/* What a report's run knows, and what both its loop (job.c) and a statement's answer (answers.c) do to it. */
#ifndef HF_JOB_STATE_H
#define HF_JOB_STATE_H

#include "client.h"
#include "database.h"
#include "first_pass.h"
#include "intents.h"
#include "outputs.h"
#include "progress.h"
#include "recovery.h"
#include "standard.h"
#include "summary.h"
#include "window.h"

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
    bool passing;   /* the next of our lines lies far ahead: no sleep before it is found */
    uint64_t taken; /* the last line that was taken on */

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

/* How many lines have ended, in all runs. */
uint64_t hf_job_ended(const hf_job *job);

/* Are no more lines rejected than --max-rejects allows? False: exit status 3 and the way out. */
bool hf_job_may_reject(const hf_job *job, hf_failure *failure);

/* Stops taking lines on. The first failure stays, unless a later one has a stronger exit status. */
void hf_job_stop(hf_job *job, const hf_failure *failure);

/* The server is this one now. If it is another than before, and `acknowledged` lines may be lost with the old one, the
 * summary says so. False: that was known. */
bool hf_job_server(hf_job *job, const hf_server *server, bool acknowledged);

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
