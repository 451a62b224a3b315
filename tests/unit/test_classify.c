#include "machine/classify.h"

#include "unit.h"

static hf_error server(hf_phase phase, char severity, const char *sqlstate) {
    hf_error error = {
        .code = HF_ERR_SERVER, .phase = (uint8_t)phase, .severity = severity, .from_server = true
    };
    memcpy(error.sqlstate, sqlstate, strlen(sqlstate) + 1);
    return error;
}

typedef struct claim {
    const char *sqlstate;
    char severity;
    hf_class class;
} claim;

static void hold(const claim *claims, size_t count, hf_phase phase, bool read_only) {
    for (size_t i = 0; i < count; i++) {
        hf_error error = server(phase, claims[i].severity, claims[i].sqlstate);
        hf_class class = hf_classify(&error, read_only);
        if (class != claims[i].class) {
            fail_msg("%s %c in %s is %s, not %s", claims[i].sqlstate, claims[i].severity,
                     hf_phase_name(phase), hf_class_name(class), hf_class_name(claims[i].class));
        }
    }
}

/* Shows fault 22, fault 23, rule 17. */
static void a_statements_error_decides_as_the_table_says(void **state) {
    static const claim claims[] = {
        { "40001", 'E', HF_CLASS_RETRY },      { "40P01", 'E', HF_CLASS_RETRY },
        { "08000", 'E', HF_CLASS_CONNECTION }, { "08003", 'E', HF_CLASS_CONNECTION },
        { "08006", 'E', HF_CLASS_CONNECTION }, { "08001", 'E', HF_CLASS_CONNECTION },
        { "08004", 'E', HF_CLASS_CONNECTION }, { "08P01", 'E', HF_CLASS_CONNECTION },
        { "57P01", 'E', HF_CLASS_STATEMENT },  { "57P02", 'E', HF_CLASS_STATEMENT },
        { "57P05", 'E', HF_CLASS_STATEMENT },  { "25P03", 'E', HF_CLASS_STATEMENT },
        { "57P04", 'E', HF_CLASS_STATEMENT },  { "57P03", 'F', HF_CLASS_NOT_READY },
        { "53300", 'F', HF_CLASS_NOT_READY },  { "08007", 'E', HF_CLASS_AMBIGUOUS },
        { "40003", 'E', HF_CLASS_AMBIGUOUS },  { "XXA00", 'E', HF_CLASS_COMMITTED },
        { "26000", 'E', HF_CLASS_REPREPARE },  { "42P05", 'E', HF_CLASS_REPREPARE },
        { "42804", 'E', HF_CLASS_REPREPARE },  { "42883", 'E', HF_CLASS_REPREPARE },
        { "57014", 'E', HF_CLASS_CANCELLED },  { "28000", 'E', HF_CLASS_STATEMENT },
        { "3D000", 'E', HF_CLASS_STATEMENT },  { "42P01", 'E', HF_CLASS_STATEMENT },
        { "42501", 'E', HF_CLASS_STATEMENT },  { "22012", 'E', HF_CLASS_STATEMENT },
        { "23505", 'E', HF_CLASS_STATEMENT },  { "0A000", 'E', HF_CLASS_STATEMENT },
        { "XX000", 'E', HF_CLASS_CONNECTION }, { "53000", 'E', HF_CLASS_SHORTAGE },
        { "53100", 'E', HF_CLASS_SHORTAGE },   { "53200", 'E', HF_CLASS_SHORTAGE },
        { "58030", 'E', HF_CLASS_SHORTAGE },   { "55P03", 'E', HF_CLASS_BUSY },
        { "53400", 'E', HF_CLASS_STATEMENT },  { "54000", 'E', HF_CLASS_STATEMENT },
        { "P0001", 'E', HF_CLASS_STATEMENT },  { "25P02", 'E', HF_CLASS_STATEMENT },
        { "40002", 'E', HF_CLASS_STATEMENT },  { "", 'E', HF_CLASS_STATEMENT },
        { "XXUUU", 'E', HF_CLASS_CONNECTION }, { "XX001", 'E', HF_CLASS_CONNECTION },
        { "ZZZZZ", 'E', HF_CLASS_STATEMENT },  { "\033\033\033\033\033", 'F', HF_CLASS_STATEMENT },
    };
    (void)state;
    hold(claims, COUNT(claims), HF_PHASE_QUERY, false);
    hold(claims, COUNT(claims), HF_PHASE_QUERY, true);
}

