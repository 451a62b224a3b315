/* Requests outside a flight: queued, waiting for a time of their own, ended.
 *
 * A request that is the pool's (HF_REQUEST_IN) is in exactly one place: pool->queue, pool->waiting, or the flight of
 * request->conn. It leaves by hf_request_end(), once.
 */
#ifndef HF_QUEUE_H
#define HF_QUEUE_H

#include "internal.h"

void hf_queue_push_front(hf_queue *queue, hf_request *request);
void hf_queue_remove(hf_queue *queue, hf_request *request);
/* Appends the request. */
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
/* Takes the head out. The queue must not be empty. */
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

/* Puts a request that is in no queue at the queue's head; on_restart if rows were delivered. */
void hf_request_requeue(hf_pool *pool, hf_request *request);
/* A request that is in no queue waits for delay_ms, then goes to the queue's head. */
void hf_request_wait(hf_pool *pool, hf_request *request, uint32_t delay_ms);
/* The request's COMMIT was left without an answer, so that it may hang, and the server is asked about it. Until
 * hf_commit_known() is called of all that were left, no write is sent (SEMANTICS 16). */
void hf_commit_left(hf_pool *pool, hf_request *request);
/* A question about a COMMIT that was left is in flight. The first one starts the time for which writes are held. */
void hf_commit_asked(hf_pool *pool);
/* What became of the request's COMMIT is known, or nobody will know. When no other COMMIT is left, the held writes go
 * to the queue's head: those that were sent or asked about before, and then the others, both in their order. */
void hf_commit_known(hf_pool *pool, hf_request *request);
/* Must the request be held? So must a write while a COMMIT is left; a SAFE request counts as a read. */
static inline bool hf_request_must_wait(const hf_pool *pool, const hf_request *request) {
    return HF_WITH_RESOLVE && pool->left > 0 && request->replay != HF_REPLAY_SAFE &&
           !request->prepare_only && !hf_asks(request);
}
/* Holds the queue's head, which then waits in pool->waiting behind the writes that are held there. All end when they
 * were held for too long. */
void hf_queue_hold(hf_pool *pool);
/* Have writes been held for too long: has max_outage passed since the first question? */
bool hf_pool_holds_too_long(const hf_pool *pool);
/* Leaves no tag with the request: its own is not known, or it is not OK. */
static inline void hf_request_untag(const hf_request *request) {
#if HF_WITH_VALUES
    if (request->tag) {
        request->tag[0] = 0;
    }
#else
    (void)request;
#endif
}
/* Ends a request that is in no queue: on_done, which may submit it again. error is copied; NULL or request->error
 * itself leave what is there. */
void hf_request_end(hf_pool *pool, hf_request *request, hf_outcome outcome, const hf_error *error);
/* The outcome of a request that ends while no attempt of it is under way: NOT_SENT; FAILED if the server undid an
 * earlier attempt; UNKNOWN if one may have run. */
hf_outcome hf_request_unsent(const hf_request *request);
/* A request's earlier attempts as facts of a verdict: HF_FACT_MAYBE_RAN, HF_FACT_RAN_BEFORE. */
uint32_t hf_request_past(const hf_request *request);
/* Ends a request that is queued or waiting, with hf_request_unsent() as its outcome. */
void hf_request_drop(hf_pool *pool, hf_request *request, const hf_error *error);
/* Ends every request that is queued or waiting. */
void hf_pool_drop_all(hf_pool *pool, const hf_error *error);
/* The timer of a request that is queued or waiting is due: the request was cancelled, its deadline has passed, its
 * wait is over, or it was held for too long. */
void hf_request_due(hf_pool *pool, hf_request *request);
/* Arms the request's timer: for now if it was cancelled, else for its deadline or the end of its wait. */
void hf_request_arm(hf_pool *pool, hf_request *request);

#endif
