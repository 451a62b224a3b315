/* Which database a job runs against: asked of the server once, at its start (SEMANTICS 27).
 *
 * Its identity is the system identifier that initdb gave the server (PostgreSQL docs 9.27, "Control Data
 * Functions": a standby has its primary's) and the database's name. Host and user are told beside it: a job
 * may go on by way of another host.
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

#endif
