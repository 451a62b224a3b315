/* holdfast: keeps its grip on a database connection.
 *
 * The one header of an application, beside its port's (linux.h) or the scripted one for tests (test.h). The caller
 * owns all memory; one thread; nothing blocks.
 *
 *     HF_POOL_MEMORY(memory, 3, 16384, 4096);
 *     hf_config config = HF_CONFIG_DEFAULT;
 *     hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, port);
 *     hf_submit(pool, &query);
 *     for (;;) wait_for_news_or_until(hf_tick(pool, now()));
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
