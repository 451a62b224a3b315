/* Which table is taken for a ledger, and what is said of one that is none: the check's answers come from the scripted
 * port, so that each fact is another in turn. What a server makes of these statements is test_ledger_table.py's. */
#include "cli/connection.h"
#include "holdfast/test.h"
#include "report/ledger_table.h"
#include "unit.h"

#include <string.h>

#define FACTS       18
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
static unsigned questions;

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
    static const char *const names[FACTS] = { "oid", "", "", "", "", "", "", "", "",
                                              "",    "", "", "", "", "", "", "", "" };
    if (until <= self->now) {
        return 0;
    }
    if (!logged_in) {
        logged_in = true;
        hf_script_login(&self->script);
        return 0;
    }
    snprintf(last_question, sizeof last_question, "%s", hf_script_sql(&self->script));
    if (questions == 0) {
        snprintf(first_question, sizeof first_question, "%s", last_question);
    }
    const char *refusal = questions < COUNT(refusals) ? refusals[questions] : NULL;
    questions++;
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
}

static void begin(void) {
    hf_config *config = hf_connection_config();
    config->max_concurrent = 1;
    logged_in = false;
    questions = 0;
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
        { REFERENCES, "job", "has a foreign key: a row could go with the one that it refers to" },
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
        cmocka_unit_test(another_table_in_its_place_is_known_by_its_oid),
        cmocka_unit_test(a_name_is_one_or_two_identifiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
