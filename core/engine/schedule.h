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
/* May the connection log in now? One does at a time, so that credentials refused to one are not tried by another. */
bool hf_pool_may_log_in(const hf_pool *pool, const hf_conn *conn);
/* A login is over: connections that wait for their turn to log in are served. */
void hf_pool_logged_in(hf_pool *pool);
/* Has a password been sent as often as connect_retries allows, and no server said that it is right? A server that
 * refuses without a reason then locks no account. */
bool hf_pool_passwords_used_up(const hf_pool *pool);
/* A random part of the jitter, in ms: 0 up to jitter_percent of retry_delay. */
uint32_t hf_pool_spread(hf_pool *pool);

#endif
