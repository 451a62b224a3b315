#include "parameters.h"

#include <string.h>

#if HF_WITH_VALUES

/* list->text is [mark name NUL value NUL]… without gaps, up to list->used. */

enum { OLD = '-', NEW = '+' };

static uint16_t entry_bytes(const char *entry) {
    const size_t name_bytes = strlen(entry + 1) + 1;

    return (uint16_t)(1 + name_bytes + strlen(entry + 1 + name_bytes) + 1);
}

/* The entry of that name; NULL: none. */
static const char *find(const hf_parameters *list, const char *name) {
    for (const char *at = list->text; at < list->text + list->used; at += entry_bytes(at)) {
        if (strcmp(at + 1, name) == 0) {
            return at;
        }
    }
    return NULL;
}

static void drop(hf_parameters *list, char *entry) {
    const uint16_t bytes = entry_bytes(entry);

    memmove(entry, entry + bytes, (size_t)(list->text + list->used - (entry + bytes)));
    list->used = (uint16_t)(list->used - bytes);
}

void hf_parameters_begin(hf_parameters *list) {
    for (char *at = list->text; at < list->text + list->used; at += entry_bytes(at)) {
        *at = OLD;
    }
}

void hf_parameters_note(hf_parameters *list, const char *name, const char *value) {
    const size_t name_bytes = strlen(name) + 1, value_bytes = strlen(value) + 1;
    const char *known = find(list, name);

    if (known) {
        drop(list, list->text + (known - list->text));
    }
    const size_t room = sizeof list->text - list->used;
    if (name_bytes >= room || value_bytes > room - name_bytes - 1) {
        return;
    }
    char *at = list->text + list->used;
    *at++ = NEW;
    memcpy(at, name, name_bytes);
    memcpy(at + name_bytes, value, value_bytes);
    list->used = (uint16_t)(list->used + 1 + name_bytes + value_bytes);
}

void hf_parameters_end(hf_parameters *list) {
    for (char *at = list->text; at < list->text + list->used;) {
        if (*at == OLD) {
            drop(list, at);
        } else {
            at += entry_bytes(at);
        }
    }
}

const char *hf_parameters_get(const hf_parameters *list, const char *name) {
    const char *entry = find(list, name);

    return entry ? entry + 1 + strlen(name) + 1 : NULL;
}

#endif
