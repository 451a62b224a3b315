/* What the engine asks of a database's driver. A driver knows one protocol and nothing else: no link, no clock, no
 * queue, no retry. It turns requests into bytes (submit, probe, cancel, bye) and bytes into events (feed), in buffers
 * that the connection owns (hf_io, layout.h).
 *
 * A session is the driver's state of one connection: HF_SESSION_BYTES, wiped before each attempt, so that a second
 * attempt remembers nothing that the first was told (SECURITY 6).
 */
#ifndef HF_DRIVER_H
#define HF_DRIVER_H

#include "holdfast/request.h"

/* What a request asks its driver to send. ASK is for HF_REPLAY_RESOLVE alone, FIND and SEAL for HF_REPLAY_LEDGER,
 * COMMIT and ROLLBACK for both. */
typedef enum hf_stage {
    HF_STAGE_RUN,      /* the whole request; all but the COMMIT, if that is deferred */
    HF_STAGE_COMMIT,   /* the deferred COMMIT, on the session that answered BEFORE_COMMIT */
    HF_STAGE_ROLLBACK, /* a ROLLBACK in place of that COMMIT */
    HF_STAGE_ASK,      /* the question what became of request->ticket, on any session */
    HF_STAGE_FIND,     /* the question what stands at the request's key, on any session */
    /* The key alone, marked as that of a refused request, so that no attempt before can take effect any more. It is a
     * question too: is the key there? */
    HF_STAGE_SEAL,
    HF_STAGE_ROLE /* the question whether the server takes writes */
} hf_stage;

/* Kinds of requests. Each answers false where the build has none of the kind, so that the compiler leaves its code
 * out. */
static inline bool hf_is_batch(const hf_request *request) {
    return request->n_batch > 0;
}
static inline bool hf_commit_is_deferred(const hf_request *request) {
    return HF_WITH_RESOLVE && request->deferred_commit;
}
static inline bool hf_resolves(const hf_request *request) {
    return HF_WITH_RESOLVE && request->replay == HF_REPLAY_RESOLVE;
}
/* Does a transaction of its own stand around the request: is it RESOLVE, or LEDGER? */
static inline bool hf_is_transaction(const hf_request *request) {
    return HF_WITH_RESOLVE && request->replay >= HF_REPLAY_RESOLVE;
}
static inline bool hf_is_ledger(const hf_request *request) {
    return HF_WITH_LEDGER && request->replay == HF_REPLAY_LEDGER && !request->prepare_only;
}
/* Does the key's transaction have its COMMIT in the flight of its statements? */
static inline bool hf_is_one_flight(const hf_request *request) {
    return hf_is_ledger(request) && !hf_commit_is_deferred(request);
}
static inline hf_stage hf_stage_of(const hf_request *request) {
    return HF_WITH_RESOLVE ? (hf_stage)request->stage : HF_STAGE_RUN;
}

/* Does the flight of a ledger request insert its key? */
static inline bool hf_inserts_key(const hf_request *request) {
    const hf_stage stage = hf_stage_of(request);
    return hf_is_ledger(request) && (stage == HF_STAGE_RUN || stage == HF_STAGE_SEAL);
}

/* Is the request at a question of the driver's own? */
static inline bool hf_asks(const hf_request *request) {
    return HF_WITH_RESOLVE && request->stage >= HF_STAGE_ASK;
}

/* With whom a request in flight has its Sync: bits of request->share, which submit() finds 0. (SEMANTICS 45) */
enum {
    HF_SHARE_MAY = 1, /* its flight is one that may share a Sync */
    HF_SHARE_NEXT = 2 /* it has no Sync of its own, but that of the next one in flight */
};

/* Does the request have its ReadyForQuery together with the next one in flight? */
static inline bool hf_shares_next(const hf_request *request) {
    return HF_WITH_GROUPS && (request->share & HF_SHARE_NEXT);
}

/* What the server answered to the question ASK or ROLE (PostgreSQL: pg_xact_status(), pg_is_in_recovery()). The driver
 * sets request->tx_status before READY. */
