/* The invariants. Each is asked for when something happens, or at the end of each tick; the name that a failure
 * prints stands beside each check.
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "cover.h"
#include "net.h"
#include "work.h"

extern hf_pool *sim_pool;
extern hf_config sim_config;

extern uint32_t sim_n_dials, sim_n_ups, sim_n_losses; /* as the transitions tell */

void sim_check_reset(void);
void sim_check_reset_ticks(void);
/* A flight is about to take effect: is there another flight of its request that may have taken effect? deferred: the
 * flight takes effect by a COMMIT in a flight of its own. */
void sim_check_handed(uint32_t flight, bool deferred);
/* The deferred COMMIT of this flight is about to be sent. */
void sim_check_commit(uint32_t flight, const sim_link *link);
/* It is asked what became of this flight. */
void sim_check_ask(uint32_t flight, const sim_link *link);
/* on_commit was called; on_restart was. */
void sim_check_on_commit(sim_job *job, const hf_request *request);
void sim_check_restart(const sim_job *job);
/* A request's flight begins on this link; before: its last one, 0 none. */
void sim_check_flight(uint32_t flight, uint32_t before, const sim_link *link);
/* This connection begins to cancel its oldest. */
void sim_check_cancel_begins(const hf_conn *conn);
/* A request goes out again: may it, when somebody cancelled the flight before? */
void sim_check_foreign(const sim_job *job, uint32_t before);
/* The prepared statements of the link's session take the room that they need. */
void sim_check_store(const sim_link *link);
/* The client closes or drops this link. */
void sim_check_leaves(const sim_link *link);
/* A CancelRequest for this process was handed to a link. */
void sim_check_cancel(const sim_link *link, uint32_t pid);
/* The client has read that its login is refused for good. */
void sim_check_refused(void);
/* The client proves that it knows the password; it has read that it does. */
void sim_check_password(void);
void sim_check_proven(void);
/* A login begins: its start-up message was handed to the link. */
void sim_check_login(const sim_link *link);
/* The machine moved. */
void sim_check_transition(const hf_transition *transition);
/* A request has ended: is what it was told true, as far as can be known now? */
void sim_check_done(sim_job *job, const hf_request *request);
/* … and was it told why, and not too early? */
void sim_check_why(const sim_job *job, const hf_request *request);
/* A connection asks for the address of its endpoint. */
void sim_check_resolve(unsigned conn);
/* Something was answered on a connection that is up. sure: it has proved itself. */
void sim_check_answered(bool sure);
/* The session on this link has answered: its connection has proved itself. sure: a request, whole. */
void sim_check_proved(const sim_link *link, bool sure);
/* How long an outage may last, in ms; HF_FOREVER. */
uint32_t sim_longest_outage(void);
/* How many commits wait for a synchronous standby, as far as the client can know. */
unsigned sim_n_hanging(bool client);
/* Has the outage, if there is one, lasted too long? */
void sim_check_outage(void);
/* A request is told that it was given up. */
void sim_check_given_up(const hf_error *error);
/* This connection was lost: the idle others must be looked at before they are used. */
void sim_check_suspects(unsigned lost);
/* A deadline is judged: has the client read what has arrived on this link? */
void sim_check_read(const sim_link *link);
/* Of a session's link that was let go: bytes had arrived and were not read. */
extern bool sim_left_unread[];
/* … or a request on it had said HF_PAUSE. */
extern bool sim_left_paused[];
/* hf_pool_reset() was called. */
void sim_check_forgive(void);
/* Before a tick. */
void sim_check_before(void);
/* After a tick that answered `promise`. */
void sim_check_tick(hf_ms promise);
/* Everything has settled: was what was told true in the end? */
void sim_check_end(void);
/* From now on all is well. */
void sim_check_heal(void);
/* When at the latest everything must be over after healing. */
hf_ms sim_check_limit(void);

/* run.c: are the bytes around the pool's memory what they were? */
bool sim_guards_intact(void);

#endif
