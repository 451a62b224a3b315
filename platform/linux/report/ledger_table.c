/* A table's facts are read in one statement and judged here. A table is refused where a chunk could run twice, or all
 * of them fail: an UNLOGGED table is emptied by a crash; a unique index besides the key's raises the same 23505 by
 * which a key is known to be there; a table with heirs answers with their rows, which no index holds together.
 *
 * A server that speaks PostgreSQL's protocol need not know all that PostgreSQL does. What it is able to do is asked of
 * it, part by part, and its version never: `variants` says what stands in for a part that it refuses.
 */
#include "ledger_table.h"

#include "base/signals.h"
#include "pg/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the name ------------------------------------------------------------------------------------- */

static bool begins_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

/* The end of one identifier (PostgreSQL docs 4.1.1), or NULL. */
static const char *behind_identifier(const char *at) {
    if (*at == '"') {
        const char *from = ++at;
        while (*at && (*at != '"' || at[1] == '"')) {
            at += *at == '"' ? 2 : 1;
        }
        return *at && at > from ? at + 1 : NULL;
    }
    if (!begins_name(*at)) {
        return NULL;
    }
    while (begins_name(*at) || (*at >= '0' && *at <= '9') || *at == '$') {
        at++;
    }
    return at;
}

bool hf_ledger_table_named(const char *name, hf_failure *failure) {
    const char *end = behind_identifier(name);
    end = end && *end == '.' ? behind_identifier(end + 1) : end;
    if (end && !*end) {
        return true;
    }
    hf_bytes shown = { 0 };
    hf_bytes_add_printable(&shown, name, strnlen(name, 100));
    hf_fail(failure, HF_EXIT_USAGE,
            "the ledger '%s' is no name of a table: TABLE or SCHEMA.TABLE, as SQL writes them",
            hf_bytes_text(&shown));
    hf_bytes_free(&shown);
    return false;
}

/* Keywords of PostgreSQL 15 to 18 that are no table's name without quotes (its docs, appendix C: reserved ones, those
 * that may be a function's or type's name included), each between blanks. */
static const char reserved[] =
    " all analyse analyze and any array as asc asymmetric authorization binary both case cast"
    " check collate collation column concurrently constraint create cross current_catalog"
    " current_date current_role current_schema current_time current_timestamp current_user"
    " default deferrable desc distinct do else end except false fetch for foreign freeze from"
    " full grant group having ilike in initially inner intersect into is isnull join lateral"
    " leading left like limit localtime localtimestamp natural not notnull null offset on only"
    " or order outer overlaps placing primary references returning right select session_user"
    " similar some symmetric system_user table tablesample then to trailing true union unique"
    " user using variadic verbose when where window with ";

/* The name for DDL. As a table's name alone SQL takes a reserved word nowhere; behind a dot it may stand. */
static void add_name(hf_bytes *to, const char *name) {
    const char *end = behind_identifier(name);
    const size_t bytes = end ? (size_t)(end - name) : 0;
    char word[32] = " ";
    for (size_t i = 0; i < bytes && bytes < sizeof word - 2; i++) {
        word[i + 1] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 'a' - 'A') : name[i];
        word[i + 2] = ' ';
    }
    if (word[1] && strstr(reserved, word)) {
        hf_bytes_format(to, "\"%.*s\"%s", (int)bytes, word + 1, end);
    } else {
        hf_bytes_add_text(to, name);
    }
}

/* ---- texts ---------------------------------------------------------------------------------------- */

void hf_ledger_table_ddl(const char *name, hf_bytes *to) {
    hf_bytes_add_text(to, "CREATE TABLE ");
    add_name(to, name);
    hf_bytes_add_text(to, " (\n"
                          "    run     text        NOT NULL,\n"
                          "    chunk   bigint      NOT NULL,\n"
                          "    hash    text        NOT NULL,\n"
                          "    state   text,\n"
                          "    kept    text,\n"
                          "    written timestamptz NOT NULL DEFAULT now(),\n"
                          "    PRIMARY KEY (run, chunk)\n"
                          ")");
}

/* The DDL's columns as check_sql has them, by name. */
#define COLUMNS                                                                            \
    "chunk bigint not null, hash text not null, kept text, run text not null, state text," \
    " written timestamp with time zone not null default"