typedef enum hf_tx_status {
    HF_TX_NONE,      /* nothing was asked, or there was no answer */
    HF_TX_COMMITTED, /* ASK: the transaction was committed. FIND: the key is this request's */
    /* ASK: the transaction certainly has no effect. FIND: nothing stands at the key. In RUN: the driver had it rolled
     * back for its own reasons (no ticket was given), and the request can run again at once, in another way. */
    HF_TX_ABORTED,
    HF_TX_RUNNING, /* ASK: the transaction is still in progress */
    HF_TX_STANDBY, /* ASK, FIND, SEAL: this server cannot say, the primary can. ROLE: the server takes no writes */
    /* ASK: another server, or another incarnation: its answer would mean nothing. FIND: the key is another
     * request's. */
    HF_TX_OTHER,
    HF_TX_FORGOTTEN, /* ASK: the server does not remember the transaction any more */
    HF_TX_WRITABLE,  /* ROLE: the server takes writes */
    HF_TX_KEY,       /* RUN, SEAL: the key's own statement failed, because the key is there */
    HF_TX_NO_KEY,    /* RUN, SEAL: that statement is complete, and added no row */
    HF_TX_SEALED     /* FIND: the key is this request's, and was used up by SEAL */
} hf_tx_status;

/* Is all of a statement text, and are the types of its parameters the server's business? */
static inline bool hf_is_text(const hf_statement *statement) {
#if HF_WITH_VALUES
    return statement->result_format == HF_FORMAT_TEXT && !statement->param_kinds;
#else
    (void)statement;
    return true;
#endif
}

/* The statement of a request that is no batch. */
static inline hf_statement hf_only_statement(const hf_request *request) {
    return (hf_statement) {
        .sql = request->sql, .params = request->params, .n_params = request->n_params,
#if HF_WITH_VALUES
        .result_format = request->result_format, .param_kinds = request->param_kinds,
#endif
    };
}

/* Statement number i, from 0, of the request. */
static inline hf_statement hf_statement_of(const hf_request *request, uint32_t i) {
    return hf_is_batch(request) ? request->batch[i] : hf_only_statement(request);
}

static inline hf_tx_status hf_tx_status_of(const hf_request *request) {
    return HF_WITH_RESOLVE ? (hf_tx_status)request->tx_status : HF_TX_NONE;
}

/* What a server tells of itself and of the session without being asked: bits of io->role (PostgreSQL: ParameterStatus
 * of in_hot_standby and default_transaction_read_only). */
enum {
    HF_ROLE_STANDBY = 1,            /* the server is a standby */
    HF_ROLE_READ_ONLY = 2,          /* transactions are read-only unless they say otherwise */
    HF_ROLE_READ_ONLY_AT_LOGIN = 4, /* … and were so when the session began */
    HF_ROLE_CHANGED = 8,            /* the session has changed settings of its own */
    /* What a transaction has read stands even if that is undone: it is not serializable. */
    HF_ROLE_READS_STAND = 16
};

/* How far a login has proved that the client knows the password. */
typedef enum hf_proof {
    HF_PROOF_NONE,    /* nothing of the password was sent */
    HF_PROOF_CLAIMED, /* sent by a method that never says whether it was right: MD5, clear text */
    HF_PROOF_SENT,    /* SCRAM: the client's proof was sent, and is not answered yet */
    HF_PROOF_VERIFIED /* SCRAM: the server's own proof came, so the client's was right */
} hf_proof;

/* What feed() found in rx, one event at a time. The connection acts on it and calls feed() again, until MORE, or until
 * rx is empty and the login is over. Only then may the connection move or overwrite the bytes in rx: until then
 * rx.start may have passed bytes that an event is about. "The request" is the oldest in flight that is not complete. */
typedef enum hf_driver_event {
    HF_DRIVER_MORE,    /* nothing whole is left in rx: read more bytes, if any */
    HF_DRIVER_SLICE,   /* a slice of hashing was done, more is left: call again, bytes or not */
    HF_DRIVER_UP,      /* login and session set-up are complete */
    HF_DRIVER_AGAIN,   /* start-up parameters or a version were refused; io->degraded was raised, or
                          io->old_protocol set: dial again */
    HF_DRIVER_COLUMNS, /* the columns of the request, which has on_columns: io->columns */
#if HF_WITH_VALUES
    HF_DRIVER_PARAMS, /* the types of the parameters of the request, which has on_params: io->params */
#endif
    HF_DRIVER_ROW,     /* a row of the request: io->row, in rx until the next feed() */
    HF_DRIVER_SKIPPED, /* a row too large for rx is thrown away: io->error, HF_ERR_TOO_LARGE */
    HF_DRIVER_ERROR,   /* the server refused the request (io->error); READY follows */
    HF_DRIVER_KEYED,   /* the request's key is in: from here on its own statements run */
    HF_DRIVER_KEPT,    /* the request's key was found: io->row is on what was kept with it */
    HF_DRIVER_BEFORE_COMMIT, /* the request is done but for its COMMIT: request->ticket */
    /* The request is over, and all of its answer was read, and so are those whose Sync was the same: before it COMPLETE
     * came for them, or, behind a request with an ERROR, the server passed over them. io->error is
     * HF_ERR_OPEN_TRANSACTION if the request had to be rolled back, else it is not touched. */
    HF_DRIVER_READY,
    HF_DRIVER_PROBED, /* the probe was answered */
    HF_DRIVER_NOTICE, /* the server's NOTICE or WARNING: io->error */
    HF_DRIVER_NOTIFY, /* the server's NOTIFY: io->channel, io->payload */
    HF_DRIVER_FATAL,  /* the server ends the session and says why: io->error */
    HF_DRIVER_BROKEN, /* the bytes make no sense: io->error; the link must be dropped */
    HF_DRIVER_COMPLETE /* the request's own answers are over: READY comes for it and others at once */
} hf_driver_event;

