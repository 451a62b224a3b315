/* The reorder window: lines under way, and lines that are done and wait for those before them.
 *
 *     head                                              tail
 *     | RUNNING (streams to .part) | OK | RUNNING | READY |      at most --window of them
 *
 * A ring of reused lines. `bytes` is what the lines hold in memory: input and waiting output.
 */
#ifndef HF_WINDOW_H
#define HF_WINDOW_H

#include "base/bytes.h"
#include "csv_in.h"
#include "intents.h"

#include "holdfast/request.h"

typedef enum hf_line_state {
    HF_LINE_READY,    /* to be submitted */
    HF_LINE_RUNNING,  /* submitted */
    HF_LINE_OK,       /* done; its output is in `out`, or (the head's) in the file already */
    HF_LINE_REJECTED, /* refused for good: code, message */
    HF_LINE_UNKNOWN,  /* may have run, never again: code, message */
    HF_LINE_UNDONE    /* to be run, or asked about, by the next run */
} hf_line_state;

/* The code of a line that was done and touched no row. */
#define HF_LINE_IDLE "0"

typedef struct hf_line {
    hf_request request;
    struct hf_job *job; /* whose request it is */
    hf_line_state state;
    uint64_t line, next_line, end; /* as hf_csv_record has them */
    hf_bytes text;                 /* the cells' */
    hf_value *cells;
    size_t n_cells, cells_size;
    hf_value *params;
    size_t params_size;
    hf_bytes prefix; /* the input's cells as CSV: what each of its output lines begins with */
    hf_bytes out;
    uint64_t rows;  /* of this attempt */
    bool paused;    /* its rows wait for room */
    bool unbounded; /* it may go beyond --window-bytes: the head waits for its connection */
    bool again;     /* cancelled to free its connection: not over, but READY again */
    bool intended;  /* its intent is durable */
    /* Its COMMIT was sent, and its answer is not known: what to ask the server by. "": none. `out` then holds the
     * output lines that count if it was committed. */
    char ticket[HF_TICKET_BYTES];
    bool void_rows;    /* its rows are not wanted any more */
    bool streams;      /* its rows go to the file, not to `out` */
    bool counted;      /* `affected` is known: all of it was done, but perhaps its COMMIT */
    uint64_t affected; /* rows that its statement touched */
    hf_bytes row_ends; /* --affected: the offsets (size_t) in `out` at which it is still missing */
    char code[HF_INTENT_CODE_BYTES]; /* of one that is OK: HF_LINE_IDLE, or "" */
    hf_bytes message;
    size_t held; /* bytes counted in the window's */
} hf_line;

typedef struct hf_window {
    hf_line *lines;
    uint32_t size;
    uint64_t head, tail; /* numbers of lines ever; tail - head are in it */
    size_t bytes;
} hf_window;

void hf_window_init(hf_window *window, uint32_t size);
void hf_window_free(hf_window *window);
bool hf_window_empty(const hf_window *window);
bool hf_window_full(const hf_window *window);
/* The oldest line; the window must not be empty. */
hf_line *hf_window_head(const hf_window *window);
/* Line `number`, head <= number < tail. */
hf_line *hf_window_at(const hf_window *window, uint64_t number);
/* Takes a line on: a copy of the record, READY. */
hf_line *hf_window_add(hf_window *window, const hf_csv_record *record);
/* Lets the oldest go. */
void hf_window_remove(hf_window *window);
/* Counts what the line holds now. */
void hf_window_count(hf_window *window, hf_line *line);

/* Its prefix, of `columns` input columns; `alone`: nothing follows it. */
void hf_line_prefix(hf_line *line, bool alone);
/* How it ended, in the code and message of rejects and unknown. */
void hf_line_end(hf_line *line, hf_line_state state, const char *code, const char *message,
                 size_t bytes);

#endif
