/* One connection: its machine, its bytes, its timer.
 *
 * hf_conn_step() is where a state changes: it steps the machine, keeps the pool's counts, ends links as the step's
 * actions say, and writes the journal. What else follows from it is supervise.c's.
 */
#ifndef HF_CONN_PRIVATE_H
#define HF_CONN_PRIVATE_H

#include "internal.h"

void hf_conn_init(hf_conn *conn, hf_pool *pool, uint16_t index, uint8_t *memory);
/* The one way to move the connection's machine. error: why, or NULL. Returns what else the step asks for: HF_DO_*. */
unsigned hf_conn_step(hf_conn *conn, hf_event event, const hf_error *error);
/* Overwrites what a session may have left of its secrets. */
void hf_conn_wipe(hf_conn *conn);
/* Arms the timer anew and says whether the connection can take work; after every change. */
void hf_conn_settle(hf_conn *conn);

/* Sends what waits in tx. HF_OK, also when the link takes no more for now, or an hf_err. */
int hf_conn_write(hf_conn *conn);

/* How far reading has come in this turn of the connection. All zero but the link: nothing was read. */
typedef struct hf_reading {
    hf_link *link;
    unsigned reads;
    uint32_t room; /* bytes that were asked for last */
    uint32_t got;  /* and came */
} hf_reading;
/* Feeds and reads until the link is drained (FED), paused or out of its share (STOP), or something happened. After UP
 * and PROBED it goes on where it was. */
hf_turn hf_conn_read(hf_conn *conn, hf_reading *reading);

#endif
