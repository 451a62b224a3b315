/* How far the report is: a bar redrawn in place on a terminal, a plain line every ten seconds elsewhere; with
 * --log-format json an object a line every ten seconds, and with --progress always every second. */
#ifndef HF_PROGRESS_H
#define HF_PROGRESS_H

#include "client.h"

typedef struct hf_progress {
    bool bar;         /* else lines */
    bool shown;       /* a bar stands on the terminal's last line */
    uint32_t each_ms; /* how often; 0 never */
    hf_ms next;       /* when it is due; HF_NEVER: not wanted */
    uint64_t total;
    struct {
        hf_ms at;
        uint64_t done;
    } samples[16]; /* of the last seconds, a ring, for the rate */
    unsigned n_samples;
} hf_progress;

/* done: lines ended before this run. */
void hf_progress_init(hf_progress *progress, const hf_options *options, uint64_t total,
                      uint64_t done, hf_ms now);
/* Draws what is due. Returns when it is due next. */
hf_ms hf_progress_tick(hf_progress *progress, hf_client *client, uint64_t done, hf_ms now);
/* Takes the bar away. */
void hf_progress_end(hf_progress *progress);

/* Pure: the text of the bar, at most `width` terminal columns. */
typedef struct hf_progress_view {
    uint64_t done, total;
    double rate;                     /* lines per second; 0 unknown */
    unsigned healthy, busy, waiting; /* connections: healthy, connecting or probing, in backoff */
    uint64_t outage_ms;              /* 0: none */
    uint64_t next_try_ms;
} hf_progress_view;
void hf_progress_text(const hf_progress_view *view, unsigned width, char *out, size_t size);

#endif
