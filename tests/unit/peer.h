/* A PostgreSQL server for scripted links, as obedient or as broken as a test wants it.
 *
 * The peer speaks the server's half of protocol 3.0 (PostgreSQL docs, chapter 55), with pretended TLS, answers at once,
 * and counts what it committed, so that a test can compare an outcome with the truth. What it runs:
 *
 *     rows N      N rows of one column: 0, 1, 2 …
 *     big N       one row of one column of N bytes
 *     write K     no rows; committed[K] grows when the transaction commits
 *     BEGIN, COMMIT, ROLLBACK; everything else: no rows, no effect
 *     SELECT …    the same as the text behind SELECT, as a statement that can be kept prepared
 *     the driver's own statements: a transaction's ticket, and the questions
 *     ledger insert, ledger find SHARE, ledger keep: a table of keys (hf_peer_ledger)
 *
 * A fault says where it strikes (the point), what happens there (the deed), and how often. The peer runs to the end
 * what it had received when its client vanished, as a server does that nobody tells that the client is gone.
 */
#ifndef HF_PEER_H
#define HF_PEER_H

#include "holdfast/test.h"

enum {
    HF_PEER_KEYS = 16,
    HF_PEER_FAULTS = 16,
    HF_PEER_WRITES = 128,
    HF_PEER_STATEMENTS = 48,
    HF_PEER_IN = 16384
};

typedef enum hf_peer_point {
    HF_PEER_CONNECT,        /* a session's link is opened */
    HF_PEER_CANCEL_CONNECT, /* a cancel's link is opened */
    HF_PEER_TLS,            /* SSLRequest came */
    HF_PEER_STARTUP,        /* StartupMessage came */
    HF_PEER_PASSWORD,       /* PasswordMessage came */
    HF_PEER_PARSE,          /* Parse of a statement that is not BEGIN, COMMIT, ROLLBACK */
    HF_PEER_EXECUTE,        /* such a statement's Execute came, and nothing was done yet */
    HF_PEER_ROW,            /* fault.rows rows were sent */
    HF_PEER_COMPLETE,       /* the CommandComplete was sent */
    HF_PEER_TICKET,         /* a transaction's ticket is asked for */
    HF_PEER_COMMITS,        /* COMMIT's Execute came, and nothing was done yet */
    HF_PEER_COMMIT_DONE,    /* COMMIT is done, and not answered yet */
    HF_PEER_ASK,            /* the peer is asked what became of a transaction */
    HF_PEER_COMMIT,         /* Sync came outside a transaction block, and nothing was done yet */
    HF_PEER_READY,          /* Sync has committed, and ReadyForQuery is not sent yet */
    HF_PEER_PROBE,          /* a lone Sync came */
    HF_PEER_CANCEL,         /* CancelRequest came, and nothing was cancelled yet */
    HF_PEER_ROLE,           /* the peer is asked whether it takes writes */
    HF_PEER_ISOLATION,      /* the peer is asked at which isolation it runs */
    HF_PEER_KEY,            /* the ledger's insert: its Execute came, and nothing was done yet */
    HF_PEER_KEYED,          /* its CommandComplete was sent */
    HF_PEER_FIND            /* the ledger's find: its Execute came */
} hf_peer_point;

typedef enum hf_peer_deed {
    HF_PEER_NOTHING,
    HF_PEER_ERROR,   /* ErrorResponse; at CONNECT, TLS: connection refused, 'N' */
    HF_PEER_FATAL,   /* ErrorResponse FATAL, then the end of the stream */
    HF_PEER_WARNING, /* NoticeResponse WARNING, then the end of the stream */
    HF_PEER_NOTICE,  /* NoticeResponse; goes on. At TLS: a byte more behind the 'S' */
    HF_PEER_EOF,
    HF_PEER_RST,
    HF_PEER_SILENCE, /* the network swallows all further answers; at CONNECT: never accepted */
    HF_PEER_HOLD,    /* waits for hf_peer_release(), or for a cancel */
    HF_PEER_WARNS, /* NoticeResponse WARNING; goes on. 01000 is a cancelled wait for a synchronous standby */
    HF_PEER_LAST /* ErrorResponse ERROR, then the end of the stream: a pooler's last words */
} hf_peer_deed;

typedef struct hf_peer_fault {
    hf_peer_point point;
    hf_peer_deed deed;
    const char *sqlstate, *message;
    uint32_t skip;   /* so many times nothing happens */
    uint32_t times;  /* and then so many times it does; 0 is once, HF_FOREVER for good */
    uint32_t rows;   /* ROW: behind so many */
    uint16_t port;   /* only on links to this port; 0 any */
    uint8_t address; /* only on links to the n-th address of a name; 0 any */
    bool over;       /* the fault strikes no more */
} hf_peer_fault;

/* What the server knows of a transaction. */
typedef enum hf_peer_tx_status {
    HF_PEER_NO_TX,
    HF_PEER_RUNNING,
    HF_PEER_COMMITTED,
    HF_PEER_ABORTED
} hf_peer_tx_status;

/* A row of the ledger. */
typedef struct hf_peer_key {
    bool used, committed; /* used, not committed: some transaction holds it */
    char key[24], hash[80], kept[24];
} hf_peer_key;

