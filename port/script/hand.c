#include "hand.h"

#include <string.h>

size_t hf_script_room(uint8_t *data, uint32_t *start, uint32_t *end, size_t wanted) {
    if (HF_SCRIPT_BYTES - *end < wanted) {
        memmove(data, data + *start, *end - *start);
        *end -= *start;
        *start = 0;
    }
    return HF_SCRIPT_BYTES - *end;
}

hf_script_lookup *hf_script_lookup_of(hf_script *script, unsigned slot) {
    HF_ASSERT(slot < sizeof script->lookups / sizeof script->lookups[0]);
    return &script->lookups[slot];
}

bool hf_script_news(const hf_script *script) {
    for (size_t i = 0; i < sizeof script->lookups / sizeof script->lookups[0]; i++) {
        if (script->lookups[i].noted) {
            return true;
        }
    }
    for (size_t i = 0; i < HF_SCRIPT_LINKS; i++) {
        if (script->links[i].noted) {
            return true;
        }
    }
    return false;
}

hf_script_link *hf_script_link_at(hf_script *script, unsigned number) {
    for (size_t i = 0; i < HF_SCRIPT_LINKS; i++) {
        if (script->links[i].used && script->links[i].number == number) {
            return &script->links[i];
        }
    }
    return NULL;
}

hf_script_link *hf_script_link_last(hf_script *script) {
    return hf_script_link_at(script, script->opened - 1);
}

/* Something happened on the link that the client should hear of, if it still has the link. */
static void note(hf_script_link *link) {
    HF_ASSERT(link != NULL); /* no link was opened */
    link->noted = !link->released;
}

void hf_script_link_connect(hf_script_link *link) {
    note(link);
    link->up = true;
}

void hf_script_link_tls(hf_script_link *link) {
    note(link);
    HF_ASSERT(link->tls);
    link->tls_up = true;
}

void hf_script_link_reply(hf_script_link *link, const void *bytes, size_t size) {
    note(link);
    if (link->released || size == 0) {
        return;
    }
    HF_ASSERT(!link->eof);
    HF_ASSERT(hf_script_room(link->to_client, &link->to_start, &link->to_end, size) >= size);
    memcpy(link->to_client + link->to_end, bytes, size);
    link->to_end += (uint32_t)size;
}

void hf_script_link_eof(hf_script_link *link) {
    note(link);
    link->eof = true;
}

void hf_script_link_fail(hf_script_link *link, int err) {
    note(link);
    HF_ASSERT(err < 0);
    link->fails = err;
}

void hf_script_link_room(hf_script_link *link, uint32_t bytes) {
    note(link);
    link->tx_room = bytes;
}

void hf_script_connect(hf_script *script) {
    hf_script_link_connect(hf_script_link_last(script));
}

void hf_script_reply(hf_script *script, const void *bytes, size_t size) {
    hf_script_link_reply(hf_script_link_last(script), bytes, size);
}

void hf_script_eof(hf_script *script) {
    hf_script_link_eof(hf_script_link_last(script));
}

void hf_script_fail(hf_script *script, int err) {
    hf_script_link_fail(hf_script_link_last(script), err);
}

size_t hf_script_sent(hf_script_link *link, void *out, size_t size) {
    size_t bytes = link->from_end - link->from_start;

    bytes = bytes < size ? bytes : size;
    if (bytes > 0) {
        memcpy(out, link->from_client + link->from_start, bytes);
        link->from_start += (uint32_t)bytes;
    }
    return bytes;
}

void hf_script_resolved(hf_script *script, unsigned slot, int answer) {
    hf_script_lookup *lookup = hf_script_lookup_of(script, slot);

    HF_ASSERT(lookup->busy && answer != 0);
    lookup->answer = answer;
    lookup->noted = true;
}
