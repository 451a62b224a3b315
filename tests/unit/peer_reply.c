/* What the peer says by itself, and how its links and transactions end. */
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
