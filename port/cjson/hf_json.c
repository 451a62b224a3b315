/* cJSON behind hf_json_*: hf_json is a cJSON item under another name. */
#include "hf_json.h"

#include "base/text.h"

#include <cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53: above it a double skips integers */

static const cJSON *item(const hf_json *json) {
    return (const cJSON *)(const void *)json;
}

static cJSON *item_of(hf_json *json) {
    return (cJSON *)(void *)json;
}

static hf_json *tree(cJSON *it) {
    return (hf_json *)(void *)it;
}

void hf_json_memory(void *(*allocate)(size_t bytes), void (*release)(void *memory)) {
    cJSON_Hooks hooks = { allocate, release };
    cJSON_InitHooks(&hooks);
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* cJSON keeps strings as C strings, so an escaped NUL would cut one short: refused before it is read.
 * Depth is counted here too, for cJSON's own limit is a thousand. */
static bool acceptable(const char *text, size_t bytes, hf_json_error *error) {
    bool quoted = false;
    unsigned depth = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        *error = (hf_json_error){ .at = i };
        if (c == '\0') {
            error->text = "a NUL byte";
        } else if (quoted) {
            if (c == '\\') {
                if (bytes - i > 5 && memcmp(text + i, "\\u0000", 6) == 0) {
                    error->text = "an escaped NUL";
                }
                i++;
            } else if (c == '"') {
                quoted = false;
            }
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > HF_JSON_DEPTH_MAX) {
                error->text = "nested too deep";
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
        if (error->text) {
            return false;
        }
    }
    return true;
}

static bool has_doubles(const cJSON *parent) {
    for (const cJSON *one = parent->child; one; one = one->next) {
        if (one->string) {
            for (const cJSON *other = one->next; other; other = other->next) {
                if (strcmp(one->string, other->string) == 0) {
                    return true;
                }
            }
        }
        if (has_doubles(one)) { /* at most HF_JSON_DEPTH_MAX deep */
            return true;
        }
    }
    return false;
}

hf_json *hf_json_read(const char *text, size_t bytes, hf_json_error *error) {
    *error = (hf_json_error){ 0 };
    if (!acceptable(text, bytes, error)) {
        return NULL;
    }
    const char *end = text;
    cJSON *read = cJSON_ParseWithLengthOpts(text, bytes, &end, 0);
    size_t at = (size_t)(end - text);
    if (!read) {
        *error = (hf_json_error){ .text = "not JSON", .at = at };
        return NULL;
    }
    while (at < bytes && memchr(" \t\r\n", text[at], 4)) {
        at++;
    }
    if (at < bytes) {
        *error = (hf_json_error){ .text = "something follows the value", .at = at };
    } else if (has_doubles(read)) {
        *error = (hf_json_error){ .text = "a name is given twice" };
    }
    if (error->text) {
        cJSON_Delete(read);
        return NULL;
    }
    return tree(read);
}

void hf_json_free(hf_json *json) {
    cJSON_Delete(item_of(json));
}

hf_json_kind hf_json_kind_of(const hf_json *json) {
    const cJSON *it = item(json);
    if (cJSON_IsBool(it)) {
        return HF_JSON_BOOL;
    }
    if (cJSON_IsNumber(it)) {
        return HF_JSON_NUMBER;
    }
    if (cJSON_IsString(it)) {
        return HF_JSON_TEXT;
    }
    if (cJSON_IsArray(it)) {
        return HF_JSON_ARRAY;
    }
    return cJSON_IsObject(it) ? HF_JSON_OBJECT : HF_JSON_NULL;
}

const hf_json *hf_json_first(const hf_json *parent) {
    return tree(item(parent)->child);
}

const hf_json *hf_json_next(const hf_json *child) {
    return tree(item(child)->next);
}

const char *hf_json_name(const hf_json *member) {
    return item(member)->string;
}

const hf_json *hf_json_member(const hf_json *object, const char *name) {
    return tree(cJSON_GetObjectItemCaseSensitive(item(object), name));
}

const char *hf_json_text(const hf_json *json) {
    const char *text = cJSON_GetStringValue(item(json));
    return text ? text : "";
}

bool hf_json_true(const hf_json *json) {
    return cJSON_IsTrue(item(json));
}

bool hf_json_number(const hf_json *json, char *out, size_t size) {
    const cJSON *it = item(json);
    if (!cJSON_IsNumber(it) || it->valuedouble > EXACT_MAX || it->valuedouble < -EXACT_MAX) {
        return false;
    }
    int length = snprintf(out, size, "%.15g", it->valuedouble);
    if (strtod(out, NULL) != it->valuedouble) {
        length = snprintf(out, size, "%.17g", it->valuedouble);
    }
    return length > 0 && (size_t)length < size && !strpbrk(out, "ein");
}

bool hf_json_count(const hf_json *json, uint32_t *value) {
    const cJSON *it = item(json);
    if (!cJSON_IsNumber(it) || it->valuedouble < 0 || it->valuedouble > UINT32_MAX) {
        return false;
    }
    *value = (uint32_t)it->valuedouble;
    return (double)*value == it->valuedouble;
}

/* ---- writing ------------------------------------------------------------------------------------ */

/* A string item of valid UTF-8, whatever the bytes are. */
static cJSON *string_item(const char *value) {
    size_t left = strlen(value);
    char *clean = cJSON_malloc(left * 3 + 1);
    if (!clean) {
        return NULL;
    }
    char *to = clean;
    while (left > 0) {
        uint32_t code;
        size_t bytes = hf_character(value, left, &code);
        const bool good = bytes > 0;
        memcpy(to, good ? value : "\xef\xbf\xbd", good ? bytes : 3);
        to += good ? bytes : 3;
        bytes = good ? bytes : 1;
        value += bytes;
        left -= bytes;
    }
    *to = '\0';
    cJSON *made = cJSON_CreateString(clean);
    cJSON_free(clean);
    return made;
}

hf_json *hf_json_object(void) {
    return tree(cJSON_CreateObject());
}

hf_json *hf_json_array(void) {
    return tree(cJSON_CreateArray());
}

void hf_json_add(hf_json *to, const char *name, hf_json *child) {
    cJSON *parent = item_of(to), *it = item_of(child);
    bool added =
        parent && it &&
        (name ? cJSON_AddItemToObject(parent, name, it) : cJSON_AddItemToArray(parent, it));
    if (!added) {
        cJSON_Delete(it);
    }
}

void hf_json_add_text(hf_json *to, const char *name, const char *value) {
    hf_json_add(to, name, tree(value ? string_item(value) : cJSON_CreateNull()));
}

void hf_json_add_count(hf_json *to, const char *name, uint64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    hf_json_add(to, name, tree(cJSON_CreateRaw(digits)));
}

void hf_json_add_real(hf_json *to, const char *name, double value, int decimals) {
    char digits[64];
    snprintf(digits, sizeof digits, "%.*f", decimals, value);
    hf_json_add(to, name, tree(cJSON_CreateRaw(digits)));
}

void hf_json_add_null(hf_json *to, const char *name) {
    hf_json_add(to, name, tree(cJSON_CreateNull()));
}

char *hf_json_print(const hf_json *json, bool pretty) {
    if (!json) {
        return NULL;
    }
    return pretty ? cJSON_Print(item(json)) : cJSON_PrintUnformatted(item(json));
}
