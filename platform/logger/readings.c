#include "readings.h"

#include <string.h>

_Static_assert(HF_READINGS > 0 && (HF_READINGS & (HF_READINGS - 1)) == 0,
               "HF_READINGS must be a power of two: make it 64, 128 …");

void hf_readings_init(hf_readings *readings) {
    memset(readings, 0, sizeof *readings);
}

bool hf_readings_add(hf_readings *readings, const hf_reading *reading) {
    bool room = readings->count < HF_READINGS;
    if (!room) {
        readings->first = (readings->first + 1) % HF_READINGS;
        readings->count--;
        readings->dropped++;
    }
    readings->ring[(readings->first + readings->count) % HF_READINGS] = *reading;
    readings->count++;
    readings->most = readings->count > readings->most ? readings->count : readings->most;
    return room;
}

bool hf_readings_take(hf_readings *readings, hf_reading *reading) {
    if (readings->count == 0) {
        return false;
    }
    *reading = readings->ring[readings->first];
    readings->first = (readings->first + 1) % HF_READINGS;
    readings->count--;
    return true;
}
