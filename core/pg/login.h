/* From the start-up message to the first ReadyForQuery. (PostgreSQL docs 55.2.1 start-up, 55.3 SASL.)
 *
 * io->store is the login's scratch, and is wiped at its end, good or bad; the keys of a SCRAM login go to io->keys for
 * the next one. What went wrong is said in io->error, with HF_PHASE_LOGIN. Private to core/pg.
 */
#ifndef HF_PG_LOGIN_H
#define HF_PG_LOGIN_H

#include "session.h"

/* hf_driver.start: begins a session anew and appends the start-up message to tx. 0 or an hf_err. */
int hf_pg_start(hf_driver_session *session, hf_io *io);
/* Goes on with the login. UP: the session is ready; MORE: more bytes are needed; SLICE: keys are still being derived,
 * call again; NOTICE: io->error has it; AGAIN: a start-up parameter was refused, and io->degraded was raised; FATAL:
 * the server refused the login; BROKEN: the driver did. */
hf_driver_event hf_pg_login(hf_pg_session *session, hf_io *io);

#endif
