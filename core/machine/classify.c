#include "classify.h"

#include <string.h>

/* Two tables: one for what holdfast itself found, one for what a server said. Invariants: every error has a class, and
 * an unlisted one the milder of those that are true: what is not known to be hopeless is tried again while connecting,
 * and a statement is only ever tried again for a listed reason.
 *
 * Where the rules leave room:
 *  - Bytes behind the TLS answer (HF_ERR_TLS_INJECTED) end the attempt and are retried like a reset: nothing of ours
 *    was sent but the request for TLS, and each attempt starts afresh. Were the server refused for good, whoever can
 *    add one byte could stop the client, where a reset cannot.
 *  - A server's words before TLS is up are nobody's: they decide nothing (CVE-2024-10977).
 *  - In login, what we asked for and cannot have (22xxx, 42xxx, 0A000) is refused for good, but once a SCRAM proof was
 *    verified only a wrong start-up parameter is (22023, 42704): then the speaker is mostly a pooler that cannot reach
 *    its server. Anything else in login is a failed attempt.
 *  - On a statement, an ERROR with its ReadyForQuery is the statement's own whatever its code: postgres_fdw and dblink
 *    raise what their own connections met (08006, 57P01) as a plain ERROR, and the link is healthy.
 */

enum {
    HF_AT_LOGIN = 1,     /* while connecting, behind TLS */
    HF_AT_STATEMENT = 2, /* in the query phase */
    HF_AT_REST = 4,      /* with nothing in flight: unsolicited, or on a probe */
    HF_AT_ANY = 7
};

typedef struct hf_rule {
    char sqlstate[6]; /* a code, or the first two characters of a class */
    uint8_t at;
    uint8_t class;
} hf_rule;

/* The first rule that fits decides. */
// clang-format off
static const hf_rule hf_rules[] = {
    /* connection exceptions */
    { "08007", HF_AT_ANY,       HF_CLASS_AMBIGUOUS },
    { "08P01", HF_AT_LOGIN,     HF_CLASS_NOT_READY },
    { "08004", HF_AT_LOGIN,     HF_CLASS_NOT_READY },
    { "08",    HF_AT_STATEMENT, HF_CLASS_CONNECTION },
    { "08",    HF_AT_ANY,       HF_CLASS_RECONNECT },
    /* the server shuts down, or is not ready yet */
    { "57P03", HF_AT_ANY,       HF_CLASS_NOT_READY },
    { "53300", HF_AT_ANY,       HF_CLASS_NOT_READY },
    { "53",    HF_AT_LOGIN,     HF_CLASS_NOT_READY },
    { "55",    HF_AT_LOGIN,     HF_CLASS_NOT_READY },
    /* refused for good */
    { "28",    HF_AT_LOGIN,     HF_CLASS_PERMANENT },
    { "3D000", HF_AT_LOGIN,     HF_CLASS_PERMANENT },
    { "42",    HF_AT_LOGIN,     HF_CLASS_PERMANENT },
    { "22",    HF_AT_LOGIN,     HF_CLASS_PERMANENT },
    { "0A000", HF_AT_LOGIN,     HF_CLASS_PERMANENT },
    /* the transaction may succeed when run again */
    { "40001", HF_AT_STATEMENT, HF_CLASS_RETRY },
    { "40P01", HF_AT_STATEMENT, HF_CLASS_RETRY },
    { "40003", HF_AT_STATEMENT, HF_CLASS_AMBIGUOUS },
    { "XXA00", HF_AT_STATEMENT, HF_CLASS_COMMITTED },
    { "XX",    HF_AT_STATEMENT, HF_CLASS_CONNECTION },
    /* a shortage that passes */
    { "53000", HF_AT_STATEMENT, HF_CLASS_SHORTAGE },
    { "53100", HF_AT_STATEMENT, HF_CLASS_SHORTAGE },
    { "53200", HF_AT_STATEMENT, HF_CLASS_SHORTAGE },
    { "58030", HF_AT_STATEMENT, HF_CLASS_SHORTAGE },
    { "55P03", HF_AT_STATEMENT, HF_CLASS_BUSY },
    /* the statement has to be prepared again */
    { "26000", HF_AT_STATEMENT, HF_CLASS_REPREPARE },
    { "42P05", HF_AT_STATEMENT, HF_CLASS_REPREPARE },
#if HF_WITH_PREPARED
    { "42804", HF_AT_STATEMENT, HF_CLASS_REPREPARE }, /* a column has another type by now … */
    { "42883", HF_AT_STATEMENT, HF_CLASS_REPREPARE }, /* … than its parameter was prepared with */
#endif
    { "57014", HF_AT_STATEMENT, HF_CLASS_CANCELLED },
    /* all other SQLSTATEs */
    { "",      HF_AT_STATEMENT, HF_CLASS_STATEMENT },
    { "",      HF_AT_ANY,       HF_CLASS_RECONNECT },
};
// clang-format on

