/* A record: length (4) | kind (1) | line (8) | code (24) | text | CRC-32 (4); length counts all of these bytes. */
#include "intents.h"

#include "base/failure.h"
#include "base/files.h"
#include "position.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 4 + 1 + 8 + HF_INTENT_CODE_BYTES, CRC_BYTES = 4 };

#define ROOM_STEP     (1024u * 1024)
#define COMPACT_BYTES (4u * 1024 * 1024)
#define PRIVATE       0600 /* file mode */

size_t hf_intent_decode(const uint8_t *from, size_t bytes, hf_intent *intent) {
    if (bytes < HEAD_BYTES + CRC_BYTES) {
        return 0;
    }
    uint64_t length = hf_little_get(from, 4);
    if (length < HEAD_BYTES + CRC_BYTES || length > bytes ||
        hf_little_get(from + length - CRC_BYTES, CRC_BYTES) !=
            hf_crc32(0, from, (size_t)length - CRC_BYTES) ||
        from[4] < HF_INTENT_SENT || from[4] > HF_INTENT_COMMIT) {
        return 0;
    }
    *intent = (hf_intent){ .line = hf_little_get(from + 5, 8),
                           .kind = (hf_intent_kind)from[4],
                           .text = (const char *)from + HEAD_BYTES,
                           .text_bytes = (size_t)length - HEAD_BYTES - CRC_BYTES };
    memcpy(intent->code, from + 13, HF_INTENT_CODE_BYTES - 1);
    return (size_t)length;
}

void hf_intents_add(hf_intents *intents, const hf_intent *intent) {
    uint8_t head[HEAD_BYTES] = { 0 }, crc[CRC_BYTES];
    size_t length = HEAD_BYTES + intent->text_bytes + CRC_BYTES;
    hf_little_put(head, length, 4);
    head[4] = (uint8_t)intent->kind;
    hf_little_put(head + 5, intent->line, 8);
    memcpy(head + 13, intent->code, strnlen(intent->code, HF_INTENT_CODE_BYTES - 1));
    uint32_t sum = hf_crc32(0, head, sizeof head);
    hf_little_put(crc, hf_crc32(sum, intent->text, intent->text_bytes), sizeof crc);
    hf_bytes_add(&intents->gathered, head, sizeof head);
    hf_bytes_add(&intents->gathered, intent->text, intent->text_bytes);
    hf_bytes_add(&intents->gathered, crc, sizeof crc);
}

/* Hands out the file's whole records and cuts off a torn one: new records begin where the whole ones end. */
static bool load(hf_intents *intents, uint64_t from_line,
                 void (*each)(void *user, const hf_intent *intent), void *user) {
    struct stat file;
    if (fstat(intents->fd, &file) != 0) {
        return false;
    }
    uint8_t *image = hf_must_alloc((size_t)file.st_size + 1, 1);
    size_t have = 0;
    ssize_t got;
    while ((got = pread(intents->fd, image + have, (size_t)file.st_size - have, (off_t)have)) !=
           0) {
        if (got < 0 && errno != EINTR) {
            free(image);
            return false;
        }
        have += got > 0 ? (size_t)got : 0;
    }
    size_t at = 0, length;
    hf_intent intent;
    while ((length = hf_intent_decode(image + at, have - at, &intent)) > 0) {
        if (intent.line >= from_line) {
            each(user, &intent);
        }
        at += length;
    }
    free(image);
    intents->used = at;
    return hf_file_cut(intents->fd, at);
}

/* The file holds rows of the result, which are nobody else's to read. */
static int open_private(const char *path) {
    struct stat file;
    int fd = hf_file_reopen(path, O_RDWR);
    if (fd < 0 && errno == ENOENT) {
        return hf_file_create(path, O_RDWR, PRIVATE);
    }
    if (fd >= 0 && fstat(fd, &file) == 0 && (file.st_mode & 07777) != PRIVATE) {
        fchmod(fd, PRIVATE); /* an older program's file; may fail, as before */
    }
    return fd;
}

bool hf_intents_open(hf_intents *intents, const char *path, uint64_t from_line,
                     void (*each)(void *user, const hf_intent *intent), void *user,
                     hf_failure *failure) {
    *intents = (hf_intents){ .path = path };
    intents->fd = open_private(path);
    if (intents->fd < 0 || !load(intents, from_line, each, user) ||
        !hf_intents_reserve(intents, 1)) {
        return hf_fail_file(failure, HF_EXIT_USAGE, path, "write");
    }
    return true;
}

bool hf_intents_reserve(hf_intents *intents, size_t bytes) {
    uint64_t needed = intents->used + intents->gathered.used + bytes;
    if (needed <= intents->room) {
        return true;
    }
    uint64_t room = (needed / ROOM_STEP + 1) * ROOM_STEP;
    if (!hf_file_reserve(intents->fd, intents->used, room - intents->used)) {
        /* No more lines are taken on, but the ends of those under way still have room. */
        return false;
    }
    intents->room = room;
    return true;
}

bool hf_intents_write(hf_intents *intents, bool durable) {
    if (intents->error) {
        return false;
    }
    if (!hf_write_all(intents->fd, intents->gathered.data, intents->gathered.used,
                      (long long)intents->used)) {
        return false; /* to be tried again: the same bytes at the same place */
    }
    if (durable && !hf_file_sync(intents->fd)) {
        intents->error = errno; /* written bytes may be gone, whatever a second sync says */
        return false;
    }
    intents->used += intents->gathered.used;
    hf_bytes_reset(&intents->gathered, ROOM_STEP);
    return true;
}

bool hf_intents_worth_compacting(const hf_intents *intents) {
    return intents->used > intents->compacted * 2 + COMPACT_BYTES;
}

void hf_intents_compact_begin(hf_intents *intents) {
    hf_bytes_reset(&intents->gathered, ROOM_STEP);
}

bool hf_intents_compact_end(hf_intents *intents) {
    char *fresh_path = hf_path_beside(intents->path, ".new");
    hf_intents fresh = { .path = intents->path, .gathered = intents->gathered };
    unlink(fresh_path); /* what an interrupted compaction left */
    fresh.fd = hf_file_create(fresh_path, O_RDWR, PRIVATE);
    bool replaced = fresh.fd >= 0 && hf_intents_reserve(&fresh, 1) &&
                    hf_intents_write(&fresh, true) && rename(fresh_path, intents->path) == 0;
    if (replaced) {
        close(intents->fd);
        fresh.compacted = fresh.used;
        *intents = fresh;
    } else { /* the old file has it all: perhaps later */
        if (fresh.fd >= 0) {
            close(fresh.fd);
            unlink(fresh_path);
        }
        intents->gathered = fresh.gathered;
        intents->gathered.used = 0;
        intents->compacted = intents->used;
    }
    free(fresh_path);
    /* A power cut must not bring the old file back, now that notes go to the new one. */
    if (replaced && !hf_folder_sync(intents->path)) {
        intents->error = errno;
        return false;
    }
    return true;
}

void hf_intents_close(hf_intents *intents) {
    if (intents->path && intents->fd >= 0) {
        close(intents->fd);
    }
    hf_bytes_free(&intents->gathered);
    *intents = (hf_intents){ .fd = -1 };
}

bool hf_intents_fail(const hf_intents *intents, hf_failure *failure) {
    errno = intents->error ? intents->error : errno;
    return hf_fail_file(failure, HF_EXIT_INCOMPLETE, intents->path, "write");
}
