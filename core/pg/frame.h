/* Messages: the next one out of rx, and the driver's own short ones into tx. (PostgreSQL docs 55.2.7 asynchronous
 * operations, 55.7 message formats.)
 *
 * hf_pg_receive() compares a message's length with what its type may have as soon as the header is there. Only messages
 * that may come at any time get a meaning here; login.c and answer.c know the others. A message's bytes stay the
 * connection's, in rx, until the next call. What is wrong with one is said in io->error. Private to core/pg.
 */
#ifndef HF_PG_FRAME_H
#define HF_PG_FRAME_H

#include "session.h"

/* Bytes of tx that a request's flight leaves free for the driver's own messages: ROLLBACK, Sync, Terminate. */
enum { HF_PG_ROLLBACK_BYTES = 14, HF_PG_TX_RESERVE = HF_PG_ROLLBACK_BYTES + 5 + 5 };

/* Appends `size` bytes to tx, whole or not at all. False: there was no room, although HF_PG_TX_RESERVE was left. */
bool hf_pg_append(hf_io *io, const void *bytes, size_t size);

/* Takes the next message out of rx. 1: *message holds it, valid until the next call, its end thrown away if rx is too
 * small for it; 0: more bytes are needed; < 0: the session is BROKEN, io->error says why. */
int hf_pg_receive(hf_pg_session *session, hf_io *io, hf_phase phase, hf_pg_message *message);

/* Reads a message that may come at any time: NoticeResponse (NOTICE), NotificationResponse (NOTIFY, in io->channel and
 * io->payload), ParameterStatus (MORE: nothing to tell; io->role follows it). BROKEN: malformed, or client_encoding is
 * not UTF8 any more. */
hf_driver_event hf_pg_async_message(hf_io *io, hf_phase phase, const hf_pg_message *message);

#endif
