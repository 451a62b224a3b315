#include "store.h"

#include "base/text.h"

#include <string.h>

static const char insert[] = "INSERT INTO reading (device, boot, number, at_ms, milli) "
                             "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";

static void on_done(hf_request *request) {
    hf_store *store = request->user;
    hf_store_slot *slot = store->slots;
    while (&slot->request != request) {
        slot++;
    }
    switch (request->outcome) {
    case HF_OUTCOME_OK:
        store->stored++;
        store->known += request->affected == 0;
        slot->busy = false;
        break;
    case HF_OUTCOME_FAILED:
        if (hf_request_refused(request)) {
            store->refused++;
            slot->busy = false;
            if (store->on_refused) {
                store->on_refused(store->user, &slot->reading, &request->error);
            }
            break;
        }
        slot->again = true; /* timed out and undone, say */
        break;
    case HF_OUTCOME_PENDING:
    case HF_OUTCOME_NOT_SENT:
    case HF_OUTCOME_UNKNOWN: /* the key makes it harmless to send it once more */
        slot->again = true;
        break;
    }
}

void hf_store_init(hf_store *store, hf_pool *pool, const char *device, const char *boot) {
    memset(store, 0, sizeof *store);
    store->pool = pool;
    store->device = device;
    store->boot = boot;
    hf_readings_init(&store->readings);
}

bool hf_store_add(hf_store *store, uint64_t at_ms, int32_t milli) {
    const hf_reading reading = { .at_ms = at_ms, .number = ++store->taken, .milli = milli };
    return hf_readings_add(&store->readings, &reading);
}

static void fill(hf_store *store, hf_store_slot *slot) {
    hf_writer number = hf_writer_on(slot->number, sizeof slot->number);
    hf_writer at_ms = hf_writer_on(slot->at_ms, sizeof slot->at_ms);
    hf_writer milli = hf_writer_on(slot->milli, sizeof slot->milli);
    hf_write_unsigned(&number, slot->reading.number);
    hf_write_unsigned(&at_ms, slot->reading.at_ms);
    hf_write_signed(&milli, slot->reading.milli);
    slot->values[0] = hf_text(store->device);
    slot->values[1] = hf_text(store->boot);
    slot->values[2] = hf_text(slot->number);
    slot->values[3] = hf_text(slot->at_ms);
    slot->values[4] = hf_text(slot->milli);
    slot->request = (hf_request){ .sql = insert,
                                  .params = slot->values,
                                  .n_params = 5,
                                  .replay = HF_REPLAY_SAFE,
                                  .prepare = true,
                                  .on_done = on_done,
                                  .user = store };
    slot->busy = true;
}

void hf_store_submit(hf_store *store) {
    for (unsigned i = 0; i < HF_STORE_SLOTS; i++) {
        hf_store_slot *slot = &store->slots[i];
        if (slot->again || (!slot->busy && hf_readings_take(&store->readings, &slot->reading))) {
            fill(store, slot);
            slot->again = hf_submit(store->pool, &slot->request) != HF_OK;
        }
    }
}

uint32_t hf_store_left(const hf_store *store) {
    return store->taken - store->stored - store->refused - store->readings.dropped;
}
