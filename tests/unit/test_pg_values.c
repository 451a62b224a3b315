#include "unit.h"

#include "base/parameters.h"
#include "pg_peer.h"

/* SEMANTICS 64 in the driver: formats and types on the wire, what is kept prepared, columns, tags. */

static pg_peer peer;

static const hf_param_kind int4_binary = { 23, HF_FORMAT_BINARY };

static void assert_sent(const char *bytes, size_t size) {
    assert_int_equal(peer.io.tx.end, size);
    assert_memory_equal(peer.tx, bytes, size);
    pg_peer_sent(&peer);
}
#define SENT(literal) assert_sent(literal, sizeof(literal) - 1)

static void submit(hf_request *request) {
    assert_int_equal(pg_peer_submit(&peer, request), 1);
}

static void r64_formats_and_types_go_out_as_they_are_asked_for(void **state) {
    static const hf_param_kind kinds[] = { { 23, HF_FORMAT_BINARY },
                                           { 0, HF_FORMAT_TEXT },
                                           { 17, HF_FORMAT_BINARY } };
    const hf_value values[] = { { "\0\0\0\1", 4 }, { "x", 1 }, { NULL, 0 } };
    (void)state;
    pg_peer_up(&peer);
    hf_request all = { .sql = "Q",
                       .params = values,
                       .n_params = 3,
                       .param_kinds = kinds,
                       .result_format = HF_FORMAT_BINARY };
    submit(&all);
    SENT("P\0\0\0\x15\0Q\0\0\3\0\0\0\x17\0\0\0\0\0\0\0\x11"
         "B\0\0\0\x25\0\0\0\3\0\1\0\0\0\1\0\3\0\0\0\4\0\0\0\1\0\0\0\1x\xff\xff\xff\xff\0\1\0\1"
         "E\0\0\0\x09\0\0\0\0\0S\0\0\0\4");
    pg_peer_answer_afresh(&peer, NULL, "x");
    PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\n");

    hf_request results = { .sql = "Q", .result_format = HF_FORMAT_BINARY };
    submit(&results);
    SENT("P\0\0\0\x09\0Q\0\0\0B\0\0\0\x0e\0\0\0\0\0\0\0\1\0\1E\0\0\0\x09\0\0\0\0\0S\0\0\0\4");
    pg_peer_answer_afresh(&peer, NULL, "x");

    static const hf_param_kind typed[] = { { 20, HF_FORMAT_TEXT } }, none[] = { { 0 } };
    hf_request text = { .sql = "Q", .params = values + 1, .n_params = 1, .param_kinds = typed };
    submit(&text);
    SENT("P\0\0\0\x0d\0Q\0\0\1\0\0\0\x14"
         "B\0\0\0\x13\0\0\0\1\0\0\0\1\0\0\0\1x\0\0"
         "E\0\0\0\x09\0\0\0\0\0S\0\0\0\4");
    pg_peer_answer_afresh(&peer, NULL, "x");
    text.param_kinds = none; /* the defaults, said */
    submit(&text);
    SENT("P\0\0\0\x09\0Q\0\0\0B\0\0\0\x13\0\0\0\1\0\0\0\1\0\0\0\1x\0\0"
         "E\0\0\0\x09\0\0\0\0\0S\0\0\0\4");
    pg_peer_answer_afresh(&peer, NULL, "x");
}

static void r64_each_statement_of_a_batch_has_its_own(void **state) {
    const hf_value value = { "\0\0\0\1", 4 };
    const hf_statement statements[] = {
        { .sql = "Q", .params = &value, .n_params = 1, .param_kinds = &int4_binary },
        { .sql = "Q", .result_format = HF_FORMAT_BINARY },
        { .sql = "Q" }
    };
    hf_request batch = { .batch = statements, .n_batch = 3 };
    (void)state;
    pg_peer_up(&peer);
    submit(&batch);
    static const char sent[] =
        "P\0\0\0\x0d\0BEGIN\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0"
        "P\0\0\0\x0d\0Q\0\0\1\0\0\0\x17"
        "B\0\0\0\x16\0\0\0\1\0\1\0\1\0\0\0\4\0\0\0\1\0\0"
        "E\0\0\0\x09\0\0\0\0\0P\0\0\0\x09\0Q\0\0\0B\0\0\0\x0e\0\0\0\0\0\0\0\1\0\1"
        "E\0\0\0\x09\0\0\0\0\0P\0\0\0\x09\0Q\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0";
    assert_memory_equal(peer.tx, sent, sizeof sent - 1);
    pg_peer_sent(&peer);
}

