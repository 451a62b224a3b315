#include "verdict.h"

/* Two steps: what effect the attempt had, so far as it is known; then what that means for a request of its kind. */

typedef enum hf_effect { HF_EFFECT_NONE, HF_EFFECT_DONE, HF_EFFECT_OPEN } hf_effect;

static hf_effect effect_of(hf_ending ending, hf_class class, hf_stage stage, uint32_t facts) {
    const bool sent = facts & HF_FACT_SENT;

    if (ending == HF_ENDING_OK) {
        /* A cancel ends COMMIT's wait for a synchronous standby, and the server says OK all the same. */
        const bool doubtful = (facts & HF_FACT_CANCEL_OUT) && !(facts & HF_FACT_READ_ONLY);
        return doubtful ? HF_EFFECT_OPEN : HF_EFFECT_DONE;
    }
    if ((facts & HF_FACT_READ_ONLY) || (HF_WITH_RESOLVE && (facts & HF_FACT_COMMIT_DEFERRED) &&
                                        (stage == HF_STAGE_RUN || !sent))) {
        return HF_EFFECT_NONE;
    }
    if (ending == HF_ENDING_LOST) {
        return sent ? HF_EFFECT_OPEN : HF_EFFECT_NONE;
    }
    if (class == HF_CLASS_COMMITTED || class == HF_CLASS_AMBIGUOUS ||
        (class == HF_CLASS_CONNECTION && (facts & HF_FACT_COMPLETE)) ||
        ((facts & HF_FACT_SELF_COMMITS) && (facts & HF_FACT_BOUND))) {
        return HF_EFFECT_OPEN;
    }
    return HF_EFFECT_NONE;
}

hf_outcome hf_verdict_unsent(uint32_t facts) {
    if (facts & HF_FACT_MAYBE_RAN) {
        return HF_OUTCOME_UNKNOWN;
    }
    return facts & (HF_FACT_RAN | HF_FACT_RAN_BEFORE) ? HF_OUTCOME_FAILED : HF_OUTCOME_NOT_SENT;
}

static hf_verdict end(hf_outcome outcome) {
    return (hf_verdict){ .action = HF_ACTION_END, .outcome = (uint8_t)outcome };
}

/* Another attempt would help: gives up if a limit rules it out. */
static hf_verdict try_again(hf_action action, uint32_t facts) {
    hf_verdict verdict = { .action = (uint8_t)action,
                           .outcome = (uint8_t)hf_verdict_unsent(facts) };
    const uint32_t bound = action == HF_ACTION_ASK_LATER   ? (uint32_t)HF_FACT_ASKED_ENOUGH
                           : action >= HF_ACTION_WAIT_FREE ? (uint32_t)HF_FACT_GIVEN_UP
                           : action >= HF_ACTION_FREE      ? 0u
                           : action >= HF_ACTION_AGAIN     ? (uint32_t)HF_FACT_RETRIES_USED_UP
                                                           : 0u;

    if (facts & (HF_FACT_MUST_END | bound)) {
        verdict.action = HF_ACTION_GIVE_UP;
    }
    return verdict;
}

/* Did the server refuse the statement itself, for good or for now? Such a refusal is no reason to run again what may
 * have had its effect. */
static bool is_refusal(hf_class class, uint32_t facts) {
    switch (class) {
    case HF_CLASS_CANCELLED: return !(facts & (HF_FACT_CANCEL_OUT | HF_FACT_CANCELLED));
    case HF_CLASS_STATEMENT:
    case HF_CLASS_PERMANENT:
    case HF_CLASS_NOT_READY:
    case HF_CLASS_ROLE:
    case HF_CLASS_REPREPARE:
    case HF_CLASS_COMMITTED:
    case HF_CLASS_BUSY: return true;
    case HF_CLASS_NONE:
    case HF_CLASS_RETRY:
    case HF_CLASS_RECONNECT:
    case HF_CLASS_AMBIGUOUS:
    case HF_CLASS_CONNECTION:
    case HF_CLASS_SHORTAGE: break;
    }
    return false;
}

