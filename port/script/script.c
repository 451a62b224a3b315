#include "hand.h"
#include "server.h"

#include <string.h>

/* Invariants: a link that is `used` and not `released` is one of `live`; a released link is never touched by
 * the client again (HF_ASSERT), but keeps what was written on it until its place is needed. News are noted
 * when something happens, and told once: what the client leaves unread is not told again. */

/* Counts a call; does it fail? */
static bool injected(hf_script *script) {
    script->calls++;
    if (script->fail_call == 0) {
        return false;
    }
    return script->calls == script->fail_call ||
           (script->fail_forever && script->calls > script->fail_call);
}

/* ---- links, as the client uses them ---------------------------------------------------------- */

static hf_script_link *of(hf_link *link) {
    hf_script_link *self = (hf_script_link *)(void *)link;

    HF_ASSERT(self->used && !self->released);
    return self;
}

static void release(hf_script_link *self) {
    self->released = true;
    self->noted = false;
    self->script->live--;
}

/* Everything an I/O call answers before it looks at bytes; 0: go on. */
static int trouble(hf_script_link *self) {
    if (injected(self->script)) {
        self->fails = HF_ERR_RESET;
    }
    return self->fails;
}

static bool usable(const hf_script_link *self) {
    return self->up && (!self->tls || self->tls_up);
}

static int link_ready(hf_link *link, bool *more) {
    hf_script_link *self = of(link);
    int err = trouble(self);

    *more = false;
    if (err) {
        return err;
    }
    if (self->tls && !self->tls_up) {
        if (self->eof) {
            return HF_ERR_EOF;
        }
        if (self->script->tls_steps > 0) {
            self->script->tls_steps--;
            *more = true;
            return 0;
        }
        self->tls_up = self->script->auto_tls;
        return self->tls_up;
    }
    return self->up;
}

static int link_read(hf_link *link, void *to, size_t bytes) {
    hf_script_link *self = of(link);
    const size_t asked = bytes;
    size_t waiting, limit = self->script->read_limit;
    int err = trouble(self);

    HF_ASSERT(usable(self) && !self->closing && bytes > 0);
    if (err) {
        return err;
    }
    waiting = self->to_end - self->to_start;
    if (waiting == 0) {
        return self->eof ? HF_ERR_EOF : 0;
    }
    bytes = bytes < waiting ? bytes : waiting;
    bytes = limit > 0 && bytes > limit ? limit : bytes;
    memcpy(to, self->to_client + self->to_start, bytes);
    self->to_start += (uint32_t)bytes;
    if (bytes < asked && (bytes < waiting || self->eof)) {
        self->noted = true;
    }
    return (int)bytes;
}

static int link_write(hf_link *link, const void *from, size_t bytes) {
    hf_script_link *self = of(link);
    size_t room, limit = self->script->write_limit;
    int err = trouble(self);

    HF_ASSERT(usable(self) && !self->closing && bytes > 0);
    if (err) {
        return err;
    }
    room = hf_script_room(self->from_client, &self->from_start, &self->from_end, bytes);
    bytes = bytes < room ? bytes : room;
    bytes = bytes < self->tx_room ? bytes : self->tx_room;
    bytes = limit > 0 && bytes > limit ? limit : bytes;
    memcpy(self->from_client + self->from_end, from, bytes);
    self->from_end += (uint32_t)bytes;
    if (self->tx_room != UINT32_MAX) {
        self->tx_room -= (uint32_t)bytes;
    }
    hf_script_serve(self);
    return (int)bytes;
}

static int link_close(hf_link *link) {
    hf_script_link *self = of(link);
    int err = trouble(self);

    self->closing = true;
    self->eof = self->eof || self->script->auto_close;
    if (err || self->eof) {
        release(self);
        return 1;
    }
    return 0;
}

static void link_abort(hf_link *link) {
    hf_script_link *self = of(link);

    self->aborted = true;
    release(self);
}

static size_t link_binding(hf_link *link, uint8_t *out) {
    hf_script_link *self = of(link);

    if (!self->tls_up) {
        return 0;
    }
    for (size_t i = 0; i < 32; i++) {
        out[i] = (uint8_t)i;
    }
    return 32;
}

