/* The other end of the cable, made of frames: a TCP peer, a name server, and the clock that lwIP asks.
 *
 * Nothing is lost, late or out of order unless a test says so, and no time passes but in hf_wire_run(). One wire for a
 * test program; every test opens it and closes it, and close finds what lwIP was not given back.
 */
#ifndef HF_TESTS_WIRE_H
#define HF_TESTS_WIRE_H

#include "holdfast/lwip.h"
#include "unit.h"

#define HF_WIRE_LINKS   8
#define HF_WIRE_LOOKUPS 3
#define HF_WIRE_SERVER  5432

typedef struct hf_wire_conn {
    bool open;       /* neither reset nor ended by both */
    unsigned number; /* 1 for the first */
    uint16_t client_port;
    uint32_t sent, heard;          /* the next sequence number of each side */
    uint32_t told;                 /* what was acknowledged of heard */
    uint32_t acknowledged, window; /* as the client said last */
    bool fin, rst;                 /* from the client */
    bool ended;                    /* by us */
    size_t got;
    uint8_t bytes[256 * 1024]; /* from the client */
    size_t parsed;             /* of them, by a test that is a server */
} hf_wire_conn;

enum { HF_WIRE_ACCEPT, HF_WIRE_REFUSE, HF_WIRE_SILENT };

typedef struct hf_wire {
    hf_lwip port;
    hf_lwip_nic nic;
    hf_lwip_link links[HF_WIRE_LINKS];
    hf_lwip_lookup lookups[HF_WIRE_LOOKUPS];
    int answer;        /* to a SYN */
    bool silent;       /* takes bytes and acknowledges none, but in hf_wire_ack() */
    bool cut;          /* nothing passes, in either direction */
    uint16_t window;   /* ours */
    bool weak;         /* the random source fails */
    uint32_t names[6]; /* the addresses that any name has, up to a 0; none: there are no names */
    bool mute;         /* the name server says nothing */
    unsigned questions;
    unsigned sought;    /* how often a neighbour's Ethernet address was asked for */
    hf_wire_conn *conn; /* the newest */
    unsigned accepted;
    unsigned resets; /* from the client, to any connection */
    /* Called for bytes that have come, if a test is a server; they stay in conn->bytes. */
    void (*on_bytes)(hf_wire_conn *conn);
} hf_wire;

extern hf_wire hf_wire_here;

/* As cmocka's setup and teardown. *state is the clock's start, a uint32_t; NULL: 0. */
int hf_wire_open(void **state);
int hf_wire_close(void **state);
/* Lets so many ms pass, with all that they bring. */
void hf_wire_run(uint32_t ms);
/* Lets time pass until the loop would call hf_tick(), `until` at the latest. */
void hf_wire_wait(hf_ms until);
hf_ms hf_wire_now(void);

/* From the peer to the client. */
void hf_wire_send(hf_wire_conn *conn, const void *bytes, size_t size);
void hf_wire_fin(hf_wire_conn *conn);
void hf_wire_rst(hf_wire_conn *conn);
void hf_wire_ack(hf_wire_conn *conn); /* all that came */

/* A link to the server, just begun; up, with its peer in hf_wire_here.conn. */
hf_link *hf_wire_link(uint32_t tag);
hf_link *hf_wire_up(uint32_t tag);
hf_address hf_wire_address(void);
/* Has the tag an event? Takes all notes. */
bool hf_wire_event(uint32_t tag);
/* What lwIP's pool of that name has in use. */
unsigned hf_wire_used(const char *pool);

/* A test twice: with the clock at 0, and with so many ms to go until its 32 bits wrap. */
#define HF_WIRE_TEST(name, start)                                           \
    { #name, name, hf_wire_open, hf_wire_close, NULL }, {                   \
#name " (clock wraps)", name, hf_wire_open, hf_wire_close, &(start) \
    }

#endif
