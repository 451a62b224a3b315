/* A position record as bytes: little-endian fields in a fixed order, a CRC at the end. Pure. */
#include "position.h"

#include <string.h>

/* The second has a run behind what the first has, and its CRC behind that. */
#define MAGIC     "HOLDFAST position 1\n"
#define MAGIC_RUN "HOLDFAST position 2\n"

enum { MAGIC_BYTES = sizeof MAGIC - 1, RUN_AT = 512, CRC_AT = RUN_AT - 4 };
enum { RUN_CRC_AT = HF_POSITION_RECORD - 4 };

_Static_assert(MAGIC_BYTES + 8 + HF_BOOT_BYTES + 4 * HF_HASH_BYTES + 15 * 8 + 4 + 2 +
                       sizeof(((hf_database *)0)->name) + sizeof(((hf_database *)0)->user) +
                       sizeof(((hf_database *)0)->place) <=
                   CRC_AT,
               "a record must fit its part of the block");

uint32_t hf_crc32(uint32_t crc, const void *from, size_t bytes) {
    static uint32_t table[256];
    if (table[1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++) {
                value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
            }
            table[i] = value;
        }
    }
    const uint8_t *at = from;
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc = crc >> 8 ^ table[(crc ^ at[i]) & 0xff];
    }
    return ~crc;
}

/* One place says the order of the fields, for both directions. */
typedef struct hf_cursor {
    uint8_t *to;         /* encoding */
    const uint8_t *from; /* decoding: `to` is NULL */
} hf_cursor;

static void bytes_field(hf_cursor *cursor, void *field, size_t bytes) {
    if (cursor->to) {
        memcpy(cursor->to, field, bytes);
        cursor->to += bytes;
    } else {
        memcpy(field, cursor->from, bytes);
        cursor->from += bytes;
    }
}

static void wide_field(hf_cursor *cursor, uint64_t *field, unsigned bytes) {
    uint8_t raw[8];
    for (unsigned i = 0; cursor->to && i < bytes; i++) {
        raw[i] = (uint8_t)(*field >> (8 * i));
    }
    bytes_field(cursor, raw, bytes);
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)raw[i] << (8 * i);
    }
    *field = value;
}

static void number_field(hf_cursor *cursor, uint64_t *field) {
    wide_field(cursor, field, 8);
}

static void fields(hf_cursor *cursor, hf_position_record *record, uint64_t *sequence,
                   uint8_t boot[HF_BOOT_BYTES]) {
    number_field(cursor, sequence);
    bytes_field(cursor, boot, HF_BOOT_BYTES);
    bytes_field(cursor, record->identity.input, HF_HASH_BYTES);
    bytes_field(cursor, record->identity.query, HF_HASH_BYTES);
    bytes_field(cursor, record->identity.settings, HF_HASH_BYTES);
    bytes_field(cursor, record->columns, HF_HASH_BYTES);
    uint64_t *const numbers[] = { &record->output_bytes,   &record->rejects_bytes,
                                  &record->unknown_bytes,  &record->input_offset,
                                  &record->next_line,      &record->lines_done,
                                  &record->lines_rejected, &record->lines_unknown,
                                  &record->runs,           &record->elapsed_ms };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        number_field(cursor, numbers[i]);
    }
    bytes_field(cursor, &record->finished, 1);
    bytes_field(cursor, &record->exit_status, 1);
    /* Added later: zeros in the records of programs that did not know of them, which pass over ours. */
    hf_database *database = &record->database;
    number_field(cursor, &record->finished_at);
    number_field(cursor, &record->lines_idle);
    number_field(cursor, &database->system);
    bytes_field(cursor, database->name, sizeof database->name);
    bytes_field(cursor, database->user, sizeof database->user);
    bytes_field(cursor, database->place, sizeof database->place);
    database->name[sizeof database->name - 1] = database->user[sizeof database->user - 1] =
        database->place[sizeof database->place - 1] = '\0';
    uint64_t timeline = record->server.timeline;
    wide_field(cursor, &timeline, 4);
    number_field(cursor, &record->server.started);
    number_field(cursor, &record->server.reset);
    record->server.timeline = (uint32_t)timeline;
    record->server.system = database->system; /* there is no room to say it twice */
}

