/* Readings into PostgreSQL, each exactly once.
 *
 * A reading is identified by device, boot and number, which are the table's key, and is inserted ON CONFLICT DO
 * NOTHING: it may be sent again after any loss (HF_REPLAY_SAFE), and is. A few are with the pool at a time; the rest
 * wait in the ring, whose oldest is dropped when it is full. What is with the pool is not dropped.
 *
 *     CREATE TABLE reading (device text, boot text, number bigint, at_ms bigint, milli int,
 *                           PRIMARY KEY (device, boot, number));
 */
#ifndef HF_STORE_H
#define HF_STORE_H

#include "holdfast/holdfast.h"
#include "readings.h"

/* Readings that are with the pool at a time. */
#ifndef HF_STORE_SLOTS
#define HF_STORE_SLOTS 4
#endif

typedef struct hf_store hf_store;

typedef struct hf_store_slot {
    hf_request request;
    hf_value values[5];
    hf_reading reading;
    char number[11], at_ms[21], milli[12];
    bool busy;  /* holds a reading */
    bool again; /* its request ended without an answer of the server: it is submitted anew */
} hf_store_slot;

struct hf_store {
    hf_pool *pool;
    const char *device, *boot;
    /* Called when the server refuses a reading for good: it is counted, and lost. */
    void (*on_refused)(void *user, const hf_reading *reading, const hf_error *error);
    void *user;
    hf_readings readings;
    hf_store_slot slots[HF_STORE_SLOTS];
    uint32_t taken, stored, refused;
    uint32_t known; /* of the stored: in the table already, their first answer was lost */
};

/* device and boot stay the caller's. */
void hf_store_init(hf_store *store, hf_pool *pool, const char *device, const char *boot);
/* A new reading; false: another was dropped for it. */
bool hf_store_add(hf_store *store, uint64_t at_ms, int32_t milli);
/* Hands waiting readings to the pool as far as there are free slots; before each hf_tick(). */
void hf_store_submit(hf_store *store);
/* Readings that are neither stored nor lost. */
uint32_t hf_store_left(const hf_store *store);

#endif
