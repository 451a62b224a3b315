/* A ledger request's head: what its transaction does before the request's own statements, and what its key stands for
 * (SEMANTICS 48). hf_request has its ledger and its key.
 *
 * The head is four statements of the driver's own, BEGIN among them, in the flight of the request's. Which of them
 * failed is known by session->head alone, so an error of the key's is never taken for one of the request's, nor the
 * other way round. Private to core/pg.
 */
#ifndef HF_PG_LEDGER_H
#define HF_PG_LEDGER_H

#include "session.h"

/* session->head: the statement of the head that is answered next. */
enum {
    HF_PG_HEAD_BEGIN,
    HF_PG_HEAD_QUIET, /* no time-out of the session ends the wait for the key */
    HF_PG_HEAD_KEY,
    HF_PG_HEAD_RESTORE, /* they are as they were */
    HF_PG_HEAD_OVER
};

/* The request's hash as text, its NUL included; and what stands in its place where the key is used up. */
enum { HF_PG_LEDGER_HASH_BYTES = 64 + 1 };
#define HF_PG_LEDGER_SEAL "refused "

/* Why a ledger request is not sent at all, or NULL. */
const char *hf_pg_ledger_refused(const hf_request *request);
/* Hashes the request's texts and parameters (SHA-256, FIPS 180-4), each behind its length, so that no two requests
 * give the same bytes. 0, or an hf_err: the port cannot hash. */
int hf_pg_ledger_hash(const hf_io *io, const hf_request *request,
                      char hash[HF_PG_LEDGER_HASH_BYTES]);
/* A DataRow of FIND: hash, kept. What the key stands for goes into request->tx_status; KEPT: io->row is on what was
 * kept. SKIPPED: that is larger than rx. BROKEN: it is no such row, or the port cannot hash. */
hf_driver_event hf_pg_ledger_row(hf_io *io, hf_request *request, const hf_pg_message *message);

#endif
