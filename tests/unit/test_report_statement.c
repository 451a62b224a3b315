/* What a statement's text says before any server sees it. */
#include "base/statement.h"

#include "unit.h"

static void expect(bool (*is)(const char *sql), bool expected, const char *const *texts,
                   size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (is(texts[i]) != expected) {
            fail_msg("%s", texts[i]);
        }
    }
}

/* Shows found P1. */
static void a_literal_that_names_the_moment_is_not_kept_prepared(void **state) {
    static const char *const moving[] = {
        "select 'now'::timestamptz",
        "select ' \t\n Now '::timestamptz",
        "select 'TODAY'::date, $1",
        "select date 'tomorrow'",
        "select timestamp'now'",
        "select cast('yesterday' as date)",
        "select 'now()'",
        "select 'nowhere'", /* begins with it */
        "select E'now', $1",
        "select e'\\tnow'",
        "select e'it\\'s now'",
        "select e'\\x6eow'", /* a character by its number may be any */
        "select e'\\156ow'",
        "select e'\\u006eow'",
        "select U&'now'",
        "select U&'\\006eow'",
        "select u&'!006eow' UESCAPE '!'",
        "select N'today'",
        "select $$today$$::date",
        "select $a$ tomorrow $a$",
        "select $a$ x $b$ now $b$ $a$",
        "select $été$now$été$",
        "select 'n'\n  'ow'::timestamptz", /* one literal */
        "select 'n' -- really\n 'ow'",
        "select '''now'",
        "select 'a', 'b' || 'now'",
        "select '10:00 today'", /* a word of its own, wherever */
        "select '[now,)'::tstzrange",
        "select '{today,tomorrow}'::date[]",
        "select '(1,now)'::pair",
        "select \"it's\", 'now'", /* a name is passed over */
        "select \"a\"\"'b\", 'now'",
        "select 1 -- it's\n, 'now'",
        "select 1 /* it's /* nested */ ' */, 'now'",
        "select a$b, 'now'",
        "select $1 || 'now'",
        "select 'now", /* the server will refuse it */
    };
    static const char *const still[] = {
        "select now(), current_date, $1",
        "select 'know', 'not known', 'snow', 'holidaytoday'",
        "select 'it''s', 'x'",
        "select \"now\", \"today\"",
        "select today from now",
        "select 1 -- 'now'",
        "select 1 /* 'now' /* 'now' */ 'now' */, 'b'",
        "select 'n' 'ow'", /* no literal: the server refuses it */
        "select a$now$b from t",
        "select $1, $2",
        "select e'line\\nbreak', e'\\\\x'",
        "select $$some text$$, $x$ more",
        "select u&'plain'",
        "select '2024-01-01'::date, 'epoch'::timestamptz, 'infinity'::date",
        "select '",
        "",
        "$",
        "e",
        "u&",
    };
    (void)state;
    expect(hf_statement_keeps, false, moving, COUNT(moving));
    expect(hf_statement_keeps, true, still, COUNT(still));
}

/* Shows found R4. */
static void rows_are_counted_of_what_the_server_counts(void **state) {
    static const char *const counted[] = { "insert into t values ($1)",
                                           "UPDATE t SET a = 1",
                                           " -- first\n/* second */ delete from t",
                                           "merge into t using s on true when matched then delete",
                                           "with x as (select 1) update t set a = 1",
                                           "select f($1)",
                                           "(select 1) union (select 2)",
                                           "values (1)",
                                           "table t",
                                           "; update t set a = 1" };
    static const char *const silent[] = { "call p($1)",
                                          "do $$ begin end $$",
                                          "create table t (a int)",
                                          "explain analyze update t set a = 1",
                                          "vacuum",
                                          "set x = 1",
                                          "",
                                          "updates",
                                          "lock t" };
    (void)state;
    expect(hf_statement_counts, true, counted, COUNT(counted));
    expect(hf_statement_counts, false, silent, COUNT(silent));
}