static void r64_nul_is_allowed_in_binary_parameters_alone(void **state) {
    hf_param_kind kind = { 0, HF_FORMAT_TEXT };
    const hf_value value = { "\0", 1 };
    hf_request request = { .sql = "Q", .params = &value, .n_params = 1, .param_kinds = &kind };
    (void)state;
    pg_peer_up(&peer);
    assert_int_equal(pg_peer_submit(&peer, &request), HF_ERR_ARGUMENT);
    request.result_format = HF_FORMAT_BINARY;
    assert_int_equal(pg_peer_submit(&peer, &request), HF_ERR_ARGUMENT);
    assert_int_equal(peer.io.tx.end, 0);
    kind.format = HF_FORMAT_BINARY;
    submit(&request);
}

static void r64_a_format_that_is_none_is_refused_by_name(void **state) {
    hf_param_kind kind = { 0, (hf_format)2 };
    const hf_value value = { "1", 1 };
    hf_request request = { .sql = "Q", .params = &value, .n_params = 1, .param_kinds = &kind };
    (void)state;
    pg_peer_up(&peer);
    assert_int_equal(pg_peer_submit(&peer, &request), HF_ERR_ARGUMENT);
    assert_non_null(strstr(peer.io.error.message, "a format that is neither"));
    kind.format = HF_FORMAT_TEXT;
    request.result_format = (hf_format)-1;
    assert_int_equal(pg_peer_submit(&peer, &request), HF_ERR_ARGUMENT);
    assert_int_equal(peer.io.tx.end, 0);
    request.result_format = HF_FORMAT_TEXT;
    submit(&request);
}

/* Every size of tx, around what is needed: all of a request or nothing. */
static void r64_a_typed_request_is_sent_whole_or_not_at_all(void **state) {
    const hf_value value = { "\0\0\0\1", 4 };
    hf_request request = { .sql = "SELECT $1",
                           .params = &value,
                           .n_params = 1,
                           .param_kinds = &int4_binary,
                           .prepare = true };
    uint32_t least = 0;
    (void)state;
    for (uint32_t size = 0; size < 200; size++) {
        pg_peer_up(&peer);
        peer.io.tx.size = size;
        memset(peer.tx, 0x55, sizeof peer.tx);
        const int answer = pg_peer_submit(&peer, &request);
        for (uint32_t i = peer.io.tx.end; i < sizeof peer.tx && answer != 1; i++)
            assert_true(i < size || peer.tx[i] == 0x55);
        assert_true(answer == 1 || (answer == HF_ERR_TOO_LARGE && peer.io.tx.end == 0));
        assert_true(peer.io.tx.end <= size);
        if (answer == 1 && least == 0)
            least = size;
        assert_true((answer == 1) == (least > 0));
    }
    assert_true(least > 60);
}

/* --- what is kept prepared ---------------------------------------------------------------------------- */

/* Runs a statement that is to be kept; these messages must go out for it. */
static void run(const char *sql, const hf_param_kind *kinds, hf_format format,
                const char *messages) {
    const hf_value values[] = { { "\0\0\0\1", 4 }, { "\0\0\0\2", 4 } };
    static const hf_param_kind binary = { 0, HF_FORMAT_BINARY };
    hf_request request = { .sql = sql,
                           .prepare = true,
                           .params = values,
                           .n_params = 1,
                           .param_kinds = kinds ? kinds : &binary,
                           .result_format = format };
    submit(&request);
    assert_string_equal(pg_peer_sent(&peer), messages);
    if (messages[0] == 'C')
        PG_SAY(&peer, '3', "");
    if (messages[0] == 'P')
        pg_peer_answer_first(&peer, "n", "x");
    else
        pg_peer_answer_again(&peer, "x");
    PG_EVENTS(&peer, "ROW 'x'\nDONE 1\nREADY\n");
}

