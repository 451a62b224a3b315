/* Slots, locks and syncs of the position file. The record itself is position_record.c's. */
#include "position.h"

#include "files.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Which life of this machine it is; all zero, which is never believed, when it cannot be told. */
static void boot_id(uint8_t out[HF_BOOT_BYTES]) {
    char text[64] = "";
    memset(out, 0, HF_BOOT_BYTES);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
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

/* 1 locked, 0 somebody else has it, -1 the file was renamed or replaced meanwhile: look again. */
static int lock(const hf_position *position) {
    struct stat ours, there;
    if (flock(position->fd, LOCK_EX | LOCK_NB) != 0) {
        return 0;
    }
    if (fstat(position->fd, &ours) != 0 || stat(position->path, &there) != 0 ||
        ours.st_ino != there.st_ino || ours.st_dev != there.st_dev) {
        return -1;
    }
    return 1;
}

hf_position_found hf_position_open(hf_position *position, const char *path,
                                   hf_position_record *record, hf_failure *failure) {
    for (;;) {
        *position =
            (hf_position){ .fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), .path = path };
        if (position->fd < 0 && errno == ENOENT) {
            return HF_POSITION_NONE;
        }
        if (position->fd < 0) {
            hf_fail_file(failure, HF_EXIT_USAGE, path, "open");
            return HF_POSITION_FAILED;
        }
        int locked = lock(position);
        if (locked > 0) {
            break;
        }
        hf_position_close(position);
        if (locked == 0) {
            return HF_POSITION_LOCKED;
        }
    }
    boot_id(position->boot);
    return read_image(position, record, failure);
}

hf_position_found hf_position_read(const char *path, hf_position_record *record,
                                   hf_failure *failure) {
    hf_position position = { .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), .path = path };
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
    position->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (position->fd < 0 && errno != EEXIST) {
        return hf_fail_file(failure, HF_EXIT_USAGE, path, "write");
    }
    if (position->fd < 0 || lock(position) != 1) {
        hf_position_close(position);
        return hf_fail(
            failure, HF_EXIT_USAGE,
            "another run writes to this output: %s is its position; wait for it, or choose "
            "another --output",
            path);
    }
    boot_id(position->boot);
    int error = posix_fallocate(position->fd, 0, HF_POSITION_BYTES);
    if (error != 0) {
        unlink(path);
        errno = error;
        return hf_fail_file(failure, HF_EXIT_USAGE, path, "write");
    }
    return true;
}

bool hf_position_clear(hf_position *position, hf_failure *failure) {
    static const uint8_t nothing[HF_POSITION_BYTES];
    position->sequence = 0;
    if (!hf_write_all(position->fd, nothing, sizeof nothing, 0) || fdatasync(position->fd) != 0) {
        return hf_fail_file(failure, HF_EXIT_INCOMPLETE, position->path, "write");
    }
    return true;
}

bool hf_position_write(hf_position *position, const hf_position_record *record, bool durable,
                       hf_failure *failure) {
    uint8_t bytes[HF_POSITION_RECORD];
    unsigned slot = (durable ? 0u : 2u) + position->turn[!durable];
    position->turn[!durable] ^= 1;
    position->sequence++;
    hf_position_encode(record, position->sequence, position->boot, bytes);
    if (!hf_write_all(position->fd, bytes, sizeof bytes, (long long)slot * HF_POSITION_BLOCK) ||
        (durable && fdatasync(position->fd) != 0)) {
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
