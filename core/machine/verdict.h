/* What becomes of a request when an attempt of it is over (SEMANTICS 9 to 12, 16, 17, 21): values in, values out.
 *
 * "No effect" is only what the database itself proved: an ErrorResponse and then its ReadyForQuery; a transaction whose
 * COMMIT was not handed over; a session that the database keeps read-only. Whatever else ends what was sent may be the
 * word of something in between that lost its server, so it proves nothing.
 */
#ifndef HF_VERDICT_H
#define HF_VERDICT_H

#include "holdfast/classify.h"

/* How the attempt ended. */
typedef enum hf_ending {
    HF_ENDING_OK,    /* ReadyForQuery, and no ErrorResponse before it */
    HF_ENDING_ERROR, /* an ErrorResponse and then its ReadyForQuery */
    HF_ENDING_LOST /* all else: a FATAL of any code, an ErrorResponse without its ReadyForQuery, the end of the stream,
                        a deadline of ours, a broken protocol */
} hf_ending;

/* What is known of the attempt, of the request, of its session. */
enum {
    /* The attempt. */
    HF_FACT_SENT = 1 << 0,     /* the last byte that can have an effect was handed to the link */
    HF_FACT_RAN = 1 << 1,      /* something of it was executed, or may have been */
    HF_FACT_BOUND = 1 << 2,    /* the error came behind its BindComplete … */
    HF_FACT_COMPLETE = 1 << 3, /* … behind its last CommandComplete */
    HF_FACT_HELD = 1 << 4,     /* it runs in a transaction whose COMMIT is a flight of its own */
    /* The request. */
    HF_FACT_SELF_COMMITS =
        1 << 5, /* it can have an effect before its transaction commits: CALL, VACUUM … */
    HF_FACT_MAYBE_RAN = 1 << 6,  /* an earlier attempt may have had an effect */
    HF_FACT_RAN_BEFORE = 1 << 7, /* an earlier attempt was executed, without effect */
    HF_FACT_MUST_END =
        1 << 8, /* not again, whatever happened: cancelled, out of time, the pool is closing */
    HF_FACT_SPENT = 1 << 9,       /* max_retries re-sends were counted */
    HF_FACT_PATIENT = 1 << 10,    /* it waits for a lock, and outlives a foreign cancel once */
    HF_FACT_REPREPARED = 1 << 11, /* its one re-prepare was spent */
    /* The session and the server. */
    HF_FACT_READ_ONLY = 1 << 12,  /* our own read-only session: the database refuses its writes */
    HF_FACT_CANCEL_OUT = 1 << 13, /* a CancelRequest of ours went out and may have hit it */
    HF_FACT_CANCELLED = 1 << 14,  /* … and was meant for it */
    HF_FACT_OTHERS_OK =
        1 << 15, /* another request was answered OK since this one met the shortage last */
    HF_FACT_GIVEN_UP =
        1 << 16, /* it meets a shortage, or the wrong role, for longer than max_outage */
    HF_FACT_WRONG_ROLE =
        1 << 17, /* a standby, or read-only since login: the server, the database or the role is */
    HF_FACT_OWN_SETTING = 1 << 18, /* the session itself may have made itself read-only */
    HF_FACT_ROLE_SEEN =
        1 << 19, /* after a 25006 the server said that it is writable, and it ran again */
    HF_FACT_CANCELLED_ONCE = 1 << 20, /* it ran again after a foreign cancel */
    /* What else there is to say of an answer without an error, or of a question. */
    HF_FACT_ROWS_LOST =
        1 << 21, /* rows could not be taken: too large, or it was cancelled in mid-pause */
    HF_FACT_UNTICKETED = 1 << 22,   /* the driver undid it, for the server gives no tickets */
    HF_FACT_ASKED_ENOUGH = 1 << 23, /* the server was asked for as long as it may be */
    HF_FACT_EARLIER_RUN =
        1 << 24 /* the question is about an earlier run's COMMIT: nothing was sent yet */
};

/* What is to be done. In the order of what bounds it: nothing, max_retries, nothing, max_outage. */
typedef enum hf_action {
    HF_ACTION_END,       /* it is over: outcome */
    HF_ACTION_GIVE_UP,   /* the same; another try could have helped, but there is none */
    HF_ACTION_AGAIN,     /* to the head of the queue; a re-send is counted */
    HF_ACTION_WAIT,      /* the same, when it has waited on the schedule */
    HF_ACTION_FREE,      /* to the head of the queue; none is counted */
    HF_ACTION_ASK,       /* the server is asked what became of its COMMIT */
    HF_ACTION_WAIT_FREE, /* as FREE, when it has waited on the schedule */
    HF_ACTION_ROLE, /* the server is asked whether it takes writes; then it runs again, or elsewhere */
    HF_ACTION_LEAVE,    /* as FREE, and its connection is given up: another server may take it */
    HF_ACTION_ASK_LATER /* the question again, when it has waited a little */
} hf_action;

typedef struct hf_verdict {
    uint8_t action;  /* an hf_action */
    uint8_t outcome; /* an hf_outcome, of END and GIVE_UP */
    bool maybe_ran;  /* from now on an attempt may have had an effect */
    bool leave;      /* the connection that the question was asked on is given up: it cannot say */
} hf_verdict;

/* stage: RUN or COMMIT. class: of an ERROR, else NONE. */
hf_verdict hf_verdict_of(hf_ending ending, hf_class class, hf_replay replay, hf_stage stage,
                         uint32_t facts);

/* A question about a COMMIT (stage ASK), or about the server's role (ROLE), was answered: fate. OK and no fate: the
 * answer made no sense. ERROR: it was refused, class is hf_classify_question()'s. LOST: its connection was. */
hf_verdict hf_verdict_of_question(hf_ending ending, hf_class class, hf_stage stage, hf_fate fate,
                                  uint32_t facts);

/* The ROLLBACK in place of a held request's COMMIT was answered (OK), or lost. for_time: it was sent because a cancel
 * cut the attempt short, and the request may have another. */
hf_verdict hf_verdict_of_rollback(hf_ending ending, bool for_time, uint32_t facts);

/* What a request is told that ends while no attempt of it is under way. */
hf_outcome hf_verdict_unsent(uint32_t facts);

#endif