static void run_fields(hf_cursor *cursor, hf_run *run) {
    bytes_field(cursor, run->id, sizeof run->id);
    uint64_t *const numbers[] = { &run->chunks,    &run->seen,  &run->healed,
                                  &run->uncounted, &run->batch, &run->bytes };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        number_field(cursor, numbers[i]);
    }
}

bool hf_run_keeps(const hf_run *run) {
    static const uint8_t none[HF_RUN_BYTES];
    return memcmp(run->id, none, sizeof none) != 0;
}

void hf_position_encode(const hf_position_record *record, uint64_t sequence,
                        const uint8_t boot[HF_BOOT_BYTES], uint8_t out[HF_POSITION_RECORD]) {
    hf_position_record copy = *record;
    uint8_t boot_copy[HF_BOOT_BYTES];
    memcpy(boot_copy, boot, HF_BOOT_BYTES);
    memset(out, 0, HF_POSITION_RECORD);
    const bool run = hf_run_keeps(&record->run);
    const size_t crc_at = run ? RUN_CRC_AT : CRC_AT;
    memcpy(out, run ? MAGIC_RUN : MAGIC, MAGIC_BYTES);
    hf_cursor cursor = { .to = out + MAGIC_BYTES };
    fields(&cursor, &copy, &sequence, boot_copy);
    if (run) {
        cursor.to = out + RUN_AT;
        run_fields(&cursor, &copy.run);
    }
    uint32_t crc = hf_crc32(0, out, crc_at);
    for (int i = 0; i < 4; i++) {
        out[crc_at + (size_t)i] = (uint8_t)(crc >> (8 * i));
    }
}

bool hf_position_decode(const uint8_t from[HF_POSITION_RECORD], hf_position_record *record,
                        uint64_t *sequence, uint8_t boot[HF_BOOT_BYTES]) {
    const bool run = memcmp(from, MAGIC_RUN, MAGIC_BYTES) == 0;
    const size_t crc_at = run ? RUN_CRC_AT : CRC_AT;
    uint32_t crc = 0;
    for (int i = 0; i < 4; i++) {
        crc |= (uint32_t)from[crc_at + (size_t)i] << (8 * i);
    }
    if ((!run && memcmp(from, MAGIC, MAGIC_BYTES) != 0) || crc != hf_crc32(0, from, crc_at)) {
        return false;
    }
    hf_cursor cursor = { .from = from + MAGIC_BYTES };
    fields(&cursor, record, sequence, boot);
    record->run = (hf_run){ 0 };
    if (run) {
        cursor.from = from + RUN_AT;
        run_fields(&cursor, &record->run);
    }
    return true;
}

/* The newest of two slots from `first` on; -1 none. Volatile ones must be of this boot. */
static int newest(const uint8_t *image, int first, const uint8_t boot[HF_BOOT_BYTES],
                  uint64_t *sequence) {
    static const uint8_t no_boot[HF_BOOT_BYTES];
    int best = -1;
    for (int slot = first; slot < first + 2; slot++) {
        hf_position_record record;
        uint64_t its = 0;
        uint8_t its_boot[HF_BOOT_BYTES];
        if (!hf_position_decode(image + (size_t)slot * HF_POSITION_BLOCK, &record, &its,
                                its_boot)) {
            continue;
        }
        if (first == 2 && (memcmp(boot, its_boot, HF_BOOT_BYTES) != 0 ||
                           memcmp(boot, no_boot, HF_BOOT_BYTES) == 0)) {
            continue;
        }
        if (best < 0 || its > *sequence) {
            best = slot;
            *sequence = its;
        }
    }
    return best;
}

int hf_position_choose(const uint8_t image[HF_POSITION_BYTES], const uint8_t boot[HF_BOOT_BYTES],
                       uint8_t turn[2]) {
    uint64_t durable_sequence = 0, volatile_sequence = 0;
    int durable = newest(image, 0, boot, &durable_sequence);
    int in_memory = newest(image, 2, boot, &volatile_sequence);
    if (turn) {
        turn[0] = durable == 0;
        turn[1] = in_memory == 2;
    }
    return in_memory >= 0 && volatile_sequence > durable_sequence ? in_memory : durable;
}