static const char hf_plan_changed[] = "cached plan must not change result type";

static bool fits(const hf_rule *rule, const hf_error *error, unsigned at) {
    const char *is = error->sqlstate;

    for (const char *want = rule->sqlstate; *want; want++, is++) {
        if (*want != *is) {
            return false;
        }
    }
    return (rule->at & at) != 0;
}

static hf_class classify_server(const hf_error *error, bool read_only) {
    unsigned at = 0;
    const hf_rule *rule = hf_rules;

    switch ((hf_phase)error->phase) {
    case HF_PHASE_LOGIN: at = HF_AT_LOGIN; break;
    case HF_PHASE_QUERY:
    case HF_PHASE_QUEUE: at = HF_AT_STATEMENT; break;
    case HF_PHASE_NONE:
    case HF_PHASE_PROBE: at = HF_AT_REST; break;
    case HF_PHASE_RESOLVE:
    case HF_PHASE_TCP:
    case HF_PHASE_TLS:
    case HF_PHASE_CANCEL:
    case HF_PHASE_CLOSE: break;
    }
    if (at == 0) {
        return HF_CLASS_RECONNECT;
    }
    if (strcmp(error->sqlstate, "25006") == 0) {
        return read_only && at == HF_AT_STATEMENT ? HF_CLASS_STATEMENT : HF_CLASS_ROLE;
    }
    if (HF_WITH_PREPARED && strcmp(error->sqlstate, "0A000") == 0 && at == HF_AT_STATEMENT &&
        strstr(error->message, hf_plan_changed)) {
        return HF_CLASS_REPREPARE;
    }
    while (!fits(rule, error, at)) {
        rule++; /* one of the last two rules fits everything */
    }
    return (hf_class)rule->class;
}

/* Errors of the API are the statement's own fault; but a login that does not fit its buffer never will. */
static hf_class classify_api(const hf_error *error) {
    switch ((hf_phase)error->phase) {
    case HF_PHASE_RESOLVE:
    case HF_PHASE_TCP:
    case HF_PHASE_TLS:
    case HF_PHASE_LOGIN: return HF_CLASS_PERMANENT;
    case HF_PHASE_NONE:
    case HF_PHASE_QUEUE:
    case HF_PHASE_PROBE:
    case HF_PHASE_QUERY:
    case HF_PHASE_CANCEL:
    case HF_PHASE_CLOSE: break;
    }
    return HF_CLASS_STATEMENT;
}

hf_class hf_classify(const hf_error *error, bool read_only) {
    if (error->severity == 'W') {
        return HF_CLASS_NONE;
    }
    switch ((hf_err)error->code) {
    case HF_OK: return HF_CLASS_NONE;
    case HF_ERR_ARGUMENT:
    case HF_ERR_CONFIG:
    case HF_ERR_TOO_LARGE: return classify_api(error);
    case HF_ERR_STATE:
    case HF_ERR_CLOSED:
    case HF_ERR_OUTAGE:
    case HF_ERR_READ_ONLY:
    case HF_ERR_OPEN_TRANSACTION:
    case HF_ERR_UNRESOLVED: return HF_CLASS_STATEMENT;
    case HF_ERR_CANCELLED: return HF_CLASS_CANCELLED;
    case HF_ERR_TIMEOUT:
        return error->phase == HF_PHASE_QUEUE ? HF_CLASS_STATEMENT : HF_CLASS_RECONNECT;
    case HF_ERR_RESOURCES:
    case HF_ERR_RESOLVE:
    case HF_ERR_REFUSED:
    case HF_ERR_RESET:
    case HF_ERR_EOF:
    case HF_ERR_UNREACHABLE:
    case HF_ERR_NET_TIMEOUT:
    case HF_ERR_NET:
    case HF_ERR_TLS:
    case HF_ERR_TLS_INJECTED:
    case HF_ERR_TLS_TRUNCATED:
    case HF_ERR_PROTOCOL: return HF_CLASS_RECONNECT;
    case HF_ERR_TLS_REFUSED:
    case HF_ERR_TLS_CERT:
    case HF_ERR_TLS_REJECTED:
    case HF_ERR_AUTH_METHOD:
    case HF_ERR_AUTH_SERVER:
    case HF_ERR_AUTH_PASSWORD: return HF_CLASS_PERMANENT;
    case HF_ERR_SERVER: return classify_server(error, read_only);
    }
    return HF_CLASS_RECONNECT; /* an unknown code: the link cannot be trusted */
}

