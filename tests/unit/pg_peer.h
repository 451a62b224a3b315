/* A PostgreSQL driver's session without pool, link or clock: a test plays conn on one side and the server on the
 * other, and reads what happened as text.
 */
#ifndef PG_PEER_H
#define PG_PEER_H

#include "driver.h"

enum { PG_PEER_FLIGHT = 16, PG_PEER_RX = 65536 };

typedef struct pg_peer {
    hf_config config;
    hf_driver_session session;
    hf_io io;
    hf_port port;
    hf_port_api api;
    hf_hash hash; /* mbedTLS's, 1000 rounds a slice */
    hf_keys keys;
    hf_link link; /* binding() gives 32 bytes of 'b' when `bound` */
    hf_link_api link_api;
    bool bound;
    _Alignas(16) uint8_t store[HF_STATEMENT_BYTES];
    uint8_t rx[PG_PEER_RX], tx[PG_PEER_RX];
    uint32_t step; /* bytes that arrive at a time; 0: all that there are */
    hf_request *flight[PG_PEER_FLIGHT];
    unsigned n_flight;
    char events[32768]; /* a line for each event of the driver */
    char *fed;          /* its end */
    hf_driver_event last;
} pg_peer;

/* Buffers of 16 KB and 4 KB, user "app", database "db", require_auth none. */
void pg_peer_init(pg_peer *peer);
/* The same, logged in, nothing in the log. */
void pg_peer_up(pg_peer *peer);
/* start(), and what is to be sent then is thrown away. */
void pg_peer_start(pg_peer *peer);

/* The server sends bytes; everything that follows from them is noted in peer->events. */
void pg_peer_feed(pg_peer *peer, const void *bytes, size_t size);
/* A message of it. */
void pg_peer_say(pg_peer *peer, char type, const void *body, size_t size);
/* One whose body is a string literal. */
#define PG_SAY(peer, type, body) pg_peer_say(peer, type, body, sizeof(body) - 1)
/* The usual answers. */
void pg_peer_row(pg_peer *peer, unsigned n, const char *const *values);
void pg_peer_describe(pg_peer *peer, unsigned n, const char *const *names);
void pg_peer_error(pg_peer *peer, const char *severity, const char *sqlstate, const char *message);
/* The answer to a statement that is to be kept and gives one column, one row: while it is prepared, and then. */
void pg_peer_answer_first(pg_peer *peer, const char *name, const char *value);
void pg_peer_answer_again(pg_peer *peer, const char *value);
/* The same to one that is parsed afresh; name: of its column, NULL when that is not asked for. */
void pg_peer_answer_afresh(pg_peer *peer, const char *name, const char *value);

/* The same, one column n with x in its row, message by message; from PG_PEER_AGAIN on it is that to a statement that
 * was prepared before. */
typedef struct pg_peer_message {
    char type;
    const char *body;
    size_t size;
} pg_peer_message;
enum { PG_PEER_AGAIN = 3, PG_PEER_ANSWER = 7 };
extern const pg_peer_message pg_peer_answer[PG_PEER_ANSWER];

/* Submits; what submit() answered. */
int pg_peer_submit(pg_peer *peer, hf_request *request);
/* Types of the messages that wait in tx ("PDBES"), which is then empty. */
const char *pg_peer_sent(pg_peer *peer);
/* Is this text among the bytes of tx? */
bool pg_peer_sends(const pg_peer *peer, const char *text);

/* The events since the last call must be these lines. */
#define PG_EVENTS(peer, expected)                      \
    do {                                               \
        assert_string_equal((peer)->events, expected); \
        pg_peer_forget_events(peer);                   \
    } while (0)
void pg_peer_forget_events(pg_peer *peer);

/* on_columns, for requests that want to be told. */
void pg_peer_columns(hf_request *request, hf_columns *columns);

#endif
