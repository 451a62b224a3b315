#include "machine/classify.h"
#include "pg/scram.h"
#include "unit.h"

#include "pg_peer.h"

/* Who is believed, and what is sent to whom (SECURITY 3, 4, 5, 11; FAULTS 15, 16). The server here is played by
 * hand and does what it should not. */

static pg_peer peer;

static void with_password(unsigned require_auth) {
    pg_peer_init(&peer);
    peer.config.password = "secret words";
    peer.config.require_auth = (uint8_t)require_auth;
    pg_peer_start(&peer);
}

#define AUTH(peer, kind, rest) PG_SAY(peer, 'R', "\0\0\0" kind rest)
#define OK(peer)               AUTH(peer, "\0", "")
#define SASL(peer)             AUTH(peer, "\x0a", "SCRAM-SHA-256\0\0")
#define SASL_PLUS(peer)        AUTH(peer, "\x0a", "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
#define NONCE                  "AAAAAAAAAAAAAAAAAAAAAAAA"
#define FIRST(peer)            AUTH(peer, "\x0b", "r=" NONCE "more,s=c2FsdA==,i=4096")

/* Refused for good, and nothing was sent in answer. */
static void refused(int code) {
    assert_int_equal(peer.last, HF_DRIVER_BROKEN);
    assert_int_equal(peer.io.error.code, code);
    assert_int_equal(peer.io.error.phase, HF_PHASE_LOGIN);
    assert_int_equal(peer.io.tx.end, 0);
    assert_true(peer.io.error.message[0] || code == HF_ERR_AUTH_PASSWORD || !HF_WITH_MESSAGES);
}

/* Shows fault 15, security 4, rule 32. */
static void scram_is_the_default_with_a_password_and_nothing_weaker_is_answered(void **state) {
    (void)state;
    with_password(0);
    OK(&peer);
    refused(HF_ERR_AUTH_METHOD);
    with_password(0);
    AUTH(&peer, "\x03", "");
    refused(HF_ERR_AUTH_METHOD);
    with_password(0);
    AUTH(&peer, "\x05", "salt");
    refused(HF_ERR_AUTH_METHOD);
    with_password(0);
    SASL(&peer);
    assert_true(pg_peer_sends(&peer, "n,,n=,r=" NONCE));
    assert_string_equal(pg_peer_sent(&peer), "p");
}

/* Shows rule 32. */
static void without_a_password_only_trust_is_the_default(void **state) {
    (void)state;
    with_password(0);
    peer.config.password = NULL;
    OK(&peer);
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(&peer, "UP\n");
    for (int i = 0; i < 3; i++) {
        with_password(0);
        peer.config.password = i == 0 ? NULL : "";
        if (i == 2)
            AUTH(&peer, "\x03", "");
        else
            SASL(&peer);
        refused(HF_ERR_AUTH_METHOD);
    }
    with_password(HF_AUTH_SCRAM | HF_AUTH_MD5 | HF_AUTH_PASSWORD);
    peer.config.password = NULL;
    SASL(&peer);
    refused(HF_ERR_AUTH_PASSWORD);
}

static void cleartext_needs_encryption_a_local_socket_or_to_be_the_only_method(void **state) {
    (void)state;
    with_password(HF_AUTH_PASSWORD | HF_AUTH_SCRAM);
    AUTH(&peer, "\x03", "");
    refused(HF_ERR_AUTH_METHOD);
    for (int i = 0; i < 3; i++) {
        with_password(i == 2 ? HF_AUTH_PASSWORD : HF_AUTH_PASSWORD | HF_AUTH_SCRAM);
        peer.io.encrypted = i == 0;
        peer.config.hosts[0].name = i == 1 ? "/run/postgresql" : "db.example";
        peer.config.n_hosts = 1;
        AUTH(&peer, "\x03", "");
        assert_true(pg_peer_sends(&peer, "secret words"));
    }
    for (unsigned i = 0; i < 3;
         i++) { /* this host decides: far away, or the folder by its address */
        with_password(HF_AUTH_PASSWORD | HF_AUTH_SCRAM);
        peer.config.hosts[0].name = "/run/postgresql";
        peer.config.hosts[1].name = i == 2 ? "/run/postgresql" : "db.example";
        peer.config.hosts[1].address = i == 2 ? "10.0.0.1" : NULL;
        peer.config.n_hosts = 2;
        peer.io.host = &peer.config.hosts[i > 0];
        AUTH(&peer, "\x03", "");
        if (i == 0)
            assert_true(pg_peer_sends(&peer, "secret words"));
        else
            refused(HF_ERR_AUTH_METHOD);
    }
}