static void r64_the_same_text_with_other_types_is_another_statement(void **state) {
    static const hf_param_kind int8_binary = { 20, HF_FORMAT_BINARY };
    (void)state;
    pg_peer_up(&peer);
    for (int turn = 0; turn < 3; turn++) {
        const char *messages = turn ? "BES" : "PDBES";
        run("SELECT $1", NULL, HF_FORMAT_TEXT, messages);
        run("SELECT $1", &int4_binary, HF_FORMAT_TEXT, messages);
        run("SELECT $1", &int8_binary, HF_FORMAT_TEXT, messages);
        /* Formats belong to each run, not to what is prepared. */
        run("SELECT $1", NULL, HF_FORMAT_BINARY, "BES");
        run("SELECT $1", &int8_binary, HF_FORMAT_BINARY, "BES");
    }
    const hf_value text = { "1", 1 };
    hf_request usual = { .sql = "SELECT $1", .prepare = true, .params = &text, .n_params = 1 };
    static const hf_param_kind int4_text = { 23, HF_FORMAT_TEXT };
    for (int turn = 0; turn < 4;
         turn++) { /* the short way takes the one without types, whichever was last */
        hf_request typed = usual;
        typed.param_kinds = &int4_text;
        submit(&typed);
        assert_true(pg_peer_sends(&peer, "_2"));
        assert_string_equal(pg_peer_sent(&peer), "BES");
        submit(&usual);
        assert_true(pg_peer_sends(&peer, "_1"));
        assert_string_equal(pg_peer_sent(&peer), "BES");
        pg_peer_answer_again(&peer, "x");
        pg_peer_answer_again(&peer, "x");
        pg_peer_forget_events(&peer);
    }
    hf_driver_pg.forget(&peer.session, &peer.io, &usual); /* … and the other ones stay */
    run("SELECT $1", &int4_binary, HF_FORMAT_TEXT, "CBES");
}

static void r64_answers_go_to_the_statement_with_the_right_types(void **state) {
    const hf_value values[] = { { "\0\0\0\1", 4 } };
    static const hf_param_kind other = { 1043, HF_FORMAT_BINARY };
    hf_request first = { .sql = "SELECT $1",
                         .prepare = true,
                         .params = values,
                         .n_params = 1,
                         .param_kinds = &int4_binary,
                         .on_columns = pg_peer_columns },
               second = first;
    (void)state;
    second.param_kinds = &other;
    pg_peer_up(&peer);
    submit(&first); /* both are in flight while they are prepared */
    submit(&second);
    assert_string_equal(pg_peer_sent(&peer), "PDBESPDBES");
    pg_peer_answer_first(&peer, "one", "1");
    pg_peer_answer_first(&peer, "two", "2");
    PG_EVENTS(&peer,
              "COLUMNS one:25\nROW '1'\nDONE 1\nREADY\nCOLUMNS two:25\nROW '2'\nDONE 1\nREADY\n");
    submit(&second);
    submit(&first);
    assert_string_equal(pg_peer_sent(&peer), "BESBES");
    pg_peer_answer_again(&peer, "2");
    pg_peer_answer_again(&peer, "1");
    PG_EVENTS(&peer,
              "COLUMNS two:25\nROW '2'\nDONE 1\nREADY\nCOLUMNS one:25\nROW '1'\nDONE 1\nREADY\n");
}

/* How often the name that ends so goes out. */
static unsigned named(const char *end) {
    unsigned n = 0;
    for (const uint8_t *at = peer.tx; at < peer.tx + peer.io.tx.end; at++)
        n += memcmp(at, end, strlen(end) + 1) == 0;
    return n;
}

