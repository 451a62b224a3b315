/* holdfast: keeps its grip on a database connection.
 *
 * The one header that an application includes, beside its port's (linux.h, lwip.h) or the scripted port's for tests
 * (test.h). The caller owns all memory, all of a pool runs in one thread, and nothing blocks.
 *
 *     HF_POOL_MEMORY(memory, 3, 16384, 4096);
 *     hf_config config = HF_CONFIG_DEFAULT;
 *     hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, port, &error);
 *     hf_submit(pool, &query);
 *     for (;;) wait_for_event_or_until(hf_tick(pool, now()));
 *
 * Answers: a function that sets something up (hf_config_…(), hf_setting_…(), …_init(), hf_lwip_nic_open()) answers
 * true, or what it made; false or NULL is a failure, whose reason is in *error, the last argument, which may be NULL. A
 * function that runs something (hf_submit(), hf_linux_wait(), all that a port does) answers 0 or a count, or an hf_err,
 * which is negative. A function that is a question (hf_row_next(), hf_pool_closed()) answers true for yes.
 */
#ifndef HOLDFAST_H
#define HOLDFAST_H

#define HF_VERSION "0.1.0"

#include "backoff.h"
#include "config.h"
#include "error.h"
#include "fsm.h"
#include "journal.h"
#include "pool.h"
#include "request.h"
#include "value.h"

#endif
