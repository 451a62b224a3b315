/* The peer's ledger: a table of keys, each unique at once, which a second transaction waits for. */
#include "peer_message.h"

#include <stdio.h>

static const char insert[] = "ledger insert", find[] = "ledger find SHARE", keep[] = "ledger keep",
                  setting[] = "SELECT set_config(";

const hf_ledger hf_peer_ledger = { insert, find, NULL },
                hf_peer_ledger_keeps = { insert, find, keep };

static bool is(const char *sql, const char *text) {
    return strncmp(sql, text, strlen(text)) == 0;
}

bool hf_peer_is_ledger(const char *sql) {
    return is(sql, "ledger ") || is(sql, setting);
}

hf_peer_point hf_peer_ledger_point(const char *sql) {
    return is(sql, insert) ? HF_PEER_KEY : is(sql, find) ? HF_PEER_FIND : HF_PEER_TICKET;
}

/* Portal, statement, formats; then the values. */
void hf_peer_ledger_bind(hf_peer_link *self, const uint8_t *body) {
    body += strlen((const char *)body) + 1;
    body += strlen((const char *)body) + 1 + 2;
    const unsigned n = (unsigned)body[0] << 8 | body[1];
    body += 2;
    for (unsigned i = 0; i < n && i < sizeof self->values / sizeof self->values[0]; i++) {
        const uint32_t bytes = get32(body);
        const bool null = bytes == UINT32_MAX;
        snprintf(self->values[i], sizeof self->values[i], "%.*s", null ? 0 : (int)bytes,
                 null ? "" : (const char *)body + 4);
        body += 4 + (null ? 0 : bytes);
    }
}

static hf_peer_key *at(hf_peer *peer, const char *key) {
    for (unsigned i = 0; i < HF_PEER_KEYS; i++)
        if (peer->keys[i].used && strcmp(peer->keys[i].key, key) == 0)
            return &peer->keys[i];
    return NULL;
}

static bool insert_key(hf_peer *peer, hf_peer_link *self) {
    hf_peer_key *key = at(peer, self->values[0]);
    if (peer->unkeyed) {
        send_tag(peer, self, "INSERT 0 0");
        return true;
    }
    if (key && key->committed) {
        say(peer, self, 'E', "ERROR", "23505", "the key is there");
        hf_peer_roll_back(self);
        return true;
    }
    if (key)
        return false;
    for (unsigned i = 0; i < HF_PEER_KEYS && !self->key; i++)
        if (!peer->keys[i].used)
            self->key = &peer->keys[i];
    HF_ASSERT(self->key && self->in_transaction);
    memset(self->key, 0, sizeof *self->key);
    self->key->used = true;
    snprintf(self->key->key, sizeof self->key->key, "%.20s", self->values[0]);
    snprintf(self->key->hash, sizeof self->key->hash, "%s", self->values[1]);
    peer->seals += is(self->values[1], "refused ");
    send_tag(peer, self, "INSERT 0 1");
    return true;
}

static void put_value(message *out, const char *text) {
    put_number(out, text[0] ? (uint32_t)strlen(text) : UINT32_MAX, 4);
    put(out, text, strlen(text));
}

static void find_key(hf_peer *peer, hf_peer_link *self) {
    const hf_peer_key *key = at(peer, self->values[0]);
    const hf_script_link *link = link_of(peer, self);
    message out = { .size = 0 };
    peer->finds++;
    if (peer->standby || (peer->standby_port && link->address.port == peer->standby_port)) {
        say(peer, self, 'E', "ERROR", "25006", "cannot execute SELECT FOR SHARE");
        hf_peer_roll_back(self);
        return;
    }
    if (key && key->committed) {
        put_number(&out, 2, 2);
        put_value(&out, key->hash);
        put_value(&out, key->kept);
        send(peer, self, 'D', &out);
    }
    send_tag(peer, self, key && key->committed ? "SELECT 1" : "SELECT 0");
}

bool hf_peer_ledger_execute(hf_peer *peer, hf_peer_link *self) {
    message out = { .size = 0 };
    if (is(self->sql, insert))
        return insert_key(peer, self);
    if (is(self->sql, find)) {
        find_key(peer, self);
    } else if (is(self->sql, keep)) {
        HF_ASSERT(self->key);
        snprintf(self->key->kept, sizeof self->key->kept, "%.20s", self->values[1]);
        send_tag(peer, self, "UPDATE 1");
    } else {
        put_number(&out, 1, 2);
        put_value(&out, "0");
        send(peer, self, 'D', &out);
        send_tag(peer, self, "SELECT 1");
    }
    return true;
}

void hf_peer_ledger_end(hf_peer_link *self, bool committed) {
    if (!self->key)
        return;
    self->key->used = self->key->committed = committed;
    self->key = NULL;
}
