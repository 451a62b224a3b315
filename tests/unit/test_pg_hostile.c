#include "unit.h"

#include "pg_peer.h"

/* Faults 36 to 38 and 40: a peer that breaks the protocol is found out at the first byte that can tell, and no row
 * ever reaches a statement that it does not belong to. */

static pg_peer peer;
static hf_request request;
static bool kept; /* described while it is prepared, before Bind; else its portal is, behind it */

/* Where an answer can be when something wrong comes. */
typedef enum place {
    LOGIN,   /* nothing was heard yet */
    IDLE,    /* nothing in flight */
    SENT,    /* parsed, described, bound, executed: nothing of it is answered */
    PARSED,  /* ParseComplete came */
    BETWEEN, /* and the description, one column; of a portal: BindComplete */
    ROWS,    /* and the other of the two */
    DONE,    /* and CommandComplete */
    PROBING, /* a probe is in flight, nothing else */
    PLACES
} place;

static void go_to(place where) {
    static const char *const name[] = { "n" };
    request = (hf_request){ .sql = "SELECT 1 AS n",
                            .prepare = kept,
                            .on_columns = kept ? NULL : pg_peer_columns };
    if (where == LOGIN) {
        pg_peer_init(&peer);
        pg_peer_start(&peer);
        return;
    }
    pg_peer_up(&peer);
    if (where == PROBING)
        assert_int_equal(hf_driver_pg.probe(&peer.session, &peer.io), 1);
    if (where >= SENT && where <= DONE)
        assert_int_equal(pg_peer_submit(&peer, &request), 1);
    for (int step = PARSED; step <= (int)where && where <= DONE; step++) {
        if (step == PARSED)
            PG_SAY(&peer, '1', "");
        if (step == PARSED && kept)
            PG_SAY(&peer, 't', "\0\0");
        if (step == (kept ? BETWEEN : ROWS))
            pg_peer_describe(&peer, 1, name);
        if (step == (kept ? ROWS : BETWEEN))
            PG_SAY(&peer, '2', "");
    }
    if (where == DONE)
        PG_SAY(&peer, 'C', "SELECT 0\0");
    pg_peer_forget_events(&peer);
}

static void broken(int at, unsigned type) {
    if (peer.last != HF_DRIVER_BROKEN || peer.io.error.code != HF_ERR_PROTOCOL ||
        (HF_WITH_MESSAGES && !peer.io.error.message[0]))
        fail_msg("place %d, type %u: event %d, %s", at, type, peer.last, peer.events);
}

/* --- 36: lengths ------------------------------------------------------------------------------------ */

/* Shows fault 36, security 9. */
static void an_impossible_length_is_refused_on_its_header_alone(void **state) {
    static const uint32_t lengths[] = {
        0, 1, 2, 3, 0x40000001, 0x7fffffff, 0x80000000, 0xffffffff
    };
    (void)state;
    for (int where = 0; where < PLACES; where++) {
        for (unsigned type = 0; type < 256; type++) {
            for (size_t i = 0; i < COUNT(lengths); i++) {
                const uint32_t n = lengths[i];
                const uint8_t header[5] = { (uint8_t)type, (uint8_t)(n >> 24), (uint8_t)(n >> 16),
                                            (uint8_t)(n >> 8), (uint8_t)n };
                go_to((place)where);
                pg_peer_feed(&peer, header, 5);
                broken(where, type);
            }
        }
    }
}

/* Shows fault 36, security 9. */
static void a_length_above_its_types_bound_is_refused_before_it_is_waited_for(void **state) {
    static const struct {
        char type;
        uint32_t most; /* what may be waited for */
    } bounds[] = { { 'C', 260 },        { 'Z', 5 },          { '1', 4 },         { '2', 4 },
                   { '3', 4 },          { 'n', 4 },          { 'I', 4 },         { 's', 4 },
                   { 'A', 8264 },       { 't', 262146 },     { 'S', 0x100000 },  { 'T', 0x100000 },
                   { 'D', 0x40000000 }, { 'E', 0x40000000 }, { 'N', 0x40000000 } };
    (void)state;
    for (size_t i = 0; i < COUNT(bounds); i++) {
        const uint32_t n = bounds[i].most + 1;
        const uint8_t header[5] = { (uint8_t)bounds[i].type, (uint8_t)(n >> 24), (uint8_t)(n >> 16),
                                    (uint8_t)(n >> 8), (uint8_t)n };
        go_to(ROWS);
        pg_peer_feed(&peer, header, 4);
        assert_int_equal(peer.last, HF_DRIVER_MORE);
        pg_peer_feed(&peer, header + 4, 1);
        broken(ROWS, (unsigned)bounds[i].type);
    }
}

