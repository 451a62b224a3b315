/* The readings that wait while the database is away: a bounded ring. When it is full the oldest goes, and is
 * counted. */
#ifndef HF_READINGS_H
#define HF_READINGS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_reading {
    uint64_t at_ms; /* since the image started */
    uint32_t number;
    int32_t milli;
} hf_reading;

/* How many may wait. A power of two. */
#ifndef HF_READINGS
#define HF_READINGS 64
#endif

typedef struct hf_readings {
    hf_reading ring[HF_READINGS];
    uint32_t first, count; /* first: index of the oldest */
    uint32_t dropped;      /* ever, for want of room */
    uint32_t most;         /* that ever waited */
} hf_readings;

void hf_readings_init(hf_readings *readings);
/* Adds the newest. False: the oldest was dropped for it. */
bool hf_readings_add(hf_readings *readings, const hf_reading *reading);
/* Takes the oldest; false: there is none. */
bool hf_readings_take(hf_readings *readings, hf_reading *reading);

#endif
