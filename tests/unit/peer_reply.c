/* What the peer says by itself, how its links and transactions end, which version of the protocol it speaks. */
#include "peer_message.h"

void hf_peer_end(hf_peer *peer, hf_peer_link *self) {
    hf_script_link *link = link_of(peer, self);
    if (link && !link->released && !self->deaf)
        hf_script_link_eof(link);
    self->ended = true;
}

void hf_peer_roll_back(hf_peer_link *self) {
    hf_peer_tx_end(self, HF_PEER_ABORTED);
    hf_peer_ledger_end(self, false);
    self->n_pending = 0;
    self->failed = true;
    self->executing = false;
}

/* ParameterStatus. */
void hf_peer_tell_one(hf_peer *peer, hf_peer_link *self, const char *name, const char *value) {
    message out = { .size = 0 };
    put_text(&out, name), put_text(&out, value);
    send(peer, self, 'S', &out);
}

static bool asks_read_only(const hf_peer *peer) {
    static const char wanted[] = "default_transaction_read_only\0on";
    for (uint32_t i = 0; i + sizeof wanted <= peer->startup_bytes; i++)
        if (memcmp(peer->startup + i, wanted, sizeof wanted) == 0)
            return true;
    return false;
}

/* What CockroachDB tells is statusReportParams of its pkg/sql/pgwire/conn.go: nothing of its role. YugabyteDB to 2024.2
 * is PostgreSQL 11, which tells nothing of its role either. The versions are made up: nothing may depend on them. */
void hf_peer_tell_all(hf_peer *peer, hf_peer_link *self) {
    static const char *const of_cockroach[][2] = {
        { "server_version", "13.0.0" },
        { "server_encoding", "UTF8" },
        { "client_encoding", "UTF8" },
        { "application_name", "holdfast" },
        { "DateStyle", "ISO, MDY" },
        { "IntervalStyle", "postgres" },
        { "is_superuser", "off" },
        { "TimeZone", "UTC" },
        { "integer_datetimes", "on" },
        { "standard_conforming_strings", "on" },
        { "crdb_version", "CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu)" },
    };
    const size_t n = sizeof of_cockroach / sizeof of_cockroach[0];
    for (size_t i = 0; i < n && peer->kind == HF_PEER_COCKROACH; i++)
        hf_peer_tell_one(peer, self, of_cockroach[i][0], of_cockroach[i][1]);
    if (peer->kind == HF_PEER_COCKROACH)
        return;
    hf_peer_tell_one(peer, self, "server_version",
                     peer->kind == HF_PEER_YUGABYTE ? "11.2-YB-2024.2.0.0-b0" : "15.4");
    if (!peer->silent && peer->kind == HF_PEER_POSTGRES) {
        hf_peer_tell_one(peer, self, "in_hot_standby", peer->hot ? "on" : "off");
        hf_peer_tell_one(peer, self, "default_transaction_read_only",
                         peer->read_only || asks_read_only(peer) ? "on" : "off");
    }
}

void hf_peer_tell(hf_peer *peer, const char *name, const char *value) {
    for (unsigned i = 0; i < HF_SCRIPT_LINKS; i++)
        if (peer->links[i].started && hears(peer, &peer->links[i]))
            hf_peer_tell_one(peer, &peer->links[i], name, value);
}

static bool is_session(hf_peer *peer, hf_peer_link *self) {
    return self->started && hears(peer, self);
}

void hf_peer_say(hf_peer *peer, char severity, const char *sqlstate) {
    for (unsigned i = 0; i < HF_SCRIPT_LINKS; i++) {
        hf_peer_link *self = &peer->links[i];
        if (!is_session(peer, self))
            continue;
        if (severity == 'F') {
            say(peer, self, 'E', "FATAL", sqlstate, NULL);
            hf_peer_roll_back(self);
            hf_peer_end(peer, self);
        } else {
            say(peer, self, 'N', severity == 'W' ? "WARNING" : "NOTICE", sqlstate, NULL);
        }
    }
}

void hf_peer_drop(hf_peer *peer, int err) {
    for (unsigned i = 0; i < HF_SCRIPT_LINKS; i++) {
        hf_peer_link *self = &peer->links[i];
        if (!is_session(peer, self))
            continue;
        hf_peer_roll_back(self);
        if (err)
            hf_script_link_fail(link_of(peer, self), err);
        else
            hf_script_link_eof(link_of(peer, self));
        self->ended = true;
    }
}

/* How many bytes the session's cancel key has behind the process's number. */
static unsigned secret_bytes(const hf_peer *peer, const hf_peer_link *self) {
    return self->minor > 0 && peer->secret_bytes > 0 ? peer->secret_bytes : 4;
}

void hf_peer_send_key(hf_peer *peer, hf_peer_link *self) {
    message out = { .size = 0 };
    put_number(&out, self->number, 4), put_number(&out, 1000 + self->number, 4);
    for (unsigned i = 4; i < secret_bytes(peer, self); i++)
        put_number(&out, i & 0xff, 1);
    send(peer, self, 'K', &out);
}

bool hf_peer_takes_version(hf_peer *peer, hf_peer_link *self, uint8_t minor) {
    message out = { .size = 0 };
    if (minor > 0 && peer->drops != HF_PEER_NOTHING) {
        peer->dropped++;
        if (peer->drops != HF_PEER_EOF)
            say(peer, self, 'E', "FATAL", peer->drops_with, peer->drops_message);
        hf_peer_end(peer, self);
        return false;
    }
    if (minor > peer->newest) {
        minor = peer->newest;
        put_number(&out, 3u << 16 | minor, 4), put_number(&out, 0, 4);
        send(peer, self, 'v', &out);
    }
    self->minor = minor;
    return true;
}

void hf_peer_check_key(const hf_peer *peer, uint32_t pid, const uint8_t *key, uint32_t bytes) {
    HF_ASSERT(get32(key) == 1000 + pid);
    for (uint32_t i = 4; i < bytes; i++)
        HF_ASSERT(key[i] == (i & 0xff));
    for (unsigned i = 0; i < HF_SCRIPT_LINKS; i++)
        HF_ASSERT(peer->links[i].number != pid || bytes == secret_bytes(peer, &peer->links[i]));
}
