/* Which table is taken for a ledger, and what is said of one that is none: the check's answers come from the scripted
 * port, so that each fact is another in turn. What a server makes of these statements is test_ledger_table.py's. */
#include "cli/connection.h"
#include "holdfast/test.h"
#include "report/ledger_table.h"
#include "unit.h"

#include <string.h>

#define FACTS       19
#define INCARNATION "7/00000001/100.5/50"

/* As ledger_table.c asks for them. */
enum {
    OID,
    NAME,
    QUOTED,
    ROLE,
    STANDBY,
    LACKING,
    KIND,
    TEMPORARY,
    UNLOGGED,
    INHERITS,
    COLUMNS,
    KEY,
    UNIQUE,
    RULES,
    TRIGGERS,
    REFERENCES,
    CONSTRAINTS,
    HIDES,
    LAST
};

struct hf_net {
    hf_script script;
    hf_ms now;
};

static hf_net net;
static hf_client client;
static hf_ledger_table table;
static hf_failure failure;
static bool logged_in;
static const char *refusals[3]; /* SQLSTATEs that the first questions are answered with */
static const char *facts[FACTS];
static char first_question[16384], last_question[16384];
static unsigned questions; /* whole ones: the check */

/* What a server does not know: whatever mentions the word is refused. */
typedef struct unknown_word {
    const char *word, *sqlstate;
} unknown_word;
static const unknown_word *unknown; /* up to one without a word; NULL: the server knows all */
static unsigned tried; /* texts of the key that were parsed, and time-outs that were set */

hf_net *hf_net_open(const hf_config *from, hf_error *error) {
    (void)from, (void)error;
    hf_script_init(&net.script);
    return &net;
}

hf_port *hf_net_port(hf_net *self) {
    return hf_script_port(&self->script);
}

hf_ms hf_net_now(hf_net *self) {
    return self->now;
}

/* The server's turn. */
int hf_net_wait(hf_net *self, hf_ms until) {
    static const char *const names[FACTS] = { "oid", "", "", "", "", "", "", "", "", "",
                                              "",    "", "", "", "", "", "", "", "" };
    if (until <= self->now) {
        return 0;
    }
    if (!logged_in) {
        logged_in = true;
        hf_script_login(&self->script);
        return 0;
    }
    const char *sql = hf_script_sql(&self->script), *refusal = NULL;
    for (size_t i = 0; unknown && unknown[i].word && !refusal; i++) {
        refusal = strstr(sql, unknown[i].word) ? unknown[i].sqlstate : NULL;
    }
    tried += strstr(sql, "set_config(") || strstr(sql, "INSERT INTO ");
    if (strstr(sql, "pg_inherits")) {
        snprintf(last_question, sizeof last_question, "%s", sql);
        if (questions == 0) {
            snprintf(first_question, sizeof first_question, "%s", last_question);
        }
        refusal =
            questions < COUNT(refusals) && refusals[questions] ? refusals[questions] : refusal;
        questions++;
    }
    if (refusal) {
        hf_script_error(&self->script, refusal);
    } else {
        hf_script_rows(&self->script, FACTS, names, facts[OID] ? 1 : 0, facts);
    }
    return 0;
}

void hf_net_close(hf_net *self) {
    (void)self;
}

static const char columns_of_ledger[] =
    "chunk bigint not null, hash text not null, kept text, run text not null, state text, "
    "written timestamp with time zone not null default";

/* A ledger, and nothing wrong with it. */
static void a_ledger(void) {
    static const char *const good[FACTS] = { [OID] = "4711",
                                             [NAME] = "public.holdfast_ledger",
                                             [QUOTED] = "\"public\".\"holdfast_ledger\"",
                                             [ROLE] = "me",
                                             [STANDBY] = "f",
                                             [KIND] = "r",
                                             [TEMPORARY] = "f",
                                             [UNLOGGED] = "f",
                                             [INHERITS] = "f",
                                             [COLUMNS] = columns_of_ledger,
                                             [KEY] = "t",
                                             [HIDES] = "f",
                                             [LAST] = INCARNATION };
    memcpy(facts, good, sizeof facts);
    memset(refusals, 0, sizeof refusals);
    unknown = NULL;
}

static void begin(void) {
    hf_config *config = hf_connection_config();
    config->max_concurrent = 1;
    logged_in = false;
    questions = tried = 0;
    failure = (hf_failure){ 0 };
    assert_true(hf_config_dsn(config, "postgres://me@/shop?host=/tmp", NULL));
    assert_true(hf_client_open(&client, config, &failure));
}

static void end(void) {
    hf_ledger_table_free(&table);
    hf_client_free(&client);
}

static bool opened(const char *rights) {
    begin();
    return hf_ledger_table_open(&table, &client, "holdfast_ledger", rights, 0, &failure);
}

static void refused(int status, const char *words) {
    assert_false(opened(HF_LEDGER_RIGHTS));
    assert_int_equal(failure.status, status);
    if (!strstr(failure.text, words)) {
        fail_msg("'%s' is not in: %s", words, failure.text);
    }
    end();
}