static const char *link_why(hf_link *link, int32_t *system) {
    (void)of(link);
    *system = 0;
    return NULL;
}

static const hf_link_api hf_script_link_api = {
    .ready = link_ready,
    .read = link_read,
    .write = link_write,
    .close = link_close,
    .abort = link_abort,
    .binding = link_binding,
    .why = link_why,
};

/* ---- no hash, so that a script needs no TLS library --------------------------------------------- */

static int no_start(hf_sha256 *hash) {
    (void)hash;
    return HF_ERR_RESOURCES;
}

static int no_update(hf_sha256 *hash, const void *from, size_t bytes) {
    (void)hash, (void)from, (void)bytes;
    return HF_ERR_RESOURCES;
}

static int no_finish(hf_sha256 *hash, uint8_t out[32]) {
    (void)hash, (void)out;
    return HF_ERR_RESOURCES;
}

static void no_clone(hf_sha256 *to, const hf_sha256 *from) {
    *to = *from;
}

static const hf_hash no_hash = {
    .start = no_start, .update = no_update, .finish = no_finish, .clone = no_clone
};

/* ---- the port, as the client uses it ----------------------------------------------------------- */

static hf_script *script_of(hf_port *port) {
    hf_script *script = (hf_script *)(void *)port;

    script->api.hash = script->hash ? script->hash : &no_hash;
    return script;
}

static void copy(char *to, size_t size, const char *from) {
    size_t bytes = from ? strlen(from) : 0;

    bytes = bytes < size ? bytes : size - 1;
    if (bytes > 0) {
        memcpy(to, from, bytes);
    }
    to[bytes] = 0;
}

/* A place never used, else that of the link released first. */
static hf_script_link *place(hf_script *script) {
    hf_script_link *oldest = NULL;

    for (size_t i = 0; i < HF_SCRIPT_LINKS; i++) {
        hf_script_link *link = &script->links[i];
        if (!link->used) {
            return link;
        }
        if (link->released && (!oldest || link->number < oldest->number)) {
            oldest = link;
        }
    }
    HF_ASSERT(oldest != NULL); /* more links live than HF_SCRIPT_LINKS */
    return oldest;
}

/* All of a link but its bytes. */
static void clear(hf_script_link *link) {
    memset(link, 0, offsetof(hf_script_link, to_client));
    link->to_start = link->to_end = link->from_start = link->from_end = 0;
    link->alpn[0] = link->host[0] = 0;
    link->server.serves = link->server.started = false;
    link->server.transaction = link->server.failed = false;
    link->server.n_parsed = 0;
}

static hf_link *script_open(hf_port *port, const hf_address *address, const char *path,
                            uint32_t tag, int *err) {
    hf_script *script = script_of(port);
    hf_script_link *link;

    if (injected(script)) {
        *err = HF_ERR_RESOURCES;
        return NULL;
    }
    HF_ASSERT(address->kind != HF_ADDRESS_NONE && (address->kind != HF_ADDRESS_LOCAL || path));
    link = place(script);
    clear(link);
    link->link = (hf_link){ .api = &hf_script_link_api, .tag = tag };
    link->script = script;
    link->number = script->opened++;
    link->address = *address;
    link->used = true;
    link->tx_room = UINT32_MAX;
    link->up = link->noted = script->auto_connect;
    copy(link->host, sizeof link->host, address->kind == HF_ADDRESS_LOCAL ? path : NULL);
    script->live++;
    return &link->link;
}

static hf_link *script_start_tls(hf_port *port, hf_link *under, const char *host, const char *alpn,
                                 int *err) {
    hf_script *script = script_of(port);
    hf_script_link *link = of(under);

    HF_ASSERT(link->up && !link->tls);
    if (injected(script)) {
        *err = HF_ERR_RESOURCES;
        return NULL;
    }
    if (link->fails || link->eof || link->to_start != link->to_end) { /* as a real one looks */
        *err = link->to_start != link->to_end ? HF_ERR_TLS_INJECTED
               : link->fails                  ? link->fails
                                              : HF_ERR_EOF;
        return NULL;
    }
    link->tls = true;
    link->noted = script->auto_tls;
    copy(link->host, sizeof link->host, host);
    copy(link->alpn, sizeof link->alpn, alpn);
    return under;
}