static const struct {
    const char *text, *sent;
} named[] = {
    { "SELECT :a", "SELECT $1" },
    { "SELECT :name, $2, :a, :name", "SELECT $3   , $2, $4, $3   " },
    { "SELECT :a::int, x::int, :_b1", "SELECT $1::int, x::int, $2  " },
    { "SELECT f(x := :a, y => :b)", "SELECT f(x := $1, y => $2)" },
    { "SELECT ':a', E'\\':a', U&':a', \":a\", $$:a$$, $t$:a$t$, :a",
      "SELECT ':a', E'\\':a', U&':a', \":a\", $$:a$$, $t$:a$t$, $1" },
    { "SELECT 1 -- :a\n /* :a /* :a */ :a */ + :a", "SELECT 1 -- :a\n /* :a /* :a */ :a */ + $1" },
    { "SELECT v[1:2], v[: 3], :\xc3\xa9\xc3\xa9, a$1", "SELECT v[1:2], v[: 3], $1 , a$1" },
    { "SELECT:id FROM t LIMIT:n", "SELECT $1 FROM t LIMIT $2" },
    { "SELECT :", "SELECT :" },
    { "SELECT ':a", "SELECT ':a" },
};

/* Shows rule 51. */
static void names_become_numbers_but_not_in_literals_names_comments_and_casts(void **state) {
    hf_failure failure;
    (void)state;
    for (size_t i = 0; i < COUNT(named); i++) {
        hf_statement_names names;
        hf_bytes to = { 0 };
        assert_true(hf_statement_name(named[i].text, "q", &to, &names, &failure));
        assert_string_equal(hf_bytes_text(&to), named[i].sent);
        hf_bytes_free(&to);
        hf_statement_names_free(&names);
    }
}

/* Shows rule 51. */
static void names_know_their_places_and_quoted_ones_are_refused(void **state) {
    hf_statement_names names;
    hf_failure failure;
    hf_bytes to = { 0 };
    (void)state;
    assert_true(hf_statement_name("SELECT $7,\n\n:b, :a, :b", "q", &to, &names, &failure));
    assert_int_equal(names.first, 8);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.items[0], "b");
    assert_string_equal(names.items[1], "a");
    assert_int_equal(names.lines[0], 3);
    hf_statement_names_free(&names);
    assert_false(hf_statement_name("\n :'b'", "q", &to, &names, &failure));
    assert_string_equal(failure.text, "q:2: :'b': a value that is bound needs no quotes: write :b");
    hf_statement_names_free(&names);
    hf_bytes_free(&to);
}

/* The number of a character, from 1, as the server counts. */
static uint32_t character(const char *text, const char *at) {
    uint32_t number = 1;
    for (; text < at; text++) {
        number += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return number;
}

/* Shows rule 51. $10 is longer than :a, and LIMIT:n becomes LIMIT $1; what stands behind them is found all the same. */
static void places_that_the_server_tells_are_places_of_the_text(void **state) {
    static const char *const texts[] = {
        "SELECT $9, :a, :a, :a || '\xc3\xa9', nme",
        "SELECT $9, :ab, :longer, nme",
        "SELECT 1 LIMIT:n + nme",
        "SELECT 1 LIMIT:longer + nme",
        "SELECT :\xc3\xa9, $99 + :a, nme",
        "SELECT nme, $12345, :a",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        hf_failure failure;
        hf_statement_names names;
        hf_bytes to = { 0 };
        assert_true(hf_statement_name(texts[i], "q", &to, &names, &failure));
        const char *sent = hf_bytes_text(&to);
        assert_int_equal(hf_statement_place(&names, sent, character(sent, strstr(sent, "nme"))),
                         character(texts[i], strstr(texts[i], "nme")));
        assert_int_equal(hf_statement_place(&names, sent, character(sent, strrchr(sent, '$'))),
                         character(texts[i], strrchr(texts[i], ':')));
        hf_bytes_free(&to);
        hf_statement_names_free(&names);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_literal_that_names_the_moment_is_not_kept_prepared),
        cmocka_unit_test(rows_are_counted_of_what_the_server_counts),
        cmocka_unit_test(names_become_numbers_but_not_in_literals_names_comments_and_casts),
        cmocka_unit_test(names_know_their_places_and_quoted_ones_are_refused),
        cmocka_unit_test(places_that_the_server_tells_are_places_of_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