/* Shows found T8. */
static void a_refusal_of_a_login_is_judged_by_how_far_the_proof_was(void **state) {
    static const char sasl[] = "SASL authentication failed", no_server[] = "query_wait_timeout";
    static const char elsewhere[] = "server login failed: FATAL password authentication failed";
    static const struct {
        const char *sqlstate, *message;
        bool claimed, sent, verified; /* permanent? */
    } claims[] = {
        { "28P01", sasl, true, true, true },
        { "28000", "no entry", true, true, true },
        { "3D000", "no database", true, true, true },
        { "42501", "denied", true, true, true },
        { "08P01", sasl, true, true, false },
        { "XX000", sasl, true, true, false },
        { "08P01", no_server, false, true, false },
        { "XX000", no_server, false, true, false },
        { "08P01", elsewhere, false, true, false },
        { "08006", no_server, false, true, false },
        { "57P03", "starting", false, false, false },
        { "53300", "full", false, false, false },
        { "58030", "disk", false, false, false },
        { "57P01", "going", false, false, false },
        { "42704", "parameter", true, true, true },
        { "22023", "value", true, true, true },
        { "0A000", "feature", true, true, false },
        { "42P01", "?", true, true, false },
        { "08P01", "password authentication failed", true, true, false },
        { "XX000", "md5 authentication failed", true, true, false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(claims); i++) {
        hf_error error = server(HF_PHASE_LOGIN, 'F', claims[i].sqlstate);
        hf_error_message(&error, claims[i].message, strlen(claims[i].message));
        const bool wants[] = { false, claims[i].claimed, claims[i].sent, claims[i].verified };
        for (hf_proof proof = HF_PROOF_CLAIMED; proof <= HF_PROOF_VERIFIED; proof++) {
            const bool is = hf_classify_login(&error, proof) == HF_CLASS_PERMANENT;
            if (is != wants[proof])
                fail_msg("%s %s at proof %d", claims[i].sqlstate, claims[i].message, (int)proof);
        }
    }
    /* What holdfast found itself is judged as ever. */
    hf_error own = { .code = HF_ERR_EOF, .phase = HF_PHASE_LOGIN };
    assert_int_equal(hf_classify_login(&own, HF_PROOF_SENT), HF_CLASS_RECONNECT);
    own.code = HF_ERR_AUTH_SERVER;
    assert_int_equal(hf_classify_login(&own, HF_PROOF_VERIFIED), HF_CLASS_PERMANENT);
}

/* Shows security 17, rule 17. */
static void a_login_refused_for_good_is_permanent_and_nothing_else_is(void **state) {
    static const claim claims[] = {
        { "28P01", 'F', HF_CLASS_PERMANENT }, { "28000", 'F', HF_CLASS_PERMANENT },
        { "3D000", 'F', HF_CLASS_PERMANENT }, { "42501", 'F', HF_CLASS_PERMANENT },
        { "42704", 'F', HF_CLASS_PERMANENT }, { "22023", 'F', HF_CLASS_PERMANENT },
        { "0A000", 'F', HF_CLASS_PERMANENT }, { "57P03", 'F', HF_CLASS_NOT_READY },
        { "53300", 'F', HF_CLASS_NOT_READY }, { "53200", 'F', HF_CLASS_NOT_READY },
        { "55000", 'F', HF_CLASS_NOT_READY }, { "08P01", 'F', HF_CLASS_NOT_READY },
        { "08004", 'F', HF_CLASS_NOT_READY }, { "57P01", 'F', HF_CLASS_RECONNECT },
        { "57P02", 'F', HF_CLASS_RECONNECT }, { "08006", 'F', HF_CLASS_RECONNECT },
        { "57014", 'F', HF_CLASS_RECONNECT }, { "XX000", 'F', HF_CLASS_RECONNECT },
        { "58000", 'F', HF_CLASS_RECONNECT }, { "40001", 'F', HF_CLASS_RECONNECT },
        { "", 'F', HF_CLASS_RECONNECT },
    };
    (void)state;
    hold(claims, COUNT(claims), HF_PHASE_LOGIN, false);
}

static void a_fatal_at_rest_is_a_lost_connection(void **state) {
    static const claim claims[] = {
        { "57P01", 'F', HF_CLASS_RECONNECT }, { "57P05", 'F', HF_CLASS_RECONNECT },
        { "25P03", 'F', HF_CLASS_RECONNECT }, { "57P03", 'F', HF_CLASS_NOT_READY },
        { "28P01", 'F', HF_CLASS_RECONNECT }, { "XX000", 'P', HF_CLASS_RECONNECT },
        { "", 'F', HF_CLASS_RECONNECT },
    };
    (void)state;
    hold(claims, COUNT(claims), HF_PHASE_NONE, false);
    hold(claims, COUNT(claims), HF_PHASE_PROBE, false);
}

static void read_only_is_the_statements_fault_in_our_own_session_and_a_role_else(void **state) {
    static const claim ours[] = { { "25006", 'E', HF_CLASS_STATEMENT } };
    static const claim role[] = { { "25006", 'E', HF_CLASS_ROLE } };
    (void)state;
    hold(ours, 1, HF_PHASE_QUERY, true);
    hold(role, 1, HF_PHASE_QUERY, false);
    hold(role, 1, HF_PHASE_LOGIN, true);
}

static void of_unsupported_features_only_a_changed_plan_is_prepared_again(void **state) {
    hf_error error = server(HF_PHASE_QUERY, 'E', "0A000");
    (void)state;
    hf_error_message(&error, "cached plan must not change result type", 39);
    assert_int_equal(hf_classify(&error, false), HF_CLASS_REPREPARE);
    hf_error_message(&error, "cannot use a feature", 20);
    assert_int_equal(hf_classify(&error, false), HF_CLASS_STATEMENT);
}

static void a_notice_never_decides(void **state) {
    static const char *const codes[] = { "57P01", "57P02", "28P01", "40001", "00000", "" };
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        for (hf_phase phase = HF_PHASE_NONE; phase <= HF_PHASE_CLOSE; phase++) {
            hf_error error = server(phase, 'W', codes[i]);
            assert_int_equal(hf_classify(&error, false), HF_CLASS_NONE);
        }
    }
}

