#include "queue.h"

#include <string.h>

#include "base/text.h"
#include "machine/verdict.h"

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

/* The attempt is over, and its rows are void, unless the question that comes next is whether they count. */
static void start_over(hf_request *request) {
    request->conn = NULL;
    const hf_stage stage = hf_stage_of(request);
    if (stage != HF_STAGE_ASK && stage != HF_STAGE_FIND) {
        if (request->n_rows > 0 && request->on_restart) {
            request->on_restart(request);
        }
        request->n_rows = 0;
        request->affected = 0;
        request->stage = (uint8_t)(stage == HF_STAGE_SEAL ? stage : HF_STAGE_RUN);
        request->deferred_commit = request->bound = request->unconfirmed = false;
    }
    request->tx_status = HF_TX_NONE;
    request->flags &= (uint16_t) ~(HF_REQUEST_ROWS_LOST | HF_REQUEST_GRACE);
    if (stage != HF_STAGE_SEAL) { /* why the request ends, when its key is used up */
        request->error = (hf_error){ 0 };
    }
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

static HF_COLD void unlink_queued(hf_pool *pool, hf_request *request) {
    hf_queue_remove(request->flags & HF_REQUEST_WAITING ? &pool->waiting : &pool->queue, request);
    request->flags &= (uint16_t) ~(HF_REQUEST_WAITING | HF_REQUEST_HELD);
    pool->n_queued--;
}

void hf_commit_left(hf_pool *pool, hf_request *request) {
    if (!(request->flags & HF_REQUEST_LEFT)) {
        request->flags |= HF_REQUEST_LEFT;
        pool->left++;
    }
}

/* Writes are held until then: max_outage after the first question, which a connection that is up was asked. */
static hf_ms held_until(const hf_pool *pool) {
    const uint32_t most = hf_outage_longest(&pool->outage, pool->config);
    return hf_is_never(pool->left_since) || most == HF_FOREVER ? HF_NEVER : pool->left_since + most;
}

bool hf_pool_holds_too_long(const hf_pool *pool) {
    return held_until(pool) <= pool->now;
}

static void arm_held(hf_pool *pool, hf_request *request) {
    request->not_before = held_until(pool);
    hf_request_arm(pool, request);
}

void hf_queue_hold(hf_pool *pool) {
    hf_request *request = hf_queue_take(&pool->queue);
    request->flags |= HF_REQUEST_WAITING | HF_REQUEST_HELD;
    hf_queue_push(&pool->waiting, request);
    arm_held(pool, request);
}

void hf_commit_asked(hf_pool *pool) {
    if (!hf_is_never(pool->left_since)) {
        return;
    }
    pool->left_since = pool->now;
    for (hf_request *request = pool->waiting.head; request; request = request->next) {
        if (request->flags & HF_REQUEST_HELD) {
            arm_held(pool, request);
        }
    }
}

/* Held writes go out in this order: what was sent or asked about before; what was lost behind the COMMIT of one of
 * those; what was never sent. */
static unsigned rank_of(const hf_request *request) {
    const bool early = hf_resolves(request) && hf_is_never(request->commit_at);
    return request->attempts + request->asks == 0 ? 2 : early ? 1 : 0;
}

/* Puts the held writes of this rank at the queue's head, the last one first, so that their order stays. */
static void release_some(hf_pool *pool, unsigned rank) {
    for (hf_request *request = pool->waiting.tail, *before; request; request = before) {
        before = request->prev;
        if ((request->flags & HF_REQUEST_HELD) && rank_of(request) == rank) {
            unlink_queued(pool, request);
            to_head(pool, request);
        }
    }
}

static void release(hf_pool *pool) {
    release_some(pool, 2);
    release_some(pool, 1);
    release_some(pool, 0);
}

void hf_commit_known(hf_pool *pool, hf_request *request) {
    pool->hanging -= (request->flags & HF_REQUEST_HANGS) != 0;
    pool->left -= (request->flags & HF_REQUEST_LEFT) != 0;
    request->flags &= (uint16_t) ~(HF_REQUEST_HANGS | HF_REQUEST_LEFT);
    if (pool->left == 0) {
        pool->left_since = HF_NEVER;
        release(pool);
    }
}

/* What held writes wait for becomes the error's message. */
static HF_COLD void say_why_held(const hf_pool *pool, hf_error *error) {
    const uint32_t n = pool->hanging > 0 ? pool->hanging : pool->left;
    char words[HF_MESSAGE_BYTES];
    hf_writer out = hf_writer_on(words, sizeof words);
    hf_write_text(&out, pool->hanging > 0 ? "" : "what became of ");
    hf_write_unsigned(&out, n);
    hf_write_text(&out, n == 1 ? " commit " : " commits ");
    hf_write_text(&out, pool->hanging == 0   ? "is not known"
                        : pool->hanging == 1 ? "waits for a synchronous standby"
                                             : "wait for a synchronous standby");
    hf_error_message(error, words, strlen(words));
}

/* Ends the held writes: they were held for too long. */
static HF_COLD void drop_held(hf_pool *pool) {
    hf_error error;
    hf_timeout_error(&error, HF_PHASE_QUEUE, HF_LIMIT_MAX_OUTAGE,
                     hf_outage_longest(&pool->outage, pool->config));
    error.code = HF_ERR_OUTAGE;
    if (HF_WITH_MESSAGES) {
        say_why_held(pool, &error);
    }
    for (hf_request *request = pool->waiting.head, *next; request; request = next) {
        next = request->next;
        if (request->flags & HF_REQUEST_HELD) {
            hf_request_drop(pool, request, &error);
        }
    }
}

/* A request ends whose COMMIT was left. If that is for want of an answer in time, the writes that were held for the
 * COMMIT's sake end too: they would hang as well. */
static HF_COLD void left_ends(hf_pool *pool, hf_request *request, hf_outcome outcome) {
    if (outcome == HF_OUTCOME_UNKNOWN && hf_pool_holds_too_long(pool)) {
        drop_held(pool);
    }
    hf_commit_known(pool, request);
}

/* A ledger request ended before the server could be asked what stands at its key: who submits it again will know. */
static HF_COLD void say_way_out(hf_request *request) {
    static const char way_out[] = "submit the same key to find out";
    hf_error *error = &request->error;
    char words[HF_MESSAGE_BYTES];
    hf_writer out = hf_writer_on(words, sizeof words);
    hf_write_text(&out, way_out);
    if (error->message[0]) { /* behind it: what there is no room for is cut */
        hf_write_text(&out, "; ");
        hf_write_text(&out, error->message);
    }
    hf_error_message(error, words, strlen(words));
}

void hf_request_end(hf_pool *pool, hf_request *request, hf_outcome outcome, const hf_error *error) {
    HF_ASSERT((request->flags & HF_REQUEST_IN) && outcome != HF_OUTCOME_PENDING);
    if (HF_WITH_RESOLVE && (request->flags & HF_REQUEST_LEFT)) { /* first, because others may end */
        left_ends(pool, request, outcome);
    }
    if (request->timer.armed) {
        hf_heap_remove(&pool->heap, &request->timer);
    }
    if (error && error != &request->error) {
        request->error = *error;
    }
    if (outcome != HF_OUTCOME_OK) {
        request->affected = 0;
        hf_request_untag(request);
        if (HF_WITH_MESSAGES && hf_is_ledger(request) && outcome == HF_OUTCOME_UNKNOWN &&
            request->tx_status != HF_TX_NO_KEY) {
            say_way_out(request);
        }
    } else if (request->error.code != HF_OK) {
        request->error = (hf_error){ 0 };
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

uint32_t hf_request_past(const hf_request *request) {
    const bool ran = request->retries > 0 || (request->flags & HF_REQUEST_UNDONE);
    return (hf_request_maybe_ran(request) ? (uint32_t)HF_FACT_MAYBE_RAN : 0) |
           (HF_WITH_LEDGER && request->work ? (uint32_t)HF_FACT_CALLERS : 0) |
           (ran ? (uint32_t)HF_FACT_RAN_BEFORE : 0);
}

hf_outcome hf_request_unsent(const hf_request *request) {
    return hf_verdict_unsent(hf_request_past(request));
}

void hf_request_drop(hf_pool *pool, hf_request *request, const hf_error *error) {
    unlink_queued(pool, request);
    hf_request_end(pool, request, hf_request_unsent(request), error);
}

void hf_pool_drop_all(hf_pool *pool, const hf_error *error) {
    if (HF_WITH_RESOLVE) {
        release(pool);
    }
    const hf_request *last = pool->queue.tail, *dropped = NULL;
    while (pool->waiting.head) {
        hf_request_drop(pool, pool->waiting.head, error);
    }
    while (last && dropped != last) { /* what a callback submits meanwhile stays */
        dropped = pool->queue.head;
        hf_request_drop(pool, pool->queue.head, error);
    }
}

/* A request's deadline has passed, or it was cancelled, while it waits for a connection. */
static HF_COLD void end_queued(hf_pool *pool, hf_request *request, hf_error *error) {
    /* "Timed out in the queue" tells little: the message says why there is no connection, or what holds the request. */
    const bool told = HF_WITH_MESSAGES && error->code == HF_ERR_TIMEOUT;
    if (told && pool->n_up == 0 && pool->last_error.code != HF_OK) {
        char why[HF_MESSAGE_BYTES];
        hf_error_text(&pool->last_error, why, sizeof why);
        hf_error_message(error, why, strlen(why));
    } else if (HF_WITH_RESOLVE && told && (request->flags & HF_REQUEST_HELD)) {
        say_why_held(pool, error);
    }
    hf_request_drop(pool, request, error);
}

void hf_request_due(hf_pool *pool, hf_request *request) {
    const bool late = pool->now >= request->deadline;
    hf_error error;
    if (!late && !(request->flags & HF_REQUEST_CANCEL)) { /* the request's own wait is over */
        if (HF_WITH_RESOLVE && (request->flags & HF_REQUEST_HELD)) {
            drop_held(pool);
        } else {
            unlink_queued(pool, request);
            to_head(pool, request);
        }
        return;
    }
    hf_heap_remove(&pool->heap, &request->timer);
    if (!late) {
        hf_error_set(&error, HF_ERR_CANCELLED, HF_PHASE_QUEUE, NULL);
    } else {
        hf_timeout_error(&error, HF_PHASE_QUEUE, HF_LIMIT_TIMEOUT, request->timeout_ms);
    }
    end_queued(pool, request, &error);
}