static char *text_of(hf_bytes *bytes) {
    char *text = hf_must_copy(hf_bytes_text(bytes));
    hf_bytes_free(bytes);
    return text;
}

/* Every text must use each of $1 to $4, or the server cannot tell the parameter's type (42P18). */
static void make_texts(hf_ledger_table *table) {
    const char *name = table->quoted;
    hf_bytes insert = { 0 }, find = { 0 }, keep = { 0 };
    hf_bytes_format(&insert,
                    "INSERT INTO %s (run, chunk, kept, hash) VALUES ($1::text, $2::bigint, "
                    "$4::text, (SELECT $5::text FROM %s WHERE run = $1::text AND chunk = 0 AND "
                    "state = 'open' AND ($3::text IS NULL",
                    name, name);
    if (table->incarnation_sql) {
        hf_bytes_format(&insert, " OR $3::text = (%s)", table->incarnation_sql);
    }
    hf_bytes_add_text(&insert, ") FOR SHARE))");
    hf_bytes_format(&find,
                    "SELECT hash, kept FROM %s WHERE run = $1::text AND chunk = $2::bigint AND "
                    "coalesce($3::text, $4::text, '') IS NOT NULL FOR SHARE",
                    name);
    hf_bytes_format(&keep,
                    "UPDATE %s SET kept = $5::text WHERE run = $1::text AND chunk = $2::bigint AND "
                    "coalesce($3::text, $4::text, '') IS NOT NULL",
                    name);
    table->insert = text_of(&insert);
    table->find = text_of(&find);
    table->keep = text_of(&keep);
    table->ledger = (hf_ledger){ .insert = table->insert, .find = table->find };
    table->keeps = table->ledger;
    table->keeps.keep = table->keep;
}

/* ---- questions ------------------------------------------------------------------------------------ */

bool hf_ledger_ask(const hf_ledger_table *table, hf_client *client, hf_request *request,
                   uint32_t timeout_ms, hf_failure *failure) {
    request->replay = HF_REPLAY_SAFE;
    request->wait_passing = true;
    request->timeout_ms = timeout_ms;
    if (!hf_client_run(client, request)) {
        hf_client_close(client); /* ends the request, whose memory is the caller's */
        return hf_fail(failure, HF_EXIT_INCOMPLETE, "stopped by %s",
                       strsignal(hf_signals_caught()));
    }
    if (request->outcome == HF_OUTCOME_OK) {
        return true;
    }
    hf_bytes what = { 0 };
    hf_bytes_format(&what, "the ledger %s", table->name ? table->name : table->given);
    hf_client_failure(client, request, hf_bytes_text(&what), failure);
    hf_bytes_free(&what);
    return false;
}

/* ---- the check ------------------------------------------------------------------------------------ */

/* What check_sql answers, a column each. */
enum {
    AT_OID,
    AT_NAME,
    AT_QUOTED,
    AT_ROLE,
    AT_STANDBY,
    AT_LACKING, /* rights */
    AT_KIND,
    AT_TEMPORARY,
    AT_UNLOGGED,
    AT_INHERITS,
    AT_COLUMNS,
    AT_KEY,
    AT_UNIQUE,
    AT_RULES,
    AT_TRIGGERS,
    AT_REFERENCES,
    AT_CONSTRAINTS,
    AT_HIDES,
    AT_INCARNATION,
    AT_ALL
};

/* A unique index that holds the key and nothing else: whole, checked at once, and of plain columns. */
#define IS_KEY                                                                                  \
    "(i.indisvalid AND i.indisready AND i.indislive AND i.indimmediate AND i.indpred IS NULL "  \
    "AND i.indexprs IS NULL AND i.indnkeyatts = 2 AND (SELECT array_agg(a.attname::text ORDER " \
    "BY a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum IN "    \
    "(i.indkey[0], i.indkey[1])) = '{chunk,run}'::text[])"

/* Parts of the check that some servers do not know, and what is asked in their place; the last is known to all.
 *  - Row security. CockroachDB has had ALTER TABLE ... ENABLE ROW LEVEL SECURITY since 25.2 (its docs), so that not to
 *    know row_security_active() does not mean to have none: by the column alone, a table that has row security is
 *    refused for every role. A server with neither has no row security that could hide a row.
 *  - Generated columns. pg_attribute.attgenerated is PostgreSQL 12's; YugabyteDB up to 2024.2 is PostgreSQL 11, and has
 *    no generated columns but those that attidentity tells.
 * (EXISTS (SELECT 1 ...) and not EXISTS (SELECT ...): CockroachDB before 24.1 takes no empty list, its issue 83255.) */
