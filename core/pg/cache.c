#include "cache.h"

/* The prepared statements of a session. In io->store their texts and columns lie one behind the other, without
 * gaps: [text NUL types columns][text NUL types columns]… up to session->stored. When an entry goes, those behind it
 * move down. Texts are compared whole, and so are types: the same text with other types is another statement.
 *
 * An entry that a statement in flight refers to stays, because the statement's answer is read with its help. An entry
 * that goes leaves its number in session->closing: the next request closes it on the server. An entry that may be stale
 * is doomed: it goes when nothing in flight refers to it any more.
 */

/* Names have a random part because sessions may share a server behind a pooler: no statement has another's name. */
bool hf_pg_cache_start(hf_pg_session *session, hf_port *port) {
    uint8_t random[sizeof session->name];

    if (port->api->random(port, random, sizeof random) != 0) {
        return false;
    }
    memcpy(session->name, "hf_", 3);
    for (size_t i = 3; i < sizeof session->name - 1; i++) {
        session->name[i] = "abcdefghijklmnopqrstuvwxyz234567"[random[i] & 31];
    }
    session->name[sizeof session->name - 1] = '_';
    return true;
}

static bool in_use(const hf_pg_session *session, const hf_pg_entry *entry) {
    return (int32_t)(entry->used_by - session->answered) >= 0;
}

#if HF_WITH_VALUES
/* Has the entry the statement's types? Both have the same text. */
static bool same_types(const hf_pg_entry *entry, const uint8_t *store,
                       const hf_statement *statement) {
    const uint16_t n = hf_pg_types_of(statement);
    const size_t text_bytes = strlen(statement->sql) + 1;
    const hf_param_kind *kinds = statement->param_kinds;
    const uint8_t *at = store + entry->at + text_bytes;

    if (entry->sql_bytes != text_bytes + (size_t)4 * n) {
        return false;
    }
    for (uint32_t i = 0; kinds && i < n; i++, at += 4) {
        if (hf_pg_get32(at) != kinds[i].type) {
            return false;
        }
    }
    return true;
}
#endif

static bool is(const hf_pg_entry *entry, const uint8_t *store, const hf_statement *statement) {
    if (entry->number == 0 || strcmp((const char *)store + entry->at, statement->sql) != 0) {
        return false;
    }
#if HF_WITH_VALUES
    if (statement->param_kinds || (entry->flags & HF_PG_TYPED)) {
        return same_types(entry, store, statement);
    }
#endif
    return true;
}

uint8_t hf_pg_cache_find(hf_pg_session *session, const uint8_t *store,
                         const hf_statement *statement) {
    const hf_pg_entry *last = &session->entries[session->slot];

    if (is(last, store, statement) && !(last->flags & HF_PG_DOOMED)) {
        return session->slot;
    }
    for (unsigned slot = 0; slot < HF_PG_SLOTS; slot++) {
        const hf_pg_entry *entry = &session->entries[slot];
        if (is(entry, store, statement) && !(entry->flags & HF_PG_DOOMED)) {
            session->slot = (uint8_t)slot;
            return session->slot;
        }
    }
    return HF_PG_NO_SLOT;
}

/* Was statement number `sequence` sent with this entry? Among entries with one text only the last is not doomed, and
 * none was used any more when the next was added. */
static bool was_sent_with(const hf_pg_entry *entry, uint32_t sequence) {
    return (int32_t)(entry->used_by - sequence) >= 0 &&
           ((entry->flags & HF_PG_PARSED) || (int32_t)(entry->parsed_by - sequence) <= 0);
}

uint8_t hf_pg_cache_find_sent(hf_pg_session *session, const uint8_t *store,
                              const hf_statement *statement, uint32_t sequence) {
    const uint8_t known = hf_pg_cache_find(session, store, statement);

    if (known != HF_PG_NO_SLOT && was_sent_with(&session->entries[known], sequence)) {
        return known;
    }
    for (unsigned slot = 0; slot < HF_PG_SLOTS; slot++) {
        const hf_pg_entry *entry = &session->entries[slot];
        if (is(entry, store, statement) && was_sent_with(entry, sequence)) {
            return (uint8_t)slot;
        }
    }
    return HF_PG_NO_SLOT;
}

/* Takes an entry out, with its text and columns in the store. */
static void drop(hf_pg_session *session, uint8_t *store, hf_pg_entry *gone) {
    uint32_t bytes = (uint32_t)gone->sql_bytes + gone->columns_bytes;
    uint32_t after = gone->at + bytes;

    memmove(store + gone->at, store + after, session->stored - after);
    session->stored = (uint16_t)(session->stored - bytes);
    gone->number = 0;
    gone->flags = 0;
    for (hf_pg_entry *entry = session->entries; entry < session->entries + HF_PG_SLOTS; entry++) {
        if (entry->number != 0 && entry->at >= after) {
            entry->at = (uint16_t)(entry->at - bytes);
        }
    }
}

/* Can the entry be closed: does no statement in flight need it, and is there room in session->closing? */
static bool may_go(const hf_pg_session *session, const hf_pg_entry *entry) {
    return !in_use(session, entry) && session->n_closing < HF_PG_SLOTS;
}

