/* The queue's way out: requests to connections that can take them. */
#ifndef HF_DISPATCH_H
#define HF_DISPATCH_H

#include "internal.h"

/* Hands queued requests to connections, and wakes idle connections for what is left. */
void hf_pool_dispatch(hf_pool *pool);

#endif
