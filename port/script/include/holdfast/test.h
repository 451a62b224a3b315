/* The scripted port: links, names and a clock that a test moves by hand. No socket, no sleep.
 *
 * A test of an application lets the scripted server speak PostgreSQL, and says only what a statement gives
 * (hf_script_login, _rows, _done, _error, _fatal): no test knows a byte of the protocol.
 *
 *     hf_submit(pool, &query);
 *     hf_script_tick(&server, pool, 0);          the pool dials
 *     hf_script_login(&server);
 *     hf_script_tick(&server, pool, 0);          the client is logged in, and the statement was sent
 *     hf_script_error(&server, "40001");
 *     hf_script_tick(&server, pool, 0);          the request waits, to be run again
 *
 * A test of holdfast, or of a protocol, plays the server itself: it reads what the pool wrote (hf_script_sent), says
 * what the network does (hf_script_connect, _reply, _eof, _fail …), and calls hf_tick(). Links are numbered in the
 * order in which they were opened; functions without a number or a link mean the newest one.
 *
 * The port is strict where a real one is forgiving: a link that is used after it was released, or read before it is up,
 * is a failed assertion; an event that is not acted upon is not told again.
 *
 * An hf_script takes about 6 MB: let it be static where stacks are small.
 */
#ifndef HF_TEST_H
#define HF_TEST_H

#include "holdfast/holdfast.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HF_SCRIPT_LINKS
#define HF_SCRIPT_LINKS 96 /* links kept at a time: closed ones are forgotten, oldest first */
#endif
#ifndef HF_SCRIPT_BYTES
#define HF_SCRIPT_BYTES 24576 /* kept in each direction of a link */
#endif

#ifndef HF_SCRIPT_STATEMENTS
#define HF_SCRIPT_STATEMENTS 16 /* prepared statements that a served link remembers */
#endif

typedef struct hf_script_statement {
    char name[40], sql[512];
} hf_script_statement;

/* The server's half of a link that it serves (hf_script_login). */
typedef struct hf_script_server {
    bool serves, started; /* started: the client is logged in */
    bool transaction, failed;
    bool ticket; /* HF_REPLAY_RESOLVE: the transaction has one, and its COMMIT comes by itself */
    unsigned n_parsed;
    hf_script_statement statements[HF_SCRIPT_STATEMENTS];
} hf_script_server;

/* One link, with what both sides wrote. A test may read all of it. */
typedef struct hf_script_link {
    hf_link link;
    struct hf_script *script;
    unsigned number; /* 0 is the first ever opened */
    hf_address address;
    bool used, up, tls, tls_up, noted, closing, released, aborted;
    int fails;        /* an hf_err with which all I/O answers from now on; 0: none */
    bool eof;         /* the stream ends behind the bytes that wait */
    uint32_t tx_room; /* bytes that write() takes before it would block; UINT32_MAX: no limit */
    uint8_t to_client[HF_SCRIPT_BYTES], from_client[HF_SCRIPT_BYTES];
    uint32_t to_start, to_end, from_start, from_end;
    char alpn[16]; /* what TLS was started with */
    char host[64]; /* the same; without TLS the path of a Unix socket */
    hf_script_server server;
} hf_script_link;

typedef struct hf_script_lookup {
    bool busy, noted;
    int answer; /* 0 pending, > 0 addresses, < 0 hf_err */
    char host[64];
    uint16_t port;
} hf_script_lookup;

/* The port: all links and look-ups, and what a test may turn, by setting these fields at any time. */
typedef struct hf_script {
    hf_port port;
    hf_port_api api;
    unsigned opened;      /* links ever opened */
    unsigned live;        /* links not yet released */
    bool auto_resolve;    /* default true: names resolve at once to one address */
    bool auto_connect;    /* default false: hf_script_connect() */
    bool auto_tls;        /* default true: handshakes succeed at once; else hf_script_link_tls() */
    bool auto_close;      /* default true: the server answers the end of a stream with its own */
    uint32_t read_limit;  /* bytes that one read gives at most, 1 for byte by byte; 0: no limit */
    uint32_t write_limit; /* bytes that one write takes at most; 0: no limit */
    uint32_t random;      /* the seed of the port's random bytes */
    unsigned calls;       /* calls of links and port that can fail, so far */
    unsigned fail_call;   /* the call with this number, from 1, fails; 0: none */
    bool fail_forever;    /* and all after it fail */
    unsigned addresses;   /* how many addresses a name has; default 1 */
    bool over_budget;     /* what over_budget() answers */
    uint32_t tls_steps;   /* so many further steps of a handshake can be done at once */
    uint32_t tickets;     /* of transactions, ever given by the server (hf_script_login) */
    const hf_hash *hash;  /* a real port's, as &hf_mbedtls_hash; NULL: hashing fails */
    hf_script_lookup lookups[64];
    hf_script_link links[HF_SCRIPT_LINKS];
} hf_script;