/* Shows security 14. */
static void a_password_that_was_sent_does_not_stay_in_memory(void **state) {
    (void)state;
    with_password(HF_AUTH_PASSWORD);
    AUTH(&peer, "\x03", "");
    peer.io.tx.start = peer.io.tx.end = 0; /* it was sent */
    OK(&peer);
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(&peer, "UP\n");
    for (size_t i = 0; i + 6 < sizeof peer.tx; i++)
        assert_memory_not_equal(peer.tx + i, "secret", 6);
    with_password(HF_AUTH_MD5);
    peer.config.password = "longer than what is put over it, and at its end a secret";
    AUTH(&peer, "\x05", "salt");
    for (size_t i = 0; i + 6 < sizeof peer.store; i++)
        assert_memory_not_equal(peer.store + i, "secret", 6);
}

/* Shows fault 15, security 4. */
static void ok_before_the_exchange_is_complete_is_refused(void **state) {
    (void)state;
    for (int step = 0; step < 3; step++) {
        with_password(HF_AUTH_SCRAM | HF_AUTH_NONE); /* even where trust would do */
        SASL(&peer);
        if (step > 0)
            FIRST(&peer);
        peer.io.tx.end = 0;
        if (step < 2)
            OK(&peer);
        else
            AUTH(&peer, "\x0c", "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        refused(HF_ERR_AUTH_SERVER);
        assert_false(peer.keys.used);
    }
}

/* Shows fault 15. */
static void what_is_asked_out_of_turn_is_a_protocol_error(void **state) {
    (void)state;
    for (int i = 0; i < 7; i++) {
        with_password(HF_AUTH_SCRAM | HF_AUTH_MD5 | HF_AUTH_PASSWORD | HF_AUTH_NONE);
        switch (i) {
        case 0: FIRST(&peer); break;
        case 1: AUTH(&peer, "\x0c", "v="); break;
        case 2:
            SASL(&peer);
            peer.io.tx.end = 0;
            SASL(&peer);
            break;
        case 3:
            SASL(&peer);
            peer.io.tx.end = 0;
            AUTH(&peer, "\x05", "salt"); /* a downgrade in mid-exchange */
            break;
        case 4: PG_SAY(&peer, 'Z', "I"); break;
        case 5: PG_SAY(&peer, 'K', "\0\0\0\x01\0\0\0\x02"); break;
        case 6: PG_SAY(&peer, 'S', "client_encoding\0UTF8\0"); break;
        }
        refused(HF_ERR_PROTOCOL);
    }
    with_password(HF_AUTH_NONE); /* a second AuthenticationOk */
    OK(&peer);
    OK(&peer);
    refused(HF_ERR_PROTOCOL);
}

static void methods_that_do_not_exist_here_are_named(void **state) {
    static const char kinds[] = { 1, 2, 4, 6, 7, 8, 9 };
    (void)state;
    for (size_t i = 0; i < sizeof kinds; i++) {
        const char body[4] = { 0, 0, 0, kinds[i] };
        with_password(0);
        pg_peer_say(&peer, 'R', body, 4);
        assert_int_equal(peer.last, HF_DRIVER_BROKEN);
        assert_int_equal(peer.io.error.code, HF_ERR_AUTH_METHOD);
    }
    with_password(0);
    AUTH(&peer, "\x0a", "OAUTHBEARER\0\0");
    refused(HF_ERR_AUTH_METHOD);
}

static void a_malformed_list_of_mechanisms_is_a_protocol_error(void **state) {
    static const char *const lists[] = { "", "SCRAM-SHA-256", "SCRAM-SHA-256\0\0x" };
    static const size_t sizes[] = { 0, 13, 16 };
    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        char body[64] = { 0, 0, 0, 10 };
        memcpy(body + 4, lists[i], sizes[i]);
        with_password(0);
        pg_peer_say(&peer, 'R', body, 4 + sizes[i]);
        refused(HF_ERR_PROTOCOL);
    }
}

