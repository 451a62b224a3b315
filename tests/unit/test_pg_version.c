#include "machine/classify.h"
#include "unit.h"

#include "pg_peer.h"

/* Which version of the protocol is asked for, what becomes of it, and the cancel key that comes of it (SEMANTICS 65).
 * The server is played by hand. */

#if HF_WITH_VERSIONS

static pg_peer peer;

static void asks(hf_protocol_version least, hf_protocol_version most) {
    pg_peer_init(&peer);
    peer.config.min_protocol_version = (uint8_t)least;
    peer.config.max_protocol_version = (uint8_t)most;
    pg_peer_start(&peer);
}

#define OK(peer) PG_SAY(peer, 'R', "\0\0\0\0")

/* Shows rule 65. */
static void the_version_asked_for_is_3_0_unless_the_user_says_otherwise(void **state) {
    static const struct {
        hf_protocol_version least, most;
        bool old;
        uint8_t minor;
    } cases[] = {
        { HF_PROTOCOL_DEFAULT, HF_PROTOCOL_DEFAULT, false, 0 },
        { HF_PROTOCOL_DEFAULT, HF_PROTOCOL_3_0, false, 0 },
        { HF_PROTOCOL_DEFAULT, HF_PROTOCOL_3_2, false, 2 },
        { HF_PROTOCOL_DEFAULT, HF_PROTOCOL_LATEST, false, 2 },
        { HF_PROTOCOL_3_0, HF_PROTOCOL_DEFAULT, false, 0 },
        { HF_PROTOCOL_3_2, HF_PROTOCOL_DEFAULT, false, 2 },
        { HF_PROTOCOL_DEFAULT, HF_PROTOCOL_3_2, true, 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint8_t version[4] = { 0, 3, 0, cases[i].minor };
        pg_peer_init(&peer);
        peer.config.min_protocol_version = (uint8_t)cases[i].least;
        peer.config.max_protocol_version = (uint8_t)cases[i].most;
        peer.io.old_protocol = cases[i].old;
        assert_int_equal(hf_driver_pg.start(&peer.session, &peer.io), HF_OK);
        assert_memory_equal(peer.io.tx.data + 4, version, sizeof version);
    }
}

/* One NegotiateProtocolVersion, and what the driver says to it: "" goes on. Shows rule 65. */
static void a_negotiation_is_taken_or_refused_by_name(void **state) {
#define V(minor, rest) "\0\3\0" minor rest, sizeof("\0\3\0" minor rest) - 1
    static const struct {
        const char *body;
        size_t bytes;
        hf_protocol_version least, most;
        int code;
        const char *says;
    } cases[] = {
        { V("\0", "\0\0\0\0"), 0, HF_PROTOCOL_3_2, 0, "" },
        { V("\2", "\0\0\0\0"), 0, HF_PROTOCOL_3_2, 0, "" },
        { V("\0", "\0\0\0\0"), 0, 0, 0, "" },
        /* an option that nobody asked for, as a pooler may list what it adds */
        { V("\2", "\0\0\0\1_pq_.theirs\0"), 0, HF_PROTOCOL_3_2, 0, "" },
        { V("\0", "\0\0\0\2_pq_.theirs\0_pq_.more\0"), 0, HF_PROTOCOL_3_2, 0, "" },
        { V("\2", "\0\0\0\1_pq_.mine\0"), 0, HF_PROTOCOL_3_2, HF_ERR_CONFIG,
          "the server does not know the start-up parameter _pq_.mine" },
        { V("\0", "\0\0\0\0"), HF_PROTOCOL_3_2, 0, HF_ERR_CONFIG,
          "the server speaks protocol 3.0 at most; min_protocol_version is 3.2" },
        { V("\1", "\0\0\0\0"), 0, HF_PROTOCOL_3_2, HF_ERR_PROTOCOL, "3.1" },
        { V("\3", "\0\0\0\0"), 0, HF_PROTOCOL_3_2, HF_ERR_PROTOCOL, "3.3" },
        { V("\2", "\0\0\0\0"), 0, HF_PROTOCOL_3_0, HF_ERR_PROTOCOL, "3.2" },
        { "\0\2\0\0\0\0\0\0", 8, 0, HF_PROTOCOL_3_2, HF_ERR_PROTOCOL, "2.0" },
        { "\0\4\0\0\0\0\0\0", 8, 0, HF_PROTOCOL_3_2, HF_ERR_PROTOCOL, "4.0" },
        { V("\0", "\0\0\0\1geqo\0"), 0, HF_PROTOCOL_3_2, HF_ERR_PROTOCOL, "malformed" },
        { V("\0", "\0\0\0\1"), 0, HF_PROTOCOL_3_2, HF_ERR_PROTOCOL, "malformed" },
        { V("\0", "\0\0\0\0more"), 0, HF_PROTOCOL_3_2, HF_ERR_PROTOCOL, "malformed" },
        { V("\0", "\xff\xff\xff\xff_pq_.x\0"), 0, HF_PROTOCOL_3_2, HF_ERR_PROTOCOL, "malformed" },
        { V("\0", "\0\0"), 0, HF_PROTOCOL_3_2, HF_ERR_PROTOCOL, "malformed" },
    };
#undef V
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        asks(cases[i].least, cases[i].most);
        peer.config.parameters = "_pq_.mine\0on\0";
        pg_peer_say(&peer, 'v', cases[i].body, cases[i].bytes);
        if (cases[i].code == 0) {
            OK(&peer);
            PG_SAY(&peer, 'Z', "I");
            PG_EVENTS(&peer, "UP\n");
            continue;
        }
        assert_int_equal(peer.last, HF_DRIVER_BROKEN);
        assert_int_equal(peer.io.error.code, cases[i].code);
        assert_non_null(strstr(peer.io.error.message, cases[i].says));
        assert_int_equal(hf_classify(&peer.io.error, false),
                         cases[i].code == HF_ERR_CONFIG ? HF_CLASS_PERMANENT : HF_CLASS_RECONNECT);
    }
}