static void drop_and_close(hf_pg_session *session, uint8_t *store, hf_pg_entry *entry) {
    session->closing[session->n_closing++] = entry->number;
    drop(session, store, entry);
}

/* Closes the least recently used entry other than `spare`. False: none can be closed. */
static bool evict(hf_pg_session *session, uint8_t *store, const hf_pg_entry *spare) {
    hf_pg_entry *oldest = NULL;
    uint32_t age_max = 0;

    for (hf_pg_entry *entry = session->entries; entry < session->entries + HF_PG_SLOTS; entry++) {
        if (entry->number == 0 || entry == spare || !may_go(session, entry)) {
            continue;
        }
        const uint32_t age = session->sent - entry->used_by;
        if (!oldest || age > age_max) {
            oldest = entry;
            age_max = age;
        }
    }
    if (oldest) {
        drop_and_close(session, store, oldest);
    }
    return oldest != NULL;
}

static bool make_room(hf_pg_session *session, uint8_t *store, size_t bytes,
                      const hf_pg_entry *spare) {
    const size_t stays = spare ? (size_t)spare->sql_bytes : 0;

    if (bytes > HF_STATEMENT_BYTES - stays) {
        return false; /* more than the whole store */
    }
    while (bytes > (size_t)(HF_STATEMENT_BYTES - session->stored)) {
        if (!evict(session, store, spare)) {
            return false;
        }
    }
    return true;
}

static hf_pg_entry *free_entry(hf_pg_session *session) {
    for (hf_pg_entry *entry = session->entries; entry < session->entries + HF_PG_SLOTS; entry++) {
        if (entry->number == 0) {
            return entry;
        }
    }
    return NULL;
}

uint8_t hf_pg_cache_add(hf_pg_session *session, uint8_t *store, const hf_statement *statement,
                        size_t text_bytes, uint32_t sequence) {
    const uint16_t n_types = hf_pg_types_of(statement);
    const size_t bytes = text_bytes + (size_t)4 * n_types;

    if (!make_room(session, store, bytes, NULL)) {
        return HF_PG_NO_SLOT;
    }
    hf_pg_entry *entry = free_entry(session);
    if (!entry && evict(session, store, NULL)) {
        entry = free_entry(session);
    }
    if (!entry) {
        return HF_PG_NO_SLOT;
    }
    session->numbers += session->numbers == UINT32_MAX ? 2 : 1; /* never 0 */
    *entry = (hf_pg_entry){
        .number = session->numbers,
        .parsed_by = sequence,
        .used_by = sequence,
        .at = session->stored,
        .sql_bytes = (uint16_t)bytes,
        .n_columns = HF_PG_COLUMNS_UNKNOWN,
        .flags = n_types > 0 ? HF_PG_TYPED : 0,
    };
    uint8_t *at = hf_pg_put(store + session->stored, statement->sql, text_bytes);
#if HF_WITH_VALUES
    for (uint32_t i = 0; i < n_types; i++) {
        at = hf_pg_put32(at, statement->param_kinds[i].type);
    }
#endif
    (void)at;
    session->stored = (uint16_t)(session->stored + bytes);
    session->slot = (uint8_t)(entry - session->entries);
    return session->slot;
}

void hf_pg_cache_keep(hf_pg_session *session, uint8_t *store, uint8_t slot, const uint8_t *columns,
                      uint32_t bytes) {
    hf_pg_entry *entry = &session->entries[slot];

    if ((entry->flags & HF_PG_KEPT) || !make_room(session, store, bytes, entry)) {
        return;
    }
    uint32_t at = (uint32_t)entry->at + entry->sql_bytes;
    memmove(store + at + bytes, store + at, session->stored - at);
    if (bytes > 0) {
        memcpy(store + at, columns, bytes);
    }
    for (hf_pg_entry *other = session->entries; other < session->entries + HF_PG_SLOTS; other++) {
        if (other->number != 0 && other->at >= at) {
            other->at = (uint16_t)(other->at + bytes);
        }
    }
    session->stored = (uint16_t)(session->stored + bytes);
    entry->columns_bytes = (uint16_t)bytes;
    entry->flags |= HF_PG_KEPT;
}

void hf_pg_cache_undo(hf_pg_session *session, uint8_t *store, uint32_t from, uint32_t count) {
    for (hf_pg_entry *entry = session->entries; entry < session->entries + HF_PG_SLOTS; entry++) {
        if (entry->number != 0 && !(entry->flags & HF_PG_PARSED) &&
            entry->parsed_by - from < count) {
            drop(session, store, entry);
        }
    }
}

void hf_pg_cache_doom(hf_pg_session *session, uint8_t slot) {
    session->entries[slot].flags |= HF_PG_DOOMED;
}

void hf_pg_cache_empty(hf_pg_session *session) {
    for (unsigned slot = 0; slot < HF_PG_SLOTS; slot++) {
        session->entries[slot].flags |= HF_PG_DOOMED; /* a free slot's flag is not read */
    }
}

void hf_pg_cache_sweep(hf_pg_session *session, uint8_t *store) {
    for (hf_pg_entry *entry = session->entries; entry < session->entries + HF_PG_SLOTS; entry++) {
        if (entry->number != 0 && (entry->flags & HF_PG_DOOMED) && may_go(session, entry)) {
            drop_and_close(session, store, entry);
        }
    }
}
