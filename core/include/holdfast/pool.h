/* A fixed set of connections, a queue of requests, one call that moves everything: hf_tick().
 *
 * One thread. Callbacks run inside hf_tick() and nowhere else: hf_submit() calls none, even of a request that can
 * never be sent. They may call hf_submit(), hf_cancel() and hf_resume(), never hf_tick().
 *
 * Requests share the pool's sessions. What one leaves in its session (SET, LISTEN, a temporary table, an advisory
 * lock, PREPARE) is met by later requests on that connection, by none on another, and is gone after a reconnect, of
 * which nobody is told but on_transition. What belongs together is a batch, with SET LOCAL.
 */
#ifndef HF_POOL_H
#define HF_POOL_H

#include "layout.h"
#include "request.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Memory for a pool, aligned, with static or automatic storage as where it stands:
 *     HF_POOL_MEMORY(memory, 3, 16384, 4096);
 * It must be as large as config's max_concurrent, rx_bytes and tx_bytes ask for (HF_POOL_BYTES). */
#define HF_ROUND(bytes) (((size_t)(bytes) + 15) & ~(size_t)15)
#define HF_POOL_BYTES(conns, rx, tx)                                                           \
    (HF_ROUND(sizeof(hf_pool)) + (size_t)(conns) * (HF_ROUND(sizeof(hf_conn)) + HF_ROUND(rx) + \
                                                    HF_ROUND(tx) + HF_ROUND(HF_STATEMENT_BYTES)))
#ifdef __cplusplus
#define HF_POOL_MEMORY(name, conns, rx, tx) \
    unsigned char name alignas(16)[HF_POOL_BYTES(conns, rx, tx)]
#else
#define HF_POOL_MEMORY(name, conns, rx, tx) \
    HF_ALIGN(16) unsigned char name[HF_POOL_BYTES(conns, rx, tx)]
#endif

/* How many connections it has: one, to code that was built for no more. */
static inline unsigned hf_pool_size(const hf_pool *pool) {
    return HF_MANY_CONNS ? pool->n_conns : 1;
}

/* What a pool is doing, in numbers. */
typedef struct hf_pool_status {
    uint16_t conns[HF_STATE_COUNT]; /* how many are in each state */
    uint32_t queued, in_flight;     /* requests */
    hf_ms outage_since;          /* when no connection was usable any more; HF_NEVER: no outage */
    hf_ms next_dial;             /* when the next attempt starts; HF_NEVER: none is planned */
    uint32_t dials, ups, losses; /* ever */
    uint32_t outages;            /* ended or not */
    uint32_t retries;            /* re-sends of statements */
    uint64_t done[HF_OUTCOME_COUNT]; /* requests ended, by outcome */
    uint32_t hanging;     /* COMMITs that wait for a synchronous standby: no new write is sent */
    uint64_t unconfirmed; /* requests that ended OK without its word (hf_request.unconfirmed) */
    bool refused;         /* refused for good: last_error; hf_pool_reset() goes on */
    hf_error last_error;  /* why a connection was lost or refused last */
} hf_pool_status;

#define hf_pool_init HF_BUILT(hf_pool_init)

/* Makes a pool in memory, which it needs, as it needs config and port, until hf_pool_closed(). Touches no network.
 * NULL: *error (may be NULL) says what hf_config_check() does not like, that memory or port is missing, or how large
 * memory must be (HF_POOL_BYTES). */
hf_pool *hf_pool_init(void *memory, size_t size, const hf_config *config, hf_port *port,
                      hf_error *error);

/* Keeps n connections open from the next tick on, work or not (at most max_concurrent). */
void hf_pool_open(hf_pool *pool, unsigned n);

/* Queues a request. 0, or HF_ERR_ARGUMENT / HF_ERR_STATE (it is already in) / HF_ERR_CLOSED with the
 * request untouched. Every request that was taken ends by on_done, exactly once, in some hf_tick(). */
int hf_submit(hf_pool *pool, hf_request *request);
/* Asks for its end (SEMANTICS 16): on_done still says what became of it. No harm if it is over. */
void hf_cancel(hf_pool *pool, hf_request *request);
/* Goes on after on_row said HF_PAUSE. */
void hf_resume(hf_pool *pool, hf_request *request);

/* Does what is due and what the port has news of. Returns when it must be called next unless the port has
 * news before: `now` or earlier when work is left or a request ended for which no other was submitted (so
 * that `while (!done) wait(hf_tick(…))` sees it), HF_NEVER when nothing is planned. now never goes back. */
hf_ms hf_tick(hf_pool *pool, hf_ms now);

/* When hf_tick() must be called next, whatever was asked for since the last one: a loop of your own asks after
 * hf_submit(), hf_cancel(), hf_resume() or hf_pool_close() that were called outside hf_tick(), for none of them wakes
 * it. A moment that has passed (0) means now. */
hf_ms hf_pool_next(const hf_pool *pool);

/* Ends everything by `deadline`: queued requests NOT_SENT, what runs is cancelled, links are closed
 * politely while there is time. Keep ticking until hf_pool_closed(): the tick that closes the last link answers "now".
 * Secrets are then wiped. */
void hf_pool_close(hf_pool *pool, hf_ms deadline);
bool hf_pool_closed(const hf_pool *pool);

/* After a permanent refusal (with new credentials in config, say): forgets it, and what was derived. */
void hf_pool_reset(hf_pool *pool);

void hf_pool_status_get(const hf_pool *pool, hf_pool_status *status);
hf_state hf_pool_state(const hf_pool *pool, unsigned conn);
const hf_journal *hf_pool_journal(const hf_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