static void a_negotiation_comes_once_and_before_anything_else(void **state) {
    (void)state;
    asks(0, HF_PROTOCOL_3_2);
    PG_SAY(&peer, 'v', "\0\3\0\0\0\0\0\0");
    PG_SAY(&peer, 'v', "\0\3\0\0\0\0\0\0");
    assert_int_equal(peer.io.error.code, HF_ERR_PROTOCOL);
    asks(0, HF_PROTOCOL_3_2);
    OK(&peer);
    PG_SAY(&peer, 'v', "\0\3\0\0\0\0\0\0");
    assert_int_equal(peer.io.error.code, HF_ERR_PROTOCOL);
}

/* How far the login was when the server refused it. */
enum { AT_ONCE, NEGOTIATED, BEHIND_OK };

static void come(int far) {
    if (far == NEGOTIATED)
        PG_SAY(&peer, 'v', "\0\3\0\2\0\0\0\1_pq_.x\0");
    else if (far == BEHIND_OK)
        OK(&peer);
}

/* Shows rule 65. */
static void whoever_drops_the_version_is_dialled_again_without_it(void **state) {
    static const char header[] = "bad packet header: '0000002200030002'";
    static const struct {
        const char *sqlstate, *message, *detail;
        int far;
        bool again;       /* without a bound below */
        const char *says; /* with 3.2 as that; NULL: an error like any other */
    } cases[] = {
        { "08P01", header, "", AT_ONCE, true, header },
        { "0A000", "unsupported frontend protocol 3.2: server supports 2.0 to 3.0", "", AT_ONCE,
          true, "unsupported frontend protocol 3.2" },
        { "XX000", "backend authentication failed",
          "backend response with kind 'v' when expecting 'R'", AT_ONCE, true, "kind 'v'" },
        { "XX000", "backend authentication failed",
          "backend response with kind 'v' when expecting 'R'", BEHIND_OK, true, "kind 'v'" },
        { "XX000", "authentication failed", "invalid messages length(40) for BackendKeyData",
          BEHIND_OK, true, "BackendKeyData" },
        { "08P01", "who knows", "", AT_ONCE, true, NULL },
        { "08P01", "who knows", "", BEHIND_OK, false, NULL },
        { "08P01", "who knows", "", NEGOTIATED, false, NULL },
        { "53300", "too many connections", "", AT_ONCE, false, NULL },
        { "57P03", "the database system is starting up", "", AT_ONCE, false, NULL },
        { "28P01", "password authentication failed", "", AT_ONCE, false, NULL },
        { "28000", "no pg_hba.conf entry", "", AT_ONCE, false, NULL },
        { "3D000", "database \"db\" does not exist", "", AT_ONCE, false, NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int strict = 0; strict < 2; strict++) {
            char body[400];
            const int n = snprintf(body, sizeof body, "SFATAL%cVFATAL%cC%s%cM%s%cD%s%c", 0, 0,
                                   cases[i].sqlstate, 0, cases[i].message, 0, cases[i].detail, 0);
            body[n] = 0;
            asks(strict ? HF_PROTOCOL_3_2 : HF_PROTOCOL_DEFAULT, HF_PROTOCOL_3_2);
            come(cases[i].far);
            pg_peer_say(&peer, 'E', body, (size_t)n + 1);
            const bool again = cases[i].again && !strict;
            assert_int_equal(peer.last, again ? HF_DRIVER_AGAIN : HF_DRIVER_FATAL);
            assert_int_equal(peer.io.old_protocol, again);
            assert_int_equal(peer.io.degraded, 0);
            if (again) /* the second time it is an error like any other */ {
                pg_peer_start(&peer);
                come(cases[i].far);
                pg_peer_say(&peer, 'E', body, (size_t)n + 1);
                assert_int_equal(peer.last,
                                 cases[i].far == NEGOTIATED ? HF_DRIVER_BROKEN : HF_DRIVER_FATAL);
            }
            const bool named = strict && cases[i].says;
            assert_int_equal(peer.io.error.code, named ? HF_ERR_CONFIG : HF_ERR_SERVER);
            if (named) {
                assert_non_null(strstr(peer.io.error.message, "min_protocol_version"));
                assert_non_null(strstr(peer.io.error.message, cases[i].says));
            }
        }
    }
}

