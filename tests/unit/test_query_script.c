/* A script's statements, parts and values, before any server sees them. */
#include "query/script.h"

#include "unit.h"

static hf_script read_well(const char *text, bool single) {
    hf_script script = { 0 };
    hf_failure failure = { 0 };
    if (!hf_script_read(&script, text, "s.sql", single, &failure)) {
        fail_msg("%s: %s", text, failure.text);
    }
    return script;
}

static void a_semicolon_ends_a_statement_where_psql_says_so(void **state) {
    static const struct {
        const char *text;
        const char *statements[4]; /* NULL at the end */
    } cases[] = {
        { "select 1", { "select 1" } },
        { " ; select 1 ; ; select 2;", { "select 1 ", "select 2" } },
        { "select ';'; select E'\\';'; select 'it''s;'",
          { "select ';'", "select E'\\';'", "select 'it''s;'" } },
        { "select \";\" -- ;\n, 1; select 2", { "select \";\" -- ;\n, 1", "select 2" } },
        { "select 1 /* ; /* ; */ ; */, 2; select 3",
          { "select 1 /* ; /* ; */ ; */, 2", "select 3" } },
        { "select $$;$$, $a$ ;$$; $a$, $1;", { "select $$;$$, $a$ ;$$; $a$, $1" } },
        { "create rule r as on insert to t do (delete from a; delete from b); select 1",
          { "create rule r as on insert to t do (delete from a; delete from b)", "select 1" } },
        { "create or replace function f() returns int begin atomic select case when true then 1 end; end; "
          "select 1",
          { "create or replace function f() returns int begin atomic select case when true then 1 end; end",
            "select 1" } },
        { "create procedure p() begin atomic select 1; select 2; end; select 3",
          { "create procedure p() begin atomic select 1; select 2; end", "select 3" } },
        { "create table begin_x (a int); select 1",
          { "create table begin_x (a int)", "select 1" } },
        { "select ')'; select (1); select 2", { "select ')'", "select (1)", "select 2" } },
        { "select 'open; select 1", { "select 'open; select 1" } }, /* the server will refuse it */
        { "-- nothing\n", { NULL } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hf_script script = read_well(cases[i].text, false);
        size_t n = 0;
        for (; cases[i].statements[n]; n++) {
            assert_true(n < script.n_items);
            assert_string_equal(script.items[n].sql, cases[i].statements[n]);
        }
        assert_int_equal(script.n_items, n);
        assert_int_equal(script.n_parts, n); /* each runs by itself */
        hf_script_free(&script);
    }
}

static void begin_and_commit_make_a_part(void **state) {
    hf_script script = read_well(
        "select 1;\nbegin;\nselect 2;\nrollback to a;\nselect 3;\nend work;\nselect 4", false);
    (void)state;
    assert_int_equal(script.n_parts, 3);
    assert_false(script.parts[0].transaction);
    assert_true(script.parts[1].transaction);
    assert_int_equal(script.parts[1].line, 2);
    assert_int_equal(script.parts[1].first, 1);
    assert_int_equal(script.parts[1].count, 3);
    assert_int_equal(script.items[3].line, 5);
    assert_false(script.parts[2].transaction);
    assert_int_equal(script.parts[2].first, 4);
    hf_script_free(&script);

    script = read_well(
        "start transaction isolation level serializable, read only; select 1; commit", false);
    assert_int_equal(script.n_parts, 1);
    assert_string_equal(script.items[0].sql,
                        "SET TRANSACTION isolation level serializable, read only");
    assert_string_equal(script.items[1].sql, "select 1");
    hf_script_free(&script);

    script = read_well("select 1; select 2", true);
    assert_int_equal(script.n_parts, 1);
    assert_true(script.parts[0].transaction);
    assert_int_equal(script.parts[0].count, 2);
    hf_script_free(&script);
}

static void what_has_no_place_in_a_script_is_refused_with_its_line(void **state) {
    static const struct {
        const char *text;
        bool single;
        const char *says;
    } cases[] = {
        { "select 1;\n\\d item", false, "s.sql:2: \\d is a command of psql's" },
        { "select 1\n\\gset", false, "s.sql:2: \\gset" },
        { "\nbegin; select 1", false, "s.sql:2: BEGIN without a COMMIT" },
        { "select 1; commit", false, "COMMIT without a BEGIN" },
        { "begin;\nbegin; commit", false, "s.sql:2: BEGIN within" },
        { "begin; select 1; rollback", false, "ROLLBACK" },
        { "abort", false, "ROLLBACK" },
        { "begin; select 1; commit and chain", false, "COMMIT with further words" },
        { "begin; select 1; commit", true, "leave out its own" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hf_script script = { 0 };
        hf_failure failure = { 0 };
        assert_false(hf_script_read(&script, cases[i].text, "s.sql", cases[i].single, &failure));
        assert_int_equal(failure.status, HF_EXIT_USAGE);
        if (!strstr(failure.text, cases[i].says)) {
            fail_msg("%s: %s", cases[i].text, failure.text);
        }
        hf_script_free(&script);
    }
}

static void variables_are_bound_by_name(void **state) {
    const char *variables[] = { "a=1", "b=x=y", "a=2", "empty=" };
    hf_script script = read_well("select :a, :b, :a; select ':a', :empty, x::int; select 3", false);
    hf_failure failure = { 0 };
    (void)state;
    variables[0] = "b=never"; /* a later one of the name goes before it */
    assert_false(hf_script_bind(&script, variables, 4, "s.sql", &failure));
    assert_non_null(strstr(failure.text, "-v b:"));
    hf_script_free(&script);

    script = read_well("select :a, :b, :a; select ':a', :empty, x::int; select 3", false);
    assert_true(hf_script_bind(&script, variables + 1, 3, "s.sql", &failure));
    assert_string_equal(script.items[0].sql, "select $1, $2, $1");
    assert_int_equal(script.items[0].n_params, 2);
    assert_string_equal(script.items[0].params[0], "2");
    assert_string_equal(script.items[0].params[1], "x=y");
    assert_int_equal(script.items[1].n_params, 1);
    assert_string_equal(script.items[1].params[0], "");
    assert_int_equal(script.items[2].n_params, 0);
    hf_script_free(&script);
}

static void a_variable_that_does_not_fit_is_refused_by_name(void **state) {
    static const struct {
        const char *text, *variable, *says;
    } cases[] = {
        { "select 1;\nselect\n:b", "a=1", "s.sql:3: :b has no value" },
        { "select 1", "a=1", "-v a: no statement says :a" },
        { "select :a", "a", "say -v NAME=VALUE" },
        { "select :a", "=1", "say -v NAME=VALUE" },
        { "select $1, :a", "a=1", "either numbers or names" },
        { "select :'a'", "a=1", "needs no quotes" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hf_script script = read_well(cases[i].text, false);
        hf_failure failure = { 0 };
        const char *variables[] = { cases[i].variable };
        assert_false(hf_script_bind(&script, variables, 1, "s.sql", &failure));
        assert_int_equal(failure.status, HF_EXIT_USAGE);
        if (!strstr(failure.text, cases[i].says)) {
            fail_msg("%s: %s", cases[i].text, failure.text);
        }
        hf_script_free(&script);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_semicolon_ends_a_statement_where_psql_says_so),
        cmocka_unit_test(begin_and_commit_make_a_part),
        cmocka_unit_test(what_has_no_place_in_a_script_is_refused_with_its_line),
        cmocka_unit_test(variables_are_bound_by_name),
        cmocka_unit_test(a_variable_that_does_not_fit_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
