/* What the database holds, as far as a run cares: how often each request's writes were applied. A transaction
 * that writes has an xid, and the log says what became of each (pg_xact_status).
 */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include "world.h"

typedef enum sim_xact { SIM_XACT_RUNNING, SIM_XACT_COMMITTED, SIM_XACT_ABORTED } sim_xact;

void sim_table_reset(void);
uint32_t sim_table_begin(void);
/* All of the transaction's writes take effect at once. tainted: who knows what was sent. */
void sim_table_commit(uint32_t xid, const uint32_t *tokens, unsigned n, bool tainted);
void sim_table_abort(uint32_t xid);
/* SIM_XACT_ABORTED for one that never was. */
sim_xact sim_table_status(uint32_t xid);

#endif
