/* What the database has in it, as far as a run cares: how often each request's writes were applied. A transaction that
 * writes has an xid, and a log says what became of each xid (pg_xact_status). An xid lasts only once it is flushed: a
 * crash before that gives the number to somebody else's transaction.
 *
 * There are two databases, each with its own xids: ours, and another that a pooler leads to by mistake.
 */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include "world.h"

enum { SIM_OURS, SIM_FOREIGN, SIM_CLUSTERS };

typedef enum sim_xact {
    SIM_XACT_RUNNING,
    SIM_XACT_COMMITTED,
    SIM_XACT_ABORTED,
    SIM_XACT_FUTURE /* the number was not given out yet */
} sim_xact;

/* Empties both. lazy: commits are answered before they are flushed (synchronous_commit = off). */
void sim_table_reset(bool lazy);
uint32_t sim_table_begin(unsigned cluster);
/* All of the transaction's writes take effect at once. tainted: a bit was flipped on its link. */
void sim_table_commit(unsigned cluster, uint32_t xid, const uint32_t *tokens, unsigned n,
                      bool tainted);
/* These requests' writes took effect here, and not on the standby. */
void sim_table_behind(const uint32_t *tokens, unsigned n);
/* The standby has all writes, too. */
void sim_table_replicated(void);
/* The standby becomes the primary: writes that it did not have are lost. */
void sim_table_promoted(void);
void sim_table_abort(unsigned cluster, uint32_t xid);
sim_xact sim_table_status(unsigned cluster, uint32_t xid);
/* Was this number given out before a crash, and again after it? */
bool sim_table_given_again(unsigned cluster, uint32_t xid);
/* The database stops in good order, with all flushed. */
void sim_table_flush(unsigned cluster);
/* The database crashes: what was not flushed is lost. No session of the database may be left. */
void sim_table_crash(unsigned cluster);
/* Somebody else's transactions come and go. */
void sim_table_others(unsigned cluster, unsigned n);

#endif
