/* What a run finds on the disk: a position file and a file of intents, whole, torn or somebody else's.
 *
 *     input = which, then the file; of an intent also: the fields of one that is written and read back
 */
#include "fuzz.h"
#include "memory_file.h"

#include "report/intents.h"
#include "report/position.h"
#include "report/recovery.h"

static const uint8_t boot[HF_BOOT_BYTES] = { 1 };

/* The length of a record without a run, and where it is said whether there is one. */
enum { WITHOUT_RUN = 512, RUN_SAID_AT = sizeof "HOLDFAST position " - 1 };

/* Whatever the image, what is believed is a whole record, and the next one does not overwrite it. */
static void choose(const uint8_t *data, size_t size) {
    uint8_t *image = calloc(1, HF_POSITION_BYTES), turn[2] = { 9, 9 }, its_boot[HF_BOOT_BYTES];
    hf_position_record record;
    uint64_t sequence;
    HF_FUZZ_CHECK(image != NULL);
    /* Four slots of an input's size each, so that a fuzzer reaches all of them; CRCs are given to it. */
    for (size_t slot = 0; slot < HF_POSITION_SLOTS && size > 0; slot++) {
        uint8_t *at = image + slot * HF_POSITION_BLOCK;
        size_t n = size / (HF_POSITION_SLOTS - slot);
        n = n < HF_POSITION_RECORD - 4 ? n : HF_POSITION_RECORD - 4;
        memcpy(at, data, n);
        const size_t crc_at =
            (n > RUN_SAID_AT && at[RUN_SAID_AT] == '2' ? HF_POSITION_RECORD : WITHOUT_RUN) - 4;
        uint32_t crc = hf_crc32(0, at, crc_at);
        for (size_t i = 0; i < 4; i++)
            at[crc_at + i] = (uint8_t)(crc >> (8 * i));
        data += n;
        size -= n;
    }
    int slot = hf_position_choose(image, boot, turn);
    HF_FUZZ_CHECK(slot >= -1 && slot < HF_POSITION_SLOTS && turn[0] < 2 && turn[1] < 2);
    if (slot >= 0) {
        HF_FUZZ_CHECK(hf_position_decode(image + (size_t)slot * HF_POSITION_BLOCK, &record,
                                         &sequence, its_boot));
        HF_FUZZ_CHECK(turn[slot / 2] != slot % 2);
        HF_FUZZ_CHECK(slot < 2 || memcmp(its_boot, boot, sizeof boot) == 0);
    }
    free(image);
}

static void position_there_and_back(hf_fuzz *fuzz) {
    hf_position_record record = { 0 }, again = { 0 };
    uint8_t bytes[HF_POSITION_RECORD], its_boot[HF_BOOT_BYTES];
    uint64_t sequence = hf_fuzz_word(fuzz), its = 0;
    uint64_t *const numbers[] = { &record.output_bytes, &record.next_line, &record.lines_done,
                                  &record.elapsed_ms };
    for (size_t i = 0; i < 4; i++)
        *numbers[i] = (uint64_t)hf_fuzz_word(fuzz) << (hf_fuzz_byte(fuzz) % 49);
    record.finished = hf_fuzz_byte(fuzz);
    record.identity.query[31] = hf_fuzz_byte(fuzz);
    record.run.id[15] = hf_fuzz_byte(fuzz) & 1;
    record.run.chunks = record.lines_done;
    hf_position_encode(&record, sequence, boot, bytes);
    HF_FUZZ_CHECK(hf_position_decode(bytes, &again, &its, its_boot) && its == sequence);
    HF_FUZZ_CHECK(memcmp(&record.identity, &again.identity, sizeof record.identity) == 0);
    HF_FUZZ_CHECK(record.output_bytes == again.output_bytes && record.next_line == again.next_line);
    HF_FUZZ_CHECK(record.lines_done == again.lines_done && record.elapsed_ms == again.elapsed_ms);
    HF_FUZZ_CHECK(again.run.chunks == (record.run.id[15] ? record.run.chunks : 0));
    const size_t length = record.run.id[15] ? HF_POSITION_RECORD : WITHOUT_RUN;
    uint16_t at = hf_fuzz_word(fuzz); /* one bit wrong anywhere is seen */
    bytes[at / 8 % length] ^= (uint8_t)(1 << (at % 8));
    HF_FUZZ_CHECK(!hf_position_decode(bytes, &again, &its, its_boot));
}

/* A file of them is read up to the first that is not whole, and cut there. */
static void intents_file(const uint8_t *data, size_t size) {
    hf_intents intents = { .fd = -1 };
    hf_recovery recovery = { 0 };
    hf_failure failure = { 0 };
    size_t at = 0, length, whole = 0;
    hf_intent intent;
    uint8_t *copy = malloc(size + 1); /* so that a step beyond it is seen */
    HF_FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, size);
    while ((length = hf_intent_decode(copy + at, size - at, &intent)) > 0) {
        HF_FUZZ_CHECK(length <= size - at && intent.text_bytes < length);
        HF_FUZZ_CHECK(memchr(intent.code, 0, sizeof intent.code));
        at += length;
        whole++;
    }
    const char *path = hf_memory_file(data, size, 0600);
    if (hf_intents_open(&intents, path, 0, hf_recovery_add, &recovery, &failure)) {
        HF_FUZZ_CHECK(intents.used == at && recovery.count == whole);
    }
    hf_recovery_sort(&recovery);
    HF_FUZZ_CHECK(recovery.count <= whole);
    hf_recovery_free(&recovery);
    hf_intents_close(&intents);
    free(copy);
}

/* Written, they are read back: records of the fuzzer's choice, the file cut anywhere. */
static void intents_there_and_back(hf_fuzz *fuzz) {
    hf_intents intents = { .fd = -1 };
    size_t n = 0, cut = hf_fuzz_word(fuzz), at = 0, length, read = 0;
    hf_intent intent;
    while (!hf_fuzz_over(fuzz) && n < 50) {
        const uint8_t *text;
        hf_intent added = { .kind = (hf_intent_kind)(1 + hf_fuzz_byte(fuzz) % HF_INTENT_COMMIT),
                            .line = hf_fuzz_word(fuzz) };
        added.code[0] = (char)hf_fuzz_byte(fuzz);
        added.text_bytes = hf_fuzz_take(fuzz, hf_fuzz_byte(fuzz), &text);
        added.text = (const char *)text;
        hf_intents_add(&intents, &added);
        n++;
    }
    const hf_bytes *all = &intents.gathered;
    cut = cut < all->used ? cut : all->used;
    while (cut > at &&
           (length = hf_intent_decode((const uint8_t *)all->data + at, cut - at, &intent)) > 0) {
        at += length;
        read++;
    }
    HF_FUZZ_CHECK(read <= n && (cut < all->used || read == n));
    hf_bytes_free(&intents.gathered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hf_fuzz fuzz = hf_fuzz_on(data, size);
    hf_memory_quiet();
    switch (hf_fuzz_byte(&fuzz) % 4) {
    case 0: choose(fuzz.at, (size_t)(fuzz.end - fuzz.at)); break;
    case 1: position_there_and_back(&fuzz); break;
    case 2: intents_file(fuzz.at, (size_t)(fuzz.end - fuzz.at)); break;
    default: intents_there_and_back(&fuzz); break;
    }
    return 0;
}
