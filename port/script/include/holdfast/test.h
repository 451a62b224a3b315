/* The scripted port: links, names and a clock that a test moves by hand. No socket, no sleep.
 *
 * A test plays the server: it looks at what the pool wrote (hf_script_sent), says what the network does
 * (hf_script_connect, _reply, _eof, _fail …), and ticks. Links are numbered in the order in which they
 * were opened; the functions without a number mean the newest one.
 *
 * Or it lets the server speak PostgreSQL, and says only what it answers (hf_script_login, _rows, _done, _error,
 * _fatal): then no test knows a byte of the protocol.
 *
 *     hf_submit(pool, &query);
 *     hf_script_tick(&server, pool, 0);          the pool dials
 *     hf_script_login(&server);
 *     hf_script_tick(&server, pool, 0);          it is logged in, and the statement was sent
 *     hf_script_error(&server, "40001");
 *     hf_script_tick(&server, pool, 0);          it waits, to be run again
 *
 * It is strict where a real port is forgiving: a link used after it was released, a link that is read
 * before it is up, and news that are not acted upon, are failed assertions or tests that hang, not luck.
 *
 * An hf_script takes about 6 MB; let it be static where stacks are small.
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
#define HF_SCRIPT_STATEMENTS \
    16 /* that a served link remembers by their names, and the unnamed one */
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

typedef struct hf_script_link {
    hf_link link;
    struct hf_script *script;
    unsigned number; /* 0 is the first ever opened */
    hf_address address;
    bool used, up, tls, tls_up, noted, closing, released, aborted;
    int fails;        /* an hf_err the next I/O, and all after it, answer with; 0 none */
    bool eof;         /* after the bytes that wait */
    uint32_t tx_room; /* bytes write() takes before it would block; UINT32_MAX no limit */
    uint8_t to_client[HF_SCRIPT_BYTES], from_client[HF_SCRIPT_BYTES];
    uint32_t to_start, to_end, from_start, from_end;
    char alpn[16], host[64]; /* what TLS was started with; host: a Unix socket's path before that */
    hf_script_server server;
} hf_script_link;

typedef struct hf_script_lookup {
    bool busy, noted;
    int answer; /* 0 pending, > 0 addresses, < 0 hf_err */
    char host[64];
    uint16_t port;
} hf_script_lookup;

typedef struct hf_script {
    hf_port port;
    hf_port_api api;
    unsigned opened;      /* links ever opened */
    unsigned live;        /* links not yet released */
    bool auto_resolve;    /* default true: names resolve at once to one address */
    bool auto_connect;    /* default false: hf_script_connect() */
    bool auto_tls;        /* default true: handshakes succeed at once; else hf_script_link_tls() */
    bool auto_close;      /* default true: the server answers the end of a stream with its own */
    uint32_t read_limit;  /* bytes one read gives at most; 0 no limit: 1 feeds byte by byte */
    uint32_t write_limit; /* bytes one write takes at most; 0 no limit */
    uint32_t random;      /* seed of the port's random bytes */
    unsigned calls;       /* link and port calls that can fail, so far */
    unsigned fail_call;   /* the call with this number (from 1) fails; 0 none */
    bool fail_forever;    /* and all after it */
    unsigned addresses;   /* how many addresses a name has; default 1 */
    bool over_budget;     /* what over_budget() answers */
    uint32_t tls_steps;   /* so many steps more of a handshake can be done at once */
    uint32_t tickets;     /* of transactions, ever given by the server (hf_script_login) */
    const hf_hash *hash;  /* a real port's, as &hf_mbedtls_hash; NULL: hashing fails */
    hf_script_lookup lookups[64];
    hf_script_link links[HF_SCRIPT_LINKS];
} hf_script;

#define hf_script_init           HF_SCRIPT_BUILT(HF_SCRIPT_LINKS, HF_SCRIPT_BYTES, HF_SCRIPT_STATEMENTS)
#define HF_SCRIPT_BUILT(l, b, s) HF_SCRIPT_NAME(l, b, s)
#define HF_SCRIPT_NAME(l, b, s) \
    HF_BUILT(hf_script_init_SCRIPT_LINKS_##l##_SCRIPT_BYTES_##b##_SCRIPT_STATEMENTS_##s)

void hf_script_init(hf_script *script);
hf_port *hf_script_port(hf_script *script);

/* The newest link, or the one with that number, released or not; NULL when it is forgotten. */
hf_script_link *hf_script_link_last(hf_script *script);
hf_script_link *hf_script_link_at(hf_script *script, unsigned number);

/* The network accepts the newest link. */
void hf_script_connect(hf_script *script);
/* The server sends bytes on the newest link. */
void hf_script_reply(hf_script *script, const void *bytes, size_t size);
/* The server ends the stream after what it sent. */
void hf_script_eof(hf_script *script);
/* The newest link breaks: err is what the next call answers (HF_ERR_RESET …). */
void hf_script_fail(hf_script *script, int err);
/* The same on a given link. */
void hf_script_link_connect(hf_script_link *link);
void hf_script_link_reply(hf_script_link *link, const void *bytes, size_t size);
void hf_script_link_eof(hf_script_link *link);
void hf_script_link_fail(hf_script_link *link, int err);
/* The TLS handshake is done. With auto_tls false. */
void hf_script_link_tls(hf_script_link *link);
/* The network takes that many bytes more, then would block. */
void hf_script_link_room(hf_script_link *link, uint32_t bytes);
/* What the client wrote since the last call: copied to out, at most size; returns how much. */
size_t hf_script_sent(hf_script_link *link, void *out, size_t size);
/* A look-up ends: answer > 0 addresses, or an hf_err. With auto_resolve false. */
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

/* The network accepts the link, if it has not, and the server lets the client in: with TLS if it asks for it, and
 * without a password. */
void hf_script_login(hf_script *script);
/* hf_tick() at that moment, again and again until nothing is left that the client can do; its last answer. */
hf_ms hf_script_tick(hf_script *script, hf_pool *pool, hf_ms now);
/* The statement that waits for its answer: valid until the next call. NULL: none does. */
const char *hf_script_sql(hf_script *script);
/* Its answer: n_rows times n_columns values, row by row, NULL for NULL. */
void hf_script_rows(hf_script *script, unsigned n_columns, const char *const *columns,
                    unsigned n_rows, const char *const *values);
/* Its answer: no rows, but the command tag of a CommandComplete: "INSERT 0 1", "COMMIT" (PostgreSQL docs 55.7). */
void hf_script_done(hf_script *script, const char *tag);
/* Its answer: an ERROR with that SQLSTATE. */
void hf_script_error(hf_script *script, const char *sqlstate);
/* The answer to the question what became of a COMMIT, in the words of pg_xact_status() (PostgreSQL docs,
 * "Transaction ID and Snapshot Information Functions"): "committed", "aborted", "in progress", NULL for a transaction
 * that the server does not remember any more; and two more: "standby" for a server in recovery, which cannot say,
 * "other" for one that was restarted since, or is another one. */
void hf_script_xact_status(hf_script *script, const char *status);
/* The answer to the question whether the server takes writes, which the client asks before it runs a request again
 * that was refused with 25006 (SEMANTICS 21). */
void hf_script_takes_writes(hf_script *script, bool yes);
/* The server ends the session, in the login too: FATAL with that SQLSTATE, and the stream's end. */
void hf_script_fatal(hf_script *script, const char *sqlstate);

#ifdef __cplusplus
}
#endif

#endif
