#include "ledger.h"

#include "sql.h"

/* A hash is made anew wherever it is needed, at each attempt and at the answer to FIND: the request's texts and
 * parameters are the caller's until on_done, and a request has no room for it. */

/* --- before anything is sent ----------------------------------------------------------------------- */

/* Why a statement has no place in a ledger's transaction, or NULL. */
static const char *refused_statement(const char *sql) {
    const char *why = sql ? hf_pg_sql_refused_in_batch(sql) : NULL;

    if (!why && sql && hf_pg_sql_commits(sql)) {
        why = HF_MESSAGE("it commits by itself, so no ledger can hold it: leave the ledger out");
    }
    return why;
}

const char *hf_pg_ledger_refused(const hf_request *request) {
    const hf_ledger *ledger = request->ledger;
    const char *why = NULL, *before = NULL;

    if (!ledger || !ledger->insert || !ledger->find || !request->key || request->n_key == 0 ||
        request->n_key > HF_LEDGER_KEY_MAX) {
        return HF_MESSAGE("a ledger request without its ledger, or without 1 to 8 key values");
    }
    if (request->work && strlen(request->work) >= HF_PG_LEDGER_HASH_BYTES) {
        return HF_MESSAGE("the `work` of a ledger request has at most 64 characters");
    }
    if (hf_pg_sql_mentions(ledger->insert, "CONFLICT")) {
        return HF_MESSAGE("the ledger's insert says ON CONFLICT: its 23505 is what tells that the "
                          "key is there");
    }
    if (!hf_pg_sql_mentions(ledger->find, "SHARE") && !hf_pg_sql_mentions(ledger->find, "UPDATE")) {
        return HF_MESSAGE("the ledger's find does not lock the row: add FOR SHARE, so that no "
                          "standby answers it");
    }
    for (uint32_t i = 0; !why && i < hf_pg_statements_of(request); i++) {
        const char *sql = hf_is_batch(request) ? request->batch[i].sql : request->sql;
        why = sql == before ? NULL : refused_statement(sql);
        before = sql; /* a batch is often one text over and over */
    }
    return why;
}

/* --- the hash -------------------------------------------------------------------------------------- */

static int add(const hf_hash *hash, hf_sha256 *sum, const void *from, size_t bytes, bool null) {
    uint8_t length[9] = { null };
    int err;

    hf_pg_put32(length + 1, (uint32_t)((uint64_t)bytes >> 32));
    hf_pg_put32(length + 5, (uint32_t)bytes);
    err = hash->update(sum, length, sizeof length);
    return err || bytes == 0 ? err : hash->update(sum, from, bytes);
}

/* What a parameter is, if that is not the default: so a hash of text whose types the server finds is as it was before
 * there were others. The first byte is none that add() begins with. */
static int add_kind(const hf_hash *hash, hf_sha256 *sum, const hf_statement *statement,
                    uint32_t param) {
#if HF_WITH_VALUES
    const hf_param_kind *kind = statement->param_kinds ? &statement->param_kinds[param] : NULL;

    if (kind && (kind->type != 0 || kind->format != HF_FORMAT_TEXT)) {
        uint8_t bytes[5] = { (uint8_t)(2 + kind->format) };
        hf_pg_put32(bytes + 1, kind->type);
        return hash->update(sum, bytes, sizeof bytes);
    }
#else
    (void)hash, (void)sum, (void)statement, (void)param;
#endif
    return HF_OK;
}

static int add_statement(const hf_hash *hash, hf_sha256 *sum, const hf_statement *statement) {
    int err = add(hash, sum, statement->sql, strlen(statement->sql), false);

    for (uint32_t i = 0; !err && i < statement->n_params; i++) {
        const hf_value *value = &statement->params[i];
        err = add_kind(hash, sum, statement, i);
        err = err ? err : add(hash, sum, value->data, value->data ? value->bytes : 0, !value->data);
    }
    return err;
}

int hf_pg_ledger_hash(const hf_io *io, const hf_request *request,
                      char text[HF_PG_LEDGER_HASH_BYTES]) {
    const hf_hash *hash = io->port->api->hash;
    hf_sha256 sum;
    uint8_t out[32];

    if (request->work) {
        memcpy(text, request->work, strlen(request->work) + 1);
        return HF_OK;
    }
    int err = hash ? hash->start(&sum) : HF_ERR_RESOURCES;

    for (uint32_t i = 0; !err && i < hf_pg_statements_of(request); i++) {
        const hf_statement statement = hf_statement_of(request, i);
        const uint8_t n_params[2] = { (uint8_t)(statement.n_params >> 8),
                                      (uint8_t)statement.n_params };
        err = hash->update(&sum, n_params, sizeof n_params);
        err = err ? err : add_statement(hash, &sum, &statement);
    }
    err = err ? err : hash->finish(&sum, out);
    for (size_t i = 0; !err && i < sizeof out; i++) {
        text[2 * i] = "0123456789abcdef"[out[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[out[i] & 15];
    }
    text[HF_PG_LEDGER_HASH_BYTES - 1] = 0;
    return err;
}

/* --- found ----------------------------------------------------------------------------------------- */

hf_driver_event hf_pg_ledger_row(hf_io *io, hf_request *request, const hf_pg_message *message) {
    const uint32_t seal_bytes = sizeof HF_PG_LEDGER_SEAL - 1;
    hf_pg_body body = { .at = message->body, .end = message->body + message->bytes, .good = true };
    const bool two = hf_pg_read16(&body) == 2;
    const uint32_t bytes = hf_pg_read32(&body);
    const size_t left = (size_t)(body.end - body.at);
    char hash[HF_PG_LEDGER_HASH_BYTES];

    if (!two || !body.good || bytes > left || left - bytes < 4) {
        return hf_pg_broken(io, HF_PHASE_QUERY, "a row of %u bytes that is no hash and kept",
                            message->bytes, 0);
    }
    if (hf_pg_ledger_hash(io, request, hash) != HF_OK) {
        return hf_pg_broken(io, HF_PHASE_QUERY, "the port cannot hash", 0, 0);
    }
    const size_t hash_bytes = strlen(hash);
    const bool ours = bytes == hash_bytes && memcmp(body.at, hash, hash_bytes) == 0;
    const bool sealed = bytes == seal_bytes + hash_bytes &&
                        memcmp(body.at, HF_PG_LEDGER_SEAL, seal_bytes) == 0 &&
                        memcmp(body.at + seal_bytes, hash, hash_bytes) == 0;
    request->tx_status = ours ? HF_TX_COMMITTED : sealed ? HF_TX_SEALED : HF_TX_OTHER;
    body.at += bytes;
    const uint8_t *kept = body.at;
    const uint32_t kept_bytes = hf_pg_read32(&body);
    if (!ours) {
        return HF_DRIVER_MORE;
    }
    if (message->cut) {
        hf_pg_say(io, HF_ERR_TOO_LARGE, HF_PHASE_QUERY,
                  "what was kept with the key takes %u bytes; the receive buffer (rx_bytes) has %u",
                  kept_bytes, io->rx.size);
        return HF_DRIVER_SKIPPED;
    }
    if (kept_bytes != UINT32_MAX && kept_bytes != (size_t)(body.end - body.at)) {
        request->tx_status = HF_TX_NONE;
        return hf_pg_broken(io, HF_PHASE_QUERY, "a row of %u bytes that is no hash and kept",
                            message->bytes, 0);
    }
    io->row = (hf_row){ .at = kept, .first = kept, .n_columns = 1 };
    return HF_DRIVER_KEPT;
}
