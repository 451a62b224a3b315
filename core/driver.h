/* What conn asks of a database driver. A driver knows one protocol and nothing else: no link, no clock,
 * no queue, no retry. It turns requests into bytes (submit, probe, cancel, bye) and bytes into events
 * (feed), in buffers that conn owns.
 *
 * A session is the driver's state of one connection: HF_SESSION_BYTES, wiped before each attempt, so that
 * a second attempt remembers nothing the first was told (SECURITY 6).
 */
#ifndef HF_DRIVER_H
#define HF_DRIVER_H

#include "holdfast/request.h"

/* What a request asks its driver to send. COMMIT, ROLLBACK and ASK are RESOLVE's alone. */
typedef enum hf_stage {
    HF_STAGE_RUN,      /* all of it; of one whose COMMIT is deferred, all but its COMMIT */
    HF_STAGE_COMMIT,   /* its COMMIT, on the session that answered BEFORE_COMMIT */
    HF_STAGE_ROLLBACK, /* instead of that */
    HF_STAGE_ASK,      /* the question what became of request->ticket, on any session */
    HF_STAGE_ROLE      /* the question whether the server takes writes */
} hf_stage;

/* What a request is, to code that may have been built without it. */
static inline bool hf_is_batch(const hf_request *request) {
    return request->n_batch > 0;
}
static inline bool hf_commit_is_deferred(const hf_request *request) {
    return HF_WITH_RESOLVE && request->deferred_commit;
}
static inline bool hf_resolves(const hf_request *request) {
    return HF_WITH_RESOLVE && request->replay == HF_REPLAY_RESOLVE;
}
static inline hf_stage hf_stage_of(const hf_request *request) {
    return HF_WITH_RESOLVE ? (hf_stage)request->stage : HF_STAGE_RUN;
}

/* Is it a question of the driver's own? */
static inline bool hf_asks(const hf_request *request) {
    return HF_WITH_RESOLVE && request->stage >= HF_STAGE_ASK;
}

/* What is known of a transaction; the driver sets it before READY. */
typedef enum hf_tx_status {
    HF_TX_NONE,      /* nothing was asked, or nothing was said */
    HF_TX_COMMITTED, /* it was */
    HF_TX_ABORTED, /* certainly without effect. In RUN: it was undone for the driver's own reasons (no
                          ticket was given) and can run again at once, in another way */
    HF_TX_RUNNING,   /* still in progress */
    HF_TX_STANDBY,   /* this server cannot say: the primary can */
    HF_TX_OTHER,     /* another server, or another life of it: what it says would not be true */
    HF_TX_FORGOTTEN, /* the server does not know any more */
    HF_TX_WRITABLE   /* ROLE: the server takes writes; STANDBY: it does not */
} hf_tx_status;

static inline hf_tx_status hf_tx_status_of(const hf_request *request) {
    return HF_WITH_RESOLVE ? (hf_tx_status)request->tx_status : HF_TX_NONE;
}

/* What a server tells of itself and of the session, before it is asked. */
enum {
    HF_ROLE_STANDBY = 1,            /* it is a standby */
    HF_ROLE_READ_ONLY = 2,          /* transactions are read-only unless they say otherwise … */
    HF_ROLE_READ_ONLY_AT_LOGIN = 4, /* … and were when the session began */
    HF_ROLE_CHANGED = 8             /* the session has changed settings of its own */
};

/* How far a login has proved that we know the password. */
typedef enum hf_proof {
    HF_PROOF_NONE, /* nothing of it was sent */
    HF_PROOF_CLAIMED, /* it was sent by a method that never says whether it was right: MD5, clear text */
    HF_PROOF_SENT,    /* SCRAM: our proof was, and is not judged yet */
    HF_PROOF_VERIFIED /* SCRAM: the server's own proof came, so ours was right */
} hf_proof;

/* What feed() found. One at a time: conn acts on it and calls again until MORE, or until rx is empty and the login
 * is over. Only then may it move or overwrite what rx holds: rx.start may have passed the bytes that other events
 * are about. */
