#include "table.h"

#include "work.h"

static uint8_t *log_of; /* by xid, from 1 on */
static size_t room;
static uint32_t n_xids;

void sim_table_reset(void) {
    n_xids = 0;
}

uint32_t sim_table_begin(void) {
    log_of = sim_grow(log_of, &room, n_xids + 2, 1);
    log_of[++n_xids] = SIM_XACT_RUNNING;
    return n_xids;
}

void sim_table_commit(uint32_t xid, const uint32_t *tokens, unsigned n, bool tainted) {
    if (xid)
        log_of[xid] = SIM_XACT_COMMITTED;
    for (unsigned i = 0; i < n; i++)
        sim_job_applied(tokens[i], tainted);
}

void sim_table_abort(uint32_t xid) {
    if (xid)
        log_of[xid] = SIM_XACT_ABORTED;
}

sim_xact sim_table_status(uint32_t xid) {
    return xid == 0 || xid > n_xids ? SIM_XACT_ABORTED : (sim_xact)log_of[xid];
}
