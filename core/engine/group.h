/* Reads that share a Sync, and so a ReadyForQuery (SEMANTICS 45): what becomes of each when that comes.
 *
 *     answered   answered   answered   refused   passed over   passed over   ReadyForQuery
 *        OK         OK         OK      verdict      again         again
 *
 * Those that run again have a Sync of their own from then on, and no re-send is counted. So do all that were not
 * answered if it was the group's clock that cut it short, and those that were answered if what they have read does not
 * stand, because their transaction was undone. Called, and linked, only with HF_WITH_GROUPS.
 */
#ifndef HF_GROUP_H
#define HF_GROUP_H

#include "internal.h"

/* Takes the oldest group out of flight, at its ReadyForQuery. Those that were answered, and stand, are put into *done,
 * in order; the caller ends them. Those that run again are in the queue afterwards, or have ended, if they must.
 * Returns the one that was refused, whose verdict is the caller's; NULL: there is none. *hit: a cancel of ours was for
 * one of the group; *ours: for the refused one. */
hf_request *hf_group_take(hf_conn *conn, hf_queue *done, bool *hit, bool *ours);
/* The requests in *again run again, in this order, before all that is queued; or end, if they must. */
void hf_group_apart(hf_conn *conn, hf_queue *again);

#endif