/* The attempt may have had its effect. */
static hf_verdict may_have_run(hf_ending ending, hf_class class, hf_replay replay, hf_stage stage,
                               uint32_t facts) {
    hf_verdict verdict = end(HF_OUTCOME_UNKNOWN);

    if (HF_WITH_LEDGER && replay == HF_REPLAY_LEDGER) { /* the key tells, of whatever was said */
        verdict = try_again(ending == HF_ENDING_OK        ? HF_ACTION_FIND
                            : facts & HF_FACT_KEY_AWAITED ? HF_ACTION_WAIT_FREE
                                                          : HF_ACTION_AGAIN,
                            facts | HF_FACT_MAYBE_RAN);
        verdict.maybe_ran = true;
    } else if (HF_WITH_RESOLVE && stage == HF_STAGE_COMMIT && class != HF_CLASS_COMMITTED &&
               ending != HF_ENDING_OK && !(facts & HF_FACT_MUST_END)) {
        verdict.action = HF_ACTION_ASK;
    } else if (replay == HF_REPLAY_SAFE && ending != HF_ENDING_OK && !is_refusal(class, facts)) {
        verdict = try_again(HF_ACTION_AGAIN, facts | HF_FACT_MAYBE_RAN);
        verdict.maybe_ran = true;
    }
    return verdict;
}

/* 57014, and the statement had no effect. */
static hf_action cancelled(hf_replay replay, uint32_t facts) {
    const bool read = (facts & HF_FACT_READ_ONLY) || replay == HF_REPLAY_SAFE;
    const bool first = (facts & HF_FACT_PATIENT) && !(facts & HF_FACT_CANCELLED_ONCE);

    if ((facts & HF_FACT_CANCEL_OUT) && !(facts & HF_FACT_CANCELLED)) {
        return HF_ACTION_FREE; /* the cancel was meant for a request answered just before */
    }
    if ((facts & HF_FACT_CANCELLED) && (facts & HF_FACT_KEY_AWAITED)) {
        return HF_ACTION_WAIT_FREE;
    }
    return (facts & HF_FACT_CANCELLED) || (read && first) ? HF_ACTION_AGAIN : HF_ACTION_END;
}

/* The database refused the statement, and undid it. */
static hf_verdict refused(hf_class class, hf_replay replay, uint32_t facts) {
    hf_action action = HF_ACTION_END;

    switch (class) {
    case HF_CLASS_RETRY:
        if (facts & HF_FACT_CALLERS) {
            return end(hf_verdict_unsent(facts));
        }
        action = HF_ACTION_WAIT;
        break;
    case HF_CLASS_SHORTAGE:
        action = facts & HF_FACT_OTHERS_OK ? HF_ACTION_WAIT : HF_ACTION_WAIT_FREE;
        break;
    case HF_CLASS_BUSY:
        if (facts & HF_FACT_PATIENT) {
            action = HF_ACTION_WAIT;
        }
        break;
    case HF_CLASS_REPREPARE:
        if (!(facts & HF_FACT_REPREPARED)) {
            action = HF_ACTION_FREE;
        }
        break;
    case HF_CLASS_CANCELLED: action = cancelled(replay, facts); break;
    case HF_CLASS_RECONNECT:
    case HF_CLASS_AMBIGUOUS: action = HF_ACTION_AGAIN; break;
    case HF_CLASS_CONNECTION:
        if (!(facts & HF_FACT_COMPLETE)) {
            return end(hf_verdict_unsent(facts));
        }
        action = HF_ACTION_AGAIN;
        break;
    case HF_CLASS_ROLE:
        action = HF_ACTION_LEAVE;
        if (facts & HF_FACT_WRONG_ROLE) {
            break;
        }
        action = HF_ACTION_ROLE;
        if (!(facts & (HF_FACT_OWN_SETTING | HF_FACT_ROLE_SEEN))) {
            break;
        }
        return end(hf_verdict_unsent(facts)); /* another session lacks what this one has set */
    case HF_CLASS_NONE:
    case HF_CLASS_NOT_READY:
    case HF_CLASS_COMMITTED:
    case HF_CLASS_STATEMENT:
    case HF_CLASS_PERMANENT: return end(hf_verdict_unsent(facts));
    }
    return try_again(action, facts);
}

/* The server said OK, and not all of it could be taken. */
static hf_verdict verdict_on_incomplete(uint32_t facts) {
    if (HF_WITH_RESOLVE && (facts & HF_FACT_NO_TICKET)) { /* runs again without a ticket */
        return facts & HF_FACT_MUST_END ? end(HF_OUTCOME_FAILED)
                                        : (hf_verdict){ .action = HF_ACTION_FREE };
    }
    return end(facts & HF_FACT_READ_ONLY ? HF_OUTCOME_FAILED : HF_OUTCOME_UNKNOWN);
}

