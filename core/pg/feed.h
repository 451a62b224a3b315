/* Bytes into events: messages are taken out of rx one by one and given to login.c or answer.c; rows are read here.
 * (PostgreSQL docs 55.2.3 extended query, 55.7 message formats.)
 *
 * A row is checked once, column by column, when it comes: whoever reads its values needs no checks. The row's bytes
 * stay in rx, which the connection owns, until the next call. What is wrong is said in io->error, with BROKEN. Private
 * to core/pg.
 */
#ifndef HF_PG_FEED_H
#define HF_PG_FEED_H

#include "answer.h"

/* Is a DataRow's body right? It is a count, then for each column a length (-1: NULL) and so many bytes. A value that is
 * too long fails at the next column, or at the end; the sum cannot wrap, since a message has 1 GB at most and a value
 * 2 GB. length: the message's, which counts itself. */
static inline bool hf_pg_row_is_good(hf_pg_session *session, const uint8_t *body, uint32_t length) {
    const uint32_t bytes = length - HF_PG_LENGTH_MIN;
    uint32_t place = 2;

    if (length < HF_PG_LENGTH_MIN + 2) {
        return false;
    }
    uint32_t left = hf_pg_get16(body);
    if (left != session->n_columns) {
        if (session->n_columns != HF_PG_COLUMNS_UNKNOWN) {
            return false;
        }
        session->n_columns = (uint16_t)left;
    }
    for (; left > 0; left--) {
        if (place + 4 > bytes) {
            return false;
        }
        const uint32_t value_bytes = hf_pg_get32(body + place);
        place += 4;
        if (value_bytes <= INT32_MAX) {
            place += value_bytes;
        } else if (value_bytes != UINT32_MAX) {
            return false;
        }
    }
    return place == bytes;
}

/* ROW: io->row is on the row's first column. */
static inline hf_driver_event hf_pg_row(hf_pg_session *session, hf_io *io,
                                        const hf_request *request, const uint8_t *body) {
    io->row.at = io->row.first = body + 2;
    io->row.n_columns = session->n_columns;
    io->row.column = 0;
    io->row.statement = request->statement;
    return HF_DRIVER_ROW;
}

/* hf_driver.feed for any message, usual or not. oldest: the oldest request in flight, or NULL. */
hf_driver_event hf_pg_feed_any(hf_pg_session *session, hf_io *io, hf_request *oldest);

#endif
