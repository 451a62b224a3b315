/* One connection: the machine, a driver session, its link, its buffers, its deadlines.
 *
 *     link -> rx -> driver feed() -> on_row / on_done          one way up
 *     request -> driver submit() -> tx -> link                 one way down
 *
 * It owns up to three links: the session's, a second one that carries a cancel, and an old one that is
 * being closed. The pool decides who dials and what runs where; conn does the rest. Complete so that its
 * size is known; the fields are holdfast's own.
 */
#ifndef HF_CONN_H
#define HF_CONN_H

#include "driver.h"
#include "endpoint.h"
#include "fsm.h"

/* A link on its way up: the session's, or a cancel's. */
typedef struct hf_dial {
    hf_link *link; /* NULL none */
    uint8_t phase; /* an hf_phase: RESOLVE, TCP, TLS, LOGIN; then QUERY (CANCEL on a cancel's) */
    uint8_t step;  /* within TLS: HF_TLS_*, engine.h */
    uint8_t sent;  /* bytes of the small message in the clear that were handed to the link */
} hf_dial;

/* In the order of what it costs to reach a field: on a Cortex-M an instruction is short for bytes within 32 of the
 * beginning, halfwords within 64 and words within 128. */
struct hf_conn {
    hf_pool *pool;
    hf_dial dial; /* the session's link */
    uint16_t index;
    uint16_t n_flight;
    uint8_t n_addresses, address; /* how many, and which is being tried or in use */
    uint8_t endpoint;
    bool active;          /* on the pool's list of those with something to do */
    bool resumed;         /* hf_resume() was called */
    bool spared;          /* the clock jumped over the end of this attempt: it was given more */
    bool tx_blocked;      /* the link took less than was offered: wait for news */
    bool cancel_out;      /* bytes of the pending CancelRequest were handed to its link */
    bool cancel_next;     /* one in flight behind the oldest is to be cancelled */
    bool cancel_left;     /* the cancel's session is gone: only its link is waited for */
    uint8_t cancel_limit; /* the hf_limit that fired; HF_LIMIT_NONE: it was asked for */
    hf_fsm fsm;
    char warned[6];        /* SQLSTATE of a WARNING that announces the end: 57P01, 57P02 */
    uint16_t exposed;      /* so many of the oldest in flight may be hit by a cancel that is over */
    hf_queue flight;       /* in the order of their answers */
    hf_request *cancelled; /* whom the cancel is for; NULL when that one is over already */
    hf_link *closing;      /* an old link being closed */
    hf_dial cancel;        /* the cancel's link */
    hf_conn *next_active;
    uint32_t attempt;     /* own failed dials in a row while others are usable */
    uint32_t dial_number; /* its last dial was the pool's nth */
    hf_io io;
    hf_timer timer; /* the next moment anything of this connection is due */
    hf_ms closing_deadline;
    hf_ms cancel_deadline;  /* cancel and grace; HF_NEVER: no cancel is pending */
    hf_ms attempt_deadline; /* of the oldest in flight; HF_NEVER none */
    hf_ms paused_at;        /* on_row said HF_PAUSE then; HF_NEVER: not paused */
    hf_ms tcp_deadline;     /* of the address being tried; HF_NEVER: the state's rules */
    hf_ms stable_at;        /* it proves itself then by lasting; HF_NEVER: it has, or is not up */
    hf_ms heard_at;         /* bytes last came then */
    uint64_t tx_sent;       /* bytes of tx ever handed to the link, this session */
    hf_address addresses[HF_ADDRESSES_MAX];
    hf_session session;
};

#endif
