/* Who dials, and when (SEMANTICS 5, 6).
 *
 * While no connection is usable one alone dials, on the outage's schedule; the others ask again later. Once one is up
 * the others follow, spread by jitter. A dial that fails while others are usable goes by that connection's own
 * schedule.
 */
#ifndef HF_SCHEDULE_H
#define HF_SCHEDULE_H

#include "internal.h"

/* A usable connection was lost, or a dial failed: how many ms this connection stays in BACKOFF. */
uint32_t hf_pool_lost(hf_conn *conn);
/* May the connection dial now? */
bool hf_pool_may_dial(hf_conn *conn);
/* When a connection that may not dial yet is to ask again. */
hf_ms hf_pool_retry_at(const hf_pool *pool);
/* The connection's backoff is over, but as many dial as may at once: the connection dials when one of those is done. */
void hf_pool_wait_to_dial(hf_conn *conn);
/* A connection whose turn to dial has come, or NULL. */
hf_conn *hf_pool_next_to_dial(hf_pool *pool);
/* The connection went from one state to another: the pool's account of states. */
void hf_pool_moved(hf_conn *conn, hf_state from, hf_state to);
/* May the connection log in now? One does at a time, so that credentials refused to one are not tried by another. If
 * not, the connection is served when its turn has come. */
bool hf_pool_may_log_in(hf_conn *conn);
/* The connection does not log in any more, or will not: if it had the turn, another one has it now, and is served. */
void hf_pool_log_in_over(hf_conn *conn);
/* Has a password been sent as often as connect_retries allows, and no server said that it is right? A server that
 * refuses without a reason then locks no account. */
bool hf_pool_passwords_used_up(const hf_pool *pool);
/* A random part of the jitter, in ms: 0 up to jitter_percent of retry_delay. */
uint32_t hf_pool_spread(hf_pool *pool);

#endif
