/* The session's cache of prepared statements: which text has which name on the server. (PostgreSQL docs 55.2.3.)
 *
 * session->entries has them; io->store, `store` here, has their texts and columns, HF_STATEMENT_BYTES in all. A slot is
 * an entry's index. Statements are told apart by their sequence numbers, from session->sent on. Nothing is sent:
 * statements that are to be closed wait in session->closing. No function but hf_pg_is_slot() and hf_pg_keeps() is
 * called, nor linked, without HF_WITH_PREPARED. Private to core/pg.
 */
#ifndef HF_PG_CACHE_H
#define HF_PG_CACHE_H

#include "session.h"

enum { HF_PG_NO_SLOT = 0xff }; /* the statement is not in the cache */

/* Is the statement in the cache? */
static inline bool hf_pg_is_slot(uint8_t slot) {
    return HF_WITH_PREPARED && slot != HF_PG_NO_SLOT;
}

/* Are the request's statements to be kept prepared? */
static inline bool hf_pg_keeps(const hf_request *request) {
    return HF_WITH_PREPARED && request->prepare;
}

/* Draws what the names of this session's statements begin with. False: the port has no random numbers. */
bool hf_pg_cache_start(hf_pg_session *session, hf_port *port);
/* How many types a statement's Parse has: those of all its parameters if one of them is given, else none. */
static inline uint16_t hf_pg_types_of(const hf_statement *statement) {
#if HF_WITH_VALUES
    for (uint32_t i = 0; statement->param_kinds && i < statement->n_params; i++) {
        if (statement->param_kinds[i].type != 0) {
            return statement->n_params;
        }
    }
#else
    (void)statement;
#endif
    return 0;
}

/* The slot of the statement with this text and these types that may be used, or HF_PG_NO_SLOT. */
uint8_t hf_pg_cache_find(hf_pg_session *session, const uint8_t *store,
                         const hf_statement *statement);
/* The slot that the statement in flight with this text, these types and this number was sent with, even if its entry is
 * doomed since; or HF_PG_NO_SLOT. */
uint8_t hf_pg_cache_find_sent(hf_pg_session *session, const uint8_t *store,
                              const hf_statement *statement, uint32_t sequence);
/* Adds a text of so many bytes, its NUL among them, and its types, that statement number `sequence` is to prepare; the
 * least recently used ones make room for it. HF_PG_NO_SLOT: there is none. */
uint8_t hf_pg_cache_add(hf_pg_session *session, uint8_t *store, const hf_statement *statement,
                        size_t bytes, uint32_t sequence);
/* Keeps the columns of a statement, as answer.c has squeezed them, if there is room. */
void hf_pg_cache_keep(hf_pg_session *session, uint8_t *store, uint8_t slot, const uint8_t *columns,
                      uint32_t bytes);
/* Forgets what the `count` statements from number `from` on were to prepare: the server did not come to it. */
void hf_pg_cache_undo(hf_pg_session *session, uint8_t *store, uint32_t from, uint32_t count);
/* Dooms one entry: no statement uses it again. */
void hf_pg_cache_doom(hf_pg_session *session, uint8_t slot);
/* Dooms all entries: something that they depend on may have changed. */
void hf_pg_cache_empty(hf_pg_session *session);
/* Takes the doomed entries out that nothing in flight uses, and leaves their numbers in session->closing. */
void hf_pg_cache_sweep(hf_pg_session *session, uint8_t *store);

#endif
