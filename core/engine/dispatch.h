/* The queue's way out: requests to connections that can take them. */
#ifndef HF_DISPATCH_H
#define HF_DISPATCH_H

#include "internal.h"

/* Hands queued requests to connections, and wakes idle connections for what is left. */
void hf_pool_dispatch(hf_pool *pool);
/* Puts the COMMITs that are next into tx: what hf_pool_dispatch() sends behind them travels with them. Then
 * hf_pool_write_commits() writes those that nothing was sent behind. */
void hf_pool_commit(hf_pool *pool);
void hf_pool_write_commits(hf_pool *pool);

#endif
