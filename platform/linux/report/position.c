/* Slots, locks and syncs of the position file. The record itself is position_record.c's. */
#include "position.h"

#include "base/failure.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Which life of this machine it is; all zero, which is never believed, when it cannot be told. */
static void boot_id(uint8_t out[HF_BOOT_BYTES]) {
    char text[64] = "";
    memset(out, 0, HF_BOOT_BYTES);
    int fd = hf_file_open("/proc/sys/kernel/random/boot_id", O_RDONLY);
    if (fd < 0) {
        return;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    unsigned digits = 0;
    for (ssize_t i = 0; i < got && digits < 2 * HF_BOOT_BYTES; i++) {
        char c = text[i];
        int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (value >= 0) {
            out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | value);
            digits++;
        }
    }
    if (digits < 2 * HF_BOOT_BYTES) {
        memset(out, 0, HF_BOOT_BYTES);
    }
}

static hf_position_found read_image(hf_position *position, hf_position_record *record,
                                    hf_failure *failure) {
    uint8_t image[HF_POSITION_BYTES] = { 0 }, boot[HF_BOOT_BYTES];
    size_t have = 0;
    while (have < sizeof image) {
        ssize_t got = pread(position->fd, image + have, sizeof image - have, (off_t)have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            hf_fail_file(failure, HF_EXIT_INCOMPLETE, position->path, "read");
            return HF_POSITION_FAILED;
        }
        if (got == 0) {
            break;
        }
        have += (size_t)got;
    }
    int slot = hf_position_choose(image, position->boot, position->turn);
    if (slot >= 0) {
        hf_position_decode(image + (size_t)slot * HF_POSITION_BLOCK, record, &position->sequence,
                           boot);
        return HF_POSITION_VALID;
    }
    for (size_t i = 0; i < have; i++) {
        if (image[i] != 0) {
            return HF_POSITION_BROKEN;
        }
    }
    return HF_POSITION_NONE;
}

hf_position_found hf_position_open(hf_position *position, const char *path,
                                   hf_position_record *record, hf_failure *failure) {
    for (;;) {
        *position = (hf_position){ .fd = hf_file_reopen(path, O_RDWR), .path = path };
        if (position->fd < 0 && errno == ENOENT) {
            return HF_POSITION_NONE;
        }
        if (position->fd < 0) {
            hf_fail_file(failure, HF_EXIT_USAGE, path, "open");
            return HF_POSITION_FAILED;
        }
        hf_locked locked = hf_file_lock(position->fd, path);
        if (locked == HF_LOCK_OURS) {
            break;
        }
        if (locked == HF_LOCK_FAILED) {
            hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "lock");
        }
        hf_position_close(position);
        if (locked != HF_LOCK_MOVED) {
            return locked == HF_LOCK_TAKEN ? HF_POSITION_LOCKED : HF_POSITION_FAILED;
        }
    }
    boot_id(position->boot);
    return read_image(position, record, failure);
}

hf_position_found hf_position_read(const char *path, hf_position_record *record,
                                   hf_failure *failure) {
    hf_position position = { .fd = hf_file_reopen(path, O_RDONLY), .path = path };
    if (position.fd < 0 && errno == ENOENT) {
        return HF_POSITION_NONE;
    }
    if (position.fd < 0) {
        hf_fail_file(failure, HF_EXIT_USAGE, path, "open");
        return HF_POSITION_FAILED;
    }
    boot_id(position.boot);
    hf_position_found found = read_image(&position, record, failure);
    hf_position_close(&position);
    return found;
}

bool hf_position_create(hf_position *position, const char *path, hf_failure *failure) {
    *position = (hf_position){ .path = path };
    position->fd = hf_file_create(path, O_RDWR, 0666);
    if (position->fd < 0 && errno != EEXIST) {
        return hf_fail_file(failure, HF_EXIT_USAGE, path, "write");
    }
    hf_locked locked = position->fd < 0 ? HF_LOCK_TAKEN : hf_file_lock(position->fd, path);
    if (locked == HF_LOCK_FAILED) {
        hf_fail_file(failure, HF_EXIT_INCOMPLETE, path, "lock");
        unlink(path);
        hf_position_close(position);
        return false;
    }
    if (locked != HF_LOCK_OURS) {
        hf_position_close(position);
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "another run writes to this output: %s is its position; wait for it, or choose "
            "another --output",
            path);
    }
    boot_id(position->boot);
    if (!hf_file_reserve(position->fd, 0, HF_POSITION_BYTES)) {
        hf_fail_file(failure, HF_EXIT_USAGE, path, "write");
        unlink(path);
        return false;
    }
    return true;
}

bool hf_position_clear(hf_position *position, hf_failure *failure) {
    static const uint8_t nothing[HF_POSITION_BYTES];
    position->sequence = 0;
    if (!hf_write_all(position->fd, nothing, sizeof nothing, 0) || !hf_file_sync(position->fd)) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, position->path, "write");
    }
    return true;
}

bool hf_position_write(hf_position *position, const hf_position_record *record, bool durable,
                       hf_failure *failure) {
    uint8_t bytes[HF_POSITION_RECORD];
    unsigned slot = (durable ? 0u : 2u) + position->turn[!durable];
    position->sequence++;
    hf_position_encode(record, position->sequence, position->boot, bytes);
    if (!hf_write_all(position->fd, bytes, sizeof bytes, (long long)slot * HF_POSITION_BLOCK) ||
        (durable && !hf_file_sync(position->fd))) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, position->path, "write");
    }
    position->turn[!durable] ^= 1; /* one that failed must not cost the slot of the last good one */
    return true;
}

bool hf_position_resume(hf_position *position, hf_failure *failure) {
    static const uint8_t no_boot[HF_BOOT_BYTES], nothing[2 * HF_POSITION_BLOCK];
    if (memcmp(position->boot, no_boot, sizeof no_boot) == 0 &&
        (!hf_write_all(position->fd, nothing, sizeof nothing, 2LL * HF_POSITION_BLOCK) ||
         !hf_file_sync(position->fd))) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, position->path, "write");
    }
    return true;
}

void hf_position_distrust(hf_position *position) {
    static const uint8_t nothing[2 * HF_POSITION_BLOCK];
    if (position->fd >= 0) {
        hf_write_all(position->fd, nothing, sizeof nothing, 2LL * HF_POSITION_BLOCK);
    }
}

void hf_position_close(hf_position *position) {
    if (position->fd >= 0) {
        close(position->fd); /* and with it the lock */
    }
    position->fd = -1;
}