/* Shows rule 43. */
static void a_ledger_is_taken_and_its_incarnation_noted(void **state) {
    (void)state;
    a_ledger();
    assert_true(opened(HF_LEDGER_RIGHTS));
    assert_string_equal(table.name, facts[NAME]);
    assert_string_equal(table.incarnation, INCARNATION);
    assert_int_equal(questions, 1);
    assert_int_equal(tried, 2);
    assert_non_null(strstr(table.insert, "INSERT INTO \"public\".\"holdfast_ledger\" "));
    assert_non_null(strstr(table.insert, "OR $3::text = (SELECT "));
    end();
}

/* Shows rule 43. */
static void each_fact_that_is_another_is_told_with_what_mends_it(void **state) {
    static const struct {
        int at;
        const char *is, *words;
    } wrong[] = {
        { OID, NULL, "there is no table holdfast_ledger" },
        { LACKING, "INSERT, UPDATE", "GRANT INSERT, UPDATE ON public.holdfast_ledger TO me;" },
        { KIND, "v", "is no ordinary table" },
        { TEMPORARY, "t", "is a temporary table" },
        { UNLOGGED, "t", "is UNLOGGED: a crash of the server empties it" },
        { INHERITS, "t", "no unique index of its own holds all rows" },
        { COLUMNS, "chunk bigint not null",
          "its columns are (chunk bigint not null), a ledger's are" },
        { COLUMNS, NULL, "its columns are (none)" },
        { KEY, "f", "has no unique index on exactly (run, chunk)" },
        { UNIQUE, "second", "drop it: second" },
        { RULES, "r", "has a rule, and what that makes of an INSERT is not known; drop it: r" },
        { TRIGGERS, "watch",
          "has a trigger, and what that makes of a row is not known; drop it: watch" },
        { REFERENCES, "job", "has a foreign key, or is what one refers to" },
        { CONSTRAINTS, "few", "has a CHECK or EXCLUDE constraint" },
        { HIDES, "t", "has row security" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        a_ledger();
        facts[wrong[i].at] = wrong[i].is;
        refused(HF_EXIT_USAGE, wrong[i].words);
    }
}

/* Shows rule 43. */
static void a_standby_s_answer_is_none_but_to_who_only_reads(void **state) {
    (void)state;
    a_ledger();
    facts[STANDBY] = "t";
    facts[LAST] = NULL;
    refused(HF_EXIT_INCOMPLETE, "a standby answered");
    assert_true(opened("SELECT"));
    assert_int_equal(tried, 0);
    assert_null(strstr(first_question, "pg_postmaster_start_time"));
    end();
}

/* Shows rule 43. First without the system identifier, then without an incarnation. */
static void what_the_server_does_not_tell_is_not_asked_for_again(void **state) {
    (void)state;
    a_ledger();
    refusals[0] = "42501";
    assert_true(opened(HF_LEDGER_RIGHTS));
    assert_int_equal(questions, 2);
    assert_non_null(strstr(first_question, "pg_control_system()"));
    assert_null(strstr(last_question, "pg_control_system()).system_identifier"));
    assert_int_equal(failure.status, 0);
    end();
    refusals[1] = "42883";
    facts[LAST] = NULL;
    assert_true(opened(HF_LEDGER_RIGHTS));
    assert_int_equal(questions, 3);
    assert_string_equal(table.incarnation, "");
    assert_null(strstr(table.insert, " OR $3::text"));
    end();
    refusals[2] = "42501";
    refused(HF_EXIT_USAGE, "GRANT USAGE ON SCHEMA");
}

/* ---- servers that are not PostgreSQL -------------------------------------------------------------------
 * None of these was run. What each knows is from its sources; the scripted server refuses the rest by the SQLSTATE that
 * is said there: 42883 for a function and 42703 for a column that is not known, 42P01 for a table, 0A000 for what is
 * not implemented, 42704 for a setting (CockroachDB: pkg/sql/pgwire/pgcode/codes.go; YugabyteDB: PostgreSQL's own). */

/* CockroachDB: pkg/sql/sem/builtins/pg_builtins.go of 22.1 has pg_is_in_recovery(), current_setting() and set_config(),
 * and is taken to have none of these; SELECT FROM is taken since pull request 116835 (24.1). */
static const unknown_word cockroach[] = { { "row_security_active(", "42883" },
                                          { "pg_control_system(", "42883" },
                                          { "pg_walfile_name(", "42883" },
                                          { "(SELECT FROM ", "42601" },
                                          { NULL, NULL } };
/* One that has no column for it either. */
static const unknown_word without_column[] = { { "row_security_active(", "42883" },
                                               { "relrowsecurity", "42703" },
                                               { "pg_stat_bgwriter", "42P01" },
                                               { NULL, NULL } };
/* YugabyteDB up to 2024.2: PostgreSQL 11, whose pg_attribute has no such column; 2.25 and 2025.1 are PostgreSQL 15
 * (release 2.25.0.0-b88). */
static const unknown_word yugabyte[] = { { "attgenerated", "42703" }, { NULL, NULL } };

/* Shows rule 43. */
static void a_server_without_a_part_is_asked_what_it_knows(void **state) {
    static const struct {
        const unknown_word *unknown;
        const char *asked, *also;
        bool tells; /* its incarnation */
        bool hides; /* it has a word for row security */
    } servers[] = {
        { cockroach, " c.relrowsecurity,", "a.attgenerated <> '' OR a.attidentity", false, true },
        { without_column, " false, NULL", "a.attgenerated <> '' OR a.attidentity", false, false },
        { yugabyte, " row_security_active(c.oid),", "WHEN false OR a.attidentity", true, true },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(servers); i++) {
        a_ledger();
        unknown = servers[i].unknown;
        facts[LAST] = servers[i].tells ? INCARNATION : NULL;
        assert_true(opened(HF_LEDGER_RIGHTS));
        assert_non_null(strstr(last_question, servers[i].asked));
        assert_non_null(strstr(last_question, servers[i].also));
        assert_string_equal(table.incarnation, servers[i].tells ? INCARNATION : "");
        assert_int_equal(strstr(table.insert, " OR $3::text = (") != NULL, servers[i].tells);
        assert_int_equal(tried, 2);
        assert_int_equal(failure.status, 0);
        const unsigned before = questions;
        assert_true(hf_ledger_table_check(&table, &client, 0, &failure)); /* what was learned */
        assert_int_equal(questions, before + 1);
        end();
        facts[HIDES] = "t";
        if (servers[i].hides) {
            refused(HF_EXIT_USAGE, "has row security");
        }
    }
}

/* Shows rule 43. With the place and the way out, and before anything was written. */
static void a_server_that_cannot_do_it_is_refused_by_name(void **state) {
    static const struct {
        unknown_word unknown;
        const char *words;
    } servers[] = {
        { { "FOR SHARE", "0A000" }, "cannot do what a ledger's key takes" },
        { { "FOR SHARE", "42601" }, "cannot do what a ledger's key takes" },
        { { "set_config(", "42883" }, "cannot do what a ledger's key takes" },
        /* CockroachDB before it had settings of the user's own (sql.IsCustomOptionSessionVariable) */
        { { "holdfast.lock_timeout", "42704" }, "cannot do what a ledger's key takes" },
        { { "has_table_privilege(", "42883" }, "cannot answer what a ledger's table is asked" },
        { { "pg_inherits", "42P01" }, "cannot answer what a ledger's table is asked" },
        { { "pg_is_in_recovery(", "42883" }, "cannot answer what a ledger's table is asked" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(servers); i++) {
        const unknown_word words[] = { servers[i].unknown, { NULL, NULL } };
        a_ledger();
        unknown = words;
        refused(HF_EXIT_USAGE, servers[i].words);
        assert_non_null(strstr(failure.text, servers[i].unknown.sqlstate));
        assert_non_null(strstr(failure.text, "the server at "));
        assert_non_null(strstr(failure.text, "nothing was written: a report without --ledger"));
    }
    unknown = NULL;
}

/* Shows rule 43. */
static void another_table_in_its_place_is_known_by_its_oid(void **state) {
    (void)state;
    a_ledger();
    assert_true(opened(HF_LEDGER_RIGHTS));
    facts[LAST] = "7/00000002/100.5/50";
    assert_true(hf_ledger_table_check(&table, &client, 0, &failure));
    assert_string_equal(table.incarnation, facts[LAST]);
    facts[OID] = "4712";
    assert_false(hf_ledger_table_check(&table, &client, 0, &failure));
    assert_int_equal(failure.status, HF_EXIT_REFUSED);
    assert_non_null(strstr(failure.text, "is another table now (OID 4712, was 4711)"));
    end();
}

/* Shows rule 43. */
static void a_name_is_one_or_two_identifiers(void **state) {
    static const char *const good[] = { "a", "_a$1", "a.b", "\"a b\".\"c\"\"d\"", "\xc3\xa9.x" };
    static const char *const bad[] = { "", "1a", "a b", "a.b.c", "a.", ".a", "\"\"", "\"a", "a;b" };
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(hf_ledger_table_named(good[i], &failure));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(hf_ledger_table_named(bad[i], &failure));
        assert_int_equal(failure.status, HF_EXIT_USAGE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ledger_is_taken_and_its_incarnation_noted),
        cmocka_unit_test(each_fact_that_is_another_is_told_with_what_mends_it),
        cmocka_unit_test(a_standby_s_answer_is_none_but_to_who_only_reads),
        cmocka_unit_test(what_the_server_does_not_tell_is_not_asked_for_again),
        cmocka_unit_test(a_server_without_a_part_is_asked_what_it_knows),
        cmocka_unit_test(a_server_that_cannot_do_it_is_refused_by_name),
        cmocka_unit_test(another_table_in_its_place_is_known_by_its_oid),
        cmocka_unit_test(a_name_is_one_or_two_identifiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
