/* The ledger's table (HF_REPLAY_LEDGER): a unique key for each request, held by the transaction that inserts it until
 * that ends; and what a request that goes by it may be told (SEMANTICS 48, REPORT.md 46).
 *
 * A key is a write as every other is: what a crash forgets and what a promotion loses of those, it loses of keys. So a
 * write stands in the survivor's table exactly if its key does.
 */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "backend.h"
#include "work.h"

/* sim_portal.kind, beside those of ticket.h. */
enum {
    SIM_LEDGER_SETS = 4, /* its session's time-outs, of no interest here */
    SIM_LEDGER_INSERTS = 5,
    SIM_LEDGER_FINDS = 6
};

/* The mark of a key among the tokens that a transaction writes for. */
#define SIM_KEY 0x80000000u

/* Are some of this seed's writes a ledger's? Those from here on, so that all before are as they were. */
enum { SIM_LEDGER_SEEDS = 1000001 };
static inline bool sim_has_ledger(void) {
    return HF_WITH_LEDGER && sim.seed >= SIM_LEDGER_SEEDS;
}
/* Is this a run of reads, which share a Sync? */
static inline bool sim_has_groups(void) {
    return HF_WITH_GROUPS && !sim_has_ledger() && sim.seed % 5 == 2;
}
static inline bool sim_is_ledger(const sim_job *job) {
    return job->replay == HF_REPLAY_LEDGER;
}

void sim_ledger_reset(void);
/* Which of the ledger's statements this text is; 0 none. */
unsigned sim_ledger_kind(const char *sql);
/* What becomes of a transaction's key. */
void sim_ledger_committed(uint32_t token);
void sim_ledger_undone(uint32_t token);
/* Something in between says that the key is there, and does not know. */
void sim_ledger_made_up(uint32_t token);
/* The statement of one of those kinds was executed; kind INSERTS may have to wait: then it is executed again. */
void sim_ledger_executed(sim_backend *backend);

/* The application: the request is to go by the ledger. */
void sim_ledger_asked_for(hf_request *request, sim_slot *slot);

/* An UNKNOWN one is submitted again. */
void sim_ledger_again(void);
/* Prints how often what is a ledger's was met; false if something never was. Nothing for seeds without one. */
bool sim_ledger_print_cover(void);

void sim_ledger_check_done(const sim_job *job, const hf_request *request);
void sim_ledger_check_end(uint32_t token);

#endif
