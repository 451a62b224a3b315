/* Links: opened, encrypted, closed, for a session and for a cancel alike. A link knows nothing of requests. */
#ifndef HF_LINK_H
#define HF_LINK_H

#include "internal.h"

/* hf_dial.step within TLS. */
enum { HF_STEP_TLS_REQUEST, HF_STEP_TLS_ANSWER, HF_STEP_TLS_HANDSHAKE };

/* Is the connection to be encrypted? */
bool hf_link_wants_tls(const hf_conn *conn);
/* Opens the link of a dial to the connection's present address. 0 or an hf_err. */
int hf_link_open(hf_conn *conn, hf_dial *dial);
/* From TCP to the end of the TLS handshake: 1 ready for the driver's bytes, 0 not yet, < 0 an hf_err. */
int hf_link_advance(hf_conn *conn, hf_dial *dial);
/* Hands a small message to the link, which may take it in pieces: 1 all of it, 0 not yet, < 0 an hf_err. */
int hf_link_send(hf_dial *dial, const uint8_t *bytes, size_t size);
/* Drops the link of a dial, if it has one. */
void hf_link_drop(hf_dial *dial);

/* Ends a link politely within timeout_ms, or at once with 0. Nothing waits for it: the next attempt may start
 * meanwhile. */
void hf_link_close(hf_conn *conn, hf_link *link, uint32_t timeout_ms);
/* Goes on with the close that hf_link_close() began. One must be under way. */
void hf_link_close_advance(hf_conn *conn);
/* Aborts the link that is being closed, if there is one. */
void hf_link_close_now(hf_conn *conn);

/* Fills error with the failure `code` (an hf_err) of the session's link and, if there is a link, with its reason. */
void hf_link_error(const hf_conn *conn, hf_error *error, int code);
/* hf_link_error() into conn->io.error. HF_TURN_LOST, or REDIAL where a login's link may have ended because of the
 * version. */
HF_COLD hf_turn hf_link_lost(hf_conn *conn, int code);

#endif