/* pgbouncer and pgpool-II blame a wrong password with these words, behind words of their own. A pooler that cannot log
 * in to its server says that first: "server login failed: FATAL password authentication failed". */
static bool blames_password(const char *message) {
    const char *words = strstr(message, "authentication failed"), *colon = strchr(message, ':');

    return words && (!colon || words < colon);
}

static bool is_code(const hf_error *error, const char *code) {
    return memcmp(error->sqlstate, code, strlen(code)) == 0;
}

hf_class hf_classify_login(const hf_error *error, hf_proof proof) {
    const hf_class class = hf_classify(error, false);

    if (error->code != HF_ERR_SERVER) {
        return class;
    }
    if (proof == HF_PROOF_SENT) {
        return is_code(error, "53") || is_code(error, "57") || is_code(error, "58")
                   ? HF_CLASS_NOT_READY
                   : HF_CLASS_PERMANENT;
    }
    if (proof == HF_PROOF_CLAIMED && (is_code(error, "08P01") || is_code(error, "XX000")) &&
        blames_password(error->message)) {
        return HF_CLASS_PERMANENT;
    }
    if (proof == HF_PROOF_VERIFIED && class == HF_CLASS_PERMANENT && !is_code(error, "28") &&
        !is_code(error, "3D000") && !is_code(error, "42501") && !is_code(error, "22023") &&
        !is_code(error, "42704")) {
        return HF_CLASS_NOT_READY;
    }
    return class;
}

bool hf_is_credentials_refusal(const hf_error *error, hf_proof proof) {
    return error->code == HF_ERR_SERVER &&
           (is_code(error, "28") || proof == HF_PROOF_SENT ||
            (proof == HF_PROOF_CLAIMED && (is_code(error, "08P01") || is_code(error, "XX000"))));
}

hf_class hf_classify_question(const hf_error *error) {
    if (error->code != HF_ERR_SERVER) {
        return HF_CLASS_NONE;
    }
    if (is_code(error, "42") || is_code(error, "0A") || is_code(error, "22")) {
        return HF_CLASS_PERMANENT;
    }
    return is_code(error, "57P") || is_code(error, "08") ? HF_CLASS_CONNECTION : HF_CLASS_NONE;
}

bool hf_is_read_only_refusal(const hf_error *error) {
    return is_code(error, "25006");
}

bool hf_is_farewell(const hf_error *error) {
    return is_code(error, "57P01") || is_code(error, "57P02");
}

const char *hf_class_name(hf_class of) {
    switch (of) {
    case HF_CLASS_NONE: return "none";
    case HF_CLASS_RETRY: return "retry";
    case HF_CLASS_RECONNECT: return "reconnect";
    case HF_CLASS_NOT_READY: return "not ready";
    case HF_CLASS_ROLE: return "wrong role";
    case HF_CLASS_AMBIGUOUS: return "ambiguous";
    case HF_CLASS_COMMITTED: return "committed";
    case HF_CLASS_CONNECTION: return "connection";
    case HF_CLASS_SHORTAGE: return "shortage";
    case HF_CLASS_BUSY: return "busy";
    case HF_CLASS_REPREPARE: return "re-prepare";
    case HF_CLASS_STATEMENT: return "statement";
    case HF_CLASS_PERMANENT: return "permanent";
    case HF_CLASS_CANCELLED: return "cancelled";
    }
    return "?";
}