enum { BY_HIDES, BY_GENERATED, BY_ALL, VARIANTS = 3 };
static const char *const variants[BY_ALL][VARIANTS] = {
    [BY_HIDES] = { "row_security_active(c.oid)", "c.relrowsecurity", "false" },
    [BY_GENERATED] = { "a.attgenerated <> ''", "false" },
};

/* $1 the name, $2 the rights that are needed; BY_GENERATED and BY_HIDES in between, behind it the incarnation. No row:
 * there is no such table. */
static const char check_sql[] =
    "SELECT c.oid, format('%I.%I', n.nspname, c.relname), "
    "concat('\"', replace(n.nspname, '\"', '\"\"'), '\".\"', "
    "replace(c.relname, '\"', '\"\"'), '\"'), quote_ident(current_user), pg_is_in_recovery(), "
    "(SELECT string_agg(p, ', ') FROM unnest(string_to_array($2::text, ', ')) p "
    "WHERE NOT has_table_privilege(c.oid, p)), "
    "c.relkind, c.relpersistence = 't', c.relpersistence = 'u', "
    "EXISTS (SELECT 1 FROM pg_catalog.pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)), "
    "(SELECT string_agg(concat(a.attname, ' ', format_type(a.atttypid, a.atttypmod), "
    "CASE WHEN a.attnotnull THEN ' not null' END, CASE WHEN ";
static const char check_middle[] =
    " OR a.attidentity <> '' THEN ' generated' WHEN a.atthasdef THEN ' default' END), ', ' "
    "ORDER BY a.attname) FROM pg_catalog.pg_attribute a "
    "WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), "
    "EXISTS (SELECT 1 FROM pg_catalog.pg_index i "
    "WHERE i.indrelid = c.oid AND i.indisunique AND " IS_KEY "), "
    "(SELECT string_agg(x.relname, ', ' ORDER BY x.relname) FROM pg_catalog.pg_index i "
    "JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid "
    "WHERE i.indrelid = c.oid AND i.indisunique AND NOT " IS_KEY "), "
    "(SELECT string_agg(r.rulename, ', ' ORDER BY r.rulename) FROM pg_catalog.pg_rewrite r "
    "WHERE r.ev_class = c.oid), "
    "(SELECT string_agg(t.tgname, ', ' ORDER BY t.tgname) FROM pg_catalog.pg_trigger t "
    "WHERE t.tgrelid = c.oid AND NOT t.tgisinternal), "
    "(SELECT string_agg(f.conname, ', ' ORDER BY f.conname) FROM pg_catalog.pg_constraint f "
    "WHERE c.oid IN (f.conrelid, f.confrelid) AND f.contype = 'f'), "
    "(SELECT string_agg(f.conname, ', ' ORDER BY f.conname) FROM pg_catalog.pg_constraint f "
    "WHERE f.conrelid = c.oid AND f.contype IN ('c', 'x')), ";
static const char check_from[] = " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                                 "ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1::text)";

/* What a ledger's facts are, and what is said of a table of which one is another, with that fact for %s. The first one
 * that is found is told. */
static const struct {
    int at;
    const char *good; /* NULL: SQL's NULL */
    const char *why;
} facts_of_ledger[] = {
    { AT_KIND, "r",
      "is no ordinary table (a view, a foreign table and a partitioned one cannot be a ledger)" },
    { AT_TEMPORARY, "f",
      "is a temporary table: it goes with its session, and no other session sees its rows" },
    { AT_UNLOGGED, "f",
      "is UNLOGGED: a crash of the server empties it, and every line would run again; ALTER TABLE "
      "... SET LOGGED mends that" },
    { AT_INHERITS, "f",
      "inherits, is inherited from or is a partition: no unique index of its own holds all rows" },
    { AT_COLUMNS, COLUMNS, "is no ledger: its columns are (%s), a ledger's are (" COLUMNS ")" },
    { AT_KEY, "t",
      "has no unique index on exactly (run, chunk) that is valid, whole and not DEFERRABLE: a "
      "chunk could run twice" },
    { AT_UNIQUE, NULL,
      "has another unique index, whose error would be taken for that of the key; drop it: %s" },
    { AT_RULES, NULL, "has a rule, and what that makes of an INSERT is not known; drop it: %s" },
    { AT_TRIGGERS, NULL, "has a trigger, and what that makes of a row is not known; drop it: %s" },
    { AT_REFERENCES, NULL,
      "has a foreign key, or is what one refers to: a row could go with another, or not go at all; "
      "drop it: %s" },
    { AT_CONSTRAINTS, NULL,
      "has a CHECK or EXCLUDE constraint, which may refuse a row that a run needs; drop it: %s" },
    { AT_HIDES, "f",
      "has row security, and a key that it hides would not be found; ALTER TABLE ... DISABLE ROW "
      "LEVEL SECURITY, or a role with BYPASSRLS, mends that" },
};

