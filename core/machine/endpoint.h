/* The host list: which one to dial next. Sticky: the last good one first, the others in turn. */
#ifndef HF_ENDPOINT_H
#define HF_ENDPOINT_H

#include "holdfast/layout.h"

void hf_endpoints_init(hf_endpoints *endpoints, const hf_config *config);
/* Which to dial now. */
unsigned hf_endpoints_next(const hf_endpoints *endpoints);
/* The host came up by the pool's nth dial: stay with it, unless it was found to take no writes since. */
void hf_endpoints_good(hf_endpoints *endpoints, unsigned index, uint32_t dial);
/* It failed: if it is still the current one, move on to the next. */
void hf_endpoints_bad(hf_endpoints *endpoints, unsigned index);
/* The host was found to take no writes, after so many dials of the pool. */
void hf_endpoints_standby(hf_endpoints *endpoints, unsigned index, uint32_t dials);
/* Forgets and overwrites every kept key. */
void hf_endpoints_wipe(hf_endpoints *endpoints);

#endif