/* What is known of a ledger request's key ended the attempt. */
static hf_verdict verdict_on_key(uint32_t facts) {
    hf_verdict verdict;

    if (facts & HF_FACT_UNGUARDED) { /* never again: nothing would hold back a second run */
        return end((facts & HF_FACT_COMMIT_DEFERRED) && !(facts & HF_FACT_MAYBE_RAN)
                       ? HF_OUTCOME_FAILED
                       : HF_OUTCOME_UNKNOWN);
    }
    verdict = try_again(HF_ACTION_FIND, facts | HF_FACT_MAYBE_RAN);
    verdict.maybe_ran = true;
    return verdict;
}

/* A ledger request would end, and an attempt before may still come to the server and take effect: its key is used up
 * first. Not where there is no time for it, or the caller runs it again himself: whoever submits the same key will
 * know. */
static hf_verdict seal(hf_verdict verdict, uint32_t facts) {
    if (verdict.action <= HF_ACTION_GIVE_UP && verdict.outcome == HF_OUTCOME_UNKNOWN &&
        !(facts & (HF_FACT_MUST_END | HF_FACT_CALLERS))) {
        verdict.action = HF_ACTION_SEAL;
        verdict.maybe_ran = true;
    }
    return verdict;
}

static hf_verdict verdict_on_attempt(hf_ending ending, hf_class class, hf_replay replay,
                                     hf_stage stage, uint32_t facts) {
    switch (effect_of(ending, class, stage, facts)) {
    case HF_EFFECT_DONE: return end(HF_OUTCOME_OK);
    case HF_EFFECT_OPEN: return may_have_run(ending, class, replay, stage, facts);
    case HF_EFFECT_NONE: break;
    }
    if (ending == HF_ENDING_LOST) {
        return try_again(facts & HF_FACT_KEY_AWAITED ? HF_ACTION_WAIT_FREE
                         : facts & HF_FACT_RAN       ? HF_ACTION_AGAIN
                                                     : HF_ACTION_FREE,
                         facts);
    }
    return refused(class, replay, facts);
}

hf_verdict hf_verdict_of(hf_ending ending, hf_class class, hf_replay replay, hf_stage stage,
                         uint32_t facts) {
    if (ending == HF_ENDING_OK && (facts & (HF_FACT_NO_TICKET | HF_FACT_ROWS_LOST))) {
        return verdict_on_incomplete(facts);
    }
    if (!HF_WITH_LEDGER || replay != HF_REPLAY_LEDGER) {
        return verdict_on_attempt(ending, class, replay, stage, facts);
    }
    if (facts & (HF_FACT_KEY_THERE | HF_FACT_UNGUARDED)) {
        return verdict_on_key(facts);
    }
    const hf_verdict verdict = verdict_on_attempt(ending, class, replay, stage, facts);
    const bool waited = (facts & HF_FACT_KEY_AWAITED) && (facts & HF_FACT_GIVEN_UP);
    return waited ? verdict : seal(verdict, facts);
}

/* No server can say now what became of the COMMIT. */
static hf_verdict ask_again(hf_action action, uint32_t facts) {
    const bool over = facts & (HF_FACT_MUST_END | HF_FACT_ASKED_ENOUGH);
    return over ? end(HF_OUTCOME_UNKNOWN) : (hf_verdict){ .action = (uint8_t)action };
}

/* The COMMIT was not applied: the request runs again, or certainly had no effect. */
static hf_verdict not_applied(uint32_t facts) {
    if ((facts & HF_FACT_EARLIER_RUN) && !(facts & HF_FACT_MUST_END)) {
        return (hf_verdict){ .action = HF_ACTION_FREE };
    }
    return try_again(HF_ACTION_AGAIN, (facts & ~(uint32_t)HF_FACT_MAYBE_RAN) | HF_FACT_RAN);
}

static hf_verdict verdict_on_commit(hf_ending ending, hf_class class, hf_tx_status status,
                                    uint32_t facts) {
    hf_verdict verdict = end(HF_OUTCOME_UNKNOWN);

    if (ending == HF_ENDING_LOST) {
        return ask_again(HF_ACTION_ASK, facts);
    }
    switch (status) {
    case HF_TX_COMMITTED: return end(HF_OUTCOME_OK);
    case HF_TX_ABORTED: return not_applied(facts);
    case HF_TX_RUNNING: return ask_again(HF_ACTION_ASK_LATER, facts);
    case HF_TX_NONE:
        if (class != HF_CLASS_PERMANENT) {
            verdict = ask_again(HF_ACTION_ASK_LATER, facts);
            verdict.leave = class == HF_CLASS_CONNECTION;
        }
        break;
    case HF_TX_STANDBY:
        verdict = ask_again(HF_ACTION_ASK_LATER, facts);
        verdict.leave = true;
        break;
    case HF_TX_OTHER:
    case HF_TX_FORGOTTEN:
    case HF_TX_KEY:
    case HF_TX_NO_KEY:
    case HF_TX_SEALED:
    case HF_TX_WRITABLE: break;
    }
    return verdict;
}

