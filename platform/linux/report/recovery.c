#include "recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hf_recovery_add(void *user, const hf_intent *intent) {
    hf_recovery *recovery = user;
    if (recovery->count == recovery->size) {
        recovery->size = recovery->size ? recovery->size * 2 : 64;
        hf_line_recovery *items = hf_must_alloc(recovery->size, sizeof *items);
        if (recovery->count) {
            memcpy(items, recovery->items, recovery->count * sizeof *items);
        }
        free(recovery->items);
        recovery->items = items;
    }
    char *text = hf_must_alloc(intent->text_bytes + 1, 1);
    memcpy(text, intent->text, intent->text_bytes);
    hf_line_recovery *entry = &recovery->items[recovery->count];
    *entry = (hf_line_recovery){ .intent = *intent, .order = recovery->count++ };
    entry->intent.text = text;
}

static void drop(hf_line_recovery *entry) {
    free((void *)(uintptr_t)entry->intent.text);
}

static int by_line(const void *one, const void *other) {
    const hf_line_recovery *a = one, *b = other;
    if (a->intent.line != b->intent.line) {
        return a->intent.line < b->intent.line ? -1 : 1;
    }
    return a->order < b->order ? -1 : 1;
}

void hf_recovery_sort(hf_recovery *recovery) {
    size_t kept = 0;
    if (recovery->count > 0) {
        qsort(recovery->items, recovery->count, sizeof *recovery->items, by_line);
    }
    for (size_t i = 0; i < recovery->count; i++) {
        if (i + 1 < recovery->count &&
            recovery->items[i + 1].intent.line == recovery->items[i].intent.line) {
            drop(&recovery->items[i]);
        } else {
            recovery->items[kept++] = recovery->items[i];
        }
    }
    recovery->count = kept;
}

bool hf_recovery_done(const hf_recovery *recovery) {
    bool done = false;
    for (size_t i = 0; i < recovery->count; i++) {
        done = done || recovery->items[i].intent.kind == HF_INTENT_OK;
    }
    return done;
}

/* The line is to be run, and its statement begins with the question what became of its COMMIT. */
static void asked_about(hf_line *line, const hf_intent *entry) {
    const size_t bytes = strnlen(entry->text, entry->text_bytes);
    snprintf(line->ticket, sizeof line->ticket, "%.*s", (int)bytes, entry->text);
    if (bytes < entry->text_bytes) {
        hf_bytes_add(&line->out, entry->text + bytes + 1, entry->text_bytes - bytes - 1);
    }
    memcpy(line->code, entry->code, sizeof line->code);
    line->intended = line->counted = true;
}

bool hf_recovery_take(hf_recovery *recovery, hf_line *line) {
    static const char lost[] =
        "holdfast ended while this line was under way (killed, or a power cut): it may have run";
    while (recovery->next < recovery->count &&
           recovery->items[recovery->next].intent.line < line->line) {
        recovery->next++;
    }
    if (recovery->next == recovery->count ||
        recovery->items[recovery->next].intent.line != line->line) {
        return false;
    }
    const hf_intent *entry = &recovery->items[recovery->next].intent;
    switch (entry->kind) {
    case HF_INTENT_NOT_RUN: return false;
    case HF_INTENT_COMMIT: asked_about(line, entry); return false;
    case HF_INTENT_OK:
        line->state = HF_LINE_OK;
        memcpy(line->code, entry->code, sizeof line->code);
        hf_bytes_add(&line->out, entry->text, entry->text_bytes);
        break;
    case HF_INTENT_SENT:
        hf_line_end(line, HF_LINE_UNKNOWN, "HF_ERR_CLOSED", lost, sizeof lost - 1);
        break;
    case HF_INTENT_REJECTED:
        hf_line_end(line, HF_LINE_REJECTED, entry->code, entry->text, entry->text_bytes);
        break;
    case HF_INTENT_UNKNOWN:
        hf_line_end(line, HF_LINE_UNKNOWN, entry->code, entry->text, entry->text_bytes);
        break;
    }
    line->intended = true;
    return true;
}

void hf_recovery_free(hf_recovery *recovery) {
    for (size_t i = 0; i < recovery->count; i++) {
        drop(&recovery->items[i]);
    }
    free(recovery->items);
    *recovery = (hf_recovery){ 0 };
}