/* The longest message that cancels. */
enum { HF_CANCEL_BYTES = HF_WITH_VERSIONS ? 12 + 256 : 64 };

struct hf_driver {
    const char *name;           /* "pg" */
    const char *const *schemes; /* URL schemes, NULL at the end: "postgres", "postgresql" */
    const char *alpn;           /* for direct TLS: "postgresql" (PostgreSQL docs 55.2.11) */
    uint16_t default_port;

    /* Writes what is sent in clear text before the TLS handshake, at most 16 bytes, and returns how many; one byte of
     * answer is then read, no more. 0: TLS starts at once. */
    size_t (*tls_request)(uint8_t *out);
    /* Reads that answer. 0: the handshake may start; else why not, HF_ERR_TLS_REFUSED or HF_ERR_PROTOCOL. */
    int (*tls_answer)(uint8_t byte);

    /* Starts the login on a wiped session: its first bytes go to io->tx. 0, or an hf_err. */
    int (*start)(hf_driver_session *session, hf_io *io);
#if HF_WITH_VERSIONS
    /* The link has ended during the login. True: the server may have dropped the version that start() asked for;
     * io->old_protocol was set: dial again. */
    bool (*hung_up)(const hf_driver_session *session, hf_io *io);
#endif
    /* Reads rx up to the next event. oldest: the request whose answer comes next; NULL: none is in flight. Those behind
     * it are linked by next. */
    hf_driver_event (*feed)(hf_driver_session *session, hf_io *io, hf_request *oldest);
    /* Encodes what request->stage asks for, and its flush; sets request->deferred_commit of a RESOLVE or LEDGER
     * request. 1: done. 0: tx has no room now, and is untouched (never so for COMMIT and ROLLBACK, which follow
     * BEFORE_COMMIT in the same tick, when tx is empty). < 0: the request can never be sent, HF_ERR_TOO_LARGE or
     * HF_ERR_ARGUMENT, and io->error says why; of a COMMIT, what is to be kept with its key cannot. */
    int (*submit)(hf_driver_session *session, hf_io *io, hf_request *request);
#if HF_WITH_GROUPS
    /* submit() has appended so many bytes for the request. If the flight may share a Sync, and so may that of `before`,
     * which was submitted last, is not sent to its end, and may be NULL: both have one Sync. */
    bool (*join)(hf_io *io, hf_request *before, hf_request *request, uint32_t bytes);
#endif
    /* Forgets what was prepared for the request, so that the next submit() prepares it under a new name. */
    void (*forget)(hf_driver_session *session, hf_io *io, hf_request *request);
    /* Can the request have an effect before its transaction commits (CALL, DO, VACUUM, … CONCURRENTLY)? Then even after
     * a FATAL in mid-statement it is not known whether it had one. */
    bool (*self_commits)(const hf_request *request);
    /* Does the request say that it will not wait for a lock (NOWAIT, SKIP LOCKED)? */
    bool (*waits_not)(const hf_request *request);
    /* Encodes a question that costs the server nothing, and is answered by PROBED. 1: done. 0: tx has no room. */
    int (*probe)(hf_driver_session *session, hf_io *io);
    /* Writes the bytes that cancel what runs when they are sent alone on a second link, at most HF_CANCEL_BYTES, and
     * returns how many. 0: the session cannot be cancelled. */
    size_t (*cancel)(const hf_driver_session *session, uint8_t *out);
    /* Encodes the polite last message, if the protocol has one and tx has room. */
    void (*bye)(hf_driver_session *session, hf_io *io);

    /* What hf_columns_next() and hf_fields_get() answer (request.h). */
    bool (*columns_next)(hf_columns *columns, hf_column *column);
    bool (*field)(const hf_fields *fields, hf_field field, hf_value *value);
};

#endif
