/* SEMANTICS 9 to 17, 21, 46, 48: who may say "no effect", as a table. Values in, values out. */
#include "machine/verdict.h"

#include "unit.h"

#include <stdio.h>

/* How an attempt ends, in the protocol's words, and what the verdict is told of it. */
static const struct {
    const char *name;
    hf_ending ending;
    hf_class class;
} endings[] = {
    { "OK", HF_ENDING_OK, HF_CLASS_NONE },
    { "ERROR and ReadyForQuery", HF_ENDING_ERROR, HF_CLASS_STATEMENT },
    { "ERROR without ReadyForQuery", HF_ENDING_LOST, HF_CLASS_NONE },
    { "FATAL", HF_ENDING_LOST, HF_CLASS_NONE },
    { "EOF", HF_ENDING_LOST, HF_CLASS_NONE },
    { "time-out", HF_ENDING_LOST, HF_CLASS_NONE },
};

static const char *words(hf_verdict verdict) {
    static char text[32];
    static const char *const actions[] = {
        [HF_ACTION_AGAIN] = "again", [HF_ACTION_FREE] = "free",
        [HF_ACTION_WAIT] = "wait",   [HF_ACTION_WAIT_FREE] = "wait free",
        [HF_ACTION_ASK] = "ask",     [HF_ACTION_ROLE] = "role",
        [HF_ACTION_LEAVE] = "leave", [HF_ACTION_ASK_LATER] = "ask later",
        [HF_ACTION_FIND] = "find",   [HF_ACTION_SEAL] = "seal"
    };
    static const char *const outcomes[] = { "pending", "ok", "failed", "not sent", "unknown" };
    if (verdict.action == HF_ACTION_END || verdict.action == HF_ACTION_GIVE_UP)
        snprintf(text, sizeof text, "%s%s", verdict.action == HF_ACTION_GIVE_UP ? "gives up: " : "",
                 outcomes[verdict.outcome]);
    else
        snprintf(text, sizeof text, "%s", actions[verdict.action]);
    return text;
}

enum { SENT = HF_FACT_SENT | HF_FACT_RAN, CALL = HF_FACT_SELF_COMMITS | HF_FACT_BOUND };

enum { REPLAYS = HF_REPLAY_LEDGER + 1 };

/* What was sent whole, with re-sends left: for each replay kind (UNSENT, SAFE, RESOLVE, LEDGER). A RESOLVE is held,
 * unless it commits by itself; no LEDGER does that. */
typedef struct claim {
    const char *stage, *ending;
    const char *plain[REPLAYS];     /* in a session that may write */
    const char *read_only[REPLAYS]; /* in one that the database keeps read-only */
    const char *commits[REPLAYS];   /* what commits by itself, behind its BindComplete */
} claim;

#define ALL(a) \
    { a, a, a, a }
static const claim rows[] = {
    { "run", "OK", ALL("ok"), ALL("ok"), { "ok", "ok", "ok" } },
    { "run",
      "ERROR and ReadyForQuery",
      ALL("failed"),
      ALL("failed"),
      { "unknown", "unknown", "unknown" } },
    { "run",
      "ERROR without ReadyForQuery",
      { "unknown", "again", "again", "again" },
      ALL("again"),
      { "unknown", "again", "unknown" } },
    { "run",
      "FATAL",
      { "unknown", "again", "again", "again" },
      ALL("again"),
      { "unknown", "again", "unknown" } },
    { "run",
      "EOF",
      { "unknown", "again", "again", "again" },
      ALL("again"),
      { "unknown", "again", "unknown" } },
    { "run",
      "time-out",
      { "unknown", "again", "again", "again" },
      ALL("again"),
      { "unknown", "again", "unknown" } },
    { "commit", "OK", { NULL, NULL, "ok", "ok" }, { NULL }, { NULL } },
    { "commit", "ERROR and ReadyForQuery", { NULL, NULL, "failed", "failed" }, { NULL }, { NULL } },
    { "commit", "ERROR without ReadyForQuery", { NULL, NULL, "ask", "again" }, { NULL }, { NULL } },
    { "commit", "FATAL", { NULL, NULL, "ask", "again" }, { NULL }, { NULL } },
    { "commit", "EOF", { NULL, NULL, "ask", "again" }, { NULL }, { NULL } },
    { "commit", "time-out", { NULL, NULL, "ask", "again" }, { NULL }, { NULL } },
};

static void hold(const claim *row, const char *expected, size_t ending, unsigned replay,
                 uint32_t facts, const char *kind) {
    const hf_stage stage = row->stage[0] == 'c' ? HF_STAGE_COMMIT : HF_STAGE_RUN;
    if (!expected)
        return;
    const char *is = words(hf_verdict_of(endings[ending].ending, endings[ending].class,
                                         (hf_replay)replay, stage, facts));
    if (strcmp(is, expected) != 0)
        fail_msg("%s, %s, %s, replay %u: %s, not %s", kind, row->stage, row->ending, replay, is,
                 expected);
}

