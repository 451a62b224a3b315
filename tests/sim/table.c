#include "table.h"

#include "cover.h"
#include "work.h"

/* Invariant: 0 < flushed <= next; xids below `flushed` are for ever. What `late` lists took effect after the last
 * flush. */

typedef struct cluster {
    uint8_t *log; /* by xid, from 1: a sim_xact, SIM_GIVEN if given out before a crash too */
    size_t room;
    uint32_t next, flushed, top;
    bool flush_planned;
    uint32_t *late;
    size_t late_room, n_late;
} cluster;

enum { SIM_GIVEN = 0x80 };

static cluster clusters[SIM_CLUSTERS];
static bool lazy;
static uint32_t *behind; /* took effect on the primary alone */
static size_t behind_room, n_behind;

void sim_table_reset(bool is_lazy) {
    lazy = is_lazy;
    n_behind = 0;
    for (unsigned i = 0; i < SIM_CLUSTERS; i++) {
        cluster *self = &clusters[i];
        self->next = self->flushed = self->top = 1;
        self->n_late = 0;
        self->flush_planned = false;
    }
}

static void flush(void *who, uint32_t what) {
    cluster *self = who;
    (void)what;
    self->flush_planned = false;
    self->flushed = self->next;
    self->n_late = 0;
}

void sim_table_flush(unsigned number) {
    const bool planned = clusters[number].flush_planned;
    flush(&clusters[number], 0);
    clusters[number].flush_planned = planned;
}

/* The WAL writer comes round. */
static void flush_soon(cluster *self) {
    if (!self->flush_planned)
        sim_plan_in(sim_scaled(&sim.rng, 10, 4000), flush, self, 0);
    self->flush_planned = true;
}

uint32_t sim_table_begin(unsigned number) {
    cluster *self = &clusters[number];
    const uint32_t xid = self->next++;
    self->log = sim_grow(self->log, &self->room, self->next + 1, 1);
    self->log[xid] = SIM_XACT_RUNNING | (xid < self->top ? SIM_GIVEN : 0);
    self->top = self->next > self->top ? self->next : self->top;
    flush_soon(self);
    return xid;
}

static void settle(cluster *self, uint32_t xid, sim_xact what) {
    self->log[xid] = (uint8_t)((self->log[xid] & SIM_GIVEN) | what);
}

void sim_table_commit(unsigned number, uint32_t xid, const uint32_t *tokens, unsigned n,
                      bool tainted) {
    cluster *self = &clusters[number];
    if (xid)
        settle(self, xid, SIM_XACT_COMMITTED);
    self->late = sim_grow(self->late, &self->late_room, self->n_late + n, sizeof *self->late);
    for (unsigned i = 0; i < n; i++) {
        sim_job_applied(tokens[i], tainted);
        self->late[self->n_late++] = tokens[i];
    }
    if (lazy && number == SIM_OURS)
        flush_soon(self);
    else
        sim_table_flush(number);
}

void sim_table_behind(const uint32_t *tokens, unsigned n) {
    behind = sim_grow(behind, &behind_room, n_behind + n, sizeof *behind);
    for (unsigned i = 0; i < n; i++)
        behind[n_behind++] = tokens[i];
}

void sim_table_replicated(void) {
    n_behind = 0;
}

void sim_table_promoted(void) {
    while (n_behind > 0) {
        sim_hit(SIM_SYNC_LOST);
        sim_job_lost(behind[--n_behind]);
    }
}

void sim_table_abort(unsigned number, uint32_t xid) {
    if (xid)
        settle(&clusters[number], xid, SIM_XACT_ABORTED);
}

sim_xact sim_table_status(unsigned number, uint32_t xid) {
    const cluster *self = &clusters[number];
    if (xid == 0 || xid >= self->next)
        return SIM_XACT_FUTURE;
    return (sim_xact)(self->log[xid] & ~SIM_GIVEN);
}

bool sim_table_given_again(unsigned number, uint32_t xid) {
    const cluster *self = &clusters[number];
    return xid > 0 && xid < self->next && (self->log[xid] & SIM_GIVEN);
}

void sim_table_crash(unsigned number) {
    cluster *self = &clusters[number];
    if (self->flushed < self->next)
        sim_note("xids from # on were not flushed, up to #", self->flushed, self->next, 0);
    while (self->n_late > 0) {
        sim_hit(SIM_PG_COMMIT_FORGOTTEN);
        sim_job_forgotten(self->late[--self->n_late]);
    }
    self->next = self->flushed;
}

void sim_table_others(unsigned number, unsigned n) {
    for (; n > 0; n--) {
        const uint32_t xid = sim_table_begin(number);
        if (sim_chance(&sim.rng, 700))
            sim_table_commit(number, xid, NULL, 0, false);
        else
            sim_table_abort(number, xid);
    }
}