typedef struct hf_peer_statement {
    char name[24], sql[96];
} hf_peer_statement;

/* The server's end of one link. */
typedef struct hf_peer_link {
    unsigned number; /* of the script's link, plus 1; 0: not in use */
    bool asked_password;
    uint8_t minor; /* of the protocol's version */
    bool seen, started, deaf, held, ended, failed, in_transaction;
    bool executing, alone; /* alone: nothing but Sync since the last one */
    bool acted;            /* the fault of the point that waits has struck */
    uint32_t row, rows, width;
    char sql[96];
    uint16_t pending[32]; /* writes of the transaction */
    uint8_t *tx;          /* of the transaction that has a ticket; NULL none */
    char asked[32];       /* the ticket it is asked about */
    char answer[32];
    char values[3][80]; /* of a ledger's Bind */
    hf_peer_key *key;   /* that the transaction has inserted; NULL none */
    bool committing;    /* committed, and the point behind that waits */
    unsigned n_pending, n_statements;
    hf_peer_statement statements[HF_PEER_STATEMENTS];
    uint8_t in[HF_PEER_IN];
    uint32_t n_in;
} hf_peer_link;

/* Which server the peer speaks as: what it tells of itself at login, and which fields its errors have. */
typedef enum hf_peer_kind { HF_PEER_POSTGRES, HF_PEER_COCKROACH, HF_PEER_YUGABYTE } hf_peer_kind;

typedef struct hf_peer {
    hf_script *script;
    hf_peer_kind kind;
    hf_pool *pool; /* to tell a cancel's link from a session's */
    hf_peer_fault faults[HF_PEER_FAULTS];
    unsigned n_faults;
    bool deaf_to_cancels;              /* a cancel has no effect */
    bool hangs;                        /* what HOLD holds stays so when its client has vanished */
    uint8_t tx_status[HF_PEER_WRITES]; /* an hf_peer_tx_status, by the number in a ticket */
    unsigned n_tickets, asks, begins;
    unsigned life;         /* the incarnation: a test counts it up to restart the server */
    bool ticketless;       /* the server gives no tickets */
    bool standby;          /* asked what became of a transaction, the server is a standby */
    bool silent;           /* the server does not tell its role by itself, as before version 14 */
    bool hot;              /* at login the server tells that it is a standby */
    bool read_only;        /* at login the server tells that its transactions are read-only */
    uint16_t standby_port; /* on this port the server says that it takes no writes; 0: none */
    unsigned role_asks;
    bool wants_password; /* in clear text; any will do */
    unsigned passwords;
    char password[64];      /* the last one */
    uint8_t newest;         /* the newest minor version of the protocol that the peer speaks */
    hf_peer_deed drops;     /* what becomes of a login that asks for another one than 3.0 … */
    const char *drops_with; /* … with this SQLSTATE; NOTHING: it is talked down to newest */
    const char *drops_message;
    unsigned dropped;
    uint16_t secret_bytes; /* of a cancel key in a version above 3.0 */
    bool mute;             /* a question is answered without a row */
    bool forgetful;        /* no transaction is remembered any more */
    bool future;           /* 22023: the transaction's number was never given out */
    bool unkeyed;          /* the ledger's insert adds no row */
    bool serializable;     /* asked at which isolation it runs, a session says so */
    unsigned syncs;        /* those that end a flight */
    unsigned finds, seals;
    hf_peer_key keys[HF_PEER_KEYS];
    unsigned committed[HF_PEER_WRITES];
    unsigned executed; /* statements that were begun */
    unsigned logins, probes, cancels, parses, terminates, rollbacks;
    char order[256];   /* "1,5,3,": the K of each `write K` begun, in order */
    char startup[512]; /* the last StartupMessage's body, NUL for NUL */
    uint32_t startup_bytes;
    hf_peer_link links[HF_SCRIPT_LINKS];
} hf_peer;

void hf_peer_init(hf_peer *peer, hf_script *script);
/* Adds a fault; the first that fits strikes. Returns the fault, so that a test can end it (over = true). */
hf_peer_fault *hf_peer_add(hf_peer *peer, hf_peer_fault fault);
/* Ends all faults, as over, and releases what is held. A silenced link stays silent. */
void hf_peer_heal(hf_peer *peer);
/* Whatever a HOLD fault holds goes on. */
void hf_peer_release(hf_peer *peer);
/* The ledger, without and with something kept. */
extern const hf_ledger hf_peer_ledger, hf_peer_ledger_keeps;
/* Reads what the client wrote, and answers. True: something happened. */
bool hf_peer_pump(hf_peer *peer);
/* The server sends a notice on every session by itself, of severity 'W' or 'N', or 'F', a FATAL that ends the session.
 */
void hf_peer_say(hf_peer *peer, char severity, const char *sqlstate);
/* The server tells a parameter anew on every session (ParameterStatus). */
void hf_peer_tell(hf_peer *peer, const char *name, const char *value);
/* Every session's stream ends, or breaks with err. */
void hf_peer_drop(hf_peer *peer, int err);

#endif
