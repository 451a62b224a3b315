/* The report's run: lines in, statements under way, answers put into order, files kept in step.
 *
 *     job.c       the loop: takes lines on, lets finished ones go, keeps the files durable
 *     answers.c   what a statement's answer does to its line (the request's callbacks)
 */
#ifndef HF_JOB_H
#define HF_JOB_H

#include "client.h"
#include "database.h"
#include "fates.h"
#include "intents.h"
#include "outputs.h"
#include "progress.h"
#include "scan.h"
#include "summary.h"
#include "window.h"

typedef struct hf_job {
    const hf_options *options;
    hf_client client;
    hf_csv_in *in;
    hf_scan scan;
    hf_bytes sql;
    hf_replay replay;
    size_t *params; /* the input column of each $n */
    uint16_t n_params;
    hf_value *columns; /* the result's names, as prepared */
    uint16_t n_columns;
    bool prepare;         /* the query is kept prepared on each connection */
    bool counts;          /* the server says of it how many rows it touched */
    hf_database database; /* which this run is against */
    hf_inquiry inquiry;   /* of a job that writes: which incarnation of the server */
    bool acknowledged;    /* a write was, in this run or an earlier one */

    hf_outputs outputs;
    hf_position_record record; /* the lines that were let go */
    uint64_t head_start;       /* output bytes before the head line's */
    hf_bytes rejects_header, unknown_header;
    hf_window window;
    unsigned refusals;         /* told in this run */
    unsigned running, n_again; /* lines RUNNING; lines READY once more */
    bool input_ended;
    uint64_t taken; /* the last line that was taken on */

    hf_intents intents; /* of lines that are not safe; fd -1: not needed */
    hf_fates fates;     /* what an earlier run's say */

    bool stopping; /* failure says why */
    hf_failure failure;
    bool write_forgotten; /* found before any line was done */
    bool noted;           /* the position in the file is up to date */
    bool dirty;           /* something is not on the disk yet */
    hf_ms commit_at;      /* when it shall be; while dirty */
    hf_ms keep_at;        /* when what is done shall be in the files, however much is going on */
    hf_ms deadline;       /* --deadline */
    hf_ms starved;        /* since when the head waits for what paused lines hold; HF_NEVER: no */
    hf_progress progress;
    hf_summary summary;
} hf_job;

/* Runs until all lines are done, or something stops the job (failure). The files are then in step. */
void hf_job_run(hf_job *job);
/* Lines that ended, in all runs. */
uint64_t hf_job_ended(const hf_job *job);

/* Stops taking lines on; the first reason stays, unless a later one has a stronger exit status. */
void hf_job_stop(hf_job *job, const hf_failure *failure);

/* The server is this one now: what that says of lines acknowledged before, if any were, is told. */
void hf_job_server(hf_job *job, const hf_server *server, bool acknowledged);

/* Is the line the one whose rows go straight to the file? */
bool hf_job_is_head(const hf_job *job, const hf_line *line);
/* Where the line's output goes now. */
hf_bytes *hf_job_sink(hf_job *job, hf_line *line);
/* Something was added to it. */
void hf_job_added(hf_job *job, hf_line *line);

/* answers.c: makes the line's request and submits it. */
void hf_answers_submit(hf_job *job, hf_line *line);
/* Gathers the intent of a line whose COMMIT is under way. */
void hf_answers_note_commit(hf_job *job, const hf_line *line);

#endif