static void a_servers_words_before_tls_decide_nothing(void **state) {
    static const char *const codes[] = { "28P01", "3D000", "0A000", "25006", "53300" };
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        hf_error error = server(HF_PHASE_TLS, 'F', codes[i]);
        assert_int_equal(hf_classify(&error, false), HF_CLASS_RECONNECT);
    }
}

static void every_error_of_ours_has_its_class(void **state) {
    static const struct {
        hf_err code;
        hf_class connecting, running;
    } claims[] = {
        { HF_OK, HF_CLASS_NONE, HF_CLASS_NONE },
        { HF_ERR_ARGUMENT, HF_CLASS_PERMANENT, HF_CLASS_STATEMENT },
        { HF_ERR_CONFIG, HF_CLASS_PERMANENT, HF_CLASS_STATEMENT },
        { HF_ERR_TOO_LARGE, HF_CLASS_PERMANENT, HF_CLASS_STATEMENT },
        { HF_ERR_STATE, HF_CLASS_STATEMENT, HF_CLASS_STATEMENT },
        { HF_ERR_CLOSED, HF_CLASS_STATEMENT, HF_CLASS_STATEMENT },
        { HF_ERR_CANCELLED, HF_CLASS_CANCELLED, HF_CLASS_CANCELLED },
        { HF_ERR_TIMEOUT, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_OUTAGE, HF_CLASS_STATEMENT, HF_CLASS_STATEMENT },
        { HF_ERR_RESOURCES, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_RESOLVE, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_REFUSED, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_RESET, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_EOF, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_UNREACHABLE, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_NET_TIMEOUT, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_NET, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_TLS, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_TLS_REFUSED, HF_CLASS_PERMANENT, HF_CLASS_PERMANENT },
        { HF_ERR_TLS_CERT, HF_CLASS_PERMANENT, HF_CLASS_PERMANENT },
        { HF_ERR_TLS_REJECTED, HF_CLASS_PERMANENT, HF_CLASS_PERMANENT },
        { HF_ERR_TLS_INJECTED, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_TLS_TRUNCATED, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_PROTOCOL, HF_CLASS_RECONNECT, HF_CLASS_RECONNECT },
        { HF_ERR_AUTH_METHOD, HF_CLASS_PERMANENT, HF_CLASS_PERMANENT },
        { HF_ERR_AUTH_SERVER, HF_CLASS_PERMANENT, HF_CLASS_PERMANENT },
        { HF_ERR_AUTH_PASSWORD, HF_CLASS_PERMANENT, HF_CLASS_PERMANENT },
        { HF_ERR_READ_ONLY, HF_CLASS_STATEMENT, HF_CLASS_STATEMENT },
        { HF_ERR_OPEN_TRANSACTION, HF_CLASS_STATEMENT, HF_CLASS_STATEMENT },
        { HF_ERR_UNRESOLVED, HF_CLASS_STATEMENT, HF_CLASS_STATEMENT },
    };
    static const hf_phase dial[] = { HF_PHASE_RESOLVE, HF_PHASE_TCP, HF_PHASE_TLS, HF_PHASE_LOGIN };
    static const int codes[] = {
#define X(name, number, text) HF_##name,
        HF_ERRORS(X)
#undef X
    };
    (void)state;
    assert_int_equal(COUNT(claims) + 1, COUNT(codes)); /* all but HF_ERR_SERVER */
    for (size_t i = 0; i < COUNT(claims); i++) {
        hf_error error = { .code = (int16_t)claims[i].code };
        for (size_t phase = 0; phase < COUNT(dial); phase++) {
            error.phase = (uint8_t)dial[phase];
            assert_int_equal(hf_classify(&error, false), claims[i].connecting);
        }
        error.phase = HF_PHASE_QUERY;
        assert_int_equal(hf_classify(&error, false), claims[i].running);
    }
}