/* Shows found T1, found T2, found T7. */
static void who_may_say_no_effect(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t ending = 0;
        while (strcmp(endings[ending].name, rows[i].ending) != 0)
            ending++;
        for (unsigned replay = 0; replay < REPLAYS; replay++) {
            const uint32_t held =
                replay == HF_REPLAY_RESOLVE ? (uint32_t)HF_FACT_COMMIT_DEFERRED : 0;
            hold(&rows[i], rows[i].plain[replay], ending, replay, SENT | held, "plain");
            hold(&rows[i], rows[i].read_only[replay], ending, replay,
                 SENT | held | HF_FACT_READ_ONLY, "read-only");
            hold(&rows[i], rows[i].commits[replay], ending, replay, SENT | CALL,
                 "commits by itself");
        }
    }
}

/* Each line: an error with its ReadyForQuery, of a class, and facts beside SENT. */
static void what_an_error_leads_to(void **state) {
    static const struct {
        hf_class class;
        hf_replay replay;
        hf_stage stage;
        uint32_t facts;
        const char *expected;
    } claims[] = {
        { HF_CLASS_RETRY, HF_REPLAY_UNSENT, HF_STAGE_RUN, 0, "wait" },
        { HF_CLASS_RETRY, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_RETRIES_USED_UP,
          "gives up: failed" },
        { HF_CLASS_RETRY, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_MUST_END, "gives up: failed" },
        { HF_CLASS_RETRY, HF_REPLAY_SAFE, HF_STAGE_RUN, HF_FACT_RETRIES_USED_UP | HF_FACT_MAYBE_RAN,
          "gives up: unknown" },
        { HF_CLASS_RETRY, HF_REPLAY_RESOLVE, HF_STAGE_COMMIT, HF_FACT_COMMIT_DEFERRED, "wait" },
        { HF_CLASS_RETRY, HF_REPLAY_UNSENT, HF_STAGE_RUN, CALL, "unknown" },
        { HF_CLASS_RETRY, HF_REPLAY_SAFE, HF_STAGE_RUN, CALL, "again" },
        { HF_CLASS_STATEMENT, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_SELF_COMMITS,
          "failed" }, /* at Parse or Bind */
        { HF_CLASS_STATEMENT, HF_REPLAY_SAFE, HF_STAGE_RUN, CALL, "unknown" },
        { HF_CLASS_STATEMENT, HF_REPLAY_SAFE, HF_STAGE_RUN, HF_FACT_MAYBE_RAN, "unknown" },
        { HF_CLASS_AMBIGUOUS, HF_REPLAY_UNSENT, HF_STAGE_RUN, 0, "unknown" },
        { HF_CLASS_AMBIGUOUS, HF_REPLAY_SAFE, HF_STAGE_RUN, 0, "again" },
        { HF_CLASS_AMBIGUOUS, HF_REPLAY_SAFE, HF_STAGE_RUN, HF_FACT_RETRIES_USED_UP,
          "gives up: unknown" },
        { HF_CLASS_AMBIGUOUS, HF_REPLAY_RESOLVE, HF_STAGE_COMMIT, HF_FACT_COMMIT_DEFERRED, "ask" },
        { HF_CLASS_AMBIGUOUS, HF_REPLAY_RESOLVE, HF_STAGE_COMMIT,
          HF_FACT_COMMIT_DEFERRED | HF_FACT_MUST_END, "unknown" },
        { HF_CLASS_AMBIGUOUS, HF_REPLAY_RESOLVE, HF_STAGE_RUN, HF_FACT_COMMIT_DEFERRED, "again" },
        { HF_CLASS_COMMITTED, HF_REPLAY_SAFE, HF_STAGE_RUN, 0, "unknown" },
        { HF_CLASS_COMMITTED, HF_REPLAY_RESOLVE, HF_STAGE_COMMIT, HF_FACT_COMMIT_DEFERRED,
          "unknown" },
        { HF_CLASS_CONNECTION, HF_REPLAY_UNSENT, HF_STAGE_RUN, 0, "failed" },
        { HF_CLASS_CONNECTION, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_COMPLETE, "unknown" },
        { HF_CLASS_CONNECTION, HF_REPLAY_SAFE, HF_STAGE_RUN, HF_FACT_COMPLETE, "again" },
        { HF_CLASS_CONNECTION, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_COMPLETE | HF_FACT_MUST_END,
          "unknown" },
        { HF_CLASS_CONNECTION, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_COMPLETE | HF_FACT_READ_ONLY,
          "again" },
        { HF_CLASS_CONNECTION, HF_REPLAY_SAFE, HF_STAGE_RUN, 0, "failed" },
        { HF_CLASS_CONNECTION, HF_REPLAY_SAFE, HF_STAGE_RUN,
          HF_FACT_COMPLETE | HF_FACT_RETRIES_USED_UP, "gives up: unknown" },
        { HF_CLASS_CONNECTION, HF_REPLAY_UNSENT, HF_STAGE_RUN, CALL, "unknown" },
        { HF_CLASS_CONNECTION, HF_REPLAY_RESOLVE, HF_STAGE_COMMIT,
          HF_FACT_COMMIT_DEFERRED | HF_FACT_COMPLETE | HF_FACT_MUST_END, "unknown" },
        { HF_CLASS_CONNECTION, HF_REPLAY_RESOLVE, HF_STAGE_COMMIT,
          HF_FACT_COMMIT_DEFERRED | HF_FACT_COMPLETE, "ask" },
        { HF_CLASS_CONNECTION, HF_REPLAY_RESOLVE, HF_STAGE_RUN,
          HF_FACT_COMMIT_DEFERRED | HF_FACT_COMPLETE, "again" },
        { HF_CLASS_SHORTAGE, HF_REPLAY_UNSENT, HF_STAGE_RUN, 0, "wait free" },
        { HF_CLASS_SHORTAGE, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_RETRIES_USED_UP, "wait free" },
        { HF_CLASS_SHORTAGE, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_GIVEN_UP, "gives up: failed" },
        { HF_CLASS_SHORTAGE, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_OTHERS_OK, "wait" },
        { HF_CLASS_SHORTAGE, HF_REPLAY_UNSENT, HF_STAGE_RUN,
          HF_FACT_OTHERS_OK | HF_FACT_RETRIES_USED_UP, "gives up: failed" },
        { HF_CLASS_BUSY, HF_REPLAY_UNSENT, HF_STAGE_RUN, 0, "failed" },
        { HF_CLASS_BUSY, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_PATIENT, "wait" },
        { HF_CLASS_BUSY, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_PATIENT | HF_FACT_RETRIES_USED_UP,
          "gives up: failed" },
        { HF_CLASS_REPREPARE, HF_REPLAY_UNSENT, HF_STAGE_RUN, 0, "free" },
        { HF_CLASS_REPREPARE, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_REPREPARED, "failed" },
        { HF_CLASS_CANCELLED, HF_REPLAY_UNSENT, HF_STAGE_RUN, 0, "failed" },
        { HF_CLASS_CANCELLED, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_CANCEL_OUT, "free" },
        { HF_CLASS_CANCELLED, HF_REPLAY_UNSENT, HF_STAGE_RUN,
          HF_FACT_CANCEL_OUT | HF_FACT_CANCELLED, "again" },
        { HF_CLASS_CANCELLED, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_CANCEL_OUT | HF_FACT_MUST_END,
          "gives up: failed" },
        { HF_CLASS_CANCELLED, HF_REPLAY_UNSENT, HF_STAGE_RUN,
          HF_FACT_CANCEL_OUT | HF_FACT_CANCELLED | CALL, "unknown" },
        { HF_CLASS_CANCELLED, HF_REPLAY_SAFE, HF_STAGE_RUN, HF_FACT_PATIENT, "again" },
        { HF_CLASS_CANCELLED, HF_REPLAY_SAFE, HF_STAGE_RUN,
          HF_FACT_PATIENT | HF_FACT_CANCELLED_ONCE, "failed" },
        { HF_CLASS_CANCELLED, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_PATIENT, "failed" },
        { HF_CLASS_CANCELLED, HF_REPLAY_SAFE, HF_STAGE_RUN, HF_FACT_PATIENT | CALL, "unknown" },
        { HF_CLASS_ROLE, HF_REPLAY_UNSENT, HF_STAGE_RUN, 0, "role" },
        { HF_CLASS_ROLE, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_ROLE_SEEN, "failed" },
        { HF_CLASS_ROLE, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_OWN_SETTING, "failed" },
        { HF_CLASS_ROLE, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_WRONG_ROLE, "leave" },
        { HF_CLASS_ROLE, HF_REPLAY_UNSENT, HF_STAGE_RUN,
          HF_FACT_WRONG_ROLE | HF_FACT_RETRIES_USED_UP, "leave" },
        { HF_CLASS_ROLE, HF_REPLAY_UNSENT, HF_STAGE_RUN, HF_FACT_WRONG_ROLE | HF_FACT_GIVEN_UP,
          "gives up: failed" },
        { HF_CLASS_RETRY, HF_REPLAY_LEDGER, HF_STAGE_RUN, 0, "wait" },
        { HF_CLASS_RETRY, HF_REPLAY_LEDGER, HF_STAGE_COMMIT, HF_FACT_COMMIT_DEFERRED, "wait" },
        { HF_CLASS_RETRY, HF_REPLAY_LEDGER, HF_STAGE_RUN, HF_FACT_RETRIES_USED_UP,
          "gives up: failed" },
        { HF_CLASS_RETRY, HF_REPLAY_LEDGER, HF_STAGE_RUN,
          HF_FACT_RETRIES_USED_UP | HF_FACT_MAYBE_RAN, "seal" },
        { HF_CLASS_STATEMENT, HF_REPLAY_LEDGER, HF_STAGE_RUN, 0, "failed" },
        { HF_CLASS_STATEMENT, HF_REPLAY_LEDGER, HF_STAGE_RUN, HF_FACT_MAYBE_RAN, "seal" },
        { HF_CLASS_STATEMENT, HF_REPLAY_LEDGER, HF_STAGE_RUN, HF_FACT_MAYBE_RAN | HF_FACT_MUST_END,
          "unknown" },
        { HF_CLASS_AMBIGUOUS, HF_REPLAY_LEDGER, HF_STAGE_RUN, 0, "again" },
        { HF_CLASS_AMBIGUOUS, HF_REPLAY_LEDGER, HF_STAGE_RUN, HF_FACT_RETRIES_USED_UP, "seal" },
        { HF_CLASS_AMBIGUOUS, HF_REPLAY_LEDGER, HF_STAGE_COMMIT, HF_FACT_COMMIT_DEFERRED, "again" },
        { HF_CLASS_COMMITTED, HF_REPLAY_LEDGER, HF_STAGE_RUN, 0, "again" },
        { HF_CLASS_CONNECTION, HF_REPLAY_LEDGER, HF_STAGE_RUN, HF_FACT_COMPLETE, "again" },
        { HF_CLASS_CONNECTION, HF_REPLAY_LEDGER, HF_STAGE_RUN,
          HF_FACT_COMPLETE | HF_FACT_RETRIES_USED_UP, "seal" },
        { HF_CLASS_CONNECTION, HF_REPLAY_LEDGER, HF_STAGE_RUN, HF_FACT_COMPLETE | HF_FACT_MUST_END,
          "gives up: unknown" },
        { HF_CLASS_CONNECTION, HF_REPLAY_LEDGER, HF_STAGE_RUN, 0, "failed" },
        { HF_CLASS_NONE, HF_REPLAY_LEDGER, HF_STAGE_RUN, HF_FACT_KEY_THERE, "find" },
        { HF_CLASS_NONE, HF_REPLAY_LEDGER, HF_STAGE_RUN, HF_FACT_KEY_THERE | HF_FACT_MUST_END,
          "gives up: unknown" },
        { HF_CLASS_NOT_READY, HF_REPLAY_UNSENT, HF_STAGE_RUN, 0, "failed" },
        { HF_CLASS_PERMANENT, HF_REPLAY_UNSENT, HF_STAGE_RUN, 0, "failed" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(claims); i++) {
        const char *is = words(hf_verdict_of(HF_ENDING_ERROR, claims[i].class, claims[i].replay,
                                             claims[i].stage, claims[i].facts | SENT));
        if (strcmp(is, claims[i].expected) != 0)
            fail_msg("line %zu, %s: %s, not %s", i + 1, hf_class_name(claims[i].class), is,
                     claims[i].expected);
    }
}

/* What was not handed over whole had no effect, whoever says what. */
static void what_was_not_sent_runs_again_uncounted(void **state) {
    (void)state;
    for (unsigned replay = 0; replay < REPLAYS; replay++) {
        assert_string_equal(words(hf_verdict_of(HF_ENDING_LOST, HF_CLASS_NONE, (hf_replay)replay,
                                                HF_STAGE_RUN, HF_FACT_RETRIES_USED_UP)),
                            "free");
        assert_string_equal(words(hf_verdict_of(HF_ENDING_LOST, HF_CLASS_NONE, (hf_replay)replay,
                                                HF_STAGE_RUN, HF_FACT_MUST_END)),
                            "gives up: not sent");
        assert_string_equal(
            words(hf_verdict_of(HF_ENDING_LOST, HF_CLASS_NONE, (hf_replay)replay, HF_STAGE_RUN,
                                HF_FACT_MUST_END | HF_FACT_RAN_BEFORE)),
            "gives up: failed");
    }
    /* A COMMIT that was not: its transaction ran, without effect. */
    assert_string_equal(
        words(hf_verdict_of(HF_ENDING_LOST, HF_CLASS_NONE, HF_REPLAY_RESOLVE, HF_STAGE_COMMIT,
                            HF_FACT_COMMIT_DEFERRED | HF_FACT_RAN)),
        "again");
}

/* Shows found T3. */
static void an_ok_behind_our_cancel_is_believed_of_reads_alone(void **state) {
    (void)state;
    assert_string_equal(words(hf_verdict_of(HF_ENDING_OK, HF_CLASS_NONE, HF_REPLAY_LEDGER,
                                            HF_STAGE_RUN, SENT | HF_FACT_CANCEL_OUT)),
                        "find");
    for (unsigned replay = 0; replay < 2; replay++) {
        assert_string_equal(words(hf_verdict_of(HF_ENDING_OK, HF_CLASS_NONE, (hf_replay)replay,
                                                HF_STAGE_RUN, SENT | HF_FACT_CANCEL_OUT)),
                            "unknown");
        assert_string_equal(
            words(hf_verdict_of(HF_ENDING_OK, HF_CLASS_NONE, (hf_replay)replay, HF_STAGE_RUN,
                                SENT | HF_FACT_CANCEL_OUT | HF_FACT_READ_ONLY)),
            "ok");
    }
}

/* Whatever is known, in whatever combination: FAILED and NOT_SENT never of what may have had an effect, nothing again
 * that must end, nothing that is not safe again after it may have had one. */
static void no_combination_of_facts_lies(void **state) {
    (void)state;
    for (uint32_t facts = 0; facts < 1u << 21; facts++) {
        for (unsigned i = 0; i < 3 * 3; i++) {
            const hf_replay replay = (hf_replay)(i % 3);
            const hf_ending ending = (hf_ending)(i / 3);
            const hf_class class =
                ending == HF_ENDING_ERROR ? (hf_class)(facts % 14) : HF_CLASS_NONE;
            const hf_verdict verdict = hf_verdict_of(ending, class, replay, HF_STAGE_RUN, facts);
            const bool ends =
                verdict.action == HF_ACTION_END || verdict.action == HF_ACTION_GIVE_UP;
            const bool proved =
                (facts & (HF_FACT_READ_ONLY | HF_FACT_COMMIT_DEFERRED)) || !(facts & HF_FACT_SENT);
            if (facts & HF_FACT_MUST_END)
                assert_true(ends);
            if (ends)
                assert_int_not_equal(verdict.outcome, HF_OUTCOME_PENDING);
            if (ends && (facts & HF_FACT_MAYBE_RAN) && verdict.outcome != HF_OUTCOME_OK)
                assert_int_equal(verdict.outcome, HF_OUTCOME_UNKNOWN);
            if (ending == HF_ENDING_LOST && !proved) {
                if (replay == HF_REPLAY_SAFE)
                    assert_true(verdict.maybe_ran);
                else
                    assert_true(ends && verdict.outcome == HF_OUTCOME_UNKNOWN);
            }
        }
    }
}

/* The same of a ledger's, in either of its stages: OK only of OK; FAILED and NOT_SENT only where no attempt may come to
 * the server any more; UNKNOWN only of what must end, has waited for its key long enough, or is not guarded by a key;
 * what is not guarded never again. */
static void no_combination_of_facts_leaves_a_ledger_in_doubt(void **state) {
    (void)state;
    for (uint32_t facts = 0; facts < 1u << 21; facts++) {
        for (unsigned i = 0; i < 3 * 2 * 8; i++) {
            const hf_ending ending = (hf_ending)(i % 3);
            const hf_stage stage = i / 3 % 2 ? HF_STAGE_COMMIT : HF_STAGE_RUN;
            const uint32_t deferred = stage == HF_STAGE_COMMIT ? HF_FACT_COMMIT_DEFERRED : 0,
                           key = (uint32_t)(i / 6) << 25;
            const uint32_t all = facts | deferred | (ending == HF_ENDING_OK ? 0 : key);
            const hf_class class =
                ending == HF_ENDING_ERROR ? (hf_class)(facts % 14) : HF_CLASS_NONE;
            const hf_verdict verdict = hf_verdict_of(ending, class, HF_REPLAY_LEDGER, stage, all);
            const bool ends =
                verdict.action == HF_ACTION_END || verdict.action == HF_ACTION_GIVE_UP;
            const bool unguarded = all & HF_FACT_UNGUARDED,
                       waited = (all & HF_FACT_KEY_AWAITED) && (all & HF_FACT_GIVEN_UP),
                       open = ending == HF_ENDING_LOST && (all & HF_FACT_SENT) &&
                              !(all & HF_FACT_READ_ONLY) &&
                              (stage == HF_STAGE_COMMIT || !(all & HF_FACT_COMMIT_DEFERRED));
            assert_true(ends || !((all & HF_FACT_MUST_END) || unguarded));
            if (!ends) {
                assert_true(!open || verdict.maybe_ran);
                continue;
            }
            switch ((hf_outcome)verdict.outcome) {
            case HF_OUTCOME_OK: assert_int_equal(ending, HF_ENDING_OK); break;
            case HF_OUTCOME_UNKNOWN:
                assert_true((all & HF_FACT_MUST_END) || waited || unguarded);
                break;
            case HF_OUTCOME_FAILED:
            case HF_OUTCOME_NOT_SENT:
                assert_false((all & (HF_FACT_MAYBE_RAN | HF_FACT_KEY_THERE)) && !unguarded);
                assert_false(open && !unguarded);
                assert_true(!unguarded || (all & HF_FACT_COMMIT_DEFERRED));
                break;
            case HF_OUTCOME_PENDING: fail();
            }
        }
    }
}

/* SEMANTICS 48, REPORT.md 46: what stands at a key, and whether it could be used up. */
static void what_a_question_about_a_key_leads_to(void **state) {
    static const struct {
        hf_stage stage;
        hf_ending ending;
        hf_class class;
        hf_tx_status status;
        uint32_t facts;
        const char *expected;
        bool leaves;
    } claims[] = {
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_COMMITTED, 0, "ok", false },
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_COMMITTED, HF_FACT_MUST_END, "ok", false },
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_COMMITTED, HF_FACT_ROWS_LOST, "unknown", false },
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_OTHER, 0, "failed", false },
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_SEALED, 0, "failed", false },
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_ABORTED, 0, "wait", false },
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_ABORTED, HF_FACT_RETRIES_USED_UP, "seal", false },
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_ABORTED, HF_FACT_MUST_END, "gives up: unknown",
          false },
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_STANDBY, 0, "ask later", true },
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_STANDBY, HF_FACT_ASKED_ENOUGH, "unknown", true },
        { HF_STAGE_FIND, HF_ENDING_OK, 0, HF_TX_NONE, 0, "ask later", false },
        { HF_STAGE_FIND, HF_ENDING_ERROR, HF_CLASS_NONE, HF_TX_NONE, 0, "ask later", false },
        { HF_STAGE_FIND, HF_ENDING_ERROR, HF_CLASS_NONE, HF_TX_COMMITTED, 0, "ask later", false },
        { HF_STAGE_FIND, HF_ENDING_ERROR, HF_CLASS_NONE, HF_TX_OTHER, 0, "ask later", false },
        { HF_STAGE_FIND, HF_ENDING_ERROR, HF_CLASS_PERMANENT, HF_TX_NONE, 0, "unknown", false },
        { HF_STAGE_FIND, HF_ENDING_LOST, 0, HF_TX_COMMITTED, 0, "ask", false },
        { HF_STAGE_FIND, HF_ENDING_LOST, 0, HF_TX_NONE, HF_FACT_MUST_END, "unknown", false },
        { HF_STAGE_SEAL, HF_ENDING_OK, 0, HF_TX_NONE, 0, "failed", false },
        { HF_STAGE_SEAL, HF_ENDING_OK, 0, HF_TX_NONE, HF_FACT_MUST_END, "failed", false },
        { HF_STAGE_SEAL, HF_ENDING_OK, 0, HF_TX_NONE, HF_FACT_CANCEL_OUT, "ask later", false },
        { HF_STAGE_SEAL, HF_ENDING_OK, 0, HF_TX_KEY, 0, "find", false },
        { HF_STAGE_SEAL, HF_ENDING_OK, 0, HF_TX_KEY, HF_FACT_MUST_END, "unknown", false },
        { HF_STAGE_SEAL, HF_ENDING_OK, 0, HF_TX_RUNNING, 0, "ask later", false },
        { HF_STAGE_SEAL, HF_ENDING_OK, 0, HF_TX_RUNNING, HF_FACT_ASKED_ENOUGH, "unknown", false },
        { HF_STAGE_SEAL, HF_ENDING_OK, 0, HF_TX_STANDBY, 0, "ask later", true },
        { HF_STAGE_SEAL, HF_ENDING_LOST, 0, HF_TX_NONE, 0, "seal", false },
        { HF_STAGE_SEAL, HF_ENDING_LOST, 0, HF_TX_NONE, HF_FACT_ASKED_ENOUGH, "unknown", false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(claims); i++) {
        const hf_verdict verdict = hf_verdict_of_question(
            claims[i].ending, claims[i].class, claims[i].stage, claims[i].status, claims[i].facts);
        if (strcmp(words(verdict), claims[i].expected) != 0 || verdict.leave != claims[i].leaves)
            fail_msg("line %zu: %s, not %s", i + 1, words(verdict), claims[i].expected);
    }
}

