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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_literal_that_names_the_moment_is_not_kept_prepared),
        cmocka_unit_test(rows_are_counted_of_what_the_server_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
