/* A ledger request's key (SEMANTICS 48): what is done where it is there already, and where it is waited for.
 *
 *     RUN --lost--> RUN --the key is there--> FIND --ours--> OK, already applied
 *                    |                         |---another request's, sealed--> FAILED
 *                    |                         |---not there--> RUN
 *                    |                         `---standby, lost--> FIND again, for max_outage
 *                    `---refused, no re-send left--> SEAL --done--> FAILED
 *                                                     |---the key is there--> FIND
 *                                                     `---lost, refused--> SEAL again, for max_outage
 *
 * A second try waits at the key for as long as a first one lives on the server, so running again is always right, and
 * FIND comes only behind the key's own 23505. FIND locks the row, so that its own end waits for a synchronous standby
 * as the commit did that wrote it.
 *
 * SEAL is for what would end while an attempt before may lie unread at the server: that one would take effect after
 * FAILED was said. So the key is inserted alone, with a mark in the place of the hash, and stays.
 */
#ifndef HF_LEDGER_H
#define HF_LEDGER_H

#include "internal.h"

/* From now on the server is asked what stands at the request's key. */
void hf_ledger_begin(hf_request *request);
/* … this very one, on the connection, at which the request is not in flight any more. */
void hf_ledger_find(hf_conn *conn, hf_request *request);
/* Facts (machine/verdict.h): did our own time-out end the attempt while the request waited for its key, and may it wait
 * for longer? */
uint32_t hf_ledger_facts(const hf_pool *pool, const hf_request *request, const hf_error *error);
/* From now on the request's key is to be used up; then the request ends FAILED because of error. */
void hf_ledger_seal(const hf_pool *pool, hf_request *request, const hf_error *error);
/* FIND, or SEAL, was answered, or refused (*why). True: the server takes no writes and cannot say, so the connection
 * must be given up because of *why. */
bool hf_ledger_asked(hf_conn *conn, hf_request *request, hf_error *why);
bool hf_ledger_sealed(hf_conn *conn, hf_request *request, hf_error *why);

#endif
