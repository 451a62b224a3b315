/* What became of a COMMIT (SEMANTICS 15): a RESOLVE request's COMMIT is a flight of its own, and when the answer to
 * that is lost, the server is asked on the next healthy connection.
 *
 *     RUN --BEFORE_COMMIT--> COMMIT --lost--> ASK --committed--> OK
 *                                     |---aborted---->  RUN again
 *                                              |---standby, lost--> ASK again, for request_timeout
 *                                              |---in progress--> ASK again; then it hangs, for max_outage
 *                                              `---another incarnation, forgotten, refused--> UNKNOWN
 *
 * A COMMIT waits until all connections that have news were read: then those that are next are announced together
 * (hf_config.on_commits) and put into tx, and the next request's statement travels right behind the COMMIT.
 *
 * The rows that were delivered count if the transaction was committed, so asking does not void them. A question spends
 * no re-send of the statement. A COMMIT that hangs waits for a synchronous standby, as every other would; and one of
 * which nothing is known may hang. So from the loss on until the answer no other write is sent (queue.h holds them).
 * Without a request_timeout the time for asking is max_outage.
 *
 * The other question is whether the server takes writes, before a request that met a read-only one runs again.
 */
#ifndef HF_RESOLVE_H
#define HF_RESOLVE_H

#include "internal.h"

/* The request has run, and its transaction is open: its COMMIT is next. LOST: the server has answered what was not sent
 * whole, and conn->io.error says so. */
hf_turn hf_resolve_before_commit(hf_conn *conn, hf_request *request);
/* Puts the COMMITs that are next into tx, or a ROLLBACK for a request that must not commit. The connections stay in
 * pool->commits until the caller has written their tx. */
void hf_resolve_commits(hf_pool *pool);
/* The COMMIT was answered, and what became of it is in doubt, while another request is in flight behind it. It is in
 * flight again, as if it had no answer: the caller gives the connection up. */
void hf_resolve_in_doubt(hf_conn *conn, hf_request *request);
/* The ROLLBACK in place of the COMMIT was answered, or lost with its connection: the request ends, or has another try.
 * roll_back_lost: true, the request is to go to the queue's head. */
void hf_resolve_rolled_back(hf_pool *pool, hf_request *request);
bool hf_resolve_roll_back_lost(hf_pool *pool, hf_request *request);
/* The answer to the request's COMMIT was lost: from now on the server is asked what became of it. */
void hf_resolve_begin(hf_pool *pool, hf_request *request);
/* The request met a read-only server, and is in the queue again: before it runs, the server is asked whether it takes
 * writes (SEMANTICS 21). */
void hf_resolve_role(hf_request *request);
/* The question about this request was answered, or refused (*why). True: the server cannot answer it (it is a standby,
 * say) and the connection must be given up because of *why. */
bool hf_resolve_asked(hf_conn *conn, hf_request *request, hf_error *why);
/* The connection was lost before the question was answered. True: it is asked again; false: the request ended. */
bool hf_resolve_lost(hf_conn *conn, hf_request *request, const hf_error *error);
/* What a question has beside its own: the facts of its verdict; the wait behind so many, in ms, which doubles, up to
 * retry_delay (a COMMIT that was under way when its link was lost is over soon, and writes are held until that is
 * known); and its end, UNKNOWN, when the time for asking is over or the request must end. why: what the last question
 * brought. */
uint32_t hf_question_facts(const hf_pool *pool, const hf_request *request);
uint32_t hf_question_delay(const hf_pool *pool, uint32_t asks);
void hf_question_out_of_time(hf_conn *conn, hf_request *request, const char *why);

#endif