static void r64_a_typed_batch_does_not_take_the_statement_before(void **state) {
    const hf_value value = { "\0\0\0\1", 4 };
    static const char sql[] = "SELECT $1";
    const hf_statement statements[] = {
        { .sql = sql, .params = &value, .n_params = 1, .param_kinds = &int4_binary },
        { .sql = sql, .params = &(hf_value){ "1", 1 }, .n_params = 1 },
        { .sql = sql, .params = &value, .n_params = 1, .param_kinds = &int4_binary }
    };
    hf_request batch = { .batch = statements, .n_batch = 3, .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    submit(&batch);
    assert_int_equal(named("_1"), 4); /* Parse, Describe, Bind, and the Bind of the third */
    assert_int_equal(named("_2"), 3);
    assert_string_equal(pg_peer_sent(&peer), "PBEPDBEPDBEBEPBES");
}

/* --- columns ------------------------------------------------------------------------------------------ */

static hf_column told;
static unsigned tolds;

static void note_column(hf_request *request, hf_columns *columns) {
    (void)request;
    assert_true(hf_columns_next(columns, &told));
    tolds++;
}

/* A RowDescription of one column, whose format is the last byte. */
#define DESCRIPTION(format) "\0\1n\0\0\1\2\3\0\5\0\0\x04\x13\xff\xff\0\0\0\x0e\0" format

/* conn calls on_columns; the peer only notes that it is time. */
static void tell(hf_request *request) {
    assert_non_null(strstr(peer.events, "COLUMNS"));
    hf_columns columns = peer.io.columns;
    columns.at -= 2 + 16; /* the peer has read the column already */
    columns.column = 0;
    request->on_columns(request, &columns);
    pg_peer_forget_events(&peer);
}

static void assert_told(hf_format format) {
    assert_int_equal(told.type, 1043);
    assert_int_equal(told.table, 0x010203);
    assert_int_equal(told.attribute, 5);
    assert_int_equal(told.size, -1);
    assert_int_equal(told.modifier, 14);
    assert_int_equal(told.format, format);
}

static void r64_a_columns_further_fields_are_told(void **state) {
    hf_request request = { .sql = "SELECT n FROM t", .on_columns = note_column };
    (void)state;
    pg_peer_up(&peer);
    for (int format = 0; format < 2; format++) {
        request.result_format = (hf_format)format;
        submit(&request);
        assert_string_equal(pg_peer_sent(&peer), "PBDES");
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, '2', "");
        if (format)
            PG_SAY(&peer, 'T', DESCRIPTION("\1"));
        else
            PG_SAY(&peer, 'T', DESCRIPTION("\0"));
        tell(&request);
        assert_told((hf_format)format);
        PG_SAY(&peer, 'C', "SELECT 0\0");
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, "DONE 0\nREADY\n");
    }
}

/* What is kept prepared is described once, as text; the format told is that of each run. */
static void r64_kept_columns_have_the_format_of_the_run(void **state) {
    hf_request request = { .sql = "SELECT n FROM t", .on_columns = note_column, .prepare = true };
    (void)state;
    pg_peer_up(&peer);
    for (int turn = 0; turn < 4; turn++) {
        request.result_format = turn % 2 ? HF_FORMAT_TEXT : HF_FORMAT_BINARY;
        submit(&request);
        assert_string_equal(pg_peer_sent(&peer), turn ? "BES" : "PDBES");
        if (turn == 0) {
            PG_SAY(&peer, '1', "");
            PG_SAY(&peer, 't', "\0\0");
            PG_SAY(&peer, 'T', DESCRIPTION("\0"));
        } else {
            PG_SAY(&peer, '2', "");
        }
        tell(&request);
        assert_told(request.result_format);
        if (turn == 0)
            PG_SAY(&peer, '2', "");
        PG_SAY(&peer, 'C', "SELECT 0\0");
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, "DONE 0\nREADY\n");
    }
}

static void r64_another_format_than_was_asked_for_ends_the_session(void **state) {
    (void)state;
    for (int asked = 0; asked < 2; asked++) {
        hf_request request = { .sql = "SELECT 1",
                               .on_columns = note_column,
                               .result_format = (hf_format)asked };
        pg_peer_up(&peer);
        submit(&request);
        pg_peer_sent(&peer);
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, '2', "");
        if (asked)
            PG_SAY(&peer, 'T', DESCRIPTION("\0"));
        else
            PG_SAY(&peer, 'T', DESCRIPTION("\1"));
        assert_int_equal(peer.last, HF_DRIVER_BROKEN);
    }
}

/* --- parameters' types, tags ------------------------------------------------------------------------------- */

