/* A pool: a fixed set of connections, a queue of requests, and one call that moves everything, hf_tick().
 *
 * Threads: a pool, its port and its requests belong to one thread. Callbacks run inside hf_tick() and nowhere else;
 * hf_submit() calls none, not even for a request that can never be sent. A callback may call hf_submit(), hf_cancel()
 * and hf_resume(), never hf_tick().
 *
 * Sessions: requests share those of the pool. What a request leaves in its session (SET, LISTEN, a temporary table, an
 * advisory lock, PREPARE) is met by later requests on the same connection and by none on another, and is gone after a
 * reconnect, of which on_transition alone tells. Statements that belong together go into one batch, with SET LOCAL.
 */
#ifndef HF_POOL_H
#define HF_POOL_H

#include "layout.h"
#include "request.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Memory for a pool, as an aligned array, which is static or automatic depending on where the line stands:
 *     HF_POOL_MEMORY(memory, 3, 16384, 4096);
 * The numbers are at least the config's max_concurrent, rx_bytes and tx_bytes; HF_POOL_BYTES is the size in bytes that
 * they come to. */
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

/* How many connections the pool has, the config's max_concurrent. (Code that was built for one at most need not look.)
 */
static inline unsigned hf_pool_size(const hf_pool *pool) {
    return HF_MANY_CONNS ? pool->n_conns : 1;
}

/* What a pool is doing, in numbers. Counts are those since hf_pool_init(). */
typedef struct hf_pool_status {
    uint16_t conns[HF_STATE_COUNT];  /* how many connections are in each hf_state */
    uint32_t queued, in_flight;      /* requests that wait, and requests that are on a connection */
    hf_ms outage_since;              /* no connection is usable since then; HF_NEVER: no outage */
    hf_ms next_dial;                 /* the next attempt starts then; HF_NEVER: none is planned */
    uint32_t dials, ups, losses;     /* attempts to connect; those that came up; connections lost */
    uint32_t outages;                /* outages, one that still lasts included */
    uint32_t retries;                /* re-sends of statements */
    uint64_t done[HF_OUTCOME_COUNT]; /* requests ended, by hf_outcome */
    uint32_t left;        /* COMMITs without an answer, asked about: no new write is sent */
    uint32_t hanging;     /* those of them that wait for a synchronous standby */
    uint64_t unconfirmed; /* requests that ended so, see hf_request.unconfirmed */
    bool refused;         /* for good (last_error): no dial until hf_pool_reset() */
    hf_error last_error;  /* why a connection was last lost or refused; zero: none was */
} hf_pool_status;

#define hf_pool_init HF_BUILT(hf_pool_init)

/* Makes a pool in `memory`, which has `size` bytes. Memory, config and port stay the caller's, and must stay where they
 * are until hf_pool_closed(). Nothing is sent yet. NULL: *error (may be NULL) says what hf_config_check() does not
 * like, that memory or port is missing, or how large memory must be (HF_POOL_BYTES). */
hf_pool *hf_pool_init(void *memory, size_t size, const hf_config *config, hf_port *port,
                      hf_error *error);

/* Keeps n connections open from the next tick on, whether there is work or not; n is cut to max_concurrent. Without
 * this call connections are opened when requests need them. */
void hf_pool_open(hf_pool *pool, unsigned n);

/* Queues a request. 0: it was taken, and will end by on_done, exactly once, in some hf_tick(). Else the request is
 * untouched: HF_ERR_ARGUMENT (what it says makes no sense, was left out of this build, or is not for a pool that is
 * read_only), HF_ERR_STATE (it was submitted already, and is not over), HF_ERR_CLOSED (the pool is closing). */
int hf_submit(hf_pool *pool, hf_request *request);
/* Asks for the request's end: one that runs is cancelled on the server (SEMANTICS 16). on_done still says what became
 * of the request. A request that is over stays as it is. */
void hf_cancel(hf_pool *pool, hf_request *request);
/* Goes on with the rows of a request whose on_row answered HF_PAUSE. */
void hf_resume(hf_pool *pool, hf_request *request);

/* Does what is due at `now`, and what the port has events for. `now` is the port's monotonic time in ms, and never
 * goes back. Returns the time at which hf_tick() must be called next, unless the port has an event before: `now` or
 * earlier when work is left, or when a request ended and no other was submitted (so that
 * `while (!done) wait(hf_tick(…))` sees it); HF_NEVER when nothing is planned. */
hf_ms hf_tick(hf_pool *pool, hf_ms now);

/* The time at which hf_tick() must be called next, what was asked for since the last tick included. A loop of your own
 * asks for it after a hf_submit(), hf_cancel(), hf_resume() or hf_pool_close() outside hf_tick(): none of these wakes
 * the loop. A time that has passed (0) means now. */
hf_ms hf_pool_next(const hf_pool *pool);

/* Ends everything by `deadline`: queued requests end NOT_SENT, running ones are cancelled, links are closed politely
 * while there is time. Go on calling hf_tick() until hf_pool_closed(); the tick that closes the last link answers
 * "now". Keys and passwords in the pool's memory are then wiped. */
void hf_pool_close(hf_pool *pool, hf_ms deadline);
/* Is the pool closed, so that memory, config and port may go? */
bool hf_pool_closed(const hf_pool *pool);

/* Lets a pool that was refused for good dial again, with new credentials in its config, say. The refusal is forgotten,
 * and so are the keys that were derived from the old password. */
void hf_pool_reset(hf_pool *pool);

#if HF_WITH_CREDENTIALS
/* What the credentials callback had not yet (HF_CREDENTIALS_LATER) is there: the next hf_tick(), which is due now, has
 * it called again. Without such an answer nothing happens. Not to be called by the callback itself. */
void hf_pool_credentials(hf_pool *pool);
#endif

/* Fills *status, at any time. */
void hf_pool_status_get(const hf_pool *pool, hf_pool_status *status);
/* The state of connection number `conn`, from 0 to hf_pool_size() - 1; another number is a failed assertion. */
hf_state hf_pool_state(const hf_pool *pool, unsigned conn);
/* The server's process that serves connection number `conn`, as it named it (pg_backend_pid(); a pooler may make one
 * up): 0 while the connection is not up, or where none was told. */
uint32_t hf_pool_backend(const hf_pool *pool, unsigned conn);
#if HF_WITH_VALUES
/* A parameter that the server reports by itself: server_version, server_encoding, client_encoding, TimeZone, DateStyle,
 * IntervalStyle, integer_datetimes, standard_conforming_strings, in_hot_standby, default_transaction_read_only,
 * is_superuser, session_authorization, application_name (PostgreSQL docs 55.2.7), and what an extension adds. The name
 * as the server spells it, the value the server's raw bytes, valid until the next hf_tick(). NULL: it was not told, or
 * there is no connection yet, or no room (HF_PARAMETER_BYTES).
 *
 * The value is the pool's: the last word of any of its connections, as SEMANTICS 64 says. */
const char *hf_pool_parameter(const hf_pool *pool, const char *name);
#endif
/* The pool's last transitions, for hf_journal_get(). The journal is the pool's. */
const hf_journal *hf_pool_journal(const hf_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