/* As of a COMMIT, but that the key may be another request's; and where it is not there any more, the request runs
 * again, and an attempt before may still come. */
static hf_verdict verdict_on_find(hf_ending ending, hf_class class, hf_tx_status status,
                                  uint32_t facts) {
    if (facts & HF_FACT_ROWS_LOST) { /* what was kept is too large */
        return ending == HF_ENDING_LOST ? verdict_on_commit(ending, class, status, facts)
                                        : end(HF_OUTCOME_UNKNOWN);
    }
    if (ending != HF_ENDING_OK) { /* what it had read was not read to its end */
        return verdict_on_commit(ending, class, HF_TX_NONE, facts);
    }
    if (status == HF_TX_OTHER || status == HF_TX_SEALED) {
        return end(HF_OUTCOME_FAILED);
    }
    if (status == HF_TX_ABORTED) {
        return seal(try_again(HF_ACTION_WAIT, facts | HF_FACT_MAYBE_RAN), facts);
    }
    return verdict_on_commit(ending, class, status, facts);
}

/* The key was to be used up. It was, or it is there: then what stands at it tells. A cancel that was out may have ended
 * the commit's wait for a standby: the next answer waits again. */
static hf_verdict verdict_on_seal(hf_ending ending, hf_tx_status status, uint32_t facts) {
    if (ending == HF_ENDING_LOST) {
        return ask_again(HF_ACTION_SEAL, facts);
    }
    if (status == HF_TX_KEY && !(facts & HF_FACT_MUST_END)) {
        return (hf_verdict){ .action = HF_ACTION_FIND };
    }
    const bool sealed =
        ending == HF_ENDING_OK && status == HF_TX_NONE && !(facts & HF_FACT_CANCEL_OUT);
    hf_verdict verdict = sealed ? end(HF_OUTCOME_FAILED) : ask_again(HF_ACTION_ASK_LATER, facts);
    verdict.leave = status == HF_TX_STANDBY;
    return verdict;
}

static hf_verdict verdict_on_role(hf_ending ending, hf_class class, hf_tx_status status,
                                  uint32_t facts) {
    if (facts & HF_FACT_MUST_END) {
        return end(hf_verdict_unsent(facts));
    }
    if (ending == HF_ENDING_LOST) {
        return (hf_verdict){ .action = HF_ACTION_ROLE };
    }
    if (status == HF_TX_STANDBY) {
        return (hf_verdict){ .action = HF_ACTION_LEAVE, .leave = true };
    }
    /* A server that will never say is taken at its word once; else the next 25006 brings the next question. */
    const bool known = status == HF_TX_WRITABLE || class == HF_CLASS_PERMANENT;
    return (hf_verdict){ .action = known ? HF_ACTION_FREE : HF_ACTION_ASK_LATER };
}

hf_verdict hf_verdict_of_question(hf_ending ending, hf_class class, hf_stage stage,
                                  hf_tx_status status, uint32_t facts) {
    if (stage == HF_STAGE_ROLE) {
        return verdict_on_role(ending, class, status, facts);
    }
    if (HF_WITH_LEDGER && stage == HF_STAGE_FIND) {
        return verdict_on_find(ending, class, status, facts);
    }
    if (HF_WITH_LEDGER && stage == HF_STAGE_SEAL) {
        return verdict_on_seal(ending, status, facts);
    }
    return verdict_on_commit(ending, class, status, facts);
}

hf_verdict hf_verdict_of_rollback(hf_ending ending, bool for_time, uint32_t facts) {
    const bool may = for_time && !(facts & HF_FACT_MUST_END);

    if (!may || (ending == HF_ENDING_LOST && (facts & HF_FACT_RETRIES_USED_UP))) {
        return end(hf_verdict_unsent(facts | HF_FACT_RAN)); /* nothing of it was committed */
    }
    return try_again(HF_ACTION_AGAIN, facts | HF_FACT_RAN);
}
