/* A CSV file, record by record, in memory that one record and one chunk fill.
 *
 * Dialect: RFC 4180 with LF or CRLF line ends, strict quotes, blanks kept. An unquoted empty cell is NULL,
 * "" the empty string. A blank line is a record with one NULL cell. A byte order mark of UTF-8 is
 * skipped. What cannot be read exactly is an error that names the physical line.
 */
#ifndef HF_CSV_IN_H
#define HF_CSV_IN_H

#include "base/failure.h"

#include "holdfast/request.h"

#define HF_CSV_RECORD_MAX (256u * 1024 * 1024) /* bytes of a record: an unclosed quote ends here */

typedef struct hf_csv_in hf_csv_in;

/* Valid until the next record is read. */
typedef struct hf_csv_record {
    hf_value *cells;
    size_t n_cells;
    uint64_t line;      /* physical line on which it starts, from 1 */
    uint64_t next_line; /* the same of what follows */
    uint64_t end;       /* byte offset of what follows */
    bool blank;         /* nothing is on its line */
} hf_csv_record;

/* Opens a regular file, perhaps packed by gzip. NULL: exit status 1 and why. */
hf_csv_in *hf_csv_in_open(const char *path, hf_failure *failure);
void hf_csv_in_close(hf_csv_in *in);
/* What stands between two cells, a comma otherwise; before the first record. */
void hf_csv_in_delimiter(hf_csv_in *in, char delimiter);
/* What messages call the input, if not by its path; kept. */
void hf_csv_in_name(hf_csv_in *in, const char *name);
/* Every byte of the input, unpacked, goes to `tap` first; NULL none. */
void hf_csv_in_tap(hf_csv_in *in, void (*tap)(void *user, const void *bytes, size_t count),
                   void *user);
/* 1 a record, 0 the end, -1 why not. */
int hf_csv_in_next(hf_csv_in *in, hf_csv_record *record, hf_failure *failure);
/* Goes on at `offset`, which is where a record of line `line` starts. */
bool hf_csv_in_seek(hf_csv_in *in, uint64_t offset, uint64_t line, hf_failure *failure);
struct stat;
bool hf_csv_in_stat(const hf_csv_in *in, struct stat *file);

#endif
