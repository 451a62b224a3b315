#include "fates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hf_fates_add(void *user, const hf_intent *intent) {
    hf_fates *fates = user;
    if (fates->count == fates->size) {
        fates->size = fates->size ? fates->size * 2 : 64;
        hf_line_fate *items = hf_must_alloc(fates->size, sizeof *items);
        if (fates->count) {
            memcpy(items, fates->items, fates->count * sizeof *items);
        }
        free(fates->items);
        fates->items = items;
    }
    char *text = hf_must_alloc(intent->text_bytes + 1, 1);
    memcpy(text, intent->text, intent->text_bytes);
    hf_line_fate *fate = &fates->items[fates->count];
    *fate = (hf_line_fate){ .intent = *intent, .order = fates->count++ };
    fate->intent.text = text;
}

static void drop(hf_line_fate *fate) {
    free((void *)(uintptr_t)fate->intent.text);
}

static int by_line(const void *one, const void *other) {
    const hf_line_fate *a = one, *b = other;
    if (a->intent.line != b->intent.line) {
        return a->intent.line < b->intent.line ? -1 : 1;
    }
    return a->order < b->order ? -1 : 1;
}

void hf_fates_sort(hf_fates *fates) {
    size_t kept = 0;
    if (fates->count > 0) {
        qsort(fates->items, fates->count, sizeof *fates->items, by_line);
    }
    for (size_t i = 0; i < fates->count; i++) {
        if (i + 1 < fates->count &&
            fates->items[i + 1].intent.line == fates->items[i].intent.line) {
            drop(&fates->items[i]);
        } else {
            fates->items[kept++] = fates->items[i];
        }
    }
    fates->count = kept;
}

bool hf_fates_done(const hf_fates *fates) {
    bool done = false;
    for (size_t i = 0; i < fates->count; i++) {
        done = done || fates->items[i].intent.kind == HF_INTENT_OK;
    }
    return done;
}

/* It is to be run, and its statement begins with the question. */
static void asked_about(hf_line *line, const hf_intent *fate) {
    const size_t bytes = strnlen(fate->text, fate->text_bytes);
    snprintf(line->ticket, sizeof line->ticket, "%.*s", (int)bytes, fate->text);
    if (bytes < fate->text_bytes) {
        hf_bytes_add(&line->out, fate->text + bytes + 1, fate->text_bytes - bytes - 1);
    }
    memcpy(line->code, fate->code, sizeof line->code);
    line->intended = line->counted = true;
}

bool hf_fates_take(hf_fates *fates, hf_line *line) {
    static const char lost[] =
        "holdfast ended while this line was under way (killed, or a power cut): it may have run";
    while (fates->next < fates->count && fates->items[fates->next].intent.line < line->line) {
        fates->next++;
    }
    if (fates->next == fates->count || fates->items[fates->next].intent.line != line->line) {
        return false;
    }
    const hf_intent *fate = &fates->items[fates->next].intent;
    switch (fate->kind) {
    case HF_INTENT_NOT_RUN: return false;
    case HF_INTENT_COMMIT: asked_about(line, fate); return false;
    case HF_INTENT_OK:
        line->state = HF_LINE_OK;
        memcpy(line->code, fate->code, sizeof line->code);
        hf_bytes_add(&line->out, fate->text, fate->text_bytes);
        break;
    case HF_INTENT_SENT:
        hf_line_end(line, HF_LINE_UNKNOWN, "HF_ERR_CLOSED", lost, sizeof lost - 1);
        break;
    case HF_INTENT_REJECTED:
        hf_line_end(line, HF_LINE_REJECTED, fate->code, fate->text, fate->text_bytes);
        break;
    case HF_INTENT_UNKNOWN:
        hf_line_end(line, HF_LINE_UNKNOWN, fate->code, fate->text, fate->text_bytes);
        break;
    }
    line->intended = true;
    return true;
}

void hf_fates_free(hf_fates *fates) {
    for (size_t i = 0; i < fates->count; i++) {
        drop(&fates->items[i]);
    }
    free(fates->items);
    *fates = (hf_fates){ 0 };
}