typedef enum hf_driver_event {
    HF_DRIVER_MORE,  /* nothing whole is left in rx: read more bytes, if any */
    HF_DRIVER_SLICE, /* a slice of hashing was done and more is needed: call again, bytes or not */
    HF_DRIVER_UP,    /* login and session set-up are complete */
    HF_DRIVER_AGAIN, /* the endpoint refused start-up parameters; io->degraded was raised: dial it again */
    HF_DRIVER_COLUMNS, /* io->columns, of the oldest request */
    HF_DRIVER_ROW, /* io->row, of the oldest request; its bytes stay in rx until the next feed() */
    HF_DRIVER_SKIPPED, /* a row was larger than rx: being thrown away; io->error is HF_ERR_TOO_LARGE */
    HF_DRIVER_ERROR, /* the server refused the oldest request (io->error); its READY follows */
    HF_DRIVER_BEFORE_COMMIT, /* the oldest request is done but for its COMMIT: request->ticket */
    HF_DRIVER_READY,  /* the oldest request is over: every part of its answer was read. io->error is
                        HF_ERR_OPEN_TRANSACTION if it had to be rolled back, else not touched */
    HF_DRIVER_PROBED, /* the probe was answered */
    HF_DRIVER_NOTICE,
    HF_DRIVER_NOTIFY,
    HF_DRIVER_FATAL, /* the server ends the session and said why: io->error */
    HF_DRIVER_BROKEN /* the bytes make no sense: io->error; the link must be dropped */
} hf_driver_event;

struct hf_driver {
    const char *name;           /* "pg" */
    const char *const *schemes; /* URL schemes, NULL at the end: "postgres", "postgresql" */
    const char *alpn;           /* for direct TLS: "postgresql" (PostgreSQL docs 55.2.11) */
    uint16_t default_port;

    /* What to send in clear before the TLS handshake, at most 16 bytes; 0: TLS starts at once. One byte of
     * answer is then read, no more. */
    size_t (*tls_request)(uint8_t *out);
    /* 0: start the handshake; else why not: HF_ERR_TLS_REFUSED or HF_ERR_PROTOCOL. */
    int (*tls_answer)(uint8_t byte);

    /* Starts the login on a wiped session: the first bytes go to io->tx. 0 or an hf_err. */
    int (*start)(hf_session *session, hf_io *io);
    /* Reads rx. oldest: the request whose answer comes next, NULL when none is in flight. */
    hf_driver_event (*feed)(hf_session *session, hf_io *io, hf_request *oldest);
    /* Encodes what request->stage says, and its flush; of a RESOLVE it sets request->deferred_commit. 1 done, 0 no room
     * now (tx is untouched; never of COMMIT and ROLLBACK, which follow BEFORE_COMMIT at once), < 0 it can never be
     * sent: HF_ERR_TOO_LARGE or HF_ERR_ARGUMENT, and io->error says why. */
    int (*submit)(hf_session *session, hf_io *io, hf_request *request);
    /* Forgets what was prepared for this request, so that the next submit prepares it under a new name. */
    void (*forget)(hf_session *session, hf_io *io, hf_request *request);
    /* Can it have an effect before its transaction commits (CALL, DO, VACUUM, … CONCURRENTLY), so that even a
     * FATAL in mid-statement leaves it open whether it was applied? */
    bool (*self_commits)(const hf_request *request);
    /* Does it say that it will not wait for a lock (NOWAIT, SKIP LOCKED)? */
    bool (*waits_not)(const hf_request *request);
    /* A question that costs the server nothing; answered by PROBED. 1 done, 0 no room. */
    int (*probe)(hf_session *session, hf_io *io);
    /* The bytes that, sent alone on a second link, cancel what runs: at most 64; 0: cannot be cancelled. */
    size_t (*cancel)(const hf_session *session, uint8_t *out);
    /* The polite last message, if there is one. */
    void (*bye)(hf_session *session, hf_io *io);

    bool (*columns_next)(hf_columns *columns, hf_column *column);
    bool (*field)(const hf_fields *fields, hf_field field, hf_value *value);
};

#endif