typedef struct hf_ledger_facts {
    char *at[AT_ALL]; /* NULL: SQL's; all of them: there is no such table */
} hf_ledger_facts;

static void forget(hf_ledger_facts *facts) {
    for (size_t i = 0; i < AT_ALL; i++) {
        free(facts->at[i]);
    }
    *facts = (hf_ledger_facts){ 0 };
}

static int on_facts(hf_request *request, hf_row *row) {
    hf_ledger_facts *facts = request->user;
    for (unsigned i = 0; i < AT_ALL; i++) {
        const hf_value value = hf_row_get(row, i);
        if (value.data) {
            facts->at[i] = hf_must_alloc(value.bytes + 1, 1);
            memcpy(facts->at[i], value.data, value.bytes);
        }
    }
    return HF_CONTINUE;
}

static void on_restart(hf_request *request) {
    forget(request->user);
}

static bool fail_missing(const hf_ledger_table *table, const hf_client *client,
                         hf_failure *failure) {
    const bool usual = strcmp(table->given, HF_LEDGER_NAME) == 0;
    hf_bytes ddl = { 0 };
    hf_ledger_table_ddl(table->given, &ddl);
    hf_fail(
        failure, HF_EXIT_USAGE,
        "there is no table %s at %s; 'holdfast ledger create%s%s' makes it, or somebody who may "
        "create tables there, by\n%s;",
        table->given, client->where, usual ? "" : " --ledger ", usual ? "" : table->given,
        hf_bytes_text(&ddl));
    hf_bytes_free(&ddl);
    return false;
}

static bool fail_unfit(const hf_ledger_table *table, const char *why, const char *is,
                       hf_failure *failure) {
    const char *mark = strstr(why, "%s");
    hf_bytes text = { 0 };
    hf_bytes_format(&text, "the table %s ", table->name);
    hf_bytes_add(&text, why, mark ? (size_t)(mark - why) : strlen(why));
    if (mark) {
        hf_bytes_add_printable(&text, is, strnlen(is, 300));
        hf_bytes_add_text(&text, mark + strlen("%s"));
    }
    hf_bytes_add_text(&text, ". Or name another table with --ledger, made by\n");
    hf_ledger_table_ddl(HF_LEDGER_NAME "_2", &text);
    hf_fail(failure, HF_EXIT_USAGE, "%s;", hf_bytes_text(&text));
    hf_bytes_free(&text);
    return false;
}

static bool judge(const hf_ledger_table *table, const hf_ledger_facts *facts, hf_failure *failure) {
    for (size_t i = 0; i < sizeof facts_of_ledger / sizeof facts_of_ledger[0]; i++) {
        const char *is = facts->at[facts_of_ledger[i].at], *good = facts_of_ledger[i].good;
        if (is && good ? strcmp(is, good) != 0 : is != good) {
            return fail_unfit(table, facts_of_ledger[i].why, is ? is : "none", failure);
        }
    }
    const char *lacking = facts->at[AT_LACKING], *role = facts->at[AT_ROLE];
    return !lacking || hf_fail(failure, HF_EXIT_USAGE,
                               "the role %s lacks a right on the table %s: GRANT %s ON %s TO %s;",
                               role, table->name, lacking, table->name, role);
}

static bool writes(const hf_ledger_table *table) {
    return strcmp(table->rights, "SELECT") != 0;
}