static void on_params(hf_request *request, const hf_params *params) {
    (void)request, (void)params;
}

static void r64_prepare_only_tells_the_types_of_parameters(void **state) {
    hf_request request = { .sql = "SELECT $1",
                           .prepare_only = true,
                           .on_params = on_params,
                           .on_columns = pg_peer_columns };
    (void)state;
    for (uint32_t step = 0; step < 2; step++) {
        pg_peer_up(&peer);
        peer.step = step;
        submit(&request);
        assert_string_equal(pg_peer_sent(&peer), "PDS");
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, 't', "\0\2\0\0\0\x17\0\0\x04\x13");
        PG_SAY(&peer, 'T', DESCRIPTION("\0"));
        PG_SAY(&peer, 'Z', "I");
        PG_EVENTS(&peer, "PARAMS $1:23 $2:1043\nCOLUMNS $2 n:1043\nREADY\n");
    }
    const hf_params none = { .n_params = 0 };
    assert_int_equal(hf_params_type(&none, 1), 0);
    assert_int_equal(hf_params_type(&none, 0), 0);
}

static void r64_types_that_rx_cannot_hold_are_said_to_be_too_large(void **state) {
    static char types[2 + 4 * 5000] = "\x13\x88"; /* 5000 of them */
    hf_request request = { .sql = "SELECT $1", .prepare_only = true, .on_params = on_params };
    (void)state;
    pg_peer_up(&peer);
    submit(&request);
    pg_peer_sent(&peer);
    PG_SAY(&peer, '1', "");
    pg_peer_say(&peer, 't', types, sizeof types);
    assert_non_null(strstr(peer.events, "SKIPPED"));
    assert_non_null(
        strstr(peer.events, "the types of 5000 parameters take more than the receive buffer"));
    pg_peer_forget_events(&peer);
    PG_SAY(&peer, 'n', "");
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(&peer, "READY\n");
}

static void r64_the_tag_is_whole_printable_and_bounded(void **state) {
    static const struct {
        const char *tag, *told;
    } cases[] = { { "INSERT 0 5", "INSERT 0 5" },
                  { "SET", "SET" }, /* a short one goes the long way */
                  { "", "" },
                  { "CREATE \1TABLE\n", "CREATE ?TABLE " },
                  { "\xff", "?" },
                  { "123456789012345678901234567890123456789012345678901234567890123456789",
                    "123456789012345678901234567890123456789012345678901234567890123" } };
    char tag[HF_TAG_BYTES + 1];
    hf_request request = { .sql = "Q", .tag = tag };
    (void)state;
    pg_peer_up(&peer);
    for (size_t i = 0; i < COUNT(cases); i++) {
        memset(tag, 'x', sizeof tag);
        submit(&request);
        pg_peer_sent(&peer);
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, '2', "");
        pg_peer_say(&peer, 'C', cases[i].tag, strlen(cases[i].tag) + 1);
        PG_SAY(&peer, 'Z', "I");
        assert_string_equal(tag, cases[i].told);
        assert_int_equal(tag[HF_TAG_BYTES], 'x');
    }
}

static void r64_a_batchs_tag_is_that_of_its_last_statement(void **state) {
    const hf_statement statements[] = { { .sql = "Q" }, { .sql = "Q" } };
    char tag[HF_TAG_BYTES] = "";
    hf_request batch = { .batch = statements, .n_batch = 2, .tag = tag };
    (void)state;
    pg_peer_up(&peer);
    submit(&batch);
    pg_peer_sent(&peer);
    static const char *const tags[] = { "BEGIN", "INSERT 0 1", "UPDATE 2", "COMMIT" };
    for (size_t i = 0; i < COUNT(tags); i++) {
        PG_SAY(&peer, '1', "");
        PG_SAY(&peer, '2', "");
        pg_peer_say(&peer, 'C', tags[i], strlen(tags[i]) + 1);
    }
    PG_SAY(&peer, 'Z', "I");
    PG_EVENTS(&peer, "DONE 1\nDONE 2\nREADY\n");
    assert_string_equal(tag, "UPDATE 2");
}

/* --- what the server says of itself --------------------------------------------------------------------------- */

