/* Messages of the server's, and how they are sent. Private to peer.c and peer_status.c. */
#ifndef HF_PEER_MESSAGE_H
#define HF_PEER_MESSAGE_H

#include "peer.h"

#include <string.h>

typedef struct message {
    uint8_t data[HF_SCRIPT_BYTES];
    uint32_t size;
} message;

static inline void put(message *out, const void *from, size_t bytes) {
    HF_ASSERT(out->size + bytes <= sizeof out->data);
    memcpy(out->data + out->size, from, bytes);
    out->size += (uint32_t)bytes;
}

static inline void put_number(message *out, uint32_t value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;)
        put(out, &(uint8_t){ (uint8_t)(value >> (8 * i)) }, 1);
}

static inline void put_text(message *out, const char *text) {
    put(out, text, strlen(text) + 1);
}

static inline uint32_t get32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline hf_script_link *link_of(hf_peer *peer, hf_peer_link *self) {
    return hf_script_link_at(peer->script, self->number - 1);
}

/* Can the client still hear? */
static inline bool hears(hf_peer *peer, hf_peer_link *self) {
    hf_script_link *link = link_of(peer, self);
    return !self->deaf && !self->ended && link && !link->released && !link->eof && !link->fails;
}

static inline void send(hf_peer *peer, hf_peer_link *self, char type, const message *body) {
    uint8_t head[5] = { (uint8_t)type };
    uint32_t size = body->size + 4;
    if (!hears(peer, self))
        return;
    for (unsigned i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    hf_script_link_reply(link_of(peer, self), head, sizeof head);
    hf_script_link_reply(link_of(peer, self), body->data, body->size);
}

static inline void send_empty(hf_peer *peer, hf_peer_link *self, char type) {
    message none = { .size = 0 };
    send(peer, self, type, &none);
}

static inline void send_tag(hf_peer *peer, hf_peer_link *self, const char *tag) {
    message out = { .size = 0 };
    put_text(&out, tag);
    send(peer, self, 'C', &out);
}

static inline void send_ready(hf_peer *peer, hf_peer_link *self) {
    message out = { .size = 0 };
    put(&out, self->in_transaction ? self->failed ? "E" : "T" : "I", 1);
    send(peer, self, 'Z', &out);
}

static inline void say(hf_peer *peer, hf_peer_link *self, char type, const char *severity,
                       const char *sqlstate, const char *text) {
    message out = { .size = 0 };
    put(&out, "S", 1), put_text(&out, severity);
    if (peer->kind !=
        HF_PEER_COCKROACH) /* writeErrFields() of its pkg/sql/pgwire/conn.go has no V */
        put(&out, "V", 1), put_text(&out, severity);
    put(&out, "C", 1), put_text(&out, sqlstate ? sqlstate : "XX000");
    put(&out, "M", 1), put_text(&out, text ? text : "as the test says");
    if (strcmp(severity, "WARNING") == 0 && sqlstate && strcmp(sqlstate, "01000") == 0)
        put(&out, "R", 1), put_text(&out, "SyncRepWaitForLSN");
    put_number(&out, 0, 1);
    send(peer, self, type, &out);
}

/* --- peer_reply.c ------------------------------------------------------------------------------------- */

/* The stream ends. */
void hf_peer_end(hf_peer *peer, hf_peer_link *self);
/* So does the transaction, without effect. */
void hf_peer_roll_back(hf_peer_link *self);
/* What a session is told at its login: a ParameterStatus for each. */
void hf_peer_tell_all(hf_peer *peer, hf_peer_link *self);
/* ParameterStatus, of one session. */
void hf_peer_tell_one(hf_peer *peer, hf_peer_link *self, const char *name, const char *value);

/* A version that the peer does not speak is talked down, or dropped. False: dropped. */
bool hf_peer_takes_version(hf_peer *peer, hf_peer_link *self, uint8_t minor);
/* BackendKeyData. */
void hf_peer_send_key(hf_peer *peer, hf_peer_link *self);
/* Fails unless it is the key that the peer gave to this session, whole. */
void hf_peer_check_key(const hf_peer *peer, uint32_t pid, const uint8_t *key, uint32_t bytes);

/* --- peer_status.c: transactions that can be asked about ------------------------------------------------ */

/* Is it one of the driver's own statements, a ticket or a question? */
bool hf_peer_is_own(const char *sql);
hf_peer_point hf_peer_own_point(const hf_peer_link *self);
/* Notes what a question asks by: the values of a Bind. */
void hf_peer_own_bind(hf_peer_link *self, const uint8_t *body);
/* The one value it is answered with; NULL: it is refused, with *sqlstate. */
const char *hf_peer_own_answer(hf_peer *peer, hf_peer_link *self, const char **sqlstate);
void hf_peer_tx_end(hf_peer_link *self, hf_peer_tx_status status);

/* --- peer_ledger.c: the ledger of a request ------------------------------------------------------------- */

bool hf_peer_is_ledger(const char *sql);
void hf_peer_ledger_bind(hf_peer_link *self, const uint8_t *body);
/* Whose Execute comes: KEY, FIND, or TICKET for all others. */
hf_peer_point hf_peer_ledger_point(const char *sql);
/* Does it, whole. False: it waits for another transaction that holds the key. */
bool hf_peer_ledger_execute(hf_peer *peer, hf_peer_link *self);
/* The transaction is over. */
void hf_peer_ledger_end(hf_peer_link *self, bool committed);

#endif
