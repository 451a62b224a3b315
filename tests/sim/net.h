/* The network, and the port over it: links of two pipes, names, random bytes. A pipe carries segments, each with the
 * time at which it arrives; faults move that time, cut the segment, flip its bits or end the stream.
 *
 * A link has two ends, and is over when both sides have left: the client by close() or abort(), the server by FIN or
 * RST. Either may go on long after the other has left.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "tap.h"

enum { SIM_LINKS = 2048 };

typedef enum sim_way { SIM_WAY_UP /* to the server */, SIM_WAY_DOWN, SIM_WAYS } sim_way;
typedef enum sim_kind { SIM_DATA, SIM_FIN, SIM_RST } sim_kind;

typedef struct sim_segment {
    hf_ms at;
    uint32_t bytes;
    uint8_t kind;
} sim_segment;

typedef struct sim_pipe {
    uint8_t *data; /* [start, there) has arrived, [there, end) is on its way */
    size_t room, start, there, end;
    sim_segment *segments; /* [first, last) are on their way */
    size_t segment_room, first, last;
    hf_ms last_at;      /* when the last segment arrives: none overtakes another */
    hf_ms hole_until;   /* segments that are sent before then wait until then */
    uint64_t n_read;    /* bytes of the stream that were ever taken out at the other end */
    uint64_t n_written; /* bytes that were ever put in */
    uint64_t sent_from; /* n_written before the last bytes were put in */
    uint64_t broken_at; /* under TLS: the byte that was flipped; UINT64_MAX: none */
    bool fin, rst;      /* a FIN, an RST has arrived */
    bool cut;           /* nothing gets through any more */
    bool clean;         /* the stream ends with close_notify */
} sim_pipe;

typedef enum sim_tls { SIM_TLS_OFF, SIM_TLS_SHAKING, SIM_TLS_ON } sim_tls;

/* What the client is told at a place of the stream from the server. */
typedef struct sim_mark {
    uint64_t at;
    uint32_t flight; /* the flight that the client is told about */
    uint32_t told;   /* SIM_TOLD_* */
} sim_mark;

typedef struct sim_backend sim_backend;

typedef struct sim_link {
    hf_link link;
    uint32_t life; /* changes when the place is used again */
    uint32_t number;
    uint32_t cancels;  /* the number of the link whose statement this link cancels; 0: of none */
    bool cancels_late; /* an earlier session's cancel has had a part of its close_timeout */
    bool used, connected, client_gone, server_gone, closing;
    bool noted;
    bool vanished;       /* the server's machine is gone: nobody answers */
    bool blocked;        /* the client waits for room */
    bool was_blocked;    /* the client once waited: what it sends may be older than it looks */
    bool write_failed;   /* a write of the client's has failed */
    bool told_role;      /* the client was told that its server is a standby */
    bool told_end;       /* the client has read a message after which nothing comes */
    bool in_transaction; /* a probe was answered within a transaction */
    bool tainted;        /* a bit was flipped in clear text */
    bool cut_read;       /* the client's last read gave less than there was, as if that were all */
    bool paused;         /* a request on the link is paused */
    int fails;           /* an hf_err that every call answers */
    uint8_t tls;         /* a sim_tls */
    uint8_t node;
    uint16_t latency; /* ms one way */
    bool drips;
    uint32_t window;
    hf_ms opened_at;
    hf_ms heard_at; /* when the client last read bytes */
    hf_ms left_at;  /* when the client aborted the link, or began to close it */
    sim_pipe pipe[SIM_WAYS];
    sim_backend *backend;
    sim_tap tap;
    sim_mark *marks;
    size_t mark_room, first_mark, last_mark;
    struct sim_link *next_noted;
} sim_link;

extern sim_link sim_links[SIM_LINKS];
extern unsigned sim_links_top; /* places ever used in this run */

void sim_net_reset(void);
hf_port *sim_net_port(void);

/* What has ended the stream to the client: an hf_err, once the bytes before are read; 0: nothing yet. (port.c) */
int sim_link_ending(const sim_link *link);

/* --- for the server --- */
/* The connection is accepted, or refused with an hf_err, of which the client hears after the latency. */
void sim_link_accept(sim_link *link);
void sim_link_refuse(sim_link *link, int err);
/* The bytes that have arrived from the client and were not taken yet. */
size_t sim_link_arrived(const sim_link *link, const uint8_t **bytes);
void sim_link_take(sim_link *link, size_t bytes);
/* Sends bytes. A mark for one of them, byte `at` of the stream to the client, must be set before. */
void sim_link_send(sim_link *link, const void *bytes, size_t n);
void sim_link_mark(sim_link *link, uint64_t at, uint32_t flight, unsigned told);
/* The server leaves the link, by FIN or RST. clean: with TLS's close_notify. */
void sim_link_fin(sim_link *link, bool clean);
void sim_link_rst(sim_link *link);

/* --- for whoever makes trouble --- */
/* Segments on their way to the client arrive, and none is delayed any more. */
void sim_net_heal(void);
/* Cuts the link in its middle: the client sees `kind`, and so does the server if server_too. */
void sim_link_cut(sim_link *link, sim_kind kind, bool server_too);
/* Ends the link for the client behind what was sent; the server goes on, unheard. */
void sim_link_end_behind(sim_link *link, sim_kind kind);
void sim_link_hole(sim_link *link, bool up, bool down, hf_ms until);

#endif