static void r64_a_list_of_parameters_is_that_of_the_newest_login(void **state) {
    static hf_parameters list;
    (void)state;
    memset(&list, 0, sizeof list);
    assert_null(hf_parameters_get(&list, "TimeZone"));
    hf_parameters_begin(&list);
    hf_parameters_note(&list, "TimeZone", "UTC");
    hf_parameters_note(&list, "server_version", "15.1");
    hf_parameters_note(&list, "empty", "");
    hf_parameters_end(&list);
    assert_string_equal(hf_parameters_get(&list, "TimeZone"), "UTC");
    assert_string_equal(hf_parameters_get(&list, "empty"), "");
    assert_null(hf_parameters_get(&list, "Time"));
    hf_parameters_note(&list, "TimeZone", "Europe/Prague"); /* a session's change */
    assert_string_equal(hf_parameters_get(&list, "TimeZone"), "Europe/Prague");
    hf_parameters_begin(&list);
    assert_string_equal(hf_parameters_get(&list, "server_version"),
                        "15.1"); /* until the login is over */
    hf_parameters_note(&list, "TimeZone", "CET");
    hf_parameters_end(&list);
    assert_null(hf_parameters_get(&list, "server_version"));
    assert_string_equal(hf_parameters_get(&list, "TimeZone"), "CET");
    assert_int_equal(list.used, 1 + sizeof "TimeZone" + sizeof "CET");
}

static void r64_what_has_no_room_is_left_out_whole(void **state) {
    static struct {
        hf_parameters list;
        char guard[16];
    } it;
    char name[16], value[HF_PARAMETER_BYTES];
    (void)state;
    for (size_t bytes = HF_PARAMETER_BYTES - 16; bytes < HF_PARAMETER_BYTES; bytes++) {
        memset(&it, 0x55, sizeof it);
        it.list.used = 0;
        memset(value, 'v', bytes);
        value[bytes] = 0;
        hf_parameters_note(&it.list, "a", "before");
        hf_parameters_note(&it.list, "a", value); /* the old one goes first */
        const char *got = hf_parameters_get(&it.list, "a");
        assert_int_equal(got != NULL, 1 + 2 + bytes + 1 <= HF_PARAMETER_BYTES);
        for (size_t i = 0; i < sizeof it.guard; i++)
            assert_int_equal(it.guard[i], 0x55);
    }
    it.list.used = 0;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "n%u", i);
        hf_parameters_note(&it.list, name, "value");
    }
    assert_string_equal(hf_parameters_get(&it.list, "n0"), "value"); /* the first ones stay */
    assert_null(hf_parameters_get(&it.list, "n999"));
    assert_true(it.list.used <= HF_PARAMETER_BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r64_formats_and_types_go_out_as_they_are_asked_for),
        cmocka_unit_test(r64_each_statement_of_a_batch_has_its_own),
        cmocka_unit_test(r64_nul_is_allowed_in_binary_parameters_alone),
        cmocka_unit_test(r64_a_format_that_is_none_is_refused_by_name),
        cmocka_unit_test(r64_a_typed_request_is_sent_whole_or_not_at_all),
        cmocka_unit_test(r64_the_same_text_with_other_types_is_another_statement),
        cmocka_unit_test(r64_answers_go_to_the_statement_with_the_right_types),
        cmocka_unit_test(r64_a_typed_batch_does_not_take_the_statement_before),
        cmocka_unit_test(r64_a_columns_further_fields_are_told),
        cmocka_unit_test(r64_kept_columns_have_the_format_of_the_run),
        cmocka_unit_test(r64_another_format_than_was_asked_for_ends_the_session),
        cmocka_unit_test(r64_prepare_only_tells_the_types_of_parameters),
        cmocka_unit_test(r64_types_that_rx_cannot_hold_are_said_to_be_too_large),
        cmocka_unit_test(r64_the_tag_is_whole_printable_and_bounded),
        cmocka_unit_test(r64_a_batchs_tag_is_that_of_its_last_statement),
        cmocka_unit_test(r64_a_list_of_parameters_is_that_of_the_newest_login),
        cmocka_unit_test(r64_what_has_no_room_is_left_out_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
