/* The invariants. Each is checked when something happens, or at the end of each tick; the name that a failure prints
 * stands beside the check.
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "cover.h"
#include "net.h"
#include "work.h"

extern hf_pool *sim_pool;
extern hf_config sim_config;

/* Does the pool try no more passwords, until it is reset or loses what it has? */
static inline bool sim_passwords_used_up(void) {
    return !sim_pool->password_good && sim_pool->passwords > sim_config.connect_retries;
}

extern uint32_t sim_n_dials, sim_n_ups, sim_n_losses; /* counted from the transitions */

void sim_check_reset(void);
void sim_check_reset_ticks(void);
/* A flight is about to take effect: is there another flight of its request that may have taken effect? deferred: the
 * flight takes effect by a COMMIT in a flight of its own. */
void sim_check_handed(uint32_t flight, bool deferred);
/* The deferred COMMIT of this flight is about to be sent. */
void sim_check_commit(uint32_t flight, const sim_link *link);
/* The client asks what became of this flight. */
void sim_check_ask(uint32_t flight, const sim_link *link);
/* on_commit was called. on_restart was called. */
void sim_check_on_commit(sim_job *job, const hf_request *request);
void sim_check_restart(const sim_job *job);
/* on_commits was called. */
void sim_check_on_commits(void);
/* A request's flight begins on this link; before: the request's flight before; 0: there was none. */
void sim_check_flight(uint32_t flight, uint32_t before, const sim_link *link);
/* The connection begins to cancel the oldest request in flight. */
void sim_check_cancel_begins(const hf_conn *conn);
/* A request is sent again: may it be, if somebody else cancelled its flight before? */
void sim_check_cancelled_by_other(const sim_job *job, uint32_t before);
/* The prepared statements of the link's session take the room that they need. */
void sim_check_store(const sim_link *link);
/* The client closes or aborts this link. */
void sim_check_leaves(const sim_link *link);
/* A CancelRequest for this process was handed to a link. */
void sim_check_cancel(const sim_link *link, uint32_t pid);
/* The client has read that its login is refused for good. */
void sim_check_refused(void);
/* The client sends its proof that it knows the password. */
void sim_check_password(void);
/* The client has read that its proof is right. */
void sim_check_proven(void);
/* A login begins: its start-up message was handed to the link. */
void sim_check_login(const sim_link *link);
/* A connection's machine took a step. */
void sim_check_transition(const hf_transition *transition);
/* A request has ended: is its outcome true, as far as can be known now? */
void sim_check_done(sim_job *job, const hf_request *request);
/* A request has ended: does its error say why, and was the end not too early? */
void sim_check_why(const sim_job *job, const hf_request *request);
/* A connection asks for the address of its endpoint. */
void sim_check_resolve(unsigned conn);
/* A connection that is up has answered. sure: the connection has proved itself (SEMANTICS 5). */
void sim_check_answered(bool sure);
/* The session on this link has answered, which proves its connection (SEMANTICS 5). sure: it answered a whole request.
 */
void sim_check_proved(const sim_link *link, bool sure);
/* How long an outage may last, in ms; HF_FOREVER: there is no limit. */
uint32_t sim_longest_outage(void);
/* left.c: COMMITs without an answer. Before a run. */
void sim_check_reset_left(void);
/* The slot's request is about to be sent: may that request be, and before those that are not? */
void sim_check_send(const sim_slot *slot);
/* How many COMMITs are without an answer? To be called when a request has ended. */
unsigned sim_left_look(void);
/* After a tick: have writes waited for too long because of a COMMIT without an answer? */
void sim_check_left(void);
/* May writes end because of that? */
bool sim_left_too_long(void);
/* Has the outage, if there is one, lasted too long? */
void sim_check_outage(void);
/* A request ends because the pool has given up. */
void sim_check_given_up(const hf_error *error);
/* The connection was lost: the others that are idle must be probed before they are used. */
void sim_check_suspects(unsigned lost);
/* The client acts on a deadline: has it read what has arrived on this link? */
void sim_check_read(const sim_link *link);
/* When the client let a session's link go, bytes had arrived on it that were not read. */
extern bool sim_left_unread[];
/* When the client let a session's link go, a request on it was paused. */
extern bool sim_left_paused[];
/* When the client let a session's link go, an answer on it had left a COMMIT in doubt, and something was behind. */
extern bool sim_left_doubt[];
/* hf_pool_reset() was called. */
void sim_check_forgive(void);
/* A tick is about to run. */
void sim_check_before(void);
/* A tick was run, and has answered `promise`. */
void sim_check_tick(hf_ms promise);
/* Everything has settled: were all outcomes true in the end? */
void sim_check_end(void);
/* No fault happens from now on. */
void sim_check_heal(void);
/* The time by which everything must be over, once no fault happens any more. */
hf_ms sim_check_limit(void);

/* Are the bytes around the pool's memory unchanged? (run.c) */
bool sim_guards_intact(void);

#endif
