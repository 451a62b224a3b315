#include "endpoint.h"

#include "base/text.h"

/* Which endpoint is dialled next. Invariant: current < count, or both are 0. */

void hf_endpoints_init(hf_endpoints *endpoints, const hf_config *config) {
    *endpoints = (hf_endpoints){ .count = config->n_hosts };
}

unsigned hf_endpoints_next(const hf_endpoints *endpoints) {
    return endpoints->current;
}

void hf_endpoints_good(hf_endpoints *endpoints, unsigned index, uint32_t dial) {
    HF_ASSERT(index < endpoints->count);
    if (dial > endpoints->list[index].dials) {
        endpoints->current = (uint8_t)index;
    }
}

void hf_endpoints_bad(hf_endpoints *endpoints, unsigned index) {
    HF_ASSERT(index < endpoints->count);
    /* Another connection may have moved on already: two losses of one endpoint are one step. */
    if (index == endpoints->current) {
        endpoints->current = (uint8_t)((index + 1) % endpoints->count);
    }
}

void hf_endpoints_standby(hf_endpoints *endpoints, unsigned index, uint32_t dials) {
    hf_endpoints_bad(endpoints, index);
    endpoints->list[index].dials = dials;
}

void hf_endpoints_wipe(hf_endpoints *endpoints) {
    for (unsigned i = 0; i < HF_HOSTS_MAX; i++) {
        hf_wipe(&endpoints->list[i].keys, sizeof endpoints->list[i].keys);
    }
}