/* Shows fault 15, fault 16, security 5. */
static void scram_that_asks_too_much_is_refused_and_a_wrong_proof_too(void **state) {
    (void)state;
    with_password(0);
    SASL(&peer);
    peer.io.tx.end = 0;
    AUTH(&peer, "\x0b", "r=" NONCE "more,s=c2FsdA==,i=10000000");
    refused(HF_ERR_AUTH_SERVER);
    with_password(0);
    peer.config.scram_iterations_max = 4096;
    SASL(&peer);
    peer.io.tx.end = 0;
    AUTH(&peer, "\x0b", "r=" NONCE "more,s=c2FsdA==,i=4097");
    refused(HF_ERR_AUTH_SERVER);
    with_password(0);
    SASL(&peer);
    peer.io.tx.end = 0;
    AUTH(&peer, "\x0b", "r=BBBBBBBBBBBBBBBBBBBBBBBBmore,s=c2FsdA==,i=4096");
    refused(HF_ERR_AUTH_SERVER);
}

static void channel_binding_is_used_when_it_can_be_and_its_absence_is_told(void **state) {
    static const struct {
        uint8_t setting;
        bool encrypted, bound, plus;
        const char *sent; /* NULL: refused */
    } cases[] = {
        { HF_BINDING_PREFER, true, true, true, "p=tls-server-end-point,,n=," },
        { HF_BINDING_PREFER, true, true, false, "y,,n=," },
        { HF_BINDING_PREFER, true, false, true, "n,,n=," },
        { HF_BINDING_PREFER, false, true, true, "n,,n=," }, /* PLUS without TLS: not for us */
        { HF_BINDING_DISABLE, true, true, true, "n,,n=," },
        { HF_BINDING_REQUIRE, true, true, true, "p=tls-server-end-point,,n=," },
        { HF_BINDING_REQUIRE, true, true, false, NULL },
        { HF_BINDING_REQUIRE, true, false, true, NULL },
        { HF_BINDING_REQUIRE, false, true, true, NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        with_password(0);
        peer.config.channel_binding = cases[i].setting;
        peer.io.encrypted = cases[i].encrypted;
        peer.bound = cases[i].bound;
        if (cases[i].plus)
            SASL_PLUS(&peer);
        else
            SASL(&peer);
        if (!cases[i].sent) {
            refused(HF_ERR_AUTH_METHOD);
            continue;
        }
        assert_true(pg_peer_sends(&peer, cases[i].sent));
        assert_int_equal(pg_peer_sends(&peer, "SCRAM-SHA-256-PLUS"), cases[i].sent[0] == 'p');
        FIRST(&peer);
        assert_true(pg_peer_sends(&peer, cases[i].sent[0] == 'p' ? "c=cD10bHM" : "c="));
    }
}

/* Shows security 4. */
static void required_channel_binding_is_judged_by_what_was_used(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        with_password(HF_AUTH_NONE | HF_AUTH_MD5 | HF_AUTH_PASSWORD | HF_AUTH_SCRAM);
        peer.config.channel_binding = HF_BINDING_REQUIRE;
        peer.io.encrypted = peer.bound = true;
        if (i == 0)
            OK(&peer);
        else if (i == 1)
            AUTH(&peer, "\x05", "salt");
        else
            AUTH(&peer, "\x03", "");
        refused(HF_ERR_AUTH_METHOD);
    }
}

/* Shows security 14. */
static void nothing_of_the_login_stays_in_memory(void **state) {
    (void)state;
    with_password(0);
    SASL(&peer);
    FIRST(&peer);
    AUTH(&peer, "\x0c", "v=wrong");
    assert_int_equal(peer.last, HF_DRIVER_BROKEN);
    for (size_t i = 0; i < sizeof(hf_pg_scram); i++)
        assert_int_equal(peer.store[i], 0);
}

