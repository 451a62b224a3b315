/* What becomes of a request when an attempt of it is over (SEMANTICS 9 to 12, 16, 17, 21): values in, values out.
 *
 * "No effect" is only what the database itself proved: an ErrorResponse and then its ReadyForQuery; a transaction whose
 * COMMIT was not handed over; a session that the database keeps read-only. Whatever else ends what was sent may be the
 * word of something in between that lost its server, so it proves nothing.
 */
#ifndef HF_VERDICT_H
#define HF_VERDICT_H

#include "classify.h"

/* How the attempt ended. */
typedef enum hf_ending {
    HF_ENDING_OK,    /* ReadyForQuery, and no ErrorResponse before it */
    HF_ENDING_ERROR, /* an ErrorResponse and then its ReadyForQuery */
    HF_ENDING_LOST /* all else: a FATAL of any code, an ErrorResponse without its ReadyForQuery, the end of the stream,
                        a deadline of ours, a broken protocol */
} hf_ending;

/* Facts: what is known of the attempt, the request, the session and the server. */
enum {
    /* The attempt. */
    HF_FACT_SENT = 1 << 0,     /* the last byte that can have an effect was handed to the link */
    HF_FACT_RAN = 1 << 1,      /* part of the attempt was executed, or may have been */
    HF_FACT_BOUND = 1 << 2,    /* the ErrorResponse came after BindComplete … */
    HF_FACT_COMPLETE = 1 << 3, /* … after the last CommandComplete */
    HF_FACT_COMMIT_DEFERRED = 1 << 4, /* the transaction's COMMIT is a flight of its own */
    /* The request. */
    HF_FACT_SELF_COMMITS = 1 << 5, /* CALL, VACUUM …: effects before its transaction's COMMIT */
    HF_FACT_MAYBE_RAN = 1 << 6,    /* an earlier attempt may have had an effect */
    HF_FACT_RAN_BEFORE = 1 << 7,   /* an earlier attempt was executed, without effect */
    HF_FACT_MUST_END = 1 << 8,     /* cancelled, out of time, or the pool closes: not again */
    HF_FACT_RETRIES_USED_UP = 1 << 9, /* max_retries re-sends were counted */
    HF_FACT_PATIENT =
        1 << 10, /* wait_passing: waits for locks, outlives one cancel of somebody else's */
    HF_FACT_REPREPARED = 1 << 11, /* was prepared anew once */
    /* The session and the server. */
    HF_FACT_READ_ONLY = 1 << 12,   /* the session is kept read-only, or nothing is run */
    HF_FACT_CANCEL_OUT = 1 << 13,  /* a CancelRequest of ours went out and may have hit */
    HF_FACT_CANCELLED = 1 << 14,   /* … and was meant for this request */
    HF_FACT_OTHERS_OK = 1 << 15,   /* another request got OK since this one last met the shortage */
    HF_FACT_GIVEN_UP = 1 << 16,    /* shortage or wrong role for longer than max_outage */
    HF_FACT_WRONG_ROLE = 1 << 17,  /* a standby, or read-only since login, by server or role */
    HF_FACT_OWN_SETTING = 1 << 18, /* the session may have made itself read-only */
    HF_FACT_ROLE_SEEN = 1 << 19,   /* ran again after the server said that it takes writes */
    HF_FACT_CANCELLED_ONCE = 1 << 20, /* ran again after somebody else's cancel */
    /* Answers without an error, and questions. */
    HF_FACT_ROWS_LOST = 1 << 21, /* rows could not be taken: too large, or cancelled while paused */
    HF_FACT_NO_TICKET = 1 << 22, /* rolled back by the driver: the server gives no tickets */
    HF_FACT_ASKED_ENOUGH = 1 << 23, /* the time for asking the server is over */
    HF_FACT_EARLIER_RUN = 1 << 24,  /* asks about an earlier run's COMMIT: nothing was sent yet */
    /* A ledger's. */
    HF_FACT_KEY_AWAITED = 1 << 27, /* our time-out ended the attempt, and its key was not in */
    HF_FACT_KEY_THERE = 1 << 25,   /* the error is the key's: a transaction with it was committed */
    HF_FACT_UNGUARDED = 1 << 26, /* the key's statement added no row: nothing holds what was sent */
    HF_FACT_CALLERS = 1 << 28    /* the caller runs it again himself, under the same key */
};

/* What is to be done. The order matters: END and GIVE_UP have no bound, AGAIN and WAIT are bounded by max_retries,
 * FREE, ASK, FIND and SEAL by nothing, WAIT_FREE, ROLE and LEAVE by max_outage, ASK_LATER by the time for asking. */
typedef enum hf_action {
    HF_ACTION_END,       /* the request is over, with this outcome */
    HF_ACTION_GIVE_UP,   /* the same, but another attempt could have helped: a limit was met */
    HF_ACTION_AGAIN,     /* to the queue's head; a re-send is counted */
    HF_ACTION_WAIT,      /* the same, after a wait on the backoff schedule */
    HF_ACTION_FREE,      /* to the queue's head; no re-send is counted */
    HF_ACTION_ASK,       /* the server is asked what became of the COMMIT */
    HF_ACTION_FIND,      /* the server is asked what stands at the key */
    HF_ACTION_SEAL,      /* the key is used up, so that no attempt before can come after the end */
    HF_ACTION_WAIT_FREE, /* as FREE, after a wait on the backoff schedule */
    HF_ACTION_ROLE,      /* the server is asked whether it takes writes, before another attempt */
    HF_ACTION_LEAVE,     /* as FREE, and the connection is given up: another server may serve */
    HF_ACTION_ASK_LATER  /* the same question again, after a short wait */
} hf_action;

typedef struct hf_verdict {
    uint8_t action;  /* an hf_action */
    uint8_t outcome; /* an hf_outcome, with END and GIVE_UP */
    bool maybe_ran;  /* from now on an attempt may have had an effect */
    bool leave;      /* give up the connection of the question: that server cannot say */
} hf_verdict;

/* The verdict on an attempt of a statement. stage: RUN or COMMIT. class: hf_classify()'s, NONE unless ending is
 * ERROR. */
hf_verdict hf_verdict_of(hf_ending ending, hf_class class, hf_replay replay, hf_stage stage,
                         uint32_t facts);

/* The verdict on a question about a COMMIT (stage ASK), a key (FIND, SEAL), or the server's role (ROLE). status: the
 * answer; of SEAL none, when it is done. Else OK without a status is an answer that made no sense. ERROR: the question
 * was refused; class is hf_classify_question()'s. LOST: the connection was lost. */
hf_verdict hf_verdict_of_question(hf_ending ending, hf_class class, hf_stage stage,
                                  hf_tx_status status, uint32_t facts);

/* The verdict when the ROLLBACK in place of a RESOLVE request's COMMIT was answered (OK), or lost. for_time: the
 * ROLLBACK was sent because a time-out or a cancel cut the attempt short, so that another one may help. */
hf_verdict hf_verdict_of_rollback(hf_ending ending, bool for_time, uint32_t facts);

/* The outcome of a request that ends while no attempt of it is under way. */
hf_outcome hf_verdict_unsent(uint32_t facts);

#endif