#define hf_script_init           HF_SCRIPT_BUILT(HF_SCRIPT_LINKS, HF_SCRIPT_BYTES, HF_SCRIPT_STATEMENTS)
#define HF_SCRIPT_BUILT(l, b, s) HF_SCRIPT_NAME(l, b, s)
#define HF_SCRIPT_NAME(l, b, s) \
    HF_BUILT(hf_script_init_SCRIPT_LINKS_##l##_SCRIPT_BYTES_##b##_SCRIPT_STATEMENTS_##s)

/* Makes a port with the defaults above and no link. May be called again, for the next test. */
void hf_script_init(hf_script *script);
/* The port as hf_pool_init() wants it; the same memory. */
hf_port *hf_script_port(hf_script *script);

/* The newest link, or the link with that number, released or not. NULL: there is none, or it is forgotten. */
hf_script_link *hf_script_link_last(hf_script *script);
hf_script_link *hf_script_link_at(hf_script *script, unsigned number);

/* The network accepts the newest link. */
void hf_script_connect(hf_script *script);
/* The server sends bytes on the newest link. */
void hf_script_reply(hf_script *script, const void *bytes, size_t size);
/* The server ends the stream after what it sent. */
void hf_script_eof(hf_script *script);
/* The newest link breaks: its next I/O, and all after, answers err (HF_ERR_RESET …). */
void hf_script_fail(hf_script *script, int err);
/* The same four on a given link. */
void hf_script_link_connect(hf_script_link *link);
void hf_script_link_reply(hf_script_link *link, const void *bytes, size_t size);
void hf_script_link_eof(hf_script_link *link);
void hf_script_link_fail(hf_script_link *link, int err);
/* The link's TLS handshake succeeds; for a port with auto_tls false. */
void hf_script_link_tls(hf_script_link *link);
/* The network takes that many further bytes of the client's, then it would block. */
void hf_script_link_room(hf_script_link *link, uint32_t bytes);
/* Copies what the client wrote since the last call to out, `size` bytes at most. Returns how many. */
size_t hf_script_sent(hf_script_link *link, void *out, size_t size);
/* The look-up of that slot (the connection's number) ends, with so many addresses (> 0) or an hf_err (< 0); for a port
 * with auto_resolve false. */
void hf_script_resolved(hf_script *script, unsigned slot, int answer);

/* ---- the server speaks ----------------------------------------------------------------------------
 * On the newest link, from hf_script_login() on; hf_script_sent() is then not for that link. A statement is a flight
 * of the client's, up to its Sync: a batch too, whose BEGIN and COMMIT are answered by themselves, and whose
 * statements all give the same. Health checks and the end of a failed transaction need no word of the test's. An
 * answer to a statement that nobody sent is a failed assertion. Texts and arrays that a test passes are copied.
 *
 * A request with HF_REPLAY_RESOLVE is two statements: its own, whose BEGIN and ticket are answered by themselves, and
 * "COMMIT". When the answer to the COMMIT is lost, the client asks on its next connection what became of it, which
 * hf_script_xact_status() answers (SEMANTICS 15):
 *
 *     hf_script_done(&server, "INSERT 0 1");
 *     hf_script_tick(&server, pool, 0);               the client sends its COMMIT
 *     hf_script_fail(&server, HF_ERR_RESET);
 *     next = hf_script_tick(&server, pool, 0);        the connection is lost, and the answer with it
 *     hf_script_tick(&server, pool, next);            the pool dials
 *     hf_script_login(&server);
 *     hf_script_tick(&server, pool, next);            it asks
 *     hf_script_xact_status(&server, "committed");
 *     hf_script_tick(&server, pool, next);            the request is done: HF_OUTCOME_OK
 */

/* The network accepts the link, if it has not yet, and the server lets the client in: with TLS if the client asks for
 * TLS, and without a password. */
void hf_script_login(hf_script *script);
/* Calls hf_tick() at that time, again and again until the client has nothing left to do. Returns the last answer. */
hf_ms hf_script_tick(hf_script *script, hf_pool *pool, hf_ms now);
/* The statement that waits for its answer; valid until the next call. NULL: none does. */
const char *hf_script_sql(hf_script *script);
/* The statement's answer: n_rows times n_columns values, row by row, NULL for SQL's NULL. */
void hf_script_rows(hf_script *script, unsigned n_columns, const char *const *columns,
                    unsigned n_rows, const char *const *values);
/* The statement's answer: no rows, and the command tag of a CommandComplete: "INSERT 0 1", "COMMIT" (PostgreSQL docs
 * 55.7). */
void hf_script_done(hf_script *script, const char *tag);
/* The statement's answer: an ERROR with that SQLSTATE. */
void hf_script_error(hf_script *script, const char *sqlstate);
/* The answer to the question what became of a COMMIT, in the words of pg_xact_status() (PostgreSQL docs,
 * "Transaction ID and Snapshot Information Functions"): "committed", "aborted", "in progress", NULL for a transaction
 * that the server does not remember any more; and two more: "standby" for a server in recovery, which cannot say,
 * "other" for one that was restarted since, or is another one. */
void hf_script_xact_status(hf_script *script, const char *status);
/* The answer to the question whether the server takes writes, which the client asks before it runs a request again
 * that was refused with 25006 (SEMANTICS 21). */
void hf_script_takes_writes(hf_script *script, bool yes);
/* The server ends the session, or refuses the login: a FATAL with that SQLSTATE, and the stream's end. */
void hf_script_fatal(hf_script *script, const char *sqlstate);

#ifdef __cplusplus
}
#endif

#endif
