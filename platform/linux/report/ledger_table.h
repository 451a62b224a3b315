/* The table of a report's ledger, and what is asked of it (REPORT.md 36, 37, 43; LEDGER.md is for those who run it).
 *
 * One table holds both kinds of rows: a run's own (chunk 0) and those of the chunks of its input (1, 2 …). The name is
 * resolved once, to schema and table; each text below names them in quotes, so that no search_path and no temporary
 * table can put another one in their place. Whatever is asked here may be asked again: each request is HF_REPLAY_SAFE,
 * wherever its answer was lost. `timeout_ms` is that of a request, 0: none.
 */
#ifndef HF_LEDGER_TABLE_H
#define HF_LEDGER_TABLE_H

#include "base/bytes.h"
#include "client.h"

#define HF_LEDGER_NAME   "holdfast_ledger" /* of the table, when nobody gives it one */
#define HF_LEDGER_RIGHTS "SELECT, INSERT, UPDATE, DELETE" /* that a report needs on it */

/* What a chunk's insert and find have for key values: $1 run, $2 chunk, $3 the incarnation on which the run's chunks
 * were counted last (NULL: it is not compared), $4 what is kept at once (NULL: nothing is, or it is kept by `keep`). */
enum { HF_LEDGER_RUN, HF_LEDGER_CHUNK, HF_LEDGER_INCARNATION, HF_LEDGER_KEPT, HF_LEDGER_KEYS };

typedef struct hf_ledger_table {
    char *given;        /* the name as the user gave it */
    char *name;         /* schema and table, quoted where SQL needs it: for messages */
    char *quoted;       /* schema and table, quoted whatever they are: for texts */
    uint32_t oid;       /* 0: not known yet */
    bool missing;       /* the server says that there is no such table */
    const char *rights; /* as hf_ledger_table_open() was told */
    const char *
        incarnation_sql; /* one text, on a primary; NULL: the server does not tell, or nobody wants to know */
    uint8_t variant[2]; /* which of what stands for a part of the check the server knows */
    char incarnation[HF_TICKET_BYTES]; /* as of the last check; "": the server does not tell */
    /* The texts that hf_request.ledger takes. A run that is not open, or whose chunks were counted on another
     * incarnation, makes the insert fail with 23502 (not_null_violation): no key, no effect. Both are of the same
     * texts, and live as long as the table does. */
    hf_ledger ledger; /* what a chunk keeps, if anything, is $4 of its insert: one flight */
    hf_ledger keeps;  /* hf_request.kept is kept with the key, before the COMMIT */
    char *insert, *find, *keep; /* of those two */
} hf_ledger_table;

/* Is it a table's name, TABLE or SCHEMA.TABLE as SQL writes them? False: exit status 1. Nothing is asked. */
bool hf_ledger_table_named(const char *name, hf_failure *failure);
/* The statement that makes the table, over several lines and without a semicolon. The name must be one. */
void hf_ledger_table_ddl(const char *name, hf_bytes *to);

/* Resolves the name and checks the table (rule 43). rights: what is needed of HF_LEDGER_RIGHTS, kept; with more than
 * "SELECT" a standby's answer is none, the incarnation is asked for, and what a key takes is tried, without writing.
 * False: why; where the table is at fault exit status 1, with the DDL or the GRANT that mends it; so it is where the
 * server cannot do what a ledger takes. The table must be freed even so. */
bool hf_ledger_table_open(hf_ledger_table *table, hf_client *client, const char *name,
                          const char *rights, uint32_t timeout_ms, hf_failure *failure);
/* Checks it again, and notes the incarnation anew: for each new one. Another table in its place is exit status 3. */
bool hf_ledger_table_check(hf_ledger_table *table, hf_client *client, uint32_t timeout_ms,
                           hf_failure *failure);
void hf_ledger_table_free(hf_ledger_table *table);

/* Runs one request to its end, HF_REPLAY_SAFE; the rest of it is the caller's. False: why it has no answer, or what the
 * server refused (request->error). */
bool hf_ledger_ask(const hf_ledger_table *table, hf_client *client, hf_request *request,
                   uint32_t timeout_ms, hf_failure *failure);

#endif