/* Did the server say that it does not know what it was asked, or that the role may not know? */
static bool unknown(const hf_request *request) {
    const char *code = request->error.sqlstate;
    return request->outcome != HF_OUTCOME_OK &&
           (strncmp(code, "42", 2) == 0 || strncmp(code, "0A", 2) == 0);
}

/* False: why; *untold: the server refused some part of the question. */
static bool ask_facts(const hf_ledger_table *table, hf_client *client, uint32_t timeout_ms,
                      hf_ledger_facts *facts, bool *untold, hf_failure *failure) {
    const hf_value params[] = { hf_text(table->quoted ? table->quoted : table->given),
                                hf_text(table->rights) };
    hf_bytes sql = { 0 };
    hf_bytes_add_text(&sql, check_sql);
    hf_bytes_add_text(&sql, variants[BY_GENERATED][table->variant[BY_GENERATED]]);
    hf_bytes_add_text(&sql, check_middle);
    hf_bytes_add_text(&sql, variants[BY_HIDES][table->variant[BY_HIDES]]);
    if (table->incarnation_sql) {
        hf_bytes_format(&sql, ", CASE WHEN NOT pg_is_in_recovery() THEN (%s) END",
                        table->incarnation_sql);
    } else {
        hf_bytes_add_text(&sql, ", NULL");
    }
    hf_bytes_add_text(&sql, check_from);
    hf_request request = { .sql = hf_bytes_text(&sql),
                           .params = params,
                           .n_params = sizeof params / sizeof params[0],
                           .on_row = on_facts,
                           .on_restart = on_restart,
                           .user = facts };
    const bool asked = hf_ledger_ask(table, client, &request, timeout_ms, failure);
    hf_bytes_free(&sql);
    const bool right = strcmp(request.error.sqlstate, "42501") == 0;
    *untold = !asked && unknown(&request) && !(right && !table->incarnation_sql);
    if (!asked && right) {
        hf_fail_more(failure, "; GRANT USAGE ON SCHEMA lets a role see what is in it");
    }
    return asked;
}

/* The check, with as much of the incarnation as the server tells. */
static bool ask_all(hf_ledger_table *table, hf_client *client, uint32_t timeout_ms,
                    hf_ledger_facts *facts, bool *untold, hf_failure *failure) {
#define OF_SERVER(system) "SELECT " HF_PG_INCARNATION_OF(system) " FROM pg_catalog.pg_stat_bgwriter"
    static const char *const incarnations[] = { OF_SERVER(HF_PG_SYSTEM), OF_SERVER("''"), NULL };
    bool asked = false;
    *untold = true;
    for (size_t i = writes(table) ? 0 : 2; !asked && *untold && i < 3; i++) {
        table->incarnation_sql = incarnations[i];
        asked = ask_facts(table, client, timeout_ms, facts, untold, failure);
    }
    return asked;
}

/* Asks for each part of the check alone, and leaves in table->variant which is known. False: the server knows all that
 * it was asked, or (*untold: false) did not say, and why. */
static bool ask_less(hf_ledger_table *table, hf_client *client, uint32_t timeout_ms, bool *untold,
                     hf_failure *failure) {
    const hf_value name = hf_text(table->given);
    bool less = false;
    for (size_t part = 0; part < BY_ALL; part++) {
        bool asked = false;
        for (size_t i = 0; !asked && strcmp(variants[part][i], "false") != 0; i++) {
            hf_failure why;
            hf_bytes sql = { 0 };
            hf_bytes_format(&sql,
                            "SELECT count(*) FROM pg_catalog.pg_class c JOIN "
                            "pg_catalog.pg_attribute a ON a.attrelid = c.oid "
                            "WHERE c.oid = to_regclass($1::text) AND (%s)",
                            variants[part][i]);
            hf_request request = { .sql = hf_bytes_text(&sql), .params = &name, .n_params = 1 };
            asked = hf_ledger_ask(table, client, &request, timeout_ms, &why);
            hf_bytes_free(&sql);
            if (!asked && !unknown(&request)) {
                *failure = why;
                return *untold = false;
            }
            table->variant[part] = (uint8_t)(i + !asked);
            less = less || !asked;
        }
    }
    return less;
}

/* What the server was asked for cannot be had there. */
static bool fail_unable(const hf_client *client, const char *what, hf_failure *failure) {
    hf_bytes text = { 0 };
    hf_bytes_format(&text,
                    "; the server at %s cannot %s (LEDGER.md, Servers), and nothing was written: a "
                    "report without --ledger does not ask that of it",
                    client->where, what);
    hf_fail_more(failure, hf_bytes_text(&text));
    hf_bytes_free(&text);
    return false;
}

