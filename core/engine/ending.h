/* Requests that end without an answer that settles them: UNKNOWN, or given up. */
#ifndef HF_ENDING_H
#define HF_ENDING_H

#include "internal.h"

/* Has the request a re-send left (max_retries)? */
static inline bool hf_request_may_retry(const hf_pool *pool, const hf_request *request) {
    return request->retries < pool->config->max_retries; /* HF_FOREVER is never reached */
}
/* The time, in ms, for which the server may be asked about a COMMIT: request_timeout, or max_outage where that is
 * none. */
uint32_t hf_asking_time(const hf_pool *pool);
/* The server was asked about the request's COMMIT for that long: error becomes a time-out, and keeps its message. */
void hf_asked_enough(const hf_pool *pool, const hf_request *request, hf_error *error);
/* Ends a request that may have run, and that there is no time left to ask about: UNKNOWN. error: why, copied. */
HF_COLD void hf_request_unknown(hf_pool *pool, hf_request *request, const hf_error *error);
/* Ends a request because of error (copied), which another attempt could have got over: the limit that ruled it out is
 * added. */
void hf_request_give_up(hf_pool *pool, hf_request *request, hf_outcome outcome,
                        const hf_error *error);

#endif