/* --- 37, 38, 40: types, order ------------------------------------------------------------------------- */

/* Every type of message with a body that would be good, in every place: right only where it is due.
 * Shows fault 38, fault 40, security 12.
 */
static void a_message_is_right_only_where_it_is_due(void **state) {
    static const struct {
        char type;
        const char *body;
        size_t size;
        unsigned places; /* bits of places where it is right, of a kept one */
    } messages[] = {
        { 'R', "\0\0\0\0", 4, 1u << LOGIN },
        { 'K', "\0\0\0\x01\0\0\0\x02", 8, 0 },
        { '1', "", 0, 1u << SENT },
        { '2', "", 0, 1u << BETWEEN },
        { '3', "", 0, 0 },
        { 'C', "SELECT 1", 9, 1u << ROWS },
        { 'D', "\0\1\0\0\0\1x", 7, 1u << ROWS },
        { 'E', "SERROR\0C22012\0Mm\0", 18, 0xff },
        { 'N', "SNOTICE\0C00000\0Mm\0", 19, 0xff },
        { 'S', "TimeZone\0UTC", 13, 0xfe },
        { 'A', "\0\0\0\1c\0p", 8, 0xfe },
        { 'I', "", 0, 1u << ROWS },
        { 'T', "\0\1n\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0", 22, 1u << PARSED },
        { 'n', "", 0, 1u << PARSED },
        { 't', "\0\0", 2, 0 }, /* right behind ParseComplete only */
        { 's', "", 0, 0 },
        { 'Z', "I", 1, 1u << DONE | 1u << PROBING },
        { 'v', "\0\x03\0\0\0\0\0\0", 8, 1u << LOGIN },
        { 'G', "\0\0\0", 3, 0 },   /* CopyInResponse */
        { 'H', "\0\0\0", 3, 0 },   /* CopyOutResponse */
        { 'W', "\0\0\0", 3, 0 },   /* CopyBothResponse */
        { 'd', "data", 4, 0 },     /* CopyData */
        { 'c', "", 0, 0 },         /* CopyDone */
        { 'V', "\0\0\0\0", 4, 0 }, /* FunctionCallResponse */
    };
    bool known[256] = { false };
    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++) {
        const unsigned both = 1u << PARSED | 1u << BETWEEN;
        unsigned places = messages[i].places;
        if (!kept && (places & both) && (places & both) != both)
            places ^= both;
        known[(uint8_t)messages[i].type] = true;
        for (int where = 0; where < PLACES; where++) {
            go_to((place)where);
            pg_peer_say(&peer, messages[i].type, messages[i].body, messages[i].size);
            if (places & 1u << where)
                assert_int_not_equal(peer.last, HF_DRIVER_BROKEN);
            else
                broken(where, (unsigned)messages[i].type);
        }
    }
    for (unsigned type = 0; type < 256; type++) {
        for (int where = 0; where < PLACES && !known[type]; where++) {
            go_to((place)where);
            pg_peer_say(&peer, (char)type, "", 0);
            broken(where, type);
        }
    }
}