/* --- what else a server says while it lets us in --------------------------------------------------- */

/* Shows security 3. */
static void the_error_before_authentication_is_shown_as_printable_text_and_cut(void **state) {
    char long_text[4000] = "\x1b[31mlook \x07here\n";
    (void)state;
    with_password(0);
    memset(long_text + strlen(long_text), 'x', 3900);
    char body[4100];
    size_t n = (size_t)snprintf(body, sizeof body, "SFATAL%cC08006%cM%s%c", 0, 0, long_text, 0) + 1;
    pg_peer_say(&peer, 'E', body, n);
    assert_int_equal(peer.last, HF_DRIVER_FATAL);
    assert_true(peer.io.error.from_server);
    assert_memory_equal(peer.io.error.message, "?[31mlook ?here xxx", 19);
    assert_int_equal(strlen(peer.io.error.message), HF_MESSAGE_BYTES - 1);
    with_password(0); /* 30 KB at most before we know who it is */
    pg_peer_feed(&peer, "E\0\0\x75\x31", 5);
    assert_int_equal(peer.last, HF_DRIVER_BROKEN);
}

static void notices_and_negotiation_are_passed_over_anywhere(void **state) {
    static const char notice[] = "SNOTICE\0C00000\0Mpatience\0";
    (void)state;
    with_password(HF_AUTH_NONE);
    pg_peer_say(&peer, 'N', notice, sizeof notice);
    PG_SAY(&peer, 'v', "\0\x03\0\0\0\0\0\0");
    OK(&peer);
    pg_peer_say(&peer, 'N', notice, sizeof notice);
    PG_SAY(&peer, 'S', "is_superuser\0off\0");
    PG_SAY(&peer, 'Z', "I");
#if HF_WITH_MESSAGES
#define NOTICE "NOTICE the server says: NOTICE 00000 patience (in login)\n"
#else
#define NOTICE "NOTICE HF_OK in login: 00000 patience\n"
#endif
    PG_EVENTS(&peer, NOTICE NOTICE "UP\n");
}

/* Shows security 11. */
static void another_client_encoding_is_not_accepted(void **state) {
    (void)state;
    with_password(HF_AUTH_NONE);
    OK(&peer);
    PG_SAY(&peer, 'S', "client_encoding\0SQL_ASCII\0");
    refused(HF_ERR_PROTOCOL);
    pg_peer_up(&peer);
    PG_SAY(&peer, 'S', "client_encoding\0LATIN1\0");
    assert_int_equal(peer.last, HF_DRIVER_BROKEN);
}

static void a_session_that_starts_in_a_transaction_is_refused(void **state) {
    (void)state;
    with_password(HF_AUTH_NONE);
    OK(&peer);
    PG_SAY(&peer, 'Z', "T");
    refused(HF_ERR_PROTOCOL);
}

/* --- start-up parameters ---------------------------------------------------------------------------- */

static bool starts_with(uint8_t degraded, const char *parameter) {
    memset(&peer.session, 0, sizeof peer.session);
    peer.io.tx.start = peer.io.tx.end = 0;
    peer.io.degraded = degraded;
    assert_int_equal(hf_driver_pg.start(&peer.session, &peer.io), HF_OK);
    return pg_peer_sends(&peer, parameter);
}

static void refused_parameters_are_left_out_step_by_step(void **state) {
    static const char *const always[] = { "user", "database", "application_name", "client_encoding",
                                          "options" };
    (void)state;
    pg_peer_init(&peer);
    peer.config.read_only = true;
    peer.config.options = "-c search_path=x";
    for (uint8_t level = 0; level <= 2; level++) {
        for (size_t i = 0; i < COUNT(always); i++)
            assert_true(starts_with(level, always[i]));
        assert_int_equal(starts_with(level, "client_connection_check_interval"), level < 1);
        assert_int_equal(starts_with(level, "tcp_keepalives_idle"), level < 2);
        assert_false(starts_with(level, "tcp_user_timeout"));
        assert_int_equal(starts_with(level, "default_transaction_read_only"), level < 2);
    }
    peer.config.read_only = false;
    assert_false(starts_with(0, "default_transaction_read_only"));
}

