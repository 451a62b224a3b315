/* The files of a report, and what they say about an earlier run.
 *
 *     OUTPUT.part, OUTPUT.position      until the report is complete: the lines so far, and how far they go
 *     OUTPUT, OUTPUT.done               then: the report, and that it is this job's (the last position)
 *     OUTPUT.rejects.csv, OUTPUT.unknown.csv, OUTPUT.intents     made when there is something to put in
 *     OUTPUT.shard                      of a shard: index.h
 *
 * Order (REPORT.md 24): the lines' files are synced before the position that speaks of them.
 */
#ifndef HF_OUTPUTS_H
#define HF_OUTPUTS_H

#include "index.h"
#include "outfile.h"
#include "position.h"

typedef struct hf_outputs {
    const char *output;
    char *part, *position_path, *done, *rejects_path, *unknown_path, *intents_path, *shard_path;
    hf_position position;
    hf_outfile out, rejects, unknown, shard;
    hf_index_head head;      /* a shard's, set by the caller before begin or resume */
    bool cut_short;          /* the finish of an earlier run was carried out now */
    bool replaces;           /* OUTPUT is a finished report of ours, to be replaced */
    bool new_names;          /* a file was made since the last sync of the folder */
    hf_position_record last; /* what the position file says */
} hf_outputs;

typedef enum hf_outputs_found {
    HF_OUTPUTS_FRESH,
    HF_OUTPUTS_RESUME,   /* *record says from where */
    HF_OUTPUTS_FINISHED, /* *record says how it ended */
    HF_OUTPUTS_FAILED
} hf_outputs_found;

/* What a run asks for. */
typedef struct hf_outputs_wish {
    const char *output;
    const char *position; /* NULL: beside the output */
    const hf_identity *identity;
    bool writes;  /* a repetition may have an effect */
    bool ledger;  /* which knows of each line what became of it */
    bool restart; /* whatever an earlier run left: start over */
    bool renew;   /* start over if the job is finished; one that is not is gone on with */
    bool look;    /* --dry-run: a finish that was cut short stays so */
} hf_outputs_wish;

/* Finds what an earlier run left, and changes nothing (but a finish that was cut short is carried out). */
hf_outputs_found hf_outputs_find(hf_outputs *outputs, const hf_outputs_wish *wish,
                                 hf_position_record *record, hf_failure *failure);
/* Makes and locks the position of a fresh job, with nothing in it: of two runs that begin at once one is refused. Not
 * needed before begin. */
bool hf_outputs_claim(hf_outputs *outputs, hf_failure *failure);
/* Makes the files of a fresh job; `header` is the report's first line. *record gets its output_bytes. */
bool hf_outputs_begin(hf_outputs *outputs, const hf_bytes *header, hf_position_record *record,
                      hf_failure *failure);
/* Opens the files of an earlier run, cut to the lengths in *record. */
bool hf_outputs_resume(hf_outputs *outputs, const hf_position_record *record, hf_failure *failure);
/* Opens the file of refused or unknown lines, with its header, when it is needed first. */
bool hf_outputs_need(hf_outputs *outputs, hf_outfile *file, const hf_bytes *header,
                     hf_failure *failure);

/* note: writes everything, and a position that holds until the machine goes down. commit: everything to the disk, and
 * a position that holds for good. */
bool hf_outputs_note(hf_outputs *outputs, const hf_position_record *record, hf_failure *failure);
bool hf_outputs_commit(hf_outputs *outputs, const hf_position_record *record, hf_failure *failure);
/* Everything behind the output's first line goes; *record says so already, and is durable before anything is cut. */
bool hf_outputs_restart(hf_outputs *outputs, const hf_position_record *record, hf_failure *failure);
/* After a write failed: cuts the files back to what the position says, and *record with them. False: the files cannot
 * be believed; the next run goes on from the last commit. */
bool hf_outputs_retreat(hf_outputs *outputs, hf_position_record *record);
/* The report is complete: gives it the name OUTPUT. A run that ends then goes on with hf_outputs_finish(). */
bool hf_outputs_name(hf_outputs *outputs, hf_position_record *record, int status,
                     hf_failure *failure);
/* The same, if that was not done yet, and nothing is left to do. */
bool hf_outputs_finish(hf_outputs *outputs, hf_position_record *record, int status,
                       hf_failure *failure);
/* No line was done: removes what hf_outputs_begin() made. */
void hf_outputs_discard(hf_outputs *outputs);
void hf_outputs_close(hf_outputs *outputs);

#endif
