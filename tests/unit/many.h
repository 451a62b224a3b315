/* A port for a thousand connections: in memory, and flat, so that what a tick does can be counted. Each link is up at
 * once, and behind it is a server that lets everybody in and answers each statement with one row, "1".
 *
 *     many_open(&many, n)      room for n connections, whose links and look-ups are counted from 0 on
 *     many.calls               what core asked of port and links since somebody set it to 0
 *
 * An answer is an event of the next tick's. A static header: unit/test_many.c and bench/bench_many.c are each a
 * program.
 */
#ifndef MANY_H
#define MANY_H

#include "holdfast/holdfast.h"
#include "notes.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct many_link {
    hf_link link;
    hf_note note;
    struct many *many;
    struct many_link *next_free;
    bool started,
        broken;          /* started: the client is logged in; broken: I/O fails with HF_ERR_RESET */
    uint8_t answer[512]; /* to the client */
    uint32_t end, arrived; /* its bytes; those that the client may read */
} many_link;

typedef struct many {
    hf_port port;
    hf_notes notes;
    many_link *links, *free;
    unsigned n_links, n_open, n_logins;
    unsigned long calls;
    unsigned events; /* so many are told at most, until this is set again; UINT_MAX: all */
} many;

static inline many_link *many_of(hf_link *link) {
    many_link *self = (many_link *)(void *)link;
    self->many->calls++;
    return self;
}

/* --- the server --- */

static inline void many_say(many_link *self, char type, const void *body, uint32_t bytes) {
    uint8_t *to = self->answer + self->end;
    HF_ASSERT(self->end + 5 + bytes <= sizeof self->answer);
    to[0] = (uint8_t)type;
    to[1] = to[2] = 0;
    to[3] = (uint8_t)((4 + bytes) >> 8);
    to[4] = (uint8_t)(4 + bytes);
    memcpy(to + 5, body, bytes);
    self->end += 5 + bytes;
}

#define MANY_SAY(self, type, bytes) many_say(self, type, bytes, sizeof(bytes) - 1)

/* The messages of a flight, each answered by itself (PostgreSQL docs 55.2.3). */
static inline void many_answer(many_link *self, const uint8_t *at, size_t bytes) {
    if (!self->started) {
        self->started = true;
        self->many->n_logins++;
        MANY_SAY(self, 'R', "\0\0\0\0");
        MANY_SAY(self, 'S', "server_version\00015.0\0");
        MANY_SAY(self, 'S', "in_hot_standby\0off\0");
        MANY_SAY(self, 'S', "default_transaction_read_only\0off\0");
        MANY_SAY(self, 'K', "\0\0\0\1\0\0\0\1");
        MANY_SAY(self, 'Z', "I");
        return;
    }
    for (size_t size; bytes >= 5; at += size, bytes -= size) {
        size = 1 + ((size_t)at[3] << 8 | at[4]);
        HF_ASSERT(size <= bytes);
        switch (at[0]) {
        case 'P': MANY_SAY(self, '1', ""); break;
        case 'B': MANY_SAY(self, '2', ""); break;
        case 'D':
            if (at[5] == 'S') {
                MANY_SAY(self, 't', "\0\1\0\0\0\27");
            }
            MANY_SAY(self, 'T', "\0\1n\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\0");
            break;
        case 'E':
            MANY_SAY(self, 'D', "\0\1\0\0\0\0011");
            MANY_SAY(self, 'C', "SELECT 1\0");
            break;
        case 'C': MANY_SAY(self, '3', ""); break;
        case 'S': MANY_SAY(self, 'Z', "I"); break;
        default: break; /* X */
        }
    }
}

/* --- links --- */

static inline int many_ready(hf_link *link, bool *more) {
    *more = false;
    return many_of(link)->broken ? HF_ERR_RESET : 1;
}

