/* JSON by cJSON (RFC 8259): a tree to read from, a tree to write to.
 *
 * A tree comes from the heap and is given back by hf_json_free(), children with it. Writers take NULL
 * for a tree that memory did not suffice for and do nothing; hf_json_print() then answers NULL, so one
 * check at the end is enough.
 */
#ifndef HF_JSON_H
#define HF_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum hf_json_kind {
    HF_JSON_NULL,
    HF_JSON_BOOL,
    HF_JSON_NUMBER,
    HF_JSON_TEXT,
    HF_JSON_ARRAY,
    HF_JSON_OBJECT
} hf_json_kind;

typedef struct hf_json hf_json;

/* Takes trees and texts from there instead of malloc(); before anything else. What printed texts are given
 * back by is then `release` too. */
void hf_json_memory(void *(*allocate)(size_t bytes), void (*release)(void *memory));

/* Nested arrays and objects at most. */
#define HF_JSON_DEPTH_MAX 32

/* Why a text was not read: a phrase and the byte it is about. */
typedef struct hf_json_error {
    const char *text;
    size_t at;
} hf_json_error;

/* The tree of a whole text. NULL: *error says why (never quoting the text, which may hold a secret). */
hf_json *hf_json_read(const char *text, size_t bytes, hf_json_error *error);
void hf_json_free(hf_json *json);

hf_json_kind hf_json_kind_of(const hf_json *json);
/* The first child of an object or array, the next of the same parent; NULL after the last. */
const hf_json *hf_json_first(const hf_json *parent);
const hf_json *hf_json_next(const hf_json *child);
/* A member's name; NULL in an array. */
const char *hf_json_name(const hf_json *member);
/* The member of that name, or NULL. */
const hf_json *hf_json_member(const hf_json *object, const char *name);
/* Of TEXT, of BOOL; "" and false for other kinds. */
const char *hf_json_text(const hf_json *json);
bool hf_json_true(const hf_json *json);
/* A number as text, as short as it is exact; false when it is no number or not exact. */
bool hf_json_number(const hf_json *json, char *out, size_t size);
/* A whole number of 32 bits; false when it is none. Needs no printf() of fractions. */
bool hf_json_count(const hf_json *json, uint32_t *value);

hf_json *hf_json_object(void);
hf_json *hf_json_array(void);
/* Adds to an object under a name, or to an array with name NULL. A NULL text becomes null. */
void hf_json_add_text(hf_json *to, const char *name, const char *value);
void hf_json_add_count(hf_json *to, const char *name, uint64_t value);
void hf_json_add_real(hf_json *to, const char *name, double value, int decimals);
void hf_json_add_null(hf_json *to, const char *name);
/* The child belongs to the parent from then on, whether it could be added or not. */
void hf_json_add(hf_json *to, const char *name, hf_json *child);
/* The text, without a line end, from malloc(); `pretty` over several lines. NULL: out of memory. */
char *hf_json_print(const hf_json *json, bool pretty);

#endif
