/* One connection: the machine, a driver session, its link, its buffers, its deadlines.
 *
 *     link -> rx -> driver feed() -> on_row / on_done          one way up
 *     request -> driver submit() -> tx -> link                 one way down
 *
 * It owns up to three links: the session's, a second one that carries a cancel, and an old one that is
 * being closed. The pool decides who dials and what runs where; conn does the rest.
 */
#ifndef HF_CONN_H
#define HF_CONN_H

#include "driver.h"
#include "endpoint.h"
#include "fsm.h"

#ifndef HF_ADDRESSES_MAX
#define HF_ADDRESSES_MAX 4 /* addresses of one name that are tried */
#endif

/* What a tag names: conn * HF_ROLES + role. */
enum { HF_ROLE_SESSION, HF_ROLE_CANCEL, HF_ROLE_CLOSING, HF_ROLES };

/* A link on its way up, and the phase it is in: the session's, or a cancel's. */
typedef struct hf_dial {
    hf_link *link; /* NULL none */
    uint8_t phase; /* an hf_phase */
    uint8_t step;  /* within TLS: sending the request, awaiting the answer, handshake */
} hf_dial;

struct hf_conn {
    hf_pool *pool;
    hf_timer timer; /* the next moment anything of this connection is due */
    hf_fsm fsm;
    uint16_t index;
    uint16_t n_flight;
    hf_dial dial;     /* the session's link */
    hf_dial cancel;   /* the cancel's link */
    hf_link *closing; /* an old link being closed */
    hf_ms closing_deadline;
    hf_ms cancel_deadline;   /* cancel and grace; HF_NEVER: no cancel is pending */
    hf_request *cancelled;   /* whom the cancel is for; NULL when that one is over already */
    hf_error cancel_error;   /* why it was cancelled: HF_ERR_TIMEOUT or HF_ERR_CANCELLED */
    hf_request *head, *tail; /* in flight, in the order of their answers */
    hf_ms attempt_deadline;  /* of the oldest in flight; HF_NEVER none */
    hf_ms paused_at;         /* on_row said HF_PAUSE then; HF_NEVER: not paused */
    hf_ms tcp_deadline;      /* of the address being tried */
    hf_ms stable_at;         /* it proves itself then by lasting; HF_NEVER: it has, or is not up */
    hf_address addresses[HF_ADDRESSES_MAX];
    uint8_t n_addresses, address; /* how many, and which is being tried or in use */
    uint8_t endpoint;
    bool suspect;          /* probe before the next use, whatever the interval says */
    bool rx_news, tx_news; /* the port has news of the session's link */
    bool resumed;          /* hf_resume() was called: go on with what is in rx */
    bool refused;         /* an extra dial was refused for good: it is not repeated (SEMANTICS 7) */
    uint32_t attempt;     /* own failed dials in a row while others are usable */
    uint64_t tx_sent;     /* bytes of tx ever handed to the link, this session */
    hf_conn *next_active; /* the pool's list for this tick */
    bool active;
    hf_session session;
    hf_io io;
};

#endif