/* Tries what each chunk's flight begins with, so that a server which cannot do it is refused before anything is
 * written: the time-outs of the transaction's own, which end with this statement, and the key's text, which is parsed
 * and not run (FOR SHARE in a subquery of VALUES). */
static bool try_key(const hf_ledger_table *table, hf_client *client, uint32_t timeout_ms,
                    hf_failure *failure) {
    static const hf_value null = { NULL, 0 };
    hf_request quiet = { .sql = HF_PG_SQL_QUIET, .params = &null, .n_params = 1 };
    hf_request key = { .sql = table->insert, .prepare_only = true };
    if (hf_ledger_ask(table, client, &quiet, timeout_ms, failure) &&
        hf_ledger_ask(table, client, &key, timeout_ms, failure)) {
        return true;
    }
    return (unknown(&quiet) || unknown(&key)) &&
           fail_unable(client, "do what a ledger's key takes", failure);
}

/* An answer of a primary's, of which the incarnation is noted. */
static bool take_facts(hf_ledger_table *table, const hf_client *client,
                       const hf_ledger_facts *facts, hf_failure *failure) {
    table->missing = !facts->at[AT_OID];
    if (table->missing) {
        return fail_missing(table, client, failure);
    }
    if (writes(table) && strcmp(facts->at[AT_STANDBY], "f") != 0) {
        return hf_fail(failure, HF_EXIT_INCOMPLETE,
                       "the ledger %s: a standby answered at %s, and it takes no writes; run the "
                       "same command again",
                       table->given, client->where);
    }
    const uint32_t oid = (uint32_t)strtoul(facts->at[AT_OID], NULL, 10);
    if (table->oid && table->oid != oid) {
        return hf_fail(failure, HF_EXIT_REFUSED,
                       "the ledger %s is another table now (OID %lu, was %lu): what is done cannot "
                       "be told by it; give that one its name back, or start over with --restart",
                       table->name, (unsigned long)oid, (unsigned long)table->oid);
    }
    if (!table->oid) {
        table->oid = oid;
        table->name = hf_must_copy(facts->at[AT_NAME]);
        table->quoted = hf_must_copy(facts->at[AT_QUOTED]);
        make_texts(table);
    }
    const char *incarnation = facts->at[AT_INCARNATION];
    snprintf(table->incarnation, sizeof table->incarnation, "%s", incarnation ? incarnation : "");
    return judge(table, facts, failure);
}

bool hf_ledger_table_check(hf_ledger_table *table, hf_client *client, uint32_t timeout_ms,
                           hf_failure *failure) {
    hf_ledger_facts facts = { 0 };
    bool untold;
    const bool good = ask_facts(table, client, timeout_ms, &facts, &untold, failure) &&
                      take_facts(table, client, &facts, failure);
    forget(&facts);
    return good;
}

bool hf_ledger_table_open(hf_ledger_table *table, hf_client *client, const char *name,
                          const char *rights, uint32_t timeout_ms, hf_failure *failure) {
    hf_ledger_facts facts = { 0 };
    bool untold;
    *table = (hf_ledger_table){ .given = hf_must_copy(name), .rights = rights };
    if (!hf_ledger_table_named(name, failure)) {
        return false;
    }
    bool asked = ask_all(table, client, timeout_ms, &facts, &untold, failure);
    if (!asked && untold && ask_less(table, client, timeout_ms, &untold, failure)) {
        asked = ask_all(table, client, timeout_ms, &facts, &untold, failure);
    }
    if (!asked && untold) {
        fail_unable(client, "answer what a ledger's table is asked", failure);
    }
    if (asked) {
        *failure = (hf_failure){ 0 }; /* of what the server does not tell */
    }
    const bool good = asked && take_facts(table, client, &facts, failure) &&
                      (!writes(table) || try_key(table, client, timeout_ms, failure));
    forget(&facts);
    return good;
}

void hf_ledger_table_free(hf_ledger_table *table) {
    free(table->given);
    free(table->name);
    free(table->quoted);
    free(table->insert);
    free(table->find);
    free(table->keep);
    *table = (hf_ledger_table){ 0 };
}
