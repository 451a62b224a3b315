#include "check.h"

#include "pg/session.h"

#include "holdfast/layout.h"

/* The one look into the driver: what a dropped statement leaves behind shows from outside only after hundreds. */
void sim_check_store(const sim_link *link) {
    hf_pg_session *session = hf_pg_of(&sim_pool->conns[link->link.tag].session);
    unsigned bytes = 0;
    for (unsigned i = 0; i < HF_PG_SLOTS; i++) {
        const hf_pg_entry *entry = &session->entries[i];
        bytes += entry->number != 0 ? (unsigned)entry->sql_bytes + entry->columns_bytes : 0;
    }
    SIM_CHECK(session->stored == bytes, "a statement that is dropped leaves nothing",
              "link #: # bytes are in use, # are needed", link->number, session->stored, bytes);
}
