/* Requests into messages: Parse, Describe, Bind, Execute, Sync. (PostgreSQL docs 55.2.3 extended query, 55.7 message
 * formats.)
 *
 * A flight is written behind what is in tx, which the connection owns, and counts only when all of it was: tx never
 * holds half a request. The functions in this header are what driver.c's short way and encode.c's long way share. A
 * request that cannot be sent is refused with an hf_err, said in io->error. Private to core/pg.
 */
#ifndef HF_PG_ENCODE_H
#define HF_PG_ENCODE_H

#include "cache.h"
#include "frame.h"

/* Leaves for the answers what the flight asks for. answers_due: HF_PG_*; n_columns: or HF_PG_COLUMNS_UNKNOWN. */
static inline void hf_pg_plan_put(hf_request *request, uint16_t answers_due, uint16_t n_columns) {
    memcpy(request->driver_state + HF_PG_PLAN_ANSWERS, &answers_due, sizeof answers_due);
    memcpy(request->driver_state + HF_PG_PLAN_COLUMNS, &n_columns, sizeof n_columns);
}

/* The request shares the Sync of the next one: its own answers have no ReadyForQuery. */
static inline void hf_pg_plan_share(hf_request *request) {
    uint16_t answers_due;

    memcpy(&answers_due, request->driver_state + HF_PG_PLAN_ANSWERS, sizeof answers_due);
    answers_due &= (uint16_t)~HF_PG_SYNC;
    memcpy(request->driver_state + HF_PG_PLAN_ANSWERS, &answers_due, sizeof answers_due);
}

/* Has a request BEGIN READ ONLY and COMMIT around it? Every request of a pool with read_only has, unless the server
 * said that the session is read-only, as its start-up message asked (SEMANTICS 21). */
static inline bool hf_pg_wraps(const hf_io *io) {
    return io->config->read_only &&
           (!(io->role & HF_ROLE_READ_ONLY) || io->degraded >= HF_PG_DEGRADED_POOLER);
}

/* Does a read's flight begin with the question at which isolation the session runs? It does until that is known, where
 * reads may share a Sync (SEMANTICS 45). */
static inline bool hf_pg_asks_isolation(const hf_pg_session *session, const hf_io *io,
                                        const hf_request *request) {
    return HF_WITH_GROUPS && io->config->read_only && io->config->max_pipelined != 1 &&
           !session->isolated && hf_pg_keeps(request) && !request->prepare_only &&
           !hf_is_batch(request) && !hf_pg_wraps(io) && request->replay == HF_REPLAY_SAFE;
}

/* Writes the name of a prepared statement, with its NUL, HF_PG_NAME_BYTES_MAX at most. Returns where it ends. */
static inline uint8_t *hf_pg_write_name(uint8_t *at, const hf_pg_session *session,
                                        uint32_t number) {
    at = hf_pg_put(at, session->name, sizeof session->name);
    for (; number != 0; number >>= 4) {
        *at++ = (uint8_t) "0123456789abcdef"[number & 15];
    }
    *at++ = 0;
    return at;
}

/* Bind without its values. */
enum { HF_PG_BIND_BYTES_MAX = 1 + 4 + 1 + HF_PG_NAME_BYTES_MAX + 2 + 2 + 2 };

/* Copies a value. False: it has a NUL in it. Most values are so short that a loop is faster than a call. */
static inline bool hf_pg_put_text(uint8_t *at, const char *from, size_t bytes) {
    if (bytes > 16) {
        memcpy(at, from, bytes);
        return !memchr(from, 0, bytes);
    }
    for (size_t i = 0; i < bytes; i++) {
        if (from[i] == 0) {
            return false;
        }
        at[i] = (uint8_t)from[i];
    }
    return true;
}

/* hf_pg_write_values() has two callers, both on the way of every statement: a compiler would make a call of it. */
#ifdef __GNUC__
#define HF_PG_INLINE static inline __attribute__((always_inline))
#else
#define HF_PG_INLINE static inline
#endif

/* Begins a Bind of the unnamed portal. Returns where the statement's name goes. */
static inline uint8_t *hf_pg_begin_bind(uint8_t *at) {
    at[0] = 'B';
    at[5] = 0;
    return at + 6;
}

/* Writes the rest of the Bind that begins at `start`, from behind the statement's name at `at` on, but for its last two
 * bytes, which are zeros: results are text too. `left` bytes are free beyond HF_PG_BIND_BYTES_MAX. Returns where those
 * two go, or NULL: a value does not fit, or has a NUL in it. */
HF_PG_INLINE uint8_t *hf_pg_write_values(uint8_t *start, uint8_t *at, size_t left,
                                         const hf_value *values, uint16_t n_values) {
    at = hf_pg_put16(at, 0); /* all parameters are text */
    at = hf_pg_put16(at, n_values);
    for (uint32_t i = 0; i < n_values; i++) {
        const hf_value *value = &values[i];
        if (left < 4) {
            return NULL;
        }
        left -= 4;
        if (!value->data) {
            at = hf_pg_put32(at, UINT32_MAX);
            continue;
        }
        if (value->bytes > left || !hf_pg_put_text(at + 4, value->data, value->bytes)) {
            return NULL;
        }
        left -= value->bytes;
        at = hf_pg_put32(at, (uint32_t)value->bytes) + value->bytes;
    }
    hf_pg_put32(start + 1, (uint32_t)(at + 2 - start - 1));
    return at;
}

/* The request's flight has been written: it is in flight from here on. */
static inline void hf_pg_begin_request(hf_pg_session *session, hf_request *request) {
    request->statement = 0;
    request->complete = false;
    session->in_flight++;
}

/* Takes the `bytes` that were written behind what is in tx into it, as the request's flight. The last byte of them that
 * can have an effect is number `executed`, counted from 1. */
static inline void hf_pg_append_flight(hf_io *io, hf_request *request, uint32_t bytes,
                                       uint32_t executed, uint32_t answers_due,
                                       uint16_t n_columns) {
    request->sent_at = io->tx_total + executed;
    hf_pg_plan_put(request, (uint16_t)answers_due, n_columns);
    io->tx_total += bytes;
    io->tx.end += bytes;
}

/* hf_driver.submit for any request: 1 in flight, 0 no room in tx for now, else an hf_err. */
int hf_pg_submit_any(hf_pg_session *session, hf_io *io, hf_request *request);
/* hf_driver.forget: the server does not know the request's prepared statements any more. */
void hf_pg_forget(hf_driver_session *session, hf_io *io, hf_request *request);

#endif
