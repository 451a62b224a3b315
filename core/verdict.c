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
    if ((facts & HF_FACT_READ_ONLY) ||
        ((facts & HF_FACT_HELD) && (stage == HF_STAGE_RUN || !sent))) {
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

/* Another try would help: is there one? */
static hf_verdict try_again(hf_action action, uint32_t facts) {
    const bool counted = action == HF_ACTION_AGAIN || action == HF_ACTION_WAIT;
    hf_verdict verdict = { .action = (uint8_t)action,
                           .outcome = (uint8_t)hf_verdict_unsent(facts) };

    if ((facts & HF_FACT_MUST_END) || (counted && (facts & HF_FACT_SPENT))) {
        verdict.action = HF_ACTION_GIVE_UP;
    }
    return verdict;
}

/* It may have had its effect. */
static hf_verdict open(hf_ending ending, hf_class class, hf_replay replay, hf_stage stage,
                       uint32_t facts) {
    const bool over = ending == HF_ENDING_OK || class == HF_CLASS_COMMITTED;

    if (stage == HF_STAGE_COMMIT && !over && !(facts & HF_FACT_MUST_END)) {
        return (hf_verdict){ .action = HF_ACTION_ASK };
    }
    /* What the statement itself was refused for is no reason to run it again, nor is somebody else's cancel. */
    const bool foreign =
        class == HF_CLASS_CANCELLED && !(facts & (HF_FACT_CANCEL_OUT | HF_FACT_CANCELLED));
    const bool refused = foreign || class == HF_CLASS_STATEMENT || class == HF_CLASS_PERMANENT ||
                         class == HF_CLASS_NOT_READY || class == HF_CLASS_ROLE ||
                         class == HF_CLASS_REPREPARE || class == HF_CLASS_BUSY;
    if (replay == HF_REPLAY_SAFE && !over && !refused) {
        hf_verdict verdict = try_again(HF_ACTION_AGAIN, facts | HF_FACT_MAYBE_RAN);
        verdict.maybe_ran = true;
        return verdict;
    }
    return end(HF_OUTCOME_UNKNOWN);
}

/* 57014, without effect. */
static hf_verdict cancelled(hf_replay replay, uint32_t facts) {
    const bool read = (facts & HF_FACT_READ_ONLY) || replay == HF_REPLAY_SAFE;
    const bool first = (facts & HF_FACT_PATIENT) && !(facts & HF_FACT_CANCELLED_ONCE);

    if (facts & HF_FACT_CANCELLED) {
        return try_again(HF_ACTION_AGAIN, facts);
    }
    if (facts & HF_FACT_CANCEL_OUT) { /* meant for one that was answered just before */
        return try_again(HF_ACTION_FREE, facts);
    }
    return try_again(read && first ? HF_ACTION_AGAIN : HF_ACTION_END, facts);
}

static hf_verdict wrong_role(uint32_t facts) {
    const bool known = facts & HF_FACT_WRONG_ROLE;

    if (!known && (facts & (HF_FACT_OWN_SETTING | HF_FACT_ROLE_SEEN))) {
        return end(
            hf_verdict_unsent(facts)); /* never elsewhere, without what the session has set */
    }
    if (facts & HF_FACT_GIVEN_UP) {
        facts |= HF_FACT_MUST_END;
    }
    return try_again(known ? HF_ACTION_LEAVE : HF_ACTION_ROLE, facts);
}

/* The database refused it, and undid it. */
static hf_verdict refused(hf_class class, hf_replay replay, uint32_t facts) {
    switch (class) {
    case HF_CLASS_RETRY: return try_again(HF_ACTION_WAIT, facts);
    case HF_CLASS_SHORTAGE:
        if (facts & HF_FACT_OTHERS_OK) {
            return try_again(HF_ACTION_WAIT, facts);
        }
        return try_again(HF_ACTION_WAIT_FREE,
                         facts & HF_FACT_GIVEN_UP ? facts | HF_FACT_MUST_END : facts);
    case HF_CLASS_BUSY:
        return try_again(facts & HF_FACT_PATIENT ? HF_ACTION_WAIT : HF_ACTION_END, facts);
    case HF_CLASS_ROLE: return wrong_role(facts);
    case HF_CLASS_REPREPARE:
        return try_again(facts & HF_FACT_REPREPARED ? HF_ACTION_END : HF_ACTION_FREE, facts);
    case HF_CLASS_CANCELLED: return cancelled(replay, facts);
    case HF_CLASS_RECONNECT:
    case HF_CLASS_AMBIGUOUS: return try_again(HF_ACTION_AGAIN, facts);
    case HF_CLASS_CONNECTION:
        return try_again(facts & HF_FACT_COMPLETE ? HF_ACTION_AGAIN : HF_ACTION_END, facts);
    case HF_CLASS_NONE:
    case HF_CLASS_NOT_READY:
    case HF_CLASS_COMMITTED:
    case HF_CLASS_STATEMENT:
    case HF_CLASS_PERMANENT: break;
    }
    return end(hf_verdict_unsent(facts));
}

hf_verdict hf_verdict_of(hf_ending ending, hf_class class, hf_replay replay, hf_stage stage,
                         uint32_t facts) {
    switch (effect_of(ending, class, stage, facts)) {
    case HF_EFFECT_DONE: return end(HF_OUTCOME_OK);
    case HF_EFFECT_OPEN: return open(ending, class, replay, stage, facts);
    case HF_EFFECT_NONE: break;
    }
    if (ending == HF_ENDING_LOST) {
        return try_again(facts & HF_FACT_RAN ? HF_ACTION_AGAIN : HF_ACTION_FREE, facts);
    }
    return refused(class, replay, facts);
}