static void which_step_is_taken_depends_on_the_parameter_that_was_refused(void **state) {
    static const struct {
        const char *sqlstate, *message;
        uint8_t from, to; /* to == from: a refusal like any other */
    } cases[] = {
        { "42704", "unrecognized configuration parameter \"client_connection_check_interval\"", 0,
          1 },
        { "55P02", "parameter \"client_connection_check_interval\" cannot be changed", 0, 1 },
        { "22023", "client_connection_check_interval must be set to 0 on this platform", 0, 1 },
        { "42704", "unrecognized configuration parameter \"tcp_keepalives_idle\"", 0, 2 },
        { "42704", "unrecognized configuration parameter \"tcp_keepalives_idle\"", 1, 2 },
        { "08P01", "unsupported startup parameter: default_transaction_read_only", 0, 2 },
        { "08P01", "unsupported startup parameter: extra", 0, 1 },
        { "08P01", "unsupported startup parameter: extra", 1, 2 },
        { "08P01", "unsupported startup parameter: tcp_keepalives_idle", 2, 2 },
        { "08P01", "server login has been failing", 0, 0 },
        { "42704", "unrecognized configuration parameter \"mine\"", 0, 0 },
        { "42501", "permission denied to set parameter \"tcp_keepalives_idle\"", 0, 0 },
        { "28000", "client_connection_check_interval", 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        with_password(0);
        peer.io.degraded = cases[i].from;
        pg_peer_error(&peer, "FATAL", cases[i].sqlstate, cases[i].message);
        assert_int_equal(peer.io.degraded, cases[i].to);
        assert_int_equal(peer.last,
                         cases[i].to == cases[i].from ? HF_DRIVER_FATAL : HF_DRIVER_AGAIN);
    }
}

/* Shows found S1. */
static void a_parameter_that_the_user_asked_for_is_never_left_out(void **state) {
    static const char *const messages[] = { "unsupported startup parameter: geqo",
                                            "invalid value for parameter \"TimeZone\": \"x\"",
                                            "unsupported startup parameter: options" };
    (void)state;
    pg_peer_init(&peer);
    peer.config.parameters = "TimeZone\0x\0geqo\0off\0";
    if (HF_SMALL) { /* it sends none, and does not pretend to */
        peer.config.hosts[0].name = "h";
        peer.config.n_hosts = 1;
        assert_false(hf_config_check(&peer.config, &peer.io.error));
        assert_string_equal(peer.io.error.message, "parameters");
        return;
    }
    for (uint8_t level = 0; level <= 2; level++) {
        assert_true(starts_with(level, "TimeZone"));
        assert_true(starts_with(level, "geqo"));
        assert_true(starts_with(level, "client_encoding"));
    }
    for (size_t i = 0; i < COUNT(messages); i++) {
        with_password(0);
        peer.config.parameters = "TimeZone\0x\0geqo\0off\0";
        peer.config.options = "-c work_mem=1MB";
        pg_peer_error(&peer, "FATAL", i == 1 ? "22023" : "08P01", messages[i]);
        assert_int_equal(peer.last, HF_DRIVER_FATAL);
        assert_int_equal(peer.io.degraded, 0);
        assert_int_equal(hf_classify(&peer.io.error, false), HF_CLASS_PERMANENT);
    }
}

static void a_start_up_message_that_does_not_fit_is_the_configurations_fault(void **state) {
    static char long_name[600];
    (void)state;
    pg_peer_init(&peer);
    memset(long_name, 'x', sizeof long_name - 1);
    peer.config.user = long_name;
    peer.io.tx.size = 512;
    assert_int_equal(hf_driver_pg.start(&peer.session, &peer.io), HF_ERR_TOO_LARGE);
    assert_int_equal(peer.io.error.code, HF_ERR_TOO_LARGE);
}

static int no_random(hf_port *port, void *out, size_t bytes) {
    (void)port, (void)out, (void)bytes;
    return HF_ERR_RESOURCES;
}

static void without_random_numbers_there_is_no_login(void **state) {
    (void)state;
    pg_peer_init(&peer);
    peer.api.random = no_random;
    assert_int_equal(hf_driver_pg.start(&peer.session, &peer.io),
                     HF_WITH_PREPARED ? HF_ERR_RESOURCES : HF_OK);
    with_password(0);
    peer.api.random = no_random;
    SASL(&peer);
    refused(HF_ERR_RESOURCES);
}

/* --- TLS, cancel -------------------------------------------------------------------------------------- */

/* Shows fault 11, security 2. */
static void only_s_starts_tls(void **state) {
    uint8_t request[16];
    (void)state;
    assert_int_equal(hf_driver_pg.tls_request(request), 8);
    assert_memory_equal(request, "\0\0\0\x08\x04\xd2\x16\x2f", 8);
    for (int byte = 0; byte < 256; byte++) {
        int answer = hf_driver_pg.tls_answer((uint8_t)byte);
        assert_int_equal(answer, byte == 'S'   ? HF_OK
                                 : byte == 'N' ? HF_ERR_TLS_REFUSED
                                               : HF_ERR_PROTOCOL);
    }
}

static void a_session_can_be_cancelled_once_its_key_is_known(void **state) {
    uint8_t out[64];
    (void)state;
    with_password(HF_AUTH_NONE);
    OK(&peer);
    assert_int_equal(hf_driver_pg.cancel(&peer.session, out), 0);
    PG_SAY(&peer, 'K', "\0\0\x12\x34\x56\x78\x9a\xbc");
    assert_int_equal(hf_driver_pg.cancel(&peer.session, out), 16);
    assert_memory_equal(out, "\0\0\0\x10\x04\xd2\x16\x2e\0\0\x12\x34\x56\x78\x9a\xbc", 16);
    assert_int_equal(peer.io.backend, 0x1234);
    PG_SAY(&peer, 'K', "\0\0\x12\x34\x56\x78\x9a\xbc"); /* twice */
    refused(HF_ERR_PROTOCOL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scram_is_the_default_with_a_password_and_nothing_weaker_is_answered),
        cmocka_unit_test(without_a_password_only_trust_is_the_default),
        cmocka_unit_test(cleartext_needs_encryption_a_local_socket_or_to_be_the_only_method),
        cmocka_unit_test(a_parameter_that_the_user_asked_for_is_never_left_out),
        cmocka_unit_test(a_password_that_was_sent_does_not_stay_in_memory),
        cmocka_unit_test(ok_before_the_exchange_is_complete_is_refused),
        cmocka_unit_test(what_is_asked_out_of_turn_is_a_protocol_error),
        cmocka_unit_test(methods_that_do_not_exist_here_are_named),
        cmocka_unit_test(a_malformed_list_of_mechanisms_is_a_protocol_error),
        cmocka_unit_test(scram_that_asks_too_much_is_refused_and_a_wrong_proof_too),
        cmocka_unit_test(channel_binding_is_used_when_it_can_be_and_its_absence_is_told),
        cmocka_unit_test(required_channel_binding_is_judged_by_what_was_used),
        cmocka_unit_test(nothing_of_the_login_stays_in_memory),
        cmocka_unit_test(the_error_before_authentication_is_shown_as_printable_text_and_cut),
        cmocka_unit_test(notices_and_negotiation_are_passed_over_anywhere),
        cmocka_unit_test(another_client_encoding_is_not_accepted),
        cmocka_unit_test(a_session_that_starts_in_a_transaction_is_refused),
        cmocka_unit_test(refused_parameters_are_left_out_step_by_step),
        cmocka_unit_test(which_step_is_taken_depends_on_the_parameter_that_was_refused),
        cmocka_unit_test(a_start_up_message_that_does_not_fit_is_the_configurations_fault),
        cmocka_unit_test(without_random_numbers_there_is_no_login),
        cmocka_unit_test(only_s_starts_tls),
        cmocka_unit_test(a_session_can_be_cancelled_once_its_key_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
