/* Requests: their queue, their waits, their ends.
 *
 * A request that is ours (HF_REQUEST_IN) is in exactly one place: pool->queue, pool->waiting, or the flight
 * of request->conn. It leaves by hf_request_end(), once.
 */
#include "engine.h"

#include <string.h>

void hf_queue_push_front(hf_queue *queue, hf_request *request) {
    request->prev = NULL;
    request->next = queue->head;
    if (queue->head) {
        queue->head->prev = request;
    } else {
        queue->tail = request;
    }
    queue->head = request;
}

void hf_queue_remove(hf_queue *queue, hf_request *request) {
    if (request->prev) {
        request->prev->next = request->next;
    } else {
        queue->head = request->next;
    }
    if (request->next) {
        request->next->prev = request->prev;
    } else {
        queue->tail = request->prev;
    }
    request->next = request->prev = NULL;
}

void hf_request_arm(hf_pool *pool, hf_request *request) {
    hf_ms at = request->deadline;
    if (request->flags & HF_REQUEST_WAITING && request->not_before < at) {
        at = request->not_before;
    }
    if (request->flags & HF_REQUEST_CANCEL) {
        at = pool->now;
    }
    hf_heap_set(&pool->heap, &request->timer, at);
}

/* The rows of the attempt that is over count no longer, unless what is asked next is whether they do. */
static void start_over(hf_request *request) {
    request->conn = NULL;
    if (hf_stage_of(request) != HF_STAGE_ASK) {
        if (request->n_rows > 0 && request->on_restart) {
            request->on_restart(request);
        }
        request->n_rows = 0;
        request->affected = 0;
        request->stage = HF_STAGE_RUN;
        request->held = request->bound = request->unconfirmed = false;
    }
    request->fate = HF_FATE_NONE;
    request->flags &= (uint16_t) ~(HF_REQUEST_ROWS_LOST | HF_REQUEST_GRACE);
    request->error = (hf_error){ 0 };
}

static void to_head(hf_pool *pool, hf_request *request) {
    hf_queue_push_front(&pool->queue, request);
    pool->n_queued++;
    hf_request_arm(pool, request);
}

void hf_request_requeue(hf_pool *pool, hf_request *request) {
    start_over(request);
    to_head(pool, request);
}

void hf_request_wait(hf_pool *pool, hf_request *request, uint32_t delay_ms) {
    start_over(request);
    request->flags |= HF_REQUEST_WAITING;
    request->not_before = pool->now + delay_ms;
    hf_queue_push(&pool->waiting, request);
    pool->n_queued++;
    hf_request_arm(pool, request);
}

void hf_request_end(hf_pool *pool, hf_request *request, hf_outcome outcome, const hf_error *error) {
    HF_ASSERT((request->flags & HF_REQUEST_IN) && outcome != HF_OUTCOME_PENDING);
    if (request->timer.armed) {
        hf_heap_remove(&pool->heap, &request->timer);
    }
    if (error && error != &request->error) {
        request->error = *error;
    }
    if (outcome != HF_OUTCOME_OK) {
        request->affected = 0;
    } else if (request->error.code != HF_OK) {
        request->error = (hf_error){ 0 };
    }
    if (HF_WITH_RESOLVE && (request->flags & (HF_REQUEST_HANGS | HF_REQUEST_LEFT))) {
        hf_resolve_hangs_no_more(pool, request);
    }
    if (request->unconfirmed) {
        pool->unconfirmed++;
    }
    hf_ms took = pool->now - request->submitted_at;
    request->duration_ms = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    request->outcome = outcome;
    request->conn = NULL;
    request->flags = 0;
    pool->done[outcome]++;
    if (request->on_done) {
        request->on_done(request);
    }
}

static HF_RARE void unlink_queued(hf_pool *pool, hf_request *request) {
    hf_queue_remove(request->flags & HF_REQUEST_WAITING ? &pool->waiting : &pool->queue, request);
    request->flags &= (uint16_t)~HF_REQUEST_WAITING;
    pool->n_queued--;
}

uint32_t hf_request_past(const hf_request *request) {
    const bool ran = request->retries > 0 || (request->flags & HF_REQUEST_UNDONE);
    return (request->flags & HF_REQUEST_MAYBE_RAN ? (uint32_t)HF_FACT_MAYBE_RAN : 0) |
           (ran ? (uint32_t)HF_FACT_RAN_BEFORE : 0);
}

hf_outcome hf_request_unsent(const hf_request *request) {
    return hf_verdict_unsent(hf_request_past(request));
}

void hf_request_drop(hf_pool *pool, hf_request *request, const hf_error *error) {
    unlink_queued(pool, request);
    hf_request_end(pool, request, hf_request_unsent(request), error);
}

/* Its deadline has passed, or it is to end: while it waits for a connection. */
static HF_RARE void end_queued(hf_pool *pool, hf_request *request, hf_error *error) {
    /* Why there is no connection is the better half of the answer. */
    if (HF_WITH_WORDS && error->code == HF_ERR_TIMEOUT && pool->n_up == 0 &&
        pool->last_error.code != HF_OK) {
        char why[HF_MESSAGE_BYTES];
        hf_error_text(&pool->last_error, why, sizeof why);
        hf_error_message(error, why, strlen(why));
    }
    hf_request_drop(pool, request, error);
}

/* The same, in flight behind another one: nothing can be cancelled alone there. */
static HF_RARE void end_behind(hf_conn *conn, hf_request *request, const hf_error *error) {
    hf_pool *pool = conn->pool;
    if (!(request->flags & HF_REQUEST_GRACE) && pool->config->close_timeout_ms > 0) {
        /* Its turn is waited for. */
        request->flags |= HF_REQUEST_CANCEL | HF_REQUEST_GRACE;
        conn->cancel_next = true;
        hf_heap_set(&pool->heap, &request->timer, pool->now + pool->config->close_timeout_ms);
        return;
    }
    if (hf_cancel_pending(conn) && conn->cancel_deadline > pool->now) {
        /* Another's: until it is over the link stays. */
        hf_heap_set(&pool->heap, &request->timer, conn->cancel_deadline);
        return;
    }
    /* Its turn did not come. It is replay-safe, as all around it are: the link goes, the others run again. */
    request->flags |= HF_REQUEST_CANCEL;
    hf_conn_fail(conn, error);
    hf_conn_settle(conn);
}

void hf_request_due(hf_pool *pool, hf_request *request) {
    const bool late = pool->now >= request->deadline;
    hf_conn *conn = request->conn;
    hf_error error;
    if (!conn && !late && !(request->flags & HF_REQUEST_CANCEL)) { /* its own wait is over */
        unlink_queued(pool, request);
        to_head(pool, request);
        return;
    }
    hf_heap_remove(&pool->heap, &request->timer);
    if (conn && conn->flight.head == request) {
        hf_cancel_begin(conn, late ? HF_LIMIT_TIMEOUT : HF_LIMIT_NONE);
        hf_conn_settle(conn);
        return;
    }
    const hf_phase phase = conn ? HF_PHASE_QUERY : HF_PHASE_QUEUE;
    if (!late) {
        hf_error_set(&error, HF_ERR_CANCELLED, phase, NULL);
    } else {
        hf_timeout_error(&error, phase, HF_LIMIT_TIMEOUT, request->timeout_ms);
    }
    if (conn) {
        end_behind(conn, request, &error);
    } else {
        end_queued(pool, request, &error);
    }
}
