/* A file that is appended to, cut back, and made durable: the output, the rejects, the unknown lines.
 *
 *     written (in the file)  |  buffer (not yet)        length = both
 *
 * The first error sticks: `error` is its errno, and every later call answers false.
 */
#ifndef HF_OUTFILE_H
#define HF_OUTFILE_H

#include "base/bytes.h"
#include "base/failure.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_outfile {
    const char *path;
    int fd; /* -1: not open yet */
    int error;
    bool dirty;       /* written since the last sync */
    bool sync_failed; /* the error was a sync's: what was written before may be lost */
    uint64_t written;
    hf_bytes buffer;
} hf_outfile;

/* Makes the file (`create`: nothing may be there), or opens it and cuts it to `length`; it must be at least that
 * long. No link is followed. False: why, with exit status `status` unless errno has one of its own. */
bool hf_outfile_open(hf_outfile *file, const char *path, bool create, uint64_t length, int status,
                     hf_failure *failure);
bool hf_outfile_is_open(const hf_outfile *file);
/* How long the file is, the buffer included. */
uint64_t hf_outfile_length(const hf_outfile *file);
/* Where to append; hf_outfile_added() afterwards, which writes when much has gathered. */
hf_bytes *hf_outfile_buffer(hf_outfile *file);
bool hf_outfile_added(hf_outfile *file);
/* Cuts back to a length that it had. */
bool hf_outfile_cut(hf_outfile *file, uint64_t length);
/* Goes back to a length that was written, after writing more failed: the error is forgotten. False: it was
 * a sync that failed, and only what was synced before counts. */
bool hf_outfile_retreat(hf_outfile *file, uint64_t length);
/* Everything into the file (kill -9 cannot lose it then); and on to the disk (a power cut cannot). */
bool hf_outfile_flush(hf_outfile *file);
bool hf_outfile_sync(hf_outfile *file);
void hf_outfile_close(hf_outfile *file);
/* Fills *failure from the error that stuck: exit status 4, and what to do. */
bool hf_outfile_fail(const hf_outfile *file, hf_failure *failure);

#endif