static inline int many_read(hf_link *link, void *to, size_t bytes) {
    many_link *self = many_of(link);
    const uint32_t arrived = self->arrived;
    if (self->broken) {
        return HF_ERR_RESET;
    }
    HF_ASSERT(bytes > arrived);
    memcpy(to, self->answer, arrived);
    memmove(self->answer, self->answer + arrived, self->end - arrived);
    self->end -= arrived;
    self->arrived = 0;
    return (int)arrived;
}

static inline int many_write(hf_link *link, const void *from, size_t bytes) {
    many_link *self = many_of(link);
    if (self->broken) {
        return HF_ERR_RESET;
    }
    many_answer(self, from, bytes);
    hf_notes_add(&self->many->notes, &self->note);
    return (int)bytes;
}

static inline void many_abort(hf_link *link) {
    many_link *self = many_of(link);
    hf_notes_remove(&self->note);
    self->next_free = self->many->free;
    self->many->free = self;
    self->many->n_open--;
}

static inline int many_close(hf_link *link) {
    many_abort(link);
    return 1;
}

static inline size_t many_binding(hf_link *link, uint8_t *out) {
    (void)link, (void)out;
    return 0;
}

static inline const char *many_why(hf_link *link, int32_t *system) {
    (void)link;
    *system = 0;
    return NULL;
}

static const hf_link_api many_link_api = { many_ready, many_read,    many_write, many_close,
                                           many_abort, many_binding, many_why };

/* --- the port --- */

static inline many *many_at(hf_port *port) {
    many *self = (many *)(void *)port;
    self->calls++;
    return self;
}

static inline hf_link *many_link_open(hf_port *port, const hf_address *address, const char *path,
                                      uint32_t tag, int *err) {
    many *self = many_at(port);
    many_link *link = self->free;
    (void)address, (void)path, (void)err;
    HF_ASSERT(link != NULL);
    self->free = link->next_free;
    self->n_open++;
    *link =
        (many_link){ .link = { .api = &many_link_api, .tag = tag }, .note.tag = tag, .many = self };
    return &link->link;
}

static inline int many_resolve(hf_port *port, unsigned slot, const char *host, uint16_t number) {
    (void)slot, (void)host, (void)number;
    many_at(port);
    return HF_OK;
}

static inline int many_resolved(hf_port *port, unsigned slot, hf_address *out, size_t max) {
    (void)slot, (void)max;
    many_at(port);
    out[0] = (hf_address){ .kind = HF_ADDRESS_IP4, .port = 5432, .ip = { 127, 0, 0, 1 } };
    return 1;
}

static inline void many_resolve_cancel(hf_port *port, unsigned slot) {
    (void)slot;
    many_at(port);
}

static inline int many_next(hf_port *port, uint32_t *tag) {
    many *self = many_at(port);
    if (!hf_notes_any(&self->notes) || self->events == 0) {
        return 0;
    }
    self->events -= self->events != UINT_MAX;
    many_link *link =
        (many_link *)(void *)((char *)self->notes.ring.next - offsetof(many_link, note));
    link->arrived = link->end;
    return hf_notes_take(&self->notes, tag);
}

static inline int many_random(hf_port *port, void *out, size_t bytes) {
    many_at(port);
    memset(out, 0, bytes);
    return HF_OK;
}

static inline bool many_over_budget(hf_port *port) {
    many_at(port);
    return false;
}

static const hf_port_api many_port_api = { .open = many_link_open,
                                           .resolve = many_resolve,
                                           .resolved = many_resolved,
                                           .resolve_cancel = many_resolve_cancel,
                                           .next = many_next,
                                           .random = many_random,
                                           .over_budget = many_over_budget };

/* False: no memory. */
static inline bool many_open(many *self, unsigned n) {
    *self = (many){ .port.api = &many_port_api, .n_links = 3 * n, .events = UINT_MAX };
    self->links = calloc(self->n_links, sizeof *self->links);
    hf_notes_init(&self->notes);
    for (unsigned i = self->links ? self->n_links : 0; i-- > 0;) {
        self->links[i].next_free = self->free;
        self->free = &self->links[i];
    }
    return self->links != NULL;
}

static inline void many_close_all(many *self) {
    free(self->links);
}

#endif