static void a_timeout_in_the_queue_is_the_requests_own(void **state) {
    hf_error error = { .code = HF_ERR_TIMEOUT, .phase = HF_PHASE_QUEUE };
    (void)state;
    assert_int_equal(hf_classify(&error, false), HF_CLASS_STATEMENT);
}

static void anything_at_all_has_a_class_with_a_name(void **state) {
    uint32_t seed = 3;
    (void)state;
    for (int i = 0; i < 100000; i++) {
        hf_error error = { .code = (int16_t) - (int)(unit_random(&seed) % 100),
                           .phase = (uint8_t)(unit_random(&seed) % 12),
                           .severity = (char)unit_random(&seed) };
        for (size_t at = 0; at < 5; at++) {
            error.sqlstate[at] = (char)unit_random(&seed);
        }
        assert_string_not_equal(hf_class_name(hf_classify(&error, i & 1)), "?");
    }
    assert_string_equal(hf_class_name((hf_class)99), "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statements_error_decides_as_the_table_says),
        cmocka_unit_test(a_refusal_of_a_login_is_judged_by_how_far_the_proof_was),
        cmocka_unit_test(a_login_refused_for_good_is_permanent_and_nothing_else_is),
        cmocka_unit_test(a_fatal_at_rest_is_a_lost_connection),
        cmocka_unit_test(read_only_is_the_statements_fault_in_our_own_session_and_a_role_else),
        cmocka_unit_test(of_unsupported_features_only_a_changed_plan_is_prepared_again),
        cmocka_unit_test(a_notice_never_decides),
        cmocka_unit_test(a_servers_words_before_tls_decide_nothing),
        cmocka_unit_test(every_error_of_ours_has_its_class),
        cmocka_unit_test(a_timeout_in_the_queue_is_the_requests_own),
        cmocka_unit_test(anything_at_all_has_a_class_with_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
