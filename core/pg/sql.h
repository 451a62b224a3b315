/* What the first words of an SQL statement say of it. Comments and case do not matter. (PostgreSQL docs, part VI: SQL
 * commands.)
 *
 * Texts are the application's and end in NUL; nothing is kept of them. A statement that is not understood is sent: the
 * server judges it. Private to core/pg, but for the scanner, by which the program reads statements too, and
 * the incarnation, for which its report asks.
 */
#ifndef HF_PG_SQL_H
#define HF_PG_SQL_H

#include "holdfast/request.h"

enum { HF_SQL_WORD_BYTES = 16 };

/* Behind white space, comments (those between slash and star nest: PostgreSQL docs 4.1.5) and empty statements. */
const char *hf_sql_skip(const char *at);
/* The next word behind those, in capitals, and the place behind it. A word has letters and underscores alone; it is ""
 * where something else is next. One that is too long is cut, so it equals none of ours. */
const char *hf_sql_word(const char *at, char word[HF_SQL_WORD_BYTES]);

/* Why a statement is not sent at all, or NULL: COPY speaks a protocol of its own. */
const char *hf_pg_sql_refused(const char *sql);
/* Why a statement is not sent within a batch, or NULL. A batch has BEGIN and COMMIT around it already, and SEMANTICS 10
 * counts on nothing taking effect before that COMMIT. */
const char *hf_pg_sql_refused_in_batch(const char *sql);

/* What a statement means for those that are kept prepared. Its text decides, not its CommandComplete: statements sent
 * behind it before that comes are bound already. */
typedef enum hf_pg_effect {
    HF_PG_PLANNED, /* it has a plan, whose columns the server holds to (RevalidateCachedQuery): it may be kept */
    HF_PG_NEUTRAL, /* it has none, and leaves those of others alone */
    HF_PG_CHANGES /* it may change what others mean: a setting, the role, a table, a prepared statement */
} hf_pg_effect;

hf_pg_effect hf_pg_effect_of(const char *sql);

/* Does the word, given in capitals, stand anywhere in the text, but for strings, quoted names and comments? */
bool hf_pg_sql_mentions(const char *sql, const char *wanted);

/* Can the statement have an effect before its transaction commits, as CALL, VACUUM, CREATE DATABASE, … CONCURRENTLY
 * can? */
bool hf_pg_sql_commits(const char *sql);
/* The same of a request: a batch cannot. */
bool hf_pg_self_commits(const hf_request *request);

/* Does one of the request's statements say NOWAIT? */
bool hf_pg_waits_not(const hf_request *request);

/* A transaction's ticket, asked for before its COMMIT, so that the server can be asked what became of it (SEMANTICS
 * 15): one text, the transaction's number and behind a space the incarnation of the server. A number whose record was
 * not flushed is given out again after a crash, so it means something only on the incarnation that gave it. */
#define HF_PG_INCARNATION HF_PG_INCARNATION_OF(HF_PG_SYSTEM)
#define HF_PG_SYSTEM      "(SELECT system_identifier FROM pg_control_system())"
#define HF_PG_INCARNATION_OF(system)                                                       \
    "concat_ws('/'," system ","                                                            \
    "left(pg_walfile_name(pg_current_wal_insert_lsn()),8)," /* the timeline, up to date */ \
    "extract(epoch FROM pg_postmaster_start_time()),extract(epoch FROM stats_reset))"
#define HF_PG_SQL_TICKET \
    "SELECT pg_current_xact_id()||' '||" HF_PG_INCARNATION " FROM pg_stat_bgwriter"

/* The question what became of transaction $1, whose number the incarnation $2 gave out: one text. */
#define HF_PG_SQL_ASK                                                                     \
    "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' WHEN " HF_PG_INCARNATION "<>$2 " \
    "THEN 'other' ELSE pg_xact_status($1::text::xid8) END FROM pg_stat_bgwriter"

/* A ledger's head, before and behind the key's INSERT (SEMANTICS 48): the wait for the key has no time-out of the
 * session's, and a client that has vanished holds the key for $1 ms at most, NULL: as long as the session has it. What
 * the two time-outs were is kept in settings of the transaction's own: no statement can hand it to a later one of the
 * same flight. */
#define HF_PG_SQL_QUIET                                                                   \
    "SELECT set_config('holdfast.lock_timeout',current_setting('lock_timeout'),true),"    \
    "set_config('holdfast.statement_timeout',current_setting('statement_timeout'),true)," \
    "set_config('lock_timeout','0',true),set_config('statement_timeout','0',true),"       \
    "set_config('idle_in_transaction_session_timeout',"                                   \
    "coalesce($1,current_setting('idle_in_transaction_session_timeout')),true)"
#define HF_PG_SQL_RESTORE                                                              \
    "SELECT set_config('lock_timeout',current_setting('holdfast.lock_timeout'),true)," \
    "set_config('statement_timeout',current_setting('holdfast.statement_timeout'),true)"

/* The question at which isolation this session's transactions run: one text. */
#define HF_PG_SQL_ISOLATION "SHOW transaction_isolation"

/* The question whether this server takes writes, whatever the session itself has set: one text. */
#define HF_PG_SQL_ROLE                                                                       \
    "SELECT CASE WHEN pg_is_in_recovery() OR (SELECT setting='on' AND source<>'session' "    \
    "FROM pg_settings WHERE name='default_transaction_read_only') THEN 'standby' ELSE 'writ" \
    "able' END"

#endif
