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
    HF_LINE_READY,    /* to be submitted, or again */
    HF_LINE_RUNNING,  /* submitted */
    HF_LINE_OK,       /* done; its output is in `out`, or (the head's) already in the file */
    HF_LINE_REJECTED, /* refused for good: code, message */
    HF_LINE_UNKNOWN,  /* may have run, never again: code, message */
    HF_LINE_UNDONE    /* the next run runs it, or asks about it */
} hf_line_state;

/* The code of a line that was done and touched no row. */
#define HF_LINE_IDLE "0"

typedef struct hf_line {
    hf_request request;
    struct hf_job *job; /* whose request it is */
    hf_line_state state;
    uint64_t line, next_line, end; /* as in hf_csv_record */
    hf_bytes text;                 /* the bytes of the cells */
    hf_value *cells;
    size_t n_cells, cells_size;
    hf_value *params;
    size_t params_size;
    hf_bytes prefix; /* the input's cells as CSV: what each of its output lines begins with */
    hf_bytes out;
    uint64_t rows;  /* rows of this attempt */
    bool waits;     /* READY, but not before the line before it in order (order.h) has ended */
    bool paused;    /* the line's rows wait for room in the window */
    bool unbounded; /* the line may go beyond --window-bytes: the head waits for its connection */
    bool again;     /* cancelled to free a connection: READY again, not over */
    bool intended;  /* the line's intent is durable */
    /* The line's COMMIT was sent, and the answer is not known: what to ask the server by. "": nothing to ask. `out`
     * then holds the output lines that count if it was committed. */
    char ticket[HF_TICKET_BYTES];
    bool void_rows;    /* the line's rows are not wanted any more */
    bool streams;      /* the line's rows go to the file, not to `out` */
    uint64_t follower; /* 1 + the number of the line that is next in order; 0 none */
    bool counted;      /* `affected` is known: all was done, but perhaps the COMMIT */
    uint64_t affected; /* rows that the statement touched */
    /* The offsets (size_t) in `out` at which a count (--affected) is still missing. */
    hf_bytes row_ends;
    char code[HF_INTENT_CODE_BYTES]; /* HF_LINE_IDLE or "" of an OK line; else why it is not OK */
    hf_bytes message;
    size_t held; /* bytes of this line in hf_window.bytes */
} hf_line;

typedef struct hf_window {
    hf_line *lines;
    uint32_t size;
    uint64_t head, tail; /* numbers of lines ever taken on; tail - head lines are in the window */
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
/* Takes a line on, READY: a copy of the record. The window must not be full. */
hf_line *hf_window_add(hf_window *window, const hf_csv_record *record);
/* Removes the oldest line; the window must not be empty. */
void hf_window_remove(hf_window *window);
/* Counts the bytes that the line holds now, after each change. */
void hf_window_count(hf_window *window, hf_line *line);

/* Makes the line's prefix from its cells; `alone`: nothing follows the prefix on an output line. */
void hf_line_prefix(hf_line *line, bool alone);
/* Sets how the line ended; code and message are for rejects and unknown. */
void hf_line_end(hf_line *line, hf_line_state state, const char *code, const char *message,
                 size_t bytes);

#endif
