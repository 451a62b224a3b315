/* holdfast: keeps its grip on a database connection.
 *
 * The one header of an application, beside its port's (linux.h) or the scripted one for tests (test.h). The caller
 * owns all memory; one thread; nothing blocks.
 *
 *     HF_POOL_MEMORY(memory, 3, 16384, 4096);
 *     hf_config config = HF_CONFIG_DEFAULT;
 *     hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, port, &error);
 *     hf_submit(pool, &query);
 *     for (;;) wait_for_news_or_until(hf_tick(pool, now()));
 *
 * Answers. What sets something up (hf_config_…(), hf_setting_…(), …_init(), hf_lwip_nic_open()) answers true, or
 * what it made; false or NULL is a failure, whose reason is in *error: the last argument, which may be NULL. What
 * runs (hf_submit(), hf_linux_wait(), all that a port does) answers 0 or a count, or an hf_err, which is negative. A
 * question (hf_row_next(), hf_pool_closed()) answers true for yes.
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

#endif
