/* Who dials, and when.
 *
 * While no connection is usable one alone dials, on the outage's schedule; the others ask again later. Once
 * one is up the others follow, spread by jitter. A dial that fails while others are usable goes by that
 * connection's own schedule.
 */
#ifndef HF_SCHEDULE_H
#define HF_SCHEDULE_H

#include "internal.h"

/* A usable connection was lost, or a dial failed: how long this connection waits. */
uint32_t hf_pool_lost(hf_conn *conn);
/* May the connection dial now? */
bool hf_pool_may_dial(hf_conn *conn);
/* When a connection that may not dial yet asks again. */
hf_ms hf_pool_retry_at(const hf_pool *pool);
/* May it log in now? One at a time, so that what was refused to one is never tried by another too. */
bool hf_pool_may_log_in(const hf_pool *pool, const hf_conn *conn);
/* Nobody logs in any more: those that wait for it ask again. */
void hf_pool_logged_in(hf_pool *pool);
/* Has a password been sent as often as it may be, and nobody has said that it is right? No account is locked out by a
 * refusal that names no reason. */
bool hf_pool_passwords_spent(const hf_pool *pool);
/* A random share of the jitter. */
uint32_t hf_pool_spread(hf_pool *pool);

#endif
