#include "send.h"

#include "queue.h"

/* A request that can never be sent ends with the driver's reason, or with code if there is none. */
static HF_COLD void unsendable(hf_conn *conn, hf_request *request, hf_err code) {
    hf_error *error = &conn->io.error;
    if (error->code == HF_OK) {
        hf_error_set(error, code, HF_PHASE_QUERY, NULL);
    }
    hf_request_end(conn->pool, request, hf_request_unsent(request), error);
    error->code = HF_OK;
}

/* A question about a COMMIT is in flight. The time for asking runs from the first one, and so does the time for which
 * writes are held. */
static void asking(hf_pool *pool, hf_request *request) {
    if (request->stage == HF_STAGE_ROLE) {
        return;
    }
    request->asks++;
    if (hf_is_never(request->asked_at)) {
        request->asked_at = pool->now;
    }
    if (request->stage == HF_STAGE_ASK) {
        hf_commit_asked(pool);
    }
}

void hf_flight_learn(hf_conn *conn) {
    const hf_ms now = conn->pool->now, took = now - conn->timed_at;
    const uint32_t ms = took > HF_DURATION_MAX ? HF_DURATION_MAX : (uint32_t)took;
    const bool quick = took <= hf_flight_quick(conn);

    /* What nothing was sent before is a round trip. A longer one than ever may be a slow statement, or the way. */
    if (conn->timed_alone && (ms < conn->trip_ms || conn->more == 0)) {
        conn->trip_ms = ms < conn->trip_ms ? ms : conn->trip_ms + (ms - conn->trip_ms + 1) / 2;
    }
    /* What a slow one costs those behind it is to be less than what they save: a round trip each. */
    const uint32_t slow = conn->pool->slow_ms;
    if (!quick) {
        conn->more = 0;
        conn->pool->slow_ms = ms < HF_SLOW_MS_MAX - slow ? slow + ms : HF_SLOW_MS_MAX;
    } else if (slow > 0) {
        conn->pool->slow_ms = slow > conn->trip_ms + 1 ? slow - conn->trip_ms - 1 : 0;
    } else if (conn->more < HF_PIPELINED_MOST - 1 && conn->n_flight > conn->more / 2) {
        conn->more = (uint16_t)(2 * conn->more + 1);
    }
    conn->timed = NULL;
}

/* The request was appended, `bytes` of it, and may have one Sync with what was sent before it, if that is not the end
 * of a group that is large enough: the next one is under way while the answers to this one come. */
static void share(hf_conn *conn, hf_request *request, uint32_t bytes) {
#if HF_WITH_GROUPS
    const hf_pool *pool = conn->pool;
    const unsigned most = hf_conn_depth(conn);
    const bool may = pool->config->read_only && pool->config->max_pipelined != 1 &&
                     request->replay == HF_REPLAY_SAFE && !hf_is_batch(request) &&
                     !request->prepare_only && !hf_asks(request) &&
                     !(request->flags & HF_REQUEST_ALONE);
    hf_request *before = conn->n_group * 2u < most ? conn->flight.tail : NULL;

    if (may && pool->config->driver->join(&conn->io, before, request, bytes)) {
        conn->n_group++;
    } else {
        conn->n_group = 1;
    }
    if (!conn->timed) {
        conn->timed = request;
        conn->timed_at = pool->now;
        conn->timed_alone = conn->n_flight == 0;
    }
    if (conn->n_flight == 0) {
        conn->awaited = request;
    }
#else
    (void)conn, (void)request, (void)bytes;
#endif
}

int hf_flight_send(hf_conn *conn) {
    hf_pool *pool = conn->pool;
    const hf_driver *driver = pool->config->driver;
    hf_request *request = pool->queue.head;
    if (HF_WITH_PREPARED &&
        (request->flags & HF_REQUEST_REPREPARED)) { /* the one prepared here may be gone too */
        driver->forget(&conn->session, &conn->io, request);
    }
    const uint64_t before = conn->io.tx_total;
    if (HF_WITH_GROUPS) {
        request->share = 0;
    }
    int r = driver->submit(&conn->session, &conn->io, request);
    if (r <= 0) {
        hf_conn_tx_begun(conn);
    }
    if (r == 0) {
        return 0;
    }
    hf_queue_take(&pool->queue);
    pool->n_queued--;
    if (r < 0) {
        unsendable(conn, request, (hf_err)r);
        return -1;
    }
    request->conn = conn;
    if (hf_asks(request)) {
        asking(pool, request);
    } else {
        if (request->on_send) { /* the request is in tx, and no byte of it with the server */
            request->on_send(request);
        }
        request->attempts++;
        if (request->retries > 0) {
            pool->retries++;
        }
    }
    if (HF_WITH_GROUPS) {
        share(conn, request, (uint32_t)(conn->io.tx_total - before));
    }
    if (HF_WITH_GROUPS || HF_WITH_RESOLVE) {
        conn->streak =
            conn->n_flight == 0
                ? 0
                : (uint16_t)(conn->streak + (hf_resolves(request) ? HF_STREAK_COMMIT : 1));
    }
    hf_queue_push(&conn->flight, request);
    pool->n_in_flight++;
    if (++conn->n_flight == 1) {
        hf_flight_clock(conn);
    }
    return 1;
}
