/* Every failure -> what to do about it, as one table (DESIGN section 5, SEMANTICS 17). Pure. */
#ifndef HF_CLASSIFY_H
#define HF_CLASSIFY_H

#include "driver.h"

typedef enum hf_class {
    HF_CLASS_NONE,  /* nothing failed: a NOTICE */
    HF_CLASS_RETRY, /* the transaction again, on the same link, after a short wait: 40001, 40P01 */
    HF_CLASS_RECONNECT, /* the connection is lost: another one, another try */
    HF_CLASS_NOT_READY, /* the server is there but cannot serve yet: 57P03, 53300; longer wait */
    HF_CLASS_ROLE,      /* a read-only server, or session. 25006 */
    HF_CLASS_AMBIGUOUS, /* it may have been done: 08007, 40003 */
    HF_CLASS_COMMITTED, /* it was done, and something went wrong behind its commit: XXA00 */
    HF_CLASS_CONNECTION, /* 08xxx: a connection of the statement's own (postgres_fdw, dblink); behind its
                            CommandComplete the word of something in between that lost the server. XXxxx too: behind
                            CommandComplete a server of several processes may have lost sight of a COMMIT that was
                            done (YugabyteDB: an UpdateTransaction RPC timed out) */
    HF_CLASS_SHORTAGE, /* the server lacks what it will have again: disk, memory. 53000, 53100, 53200, 58030 */
    HF_CLASS_BUSY, /* somebody holds the lock: 55P03 */
    HF_CLASS_REPREPARE, /* the server forgot or changed a prepared statement: once more, under a new name */
    HF_CLASS_STATEMENT, /* this statement is refused, the connection is fine */
    HF_CLASS_PERMANENT, /* refused for good: trying again cannot help and may lock an account */
    HF_CLASS_CANCELLED  /* 57014: ours if our cancel is pending, else as STATEMENT */
} hf_class;

/* error->code, ->severity, ->sqlstate and ->phase decide; text only for 0A000 "cached plan must not change
 * result type". read_only: the session is our own read-only one, so that 25006 is the statement's fault. */
hf_class hf_classify(const hf_error *error, bool read_only);

/* The same of a login that failed when it was so far: what a server, or a pooler in its place, may say of a password
 * that it has seen. Text decides only where the protocol has no mark: a pooler's 08P01 or XX000 with MD5 and with a
 * password in clear text. */
hf_class hf_classify_login(const hf_error *error, hf_proof proof);

/* Has the server, or a pooler in its place, refused for good what the login proved itself with? error is PERMANENT by
 * hf_classify_login(). */
bool hf_is_credentials_refusal(const hf_error *error, hf_proof proof);

/* The same of a question of our own (what became of a COMMIT, is this a standby) that was refused: PERMANENT, the
 * server never answers it, or not to this role; CONNECTION, it goes; NONE, the refusal may pass. */
hf_class hf_classify_question(const hf_error *error);

/* Is it a 25006, "cannot execute … in a read-only transaction", whoever made the transaction read-only? */
bool hf_is_read_only_refusal(const hf_error *error);
/* Is it a server's farewell: 57P01 shutting down, 57P02 after a crash of another session? */
bool hf_is_farewell(const hf_error *error);

const char *hf_class_name(hf_class of);

#endif