/* Shows fault 38. */
static void an_answer_missing_or_doubled_never_gives_a_row_to_the_next_statement(void **state) {
    /* The right answer to a statement, prepared before or parsed afresh; each message is left out, then sent twice. */
    static const uint8_t again[] = { 3, 4, 5, 6 }, afresh[] = { 0, 3, 2, 4, 5, 6 };
    const uint8_t *const answer = kept ? again : afresh;
    const size_t n_answer = kept ? sizeof again : sizeof afresh;
    (void)state;
    for (size_t wrong = 0; wrong < n_answer; wrong++) {
        for (int times = 0; times <= 2; times += 2) {
            go_to(DONE);
            hf_request next = request;
            PG_SAY(&peer, 'Z', "I");
            assert_int_equal(pg_peer_submit(&peer, &request), 1);
            assert_int_equal(pg_peer_submit(&peer, &next), 1);
            pg_peer_forget_events(&peer);
            for (int round = 0; round < 2; round++)
                for (size_t i = 0; i < n_answer; i++)
                    for (int n = i == wrong && round == 0 ? times : 1; n > 0; n--)
                        pg_peer_say(&peer, pg_peer_answer[answer[i]].type,
                                    pg_peer_answer[answer[i]].body, pg_peer_answer[answer[i]].size);
            if (pg_peer_answer[answer[wrong]].type == 'D') /* as many rows as the server likes */
                assert_int_equal(peer.n_flight, 0);
            else
                broken((int)wrong, (unsigned)times);
        }
    }
}

/* --- 37: bodies ------------------------------------------------------------------------------------- */

#define ROW(text) \
    { 'D', text, sizeof(text) - 1, ROWS }

/* Shows fault 37, security 9. */
static void malformed_bodies_are_refused(void **state) {
    static const struct {
        char type;
        const char *body;
        size_t size;
        place where;
    } cases[] = {
        ROW(""),
        ROW("\0"),
        ROW("\0\0"),                   /* no column where one was described */
        ROW("\0\1"),                   /* one, but not there */
        ROW("\0\2\0\0\0\1x\0\0\0\1x"), /* two */
        ROW("\0\1\0\0\0\2x"),          /* a value past the end */
        ROW("\0\1\0\0\0\1xy"),         /* something behind it */
        ROW("\0\1\xff\xff\xff\xfe"),   /* -2 */
        ROW("\0\1\x80\0\0\0"),         /* INT_MIN */
        ROW("\0\1\x7f\xff\xff\xff"),
        ROW("\0\1\0\0\0"), /* half a length */
        ROW("\xff\xff\0\0\0\1x"),
        { 'C', "", 0, ROWS },
        { 'C', "SELECT 1", 8, ROWS }, /* without its NUL */
        { 'Z', "", 0, DONE },
        { 'Z', "X", 1, DONE },
        { 'Z', "\0", 1, DONE },
        { 'T', "", 0, PARSED },
        { 'T', "\0\1", 2, PARSED },
        { 'T', "\0\1n", 3, PARSED }, /* a name without its NUL */
        { 'T', "\0\1n\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0", 21, PARSED },
        { 'T', "\0\1n\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\1", 22,
          PARSED }, /* binary */
        { 'T', "\0\1n\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0x", 23, PARSED },
        { 'T', "\0\2n\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0", 22, PARSED },
        { 'E', "", 0, ROWS },
        { 'E', "SERROR", 7, ROWS },         /* no final NUL */
        { 'E', "SERROR\0Mtext", 12, ROWS }, /* an unterminated string */
        { 'E', "SERROR\0\0x", 9, ROWS },    /* something behind the end */
        { 'N', "SNOTICE", 7, IDLE },
        { 'A', "", 0, IDLE },
        { 'A', "\0\0\0\1", 4, IDLE },
        { 'A', "\0\0\0\1channel", 11, IDLE },
        { 'A', "\0\0\0\1channel\0payload", 19, IDLE },
        { 'A', "\0\0\0\1channel\0payload\0x", 21, IDLE },
        { 'S', "", 0, IDLE },
        { 'S', "name", 4, IDLE },
        { 'S', "name\0value", 10, IDLE },
        { 'S', "name\0value\0x", 12, IDLE },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        go_to(!kept && cases[i].where == PARSED ? BETWEEN : cases[i].where);
        pg_peer_say(&peer, cases[i].type, cases[i].body, cases[i].size);
        broken((int)i, (unsigned)cases[i].type);
    }
}