/* Digits and dots, or anything with a colon. */
static bool numeric(const char *host) {
    return strchr(host, ':') || host[strspn(host, "0123456789.")] == 0;
}

static int script_resolve(hf_port *port, unsigned slot, const char *host, uint16_t port_number) {
    hf_script *script = script_of(port);
    hf_script_lookup *lookup = hf_script_lookup_of(script, slot);

    HF_ASSERT(!lookup->busy);
    if (injected(script)) {
        return HF_ERR_RESOURCES;
    }
    *lookup = (hf_script_lookup){ .busy = true, .port = port_number };
    copy(lookup->host, sizeof lookup->host, host);
    if (script->auto_resolve || numeric(host)) {
        hf_script_resolved(script, slot, numeric(host) ? 1 : (int)script->addresses);
    }
    return HF_OK;
}

static int script_resolved(hf_port *port, unsigned slot, hf_address *out, size_t max) {
    hf_script *script = script_of(port);
    hf_script_lookup *lookup = hf_script_lookup_of(script, slot);
    int answer = lookup->answer;

    HF_ASSERT(lookup->busy && max > 0);
    if (injected(script)) {
        answer = HF_ERR_RESOLVE;
    }
    if (answer == 0) {
        return 0;
    }
    lookup->busy = lookup->noted = false;
    if (answer > 0) {
        answer = (size_t)answer < max ? answer : (int)max;
        for (int i = 0; i < answer; i++) {
            out[i] = (hf_address){ .kind = HF_ADDRESS_IP4,
                                   .port = lookup->port,
                                   .ip = { 127, 0, 0, (uint8_t)(i + 1) } };
        }
    }
    return answer;
}

static void script_resolve_cancel(hf_port *port, unsigned slot) {
    *hf_script_lookup_of(script_of(port), slot) = (hf_script_lookup){ 0 };
}

static int script_next(hf_port *port, uint32_t *tag) {
    hf_script *script = script_of(port);
    hf_script_link *first = NULL;

    for (unsigned slot = 0; slot < sizeof script->lookups / sizeof script->lookups[0]; slot++) {
        if (script->lookups[slot].noted) {
            script->lookups[slot].noted = false;
            *tag = HF_TAG_RESOLVE + slot;
            return 1;
        }
    }
    for (size_t i = 0; i < HF_SCRIPT_LINKS; i++) {
        hf_script_link *link = &script->links[i];
        if (link->noted && (!first || link->number < first->number)) {
            first = link;
        }
    }
    if (!first) {
        return 0;
    }
    first->noted = false;
    *tag = first->link.tag;
    return 1;
}

/* xorshift32 (Marsaglia, 2003): the same bytes for the same seed. */
static int script_random(hf_port *port, void *out, size_t bytes) {
    hf_script *script = script_of(port);
    uint8_t *at = out;

    if (injected(script)) {
        return HF_ERR_RESOURCES;
    }
    for (size_t i = 0; i < bytes; i++) {
        uint32_t x = script->random ? script->random : 1;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        script->random = x;
        at[i] = (uint8_t)(x >> 24);
    }
    return HF_OK;
}

static bool script_over_budget(hf_port *port) {
    return script_of(port)->over_budget;
}

/* ---- the script itself -------------------------------------------------------------------------- */

void hf_script_init(hf_script *script) {
    memset(script, 0, offsetof(hf_script, links));
    for (size_t i = 0; i < HF_SCRIPT_LINKS; i++) {
        clear(&script->links[i]);
    }
    script->api = (hf_port_api){
        .open = script_open,
        .start_tls = script_start_tls,
        .resolve = script_resolve,
        .resolved = script_resolved,
        .resolve_cancel = script_resolve_cancel,
        .next = script_next,
        .random = script_random,
        .over_budget = script_over_budget,
        .hash = &no_hash,
    };
    script->port.api = &script->api;
    script->auto_resolve = script->auto_tls = script->auto_close = true;
    script->random = 1;
    script->addresses = 1;
}

hf_port *hf_script_port(hf_script *script) {
    return &script->port;
}
