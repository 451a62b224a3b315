/* Which database a job runs against: asked of the server once, at its start (REPORT.md 27). And, for a job that
 * writes, which incarnation of the server: asked again and again (REPORT.md 35).
 *
 * The database's identity is the system identifier that initdb gave the server (PostgreSQL docs 9.27, "Control Data
 * Functions": a standby has its primary's) and the database's name. Host and user are told beside it: a job
 * may go on by way of another host.
 *
 * The incarnation is what a ticket names: system identifier, timeline, start of the server, start of its statistics.
 * When it is another one, what was acknowledged before may be missing: a standby that was promoted had not all of it,
 * a crash lost what was not flushed (synchronous_commit = off), or emptied an UNLOGGED table. It is asked for at the
 * start, after each reconnect, and at the end, for behind a pooler our link lives on when the server is restarted.
 */
#ifndef HF_DATABASE_H
#define HF_DATABASE_H

#include "base/bytes.h"
#include "client.h"
#include "position.h"

/* Asks. A server that does not tell its system identifier (no right to ask, no such function) is known by the
 * database's name alone, and the log says so. False: why; `what` says what for. */
bool hf_database_ask(hf_client *client, const char *what, uint32_t timeout_ms,
                     hf_database *database, hf_failure *failure);
/* May the job that was begun against `begun` go on against `now`? What cannot be told is a warning. False: exit
 * status 3, naming both. */
bool hf_database_same(const hf_database *begun, const hf_database *now, const char *part,
                      hf_failure *failure);
/* `database "shop" (system 7301…) at db1:5432 as app`; nothing when it was not noted. */
void hf_database_text(const hf_database *database, hf_bytes *to);

/* Did the server tell? */
static inline bool hf_server_known(const hf_server *server) {
    return server->started != 0;
}
/* Reads "system/timeline/started/reset", as a ticket has it behind its space. False: it is none. */
bool hf_server_read(const char *text, hf_server *server);
#define HF_SERVER_HOW_BYTES 64
/* Is it another incarnation? `how` becomes what changed. What only one of them tells is no difference. */
bool hf_server_changed(const hf_server *was, const hf_server *is, char how[HF_SERVER_HOW_BYTES]);

/* The question, asked time and again. All zero: it never is. */
typedef struct hf_inquiry {
    hf_client *client;
    const char *sql;     /* NULL: it is not asked, or not any more: the server cannot answer it */
    hf_server server;    /* the last answer; not known: a standby's, or there is none */
    bool acknowledged;   /* had a write been when that answer's question was asked? */
    bool under_way;      /* request is the pool's */
    bool overtaken;      /* its answer may be older than what is known: it does not count */
    uint32_t reconnects; /* the client's, when it was asked last */
    hf_server answer;    /* to request; that to last goes into server */
    hf_request request, last; /* of the job's course; of its end */
} hf_inquiry;

/* Asks at the job's start, as hf_database_ask() does. That the server cannot tell is said in the log. */
bool hf_inquiry_begin(hf_inquiry *inquiry, hf_client *client, const hf_database *database,
                      const char *what, uint32_t timeout_ms, hf_failure *failure);
/* Called before each tick: asks after a reconnect, waits for nothing. True: there is an answer. `acknowledged`: has a
 * write been by now? */
bool hf_inquiry_turn(hf_inquiry *inquiry, bool acknowledged);
/* The server became known by another way: a question that is under way is asked again instead of believed. */
void hf_inquiry_overtake(hf_inquiry *inquiry);
/* Asks at the job's end, when none of its statements is under way, until `until` at the latest. False: why there is no
 * answer. The client must be closed before the inquiry's memory goes. */
bool hf_inquiry_end(hf_inquiry *inquiry, hf_ms until, char *why, size_t size);

#endif