/* Shows fault 37. */
static void a_parameter_description_must_have_as_many_as_it_says(void **state) {
    static const size_t sizes[] = { 0, 1, 2, 5, 7, 9, 11 };
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        go_to(IDLE);
        request.prepare_only = true;
        assert_int_equal(pg_peer_submit(&peer, &request), 1);
        PG_SAY(&peer, '1', "");
        pg_peer_say(&peer, 't', "\0\2\0\0\0\x19\0\0\0\x19\0", sizes[i]); /* 10 would be right */
        broken((int)i, 't');
    }
}

static void messages_that_are_larger_than_the_buffer_are_refused_unless_they_can_be_cut(
    void **state) {
    (void)state;
    go_to(IDLE);
    peer.io.rx.size = 64;
    PG_SAY(&peer, 'S',
           "a_parameter_with_a_very_long_value\0"
           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0"); /* passed over */
    PG_SAY(&peer, 'A',
           "\0\0\0\1channel\0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0");
    PG_SAY(&peer, 'N',
           "SWARNING\0C01000\0Mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0\0");
    assert_memory_equal(peer.events, "NOTICE ", 7);
    assert_ptr_equal(strchr(peer.events, '\n') + 1, peer.fed); /* and nothing else */
    assert_int_equal(peer.io.error.severity, 'W');
    assert_string_equal(peer.io.error.message, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    go_to(ROWS);
    peer.io.rx.size = 64;
    PG_SAY(&peer, 'C',
           "SELECT xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0");
    broken(ROWS, 'C');
}

/* --- whatever comes ----------------------------------------------------------------------------------- */

/* Random bytes, and right answers with bits flipped: every run ends, and stays inside its buffers.
 * Shows fault 39.
 */
static void noise_ends_in_an_error_or_in_waiting(void **state) {
#define GOOD_COLUMNS "T\0\0\0\x1a\0\1n\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
#define GOOD_REST    "D\0\0\0\x0b\0\1\0\0\0\1xC\0\0\0\x0dSELECT 1\0Z\0\0\0\5I"
    static const uint8_t good_kept[] = "1\0\0\0\4t\0\0\0\6\0\0" GOOD_COLUMNS "2\0\0\0\4" GOOD_REST;
    static const uint8_t good_afresh[] = "1\0\0\0\4"
                                         "2\0\0\0\4" GOOD_COLUMNS GOOD_REST "Z\0\0\0\5IZ";
    _Static_assert(sizeof good_kept == sizeof good_afresh, "as long as the other");
    const uint8_t *const good = kept ? good_kept : good_afresh;
    static const char types[] = "RKSEZDTtnC123NAIsv";
    uint32_t seed = 4711;
    (void)state;
    for (int run = 0; run < 20000; run++) {
        uint8_t bytes[sizeof good_kept - 1];
        memcpy(bytes, good, sizeof bytes);
        go_to((place)(unit_random(&seed) % PLACES));
        if (run % 2 == 0) {
            for (uint32_t flips = 1 + unit_random(&seed) % 4; flips > 0; flips--) {
                uint32_t bit = unit_random(&seed) % (8 * sizeof bytes);
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            }
        } else {
            for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t)(unit_random(&seed) % 4 ? 0 : unit_random(&seed));
            bytes[0] = (uint8_t)types[unit_random(&seed) % (sizeof types - 1)];
        }
        peer.step = unit_random(&seed) % 5;
        pg_peer_feed(&peer, bytes, sizeof bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_impossible_length_is_refused_on_its_header_alone),
        cmocka_unit_test(a_length_above_its_types_bound_is_refused_before_it_is_waited_for),
        cmocka_unit_test(a_message_is_right_only_where_it_is_due),
        cmocka_unit_test(an_answer_missing_or_doubled_never_gives_a_row_to_the_next_statement),
        cmocka_unit_test(malformed_bodies_are_refused),
        cmocka_unit_test(a_parameter_description_must_have_as_many_as_it_says),
        cmocka_unit_test(
            messages_that_are_larger_than_the_buffer_are_refused_unless_they_can_be_cut),
        cmocka_unit_test(noise_ends_in_an_error_or_in_waiting),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kept = HF_WITH_PREPARED;
    return kept ? failed + cmocka_run_group_tests(tests, NULL, NULL) : failed;
}
