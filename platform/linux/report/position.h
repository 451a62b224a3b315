/* How far a job is, kept so that no crash can make it say more than is true.
 *
 * The file has four slots, each in a disk block of its own:
 *
 *     | durable 0 | durable 1 | volatile 0 | volatile 1 |
 *
 * A durable record is written and synced after the files that it speaks of were synced: it holds after a
 * power cut. A volatile one is only written, after those files were only written: it holds after kill -9,
 * because the kernel still has everything, and so it is believed only under the boot id it was made
 * under. Each kind alternates between its two slots and carries a sequence number and a CRC, so a torn
 * write leaves the one before it; a volatile write never touches a durable slot's block.
 */
#ifndef HF_POSITION_H
#define HF_POSITION_H

#include "base/failure.h"

#include <stddef.h>
#include <stdint.h>

#define HF_POSITION_BLOCK  4096
#define HF_POSITION_RECORD 1024 /* of each block */
#define HF_POSITION_SLOTS  4
#define HF_POSITION_BYTES  (HF_POSITION_BLOCK * HF_POSITION_SLOTS)
#define HF_HASH_BYTES      32
#define HF_BOOT_BYTES      16
#define HF_RUN_BYTES       16

typedef struct hf_identity { /* SHA-256 of each */
    uint8_t input[HF_HASH_BYTES];
    uint8_t query[HF_HASH_BYTES];
    uint8_t settings[HF_HASH_BYTES]; /* --params, --write, --replay, --affected */
} hf_identity;

/* The database that the job runs against. `name` "": a program wrote the record that did not ask. */
typedef struct hf_database {
    uint64_t system; /* pg_control_system()'s system_identifier; 0: the server does not tell */
    char name[64], user[64], place[80]; /* longer ones are cut; place: "host:port" */
} hf_database;

/* The incarnation of the server that acknowledges (SEMANTICS 15): a ticket's second part. 0: not told. Times are its
 * own clock's, in microseconds since 1970; its statistics begin anew after a crash. */
typedef struct hf_server {
    uint64_t system;  /* as hf_database has it; in a file it is that one's */
    uint64_t started; /* pg_postmaster_start_time() */
    uint64_t reset;   /* stats_reset of pg_stat_bgwriter */
    uint32_t timeline;
} hf_server;

/* A run that keeps a ledger (REPORT.md 36). `id` all zero: it keeps none. */
typedef struct hf_run {
    uint8_t id[HF_RUN_BYTES];
    uint64_t chunks;       /* those that were let go: the next one's number is one more */
    uint64_t seen;         /* the highest that `chunks` ever was: the server may have lost some */
    uint64_t healed;       /* lines that the server lost, and that were applied again */
    uint64_t uncounted;    /* lines of which nobody knows how many rows they touched */
    uint64_t batch, bytes; /* of a chunk at most: lines, and bytes of what is sent for them */
} hf_run;

typedef struct hf_position_record {
    hf_identity identity;
    uint8_t columns[HF_HASH_BYTES]; /* of the result's columns */
    uint64_t output_bytes, rejects_bytes, unknown_bytes;
    uint64_t input_offset; /* of the first line that is not done; merged: a hash of the parts */
    uint64_t next_line;    /* its physical line number */
    uint64_t lines_done, lines_rejected, lines_unknown;
    uint64_t runs, elapsed_ms; /* of all runs together; a merged report is no run's: 0 */
    uint64_t lines_idle;       /* of those done: writes that touched no row */
    uint64_t finished_at;      /* wall clock, Unix ms; 0: not finished, or not noted */
    hf_database database;
    hf_server server; /* as it was seen last; zero: it does not tell, or the job only reads */
    uint8_t finished, exit_status;
    hf_run run;
} hf_position_record;

typedef struct hf_position {
    int fd; /* locked; -1 none */
    const char *path;
    uint64_t sequence;
    uint8_t turn[2]; /* the next record's slot: among the durable ones, the volatile ones */
    uint8_t boot[HF_BOOT_BYTES];
} hf_position;

typedef enum hf_position_found {
    HF_POSITION_NONE,   /* there is no file, or nothing was ever written to it */
    HF_POSITION_VALID,  /* *record is how far the job is */
    HF_POSITION_BROKEN, /* something is in it that no job of ours wrote */
    HF_POSITION_LOCKED, /* another run has it */
    HF_POSITION_FAILED  /* *failure says why it cannot be read */
} hf_position_found;

/* Opens and locks the file at path if it is there, and reads the newest record that can be believed. */
hf_position_found hf_position_open(hf_position *position, const char *path,
                                   hf_position_record *record, hf_failure *failure);
/* Reads a file that nobody writes any more, without a lock. */
hf_position_found hf_position_read(const char *path, hf_position_record *record,
                                   hf_failure *failure);
/* Makes and locks the file, its room reserved, so that writing to it cannot find the disk full. False: why
 * (exit status 1: another run was faster). */
bool hf_position_create(hf_position *position, const char *path, hf_failure *failure);
/* Forgets every record: the job starts over. */
bool hf_position_clear(hf_position *position, hf_failure *failure);
bool hf_position_write(hf_position *position, const hf_position_record *record, bool durable,
                       hf_failure *failure);
/* Before the files are cut to the record that was found: when it cannot be told which boot this is, volatile records
 * were passed over that a later run would believe. They go. */
bool hf_position_resume(hf_position *position, hf_failure *failure);
/* Makes the volatile records unbelievable: a sync failed, and what the kernel holds may be lost. */
void hf_position_distrust(hf_position *position);
void hf_position_close(hf_position *position);

/* Pure: a slot's bytes, and back; false when they are no record. A record without a run is one that older programs
 * read. */
void hf_position_encode(const hf_position_record *record, uint64_t sequence,
                        const uint8_t boot[HF_BOOT_BYTES], uint8_t out[HF_POSITION_RECORD]);
bool hf_position_decode(const uint8_t from[HF_POSITION_RECORD], hf_position_record *record,
                        uint64_t *sequence, uint8_t boot[HF_BOOT_BYTES]);
/* Which slot of a file's image is to be believed under `boot`; -1 none. turn (may be NULL) becomes the slot
 * of each kind that may be overwritten. */
int hf_position_choose(const uint8_t image[HF_POSITION_BYTES], const uint8_t boot[HF_BOOT_BYTES],
                       uint8_t turn[2]);

/* Does the run keep a ledger? */
bool hf_run_keeps(const hf_run *run);

/* CRC-32 (ISO 3309), as in zlib. */
uint32_t hf_crc32(uint32_t crc, const void *from, size_t bytes);

#endif
