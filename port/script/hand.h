/* What a test does by hand to links and look-ups, and what the other files share of that. */
#ifndef HF_SCRIPT_HAND_H
#define HF_SCRIPT_HAND_H

#include "holdfast/test.h"

/* Moves what is in use to the front when there is no room behind it; returns the room. */
size_t hf_script_room(uint8_t *data, uint32_t *start, uint32_t *end, size_t wanted);
hf_script_lookup *hf_script_lookup_of(hf_script *script, unsigned slot);
/* Has the client to be told of anything? */
bool hf_script_news(const hf_script *script);

#endif