static void a_parameter_that_is_refused_is_not_the_version(void **state) {
    (void)state;
    asks(0, HF_PROTOCOL_3_2);
    pg_peer_error(&peer, "FATAL", "08P01", "unsupported startup parameter: tcp_keepalives_idle");
    assert_int_equal(peer.last, HF_DRIVER_AGAIN);
    assert_true(peer.io.degraded > 0);
    assert_false(peer.io.old_protocol);
    asks(0, HF_PROTOCOL_3_2);
    peer.config.parameters = "geqo\0off\0";
    pg_peer_error(&peer, "FATAL", "08P01", "unsupported startup parameter: geqo");
    assert_int_equal(peer.last, HF_DRIVER_FATAL); /* the user's own: for good */
    assert_false(peer.io.old_protocol);
}

/* Shows rule 65. */
static void a_link_that_ends_before_any_answer_may_be_the_versions_fault(void **state) {
    static const struct {
        hf_protocol_version least, most;
        int far;
        bool may;
    } cases[] = {
        { 0, HF_PROTOCOL_3_2, AT_ONCE, true },    { 0, HF_PROTOCOL_3_2, NEGOTIATED, false },
        { 0, HF_PROTOCOL_3_2, BEHIND_OK, false }, { 0, HF_PROTOCOL_3_0, AT_ONCE, false },
        { HF_PROTOCOL_3_2, 0, AT_ONCE, false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        asks(cases[i].least, cases[i].most);
        come(cases[i].far);
        assert_int_equal(hf_driver_pg.hung_up(&peer.session, &peer.io), cases[i].may);
        assert_int_equal(peer.io.old_protocol, cases[i].may);
        if (cases[i].may) {
            pg_peer_start(&peer);
            assert_false(hf_driver_pg.hung_up(&peer.session, &peer.io));
        }
    }
}

/* Shows rule 65. */
static void a_cancel_key_is_as_long_as_the_version_allows_and_goes_back_whole(void **state) {
    static const struct {
        hf_protocol_version most;
        unsigned bytes; /* of the secret */
        bool good;
    } cases[] = {
        { HF_PROTOCOL_3_0, 4, true },    { HF_PROTOCOL_3_0, 3, false },
        { HF_PROTOCOL_3_0, 5, false },   { HF_PROTOCOL_3_0, 32, false },
        { HF_PROTOCOL_3_2, 4, true },    { HF_PROTOCOL_3_2, 3, false },
        { HF_PROTOCOL_3_2, 0, false },   { HF_PROTOCOL_3_2, 32, true },
        { HF_PROTOCOL_3_2, 255, true },  { HF_PROTOCOL_3_2, 256, true },
        { HF_PROTOCOL_3_2, 257, false }, { HF_PROTOCOL_3_2, 300, false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t key[4 + 300] = { 0, 0, 0x12, 0x34 }, out[HF_CANCEL_BYTES];
        const unsigned length = 8 + 4 + cases[i].bytes;
        for (unsigned k = 4; k < sizeof key; k++)
            key[k] = (uint8_t)(k * 7);
        asks(0, cases[i].most);
        OK(&peer);
        pg_peer_say(&peer, 'K', key, 4 + cases[i].bytes);
        if (!cases[i].good) {
            assert_int_equal(peer.io.error.code, HF_ERR_PROTOCOL);
            continue;
        }
        assert_int_equal(peer.io.backend, 0x1234);
        assert_int_equal(hf_driver_pg.cancel(&peer.session, out), length);
        const uint8_t head[8] = {
            0, 0, (uint8_t)(length >> 8), (uint8_t)length, 4, 0xd2, 0x16, 0x2e
        };
        assert_memory_equal(out, head, sizeof head);
        assert_memory_equal(out + sizeof head, key, length - sizeof head);
    }
    asks(0, HF_PROTOCOL_3_2); /* talked down: the key is a short one */
    PG_SAY(&peer, 'v', "\0\3\0\0\0\0\0\0");
    OK(&peer);
    PG_SAY(&peer, 'K', "\0\0\x12\x34\x56\x78\x9a\xbc\xde");
    assert_int_equal(peer.io.error.code, HF_ERR_PROTOCOL);
}

/* The same in a session, from start-up to a cancelled statement: for every way in which its bytes may arrive. */
static void a_session_of_3_2_comes_up_however_its_bytes_arrive(void **state) {
    (void)state;
    for (uint32_t step = 1; step < 50; step++) {
        uint8_t key[4 + 32] = { 0, 0, 0, 9 }, out[HF_CANCEL_BYTES];
        asks(0, HF_PROTOCOL_LATEST);
        peer.step = step;
        PG_SAY(&peer, 'v', "\0\3\0\2\0\0\0\1_pq_.theirs\0");
        OK(&peer);
        pg_peer_say(&peer, 'K', key, sizeof key);
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, "UP\n");
        assert_int_equal(hf_driver_pg.cancel(&peer.session, out), 8 + sizeof key);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_version_asked_for_is_3_0_unless_the_user_says_otherwise),
        cmocka_unit_test(a_negotiation_is_taken_or_refused_by_name),
        cmocka_unit_test(a_negotiation_comes_once_and_before_anything_else),
        cmocka_unit_test(whoever_drops_the_version_is_dialled_again_without_it),
        cmocka_unit_test(a_parameter_that_is_refused_is_not_the_version),
        cmocka_unit_test(a_link_that_ends_before_any_answer_may_be_the_versions_fault),
        cmocka_unit_test(a_cancel_key_is_as_long_as_the_version_allows_and_goes_back_whole),
        cmocka_unit_test(a_session_of_3_2_comes_up_however_its_bytes_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
    return 0;
}

#endif
