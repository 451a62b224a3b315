/* Who works: requests to connections. */
#ifndef HF_DISPATCH_H
#define HF_DISPATCH_H

#include "internal.h"

/* Hands queued requests to connections, and wakes further connections for what is left. */
void hf_pool_dispatch(hf_pool *pool);

#endif
