/* How a request ends that could not be helped, and whether it runs again. */
#ifndef HF_ENDING_H
#define HF_ENDING_H

#include "internal.h"

/* May one more re-send be counted? */
static inline bool hf_request_may_retry(const hf_pool *pool, const hf_request *request) {
    return request->retries < pool->config->max_retries; /* HF_FOREVER is never reached */
}
/* It may have run, and there is no time (left) to find out: UNKNOWN. */
HF_RARE void hf_request_unknown(hf_pool *pool, hf_request *request, const hf_error *error);
/* Ends a request because of error, which it could have got over. */
void hf_request_give_up(hf_pool *pool, hf_request *request, hf_outcome outcome,
                        const hf_error *error);

#endif
