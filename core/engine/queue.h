/* Requests: their queue, their waits, their ends.
 *
 * A request that is ours (HF_REQUEST_IN) is in exactly one place: pool->queue, pool->waiting, or the flight of
 * request->conn. It leaves by hf_request_end(), once.
 */
#ifndef HF_QUEUE_H
#define HF_QUEUE_H

#include "internal.h"

void hf_queue_push_front(hf_queue *queue, hf_request *request);
void hf_queue_remove(hf_queue *queue, hf_request *request);
/* Behind all others. */
static inline void hf_queue_push(hf_queue *queue, hf_request *request) {
    request->next = NULL;
    request->prev = queue->tail;
    if (queue->tail) {
        queue->tail->next = request;
    } else {
        queue->head = request;
    }
    queue->tail = request;
}
/* Takes the head out; there is one. */
static inline hf_request *hf_queue_take(hf_queue *queue) {
    hf_request *request = queue->head;
    queue->head = request->next;
    if (queue->head) {
        queue->head->prev = NULL;
    } else {
        queue->tail = NULL;
    }
    request->next = NULL;
    return request;
}

/* Back to the head of the queue; tells on_restart if rows were delivered. */
void hf_request_requeue(hf_pool *pool, hf_request *request);
/* The request waits by itself for delay_ms, then goes to the head of the queue. */
void hf_request_wait(hf_pool *pool, hf_request *request, uint32_t delay_ms);
/* The request is over, in no queue any more: on_done. error may be request->error itself or NULL. */
void hf_request_end(hf_pool *pool, hf_request *request, hf_outcome outcome, const hf_error *error);
/* What a request is told that ends while no attempt of it is under way: NOT_SENT, FAILED if one was undone by
 * the server, UNKNOWN if one may have run. */
hf_outcome hf_request_unsent(const hf_request *request);
/* The same as facts of a verdict: HF_FACT_MAYBE_RAN, HF_FACT_RAN_BEFORE. */
uint32_t hf_request_past(const hf_request *request);
/* Ends a request that is queued or waiting, with that. */
void hf_request_drop(hf_pool *pool, hf_request *request, const hf_error *error);
/* Ends every request that is queued or waiting. */
void hf_pool_drop_all(hf_pool *pool, const hf_error *error);
/* The timer of a request that is queued or waiting is due: it was cancelled, is out of time, or its wait is over. */
void hf_request_due(hf_pool *pool, hf_request *request);
/* Arms the request's timer for the next of these. */
void hf_request_arm(hf_pool *pool, hf_request *request);
/* The request's COMMIT does not wait for a synchronous standby, or not any more. */
void hf_request_hangs_no_more(hf_pool *pool, hf_request *request);

#endif
