/* A server's values and names as JSON (RFC 8259). What is written parses, whatever was sent: a type is the server's
 * word, so a value is a number, a truth or JSON itself only if its bytes are; else it is a string. Bytes that are not
 * UTF-8 become U+FFFD; characters that may not be shown (hf_printable()) are written as \u escapes, which
 * change nothing for a reader of JSON. */
#ifndef HF_JSON_OUT_H
#define HF_JSON_OUT_H

#include "base/bytes.h"

#include "holdfast/request.h"

/* type: an OID of pg_type. */
void hf_json_out_value(hf_bytes *to, hf_value value, uint32_t type);
/* Each column's name as an object's member has it, quotes included; keys[n] are empty before, the caller's after.
 * A name that comes again gets a number, so that no reader loses a value: "a", "a_2", and never one that
 * another column has. */
void hf_json_out_names(hf_bytes *keys, const hf_value *names, size_t n);

/* Is the text of this type a number's? NaN and Infinity, too, are of such types. */
bool hf_json_out_numeric(uint32_t type);
/* Is it one value of JSON, whole? Of any depth. */
bool hf_json_out_valid(const char *text, size_t bytes);

#endif