/* SEMANTICS 15, 16: what the answer to a question about a COMMIT leads to, and what its refusal and its loss do. */
static void what_a_question_about_a_commit_leads_to(void **state) {
    static const struct {
        hf_ending ending;
        hf_class class; /* of a refusal */
        hf_tx_status status;
        uint32_t facts;
        const char *expected;
        bool leaves;
    } claims[] = {
        { HF_ENDING_OK, 0, HF_TX_COMMITTED, HF_FACT_MAYBE_RAN, "ok", false },
        { HF_ENDING_OK, 0, HF_TX_COMMITTED, HF_FACT_MUST_END | HF_FACT_ASKED_ENOUGH, "ok", false },
        { HF_ENDING_OK, 0, HF_TX_ABORTED, HF_FACT_MAYBE_RAN, "again", false },
        { HF_ENDING_OK, 0, HF_TX_ABORTED, HF_FACT_MAYBE_RAN | HF_FACT_EARLIER_RUN, "free", false },
        { HF_ENDING_OK, 0, HF_TX_ABORTED, HF_FACT_MAYBE_RAN | HF_FACT_RETRIES_USED_UP,
          "gives up: failed", false },
        { HF_ENDING_OK, 0, HF_TX_ABORTED, HF_FACT_MAYBE_RAN | HF_FACT_MUST_END, "gives up: failed",
          false },
        { HF_ENDING_OK, 0, HF_TX_RUNNING, 0, "ask later", false },
        { HF_ENDING_OK, 0, HF_TX_RUNNING, HF_FACT_RETRIES_USED_UP, "ask later", false },
        { HF_ENDING_OK, 0, HF_TX_RUNNING, HF_FACT_ASKED_ENOUGH, "unknown", false },
        { HF_ENDING_OK, 0, HF_TX_RUNNING, HF_FACT_MUST_END, "unknown", false },
        { HF_ENDING_OK, 0, HF_TX_STANDBY, 0, "ask later", true },
        { HF_ENDING_OK, 0, HF_TX_STANDBY, HF_FACT_ASKED_ENOUGH, "unknown", true },
        { HF_ENDING_OK, 0, HF_TX_OTHER, 0, "unknown", false },
        { HF_ENDING_OK, 0, HF_TX_FORGOTTEN, 0, "unknown", false },
        { HF_ENDING_OK, 0, HF_TX_NONE, 0, "ask later", false },
        { HF_ENDING_ERROR, HF_CLASS_NONE, HF_TX_NONE, 0, "ask later", false },
        { HF_ENDING_ERROR, HF_CLASS_CONNECTION, HF_TX_NONE, 0, "ask later", true },
        { HF_ENDING_ERROR, HF_CLASS_PERMANENT, HF_TX_NONE, 0, "unknown", false },
        { HF_ENDING_LOST, 0, HF_TX_NONE, 0, "ask", false },
        { HF_ENDING_LOST, 0, HF_TX_NONE, HF_FACT_ASKED_ENOUGH, "unknown", false },
        { HF_ENDING_LOST, 0, HF_TX_NONE, HF_FACT_MUST_END, "unknown", false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(claims); i++) {
        const hf_verdict verdict = hf_verdict_of_question(
            claims[i].ending, claims[i].class, HF_STAGE_ASK, claims[i].status, claims[i].facts);
        if (strcmp(words(verdict), claims[i].expected) != 0 || verdict.leave != claims[i].leaves)
            fail_msg("line %zu: %s, not %s", i + 1, words(verdict), claims[i].expected);
    }
}

/* SEMANTICS 21: what the answer to the question leads to whether a server takes writes. */
static void what_a_question_about_the_role_leads_to(void **state) {
    static const struct {
        hf_ending ending;
        hf_class class;
        hf_tx_status status;
        uint32_t facts;
        const char *expected;
    } claims[] = {
        { HF_ENDING_OK, 0, HF_TX_WRITABLE, HF_FACT_RAN_BEFORE, "free" },
        { HF_ENDING_OK, 0, HF_TX_STANDBY, HF_FACT_RAN_BEFORE, "leave" },
        { HF_ENDING_ERROR, HF_CLASS_PERMANENT, HF_TX_NONE, HF_FACT_RAN_BEFORE, "free" },
        { HF_ENDING_ERROR, HF_CLASS_NONE, HF_TX_NONE, HF_FACT_RAN_BEFORE, "ask later" },
        { HF_ENDING_LOST, 0, HF_TX_NONE, HF_FACT_RAN_BEFORE, "role" },
        { HF_ENDING_OK, 0, HF_TX_WRITABLE, HF_FACT_RAN_BEFORE | HF_FACT_MUST_END, "failed" },
        { HF_ENDING_LOST, 0, HF_TX_NONE, HF_FACT_MAYBE_RAN | HF_FACT_MUST_END, "unknown" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(claims); i++) {
        const hf_verdict verdict = hf_verdict_of_question(
            claims[i].ending, claims[i].class, HF_STAGE_ROLE, claims[i].status, claims[i].facts);
        if (strcmp(words(verdict), claims[i].expected) != 0)
            fail_msg("line %zu: %s, not %s", i + 1, words(verdict), claims[i].expected);
        assert_int_equal(verdict.leave, strcmp(claims[i].expected, "leave") == 0);
    }
}

/* SEMANTICS 16: a transaction that was rolled back in place of its COMMIT had no effect; it runs again only if a cancel
 * of the attempt alone was why. */
static void what_a_rollback_leads_to(void **state) {
    (void)state;
    for (unsigned ending = 0; ending < 2; ending++) {
        const hf_ending how = ending ? HF_ENDING_LOST : HF_ENDING_OK;
        assert_string_equal(words(hf_verdict_of_rollback(how, true, 0)), "again");
        assert_string_equal(words(hf_verdict_of_rollback(how, false, 0)), "failed");
        assert_string_equal(words(hf_verdict_of_rollback(how, true, HF_FACT_MUST_END)), "failed");
    }
    assert_string_equal(words(hf_verdict_of_rollback(HF_ENDING_OK, true, HF_FACT_RETRIES_USED_UP)),
                        "gives up: failed");
    assert_string_equal(
        words(hf_verdict_of_rollback(HF_ENDING_LOST, true, HF_FACT_RETRIES_USED_UP)), "failed");
}

/* Shows found T9. SEMANTICS 10: the server said OK, but rows could not be taken, or the driver undid it. */
static void what_could_not_be_taken_is_no_success(void **state) {
    (void)state;
    for (unsigned replay = 0; replay < 3; replay++) {
        const hf_replay how = (hf_replay)replay;
        const uint32_t lost = SENT | HF_FACT_ROWS_LOST, undone = SENT | HF_FACT_NO_TICKET;
#define OK(facts) words(hf_verdict_of(HF_ENDING_OK, HF_CLASS_NONE, how, HF_STAGE_RUN, facts))
        assert_string_equal(OK(lost), "unknown");
        assert_string_equal(OK(lost | HF_FACT_READ_ONLY), "failed");
        assert_string_equal(OK(undone), "free");
        assert_string_equal(OK(undone | HF_FACT_MUST_END), "failed");
#undef OK
    }
}

/* The same of questions: OK only of what was committed, FAILED and NOT_SENT only of what certainly was not, run again
 * only what certainly was not, nothing asked again that must end. */
static void no_answer_to_a_question_lies(void **state) {
    (void)state;
    for (uint32_t facts = 0; facts < 1u << 25; facts += facts < 1u << 9 ? 1 : 1u << 9) {
        for (unsigned i = 0; i < 3 * 14 * 11; i++) {
            const hf_ending ending = (hf_ending)(i % 3);
            const hf_class class = (hf_class)(i / 3 % 14);
            const hf_tx_status status = (hf_tx_status)(i / 3 / 14);
            const hf_verdict verdict =
                hf_verdict_of_question(ending, class, HF_STAGE_ASK, status, facts);
            const bool ends =
                verdict.action == HF_ACTION_END || verdict.action == HF_ACTION_GIVE_UP;
            const bool again =
                verdict.action == HF_ACTION_AGAIN || verdict.action == HF_ACTION_FREE;
            const bool answered = ending != HF_ENDING_LOST;
            if (facts & HF_FACT_MUST_END)
                assert_true(ends);
            if (ends && verdict.outcome == HF_OUTCOME_OK)
                assert_true(answered && status == HF_TX_COMMITTED);
            else if (ends && verdict.outcome != HF_OUTCOME_UNKNOWN)
                assert_true(answered && status == HF_TX_ABORTED);
            if (again)
                assert_true(answered && status == HF_TX_ABORTED);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_say_no_effect),
        cmocka_unit_test(what_an_error_leads_to),
        cmocka_unit_test(what_was_not_sent_runs_again_uncounted),
        cmocka_unit_test(an_ok_behind_our_cancel_is_believed_of_reads_alone),
        cmocka_unit_test(no_combination_of_facts_lies),
        cmocka_unit_test(no_combination_of_facts_leaves_a_ledger_in_doubt),
        cmocka_unit_test(what_a_question_about_a_commit_leads_to),
        cmocka_unit_test(what_a_question_about_a_key_leads_to),
        cmocka_unit_test(what_a_question_about_the_role_leads_to),
        cmocka_unit_test(what_a_rollback_leads_to),
        cmocka_unit_test(what_could_not_be_taken_is_no_success),
        cmocka_unit_test(no_answer_to_a_question_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
