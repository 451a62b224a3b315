/* One connection: its machine, its bytes, its timer.
 *
 * hf_conn_step() is where a state changes: it steps the machine, keeps the pool's counts, ends links as the step's
 * actions say, and writes the journal. What else follows from a step is done by supervise.c.
 */
#ifndef HF_CONN_PRIVATE_H
#define HF_CONN_PRIVATE_H

#include "internal.h"

void hf_conn_init(hf_conn *conn, hf_pool *pool, uint16_t index, uint8_t *memory);
/* The one way to move the connection's machine. error: why, or NULL. Returns the step's actions (HF_DO_*), of which
 * dropping and closing links is done already. */
unsigned hf_conn_step(hf_conn *conn, hf_event event, const hf_error *error);
/* Overwrites what a session may have left of its secrets. The connection must have no session. */
void hf_conn_wipe(hf_conn *conn);
/* Arms the connection's timer anew and notes whether it can take work: to be called after every change. */
void hf_conn_settle(hf_conn *conn);

/* Writes tx to the link. HF_OK, also when the link takes no more for now, or an hf_err. */
int hf_conn_write(hf_conn *conn);

/* How far reading has come in this turn of the connection. All zero but the link: nothing was read yet. */
typedef struct hf_reading {
    hf_link *link;
    unsigned reads;
    uint32_t room; /* bytes the last read asked for … */
    uint32_t got;  /* … and got */
} hf_reading;
/* Feeds and reads until the link is drained or so many reads were made (FED), on_row paused or the share of the
 * processor is used up (STOP), or something happened. After UP and PROBED the next call goes on where this one was. */
hf_turn hf_conn_read(hf_conn *conn, hf_reading *reading);

#endif
