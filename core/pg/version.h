/* Which version of protocol 3 a session speaks, and how long its cancel key may be (SEMANTICS 65; PostgreSQL docs
 * 54.2.1, 54.7). Private to core/pg.
 */
#ifndef HF_PG_VERSION_H
#define HF_PG_VERSION_H

#include "session.h"

#if HF_WITH_VERSIONS
/* The minor version that a login asks for: 0, or 2. */
uint8_t hf_pg_asks_minor(const hf_io *io);
/* Reads a NegotiateProtocolVersion. MORE: the login goes on, with session->minor; BROKEN: io->error. */
hf_driver_event hf_pg_negotiate(hf_pg_session *session, hf_io *io, const hf_pg_message *message);
/* The server has refused the login (io->error). True: it may have dropped the version, and io->old_protocol was set.
 * False too, with HF_ERR_CONFIG in io->error, where the version was dropped that has to be had. */
bool hf_pg_dropped_version(const hf_pg_session *session, hf_io *io);
/* hf_driver.hung_up: the link has ended during the login. True: as hf_pg_dropped_version(). */
bool hf_pg_hung_up(const hf_driver_session *session, hf_io *io);
#else
static inline hf_driver_event hf_pg_negotiate(hf_pg_session *session, hf_io *io,
                                              const hf_pg_message *message) {
    (void)session, (void)io, (void)message;
    return HF_DRIVER_MORE; /* nothing newer was asked for */
}
static inline bool hf_pg_dropped_version(const hf_pg_session *session, hf_io *io) {
    (void)session, (void)io;
    return false;
}
#endif

/* May a BackendKeyData, whose first 4 bytes are the process's number, have so many bytes? */
static inline bool hf_pg_key_fits(const hf_pg_session *session, uint32_t bytes) {
#if HF_WITH_VERSIONS
    return session->minor == 0 ? bytes == 8 : bytes >= 8 && bytes <= sizeof session->key;
#else
    return bytes == sizeof session->key;
#endif
}

#endif
